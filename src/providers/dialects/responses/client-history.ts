/** What a keeper of responses needs of this dialect: items that go in, and items that came out. */
import { asArray, isObject } from "../../../wire/json.ts";
import type { Json, JsonObject } from "../../../wire/json.ts";

/** The request's own input as items; a string is one message of the user. */
export function inputItemsOf(raw: JsonObject): readonly Json[] {
  const input = raw["input"];
  if (typeof input === "string") return [{ type: "message", role: "user", content: [{ type: "input_text", text: input }] }];
  return asArray(input);
}

/** The items of a response that belong to the conversation when it goes on. */
export function outputItemsOf(response: JsonObject): readonly JsonObject[] {
  return asArray(response["output"]).filter(isObject);
}
