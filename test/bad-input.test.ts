/** Bad input of every kind gets a clear error that says what to do, and nothing is lost by it. */
import assert from "node:assert/strict";
import { spawn } from "node:child_process";
import { chmodSync, existsSync, mkdirSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { createServer, type AddressInfo } from "node:net";
import { tmpdir } from "node:os";
import { dirname, join } from "node:path";
import { after, before, describe, test } from "node:test";
import { gzipSync } from "node:zlib";
import { runStart } from "../src/cli/start.ts";
import { loadCatalogue } from "../src/providers/catalog/index.ts";
import { PROVIDERS } from "../src/providers/registry.ts";
import { openReadOnly } from "../src/storage/data-dir.ts";
import { runCommand, type CommandResult } from "./support/command.ts";
import { childGateway, testGateway, type TestGateway } from "./support/gateway.ts";
import { rawExchange, rawPost, type RawAnswer } from "./support/raw-client.ts";
import { chat, recordingUpstream, type RecordingUpstream } from "./support/recording-upstream.ts";

const MIB = 1 << 20;
const KEY = "authorization: Bearer caller-key-0123456789";

describe("in a request", () => {
  let upstream: RecordingUpstream;
  let gateway: TestGateway;
  before(async () => {
    upstream = await recordingUpstream(chat);
    const account = (name: string, type: string, models: string): string => `  ${name}: { type: ${type}, base_url: "${upstream.origin}/v1", api_key: k-0123456789abcdef, unmetered: true, models: {${models}} }`;
    gateway = await testGateway(`
version: 1
keys: [{ name: app, key: caller-key-0123456789 }]
fallbacks: off
providers:
${account("near", "openai-compatible", " small: { context: 100 }, support-large: {} ")}
${account("ant", "anthropic", " claude-x: {} ")}
${account("gem", "google", " gem-x: {} ")}
${account("gro", "groq", " g-x: {} ")}
  far: { type: openai-compatible, base_url: "https://far.example/v1", api_key: k-0123456789abcdef }
routes:
  support: { candidates: [near/support-large] }
  mixed: { candidates: [ant/claude-x, near/support-large] }
aliases: { helpdesk: support }
`);
  });
  after(async () => {
    await gateway.close();
    await upstream.close();
  });

  type Told = { message: string; param: string | null; code: string; type: string };
  const told = (answer: RawAnswer): Told => (JSON.parse(answer.body.toString()) as { error: Told }).error;
  const send = (body: string | Uint8Array | object, path = "/v1/chat/completions", headers: readonly string[] = [KEY]): Promise<RawAnswer> =>
    rawPost(gateway.port, path, typeof body === "string" || body instanceof Uint8Array ? body : JSON.stringify(body), headers);
  const hi = [{ role: "user", content: "hi" }];

  /** What, body, status, code, the field at fault, what the message must say. */
  const CASES: readonly (readonly [what: string, body: string | object, status: number, code: string, param: string | null, says: RegExp])[] = [
    ["an empty body", "", 400, "invalid_json", null, /empty.*JSON object/],
    ["JSON that breaks off", `{"model":"support","messages":[`, 400, "invalid_json", null, /not valid JSON.*(?:position|end)/i],
    ["a comma too many", `{"model":"support",}`, 400, "invalid_json", null, /not valid JSON.*position 19/],
    ["single quotes", `{'model':'support'}`, 400, "invalid_json", null, /not valid JSON/],
    ["text that is no UTF-8", "\xff\xfe{", 400, "invalid_json", null, /JSON|UTF-8/],
    ["a list", "[]", 400, "invalid_body", null, /must be a JSON object/],
    ["a word", `"support"`, 400, "invalid_body", null, /must be a JSON object/],
    ["nothing", "null", 400, "invalid_body", null, /must be a JSON object/],
    ["no model", { messages: hi }, 400, "missing_field", "model", /model.*name of a model/],
    ["a model that is a number", { model: 7, messages: hi }, 400, "invalid_type", "model", /model must be a string.*number/],
    ["no messages", { model: "support" }, 400, "missing_field", "messages", /messages.*list of messages/],
    ["messages that are text", { model: "support", messages: "hi" }, 400, "invalid_type", "messages", /messages must be a list.*string/],
    ["no message", { model: "support", messages: [] }, 400, "invalid_body", "messages", /at least one/],
    ["a message that is text", { model: "support", messages: ["hi"] }, 400, "invalid_type", "messages[0]", /messages\[0\] must be an object/],
    ["a role of one's own", { model: "support", messages: [{ role: "boss", content: "hi" }] }, 400, "invalid_body", "messages[0].role", /system, developer, user, assistant or tool, not "boss"/],
    ["no content", { model: "support", messages: [{ role: "user" }] }, 400, "missing_field", "messages[0].content", /text or a list of parts/],
    ["content that is a number", { model: "support", messages: [{ role: "user", content: 7 }] }, 400, "invalid_type", "messages[0].content", /a string or a list of parts/],
    ["a part without its text", { model: "support", messages: [{ role: "user", content: [{ type: "text" }] }] }, 400, "missing_field", "messages[0].content[0].text", /text/],
    ["an image without an address", { model: "support", messages: [{ role: "user", content: [{ type: "image_url", image_url: {} }] }] }, 400, "missing_field", "messages[0].content[0].image_url.url", /address or a data URI/],
    ["an image of broken data", { model: "support", messages: [{ role: "user", content: [{ type: "image_url", image_url: { url: "data:image/png,xyz" } }] }] }, 400, "invalid_body", "messages[0].content[0].image_url.url", /data:<type>;base64/],
    ["a tool's result for no call", { model: "support", messages: [{ role: "tool", content: "x" }] }, 400, "missing_field", "messages[0].tool_call_id", /id of the tool call/],
    ["a tool without a name", { model: "support", messages: hi, tools: [{ type: "function", function: {} }] }, 400, "missing_field", "tools[0].function.name", /name/],
    ["a temperature that is text", { model: "support", messages: hi, temperature: "hot" }, 400, "invalid_type", "temperature", /temperature must be a number.*string/],
    ["a limit of nothing", { model: "support", messages: hi, max_tokens: 0 }, 400, "invalid_body", "max_tokens", /max_tokens must be at least 1/],
    ["half an answer", { model: "support", messages: hi, n: 1.5 }, 400, "invalid_type", "n", /n must be/],
    ["a stream that is text", { model: "support", messages: hi, stream: "yes" }, 400, "invalid_type", "stream", /stream must be (?:true or false|a boolean)/],
    ["stop words that are numbers", { model: "support", messages: hi, stop: [1] }, 400, "invalid_type", "stop[0]", /a string/],
    ["a key twice", `{"model":"support","model":"mixed","messages":[]}`, 400, "duplicate_field", "model", /occurs twice.*send it once/],
    ["a key twice, once with escapes", `{"model":"support","m\\u006fdel":"mixed","messages":[]}`, 400, "duplicate_field", "model", /occurs twice/],
    ["a key twice, deep inside", `{"model":"support","messages":[{"role":"user","content":"a","content":"b"}]}`, 400, "duplicate_field", "content", /occurs twice/],
    ["a model with a slip of the finger", { model: "suport", messages: hi }, 404, "unknown_model", "model", /suport.*support/],
    ["an alias with a slip of the finger", { model: "helpdeks", messages: hi }, 404, "unknown_model", "model", /helpdesk/],
    ["a provider that is not configured", { model: "openai/gpt-4o", messages: hi }, 400, "provider_not_configured", "model", /OPENAI_API_KEY/],
    ["an account with a slip of the finger", { model: "naer/small", messages: hi }, 404, "unknown_model", "model", /near/],
    ["a model whose price is unknown", { model: "far/anything", messages: hi }, 400, "price_unknown", "model", /price: \{ input:/],
    ["more words than the model reads", { model: "near/small", messages: [{ role: "user", content: "long ".repeat(1_000) }] }, 400, "context_length_exceeded", null, /near\/small/],
    ["a parameter that the provider lacks", { model: "ant/claude-x", messages: hi, n: 2 }, 400, "unsupported_parameter", "n", /one choice/],
    ["a parameter that the provider ignores", { model: "ant/claude-x", messages: hi, logprobs: true }, 400, "unsupported_parameter", "logprobs", /logprobs/],
    ["a parameter that the host refuses", { model: "gro/g-x", messages: hi, logit_bias: { 1: 1 } }, 400, "unsupported_parameter", "logit_bias", /gro\/g-x: the model takes no logit_bias/],
    ["a tool that only another provider has", { model: "gem/gem-x", messages: hi, tools: [{ type: "web_search" }] }, 400, "unsupported_parameter", "tools[0].type", /web_search/],
  ];
  for (const [what, body, status, code, param, says] of CASES) {
    test(`${what} is refused, and says ${code}`, async () => {
      const calls = upstream.calls.length;
      const answer = await send(typeof body === "string" ? Buffer.from(body, "latin1") : body);
      const error = told(answer);
      assert.deepEqual([answer.status, error.code, error.param], [status, code, param], error.message);
      assert.match(error.message, says);
      assert.equal(answer.headers["x-should-retry"], "false");
      assert.equal(upstream.calls.length, calls, "nothing went upstream");
    });
  }

  test("what one candidate cannot carry, another of the route does", async () => {
    const answer = await send({ model: "mixed", messages: hi, n: 2 });
    assert.deepEqual([answer.status, answer.headers["x-spillway-deployment"]], [200, "near/support-large"]);
  });

  test("embeddings are looked at as closely", async () => {
    for (const [body, code, param] of [[{ model: "near/small" }, "missing_field", "input"], [{ model: "near/small", input: [] }, "invalid_body", "input"], [{ model: "near/small", input: 7 }, "invalid_type", "input"], [{ model: "near/small", input: ["a", 7] }, "invalid_type", "input[1]"], [{ input: "a" }, "missing_field", "model"], [{ model: "ant/claude-x", input: "a" }, "unsupported_parameter", "model"]] as const) {
      const answer = await send(body, "/v1/embeddings");
      assert.deepEqual([answer.status, told(answer).code, told(answer).param], [400, code, param], answer.body.toString());
    }
  });

  test("a missing key is told with the header to send", async () => {
    const answer = await send({ model: "support", messages: hi }, "/v1/chat/completions", []);
    assert.deepEqual([answer.status, told(answer).code, told(answer).type], [401, "missing_key", "authentication_error"]);
    assert.match(told(answer).message, /Authorization: Bearer <key>/);
  });

  test("33 MiB are too much: announced, in chunks, and packed", async () => {
    const large = `{"model":"support","messages":[{"role":"user","content":"${"x".repeat(33 * MIB)}"}]}`;
    const calls = upstream.calls.length;
    const head = `POST /v1/chat/completions HTTP/1.1\r\nhost: x\r\n${KEY}\r\ncontent-type: application/json\r\nconnection: close\r\n`;
    const announced = (await rawExchange(gateway.port, `${head}content-length: ${large.length}\r\n\r\n${large.slice(0, 1_000)}`, { answers: 1 })).answers[0];
    const packed = await send(gzipSync(large), "/v1/chat/completions", [KEY, "content-encoding: gzip"]);
    const response = await fetch(`${gateway.baseUrl}/chat/completions`, { method: "POST", headers: { authorization: KEY.slice(15), "content-type": "application/json" }, body: new Blob([large]).stream(), duplex: "half" } as RequestInit);
    const chunked = { status: response.status, body: Buffer.from(await response.text()), headers: {} };
    for (const answer of [announced, packed, chunked]) {
      assert.ok(answer !== undefined);
      assert.deepEqual([answer.status, told(answer).code], [413, "body_too_large"]);
      assert.match(told(answer).message, /32 MiB/);
    }
    assert.equal(upstream.calls.length, calls);
  });

  test("31 MiB are not", async () => {
    assert.equal((await send({ model: "support", messages: [{ role: "user", content: "x".repeat(31 * MIB) }] })).status, 200);
    assert.equal(upstream.calls.at(-1)?.body.length, 31 * MIB + JSON.stringify({ model: "support-large", messages: [{ role: "user", content: "" }] }).length, "and arrive whole");
  });
});

// At the start

const folder = mkdtempSync(join(tmpdir(), "spillway-bad-"));
after(() => rmSync(folder, { recursive: true, force: true }));
const CONFIG = `version: 1\nproviders:\n  near: { type: openai-compatible, base_url: "http://127.0.0.1:9/v1", api_key: none }\n`;
let configs = 0;
function start(config: string, args: readonly string[], env: Record<string, string> = {}): Promise<CommandResult> {
  const file = join(folder, `config-${configs++}.yaml`);
  writeFileSync(file, config);
  return runCommand(["start", "--config", file, "--port", "0", "--admin-port", "0", "--log", "off", ...args], { env, cwd: folder, limitMs: 15_000 });
}
const oneLine = (text: string): string => text.replaceAll("\n", " ");

describe("at the start", { concurrency: 2 }, () => {
  test("a typo in the configuration ends it with file, line, key and the nearest word, all errors at once", async () => {
    const { code, errors, out } = await start(`version: 1\nprovidres:\n  openai: { api_key: x }\nroutes:\n  support:\n    candidats: [near/m]\n    deadline: 600\nhealth: { rest: fast }\n`, ["--data-dir", join(folder, "typo")]);
    assert.equal(code, 1, out);
    assert.match(errors, /config-\d+\.yaml:2:1: providres: .*did you mean providers\?/s);
    assert.match(errors, /:6:\d+: .*candidats.*did you mean candidates\?/s);
    assert.match(errors, /:7:\d+: .*deadline.*30s/s);
    assert.match(errors, /:8:\d+: .*rest.*a duration such as/s);
    assert.match(errors, /not started: \d errors/);
    assert.equal(existsSync(join(folder, "typo")), false, "nothing was made before the configuration was right");
  });

  test("a variable that is not set is named", async () => {
    const { code, errors } = await start(`version: 1\nproviders:\n  openai: { api_key: "\${NO_SUCH_KEY}" }\n`, ["--data-dir", join(folder, "variable")]);
    assert.equal(code, 1);
    assert.match(errors, /NO_SUCH_KEY/);
  });

  test("a configuration file that is not there is named", async () => {
    const { code, errors } = await runCommand(["start", "--config", join(folder, "none.yaml"), "--data-dir", join(folder, "none")], { cwd: folder });
    assert.equal(code, 1);
    assert.match(errors, /none\.yaml/);
  });

  test("a flag with a typo, and a value that is none, show the flags", async () => {
    for (const [args, says] of [[["--prot", "1"], /--prot/], [["--port", "eighty"], /--port must be a number/], [["--drain", "long"], /--drain must be a duration/], [["--tls-cert", "x"], /belong together/]] as const) {
      const lines: string[] = [];
      const said = { write: (line: string) => lines.push(line) };
      assert.equal(await runStart(args, { out: said, errors: said, env: {}, cwd: folder, providers: PROVIDERS, catalogue: loadCatalogue() }), 2, lines.join(""));
      assert.match(lines.join(""), says);
    }
    const unknown = await runCommand(["strat"], { cwd: folder });
    assert.equal(unknown.code, 2);
    assert.match(unknown.errors, /no command "strat"; did you mean start[ ?][\s\S]*spillway start/);
  });

  test("a port in use is named, with the flag that chooses another", async () => {
    const server = createServer();
    await new Promise<void>((resolve) => server.listen(0, "127.0.0.1", resolve));
    const { port } = server.address() as AddressInfo;
    try {
      const [main, admin] = await Promise.all([start(CONFIG, ["--data-dir", join(folder, "port"), "--port", String(port)]), start(CONFIG, ["--data-dir", join(folder, "admin"), "--admin-port", String(port)])]);
      assert.deepEqual([main.code, admin.code], [1, 1], main.errors + admin.errors);
      assert.match(oneLine(main.errors), new RegExp(`port ${port} .*in use.*--port`));
      assert.match(oneLine(admin.errors), new RegExp(`admin port ${port} is in use.*--admin-port`));
    } finally {
      server.close();
    }
  });

  test("an address without a caller key is an error that says what to set", async () => {
    const { code, errors } = await start(CONFIG, ["--host", "0.0.0.0", "--data-dir", join(folder, "host")]);
    assert.equal(code, 1);
    assert.match(oneLine(errors), /0\.0\.0\.0.*SPILLWAY_API_KEY.*keys:/);
  });

  test("a data folder that is a file, lies in a file, holds other things or belongs to a newer version is left as it is", async () => {
    const file = join(folder, "a-file");
    writeFileSync(file, "mine");
    const foreign = join(folder, "foreign");
    mkdirSync(foreign);
    writeFileSync(join(foreign, "thesis.txt"), "years of work");
    const readOnly = join(folder, "read-only");
    mkdirSync(readOnly);
    chmodSync(readOnly, 0o555);
    const isRoot = process.geteuid?.() === 0;
    const cases = [[file, /folder|made/], [join(file, "inside"), /made/], [foreign, /not empty and is no Spillway data folder.*thesis\.txt.*Nothing was written/], ...(isRoot ? [] : [[readOnly, /cannot be written/] as const])] as const;
    for (const [dataDir, says] of cases) {
      const { code, errors } = await start(CONFIG, ["--data-dir", dataDir]);
      assert.equal(code, 1, errors);
      assert.match(oneLine(errors), says);
      assert.match(errors, /--data-dir/);
      assert.match(errors, /^spillway: /, "a sentence, not a stack");
    }
    assert.equal(readFileSync(file, "utf8"), "mine");
    assert.equal(readFileSync(join(foreign, "thesis.txt"), "utf8"), "years of work");
    assert.equal(existsSync(join(foreign, "ledger.db")), false);
  });

  test("a second gateway on the same folder is refused with the first one's process, which goes on serving", async () => {
    const upstream = await recordingUpstream(chat);
    const dataDir = join(folder, "shared");
    const config = CONFIG.replace("http://127.0.0.1:9", upstream.origin);
    const first = await childGateway(config, { dataDir });
    try {
      const body = `{"model":"near/m","messages":[{"role":"user","content":"hi"}]}`;
      assert.equal((await rawPost(Number(new URL(first.url).port), "/v1/chat/completions", body)).status, 200);
      const second = await start(config, ["--data-dir", dataDir]);
      assert.equal(second.code, 1);
      assert.match(oneLine(second.errors), new RegExp(`another gateway \\(pid ${first.child.pid}\\) uses the data folder.*--data-dir`));
      assert.equal((await rawPost(Number(new URL(first.url).port), "/v1/chat/completions", body)).status, 200);
    } finally {
      await first.kill9();
      await upstream.close();
    }
    const reader = openReadOnly(dataDir);
    assert.equal(reader.unrecorded().length + [...reader.requests({ limit: 10 })].length, 2, "both calls are on record");
    reader.close();
  });

  test("commands without a gateway, and on a folder without a ledger, say so", async () => {
    const [requests, providers] = await Promise.all([runCommand(["requests", "--data-dir", join(folder, "nowhere")]), runCommand(["providers", "--data-dir", join(folder, "nowhere")])]);
    assert.deepEqual([requests.code, providers.code], [1, 1]);
    assert.match(requests.errors, /no ledger.*--data-dir/s);
    assert.match(providers.errors, /Is it running/);
  });

  const BIN = new URL("../bin/spillway.mjs", import.meta.url).pathname;
  function runBin(node: string, args: readonly string[]): Promise<CommandResult> {
    return new Promise((resolve) => {
      const child = spawn(node, args, { env: { PATH: "/usr/bin:/bin" }, stdio: ["ignore", "pipe", "pipe"] });
      let [out, errors] = ["", ""];
      child.stdout.on("data", (chunk: Buffer) => (out += chunk.toString()));
      child.stderr.on("data", (chunk: Buffer) => (errors += chunk.toString()));
      child.once("close", (code) => resolve({ code, out, errors }));
    });
  }
  /** Runs the command as if this Node.js were an old one. */
  const asOld = (script: string): Promise<CommandResult> => runBin(process.execPath, ["--input-type=module", "-e", `Object.defineProperty(process.versions, "node", { value: "20.11.0" }); process.argv = [process.argv[0], ${JSON.stringify(script)}, "--version"]; await import(${JSON.stringify(script)});`]);

  test("an old Node.js hands over to the one that the package brings", async () => {
    const { code, out, errors } = await asOld(BIN);
    assert.deepEqual([code, out.trim()], [0, (JSON.parse(readFileSync(new URL("../package.json", import.meta.url), "utf8")) as { version: string }).version], errors);
  });

  test("an old Node.js that is alone says what is needed", async () => {
    const alone = join(folder, "alone");
    mkdirSync(join(alone, "bin"), { recursive: true });
    mkdirSync(join(alone, "dist/cli"), { recursive: true });
    writeFileSync(join(alone, "dist/cli/main.js"), "");
    writeFileSync(join(alone, "package.json"), `{"type":"module"}`);
    writeFileSync(join(alone, "bin/spillway.mjs"), readFileSync(BIN));
    const { code, errors } = await asOld(join(alone, "bin/spillway.mjs"));
    assert.equal(code, 1, errors);
    assert.match(errors, /needs Node\.js 24\.\d+ or newer; this is 20\.11\.0/);
    assert.match(errors, /install Node\.js 24/);
  });

  test("a clone runs its sources, not what was built of them before", async () => {
    const clone = join(folder, "clone");
    for (const [path, text] of [["dist/cli/main.js", `process.stdout.write("built");`], ["src/cli/main.ts", `process.stdout.write("source" as string);`], ["package.json", `{"type":"module"}`], ["bin/spillway.mjs", readFileSync(BIN, "utf8")]] as const) {
      mkdirSync(dirname(join(clone, path)), { recursive: true });
      writeFileSync(join(clone, path), text);
    }
    assert.equal((await runBin(process.execPath, [join(clone, "bin/spillway.mjs")])).out, "source");
    rmSync(join(clone, "src"), { recursive: true });
    assert.equal((await runBin(process.execPath, [join(clone, "bin/spillway.mjs")])).out, "built");
  });
});
