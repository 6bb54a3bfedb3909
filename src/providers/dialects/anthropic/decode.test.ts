import assert from "node:assert/strict";
import { describe, test } from "node:test";
import fc from "fast-check";
import type { StreamEvent } from "../../../wire/events.ts";
import type { Json } from "../../../wire/json.ts";
import { anthropicMessages } from "./index.ts";
import { CONTEXT, fold, streamed } from "./test-hub.ts";

const START = { type: "message_start", message: { id: "msg_1", type: "message", role: "assistant", model: "m", content: [], stop_reason: null, usage: { input_tokens: 9, output_tokens: 1 } } };
const STOP = { type: "message_stop" };
const begin = (index: number, block: Json): Json => ({ type: "content_block_start", index, content_block: block });
const piece = (index: number, delta: Json): Json => ({ type: "content_block_delta", index, delta });
const close = (index: number): Json => ({ type: "content_block_stop", index });
const said = (index: number, text: string): readonly Json[] => [begin(index, { type: "text", text: "" }), piece(index, { type: "text_delta", text }), close(index)];
const stopped = (reason: string, more: { readonly [key: string]: Json } = {}): Json => ({ type: "message_delta", delta: { stop_reason: reason, ...more }, usage: { output_tokens: 5 } });
const json = (partial: string): Json => ({ type: "input_json_delta", partial_json: partial });
const tool = (input: Json, id = "t1", name = "f"): Json => ({ type: "tool_use", id, name, input });

/** A stream with every kind of block, for mutation. */
const RICH: readonly Json[] = [
  START, begin(0, { type: "thinking", thinking: "", signature: "" }), piece(0, { type: "thinking_delta", thinking: "hm" }),
  piece(0, { type: "signature_delta", signature: "sig" }), close(0), begin(1, { type: "redacted_thinking", data: "x" }), close(1), { type: "ping" },
  ...said(2, "Hello"), begin(3, { type: "server_tool_use", id: "s", name: "web_search", input: {} }), piece(3, json('{"q":1}')), close(3),
  begin(4, { type: "web_search_tool_result", tool_use_id: "s", content: [] }), close(4),
  begin(5, tool({})), piece(5, json('{"a"')), piece(5, json(":1}")), close(5), stopped("tool_use"), STOP,
];

describe("streams", () => {
  test("every block comes out once, in order, and the end after it", () => {
    const events = streamed(RICH);
    assert.deepEqual(events.map((event) => event.kind), [
      "start", "usage", "reasoning", "signature", "redacted", "ping", "text", "warning", "warning",
      "tool-start", "tool-arguments", "tool-arguments", "finish", "usage", "end",
    ]);
    assert.deepEqual(fold(events).usage?.units, { input: 9, output: 5 });
  });

  test("11: a call without arguments is told as {} exactly once, whatever its pieces are", () => {
    for (const pieces of [[], [""], ["", ""], ["null"], ["nu", "ll"], ["{}"], [" "]]) {
      const answer = fold(streamed([START, begin(0, tool({})), ...pieces.map((partial) => piece(0, json(partial))), close(0), stopped("tool_use"), STOP]));
      assert.deepEqual(answer.tools, ["t1 f {}"], JSON.stringify(pieces));
    }
  });

  test("case 12: arguments that come whole in the block's start are kept; pieces, where there are any, are the arguments", () => {
    const whole = streamed([START, begin(0, tool({ city: "Rome" })), close(0), stopped("tool_use"), STOP]);
    assert.deepEqual(fold(whole).tools, ['t1 f {"city":"Rome"}']);
    const unclosed = streamed([START, begin(0, tool({ city: "Rome" })), stopped("tool_use"), STOP]);
    assert.deepEqual(fold(unclosed).tools, ['t1 f {"city":"Rome"}']);
    const both = streamed([START, begin(0, tool({ city: "Rome" })), piece(0, json('{"city":"Rome"}')), close(0), stopped("tool_use"), STOP]);
    assert.deepEqual(fold(both).tools, ['t1 f {"city":"Rome"}']);
    const quoted = streamed([START, begin(0, tool('{"city":"Rome"}')), close(0), stopped("tool_use"), STOP]);
    assert.deepEqual(fold(quoted).tools, ['t1 f {"city":"Rome"}']);
  });

  test("parallel calls count from 0 whatever stands between them", () => {
    const answer = fold(streamed([START, ...said(0, "a"), begin(1, tool({}, "x", "f")), close(1), ...said(2, "b"), begin(3, tool({ y: 1 }, "y", "g")), close(3), stopped("tool_use"), STOP]));
    assert.deepEqual(answer.tools, ["x f {}", 'y g {"y":1}']);
    assert.equal(answer.text, "ab");
  });

  test("20: tool names that were changed for the provider come back as the client's", () => {
    const context = { ...CONTEXT, renames: { a_b_1: "a.b" } };
    assert.deepEqual(fold(streamed([START, begin(0, tool({}, "t", "a_b_1")), close(0), begin(1, tool({}, "u", "constructor")), close(1), stopped("tool_use"), STOP], context)).tools, ["t a.b {}", "u constructor {}"]);
  });

  test("22: omitted thinking keeps its signature, and a split signature is joined", () => {
    const events = streamed([
      START, begin(0, { type: "thinking", thinking: "", signature: "" }), piece(0, { type: "signature_delta", signature: "ab" }),
      piece(0, { type: "signature_delta", signature: "cd" }), close(0), begin(1, { type: "thinking", thinking: "t", signature: "given" }), close(1),
      ...said(2, "x"), stopped("end_turn"), STOP,
    ]);
    assert.deepEqual(events.filter((event) => event.kind === "signature" || event.kind === "reasoning"), [
      { kind: "signature", choice: 0, signature: "abcd" }, { kind: "reasoning", choice: 0, text: "t" }, { kind: "signature", choice: 0, signature: "given" },
    ] satisfies StreamEvent[]);
  });

  test("message_start twice is one answer; another answer spliced in is said so", () => {
    const again = streamed([START, START, ...said(0, "x"), stopped("end_turn"), STOP]);
    assert.equal(again.filter((event) => event.kind === "start").length, 1);
    assert.deepEqual(fold(again).warnings, []);
    const other = { ...START, message: { ...START.message, id: "msg_2", usage: { input_tokens: 20, output_tokens: 1 } } };
    const spliced = fold(streamed([START, begin(0, { type: "text", text: "" }), other, ...said(0, "x"), stopped("end_turn"), STOP]));
    assert.deepEqual([spliced.text, spliced.warnings.length, spliced.errors.length, spliced.ended], ["x", 1, 0, true]);
    assert.deepEqual(spliced.usage?.units, { input: 20, output: 5 });
  });

  test("content that comes whole in message_start is told once, also where events bring it again", () => {
    const message = { ...START.message, content: [{ type: "text", text: "early" }, tool({ a: 1 })], stop_reason: "tool_use" };
    const whole = fold(streamed([{ type: "message_start", message }, STOP]));
    assert.deepEqual([whole.text, whole.tools, whole.finish, whole.ended], ["early", ['t1 f {"a":1}'], ["tool_calls tool_use"], true]);
    const again = fold(streamed([{ type: "message_start", message }, ...said(0, "early"), begin(1, tool({ a: 1 })), close(1), stopped("tool_use"), STOP]));
    assert.deepEqual([again.text, again.tools], ["early", ['t1 f {"a":1}']]);
  });

  test("nothing after message_stop or after an error is read", () => {
    assert.equal(fold(streamed([START, ...said(0, "x"), stopped("end_turn"), STOP, ...said(0, "y"), STOP])).text, "x");
    assert.equal(fold(streamed([START, { type: "error", error: { type: "api_error", message: "x" } }, ...said(0, "y")])).text, "");
  });

  test("an error told in the stream has its class, and is the last event", () => {
    const classes = { overloaded_error: "overload", rate_limit_error: "rate", api_error: "server", timeout_error: "timeout", invalid_request_error: "bad_request", unheard_of: "server" };
    for (const [type, failure] of Object.entries(classes)) {
      const events = streamed([START, ...said(0, "x"), { type: "error", error: { type, message: "words" } }]);
      const last = events.at(-1);
      assert.ok(last?.kind === "error");
      assert.deepEqual([last.error.class, last.error.type, last.error.message], [failure, type, "words"]);
    }
  });

  test("stop reasons become finish reasons; what an application must know is said", () => {
    const finish = (reason: string) => fold(streamed([START, ...said(0, "x"), stopped(reason), STOP]));
    assert.deepEqual(finish("end_turn").finish, ["stop end_turn"]);
    assert.deepEqual(finish("stop_sequence").finish, ["stop stop_sequence"]);
    assert.deepEqual(finish("max_tokens").finish, ["length max_tokens"]);
    assert.deepEqual(finish("model_context_window_exceeded").finish, ["length model_context_window_exceeded"]);
    assert.deepEqual(finish("refusal").finish, ["content_filter refusal"]);
    for (const reason of ["pause_turn", "compaction", "something_new"]) {
      assert.deepEqual(finish(reason).finish, [`stop ${reason}`]);
      assert.equal(finish(reason).warnings.length, 1);
    }
  });

  test("an answer with nothing in it is a failure, except where its stop reason explains that", () => {
    const bare = (reason: string) => fold(streamed([START, stopped(reason), STOP]));
    assert.deepEqual(bare("end_turn").errors.map((error) => error.class), ["empty"]);
    assert.equal(bare("end_turn").ended, false);
    assert.deepEqual(bare("end_turn").usage?.units, { input: 9, output: 5 });
    for (const reason of ["refusal", "max_tokens", "stop_sequence"]) assert.deepEqual(bare(reason).errors, []);
  });

  test("message_stop without a stop reason is truncated, not whole", () => {
    const answer = fold(streamed([START, ...said(0, "x"), STOP]));
    assert.deepEqual([answer.errors.map((error) => error.class), answer.finish, answer.ended], [["truncated"], [], false]);
  });

  test("unreadable events are malformed; unknown ones are named once and passed over", () => {
    for (const data of ["{", "7", '"x"', "[]", '{"type":"content_block_start"}', '{"type":"content_block_delta","index":3,"delta":{"type":"input_json_delta","partial_json":"{"}}']) {
      assert.deepEqual(fold(anthropicMessages.openStream(CONTEXT).push({ event: "", data })).errors.map((error) => error.class), ["malformed"], data);
    }
    const answer = fold(streamed([START, { type: "new_thing" }, { type: "new_thing" }, ...said(0, "x"), stopped("end_turn"), STOP]));
    assert.deepEqual([answer.text, answer.warnings.length, answer.ended], ["x", 1, true]);
    const unknownBlock = fold(streamed([START, begin(0, { type: "future", text: "words" }), close(0), stopped("end_turn"), STOP]));
    assert.deepEqual([unknownBlock.text, unknownBlock.warnings.length], ["words", 1]);
  });

  test("comments and empty blocks give nothing, pings give a ping", () => {
    const decoder = anthropicMessages.openStream(CONTEXT);
    assert.deepEqual(decoder.push({ event: "", data: "" }), []);
    assert.deepEqual(decoder.push({ event: "ping", data: "" }), [{ kind: "ping" }]);
    assert.deepEqual(decoder.push({ event: "ping", data: '{"type":"ping"}' }), [{ kind: "ping" }]);
  });

  test("the event's name stands in for a missing type", () => {
    const decoder = anthropicMessages.openStream(CONTEXT);
    assert.equal(decoder.push({ event: "message_start", data: JSON.stringify({ message: START.message }) })[0]?.kind, "start");
    assert.equal(decoder.push({ event: "error", data: '{"message":"x"}' })[0]?.kind, "error");
  });
});

describe("whole answers", () => {
  const MESSAGE = {
    id: "msg_1", type: "message", role: "assistant", model: "m", stop_reason: "tool_use", usage: { input_tokens: 9, output_tokens: 5 },
    content: [
      { type: "thinking", thinking: "hm", signature: "sig" }, { type: "redacted_thinking", data: "x" }, { type: "text", text: "Hello" },
      { type: "server_tool_use", id: "s", name: "web_search", input: { q: 1 } }, { type: "web_search_tool_result", tool_use_id: "s", content: [] },
      { type: "tool_use", id: "t1", name: "f", input: { a: 1 } },
    ],
  };

  test("one answer gives one result, streamed or whole", () => {
    const whole = fold(anthropicMessages.decodeAnswer(MESSAGE, CONTEXT));
    const { usage, ...rest } = fold(streamed(RICH));
    assert.deepEqual({ ...whole, usage: undefined }, { ...rest, usage: undefined });
    assert.deepEqual(whole.usage?.units, usage?.units);
  });

  test("what is no complete answer says what it is", () => {
    const failure = (body: Json) => fold(anthropicMessages.decodeAnswer(body, CONTEXT)).errors.map((error) => error.class);
    assert.deepEqual(failure(null), ["malformed"]);
    assert.deepEqual(failure({ id: "x" }), ["malformed"]);
    assert.deepEqual(failure({ ...MESSAGE, content: [7] }), ["malformed"]);
    assert.deepEqual(failure({ ...MESSAGE, stop_reason: null }), ["truncated"]);
    assert.deepEqual(failure({ ...MESSAGE, content: [], stop_reason: "end_turn" }), ["empty"]);
    assert.deepEqual(failure({ ...MESSAGE, content: [{ type: "text", text: "" }], stop_reason: "end_turn" }), ["empty"]);
    assert.deepEqual(failure({ ...MESSAGE, content: [], stop_reason: "max_tokens" }), []);
    assert.deepEqual(failure({ type: "error", error: { type: "overloaded_error", message: "x" } }), ["overload"]);
  });
});

describe("property: decoders never throw", () => {
  /** Replace one value somewhere inside by another. */
  function mutated(value: Json, path: readonly number[], by: Json): Json {
    const [first, ...rest] = path;
    if (first === undefined || typeof value !== "object" || value === null) return by;
    const keys = Object.keys(value);
    if (keys.length === 0) return by;
    const key = keys[first % keys.length] ?? "";
    const inner = (value as Readonly<Record<string, Json>>)[key] ?? null;
    const next = { ...(value as object), [key]: mutated(inner, rest, by) } as Json;
    return Array.isArray(value) ? Object.values(next as object) as Json : next;
  }
  const anything = fc.jsonValue({ maxDepth: 3 }) as fc.Arbitrary<Json>;
  const path = fc.array(fc.nat(6), { minLength: 1, maxLength: 5 });

  test("on streams with changed, dropped, repeated and swapped events; and nothing follows an error or the end", () => {
    fc.assert(
      fc.property(fc.array(fc.tuple(fc.nat(RICH.length - 1), fc.constantFrom("change", "drop", "repeat", "swap"), path, anything), { maxLength: 6 }), (edits) => {
        const events = [...RICH];
        for (const [at, edit, where, by] of edits) {
          const event = events[at];
          if (event === undefined) continue;
          if (edit === "change") events[at] = mutated(event, where, by);
          if (edit === "drop") events.splice(at, 1);
          if (edit === "repeat") events.splice(at, 0, event);
          if (edit === "swap") events.push(...events.splice(at, 1));
        }
        const out = streamed(events);
        const last = out.findIndex((event) => event.kind === "error" || event.kind === "end");
        assert.ok(last === -1 || last === out.length - 1);
        assert.ok(out.filter((event) => event.kind === "finish").length <= 1);
      }),
      { numRuns: 500 },
    );
  });

  test("and nothing follows an error that was found in what a message brought along", () => {
    const early = (content: Json): Json => ({ type: "message_start", message: { id: "msg_1", content, usage: { input_tokens: 9 } } });
    for (const next of [piece(3, { type: "text_delta", text: "more" }), begin(3, { type: "text", text: "more" }), early([7]), stopped("end_turn")]) {
      const kinds = streamed([early([7]), next, STOP]).map((event) => event.kind);
      // Usage may be told again, before the error.
      assert.deepEqual(kinds.filter((kind, at) => kind !== kinds[at - 1]), ["start", "usage", "error"], JSON.stringify(next));
    }
  });

  test("on any text as an event, and any JSON as an answer", () => {
    fc.assert(fc.property(fc.string(), fc.string(), (event, data) => void anthropicMessages.openStream(CONTEXT).push({ event, data })));
    fc.assert(fc.property(anything, (body) => assert.ok(anthropicMessages.decodeAnswer(body, CONTEXT).some((event) => event.kind === "error" || event.kind === "end"))));
  });
});
