/**
 * A response that is kept so that clients can continue from it by its id and read it again: what of it is stored, how a
 * later turn goes on from it, and how it is told. Each turn holds its own input only and names the one before it.
 */
import { asArray, asString, isObject } from "../../../wire/json.ts";
import type { Json, JsonObject } from "../../../wire/json.ts";
import { removalOf } from "../../../wire/scan.ts";
import type { BodyScan, Edit } from "../../../wire/scan.ts";
import { SseFramer, dataOf } from "../../../wire/sse.ts";
import { inputItemsOf, outputItemsOf } from "./client-history.ts";
import { isOurs } from "./client-state.ts";

export interface KeptResponse {
  readonly response: JsonObject;
  /** The turn's own input items, each with an id. */
  readonly input: readonly JsonObject[];
  /** The response that this one continues. */
  readonly previous: string | null;
  /** The account whose provider made and keeps it under the same id; null: nobody but us knows it. */
  readonly keptBy: string | null;
  /** Headers that told how it was made, flat; absent: they left with the answer. */
  readonly told?: readonly string[];
}

/** What a body names of earlier answers. */
export interface Continues {
  readonly previous: string | null;
  /** Ids of the items that it only refers to. */
  readonly items: readonly string[];
}

/** Read what a body continues; undefined where it stands on its own. */
export function continuesOf(raw: JsonObject): Continues | undefined {
  const previous = asString(raw["previous_response_id"]) ?? null;
  const items: string[] = [];
  for (const item of asArray(raw["input"])) {
    const id = referenceOf(item);
    if (id !== undefined) items.push(id);
  }
  return previous === null && items.length === 0 ? undefined : { previous, items };
}

/** Items of earlier turns as another target can read them, and whether reasoning that only its maker can read was left out. */
export interface History {
  readonly items: readonly JsonObject[];
  readonly reasoningLeftOut: boolean;
}

/**
 * What earlier turns said, in order, for a target that does not know them: without ids, which it would look up, and
 * without reasoning that is sealed by its maker or was never told.
 */
export function historyOf(turns: readonly KeptResponse[]): History {
  return portable(turns.flatMap((turn) => [...turn.input, ...outputItemsOf(turn.response)]));
}

function portable(items: readonly JsonObject[]): History {
  const kept = items.filter((item) => item["type"] !== "reasoning" || isOurs(item["encrypted_content"]));
  return { items: kept.map(withoutName), reasoningLeftOut: kept.length < items.length };
}

function withoutName(item: JsonObject): JsonObject {
  return Object.fromEntries(Object.entries(item).filter(([key]) => key !== "id" && key !== "status"));
}

/**
 * The edits that put the conversation so far before the body's own input and take the names of earlier answers out.
 * Everything else of the body keeps its bytes. `itemOf` knows every item that the body refers to.
 */
export function continueEdits(raw: JsonObject, scan: Extract<BodyScan, { kind: "object" }>, history: History, itemOf: (id: string) => JsonObject | undefined): { readonly edits: readonly Edit[]; readonly reasoningLeftOut: boolean } {
  let { reasoningLeftOut } = history;
  const own = inputItemsOf(raw).flatMap((item): readonly Json[] => {
    const id = referenceOf(item);
    const found = id === undefined ? undefined : itemOf(id);
    if (found === undefined) return [item];
    const one = portable([found]);
    reasoningLeftOut ||= one.reasoningLeftOut;
    return one.items;
  });
  const input = JSON.stringify([...history.items, ...own]);
  const edits: Edit[] = [];
  const at = scan.members.findIndex(({ key }) => key === "input");
  scan.members.forEach((found, i) => {
    if (i === at) edits.push({ start: found.valueStart, end: found.valueEnd, text: input });
    else if (found.key !== "previous_response_id") return;
    else if (at < 0) edits.push({ start: found.keyStart, end: found.valueEnd, text: `"input":${input}` });
    else edits.push(removalOf(scan, i));
  });
  return { edits, reasoningLeftOut };
}

/** The response that the last bytes of an answer tell: the body of a JSON answer, the terminal event of a stream. undefined: it came to nothing. */
export function responseIn(bytes: Uint8Array, stream: boolean): JsonObject | undefined {
  if (!stream) return whole(parsed(new TextDecoder().decode(bytes)));
  let found: JsonObject | undefined;
  const framer = new SseFramer((frame) => {
    const event = frame.dataLines === 0 ? undefined : parsed(dataOf(frame));
    const type = asString(event?.["type"]);
    if (type === "response.completed" || type === "response.incomplete") found = whole(event?.["response"]);
  });
  framer.push(bytes);
  framer.end();
  return found;
}

/**
 * What is kept of an answer. `raw` is the body as the client sent it and `itemOf` knows what that refers to. `madeBy` is the
 * account whose provider told this very response; whether it keeps it too, the response says.
 */
export function keptOf(raw: JsonObject, response: JsonObject, itemOf: (id: string) => JsonObject | undefined, madeBy: string | null): KeptResponse {
  const id = asString(response["id"]) ?? "";
  const bare = id.replace(/^resp_/, "");
  const input = inputItemsOf(raw).map((item, i): JsonObject => listed((isObject(item) ? itemOf(referenceOf(item) ?? "") : undefined) ?? item, `${bare}_i${i}`));
  const { spillway: _, ...told } = response;
  const keptBy = response["store"] === true ? madeBy : null;
  return { response: told, input, previous: asString(raw["previous_response_id"]) ?? null, keptBy };
}

/** Ids of the items that a later body may refer to. */
export function itemIdsOf({ response }: KeptResponse): readonly string[] {
  return outputItemsOf(response).flatMap((item) => asString(item["id"]) ?? []);
}

/** The item of this id among what a response put out. */
export function itemIn({ response }: KeptResponse, id: string): JsonObject | undefined {
  return outputItemsOf(response).find((item) => item["id"] === id);
}

/** The value as it was kept; undefined for what is none. */
export function readKept(value: Json | undefined): KeptResponse | undefined {
  if (!isObject(value) || !isObject(value["response"])) return undefined;
  return {
    response: value["response"],
    input: asArray(value["input"]).filter(isObject),
    previous: asString(value["previous"]) ?? null,
    keptBy: asString(value["keptBy"]) ?? null,
    ...(value["told"] === undefined ? {} : { told: asArray(value["told"]).filter((one) => typeof one === "string") }),
  };
}

/** A page of input items: `order` (desc where absent), `after` (an item's id), `limit` (1 to 100, 20 where absent). */
export function inputItemsPage(turns: readonly KeptResponse[], asked: { readonly order: string | null; readonly after: string | null; readonly limit: string | null }): JsonObject {
  const items = turns.flatMap((turn, i) => (i === turns.length - 1 ? turn.input : [...turn.input, ...outputItemsOf(turn.response)]));
  const ordered = asked.order === "asc" ? items : items.toReversed();
  const from = asked.after === null ? 0 : ordered.findIndex((item) => item["id"] === asked.after) + 1;
  const wanted = Number(asked.limit ?? 20);
  const limit = Number.isInteger(wanted) ? Math.min(100, Math.max(1, wanted)) : 20;
  const data = ordered.slice(from, from + limit);
  return { object: "list", data, first_id: data[0]?.["id"] ?? null, last_id: data.at(-1)?.["id"] ?? null, has_more: from + limit < ordered.length };
}

function referenceOf(item: Json): string | undefined {
  if (!isObject(item)) return undefined;
  // The type may be left out where there is nothing but an id.
  const refers = item["type"] === "item_reference" || (item["type"] === undefined && item["role"] === undefined && item["id"] !== undefined);
  return refers ? asString(item["id"]) : undefined;
}

/** An input item as a list of them tells it: with type, id, status, and content in parts. */
function listed(item: Json, bare: string): JsonObject {
  if (!isObject(item)) return { type: "message", id: `msg_${bare}`, role: "user", content: [] };
  const type = asString(item["type"]) ?? "message";
  const id = asString(item["id"]) ?? `${PREFIXES[type] ?? "item"}_${bare}`;
  if (type !== "message") return type.endsWith("_call") || type.endsWith("_output") ? { status: "completed", ...item, type, id } : { ...item, type, id };
  const { content } = item;
  const part = item["role"] === "assistant" ? "output_text" : "input_text";
  const parts: Json = typeof content === "string" ? [{ type: part, text: content, ...(part === "output_text" ? { annotations: [], logprobs: [] } : {}) }] : (content ?? []);
  return { ...item, type, id, status: item["status"] ?? "completed", content: parts };
}

const PREFIXES: Readonly<Record<string, string>> = { message: "msg", function_call: "fc", function_call_output: "fco", reasoning: "rs", custom_tool_call: "ctc", custom_tool_call_output: "cto" };

function whole(value: unknown): JsonObject | undefined {
  if (!isObject(value) || asString(value["id"]) === undefined) return undefined;
  return value["status"] === "failed" || value["status"] === "in_progress" || value["status"] === "queued" ? undefined : value;
}

function parsed(text: string): JsonObject | undefined {
  try {
    const value: unknown = JSON.parse(text);
    return isObject(value) ? value : undefined;
  } catch {
    // Not JSON, so it tells no response.
    return undefined;
  }
}
