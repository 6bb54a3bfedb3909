/** Reads configurations and scenarios from files. */
import { readFileSync } from "node:fs";
import { dirname, resolve } from "node:path";
import { gunzipSync } from "node:zlib";
import { parse } from "yaml";
import { checkFleetConfig, type FullFleetConfig } from "./config.ts";
import { checkScenario, type Phase, type Scenario } from "./scenario.ts";

/** Reads a fleet's YAML; scenarios named by a path are read beside it. Throws an Error that says what is wrong. */
export function loadFleetConfig(path: string): FullFleetConfig {
  const config = checkFleetConfig(parse(readFileSync(path, "utf8")));
  const folder = dirname(resolve(path));
  const providers = config.providers.map((provider) => {
    const play = provider.scenario?.play;
    if (!provider.scenario || typeof play !== "string") return provider;
    return { ...provider, scenario: { ...provider.scenario, play: loadScenario(resolve(folder, play)) } };
  });
  return { ...config, providers };
}

/**
 * Reads a scenario: a YAML or JSON file that holds one, or `file#id` where it holds several. The traces that its phases
 * replay are looked for beside the file's folder.
 */
export function loadScenario(path: string): Scenario {
  const [file = "", id] = path.split("#");
  const value: unknown = parse(readFileSync(file, "utf8"));
  const found: unknown = Array.isArray(value) ? value.find((item: { id?: unknown }) => id === undefined || item.id === id) : value;
  if (found === undefined) throw new Error(`${file} has no scenario ${id}`);
  return withReplays(checkScenario(found), resolve(dirname(file), ".."));
}

/**
 * Resolves the phases that replay a recorded trace (CSV, gzip or not, with the columns `provider`, `ttft_s`, `stream_s`,
 * `output_tokens`): first tokens and rates are drawn from its rows.
 */
export function withReplays(scenario: Scenario, folder: string): Scenario {
  return { ...scenario, phases: scenario.phases.map((phase) => (phase.replay === undefined ? phase : replayed(phase, phase.replay, folder))) };
}

function replayed(phase: Phase, replay: string, folder: string): Phase {
  const bytes = readFileSync(resolve(folder, replay));
  const [head = "", ...lines] = (replay.endsWith(".gz") ? gunzipSync(bytes) : bytes).toString("utf8").trim().split(/\r?\n/);
  const columns = head.split(",");
  const rows = lines
    .map((line) => new Map(line.split(",").map((cell, at) => [columns[at] ?? "", cell])))
    .filter((row) => phase.provider === undefined || row.get("provider") === phase.provider);
  const firstTokens = rows.map((row) => Number(row.get("ttft_s")) * 1000).filter((ms) => ms > 0);
  const rates = rows.map((row) => Number(row.get("output_tokens")) / Number(row.get("stream_s"))).filter((rate) => rate > 0 && rate < Infinity);
  if (firstTokens.length === 0) throw new Error(`${replay} has no rows to replay`);
  const { replay: _, ...rest } = phase;
  return { ...rest, first_token: { values: firstTokens }, ...(rates.length > 0 ? { token_rate: { values: rates } } : {}) };
}
