/** Converse as its clients read it. */
import type { Json, JsonObject } from "../../../src/wire/json.ts";
import { list, NOTHING_SEEN, num, obj, parsedInput, str, type Reader, type Seen } from "./spec.ts";

interface OpenBlock {
  text: string;
  reasoning: string;
  signature: string;
  redacted: string;
  call: JsonObject | null;
  json: string;
}

function assemble(events: Parameters<Reader["assemble"]>[0]): JsonObject {
  const blocks: OpenBlock[] = [];
  let stopReason: Json = null;
  let usage: Json = null;
  const at = (data: JsonObject): OpenBlock => (blocks[num(data["contentBlockIndex"])] ??= { text: "", reasoning: "", signature: "", redacted: "", call: null, json: "" });
  for (const { event, data: text } of events) {
    const data = obj(JSON.parse(text));
    if (event === "contentBlockStart") at(data).call = obj(obj(data["start"])["toolUse"]);
    else if (event === "contentBlockDelta") addDelta(at(data), obj(data["delta"]));
    else if (event === "messageStop") stopReason = data["stopReason"] ?? null;
    else if (event === "metadata") usage = data["usage"] ?? null;
  }
  return { output: { message: { role: "assistant", content: blocks.map(whole) } }, stopReason, usage };
}

function addDelta(block: OpenBlock, delta: JsonObject): void {
  const reasoning = obj(delta["reasoningContent"]);
  block.text += str(delta["text"]);
  block.reasoning += str(reasoning["text"]);
  block.signature += str(reasoning["signature"]);
  block.redacted += str(reasoning["redactedContent"]);
  block.json += str(obj(delta["toolUse"])["input"]);
}

function whole({ text, reasoning, signature, redacted, call, json }: OpenBlock): JsonObject {
  if (call !== null) return { toolUse: { ...call, input: json === "" ? {} : (parsedInput(json) as Json) } };
  if (redacted !== "") return { reasoningContent: { redactedContent: redacted } };
  if (reasoning !== "" || signature !== "") return { reasoningContent: { reasoningText: { text: reasoning, ...(signature === "" ? {} : { signature }) } } };
  return { text };
}

function read(answer: JsonObject): Seen {
  const usage = obj(answer["usage"]);
  const blocks = list(obj(obj(answer["output"])["message"])["content"]).map(obj);
  const reasoning = blocks.map((block) => obj(block["reasoningContent"]));
  const calls = blocks.filter((block) => block["toolUse"] !== undefined).map((block) => obj(block["toolUse"]));
  return {
    usage: {
      input: num(usage["inputTokens"]), cacheRead: num(usage["cacheReadInputTokens"]), cacheWrite: num(usage["cacheWriteInputTokens"]),
      output: num(usage["outputTokens"]), reasoning: null,
    },
    choices: [
      {
        ...NOTHING_SEEN,
        text: blocks.map((block) => str(block["text"])).join(""),
        reasoning: reasoning.map((one) => str(obj(one["reasoningText"])["text"])).join(""),
        calls: calls.map((call) => ({ id: str(call["toolUseId"]), name: str(call["name"]), input: call["input"] })),
        finish: str(answer["stopReason"]),
        signatures: reasoning.map((one) => str(obj(one["reasoningText"])["signature"])).filter((one) => one !== ""),
        redacted: reasoning.map((one) => str(one["redactedContent"])).filter((one) => one !== ""),
      },
    ],
  };
}

export const converseReader: Reader = { assemble, read, finish: { stop: "end_turn", length: "max_tokens", filter: "content_filtered", calls: "tool_use" } };
