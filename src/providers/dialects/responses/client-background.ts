/**
 * An answer that is made in the background: the client is told of a response under an id of ours before there is any answer,
 * so whatever answers is told again as that response.
 */
import { asString, isObject, member } from "../../../wire/json.ts";
import type { Json, JsonObject } from "../../../wire/json.ts";
import { removalOf } from "../../../wire/scan.ts";
import type { BodyScan, Edit } from "../../../wire/scan.ts";
import { NO_USAGE, changingMembers, echoedMembers, type ResponseHead } from "./client-response.ts";

/**
 * The edits that make an ordinary request of a body that asks for the background. It asks for a stream, whatever the client
 * takes: what takes long shows signs of life that way, and may take longer than a whole answer may.
 */
export function foregroundEdits(scan: Extract<BodyScan, { kind: "object" }>): readonly Edit[] {
  const edits: Edit[] = [];
  const streams = scan.members.some(({ key }) => key === "stream");
  scan.members.forEach((found, i) => {
    if (found.key === "stream") edits.push({ start: found.valueStart, end: found.valueEnd, text: "true" });
    else if (found.key !== "background") return;
    else if (streams) edits.push(removalOf(scan, i));
    else edits.push({ start: found.keyStart, end: found.valueEnd, text: `"stream":true` });
  });
  return edits;
}

/** The response before there is an answer. */
export function openingResponse(head: ResponseHead, status: "queued" | "in_progress"): JsonObject {
  const members = changingMembers(head, { status, error: null, incompleteDetails: null, output: [], usage: NO_USAGE, serviceTier: undefined });
  return { ...members, ...echoedMembers(head) };
}

/** What clients are told of one event of an answer. `end`: the response as it is at its end. */
export type Retold = { readonly kind: "nothing" } | { readonly kind: "event"; readonly event: JsonObject } | { readonly kind: "end"; readonly response: JsonObject; /** What the answer told of its cost; null: nothing. */ readonly spillway: JsonObject | null };

const NOTHING: Retold = { kind: "nothing" };
const OPENING = new Set(["response.created", "response.queued", "response.in_progress"]);
const ENDING = new Set(["response.completed", "response.incomplete", "response.failed"]);

/** Tell an event again as one of the response `opened`. Its number is the teller's business. */
export function retoldEvent(data: string, opened: JsonObject): Retold {
  let event: unknown;
  try {
    event = JSON.parse(data);
  } catch {
    // Not JSON: `[DONE]` of hosts that send it everywhere.
    return NOTHING;
  }
  if (!isObject(event)) return NOTHING;
  const type = asString(event["type"]);
  // The client has been told that it began.
  if (type === undefined || OPENING.has(type)) return NOTHING;
  const { response } = event;
  if (!isObject(response)) return { kind: "event", event };
  const told = retoldResponse(response, opened);
  if (!ENDING.has(type)) return { kind: "event", event: { ...event, response: told } };
  const spillway = event["spillway"] ?? response["spillway"];
  return { kind: "end", response: told, spillway: isObject(spillway) ? spillway : null };
}

function retoldResponse(response: JsonObject, opened: JsonObject): JsonObject {
  const { spillway: _, ...told } = response;
  const ours: Record<string, Json | undefined> = { background: true };
  for (const key of ["id", "created_at", "store", "previous_response_id"]) ours[key] = opened[key];
  // A stream that broke where bytes passed is told by a frame that knows nothing of it.
  return told["status"] === "failed" && asString(told["model"]) === "" ? { ...opened, error: told["error"] ?? null, status: "failed", usage: null } : ({ ...told, ...ours } as JsonObject);
}

/** The response that came to nothing. */
export function failedResponse(opened: JsonObject, error: { readonly code: string; readonly message: string }): JsonObject {
  return { ...opened, status: "failed", error: { ...error }, usage: null };
}

/** The response that the client called off: nothing of it is left. */
export function cancelledResponse(opened: JsonObject): JsonObject {
  return { ...opened, status: "cancelled", output: [], usage: null };
}

/** The response's error from an error answer of this dialect. */
export function errorIn(status: number, body: string): { readonly code: string; readonly message: string } {
  let error: Json | undefined;
  try {
    error = member(JSON.parse(body) as Json, "error");
  } catch {
    // Not of our making: the status says what there is to say.
    error = undefined;
  }
  const message = asString(member(error, "message")) ?? `The request failed with status ${status}.`;
  const code = asString(member(error, "code"));
  if (status === 429) return { code: "rate_limit_exceeded", message };
  if (code === "context_length_exceeded") return { code, message };
  return { code: status === 400 ? "invalid_prompt" : "server_error", message };
}

/** Is it being made, as far as this says? */
export function isRunning(response: JsonObject): boolean {
  return response["status"] === "queued" || response["status"] === "in_progress";
}

/** Is there an answer that a conversation can go on from? */
export function isAnswered(response: JsonObject): boolean {
  return !isRunning(response) && response["status"] !== "failed" && response["status"] !== "cancelled";
}

/** The event that ends the stream of a response; a cancelled one has none of its own. */
export function endingEvent(response: JsonObject, spillway: JsonObject | null): JsonObject {
  const { status } = response;
  const type = `response.${status === "completed" || status === "incomplete" ? status : "failed"}`;
  return { type, response: spillway === null ? response : { ...response, spillway } };
}
