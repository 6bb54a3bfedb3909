/**
 * Everything the pipeline asks of the world. Adapters implement these in `edge` and `storage`; `compose` joins them.
 * Units stand in the names; money is integer nano-dollars.
 */
import type { FailureClass } from "./wire/outcome.ts";
import type { Json, JsonObject } from "./wire/json.ts";
import type { ChannelTarget } from "./wire/notice.ts";
import type { RateRefusal, RateStandings } from "./wire/rates.ts";
import type { HttpMethod, ServedName, SurfaceName } from "./wire/surfaces.ts";
import type { UnitCounts } from "./wire/usage.ts";

export interface Clock {
  /** Monotonic, for durations and deadlines. Has the resolution of the wheel's tick at worst. */
  nowMs(): number;
  /** Wall time in ms since 1970, for prices, periods and records. */
  wallMs(): number;
  /** Call once after at least `delayMs`. Cheap: a timer wheel, resolution about 10 ms. */
  after(delayMs: number, callback: () => void): Timer;
}
export interface Timer {
  cancel(): void;
}

export interface Random {
  /** Uniform in [0, 1). */
  next(): number;
}

/** One call to a provider. `send` never throws; everything is told through the handler, ending in onEnd or onFailure once. */
export interface Upstream {
  send(request: UpstreamRequest, handler: UpstreamHandler): UpstreamCall;
}
export interface UpstreamRequest {
  /** `https://host[:port]`. Must belong to a configured deployment. */
  readonly origin: string;
  readonly path: string;
  readonly method: "POST" | "GET" | "HEAD" | "DELETE";
  /** Flat: name, value, name, value, … */
  readonly headers: readonly string[];
  /** Whole body as one piece or as consecutive pieces. */
  readonly body: Uint8Array | readonly Uint8Array[] | null;
  readonly connectTimeoutMs: number;
  /** Account settings: `proxy`, `ca_file`; null where unset. */
  readonly proxyUrl: string | null;
  readonly caFile: string | null;
}
export interface UpstreamHandler {
  /** The request is about to be written to a connected socket: from now on it counts as sent. */
  onSent(): void;
  /** Final response head. Names are lower case, values joined by ", ". */
  onHeaders(status: number, header: (name: string) => string | undefined): void;
  /** Decoded (content-encoding removed, within the decompression bound). Valid only during the call unless copied. */
  onData(chunk: Uint8Array): void;
  onEnd(): void;
  onFailure(failure: UpstreamFailure): void;
}
export interface UpstreamFailure {
  readonly class: Extract<FailureClass, "network" | "malformed" | "too_large">;
  /** refused, dns, tls, connect_timeout, reset, closed, protocol, decompression, aborted. */
  readonly reason: string;
  /** Could any byte of the request have left? False means it is always safe to try again. */
  readonly sent: boolean;
  readonly message: string;
}
export interface UpstreamCall {
  pause(): void;
  resume(): void;
  /** Close the socket. No further callback comes after this. */
  abort(): void;
}

/** Fetches an image whose address came in a request: bounded in every way, and only from addresses that are public. */
export interface ImageFetch {
  /** `done` is called once, in a later turn, unless cancelled. */
  load(address: string, done: (image: FetchedImage) => void): Timer;
}
export type FetchedImage =
  | { readonly kind: "image"; readonly mediaType: string; readonly base64: string; readonly bytes: number; /** Its memory is counted until this is called. */ readonly release: () => void }
  /** Fit to be told to the client. */
  | { readonly kind: "failed"; readonly why: string };

/** The answer on its way to the client. One owner writes it; the head goes once, before any body byte. */
export interface ClientReply {
  /** The status that left; 0 before the head. */
  readonly status: number;
  /** Flat headers: name, value, … The body's framing is the adapter's business. */
  head(status: number, headers: readonly string[]): void;
  /** Returns false when the client reads too slowly: write no more than is at hand, and wait for `onDrain`. */
  write(bytes: Uint8Array): boolean;
  /** The last byte of the answer. */
  end(bytes: Uint8Array | null): void;
  /** Break the connection off; for an answer that cannot be ended properly. */
  destroy(): void;
  /** Called once if the client leaves before `end`. */
  onGone(callback: () => void): void;
  onDrain(callback: () => void): void;
}

/** Who calls. */
export interface Caller {
  readonly tenant: string;
  /** Name of the key; `local` without keys. */
  readonly key: string;
  /** Scopes that pay, outermost first. */
  readonly scopes: readonly string[];
  /** What the key may use, and what it is told; absent: everything, as for keys of the configuration. */
  readonly policy?: CallerPolicy;
  /** The most that its requests matter, whatever a route or a header says. Absent: nothing is said of it. */
  readonly importance?: "high" | "normal" | "low";
  /** Of this request; they are among its scopes. Absent: none. */
  readonly tags?: Readonly<Record<string, string>>;
}

/** What a key narrows. Patterns are names in which `*` matches any run of characters; null: no narrowing. */
export interface CallerPolicy {
  readonly routes: readonly string[] | null;
  /** By canonical name, by upstream name or by deployment. */
  readonly models: readonly string[] | null;
  /** Regions in which requests may be processed. */
  readonly residency: readonly string[] | null;
  /** Which deployment served an answer, and what it cost: what the answer's headers tell this key. */
  readonly expose: "none" | "id" | "id+cost";
  /** Most that one request may cost with all its attempts; null: no cap of the key. */
  readonly maxRequestNanoUsd: number | null;
  /** Output limit where a hard limit applies and the client asks none; null: the route's. */
  readonly defaultMaxOutput: number | null;
  /** Fields of a body that are tags, besides `x-spillway-tag-*`. */
  readonly tagFields: readonly string[];
}

/** What an address says beside the body. */
export interface Asked {
  readonly surface: ServedName;
  /** Model of the path, percent-decoded once; undefined where the body names it. */
  readonly model: string | undefined;
  /** Stream asked by the path; undefined where the body says it. */
  readonly stream: boolean | undefined;
  /** Without "?". */
  readonly query: string;
  /** Whose form an answer takes that is no chat; absent: the usual one. */
  readonly form?: SurfaceName;
  /** Of endpoints that take several. */
  readonly method?: HttpMethod;
  /** What the path names besides a model (a file, a batch), percent-decoded once. */
  readonly id?: string;
}

/** A request whose caller is known and whose body has been read. */
export interface InboundCall {
  readonly requestId: string;
  readonly caller: Caller;
  readonly body: Uint8Array;
  /** Which surface was asked, and what its path and query say. */
  readonly asked: Asked;
  /** Header by lower-case name. */
  readonly header: (name: string) => string | undefined;
  /** Of `x-spillway-tag-*` headers, by name; absent: there are none. */
  readonly tags?: Readonly<Record<string, string>> | undefined;
  readonly reply: ClientReply;
  /** To be called once, when the request has its record or was refused. */
  readonly done: () => void;
}

/** The truth about money. Batch-shaped and asynchronous so that a thread, a slice or another machine can stand behind it. */
export interface Ledger {
  /** Durable before the promise resolves. One result per hold, in order. */
  reserve(holds: readonly Hold[]): Promise<readonly ReserveResult[]>;
  /** Durable before the promise resolves. Settling an attempt twice with the same charge is a no-op. Rejects when unwritable. */
  settle(charges: readonly Charge[]): Promise<void>;
  /** Not awaited by requests; at most once a second per attempt. */
  progress(marks: readonly Mark[]): Promise<void>;
  /** Readiness: can a hold be written now? */
  writable(): boolean;
}
/** What callers think of answers. */
export interface Feedback {
  /** Durable when it returns. False: there is one of this request already. */
  add(given: FeedbackGiven): boolean;
}
export interface FeedbackGiven {
  readonly requestId: string;
  readonly tenant: string;
  readonly key: string;
  readonly atMs: number;
  /** 0 to 1, or -1. */
  readonly score: number;
  readonly comment: string | null;
  /** What the request went by, and where its last call went. */
  readonly route: string | null;
  readonly deployment: string | null;
}
/** Whose a request was that made a call, and where it went. */
export interface RequestOrigin {
  readonly tenant: string;
  /** Names of the key that asked: one. */
  readonly keys: readonly string[];
  readonly route: string | null;
  readonly deployment: string | null;
}

/** Limits on money, as far as a request has to know them before it asks for a hold. */
export interface BudgetGate {
  /** False: there is no budget, and nothing else need be asked. */
  readonly any: boolean;
  /** What binds a call with these scopes; `capNanoUsd`: the smallest limit on one request, null: none. */
  binding(scopes: readonly string[]): { readonly hard: boolean; readonly capNanoUsd: number | null };
  /** Hard budgets that would bind a call with these scopes if it were one of the model that they name. Looks at all of them. */
  onModels(scopes: readonly string[]): readonly OnModel[];
  /** Has a budget been spent so far that a route's cheaper candidates are due? */
  cheaper(scopes: readonly string[], wallMs: number): boolean;
  /** The refusal that any call with these scopes would meet, however little it cost; null: none. */
  exhausted(scopes: readonly string[], wallMs: number): Extract<ReserveResult, { kind: "refused" }> | null;
  /** Whoever asked for this hold has gone: if it still waits for room, it is refused now. */
  forgo(attemptId: string): void;
}

/** A budget or limit that binds calls of one model. */
export interface OnModel {
  readonly id: string;
  /** As its scope names it, without `model/`. */
  readonly model: string;
}

/** Limits on pace: requests and tokens a minute, and requests at once. Counted where the request is served. */
export interface RateGate {
  /** False: there is none, and nothing else need be asked. */
  readonly any: boolean;
  /** Takes of every limit that applies to these scopes, or of none. `leastTokens`: what of the estimate is sure. */
  admit(scopes: readonly string[], tokensEstimate: number, nowMs: number, leastTokens?: number): RateAdmission;
  /** The request has ended, to its last byte, and came to so many tokens; null: unknown. A repeat changes nothing. */
  done(taken: RateTaken, actualTokens: number | null, nowMs: number): void;
  standing(scopes: readonly string[], nowMs: number): RateStandings;
  /** Limits that let no call with these scopes pass, ever, if it were one of the model that they name. Looks at all of them. */
  closedModels(scopes: readonly string[]): readonly OnModel[];
}
export type RateAdmission = { readonly kind: "admitted"; readonly taken: RateTaken } | RateRefusal;
/** What was taken: of each limit that applies, so many tokens. */
export interface RateTaken {
  readonly tokens: readonly number[];
}

/** One row per upstream call, written before its first byte leaves. */
export interface Hold {
  /** Time-ordered, unique for ever; made by the caller so that a repeat cannot reserve twice. */
  readonly attemptId: string;
  readonly requestId: string;
  /** 1, 2, 3 within the request. */
  readonly number: number;
  readonly deployment: string;
  /** The tenant, `default` until teams exist. */
  readonly tenant: string;
  /** Scopes that pay, outermost first: `tenant/default`, `key/app`, … */
  readonly scopes: readonly string[];
  /** null: unmetered, or unpriced and served under an explicit policy. */
  readonly priceVersion: string | null;
  /** Accounting period, `2026-11`. */
  readonly period: string;
  /** Upper bound of what the call may cost; null where there is no limit and no bound is known. */
  readonly boundNanoUsd: number | null;
  /** It costs no money at all: a null bound is no unknown one. Absent: it does. */
  readonly unmetered?: true;
  /** What the prompt is estimated at, for the settlement of an orphan. */
  readonly inputEstimateTokens: number;
  /** The prompt's estimated price, nano-dollars; null where unpriced. */
  readonly inputEstimateNanoUsd: number | null;
  /** Price of one relayed output token in pico-dollars, for the settlement of an orphan; null where unpriced. */
  readonly outputPricePicoUsd: number | null;
  /** The provider's disconnect rule. */
  readonly billsOnAbort: "input" | "nothing";
  readonly atMs: number;
}
export type ReserveResult =
  | { readonly kind: "held" }
  /** A limit would be crossed. `scope` says whose, `budget` which it is; the message is fit for the client, `resetsAtMs` (wall) says when to come back, null: not by waiting. */
  | { readonly kind: "refused"; readonly code: "budget_exceeded"; readonly scope: string; readonly budget?: string; readonly message: string; readonly resetsAtMs: number | null }
  /** `told`: fit for the client; absent: our own disk is at fault. */
  | { readonly kind: "unavailable"; readonly message: string; readonly told?: string };

export interface Charge {
  readonly attemptId: string;
  /** `charged` by usage, `estimated`, `unbilled` (cost 0), `unmetered` (cost null). */
  readonly state: "charged" | "estimated" | "unbilled" | "unmetered";
  /** Short word for what happened: `answered`, or the failure class, `superseded`, `client_gone`. */
  readonly outcome: string;
  readonly units: UnitCounts;
  readonly rawUsage: Json;
  /** null: unmetered or unpriced. Never 0 for unknown. */
  readonly costNanoUsd: number | null;
  readonly flags: readonly string[];
  readonly atMs: number;
}
/** How far an attempt has come, for the settlement of an orphan. */
export interface Mark {
  readonly attemptId: string;
  readonly relayedTokens: number;
}

/** A call whose end comes hours after its answer (a batch): its hold stays open, over restarts too, until it is settled. */
export interface KeptCall {
  readonly attemptId: string;
  /** Whose it is at the provider. */
  readonly account: string;
  readonly kind: KeptCallKind;
  /** The provider's own id of it. */
  readonly upstreamId: string;
  /** Wall time of all of these. */
  readonly createdMs: number;
  readonly nextLookMs: number;
  readonly looks: number;
  /** The provider's last word, or what kept it from having one. */
  readonly status: string;
  /** Of its hold. */
  readonly boundNanoUsd: number | null;
}
export type KeptCallKind = "files-batch" | "message-batch";
/** Calls whose holds outlive their process. A charge ends them, as it ends any hold. */
export interface KeptCalls {
  /** Durable before the promise resolves. Of one that is kept already: when it is looked at next, and its status. Rejects when unwritable. */
  keep(call: KeptCall): Promise<void>;
  /** All that are kept, the oldest first. */
  kept(): readonly KeptCall[];
}

/** State that is kept for callers between their requests: answers to continue from, opaque reasoning. Bounded, and every entry expires. */
export interface StateStore {
  /** `off` keeps nothing: `put` says false, `get` finds nothing. */
  readonly mode: StateMode;
  /**
   * Keeps `value` under `id` for `ttlMs`, in place of an older one; what was kept or renewed longest ago makes room. Can be read once
   * the promise resolves; `encrypted` then also survives the process. Resolves to false where it was not kept (off, too large, disk
   * full); never rejects.
   */
  put(scope: StateScope, id: string, value: Json, ttlMs: number): Promise<boolean>;
  /** undefined: never kept, expired, made room for others, or of another scope. `renewMs`: it lives that long from now. Never rejects. */
  get(scope: StateScope, id: string, renewMs?: number): Promise<Json | undefined>;
  /** Resolves to whether there was such an entry. Never rejects. */
  delete(scope: StateScope, id: string): Promise<boolean>;
}
export type StateMode = "off" | "memory" | "encrypted";
/** Whose state it is. Nobody else can read it: in an encrypted store the scope is part of what is authenticated. */
export interface StateScope {
  readonly tenant: string;
  /** Name of the caller's key. */
  readonly key: string;
  /** What it is, so that ids of different things never meet: `responses`, `reasoning`. */
  readonly kind: string;
}

/** Requests that carry a key of their caller's (`Idempotency-Key`), so that a repeat of one is no second call. Bounded; what has ended expires. */
export interface KeyedRequests {
  /** undefined: never begun, released, or expired by `nowMs` (wall). */
  find(name: string, nowMs: number): KeyedRequest | undefined;
  /** Durable before the promise resolves. Takes the place of an expired one. Rejects when unwritable or full. */
  begin(request: BegunRequest): Promise<void>;
  /** How it ended, as far as that is known; from `expiresMs` (wall) on it is forgotten. */
  end(name: string, record: JsonObject | null, expiresMs: number): Promise<void>;
  /** As if it had never been. */
  release(name: string): Promise<void>;
}
export interface BegunRequest {
  /** Of tenant and key together. */
  readonly name: string;
  /** Of all that a repeat has to be equal in. */
  readonly digest: string;
  readonly requestId: string;
  readonly atMs: number;
}
export interface KeyedRequest extends Omit<BegunRequest, "name"> {
  /** null: it runs, or whoever ran it is gone. */
  readonly record: JsonObject | null;
}

/** Finished requests, derived into rows, log lines, metrics and live tails. Never blocks a request. */
export interface Records {
  append(record: RequestRecord): void;
}
/** The one description of a finished request. */
export interface RequestRecord {
  readonly requestId: string;
  readonly atMs: number;
  readonly tenant: string;
  readonly key: string;
  readonly surface: ServedName;
  readonly stream: boolean;
  /** What the client asked for, and the route (or name) it resolved to. */
  readonly model: string;
  readonly route: string;
  /** The deployment that answered; null where none did. */
  readonly deployment: string | null;
  readonly attempts: readonly AttemptRecord[];
  /** Summed over attempts that served the answer. */
  readonly units: UnitCounts;
  /** Sum over all attempts; null if any of them is unmetered or unpriced. */
  readonly costNanoUsd: number | null;
  readonly ttftMs: number | null;
  readonly totalMs: number;
  /** HTTP status that left. */
  readonly status: number;
  /** `ok`, `error`, `client_gone`, `error_after_content`. */
  readonly outcome: "ok" | "error" | "client_gone" | "error_after_content";
  readonly errorCode: string | null;
  readonly flags: readonly string[];
  readonly warnings: readonly string[];
  /** Absent: none. */
  readonly tags?: Readonly<Record<string, string>>;
  /** The choice: candidates with estimates, the filtered ones with their reason, the order taken. */
  readonly decision: JsonObject;
}
export interface AttemptRecord {
  readonly attemptId: string;
  readonly deployment: string;
  /** `held`: answered, and settled later. */
  readonly state: Charge["state"] | "held";
  readonly outcome: string;
  readonly status: number | null;
  readonly units: UnitCounts;
  readonly costNanoUsd: number | null;
  readonly flags: readonly string[];
  readonly ttftMs: number | null;
  readonly totalMs: number;
}

/** Brings one alert to one place. Never throws, ends within its own time limit. */
export interface NoticeTransport {
  /** POST to a webhook's address; redirects are not followed. */
  post(url: string, headers: Readonly<Record<string, string>>, body: string, reach: NoticeReach): Promise<Delivery>;
  mail(server: Extract<ChannelTarget, { type: "smtp" }>, message: { readonly id: string; readonly subject: string; readonly text: string }, reach: NoticeReach): Promise<Delivery>;
}
export interface NoticeReach {
  /** Addresses within the gateway's own network are refused. */
  readonly publicOnly: boolean;
}
/** `retry`: it may go another time. The message names no secret. */
export type Delivery = { readonly kind: "delivered" } | { readonly kind: "failed"; readonly retry: boolean; readonly message: string; readonly retryAfterMs: number | null };

/** Where alerts that wait to be delivered survive the process. Small, bounded, written as a whole. */
export interface NoticeOutbox {
  /** null: there is nothing, or nothing that can be read. */
  load(): Json | null;
  /** Never throws. */
  save(waiting: Json): void;
}

/** For everything that is not per request. Fields never hold secrets: secrets do not stringify. */
export interface Log {
  info(event: string, fields?: Readonly<Record<string, unknown>>): void;
  warn(event: string, fields?: Readonly<Record<string, unknown>>): void;
  error(event: string, fields?: Readonly<Record<string, unknown>>): void;
}
