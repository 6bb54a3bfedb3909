/**
 * Files and batches: what a provider keeps is asked of the account that owns it. The id says which; a new one goes where
 * `x-spillway-account` says, else to the first account whose provider keeps files. Nothing fails over, and what was sent is
 * not sent again: a batch that was made twice costs twice. What a batch costs is not known here, so it has no cost at all.
 */
import { choose, type Candidate } from "../decide/choose.ts";
import { DEFAULT_CLOCKS, type Deployment, type Route } from "../decide/deployment.ts";
import { NO_NEEDS } from "../decide/needs.ts";
import { clientOf } from "../providers/dialects/clients.ts";
import { forwardedHeaders } from "../providers/dialects/forwarded.ts";
import { dialectById } from "../providers/dialects/index.ts";
import { gatewayError, type GatewayError } from "../wire/errors.ts";
import { isObject, member } from "../wire/json.ts";
import type { UpstreamError } from "../wire/outcome.ts";
import { readOwnedId, tagIds, untagIds } from "../wire/owned-ids.ts";
import { SERVED, type OwnedName } from "../wire/surfaces.ts";
import type { Usage } from "../wire/usage.ts";
import type { Attempt, Reading } from "./attempt.ts";
import type { Deps } from "./deps.ts";
import { Exchange } from "./exchange.ts";
import { bytesOf } from "./hub-lane.ts";
import { deadlineMsOf, readBody, refuse, viaOf, type Inbound } from "./inbound.ts";
import { failure, malformed } from "./lane.ts";
import { jsonOf } from "./pass-endpoint.ts";
import { RawLane } from "./raw-lane.ts";
import type { Prepared, Surface } from "./surface.ts";

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
};

/** Serve one request. Returns the running exchange, or null if the request was refused at once. */
export function serveOwned(deps: Deps, inbound: Inbound, name: OwnedName): Exchange | null {
  const client = clientOf(SERVED[name].form);
  const refused = (error: GatewayError): null => {
    refuse(inbound, error, (told) => client.encodeError(told, inbound.requestId), client.errorHeaders?.(error));
    return null;
  };
  const asked = readAsked(inbound, name);
  if ("code" in asked) return refused(asked);
  const owner = ownerOf(inbound, asked.account);
  if ("code" in owner) return refused(owner);
  const route = routeOf(owner);
  const deadlineMs = deadlineMsOf(route, inbound.header);
  if (typeof deadlineMs !== "number") return refused(deadlineMs);
  const choice = choose({
    route,
    shape: { endpoint: "other", stream: name === "file-content", inputBoundTokens: 0, inputEstimateTokens: 0, imageCount: 0, maxOutputTokens: 0, choiceCount: 1, needs: NO_NEEDS, pieces: {} },
    measure: { textBytes: 0, messageAndToolCount: 0, imageCount: 0, unsized: false },
    view: (deployment) => deps.health.view(deployment.id, deployment.account, "files", deps.clock.nowMs()),
    wallMs: deps.clock.wallMs(),
    random: () => deps.random.next(),
  });
  const exchange = new Exchange(deps, new OwnedSurface(deps, inbound, name, asked), inbound.reply, {
    requestId: inbound.requestId,
    caller: inbound.caller,
    route,
    modelAsked: "files",
    choice,
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

interface OwnedAsked {
  /** Below the address, with its query. */
  readonly path: string;
  readonly account: string | null;
  readonly body: Uint8Array | null;
  readonly contentType: string | null;
}

/** What is asked, in the provider's own ids, and the account that they name. */
function readAsked(inbound: Inbound, name: OwnedName): OwnedAsked | GatewayError {
  const own = readOwnedId(inbound.asked.id ?? "");
  // No id of anybody's, but a way up in a path.
  if (/^\.{1,2}$/.test(own.id)) return gatewayError("unknown_id", `There is no ${name} of that id.`);
  const query = new URLSearchParams(inbound.asked.query);
  // A caller's credential.
  query.delete("key");
  const after = readOwnedId(query.get("after") ?? "");
  if (after.id !== "") query.set("after", after.id);
  const path = PATHS[name](encodeURIComponent(own.id)) + (query.size > 0 ? `?${query.toString()}` : "");
  const named = own.account ?? after.account ?? inbound.header("x-spillway-account") ?? null;
  if (inbound.asked.method !== "POST") return { path, account: named, body: null, contentType: null };
  const contentType = inbound.header("content-type") ?? "application/json";
  if (name !== "batches") return { path, account: named, body: inbound.body, contentType: inbound.body.length === 0 ? null : contentType };
  const body = readBody(inbound.body);
  if (body.kind === "error") return body.error;
  const input = body.raw["input_file_id"];
  const account = typeof input === "string" ? readOwnedId(input).account : null;
  return { path, account: account ?? named, body: untagIds(inbound.body), contentType };
}

function ownerOf(inbound: Inbound, account: string | null): Deployment | GatewayError {
  const keepers = inbound.snapshot.directory.keepers?.() ?? [];
  const owner = account === null ? keepers[0] : keepers.find((one) => one.account === account);
  if (owner !== undefined) return owner;
  if (account === null) return gatewayError("no_usable_deployment", "No configured account is at a provider that keeps files and batches.");
  return gatewayError("unknown_id", `No configured account ${JSON.stringify(account.slice(0, 80))} keeps files and batches; those that do: ${keepers.map((one) => one.account).join(", ") || "none"}.`);
}

function routeOf(deployment: Deployment): Route {
  return { name: deployment.id, candidates: [{ deployment, weight: 1, automatic: false }], strategy: "priority", clocks: DEFAULT_CLOCKS, keepalive: false, forwardHeaders: [], defaultMaxOutput: 0, automatic: false };
}

class OwnedSurface implements Surface {
  readonly endpoint = "files";
  readonly name: OwnedName;
  readonly stream: boolean;
  readonly streamType = "application/octet-stream";
  readonly keepAlive = new Uint8Array(0);
  readonly #deps: Deps;
  readonly #inbound: Inbound;
  readonly #asked: OwnedAsked;

  constructor(deps: Deps, inbound: Inbound, name: OwnedName, asked: OwnedAsked) {
    this.#deps = deps;
    this.#inbound = inbound;
    this.#asked = asked;
    this.name = name;
    this.stream = name === "file-content";
  }

  prepare(candidate: Candidate): Prepared {
    const { dialect } = candidate.deployment.provider;
    const { path, body, contentType } = this.#asked;
    if (dialect === null) return { kind: "unsupported", param: "model", message: `${candidate.deployment.account} is not spoken to.` };
    const headers = ["accept", this.stream ? "*/*" : "application/json", "via", viaOf(this.#inbound.header("via"), this.#deps.instance)];
    if (contentType !== null) headers.push("content-type", contentType);
    for (const header of forwardedHeaders(dialect)) {
      const value = this.#inbound.header(header);
      if (value !== undefined && value.length > 0) headers.push(header, value);
    }
    return { kind: "prepared", path, method: this.#inbound.asked.method ?? "POST", headers, body, warnings: [], expectedUnits: {}, reading: this.#reading(candidate) };
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

  #reading({ deployment }: Candidate): Reading {
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
        return { kind: "answer", body: tagIds(bytes, deployment.account), usage: USAGE, contentEvents: 0, textBytes: 0, warnings: [] };
      },
      readError: (status, header, text) => clientsOwn(dialectById(deployment.provider.dialect ?? "openai-chat").readError(status, header, jsonOf(text), text, this.#deps.clock.wallMs())),
    };
  }
}

/** No such file, or one that is not ready: what was asked for is at fault, not the account's configuration. */
function clientsOwn(error: UpstreamError): UpstreamError {
  return error.class === "not_found" || error.class === "context" || error.status === 409 ? { ...error, class: "bad_request" } : error;
}
