/** Answers as clients get them, and as this dialect's own decoder reads them back. */
import assert from "node:assert/strict";
import { describe, test } from "node:test";
import { ERRORS, gatewayError, type ErrorCode } from "../../../wire/errors.ts";
import type { StreamEvent } from "../../../wire/events.ts";
import type { Json, JsonObject } from "../../../wire/json.ts";
import { unwrap } from "./client-opaque.ts";
import { encodeModel, encodeModelsList, geminiClient } from "./client.ts";
import { gemini } from "./index.ts";
import { body, calls, chunksOf, finish, frames, head, said, thought, usage } from "./test-client.ts";
import { CONTEXT, streamed, summary } from "./test-support.ts";

const candidate = (...list: Json[]): JsonObject => ({ content: { parts: list, role: "model" }, index: 0 });
const head_ = { modelVersion: "some/model", responseId: "r-1" };
const ANSWER: readonly StreamEvent[] = [
  { kind: "start", id: "up", model: "m", createdS: 1 },
  thought("hm"), said("Hel"), said("lo"), ...calls(0, "c0", "f", `{"a"`, `:1}`), ...calls(1, "c1", "g"), finish("tool_calls"),
];
const signature = (event: Partial<Extract<StreamEvent, { kind: "signature" }>>): StreamEvent => ({ kind: "signature", choice: 0, signature: "sig", ...event });
const signaturesOf = (text: string): string[] => chunksOf(text).flatMap((chunk) => JSON.stringify(chunk).match(/(?<="thoughtSignature":")[^"]+/g) ?? []);

describe("a stream", () => {
  test("is one part per chunk, calls whole, and a last chunk with reason and usage; nothing after it", () => {
    assert.deepEqual(chunksOf(frames(ANSWER, head(), usage(), { cost_usd: 0.1 })), [
      { candidates: [candidate({ text: "hm", thought: true })], ...head_ },
      { candidates: [candidate({ text: "Hel" })], ...head_ },
      { candidates: [candidate({ text: "lo" })], ...head_ },
      { candidates: [candidate({ functionCall: { id: "c0", name: "f", args: { a: 1 } } })], ...head_ },
      { candidates: [candidate({ functionCall: { id: "c1", name: "g", args: {} } })], ...head_ },
      {
        candidates: [{ ...candidate({ text: "" }), finishReason: "STOP", nativeFinishReason: "tool_calls" }],
        usageMetadata: { promptTokenCount: 5, candidatesTokenCount: 7, totalTokenCount: 12 }, ...head_, spillway: { cost_usd: 0.1 },
      },
    ]);
  });
  test("says what it cannot say twice only once, and nothing for what is empty", () => {
    const encoder = geminiClient.openEncoder(head());
    for (const event of [ANSWER[0] as StreamEvent, said(""), thought(""), ...calls(0, "c", "f", "{")]) assert.equal(encoder.encode(event), "");
  });
  test("several choices keep their index, and each its own end", () => {
    const chunks = chunksOf(frames([said("b", 1), said("a", 0), finish("stop", "STOP", 1), finish("length", "length", 0)]));
    assert.deepEqual(chunks.map((chunk) => (chunk["candidates"] as JsonObject[]).map(({ index, finishReason }) => [index, finishReason ?? "-"])),
      [[[1, "-"]], [[0, "-"]], [[0, "MAX_TOKENS"], [1, "STOP"]]]);
  });
  test("thoughts are shown to who asked for them", () => {
    assert.deepEqual(chunksOf(frames([thought("hm"), said("x"), finish("stop")], head(body()))).length, 2);
    assert.deepEqual(chunksOf(frames([thought("hm"), finish("stop")], head(body({ generation_config: { thinking_config: { include_thoughts: true } } })))).length, 2);
  });
  test("lines stay whole for readers that break them at more than a line feed", () => {
    const text = "a\u2028b\u2029c\u0085d\ne";
    const out = frames([said(text), finish("stop")], head(body(), { model: "m\u2028" }));
    assert.equal(/[\u2028\u2029\u0085]/.test(out), false);
    assert.deepEqual(chunksOf(out)[0], { candidates: [candidate({ text })], modelVersion: "m\u2028", responseId: "r-1" });
  });
  test("log probabilities and sources stand on their candidate", () => {
    const token = { token: "a", logprob: -1, bytes: [97], top_logprobs: [{ token: "b", logprob: -2, bytes: [98] }] };
    const extra = (key: string, value: Json): StreamEvent => ({ kind: "choice-extra", choice: 0, key, value });
    const events = [extra("logprobs", { content: [token], refusal: null }), said("a"), extra("grounding_metadata", { x: 1 }), extra("annotations", [1]), extra("annotations", [2]), finish("stop")];
    const [first, last] = chunksOf(frames(events)).map((chunk) => (chunk["candidates"] as JsonObject[])[0] as JsonObject);
    assert.deepEqual(first?.["logprobsResult"], { chosenCandidates: [{ token: "a", logProbability: -1 }], topCandidates: [{ candidates: [{ token: "b", logProbability: -2 }] }] });
    assert.deepEqual([last?.["groundingMetadata"], last?.["annotations"]], [{ x: 1 }, [1, 2]]);
  });
  test("the simulated provider says so", () => {
    const simulated = head(body(), { simulated: true });
    assert.deepEqual(chunksOf(frames([said("x"), finish("stop")], simulated)).at(-1)?.["spillway"], { simulated: true });
    assert.deepEqual(geminiClient.encodeAnswer([said("x"), finish("stop")], simulated)["spillway"], { simulated: true });
  });
  test("a sign of life has no content and a shape that every reader takes", () => {
    assert.deepEqual(chunksOf(geminiClient.keepAlive as string), [{ candidates: [candidate({ text: "" })] }]);
  });
});

describe("tool calls", () => {
  const parts = (events: readonly StreamEvent[]): Json[] => chunksOf(frames(events)).flatMap((chunk) => (chunk["candidates"] as { content: { parts: Json[] } }[]).flatMap(({ content }) => content.parts));

  test("case 11: no arguments, in whatever form, are an empty object", () => {
    for (const pieces of [[], [""], ["null"], ["{}"], [" ", "{", "}"]]) {
      assert.deepEqual(parts([...calls(0, "c", "f", ...pieces), finish("tool_calls")])[0], { functionCall: { id: "c", name: "f", args: {} } }, JSON.stringify(pieces));
    }
  });
  test("a call leaves as soon as another event shows it complete, and interleaved arguments find theirs", () => {
    const events = [...calls(0, "a", "f", `{"x":`), ...calls(1, "b", "g", `{"y":2}`), { kind: "tool-arguments", choice: 0, index: 0, json: "1}" } as const];
    assert.deepEqual(parts([...events, said("after"), finish("stop")]).slice(0, 3), [{ functionCall: { id: "a", name: "f", args: { x: 1 } } }, { functionCall: { id: "b", name: "g", args: { y: 2 } } }, { text: "after" }]);
  });
  test("case 16: an answer with calls ends with STOP, and reads back as one with calls", () => {
    const read = summary(streamed(chunksOf(frames(ANSWER))));
    assert.deepEqual([read.finish, read.text, read.reasoning, read.ended], [["tool_calls"], "Hello", "hm", true]);
    assert.deepEqual(read.calls, [{ id: "c0", name: "f", signed: false, args: { a: 1 } }, { id: "c1", name: "g", signed: false, args: {} }]);
  });
  test("a call that was cut off or makes no sense is no call, and the end says which", () => {
    const last = (events: readonly StreamEvent[]): unknown => {
      const { finishReason, finishMessage } = ((chunksOf(frames(events)).at(-1) as JsonObject)["candidates"] as JsonObject[])[0] as JsonObject;
      return [parts(events).length, finishReason, finishMessage];
    };
    assert.deepEqual(last([...calls(0, "c", "f", `{"a`), finish("length")]), [1, "MAX_TOKENS", "The call of f was cut off."]);
    assert.deepEqual(last([...calls(0, "c", "f", `[1]`), ...calls(1, "d", "g", "{}"), finish("tool_calls")]), [2, "MALFORMED_FUNCTION_CALL", "The arguments of the call of f are not a JSON object."]);
  });
  test("case 26: a signature returns on its call", () => {
    const signed = { kind: "tool-start", choice: 0, index: 0, id: "c", name: "f", thoughtSignature: "own" } as const;
    assert.deepEqual(parts([signed, finish("tool_calls")])[0], { functionCall: { id: "c", name: "f", args: {} }, thoughtSignature: "own" });
    assert.equal(summary(streamed(chunksOf(frames([signed, finish("tool_calls")])))).calls[0]?.signed, true);
  });
});

describe("reasoning state", () => {
  test("case 22: another maker's signature goes wrapped, with the text it closes where that is not shown", () => {
    const events = [thought("th"), thought("ink"), signature({}), said("x"), finish("stop")];
    const [shown] = signaturesOf(frames(events));
    const [hidden] = signaturesOf(frames(events, head(body())));
    assert.deepEqual(unwrap(shown ?? ""), { kind: "thinking", text: undefined, signature: "sig" });
    assert.deepEqual(unwrap(hidden ?? ""), { kind: "thinking", text: "think", signature: "sig" });
    assert.deepEqual(unwrap(signaturesOf(frames([signature({}), finish("stop")], head(body())))[0] ?? ""), { kind: "thinking", text: "", signature: "sig" });
  });
  test("case 23: redacted blocks go wrapped", () => {
    assert.deepEqual(unwrap(signaturesOf(frames([{ kind: "redacted", choice: 0, data: "blob" }, finish("stop")]))[0] ?? ""), { kind: "redacted", data: "blob" });
  });
  test("a signature of this dialect's own leaves as it came", () => {
    assert.deepEqual(signaturesOf(frames([said("x"), signature({ inExtraContent: true }), finish("stop")])), ["sig"]);
  });
});

describe("the end of an answer", () => {
  const reason = (events: readonly StreamEvent[]): unknown => ((geminiClient.encodeAnswer(events, head())["candidates"] as JsonObject[])[0] as JsonObject)["finishReason"];

  test("every reason has its word", () => {
    assert.deepEqual(["stop", "tool_calls", "length", "content_filter", "error"].map((one) => reason([said("x"), finish(one as "stop", "n")])), ["STOP", "STOP", "MAX_TOKENS", "SAFETY", "OTHER"]);
    assert.equal(reason([said("x"), finish("content_filter", "PROHIBITED_CONTENT")]), "PROHIBITED_CONTENT");
    assert.equal(reason([said("x"), finish("content_filter", "OTHER")]), "SAFETY");
    assert.equal(reason([said("x")]), "OTHER");
  });
  test("case 49: a refusal is its words under SAFETY, a blocked prompt one candidate without content", () => {
    assert.deepEqual(geminiClient.encodeAnswer([{ kind: "refusal", choice: 0, text: "No." }, finish("stop")], head())["candidates"],
      [{ ...candidate({ text: "No." }), finishReason: "SAFETY", finishMessage: "The model refused.", nativeFinishReason: "stop" }]);
    assert.deepEqual(geminiClient.encodeAnswer([finish("content_filter", "SAFETY")], head())["candidates"], [{ finishReason: "SAFETY", index: 0 }]);
    assert.deepEqual(geminiClient.encodeAnswer([finish("stop", "STOP")], head())["candidates"], [{ ...candidate({ text: "" }), finishReason: "STOP" }]);
  });
  test("a whole answer joins what belongs together and reads back the same as its stream", () => {
    const events: StreamEvent[] = [...ANSWER, { kind: "usage", usage: usage() }];
    const whole = geminiClient.encodeAnswer(events, head());
    assert.deepEqual((whole["candidates"] as JsonObject[])[0]?.["content"], {
      parts: [{ text: "hm", thought: true }, { text: "Hello" }, { functionCall: { id: "c0", name: "f", args: { a: 1 } } }, { functionCall: { id: "c1", name: "g", args: {} } }],
      role: "model",
    });
    assert.deepEqual(summary(gemini.decodeAnswer(whole as Json, CONTEXT)), summary(streamed(chunksOf(frames(ANSWER)))));
  });
});

describe("usage", () => {
  test("cached tokens are inside the prompt, thoughts beside the candidates, media told apart; it reads back the same", () => {
    const units = { input: 10, cache_read: 20, cache_write_5m: 3, audio_input: 4, image_input: 5, output: 6, reasoning: 7, audio_output: 8, image_output: 9 };
    const told = chunksOf(frames([said("x"), finish("stop")], head(), usage(units, { serviceTier: "default" }))).at(-1)?.["usageMetadata"];
    assert.deepEqual(told, {
      promptTokenCount: 42, candidatesTokenCount: 23, totalTokenCount: 72, cachedContentTokenCount: 20, thoughtsTokenCount: 7,
      promptTokensDetails: [{ modality: "TEXT", tokenCount: 33 }, { modality: "AUDIO", tokenCount: 4 }, { modality: "IMAGE", tokenCount: 5 }],
      candidatesTokensDetails: [{ modality: "TEXT", tokenCount: 6 }, { modality: "AUDIO", tokenCount: 8 }, { modality: "IMAGE", tokenCount: 9 }],
      serviceTier: "standard",
    });
    // This dialect has no word for written cache tokens: they are prompt tokens to its readers.
    const { cache_write_5m: written, ...rest } = units;
    assert.deepEqual(summary(streamed(chunksOf(frames([said("x"), finish("stop")], head(), usage(units))))).units, { ...rest, input: units.input + written });
  });
});

describe("errors", () => {
  test("have the members that clients read, and a delay in their details", () => {
    const error = gatewayError("upstream_rate_limited", "Slow down.", { retryAfterMs: 34_394, param: "model" });
    const encoded = geminiClient.encodeError(error, "r-1");
    const inner = encoded["error"] as JsonObject;
    assert.deepEqual([inner["code"], inner["message"], inner["status"]], [429, "Slow down.", "RESOURCE_EXHAUSTED"]);
    const read = gemini.readError(429, () => undefined, encoded as Json, "", 0);
    assert.deepEqual([read.class, read.retryAfterMs, read.param, read.code], ["rate", 34_400, "model", "UPSTREAM_RATE_LIMITED"]);
  });
  test("of every code have a status that fits the class it had", () => {
    for (const code of Object.keys(ERRORS) as ErrorCode[]) {
      const { error } = geminiClient.encodeError(gatewayError(code, "m"), "r") as { error: JsonObject };
      assert.match(error["status"] as string, /^[A-Z_]+$/, code);
      assert.equal(error["code"], ERRORS[code].status);
    }
  });
  test("case 40: in a stream are told at any point, never as a good end, and with what the answer cost", () => {
    const encoder = geminiClient.openEncoder(head());
    const out = (encoder.encode(said("x")) as string) + (encoder.failed(gatewayError("upstream_truncated", "It broke."), usage()) as string);
    const [, last] = chunksOf(out);
    assert.equal((last as { error: JsonObject }).error["code"], 502);
    assert.deepEqual(last?.["usageMetadata"], { promptTokenCount: 5, candidatesTokenCount: 7, totalTokenCount: 12 });
    assert.deepEqual([...out.matchAll(/"finishReason":"(\w+)"/g)].map(([, reason]) => reason), ["OTHER"]);
    assert.deepEqual(summary(streamed(chunksOf(out))).error, "server");
    assert.deepEqual(chunksOf(geminiClient.brokenFrame(gatewayError("stopping", "Bye."), "r") as string).map((chunk) => (chunk["error"] as JsonObject)["code"]), [503]);
  });
});

test("models are listed by resource name, without what is unknown", () => {
  const known = { id: "a/b", name: "B", contextWindow: 10, maxOutput: 5 };
  assert.deepEqual(encodeModel(known), {
    name: "models/a/b", displayName: "B", inputTokenLimit: 10, outputTokenLimit: 5, supportedGenerationMethods: ["generateContent", "streamGenerateContent", "countTokens"],
  });
  assert.deepEqual(encodeModelsList([{ id: "e", name: "E", contextWindow: null, maxOutput: null, methods: ["embedContent"] }]),
    { models: [{ name: "models/e", displayName: "E", supportedGenerationMethods: ["embedContent"] }] });
});
