/** Responses as clients write it. */
import type { Json, JsonObject } from "../../../src/wire/json.ts";
import { ANSWER, ANSWER_SCHEMA, ASKED, FILE_NAME, MEDIA, TEXT, TOOL } from "../marks.ts";
import { dataUri, type SurfaceSpec } from "./spec.ts";

const user = (content: Json): JsonObject => ({ role: "user", content });
const shows = (...parts: readonly JsonObject[]): JsonObject => ({ input: [user([{ type: "input_text", text: TEXT.hello }, ...parts])] });
const fn = (name: string, more: JsonObject = {}): JsonObject => ({ type: "function", name, description: TOOL.description, parameters: TOOL.schema, strict: false, ...more });
const tools = [fn(TOOL.name)];
const call = (id: string, input: Json): JsonObject => ({ type: "function_call", call_id: id, name: TOOL.name, arguments: JSON.stringify(input) });
const output = (id: string, said: Json): JsonObject => ({ type: "function_call_output", call_id: id, output: said });
const assistant = { type: "message", role: "assistant", content: [{ type: "output_text", text: TEXT.answer, annotations: [] }] };

export const responsesSpec: SurfaceSpec = {
  surface: "responses",
  base: { model: "m", input: TEXT.hello, store: false },
  listening: { include: ["reasoning.encrypted_content"] },
  asks: {
    "system-text": { instructions: TEXT.system },
    "system-middle": { input: [user(TEXT.hello), assistant, { role: "developer", content: TEXT.later }, user(TEXT.next)] },
    "multi-turn": { input: [user(TEXT.hello), assistant, user(TEXT.next)] },
    "image-base64": shows({ type: "input_image", image_url: dataUri("image/png", MEDIA.png), detail: "auto" }),
    "image-url": shows({ type: "input_image", image_url: MEDIA.pngUrl, detail: "auto" }),
    "image-detail": shows({ type: "input_image", image_url: dataUri("image/png", MEDIA.png), detail: "low" }),
    pdf: shows({ type: "input_file", filename: "a.pdf", file_data: dataUri("application/pdf", MEDIA.pdf) }),
    "file-name": shows({ type: "input_file", filename: FILE_NAME, file_data: dataUri("application/pdf", MEDIA.pdf) }),
    "file-by-id": shows({ type: "input_file", file_id: MEDIA.fileId }),
    "unknown-part": shows({ type: "zq_part", zq: true }),
    "tool-definition": { tools },
    "tool-strict": { tools: [fn(TOOL.name, { strict: true })] },
    "tool-choice-auto": { tools, tool_choice: "auto" },
    "tool-choice-none": { tools, tool_choice: "none" },
    "tool-choice-required": { tools, tool_choice: "required" },
    "tool-choice-named": { tools: [...tools, fn(TOOL.second)], tool_choice: { type: "function", name: TOOL.name } },
    "tool-choice-allowed": {
      tools: [...tools, fn(TOOL.second), fn(TOOL.third)],
      tool_choice: { type: "allowed_tools", mode: "required", tools: [TOOL.name, TOOL.second].map((name) => ({ type: "function", name })) },
    },
    "parallel-off": { tools, parallel_tool_calls: false },
    "tool-call": { tools, input: [user(TEXT.hello), call(TOOL.callId, TOOL.input), output(TOOL.callId, TEXT.result)] },
    "tool-result": { tools, input: [user(TEXT.hello), call(TOOL.callId, TOOL.input), output(TOOL.callId, TEXT.result)] },
    "parallel-results": {
      tools,
      input: [
        user(TEXT.hello), call(TOOL.callId, TOOL.input), call(TOOL.secondId, TOOL.secondInput), output(TOOL.callId, TEXT.result), output(TOOL.secondId, TEXT.second), user(TEXT.next),
      ],
    },
    "tool-result-image": {
      tools,
      input: [
        user(TEXT.hello), call(TOOL.callId, TOOL.input),
        output(TOOL.callId, [{ type: "input_text", text: TEXT.result }, { type: "input_image", image_url: dataUri("image/png", MEDIA.png), detail: "auto" }]),
      ],
    },
    "custom-tool": { tools: [{ type: "custom", name: TOOL.name, description: TOOL.description }] },
    "hosted-tool": { tools: [{ type: "web_search" }] },
    "hosted-tool-beside-own": { tools: [...tools, { type: "web_search" }] },
    "max-output": { max_output_tokens: ASKED.maxOutput },
    temperature: { temperature: ASKED.temperature },
    "temperature-refused": { temperature: ASKED.temperature },
    "top-p": { top_p: ASKED.topP },
    logprobs: { include: ["message.output_text.logprobs"] },
    "top-logprobs": { include: ["message.output_text.logprobs"], top_logprobs: ASKED.topLogprobs },
    "json-object": { text: { format: { type: "json_object" } } },
    "json-schema": { text: { format: { type: "json_schema", name: "zq_notes", schema: ANSWER_SCHEMA, strict: true } } },
    verbosity: { text: { verbosity: "low" } },
    effort: { reasoning: { effort: ASKED.effort } },
    "thinking-off": { reasoning: { effort: "none" } },
    "reasoning-asked": { reasoning: { effort: ASKED.effort, summary: "detailed" } },
    "reasoning-text-replay": {
      tools,
      input: [user(TEXT.hello), { type: "reasoning", id: "rs_zq", summary: [], content: [{ type: "reasoning_text", text: ANSWER.reasoning }] }, assistant, user(TEXT.next)],
    },
    "cache-key": { prompt_cache_key: ASKED.cacheKey },
    "state-at-provider": { previous_response_id: "resp_zq" },
    store: { store: true },
    "service-tier": { service_tier: "flex" },
    "service-tier-ordinary": { service_tier: "default" },
    "user-id": { safety_identifier: ASKED.user },
    metadata: { metadata: { [ASKED.label]: ASKED.labelValue } },
    "unknown-field": { [ASKED.unknown]: true },
  },
  replay: (answer) => ({ model: "m", store: false, tools, input: [user(TEXT.hello), ...(answer["output"] as readonly Json[]), output(TOOL.callId, TEXT.result)] }),
};
