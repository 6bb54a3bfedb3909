import assert from "node:assert/strict";
import { mkdtempSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join, resolve } from "node:path";
import { after, test } from "node:test";
import { loadCatalogue } from "../providers/catalog/index.ts";
import { PROVIDERS } from "../providers/registry.ts";
import { runSimulate } from "./simulate.ts";

const folder = mkdtempSync(join(tmpdir(), "spillway-simulate-"));
after(() => rmSync(folder, { recursive: true }));
const EXAMPLES = resolve(import.meta.dirname, "../../docs/simulator");
const WALL_MS = Date.UTC(2026, 10, 1);

function run(...args: readonly string[]): { readonly code: number; readonly out: string; readonly errors: string } {
  let out = "";
  let errors = "";
  const code = runSimulate(args, { out: { write: (text) => (out += text) }, errors: { write: (text) => (errors += text) }, env: { OPENAI_API_KEY: "sk-x" }, cwd: folder, providers: PROVIDERS, catalogue: loadCatalogue() }, WALL_MS);
  return { code, out, errors };
}

function file(name: string, text: string): string {
  writeFileSync(join(folder, name), text);
  return name;
}

const WORLD = file("world.yaml", "deployments:\n  a: { price: { input: 1, output: 4 }, first_token: { median_ms: 800, p99_ms: 4000 }, fails_before: 0.05 }\n  b: { price: { input: 2, output: 8 }, first_token: 500 }\n");
const TRAFFIC = file("traffic.yaml", "rate_per_s: 2\nduration_s: 600\nsizes: { input: 100, output: 20 }\n");

test("policies run side by side, twice the same bytes for one seed and others for another", () => {
  const args = ["--world", WORLD, "--traffic", TRAFFIC, "--json"];
  const first = run(...args, "--seed", "7");
  assert.equal(first.code, 0, first.errors);
  assert.equal(run(...args, "--seed", "7").out, first.out);
  assert.notEqual(run(...args, "--seed", "8").out, first.out);
  const reports = first.out.trim().split("\n").map((line) => JSON.parse(line) as { policy: string; requests: number; failed: number });
  assert.deepEqual(reports.map(({ policy }) => policy), ["spillway", "spillway-priority", "single", "ordered-fallback", "cooldown-retry", "inverse-square", "peak-ewma"]);
  assert.equal(new Set(reports.map(({ requests }) => requests)).size, 1);
  assert.ok((reports[2]?.failed ?? 0) > 20 && reports[3]?.failed === 0);
});

test("the examples of the documentation run, with a table and a chart", () => {
  const { code, out, errors } = run("--world", join(EXAMPLES, "world.yaml"), "--traffic", join(EXAMPLES, "traffic.yaml"), "--policies", "spillway,ordered-fallback", "--chart", "chart.svg");
  assert.equal(code, 0, errors);
  assert.match(out, /policy +answered/);
  assert.match(out, /stalls +cheap/);
  const svg = readFileSync(join(folder, "chart.svg"), "utf8");
  assert.match(svg, /^<svg .*<\/svg>\n$/s);
  assert.equal(svg.match(/<polyline/g)?.length, 2 * 5);
});

test("a route's candidates, prices and objectives come from the configuration, their behaviour from the world", () => {
  const config = file("spillway.yaml", "version: 1\nkeys: [{ name: app, key: spw-app-0123456789abcdef0123456789abcdef }]\nproviders: { openai: { api_key: sk-x } }\nroutes:\n  chat: { candidates: [openai/gpt-4o, openai/gpt-4o-mini], objectives: { availability: { target: 99%, window: 1d } } }\n");
  const world = file("of-config.yaml", "deployments:\n  openai/gpt-4o: { first_token: 500 }\n  openai/gpt-4o-mini: { first_token: 400 }\n");
  const { code, out, errors } = run("--config", config, "--route", "chat", "--world", world, "--traffic", TRAFFIC, "--policies", "single,spillway", "--json");
  assert.equal(code, 0, errors);
  const [single, ours] = out.trim().split("\n").map((line) => JSON.parse(line) as { costPerThousandUsd: number; objectives: { name: string; target: number }[]; deployments: { id: string; served: number }[] });
  assert.deepEqual(single?.deployments.map(({ id }) => id), ["openai/gpt-4o", "openai/gpt-4o-mini"]);
  // 100 tokens at 2.50 $ and 20 at 10 $ a million.
  assert.ok(Math.abs((single?.costPerThousandUsd ?? 0) - 0.45) < 1e-6, String(single?.costPerThousandUsd));
  assert.deepEqual(ours?.objectives.map(({ target }) => target), [0.99]);
  assert.match(run("--config", config, "--route", "nowhere", "--world", world, "--traffic", TRAFFIC).errors, /no route "nowhere"/);
});

interface Served { readonly policy: string; readonly about: string; readonly costPerThousandUsd: number; readonly rescued: number; readonly broken: number; readonly deployments: readonly { readonly id: string; readonly served: number }[] }

/** A route of two models, with what else stands in it and in the file; the world knows how both answer. */
function ofRoute(route: string, more = "", args: readonly string[] = ["--policies", "spillway"], second = "openai/gpt-4o-mini"): { readonly reports: readonly Served[]; readonly out: string } {
  const config = file("route.yaml", `version: 1
keys: [{ name: app, key: spw-app-0123456789abcdef0123456789abcdef }]
providers: { openai: { api_key: sk-x }, anthropic: { api_key: sk-y } }
routes: { chat: { candidates: [openai/gpt-4o, { use: ${second}, weight: 3 }], ${route} } }
${more}
`);
  const world = file("of-route.yaml", `deployments: { openai/gpt-4o: { first_token: 500, fails_after: 0.02 }, openai/gpt-4o-mini: { first_token: 400 }, anthropic/claude-haiku-4-5: { first_token: 400 } }\n`);
  const all = ["--config", config, "--route", "chat", "--world", world, "--traffic", TRAFFIC, ...args];
  const { code, out, errors } = run(...all);
  assert.equal(code, 0, errors);
  return { reports: linesOf(run(...all, "--json").out), out };
}

const linesOf = (out: string): readonly Served[] => out.trim().split("\n").map((line) => JSON.parse(line) as Served);
const shareOf = (report: Served | undefined, at: number): number => (report?.deployments[at]?.served ?? 0) / (report?.deployments.reduce((sum, { served }) => sum + served, 0) ?? 1);

test("a route is played under the strategy that it has, and under others by name", () => {
  // Whoever breaks off now and then rests now and then.
  assert.ok(shareOf(ofRoute("strategy: priority").reports[0], 0) > 0.9);
  assert.equal(shareOf(ofRoute("strategy: cheapest").reports[0], 1), 1);
  const weighted = ofRoute("strategy: weighted");
  assert.ok(Math.abs(shareOf(weighted.reports[0], 1) - 0.75) < 0.05, String(shareOf(weighted.reports[0], 1)));
  assert.match(weighted.out, /route chat, strategy weighted/);
  assert.match(weighted.reports[0]?.about ?? "", /strategy weighted/);
  const { reports } = ofRoute("strategy: weighted", "", ["--policies", "spillway-priority,spillway-sticky,spillway-least-busy,spillway-fastest,spillway-balanced"]);
  assert.deepEqual(reports.map(({ policy }) => policy), ["spillway-priority", "spillway-sticky", "spillway-least-busy", "spillway-fastest", "spillway-balanced"]);
  assert.ok(shareOf(reports[0], 0) > 0.9);
  assert.deepEqual(ofRoute("strategy: weighted", "", []).reports.map(({ policy }) => policy).slice(0, 4), ["spillway", "spillway-balanced", "spillway-priority", "single"]);
});

test("a contract's discount is in the cost from the day on which it begins", () => {
  const contract = "contracts: { less: { account: openai, kind: pay_as_you_go, start: 2026-11-15, discounts: [{ percent: 50 }] } }";
  const cost = (at: string): number => ofRoute("strategy: priority", contract, ["--policies", "single", "--at", at]).reports[0]?.costPerThousandUsd ?? 0;
  assert.ok(Math.abs(cost("2026-11-20") / cost("2026-11-01") - 0.5) < 1e-6);
});

test("what breaks off is carried on where the route says so, by whom the gateway would ask", () => {
  const rescued = ofRoute("strategy: priority, rescue: continue", "", ["--policies", "spillway"], "anthropic/claude-haiku-4-5").reports[0];
  assert.ok((rescued?.rescued ?? 0) > 5 && rescued?.broken === 0, JSON.stringify(rescued).slice(0, 300));
  // This one takes no begun answer.
  const broken = ofRoute("strategy: priority, rescue: continue").reports[0];
  assert.ok((broken?.broken ?? 0) > 5 && broken?.rescued === 0);
});

test("a later world stands in place of what an earlier one says of a deployment", () => {
  const other = file("other.yaml", "deployments: { a: { price: { input: 1, output: 4 }, first_token: 100 } }\n");
  const { out } = run("--world", WORLD, "--world", other, "--traffic", TRAFFIC, "--policies", "single", "--json");
  const report = JSON.parse(out) as { failed: number; firstTokenMs: { max: number }; deployments: { id: string }[] };
  assert.deepEqual([report.failed, Math.round(report.firstTokenMs.max), report.deployments.map(({ id }) => id)], [0, 100, ["a", "b"]]);
});

test("failures are told by class, after a time, and paces are drawn", () => {
  const world = file("kinds.yaml", "deployments: { a: { price: { input: 1, output: 4 }, first_token: 100, tokens_per_s: { histogram: [[10, 1], [20, 1]] }, failures: [{ share: 0.2, class: overload, status: 529, after_ms: 300 }, { share: 0.1, status: 429, retry_after_s: 1 }], stalls: 0.05 } }\n");
  const { out, errors } = run("--world", world, "--traffic", TRAFFIC, "--policies", "single", "--json");
  assert.equal(errors, "");
  const report = JSON.parse(out) as { requests: number; deployments: { failedBefore: number; refused429: number; stalled: number }[] };
  const [only] = report.deployments;
  for (const [count, share] of [[only?.failedBefore, 0.2], [only?.refused429, 0.1], [only?.stalled, 0.05]] as const) assert.ok(Math.abs((count ?? 0) / report.requests - share) < 0.03, `${count} ${share}`);
});

test("no name of a chart's legend lies outside of it", () => {
  run("--world", WORLD, "--traffic", TRAFFIC, "--chart", "all.svg");
  const svg = readFileSync(join(folder, "all.svg"), "utf8");
  const names = [...svg.matchAll(/<text x="(\d+)" y="(\d+)" fill="#\w+">([a-z-]+)<\/text>/g)];
  assert.equal(names.length, 7);
  assert.ok(names.every(([, x]) => Number(x) <= 800), names.map(([, x]) => x).join());
  assert.equal(new Set(names.map(([, x, y]) => `${x} ${y}`)).size, 7);
});

test("a file that cannot be written is told before anything is played", () => {
  for (const flag of ["--chart", "--save-world"]) {
    const { code, out, errors } = run("--world", WORLD, "--traffic", TRAFFIC, flag, "nosuch/x.svg");
    assert.deepEqual([code, out], [1, ""]);
    assert.match(errors, /^spillway: .*x\.svg cannot be written: there is no folder .*nosuch\n$/);
  }
  assert.match(run("--world", WORLD, "--traffic", TRAFFIC, "--chart", ".").errors, /^spillway: .* is a folder\n$/);
  assert.match(run("--world", WORLD, "--traffic", TRAFFIC, "--chart", `${WORLD}/x.svg`).errors, /is no folder\n$/);
});

test("a share of good ones is cut off, so that what missed its target does not look as if it met it", () => {
  // 2,998 of 2,999 come to 99.96665 %.
  const traffic = file("even.yaml", "rate_per_s: 5\nduration_s: 600\ngaps: constant\nsizes: { input: 100, output: 20 }\n");
  const world = file("cut.yaml", "objectives: { availability: 0.99999 }\ndeployments: { a: { price: { input: 1, output: 4 }, first_token: 100, phases: [{ from_s: 10, to_s: 10.1, refuse: 1 }] } }\n");
  const { out, errors } = run("--world", world, "--traffic", traffic, "--policies", "single");
  assert.equal(errors, "");
  assert.match(out, /^2999 requests, 1 deployment, seed 1\n/);
  assert.match(out, /availability \(99\.999 %\)/);
  assert.match(out, /single +99\.966 % +1 +0 +99\.966 % missed/);
});

test("what is wrong with a file is said with its place", () => {
  const wrong = (world: string, traffic = TRAFFIC): string => {
    const { code, errors } = run("--world", file("wrong.yaml", world), "--traffic", traffic);
    assert.equal(code, 1);
    return errors;
  };
  assert.match(wrong("deployments: { a: { first_token: soon } }"), /deployments\.a\.first_token: milliseconds, or one of/);
  assert.match(wrong("deployments: { a: { first_token: 5, fails_before: 2 } }"), /deployments\.a\.fails_before/);
  assert.match(wrong("deployments: { a: { first_token: 5, phases: [{ from_s: 9, to_s: 3 }] } }"), /ends after it begins/);
  assert.match(wrong("deployments: { a: { first_token: 5 } }"), /without --config each deployment needs a price: a/);
  assert.match(wrong("deployments: { a: { first_token: { file: none.csv, column: x } } }"), /none\.csv/);
  assert.match(wrong("deployments: {}"), /a world needs a deployment/);
  assert.match(wrong("a: [", TRAFFIC), /wrong\.yaml/);
  assert.match(wrong("deployments: { a: { first_token: 5 } }", file("none.yaml", "rate_per_s: 0")), /rate_per_s, duration_s and sizes, or a trace/);
  assert.match(wrong("deployments: { a: { first_token: 5, stalls: 0.5, failures: [{ share: 0.6, status: 500 }] } }"), /at most 1 together/);
  assert.match(wrong("deployments: { a: { first_token: 5, tokens_per_s: quick } }"), /tokens a second, or one of/);
  assert.equal(run("--world", WORLD).code, 2);
  assert.equal(run("--world", WORLD, "--traffic", TRAFFIC, "--at", "soon").code, 2);
  assert.equal(run("--world", WORLD, "--traffic", TRAFFIC, "--policies", "luck").code, 2);
  const twice = run("--world", WORLD, "--traffic", TRAFFIC, "--policies", "single,spillway,single");
  assert.deepEqual([twice.code, twice.errors], [2, 'spillway: --policies names "single" twice: one seed gives one result\n']);
  assert.equal(run("--world", WORLD, "--traffic", TRAFFIC, "--seed", "x").code, 2);
});
