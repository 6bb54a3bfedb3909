/** Nothing on the way may keep or change an answer: every route says so, errors and lists included. */
import assert from "node:assert/strict";
import { after, before, test } from "node:test";
import { testGateway, type TestGateway } from "../support/gateway.ts";
import { post, rawExchange } from "../support/raw-client.ts";
import { chat, json, recordingUpstream, sse, type Answering, type RecordingUpstream } from "../support/recording-upstream.ts";

const KEY = "caller-key-0123456789";
let upstream: RecordingUpstream;
let gateway: TestGateway;
before(async () => {
  upstream = await recordingUpstream(chat);
  gateway = await testGateway(`version: 1\nkeys: [{ name: app, key: ${KEY} }]\ncors: { origins: ["https://app.example"] }\nproviders:\n  near: { type: openai-compatible, base_url: "${upstream.origin}/v1", api_key: none }\n`);
});
after(async () => {
  await gateway.close();
  await upstream.close();
});

const auth = `authorization: Bearer ${KEY}`;
const ask = (body: object, headers: readonly string[] = [auth], path = "/v1/chat/completions"): Buffer => post(path, JSON.stringify({ model: "near/m", messages: [{ role: "user", content: "hi" }], ...body }), [...headers, "connection: close"]);
const get = (path: string, headers: readonly string[] = [auth]): Buffer => Buffer.from(`GET ${path} HTTP/1.1\r\n${["host: x", "connection: close", ...headers].join("\r\n")}\r\n\r\n`);
const cached = { "cache-control": "public, max-age=31536000", etag: '"x"', expires: "Thu, 01 Jan 2099 00:00:00 GMT", "last-modified": "Thu, 01 Jan 2015 00:00:00 GMT", age: "7", vary: "*" };

const ROUTES: readonly (readonly [what: string, bytes: () => Buffer, status: number, upstream?: Answering])[] = [
  ["a chat answer, though the provider's may be kept", () => ask({}), 200, json({ id: "a", object: "chat.completion", created: 1, model: "m", choices: [{ index: 0, finish_reason: "stop", message: { role: "assistant", content: "x" } }] }, 200, cached)],
  ["a stream", () => ask({ stream: true }), 200],
  ["a stream that breaks", () => ask({ stream: true }), 200, sse(`data: {"choices":[{"index":0,"delta":{"content":"x"},"finish_reason":null}]}\n\n`)],
  ["embeddings", () => ask({ input: "a" }, [auth], "/v1/embeddings"), 200, json({ object: "list", model: "m", data: [{ object: "embedding", index: 0, embedding: [1] }], usage: { prompt_tokens: 1, total_tokens: 1 } }, 200, cached)],
  ["the list of models", () => get("/v1/models"), 200],
  ["a model that is none", () => get("/v1/models/none"), 404],
  ["the root", () => get("/", []), 200],
  ["healthz", () => get("/healthz", []), 200],
  ["readyz", () => get("/readyz", []), 200],
  ["no key", () => get("/v1/models", []), 401],
  ["an unknown path", () => get("/v1/nothing-here"), 404],
  ["a wrong method", () => get("/v1/chat/completions"), 405],
  ["a body that is no JSON", () => post("/v1/chat/completions", "{", [auth, "connection: close"]), 400],
  ["a wrong type", () => ask({}, [auth, "content-type: text/plain"]), 415],
  ["a body too large", () => Buffer.from(`POST /v1/chat/completions HTTP/1.1\r\nhost: x\r\n${auth}\r\ncontent-type: application/json\r\ncontent-length: 99999999\r\n\r\n`), 413],
  ["a provider's error", () => ask({}), 400, json({ error: { message: "no" } }, 400, cached)],
  ["a provider's failure", () => ask({}, [auth, "x-spillway-deadline-ms: 500"]), 502, json({ error: { message: "no" } }, 500, cached)],
  ["a preflight", () => Buffer.from("OPTIONS /v1/chat/completions HTTP/1.1\r\nhost: x\r\norigin: https://app.example\r\naccess-control-request-method: POST\r\nconnection: close\r\n\r\n"), 204],
  ["an upgrade", () => Buffer.from("GET /v1/realtime HTTP/1.1\r\nhost: x\r\nconnection: upgrade\r\nupgrade: websocket\r\n\r\n"), 426],
  ["bytes that are no HTTP", () => Buffer.from("hello\r\n\r\n"), 400],
  ["headers too large", () => Buffer.from(`GET / HTTP/1.1\r\nhost: x\r\nx: ${"y".repeat(40_000)}\r\n\r\n`), 431],
];

for (const [what, bytes, status, answering] of ROUTES) {
  test(`no-store and no-transform: ${what}`, async () => {
    upstream.answer(answering ?? chat);
    const { answers } = await rawExchange(gateway.port, bytes(), { answers: 1 });
    const [answer] = answers;
    assert.equal(answer?.status, status, answer?.body.toString());
    assert.equal(answer?.headers["cache-control"], "no-store, no-transform");
    for (const name of ["etag", "expires", "last-modified", "age"]) assert.equal(answer?.headers[name], undefined, `${name} came through`);
    if (answer?.headers["content-type"]?.startsWith("text/event-stream") === true) assert.equal(answer.headers["x-accel-buffering"], "no");
  });
}
