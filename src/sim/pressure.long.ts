/** The pressure of a route does not swing with its objective's window: λ by the minute, in windows of four hours, of which 32 hours hold eight. */
import assert from "node:assert/strict";
import { test } from "node:test";
import type { RouteState } from "../decide/balance/route-state.ts";
import { play } from "./run.ts";
import { spillway } from "./spillway-policy.ts";
import { standsOut } from "./spectrum.ts";
import { absent, availability, CHAT, firstToken, HOUR_MS, threeProviders, type ThreeKind } from "./test-worlds.ts";
import type { PolicyKind } from "./types.ts";

const skip = absent(CHAT);
const WINDOW_HOURS = 4;
/** Not judged: what has to be learned first. */
const LEARNING_HOURS = 8;
const HOURS = 40;
const CYCLES = (HOURS - LEARNING_HOURS) / WINDOW_HOURS;
const MINUTE_MS = 60_000;

/** λ of each objective in each replica, by the minute. */
function lambdas(kind: ThreeKind, seed: number, replicas: number): ReadonlyMap<string, readonly (readonly number[])[]> {
  const world = threeProviders(kind, seed, HOURS);
  const objectives = [availability(0.999, WINDOW_HOURS * HOUR_MS), firstToken(0.98, 4_000, WINDOW_HOURS * HOUR_MS)];
  const found = new Map(objectives.map(({ name }) => [name, Array.from({ length: replicas }, (): number[] => [])]));
  let routes: readonly RouteState[] = [];
  const inner = spillway({ strategy: "balanced", replicas, onMade: (made) => (routes = made) });
  const watched: PolicyKind = {
    ...inner,
    make(known) {
      const policy = inner.make(known);
      let nextMs = LEARNING_HOURS * HOUR_MS;
      return {
        request(request, api) {
          for (; api.nowMs >= nextMs; nextMs += MINUTE_MS) for (const [i, route] of routes.entries()) for (const { name, multiple } of route.view(api.nowMs)) found.get(name)?.[i]?.push(multiple);
          policy.request(request, api);
        },
      };
    },
  };
  play({ ...world, objectives }, watched);
  return found;
}

for (const kind of ["steady", "drifting"] as const) {
  void test(`${kind}: no swing of λ at its window's length stands out of its neighbours, in one gateway and in four and sixteen`, { skip }, (t) => {
    const single = new Map<string, (readonly number[])[]>();
    for (const seed of [1, 2, 3, 4, 5]) for (const [name, series] of lambdas(kind, seed, 1)) single.set(name, [...(single.get(name) ?? []), ...series]);
    for (const [who, found] of [["one gateway, five seeds", single], ["four", lambdas(kind, 1, 4)], ["sixteen", lambdas(kind, 1, 16)]] as const) {
      for (const [name, series] of found) {
        assert.ok(series.every(({ length }) => length >= (HOURS - LEARNING_HOURS) * 60 - 1));
        const ratio = standsOut(series, CYCLES);
        t.diagnostic(`${who}, ${name}: ${ratio.toFixed(2)} times the median, mean λ ${(series.flat().reduce((sum, one) => sum + one, 0) / series.flat().length).toFixed(2)} reference prices`);
        assert.ok(ratio <= 3, `${who}, ${name}: ${ratio}`);
      }
    }
  });
}
