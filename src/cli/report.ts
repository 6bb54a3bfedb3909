/** `spillway report`: what was promised in a month, what was kept, and what a provider owes; made from events, and made again to check it. */
import { readFileSync, writeFileSync } from "node:fs";
import { basename, resolve } from "node:path";
import { parseArgs } from "node:util";
import { showError } from "../config/report.ts";
import { loadConfig } from "../config/source.ts";
import { scaled } from "../decide/contract/exact.ts";
import { documentOf } from "../decide/report/document.ts";
import { htmlOf } from "../decide/report/html.ts";
import { markdownOf } from "../decide/report/markdown.ts";
import { makeReport, spanOf, type Report, type ReportPlan } from "../decide/report/report.ts";
import { contradictionsIn, differences, planOf, readReport, reportJson } from "../decide/report/verify.ts";
import { openReadOnly } from "../storage/data-dir.ts";
import { StorageError } from "../storage/errors.ts";
import { OutcomeReader } from "../storage/outcomes-reader.ts";
import { sha256 } from "../storage/outcomes.ts";
import type { Json } from "../wire/json.ts";
import { plainText } from "../wire/plain-text.ts";
import { EXIT, type CommandContext } from "./context.ts";
import { knownContracts } from "./contracts.ts";
import { isFileError, unwritable } from "./output-file.ts";
import { isEmpty, planReport } from "./report-plan.ts";

const HELP = `spillway report --month 2026-10 [--route NAME] [--scope ID] [--contract ID] [--format json|md|html]
                [--out FILE]
What was promised in a month and what was kept: attainment, exclusions, incidents, latency, cost of reliability, and each
provider's uptime with the credit that its contract gives. --format: by the ending of --out
(.json, .md, .html), else md.
--scope ID         a promise of the section \`objectives\`, to keys, teams and others
--verify FILE      make the report FILE (JSON) again from the events: are they, its digest and its figures the same?
--verify           with --month: do counts and rows of the month agree?
--down-from N      a provider's minute is down where at least N percent of its calls failed (50)
--config FILE, --data-dir FOLDER (./.spillway)
`;
const FORMATS = ["json", "md", "html"] as const;
type Format = (typeof FORMATS)[number];
const FORMAT_OF_ENDING: Readonly<Record<string, Format>> = { json: "json", md: "md", markdown: "md", html: "html", htm: "html" };

interface Flags {
  readonly month: { readonly year: number; readonly month: number; readonly label: string } | null;
  readonly route: string | null;
  readonly scope: string | null;
  readonly contract: string | null;
  readonly format: Format;
  readonly out: string | null;
  /** null: no. "": the month. Else a file. */
  readonly verify: string | null;
  readonly downPermille: number;
  readonly config: string | null;
  readonly dataDir: string;
}

/** Run the command; gives the exit code. */
export function runReport(args: readonly string[], context: CommandContext, nowMs: number): number {
  const flags = readFlags(args, context);
  if (typeof flags === "number") return flags;
  try {
    const events = new OutcomeReader(flags.dataDir);
    try {
      return flags.verify === null || flags.verify === "" ? tell(flags, events, context, nowMs) : verify(flags.verify, events, context);
    } finally {
      events.close();
    }
  } catch (error) {
    if (!(error instanceof StorageError) && !isFileError(error)) throw error;
    return wrong(context, error.message);
  }
}

function tell(flags: Flags, events: OutcomeReader, context: CommandContext, nowMs: number): number {
  const plan = planOfMonth(flags, events, context, nowMs);
  if (plan === null) return EXIT.wrong;
  const report = made(plan, events);
  if (flags.verify === "") return tellAgreement(report, context);
  const text = textOf(report, flags.format);
  if (flags.out === null) context.out.write(text);
  else {
    writeFileSync(resolve(context.cwd, flags.out), text);
    context.out.write(`${flags.out}: ${report.month}${report.complete ? "" : " so far"}, digest ${report.digest}\n`);
  }
  return EXIT.ok;
}

function planOfMonth(flags: Flags, events: OutcomeReader, context: CommandContext, nowMs: number): ReportPlan | null {
  const { month, route, scope, contract, downPermille } = flags;
  if (month === null) throw new TypeError("a month was checked for before");
  const loaded = loadConfig({ configFile: flags.config, ...context });
  if (!loaded.ok) {
    for (const error of loaded.errors) context.errors.write(`${showError(error)}\n`);
    return null;
  }
  const { contracts } = knownContracts(loaded.config.contracts, flags.dataDir);
  const ledger = openReadOnly(flags.dataDir);
  let plan: ReportPlan;
  try {
    plan = planReport({ month, nowMs, events, contracts, settled: (account, fromMs) => ledger.settledOf(account, fromMs), route, scope, contract, downPermille });
  } finally {
    ledger.close();
  }
  if (!isEmpty(plan)) return plan;
  const extent = events.extent();
  const day = (ms: number): string => new Date(ms).toISOString().slice(0, 10);
  const there = extent === null ? "there are no events yet" : `there are events from ${day(extent.fromMs)} to ${day(extent.untilMs - 1)}`;
  const whose = route !== null ? ` of the route ${JSON.stringify(route)}` : scope !== null ? ` of the objectives ${JSON.stringify(scope)}` : contract !== null ? ` of the contract ${JSON.stringify(contract)}` : "";
  context.errors.write(`spillway: nothing${plainText(whose)} in ${month.label}: ${there}\n`);
  return null;
}

function made(plan: ReportPlan, events: OutcomeReader): Report {
  const { fromMs, untilMs } = spanOf(plan);
  return makeReport(plan, { minutes: events.minutes(fromMs, untilMs), scopeMinutes: events.scopeMinutes(fromMs, untilMs), bad: events.bad(fromMs, untilMs) }, sha256);
}

function textOf(report: Report, format: Format): string {
  if (format === "json") return `${JSON.stringify(reportJson(report), null, 2)}\n`;
  const blocks = documentOf(report);
  return format === "md" ? markdownOf(blocks) : htmlOf(blocks, `Service report ${report.month}`);
}

function tellAgreement(report: Report, context: CommandContext): number {
  const wrongs = contradictionsIn(report).map((one) => `${plainText(one)}\n`);
  context.out.write(wrongs.length > 0 ? wrongs.join("") : `${report.month}: counts and rows agree. Digest ${report.digest}\n`);
  return wrongs.length > 0 ? EXIT.wrong : EXIT.ok;
}

function verify(file: string, events: OutcomeReader, context: CommandContext): number {
  const told = reportIn(file);
  if (told === null) return wrong(context, `${file} is no report as JSON (spillway report --format json)`);
  let again: Report;
  try {
    again = made(planOf(told), events);
  } catch (error) {
    if (!(error instanceof TypeError) && !(error instanceof RangeError)) throw error;
    return wrong(context, `${file} cannot be made again by what it says itself: ${error.message}`);
  }
  const found = differences(told, again);
  for (const one of found) context.out.write(`${plainText(one)}\n`);
  if (found.length > 0) return EXIT.wrong;
  const sum = (of: "minutes" | "badRequests"): number => [...again.routes, ...again.scopes, ...again.contracts].reduce((total, { events: one }) => total + one[of], 0);
  context.out.write(`${file}: made again from ${sum("minutes")} counts of minutes and ${sum("badRequests")} rows of bad requests: the same digest ${again.digest}, the same figures\n`);
  return EXIT.ok;
}

function reportIn(file: string): Report | null {
  const text = readFileSync(file, "utf8");
  try {
    return readReport(JSON.parse(text) as Json);
  } catch (error) {
    if (error instanceof SyntaxError) return null;
    throw error;
  }
}

function readFlags(args: readonly string[], context: CommandContext): Flags | number {
  const text = { type: "string" } as const;
  let problem: string;
  try {
    const options = { month: text, route: text, scope: text, contract: text, format: text, out: text, verify: text, "down-from": text, config: text, "data-dir": text, help: { type: "boolean", short: "h" } } as const;
    const { values } = parseArgs({ args: withVerify(args), options });
    if (values.help === true) {
      context.out.write(HELP);
      return EXIT.ok;
    }
    const month = monthIn(values.month);
    const ending = /\.(\w+)$/.exec(basename(values.out ?? ""))?.[1]?.toLowerCase() ?? "";
    const format = values.format ?? (values.out === undefined ? "md" : FORMAT_OF_ENDING[ending]);
    const noPlace = values.out === undefined ? null : unwritable(resolve(context.cwd, values.out));
    const down = scaled(values["down-from"] ?? "50", 1);
    const verifying = values.verify ?? null;
    if (values.month !== undefined && month === null) problem = `--month takes a year and a month such as 2026-10, got "${values.month}"`;
    else if (month === null && (verifying === null || verifying === "")) problem = "--month is missing";
    else if (format === undefined) problem = `--out ends in .json, .md or .html, or --format says what is to be written: got "${values.out ?? ""}"`;
    else if (noPlace !== null) return wrong(context, noPlace);
    else if (!isFormat(format)) problem = `--format takes ${FORMATS.join(", ")}, got "${format}"`;
    else if (down === null || down < 1n || down > 1_000n) problem = `--down-from takes a percentage above 0 up to 100, got "${values["down-from"] ?? ""}"`;
    else {
      return {
        month, format, route: values.route ?? null, scope: values.scope ?? null, contract: values.contract ?? null, out: values.out ?? null, verify: verifying, downPermille: Number(down),
        config: values.config ?? null, dataDir: values["data-dir"] ?? context.env["SPILLWAY_DATA_DIR"] ?? "./.spillway",
      };
    }
  } catch (error) {
    problem = error instanceof Error ? error.message : String(error);
  }
  context.errors.write(`spillway: ${problem}\n${HELP}`);
  return EXIT.usage;
}

/** `--verify` may stand without a file. */
function withVerify(args: readonly string[]): string[] {
  return args.map((one, i) => (one === "--verify" && (args[i + 1] ?? "--").startsWith("--") ? "--verify=" : one));
}

function monthIn(text: string | undefined): Flags["month"] {
  const match = /^(\d{4})-(0[1-9]|1[0-2])$/.exec(text ?? "");
  return match === null || Number(match[1]) < 1970 ? null : { year: Number(match[1]), month: Number(match[2]), label: match[0] };
}

function isFormat(word: string): word is Format {
  return FORMATS.some((one) => one === word);
}

function wrong(context: CommandContext, message: string): number {
  context.errors.write(`spillway: ${plainText(message)}\n`);
  return EXIT.wrong;
}
