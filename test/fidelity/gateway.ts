/**
 * The whole request path of the gateway in one process, without sockets: what a client wrote goes in, the body that leaves
 * for the provider is looked at, the provider's answer goes back, and what the client got of it is looked at.
 */
import { Allowance } from "../../src/decide/allowance.ts";
import { DEFAULT_CLOCKS, type Deployment } from "../../src/decide/deployment.ts";
import { HealthBook } from "../../src/decide/health/book.ts";
import { sheet } from "../../src/decide/test-directory.ts";
import { BackgroundRuns } from "../../src/pipeline/background.ts";
import { serveChat } from "../../src/pipeline/chat.ts";
import { LIMITS, type Deps, type Snapshot } from "../../src/pipeline/deps.ts";
import { serveResponses } from "../../src/pipeline/responses.ts";
import { flush, VirtualClock } from "../../src/pipeline/test-clock.ts";
import { ScriptedUpstream } from "../../src/pipeline/test-upstream.ts";
import type { ClientReply, FetchedImage, Timer } from "../../src/ports.ts";
import type { Target } from "../../src/providers/dialects/dialect.ts";
import { dialectById } from "../../src/providers/dialects/index.ts";
import { MemoryLedger } from "../../src/storage/memory.ts";
import { MemoryState } from "../../src/storage/state-memory.ts";
import { encodeMessage } from "../../src/wire/event-stream.ts";
import { isObject, type JsonObject } from "../../src/wire/json.ts";
import type { SseEvent } from "../../src/wire/sse-event.ts";
import type { SurfaceName } from "../../src/wire/surfaces.ts";
import { MEDIA } from "./marks.ts";

/** An upstream's answer in both forms. */
export interface Upstream {
  readonly json: JsonObject;
  readonly events: readonly SseEvent[];
}

/** What came of one request. */
export interface Outcome {
  readonly status: number;
  /** Sentences of `x-spillway-warning`. */
  readonly warnings: readonly string[];
  /** Bodies that left for the provider, in order. */
  readonly sent: readonly JsonObject[];
  /** The bytes that the client got. */
  readonly reply: Uint8Array;
}

class Reply implements ClientReply {
  status = 0;
  headers: readonly string[] = [];
  ended = false;
  readonly pieces: Uint8Array[] = [];

  head(status: number, headers: readonly string[]): void {
    this.status = status;
    this.headers = headers;
  }

  write(bytes: Uint8Array): boolean {
    this.pieces.push(bytes);
    return true;
  }

  end(bytes: Uint8Array | null): void {
    if (bytes !== null) this.pieces.push(bytes);
    this.ended = true;
  }

  destroy(): void {
    this.ended = true;
  }

  onGone(): void {}
  onDrain(): void {}
}

const encoder = new TextEncoder();
/** Told of everything that has another price; no feature is named by it. */
const OF_THE_BOUND = /^the cost bound does not cover/;

/** A gateway whose memory of earlier answers lasts from one request to the next. */
export class Gateway {
  readonly #clock = new VirtualClock();
  readonly #state = new MemoryState({}, () => this.#clock.wallMs());
  readonly #reasoning = new MemoryState({}, () => this.#clock.wallMs());
  #count = 0;

  /** One request of a client, served by one deployment that answers so. */
  async ask(surface: SurfaceName, raw: JsonObject, target: Target, answer: Upstream, stream = false): Promise<Outcome> {
    const upstream = new ScriptedUpstream(() => this.#clock.nowMs(), nothing);
    upstream.plays("upstream", (call) => {
      if (!stream) return void call.json(answer.json);
      const binary = dialectById(target.provider.dialect ?? "openai-chat").framing === "event-stream";
      call.head(200, { "content-type": binary ? "application/vnd.amazon.eventstream" : "text/event-stream" });
      for (const event of answer.events) call.bytes(binary ? binaryEvent(event) : textEvent(event));
      call.end();
    });
    const reply = new Reply();
    const deps = this.#deps(upstream);
    const snapshot = snapshotOf(deploymentOf(target));
    const inPath = surface === "generate-content" || surface === "converse";
    const body = inPath || !stream ? raw : { ...raw, stream: true };
    const inbound = {
      requestId: deps.ids.requestId(),
      caller: { tenant: "default", key: "app", scopes: ["tenant/default", "key/app"] },
      body: encoder.encode(JSON.stringify(body)),
      asked: { surface, model: inPath ? "m" : undefined, stream: inPath ? stream : undefined, query: inPath && stream ? "alt=sse" : "" },
      header: () => undefined,
      reply,
      done: nothing,
      snapshot,
    };
    if (surface === "responses") serveResponses(deps, inbound, nothing);
    else serveChat(deps, inbound, nothing);
    for (let turns = 0; !reply.ended && turns < 40; turns++) await flush();
    if (!reply.ended) throw new Error(`${surface} over ${target.provider.dialect}: no end`);
    const warnings = headerOf(reply.headers, "x-spillway-warning").split("; ").filter((one) => one !== "" && !OF_THE_BOUND.test(one));
    return { status: reply.status, warnings, sent: upstream.calls.map((call) => bodyOf(call.request.body)), reply: Buffer.concat(reply.pieces) };
  }

  /** Is this state kept for the caller beside the call that it belongs to? */
  async keepsAside(callId: string, state: string): Promise<boolean> {
    const kept = await this.#reasoning.get({ tenant: "default", key: "app", kind: "reasoning" }, callId);
    return JSON.stringify(kept ?? null).includes(state);
  }

  #deps(upstream: ScriptedUpstream): Deps {
    const silent = { info: nothing, warn: nothing, error: (event: string, fields?: unknown) => console.error(event, fields) };
    return {
      clock: this.#clock,
      random: { next: () => 0.5 },
      upstream,
      ledger: new MemoryLedger(),
      records: { append: nothing },
      log: silent,
      health: new HealthBook({ restMs: 5_000, restMaxMs: 300_000 }),
      allowance: new Allowance(),
      ids: { requestId: () => `zq${++this.#count}`, attemptId: () => `att_${String(++this.#count).padStart(6, "0")}` },
      snapshot: () => {
        throw new Error("requests bring their own");
      },
      limits: LIMITS,
      instance: "spillway-test",
      images: { load: fetchedImage },
      state: this.#state,
      background: new BackgroundRuns(),
      reasoning: this.#reasoning,
    };
  }
}

function nothing(): void {}

/** The image that stands at any address. */
function fetchedImage(_address: string, done: (image: FetchedImage) => void): Timer {
  const timer = setImmediate(() => done({ kind: "image", mediaType: "image/png", base64: MEDIA.png, bytes: MEDIA.png.length, release: nothing }));
  return { cancel: () => clearImmediate(timer) };
}

function deploymentOf({ provider, model, upstreamModel }: Target): Deployment {
  return {
    id: "upstream/m", account: "upstream", provider, model, upstreamModel, pricing: { kind: "sheet", sheet: sheet(1, 2) }, contextWindow: model?.contextWindow ?? null,
    maxOutput: 64_000, baseUrl: "https://upstream.example/v1", region: null, domain: {}, reasons: model?.reasoning === true,
  };
}

function snapshotOf(deployment: Deployment): Snapshot {
  const route = {
    name: "m", candidates: [{ deployment, weight: 1, automatic: false }], strategy: "priority", clocks: DEFAULT_CLOCKS, keepalive: false, forwardHeaders: [],
    defaultMaxOutput: 8_192, automatic: false,
  } as const;
  return {
    simulated: false,
    sharesKept: true,
    fetchesImages: true,
    responsesTtlMs: 3_600_000,
    reasoningTtlMs: 3_600_000,
    directory: { resolve: () => ({ kind: "route", route, trace: [] }), callable: () => [] },
    transport: () => ({ origin: "https://upstream.example", basePath: "/v1", headers: [], proxyUrl: null, caFile: null, secret: null }),
  };
}

function headerOf(headers: readonly string[], name: string): string {
  const at = headers.findIndex((one, i) => i % 2 === 0 && one === name);
  return at < 0 ? "" : (headers[at + 1] ?? "");
}

function bodyOf(body: unknown): JsonObject {
  const value: unknown = JSON.parse(body instanceof Uint8Array ? new TextDecoder().decode(body) : String(body));
  if (!isObject(value)) throw new Error("the body is no object");
  return value;
}

function textEvent({ event, data }: SseEvent): string {
  return `${event === "" ? "" : `event: ${event}\n`}data: ${data}\n\n`;
}

function binaryEvent({ event, data }: SseEvent): Uint8Array {
  return encodeMessage([[":event-type", event], [":content-type", "application/json"], [":message-type", "event"]], data);
}
