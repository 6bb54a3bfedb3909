/**
 * The ledger's rows as values: one upstream call as it stands now (its row with all corrections folded in), and what
 * every backend needs to agree on: when two charges are the same, and what a correction row holds.
 */
import type { Charge, Hold, RequestRecord } from "../ports.ts";
import type { Json } from "../wire/json.ts";
import type { Unit, UnitCounts } from "../wire/usage.ts";

/**
 * Who searches rows by time looks at so many more on both sides of it, and so much sooner and later. Rows of one process are in the order
 * of their holds, nearly: one that waited for room bears the time at which it was asked for, half a minute before that of its neighbours at
 * most; clocks are set back now and then, and processes write beside each other.
 */
export const CLOCK_SLACK_ROWS = 2_000;
export const CLOCK_SLACK_MS = 60_000;

export type AttemptState = "held" | Charge["state"];

/** One row. Corrections are rows of their own that name the attempt they adjust and hold *differences* in units and cost. */
export interface AttemptRow {
  /** Grows with time; rows of one process are in the order of their holds. */
  readonly id: number;
  readonly attemptId: string;
  readonly requestId: string;
  readonly number: number;
  readonly deployment: string;
  readonly tenant: string;
  readonly scopes: readonly string[];
  readonly priceVersion: string | null;
  readonly period: string;
  readonly boundNanoUsd: number | null;
  readonly inputEstimateTokens: number;
  readonly inputEstimateNanoUsd: number | null;
  readonly outputPricePicoUsd: number | null;
  readonly billsOnAbort: Hold["billsOnAbort"];
  readonly atMs: number;
  readonly owner: number;
  readonly state: AttemptState;
  readonly progressTokens: number;
  readonly outcome: string | null;
  readonly units: UnitCounts;
  readonly rawUsage: Json;
  readonly costNanoUsd: number | null;
  readonly flags: readonly string[];
  /** The attempt that this row corrects; null on the row of an upstream call. */
  readonly adjusts: string | null;
  readonly settledMs: number | null;
}

/** An upstream call as it stands now. */
export interface AttemptView extends Omit<AttemptRow, "id" | "adjusts"> {
  /** How many correction rows are folded in. */
  readonly corrections: number;
}

/** A finished request; `record` is null where its process died before describing it. */
export interface RequestView {
  /** Position in the listing, for reading on; null for a request that has none yet (see `unrecorded`). */
  readonly position: number | null;
  readonly requestId: string;
  readonly atMs: number;
  readonly record: RequestRecord | null;
  readonly attempts: readonly AttemptView[];
}

/** What was spent at a deployment; corrections included. */
export interface DeploymentTotals {
  readonly deployment: string;
  /** Upstream calls: one per row, corrections not counted. */
  readonly attempts: number;
  readonly held: number;
  readonly costNanoUsd: bigint;
  /** Settled calls whose cost is null. */
  readonly unpriced: number;
  readonly units: UnitCounts;
}

/** Questions to a ledger. Every backend answers them alike; none of them writes. */
export interface LedgerReader {
  /** Oldest first. `limit` alone: the newest so many; with `after`: the first so many behind that position. */
  requests(query: { readonly limit?: number; readonly after?: number }): Iterable<RequestView>;
  /** Requests whose process died and that no later start has yet listed; empty while a gateway runs. */
  unrecorded(): readonly RequestView[];
  attemptsOf(requestId: string): readonly AttemptView[];
  attemptsByIds(attemptIds: readonly string[]): readonly AttemptView[];
  totals(): readonly DeploymentTotals[];
}

/** Flag of a correction that takes a known cost back to unknown. */
const COST_UNKNOWN = "cost_unknown";

/** Folds the rows of one attempt (its own and its corrections, in order of id) into how it stands. */
export function foldAttempt(rows: readonly AttemptRow[]): AttemptView | null {
  const first = rows.find((row) => row.adjusts === null);
  if (first === undefined) return null;
  let view: AttemptView = { ...first, corrections: 0 };
  for (const row of rows) {
    if (row.adjusts === null) continue;
    view = {
      ...view,
      priceVersion: row.priceVersion,
      state: row.state,
      outcome: row.outcome,
      units: addUnits(view.units, row.units, 1),
      rawUsage: row.rawUsage,
      costNanoUsd: costAfter(view.costNanoUsd, row),
      flags: row.flags,
      settledMs: row.settledMs,
      corrections: view.corrections + 1,
    };
  }
  return view;
}

/** Folds rows of many attempts; the order is that of the first row of each. */
export function foldAttempts(rows: readonly AttemptRow[]): readonly AttemptView[] {
  const byAttempt = new Map<string, AttemptRow[]>();
  for (const row of rows.toSorted((a, b) => a.id - b.id)) {
    const key = row.adjusts ?? row.attemptId;
    const known = byAttempt.get(key);
    if (known === undefined) byAttempt.set(key, [row]);
    else known.push(row);
  }
  const views: AttemptView[] = [];
  for (const group of byAttempt.values()) {
    const view = foldAttempt(group);
    if (view !== null) views.push(view);
  }
  return views;
}

/** What a call costs once a correction counts; null: nobody knows, or unmetered. */
export function costAfter(before: number | null, correction: Pick<AttemptRow, "state" | "flags" | "costNanoUsd">): number | null {
  if (correction.state === "unmetered" || correction.flags.includes(COST_UNKNOWN)) return null;
  if (correction.costNanoUsd === null) return before;
  return (before ?? 0) + correction.costNanoUsd;
}

/** Does this charge say what the attempt already says? Time, raw usage and flags do not make a charge another one. */
export function sameCharge(view: AttemptView, charge: Charge): boolean {
  return (
    view.state === charge.state &&
    view.outcome === charge.outcome &&
    view.costNanoUsd === charge.costNanoUsd &&
    sameUnits(view.units, charge.units)
  );
}

/** A charge that comes after the first, by another price list where it says so. */
export interface Correcting extends Charge {
  /** Absent: the version that the row has. */
  readonly priceVersion?: string | null;
}

/** The correction row that makes `before` say what `charge` says; it belongs to the time of the call. */
export function correctionOf(before: AttemptView, charge: Correcting, id: number, owner: number): AttemptRow {
  const { corrections, ...base } = before;
  const withdrawn = charge.costNanoUsd === null && before.costNanoUsd !== null;
  return {
    ...base,
    id,
    owner,
    attemptId: `${before.attemptId}~${corrections + 1}`,
    adjusts: before.attemptId,
    priceVersion: charge.priceVersion === undefined ? before.priceVersion : charge.priceVersion,
    settledMs: charge.atMs,
    state: charge.state,
    outcome: charge.outcome,
    units: addUnits(charge.units, before.units, -1),
    rawUsage: charge.rawUsage,
    costNanoUsd: withdrawn ? -(before.costNanoUsd ?? 0) : charge.costNanoUsd === null ? null : charge.costNanoUsd - (before.costNanoUsd ?? 0),
    flags: withdrawn && charge.state !== "unmetered" ? [...charge.flags, COST_UNKNOWN] : charge.flags,
    progressTokens: 0,
  };
}

/** The hold that stands in for a missing one: a charge is never dropped because its hold is not there. */
export function holdForLostCharge(charge: Charge): Hold {
  return {
    attemptId: charge.attemptId, requestId: charge.attemptId, number: 0, deployment: "unknown", tenant: "default",
    scopes: [], priceVersion: null, period: new Date(charge.atMs).toISOString().slice(0, 7), boundNanoUsd: null,
    inputEstimateTokens: 0, inputEstimateNanoUsd: null, outputPricePicoUsd: null, billsOnAbort: "nothing", atMs: charge.atMs,
  };
}

/** Flag of a charge whose hold is not in the ledger. */
export const NO_HOLD = "no_hold";

function addUnits(left: UnitCounts, right: UnitCounts, sign: 1 | -1): UnitCounts {
  const sum: { [U in Unit]?: number } = { ...left };
  for (const [unit, count] of Object.entries(right) as [Unit, number][]) {
    const total = (sum[unit] ?? 0) + sign * count;
    if (total === 0) delete sum[unit];
    else sum[unit] = total;
  }
  return sum;
}

function sameUnits(left: UnitCounts, right: UnitCounts): boolean {
  return Object.keys(addUnits(withoutZeros(left), withoutZeros(right), -1)).length === 0;
}

function withoutZeros(units: UnitCounts): UnitCounts {
  return addUnits({}, units, 1);
}

/** Throws where a sum of money or a count is not an exact integer: nothing inexact is ever stored. */
export function assertStorable(hold: Hold): void {
  assertInteger("boundNanoUsd", hold.boundNanoUsd);
  assertInteger("inputEstimateTokens", hold.inputEstimateTokens);
  assertInteger("inputEstimateNanoUsd", hold.inputEstimateNanoUsd);
  assertInteger("outputPricePicoUsd", hold.outputPricePicoUsd);
}

/** As `assertStorable`, for a charge. */
export function assertChargeStorable(charge: Charge): void {
  assertInteger("costNanoUsd", charge.costNanoUsd);
  if (charge.state === "unmetered" && charge.costNanoUsd !== null) throw new TypeError("an unmetered charge has no cost");
}

/** Throws unless null or a safe integer. */
export function assertInteger(name: string, value: number | null): void {
  if (value !== null && !Number.isSafeInteger(value)) throw new TypeError(`${name} must be a safe integer, got ${value}`);
}
