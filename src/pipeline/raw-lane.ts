/**
 * The lane for answers that are bytes of some other type (audio, a file): all of it is content, and it ends where its body
 * ends. The last byte waits for the charge.
 */
import type { Usage } from "../wire/usage.ts";
import type { LaneSink, StreamLane } from "./lane.ts";
import { TOLD_AS_EVENTS } from "./whole-lane.ts";

/** How bytes are told where events were asked: a piece of them, and what stands at the end. */
export interface RawEvents {
  readonly piece: (bytes: Uint8Array) => Uint8Array;
  readonly end: Uint8Array;
}

export class RawLane implements StreamLane {
  readonly #sink: LaneSink;
  readonly #usage: () => Usage | null;
  readonly #events: RawEvents | null;
  #held: number | null = null;
  #rest: Uint8Array = new Uint8Array(0);

  /** `usage`: what such an answer is billed for, asked at its end. `events`: null where bytes were asked. */
  constructor(sink: LaneSink, usage: () => Usage | null, events: RawEvents | null = null) {
    this.#sink = sink;
    this.#usage = usage;
    this.#events = events;
  }

  push(chunk: Uint8Array): void {
    this.#sink.activity();
    if (chunk.length === 0) return;
    if (this.#events !== null) {
      this.#sink.warning(TOLD_AS_EVENTS);
      this.#piece(this.#events, chunk);
      return;
    }
    // The chunk is not ours to keep; the byte held back goes before it, its own last one waits.
    const before = this.#held === null ? 0 : 1;
    const out = new Uint8Array(before + chunk.length - 1);
    if (this.#held !== null) out[0] = this.#held;
    out.set(chunk.subarray(0, -1), before);
    this.#held = chunk.at(-1) as number;
    this.#sink.content(out, 0, 0);
  }

  /** In threes, so that pieces in base64 make one text too. */
  #piece(events: RawEvents, chunk: Uint8Array): void {
    const whole = new Uint8Array(this.#rest.length + chunk.length);
    whole.set(this.#rest);
    whole.set(chunk, this.#rest.length);
    const end = whole.length - (whole.length % 3);
    this.#rest = whole.subarray(end);
    if (end > 0) this.#sink.content(events.piece(whole.subarray(0, end)), 0, 0);
  }

  end(): void {
    if (this.#events !== null && this.#rest.length > 0) this.#sink.content(this.#events.piece(this.#rest), 0, 0);
    const usage = this.#usage();
    if (usage !== null) this.#sink.usageSeen(usage);
    this.#sink.finished("stop");
    if (this.#events !== null) this.#sink.tail({ kind: "finish", bytes: this.#events.end });
    else if (this.#held !== null) this.#sink.tail({ kind: "finish", bytes: Uint8Array.of(this.#held) });
  }
}
