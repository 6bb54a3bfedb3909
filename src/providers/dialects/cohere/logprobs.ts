/** Log probabilities: the API's items of a text and its tokens ↔ the form that the hub carries, one entry a token. */
import { asArray, asNumber, asString, isObject, member, type Json, type JsonObject } from "../../../wire/json.ts";

/** The hub's form of items; undefined where there is none to read. A text of several tokens has the sum of theirs. */
export function readLogprobs(value: Json | undefined): JsonObject | undefined {
  const items = isObject(value) ? [value] : asArray(value);
  const content: JsonObject[] = [];
  for (const item of items) {
    const token = asString(member(item, "text"));
    const probabilities = asArray(member(item, "logprobs")).map(asNumber);
    if (token === undefined || probabilities.length === 0 || probabilities.includes(undefined)) continue;
    const logprob = probabilities.reduce<number>((sum, one) => sum + (one ?? 0), 0);
    content.push({ token, logprob, bytes: null, top_logprobs: [] });
  }
  return content.length === 0 ? undefined : { content };
}

/** The API's items from the hub's form. Token ids are the provider's own and are not known here. */
export function writeLogprobs(value: Json | undefined): readonly JsonObject[] {
  const items: JsonObject[] = [];
  for (const entry of asArray(member(value, "content"))) {
    const text = asString(member(entry, "token"));
    const logprob = asNumber(member(entry, "logprob"));
    if (text !== undefined && logprob !== undefined) items.push({ text, token_ids: [], logprobs: [logprob] });
  }
  return items;
}
