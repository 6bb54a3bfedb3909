/**
 * `additionalModelRequestFields`: what a client says in a model's own words. What the hub has a word for is carried to any
 * dialect; the rest would change the answer and can only go to a provider of the same one.
 */
import type { ResponseFormat, ToolChoice } from "../../../wire/chat.ts";
import { asString, isObject, type Json, type JsonObject } from "../../../wire/json.ts";
import { asksSomething, type BodyReader } from "../anthropic/client-notes.ts";
import { shown } from "../anthropic/draft.ts";
import { modelToolChoice } from "./client-tools.ts";

export interface ModelFields {
  topK: number | undefined;
  effort: string | undefined;
  thinking: JsonObject | undefined;
  format: ResponseFormat | undefined;
  parallelToolCalls: boolean | undefined;
  toolChoice: ToolChoice | undefined;
}

const PLACE = "additionalModelRequestFields";

/** Read the fields of all makers: which model will answer is not known yet. */
export function parseModelFields(raw: JsonObject, reader: BodyReader): ModelFields {
  const found: ModelFields = { topK: undefined, effort: undefined, thinking: undefined, format: undefined, parallelToolCalls: undefined, toolChoice: undefined };
  for (const [key, value] of Object.entries(reader.object(raw[PLACE], PLACE) ?? {})) {
    if (asksSomething(value)) take(key, value, found, reader);
  }
  return found;
}

function take(key: string, value: Json, found: ModelFields, reader: BodyReader): void {
  const place = `${PLACE}.${shown(key)}`;
  switch (key) {
    case "top_k":
    case "k":
      found.topK = reader.number(value, place);
      return;
    case "thinking":
    case "reasoning_config":
      found.thinking = reader.object(value, place);
      return;
    case "reasoning_effort":
      found.effort = reader.string(value, place);
      return;
    case "tool_choice": {
      const { choice, parallel } = modelToolChoice(value);
      found.toolChoice = choice;
      found.parallelToolCalls = parallel;
      return;
    }
    case "anthropic_beta":
      reader.warn(`${PLACE}.anthropic_beta is carried only to providers of the same dialect`);
      return;
    default:
      takeNested(key, value, place, found, reader);
  }
}

/** Objects of which some members have a word in the hub. */
function takeNested(key: string, value: Json, place: string, found: ModelFields, reader: BodyReader): void {
  const known: Readonly<Record<string, readonly string[]>> = {
    output_config: ["effort", "format"],
    reasoning: ["effort"],
    reasoningConfig: ["type", "maxReasoningEffort"],
    inferenceConfig: ["topK"],
  };
  const members = Object.hasOwn(known, key) ? known[key] : undefined;
  if (members === undefined || !isObject(value)) return onlyHere(place, reader);
  for (const [name, one] of Object.entries(value)) if (!members.includes(name) && asksSomething(one)) onlyHere(`${place}.${shown(name)}`, reader);
  if (key === "inferenceConfig") found.topK = reader.number(value.topK, `${place}.topK`);
  else if (key === "reasoningConfig") found.effort = value.type === "disabled" ? "none" : reader.string(value.maxReasoningEffort, `${place}.maxReasoningEffort`);
  else found.effort = reader.string(value.effort, `${place}.effort`) ?? found.effort;
  if (key === "output_config") found.format = formatOf(value.format, `${place}.format`, reader);
}

function formatOf(value: Json | undefined, place: string, reader: BodyReader): ResponseFormat | undefined {
  const format = reader.object(value, place);
  if (format === undefined) return undefined;
  const schema = reader.object(format.schema, `${place}.schema`);
  if (asString(format.type) === "json_schema" && schema !== undefined) return { kind: "json_schema", name: "answer", description: undefined, schema, strict: undefined };
  onlyHere(place, reader);
  return undefined;
}

function onlyHere(place: string, reader: BodyReader): void {
  reader.only(place, `${place} can only be sent to a provider of the Converse API`);
}
