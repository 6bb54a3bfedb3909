/** One suite for every ledger: what holds, charges, corrections, orphans and listings promise, whatever stands behind them. */
import assert from "node:assert/strict";
import { describe, test } from "node:test";
import fc from "fast-check";
import type { Charge, Hold, KeptCall, KeptCalls, Ledger, Records, RequestRecord } from "../ports.ts";
import type { AttemptView, LedgerReader } from "./rows.ts";

/** A ledger as one process sees it. */
export interface LedgerProcess {
  readonly ledger: Ledger;
  readonly records: Records;
  readonly kept: KeptCalls;
  readonly reader: LedgerReader;
  settleOrphans(nowMs: number): number;
  /** Until everything derived (records, look-ups) can be read. */
  settled(): void;
  /** The process dies as it stands, without a word; the next one starts on what the disk holds. */
  crash(): Promise<LedgerProcess>;
  /** Ends the process properly and starts the next. */
  restart(): Promise<LedgerProcess>;
  /** Ends it for good and cleans up. */
  end(): Promise<void>;
}

export const START_MS = Date.UTC(2026, 10, 23, 12);
export const LEASE_MS = 600_000;

/** A hold with everything filled in. */
export function aHold(number: number, over: Partial<Hold> = {}): Hold {
  const name = String(number).padStart(8, "0");
  return {
    attemptId: `att_${name}`, requestId: `req_${name}`, number: 1, deployment: "alpha/small", tenant: "default",
    scopes: ["tenant/default", "key/app"], priceVersion: "2026-11-01", period: "2026-11", boundNanoUsd: 1_000_000,
    inputEstimateTokens: 100, inputEstimateNanoUsd: 15_000, outputPricePicoUsd: 600_000, billsOnAbort: "input", atMs: START_MS, ...over,
  };
}

/** A charge for `aHold(number)`. */
export function aCharge(number: number, over: Partial<Charge> = {}): Charge {
  return {
    attemptId: aHold(number).attemptId, state: "charged", outcome: "answered", units: { input: 90, output: 10 },
    rawUsage: { prompt_tokens: 90, completion_tokens: 10 }, costNanoUsd: 19_500, flags: [], atMs: START_MS + 1_000, ...over,
  };
}

/** The call of `aHold(number)`, kept. */
export function aKeptCall(number: number, over: Partial<KeptCall> = {}): KeptCall {
  const { attemptId, boundNanoUsd } = aHold(number);
  return { attemptId, account: "alpha", kind: "message-batch", upstreamId: `batch_${number}`, createdMs: START_MS, nextLookMs: START_MS + 30_000, looks: 0, status: "in_progress", boundNanoUsd, ...over };
}

/** A record of the request of `aHold(number)` with one attempt. */
export function aRecord(number: number, over: Partial<RequestRecord> = {}): RequestRecord {
  const { attemptId, requestId } = aHold(number);
  const charge = aCharge(number);
  return {
    requestId, atMs: START_MS + number, tenant: "default", key: "app", surface: "chat", stream: false, model: "small", route: "support",
    deployment: "alpha/small",
    attempts: [{
      attemptId, deployment: "alpha/small", state: "charged", outcome: "answered", status: 200, units: charge.units,
      costNanoUsd: charge.costNanoUsd, flags: [], ttftMs: 12, totalMs: 40,
    }],
    units: charge.units, costNanoUsd: charge.costNanoUsd, ttftMs: 15, totalMs: 44, status: 200, outcome: "ok", errorCode: null,
    flags: [], warnings: [], decision: { candidates: ["alpha/small"] }, ...over,
  };
}

/** Declares the suite for the backend `name`. */
export function ledgerConformance(name: string, start: () => Promise<LedgerProcess>): void {
  /** Runs a case on a fresh process; a case that lets it die hands back the next one. */
  const on = (promise: string, work: (process: LedgerProcess) => Promise<LedgerProcess | void>): void => {
    void test(promise, async () => {
      const first = await start();
      let last = first;
      try {
        last = (await work(first)) ?? first;
      } finally {
        await last.end();
      }
    });
  };
  void describe(`${name}: holds and charges`, () => holdCases(on));
  void describe(`${name}: corrections`, () => correctionCases(on));
  void describe(`${name}: orphans`, () => orphanCases(on));
  void describe(`${name}: kept calls`, () => keptCases(on));
  void describe(`${name}: listings`, () => listingCases(on));
  void describe(`${name}: properties`, () => propertyCases(start));
}

type On = (promise: string, work: (process: LedgerProcess) => Promise<LedgerProcess | void>) => void;

function only(views: readonly AttemptView[]): AttemptView {
  assert.equal(views.length, 1);
  const view = views[0];
  assert.ok(view);
  return view;
}

function holdCases(on: On): void {
  on("a hold is one row, held, with all that was said", async ({ ledger, reader }) => {
    assert.deepEqual(await ledger.reserve([aHold(1)]), [{ kind: "held" }]);
    const view = only(reader.attemptsOf(aHold(1).requestId));
    assert.equal(view.state, "held");
    assert.equal(view.costNanoUsd, null);
    const hold: Hold = aHold(1);
    for (const key of Object.keys(hold) as (keyof Hold & keyof AttemptView)[]) assert.deepEqual(view[key], hold[key], key);
  });

  on("a charge settles its row with all that was said", async ({ ledger, reader }) => {
    await ledger.reserve([aHold(1)]);
    await ledger.settle([aCharge(1, { flags: ["late_usage"] })]);
    const view = only(reader.attemptsByIds([aHold(1).attemptId]));
    assert.equal(view.state, "charged");
    assert.equal(view.outcome, "answered");
    assert.deepEqual(view.units, { input: 90, output: 10 });
    assert.deepEqual(view.rawUsage, { prompt_tokens: 90, completion_tokens: 10 });
    assert.equal(view.costNanoUsd, 19_500);
    assert.deepEqual(view.flags, ["late_usage"]);
    assert.equal(view.settledMs, START_MS + 1_000);
    assert.equal(view.corrections, 0);
  });

  on("results come one for each hold, in order", async ({ ledger }) => {
    assert.equal((await ledger.reserve([aHold(1), aHold(2), aHold(3)])).length, 3);
    assert.deepEqual(await ledger.reserve([]), []);
  });

  on("a repeated hold does not reserve twice, open or settled", async ({ ledger, reader }) => {
    await Promise.all([ledger.reserve([aHold(1)]), ledger.reserve([aHold(1)])]);
    await ledger.settle([aCharge(1)]);
    assert.deepEqual(await ledger.reserve([aHold(1)]), [{ kind: "held" }]);
    assert.equal(only(reader.attemptsOf(aHold(1).requestId)).state, "charged");
    assert.equal(reader.totals()[0]?.attempts, 1);
  });

  on("a hold and its charge of the same turn make one settled row", async ({ ledger, reader }) => {
    await Promise.all([ledger.reserve([aHold(1)]), ledger.settle([aCharge(1)])]);
    assert.equal(only(reader.attemptsByIds([aHold(1).attemptId])).state, "charged");
  });

  on("an unmetered charge costs null, an unbilled one 0", async ({ ledger, reader }) => {
    await ledger.reserve([aHold(1), aHold(2)]);
    await ledger.settle([aCharge(1, { state: "unmetered", costNanoUsd: null }), aCharge(2, { state: "unbilled", costNanoUsd: 0, units: {} })]);
    assert.deepEqual(reader.attemptsByIds([aHold(1).attemptId, aHold(2).attemptId]).map((view) => view.costNanoUsd), [null, 0]);
    assert.deepEqual(reader.totals().map(({ unpriced, costNanoUsd }) => ({ unpriced, costNanoUsd })), [{ unpriced: 1, costNanoUsd: 0n }]);
  });

  on("a charge whose hold is not there is kept and flagged", async ({ ledger, reader }) => {
    await ledger.settle([aCharge(9)]);
    const view = only(reader.attemptsByIds([aHold(9).attemptId]));
    assert.equal(view.costNanoUsd, 19_500);
    assert.deepEqual(view.flags, ["no_hold"]);
  });

  on("money that is no safe integer is refused before anything is written", async ({ ledger, reader }) => {
    await assert.rejects(ledger.reserve([aHold(1, { boundNanoUsd: 0.5 })]), TypeError);
    await ledger.reserve([aHold(2)]);
    await assert.rejects(ledger.settle([aCharge(2, { costNanoUsd: 2 ** 53 })]), TypeError);
    await assert.rejects(ledger.settle([aCharge(2, { state: "unmetered" })]), TypeError);
    assert.equal(only(reader.attemptsByIds([aHold(2).attemptId])).state, "held");
    assert.equal(reader.attemptsByIds([aHold(1).attemptId]).length, 0);
  });

  on("the largest sum of money is stored exactly", async ({ ledger, reader }) => {
    await ledger.reserve([aHold(1)]);
    await ledger.settle([aCharge(1, { costNanoUsd: Number.MAX_SAFE_INTEGER })]);
    assert.equal(only(reader.attemptsByIds([aHold(1).attemptId])).costNanoUsd, Number.MAX_SAFE_INTEGER);
  });

  on("a sound ledger is writable", ({ ledger }) => Promise.resolve(assert.equal(ledger.writable(), true)));
}

function correctionCases(on: On): void {
  on("settling twice with the same charge changes nothing", async ({ ledger, reader }) => {
    await ledger.reserve([aHold(1)]);
    await Promise.all([ledger.settle([aCharge(1)]), ledger.settle([aCharge(1)])]);
    await ledger.settle([aCharge(1, { atMs: START_MS + 5_000, flags: ["retried"] })]);
    const view = only(reader.attemptsByIds([aHold(1).attemptId]));
    assert.equal(view.corrections, 0);
    assert.deepEqual(view.flags, []);
  });

  on("another charge becomes a correction that brings the sums to what it says", async ({ ledger, reader }) => {
    await ledger.reserve([aHold(1)]);
    await ledger.settle([aCharge(1)]);
    const better = aCharge(1, { units: { input: 80, cache_read: 10, output: 12 }, costNanoUsd: 18_000, flags: ["rerated"] });
    await ledger.settle([better]);
    await ledger.settle([better]);
    const view = only(reader.attemptsByIds([aHold(1).attemptId]));
    assert.equal(view.corrections, 1);
    assert.deepEqual(view.units, better.units);
    assert.equal(view.costNanoUsd, 18_000);
    assert.deepEqual(view.flags, ["rerated"]);
    assert.deepEqual(reader.attemptsOf(aHold(1).requestId).length, 1);
    assert.deepEqual(reader.totals(), [
      { deployment: "alpha/small", attempts: 1, held: 0, costNanoUsd: 18_000n, unpriced: 0, units: better.units },
    ]);
  });

  on("a cost can become known, and unknown again", async ({ ledger, reader }) => {
    const costs = [null, 500, null, 700];
    await ledger.reserve([aHold(1)]);
    for (const costNanoUsd of costs) {
      await ledger.settle([aCharge(1, { state: "estimated", costNanoUsd })]);
      assert.equal(only(reader.attemptsByIds([aHold(1).attemptId])).costNanoUsd, costNanoUsd);
      assert.equal(reader.totals()[0]?.costNanoUsd, BigInt(costNanoUsd ?? 0));
    }
  });

  on("a charge after a restart still corrects the old row", async (before) => {
    await before.ledger.reserve([aHold(1)]);
    await before.ledger.settle([aCharge(1)]);
    const after = await before.restart();
    await after.ledger.settle([aCharge(1)]);
    assert.equal(only(after.reader.attemptsByIds([aHold(1).attemptId])).corrections, 0);
    await after.ledger.settle([aCharge(1, { costNanoUsd: 1 })]);
    assert.equal(only(after.reader.attemptsByIds([aHold(1).attemptId])).costNanoUsd, 1);
    return after;
  });
}

function orphanCases(on: On): void {
  const afterLease = START_MS + 10 * LEASE_MS;

  on("what a dead process left open is flagged at once and not settled before its lease", async (before) => {
    await before.ledger.reserve([aHold(1)]);
    const after = await before.crash();
    assert.deepEqual(only(after.reader.attemptsByIds([aHold(1).attemptId])).flags, ["orphan"]);
    assert.equal(after.settleOrphans(START_MS + LEASE_MS - 1), 0);
    assert.equal(only(after.reader.attemptsByIds([aHold(1).attemptId])).state, "held");
    assert.equal(after.settleOrphans(afterLease), 1);
    assert.equal(after.settleOrphans(afterLease), 0);
    return after;
  });

  const rule = (promise: string, hold: Partial<Hold>, tokens: number, expected: Partial<AttemptView>): void =>
    on(promise, async (before) => {
      await before.ledger.reserve([aHold(1, hold)]);
      if (tokens > 0) await before.ledger.progress([{ attemptId: aHold(1).attemptId, relayedTokens: tokens }]);
      const after = await before.crash();
      after.settleOrphans(afterLease);
      const view = only(after.reader.attemptsByIds([aHold(1).attemptId]));
      for (const key of Object.keys(expected) as (keyof AttemptView)[]) assert.deepEqual(view[key], expected[key], key);
      return after;
    });
  const estimated = { state: "estimated", flags: ["orphan", "estimated"], outcome: "orphan" } as const;
  rule("without progress, billed on abort: the prompt's estimate", {}, 0, { ...estimated, costNanoUsd: 15_000, units: { input: 100, output: 0 } });
  rule("with progress: the prompt and the relayed tokens", {}, 7, { ...estimated, costNanoUsd: 15_000 + 4_200, units: { input: 100, output: 7 } });
  rule("progress counts even where an abort before content is free", { billsOnAbort: "nothing" }, 1, { ...estimated, costNanoUsd: 15_600 });
  rule("half a nano-dollar is rounded up, once", { outputPricePicoUsd: 1_500 }, 1, { ...estimated, costNanoUsd: 15_002 });
  rule("nothing known and nothing billed: unbilled, and still an orphan", { billsOnAbort: "nothing" }, 0, { state: "unbilled", costNanoUsd: 0, flags: ["orphan"], units: {} });
  rule("without a price the cost stays unknown", { priceVersion: null, inputEstimateNanoUsd: null, outputPricePicoUsd: null, boundNanoUsd: null }, 5, {
    state: "unmetered", costNanoUsd: null, flags: ["orphan"], units: { input: 100, output: 5 },
  });
  rule("a price without an estimate is no reason for zero", { inputEstimateNanoUsd: null }, 0, { ...estimated, costNanoUsd: null });

  on("a process's own holds are never swept", async ({ ledger, settleOrphans, reader }) => {
    await ledger.reserve([aHold(1)]);
    assert.equal(settleOrphans(afterLease), 0);
    assert.equal(only(reader.attemptsByIds([aHold(1).attemptId])).state, "held");
  });

  on("an orphan that evidence reaches in time is charged by it, and by it alone", async (before) => {
    await before.ledger.reserve([aHold(1)]);
    const after = await before.crash();
    await after.ledger.settle([aCharge(1)]);
    assert.equal(after.settleOrphans(afterLease), 0);
    const view = only(after.reader.attemptsByIds([aHold(1).attemptId]));
    assert.deepEqual([view.costNanoUsd, view.corrections, view.flags], [19_500, 0, ["orphan"]]);
    return after;
  });

  on("evidence after the sweep is a correction", async (before) => {
    await before.ledger.reserve([aHold(1)]);
    const after = await before.crash();
    after.settleOrphans(afterLease);
    await after.ledger.settle([aCharge(1)]);
    const view = only(after.reader.attemptsByIds([aHold(1).attemptId]));
    assert.deepEqual([view.costNanoUsd, view.corrections, view.flags], [19_500, 1, []]);
    return after;
  });

  on("orphans outlive several deaths", async (first) => {
    await first.ledger.reserve([aHold(1)]);
    const second = await first.crash();
    await second.ledger.reserve([aHold(2)]);
    const third = await second.crash();
    assert.equal(third.settleOrphans(afterLease), 2);
    return third;
  });

  on("holds left open by a proper end are orphans too", async (before) => {
    await before.ledger.reserve([aHold(1), aHold(2)]);
    await before.ledger.settle([aCharge(1)]);
    const after = await before.restart();
    assert.equal(after.settleOrphans(afterLease), 1);
    return after;
  });
}

function keptCases(on: On): void {
  const afterLease = START_MS + 10 * LEASE_MS;

  on("a kept hold outlives the deaths of processes: it is no orphan, and is settled by its charge alone", async (first) => {
    await first.ledger.reserve([aHold(1), aHold(2)]);
    await first.kept.keep(aKeptCall(1));
    const second = await first.crash();
    assert.deepEqual(second.kept.kept(), [aKeptCall(1)]);
    assert.equal(second.settleOrphans(afterLease), 1, "the other one was open and is an orphan");
    const third = await second.crash();
    const view = only(third.reader.attemptsByIds([aHold(1).attemptId]));
    assert.deepEqual([view.state, view.flags, view.costNanoUsd, third.settleOrphans(afterLease)], ["held", [], null, 0]);
    await third.ledger.settle([aCharge(1)]);
    assert.deepEqual(third.kept.kept(), []);
    const charged = only(third.reader.attemptsByIds([aHold(1).attemptId]));
    assert.deepEqual([charged.state, charged.costNanoUsd, charged.flags, charged.corrections], ["charged", 19_500, [], 0]);
    const fourth = await third.restart();
    assert.deepEqual([fourth.kept.kept(), fourth.settleOrphans(afterLease)], [[], 0]);
    return fourth;
  });

  on("a kept hold is settled in the process that made it, once", async ({ ledger, kept, reader }) => {
    await ledger.reserve([aHold(1)]);
    await kept.keep(aKeptCall(1));
    assert.equal(only(reader.attemptsByIds([aHold(1).attemptId])).state, "held");
    await ledger.settle([aCharge(1)]);
    await ledger.settle([aCharge(1)]);
    const view = only(reader.attemptsByIds([aHold(1).attemptId]));
    assert.deepEqual([view.state, view.corrections, kept.kept()], ["charged", 0, []]);
  });

  on("what is said of a kept call later replaces its next look and its status, and nothing else", async (first) => {
    await first.ledger.reserve([aHold(1), aHold(2)]);
    await first.kept.keep(aKeptCall(1));
    await first.kept.keep(aKeptCall(2, { kind: "files-batch" }));
    await first.kept.keep(aKeptCall(1, { nextLookMs: START_MS + 90_000, looks: 2, status: "canceling" }));
    const after = await first.restart();
    assert.deepEqual(after.kept.kept(), [aKeptCall(1, { nextLookMs: START_MS + 90_000, looks: 2, status: "canceling" }), aKeptCall(2, { kind: "files-batch" })]);
    return after;
  });

  on("what is settled, or was never held, is not kept", async ({ ledger, kept }) => {
    await ledger.reserve([aHold(1)]);
    await ledger.settle([aCharge(1)]);
    await kept.keep(aKeptCall(1));
    await kept.keep(aKeptCall(2));
    assert.deepEqual(kept.kept(), []);
  });

  on("the bound that is told is that of the hold", async ({ ledger, kept }) => {
    await ledger.reserve([aHold(1, { boundNanoUsd: null })]);
    await kept.keep(aKeptCall(1));
    assert.deepEqual(kept.kept().map((one) => one.boundNanoUsd), [null]);
  });
}

function listingCases(on: On): void {
  on("an attempt is found by its id and its request's among many, in whatever order the ids came, before and after a death", async (before) => {
    const numbers = Array.from({ length: 1_500 }, (_, i) => (i * 677) % 1_500);
    const hold = (number: number): Hold => aHold(number, { requestId: aHold(number % 750).requestId, number: number < 750 ? 1 : 2 });
    for (let from = 0; from < numbers.length; from += 50) await before.ledger.reserve(numbers.slice(from, from + 50).map(hold));
    await before.ledger.settle([aCharge(3), aCharge(1_499)]);
    await before.ledger.settle([aCharge(3, { costNanoUsd: 7 })]);
    const check = ({ reader }: LedgerProcess): void => {
      for (const number of [0, 3, 255, 256, 257, 749, 750, 1_499]) {
        assert.equal(only(reader.attemptsByIds([hold(number).attemptId])).requestId, hold(number).requestId);
      }
      assert.deepEqual(reader.attemptsOf(aHold(3).requestId).map((view) => view.attemptId).toSorted(), [aHold(3).attemptId, aHold(753).attemptId]);
      assert.equal(reader.attemptsOf(aHold(3).requestId).find((view) => view.attemptId === aHold(3).attemptId)?.costNanoUsd, 7);
      assert.deepEqual(reader.attemptsByIds(["att_none"]), []);
    };
    check(before);
    const after = await before.crash();
    await after.ledger.reserve([aHold(1_500), aHold(1_501)]);
    check(after);
    return after;
  });

  on("a record comes back whole, whatever its attempts share with it", async ({ records, reader, settled }) => {
    const attempt = aRecord(1).attempts[0];
    assert.ok(attempt);
    const other = { ...attempt, attemptId: "att_other", deployment: "beta/large", units: { input: 5 }, costNanoUsd: null, flags: ["late"], status: null };
    const kinds: readonly RequestRecord[] = [
      aRecord(1, { route: "small" }),
      aRecord(2, { attempts: [other, attempt], costNanoUsd: null, flags: ["late"], warnings: ["a warning"], stream: true }),
      aRecord(3, { attempts: [{ ...other, units: { input: 5, output: 1 } }], units: { input: 5 }, costNanoUsd: 0 }),
      aRecord(4, { attempts: [], units: {}, deployment: null, status: 503, outcome: "error", errorCode: "no_usable_deployment", ttftMs: null }),
    ];
    for (const record of kinds) records.append(record);
    settled();
    assert.deepEqual([...reader.requests({})].map((view) => view.record), kinds);
  });

  on("records come back as they went in, oldest first, with their attempts", async ({ ledger, records, reader, settled }) => {
    for (const number of [1, 2, 3]) {
      await ledger.reserve([aHold(number)]);
      await ledger.settle([aCharge(number)]);
      records.append(aRecord(number));
    }
    settled();
    const views = [...reader.requests({})];
    assert.deepEqual(views.map((view) => view.record), [aRecord(1), aRecord(2), aRecord(3)]);
    assert.deepEqual(views.map((view) => view.attempts.map((attempt) => attempt.attemptId)), [["att_00000001"], ["att_00000002"], ["att_00000003"]]);
  });

  on("a limit takes the newest, a position the next ones", async ({ records, reader, settled }) => {
    for (const number of [1, 2, 3, 4, 5]) records.append(aRecord(number));
    settled();
    const ids = (views: Iterable<{ readonly requestId: string }>): readonly string[] => [...views].map((view) => view.requestId.slice(-1));
    assert.deepEqual(ids(reader.requests({ limit: 2 })), ["4", "5"]);
    assert.deepEqual(ids(reader.requests({ limit: 0 })), []);
    const [, second] = [...reader.requests({})];
    assert.deepEqual(ids(reader.requests({ after: second?.position ?? 0 })), ["3", "4", "5"]);
    assert.deepEqual(ids(reader.requests({ after: second?.position ?? 0, limit: 2 })), ["3", "4"]);
  });

  on("a request whose process died is listed from its rows", async (before) => {
    await before.ledger.reserve([aHold(1), aHold(2, { requestId: aHold(1).requestId, number: 2 }), aHold(3)]);
    await before.ledger.settle([aCharge(1), aCharge(3)]);
    before.records.append(aRecord(3));
    before.settled();
    const after = await before.crash();
    const views = [...after.reader.requests({})];
    assert.deepEqual(views.map((view) => [view.requestId, view.record === null, view.attempts.length]), [
      [aHold(3).requestId, false, 1],
      [aHold(1).requestId, true, 2],
    ]);
    return after;
  });
}

type Step = { readonly kind: "hold" | "charge" | "mark"; readonly number: number; readonly amount: number };

/** What the sums must come to, kept in the simplest way. */
class Model {
  readonly costs = new Map<number, number | null>();

  apply(step: Step): void {
    if (step.kind === "hold" && !this.costs.has(step.number)) this.costs.set(step.number, null);
    if (step.kind === "charge") this.costs.set(step.number, step.amount);
  }

  total(): bigint {
    let sum = 0n;
    for (const cost of this.costs.values()) sum += BigInt(cost ?? 0);
    return sum;
  }
}

function propertyCases(start: () => Promise<LedgerProcess>): void {
  const step: fc.Arbitrary<Step> = fc.record({
    kind: fc.constantFrom("hold", "charge", "mark"),
    number: fc.integer({ min: 1, max: 12 }),
    amount: fc.integer({ min: 0, max: 2_000_000_000 }),
  });

  void test("any interleaving, with deaths between, keeps one row per call and every announced charge", async () => {
    await fc.assert(
      fc.asyncProperty(fc.array(fc.array(step, { maxLength: 25 }), { minLength: 1, maxLength: 4 }), async (lives) => {
        let life = await start();
        const model = new Model();
        try {
          for (const steps of lives) {
            // All of one life start in the same turn, so that they meet in one group.
            const known = new Set(model.costs.keys());
            await Promise.all(steps.map((one) => run(life, one, known)));
            for (const one of steps) model.apply(one);
            life = await life.crash();
          }
          check(life, model);
        } finally {
          await life.end();
        }
      }),
      { numRuns: 25 },
    );
  });
}

/** `known`: held in an earlier life. Ids are unique for ever, so those are not held again, but evidence may still come. */
async function run({ ledger }: LedgerProcess, step: Step, known: ReadonlySet<number>): Promise<void> {
  if (step.kind !== "mark" && !known.has(step.number)) await ledger.reserve([aHold(step.number)]);
  if (step.kind === "charge") await ledger.settle([aCharge(step.number, { costNanoUsd: step.amount })]);
  if (step.kind === "mark") await ledger.progress([{ attemptId: aHold(step.number).attemptId, relayedTokens: step.amount }]);
}

function check({ reader }: LedgerProcess, model: Model): void {
  const totals = reader.totals();
  assert.equal(totals.reduce((sum, total) => sum + total.attempts, 0), model.costs.size);
  assert.equal(totals.reduce((sum, total) => sum + total.costNanoUsd, 0n), model.total());
  for (const [number, cost] of model.costs) assert.equal(only(reader.attemptsByIds([aHold(number).attemptId])).costNanoUsd, cost);
}
