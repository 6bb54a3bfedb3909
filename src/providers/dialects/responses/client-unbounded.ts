/** Price-bearing fields of a Responses body that a bound in tokens does not cover, and what the model sees beyond the hub's request. */
import { asArray, asString, isObject, member } from "../../../wire/json.ts";
import type { JsonObject } from "../../../wire/json.ts";
import { utf8Bytes } from "../openai/measure.ts";
import { unboundedFields } from "./encode-price-fields.ts";
import { listedTools } from "./client-names.ts";
import { isOurs } from "./client-state.ts";

/** Items whose text the hub's request holds. */
const HELD = new Set(["message", "function_call", "function_call_output", "custom_tool_call", "custom_tool_call_output", "additional_tools"]);
/** Paths of the price-bearing fields that are present: `service_tier`, `tools[].type=web_search`. */
export function unboundedByClient(raw: JsonObject): readonly string[] {
  const found = new Set(unboundedFields(raw));
  for (const item of asArray(raw["input"])) {
    const type = asString(member(item, "type"));
    // A compacted conversation is larger than what stands for it.
    if (type === "compaction" || type === "compaction_trigger") found.add(`input[].type=${type}`);
  }
  return [...found];
}

/**
 * UTF-8 bytes that a provider of this dialect shows its model and the hub's request does not hold: encrypted reasoning, items
 * and tools of kinds that only this dialect has. The bound of a call on the byte lane must count them.
 */
export function unseenBytes(raw: JsonObject): number {
  let bytes = 0;
  for (const item of asArray(raw["input"])) {
    if (!isObject(item)) continue;
    const type = asString(item["type"]) ?? "message";
    if (type === "reasoning") bytes += isOurs(item["encrypted_content"]) ? 0 : utf8Bytes(asString(item["encrypted_content"]) ?? "");
    else if (!HELD.has(type)) bytes += utf8Bytes(JSON.stringify(item));
  }
  for (const { raw: tool } of listedTools(raw)) {
    if (tool["type"] !== "function" && tool["type"] !== "custom") bytes += utf8Bytes(JSON.stringify(tool));
  }
  return bytes;
}
