/**
 * The hub lane for streams: the provider speaks another dialect than the client. Upstream events become the hub's, and
 * the client's encoder writes chunks from them.
 */
import type { AnswerEncoder, Frames } from "../providers/dialects/client.ts";
import type { StreamDecoder } from "../providers/dialects/dialect.ts";
import { commits, type StreamEvent } from "../wire/events.ts";
import { ENDED_WITHOUT_CONTENT, type UpstreamError } from "../wire/outcome.ts";
import { openFramer, type FramedEvent, type Framer, type Framing } from "./framing.ts";
import { EMPTY_FINISH, gaveUp, textBytesOf, type LaneSink, type StreamLane } from "./lane.ts";

export class HubLane implements StreamLane {
  readonly #sink: LaneSink;
  readonly #decoder: StreamDecoder;
  readonly #encoder: AnswerEncoder;
  readonly #framer: Framer;
  readonly #choiceCount: number;
  readonly #mayBeEmpty: boolean;
  readonly #finishedChoices = new Set<number>();
  #finished = false;
  #over = false;
  #frames: Frames[] = [];
  #events = 0;
  #textBytes = 0;
  #committing = false;
  /** Events that commit, and of which nothing has been written yet. */
  #withheld = 0;
  /** Something was shown. */
  #committed = false;

  /** `mayBeEmpty`: stop sequences were asked, so an answer of nothing can be a whole one. */
  constructor(sink: LaneSink, decoder: StreamDecoder, encode: AnswerEncoder, choiceCount: number, mayBeEmpty = false, framing: Framing = "sse") {
    this.#mayBeEmpty = mayBeEmpty;
    this.#sink = sink;
    this.#decoder = decoder;
    this.#encoder = encode;
    this.#choiceCount = choiceCount;
    this.#framer = openFramer(framing, (framed) => this.#framed(framed));
  }

  push(chunk: Uint8Array): void {
    if (this.#over) return;
    this.#sink.activity();
    const problem = this.#framer.push(chunk);
    this.#flush();
    this.#fail(problem);
  }

  end(): void {
    if (this.#over) return;
    const problem = this.#framer.end();
    for (const event of this.#decoder.end()) this.#event(event);
    this.#flush();
    this.#fail(problem);
  }

  #fail(problem: UpstreamError | null): void {
    if (problem === null || this.#over) return;
    this.#over = true;
    this.#sink.failed(problem);
  }

  #framed(framed: FramedEvent): void {
    if (this.#over) return;
    for (const event of this.#decoder.push(framed.event())) {
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
        this.#flush();
        // Where one choice was asked, clients read the first, and most are told nothing of another.
        if (event.choice !== 0 && this.#choiceCount === 1) break;
        this.#finishedChoices.add(event.choice);
        // A call that is written only when it is whole has begun all the same.
        if (this.#withheld > 0 && !this.#committed) {
          this.#committed = true;
          this.#sink.content(NOTHING, this.#withheld, this.#textBytes);
          this.#withheld = this.#textBytes = 0;
        }
        if (!this.#finished && this.#finishedChoices.size >= this.#choiceCount) {
          this.#finished = true;
          this.#sink.finished(event.reason);
        }
        break;
      default:
        break;
    }
    this.#textBytes += this.#finished ? 0 : textBytesOf(event);
    const frames = this.#encoder.encode(event);
    const committing = commits(event);
    if (frames.length === 0) {
      // Reasoning that the client did not ask to see is not shown later either.
      if (committing && event.kind !== "reasoning") this.#withheld++;
      return;
    }
    if (this.#finished) {
      // Content after the finish: whoever waits for the end must know that this is not it.
      if (committing) this.#sink.content(NOTHING, 1, textBytesOf(event));
      this.#sink.tail({ kind: event.kind === "finish" ? "finish" : "other", bytes: bytesOf([frames]) });
      return;
    }
    this.#frames.push(frames);
    if (committing || this.#withheld > 0) {
      this.#committing = true;
      this.#events += this.#withheld + (committing ? 1 : 0);
      this.#withheld = 0;
    }
  }

  #flush(): void {
    // What was read and not shown yet counts with the next frames that are.
    if (this.#frames.length === 0) return;
    const bytes = bytesOf(this.#frames);
    const events = this.#events;
    const textBytes = this.#textBytes;
    const committing = this.#committing;
    this.#frames = [];
    this.#events = 0;
    this.#textBytes = 0;
    this.#committing = false;
    if (committing) this.#sink.content(bytes, events, textBytes);
    else if (this.#committed) this.#sink.content(bytes, 0, textBytes);
    else this.#sink.lifecycle(bytes);
    this.#committed ||= committing;
  }
}

const encoder = new TextEncoder();
const NOTHING = new Uint8Array(0);

/** Frames side by side, as bytes. */
export function bytesOf(frames: readonly Frames[]): Uint8Array {
  const [only] = frames;
  if (frames.length === 1 && only !== undefined) return typeof only === "string" ? encoder.encode(only) : only;
  if (frames.every((one) => typeof one === "string")) return encoder.encode(frames.join(""));
  const parts = frames.map((one) => (typeof one === "string" ? encoder.encode(one) : one));
  const out = new Uint8Array(parts.reduce((sum, part) => sum + part.length, 0));
  let at = 0;
  for (const part of parts) {
    out.set(part, at);
    at += part.length;
  }
  return out;
}
