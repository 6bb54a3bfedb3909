/** Cohere's Chat v2 as its clients read it. */
import type { Json, JsonObject } from "../../../src/wire/json.ts";
import { dataOf, list, NOTHING_SEEN, num, obj, parsedInput, str, type Reader, type Seen } from "./spec.ts";

function assemble(events: Parameters<Reader["assemble"]>[0]): JsonObject {
  const content = new Map<number, Record<string, Json>>();
  const calls = new Map<number, { id: Json; name: Json; json: string }>();
  const logprobs: Json[] = [];
  let ending: JsonObject = {};
  for (const data of dataOf(events)) {
    const index = num(data["index"]);
    const message = obj(obj(data["delta"])["message"]);
    const call = obj(message["tool_calls"]);
    if (data["logprobs"] !== undefined) logprobs.push(data["logprobs"]);
    if (data["type"] === "content-start") content.set(index, { ...(obj(message["content"]) as Record<string, Json>) });
    else if (data["type"] === "content-delta") addText(content.get(index), obj(message["content"]));
    else if (data["type"] === "tool-call-start") calls.set(index, { id: call["id"] ?? null, name: obj(call["function"])["name"] ?? null, json: str(obj(call["function"])["arguments"]) });
    else if (data["type"] === "tool-call-delta") {
      const open = calls.get(index);
      if (open !== undefined) open.json += str(obj(call["function"])["arguments"]);
    } else if (data["type"] === "message-end") ending = obj(data["delta"]);
  }
  const made = [...calls.values()].map(({ id, name, json }) => ({ id, type: "function", function: { name, arguments: json } }));
  return {
    ...ending,
    message: { role: "assistant", ...(content.size === 0 ? {} : { content: [...content.values()] }), ...(made.length === 0 ? {} : { tool_calls: made }) },
    ...(logprobs.length === 0 ? {} : { logprobs }),
  };
}

function addText(item: Record<string, Json> | undefined, piece: JsonObject): void {
  if (item === undefined) throw new Error("a piece of a content that was not opened");
  for (const key of ["text", "thinking"]) if (typeof piece[key] === "string") item[key] = str(item[key]) + piece[key];
}

function read(answer: JsonObject): Seen {
  const counts = obj(obj(answer["usage"])["tokens"]);
  const message = obj(answer["message"]);
  const content = list(message["content"]).map(obj);
  return {
    // Inside the input, of which nobody can be sure: `cached_tokens` is no class of what is billed.
    usage: { input: num(counts["input_tokens"]), cacheRead: null, cacheWrite: null, output: num(counts["output_tokens"]), reasoning: null },
    choices: [
      {
        ...NOTHING_SEEN,
        text: content.map((item) => str(item["text"])).join(""),
        reasoning: str(message["tool_plan"]) + content.map((item) => str(item["thinking"])).join(""),
        calls: list(message["tool_calls"]).map(obj).map((call) => ({ id: str(call["id"]), name: str(obj(call["function"])["name"]), input: parsedInput(str(obj(call["function"])["arguments"])) })),
        finish: str(answer["finish_reason"]),
        logprobs: list(answer["logprobs"]).map(obj).flatMap((one) => list(one["logprobs"]).map(num)),
      },
    ],
  };
}

/** The version before had a word for what was filtered. */
export const chatV2Reader: Reader = { assemble, read, finish: { stop: "COMPLETE", length: "MAX_TOKENS", filter: null, calls: "TOOL_CALL" }, nearest: { filter: "ERROR_TOXIC" } };
