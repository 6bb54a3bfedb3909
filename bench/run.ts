/**
 * `npm run bench`: Spillway beside nginx, a bare proxy and a peer, on the same upstream, in turns. Figures are ratios to
 * nginx in the same round, medians over rounds; microseconds stand beside them. docs/benchmarks.md says how to read them.
 */
import { mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { randomBytes } from "node:crypto";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { parseArgs } from "node:util";
import { compileTools, LoadMaker, Provider } from "./load.ts";
import { measureJson, measureLatency, measureMemory, measureStream, MEASURES, warm, type Bench, type Cell, type Measure } from "./measures.ts";
import { sleep } from "./processes.ts";
import { describeMachine, markdown, writeInto, type Results } from "./report.ts";
import { shuffled } from "./statistics.ts";
import { startVariant, STREAMS_ONLY, VARIANTS, type Running, type Setting, type Variant } from "./variants.ts";

const HELP = `node bench/run.ts [options]

  --rounds <n>        7
  --only <measures>   of ${MEASURES.join(",")}
  --variants <names>  of ${VARIANTS.map((one) => one.name).join(",")} (ratios need nginx)
  --window <s>        length of one cell (5)
  --latency <s>       length of one cell of the latency measure (15)
  --json <file>       all cells as JSON; - for stdout
  --write             put the tables into docs/benchmarks.md
`;

const KEYS = 1_200;
/** V8 takes some ten seconds of full load to compile all of a gateway's hot path; what is measured is what serves afterwards. */
const WARM_MS = 8_000;
const PAGE = new URL("../docs/benchmarks.md", import.meta.url).pathname;

interface Options {
  readonly rounds: number;
  readonly measures: readonly Measure[];
  readonly variants: readonly Variant[];
  readonly windowMs: number;
  readonly latencySeconds: number;
  readonly json: string | null;
  readonly write: boolean;
}

function readOptions(): Options {
  const { values } = parseArgs({
    options: {
      rounds: { type: "string", default: "7" },
      only: { type: "string", default: MEASURES.join(",") },
      variants: { type: "string", default: VARIANTS.map((one) => one.name).join(",") },
      window: { type: "string", default: "5" },
      latency: { type: "string", default: "15" },
      json: { type: "string" },
      write: { type: "boolean", default: false },
      help: { type: "boolean", short: "h", default: false },
    },
  });
  if (values.help) {
    process.stdout.write(HELP);
    process.exit(0);
  }
  return {
    rounds: positive("rounds", values.rounds),
    measures: chosen("only", values.only, MEASURES, (one) => one),
    variants: chosen("variants", values.variants, VARIANTS, (one) => one.name),
    windowMs: 1_000 * positive("window", values.window),
    latencySeconds: positive("latency", values.latency),
    json: values.json ?? null,
    write: values.write,
  };
}

function positive(option: string, text: string): number {
  const value = Number(text);
  if (!(value > 0)) throw new Error(`--${option} must be a positive number, not "${text}"`);
  return value;
}

function chosen<T>(option: string, text: string, all: readonly T[], nameOf: (one: T) => string): T[] {
  const names = text.split(",");
  const unknown = names.find((name) => !all.some((one) => nameOf(one) === name));
  if (unknown !== undefined) throw new Error(`--${option}: "${unknown}" is none of ${all.map(nameOf).join(", ")}`);
  return all.filter((one) => names.includes(nameOf(one)));
}

/** What is being measured, and what came of it. */
class Run {
  readonly #options: Options;
  readonly #setting: Setting;
  readonly #bench: Bench;
  readonly #requests = new Map<Running, number>();
  readonly #cells: { measure: Measure; variant: string; round: number; cell: Cell }[] = [];
  readonly #unavailable = new Map<string, string>();
  readonly #verified: string[] = [];
  #starts = 0;

  constructor(options: Options, setting: Setting, loads: LoadMaker) {
    this.#options = options;
    this.#setting = setting;
    this.#bench = {
      provider: setting.provider,
      loads,
      windowMs: options.windowMs,
      latencySeconds: options.latencySeconds,
      made: (running, requests) => void this.#requests.set(running, (this.#requests.get(running) ?? 0) + requests),
    };
  }

  async all(): Promise<Results> {
    const present = this.#options.variants.filter((variant) => {
      const missing = variant.prepare();
      if (missing !== null) this.#unavailable.set(variant.name, missing);
      if (missing !== null) process.stderr.write(`${variant.name} is left out: ${missing}\n`);
      return missing === null;
    });
    const inTurns = this.#options.measures.filter((measure) => measure !== "memory");
    if (inTurns.length > 0) await this.#inTurns(present, inTurns);
    if (this.#options.measures.includes("memory")) await this.#memory(present.filter((variant) => applies(variant, "memory") && variant.name !== "spillway-full"));
    return {
      machine: describeMachine(),
      rounds: this.#options.rounds,
      windowMs: this.#options.windowMs,
      latencySeconds: this.#options.latencySeconds,
      measures: this.#options.measures,
      variants: this.#options.variants.map(({ name, label }) => ({ name, label })),
      unavailable: Object.fromEntries(this.#unavailable),
      verified: this.#verified,
      cells: this.#cells,
    };
  }

  /** All variants run from the start; each round measures each of them once, in random order. */
  async #inTurns(variants: readonly Variant[], measures: readonly Measure[]): Promise<void> {
    const running = new Map<Variant, Running>();
    for (const variant of variants) running.set(variant, await startVariant(variant, this.#setting, this.#starts++));
    const broken = new Map<string, string>();
    for (const [variant, process_] of running) {
      for (const measure of measures) {
        if (!applies(variant, measure)) continue;
        note(`warming ${variant.name} for ${measure}`);
        const reason = await tried(() => warm(this.#bench, process_, measure, WARM_MS));
        if (reason !== null) broken.set(`${variant.name} ${measure}`, reason);
      }
    }
    for (let round = 1; round <= this.#options.rounds; round++) {
      for (const measure of shuffled(measures)) {
        for (const variant of shuffled(variants)) {
          if (!applies(variant, measure)) continue;
          const reason = broken.get(`${variant.name} ${measure}`);
          const cell: Cell = reason === undefined ? await this.#cell(measure, running.get(variant) as Running, round) : { kind: "failed", reason };
          this.#keep(measure, variant, round, cell);
          await sleep(200);
        }
      }
    }
    for (const [variant, process_] of running) await this.#stop(variant, process_);
  }

  /** Resident memory does not shrink again: each cell has a process of its own. */
  async #memory(variants: readonly Variant[]): Promise<void> {
    for (let round = 1; round <= this.#options.rounds; round++) {
      for (const variant of shuffled(variants)) {
        const running = await startVariant(variant, this.#setting, this.#starts++);
        const reason = await tried(() => warm(this.#bench, running, "memory", WARM_MS));
        this.#keep("memory", variant, round, reason === null ? await this.#cell("memory", running, round) : { kind: "failed", reason });
        await this.#stop(variant, running);
      }
    }
  }

  async #cell(measure: Measure, running: Running, round: number): Promise<Cell> {
    const run = { json: measureJson, stream: measureStream, latency: measureLatency, memory: measureMemory }[measure];
    try {
      return await run(this.#bench, running, round);
    } catch (error) {
      return { kind: "failed", reason: (error as Error).message };
    }
  }

  #keep(measure: Measure, variant: Variant, round: number, cell: Cell): void {
    this.#cells.push({ measure, variant: variant.name, round, cell });
    const shown = cell.kind === "failed" ? `failed: ${cell.reason}` : Object.entries(cell.values).map(([name, value]) => `${name} ${value.toFixed(2)}`).join("  ");
    note(`round ${round}  ${measure.padEnd(8)}${variant.name.padEnd(14)}${shown}`);
  }

  async #stop(variant: Variant, running: Running): Promise<void> {
    await running.stop();
    const requests = this.#requests.get(running) ?? 0;
    const wrong = running.verify(requests);
    if (variant.name.startsWith("spillway")) this.#verified.push(wrong === null ? `${variant.name}: ${requests} requests, as many charged rows and records` : `${variant.name}: ${wrong}`);
    if (wrong === null) return;
    note(`${variant.name}: ${wrong}`);
    process.exitCode = 1;
  }
}

/** Whether a measure says anything about a variant: without a proxy there is only latency. */
function applies(variant: Variant, measure: Measure): boolean {
  if (STREAMS_ONLY.has(variant.name)) return measure === "stream";
  return variant.name !== "direct" || measure === "latency";
}

async function tried(work: () => Promise<string | null>): Promise<string | null> {
  try {
    return await work();
  } catch (error) {
    return (error as Error).message;
  }
}

function note(text: string): void {
  process.stderr.write(`${text}\n`);
}

async function main(): Promise<void> {
  const options = readOptions();
  const folder = mkdtempSync(join(tmpdir(), "spillway-bench-"));
  // Not in a `finally`: an interrupted run leaves nothing behind either.
  process.on("exit", () => rmSync(folder, { recursive: true, force: true }));
  const tools = compileTools(folder);
  const keys = Array.from({ length: KEYS }, () => `sk-bench-${randomBytes(24).toString("base64url")}`);
  const provider = await Provider.start(tools);
  const results = await new Run(options, { provider, folder, keys }, new LoadMaker(tools, folder, keys)).all();
  await provider.stop();
  if (options.json === "-") process.stdout.write(`${JSON.stringify(results, null, 1)}\n`);
  else process.stdout.write(markdown(results));
  if (options.json !== null && options.json !== "-") writeFileSync(options.json, `${JSON.stringify(results, null, 1)}\n`);
  if (options.write) writeInto(PAGE, markdown(results));
}

process.on("SIGINT", () => process.exit(130));
process.on("SIGTERM", () => process.exit(143));
try {
  await main();
} catch (error) {
  note(`bench: ${(error as Error).message}`);
  process.exitCode = 1;
}
