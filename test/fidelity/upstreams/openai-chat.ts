/** Where Chat Completions has what; see the API reference of `POST /chat/completions`. */
import { ANSWER, ANSWER_SCHEMA, ASKED, FILE_NAME, MEDIA, TEXT, TOOL } from "../marks.ts";
import { all, either, exactly, has, hasJson, lacks, says } from "../paths.ts";
import { failedInWords, offersOnly, type Places } from "./places.ts";

const NAMES = "tools.*.function.name";
const parts = (type: string): string => `messages.*.?role=user.content.*.?type=${type}`;

export const openaiChatPlaces: Places = {
  "system-text": { native: either(says("messages.0.?role=system.content", TEXT.system), says("messages.0.?role=developer.content", TEXT.system)) },
  "system-middle": { native: either(says("messages.2.?role=system.content", TEXT.later), says("messages.2.?role=developer.content", TEXT.later)) },
  "multi-turn": {
    native: all(exactly("messages.*.role", "user", "assistant", "user"), says("messages.0.content", TEXT.hello), says("messages.1.content", TEXT.answer), says("messages.2.content", TEXT.next)),
  },
  "author-name": { native: has("messages.*.name", ASKED.user) },
  "image-base64": { native: has(`${parts("image_url")}.image_url.url`, `data:image/png;base64,${MEDIA.png}`) },
  "image-url": { native: has(`${parts("image_url")}.image_url.url`, MEDIA.pngUrl) },
  "image-detail": { native: has(`${parts("image_url")}.image_url.detail`, "low") },
  pdf: { native: has(`${parts("file")}.file.file_data`, `data:application/pdf;base64,${MEDIA.pdf}`) },
  "file-name": { native: has(`${parts("file")}.file.filename`, FILE_NAME) },
  "file-by-id": { native: has(`${parts("file")}.file.file_id`, MEDIA.fileId) },
  "audio-in": { native: has(`${parts("input_audio")}.input_audio`, { data: MEDIA.wav, format: "wav" }) },
  "tool-definition": {
    native: all(has(NAMES, TOOL.name), has("tools.*.function.description", TOOL.description), has("tools.*.function.parameters", TOOL.schema)),
  },
  "tool-strict": { native: has("tools.*.function.strict", true) },
  "tool-choice-auto": { native: has("tool_choice", "auto") },
  "tool-choice-none": { native: has("tool_choice", "none") },
  "tool-choice-required": { native: has("tool_choice", "required") },
  "tool-choice-named": { native: has("tool_choice", { type: "function", function: { name: TOOL.name } }) },
  "tool-choice-allowed": {
    native: has("tool_choice.allowed_tools.tools.*.function.name", TOOL.second),
    emulated: all(offersOnly(NAMES, TOOL.name, TOOL.second), has("tool_choice", "required")),
  },
  "parallel-off": { native: has("parallel_tool_calls", false) },
  "tool-call": {
    native: all(
      has("messages.*.?role=assistant.tool_calls.*.id", TOOL.callId),
      has("messages.*.?role=assistant.tool_calls.*.function.name", TOOL.name),
      hasJson("messages.*.?role=assistant.tool_calls.*.function.arguments", TOOL.input),
    ),
  },
  "tool-result": { native: all(has("messages.*.?role=tool.tool_call_id", TOOL.callId), says("messages.*.?role=tool.content", TEXT.result)) },
  "tool-result-error": { emulated: failedInWords("messages.*.?role=tool.content") },
  "parallel-results": {
    native: all(says(`messages.*.?tool_call_id=${TOOL.callId}.content`, TEXT.result), says(`messages.*.?tool_call_id=${TOOL.secondId}.content`, TEXT.second)),
  },
  "tool-result-image": { emulated: has(`${parts("image_url")}.image_url.url`, `data:image/png;base64,${MEDIA.png}`) },
  "custom-tool": { native: has("tools.*.custom.name", TOOL.name), emulated: has(NAMES, TOOL.name) },
  "hosted-tool": { native: either(has("web_search_options"), has("tools.*.type", "web_search")) },
  "hosted-tool-beside-own": { native: has("tools.*.type", "web_search") },
  "unknown-part": { native: has("messages.*.content.*.type", "zq_part") },
  documents: { emulated: (body) => JSON.stringify(body["messages"]).includes(TEXT.document) },
  "max-output": { native: either(has("max_completion_tokens", ASKED.maxOutput), has("max_tokens", ASKED.maxOutput)) },
  stop: { native: either(has("stop.*", ASKED.stop), has("stop", ASKED.stop)) },
  temperature: { native: has("temperature", ASKED.temperature) },
  "temperature-refused": { native: has("temperature", ASKED.temperature) },
  "top-p": { native: has("top_p", ASKED.topP) },
  "top-k": { native: has("top_k", ASKED.topK) },
  seed: { native: has("seed", ASKED.seed) },
  n: { native: has("n", ASKED.choices) },
  penalties: { native: all(has("presence_penalty", ASKED.presence), has("frequency_penalty", ASKED.frequency)) },
  "logit-bias": { native: has("logit_bias", { [ASKED.biasToken]: ASKED.bias }) },
  logprobs: { native: has("logprobs", true) },
  "top-logprobs": { native: all(has("logprobs", true), has("top_logprobs", ASKED.topLogprobs)) },
  "json-object": { native: has("response_format.type", "json_object") },
  "json-schema": { native: has("response_format.json_schema.schema", ANSWER_SCHEMA) },
  verbosity: { native: has("verbosity", "low") },
  "audio-out": { native: has("modalities.*", "audio") },
  effort: { native: has("reasoning_effort", ASKED.effort) },
  "thinking-budget": { emulated: has("reasoning_effort", "medium") },
  "thinking-off": { native: has("reasoning_effort", "none") },
  "reasoning-text-replay": { native: has("messages.*.reasoning_content", ANSWER.reasoning) },
  "cache-key": { native: has("prompt_cache_key", ASKED.cacheKey) },
  store: { native: has("store", true) },
  "service-tier": { native: has("service_tier", "flex") },
  "service-tier-ordinary": { native: has("service_tier", "default"), emulated: lacks("service_tier") },
  "user-id": { native: either(has("user", ASKED.user), has("safety_identifier", ASKED.user)) },
  metadata: { native: has("metadata", { [ASKED.label]: ASKED.labelValue }) },
  "unknown-field": { native: has(ASKED.unknown, true) },
};
