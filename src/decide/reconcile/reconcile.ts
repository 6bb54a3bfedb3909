/**
 * A provider's export or invoice beside the ledger: calls matched by their ids where lines have them, the rest by day and model;
 * the difference put down to its causes, and what none of them explains flagged. Pure.
 */
import type { InvoiceLine } from "../../wire/invoice.ts";
import { matchCalls } from "./calls.ts";
import { missingCause } from "./counts.ts";
import { Findings } from "./findings.ts";
import { matchSums } from "./sums.ts";
import type { LedgerCall, Reconciled, ValueOf, Window } from "./types.ts";

export interface ReconcileFacts {
  readonly account: string;
  /** Those of the window, and of a day on both sides of it. */
  readonly calls: readonly LedgerCall[];
  readonly lines: readonly InvoiceLine[];
  readonly window: Window;
  readonly valueOf: ValueOf;
  /** The day that an instant is in. */
  readonly dayOf: (ms: number) => Window;
}

/** The time that the lines are about, by whole days where they are single calls; null: none of them says. */
export function windowOf(lines: readonly InvoiceLine[], dayOf: (ms: number) => Window): Window | null {
  let [first, last] = [Number.POSITIVE_INFINITY, Number.NEGATIVE_INFINITY];
  let single = false;
  for (const { fromMs, toMs, ids } of lines) {
    if (fromMs === null || toMs === null) continue;
    single ||= fromMs === toMs || ids.length > 0;
    first = Math.min(first, fromMs);
    last = Math.max(last, fromMs === toMs ? toMs : toMs - 1);
  }
  if (first > last) return null;
  return single ? { fromMs: dayOf(first).fromMs, toMs: dayOf(last).toMs } : { fromMs: first, toMs: last + 1 };
}

/** Explain the difference between the lines and the calls. */
export function reconcile({ account, calls, lines, window, valueOf, dayOf }: ReconcileFacts): Reconciled {
  const findings = new Findings();
  const named = lines.filter(({ ids }) => ids.length > 0);
  const sums = lines.filter(({ ids }) => ids.length === 0);
  const matched = matchCalls(calls, named, valueOf, findings);
  let [theirsNanoUsd, oursNanoUsd] = [matched.theirsNanoUsd, matched.oursNanoUsd];
  let valued = named.length > 0 && named.every(({ costNanoUsd }) => costNanoUsd === null);
  if (sums.length > 0) {
    const rest = matchSums(matched.restCalls, sums, { account, window, valueOf, dayOf }, findings);
    theirsNanoUsd += rest.theirsNanoUsd;
    oursNanoUsd += rest.oursNanoUsd;
    valued = rest.valued && (named.length === 0 || valued);
  } else {
    for (const call of matched.restCalls) {
      if (call.atMs < window.fromMs || call.atMs >= window.toMs) continue;
      const cost = BigInt(call.costNanoUsd ?? 0);
      oursNanoUsd += cost;
      findings.add(missingCause(call, window), call.model, -cost, call.attemptId);
    }
  }
  return {
    theirsNanoUsd, oursNanoUsd, valued,
    calls: calls.filter(({ atMs }) => atMs >= window.fromMs && atMs < window.toMs).length,
    lines: lines.length,
    differences: findings.differences(),
    unexplainedNanoUsd: findings.unexplainedNanoUsd,
    flagged: findings.flagged,
    flaggedCount: findings.flaggedCount,
    evidence: matched.evidence,
    notes: findings.notes.length > NOTES_MAX ? [...findings.notes.slice(0, NOTES_MAX), `and ${findings.notes.length - NOTES_MAX} more`] : findings.notes,
  };
}
const NOTES_MAX = 20;
