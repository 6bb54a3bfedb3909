import assert from "node:assert/strict";
import { describe, it } from "node:test";
import type { Contract } from "../contract/types.ts";
import { ObjectiveBook, type FinishedRequest, type Promised } from "./book.ts";
import { DEFAULT_BUDGET_POLICY, NO_BUDGET_POLICY } from "./policy.ts";
import type { Objective } from "./types.ts";

const START_MS = Date.UTC(2026, 10, 3, 9, 0, 5);
const MINUTE_MS = 60_000;
const AVAILABILITY: Objective = { name: "availability", kind: "availability", target: 0.99, window: { kind: "rolling", lengthMs: 7 * 86_400_000 }, within: [], atLeast: null, unit: null };
const FIRST: Objective = { ...AVAILABILITY, name: "first_token", kind: "first_token", target: 0.9, within: [{ upToInputTokens: null, withinMs: 1_000 }] };
const SERVED: Objective = { ...AVAILABILITY, name: "throughput", kind: "throughput", target: 0.9, atLeast: 3, unit: "requests" };

function request(more: Partial<FinishedRequest> = {}): FinishedRequest {
  return { route: "support", stream: true, outcome: "ok", errorCode: null, flags: [], ttftMs: 400, totalMs: 2_000, units: { input: 10, output: 50 }, attempts: [], ...more };
}
const FAILED = { outcome: "error", errorCode: "upstream_error", ttftMs: null, totalMs: 100 } as const;
const contract = { id: "azure", account: "azure", models: ["*"], except: [], timeZone: "Europe/Berlin", startMs: 0, endMs: null, sla: { uptimeMilliPercent: 99_900, credits: [], claimDays: null, capPermille: 1_000, minimumNanoUsd: 0n } } as unknown as Contract;
const PROMISED: Promised = {
  routes: [{ name: "support", objectives: [AVAILABILITY, FIRST, SERVED], errorBudget: DEFAULT_BUDGET_POLICY }, { name: "other", objectives: [], errorBudget: NO_BUDGET_POLICY }],
  scoped: [{ id: "search", scopes: ["team/search", "route/support"], objectives: [AVAILABILITY] }],
  contracts: [contract],
};

function book(promised: Promised = PROMISED): ObjectiveBook {
  const made = new ObjectiveBook();
  made.configure(promised);
  return made;
}
/** `owner objective: valid bad`. */
function counts(of: ObjectiveBook, wallMs: number): string[] {
  return of.watched(wallMs).map(({ owner, objective, standing }) => `${owner.kind}/${owner.id} ${objective.name}: ${Math.round(standing.valid)} ${Math.round(standing.bad)}`);
}

describe("a book of objectives", () => {
  it("counts each request for its route, for those whose it is, and for the contracts of its calls", () => {
    const kept = book();
    kept.recorded(request({ attempts: [{ deployment: "azure/m", outcome: "server", flags: [] }, { deployment: "other/m", outcome: "answered", flags: [] }] }), ["tenant/default", "team/search"], START_MS);
    kept.recorded(request({ ...FAILED, attempts: [{ deployment: "azure/m", outcome: "rate", flags: [] }] }), ["tenant/default", "team/search"], START_MS);
    kept.recorded(request({ ttftMs: 1_500, attempts: [{ deployment: "azure/m", outcome: "answered", flags: [] }] }), ["tenant/default"], START_MS);
    kept.recorded(request({ route: "other", ...FAILED }), ["tenant/default", "team/search"], START_MS);
    kept.evaluate(START_MS + MINUTE_MS);
    assert.deepEqual(counts(kept, START_MS + MINUTE_MS), [
      "route/support availability: 3 1", "route/support first_token: 2 1", "route/support throughput: 1 1", "scope/search availability: 2 1", "contract/azure uptime: 2 1",
    ]);
    assert.equal(kept.needsScopes, true);
    assert.ok((kept.windowsOf("support", "availability")?.burn("60s", START_MS + 10_000) ?? 0) > 33);
  });

  it("ends the alerts of what is no longer promised, or no longer so, once; those of a new target go on", () => {
    const kept = book();
    for (let i = 0; i < 200; i++) kept.recorded(request(FAILED), ["team/search"], START_MS);
    const begun = kept.evaluate(START_MS).map(({ owner, objective, event }) => `${owner.id} ${objective.name} ${event.rule.id}`);
    assert.ok(begun.includes("support availability page_fast") && begun.includes("search availability page_fast"), begun.join());
    assert.deepEqual(kept.ended(START_MS), []);
    const [support] = PROMISED.routes;
    const asked = (objectives: readonly Objective[]): Promised => ({ ...PROMISED, scoped: [], contracts: [], routes: [{ ...support!, objectives }] });
    const ended = (): string[] => kept.ended(START_MS).map(({ owner, objective, event }) => `${owner.kind}/${owner.id} ${objective.name} ${event.rule.id} ${event.was} ${event.state}`);
    kept.configure(asked([{ ...AVAILABILITY, target: 0.95 }]));
    assert.deepEqual(ended(), ["page_fast", "page_slow", "ticket"].map((rule) => `scope/search availability ${rule} firing quiet`));
    assert.deepEqual(ended(), []);
    assert.deepEqual(kept.evaluate(START_MS), []);
    kept.configure(asked([{ ...AVAILABILITY, target: 0.95, window: { kind: "month", zone: "UTC" } }]));
    assert.deepEqual(ended(), ["page_fast", "page_slow", "ticket"].map((rule) => `route/support availability ${rule} firing quiet`));
    kept.configure({ routes: [], scoped: [], contracts: [] });
    assert.deepEqual(ended(), []);
  });

  it("tells alerts with their owner, and has the route do what its error budget says", () => {
    const kept = book();
    const wallMs = START_MS + 7 * 86_400_000;
    for (let i = 0; i < 1_000; i++) kept.recorded(request(), [], START_MS);
    for (let i = 0; i < 20; i++) kept.recorded(request(FAILED), [], wallMs);
    for (let i = 0; i < 180; i++) kept.recorded(request(), [], wallMs);
    const told = kept.evaluate(wallMs);
    assert.deepEqual(told.map(({ owner, objective, event }) => `${owner.id} ${objective.name} ${event.rule.id} ${event.state}`), ["support availability page_slow firing", "support availability ticket firing"]);
    assert.deepEqual(kept.effectsOf("support"), { reached: 3, freezeCanaries: true, freezeCascades: true, reliabilityFirst: true, refuseLow: true });
    assert.equal(kept.effectsOf("other").reached, 0);
  });

  it("keeps what was counted over a new target, and begins anew where good means something else", () => {
    const kept = book();
    kept.recorded(request(FAILED), [], START_MS);
    kept.recorded(request(), [], START_MS);
    const [support] = PROMISED.routes;
    const slower = { ...FIRST, within: [{ upToInputTokens: null, withinMs: 2_000 }] };
    kept.configure({ ...PROMISED, scoped: [], contracts: [], routes: [{ ...support!, objectives: [{ ...AVAILABILITY, target: 0.95 }, slower] }] });
    assert.deepEqual(counts(kept, START_MS), ["route/support availability: 2 1", "route/support first_token: 0 0"]);
    assert.equal(kept.watched(START_MS)[0]?.objective.target, 0.95);
    // Another change of the configuration touches nothing of it, not even the object that the choice holds.
    const held = kept.windowsOf("support", "availability");
    kept.configure({ ...PROMISED, scoped: [], contracts: [], routes: [{ ...support!, objectives: [{ ...AVAILABILITY, target: 0.95 }] }] });
    assert.equal(kept.windowsOf("support", "availability"), held);
    assert.deepEqual(counts(kept, START_MS), ["route/support availability: 2 1"]);
    kept.configure({ routes: [], scoped: [], contracts: [] });
    assert.deepEqual([kept.empty, counts(kept, START_MS)], [true, []]);
  });

  it("goes on after a restart as if there had been none", () => {
    const kept = book();
    for (let i = 0; i < 300; i++) kept.recorded(request(i % 3 === 0 ? FAILED : {}), [], START_MS + i * 1_000);
    const wallMs = START_MS + 300_000;
    kept.evaluate(wallMs);
    const next = new ObjectiveBook();
    next.restore(JSON.parse(JSON.stringify(kept.save())));
    next.configure(PROMISED);
    assert.deepEqual(next.evaluate(wallMs + 10_000), []);
    kept.evaluate(wallMs + 10_000);
    assert.deepEqual(next.watched(wallMs + 10_000), kept.watched(wallMs + 10_000));
    assert.deepEqual(next.effectsOf("support"), kept.effectsOf("support"));
  });

  it("begins empty where what was saved is none of its own", () => {
    for (const saved of [null, 1, [], {}, { version: 2, objectives: {} }, { version: 1, objectives: { "route/support availability": 3 } }]) {
      const kept = new ObjectiveBook();
      kept.restore(saved);
      kept.configure(PROMISED);
      assert.ok(counts(kept, START_MS).every((line) => line.endsWith(": 0 0")));
    }
  });
});
