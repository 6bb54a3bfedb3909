/** The official SDK asks for streams of a host that never streams: it gets one answer, from one call, with one charge. */
import assert from "node:assert/strict";
import { after, before, describe, it } from "node:test";
import OpenAI, { toFile } from "openai";
import { testGateway, type TestGateway } from "../support/gateway.ts";
import { json, recordingUpstream, type RecordingUpstream } from "../support/recording-upstream.ts";

const KEY = "caller-key-of-the-unstreamed";
let upstream: RecordingUpstream;
let gateway: TestGateway;
let openai: OpenAI;

async function all<E>(stream: AsyncIterable<E>): Promise<E[]> {
  const events: E[] = [];
  for await (const event of stream) events.push(event);
  return events;
}

before(async () => {
  upstream = await recordingUpstream();
  gateway = await testGateway(`
version: 1
keys: [{ name: app, key: ${KEY} }]
providers:
  host:
    type: openai-compatible
    base_url: "${upstream.origin}/v1"
    api_key: none
    models:
      hear: { price: { seconds: 0.0001 } }
      paint: { price: { images: 0.04 } }
      talk: { price: { input: 1, output: 2 } }
`);
  openai = new OpenAI({ baseURL: gateway.baseUrl, apiKey: KEY, maxRetries: 0 });
});
after(async () => {
  await gateway.close();
  await upstream.close();
});

/** What the latest request came to. */
async function booked(): Promise<unknown> {
  const { record, attempts } = (await gateway.requests()).at(-1) as Awaited<ReturnType<TestGateway["requests"]>>[number];
  return [record?.outcome, attempts.map((one) => [one.state, one.units, one.costNanoUsd])];
}

describe("a stream of a host that does not stream", () => {
  it("is a transcript's one last event", async () => {
    upstream.answer(json({ text: "hello", usage: { type: "duration", seconds: 3 } }));
    const calls = upstream.calls.length;
    const events = await all(await openai.audio.transcriptions.create({ model: "hear", file: await toFile(Buffer.from("abc"), "a.mp3"), stream: true }));
    assert.deepEqual(events, [{ type: "transcript.text.done", text: "hello", usage: { type: "duration", seconds: 3 } }]);
    assert.equal(upstream.calls.length, calls + 1);
    assert.deepEqual(await booked(), ["ok", [["charged", { seconds: 3 }, 300_000]]]);
  });

  it("is an event for each image", async () => {
    upstream.answer(json({ created: 7, data: [{ b64_json: "QQ==" }, { b64_json: "Qg==" }] }));
    const events = await all(await openai.images.generate({ model: "paint", prompt: "x", n: 2, stream: true }));
    assert.deepEqual(events.map((event) => (event.type === "image_generation.completed" ? event.b64_json : event.type)), ["QQ==", "Qg=="]);
    assert.deepEqual(await booked(), ["ok", [["charged", { images: 2 }, 80_000_000]]]);
  });

  it("is a chat's stream", async () => {
    upstream.answer(json({ id: "c1", object: "chat.completion", created: 1, model: "talk", choices: [{ index: 0, message: { role: "assistant", content: "Hello." }, finish_reason: "stop" }], usage: { prompt_tokens: 9, completion_tokens: 3, total_tokens: 12 } }));
    const calls = upstream.calls.length;
    const chunks = await all(await openai.chat.completions.create({ model: "talk", messages: [{ role: "user", content: "hi" }], stream: true, stream_options: { include_usage: true } }));
    assert.deepEqual([chunks.map((chunk) => chunk.choices[0]?.delta.content ?? "").join(""), chunks.find((chunk) => chunk.choices[0]?.finish_reason != null)?.choices[0]?.finish_reason, chunks.at(-1)?.usage?.total_tokens], ["Hello.", "stop", 12]);
    assert.equal(upstream.calls.length, calls + 1);
    assert.deepEqual(await booked(), ["ok", [["charged", { input: 9, output: 3 }, 15_000]]]);
  });
});
