/** Two requests never come out of one, neither in here nor upstream, and no line break gets from a value into a head. */
import assert from "node:assert/strict";
import { after, before, test } from "node:test";
import { testGateway, type TestGateway } from "../support/gateway.ts";
import { post, rawExchange, rawPost } from "../support/raw-client.ts";
import { chat, raw, recordingUpstream, type RecordingUpstream } from "../support/recording-upstream.ts";

const BODY = `{"model":"near/m","messages":[{"role":"user","content":"outer"}]}`;
const INNER_BODY = `{"model":"near/m","messages":[{"role":"user","content":"smuggled"}]}`;
const INNER = `POST /v1/chat/completions HTTP/1.1\r\nhost: localhost\r\ncontent-type: application/json\r\ncontent-length: ${INNER_BODY.length}\r\n\r\n${INNER_BODY}`;
const HEAD = "POST /v1/chat/completions HTTP/1.1\r\nhost: localhost\r\ncontent-type: application/json\r\n";
const hex = (text: string): string => text.length.toString(16);

let upstream: RecordingUpstream;
let gateway: TestGateway;
before(async () => {
  upstream = await recordingUpstream(chat);
  gateway = await testGateway(`version: 1\nproviders:\n  near: { type: openai-compatible, base_url: "${upstream.origin}/v1", api_key: k-0123456789abcdef, unmetered: true }\nroutes:\n  r: { candidates: [near/m], forward_headers: [x-note] }\n`);
});
after(async () => {
  await gateway.close();
  await upstream.close();
});

/** Ambiguous framings: what one reader takes for the body's end another does not. */
const AMBIGUOUS: Readonly<Record<string, string>> = {
  "both framings, length first": `${HEAD}content-length: ${BODY.length + INNER.length}\r\ntransfer-encoding: chunked\r\n\r\n0\r\n\r\n${INNER}`,
  "both framings, chunked first": `${HEAD}transfer-encoding: chunked\r\ncontent-length: 4\r\n\r\n${hex(BODY)}\r\n${BODY}\r\n0\r\n\r\n${INNER}`,
  "chunked hidden by a space before the colon": `${HEAD}content-length: ${BODY.length}\r\ntransfer-encoding : chunked\r\n\r\n${BODY}${INNER}`,
  "chunked hidden by a tab": `${HEAD}content-length: ${BODY.length}\r\ntransfer-encoding:\tchunked\r\n\r\n0\r\n\r\n${INNER}`,
  "chunked hidden by a folded line": `${HEAD}content-length: ${BODY.length}\r\ntransfer-encoding:\r\n chunked\r\n\r\n0\r\n\r\n${INNER}`,
  "chunked twice": `${HEAD}transfer-encoding: chunked\r\ntransfer-encoding: chunked\r\n\r\n0\r\n\r\n${INNER}`,
  "chunked and identity": `${HEAD}transfer-encoding: chunked, identity\r\n\r\n0\r\n\r\n${INNER}`,
  "identity and chunked": `${HEAD}content-length: 3\r\ntransfer-encoding: identity, chunked\r\n\r\n0\r\n\r\n${INNER}`,
  "an encoding that nobody knows": `${HEAD}transfer-encoding: xchunked\r\ncontent-length: ${BODY.length}\r\n\r\n${BODY}${INNER}`,
  "an encoding with a vertical tab": `${HEAD}transfer-encoding: \x0bchunked\r\ncontent-length: ${BODY.length}\r\n\r\n${BODY}${INNER}`,
  "two lengths, first shorter": `${HEAD}content-length: ${BODY.length}\r\ncontent-length: ${BODY.length + INNER.length}\r\n\r\n${BODY}${INNER}`,
  "two lengths, first longer": `${HEAD}content-length: ${BODY.length + INNER.length}\r\ncontent-length: ${BODY.length}\r\n\r\n${BODY}${INNER}`,
  "two lengths in one line": `${HEAD}content-length: ${BODY.length}, ${BODY.length + INNER.length}\r\n\r\n${BODY}${INNER}`,
  "a signed length": `${HEAD}content-length: +${BODY.length}\r\n\r\n${BODY}${INNER}`,
  "a negative length": `${HEAD}content-length: -1\r\n\r\n${BODY}${INNER}`,
  "a length in hexadecimal": `${HEAD}content-length: 0x${hex(BODY)}\r\n\r\n${BODY}${INNER}`,
  "a length with an exponent": `${HEAD}content-length: 1e1\r\n\r\n${BODY}${INNER}`,
  "a length with a space in it": `${HEAD}content-length: 1 ${BODY.length}\r\n\r\n${BODY}${INNER}`,
  "a length beyond all numbers": `${HEAD}content-length: 99999999999999999999999999\r\n\r\n${BODY}${INNER}`,
  "bare LF after a chunk's size": `${HEAD}transfer-encoding: chunked\r\n\r\n${hex(BODY)}\n${BODY}\r\n0\r\n\r\n${INNER}`,
  "bare LF after a chunk": `${HEAD}transfer-encoding: chunked\r\n\r\n${hex(BODY)}\r\n${BODY}\n0\r\n\r\n${INNER}`,
  "bare LF ends the last chunk": `${HEAD}transfer-encoding: chunked\r\n\r\n${hex(BODY)}\r\n${BODY}\r\n0\n\n${INNER}`,
  "bare LF in a chunk's extension": `${HEAD}transfer-encoding: chunked\r\n\r\n${hex(BODY)};a\nb\r\n${BODY}\r\n0\r\n\r\n${INNER}`,
  "a chunk longer than it says": `${HEAD}transfer-encoding: chunked\r\n\r\n3\r\n${BODY}\r\n0\r\n\r\n${INNER}`,
  "a chunk's size with a prefix": `${HEAD}transfer-encoding: chunked\r\n\r\n0x${hex(BODY)}\r\n${BODY}\r\n0\r\n\r\n${INNER}`,
  "a negative chunk": `${HEAD}transfer-encoding: chunked\r\n\r\n-1\r\n${BODY}\r\n0\r\n\r\n${INNER}`,
  "a chunk's size that overflows": `${HEAD}transfer-encoding: chunked\r\n\r\nfffffffffffffffff\r\n${BODY}\r\n0\r\n\r\n${INNER}`,
  "bare LF between headers": `${HEAD}x: y\ncontent-length: ${BODY.length}\r\n\r\n${BODY}${INNER}`,
  "bare LF before the body": `${HEAD}content-length: ${BODY.length}\r\n\n${BODY}${INNER}`,
  "bare CR between headers": `${HEAD}x: y\rcontent-length: ${BODY.length}\r\n\r\n${BODY}${INNER}`,
  "a header without a colon": `${HEAD}content-length ${BODY.length}\r\n\r\n${BODY}${INNER}`,
  "a header without a name": `${HEAD}: x\r\ncontent-length: ${BODY.length}\r\n\r\n${BODY}${INNER}`,
  "a name with NUL": `${HEAD}x\0y: z\r\ncontent-length: ${BODY.length}\r\n\r\n${BODY}${INNER}`,
  "a space before the first header": `POST /v1/chat/completions HTTP/1.1\r\n host: localhost\r\ncontent-length: ${BODY.length}\r\n\r\n${BODY}${INNER}`,
  "two spaces in the request line": `POST  /v1/chat/completions  HTTP/1.1\r\nhost: localhost\r\ncontent-length: ${BODY.length}\r\n\r\n${BODY}${INNER}`,
  "a version of its own": `POST /v1/chat/completions HTTP/1.11\r\nhost: localhost\r\ncontent-length: ${BODY.length}\r\n\r\n${BODY}${INNER}`,
  "chunked in HTTP/1.0": `POST /v1/chat/completions HTTP/1.0\r\nhost: localhost\r\ncontent-type: application/json\r\ntransfer-encoding: chunked\r\ncontent-length: ${BODY.length}\r\n\r\n0\r\n\r\n${INNER}`,
};

for (const [what, bytes] of Object.entries(AMBIGUOUS)) {
  test(`refused, and the connection closed: ${what}`, async () => {
    const before = upstream.calls.length;
    const { answers, closed } = await rawExchange(gateway.port, Buffer.from(bytes, "latin1"), { waitMs: 700 });
    const calls = upstream.calls.slice(before);
    assert.deepEqual(calls.filter((call) => call.body.includes("smuggled")), [], "the inner request reached the upstream");
    assert.ok(answers.length <= 1, `${answers.length} answers to one request`);
    assert.ok(answers.length === 0 || (answers[0]?.status ?? 0) >= 400, `answered ${answers[0]?.status}`);
    assert.ok(closed, "the connection is still open");
    assert.equal(calls.length, 0);
  });
}

test("what is not ambiguous is two requests where two were sent, in their order", async () => {
  const before = upstream.calls.length;
  const { answers } = await rawExchange(gateway.port, Buffer.concat([post("/v1/chat/completions", BODY), post("/v1/chat/completions", INNER_BODY)]), { answers: 2 });
  assert.deepEqual(answers.map((answer) => answer.status), [200, 200]);
  assert.deepEqual(upstream.calls.slice(before).map((call) => call.body.toString().includes("smuggled")), [false, true]);
  const chunked = `${HEAD}transfer-encoding: chunked\r\nconnection: close\r\n\r\n${hex(BODY)};ext=1\r\n${BODY}\r\n0\r\ntrailer: x\r\n\r\n`;
  const { answers: one } = await rawExchange(gateway.port, chunked, { answers: 1 });
  assert.equal(one[0]?.status, 200);
  const received = upstream.calls.at(-1);
  assert.equal(received?.body.toString(), BODY.replace("near/m", "m"));
  assert.deepEqual([received?.header("transfer-encoding"), received?.header("trailer"), received?.header("content-length")], [undefined, undefined, String(BODY.length - "near/".length)], "framed anew");
});

for (const [what, value] of [["CR LF", "a\r\nx-injected: 1"], ["LF", "a\nx-injected: 1"], ["CR", "a\rx-injected: 1"], ["NUL", "a\0b"], ["a folded line", "a\r\n x-injected: 1"], ["a folded line by tab", "a\r\n\tx-injected: 1"], ["a control character", "a\x01b"], ["DEL", "a\x7fb"]] as const) {
  test(`a value that we pass on carries no ${what} upstream`, async () => {
    for (const name of ["openai-organization", "traceparent", "x-note"]) {
      const before = upstream.calls.length;
      await rawExchange(gateway.port, Buffer.from(`${HEAD}${name}: ${value}\r\nconnection: close\r\ncontent-length: ${BODY.length}\r\n\r\n${BODY}`, "latin1"), { answers: 1, waitMs: 700 });
      for (const call of upstream.calls.slice(before)) {
        assert.equal(call.header("x-injected"), undefined, "a header came out of a value");
        const passed = call.header(name) ?? "";
        assert.ok(["\r", "\n", "\0", "\x01", "\x7f"].every((char) => !passed.includes(char)), "a control character was passed on");
      }
      assert.ok(upstream.calls.length <= before + 1);
    }
  });
}

test("line breaks in a body's values stay in the body", async () => {
  const names = ["m\r\nx-injected: 1", "m\r\n\r\nGET / HTTP/1.1\r\n\r\n", "m\nx-injected: 1", "m\u2028x", "m\0"];
  for (const name of names) {
    const before = upstream.calls.length;
    const { bytes } = await rawExchange(gateway.port, post("/v1/chat/completions", JSON.stringify({ model: `near/${name}`, messages: [{ role: "user", content: name }] }), ["host: localhost", "connection: close"]), { answers: 1 });
    const head = bytes.subarray(0, bytes.indexOf("\r\n\r\n")).toString("latin1");
    assert.doesNotMatch(head, /^x-injected/im);
    assert.match(head, /^HTTP\/1\.1 200/);
    for (const call of upstream.calls.slice(before)) assert.deepEqual([call.header("x-injected"), call.method, call.target], [undefined, "POST", "/v1/chat/completions"]);
    assert.equal(upstream.calls.length, before + 1);
  }
});

test("an answer that brings a second one with it does not answer the next caller", async () => {
  const answer = (words: string): string => {
    const body = JSON.stringify({ id: "a", object: "chat.completion", created: 1, model: "m", choices: [{ index: 0, finish_reason: "stop", message: { role: "assistant", content: words } }], usage: { prompt_tokens: 1, completion_tokens: 1, total_tokens: 2 } });
    return `HTTP/1.1 200 OK\r\ncontent-type: application/json\r\ncontent-length: ${body.length}\r\n\r\n${body}`;
  };
  for (let round = 0; round < 5; round++) {
    upstream.answer(raw(answer("mine") + answer("poison"), false));
    assert.match((await rawPost(gateway.port, "/v1/chat/completions", BODY, ["host: localhost"])).body.toString(), /mine/);
    upstream.answer(raw(answer("yours"), false));
    const next = await rawPost(gateway.port, "/v1/chat/completions", BODY, ["host: localhost"]);
    assert.doesNotMatch(next.body.toString(), /poison/);
    assert.match(next.body.toString(), /yours/);
  }
});
