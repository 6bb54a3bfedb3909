/** What a month's report is about: routes with their own months, contracts with their billing months and bills. */
import { fixedLines } from "../decide/contract/invoice.ts";
import { instantOf } from "../decide/contract/calendar.ts";
import { coversDeployment } from "../decide/contract/covers.ts";
import { monthsUntil, type BillingMonth } from "../decide/contract/months.ts";
import type { Contract } from "../decide/contract/types.ts";
import type { Objective } from "../decide/objective/types.ts";
import type { ContractSpan } from "../decide/report/contract-section.ts";
import { REPORT_FORMAT, spanOf, type ReportPlan } from "../decide/report/report.ts";
import type { RouteSpan } from "../decide/report/route-section.ts";
import type { ScopeSpan } from "../decide/report/scope-section.ts";
import { MINUTE_MS } from "../decide/report/types.ts";
import type { OutcomeReader, Promised } from "../storage/outcomes-reader.ts";
import type { SettledRow } from "../storage/reader.ts";

const DAY_MS = 86_400_000;
/** A request of the month's last minute may go on for a while. */
const LAST_END_MS = 3_600_000;

export interface PlanInput {
  readonly month: { readonly year: number; readonly month: number; readonly label: string };
  readonly nowMs: number;
  readonly events: Pick<OutcomeReader, "promised" | "promisedToScopes">;
  readonly contracts: readonly Contract[];
  /** Of an account, from an instant on. */
  readonly settled: (account: string, fromMs: number) => Iterable<SettledRow>;
  /** null: all. */
  readonly route: string | null;
  /** Of promises to keys and teams, by id. */
  readonly scope: string | null;
  readonly contract: string | null;
  readonly downPermille: number;
}

/** The plan of a month. */
export function planReport(input: PlanInput): ReportPlan {
  const { route, scope, contract } = input;
  // Where something is named, only the like of it is told.
  const all = route === null && scope === null && contract === null;
  const routes = all || route !== null ? routeSpans(input) : [];
  const scopes = all || scope !== null ? scopeSpans(input) : [];
  const contracts = all || contract !== null ? contractSpans(input) : [];
  const ends = [...[...routes, ...scopes].map(({ zone }) => monthOf(zone, input).untilMs), ...contracts.map(({ month }) => month.untilMs)];
  return { format: REPORT_FORMAT, month: input.month.label, complete: ends.every((endMs) => input.nowMs >= endMs + LAST_END_MS), routes, scopes, contracts };
}

function monthOf(zone: string, { month: { year, month } }: Pick<PlanInput, "month">): { readonly fromMs: number; readonly untilMs: number } {
  const next = month === 12 ? { year: year + 1, month: 1, day: 1 } : { year, month: month + 1, day: 1 };
  return { fromMs: instantOf(zone, { year, month, day: 1 }), untilMs: instantOf(zone, next) };
}

function routeSpans(input: PlanInput): readonly RouteSpan[] {
  const found = input.events.promised(...around(input)).filter(({ route }) => input.route === null || route === input.route);
  return [...grouped(found, ({ route }) => route)].flatMap(([route, versions]) =>
    monthsOf(versions, input).map(({ of, ...span }): RouteSpan => ({
      route, ...span, objectives: new Map(versions.filter(({ version }) => version !== "").map((one) => [one.version, of(one.objectives)])),
    })));
}

function scopeSpans(input: PlanInput): readonly ScopeSpan[] {
  const found = input.events.promisedToScopes(...around(input)).filter(({ scope }) => input.scope === null || scope === input.scope);
  return [...grouped(found, ({ scope }) => scope)].flatMap(([scope, versions]) =>
    monthsOf(versions, input).map(({ of, ...span }): ScopeSpan => ({
      scope, ...span, promises: new Map(versions.map(({ version, scopes, objectives }) => [version, { scopes, objectives: of(objectives) }])),
    })));
}

/** All that may be in the month by the clocks of any time zone. */
function around(input: PlanInput): readonly [fromMs: number, untilMs: number] {
  const { fromMs, untilMs } = monthOf("UTC", input);
  return [fromMs - DAY_MS, untilMs + DAY_MS];
}

function grouped<T>(list: readonly T[], by: (one: T) => string): ReadonlyMap<string, readonly T[]> {
  const groups = new Map<string, T[]>();
  for (const one of list) groups.set(by(one), [...(groups.get(by(one)) ?? []), one]);
  return groups;
}

/** The month in each time zone in which objectives have theirs, and which of them are told there. */
function monthsOf(versions: readonly Pick<Promised, "objectives">[], input: PlanInput) {
  const named = [...new Set(versions.flatMap(({ objectives }) => objectives.flatMap(({ window }) => (window.kind === "month" ? [window.zone] : []))))].toSorted();
  const zones = named.length === 0 ? ["UTC"] : named;
  return zones.map((zone, i) => {
    const { fromMs, untilMs } = monthOf(zone, input);
    const of = (objectives: readonly Objective[]): readonly Objective[] => objectives.filter(({ window }) => (window.kind === "month" ? window.zone === zone : i === 0));
    return { zone, fromMs, untilMs: Math.min(untilMs, lastMinute(input)), of };
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
