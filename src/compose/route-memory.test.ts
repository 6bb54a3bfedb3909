import assert from "node:assert/strict";
import { describe, it } from "node:test";
import type { RouteConfig } from "../config/types.ts";
import type { Objective, ObjectiveKind } from "../decide/objective/types.ts";
import { healthSettingsOf } from "./route-memory.ts";

const health = { restMs: 5_000, restMaxMs: 300_000 };

function promising(...targets: readonly (readonly [ObjectiveKind, number])[]): RouteConfig {
  const objectives = targets.map(([kind, target]): Objective => ({ name: kind, kind, target, window: { kind: "rolling", lengthMs: 86_400_000 }, within: [], atLeast: null, unit: null }));
  return { objectives } as Partial<RouteConfig> as RouteConfig;
}

describe("health", () => {
  it("looks for failures as rare as the strictest promise of any route allows", () => {
    const routes = [promising(["availability", 0.99], ["first_token", 0.999_99]), promising(), promising(["error_rate", 0.999_5])];
    assert.deepEqual(healthSettingsOf({ health, routes }), { ...health, target: 0.999_5 });
  });

  it("looks as it does by itself where none promises any", () => {
    assert.deepEqual(healthSettingsOf({ health, routes: [promising(["latency", 0.9])] }), health);
  });
});
