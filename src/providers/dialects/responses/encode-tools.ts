/** Tools and tool choice of the hub in the flat form of this dialect. */
import type { ChatRequest, Tool, ToolChoice } from "../../../wire/chat.ts";
import type { Json, JsonObject } from "../../../wire/json.ts";
import { type Draft, shown } from "../anthropic/draft.ts";
import { upstreamToolName } from "./encode-names.ts";

/** `tools`, `tool_choice` and `parallel_tool_calls`, each only where it says something. */
export function encodeTools(request: ChatRequest, draft: Draft): JsonObject {
  // Absent means "not strict" in every client dialect but this one, where it lets the provider make a schema strict.
  const unsaid = request.surface === "openai-responses" ? null : false;
  const tools = request.tools.flatMap((tool, at) => toolOf(tool, at, unsaid, draft));
  const { toolChoice, parallelToolCalls } = request;
  if (request.other["tool_choice"] !== undefined && toolChoice === undefined) {
    draft.refuse("tool_choice", "a choice of this type is not carried to this model");
  }
  if (tools.length === 0) {
    const forced = toolChoice !== undefined && toolChoice.kind !== "none" && toolChoice.kind !== "auto";
    if (forced && request.tools.length === 0) draft.refuse("tool_choice", "tool_choice asks for a tool, but the request has none");
    return {};
  }
  return {
    tools,
    ...(toolChoice !== undefined && { tool_choice: choiceOf(toolChoice) }),
    ...(parallelToolCalls !== undefined && { parallel_tool_calls: parallelToolCalls }),
  };
}

function toolOf(tool: Tool, at: number, unsaid: false | null, draft: Draft): readonly JsonObject[] {
  if (tool.kind === "other") {
    draft.refuse(`tools[${at}].type`, `a tool of type ${shown(tool.type)} is not carried to this model`);
    return [];
  }
  if (tool.cacheControl !== undefined) draft.warn("cache_control is not carried: this provider caches prefixes by itself");
  return [
    {
      type: "function",
      name: upstreamToolName(tool.name),
      ...(tool.description !== undefined && { description: tool.description }),
      parameters: tool.parameters ?? { type: "object", properties: {} },
      strict: tool.strict ?? unsaid,
    },
  ];
}

function choiceOf(choice: ToolChoice): Json {
  switch (choice.kind) {
    case "named":
      return { type: "function", name: upstreamToolName(choice.name) };
    case "allowed":
      return {
        type: "allowed_tools",
        mode: choice.mode,
        tools: choice.names.map((name) => ({ type: "function", name: upstreamToolName(name) })),
      };
    default:
      return choice.kind;
  }
}
