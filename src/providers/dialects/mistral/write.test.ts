import assert from "node:assert/strict";
import { after, before, describe, test } from "node:test";
import { Mistral } from "@mistralai/mistralai";
import fc from "fast-check";
import { gatewayError } from "../../../wire/errors.ts";
import type { StreamEvent } from "../../../wire/events.ts";
import type { Json, JsonObject } from "../../../wire/json.ts";
import { CONTEXT, decodeSse, head, OUTSIDE, serve, summary, written, type Replay } from "../cohere/test-hub.ts";
import { decodeAnswer, openStream } from "../openai/decode.ts";
import { recordedJson, sharedAbsent } from "../openai/test-recorded.ts";
import { mistralClient } from "./index.ts";

const USAGE: StreamEvent = { kind: "usage", usage: { units: { input: 3, cache_read: 1, output: 5, reasoning: 2 }, raw: null } };
const TOLD = { prompt_tokens: 4, completion_tokens: 7, total_tokens: 11 };
const ANSWER: readonly StreamEvent[] = [
  { kind: "start", id: "up", model: "x", createdS: 1 },
  { kind: "reasoning", choice: 0, text: "Hm, " },
  { kind: "reasoning", choice: 0, text: "hm." },
  { kind: "signature", choice: 0, signature: "sig" },
  { kind: "text", choice: 0, text: "One " },
  { kind: "text", choice: 0, text: "two." },
  { kind: "tool-start", choice: 0, index: 0, id: "call_a", name: "f", thoughtSignature: undefined },
  { kind: "tool-arguments", choice: 0, index: 0, json: `{"a":` },
  { kind: "tool-start", choice: 0, index: 1, id: "call_b", name: "g", thoughtSignature: "ts" },
  { kind: "tool-arguments", choice: 0, index: 0, json: "1}" },
  USAGE,
  { kind: "finish", choice: 0, reason: "tool_calls", native: "tool_use" },
];
const CALLS = [
  { id: "call_a", type: "function", function: { name: "f", arguments: `{"a":1}` }, index: 0 },
  { id: "call_b", type: "function", function: { name: "g", arguments: "{}" }, index: 1, extra_content: { google: { thought_signature: "ts" } } },
];

function chunks(events: readonly StreamEvent[]): JsonObject[] {
  const frames = written(events, mistralClient).split("\n\n").filter((frame) => frame !== "");
  assert.equal(frames.pop(), "data: [DONE]");
  return frames.map((frame) => JSON.parse(frame.slice("data: ".length)) as JsonObject);
}
function choicesOf(events: readonly StreamEvent[]): readonly Json[] {
  return chunks(events).flatMap((chunk) => chunk["choices"] as readonly Json[]);
}
const whole = (events: readonly StreamEvent[]): JsonObject => mistralClient.encodeAnswer(events, head());
/** Members that are null, by their paths; the finish reason of a chunk has to be. */
function nulls(value: Json | undefined, path = ""): string[] {
  if (value === null) return path.endsWith(".finish_reason") ? [] : [path];
  if (typeof value !== "object") return [];
  return Object.entries(value as JsonObject).flatMap(([key, one]) => nulls(one, `${path}.${key}`));
}

test("a stream has its thoughts among the chunks of a content, its calls whole, and its usage with the finish reason", () => {
  const thinking = (text: string) => ({ type: "thinking", thinking: [{ type: "text", text }] });
  const delta = (content: Json, more: JsonObject = {}) => ({ index: 0, delta: { content, ...more }, finish_reason: null });
  assert.deepEqual(choicesOf(ANSWER), [
    { index: 0, delta: { role: "assistant", content: "" }, finish_reason: null },
    delta([thinking("Hm, ")]),
    delta([thinking("hm.")]),
    delta([{ type: "thinking", thinking: [], signature: "sig", closed: true }]),
    delta("One "),
    delta("two."),
    delta("", { tool_calls: CALLS }),
    { index: 0, delta: { content: "" }, finish_reason: "tool_calls" },
  ]);
  const all = chunks(ANSWER);
  for (const chunk of all) assert.deepEqual([chunk["id"], chunk["object"], chunk["created"], chunk["model"]], ["cmpl-req-1", "chat.completion.chunk", 1_700_000_000, "m"]);
  assert.deepEqual(all.map((chunk) => "usage" in chunk), all.map((_, at) => at === all.length - 1));
  const { prompt_tokens, completion_tokens, total_tokens } = (all.at(-1) ?? {})["usage"] as typeof TOLD;
  assert.deepEqual({ prompt_tokens, completion_tokens, total_tokens }, TOLD);
  assert.deepEqual(all.flatMap((chunk) => nulls(chunk)), []);
});

test("a whole answer has the same, and a content without thoughts is a text", () => {
  const { choices, usage } = whole(ANSWER);
  assert.deepEqual(choices, [{
    index: 0, finish_reason: "tool_calls",
    message: {
      role: "assistant", tool_calls: CALLS,
      content: [{ type: "thinking", thinking: [{ type: "text", text: "Hm, hm." }], signature: "sig", closed: true }, { type: "text", text: "One two." }],
    },
  }]);
  assert.equal((usage as JsonObject)["total_tokens"], 11);
  assert.deepEqual(nulls(whole(ANSWER)), []);
  assert.deepEqual(whole([{ kind: "refusal", choice: 0, text: "No." }, { kind: "finish", choice: 0, reason: "stop", native: "stop" }])["choices"], [
    { index: 0, message: { role: "assistant", content: "No." }, finish_reason: "stop" },
  ]);
});

test("case 23: redacted thoughts stand beside the content, in which clients take no chunk of their type", () => {
  const events: readonly StreamEvent[] = [{ kind: "redacted", choice: 0, data: "x" }, { kind: "text", choice: 0, text: "a" }, { kind: "finish", choice: 0, reason: "stop", native: "stop" }];
  const blocks = [{ type: "redacted_thinking", data: "x" }];
  assert.deepEqual((whole(events)["choices"] as JsonObject[])[0]?.["message"], { role: "assistant", content: "a", thinking_blocks: blocks });
  assert.ok(choicesOf(events).some((choice) => JSON.stringify(choice) === JSON.stringify({ index: 0, delta: { thinking_blocks: blocks }, finish_reason: null })));
});

test("of several choices each has its finish, and the last has the usage", () => {
  const events: readonly StreamEvent[] = [
    { kind: "text", choice: 0, text: "a" },
    { kind: "finish", choice: 0, reason: "length", native: "max_tokens" },
    { kind: "text", choice: 1, text: "b" },
    { kind: "choice-extra", choice: 1, key: "delta.annotations", value: ["x"] },
    { kind: "finish", choice: 1, reason: "length", native: "model_context_window_exceeded" },
    USAGE,
  ];
  const finished = chunks(events).flatMap((chunk) => (chunk["choices"] as JsonObject[]).filter((choice) => choice["finish_reason"] !== null).map((choice) => [choice, "usage" in chunk]));
  assert.deepEqual(finished, [
    [{ index: 0, delta: { content: "" }, finish_reason: "length" }, false],
    [{ index: 1, delta: { annotations: ["x"], content: "" }, finish_reason: "model_length" }, true],
  ]);
});

test("recorded answers of the form's own maker come out as they went in", { skip: sharedAbsent }, () => {
  for (const name of ["mistral/mistral-reasoning.json", "mistral/mistral-tool-call.json"]) {
    const recorded = recordedJson(name) as JsonObject;
    const [choice] = whole(decodeAnswer(recorded, CONTEXT))["choices"] as [JsonObject];
    const [original] = recorded["choices"] as [JsonObject];
    const { content, tool_calls: calls } = choice["message"] as JsonObject;
    const wanted = original["message"] as JsonObject;
    const plain = (value: Json | undefined): Json => JSON.parse(JSON.stringify(value ?? "", (key: string, one: Json) => (key === "closed" || key === "type" && one === "function" || key === "index" ? undefined : one))) as Json;
    assert.deepEqual([plain(content), plain(calls), choice["finish_reason"]], [plain(wanted["content"]), plain(wanted["tool_calls"]), original["finish_reason"]]);
  }
});

test("whatever is written says what was told, as a stream and as a whole", () => {
  const word = fc.string({ minLength: 1, maxLength: 9, unit: "grapheme" });
  const piece = fc.oneof(
    fc.record({ kind: fc.constant("text" as const), choice: fc.constant(0), text: word }),
    fc.record({ kind: fc.constant("reasoning" as const), choice: fc.constant(0), text: word }),
  );
  const calls = fc.array(fc.record({ name: fc.stringMatching(/^[a-z]{1,5}$/), value: fc.jsonValue() }), { maxLength: 3 });
  fc.assert(fc.property(fc.array(piece, { minLength: 1, maxLength: 12 }), calls, (pieces, asked) => {
    const events: readonly StreamEvent[] = [
      ...pieces,
      ...asked.flatMap(({ name, value }, index): StreamEvent[] => [
        { kind: "tool-start", choice: 0, index, id: `call_${index}`, name, thoughtSignature: undefined },
        ...(JSON.stringify({ value }).match(/.{1,4}/gsu) ?? []).map((json): StreamEvent => ({ kind: "tool-arguments", choice: 0, index, json })),
      ]),
      USAGE,
      { kind: "finish", choice: 0, reason: asked.length > 0 ? "tool_calls" : "stop", native: "x" },
      { kind: "end" },
    ];
    const wanted = summary(events);
    assert.deepEqual(summary(decodeSse(written(events, mistralClient), openStream(CONTEXT))), wanted);
    assert.deepEqual(summary(decodeAnswer(whole(events), CONTEXT)), wanted);
  }), { numRuns: 200 });
});

test("an error is flat, with the members that its clients require", () => {
  const error = gatewayError("unsupported_parameter", "No.", { param: "n" });
  assert.deepEqual(mistralClient.encodeError(error, "r"), { object: "error", message: "No.", type: "invalid_request_error", param: "n", code: "unsupported_parameter" });
});

describe("the official client", () => {
  let server: Replay;
  let client: Mistral;
  before(async () => {
    server = await serve((body) => {
      const read = mistralClient.parse(body, OUTSIDE);
      if (read.kind === "error") return { status: 400, body: JSON.stringify(mistralClient.encodeError(read.error, "r")) };
      const about = { ...head(read.request), model: read.request.model, raw: body };
      if (!read.request.stream) return { body: JSON.stringify(mistralClient.encodeAnswer(ANSWER.filter((event) => event !== USAGE), about)) };
      const frames = written(ANSWER, mistralClient, about);
      const failing = mistralClient.openEncoder(about);
      const broken = (failing.encode({ kind: "text", choice: 0, text: "One " }) as string) + (failing.failed(gatewayError("upstream_truncated", "It was cut."), null) as string);
      return { type: mistralClient.streamType, body: (mistralClient.keepAlive as string) + (read.request.model === "broken" ? broken : frames) };
    });
    client = new Mistral({ serverURL: server.url, apiKey: "key", retryConfig: { strategy: "none" } });
  });
  after(() => server.close());

  test("reads a stream of thoughts, text and calls", async () => {
    const seen: unknown[] = [];
    for await (const { data } of await client.chat.stream({ model: "m", messages: [{ role: "user", content: "hi" }] })) {
      const [choice] = data.choices;
      seen.push(...(choice?.delta.toolCalls ?? []).map((call) => [call.id, call.function.name, call.function.arguments]));
      if (data.usage !== undefined) seen.push([data.usage.totalTokens, choice?.finishReason]);
    }
    assert.deepEqual(seen, [["call_a", "f", `{"a":1}`], ["call_b", "g", "{}"], [11, "tool_calls"]]);
  });

  test("reads a whole answer even where no usage was told", async () => {
    const answer = await client.chat.complete({ model: "m", messages: [{ role: "user", content: "hi" }] });
    assert.equal(answer.choices[0]?.message?.toolCalls?.length, 2);
  });

  test("throws at a failure in the middle of a stream", async () => {
    let text = "";
    await assert.rejects(async () => {
      for await (const { data } of await client.chat.stream({ model: "broken", messages: [{ role: "user", content: "hi" }] })) text += data.choices[0]?.delta.content as string;
    }, /choices|id/);
    assert.equal(text, "One ");
  });
});
