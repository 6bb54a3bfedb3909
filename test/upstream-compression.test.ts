/** What a provider says of its body's length and compression is true of its bytes, and not of those that the client gets. */
import assert from "node:assert/strict";
import { request } from "node:http";
import { after, before, it } from "node:test";
import { gzipSync } from "node:zlib";
import { testGateway, type TestGateway } from "./support/gateway.ts";
import { CHAT_ANSWER, CHAT_STREAM, raw, recordingUpstream, type RecordingUpstream } from "./support/recording-upstream.ts";

let host: RecordingUpstream;
let gateway: TestGateway;
before(async () => {
  host = await recordingUpstream();
  gateway = await testGateway(`version: 1\nproviders: { near: { type: openai-compatible, base_url: "${host.origin}/v1", api_key: none } }\n`);
});
after(async () => {
  await gateway.close();
  await host.close();
});

function compressed(type: string, text: string): ReturnType<typeof raw> {
  const bytes = gzipSync(text);
  return raw(Buffer.concat([Buffer.from(`HTTP/1.1 200 OK\r\ncontent-type: ${type}\r\ncontent-encoding: gzip\r\ncontent-length: ${bytes.length}\r\n\r\n`), bytes]));
}

interface Answer {
  readonly headers: Readonly<Record<string, string | string[] | undefined>>;
  /** As it came, whatever the headers say of it. */
  readonly body: Buffer;
}

function ask(path: string, body: unknown): Promise<Answer> {
  return new Promise((resolve, reject) => {
    const call = request(`${gateway.url}${path}`, { method: "POST", headers: { "content-type": "application/json", "accept-encoding": "gzip" } }, (answer) => {
      const chunks: Buffer[] = [];
      answer.on("data", (chunk: Buffer) => chunks.push(chunk));
      answer.on("end", () => resolve({ headers: answer.headers, body: Buffer.concat(chunks) }));
    });
    call.on("error", reject);
    call.end(JSON.stringify(body));
  });
}

const CHAT = { model: "near/m", messages: [{ role: "user", content: "hi" }] };
const PATHS: Readonly<Record<string, object>> = { "/v1/chat/completions": CHAT, "/v1/messages": { ...CHAT, max_tokens: 50 } };

for (const [path, body] of Object.entries(PATHS)) {
  it(`case 47: a compressed answer comes plain from ${path}, with its own length`, async () => {
    host.answer(compressed("application/json", JSON.stringify(CHAT_ANSWER)));
    const { headers, body: told } = await ask(path, body);
    assert.equal(headers["content-encoding"], undefined);
    assert.ok(headers["content-length"] === undefined || Number(headers["content-length"]) === told.length);
    assert.match(JSON.stringify(JSON.parse(told.toString())), /Hello there\./);
  });

  it(`case 47: a compressed stream comes plain from ${path}, without a length`, async () => {
    host.answer(compressed("text/event-stream", CHAT_STREAM));
    const { headers, body: told } = await ask(path, { ...body, stream: true });
    assert.equal(headers["content-encoding"], undefined);
    assert.equal(headers["content-length"], undefined);
    assert.match(told.toString(), /^(?:event|data): [^]*Hello[^]* there\.[^]*\n\n$/);
  });
}
