/**
 * A second reading of recorded answers, as plain as it can be and with nothing of our decoders in it: whole answers by
 * their fields, streams by their last word where that holds all, else by putting the pieces together.
 */
import { asArray, asNumber, asString, isObject, member, type Json, type JsonObject } from "../../src/wire/json.ts";
import type { DialectId } from "../../src/wire/facts.ts";

/** What an answer holds: length of its text in UTF-16 units, names of the tools called, its own word for the end, all tokens in and out. */
export type Holds = readonly [text: number, tools: readonly string[], finish: string, tokens: readonly [input: number, output: number] | null];

interface Reading {
  readonly text: string;
  readonly tools: readonly string[];
  readonly finish: string;
  readonly tokens: readonly [number, number] | null;
}

/** Of a whole answer. */
export function holdsOfAnswer(dialect: DialectId, body: Json): Holds {
  return holds(ANSWERS[dialect](body));
}

/** Of a stream's events, in order. */
export function holdsOfStream(dialect: DialectId, events: readonly Json[]): Holds {
  return holds(STREAMS[dialect](events));
}

function holds({ text, tools, finish, tokens }: Reading): Holds {
  return [text.length, tools, finish, tokens];
}

const ANSWERS: Readonly<Record<DialectId, (body: Json) => Reading>> = {
  "openai-chat": (body) => {
    const message = at(body, "choices", 0, "message");
    return {
      text: chatText(member(message, "content")),
      tools: asArray(member(message, "tool_calls")).map((call) => text(at(call, "function", "name"))),
      finish: text(at(body, "choices", 0, "finish_reason")),
      tokens: chatTokens(body),
    };
  },
  "openai-responses": responses,
  "anthropic-messages": (body) => {
    const content = asArray(member(body, "content"));
    return {
      text: joined(ofType(content, "text").map((block) => member(block, "text"))),
      tools: ofType(content, "tool_use").map((block) => text(member(block, "name"))),
      finish: text(member(body, "stop_reason")),
      tokens: messagesTokens(member(body, "usage")),
    };
  },
  gemini: (body) => geminiOf([body]),
  "bedrock-converse": (body) => {
    const content = asArray(at(body, "output", "message", "content"));
    return {
      text: joined(content.map((block) => member(block, "text"))),
      tools: content.flatMap((block) => asString(at(block, "toolUse", "name")) ?? []),
      finish: text(member(body, "stopReason")),
      tokens: converseTokens(member(body, "usage")),
    };
  },
  "cohere-v2": (body) => ({
    text: joined(ofType(asArray(at(body, "message", "content")), "text").map((part) => member(part, "text"))),
    tools: asArray(at(body, "message", "tool_calls")).map((call) => text(at(call, "function", "name"))),
    finish: text(member(body, "finish_reason")),
    tokens: pair(at(body, "usage", "billed_units"), "input_tokens", "output_tokens"),
  }),
};

const STREAMS: Readonly<Record<DialectId, (events: readonly Json[]) => Reading>> = {
  "openai-chat": (events) => {
    const deltas = events.map((event) => at(event, "choices", 0, "delta"));
    return {
      text: joined(deltas.map((delta) => chatText(member(delta, "content")))),
      tools: deltas.flatMap((delta) => asArray(member(delta, "tool_calls"))).flatMap((call) => asString(at(call, "function", "name")) || []),
      finish: text(events.findLast((event) => isObject(event) && asString(at(event, "choices", 0, "finish_reason")) !== undefined), "choices", 0, "finish_reason"),
      tokens: chatTokens(events.findLast((event) => isObject(member(event, "usage")))),
    };
  },
  // The last event holds the whole response.
  "openai-responses": (events) => responses(member(events.at(-1), "response")),
  "anthropic-messages": (events) => {
    const usages = events.flatMap((event) => [at(event, "message", "usage"), member(event, "usage")]).filter(isObject);
    // Later counts replace earlier ones.
    const merged = usages.map((usage) => Object.entries(usage).filter(([, value]) => value !== null)).map((told) => Object.fromEntries(told) as JsonObject);
    // A message may begin with content and end with it.
    const begun = ofType(events, "message_start").slice(0, 1).map((event) => member(event, "message"));
    const starts = [...begun.flatMap((message) => asArray(member(message, "content"))), ...ofType(events, "content_block_start").map((event) => member(event, "content_block"))];
    const deltas = ofType(events, "content_block_delta").map((event) => at(event, "delta", "text"));
    return {
      text: joined([...ofType(starts, "text").map((block) => member(block, "text")), ...deltas]),
      tools: ofType(starts, "tool_use").map((block) => text(member(block, "name"))),
      finish: text(ofType(events, "message_delta").at(-1), "delta", "stop_reason") || text(begun[0], "stop_reason"),
      tokens: messagesTokens(Object.assign({}, ...merged) as JsonObject),
    };
  },
  gemini: geminiOf,
  "bedrock-converse": (events) => ({
    text: joined(events.map((event) => at(event, "contentBlockDelta", "delta", "text"))),
    tools: events.flatMap((event) => asString(at(event, "contentBlockStart", "start", "toolUse", "name")) ?? []),
    finish: text(events.find((event) => member(event, "messageStop") !== undefined), "messageStop", "stopReason"),
    tokens: converseTokens(at(events.find((event) => member(event, "metadata") !== undefined), "metadata", "usage")),
  }),
  "cohere-v2": (events) => ({
    text: joined(ofType(events, "content-delta").map((event) => at(event, "delta", "message", "content", "text"))),
    tools: ofType(events, "tool-call-start").map((event) => text(at(event, "delta", "message", "tool_calls", "function", "name"))),
    finish: text(ofType(events, "message-end")[0], "delta", "finish_reason"),
    tokens: pair(at(ofType(events, "message-end")[0], "delta", "usage", "billed_units"), "input_tokens", "output_tokens"),
  }),
};

/** Cached tokens are inside, reasoning is on one side or the other: the total settles it. */
function chatTokens(body: Json | undefined): Reading["tokens"] {
  const usage = member(body, "usage") ?? at(body, "x_groq", "usage");
  const input = asNumber(member(usage, "prompt_tokens"));
  if (input === undefined) return null;
  return [input, (asNumber(member(usage, "total_tokens")) ?? 0) - input];
}

function chatText(content: Json | undefined): string {
  return typeof content === "string" ? content : joined(ofType(asArray(content), "text").map((part) => member(part, "text")));
}

/** Items that ask for something to be done; those without a name are told by their type. */
const CALLS = ["function_call", "custom_tool_call", "apply_patch_call", "local_shell_call", "shell_call", "mcp_approval_request"];

function responses(body: Json | undefined): Reading {
  const items = asArray(member(body, "output"));
  return {
    text: joined(ofType(items, "message").flatMap((item) => ofType(asArray(member(item, "content")), "output_text").map((part) => member(part, "text")))),
    tools: items.filter((item) => CALLS.includes(text(member(item, "type")))).map((item) => text(member(item, "name")) || text(member(item, "type"))),
    finish: text(member(body, "status")),
    tokens: pair(member(body, "usage"), "input_tokens", "output_tokens"),
  };
}

/** Input, cache reads and cache writes stand apart; where there are iterations each of them is billed. */
function messagesTokens(usage: Json | undefined): Reading["tokens"] {
  const all = asArray(member(usage, "iterations"));
  const billed = all.length > 0 ? all : [usage];
  const sum = (...keys: readonly string[]) => billed.flatMap((one) => keys.map((key) => asNumber(member(one, key)) ?? 0)).reduce((a, b) => a + b, 0);
  return [sum("input_tokens", "cache_read_input_tokens", "cache_creation_input_tokens"), sum("output_tokens")];
}

function converseTokens(usage: Json | undefined): Reading["tokens"] {
  if (!isObject(usage)) return null;
  const count = (key: string) => asNumber(usage[key]) ?? 0;
  return [count("inputTokens") + count("cacheReadInputTokens") + count("cacheWriteInputTokens"), count("outputTokens")];
}

/** The total is prompt, tool use, candidates and thoughts together. */
function geminiOf(chunks: readonly Json[]): Reading {
  const parts = chunks.flatMap((chunk) => asArray(at(chunk, "candidates", 0, "content", "parts")));
  const usage = chunks.map((chunk) => member(chunk, "usageMetadata")).findLast((one) => asNumber(member(one, "totalTokenCount")) !== undefined);
  const input = (asNumber(member(usage, "promptTokenCount")) ?? 0) + (asNumber(member(usage, "toolUsePromptTokenCount")) ?? 0);
  return {
    text: joined(parts.filter((part) => member(part, "thought") !== true).map((part) => member(part, "text"))),
    tools: parts.flatMap((part) => asString(at(part, "functionCall", "name")) ?? []),
    finish: text(chunks.findLast((chunk) => asString(at(chunk, "candidates", 0, "finishReason")) !== undefined), "candidates", 0, "finishReason"),
    tokens: [input, (asNumber(member(usage, "totalTokenCount")) ?? 0) - input],
  };
}

function pair(usage: Json | undefined, input: string, output: string): Reading["tokens"] {
  return isObject(usage) ? [asNumber(usage[input]) ?? 0, asNumber(usage[output]) ?? 0] : null;
}

function ofType(list: readonly (Json | undefined)[], type: string): readonly Json[] {
  return list.filter((one): one is Json => member(one, "type") === type);
}

function joined(texts: readonly (Json | undefined)[]): string {
  return texts.map((one) => asString(one) ?? "").join("");
}

/** A string by its path; empty where there is none. */
function text(value: Json | undefined, ...path: readonly (string | number)[]): string {
  return asString(at(value, ...path)) ?? "";
}

function at(value: Json | undefined, ...path: readonly (string | number)[]): Json | undefined {
  let found = value;
  for (const step of path) found = typeof step === "number" ? asArray(found)[step] : member(found, step);
  return found;
}
