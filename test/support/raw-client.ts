/** A client on a bare TCP socket, for bytes that no HTTP library would send. */
import { connect } from "node:net";

export interface RawAnswer {
  readonly status: number;
  /** Lower-case names; of equal ones the last. */
  readonly headers: Readonly<Record<string, string>>;
  readonly body: Buffer;
}

export interface RawExchange {
  /** Every answer that came on the connection, in order. */
  readonly answers: readonly RawAnswer[];
  /** All that came, as it came. */
  readonly bytes: Buffer;
  readonly closed: boolean;
}

export interface RawOptions {
  /** Stop to listen after this long without the connection being closed. */
  readonly waitMs?: number;
  /** Stop once so many whole answers are there. */
  readonly answers?: number;
  /** Pieces with pauses before them. */
  readonly more?: readonly { readonly afterMs: number; readonly bytes: string | Uint8Array }[];
}

/** Send bytes, collect what comes until the other side closes, `answers` are whole, or `waitMs` pass. */
export function rawExchange(port: number, bytes: string | Uint8Array, options: RawOptions = {}): Promise<RawExchange> {
  const { waitMs = 5_000, answers: wanted = Number.POSITIVE_INFINITY } = options;
  return new Promise((resolve) => {
    const socket = connect({ port, host: "127.0.0.1", noDelay: true });
    const pieces: Buffer[] = [];
    const timers: NodeJS.Timeout[] = [];
    let over = false;
    const finish = (closed: boolean): void => {
      if (over) return;
      over = true;
      for (const timer of timers) clearTimeout(timer);
      socket.destroy();
      const all = Buffer.concat(pieces);
      resolve({ answers: parseAnswers(all), bytes: all, closed });
    };
    timers.push(setTimeout(() => finish(false), waitMs));
    socket.on("data", (chunk: Buffer) => {
      pieces.push(chunk);
      if (wanted !== Number.POSITIVE_INFINITY && parseAnswers(Buffer.concat(pieces)).length >= wanted) finish(false);
    });
    // A reset is a way to close; what came before it counts.
    socket.on("error", () => finish(true));
    socket.on("close", () => finish(true));
    socket.write(bytes);
    // On a busy machine timers of several lengths can run out of turn; bytes may not.
    const waiting = [...(options.more ?? [])];
    for (const piece of waiting.slice()) timers.push(setTimeout(() => {
      for (const { bytes: later } of waiting.splice(0, waiting.indexOf(piece) + 1)) if (socket.writable) socket.write(later);
    }, piece.afterMs));
  });
}

/** The bytes of a POST with a JSON body. `headers` are lines without their ends. */
export function post(path: string, body: string | Uint8Array, headers: readonly string[] = []): Buffer {
  const bytes = Buffer.from(body);
  const named = (name: string): boolean => headers.some((line) => line.toLowerCase().startsWith(`${name}:`));
  const lines = [
    `POST ${path} HTTP/1.1`,
    ...(named("host") ? [] : ["host: 127.0.0.1"]),
    ...(named("content-type") ? [] : ["content-type: application/json"]),
    ...(named("content-length") || named("transfer-encoding") ? [] : [`content-length: ${bytes.length}`]),
    ...headers,
  ];
  return Buffer.concat([Buffer.from(`${lines.join("\r\n")}\r\n\r\n`, "latin1"), bytes]);
}

/** Send one request and give its answer; `connection: close` is added, so the answer is whole. */
export async function rawPost(port: number, path: string, body: string | Uint8Array, headers: readonly string[] = []): Promise<RawAnswer> {
  const { answers, bytes } = await rawExchange(port, post(path, body, [...headers, "connection: close"]), { answers: 1, waitMs: 10_000 });
  const [answer] = answers;
  if (answer === undefined) throw new Error(`no answer, but ${JSON.stringify(bytes.toString("latin1").slice(0, 200))}`);
  return answer;
}

function parseAnswers(bytes: Buffer): RawAnswer[] {
  const answers: RawAnswer[] = [];
  let at = 0;
  for (;;) {
    const end = bytes.indexOf("\r\n\r\n", at);
    if (end < 0) return answers;
    const [start = "", ...lines] = bytes.subarray(at, end).toString("latin1").split("\r\n");
    const headers = Object.fromEntries(lines.map((line) => [line.slice(0, line.indexOf(":")).toLowerCase(), line.slice(line.indexOf(":") + 1).trim()]));
    const status = Number(start.split(" ")[1] ?? 0);
    const from = end + 4;
    const taken = headers["transfer-encoding"] === "chunked" ? unchunked(bytes, from) : lengthOf(bytes, from, status, headers["content-length"]);
    if (taken === null) return answers;
    answers.push({ status, headers, body: taken.body });
    at = taken.next;
  }
}

function lengthOf(bytes: Buffer, from: number, status: number, length: string | undefined): { body: Buffer; next: number } | null {
  const next = status < 200 || status === 204 ? from : from + Number(length ?? 0);
  return next > bytes.length ? null : { body: bytes.subarray(from, next), next };
}

function unchunked(bytes: Buffer, from: number): { body: Buffer; next: number } | null {
  const pieces: Buffer[] = [];
  let at = from;
  for (;;) {
    const line = bytes.indexOf("\r\n", at);
    if (line < 0) return null;
    const size = Number.parseInt(bytes.subarray(at, line).toString("latin1"), 16);
    const next = line + 2 + size + 2;
    if (next > bytes.length) return null;
    if (size === 0) return { body: Buffer.concat(pieces), next };
    pieces.push(bytes.subarray(line + 2, line + 2 + size));
    at = next;
  }
}
