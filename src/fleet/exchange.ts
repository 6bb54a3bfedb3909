/** One request and its answer on the socket: waits that end when the client leaves, and rude ways to stop. */
import type { IncomingMessage, ServerResponse } from "node:http";

export class Exchange {
  readonly req: IncomingMessage;
  readonly res: ServerResponse;
  /** The client closed the connection before the answer was whole. */
  gone = false;
  /** The fleet is being closed. */
  stopped = false;
  /** Goes on though the client has left (a provider that generates to the end). */
  readonly deaf: boolean;
  #wake: (() => void) | undefined;

  constructor(req: IncomingMessage, res: ServerResponse, deaf: boolean) {
    this.req = req;
    this.res = res;
    this.deaf = deaf;
    res.on("close", () => {
      if (res.writableFinished) return;
      this.gone = true;
      if (!this.deaf || this.stopped) this.#wake?.();
    });
    // Errors of a socket that we or the client destroyed; "close" follows and says all that matters.
    res.on("error", () => this.#wake?.());
  }

  /** True while there is someone to answer, or the provider does not care. */
  get alive(): boolean {
    return !this.stopped && (!this.gone || this.deaf);
  }

  stop(): void {
    this.stopped = true;
    this.#wake?.();
    this.res.socket?.destroy();
  }

  /** Waits; Infinity waits for the client to leave. Returns whether to go on. */
  async sleep(ms: number): Promise<boolean> {
    if (!this.alive) return false;
    if (ms <= 0) return true;
    if (ms === Infinity && this.gone) return false;
    await new Promise<void>((resolve) => {
      const timer = ms === Infinity ? undefined : setTimeout(resolve, ms);
      this.#wake = () => {
        clearTimeout(timer);
        resolve();
      };
    });
    this.#wake = undefined;
    return this.alive;
  }

  /** Lets the event loop turn, so that the next write is a packet of its own. */
  async turn(): Promise<boolean> {
    await new Promise<void>((resolve) => { setImmediate(resolve); });
    return this.alive;
  }

  /** One write; waits while the client reads too slowly. Returns whether to go on. */
  async write(text: string | Buffer): Promise<boolean> {
    if (!this.alive) return false;
    if (this.gone || this.res.write(text)) return true;
    await new Promise<void>((resolve) => {
      this.#wake = resolve;
      this.res.once("drain", resolve);
      // Who has left reads no more; a provider that generates to its end goes on without.
      this.res.once("close", resolve);
    });
    this.#wake = undefined;
    return this.alive;
  }

  /** Ends the connection with a TCP reset. What was written goes out first, or a reset would overtake it. */
  async reset(): Promise<void> {
    const socket = this.res.socket;
    if (!socket) return;
    if (socket.writableLength > 0) await new Promise<void>((resolve) => { socket.write("", () => resolve()); });
    socket.resetAndDestroy();
  }

  /** Ends the connection with a FIN in the middle of the answer. */
  fin(): void {
    this.res.socket?.end();
  }
}
