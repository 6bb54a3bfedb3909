/** Where Converse has what; see the API reference of `POST /model/{id}/converse`. What models take in their own words stands in `additionalModelRequestFields`. */
import { ANSWER, ANSWER_SCHEMA, ASKED, FILE_NAME, MEDIA, TEXT, TOOL } from "../marks.ts";
import { all, contains, exactly, has, hasJson, lacks, says, valuesAt, type Finder } from "../paths.ts";
import { asksInWords, offersOnly, type Places } from "./places.ts";

const NAMES = "toolConfig.tools.*.toolSpec.name";
const CHOICE = "toolConfig.toolChoice";
const MODEL = "additionalModelRequestFields";
const USER = "messages.*.?role=user.content.*";
const result = (id: string): string => `${USER}.toolResult.?toolUseId=${id}`;

/** A cache point is an element of its own, right behind what it closes. */
function pointBehind(list: string, marked: Finder): Finder {
  return (body) =>
    valuesAt(body, list).some((value) => {
      const blocks = Array.isArray(value) ? value : [];
      return blocks.some((block, at) => marked({ block }) && has("cachePoint.type", "default")(blocks[at + 1] ?? {}));
    });
}

export const bedrockConversePlaces: Places = {
  "system-text": { native: has("system.*.text", TEXT.system) },
  "system-middle": { emulated: has("system.*.text", TEXT.later) },
  "multi-turn": {
    native: all(exactly("messages.*.role", "user", "assistant", "user"), says("messages.0.content", TEXT.hello), says("messages.1.content", TEXT.answer), says("messages.2.content", TEXT.next)),
  },
  "image-base64": { native: has(`${USER}.image`, { format: "png", source: { bytes: MEDIA.png } }) },
  pdf: { native: all(has(`${USER}.document.format`, "pdf"), has(`${USER}.document.source.bytes`, MEDIA.pdf)) },
  "image-url": { emulated: has(`${USER}.image`, { format: "png", source: { bytes: MEDIA.png } }) },
  "file-name": { native: contains(`${USER}.document.name`, FILE_NAME.replace(".pdf", "")) },
  "audio-in": { native: has(`${USER}.audio`, { format: "wav", source: { bytes: MEDIA.wav } }) },
  "video-in": { native: has(`${USER}.video`, { format: "mp4", source: { bytes: MEDIA.mp4 } }) },
  "tool-definition": {
    native: all(has(NAMES, TOOL.name), has("toolConfig.tools.*.toolSpec.description", TOOL.description), has("toolConfig.tools.*.toolSpec.inputSchema.json", TOOL.schema)),
  },
  "tool-strict": { native: has("toolConfig.tools.*.toolSpec.strict", true) },
  "tool-choice-auto": { native: has(`${CHOICE}.auto`) },
  "tool-choice-none": { emulated: lacks(NAMES) },
  "tool-choice-required": { native: has(`${CHOICE}.any`) },
  "tool-choice-named": { native: has(`${CHOICE}.tool.name`, TOOL.name) },
  "tool-choice-allowed": { emulated: all(offersOnly(NAMES, TOOL.name, TOOL.second), has(`${CHOICE}.any`)) },
  "parallel-off": { native: has(`${MODEL}.tool_choice.disable_parallel_tool_use`, true) },
  "tool-call": { native: has("messages.*.?role=assistant.content.*.toolUse", { toolUseId: TOOL.callId, name: TOOL.name, input: TOOL.input }) },
  "tool-result": { native: says(`${result(TOOL.callId)}.content`, TEXT.result) },
  "tool-result-error": { native: all(has(`${result(TOOL.callId)}.status`, "error"), contains(`${result(TOOL.callId)}.content`, TEXT.failure)) },
  "parallel-results": {
    native: all(
      says(`messages.2.content.0.toolResult.?toolUseId=${TOOL.callId}.content`, TEXT.result),
      says(`messages.2.content.1.toolResult.?toolUseId=${TOOL.secondId}.content`, TEXT.second),
    ),
  },
  "tool-result-image": { native: has(`${result(TOOL.callId)}.content.*.image.source.bytes`, MEDIA.png) },
  "custom-tool": { emulated: has(NAMES, TOOL.name) },
  documents: { emulated: (body) => JSON.stringify(body["system"] ?? "").includes(TEXT.document) },
  "max-output": { native: has("inferenceConfig.maxTokens", ASKED.maxOutput) },
  stop: { native: has("inferenceConfig.stopSequences.*", ASKED.stop) },
  temperature: { native: has("inferenceConfig.temperature", ASKED.temperature) },
  "temperature-refused": { native: has("inferenceConfig.temperature", ASKED.temperature) },
  "top-p": { native: has("inferenceConfig.topP", ASKED.topP) },
  "top-k": { native: has(`${MODEL}.top_k`, ASKED.topK) },
  "json-object": { emulated: asksInWords },
  "json-schema": { native: hasJson("outputConfig.textFormat.structure.jsonSchema.schema", ANSWER_SCHEMA) },
  effort: { native: all(has(`${MODEL}.output_config.effort`, ASKED.effort), has(`${MODEL}.thinking.type`, "adaptive")) },
  "thinking-budget": { native: has(`${MODEL}.thinking.budget_tokens`, ASKED.budget), emulated: has(`${MODEL}.thinking.type`, "enabled") },
  "thinking-off": { native: has(`${MODEL}.thinking.type`, "disabled"), emulated: lacks(`${MODEL}.thinking`) },
  "reasoning-asked": { native: has(`${MODEL}.thinking.display`, "summarized") },
  "signed-replay": { native: has("messages.*.?role=assistant.content.*.reasoningContent.reasoningText", { text: ANSWER.reasoning, signature: ANSWER.signature }) },
  "redacted-replay": { native: has("messages.*.?role=assistant.content.*.reasoningContent.redactedContent", ANSWER.redacted) },
  "reasoning-text-replay": { native: has("messages.*.content.*.reasoningContent.reasoningText.text", ANSWER.reasoning) },
  "cache-marker": { native: pointBehind("messages.*.?role=user.content", has("block.text", TEXT.hello)) },
  "cache-marker-system": { native: pointBehind("system", has("block.text", TEXT.system)) },
  "cache-marker-tool": { native: pointBehind("toolConfig.tools", has("block.toolSpec.name", TOOL.name)) },
  "cache-marker-result": { native: pointBehind("messages.*.?role=user.content", has("block.toolResult.toolUseId", TOOL.callId)) },
  "service-tier": { native: has("serviceTier.type", "flex") },
  "service-tier-ordinary": { native: has("serviceTier.type", "default"), emulated: lacks("serviceTier") },
  "user-id": { emulated: has("requestMetadata.user", ASKED.user) },
  metadata: { native: has("requestMetadata", { [ASKED.label]: ASKED.labelValue }) },
  "unknown-field": { native: has(ASKED.unknown, true) },
};
