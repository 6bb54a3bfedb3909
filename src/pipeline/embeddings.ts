/** POST /v1/embeddings: the same loop as chat, JSON only, for deployments that speak the client's own dialect. */
import { choose, type Candidate } from "../decide/choose.ts";
import type { RequestShape, Route } from "../decide/deployment.ts";
import { inputEstimateTokens } from "../decide/estimate.ts";
import { NO_NEEDS } from "../decide/needs.ts";
import { parseEmbeddingsRequest, readUsage, surfaceDialect, type EmbeddingsRequest } from "../providers/dialects/chat-surface.ts";
import { clientOf } from "../providers/dialects/clients.ts";
import { forwardedHeaders } from "../providers/dialects/forwarded.ts";
import { toBase64 } from "../wire/base64.ts";
import type { GatewayError } from "../wire/errors.ts";
import type { DialectId } from "../wire/facts.ts";
import { asArray, isObject, member, type Json, type JsonObject } from "../wire/json.ts";
import { removalOf, splice, type Edit } from "../wire/scan.ts";
import type { SurfaceName } from "../wire/surfaces.ts";
import type { AnswerReading, Reading } from "./attempt.ts";
import { believedOf } from "./believed.ts";
import type { Deps } from "./deps.ts";
import { Exchange } from "./exchange.ts";
import { spendingOf } from "./spending.ts";
import type { Prepared, Surface } from "./surface.ts";
import { deadlineMsOf, readBody, refusalOf, refuse, resolveRoute, viaOf, type Inbound, type ReadBody } from "./inbound.ts";
import { failure, malformed } from "./lane.ts";
import { taggedCall } from "./tags.ts";

/** Embeddings have one form beside both chat protocols of one maker. */
const SERVED_BY: ReadonlySet<DialectId> = new Set<DialectId>([surfaceDialect.id, "openai-responses"]);
const OPENING_BRACE = 123;
const encoder = new TextEncoder();
const decoder = new TextDecoder();

/** Serve one embeddings request. Returns the running exchange, or null if the request was refused at once. */
export function serveEmbeddings(deps: Deps, call: Inbound): Exchange | null {
  let asked: Route | undefined;
  const refused = (error: GatewayError): null => {
    refuse(call, error, (told) => clientOf(formOf(call)).encodeError(told, call.requestId), [], refusalOf(asked));
    return null;
  };
  const body = readBody(call.body);
  if (body.kind === "error") return refused(body.error);
  const inbound = taggedCall(deps, call, body.raw);
  if ("code" in inbound) return refused(inbound);
  const parsed = parseEmbeddingsRequest(inbound.asked.model === undefined ? body.raw : { ...body.raw, model: inbound.asked.model });
  if (parsed.kind === "error") return refused(parsed.error);
  const { request } = parsed;
  const resolved = resolveRoute(inbound, request.model);
  if (resolved.kind === "error") return refused(resolved.error);
  const { route } = resolved;
  asked = route;
  const deadlineMs = deadlineMsOf(route, inbound.header);
  if (typeof deadlineMs !== "number") return refused(deadlineMs);
  const spending = spendingOf(deps, inbound, route);
  if (spending !== undefined && "code" in spending) return refused(spending);

  const estimateTokens = request.tokenCount > 0 ? request.tokenCount : inputEstimateTokens(request.textBytes);
  const shape: RequestShape = { endpoint: "embeddings", stream: false, inputBoundTokens: null, inputEstimateTokens: 0, imageCount: 0, maxOutputTokens: 0, choiceCount: 1, needs: NO_NEEDS };
  const choice = choose({
    route,
    // A context window bounds each text, not their sum: the estimate is left out of that check.
    shape,
    spending,
    measure: { textBytes: Math.max(request.textBytes, request.tokenCount) + besideInput(request), messageAndToolCount: request.inputCount, imageCount: 0, unsized: false },
    view: (deployment) => deps.health.view(deployment.id, deployment.account, "embeddings", deps.clock.nowMs()),
    wallMs: deps.clock.wallMs(),
    random: () => deps.random.next(),
  });
  const exchange = new Exchange(deps, new EmbeddingsSurface(deps, inbound, body, request, route.forwardHeaders), inbound.reply, {
    requestId: inbound.requestId,
    caller: inbound.caller,
    route,
    modelAsked: request.model,
    choice,
    inputEstimateTokens: estimateTokens,
    deadlineMs,
    warnings: [],
    binding: spending === undefined ? undefined : { spending, shape },
    believed: believedOf(deps, { route, shape: { ...shape, inputEstimateTokens: estimateTokens, writesTokens: false } }, choice),
    snapshot: inbound.snapshot,
  });
  exchange.onRecorded = inbound.done;
  exchange.start();
  return exchange;
}

/** Bytes of fields that only some host knows: it may have a prompt there, which the model reads with each input. */
function besideInput({ other, inputCount }: { readonly other: JsonObject; readonly inputCount: number }): number {
  return Object.keys(other).length === 0 ? 0 : encoder.encode(JSON.stringify(other)).length * inputCount;
}

const formOf = ({ asked }: Inbound): SurfaceName => asked.form ?? "chat";

class EmbeddingsSurface implements Surface {
  readonly endpoint = "embeddings";
  readonly name = "embeddings";
  readonly stream = false;
  readonly streamType = "";
  readonly keepAlive = new Uint8Array(0);
  readonly #deps: Deps;
  readonly #inbound: Inbound;
  readonly #body: ReadBody;
  readonly #request: EmbeddingsRequest;
  readonly #forward: readonly string[];

  constructor(deps: Deps, inbound: Inbound, body: ReadBody, request: EmbeddingsRequest, forward: readonly string[]) {
    this.#deps = deps;
    this.#inbound = inbound;
    this.#body = body;
    this.#request = request;
    this.#forward = forward;
  }

  prepare(candidate: Candidate): Prepared {
    const { deployment } = candidate;
    const { provider } = deployment;
    if (provider.dialect === null || !SERVED_BY.has(provider.dialect)) {
      return { kind: "unsupported", param: "model", message: `${deployment.id} serves no embeddings in this version.` };
    }
    const { form } = this.#inbound.asked;
    const asked = form === undefined ? undefined : clientOf(form).embeddings?.body(this.#body.raw, deployment);
    if (asked?.kind === "unsupported") return asked;
    const body = asked === undefined || asked.body === this.#body.raw ? this.#passed(deployment.upstreamModel) : written(asked.body, deployment.upstreamModel);
    const headers = ["content-type", "application/json", "accept", "application/json", "via", viaOf(this.#inbound.header("via"), this.#deps.instance)];
    for (const name of [...forwardedHeaders(surfaceDialect.id), ...this.#forward]) {
      const value = this.#inbound.header(name);
      if (value !== undefined && value.length > 0) headers.push(name, value);
    }
    return { kind: "prepared", path: "/embeddings", headers, body, warnings: [], reading: this.#reading(candidate) };
  }

  /** The client's own bytes, with the target's name for the model. */
  #passed(upstreamModel: string): Uint8Array {
    const edits: Edit[] = [];
    const { scan } = this.#body;
    for (let i = 0; i < scan.members.length; i++) {
      const one = scan.members[i] as (typeof scan.members)[number];
      if (one.key === "model") edits.push({ start: one.valueStart, end: one.valueEnd, text: JSON.stringify(upstreamModel) });
      else if (one.key === "spillway") edits.push(removalOf(scan, i));
    }
    // The path named it; there is an input at least, so a comma is due.
    if (this.#body.raw["model"] === undefined) edits.push({ start: scan.open + 1, end: scan.open + 1, text: `"model":${JSON.stringify(upstreamModel)},` });
    return splice(this.#inbound.body, edits);
  }

  closing(): Uint8Array {
    // Embeddings have no stream; the loop never asks.
    return new Uint8Array(0);
  }

  errorFrame(error: GatewayError): Uint8Array {
    return this.errorBody(error);
  }

  errorBody(error: GatewayError): Uint8Array {
    return encoder.encode(JSON.stringify(clientOf(formOf(this.#inbound)).encodeError(error, this.#inbound.requestId)));
  }

  errorHeaders(): readonly string[] {
    return [];
  }

  #reading(candidate: Candidate): Reading {
    return {
      mayBeEmpty: false,
      framing: "sse",
      openLane: () => {
        throw new Error("embeddings are no stream");
      },
      readAnswer: (body) => inForm(readEmbeddings(body, this.#request, candidate), this.#inbound),
      readError: (status, header, text) => {
        let parsed;
        try {
          parsed = JSON.parse(text);
        } catch {
          // Not JSON: the classifier works from status and text.
          parsed = undefined;
        }
        return surfaceDialect.readError(status, header, parsed, text, this.#deps.clock.wallMs());
      },
    };
  }
}

function written(asked: JsonObject, upstreamModel: string): Uint8Array {
  const { spillway: _, ...body } = asked;
  return encoder.encode(JSON.stringify({ ...body, model: upstreamModel }));
}

/** Clients of another form than ours may want members that the usual answer lacks. */
function inForm(reading: AnswerReading, { asked, requestId }: Inbound): AnswerReading {
  const extra = asked.form === undefined || reading.kind !== "answer" ? undefined : clientOf(asked.form).embeddings?.id(requestId);
  if (extra === undefined || reading.kind !== "answer") return reading;
  const told: unknown = JSON.parse(decoder.decode(reading.body));
  if (isObject(told) && typeof told["id"] === "string") return reading;
  const at = reading.body.indexOf(OPENING_BRACE) + 1;
  return { ...reading, body: splice(reading.body, [{ start: at, end: at, text: `"id":${JSON.stringify(extra)},` }]) };
}

/** As many vectors as inputs, or it is no answer. */
function readEmbeddings(body: Uint8Array, { inputCount, encodingFormat }: EmbeddingsRequest, candidate: Candidate): AnswerReading {
  let parsed: unknown;
  try {
    parsed = JSON.parse(decoder.decode(body));
  } catch (error) {
    return { kind: "error", error: malformed(`the answer is not JSON: ${(error as Error).message.slice(0, 120)}`), usage: null };
  }
  if (!isObject(parsed)) return { kind: "error", error: malformed("the answer is no object"), usage: null };
  const usage = readUsage(parsed, candidate.deployment.provider.usage, undefined) ?? null;
  const refusal = member(parsed, "error");
  if (refusal !== undefined && refusal !== null) return { kind: "error", error: failure("server", `an error in a 200: ${JSON.stringify(refusal).slice(0, 200)}`), usage };
  const vectors = asArray(parsed["data"]);
  const count = vectors.length;
  if (count === 0) return { kind: "error", error: failure("empty", "the answer holds no vectors"), usage };
  if (count !== inputCount) return { kind: "error", error: failure("truncated", `${count} vectors for ${inputCount} inputs`), usage };
  // Some hosts answer with numbers whatever was asked.
  const inBytes = encodingFormat === "base64" && vectors.some((one) => Array.isArray(member(one, "embedding")));
  const told = inBytes ? encoder.encode(JSON.stringify({ ...parsed, data: vectors.map(asBase64) })) : body;
  return { kind: "answer", body: told, usage, contentEvents: 0, textBytes: 0, warnings: [] };
}

/** A vector's numbers as the client asked for them: 32-bit floats, little-endian, in base64. */
function asBase64(vector: Json): Json {
  if (!isObject(vector) || !Array.isArray(vector["embedding"])) return vector;
  const numbers = vector["embedding"] as readonly Json[];
  const view = new DataView(new ArrayBuffer(numbers.length * 4));
  numbers.forEach((number, i) => view.setFloat32(i * 4, Number(number), true));
  return { ...vector, embedding: toBase64(new Uint8Array(view.buffer)) };
}
