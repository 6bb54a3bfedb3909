/** Cohere's Chat v2 as clients write it. */
import type { Json, JsonObject } from "../../../src/wire/json.ts";
import { ANSWER, ANSWER_SCHEMA, ASKED, MEDIA, TEXT, TOOL } from "../marks.ts";
import { dataUri, type SurfaceSpec } from "./spec.ts";

const user = (content: Json): JsonObject => ({ role: "user", content });
const shows = (...parts: readonly JsonObject[]): JsonObject => ({ messages: [user([{ type: "text", text: TEXT.hello }, ...parts])] });
const tools = [{ type: "function", function: { name: TOOL.name, description: TOOL.description, parameters: TOOL.schema } }];
const call = (id: string, input: Json): JsonObject => ({ id, type: "function", function: { name: TOOL.name, arguments: JSON.stringify(input) } });
const result = (id: string, content: Json): JsonObject => ({ role: "tool", tool_call_id: id, content });
const called = { tools, messages: [user(TEXT.hello), { role: "assistant", tool_calls: [call(TOOL.callId, TOOL.input)] }, result(TOOL.callId, TEXT.result)] };

export const chatV2Spec: SurfaceSpec = {
  surface: "chat-v2",
  base: { model: "m", messages: [user(TEXT.hello)] },
  asks: {
    "system-text": { messages: [{ role: "system", content: TEXT.system }, user(TEXT.hello)] },
    "system-middle": { messages: [user(TEXT.hello), { role: "assistant", content: TEXT.answer }, { role: "system", content: TEXT.later }, user(TEXT.next)] },
    "multi-turn": { messages: [user(TEXT.hello), { role: "assistant", content: TEXT.answer }, user(TEXT.next)] },
    "image-base64": shows({ type: "image_url", image_url: { url: dataUri("image/png", MEDIA.png) } }),
    "image-url": shows({ type: "image_url", image_url: { url: MEDIA.pngUrl } }),
    "image-detail": shows({ type: "image_url", image_url: { url: dataUri("image/png", MEDIA.png), detail: "low" } }),
    "unknown-part": shows({ type: "zq_part", zq: true }),
    "tool-definition": { tools },
    "tool-strict": { tools, strict_tools: true },
    "tool-choice-none": { tools, tool_choice: "NONE" },
    "tool-choice-required": { tools, tool_choice: "REQUIRED" },
    "tool-call": called,
    "tool-result": called,
    "parallel-results": {
      tools,
      messages: [
        user(TEXT.hello),
        { role: "assistant", tool_calls: [call(TOOL.callId, TOOL.input), call(TOOL.secondId, TOOL.secondInput)] },
        result(TOOL.callId, TEXT.result),
        result(TOOL.secondId, TEXT.second),
        user(TEXT.next),
      ],
    },
    documents: { documents: [{ id: "zq-doc", data: { text: TEXT.document } }] },
    "max-output": { max_tokens: ASKED.maxOutput },
    stop: { stop_sequences: [ASKED.stop] },
    temperature: { temperature: ASKED.temperature },
    "temperature-refused": { temperature: ASKED.temperature },
    "top-p": { p: ASKED.topP },
    "top-k": { k: ASKED.topK },
    seed: { seed: ASKED.seed },
    penalties: { presence_penalty: ASKED.presence, frequency_penalty: ASKED.frequency },
    logprobs: { logprobs: true },
    "json-object": { response_format: { type: "json_object" } },
    "json-schema": { response_format: { type: "json_object", json_schema: ANSWER_SCHEMA } },
    "thinking-budget": { thinking: { type: "enabled", token_budget: ASKED.budget } },
    "thinking-off": { thinking: { type: "disabled" } },
    "reasoning-text-replay": {
      tools,
      messages: [user(TEXT.hello), { role: "assistant", content: [{ type: "thinking", thinking: ANSWER.reasoning }, { type: "text", text: TEXT.answer }] }, user(TEXT.next)],
    },
    "safety-settings": { safety_mode: "STRICT" },
    citations: { citation_options: { mode: "ACCURATE" } },
    "unknown-field": { [ASKED.unknown]: true },
  },
  replay: (answer) => ({ model: "m", tools, messages: [user(TEXT.hello), answer["message"] as Json, result(TOOL.callId, TEXT.result)] }),
};
