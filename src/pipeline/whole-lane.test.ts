import assert from "node:assert/strict";
import { describe, it } from "node:test";
import type { DialectId } from "../wire/facts.ts";
import type { PassName } from "../wire/surfaces.ts";
import { plainSheet } from "../decide/price-at.ts";
import { servePass } from "./pass-endpoint.ts";
import { flush } from "./test-clock.ts";
import { GOOD_ANSWER } from "./test-upstream.ts";
import { Asked, assertBooksAgree, World } from "./test-world.ts";

const TOLD = "the provider did not stream, so its whole answer came as one piece of a stream";
const PRICE = { kind: "sheet" as const, sheet: plainSheet("test", { seconds: 1e8, images: 4e10, characters: 1e7 }) };

async function ask(world: World, name: PassName, body: object): Promise<Asked> {
  const asked = new Asked(world.deps.ids.requestId(), (event) => void world.events.push(event));
  asked.exchange = servePass(world.deps, {
    requestId: asked.requestId,
    caller: { tenant: "default", key: "app", scopes: ["tenant/default", "key/app"] },
    body: new TextEncoder().encode(JSON.stringify({ model: "r", ...body })),
    asked: { surface: name, model: undefined, stream: undefined, query: "" },
    header: () => undefined,
    reply: asked.reply,
    done: () => void (asked.done = true),
    snapshot: world.snapshot,
  }, name);
  await flush();
  return asked;
}
const media = (): World => new World({ candidates: [{ name: "a", pricing: PRICE }, { name: "b", pricing: PRICE }] });

describe("a provider that answers whole where a stream was asked", () => {
  it("of a transcript is called once, charged by its usage, and told as the stream's last event", async () => {
    const world = media();
    const asked = await ask(world, "audio-transcriptions", { stream: true });
    world.call("a").json({ text: "hello", language: "en", usage: { type: "duration", seconds: 3 } });
    await flush();
    assert.equal(world.called, "a");
    assert.match(asked.reply.header("content-type") ?? "", /^text\/event-stream/);
    assert.deepEqual(JSON.parse(asked.reply.text.slice("data: ".length)), { type: "transcript.text.done", text: "hello", language: "en", usage: { type: "duration", seconds: 3 } });
    assert.equal(asked.reply.header("x-spillway-warning"), TOLD);
    assert.deepEqual([world.booked, world.record.units, world.record.costNanoUsd, world.record.flags], ["a:charged/answered", { seconds: 3 }, 300_000, []]);
    assertBooksAgree(world);
  });

  it("of a transcript as captions has them in the one event", async () => {
    const world = media();
    const asked = await ask(world, "audio-transcriptions", { stream: true, response_format: "srt" });
    const captions = "1\n00:00:00,000 --> 00:00:02,000\nhi\n";
    world.call("a").head(200, { "content-type": "text/plain" }).bytes(captions).end();
    await flush();
    assert.deepEqual(JSON.parse(asked.reply.text.slice("data: ".length)), { type: "transcript.text.done", text: captions });
  });

  it("of images has an event for each, the last of them with the usage", async () => {
    const world = media();
    const asked = await ask(world, "image-generations", { stream: true, n: 2, prompt: "x" });
    world.call("a").json({ created: 7, size: "1x1", data: [{ b64_json: "QQ==" }, { b64_json: "Qg==", revised_prompt: "y" }], usage: { input_tokens: 1, output_tokens: 2 } });
    await flush();
    const about = { type: "image_generation.completed", created_at: 7, size: "1x1" };
    assert.deepEqual(asked.reply.text.trimEnd().split("\n\n").map((frame) => JSON.parse(frame.slice("data: ".length)) as unknown), [
      { ...about, b64_json: "QQ==" },
      { ...about, b64_json: "Qg==", revised_prompt: "y", usage: { input_tokens: 1, output_tokens: 2 } },
    ]);
    assert.deepEqual([world.called, world.booked, world.record.costNanoUsd], ["a", "a:charged/answered", 80_000_000]);
  });

  it("of speech streams its bytes as the events that were asked, which make one text in base64 too", async () => {
    const world = media();
    const asked = await ask(world, "audio-speech", { stream_format: "sse", input: "hello", voice: "v" });
    world.call("a").head(200, { "content-type": "audio/mpeg" }).bytes("abcd");
    assert.match(asked.reply.text, /speech\.audio\.delta/, "it does not wait for the end");
    world.call("a").bytes("e").bytes("fgh").end();
    await flush();
    const events = asked.reply.text.trimEnd().split("\n\n").map((frame) => JSON.parse(frame.slice("data: ".length)) as { type: string; audio?: string });
    assert.deepEqual(events.map((event) => event.type), ["speech.audio.delta", "speech.audio.delta", "speech.audio.delta", "speech.audio.done"]);
    assert.equal(atob(events.map((event) => event.audio ?? "").join("")), "abcdefgh");
    assert.deepEqual([world.booked, world.record.units], ["a:charged/answered", { characters: 5 }]);
  });

  it("with nothing in it is no answer, and the next candidate's turn", async () => {
    const world = media();
    const asked = await ask(world, "image-generations", { stream: true, prompt: "x" });
    world.call("a").json({ data: [] });
    await flush();
    world.call("b").json({ data: [{ b64_json: "QQ==" }] });
    await flush();
    assert.deepEqual([world.record.attempts.map((one) => one.outcome), asked.reply.status], [["empty", "answered"], 200]);
    assertBooksAgree(world);
  });

  it("beyond the bound is given up", async () => {
    const world = new World({ candidates: ["a", "b"] }, { answerBytes: 40 });
    await ask(world, "audio-transcriptions", { stream: true });
    world.call("a").head(200, { "content-type": "application/json" }).bytes(`{"text":"${"x".repeat(40)}"}`).end();
    await flush();
    world.call("b").json({ text: "short" });
    await flush();
    assert.deepEqual(world.record.attempts.map((one) => one.outcome), ["too_large", "answered"]);
  });

  it("where the protocol has no stream passes it byte for byte: translations may stream somewhere, or not", async () => {
    const world = media();
    const asked = await ask(world, "audio-translations", { stream: true });
    world.call("a").head(200, { "content-type": "application/json" }).bytes(`{ "text":"hi" }`).end();
    await flush();
    assert.deepEqual([asked.reply.text, asked.reply.header("content-type"), asked.reply.header("x-spillway-warning")], [`{ "text":"hi" }`, "application/json", undefined]);
    const streamed = await ask(world, "audio-translations", { stream: true });
    const chunks = ['data: {"choices":[{"delta":{"content":"hi"}}]}\n\n', 'data: {"choices":[{"delta":{"content":""},"finish_reason":"stop"}]}\n\n', "data: [DONE]\n\n"];
    world.call("a").stream(...chunks).end();
    await flush();
    assert.equal(streamed.reply.text, chunks.join(""));
  });
});

describe("a chat provider that answers whole where a stream was asked", () => {
  const candidates = (dialect: DialectId) => [{ name: "a", provider: { dialect } }, "b"];

  it("is called once, charged by its usage, and told as a stream", async () => {
    const world = new World({ candidates: candidates("openai-chat") });
    const asked = await world.ask({ stream: true, body: { stream_options: { include_usage: true } } });
    world.call("a").json(GOOD_ANSWER);
    await flush();
    assert.equal(world.called, "a");
    assert.deepEqual([world.booked, world.record.flags, world.record.units], ["a:charged/answered", [], { input: 9, output: 3 }]);
    assert.match(asked.reply.header("content-type") ?? "", /^text\/event-stream/);
    assert.equal(asked.reply.header("x-spillway-warning"), TOLD);
    assert.match(asked.reply.text, /"content":"Hello there\."[\s\S]*"finish_reason":"stop"[\s\S]*"prompt_tokens":9[\s\S]*data: \[DONE\]\n\n$/);
    assertBooksAgree(world);
  });

  it("of another protocol too", async () => {
    const world = new World({ candidates: candidates("anthropic-messages") });
    const asked = await world.ask({ stream: true });
    world.call("a").json({ id: "m", type: "message", role: "assistant", model: "m", content: [{ type: "text", text: "Hello there." }], stop_reason: "end_turn", usage: { input_tokens: 9, output_tokens: 3 } });
    await flush();
    assert.match(asked.reply.text, /Hello there\.[\s\S]*\[DONE\]\n\n$/);
    assert.deepEqual([world.called, world.booked], ["a", "a:charged/answered"]);
  });

  it("ends nothing before the charge is written", async () => {
    const world = new World({ candidates: candidates("openai-chat") });
    const asked = await world.ask({ stream: true });
    const open = world.ledger.holdBackCharges();
    world.call("a").json(GOOD_ANSWER);
    await flush();
    assert.doesNotMatch(asked.reply.text, /finish_reason":"stop|DONE/);
    open();
    await flush();
    assert.match(asked.reply.text, /finish_reason":"stop[\s\S]*\[DONE\]\n\n$/);
  });

  for (const [what, body, outcome] of [
    ["that is empty", { ...GOOD_ANSWER, choices: [{ ...GOOD_ANSWER.choices[0], message: { role: "assistant", content: "" } }] }, "empty"],
    ["without a finish reason", { ...GOOD_ANSWER, choices: [{ index: 0, message: { role: "assistant", content: "x" } }] }, "truncated"],
    ["that is an error", { error: { message: "overloaded", type: "server_error" } }, "server"],
    ["that is no object", [], "malformed"],
  ] as const) {
    it(`${what} has failed, and the next candidate answers`, async () => {
      const world = new World({ candidates: candidates("openai-chat") });
      const asked = await world.ask({ stream: true });
      world.call("a").json(body);
      await flush();
      world.call("b").json(GOOD_ANSWER);
      await flush();
      assert.deepEqual(world.record.attempts.map((one) => one.outcome), [outcome, "answered"]);
      assert.equal(asked.reply.text.match(/Hello there/g)?.length, 1);
    });
  }
});
