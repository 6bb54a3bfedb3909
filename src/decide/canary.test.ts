import assert from "node:assert/strict";
import { describe, it } from "node:test";
import { burnsAlone, CanaryTrial, isChosen, qualityFell, verdictOf, type Arm, type CanaryTerms, type FirstCall, type Rollback, type Scores, type TrialRequest } from "./canary.ts";
import { MirrorCap } from "./mirror-cap.ts";
import type { Objective } from "./objective/types.ts";

const TERMS: CanaryTerms = { use: "new/m", share: 0.05, minRequests: 200, rollback: { burn: 2, quality: 0.05 } };
const WINDOW = { kind: "rolling", lengthMs: 30 * 86_400_000 } as const;
const AVAILABLE: Objective = { name: "availability", kind: "availability", target: 0.999, window: WINDOW, within: [], atLeast: null, unit: null };
const IN_TIME: Objective = { name: "p98", kind: "first_token", target: 0.98, window: WINDOW, within: [{ upToInputTokens: null, withinMs: 4_000 }], atLeast: null, unit: null };
const T0 = 1_790_000_000_000;

const GOOD: FirstCall = { outcome: "answered", flags: [], ttftMs: 300, totalMs: 900, units: {} };
const BAD: FirstCall = { outcome: "server", flags: [], ttftMs: null, totalMs: 40, units: {} };

function request(arm: Arm, call: FirstCall | null, more: Partial<TrialRequest> = {}): TrialRequest {
  return { arm, stream: true, call, rested: false, costNanoUsd: 1_000, ...more };
}

/** A small generator, so that a run can be repeated. */
function drawn(seed: number): () => number {
  let state = seed;
  return () => {
    state = (Math.imul(state, 1_664_525) + 1_013_904_223) >>> 0;
    return state / 4_294_967_296;
  };
}

/** Traffic of `perS` requests a second for so long; gives the rollback and after how many of the canary's calls it came. */
function driven(trial: CanaryTrial, seconds: number, fails: (arm: Arm, second: number) => number, perS = 10, seed = 1): { rollback: Rollback | null; calls: number; second: number } {
  const random = drawn(seed);
  let calls = 0;
  for (let second = 0; second < seconds; second++) {
    for (let i = 0; i < perS; i++) {
      const arm: Arm = random() < TERMS.share ? "canary" : "rest";
      if (arm === "canary") calls += 1;
      const rollback = trial.add(request(arm, random() < fails(arm, second) ? BAD : GOOD), T0 + second * 1_000);
      if (rollback !== null) return { rollback, calls, second };
    }
  }
  return { rollback: null, calls, second: seconds };
}

describe("the share of a canary", () => {
  it("is kept over ids in a row, and always the same for the same id", () => {
    for (const share of [0.01, 0.05, 0.3]) {
      const ids = Array.from({ length: 100_000 }, (_, i) => `req_01k9z8${i.toString(36).padStart(6, "0")}`);
      const chosen = ids.filter((id) => isChosen(id, "canary support new/m", share));
      assert.ok(Math.abs(chosen.length / ids.length - share) < 4 * Math.sqrt((share * (1 - share)) / ids.length), `${chosen.length} of ${ids.length} at ${share}`);
      assert.deepEqual(chosen.filter((id) => isChosen(id, "canary support new/m", share)), chosen);
      assert.ok(chosen.every((id) => isChosen(id, "canary support new/m", share * 2)), "a larger share takes others than the smaller did");
    }
  });

  it("falls on other ids for another trial", () => {
    const ids = Array.from({ length: 20_000 }, (_, i) => `user-${i}`);
    const both = ids.filter((id) => isChosen(id, "canary a x/m", 0.1) && isChosen(id, "canary b y/m", 0.1));
    assert.ok(both.length > 120 && both.length < 280, String(both.length));
  });

  it("is nothing at 0 and everything at 1", () => {
    const ids = Array.from({ length: 1_000 }, (_, i) => `r${i}`);
    assert.deepEqual([ids.filter((id) => isChosen(id, "t", 0)).length, ids.filter((id) => isChosen(id, "t", 1)).length], [0, 1_000]);
  });
});

describe("a canary", () => {
  it("is rolled back when its own calls fail and the others' do not, though every request was answered by a fallback", () => {
    const trial = new CanaryTrial(TERMS, [AVAILABLE], T0);
    const { rollback, calls } = driven(trial, 600, (arm) => (arm === "canary" ? 0.3 : 0.0005));
    assert.equal(rollback?.why, "burn");
    assert.ok(calls >= 20 && calls <= 60, `after ${calls} calls`);
    assert.match(rollback.reason, /^availability: \d+ of its \d+ calls .* the limit is 2, and the others burn it/);
    assert.equal(trial.rolledBack, rollback);
  });

  it("is not rolled back by one bad answer, nor by two, whatever was promised", () => {
    const strict: Objective = { ...AVAILABLE, target: 0.99999 };
    for (const bad of [1, 2]) {
      const trial = new CanaryTrial(TERMS, [strict], T0);
      for (let i = 0; i < 40; i++) assert.equal(trial.add(request("canary", i < bad ? BAD : GOOD), T0 + i * 1_000), null);
    }
  });

  it("is not rolled back by noise: at half of what it may fail, over a day of ten requests a second", () => {
    let rolled = 0;
    for (let seed = 1; seed <= 3; seed++) if (driven(new CanaryTrial(TERMS, [AVAILABLE], T0), 86_400, () => 0.0005, 10, seed).rollback !== null) rolled += 1;
    assert.equal(rolled, 0);
  });

  it("is not rolled back where all fail alike, and is when the others are well again and it is not", () => {
    const trial = new CanaryTrial(TERMS, [AVAILABLE], T0);
    const { rollback, second } = driven(trial, 2_000, (arm, at) => (at < 300 ? 0.4 : at >= 900 && arm === "canary" ? 0.4 : 0));
    assert.equal(rollback?.why, "burn");
    assert.ok(second >= 900 && second < 1_200, `at ${second} s`);
  });

  it("is judged by the time to its first content where that is promised, late ones that were put aside among them", () => {
    const aside: FirstCall = { ...GOOD, outcome: "superseded", flags: ["late"], ttftMs: null, totalMs: 5_000 };
    assert.deepEqual([verdictOf(IN_TIME, aside, true), verdictOf(IN_TIME, GOOD, true), verdictOf(IN_TIME, GOOD, false), verdictOf(AVAILABLE, aside, true)], ["bad", "good", null, null]);
    const trial = new CanaryTrial(TERMS, [AVAILABLE, IN_TIME], T0);
    let rollback: Rollback | null = null;
    for (let i = 0; i < 60 && rollback === null; i++) {
      trial.add(request("rest", GOOD), T0 + i * 1_000);
      rollback = trial.add(request("canary", i % 3 === 0 ? aside : GOOD), T0 + i * 1_000);
    }
    assert.equal(rollback?.fields["objective"], "p98");
  });

  it("is not judged by what its callers asked wrongly, nor by a limit on pace", () => {
    const trial = new CanaryTrial(TERMS, [AVAILABLE], T0);
    for (const outcome of ["bad_request", "content_policy", "context", "rate", "client_gone"]) for (let i = 0; i < 30; i++) assert.equal(trial.add(request("canary", { ...BAD, outcome }), T0), null);
    assert.equal(trial.burns(T0)[0]?.canary.valid, 0);
  });

  it("fails a request that it could not take since it rested after failures", () => {
    const trial = new CanaryTrial(TERMS, [AVAILABLE], T0);
    let rollback: Rollback | null = null;
    for (let i = 0; i < 20; i++) rollback = trial.add(i < 5 ? request("canary", BAD) : request("canary", GOOD, { rested: true }), T0 + i * 1_000);
    assert.equal(rollback?.fields["canary_bad"], 20);
  });

  it("that could not be called fails what is promised of answers, and says nothing of their times and rates", () => {
    const rate: Objective = { ...AVAILABLE, name: "rate", kind: "output_rate", atLeast: 30 };
    const latency: Objective = { ...IN_TIME, name: "whole", kind: "latency" };
    const trial = new CanaryTrial(TERMS, [AVAILABLE, IN_TIME, latency, rate], T0);
    trial.add(request("canary", GOOD, { rested: true }), T0);
    trial.add(request("canary", BAD), T0);
    trial.add(request("canary", { ...GOOD, units: { output: 60 } }), T0);
    const all = trial.burns(T0).filter(({ span }) => span === "trial").map(({ objective, canary }) => [objective.name, canary.bad, canary.valid]);
    assert.deepEqual(all, [["availability", 2, 3], ["p98", 0, 1], ["whole", 0, 1], ["rate", 0, 1]]);
  });

  it("is rolled back for never answering where the route promises only times", () => {
    const trial = new CanaryTrial(TERMS, [IN_TIME], T0);
    const { rollback } = driven(trial, 600, (arm) => (arm === "canary" ? 1 : 0));
    assert.equal(rollback?.fields["objective"], "availability");
    assert.deepEqual(trial.resumed(T0).burns(T0).map(({ objective }) => objective.name), ["availability", "availability", "availability", "p98", "p98", "p98"]);
  });

  it("with little traffic is judged by the whole trial", () => {
    const trial = new CanaryTrial(TERMS, [AVAILABLE], T0);
    let rollback: Rollback | null = null;
    for (let i = 0; i < 200 && rollback === null; i++) rollback = trial.add(request("canary", i % 2 === 0 ? BAD : GOOD), T0 + i * 600_000);
    assert.equal(rollback?.fields["span"], "trial");
  });

  it("where the route promises nothing, has to answer 99 of 100 of its calls", () => {
    const { rollback } = driven(new CanaryTrial(TERMS, [], T0), 600, (arm) => (arm === "canary" ? 0.4 : 0));
    assert.equal(rollback?.fields["objective"], "availability");
  });

  it("has a last minute again after a clock that was a day ahead is set back", () => {
    const trial = new CanaryTrial(TERMS, [AVAILABLE], T0);
    const lastMinute = (wallMs: number): number | undefined => trial.burns(wallMs).find(({ span }) => span === "60s")?.rest.valid;
    trial.add(request("rest", GOOD), T0 + 86_400_000);
    for (let i = 0; i < 10; i++) trial.add(request("rest", GOOD), T0 + i * 1_000);
    assert.deepEqual([lastMinute(T0 + 10_000), lastMinute(T0 + 200_000)], [10, 0]);
  });

  it("is rolled back for feedback that is worse by more than may be, and not for a few bad words", () => {
    const trial = new CanaryTrial(TERMS, [AVAILABLE], T0);
    const random = drawn(7);
    for (let i = 0; i < 2_000; i++) trial.score("rest", random() < 0.9 ? 1 : -1, T0);
    for (let i = 0; i < 19; i++) assert.equal(trial.score("canary", -1, T0), null);
    assert.equal(trial.score("canary", -1, T0)?.why, "quality");
    let rolled = 0;
    for (let seed = 1; seed <= 20; seed++) {
      const alike = new CanaryTrial(TERMS, [AVAILABLE], T0);
      const next = drawn(seed);
      for (let i = 0; i < 2_000 && alike.rolledBack === null; i++) alike.score(next() < 0.1 ? "canary" : "rest", next() < 0.9 ? 1 : 0, T0);
      if (alike.rolledBack !== null) rolled += 1;
    }
    assert.ok(rolled <= 1, `${rolled} of 20 that were as good`);
  });

  it("keeps its counts and its rollback over a restart, and forgets both for another candidate or after it is resumed", () => {
    const trial = new CanaryTrial(TERMS, [AVAILABLE], T0);
    driven(trial, 600, (arm) => (arm === "canary" ? 0.3 : 0));
    trial.score("canary", 0.5, T0);
    const again = new CanaryTrial(TERMS, [AVAILABLE], T0 + 9, JSON.parse(JSON.stringify(trial.save())) as never);
    assert.deepEqual([again.rolledBack, again.startedMs, again.arm("canary"), again.burns(T0 + 3_600_000).at(-1)], [trial.rolledBack, T0, trial.arm("canary"), trial.burns(T0 + 3_600_000).at(-1)]);
    assert.equal(new CanaryTrial({ ...TERMS, use: "other/m" }, [AVAILABLE], T0, trial.save()).rolledBack, null);
    const resumed = trial.resumed(T0 + 5);
    assert.deepEqual([resumed.rolledBack, resumed.arm("canary").requests, resumed.startedMs], [null, 0, T0 + 5]);
    assert.equal(new CanaryTrial(TERMS, [AVAILABLE], T0, { use: 3, arms: [], rolled_back: "yes" }).rolledBack, null);
  });
});

describe("what is proven", () => {
  it("of a burn: enough calls, enough bad ones, above the limit and above the others", () => {
    const rest = { valid: 1_000, bad: 1 };
    assert.equal(burnsAlone({ valid: 19, bad: 19 }, rest, 0.999, 2), false);
    assert.equal(burnsAlone({ valid: 20, bad: 20 }, rest, 0.999, 2), true);
    assert.equal(burnsAlone({ valid: 1_000, bad: 3 }, rest, 0.999, 2), false);
    assert.equal(burnsAlone({ valid: 50, bad: 25 }, { valid: 1_000, bad: 400 }, 0.999, 2), false);
    assert.equal(burnsAlone({ valid: 50, bad: 10 }, { valid: 5, bad: 1 }, 0.999, 2), false);
    assert.equal(burnsAlone({ valid: 50, bad: 50 }, { valid: 0, bad: 0 }, 0.999, 2), true);
    assert.equal(burnsAlone({ valid: 50, bad: 50 }, rest, 0.5, 2), false);
  });

  it("of quality: enough scores of both", () => {
    const scores = (count: number, mean: number): Scores => ({ count, sum: count * mean, squares: count * mean });
    assert.equal(qualityFell(scores(100, 0.5), scores(19, 1), 0.05), false);
    assert.equal(qualityFell(scores(100, 0.7), scores(1_000, 0.95), 0.05), true);
    assert.equal(qualityFell(scores(100, 0.93), scores(1_000, 0.95), 0.05), false);
  });
});

describe("a mirror's day", () => {
  const DAY = 86_400_000;

  it("never holds more than it may spend, counts what was spent, and begins anew at midnight UTC", () => {
    const cap = new MirrorCap();
    assert.deepEqual([cap.reserve(600, 1_000, 0), cap.reserve(600, 1_000, 0), cap.reserve(null, 1_000, 0)], [true, false, false]);
    cap.settle(600, 100, 5);
    assert.deepEqual([cap.reserve(900, 1_000, 6), cap.reserve(1, 1_000, 6), cap.spentNanoUsd(6)], [true, false, 100]);
    // What still runs at midnight is the next day's.
    assert.deepEqual([cap.reserve(200, 1_000, DAY), cap.reserve(100, 1_000, DAY)], [false, true]);
  });

  it("spends a day's money once, though the clock is set back over midnight", () => {
    const cap = new MirrorCap();
    assert.ok(cap.reserve(600, 1_000, DAY + 5));
    cap.settle(600, 600, DAY + 6);
    assert.deepEqual([cap.reserve(600, 1_000, DAY - 5), cap.reserve(600, 1_000, DAY + 7), cap.reserve(600, 1_000, 2 * DAY)], [false, false, true]);
  });

  it("knows after a death what may have been spent, and after an end what was", () => {
    const cap = new MirrorCap();
    assert.ok(cap.reserve(600, 1_000, 0));
    assert.deepEqual([cap.toBeNoted(1_000), cap.toBeNoted(1_000)], [true, false]);
    const killed = new MirrorCap();
    killed.restore(cap.save(true));
    assert.equal(killed.reserve(350, 1_000, 0), false);
    cap.settle(600, 50, 1);
    const stopped = new MirrorCap();
    stopped.restore(cap.save(false));
    assert.deepEqual([stopped.spentNanoUsd(2), stopped.reserve(950, 1_000, 2)], [50, true]);
  });
});
