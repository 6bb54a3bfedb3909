/** Where generateContent has what; see the API reference, v1beta. */
import { ANSWER, ANSWER_SCHEMA, ASKED, MEDIA, TEXT, TOOL } from "../marks.ts";
import { all, either, exactly, has, lacks, says, type Finder } from "../paths.ts";
import { offersOnly, type Places } from "./places.ts";

const NAMES = "tools.*.functionDeclarations.*.name";
const CALLING = "toolConfig.functionCallingConfig";
const CONFIG = "generationConfig";
const response = "contents.*.?role=user.parts.*.functionResponse";

const media = (mimeType: string, data: string): Finder => has("contents.*.?role=user.parts.*.inlineData", { mimeType, data });

export const geminiPlaces: Places = {
  "system-text": { native: has("systemInstruction.parts.*.text", TEXT.system) },
  "system-middle": { emulated: has("systemInstruction.parts.*.text", TEXT.later) },
  "multi-turn": {
    native: all(exactly("contents.*.role", "user", "model", "user"), says("contents.0.parts", TEXT.hello), says("contents.1.parts", TEXT.answer), says("contents.2.parts", TEXT.next)),
  },
  "image-base64": { native: media("image/png", MEDIA.png) },
  "image-url": { native: has("contents.*.parts.*.fileData.fileUri", MEDIA.pngUrl), emulated: media("image/png", MEDIA.png) },
  pdf: { native: media("application/pdf", MEDIA.pdf) },
  "audio-in": { native: either(media("audio/wav", MEDIA.wav), media("audio/x-wav", MEDIA.wav)) },
  "video-in": { native: media("video/mp4", MEDIA.mp4) },
  "tool-definition": {
    native: all(has(NAMES, TOOL.name), has("tools.*.functionDeclarations.*.description", TOOL.description), has("tools.*.functionDeclarations.*.parametersJsonSchema", TOOL.schema)),
  },
  "tool-choice-auto": { native: has(`${CALLING}.mode`, "AUTO") },
  "tool-choice-none": { native: has(`${CALLING}.mode`, "NONE") },
  "tool-choice-required": { native: all(has(`${CALLING}.mode`, "ANY"), lacks(`${CALLING}.allowedFunctionNames`)) },
  "tool-choice-named": { native: has(CALLING, { mode: "ANY", allowedFunctionNames: [TOOL.name] }) },
  "tool-choice-allowed": { native: has(CALLING, { mode: "ANY", allowedFunctionNames: [TOOL.name, TOOL.second] }), emulated: offersOnly(NAMES, TOOL.name, TOOL.second) },
  "tool-call": {
    native: all(has("contents.*.?role=model.parts.*.functionCall.name", TOOL.name), has("contents.*.?role=model.parts.*.functionCall.args", TOOL.input), has("contents.*.parts.*.functionCall.id", TOOL.callId)),
  },
  "tool-result": { native: all(has(`${response}.name`, TOOL.name), either(has(`${response}.response.output`, TEXT.result), has(`${response}.response.result`, TEXT.result))) },
  "tool-result-error": { native: has(`${response}.response.error`, TEXT.failure) },
  "parallel-results": {
    native: all(has("contents.2.parts.0.functionResponse.response.output", TEXT.result), has("contents.2.parts.1.functionResponse.response.output", TEXT.second)),
  },
  "tool-result-image": { native: has(`${response}.parts.*.inlineData.data`, MEDIA.png), emulated: media("image/png", MEDIA.png) },
  "custom-tool": { emulated: has(NAMES, TOOL.name) },
  "hosted-tool": { native: has("tools.*.googleSearch") },
  documents: { emulated: (body) => JSON.stringify(body["systemInstruction"] ?? "").includes(TEXT.document) },
  "max-output": { native: has(`${CONFIG}.maxOutputTokens`, ASKED.maxOutput) },
  stop: { native: has(`${CONFIG}.stopSequences.*`, ASKED.stop) },
  temperature: { native: has(`${CONFIG}.temperature`, ASKED.temperature) },
  "top-p": { native: has(`${CONFIG}.topP`, ASKED.topP) },
  "top-k": { native: has(`${CONFIG}.topK`, ASKED.topK) },
  seed: { native: has(`${CONFIG}.seed`, ASKED.seed) },
  n: { native: has(`${CONFIG}.candidateCount`, ASKED.choices) },
  penalties: { native: all(has(`${CONFIG}.presencePenalty`, ASKED.presence), has(`${CONFIG}.frequencyPenalty`, ASKED.frequency)) },
  logprobs: { native: has(`${CONFIG}.responseLogprobs`, true) },
  "top-logprobs": { native: all(has(`${CONFIG}.responseLogprobs`, true), has(`${CONFIG}.logprobs`, ASKED.topLogprobs)) },
  "json-object": { native: has(`${CONFIG}.responseMimeType`, "application/json") },
  "json-schema": { native: all(has(`${CONFIG}.responseMimeType`, "application/json"), has(`${CONFIG}.responseJsonSchema`, ANSWER_SCHEMA)) },
  effort: { native: has(`${CONFIG}.thinkingConfig.thinkingLevel`, ASKED.effort) },
  "thinking-budget": { native: has(`${CONFIG}.thinkingConfig.thinkingBudget`, ASKED.budget), emulated: has(`${CONFIG}.thinkingConfig.thinkingBudget`) },
  "thinking-off": { native: has(`${CONFIG}.thinkingConfig.thinkingBudget`, 0) },
  "reasoning-asked": { native: has(`${CONFIG}.thinkingConfig.includeThoughts`, true) },
  "signed-replay": { native: has("contents.*.?role=model.parts.*.?functionCall.thoughtSignature", ANSWER.signature) },
  "reasoning-text-replay": { native: has("contents.*.parts.*.?thought=true.text", ANSWER.reasoning) },
  "service-tier": { native: has("serviceTier", "flex") },
  "service-tier-ordinary": { native: has("serviceTier", "standard"), emulated: lacks("serviceTier") },
  "unknown-field": { native: has(ASKED.unknown, true) },
  "state-at-provider": { native: has("cachedContent") },
};

