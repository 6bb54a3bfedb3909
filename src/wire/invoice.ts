/** What a provider's export or invoice says, whatever its form: lines of calls, or of all calls of a model within a time. */
import type { UnitCounts } from "./usage.ts";

export interface InvoiceLine {
  /** Where it stands: `line 12`, `data[3].results[0]`. */
  readonly at: string;
  /** Calls from the one up to, not including, the other; the same where it is one call's own time. null: it does not say. */
  readonly fromMs: number | null;
  readonly toMs: number | null;
  /** As the provider calls it; null: of all models together. */
  readonly model: string | null;
  /** Of one call: our id of it, or of its request. Empty: of many calls. */
  readonly ids: readonly string[];
  /** Disjoint classes, reasoning among `output`; null: it tells money alone. */
  readonly units: UnitCounts | null;
  /** How many calls; null: it does not say. */
  readonly requests: number | null;
  /** null: it tells counts alone. */
  readonly costNanoUsd: number | null;
  /** By how much the cost may have been rounded. */
  readonly roundedNanoUsd: number;
  /** The service tier, where it says so. */
  readonly tier: string | null;
}
export interface InvoiceProblem {
  readonly at: string;
  readonly message: string;
}
/** A file with a problem says nothing at all: half of an invoice would look like money that is missing. */
export type ReadInvoice = { readonly ok: true; readonly lines: readonly InvoiceLine[] } | { readonly ok: false; readonly problems: readonly InvoiceProblem[] };
