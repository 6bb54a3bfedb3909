/**
 * Reads a Responses body into the hub's request. What only a Responses API can carry is told apart: without a warning's
 * worth of loss elsewhere, or changing the answer, so that a target of another dialect is refused.
 */
import type { ChatRequest, Message, ResponseFormat } from "../../../wire/chat.ts";
import { gatewayError } from "../../../wire/errors.ts";
import { isObject } from "../../../wire/json.ts";
import type { Json, JsonObject } from "../../../wire/json.ts";
import type { ParsedByClient } from "../client.ts";
import { Refused } from "../openai/parse-reader.ts";
import { parseInput } from "./client-input.ts";
import { Intake } from "./client-intake.ts";
import { ToolNames, listedTools } from "./client-names.ts";
import { parseToolChoice, parseTools } from "./client-tools.ts";

/**
 * Fields that are carried, or that ask for what every answer of ours is (`store` is kept by the gateway, `spillway` is for
 * the gateway; `truncation` and others are told apart below).
 */
const CARRIED = new Set([
  "model", "input", "instructions", "tools", "tool_choice", "parallel_tool_calls", "max_output_tokens", "temperature", "top_p",
  "presence_penalty", "frequency_penalty", "text", "reasoning", "include", "top_logprobs", "service_tier", "user",
  "safety_identifier", "metadata", "stream", "stream_options", "store", "spillway",
]);
const SAME_DIALECT_ONLY = "is carried only to providers of the Responses API.";
/** Fields that bring in, or do, what no other dialect can. */
const BEYOND: Readonly<Record<string, string>> = {
  previous_response_id: "an earlier response is known only to the provider that keeps it.",
  conversation: "a stored conversation is known only to the provider that keeps it.",
  prompt: "a stored prompt is known only to the provider that keeps it.",
  moderation: "moderated answers are made only by providers of the Responses API.",
};

/** Parse a body that is already JSON. Never throws. */
export function parseRequest(raw: JsonObject): ParsedByClient {
  const intake = new Intake();
  try {
    const request = parse(raw, intake);
    return { kind: "request", request, warnings: intake.warnings, onlyHere: intake.onlyHere };
  } catch (refused) {
    if (refused instanceof Refused) return { kind: "error", error: refused.error };
    throw refused;
  }
}

function parse(raw: JsonObject, intake: Intake): ChatRequest {
  const model = intake.string(raw["model"], "model");
  if (model === undefined || model === "") throw intake.missing("model", "the name of a model");
  const listed = listedTools(raw);
  const names = new ToolNames(listed);
  const messages = parseMessages(raw, names, intake);
  const tools = parseTools(raw, listed, names, intake);
  const toolChoice = parseToolChoice(raw["tool_choice"], names, intake);
  const include = parseInclude(raw["include"], intake);
  const topLogprobs = intake.integerFrom(0, raw["top_logprobs"], "top_logprobs");
  const request: ChatRequest = {
    surface: "openai-responses",
    model,
    messages,
    tools,
    toolChoice,
    parallelToolCalls: intake.boolean(raw["parallel_tool_calls"], "parallel_tool_calls"),
    maxOutputTokens: intake.integerFrom(1, raw["max_output_tokens"], "max_output_tokens"),
    temperature: intake.number(raw["temperature"], "temperature"),
    topP: intake.number(raw["top_p"], "top_p"),
    topK: undefined,
    seed: undefined,
    presencePenalty: intake.number(raw["presence_penalty"], "presence_penalty"),
    frequencyPenalty: intake.number(raw["frequency_penalty"], "frequency_penalty"),
    choiceCount: 1,
    stop: [],
    responseFormat: parseText(raw["text"], intake),
    ...parseReasoning(raw["reasoning"], intake),
    thinking: undefined,
    logprobs: include.logprobs ? true : undefined,
    topLogprobs: include.logprobs ? topLogprobs : undefined,
    logitBias: undefined,
    serviceTier: intake.string(raw["service_tier"], "service_tier"),
    user: userName(raw, intake),
    metadata: intake.object(raw["metadata"], "metadata"),
    stream: intake.boolean(raw["stream"], "stream") ?? false,
    includeUsage: true,
    other: {},
  };
  tellTheRest(raw, intake);
  return request;
}

function parseMessages(raw: JsonObject, names: ToolNames, intake: Intake): readonly Message[] {
  const messages = [...parseInput(raw["input"], names, intake)];
  const instructions = intake.string(raw["instructions"], "instructions");
  if (instructions !== undefined && instructions !== "") {
    messages.unshift({ role: "system", parts: [{ kind: "text", text: instructions, cacheControl: undefined }], name: undefined });
  }
  const goesOn = Object.keys(BEYOND).some((field) => raw[field] !== undefined && raw[field] !== null);
  if (messages.length > 0 || goesOn || intake.onlyHere.length > 0) return messages;
  if (raw["input"] === undefined || raw["input"] === null) throw intake.missing("input", "a string or a list of items");
  throw new Refused(gatewayError("invalid_body", "input must hold at least one item.", { param: "input" }));
}

/** What may be included in an answer: reasoning state always is, probabilities are asked for; the rest is of hosted tools. */
function parseInclude(value: Json | undefined, intake: Intake): { readonly logprobs: boolean } {
  let logprobs = false;
  intake.array(value, "include").forEach((entry, i) => {
    const name = intake.string(entry, `include[${i}]`);
    if (name === "message.output_text.logprobs") logprobs = true;
    else if (name !== undefined && name !== "reasoning.encrypted_content") intake.warn(`include: ${name.slice(0, 60)} ${SAME_DIALECT_ONLY}`);
  });
  return { logprobs };
}

function parseText(value: Json | undefined, intake: Intake): ResponseFormat | undefined {
  const text = intake.object(value, "text");
  if (text === undefined) return undefined;
  for (const key of Object.keys(text)) if (key !== "format" && isSet(text[key])) intake.warn(`text.${key} ${SAME_DIALECT_ONLY}`);
  const format = intake.object(text["format"], "text.format");
  if (format === undefined) return undefined;
  const path = "text.format";
  const type = intake.text(format, "type", path, "text, json_object or json_schema");
  if (type === "text" || type === "json_object") return { kind: type };
  if (type !== "json_schema") {
    intake.only(`${path}.type`, `the format ${type.slice(0, 40)} is known only to providers of the Responses API.`);
    return undefined;
  }
  intake.warnUnknown(format, ["type", "name", "description", "schema", "strict"], path);
  return {
    kind: "json_schema",
    name: intake.text(format, "name", path, "the schema's name"),
    description: intake.string(format["description"], `${path}.description`),
    schema: intake.object(format["schema"], `${path}.schema`),
    strict: intake.boolean(format["strict"], `${path}.strict`),
  };
}

/** `summary` asks that reasoning be shown; how much of it is the provider's affair. */
function parseReasoning(value: Json | undefined, intake: Intake): Pick<ChatRequest, "reasoningEffort" | "reasoningShown"> {
  const reasoning = intake.object(value, "reasoning");
  for (const key of Object.keys(reasoning ?? {})) {
    if (!["effort", "summary", "generate_summary"].includes(key) && isSet(reasoning?.[key])) intake.warn(`reasoning.${key} ${SAME_DIALECT_ONLY}`);
  }
  const shown = isSet(reasoning?.["summary"] ?? reasoning?.["generate_summary"]);
  return { reasoningEffort: intake.string(reasoning?.["effort"], "reasoning.effort"), ...(shown ? { reasoningShown: true } : {}) };
}

/** `safety_identifier` took the place of `user`; where both are sent and differ, the newer one counts. */
function userName(raw: JsonObject, intake: Intake): string | undefined {
  const user = intake.string(raw["user"], "user");
  const identifier = intake.string(raw["safety_identifier"], "safety_identifier");
  if (user !== undefined && identifier !== undefined && user !== identifier) intake.warn("user gives way to safety_identifier.");
  return identifier ?? user;
}

function tellTheRest(raw: JsonObject, intake: Intake): void {
  for (const [field, why] of Object.entries(BEYOND)) if (isSet(raw[field])) intake.only(field, why);
  if (intake.boolean(raw["background"], "background") === true) intake.only("background", "answers in the background are made only by providers of the Responses API.");
  for (const key of Object.keys(raw)) {
    const value = raw[key];
    if (CARRIED.has(key) || Object.hasOwn(BEYOND, key) || key === "background" || !isSet(value)) continue;
    // `disabled` is what happens anywhere: a prompt that does not fit is refused.
    if (key === "truncation" && value === "disabled") continue;
    intake.warn(`${key.slice(0, 60)} ${SAME_DIALECT_ONLY}`);
  }
}

function isSet(value: Json | undefined): boolean {
  return value !== undefined && value !== null && !(isObject(value) && Object.keys(value).length === 0);
}
