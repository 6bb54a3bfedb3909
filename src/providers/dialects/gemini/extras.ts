/** What of a generateContent request's price-bearing fields can be bounded beforehand. */
import { asString, type JsonObject } from "../../../wire/json.ts";
import type { Extras } from "../../../wire/extras.ts";
import { unboundedFields } from "./unbounded.ts";

const UNSPECIFIED = /unspecified|^$/;

/** undefined: none of them. The provider's tools have no limit of calls here. */
export function extrasOf(raw: JsonObject): Extras | undefined {
  const fields: string[] = [];
  let serviceTier: string | undefined;
  for (const key of ["serviceTier", "service_tier"]) {
    const word = asString(raw[key])?.toLowerCase().replace(/^service_tier_/, "");
    if (word === undefined) continue;
    fields.push(key);
    serviceTier ??= UNSPECIFIED.test(word) ? "default" : word;
  }
  // A file is of unknown size, but no prompt is longer than the context window.
  const files = unboundedFields(raw).filter((field) => field.startsWith("contents[]."));
  if (fields.length + files.length === 0) return undefined;
  return { fields: [...fields, ...files], ...(serviceTier === undefined ? {} : { serviceTier }), ...(files.length === 0 ? {} : { windows: 1 }) };
}
