/**
 * A lane turns the bytes of one upstream stream into frames for the client. The byte lane forwards what it got, the hub
 * lane writes new chunks; both tell the same things: what commits, what ends, what was counted.
 */
import type { StreamEvent } from "../wire/events.ts";
import type { UpstreamError } from "../wire/outcome.ts";
import type { Usage } from "../wire/usage.ts";

export interface LaneSink {
  /** Any sign of life: ping, comment, reasoning, content. */
  activity(): void;
  /** A frame that does not commit. */
  lifecycle(bytes: Uint8Array): void;
  /** Something that a user can see or act on. `events` and `textBytes` are for the estimate where usage never comes. */
  content(bytes: Uint8Array, events: number, textBytes: number): void;
  /** Content that came and is not shown yet: what an estimate must know of it. Taken back by negative counts when it is. */
  held?(events: number, textBytes: number): void;
  /** Every choice has finished. Frames from here on come by `tail`. `visible`: false if nothing was ever shown. */
  finished(reason: string): void;
  /** A frame that may leave only after the charge. */
  tail(frame: TailFrame): void;
  usageSeen(usage: Usage): void;
  warning(message: string): void;
  /** The answer cannot go on. */
  failed(error: UpstreamError): void;
  /** The dialect's terminal signal. */
  done(): void;
}

export interface TailFrame {
  readonly kind: "finish" | "usage" | "other";
  /** The usage came with something else in one chunk, as some hosts send it with the finish reason. */
  readonly carriesUsage?: boolean;
  readonly bytes: Uint8Array;
}

export interface StreamLane {
  /** Bytes of the body; may be kept only if copied. */
  push(chunk: Uint8Array): void;
  /** The body ended cleanly. */
  end(): void;
}

export function malformed(message: string): UpstreamError {
  return { class: "malformed", status: 0, message, type: null, code: null, param: null, retryAfterMs: null };
}

export function failure(kind: UpstreamError["class"], message: string, status = 0): UpstreamError {
  return { class: kind, status, message, type: null, code: null, param: null, retryAfterMs: null };
}

/** What stands for an answer whose first word was a stop sequence: nothing, properly ended. */
export const EMPTY_FINISH: Extract<StreamEvent, { kind: "finish" }> = { kind: "finish", choice: 0, reason: "stop", native: "stop" };

/** A finish reason by which the provider says that it gave up. */
export function gaveUp(native: string): UpstreamError {
  return failure("server", `the provider gave up: ${native.slice(0, 80)}`);
}

/** UTF-8 bytes of what an event shows, for the estimate where usage never comes. */
export function textBytesOf(event: StreamEvent): number {
  if (event.kind === "text" || event.kind === "reasoning" || event.kind === "refusal") return utf8Length(event.text);
  if (event.kind === "tool-arguments") return utf8Length(event.json);
  return event.kind === "tool-start" ? event.name.length : 0;
}

/** How long a text is in UTF-8, without encoding it: this is asked of every event. */
export function utf8Length(text: string): number {
  let bytes = text.length;
  for (let at = 0; at < text.length; at++) {
    const code = text.charCodeAt(at);
    // Both halves of a pair count two; one that stands alone is written as three.
    if (code >= 0x800) bytes += code >= 0xd800 && code < 0xe000 && isPaired(text, at, code) ? 1 : 2;
    else if (code >= 0x80) bytes++;
  }
  return bytes;
}

function isPaired(text: string, at: number, code: number): boolean {
  const other = code < 0xdc00 ? text.charCodeAt(at + 1) : text.charCodeAt(at - 1);
  return code < 0xdc00 ? other >= 0xdc00 && other < 0xe000 : other >= 0xd800 && other < 0xdc00;
}
