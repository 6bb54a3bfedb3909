/**
 * One pass over the bytes of a JSON body: where each top-level member stands (for splicing), how deep it nests, and
 * whether a key that Spillway reads occurs twice at its level. Two parsers may disagree on which of two equal keys
 * counts; a body that holds them could be priced as one thing and served as another.
 * Syntax is left to JSON.parse, which runs as well: this pass only has to agree with it on strings and nesting.
 */

export interface TopLevelMember {
  readonly key: string;
  /** From the opening quote of the key to the end of the value. */
  readonly keyStart: number;
  readonly valueStart: number;
  /** One past the last byte of the value. */
  readonly valueEnd: number;
}

export type BodyScan =
  | { readonly kind: "object"; readonly members: readonly TopLevelMember[]; readonly open: number; readonly close: number }
  | { readonly kind: "not_an_object" }
  | { readonly kind: "too_deep"; readonly limit: number }
  | { readonly kind: "too_many"; readonly limit: number }
  | { readonly kind: "duplicate"; readonly key: string }
  | { readonly kind: "unterminated" };

/** Keys that the gateway reads at some level of a request; twice at one level is refused. */
const READ_KEYS = [
  "model", "messages", "stream", "stream_options", "include_usage", "max_tokens", "max_completion_tokens", "n", "tools",
  "tool_choice", "functions", "function", "function_call", "tool_calls", "tool_call_id", "role", "content", "type", "text",
  "image_url", "url", "input_audio", "data", "format", "file", "file_data", "file_id", "name", "arguments", "parameters",
  "response_format", "json_schema", "schema", "service_tier", "reasoning_effort", "thinking", "budget_tokens",
  "reasoning_content", "thinking_blocks", "signature", "extra_content", "thought_signature", "web_search_options",
  "modalities", "prediction", "models", "provider", "plugins", "input", "dimensions", "encoding_format", "stop", "user",
  "metadata", "spillway", "cache_control", "ttl", "best_of", "parallel_tool_calls", "background", "search_parameters",
  "enable_search", "audio", "route",
] as const;

if (READ_KEYS.length > 64) throw new Error("the scan keeps one bit per key in two words of 32");
const KEY_BITS = new Map<number, { readonly bit: number; readonly key: string }[]>();
for (let i = 0; i < READ_KEYS.length; i++) {
  const key = READ_KEYS[i] as string;
  const hash = hashText(key);
  KEY_BITS.set(hash, [...(KEY_BITS.get(hash) ?? []), { bit: i, key }]);
}

const QUOTE = 34;
const BACKSLASH = 92;
const COLON = 58;
const utf8 = new TextDecoder();

let levels = { low: new Int32Array(129), high: new Int32Array(129), isObjectAt: new Uint8Array(129) };

function levelsOf(maxDepth: number): typeof levels {
  if (levels.low.length <= maxDepth) levels = { low: new Int32Array(maxDepth + 1), high: new Int32Array(maxDepth + 1), isObjectAt: new Uint8Array(maxDepth + 1) };
  return levels;
}

/**
 * Objects and arrays in one body. A conversation has thousands at most; a body of a million tiny messages would hold the
 * event loop, and with it everybody's streams, for seconds.
 */
export const CONTAINERS_MAX = 100_000;

/** Scan a request body. `maxDepth` counts objects and arrays. */
export function scanBody(bytes: Uint8Array, maxDepth = 128): BodyScan {
  const length = bytes.length;
  let at = skipSpace(bytes, 0);
  if (bytes[at] !== 123) return { kind: "not_an_object" };
  const open = at;
  const members: TopLevelMember[] = [];
  // Per level: which read keys were seen (two words of 32 bits), and whether it is an object. The scan is never entered
  // twice at once, so the arrays serve every call.
  const low = levelsOf(maxDepth).low;
  const high = levels.high;
  const isObjectAt = levels.isObjectAt;
  let depth = 0;
  let containers = 0;
  let keyAt = -1;
  let key = "";
  let valueAt = -1;
  let expectKey = false;
  while (at < length) {
    const byte = bytes[at] as number;
    switch (byte) {
      case 123: // {
      case 91: // [
        if (depth === 1 && valueAt < 0) valueAt = at;
        if (++depth > maxDepth) return { kind: "too_deep", limit: maxDepth };
        if (++containers > CONTAINERS_MAX) return { kind: "too_many", limit: CONTAINERS_MAX };
        low[depth] = 0;
        high[depth] = 0;
        isObjectAt[depth] = byte === 123 ? 1 : 0;
        expectKey = byte === 123;
        at++;
        break;
      case 125: // }
      case 93: // ]
        if (depth === 1 && keyAt >= 0) {
          members.push({ key, keyStart: keyAt, valueStart: valueAt, valueEnd: trimEnd(bytes, at) });
          keyAt = -1;
        }
        depth--;
        expectKey = false;
        if (depth === 0) return { kind: "object", members, open, close: at };
        at++;
        break;
      case 44: // ,
        if (depth === 1 && keyAt >= 0) {
          members.push({ key, keyStart: keyAt, valueStart: valueAt, valueEnd: trimEnd(bytes, at) });
          keyAt = -1;
        }
        expectKey = isObjectAt[depth] === 1;
        at++;
        break;
      case QUOTE: {
        const end = stringEnd(bytes, at);
        if (end < 0) return { kind: "unterminated" };
        if (expectKey) {
          const found = readKey(bytes, at, end);
          if (found >= 0) {
            const words = found < 32 ? low : high;
            const mask = 1 << (found & 31);
            if (((words[depth] as number) & mask) !== 0) return { kind: "duplicate", key: READ_KEYS[found] as string };
            words[depth] = (words[depth] as number) | mask;
          }
          if (depth === 1) {
            key = found >= 0 ? (READ_KEYS[found] as string) : keyText(bytes, at, end);
            keyAt = at;
            valueAt = -1;
          }
          expectKey = false;
          at = skipSpace(bytes, end);
          if (bytes[at] === COLON) at++;
        } else {
          if (depth === 1 && valueAt < 0) valueAt = at;
          at = end;
        }
        break;
      }
      case 32:
      case 9:
      case 10:
      case 13:
        at++;
        break;
      default:
        if (depth === 1 && valueAt < 0) valueAt = at;
        at++;
    }
  }
  return { kind: "unterminated" };
}

/** One past the closing quote of the string that opens at `at`, or -1. */
function stringEnd(bytes: Uint8Array, at: number): number {
  const length = bytes.length;
  for (let i = at + 1; i < length; i++) {
    const byte = bytes[i];
    if (byte === BACKSLASH) i++;
    else if (byte === QUOTE) return i + 1;
  }
  return -1;
}

function skipSpace(bytes: Uint8Array, from: number): number {
  let at = from;
  for (;;) {
    const byte = bytes[at];
    if (byte !== 32 && byte !== 10 && byte !== 13 && byte !== 9) return at;
    at++;
  }
}

function trimEnd(bytes: Uint8Array, end: number): number {
  let at = end;
  for (;;) {
    const byte = bytes[at - 1];
    if (byte !== 32 && byte !== 10 && byte !== 13 && byte !== 9) return at;
    at--;
  }
}

/** Index of the read key that the string [at, end) spells, after unescaping; -1 if none. */
function readKey(bytes: Uint8Array, at: number, end: number): number {
  let hash = 7;
  for (let i = at + 1; i < end - 1; i++) {
    const byte = bytes[i] as number;
    if (byte === BACKSLASH) return readKeyText(keyText(bytes, at, end));
    hash = (Math.imul(hash, 31) + byte) | 0;
  }
  const entries = KEY_BITS.get(hash);
  if (entries === undefined) return -1;
  for (const entry of entries) if (equals(bytes, at + 1, end - 1, entry.key)) return entry.bit;
  return -1;
}

function readKeyText(key: string): number {
  for (const entry of KEY_BITS.get(hashText(key)) ?? []) if (entry.key === key) return entry.bit;
  return -1;
}

function equals(bytes: Uint8Array, start: number, end: number, key: string): boolean {
  if (end - start !== key.length) return false;
  for (let i = 0; i < key.length; i++) if (bytes[start + i] !== key.charCodeAt(i)) return false;
  return true;
}

function keyText(bytes: Uint8Array, at: number, end: number): string {
  const text = utf8.decode(bytes.subarray(at, end));
  if (!text.includes("\\")) return text.slice(1, -1);
  try {
    return JSON.parse(text) as string;
  } catch {
    // A bad escape: JSON.parse of the whole body reports it with its place; here it is merely no key of ours.
    return text;
  }
}

function hashText(key: string): number {
  let hash = 7;
  for (let i = 0; i < key.length; i++) hash = (Math.imul(hash, 31) + key.charCodeAt(i)) | 0;
  return hash;
}

/** Replace, insert or delete ranges of a body. Ranges must not overlap; `text` takes the place of [start, end). */
export interface Edit {
  readonly start: number;
  readonly end: number;
  readonly text: string;
}

const encoder = new TextEncoder();

/** A copy of `bytes` with the edits made, everything else byte for byte. */
export function splice(bytes: Uint8Array, edits: readonly Edit[]): Uint8Array {
  const ordered = edits.length > 1 ? [...edits].sort((a, b) => a.start - b.start) : edits;
  const texts = ordered.map((edit) => encoder.encode(edit.text));
  let length = bytes.length;
  for (let i = 0; i < ordered.length; i++) {
    const edit = ordered[i] as Edit;
    length += (texts[i] as Uint8Array).length - (edit.end - edit.start);
  }
  const out = new Uint8Array(length);
  let from = 0;
  let to = 0;
  for (let i = 0; i < ordered.length; i++) {
    const edit = ordered[i] as Edit;
    out.set(bytes.subarray(from, edit.start), to);
    to += edit.start - from;
    out.set(texts[i] as Uint8Array, to);
    to += (texts[i] as Uint8Array).length;
    from = edit.end;
  }
  out.set(bytes.subarray(from), to);
  return out;
}

/** The edit that takes member `index` out of an object, with the comma that belongs to it. */
export function removalOf(scan: Extract<BodyScan, { kind: "object" }>, index: number): Edit {
  const member = scan.members[index] as TopLevelMember;
  const next = scan.members[index + 1];
  if (next !== undefined) return { start: member.keyStart, end: next.keyStart, text: "" };
  const previous = scan.members[index - 1];
  return { start: previous === undefined ? member.keyStart : previous.valueEnd, end: member.valueEnd, text: "" };
}
