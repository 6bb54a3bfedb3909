/**
 * The hub lane for streams: the provider speaks another dialect than the client. Upstream events become the hub's, and
 * the client's encoder writes chunks from them.
 */
import type { StreamDecoder } from "../providers/dialects/dialect.ts";
import { commits, type StreamEvent } from "../wire/events.ts";
import { ENDED_WITHOUT_CONTENT } from "../wire/outcome.ts";
import { SseFramer, eventOf, type SseFrame } from "../wire/sse.ts";
import { EMPTY_FINISH, failure, gaveUp, textBytesOf, type LaneSink, type StreamLane } from "./lane.ts";

/** Writes the client's dialect. Implemented by the surface's codec. */
export interface EventEncoder {
  /** Chunks for one event as JSON text, none where the client's dialect has nothing to say. */
  encodeJson(event: StreamEvent): readonly string[];
}

const encoder = new TextEncoder();

export class HubLane implements StreamLane {
  readonly #sink: LaneSink;
  readonly #decoder: StreamDecoder;
  readonly #encoder: EventEncoder;
  readonly #framer: SseFramer;
  readonly #choiceCount: number;
  readonly #mayBeEmpty: boolean;
  readonly #finishedChoices = new Set<number>();
  #finished = false;
  #over = false;
  #lines: string[] = [];
  #events = 0;
  #textBytes = 0;
  #committing = false;

  /** `mayBeEmpty`: stop sequences were asked, so an answer of nothing can be a whole one. */
  constructor(sink: LaneSink, decoder: StreamDecoder, encode: EventEncoder, choiceCount: number, mayBeEmpty = false) {
    this.#mayBeEmpty = mayBeEmpty;
    this.#sink = sink;
    this.#decoder = decoder;
    this.#encoder = encode;
    this.#choiceCount = choiceCount;
    this.#framer = new SseFramer((frame) => this.#frame(frame));
  }

  push(chunk: Uint8Array): void {
    if (this.#over) return;
    this.#sink.activity();
    const problem = this.#framer.push(chunk);
    this.#flush();
    if (problem !== null && !this.#over) {
      this.#over = true;
      this.#sink.failed(failure("too_large", `the stream holds a ${problem === "line_too_long" ? "line" : "event"} beyond the bound`));
    }
  }

  end(): void {
    if (this.#over) return;
    this.#framer.end();
    for (const event of this.#decoder.end()) this.#event(event);
    this.#flush();
  }

  #frame(frame: SseFrame): void {
    if (this.#over || frame.dataLines === 0) return;
    for (const event of this.#decoder.push(eventOf(frame))) {
      if (this.#over) return;
      this.#event(event);
    }
  }

  #event(event: StreamEvent): void {
    if (this.#over) return;
    switch (event.kind) {
      case "error":
        if (this.#mayBeEmpty && event.error.code === ENDED_WITHOUT_CONTENT) {
          this.#event(EMPTY_FINISH);
          this.#event({ kind: "end" });
          return;
        }
        this.#flush();
        this.#over = true;
        this.#sink.failed(event.error);
        return;
      case "end":
        this.#flush();
        // A provider may give fewer choices than asked; the end with at least one of them finished is an end.
        if (!this.#finished && this.#finishedChoices.size > 0) {
          this.#finished = true;
          this.#sink.finished("stop");
        }
        this.#over = true;
        this.#sink.done();
        return;
      case "usage":
        // The usage chunk is written at the end, when the charge is known.
        this.#sink.usageSeen(event.usage);
        return;
      case "warning":
        this.#sink.warning(event.message);
        return;
      case "ping":
        return;
      case "finish":
        if (event.reason === "error") {
          this.#flush();
          this.#over = true;
          this.#sink.failed(gaveUp(event.native));
          return;
        }
        this.#finishedChoices.add(event.choice);
        this.#flush();
        if (!this.#finished && this.#finishedChoices.size >= this.#choiceCount) {
          this.#finished = true;
          this.#sink.finished(event.reason);
        }
        break;
      default:
        break;
    }
    const committing = commits(event);
    const chunks = this.#encoder.encodeJson(event);
    if (chunks.length === 0) return;
    const text = chunks.length === 1 ? `data: ${chunks[0]}\n\n` : chunks.map((chunk) => `data: ${chunk}\n\n`).join("");
    if (this.#finished) {
      this.#sink.tail({ kind: event.kind === "finish" ? "finish" : "other", bytes: encoder.encode(text) });
      return;
    }
    this.#lines.push(text);
    if (committing) {
      this.#committing = true;
      this.#events++;
    }
    this.#textBytes += textBytesOf(event);
  }

  #flush(): void {
    if (this.#lines.length === 0) return;
    const bytes = encoder.encode(this.#lines.length === 1 ? this.#lines[0] : this.#lines.join(""));
    const events = this.#events;
    const textBytes = this.#textBytes;
    const committing = this.#committing;
    this.#lines = [];
    this.#events = 0;
    this.#textBytes = 0;
    this.#committing = false;
    if (committing) this.#sink.content(bytes, events, textBytes);
    else if (textBytes > 0) this.#sink.content(bytes, 0, textBytes);
    else this.#sink.lifecycle(bytes);
  }
}
