/** Where Messages has what; see the API reference of `POST /v1/messages`. */
import { ANSWER, ANSWER_SCHEMA, ASKED, FILE_NAME, MEDIA, TEXT, TOOL } from "../marks.ts";
import { all, contains, either, exactly, has, lacks, says } from "../paths.ts";
import { asksInWords, offersOnly, type Places } from "./places.ts";

const NAMES = "tools.*.name";
const blocks = (role: string, type: string): string => `messages.*.?role=${role}.content.*.?type=${type}`;
const result = (id: string): string => `${blocks("user", "tool_result")}.?tool_use_id=${id}`;

export const anthropicMessagesPlaces: Places = {
  "system-text": { native: says("system", TEXT.system) },
  "system-middle": { native: says("messages.*.?role=system.content", TEXT.later), emulated: says("system", TEXT.later) },
  "multi-turn": {
    native: all(exactly("messages.*.role", "user", "assistant", "user"), says("messages.0.content", TEXT.hello), says("messages.1.content", TEXT.answer), says("messages.2.content", TEXT.next)),
  },
  "image-base64": { native: has(`${blocks("user", "image")}.source`, { type: "base64", media_type: "image/png", data: MEDIA.png }) },
  "image-url": { native: has(`${blocks("user", "image")}.source`, { type: "url", url: MEDIA.pngUrl }) },
  pdf: { native: has(`${blocks("user", "document")}.source`, { type: "base64", media_type: "application/pdf", data: MEDIA.pdf }) },
  "file-name": { native: has(`${blocks("user", "document")}.title`, FILE_NAME) },
  "file-by-id": { native: has("messages.*.content.*.source.file_id", MEDIA.fileId) },
  "tool-definition": { native: all(has(NAMES, TOOL.name), has("tools.*.description", TOOL.description), has("tools.*.input_schema", TOOL.schema)) },
  "tool-strict": { native: has("tools.*.strict", true) },
  "tool-choice-auto": { native: has("tool_choice.type", "auto") },
  "tool-choice-none": { native: has("tool_choice.type", "none") },
  "tool-choice-required": { native: has("tool_choice.type", "any") },
  "tool-choice-named": { native: has("tool_choice", { type: "tool", name: TOOL.name }) },
  "tool-choice-allowed": { emulated: all(offersOnly(NAMES, TOOL.name, TOOL.second), has("tool_choice.type", "any")) },
  "parallel-off": { native: has("tool_choice.disable_parallel_tool_use", true) },
  "tool-call": {
    native: all(
      has(`${blocks("assistant", "tool_use")}.id`, TOOL.callId),
      has(`${blocks("assistant", "tool_use")}.name`, TOOL.name),
      has(`${blocks("assistant", "tool_use")}.input`, TOOL.input),
    ),
  },
  "tool-result": { native: says(`${result(TOOL.callId)}.content`, TEXT.result) },
  "tool-result-error": { native: all(has(`${result(TOOL.callId)}.is_error`, true), contains(`${result(TOOL.callId)}.content`, TEXT.failure)) },
  "parallel-results": {
    native: all(
      says(`messages.2.content.0.?tool_use_id=${TOOL.callId}.content`, TEXT.result),
      says(`messages.2.content.1.?tool_use_id=${TOOL.secondId}.content`, TEXT.second),
    ),
  },
  "tool-result-image": { native: has(`${result(TOOL.callId)}.content.*.?type=image.source.data`, MEDIA.png) },
  "custom-tool": { emulated: has(NAMES, TOOL.name) },
  documents: { emulated: (body) => JSON.stringify(body["system"] ?? "").includes(TEXT.document) },
  "max-output": { native: has("max_tokens", ASKED.maxOutput) },
  stop: { native: has("stop_sequences.*", ASKED.stop) },
  temperature: { native: has("temperature", ASKED.temperature) },
  "temperature-refused": { native: has("temperature", ASKED.temperature) },
  "top-p": { native: has("top_p", ASKED.topP) },
  "top-k": { native: has("top_k", ASKED.topK) },
  "json-object": { emulated: asksInWords },
  "json-schema": { native: has("output_config.format.schema", ANSWER_SCHEMA) },
  effort: { native: all(has("output_config.effort", ASKED.effort), has("thinking.type", "adaptive")) },
  "thinking-budget": { native: has("thinking.budget_tokens", ASKED.budget), emulated: has("thinking.type", "enabled") },
  "thinking-off": { native: has("thinking.type", "disabled"), emulated: lacks("thinking") },
  "reasoning-asked": { native: has("thinking.display", "summarized") },
  "signed-replay": { native: all(has(`${blocks("assistant", "thinking")}.signature`, ANSWER.signature), has(`${blocks("assistant", "thinking")}.thinking`, ANSWER.reasoning)) },
  "redacted-replay": { native: has(`${blocks("assistant", "redacted_thinking")}.data`, ANSWER.redacted) },
  "cache-marker": { native: has(`${blocks("user", "text")}.?text=${TEXT.hello}.cache_control.type`, "ephemeral") },
  "cache-marker-system": { native: has("system.*.cache_control.type", "ephemeral") },
  "cache-marker-tool": { native: has("tools.*.cache_control.type", "ephemeral") },
  "cache-marker-result": { native: has(`${result(TOOL.callId)}.cache_control.type`, "ephemeral") },
  "service-tier-ordinary": { native: has("service_tier", "standard_only") },
  "user-id": { native: has("metadata.user_id", ASKED.user) },
  citations: { native: has("messages.*.content.*.citations.enabled", true) },
  "unknown-field": { native: has(ASKED.unknown, true) },
  "state-at-provider": { native: has("container") },
  "reasoning-text-replay": { native: either(has(`${blocks("assistant", "thinking")}.thinking`, ANSWER.reasoning)) },
};
