/** Tools and tool choice of the hub to those of the Messages API. */
import type { ChatRequest, Tool, ToolChoice } from "../../../wire/chat.ts";
import type { JsonObject } from "../../../wire/json.ts";
import { type Draft, shown } from "./draft.ts";
import { upstreamToolName } from "./names.ts";

export interface EncodedTools {
  readonly tools: readonly JsonObject[];
  readonly toolChoice: JsonObject | undefined;
  /** The model has no way not to call a tool. */
  readonly forced: boolean;
}

/** Build `tools` and `tool_choice`. */
export function encodeTools(request: ChatRequest, draft: Draft): EncodedTools {
  const all = request.tools.map((tool, at) => toolOf(tool, at, draft)).filter((tool) => tool !== undefined);
  const tools = allowedOf(all, request.toolChoice, draft);
  const choice = choiceOf(request.toolChoice);
  const forced = choice === "any" || choice === "tool";
  if (tools.length === 0) {
    // A refused tool has been told already; its absence must not be told as a second fault.
    if (forced && request.tools.length === 0) draft.refuse("tool_choice", "tool_choice asks for a tool, but the request has none");
    return { tools, toolChoice: undefined, forced: false };
  }
  const serial = request.parallelToolCalls === false && choice !== "none";
  if (request.toolChoice === undefined && !serial) return { tools, toolChoice: undefined, forced };
  const toolChoice: JsonObject = {
    type: choice,
    ...(request.toolChoice?.kind === "named" && { name: upstreamToolName(request.toolChoice.name) }),
    ...(serial && { disable_parallel_tool_use: true }),
  };
  return { tools, toolChoice, forced };
}

function toolOf(tool: Tool, at: number, draft: Draft): JsonObject | undefined {
  if (tool.kind === "other") {
    draft.refuse(`tools[${at}].type`, `a tool of type ${shown(tool.type)} is not carried to this model`);
    return undefined;
  }
  return {
    name: upstreamToolName(tool.name),
    ...(tool.description !== undefined && { description: tool.description }),
    input_schema: schemaOf(tool.parameters),
    ...(tool.strict !== undefined && { strict: tool.strict }),
    ...(tool.cacheControl !== undefined && { cache_control: tool.cacheControl }),
  };
}

/** The schema as it is; only the root type, which the API demands, is filled in where it is missing. */
function schemaOf(parameters: JsonObject | undefined): JsonObject {
  if (parameters === undefined) return { type: "object" };
  return parameters.type === undefined ? { type: "object", ...parameters } : parameters;
}

function choiceOf(choice: ToolChoice | undefined): "none" | "auto" | "any" | "tool" {
  if (choice === undefined) return "auto";
  if (choice.kind === "named") return "tool";
  const mode = choice.kind === "allowed" ? choice.mode : choice.kind;
  return mode === "required" ? "any" : mode;
}

/** There is no list of allowed tools upstream; the others are not told at all, which the prompt cache notices. */
function allowedOf(tools: readonly JsonObject[], choice: ToolChoice | undefined, draft: Draft): readonly JsonObject[] {
  if (choice?.kind !== "allowed") return tools;
  const names = new Set(choice.names.map(upstreamToolName));
  const allowed = tools.filter((tool) => typeof tool.name === "string" && names.has(tool.name));
  if (allowed.length === 0) draft.refuse("tool_choice", "none of the allowed tools is among the request's tools");
  else if (allowed.length < tools.length) draft.warn("tools outside tool_choice's allowed_tools were not sent");
  return allowed;
}
