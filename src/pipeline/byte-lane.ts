/**
 * The byte lane for streams: client and provider speak the same dialect, so events leave as they came. Each is looked at
 * without parsing once content flows; what is more than plain content (finish, usage, errors) is decoded in full.
 */
import type { StreamDecoder } from "../providers/dialects/dialect.ts";
import { CHUNK_ERROR, CHUNK_FINISH, CHUNK_MALFORMED, CHUNK_USAGE, chunkTextBytes, scanChunk } from "../wire/chunk-scan.ts";
import { commits, type StreamEvent } from "../wire/events.ts";
import { asArray, member } from "../wire/json.ts";
import { SseFramer, eventOf, type SseFrame } from "../wire/sse.ts";
import { terminated } from "./framing.ts";
import { failure, gaveUp, malformed, textBytesOf, type LaneSink, type StreamLane, type TailFrame } from "./lane.ts";

const SPECIAL = CHUNK_MALFORMED | CHUNK_FINISH | CHUNK_USAGE | CHUNK_ERROR;

export class ByteLane implements StreamLane {
  readonly #sink: LaneSink;
  readonly #decoder: StreamDecoder;
  readonly #framer: SseFramer;
  readonly #choiceCount: number;
  readonly #watch: ((frame: SseFrame) => void) | null;
  readonly #finishedChoices = new Set<number>();
  #seenChoices = 0;
  /** A usage chunk that came before the finish reason; it leaves with it, in that order. */
  #earlyUsage: Uint8Array | null = null;
  #committed = false;
  #finished = false;
  #over = false;
  /** A run of plain events that lie side by side in one chunk: forwarded by one write. */
  #chunk: Uint8Array | null = null;
  #runBytes: Uint8Array | null = null;
  #runStart = 0;
  #runEnd = 0;
  #runEvents = 0;
  #runTextBytes = 0;

  /** `choiceCount` is what the client asked: the answer has finished when that many choices have. `watch` is shown each frame. */
  constructor(sink: LaneSink, decoder: StreamDecoder, choiceCount: number, watch: ((frame: SseFrame) => void) | null = null) {
    this.#watch = watch;
    this.#sink = sink;
    this.#decoder = decoder;
    this.#choiceCount = choiceCount;
    this.#framer = new SseFramer((frame) => this.#frame(frame));
  }

  push(chunk: Uint8Array): void {
    if (this.#over) return;
    this.#sink.activity();
    this.#chunk = chunk;
    const problem = this.#framer.push(chunk);
    this.#flush();
    this.#chunk = null;
    if (problem !== null && !this.#over) {
      this.#over = true;
      this.#sink.failed(failure("too_large", `the stream holds a ${problem === "line_too_long" ? "line" : "event"} beyond the bound`));
    }
  }

  end(): void {
    if (this.#over) return;
    this.#framer.end();
    this.#flush();
    if (this.#over) return;
    for (const event of this.#decoder.end()) this.#told(event);
  }

  #frame(frame: SseFrame): void {
    if (this.#over || frame.dataLines === 0) return;
    if (this.#watch !== null) this.#watch(frame);
    // Of several choices the decoder has to see every one, or nobody knows of which the end is missing.
    if (this.#committed && !this.#finished && this.#choiceCount === 1 && frame.dataLines === 1 && frame.event === "") {
      const flags = scanChunk(frame.bytes, frame.dataStart, frame.dataEnd);
      if ((flags & SPECIAL) === 0) {
        this.#plain(frame, chunkTextBytes);
        return;
      }
    }
    this.#flush();
    this.#decode(frame);
  }

  #plain(frame: SseFrame, textBytes: number): void {
    if (this.#runBytes === frame.bytes && this.#runEnd === frame.start) this.#runEnd = frame.end;
    else {
      this.#flush();
      this.#runBytes = frame.bytes;
      this.#runStart = frame.start;
      this.#runEnd = frame.end;
    }
    if (textBytes > 0) this.#runEvents++;
    this.#runTextBytes += textBytes;
  }

  #flush(): void {
    const bytes = this.#runBytes;
    if (bytes === null) return;
    this.#runBytes = null;
    // The framer's own buffer is used again; the socket's chunk is not.
    const out = bytes === this.#chunk ? bytes.subarray(this.#runStart, this.#runEnd) : bytes.slice(this.#runStart, this.#runEnd);
    const events = this.#runEvents;
    const textBytes = this.#runTextBytes;
    this.#runEvents = 0;
    this.#runTextBytes = 0;
    this.#sink.content(out, events, textBytes);
  }

  /** An event that has to be understood: before the commit point all of them, after it those that are not plain. */
  #decode(frame: SseFrame): void {
    const raw = terminated(frame.bytes.slice(frame.start, frame.end));
    let content = 0;
    let textBytes = 0;
    let isUsage = false;
    let carriesUsage = false;
    const sse = eventOf(frame);
    let finishing = false;
    let ended = false;
    let reason = "";
    for (const event of this.#decoder.push(sse)) {
      if (event.kind === "finish") {
        if (event.reason === "error") {
          this.#over = true;
          this.#sink.failed(gaveUp(event.native));
          return;
        }
        finishing = true;
        reason = event.reason;
        this.#finishedChoices.add(event.choice);
      } else if (event.kind === "usage") {
        isUsage = hasNoChoices(sse.data);
        carriesUsage = true;
        this.#sink.usageSeen(event.usage);
      } else if (event.kind === "end") ended = true;
      else if (commits(event)) {
        content++;
        textBytes += textBytesOf(event);
        if ("choice" in event) this.#seenChoices = Math.max(this.#seenChoices, event.choice + 1);
      } else this.#told(event);
      if (this.#over) return;
    }
    this.#place(raw, { content, textBytes, isUsage, carriesUsage, finishing, ended, reason });
  }

  #place(raw: Uint8Array, seen: { content: number; textBytes: number; isUsage: boolean; carriesUsage: boolean; finishing: boolean; ended: boolean; reason: string }): void {
    const expected = Math.max(this.#choiceCount, this.#seenChoices);
    const last = seen.finishing && this.#finishedChoices.size >= expected;
    if (seen.content > 0) {
      this.#committed = true;
      // A frame with content and the finish reason in one is shown only with the tail.
      if (!last && !this.#finished) this.#sink.content(raw, seen.content, seen.textBytes);
      else this.#sink.content(EMPTY, seen.content, seen.textBytes);
    }
    if (last && !this.#finished) {
      this.#finished = true;
      this.#sink.finished(seen.reason);
      if (this.#earlyUsage !== null) this.#sink.tail({ kind: "usage", bytes: this.#earlyUsage });
    }
    if (this.#finished || seen.ended) {
      const kind: TailFrame["kind"] = seen.isUsage && !seen.finishing ? "usage" : seen.finishing ? "finish" : "other";
      if (!seen.ended) this.#sink.tail({ kind, bytes: raw, carriesUsage: seen.carriesUsage });
      else this.#terminal();
    } else if (seen.isUsage) this.#earlyUsage = raw;
    else if (seen.content === 0) {
      if (this.#committed) this.#sink.content(raw, 0, 0);
      else this.#sink.lifecycle(raw);
    }
  }

  /** `[DONE]`: fine once a choice has finished, a truncation before. */
  #terminal(): void {
    if (!this.#finished && this.#finishedChoices.size > 0) {
      this.#finished = true;
      this.#sink.finished("stop");
    }
    this.#over = true;
    this.#sink.done();
  }

  #told(event: StreamEvent): void {
    if (event.kind === "error") {
      this.#over = true;
      this.#sink.failed(event.error.class === "malformed" ? malformed(event.error.message) : event.error);
    } else if (event.kind === "end") this.#terminal();
    else if (event.kind === "usage") this.#sink.usageSeen(event.usage);
  }
}

const EMPTY = new Uint8Array(0);

/** A chunk whose only purpose is the usage: its list of choices is empty or missing. */
function hasNoChoices(data: string): boolean {
  try {
    return asArray(member(JSON.parse(data), "choices")).length === 0;
  } catch {
    // The decoder read usage from it, so this cannot be; were it so, the chunk is forwarded like any other.
    return false;
  }
}
