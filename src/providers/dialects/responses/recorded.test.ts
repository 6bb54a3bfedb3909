/** All recorded answers of this dialect: what they hold comes out, and nothing done to them breaks the reader. */
import assert from "node:assert/strict";
import { describe, test } from "node:test";
import fc from "fast-check";
import type { Json, JsonObject } from "../../../wire/json.ts";
import { member } from "../../../wire/json.ts";
import { SseFramer, eventOf } from "../../../wire/sse.ts";
import type { SseEvent } from "../../../wire/sse-event.ts";
import { inputTokens, outputTokens } from "../../../wire/usage.ts";
import { openReasoning } from "./encode-reasoning.ts";
import { openaiResponses } from "./index.ts";
import { context, decoded, heldBy, recordings, recordingsAbsent, streamed, summary, type Recording } from "./test-upstream.ts";

/** Made by hand: what it streams is another text than what it says at its end. */
const TEXT_DIFFERS = "openai/responses/openai-shell-container.1.chunks.txt";
const all = recordings();
const FAILED = new Set(["openai/responses/openai-error.1.json", "openai/responses/openai-error.1.chunks.txt", "openai/responses/reasoning-model-temperature-error.json"]);
const answers = all.filter(({ name }) => !FAILED.has(name));
const streams = answers.filter((recording): recording is Recording & { events: readonly SseEvent[] } => recording.events !== undefined);

/** Values read from the files by eye, so that reader and oracle cannot be wrong together. */
const BY_HAND: Readonly<Record<string, { text?: string | number; reasoning?: number; tools?: readonly [string, string, string][]; finish: string; units: JsonObject }>> = {
  "azure/azure-text.1.json": { text: 4, finish: "stop", units: { input: 11, output: 11 } },
  "azure/azure-tool-call.1.json": { tools: [["call_YunNGbIwdVJ2i0y0Mybva4Pw", "weather", `{"location":"San Francisco"}`]], finish: "tool_calls", units: { input: 45, output: 24 } },
  "azure/azure-tool-call.1.chunks.txt": { tools: [["call_H5DxLSFnsGhiROnUiDHmgyc8", "weather", `{"location":"San Francisco"}`]], finish: "tool_calls", units: { input: 45, output: 24 } },
  "azure/azure-reasoning-encrypted-content.1.json": { text: "(12 + 7) = 19\n19 × 3 = 57\n57 × 10 = 570\n\nFinal result: 570", reasoning: 399, finish: "stop", units: { input: 564, output: 37, reasoning: 64 } },
  "azure/azure-reasoning-encrypted-content.1.chunks.txt#0": { reasoning: 455, tools: [["call_UdvUeOElp5zdU0DKr6IoyhjE", "calculator", `{"a":12,"b":7,"op":"add"}`]], finish: "tool_calls", units: { input: 137, output: 28 } },
  "azure/azure-reasoning-encrypted-content.1.chunks.txt#3": { text: "The final result is **570**.", finish: "stop", units: { input: 315, output: 12 } },
  "open-responses/responses/lmstudio-tool-call.1.chunks.txt": {
    text: "I'll get the current weather information for San Francisco for you.", reasoning: 242,
    tools: [["call_2025306790300011", "weather", `{"location":"San Francisco"}`]], finish: "tool_calls", units: { input: 180, cache_read: 2, output: 13, reasoning: 48 },
  },
  "open-responses/responses/lmstudio-tool-call.1.json": { tools: [["call_2866856768160095", "weather", `{"location":"San Francisco"}`]], finish: "tool_calls", units: { input: 298, cache_read: 891, output: 11 } },
  "xai/responses/xai-text-with-reasoning-streaming.1.chunks.txt": { text: 2849, reasoning: 766, finish: "stop", units: { input: 24, cache_read: 192, output: 600, reasoning: 323 } },
  "xai/responses/xai-web-search-tool.1.json": { text: 799, finish: "stop", units: { input: 994, cache_read: 947, output: 203, reasoning: 380, web_searches: 1 } },
  "xai/responses/xai-x-search-tool.chunks.txt": { text: 6304, finish: "stop", units: { input: 22_651, cache_read: 4_585, output: 1_986, reasoning: 1_091, web_searches: 1 } },
  "openai/responses/openai-web-search-tool.1.json": { text: 3042, finish: "stop", units: { input: 15_969, cache_read: 3_712, output: 637, reasoning: 3_136, web_searches: 1 } },
  "openai/responses/openai-phase.1.chunks.txt": { text: 1638, finish: "stop", units: { input: 4_040, cache_read: 3_072, output: 399, reasoning: 64 } },
  "openai/responses/programmatic-tool-calling.1.chunks.txt": { tools: [["call_VgDSZztLociNcutQZWkC2fmL", "getInventory", `{"sku":"sku_123"}`]], finish: "tool_calls", units: { input: 631, output: 50, reasoning: 37 } },
};

/** Encrypted content that is final: a stream's is in the event that ends the item, and is not the same anywhere else. */
function encryptedBy({ events, response }: Recording): readonly string[] {
  if (events === undefined) return heldBy(response).encrypted;
  const parsed = events.map(({ data }) => JSON.parse(data) as Json).filter((event) => member(event, "type") === "response.output_item.done");
  return heldBy({ output: parsed.map((event) => member(event, "item") ?? null) }).encrypted;
}

describe("recorded answers", { skip: recordingsAbsent }, () => {
  test("are all there: bodies and streams", () => {
    assert.ok(all.filter(({ events }) => events === undefined).length >= 30);
    assert.ok(streams.length >= 40);
  });

  for (const recording of answers) {
    test(`${recording.name} decodes to what its own last word holds`, () => {
      const events = decoded(recording);
      const got = summary(events);
      const held = heldBy(recording.response);
      assert.equal(got.error, undefined);
      assert.equal(got.last, "end");
      assert.equal(got.text, recording.name === TEXT_DIFFERS ? "The command ran successfully." : held.text);
      assert.equal(got.reasoning, held.reasoning);
      assert.deepEqual(got.tools.filter(({ id }) => held.functions.some((call) => call.id === id)), held.functions);
      assert.deepEqual(got.redacted.map((data) => openReasoning(data)?.encryptedContent), encryptedBy(recording));
      if (held.functions.length > 0) assert.deepEqual(got.finish, ["tool_calls", "completed"]);
      assert.equal(inputTokens(got.usage?.units ?? {}), member(recording.response["usage"], "input_tokens"));
      assert.equal(outputTokens(got.usage?.units ?? {}), member(recording.response["usage"], "output_tokens"));
      for (const amount of Object.values(got.usage?.units ?? {})) assert.ok(amount >= 0);
    });
  }

  for (const [name, expected] of Object.entries(BY_HAND)) {
    test(`${name} holds what was read in it by eye`, () => {
      const recording = all.find((one) => one.name === name);
      assert.ok(recording !== undefined);
      const got = summary(decoded(recording));
      if (typeof expected.text === "number") assert.equal(got.text.length, expected.text);
      else assert.equal(got.text, expected.text ?? "");
      assert.equal(got.reasoning.length, expected.reasoning ?? 0);
      if (expected.tools !== undefined) assert.deepEqual(got.tools.map((tool) => [tool.id, tool.name, tool.arguments]), expected.tools);
      assert.equal(got.finish[0], expected.finish);
      assert.deepEqual(got.usage?.units, expected.units);
    });
  }

  for (const name of FAILED) {
    test(`${name} is an error of its class and has no end`, () => {
      const recording = all.find((one) => one.name === name);
      assert.ok(recording !== undefined);
      const got = summary(decoded(recording));
      assert.equal(got.error?.class, name.includes("temperature") ? "bad_request" : "payment");
      assert.equal(got.last, "error");
    });
  }

  test("case 28: encrypted reasoning is taken from the end of its item, where it differs from what announced it", () => {
    const encrypted = streams.filter((recording) => encryptedBy(recording).length > 0);
    assert.ok(encrypted.length >= 4);
    for (const recording of encrypted) {
      const announced = recording.events.map(({ data }) => JSON.parse(data) as Json).filter((event) => member(event, "type") === "response.output_item.added");
      const early = heldBy({ output: announced.map((event) => member(event, "item") ?? null) }).encrypted;
      const got = summary(decoded(recording)).redacted.map((data) => openReasoning(data)?.encryptedContent ?? "");
      assert.deepEqual(got, encryptedBy(recording));
      assert.ok(got.every((content) => !early.includes(content)), recording.name);
    }
  });

  test("a stream and its own last event as a JSON answer give one result", () => {
    for (const { name, events, response } of streams) {
      if (name === TEXT_DIFFERS) continue;
      const { warnings: _, ...stream } = summary(streamed(events));
      const { warnings: __, ...whole } = summary(openaiResponses.decodeAnswer(response, context));
      // Tools that the provider runs itself may be missing from the recorded list.
      const functions = new Set(heldBy(response).functions.map(({ id }) => id));
      const only = (all: typeof whole) => ({ ...all, redacted: all.redacted.length, tools: all.tools.filter(({ id }) => functions.has(id)), finish: functions.size > 0 ? all.finish : [] });
      assert.deepEqual(only(stream), only(whole), name);
    }
  });

  test("a stream cut before its last event never ends, and what it brought is the beginning of the whole", () => {
    for (const { name, events } of streams) {
      const whole = summary(streamed(events));
      const step = Math.max(1, Math.floor(events.length / 40));
      for (let cut = 0; cut < events.length; cut += events.length - cut <= 4 ? 1 : step) {
        const part = summary(streamed(events.slice(0, cut)));
        assert.ok(whole.text.startsWith(part.text) && whole.reasoning.startsWith(part.reasoning), name);
        assert.deepEqual([part.finish, part.usage, part.error], [[], undefined, undefined], `${name} cut at ${cut}`);
        assert.notEqual(part.last, "end");
      }
    }
  });

  test("case 43: where the bytes are split changes no event", () => {
    const picked = streams.filter(({ events }) => events.length < 400);
    fc.assert(
      fc.property(fc.nat(), fc.array(fc.integer({ min: 1, max: 4_000 }), { minLength: 1, maxLength: 8 }), fc.boolean(), (pick, sizes, crlf) => {
        const recording = picked[pick % picked.length];
        assert.ok(recording !== undefined);
        const end = crlf ? "\r\n" : "\n";
        const text = recording.events.map(({ event, data }) => `event: ${event}${end}data: ${data}${end}${end}`).join("");
        const bytes = new TextEncoder().encode(text);
        const framed: SseEvent[] = [];
        const framer = new SseFramer((frame) => framed.push({ ...eventOf(frame) }));
        for (let at = 0, turn = 0; at < bytes.length; turn++) {
          const size = sizes[turn % sizes.length] ?? 1;
          framer.push(bytes.slice(at, at + size));
          at += size;
        }
        framer.end();
        assert.deepEqual(streamed(framed), streamed(recording.events));
      }),
      { numRuns: 60 },
    );
  });
});

/** Replace one place of a JSON value by something else. */
function mutate(value: Json, path: readonly number[], replacement: Json): Json {
  const [step, ...rest] = path;
  if (step === undefined || typeof value !== "object" || value === null) return replacement;
  if (Array.isArray(value)) {
    if (value.length === 0) return replacement;
    const at = step % value.length;
    return (value as readonly Json[]).map((one, i) => (i === at ? mutate(one, rest, replacement) : one));
  }
  const fields = value as JsonObject;
  const keys = Object.keys(fields);
  const key = keys[step % Math.max(1, keys.length)];
  return key === undefined ? replacement : { ...fields, [key]: mutate(fields[key] ?? null, rest, replacement) };
}

describe("mutated answers", { skip: recordingsAbsent }, () => {
  const replacement = fc.jsonValue() as fc.Arbitrary<Json>;
  const path = fc.array(fc.nat(30), { minLength: 0, maxLength: 6 });

  test("never make the reader throw; a JSON answer always ends with an end or an error", () => {
    fc.assert(
      fc.property(fc.nat(), path, replacement, (pick, where, other) => {
        const body = all[pick % all.length]?.response ?? {};
        const last = openaiResponses.decodeAnswer(mutate(body, where, other), context).at(-1)?.kind;
        assert.ok(last === "end" || last === "error");
      }),
      { numRuns: 1_500 },
    );
  });

  test("never make a stream throw, count below zero or go on after an end or an error", () => {
    const short = streams.map(({ events }) => [...events.slice(0, 12), ...events.slice(-12)]);
    fc.assert(
      fc.property(fc.nat(), fc.nat(24), fc.nat(24), path, replacement, (pick, at, drop, where, other) => {
        const events = (short[pick % short.length] ?? []).filter((_, i) => i !== drop);
        const mutated = events.map((event, i) => (i === at ? { ...event, data: JSON.stringify(mutate(JSON.parse(event.data) as Json, where, other)) } : event));
        const got = streamed(mutated);
        const over = got.findIndex(({ kind }) => kind === "end" || kind === "error");
        if (over >= 0) assert.equal(over, got.length - 1);
        for (const event of got) {
          if (event.kind === "usage") for (const tokens of Object.values(event.usage.units)) assert.ok(tokens >= 0 && Number.isSafeInteger(tokens));
          if (event.kind === "tool-arguments") assert.ok(got.some((start) => start.kind === "tool-start" && start.index === event.index));
        }
      }),
      { numRuns: 1_500 },
    );
  });
});
