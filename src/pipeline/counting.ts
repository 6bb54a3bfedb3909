/**
 * How many tokens a prompt has, without running it. A provider that counts for this protocol is asked, free of charge and
 * with failover among such; where the chosen deployment has no such question, or nobody answers it, we count ourselves and
 * say that the number is approximate. There is no hold and no charge, but a record.
 */
import { choose, type Candidate, type Choice } from "../decide/choose.ts";
import type { Deployment } from "../decide/deployment.ts";
import { inputEstimateTokens } from "../decide/estimate.ts";
import { NO_NEEDS } from "../decide/needs.ts";
import type { Ledger } from "../ports.ts";
import { measureText } from "../providers/dialects/chat-surface.ts";
import type { AskedOutside, ClientDialect } from "../providers/dialects/client.ts";
import { clientOf } from "../providers/dialects/clients.ts";
import { countingOf, type Counting } from "../providers/dialects/counting.ts";
import { forwardedHeaders } from "../providers/dialects/forwarded.ts";
import { dialectById } from "../providers/dialects/index.ts";
import type { ChatRequest } from "../wire/chat.ts";
import { ERRORS, statusOf, type GatewayError } from "../wire/errors.ts";
import type { PriceSheet } from "../wire/facts.ts";
import { splice } from "../wire/scan.ts";
import { countedSurface, type CountName } from "../wire/surfaces.ts";
import type { AnswerReading, Reading } from "./attempt.ts";
import type { Deps } from "./deps.ts";
import { withEarlier } from "./earlier-responses.ts";
import { Exchange } from "./exchange.ts";
import { deadlineMsOf, readBody, refuse, resolveRoute, viaOf, type Inbound, type ReadBody } from "./inbound.ts";
import { malformed } from "./lane.ts";
import { exhaustedError } from "./spending.ts";
import type { Prepared, Surface } from "./surface.ts";

const encoder = new TextEncoder();
const decoder = new TextDecoder();

/** Role, separators; and an image of common size. What surrounds a prompt differs by model, so these are rough. */
const TOKENS_PER_MESSAGE = 4;
const TOKENS_PER_IMAGE = 1_000;

/** A call that is free by contract: it counts one request, which costs nothing. */
const FREE: PriceSheet = { version: "free", base: { requests: 0, input: 0, output: 0 }, contextSteps: [], windows: [], scheduled: [], tiers: {}, geoPermille: {}, free: true };

/** What costs nothing needs no hold. */
const NO_LEDGER: Ledger = {
  reserve: (holds) => Promise.resolve(holds.map(() => ({ kind: "held" }))),
  settle: () => Promise.resolve(),
  progress: () => Promise.resolve(),
  writable: () => true,
};

/** Serve one question. `started` is told once: the running exchange, or null if the request was refused. */
export function serveCount(deps: Deps, inbound: Inbound, name: CountName, started: (exchange: Exchange | null) => void): void {
  const client = clientOf(countedSurface(name));
  const refused = (error: GatewayError): void => {
    refuse(inbound, error, (told) => client.encodeError(told, inbound.requestId), client.errorHeaders?.(error));
    started(null);
  };
  const body = readBody(inbound.body);
  if (body.kind === "error") return refused(body.error);
  const go = (asked: Inbound, read: ReadBody, sent?: AsSent): void => {
    const exchange = begin(deps, asked, read, name, client, sent);
    if (exchange instanceof Exchange) started(exchange);
    else refused(exchange);
  };
  if (name === "responses-input-tokens") withEarlier(deps, inbound, body, refused, (next, read, more) => go(next, read, more.asSent));
  else go(inbound, body);
}

interface AsSent {
  readonly account: string;
  readonly bytes: Uint8Array;
  readonly body: ReadBody;
}

function begin(deps: Deps, inbound: Inbound, body: ReadBody, name: CountName, client: ClientDialect, sent: AsSent | undefined): Exchange | GatewayError {
  const counting = countingOf(name);
  const { surface: _, ...address } = inbound.asked;
  const outside: AskedOutside = { ...address, stream: false, header: inbound.header };
  const parsed = client.parse(counting.request(body.raw), outside);
  if (parsed.kind === "error") return parsed.error;
  const { request } = parsed;
  const resolved = resolveRoute(inbound, request.model);
  if (resolved.kind === "error") return resolved.error;
  const { route } = resolved;
  const deadlineMs = deadlineMsOf(route, inbound.header);
  if (typeof deadlineMs !== "number") return deadlineMs;
  const exhausted = exhaustedError(deps, inbound, route);
  if (exhausted !== null) return exhausted;
  const measure = measureText(request);
  const weighed = choose({
    route,
    // A prompt that is too long for a model is counted all the same.
    shape: { endpoint: "chat", stream: false, inputBoundTokens: null, inputEstimateTokens: 0, imageCount: 0, maxOutputTokens: null, choiceCount: 1, needs: NO_NEEDS },
    measure: { textBytes: 0, messageAndToolCount: 0, imageCount: 0, unsized: false },
    view: (deployment) => deps.health.view(deployment.id, deployment.account, name, deps.clock.nowMs()),
    wallMs: deps.clock.wallMs(),
    random: () => deps.random.next(),
  });
  const bytes = measure.textBytes + (client.unseenBytes?.(body.raw) ?? 0);
  const tokens = Math.max(1, inputEstimateTokens(bytes) + TOKENS_PER_MESSAGE * measure.messageAndToolCount + TOKENS_PER_IMAGE * measure.imageCount);
  const counted = new CountSurface(deps, inbound, { name, client, counting, request, outside, body, sent, forward: route.forwardHeaders, approximate: { tokens, unsized: measure.unsized } });
  const exchange = new Exchange({ ...deps, ledger: NO_LEDGER }, counted, inbound.reply, {
    requestId: inbound.requestId,
    caller: inbound.caller,
    route,
    modelAsked: request.model,
    choice: onlyCounting(weighed, client),
    inputEstimateTokens: 0,
    deadlineMs,
    warnings: [],
    snapshot: inbound.snapshot,
  });
  exchange.onRecorded = inbound.done;
  exchange.start();
  return exchange;
}

/**
 * The candidates up to the first that cannot be asked: what a later one counts would be the number of a model that is not
 * the one chosen.
 */
function onlyCounting(choice: Choice, client: ClientDialect): Choice {
  const end = choice.candidates.findIndex(({ deployment }) => !counts(deployment, client));
  const asked = end < 0 ? choice.candidates : choice.candidates.slice(0, end);
  return { ...choice, candidates: asked.map(free), holdNanoUsd: 0 };
}

function counts({ provider }: Deployment, client: ClientDialect): boolean {
  return provider.freeCounting === client.id;
}

function free(candidate: Candidate): Candidate {
  const { deployment } = candidate;
  return { ...candidate, boundNanoUsd: 0, deployment: { ...deployment, pricing: { kind: "sheet", sheet: FREE }, provider: { ...deployment.provider, billsOnAbort: "nothing", onClientGone: "abort" } } };
}

interface CountAsked {
  readonly name: CountName;
  readonly client: ClientDialect;
  readonly counting: Counting;
  readonly request: ChatRequest;
  readonly outside: AskedOutside;
  readonly body: ReadBody;
  /** The body for an account that knows what it refers to. */
  readonly sent: AsSent | undefined;
  readonly forward: readonly string[];
  readonly approximate: { readonly tokens: number; readonly unsized: boolean };
}

class CountSurface implements Surface {
  readonly endpoint: string;
  readonly name: CountName;
  readonly stream = false;
  readonly streamType = "";
  readonly keepAlive = new Uint8Array(0);
  readonly #deps: Deps;
  readonly #inbound: Inbound;
  readonly #asked: CountAsked;

  constructor(deps: Deps, inbound: Inbound, asked: CountAsked) {
    this.#deps = deps;
    this.#inbound = inbound;
    this.#asked = asked;
    this.endpoint = this.name = asked.name;
  }

  prepare({ deployment }: Candidate): Prepared {
    const { client, counting, request, outside, sent } = this.#asked;
    const asSent = sent?.account === deployment.account ? sent : undefined;
    const { raw, scan } = (asSent ?? this.#asked).body;
    const bytes = asSent?.bytes ?? this.#inbound.body;
    const { provider, upstreamModel, model } = deployment;
    const passed = client.pass({ bytes, scan, raw, request, outside }, { provider, model, upstreamModel, maxOutput: null });
    const edits = [...passed.edits, ...(counting.edits?.(raw, scan, upstreamModel) ?? [])];
    const headers = ["content-type", "application/json", "accept", "application/json", "via", viaOf(this.#inbound.header("via"), this.#deps.instance)];
    const replaces = (client.passedHeaders ?? []).filter((header) => this.#inbound.header(header) !== undefined);
    for (const header of [...forwardedHeaders(client.id), ...this.#asked.forward, ...replaces]) {
      const value = this.#inbound.header(header);
      if (value !== undefined && value.length > 0) headers.push(header, value);
    }
    return { kind: "prepared", path: counting.path(passed.path), headers, replaces, body: splice(bytes, edits), warnings: [], reading: this.#reading(deployment) };
  }

  /** Nobody could be asked: our own count, unless the request itself is at fault. */
  instead(error: GatewayError): { readonly body: Uint8Array; readonly warning: string; readonly flag: string } | undefined {
    const status = statusOf(error);
    const theirs = status >= 500 || status === 429;
    if (!theirs || error.code === "stopping" || error.code === "rate_limited") return undefined;
    const { counting, approximate } = this.#asked;
    const parts = approximate.unsized ? "; files and the like are not counted" : "";
    const why = ERRORS[error.code] === ERRORS.no_usable_deployment ? "" : `: ${error.code}`;
    return { body: encoder.encode(JSON.stringify(counting.answer(approximate.tokens))), warning: `the count is approximate, made here by the length of the text${why}${parts}`, flag: "approximate" };
  }

  closing(): Uint8Array {
    // A count has no stream; the loop never asks.
    return new Uint8Array(0);
  }

  errorFrame(error: GatewayError): Uint8Array {
    return this.errorBody(error);
  }

  errorBody(error: GatewayError): Uint8Array {
    return encoder.encode(JSON.stringify(this.#asked.client.encodeError(error, this.#inbound.requestId)));
  }

  errorHeaders(error: GatewayError): readonly string[] {
    return this.#asked.client.errorHeaders?.(error) ?? [];
  }

  #reading({ provider }: Deployment): Reading {
    const dialect = dialectById(this.#asked.client.id);
    return {
      mayBeEmpty: false,
      framing: "sse",
      openLane: () => {
        throw new Error("a count is no stream");
      },
      readAnswer: (body) => readCount(body, this.#asked.counting),
      readError: (status, header, text) => {
        let parsed;
        try {
          parsed = JSON.parse(text);
        } catch {
          // Not JSON: the classifier works from status and text.
          parsed = undefined;
        }
        const error = dialect.readError(status, header, parsed, text, this.#deps.clock.wallMs());
        const found = provider.statusClasses[status] ?? error.class;
        // An address that does not count is no reason to take the deployment out of everything.
        return { ...error, class: found === "not_found" ? "server" : found };
      },
    };
  }
}

function readCount(body: Uint8Array, counting: Counting): AnswerReading {
  let tokens;
  try {
    tokens = counting.tokensIn(JSON.parse(decoder.decode(body)));
  } catch (error) {
    return { kind: "error", error: malformed(`the answer is not JSON: ${(error as Error).message.slice(0, 120)}`), usage: null };
  }
  if (tokens === undefined) return { kind: "error", error: malformed("the answer tells no number of tokens"), usage: null };
  return { kind: "answer", body, usage: { units: { requests: 1 }, raw: null }, contentEvents: 0, textBytes: 0, warnings: [] };
}
