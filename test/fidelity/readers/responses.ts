/** Responses as its clients read it. */
import type { JsonObject } from "../../../src/wire/json.ts";
import { dataOf, list, NOTHING_SEEN, num, obj, parsedInput, str, type Reader, type Seen } from "./spec.ts";

/** Deltas that add up to a text of their item. */
const DELTAS = ["response.output_text.delta", "response.refusal.delta", "response.reasoning_summary_text.delta", "response.function_call_arguments.delta"];

/** Items as they were closed, after a check that their pieces say the same; the rest as the last event has it. */
function assemble(events: Parameters<Reader["assemble"]>[0]): JsonObject {
  const pieces = new Map<string, string>();
  const output: JsonObject[] = [];
  let response: JsonObject = {};
  for (const data of dataOf(events)) {
    const type = str(data["type"]);
    const id = str(data["item_id"]);
    if (DELTAS.includes(type)) pieces.set(id, (pieces.get(id) ?? "") + str(data["delta"]));
    if (type === "response.output_item.done") output.push(obj(data["item"]));
    if (data["response"] !== undefined) response = obj(data["response"]);
  }
  for (const item of output) {
    const said = textOf(item);
    const streamed = pieces.get(str(item["id"])) ?? "";
    if (said !== streamed) throw new Error(`the pieces of an item say ${JSON.stringify(streamed)}, the item ${JSON.stringify(said)}`);
  }
  return { ...response, output };
}

function textOf(item: JsonObject): string {
  const parts = [...list(item["content"]), ...list(item["summary"])].map(obj);
  return parts.map((part) => str(part["text"]) + str(part["refusal"])).join("") + str(item["arguments"]);
}

function read(answer: JsonObject): Seen {
  const usage = obj(answer["usage"]);
  const details = obj(usage["input_tokens_details"]);
  const cacheRead = num(details["cached_tokens"]);
  const cacheWrite = num(details["cache_write_tokens"]);
  const reasoning = num(obj(usage["output_tokens_details"])["reasoning_tokens"]);
  const items = list(answer["output"]).map(obj);
  const ofType = (type: string): readonly JsonObject[] => items.filter((item) => item["type"] === type);
  const parts = ofType("message").flatMap((item) => list(item["content"])).map(obj);
  const calls = ofType("function_call");
  const reason = str(obj(answer["incomplete_details"])["reason"]);
  return {
    usage: { input: num(usage["input_tokens"]) - cacheRead - cacheWrite, cacheRead, cacheWrite, output: num(usage["output_tokens"]) - reasoning, reasoning },
    choices: [
      {
        ...NOTHING_SEEN,
        text: parts.map((part) => str(part["text"])).join(""),
        refusal: parts.map((part) => str(part["refusal"])).join(""),
        reasoning: ofType("reasoning").flatMap((item) => list(item["summary"])).map((part) => str(obj(part)["text"])).join(""),
        calls: calls.map((call) => ({ id: str(call["call_id"]), name: str(call["name"]), input: parsedInput(str(call["arguments"])) })),
        finish: reason !== "" ? reason : calls.length > 0 ? "calls" : str(answer["status"]),
        signatures: ofType("reasoning").map((item) => str(item["encrypted_content"])).filter((one) => one !== ""),
        logprobs: parts.flatMap((part) => list(part["logprobs"])).map(obj).map((one) => num(one["logprob"])),
      },
    ],
  };
}

/** Calls have no word of their own: they stand among the items of a completed response. */
export const responsesReader: Reader = { assemble, read, finish: { stop: "completed", length: "max_output_tokens", filter: "content_filter", calls: "calls" } };
