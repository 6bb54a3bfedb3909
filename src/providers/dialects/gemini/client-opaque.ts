/**
 * Reasoning of other makers on its way through a client of this dialect. The dialect has one opaque field for it,
 * `thoughtSignature`, which clients give back untouched. What another maker signed goes there inside a wrapping of our own,
 * so that the next turn can tell it from the signatures that this dialect's own models made.
 *
 * Some clients decode the field and encode it again, so it is base64 in either alphabet, with or without padding.
 */
import type { ReasoningBlock } from "../../../wire/chat.ts";
import { fromBase64, toBase64 } from "../../../wire/base64.ts";
import { asString, isObject } from "../../../wire/json.ts";

/** Twelve bytes, so that every wrapping begins with the same sixteen characters, all of them in both alphabets. */
const MARK = "spillway-r1:";
const WRAPPED = "c3BpbGx3YXktcjE6";

/** What stands in a wrapping. `text` is absent where the visible thought before it has it. */
export type Opaque =
  | { readonly kind: "thinking"; readonly text: string | undefined; readonly signature: string }
  | { readonly kind: "redacted"; readonly data: string };

/** A `thoughtSignature` that carries a block of another maker. */
export function wrap(opaque: Opaque): string {
  const content = opaque.kind === "redacted" ? { r: opaque.data } : { t: opaque.text, s: opaque.signature };
  return toBase64(new TextEncoder().encode(MARK + JSON.stringify(content)));
}

/** True for what `wrap` made, whatever became of its padding. */
export function isWrapped(signature: string): boolean {
  return signature.startsWith(WRAPPED);
}

/** The block in a wrapping; undefined where it cannot be read any more. */
export function unwrap(signature: string): Opaque | undefined {
  const bytes = isWrapped(signature) ? fromBase64(signature) : undefined;
  if (bytes === undefined) return undefined;
  const content = parse(new TextDecoder().decode(bytes).slice(MARK.length));
  if (!isObject(content)) return undefined;
  const data = asString(content["r"]);
  if (data !== undefined) return { kind: "redacted", data };
  const made = asString(content["s"]);
  return made === undefined ? undefined : { kind: "thinking", text: asString(content["t"]), signature: made };
}

/** The block for the hub; `shown` is the visible thought that stood before the wrapping. */
export function blockOf(opaque: Opaque, shown: string): ReasoningBlock {
  if (opaque.kind === "redacted") return opaque;
  return { kind: "thinking", text: opaque.text ?? shown, signature: opaque.signature };
}

/** Where wrappings stand in a body of this dialect: a provider would refuse the conversation for them. One byte, one index. */
export function wrappedRanges(bytes: Uint8Array): readonly { readonly start: number; readonly end: number }[] {
  const text = new TextDecoder("latin1").decode(bytes);
  const ranges: { start: number; end: number }[] = [];
  for (const match of text.matchAll(/"thought(?:S|_s)ignature"\s*:\s*("c3BpbGx3YXktcjE6[A-Za-z0-9+/_=-]*")/g)) {
    const value = match[1] as string;
    const end = match.index + match[0].length;
    ranges.push({ start: end - value.length, end });
  }
  return ranges;
}

function parse(text: string): unknown {
  try {
    return JSON.parse(text) as unknown;
  } catch {
    // Cut or changed on the way: the caller treats it as a signature that is lost.
    return undefined;
  }
}
