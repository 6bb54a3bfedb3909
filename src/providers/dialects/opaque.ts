/**
 * Opaque reasoning state of other makers. Where a client's dialect has one field for it, the state of any maker travels
 * there under a mark of ours; what bears one was not made by the maker that the field belongs to, who would refuse the
 * conversation for it.
 */
import type { ReasoningBlock } from "../../wire/chat.ts";
import { isWrapped } from "./gemini/client-opaque.ts";
import { isOurs } from "./responses/client-state.ts";
import { isSealedReasoning } from "./responses/encode-reasoning.ts";

/** Is this signature, or this redacted data, of a maker whose state travels under a mark of ours? */
export function isMarked(state: string): boolean {
  return isSealedReasoning(state) || isOurs(state) || isWrapped(state);
}

/** Is this a block that only its maker can read, and whose maker is known to be another? */
export function isForeignBlock(block: ReasoningBlock): boolean {
  return block.kind === "redacted" ? isMarked(block.data) : block.signature !== undefined && isMarked(block.signature);
}
