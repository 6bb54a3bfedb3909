/** Tools and tool choice of the hub to `toolConfig`. */
import type { ChatRequest, Tool, ToolChoice } from "../../../wire/chat.ts";
import type { JsonObject } from "../../../wire/json.ts";
import { type Draft, shown } from "../anthropic/draft.ts";
import { upstreamToolName } from "./names.ts";
import type { CachePoints, Traits } from "./traits.ts";

export interface EncodedTools {
  readonly toolConfig: JsonObject | undefined;
  /** The model's own form of the choice, for what `toolConfig` cannot say; it takes the place of `toolChoice` there. */
  readonly modelToolChoice: JsonObject | undefined;
  /** The model has no way not to call a tool. */
  readonly forced: boolean;
}

/**
 * A conversation with calls or results is refused unless tools are defined. Where the client defines none, or forbids
 * calls, this one stands in: it satisfies the rule and gives the model nothing to call.
 */
const STAND_IN: JsonObject = {
  toolSpec: { name: "no_tool_available", description: "Stands for tools used earlier. None can be called now.", inputSchema: { json: { type: "object" } } },
};

/** Build `toolConfig`. `toolsInHistory`: calls or results stand in the conversation. */
export function encodeTools(request: ChatRequest, traits: Traits, toolsInHistory: boolean, cache: CachePoints, draft: Draft): EncodedTools {
  const choice = request.toolChoice;
  const mode = choice?.kind === "allowed" ? choice.mode : choice?.kind;
  const forced = mode === "required" || mode === "named";
  const none: EncodedTools = { toolConfig: toolsInHistory ? { tools: [STAND_IN] } : undefined, modelToolChoice: undefined, forced: false };
  for (const [at, tool] of request.tools.entries()) {
    if (tool.kind === "other") draft.refuse(`tools[${at}].type`, `a tool of type ${shown(tool.type)} is not carried to this model`);
  }
  const tools = allowedOf(request.tools, choice, draft);
  if (mode === "none" || tools.length === 0) {
    // A refused tool has been told already; its absence must not be told as a second fault.
    if (forced && request.tools.length === 0) draft.refuse("tool_choice", "tool_choice asks for a tool, but the request has none");
    return none;
  }
  const specs = tools.flatMap((tool) => (tool.kind === "function" ? [specOf(tool, traits, draft), ...cache.after(tool.cacheControl, "tools")] : []));
  const modelToolChoice = request.parallelToolCalls === false ? serialChoice(choice, traits, draft) : undefined;
  const toolChoice = modelToolChoice === undefined ? choiceOf(choice) : undefined;
  return { toolConfig: { tools: specs, ...(toolChoice !== undefined && { toolChoice }) }, modelToolChoice, forced };
}

function specOf(tool: Extract<Tool, { kind: "function" }>, traits: Traits, draft: Draft): JsonObject {
  if (tool.strict === true && !traits.schema) draft.warn("strict was left out: the model's calls cannot be held to a schema");
  const described = tool.description !== undefined && tool.description.trim() !== "";
  return {
    toolSpec: {
      name: upstreamToolName(tool.name),
      ...(described && { description: tool.description }),
      inputSchema: { json: schemaOf(tool.parameters) },
      ...(tool.strict !== undefined && traits.schema && { strict: tool.strict }),
    },
  };
}

/** The schema as it is; only the root type, which the API demands, is filled in where it is missing. */
function schemaOf(parameters: JsonObject | undefined): JsonObject {
  if (parameters === undefined) return { type: "object" };
  return parameters.type === undefined ? { type: "object", ...parameters } : parameters;
}

function choiceOf(choice: ToolChoice | undefined): JsonObject | undefined {
  if (choice === undefined || choice.kind === "none") return undefined;
  if (choice.kind === "named") return { tool: { name: upstreamToolName(choice.name) } };
  const mode = choice.kind === "allowed" ? choice.mode : choice.kind;
  return mode === "required" ? { any: {} } : { auto: {} };
}

/** One call at a time: only one maker's models have a switch for it, in their own form of the choice. */
function serialChoice(choice: ToolChoice | undefined, traits: Traits, draft: Draft): JsonObject | undefined {
  if (traits.maker !== "claude") {
    draft.warn("parallel_tool_calls was left out: the model has no such switch");
    return undefined;
  }
  const serial = { disable_parallel_tool_use: true };
  if (choice?.kind === "named") return { type: "tool", name: upstreamToolName(choice.name), ...serial };
  const mode = choice?.kind === "allowed" ? choice.mode : choice?.kind;
  return { type: mode === "required" ? "any" : "auto", ...serial };
}

/** There is no list of allowed tools upstream; the others are not told at all, which the prompt cache notices. */
function allowedOf(tools: readonly Tool[], choice: ToolChoice | undefined, draft: Draft): readonly Tool[] {
  if (choice?.kind !== "allowed") return tools;
  const names = new Set(choice.names);
  const allowed = tools.filter((tool) => tool.kind === "function" && names.has(tool.name));
  if (allowed.length === 0) draft.refuse("tool_choice", "none of the allowed tools is among the request's tools");
  else if (allowed.length < tools.length) draft.warn("tools outside tool_choice's allowed_tools were not sent");
  return allowed;
}
