/** Callers that attack: floods, bombs, lies about lengths, bodies that never end. Each gets a short answer, and others are served. */
import assert from "node:assert/strict";
import { connect, type Socket } from "node:net";
import { after, afterEach, before, test } from "node:test";
import { setTimeout as sleep } from "node:timers/promises";
import { brotliCompressSync, deflateSync, gzipSync } from "node:zlib";
import { testGateway, type TestGateway } from "../support/gateway.ts";
import { post, rawExchange, rawPost, type RawAnswer } from "../support/raw-client.ts";
import { chat, recordingUpstream, type RecordedCall, type RecordingUpstream } from "../support/recording-upstream.ts";

const MIB = 1 << 20;
const KEY = "authorization: Bearer caller-key-0123456789";
const BODY = `{"model":"near/m","messages":[{"role":"user","content":"hi"}]}`;
const HEAD = `POST /v1/chat/completions HTTP/1.1\r\nhost: x\r\n${KEY}\r\ncontent-type: application/json\r\n`;

let upstream: RecordingUpstream;
let gateway: TestGateway;
before(async () => {
  upstream = await recordingUpstream(chat);
  gateway = await testGateway(`version: 1\nkeys: [{ name: app, key: caller-key-0123456789 }]\nproviders:\n  near: { type: openai-compatible, base_url: "${upstream.origin}/v1", api_key: none }\n`, { maxInFlight: 20 });
});
after(async () => {
  await gateway.close();
  await upstream.close();
});

const send = (body: string | Uint8Array, headers: readonly string[] = []): Promise<RawAnswer> => rawPost(gateway.port, "/v1/chat/completions", body, [KEY, ...headers]);
const codeOf = (answer: RawAnswer | undefined): string | undefined => (JSON.parse(answer?.body.toString() ?? "{}") as { error?: { code: string } }).error?.code;

/** Whatever was done before, the next caller is served. */
afterEach(async () => {
  assert.equal((await send(BODY)).status, 200);
});

test("a flood of headers is cut off, by number and by size", async () => {
  const many = await rawExchange(gateway.port, post("/v1/chat/completions", BODY, [...Array.from({ length: 250 }, (_, i) => `x-${i}: y`), KEY, "connection: close"]), { answers: 1 });
  assert.deepEqual([many.answers[0]?.status, codeOf(many.answers[0])], [431, "headers_too_large"]);
  const large = await rawExchange(gateway.port, `GET /v1/models HTTP/1.1\r\n${`x: ${"y".repeat(1_000)}\r\n`.repeat(1_000)}\r\n`, { answers: 1 });
  assert.deepEqual([large.answers[0]?.status, codeOf(large.answers[0])], [431, "headers_too_large"]);
  const target = await rawExchange(gateway.port, `GET /${"x".repeat(100_000)} HTTP/1.1\r\nhost: x\r\n\r\n`, { answers: 1 });
  assert.equal(target.answers[0]?.status, 431);
});

test("bodies that nest are refused at a fixed depth, long before any parser", async () => {
  for (const levels of [129, 1_000, 1_000_000]) {
    for (const [open, close] of [["[", "]"], [`{"a":`, "}"]] as const) {
      const answer = await send(`{"model":"near/m","x":${open.repeat(levels)}1${close.repeat(levels)}}`);
      assert.deepEqual([answer.status, codeOf(answer)], [400, "too_deep"], `${levels} of ${open}`);
    }
    const unclosed = await send(`{"x":${"[".repeat(levels)}`);
    assert.equal(unclosed.status, 400);
  }
  assert.equal((await send(`{"model":"near/m","messages":[{"role":"user","content":"hi"}],"x":${"[".repeat(120)}${"]".repeat(120)}}`)).status, 200);
});

test("bodies that unpack to more than the bound are refused while they unpack", async () => {
  const zeros = Buffer.alloc(200 * MIB);
  for (const [name, bomb] of [["gzip", gzipSync(zeros)], ["deflate", deflateSync(zeros)], ["br", brotliCompressSync(zeros.subarray(0, 64 * MIB), { params: { 1: 1 } })]] as const) {
    const before = process.memoryUsage.rss();
    const answer = await send(bomb, [`content-encoding: ${name}`]);
    assert.deepEqual([answer.status, codeOf(answer)], [413, "body_too_large"], name);
    assert.ok(process.memoryUsage.rss() - before < 150 * MIB, "memory stays within the bound and a little");
  }
  const nested = await send(gzipSync(gzipSync(Buffer.from(BODY))), ["content-encoding: gzip"]);
  assert.equal(codeOf(nested), "invalid_json");
  const twice = await send(gzipSync(gzipSync(Buffer.from(BODY))), ["content-encoding: gzip, gzip"]);
  assert.deepEqual([twice.status, codeOf(twice)], [415, "unsupported_encoding"]);
  const broken = await send(gzipSync(Buffer.from(BODY)).subarray(0, 30), ["content-encoding: gzip"]);
  assert.equal(codeOf(broken), "unsupported_encoding");
});

test("a body without end is cut off at the bound", async () => {
  const chunk = `${(64 << 10).toString(16)}\r\n${" ".repeat(64 << 10)}\r\n`;
  const answer = await new Promise<string>((resolve) => {
    const socket = connect(gateway.port, "127.0.0.1");
    let told = "";
    let written = 0;
    const more = (): void => {
      while (socket.writable && written < 200 * MIB) {
        written += chunk.length;
        if (!socket.write(chunk)) return;
      }
    };
    socket.on("data", (data: Buffer) => (told += data.toString()));
    socket.on("drain", more);
    // A connection that is cut while we write ends in a reset; the answer may have come before.
    socket.on("error", () => socket.destroy());
    socket.on("close", () => resolve(`${told}\nwritten: ${written < 100 * MIB ? "little" : "all"}`));
    socket.write(`${HEAD}transfer-encoding: chunked\r\n\r\n`);
    more();
  });
  assert.match(answer, /written: little/);
  assert.match(answer, /^HTTP\/1\.1 413|^\n/);
});

test("lies about a body's length cost only who tells them", async () => {
  const calls = upstream.calls.length;
  const short = await rawExchange(gateway.port, `${HEAD}content-length: ${BODY.length - 20}\r\n\r\n${BODY}`, { waitMs: 500 });
  assert.deepEqual(short.answers.map((answer) => answer.status >= 400), short.answers.map(() => true), "half a body, and a rest that is no request");
  assert.ok(short.closed);
  const long = await rawExchange(gateway.port, `${HEAD}content-length: ${BODY.length + 5}\r\n\r\n${BODY}`, { waitMs: 300 });
  assert.deepEqual([long.answers.length, long.closed], [0, false], "waits for the rest");
  const none = await rawExchange(gateway.port, `${HEAD}\r\n`, { answers: 1 });
  assert.equal(codeOf(none.answers[0]), "invalid_json");
  assert.equal(upstream.calls.length, calls, "none of it went upstream");
});

test("a body that comes byte by byte is waited for, within the time that the server allows", async () => {
  const bytes = post("/v1/chat/completions", BODY, [KEY, "connection: close"]);
  const at = bytes.indexOf("\r\n\r\n") + 4;
  const more = Array.from({ length: bytes.length - at }, (_, i) => ({ afterMs: 5 + i * 3, bytes: bytes.subarray(at + i, at + i + 1) }));
  const { answers } = await rawExchange(gateway.port, bytes.subarray(0, at), { answers: 1, more });
  assert.equal(answers[0]?.status, 200);
});

test("callers that stall in mid body take places, and give them back when they go", async () => {
  const stalled = Array.from({ length: 20 }, () => {
    const socket = connect(gateway.port, "127.0.0.1");
    socket.on("error", () => socket.destroy());
    socket.write(`${HEAD}content-length: 500\r\n\r\n{`);
    return socket;
  });
  let full: RawAnswer | undefined;
  for (let tries = 0; tries < 50 && full?.status !== 503; tries++) full = await send(BODY);
  assert.deepEqual([full?.status, codeOf(full)], [503, "too_many_requests_in_flight"]);
  assert.ok(Number(full?.headers["retry-after"]) >= 1);
  assert.equal((await rawExchange(gateway.port, "GET /healthz HTTP/1.1\r\nhost: x\r\nconnection: close\r\n\r\n", { answers: 1 })).answers[0]?.status, 200, "probes are answered all the same");
  for (const socket of stalled) socket.resetAndDestroy();
  for (let tries = 0; tries < 50 && full?.status !== 200; tries++) full = await send(BODY);
  assert.equal(full?.status, 200, "the places are free again");
});

test("connections that are reset at every moment leave nothing behind", async () => {
  const moments = ["", "P", HEAD.slice(0, 30), `${HEAD}content-length: 500\r\n\r\n`, `${HEAD}content-length: 500\r\n\r\n{"model"`, `${HEAD}content-length: ${BODY.length}\r\n\r\n${BODY}`, `${HEAD}transfer-encoding: chunked\r\n\r\nff\r\n{`, `${HEAD}content-encoding: gzip\r\ncontent-length: 500\r\n\r\n\x1f\x8b`, "GET / HTTP/1.1\r\nhost: x\r\nconnection: upgrade\r\nupgrade: websocket\r\n\r\n", "CONNECT a:1 HTTP/1.1\r\nhost: a:1\r\n\r\n", "nonsense\r\n\r\n", `GET / HTTP/1.1\r\nx: ${"y".repeat(40_000)}\r\n\r\n`];
  await Promise.all(
    moments.flatMap((bytes) => [0, 2, 10].map((afterMs) =>
      new Promise<void>((resolve) => {
        const socket = connect(gateway.port, "127.0.0.1", () => {
          socket.write(Buffer.from(bytes, "latin1"));
          setTimeout(() => socket.resetAndDestroy(), afterMs);
        });
        socket.on("error", () => socket.destroy());
        socket.on("close", () => resolve());
      }),
    )),
  );
  assert.match(await (await fetch(`${gateway.adminUrl}/metrics`)).text(), /^spillway_in_flight \d$/m);
});

test("a flood of requests on one connection is answered one by one, in order", async () => {
  const { answers } = await rawExchange(gateway.port, `GET /v1/models/near%2Fm HTTP/1.1\r\nhost: x\r\n${KEY}\r\n\r\n`.repeat(500), { answers: 500 });
  assert.equal(answers.length, 500);
  assert.ok(answers.every((answer) => answer.status === 200));
});

test("large bodies of requests in flight fill no more than their share of memory, and give it back", async () => {
  const calls: Socket[] = [];
  const slow = await recordingUpstream((_call, socket) => void calls.push(socket));
  const small = await testGateway(`version: 1\nproviders:\n  near: { type: openai-compatible, base_url: "${slow.origin}/v1", api_key: none, models: { m: { unmetered: true } } }\n`, { maxBodyBytes: 3 * MIB });
  const large = (bytes: number): Promise<RawAnswer> => rawPost(small.port, "/v1/chat/completions", `{"model":"near/m","messages":[{"role":"user","content":"${"x".repeat(bytes)}"}]}`, ["host: localhost"]);
  try {
    const first = large(2 * MIB);
    while (calls.length === 0) await sleep(5);
    const second = await large(2 * MIB);
    assert.deepEqual([second.status, codeOf(second), second.headers["retry-after"]], [503, "too_many_requests_in_flight", "1"]);
    chat(slow.calls[0] as RecordedCall, calls[0] as Socket);
    assert.equal((await first).status, 200);
    slow.answer(chat);
    assert.equal((await large(2 * MIB)).status, 200);
  } finally {
    await small.close();
    await slow.close();
  }
});

test("large but honest bodies are served: many messages, long texts, odd members", async () => {
  const messages = Array.from({ length: 20_000 }, (_, i) => `{"role":"user","content":"${i}"}`).join(",");
  assert.equal((await send(`{"model":"near/m","messages":[${messages}]}`)).status, 200);
  assert.equal((await send(`{"model":"near/m","messages":[{"role":"user","content":"${"é".repeat(4 * MIB)}"}]}`)).status, 200);
  assert.equal((await send(`{"__proto__":{"model":"x"},"constructor":1,"model":"near/m","messages":[{"role":"user","content":"hi","__proto__":{"role":"system"}}],"hasOwnProperty":1,"toString":null}`)).status, 200);
  assert.equal(({} as { model?: string }).model, undefined);
});
