import assert from "node:assert/strict";
import { describe, it } from "node:test";
import { Ajv } from "ajv";
import { parse as parseYaml } from "yaml";
import { PROVIDERS } from "../providers/registry.ts";
import { loadCatalogue } from "../providers/catalog/index.ts";
import { parseConfig } from "./load.ts";
import { showError } from "./report.ts";
import { editorSchema } from "./schema.ts";
import { buildSnapshot } from "./snapshot.ts";
import type { Config, RouteConfig } from "./types.ts";

const HEAD = 'version: 1\nproviders:\n  openai: { api_key: "0123456789abcdef" }\n  openai-eu: { type: openai, api_key: "0123456789abcdef", region: eu }\n';
const DAY_MS = 86_400_000;

function parse(text: string) {
  return parseConfig(HEAD + text, { source: "spillway.yaml", env: {}, readFile: () => "", providers: PROVIDERS });
}
function good(text: string): Config {
  const parsed = parse(text);
  assert.ok(parsed.ok, parsed.ok ? "" : parsed.errors.map(showError).join("\n"));
  return parsed.config;
}
/** The route of which these are the lines. */
function route(lines: string): RouteConfig {
  const found = good(`routes:\n  a:\n    candidates: [openai/gpt-4o]\n${lines}`).routes[0];
  assert.ok(found !== undefined);
  return found;
}
/** `line key | expected | found | hint` of each error; the route's own lines begin with line 8. */
function wrong(lines: string): string[] {
  const parsed = parse(`routes:\n  a:\n    candidates: [openai/gpt-4o]\n${lines}`);
  assert.ok(!parsed.ok, "this configuration should have been refused");
  return parsed.errors.map(({ line, key, expected, found, hint }) => `${line} ${key} | ${expected} | ${found} | ${hint}`);
}
function objective(line: string): string[] {
  return wrong(`    objectives:\n      ${line}\n`);
}

describe("objectives of a route", () => {
  it("are read as they are usually told", () => {
    const { objectives, strategy } = route(
      "    objectives:\n      availability: { target: 99.9%, window: 30d }\n      first_token: { p99: 4s, window: 30d }\n      latency: { target: 98%, within: 20s, window: month, zone: Europe/Berlin }\n" +
        "      output_rate: { target: 95%, at_least: 30, window: 12h }\n      throughput: { at_least: 600, target: 99.5%, window: month }\n",
    );
    const rolling = { kind: "rolling", lengthMs: 30 * DAY_MS } as const;
    const none = { within: [], atLeast: null, unit: null };
    assert.deepEqual(objectives, [
      { name: "availability", kind: "availability", target: 0.999, window: rolling, ...none },
      { name: "first_token", kind: "first_token", target: 0.99, window: rolling, ...none, within: [{ upToInputTokens: null, withinMs: 4_000 }] },
      { name: "latency", kind: "latency", target: 0.98, window: { kind: "month", zone: "Europe/Berlin" }, ...none, within: [{ upToInputTokens: null, withinMs: 20_000 }] },
      { name: "output_rate", kind: "output_rate", target: 0.95, window: { kind: "rolling", lengthMs: DAY_MS / 2 }, ...none, atLeast: 30 },
      { name: "throughput", kind: "throughput", target: 0.995, window: { kind: "month", zone: "UTC" }, ...none, atLeast: 600, unit: "requests" },
    ]);
    assert.equal(strategy, "balanced");
  });

  it("are several where several percentiles are named, and a share of failures is the rest of 100 %", () => {
    const { objectives } = route("    objectives:\n      first_token: { p50: 1s, p95: 2s, p99_9: 9s, window: 7d }\n      error_rate: { at_most: 0.1%, window: 7d }\n");
    assert.deepEqual(objectives.map(({ name, target, within }) => [name, target, within[0]?.withinMs]), [
      ["first_token_p50", 0.5, 1_000], ["first_token_p95", 0.95, 2_000], ["first_token_p99_9", 0.999, 9_000], ["error_rate", 0.999, undefined],
    ]);
  });

  it("tell prompts apart by size", () => {
    const { objectives } = route("    objectives:\n      first_token: { target: 98%, window: 30d, by_input: [{ up_to: 4000, within: 4s }, { up_to: 16000, within: 8s }], within: 20s }\n");
    assert.deepEqual(objectives[0]?.within, [{ upToInputTokens: 4_000, withinMs: 4_000 }, { upToInputTokens: 16_000, withinMs: 8_000 }, { upToInputTokens: null, withinMs: 20_000 }]);
  });

  it("make the strategy balanced unless another is stated; without any it stays priority, and nothing is weighed", () => {
    assert.deepEqual(["priority", "weighted", "cheapest", "fastest", "least-busy", "sticky", "balanced"].map((name) => route(`    strategy: ${name}\n`).strategy), ["priority", "weighted", "cheapest", "fastest", "least-busy", "sticky", "balanced"]);
    assert.equal(route("    strategy: priority\n    objectives: { availability: { target: 99.9%, window: 30d } }\n").strategy, "priority");
    const plain = route("");
    assert.deepEqual([plain.strategy, plain.terms, plain.objectives, plain.errorBudget.steps], ["priority", null, [], []]);
  });

  it("stand beside what failures, waiting and extra calls may cost", () => {
    assert.deepEqual(route("    strategy: balanced\n").terms, { costOfFailureNanoUsd: 0, costOfDelayNanoUsdPerS: null, hedgeShare: 0.05, exploreShare: 0.03 });
    const stated = route('    cost_of_failure_usd: 0.25\n    cost_of_delay_usd_per_s: "0.0001"\n    hedge: off\n    explore: 1.5%\n');
    assert.deepEqual([stated.strategy, stated.terms], ["priority", { costOfFailureNanoUsd: 250_000_000, costOfDelayNanoUsdPerS: 100_000, hedgeShare: 0, exploreShare: 0.015 }]);
  });

  it("bring the usual policy for their error budget, or the one that is written", () => {
    const promise = "    objectives: { availability: { target: 99.9%, window: 30d } }\n";
    assert.deepEqual(route(promise).errorBudget.steps.map(({ left, acts }) => [left, acts]), [[0.5, ["freeze_canaries", "freeze_cascades"]], [0.1, ["reliability_first"]], [0, ["refuse_low"]]]);
    assert.deepEqual(route(`${promise}    error_budget: off\n`).errorBudget.steps, []);
    assert.deepEqual(route(`${promise}    error_budget: [{ left: 25%, do: [reliability_first] }]\n    importance: low\n`).errorBudget.steps, [{ left: 0.25, acts: ["reliability_first"] }]);
    assert.equal(route("    importance: low\n").importance, "low");
  });

  it("reach the route that requests are decided on, and routes without any stay as they were", () => {
    const { routes } = good("routes:\n  a: { candidates: [openai-eu/gpt-4o], regions: [EU], objectives: { availability: { target: 99.9%, window: 30d } } }\n");
    assert.deepEqual(routes[0]?.regions, ["eu"]);
    const text = `${HEAD}routes:\n  a: { candidates: [openai/gpt-4o], importance: high, objectives: { availability: { target: 99.9%, window: 30d } } }\n  b: { candidates: [openai/gpt-4o] }\n`;
    const parsed = parseConfig(text, { source: "spillway.yaml", env: {}, readFile: () => "", providers: PROVIDERS });
    assert.ok(parsed.ok);
    const { directory } = buildSnapshot(parsed.config, loadCatalogue(), PROVIDERS);
    const [a, b] = ["a", "b"].map((name) => directory.resolve(name));
    assert.ok(a?.kind === "route" && b?.kind === "route");
    assert.deepEqual([a.route.strategy, a.route.objectives?.length, a.route.terms?.hedgeShare, a.route.errorBudget?.steps.length, a.route.importance], ["balanced", 1, 0.05, 3, "high"]);
    assert.deepEqual(["objectives", "terms", "errorBudget", "importance"].filter((key) => key in b.route), []);
  });
});

describe("objectives of keys and teams", () => {
  it("are read with the scopes of the requests that they are about", () => {
    const { objectives } = good("objectives:\n  search: { scopes: [team/search, tag/feature=chat], availability: { target: 99.5%, window: month } }\n");
    assert.deepEqual(objectives.map(({ id, scopes, objectives: list }) => [id, scopes, list.map((one) => [one.name, one.target])]), [["search", ["team/search", "tag/feature=chat"], [["availability", 0.995]]]]);
  });

  it("are refused without scopes, without objectives, and for what is a provider's", () => {
    const parsed = parse("objectives:\n  a: { availability: { target: 99.5%, window: month } }\n  b: { scopes: [team/x] }\n  c: { scopes: [provider/openai], availability: { target: 99%, window: month } }\n");
    assert.ok(!parsed.ok);
    assert.deepEqual(parsed.errors.map(({ line, key, expected }) => `${line} ${key}: ${expected}`), [
      "6 objectives.a.scopes: at least one scope, such as team/search", "7 objectives.b: at least one objective", "8 objectives.c.scopes[0]: a scope of requests such as key/app, team/search or tag/feature=chat",
    ]);
  });
});

describe("objectives are refused at load, with place and reason,", () => {
  const PERCENTILES = "p50, p75, p90, p95, p99, p99_9";
  const cases: readonly (readonly [string, string, readonly string[]])[] = [
    ["without a window", "availability: { target: 99.9% }", ["9 routes.a.objectives.availability.window | a span of hours or days such as 12h or 30d, or month | nothing | a share is kept over a span: add window: 30d or window: month"]],
    ["with a percentile of 100", "first_token: { p100: 4s, window: 30d }", [
      `9 routes.a.objectives.first_token.p100 | a percentile below 100: ${PERCENTILES} | p100 | every request within it cannot be promised: one late one would break it for the whole window`,
    ]],
    ["with a target of 100 %", "availability: { target: 100%, window: 30d }", ['9 routes.a.objectives.availability.target | a percentage above 0% and below 100% | "100%" | 100% leaves no error budget: the first failure would break it for the whole window']],
    ["with no failure at all", "error_rate: { at_most: 0%, window: 30d }", ['9 routes.a.objectives.error_rate.at_most | a percentage above 0% and below 100% | "0%" | no failure at all cannot be promised: the first would break it for the whole window']],
    ["with a share without its sign", "availability: { target: 99.9, window: 30d }", ["9 routes.a.objectives.availability.target | a percentage with its sign, such as 99.9% | 99.9 | "]],
    ["with a threshold of zero", "first_token: { p99: 0s, window: 30d }", ['9 routes.a.objectives.first_token.p99 | a duration above 0 and at most 24h | "0s" | ']],
    ["with a negative threshold", "first_token: { target: 98%, within: -4s, window: 30d }", ['9 routes.a.objectives.first_token.within | a duration such as 250ms, 4s or 1m | "-4s" | ']],
    ["with a rate of zero", "output_rate: { target: 95%, at_least: 0, window: 30d }", ["9 routes.a.objectives.output_rate.at_least | tokens a second, above 0 | 0 | "]],
    ["with a negative throughput", "throughput: { target: 95%, at_least: -5, window: 30d }", ["9 routes.a.objectives.throughput.at_least | a number above 0 | -5 | "]],
    ["with an unknown zone", "availability: { target: 99.9%, window: month, zone: Europe/Berlon }", ['9 routes.a.objectives.availability.zone | the name of a time zone, such as UTC or Europe/Berlin | "Europe/Berlon" | ']],
    ["with a zone that says nothing", "availability: { target: 99.9%, window: 30d, zone: UTC }", ['9 routes.a.objectives.availability.zone | a zone only beside window: month | "UTC" | a span that ends now begins at no midnight']],
    ["with a window beyond all records", "availability: { target: 99.9%, window: 500d }", ['9 routes.a.objectives.availability.window | a span from 1h to 400d, or month | "500d" | ']],
    ["with a window in no words", "availability: { target: 99.9%, window: soon }", ['9 routes.a.objectives.availability.window | a span of hours or days such as 12h or 30d, or month | "soon" | ']],
    ["with nothing that is in time", "latency: { target: 98%, window: 30d }", ["9 routes.a.objectives.latency.within | within or by_input | nothing | what is in time: within: 4s, or p99: 4s in place of target"]],
    ["with percentiles beside a target", "latency: { target: 98%, p99: 4s, window: 30d }", ["9 routes.a.objectives.latency.target | either percentiles or target | both | p99: 4s is the same as target: 99%, within: 4s"]],
    ["with sizes out of order", "latency: { target: 98%, by_input: [{ up_to: 4000, within: 4s }, { up_to: 1000, within: 8s }], window: 30d }", ["9 routes.a.objectives.latency.by_input[1].up_to | a whole number of tokens above 4000 | 1000 | "]],
    ["with a kind that is none", "availabilty: { target: 99.9%, window: 30d }", ["9 routes.a.objectives.availabilty | one of availability, error_rate, first_token, latency, output_rate, throughput | unknown key availabilty | did you mean availability?"]],
    ["that contradict: two shares of the same requests", "availability: { target: 99.9%, window: 30d }\n      error_rate: { at_most: 1%, window: 30d }", [
      "10 routes.a.objectives.error_rate | what does not contradict availability | 99.9% and 99% that are answered | both count the same requests: leave one out, or make the two add up to 100%",
    ]],
    ["that contradict: more time for fewer", "first_token: { p50: 5s, p99: 4s, window: 30d }", [
      "9 routes.a.objectives.first_token.p99 | what does not contradict p50 | 50% within 5000 ms beside 99% within 4000 ms | of a smaller share a shorter time is asked, or nothing is asked by it",
    ]],
    ["that contradict: an end before the beginning", "latency: { p99: 3s, window: 30d }\n      first_token: { p99: 4s, window: 30d }", [
      "10 routes.a.objectives.first_token.p99 | what does not contradict p99 | a first token within 4000 ms beside whole answers within 3000 ms | an answer begins before it ends: give the first token less time, or the answer more",
    ]],
    ["that could never be broken", "first_token: { p99: 600s, window: 30d }", [
      "9 routes.a.objectives.first_token | less than the route's deadline, 600000 ms | 600000 ms in first_token | a request without content by its deadline has failed, so it could never be late",
    ]],
  ];
  for (const [name, line, expected] of cases) it(name, () => assert.deepEqual(objective(line), expected));

  it("as are costs, shares, policies and importances that mean nothing", () => {
    assert.deepEqual(wrong('    cost_of_failure_usd: -1\n    hedge: 5\n    explore: 101%\n    importance: urgent\n    error_budget: [{ left: 10%, do: [reliability_first] }, { left: 50%, do: [panic] }]\n').map((line) => line.split(" | ").slice(0, 3).join(" | ")), [
      "8 routes.a.cost_of_failure_usd | dollars, 0 or more, with at most nine decimal places | -1",
      "9 routes.a.hedge | off, or a percentage such as 5% | 5",
      '10 routes.a.explore | off, or a percentage up to 100% | "101%"',
      '11 routes.a.importance | high, normal or low | "urgent"',
      "12 routes.a.error_budget | an error budget only where there are objectives | no objectives",
      '12 routes.a.error_budget[1].left | less than in the step before | "50%"',
      '12 routes.a.error_budget[1].do[0] | freeze_canaries, freeze_cascades, reliability_first or refuse_low | "panic"',
    ]);
  });

  it("as are extra calls in no words, and promises of nothing", () => {
    assert.deepEqual(wrong("    hedge: some\n    explore: maybe\n    objectives: {}\n"), [
      '8 routes.a.hedge | off, or a percentage such as 5% | "some" | ', '9 routes.a.explore | off, or a percentage such as 5% | "maybe" | ',
      "10 routes.a.objectives | at least one objective | none | add availability: { target: 99.9%, window: 30d }",
    ]);
  });

  it("as are candidates that can never satisfy the route's regions", () => {
    const parsed = parse("routes:\n  a:\n    candidates: [openai-eu/gpt-4o, openai/gpt-4o]\n    regions: [eu]\n");
    assert.ok(!parsed.ok);
    assert.deepEqual(parsed.errors.map(({ line, key, expected, found, hint }) => `${line} ${key} | ${expected} | ${found} | ${hint}`), [
      "7 routes.a.candidates[1] | a candidate in eu | openai/gpt-4o, whose account states no region | no request of this route could ever go there: take it out, or set the region of providers.openai",
    ]);
  });
});

describe("costs and extra calls of a route that nothing weighs", () => {
  it("are told as a warning, for they do nothing", () => {
    const warned = (lines: string): readonly string[] => {
      const parsed = parse(`routes:\n  a:\n    candidates: [openai/gpt-4o, openai-eu/gpt-4o]\n${lines}`);
      assert.ok(parsed.ok);
      return parsed.warnings.filter(({ line }) => line > 7).map(({ line, key, expected, found }) => `${line} ${key} | ${expected} | ${found}`);
    };
    assert.deepEqual([warned("    strategy: fastest\n    explore: 1%\n"), warned("    explore: 1%\n")], [[], ["8 routes.a.explore | strategy: balanced or fastest, where explore is stated | priority"]]);
    assert.deepEqual(warned("    hedge: 5%\n"), ["8 routes.a.hedge | strategy: balanced, where hedge is stated | priority"]);
    assert.deepEqual(warned("    strategy: cheapest\n    cost_of_failure_usd: 0.05\n    objectives: { availability: { target: 99.9%, window: 30d } }\n"), ["9 routes.a.cost_of_failure_usd | strategy: balanced, where cost_of_failure_usd is stated | cheapest"]);
    assert.deepEqual(warned("    strategy: balanced\n    hedge: 5%\n"), []);
    assert.deepEqual(warned("    explore: off\n    objectives: { availability: { target: 99.9%, window: 30d } }\n"), []);
  });
});

describe("the schema for editors", () => {
  const validate = new Ajv({ strict: false }).compile(editorSchema() as object);
  it("takes what is read, and knows the keys of objectives", () => {
    const text = (line: string): unknown => parseYaml(`version: 1\nroutes: { a: { candidates: [x/y], strategy: least-busy, hedge: off, explore: "\${E}", error_budget: [{ left: 10%, do: [refuse_low] }], objectives: { ${line} } } }\n`);
    assert.ok(validate(text("availability: { target: 99.9%, window: 30d }, first_token: { p99: 4s, window: \"${W}\" }")), JSON.stringify(validate.errors));
    for (const line of ["availability: { target: 99.9, window: 30d }", "first_token: { p100: 4s, window: 30d }", "speed: {}"]) assert.ok(!validate(text(line)), line);
  });
});
