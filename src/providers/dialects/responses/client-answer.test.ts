/** Answers in Responses form: the sequence that strict clients demand, valid by OpenAI's description and the open one. */
import assert from "node:assert/strict";
import { describe, test } from "node:test";
import { gatewayError } from "../../../wire/errors.ts";
import type { StreamEvent } from "../../../wire/events.ts";
import { asArray, member, type JsonObject } from "../../../wire/json.ts";
import { descriptionAbsent, problems } from "../openai/test-schemas.ts";
import { responsesClient } from "./client.ts";
import {
  START, USAGE, args, assertValid, call, finish, framesOf, headOf, openProblems, openResponsesAbsent, redacted, refusal, signature, started,
  streamed, text, thought, type Frame,
} from "./test-client.ts";

const FUNCTION = { type: "function", name: "look", description: null, parameters: { type: "object", properties: { city: { type: "string" } } }, strict: null };
const SCHEMA = { format: { type: "json_schema", name: "out", schema: { type: "object" }, strict: true }, verbosity: "low" };

const ANSWERS: Readonly<Record<string, { readonly raw?: JsonObject; readonly events: readonly StreamEvent[] }>> = {
  text: { events: [START, text("Hello"), text(" wörld \u{1f30a}"), finish("stop")] },
  nothing: { events: [START, finish("stop")] },
  "text without a start": { events: [text("Hi"), finish("stop")] },
  "reasoning, text, calls": {
    raw: { tools: [FUNCTION], reasoning: { effort: "low", summary: "auto" } },
    events: [START, thought("I thi"), thought("nk"), signature("sig"), text("So:"), ...call(0, "call_1", "look", `{"city":"Ulm"}`), started(1, "call_2", "look"), finish("tool_calls")],
  },
  "hidden reasoning": { events: [START, signature("sig"), redacted("dark"), text("So."), finish("stop")] },
  "a refusal after text": { events: [START, text("Well"), refusal("I ca"), refusal("nnot"), finish("content_filter")] },
  "cut by the limit": { raw: { max_output_tokens: 20, text: SCHEMA }, events: [START, text(`{"a`), finish("length")] },
  "a call cut by the limit": { raw: { tools: [FUNCTION] }, events: [START, started(0, "c", "look"), args(0, `{"ci`), finish("length")] },
  "a call with a thought signature": { raw: { tools: [FUNCTION] }, events: [START, started(0, "c", "look", "c2ln"), args(0, "{}"), finish("tool_calls")] },
  probabilities: {
    raw: { include: ["message.output_text.logprobs"], top_logprobs: 1 },
    events: [
      START,
      { kind: "choice-extra", choice: 0, key: "logprobs", value: { content: [{ token: "ä", logprob: -0.5, bytes: null, top_logprobs: [{ token: "ä", logprob: -0.5, bytes: null }] }] } },
      text("ä"), finish("stop"),
    ],
  },
  sources: {
    events: [START, text("See it."), { kind: "choice-extra", choice: 0, key: "delta.annotations", value: [{ type: "url_citation", url_citation: { url: "https://a.example", title: "A", start_index: 0, end_index: 3 } }] }, finish("stop")],
  },
};

/** The whole response that the last frame carries. */
function final(frames: readonly Frame[]): JsonObject {
  return frames.at(-1)?.data["response"] as JsonObject;
}

const outputOf = (response: JsonObject): readonly JsonObject[] => asArray(response["output"]) as readonly JsonObject[];

describe("every event and answer is valid by both descriptions", { skip: descriptionAbsent || openResponsesAbsent }, () => {
  for (const [what, { raw = {}, events }] of Object.entries(ANSWERS)) {
    test(what, () => {
      assertValid(streamed(raw, events));
      const answer = responsesClient.encodeAnswer([...events, { kind: "usage", usage: USAGE }], headOf(raw));
      assert.deepEqual(problems("Response", answer), []);
      assert.deepEqual(openProblems("ResponseResource", answer), []);
    });
  }

  test("calls of custom tools and of members of a namespace, which only one of the descriptions knows", () => {
    const tools = [{ type: "namespace", name: "mcp", description: "d", tools: [FUNCTION] }, { type: "custom", name: "exec" }, { type: "web_search" }];
    const frames = streamed({ tools }, [START, ...call(0, "1", "mcp__look", `{"city":"Ulm"}`), ...call(1, "2", "exec", `{"input":"ls -l"}`), finish("tool_calls")]);
    for (const { data } of frames) assert.deepEqual(problems("ResponseStreamEvent", data), [], JSON.stringify(data));
    const input = frames.filter(({ event }) => event.startsWith("response.custom_tool_call_input"));
    assert.deepEqual(input.map(({ data }) => data["delta"] ?? data["input"]), ["ls -l", "ls -l"]);
  });

  test("a failure, before and after content", () => {
    const error = gatewayError("upstream_truncated", "it broke");
    for (const events of [[], [START], [START, thought("hm"), text("half"), started(0, "c", "look"), args(0, "{")]]) {
      const encoder = responsesClient.openEncoder(headOf({ tools: [FUNCTION] }));
      const before = events.map((event) => encoder.encode(event) as string).join("");
      assertValid(framesOf(before + (encoder.failed(error, USAGE) as string)));
    }
  });

  test("the frame for a stream that passed and broke, and an error's body", () => {
    const [frame] = framesOf(responsesClient.brokenFrame(gatewayError("upstream_timeout", "too late"), "req_9") as string);
    assert.deepEqual(problems("ResponseStreamEvent", frame?.data), []);
    assert.deepEqual(problems("ErrorResponse", responsesClient.encodeError(gatewayError("unknown_model", "no such model"), "req_9")), []);
  });
});

test("case 39: items and parts are announced before their deltas, keep their ids and indexes, are closed, and stand whole at the end", () => {
  for (const [what, { raw = {}, events }] of Object.entries(ANSWERS)) {
    const frames = streamed(raw, events);
    assert.deepEqual(frames.map(({ data }) => data.sequence_number), frames.map((_, i) => i), what);
    assert.deepEqual(frames.slice(0, 2).map(({ event }) => event), ["response.created", "response.in_progress"], what);
    const items = new Map<number, string>();
    const done = new Map<number, JsonObject>();
    const parts = new Map<string, "open" | "closed">();
    for (const { event, data } of frames.slice(2, -1)) {
      const at = data["output_index"] as number;
      if (event === "response.output_item.added") {
        assert.equal(at, items.size, `${what}: one index per item`);
        items.set(at, (data["item"] as JsonObject)["id"] as string);
        assert.equal((data["item"] as JsonObject)["status"], "in_progress");
        continue;
      }
      assert.ok(items.has(at) && !done.has(at), `${what}: ${event} of an item that is open`);
      if (event === "response.output_item.done") {
        done.set(at, data["item"] as JsonObject);
        continue;
      }
      assert.equal(data["item_id"], items.get(at), what);
      const part = `${at}/${JSON.stringify(data["content_index"] ?? data["summary_index"] ?? null)}`;
      if (event.endsWith("_part.added")) parts.set(part, "open");
      else if (!event.includes("arguments")) assert.equal(parts.get(part), "open", `${what}: ${event}`);
      if (event.endsWith("_part.done")) parts.set(part, "closed");
    }
    assert.deepEqual(outputOf(final(frames)), [...done].toSorted(([a], [b]) => a - b).map(([, item]) => item), what);
    assert.equal(done.size, items.size, `${what}: every item is closed`);
    assert.ok([...parts.values()].every((state) => state === "closed"), what);
    assert.equal(new Set(items.values()).size, items.size, what);
  }
});

test("case 39: a stream and a whole answer of the same events are the same response", () => {
  for (const { raw = {}, events } of Object.values(ANSWERS)) {
    const { spillway: _, ...told } = final(streamed(raw, events));
    const answer = responsesClient.encodeAnswer([...events, { kind: "usage", usage: USAGE }], headOf(raw));
    assert.deepEqual(JSON.parse(JSON.stringify(answer)), told);
  }
});

test("the sequence of a text, frame by frame", () => {
  const frames = streamed({}, [START, text("Hel"), text("lo"), finish("stop")]);
  assert.deepEqual(
    frames.map(({ event, data }) => `${event} ${JSON.stringify(data["delta"] ?? data["text"] ?? member(data["part"], "text") ?? member(data["item"], "status") ?? member(data["response"], "status"))}`),
    [
      `response.created "in_progress"`, `response.in_progress "in_progress"`, `response.output_item.added "in_progress"`, `response.content_part.added ""`,
      `response.output_text.delta "Hel"`, `response.output_text.delta "lo"`, `response.output_text.done "Hello"`, `response.content_part.done "Hello"`,
      `response.output_item.done "completed"`, `response.completed "completed"`,
    ],
  );
  const response = final(frames);
  assert.equal(response["id"], "resp_1");
  assert.deepEqual(response["usage"], {
    input_tokens: 12, input_tokens_details: { cached_tokens: 3, cache_write_tokens: 2 }, output_tokens: 9, output_tokens_details: { reasoning_tokens: 4 }, total_tokens: 21,
  });
  assert.deepEqual(response["spillway"], { cost_usd: 0.5 });
});

test("the response repeats what was asked, with the API's defaults elsewhere", () => {
  const asked = { instructions: "be brief", temperature: 0.2, max_output_tokens: 99, metadata: { a: "b" }, tools: [{ type: "function", name: "f" }], tool_choice: { type: "function", name: "f" }, text: SCHEMA, store: false, prompt_cache_key: "k", user: "u" };
  const response = final(streamed(asked, [START, text("x"), finish("stop")]));
  for (const key of ["instructions", "temperature", "max_output_tokens", "metadata", "tool_choice", "store", "prompt_cache_key", "user"] as const) assert.deepEqual(response[key], asked[key], key);
  assert.deepEqual(response["tools"], [{ type: "function", name: "f", description: null, parameters: null, strict: null }], "strict is not invented");
  assert.deepEqual(response["text"], { format: { type: "json_schema", name: "out", schema: { type: "object" }, strict: true, description: "" }, verbosity: "low" });
  assert.deepEqual([response["top_p"], response["truncation"], response["parallel_tool_calls"]], [1, "disabled", true]);
});

test("an answer that is cut or filtered is incomplete and says why; what was whole by then is complete", () => {
  const cut = final(streamed({ tools: [FUNCTION] }, [START, text("done"), ...call(0, "a", "look", "{}"), started(1, "b", "look"), args(1, `{"c`), finish("length")]));
  assert.deepEqual([cut["status"], cut["incomplete_details"]], ["incomplete", { reason: "max_output_tokens" }]);
  assert.deepEqual(outputOf(cut).map((item) => item["status"]), ["completed", "completed", "incomplete"]);
  const filtered = streamed({}, [START, refusal("no"), finish("content_filter")]);
  assert.equal(filtered.at(-1)?.event, "response.incomplete");
  assert.deepEqual(final(filtered)["incomplete_details"], { reason: "content_filter" });
});

test("case 49: a refusal is a part of its own", () => {
  const response = final(streamed({}, [START, text("Well. "), refusal("I cannot."), finish("content_filter")]));
  assert.deepEqual(outputOf(response)[0]?.["content"], [{ type: "output_text", text: "Well. ", annotations: [], logprobs: [] }, { type: "refusal", refusal: "I cannot." }]);
});

test("case 11: a call without arguments has {} in the stream and in the item", () => {
  const frames = streamed({}, [START, started(0, "a", "look"), finish("tool_calls")]);
  assert.equal(frames.find(({ event }) => event === "response.function_call_arguments.delta")?.data["delta"], "{}");
  assert.equal(outputOf(final(frames))[0]?.["arguments"], "{}");
});

test("arguments of parallel calls may come interleaved", () => {
  const frames = streamed({}, [START, started(0, "a", "look"), args(0, `{"n"`), started(1, "b", "look"), args(1, `{"n":`), args(0, ":1}"), args(1, "2}"), finish("tool_calls")]);
  assert.deepEqual(outputOf(final(frames)).map((item) => [item["call_id"], item["arguments"]]), [["a", `{"n":1}`], ["b", `{"n":2}`]]);
});

test("a call is done as soon as its arguments are whole and something else begins", () => {
  const events = streamed({}, [START, ...call(0, "a", "look", `{"n":1}`), started(1, "b", "look"), args(1, "{}"), finish("tool_calls")]).map(({ event, data }) => `${event} ${JSON.stringify(data["output_index"])}`);
  assert.ok(events.indexOf("response.output_item.done 0") < events.indexOf("response.output_item.added 1"), events.join("\n"));
});

test("case 13: a call's id of more than 64 characters becomes one that fits, the same each time", () => {
  const ids = [`toolu_${"x".repeat(80)}1`, `toolu_${"x".repeat(80)}2`, "toolu_short"].map((id) => {
    const twice = [1, 2].map(() => outputOf(final(streamed({}, [START, ...call(0, id, "look", "{}"), finish("tool_calls")])))[0]?.["call_id"] as string);
    assert.equal(twice[0], twice[1]);
    return twice[0] as string;
  });
  assert.ok(ids.every((id) => id.length <= 64));
  assert.notEqual(ids[0], ids[1]);
  assert.equal(ids[2], "toolu_short");
});

test("case 40: a failure in the middle ends with response.failed and what there was, and nothing after it", () => {
  const encoder = responsesClient.openEncoder(headOf({}));
  const before = [START, text("half")].map((event) => encoder.encode(event) as string).join("");
  const frames = framesOf(before + (encoder.failed(gatewayError("upstream_rate_limited", "slow down"), null) as string));
  const response = final(frames);
  assert.equal(frames.at(-1)?.event, "response.failed");
  assert.deepEqual([response["status"], response["error"], response["usage"]], ["failed", { code: "rate_limit_exceeded", message: "slow down" }, null]);
  assert.deepEqual(outputOf(response).map((item) => [item["status"], member(asArray(item["content"])[0], "text")]), [["incomplete", "half"]]);
});

test("a failure before anything was said opens the response first", () => {
  const encoder = responsesClient.openEncoder(headOf({}));
  const frames = framesOf(encoder.failed(gatewayError("upstream_timeout", "too late"), null) as string);
  assert.deepEqual(frames.map(({ event }) => event), ["response.created", "response.in_progress", "response.failed"]);
});

test("case 41: nothing is said twice of the opening, and other choices than the first are not part of a response", () => {
  const frames = streamed({}, [START, START, text("a"), { kind: "text", choice: 1, text: "other" }, finish("stop")]);
  assert.equal(frames.filter(({ event }) => event === "response.created").length, 1);
  assert.equal(JSON.stringify(frames).includes("other"), false);
});

test("a simulated answer says so", () => {
  const answer = responsesClient.encodeAnswer([START, text("x"), finish("stop")], headOf({}, { simulated: true }));
  assert.equal(answer["system_fingerprint"], "spillway-simulated");
});
