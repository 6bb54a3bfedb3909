import assert from "node:assert/strict";
import { describe, it } from "node:test";
import type { RateLimit } from "../wire/rates.ts";
import { DEFAULT_CLOCKS, type Deployment, type ReliefClass, type Route } from "./deployment.ts";
import type { Objective } from "./objective/types.ts";
import { routeDoubts } from "./route-doubts.ts";
import { candidate } from "./test-candidates.ts";

interface Of extends Partial<Pick<Deployment, "account" | "region" | "domain" | "contextWindow" | "told" | "reasons">> {
  readonly after?: ReliefClass;
}

function routeOf(ofs: readonly Of[], more: Partial<Route> = {}): Route {
  const candidates = ofs.map(({ after, ...of }, i) => ({ deployment: { ...candidate(`c${i}`).deployment, ...of }, weight: 1, automatic: false, ...(after === undefined ? {} : { after }) }));
  return { name: "r", candidates, strategy: "balanced", clocks: DEFAULT_CLOCKS, keepalive: true, forwardHeaders: [], defaultMaxOutput: 10, automatic: false, ...more };
}

function promise(kind: Objective["kind"], more: Partial<Objective> = {}): Objective {
  return { name: kind, kind, target: 0.999, window: { kind: "rolling", lengthMs: 30 * 86_400_000 }, within: [], atLeast: null, unit: null, ...more };
}

function found(route: Route, limits: readonly Partial<RateLimit>[] = []): readonly string[] {
  const full = limits.map((one): RateLimit => ({ id: "l", scopes: [], requestsPerMinute: null, tokensPerMinute: null, concurrency: null, ...one }));
  return routeDoubts(route, full).map((one) => one.found);
}

describe("a route is doubted", () => {
  it("where every fallback shares a failure domain with the first candidate, and not where one does not", () => {
    const azure = { domain: { cloud: "azure" } };
    assert.deepEqual(found(routeOf([{ domain: { edge: "x" } }, { domain: { edge: "x" } }])), ["its only fallback shares the edge x with c0/m"]);
    assert.deepEqual(found(routeOf([{ ...azure, region: "eu" }, { ...azure, region: "EU" }, { ...azure, region: "us" }])), ["all 2 fallbacks share the region eu of azure or the cloud azure with c0/m"]);
    assert.deepEqual(found(routeOf([{ account: "one" }, { account: "one" }])), ["its only fallback shares the account one with c0/m"]);
    assert.deepEqual(found(routeOf([azure, azure, {}])), []);
    assert.deepEqual(found(routeOf([{ region: "eu" }, { region: "eu" }])), [], "the same word in two clouds is two places");
    assert.deepEqual(found(routeOf([azure])), [], "nothing is shared where there is nothing else");
    assert.deepEqual(found(routeOf([azure, azure, { after: "context" }])).length, 1, "who is held back is no fallback from an outage");
  });

  it("where availability is promised by one candidate alone, with what it would need", () => {
    const alone = routeDoubts(routeOf([{}], { objectives: [promise("availability")] }), []);
    assert.equal(alone[0]?.found, "availability of 99.9%, by c0/m alone");
    assert.match(alone[0].hint, /never out for more than 43 minutes in 30 days/);
    const hourly = routeDoubts(routeOf([{}, { after: "context" }], { objectives: [promise("error_rate", { window: { kind: "rolling", lengthMs: 3_600_000 } })] }), []);
    assert.deepEqual(hourly.map((one) => one.found), ["error_rate of at most 0.1%, by c0/m alone"], "as its owner wrote it");
    assert.match(hourly[0]?.hint ?? "", /more than 0\.1 minutes in 1 hour:/);
    assert.deepEqual(found(routeOf([{}, {}], { objectives: [promise("availability"), promise("error_rate")] })), []);
  });

  it("where a call that hangs is left only after the promise is broken, but for routes that hedge", () => {
    const objectives = [promise("first_token", { within: [{ upToInputTokens: null, withinMs: 2_000 }] })];
    const terms = { costOfFailureNanoUsd: 0, costOfDelayNanoUsdPerS: null, hedgeShare: 0.05, exploreShare: 0 };
    const text = "first_token within 2000 ms, where the next candidate starts after 30000 ms";
    assert.deepEqual(found(routeOf([{}, {}], { objectives, strategy: "priority" })), [text]);
    assert.deepEqual(found(routeOf([{}, {}], { objectives, terms: { ...terms, hedgeShare: 0 } })), [text]);
    assert.deepEqual(found(routeOf([{}, {}], { objectives, terms })), []);
    assert.deepEqual(found(routeOf([{}, {}], { objectives, strategy: "priority", clocks: { ...DEFAULT_CLOCKS, firstTokenMs: 1_500 } })), []);
    const whole = [promise("latency", { within: [{ upToInputTokens: 100, withinMs: 1_000 }, { upToInputTokens: null, withinMs: 20_000 }] })];
    assert.deepEqual(found(routeOf([{ reasons: true }, {}], { objectives: whole, strategy: "priority" })), ["latency within 20000 ms, where the next candidate starts after 120000 ms"]);
  });

  it("where first tokens are promised and none of its candidates streams", () => {
    const objectives = [promise("first_token", { within: [{ upToInputTokens: null, withinMs: 60_000 }] })];
    assert.deepEqual(found(routeOf([{ told: { streaming: false } }, { told: { streaming: false } }], { objectives, strategy: "priority" })), ["first_token, and none of them does"]);
    assert.deepEqual(found(routeOf([{ told: { streaming: false } }, {}], { objectives, strategy: "priority" })), []);
  });

  it("where limits let less through than is promised to be served", () => {
    const route = routeOf([{}, {}], { objectives: [promise("throughput", { atLeast: 100, unit: "requests" })] });
    assert.deepEqual(found(route, [{ scopes: ["route/r"], requestsPerMinute: 60 }]), ["throughput, where limits let 60 through"]);
    assert.deepEqual(found(route, [{ scopes: ["provider/c0"], requestsPerMinute: 30 }, { scopes: ["provider/c1"], requestsPerMinute: 40 }]), ["throughput, where limits let 70 through"]);
    assert.deepEqual(found(route, [{ scopes: ["provider/c0"], requestsPerMinute: 30 }]), [], "the other account has no limit");
    assert.deepEqual(found(route, [{ scopes: ["route/r", "key/a"], requestsPerMinute: 1 }, { scopes: ["route/r"], tokensPerMinute: 5 }, { scopes: ["route/r"], requestsPerMinute: 100 }]), []);
  });

  it("where what is listed for long prompts takes no longer ones", () => {
    assert.deepEqual(found(routeOf([{ contextWindow: 1_000 }, { contextWindow: 9_000 }, { contextWindow: 9_000, after: "context" }, { contextWindow: 9_001, after: "context" }, { contextWindow: 5, after: "content_policy" }])), ["c2/m with 9000"]);
    assert.deepEqual(found(routeOf([{ contextWindow: null }, { contextWindow: 9_000, after: "context" }])), [], "nobody knows what the first takes");
  });
});
