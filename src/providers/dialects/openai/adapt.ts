/**
 * A request that a client of another dialect wrote, made fit for chat hosts: hub in, hub out. Hosts of this protocol answer
 * 400 to members that they do not know, so only what all of them take is left, and what goes is named.
 */
import type { ChatRequest, ResponseFormat, Tool, ToolChoice } from "../../../wire/chat.ts";
import type { JsonObject } from "../../../wire/json.ts";
import { type Draft, shown } from "../anthropic/draft.ts";
import type { Target } from "../dialect.ts";
import { askedEffort, EFFORTS, nearestEffort } from "../efforts.ts";
import { withinOutputLimit } from "../foreign.ts";
import { upstreamToolName, upstreamUser } from "../responses/encode-names.ts";
import { adaptMessages, warnOfCache } from "./adapt-messages.ts";
import { refusesSampling } from "./sampling.ts";

const STOPS_MAX = 4;

/** The request as chat hosts take it. What cannot be carried is told to `draft`. */
export function adaptRequest(request: ChatRequest, target: Target, draft: Draft): ChatRequest {
  if (request.stop.length > STOPS_MAX) draft.refuse("stop", `this protocol takes at most ${STOPS_MAX} stop sequences`);
  if (request.topK !== undefined) draft.warn("top_k was left out: the protocol has none");
  if (Object.keys(request.metadata ?? {}).length > 0) draft.warn("metadata was left out: hosts take it only with answers that they store");
  const effort = effortFor(request, target, draft);
  const asksToShow = request.reasoningShown === true || request.thinking?.["display"] === "summarized";
  if (asksToShow) draft.warn("this protocol cannot ask for reasoning to be shown; what the provider shows of itself is passed on");
  return {
    ...withinOutputLimit(request, target, "openai-chat", (message) => draft.warn(message)),
    messages: adaptMessages(request, target, draft),
    ...adaptTools(request, draft),
    ...adaptSampling(request, target, effort, draft),
    topK: undefined,
    responseFormat: adaptFormat(request.responseFormat),
    reasoningEffort: effort,
    thinking: undefined,
    serviceTier: adaptTier(request.serviceTier, draft),
    user: request.user === undefined ? undefined : upstreamUser(request.user),
    metadata: undefined,
  };
}

/** What hosts take of a model whose efforts are not known. */
const USUAL_EFFORTS = ["low", "medium", "high"];

function effortFor(request: ChatRequest, target: Target, draft: Draft): string | undefined {
  const asked = askedEffort(request);
  if (asked === undefined) return undefined;
  const { effort, said, guessed, lost } = asked;
  if (lost !== undefined) draft.warn(lost);
  if (target.model?.reasoning === false) {
    if (effort !== "none") draft.warn(`${said} was left out: the model does not reason`);
    return undefined;
  }
  const known = target.model?.reasoningEfforts ?? null;
  const sent = EFFORTS.includes(effort) && (effort !== "none" || known !== null) ? nearestEffort(effort, known ?? USUAL_EFFORTS) : undefined;
  if (sent === undefined) draft.warn(`${said} was left out: the model is not known to take it`);
  else if (sent !== effort || guessed) draft.warn(`${said} was sent as reasoning_effort ${sent}`);
  return sent;
}

function adaptTools(request: ChatRequest, draft: Draft): Pick<ChatRequest, "tools" | "toolChoice" | "parallelToolCalls"> {
  const { toolChoice: choice } = request;
  const tools = allowedOf(request.tools.flatMap((tool, at) => adaptTool(tool, at, draft)), choice, draft);
  if (tools.length === 0) {
    const forced = choice !== undefined && choice.kind !== "none" && choice.kind !== "auto";
    // A refused tool has been told already; its absence must not be told as a second fault.
    if (forced && request.tools.length === 0) draft.refuse("tool_choice", "tool_choice asks for a tool, but the request has none");
    return { tools, toolChoice: undefined, parallelToolCalls: undefined };
  }
  return { tools, toolChoice: adaptChoice(choice), parallelToolCalls: request.parallelToolCalls };
}

function adaptTool(tool: Tool, at: number, draft: Draft): readonly Tool[] {
  if (tool.kind === "other") {
    draft.refuse(`tools[${at}].type`, `a tool of type ${shown(tool.type)} is not carried to this model`);
    return [];
  }
  if (tool.cacheControl !== undefined) warnOfCache(draft);
  return [{ ...tool, name: upstreamToolName(tool.name), parameters: adaptSchema(tool.parameters), cacheControl: undefined }];
}

/** The schema as it is; only the root type, without which it is refused, is filled in where it is missing. */
function adaptSchema(parameters: JsonObject | undefined): JsonObject | undefined {
  return parameters === undefined || parameters["type"] !== undefined ? parameters : { type: "object", ...parameters };
}

/** Few hosts have a list of allowed tools; the others are not told at all, which the prompt cache notices. */
function allowedOf(tools: readonly Tool[], choice: ToolChoice | undefined, draft: Draft): readonly Tool[] {
  if (choice?.kind !== "allowed") return tools;
  const names = new Set(choice.names.map(upstreamToolName));
  const allowed = tools.filter((tool) => tool.kind === "function" && names.has(tool.name));
  if (allowed.length === 0) draft.refuse("tool_choice", "none of the allowed tools is among the request's tools");
  else if (allowed.length < tools.length) draft.warn("tools outside tool_choice's allowed_tools were not sent");
  return allowed;
}

function adaptChoice(choice: ToolChoice | undefined): ToolChoice | undefined {
  if (choice?.kind === "named") return { kind: "named", name: upstreamToolName(choice.name) };
  return choice?.kind === "allowed" ? { kind: choice.mode } : choice;
}

function adaptSampling(request: ChatRequest, target: Target, effort: string | undefined, draft: Draft): Pick<ChatRequest, "temperature" | "topP"> {
  const { temperature, topP } = request;
  if (!refusesSampling(target, effort)) return { temperature, topP };
  // 1 is what a model does without being told: leaving it out changes nothing.
  if (temperature !== undefined && temperature !== 1) draft.warn("temperature was left out: the model refuses it");
  if (topP !== undefined && topP !== 1) draft.warn("top_p was left out: the model refuses it");
  return { temperature: undefined, topP: undefined };
}

/** The name is a mere label. */
function adaptFormat(format: ResponseFormat | undefined): ResponseFormat | undefined {
  return format?.kind === "json_schema" ? { ...format, name: upstreamToolName(format.name) } : format;
}

const TIERS = new Set(["default", "flex", "scale", "priority"]);

function adaptTier(tier: string | undefined, draft: Draft): string | undefined {
  // What comes without being asked.
  if (tier === undefined || tier === "auto") return undefined;
  if (TIERS.has(tier)) return tier;
  if (tier === "standard_only") return "default";
  draft.warn(`service_tier ${shown(tier)} has no counterpart and was left out`);
  return undefined;
}
