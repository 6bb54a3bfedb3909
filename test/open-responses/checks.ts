/** What every answer of the protocol is held to, beyond what its two descriptions can say. */
import assert from "node:assert/strict";
import { assertValid, framesOf, openProblems, type Frame } from "../../src/providers/dialects/responses/test-client.ts";
import { problems } from "../../src/providers/dialects/openai/test-schemas.ts";
import { asArray, asString, isObject, member, type Json, type JsonObject } from "../../src/wire/json.ts";

/** A response is valid by both descriptions. */
export function checkResponse(response: Json | undefined): JsonObject {
  assert.ok(isObject(response), "it is an object");
  assert.deepEqual(problems("Response", describable(response)), [], JSON.stringify(response).slice(0, 600));
  assert.deepEqual(openProblems("ResponseResource", response), [], JSON.stringify(response).slice(0, 600));
  const { created_at: createdS, completed_at: completedS } = response;
  if (response["status"] === "completed") assert.ok(Number.isInteger(completedS) && Number(completedS) >= Number(createdS), `completed at ${String(completedS as number)}`);
  else assert.equal(completedS, null, "what is not completed has no such time");
  const ids = outputOf(response).map((item) => item["id"]);
  assert.equal(new Set(ids).size, ids.length, "each item has an id of its own");
  return response;
}

/**
 * What OpenAI's description can say of a response. It has no word for usage that nobody knows, which the other one demands
 * as null, and which its own API sends so, as recorded: only a response that failed or was cancelled may be without.
 */
function describable(response: JsonObject): JsonObject {
  if ((response["status"] !== "failed" && response["status"] !== "cancelled") || response["usage"] !== null) return response;
  const { usage: _, ...known } = response;
  return known;
}

/** The items of a response. */
export function outputOf(response: JsonObject): readonly JsonObject[] {
  return asArray(response["output"]).filter(isObject);
}

/** The text of a response's messages. */
export function textOf(response: JsonObject): string {
  const parts = outputOf(response).flatMap((item) => asArray(item["content"])).filter((part) => member(part, "type") === "output_text");
  return parts.map((part) => asString(member(part, "text")) ?? "").join("");
}

const LAST_EVENTS: Readonly<Record<string, string>> = {
  "response.completed": "ResponseCompletedStreamingEvent",
  "response.incomplete": "ResponseIncompleteStreamingEvent",
  "response.failed": "ResponseFailedStreamingEvent",
};

/** The events of a stream: valid, numbered, and about the same things under the same ids as the response at the end, which comes back. */
export function checkStream(text: string): JsonObject {
  const frames = framesOf(text);
  assertValid(frames.slice(0, -1));
  assert.deepEqual(frames.map(({ data }) => data.sequence_number), frames.map((_, i) => i), "numbered from 0, without a gap");
  const last = frames.at(-1);
  assert.ok(last !== undefined && /^response\.(?:completed|incomplete|failed)$/.test(last.event), "it ends with the response");
  const response = checkResponse(last.data["response"] as Json);
  assert.deepEqual(problems("ResponseStreamEvent", { ...last.data, response: describable(response) }), []);
  assert.deepEqual(openProblems(LAST_EVENTS[last.event] ?? "", last.data), []);
  const told = frames.filter(({ data }) => isObject(data["response"])).map(({ data }) => member(data["response"], "id"));
  assert.deepEqual([...new Set(told)], [response["id"]], "one response, one id");
  assert.deepEqual(frames.slice(0, 2).map(({ event }) => event), ["response.created", "response.in_progress"]);
  checkItems(frames, response);
  return response;
}

/** Each item is announced before anything else of it, closed once, and is at the end what its pieces made. */
function checkItems(frames: readonly Frame[], response: JsonObject): void {
  const items = outputOf(response);
  const added = frames.filter(({ event }) => event === "response.output_item.added").map(({ data }) => data);
  const done = frames.filter(({ event }) => event === "response.output_item.done").map(({ data }) => data);
  assert.deepEqual(added.map((data) => [data["output_index"], member(data["item"], "id")]), items.map((item, i) => [i, item["id"]]), "announced in order, one place each");
  // What broke off was never done; it stands in the output all the same.
  const ended = response["status"] === "failed" ? done.length : items.length;
  assert.deepEqual(done.toSorted((a, b) => Number(a["output_index"]) - Number(b["output_index"])).map((data) => data["item"]), items.slice(0, ended), "done as it stands at the end");
  const open = new Set<Json | undefined>();
  for (const { event, data } of frames) {
    const index = data["output_index"];
    if (index === undefined) continue;
    if (event === "response.output_item.added") open.add(index);
    assert.ok(open.has(index), `${event} of an item that is not open`);
    if (data["item_id"] !== undefined) assert.equal(data["item_id"], items[Number(index)]?.["id"], event);
    if (event === "response.output_item.done") open.delete(index);
  }
  const pieces = (kind: string) => frames.filter(({ event }) => event === kind).map(({ data }) => asString(data["delta"]) ?? "").join("");
  assert.equal(pieces("response.output_text.delta"), textOf(response), "the pieces are the text");
  const calls = items.filter((item) => item["type"] === "function_call");
  assert.equal(pieces("response.function_call_arguments.delta"), calls.map((item) => asString(item["arguments"]) ?? "").join(""), "the pieces are the arguments");
}
