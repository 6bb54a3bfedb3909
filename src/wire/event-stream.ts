/**
 * Framing of `application/vnd.amazon.eventstream` on bytes. A message is a prelude (length of the whole, length of the
 * headers, checksum of these two), headers, a payload, and a checksum of everything before it. Fed with whatever a socket
 * brings, the framer gives each complete message once, with the raw bytes it came in, so that a caller may forward them
 * untouched. Both checksums are verified and lengths are bounded before anything is kept for them.
 */
import type { SseEvent } from "./sse-event.ts";

/** One framed message. The object is reused: read it inside the callback, copy what is kept. */
export interface EventStreamFrame {
  /** The bytes that hold the message, from `start` to `end`. They stay as they are until the next push. */
  bytes: Uint8Array;
  start: number;
  end: number;
  payloadStart: number;
  payloadEnd: number;
  /** `event`, `exception` or `error`; empty where the header is missing. */
  messageType: string;
  /** `:event-type`, `:exception-type` or `:error-code`, whichever the message has. */
  event: string;
  /** `:error-message` of an `error`, which has no payload; else empty. */
  errorMessage: string;
}

export type EventStreamProblem =
  | "message_too_long"
  | "bad_checksum"
  /** Lengths or headers that cannot be. */
  | "malformed"
  /** The body ended inside a message. */
  | "incomplete";

/** As for server-sent events. */
export const MESSAGE_BYTES_MAX = 16 << 20;
const PRELUDE_BYTES = 12;
const CHECKSUM_BYTES = 4;
const SMALLEST_BYTES = PRELUDE_BYTES + CHECKSUM_BYTES;
/** A header's value after its type byte; 6 and 7 carry their own length. */
const VALUE_BYTES = [0, 0, 1, 2, 4, 8, -1, -1, 8, 16];
const STRING_TYPE = 7;

const NOTHING = new Uint8Array(0);
const utf8 = new TextDecoder();
const encoder = new TextEncoder();

export class EventStreamFramer {
  readonly #onFrame: (frame: EventStreamFrame) => void;
  readonly #maxBytes: number;
  /** Bytes of a message that is not complete, in a buffer that grows by doubling. */
  #pending: Uint8Array = NOTHING;
  #pendingLength = 0;
  /** How much at the front of `#pending` was given out; it goes with the next push. */
  #given = 0;
  #problem: EventStreamProblem | null = null;
  readonly #frame: EventStreamFrame = {
    bytes: NOTHING, start: 0, end: 0, payloadStart: 0, payloadEnd: 0, messageType: "", event: "", errorMessage: "",
  };

  constructor(onFrame: (frame: EventStreamFrame) => void, maxBytes: number = MESSAGE_BYTES_MAX) {
    this.#onFrame = onFrame;
    this.#maxBytes = maxBytes;
  }

  /** Feed bytes. Calls back for each message that they complete. Returns a problem where the stream cannot go on; stop then. */
  push(chunk: Uint8Array): EventStreamProblem | null {
    if (this.#problem !== null || chunk.length === 0) return this.#problem;
    this.#forgetGiven();
    if (this.#pendingLength === 0) {
      const rest = this.#scan(chunk, chunk.length);
      if (this.#problem === null && rest < chunk.length) this.#append(chunk.subarray(rest));
    } else {
      this.#append(chunk);
      this.#given = this.#scan(this.#pending, this.#pendingLength);
    }
    return this.#problem;
  }

  /** The body ended. A message that was begun and not finished is a problem: nothing of it was told. */
  end(): EventStreamProblem | null {
    this.#forgetGiven();
    if (this.#problem === null && this.#pendingLength > 0) this.#problem = "incomplete";
    return this.#problem;
  }

  /** True while part of a message is held. */
  get holding(): boolean {
    return this.#pendingLength > this.#given;
  }

  /** Give out all complete messages of bytes[0, length). Returns where the first incomplete one begins. */
  #scan(bytes: Uint8Array, length: number): number {
    let at = 0;
    while (length - at >= PRELUDE_BYTES) {
      const total = uint32(bytes, at);
      const headers = uint32(bytes, at + 4);
      if (crc32(bytes, at, at + 8) !== uint32(bytes, at + 8)) return this.#fail("bad_checksum", at);
      if (total < SMALLEST_BYTES || headers > total - SMALLEST_BYTES) return this.#fail("malformed", at);
      if (total > this.#maxBytes) return this.#fail("message_too_long", at);
      if (length - at < total) return at;
      const end = at + total;
      if (crc32(bytes, at, end - CHECKSUM_BYTES) !== uint32(bytes, end - CHECKSUM_BYTES)) return this.#fail("bad_checksum", at);
      if (!this.#emit(bytes, at, end, at + PRELUDE_BYTES + headers)) return this.#fail("malformed", at);
      at = end;
    }
    return at;
  }

  #fail(problem: EventStreamProblem, at: number): number {
    this.#problem = problem;
    return at;
  }

  /** Read the headers and give the message out; false where the headers cannot be read. */
  #emit(bytes: Uint8Array, start: number, end: number, payloadStart: number): boolean {
    const frame = this.#frame;
    frame.messageType = "";
    frame.event = "";
    frame.errorMessage = "";
    let at = start + PRELUDE_BYTES;
    while (at < payloadStart) {
      const nameEnd = at + 1 + (bytes[at] as number);
      if (nameEnd + 1 > payloadStart) return false;
      const type = bytes[nameEnd] as number;
      const fixed = VALUE_BYTES[type];
      let valueStart = nameEnd + 1;
      if (fixed === undefined || (fixed < 0 && valueStart + 2 > payloadStart)) return false;
      const valueBytes = fixed >= 0 ? fixed : ((bytes[valueStart] as number) << 8) | (bytes[valueStart + 1] as number);
      if (fixed < 0) valueStart += 2;
      const valueEnd = valueStart + valueBytes;
      if (valueEnd > payloadStart) return false;
      if (type === STRING_TYPE) readHeader(frame, bytes, at + 1, nameEnd, valueStart, valueEnd);
      at = valueEnd;
    }
    frame.bytes = bytes;
    frame.start = start;
    frame.end = end;
    frame.payloadStart = payloadStart;
    frame.payloadEnd = end - CHECKSUM_BYTES;
    this.#onFrame(frame);
    return true;
  }

  /** Move what is left to the front. Not done at once: the frames of the last push may still be read. */
  #forgetGiven(): void {
    const given = this.#given;
    if (given === 0) return;
    this.#given = 0;
    this.#pending.copyWithin(0, given, this.#pendingLength);
    this.#pendingLength -= given;
  }

  #append(chunk: Uint8Array): void {
    const needed = this.#pendingLength + chunk.length;
    if (this.#pending.length < needed) {
      const grown = new Uint8Array(Math.max(1_024, needed, this.#pending.length * 2));
      grown.set(this.#pending.subarray(0, this.#pendingLength));
      this.#pending = grown;
    }
    this.#pending.set(chunk, this.#pendingLength);
    this.#pendingLength = needed;
  }
}

function readHeader(frame: EventStreamFrame, bytes: Uint8Array, nameStart: number, nameEnd: number, valueStart: number, valueEnd: number): void {
  // Only names that begin with ":" mean something to us; the length tells them apart before any text is made.
  if (bytes[nameStart] !== 58) return;
  switch (nameEnd - nameStart) {
    case 11: // :event-type, :error-code
    case 13: // :message-type, :content-type
    case 14: // :error-message
    case 15: // :exception-type
      break;
    default:
      return;
  }
  const name = text(bytes, nameStart, nameEnd);
  const value = text(bytes, valueStart, valueEnd);
  if (name === ":event-type" || name === ":exception-type" || name === ":error-code") frame.event = value;
  else if (name === ":message-type") frame.messageType = value;
  else if (name === ":error-message") frame.errorMessage = value;
}

/**
 * The message as the value that decoders take: the event is its type, the data its payload. An `error` has no payload; its
 * code and words become one of the form that errors have elsewhere in such protocols (`__type`, `message`).
 */
export function eventOfMessage(frame: EventStreamFrame): SseEvent {
  if (frame.messageType === "error") {
    return { event: frame.event, data: JSON.stringify({ __type: frame.event, message: frame.errorMessage }) };
  }
  return { event: frame.event, data: text(frame.bytes, frame.payloadStart, frame.payloadEnd) };
}

/** Write one message with these string headers. */
export function encodeMessage(headers: readonly (readonly [string, string])[], payload: string): Uint8Array<ArrayBuffer> {
  return messageWriter(headers)(payload);
}

/** A writer of messages that differ in their payload only: the headers are encoded once. */
export function messageWriter(headers: readonly (readonly [string, string])[]): (payload: string) => Uint8Array<ArrayBuffer> {
  const head = encodedHeaders(headers);
  return (payload) => {
    const body = encoder.encode(payload);
    const total = SMALLEST_BYTES + head.length + body.length;
    const out = new Uint8Array(total);
    putUint32(out, 0, total);
    putUint32(out, 4, head.length);
    putUint32(out, 8, crc32(out, 0, 8));
    out.set(head, PRELUDE_BYTES);
    out.set(body, PRELUDE_BYTES + head.length);
    putUint32(out, total - CHECKSUM_BYTES, crc32(out, 0, total - CHECKSUM_BYTES));
    return out;
  };
}

/** A name's length in a byte, the name, the type, a value's length in two bytes, the value. */
function encodedHeaders(headers: readonly (readonly [string, string])[]): Uint8Array {
  const bytes: number[] = [];
  for (const [name, value] of headers) {
    const nameBytes = encoder.encode(name);
    const valueBytes = encoder.encode(value);
    if (nameBytes.length > 255 || valueBytes.length > 32_767) throw new Error("a header of an event stream is too long");
    bytes.push(nameBytes.length, ...nameBytes, STRING_TYPE, valueBytes.length >> 8, valueBytes.length & 255, ...valueBytes);
  }
  return Uint8Array.from(bytes);
}

/** CRC-32 (IEEE 802.3) of bytes[from, to). */
export function crc32(bytes: Uint8Array, from = 0, to: number = bytes.length): number {
  let crc = -1;
  for (let at = from; at < to; at++) crc = (CRC_TABLE[(crc ^ (bytes[at] as number)) & 255] as number) ^ (crc >>> 8);
  return (crc ^ -1) >>> 0;
}

const CRC_TABLE = Int32Array.from({ length: 256 }, (_, byte) => {
  let crc = byte;
  for (let bit = 0; bit < 8; bit++) crc = (crc & 1) === 1 ? (crc >>> 1) ^ 0xedb88320 : crc >>> 1;
  return crc;
});

function uint32(bytes: Uint8Array, at: number): number {
  return (((bytes[at] as number) << 24) | ((bytes[at + 1] as number) << 16) | ((bytes[at + 2] as number) << 8) | (bytes[at + 3] as number)) >>> 0;
}

function putUint32(bytes: Uint8Array, at: number, value: number): void {
  bytes[at] = value >>> 24;
  bytes[at + 1] = value >>> 16;
  bytes[at + 2] = value >>> 8;
  bytes[at + 3] = value;
}

function text(bytes: Uint8Array, from: number, to: number): string {
  return utf8.decode(bytes.subarray(from, to));
}
