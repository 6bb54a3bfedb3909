import assert from "node:assert/strict";
import { describe, it } from "node:test";
import fc from "fast-check";
import { budgetEffects, DEFAULT_BUDGET_POLICY, NO_BUDGET_POLICY, NO_EFFECTS } from "./policy.ts";
import { DEFAULT_SHEDDING, IMPORTANCES, lowered, shed, turnOf, type Importance, type Load } from "./shedding.ts";

describe("the error budget's policy", () => {
  it("freezes trials at half, puts reliability first at a tenth, and refuses what matters least at nothing", () => {
    const at = (left: number): number => budgetEffects(DEFAULT_BUDGET_POLICY, left).reached;
    assert.deepEqual([1, 0.51, 0.5, 0.11, 0.1, 0.01, 0, -3].map(at), [0, 0, 1, 1, 2, 2, 3, 3]);
    assert.deepEqual(budgetEffects(DEFAULT_BUDGET_POLICY, 0.3), { reached: 1, freezeCanaries: true, freezeCascades: true, reliabilityFirst: false, refuseLow: false });
    assert.deepEqual(budgetEffects(DEFAULT_BUDGET_POLICY, -1), { reached: 3, freezeCanaries: true, freezeCascades: true, reliabilityFirst: true, refuseLow: true });
    assert.equal(budgetEffects(NO_BUDGET_POLICY, -1), NO_EFFECTS);
  });

  it("lets go of a step only when a little more is left again", () => {
    const reached = budgetEffects(DEFAULT_BUDGET_POLICY, 0.1);
    assert.equal(budgetEffects(DEFAULT_BUDGET_POLICY, 0.115, reached), reached);
    assert.equal(budgetEffects(DEFAULT_BUDGET_POLICY, 0.13, reached).reached, 1);
  });

  it("goes by what its owner writes now, also of a step that was reached before", () => {
    const before = budgetEffects(DEFAULT_BUDGET_POLICY, -1);
    const milder = { steps: [...DEFAULT_BUDGET_POLICY.steps.slice(0, 2), { left: 0, acts: ["freeze_cascades"] as const }] };
    assert.equal(before.refuseLow, true);
    assert.deepEqual(budgetEffects(milder, -1, before), { ...before, refuseLow: false });
  });
});

describe("when room is short", () => {
  const NOBODY: Load["waiting"] = { high: 0, normal: 0, low: 0 };
  const load = (more: Partial<Load>): Load => ({ inFlight: 0, room: 100, waiting: NOBODY, refuseLow: false, ...more });

  it("each class fills its share, the rest is left to those above it", () => {
    const first = (importance: Importance): number => {
      for (let inFlight = 0; ; inFlight++) if (shed(importance, load({ inFlight })).kind !== "admit") return inFlight;
    };
    assert.deepEqual(IMPORTANCES.map(first), [100, 90, 70]);
    assert.equal(shed("low", load({ room: Number.POSITIVE_INFINITY, inFlight: 1e9 })).kind, "admit");
    assert.equal(shed("low", load({ room: 1 })).kind, "admit");
  });

  it("nobody overtakes those that wait and matter as much", () => {
    assert.equal(shed("normal", load({ waiting: { ...NOBODY, normal: 1 } })).kind, "wait");
    assert.equal(shed("low", load({ waiting: { ...NOBODY, high: 1 } })).kind, "wait");
    assert.equal(shed("high", load({ waiting: { ...NOBODY, low: 5 } })).kind, "admit");
  });

  it("a full queue refuses a newcomer, or who waits in the least class below it", () => {
    const full = load({ inFlight: 100, waiting: { high: 10, normal: 90, low: 100 } });
    assert.deepEqual(shed("high", full), { kind: "wait", waitMs: 10_000, displaces: "low" });
    assert.deepEqual(shed("normal", load({ ...full, waiting: { high: 10, normal: 190, low: 0 } })), { kind: "refuse", why: "overloaded", retryAfterMs: 5_000 });
    assert.equal(shed("low", full).kind, "refuse");
  });

  it("an error budget that is used up refuses what is of low importance, however much room there is", () => {
    assert.deepEqual(shed("low", load({ refuseLow: true })), { kind: "refuse", why: "error_budget", retryAfterMs: 60_000 });
    assert.equal(shed("normal", load({ refuseLow: true })).kind, "admit");
  });

  it("asks for less importance than was given, never for more", () => {
    assert.deepEqual([lowered("high", "low"), lowered("low", "high"), lowered("normal", null), lowered("normal", "low")], ["low", "low", "normal", "low"]);
  });

  it("the queue is bounded, and no higher class is refused for a lower one, in any order of events", () => {
    const terms = { ...DEFAULT_SHEDDING, waitingMost: 5 };
    const events = fc.array(fc.constantFrom<Importance | "end">("high", "normal", "low", "end"), { maxLength: 200 });
    fc.assert(
      fc.property(events, fc.integer({ min: 1, max: 12 }), (list, room) => {
        const waiting = { high: 0, normal: 0, low: 0 };
        let inFlight = 0;
        for (const event of list) {
          const now: Load = { inFlight, room, waiting, refuseLow: false };
          if (event === "end") inFlight = Math.max(0, inFlight - 1);
          else {
            const what = shed(event, now, terms);
            if (what.kind === "admit") inFlight += 1;
            else if (what.kind === "wait") {
              if (what.displaces !== null) {
                assert.ok(IMPORTANCES.indexOf(what.displaces) > IMPORTANCES.indexOf(event));
                waiting[what.displaces] -= 1;
              }
              waiting[event] += 1;
            } else for (const below of IMPORTANCES.slice(IMPORTANCES.indexOf(event) + 1)) assert.equal(waiting[below], 0);
          }
          for (let turn = turnOf({ ...now, inFlight }, terms); turn !== null; turn = turnOf({ ...now, inFlight }, terms)) {
            waiting[turn] -= 1;
            inFlight += 1;
          }
          assert.ok(inFlight <= room && waiting.high + waiting.normal + waiting.low <= 5);
        }
      }),
    );
  });
});
