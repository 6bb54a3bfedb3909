/** Chat Completions as clients write it. */
import type { Json, JsonObject } from "../../../src/wire/json.ts";
import { ANSWER, ANSWER_SCHEMA, ASKED, FILE_NAME, MEDIA, TEXT, TOOL } from "../marks.ts";
import { dataUri, type SurfaceSpec } from "./spec.ts";

const user = (content: Json): JsonObject => ({ role: "user", content });
const shows = (...parts: readonly JsonObject[]): JsonObject => ({ messages: [user([{ type: "text", text: TEXT.hello }, ...parts])] });
const fn = (name: string, more: JsonObject = {}): JsonObject => ({ type: "function", function: { name, description: TOOL.description, parameters: TOOL.schema, ...more } });
const tools = [fn(TOOL.name)];
const call = (id: string, input: Json): JsonObject => ({ id, type: "function", function: { name: TOOL.name, arguments: JSON.stringify(input) } });
const called = (...results: readonly JsonObject[]): JsonObject => ({
  tools,
  messages: [user(TEXT.hello), { role: "assistant", content: null, tool_calls: [call(TOOL.callId, TOOL.input)] }, ...results],
});
const result = (id: string, content: Json): JsonObject => ({ role: "tool", tool_call_id: id, content });
const marker = { cache_control: { type: "ephemeral" } };
const schema = { name: "zq_notes", schema: ANSWER_SCHEMA, strict: true };

export const chatSpec: SurfaceSpec = {
  surface: "chat",
  base: { model: "m", messages: [user(TEXT.hello)] },
  listening: { stream_options: { include_usage: true } },
  asks: {
    "system-text": { messages: [{ role: "system", content: TEXT.system }, user(TEXT.hello)] },
    "system-middle": { messages: [user(TEXT.hello), { role: "assistant", content: TEXT.answer }, { role: "system", content: TEXT.later }, user(TEXT.next)] },
    "multi-turn": { messages: [user(TEXT.hello), { role: "assistant", content: TEXT.answer }, user(TEXT.next)] },
    "author-name": { messages: [{ ...user(TEXT.hello), name: ASKED.user }] },
    "image-base64": shows({ type: "image_url", image_url: { url: dataUri("image/png", MEDIA.png) } }),
    "image-url": shows({ type: "image_url", image_url: { url: MEDIA.pngUrl } }),
    "image-detail": shows({ type: "image_url", image_url: { url: dataUri("image/png", MEDIA.png), detail: "low" } }),
    pdf: shows({ type: "file", file: { filename: "a.pdf", file_data: dataUri("application/pdf", MEDIA.pdf) } }),
    "file-name": shows({ type: "file", file: { filename: FILE_NAME, file_data: dataUri("application/pdf", MEDIA.pdf) } }),
    "file-by-id": shows({ type: "file", file: { file_id: MEDIA.fileId } }),
    "audio-in": shows({ type: "input_audio", input_audio: { data: MEDIA.wav, format: "wav" } }),
    "unknown-part": shows({ type: "zq_part", zq: true }),
    "tool-definition": { tools },
    "tool-strict": { tools: [fn(TOOL.name, { strict: true })] },
    "tool-choice-auto": { tools, tool_choice: "auto" },
    "tool-choice-none": { tools, tool_choice: "none" },
    "tool-choice-required": { tools, tool_choice: "required" },
    "tool-choice-named": { tools: [...tools, fn(TOOL.second)], tool_choice: { type: "function", function: { name: TOOL.name } } },
    "tool-choice-allowed": {
      tools: [...tools, fn(TOOL.second), fn(TOOL.third)],
      tool_choice: { type: "allowed_tools", allowed_tools: { mode: "required", tools: [TOOL.name, TOOL.second].map((name) => ({ type: "function", function: { name } })) } },
    },
    "parallel-off": { tools, parallel_tool_calls: false },
    "tool-call": called(result(TOOL.callId, TEXT.result)),
    "tool-result": called(result(TOOL.callId, TEXT.result)),
    "parallel-results": {
      tools,
      messages: [
        user(TEXT.hello),
        { role: "assistant", content: null, tool_calls: [call(TOOL.callId, TOOL.input), call(TOOL.secondId, TOOL.secondInput)] },
        result(TOOL.callId, TEXT.result),
        result(TOOL.secondId, TEXT.second),
        user(TEXT.next),
      ],
    },
    "custom-tool": { tools: [{ type: "custom", custom: { name: TOOL.name, description: TOOL.description } }] },
    "hosted-tool": { web_search_options: {} },
    "max-output": { max_completion_tokens: ASKED.maxOutput },
    stop: { stop: [ASKED.stop] },
    temperature: { temperature: ASKED.temperature },
    "temperature-refused": { temperature: ASKED.temperature },
    "top-p": { top_p: ASKED.topP },
    "top-k": { top_k: ASKED.topK },
    seed: { seed: ASKED.seed },
    n: { n: ASKED.choices },
    penalties: { presence_penalty: ASKED.presence, frequency_penalty: ASKED.frequency },
    "logit-bias": { logit_bias: { [ASKED.biasToken]: ASKED.bias } },
    logprobs: { logprobs: true },
    "top-logprobs": { logprobs: true, top_logprobs: ASKED.topLogprobs },
    "json-object": { response_format: { type: "json_object" } },
    "json-schema": { response_format: { type: "json_schema", json_schema: schema } },
    verbosity: { verbosity: "low" },
    "audio-out": { modalities: ["text", "audio"], audio: { voice: "alloy", format: "wav" } },
    effort: { reasoning_effort: ASKED.effort },
    "thinking-budget": { thinking: { type: "enabled", budget_tokens: ASKED.budget } },
    "thinking-off": { reasoning_effort: "none" },
    "reasoning-text-replay": { messages: [user(TEXT.hello), { role: "assistant", content: TEXT.answer, reasoning_content: ANSWER.reasoning }, user(TEXT.next)], tools },
    "cache-marker": { messages: [user([{ type: "text", text: TEXT.hello, ...marker }])] },
    "cache-marker-system": { messages: [{ role: "system", content: [{ type: "text", text: TEXT.system, ...marker }] }, user(TEXT.hello)] },
    "cache-marker-tool": { tools: [{ ...fn(TOOL.name), ...marker }] },
    "cache-marker-result": called(result(TOOL.callId, [{ type: "text", text: TEXT.result, ...marker }])),
    "cache-key": { prompt_cache_key: ASKED.cacheKey },
    store: { store: true },
    "service-tier": { service_tier: "flex" },
    "service-tier-ordinary": { service_tier: "default" },
    "user-id": { user: ASKED.user },
    metadata: { metadata: { [ASKED.label]: ASKED.labelValue } },
    "unknown-field": { [ASKED.unknown]: true },
  },
  replay: (answer) => {
    const [choice] = answer["choices"] as readonly { readonly message: JsonObject }[];
    return { model: "m", tools, messages: [user(TEXT.hello), choice?.message ?? {}, result(TOOL.callId, TEXT.result)] };
  },
};
