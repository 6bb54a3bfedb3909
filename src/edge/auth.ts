/**
 * Who calls. Credentials are accepted wherever SDKs put them and looked up by their full hash, among the keys of the
 * configuration and among those that are managed; two different ones in a request are refused. Without any key only the
 * loopback may call, and browsers may not.
 */
import { hash } from "node:crypto";
import type { IncomingMessage } from "node:http";
import type { Caller } from "../ports.ts";
import { gatewayError, type GatewayError } from "../wire/errors.ts";

export interface AuthSettings {
  /** base64url SHA-256 → name of the key. With none here and none in the book: loopback only. */
  readonly keys: ReadonlyMap<string, string>;
  /** By the name of a key here: the most that its requests matter. Absent: nothing is said of any. */
  readonly importances?: ReadonlyMap<string, NonNullable<Caller["importance"]>>;
  /** Keys that are managed. Absent: there are none. */
  readonly book?: CallerLookup;
  readonly corsOrigins: readonly string[];
  /** We are reached from other machines: nobody calls without a key, though there be none. Absent: we are not. */
  readonly exposed?: boolean;
}

/** Managed keys, by the hash of their secrets. */
export interface CallerLookup {
  readonly size: number;
  /** `untilMs`: the wall time from which on it is unknown; Infinity: none. */
  get(sha256: string): { readonly caller: Caller; readonly untilMs: number } | undefined;
}

/** Does calling need a key? */
export function needsKey(settings: AuthSettings): boolean {
  return settings.keys.size > 0 || settings.exposed === true || (settings.book !== undefined && settings.book.size > 0);
}

export type Authenticated = { readonly kind: "caller"; readonly caller: Caller } | { readonly kind: "refused"; readonly error: GatewayError };

const LOCAL: Caller = { tenant: "default", key: "local", scopes: ["tenant/default", "key/local"] };
const LOOPBACK_HOSTS = /^(?:localhost|127(?:\.\d{1,3}){3}|\[::1\]|\[::ffff:127(?:\.\d{1,3}){3}\])(?::\d{1,5})?$/i;
const callers = new Map<string, Caller>();

/** Decide who the caller is. `query` is the part of the URL after "?", or "". */
export function authenticate(request: IncomingMessage, query: string, settings: AuthSettings): Authenticated {
  const { headers } = request;
  const origin = headers.origin;
  const keyed = needsKey(settings);
  if (origin !== undefined && !settings.corsOrigins.includes(origin) && !(keyed && origin === "null")) {
    if (!keyed) return refused("forbidden_origin", "Requests from web pages are refused while no caller key is configured.");
  }
  if (!keyed) {
    if (!LOOPBACK_HOSTS.test(headers.host ?? "")) return refused("forbidden_host", "While no caller key is configured, the Host header must name the loopback (localhost, 127.0.0.1 or [::1]).");
    return { kind: "caller", caller: LOCAL };
  }
  const found = credentialOf(request, query);
  if (found.kind === "conflict") return refused("conflicting_keys", "The request carries two different keys; send one.");
  if (found.kind === "none") return refused("missing_key", "A key is needed: send it as Authorization: Bearer <key>.");
  // The hit is by the full hash of the key, so nothing about other keys can be learned from timing.
  const caller = callerBy(hash("sha256", found.key, "base64url"), settings);
  if (caller === undefined) return refused("invalid_key", found.key.startsWith("AWS4-") ? SIGNED : "This key is not known.");
  return { kind: "caller", caller };
}

/** Who shows a key of this hash. One that has expired is as unknown as one that never was. */
export function callerBy(sha256: string, settings: AuthSettings): Caller | undefined {
  const name = settings.keys.get(sha256);
  if (name !== undefined) return callerOf(name, settings.importances?.get(name));
  const known = settings.book?.get(sha256);
  return known === undefined || (known.untilMs !== Number.POSITIVE_INFINITY && known.untilMs <= Date.now()) ? undefined : known.caller;
}

const SIGNED = "Requests signed by Signature Version 4 cannot be verified here: give the client the gateway's key as a bearer key in place of its access keys.";

function callerOf(name: string, importance: Caller["importance"]): Caller {
  let caller = callers.get(name);
  if (caller === undefined || caller.importance !== importance) {
    caller = { tenant: "default", key: name, scopes: ["tenant/default", `key/${name}`], ...(importance === undefined ? {} : { importance }) };
    if (callers.size < 100_000) callers.set(name, caller);
  }
  return caller;
}

/** As every SDK writes it. */
const PLAIN_BEARER = /^Bearer \S+$/;

/** "Bearer" alone is what a client with an empty key sends: none, rather than a key of that name. */
function keyIn(authorization: string): string | undefined {
  return /^bearer\s+(\S+)$/i.exec(authorization)?.[1] ?? (/^(?:bearer)?$/i.test(authorization) ? undefined : authorization);
}

type Credential = { readonly kind: "none" } | { readonly kind: "conflict" } | { readonly kind: "key"; readonly key: string };

function credentialOf(request: IncomingMessage, query: string): Credential {
  const { headers, rawHeaders } = request;
  let key: string | undefined;
  const authorization = headers.authorization;
  if (authorization !== undefined) {
    // Node keeps only the first of two; the raw list tells whether another one says something else.
    for (let i = 0; i < rawHeaders.length; i += 2) {
      const name = rawHeaders[i] as string;
      if (name.length === "authorization".length && name.toLowerCase() === "authorization" && rawHeaders[i + 1] !== authorization) return { kind: "conflict" };
    }
    key = PLAIN_BEARER.test(authorization) ? authorization.slice("Bearer ".length) : keyIn(authorization.trim());
  }
  const own = headers["x-api-key"] ?? headers["api-key"] ?? headers["x-goog-api-key"];
  const inQuery = queryKeys(query);
  // Nearly all credentials are in the one place.
  if (own === undefined && inQuery.length === 0) return key === undefined || key === "" ? NO_CREDENTIAL : { kind: "key", key };
  for (const other of [headers["x-api-key"], headers["api-key"], headers["x-goog-api-key"], ...inQuery]) {
    if (other === undefined || other === "") continue;
    const text = Array.isArray(other) ? other.join(", ") : other;
    if (key !== undefined && key !== text) return { kind: "conflict" };
    key = text;
  }
  return key === undefined || key === "" ? NO_CREDENTIAL : { kind: "key", key };
}
const NO_CREDENTIAL: Credential = { kind: "none" };

function queryKeys(query: string): readonly string[] {
  return query.includes("key=") ? new URLSearchParams(query).getAll("key") : NO_KEYS;
}
const NO_KEYS: readonly string[] = [];

function refused(code: Parameters<typeof gatewayError>[0], message: string): Authenticated {
  return { kind: "refused", error: gatewayError(code, message) };
}
