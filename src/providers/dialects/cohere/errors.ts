/** `{"message"}` → our classes. Messages are matched where one status stands for several things. */
import { asString, isObject, member, type Json, type JsonObject } from "../../../wire/json.ts";
import type { FailureClass, UpstreamError } from "../../../wire/outcome.ts";
import { readError as readCommonError } from "../openai/errors.ts";

const MAX_MESSAGE = 2_000;
const BLOCKED = 498;

/** Classify an error answer. */
export function readError(
  status: number, header: (name: string) => string | undefined, body: Json | undefined, text: string, nowWallMs: number,
): UpstreamError {
  // Its words for keys, money and regions, and its ways of telling when to come back, are everybody's.
  const common = readCommonError(status, header, body, text, nowWallMs);
  const message = messageOf(body) ?? common.message;
  return { ...common, message: message.slice(0, MAX_MESSAGE), class: classOf(status, message) ?? common.class };
}

/** An error told inside a 200: no status to go by. */
export function readInnerError(body: JsonObject): UpstreamError {
  const message = messageOf(body) ?? "the provider told an error without a message";
  return seenError(classOf(0, message) ?? "server", message.slice(0, MAX_MESSAGE));
}

/** An error that we saw ourselves. */
export function seenError(failure: FailureClass, message: string): UpstreamError {
  return { class: failure, status: 0, message, type: null, code: null, param: null, retryAfterMs: null };
}

/** Is this body an error in place of an answer? An answer's `message` is an object. */
export function isErrorBody(body: JsonObject): boolean {
  return messageOf(body) !== undefined;
}

function messageOf(body: Json | undefined): string | undefined {
  if (!isObject(body)) return undefined;
  const error = body["error"];
  return asString(body["message"]) ?? asString(error) ?? asString(member(error, "message"));
}

function classOf(status: number, message: string): FailureClass | undefined {
  // A listed token in the prompt or the answer: refused for its content.
  if (status === BLOCKED) return "content_policy";
  // A trial key's month is over; its limit by the minute passes.
  if (status === 429) return /\/ ?month|monthly|per month/i.test(message) ? "payment" : undefined;
  // The caller that went away is us; whoever said it first is the server.
  if (status === 499) return "server";
  if (status === 501) return "not_found";
  if (status !== 0 && status !== 400 && status !== 413 && status !== 422) return undefined;
  if (/too many tokens/i.test(message)) return /max[ _]tokens must be|maximum output/i.test(message) ? "bad_request" : "context";
  if (/model .{0,120}(?:not found|does not exist|was removed)/i.test(message)) return "not_found";
  if (/blocked|deny-?listed|toxic/i.test(message)) return "content_policy";
  return undefined;
}
