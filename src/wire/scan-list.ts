/** Where the elements of a JSON array stand in a body, for edits inside of them. Syntax has been checked by JSON.parse. */

export interface Span {
  readonly start: number;
  /** One past the last byte. */
  readonly end: number;
}

/** The elements of the array whose bracket opens at `from`. */
export function elementsOf(bytes: Uint8Array, from: number): readonly Span[] {
  const found: Span[] = [];
  let depth = 0;
  let start = -1;
  let end = -1;
  for (let at = from; at < bytes.length; at++) {
    const byte = bytes[at] as number;
    if (byte === 32 || byte === 9 || byte === 10 || byte === 13) continue;
    const closing = byte === 93 || byte === 125;
    if (depth === 1 && (byte === 44 || byte === 93)) {
      if (start >= 0) found.push({ start, end });
      if (byte === 93) return found;
      start = -1;
      continue;
    }
    if (depth === 1 && start < 0) start = at;
    if (byte === 34) at = stringEnd(bytes, at);
    else if (byte === 91 || byte === 123) depth++;
    else if (closing) depth--;
    end = at + 1;
  }
  return found;
}

/** Index of the closing quote. */
function stringEnd(bytes: Uint8Array, from: number): number {
  let at = from + 1;
  while (at < bytes.length && bytes[at] !== 34) at += bytes[at] === 92 ? 2 : 1;
  return at;
}
