/**
 * The reply of a request with an Idempotency-Key: passes all on to the client, and holds on to an answer that comes whole.
 * A client that leaves does not end such a request, since it will ask again; a stream ends with its client, as always.
 */
import type { ClientReply } from "../ports.ts";

/** A whole answer, as it left. */
export interface WholeAnswer {
  readonly status: number;
  /** Flat: name, value, … */
  readonly headers: readonly string[];
  readonly body: Uint8Array;
}

export class KeyedReply implements ClientReply {
  readonly #inner: ClientReply;
  readonly #leaves: () => boolean;
  #headers: readonly string[] = [];
  #onGone: (() => void) | null = null;
  #wrote = false;
  /** The client has left. */
  gone = false;
  /** null: it has not ended, or came in pieces. */
  answer: WholeAnswer | null = null;
  ended = false;
  /** Called once it has. */
  onEnded: (() => void) | null = null;

  /** `leaves`: does the request end with its client? Called once that has left. */
  constructor(inner: ClientReply, leaves: () => boolean) {
    this.#inner = inner;
    this.#leaves = leaves;
    inner.onGone(() => this.#left());
  }

  get status(): number {
    return this.#inner.status;
  }

  head(status: number, headers: readonly string[]): void {
    this.#headers = headers;
    this.#inner.head(status, headers);
  }

  write(bytes: Uint8Array): boolean {
    this.#wrote = true;
    // It comes in pieces after all, and nobody reads them.
    if (this.gone) this.#tellGone();
    return this.#inner.write(bytes);
  }

  end(bytes: Uint8Array | null): void {
    if (this.ended) return;
    this.ended = true;
    if (!this.#wrote && bytes !== null) this.answer = { status: this.#inner.status, headers: this.#headers, body: bytes };
    this.#inner.end(bytes);
    this.onEnded?.();
  }

  destroy(): void {
    if (this.ended) return this.#inner.destroy();
    this.ended = true;
    this.#inner.destroy();
    this.onEnded?.();
  }

  onGone(callback: () => void): void {
    this.#onGone = callback;
    if (this.gone && this.#leaves()) queueMicrotask(() => this.#tellGone());
  }

  onDrain(callback: () => void): void {
    this.#inner.onDrain(callback);
  }

  #left(): void {
    this.gone = true;
    if (this.#wrote || this.#leaves()) this.#tellGone();
  }

  #tellGone(): void {
    const tell = this.#onGone;
    this.#onGone = null;
    tell?.();
  }
}
