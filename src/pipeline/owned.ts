/**
 * Files and batches: what a provider keeps is asked of the account that owns it. The id says which; a new one goes where
 * `x-spillway-account` says, else where its requests' model is, else to the first account whose provider keeps such things.
 * Nothing fails over, and what was sent is not sent again: a batch that was made twice costs twice. The row of a batch that was
 * made stays held until its provider says that it ended; a call about what is kept has no price, and so no cost at all.
 */
import { choose, type Candidate } from "../decide/choose.ts";
import { DEFAULT_CLOCKS, type Deployment, type Route } from "../decide/deployment.ts";
import { NO_NEEDS } from "../decide/needs.ts";
import { clientOf } from "../providers/dialects/clients.ts";
import { forwardedHeaders } from "../providers/dialects/forwarded.ts";
import { batchDialect, type BatchTold } from "../providers/dialects/batches.ts";
import { dialectById } from "../providers/dialects/index.ts";
import type { KeptCallKind, OnModel, Timer } from "../ports.ts";
import { gatewayError, type GatewayError } from "../wire/errors.ts";
import { isObject, member } from "../wire/json.ts";
import type { Json } from "../wire/json.ts";
import type { UpstreamError } from "../wire/outcome.ts";
import { readOwnedId, tagIds, untagIds } from "../wire/owned-ids.ts";
import { ownedKind, SERVED, type OwnedKind, type OwnedName } from "../wire/surfaces.ts";
import type { Usage } from "../wire/usage.ts";
import { usd } from "./answer-headers.ts";
import type { Attempt, Reading } from "./attempt.ts";
import type { Deps } from "./deps.ts";
import { Exchange } from "./exchange.ts";
import { bytesOf } from "./hub-lane.ts";
import { deadlineMsOf, readBody, refuse, viaOf, type Inbound } from "./inbound.ts";
import { failure, malformed } from "./lane.ts";
import { readMessageBatch } from "./message-batch.ts";
import { jsonOf } from "./pass-endpoint.ts";
import { permittedKeepers } from "./permitted.ts";
import { RawLane } from "./raw-lane.ts";
import { scopesOf, type OfSeveral } from "./scopes.ts";
import { spendingOf } from "./spending.ts";
import type { Prepared, Surface } from "./surface.ts";
import { taggedCall } from "./tags.ts";

const encoder = new TextEncoder();
const decoder = new TextDecoder();
const USAGE: Usage = { units: { requests: 1 }, raw: null, flags: ["unmetered_batch"] };
const PATHS: Readonly<Record<OwnedName, (id: string) => string>> = {
  files: () => "/files",
  file: (id) => `/files/${id}`,
  "file-content": (id) => `/files/${id}/content`,
  batches: () => "/batches",
  batch: (id) => `/batches/${id}`,
  "batch-cancel": (id) => `/batches/${id}/cancel`,
  "message-batches": () => "/messages/batches",
  "message-batch": (id) => `/messages/batches/${id}`,
  "message-batch-cancel": (id) => `/messages/batches/${id}/cancel`,
  "message-batch-results": (id) => `/messages/batches/${id}/results`,
};
/** What comes as bytes, whatever their type. */
const IN_BYTES: ReadonlySet<OwnedName> = new Set<OwnedName>(["file-content", "message-batch-results"]);
/** Where pages of lists begin and end. */
const ID_QUERIES = ["after", "after_id", "before_id"];
/** Answers that tell of one batch. */
const BATCH_KINDS: Readonly<Partial<Record<OwnedName, KeptCallKind>>> = {
  batches: "files-batch", batch: "files-batch", "batch-cancel": "files-batch", "message-batches": "message-batch", "message-batch": "message-batch", "message-batch-cancel": "message-batch",
};
const KEPT_THINGS: Readonly<Record<OwnedKind, string>> = { files: "files and batches", "message-batches": "batches of messages" };

const NOT_SERVED = "Files and batches belong to the provider's account, so all caller keys would read and delete each other's. To serve them all the same, say files: shared in the configuration.";

/** Serve one request. Returns the running exchange, or null if the request was refused at once. */
export function serveOwned(deps: Deps, call: Inbound, name: OwnedName): Exchange | null {
  const client = clientOf(SERVED[name].form);
  const refused = (error: GatewayError): null => {
    refuse(call, error, (told) => client.encodeError(told, call.requestId), client.errorHeaders?.(error));
    return null;
  };
  const tagged = taggedCall(deps, call, null);
  if ("code" in tagged) return refused(tagged);
  // An array of its own: the scopes of a batch are those of its models, and are not kept for the next one.
  const inbound: Inbound = { ...tagged, caller: { ...tagged.caller, scopes: [...tagged.caller.scopes] } };
  if (!inbound.snapshot.sharesKept) return refused(gatewayError("files_not_served", NOT_SERVED));
  const kind = ownedKind(name);
  const asked = readAsked(inbound, name, deps.clock.wallMs());
  if ("code" in asked) return refused(asked);
  const route = routeOf(asked.owner);
  const deadlineMs = deadlineMsOf(route, inbound.header);
  if (typeof deadlineMs !== "number") return refused(deadlineMs);
  const forbidden = closedTo(deps, inbound, route, asked) ?? overLimit(deps, inbound, route, asked);
  if (forbidden !== null) return refused(forbidden);
  const choice = choose({
    route,
    shape: { endpoint: "other", stream: IN_BYTES.has(name), inputBoundTokens: 0, inputEstimateTokens: 0, imageCount: 0, maxOutputTokens: 0, choiceCount: 1, needs: NO_NEEDS, pieces: {} },
    measure: { textBytes: 0, messageAndToolCount: 0, imageCount: 0, unsized: false },
    view: (deployment) => deps.health.view(deployment.id, deployment.account, kind, deps.clock.nowMs()),
    wallMs: deps.clock.wallMs(),
    random: () => deps.random.next(),
  });
  const exchange = new Exchange(deps, new OwnedSurface(deps, inbound, name, asked), inbound.reply, {
    requestId: inbound.requestId,
    caller: inbound.caller,
    route,
    modelAsked: kind,
    choice: asked.boundNanoUsd === null ? choice : { ...choice, holdNanoUsd: asked.boundNanoUsd },
    inputEstimateTokens: 0,
    deadlineMs,
    warnings: [],
    once: inbound.asked.method !== "GET",
    snapshot: inbound.snapshot,
  });
  exchange.onRecorded = inbound.done;
  exchange.start();
  return exchange;
}

/**
 * Why a limit on a model forbids a batch of files: which models its lines ask for is not seen here, so one that may not be asked, or
 * whose money is limited, could be asked by way of it.
 */
function closedTo(deps: Deps, inbound: Inbound, route: Route, { owner, ofFile }: OwnedAsked): GatewayError | null {
  if (!ofFile) return null;
  const { directory } = inbound.snapshot;
  const scopes = scopesOf(inbound.caller.scopes, route.name, owner);
  const met = (found: readonly OnModel[]): OnModel | undefined => found.find(({ model }) => directory.mayServe?.(owner.account, model) !== false);
  const budget = deps.budgets?.any === true && owner.pricing.kind !== "unmetered" ? met(deps.budgets.onModels(scopes)) : undefined;
  const limit = deps.rates?.any === true ? met(deps.rates.closedModels(scopes)) : undefined;
  const why = (what: string): string => `This batch is not sent: ${what}, and which models its file asks for cannot be seen here. Send its requests one by one, or take an account without that model.`;
  if (budget !== undefined) return gatewayError("budget_exceeded", why(`the budget ${budget.id} limits what model/${budget.model} may cost`));
  return limit === undefined ? null : gatewayError("rate_limited", why(`the limit ${limit.id} allows no requests of model/${limit.model}`), { retry: false });
}

/** Why a limit on money forbids a batch: the hold has to cover all that it may cost, or there is none. */
function overLimit(deps: Deps, inbound: Inbound, route: Route, { owner, boundNanoUsd }: OwnedAsked): GatewayError | null {
  if (owner.pricing.kind === "unmetered") return null;
  const spending = spendingOf(deps, inbound, route);
  if (spending === undefined || "code" in spending) return spending ?? null;
  if (boundNanoUsd === null) return gatewayError("budget_exceeded", "This batch is not sent: a limit on money applies, and what it may cost cannot be known beforehand.");
  const { capNanoUsd } = spending;
  return capNanoUsd === null || boundNanoUsd <= capNanoUsd ? null : gatewayError("budget_exceeded", `This batch is not sent for what it could cost: up to USD ${usd(boundNanoUsd)}, and a request may cost USD ${usd(capNanoUsd)}.`);
}

interface OwnedAsked {
  /** Below the address, with its query. */
  readonly path: string;
  readonly owner: Deployment;
  readonly body: Uint8Array | null;
  readonly contentType: string | null;
  /** The most that it can cost; null: not known. */
  readonly boundNanoUsd: number | null;
  /** A new batch whose requests are in a file. */
  readonly ofFile: boolean;
}

/** What is asked, in the provider's own ids, and of whom. */
function readAsked(inbound: Inbound, name: OwnedName, wallMs: number): OwnedAsked | GatewayError {
  const own = readOwnedId(inbound.asked.id ?? "");
  // No id of anybody's, but a way up in a path.
  if (/^\.{1,2}$/.test(own.id)) return gatewayError("unknown_id", `There is no ${name} of that id.`);
  const query = new URLSearchParams(inbound.asked.query);
  // A caller's credential.
  query.delete("key");
  let named = own.account;
  for (const key of ID_QUERIES) {
    const at = readOwnedId(query.get(key) ?? "");
    if (at.id !== "") query.set(key, at.id);
    named ??= at.account;
  }
  named ??= inbound.header("x-spillway-account") ?? null;
  const path = PATHS[name](encodeURIComponent(own.id)) + (query.size > 0 ? `?${query.toString()}` : "");
  const contentType = inbound.header("content-type") ?? "application/json";
  let body = inbound.asked.method === "POST" ? inbound.body : null;
  if (name === "batches" && body !== null) {
    const read = readBody(body);
    if (read.kind === "error") return read.error;
    const input = read.raw["input_file_id"];
    named = (typeof input === "string" ? readOwnedId(input).account : null) ?? named;
    body = untagIds(body);
  }
  const kind = ownedKind(name);
  const keepers = permittedKeepers(inbound, inbound.snapshot.directory.keepers?.(kind) ?? []);
  if ("code" in keepers) return keepers;
  const owner = ownerOf(keepers, named, KEPT_THINGS[kind]);
  if ("code" in owner) return owner;
  if (name !== "message-batches" || body === null) {
    const ofFile = name === "batches" && body !== null;
    const isMetered = ofFile && inbound.snapshot.directory.meters?.(owner.account) !== false;
    return { path, owner: isMetered ? metered(owner) : owner, body, contentType: body === null || body.length === 0 ? null : contentType, boundNanoUsd: null, ofFile };
  }
  const batch = readMessageBatch(inbound, named, keepers, wallMs);
  if (batch.kind === "error") return batch.error;
  const batchOwner: OfSeveral = { ...(batch.metered ? metered(batch.owner) : batch.owner), ofModels: batch.models };
  return { path, owner: batchOwner, body: batch.body, contentType, boundNanoUsd: batch.boundNanoUsd, ofFile: false };
}

function ownerOf(keepers: readonly Deployment[], account: string | null, things: string): Deployment | GatewayError {
  const owner = account === null ? keepers[0] : keepers.find((one) => one.account === account);
  if (owner !== undefined) return owner;
  if (account === null) return gatewayError("no_usable_deployment", `No configured account is at a provider that keeps ${things}.`);
  return gatewayError("unknown_id", `No configured account ${JSON.stringify(account.slice(0, 80))} keeps ${things}; those that do: ${keepers.map((one) => one.account).join(", ") || "none"}.`);
}

/** A call that costs something, which its end will tell. */
function metered(owner: Deployment): Deployment {
  return { ...owner, pricing: { kind: "unknown" } };
}

function routeOf(deployment: Deployment): Route {
  return { name: deployment.id, candidates: [{ deployment, weight: 1, automatic: false }], strategy: "priority", clocks: DEFAULT_CLOCKS, keepalive: false, forwardHeaders: [], defaultMaxOutput: 0, automatic: false };
}

class OwnedSurface implements Surface {
  readonly endpoint: OwnedKind;
  readonly name: OwnedName;
  readonly stream: boolean;
  readonly streamType = "application/octet-stream";
  readonly keepAlive = new Uint8Array(0);
  readonly #deps: Deps;
  readonly #inbound: Inbound;
  readonly #asked: OwnedAsked;
  /** The batch that was made. */
  #made: BatchTold | null = null;
  /** It was looked at before it is deleted. */
  #looked = false;

  constructor(deps: Deps, inbound: Inbound, name: OwnedName, asked: OwnedAsked) {
    this.#deps = deps;
    this.#inbound = inbound;
    this.#asked = asked;
    this.name = name;
    this.endpoint = ownedKind(name);
    this.stream = IN_BYTES.has(name);
  }

  /** A batch whose id nobody has heard would be one that nobody asks after. */
  get readsOn(): boolean {
    return this.#makes;
  }

  get #makes(): boolean {
    return (this.name === "batches" || this.name === "message-batches") && this.#inbound.asked.method === "POST";
  }

  held({ settings }: Attempt): Promise<void> | undefined {
    const kind = BATCH_KINDS[this.name];
    if (this.#made === null || kind === undefined) return undefined;
    const { id: upstreamId, status } = this.#made;
    return this.#deps.batches?.made({ attemptId: settings.id, account: settings.candidate.deployment.account, kind, upstreamId, status, boundNanoUsd: this.#asked.boundNanoUsd });
  }

  /** What an answer tells of a batch. */
  #told(json: Json, { deployment }: Candidate): void {
    const kind = BATCH_KINDS[this.name];
    if (kind === undefined || this.#deps.batches === undefined) return;
    if (this.#makes) this.#made = batchDialect(kind).read(json, deployment.provider.usage);
    else this.#deps.batches.seen(deployment.account, kind, json);
  }

  /** What a batch was billed is read from its results: the last time to do so is before they are deleted. */
  #lookFirst({ deployment }: Candidate): Prepared | null {
    if (this.#looked || this.#inbound.asked.method !== "DELETE" || this.name !== "message-batch") return null;
    this.#looked = true;
    const look = this.#deps.batches?.look(deployment.account, "message-batch", readOwnedId(this.#inbound.asked.id ?? "").id) ?? null;
    return look === null ? null : { kind: "later", wait: (then) => unlessCancelled(look, then, (error) => this.#deps.log.error("request_crashed", { request: this.#inbound.requestId, error: String(error) })) };
  }

  prepare(candidate: Candidate): Prepared {
    const later = this.#lookFirst(candidate);
    if (later !== null) return later;
    const { dialect } = candidate.deployment.provider;
    const { path, body, contentType } = this.#asked;
    if (dialect === null) return { kind: "unsupported", param: "model", message: `${candidate.deployment.account} is not spoken to.` };
    const headers = ["accept", this.stream ? "*/*" : "application/json", "via", viaOf(this.#inbound.header("via"), this.#deps.instance)];
    if (contentType !== null) headers.push("content-type", contentType);
    const replaces = (clientOf(SERVED[this.name].form).passedHeaders ?? []).filter((header) => this.#inbound.header(header) !== undefined);
    for (const header of [...forwardedHeaders(dialect), ...replaces]) {
      const value = this.#inbound.header(header);
      if (value !== undefined && value.length > 0) headers.push(header, value);
    }
    return { kind: "prepared", path, method: this.#inbound.asked.method ?? "POST", headers, replaces, body, warnings: [], expectedUnits: {}, reading: this.#reading(candidate) };
  }

  closing(attempt: Attempt): Uint8Array {
    return bytesOf(attempt.tailFrames.map((frame) => frame.bytes));
  }

  /** A file has no place for an error. */
  errorFrame(): null {
    return null;
  }

  errorBody(error: GatewayError): Uint8Array {
    return encoder.encode(JSON.stringify(clientOf(SERVED[this.name].form).encodeError(error, this.#inbound.requestId)));
  }

  errorHeaders(): readonly string[] {
    return [];
  }

  /** Where results are had of us, as this client reaches us. Only itself can be misled by what it says of that. */
  #resultsOf(id: string): string {
    const told = (header: string): string => this.#inbound.header(header)?.split(",", 1)[0]?.trim() ?? "";
    const host = told("x-forwarded-host") || told("host");
    const scheme = /^https?$/.test(told("x-forwarded-proto")) ? told("x-forwarded-proto") : this.#deps.secure === true ? "https" : "http";
    const origin = /^[\w.[\]:-]+$/.test(host) ? `${scheme}://${host}` : "";
    return `${origin}/v1${PATHS["message-batch-results"](encodeURIComponent(id))}`;
  }

  #reading(candidate: Candidate): Reading {
    const { deployment } = candidate;
    return {
      // A file may be empty.
      mayBeEmpty: true,
      framing: "sse",
      accepts: (type) => this.stream || /json/i.test(type),
      openLane: (sink) => new RawLane(sink, () => USAGE),
      readAnswer: (bytes) => {
        const json = jsonOf(decoder.decode(bytes));
        if (!isObject(json)) return { kind: "error", error: malformed("the answer is no JSON object"), usage: null };
        const told = member(json, "error");
        if (told !== undefined && told !== null) return { kind: "error", error: failure("server", `an error in a 200: ${JSON.stringify(told).slice(0, 200)}`), usage: null };
        this.#told(json, candidate);
        return { kind: "answer", body: tagIds(bytes, deployment.account, (id) => this.#resultsOf(id)), usage: USAGE, contentEvents: 0, textBytes: 0, warnings: [] };
      },
      readError: (status, header, text) => clientsOwn(dialectById(deployment.provider.dialect ?? "openai-chat").readError(status, header, jsonOf(text), text, this.#deps.clock.wallMs())),
    };
  }
}

/** Calls once when the promise has come, in a later turn. */
function unlessCancelled(promise: Promise<void>, then: () => void, failed: (error: unknown) => void): Timer {
  let on = true;
  promise.then(() => (on ? then() : undefined)).catch(failed);
  return {
    cancel() {
      on = false;
    },
  };
}

/** No such file, or one that is not ready: what was asked for is at fault, not the account's configuration. */
function clientsOwn(error: UpstreamError): UpstreamError {
  return error.class === "not_found" || error.class === "context" || error.status === 409 ? { ...error, class: "bad_request" } : error;
}
