import assert from "node:assert/strict";
import { describe, test } from "node:test";
import fc from "fast-check";
import { EventStreamFramer, eventOfMessage } from "../../../wire/event-stream.ts";
import type { StreamEvent } from "../../../wire/events.ts";
import type { Json, JsonObject } from "../../../wire/json.ts";
import { CONTEXT, fold } from "../anthropic/test-hub.ts";
import { joinFrames, eventFrame } from "./client-frames.ts";
import { bedrockConverse } from "./index.ts";
import { streamed } from "./test-hub.ts";

const START: JsonObject = { messageStart: { role: "assistant" } };
const METADATA: JsonObject = { metadata: { usage: { inputTokens: 3, outputTokens: 2, totalTokens: 5 }, metrics: { latencyMs: 1 } } };
function stop(stopReason: string): JsonObject {
  return { messageStop: { stopReason } };
}
function delta(delta: JsonObject, contentBlockIndex = 0): JsonObject {
  return { contentBlockDelta: { contentBlockIndex, delta, p: "abcd" } };
}
function toolStart(contentBlockIndex: number, name = "f"): JsonObject {
  return { contentBlockStart: { contentBlockIndex, start: { toolUse: { toolUseId: `t${contentBlockIndex}`, name } } } };
}
function close(contentBlockIndex = 0): JsonObject {
  return { contentBlockStop: { contentBlockIndex } };
}
function kinds(events: readonly StreamEvent[]): string {
  return events.map(({ kind }) => kind).join(" ");
}
function whole(body: Json): readonly StreamEvent[] {
  return bedrockConverse.decodeAnswer(body, CONTEXT);
}
function message(content: readonly Json[], stopReason = "end_turn"): JsonObject {
  return { output: { message: { role: "assistant", content } }, stopReason, usage: { inputTokens: 3, outputTokens: 2, totalTokens: 5 } };
}

describe("the end of a stream", () => {
  test("case 46: usage may come before or after the stop reason, and the answer ends when both are there", () => {
    assert.equal(kinds(streamed([START, delta({ text: "a" }), close(), stop("end_turn"), METADATA])), "start text finish usage end");
    assert.equal(kinds(streamed([START, delta({ text: "a" }), close(), METADATA, stop("end_turn")])), "start text usage finish end");
  });

  test("a stop reason without usage ends when the body does; neither is a truncation that nothing hides", () => {
    assert.equal(kinds(streamed([START, delta({ text: "a" }), stop("end_turn")])), "start text finish end");
    assert.equal(kinds(streamed([START, delta({ text: "a" }), close()])), "start text");
    assert.equal(kinds(streamed([START, delta({ text: "a" }), METADATA])), "start text usage");
  });

  test("nothing is told after the end", () => {
    assert.equal(kinds(streamed([START, delta({ text: "a" }), stop("end_turn"), METADATA, delta({ text: "b" }), METADATA])), "start text finish usage end");
  });

  test("an answer of nothing is empty, and what it cost is known first", () => {
    const answer = streamed([START, stop("end_turn"), METADATA]);
    assert.equal(kinds(answer), "start usage error");
    assert.equal(fold(answer).errors[0]?.class, "empty");
    assert.equal(kinds(streamed([START, stop("max_tokens"), METADATA])), "start finish usage end");
  });

  test("a stop reason that tells a failure waits for the usage", () => {
    assert.equal(kinds(streamed([START, delta({ text: "a" }), stop("malformed_tool_use"), METADATA])), "start text usage finish end");
    assert.deepEqual(fold(streamed([START, stop("malformed_model_output")])).finish, ["error malformed_model_output"]);
  });
});

test("stop reasons have the hub's words", () => {
  const rows: readonly (readonly [string, string])[] = [
    ["end_turn", "stop"], ["stop_sequence", "stop"], ["max_tokens", "length"], ["model_context_window_exceeded", "length"],
    ["content_filtered", "content_filter"], ["guardrail_intervened", "content_filter"], ["malformed_model_output", "error"],
  ];
  for (const [native, reason] of rows) assert.deepEqual(fold(whole(message([{ text: "a" }], native))).finish, [`${reason} ${native}`]);
  const calls = message([{ toolUse: { toolUseId: "t", name: "f", input: {} } }], "tool_use");
  assert.deepEqual(fold(whole(calls)).finish, ["tool_calls tool_use"]);
  assert.deepEqual(fold(whole({ ...calls, stopReason: "end_turn" })).finish, ["tool_calls end_turn"]);
  const unknown = fold(whole(message([{ text: "a" }], "new_reason")));
  assert.deepEqual([unknown.finish, unknown.warnings], [["stop new_reason"], ["the stop reason new_reason is not known"]]);
});

describe("tool calls", () => {
  test("case 11: a call without arguments gives an empty object, however none were told", () => {
    for (const pieces of [[], [""], ["null"], ["nu", "ll"], ["", ""]]) {
      const answer = streamed([START, toolStart(0), ...pieces.map((input) => delta({ toolUse: { input } })), close(), stop("tool_use"), METADATA]);
      assert.deepEqual(fold(answer).tools, ["t0 f {}"]);
    }
    for (const input of [{}, "", null, "null", undefined]) {
      assert.deepEqual(fold(whole(message([{ toolUse: { toolUseId: "t", name: "f", input } } as JsonObject], "tool_use"))).tools, ["t f {}"]);
    }
  });

  test("count from zero among themselves, and have the client's names", () => {
    const answer = streamed([START, delta({ text: "a" }), close(), toolStart(1, "x_1"), delta({ toolUse: { input: "{}" } }, 1), close(1), toolStart(2), close(2), stop("tool_use"), METADATA], { x_1: "x.1" });
    assert.deepEqual(fold(answer).tools, ["t1 x.1 {}", "t2 f {}"]);
    assert.deepEqual(answer.flatMap((event) => (event.kind === "tool-start" ? [event.index] : [])), [0, 1]);
  });

  test("arguments for a call that was never begun are malformed", () => {
    assert.equal(fold(streamed([START, delta({ toolUse: { input: "{}" } })])).errors[0]?.class, "malformed");
    assert.equal(fold(streamed([START, { contentBlockStart: { contentBlockIndex: 0, start: { toolUse: { name: "f" } } } }])).errors[0]?.class, "malformed");
  });
});

describe("reasoning", () => {
  test("case 22: text comes first and its signature closes it, joined where it came in pieces", () => {
    const answer = streamed([START, delta({ reasoningContent: { text: "hm" } }), delta({ reasoningContent: { signature: "ab" } }), delta({ reasoningContent: { signature: "cd" } }), close(), delta({ text: "x" }, 1), close(1), stop("end_turn"), METADATA]);
    assert.equal(kinds(answer), "start reasoning signature text finish usage end");
    assert.deepEqual(answer[2], { kind: "signature", choice: 0, signature: "abcd" });
  });

  test("a block with a signature and no words is told; a block that never closes is closed by the stop", () => {
    assert.equal(kinds(streamed([START, delta({ reasoningContent: { text: "" } }), delta({ reasoningContent: { signature: "s" } }), delta({ text: "x" }, 1), stop("end_turn"), METADATA])), "start text signature finish usage end");
  });

  test("case 23: redacted reasoning comes out whole, in both of its forms", () => {
    const answer = streamed([START, delta({ reasoningContent: { redactedContent: "YWI=" } }), close(), delta({ text: "x" }, 1), close(1), stop("end_turn"), METADATA]);
    assert.deepEqual(answer[1], { kind: "redacted", choice: 0, data: "YWI=" });
    for (const reasoningContent of [{ redactedContent: "YWI=" }, { redactedReasoning: { data: "YWI=" } }]) {
      assert.deepEqual(whole(message([{ reasoningContent }, { text: "x" }]))[1], { kind: "redacted", choice: 0, data: "YWI=" });
    }
  });
});

describe("what has no counterpart", () => {
  test("is named once and never taken for nothing", () => {
    const grounded = [{ contentBlockStart: { contentBlockIndex: 0, start: { toolUse: { toolUseId: "t", name: "nova_grounding", type: "server_tool_use" } } } }, delta({ toolUse: { input: "{}" } }), close()];
    const answer = fold(streamed([START, ...grounded, delta({ text: "x" }, 1), delta({ citation: { title: "t" } }, 1), delta({ citation: {} }, 1), close(1), { newEvent: {} }, stop("end_turn"), METADATA]));
    assert.deepEqual(answer.tools, []);
    assert.deepEqual(answer.warnings, ["content of type server_tool_use has no counterpart and was left out", "citations have no counterpart and were left out", "events of type newEvent have no counterpart and were left out"]);
    assert.deepEqual(fold(whole(message([{ image: { format: "png" } }]))).errors, []);
  });

  test("cited text is text", () => {
    const answer = fold(whole(message([{ citationsContent: { content: [{ text: "a" }, { text: "b" }], citations: [{}] } }])));
    assert.deepEqual([answer.text, answer.warnings], ["ab", ["citations have no counterpart and were left out"]]);
  });
});

describe("errors inside an answer", () => {
  test("an exception ends the stream in its class", () => {
    const rows: readonly (readonly [string, string, number])[] = [
      ["throttlingException", "rate", 429], ["serviceUnavailableException", "overload", 503], ["internalServerException", "server", 500],
      ["modelStreamErrorException", "server", 424], ["validationException", "bad_request", 400], ["modelTimeoutException", "timeout", 408], ["somethingNewException", "server", 500],
    ];
    for (const [type, failure, status] of rows) {
      const [error] = fold(streamed([START, delta({ text: "a" }), { [type]: { message: "words" } }, METADATA])).errors;
      assert.deepEqual([error?.class, error?.status, error?.message, error?.type], [failure, status, "words", type]);
    }
  });

  test("a body that is no answer is an error, as it tells or malformed", () => {
    assert.equal(fold(whole({ Output: { __type: "com.amazon.coral.service#UnknownOperationException" }, Version: "1.0" })).errors[0]?.class, "not_found");
    assert.equal(fold(whole({ __type: "ThrottlingException", message: "slow" })).errors[0]?.class, "rate");
    for (const body of [null, [], "x", {}, { output: {} }, { output: { message: { content: "x" } } }, message([7])]) assert.equal(fold(whole(body)).errors[0]?.class, "malformed");
    assert.equal(fold(whole({ ...message([{ text: "a" }]), stopReason: undefined })).errors[0]?.class, "truncated");
  });

  test("events that are not JSON are malformed", () => {
    const decoder = bedrockConverse.openStream(CONTEXT);
    assert.equal(fold(decoder.push({ event: "messageStart", data: "{" })).errors[0]?.class, "malformed");
  });
});

describe("usage", () => {
  function units(usage: JsonObject): unknown {
    return fold(whole({ ...message([{ text: "a" }]), usage })).usage;
  }

  test("caches are outside the input, and writes are told by lifetime", () => {
    const raw = { inputTokens: 3, outputTokens: 5, totalTokens: 1_000, cacheReadInputTokens: 7, cacheWriteInputTokens: 30, cacheDetails: [{ ttl: "1h", inputTokens: 20 }, { ttl: "5m", inputTokens: 10 }] };
    assert.deepEqual(units(raw), { units: { input: 3, cache_read: 7, cache_write_5m: 10, cache_write_1h: 20, output: 5 }, raw });
  });

  test("writes without a split live five minutes; a split that does not add up is flagged", () => {
    assert.deepEqual((units({ inputTokens: 1, outputTokens: 1, cacheWriteInputTokenCount: 4 }) as { units: unknown }).units, { input: 1, cache_write_5m: 4, output: 1 });
    const odd = { inputTokens: 1, outputTokens: 1, cacheWriteInputTokens: 9, cacheDetails: [{ ttl: "1h", inputTokens: 4 }] };
    assert.deepEqual(units(odd), { units: { input: 1, cache_write_1h: 9, output: 1 }, flags: ["cache_write_ttl_unclear"], raw: odd });
  });

  test("what is missing is flagged, what is no count is unknown, and the tier that served is told", () => {
    const raw = { outputTokens: 2, inputTokens: -1 };
    assert.deepEqual(units(raw), { units: { output: 2 }, flags: ["usage_incomplete"], raw });
    assert.equal(units({}), undefined);
    const tiered = streamed([START, delta({ text: "a" }), stop("end_turn"), { metadata: { usage: { inputTokens: 1, outputTokens: 1 }, serviceTier: { type: "flex" } } }]);
    assert.equal(fold(tiered).usage?.serviceTier, "flex");
  });
});

const SOURCE = joinFrames([
  eventFrame("messageStart", '{"role":"assistant"}'), eventFrame("contentBlockDelta", '{"contentBlockIndex":0,"delta":{"reasoningContent":{"text":"hm"}}}'),
  eventFrame("contentBlockStart", '{"contentBlockIndex":1,"start":{"toolUse":{"toolUseId":"t","name":"f"}}}'), eventFrame("contentBlockDelta", '{"contentBlockIndex":1,"delta":{"toolUse":{"input":"{}"}}}'),
  eventFrame("messageStop", '{"stopReason":"tool_use"}'), eventFrame("metadata", '{"usage":{"inputTokens":1,"outputTokens":1}}'),
]);

test("mutated bytes, and events of any shape, never throw and never pass for whole", () => {
  fc.assert(fc.property(fc.array(fc.tuple(fc.nat(SOURCE.length - 1), fc.nat(255)), { minLength: 1, maxLength: 4 }), fc.nat(SOURCE.length), (changes, cut) => {
    const bytes = Uint8Array.from(SOURCE);
    for (const [at, byte] of changes) bytes[at] = byte;
    const changed = bytes.some((byte, at) => byte !== SOURCE[at]);
    const decoder = bedrockConverse.openStream(CONTEXT);
    const events: StreamEvent[] = [];
    const framer = new EventStreamFramer((frame) => events.push(...decoder.push(eventOfMessage(frame))));
    framer.push(bytes.slice(0, cut));
    framer.push(bytes.slice(cut));
    assert.equal(framer.end() === null && fold(events).ended, !changed);
  }));
  const names = fc.constantFrom("messageStart", "contentBlockStart", "contentBlockDelta", "contentBlockStop", "messageStop", "metadata", "xException", "y");
  const shaped = fc.record({ contentBlockIndex: fc.oneof(fc.nat(2), fc.jsonValue()), delta: fc.oneof(fc.record({ text: fc.jsonValue() }), fc.record({ toolUse: fc.jsonValue() }), fc.record({ reasoningContent: fc.jsonValue() }), fc.jsonValue()), start: fc.jsonValue(), stopReason: fc.jsonValue(), usage: fc.jsonValue() });
  fc.assert(fc.property(fc.array(fc.tuple(names, fc.oneof(shaped, fc.jsonValue())), { maxLength: 12 }), (events) => {
    const told = streamed(events.map(([name, value]) => ({ [name]: value as Json })));
    assert.ok(told.filter(({ kind }) => kind === "end" || kind === "error").length <= 1);
  }));
  fc.assert(fc.property(fc.jsonValue(), (body) => assert.ok(whole(body as Json).length > 0)));
});
