/**
 * Providers that attack: endless, giant, compressed, nested, mislabelled. Each is the first candidate of a route whose
 * second is sound: the client gets the sound one's whole answer, soon, and the process stays small and alive.
 */
import assert from "node:assert/strict";
import type { Socket } from "node:net";
import { after, before, test } from "node:test";
import { gzipSync } from "node:zlib";
import { testGateway, type TestGateway } from "../support/gateway.ts";
import { rawPost } from "../support/raw-client.ts";
import { chat, json, raw, recordingUpstream, sse, type Answering, type RecordingUpstream } from "../support/recording-upstream.ts";

const HEAD = "HTTP/1.1 200 OK\r\n";
const JSON_HEAD = `${HEAD}content-type: application/json\r\n`;
const SSE_HEAD = `${HEAD}content-type: text/event-stream\r\n`;
const MIB = 1 << 20;
const answerOf = (more: string): string => `{"id":"a","object":"chat.completion","created":1,"model":"m","choices":[{"index":0,"finish_reason":"stop","message":{"role":"assistant","content":"hostile"}}]${more}}`;
const chunkOf = (delta: string, finish = "null"): string => `{"id":"a","object":"chat.completion.chunk","created":1,"model":"m","choices":[{"index":0,"delta":${delta},"finish_reason":${finish}}]}`;
const deep = (levels: number): string => "[".repeat(levels) + "]".repeat(levels);

/** Write the same bytes again and again until the other side has had enough. */
function endless(head: string, piece: string | Uint8Array): Answering {
  const bytes = Buffer.from(piece);
  return (_call, socket) => {
    socket.write(head);
    const more = (): void => {
      while (socket.writable) if (!socket.write(bytes)) break;
    };
    socket.on("drain", more);
    more();
  };
}
const bomb = gzipSync(Buffer.alloc(300 * MIB));
const bombOfEvents = gzipSync(Buffer.from(`data: ${chunkOf(`{"content":""}`)}\n\n`.repeat(300_000)));

/** What must come to nothing: JSON and streamed calls alike get the second candidate's answer. */
const ATTACKS: Readonly<Record<string, Answering>> = {
  "thousands of headers": raw(`${HEAD}${Array.from({ length: 5_000 }, (_, i) => `x-${i}: y`).join("\r\n")}\r\ncontent-type: application/json\r\n\r\n{}`),
  "one giant header": raw(`${HEAD}x: ${"y".repeat(2 * MIB)}\r\n\r\n`),
  "headers without end": endless(HEAD, "x: y\r\n".repeat(1_000)),
  "a status line without end": endless("HTTP/1.1 200 ", "x".repeat(64 << 10)),
  "a chain of encodings": raw(`${JSON_HEAD}content-encoding: ${Array.from({ length: 3_000 }, () => "gzip").join(", ")}\r\ncontent-length: 2\r\n\r\n{}`),
  "two encodings": raw(`${JSON_HEAD}content-encoding: gzip, gzip\r\ncontent-length: 2\r\n\r\n{}`),
  "an encoding that it was not asked for": raw(`${JSON_HEAD}content-encoding: zstd\r\ncontent-length: 2\r\n\r\n{}`),
  "an encoding that it does not have": raw(`${JSON_HEAD}content-encoding: gzip\r\ncontent-length: 2\r\n\r\n{}`),
  "a bomb of zeros": (_call, socket) => socket.write(Buffer.concat([Buffer.from(`${JSON_HEAD}content-encoding: gzip\r\ncontent-length: ${bomb.length}\r\n\r\n`), bomb])),
  "a bomb of zeros as a stream": (_call, socket) => socket.write(Buffer.concat([Buffer.from(`${SSE_HEAD}content-encoding: gzip\r\ncontent-length: ${bomb.length}\r\n\r\n`), bomb])),
  "a bomb of empty events": (_call, socket) => socket.write(Buffer.concat([Buffer.from(`${SSE_HEAD}content-encoding: gzip\r\ncontent-length: ${bombOfEvents.length}\r\n\r\n`), bombOfEvents])),
  "a JSON answer without end": endless(`${JSON_HEAD}\r\n`, " ".repeat(MIB)),
  "an error without end": endless("HTTP/1.1 500 Told\r\ncontent-type: application/json\r\n\r\n", "x".repeat(MIB)),
  "a line without end": endless(`${SSE_HEAD}\r\ndata: `, "x".repeat(256 << 10)),
  "an event without end": endless(`${SSE_HEAD}\r\n`, `data: ${"x".repeat(1_000)}\n`.repeat(200)),
  "an event's name without end": endless(`${SSE_HEAD}\r\nevent: `, "x".repeat(256 << 10)),
  "comments without end": endless(`${SSE_HEAD}\r\n`, ": still here\n\n".repeat(1_000)),
  "blank lines without end": endless(`${SSE_HEAD}\r\n`, "\n".repeat(64 << 10)),
  "openings without end": endless(`${SSE_HEAD}\r\n`, `data: ${chunkOf(`{"role":"assistant"}`)}\n\n`.repeat(200)),
  "a claim of a gigabyte": raw(`${JSON_HEAD}content-length: 1073741824\r\n\r\n{"a":`),
  "a claim beyond all numbers": raw(`${JSON_HEAD}content-length: 99999999999999999999999\r\n\r\n{}`),
  "a negative claim": raw(`${JSON_HEAD}content-length: -5\r\n\r\n{}`),
  "two claims": raw(`${JSON_HEAD}content-length: 2\r\ncontent-length: 200\r\n\r\n{}`),
  "both framings": raw(`${JSON_HEAD}content-length: 5\r\ntransfer-encoding: chunked\r\n\r\n2\r\n{}\r\n0\r\n\r\n`),
  "a chunk of all memory": raw(`${JSON_HEAD}transfer-encoding: chunked\r\n\r\nffffffffffffffff\r\n{}`),
  "a chunk's size without end": endless(`${JSON_HEAD}transfer-encoding: chunked\r\n\r\n`, "0".repeat(64 << 10)),
  "trailers without end": endless(`${JSON_HEAD}transfer-encoding: chunked\r\n\r\n2\r\n{}\r\n0\r\n`, "x: y\r\n".repeat(1_000)),
  "a switch of protocols": raw("HTTP/1.1 101 Switching Protocols\r\nconnection: upgrade\r\nupgrade: websocket\r\n\r\n", false),
  "hints without end": endless("", "HTTP/1.1 103 Early Hints\r\nlink: </x>\r\n\r\n".repeat(500)),
  "continues without end": endless("", "HTTP/1.1 100 Continue\r\n\r\n".repeat(1_000)),
  "nothing at all": raw("HTTP/1.1 204 No Content\r\n\r\n"),
  "no body": raw(`${JSON_HEAD}content-length: 0\r\n\r\n`),
  "a redirect": raw("HTTP/1.1 302 Found\r\nlocation: http://127.0.0.1:1/\r\ncontent-length: 0\r\n\r\n"),
  "an old protocol": raw("hello\r\n"),
  "another protocol": raw("SSH-2.0-OpenSSH_9.9\r\n"),
  "TLS": raw(Buffer.from([0x15, 3, 1, 0, 2, 2, 70])),
  "NUL in a header": raw(`${JSON_HEAD}x: a\0b\r\ncontent-length: 2\r\n\r\n{}`),
  "an answer before the question is read, then a cut": (_call, socket) => void socket.end(`${JSON_HEAD}content-length: 400\r\n\r\n{"id":`),
  "JSON that is none": json(`{"choices":[${"1".repeat(1_000)}`),
  "JSON that is deep": json(`{"choices":${deep(200_000)}}`),
  "a stream of deep JSON": sse(`data: {"choices":${deep(200_000)}}\n\n`),
  "JSON of the wrong kind": json(`[${`{"choices":[]},`.repeat(1_000)}1]`),
  "choices that are no list": json(`{"choices":{"0":{"message":{"content":"x"},"finish_reason":"stop"},"length":1}}`),
  "a million choices": json(`{"choices":[${"{},".repeat(1_000_000)}{}]}`),
  "keys of the prototype": json(`{"__proto__":{"choices":[{"index":0,"finish_reason":"stop","message":{"content":"polluted"}}],"polluted":true},"constructor":{"prototype":{"polluted":true}}}`),
  "keys of the prototype in a stream": sse(`data: {"__proto__":{"choices":[{"index":0,"delta":{"content":"polluted"},"finish_reason":"stop"}],"polluted":true}}\n\ndata: [DONE]\n\n`),
  "an index beyond all numbers": sse(`data: {"choices":[{"index":1e308,"delta":{"role":"assistant"},"finish_reason":null}]}\n\ndata: {"choices":[{"index":-1,"delta":{},"finish_reason":null}]}\n\ndata: [DONE]\n\n`),
};

/** Strange, but an answer: the client gets this one. */
const ODDITIES: Readonly<Record<string, readonly [answering: Answering, stream: boolean]>> = {
  "hints before the answer": [raw(`HTTP/1.1 103 Early Hints\r\nlink: </x>\r\n\r\nHTTP/1.1 102 Processing\r\n\r\n${JSON_HEAD}content-length: ${answerOf("").length}\r\n\r\n${answerOf("")}`), false],
  "a header that names the prototype": [(_call, socket) => socket.write(`${JSON_HEAD}__proto__: x\r\nconstructor: y\r\ntoString: z\r\nhasOwnProperty: n\r\ncontent-length: ${answerOf("").length}\r\n\r\n${answerOf("")}`), false],
  "usage beyond all sums": [json(answerOf(`,"usage":{"prompt_tokens":9007199254740991,"completion_tokens":9007199254740991,"total_tokens":9007199254740991,"prompt_tokens_details":{"cached_tokens":9007199254740991}}`)), false],
  "usage below nothing": [json(answerOf(`,"usage":{"prompt_tokens":-1,"completion_tokens":1e999,"total_tokens":"x"}`)), false],
  "usage that is deep": [json(answerOf(`,"usage":{"prompt_tokens":1,"completion_tokens":1,"x":${deep(50_000)}}`)), false],
  "usage that is deep, streamed": [sse(`data: ${chunkOf(`{"content":"hostile"}`)}\n\ndata: ${chunkOf("{}", `"stop"`)}\n\ndata: {"choices":[],"usage":{"prompt_tokens":1,"completion_tokens":1,"x":${deep(50_000)}}}\n\ndata: [DONE]\n\n`), true],
  "usage that is large": [json(answerOf(`,"usage":{"prompt_tokens":1,"completion_tokens":1,"x":"${"y".repeat(2 * MIB)}"}`)), false],
  "members that are deep": [json(answerOf(`,"x":${deep(50_000)}`)), false],
  "members that are deep, streamed": [sse(`data: ${chunkOf(`{"content":"hostile","x":${deep(50_000)}}`)}\n\ndata: ${chunkOf("{}", `"stop"`)}\n\ndata: [DONE]\n\n`), true],
  "a closing of HTTP/1.0": [raw(`HTTP/1.0 200 OK\r\ncontent-type: application/json\r\n\r\n${answerOf("")}`), false],
};

let upstream: RecordingUpstream;
let gateway: TestGateway;
const scripts = new Map<string, Answering>();
const names = [...Object.keys(ATTACKS), ...Object.keys(ODDITIES)];

before(async () => {
  upstream = await recordingUpstream((call, socket: Socket) => (scripts.get(call.target.split("/")[1] ?? "") ?? chat)(call, socket));
  // Accounts of their own, so that one attack does not put the next provider to rest.
  const each = names.flatMap((_, i) => [`bad${i}`, `worse${i}`]);
  const accounts = [...each, "good"].map((name) => `  ${name}: { type: openai-compatible, base_url: "${upstream.origin}/${name}", api_key: none, models: { m: { price: { input: 1, output: 2 } } } }`);
  const routes = each.map((name) => `  ${name}: { candidates: [${name}/m, good/m], first_token: 600ms, attempt: 600ms }`);
  gateway = await testGateway(`version: 1\nproviders:\n${accounts.join("\n")}\nroutes:\n${routes.join("\n")}\n`);
});
after(async () => {
  await gateway.close();
  await upstream.close();
});

const ask = (route: string, stream: boolean) => rawPost(gateway.port, "/v1/chat/completions", JSON.stringify({ model: route, stream, messages: [{ role: "user", content: "hi" }] }));
const rssMib = (): number => process.memoryUsage.rss() / MIB;

for (const [what, answering] of Object.entries(ATTACKS)) {
  test(`costs the client nothing: ${what}`, async () => {
    for (const stream of [false, true]) {
      const route = `${stream ? "worse" : "bad"}${names.indexOf(what)}`;
      scripts.set(route, answering);
      const startMs = performance.now();
      const answer = await ask(route, stream);
      const tookMs = performance.now() - startMs;
      assert.equal(answer.status, 200, answer.body.toString());
      assert.match(answer.body.toString(), stream ? /"Hello"[\s\S]* there\.[\s\S]*\[DONE\]/ : /Hello there\./);
      assert.equal(answer.headers["x-spillway-deployment"], "good/m");
      assert.equal(answer.headers["x-spillway-attempts"], "2");
      assert.ok(tookMs < 4_000, `${Math.round(tookMs)} ms`);
      assert.ok(upstream.calls.some((call) => call.target.startsWith(`/${route}/`)), "the attacker was called");
    }
  });
}

for (const [what, [answering, stream]] of Object.entries(ODDITIES)) {
  test(`is taken for what it is: ${what}`, async () => {
    const route = `bad${names.indexOf(what)}`;
    scripts.set(route, answering);
    const answer = await ask(route, stream);
    assert.equal(answer.status, 200, answer.body.toString().slice(0, 300));
    assert.match(answer.body.toString(), /hostile/);
    assert.equal(answer.headers["x-spillway-deployment"], `${route}/m`);
  });
}

test("after all of it the process is alive and small, nothing is polluted, and no attacker's connection is left", async () => {
  const { status } = await ask("good/m", false);
  assert.equal(status, 200);
  assert.equal(({} as { polluted?: boolean }).polluted, undefined);
  const requests = await gateway.requests();
  assert.equal(requests.length, 2 * Object.keys(ATTACKS).length + Object.keys(ODDITIES).length + 1, "every request is on record");
  for (let tries = 0; upstream.open() > 3 && tries < 100; tries++) await new Promise((resolve) => setTimeout(resolve, 20));
  assert.ok(upstream.open() <= 3, `${upstream.open()} connections are open`);
  assert.ok(rssMib() < 1_000, `${Math.round(rssMib())} MiB`);
});
