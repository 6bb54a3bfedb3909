/**
 * Keys to sign with: from the account itself, a profile of the usual files, or a role on top of either; where the account
 * says nothing, from the standard variables.
 */
import type { AuthFacts } from "../wire/facts.ts";
import type { Credential, SigningKeys } from "../wire/credential.ts";
import { keyFromVariable, optionalText, variableOf, type AccountContext, type ReadCredential } from "./account-settings.ts";
import { readProfile } from "./aws-profiles.ts";
import { Secret } from "./secret.ts";
import { SESSION_NAME, staticKeys, stsUrlOf } from "./signing-keys.ts";

/** Where a platform hands keys to the containers on it, besides the loopback. */
const CONTAINER_HOSTS = new Set(["169.254.170.2", "169.254.170.23", "[fd00:ec2::23]"]);

/** Read the account's signing credential. Everything wrong is reported. */
export function readSigning(auth: Extract<AuthFacts, { kind: "sigv4" }>, context: AccountContext): ReadCredential {
  const region = regionOf(context);
  const before = context.found.length;
  const base = baseKeys(region ?? "us-east-1", context);
  if (base !== null && "apiKey" in base) return base;
  const keys = base === null ? null : withRole(base, region ?? "us-east-1", context);
  if (region === null || keys === null || context.found.length > before) return { kind: "none" };
  const credential: Credential = { kind: "sigv4", service: auth.service, region, keys };
  return { kind: "credential", credential };
}

/** The address asks for it too; where `base_url` stands in for that, it is asked for here. */
function regionOf(context: AccountContext): string | null {
  const { map, path, provider, found } = context;
  const facts = provider.address?.settings["region"];
  const region = optionalText("region", context) ?? variableOf(facts?.variables ?? [], context);
  if (region === null && Object.hasOwn(map, "base_url")) {
    found.push({ path: [...path, "region"], expected: "the region that requests are signed for", found: "nothing", hint: `add region: ${facts?.example ?? "us-east-1"}`, at: "key" });
  }
  return region;
}

/** Keys without a role: the account's own, a profile's, else the variables'. */
function baseKeys(region: string, context: AccountContext): SigningKeys | Extract<ReadCredential, { kind: "key" }> | null {
  const { map, path, found } = context;
  if (Object.hasOwn(map, "access_key_id") || Object.hasOwn(map, "secret_access_key")) return ownKeys(context);
  if (Object.hasOwn(map, "profile")) return readProfile(optionalText("profile", context) ?? "", region, context);
  if (Object.hasOwn(map, "web_identity_token_file")) return webIdentity(optionalText("web_identity_token_file", context), region, context);
  const key = keyFromVariable(context);
  if (key !== null && key.kind === "key" && !Object.hasOwn(map, "role_arn")) return key;
  const keys = keysOfVariables(region, context);
  if (keys !== null) return keys;
  const hint = 'add access_key_id: "${AWS_ACCESS_KEY_ID}" and secret_access_key: "${AWS_SECRET_ACCESS_KEY}", or profile, or api_key';
  found.push({ path: [...path, "access_key_id"], expected: "a credential", found: "nothing", hint, at: "key" });
  return null;
}

function ownKeys(context: AccountContext): SigningKeys | null {
  const { map, path, found } = context;
  for (const key of ["access_key_id", "secret_access_key"]) {
    if (!Object.hasOwn(map, key)) found.push({ path: [...path, key], expected: "both access_key_id and secret_access_key", found: "one of them", hint: `add ${key}`, at: "key" });
  }
  for (const key of ["profile", "web_identity_token_file"]) {
    if (Object.hasOwn(map, key)) found.push({ path: [...path, key], expected: `either access_key_id or ${key}`, found: "both", hint: "", at: "key" });
  }
  const [id, secret] = [optionalText("access_key_id", context), optionalText("secret_access_key", context)];
  if (id === null || secret === null) return null;
  return staticKeys(id, secret, optionalText("session_token", context));
}

function keysOfVariables(region: string, context: AccountContext): SigningKeys | null {
  const of = (name: string): string | null => variableOf([name], context);
  const [id, secret] = [of("AWS_ACCESS_KEY_ID"), of("AWS_SECRET_ACCESS_KEY")];
  if (id !== null && secret !== null) return staticKeys(id, secret, of("AWS_SESSION_TOKEN"));
  const profile = of("AWS_PROFILE");
  if (profile !== null) return readProfile(profile, region, context);
  const [tokenFile, role] = [of("AWS_WEB_IDENTITY_TOKEN_FILE"), of("AWS_ROLE_ARN")];
  if (tokenFile !== null && role !== null) return { kind: "web-identity", roleArn: role, sessionName: of("AWS_ROLE_SESSION_NAME") ?? SESSION_NAME, tokenFile, stsUrl: stsUrlOf(region, context) };
  return containerKeys(context);
}

function containerKeys(context: AccountContext): SigningKeys | null {
  const of = (name: string): string | null => variableOf([name], context);
  const relative = of("AWS_CONTAINER_CREDENTIALS_RELATIVE_URI");
  const url = relative === null ? of("AWS_CONTAINER_CREDENTIALS_FULL_URI") : `http://169.254.170.2${relative}`;
  if (url === null) return null;
  if (!URL.canParse(url) || !mayGiveKeys(new URL(url))) {
    context.found.push({ path: context.path, expected: "keys from https, the loopback or the platform's own address", found: "another address in AWS_CONTAINER_CREDENTIALS_FULL_URI", hint: "", at: "key" });
    return null;
  }
  const token = of("AWS_CONTAINER_AUTHORIZATION_TOKEN");
  return { kind: "container", url, authorization: token === null ? null : new Secret(token), authorizationFile: of("AWS_CONTAINER_AUTHORIZATION_TOKEN_FILE") };
}

function mayGiveKeys(url: URL): boolean {
  const loopback = url.hostname === "localhost" || url.hostname === "[::1]" || url.hostname.startsWith("127.");
  return url.protocol === "https:" || (url.protocol === "http:" && (loopback || CONTAINER_HOSTS.has(url.hostname)));
}

function webIdentity(tokenFile: string | null, region: string, context: AccountContext): SigningKeys | null {
  const roleArn = roleOf(context);
  if (tokenFile === null || roleArn === null) return null;
  return { kind: "web-identity", roleArn, sessionName: SESSION_NAME, tokenFile, stsUrl: stsUrlOf(region, context) };
}

/** `role_arn` of the account on top of whatever keys there are; with a web identity it is in there already. */
function withRole(base: SigningKeys, region: string, context: AccountContext): SigningKeys | null {
  if (!Object.hasOwn(context.map, "role_arn") || Object.hasOwn(context.map, "web_identity_token_file")) return base;
  const roleArn = roleOf(context);
  if (roleArn === null) return null;
  return { kind: "role", roleArn, sessionName: SESSION_NAME, externalId: optionalText("external_id", context), stsUrl: stsUrlOf(region, context), region, base };
}

function roleOf(context: AccountContext): string | null {
  const { map, path, found } = context;
  const role = optionalText("role_arn", context);
  if (role !== null && /^arn:[a-z-]+:iam::\d{12}:role\/.+$/.test(role)) return role;
  if (role !== null || !Object.hasOwn(map, "role_arn")) {
    found.push({ path: [...path, "role_arn"], expected: "a role such as arn:aws:iam::123456789012:role/gateway", found: role === null ? "nothing" : "something else", hint: role === null ? "add role_arn" : "", at: role === null ? "key" : "value" });
  }
  return null;
}
