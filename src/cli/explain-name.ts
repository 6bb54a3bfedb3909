/** `spillway explain-name <name>`: what a name in `model` stands for, step by step, and what each candidate costs. */
import { parseArgs } from "node:util";
import { loadConfig } from "../config/source.ts";
import { showError } from "../config/report.ts";
import { buildSnapshot } from "../config/snapshot.ts";
import type { Pricing, RouteCandidate } from "../decide/deployment.ts";
import type { Resolution } from "../decide/names.ts";
import { EXIT, table, type CommandContext } from "./context.ts";
import { SIMULATED_NOTE, withSimulated } from "./simulated.ts";

const HELP = `spillway explain-name <name> [--config FILE] [--json]
Shows the order in which a model's name is looked up, what it stands for and what may stand in for it.
Exit code 0: it can be called; 1: it cannot, with the reason; 2: wrong usage.
`;
const PICO_PER_USD_PER_MILLION = 1_000_000;

/** Run the command; gives the exit code. */
export function runExplainName(args: readonly string[], context: CommandContext): number {
  const flags = readFlags(args, context);
  if (typeof flags === "number") return flags;
  const loaded = withSimulated(loadConfig({ configFile: flags.config ?? null, ...context }), context);
  if (!loaded.ok) {
    for (const error of loaded.errors) context.errors.write(flags.json ? `${JSON.stringify({ kind: "error", ...error })}\n` : `${showError(error)}\n`);
    return EXIT.wrong;
  }
  const { directory } = buildSnapshot(loaded.config, context.catalogue, context.providers);
  const resolution = directory.resolve(flags.name);
  const { simulated } = loaded.config;
  context.out.write(flags.json ? jsonLine(flags.name, resolution, simulated) : `${simulated ? `${SIMULATED_NOTE}\n` : ""}${textReport(flags.name, resolution)}`);
  return resolution.kind === "route" ? EXIT.ok : EXIT.wrong;
}

function readFlags(args: readonly string[], { out, errors }: CommandContext): { name: string; config: string | undefined; json: boolean } | number {
  let problem = "explain-name wants one name";
  try {
    const options = { config: { type: "string" }, json: { type: "boolean" }, help: { type: "boolean", short: "h" } } as const;
    const { values, positionals } = parseArgs({ args: [...args], options, allowPositionals: true });
    if (values.help === true) {
      out.write(HELP);
      return EXIT.ok;
    }
    const [name] = positionals;
    if (name !== undefined && positionals.length === 1) return { name, config: values.config, json: values.json === true };
  } catch (error) {
    problem = error instanceof Error ? error.message : String(error);
  }
  errors.write(`${problem}\n${HELP}`);
  return EXIT.usage;
}

function textReport(name: string, resolution: Resolution): string {
  const steps = resolution.trace.map((line) => `  ${line}\n`).join("");
  if (resolution.kind === "unresolved") return `${name}\n${steps}${resolution.code}: ${resolution.message}\n`;
  const { route } = resolution;
  const head = ["", "deployment", "USD per million in / out", "context", "output", "region", ""];
  const rows = route.candidates.map((candidate, index) => candidateRow(candidate, index));
  return `${name}\n${steps}${route.automatic ? "a model's own route" : `route ${route.name}`}, ${route.strategy}\n${table([head, ...rows])}`;
}

function candidateRow({ deployment, weight, automatic, after }: RouteCandidate, index: number): readonly string[] {
  const heldBack = after === undefined ? "" : after === "context" ? "only where the prompt does not fit the others" : "only where a content policy refuses";
  const notes = [automatic ? "automatic fallback" : "", heldBack, weight === 1 ? "" : `weight ${weight}`].filter((note) => note !== "");
  return [
    String(index + 1),
    deployment.id,
    showPricing(deployment.pricing),
    deployment.contextWindow === null ? "unknown" : String(deployment.contextWindow),
    deployment.maxOutput === null ? "unknown" : String(deployment.maxOutput),
    deployment.region ?? "not stated",
    notes.join(", "),
  ];
}

function showPricing(pricing: Pricing): string {
  if (pricing.kind !== "sheet") return pricing.kind;
  const { input, output } = pricing.sheet.base;
  return `${perMillion(input)} / ${perMillion(output)}`;
}

function perMillion(pico: number | undefined): string {
  return pico === undefined ? "unknown" : String(pico / PICO_PER_USD_PER_MILLION);
}

function jsonLine(name: string, resolution: Resolution, simulated: boolean): string {
  const said = simulated ? { simulated } : {};
  if (resolution.kind === "unresolved") {
    const { code, message, trace } = resolution;
    return `${JSON.stringify({ name, resolved: false, ...said, code, message, trace })}\n`;
  }
  const { route, trace } = resolution;
  const candidates = route.candidates.map(({ deployment, weight, automatic, after }) => ({
    deployment: deployment.id,
    weight,
    automatic,
    ...(after === undefined ? {} : { after }),
    pricing: deployment.pricing.kind,
    input_usd_per_million: usdPerMillion(deployment.pricing, "input"),
    output_usd_per_million: usdPerMillion(deployment.pricing, "output"),
    context: deployment.contextWindow,
    max_output: deployment.maxOutput,
    region: deployment.region,
  }));
  return `${JSON.stringify({ name, resolved: true, ...said, route: route.name, automatic: route.automatic, strategy: route.strategy, candidates, trace })}\n`;
}

function usdPerMillion(pricing: Pricing, unit: "input" | "output"): number | null {
  const pico = pricing.kind === "sheet" ? pricing.sheet.base[unit] : undefined;
  return pico === undefined ? null : pico / PICO_PER_USD_PER_MILLION;
}
