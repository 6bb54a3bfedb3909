/** What a route says of itself is played: its strategy, its clocks, what it cost, what it carries on. */
import assert from "node:assert/strict";
import { describe, it } from "node:test";
import { DEFAULT_CLOCKS, type RouteClocks, type Strategy } from "../decide/deployment.ts";
import type { Objective } from "../decide/objective/types.ts";
import { candidate } from "../decide/test-candidates.ts";
import { constant } from "./latency.ts";
import type { Report } from "./report.ts";
import { play, type RequestRecord, type Simulation } from "./run.ts";
import { simulate } from "./simulate.ts";
import { spillway, type PlayedRoute } from "./spillway-policy.ts";
import { listTariff } from "./tariff.ts";
import { availability, firstToken, priced } from "./test-worlds.ts";
import { atRate } from "./traffic.ts";
import type { DeploymentSpec } from "./world.ts";

function world(deployments: readonly (Partial<DeploymentSpec> & { readonly id: string })[], more: Partial<Simulation> & { readonly perS?: number; readonly sessions?: number } = {}): Simulation {
  const { perS = 2, sessions, ...rest } = more;
  return {
    deployments: deployments.map((one) => ({ price: priced(1), latency: constant(500), tokensPerS: 100, failsBefore: 0, failsAfter: 0, ...one })),
    objectives: [], seed: 1,
    traffic: atRate({ perS, durationMs: 1_000_000, gaps: "poisson", sizes: [{ inputTokens: 1_000, outputTokens: 200 }], ...(sessions === undefined ? {} : { sessions }) }),
    ...rest,
  };
}

function route(ids: readonly string[], more: { readonly weights?: readonly number[]; readonly clocks?: Partial<RouteClocks>; readonly rescuers?: readonly string[] } = {}): PlayedRoute {
  const { weights = [], clocks, rescuers } = more;
  return {
    candidates: ids.map((id, i) => ({ deployment: candidate(id.replace("/m", "")).deployment, weight: weights[i] ?? 1, automatic: false })),
    clocks: { ...DEFAULT_CLOCKS, ...clocks }, health: { restMs: 5_000, restMaxMs: 300_000 },
    ...(rescuers === undefined ? {} : { rescuers: new Set(rescuers) }),
  };
}

const shares = ({ deployments, requests }: Report): readonly number[] => deployments.map(({ served }) => served / requests);

describe("a route's strategy", () => {
  const TWO = [{ id: "a/m", price: priced(2), latency: constant(900) }, { id: "b/m", price: priced(1), latency: constant(300) }];
  const by = (strategy: Strategy, simulation: Simulation = world(TWO), weights?: readonly number[]): Report =>
    simulate(simulation, [spillway({ strategy, route: route(["a/m", "b/m"], weights === undefined ? {} : { weights }) })])[0] as Report;

  it("priority: the first as long as it is well", () => assert.deepEqual(shares(by("priority")), [1, 0]));
  it("weighted: by the weights", () => {
    const [a = 0] = shares(by("weighted", world(TWO), [3, 1]));
    assert.ok(Math.abs(a - 0.75) < 0.04, String(a));
  });
  it("cheapest: the cheaper one, wherever it stands", () => assert.deepEqual(shares(by("cheapest")), [0, 1]));
  it("fastest: the quicker one, once both are known, but for the few that try the other again", () => {
    const quick = shares(by("fastest"))[1] ?? 0;
    assert.ok(quick > 0.96 && quick < 0.99, String(quick));
  });
  it("least-busy: more where content comes sooner, and not all of it", () => {
    const [a = 0, b = 0] = shares(by("least-busy", world(TWO, { perS: 20 })));
    assert.ok(b > 0.6 && a > 0.02, `${a} ${b}`);
  });
  it("sticky: all of a conversation to one, unless it is ill", () => {
    const simulation = world([{ id: "a/m" }, { id: "b/m" }], { sessions: 40 });
    const seen = new Map<number, Set<number>>();
    const { tally } = play({ ...simulation, onRecord: ({ request, deployment }) => (seen.get(request.session ?? -1) ?? seen.set(request.session ?? -1, new Set()).get(request.session ?? -1))?.add(deployment) }, spillway({ strategy: "sticky", route: route(["a/m", "b/m"]) }));
    assert.equal(seen.size, 40);
    assert.ok([...seen.values()].every((deployments) => deployments.size === 1));
    assert.ok(tally.deployments.every(({ served }) => served > 400));
  });
  it("any of them goes elsewhere when its first choice is down", () => {
    for (const strategy of ["priority", "weighted", "cheapest", "fastest", "least-busy", "sticky"] as const) {
      const down = world([{ id: "a/m", price: priced(2) }, { id: "b/m", failsBefore: 1 }], { sessions: 10 });
      const report = by(strategy, down);
      assert.equal(report.failed, 0, strategy);
    }
  });
});

describe("a route's terms", () => {
  it("its clock says when another is called beside one that is silent", () => {
    const silent = world([{ id: "a/m", latency: constant(20_000) }, { id: "b/m" }]);
    const times = (firstTokenMs: number | null): number => (simulate(silent, [spillway({ strategy: "priority", route: route(["a/m", "b/m"], { clocks: { firstTokenMs } }) })])[0] as Report).firstTokenMs.max;
    assert.ok(times(4_000) < 4_600, String(times(4_000)));
    assert.ok(times(null) >= 20_000);
  });

  it("a promise of whole answers is judged by whole answers", () => {
    const latency: Objective = { name: "latency", kind: "latency", target: 0.9, window: { kind: "rolling", lengthMs: 86_400_000 }, within: [{ upToInputTokens: null, withinMs: 2_000 }], atLeast: null, unit: null };
    const throughput: Objective = { name: "throughput", kind: "throughput", target: 0.9, window: { kind: "rolling", lengthMs: 86_400_000 }, within: [], atLeast: 10, unit: "requests" };
    // 500 ms to the first content and two seconds of answer.
    const [slow] = simulate(world([{ id: "a/m" }], { objectives: [latency, throughput] }), [spillway({ strategy: "balanced", route: route(["a/m"]) })]) as [Report];
    assert.equal(slow.objectives[0]?.attainment, 0);
    assert.equal(slow.objectives[1]?.attainment, 1);
    assert.ok((slow.objectives[1]?.judged ?? 0) >= 15);
    const [quick] = simulate(world([{ id: "a/m", tokensPerS: 400 }], { objectives: [latency] }), [spillway({ strategy: "balanced", route: route(["a/m"]) })]) as [Report];
    assert.equal(quick.objectives[0]?.attainment, 1);
    // And steered by them: the cheaper one starts at once and takes three seconds for the rest.
    const drip = world([{ id: "a/m", latency: constant(100), tokensPerS: 66 }, { id: "b/m", price: priced(2), tokensPerS: 400 }], { objectives: [latency] });
    assert.ok((shares(simulate(drip, [spillway({ strategy: "balanced", route: route(["a/m", "b/m"]) })])[0] as Report)[1] ?? 0) > 0.85);
    // As in the gateway, a stream's first content is not held against it.
    const late = world([{ id: "a/m", latency: constant(2_500) }, { id: "b/m" }], { objectives: [latency] });
    assert.deepEqual(shares(simulate(late, [spillway({ strategy: "priority", route: route(["a/m", "b/m"]) })])[0] as Report), [1, 0]);
  });

  it("a throughput that is not served misses, by minutes", () => {
    const throughput: Objective = { name: "throughput", kind: "throughput", target: 0.9, window: { kind: "rolling", lengthMs: 86_400_000 }, within: [], atLeast: 100, unit: "requests" };
    const down = { fromMs: 300_000, toMs: 600_000, faults: [{ kind: "refuse", p: 0.5, status: 503 }] as const };
    const [report] = simulate(world([{ id: "a/m", phases: [down] }], { objectives: [throughput] }), [spillway({ strategy: "priority", route: route(["a/m"]) })]) as [Report];
    const { attainment = 1, judged = 0 } = report.objectives[0] ?? {};
    assert.ok(judged >= 15 && judged <= 17, String(judged));
    assert.ok(attainment > 0.5 && attainment < 0.8, String(attainment));
  });
});

describe("an answer that breaks off", () => {
  /** Seldom enough that the first is not rested for it. */
  const BREAKS = 0.03;
  const run = (rescuers?: readonly string[]): { readonly report: Report; readonly records: readonly RequestRecord[] } => {
    const records: RequestRecord[] = [];
    const simulation = world([{ id: "a/m", failsAfter: BREAKS }, { id: "b/m", price: priced(3) }, { id: "c/m" }], { objectives: [availability(0.999), firstToken(0.99, 1_000)], onRecord: (record) => records.push(record) });
    const [report] = simulate(simulation, [spillway({ strategy: "priority", route: route(["a/m", "b/m", "c/m"], rescuers === undefined ? {} : { rescuers }) })]) as [Report];
    return { report, records };
  };

  it("stays so, and counts, where the route does not ask for more", () => {
    const { report } = run();
    assert.ok(report.broken > 30 && report.rescued === 0 && report.failed === 0, `${report.broken}`);
  });

  it("is carried on by the next that can, counts as kept, and its first content stays the first", () => {
    const { report, records } = run(["c/m"]);
    assert.ok(report.rescued > 30 && report.broken === 0, `${report.rescued} ${report.broken}`);
    assert.deepEqual(report.objectives.map(({ attainment }) => attainment), [1, 1]);
    const rescued = records.filter((one) => one.rescued);
    assert.equal(rescued.length, report.rescued);
    for (const { deployment, firstTokenMs, calls } of rescued) assert.deepEqual({ deployment, calls, soon: Math.abs((firstTokenMs ?? 0) - 500) < 1e-6 }, { deployment: 2, calls: 2, soon: true });
  });

  it("costs what both wrote, and the second what it was shown of the answer besides its prompt", () => {
    const price = (input: number, output: number) => listTariff({ inputNanoUsdPerToken: input, outputNanoUsdPerToken: output, requestNanoUsd: 0 });
    // Only what the first writes, and what the second reads beyond the prompt, is told apart by its price.
    const simulation = world([{ id: "a/m", failsAfter: 1 }, { id: "c/m" }], { perS: 0.05, tariffs: () => [price(0, 1), price(1, 1_000_000)] });
    const { tally } = play(simulation, spillway({ strategy: "priority", route: route(["a/m", "c/m"], { rescuers: ["c/m"] }) }));
    const [a, c] = tally.deployments;
    const { rescued } = tally.all;
    assert.ok(rescued > 5, String(rescued));
    const wroteFirst = a?.costNanoUsd ?? 0;
    const wroteRest = Math.floor((c?.costNanoUsd ?? 0) / 1_000_000);
    const read = (c?.costNanoUsd ?? 0) % 1_000_000;
    assert.ok(Math.abs(wroteFirst + wroteRest - 200 * (c?.calls ?? 0)) <= rescued, `${wroteFirst} and ${wroteRest} of ${c?.calls}`);
    assert.ok(Math.abs(read - 1_000 * (c?.calls ?? 0) - wroteFirst) <= rescued, `${read} for ${c?.calls}`);
  });

  it("ends broken where nobody can carry it on, or whoever does breaks as well", () => {
    const { report } = run([]);
    assert.ok(report.broken > 30 && report.rescued === 0);
    const records: RequestRecord[] = [];
    const all = world([{ id: "a/m", failsAfter: 1 }, { id: "b/m", failsAfter: 1 }, { id: "c/m", failsAfter: 1 }], { perS: 0.05, onRecord: (record) => records.push(record) });
    play(all, spillway({ strategy: "priority", route: route(["a/m", "b/m", "c/m"], { rescuers: ["a/m", "b/m", "c/m"] }) }));
    assert.ok(records.length > 20 && records.every(({ ending, calls, rescued }) => ending === "broken" && !rescued && calls <= 3));
    assert.ok(records.some(({ calls }) => calls === 3));
  });
});
