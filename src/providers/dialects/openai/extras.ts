/** What of a chat request's price-bearing fields can be bounded beforehand. */
import { asString, type JsonObject } from "../../../wire/json.ts";
import { usesOf, type Extras } from "../../../wire/extras.ts";

/** undefined: none of them. */
export function extrasOf(raw: JsonObject): Extras | undefined {
  const fields: string[] = [];
  const serviceTier = asString(raw["service_tier"]);
  if (serviceTier !== undefined) fields.push("service_tier");
  // So many answers are written, of which `n` are given back.
  const bestOf = usesOf(raw["best_of"]);
  if (bestOf !== undefined) fields.push("best_of");
  if (fields.length === 0) return undefined;
  return { fields, ...(serviceTier === undefined ? {} : { serviceTier }), ...(bestOf === undefined ? {} : { choiceCount: bestOf }) };
}
