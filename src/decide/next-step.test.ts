import assert from "node:assert/strict";
import { describe, it } from "node:test";
import fc from "fast-check";
import { mayTryElsewhere } from "../wire/outcome.ts";
import type { FailureClass, Outcome } from "../wire/outcome.ts";
import type { Candidate } from "./choose.ts";
import type { Deployment, ReliefClass } from "./deployment.ts";
import type { HealthView } from "./health/book.ts";
import { MAX_ATTEMPTS, MAX_IN_FLIGHT, nextStep, type Step, type Try } from "./next-step.ts";
import { candidate, failed } from "./test-candidates.ts";

const NOW = 100_000;

/** `ok`, `full`, `rest` (resting), `due` (a probe may go), `probing`, `out` (excluded); `+3000` paced for so long, `cap+3000` by the learned pace. */
type Word = string;

function viewOf(word: Word): HealthView {
  const [state = "ok", pauseMs] = word.split("+");
  return {
    state: ({ ok: "admitting", full: "admitting", cap: "admitting", out: "admitting", rest: "resting", slow: "resting", due: "probe-ready", probing: "probing" } as const)[state as "ok"],
    pausedUntilMs: pauseMs === undefined ? 0 : NOW + Number(pauseMs),
    excluded: state === "out" ? { reason: "auth", untilMs: Number.POSITIVE_INFINITY, scope: "account", alarm: true } : null,
    restsUntilMs: 0,
    ...(state === "slow" ? { slowOnly: true as const } : {}),
    ...(state === "full" ? { full: true } : {}),
    ...(state === "cap" ? { capped: true } : {}),
  };
}

/** Tries as `0:server`, `1:flying`, `2:superseded`. */
function triesOf(words: readonly string[]): readonly Try[] {
  return words.map((word) => {
    const [index, what = ""] = word.split(":");
    const outcome: Outcome | null = what === "flying" ? null : what === "superseded" ? { kind: "superseded", phase: "before-content" } : failed(what as FailureClass);
    return { candidate: Number(index), outcome };
  });
}

/** What is out of the ordinary of a candidate. */
interface Of {
  readonly account?: string;
  readonly region?: string;
  readonly window?: number;
  readonly after?: ReliefClass;
}

function withFacts(one: Candidate, i: number, { account, region, window, after }: Of): Candidate {
  const deployment = { ...one.deployment, ...(account === undefined ? {} : { id: `${account}/m${i}` }), region: region ?? null, contextWindow: window ?? null };
  return { ...one, deployment, ...(after === undefined ? {} : { after }) };
}

function step(views: readonly Word[], tries: readonly string[] = [], more: { readonly deadlineMs?: number; readonly random?: number; readonly domains?: readonly Deployment["domain"][]; readonly of?: readonly Of[] } = {}): Step {
  const candidates = views.map((_, i) => withFacts(candidate(more.of?.[i]?.account ?? `c${i}`, more.domains?.[i]), i, more.of?.[i] ?? {}));
  return nextStep({
    nowMs: NOW,
    deadlineMs: more.deadlineMs ?? NOW + 600_000,
    candidates,
    tries: triesOf(tries),
    view: (one) => viewOf(views[candidates.indexOf(one)] as Word),
    random: () => more.random ?? 0.5,
  });
}

/** `failover 1`, `repeat 0 metered after 125`, `stop paced 3000`. */
function words(one: Step): string {
  if (one.kind === "stop") return `stop ${one.why}${one.retryAfterMs === null ? "" : ` ${one.retryAfterMs}`}`;
  return `${one.why} ${one.candidate}${one.metered ? " metered" : ""}${one.probe ? " probing" : ""}${one.waitMs > 0 ? ` after ${one.waitMs}` : ""}`;
}

const TABLE: readonly (readonly [what: string, views: readonly Word[], tries: readonly string[], expected: string])[] = [
  // The first attempt.
  ["the first of the admitting", ["ok", "ok"], [], "first 0"],
  ["past the resting to the admitting", ["rest", "ok"], [], "first 1"],
  ["past the paced to the admitting", ["ok+5000", "ok"], [], "first 1"],
  ["past the excluded to the admitting", ["out", "ok"], [], "first 1"],
  ["a due probe in its place", ["due", "ok"], [], "probe 0 probing"],
  ["a due probe not out of its place", ["ok", "due"], [], "first 0"],
  ["a due probe rather than a resting one", ["rest", "due"], [], "probe 1 probing"],
  ["a due probe not while it is paced", ["due+5000", "ok"], [], "first 1"],
  ["past one that is being probed", ["probing", "ok"], [], "first 1"],
  ["who is slow alone rather than who fails, where both rest", ["rest", "slow"], [], "first 1"],
  ["who is slow alone past the paced", ["ok+1000", "slow"], [], "first 1"],
  ["one of the resting where all rest, unmetered", ["rest", "rest"], [], "last-resort 0"],
  ["the one that is being probed where nothing else is left", ["probing"], [], "last-resort 0"],
  ["a resting one rather than a pause", ["ok+5000", "rest"], [], "last-resort 1"],
  ["the shortest pause where all are paced", ["ok+5000", "ok+3000"], [], "paced 1 after 3000"],
  ["nothing where all are excluded", ["out", "out"], [], "stop nothing_left"],
  ["nothing where there are none", [], [], "stop nothing_left"],
  ["nothing where every pause ends beyond the deadline, with the shortest", ["ok+700000", "ok+650000"], [], "stop paced 650000"],
  ["a pause past an excluded one", ["out", "ok+3000"], [], "paced 1 after 3000"],
  ["no pause at the deadline itself", ["ok+600000"], [], "stop paced 600000"],

  ["past the full to the admitting", ["full", "ok"], [], "first 1"],
  ["past the full to a due probe", ["full", "due"], [], "probe 1 probing"],
  ["a full one rather than a resting one", ["rest", "full"], [], "first 1"],
  ["a full one rather than a paced one", ["ok+1000", "full"], [], "first 1"],
  ["the full where there is nothing else", ["full"], [], "first 0"],
  ["a short wait for the learned pace", ["cap+9999"], [], "paced 0 after 9999"],
  ["no long wait for the learned pace", ["cap+10000"], [], "stop paced 10000"],
  ["a pause that was named rather than a long wait for the learned pace", ["cap+12000", "ok+60000"], [], "paced 1 after 60000"],

  // After a failure.
  ["past the full to the admitting", ["ok", "full", "ok"], ["0:server"], "failover 2"],
  ["a full one rather than a due probe", ["ok", "full", "due"], ["0:server"], "failover 1"],
  ["a full one rather than a repeat", ["ok", "full"], ["0:server"], "failover 1"],
  ["no long wait for the learned pace of a tried one", ["cap+20000"], ["0:rate"], "stop paced 20000"],
  ["an admitting one, unmetered", ["ok", "ok"], ["0:server"], "failover 1"],
  ["an admitting one rather than a due probe", ["ok", "due", "ok"], ["0:server"], "failover 2"],
  ["a due probe rather than a repeat", ["ok", "due"], ["0:server"], "probe 1 probing"],
  ["who is slow alone rather than a repeat, unmetered", ["ok", "slow"], ["0:server"], "failover 1"],
  ["who is slow alone rather than another that rests, unmetered", ["rest", "rest", "slow"], ["0:server"], "failover 2"],
  ["a repeat rather than a resting one, metered, after a pause", ["ok", "rest"], ["0:server"], "repeat 0 metered after 125"],
  ["a resting one rather than a repeat of what rests now, metered", ["rest", "rest"], ["0:server"], "last-resort 1 metered"],
  ["a resting one rather than a pause, metered", ["ok+5000", "rest"], ["0:rate"], "last-resort 1 metered"],
  ["a pause of an untried one rather than of a tried one", ["ok+1000", "ok+3000"], ["0:rate"], "paced 1 after 3000"],
  ["a pause of a tried one where the untried one's ends too late, metered", ["ok+1000", "ok+900000"], ["0:rate"], "paced 0 metered after 1000"],
  ["a pause of a tried one where the untried one is out, metered", ["ok+1000", "out"], ["0:rate"], "paced 0 metered after 1000"],
  ["the pause of the only one, metered", ["ok+1000"], ["0:rate"], "paced 0 metered after 1000"],
  ["a paced one that also rests, metered", ["out", "rest+1000"], ["0:auth"], "paced 1 metered after 1000"],
  ["nothing where the pause of the only one ends too late", ["ok+900000"], ["0:rate"], "stop paced 900000"],
  ["a repeat after a 429 whose pause is over already", ["ok"], ["0:rate"], "repeat 0 metered after 125"],
  ["the provider's pause rather than a repeat", ["ok+7000"], ["0:overload"], "paced 0 metered after 7000"],
  ["nothing where it is excluded now", ["out"], ["0:auth"], "stop nothing_left"],
  ["nothing for a repeat of an unknown model", ["ok"], ["0:not_found"], "stop nothing_left"],
  ["nothing where it rests now", ["rest"], ["0:server"], "stop nothing_left"],
  ["a longer pause before the second repeat", ["ok"], ["0:server", "0:server"], "repeat 0 metered after 250"],

  // A whole answer that does not fit the form that was asked.
  ["a repair at the same place rather than another that is well, unmetered and at once", ["ok", "ok"], ["0:schema_mismatch"], "repair 0"],
  ["another after a repair that did not fit either", ["ok", "ok"], ["0:schema_mismatch", "0:schema_mismatch"], "failover 1"],
  ["another after a repair that failed", ["ok", "ok"], ["0:schema_mismatch", "0:server"], "failover 1"],
  ["another where the place of the repair rests now", ["rest", "ok"], ["0:schema_mismatch"], "failover 1"],
  ["another where the place of the repair is paced now", ["ok+5000", "ok"], ["0:schema_mismatch"], "failover 1"],
  ["a repair beside one that is under way", ["ok", "ok"], ["0:schema_mismatch", "1:flying"], "repair 0"],
  ["no third turn where nothing else is left", ["ok"], ["0:schema_mismatch", "0:schema_mismatch"], "stop nothing_left"],

  // Two in flight.
  ["an admitting one beside a late one", ["ok", "ok"], ["0:flying"], "failover 1"],
  ["a due probe beside a late one", ["ok", "due"], ["0:flying"], "probe 1 probing"],
  ["a resting one beside a late one, metered", ["ok", "rest"], ["0:flying"], "last-resort 1 metered"],
  ["no repeat beside one that is under way", ["ok", "ok"], ["0:flying", "1:server"], "stop nothing_left"],
  ["a pause beside one that is under way", ["ok", "ok+4000"], ["0:flying"], "paced 1 after 4000"],
  ["no pause of a tried one beside one that is under way", ["ok", "ok+4000"], ["0:flying", "1:rate"], "stop nothing_left"],
  ["no stop for a pause that is too long beside one that is under way", ["ok", "ok+900000"], ["0:flying"], "stop nothing_left"],
  ["the third after an elder that gave way", ["ok", "ok", "ok"], ["0:superseded", "1:flying"], "failover 2"],

  // The end.
  ["nothing after three attempts", ["ok", "ok", "ok", "ok"], ["0:server", "1:server", "2:server"], "stop attempts"],
  ["nothing after a bad request", ["ok", "ok"], ["0:bad_request"], "stop final"],
  ["nothing after a refusal for content", ["ok", "ok"], ["0:content_policy"], "stop final"],
  ["nothing after a prompt that does not fit", ["ok", "ok"], ["0:context"], "stop final"],
  ["nothing after a bad request, whatever came later", ["ok", "ok", "ok"], ["0:bad_request", "1:server"], "stop final"],
];

describe("the next step is", () => {
  for (const [what, views, tries, expected] of TABLE) {
    it(`${what}: ${views.join(" ") || "no candidates"}${tries.length > 0 ? ` after ${tries.join(" ")}` : ""}`, () => {
      assert.equal(words(step(views, tries)), expected);
    });
  }

  it("one that rests since it failed for a tenth of the first attempts beside one that is slow alone, and for all while it is probed", () => {
    assert.equal(words(step(["slow", "rest"], [], { random: 0.09 })), "last-resort 1");
    assert.equal(words(step(["slow", "rest"], [], { random: 0.1 })), "first 0");
    assert.equal(words(step(["slow", "rest+5000"], [], { random: 0 })), "first 0");
    assert.equal(words(step(["slow", "probing"], [], { random: 0.9 })), "last-resort 1");
    assert.equal(words(step(["slow", "slow"], [], { random: 0 })), "first 0");
    assert.equal(words(step(["ok", "slow", "rest"], ["0:server"], { random: 0 })), "failover 1");
  });

  it("a call beyond a learned pace in a tenth of the cases where the wait were too long, and never while a provider's pause lasts", () => {
    assert.equal(words(step(["cap+20000"], [], { random: 0.09 })), "paced 0");
    assert.equal(words(step(["cap+20000"], [], { random: 0.1 })), "stop paced 20000");
    assert.equal(words(step(["cap+20000", "ok+900000"], [], { random: 0.09 })), "paced 0");
    assert.equal(words(step(["ok+900000"], [], { random: 0 })), "stop paced 900000");
    assert.equal(words(step(["cap+20000"], ["0:rate"], { random: 0 })), "stop paced 20000");
    assert.equal(words(step(["cap+20000", "rest+900000"], ["1:server"], { random: 0 })), "stop paced 20000");
  });

  it("no wait for the learned pace that ends later than ten seconds after the request began", () => {
    const [only] = [candidate("a")];
    const at = (startMs: number): Step => nextStep({ nowMs: NOW, startMs, deadlineMs: NOW + 600_000, candidates: [only as NonNullable<typeof only>], tries: [], view: () => viewOf("cap+3000"), random: () => 0.5 });
    assert.equal(words(at(NOW - 6_999)), "paced 0 after 3000");
    assert.equal(words(at(NOW - 7_000)), "stop paced 3000");
  });

  it("nothing once the deadline has passed", () => {
    assert.equal(words(step(["ok"], [], { deadlineMs: NOW })), "stop deadline");
    assert.equal(words(step(["ok"], [], { deadlineMs: NOW - 1 })), "stop deadline");
  });

  it("no repeat that would begin after the deadline", () => {
    assert.equal(words(step(["ok"], ["0:server"], { deadlineMs: NOW + 125 })), "stop nothing_left");
    assert.equal(words(step(["ok"], ["0:server"], { deadlineMs: NOW + 126 })), "repeat 0 metered after 125");
  });

  it("in another failure domain where there is one, also at the cost of the order", () => {
    const domains = [{ edge: "x", cloud: "p" }, { edge: "x" }, { cloud: "p" }, { edge: "y", cloud: "q" }];
    assert.equal(words(step(["ok", "ok", "ok", "ok"], ["0:server"], { domains })), "failover 3");
    assert.equal(words(step(["ok", "ok", "ok", "rest"], ["0:server"], { domains })), "failover 1");
    assert.equal(words(step(["ok", "ok", "ok", "ok"], [], { domains })), "first 0");
  });

  it("not moved by domains that nobody declared", () => {
    assert.equal(words(step(["ok", "ok", "ok"], ["0:server"], { domains: [{}, {}, {}] })), "failover 1");
  });
});

describe("after a refusal for the request's own sake, the next step is", () => {
  const [SMALL, SAME, LARGE] = [{ window: 1_000 }, { window: 1_000 }, { window: 200_000 }] as const;
  const LONG: Of = { window: 200_000, after: "context" };
  const FREER: Of = { window: 1_000, after: "content_policy" };
  const cases: readonly (readonly [what: string, of: readonly Of[], views: readonly Word[], tries: readonly string[], expected: string])[] = [
    ["none that is held back while nothing was refused", [{}, LONG, FREER], ["ok", "ok", "ok"], ["0:server"], "repeat 0 metered after 125"],
    ["none that is held back for the first attempt, though all others rest", [{}, LONG, FREER], ["rest", "ok", "ok"], [], "last-resort 0"],
    ["one that is listed for a prompt that does not fit", [{}, FREER, LONG], ["ok", "ok", "ok"], ["0:context"], "failover 2"],
    ["one that is listed for content", [{}, LONG, FREER], ["ok", "ok", "ok"], ["0:content_policy"], "failover 2"],
    ["nothing where none is listed for that", [{}, LONG], ["ok", "ok"], ["0:content_policy"], "stop final"],
    ["nothing after a bad request, whatever is listed", [{}, LONG, FREER], ["ok", "ok", "ok"], ["0:bad_request"], "stop final"],
    ["one with a larger context window, without a list, past one of the same size", [SMALL, SAME, LARGE], ["ok", "ok", "ok"], ["0:context"], "failover 2"],
    ["nothing where the others' are of the same size", [SMALL, SAME], ["ok", "ok"], ["0:context"], "stop final"],
    ["nothing where the others' are not known", [SMALL, {}], ["ok", "ok"], ["0:context"], "stop final"],
    ["nothing where its own is not known", [{}, LARGE], ["ok", "ok"], ["0:context"], "stop final"],
    ["one with a larger window than each that refused", [SMALL, LARGE, { window: 50_000 }, { window: 400_000 }], ["ok", "ok", "ok", "ok"], ["0:context", "1:context"], "failover 3"],
    ["what is listed before what is larger besides", [SMALL, LARGE, LONG], ["ok", "ok", "ok"], ["0:context"], "failover 2"],
    ["what is larger where the listed one failed", [SMALL, LARGE, LONG], ["ok", "ok", "ok"], ["0:context", "2:server"], "failover 1"],
    ["a repeat of the listed one where nothing else may take it, metered", [SMALL, LONG], ["ok", "ok"], ["0:context", "1:server"], "repeat 1 metered after 250"],
    ["no repeat of who refused", [SMALL, LONG], ["ok", "rest"], ["0:context", "1:server"], "stop nothing_left"],
    ["not a listed one whose window is known to be smaller still", [LARGE, { window: 1_000, after: "context" }], ["ok", "ok"], ["0:context"], "stop final"],
    ["for content none whose window is known to be too small for it", [SMALL, LONG, FREER], ["ok", "ok", "ok"], ["0:context", "1:content_policy"], "stop final"],
    ["nothing after three attempts, whatever is listed", [SMALL, SMALL, SMALL, LONG], ["ok", "ok", "ok", "ok"], ["0:server", "1:server", "2:context"], "stop attempts"],
    ["not twice the same deployment, listed though it is", [{ account: "a", window: 9 }, { account: "a", window: 9, after: "content_policy" }], ["ok", "ok"], ["0:content_policy"], "failover 1"],
  ];
  for (const [what, of, views, tries, expected] of cases) it(what, () => assert.equal(words(step(views, tries, { of })), expected));
});

describe("the next attempt goes to whatever has the least in common with what failed", () => {
  const of: readonly Of[] = [{ account: "a", region: "eu-1" }, { account: "a", region: "eu-1" }, { account: "b", region: "eu-1" }, { account: "c", region: "us-1" }, { account: "d" }];
  const domains = [{ cloud: "p" }, { cloud: "p" }, { cloud: "p" }, { cloud: "p" }, { cloud: "q" }];
  const well = ["ok", "ok", "ok", "ok", "ok"];
  it("another cloud, then another region of the cloud, then another account, then the account itself", () => {
    assert.equal(words(step(well, ["0:server"], { of, domains })), "failover 4");
    assert.equal(words(step(["ok", "ok", "ok", "ok", "rest"], ["0:server"], { of, domains })), "failover 3");
    assert.equal(words(step(["ok", "ok", "ok", "rest", "rest"], ["0:server"], { of, domains })), "failover 2");
    assert.equal(words(step(["ok", "ok", "rest", "rest", "rest"], ["0:server"], { of, domains })), "failover 1");
  });
  it("another account alone where the account was refused or held to its pace", () => {
    for (const failure of ["rate", "auth", "payment"]) assert.equal(words(step(well, [`0:${failure}`], { of, domains })), "failover 2");
  });
  it("the next in order where the request itself was refused", () => {
    assert.equal(words(step(well, ["0:context"], { of: of.map((one, i) => ({ ...one, window: i + 1 })), domains })), "failover 1");
  });
});

describe("for any candidates, health and failures", () => {
  const FAILURES: readonly FailureClass[] = [
    "auth", "payment", "rate", "overload", "server", "not_found", "context", "bad_request", "content_policy", "residency", "network", "timeout", "malformed", "truncated", "empty", "too_large",
  ];
  const health = fc.record({ state: fc.constantFrom("ok", "rest", "due", "probing", "out"), pauseMs: fc.option(fc.integer({ min: 1, max: 20_000 }), { nil: null }) });
  /** A request with what the world does at each turn: each candidate's health then, whether the late go on, and how attempts end. */
  const story = fc.record({
    count: fc.integer({ min: 0, max: 6 }),
    domains: fc.array(fc.record({ edge: fc.constantFrom("x", "y"), cloud: fc.constantFrom("p", "q") }, { requiredKeys: [] }), { minLength: 6, maxLength: 6 }),
    turns: fc.array(
      fc.record({ health: fc.array(health, { minLength: 6, maxLength: 6 }), late: fc.boolean(), ends: fc.constantFrom<FailureClass | "superseded">(...FAILURES, "superseded"), random: fc.double({ min: 0, max: 1, maxExcluded: true, noNaN: true }), tookMs: fc.integer({ min: 0, max: 5_000 }) }),
      { minLength: 12, maxLength: 12 },
    ),
    deadlineMs: fc.integer({ min: 1, max: 30_000 }),
  });

  type Launched = { readonly step: Extract<Step, { kind: "launch" }>; readonly tries: readonly Try[]; readonly views: readonly HealthView[]; readonly nowMs: number; readonly deadlineMs: number };

  /** Play a story to its end; tell every launch, and how it ended. */
  function play(one: typeof story extends fc.Arbitrary<infer T> ? T : never): { readonly launches: readonly Launched[]; readonly end: string } {
    const candidates = Array.from({ length: one.count }, (_, i) => candidate(`c${i}`, one.domains[i]));
    const tries: { candidate: number; outcome: Outcome | null }[] = [];
    const launches: Launched[] = [];
    let nowMs = NOW;
    for (const turn of one.turns) {
      const at = nowMs;
      const views = candidates.map((_, i) => {
        const { state, pauseMs } = turn.health[i] as { state: string; pauseMs: number | null };
        return { ...viewOf(state), pausedUntilMs: pauseMs === null ? 0 : at + pauseMs };
      });
      const next = nextStep({ nowMs, deadlineMs: NOW + one.deadlineMs, candidates, tries, view: (c) => views[candidates.indexOf(c)] as HealthView, random: () => turn.random });
      const flying = tries.filter((tried) => tried.outcome === null);
      if (next.kind === "launch" && flying.length < MAX_IN_FLIGHT) {
        launches.push({ step: next, tries: tries.map((tried) => ({ ...tried })), views, nowMs, deadlineMs: NOW + one.deadlineMs });
        nowMs += next.waitMs;
        tries.push({ candidate: next.candidate, outcome: null });
        if (turn.late) continue;
      } else if (flying.length === 0) return { launches, end: next.kind === "stop" ? next.why : "launch" };
      const ending = tries.findLast((tried) => tried.outcome === null);
      if (ending !== undefined) ending.outcome = turn.ends === "superseded" ? { kind: "superseded", phase: "before-content" } : failed(turn.ends);
      nowMs += turn.tookMs;
    }
    return { launches, end: "never" };
  }

  it("a request comes to its end, after at most three attempts", () => {
    fc.assert(fc.property(story, (one) => {
      const { launches, end } = play(one);
      assert.ok(launches.length <= MAX_ATTEMPTS);
      assert.notEqual(end, "never");
      assert.notEqual(end, "launch");
    }), { numRuns: 2_000 });
  });

  const launched = (claim: (one: Launched) => void): void => fc.assert(fc.property(story, (one) => play(one).launches.forEach(claim)), { numRuns: 2_000 });

  it("an excluded deployment is never called", () => {
    launched(({ step: next, views }) => assert.equal(views[next.candidate]?.excluded, null));
  });

  it("nothing is called after a failure that would be the same everywhere", () => {
    launched(({ tries }) => assert.ok(tries.every(({ outcome }) => outcome?.kind !== "failed" || mayTryElsewhere(outcome.error.class))));
  });

  it("nothing begins at or after the deadline, nor during a pause", () => {
    launched(({ step: next, views, nowMs, deadlineMs }) => {
      assert.ok(nowMs + next.waitMs < deadlineMs);
      assert.ok((views[next.candidate]?.pausedUntilMs ?? 0) <= nowMs + next.waitMs);
    });
  });

  it("the retry allowance pays exactly for repeats, and for a resting deployment that is not the first attempt", () => {
    launched(({ step: next, tries, views }) => {
      const repeat = tries.some((tried) => tried.candidate === next.candidate);
      const state = views[next.candidate]?.state;
      const resting = state === "resting" || state === "probing" || (state === "probe-ready" && !next.probe);
      assert.equal(next.metered, repeat || (resting && tries.length > 0));
    });
  });

  it("the probe slot is asked for exactly where a probe is due and the call goes at once", () => {
    launched(({ step: next, views }) => {
      if (next.waitMs === 0 && next.why !== "repeat") assert.equal(next.probe, views[next.candidate]?.state === "probe-ready");
      else assert.equal(next.probe, false);
    });
  });

  it("nothing is repeated beside an attempt that is under way", () => {
    launched(({ step: next, tries }) => {
      if (tries.some((tried) => tried.outcome === null)) assert.ok(!tries.some((tried) => tried.candidate === next.candidate));
    });
  });

  it("a first attempt is made wherever one may be", () => {
    fc.assert(fc.property(story, (one) => {
      const { launches } = play(one);
      const turn = one.turns[0];
      const some = turn?.health.slice(0, one.count).some(({ state, pauseMs }) => state !== "out" && (pauseMs ?? 0) < one.deadlineMs);
      assert.equal(launches.length > 0, some);
    }), { numRuns: 2_000 });
  });

  it("the same facts give the same step", () => {
    fc.assert(fc.property(story, (one) => assert.deepEqual(play(one).launches.map((launch) => launch.step), play(one).launches.map((launch) => launch.step))), { numRuns: 200 });
  });
});

describe("an answer that cannot be read", () => {
  it("is repeated at the only candidate once, since each such answer is billed", () => {
    for (const failure of ["malformed", "empty", "too_large"]) {
      assert.equal(step(["ok"], [`0:${failure}`]).kind, "launch", failure);
      assert.equal(step(["ok"], [`0:${failure}`, `0:${failure}`]).kind, "stop", failure);
    }
    assert.equal(step(["ok"], ["0:server", "0:server"]).kind, "launch", "what passes is tried a third time");
  });
});

describe("a request that must not be done twice", () => {
  const step = (outcome: Outcome | null): string => {
    const next = nextStep({ nowMs: NOW, deadlineMs: NOW + 60_000, once: true, candidates: [candidate("a"), candidate("b")], tries: [{ candidate: 0, outcome }], view: () => viewOf("ok"), random: () => 0 });
    return next.kind === "stop" ? next.why : `${next.why} ${next.candidate}`;
  };

  it("is not sent again, there or elsewhere, once it may have arrived; what never left is", () => {
    assert.equal(step(failed("server")), "nothing_left");
    assert.equal(step(null), "nothing_left");
    assert.equal(step({ ...failed("network"), phase: "unsent" } as Outcome), "failover 1");
  });
});
