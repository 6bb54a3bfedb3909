/**
 * Signature Version 4 in request headers, for services that encode paths twice (all but object storage). The time is an
 * argument, and what comes out is only what has to be added to the request.
 */
import { createHash, createHmac } from "node:crypto";

export interface CallToSign {
  readonly method: string;
  /** With its port where that is not the scheme's own: what goes out as `Host`. */
  readonly host: string;
  /** As it goes over the wire: percent-encoded, with its query. */
  readonly path: string;
  /** [name, value]. Signed, but for those that sockets and proxies write. */
  readonly headers: readonly (readonly [string, string])[];
  readonly body: Uint8Array;
}
export interface SigningCredentials {
  readonly accessKeyId: string;
  readonly secretAccessKey: string;
  readonly sessionToken?: string;
}

const ALGORITHM = "AWS4-HMAC-SHA256";
/** Belong to one hop, or are written by who sends: a signature over them would break on the way. */
const UNSIGNED = new Set([
  "accept-encoding", "authorization", "connection", "content-length", "expect", "host", "keep-alive", "proxy-authorization", "te", "traceparent",
  "tracestate", "trailer", "transfer-encoding", "upgrade", "user-agent", "x-amz-date", "x-amz-security-token", "x-amzn-trace-id",
]);

/** The headers that make a signed request of this one: the date, the session's token where there is one, the signature. */
export function signV4(call: CallToSign, keys: SigningCredentials, region: string, service: string, nowWallMs: number): readonly (readonly [string, string])[] {
  const stamp = new Date(nowWallMs).toISOString().replace(/[-:]|\.\d{3}/g, "");
  const day = stamp.slice(0, 8);
  const added: (readonly [string, string])[] = [["x-amz-date", stamp]];
  if (keys.sessionToken !== undefined) added.push(["x-amz-security-token", keys.sessionToken]);
  const { canonical, signedNames } = canonicalRequest(call, added);
  const scope = [day, region, service, "aws4_request"];
  const toSign = `${ALGORITHM}\n${stamp}\n${scope.join("/")}\n${createHash("sha256").update(canonical).digest("hex")}`;
  const signature = createHmac("sha256", signingKey(keys.secretAccessKey, scope)).update(toSign).digest("hex");
  const authorization = `${ALGORITHM} Credential=${keys.accessKeyId}/${scope.join("/")}, SignedHeaders=${signedNames}, Signature=${signature}`;
  return [...added, ["authorization", authorization]];
}

/** The request in the one form that both sides hash. `added` are headers that signing itself brings. */
export function canonicalRequest(call: CallToSign, added: CallToSign["headers"]): { readonly canonical: string; readonly signedNames: string } {
  const question = call.path.indexOf("?");
  const path = question < 0 ? call.path : call.path.slice(0, question);
  const query = question < 0 ? "" : call.path.slice(question + 1);
  const own = call.headers.filter(([name]) => !UNSIGNED.has(name.toLowerCase()));
  const headers = new Map<string, string[]>();
  for (const [name, value] of [["host", call.host] as const, ...own, ...added]) {
    const key = name.toLowerCase();
    const values = headers.get(key) ?? [];
    headers.set(key, [...values, value.trim().replace(/\s+/g, " ")]);
  }
  const names = [...headers.keys()].toSorted();
  const signedNames = names.join(";");
  const lines = names.map((name) => `${name}:${(headers.get(name) ?? []).join(",")}\n`).join("");
  const bodyHash = createHash("sha256").update(call.body).digest("hex");
  const canonical = `${call.method}\n${canonicalPath(path)}\n${canonicalQuery(query)}\n${lines}\n${signedNames}\n${bodyHash}`;
  return { canonical, signedNames };
}

/** Dot segments and doubled slashes resolved, then every segment encoded once more: `%3A` becomes `%253A`. */
function canonicalPath(path: string): string {
  const segments: string[] = [];
  for (const segment of path.split("/")) {
    if (segment === "" || segment === ".") continue;
    if (segment === "..") segments.pop();
    else segments.push(strictlyEncoded(segment));
  }
  const ends = segments.length > 0 && /\/\.{0,2}$/.test(path) ? "/" : "";
  return `/${segments.join("/")}${ends}`;
}

/** Parameters sorted by name, then value, in the strict encoding. */
function canonicalQuery(query: string): string {
  if (query === "") return "";
  const pairs = query.split("&").filter((pair) => pair !== "").map((pair) => {
    const equals = pair.indexOf("=");
    const [name, value] = equals < 0 ? [pair, ""] : [pair.slice(0, equals), pair.slice(equals + 1)];
    return [reencoded(name), reencoded(value)] as const;
  });
  return pairs.toSorted(([a, x], [b, y]) => compare(a, b) || compare(x, y)).map(([name, value]) => `${name}=${value}`).join("&");
}

function compare(a: string, b: string): number {
  return a < b ? -1 : a > b ? 1 : 0;
}

function reencoded(text: string): string {
  try {
    return strictlyEncoded(decodeURIComponent(text));
  } catch {
    // A stray percent sign: it stands for itself.
    return strictlyEncoded(text);
  }
}

/** RFC 3986: everything but letters, digits and `-._~`. */
function strictlyEncoded(text: string): string {
  return encodeURIComponent(text).replace(/[!'()*]/g, (mark) => `%${mark.charCodeAt(0).toString(16).toUpperCase()}`);
}

function signingKey(secret: string, scope: readonly string[]): Buffer | string {
  let key: Buffer | string = `AWS4${secret}`;
  for (const part of scope) key = createHmac("sha256", key).update(part).digest();
  return key;
}
