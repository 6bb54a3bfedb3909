import assert from "node:assert/strict";
import { describe, test } from "node:test";
import fc from "fast-check";
import { gatewayError } from "../../../wire/errors.ts";
import type { StreamEvent } from "../../../wire/events.ts";
import { CONTEXT, fold } from "../anthropic/test-hub.ts";
import { bedrockClient, bedrockConverse } from "./index.ts";
import { decodedAll, framesOf, head, payloads, USAGE, written } from "./test-hub.ts";

const START: StreamEvent = { kind: "start", id: "up", model: "theirs", createdS: 1 };
function say(kind: "text" | "reasoning" | "refusal", text: string): StreamEvent {
  return { kind, choice: 0, text };
}
function call(index: number, json?: string): readonly StreamEvent[] {
  const start: StreamEvent = { kind: "tool-start", choice: 0, index, id: `t${index}`, name: `f${index}`, thoughtSignature: undefined };
  return json === undefined ? [start] : [start, { kind: "tool-arguments", choice: 0, index, json }];
}
function finish(reason: Extract<StreamEvent, { kind: "finish" }>["reason"], native = ""): StreamEvent {
  return { kind: "finish", choice: 0, reason, native };
}
function delta(contentBlockIndex: number, delta: object): object {
  return { contentBlockDelta: { contentBlockIndex, delta } };
}
function stopped(contentBlockIndex: number): object {
  return { contentBlockStop: { contentBlockIndex } };
}
const COUNTS = { inputTokens: 10, outputTokens: 5, totalTokens: 15, cacheReadInputTokens: 0, cacheWriteInputTokens: 0 };

describe("a stream", () => {
  test("is written as the host writes it: blocks one by one, the stop reason, then the usage", () => {
    const events = [START, say("reasoning", "hm"), { kind: "signature", choice: 0, signature: "s" } as const, say("text", "a"), say("text", "b"), ...call(0, '{"x":1}'), finish("tool_calls")];
    assert.deepEqual(payloads(written(events, USAGE, { cost_usd: "0.1" })), [
      { messageStart: { role: "assistant" } },
      delta(0, { reasoningContent: { text: "hm" } }), delta(0, { reasoningContent: { signature: "s" } }), stopped(0),
      delta(1, { text: "a" }), delta(1, { text: "b" }), stopped(1),
      { contentBlockStart: { contentBlockIndex: 2, start: { toolUse: { toolUseId: "t0", name: "f0" } } } }, delta(2, { toolUse: { input: '{"x":1}' } }), stopped(2),
      { messageStop: { stopReason: "tool_use" } },
      { metadata: { usage: COUNTS, spillway: { cost_usd: "0.1" } } },
    ]);
  });

  test("begins and ends properly whatever came between", () => {
    assert.deepEqual(payloads(written([])), [{ messageStart: { role: "assistant" } }, { messageStop: { stopReason: "end_turn" } }, { metadata: { usage: COUNTS } }]);
    assert.deepEqual(payloads(written([say("text", ""), say("text", "a")])).map((event) => Object.keys(event)[0]), ["messageStart", "contentBlockDelta", "contentBlockStop", "messageStop", "metadata"]);
  });

  test("case 11: a call without arguments is told an empty object", () => {
    const told = payloads(written([START, ...call(0), finish("tool_calls")]));
    assert.deepEqual(told.slice(1, 4), [{ contentBlockStart: { contentBlockIndex: 0, start: { toolUse: { toolUseId: "t0", name: "f0" } } } }, delta(0, { toolUse: { input: "{}" } }), stopped(0)]);
  });

  test("calls that come woven together are told one after the other", () => {
    const piece = (index: number, json: string): StreamEvent => ({ kind: "tool-arguments", choice: 0, index, json });
    const events = [START, ...call(0, '{"a"'), ...call(1, '{"b"'), piece(0, ":1}"), piece(1, ":2}"), finish("tool_calls")];
    assert.deepEqual(fold(decodedAll(framesOf(written(events)))).tools, ['t0 f0 {"a":1}', 't1 f1 {"b":2}']);
  });

  test("an error in the middle is an exception", () => {
    const encoder = bedrockClient.openEncoder(head());
    const frames = [encoder.encode(START), encoder.encode(say("text", "a")), encoder.failed(gatewayError("upstream_truncated", "it broke"), null)];
    const [error] = fold(decodedAll(framesOf(frames))).errors;
    assert.deepEqual([error?.type, error?.message, error?.class], ["modelStreamErrorException", "it broke", "server"]);
  });

  test("a sign of life is an event that says nothing", () => {
    assert.deepEqual(framesOf([bedrockClient.keepAlive]), [{ event: "ping", data: "{}" }]);
  });
});

test("stop reasons have this dialect's words, and keep the host's own where it is one of them", () => {
  const rows: readonly (readonly [StreamEvent, string])[] = [
    [finish("stop", "stop"), "end_turn"], [finish("stop", "stop_sequence"), "stop_sequence"], [finish("length", "length"), "max_tokens"],
    [finish("length", "model_context_window_exceeded"), "model_context_window_exceeded"], [finish("content_filter", "SAFETY"), "content_filtered"],
    [finish("content_filter", "guardrail_intervened"), "guardrail_intervened"], [finish("tool_calls"), "tool_use"],
  ];
  for (const [event, reason] of rows) {
    const answer = bedrockClient.encodeAnswer([START, say("text", "a"), event], head());
    assert.equal(answer.stopReason, reason);
    assert.deepEqual(payloads(written([START, say("text", "a"), event])).at(-2), { messageStop: { stopReason: reason } });
  }
  assert.equal(bedrockClient.encodeAnswer([say("refusal", "no"), finish("stop")], head()).stopReason, "content_filtered");
});

describe("a whole answer", () => {
  test("has content in its order, arguments as an object and the counts", () => {
    const events = [START, say("reasoning", "h"), say("reasoning", "m"), { kind: "redacted", choice: 0, data: "YWI=" } as const, say("text", "a"), ...call(0, '{"x":1}'), ...call(1), finish("tool_calls"), { kind: "usage", usage: USAGE } as const];
    assert.deepEqual(bedrockClient.encodeAnswer(events, head()), {
      output: {
        message: {
          role: "assistant",
          content: [
            { reasoningContent: { reasoningText: { text: "hm" } } }, { reasoningContent: { redactedContent: "YWI=" } }, { text: "a" },
            { toolUse: { toolUseId: "t0", name: "f0", input: { x: 1 } } }, { toolUse: { toolUseId: "t1", name: "f1", input: {} } },
          ],
        },
      },
      stopReason: "tool_use",
      usage: COUNTS,
    });
  });

  test("arguments that were cut off are told as what they are", () => {
    const answer = bedrockClient.encodeAnswer([...call(0, '{"x":'), finish("length")], head());
    assert.match(JSON.stringify(answer), /"input":\{"INVALID_JSON":"\{\\"x\\":"\}/);
  });

  test("of no real provider says so where models put fields of their own", () => {
    assert.deepEqual(bedrockClient.encodeAnswer([say("text", "a"), finish("stop")], head(true)).additionalModelResponseFields, { system_fingerprint: "spillway-simulated" });
  });
});

test("usage counts caches outside the input, writes by lifetime, and reasoning inside the output", () => {
  const units = { input: 3, audio_input: 1, cache_read: 7, cache_write_5m: 10, cache_write_1h: 20, output: 5, reasoning: 4 };
  const told = payloads(written([START, say("text", "a"), finish("stop")], { units, serviceTier: "priority", raw: null })).at(-1);
  assert.deepEqual(told, {
    metadata: {
      usage: { inputTokens: 4, outputTokens: 9, totalTokens: 50, cacheReadInputTokens: 7, cacheWriteInputTokens: 30, cacheDetails: [{ ttl: "1h", inputTokens: 20 }, { ttl: "5m", inputTokens: 10 }] },
      serviceTier: { type: "priority" },
    },
  });
});

test("what is written, whole or as a stream, is read back the same by the other half", () => {
  const text = fc.string({ unit: "grapheme", minLength: 1, maxLength: 12 });
  const piece = fc.oneof(
    text.map((one) => [say("text", one)]), text.map((one) => [say("reasoning", one)]), fc.jsonValue().map((value) => call(0, JSON.stringify({ value }))),
    text.map((signature): readonly StreamEvent[] => [say("reasoning", "r"), { kind: "signature", choice: 0, signature }]),
    fc.base64String({ minLength: 4, maxLength: 12 }).map((data): readonly StreamEvent[] => [{ kind: "redacted", choice: 0, data }]),
  );
  fc.assert(fc.property(fc.array(piece, { minLength: 1, maxLength: 8 }), (pieces) => {
    let calls = -1;
    const content = [say("text", "x"), ...pieces.flat().map((event): StreamEvent => {
      if (event.kind === "tool-start") return { ...event, index: ++calls, id: `t${calls}` };
      return event.kind === "tool-arguments" ? { ...event, index: calls } : event;
    })];
    const events = [START, ...content, finish(calls < 0 ? "stop" : "tool_calls"), { kind: "usage", usage: USAGE } as const];
    const streamedBack = fold(decodedAll(framesOf(written(events))));
    const wholeBack = fold(bedrockConverse.decodeAnswer(JSON.parse(JSON.stringify(bedrockClient.encodeAnswer(events, head()))), CONTEXT));
    const told = fold(content);
    for (const back of [streamedBack, wholeBack]) {
      assert.deepEqual([back.text, back.reasoning, back.tools.map((one) => parsedCall(one)), back.ended], [told.text, told.reasoning, told.tools.map((one) => parsedCall(one)), true]);
      assert.deepEqual(back.usage?.units, USAGE.units);
    }
  }));
});

/** Spacing of arguments is nobody's promise. */
function parsedCall(folded: string): readonly unknown[] {
  const [id, name, ...json] = folded.split(" ");
  return [id, name, JSON.parse(json.join(" "))];
}
