/**
 * What is asked and what is answered stays off the disk unless somebody asks for it to be kept: a prompt and an answer, each a
 * canary, go through every surface, streamed and whole, with budgets, alerts, repeats by Idempotency-Key, kept and background
 * responses, batches and files, refusals that repeat the prompt, and streams that break. No piece of either may be in the data
 * folder, with its write-ahead logs, while the gateway runs and when it has stopped, nor in a log.
 */
import assert from "node:assert/strict";
import { randomBytes } from "node:crypto";
import { mkdtempSync, readdirSync, readFileSync, rmSync, statSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { after, before, test } from "node:test";
import type { Log } from "../../src/ports.ts";
import { CALLS } from "../money/calls.ts";
import { testGateway, type TestGateway } from "../support/gateway.ts";
import { json, raw, recordingUpstream, sse, type Answering, type RecordingUpstream } from "../support/recording-upstream.ts";

const PIECE = 8;
const random = (): string => randomBytes(60).toString("base64").replaceAll(/[^A-Za-z0-9]/g, "").slice(0, 40);
const PROMPT = random();
const ANSWER = random();
const KEY = "caller-key-of-prompts";

const logged: string[] = [];
const keep = (event: string, fields?: Readonly<Record<string, unknown>>): void => void logged.push(JSON.stringify([event, fields]));
const LOG: Log = { info: keep, warn: keep, error: keep };

let folder: string;
let upstream: RecordingUpstream;
let gateway: TestGateway;

const usage = { prompt_tokens: 900, completion_tokens: 300, total_tokens: 1_200 };
const completion = { id: "chatcmpl-1", object: "chat.completion", created: 1, model: "m", choices: [{ index: 0, message: { role: "assistant", content: ANSWER, reasoning_content: ANSWER, tool_calls: [{ id: "call_1", type: "function", function: { name: "find", arguments: JSON.stringify({ words: ANSWER }) } }] }, finish_reason: "tool_calls" }], usage };
const chunk = (delta: object, more: object = {}): string => `data: ${JSON.stringify({ id: "chatcmpl-1", object: "chat.completion.chunk", created: 1, model: "m", choices: [{ index: 0, delta, finish_reason: null }], ...more })}\n\n`;
const message = { id: "msg_1", type: "message", role: "assistant", model: "m", content: [{ type: "thinking", thinking: ANSWER, signature: ANSWER.repeat(4) }, { type: "tool_use", id: "toolu_1", name: "find", input: { words: ANSWER } }], stop_reason: "tool_use", stop_sequence: null, usage: { input_tokens: 900, output_tokens: 300 } };
const batch = { id: "batch_1", object: "batch", endpoint: "/v1/chat/completions", input_file_id: "file-1", completion_window: "24h", created_at: 1, status: "completed", output_file_id: "file-2", metadata: { words: ANSWER }, request_counts: { total: 1, completed: 1, failed: 0 } };
const line = { custom_id: ANSWER, response: { status_code: 200, body: completion }, error: null };

/** Every answer holds the canary; failing accounts repeat the prompt too, as real ones do. */
const answer: Answering = (call, socket) => {
  const [, account = "", ...rest] = call.target.split("/");
  const path = rest.join("/");
  const body = call.body.toString();
  const words = `${ANSWER} ${body.slice(0, 2_000)}`;
  if (account === "bad" || account === "busy") return json({ error: { message: words, type: "invalid_request_error", code: ANSWER, param: PROMPT } }, account === "bad" ? 400 : 500)(call, socket);
  if (account === "page") return raw(`HTTP/1.1 502 ${ANSWER}\r\ncontent-type: text/html\r\nx-words: ${ANSWER}\r\n\r\n<html>${words}</html>`)(call, socket);
  if (account === "cut") return sse(`${chunk({ content: ANSWER })}data: {"error":{"message":${JSON.stringify(words)}}}\n\n`)(call, socket);
  if (account === "ant") return json(path.endsWith("count_tokens") ? { input_tokens: 9 } : path.includes("batches") ? { id: "msgbatch_1", type: "message_batch", processing_status: "in_progress", request_counts: { processing: 1, succeeded: 0, errored: 0, canceled: 0, expired: 0 }, ended_at: null, created_at: "2026-11-23T00:00:00Z", expires_at: "2026-11-24T00:00:00Z", archived_at: null, cancel_initiated_at: null, results_url: null } : message)(call, socket);
  if (path.startsWith("files/file-2/content")) return raw(`HTTP/1.1 200 OK\r\ncontent-type: application/jsonl\r\n\r\n${JSON.stringify(line)}\n`)(call, socket);
  if (path.startsWith("files")) return json({ id: "file-1", object: "file", bytes: 9, created_at: 1, filename: ANSWER, purpose: "batch" })(call, socket);
  if (path.startsWith("batches")) return json(batch)(call, socket);
  if (path.startsWith("embeddings")) return json({ object: "list", data: [{ object: "embedding", index: 0, embedding: [0.5] }], model: "m", usage: { prompt_tokens: 9, total_tokens: 9 } })(call, socket);
  if (/"stream":\s*true/.test(body)) return sse(`${chunk({ role: "assistant", content: ANSWER })}${chunk({ reasoning_content: ANSWER })}${chunk({}, { choices: [{ index: 0, delta: {}, finish_reason: "stop" }], usage })}data: [DONE]\n\n`)(call, socket);
  json(path.startsWith("chat") ? completion : { id: "x", words: ANSWER, results: [], data: [{ b64_json: ANSWER }], text: ANSWER, usage })(call, socket);
};

before(async () => {
  folder = mkdtempSync(join(tmpdir(), "spillway-prompts-"));
  upstream = await recordingUpstream(answer);
  const priced = "{ m: { price: { input: 1, output: 2 } }, at: { price: { input: 1, output: 2 } } }";
  const account = (name: string, type = "openai-compatible"): string => `  ${name}: { type: ${type}, base_url: "${upstream.origin}/${name}", api_key: upstream-key, models: ${priced} }`;
  gateway = await testGateway(`
version: 1
unpriced: serve
fallbacks: "off"
files: shared
keys: [{ name: app, key: ${KEY} }, { name: batcher, key: ${KEY}-of-batches }]
providers:
${["fine", "bad", "busy", "page", "cut"].map((name) => account(name)).join("\n")}
${account("ant", "anthropic")}
routes:
  tried: { candidates: [busy/m, page/m, fine/m] }
budgets:
  month: { scope: key/app, period: month, limit_usd: 1000, alerts: [0.1] }
  tiny: { scopes: [key/app, model/m], period: month, limit_usd: 0.000001, kind: soft }
limits: { pace: { scope: key/app, requests_per_minute: 100000, tokens_per_minute: 100000000 } }
notify: [{ name: gone, type: webhook, url: "http://127.0.0.1:1/hook", secret: not-short-at-all }]
`, { dataDir: folder, log: LOG, requestLog: (text) => logged.push(text) });
});
after(async () => {
  await gateway.close();
  await upstream.close();
  rmSync(folder, { recursive: true, force: true });
});

const ask = async (method: string, path: string, body?: unknown, headers: Readonly<Record<string, string>> = {}): Promise<{ readonly status: number; readonly text: string; readonly json: Readonly<Record<string, unknown>> }> => {
  const response = await fetch(gateway.url + path, { method, headers: { authorization: `Bearer ${KEY}`, ...(body instanceof FormData || body === undefined ? {} : { "content-type": "application/json" }), ...headers }, ...(body === undefined ? {} : { body: body instanceof FormData ? body : JSON.stringify(body) }) });
  const text = await response.text();
  return { status: response.status, text, json: text.startsWith("{") ? (JSON.parse(text) as Readonly<Record<string, unknown>>) : {} };
};
const MESSAGES = [{ role: "system", content: PROMPT }, { role: "user", content: [{ type: "text", text: PROMPT }] }];
const TOOLS = [{ type: "function", function: { name: "find", description: PROMPT, parameters: { type: "object", properties: { words: { type: "string", description: PROMPT } } } } }];
/** Where one is that this model answers. */
const served = (text: string): string => text.replaceAll(/at-(?:openai|cohere|gemini)(\/|%2F)[\w-]+/g, "fine$1m").replaceAll(/at-anthropic(\/|%2F)[\w-]+/g, "ant$1m");

test("a prompt and an answer go through everything that is served", async () => {
  let answered = 0;
  for (const model of ["fine/m", "ant/m", "bad/m", "busy/m", "page/m", "cut/m", "tried"]) {
    for (const stream of [false, true]) {
      const { text } = await ask("POST", "/v1/chat/completions", { model, stream, messages: MESSAGES, tools: TOOLS, metadata: { words: PROMPT }, user: PROMPT });
      if (text.includes(ANSWER)) answered++;
    }
  }
  assert.ok(answered >= 6, "answers came through");
  for (const [name, [method, path, body]] of Object.entries(CALLS)) {
    const form = new FormData();
    form.set("model", "fine/m");
    form.set("prompt", PROMPT);
    form.set("purpose", "batch");
    form.set(path.includes("images") ? "image" : "file", new Blob([PROMPT]), `${PROMPT}.png`);
    const sent = body === null ? undefined : body === "form" ? form : (JSON.parse(served(JSON.stringify(body)).replaceAll(/"hi"|"a cat"|"b"/g, JSON.stringify(PROMPT))) as unknown);
    const headers: Record<string, string> = /files|batches/.test(path) ? { "x-spillway-account": path.includes("messages") ? "ant" : "fine" } : {};
    const { status, text } = await ask(method, served(path), sent, headers);
    assert.ok(status < 500 || text.includes("upstream"), `${name}: ${status} ${text.slice(0, 200)}`);
  }
});

test("so they do by what is kept in memory: repeats, responses to go on from, in the background, reasoning beside tools", async () => {
  const keyed = { "idempotency-key": "once" };
  const body = { model: "fine/m", messages: MESSAGES };
  const [first, second] = [await ask("POST", "/v1/chat/completions", body, keyed), await ask("POST", "/v1/chat/completions", body, keyed)];
  assert.deepEqual([first.status, second.status, second.text.includes(ANSWER)], [200, 200, true]);
  assert.equal((await ask("POST", "/v1/chat/completions", { ...body, user: "other" }, keyed)).status, 422);
  const kept = await ask("POST", "/v1/responses", { model: "fine/m", input: PROMPT, instructions: PROMPT, store: true });
  assert.equal(kept.status, 200, kept.text);
  assert.match((await ask("GET", `/v1/responses/${kept.json["id"] as string}`)).text, new RegExp(ANSWER));
  assert.equal((await ask("POST", "/v1/responses", { model: "fine/m", input: [{ type: "function_call_output", call_id: "call_1", output: PROMPT }], previous_response_id: kept.json["id"] })).status, 200);
  const behind = await ask("POST", "/v1/responses", { model: "fine/m", input: PROMPT, background: true });
  for (let told = behind; told.json["status"] !== "completed"; told = await ask("GET", `/v1/responses/${behind.json["id"] as string}`)) assert.ok(["queued", "in_progress"].includes(told.json["status"] as string), told.text);
  const tooled = { model: "ant/m", max_tokens: 2_000, thinking: { type: "enabled", budget_tokens: 1_024 }, tools: [{ name: "find", description: PROMPT, input_schema: { type: "object" } }] };
  assert.equal((await ask("POST", "/v1/messages", { ...tooled, messages: [{ role: "user", content: PROMPT }] })).status, 200);
  assert.equal((await ask("POST", "/v1/chat/completions", { ...body, model: "ant/m", tools: TOOLS, reasoning_effort: "low" })).status, 200);
});

test("so they do by files and a batch that ends", async () => {
  // A batch cannot be bounded beforehand: no hard budget stands over this key.
  const account = { "x-spillway-account": "fine", authorization: `Bearer ${KEY}-of-batches` };
  const form = new FormData();
  form.set("purpose", "batch");
  form.set("file", new Blob([JSON.stringify({ custom_id: PROMPT, method: "POST", url: "/v1/chat/completions", body: { model: "m", messages: MESSAGES } })]), "in.jsonl");
  assert.equal((await ask("POST", "/v1/files", form, account)).status, 200);
  assert.equal((await ask("POST", "/v1/batches", { input_file_id: "file-1", endpoint: "/v1/chat/completions", completion_window: "24h", metadata: { words: PROMPT } }, account)).status, 200);
  assert.equal((await ask("GET", "/v1/batches/batch_1", undefined, account)).status, 200);
  assert.match((await ask("GET", "/v1/files/file-2/content", undefined, account)).text, new RegExp(ANSWER));
});

test("and no piece of either is on disk or in a log, while it runs or afterwards", async () => {
  const requests = await gateway.requests();
  assert.ok(requests.length > 50, String(requests.length));
  // Alerts wait for a channel that nobody answers; they are written within a second.
  for (let told = false; !told; await new Promise((resolve) => setTimeout(resolve, 50))) told = readdirSync(folder).includes("alerts.json") && readFileSync(join(folder, "alerts.json"), "utf8").includes("tiny");
  const scan = (when: string): void => {
    const names = readdirSync(folder, { recursive: true, encoding: "utf8" });
    for (const name of names.filter((one) => statSync(join(folder, one)).isFile())) {
      const bytes = readFileSync(join(folder, name));
      for (const [what, secret] of [["prompt", PROMPT], ["answer", ANSWER]] as const) {
        for (let from = 0; from + PIECE <= secret.length; from++) assert.ok(!bytes.includes(secret.slice(from, from + PIECE)), `${what} in ${name}, ${when}`);
      }
    }
    assert.ok(names.includes("ledger.db") && names.includes("alerts.json") && !names.includes("state.db"), names.join());
  };
  assert.ok(readdirSync(folder).some((name) => name.endsWith("-wal")));
  scan("while it runs");
  await gateway.stop(0);
  scan("when it has stopped");
  const text = logged.join("\n");
  assert.ok(text.includes("attempt_failed") && text.includes('"event":"request"'));
  for (const [what, secret] of [["prompt", PROMPT], ["answer", ANSWER]] as const) {
    for (let from = 0; from + PIECE <= secret.length; from++) assert.equal(logged.find((one) => one.includes(secret.slice(from, from + PIECE))), undefined, `${what} in a log`);
  }
});
