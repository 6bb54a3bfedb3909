/** Token classes are disjoint and whole: they add up to what the provider counted, none is negative, nothing is lost. */
import assert from "node:assert/strict";
import { test } from "node:test";
import fc from "fast-check";
import { encodeAnswer } from "../../src/providers/dialects/chat-surface.ts";
import { dialectById } from "../../src/providers/dialects/index.ts";
import { PROVIDERS } from "../../src/providers/registry.ts";
import type { UsageFacts } from "../../src/wire/facts.ts";
import type { Damaged } from "./streams.ts";
import type { Json, JsonObject } from "../../src/wire/json.ts";
import { inputTokens, outputTokens, UNITS, type Usage } from "../../src/wire/usage.ts";

const RUNS = 500;
const tokens = fc.oneof(fc.integer({ min: 0, max: 300_000 }), fc.constant(0));
/** Parts of a whole, in order, that never exceed it. */
const partsOf = (whole: fc.Arbitrary<number>, count: number): fc.Arbitrary<{ whole: number; parts: number[] }> =>
  fc.tuple(whole, fc.array(fc.double({ min: 0, max: 1, noNaN: true }), { minLength: count, maxLength: count })).map(([all, shares]) => {
    let left = all;
    const parts = shares.map((share) => {
      const part = Math.floor(left * share);
      left -= part;
      return part;
    });
    return { whole: all, parts };
  });

const ANSWERS: Readonly<Record<Damaged, (usage: Json) => JsonObject>> = {
  "openai-chat": (usage) => ({ id: "a", model: "m", choices: [{ index: 0, finish_reason: "stop", message: { role: "assistant", content: "x" } }], usage }),
  "anthropic-messages": (usage) => ({ id: "a", type: "message", role: "assistant", model: "m", content: [{ type: "text", text: "x" }], stop_reason: "end_turn", usage }),
  gemini: (usageMetadata) => ({ candidates: [{ index: 0, finishReason: "STOP", content: { parts: [{ text: "x" }] } }], usageMetadata }),
};
const STREAMS: Readonly<Record<Damaged, (usage: JsonObject) => readonly { event: string; data: string }[]>> = {
  "openai-chat": (usage) => [{ choices: [{ index: 0, delta: { content: "x" }, finish_reason: null }] }, { choices: [{ index: 0, delta: {}, finish_reason: "stop" }] }, { choices: [], usage }].map((data) => ({ event: "", data: JSON.stringify(data) })).concat({ event: "", data: "[DONE]" }),
  "anthropic-messages": (usage) =>
    [
      { type: "message_start", message: { id: "a", model: "m", usage: { ...usage, output_tokens: 1, output_tokens_details: null, iterations: null } } },
      { type: "content_block_start", index: 0, content_block: { type: "text", text: "x" } },
      { type: "content_block_stop", index: 0 },
      { type: "message_delta", delta: { stop_reason: "end_turn" }, usage },
      { type: "message_stop" },
    ].map((data) => ({ event: data.type, data: JSON.stringify(data) })),
  gemini: (usageMetadata) => [{ candidates: [{ index: 0, content: { parts: [{ text: "x" }] } }], usageMetadata: { promptTokenCount: 1, totalTokenCount: 1 } }, { candidates: [{ index: 0, finishReason: "STOP", content: { parts: [] } }], usageMetadata }].map((data) => ({ event: "", data: JSON.stringify(data) })),
};

function factsOf(provider: string): UsageFacts {
  const facts = PROVIDERS.get(provider)?.usage;
  assert.ok(facts !== undefined);
  return facts;
}

/** Usage as read from the whole answer and from the stream, which must agree. */
function usageOf(dialect: Damaged, provider: string, raw: JsonObject): Usage {
  const context = { usage: factsOf(provider), upstreamModel: "m" };
  const whole = dialectById(dialect).decodeAnswer(ANSWERS[dialect](raw), context).findLast((event) => event.kind === "usage");
  const decoder = dialectById(dialect).openStream(context);
  const streamed = [...STREAMS[dialect](raw).flatMap((event) => decoder.push(event)), ...decoder.end()].findLast((event) => event.kind === "usage");
  assert.ok(whole?.kind === "usage", "the answer's usage is seen");
  assert.deepEqual(streamed?.kind === "usage" ? streamed.usage.units : null, whole.usage.units, "stream and answer tell the same");
  checkWhole(whole.usage);
  return whole.usage;
}

/** No class negative or broken, and what the client is shown is what is billed. */
function checkWhole(usage: Usage): void {
  for (const unit of UNITS) {
    const count = usage.units[unit];
    assert.ok(count === undefined || (Number.isSafeInteger(count) && count >= 0), `${unit}: ${count}`);
  }
  const shown = encodeAnswer([{ kind: "usage", usage }], { id: "a", model: "m", createdS: 1 })["usage"] as { prompt_tokens: number; completion_tokens: number; total_tokens: number };
  assert.deepEqual([shown.prompt_tokens, shown.completion_tokens], [inputTokens(usage.units), outputTokens(usage.units)]);
  assert.equal(shown.total_tokens, shown.prompt_tokens + shown.completion_tokens);
}

for (const provider of ["openai", "groq", "deepseek", "xai", "openai-compatible"]) {
  test(`openai-chat: the classes of ${provider} add up to its prompt, completion and total`, () => {
    fc.assert(
      fc.property(partsOf(tokens, 3), partsOf(tokens, 2), fc.boolean(), ({ whole: prompt, parts: [cached, written, audioIn] }, { whole: completion, parts: [reasoning, audioOut] }, withTotal) => {
        const outside = provider === "xai" ? (reasoning ?? 0) : 0;
        const told = withTotal || provider === "openai-compatible";
        const usage = usageOf("openai-chat", provider, {
          prompt_tokens: prompt, completion_tokens: completion - outside, ...(told ? { total_tokens: prompt + completion } : {}),
          prompt_tokens_details: { cached_tokens: cached ?? 0, cache_write_tokens: written ?? 0, audio_tokens: audioIn ?? 0 },
          completion_tokens_details: { reasoning_tokens: reasoning ?? 0, audio_tokens: outside === 0 ? (audioOut ?? 0) : 0 },
        });
        assert.equal(inputTokens(usage.units), prompt);
        // Without a total, reasoning of more than the completion can only stand beside it: that is the upper bound.
        assert.equal(outputTokens(usage.units), completion);
        assert.equal(usage.units.cache_read ?? 0, cached);
        assert.equal(usage.units.reasoning ?? 0, reasoning);
      }),
      { numRuns: RUNS, ...(provider === "xai" ? { examples: [[{ whole: 12, parts: [0, 0, 0] }, { whole: 229, parts: [228, 0] }, true]] } : {}) },
    );
  });
}

test("anthropic-messages: input, reads and writes are disjoint, thinking is inside the output", () => {
  fc.assert(
    fc.property(tokens, tokens, tokens, tokens, partsOf(tokens, 1), (input, read, short, long, { whole: output, parts: [thinking] }) => {
      const usage = usageOf("anthropic-messages", "anthropic", {
        input_tokens: input, cache_read_input_tokens: read, cache_creation_input_tokens: short + long,
        cache_creation: { ephemeral_5m_input_tokens: short, ephemeral_1h_input_tokens: long }, output_tokens: output, output_tokens_details: { thinking_tokens: thinking ?? 0 },
      });
      assert.equal(inputTokens(usage.units), input + read + short + long);
      assert.equal(outputTokens(usage.units), output);
      assert.deepEqual([usage.units.cache_write_5m ?? 0, usage.units.cache_write_1h ?? 0, usage.units.reasoning ?? 0], [short, long, thinking]);
    }),
    { numRuns: RUNS },
  );
});

test("anthropic-messages: iterations say what is billed, whatever the sums at the top say", () => {
  const iteration = fc.record({ type: fc.constantFrom("message", "compaction", "advisor_message", "fallback_message"), model: fc.constantFrom(null, "a", "b"), input_tokens: tokens, output_tokens: tokens, cache_read_input_tokens: tokens, cache_creation_input_tokens: tokens });
  fc.assert(
    fc.property(fc.array(iteration, { minLength: 1, maxLength: 5 }), tokens, (iterations, top) => {
      const usage = usageOf("anthropic-messages", "anthropic", { input_tokens: top, output_tokens: top, iterations });
      assert.equal(inputTokens(usage.units), iterations.reduce((sum, one) => sum + one.input_tokens + one.cache_read_input_tokens + one.cache_creation_input_tokens, 0));
      assert.equal(outputTokens(usage.units), iterations.reduce((sum, one) => sum + one.output_tokens, 0));
      const entries = usage.entries ?? [];
      assert.equal(entries.reduce((sum, entry) => sum + inputTokens(entry.units) + outputTokens(entry.units), 0), inputTokens(usage.units) + outputTokens(usage.units), "the entries are all of it");
      assert.deepEqual(entries.map((entry) => entry.model), iterations.map((one) => one.model));
    }),
    { numRuns: RUNS },
  );
});

test("gemini: cached is inside the prompt, tool use beside it, thoughts beside the candidates", () => {
  fc.assert(
    fc.property(partsOf(tokens, 2), tokens, partsOf(tokens, 1), tokens, ({ whole: prompt, parts: [cached, audio] }, toolUse, { whole: candidates, parts: [spoken] }, thoughts) => {
      const total = prompt + toolUse + candidates + thoughts;
      const usage = usageOf("gemini", "google", {
        promptTokenCount: prompt, cachedContentTokenCount: cached ?? 0, toolUsePromptTokenCount: toolUse, candidatesTokenCount: candidates, thoughtsTokenCount: thoughts, totalTokenCount: total,
        promptTokensDetails: [{ modality: "TEXT", tokenCount: prompt - (audio ?? 0) }, { modality: "AUDIO", tokenCount: audio ?? 0 }], candidatesTokensDetails: [{ modality: "AUDIO", tokenCount: spoken ?? 0 }],
      });
      assert.equal(inputTokens(usage.units), prompt + toolUse);
      assert.equal(outputTokens(usage.units), candidates + thoughts);
      assert.equal(inputTokens(usage.units) + outputTokens(usage.units), total);
    }),
    { numRuns: RUNS },
  );
});

test("numbers that contradict each other, or are none, never make a class negative and never count below the prompt and completion told", () => {
  const odd = fc.oneof(tokens, fc.constantFrom<Json>(-1, 1.5, "7", null, true, [], {}, Number.MAX_SAFE_INTEGER, 1e300));
  const counted = (value: Json): number => (typeof value === "number" && Number.isSafeInteger(value) && value >= 0 ? value : 0);
  fc.assert(
    fc.property(fc.constantFrom("openai", "xai", "openai-compatible", "deepseek"), odd, odd, odd, odd, odd, odd, odd, (provider, prompt, completion, total, cached, written, reasoning, audio) => {
      fc.pre([prompt, completion, cached, written, reasoning].map(counted).reduce((sum, one) => sum + one, 0) < Number.MAX_SAFE_INTEGER);
      const raw = { prompt_tokens: prompt, completion_tokens: completion, total_tokens: total, prompt_tokens_details: { cached_tokens: cached, cache_write_tokens: written, audio_tokens: audio }, completion_tokens_details: { reasoning_tokens: reasoning, audio_tokens: audio } };
      const event = dialectById("openai-chat").decodeAnswer(ANSWERS["openai-chat"](raw), { usage: factsOf(provider), upstreamModel: "m" }).findLast((one) => one.kind === "usage");
      if (event?.kind !== "usage") return;
      checkWhole(event.usage);
      assert.ok(inputTokens(event.usage.units) >= counted(prompt), "never below the prompt");
      assert.ok(outputTokens(event.usage.units) >= counted(completion), "never below the completion");
    }),
    { numRuns: RUNS },
  );
});
