/** What this dialect's upstream tests share: the recordings, what they hold by their own last word, targets, and summaries. */
import { existsSync, readdirSync, readFileSync } from "node:fs";
import { resolve } from "node:path";
import type { ModelFacts, UsageFacts } from "../../../wire/facts.ts";
import type { StreamEvent } from "../../../wire/events.ts";
import { asArray, asString, isObject, member, type Json, type JsonObject } from "../../../wire/json.ts";
import type { UpstreamError } from "../../../wire/outcome.ts";
import type { SseEvent } from "../../../wire/sse-event.ts";
import type { Usage } from "../../../wire/usage.ts";
import type { DecodeContext, Target } from "../dialect.ts";
import { target as chatTarget } from "../openai/test-target.ts";
import { openaiResponses } from "./index.ts";

const root = resolve(process.env["SPILLWAY_SHARED"] ?? resolve(import.meta.dirname, "../../../../../shared"), "data/fixtures/ai-sdk");
const FOLDERS = ["openai/responses", "xai/responses", "open-responses/responses", "azure"];

/** False, or why tests that need the recordings are skipped. */
export const recordingsAbsent: false | string = existsSync(root) ? false : "shared data is absent";

/** One recorded answer; a file may hold several, one after the other. */
export interface Recording {
  readonly name: string;
  /** The body of a JSON answer, else the response inside the last event. */
  readonly response: JsonObject;
  /** undefined: a JSON answer. */
  readonly events: readonly SseEvent[] | undefined;
}

/** Every recorded answer of this dialect, errors among them. Chat answers that lie in the same folders are left out. */
export function recordings(): readonly Recording[] {
  if (recordingsAbsent !== false) return [];
  return FOLDERS.flatMap((folder) => {
    const files = readdirSync(resolve(root, folder)).filter((file) => !file.startsWith("azure-deepseek-")).sort();
    return files.flatMap((file) => read(`${folder}/${file}`));
  });
}

function read(name: string): readonly Recording[] {
  const text = readFileSync(resolve(root, name), "utf8");
  if (name.endsWith(".json")) return [{ name, response: object(JSON.parse(text)), events: undefined }];
  const answers: SseEvent[][] = [];
  for (const data of text.split("\n").map((line) => line.trim())) {
    if (data === "") continue;
    const type = asString(member(JSON.parse(data), "type")) ?? "";
    if (type === "response.created" || answers.length === 0) answers.push([]);
    answers.at(-1)?.push({ event: type, data });
  }
  return answers.map((events, at) => ({
    name: answers.length === 1 ? name : `${name}#${at}`,
    response: object(member(JSON.parse(events.at(-1)?.data ?? "null"), "response")),
    events,
  }));
}

function object(value: unknown): JsonObject {
  if (!isObject(value)) throw new Error("not an object");
  return value;
}

export const usageFacts: UsageFacts = {
  // False on the chat protocol of one maker, which must make no difference here.
  reasoningInOutput: false,
  cacheReadPaths: ["/usage/prompt_tokens_details/cached_tokens"],
  cacheWritePaths: ["/usage/prompt_tokens_details/cache_write_tokens"],
  cacheInsideInput: true,
  cost: { path: "/usage/cost_in_usd_ticks", perUsd: 1e10 },
  includeUsageOption: true,
};
export const context: DecodeContext = { usage: usageFacts, upstreamModel: "recorded" };

/** Events of a stream, and what the end of its body gives. */
export function streamed(events: readonly SseEvent[], more: Partial<DecodeContext> = {}): readonly StreamEvent[] {
  const decoder = openaiResponses.openStream({ ...context, ...more });
  return [...events.flatMap((event) => [...decoder.push(event)]), ...decoder.end()];
}

/** Events of a recording. */
export function decoded(recording: Recording): readonly StreamEvent[] {
  return recording.events === undefined ? openaiResponses.decodeAnswer(recording.response, context) : streamed(recording.events);
}

/** One event of this dialect as it stands on the wire. */
export function wire(type: string, more: JsonObject = {}): SseEvent {
  return { event: type, data: JSON.stringify({ type, ...more }) };
}

export interface Summary {
  readonly text: string;
  readonly refusal: string;
  readonly reasoning: string;
  readonly redacted: readonly string[];
  readonly tools: readonly { readonly id: string; readonly name: string; readonly arguments: string }[];
  readonly finish: readonly string[];
  readonly usage: Usage | undefined;
  readonly error: UpstreamError | undefined;
  readonly warnings: readonly string[];
  readonly last: string | undefined;
}

/** What a list of events comes to. */
export function summary(events: readonly StreamEvent[]): Summary {
  const joined = (kind: "text" | "reasoning" | "refusal") => events.map((event) => (event.kind === kind ? event.text : "")).join("");
  const tools: { id: string; name: string; arguments: string }[] = [];
  for (const event of events) {
    if (event.kind === "tool-start") tools[event.index] = { id: event.id, name: event.name, arguments: "" };
    const tool = event.kind === "tool-arguments" ? tools[event.index] : undefined;
    if (tool !== undefined && event.kind === "tool-arguments") tool.arguments += event.json;
  }
  const error = events.find((event) => event.kind === "error");
  return {
    text: joined("text"),
    refusal: joined("refusal"),
    reasoning: joined("reasoning"),
    redacted: events.flatMap((event) => (event.kind === "redacted" ? [event.data] : [])),
    tools,
    finish: events.flatMap((event) => (event.kind === "finish" ? [event.reason, event.native] : [])),
    usage: events.findLast((event) => event.kind === "usage")?.usage,
    error: error?.kind === "error" ? error.error : undefined,
    warnings: events.flatMap((event) => (event.kind === "warning" ? [event.message] : [])),
    last: events.at(-1)?.kind,
  };
}

/** What a response object says of itself, read in the plainest way. */
export function heldBy(response: JsonObject) {
  const items = asArray(response["output"]);
  const ofType = (type: string) => items.filter((item) => member(item, "type") === type);
  const texts = (list: Json | undefined, type: string) =>
    asArray(list).filter((part) => member(part, "type") === type).map((part) => asString(member(part, "text")) ?? "");
  return {
    text: ofType("message").flatMap((item) => texts(member(item, "content"), "output_text")).join(""),
    reasoning: ofType("reasoning").flatMap((item) => [...texts(member(item, "summary"), "summary_text"), ...texts(member(item, "content"), "reasoning_text")]).join("\n\n"),
    encrypted: ofType("reasoning").flatMap((item) => asString(member(item, "encrypted_content")) ?? []),
    functions: ofType("function_call").map((item) => ({
      id: asString(member(item, "call_id")) ?? "", name: asString(member(item, "name")) ?? "", arguments: asString(member(item, "arguments")) ?? "",
    })),
  };
}

const model: ModelFacts = {
  id: "host/their-model", provider: "host", upstream: "their-model", name: "M", canonical: "m", variant: null, family: null, type: "chat",
  status: "active", contextWindow: null, maxOutput: null, input: ["text"], output: ["text"], tools: null, jsonSchema: null, vision: null,
  reasoning: null, reasoningEfforts: null, openWeights: false, aliases: [], embeddingDimensions: null, price: null,
  priceSources: { from: [], agree: 0, of: 0, asOf: "" }, dialectOverride: null, retiresOn: null,
};

/** A target without quirks; `facts` undefined: a model that the catalogue does not know. */
export function target(upstreamModel = "their-model", facts?: Partial<ModelFacts>): Target {
  const provider = { ...chatTarget().provider, dialect: "openai-responses" as const };
  return { provider, model: facts === undefined ? null : { ...model, ...facts }, upstreamModel };
}
