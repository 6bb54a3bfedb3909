/** Access tokens by OAuth 2.0: a signed statement, a refresh token or client credentials in exchange for one. */
import { createPrivateKey, sign } from "node:crypto";
import type { ClientSecret, RefreshToken, ServiceAccount } from "../wire/credential.ts";
import { asString, isObject, member, type Json } from "../wire/json.ts";
import { callForCredential, CredentialError, formBody, refusedCredential, type CredentialPorts } from "./credentials-call.ts";
import type { Granted } from "./credentials-renewing.ts";

const JWT_BEARER = "urn:ietf:params:oauth:grant-type:jwt-bearer";
const STATEMENT_S = 3_600;
/** A token that says nothing of its life. */
const UNKNOWN_LIFE_S = 300;

/** Ask for a token. Rejects with a CredentialError. */
export async function fetchToken(credential: ServiceAccount | RefreshToken | ClientSecret, ports: CredentialPorts): Promise<Granted<string>> {
  const { host } = new URL(credential.tokenUrl);
  const grant = grantOf(credential, ports.clock.wallMs());
  const { status, text } = await callForCredential(ports, {
    url: credential.tokenUrl,
    method: "POST",
    headers: ["content-type", "application/x-www-form-urlencoded", "accept", "application/json"],
    body: formBody(grant),
  });
  const told = parsed(text);
  if (status !== 200) {
    const words = [asString(member(told, "error")), asString(member(told, "error_description"))].filter((one) => one !== undefined).join(": ");
    throw refusedCredential(host, status, words === "" ? "no reason told" : words, [grant["client_secret"], grant["refresh_token"], grant["assertion"]]);
  }
  const token = asString(member(told, "access_token"));
  if (token === undefined || !/^[\x21-\x7e]+$/.test(token)) throw new CredentialError("network", `${host} answered without an access token`);
  const told_s = Number(member(told, "expires_in"));
  return { value: token, lifeMs: (Number.isFinite(told_s) && told_s > 0 ? told_s : UNKNOWN_LIFE_S) * 1_000 };
}

function grantOf(credential: ServiceAccount | RefreshToken | ClientSecret, wallMs: number): Record<string, string> {
  switch (credential.kind) {
    case "service-account":
      return { grant_type: JWT_BEARER, assertion: statement(credential, wallMs) };
    case "refresh-token":
      return { grant_type: "refresh_token", client_id: credential.clientId, client_secret: credential.clientSecret.reveal(), refresh_token: credential.refreshToken.reveal() };
    case "client-secret":
      return { grant_type: "client_credentials", client_id: credential.clientId, client_secret: credential.clientSecret.reveal(), scope: credential.scope };
  }
}

/** A JSON Web Token by which the account asks in its own name, good for an hour from `wallMs`. */
function statement(account: ServiceAccount, wallMs: number): string {
  const issuedS = Math.floor(wallMs / 1_000);
  const header = { alg: "RS256", typ: "JWT", ...(account.keyId === null ? {} : { kid: account.keyId }) };
  const claims = { iss: account.email, scope: account.scope, aud: account.tokenUrl, iat: issuedS, exp: issuedS + STATEMENT_S };
  const content = [header, claims].map((part) => Buffer.from(JSON.stringify(part)).toString("base64url")).join(".");
  const signature = sign("sha256", Buffer.from(content), privateKeyOf(account));
  return `${content}.${signature.toString("base64url")}`;
}

function privateKeyOf(account: ServiceAccount) {
  try {
    return createPrivateKey(account.privateKey.reveal());
  } catch {
    // The library's own words may quote the key.
    throw new CredentialError("auth", `the private key of ${account.email} cannot be read`);
  }
}

function parsed(text: string): Json | undefined {
  try {
    const value = JSON.parse(text) as Json;
    return isObject(value) ? value : undefined;
  } catch {
    // An error page of something in between: the status has to do.
    return undefined;
  }
}
