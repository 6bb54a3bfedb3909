/** Answers as they may come, beyond what was recorded. */
import assert from "node:assert/strict";
import { describe, test } from "node:test";
import type { StreamEvent } from "../../../wire/events.ts";
import type { Json } from "../../../wire/json.ts";
import { gemini } from "./index.ts";
import { chunk, CONTEXT, streamed, summary } from "./test-support.ts";

function kinds(events: readonly StreamEvent[]): string {
  return events.map((event) => event.kind).join(" ");
}
function errorOf(events: readonly StreamEvent[]) {
  const event = events.find((candidate) => candidate.kind === "error");
  return event?.kind === "error" ? event.error : undefined;
}
function answer(body: Json): readonly StreamEvent[] {
  return gemini.decodeAnswer(body, CONTEXT);
}
const functionCall = { name: "f", args: { a: 1 } };
const usageMetadata = { promptTokenCount: 5, candidatesTokenCount: 2, totalTokenCount: 7 };

describe("content", () => {
  test("thoughts are reasoning, a signature stands after the part that brought it, empty text is nothing", () => {
    const events = streamed([chunk([{ text: "hm", thought: true, thoughtSignature: "s1" }, { text: "" }, { text: "hi" }]), chunk([{ text: "", thoughtSignature: "s2" }], "STOP")]);
    assert.equal(kinds(events), "start reasoning signature text signature finish end");
  });
  test("a JSON answer gives the events of its stream", () => {
    const whole = chunk([{ text: "a" }, { functionCall, thoughtSignature: "s" }], "STOP", { usageMetadata });
    assert.deepEqual(answer(whole), streamed([whole]));
    assert.equal(kinds(answer(whole)), "start text tool-start tool-arguments usage finish end");
  });
  test("case 15: calls without an id get the same one each time, each its own; an id that came is kept", () => {
    const ids = (events: readonly StreamEvent[]) => events.flatMap((event) => (event.kind === "tool-start" ? [event.id] : []));
    const body = chunk([{ functionCall }, { functionCall: { ...functionCall, id: "native" } }, { functionCall }], "STOP");
    assert.deepEqual(ids(answer(body)), ["call_gem_r1_0", "native", "call_gem_r1_2"]);
    assert.deepEqual(ids(streamed([body])), ids(answer(body)));
    const unnamed = { ...(body as { [key: string]: Json }), responseId: undefined } as unknown as Json;
    const [first] = ids(answer(unnamed));
    assert.match(first ?? "", /^call_gem_[0-9a-f]{8}_0$/);
    assert.deepEqual(ids(answer(unnamed))[0], first);
  });
  test("case 16: STOP means tool_calls when a call was seen, in whichever chunk", () => {
    for (const chunks of [
      [chunk([{ functionCall }]), chunk([{ text: "" }], "STOP")],
      [chunk([{ functionCall }], "STOP")],
      [chunk([{ text: "x" }]), chunk([{ functionCall }]), chunk([], "STOP")],
      [chunk([{ text: "" }], "STOP"), chunk([{ functionCall }])],
    ]) assert.deepEqual(summary(streamed(chunks)).finish, ["tool_calls"]);
    assert.deepEqual(summary(streamed([chunk([{ functionCall }], "FUNCTION_CALL")])).finish, ["tool_calls"]);
  });
  test("a call without arguments gives {}", () => {
    for (const call of [{ name: "f" }, { name: "f", args: {} }, { name: "f", args: null }]) {
      assert.deepEqual(summary(answer(chunk([{ functionCall: call }], "STOP"))).calls[0]?.args, {});
    }
  });
  test("case 17: streamed arguments come out whole, closed by an empty call, another name, text or the finish", () => {
    const open = chunk([{ functionCall: { name: "f", willContinue: true } }]);
    const piece = chunk([{ functionCall: { partialArgs: [{ jsonPath: "$.a", stringValue: "x", willContinue: true }], willContinue: true } }]);
    const closings: readonly Json[][] = [
      [chunk([{ functionCall: {} }], "STOP")], [chunk([{ functionCall }], "STOP")], [chunk([{ text: "and" }], "STOP")], [chunk([{ text: "" }], "STOP")],
    ];
    for (const closing of closings) {
      const events = streamed([open, piece, ...closing]);
      assert.equal(events.filter((event) => event.kind === "tool-arguments" && event.index === 0).length, 1);
      assert.deepEqual(summary(events).calls[0]?.args, { a: "x" });
      assert.equal(summary(events).ended, true);
    }
  });
  test("streamed arguments that the output limit cut do not pass for complete, an open call at the body's end is no end", () => {
    const open = chunk([{ functionCall: { name: "f", partialArgs: [{ jsonPath: "$.a", numberValue: 1 }], willContinue: true } }]);
    const cut = summary(streamed([open, chunk([], "MAX_TOKENS")]));
    assert.deepEqual([cut.calls[0]?.args, cut.finish], ['not JSON: {"a":1', ["length"]]);
    assert.equal(kinds(streamed([open])), "start tool-start");
  });
  test("content that cannot be carried is named once, and is not an empty answer", () => {
    const events = streamed([chunk([{ inlineData: { mimeType: "image/png", data: "aGk=" } }, { inlineData: {} }, { executableCode: {} }, { codeExecutionResult: {} }], "STOP")]);
    assert.deepEqual(events.flatMap((event) => (event.kind === "warning" ? [event.message.match(/type (\w+)/)?.[1]] : [])), ["inlineData", "executableCode", "codeExecutionResult"]);
    assert.equal(summary(events).ended, true);
  });
  test("grounding, citations and log probabilities are put on the choice", () => {
    const more = {
      groundingMetadata: { webSearchQueries: ["q"] }, citationMetadata: { citations: [] },
      logprobsResult: { chosenCandidates: [{ token: "é", logProbability: -0.5 }], topCandidates: [{ candidates: [{ token: "e", logProbability: -1 }] }] },
    };
    const body = { candidates: [{ content: { parts: [{ text: "é" }] }, finishReason: "STOP", ...more }] };
    const extras = Object.fromEntries(answer(body).flatMap((event) => (event.kind === "choice-extra" ? [[event.key, event.value]] : [])));
    assert.deepEqual(extras, {
      grounding_metadata: more.groundingMetadata, citation_metadata: more.citationMetadata,
      logprobs: { content: [{ token: "é", logprob: -0.5, bytes: [0xc3, 0xa9], top_logprobs: [{ token: "e", logprob: -1, bytes: [0x65] }] }], refusal: null },
    });
  });
  test("several candidates are several choices, each with its own finish", () => {
    const body = { candidates: [
      { index: 0, content: { parts: [{ text: "a" }] }, finishReason: "STOP" }, { index: 1, content: { parts: [{ functionCall }] }, finishReason: "STOP" }, { index: 2, finishReason: "STOP" },
    ] };
    const finishes = answer(body).flatMap((event) => (event.kind === "finish" ? [[event.choice, event.reason]] : []));
    assert.deepEqual(finishes, [[0, "stop"], [1, "tool_calls"], [2, "stop"]]);
    assert.equal(kinds(answer(body)), "start text tool-start tool-arguments finish finish finish end");
    const oneOpen = chunk([{ text: "a" }], "STOP");
    assert.equal(summary(streamed([oneOpen, { candidates: [{ index: 1, content: { parts: [{ text: "b" }] } }] }])).ended, false);
  });
});

describe("endings", () => {
  test("MAX_TOKENS is length, even with nothing written", () => assert.deepEqual(summary(answer(chunk([], "MAX_TOKENS"))).finish, ["length"]));
  test("what was cut for its content is content_filter, with the provider's word beside it", () => {
    for (const word of ["SAFETY", "RECITATION", "BLOCKLIST", "PROHIBITED_CONTENT", "SPII", "IMAGE_SAFETY"]) {
      const events = answer(chunk([], word));
      assert.deepEqual(events.find((event) => event.kind === "finish"), { kind: "finish", choice: 0, reason: "content_filter", native: word });
    }
  });
  test("a failure of the model, or a word nobody knows, is a malformed error at once, and its chunk's content is held back", () => {
    for (const word of ["MALFORMED_FUNCTION_CALL", "UNEXPECTED_TOOL_CALL", "TOO_MANY_TOOL_CALLS", "OTHER", "LANGUAGE", "constructor", "NEW_WORD"]) {
      const events = streamed([chunk([{ text: "half" }], word, { usageMetadata }), chunk([{ text: "never" }])]);
      assert.equal(kinds(events), "start usage error", word);
      assert.deepEqual([errorOf(events)?.class, errorOf(events)?.code], ["malformed", word]);
    }
  });
  test("case 49: a refused prompt without candidates is one choice that ends as content_filter", () => {
    for (const candidates of [[], undefined]) {
      const body = { ...(candidates === undefined ? {} : { candidates }), promptFeedback: { blockReason: "SAFETY" }, usageMetadata: { promptTokenCount: 12, totalTokenCount: 12 } };
      const events = answer(body);
      assert.equal(kinds(events), "start usage finish end");
      assert.deepEqual(events.at(-2), { kind: "finish", choice: 0, reason: "content_filter", native: "SAFETY" });
      assert.deepEqual(streamed([body]), events);
    }
  });
  test("STOP with nothing in it is an empty error that keeps the usage", () => {
    for (const parts of [[], [{ text: "" }], [{ text: "", thoughtSignature: "s" }]]) {
      const body = chunk(parts, "STOP", { usageMetadata });
      assert.deepEqual([kinds(answer(body)), errorOf(answer(body))?.class], ["usage error", "empty"]);
      assert.equal(errorOf(streamed([body]))?.class, "empty");
    }
  });
  test("a JSON answer without a finish reason is truncated, one without candidates is empty, anything else malformed", () => {
    assert.deepEqual(kinds(answer(chunk([{ text: "half" }], undefined, { usageMetadata }))), "usage error");
    assert.equal(errorOf(answer(chunk([{ text: "half" }])))?.class, "truncated");
    assert.equal(errorOf(answer({ candidates: [], usageMetadata }))?.class, "empty");
    assert.equal(errorOf(answer([]))?.class, "empty");
    for (const body of [null, "text", 5, {}, { choices: [] }, [{ choices: [] }]]) assert.equal(errorOf(answer(body))?.class, "malformed", JSON.stringify(body));
  });
  test("a stream is not ended without a finish reason, and nothing is invented", () => {
    assert.equal(kinds(streamed([])), "");
    assert.equal(kinds(streamed([chunk([{ text: "half" }])])), "start text");
    assert.equal(kinds(streamed([chunk([{ text: "x" }], "FINISH_REASON_UNSPECIFIED")])), "start text");
  });
  test("a finish is told with its chunk, not held until the connection closes, and once only", () => {
    assert.equal(kinds(streamed([chunk([{ text: "a" }], "STOP", { usageMetadata })], false)), "start text usage finish");
    assert.equal(kinds(streamed([chunk([{ text: "a" }], "STOP"), chunk([], "STOP")])), "start text finish end");
    assert.equal(kinds(streamed([{ promptFeedback: { blockReason: "OTHER" } }], false)), "start finish");
  });
  test("the last usage wins, also when it comes after the finish reason", () => {
    const events = streamed([chunk([{ text: "a" }], "STOP", { usageMetadata: { promptTokenCount: 5, totalTokenCount: 5 } }), { usageMetadata }]);
    assert.equal(kinds(events), "start text usage finish usage end");
    assert.deepEqual([summary(events).units, summary(events).flags], [{ input: 5, output: 2 }, []]);
  });
});

describe("errors and oddities", () => {
  test("an error told inside a stream is classed by its status, and ends the events", () => {
    const told = { error: { code: 503, message: "The model is overloaded.", status: "UNAVAILABLE" } };
    for (const body of [told, [told]]) {
      const events = streamed([chunk([{ text: "a" }]), body, chunk([{ text: "b" }], "STOP")]);
      assert.equal(kinds(events), "start text error");
      assert.deepEqual([errorOf(events)?.class, errorOf(events)?.status, errorOf(events)?.type], ["overload", 503, "UNAVAILABLE"]);
    }
    assert.equal(errorOf(answer(told))?.class, "overload");
  });
  test("an event that is not JSON is malformed, a comment is a ping, [DONE] is nothing", () => {
    const decoder = gemini.openStream(CONTEXT);
    assert.deepEqual(decoder.push({ event: "", data: "" }), [{ kind: "ping" }]);
    assert.deepEqual(decoder.push({ event: "", data: "[DONE]" }), []);
    const events = decoder.push({ event: "", data: '{"candidates":[' });
    assert.equal(errorOf(events)?.class, "malformed");
    assert.deepEqual([...decoder.push({ event: "", data: JSON.stringify(chunk([{ text: "a" }], "STOP")) }), ...decoder.end()], []);
  });
  test("a call that cannot be read is malformed", () => {
    for (const call of [{ args: {} }, { partialArgs: [] }, { name: "f", args: "text" }, { name: "f", partialArgs: [{ jsonPath: "nowhere", stringValue: "x" }] }]) {
      assert.equal(errorOf(streamed([chunk([{ functionCall: call }], "STOP")]))?.class, "malformed", JSON.stringify(call));
    }
  });
});
