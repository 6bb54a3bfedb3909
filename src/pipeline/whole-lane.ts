/**
 * The lane for a whole answer where a stream was asked: some hosts do not stream what they are asked to, and have done and
 * billed the work all the same. It is held, read as whole answers are, and told at once as what the client can read.
 */
import type { AnswerEncoder } from "../providers/dialects/client.ts";
import type { StreamEvent } from "../wire/events.ts";
import type { UpstreamError } from "../wire/outcome.ts";
import type { JsonObject } from "../wire/json.ts";
import type { Usage } from "../wire/usage.ts";
import type { AnswerReading } from "./attempt.ts";
import { HubLane } from "./hub-lane.ts";
import { failure, type LaneSink, type StreamLane } from "./lane.ts";

export const TOLD_AS_EVENTS = "the provider did not stream, so its whole answer came as one piece of a stream";

const NOTHING = new Uint8Array(0);

/** What a whole answer came to: the bytes for the client, or what is wrong with it. */
export type WholeRead =
  | { readonly kind: "answer"; readonly bytes: Uint8Array; readonly usage: Usage | null; readonly warnings: readonly string[] }
  | { readonly kind: "error"; readonly error: UpstreamError; readonly usage: Usage | null };

export class WholeLane implements StreamLane {
  readonly #sink: LaneSink;
  readonly #mostBytes: number;
  readonly #tell: (body: Uint8Array) => void;
  readonly #chunks: Uint8Array[] = [];
  #bytes = 0;
  #over = false;

  constructor(sink: LaneSink, mostBytes: number, tell: (body: Uint8Array) => void) {
    this.#sink = sink;
    this.#mostBytes = mostBytes;
    this.#tell = tell;
  }

  push(chunk: Uint8Array): void {
    if (this.#over) return;
    this.#sink.activity();
    this.#bytes += chunk.length;
    if (this.#bytes > this.#mostBytes) {
      this.#over = true;
      this.#sink.failed(failure("too_large", "the answer is beyond the bound"));
    } else this.#chunks.push(chunk.slice());
  }

  end(): void {
    if (this.#over) return;
    this.#over = true;
    if (this.#bytes === 0) {
      this.#sink.failed(failure("empty", "an answer without a body"));
      return;
    }
    const body = new Uint8Array(this.#bytes);
    let at = 0;
    for (const chunk of this.#chunks) {
      body.set(chunk, at);
      at += chunk.length;
    }
    this.#tell(body);
  }
}

/** Tell an answer whose bytes are made: all of it is its end, which leaves after its charge. */
export function tellWhole(sink: LaneSink, read: WholeRead): void {
  if (read.usage !== null) sink.usageSeen(read.usage);
  if (read.kind === "error") {
    sink.failed(read.error);
    return;
  }
  for (const message of read.warnings) sink.warning(message);
  sink.content(NOTHING, 1, 0);
  sink.finished("stop");
  sink.tail({ kind: "finish", bytes: read.bytes });
}

/**
 * Tell a chat answer by the client's encoder, event by event, as if they had come one after the other. `read` checks it as any
 * whole answer and hands its events to the writer, so nothing is shown of one that is none.
 */
export function tellChat(sink: LaneSink, read: (write: (events: readonly StreamEvent[]) => JsonObject) => AnswerReading, encode: AnswerEncoder, mayBeEmpty: boolean): void {
  let events: readonly StreamEvent[] = [];
  const answer = read((all) => {
    events = all;
    return {};
  });
  if (answer.kind === "error") {
    if (answer.usage !== null) sink.usageSeen(answer.usage);
    sink.failed(answer.error);
    return;
  }
  sink.warning(TOLD_AS_EVENTS);
  // It is over when all choices that are there have finished, however many were asked.
  const choices = events.filter((event) => event.kind === "finish").length;
  new HubLane(sink, { push: () => [], end: () => [...events, { kind: "end" }] }, encode, choices, mayBeEmpty).end();
}
