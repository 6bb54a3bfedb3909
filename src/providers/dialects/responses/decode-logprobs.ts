/** Log probabilities of a text fragment in the form that a chat choice carries. */
import { asArray, isObject, type Json, type JsonObject } from "../../../wire/json.ts";

/** `{content: […]}` for a list that holds any; undefined otherwise. Streams leave out the bytes, which the chat form wants. */
export function logprobsOf(value: Json | undefined): JsonObject | undefined {
  const content = asArray(value).filter(isObject).map((entry) => ({
    ...withBytes(entry),
    top_logprobs: asArray(entry["top_logprobs"]).filter(isObject).map(withBytes),
  }));
  return content.length === 0 ? undefined : { content };
}

function withBytes(entry: JsonObject): JsonObject {
  return { ...entry, bytes: entry["bytes"] ?? null };
}
