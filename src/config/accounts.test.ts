/** Accounts of clouds: what their settings amount to, what may stand in for them, and what is refused. */
import assert from "node:assert/strict";
import { generateKeyPairSync } from "node:crypto";
import { describe, it } from "node:test";
import { inspect } from "node:util";
import { PROVIDERS } from "../providers/registry.ts";
import { parseConfig, type ParsedConfig } from "./load.ts";
import { showError } from "./report.ts";
import type { Account } from "./types.ts";

/** A key of this kind as credential files hold one. */
function pemOf(kind: "rsa" | "ed25519"): string {
  const { privateKey } = kind === "rsa" ? generateKeyPairSync("rsa", { modulusLength: 2048 }) : generateKeyPairSync("ed25519");
  return privateKey.export({ type: "pkcs8", format: "pem" }).toString();
}
const ACCOUNT = JSON.stringify({ type: "service_account", project_id: "from-file", private_key_id: "k1", private_key: pemOf("rsa"), client_email: "gw@from-file.iam.example", token_uri: "https://oauth2.googleapis.com/token" });
const PERSON = JSON.stringify({ type: "authorized_user", client_id: "c", client_secret: "hidden-secret", refresh_token: "1//hidden", quota_project_id: "quota" });
const withKey = (pem: string): string => JSON.stringify({ ...(JSON.parse(ACCOUNT) as object), private_key: pem });
const FILES: Readonly<Record<string, string>> = {
  "/run/cut.json": withKey(pemOf("rsa").slice(0, 900) + "\n-----END PRIVATE KEY-----\n"),
  "/run/no-pem.json": withKey("hidden-key"),
  "/run/other-kind.json": withKey(pemOf("ed25519")),
  "/run/account.json": ACCOUNT,
  "/run/person.json": PERSON,
  "/run/federated.json": JSON.stringify({ type: "external_account" }),
  "/home/op/.aws/credentials": "[default]\naws_access_key_id = AKIADEFAULT\naws_secret_access_key = hidden-default ; note\n\n[ci]\r\naws_access_key_id=AKIACI\r\naws_secret_access_key=hidden-ci\r\naws_session_token=hidden-token\r\n",
  "/home/op/.aws/config": "[default]\nregion = eu-west-1\n[profile prod]\nrole_arn = arn:aws:iam::123456789012:role/prod\nsource_profile = ci\nexternal_id = x1\nregion = us-west-2\n[profile web]\nrole_arn = arn:aws:iam::123456789012:role/web\nweb_identity_token_file = /run/token\n[profile person]\nsso_session = work\n[profile program]\ncredential_process = /bin/keys\n[profile a]\nrole_arn = arn:aws:iam::123456789012:role/a\nsource_profile = b\n[profile b]\nrole_arn = arn:aws:iam::123456789012:role/b\nsource_profile = a\n[sso-session work]\nsso_start_url = https://x.example\n",
};

function parse(text: string, env: Readonly<Record<string, string>> = {}): ParsedConfig {
  const readFile = (path: string): string => {
    const content = FILES[path];
    if (content === undefined) throw Object.assign(new Error("missing"), { code: "ENOENT" });
    return content;
  };
  return parseConfig(`version: 1\nproviders:\n${text}`, { source: "spillway.yaml", env, readFile, providers: PROVIDERS });
}
function account(text: string, env: Readonly<Record<string, string>> = {}): Account {
  const parsed = parse(`  ${text}\n`, env);
  assert.ok(parsed.ok, parsed.ok ? "" : parsed.errors.map(showError).join("\n"));
  return parsed.config.accounts[0] as Account;
}
function shown(text: string, env: Readonly<Record<string, string>> = {}): readonly string[] {
  const parsed = parse(text, env);
  assert.equal(parsed.ok, false, "this configuration should have been refused");
  return parsed.ok ? [] : parsed.errors.map(({ line, key, expected, found, hint }) => `${line} ${key} | ${expected} | ${found} | ${hint}`);
}
/** A credential with its secrets shown. */
function revealed(value: unknown): unknown {
  if (typeof value !== "object" || value === null) return value;
  if ("reveal" in value) return (value as { reveal(): string }).reveal();
  return Object.fromEntries(Object.entries(value).map(([key, inner]) => [key, revealed(inner)]));
}
const keysOf = (one: Account): unknown => (revealed(one.credential) as { keys: unknown }).keys;
const fixed = (accessKeyId: string, secretAccessKey: string, sessionToken: string | null = null) => ({ kind: "static", accessKeyId, secretAccessKey, sessionToken });

describe("an account with a project and a location", () => {
  it("is called at an address made of them, with the file's credential", () => {
    const one = account('vertex: { project: p1, location: europe-west4, credentials: "${file:/run/account.json}" }');
    assert.equal(one.baseUrl, "https://europe-west4-aiplatform.googleapis.com/v1/projects/p1/locations/europe-west4/publishers/google");
    assert.deepEqual([one.region, one.unmetered, one.apiKey], ["europe-west4", false, null]);
    assert.deepEqual(revealed(one.credential), {
      kind: "service-account", email: "gw@from-file.iam.example", keyId: "k1", privateKey: JSON.parse(ACCOUNT).private_key as string,
      tokenUrl: "https://oauth2.googleapis.com/token", scope: "https://www.googleapis.com/auth/cloud-platform",
    });
  });

  it("takes places that span the world or a continent to their own hosts, and promises no region of the world", () => {
    const at = (location: string): Account => account(`vertex: { project: p1, location: ${location}, credentials: "\${file:/run/account.json}" }`);
    assert.match(at("global").baseUrl, /^https:\/\/aiplatform\.googleapis\.com\/v1\/projects\/p1\/locations\/global\//);
    assert.equal(at("global").region, null);
    assert.match(at("eu").baseUrl, /^https:\/\/aiplatform\.eu\.rep\.googleapis\.com\/v1\/projects\/p1\/locations\/eu\//);
    assert.equal(at("eu").region, "eu");
  });

  it("named without more takes the rest from the standard variables, and the project from the file", () => {
    const one = account("vertex:", { GOOGLE_APPLICATION_CREDENTIALS: "/run/account.json", GOOGLE_CLOUD_LOCATION: "us-central1" });
    assert.match(one.baseUrl, /^https:\/\/us-central1-aiplatform\.googleapis\.com\/v1\/projects\/from-file\//);
  });

  it("takes a person's credential, and its project", () => {
    const one = account('vertex: { location: us-east5, credentials: "${file:/run/person.json}" }');
    assert.match(one.baseUrl, /\/projects\/quota\//);
    assert.deepEqual(revealed(one.credential), { kind: "refresh-token", clientId: "c", clientSecret: "hidden-secret", refreshToken: "1//hidden", tokenUrl: "https://oauth2.googleapis.com/token" });
  });

  it("shows no secret wherever it is printed", () => {
    const one = account('vertex: { project: p1, location: eu, credentials: "${file:/run/person.json}" }');
    assert.doesNotMatch(inspect(one, { depth: 10 }) + JSON.stringify(one.credential), /hidden/);
  });
});

describe("an account with a resource", () => {
  it("is called at it with the key, and its deployments' own names", () => {
    const one = account("azure: { resource: my-res, api_key: abcdef, deployments: { fast: gpt-4o-mini } }");
    assert.equal(one.baseUrl, "https://my-res.openai.azure.com/openai/v1");
    assert.equal(one.apiKey?.reveal(), "abcdef");
    assert.deepEqual([...(one.deployments ?? [])], [["fast", "gpt-4o-mini"]]);
    assert.equal(one.region, null);
  });

  it("asks the directory where it is given a client", () => {
    const one = account("azure: { resource: r1, entra: { tenant: t-1, client_id: app, client_secret: hidden } }");
    assert.deepEqual(revealed(one.credential), { kind: "client-secret", clientId: "app", clientSecret: "hidden", tokenUrl: "https://login.microsoftonline.com/t-1/oauth2/v2.0/token", scope: "https://cognitiveservices.azure.com/.default" });
    const elsewhere = account('azure: { base_url: "https://gw.example/openai/v1", region: eu, entra: { authority: "https://login.chinacloudapi.cn/", tenant: t-1, client_id: app, client_secret: hidden, scope: "s" } }');
    assert.equal((elsewhere.credential as { tokenUrl: string }).tokenUrl, "https://login.chinacloudapi.cn/t-1/oauth2/v2.0/token");
  });

  it("named without more takes the standard variables: a key first, else the client", () => {
    const client = { AZURE_RESOURCE_NAME: "r2", AZURE_TENANT_ID: "t", AZURE_CLIENT_ID: "c", AZURE_CLIENT_SECRET: "s" };
    assert.deepEqual(revealed(account("azure:", client).credential), { kind: "client-secret", clientId: "c", clientSecret: "s", tokenUrl: "https://login.microsoftonline.com/t/oauth2/v2.0/token", scope: "https://cognitiveservices.azure.com/.default" });
    const byKey = account("azure:", { ...client, AZURE_API_KEY: "k" });
    assert.deepEqual([byKey.apiKey?.reveal(), byKey.keyFrom, byKey.credential], ["k", "AZURE_API_KEY", undefined]);
  });
});

describe("an account that signs", () => {
  it("is called in its region with its own keys", () => {
    const one = account("bedrock: { region: eu-central-1, access_key_id: AKIA1, secret_access_key: hidden, session_token: hidden-token }");
    assert.deepEqual([one.baseUrl, one.region], ["https://bedrock-runtime.eu-central-1.amazonaws.com", "eu-central-1"]);
    assert.deepEqual(revealed(one.credential), { kind: "sigv4", service: "bedrock", region: "eu-central-1", keys: fixed("AKIA1", "hidden", "hidden-token") });
    assert.equal(account("bedrock: { region: cn-north-1, access_key_id: A, secret_access_key: b }").baseUrl, "https://bedrock-runtime.cn-north-1.amazonaws.com.cn");
  });

  it("may carry a bearer key instead", () => {
    const one = account("bedrock: { region: us-east-1, api_key: bedrock-api-key-1 }");
    assert.deepEqual([one.apiKey?.reveal(), one.credential], ["bedrock-api-key-1", undefined]);
  });

  it("takes a role on top of its keys, in its region or where it is told", () => {
    const arn = "arn:aws:iam::123456789012:role/gw";
    const base = fixed("AKIA1", "hidden");
    const own = `region: eu-west-1, access_key_id: AKIA1, secret_access_key: hidden, role_arn: "${arn}"`;
    assert.deepEqual(keysOf(account(`bedrock: { ${own}, external_id: x }`)), { kind: "role", roleArn: arn, sessionName: "spillway", externalId: "x", stsUrl: "https://sts.eu-west-1.amazonaws.com/", region: "eu-west-1", base });
    assert.equal((keysOf(account(`bedrock: { ${own}, sts_url: "http://127.0.0.1:9" }`)) as { stsUrl: string }).stsUrl, "http://127.0.0.1:9/");
  });

  it("reads a profile: keys, a role over another profile, a workload's token", () => {
    const of = (profile: string): unknown => keysOf(account(`bedrock: { region: eu-west-1, profile: ${profile} }`, { HOME: "/home/op" }));
    assert.deepEqual(of("default"), fixed("AKIADEFAULT", "hidden-default"));
    assert.deepEqual(of("prod"), { kind: "role", roleArn: "arn:aws:iam::123456789012:role/prod", sessionName: "spillway", externalId: "x1", stsUrl: "https://sts.us-west-2.amazonaws.com/", region: "us-west-2", base: fixed("AKIACI", "hidden-ci", "hidden-token") });
    assert.deepEqual(of("web"), { kind: "web-identity", roleArn: "arn:aws:iam::123456789012:role/web", sessionName: "spillway", tokenFile: "/run/token", stsUrl: "https://sts.eu-west-1.amazonaws.com/" });
  });

  it("named without more takes the standard variables, in the usual order", () => {
    const region = { AWS_REGION: "us-east-1" };
    const keys = { AWS_ACCESS_KEY_ID: "AKIAENV", AWS_SECRET_ACCESS_KEY: "hidden" };
    const web = { AWS_WEB_IDENTITY_TOKEN_FILE: "/run/token", AWS_ROLE_ARN: "arn:aws:iam::123456789012:role/pod" };
    const container = { AWS_CONTAINER_CREDENTIALS_RELATIVE_URI: "/v2/credentials/1", AWS_CONTAINER_AUTHORIZATION_TOKEN: "t" };
    const bearer = account("bedrock:", { ...region, ...keys, AWS_BEARER_TOKEN_BEDROCK: "b" });
    assert.deepEqual([bearer.apiKey?.reveal(), bearer.keyFrom], ["b", "AWS_BEARER_TOKEN_BEDROCK"]);
    assert.deepEqual(keysOf(account("bedrock:", { ...region, ...keys, ...web, ...container })), fixed("AKIAENV", "hidden"));
    assert.deepEqual(keysOf(account("bedrock:", { ...region, HOME: "/home/op", AWS_PROFILE: "ci", ...web })), fixed("AKIACI", "hidden-ci", "hidden-token"));
    assert.deepEqual(keysOf(account("bedrock:", { ...region, ...web, ...container })), { kind: "web-identity", roleArn: web.AWS_ROLE_ARN, sessionName: "spillway", tokenFile: "/run/token", stsUrl: "https://sts.us-east-1.amazonaws.com/" });
    assert.deepEqual(keysOf(account("bedrock:", { ...region, ...container })), { kind: "container", url: "http://169.254.170.2/v2/credentials/1", authorization: "t", authorizationFile: null });
  });
});

it("an account whose address holds its id is made of it", () => {
  assert.equal(account("cloudflare: { account_id: abc123, api_key: k }").baseUrl, "https://api.cloudflare.com/client/v4/accounts/abc123/ai/v1");
  const one = account("cloudflare:", { CLOUDFLARE_ACCOUNT_ID: "def", CLOUDFLARE_API_TOKEN: "k2" });
  assert.deepEqual([one.baseUrl, one.keyFrom], ["https://api.cloudflare.com/client/v4/accounts/def/ai/v1", "CLOUDFLARE_API_TOKEN"]);
});

it("a region that looks right and is not known is called, with a warning", () => {
  const parsed = parse("  bedrock: { region: eu-wset-1, api_key: k-1 }\n");
  assert.equal(parsed.ok, false);
  const fresh = parse("  bedrock: { region: eu-west-9, api_key: k-1 }\n");
  assert.deepEqual(fresh.ok && fresh.warnings.map(({ key, found }) => `${key}: ${found}`), ['providers.bedrock.region: "eu-west-9", which is not known here']);
});

it("no cloud is discovered by what the environment holds", () => {
  const parsed = parse("  openai: { api_key: k-1234 }\n", { AWS_REGION: "us-east-1", AWS_BEARER_TOKEN_BEDROCK: "b", AZURE_RESOURCE_NAME: "r", AZURE_API_KEY: "k", GOOGLE_APPLICATION_CREDENTIALS: "/run/account.json", HF_TOKEN: "t" });
  assert.deepEqual(parsed.ok && parsed.config.accounts.map((one) => one.name), ["openai"]);
});

it("a region that the provider has an address for is told, since its usual address does not promise it", () => {
  const parsed = parse("  openai: { api_key: k-1234, region: eu }\n");
  assert.deepEqual(parsed.ok && parsed.warnings.map(({ line, key, expected, hint }) => `${line} ${key} | ${expected} | ${hint}`), ['3 providers.openai.region | the address that processes in eu | add base_url: "https://eu.api.openai.com/v1"']);
});

const HINT_FILE = 'write credentials: "${file:/run/secrets/account.json}"';
const FILE_TYPES = "the text of a credential file of type service_account or authorized_user";
const BAD: readonly (readonly [what: string, text: string, errors: readonly string[], env?: Readonly<Record<string, string>>])[] = [
  ["nothing of what a project needs", "  vertex:\n", [
    "3 providers.vertex.project | a project | nothing | add project: my-project, or set GOOGLE_VERTEX_PROJECT",
    "3 providers.vertex.location | a location | nothing | add location: europe-west4, or set GOOGLE_VERTEX_LOCATION",
    '3 providers.vertex.credentials | the text of a credential file | nothing | add credentials: "${file:/run/secrets/account.json}", or set GOOGLE_APPLICATION_CREDENTIALS to the file\'s path',
  ]],
  ["a key where a file is wanted", "  vertex: { project: p, location: us-east5, api_key: abc }\n", [`3 providers.vertex.api_key | credentials | api_key | ${HINT_FILE}`]],
  ["a path where its text is wanted", "  vertex: { project: p, location: us-east5, credentials: /run/account.json }\n", [`3 providers.vertex.credentials | ${FILE_TYPES} | no JSON object | ${HINT_FILE}`]],
  ["a file of another type", '  vertex: { project: p, location: us-east5, credentials: "${file:/run/federated.json}" }\n', [`3 providers.vertex.credentials | ${FILE_TYPES} | a file of type external_account | ${HINT_FILE}`]],
  ...([["cut short", "cut", "a private_key that cannot be parsed: cut short, or its line breaks lost"], ["that is none", "no-pem", "a private_key that is no PEM"], ["of another kind", "other-kind", "a private_key of type ed25519, where RSA is wanted"]] as const).map(
    ([what, file, found]) => [`a private key ${what}`, `  vertex: { project: p, location: us-east5, credentials: "\${file:/run/${file}.json}" }\n`, [`3 providers.vertex.credentials | ${FILE_TYPES} | ${found} | take the file as it was downloaded: ${HINT_FILE}`]] as const,
  ),
  ["a place that cannot be", '  vertex: { project: p, location: europe-west, credentials: "${file:/run/account.json}" }\n', ['3 providers.vertex.location | a location such as europe-west4 | "europe-west" | ']],
  ["a variable that leads to no file", "  vertex: { project: p, location: us-east5 }\n", [
    '3 providers.vertex.credentials | the text of a credential file | GOOGLE_APPLICATION_CREDENTIALS: ENOENT | add credentials: "${file:/run/secrets/account.json}", or set GOOGLE_APPLICATION_CREDENTIALS to the file\'s path',
  ], { GOOGLE_APPLICATION_CREDENTIALS: "/nowhere" }],
  ["what would lead elsewhere", '  vertex: { project: "p/../x", location: "evil.example/", credentials: "${file:/run/account.json}" }\n', [
    "3 providers.vertex.project | a project | other characters in it | such as my-project",
    "3 providers.vertex.location | a location | other characters in it | such as europe-west4",
  ]],
  ["a resource without a key", "  azure: { resource: r }\n", ['3 providers.azure.api_key | a key, or entra | nothing | add api_key: "${AZURE_API_KEY}", or entra: { tenant, client_id, client_secret }']],
  ["a key and a client", "  azure: { resource: r, api_key: k-1, entra: { tenant: t, client_id: c, client_secret: s } }\n", ["3 providers.azure.entra | either api_key or entra | both | take one of them out"]],
  ["half a client", "  azure:\n    resource: r\n    entra: { tenant: 'a/b', client_id: c }\n", [
    '5 providers.azure.entra.client_secret | a text | nothing | add client_secret: "${AZURE_CLIENT_SECRET}"',
    "5 providers.azure.entra.tenant | a tenant's id or domain | other characters in it | ",
  ]],
  ["a typo in a client", "  azure: { resource: r, entra: { tenant: t, client_id: c, client_secret: s, tenent: t } }\n", ["3 providers.azure.entra.tenent | one of tenant, client_id, client_secret, authority, scope | unknown key tenent | did you mean tenant?"]],
  ["a region misspelt", "  bedrock: { region: us-eats-1, api_key: k-1 }\n", ['3 providers.bedrock.region | a region such as us-east-1 | "us-eats-1" | did you mean us-east-1?']],
  ["a region that is none, from a variable", "  bedrock: { api_key: k-1 }\n", ['3 providers.bedrock.region | a region such as us-east-1 | "eu_central_1" | did you mean eu-central-1?'], { AWS_REGION: "eu_central_1" }],
  ["no region", "  bedrock: { api_key: k-1 }\n", ["3 providers.bedrock.region | a region | nothing | add region: us-east-1, or set AWS_REGION"]],
  ["a bearer key and keys to sign with", "  bedrock: { region: us-east-1, api_key: k-1, access_key_id: A, secret_access_key: b }\n", [
    "3 providers.bedrock.access_key_id | either api_key or access_key_id | both | take one of them out",
    "3 providers.bedrock.secret_access_key | either api_key or secret_access_key | both | take one of them out",
  ]],
  ["no credential to sign with", "  bedrock: { region: us-east-1 }\n", ['3 providers.bedrock.access_key_id | a credential | nothing | add access_key_id: "${AWS_ACCESS_KEY_ID}" and secret_access_key: "${AWS_SECRET_ACCESS_KEY}", or profile, or api_key']],
  ["half a key", "  bedrock: { region: us-east-1, access_key_id: A }\n", ["3 providers.bedrock.secret_access_key | both access_key_id and secret_access_key | one of them | add secret_access_key"]],
  ["an own address without the region to sign for", '  bedrock: { base_url: "https://vpc.example", access_key_id: A, secret_access_key: b }\n', ["3 providers.bedrock.region | the region that requests are signed for | nothing | add region: us-east-1"]],
  ["keys and a profile", "  bedrock: { region: us-east-1, access_key_id: A, secret_access_key: b, profile: x }\n", ["3 providers.bedrock.profile | either access_key_id or profile | both | "]],
  ["a role that is none", "  bedrock: { region: us-east-1, access_key_id: A, secret_access_key: b, role_arn: admin }\n", ["3 providers.bedrock.role_arn | a role such as arn:aws:iam::123456789012:role/gateway | something else | "]],
  ...([["missing", "no profile missing in the files"], ["person", "profile person by single sign-on, which is not supported"], ["program", "profile program by a program of its own, which is not supported"], ["a", "profiles that refer to each other in a circle"]] as const).map(
    ([profile, found]) => [`the profile ${profile}`, `  bedrock: { region: us-east-1, profile: ${profile} }\n`, [`3 providers.bedrock.profile | a profile with keys or a role | ${found} | `], { HOME: "/home/op" }] as const,
  ),
  ["keys from anywhere in the network", "  bedrock: { region: us-east-1 }\n", [
    "3 providers.bedrock | keys from https, the loopback or the platform's own address | another address in AWS_CONTAINER_CREDENTIALS_FULL_URI | ",
    '3 providers.bedrock.access_key_id | a credential | nothing | add access_key_id: "${AWS_ACCESS_KEY_ID}" and secret_access_key: "${AWS_SECRET_ACCESS_KEY}", or profile, or api_key',
  ], { AWS_CONTAINER_CREDENTIALS_FULL_URI: "http://10.0.0.1/x" }],
  ["settings of another provider", "  openai: { api_key: k-123, project: p, profile: x, entra: {}, deployments: { a: b } }\n", [
    "3 providers.openai.project | a setting of OpenAI | project, which it does not have | ",
    "3 providers.openai.profile | a setting of OpenAI | profile, which it does not have | ",
    "3 providers.openai.entra | a setting of OpenAI | entra, which it does not have | ",
    "3 providers.openai.deployments | a setting of OpenAI | deployments, which it does not have | ",
  ]],
];

describe("an account is refused with line, key, expected, found and hint:", () => {
  for (const [what, text, errors, env] of BAD) it(what, () => assert.deepEqual(shown(text, env), errors));

  it("and without its secrets", () => {
    const parsed = parse('  bedrock: { region: us-east-1, access_key_id: A, secret_access_key: "spaced hidden-secret", session_token: hidden-token, nope: 1 }\n');
    assert.ok(!parsed.ok);
    assert.doesNotMatch(parsed.errors.map(showError).join("\n"), /hidden/);
  });
});

describe("an account with an api", () => {
  it("is called by responses where it says so, by chat completions else, at the same address", () => {
    const at = (text: string): readonly unknown[] => [account(text).provider.dialect, account(text).baseUrl];
    assert.deepEqual(at("openai: { api_key: k, api: responses }"), ["openai-responses", "https://api.openai.com/v1"]);
    assert.deepEqual(at("openai: { api_key: k, api: chat }"), ["openai-chat", "https://api.openai.com/v1"]);
    assert.deepEqual(at('mine: { type: openai-compatible, base_url: "http://127.0.0.1:8000/v1", api_key: none, api: responses }'), ["openai-responses", "http://127.0.0.1:8000/v1"]);
    assert.equal(PROVIDERS.get("openai")?.dialect, "openai-chat", "the provider's own facts stay");
  });

  it("is refused where there is no such choice, or no such api", () => {
    assert.deepEqual(shown("  anthropic: { api_key: k, api: responses }\n"), ["3 providers.anthropic.api | a setting of Anthropic | api, which it does not have | it speaks one protocol only"]);
    assert.match(shown("  openai: { api_key: k, api: realtime }\n").join(), /chat or responses/);
  });
});
