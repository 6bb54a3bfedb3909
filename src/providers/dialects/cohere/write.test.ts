import assert from "node:assert/strict";
import { test } from "node:test";
import fc from "fast-check";
import { gatewayError } from "../../../wire/errors.ts";
import type { StreamEvent } from "../../../wire/events.ts";
import { member, type Json } from "../../../wire/json.ts";
import { cohereClient, cohereV2 } from "./index.ts";
import { CONTEXT, decodeSse, head, NO_USAGE, summary, written } from "./test-hub.ts";

const START: StreamEvent = { kind: "start", id: "up", model: "x", createdS: undefined };
const say = (text: string): StreamEvent => ({ kind: "text", choice: 0, text });
const think = (text: string): StreamEvent => ({ kind: "reasoning", choice: 0, text });
const open = (index: number, id: string): StreamEvent => ({ kind: "tool-start", choice: 0, index, id, name: `f_${id}`, thoughtSignature: undefined });
const args = (index: number, json: string): StreamEvent => ({ kind: "tool-arguments", choice: 0, index, json });
const finish = (reason: "stop" | "length" | "tool_calls" | "content_filter", native: string = reason): StreamEvent => ({ kind: "finish", choice: 0, reason, native });
const usage = (input: number, output: number): StreamEvent => ({ kind: "usage", usage: { units: { input, cache_read: 2, output, reasoning: 1 }, raw: null } });

function bodies(frames: string): { [key: string]: Json }[] {
  return frames.split("\n").filter((line) => line.startsWith("data: {")).map((line) => JSON.parse(line.slice(6)) as { [key: string]: Json });
}

test("a stream has the events of the API in their order, each named twice", () => {
  const frames = written([START, think("Hm."), say("Hi"), say("!"), open(0, "a"), args(0, `{"x":`), args(0, "1}"), usage(5, 3), finish("tool_calls")]);
  assert.deepEqual(bodies(frames).map((body) => body["type"]), [
    "message-start", "content-start", "content-delta", "content-end", "content-start", "content-delta", "content-delta", "content-end",
    "tool-call-start", "tool-call-delta", "tool-call-delta", "tool-call-end", "message-end",
  ]);
  assert.deepEqual([...frames.matchAll(/^event: (.*)$/gm)].map((match) => match[1]), bodies(frames).map((body) => body["type"]));
  assert.deepEqual(bodies(frames).at(-1), {
    type: "message-end",
    delta: { finish_reason: "TOOL_CALL", usage: { billed_units: { input_tokens: 7, output_tokens: 4 }, tokens: { input_tokens: 7, output_tokens: 4 }, cached_tokens: 2 } },
  });
});

test("nothing is told as text before something was said, and the start alone commits to nothing", () => {
  const encoder = cohereClient.openEncoder(head());
  assert.deepEqual(bodies(encoder.encode(START) as string).map((body) => body["type"]), ["message-start"]);
  assert.equal(encoder.encode(say("")), "");
});

test("calls whose pieces come mixed are written one after the other, and none is lost", () => {
  const events: StreamEvent[] = [START, open(0, "a"), open(1, "b"), args(1, `{"b":`), args(0, `{"a":1}`), args(1, "2}"), finish("tool_calls"), usage(1, 1), { kind: "end" }];
  const again = decodeSse(written(events));
  assert.deepEqual(summary(again).calls, [{ id: "a", name: "f_a", arguments: `{"a":1}` }, { id: "b", name: "f_b", arguments: `{"b":2}` }]);
  const order = bodies(written(events)).filter((body) => `${body["type"] as string}`.startsWith("tool-call")).map((body) => `${(body["type"] as string).slice(10)} ${body["index"] as number}`);
  assert.deepEqual(order, ["start 0", "delta 0", "end 0", "start 1", "delta 1", "end 1"]);
});

test("a whole call goes out as it comes, although another follows", () => {
  const encoder = cohereClient.openEncoder(head());
  encoder.encode(START);
  encoder.encode(open(0, "a"));
  encoder.encode(args(0, "{}"));
  assert.deepEqual(bodies(encoder.encode(open(1, "b")) as string).map((body) => body["type"]), ["tool-call-end", "tool-call-start"]);
});

test("case 11: a call without arguments is written with an empty object", () => {
  assert.deepEqual(summary(decodeSse(written([START, open(0, "a"), finish("tool_calls")]))).calls, [{ id: "a", name: "f_a", arguments: "{}" }]);
  const whole = cohereClient.encodeAnswer([START, open(0, "a"), finish("tool_calls")], head());
  assert.deepEqual(summary(cohereV2.decodeAnswer(whole, CONTEXT)).calls, [{ id: "a", name: "f_a", arguments: "{}" }]);
});

test("a text that holds the word of the terminator is the same after it", () => {
  const frames = written([START, say("It ends with [DONE] or so"), open(0, "a"), args(0, `"[DONE]"`), finish("tool_calls")]);
  assert.equal(frames.indexOf("[DONE]"), frames.length - "[DONE]\n\n".length);
  assert.equal(summary(decodeSse(frames)).text, "It ends with [DONE] or so");
});

test("each reason of the hub has a word of the API", () => {
  const word = (event: StreamEvent) => member(bodies(written([START, say("x"), event])).at(-1)?.["delta"], "finish_reason");
  assert.deepEqual([finish("stop"), finish("stop", "stop_sequence"), finish("length"), finish("tool_calls"), finish("content_filter")].map(word), [
    "COMPLETE", "STOP_SEQUENCE", "MAX_TOKENS", "TOOL_CALL", "ERROR_TOXIC",
  ]);
});

test("what we add to usage stands beside the delta of the last event", () => {
  const encoder = cohereClient.openEncoder(head());
  const last = bodies(encoder.closing(NO_USAGE, { cost_usd: "0.1" }) as string).at(-1);
  assert.deepEqual(last?.["spillway"], { cost_usd: "0.1" });
});

test("a failure ends the stream with a message-end that says so, before and after content", () => {
  const error = gatewayError("upstream_truncated", "The provider's answer was cut.");
  for (const before of [[], [START, say("Hal")]]) {
    const encoder = cohereClient.openEncoder(head());
    const frames = before.map((event) => encoder.encode(event) as string).join("") + (encoder.failed(error, null) as string);
    const again = decodeSse(frames);
    const last = again.at(-1);
    assert.equal(last?.kind === "error" ? last.error.message : "", "The provider's answer was cut.");
    assert.ok(frames.endsWith("data: [DONE]\n\n"));
  }
  const broken = decodeSse(cohereClient.brokenFrame(error, "r") as string).at(-1);
  assert.equal(broken?.kind, "error");
});

test("an error has the API's members, and our code beside them", () => {
  assert.deepEqual(cohereClient.encodeError(gatewayError("unknown_model", "No such model.", { param: "model" }), "r1"), {
    id: "r1", message: "No such model.", code: "unknown_model", param: "model",
  });
});

test("log probabilities of another API go with the text that they are of", () => {
  const logprobs: StreamEvent = { kind: "choice-extra", choice: 0, key: "logprobs", value: { content: [{ token: "Hi", logprob: -0.5, bytes: null, top_logprobs: [] }] } };
  const frame = bodies(written([START, logprobs, say("Hi"), finish("stop")])).find((body) => body["type"] === "content-delta");
  assert.deepEqual(frame?.["logprobs"], { text: "Hi", token_ids: [], logprobs: [-0.5] });
  assert.deepEqual(cohereClient.encodeAnswer([START, logprobs, say("Hi"), finish("stop")], head())["logprobs"], [{ text: "Hi", token_ids: [], logprobs: [-0.5] }]);
});

test("any answer of the hub is read again as it was, from the stream and from the whole", () => {
  const piece = fc.string({ minLength: 1, maxLength: 8, unit: "grapheme" });
  const content = fc.array(fc.oneof(piece.map(say), piece.map(think)), { maxLength: 8 });
  const calls = fc.array(fc.array(piece, { minLength: 1, maxLength: 3 }), { maxLength: 3 }).map((each) =>
    each.flatMap((pieces, index) => {
      const json = JSON.stringify({ a: pieces.join("") });
      const cut = Math.floor(json.length / 2);
      return [open(index, `c${index}`), args(index, json.slice(0, cut)), args(index, json.slice(cut))];
    }),
  );
  fc.assert(fc.property(content, calls, fc.nat(1_000), fc.nat(1_000), (said, called, input, output) => {
    if (said.length + called.length === 0) return;
    const events: StreamEvent[] = [START, ...said, ...called, usage(input, output), finish(called.length > 0 ? "tool_calls" : "stop"), { kind: "end" }];
    assert.deepEqual(summary(decodeSse(written(events))), summary(events));
    assert.deepEqual(summary(cohereV2.decodeAnswer(cohereClient.encodeAnswer(events, head()), CONTEXT)), summary(events));
  }), { numRuns: 200 });
});
