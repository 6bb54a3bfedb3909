/** What a keeper of responses needs of this dialect: items that go in, items that came out, and a body that goes on from them. */
import { asArray, asString, isObject } from "../../../wire/json.ts";
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

/**
 * The body with the conversation so far before its own input, and without the `previous_response_id` that named it.
 * `earlierItems` are all items of the earlier turns, in order: inputs and outputs. Instructions of earlier turns are not
 * among them, as the API has it.
 */
export function withHistory(raw: JsonObject, earlierItems: readonly Json[]): JsonObject {
  const { previous_response_id: _, ...rest } = raw;
  return { ...rest, input: [...earlierItems, ...inputItemsOf(raw)] };
}

/** The body with every `item_reference` that `itemOf` knows replaced by the item; what it does not know stays. */
export function withReferences(raw: JsonObject, itemOf: (id: string) => JsonObject | undefined): JsonObject {
  const input = raw["input"];
  if (!Array.isArray(input)) return raw;
  let found = false;
  const items = (input as readonly Json[]).map((item) => {
    const id = isObject(item) && item["type"] === "item_reference" ? asString(item["id"]) : undefined;
    const kept = id === undefined ? undefined : itemOf(id);
    found ||= kept !== undefined;
    return kept ?? item;
  });
  return found ? { ...raw, input: items } : raw;
}
