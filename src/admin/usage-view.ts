/** Spend as it is shown: dollars as exact text, what a request and a million tokens came to, and the same as CSV. */
import type { Dimension, Mover, UsageReport, UsageRow, UsageSums } from "../control/reports.ts";
import type { Json, JsonObject } from "../wire/json.ts";
import { INPUT_UNITS, OUTPUT_UNITS, type Unit, type UnitCounts } from "../wire/usage.ts";

const CENT = 10_000_000n;
const MILLION = 1_000_000n;

/** Dollars with nine places, exact. */
export function usdOf(nanoUsd: bigint): string {
  const text = String(nanoUsd < 0n ? -nanoUsd : nanoUsd).padStart(10, "0");
  return `${nanoUsd < 0n ? "-" : ""}${text.slice(0, -9)}.${text.slice(-9)}`;
}

/** Tokens of the prompt, and of the answer. */
export function tokensOf(units: UnitCounts): { readonly input: number; readonly output: number } {
  const sum = (classes: readonly Unit[]): number => classes.reduce((total, unit) => total + (units[unit] ?? 0), 0);
  return { input: sum(INPUT_UNITS), output: sum(OUTPUT_UNITS) };
}

/** Divided and rounded half up; null by nothing. */
function share(nanoUsd: bigint, by: number, times: bigint): string | null {
  if (by <= 0) return null;
  const doubled = (nanoUsd * times * 2n) / BigInt(by);
  const sign = doubled < 0n ? -1n : 1n;
  return usdOf((doubled + sign) / 2n);
}

/** The figures of a group. `withCost` false: for those who are not told what things cost. */
export function sumsJson(sums: UsageSums, withCost = true): JsonObject {
  const tokens = tokensOf(sums.units);
  const counted: JsonObject = {
    requests: sums.requests, calls: sums.calls, held_calls: sums.held, unpriced_calls: sums.unpriced, estimated_calls: sums.estimated, unmetered_calls: sums.unmetered,
    input_tokens: tokens.input, output_tokens: tokens.output, units: { ...sums.units },
  };
  if (!withCost) return counted;
  const totalNanoUsd = sums.costNanoUsd + sums.correctionsNanoUsd;
  return {
    ...counted,
    cost_usd: usdOf(sums.costNanoUsd), corrections_usd: usdOf(sums.correctionsNanoUsd), total_usd: usdOf(totalNanoUsd), held_usd: usdOf(sums.heldNanoUsd),
    usd_per_request: share(totalNanoUsd, sums.requests, 1n), usd_per_million_tokens: share(totalNanoUsd, tokens.input + tokens.output, MILLION),
  };
}

/** The labels of a group by their dimensions. */
export function labelsJson(by: readonly Dimension[], labels: readonly (string | null)[]): JsonObject {
  return Object.fromEntries(by.map((one, i) => [one, one === "tags" ? (JSON.parse(labels[i] ?? "{}") as Json) : (labels[i] ?? null)]));
}

/** A report as JSON. */
export function reportJson(report: UsageReport, by: readonly Dimension[], withCost = true): JsonObject {
  return {
    data: report.rows.map((row) => ({ ...labelsJson(by, row.labels), ...sumsJson(row, withCost) })),
    total: sumsJson(report.total, withCost),
    groups: report.groups,
    more: report.groups > report.rows.length,
  };
}

/** A group and how it changed; `null` percent where there was nothing before. */
export function moverJson(by: readonly Dimension[], { labels, nowNanoUsd, beforeNanoUsd }: Mover): JsonObject {
  const change = nowNanoUsd - beforeNanoUsd;
  const percent = beforeNanoUsd === 0n ? null : Number((change * 100_000n) / beforeNanoUsd) / 1_000;
  return { ...labelsJson(by, labels), total_usd: usdOf(nowNanoUsd), before_usd: usdOf(beforeNanoUsd), change_usd: usdOf(change), change_percent: percent };
}

const FIGURES = ["requests", "calls", "held_calls", "unpriced_calls", "estimated_calls", "unmetered_calls", "input_tokens", "output_tokens", "cost_usd", "corrections_usd", "total_usd", "held_usd", "usd_per_request", "usd_per_million_tokens"] as const;

/** A report as CSV, line by line. */
export async function* reportCsv(pieces: AsyncIterable<readonly UsageRow[]> | Iterable<readonly UsageRow[]>, by: readonly Dimension[]): AsyncGenerator<string> {
  yield csvLine([...by, ...FIGURES]);
  for await (const rows of pieces) {
    yield rows.map((row) => {
      const figures = sumsJson(row);
      return csvLine([...row.labels.map((label) => csvText(label ?? "")), ...FIGURES.map((figure) => csvNumber(figures[figure]))]);
    }).join("");
  }
}

/** A line of cells, quoted where they need it: where commas are decimal points, spreadsheets part cells by semicolons. */
export function csvLine(cells: readonly string[]): string {
  return `${cells.map((cell) => (/[",;\t\r\n]/.test(cell) ? `"${cell.replaceAll('"', '""')}"` : cell)).join(",")}\r\n`;
}

/** A text that somebody else chose: no spreadsheet takes it for a formula, not by signs of full width either. */
export function csvText(text: string): string {
  return /^[=+\-@\t\r\n＝＋－＠]/.test(text) ? `'${text}` : text;
}

function csvNumber(value: Json | undefined): string {
  return typeof value === "string" || typeof value === "number" ? String(value) : "";
}

/** Dollars and cents, for people; what is less than a cent to its last place. */
export function usdForPeople(nanoUsd: bigint): string {
  const size = nanoUsd < 0n ? -nanoUsd : nanoUsd;
  if (size > 0n && size < CENT) return usdOf(nanoUsd).replace(/0+$/, "");
  const cents = String((size + CENT / 2n) / CENT).padStart(3, "0");
  return `${nanoUsd < 0n ? "-" : ""}${cents.slice(0, -2)}.${cents.slice(-2)}`;
}
