/** For tests of requests from other dialects' clients: any hub request at all, and targets of every dialect. */
import fc from "fast-check";
import type { ChatRequest, Message, Part, ReasoningBlock, Tool, ToolChoice } from "../../wire/chat.ts";
import type { DialectId, ModelFacts } from "../../wire/facts.ts";
import type { JsonObject } from "../../wire/json.ts";
import type { Target } from "./dialect.ts";
import { EFFORTS } from "./efforts.ts";
import { wrap } from "./gemini/client-opaque.ts";
import { target as chatTarget } from "./openai/test-target.ts";
import { sealState } from "./responses/client-state.ts";
import { sealReasoning } from "./responses/encode-reasoning.ts";

export const DIALECTS: readonly DialectId[] = ["openai-chat", "openai-responses", "anthropic-messages", "gemini", "bedrock-converse", "cohere-v2"];

/** State of other makers as it comes back under each of our marks. */
export const MARKED: readonly string[] = [
  sealReasoning({ id: "rs_1", model: "elsewhere", provider: "another", encryptedContent: "SECRET" }),
  sealState({ redacted: "SECRET" }) ?? "",
  wrap({ kind: "redacted", data: "SECRET" }),
];

const opt = <T>(arbitrary: fc.Arbitrary<T>): fc.Arbitrary<T | undefined> => fc.option(arbitrary, { nil: undefined, freq: 2 });
/** What few targets take: seldom, so that most requests are encoded. */
const seldom = <T>(arbitrary: fc.Arbitrary<T>): fc.Arbitrary<T | undefined> =>
  fc.oneof({ weight: 14, arbitrary: fc.constant(undefined) }, { weight: 1, arbitrary });
const words = fc.string({ unit: "grapheme", maxLength: 12 });
/** Also longer than any limit, empty of letters, or with marks that few dialects take. */
const toolName = fc.oneof(fc.constantFrom("weather", "mcp__files__read", "a.b:c-d", "7up", "größe", "x".repeat(90)), fc.string({ unit: "grapheme", minLength: 1, maxLength: 80 }));
const callId = fc.oneof(fc.constantFrom("call_1", "toolu_01A", "abcDEF123", `call_gem_${"r".repeat(40)}_0`, "a b/c"), fc.string({ minLength: 1, maxLength: 90 }));
const cacheControl = opt(fc.constant<JsonObject>({ type: "ephemeral" }));
const schema = opt(fc.constantFrom<JsonObject>({ type: "object", properties: { a: { type: "string" } } }, { properties: {} }, {}));

const textPart: fc.Arbitrary<Part> = fc.record({ kind: fc.constant("text" as const), text: words, cacheControl });
const source = fc.oneof(
  fc.record({ kind: fc.constant("url" as const), url: fc.constantFrom("https://pictures.example/a.png", "s3://bucket/a.png", "gs://bucket/a.png") }),
  fc.record({ kind: fc.constant("base64" as const), mediaType: fc.constantFrom("image/png", "application/pdf", "text/plain"), base64: fc.constant("AAAA") }),
);
const part: fc.Arbitrary<Part> = fc.oneof(
  { weight: 40, arbitrary: textPart },
  { weight: 2, arbitrary: fc.record({ kind: fc.constant("image" as const), source, detail: opt(fc.constantFrom("auto", "low")), cacheControl }) },
  { weight: 1, arbitrary: fc.record({ kind: fc.constant("file" as const), source: fc.oneof(source, fc.record({ kind: fc.constant("id" as const), id: fc.constant("file-1") })), filename: opt(fc.constant("a.pdf")), cacheControl }) },
  { weight: 1, arbitrary: fc.record({ kind: fc.constant("audio" as const), format: fc.constantFrom("wav", "mp3", "audio/mpeg", "flac"), base64: fc.constant("AAAA") }) },
  { weight: 1, arbitrary: fc.record({ kind: fc.constant("refusal" as const), text: words }) },
  { weight: 1, arbitrary: fc.constant<Part>({ kind: "other", type: "search_result", raw: { type: "search_result" } }) },
);
const parts = (one: fc.Arbitrary<Part>): fc.Arbitrary<readonly Part[]> => fc.array(one, { maxLength: 3 });
const state = fc.constantFrom(...MARKED, "c2lnbmVk");
const reasoning: fc.Arbitrary<ReasoningBlock> = fc.oneof(
  fc.record({ kind: fc.constant("thinking" as const), text: words, signature: opt(state) }),
  fc.record({ kind: fc.constant("redacted" as const), data: state }),
);
const json = fc.oneof(fc.constantFrom("{}", '{"a":1}'), fc.dictionary(words, fc.jsonValue(), { maxKeys: 3 }).map((value) => JSON.stringify(value)));
const calls = fc.array(fc.record({ id: callId, name: toolName, argumentsJson: json, thoughtSignature: opt(state) }), { maxLength: 2 });

/** One exchange: what the user says, and what came of it; results follow their calls, as every parser puts them. */
const turn: fc.Arbitrary<readonly Message[]> = fc
  .record({ said: parts(part), answer: parts(fc.oneof({ weight: 60, arbitrary: textPart }, part)), reasoning: fc.array(reasoning, { maxLength: 2 }), calls, results: parts(part), isError: fc.boolean() })
  .map(({ said, answer, calls: toolCalls, results, isError, ...more }): readonly Message[] => [
    { role: "user", parts: said, name: undefined },
    { role: "assistant", parts: answer, toolCalls, reasoning: more.reasoning, name: undefined, other: {} },
    ...toolCalls.map(({ id }): Message => ({ role: "tool", toolCallId: id, parts: results, ...(isError && { isError }) })),
  ]);
const messages: fc.Arbitrary<readonly Message[]> = fc
  .record({ system: parts(textPart), turns: fc.array(turn, { maxLength: 2 }), last: parts(part) })
  .map(({ system, turns, last }) => [...(system.length > 0 ? [{ role: "system" as const, parts: system, name: undefined }] : []), ...turns.flat(), { role: "user" as const, parts: last, name: undefined }]);
const tool: fc.Arbitrary<Tool> = fc.oneof(
  { weight: 40, arbitrary: fc.record({ kind: fc.constant("function" as const), name: toolName, description: opt(words), parameters: schema, strict: opt(fc.boolean()), cacheControl }) },
  { weight: 1, arbitrary: fc.constant<Tool>({ kind: "other", type: "web_search", raw: { type: "web_search" } }) },
);
const toolChoice: fc.Arbitrary<ToolChoice> = fc.oneof(
  fc.record({ kind: fc.constantFrom("none" as const, "auto" as const, "required" as const) }),
  fc.record({ kind: fc.constant("named" as const), name: toolName }),
  fc.record({ kind: fc.constant("allowed" as const), mode: fc.constantFrom("auto" as const, "required" as const), names: fc.array(toolName, { maxLength: 2 }) }),
);
const thinking = fc.oneof(
  fc.constantFrom<JsonObject>({ type: "disabled" }, { type: "adaptive" }, { type: "enabled" }),
  fc.integer({ min: 1, max: 200_000 }).map((tokens): JsonObject => ({ type: "enabled", budget_tokens: tokens })),
);
const effort = fc.constantFrom(...EFFORTS, "ultra\r\n");

/** A hub request of a client of `surface`. */
export function requestOf(surface: DialectId): fc.Arbitrary<ChatRequest> {
  return fc.record({
    surface: fc.constant(surface), model: fc.constant("route"), messages, tools: fc.array(tool, { maxLength: 3 }), toolChoice: seldom(toolChoice),
    parallelToolCalls: opt(fc.boolean()), maxOutputTokens: opt(fc.integer({ min: 1, max: 300_000 })), temperature: opt(fc.double({ min: 0, max: 2, noNaN: true })),
    topP: opt(fc.double({ min: 0, max: 1, noNaN: true })), topK: opt(fc.nat(100)), seed: opt(fc.nat()), presencePenalty: seldom(fc.constantFrom(0, 1)),
    frequencyPenalty: seldom(fc.constantFrom(0, 1)), choiceCount: seldom(fc.constant(2)).map((count) => count ?? 1), stop: seldom(fc.array(fc.constantFrom("END", "\n", "a", "b"), { maxLength: 5 })).map((stops) => stops ?? []),
    responseFormat: seldom(fc.oneof(fc.constantFrom({ kind: "text" as const }, { kind: "json_object" as const }), fc.record({ kind: fc.constant("json_schema" as const), name: words, description: opt(words), schema, strict: opt(fc.boolean()) }))),
    reasoningEffort: opt(effort), thinking: opt(thinking), logprobs: seldom(fc.boolean()), topLogprobs: seldom(fc.nat(20)), logitBias: fc.constant(undefined),
    serviceTier: opt(fc.constantFrom("auto", "default", "flex", "priority", "reserved", "standard_only")), user: opt(fc.string({ maxLength: 200 })),
    metadata: opt(fc.constantFrom<JsonObject>({}, { a: "b" }, { a: 1 })), stream: fc.boolean(), includeUsage: fc.boolean(), other: fc.constant({}),
  });
}

const MODEL: ModelFacts = {
  id: "host/model", provider: "host", upstream: "model", name: "M", canonical: "m", variant: null, family: null, type: "chat", status: "active",
  contextWindow: null, maxOutput: null, input: ["text"], output: ["text"], tools: null, jsonSchema: null, vision: null, reasoning: null, reasoningEfforts: null,
  openWeights: false, aliases: [], embeddingDimensions: null, price: null, priceSources: { from: [], agree: 0, of: 0, asOf: "" }, dialectOverride: null, retiresOn: null,
};

/** A target of `dialect`; without facts, a model that the catalogue does not know. */
export function targetOf(dialect: DialectId, upstreamModel = "model", facts?: Partial<ModelFacts>, quirks: Target["provider"]["quirks"] = {}): Target {
  return { provider: { ...chatTarget(quirks).provider, dialect }, upstreamModel, model: facts === undefined ? null : { ...MODEL, ...facts } };
}

const NAMES: Readonly<Record<DialectId, readonly string[]>> = {
  "openai-chat": ["gpt-5-mini", "gpt-5.4", "o3", "llama-3.3-70b"],
  "openai-responses": ["gpt-5-mini", "gpt-5.4", "gpt-4o"],
  "anthropic-messages": ["claude-opus-4-7", "claude-sonnet-4-5", "claude-3-haiku-20240307", "other"],
  gemini: ["gemini-3-pro-preview", "gemini-2.5-flash", "gemini-1.5-pro"],
  "bedrock-converse": ["us.anthropic.claude-sonnet-4-5-v1:0", "amazon.nova-pro-v1:0", "openai.gpt-oss-120b-1:0", "mistral.mistral-large-2407-v1:0", "meta.llama3"],
  "cohere-v2": ["command-a-reasoning", "command-r"],
};

/** Any target of `dialect`: known or not, reasoning or not. */
export function anyTarget(dialect: DialectId): fc.Arbitrary<Target> {
  const facts = fc.record({
    maxOutput: fc.constantFrom(null, 4_096, 64_000), reasoning: fc.constantFrom(null, true, false), jsonSchema: fc.constantFrom(null, true, false),
    reasoningEfforts: fc.constantFrom(null, ["low", "medium", "high"], ["none", "low", "high"], ["minimal", "low"], ["high", "max"], ["none"], ["none", "default"]),
  });
  const quirks = fc.constantFrom({}, { replaysReasoningContent: true }, { nineLetterCallIds: true, developerAsSystem: true }, { cacheControl: true });
  return fc
    .record({ name: fc.constantFrom(...NAMES[dialect]), facts: opt(facts), quirks })
    .map(({ name, facts: known, quirks: own }) => targetOf(dialect, name, known, own));
}
