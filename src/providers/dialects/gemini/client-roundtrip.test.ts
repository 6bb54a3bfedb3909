/** The two halves of the dialect against each other: what the one writes the other reads back with the same meaning. */
import assert from "node:assert/strict";
import { describe, test } from "node:test";
import fc from "fast-check";
import type { ChatRequest, Message, Part, ToolCall } from "../../../wire/chat.ts";
import type { StreamEvent } from "../../../wire/events.ts";
import type { Json } from "../../../wire/json.ts";
import { geminiClient } from "./client.ts";
import { gemini } from "./index.ts";
import { chunksOf, finish, frames, head, outside, usage } from "./test-client.ts";
import { CONTEXT, request, streamed, summary, target, text, tool } from "./test-support.ts";

const TARGET = target("gemini-3-pro-preview");
const NAMES = ["look", "find_it", "a.b:c"] as const;

const word = fc.string({ unit: "grapheme", minLength: 1, maxLength: 8 });
const json = fc.oneof(fc.constant({}), fc.dictionary(fc.constantFrom("a", "ü", "error"), fc.oneof(word, fc.integer(), fc.boolean(), fc.constant([1, { b: null }])), { maxKeys: 2 }));
const base64 = fc.constantFrom("QUJD", "/+8=");
const part: fc.Arbitrary<Part> = fc.oneof(
  word.map((value) => text(value)),
  base64.map((data) => ({ kind: "image", source: { kind: "base64", mediaType: "image/png", base64: data }, detail: undefined, cacheControl: undefined }) as const),
  base64.map((data) => ({ kind: "audio", format: "wav", base64: data }) as const),
  base64.map((data) => ({ kind: "file", source: { kind: "base64", mediaType: "application/pdf", base64: data }, filename: undefined, cacheControl: undefined }) as const),
);
const result = fc.oneof(word.filter((value) => !/^\s*\{/.test(value)), json.map((value) => JSON.stringify(value)));
const step = fc.oneof(
  fc.record({ kind: fc.constant("user" as const), parts: fc.array(part, { minLength: 1, maxLength: 3 }) }),
  fc.record({ kind: fc.constant("assistant" as const), said: word }),
  fc.record({
    kind: fc.constant("tools" as const),
    calls: fc.array(fc.record({ name: fc.constantFrom(...NAMES), args: json, minted: fc.boolean(), signature: fc.option(fc.constant("c2ln"), { nil: undefined }), result }), { minLength: 1, maxLength: 3 }),
    backwards: fc.boolean(),
  }),
);
const optional = <T>(value: fc.Arbitrary<T>): fc.Arbitrary<T | undefined> => fc.option(value, { nil: undefined });
const settings = fc.record({
  maxOutputTokens: optional(fc.integer({ min: 1, max: 9999 })), temperature: optional(fc.constantFrom(0, 0.5, 2)), topP: optional(fc.constant(0.9)),
  topK: optional(fc.constant(5)), seed: optional(fc.integer()), presencePenalty: optional(fc.constant(0.5)), frequencyPenalty: optional(fc.constant(-1)),
  choiceCount: fc.constantFrom(1, 3), stop: fc.array(word, { maxLength: 2 }), reasoningEffort: optional(fc.constantFrom("minimal", "low", "medium", "high")),
  toolChoice: optional(fc.constantFrom<NonNullable<ChatRequest["toolChoice"]>[]>({ kind: "none" }, { kind: "auto" }, { kind: "required" }, { kind: "named", name: "look" }, { kind: "allowed", mode: "required", names: ["look", "find_it"] })),
  responseFormat: optional(fc.constantFrom<NonNullable<ChatRequest["responseFormat"]>[]>({ kind: "json_object" }, { kind: "json_schema", name: "response", description: undefined, strict: undefined, schema: { type: "object", $defs: { X: {} } } })),
});

/** Messages of the steps, with an id for each call: of the client's, or one that a decoder minted. */
function messagesOf(steps: readonly (typeof step extends fc.Arbitrary<infer S> ? S : never)[]): Message[] {
  // Neighbouring turns of the model are fragments of one, so that two would come back as one.
  const apart = steps.filter((one, i) => one.kind !== "assistant" || steps[i - 1]?.kind !== "assistant");
  const messages: Message[] = [{ role: "system", parts: [text("be brief")], name: undefined }, { role: "user", parts: [text("hi")], name: undefined }];
  let count = 0;
  for (const one of apart) {
    if (one.kind === "user") messages.push({ role: "user", parts: one.parts, name: undefined });
    else if (one.kind === "assistant") messages.push({ role: "assistant", parts: [text(one.said)], toolCalls: [], reasoning: [], name: undefined, other: {} });
    else {
      const toolCalls: ToolCall[] = one.calls.map(({ name, args, minted, signature }) => ({ id: `${minted ? "call_gem_" : "call_"}x_${count++}`, name, argumentsJson: JSON.stringify(args), thoughtSignature: signature }));
      messages.push({ role: "assistant", parts: [], toolCalls, reasoning: [], name: undefined, other: {} });
      const results = toolCalls.map((made, i) => ({ role: "tool", toolCallId: made.id, parts: [text(one.calls[i]?.result ?? "")] }) as const);
      messages.push(...(one.backwards ? results.toReversed() : results));
    }
  }
  return messages;
}

/** The conversation as one list of things said and done; calls go by their number, since ids may be made anew. */
function meaning(messages: readonly Message[]): Json[] {
  const ids = messages.flatMap((message) => (message.role === "assistant" ? message.toolCalls.map(({ id }) => id) : []));
  const numberOf = (id: string): number => ids.indexOf(id);
  const list: [string, ...Json[]][] = [];
  for (const message of messages) {
    if (message.role === "tool") {
      list.push(["result", numberOf(message.toolCallId), ...message.parts.map(partMeaning)]);
      continue;
    }
    list.push(...message.parts.map((one): [string, ...Json[]] => [message.role, partMeaning(one)]));
    if (message.role === "assistant") list.push(...message.toolCalls.map((made): [string, ...Json[]] => ["call", numberOf(made.id), made.name, JSON.parse(made.argumentsJson) as Json, made.thoughtSignature ?? null]));
  }
  return joined(sortedResults(list));
}

/** Results of one turn are sent in the order of their calls. */
function sortedResults(list: [string, ...Json[]][]): [string, ...Json[]][] {
  const out: [string, ...Json[]][] = [];
  for (const one of list) {
    let at = out.length;
    while (one[0] === "result" && at > 0 && out[at - 1]?.[0] === "result" && (out[at - 1]?.[1] as number) > (one[1] as number)) at--;
    out.splice(at, 0, one);
  }
  return out;
}

/** Texts of an assistant that follow each other are one. */
function joined(list: [string, ...Json[]][]): Json[] {
  const out: [string, ...Json[]][] = [];
  for (const one of list) {
    const last = out.at(-1);
    if (one[0] === "assistant" && last?.[0] === "assistant" && typeof one[1] === "string" && typeof last[1] === "string") last[1] += one[1];
    else out.push([...one]);
  }
  return out;
}

function partMeaning(one: Part): Json {
  return one.kind === "text" ? one.text : (JSON.parse(JSON.stringify(one)) as Json);
}

describe("hub → request of this dialect → hub", () => {
  test("keeps what was asked, and is then the same request byte for byte", () => {
    fc.assert(
      fc.property(fc.array(step, { maxLength: 5 }), settings, fc.boolean(), (steps, asked, stream) => {
        const messages = messagesOf(steps);
        const first = request({ ...asked, messages, stream, tools: NAMES.map((name) => tool(name, { parameters: { type: "object", properties: { a: { type: ["string", "null"] } } } })) });
        const sent = gemini.encodeChat(first, TARGET);
        assert.ok(sent.kind === "encoded");
        const read = geminiClient.parse(JSON.parse(JSON.stringify(sent.body)) as never, outside({ stream, query: stream ? "alt=sse" : "" }));
        assert.ok(read.kind === "request", JSON.stringify(read));
        assert.deepEqual([read.warnings, read.onlyHere], [[], []]);
        const second = read.request;
        // An effort is sent along with the wish to see the thoughts, which most clients have and cannot say.
        const { reasoningShown: _, ...rest } = second;
        assert.deepEqual({ ...rest, messages: [] }, { ...first, messages: [], surface: "gemini", includeUsage: stream });
        assert.deepEqual(meaning(second.messages), meaning(first.messages));
        const again = gemini.encodeChat(second, TARGET);
        assert.ok(again.kind === "encoded");
        assert.equal(JSON.stringify(again.body), JSON.stringify(sent.body));
        assert.equal(again.path, sent.path);
      }),
      { numRuns: 300 },
    );
  });
});

describe("hub → answer of this dialect → hub", () => {
  const piece = fc.oneof(
    word.map((value): StreamEvent[] => [{ kind: "text", choice: 0, text: value }]),
    word.map((value): StreamEvent[] => [{ kind: "reasoning", choice: 0, text: value }]),
    fc.constant<StreamEvent[]>([{ kind: "signature", choice: 0, signature: "own", inExtraContent: true }]),
    fc.record({ name: fc.constantFrom(...NAMES), args: json, cuts: fc.integer({ min: 1, max: 4 }), signed: fc.boolean() }).map(({ name, args, cuts, signed }): StreamEvent[] => {
      const whole = JSON.stringify(args);
      const pieces = whole.match(new RegExp(`[\\s\\S]{1,${Math.ceil(whole.length / cuts)}}`, "g")) ?? [];
      return [
        { kind: "tool-start", choice: 0, index: 0, id: "", name, thoughtSignature: signed ? "own" : undefined } as const,
        ...pieces.map((one) => ({ kind: "tool-arguments", choice: 0, index: 0, json: one }) as const),
      ];
    }),
  );
  /** Number the calls, as decoders do. */
  function numbered(list: readonly StreamEvent[]): StreamEvent[] {
    let index = -1;
    return list.map((event) => {
      if (event.kind === "tool-start") return { ...event, index: ++index, id: `id${index}` };
      return event.kind === "tool-arguments" ? { ...event, index } : event;
    });
  }

  test("keeps text, thoughts, calls, signatures, reason and usage, as a stream and as a whole", () => {
    fc.assert(
      fc.property(fc.array(piece, { minLength: 1, maxLength: 8 }), fc.constantFrom("stop", "length", "content_filter"), fc.record({ input: fc.nat(99), cache_read: fc.integer({ min: 1, max: 99 }), output: fc.nat(99), reasoning: fc.integer({ min: 1, max: 99 }) }, { noNullPrototype: true }), (pieces, reason, units) => {
        const content = numbered(pieces.flat());
        const hasCalls = content.some(({ kind }) => kind === "tool-start");
        const told = reason === "stop" && hasCalls ? "tool_calls" : reason;
        const visible = content.some(({ kind }) => kind !== "signature");
        fc.pre(visible || told !== "stop");
        const events: StreamEvent[] = [...content, finish(told as "stop"), { kind: "usage", usage: usage(units) }, { kind: "end" }];
        const expected = summary(events);
        assert.deepEqual(summary(streamed(chunksOf(frames(events, head(), usage(units))))), expected);
        assert.deepEqual(summary(gemini.decodeAnswer(geminiClient.encodeAnswer(events, head()) as Json, CONTEXT)), expected);
      }),
      { numRuns: 300 },
    );
  });
});
