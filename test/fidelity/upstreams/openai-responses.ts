/** Where Responses has what; see the API reference of `POST /responses`. */
import { ANSWER, ANSWER_SCHEMA, ASKED, FILE_NAME, MEDIA, TEXT, TOOL } from "../marks.ts";
import { all, either, exactly, has, hasJson, lacks, says } from "../paths.ts";
import { failedInWords, offersOnly, type Places } from "./places.ts";

const NAMES = "tools.*.?type=function.name";
const parts = (type: string): string => `input.*.?role=user.content.*.?type=${type}`;
const output = (id: string): string => `input.*.?type=function_call_output.?call_id=${id}.output`;

export const openaiResponsesPlaces: Places = {
  "system-text": { native: either(has("instructions", TEXT.system), says("input.0.?role=system.content", TEXT.system), says("input.0.?role=developer.content", TEXT.system)) },
  "system-middle": { native: either(says("input.2.?role=system.content", TEXT.later), says("input.2.?role=developer.content", TEXT.later)) },
  "multi-turn": {
    native: all(exactly("input.*.role", "user", "assistant", "user"), says("input.0.content", TEXT.hello), says("input.1.content", TEXT.answer), says("input.2.content", TEXT.next)),
  },
  "image-base64": { native: has(`${parts("input_image")}.image_url`, `data:image/png;base64,${MEDIA.png}`) },
  "image-url": { native: has(`${parts("input_image")}.image_url`, MEDIA.pngUrl) },
  "image-detail": { native: has(`${parts("input_image")}.detail`, "low") },
  pdf: { native: has(`${parts("input_file")}.file_data`, `data:application/pdf;base64,${MEDIA.pdf}`) },
  "file-name": { native: has(`${parts("input_file")}.filename`, FILE_NAME) },
  "file-by-id": { native: has(`${parts("input_file")}.file_id`, MEDIA.fileId) },
  "tool-definition": { native: all(has(NAMES, TOOL.name), has("tools.*.description", TOOL.description), has("tools.*.parameters", TOOL.schema)) },
  "tool-strict": { native: has("tools.*.strict", true) },
  "tool-choice-auto": { native: has("tool_choice", "auto") },
  "tool-choice-none": { native: has("tool_choice", "none") },
  "tool-choice-required": { native: has("tool_choice", "required") },
  "tool-choice-named": { native: has("tool_choice", { type: "function", name: TOOL.name }) },
  "tool-choice-allowed": {
    native: all(has("tool_choice.type", "allowed_tools"), has("tool_choice.mode", "required"), exactly("tool_choice.tools.*.name", TOOL.name, TOOL.second)),
    emulated: all(offersOnly(NAMES, TOOL.name, TOOL.second), has("tool_choice", "required")),
  },
  "parallel-off": { native: has("parallel_tool_calls", false) },
  "tool-call": {
    native: all(
      has("input.*.?type=function_call.call_id", TOOL.callId),
      has("input.*.?type=function_call.name", TOOL.name),
      hasJson("input.*.?type=function_call.arguments", TOOL.input),
    ),
  },
  "tool-result": { native: says(output(TOOL.callId), TEXT.result) },
  "tool-result-error": { emulated: failedInWords(output(TOOL.callId)) },
  "parallel-results": { native: all(says(output(TOOL.callId), TEXT.result), says(output(TOOL.secondId), TEXT.second)) },
  "tool-result-image": { native: has(`${output(TOOL.callId)}.*.?type=input_image.image_url`, `data:image/png;base64,${MEDIA.png}`) },
  "custom-tool": { native: has("tools.*.?type=custom.name", TOOL.name), emulated: has(NAMES, TOOL.name) },
  documents: { emulated: (body) => JSON.stringify(body["input"]).includes(TEXT.document) },
  "max-output": { native: has("max_output_tokens", ASKED.maxOutput) },
  temperature: { native: has("temperature", ASKED.temperature) },
  "temperature-refused": { native: has("temperature", ASKED.temperature) },
  "top-p": { native: has("top_p", ASKED.topP) },
  logprobs: { native: has("include.*", "message.output_text.logprobs") },
  "top-logprobs": { native: all(has("include.*", "message.output_text.logprobs"), has("top_logprobs", ASKED.topLogprobs)) },
  "json-object": { native: has("text.format.type", "json_object") },
  "json-schema": { native: has("text.format.schema", ANSWER_SCHEMA) },
  verbosity: { native: has("text.verbosity", "low") },
  effort: { native: has("reasoning.effort", ASKED.effort) },
  "thinking-budget": { emulated: has("reasoning.effort", "medium") },
  "thinking-off": { native: has("reasoning.effort", "none") },
  "reasoning-asked": { native: has("reasoning.summary") },
  "signed-replay": { native: has("input.*.?type=reasoning.encrypted_content", ANSWER.signature) },
  "cache-key": { native: has("prompt_cache_key", ASKED.cacheKey) },
  store: { native: has("store", true) },
  "service-tier": { native: has("service_tier", "flex") },
  "service-tier-ordinary": { native: has("service_tier", "default"), emulated: lacks("service_tier") },
  "user-id": { native: either(has("safety_identifier", ASKED.user), has("user", ASKED.user)) },
  metadata: { native: has("metadata", { [ASKED.label]: ASKED.labelValue }) },
  "unknown-field": { native: has(ASKED.unknown, true) },
};

