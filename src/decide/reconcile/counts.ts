/** Counts of two sides in the same classes. */
import type { Unit, UnitCounts } from "../../wire/usage.ts";
import { TIER_FLAG } from "../estimate.ts";
import type { Cause, LedgerCall, Window } from "./types.ts";

type Counts = { [U in Unit]?: number };

/** As invoices count: reasoning among the answer, and no fee that only we count. */
export function asInvoiced({ reasoning = 0, requests: _fee, ...rest }: UnitCounts): UnitCounts {
  return reasoning === 0 ? rest : { ...rest, output: (rest.output ?? 0) + reasoning };
}

/** Are they the same, whatever is not counted being none? */
export function sameCounts(one: UnitCounts, other: UnitCounts): boolean {
  const units = new Set([...Object.keys(one), ...Object.keys(other)] as Unit[]);
  for (const unit of units) if ((one[unit] ?? 0) !== (other[unit] ?? 0)) return false;
  return true;
}

/** Adds `more` into `sum`. */
export function addInto(sum: Counts, more: UnitCounts): void {
  for (const unit of Object.keys(more) as Unit[]) sum[unit] = (sum[unit] ?? 0) + (more[unit] ?? 0);
}

/** The tier that a call of ours was priced in; null: the standard one. */
export function tierOfCall({ flags }: Pick<LedgerCall, "flags">): string | null {
  return flags.find((flag) => flag.startsWith(TIER_FLAG))?.slice(TIER_FLAG.length) ?? null;
}

const DATED = /^-(?:\d{4}-?\d{2}-?\d{2}|\d{4})$/;

/** Is their name of a model another word for ours: the same, or the same with the date of its version? */
export function sameModel(theirs: string, ours: string): boolean {
  const [a, b] = [theirs.toLowerCase(), ours.toLowerCase()];
  if (a === b) return true;
  return (a.startsWith(b) && DATED.test(a.slice(b.length))) || (b.startsWith(a) && DATED.test(b.slice(a.length)));
}

/** Why a call of ours is on no line of theirs. */
export function missingCause(call: LedgerCall, window: Window): Cause {
  if (call.state === "estimated") return call.flags.includes("orphan") ? "orphan" : "estimated";
  return call.endMs >= window.toMs ? "boundary" : "not_on_invoice";
}
