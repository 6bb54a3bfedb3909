/** The answer on a Node.js response: head, bytes with back-pressure, and word of a client that left. */
import type { ServerResponse } from "node:http";
import type { ClientReply } from "../ports.ts";

/** Bytes that may wait for a slow reader before the upstream is paused. */
const HIGH_WATER_BYTES = 256 << 10;
/** Bytes after which a reader that takes nothing is given up on; what the upstream had in flight at the pause fits in. */
const LIMIT_BYTES = 8 << 20;

export class NodeReply implements ClientReply {
  readonly #response: ServerResponse;
  #onDrain: (() => void) | null = null;
  #onGone: (() => void) | null = null;
  #ended = false;
  #gone = false;
  status = 0;

  constructor(response: ServerResponse) {
    this.#response = response;
    response.on("close", () => this.#closed());
    // The socket's errors end in "close" as well; a listener keeps them from being thrown.
    response.on("error", () => this.#closed());
  }

  head(status: number, headers: readonly string[]): void {
    this.status = status;
    if (this.#gone) return;
    this.#response.writeHead(status, headers as string[]);
    if (status === 200 && headers.includes("text/event-stream; charset=utf-8")) this.#response.flushHeaders();
  }

  write(bytes: Uint8Array): boolean {
    if (this.#gone || this.#ended) return true;
    if (this.#response.write(bytes)) return true;
    const waiting = this.#response.writableLength;
    if (waiting > LIMIT_BYTES) {
      this.#response.destroy();
      return false;
    }
    if (waiting < HIGH_WATER_BYTES) return true;
    this.#response.once("drain", () => this.#onDrain?.());
    return false;
  }

  end(bytes: Uint8Array | null): void {
    if (this.#ended) return;
    this.#ended = true;
    if (this.#gone) return;
    if (bytes === null) this.#response.end();
    else this.#response.end(bytes);
  }

  destroy(): void {
    this.#ended = true;
    this.#response.destroy();
  }

  onGone(callback: () => void): void {
    this.#onGone = callback;
    if (this.#gone) queueMicrotask(callback);
  }

  onDrain(callback: () => void): void {
    this.#onDrain = callback;
  }

  #closed(): void {
    if (this.#gone) return;
    this.#gone = true;
    if (!this.#ended) this.#onGone?.();
  }
}
