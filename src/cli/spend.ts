/** `spillway spend`: what was spent by whom on what, read from the data folder, while the gateway runs or not. */
import { resolve } from "node:path";
import { parseArgs } from "node:util";
import { FOCUS_BY, focusCsv } from "../admin/focus.ts";
import { labelsJson, moverJson, reportCsv, sumsJson, tokensOf, usdForPeople } from "../admin/usage-view.ts";
import { loadConfig } from "../config/source.ts";
import { usageQueryOf } from "../control/report-terms.ts";
import { QueryError, type Dimension, type Mover, type UsageQuery, type UsageReport } from "../control/reports.ts";
import { StorageError } from "../storage/errors.ts";
import { openUsage, type OpenUsage } from "../storage/usage.ts";
import { asString, isObject } from "../wire/json.ts";
import { controlPathOf } from "../storage/control-files.ts";
import { openControlForReading } from "../storage/control.ts";
import { EXIT, table, type CommandContext } from "./context.ts";
import { displayAtHand } from "./display.ts";
import { shownIn, shownInDollars, type Shown, type Spent } from "./spend-display.ts";

const HELP = `spillway spend [--by team,day] [--from 2026-11-01] [--to 2026-12-01] [filters] [--json | --csv | --focus | --movers]
What was spent, from the month's first until now. --to is not included; days are those of --time-zone (UTC).
--by       key, member, team, project, route, model, provider, deployment, paid_by, tag:<name>, day, week, month; several with commas
filters    --key --member --team --project --route --model --provider --deployment NAME, --tag name=value, --paid-by team
--csv      all groups as CSV; --focus: with the column names of FOCUS 1.2, by day
--movers   whose spend changed most against as much time before
--limit N  groups shown (50)
--json     one JSON object a line, the total last
The table is in the display currency of the configuration; movers, --json, --csv and --focus are in dollars.
--organisation ID (default), --data-dir FOLDER
`;
const LIMIT = 50;
const WORDS = ["by", "from", "to", "time-zone", "key", "member", "team", "project", "route", "model", "provider", "deployment", "paid-by"] as const;

/** Runs the command; resolves with the exit code. */
export async function runSpend(args: readonly string[], context: CommandContext): Promise<number> {
  let parsed;
  try {
    const flag = { type: "boolean", default: false } as const;
    const text = { type: "string" } as const;
    parsed = parseArgs({
      args: [...args],
      options: {
        by: text, from: text, to: text, "time-zone": text, key: text, member: text, team: text, project: text, route: text, model: text, provider: text, deployment: text, "paid-by": text,
        tag: { type: "string", multiple: true }, limit: text, organisation: text, "data-dir": text, json: flag, csv: flag, focus: flag, movers: flag, help: { ...flag, short: "h" },
      },
    });
  } catch (error) {
    return wrong(context, `${(error as Error).message}\n\n${HELP}`, EXIT.usage);
  }
  const { values } = parsed;
  if (values.help) {
    context.out.write(HELP);
    return EXIT.ok;
  }
  const limit = values.limit === undefined ? LIMIT : Number(values.limit);
  if (!Number.isInteger(limit) || limit < 1) return wrong(context, `--limit takes a whole number, got "${values.limit ?? ""}"`, EXIT.usage);
  const words = new Map<string, string>();
  for (const word of WORDS) if (values[word] !== undefined) words.set(word.replaceAll("-", "_"), values[word]);
  for (const tag of values.tag ?? []) {
    const equals = tag.indexOf("=");
    if (equals < 1) return wrong(context, `--tag takes name=value, got "${tag}"`, EXIT.usage);
    words.set(`tag:${tag.slice(0, equals)}`, tag.slice(equals + 1));
  }
  const organisation = values.organisation ?? "default";
  const query = usageQueryOf(words, organisation, Date.now());
  if (!("by" in query)) return wrong(context, query.map(({ field, message }) => `--${field.replaceAll("_", "-")}: ${message}`).join("; "), EXIT.usage);
  if (values.focus && query.by.length > 0) return wrong(context, "--focus has rows of its own, by day: leave out --by", EXIT.usage);
  if (values.movers && query.by.length === 0) return wrong(context, "--movers needs --by", EXIT.usage);
  const folder = values["data-dir"] ?? context.env["SPILLWAY_DATA_DIR"] ?? "./.spillway";
  try {
    const usage = openUsage(resolve(folder));
    try {
      if (values.focus) await writeAll(focusCsv([usage.rows({ ...query, by: FOCUS_BY, timeZone: "UTC" })], { organisation, providerOf: providerOf(context), teamName: (id) => teamName(folder, id), nowMs: Date.now() }), context);
      else if (values.csv) await writeAll(reportCsv([usage.rows(query)], query.by), context);
      else if (values.movers) tellMovers(usage.movers(query, limit), query.by, values.json, context);
      else tellReport(usage, query, limit, values.json, context);
      return EXIT.ok;
    } finally {
      usage.close();
    }
  } catch (error) {
    if (!(error instanceof StorageError) && !(error instanceof QueryError)) throw error;
    return wrong(context, error.message);
  }
}

async function writeAll(parts: AsyncIterable<string>, context: CommandContext): Promise<void> {
  for await (const part of parts) context.out.write(part);
}

function tellReport(usage: OpenUsage, query: UsageQuery, limit: number, json: boolean, context: CommandContext): void {
  const report = usage.report(query, limit);
  const { by } = query;
  if (json) {
    if (by.length > 0) for (const row of report.rows) context.out.write(`${JSON.stringify({ ...labelsJson(by, row.labels), ...sumsJson(row) })}\n`);
    context.out.write(`${JSON.stringify({ total: true, from: instant(query.fromMs), to: instant(query.toMs), ...sumsJson(report.total), groups: report.groups })}\n`);
    return;
  }
  context.out.write(`${instant(query.fromMs)} to ${instant(query.toMs)}\n`);
  const display = displayAtHand(context);
  const shown = display === null ? null : shownIn(display, usage, query);
  if (display !== null && shown === null) context.out.write(`In dollars: there is no rate of ${display.currency} for some of this time.\n`);
  context.out.write(table(reportTable(report, by, shown ?? shownInDollars(report)), ""));
  if (report.groups > report.rows.length) context.out.write(`… and ${report.groups - report.rows.length} more (--limit, --csv)\n`);
  const { unpriced, held } = report.total;
  if (unpriced > 0) context.out.write(`${unpriced} calls have a cost that is not known and stand in no sum.\n`);
  if (held > 0) context.out.write(`${held} calls are not settled yet: at most $${usdForPeople(report.total.heldNanoUsd)} more.\n`);
}

function reportTable(report: UsageReport, by: readonly Dimension[], shown: Shown): readonly (readonly string[])[] {
  const figures = ({ requests, units }: UsageReport["total"], { costNanoUsd, correctionsNanoUsd }: Spent): readonly string[] => {
    const tokens = tokensOf(units);
    return [String(requests), String(tokens.input), String(tokens.output), usdForPeople(costNanoUsd), usdForPeople(correctionsNanoUsd), usdForPeople(costNanoUsd + correctionsNanoUsd)];
  };
  const head = [...by, "requests", "in", "out", shown.currency, "corrected", "total"];
  const rows = by.length === 0 ? [] : report.rows.map((row) => [...row.labels.map((label) => label ?? "-"), ...figures(row, shown.of(row.labels))]);
  return [head, ...rows, [...by.map((_, i) => (i === 0 ? "all" : "")), ...figures(report.total, shown.of(null))]];
}

function tellMovers(movers: readonly Mover[], by: readonly Dimension[], json: boolean, context: CommandContext): void {
  if (json) for (const mover of movers) context.out.write(`${JSON.stringify(moverJson(by, mover))}\n`);
  else context.out.write(table([[...by, "before", "now", "change"], ...movers.map(({ labels, nowNanoUsd, beforeNanoUsd }) => [...labels.map((label) => label ?? "-"), usdForPeople(beforeNanoUsd), usdForPeople(nowNanoUsd), usdForPeople(nowNanoUsd - beforeNanoUsd)])], ""));
}

/** Providers of accounts, as far as the configuration at hand names them. */
function providerOf(context: CommandContext): (account: string) => string | null {
  const loaded = loadConfig({ configFile: null, env: context.env, cwd: context.cwd, providers: context.providers });
  return (account) => (loaded.ok ? (loaded.config.accounts.find(({ name }) => name === account)?.provider.name ?? null) : null);
}

function teamName(folder: string, id: string): string | null {
  const reader = openControlForReading(controlPathOf(folder));
  try {
    const body = reader.get("team", id)?.body;
    return isObject(body) ? (asString(body["name"]) ?? null) : null;
  } finally {
    reader.close();
  }
}

function instant(ms: number): string {
  return new Date(ms).toISOString().replace(/\.\d+Z$/, "Z");
}

function wrong(context: CommandContext, message: string, code: number = EXIT.wrong): number {
  context.errors.write(`spillway: ${message}\n`);
  return code;
}
