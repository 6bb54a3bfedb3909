/**
 * Requests that both protocols of a pair can carry, on their way through both: hub → what a client of the first writes → hub
 * → what a provider of the second is sent → hub. What they mean must be the same at the end.
 */
import fc from "fast-check";
import { clientOf } from "../../src/providers/dialects/clients.ts";
import { dialectById } from "../../src/providers/dialects/index.ts";
import type { ChatRequest, Message, Part, Tool } from "../../src/wire/chat.ts";
import type { DialectId } from "../../src/wire/facts.ts";
import type { Json, JsonObject } from "../../src/wire/json.ts";
import type { SurfaceName } from "../../src/wire/surfaces.ts";
import { MEDIA } from "./marks.ts";
import { DIALECTS, targetFor } from "./targets.ts";

/** The surface on which clients speak a dialect. */
const SURFACE_OF: Readonly<Record<(typeof DIALECTS)[number], SurfaceName>> = {
  "openai-chat": "chat", "openai-responses": "responses", "anthropic-messages": "messages", gemini: "generate-content", "bedrock-converse": "converse", "cohere-v2": "chat-v2",
};

/** Parameters that not every protocol has; made only for pairs that both have them. */
const CARRIED_BY: Readonly<Partial<Record<keyof ChatRequest, readonly DialectId[]>>> = {
  stop: ["openai-chat", "anthropic-messages", "gemini", "bedrock-converse", "cohere-v2"],
  topK: ["anthropic-messages", "gemini", "bedrock-converse", "cohere-v2"],
  seed: ["openai-chat", "gemini", "cohere-v2"],
  presencePenalty: ["openai-chat", "gemini", "cohere-v2"],
  frequencyPenalty: ["openai-chat", "gemini", "cohere-v2"],
  choiceCount: ["openai-chat", "gemini"],
  user: ["openai-chat", "openai-responses", "anthropic-messages"],
};

/** One surface over one dialect. */
export interface Pair {
  readonly surface: SurfaceName;
  readonly dialect: DialectId;
}

/** Every pair. */
export const PAIRS: readonly Pair[] = ([...Object.values(SURFACE_OF), "completions"] as const).flatMap((surface) => DIALECTS.map((dialect) => ({ surface, dialect })));

// Values

const word = fc.string({ minLength: 1, maxLength: 12, unit: "grapheme" }).map((text) => `zq ${text.replace(/\s/gu, "_")}.`);
const text = (value: string): Part => ({ kind: "text", text: value, cacheControl: undefined });
const image: Part = { kind: "image", source: { kind: "base64", mediaType: "image/png", base64: MEDIA.png }, detail: undefined, cacheControl: undefined };
const argument = fc.dictionary(fc.constantFrom("city", "days", "exact"), fc.oneof(word, fc.integer(), fc.boolean()), { noNullPrototype: true });
const NAMES = ["zq_weather", "zq_clock"] as const;
const tool = (name: string): Tool => ({
  kind: "function", name, description: `tells ${name}`, strict: undefined, cacheControl: undefined,
  parameters: { type: "object", properties: { city: { type: "string" }, days: { type: ["integer", "null"] } }, required: ["city"] },
});
const SCHEMA: JsonObject = { type: "object", properties: { year: { type: "integer" } }, required: ["year"], additionalProperties: false };

interface Exchange {
  readonly said: string;
  readonly shows: boolean;
  readonly calls: readonly { readonly name: string; readonly args: JsonObject; readonly result: string }[];
  readonly answer: string;
}

const exchange: fc.Arbitrary<Exchange> = fc.record(
  { said: word, shows: fc.boolean(), calls: fc.array(fc.record({ name: fc.constantFrom(...NAMES), args: argument, result: word }, { noNullPrototype: true }), { maxLength: 2 }), answer: word },
  { noNullPrototype: true },
);

function messagesOf(system: string | null, exchanges: readonly Exchange[], last: string): readonly Message[] {
  const messages: Message[] = system === null ? [] : [{ role: "system", parts: [text(system)], name: undefined }];
  let count = 0;
  for (const { said, shows, calls, answer } of exchanges) {
    messages.push({ role: "user", parts: shows ? [text(said), image] : [text(said)], name: undefined });
    const made = calls.map((call) => ({ ...call, id: `call_zq${count++}` }));
    if (made.length > 0) {
      const toolCalls = made.map(({ id, name, args }) => ({ id, name, argumentsJson: JSON.stringify(args), thoughtSignature: undefined }));
      messages.push({ role: "assistant", parts: [], reasoning: [], name: undefined, other: {}, toolCalls });
      messages.push(...made.map(({ id, result }): Message => ({ role: "tool", toolCallId: id, parts: [text(result)] })));
    }
    messages.push({ role: "assistant", parts: [text(answer)], reasoning: [], name: undefined, other: {}, toolCalls: [] });
  }
  return [...messages, { role: "user", parts: [text(last)], name: undefined }];
}

const NOTHING: ChatRequest = {
  model: "m", messages: [], tools: [], toolChoice: undefined, parallelToolCalls: undefined, maxOutputTokens: undefined, temperature: undefined, topP: undefined, topK: undefined,
  seed: undefined, presencePenalty: undefined, frequencyPenalty: undefined, choiceCount: 1, stop: [], responseFormat: undefined, reasoningEffort: undefined, thinking: undefined,
  logprobs: undefined, topLogprobs: undefined, logitBias: undefined, serviceTier: undefined, user: undefined, metadata: undefined, stream: false, includeUsage: false, other: {},
};

const fraction = fc.integer({ min: 1, max: 19 }).map((part) => part / 20);

/** Requests that both sides of a pair can carry. */
export function requestsFor({ surface, dialect }: Pair): fc.Arbitrary<ChatRequest> {
  const first = surface === "completions" ? "openai-chat" : clientOf(surface).id;
  const both = (field: keyof ChatRequest): boolean => [first, dialect].every((one) => CARRIED_BY[field]?.includes(one) === true);
  const maybe = <T>(field: keyof ChatRequest, values: fc.Arbitrary<T>): fc.Arbitrary<T | undefined> => (both(field) ? fc.option(values, { nil: undefined }) : fc.constant(undefined));
  const parameters = fc.record(
    {
      maxOutputTokens: fc.integer({ min: 16, max: 8_000 }),
      // Some models take one of the two.
      sampling: fc.oneof(fraction.map((temperature) => ({ temperature })), fraction.map((topP) => ({ topP })), fc.constant({})),
      topK: maybe("topK", fc.integer({ min: 1, max: 100 })),
      seed: maybe("seed", fc.nat(1_000_000)),
      presencePenalty: maybe("presencePenalty", fraction),
      frequencyPenalty: maybe("frequencyPenalty", fraction),
      choiceCount: maybe("choiceCount", fc.integer({ min: 1, max: 4 })),
      stop: maybe("stop", fc.array(word, { minLength: 1, maxLength: 3 })),
      user: maybe("user", fc.stringMatching(/^[a-z0-9-]{1,20}$/)),
    },
    { noNullPrototype: true },
  );
  const shape = surface === "completions" ? fc.constant("prompt" as const) : fc.constantFrom("plain" as const, "tools" as const, "schema" as const);
  const chosen = fc.constantFrom(undefined, "auto" as const, "required" as const);
  const all = fc.tuple(shape, fc.option(word), fc.array(exchange, { maxLength: 3 }), word, parameters, chosen);
  return all.map(([kind, system, exchanges, last, asked, choice]): ChatRequest => {
    const { sampling, choiceCount, stop, ...rest } = asked;
    const talked = kind === "tools" ? exchanges : exchanges.map((one) => ({ ...one, calls: [] }));
    return {
      ...NOTHING,
      ...rest,
      ...sampling,
      choiceCount: choiceCount ?? 1,
      stop: stop ?? [],
      ...(first === "openai-chat" ? {} : { surface: first }),
      messages: kind === "prompt" ? messagesOf(null, [], last) : messagesOf(system, talked, last),
      tools: kind === "tools" ? NAMES.map(tool) : [],
      toolChoice: kind === "tools" && choice !== undefined ? { kind: choice } : undefined,
      responseFormat: kind === "schema" ? { kind: "json_schema", name: "zq_notes", description: undefined, schema: SCHEMA, strict: undefined } : undefined,
    };
  });
}

// The way

/** A body that a client of the surface writes for this request. */
function written(request: ChatRequest, { surface }: Pair): JsonObject {
  if (surface !== "completions") return encoded(request, clientOf(surface).id);
  const [said] = request.messages;
  const { maxOutputTokens, temperature, topP, seed, presencePenalty, frequencyPenalty, choiceCount, stop, user } = request;
  return {
    model: "m", prompt: textOf(said?.parts ?? []), max_tokens: maxOutputTokens, temperature, top_p: topP, seed, presence_penalty: presencePenalty,
    frequency_penalty: frequencyPenalty, n: choiceCount, stop, user,
  };
}

function encoded(request: ChatRequest, dialect: DialectId): JsonObject {
  const target = targetFor(dialect, "plain");
  if (target === null) throw new Error(`no model of ${dialect}`);
  const made = dialectById(dialect).encodeChat(request, target);
  if (made.kind !== "encoded") throw new Error(`${dialect} refuses ${made.param}: ${made.message}`);
  return JSON.parse(JSON.stringify(made.body)) as JsonObject;
}

function read(raw: JsonObject, surface: SurfaceName): ChatRequest {
  const inPath = surface === "generate-content" || surface === "converse";
  const parsed = clientOf(surface).parse(JSON.parse(JSON.stringify(raw)) as JsonObject, { model: inPath ? "m" : undefined, stream: inPath ? false : undefined, query: "", header: () => undefined });
  if (parsed.kind === "error") throw new Error(`${surface}: ${parsed.error.message}`);
  return parsed.request;
}

/** What the provider's own protocol says in the end. */
export function roundTrip(request: ChatRequest, pair: Pair): ChatRequest {
  return read(encoded(read(written(request, pair), pair.surface), pair.dialect), SURFACE_OF[pair.dialect]);
}

// What it means

/** The request as one value that does not depend on the protocol it was written in. */
export function meaning(request: ChatRequest): Json {
  const { tools, toolChoice, maxOutputTokens, temperature, topP, topK, seed, presencePenalty, frequencyPenalty, choiceCount, stop, user, responseFormat } = request;
  const said = request.messages.flatMap((message) => stepsOf(message, request.messages));
  return JSON.parse(
    JSON.stringify({
      said,
      tools: tools.map((one) => (one.kind === "function" ? [one.name, one.description, one.parameters] : [one.type])),
      // Unsaid, it is left to the model.
      choice: tools.length === 0 || toolChoice?.kind === "auto" ? undefined : toolChoice,
      schema: responseFormat?.kind === "json_schema" ? responseFormat.schema : responseFormat?.kind,
      parameters: { maxOutputTokens, temperature, topP, topK, seed, presencePenalty, frequencyPenalty, choiceCount, stop, user },
    }),
  ) as Json;
}

/** Calls go by their number, since ids may be made anew. */
function stepsOf(message: Message, all: readonly Message[]): readonly Json[] {
  const ids = all.flatMap((one) => (one.role === "assistant" ? one.toolCalls.map(({ id }) => id) : []));
  if (message.role === "tool") return [["result", ids.indexOf(message.toolCallId), textOf(message.parts)]];
  const role = message.role === "developer" ? "system" : message.role;
  const parts = message.parts.map((part): Json => [role, part.kind === "text" ? part.text : part.kind === "image" ? sourceOf(part) : part.kind]);
  const calls = message.role === "assistant" ? message.toolCalls.map((call): Json => ["call", ids.indexOf(call.id), call.name, JSON.parse(call.argumentsJson) as Json]) : [];
  return [...parts, ...calls];
}

function sourceOf({ source }: Extract<Part, { kind: "image" }>): string {
  return source.kind === "url" ? source.url : `${source.mediaType} ${source.base64}`;
}

function textOf(parts: readonly Part[]): string {
  return parts.map((part) => (part.kind === "text" ? part.text : "")).join("");
}
