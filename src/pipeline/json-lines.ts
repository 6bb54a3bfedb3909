/** Lines of a body that comes in pieces: one is held at a time, and none that is longer than a bound. */
export class LineReader {
  readonly #maxBytes: number;
  readonly #onLine: (line: Uint8Array | null) => void;
  #pieces: Uint8Array[] = [];
  #bytes = 0;

  /** `onLine` gets each line that is not empty, without its end; null for one beyond the bound. */
  constructor(maxBytes: number, onLine: (line: Uint8Array | null) => void) {
    this.#maxBytes = maxBytes;
    this.#onLine = onLine;
  }

  /** The chunk is not kept, but for a copy of its last line's beginning. */
  push(chunk: Uint8Array): void {
    let from = 0;
    for (;;) {
      const end = chunk.indexOf(10, from);
      if (end < 0) break;
      this.#add(chunk.subarray(from, end));
      this.end();
      from = end + 1;
    }
    if (from < chunk.length) this.#add(chunk.slice(from));
  }

  /** The body ended; its last line may lack an end. */
  end(): void {
    const bytes = this.#bytes;
    const pieces = this.#pieces;
    this.#bytes = 0;
    this.#pieces = [];
    if (bytes > this.#maxBytes) return this.#onLine(null);
    const line = joined(pieces, bytes);
    if (line.some((byte) => byte !== 32 && byte !== 13 && byte !== 9)) this.#onLine(line);
  }

  #add(piece: Uint8Array): void {
    this.#bytes += piece.length;
    if (this.#bytes > this.#maxBytes) this.#pieces = [];
    else if (piece.length > 0) this.#pieces.push(piece);
  }
}

function joined(pieces: readonly Uint8Array[], length: number): Uint8Array {
  if (pieces.length === 1) return pieces[0] as Uint8Array;
  const whole = new Uint8Array(length);
  let at = 0;
  for (const piece of pieces) {
    whole.set(piece, at);
    at += piece.length;
  }
  return whole;
}
