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
  assert.equal(run("--world", WORLD).code, 2);
  assert.equal(run("--world", WORLD, "--traffic", TRAFFIC, "--policies", "luck").code, 2);
  assert.equal(run("--world", WORLD, "--traffic", TRAFFIC, "--seed", "x").code, 2);
});
