/**
 * Everything that is no chat and is called by a model: one surface over a table of endpoints. Bodies pass byte for byte to
 * providers of the same protocol, answers come back as they are; what is read is who serves it and what it costs.
 */
import { choose, type Candidate } from "../decide/choose.ts";
import type { RequestShape, Route } from "../decide/deployment.ts";
import { inputEstimateTokens } from "../decide/estimate.ts";
import { NO_NEEDS } from "../decide/needs.ts";
import { expectedUnits, usageOf } from "../decide/pieces.ts";
import { sseFrame, type ClientDialect } from "../providers/dialects/client.ts";
import { clientOf } from "../providers/dialects/clients.ts";
import { forwardedHeaders } from "../providers/dialects/forwarded.ts";
import { dialectById } from "../providers/dialects/index.ts";
import type { PassAnswer, PassEndpoint, PassMeasure } from "../providers/dialects/pass/endpoint.ts";
import { PASS_ENDPOINTS } from "../providers/dialects/pass/index.ts";
import { MediaDecoder } from "../providers/dialects/pass/stream.ts";
import { gatewayError, type GatewayError } from "../wire/errors.ts";
import type { DialectId } from "../wire/facts.ts";
import type { Json } from "../wire/json.ts";
import { SERVED, type PassName } from "../wire/surfaces.ts";
import type { Usage } from "../wire/usage.ts";
import type { AnswerReading, Attempt, Reading } from "./attempt.ts";
import type { Deps } from "./deps.ts";
import { Exchange } from "./exchange.ts";
import { isStreamOf } from "./framing.ts";
import { bytesOf } from "./hub-lane.ts";
import { deadlineMsOf, refusalOf, refuse, resolveRoute, viaOf, type Inbound } from "./inbound.ts";
import { failure, malformed } from "./lane.ts";
import { readPassBody, type PassBody } from "./pass-body.ts";
import { PassLane } from "./pass-lane.ts";
import { RawLane } from "./raw-lane.ts";
import { spendingOf, unboundedFieldsProblem } from "./spending.ts";
import type { Prepared, Surface } from "./surface.ts";
import { TOLD_AS_EVENTS, tellWhole, WholeLane, type WholeRead } from "./whole-lane.ts";
import { taggedCall } from "./tags.ts";

const EVENTS_TYPE = "text/event-stream; charset=utf-8";
const encoder = new TextEncoder();
const decoder = new TextDecoder();

/** Serve one request. Returns the running exchange, or null if the request was refused at once. `told`: warnings of a body that is not as it was sent. */
export function servePass(deps: Deps, call: Inbound, name: PassName, told: readonly string[] = []): Exchange | null {
  const endpoint = PASS_ENDPOINTS[name];
  const client = clientOf(SERVED[name].form);
  let asked: Route | undefined;
  const refused = (error: GatewayError): null => {
    refuse(call, error, (told) => client.encodeError(told, call.requestId), client.errorHeaders?.(error), refusalOf(asked));
    return null;
  };
  const body = readPassBody(call, endpoint);
  if (body.kind === "error") return refused(body.error);
  const inbound = taggedCall(deps, call, body.fields.root);
  if ("code" in inbound) return refused(inbound);
  const model = inbound.asked.model ?? body.model ?? endpoint.defaultModel;
  if (model === undefined || model === "") return refused(gatewayError("missing_field", "model is missing: the name of a model.", { param: "model" }));
  const resolved = resolveRoute(inbound, model);
  if (resolved.kind === "error") return refused(resolved.error);
  const { route } = resolved;
  asked = route;
  const deadlineMs = deadlineMsOf(route, inbound.header);
  if (typeof deadlineMs !== "number") return refused(deadlineMs);
  const spending = spendingOf(deps, inbound, route);
  if (spending !== undefined && "code" in spending) return refused(spending);

  const measure = endpoint.measure(body.fields);
  const stream = measure.stream !== "no";
  const unbounded = unboundedFieldsProblem(measure.unbounded, spending);
  if (unbounded.error !== null) return refused(unbounded.error);
  const shape: RequestShape = {
      endpoint: endpoint.models, stream, inputBoundTokens: null, inputEstimateTokens: 0, imageCount: 0, maxOutputTokens: null, choiceCount: measure.answers ?? 1,
      needs: NO_NEEDS, pieces: measure.pieces, writesTokens: endpoint.writesTokens,
  };
  const choice = choose({
    route,
    // A context window bounds each text, not their sum: the estimate is left out of that check.
    shape,
    spending,
    measure: {
      textBytes: measure.size.textBytes + (measure.repeatedBytes ?? 0), messageAndToolCount: measure.count, imageCount: measure.size.imageCount,
      unsized: measure.size.unsizedCount > 0, windows: Math.max(1, measure.count, measure.size.unsizedCount),
    },
    view: (deployment) => deps.health.view(deployment.id, deployment.account, name, deps.clock.nowMs()),
    wallMs: deps.clock.wallMs(),
    random: () => deps.random.next(),
  });
  const exchange = new Exchange(deps, new PassSurface(deps, inbound, { name, endpoint, client, body, measure, forward: route.forwardHeaders }), inbound.reply, {
    requestId: inbound.requestId,
    caller: inbound.caller,
    route,
    modelAsked: model,
    choice,
    inputEstimateTokens: inputEstimateTokens(measure.textBytes),
    deadlineMs,
    warnings: told.length === 0 ? unbounded.warnings : [...told, ...unbounded.warnings],
    binding: spending === undefined ? undefined : { spending, shape },
    snapshot: inbound.snapshot,
  });
  exchange.onRecorded = inbound.done;
  exchange.start();
  return exchange;
}

interface PassAsked {
  readonly name: PassName;
  readonly endpoint: PassEndpoint;
  readonly client: ClientDialect;
  readonly body: PassBody;
  readonly measure: PassMeasure;
  /** Headers that the route's owner lists. */
  readonly forward: readonly string[];
}

class PassSurface implements Surface {
  readonly endpoint: PassName;
  readonly name: PassName;
  readonly stream: boolean;
  readonly streamType = EVENTS_TYPE;
  readonly keepAlive: Uint8Array;
  readonly #deps: Deps;
  readonly #inbound: Inbound;
  readonly #asked: PassAsked;

  constructor(deps: Deps, inbound: Inbound, asked: PassAsked) {
    this.#deps = deps;
    this.#inbound = inbound;
    this.#asked = asked;
    this.endpoint = this.name = asked.name;
    this.stream = asked.measure.stream !== "no";
    this.keepAlive = asked.measure.stream === "events" ? bytesOf([asked.client.keepAlive]) : new Uint8Array(0);
  }

  prepare(candidate: Candidate): Prepared {
    const { endpoint, body, measure } = this.#asked;
    const { deployment } = candidate;
    const { dialect } = deployment.provider;
    const { basePath } = this.#inbound.snapshot.transport(deployment);
    const path = dialect === null ? undefined : endpoint.path(dialect, basePath, deployment.upstreamModel);
    if (dialect === null || path === undefined) return { kind: "unsupported", param: "model", message: `${deployment.id} does not serve ${this.name.replaceAll("-", " ")}.` };
    return {
      kind: "prepared",
      path,
      rooted: true,
      headers: this.#headers(dialect),
      body: body.write(deployment.upstreamModel),
      warnings: [],
      reading: this.#reading(candidate, dialect),
      expectedUnits: expectedUnits(deployment.pricing, measure.piecesGuess, measure.tokensGuess),
    };
  }

  closing(attempt: Attempt): Uint8Array {
    return bytesOf(attempt.tailFrames.map((frame) => frame.bytes));
  }

  /** Bytes of another type have no place for an error: what breaks in the middle is broken off. */
  errorFrame(error: GatewayError, attempt: Attempt | null): Uint8Array | null {
    const isEvents = attempt?.type == null ? this.#asked.measure.stream === "events" : isStreamOf("sse", attempt.type);
    return isEvents ? bytesOf([this.#asked.client.brokenFrame(error, this.#inbound.requestId)]) : null;
  }

  errorBody(error: GatewayError): Uint8Array {
    return encoder.encode(JSON.stringify(this.#asked.client.encodeError(error, this.#inbound.requestId)));
  }

  errorHeaders(error: GatewayError): readonly string[] {
    return this.#asked.client.errorHeaders?.(error) ?? [];
  }

  #headers(dialect: DialectId): string[] {
    const { endpoint, body, measure, forward } = this.#asked;
    const accept = measure.stream === "events" ? "text/event-stream" : endpoint.accept;
    const headers = ["content-type", body.contentType, "accept", accept, "via", viaOf(this.#inbound.header("via"), this.#deps.instance)];
    for (const name of [...forwardedHeaders(dialect), ...forward]) {
      const value = this.#inbound.header(name);
      if (value !== undefined && value.length > 0) headers.push(name, value);
    }
    return headers;
  }

  #reading({ deployment }: Candidate, dialect: DialectId): Reading {
    const { endpoint, measure } = this.#asked;
    let type = "";
    const usage = (answer: Extract<PassAnswer, { kind: "answer" }>): Usage => usageOf(deployment.pricing, { ...answer, piecesGuess: measure.piecesGuess, tokensGuess: measure.tokensGuess });
    return {
      mayBeEmpty: false,
      framing: "sse",
      accepts: (told) => {
        type = told;
        if (isStreamOf("sse", told)) return measure.stream !== "no";
        // Asked for events, some hosts answer whole: that is the answer, and it has been billed.
        return endpoint.answers.test(told) && (measure.stream === "events" ? EVENTS_TYPE : true);
      },
      openLane: (sink, told) => {
        if (isStreamOf("sse", told)) return new PassLane(sink, new MediaDecoder(endpoint, measure, usage), measure.count, "sse");
        const retold = measure.stream === "events";
        const { bytes } = endpoint;
        if (bytes === undefined) return new WholeLane(sink, this.#deps.limits.answerBytes, (body) => tellWhole(sink, wholeOf(readWhole(body, type, endpoint, measure, usage), retold ? eventsOf(body, type, endpoint, measure) : body, retold)));
        return new RawLane(sink, () => {
          const read = endpoint.read({ json: undefined, text: "", measure });
          return read.kind === "answer" ? usage(read) : null;
        }, retold ? { piece: (part) => bytesOf([sseFrame(null, bytes.piece(part))]), end: bytesOf([sseFrame(null, bytes.end)]) } : null);
      },
      readAnswer: (bytes) => readWhole(bytes, type, endpoint, measure, usage),
      readError: (status, header, text) => {
        const error = dialectById(dialect).readError(status, header, jsonOf(text), text, this.#deps.clock.wallMs());
        const override = deployment.provider.statusClasses[status];
        return override === undefined ? error : { ...error, class: override };
      },
    };
  }
}

/** The parsed text; undefined where it is not JSON. */
export function jsonOf(text: string): Json | undefined {
  try {
    return JSON.parse(text) as Json;
  } catch {
    // Not JSON: whoever asks works from the text.
    return undefined;
  }
}

/** The bytes of a whole answer that was read, if it is one. */
function wholeOf(read: AnswerReading, bytes: Uint8Array, retold: boolean): WholeRead {
  return read.kind === "error" ? read : { kind: "answer", bytes, usage: read.usage, warnings: retold ? [TOLD_AS_EVENTS] : [] };
}

function eventsOf(body: Uint8Array, type: string, { asEvents }: PassEndpoint, measure: PassMeasure): Uint8Array {
  const text = decoder.decode(body);
  const json = /json/i.test(type) ? jsonOf(text) : undefined;
  return bytesOf((asEvents?.({ json, text, measure }) ?? []).map((event) => sseFrame(null, event)));
}

function readWhole(bytes: Uint8Array, type: string, endpoint: PassEndpoint, measure: PassMeasure, usage: (answer: Extract<PassAnswer, { kind: "answer" }>) => Usage): AnswerReading {
  const text = decoder.decode(bytes);
  const json = /json/i.test(type) ? jsonOf(text) : undefined;
  if (json === undefined && /json/i.test(type)) return { kind: "error", error: malformed("the answer is not JSON"), usage: null };
  const read = endpoint.read({ json, text, measure });
  if (read.kind === "problem") return { kind: "error", error: failure(read.class, read.message), usage: null };
  return { kind: "answer", body: bytes, usage: usage(read), contentEvents: 0, textBytes: 0, warnings: [] };
}
