/**
 * Finished requests for people: a line each in 120 columns, and below it, where something failed or is flagged, what did and
 * why. Whoever needs more asks for `--json`.
 */
import { convert, nanoText, type Display } from "../decide/currency.ts";
import type { RequestView } from "../storage/rows.ts";
import { usdText } from "../wire/money.ts";
import { plainText } from "../wire/plain-text.ts";
import { INPUT_UNITS, OUTPUT_UNITS, type Unit, type UnitCounts } from "../wire/usage.ts";
import { attemptsOf, nowOf, sumCosts, sumUnits } from "../storage/request-json.ts";

const WIDTH = 120;
const LEFT = [14, 20, 20, 26] as const;
const RIGHT = [3, 6, 5, 12, 6] as const;
const INDENT = " ".repeat(LEFT[0] + 1);

/** The head of the table, in dollars or in the currency of listings. */
export function tableHead(display: Display | null): string {
  return line(["at (UTC)", "outcome", "model", "deployment"], ["try", "in", "out", display === null ? "cost_usd" : `cost ${display.currency}`, "ms"]);
}

/** The line of a request, and those on why it went wrong. */
export function tableLines(told: RequestView, display: Display | null): string {
  const view = nowOf(told);
  const record = view.record;
  const units = record?.units ?? sumUnits(view.attempts);
  const attempts = attemptsOf(view);
  const cost = sumCosts(attempts.map((attempt) => attempt.costNanoUsd));
  const row = line(
    [
      new Date(view.atMs).toISOString().slice(5, 19).replace("T", " "),
      record === null ? "unknown" : (record.errorCode ?? record.outcome),
      record?.model ?? "-",
      record?.deployment ?? view.attempts.at(-1)?.deployment ?? "-",
    ],
    [
      String(attempts.length),
      String(total(units, INPUT_UNITS)),
      String(total(units, OUTPUT_UNITS)),
      cost === null ? "-" : `${isAbout(record?.flags ?? []) ? "≈" : ""}${costText(cost, display, view.atMs)}`,
      record === null ? "-" : String(Math.round(record.totalMs)),
    ],
  );
  return row + wrapped(notes(view));
}

/** In the currency of listings by the rate of its day; with a dollar sign where none held yet. */
function costText(nanoUsd: number, display: Display | null, atMs: number): string {
  const converted = display === null ? null : convert(nanoUsd, display, atMs);
  return converted !== null ? nanoText(converted) : `${display === null ? "" : "$"}${usdText(nanoUsd)}`;
}

/** A price that sources dispute, or that is from memory. */
const DOUBTS: ReadonlySet<string> = new Set(["price_disputed", "price_from_memory"]);

/** Is the cost an estimate, or by a price that is in doubt? */
function isAbout(flags: readonly string[]): boolean {
  return flags.some((flag) => flag === "estimated" || DOUBTS.has(flag) || flag.startsWith("price_guess:"));
}

/** What failed on the way, what was not tried and why, and the flags; nothing where all went as it should. */
function notes(view: RequestView): readonly string[] {
  const { record } = view;
  const failed = attemptsOf(view).flatMap(({ json: { outcome, deployment, status } }) =>
    typeof outcome !== "string" || FINE.has(outcome) ? [] : [`${typeof deployment === "string" ? deployment : "-"} ${typeof status === "number" ? `${status} ` : ""}${outcome}`],
  );
  // A doubt about a price shows in the cost.
  const flags = (record?.flags ?? ["orphan"]).filter((flag) => !DOUBTS.has(flag));
  const went = record !== null && record.outcome !== "ok";
  return [
    ...(went ? [`${record.outcome}, status ${record.status}${record.route === record.model ? "" : `, route ${record.route}`}`] : []),
    ...grouped(failed),
    ...(went ? grouped(passedOver(record.decision["filtered"])).map((one) => `not tried: ${one}`) : []),
    ...(flags.length === 0 ? [] : [`flags ${flags.join(", ")}`]),
  ];
}

/** Outcomes of attempts that are nobody's failure, or told by the request's own. */
const FINE: ReadonlySet<string> = new Set(["answered", "superseded", "client_gone", "orphan"]);

function passedOver(filtered: unknown): readonly string[] {
  if (!Array.isArray(filtered)) return [];
  return filtered.map((one: Readonly<Record<string, unknown>>) => `${String(one["deployment"])} ${String(one["detail"])}`);
}

function grouped(said: readonly string[]): readonly string[] {
  const times = new Map<string, number>();
  for (const one of said) times.set(one, (times.get(one) ?? 0) + 1);
  return [...times].map(([one, count]) => (count === 1 ? one : `${one} (${count} times)`));
}

/** Notes in lines below their request, none longer than the table is wide. */
function wrapped(parts: readonly string[]): string {
  const lines: string[] = [];
  for (const part of parts.map((one) => clipped(one, WIDTH - INDENT.length - 1))) {
    const last = lines.at(-1);
    if (last !== undefined && INDENT.length + last.length + 2 + part.length < WIDTH) lines[lines.length - 1] = `${last}; ${part}`;
    else lines.push(part);
  }
  return lines.map((text) => `${INDENT}${text}\n`).join("");
}

function line(left: readonly string[], right: readonly string[]): string {
  const cells = [...left.map((value, column) => clipped(value, LEFT[column] ?? 0).padEnd(LEFT[column] ?? 0)), ...right.map((value, column) => value.padStart(RIGHT[column] ?? 0))];
  return `${cells.join(" ").trimEnd()}\n`;
}

/** The middle of a name that is too long is left out: both of its ends tell it from others. */
function clipped(whole: string, width: number): string {
  const text = plainText(whole);
  if (text.length <= width) return text;
  const head = Math.floor((width - 1) / 2);
  return `${text.slice(0, head)}…${text.slice(text.length - (width - 1 - head))}`;
}

function total(units: UnitCounts, classes: readonly Unit[]): number {
  return classes.reduce((sum, unit) => sum + (units[unit] ?? 0), 0);
}
