/** Reads configurations and scenarios from files. */
import { readFileSync } from "node:fs";
import { dirname, resolve } from "node:path";
import { gunzipSync } from "node:zlib";
import { parseFleetConfig, type FullFleetConfig } from "./config.ts";
import { readYaml } from "./findings.ts";
import { checkScenario, type Phase, type Scenario } from "./scenario.ts";

/** Reads a fleet's YAML; scenarios named by a path are read beside it. Throws an Error that says what is wrong. */
export function loadFleetConfig(path: string): FullFleetConfig {
  const config = parseFleetConfig(textOf(path), path);
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
  const { value, place } = readYaml(textOf(file), file);
  if (!Array.isArray(value)) return withReplays(checkScenario(value, place), resolve(dirname(file), ".."));
  const at = value.findIndex((item: { id?: unknown } | null) => id === undefined || item?.id === id);
  if (at < 0) throw new Error(`${file}:1:1: expected a scenario ${id ?? ""}, found none of that id`);
  return withReplays(checkScenario(value[at], (path) => place([at, ...path])), resolve(dirname(file), ".."));
}

function textOf(file: string): string {
  try {
    return readFileSync(file, "utf8");
  } catch (error) {
    throw new Error(`${file}:1:1: expected a readable file, found ${error instanceof Error && "code" in error ? String(error.code) : "an error while reading"}`, { cause: error });
  }
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
