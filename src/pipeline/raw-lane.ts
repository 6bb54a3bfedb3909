/**
 * The lane for answers that are bytes of some other type (audio, a file): all of it is content, and it ends where its body
 * ends. The last byte waits for the charge.
 */
import type { Usage } from "../wire/usage.ts";
import type { LaneSink, StreamLane } from "./lane.ts";

export class RawLane implements StreamLane {
  readonly #sink: LaneSink;
  readonly #usage: () => Usage | null;
  #held: number | null = null;

  /** `usage`: what such an answer is billed for, asked at its end. */
  constructor(sink: LaneSink, usage: () => Usage | null) {
    this.#sink = sink;
    this.#usage = usage;
  }

  push(chunk: Uint8Array): void {
    this.#sink.activity();
    if (chunk.length === 0) return;
    // The chunk is not ours to keep; the byte held back goes before it, its own last one waits.
    const before = this.#held === null ? 0 : 1;
    const out = new Uint8Array(before + chunk.length - 1);
    if (this.#held !== null) out[0] = this.#held;
    out.set(chunk.subarray(0, -1), before);
    this.#held = chunk.at(-1) as number;
    this.#sink.content(out, 0, 0);
  }

  end(): void {
    const usage = this.#usage();
    if (usage !== null) this.#sink.usageSeen(usage);
    this.#sink.finished("stop");
    if (this.#held !== null) this.#sink.tail({ kind: "finish", bytes: Uint8Array.of(this.#held) });
  }
}
