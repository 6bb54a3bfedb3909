/**
 * Streams put together for comparing: the kinds of their events in order, each run once, and the answer that they make.
 * Where a text is cut into pieces is the provider's doing and makes no difference.
 */
import { asArray, asNumber, asString, isObject, member, type Json, type JsonObject } from "../../src/wire/json.ts";
import type { SurfaceName } from "../../src/wire/surfaces.ts";

/** What the frames of a stream for such a client amount to. */
export function assembled(surface: SurfaceName, frames: readonly JsonObject[]): JsonObject {
  if (surface === "chat") return ofChat(frames);
  return surface === "messages" ? ofMessages(frames) : ofResponses(frames);
}

function ofChat(frames: readonly JsonObject[]): JsonObject {
  const made: { [key: string]: Json } = {};
  const calls: { [key: string]: Json }[] = [];
  const order: string[] = [];
  for (const frame of frames) {
    const choice = asArray(frame["choices"])[0];
    const delta = member(choice, "delta");
    for (const [key, value] of Object.entries(isObject(delta) ? delta : {})) {
      if (value === null || value === undefined || value === "") continue;
      order.push(key);
      if (key === "tool_calls") asArray(value).forEach((call) => mergeCall(calls, call));
      else made[key] = typeof value === "string" ? (asString(made[key]) ?? "") + value : value;
    }
    const finish = member(choice, "finish_reason");
    if (typeof finish === "string") {
      made["finish_reason"] = finish;
      order.push("finish_reason");
    }
    if (isObject(frame["usage"])) {
      made["usage"] = frame["usage"];
      order.push(asArray(frame["choices"]).length === 0 ? "usage in a chunk of its own" : "usage");
    }
  }
  return { order: runs(order), model: frames[0]?.["model"], ...made, ...(calls.length > 0 && { tool_calls: calls }) };
}

function mergeCall(calls: { [key: string]: Json }[], call: Json): void {
  const into = (calls[asNumber(member(call, "index")) ?? 0] ??= { arguments: "" });
  const called = member(call, "function");
  for (const [key, value] of [["id", member(call, "id")], ["type", member(call, "type")], ["name", member(called, "name")]] as const) {
    if (typeof value === "string") into[key] = value;
  }
  into["arguments"] = `${asString(into["arguments"]) ?? ""}${asString(member(called, "arguments")) ?? ""}`;
}

function ofMessages(frames: readonly JsonObject[]): JsonObject {
  const blocks: { [key: string]: Json }[] = [];
  const start = frames.find((frame) => frame["type"] === "message_start");
  const end = frames.find((frame) => frame["type"] === "message_delta");
  for (const frame of frames) {
    const at = asNumber(frame["index"]) ?? 0;
    const block = frame["content_block"];
    if (frame["type"] === "content_block_start" && isObject(block)) blocks[at] = { ...block } as { [key: string]: Json };
    const delta = frame["delta"];
    if (frame["type"] !== "content_block_delta" || !isObject(delta)) continue;
    const into = (blocks[at] ??= {});
    for (const [key, value] of Object.entries(delta)) if (key !== "type") into[key] = (asString(into[key]) ?? "") + (asString(value) ?? "");
  }
  return {
    order: runs(frames.map((frame) => [frame["type"], member(frame["delta"], "type")].filter((word) => typeof word === "string").join(" "))),
    message: member(start, "message"),
    content: blocks,
    delta: member(end, "delta"),
    usage: member(end, "usage"),
  };
}

function ofResponses(frames: readonly JsonObject[]): JsonObject {
  const deltas = frames.map((frame) => (frame["type"] === "response.output_text.delta" ? (asString(frame["delta"]) ?? "") : ""));
  return {
    order: runs(frames.map((frame) => asString(frame["type"]) ?? "")),
    first: frames[0]?.["sequence_number"],
    text: deltas.join(""),
    response: frames.at(-1)?.["response"],
  };
}

function runs(words: readonly string[]): readonly string[] {
  return words.filter((word, i) => word !== words[i - 1]);
}
