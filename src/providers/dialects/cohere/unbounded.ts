/** Price-bearing fields of a /v2/chat body that the bound of a call does not cover. */
import { asArray, asString, member, type JsonObject } from "../../../wire/json.ts";

/** The ones present in `raw`, as paths. Functions run at the client; every other tool runs at the provider and brings text of unknown size. */
export function unboundedFields(raw: JsonObject): readonly string[] {
  const found = new Set<string>();
  // Not part of this version, but of the one before: the provider searches and reads by itself.
  if (asArray(raw["connectors"]).length > 0) found.add("connectors");
  for (const tool of asArray(raw["tools"])) {
    const type = asString(member(tool, "type")) ?? "unknown";
    if (type !== "function") found.add(`tools[].type=${type}`);
  }
  return [...found];
}
