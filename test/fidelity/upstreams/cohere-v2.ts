/** Where Cohere's Chat v2 has what; see the API reference of `POST /v2/chat`. */
import { ANSWER, ANSWER_SCHEMA, ASKED, MEDIA, TEXT, TOOL } from "../marks.ts";
import { all, either, exactly, has, hasJson, lacks, says } from "../paths.ts";
import { failedInWords, offersOnly, saysNothingOfChoice, type Places } from "./places.ts";

const NAMES = "tools.*.function.name";
const IMAGE = "messages.*.?role=user.content.*.?type=image_url.image_url";
const result = (id: string): string => `messages.*.?role=tool.?tool_call_id=${id}.content`;

export const cohereV2Places: Places = {
  "system-text": { native: says("messages.0.?role=system.content", TEXT.system) },
  "system-middle": { native: says("messages.2.?role=system.content", TEXT.later), emulated: says("messages.0.?role=system.content", TEXT.later) },
  "multi-turn": {
    native: all(exactly("messages.*.role", "user", "assistant", "user"), says("messages.0.content", TEXT.hello), says("messages.1.content", TEXT.answer), says("messages.2.content", TEXT.next)),
  },
  "image-base64": { native: has(`${IMAGE}.url`, `data:image/png;base64,${MEDIA.png}`) },
  "image-url": { native: has(`${IMAGE}.url`, MEDIA.pngUrl) },
  "image-detail": { native: has(`${IMAGE}.detail`, "low") },
  "tool-definition": { native: all(has(NAMES, TOOL.name), has("tools.*.function.description", TOOL.description), has("tools.*.function.parameters", TOOL.schema)) },
  "tool-strict": { native: has("strict_tools", true) },
  "tool-choice-auto": { emulated: saysNothingOfChoice(NAMES, "tool_choice") },
  "tool-choice-none": { native: has("tool_choice", "NONE") },
  "tool-choice-required": { native: has("tool_choice", "REQUIRED") },
  "tool-choice-named": { emulated: all(offersOnly(NAMES, TOOL.name), has("tool_choice", "REQUIRED")) },
  "tool-choice-allowed": { emulated: all(offersOnly(NAMES, TOOL.name, TOOL.second), has("tool_choice", "REQUIRED")) },
  "tool-call": {
    native: all(
      has("messages.*.?role=assistant.tool_calls.*.id", TOOL.callId),
      has("messages.*.?role=assistant.tool_calls.*.function.name", TOOL.name),
      hasJson("messages.*.?role=assistant.tool_calls.*.function.arguments", TOOL.input),
    ),
  },
  "tool-result": { native: says(result(TOOL.callId), TEXT.result) },
  "tool-result-error": { emulated: failedInWords(result(TOOL.callId)) },
  "parallel-results": { native: all(says(result(TOOL.callId), TEXT.result), says(result(TOOL.secondId), TEXT.second)) },
  "custom-tool": { emulated: has(NAMES, TOOL.name) },
  documents: { native: has("documents") },
  "max-output": { native: has("max_tokens", ASKED.maxOutput) },
  stop: { native: has("stop_sequences.*", ASKED.stop) },
  temperature: { native: has("temperature", ASKED.temperature) },
  "top-p": { native: has("p", ASKED.topP) },
  "top-k": { native: has("k", ASKED.topK) },
  seed: { native: has("seed", ASKED.seed) },
  penalties: { native: all(has("presence_penalty", ASKED.presence), has("frequency_penalty", ASKED.frequency)) },
  logprobs: { native: has("logprobs", true) },
  "json-object": { native: all(has("response_format.type", "json_object"), lacks("response_format.json_schema")) },
  "json-schema": { native: all(has("response_format.type", "json_object"), either(has("response_format.json_schema", ANSWER_SCHEMA), has("response_format.schema", ANSWER_SCHEMA))) },
  effort: { emulated: all(has("thinking.type", "enabled"), has("thinking.token_budget")) },
  "thinking-budget": { native: has("thinking.token_budget", ASKED.budget), emulated: has("thinking.token_budget") },
  "thinking-off": { native: has("thinking.type", "disabled") },
  "reasoning-asked": { emulated: has("thinking.type", "enabled") },
  "reasoning-text-replay": { native: has("messages.*.?role=assistant.content.*.?type=thinking.thinking", ANSWER.reasoning), emulated: has("messages.*.tool_plan", ANSWER.reasoning) },
  "service-tier-ordinary": { emulated: lacks("priority") },
  "unknown-field": { native: has(ASKED.unknown, true) },
};
