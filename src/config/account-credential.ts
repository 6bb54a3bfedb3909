/** How an account proves who it is: a key, a credential file, a directory's client, or keys to sign with. */
import { createPrivateKey } from "node:crypto";
import type { Credential } from "../wire/credential.ts";
import type { AuthFacts } from "../wire/facts.ts";
import { credentialFile, jsonMap, keyFromVariable, optionalText, variableOf, type AccountContext, type ReadCredential } from "./account-settings.ts";
import { readSigning } from "./account-signing.ts";
import { asMap, asText } from "./raw.ts";
import { Secret } from "./secret.ts";
import { readBaseUrl } from "./values.ts";

type ServiceAccountFacts = Extract<AuthFacts, { kind: "service-account" }>;

/** Keys of an account → the ways of proving that read them. A key that its provider's way does not read is an error. */
const READ_BY: Readonly<Record<string, AuthFacts["kind"]>> = {
  credentials: "service-account",
  entra: "entra",
  access_key_id: "sigv4",
  secret_access_key: "sigv4",
  session_token: "sigv4",
  profile: "sigv4",
  role_arn: "sigv4",
  external_id: "sigv4",
  web_identity_token_file: "sigv4",
  sts_url: "sigv4",
};

/** Report the keys that this account's provider knows nothing of. */
export function refuseForeignKeys({ map, path, provider, found }: AccountContext): void {
  const settings = new Set(Object.keys(provider.address?.settings ?? {}));
  for (const key of Object.keys(map)) {
    const reader = READ_BY[key];
    const isSetting = key === "project" || key === "location" || key === "resource" || key === "account_id";
    const foreign = (reader !== undefined && reader !== provider.auth.kind) || (isSetting && !settings.has(key)) || (key === "deployments" && provider.namesDeployments !== true);
    if (foreign) found.push({ path: [...path, key], expected: `a setting of ${provider.name}`, found: `${key}, which it does not have`, hint: "", at: "key" });
  }
}

/** Read it. `mayLack`: an account without any credential is meant where it says `api_key: none`. */
export function readCredential(context: AccountContext, mayLack: boolean): ReadCredential {
  const { map, provider } = context;
  if (Object.hasOwn(map, "api_key")) {
    refuseSecondProof(context);
    return readKey(context, mayLack);
  }
  switch (provider.auth.kind) {
    case "service-account":
      return readServiceAccount(provider.auth, context);
    case "entra":
      return readEntra(provider.auth, context);
    case "sigv4":
      return readSigning(provider.auth, context);
    default:
      return readKey(context, mayLack);
  }
}

/** Beside a key nothing else would be asked, so one of the two is not meant. */
function refuseSecondProof({ map, path, provider, found }: AccountContext): void {
  for (const [key, reader] of Object.entries(READ_BY)) {
    if (!Object.hasOwn(map, key) || reader !== provider.auth.kind || reader === "service-account") continue;
    found.push({ path: [...path, key], expected: `either api_key or ${key}`, found: "both", hint: "take one of them out", at: "key" });
  }
}

function readKey(context: AccountContext, mayLack: boolean): ReadCredential {
  const { map, path, provider, found } = context;
  const where = [...path, "api_key"];
  if (!Object.hasOwn(map, "api_key")) {
    if (provider.auth.kind === "none" || provider.unmetered) return { kind: "key", apiKey: null, variable: null };
    const standIn = keyFromVariable(context);
    if (standIn !== null) return standIn;
    const variable = provider.env[0] ?? provider.keyVariables?.[0] ?? "API_KEY";
    const hint = `add api_key: "\${${variable}}"${mayLack ? ", or api_key: none" : ""}`;
    found.push({ path: where, expected: "a key", found: "nothing", hint, at: "key" });
    return { kind: "none" };
  }
  if (provider.auth.kind === "service-account" && map["api_key"] !== "none") {
    found.push({ path: where, expected: "credentials", found: "api_key", hint: 'write credentials: "${file:/run/secrets/account.json}"', at: "key" });
    return { kind: "none" };
  }
  const text = asText(map["api_key"]);
  if (text === null || text === "") return { kind: "none" }; // The schema says so.
  if (text === "none") {
    if (mayLack) return { kind: "key", apiKey: null, variable: null };
    found.push({ path: where, expected: "a key", found: "none", hint: `${provider.name} answers nobody without a key` });
    return { kind: "none" };
  }
  if (text.trim() !== text || /[^\x21-\x7e]/.test(text)) {
    found.push({ path: where, expected: "a key of visible ASCII characters without spaces", found: "other characters in it", hint: "is there a line break or a quotation mark in the variable?" });
    return { kind: "none" };
  }
  return { kind: "key", apiKey: text, variable: null };
}

function readServiceAccount(auth: ServiceAccountFacts, context: AccountContext): ReadCredential {
  const { map, path, found } = context;
  const where = [...path, "credentials"];
  const at = Object.hasOwn(map, "credentials") ? "value" : "key";
  const file = credentialFile(context);
  if (!("text" in file)) {
    if (at === "value") return { kind: "none" }; // The schema says so.
    const hint = `add credentials: "\${file:/run/secrets/account.json}", or set ${auth.fileVariables[0] ?? ""} to the file's path`;
    found.push({ path: where, expected: "the text of a credential file", found: file.missing ?? "nothing", hint, at });
    return { kind: "none" };
  }
  if (file.text === "") return { kind: "none" };
  const read = credentialOfFile(file.text, auth);
  if (typeof read !== "string") return { kind: "credential", credential: read };
  const write = 'write credentials: "${file:/run/secrets/account.json}"';
  const hint = read.startsWith("a private_key") ? `take the file as it was downloaded: ${write}` : write;
  found.push({ path: where, expected: "the text of a credential file of type service_account or authorized_user", found: read, hint, at });
  return { kind: "none" };
}

/** The credential in a file's text, or what is wrong with it, in words without its values. */
function credentialOfFile(text: string, { scope, tokenUrl: usual }: ServiceAccountFacts): Credential | string {
  const file = jsonMap(text);
  if (file === null) return "no JSON object";
  const type = asText(file["type"]) ?? "";
  const tokenUrl = urlOf(asText(file["token_uri"]) ?? usual);
  if (type === "service_account") {
    const [email, key] = [saidIn(file, "client_email"), saidIn(file, "private_key")];
    if (email === null || key === null) return `a file without ${email === null ? "client_email" : "private_key"}`;
    if (tokenUrl === null) return "a token_uri that is no http or https URL";
    const wrong = wrongKey(key);
    if (wrong !== null) return wrong;
    return { kind: "service-account", email, keyId: asText(file["private_key_id"]), privateKey: new Secret(key), tokenUrl, scope };
  }
  if (type === "authorized_user") {
    const [clientId, secret, refresh] = [saidIn(file, "client_id"), saidIn(file, "client_secret"), saidIn(file, "refresh_token")];
    if (clientId === null || secret === null || refresh === null) return "a file without client_id, client_secret or refresh_token";
    if (tokenUrl === null) return "a token_uri that is no http or https URL";
    return { kind: "refresh-token", clientId, clientSecret: new Secret(secret), refreshToken: new Secret(refresh), tokenUrl };
  }
  return /^[a-z_]{1,40}$/.test(type) ? `a file of type ${type}` : "a file without a type";
}

/** A text of the file; an empty one is none. */
function saidIn(file: Readonly<Record<string, unknown>>, key: string): string | null {
  const text = asText(file[key]);
  return text === null || text.trim() === "" ? null : text;
}

/** What is wrong with a private key that signs by RSA, or null. Never the library's own words: they may quote it. */
function wrongKey(pem: string): string | null {
  try {
    const { asymmetricKeyType } = createPrivateKey(pem);
    return asymmetricKeyType === "rsa" ? null : `a private_key of type ${String(asymmetricKeyType)}, where RSA is wanted`;
  } catch {
    return /-----BEGIN [A-Z ]*PRIVATE KEY-----/.test(pem) ? "a private_key that cannot be parsed: cut short, or its line breaks lost" : "a private_key that is no PEM";
  }
}

function urlOf(text: string): string | null {
  const read = readBaseUrl(text);
  return "url" in read ? read.url : null;
}

function readEntra(auth: Extract<AuthFacts, { kind: "entra" }>, context: AccountContext): ReadCredential {
  const { map, path, found, provider } = context;
  if (!Object.hasOwn(map, "entra")) {
    const key = keyFromVariable(context);
    if (key !== null) return key;
    if (variableOf(auth.variables.client_secret, context) === null) {
      const hint = `add api_key: "\${${provider.keyVariables?.[0] ?? "API_KEY"}}", or entra: { tenant, client_id, client_secret }`;
      found.push({ path: [...path, "api_key"], expected: "a key, or entra", found: "nothing", hint, at: "key" });
      return { kind: "none" };
    }
  }
  const entra = asMap(map["entra"]);
  const where = [...path, "entra"];
  const part = (key: "tenant" | "client_id" | "client_secret"): string | null => {
    const text = optionalText(key, context, entra, where) ?? (Object.hasOwn(entra, key) ? null : variableOf(auth.variables[key], context));
    if (text === null && !Object.hasOwn(entra, key)) {
      found.push({ path: [...where, key], expected: "a text", found: "nothing", hint: `add ${key}: "\${${auth.variables[key][0] ?? ""}}"`, at: "key" });
    }
    return text;
  };
  const [tenant, clientId, clientSecret] = [part("tenant"), part("client_id"), part("client_secret")];
  const authority = readBaseUrl(asText(entra["authority"]) ?? auth.authority);
  if ("wrong" in authority) found.push({ path: [...where, "authority"], expected: "an http or https URL", found: authority.wrong, hint: `the usual one is ${auth.authority}` });
  if (tenant !== null && !/^[A-Za-z0-9.-]+$/.test(tenant)) found.push({ path: [...where, "tenant"], expected: "a tenant's id or domain", found: "other characters in it", hint: "" });
  if (tenant === null || clientId === null || clientSecret === null || "wrong" in authority) return { kind: "none" };
  const scope = asText(entra["scope"]) ?? auth.scope;
  return { kind: "credential", credential: { kind: "client-secret", clientId, clientSecret: new Secret(clientSecret), tokenUrl: `${authority.url}/${tenant}/oauth2/v2.0/token`, scope } };
}
