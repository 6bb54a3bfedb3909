import assert from "node:assert/strict";
import { test } from "node:test";
import fc from "fast-check";
import { gatewayError } from "../../../wire/errors.ts";
import type { StreamEvent } from "../../../wire/events.ts";
import type { Json, JsonObject } from "../../../wire/json.ts";
import type { Usage } from "../../../wire/usage.ts";
import { head, OUTSIDE, request, user } from "../cohere/test-hub.ts";
import { openaiChat } from "../openai/upstream.ts";
import { target } from "../openai/test-target.ts";
import { completionsClient } from "./index.ts";

const USAGE: Usage = { units: { input: 3, cache_read: 1, output: 5, reasoning: 2 }, raw: null };
const ANSWER: readonly StreamEvent[] = [
  { kind: "start", id: "up", model: "x", createdS: 1, systemFingerprint: "fp" },
  { kind: "text", choice: 0, text: "One " },
  { kind: "text", choice: 1, text: "Uno" },
  { kind: "reasoning", choice: 1, text: "hm" },
  { kind: "text", choice: 0, text: "two." },
  { kind: "choice-extra", choice: 0, key: "citations", value: ["a"] },
  { kind: "choice-extra", choice: 0, key: "citations", value: ["b"] },
  { kind: "usage", usage: USAGE },
  { kind: "finish", choice: 0, reason: "length", native: "max_tokens" },
  { kind: "finish", choice: 1, reason: "stop", native: "end_turn" },
];

function read(raw: JsonObject) {
  const made = completionsClient.parse({ model: "m", prompt: "Say", ...raw }, OUTSIDE);
  return made.kind === "error" ? [made.error.code, made.error.param] : made.request;
}
function frames(events: readonly StreamEvent[], fields: Parameters<typeof head>[0], spillway: JsonObject = {}): readonly string[] {
  const encoder = completionsClient.openEncoder(head(fields));
  const written = events.flatMap((event) => (event.kind === "usage" ? [] : [encoder.encode(event) as string]));
  return [...written, encoder.closing(USAGE, spillway) as string].join("").split("\n\n").filter((frame) => frame !== "");
}
function bodies(of: readonly string[]): JsonObject[] {
  return of.filter((frame) => frame !== "data: [DONE]").map((frame) => JSON.parse(frame.slice("data: ".length)) as JsonObject);
}

test("a prompt is one message of a user, as a text or as a list of one", () => {
  assert.deepEqual(read({ prompt: "Say" }), request({ messages: [user("Say")] }));
  assert.deepEqual(read({ prompt: ["Say"] }), request({ messages: [user("Say")] }));
  assert.deepEqual(read({ prompt: "" }), request({ messages: [{ role: "user", parts: [], name: undefined }] }));
});

test("what a chat knows as well is carried, and unknown fields are kept", () => {
  assert.deepEqual(read({
    max_tokens: 9, temperature: 0.5, top_p: 0.4, n: 2, best_of: 2, stop: ["a", "b"], presence_penalty: 1, frequency_penalty: -1, seed: 3,
    logit_bias: { "1": 2 }, user: "u", stream: true, stream_options: { include_usage: true, include_obfuscation: false }, echo: false, suffix: "",
    logprobs: null, top_k: 7, min_p: 0.1, spillway: {},
  }), request({
    messages: [user("Say")], maxOutputTokens: 9, temperature: 0.5, topP: 0.4, topK: 7, choiceCount: 2, stop: ["a", "b"], presencePenalty: 1,
    frequencyPenalty: -1, seed: 3, logitBias: { "1": 2 }, user: "u", stream: true, includeUsage: true,
    other: { min_p: 0.1, stream_options: { include_obfuscation: false } },
  }));
});

test("what no chat can do is refused by its name, whatever the target", () => {
  const cases: readonly (readonly [string, JsonObject])[] = [
    ["prompt", { prompt: ["a", "b"] }],
    ["prompt", { prompt: [1, 2, 3] }],
    ["prompt", { prompt: [[1, 2], [3]] }],
    ["suffix", { suffix: "end" }],
    ["echo", { echo: true }],
    ["best_of", { best_of: 2 }],
    ["logprobs", { logprobs: 0 }],
    ["logprobs", { logprobs: 5 }],
    ["tools", { tools: [] }],
    ["response_format", { response_format: { type: "json_object" } }],
  ];
  for (const [param, raw] of cases) assert.deepEqual(read(raw), ["unsupported_parameter", param], JSON.stringify(raw));
});

test("a wrong type is refused with its path", () => {
  assert.deepEqual(read({ prompt: null }), ["missing_field", "prompt"]);
  assert.deepEqual(read({ prompt: [] }), ["missing_field", "prompt[0]"]);
  assert.deepEqual(read({ prompt: { a: 1 } }), ["invalid_type", "prompt"]);
  assert.deepEqual(read({ prompt: [true] }), ["invalid_type", "prompt[0]"]);
  assert.deepEqual(read({ model: undefined }), ["missing_field", "model"]);
  assert.deepEqual(read({ n: 0 }), ["invalid_body", "n"]);
  assert.deepEqual(read({ stop: 5 }), ["invalid_type", "stop"]);
});

test("any body is read or refused, never thrown at", () => {
  const keys = ["prompt", "n", "best_of", "logprobs", "stop", "stream", "stream_options", "suffix", "echo", "max_tokens", "logit_bias", "x"];
  fc.assert(fc.property(fc.dictionary(fc.constantFrom(...keys), fc.jsonValue({ maxDepth: 3 })), (raw) => {
    const made = completionsClient.parse({ model: "m", prompt: "p", ...(raw as { [key: string]: Json }) }, OUTSIDE);
    assert.ok(made.kind === "request" || made.error.param !== null);
  }), { numRuns: 300 });
});

test("bytes never pass: what goes to a provider is a chat", () => {
  assert.equal(completionsClient.passes, false);
  const made = openaiChat.encodeChat(read({ max_tokens: 9, min_p: 0.1 }) as ReturnType<typeof request>, target());
  assert.ok(made.kind === "encoded");
  assert.deepEqual([made.path, made.body], ["/chat/completions", {
    model: "their-model", messages: [{ role: "user", content: "Say" }], max_completion_tokens: 9, min_p: 0.1,
  }]);
});

test("case 45: usage comes in one last chunk where it was asked, with null on all others, and not at all where it was not", () => {
  const asked = frames(ANSWER, { includeUsage: true }, { cost_usd: "0.1" });
  assert.equal(asked.at(-1), "data: [DONE]");
  const all = bodies(asked);
  assert.deepEqual(all.slice(0, -1).map((body) => body["usage"]), all.slice(0, -1).map(() => null));
  const last = all.at(-1) as { choices: Json[]; usage: JsonObject; spillway: Json };
  assert.deepEqual([last.choices, last.usage["prompt_tokens"], last.usage["completion_tokens"], last.usage["total_tokens"], last.spillway], [[], 4, 7, 11, { cost_usd: "0.1" }]);
  for (const body of bodies(frames(ANSWER, {}))) assert.ok(!("usage" in body) && (body["choices"] as Json[]).length === 1);
});

test("chunks and whole answer say the same: text by choice, reason in this form's words, reasoning and sources beside", () => {
  const whole = completionsClient.encodeAnswer(ANSWER, head());
  const one = { text: "One two.", index: 0, logprobs: null, finish_reason: "length", citations: ["a", "b"] };
  const two = { text: "Uno", index: 1, logprobs: null, finish_reason: "stop", reasoning_content: "hm" };
  const { choices, usage, ...top } = whole;
  assert.deepEqual(choices, [one, two]);
  assert.deepEqual(top, { id: "cmpl-req-1", object: "text_completion", created: 1_700_000_000, model: "m", system_fingerprint: "fp" });
  assert.equal((usage as JsonObject)["total_tokens"], 11);
  const joined = ["", ""];
  const reasons: Json[] = [];
  for (const { choices: [choice] } of bodies(frames(ANSWER, {})) as { choices: JsonObject[] }[]) {
    const index = choice?.["index"] as number;
    joined[index] += choice?.["text"] as string;
    if (choice?.["finish_reason"] !== null) reasons.push(choice?.["finish_reason"] as Json);
  }
  assert.deepEqual([joined, reasons], [["One two.", "Uno"], ["length", "stop"]]);
});

test("a simulated answer says so", () => {
  assert.equal(completionsClient.encodeAnswer(ANSWER, { ...head(), simulated: true })["system_fingerprint"], "spillway-simulated");
});

test("a failure in the middle is the typed error and no finish", () => {
  const encoder = completionsClient.openEncoder(head());
  const error = gatewayError("upstream_truncated", "It was cut.");
  assert.equal(encoder.failed(error, null), `data: {"error":{"message":"It was cut.","type":"server_error","param":null,"code":"upstream_truncated"}}\n\ndata: [DONE]\n\n`);
  assert.equal(completionsClient.brokenFrame(error, "r"), encoder.failed(error, null));
});
