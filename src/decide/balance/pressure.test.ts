import assert from "node:assert/strict";
import { describe, it } from "node:test";
import type { ObjectiveWindow } from "../objective/types.ts";
import { allowanceOf, multipleOf, ObjectivePressure } from "./pressure.ts";
import { chanceFrom } from "./test-weighed.ts";

const DAY_MS = 86_400_000;
const DAY: ObjectiveWindow = { kind: "rolling", lengthMs: DAY_MS };
const START_MS = Date.UTC(2026, 9, 5);
/** Requests in the memory of twenty minutes at one a second. */
const ONE_A_SECOND = 1_200;

/** One request a second: each predicted at `risk`, every `badEach`th bad. Returns the time after the last. */
function run(pressure: ObjectivePressure, requests: number, risk: number, badEach: number, startMs = START_MS): number {
  for (let i = 1; i <= requests; i++) {
    pressure.chosen(risk, ONE_A_SECOND, startMs + i * 1_000);
    pressure.ended(i % badEach === 0, startMs + i * 1_000);
  }
  return startMs + requests * 1_000;
}

describe("the multiple of the reference price", () => {
  it("never falls when the burn or its integral rises, and stays within 0 and 9,000", () => {
    for (let theta = -3; theta <= 8; theta += 0.5) {
      let before = 0;
      for (let burn = 0; burn <= 30; burn += 0.1) {
        const multiple = multipleOf(theta, burn);
        assert.ok(multiple >= before && multiple <= 9_000, `${multiple} after ${before} at ${theta}, ${burn}`);
        assert.ok(multipleOf(theta + 0.5, burn) >= multiple);
        before = multiple;
      }
    }
  });

  it("begins careful, at about 14", () => {
    assert.ok(Math.abs(new ObjectivePressure(0.999, DAY).multiple(START_MS) - 13.9) < 0.1);
  });

  it("falls to nothing within 10,000 requests where the objective is not at risk", () => {
    const pressure = new ObjectivePressure(0.999, DAY);
    run(pressure, 10_000, 0.000_1, Number.POSITIVE_INFINITY);
    assert.equal(pressure.multiple(START_MS), 0);
  });

  it("rises while more is predicted than the budget bears", () => {
    const pressure = new ObjectivePressure(0.999, DAY);
    let before = pressure.multiple(START_MS);
    for (let step = 0; step < 5; step++) {
      run(pressure, 500, 0.003, 333, START_MS + step * 500_000);
      assert.ok(pressure.multiple(START_MS) > before);
      before = pressure.multiple(START_MS);
    }
  });

  it("is hardly moved by an hour of wrong predictions once it has seen a day, but while it is new", () => {
    const burnAfter = (hours: number): number => {
      const pressure = new ObjectivePressure(0.99, DAY);
      const nowMs = run(pressure, 3_600 * hours, 0.009, 111);
      run(pressure, 3_600, 0.018, 111, nowMs);
      return pressure.view(nowMs).burn;
    };
    const [young, old] = [burnAfter(2), burnAfter(30)];
    assert.ok(young > 1.25 && old < 1.15, `${young}, ${old}`);
  });

  it("forgets within the hour where its window is four", () => {
    const pressure = new ObjectivePressure(0.99, { kind: "rolling", lengthMs: 4 * 3_600_000 });
    const nowMs = run(pressure, 30 * 3_600, 0.009, 111);
    assert.ok(pressure.view(run(pressure, 3_600, 0.018, 56, nowMs)).burn > 1.5);
  });

  it("rises where more comes than was predicted, and falls where less does", () => {
    const [worse, as, better] = [25, 100, Number.POSITIVE_INFINITY].map((badEach) => {
      const pressure = new ObjectivePressure(0.99, DAY);
      const nowMs = run(pressure, 5_000, 0.01, badEach);
      return pressure.view(nowMs).burn;
    });
    assert.ok((worse as number) > 2 * (as as number) && (better as number) < 0.5 * (as as number), `${worse}, ${as}, ${better}`);
  });
});

describe("the budget of the window", () => {
  it("presses in its last twentieth only, for chance alone takes half of the tenth that is kept", () => {
    for (const left of [1, 0.5, 0.1, 0.06]) assert.equal(allowanceOf(left), 1);
    assert.ok(Math.abs(allowanceOf(0.025) - 0.75) < 1e-9);
    assert.ok(Math.abs(allowanceOf(0) - 0.5) < 1e-9);
    for (const left of [-0.05, -5, Number.NEGATIVE_INFINITY]) assert.equal(allowanceOf(left), 0.1);
  });

  it("is counted for the whole window while it fills, at the rate of requests so far", () => {
    const pressure = new ObjectivePressure(0.99, DAY);
    const nowMs = run(pressure, 3_600, 0.01, 100);
    const left = pressure.view(nowMs).left;
    assert.ok(Math.abs(left - (1 - 1 / 24)) < 0.005, `${left}`);
  });

  it("comes back as what was bad leaves the window", () => {
    const pressure = new ObjectivePressure(0.99, { kind: "rolling", lengthMs: 3_600_000 });
    let nowMs = run(pressure, 3_600, 0.01, 50);
    assert.ok(pressure.view(nowMs).left < -0.9);
    nowMs = run(pressure, 3_700, 0.001, Number.POSITIVE_INFINITY, nowMs);
    assert.equal(pressure.view(nowMs).left, 1);
  });

  it("begins anew with a calendar month of its zone", () => {
    const pressure = new ObjectivePressure(0.99, { kind: "month", zone: "Europe/Berlin" });
    const newMonthMs = Date.UTC(2026, 9, 31, 23);
    const nowMs = run(pressure, 3_600, 0.01, 50, newMonthMs - 3_600_000 - 1_000);
    assert.ok(pressure.view(nowMs).left < 0, "an hour is all that this month is watched, and it was twice too bad");
    pressure.chosen(0.01, ONE_A_SECOND, newMonthMs);
    assert.equal(pressure.view(newMonthMs).left, 1);
  });

  it("is not upset by a clock that steps back", () => {
    const pressure = new ObjectivePressure(0.99, DAY);
    const nowMs = run(pressure, 1_000, 0.01, 100);
    const before = pressure.view(nowMs);
    pressure.ended(false, nowMs - DAY_MS);
    assert.ok(Math.abs(pressure.view(nowMs).left - before.left) < 0.01);
  });
});

describe("its state", () => {
  const random = chanceFrom(11);
  const history = Array.from({ length: 6_000 }, () => ({ risk: 0.004 * random(), bad: random() < 0.002 }));
  const play = (pressure: ObjectivePressure, from: number, to: number): number[] =>
    history.slice(from, to).map(({ risk, bad }, i) => {
      const nowMs = START_MS + (from + i) * 1_000;
      pressure.chosen(risk, ONE_A_SECOND, nowMs);
      pressure.ended(bad, nowMs);
      return pressure.multiple(nowMs);
    });

  it("is equal for equal history", () => {
    assert.deepEqual(play(new ObjectivePressure(0.999, DAY), 0, 6_000), play(new ObjectivePressure(0.999, DAY), 0, 6_000));
  });

  it("survives a restart as text", () => {
    const whole = new ObjectivePressure(0.999, DAY);
    play(whole, 0, 3_000);
    const restarted = new ObjectivePressure(0.999, DAY);
    assert.ok(restarted.restore(JSON.parse(JSON.stringify(whole.save())), START_MS + 3_000_000));
    assert.deepEqual(play(restarted, 3_000, 6_000), play(whole, 3_000, 6_000));
  });

  it("is not taken over from another objective", () => {
    const pressure = new ObjectivePressure(0.999, DAY);
    const fresh = pressure.save();
    const others = [new ObjectivePressure(0.99, DAY), new ObjectivePressure(0.999, { kind: "rolling", lengthMs: 7 * DAY_MS }), new ObjectivePressure(0.999, { kind: "month", zone: "UTC" })];
    for (const other of others) assert.equal(pressure.restore(other.save(), START_MS), false);
    assert.deepEqual(pressure.save(), fresh);
  });

  it("forgets the requests that a clock counted which was a year ahead, so that those of now leave the window again", () => {
    for (const window of [DAY, { kind: "month", zone: "UTC" }] as const) {
      const ahead = new ObjectivePressure(0.999, window);
      run(ahead, 3_000, 0.000_5, 100, START_MS + 365 * DAY_MS);
      const pressure = new ObjectivePressure(0.999, window);
      assert.ok(pressure.restore(JSON.parse(JSON.stringify(ahead.save())), START_MS));
      const nowMs = run(pressure, 3_000, 0.000_5, 100, START_MS + 40 * DAY_MS);
      assert.ok(pressure.view(nowMs).left < 0.99, `of a budget that burns ten times too fast ${pressure.view(nowMs).left} is left`);
      const laterMs = run(pressure, 10, 0.000_5, Number.POSITIVE_INFINITY, nowMs + 40 * DAY_MS);
      assert.equal(pressure.view(laterMs).left, 1);
    }
  });

  it("is a number whatever was saved", () => {
    const whole = JSON.parse(JSON.stringify(new ObjectivePressure(0.999, DAY).save()));
    for (const name of ["window", "predicted", "predictedSum", "realisedSum", "theta", "boundFor", "ring", "seen"]) {
      for (const wrong of [null, undefined, "x", -1e300, [], {}]) {
        const pressure = new ObjectivePressure(0.999, DAY);
        pressure.restore({ ...whole, [name]: wrong }, START_MS);
        const nowMs = run(pressure, 10, 0.001, 5);
        const { multiple, burn, left } = pressure.view(nowMs);
        assert.ok([multiple, burn, left].every(Number.isFinite), `${name}: ${JSON.stringify(wrong)} comes to ${multiple}, ${burn}, ${left}`);
      }
    }
  });

  it("says that the objective is out of reach once it was at its bound for its whole memory, and takes it back", () => {
    const pressure = new ObjectivePressure(0.999, DAY);
    let nowMs = run(pressure, 1_000, 0.05, 20);
    assert.equal(pressure.view(nowMs).infeasible, false);
    nowMs = run(pressure, 3_000, 0.05, 20, nowMs);
    assert.equal(pressure.view(nowMs).infeasible, true);
    nowMs = run(pressure, 80_000, 0, Number.POSITIVE_INFINITY, nowMs);
    assert.equal(pressure.view(nowMs).infeasible, false);
  });
});
