/** Messages as its clients read it. */
import type { Json, JsonObject } from "../../../src/wire/json.ts";
import { dataOf, list, NOTHING_SEEN, num, obj, parsedInput, str, type Reader, type Seen } from "./spec.ts";

function assemble(events: Parameters<Reader["assemble"]>[0]): JsonObject {
  const blocks: { block: Record<string, Json>; json: string }[] = [];
  let message: JsonObject = {};
  let usage: JsonObject = {};
  for (const data of dataOf(events)) {
    const at = num(data["index"]);
    if (data["type"] === "message_start") {
      message = obj(data["message"]);
      usage = obj(message["usage"]);
    } else if (data["type"] === "content_block_start") blocks[at] = { block: { ...(obj(data["content_block"]) as Record<string, Json>) }, json: "" };
    else if (data["type"] === "content_block_delta") addDelta(blocks[at], obj(data["delta"]));
    else if (data["type"] === "message_delta") {
      message = { ...message, ...obj(data["delta"]) };
      usage = { ...usage, ...obj(data["usage"]) };
    }
  }
  const content = blocks.map(({ block, json }) => (block["type"] === "tool_use" && json !== "" ? { ...block, input: parsedInput(json) as Json } : block));
  return { ...message, content, usage };
}

function addDelta(open: { block: Record<string, Json>; json: string } | undefined, delta: JsonObject): void {
  if (open === undefined) throw new Error("a piece of a block that was not opened");
  for (const key of ["text", "thinking", "signature"]) if (typeof delta[key] === "string") open.block[key] = str(open.block[key]) + delta[key];
  open.json += str(delta["partial_json"]);
}

function read(answer: JsonObject): Seen {
  const usage = obj(answer["usage"]);
  const blocks = list(answer["content"]).map(obj);
  const ofType = (type: string): readonly JsonObject[] => blocks.filter((block) => block["type"] === type);
  const thinking = num(obj(usage["output_tokens_details"])["thinking_tokens"]);
  return {
    usage: {
      input: num(usage["input_tokens"]), cacheRead: num(usage["cache_read_input_tokens"]), cacheWrite: num(usage["cache_creation_input_tokens"]),
      output: num(usage["output_tokens"]) - thinking, reasoning: thinking,
    },
    choices: [
      {
        ...NOTHING_SEEN,
        text: ofType("text").map((block) => str(block["text"])).join(""),
        reasoning: ofType("thinking").map((block) => str(block["thinking"])).join(""),
        calls: ofType("tool_use").map((block) => ({ id: str(block["id"]), name: str(block["name"]), input: block["input"] })),
        finish: str(answer["stop_reason"]),
        signatures: ofType("thinking").map((block) => str(block["signature"])).filter((one) => one !== ""),
        redacted: ofType("redacted_thinking").map((block) => str(block["data"])),
      },
    ],
  };
}

export const messagesReader: Reader = { assemble, read, finish: { stop: "end_turn", length: "max_tokens", filter: "refusal", calls: "tool_use" } };
