/** Authors a Chat Completions body from the hub's request, with the deviations of the host applied. */
import type { AssistantMessage, ChatRequest, Message, Part, ResponseFormat, Tool, ToolChoice } from "../../../wire/chat.ts";
import { isObject } from "../../../wire/json.ts";
import type { Json, JsonObject } from "../../../wire/json.ts";
import { Draft } from "../anthropic/draft.ts";
import type { EncodedRequest, Target, Unsupported } from "../dialect.ts";
import { isForeign } from "../foreign.ts";
import { renamesOf } from "../responses/encode-names.ts";
import { adaptRequest } from "./adapt.ts";
import { callIds, withCallIds } from "./call-ids.ts";
import { applyFieldRules } from "./field-rules.ts";
import { inOwnForm, withoutOwnForm } from "./own-form.ts";

/** Encode for `POST /chat/completions`; see `Dialect.encodeChat`. What a client of this dialect wrote is sent as it is. */
export function encodeChat(asked: ChatRequest, target: Target): EncodedRequest | Unsupported {
  if (!isForeign(asked, "openai-chat")) {
    const nineLetters = target.provider.quirks.nineLetterCallIds === true;
    return write(nineLetters ? { ...asked, messages: withCallIds(asked.messages, callIds(target, false)) } : asked, target, [], {});
  }
  const draft = new Draft();
  const request = adaptRequest(asked, target, draft);
  if (draft.refusal !== undefined) return draft.refusal;
  return write(request, target, [...draft.warnings], renamesOf(asked.tools.flatMap((tool) => (tool.kind === "function" ? [tool.name] : []))));
}

function write(asked: ChatRequest, target: Target, warnings: string[], renames: Readonly<Record<string, string>>): EncodedRequest | Unsupported {
  const { quirks, usage } = target.provider;
  const request = quirks.chunks === true ? inOwnForm(asked, warnings) : withoutOwnForm(asked, target.provider.name, warnings);
  const needsReasoning = quirks.replaysReasoningContent === true && request.tools.length > 0;
  const messages = request.messages.map((message, index) =>
    encodeMessage(message, index, quirks.developerAsSystem === true, needsReasoning, warnings),
  );
  const streamOptions = request.stream && usage.includeUsageOption ? { include_usage: true } : {};
  const keptOptions = isObject(request.other["stream_options"]) ? request.other["stream_options"] : {};
  const options = { ...keptOptions, ...streamOptions };
  const body: JsonObject = defined({
    ...request.other,
    ...(quirks.takesPreferences === true && request.preferences !== undefined ? { provider: request.preferences } : {}),
    model: target.upstreamModel,
    messages,
    tools: request.tools.length === 0 ? undefined : request.tools.map(encodeTool),
    tool_choice: request.toolChoice === undefined ? request.other["tool_choice"] : encodeToolChoice(request.toolChoice),
    parallel_tool_calls: request.parallelToolCalls,
    [quirks.maxTokensField ?? "max_completion_tokens"]: request.maxOutputTokens,
    temperature: request.temperature,
    top_p: request.topP,
    top_k: request.topK,
    seed: request.seed,
    presence_penalty: request.presencePenalty,
    frequency_penalty: request.frequencyPenalty,
    n: request.choiceCount === 1 ? undefined : request.choiceCount,
    stop: request.stop.length === 0 ? undefined : request.stop,
    response_format:
      request.responseFormat === undefined ? request.other["response_format"] : encodeResponseFormat(request.responseFormat),
    reasoning_effort: request.reasoningEffort,
    thinking: request.thinking,
    logprobs: request.logprobs,
    top_logprobs: request.topLogprobs,
    logit_bias: request.logitBias,
    service_tier: request.serviceTier,
    user: request.user,
    metadata: request.metadata,
    stream: request.stream ? true : undefined,
    stream_options: request.stream && Object.keys(options).length > 0 ? options : undefined,
  });
  const ruled = applyFieldRules(body, quirks.fields ?? {}, target.provider.name, warnings);
  if (ruled.kind === "unsupported") return ruled;
  const renamed = Object.keys(renames).length === 0 ? {} : { renames };
  return { kind: "encoded", path: "/chat/completions", body: ruled.body, headers: [], warnings, ...renamed };
}

function encodeMessage(
  message: Message,
  index: number,
  developerAsSystem: boolean,
  needsReasoning: boolean,
  warnings: string[],
): JsonObject {
  switch (message.role) {
    case "system":
    case "developer":
      return defined({
        role: developerAsSystem ? "system" : message.role,
        content: encodeParts(message.parts),
        name: message.name,
      });
    case "user":
      return defined({ role: "user", content: encodeParts(message.parts), name: message.name });
    case "tool":
      return { role: "tool", tool_call_id: message.toolCallId, content: encodeParts(message.parts) };
    case "assistant":
      return encodeAssistant(message, index, needsReasoning, warnings);
  }
}

function encodeAssistant(message: AssistantMessage, index: number, needsReasoning: boolean, warnings: string[]): JsonObject {
  const refusal = message.parts.every((part) => part.kind === "refusal")
    ? message.parts.map((part) => (part.kind === "refusal" ? part.text : "")).join("")
    : "";
  const calls = message.toolCalls.map((call) =>
    defined({
      id: call.id,
      type: "function",
      function: { name: call.name, arguments: call.argumentsJson },
      extra_content: call.thoughtSignature === undefined ? undefined : { google: { thought_signature: call.thoughtSignature } },
    }),
  );
  const hasCalls = calls.length > 0 || message.other["tool_calls"] !== undefined || message.other["function_call"] !== undefined;
  const empty = message.parts.length === 0 || refusal !== "";
  const reasoning = message.reasoning.map((block) => (block.kind === "thinking" ? block.text : "")).join("");
  if (needsReasoning && reasoning === "" && hasCalls) {
    warnings.push(`messages[${index}].reasoning_content is missing; this provider wants it back with tool calls.`);
  }
  if (message.reasoning.some((block) => block.kind === "redacted" || block.signature !== undefined)) {
    warnings.push(`messages[${index}].thinking_blocks: signed and redacted reasoning cannot be carried to this provider.`);
  }
  return defined({
    ...message.other,
    role: "assistant",
    content: empty ? (hasCalls || refusal !== "" ? null : "") : encodeParts(message.parts),
    refusal: refusal === "" ? undefined : refusal,
    name: message.name,
    reasoning_content: reasoning !== "" || needsReasoning ? reasoning : undefined,
    // Calls of other types keep the list as it was sent.
    tool_calls: message.other["tool_calls"] ?? (calls.length === 0 ? undefined : calls),
  });
}

/** One plain text is sent as a string, which every host understands; anything else as a list of parts. */
function encodeParts(parts: readonly Part[]): Json {
  const [only] = parts;
  if (only === undefined) return "";
  if (parts.length === 1 && only.kind === "text" && only.cacheControl === undefined) return only.text;
  return parts.map(encodePart);
}

function encodePart(part: Part): Json {
  switch (part.kind) {
    case "text":
      return defined({ type: "text", text: part.text, cache_control: part.cacheControl });
    case "image":
      return defined({
        type: "image_url",
        image_url: defined({ url: address(part.source), detail: part.detail }),
        cache_control: part.cacheControl,
      });
    case "file":
      return defined({
        type: "file",
        file: defined({
          filename: part.filename,
          file_id: part.source.kind === "id" ? part.source.id : undefined,
          file_data: part.source.kind === "id" ? undefined : address(part.source),
        }),
        cache_control: part.cacheControl,
      });
    case "audio":
      return { type: "input_audio", input_audio: { data: part.base64, format: part.format } };
    case "refusal":
      return { type: "refusal", refusal: part.text };
    case "other":
      return part.raw;
  }
}

function address(source: { kind: "url"; url: string } | { kind: "base64"; mediaType: string; base64: string }): string {
  return source.kind === "url" ? source.url : `data:${source.mediaType};base64,${source.base64}`;
}

function encodeTool(tool: Tool): Json {
  if (tool.kind === "other") return tool.raw;
  const { name, description, parameters, strict } = tool;
  return defined({
    type: "function",
    function: defined({ name, description, parameters, strict }),
    cache_control: tool.cacheControl,
  });
}

function encodeToolChoice(choice: ToolChoice): Json {
  switch (choice.kind) {
    case "named":
      return { type: "function", function: { name: choice.name } };
    case "allowed":
      return {
        type: "allowed_tools",
        allowed_tools: { mode: choice.mode, tools: choice.names.map((name) => ({ type: "function", function: { name } })) },
      };
    default:
      return choice.kind;
  }
}

function encodeResponseFormat(format: ResponseFormat): JsonObject {
  if (format.kind !== "json_schema") return { type: format.kind };
  const { name, description, schema, strict } = format;
  return { type: "json_schema", json_schema: defined({ name, description, schema, strict }) };
}

/** The object without its undefined members. */
function defined(object: JsonObject): JsonObject {
  return Object.fromEntries(Object.entries(object).filter(([, value]) => value !== undefined));
}
