import assert from "node:assert/strict";
import { test } from "node:test";
import { Alarm, Engine } from "./engine.ts";
import { Chance } from "./random.ts";

test("events fire in the order of their times, and at one instant in the order in which they were set", () => {
  const engine = new Engine();
  const fired: string[] = [];
  for (const [name, atMs] of [["c", 20], ["a", 10], ["d", 20], ["b", 10]] as const) engine.set(new Alarm(() => fired.push(`${name}@${engine.nowMs}`)), atMs);
  engine.run();
  assert.deepEqual(fired, ["a@10", "b@10", "c@20", "d@20"]);
});

test("a cancelled event never fires, one that is set anew fires once, and time never steps back", () => {
  const engine = new Engine();
  const chance = new Chance(7, "engine");
  const alarms: Alarm[] = [];
  const fired = new Map<number, number>();
  const expected = new Set<number>();
  let lastMs = 0;
  for (let i = 0; i < 2_000; i += 1) {
    const alarm = new Alarm(() => {
      assert.ok(engine.nowMs >= lastMs);
      lastMs = engine.nowMs;
      fired.set(i, (fired.get(i) ?? 0) + 1);
    });
    alarms.push(alarm);
    engine.set(alarm, Math.floor(chance.next() * 1_000));
    expected.add(i);
  }
  for (const [i, alarm] of alarms.entries()) {
    const draw = chance.next();
    if (draw < 0.3) {
      engine.cancel(alarm);
      expected.delete(i);
    } else if (draw < 0.6) engine.set(alarm, Math.floor(chance.next() * 1_000));
  }
  engine.run();
  assert.deepEqual([...fired.keys()].toSorted((a, b) => a - b), [...expected].toSorted((a, b) => a - b));
  assert.ok([...fired.values()].every((times) => times === 1));
});

test("what is due after the given time waits", () => {
  const engine = new Engine();
  let fired = 0;
  for (const atMs of [1, 2, 3]) engine.set(new Alarm(() => (fired += 1)), atMs);
  engine.run(2);
  assert.equal(fired, 2);
  engine.run();
  assert.equal(fired, 3);
});
