/** generateContent as clients write it. */
import type { Json, JsonObject } from "../../../src/wire/json.ts";
import { ANSWER, ANSWER_SCHEMA, ASKED, FILE_NAME, MEDIA, TEXT, TOOL } from "../marks.ts";
import type { SurfaceSpec } from "./spec.ts";

const user = (...parts: readonly Json[]): JsonObject => ({ role: "user", parts });
const model = (...parts: readonly Json[]): JsonObject => ({ role: "model", parts });
const hello = { text: TEXT.hello };
const shows = (part: JsonObject): JsonObject => ({ contents: [user(hello, part)] });
const config = (generationConfig: JsonObject): JsonObject => ({ generationConfig });
const declared = (name: string): JsonObject => ({ name, description: TOOL.description, parametersJsonSchema: TOOL.schema });
const offering = (...names: readonly string[]): readonly JsonObject[] => [{ functionDeclarations: names.map(declared) }];
const tools = offering(TOOL.name);
const choosing = (mode: string, ...allowedFunctionNames: readonly string[]): JsonObject => ({
  toolConfig: { functionCallingConfig: allowedFunctionNames.length === 0 ? { mode } : { mode, allowedFunctionNames } },
});
const call = (id: string, args: JsonObject): JsonObject => ({ functionCall: { id, name: TOOL.name, args } });
const response = (id: string, said: JsonObject, more: JsonObject = {}): JsonObject => ({ functionResponse: { id, name: TOOL.name, response: said, ...more } });
const called = (part: JsonObject): JsonObject => ({ tools, contents: [user(hello), model(call(TOOL.callId, TOOL.input)), user(part)] });
const png = { inlineData: { mimeType: "image/png", data: MEDIA.png } };

export const generateContentSpec: SurfaceSpec = {
  surface: "generate-content",
  base: { contents: [user(hello)] },
  listening: config({ thinkingConfig: { includeThoughts: true } }),
  asks: {
    "system-text": { systemInstruction: { parts: [{ text: TEXT.system }] } },
    "multi-turn": { contents: [user(hello), model({ text: TEXT.answer }), user({ text: TEXT.next })] },
    "image-base64": shows(png),
    "image-url": shows({ fileData: { mimeType: "image/png", fileUri: MEDIA.pngUrl } }),
    pdf: shows({ inlineData: { mimeType: "application/pdf", data: MEDIA.pdf } }),
    "file-name": shows({ inlineData: { mimeType: "application/pdf", data: MEDIA.pdf, displayName: FILE_NAME } }),
    "file-by-id": shows({ fileData: { mimeType: "application/pdf", fileUri: `https://generativelanguage.googleapis.com/v1beta/files/${MEDIA.fileId}` } }),
    "audio-in": shows({ inlineData: { mimeType: "audio/wav", data: MEDIA.wav } }),
    "video-in": shows({ inlineData: { mimeType: "video/mp4", data: MEDIA.mp4 } }),
    "unknown-part": shows({ zq_part: { zq: true } }),
    "tool-definition": { tools },
    "tool-choice-auto": { tools, ...choosing("AUTO") },
    "tool-choice-none": { tools, ...choosing("NONE") },
    "tool-choice-required": { tools, ...choosing("ANY") },
    "tool-choice-named": { tools: offering(TOOL.name, TOOL.second), ...choosing("ANY", TOOL.name) },
    "tool-choice-allowed": { tools: offering(TOOL.name, TOOL.second, TOOL.third), ...choosing("ANY", TOOL.name, TOOL.second) },
    "tool-call": called(response(TOOL.callId, { output: TEXT.result })),
    "tool-result": called(response(TOOL.callId, { output: TEXT.result })),
    "tool-result-error": called(response(TOOL.callId, { error: TEXT.failure })),
    "parallel-results": {
      tools,
      contents: [
        user(hello),
        model(call(TOOL.callId, TOOL.input), call(TOOL.secondId, TOOL.secondInput)),
        user(response(TOOL.callId, { output: TEXT.result }), response(TOOL.secondId, { output: TEXT.second }), { text: TEXT.next }),
      ],
    },
    "tool-result-image": called(response(TOOL.callId, { output: TEXT.result }, { parts: [png] })),
    "hosted-tool": { tools: [{ googleSearch: {} }] },
    "hosted-tool-beside-own": { tools: [...tools, { googleSearch: {} }] },
    "max-output": config({ maxOutputTokens: ASKED.maxOutput }),
    stop: config({ stopSequences: [ASKED.stop] }),
    temperature: config({ temperature: ASKED.temperature }),
    "temperature-refused": config({ temperature: ASKED.temperature }),
    "top-p": config({ topP: ASKED.topP }),
    "top-k": config({ topK: ASKED.topK }),
    seed: config({ seed: ASKED.seed }),
    n: config({ candidateCount: ASKED.choices }),
    penalties: config({ presencePenalty: ASKED.presence, frequencyPenalty: ASKED.frequency }),
    logprobs: config({ responseLogprobs: true }),
    "top-logprobs": config({ responseLogprobs: true, logprobs: ASKED.topLogprobs }),
    "json-object": config({ responseMimeType: "application/json" }),
    "json-schema": config({ responseMimeType: "application/json", responseJsonSchema: ANSWER_SCHEMA }),
    "audio-out": config({ responseModalities: ["AUDIO"] }),
    effort: config({ thinkingConfig: { thinkingLevel: "LOW" } }),
    "thinking-budget": config({ thinkingConfig: { thinkingBudget: ASKED.budget } }),
    "thinking-off": config({ thinkingConfig: { thinkingBudget: 0 } }),
    "reasoning-asked": config({ thinkingConfig: { thinkingLevel: "LOW", includeThoughts: true } }),
    "reasoning-text-replay": { tools, contents: [user(hello), model({ text: ANSWER.reasoning, thought: true }, { text: TEXT.answer }), user({ text: TEXT.next })] },
    "state-at-provider": { cachedContent: "cachedContents/zq" },
    "service-tier": { serviceTier: "flex" },
    "service-tier-ordinary": { serviceTier: "standard" },
    "safety-settings": { safetySettings: [{ category: "HARM_CATEGORY_HARASSMENT", threshold: "BLOCK_LOW_AND_ABOVE" }] },
    "unknown-field": { [ASKED.unknown]: true },
  },
  replay: (answer) => {
    const [candidate] = answer["candidates"] as readonly { readonly content: Json }[];
    return {
      tools, ...config({ thinkingConfig: { includeThoughts: true } }),
      contents: [user(hello), candidate?.content ?? null, user(response(TOOL.callId, { output: TEXT.result }))],
    };
  },
};
