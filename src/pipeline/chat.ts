/**
 * POST /v1/chat/completions, top to bottom: parse, resolve, weigh, then the attempt loop of `exchange.ts`. This file also
 * says how the chat surface prepares a call for each kind of deployment and how it closes an answer.
 */
import { choose, type Candidate } from "../decide/choose.ts";
import type { RequestShape } from "../decide/deployment.ts";
import { inputEstimateTokens } from "../decide/estimate.ts";
import type { Charge } from "../ports.ts";
import { ChunkEncoder, encodeError, measureText, parseChatRequest, surfaceDialect } from "../providers/dialects/chat-surface.ts";
import type { DecodeContext, Dialect } from "../providers/dialects/dialect.ts";
import { forwardedHeaders } from "../providers/dialects/forwarded.ts";
import { dialectById } from "../providers/dialects/index.ts";
import { needsRewrite, passThroughEdits } from "../providers/dialects/pass-through.ts";
import type { ChatRequest } from "../wire/chat.ts";
import type { GatewayError } from "../wire/errors.ts";
import { splice } from "../wire/scan.ts";
import { usd } from "./answer-headers.ts";
import { readChatAnswer, SIMULATED_FINGERPRINT } from "./answer.ts";
import type { Attempt, Reading } from "./attempt.ts";
import { ByteLane } from "./byte-lane.ts";
import type { Deps } from "./deps.ts";
import { Exchange } from "./exchange.ts";
import { HubLane, type EventEncoder } from "./hub-lane.ts";
import type { Prepared, RequestCost, Surface } from "./surface.ts";
import { deadlineMsOf, readBody, refuse, resolveRoute, viaOf, type Inbound, type ReadBody } from "./inbound.ts";

const encoder = new TextEncoder();

/** Serve one chat request. Returns the running exchange, or null if the request was refused at once. */
export function serveChat(deps: Deps, inbound: Inbound): Exchange | null {
  const body = readBody(inbound.body);
  if (body.kind === "error") return refused(inbound, body.error);
  const parsed = parseChatRequest(body.raw);
  if (parsed.kind === "error") return refused(inbound, parsed.error);
  const { request } = parsed;
  const resolved = resolveRoute(inbound.snapshot, request.model);
  if (resolved.kind === "error") return refused(inbound, resolved.error);
  const { route } = resolved;
  const deadlineMs = deadlineMsOf(route, inbound.header);
  if (typeof deadlineMs !== "number") return refused(inbound, deadlineMs);

  const measure = measureText(request);
  const estimateTokens = inputEstimateTokens(measure.textBytes);
  const choice = choose({
    route,
    shape: shapeOf(request, estimateTokens, measure.imageCount),
    measure,
    view: (deployment) => deps.health.view(deployment.id, deployment.account, "chat", deps.clock.nowMs()),
    wallMs: deps.clock.wallMs(),
    random: () => deps.random.next(),
  });
  const unbounded = surfaceDialect.unboundedFields(body.raw);
  const warnings = unbounded.length > 0 ? [`the cost bound does not cover: ${unbounded.join(", ")}`] : [];
  const surface = new ChatSurface(deps, inbound, { request, body, forward: route.forwardHeaders, parseWarnings: parsed.warnings });
  const exchange = new Exchange(deps, surface, inbound.reply, {
    requestId: inbound.requestId,
    caller: inbound.caller,
    route,
    modelAsked: request.model,
    choice,
    inputEstimateTokens: estimateTokens,
    deadlineMs,
    warnings,
    snapshot: inbound.snapshot,
  });
  exchange.onRecorded = inbound.done;
  exchange.start();
  return exchange;
}

function refused(inbound: Inbound, error: GatewayError): null {
  refuse(inbound, error, encodeError);
  return null;
}

function shapeOf(request: ChatRequest, estimateTokens: number, imageCount: number): RequestShape {
  return {
    endpoint: "chat",
    stream: request.stream,
    inputBoundTokens: null,
    inputEstimateTokens: estimateTokens,
    imageCount,
    maxOutputTokens: request.maxOutputTokens ?? null,
    choiceCount: request.choiceCount,
    needsTools: request.tools.length > 0,
    needsJsonSchema: request.responseFormat?.kind === "json_schema",
    needsVision: imageCount > 0,
  };
}

interface ChatAsked {
  readonly request: ChatRequest;
  readonly body: ReadBody;
  /** Headers that the route's owner lists. */
  readonly forward: readonly string[];
  /** What another dialect cannot carry. */
  readonly parseWarnings: readonly string[];
}

class ChatSurface implements Surface {
  readonly endpoint = "chat";
  readonly stream: boolean;
  readonly #deps: Deps;
  readonly #inbound: Inbound;
  readonly #request: ChatRequest;
  readonly #asked: ChatAsked;
  /** Encoders of hub lanes, for the usage chunk at the end. */
  readonly #encoders = new Map<Reading, ChunkEncoder>();

  constructor(deps: Deps, inbound: Inbound, asked: ChatAsked) {
    this.#deps = deps;
    this.#inbound = inbound;
    this.#asked = asked;
    this.#request = asked.request;
    this.stream = asked.request.stream;
  }

  prepare(candidate: Candidate): Prepared {
    const { deployment } = candidate;
    const dialect = dialectById(deployment.provider.dialect ?? surfaceDialect.id);
    const headers = this.#headers(dialect);
    const same = dialect.id === surfaceDialect.id;
    const passing = { bytes: this.#inbound.body, scan: this.#asked.body.scan, raw: this.#asked.body.raw, request: this.#request };
    if (same && !needsRewrite(passing, deployment.provider)) {
      const body = splice(this.#inbound.body, passThroughEdits(passing, deployment.provider, deployment.upstreamModel));
      const reading = this.#reading(candidate, dialect, { usage: deployment.provider.usage, upstreamModel: deployment.upstreamModel });
      return { kind: "prepared", path: "/chat/completions", headers, body, warnings: [], reading };
    }
    const encoded = dialect.encodeChat(this.#request, { provider: deployment.provider, model: deployment.model, upstreamModel: deployment.upstreamModel, maxOutput: deployment.maxOutput });
    if (encoded.kind === "unsupported") return encoded;
    for (const [name, value] of encoded.headers) headers.push(name, value);
    const context = { usage: deployment.provider.usage, upstreamModel: deployment.upstreamModel, ...(encoded.renames === undefined ? {} : { renames: encoded.renames }) };
    return {
      kind: "prepared",
      path: encoded.path,
      headers,
      body: encoder.encode(JSON.stringify(encoded.body)),
      warnings: same ? encoded.warnings : [...this.#asked.parseWarnings, ...encoded.warnings],
      reading: this.#reading(candidate, dialect, context),
    };
  }

  closing(attempt: Attempt, charge: Charge, cost: RequestCost): Uint8Array {
    const pieces: Uint8Array[] = [];
    const spillway = `{"cost_usd":${cost.nanoUsd === null ? "null" : usd(cost.nanoUsd)}${cost.estimated ? `,"estimated":true` : ""}}`;
    for (const frame of attempt.tailFrames) {
      const tellsUsage = frame.kind === "usage" || frame.carriesUsage === true;
      if (tellsUsage && this.#request.includeUsage) pieces.push(withMember(frame.bytes, `"spillway":${spillway}`));
      else if (frame.kind !== "usage") pieces.push(frame.bytes);
    }
    const encode = this.#encoders.get(attempt.settings.reading);
    if (encode !== undefined && this.#request.includeUsage) {
      const usage = attempt.usage ?? { units: charge.units, raw: null };
      const chunk = JSON.stringify(encode.usageChunk(usage));
      pieces.push(encoder.encode(`data: ${chunk.slice(0, -1)},"spillway":${spillway}}\n\n`));
    }
    pieces.push(DONE);
    return pieces.length === 1 ? DONE : Buffer.concat(pieces);
  }

  errorFrame(error: GatewayError): Uint8Array {
    return encoder.encode(`data: ${JSON.stringify(encodeError(error))}\n\n`);
  }

  errorBody(error: GatewayError): Uint8Array {
    return encoder.encode(JSON.stringify(encodeError(error)));
  }

  #headers(dialect: Dialect): string[] {
    const headers = ["content-type", "application/json", "accept", this.stream ? "text/event-stream" : "application/json", "via", viaOf(this.#inbound.header("via"), this.#deps.instance)];
    for (const name of forwardedHeaders(dialect.id)) this.#forward(headers, name);
    for (const name of this.#asked.forward) this.#forward(headers, name);
    return headers;
  }

  #forward(headers: string[], name: string): void {
    const value = this.#inbound.header(name);
    if (value !== undefined && value.length > 0) headers.push(name, value);
  }

  #reading(candidate: Candidate, dialect: Dialect, context: DecodeContext): Reading {
    const { deployment } = candidate;
    const same = dialect.id === surfaceDialect.id;
    const head = { id: `chatcmpl-${this.#inbound.requestId}`, model: deployment.upstreamModel, createdS: Math.floor(this.#deps.clock.wallMs() / 1000) };
    const choiceCount = this.#request.choiceCount;
    const mayBeEmpty = this.#request.stop.length > 0;
    const reading: Reading = {
      mayBeEmpty,
      openLane: (sink) => {
        const decoder = dialect.openStream(context);
        if (same) return new ByteLane(sink, decoder, choiceCount);
        const encode = new ChunkEncoder({ ...head, includeUsage: this.#request.includeUsage });
        this.#encoders.set(reading, encode);
        return new HubLane(sink, decoder, this.#inbound.snapshot.simulated ? marked(encode) : encode, choiceCount, mayBeEmpty);
      },
      readAnswer: (body) => readChatAnswer(body, dialect, context, same ? null : { ...head, simulated: this.#inbound.snapshot.simulated }, mayBeEmpty),
      readError: (status, header, text) => {
        let parsed;
        try {
          parsed = JSON.parse(text);
        } catch {
          // Not JSON: the classifier works from status and text.
          parsed = undefined;
        }
        const error = dialect.readError(status, header, parsed, text, this.#deps.clock.wallMs());
        const override = deployment.provider.statusClasses[status];
        return override === undefined ? error : { ...error, class: override };
      },
    };
    return reading;
  }
}

/** Answers of simulated providers say so in the field that every client can read. */
function marked(encode: ChunkEncoder): EventEncoder {
  return { encodeJson: (event) => encode.encodeJson(event.kind === "start" ? { ...event, systemFingerprint: SIMULATED_FINGERPRINT } : event) };
}

const DONE = encoder.encode("data: [DONE]\n\n");

/** Put one more member into the JSON object of a one-line SSE frame, before its closing brace. */
function withMember(frame: Uint8Array, member: string): Uint8Array {
  const at = frame.lastIndexOf(125);
  return at < 0 ? frame : splice(frame, [{ start: at, end: at, text: `,${member}` }]);
}
