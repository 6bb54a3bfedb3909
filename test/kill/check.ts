/** What must be true of a ledger after any number of deaths by kill -9, whoever died when. */
import assert from "node:assert/strict";
import { costNanoUsd, type BillRow } from "../../src/fleet/index.ts";
import type { AttemptRow } from "../../src/storage/rows.ts";
import { PRICES, type KillOutcome } from "./rounds.ts";

export interface KillFigures {
  readonly calls: number;
  readonly rows: number;
  readonly finished: number;
  readonly openAtKills: number;
  readonly orphans: number;
  readonly orphansWithoutCall: number;
  readonly orphansWithProgress: number;
  readonly unsentWithoutCall: number;
}

/** Throws where a promise is broken; else tells how much was seen of what. */
export function checkKillOutcome(outcome: KillOutcome): KillFigures {
  const rows = rowById(outcome.before);
  const bill = outcome.bill;
  everyCallHasOneRow(bill, rows);
  const withoutCall = rowsWithoutCall(outcome, rows);
  const finished = finishedAreCharged(outcome, bill);
  const orphans = orphansSettle(outcome);
  return {
    calls: bill.length,
    rows: rows.size,
    finished,
    openAtKills: outcome.rounds.reduce((sum, round) => sum + round.openAtKill, 0),
    ...withoutCall,
    ...orphans,
  };
}

function rowById(rows: readonly AttemptRow[]): ReadonlyMap<string, AttemptRow> {
  const byId = new Map<string, AttemptRow>();
  for (const row of rows) {
    assert.equal(row.adjusts, null, `${row.attemptId} corrects ${row.adjusts ?? ""}, but nothing was to be corrected`);
    assert.ok(!byId.has(row.attemptId), `${row.attemptId} has two rows`);
    byId.set(row.attemptId, row);
  }
  return byId;
}

function everyCallHasOneRow(bill: readonly BillRow[], rows: ReadonlyMap<string, AttemptRow>): void {
  const called = new Set<string>();
  for (const call of bill) {
    const id = call.client_request_id ?? "";
    assert.ok(!called.has(id), `${id} was sent twice`);
    called.add(id);
    const row = rows.get(id);
    assert.ok(row !== undefined, `the upstream call ${call.call} (${id}) has no row`);
    assert.equal(row.deployment, `${call.provider}/m`);
    if (row.state === "held") assert.deepEqual(row.flags, ["orphan"], `${id} is held by nobody and not flagged`);
  }
}

/** Held, but never sent: the process died between the two. In no round more than it was asked for at its end. */
function rowsWithoutCall(outcome: KillOutcome, rows: ReadonlyMap<string, AttemptRow>): Pick<KillFigures, "orphansWithoutCall" | "unsentWithoutCall"> {
  const called = new Set(outcome.bill.map((call) => call.client_request_id));
  const orphansOf = new Map<number, number>();
  let unsent = 0;
  for (const row of rows.values()) {
    if (called.has(row.attemptId)) continue;
    if (row.state === "held") {
      assert.deepEqual(row.flags, ["orphan"]);
      orphansOf.set(row.owner, (orphansOf.get(row.owner) ?? 0) + 1);
    } else {
      // A client that left in the moment between the hold and the call: told as it was, at no cost or flagged.
      assert.equal(row.outcome, "client_gone", `${row.attemptId} was settled as ${row.outcome ?? ""} without a call`);
      assert.ok(row.costNanoUsd === 0 || row.flags.includes("estimated"));
      unsent += 1;
    }
  }
  const left = outcome.rounds.reduce((sum, round) => sum + round.seen.filter((seen) => seen.kind === "left").length, 0);
  assert.ok(unsent <= left, `${unsent} rows without a call are not orphans, but only ${left} clients left`);
  // Owners are numbered by their starts: the first round is the first owner.
  for (const [owner, count] of orphansOf) {
    const open = outcome.rounds[owner - 1]?.openAtKill ?? 0;
    assert.ok(count <= open, `round ${owner} left ${count} orphans without a call, but only ${open} calls were in flight`);
  }
  return { orphansWithoutCall: [...orphansOf.values()].reduce((sum, count) => sum + count, 0), unsentWithoutCall: unsent };
}

function finishedAreCharged(outcome: KillOutcome, bill: readonly BillRow[]): number {
  const calls = new Map(bill.map((call) => [call.client_request_id, call]));
  const byRequest = Map.groupBy(outcome.before, (row) => row.requestId);
  let finished = 0;
  for (const round of outcome.rounds) {
    for (const seen of round.seen) {
      if (seen.kind !== "finished") continue;
      finished += 1;
      const answered = (byRequest.get(seen.requestId ?? "") ?? []).filter((row) => row.outcome === "answered");
      assert.equal(answered.length, 1, `${seen.requestId ?? ""} was answered to the end, but ${answered.length} attempts say so`);
      const row = answered[0] as AttemptRow;
      const call = calls.get(row.attemptId) as BillRow;
      assert.equal(row.deployment, seen.deployment ?? row.deployment);
      const price = PRICES[call.provider as keyof typeof PRICES];
      if (call.usage_sent) {
        assert.equal(row.state, "charged");
        assert.ok(seen.usage !== null, `${row.attemptId}: the usage did not reach the client`);
        assert.equal(row.costNanoUsd, costNanoUsd(price, seen.usage), `${row.attemptId} is charged other than its usage`);
        assert.equal(row.costNanoUsd, call.cost_nano_usd, `${row.attemptId} is charged other than billed`);
      } else {
        assert.equal(row.state, "estimated");
        assert.ok((row.costNanoUsd ?? 0) >= costNanoUsd(price, { input: 0, cached: 0, output: seen.events }), `${row.attemptId} is estimated below what was relayed`);
      }
    }
  }
  return finished;
}

/** When the leases have passed nothing is held, and an orphan costs what is known of it: flagged, never nothing. */
function orphansSettle(outcome: KillOutcome): Pick<KillFigures, "orphans" | "orphansWithProgress"> {
  const before = rowById(outcome.before);
  let orphans = 0;
  let withProgress = 0;
  for (const row of outcome.after) {
    assert.notEqual(row.state, "held", `${row.attemptId} is held though every lease has passed`);
    const was = before.get(row.attemptId);
    assert.ok(was !== undefined);
    if (was.state !== "held") {
      assert.deepEqual(row, was, "a settled row changed");
      continue;
    }
    orphans += 1;
    if (row.progressTokens > 0) withProgress += 1;
    assert.deepEqual([row.state, row.outcome, row.flags], ["estimated", "orphan", ["orphan", "estimated"]]);
    assert.equal(row.units.output ?? 0, row.progressTokens);
    const least = (row.inputEstimateNanoUsd ?? 0) + Math.floor((row.progressTokens * (row.outputPricePicoUsd ?? 0)) / 1_000);
    assert.ok(least > 0 && row.costNanoUsd !== null && row.costNanoUsd >= least, `${row.attemptId} costs ${row.costNanoUsd ?? "nothing"}, known are ${least}`);
  }
  assert.equal(outcome.after.length, outcome.before.length);
  return { orphans, orphansWithProgress: withProgress };
}
