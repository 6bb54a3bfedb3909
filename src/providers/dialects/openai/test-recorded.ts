/**
 * What the recorded answers of OpenAI-compatible hosts hold, read from the files by hand, so that decoders can be held
 * to it. The recordings themselves are shared data and stay outside the project.
 */
import { existsSync, readFileSync } from "node:fs";
import { resolve } from "node:path";
import type { JsonObject } from "../../../wire/json.ts";
import { isObject } from "../../../wire/json.ts";
import type { SseEvent } from "../../../wire/sse-event.ts";

export interface Recorded {
  /** The whole text, or its beginning and end with its length in UTF-16 units. */
  readonly text: string | { readonly from: string; readonly to: string; readonly length: number };
  readonly reasoningLength: number;
  readonly tools: readonly { readonly id: string; readonly name: string; readonly arguments: string }[];
  readonly finish: string;
  /** Prompt and completion as the file says, and what of them is cached and reasoning. null: the file has none. */
  readonly usage: {
    readonly prompt: number;
    readonly completion: number;
    readonly cached?: number;
    readonly reasoning?: number;
    /** Reasoning stands beside the completion count, not in it. */
    readonly reasoningOutside?: boolean;
    readonly ticks?: number;
    readonly tier?: string;
  } | null;
}

const SAN_FRANCISCO = `{"location": "San Francisco"}`;
const SAN_FRANCISCO_TIGHT = `{"location":"San Francisco"}`;
const none = { text: "", reasoningLength: 0, tools: [], finish: "stop" } as const;

/** Path under the recordings' folder → what it holds. */
export const RECORDED: Readonly<Record<string, Recorded>> = {
  "alibaba/alibaba-text.json": {
    ...none,
    text: { from: "## The Festival of Forgotten Things (Obs", to: "space for what is yet to come.", length: 4892 },
    usage: { prompt: 18, completion: 1064 },
  },
  "alibaba/alibaba-tool-call.chunks.txt": {
    ...none,
    tools: [{ id: "call_eee11723464a4b9eb8cee71d", name: "weather", arguments: SAN_FRANCISCO }],
    finish: "tool_calls",
    usage: { prompt: 295, completion: 22 },
  },
  "azure/azure-deepseek-reasoning.1.json": {
    ...none,
    text: { from: "Absolutely! Based on the most recent Kni", to: "— until he let it fly. 🏙️🧡💙", length: 4105 },
    reasoningLength: 3389,
    usage: { prompt: 19, completion: 1969 },
  },
  "azure/azure-deepseek-reasoning.1.chunks.txt": {
    ...none,
    text: { from: "Exciting news, Knicks fans—there's a bra", to: "4—from the logo! 🎯🧡💙", length: 2665 },
    reasoningLength: 3832,
    usage: { prompt: 19, completion: 1720 },
  },
  "deepseek/chat/deepseek-reasoning.json": {
    ...none,
    text: `The word "strawberry" contains three instances of the letter "r": one after the "t" and two before the "y".`,
    reasoningLength: 935,
    usage: { prompt: 18, completion: 345, reasoning: 315 },
  },
  "deepseek/chat/deepseek-reasoning.chunks.txt": {
    ...none,
    text: `The word "strawberry" contains three "r"s.`,
    reasoningLength: 606,
    usage: { prompt: 18, completion: 219, reasoning: 205 },
  },
  "deepseek/chat/deepseek-text.chunks.txt": {
    ...none,
    text: { from: "## **Holiday Name:** Starlight Remembran", to: "5 minutes of silent looking at", length: 1855 },
    finish: "length",
    usage: { prompt: 13, completion: 400 },
  },
  "deepseek/chat/deepseek-tool-call.json": {
    ...none,
    reasoningLength: 242,
    tools: [{ id: "call_00_9V0vrf86Pc9aelHCJMZqnJBo", name: "weather", arguments: SAN_FRANCISCO }],
    finish: "tool_calls",
    usage: { prompt: 339, completion: 92, cached: 320, reasoning: 48 },
  },
  "deepseek/chat/deepseek-tool-call.chunks.txt": {
    ...none,
    reasoningLength: 191,
    tools: [{ id: "call_00_ioIn7yN9p1ZOMNpDLwd4MgAF", name: "weather", arguments: SAN_FRANCISCO }],
    finish: "tool_calls",
    usage: { prompt: 339, completion: 83, cached: 320, reasoning: 39 },
  },
  "groq/groq-reasoning.json": {
    ...none,
    text: { from: `The word "strawberry" contains **3** ins`, to: "th positions. \n\n**Answer:** 3.", length: 206 },
    reasoningLength: 1724,
    usage: { prompt: 17, completion: 649, reasoning: 570, tier: "on_demand" },
  },
  "groq/groq-text.json": {
    ...none,
    text: { from: `I'd like to introduce "Luminaria" - a jo`, to: " brighter, more radiant world.", length: 2953 },
    usage: { prompt: 45, completion: 607, tier: "on_demand" },
  },
  "groq/groq-text.chunks.txt": {
    ...none,
    text: { from: `Introducing "Luminaria" - a new holiday `, to: "iation for the magic of light.", length: 3189 },
    usage: { prompt: 45, completion: 662 },
  },
  "groq/groq-tool-call.json": {
    ...none,
    tools: [{ id: "ax9fskhev", name: "weather", arguments: "{}" }],
    finish: "tool_calls",
    usage: { prompt: 218, completion: 15, tier: "on_demand" },
  },
  "mistral/mistral-reasoning.json": {
    ...none,
    text: "2 + 2 = 4",
    reasoningLength: 60,
    usage: { prompt: 10, completion: 46 },
  },
  "mistral/mistral-text.chunks.txt": {
    ...none,
    text: "Hello, world! This is a test response.",
    usage: { prompt: 13, completion: 8 },
  },
  "mistral/mistral-tool-call.json": {
    ...none,
    tools: [{ id: "gSIMJiOkT", name: "weather", arguments: SAN_FRANCISCO }],
    finish: "tool_calls",
    usage: { prompt: 124, completion: 22 },
  },
  "moonshotai/moonshotai-reasoning.json": {
    ...none,
    text: "There are three.",
    reasoningLength: 35,
    usage: { prompt: 20, completion: 30, cached: 10, reasoning: 22 },
  },
  "moonshotai/moonshotai-stream.chunks.txt": {
    ...none,
    text: "Hello!",
    reasoningLength: 16,
    usage: { prompt: 9, completion: 12, reasoning: 7 },
  },
  "moonshotai/moonshotai-text.json": { ...none, text: "Hello, world!", usage: { prompt: 9, completion: 5 } },
  "moonshotai/moonshotai-tool-call.json": {
    ...none,
    tools: [{ id: "call_abc123", name: "get_weather", arguments: `{"city":"Paris"}` }],
    finish: "tool_calls",
    usage: { prompt: 30, completion: 12 },
  },
  "openai-compatible/chat/anthropic-fallback-tool-call.sse": {
    ...none,
    text: "Reading it.",
    tools: [{ id: "toolu_sanitized", name: "read_file", arguments: `{"path": "a.txt"}` }],
    finish: "tool_calls",
    usage: null,
  },
  "openai-compatible/chat/xai-text.json": {
    ...none,
    text: "Grok",
    reasoningLength: 1367,
    usage: { prompt: 12, completion: 2, cached: 2, reasoning: 320, reasoningOutside: true, ticks: 1_641_500 },
  },
  "openai-compatible/chat/xai-text.chunks.txt": {
    ...none,
    text: "Grok",
    reasoningLength: 1455,
    usage: { prompt: 12, completion: 2, cached: 11, reasoning: 340, reasoningOutside: true, ticks: 1_721_250 },
  },
  "openai-compatible/chat/xai-tool-call.json": {
    ...none,
    reasoningLength: 1194,
    tools: [{ id: "call_46427107", name: "weather", arguments: SAN_FRANCISCO_TIGHT }],
    finish: "tool_calls",
    usage: { prompt: 307, completion: 26, cached: 244, reasoning: 255, reasoningOutside: true, ticks: 1_777_000 },
  },
  "openai-compatible/chat/xai-tool-call.chunks.txt": {
    ...none,
    reasoningLength: 1069,
    tools: [{ id: "call_79382389", name: "weather", arguments: SAN_FRANCISCO_TIGHT }],
    finish: "tool_calls",
    usage: { prompt: 307, completion: 26, cached: 306, reasoning: 227, reasoningOutside: true, ticks: 1_497_500 },
  },
  "openai/chat/azure-model-router.1.chunks.txt": {
    ...none,
    text: "Capital of Denmark.",
    usage: { prompt: 15, completion: 78, reasoning: 64 },
  },
  "openai/chat/openai-text.json": {
    ...none,
    text: { from: "**Holiday Name:** Galaxy Day  \n\n**Date:*", to: "up and dream beyond our world.", length: 1842 },
    usage: { prompt: 16, completion: 363, tier: "default" },
  },
  "openai/chat/openai-text.chunks.txt": {
    ...none,
    text: { from: "**Holiday Name:** Harmony Day\n\n**Date:**", to: "xperiences and mutual respect.", length: 1724 },
    usage: { prompt: 16, completion: 300, tier: "default" },
  },
  "perplexity/perplexity-citations.json": {
    ...none,
    text: { from: "The most recent estimates for San Franci", to: "us Bureau updates beyond 2024.", length: 952 },
    usage: { prompt: 10, completion: 251 },
  },
  "perplexity/perplexity-citations.chunks.txt": {
    ...none,
    text: "The current population of **[2][3]",
    usage: { prompt: 10, completion: 336 },
  },
  "perplexity/perplexity-text.json": {
    ...none,
    text: { from: "**EcoVista Day** is a new annual holiday", to: "sible and forward-thinking.[5]", length: 1970 },
    usage: { prompt: 11, completion: 392 },
  },
  "perplexity/perplexity-text.chunks.txt": {
    ...none,
    text: "**EcoVista Day**[1][5]",
    usage: { prompt: 11, completion: 434 },
  },
  "xai/xai-text.json": {
    ...none,
    text: "Hello",
    reasoningLength: 189,
    usage: { prompt: 12, completion: 1, cached: 2, reasoning: 228, reasoningOutside: true, ticks: 1_176_500 },
  },
  "xai/xai-text.chunks.txt": {
    ...none,
    text: "Hello",
    reasoningLength: 20,
    usage: { prompt: 12, completion: 1, cached: 11, reasoning: 290, reasoningOutside: true, ticks: 1_466_250 },
  },
  "xai/xai-tool-call.json": {
    ...none,
    reasoningLength: 357,
    tools: [{ id: "call_93562515", name: "weather", arguments: SAN_FRANCISCO_TIGHT }],
    finish: "tool_calls",
    usage: { prompt: 291, completion: 26, cached: 244, reasoning: 189, reasoningOutside: true, ticks: 1_399_000 },
  },
  "xai/xai-tool-call.chunks.txt": {
    ...none,
    reasoningLength: 18,
    tools: [{ id: "call_55117580", name: "weather", arguments: SAN_FRANCISCO_TIGHT }],
    finish: "tool_calls",
    usage: { prompt: 291, completion: 26, cached: 290, reasoning: 196, reasoningOutside: true, ticks: 1_330_500 },
  },
};

/** Recorded error bodies of this dialect. */
export const RECORDED_ERRORS = ["openai/chat/reasoning-model-legacy-parameter-error.json"] as const;

/** Every recording that is covered here, so that no other test counts it again. */
export function coveredRecordings(): readonly string[] {
  return [...Object.keys(RECORDED), ...RECORDED_ERRORS];
}

const root = resolve(process.env["SPILLWAY_SHARED"] ?? resolve(import.meta.dirname, "../../../../../shared"), "data/fixtures");

/** False, or why tests that need shared data are skipped. */
export const sharedAbsent: false | string = existsSync(resolve(root, "ai-sdk")) ? false : "shared data is absent";

/** A recorded JSON body. */
export function recordedJson(file: string): JsonObject {
  const body: unknown = JSON.parse(readFileSync(resolve(root, "ai-sdk", file), "utf8"));
  if (!isObject(body)) throw new Error(`${file} is not an object`);
  return body;
}

/** A recorded stream's events: one JSON a line, or raw server-sent events. */
export function recordedEvents(file: string): readonly SseEvent[] {
  const lines = readFileSync(resolve(root, "ai-sdk", file), "utf8").split("\n");
  const prefix = file.endsWith(".sse") ? "data: " : "";
  return lines.filter((line) => line.trim() !== "").map((line) => ({ event: "", data: line.slice(prefix.length).trim() }));
}
