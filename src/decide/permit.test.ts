/** What of a route a caller may use, and which of its accounts are the caller's own. */
import assert from "node:assert/strict";
import { describe, it } from "node:test";
import { choose } from "./choose.ts";
import { DEFAULT_CLOCKS, type Deployment, type Route, type RouteCandidate } from "./deployment.ts";
import { buildDirectory } from "./directory.ts";
import type { HealthView } from "./health/book.ts";
import { EveryDirectory, OwnDirectory, ownDeployment, type OwnAccount } from "./own-accounts.ts";
import { mayAsk, narrowRoute, withinRegions, type Narrowed, type Permits } from "./permit.ts";
import { account, directoryInput, model, provider, sheet } from "./test-directory.ts";

const ALL: Permits = { routes: null, models: null, residency: null };
const HEALTHY: HealthView = { state: "admitting", pausedUntilMs: 0, excluded: null } as HealthView;

function deployment(id: string, region: string | null = null, canonical: string | null = null): Deployment {
  const slash = id.indexOf("/");
  const upstreamModel = id.slice(slash + 1);
  return {
    id, account: id.slice(0, slash), provider: provider(id.slice(0, slash)), model: canonical === null ? null : model(`maker/${upstreamModel}`, canonical), upstreamModel,
    pricing: { kind: "sheet", sheet: sheet(1, 2) }, contextWindow: null, maxOutput: null, baseUrl: "https://a.example/v1", region, domain: {}, reasons: false,
  };
}

function route(deployments: readonly Deployment[], more: Partial<Route> = {}): Route {
  const candidates = deployments.map((one): RouteCandidate => ({ deployment: one, weight: 1, automatic: false }));
  return { name: "r", candidates, strategy: "priority", clocks: DEFAULT_CLOCKS, keepalive: true, forwardHeaders: [], defaultMaxOutput: 10, automatic: false, ...more };
}

const ids = (narrowed: Narrowed): string => (narrowed.kind === "refused" ? narrowed.code : narrowed.route.candidates.map((one) => one.deployment.id).join(" "));

describe("a route for a caller", () => {
  it("is asked by names that match, its own or an alias's", () => {
    const permits = { ...ALL, routes: ["support", "team-*", "*-mini"] };
    for (const [asked, name, expected] of [
      ["support", "support", true], ["models/support", "support", true], ["alias", "support", true], ["team-a", "x", true], ["gpt-mini", "gpt-mini", true],
      ["supportx", "supportx", false], ["my-team-a", "my-team-a", false], ["", "", false], ["support ", "support ", false],
    ] as const) assert.equal(mayAsk(permits, asked, name), expected, asked);
    assert.equal(mayAsk(ALL, "anything", "anything"), true);
    assert.equal(mayAsk({ ...ALL, routes: ["*"] }, "anything", "anything"), true);
  });

  it("has the models that it is for: by canonical name, upstream name, catalogue id or account/model", () => {
    const whole = route([deployment("a/up-1", null, "one"), deployment("b/up-2", null, "two")]);
    for (const [pattern, expected] of [
      ["one", "a/up-1"], ["up-2", "b/up-2"], ["b/*", "b/up-2"], ["maker/up-1", "a/up-1"], ["a/up-1", "a/up-1"], ["*", "a/up-1 b/up-2"], ["on", "model_not_allowed"], ["ONE", "model_not_allowed"],
    ] as const) assert.equal(ids(narrowRoute(whole, { ...ALL, models: [pattern] })), expected, pattern);
  });

  it("has the regions that it is for: the very region, or the area that it lies in; what states none is nowhere", () => {
    const whole = route([deployment("frankfurt/m", "eu-central-1"), deployment("eu/m", "eu"), deployment("us/m", "us"), deployment("lost/m")]);
    for (const [regions, expected] of [
      [["eu"], "frankfurt/m eu/m"], [["eu-central-1"], "frankfurt/m"], [["us", "eu"], "frankfurt/m eu/m us/m"], [["eu-west-1"], "residency"], [["unknown"], "residency"], [["asia"], "residency"],
    ] as const) {
      assert.equal(ids(narrowRoute(whole, { ...ALL, residency: regions })), expected, regions.join());
      assert.equal(ids(withinRegions(whole, regions)), expected, regions.join());
    }
  });

  it("is the same object each time, the route itself where nothing is withheld, and tells what is withheld for the record", () => {
    const whole = route([deployment("a/m"), deployment("b/m")], { cheaper: [{ deployment: deployment("c/m"), weight: 1, automatic: false }] });
    const permits = { ...ALL, models: ["a/*"] };
    const narrowed = narrowRoute(whole, permits);
    assert.equal(narrowRoute(whole, permits), narrowed);
    assert.equal(narrowed.kind === "route" && narrowed.route.cheaper?.length, 0);
    const everything = narrowRoute(whole, { ...ALL, models: ["*"] });
    assert.equal(everything.kind === "route" && everything.route, whole);
    if (narrowed.kind !== "route") return assert.fail();
    const shape = { endpoint: "chat", stream: false, inputBoundTokens: null, inputEstimateTokens: 1, imageCount: 0, maxOutputTokens: null, choiceCount: 1, needs: [] } as const;
    const choice = choose({ route: narrowed.route, shape, measure: { textBytes: 1, messageAndToolCount: 1, imageCount: 0, unsized: false }, view: () => HEALTHY, wallMs: 0, random: () => 0.5 });
    assert.deepEqual(choice.filtered, []);
    assert.deepEqual(choice.withheld?.map((one) => `${one.deployment} ${one.reason}`), ["b/m model_not_allowed", "c/m model_not_allowed"]);
  });
});

describe("candidates that are held back", () => {
  const heldBack = (id: string, region: string | null = null): RouteCandidate => ({ deployment: deployment(id, region), weight: 1, automatic: false, after: "context" });

  it("are narrowed as all others are, by model and by region", () => {
    const plain = route([deployment("a/m", "eu"), deployment("b/m", "us")]);
    const whole = { ...plain, candidates: [...plain.candidates, heldBack("l/m", "eu"), heldBack("m/m", "us")] };
    assert.equal(ids(narrowRoute(whole, { ...ALL, residency: ["eu"] })), "a/m l/m");
    assert.equal(ids(narrowRoute(whole, { ...ALL, models: ["a/*", "m/*"] })), "a/m m/m");
  });

  it("make no route by themselves", () => {
    const plain = route([deployment("a/m", "us")]);
    assert.equal(ids(narrowRoute({ ...plain, candidates: [...plain.candidates, heldBack("l/m", "eu")] }, { ...ALL, residency: ["eu"] })), "residency");
  });
});

describe("an account of a caller's own", () => {
  const own: OwnAccount = { name: "maker~search", account: "maker", baseUrl: null, paidBy: "team" };
  const { directory } = buildDirectory(directoryInput([account("maker"), account("agg")]));

  it("is the same deployment each time, apart from the one that it stands for in all that is kept by name", () => {
    const one = deployment("maker/big", "eu");
    const mine = ownDeployment(one, own);
    assert.deepEqual([mine.id, mine.account, mine.paidBy, mine.region, mine.baseUrl], ["maker~search/big", "maker~search", "team", "eu", "https://a.example/v1"]);
    assert.equal(ownDeployment(one, own), mine);
    const moved = ownDeployment(one, { ...own, baseUrl: "https://b.example" });
    assert.deepEqual([moved.baseUrl, moved.region], ["https://b.example", null]);
  });

  it("is had by its owners only, by any name of the model, and answers for what is known by its name", () => {
    const mine = new OwnDirectory(directory, new Map([["maker", [own]]]));
    const candidates = (name: string): string => {
      const found = mine.resolve(name);
      return found.kind === "route" ? found.route.candidates.map((one) => one.deployment.id).join(" ") : found.code;
    };
    for (const name of ["big", "maker/big", "maker~search/big"]) assert.equal(candidates(name), "maker~search/big", name);
    assert.equal(candidates("agg/maker/big"), "agg/maker/big");
    assert.equal(mine.resolve("big"), mine.resolve("big"));
    assert.equal(directory.resolve("maker~search/big").kind, "unresolved");
    assert.equal(mine.at("maker~search", "big")?.id, "maker~search/big");
    assert.equal(mine.at("maker", "big"), null);
    const every = new EveryDirectory(directory, [own]);
    assert.equal(every.at("maker~search", "big")?.id, "maker~search/big");
    assert.equal(every.at("maker", "big")?.id, "maker/big");
    assert.equal(every.resolve("maker~search/big").kind, "unresolved");
  });

  it("stands beside the one that it is for wherever that is drawn to", () => {
    const uses = new Map([["a", [{ ...own, name: "a~s", account: "a" }, null]]]);
    const whole = route([deployment("a/m"), deployment("b/m"), deployment("c/m")], { strategy: "weighted" });
    const view = new OwnDirectory({ resolve: () => ({ kind: "route", route: whole, trace: [] }), callable: () => [] }, uses);
    const found = view.resolve("r");
    if (found.kind !== "route") return assert.fail();
    const shape = { endpoint: "chat", stream: false, inputBoundTokens: null, inputEstimateTokens: 1, imageCount: 0, maxOutputTokens: null, choiceCount: 1, needs: [] } as const;
    const orders = new Set<string>();
    for (let i = 0; i < 200; i++) {
      let state = i * 7_919 + 1;
      const random = (): number => (state = (state * 48_271) % 2_147_483_647) / 2_147_483_647;
      random();
      const order = choose({ route: found.route, shape, measure: { textBytes: 1, messageAndToolCount: 1, imageCount: 0, unsized: false }, view: () => HEALTHY, wallMs: 0, random }).candidates.map((one) => one.deployment.account).join(" ");
      assert.match(order, /a~s a( |$)/);
      orders.add(order);
    }
    assert.equal(orders.size, 6);
  });

  it("that is to be the only one and is not ready leaves nothing", () => {
    const none = new OwnDirectory(directory, new Map([["maker", []]]));
    const found = none.resolve("maker/big");
    assert.equal(found.kind === "unresolved" && found.code, "provider_not_configured");
  });
});
