/**
 * A canary in every slot of the configuration that holds a secret, in every managed object that has one, and in the
 * environment; services of all sorts that repeat what they were sent. Then everything is read that can be read: answers of
 * both ports, commands, logs in both forms, the data folders of this process and of one that joined it, a backup. No piece of
 * eight characters of any canary may be there, as it is or in the form in which it is sent.
 */
import assert from "node:assert/strict";
import { createHash, generateKeyPairSync, randomBytes } from "node:crypto";
import { mkdtempSync, readdirSync, readFileSync, rmSync, statSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { after, before, test } from "node:test";
import { configSchema } from "../../src/config/schema.ts";
import { SECRET_KEYS } from "../../src/config/report.ts";
import { KINDS } from "../../src/control/kinds/index.ts";
import { AuthorityClient } from "../../src/edge/upstream-authority.ts";
import { testMail, type TestMail } from "../../src/edge/test-mail.ts";
import type { JsonObject } from "../../src/wire/json.ts";
import { z } from "zod";
import { runAudit } from "../../src/cli/audit.ts";
import { runBackup } from "../../src/cli/backup.ts";
import { runCheck } from "../../src/cli/check.ts";
import type { CommandContext } from "../../src/cli/context.ts";
import { runContracts } from "../../src/cli/contracts.ts";
import { runManaged } from "../../src/cli/manage.ts";
import { runNotify } from "../../src/cli/notify.ts";
import { runProviders } from "../../src/cli/providers.ts";
import { runRequests } from "../../src/cli/requests.ts";
import { runSpend } from "../../src/cli/spend.ts";
import { runToken } from "../../src/cli/token.ts";
import { loadCatalogue } from "../../src/providers/catalog/index.ts";
import { PROVIDERS } from "../../src/providers/registry.ts";
import { childGateway, type ChildGateway } from "../support/gateway.ts";
import { chat, json, raw, recordingUpstream, type RecordedCall, type RecordingUpstream } from "../support/recording-upstream.ts";

const PIECE = 8;
/** Letters and digits only, so that no escaping hides it. */
const random = (): string => randomBytes(60).toString("base64").replaceAll(/[^A-Za-z0-9]/g, "").slice(0, 40);
const pem = generateKeyPairSync("rsa", { modulusLength: 2_048 }).privateKey.export({ type: "pkcs8", format: "pem" }).toString();

/** Every slot of the configuration that holds a secret, by its key; `credentials` and `proxy` hold several. */
const SLOTS = {
  api_key: random(), proxy: random(), client_secret: random(), secret_access_key: random(), session_token: random(), external_id: random(), key: random(), sha256: createHash("sha256").update(random()).digest("hex"),
  url: random(), secret: random(), password: random(), credentials: random(),
};
/** Keys of the configuration that look like secrets and are none. */
const NO_SECRETS = ["access_key_id", "base_url", "sts_url", "source_url", "web_identity_token_file", "first_token", "keys", "tokens_per_minute", "tokens_per_day", "credits", "credit_percent", "authority", "hourly_usd", "image_url", "share"];
const LOOKS_SECRET = /key|secret|token|pass|cred|url|proxy|auth|cert|sha|hash|signature|external/;
/** Fields of managed objects that hold secrets. */
const FIELDS: Readonly<Record<string, Readonly<Record<string, string>>>> = {
  credential: { api_key: random() },
  channel: { url: random(), secret: random(), password: random() },
};
const NO_SECRET_FIELDS = ["base_url", "source_url", "tokens_per_minute", "tokens_per_day", "credits", "credit_percent", "hourly_usd", "image_url", "share"];
const MORE = { responsesKey: random(), caller: random(), refreshToken: random(), personsSecret: random(), issuedToken: random(), authorityToken: random(), wrongToken: random(), broken: random(), misplaced: random() };

let folder: string;
let upstream: RecordingUpstream;
const mails: TestMail[] = [];
let gateway: ChildGateway;
let joined: ChildGateway;
let admin = "";
let token = "";
/** Everything that came out, by where. */
const seen: [where: string, text: string][] = [];
/** What was shown once, where it had to be. */
const made = new Map<string, string>();

/** All that somebody was sent, in words of his own: as an error of any service here repeats it. */
const repeat = (call: RecordedCall): string => `${call.target} ${call.headers.map(([name, value]) => `${name}=${value}`).join(" ")} ${decodeURIComponent(call.body.toString().replaceAll("%", "%25"))} ${call.body.toString()}`;
const echo = (status: number) => (call: RecordedCall, socket: Parameters<typeof chat>[1]): void => {
  const words = repeat(call);
  json({ error: { message: words, type: "refused", code: words.slice(0, 900) }, error_description: words, message: words }, status)(call, socket);
};

function answer(call: RecordedCall, socket: Parameters<typeof chat>[1]): void {
  const [, first = ""] = call.target.replace(/^http:\/\/[^/]+/, "/proxied").split("/");
  if (first === "fine") return chat(call, socket);
  if (first === "token") return json({ access_token: MORE.issuedToken, expires_in: 3_600 })(call, socket);
  if (first === "sts") return raw(`HTTP/1.1 403 No\r\ncontent-type: text/xml\r\n\r\n<ErrorResponse><Error><Code>AccessDenied</Code><Message>${repeat(call).replaceAll("<", "")}</Message></Error></ErrorResponse>`)(call, socket);
  echo(first.startsWith("busy") ? 500 : first.startsWith("bad") ? 400 : 401)(call, socket);
}

function configuration(): string {
  const origin = upstream.origin;
  const account = JSON.stringify({ type: "service_account", project_id: "p", private_key_id: "k", private_key: pem, client_email: "gw@p.iam.example", token_uri: `${origin}/no` });
  const person = JSON.stringify({ type: "authorized_user", client_id: "c", client_secret: MORE.personsSecret, refresh_token: MORE.refreshToken, token_uri: `${origin}/no` });
  writeFileSync(join(folder, "account.json"), account);
  writeFileSync(join(folder, "person.json"), person);
  const aws = `type: bedrock, region: eu-west-1, access_key_id: AKIAEXAMPLE, secret_access_key: ${SLOTS.secret_access_key}, session_token: ${SLOTS.session_token}`;
  const entra = (authority: string): string => `entra: { tenant: t, client_id: c, client_secret: ${SLOTS.client_secret}, authority: "${origin}/${authority}" }`;
  return `
version: 1
unpriced: serve
fallbacks: "off"
keys:
  - { name: app, key: ${MORE.caller} }
  - { name: other, key: ${SLOTS.key} }
  - { name: hashed, sha256: ${SLOTS.sha256} }
responses: { store: encrypted, key: ${MORE.responsesKey} }
providers:
  fine: { type: openai-compatible, base_url: "${origin}/fine", api_key: ${SLOTS.api_key} }
  denied: { type: openai-compatible, base_url: "${origin}/denied", api_key: ${SLOTS.api_key} }
  busy: { type: openai-compatible, base_url: "${origin}/busy", api_key: ${SLOTS.api_key} }
  bad: { type: anthropic, base_url: "${origin}/bad", api_key: ${SLOTS.api_key} }
  proxied: { type: openai-compatible, base_url: "http://far.example/v1", api_key: ${SLOTS.api_key}, unmetered: true, proxy: "http://user:${SLOTS.proxy}@127.0.0.1:${upstream.port}" }
  account: { type: vertex, project: p, location: eu, base_url: "${origin}/busy-v", credentials: "\${file:${join(folder, "account.json")}}" }
  person: { type: vertex, project: p, location: eu, base_url: "${origin}/busy-w", credentials: "\${file:${join(folder, "person.json")}}" }
  directory: { type: azure, base_url: "${origin}/denied-d", region: eu, ${entra("no")} }
  issued: { type: azure, base_url: "${origin}/bad-d", region: eu, ${entra("token")} }
  signed: { ${aws}, base_url: "${origin}/bad-s" }
  role: { ${aws}, base_url: "${origin}/bad-r", role_arn: "arn:aws:iam::123456789012:role/r", external_id: ${SLOTS.external_id}, sts_url: "${origin}/sts" }
notify:
  - { name: hook, type: webhook, url: "${origin}/hook/${SLOTS.url}", secret: ${SLOTS.secret} }
  - { name: post, type: smtp, host: 127.0.0.1, port: ${mails[0]?.port}, tls: none, user: u, password: ${SLOTS.password}, from: a@x.example, to: [b@x.example] }
`;
}

/** The file that the gateway runs on, with something else than a secret wherever one stands. */
function breakConfiguration(): undefined {
  let text = configuration().replaceAll(`"${upstream.origin}/hook`, '"ftp://x.example').replaceAll('"http://user', '"socks5://user');
  for (const [i, secret] of [...Object.values(SLOTS), MORE.responsesKey].entries()) text = text.replaceAll(`: ${secret}`, i % 3 === 0 ? `: "${MORE.broken} ${secret}"` : i % 3 === 1 ? `: [${MORE.broken}]` : `: { a: ${MORE.broken} }`);
  writeFileSync(join(folder, "spillway.yaml"), `${text}\nfiles: ${MORE.broken}\n`);
}

before(async () => {
  folder = mkdtempSync(join(tmpdir(), "spillway-canaries-"));
  upstream = await recordingUpstream(answer);
  // What they hear they say again: the password, as it is and as it was sent.
  for (const one of [SLOTS.password, FIELDS["channel"]?.["password"] ?? ""]) mails.push(await testMail({ answers: { AUTH: `535 no ${one} ${Buffer.from(`\0u\0${one}`).toString("base64")} ${one.slice(5, 20)}` } }));
  writeFileSync(join(folder, "spillway.yaml"), configuration());
  gateway = await childGateway(configuration(), { dataDir: join(folder, "data"), env: { SPILLWAY_AUTHORITY_TOKEN: MORE.authorityToken }, args: ["--log", "json", "--request-log", "on", "--config", join(folder, "spillway.yaml")] });
  admin = /admin (\S+)\/metrics/.exec(gateway.output())?.[1] ?? "";
  token = /^Admin token.*: (\S+)$/m.exec(gateway.output())?.[1] ?? "";
  made.set("admin token", token);
});
after(async () => {
  await Promise.all([gateway.kill9(), joined.kill9()]);
  await upstream.close();
  for (const mail of mails) await mail.close();
  rmSync(folder, { recursive: true, force: true });
});

/** Asks the admin API; `keep`: the answer is one that is read for canaries. */
async function ask(method: string, path: string, body?: JsonObject | string, keep = true, shown = token): Promise<JsonObject> {
  const text = typeof body === "string" ? body : JSON.stringify(body);
  const response = await fetch(`${admin}/admin/v1${path}`, { method, headers: { authorization: `Bearer ${shown}`, ...(body === undefined ? {} : { "content-type": "application/json" }) }, ...(body === undefined ? {} : { body: text ?? "" }) });
  const told = await response.text();
  if (keep) seen.push([`${method} ${path}`, told]);
  return (told.startsWith("{") ? JSON.parse(told) : {}) as JsonObject;
}

/** Makes one; what it shows once is kept as a canary, and all the rest is read. */
async function make(path: string, body: JsonObject, canary?: string): Promise<void> {
  const { once, ...rest } = await ask("POST", path, body, false);
  assert.ok("id" in rest, `${path}: ${JSON.stringify(rest)}`);
  seen.push([`POST ${path}`, JSON.stringify(rest)]);
  if (canary !== undefined) made.set(canary, Object.values(once as Readonly<Record<string, string>>)[0] ?? "");
}

test("every key of the configuration and of managed objects that looks like a secret has a canary here, or is known to be none", () => {
  const names = new Set<string>();
  const walk = (value: unknown, into: Set<string>): void => {
    if (typeof value !== "object" || value === null) return;
    for (const [key, inner] of Object.entries(value)) {
      if (key === "properties") for (const name of Object.keys(inner as object)) into.add(name);
      walk(inner, into);
    }
  };
  walk(z.toJSONSchema(configSchema(true)), names);
  assert.ok(names.size > 100);
  const secret = [...names].filter((name) => LOOKS_SECRET.test(name) && !NO_SECRETS.includes(name)).toSorted();
  assert.deepEqual(secret, Object.keys(SLOTS).toSorted());
  assert.deepEqual([...SECRET_KEYS].toSorted(), Object.keys(SLOTS).toSorted(), "and messages about the configuration hide the same keys");
  for (const [name, kind] of KINDS) {
    const fields = new Set<string>();
    walk(z.toJSONSchema(kind.schema, { unrepresentable: "any" }), fields);
    assert.deepEqual([...fields].filter((field) => LOOKS_SECRET.test(field) && !NO_SECRET_FIELDS.includes(field)).toSorted(), Object.keys(FIELDS[name] ?? {}).toSorted(), name);
  }
});

test("every sort of account is called, and the service repeats what it was sent", async () => {
  const accounts = ["fine", "denied", "busy", "bad", "proxied", "account", "person", "directory", "issued", "signed", "role"];
  await Promise.all(accounts.flatMap((account) => [false, true].map(async (stream) => {
    const response = await fetch(`${gateway.baseUrl}/chat/completions`, { method: "POST", headers: { "content-type": "application/json", authorization: `Bearer ${MORE.caller}` }, body: JSON.stringify({ model: `${account}/m`, stream, messages: [{ role: "user", content: "hi" }] }) });
    seen.push([`chat at ${account}`, `${JSON.stringify([...response.headers])} ${await response.text()}`]);
    assert.equal(response.status === 200, account === "fine", account);
  })));
  const sent = upstream.calls.map((call) => `${call.headers.map(([, value]) => value).join(" ")} ${call.body.toString()}`).join("\n");
  for (const [name, secret] of Object.entries({ api_key: SLOTS.api_key, client: SLOTS.client_secret, session: SLOTS.session_token, external: SLOTS.external_id, refresh: MORE.refreshToken, person: MORE.personsSecret, issued: MORE.issuedToken, proxy: Buffer.from(`user:${SLOTS.proxy}`).toString("base64") })) assert.ok(sent.includes(secret), `${name} was sent, so that it could be repeated`);
  assert.ok(sent.includes("assertion="));
});

test("every kind of managed object that has a secret is made, changed, misused and read", async () => {
  await make("/teams", { id: "team", name: "Team" });
  await make("/keys", { id: "managed", team: "team" }, "managed key");
  await make("/keys/managed/rotate", {}, "rotated key");
  await make("/members", { id: "ada", name: "Ada", role: "admin" });
  await make("/members/ada/token", {}, "member's token");
  await make("/credentials", { id: "own", account: "denied", team: "team", ...FIELDS["credential"] });
  const { url = "", secret = "", password = "" } = FIELDS["channel"] ?? {};
  await make("/channels", { id: "hooked", type: "webhook", url: `${upstream.origin}/hook/${url}`, secret });
  await make("/channels", { id: "posted", type: "smtp", host: "127.0.0.1", port: mails[1]?.port ?? 0, tls: "none", user: "u", password, from: "a@x.example", to: ["b@x.example"] });
  for (const [path, body] of [
    ["/credentials", { account: "nowhere", api_key: MORE.misplaced, more: 1 }],
    ["/credentials", { account: "busy", api_key: [MORE.misplaced], base_url: "http://10.0.0.1" }],
    ["/channels", { type: "webhook", url: `ftp://${MORE.misplaced}@x`, secret: { a: MORE.misplaced } }],
    ["/channels", { type: MORE.misplaced, kinds: [MORE.misplaced], to: [MORE.misplaced], port: MORE.misplaced, tls: MORE.misplaced }],
    ["/channels", `{"type":"webhook","secret": ${MORE.misplaced}}`],
    ["/channels", `{"type":"webhook","secret": "${MORE.misplaced}`],
    ["/keys", { name: [MORE.misplaced], expires_at: MORE.misplaced, expose: MORE.misplaced, residency: [`${MORE.misplaced} x`] }],
  ] as const) assert.ok("error" in (await ask("POST", path, body)), JSON.stringify(body));
  await ask("PATCH", "/credentials/own", { note: "changed" });
  await ask("PATCH", "/channels/hooked", { per_hour: 3 });
  await ask("PATCH", "/channels/posted", { host: "127.0.0.2" });
  await ask("PATCH", "/channels/posted", { host: "127.0.0.1", password });
  // With the team's own credential, at a service that repeats it.
  for (const shown of [made.get("rotated key") ?? "", MORE.wrongToken]) {
    const response = await fetch(`${gateway.baseUrl}/chat/completions`, { method: "POST", headers: { "content-type": "application/json", authorization: `Bearer ${shown}` }, body: JSON.stringify({ model: "denied/m", messages: [{ role: "user", content: "hi" }] }) });
    seen.push(["chat by a managed key", await response.text()]);
    await ask("GET", "/me", undefined, true, shown);
  }
  assert.ok(upstream.calls.some((call) => call.header("authorization")?.includes(FIELDS["credential"]?.["api_key"] ?? "")), "the team's credential was sent");
});

test("a process that has joined takes nothing along but hashes", async () => {
  joined = await childGateway(configuration(), { dataDir: join(folder, "joined"), env: { SPILLWAY_AUTHORITY_TOKEN: MORE.authorityToken }, args: ["--log", "text", "--authority", admin] });
  const state = async (shown: string): Promise<string> => (await fetch(`${admin}/admin/v1/authority/state`, { headers: { authorization: `Bearer ${shown}` } })).text();
  const told = await state(MORE.authorityToken);
  assert.ok(told.includes('"managed"') && !told.includes("sealed") && !told.includes('"hooked"') && !told.includes('"own"'));
  seen.push(["authority", told], ["authority refused", await state(MORE.wrongToken)]);
  // The administrator's token is of this process, and the joined ones' of theirs.
  const refused = await fetch(`${admin}/admin/v1/authority/state`, { headers: { authorization: `Bearer ${token}` } });
  assert.equal(refused.status, 401);
  const key = made.get("rotated key") ?? "";
  const response = await fetch(`${joined.baseUrl}/chat/completions`, { method: "POST", headers: { "content-type": "application/json", authorization: `Bearer ${key}` }, body: JSON.stringify({ model: "fine/m", messages: [{ role: "user", content: "hi" }] }) });
  assert.equal(response.status, 200);
  // An authority that repeats what it was sent: nobody's, but some other service's.
  const elsewhere = new AuthorityClient(upstream.origin, MORE.authorityToken);
  seen.push(["what one is told that joined elsewhere", await elsewhere.call("GET", "/denied", null).then(() => assert.fail("it was refused"), String)]);
  elsewhere.close();
});

test("everything that can be asked is asked", async () => {
  const { paths } = await ask("GET", "/openapi.json");
  for (const [path, methods] of Object.entries(paths as Readonly<Record<string, JsonObject>>)) {
    const id = { keys: "managed", members: "ada", credentials: "own", channels: "hooked" }[path.split("/")[3] ?? ""] ?? "team";
    if ("get" in methods) await ask("GET", path.replace("/admin/v1", "").replace("{id}", id));
  }
  await ask("GET", "/audit?limit=500");
  for (const path of ["/metrics", "/readyz", "/nothing"]) seen.push([path, await (await fetch(admin + path)).text()]);
  const data = ["--data-dir", join(folder, "data")];
  // In this process, as the commands' own entry calls them: a process for each would take the time of all the rest.
  let lines: string[] = [];
  const out = { write: (text: string) => lines.push(text) > 0 };
  const context: CommandContext = { out, errors: out, env: {}, cwd: folder, providers: PROVIDERS, catalogue: loadCatalogue() };
  const commands: readonly (readonly [run: (args: readonly string[]) => number | Promise<number>, name: string, args: readonly string[]])[] = [
    [(args) => runCheck(args, context), "check", ["--config", join(folder, "spillway.yaml")]],
    [(args) => runProviders(["reload", ...args], context), "reload", data],
    [(args) => runProviders(args, context), "providers", ["--json", ...data]],
    ...[["--json", "--limit", "100"], []].map((more) => [(args: readonly string[]) => runRequests(args, out, { signal: AbortSignal.timeout(10_000), display: null }), `requests ${more.join(" ")}`, [...more, ...data]] as const),
    [(args) => runSpend(args, context), "spend", ["--by", "key", ...data]],
    [(args) => runAudit(args, context), "audit", ["--json", "--limit", "500", ...data]],
    ...["keys", "members", "credentials", "channels"].map((plural) => [(args: readonly string[]) => runManaged(plural, args, context), plural, ["list", "--json", ...data]] as const),
    [(args) => runNotify(args, context), "notify test", ["test", ...data]],
    [(args) => runNotify(args, context), "notify", data],
    [(args) => runContracts(args, context, Date.now()), "contracts", data],
    [(args) => runBackup(args, context), "backup", [join(folder, "backup"), ...data]],
    [(args) => breakConfiguration() ?? runProviders(["reload", ...args], context), "reload of a broken file", data],
    [(args) => runCheck(args, context), "check of a broken file", ["--config", join(folder, "spillway.yaml")]],
  ];
  for (const [run, name, args] of commands) {
    lines = [];
    await run(args);
    assert.ok(lines.length > 0, name);
    seen.push([`spillway ${name}`, lines.join("")]);
  }
  for (const what of ["reload of a broken", "check of a broken"]) assert.ok(seen.some(([where, text]) => where.includes(what) && text.split("expected").length > 12 && !text.includes("expected YAML")), `${what}: every mistake is told`);
  const told = (what: string): string => seen.find(([where]) => where.startsWith(`spillway ${what}`))?.[1] ?? "";
  assert.match(told("notify test"), /401|535/, "channels were tried, and refused");
  assert.ok(told("requests --json").split("\n").length > 20 && told("audit").includes("managed"));
  lines = [];
  await runToken(["rotate", ...data], context);
  made.set("rotated admin token", lines.join("").trim());
});

test("no piece of any secret is in any answer, log, listing, metric or file", async () => {
  await Promise.all([gateway.kill9(), joined.kill9()]);
  seen.push(["log", gateway.output().replace(/^Admin token.*$/m, "")], ["text log", joined.output().replace(/^Admin token.*$/m, "")]);
  assert.match(gateway.output(), /attempt_failed/);
  for (const part of ["data", "joined", "backup"]) {
    const names = readdirSync(join(folder, part), { recursive: true, encoding: "utf8" });
    assert.ok(names.includes("control.db") && names.includes("ledger.db"), part);
    for (const name of names) {
      const file = join(folder, part, name);
      if (statSync(file).isFile()) seen.push([`${part}/${name}`, readFileSync(file).toString("latin1")]);
    }
  }
  assert.ok(seen.some(([where, text]) => where.startsWith("data/control.db") && text.includes("hooked")));
  const all = new Map<string, string>([...Object.entries(SLOTS), ...Object.entries(MORE), ...made]);
  for (const [kind, fields] of Object.entries(FIELDS)) for (const [field, value] of Object.entries(fields)) all.set(`${kind}.${field}`, value);
  // What stands before a key's letters says whose it is. The first of a private key are those of every such key.
  for (const [name, value] of all) all.set(name, value.replace(/^(?:spw_default_|spa_)/, ""));
  all.set("private key", pem.split("\n").slice(1, -2).join("").slice(48));
  for (const name of ["password", "channel.password", "proxy"]) all.set(`${name}, as it is sent`, Buffer.from(`${name === "proxy" ? "user:" : "\0u\0"}${all.get(name) ?? ""}`).toString("base64").slice(8));
  assert.ok([...made.values()].every((one) => one.length > 40) && made.size === 5, "what was made was shown");
  const pieces = new Map<string, string>();
  for (const [name, secret] of all) for (let from = 0; from + PIECE <= secret.length; from++) pieces.set(secret.slice(from, from + PIECE), name);
  const found = new Set<string>();
  for (const [where, text] of seen) {
    for (const [run] of text.matchAll(/[\w+/=-]{8,}/g)) {
      for (let at = 0; at + PIECE <= run.length; at++) {
        const name = pieces.get(run.slice(at, at + PIECE));
        if (name !== undefined) found.add(`${name} in ${where}`);
      }
    }
  }
  assert.deepEqual([...found], []);
});
