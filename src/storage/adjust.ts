/**
 * Adjustments: settled calls that are to cost something else. Each becomes a correction row beside the call's own, booked to
 * the call's time and scopes, and the balances of its budgets move with it. What says already what is wanted stays as it is.
 */
import type { Json, JsonObject } from "../wire/json.ts";
import { isObject } from "../wire/json.ts";
import { UNITS, type Unit, type UnitCounts } from "../wire/usage.ts";
import type { Ledger } from "../ports.ts";
import type { AttemptView, Correcting, LedgerReader } from "./rows.ts";

/** What a settled call is to say, and what it cost when that was decided. */
export interface Adjustment {
  readonly attemptId: string;
  readonly wasNanoUsd: number | null;
  readonly costNanoUsd: number;
  readonly state: "charged" | "estimated";
  readonly units: UnitCounts;
  readonly flags: readonly string[];
  readonly priceVersion: string | null;
}

export interface Adjusted {
  readonly made: number;
  /** Said so already. */
  readonly already: number;
  /** Left: not there, still open, or changed since it was decided. */
  readonly left: readonly string[];
  readonly differenceNanoUsd: number;
}

/** Corrections of one transaction: the event loop goes on between two. */
const GROUP = 100;

/** Make them. Rejects where the ledger cannot be written; what was made until then stays, and another run makes the rest. */
export async function adjust(ledger: Pick<Ledger, "settle">, reader: Pick<LedgerReader, "attemptsByIds">, wanted: readonly Adjustment[], atMs: number): Promise<Adjusted> {
  let made = 0;
  let already = 0;
  let differenceNanoUsd = 0;
  const left: string[] = [];
  for (let from = 0; from < wanted.length; from += GROUP) {
    const charges: Correcting[] = [];
    let moved = 0;
    for (const one of wanted.slice(from, from + GROUP)) {
      const [view] = reader.attemptsByIds([one.attemptId]);
      if (view === undefined || view.state === "held") left.push(one.attemptId);
      else if (view.costNanoUsd === one.costNanoUsd) already++;
      else if (view.costNanoUsd !== one.wasNanoUsd) left.push(one.attemptId);
      else {
        charges.push(chargeOf(one, view, atMs));
        moved += one.costNanoUsd - (one.wasNanoUsd ?? 0);
      }
    }
    if (charges.length > 0) await ledger.settle(charges);
    made += charges.length;
    differenceNanoUsd += moved;
  }
  return { made, already, left, differenceNanoUsd };
}

function chargeOf(one: Adjustment, view: AttemptView, atMs: number): Correcting {
  const { attemptId, state, units, costNanoUsd, flags, priceVersion } = one;
  return { attemptId, state, outcome: view.outcome ?? "", units, rawUsage: view.rawUsage, costNanoUsd, flags, priceVersion, atMs };
}

const ID = /^[\w.:~-]{1,80}$/;
const KNOWN: ReadonlySet<string> = new Set(UNITS);

/** Adjustments as they were written down; null where anything in them is none. */
export function readAdjustments(value: Json | undefined): readonly Adjustment[] | null {
  if (!Array.isArray(value)) return null;
  const read: Adjustment[] = [];
  for (const one of value as readonly Json[]) {
    const adjustment = isObject(one) ? readOne(one) : null;
    if (adjustment === null) return null;
    read.push(adjustment);
  }
  return read;
}

function readOne(one: JsonObject): Adjustment | null {
  const { attemptId, wasNanoUsd, costNanoUsd, state, units, flags, priceVersion } = one;
  if (typeof attemptId !== "string" || !ID.test(attemptId)) return null;
  if (!isMoney(costNanoUsd) || (wasNanoUsd !== null && !isMoney(wasNanoUsd))) return null;
  if ((state !== "charged" && state !== "estimated") || !isObject(units) || !isFlags(flags)) return null;
  if (priceVersion !== null && typeof priceVersion !== "string") return null;
  const counts: { [U in Unit]?: number } = {};
  for (const [unit, count] of Object.entries(units)) {
    if (!KNOWN.has(unit) || typeof count !== "number" || !(count >= 0)) return null;
    counts[unit as Unit] = count;
  }
  return { attemptId, wasNanoUsd, costNanoUsd, state, units: counts, flags, priceVersion };
}

function isMoney(value: Json | undefined): value is number {
  return Number.isSafeInteger(value) && (value as number) >= 0;
}

function isFlags(value: Json | undefined): value is readonly string[] {
  return Array.isArray(value) && value.length <= 100 && (value as readonly Json[]).every((flag) => typeof flag === "string" && flag.length <= 80);
}
