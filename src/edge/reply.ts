/** The answer on a Node.js response: head, bytes with back-pressure, and word of a client that left. */
import type { ServerResponse } from "node:http";
import type { Socket } from "node:net";
import type { ClientReply } from "../ports.ts";

/** Bytes that may wait for a slow reader before the upstream is paused. */
const HIGH_WATER_BYTES = 256 << 10;
/** Bytes after which a reader that takes nothing is given up on; what the upstream had in flight at the pause fits in. */
const LIMIT_BYTES = 8 << 20;

const SLAB_BYTES = 16 << 10;
/** One buffer for the frames of all streams: the kernel has usually taken a frame before `socket.write` returns. */
let slab = Buffer.allocUnsafeSlow(SLAB_BYTES);

export class NodeReply implements ClientReply {
  readonly #response: ServerResponse;
  /** Where frames of a stream go in one piece; null: through the response. */
  #socket: Socket | null = null;
  #onDrain: (() => void) | null = null;
  #onGone: (() => void) | null = null;
  /** One listener waits for the slow reader, however much is written meanwhile. */
  #awaitsDrain = false;
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
    // The type comes first, as every head of ours has it.
    if (status !== 200 || headers[1]?.startsWith("text/event-stream") !== true) return;
    this.#response.flushHeaders();
    // The response's own socket: a pipelined answer has none yet, and HTTP/1.0 has no chunks. On TLS a write stays pending.
    const { socket, chunkedEncoding } = this.#response;
    if (chunkedEncoding && socket !== null && !("encrypted" in socket)) this.#socket = socket;
  }

  write(bytes: Uint8Array): boolean {
    if (this.#gone || this.#ended) return true;
    if (bytes.length === 0) return true;
    const socket = this.#socket;
    if (socket === null ? this.#response.write(bytes) : writeChunk(socket, bytes)) return true;
    const waiting = socket === null ? this.#response.writableLength : socket.writableLength;
    if (waiting > LIMIT_BYTES) {
      this.#response.destroy();
      return false;
    }
    if (waiting < HIGH_WATER_BYTES) return true;
    if (this.#awaitsDrain) return false;
    this.#awaitsDrain = true;
    (socket ?? this.#response).once("drain", () => {
      this.#awaitsDrain = false;
      this.#onDrain?.();
    });
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

/**
 * One chunk of HTTP's chunked coding in one buffer and one write; the response would make four pieces of it and write them
 * a tick later. The slab serves again only if the socket kept nothing of it.
 */
function writeChunk(socket: Socket, bytes: Uint8Array): boolean {
  const size = bytes.length.toString(16);
  const length = size.length + bytes.length + 4;
  const shared = length <= SLAB_BYTES && socket.writableLength === 0;
  const out = shared ? slab : Buffer.allocUnsafe(length);
  let at = out.write(size, 0, "latin1");
  out[at++] = 13;
  out[at++] = 10;
  out.set(bytes, at);
  at += bytes.length;
  out[at++] = 13;
  out[at] = 10;
  const room = socket.write(shared ? out.subarray(0, length) : out);
  if (shared && socket.writableLength !== 0) slab = Buffer.allocUnsafeSlow(SLAB_BYTES);
  return room;
}
