/** A route as a request's own wishes narrow it. */
import assert from "node:assert/strict";
import { describe, it } from "node:test";
import type { CapabilityTable } from "../wire/capability.ts";
import type { Json } from "../wire/json.ts";
import { choose, type Choice } from "./choose.ts";
import { DEFAULT_CLOCKS, type Deployment, type Route, type RouteCandidate } from "./deployment.ts";
import type { HealthView } from "./health/book.ts";
import { isNamed, preferredRoute, type Preferred } from "./preferred.ts";
import { readPreferences, type Preferences } from "./preferences.ts";
import { model, provider, sheet } from "./test-directory.ts";

const FACTS = { wallMs: 0, inputTokens: 100 };

function at(id: string, more: Partial<Deployment> = {}): Deployment {
  const slash = id.indexOf("/");
  const account = id.slice(0, slash);
  return {
    id, account, provider: provider(account), model: model(id, "m"), upstreamModel: id.slice(slash + 1), pricing: { kind: "sheet", sheet: sheet(1, 4) },
    contextWindow: 1_000, maxOutput: 100, baseUrl: "https://x.example/v1", region: null, domain: {}, reasons: false, ...more,
  };
}

const aggregator = (id: string, more: Partial<Deployment> = {}): Deployment => at(id, { provider: provider("agg", { quirks: { takesPreferences: true } }), ...more });

function route(deployments: readonly Deployment[], more: Partial<Route> = {}): Route {
  const candidates = deployments.map((one): RouteCandidate => ({ deployment: one, weight: 1, automatic: false }));
  return { name: "r", candidates, strategy: "weighted", clocks: DEFAULT_CLOCKS, keepalive: true, forwardHeaders: [], defaultMaxOutput: 10, automatic: false, ...more };
}

function wishes(value: Json): Preferences {
  const read = readPreferences(value);
  assert.ok(!("kind" in read), "the wishes cannot be read");
  return read;
}

const preferred = (routes: readonly Route[], value: Json): Preferred => preferredRoute(routes, wishes(value), FACTS);

/** `strategy: a b; passed over c(reason)`, or the field and what it says. */
function told(found: Preferred): string {
  if (found.kind === "nothing") return `${found.param} | ${found.message}`;
  const { strategy, candidates, withheld = [] } = found.route;
  const names = candidates.map(({ deployment, of }) => `${deployment.id}${of === undefined ? "" : `<${of}`}`).join(" ");
  return `${strategy}: ${names}${withheld.map((one) => `; ${one.deployment} ${one.reason}`).join("")}${found.passesOn ? "; passes on" : ""}`;
}

describe("a route by the wishes of a request", () => {
  const [a, b, c] = [at("a/m"), at("b/m"), at("c/m")];
  const whole = route([a, b, c]);

  it("knows providers by account, by type, by name and by other names, however they are spelt", () => {
    const deployment = at("openai-eu/m", { provider: provider("openai", { name: "Open AI", alsoNamed: ["the-openai"] }) });
    for (const name of ["openai-eu", "OpenAI", "openai", "open ai", "the-openai", "openai-eu/m"]) assert.equal(isNamed(name, deployment), true, name);
    for (const name of ["openai-us", "m", "open", "azure", "openai/turbo"]) assert.equal(isNamed(name, deployment), false, name);
    assert.equal(isNamed("openai", at("openai~search/m", { provider: provider("x") })), true, "a team's own account goes by the account that it stands for");
  });

  it("holds the cheaper candidates, which may take the others' place, to the same order", () => {
    const saving = route([a, b], { cheaper: [c, a].map((deployment) => ({ deployment, weight: 1, automatic: false })) });
    const cheaperOf = (value: Json): readonly string[] => {
      const found = preferred([saving], value);
      return found.kind === "route" ? (found.route.cheaper ?? []).map(({ deployment }) => deployment.id) : [];
    };
    assert.deepEqual(cheaperOf({ order: ["a"], allow_fallbacks: false }), ["a/m"]);
    assert.deepEqual(cheaperOf({ order: ["b"], allow_fallbacks: false }), []);
    assert.deepEqual(cheaperOf({ order: ["a"] }), ["a/m", "c/m"]);
    assert.deepEqual(cheaperOf({ only: ["a", "b"] }), ["a/m"]);
  });

  it("keeps what only names and drops what ignore names, and says why", () => {
    assert.equal(told(preferred([whole], { only: ["c", "a", "nobody"] })), "weighted: a/m c/m; b/m not_in_only");
    assert.equal(told(preferred([whole], { ignore: ["a"] })), "weighted: b/m c/m; a/m ignored");
    assert.equal(told(preferred([whole], { only: ["a"], ignore: ["A"] })), "provider.only | provider.only and provider.ignore leave none of 3 deployments that could serve it");
  });

  it("puts what order names first, and keeps the rest unless fallbacks are forbidden", () => {
    assert.equal(told(preferred([whole], { order: ["c", "b"] })), "priority: c/m b/m a/m");
    assert.equal(told(preferred([whole], { order: ["c", "b"], allow_fallbacks: false })), "priority: c/m b/m; a/m not_in_order");
    assert.equal(told(preferred([whole], { order: ["x"], allow_fallbacks: false })), "provider.order | provider.order leaves none of 3 deployments that could serve it");
  });

  it("goes by another strategy where a sort is asked", () => {
    assert.equal(told(preferred([whole], { sort: "price" })), "cheapest: a/m b/m c/m");
    assert.equal(told(preferred([whole], { sort: "throughput" })), "fastest: a/m b/m c/m");
    assert.equal(told(preferred([whole], { sort: { by: "latency" } })), "fastest: a/m b/m c/m");
  });

  it("takes prices of the moment for the most that may be paid; one that is not known is too much, none at all is not", () => {
    const changes = { ...sheet(1, 4), scheduled: [{ fromMs: 1_000, prices: { input: 9_000_000 } }] };
    const places = [at("now/m", { pricing: { kind: "sheet", sheet: changes } }), at("dear/m", { pricing: { kind: "sheet", sheet: sheet(3, 4) } }), at("own/m", { pricing: { kind: "unmetered" } }), at("dark/m", { pricing: { kind: "unknown" } })];
    assert.equal(told(preferred([route(places)], { max_price: { prompt: 1, completion: "4" } })), "weighted: now/m own/m; dear/m over_max_price; dark/m over_max_price");
    assert.equal(told(preferredRoute([route(places)], wishes({ max_price: { prompt: 1 } }), { ...FACTS, wallMs: 1_000 })), "weighted: own/m; now/m over_max_price; dear/m over_max_price; dark/m over_max_price");
    assert.equal(told(preferred([route([a])], { max_price: { completion: 3.99 } })), "provider.max_price | provider.max_price leaves none of the one deployment that could serve it");
    const [withheld] = (preferred([route([at("own/m", { pricing: { kind: "unmetered" } }), a])], { max_price: { completion: 3.99 } }) as Extract<Preferred, { kind: "route" }>).route.withheld ?? [];
    assert.equal(withheld?.detail, "its price is above provider.max_price.completion of 3.99 USD");
    const perCall = at("call/m", { pricing: { kind: "sheet", sheet: { ...sheet(1, 4), base: { input: 1_000_000, output: 4_000_000, requests: 2_000_000_000 } } } });
    assert.equal(told(preferred([route([perCall, a])], { max_price: { request: 0.001 } })), "weighted: a/m; call/m over_max_price");
    assert.equal(told(preferred([route([perCall])], { max_price: { request: 0.002 } })), "weighted: call/m");
  });

  it("lets only accounts pass whose owner says what becomes of prompts", () => {
    const places = [at("says/m", { data: { trains: false } }), at("both/m", { data: { trains: false, retains: false } }), at("trains/m", { data: { trains: true } }), at("silent/m")];
    assert.equal(told(preferred([route(places)], { data_collection: "deny" })), "weighted: says/m both/m; trains/m data_collection; silent/m data_collection");
    assert.equal(told(preferred([route(places)], { zdr: true })), "weighted: both/m; says/m zdr; trains/m zdr; silent/m zdr");
    assert.equal(told(preferred([route(places)], { data_collection: "allow", zdr: false })), "weighted: says/m both/m trains/m silent/m");
  });

  it("leaves wishes that name nobody here to an aggregator that goes by them, and to nobody else", () => {
    const mixed = route([a, aggregator("agg/m")]);
    assert.equal(told(preferred([mixed], { only: ["deepinfra"] })), "weighted: agg/m; a/m not_in_only; passes on");
    assert.equal(told(preferred([mixed], { order: ["deepinfra"] })), "priority: agg/m a/m; passes on");
    assert.equal(told(preferred([mixed], { data_collection: "deny" })), "weighted: agg/m; a/m data_collection; passes on");
    assert.equal(told(preferred([mixed], { only: ["a", "deepinfra"] })), "weighted: a/m; agg/m not_in_only");
    assert.equal(told(preferred([mixed], { only: ["agg"] })), "weighted: agg/m; a/m not_in_only");
    assert.equal(told(preferred([mixed], { quantizations: ["fp8"] })), "weighted: agg/m; a/m not_known_here; passes on");
    assert.equal(told(preferred([mixed], { quantizations: ["fp8"], only: ["a"] })).split(",")[0], "provider.quantizations | provider.quantizations is not known here. Known: order");
    assert.equal(told(preferred([route([a, aggregator("agg/m", { data: { trains: true } })])], { data_collection: "deny" })).split(" | ")[0], "provider.data_collection");
  });

  it("puts the candidates of further models behind its own, each by the route that it is of", () => {
    const other = route([b, at("d/n")], { name: "n", withheld: [{ deployment: "e/n", reason: "residency", detail: "" }] });
    assert.equal(told(preferredRoute([route([a, b]), other], null, FACTS)), "weighted: a/m b/m d/n<n; e/n residency");
    assert.equal(told(preferred([route([a, b]), other], { ignore: ["a", "b"] })), "weighted: d/n; e/n residency; a/m ignored; b/m ignored");
  });
});

const HEALTHY = { state: "admitting", pausedUntilMs: 0, excluded: null } as HealthView;

function chosen(found: Preferred, more: Partial<Parameters<typeof choose>[0]> = {}): Choice {
  assert.equal(found.kind, "route");
  return choose({
    route: found.route, shape: { endpoint: "chat", stream: false, inputBoundTokens: null, inputEstimateTokens: 10, imageCount: 0, maxOutputTokens: 10, choiceCount: 1, needs: [] },
    measure: { textBytes: 10, messageAndToolCount: 1, imageCount: 0, unsized: false }, view: () => HEALTHY, wallMs: 0, random: () => 0.5, ...more,
  });
}

const names = ({ candidates, filtered }: Choice): string => `${candidates.map((one) => one.deployment.id).join(" ")}; ${filtered.map((one) => `${one.deployment} ${one.reason}`).join(", ")}`;

describe("a choice by the wishes of a request", () => {
  const places = route([at("a/m"), at("b/m"), at("c/m")], { strategy: "priority" });

  it("is of one alone where fallbacks are forbidden, and of further models behind it", () => {
    assert.equal(names(chosen(preferred([places], { allow_fallbacks: false }))), "a/m; b/m no_fallbacks, c/m no_fallbacks");
    assert.equal(names(chosen(preferred([places, route([at("d/n")], { name: "n" })], { allow_fallbacks: false }))), "a/m d/n; b/m no_fallbacks, c/m no_fallbacks");
  });

  it("never puts a further model before the first one's candidates", () => {
    const drawn = preferredRoute([route([at("a/m"), at("b/m")]), route([at("d/n")], { name: "n" })], null, FACTS);
    let random = 0;
    for (let i = 0; i < 20; i++) assert.match(names(chosen(drawn, { random: () => (random = (random + 0.37) % 1) })), / d\/n; $/);
  });

  it("takes only who is known to do all that is asked where that is required, but for aggregators that see to it", () => {
    const mixed = route([at("yes/m"), at("no/m"), at("dark/m"), at("told/m", { told: { seed: true } }), aggregator("agg/m")], { strategy: "priority" });
    const seed: Readonly<Record<string, boolean | null>> = { "yes/m": true, "no/m": false, "dark/m": null, "told/m": null, "agg/m": null };
    const more: Parameters<typeof chosen>[1] = {
      shape: { endpoint: "chat", stream: false, inputBoundTokens: null, inputEstimateTokens: 10, imageCount: 0, maxOutputTokens: 10, choiceCount: 1, needs: [{ capability: "seed", param: "seed", missing: "skip", where: "told" }] },
      capabilities: (deployment) => ({ seed: seed[deployment.id] }) as CapabilityTable,
    };
    assert.equal(names(chosen(preferred([mixed], { require_parameters: true }), more)), "yes/m told/m agg/m; no/m not_known_to_support, dark/m not_known_to_support");
    assert.equal(names(chosen(preferred([mixed], { require_parameters: true, ignore: ["no"] }), more)), "yes/m told/m; dark/m not_known_to_support, agg/m not_known_to_support");
    assert.equal(names(chosen(preferred([mixed], { require_parameters: false }), more)), "yes/m no/m dark/m told/m agg/m; ");
  });
});

describe("candidates that are held back", () => {
  const first = route([at("a/m"), at("b/m")]);
  const held: Route = { ...first, candidates: [...first.candidates, { deployment: at("l/m"), weight: 1, automatic: false, after: "context" }, { deployment: at("n/m"), weight: 1, automatic: false, after: "context" }] };
  const shown = (found: Preferred): string => (found.kind === "route" ? found.route.candidates.map(({ deployment, after, of }) => `${deployment.id}${after === undefined ? "" : `(${after})`}${of === undefined ? "" : ` of ${of}`}`).join(" ") : found.param);

  it("are narrowed by the same wishes, and are no choice by themselves", () => {
    assert.equal(shown(preferred([held], { ignore: ["b", "n"] })), "a/m l/m(context)");
    assert.equal(shown(preferred([held], { only: ["l"] })), "provider.only");
  });

  it("stay behind further models that the request names, which bring none of their own", () => {
    const other: Route = { ...route([at("n/m")], { name: "other" }), candidates: [...route([at("n/m")]).candidates, { deployment: at("z/m"), weight: 1, automatic: false, after: "content_policy" }] };
    assert.equal(shown(preferred([held, other], {})), "a/m b/m n/m of other l/m(context) n/m(context)");
  });
});
