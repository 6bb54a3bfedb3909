/** How a stream's body is cut into events, whichever way its dialect frames them. */
import { EventStreamFramer, eventOfMessage, type EventStreamFrame } from "../wire/event-stream.ts";
import type { SseEvent } from "../wire/sse-event.ts";
import { SseFramer, eventOf, type SseFrame } from "../wire/sse.ts";
import type { UpstreamError } from "../wire/outcome.ts";
import { failure } from "./lane.ts";

export type Framing = "sse" | "event-stream";

/** One event of a body. Valid during the call only. */
export interface FramedEvent {
  event(): SseEvent;
  /** Its bytes as they came, copied, with the end that a client needs. */
  raw(): Uint8Array;
}

export interface Framer {
  /** What is wrong with the body, or null. */
  push(chunk: Uint8Array): UpstreamError | null;
  /** The body ended. */
  end(): UpstreamError | null;
}

/** The `content-type` of a stream of this framing. */
export function isStreamOf(framing: Framing, contentType: string): boolean {
  return framing === "sse" ? /^text\/event-stream/i.test(contentType) : /^application\/vnd\.[a-z]+\.eventstream/i.test(contentType);
}

/** Cut a body; `onEvent` is called for each event in it. */
export function openFramer(framing: Framing, onEvent: (event: FramedEvent) => void): Framer {
  return framing === "sse" ? new TextFramer(onEvent) : new BinaryFramer(onEvent);
}

class TextFramer implements Framer, FramedEvent {
  readonly #framer: SseFramer;
  #frame: SseFrame | null = null;

  constructor(onEvent: (event: FramedEvent) => void) {
    this.#framer = new SseFramer((frame) => {
      // A comment is a sign of life and nothing else.
      if (frame.dataLines === 0) return;
      this.#frame = frame;
      onEvent(this);
    });
  }

  push(chunk: Uint8Array): UpstreamError | null {
    const problem = this.#framer.push(chunk);
    return problem === null ? null : failure("too_large", `the stream holds a ${problem === "line_too_long" ? "line" : "event"} beyond the bound`);
  }

  end(): null {
    this.#framer.end();
    return null;
  }

  event(): SseEvent {
    return eventOf(this.#frame as SseFrame);
  }

  raw(): Uint8Array {
    const { bytes, start, end } = this.#frame as SseFrame;
    return terminated(bytes.slice(start, end));
  }
}

class BinaryFramer implements Framer, FramedEvent {
  readonly #framer: EventStreamFramer;
  #frame: EventStreamFrame | null = null;

  constructor(onEvent: (event: FramedEvent) => void) {
    this.#framer = new EventStreamFramer((frame) => {
      this.#frame = frame;
      onEvent(this);
    });
  }

  push(chunk: Uint8Array): UpstreamError | null {
    const problem = this.#framer.push(chunk);
    if (problem === null) return null;
    return problem === "message_too_long" ? failure("too_large", "the stream holds a message beyond the bound") : failure("malformed", `the stream's framing is broken: ${problem}`);
  }

  end(): UpstreamError | null {
    return this.#framer.end() === null ? null : failure("truncated", "the stream ended inside a message");
  }

  event(): SseEvent {
    return eventOfMessage(this.#frame as EventStreamFrame);
  }

  raw(): Uint8Array {
    const { bytes, start, end } = this.#frame as EventStreamFrame;
    return bytes.slice(start, end);
  }
}

const BLANK_LINE = new TextEncoder().encode("\n\n");

/** A last event may come without its blank line; the client gets one. */
export function terminated(raw: Uint8Array): Uint8Array {
  const last = raw[raw.length - 1];
  if (last === 10 || last === 13) return raw;
  const out = new Uint8Array(raw.length + 2);
  out.set(raw);
  out.set(BLANK_LINE, raw.length);
  return out;
}
