/** The results as tables, and their place in docs/benchmarks.md. */
import { readFileSync, writeFileSync } from "node:fs";
import { availableParallelism, cpus, release, totalmem } from "node:os";
import type { Cell, Measure } from "./measures.ts";
import { median } from "./statistics.ts";
import { nginxVersion, portkeyVersion } from "./variants.ts";

export interface Results {
  readonly machine: Readonly<Record<string, string>>;
  readonly rounds: number;
  readonly windowMs: number;
  readonly latencySeconds: number;
  readonly measures: readonly Measure[];
  readonly variants: readonly { readonly name: string; readonly label: string }[];
  /** Variants that could not run here, and why. */
  readonly unavailable: Readonly<Record<string, string>>;
  /** What the ledgers said afterwards. */
  readonly verified: readonly string[];
  readonly cells: readonly { readonly measure: Measure; readonly variant: string; readonly round: number; readonly cell: Cell }[];
}

/** What a reader needs to know of the machine. */
export function describeMachine(): Record<string, string> {
  return {
    date: new Date().toISOString().slice(0, 10),
    cpu: `${availableParallelism()} × ${cpus()[0]?.model.trim() ?? "unknown"}`,
    memory: `${Math.round(totalmem() / 2 ** 30)} GiB`,
    kernel: `Linux ${release().split("-")[0] ?? ""}`,
    node: process.version,
    nginx: nginxVersion(),
    portkey: portkeyVersion(),
  };
}

/** All tables as Markdown. */
export function markdown(results: Results): string {
  const { machine } = results;
  const parts = [
    `Measured on ${machine["date"]}: ${machine["cpu"]}, ${machine["memory"]}, ${machine["kernel"]}, Node.js ${machine["node"]}, ${machine["nginx"]}, @portkey-ai/gateway ${machine["portkey"]}; ${results.rounds} round${results.rounds === 1 ? "" : "s"}, windows of ${results.windowMs / 1_000} s (latency ${results.latencySeconds} s).\n`,
  ];
  for (const measure of results.measures) parts.push({ json: jsonTable, stream: streamTable, latency: latencyTable, memory: memoryTable }[measure](new View(results, measure)));
  if (results.verified.length > 0) parts.push(`Ledgers after the run:\n\n${results.verified.map((line) => `- ${line}`).join("\n")}\n`);
  return `${parts.join("\n")}\n`;
}

/** Replace what stands between the markers of a page. */
export function writeInto(path: string, text: string): void {
  const page = readFileSync(path, "utf8");
  const [start, end] = ["<!-- results -->", "<!-- end of results -->"];
  const [from, to] = [page.indexOf(start), page.indexOf(end)];
  if (from < 0 || to < from) throw new Error(`${path} has no "${start}" … "${end}"`);
  writeFileSync(path, `${page.slice(0, from + start.length)}\n\n${text}\n${page.slice(to)}`);
}

/** The cells of one measure, by variant and round. */
class View {
  readonly #results: Results;
  readonly #measure: Measure;

  constructor(results: Results, measure: Measure) {
    this.#results = results;
    this.#measure = measure;
  }

  /** Rows of a table: a label and what `columns` makes of the variant, or why it has no values. */
  rows(width: number, columns: (variant: string) => readonly string[]): string {
    const lines: string[] = [];
    for (const { name, label } of this.#results.variants) {
      const missing = this.#results.unavailable[name];
      const cells = this.#cells(name);
      if (cells.length === 0 && missing === undefined) continue;
      const failure = missing ?? cells.map(({ cell }) => (cell.kind === "failed" ? cell.reason : null)).find((reason) => reason !== null);
      const said = failure === undefined || failure === null ? columns(name) : [`failed: ${failure.replaceAll("|", "/")}`, ...Array.from({ length: width - 1 }, () => "")];
      lines.push(`| ${[label, ...said].join(" | ")} |`);
    }
    return lines.join("\n");
  }

  /** Median over rounds. */
  value(variant: string, name: string): number {
    return median(this.#cells(variant).flatMap(({ cell }) => (cell.kind === "values" ? [cell.values[name] ?? Number.NaN] : [])));
  }

  /** Median over rounds of a value less that of another variant in the same round. */
  above(variant: string, other: string, name: string): number {
    return median(this.#pairs(variant, other, name).map(([mine, its]) => mine - its));
  }

  /** Median over rounds of the ratio to another variant in the same round. */
  ratio(variant: string, other: string, name: string): number {
    return median(this.#pairs(variant, other, name).map(([mine, its]) => mine / its));
  }

  #pairs(variant: string, other: string, name: string): [number, number][] {
    const pairs: [number, number][] = [];
    for (const mine of this.#cells(variant)) {
      const its = this.#cells(other).find(({ round }) => round === mine.round);
      if (mine.cell.kind !== "values" || its?.cell.kind !== "values") continue;
      pairs.push([mine.cell.values[name] ?? Number.NaN, its.cell.values[name] ?? Number.NaN]);
    }
    return pairs;
  }

  #cells(variant: string) {
    return this.#results.cells.filter((one) => one.measure === this.#measure && one.variant === variant);
  }
}

function table(title: string, head: readonly string[], rows: string): string {
  return `### ${title}\n\n| ${["", ...head].join(" | ")} |\n|---|${head.map(() => "---|").join("")}\n${rows}\n`;
}

/** A figure with as many places as it deserves; – where there is none. */
function figure(value: number, places: number): string {
  return Number.isFinite(value) ? value.toFixed(places) : "–";
}

function jsonTable(view: View): string {
  const rows = view.rows(4, (name) => [
    figure(view.ratio(name, "nginx", "cpuUs"), 2),
    figure(view.value(name, "cpuUs"), 1),
    figure(view.value(name, "perSecond"), 0),
    figure(view.ratio(name, "portkey", "cpuUs"), 3),
  ]);
  return table("CPU per JSON request", ["× nginx", "µs CPU", "requests/s", "× Portkey"], rows);
}

function streamTable(view: View): string {
  const rows = view.rows(4, (name) => [
    figure(view.ratio(name, "nginx", "cpuUs"), 2),
    figure(view.value(name, "cpuUs"), 1),
    figure(view.value(name, "perSecond"), 0),
    figure(view.value(name, "busy"), 2),
  ]);
  return table("CPU per streamed event", ["× nginx", "µs CPU", "events/s", "cores busy"], rows);
}

function latencyTable(view: View): string {
  const ms = (name: string, quantile: string): number => view.above(name, "direct", quantile) / 1_000;
  const rows = view.rows(6, (name) =>
    name === "direct"
      ? ["–", "–", "–", figure(view.value(name, "p50Us") / 1_000, 2), figure(view.value(name, "p99Us") / 1_000, 2), "–"]
      : [
          figure(ms(name, "p50Us"), 2),
          figure(ms(name, "p99Us"), 2),
          figure(ms(name, "p99Us") / ms("nginx", "p99Us"), 2),
          figure(view.value(name, "p50Us") / 1_000, 2),
          figure(view.value(name, "p99Us") / 1_000, 2),
          figure(view.value(name, "cpuUs"), 0),
        ],
  );
  return table("Added latency", ["added p50, ms", "added p99, ms", "p99 × nginx", "p50 beyond the provider, ms", "p99 beyond the provider, ms", "µs CPU per request"], rows);
}

function memoryTable(view: View): string {
  const rows = view.rows(4, (name) => [
    figure(view.value(name, "kibPerStream"), 0),
    figure(view.value(name, "fewMib"), 0),
    figure(view.value(name, "manyMib"), 0),
    figure(view.value(name, "cpuUs"), 1),
  ]);
  return table("Memory per stream", ["KiB per stream", "MiB at 200", "MiB at 2,000", "µs CPU per event at 2,000"], rows);
}
