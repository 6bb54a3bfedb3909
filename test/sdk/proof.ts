/** What proves a model's thoughts, on its way back to the one that thought them. */
import assert from "node:assert/strict";
import type { Cell } from "./matrix.ts";

const PLACES = {
  openai: /"reasoning_content":"(?:[a-z]+ ){6}"/,
  anthropic: /\{"type":"thinking","thinking":"(?:[a-z]+ ){6}","signature":"[^"]{20,}"\}/,
  gemini: /"thoughtSignature":"[A-Za-z0-9+/=]{20,}"/,
} as const;

/** Asserts that the case's last call carried the proof of earlier thoughts in the place where its dialect wants it. */
export function checkProof(cell: Cell): void {
  assert.match(cell.calls().at(-1)?.body ?? "", PLACES[cell.dialect]);
}

/** The same, but for plain chat completions, which have no place for thoughts: there it must be said that they were left out. */
export function checkProofOrWarning(cell: Cell, headers: Headers | undefined): void {
  if (cell.dialect !== "openai") checkProof(cell);
  else assert.match(headers?.get("x-spillway-warning") ?? "", /earlier reasoning was left out/);
}
