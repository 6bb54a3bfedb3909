/** What of a Converse request's price-bearing fields can be bounded beforehand. */
import { asString, member, type JsonObject } from "../../../wire/json.ts";
import type { Extras } from "../../../wire/extras.ts";

/** undefined: none of them. */
export function extrasOf(raw: JsonObject): Extras | undefined {
  const serviceTier = asString(member(raw.serviceTier, "type"));
  return serviceTier === undefined ? undefined : { fields: ["serviceTier"], serviceTier };
}
