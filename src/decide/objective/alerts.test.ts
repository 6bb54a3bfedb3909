import assert from "node:assert/strict";
import { describe, it } from "node:test";
import { BurnAlerts, EVALUATE_EVERY_MS, LOW_TRAFFIC, type BurnEvent, type BurnRule } from "./alerts.ts";
import { ObjectiveWindows } from "./windows.ts";

const SECOND_MS = 1_000;
const HOUR_S = 3_600;
const DAY_S = 24 * HOUR_S;
/** Neither a slice's beginning nor an evaluation's. */
const START_MS = Date.UTC(2026, 8, 3, 14, 7, 3) + 417;
const TARGET = 0.999;

interface Seen {
  /** Seconds from the step to the first firing of each rule, and to its end. */
  readonly fired: Map<BurnRule["id"], number>;
  readonly cleared: Map<BurnRule["id"], number>;
}

/** Three clean days, then `burn` for `burnS` seconds, then clean again. 1,000 requests a second, as evenly bad as they can be. */
function step(burn: number, burnS: number, afterS: number): Seen {
  const windows = new ObjectiveWindows({ target: TARGET, window: { kind: "rolling", lengthMs: 30 * DAY_S * SECOND_MS } });
  const alerts = new BurnAlerts();
  const seen: Seen = { fired: new Map(), cleared: new Map() };
  let wallMs = START_MS;
  for (let second = 0; second < 3 * DAY_S; second++) windows.addMany(1_000, 0, (wallMs += SECOND_MS));
  assert.deepEqual(alerts.evaluate(windows, wallMs), []);
  const share = burn * (1 - TARGET);
  let owed = 0;
  for (let second = 1; second <= burnS + afterS; second++) {
    wallMs += SECOND_MS;
    owed += second <= burnS ? share * 1_000 : 0;
    const bad = Math.floor(owed + 1e-9);
    owed -= bad;
    windows.addMany(1_000, bad, wallMs);
    if ((second * SECOND_MS) % EVALUATE_EVERY_MS !== 0) continue;
    for (const { rule, state, was } of alerts.evaluate(windows, wallMs)) {
      assert.notEqual(state, "low_traffic");
      if (state === "firing" && !seen.fired.has(rule.id)) seen.fired.set(rule.id, second);
      if (was === "firing") seen.cleared.set(rule.id, second - burnS);
    }
  }
  return seen;
}

function near(found: number | undefined, expected: number, what: string): void {
  assert.ok(found !== undefined && Math.abs(found - expected) <= EVALUATE_EVERY_MS / SECOND_MS, `${what}: ${found ?? "never"} s, expected ${expected} s`);
}

describe("from a clean history a step to burn b", () => {
  for (const burn of [1.5, 8, 15, 30, 100, 1_000]) {
    const fast = burn > 14.4 ? (HOUR_S * 14.4) / burn : Number.POSITIVE_INFINITY;
    const slow = burn > 6 ? (6 * HOUR_S * 6) / burn : Number.POSITIVE_INFINITY;
    const page = Math.min(fast, slow);
    const ticket = (3 * DAY_S) / burn;
    it(`b = ${burn}: the page ${Number.isFinite(page) ? `after ${Math.round(page)} s` : "never"}, the ticket after ${Math.round(ticket)} s, each over within its short span`, () => {
      const lastS = Math.ceil(Math.max(ticket, Number.isFinite(slow) ? slow : 0, Number.isFinite(fast) ? fast : 0)) + 60;
      const { fired, cleared } = step(burn, lastS, 6 * HOUR_S + 60);
      const paged = Math.min(fired.get("page_fast") ?? Number.POSITIVE_INFINITY, fired.get("page_slow") ?? Number.POSITIVE_INFINITY);
      if (Number.isFinite(page)) near(paged, page, "page");
      else assert.equal(paged, Number.POSITIVE_INFINITY);
      near(fired.get("ticket"), ticket, "ticket");
      const shortS: Readonly<Record<BurnRule["id"], number>> = { page_fast: 300, page_slow: 1_800, ticket: 6 * HOUR_S };
      assert.deepEqual([...cleared.keys()].toSorted(), [...fired.keys()].toSorted());
      for (const [rule, seconds] of cleared) assert.ok(seconds > 0 && seconds <= shortS[rule], `${rule} was over after ${seconds} s`);
    });
  }

  it("b = 0.9: never, in six days", () => {
    assert.deepEqual([...step(0.9, 6 * DAY_S, 0).fired], []);
  });
});

describe("an alert", () => {
  function world(): { readonly windows: ObjectiveWindows; readonly alerts: BurnAlerts } {
    return { windows: new ObjectiveWindows({ target: TARGET, window: { kind: "rolling", lengthMs: 30 * DAY_S * SECOND_MS } }), alerts: new BurnAlerts() };
  }
  const told = (events: readonly BurnEvent[]): string[] => events.map(({ rule, was, state }) => `${rule.id}: ${was} → ${state}`);

  it("says low traffic in place of a page while fewer than 100 were asked in its long span, and pages once there are", () => {
    const { windows, alerts } = world();
    for (let i = 0; i < LOW_TRAFFIC - 1; i++) windows.add(false, START_MS);
    assert.deepEqual(told(alerts.evaluate(windows, START_MS)), ["page_fast: quiet → low_traffic", "page_slow: quiet → low_traffic", "ticket: quiet → firing"]);
    assert.equal(alerts.paging, false);
    windows.add(false, START_MS);
    assert.deepEqual(told(alerts.evaluate(windows, START_MS)), ["page_fast: low_traffic → firing", "page_slow: low_traffic → firing"]);
    assert.equal(alerts.paging, true);
  });

  it("is told once while it lasts, and is over when nothing more is asked", () => {
    const { windows, alerts } = world();
    windows.addMany(1_000, 1_000, START_MS);
    assert.equal(alerts.evaluate(windows, START_MS).length, 3);
    assert.deepEqual(alerts.evaluate(windows, START_MS + 10_000), []);
    assert.deepEqual(told(alerts.evaluate(windows, START_MS + 311_000)), ["page_fast: firing → quiet"]);
  });

  it("outlives the process: what fires is not told again, and ends when it would have", () => {
    const { windows, alerts } = world();
    windows.addMany(1_000, 1_000, START_MS);
    alerts.evaluate(windows, START_MS);
    const next = world();
    next.windows.restore(JSON.parse(JSON.stringify(windows.save())));
    next.alerts.restore(JSON.parse(JSON.stringify(alerts.save())));
    assert.deepEqual(next.alerts.evaluate(next.windows, START_MS + 10_000), []);
    assert.deepEqual(next.alerts.states(next.windows, START_MS + 10_000), alerts.states(windows, START_MS + 10_000));
    assert.deepEqual(told(next.alerts.evaluate(next.windows, START_MS + 311_000)), ["page_fast: firing → quiet"]);
  });

  it("is not restored from what is no state", () => {
    for (const saved of [null, [], "firing", { page_fast: 1 }, { page_fast: { state: "loud", since: 0 } }, { page_fast: { state: "firing", since: null } }]) {
      const alerts = new BurnAlerts();
      alerts.restore(saved);
      assert.deepEqual(alerts.save(), {});
    }
  });
});
