/** Writes HTTP/1.1 requests. What could end a line early, or frame the body a second time, is refused. */
import type { UpstreamRequest } from "../ports.ts";

/** Up to here head and body are copied into one piece, which costs less than a second write. */
const ONE_PIECE_BYTES = 32 << 10;
const NAMES_KEPT = 512;

const NAME = /^[!#$%&'*+\-.^_`|~\dA-Za-z]+$/;
const VALUE = /^[\t\x20-\x7e\x80-\xff]*$/;
const PATH = /^\/[\x21-\x7e\x80-\xff]*$/;
/** The framing and the connection are this client's business. */
const OURS = new Set(["host", "content-length", "transfer-encoding", "connection", "keep-alive", "proxy-connection", "upgrade", "expect", "te", "trailer"]);

/** Names that were found to be good; they come from code and configuration, so they are few. */
const goodNames = new Set<string>();

/**
 * Request line and headers of the request before at a destination, as they were written: those of the next are nearly always the same, but
 * for the last one, which names the call and is left out here.
 */
export interface KeptHead {
  method: string;
  path: string;
  headers: readonly string[];
  /** null: there was none. */
  bytes: Uint8Array | null;
}

/** Of a destination that nothing was sent to. */
export function noHead(): KeptHead {
  return { method: "", path: "", headers: [], bytes: null };
}

/** Pieces to write, in order; a string says why it cannot be written. `host` is the header's value. */
export function wireRequest(request: UpstreamRequest, host: string, kept = noHead()): readonly Uint8Array[] | string {
  const { body } = request;
  const head = isSame(request, kept) ? (kept.bytes as Uint8Array) : keep(request, host, kept);
  if (typeof head === "string") return head;
  const pieces: readonly Uint8Array[] = body === null ? [] : body instanceof Uint8Array ? [body] : body;
  let bodyBytes = 0;
  for (const piece of pieces) bodyBytes += piece.length;
  const last = lineAt(request.headers, commonOf(request.headers));
  if (last.refused !== null) return last.refused;
  const end = body === null && request.method !== "POST" ? `${last.text}\r\n` : `${last.text}content-length: ${bodyBytes}\r\n\r\n`;
  if (head.length + end.length + bodyBytes > ONE_PIECE_BYTES) return [Buffer.concat([head, Buffer.from(end, "latin1")]), ...pieces];
  const whole = Buffer.allocUnsafe(head.length + end.length + bodyBytes);
  whole.set(head);
  whole.write(end, head.length, "latin1");
  let at = head.length + end.length;
  for (const piece of pieces) {
    whole.set(piece, at);
    at += piece.length;
  }
  return [whole];
}

function isSame({ method, path, headers }: UpstreamRequest, kept: KeptHead): boolean {
  const { headers: before } = kept;
  if (kept.bytes === null || headers.length !== before.length || path !== kept.path || method !== kept.method) return false;
  for (let i = 0; i < commonOf(headers); i++) if (headers[i] !== before[i]) return false;
  return true;
}

/** So many of the flat headers come before the last one. */
function commonOf(headers: readonly string[]): number {
  return Math.max(0, (headers.length & ~1) - 2);
}

/** Writes a head but for its last line, or says why it may not be sent. */
function keep({ method, path, headers }: UpstreamRequest, host: string, kept: KeptHead): Uint8Array | string {
  if (!PATH.test(path)) return "the path has characters that may not be sent";
  let text = `${method} ${path} HTTP/1.1\r\nhost: ${host}\r\nconnection: keep-alive\r\n`;
  for (let i = 0; i < commonOf(headers); i += 2) {
    const line = lineAt(headers, i);
    if (line.refused !== null) return line.refused;
    text += line.text;
  }
  kept.method = method;
  kept.path = path;
  kept.headers = headers;
  return (kept.bytes = Buffer.from(text, "latin1"));
}

interface Line {
  readonly text: string;
  /** Why it may not be sent. */
  readonly refused: string | null;
}
const NO_LINE: Line = { text: "", refused: null };

function lineAt(headers: readonly string[], i: number): Line {
  if (i + 1 >= headers.length) return NO_LINE;
  const name = headers[i] as string;
  const value = headers[i + 1] as string;
  if (!goodNames.has(name) && !isGoodName(name)) return { text: "", refused: `header ${name.slice(0, 40)} may not be sent` };
  if (!VALUE.test(value)) return { text: "", refused: `header ${name} has a value with characters that may not be sent` };
  return { text: `${name}: ${value}\r\n`, refused: null };
}

function isGoodName(name: string): boolean {
  if (!NAME.test(name) || OURS.has(name.toLowerCase())) return false;
  if (goodNames.size < NAMES_KEPT) goodNames.add(name);
  return true;
}
