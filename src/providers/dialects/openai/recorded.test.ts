import assert from "node:assert/strict";
import { test } from "node:test";
import fc from "fast-check";
import type { UsageFacts } from "../../../wire/facts.ts";
import type { StreamEvent } from "../../../wire/events.ts";
import type { Json, JsonObject } from "../../../wire/json.ts";
import { inputTokens, outputTokens } from "../../../wire/usage.ts";
import { ChunkEncoder, encodeAnswer } from "./encode.ts";
import { coveredRecordings, RECORDED, RECORDED_ERRORS, recordedEvents, recordedJson, sharedAbsent } from "./test-recorded.ts";
import type { Recorded } from "./test-recorded.ts";
import { descriptionAbsent, problems } from "./test-schemas.ts";
import { openaiChat } from "./upstream.ts";

const facts: UsageFacts = {
  reasoningInOutput: "guess",
  cacheReadPaths: ["/usage/prompt_tokens_details/cached_tokens", "/usage/cached_tokens"],
  cacheWritePaths: ["/usage/prompt_tokens_details/cache_write_tokens"],
  cacheInsideInput: true,
  cost: { path: "/usage/cost_in_usd_ticks", perUsd: 1e10 },
  includeUsageOption: true,
};
const context = { usage: facts, upstreamModel: "recorded" };
const streams = Object.keys(RECORDED).filter((file) => !file.endsWith(".json"));

function decode(file: string): readonly StreamEvent[] {
  if (file.endsWith(".json")) return openaiChat.decodeAnswer(recordedJson(file), context);
  const decoder = openaiChat.openStream(context);
  return [...recordedEvents(file).flatMap((event) => [...decoder.push(event)]), ...decoder.end()];
}

function summary(events: readonly StreamEvent[]) {
  const joined = (kind: "text" | "reasoning") =>
    events.map((event) => (event.kind === kind ? event.text : "")).join("");
  const tools: { id: string; name: string; arguments: string }[] = [];
  for (const event of events) {
    if (event.kind === "tool-start") tools[event.index] = { id: event.id, name: event.name, arguments: "" };
    const tool = event.kind === "tool-arguments" ? tools[event.index] : undefined;
    if (tool !== undefined && event.kind === "tool-arguments") tool.arguments += event.json;
  }
  const finish = events.find((event) => event.kind === "finish");
  const usage = events.findLast((event) => event.kind === "usage")?.usage;
  return { text: joined("text"), reasoning: joined("reasoning"), tools, finish, usage };
}

function assertHolds(events: readonly StreamEvent[], expected: Recorded): void {
  const got = summary(events);
  if (typeof expected.text === "string") assert.equal(got.text, expected.text);
  else {
    assert.equal(got.text.length, expected.text.length);
    assert.ok(got.text.startsWith(expected.text.from) && got.text.endsWith(expected.text.to));
  }
  assert.equal(got.reasoning.length, expected.reasoningLength);
  assert.deepEqual(got.tools, expected.tools);
  assert.equal(got.finish?.native, expected.finish);
  assert.equal(got.finish?.reason, expected.finish);
  assert.equal(events.at(-1)?.kind, "end");
  if (expected.usage === null) {
    assert.equal(got.usage, undefined);
    return;
  }
  const { prompt, completion, cached = 0, reasoning = 0, reasoningOutside = false, ticks, tier } = expected.usage;
  const units = got.usage?.units ?? {};
  assert.equal(units.input ?? 0, prompt - cached);
  assert.equal(units.cache_read ?? 0, cached);
  assert.equal(units.output ?? 0, reasoningOutside ? completion : completion - reasoning);
  assert.equal(units.reasoning ?? 0, reasoning);
  assert.equal(got.usage?.providerCostNanoUsd, ticks === undefined ? undefined : ticks / 10);
  assert.equal(got.usage?.serviceTier, tier);
  assert.equal(got.usage?.flags, undefined);
}

for (const [file, expected] of Object.entries(RECORDED)) {
  test(`${file} decodes to the text, tools, finish reason and usage it holds`, { skip: sharedAbsent }, () => {
    assertHolds(decode(file), expected);
  });
}

for (const file of RECORDED_ERRORS) {
  test(`${file} is read as the client's mistake, with the provider's words`, { skip: sharedAbsent }, () => {
    const error = openaiChat.readError(400, () => undefined, recordedJson(file), "", 0);
    assert.equal(error.class, "bad_request");
    assert.equal(error.code, "unsupported_parameter");
    assert.equal(error.param, "max_tokens");
    assert.match(error.message, /'max_tokens' is not supported/);
  });
}

test("no recording is listed twice and at least 25 have their values asserted", () => {
  assert.equal(new Set(coveredRecordings()).size, coveredRecordings().length);
  assert.ok(Object.keys(RECORDED).length >= 25);
});

test("the classes of every recording add up to the provider's total", { skip: sharedAbsent }, () => {
  for (const file of Object.keys(RECORDED)) {
    const usage = summary(decode(file)).usage;
    if (usage === undefined) continue;
    const total = (usage.raw as { total_tokens: number }).total_tokens;
    assert.equal(inputTokens(usage.units) + outputTokens(usage.units), total, file);
    for (const tokens of Object.values(usage.units)) assert.ok(tokens >= 0, file);
  }
});

test("a stream and the same answer as JSON give one result", { skip: sharedAbsent }, () => {
  for (const file of streams) {
    const events = decode(file);
    const { text, reasoning, tools, finish, usage } = summary(events);
    const body: Json = {
      id: "x", object: "chat.completion", created: 1, model: "m",
      ...(usage === undefined ? {} : { usage: usage.raw }),
      ...(usage?.serviceTier === undefined ? {} : { service_tier: usage.serviceTier }),
      choices: [{
        index: 0,
        finish_reason: finish?.native ?? null,
        message: {
          role: "assistant", content: text, reasoning_content: reasoning,
          tool_calls: tools.map((tool) => ({ id: tool.id, type: "function", function: { name: tool.name, arguments: tool.arguments } })),
        },
      }],
    };
    const whole = summary(openaiChat.decodeAnswer(body, context));
    assert.deepEqual(whole, { text, reasoning, tools, finish, usage }, file);
  }
});

test("a stream cut at any event never throws, never passes for whole and never brings usage that was not sent", { skip: sharedAbsent }, () => {
  for (const file of streams) {
    const events = recordedEvents(file);
    const whole = summary(decode(file));
    const sent = new Set(events.map((event) => (event.data.startsWith("{") ? JSON.stringify((JSON.parse(event.data) as { usage?: Json }).usage ?? null) : "")));
    const step = Math.max(1, Math.floor(events.length / 60));
    for (let cut = 0; cut < events.length; cut += events.length - cut < 5 ? 1 : step) {
      const decoder = openaiChat.openStream(context);
      const got = events.slice(0, cut).flatMap((event) => [...decoder.push(event)]);
      got.push(...decoder.end());
      const part = summary(got);
      assert.ok(whole.text.startsWith(part.text) && whole.reasoning.startsWith(part.reasoning), file);
      const finished = part.finish !== undefined;
      assert.equal(got.some((event) => event.kind === "end"), finished, `${file} cut at ${cut}`);
      if (finished) assert.deepEqual([part.text, part.tools], [whole.text, whole.tools], file);
      if (part.usage !== undefined) assert.ok(sent.has(JSON.stringify(part.usage.raw)), `${file} cut at ${cut}`);
    }
  }
});

test("every recording written for a client is valid by OpenAI's description, as chunks and as a completion", { skip: sharedAbsent || descriptionAbsent }, () => {
  for (const file of Object.keys(RECORDED)) {
    const events = decode(file);
    assert.deepEqual(problems("CreateChatCompletionResponse", encodeAnswer(events, { id: "a", model: "m", createdS: 1 })), [], file);
    const encoder = new ChunkEncoder({ id: "a", model: "m", createdS: 1, includeUsage: true });
    for (const chunk of events.flatMap((event) => encoder.encode(event))) {
      assert.deepEqual(problems("CreateChatCompletionStreamResponse", chunk), [], file);
    }
  }
});

test("what was written for a client decodes to the same answer again", { skip: sharedAbsent }, () => {
  for (const [file, expected] of Object.entries(RECORDED)) {
    const events = decode(file);
    // Written out, reasoning is always part of the completion, and the provider's own charge stays ours.
    const plain = expected.usage === null ? null : { ...expected.usage, reasoningOutside: false };
    const completion = (expected.usage?.completion ?? 0) + (expected.usage?.reasoningOutside === true ? (expected.usage.reasoning ?? 0) : 0);
    const again: Recorded = { ...expected, usage: plain === null ? null : { ...plain, completion, ticks: undefined, tier: expected.usage?.tier === "default" ? "default" : undefined } };
    assertHolds(openaiChat.decodeAnswer(encodeAnswer(events, { id: "a", model: "m", createdS: 1 }), context), again);
    const encoder = new ChunkEncoder({ id: "a", model: "m", createdS: 1, includeUsage: true });
    const decoder = openaiChat.openStream(context);
    const texts = [...events.flatMap((event) => encoder.encodeJson(event)), "[DONE]"];
    assertHolds(texts.flatMap((data) => [...decoder.push({ event: "", data })]), again);
  }
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
  const object = value as JsonObject;
  const keys = Object.keys(object);
  const key = keys[step % Math.max(1, keys.length)];
  if (key === undefined) return replacement;
  return { ...object, [key]: mutate(object[key] ?? null, rest, replacement) };
}

test("mutated answers and chunks never make a decoder throw, and every answer ends with an end or an error", { skip: sharedAbsent }, () => {
  const bodies = Object.keys(RECORDED).filter((file) => file.endsWith(".json")).map(recordedJson);
  const chunks = streams.map((file) => recordedEvents(file)).map((events) => [...events.slice(0, 3), ...events.slice(-4)]);
  const replacement = fc.jsonValue() as fc.Arbitrary<Json>;
  const path = fc.array(fc.nat(30), { minLength: 0, maxLength: 6 });
  fc.assert(
    fc.property(fc.nat(), path, replacement, (pick, where, other) => {
      const body = bodies[pick % bodies.length];
      assert.ok(body !== undefined);
      const last = openaiChat.decodeAnswer(mutate(body, where, other), context).at(-1);
      assert.ok(last?.kind === "end" || last?.kind === "error");
    }),
    { numRuns: 1500 },
  );
  fc.assert(
    fc.property(fc.nat(), fc.nat(6), path, replacement, (pick, at, where, other) => {
      const decoder = openaiChat.openStream(context);
      const events = chunks[pick % chunks.length] ?? [];
      const got = events.flatMap((event, i) => {
        if (i !== at || !event.data.startsWith("{")) return [...decoder.push(event)];
        const data = JSON.stringify(mutate(JSON.parse(event.data) as Json, where, other));
        return [...decoder.push({ event: "", data })];
      });
      got.push(...decoder.end());
      for (const event of got) {
        if (event.kind === "usage") for (const tokens of Object.values(event.usage.units)) assert.ok(tokens >= 0 && Number.isSafeInteger(tokens));
      }
    }),
    { numRuns: 1500 },
  );
});

test("text that is not JSON ends a stream with one malformed error, whatever it is", () => {
  fc.assert(
    fc.property(fc.string(), (data) => {
      let isJson = true;
      try {
        JSON.parse(data);
      } catch {
        isJson = false;
      }
      fc.pre(!isJson && data !== "" && data.trim() !== "[DONE]");
      const decoder = openaiChat.openStream(context);
      const [event] = decoder.push({ event: "", data });
      assert.equal(event?.kind === "error" ? event.error.class : undefined, "malformed");
      assert.deepEqual(decoder.push({ event: "", data: "[DONE]" }), []);
    }),
  );
});
