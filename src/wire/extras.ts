/**
 * What a request asks for beyond tokens at the standard rate, as far as it can be bounded beforehand: another service tier or
 * place, things that are counted one by one, text that the provider itself brings into the prompt. Made only for requests
 * that hold a price-bearing field, so that all others pay nothing for it.
 */
import type { UnitCounts } from "./usage.ts";

export interface Extras {
  /** The price-bearing fields, as paths, that all this covers. */
  readonly fields: readonly string[];
  /** The tier's name as the client wrote it; `auto`: whichever the provider takes. */
  readonly serviceTier?: string;
  /** Where it is to be served. */
  readonly geo?: string;
  /** The most of what is counted one by one. */
  readonly units?: UnitCounts;
  /** How often the model may read a prompt as long as its whole context window; absent: the prompt is what the request holds. */
  readonly windows?: number;
  /** Answers that are written and billed, where that is more than are given back. */
  readonly choiceCount?: number;
}

/**
 * Windows that a model may read while `uses` calls of the provider's tools are allowed. Each call ends a turn of the model
 * and its result goes into the next turn's prompt, which is billed anew and whole; how long a result is nobody knows
 * beforehand, but no prompt is longer than the window. One turn more writes the answer.
 */
export function windowsOf(uses: number): number {
  return uses + 1;
}

/** A limit that can be counted with; undefined: none is set, or none that bounds anything. */
export function usesOf(value: unknown): number | undefined {
  return typeof value === "number" && Number.isSafeInteger(value) && value >= 0 && value <= USES_MAX ? value : undefined;
}

/** Beyond any that a provider takes; keeps sums of them within the safe integers. */
const USES_MAX = 1_000_000;
