/** Content-encodings of answers, taken off within a bound on how far they may expand. */
import type { Readable, Transform } from "node:stream";
import { createBrotliDecompress, createGunzip, createInflate } from "node:zlib";
import type { UpstreamFailure } from "../ports.ts";

/** More output than this many times the input (above a floor) is a decompression bomb. */
const RATIO_LIMIT = 200;
const RATIO_FLOOR_BYTES = 1 << 20;

/** Who is told. `failed` or `end` comes once and last. */
export interface DecompressionSink {
  data(chunk: Uint8Array): void;
  end(): void;
  failed(failure: UpstreamFailure): void;
  /** After a `write` that returned false: more may be written. */
  drained(): void;
}

/** Is there anything to take off? */
export function isEncoded(encoding: string | undefined): encoding is string {
  return encoding !== undefined && encoding !== "" && encoding !== "identity";
}

export class Decompression {
  readonly #decoder: Transform;
  readonly #sink: DecompressionSink;
  #encodedBytes = 0;
  #decodedBytes = 0;
  #over = false;

  private constructor(decoder: Transform, sink: DecompressionSink) {
    this.#decoder = decoder;
    this.#sink = sink;
    (decoder as Readable).on("data", (chunk: Buffer) => this.#data(chunk));
    decoder.on("end", () => {
      if (this.#over) return;
      this.#over = true;
      sink.end();
    });
    decoder.on("drain", () => {
      if (!this.#over) sink.drained();
    });
    decoder.on("error", (error: Error) => this.#fail({ class: "malformed", reason: "decompression", sent: true, message: error.message }));
  }

  /** For one encoding that was asked for; a failure for every other, and for more than one. */
  static open(encoding: string, sink: DecompressionSink): Decompression | UpstreamFailure {
    const name = encoding.trim().toLowerCase();
    const decoder: Transform | null =
      name === "gzip" || name === "x-gzip" ? createGunzip() : name === "br" ? createBrotliDecompress() : name === "deflate" ? createInflate() : null;
    if (decoder !== null) return new Decompression(decoder, sink);
    return { class: "malformed", reason: "decompression", sent: true, message: `content-encoding ${encoding.slice(0, 40)} is not one that was asked for` };
  }

  /** The chunk is kept until it is read. False: wait for `drained`. */
  write(chunk: Uint8Array): boolean {
    if (this.#over) return true;
    this.#encodedBytes += chunk.length;
    return this.#decoder.write(chunk);
  }

  /** No more input; what is still inside comes, then `end`. */
  end(): void {
    if (!this.#over) this.#decoder.end();
  }

  pause(): void {
    this.#decoder.pause();
  }

  resume(): void {
    this.#decoder.resume();
  }

  /** Nothing is told any more. */
  destroy(): void {
    this.#over = true;
    this.#decoder.destroy();
  }

  #data(chunk: Buffer): void {
    if (this.#over) return;
    this.#decodedBytes += chunk.length;
    if (this.#decodedBytes > RATIO_FLOOR_BYTES && this.#decodedBytes > this.#encodedBytes * RATIO_LIMIT) {
      this.#fail({ class: "too_large", reason: "decompression", sent: true, message: "the answer expands beyond the allowed ratio" });
      return;
    }
    this.#sink.data(chunk);
  }

  #fail(failure: UpstreamFailure): void {
    if (this.#over) return;
    this.destroy();
    this.#sink.failed(failure);
  }
}
