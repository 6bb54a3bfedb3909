/**
 * Framing of server-sent events on bytes (WHATWG HTML, section 9.2). Fed with whatever a socket brings, it gives each
 * complete event once, with the raw bytes it came in, so that a caller may forward them untouched. Line ends may be LF,
 * CRLF or CR; events and characters may be split across reads anywhere. Lines and events are bounded.
 */
import type { SseEvent } from "./sse-event.ts";

/** One framed event. The object is reused: read it inside the callback, copy what is kept. */
export interface SseFrame {
  /** The bytes that hold the event, from `start` to `end` with its blank line. They stay as they are until the next push. */
  bytes: Uint8Array;
  start: number;
  end: number;
  /** Where the payload of the only `data:` line stands; `dataLines` tells whether that is all. */
  dataStart: number;
  dataEnd: number;
  /** 0: a comment or an empty block; 1: the payload is bytes[dataStart, dataEnd); more: use `dataOf`. */
  dataLines: number;
  event: string;
}

export interface SseLimits {
  readonly lineBytes: number;
  readonly eventBytes: number;
}
export const SSE_LIMITS: SseLimits = { lineBytes: 8 << 20, eventBytes: 16 << 20 };

export type SseProblem = "line_too_long" | "event_too_long";

const LF = 10;
const CR = 13;
const COLON = 58;
const SPACE = 32;
const NO_LINE = -1;
const MORE_LINES = -2;
const utf8 = new TextDecoder();
const NOTHING = new Uint8Array(0);

export class SseFramer {
  readonly #onFrame: (frame: SseFrame) => void;
  readonly #limits: SseLimits;
  /** Bytes of an event that is not complete, in a buffer that grows by doubling. */
  #pending: Uint8Array = NOTHING;
  #pendingLength = 0;
  /** How much at the front of `#pending` was given out; it goes with the next push. */
  #given = 0;
  /** How far `#pending` was scanned, and where its current line began. */
  #scanned = 0;
  #lineStart = 0;
  #atStart = true;
  readonly #frame: SseFrame = { bytes: NOTHING, start: 0, end: 0, dataStart: 0, dataEnd: 0, dataLines: 0, event: "" };

  constructor(onFrame: (frame: SseFrame) => void, limits: SseLimits = SSE_LIMITS) {
    this.#onFrame = onFrame;
    this.#limits = limits;
  }

  /** Feed bytes. Calls back for each event that they complete. Returns a problem if a bound was passed; stop then. */
  push(chunk: Uint8Array): SseProblem | null {
    if (chunk.length === 0) return null;
    this.#forgetGiven();
    if (this.#pendingLength === 0) {
      const rest = this.#scan(chunk, 0, chunk.length, 0, 0);
      if (typeof rest === "string") return rest;
      if (rest < chunk.length) this.#keep(chunk, rest);
      return null;
    }
    this.#append(chunk);
    const bytes = this.#pending;
    const length = this.#pendingLength;
    const rest = this.#scan(bytes, 0, length, this.#scanned, this.#lineStart);
    if (typeof rest === "string") return rest;
    if (rest >= length) this.#pendingLength = 0;
    else this.#given = rest;
    return null;
  }

  /** Move what is left to the front. Not done at once: the frames of the last push may still be read. */
  #forgetGiven(): void {
    const given = this.#given;
    if (given === 0) return;
    this.#given = 0;
    this.#pending.copyWithin(0, given, this.#pendingLength);
    this.#pendingLength -= given;
    this.#scanned -= given;
    this.#lineStart -= given;
  }

  /** The body ended: an event whose blank line never came is given all the same. */
  end(): void {
    this.#forgetGiven();
    if (this.#pendingLength === 0) return;
    const length = this.#pendingLength;
    this.#pendingLength = 0;
    if (length > 0) this.#emit(this.#pending, 0, length, MORE_LINES);
  }

  /** True while part of an event is held. */
  get holding(): boolean {
    return this.#pendingLength > 0;
  }

  /** Returns where the first incomplete event begins (== end if none), or a problem. */
  #scan(bytes: Uint8Array, from: number, end: number, scanned: number, lineAt: number): number | SseProblem {
    let eventStart = from;
    let lineStart = lineAt;
    let at = scanned;
    // Where the event's only line ends so far: NO_LINE before the first, MORE_LINES once it is not the only one.
    let onlyLineEnd = lineAt === from ? NO_LINE : MORE_LINES;
    if (this.#atStart && end - from >= 3) {
      this.#atStart = false;
      if (bytes[from] === 0xef && bytes[from + 1] === 0xbb && bytes[from + 2] === 0xbf) {
        eventStart = from + 3;
        if (lineStart < eventStart) lineStart = eventStart;
        if (at < eventStart) at = eventStart;
      }
    }
    while (at < end) {
      const byte = bytes[at];
      if (byte !== LF && byte !== CR) {
        at++;
        continue;
      }
      // A CR at the very end may be half of a CRLF: wait for the next byte.
      if (byte === CR && at + 1 === end) break;
      const next = byte === CR && bytes[at + 1] === LF ? at + 2 : at + 1;
      if (at === lineStart) {
        // A blank line ends the event; blank lines between events belong to none.
        if (at > eventStart) this.#emit(bytes, eventStart, next, onlyLineEnd);
        eventStart = next;
        onlyLineEnd = NO_LINE;
      } else if (at - lineStart > this.#limits.lineBytes) return "line_too_long";
      else onlyLineEnd = onlyLineEnd === NO_LINE ? at : MORE_LINES;
      lineStart = next;
      at = next;
    }
    if (end - lineStart > this.#limits.lineBytes) return "line_too_long";
    if (end - eventStart > this.#limits.eventBytes) return "event_too_long";
    this.#scanned = at;
    this.#lineStart = lineStart;
    return eventStart;
  }

  #keep(chunk: Uint8Array, from: number): void {
    const length = chunk.length - from;
    if (this.#pending.length < length) this.#pending = new Uint8Array(Math.max(1024, length * 2));
    this.#pending.set(chunk.subarray(from), 0);
    this.#pendingLength = length;
    this.#scanned -= from;
    this.#lineStart -= from;
  }

  #append(chunk: Uint8Array): void {
    const needed = this.#pendingLength + chunk.length;
    if (this.#pending.length < needed) {
      const grown = new Uint8Array(Math.max(needed, this.#pending.length * 2));
      grown.set(this.#pending.subarray(0, this.#pendingLength));
      this.#pending = grown;
    }
    this.#pending.set(chunk, this.#pendingLength);
    this.#pendingLength = needed;
  }

  #emit(bytes: Uint8Array, start: number, end: number, onlyLineEnd: number): void {
    const frame = this.#frame;
    frame.bytes = bytes;
    frame.start = start;
    frame.end = end;
    frame.dataStart = frame.dataEnd = start;
    frame.dataLines = 0;
    frame.event = "";
    if (onlyLineEnd >= 0 && isField(bytes, start, onlyLineEnd, DATA)) {
      // Nearly every event is one line of data, whose end the scan has just found.
      frame.dataLines = 1;
      frame.dataStart = valueStart(bytes, start + DATA.length, onlyLineEnd);
      frame.dataEnd = onlyLineEnd;
    } else this.#readLines(frame, bytes, start, end);
    this.#onFrame(frame);
    frame.bytes = NOTHING;
  }

  #readLines(frame: SseFrame, bytes: Uint8Array, start: number, end: number): void {
    let at = start;
    while (at < end) {
      let lineEnd = at;
      while (lineEnd < end && bytes[lineEnd] !== LF && bytes[lineEnd] !== CR) lineEnd++;
      if (isField(bytes, at, lineEnd, DATA)) {
        frame.dataLines++;
        if (frame.dataLines === 1) {
          frame.dataStart = valueStart(bytes, at + DATA.length, lineEnd);
          frame.dataEnd = lineEnd;
        }
      } else if (isField(bytes, at, lineEnd, EVENT)) {
        frame.event = utf8.decode(bytes.subarray(valueStart(bytes, at + EVENT.length, lineEnd), lineEnd));
      }
      at = lineEnd + 1;
    }
  }
}

const DATA = new TextEncoder().encode("data");
const EVENT = new TextEncoder().encode("event");

function isField(bytes: Uint8Array, at: number, lineEnd: number, name: Uint8Array): boolean {
  const colon = at + name.length;
  if (colon > lineEnd) return false;
  for (let i = 0; i < name.length; i++) if (bytes[at + i] !== name[i]) return false;
  // `data` alone on a line is a field with an empty value.
  return colon === lineEnd || bytes[colon] === COLON;
}

function valueStart(bytes: Uint8Array, colon: number, lineEnd: number): number {
  if (colon >= lineEnd) return lineEnd;
  return bytes[colon + 1] === SPACE && colon + 1 < lineEnd ? colon + 2 : colon + 1;
}

/** The payload of a frame as text: all its data lines joined by a newline. */
export function dataOf(frame: SseFrame): string {
  if (frame.dataLines === 0) return "";
  if (frame.dataLines === 1) return utf8.decode(frame.bytes.subarray(frame.dataStart, frame.dataEnd));
  const lines: string[] = [];
  let at = frame.start;
  while (at < frame.end) {
    let lineEnd = at;
    while (lineEnd < frame.end && frame.bytes[lineEnd] !== LF && frame.bytes[lineEnd] !== CR) lineEnd++;
    if (isField(frame.bytes, at, lineEnd, DATA)) {
      lines.push(utf8.decode(frame.bytes.subarray(valueStart(frame.bytes, at + DATA.length, lineEnd), lineEnd)));
    }
    at = lineEnd + 1;
  }
  return lines.join("\n");
}

/** The frame as the value that decoders take. */
export function eventOf(frame: SseFrame): SseEvent {
  return { event: frame.event, data: dataOf(frame) };
}
