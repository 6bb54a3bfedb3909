/**
 * Reads a Messages body, of either version of the API, into the hub's request. Tolerant of what it does not know, strict
 * on the types of what it knows.
 */
import type { ChatRequest, ResponseFormat } from "../../../wire/chat.ts";
import { isObject, type Json, type JsonObject } from "../../../wire/json.ts";
import type { AskedOutside, ParsedByClient } from "../client.ts";
import { Refused } from "../openai/parse-reader.ts";
import { parseConversation } from "./client-messages.ts";
import { asksSomething, BodyReader } from "./client-notes.ts";
import { parseToolChoice, parseTools } from "./client-tools.ts";
import { shown } from "./draft.ts";

/** Fields with a place in the hub, and our own. */
const KNOWN = new Set([
  "model", "max_tokens", "messages", "system", "tools", "tool_choice", "stop_sequences", "temperature", "top_p", "top_k",
  "thinking", "output_config", "output_format", "metadata", "service_tier", "stream", "spillway",
]);

/** Fields that change who answers, where, or with what; a provider of another dialect would give another answer. */
const ONLY_HERE: Readonly<Record<string, string>> = {
  container: "a container runs at the provider that owns it",
  mcp_servers: "MCP servers are called by the maker of this API; no other provider calls them",
  inference_geo: "inference_geo binds only providers of the Messages API; a route can be bound to a region instead",
  thread: "a thread stays with the provider that keeps it",
  compaction: "compaction is done by the maker of this API; no other provider does it",
};
/** Values of them that ask for nothing. */
const PLAIN: Readonly<Record<string, readonly Json[]>> = { inference_geo: ["global", "not_available"], speed: ["standard"] };

/** Parse a body that is already JSON. Never throws. */
export function parse(raw: JsonObject, outside: AskedOutside): ParsedByClient {
  const reader = new BodyReader();
  try {
    const request = requestOf(raw, outside, reader);
    return { kind: "request", request, warnings: reader.warnings, onlyHere: reader.onlyHere };
  } catch (refused) {
    if (refused instanceof Refused) return { kind: "error", error: refused.error };
    throw refused;
  }
}

function requestOf(raw: JsonObject, outside: AskedOutside, reader: BodyReader): ChatRequest {
  const model = outside.model ?? reader.string(raw.model, "model");
  if (model === undefined || model === "") throw reader.missing("model", "the name of a model");
  const maxOutputTokens = reader.required(reader.integerFrom(0, raw.max_tokens, "max_tokens"), "max_tokens", "the most tokens to answer with");
  if (maxOutputTokens === 0) reader.only("max_tokens", "max_tokens 0, which only fills the prompt cache, can only be sent to a provider of the Messages API");
  const { messages, toolChanges, effort } = parseConversation(raw, reader);
  const tools = parseTools(raw, toolChanges, reader);
  const output = reader.object(raw.output_config, "output_config");
  reader.warnLeftOut(output ?? {}, ["effort", "format"], "output_config.");
  const thinking = reader.object(raw.thinking, "thinking");
  reader.warnLeftOut(thinking ?? {}, ["type", "budget_tokens", "display"], "thinking.");
  const stream = outside.stream ?? reader.boolean(raw.stream, "stream") ?? false;
  noteForeignFields(raw, reader);
  return {
    surface: "anthropic-messages",
    model,
    messages,
    tools,
    ...parseToolChoice(raw, reader),
    maxOutputTokens,
    temperature: reader.number(raw.temperature, "temperature"),
    topP: reader.number(raw.top_p, "top_p"),
    topK: reader.number(raw.top_k, "top_k"),
    seed: undefined,
    presencePenalty: undefined,
    frequencyPenalty: undefined,
    choiceCount: 1,
    stop: reader.array(raw.stop_sequences, "stop_sequences").map((one, at) => stopOf(one, at, reader)),
    responseFormat: formatOf(output?.format ?? raw.output_format, output?.format === undefined ? "output_format" : "output_config.format", reader),
    reasoningEffort: effort ?? reader.string(output?.effort, "output_config.effort"),
    thinking,
    logprobs: undefined,
    topLogprobs: undefined,
    logitBias: undefined,
    serviceTier: serviceTierOf(reader.string(raw.service_tier, "service_tier")),
    user: userOf(raw, reader),
    metadata: undefined,
    stream,
    // Every stream of this dialect tells its usage.
    includeUsage: stream,
    other: {},
  };
}

function stopOf(value: Json, at: number, reader: BodyReader): string {
  return reader.required(reader.string(value, `stop_sequences[${at}]`), `stop_sequences[${at}]`, "a string");
}

/** There is one form, and it has no name; the hub's has one because its other dialects want it. `strict` is not invented. */
function formatOf(value: Json | undefined, place: string, reader: BodyReader): ResponseFormat | undefined {
  const format = reader.object(value, place);
  if (format === undefined) return undefined;
  const type = reader.required(reader.string(format.type, `${place}.type`), `${place}.type`, "json_schema");
  const schema = reader.object(format.schema, `${place}.schema`);
  if (type !== "json_schema") {
    reader.only(place, `an output format of type ${shown(type)} can only be sent to a provider of the Messages API`);
    return undefined;
  }
  reader.warnLeftOut(format, ["type", "schema"], `${place}.`);
  reader.warn("how strictly an answer is held to the schema of its format depends on the provider");
  return {
    kind: "json_schema", name: "answer", description: undefined, strict: undefined,
    schema: reader.required(schema, `${place}.schema`, "a JSON schema"),
  };
}

/** The hub's word for a request that takes no other capacity than the ordinary is `default`. */
function serviceTierOf(tier: string | undefined): string | undefined {
  return tier === "standard_only" ? "default" : tier;
}

function userOf(raw: JsonObject, reader: BodyReader): string | undefined {
  const metadata = reader.object(raw.metadata, "metadata");
  reader.warnLeftOut(metadata ?? {}, ["user_id"], "metadata.");
  return reader.string(metadata?.user_id, "metadata.user_id");
}

/** Everything else that was sent: refused elsewhere where it would be missed, named otherwise. */
function noteForeignFields(raw: JsonObject, reader: BodyReader): void {
  const left: string[] = [];
  for (const [key, value] of Object.entries(raw)) {
    if (KNOWN.has(key) || !asksSomething(value) || PLAIN[key]?.includes(value) === true) continue;
    const reason = Object.hasOwn(ONLY_HERE, key) ? ONLY_HERE[key] : undefined;
    if (reason !== undefined) reader.only(key, reason);
    else left.push(shown(key));
  }
  if (left.length === 0) return;
  const more = left.length > 32 ? ` and ${left.length - 32} more` : "";
  reader.warn(`carried only to providers of the same dialect: ${left.slice(0, 32).join(", ")}${more}`);
}

/** Does the client want no text of the reasoning, only its proof? */
export function hidesThinking(raw: JsonObject): boolean {
  return isObject(raw.thinking) && raw.thinking.display === "omitted";
}
