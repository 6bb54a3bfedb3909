/** Converse as clients write it. */
import type { Json, JsonObject } from "../../../src/wire/json.ts";
import { ANSWER, ANSWER_SCHEMA, ASKED, FILE_NAME, MEDIA, TEXT, TOOL } from "../marks.ts";
import type { SurfaceSpec } from "./spec.ts";

const user = (...content: readonly Json[]): JsonObject => ({ role: "user", content });
const assistant = (...content: readonly Json[]): JsonObject => ({ role: "assistant", content });
const hello = { text: TEXT.hello };
const shows = (block: JsonObject): JsonObject => ({ messages: [user(hello, block)] });
const spec = (name: string, more: JsonObject = {}): JsonObject => ({ toolSpec: { name, description: TOOL.description, inputSchema: { json: TOOL.schema }, ...more } });
const offering = (tools: readonly JsonObject[], more: JsonObject = {}): JsonObject => ({ toolConfig: { tools, ...more } });
const tools = [spec(TOOL.name)];
const use = (toolUseId: string, input: JsonObject): JsonObject => ({ toolUse: { toolUseId, name: TOOL.name, input } });
const result = (toolUseId: string, content: readonly Json[], more: JsonObject = {}): JsonObject => ({ toolResult: { toolUseId, content, ...more } });
const called = (...results: readonly JsonObject[]): JsonObject => ({ ...offering(tools), messages: [user(hello), assistant(use(TOOL.callId, TOOL.input)), user(...results)] });
const inferring = (inferenceConfig: JsonObject): JsonObject => ({ inferenceConfig });
const telling = (additionalModelRequestFields: JsonObject): JsonObject => ({ additionalModelRequestFields });
const png = { image: { format: "png", source: { bytes: MEDIA.png } } };
const pdf = { format: "pdf", name: "a", source: { bytes: MEDIA.pdf } };
const point = { cachePoint: { type: "default" } };

export const converseSpec: SurfaceSpec = {
  surface: "converse",
  base: { messages: [user(hello)] },
  asks: {
    "system-text": { system: [{ text: TEXT.system }] },
    "multi-turn": { messages: [user(hello), assistant({ text: TEXT.answer }), user({ text: TEXT.next })] },
    "image-base64": shows(png),
    pdf: shows({ document: pdf }),
    "file-name": shows({ document: { ...pdf, name: FILE_NAME.replace(".pdf", "") } }),
    "file-by-id": shows({ document: { ...pdf, source: { s3Location: { uri: `s3://zq/${MEDIA.fileId}` } } } }),
    "audio-in": shows({ audio: { format: "wav", source: { bytes: MEDIA.wav } } }),
    "video-in": shows({ video: { format: "mp4", source: { bytes: MEDIA.mp4 } } }),
    "unknown-part": shows({ zq_part: { zq: true } }),
    "tool-definition": offering(tools),
    "tool-strict": offering([spec(TOOL.name, { strict: true })]),
    "tool-choice-auto": offering(tools, { toolChoice: { auto: {} } }),
    "tool-choice-required": offering(tools, { toolChoice: { any: {} } }),
    "tool-choice-named": offering([...tools, spec(TOOL.second)], { toolChoice: { tool: { name: TOOL.name } } }),
    "parallel-off": { ...offering(tools), ...telling({ tool_choice: { type: "auto", disable_parallel_tool_use: true } }) },
    "tool-call": called(result(TOOL.callId, [{ text: TEXT.result }])),
    "tool-result": called(result(TOOL.callId, [{ text: TEXT.result }])),
    "tool-result-error": called(result(TOOL.callId, [{ text: TEXT.failure }], { status: "error" })),
    "parallel-results": {
      ...offering(tools),
      messages: [
        user(hello),
        assistant(use(TOOL.callId, TOOL.input), use(TOOL.secondId, TOOL.secondInput)),
        user(result(TOOL.callId, [{ text: TEXT.result }]), result(TOOL.secondId, [{ text: TEXT.second }]), { text: TEXT.next }),
      ],
    },
    "tool-result-image": called(result(TOOL.callId, [{ text: TEXT.result }, png])),
    "hosted-tool": offering([{ systemTool: { name: "nova_grounding" } }]),
    "max-output": inferring({ maxTokens: ASKED.maxOutput }),
    stop: inferring({ stopSequences: [ASKED.stop] }),
    temperature: inferring({ temperature: ASKED.temperature }),
    "temperature-refused": inferring({ temperature: ASKED.temperature }),
    "top-p": inferring({ topP: ASKED.topP }),
    "top-k": telling({ top_k: ASKED.topK }),
    "json-schema": { outputConfig: { textFormat: { type: "json_schema", structure: { jsonSchema: { name: "zq_notes", schema: JSON.stringify(ANSWER_SCHEMA) } } } } },
    effort: telling({ thinking: { type: "adaptive" }, output_config: { effort: ASKED.effort } }),
    "thinking-budget": { ...inferring({ maxTokens: 8000 }), ...telling({ thinking: { type: "enabled", budget_tokens: ASKED.budget } }) },
    "thinking-off": telling({ thinking: { type: "disabled" } }),
    "reasoning-text-replay": {
      ...offering(tools),
      messages: [user(hello), assistant({ reasoningContent: { reasoningText: { text: ANSWER.reasoning } } }, { text: TEXT.answer }), user({ text: TEXT.next })],
    },
    "cache-marker": { messages: [user(hello, point)] },
    "cache-marker-system": { system: [{ text: TEXT.system }, point] },
    "cache-marker-tool": offering([...tools, point]),
    "cache-marker-result": called(result(TOOL.callId, [{ text: TEXT.result }]), point),
    "service-tier": { serviceTier: { type: "flex" } },
    "service-tier-ordinary": { serviceTier: { type: "default" } },
    metadata: { requestMetadata: { [ASKED.label]: ASKED.labelValue } },
    "safety-settings": { guardrailConfig: { guardrailIdentifier: "zq", guardrailVersion: "1" } },
    citations: shows({ document: { ...pdf, citations: { enabled: true } } }),
    "unknown-field": { [ASKED.unknown]: true },
  },
  replay: (answer) => {
    const { message } = answer["output"] as { readonly message: Json };
    return { ...offering(tools), messages: [user(hello), message, user(result(TOOL.callId, [{ text: TEXT.result }]))] };
  },
};
