/** Messages as clients write it. */
import type { Json, JsonObject } from "../../../src/wire/json.ts";
import { ANSWER, ANSWER_SCHEMA, ASKED, FILE_NAME, MEDIA, TEXT, TOOL } from "../marks.ts";
import type { SurfaceSpec } from "./spec.ts";

const user = (content: Json): JsonObject => ({ role: "user", content });
const assistant = (content: Json): JsonObject => ({ role: "assistant", content });
const shows = (...blocks: readonly JsonObject[]): JsonObject => ({ messages: [user([{ type: "text", text: TEXT.hello }, ...blocks])] });
const tool = (name: string, more: JsonObject = {}): JsonObject => ({ name, description: TOOL.description, input_schema: TOOL.schema, ...more });
const tools = [tool(TOOL.name)];
const use = (id: string, input: JsonObject): JsonObject => ({ type: "tool_use", id, name: TOOL.name, input });
const result = (id: string, content: Json, more: JsonObject = {}): JsonObject => ({ type: "tool_result", tool_use_id: id, content, ...more });
const called = (...results: readonly JsonObject[]): JsonObject => ({ tools, messages: [user(TEXT.hello), assistant([use(TOOL.callId, TOOL.input)]), user(results)] });
const image = { type: "image", source: { type: "base64", media_type: "image/png", data: MEDIA.png } };
const pdf = { type: "document", source: { type: "base64", media_type: "application/pdf", data: MEDIA.pdf } };
const marker = { cache_control: { type: "ephemeral" } };
const search = { type: "web_search_20250305", name: "web_search" };

export const messagesSpec: SurfaceSpec = {
  surface: "messages",
  base: { model: "m", max_tokens: 8000, messages: [user(TEXT.hello)] },
  asks: {
    "system-text": { system: TEXT.system },
    "system-middle": { messages: [user(TEXT.hello), assistant(TEXT.answer), { role: "system", content: TEXT.later }, user(TEXT.next)] },
    "multi-turn": { messages: [user(TEXT.hello), assistant(TEXT.answer), user(TEXT.next)] },
    "image-base64": shows(image),
    "image-url": shows({ type: "image", source: { type: "url", url: MEDIA.pngUrl } }),
    pdf: shows(pdf),
    "file-name": shows({ ...pdf, title: FILE_NAME }),
    "file-by-id": shows({ type: "document", source: { type: "file", file_id: MEDIA.fileId } }),
    "unknown-part": shows({ type: "zq_part", zq: true }),
    "tool-definition": { tools },
    "tool-strict": { tools: [tool(TOOL.name, { strict: true })] },
    "tool-choice-auto": { tools, tool_choice: { type: "auto" } },
    "tool-choice-none": { tools, tool_choice: { type: "none" } },
    "tool-choice-required": { tools, tool_choice: { type: "any" } },
    "tool-choice-named": { tools: [...tools, tool(TOOL.second)], tool_choice: { type: "tool", name: TOOL.name } },
    "parallel-off": { tools, tool_choice: { type: "auto", disable_parallel_tool_use: true } },
    "tool-call": called(result(TOOL.callId, TEXT.result)),
    "tool-result": called(result(TOOL.callId, TEXT.result)),
    "tool-result-error": called(result(TOOL.callId, TEXT.failure, { is_error: true })),
    "parallel-results": {
      tools,
      messages: [
        user(TEXT.hello),
        assistant([use(TOOL.callId, TOOL.input), use(TOOL.secondId, TOOL.secondInput)]),
        user([result(TOOL.callId, TEXT.result), result(TOOL.secondId, TEXT.second), { type: "text", text: TEXT.next }]),
      ],
    },
    "tool-result-image": called(result(TOOL.callId, [{ type: "text", text: TEXT.result }, image])),
    "hosted-tool": { tools: [search] },
    "hosted-tool-beside-own": { tools: [...tools, search] },
    "max-output": { max_tokens: ASKED.maxOutput },
    stop: { stop_sequences: [ASKED.stop] },
    temperature: { temperature: ASKED.temperature },
    "temperature-refused": { temperature: ASKED.temperature },
    "top-p": { top_p: ASKED.topP },
    "top-k": { top_k: ASKED.topK },
    "json-schema": { output_config: { format: { type: "json_schema", schema: ANSWER_SCHEMA } } },
    effort: { thinking: { type: "adaptive" }, output_config: { effort: ASKED.effort } },
    "thinking-budget": { thinking: { type: "enabled", budget_tokens: ASKED.budget } },
    "thinking-off": { thinking: { type: "disabled" } },
    "reasoning-asked": { thinking: { type: "adaptive", display: "summarized" }, output_config: { effort: ASKED.effort } },
    "reasoning-text-replay": { tools, messages: [user(TEXT.hello), assistant([{ type: "thinking", thinking: ANSWER.reasoning, signature: "" }, { type: "text", text: TEXT.answer }]), user(TEXT.next)] },
    "cache-marker": { messages: [user([{ type: "text", text: TEXT.hello, ...marker }])] },
    "cache-marker-system": { system: [{ type: "text", text: TEXT.system, ...marker }] },
    "cache-marker-tool": { tools: [tool(TOOL.name, marker)] },
    "cache-marker-result": called(result(TOOL.callId, TEXT.result, marker)),
    "state-at-provider": { container: "container_zq" },
    "service-tier-ordinary": { service_tier: "standard_only" },
    "user-id": { metadata: { user_id: ASKED.user } },
    citations: shows({ ...pdf, citations: { enabled: true } }),
    "unknown-field": { [ASKED.unknown]: true },
  },
  replay: (answer) => ({ model: "m", max_tokens: 8000, tools, messages: [user(TEXT.hello), assistant(answer["content"] as Json), user([result(TOOL.callId, TEXT.result)])] }),
};
