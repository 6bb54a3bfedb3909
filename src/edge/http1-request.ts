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

/** The headers of the request before at a destination, and their text: those of the next are nearly always the same. */
export interface KeptHeaders {
  headers: readonly string[];
  text: string;
}

/** Pieces to write, in order; a string says why it cannot be written. `host` is the header's value. */
export function wireRequest(request: UpstreamRequest, host: string, kept: KeptHeaders = { headers: [], text: "" }): readonly Uint8Array[] | string {
  const { headers, body } = request;
  if (!PATH.test(request.path)) return "the path has characters that may not be sent";
  if (!areSame(headers, kept.headers)) {
    const refused = keep(headers, kept);
    if (refused !== null) return refused;
  }
  let head = `${request.method} ${request.path} HTTP/1.1\r\nhost: ${host}\r\nconnection: keep-alive\r\n${kept.text}`;
  const pieces: readonly Uint8Array[] = body === null ? [] : body instanceof Uint8Array ? [body] : body;
  let bodyBytes = 0;
  for (const piece of pieces) bodyBytes += piece.length;
  head += body === null && request.method !== "POST" ? "\r\n" : `content-length: ${bodyBytes}\r\n\r\n`;
  const headBytes = head.length;
  if (headBytes + bodyBytes > ONE_PIECE_BYTES) return [Buffer.from(head, "latin1"), ...pieces];
  const whole = Buffer.allocUnsafe(headBytes + bodyBytes);
  whole.write(head, 0, "latin1");
  let at = headBytes;
  for (const piece of pieces) {
    whole.set(piece, at);
    at += piece.length;
  }
  return [whole];
}

function areSame(left: readonly string[], right: readonly string[]): boolean {
  if (left.length !== right.length) return false;
  for (let i = 0; i < left.length; i++) if (left[i] !== right[i]) return false;
  return true;
}

/** Writes the headers down, or says why they may not be sent. */
function keep(headers: readonly string[], kept: KeptHeaders): string | null {
  let text = "";
  for (let i = 0; i + 1 < headers.length; i += 2) {
    const name = headers[i] as string;
    const value = headers[i + 1] as string;
    if (!goodNames.has(name) && !isGoodName(name)) return `header ${name.slice(0, 40)} may not be sent`;
    if (!VALUE.test(value)) return `header ${name} has a value with characters that may not be sent`;
    text += `${name}: ${value}\r\n`;
  }
  kept.headers = headers;
  kept.text = text;
  return null;
}

function isGoodName(name: string): boolean {
  if (!NAME.test(name) || OURS.has(name.toLowerCase())) return false;
  if (goodNames.size < NAMES_KEPT) goodNames.add(name);
  return true;
}
