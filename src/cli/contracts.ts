/**
 * `spillway contracts`: what was agreed with providers, and how it stands by the ledger: what of a commitment is used, left
 * and likely to be short, when the next volume step is reached, how far provisioned units are used.
 */
import { existsSync } from "node:fs";
import { parseArgs } from "node:util";
import { showError } from "../config/report.ts";
import { loadConfig } from "../config/source.ts";
import { contractsOf, mergeContracts } from "../control/kinds/contract.ts";
import { showDate } from "../decide/contract/calendar.ts";
import { commitmentLedger, type CommitmentLedger } from "../decide/contract/commitment.ts";
import { runsAt } from "../decide/contract/covers.ts";
import { decimal, usdOf } from "../decide/contract/exact.ts";
import { fixedLines, utilisation, type InvoiceLine, type Utilisation } from "../decide/contract/invoice.ts";
import { monthOf, type BillingMonth } from "../decide/contract/months.ts";
import { spendOf, type SpentRow } from "../decide/contract/spent.ts";
import type { Contract } from "../decide/contract/types.ts";
import { controlPathOf } from "../storage/control-files.ts";
import { openControlForReading } from "../storage/control.ts";
import { openReadOnly } from "../storage/data-dir.ts";
import { StorageError } from "../storage/errors.ts";
import type { Json, JsonObject } from "../wire/json.ts";
import { EXIT, table, type CommandContext } from "./context.ts";

const HELP = `spillway contracts [list] [--config FILE] [--json]
spillway contracts show <id>         what was agreed
spillway contracts forecast <id>     how it stands by the ledger, and how it will end if it goes on so
  --data-dir FOLDER                  where the ledger and managed contracts are (./.spillway)
`;

interface Flags {
  readonly action: "list" | "show" | "forecast";
  readonly id: string;
  readonly config: string | null;
  readonly json: boolean;
  readonly dataDir: string;
}

/** Run the command; gives the exit code. `nowMs`: the time by which contracts run. */
export function runContracts(args: readonly string[], context: CommandContext, nowMs: number): number {
  const flags = readFlags(args, context);
  if (typeof flags === "number") return flags;
  const loaded = loadConfig({ configFile: flags.config, ...context });
  if (!loaded.ok) {
    for (const error of loaded.errors) context.errors.write(`${showError(error)}\n`);
    return EXIT.wrong;
  }
  try {
    return tell(flags, knownContracts(loaded.config.contracts, flags.dataDir), context, nowMs);
  } catch (error) {
    if (!(error instanceof StorageError)) throw error;
    context.errors.write(`${error.message}\n`);
    return EXIT.wrong;
  }
}

/** The configuration's contracts and those of the folder that count beside them. */
export interface Known {
  readonly contracts: readonly Contract[];
  /** Ids of those in the folder. */
  readonly managed: ReadonlySet<string>;
  /** In the folder, but of no effect: one sentence each. */
  readonly leftOut: readonly string[];
}

/** What stands in the folder may be changed by a running gateway: as it is now. */
export function knownContracts(configured: readonly Contract[], dataDir: string): Known {
  const path = controlPathOf(dataDir);
  if (!existsSync(path)) return { contracts: configured, managed: new Set(), leftOut: [] };
  const reader = openControlForReading(path);
  try {
    const { contracts, leftOut } = mergeContracts(configured, contractsOf(reader.all("contract")));
    const managed = contracts.slice(configured.length).map(({ id }) => id);
    return { contracts, managed: new Set(managed), leftOut: leftOut.map(({ id, message }) => `the managed contract ${id} does not count: ${message}`) };
  } finally {
    reader.close();
  }
}

/** Throws StorageError. */
function tell(flags: Flags, { contracts, managed, leftOut }: Known, context: CommandContext, nowMs: number): number {
  const sourceOf = ({ id }: Contract): Source => (managed.has(id) ? "api" : "config");
  if (flags.action === "list") {
    for (const line of leftOut) context.errors.write(`${line}\n`);
    context.out.write(flags.json ? jsonLines(contracts.map((one) => ({ ...summary(one, nowMs), source: sourceOf(one) }))) : listText(contracts, sourceOf, nowMs));
    return EXIT.ok;
  }
  const contract = contracts.find(({ id }) => id === flags.id);
  if (contract === undefined) {
    context.errors.write(`there is no contract ${JSON.stringify(flags.id)}; ${contracts.length === 0 ? "there are none" : `known are ${contracts.map(({ id }) => id).join(", ")}`}\n`);
    return EXIT.wrong;
  }
  if (flags.action === "show") {
    context.out.write(flags.json ? jsonLines([contractJson(contract)]) : `${JSON.stringify(contractJson(contract), null, 2)}\n`);
    return EXIT.ok;
  }
  const forecast = forecastOf(contract, ledgerRows(contract, flags.dataDir), nowMs);
  context.out.write(flags.json ? jsonLines([forecastJson(contract, forecast)]) : forecastText(contract, forecast, nowMs));
  return EXIT.ok;
}

function readFlags(args: readonly string[], { env, out, errors }: CommandContext): Flags | number {
  let problem: string;
  try {
    const options = { config: { type: "string" }, json: { type: "boolean" }, "data-dir": { type: "string" }, help: { type: "boolean", short: "h" } } as const;
    const { values, positionals } = parseArgs({ args: [...args], options, allowPositionals: true });
    if (values.help === true) {
      out.write(HELP);
      return EXIT.ok;
    }
    const [action = "list", id = "", ...more] = positionals;
    const rest = { config: values.config ?? null, json: values.json === true, dataDir: values["data-dir"] ?? env["SPILLWAY_DATA_DIR"] ?? "./.spillway" };
    if (action === "list" && id === "") return { action, id, ...rest };
    if ((action === "show" || action === "forecast") && id !== "" && more.length === 0) return { action, id, ...rest };
    problem = action === "show" || action === "forecast" ? `contracts ${action} wants one id` : `there is no "contracts ${[action, id].join(" ").trim()}"`;
  } catch (error) {
    problem = error instanceof Error ? error.message : String(error);
  }
  errors.write(`${problem}\n${HELP}`);
  return EXIT.usage;
}

function ledgerRows(contract: Contract, dataDir: string): readonly SpentRow[] {
  const reader = openReadOnly(dataDir);
  try {
    return [...reader.settledOf(contract.account, contract.startMs)];
  } finally {
    reader.close();
  }
}

interface Forecast {
  readonly month: BillingMonth | null;
  /** Charged in that month, at what was covered nothing. */
  readonly chargedNanoUsd: bigint;
  readonly fixed: readonly InvoiceLine[];
  readonly commitment: CommitmentLedger | null;
  readonly use: Utilisation | null;
}

function forecastOf(contract: Contract, rows: readonly SpentRow[], nowMs: number): Forecast {
  const month = monthOf(contract, nowMs);
  const spend = spendOf(contract, rows);
  if (month === null) return { month, chargedNanoUsd: 0n, fixed: [], commitment: null, use: null };
  const within = rows.filter(({ deployment, atMs }) => atMs >= month.fromMs && atMs < month.untilMs && deployment.startsWith(`${contract.account}/`));
  const charged = spendOf({ ...contract, terms: { kind: "pay_as_you_go" } }, within);
  return {
    month,
    chargedNanoUsd: charged.reduce((sum, one) => sum + one.ratedNanoUsd, 0n),
    fixed: fixedLines(contract, month),
    commitment: commitmentLedger(contract, spend, nowMs),
    use: utilisation(contract, within, month),
  };
}

/** `api`: managed, over the admin API. */
type Source = "config" | "api";

function listText(contracts: readonly Contract[], sourceOf: (contract: Contract) => Source, nowMs: number): string {
  if (contracts.length === 0) return "There are no contracts: every call costs what the price list says.\n";
  const rows = contracts.map((one) => [one.id, one.terms.kind, `${one.account}/${one.models.join(",")}`, termText(one), stateOf(one, nowMs), sourceOf(one)]);
  return table([["contract", "kind", "covers", "term", "", ""], ...rows], "");
}

function termText({ start, endMs, timeZone }: Contract): string {
  return `${showDate(start)} to ${endMs === null ? "…" : new Date(endMs - 1).toLocaleDateString("sv-SE", { timeZone })}`;
}

function stateOf(contract: Contract, nowMs: number): "ahead" | "running" | "ended" {
  return runsAt(contract, nowMs) ? "running" : nowMs < contract.startMs ? "ahead" : "ended";
}

function summary(contract: Contract, nowMs: number): JsonObject {
  const { id, account, models, except, terms } = contract;
  return { id, kind: terms.kind, account, models: [...models], except: [...except], start: showDate(contract.start), end: contract.endMs === null ? null : termText(contract).split(" to ")[1] ?? null, state: stateOf(contract, nowMs) };
}

/** All of a contract; amounts of money as dollars. */
function contractJson(contract: Contract): JsonObject {
  const plain = JSON.parse(JSON.stringify(contract, (key, value: unknown) => (typeof value === "bigint" ? (key.includes("NanoUsd") || key.startsWith("nanoUsd") ? usdOf(value) : String(value)) : value))) as JsonObject;
  const renamed = (value: Json): Json => {
    if (Array.isArray(value)) return value.map(renamed);
    if (typeof value !== "object" || value === null) return value;
    const { year, month, day } = value as { readonly [key: string]: Json };
    if (typeof year === "number" && typeof month === "number" && typeof day === "number") return showDate({ year, month, day });
    return Object.fromEntries(Object.entries(value).map(([key, inner]) => shareOf(key, inner as Json) ?? [snake(key.replace("NanoUsd", "Usd").replace("nanoUsd", "usd")), renamed(inner as Json)]));
  };
  return renamed(plain) as JsonObject;
}

/** A share under the name and in the unit in which it is written in a configuration; null: it is none. */
function shareOf(key: string, value: Json): readonly [string, Json] | null {
  const thousandth = (one: Json | undefined): Json => (typeof one === "number" ? one / 1_000 : (one ?? null));
  if (key === "batchPermille") return ["batch_factor", thousandth(value)];
  if (key === "weightsPermille") return ["weights", Object.fromEntries(Object.entries(value ?? {}).map(([unit, weight]) => [unit, thousandth(weight as Json)]))];
  if (key === "belowMilliPercent") return ["below_percent", thousandth(value)];
  if (!/permille$/i.test(key) || typeof value !== "number") return null;
  return [snake(key.replace("Permille", "Percent").replace("permille", "percent")), value / 10];
}

function snake(name: string): string {
  return name.replace(/[A-Z]/g, (letter) => `_${letter.toLowerCase()}`);
}

function forecastText(contract: Contract, forecast: Forecast, nowMs: number): string {
  const { month, commitment, use } = forecast;
  if (month === null) return `${contract.id} is ${stateOf(contract, nowMs)}: ${termText(contract)}.\n`;
  let text = `${contract.id}, ${contract.terms.kind} of ${contract.account}, ${termText(contract)}\n\nmonth ${month.label}\n`;
  text += table([["charged so far", usdOf(forecast.chargedNanoUsd)], ...forecast.fixed.map((line) => [`${line.kind} ${line.subject}`, `${usdOf(line.amountNanoUsd)} (${line.quantity} ${line.unit})`])]);
  if (use !== null) {
    text += "\nuse of this month's capacity\n";
    text += table([
      ...use.pools.map((pool) => [pool.name, `${decimal(BigInt(pool.permille), 1)} %`, `${pool.used} of ${pool.capacity} tokens`]),
      ...(use.nanoUsdPerMillion === null ? [] : [["a million tokens came to", usdOf(use.nanoUsdPerMillion), ""]]),
    ]);
  }
  if (commitment === null) return text;
  const { nextStep, step } = commitment;
  text += `\ncommitment from ${day(commitment.periodFromMs)} until ${day(commitment.periodUntilMs)}\n`;
  text += table([
    ["committed", usdOf(commitment.committedNanoUsd)],
    ["used", usdOf(commitment.usedNanoUsd)],
    ["left", usdOf(commitment.leftNanoUsd)],
    ...(commitment.beyondNanoUsd > 0n ? [["beyond", usdOf(commitment.beyondNanoUsd)]] : []),
    ["used at the end, as it goes on", usdOf(commitment.projectedUsedNanoUsd)],
    ["then short by", usdOf(commitment.projectedShortfallNanoUsd)],
    ["used up", commitment.usedUpAtMs === null ? (commitment.leftNanoUsd === 0n ? "already" : "not in this period") : day(commitment.usedUpAtMs)],
    ["volume step", step === null ? "none yet" : `${decimal(BigInt(step.permille), 1)} % from ${usdOf(step.fromNanoUsd)}`],
    ...(nextStep === null ? [] : [["next step", `${decimal(BigInt(nextStep.permille), 1)} % from ${usdOf(nextStep.fromNanoUsd)}: ${usdOf(nextStep.leftNanoUsd)} to go, ${nextStep.expectedAtMs === null ? "not in this period" : day(nextStep.expectedAtMs)}`]]),
    ["true-up at the end", usdOf(commitment.projectedTrueUpNanoUsd)],
  ]);
  if (commitment.months.length > 0) text += `\n${table([["month", "rated", "billed", "shortfall"], ...commitment.months.map((one) => [one.label, usdOf(one.ratedNanoUsd), usdOf(one.billedNanoUsd), usdOf(one.shortfallNanoUsd)])])}`;
  return text;
}

function forecastJson(contract: Contract, { month, chargedNanoUsd, fixed, commitment, use }: Forecast): JsonObject {
  const at = (ms: number | null): Json => (ms === null ? null : new Date(ms).toISOString());
  return {
    contract: contract.id,
    version: contract.version,
    month: month?.label ?? null,
    charged_usd: usdOf(chargedNanoUsd),
    fixed: fixed.map((line) => ({ kind: line.kind, subject: line.subject, quantity: line.quantity, unit: line.unit, amount_usd: usdOf(line.amountNanoUsd) })),
    use: use === null ? null : {
      pools: use.pools.map((pool) => ({ name: pool.name, used_tokens: String(pool.used), capacity_tokens: String(pool.capacity), percent: pool.permille / 10 })),
      usd_per_million_tokens: use.nanoUsdPerMillion === null ? null : usdOf(use.nanoUsdPerMillion),
    },
    commitment: commitment === null ? null : {
      from: at(commitment.periodFromMs), until: at(commitment.periodUntilMs),
      committed_usd: usdOf(commitment.committedNanoUsd), used_usd: usdOf(commitment.usedNanoUsd), left_usd: usdOf(commitment.leftNanoUsd), beyond_usd: usdOf(commitment.beyondNanoUsd),
      projected_used_usd: usdOf(commitment.projectedUsedNanoUsd), projected_shortfall_usd: usdOf(commitment.projectedShortfallNanoUsd), used_up_at: at(commitment.usedUpAtMs),
      step_percent: commitment.step === null ? 0 : commitment.step.permille / 10,
      next_step: commitment.nextStep === null ? null : {
        from_usd: usdOf(commitment.nextStep.fromNanoUsd), percent: commitment.nextStep.permille / 10, left_usd: usdOf(commitment.nextStep.leftNanoUsd), expected_at: at(commitment.nextStep.expectedAtMs),
      },
      projected_true_up_usd: usdOf(commitment.projectedTrueUpNanoUsd),
      months: commitment.months.map((one) => ({ month: one.label, rated_usd: usdOf(one.ratedNanoUsd), billed_usd: usdOf(one.billedNanoUsd), shortfall_usd: usdOf(one.shortfallNanoUsd) })),
    },
  };
}

function day(atMs: number): string {
  return new Date(atMs).toISOString().slice(0, 10);
}

function jsonLines(values: readonly JsonObject[]): string {
  return values.map((value) => `${JSON.stringify(value)}\n`).join("");
}
