/** Opens the sockets of our own HTTP/1.1 client. */
import { readFileSync } from "node:fs";
import { connect as connectPlain, isIP, type NetConnectOpts, type Socket } from "node:net";
import { connect as connectTls, createSecureContext, type ConnectionOptions, type SecureContext } from "node:tls";
import { noHead } from "./http1-request.ts";

const KEEP_ALIVE_PROBE_MS = 60_000;

/**
 * One buffer that all sockets read into: a fresh one for each read is a large part of what a streamed event costs.
 * Its bytes are valid only inside the callback, so whoever is called copies what came.
 */
const READ_BUFFER = Buffer.allocUnsafeSlow(64 << 10);

/** What opens a socket; tests put one in its place that never connects. */
export type Connect = (options: NetConnectOpts & ConnectionOptions, secure: boolean) => Socket;
const connectReally: Connect = (options, secure) => (secure ? connectTls(options) : connectPlain(options));

/** One place to connect to. */
export class Destination {
  readonly origin: string;
  /** Value of the host header. */
  readonly hostHeader: string;
  /** Of the request before. */
  readonly keptHead = noHead();
  readonly secure: boolean;
  readonly connectTimeoutMs: number;
  readonly caFile: string | null;
  readonly #host: string;
  readonly #port: number;
  readonly #connect: Connect;
  /** Made once: reading certificates costs milliseconds. */
  readonly #context: SecureContext | undefined;
  #session: Buffer | undefined;

  /** Throws if the origin or the file is not one. */
  constructor(origin: string, caFile: string | null, connectTimeoutMs: number, connect: Connect = connectReally) {
    const url = new URL(origin);
    if (url.protocol !== "https:" && url.protocol !== "http:") throw new Error(`${origin} is not an HTTP origin`);
    this.origin = origin;
    this.caFile = caFile;
    this.connectTimeoutMs = connectTimeoutMs;
    this.hostHeader = url.host;
    this.secure = url.protocol === "https:";
    this.#host = url.hostname.replace(/^\[|\]$/g, "");
    this.#port = url.port === "" ? (this.secure ? 443 : 80) : Number(url.port);
    this.#connect = connect;
    this.#context = this.secure ? createSecureContext(caFile === null ? {} : { ca: readFileSync(caFile) }) : undefined;
  }

  /** The name of the event after which bytes may be written. */
  get connectedEvent(): "connect" | "secureConnect" {
    return this.secure ? "secureConnect" : "connect";
  }

  /** `onRead` gets each read as bytes of its own: one copy a read, none later. */
  dial(onRead: (bytes: Buffer) => void): Socket {
    const callback = (length: number): boolean => {
      const bytes = Buffer.allocUnsafe(length);
      READ_BUFFER.copy(bytes, 0, 0, length);
      onRead(bytes);
      return true;
    };
    const socket = this.#connect(
      {
        host: this.#host,
        port: this.#port,
        autoSelectFamily: true,
        noDelay: true,
        keepAlive: true,
        keepAliveInitialDelay: KEEP_ALIVE_PROBE_MS,
        onread: { buffer: READ_BUFFER, callback },
        ...(this.secure ? { secureContext: this.#context, session: this.#session, servername: isIP(this.#host) === 0 ? this.#host : "", ALPNProtocols: ["http/1.1"] } : {}),
      },
      this.secure,
    );
    if (this.secure) socket.on("session", (session: Buffer) => (this.#session = session));
    return socket;
  }
}
