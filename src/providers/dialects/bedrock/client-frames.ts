/** Messages of the binary framing as this dialect names them: events of an answer, and the exceptions that end one. */
import { type GatewayError, statusOf } from "../../../wire/errors.ts";
import type { JsonObject } from "../../../wire/json.ts";
import { messageWriter } from "../../../wire/event-stream.ts";

const EVENTS = ["messageStart", "contentBlockStart", "contentBlockDelta", "contentBlockStop", "messageStop", "metadata", "ping"] as const;
export type EventType = (typeof EVENTS)[number];

type Writer = (payload: string) => Uint8Array<ArrayBuffer>;
const WRITERS = Object.fromEntries(EVENTS.map((type) => [type, writerOf("event", type)])) as Readonly<Record<EventType, Writer>>;

function writerOf(kind: "event" | "exception", type: string): Writer {
  return messageWriter([[`:${kind}-type`, type], [":content-type", "application/json"], [":message-type", kind]]);
}

/** One event with its payload as JSON text. */
export function eventFrame(type: EventType, json: string): Uint8Array<ArrayBuffer> {
  return WRITERS[type](json);
}

/** Frames one after the other. */
export function joinFrames(frames: readonly Uint8Array<ArrayBuffer>[]): Uint8Array<ArrayBuffer> {
  const [first] = frames;
  if (first !== undefined && frames.length === 1) return first;
  const out = new Uint8Array(frames.reduce((sum, frame) => sum + frame.length, 0));
  let at = 0;
  for (const frame of frames) {
    out.set(frame, at);
    at += frame.length;
  }
  return out;
}

/** The error as an exception of a stream, which clients of this dialect throw. */
export function exceptionFrame(error: GatewayError): Uint8Array<ArrayBuffer> {
  return writerOf("exception", streamException(statusOf(error)))(JSON.stringify({ message: error.message }));
}

/** A stream knows five exceptions only. */
function streamException(status: number): string {
  if (status === 402 || status === 429) return "throttlingException";
  if (status === 503 || status === 529) return "serviceUnavailableException";
  // What a provider broke is told apart from what we broke.
  if (status === 408 || status === 424 || status === 502 || status === 504) return "modelStreamErrorException";
  return status >= 500 && status !== 508 ? "internalServerException" : "validationException";
}

const NAMES: Readonly<Record<number, string>> = {
  401: "UnrecognizedClientException",
  402: "ServiceQuotaExceededException",
  403: "AccessDeniedException",
  404: "ResourceNotFoundException",
  408: "ModelTimeoutException",
  424: "ModelErrorException",
  429: "ThrottlingException",
  503: "ServiceUnavailableException",
  504: "ModelTimeoutException",
  529: "ServiceUnavailableException",
};

/** The name of the error for the header `x-amzn-errortype`, by which clients choose what they throw. */
export function errorTypeOf(error: GatewayError): string {
  const status = statusOf(error);
  return NAMES[status] ?? (status >= 500 && status !== 508 ? "InternalServerException" : "ValidationException");
}

/** The body of an error answer. The name of the error stands in a header. */
export function encodeError(error: GatewayError): JsonObject {
  return { message: error.message };
}
