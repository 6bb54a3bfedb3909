/** One socket of our own HTTP/1.1 client: carries one call at a time, and is kept for the next where that is safe. */
import type { Socket } from "node:net";
import type { UpstreamFailure } from "../ports.ts";
import { AnswerParser } from "./http1-parser.ts";
import type { Destination } from "./upstream-dial.ts";
import { describeFailure } from "./upstream-failure.ts";

/** A call as its connection sees it. None of these throws. */
export interface CarriedCall {
  readonly toHead: boolean;
  readonly pieces: readonly Uint8Array[];
  /** Not to be told of any more bytes for now. */
  readonly stalled: boolean;
  /** Aborted, or failed by itself. */
  readonly over: boolean;
  /** Connected; the request is about to be written. */
  ready(): void;
  head(status: number, lines: readonly string[], encoding: string | undefined): void;
  /** Bytes that nobody writes to any more: they may be kept. */
  body(chunk: Uint8Array): void;
  /** The answer's framing ended; the connection has let go of the call. */
  complete(): void;
  /** It came to nothing; the connection has let go of the call. */
  lost(failure: UpstreamFailure): void;
}

export interface ConnectionOwner {
  nowMs(): number;
  /** Free for another call; the hint is how long the other side says that it keeps it. */
  freed(connection: Connection, keepAliveHintMs: number | null): void;
  closed(connection: Connection): void;
}

export class Connection {
  readonly bornMs: number;
  /** Set by the pool while it keeps this connection. */
  keptUntilMs = 0;
  readonly #destination: Destination;
  readonly #owner: ConnectionOwner;
  readonly #socket: Socket;
  readonly #parser = new AnswerParser();
  #connectTimer: NodeJS.Timeout | null;
  #call: CarriedCall | null = null;
  #connected = false;
  #written = false;
  /** It has carried a call before. */
  #used = false;
  #busy = false;
  #closed = false;
  #error: Error | null = null;
  /** Reads that came while the call was stalled or the one before was being told. */
  #backlog: Buffer[] = [];
  /** The other side ended while there was a backlog. */
  #endPending = false;

  constructor(destination: Destination, owner: ConnectionOwner) {
    this.#destination = destination;
    this.#owner = owner;
    this.bornMs = owner.nowMs();
    const socket = (this.#socket = destination.dial((bytes) => this.#read(bytes)));
    this.#connectTimer = setTimeout(() => this.#connectTimedOut(), destination.connectTimeoutMs);
    socket.once(destination.connectedEvent, () => this.#onConnected());
    socket.on("error", (error: Error) => (this.#error ??= error));
    socket.on("end", () => this.#ended());
    socket.on("close", () => this.#onClosed());
  }

  get usable(): boolean {
    return !this.#closed && this.#call === null && !this.#socket.destroyed && !this.#socket.readableEnded && this.#socket.writable;
  }

  /** Send a call, now or as soon as the socket is connected. */
  carry(call: CarriedCall): void {
    this.#call = call;
    this.#written = false;
    this.#parser.begin(call.toHead);
    if (this.#connected) this.#write(call);
  }

  /** The call wants no more: close. */
  abandon(call: CarriedCall): void {
    if (this.#call === call) this.destroy();
  }

  pause(): void {
    this.#socket.pause();
  }

  /** Tell what was held back, then read on. */
  resume(call: CarriedCall): void {
    if (this.#call !== call) return;
    if (!this.#busy) this.#drain();
    if (this.#call === call && !call.stalled) this.#socket.resume();
  }

  /** Close without a word to the call. */
  destroy(): void {
    this.#call = null;
    this.#backlog = [];
    this.#socket.destroy();
  }

  /** Close, and tell the call. */
  close(failure: UpstreamFailure): void {
    const call = this.#call;
    const sent = this.#written;
    this.destroy();
    call?.lost({ ...failure, sent });
  }

  #onConnected(): void {
    this.#stopConnectTimer();
    this.#connected = true;
    if (this.#call !== null) this.#write(this.#call);
  }

  #write(call: CarriedCall): void {
    call.ready();
    if (call.over) {
      this.destroy();
      return;
    }
    this.#written = true;
    const { pieces } = call;
    if (pieces.length === 1) {
      this.#socket.write(pieces[0] as Uint8Array);
      return;
    }
    this.#socket.cork();
    for (const piece of pieces) this.#socket.write(piece);
    this.#socket.uncork();
  }

  #read(bytes: Buffer): void {
    if (this.#call === null && !this.#busy) {
      // Nobody asked.
      this.destroy();
    } else if (this.#busy || this.#backlog.length > 0 || (this.#call?.stalled ?? false)) this.#backlog.push(bytes);
    else {
      this.#tell(bytes);
      if (this.#backlog.length > 0) this.#drain();
    }
  }

  #drain(): void {
    while (this.#backlog.length > 0 && this.#call !== null && !this.#call.stalled) this.#tell(this.#backlog.shift() as Buffer);
    if (this.#backlog.length > 0 && this.#call === null) this.destroy();
    else if (this.#backlog.length === 0 && this.#endPending) this.#lose();
  }

  #tell(bytes: Buffer): void {
    this.#busy = true;
    this.#tellAll(bytes);
    this.#busy = false;
  }

  #tellAll(bytes: Buffer): void {
    const call = this.#call;
    const parser = this.#parser;
    if (call === null) return;
    let at = 0;
    while (at < bytes.length) {
      if (call.stalled) {
        this.#backlog.unshift(bytes.subarray(at));
        return;
      }
      at = parser.feed(bytes, at);
      if (parser.headDone) {
        call.head(parser.status, parser.lines, parser.encoding);
        if (this.#call !== call) return;
      }
      const { dataStart, dataEnd } = parser;
      if (dataEnd > dataStart) {
        call.body(dataStart === 0 && dataEnd === bytes.length ? bytes : bytes.subarray(dataStart, dataEnd));
        if (this.#call !== call) return;
      }
      if (parser.problem !== null) {
        this.close({ ...parser.problem, reason: "protocol", sent: true });
        return;
      }
      if (parser.done) {
        this.#complete(call, at < bytes.length || this.#backlog.length > 0);
        return;
      }
    }
  }

  /** The answer is whole. The socket is kept unless something on it is not as it should be. */
  #complete(call: CarriedCall, surplus: boolean): void {
    const socket = this.#socket;
    const keep = this.#parser.keepAlive && !surplus && !this.#endPending && !socket.destroyed && socket.writableLength === 0;
    if (keep) {
      this.#call = null;
      this.#used = true;
      // It must go on reading, or the other side's end would not be seen.
      if (call.stalled) socket.resume();
      this.#owner.freed(this, this.#parser.keepAliveHintMs);
    } else this.destroy();
    call.complete();
  }

  /** The other side sent its end. */
  #ended(): void {
    if (this.#call === null) this.destroy();
    else if (this.#busy || this.#backlog.length > 0) this.#endPending = true;
    else this.#lose();
  }

  #onClosed(): void {
    this.#closed = true;
    this.#stopConnectTimer();
    this.#owner.closed(this);
    if (this.#call === null) return;
    if (this.#backlog.length > 0) this.#endPending = true;
    else this.#lose();
  }

  /** The connection is gone under its call: the end of an answer that ends so, a failure of every other. */
  #lose(): void {
    const call = this.#call;
    if (call === null) return;
    const error = this.#error;
    if (error === null && this.#parser.finish()) {
      this.#complete(call, false);
      return;
    }
    const sent = this.#written;
    if (sent && this.#used && !this.#parser.started) {
      // It may have been closed while the request was on its way, or after it was read: nobody can know.
      this.close({ class: "network", reason: "reset", sent, message: "a kept connection was closed before an answer came" });
    } else if (error !== null) this.close(describeFailure(error, sent));
    else this.close({ class: "network", reason: "closed", sent, message: "the provider closed the connection before the answer was whole" });
  }

  #connectTimedOut(): void {
    const { origin, connectTimeoutMs } = this.#destination;
    this.#error = Object.assign(new Error(`no connection to ${origin} within ${connectTimeoutMs} ms`), { code: "CONNECT_TIMEOUT" });
    this.#socket.destroy();
    this.#lose();
  }

  #stopConnectTimer(): void {
    if (this.#connectTimer !== null) clearTimeout(this.#connectTimer);
    this.#connectTimer = null;
  }
}
