/** What a month's report is about: routes with their own months, contracts with their billing months and bills. */
import { fixedLines } from "../decide/contract/invoice.ts";
import { instantOf } from "../decide/contract/calendar.ts";
import { coversDeployment } from "../decide/contract/covers.ts";
import { monthsUntil, type BillingMonth } from "../decide/contract/months.ts";
import type { Contract } from "../decide/contract/types.ts";
import type { Objective } from "../decide/objective/types.ts";
import type { ContractSpan } from "../decide/report/contract-section.ts";
import { spanOf, type ReportPlan } from "../decide/report/report.ts";
import type { RouteSpan } from "../decide/report/route-section.ts";
import { MINUTE_MS } from "../decide/report/types.ts";
import type { OutcomeReader, Promised } from "../storage/outcomes-reader.ts";
import type { SettledRow } from "../storage/reader.ts";

const DAY_MS = 86_400_000;
/** A request of the month's last minute may go on for a while. */
const LAST_END_MS = 3_600_000;

export interface PlanInput {
  readonly month: { readonly year: number; readonly month: number; readonly label: string };
  readonly nowMs: number;
  readonly events: Pick<OutcomeReader, "promised">;
  readonly contracts: readonly Contract[];
  /** Of an account, from an instant on. */
  readonly settled: (account: string, fromMs: number) => Iterable<SettledRow>;
  /** null: all. */
  readonly route: string | null;
  readonly contract: string | null;
  readonly downPermille: number;
}

/** The plan of a month. */
export function planReport(input: PlanInput): ReportPlan {
  const routes = input.contract !== null && input.route === null ? [] : routeSpans(input);
  const contracts = input.route !== null && input.contract === null ? [] : contractSpans(input);
  const ends = [...routes.map(({ route, zone }) => ({ route, endMs: monthOf(zone, input).untilMs })), ...contracts.map(({ month }) => ({ endMs: month.untilMs }))];
  return { month: input.month.label, complete: ends.every(({ endMs }) => input.nowMs >= endMs + LAST_END_MS), routes, contracts };
}

function monthOf(zone: string, { month: { year, month } }: Pick<PlanInput, "month">): { readonly fromMs: number; readonly untilMs: number } {
  const next = month === 12 ? { year: year + 1, month: 1, day: 1 } : { year, month: month + 1, day: 1 };
  return { fromMs: instantOf(zone, { year, month, day: 1 }), untilMs: instantOf(zone, next) };
}

/** A section for each time zone in which the route's objectives have their months. */
function routeSpans(input: PlanInput): readonly RouteSpan[] {
  const utc = monthOf("UTC", input);
  const found = input.events.promised(utc.fromMs - DAY_MS, utc.untilMs + DAY_MS).filter(({ route }) => input.route === null || route === input.route);
  const byRoute = new Map<string, Promised[]>();
  for (const one of found) byRoute.set(one.route, [...(byRoute.get(one.route) ?? []), one]);
  return [...byRoute].flatMap(([route, versions]) => {
    const named = [...new Set(versions.flatMap(({ objectives }) => objectives.flatMap(({ window }) => (window.kind === "month" ? [window.zone] : []))))].toSorted();
    const zones = named.length === 0 ? ["UTC"] : named;
    return zones.map((zone, i): RouteSpan => {
      const { fromMs, untilMs } = monthOf(zone, input);
      const of = (objectives: readonly Objective[]): readonly Objective[] => objectives.filter(({ window }) => (window.kind === "month" ? window.zone === zone : i === 0));
      const objectives = new Map(versions.filter(({ version }) => version !== "").map((one) => [one.version, of(one.objectives)]));
      return { route, zone, fromMs, untilMs: Math.min(untilMs, lastMinute(input)), objectives };
    });
  });
}

function contractSpans(input: PlanInput): readonly ContractSpan[] {
  const { untilMs } = monthOf("UTC", input);
  return input.contracts.filter(({ id }) => input.contract === null || id === input.contract).flatMap((contract) =>
    monthsUntil(contract, Math.min(untilMs + DAY_MS, input.nowMs)).filter(({ label }) => label.slice(0, 7) === input.month.label).map((month): ContractSpan => ({
      contract, month, untilMs: Math.min(month.untilMs, lastMinute(input)), billNanoUsd: billOf(contract, month, input), downPermille: input.downPermille,
    })));
}

/** What the provider charged in the month by the ledger, and what its contract costs besides. */
function billOf(contract: Contract, month: BillingMonth, { settled }: PlanInput): bigint {
  let sum = fixedLines(contract, month).reduce((total, line) => total + line.amountNanoUsd, 0n);
  for (const row of settled(contract.account, month.fromMs)) {
    if (row.atMs < month.untilMs && coversDeployment(contract, row.deployment)) sum += BigInt(row.costNanoUsd ?? 0);
  }
  return sum;
}

function lastMinute({ nowMs }: PlanInput): number {
  return Math.floor(nowMs / MINUTE_MS) * MINUTE_MS;
}

/** Is there anything to tell? */
export function isEmpty(plan: ReportPlan): boolean {
  const { fromMs, untilMs } = spanOf(plan);
  return untilMs <= fromMs;
}
