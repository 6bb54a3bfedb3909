/** Chat completions as Mistral's clients write them: documents, sound and thoughts among the chunks of a content. */
import { isObject, type Json, type JsonObject } from "../../../src/wire/json.ts";
import { ANSWER, ANSWER_SCHEMA, ASKED, FILE_NAME, MEDIA, TEXT, TOOL } from "../marks.ts";
import { dataUri, type SurfaceSpec } from "./spec.ts";

const user = (content: Json): JsonObject => ({ role: "user", content });
const assistant = (content: Json, more: JsonObject = {}): JsonObject => ({ role: "assistant", content, ...more, prefix: false });
const shows = (...parts: readonly JsonObject[]): JsonObject => ({ messages: [user([{ type: "text", text: TEXT.hello }, ...parts])] });
const fn = (name: string, more: JsonObject = {}): JsonObject => ({ type: "function", function: { name, description: TOOL.description, parameters: TOOL.schema, ...more } });
const tools = [fn(TOOL.name)];
const call = (id: string, input: Json): JsonObject => ({ id, type: "function", function: { name: TOOL.name, arguments: JSON.stringify(input) } });
const result = (id: string, content: Json): JsonObject => ({ role: "tool", tool_call_id: id, name: TOOL.name, content });
const called = { tools, messages: [user(TEXT.hello), assistant("", { tool_calls: [call(TOOL.callId, TOOL.input)] }), result(TOOL.callId, TEXT.result)] };
const document = { type: "document_url", document_url: dataUri("application/pdf", MEDIA.pdf) };

export const chatMistralSpec: SurfaceSpec = {
  surface: "chat-mistral",
  base: { model: "m", messages: [user(TEXT.hello)] },
  asks: {
    "system-text": { messages: [{ role: "system", content: TEXT.system }, user(TEXT.hello)] },
    "system-middle": { messages: [user(TEXT.hello), assistant(TEXT.answer), { role: "system", content: TEXT.later }, user(TEXT.next)] },
    "multi-turn": { messages: [user(TEXT.hello), assistant(TEXT.answer), user(TEXT.next)] },
    "image-base64": shows({ type: "image_url", image_url: dataUri("image/png", MEDIA.png) }),
    "image-url": shows({ type: "image_url", image_url: MEDIA.pngUrl }),
    "image-detail": shows({ type: "image_url", image_url: { url: dataUri("image/png", MEDIA.png), detail: "low" } }),
    pdf: shows(document),
    "file-name": shows({ ...document, document_name: FILE_NAME }),
    "file-by-id": shows({ type: "file", file_id: MEDIA.fileId }),
    "audio-in": shows({ type: "input_audio", input_audio: MEDIA.wav }),
    "unknown-part": shows({ type: "zq_part", zq: true }),
    "tool-definition": { tools },
    "tool-strict": { tools: [fn(TOOL.name, { strict: true })] },
    "tool-choice-auto": { tools, tool_choice: "auto" },
    "tool-choice-none": { tools, tool_choice: "none" },
    "tool-choice-required": { tools, tool_choice: "any" },
    "tool-choice-named": { tools: [...tools, fn(TOOL.second)], tool_choice: { type: "function", function: { name: TOOL.name } } },
    "parallel-off": { tools, parallel_tool_calls: false },
    "tool-call": called,
    "tool-result": called,
    "parallel-results": {
      tools,
      messages: [
        user(TEXT.hello),
        assistant("", { tool_calls: [call(TOOL.callId, TOOL.input), call(TOOL.secondId, TOOL.secondInput)] }),
        result(TOOL.callId, TEXT.result),
        result(TOOL.secondId, TEXT.second),
        user(TEXT.next),
      ],
    },
    "hosted-tool": { tools: [{ type: "web_search" }] },
    "hosted-tool-beside-own": { tools: [...tools, { type: "web_search" }] },
    "max-output": { max_tokens: ASKED.maxOutput },
    stop: { stop: [ASKED.stop] },
    temperature: { temperature: ASKED.temperature },
    "temperature-refused": { temperature: ASKED.temperature },
    "top-p": { top_p: ASKED.topP },
    seed: { random_seed: ASKED.seed },
    n: { n: ASKED.choices },
    penalties: { presence_penalty: ASKED.presence, frequency_penalty: ASKED.frequency },
    "json-object": { response_format: { type: "json_object" } },
    "json-schema": { response_format: { type: "json_schema", json_schema: { name: "zq_notes", schema: ANSWER_SCHEMA, strict: true } } },
    effort: { reasoning_effort: ASKED.effort },
    "thinking-off": { reasoning_effort: "none" },
    "reasoning-text-replay": {
      tools,
      messages: [user(TEXT.hello), assistant([{ type: "thinking", thinking: [{ type: "text", text: ANSWER.reasoning }], closed: true }, { type: "text", text: TEXT.answer }]), user(TEXT.next)],
    },
    "cache-key": { prompt_cache_key: ASKED.cacheKey },
    "service-tier-ordinary": { service_tier: "standard_only" },
    metadata: { metadata: { [ASKED.label]: ASKED.labelValue } },
    "safety-settings": { safe_prompt: true },
    "unknown-field": { [ASKED.unknown]: true },
  },
  replay: (answer) => {
    const [choice] = answer["choices"] as readonly { readonly message: JsonObject }[];
    return { model: "m", tools, messages: [user(TEXT.hello), asKept(choice?.message ?? {}), result(TOOL.callId, TEXT.result)] };
  },
};

/** What the official client keeps of a message: members that it does not know are gone. */
function asKept({ content, tool_calls: calls }: JsonObject): JsonObject {
  const known = (one: Json, keys: readonly string[]): Json => (isObject(one) ? Object.fromEntries(Object.entries(one).filter(([key]) => keys.includes(key))) : one);
  const chunks = Array.isArray(content) ? (content as readonly Json[]).map((chunk) => known(chunk, ["type", "text", "thinking", "signature", "closed"])) : (content ?? null);
  const kept = Array.isArray(calls) ? { tool_calls: (calls as readonly Json[]).map((one) => known(one, ["id", "type", "function", "index"])) } : {};
  return assistant(chunks, kept);
}
