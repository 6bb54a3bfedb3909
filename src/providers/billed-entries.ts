/** What of a kept usage object says that several models were billed in one answer. */
import { isObject, type Json } from "../wire/json.ts";
import type { Usage } from "../wire/usage.ts";
import { readUsage } from "./dialects/anthropic/usage.ts";

/** Each model's own counts; undefined: the answer was one model's. */
export function billedEntries(raw: Json): Usage["entries"] {
  return isObject(raw) && Array.isArray(raw["iterations"]) ? readUsage(raw, true)?.entries : undefined;
}
