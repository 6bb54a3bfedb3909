/**
 * Reads HTTP/1.1 answers, strictly and within bounds (RFC 9112). It does no I/O: bytes go in, and what they came to
 * stands in its fields. Anything that two readers could understand differently is refused.
 */
import type { UpstreamFailure } from "../ports.ts";

export const HEAD_BYTES = 32 << 10;
export const HEAD_FIELDS = 200;
/** Answers before the answer (103 Early Hints and the like). */
export const INFORMATIONAL_MAX = 16;
export const CHUNK_LINE_BYTES = 64;
export const TRAILER_BYTES = 8 << 10;

export type ParseProblem = Pick<UpstreamFailure, "class" | "message">;

/** A head with its fields: every line ends in CRLF, no folding, no control characters, names are tokens. */
const HEAD = /^HTTP\/1\.[01] [1-9]\d\d(?: [\t\x20-\x7e\x80-\xff]*)?\r\n(?:[!#$%&'*+\-.^_`|~\dA-Za-z]+:[\t\x20-\x7e\x80-\xff]*\r\n)*$/;
const VERSION = "HTTP/1.";
const HEAD_END = Buffer.from("\r\n\r\n");
/** Below this many bytes a loop is faster than a native move. */
const MOVE_BY_HAND_BYTES = 64;
/** Hexadecimal digits of a chunk's size; eight mean 4 GiB, which no answer has. */
const CHUNK_DIGITS = 8;

const HEAD_STATE = 0;
const LENGTH = 1;
const UNTIL_CLOSE = 2;
const CHUNK_SIZE = 3;
const CHUNK_EXTENSION = 4;
const CHUNK_LINE_END = 5;
const CHUNK_DATA = 6;
const CHUNK_DATA_CR = 7;
const CHUNK_DATA_LF = 8;
const TRAILER_START = 9;
const TRAILER_NAME = 10;
const TRAILER_VALUE = 11;
const TRAILER_LF = 12;
const LAST_LF = 13;
const OVER = 14;

const CR = 13;
const LF = 10;

export class AnswerParser {
  /** A byte of an answer has come. */
  started = false;
  /** The last `feed` ended with the final head; its body, if it has one, is not read yet. */
  headDone = false;
  status = 0;
  /** Status line, then one field a line, as they came. */
  lines: readonly string[] = [];
  /** Value of content-encoding, lower case; undefined where there is none. */
  encoding: string | undefined = undefined;
  /** The connection may carry another call after this one. */
  keepAlive = false;
  /** How long the other side keeps an idle connection, by its own word; null where it says nothing. */
  keepAliveHintMs: number | null = null;
  /** Body bytes of the last `feed`, without framing, as a range of the buffer that was fed. */
  dataStart = 0;
  dataEnd = 0;
  /** The answer is whole. */
  done = false;
  problem: ParseProblem | null = null;
  #state = HEAD_STATE;
  #toHead = false;
  #informational = 0;
  #remaining = 0;
  #lineBytes = 0;
  #digits = 0;
  #trailerBytes = 0;
  #partial: Buffer | null = null;
  #partialBytes = 0;

  /** Expect an answer; `toHead`: to a HEAD request, which has no body whatever its head says. */
  begin(toHead: boolean): void {
    this.started = this.headDone = this.keepAlive = this.done = false;
    this.status = this.dataStart = this.dataEnd = 0;
    this.problem = null;
    this.#state = HEAD_STATE;
    this.#toHead = toHead;
    this.#informational = 0;
    this.#partial = null;
    this.#partialBytes = 0;
  }

  /**
   * Read on from `from`. Returns how far it came: to the end of the final head, of the answer, of the bytes, or to a
   * problem. Moves body bytes together inside `bytes`, so that one read gives one piece.
   */
  feed(bytes: Buffer, from: number): number {
    this.started = true;
    this.headDone = false;
    this.dataStart = this.dataEnd = from;
    let at = from;
    while (this.#state === HEAD_STATE && at < bytes.length && this.problem === null && !this.headDone) at = this.#feedHead(bytes, at);
    if (this.headDone || this.problem !== null || at === bytes.length) return at;
    this.dataStart = this.dataEnd = at;
    switch (this.#state) {
      case OVER:
        return at;
      case UNTIL_CLOSE:
        this.dataEnd = bytes.length;
        return bytes.length;
      case LENGTH: {
        const end = at + Math.min(this.#remaining, bytes.length - at);
        this.dataEnd = end;
        this.#remaining -= end - at;
        if (this.#remaining === 0) this.#complete();
        return end;
      }
      default:
        return this.#feedChunked(bytes, at);
    }
  }

  /** The other side closed properly. True if that ends the answer: then it is whole. */
  finish(): boolean {
    if (this.#state !== UNTIL_CLOSE) return false;
    this.#complete();
    return true;
  }

  #complete(): void {
    this.#state = OVER;
    this.done = true;
  }

  #malformed(message: string): void {
    this.problem ??= { class: "malformed", message };
  }

  #tooLarge(message: string): void {
    this.problem ??= { class: "too_large", message };
  }

  #feedHead(bytes: Buffer, from: number): number {
    if (this.#partial === null) {
      const end = bytes.indexOf(HEAD_END, from);
      if (end >= 0) {
        if (end - from > HEAD_BYTES) this.#tooLarge("the answer's head is beyond the bound");
        else this.#readHead(bytes.toString("latin1", from, end + 2));
        return end + 4;
      }
    }
    return this.#keepPartialHead(bytes, from);
  }

  /** A head in several reads: few, unless the other side means harm. Kept in a buffer that doubles up to the bound. */
  #keepPartialHead(bytes: Buffer, from: number): number {
    const before = this.#partialBytes;
    const taken = Math.min(bytes.length - from, HEAD_BYTES + HEAD_END.length - before);
    let partial = this.#partial;
    if (partial === null || partial.length < before + taken) {
      const larger = Buffer.allocUnsafe(Math.min(HEAD_BYTES + HEAD_END.length, Math.max(1024, 2 * (before + taken))));
      partial?.copy(larger, 0, 0, before);
      this.#partial = partial = larger;
    }
    bytes.copy(partial, before, from, from + taken);
    const length = (this.#partialBytes = before + taken);
    const found = partial.subarray(0, length).indexOf(HEAD_END, Math.max(0, before - 3));
    if (found >= 0) {
      this.#partial = null;
      this.#partialBytes = 0;
      this.#readHead(partial.toString("latin1", 0, found + 2));
      return from + (found + 4 - before);
    }
    // What can never become a head is told at once, and not when a clock runs out.
    for (let i = before; i < length; i++) {
      const byte = partial[i] as number;
      if ((i < VERSION.length && byte !== VERSION.charCodeAt(i)) || byte === 0 || (byte === LF && partial[i - 1] !== CR)) this.#malformed("the answer is not HTTP/1.1");
    }
    if (length > HEAD_BYTES) this.#tooLarge("the answer's head is beyond the bound");
    return from + taken;
  }

  #readHead(text: string): void {
    if (!HEAD.test(text)) {
      this.#malformed("the answer's head is not well formed");
      return;
    }
    const lines = text.split("\r\n");
    lines.pop();
    if (lines.length - 1 > HEAD_FIELDS) {
      this.#tooLarge("the answer's head has too many fields");
      return;
    }
    const status = Number(text.slice(9, 12));
    if (status < 200) {
      if (status === 101) this.#malformed("a switch of protocols that was not asked for");
      else if (++this.#informational > INFORMATIONAL_MAX) this.#malformed("too many answers before the answer");
      return;
    }
    this.status = status;
    this.lines = lines;
    this.#frame(lines, text.charCodeAt(7) === 49);
    this.headDone = this.problem === null;
  }

  /** How long the body is, by the rules of RFC 9112, section 6.3, less everything ambiguous. */
  #frame(lines: readonly string[], http11: boolean): void {
    let length: string | null = null;
    let coding: string | null = null;
    this.encoding = undefined;
    this.keepAliveHintMs = null;
    this.keepAlive = http11;
    for (let i = 1; i < lines.length; i++) {
      const line = lines[i] as string;
      const colon = line.indexOf(":");
      // Few names matter here; most lines are told apart by the length of their name.
      if (colon !== 10 && colon !== 14 && colon !== 16 && colon !== 17) continue;
      const name = line.slice(0, colon).toLowerCase();
      if (name === "content-length") {
        if (length !== null) this.#malformed("more than one content-length");
        length = fieldValue(line, colon);
      } else if (name === "transfer-encoding") {
        if (coding !== null) this.#malformed("more than one transfer-encoding");
        coding = fieldValue(line, colon).toLowerCase();
      } else if (name === "content-encoding") {
        const value = fieldValue(line, colon).toLowerCase();
        this.encoding = this.encoding === undefined ? value : `${this.encoding}, ${value}`;
      } else if (name === "connection") {
        if (/(?:^|,)[ \t]*close[ \t]*(?:,|$)/i.test(fieldValue(line, colon))) this.keepAlive = false;
      } else if (name === "keep-alive") {
        const told = /(?:^|[ ,;])timeout[ ]*=[ ]*"?(\d{1,6})/i.exec(fieldValue(line, colon));
        if (told !== null) this.keepAliveHintMs = Number(told[1]) * 1000;
      }
    }
    if (this.problem !== null) return;
    if (coding !== null && length !== null) this.#malformed("both content-length and transfer-encoding");
    else if (coding !== null && (coding !== "chunked" || !http11)) this.#malformed(`transfer-encoding ${coding.slice(0, 40)}`);
    else if (length !== null && !/^\d{1,15}$/.test(length)) this.#malformed("content-length is not a number");
    else if (this.#toHead || this.status === 204 || this.status === 304) this.#complete();
    else if (coding !== null) {
      this.#state = CHUNK_SIZE;
      this.#remaining = this.#lineBytes = this.#digits = this.#trailerBytes = 0;
    } else if (length !== null) {
      this.#remaining = Number(length);
      if (this.#remaining === 0) this.#complete();
      else this.#state = LENGTH;
    } else {
      this.#state = UNTIL_CLOSE;
      this.keepAlive = false;
    }
  }

  #feedChunked(bytes: Buffer, from: number): number {
    let at = from;
    const length = bytes.length;
    while (at < length) {
      if (this.#state === CHUNK_DATA) {
        const taken = Math.min(this.#remaining, length - at);
        this.#append(bytes, at, taken);
        at += taken;
        this.#remaining -= taken;
        if (this.#remaining === 0) this.#state = CHUNK_DATA_CR;
        continue;
      }
      this.#frameByte(bytes[at++] as number);
      if (this.done || this.problem !== null) break;
    }
    return at;
  }

  #append(bytes: Buffer, at: number, length: number): void {
    const end = this.dataEnd;
    if (this.dataStart === end) {
      this.dataStart = at;
      this.dataEnd = at + length;
      return;
    }
    if (length < MOVE_BY_HAND_BYTES) for (let i = 0; i < length; i++) bytes[end + i] = bytes[at + i] as number;
    else bytes.copyWithin(end, at, at + length);
    this.dataEnd = end + length;
  }

  /** One byte of a chunk's framing or of the trailers. */
  #frameByte(byte: number): void {
    switch (this.#state) {
      case CHUNK_SIZE: {
        const digit = hexDigit(byte);
        if (digit >= 0) {
          if (++this.#digits > CHUNK_DIGITS) this.#tooLarge("a chunk beyond the bound");
          this.#remaining = this.#remaining * 16 + digit;
        } else if (this.#digits === 0) this.#malformed("a chunk without a size");
        else if (byte === CR) this.#state = CHUNK_LINE_END;
        else if (byte === 0x3b) this.#state = CHUNK_EXTENSION;
        else this.#malformed("a chunk's size is not a number");
        break;
      }
      case CHUNK_EXTENSION:
        // Left out of account, but bounded; control characters could end the line for another reader.
        if (++this.#lineBytes + this.#digits > CHUNK_LINE_BYTES) this.#malformed("a chunk's size line is beyond the bound");
        else if (byte === CR) this.#state = CHUNK_LINE_END;
        else if (!isFieldByte(byte)) this.#malformed("a control character in a chunk's size line");
        break;
      case CHUNK_LINE_END:
        if (byte !== LF) this.#malformed("a chunk's size line does not end in CRLF");
        else this.#state = this.#remaining === 0 ? TRAILER_START : CHUNK_DATA;
        break;
      case CHUNK_DATA_CR:
        if (byte !== CR) this.#malformed("a chunk is longer than its size");
        else this.#state = CHUNK_DATA_LF;
        break;
      case CHUNK_DATA_LF:
        if (byte !== LF) this.#malformed("a chunk is longer than its size");
        else this.#state = CHUNK_SIZE;
        this.#lineBytes = this.#digits = 0;
        break;
      default:
        this.#trailerByte(byte);
    }
  }

  /** Trailers are checked, bounded and left out. */
  #trailerByte(byte: number): void {
    if (++this.#trailerBytes > TRAILER_BYTES) this.#tooLarge("the trailers are beyond the bound");
    switch (this.#state) {
      case TRAILER_START:
        if (byte === CR) this.#state = LAST_LF;
        else if (isTokenByte(byte)) this.#state = TRAILER_NAME;
        else this.#malformed("a trailer is not well formed");
        break;
      case TRAILER_NAME:
        if (byte === 0x3a) this.#state = TRAILER_VALUE;
        else if (!isTokenByte(byte)) this.#malformed("a trailer is not well formed");
        break;
      case TRAILER_VALUE:
        if (byte === CR) this.#state = TRAILER_LF;
        else if (!isFieldByte(byte)) this.#malformed("a control character in a trailer");
        break;
      case TRAILER_LF:
        if (byte !== LF) this.#malformed("a trailer does not end in CRLF");
        else this.#state = TRAILER_START;
        break;
      default:
        if (byte !== LF) this.#malformed("the last chunk does not end in CRLF");
        else this.#complete();
    }
  }
}

/** Value of a header by its lower-case name, several joined by ", ". `lines` as a parser left them. */
export function headerOf(lines: readonly string[], name: string): string | undefined {
  let found: string | undefined;
  for (let i = 1; i < lines.length; i++) {
    const line = lines[i] as string;
    // A name has no colon in it, so only a line with the colon in the right place need be looked at.
    if (line.charCodeAt(name.length) !== 0x3a || line.slice(0, name.length).toLowerCase() !== name) continue;
    const value = fieldValue(line, name.length);
    found = found === undefined ? value : `${found}, ${value}`;
  }
  return found;
}

function fieldValue(line: string, colon: number): string {
  let start = colon + 1;
  let end = line.length;
  while (start < end && isBlank(line.charCodeAt(start))) start++;
  while (end > start && isBlank(line.charCodeAt(end - 1))) end--;
  return line.slice(start, end);
}

function isBlank(code: number): boolean {
  return code === 0x20 || code === 0x09;
}

function hexDigit(byte: number): number {
  if (byte >= 0x30 && byte <= 0x39) return byte - 0x30;
  const lower = byte | 0x20;
  return lower >= 0x61 && lower <= 0x66 ? lower - 0x57 : -1;
}

function isFieldByte(byte: number): boolean {
  return byte === 0x09 || (byte >= 0x20 && byte !== 0x7f);
}

function isTokenByte(byte: number): boolean {
  return byte > 0x20 && byte < 0x7f && !'"(),/:;<=>?@[\\]{}'.includes(String.fromCharCode(byte));
}
