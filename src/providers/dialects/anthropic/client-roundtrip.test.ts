/** What the upstream half of this dialect writes, the client half reads, with the same meaning. */
import assert from "node:assert/strict";
import { describe, test } from "node:test";
import fc from "fast-check";
import type { ChatRequest, Message, Part, Tool } from "../../../wire/chat.ts";
import { anthropicClient } from "./client.ts";
import { asJson, OUTSIDE } from "./client-test-support.ts";
import { assistant, call, encoded, result, system, target, text, tool, user } from "./test-hub.ts";

const words = fc.string({ unit: "binary", minLength: 1, maxLength: 12 }).map((one) => `${one}.`);
const marker = fc.constantFrom(undefined, { type: "ephemeral" }, { type: "ephemeral", ttl: "1h" });
const textPart = fc.tuple(words, marker).map(([value, cache]) => text(value, cache));
const media: fc.Arbitrary<Part> = marker.chain((cacheControl) => fc.constantFrom<Part>(
  { kind: "image", source: { kind: "url", url: "https://x.example/a.png" }, detail: undefined, cacheControl },
  { kind: "image", source: { kind: "base64", mediaType: "image/png", base64: "AAAA" }, detail: undefined, cacheControl },
  { kind: "file", source: { kind: "base64", mediaType: "application/pdf", base64: "AAAA" }, filename: "a.pdf", cacheControl },
));
const said = fc.array(fc.oneof({ weight: 3, arbitrary: textPart }, media), { minLength: 1, maxLength: 3 }).map((parts) => user(...parts));

/** An assistant turn with its calls, and the results of all of them. */
const turn: fc.Arbitrary<readonly Message[]> = fc.record({
  reasoning: fc.array(fc.oneof(words.map((one) => ({ kind: "thinking" as const, text: one, signature: `s${one}` })), words.map((data) => ({ kind: "redacted" as const, data }))), { maxLength: 2 }),
  parts: fc.array(textPart, { minLength: 1, maxLength: 2 }),
  calls: fc.array(fc.tuple(fc.stringMatching(/^[a-zA-Z0-9_-]{1,10}$/), fc.dictionary(fc.string(), fc.jsonValue()), fc.array(textPart, { maxLength: 2 }), fc.boolean()), { maxLength: 3 }),
  next: said,
}).map(({ reasoning, parts, calls, next }) => [
  assistant({ reasoning, parts, toolCalls: calls.map(([id, input], at) => call(`${id}${at}`, "look", JSON.stringify(input))) }),
  ...calls.map(([id, , content, failed], at) => ({ ...result(`${id}${at}`, ...content), ...(failed && { isError: true }) })),
  next,
]);
const tools = fc.uniqueArray(fc.stringMatching(/^[a-zA-Z0-9_-]{1,20}$/), { minLength: 1, maxLength: 3 }).chain((names) =>
  fc.tuple(...names.map((name) => fc.record({ description: fc.option(words, { nil: undefined }), strict: fc.option(fc.boolean(), { nil: undefined }), cacheControl: marker }).map((fields) => tool(name, { parameters: { type: "object" }, ...fields })))));

/** Only what this dialect can say: the rest is warned of or refused on the way, which is tested elsewhere. */
const requests: fc.Arbitrary<Partial<ChatRequest>> = fc.record({
  rules: fc.array(textPart, { maxLength: 2 }),
  first: said,
  turns: fc.array(turn, { maxLength: 3 }),
  tools: fc.oneof(fc.constant([] as readonly Tool[]), tools),
  choice: fc.constantFrom("none", "auto", "required", "named", undefined),
  serial: fc.boolean(),
  fields: fc.record({
    maxOutputTokens: fc.integer({ min: 1, max: 64_000 }),
    temperature: fc.option(fc.constantFrom(0, 0.25, 1), { nil: undefined }),
    topK: fc.option(fc.integer({ min: 1, max: 100 }), { nil: undefined }),
    stop: fc.array(words, { maxLength: 3 }),
    user: fc.option(words, { nil: undefined }),
    serviceTier: fc.constantFrom("auto", undefined),
    responseFormat: fc.constantFrom(undefined, { kind: "json_schema", name: "answer", description: undefined, schema: { type: "object" }, strict: undefined } as const),
    stream: fc.boolean(),
  }),
}).map(({ rules, first, turns, tools: offered, choice, serial, fields }) => ({
  ...fields,
  includeUsage: fields.stream,
  tools: offered,
  toolChoice: offered.length === 0 || choice === undefined ? undefined : choice === "named" ? { kind: choice, name: offered[0]?.kind === "function" ? offered[0].name : "" } : { kind: choice },
  parallelToolCalls: serial && offered.length > 0 && choice !== "none" && choice !== undefined ? false : undefined,
  messages: [...(rules.length > 0 ? [system(...rules)] : []), first, ...turns.flat()],
}));

/** Neighbours of one role are one turn for the API, and a result's markers are the result's own. */
function meaning(messages: readonly Message[]): unknown {
  const out: unknown[] = [];
  for (const message of messages) {
    if (message.role !== "tool") out.push(message);
    else {
      const cacheControl = message.parts.flatMap((part) => ("cacheControl" in part && part.cacheControl !== undefined ? [part.cacheControl] : [])).at(-1);
      const parts = message.parts.map((part) => ({ ...part, cacheControl: undefined }));
      out.push({ ...message, parts, cacheControl });
    }
  }
  return asJson(out);
}

describe("for any request of the hub that this dialect can say", () => {
  test("the body for a provider reads as the same request", () => {
    fc.assert(fc.property(requests, (fields) => {
      const { body, warnings } = encoded(fields, target("claude-sonnet-4-0", { jsonSchema: true }));
      const parsed = anthropicClient.parse(asJson(body) as typeof body, OUTSIDE);
      assert.equal(parsed.kind, "request");
      if (parsed.kind !== "request") return;
      const { messages, model, surface, metadata, reasoningEffort, thinking, ...rest } = parsed.request;
      assert.deepEqual(meaning(messages), meaning(fields.messages ?? []));
      assert.deepEqual([model, surface, metadata, reasoningEffort, thinking], ["claude-sonnet-4-0", "anthropic-messages", undefined, undefined, undefined]);
      assert.deepEqual(asJson(rest), asJson({ ...fields, messages: undefined, choiceCount: 1, other: {} }));
      assert.deepEqual([warnings, parsed.onlyHere], [[], []]);
    }));
  });

  test("an effort reads as the same effort", () => {
    for (const effort of ["low", "medium", "high", "max"]) {
      const { body } = encoded({ reasoningEffort: effort, maxOutputTokens: 9_000 }, target("claude-opus-4-6", { reasoning: true }));
      const parsed = anthropicClient.parse(body, OUTSIDE);
      assert.deepEqual(parsed.kind === "request" && [parsed.request.reasoningEffort, parsed.request.thinking], [effort, { type: "adaptive" }]);
    }
  });
});

test("any JSON object is read or refused with a place, and never throws", () => {
  const part = fc.oneof(fc.jsonValue(), fc.record({ type: fc.constantFrom("text", "image", "document", "tool_use", "tool_result", "thinking", "search_result"), source: fc.jsonValue(), content: fc.jsonValue(), text: fc.jsonValue(), input: fc.jsonValue() }));
  const message = fc.oneof(fc.jsonValue(), fc.record({ role: fc.constantFrom("user", "assistant", "system", "other"), content: fc.oneof(fc.jsonValue(), fc.array(part, { maxLength: 3 })) }));
  const body = fc.record({ model: fc.constant("m"), max_tokens: fc.constant(9), messages: fc.oneof(fc.jsonValue(), fc.array(message, { maxLength: 3 })), system: fc.jsonValue(), tools: fc.jsonValue(), tool_choice: fc.jsonValue(), output_config: fc.jsonValue() }, { requiredKeys: ["model", "max_tokens", "messages"] });
  fc.assert(fc.property(body, (raw) => {
    const parsed = anthropicClient.parse(asJson(raw) as Parameters<typeof anthropicClient.parse>[0], OUTSIDE);
    if (parsed.kind === "error") assert.notEqual(parsed.error.param, null);
  }), { numRuns: 300 });
});
