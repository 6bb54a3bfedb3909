import assert from "node:assert/strict";
import { test } from "node:test";
import { Chance } from "./random.ts";
import { troubleIn, type Told } from "./trouble.ts";

/** A call a second; `share`: how likely the one at this second fails. */
function calls(seconds: number, seed: number, share: (s: number) => number): readonly Told[] {
  const chance = new Chance(seed, "trouble");
  return Array.from({ length: seconds }, (_, s) => ({ atMs: s * 1_000, untilMs: s * 1_000 + 100, failed: chance.next() < share(s) }));
}

test("an outage is found where it was, whole or in part, whatever fails besides", () => {
  for (const [usual, during] of [[0, 1], [0.01, 1], [0.03, 0.9], [0.03, 0.4], [0.001, 0.2]] as const) {
    const found = troubleIn(calls(20_000, 3, (s) => (s >= 9_000 && s < 9_600 ? during : usual)));
    assert.equal(found?.length, 1, `${usual} ${during}: ${JSON.stringify(found)}`);
    assert.ok(Math.abs((found[0]?.fromMs ?? 0) - 9_000_000) < 40_000 && Math.abs((found[0]?.toMs ?? 0) - 9_600_000) < 40_000, `${usual} ${during}: ${JSON.stringify(found)}`);
  }
});

test("two outages are two, and few probes of one that rests are enough", () => {
  const two = troubleIn(calls(10_000, 4, (s) => ((s >= 2_000 && s < 2_200) || (s >= 6_000 && s < 6_300) ? 1 : 0.005)));
  assert.deepEqual(two?.map(({ fromMs }) => Math.round(fromMs / 100_000)), [20, 60]);
  const rested = calls(10_000, 5, (s) => (s >= 4_000 && s < 4_900 ? 1 : 0)).filter(({ atMs }) => atMs < 4_003_000 || atMs >= 4_900_000 || atMs % 300_000 === 0);
  assert.deepEqual(troubleIn(rested), [{ fromMs: 4_000_000, toMs: 4_800_100 }]);
});

test("chance alone is hardly ever taken for trouble", () => {
  let seen = 0;
  for (let seed = 1; seed <= 100; seed += 1) seen += troubleIn(calls(4_000, seed, () => 0.02))?.length ?? 0;
  assert.ok(seen <= 6, String(seen));
});

test("who fails all the time has no trouble that stands out, and who was hardly called none at all", () => {
  assert.equal(troubleIn(calls(2_000, 6, () => 0.5)), null);
  assert.deepEqual(troubleIn([]), []);
  assert.deepEqual(troubleIn(calls(200, 7, (s) => (s === 50 ? 1 : 0))), []);
});
