/**
 * The lane for streams whose bytes pass and whose events are looked at one by one: client and provider speak the same
 * dialect, and it is none for which a faster scan was written. What leaves is what came.
 */
import type { StreamDecoder } from "../providers/dialects/dialect.ts";
import { commits, type StreamEvent } from "../wire/events.ts";
import { openFramer, type FramedEvent, type Framer, type Framing } from "./framing.ts";
import { gaveUp, malformed, textBytesOf, type LaneSink, type StreamLane } from "./lane.ts";

export class PassLane implements StreamLane {
  readonly #sink: LaneSink;
  readonly #decoder: StreamDecoder;
  readonly #framer: Framer;
  readonly #choiceCount: number;
  readonly #finishedChoices = new Set<number>();
  #seenChoices = 0;
  #committed = false;
  #finished = false;
  #over = false;

  /** `choiceCount` is what the client asked: the answer has finished when that many choices have. */
  constructor(sink: LaneSink, decoder: StreamDecoder, choiceCount: number, framing: Framing) {
    this.#sink = sink;
    this.#decoder = decoder;
    this.#choiceCount = choiceCount;
    this.#framer = openFramer(framing, (event) => this.#event(event));
  }

  push(chunk: Uint8Array): void {
    if (this.#over) return;
    this.#sink.activity();
    this.#fail(this.#framer.push(chunk));
  }

  end(): void {
    if (this.#over) return;
    this.#fail(this.#framer.end());
    if (this.#over) return;
    for (const event of this.#decoder.end()) this.#told(event);
  }

  #fail(problem: Parameters<LaneSink["failed"]>[0] | null): void {
    if (problem === null || this.#over) return;
    this.#over = true;
    this.#sink.failed(problem);
  }

  #event(framed: FramedEvent): void {
    if (this.#over) return;
    const seen = { content: 0, textBytes: 0, carriesUsage: false, finishing: false, ended: false, reason: "" };
    for (const event of this.#decoder.push(framed.event())) {
      this.#note(event, seen);
      if (this.#over) return;
    }
    this.#place(framed.raw(), seen);
  }

  #note(event: StreamEvent, seen: { content: number; textBytes: number; carriesUsage: boolean; finishing: boolean; ended: boolean; reason: string }): void {
    if (event.kind === "finish") {
      if (event.reason === "error") return this.#fail(gaveUp(event.native));
      seen.finishing = true;
      seen.reason = event.reason;
      this.#finishedChoices.add(event.choice);
    } else if (event.kind === "usage") {
      seen.carriesUsage = true;
      this.#sink.usageSeen(event.usage);
    } else if (event.kind === "end") seen.ended = true;
    else if (commits(event)) {
      seen.content++;
      seen.textBytes += textBytesOf(event);
      if ("choice" in event) this.#seenChoices = Math.max(this.#seenChoices, event.choice + 1);
    } else this.#told(event);
  }

  #place(raw: Uint8Array, seen: { content: number; textBytes: number; carriesUsage: boolean; finishing: boolean; ended: boolean; reason: string }): void {
    const last = seen.finishing && this.#finishedChoices.size >= Math.max(this.#choiceCount, this.#seenChoices);
    if (seen.content > 0) {
      this.#committed = true;
      // A frame with content and the finish reason in one is shown only with the tail.
      this.#sink.content(last || this.#finished ? EMPTY : raw, seen.content, seen.textBytes);
    }
    if (last && !this.#finished) {
      this.#finished = true;
      this.#sink.finished(seen.reason);
    }
    if (this.#finished || seen.ended) this.#sink.tail({ kind: seen.finishing ? "finish" : "other", bytes: raw, carriesUsage: seen.carriesUsage });
    else if (seen.content === 0) {
      if (this.#committed) this.#sink.content(raw, 0, 0);
      else this.#sink.lifecycle(raw);
    }
    if (seen.ended) this.#terminal();
  }

  /** The terminal signal: fine once a choice has finished, a truncation before. */
  #terminal(): void {
    if (!this.#finished && this.#finishedChoices.size > 0) {
      this.#finished = true;
      this.#sink.finished("stop");
    }
    this.#over = true;
    this.#sink.done();
  }

  #told(event: StreamEvent): void {
    if (event.kind === "error") this.#fail(event.error.class === "malformed" ? malformed(event.error.message) : event.error);
    else if (event.kind === "end") this.#terminal();
    else if (event.kind === "usage") this.#sink.usageSeen(event.usage);
  }
}

const EMPTY = new Uint8Array(0);
