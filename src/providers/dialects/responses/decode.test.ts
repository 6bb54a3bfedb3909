/** Answers as they may come, beyond what was recorded. */
import assert from "node:assert/strict";
import { describe, test } from "node:test";
import type { StreamEvent } from "../../../wire/events.ts";
import type { Json, JsonObject } from "../../../wire/json.ts";
import { openReasoning } from "./encode-reasoning.ts";
import { openaiResponses } from "./index.ts";
import { context, streamed, summary, wire } from "./test-upstream.ts";

const usage = { input_tokens: 5, output_tokens: 2, total_tokens: 7 };
const created = wire("response.created", { response: { id: "resp_1", model: "m-1", created_at: 9, status: "in_progress", service_tier: "auto", output: [] } });
const completed = (more: JsonObject = {}) => wire("response.completed", { response: { id: "resp_1", status: "completed", output: [], usage, ...more } });
const message = (text: string): JsonObject => ({ type: "message", id: "msg_1", role: "assistant", status: "completed", content: [{ type: "output_text", text, annotations: [] }] });
const call = (more: JsonObject = {}): JsonObject => ({ type: "function_call", id: "fc_1", call_id: "call_1", name: "look", arguments: "", ...more });
const added = (item: JsonObject, at = 0) => wire("response.output_item.added", { output_index: at, item });
const done = (item: JsonObject, at = 0) => wire("response.output_item.done", { output_index: at, item });
const text = (delta: string, at = 0) => wire("response.output_text.delta", { output_index: at, content_index: 0, delta });
const args = (delta: string, at = 0) => wire("response.function_call_arguments.delta", { output_index: at, delta });

const kinds = (events: readonly StreamEvent[]) => events.map(({ kind }) => kind).filter((kind) => kind !== "ping").join(" ");
const answer = (body: Json) => openaiResponses.decodeAnswer(body, context);

describe("text", () => {
  test("comes by deltas once, whether the ends of its part and item repeat it or not", () => {
    const ends = [wire("response.output_text.done", { output_index: 0, content_index: 0, text: "Hi." }), done(message("Hi.")), completed({ output: [message("Hi.")] })];
    for (let kept = 0; kept < 8; kept++) {
      const chosen = ends.filter((_, i) => i === 2 || (kept & (1 << i)) !== 0);
      const events = streamed([created, added({ type: "message", id: "msg_1" }), text("H"), text("i."), ...chosen]);
      assert.equal(kinds(events), "start text text usage finish end");
    }
  });

  test("that comes only at the end of its part, of its item or of the answer is not lost", () => {
    const part = wire("response.output_text.done", { output_index: 0, content_index: 0, text: "Hi." });
    for (const events of [[created, part, completed()], [created, done(message("Hi.")), completed()], [created, completed({ output: [message("Hi.")] })], [completed({ output: [message("Hi.")] })]]) {
      assert.equal(summary(streamed(events)).text, "Hi.");
      assert.equal(kinds(streamed(events)), "start text usage finish end".slice(events[0] === part ? 6 : 0));
    }
  });

  test("of which the last deltas were left out is completed by the end of its part", () => {
    const events = streamed([created, text("H"), wire("response.output_text.done", { output_index: 0, content_index: 0, text: "Hi." }), completed()]);
    assert.equal(summary(events).text, "Hi.");
  });

  test("items that only the last event lists are told from it, and none twice", () => {
    const events = streamed([created, text("Hi."), completed({ output: [message("Hi."), call({ arguments: `{"a":1}` })] })]);
    assert.equal(kinds(events), "start text tool-start tool-arguments usage finish end");
    const moved = streamed([created, added({ type: "message", id: "msg_1" }, 3), text("Hi.", 3), completed({ output: [message("Hi.")] })]);
    assert.equal(kinds(moved), "start text usage finish end");
  });

  test("log probabilities stand before their text, in the chat form; an empty list is nothing", () => {
    const one = { token: "Hi", logprob: -0.1, top_logprobs: [{ token: "Ho", logprob: -2 }] };
    const events = streamed([created, wire("response.output_text.delta", { output_index: 0, content_index: 0, delta: "Hi", logprobs: [one] }), wire("response.output_text.delta", { output_index: 0, content_index: 0, delta: "!", logprobs: [] }), completed()]);
    const extras = events.filter((event) => event.kind === "choice-extra");
    assert.deepEqual(extras.map(({ key, value }) => [key, value]), [["logprobs", { content: [{ ...one, bytes: null, top_logprobs: [{ token: "Ho", logprob: -2, bytes: null }] }] }]]);
    assert.equal(kinds(events), "start choice-extra text text usage finish end");
  });
});

test("case 49: a refusal is a refusal, in deltas and whole", () => {
  const refusal = { type: "message", id: "m", content: [{ type: "refusal", refusal: "No." }] };
  for (const events of [
    streamed([created, wire("response.refusal.delta", { output_index: 0, content_index: 0, delta: "No." }), done(refusal), completed()]),
    answer({ object: "response", status: "completed", output: [refusal], usage }),
  ]) assert.deepEqual([summary(events).refusal, summary(events).text, summary(events).finish], ["No.", "", ["stop", "completed"]]);
});

describe("reasoning", () => {
  test("parts of a summary, and a summary after another, are paragraphs", () => {
    const summaryDelta = (index: number, delta: string, at = 0) => wire("response.reasoning_summary_text.delta", { output_index: at, summary_index: index, delta });
    const events = streamed([created, added({ type: "reasoning", id: "rs_1" }), summaryDelta(0, "a"), summaryDelta(0, "b"), summaryDelta(1, "c"), summaryDelta(0, "d", 1), text("so", 2), completed()]);
    assert.equal(summary(events).reasoning, "ab\n\nc\n\nd");
    const items: Json = [{ type: "reasoning", id: "rs_1", summary: [{ type: "summary_text", text: "ab" }, { type: "summary_text", text: "c" }] }, { type: "reasoning", id: "rs_2", summary: [{ type: "summary_text", text: "d" }] }, message("so")];
    assert.equal(summary(answer({ object: "response", output: items, usage })).reasoning, "ab\n\nc\n\nd");
  });

  test("case 28: encrypted content is taken from the end of its item, never from its beginning, and told once", () => {
    const item = (content: string) => ({ type: "reasoning", id: "rs_1", summary: [], encrypted_content: content });
    const events = streamed([created, added(item("half")), done(item("whole")), text("so", 1), completed({ output: [item("other"), message("so")] })], { upstreamModel: "m-1" });
    assert.deepEqual(summary(events).redacted.map(openReasoning), [{ id: "rs_1", model: "m-1", encryptedContent: "whole" }]);
    // An item that never ended is closed by the last event.
    const late = streamed([created, added(item("half")), text("so", 1), completed({ output: [item("last"), message("so")] })]);
    assert.deepEqual(summary(late).redacted.map((data) => openReasoning(data)?.encryptedContent), ["last"]);
  });
});

describe("calls", () => {
  test("arguments are told once, wherever they come: deltas, their end, the item's end, the answer's end", () => {
    const whole = `{"city":"Kyiv"}`;
    const ways = [
      [added(call()), args(`{"city":`), args(`"Kyiv"}`), wire("response.function_call_arguments.done", { output_index: 0, arguments: whole }), done(call({ arguments: whole }))],
      [added(call()), wire("response.function_call_arguments.done", { output_index: 0, arguments: whole }), done(call({ arguments: whole }))],
      [added(call()), done(call({ arguments: whole }))],
      [added(call()), args(`{"city":`), done(call({ arguments: whole }))],
      [added(call({ name: "" })), args(whole), done(call({ arguments: whole }))],
      [done(call({ arguments: whole }))],
      [added(call())],
      [],
    ];
    for (const way of ways) {
      const events = streamed([created, ...way, completed({ output: [call({ arguments: whole })] })]);
      assert.deepEqual(summary(events).tools, [{ id: "call_1", name: "look", arguments: whole }]);
      assert.deepEqual(summary(events).finish, ["tool_calls", "completed"]);
    }
  });

  test("case 11: a call without arguments gives {}, never nothing", () => {
    for (const told of ["", " ", "null", "{}"]) {
      const events = streamed([created, added(call()), ...(told === "" ? [] : [args(told)]), done(call({ arguments: told })), completed()]);
      assert.equal(summary(events).tools[0]?.arguments, "{}", JSON.stringify(told));
    }
    assert.equal(summary(streamed([created, added(call()), args("nu"), args("ll"), completed()])).tools[0]?.arguments, "{}");
  });

  test("parallel calls are numbered from 0 in their order, their fragments by their place", () => {
    const events = streamed([created, added({ type: "reasoning", id: "rs" }), added(call(), 1), added(call({ id: "fc_2", call_id: "call_2", name: "hear" }), 2), args(`{"b":`, 2), args(`{"a":1}`, 1), args("2}", 2), completed()]);
    assert.deepEqual(summary(events).tools, [{ id: "call_1", name: "look", arguments: `{"a":1}` }, { id: "call_2", name: "hear", arguments: `{"b":2}` }]);
  });

  test("an item whose id changes from event to event is one item: its place counts", () => {
    const events = streamed([created, added(call({ id: "x1" })), wire("response.function_call_arguments.delta", { output_index: 0, item_id: "x2", delta: "{}" }), done(call({ id: "x3", arguments: "{}" })), completed({ output: [call({ id: "x4", arguments: "{}" })] })]);
    assert.equal(kinds(events), "start tool-start tool-arguments usage finish end");
  });

  test("case 20: a name that was changed for the provider comes back as the client's", () => {
    const events = streamed([created, added(call({ name: "look_1" })), completed()], { renames: { look_1: "look.around" } });
    assert.equal(summary(events).tools[0]?.name, "look.around");
  });

  test("a call that no one named is malformed; one without an id gets one", () => {
    assert.equal(summary(streamed([created, added(call({ name: "" })), done(call({ name: "" })), completed()])).error?.class, "malformed");
    assert.equal(summary(streamed([created, added(call({ name: "" })), completed()])).error?.class, "malformed");
    assert.equal(summary(streamed([created, added(call({ id: "", call_id: "" })), completed()])).tools[0]?.id, "call_resp1_0");
  });

  test("calls of other kinds that the client answers are calls, unless a message follows them", () => {
    const custom = { type: "custom_tool_call", id: "ctc_1", call_id: "call_1", name: "sql", input: "select 1" };
    const asked = streamed([created, added({ ...custom, input: "" }), done(custom), completed()]);
    assert.deepEqual(summary(asked).tools, [{ id: "call_1", name: "sql", arguments: `{"input":"select 1"}` }]);
    assert.deepEqual(summary(asked).finish, ["tool_calls", "completed"]);
    assert.deepEqual(summary(streamed([created, done(custom), done(message("One."), 1), completed()])).finish, ["stop", "completed"]);
  });
});

describe("the end", () => {
  test("an incomplete answer ends with the reason it tells, also with a call in it", () => {
    const incomplete = (reason: string | null, output: Json = [message("Hi")]) => ({ object: "response", status: "incomplete", incomplete_details: reason === null ? null : { reason }, output, usage });
    assert.deepEqual(summary(answer(incomplete("max_output_tokens"))).finish, ["length", "max_output_tokens"]);
    assert.deepEqual(summary(answer(incomplete("max_output_tokens", [call({ arguments: `{"a` })]))).finish, ["length", "max_output_tokens"]);
    assert.deepEqual(summary(answer(incomplete("content_filter", []))).finish, ["content_filter", "content_filter"]);
    assert.deepEqual(summary(answer(incomplete(null))).finish, ["length", "incomplete"]);
    const stream = streamed([created, text("Hi"), wire("response.incomplete", { response: incomplete("max_output_tokens", []) })]);
    assert.deepEqual([summary(stream).finish, summary(stream).usage?.units.input], [["length", "max_output_tokens"], 5]);
  });

  test("a failed answer tells its usage, then its error in its class", () => {
    const failed = (code: string) => ({ object: "response", status: "failed", error: { code, message: "It broke." }, output: [], usage });
    for (const [code, expected] of [["server_error", "server"], ["rate_limit_exceeded", "rate"], ["bio_policy", "content_policy"], ["data_residency_mismatch", "residency"], ["invalid_image_url", "bad_request"]] as const) {
      for (const events of [answer(failed(code)), streamed([created, wire("response.failed", { response: failed(code) })])]) {
        assert.equal(kinds(events), "start usage error");
        assert.deepEqual([summary(events).error?.class, summary(events).error?.code, summary(events).error?.message], [expected, code, "It broke."]);
      }
    }
    assert.equal(summary(answer({ object: "response", status: "cancelled", output: [] })).error?.class, "server");
  });

  test("case 40: an error event ends the stream, in either of its forms; nothing after it counts", () => {
    for (const event of [
      wire("error", { code: "rate_limit_exceeded", message: "Slow down.", param: null }),
      wire("error", { error: { type: "too_many_requests", code: "rate_limit_exceeded", message: "Slow down.", param: null } }),
      { event: "error", data: `{"error":{"message":"Slow down.","code":"rate_limit_exceeded"}}` },
    ]) {
      const events = streamed([created, text("Hi"), event, text("more"), completed()]);
      assert.equal(kinds(events), "start text error");
      assert.deepEqual([summary(events).error?.class, summary(events).error?.message, summary(events).error?.status], ["rate", "Slow down.", 429]);
    }
    assert.equal(summary(streamed([created, { event: "error", data: "upstream connect error" }])).error?.message, "upstream connect error");
  });

  test("a stream without its last event gives no end, whatever came before", () => {
    for (const events of [[], [created], [created, text("Hi")], [created, done(message("Hi"))], [created, text("Hi"), { event: "", data: "[DONE]" }]]) {
      assert.equal(streamed(events).some(({ kind }) => kind === "end" || kind === "finish" || kind === "error"), false);
    }
  });

  test("an answer of nothing is empty; one that is still to come is not an answer", () => {
    assert.equal(summary(answer({ object: "response", status: "completed", output: [], usage })).error?.class, "empty");
    assert.equal(summary(streamed([created, completed()])).error?.class, "empty");
    assert.equal(summary(answer({ object: "response", status: "completed", output: [{ type: "reasoning", id: "r", summary: [] }], usage })).error?.class, "empty");
    assert.equal(summary(answer({ object: "response", status: "queued", output: [] })).error?.class, "truncated");
  });

  test("what is no response is an error: as its body tells, else malformed", () => {
    assert.equal(summary(answer({ error: { message: "no", type: "insufficient_quota", code: "insufficient_quota" } })).error?.class, "payment");
    for (const body of [null, 1, "x", [], {}, { choices: [] }] as Json[]) assert.equal(summary(answer(body)).error?.class, "malformed");
    for (const data of ["{", "x", "[]", "1"]) assert.equal(summary(streamed([{ event: "", data }])).error?.class, "malformed");
  });
});

test("events that say nothing for a client are signs of life, and none of them commits", () => {
  for (const event of [created, wire("response.in_progress", { response: { id: "resp_1" } }), wire("response.web_search_call.searching", { output_index: 0 }), wire("response.queued", { response: {} }), wire("something.new"), { event: "", data: "" }]) {
    const events = streamed([created, event]).slice(1);
    assert.ok(events.every(({ kind }) => kind === "ping" || kind === "start"), event.data);
    assert.equal(events.length > 0 || event === created, true);
  }
});

test("the start tells what the first event knows; the tier is the one that served", () => {
  const events = streamed([created, text("Hi"), completed({ service_tier: "flex" })]);
  assert.deepEqual(events[0], { kind: "start", id: "resp_1", model: "m-1", createdS: 9, serviceTier: undefined });
  assert.equal(summary(events).usage?.serviceTier, "flex");
});

test("what the provider did by itself, citations and unknown items are named once each, and never lost in silence", () => {
  const search = { type: "web_search_call", id: "ws_1", action: { type: "search", query: "x" } };
  const cited = { ...message("Hi"), content: [{ type: "output_text", text: "Hi", annotations: [{ type: "url_citation" }] }] };
  const events = streamed([created, added(search), done(search), done({ ...search, id: "ws_2" }, 1), text("Hi", 2), wire("response.output_text.annotation.added", { output_index: 2, annotation: {} }), done(cited, 2), completed()]);
  assert.deepEqual(summary(events).warnings, ["output of type web_search_call has no counterpart and was left out", "citations have no counterpart and were left out"]);
});
