/** Hub request → generateContent request. */
import type { ChatRequest } from "../../../wire/chat.ts";
import type { Json, JsonObject } from "../../../wire/json.ts";
import { shown } from "../anthropic/draft.ts";
import type { EncodedRequest, Target, Unsupported } from "../dialect.ts";
import { askedEffort } from "../efforts.ts";
import { withinOutputLimit } from "../foreign.ts";
import { buildConversation } from "./contents.ts";
import { toolNames, type ToolNames } from "./names.ts";
import { newNotes, refuse, warn, type Notes } from "./notes.ts";
import { generationOf, thinkingConfig } from "./thinking.ts";

/** Fields of other surfaces that change what is asked for so much that leaving them out would be another request. */
const REFUSED_FIELDS = new Set(["web_search_options", "functions", "function_call", "audio"]);

/** Build the upstream request, or say which field this target cannot serve. Source: the Gemini API reference, v1beta. */
export function encodeChat(asked: ChatRequest, target: Target): EncodedRequest | Unsupported {
  const notes = newNotes();
  const request = withinOutputLimit(asked, target, "gemini", (message) => warn(notes, message));
  const names = toolNames();
  const { systemInstruction, contents } = buildConversation(request, target, names, notes);
  const tools = encodeTools(request, names, notes);
  const toolConfig = encodeToolChoice(request, names);
  const generationConfig = encodeGeneration(request, target, notes);
  // Known of 1.5 to 2.5; a name that does not tell its generation gets the benefit of the doubt.
  const eitherOr = generationOf(target) > 0 && generationOf(target) < 3;
  if (eitherOr && tools !== undefined && generationConfig["responseMimeType"] !== undefined && request.toolChoice?.kind !== "none") {
    refuse(notes, "response_format", `${target.upstreamModel} cannot combine tools with a JSON response format`);
  }
  const tier = serviceTier(request.serviceTier, target, notes);
  noteTheRest(request, notes);
  if (notes.refusal !== undefined) return notes.refusal;
  const body: { [key: string]: Json } = { contents };
  if (systemInstruction !== undefined) body["systemInstruction"] = systemInstruction;
  if (tools !== undefined) body["tools"] = tools;
  if (toolConfig !== undefined) body["toolConfig"] = toolConfig;
  if (Object.keys(generationConfig).length > 0) body["generationConfig"] = generationConfig;
  if (tier !== undefined) body["serviceTier"] = tier;
  const renames = names.renames();
  return {
    kind: "encoded",
    path: modelPath(target.upstreamModel) + (request.stream ? ":streamGenerateContent?alt=sse" : ":generateContent"),
    body,
    headers: [],
    warnings: [...notes.warnings],
    ...(renames === undefined ? {} : { renames }),
  };
}

/** `/models/{name}`; a resource name of the API (`tunedModels/x`, `publishers/google/models/x`) stays a path. */
export function modelPath(upstreamModel: string): string {
  const name = upstreamModel.replace(/^models\//, "");
  if (/^(?:tunedModels|publishers\/[\w-]+\/models)\/[\w.@-]*\w$/.test(name)) return `/${name}`;
  // Half a surrogate pair cannot be encoded, and names may come from clients.
  return `/models/${encodeURIComponent(name.replace(/\p{Surrogate}/gu, "\ufffd"))}`;
}

function encodeTools(request: ChatRequest, names: ToolNames, notes: Notes): Json[] | undefined {
  // Allowed names are honoured only together with a forced call, so for `auto` the others are not offered at all.
  const choice = request.toolChoice;
  const offered = choice?.kind === "allowed" && choice.mode === "auto" ? new Set(choice.names) : undefined;
  const declarations: JsonObject[] = [];
  request.tools.forEach((tool, i) => {
    if (tool.kind === "other") {
      refuse(notes, `tools[${i}].type`, `tools of type "${tool.type}" cannot be sent to this provider`);
      return;
    }
    if (tool.strict === true) warn(notes, "strict of a tool is not carried");
    if (tool.cacheControl !== undefined) warn(notes, "cache_control is not carried: this provider caches prefixes by itself");
    if (offered !== undefined && !offered.has(tool.name)) return;
    const declaration: { [key: string]: Json } = { name: names.toUpstream(tool.name) };
    if (tool.description !== undefined) declaration["description"] = tool.description;
    // Takes ordinary JSON Schema; the older `parameters` rejects the whole request on keywords it does not know.
    if (tool.parameters !== undefined) declaration["parametersJsonSchema"] = tool.parameters;
    declarations.push(declaration);
  });
  if (request.parallelToolCalls === false) warn(notes, "parallel_tool_calls: false is not carried: the model may make several calls");
  return declarations.length === 0 ? undefined : [{ functionDeclarations: declarations }];
}

function encodeToolChoice(request: ChatRequest, names: ToolNames): JsonObject | undefined {
  const choice = request.toolChoice;
  if (choice === undefined) return undefined;
  if (request.tools.length === 0 && (choice.kind === "none" || choice.kind === "auto")) return undefined;
  switch (choice.kind) {
    case "none":
      return { functionCallingConfig: { mode: "NONE" } };
    case "auto":
      return { functionCallingConfig: { mode: "AUTO" } };
    case "required":
      return { functionCallingConfig: { mode: "ANY" } };
    case "named":
      return { functionCallingConfig: { mode: "ANY", allowedFunctionNames: [names.toUpstream(choice.name)] } };
    case "allowed":
      if (choice.mode === "auto") return { functionCallingConfig: { mode: "AUTO" } };
      return { functionCallingConfig: { mode: "ANY", allowedFunctionNames: choice.names.map((name) => names.toUpstream(name)) } };
  }
}

function encodeGeneration(request: ChatRequest, target: Target, notes: Notes): { [key: string]: Json | undefined } {
  const config: { [key: string]: Json | undefined } = {};
  const set = (key: string, value: Json | undefined): void => {
    if (value !== undefined) config[key] = value;
  };
  set("maxOutputTokens", request.maxOutputTokens);
  set("temperature", request.temperature);
  set("topP", request.topP);
  set("topK", request.topK);
  set("seed", request.seed);
  set("presencePenalty", request.presencePenalty);
  set("frequencyPenalty", request.frequencyPenalty);
  if (request.choiceCount !== 1) set("candidateCount", request.choiceCount);
  if (request.stop.length > 0) set("stopSequences", request.stop);
  if (request.logprobs === true) {
    set("responseLogprobs", true);
    set("logprobs", request.topLogprobs);
  }
  const format = request.responseFormat;
  if (format !== undefined && format.kind !== "text") set("responseMimeType", "application/json");
  if (format?.kind === "json_schema" && format.schema !== undefined) {
    const described = format.description === undefined ? format.schema : { description: format.description, ...format.schema };
    set("responseJsonSchema", described);
  }
  set("thinkingConfig", thinkingConfig(request, target, notes));
  return config;
}

const TIERS: ReadonlySet<string> = new Set(["flex", "priority"]);

/** The maker's own hosts know two tiers beside the ordinary one, which serves when nothing is said; others may refuse the field. */
function serviceTier(tier: string | undefined, target: Target, notes: Notes): string | undefined {
  if (tier === undefined || tier === "auto" || tier === "default") return undefined;
  if (TIERS.has(tier) && target.provider.kind === "maker") return tier;
  warn(notes, `service_tier "${shown(tier)}" is not carried`);
  return undefined;
}

/** Everything that has no place upstream: refused where it changes what is asked, else named in a warning. */
function noteTheRest(request: ChatRequest, notes: Notes): void {
  if (request.logitBias !== undefined && Object.keys(request.logitBias).length > 0) {
    refuse(notes, "logit_bias", "this provider has no logit_bias");
  }
  if (request.user !== undefined) warn(notes, "user is not carried");
  if (request.metadata !== undefined && Object.keys(request.metadata).length > 0) warn(notes, "metadata is not carried");
  const lost = askedEffort(request)?.lost;
  if (lost !== undefined) warn(notes, lost);
  for (const [key, value] of Object.entries(request.other)) {
    if (saysNothing(key, value)) continue;
    if (REFUSED_FIELDS.has(key)) refuse(notes, key, `this provider has no ${key}`);
    else if (key === "modalities") refuse(notes, key, "only text can be asked of this provider here");
    else warn(notes, `${key} is not carried`);
  }
}

/** Values that ask for what happens anyway. */
function saysNothing(key: string, value: Json | undefined): boolean {
  if (value === undefined || value === null) return true;
  if (key === "store") return value === false;
  return key === "modalities" && Array.isArray(value) && value.length === 1 && value[0] === "text";
}
