/**
 * Credentials that are more than a key in a header: tokens that are fetched and renewed, requests that are signed. Each
 * account has one; what it answers is added to a call right before it is sent.
 */
import type { UpstreamRequest } from "../ports.ts";
import type { Credential, Signing } from "../wire/credential.ts";
import type { CredentialPorts } from "./credentials-call.ts";
import { fetchToken } from "./credentials-oauth.ts";
import { Renewing } from "./credentials-renewing.ts";
import { keySource, type KeySource } from "./credentials-signing.ts";
import { signV4, type CallToSign, type SigningCredentials } from "./sigv4.ts";

export type { CredentialPorts } from "./credentials-call.ts";
export { CredentialError } from "./credentials-call.ts";

export type CallToAuthorize = Pick<UpstreamRequest, "method" | "origin" | "path" | "headers" | "body">;

export interface Authorizer {
  /** Flat headers to add: at once where nothing has to be fetched. Rejects with a CredentialError. */
  authorize(call: CallToAuthorize): readonly string[] | Promise<readonly string[]>;
  /** What now goes out as a secret, to be cut out of a provider's words; null where there is none. */
  secret(): string | null;
}

/** What authorizes the calls of an account with this credential. Nothing is fetched before the first call. */
export function authorizer(credential: Credential, ports: CredentialPorts): Authorizer {
  if (credential.kind === "sigv4") return new Signer(credential, keySource(credential.keys, ports), ports.clock);
  return new TokenBearer(new Renewing(ports.clock, () => fetchToken(credential, ports)));
}

/** Where a credential's own calls go: these origins have to be allowed besides the account's. */
export function credentialOrigins(credential: Credential): readonly string[] {
  if (credential.kind !== "sigv4") return [new URL(credential.tokenUrl).origin];
  const origins: string[] = [];
  for (let keys = credential.keys; ; keys = keys.base) {
    if (keys.kind === "container") origins.push(new URL(keys.url).origin);
    if (keys.kind === "role" || keys.kind === "web-identity") origins.push(new URL(keys.stsUrl).origin);
    if (keys.kind !== "role") return origins;
  }
}

class TokenBearer implements Authorizer {
  readonly #token: Renewing<string>;
  constructor(token: Renewing<string>) {
    this.#token = token;
  }

  authorize(): readonly string[] | Promise<readonly string[]> {
    const token = this.#token.current();
    return typeof token === "string" ? bearer(token) : token.then(bearer);
  }

  secret(): string | null {
    return this.#token.last;
  }
}

function bearer(token: string): readonly string[] {
  return ["authorization", `Bearer ${token}`];
}

class Signer implements Authorizer {
  readonly #scope: Pick<Signing, "service" | "region">;
  readonly #keys: KeySource;
  readonly #clock: CredentialPorts["clock"];
  constructor(scope: Pick<Signing, "service" | "region">, keys: KeySource, clock: CredentialPorts["clock"]) {
    this.#scope = scope;
    this.#keys = keys;
    this.#clock = clock;
  }

  authorize(call: CallToAuthorize): readonly string[] | Promise<readonly string[]> {
    const keys = this.#keys.current();
    return keys instanceof Promise ? keys.then((fetched) => this.#signed(call, fetched)) : this.#signed(call, keys);
  }

  secret(): string | null {
    // The secret key itself is never sent.
    return this.#keys.last?.sessionToken ?? null;
  }

  #signed(call: CallToAuthorize, keys: SigningCredentials): readonly string[] {
    const { region, service } = this.#scope;
    const { host } = new URL(call.origin);
    const headers = signedHeaders(call.headers);
    return signV4({ method: call.method, host, path: call.path, headers, body: joined(call.body) }, keys, region, service, this.#clock.wallMs()).flat();
  }
}

/** Only the content type, besides what signing adds: what something in between may rewrite must not break a signature. */
function signedHeaders(headers: readonly string[]): CallToSign["headers"] {
  for (let i = 0; i + 1 < headers.length; i += 2) {
    if (headers[i]?.toLowerCase() === "content-type") return [["content-type", headers[i + 1] as string]];
  }
  return [];
}

function joined(body: CallToAuthorize["body"]): Uint8Array {
  if (body === null) return new Uint8Array();
  return body instanceof Uint8Array ? body : Buffer.concat(body);
}
