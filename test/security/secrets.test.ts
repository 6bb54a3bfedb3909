/**
 * Canaries in every place of the configuration that holds a secret, in the callers' hands and in what they ask; every kind
 * of error, from providers that repeat the credential they were sent. Then no piece of eight characters of any canary may
 * be anywhere.
 */
import assert from "node:assert/strict";
import { createHash, randomBytes } from "node:crypto";
import { mkdtempSync, readdirSync, readFileSync, rmSync, statSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { after, before, test } from "node:test";
import { runCheck } from "../../src/cli/check.ts";
import { loadCatalogue } from "../../src/providers/catalog/index.ts";
import { PROVIDERS } from "../../src/providers/registry.ts";
import { runCommand } from "../support/command.ts";
import { childGateway, type ChildGateway } from "../support/gateway.ts";
import { post, rawExchange, type RawAnswer } from "../support/raw-client.ts";
import { chat, json, raw, recordingUpstream, sse, type Answering, type RecordedCall, type RecordingUpstream } from "../support/recording-upstream.ts";

const PIECE = 8;
/** Letters and digits only, so that no escaping hides it. */
const random = (): string => randomBytes(60).toString("base64").replaceAll(/[^A-Za-z0-9]/g, "").slice(0, 40);
const CANARIES = {
  caller: random(), secondCaller: random(), wrongCaller: random(), openai: `sk-${random()}`, plain: random(), anthropic: random(), gemini: `AIza${random()}`, fromFile: random(), proxyUser: random(), proxyPassword: random(), prompt: random(),
};
/** Accounts of each kind, one for each thing that goes wrong: what one error teaches must not keep the next from being tried. */
const KINDS: Readonly<Record<string, { readonly type: string; readonly key: string }>> = {
  oai: { type: "openai-compatible", key: `"\${OAI_KEY}"` },
  plain: { type: "openai-compatible", key: CANARIES.plain },
  ant: { type: "anthropic", key: `"\${ANT_KEY:-nothing}"` },
  gem: { type: "google", key: `"\${GEM_KEY}"` },
  filed: { type: "openai-compatible", key: `"\${file:KEYFILE}"` },
};
const ENV = { APP_KEY: CANARIES.caller, OAI_KEY: CANARIES.openai, ANT_KEY: CANARIES.anthropic, GEM_KEY: CANARIES.gemini };
/** What each account's provider answers, by the account's name, which is the first part of the path. */
const scripts = new Map<string, Answering>();

let folder: string;
let config: string;
let upstream: RecordingUpstream;
let gateway: ChildGateway;
/** Everything that came out, by where. */
const seen: [where: string, text: string][] = [];

before(async () => {
  folder = mkdtempSync(join(tmpdir(), "spillway-canary-"));
  upstream = await recordingUpstream((call, socket) => (scripts.get(call.target.split("/")[1] ?? "") ?? chat)(call, socket));
  writeFileSync(join(folder, "key"), `${CANARIES.fromFile}\n`);
  const accounts = Object.entries(KINDS).flatMap(([kind, { type, key }]) =>
    Array.from({ length: SHAPES.length + ECHOES.length }, (_, i) => `  ${kind}${i}: { type: ${type}, base_url: "${upstream.origin}/${kind}${i}", api_key: ${key.replace("KEYFILE", join(folder, "key"))} }`),
  );
  config = `
version: 1
keys:
  - { name: app, key: "\${APP_KEY}" }
  - { name: second, sha256: ${createHash("sha256").update(CANARIES.secondCaller).digest("hex")} }
providers:
${accounts.join("\n")}
  oai: { type: openai-compatible, base_url: "${upstream.origin}/oai", api_key: "\${OAI_KEY}" }
  proxied: { type: openai-compatible, base_url: "http://far.example/v1", api_key: ${CANARIES.plain}, unmetered: true, proxy: "http://${CANARIES.proxyUser}:${CANARIES.proxyPassword}@127.0.0.1:${upstream.port}" }
`;
  gateway = await childGateway(config, { dataDir: join(folder, "data"), env: ENV, args: ["--log", "json", "--request-log", "on"] });
});
after(async () => {
  await gateway.kill9();
  await upstream.close();
  rmSync(folder, { recursive: true, force: true });
});

const port = (): number => Number(new URL(gateway.url).port);
async function send(bytes: Buffer, where: string): Promise<RawAnswer | undefined> {
  const { answers, bytes: all } = await rawExchange(port(), bytes, { answers: 1, waitMs: 8_000 });
  seen.push([where, all.toString("latin1")]);
  return answers[0];
}
const ask = (account: string, stream: boolean, more: readonly string[] = []) =>
  post("/v1/chat/completions", JSON.stringify({ model: `${account}/m`, stream, messages: [{ role: "user", content: CANARIES.prompt }] }), [`authorization: Bearer ${CANARIES.caller}`, "connection: close", "x-spillway-deadline-ms: 3000", ...more]);

/** What the caller was called with, as this upstream saw it. */
const credentialOf = (call: RecordedCall): string => call.header("authorization") ?? call.header("x-api-key") ?? call.header("x-goog-api-key") ?? "";
/** Ways to repeat a credential: whole, in part, at the end. */
const ECHOES: readonly ((credential: string) => string)[] = [
  (all) => `Incorrect credential: ${all}`,
  (all) => all.replace(/^Bearer /, ""),
  (all) => `you sent ${all.slice(0, 22)}...`,
  (all) => `it ends with ${all.slice(-12)}`,
  (all) => `"${all.slice(10, 30)}" is unknown; also ${all.slice(0, 9)}***${all.slice(-9)}`,
];
const SHAPES: readonly (readonly [what: string, answering: (words: string) => Answering])[] = [
  ...[400, 401, 402, 403, 404, 409, 422, 429, 500, 503, 529].map((status) => [`status ${status}`, (words: string) => json({ type: "error", error: { message: words, type: words, param: words, code: words, status: words, details: [{ reason: words, "@type": words }] }, detail: words }, status, { "x-echo": words, "www-authenticate": words })] as const),
  ["context too long", (words) => json({ error: { message: `maximum context length exceeded ${words}`, type: "invalid_request_error", param: words, code: "context_length_exceeded" } }, 400)],
  ["a page", (words) => raw(`HTTP/1.1 500 ${words}\r\ncontent-type: text/html\r\n\r\n<html>${words}</html>`)],
  ["a text of a 400", (words) => raw(`HTTP/1.1 400 Bad\r\ncontent-type: text/plain\r\n\r\n${words}`)],
  ["an odd type", (words) => raw(`HTTP/1.1 200 OK\r\ncontent-type: ${words.replaceAll(/[^\w-]/g, "-")}\r\ncontent-length: 2\r\n\r\n{}`)],
  ["no JSON", (words) => json(`{"a": ${words}`)],
  ["an error in a 200", (words) => json({ error: { message: words, code: words } })],
  ["an encoding of tomorrow", (words) => raw(`HTTP/1.1 200 OK\r\ncontent-type: application/json\r\ncontent-encoding: ${words.replaceAll(/[^\w-]/g, "-")}\r\ncontent-length: 2\r\n\r\n{}`)],
  ["bad HTTP", (words) => raw(`${words}\r\n\r\n`)],
  ["an error before content", (words) => sse(`event: error\ndata: ${JSON.stringify({ type: "error", error: { type: words, message: words, code: words, param: words } })}\n\n`)],
  ["no JSON in a stream", (words) => sse(`data: {"x": ${words}\n\n`)],
];
const MID_STREAM: Readonly<Record<string, (words: string) => string>> = {
  oai: (words) => `data: ${JSON.stringify({ id: "a", object: "chat.completion.chunk", created: 1, model: "m", choices: [{ index: 0, delta: { content: "half" }, finish_reason: null }] })}\n\ndata: ${JSON.stringify({ error: { message: words, type: words, param: words, code: words } })}\n\n`,
  ant: (words) => [{ type: "message_start", message: { id: "a", model: "m", usage: { input_tokens: 1, output_tokens: 1 } } }, { type: "content_block_start", index: 0, content_block: { type: "text", text: "half" } }, { type: "error", error: { type: words, message: words } }].map((data) => `event: ${data.type}\ndata: ${JSON.stringify(data)}\n\n`).join(""),
  gem: (words) => `data: ${JSON.stringify({ candidates: [{ index: 0, content: { parts: [{ text: "half" }] } }] })}\n\ndata: ${JSON.stringify({ error: { code: 500, message: words, status: words } })}\n\n`,
};

test("every kind of error is provoked, by providers that repeat what they were sent", async () => {
  const sent = Object.keys(KINDS).flatMap((kind) =>
    SHAPES.map(async ([what, answering], i) => {
      const echo = ECHOES[(i + kind.length) % ECHOES.length] as (credential: string) => string;
      scripts.set(`${kind}${i}`, (call, socket) => answering(echo(credentialOf(call)))(call, socket));
      const answer = await send(ask(`${kind}${i}`, what.includes("stream") || what.includes("before content")), `${kind}: ${what}`);
      assert.ok(answer === undefined || answer.status >= 400 || answer.body.includes(`"error"`), `${kind}: ${what}`);
    }),
  );
  await Promise.all(sent);
  const called = new Set(upstream.calls.map((call) => call.target.split("/")[1]));
  assert.equal(called.size, sent.length, "every provider was called");
});

test("streams break after their first content, with the credential in the error", async () => {
  for (const [kind, stream] of Object.entries(MID_STREAM)) {
    for (const [i, echo] of ECHOES.entries()) {
      scripts.set(`${kind}${SHAPES.length + i}`, (call, socket) => sse(stream(echo(credentialOf(call))))(call, socket));
      const answer = await send(ask(`${kind}${SHAPES.length + i}`, true), `${kind}: error after content`);
      assert.match(answer?.body.toString() ?? "", /half[\s\S]*"error"/);
    }
  }
});

test("callers make every mistake with their keys", async () => {
  const { caller, secondCaller, wrongCaller } = CANARIES;
  const body = `{"model":"oai/m","messages":[{"role":"user","content":"hi"}]}`;
  const headers: readonly (readonly string[])[] = [
    [`authorization: Bearer ${wrongCaller}`], [`x-api-key: ${wrongCaller}`], [`authorization: Basic ${wrongCaller}`], [`authorization: ${caller}`], [`authorization: Bearer ${caller}`, `x-api-key: ${wrongCaller}`], [`authorization: Bearer ${caller}`, `authorization: Bearer ${secondCaller}`], [`api-key: ${secondCaller}`], [`x-goog-api-key: ${caller}`], [`cookie: key=${caller}`],
  ];
  for (const more of headers) await send(post("/v1/chat/completions", body, [...more, "connection: close"]), `caller: ${more.map((line) => line.split(":")[0]).join(", ")}`);
  for (const target of [`/v1/chat/completions?key=${caller}`, `/v1/chat/completions?key=${wrongCaller}`, `/v1/nowhere?key=${wrongCaller}`, `/v1/nowhere?key=${caller}&api_key=${wrongCaller}`, `/v1/models?key=${secondCaller}`, `/v1/models/nothing?key=${caller}`]) {
    await send(post(target, body, ["connection: close"]), `query: ${target.split("?")[0]}`);
  }
  for (const broken of ["{", "[]", `{"model":7}`, `{"model":"nothing"}`]) await send(post("/v1/chat/completions", broken, [`authorization: Bearer ${caller}`, "connection: close"]), "broken body");
  await send(Buffer.from(`GET /v1/models HTTP/1.1\r\nhost: a\r\nauthorization: Bearer ${caller}\r\nbad header\r\n\r\n`), "broken HTTP");
  await send(Buffer.from(`GET /v1/models HTTP/1.1\r\nhost: a\r\nauthorization: Bearer ${caller}${"x".repeat(40_000)}\r\n\r\n`), "giant header");
});

test("a proxy that refuses, with its credentials in its words", async () => {
  // Through a proxy the target is a whole address.
  scripts.set("", (call, socket) => raw(`HTTP/1.1 407 ${call.header("proxy-authorization")}\r\nx-echo: ${call.header("proxy-authorization")}\r\ncontent-type: application/json\r\n\r\n{"error":{"message":"${call.header("proxy-authorization")} ${CANARIES.proxyPassword}"}}`)(call, socket));
  await send(ask("proxied", false), "proxied");
  assert.ok(upstream.calls.at(-1)?.header("proxy-authorization") !== undefined, "the proxy was asked with its credentials");
});

test("configurations that are wrong beside their secrets are refused without telling them", async () => {
  const wrong = {
    list: `version: 1\nproviders:\n  openai: { api_key: ["${CANARIES.plain}"] }\n`,
    unknown: `version: 1\nproviders:\n  openai: { api_key: ${CANARIES.plain}, apikey: ${CANARIES.openai}, ${CANARIES.anthropic}: 1 }\n`,
    url: `version: 1\nproviders:\n  openai: { api_key: x, base_url: "https://user:${CANARIES.plain}@host.example/v1?key=${CANARIES.gemini}" }\n`,
    spaces: `version: 1\nproviders:\n  openai: { api_key: "${CANARIES.plain} ${CANARIES.plain}" }\n`,
    outside: `version: 1\nkeys: [{ name: a, key: "\${OAI_KEY}" }, { name: a, key: "\${OAI_KEY}" }]\nproviders:\n  openai: { api_key: "\${OAI_KEY}", region: ["\${OAI_KEY}"] }\n`,
    syntax: `version: 1\nproviders:\n  openai: { api_key: "${CANARIES.plain}\n`,
    sha: `version: 1\nkeys: [{ name: a, sha256: ${CANARIES.caller} }]\nproviders:\n  openai: { api_key: ${CANARIES.plain} }\n`,
    proxy: `version: 1\nproviders:\n  openai: { api_key: x, proxy: "socks5://${CANARIES.proxyUser}:${CANARIES.proxyPassword}@host.example" }\n`,
  };
  for (const [what, text] of Object.entries(wrong)) {
    const file = join(folder, `${what}.yaml`);
    writeFileSync(file, text);
    const lines: string[] = [];
    const said = { write: (line: string) => lines.push(line) };
    assert.notEqual(runCheck(["--config", file], { out: said, errors: said, env: ENV, cwd: folder, providers: PROVIDERS, catalogue: loadCatalogue() }), 0, what);
    // An unknown key is told as it is written: that it is a secret cannot be known. But for that nothing is told.
    seen.push([`check of ${what}`, what === "unknown" ? lines.join("").replaceAll(CANARIES.anthropic, "") : lines.join("")]);
  }
});

test("everything that can be asked is asked", async () => {
  const metrics = /admin (\S+)\/metrics/.exec(gateway.output())?.[1] ?? "";
  for (const path of ["/metrics", "/readyz", "/nothing"]) seen.push([path, await (await fetch(metrics + path)).text()]);
  const file = join(folder, "good.yaml");
  writeFileSync(file, config);
  const data = ["--data-dir", join(folder, "data")];
  const commands = [["requests", "--json", ...data], ["requests", ...data], ["providers", ...data], ["providers", "--json", ...data], ["check", "--config", file], ["explain-name", "oai/m", "--config", file]];
  await Promise.all(
    commands.map(async (args) => {
      // A process each, all at once: on a busy machine that takes its time.
      const result = await runCommand(args, { env: ENV, limitMs: 60_000 });
      assert.ok((result.out + result.errors).length > 0, args.join(" "));
      seen.push([`spillway ${args.slice(0, 2).join(" ")}`, result.out + result.errors]);
    }),
  );
  const listed = seen.find(([where]) => where === "spillway requests --json")?.[1] ?? "";
  assert.ok(listed.split("\n").length > 60, "the requests are on record");
});

test("no piece of any secret is in any answer, log, listing, metric or file", async () => {
  await gateway.kill9();
  seen.push(["log", gateway.output()]);
  assert.match(gateway.output(), /attempt_failed/);
  assert.match(gateway.output(), /"event":"request"/);
  for (const name of readdirSync(join(folder, "data"))) {
    const file = join(folder, "data", name);
    if (statSync(file).isFile()) seen.push([name, readFileSync(file).toString("latin1")]);
  }
  assert.ok(seen.some(([where]) => where === "ledger.db"));
  const found = new Set<string>();
  for (const [name, secret] of Object.entries(CANARIES)) {
    // "AIza" and "sk-" say who gave the key, not what it is.
    const body = secret.replace(/^(?:sk-|AIza)/, "");
    for (let from = 0; from + PIECE <= body.length; from++) {
      const piece = body.slice(from, from + PIECE);
      for (const [where, text] of seen) if (text.includes(piece)) found.add(`${name} in ${where}`);
    }
  }
  assert.deepEqual([...found], []);
});
