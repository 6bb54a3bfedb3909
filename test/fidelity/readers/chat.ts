/** Chat Completions as its clients read it, and the legacy completions, whose frames are alike. */
import type { Json, JsonObject } from "../../../src/wire/json.ts";
import { dataOf, list, NOTHING_SEEN, num, obj, parsedInput, str, type Reader, type Seen } from "./spec.ts";

interface Open {
  text: string;
  message: Record<string, Json>;
  calls: Record<string, Json>[];
  finish: Json;
  logprobs: Json[];
}

function assemble(events: Parameters<Reader["assemble"]>[0]): JsonObject {
  const choices = new Map<number, Open>();
  let usage: Json = null;
  for (const chunk of dataOf(events)) {
    usage = chunk["usage"] ?? usage;
    for (const choice of list(chunk["choices"]).map(obj)) {
      const index = num(choice["index"]);
      const open = choices.get(index) ?? { text: "", message: {}, calls: [], finish: null, logprobs: [] };
      choices.set(index, open);
      open.text += str(choice["text"]);
      addDelta(open, { ...obj(choice["delta"]), ...(choice["reasoning_content"] === undefined ? {} : { reasoning_content: choice["reasoning_content"] }) });
      open.finish = choice["finish_reason"] ?? open.finish;
      open.logprobs.push(...list(obj(choice["logprobs"])["content"]));
    }
  }
  const whole = [...choices].map(([index, { text, message, calls, finish, logprobs }]) => ({
    index, text, finish_reason: finish,
    ...(message["reasoning_content"] === undefined ? {} : { reasoning_content: message["reasoning_content"] }),
    message: { role: "assistant", ...message, ...(calls.length === 0 ? {} : { tool_calls: calls }) },
    logprobs: logprobs.length === 0 ? null : { content: logprobs },
  }));
  return { choices: whole, usage };
}

/** As official clients do: texts and lists grow, anything else is replaced. */
function addDelta(open: Open, delta: JsonObject): void {
  for (const [key, value] of Object.entries(delta)) {
    const before = open.message[key];
    if (key === "tool_calls") for (const piece of list(value)) addCall(open.calls, obj(piece));
    else if (typeof value === "string" && typeof before === "string" && key !== "role") open.message[key] = before + value;
    else if (Array.isArray(value)) open.message[key] = [...list(before), ...list(value)];
    else if (value !== undefined && value !== null) open.message[key] = value;
  }
}

function addCall(calls: Record<string, Json>[], piece: JsonObject): void {
  const { index, function: said, ...rest } = piece;
  const call = (calls[num(index)] ??= { function: { name: "", arguments: "" } });
  const before = obj(call["function"]);
  Object.assign(call, rest, { function: { name: str(before["name"]) + str(obj(said)["name"]), arguments: str(before["arguments"]) + str(obj(said)["arguments"]) } });
}

function read(answer: JsonObject): Seen {
  const usage = obj(answer["usage"]);
  const cacheRead = num(obj(usage["prompt_tokens_details"])["cached_tokens"]);
  const cacheWrite = num(obj(usage["prompt_tokens_details"])["cache_write_tokens"]);
  const reasoning = num(obj(usage["completion_tokens_details"])["reasoning_tokens"]);
  return {
    usage: { input: num(usage["prompt_tokens"]) - cacheRead - cacheWrite, cacheRead, cacheWrite, output: num(usage["completion_tokens"]) - reasoning, reasoning },
    choices: list(answer["choices"]).map(obj).map((choice) => {
      const message = obj(choice["message"]);
      const blocks = list(message["thinking_blocks"]).map(obj);
      const calls = list(message["tool_calls"]).map(obj);
      const google = [...blocks, ...calls].map((one) => obj(obj(one["extra_content"])["google"])["thought_signature"]);
      return {
        ...NOTHING_SEEN,
        text: str(message["content"]) + str(choice["text"]),
        reasoning: str(message["reasoning_content"]) || str(choice["reasoning_content"]),
        refusal: str(message["refusal"]),
        calls: calls.map((call) => ({ id: str(call["id"]), name: str(obj(call["function"])["name"]), input: parsedInput(str(obj(call["function"])["arguments"])) })),
        finish: str(choice["finish_reason"]),
        signatures: [...blocks.map((block) => block["signature"]), ...google].map(str).filter((one) => one !== ""),
        redacted: blocks.map((block) => str(block["data"])).filter((one) => one !== ""),
        logprobs: list(obj(choice["logprobs"])["content"]).map(obj).map((one) => num(one["logprob"])),
      };
    }),
  };
}

const finish = { stop: "stop", length: "length", filter: "content_filter", calls: "tool_calls" } as const;

export const chatReader: Reader = { assemble, read, finish };
export const completionsReader: Reader = { assemble: (events) => withoutMessages(assemble(events)), read, finish: { ...finish, calls: null }, reasoningBeside: true };

/** These have a text and no message. */
function withoutMessages(answer: JsonObject): JsonObject {
  return { ...answer, choices: list(answer["choices"]).map((choice) => ({ ...obj(choice), message: null })) };
}
