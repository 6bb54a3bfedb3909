/**
 * A look at one streamed chat chunk without parsing it: is it whole, does it end the choice, does it carry usage or an
 * error, how much text does it bring. Used for the chunks after the commit point on the byte lane, which are
 * forwarded untouched; whatever is more than plain content is then parsed in full.
 * Quotes inside JSON strings are escaped, so a model's text can never look like a key here.
 */

export const CHUNK_MALFORMED = 1;
/** A `finish_reason` that is not null. */
export const CHUNK_FINISH = 2;
/** A `usage` that is an object. */
export const CHUNK_USAGE = 4;
/** An `error` that is not null. */
export const CHUNK_ERROR = 8;

/** Filled by `scanChunk`: bytes of text, reasoning and arguments in the chunk just scanned. */
export let chunkTextBytes = 0;

const QUOTE = 34;
const BACKSLASH = 92;

/** Characters that may stand outside strings in JSON. */
const OUTSIDE = new Uint8Array(256);
for (const char of " \t\r\n{}[]:,-+.eE0123456789truefalsn") OUTSIDE[char.charCodeAt(0)] = 1;

/** Flags of the JSON text in bytes[start, end). */
export function scanChunk(bytes: Uint8Array, start: number, end: number): number {
  chunkTextBytes = 0;
  if (bytes[start] !== 123) return CHUNK_MALFORMED;
  let flags = 0;
  let depth = 0;
  let at = start;
  while (at < end) {
    const byte = bytes[at] as number;
    if (byte === QUOTE) {
      const close = closing(bytes, at + 1, end);
      if (close < 0) return CHUNK_MALFORMED;
      const after = skipSpace(bytes, close + 1, end);
      if (bytes[after] === 58) {
        const key = keyCode(bytes, at + 1, close);
        at = skipSpace(bytes, after + 1, end);
        if (key === 0) continue;
        if (key === KEY_TEXT) {
          if (bytes[at] === QUOTE) {
            const valueEnd = closing(bytes, at + 1, end);
            if (valueEnd < 0) return CHUNK_MALFORMED;
            chunkTextBytes += valueEnd - at - 1;
            at = valueEnd + 1;
          }
        } else if (bytes[at] !== 110) {
          // Not null.
          if (key === KEY_FINISH) flags |= CHUNK_FINISH;
          else if (key === KEY_USAGE) flags |= CHUNK_USAGE;
          else flags |= CHUNK_ERROR;
        }
      } else at = after;
      continue;
    }
    if (OUTSIDE[byte] === 0) return CHUNK_MALFORMED;
    if (byte === 123 || byte === 91) depth++;
    else if (byte === 125 || byte === 93) {
      depth--;
      if (depth === 0) return skipSpace(bytes, at + 1, end) === end ? flags : CHUNK_MALFORMED;
    }
    at++;
  }
  return CHUNK_MALFORMED;
}

const KEY_TEXT = 1;
const KEY_FINISH = 2;
const KEY_USAGE = 3;
const KEY_ERROR = 4;
const KEYS: readonly { readonly text: string; readonly code: number }[] = [
  { text: "content", code: KEY_TEXT },
  { text: "reasoning_content", code: KEY_TEXT },
  { text: "reasoning", code: KEY_TEXT },
  { text: "refusal", code: KEY_TEXT },
  { text: "arguments", code: KEY_TEXT },
  { text: "text", code: KEY_TEXT },
  { text: "finish_reason", code: KEY_FINISH },
  { text: "usage", code: KEY_USAGE },
  { text: "error", code: KEY_ERROR },
];

function keyCode(bytes: Uint8Array, start: number, end: number): number {
  const length = end - start;
  if (length < 4 || length > 17) return 0;
  const first = bytes[start];
  for (const key of KEYS) {
    if (key.text.length !== length || key.text.charCodeAt(0) !== first) continue;
    let same = true;
    for (let i = 1; i < length && same; i++) same = bytes[start + i] === key.text.charCodeAt(i);
    if (same) return key.code;
  }
  return 0;
}

function closing(bytes: Uint8Array, from: number, end: number): number {
  for (let at = from; at < end; at++) {
    const byte = bytes[at];
    if (byte === BACKSLASH) at++;
    else if (byte === QUOTE) return at;
  }
  return -1;
}

function skipSpace(bytes: Uint8Array, from: number, end: number): number {
  let at = from;
  while (at < end && (bytes[at] === 32 || bytes[at] === 10 || bytes[at] === 13 || bytes[at] === 9)) at++;
  return at;
}
