/** The whole report of a month: a section for each route, each promise to keys or teams and each provider's contract, and one digest over theirs. */
import type { Json } from "../../wire/json.ts";
import { canonical, hashed, type NewHash } from "./canonical.ts";
import { ContractFold, type ContractSection, type ContractSpan } from "./contract-section.ts";
import { RouteFold, type RouteSection, type RouteSpan } from "./route-section.ts";
import { ScopeFold, type ScopeSection, type ScopeSpan } from "./scope-section.ts";
import type { BadRequest, MinuteEvent } from "./types.ts";

export const REPORT_FORMAT = "spillway-report-2";
/** Before promises to keys and teams, the objective of a contract and refusals at the door were told. */
export const FIRST_FORMAT = "spillway-report-1";
export type ReportFormat = typeof REPORT_FORMAT | typeof FIRST_FORMAT;

export interface Report {
  readonly format: ReportFormat;
  /** `2026-10` */
  readonly month: string;
  /** false: the month was not over; events still come. */
  readonly complete: boolean;
  /** Over the digests of all sections. */
  readonly digest: string;
  readonly routes: readonly RouteSection[];
  /** Promises to keys, teams and others. */
  readonly scopes: readonly ScopeSection[];
  readonly contracts: readonly ContractSection[];
}

export interface ReportPlan {
  /** What is to be told; the first one to make an old report again. */
  readonly format: ReportFormat;
  readonly month: string;
  readonly complete: boolean;
  readonly routes: readonly RouteSpan[];
  readonly scopes: readonly ScopeSpan[];
  readonly contracts: readonly ContractSpan[];
}

export interface ReportEvents {
  /** Of routes. */
  readonly minutes: Iterable<MinuteEvent>;
  /** Of promises to keys, teams and others, whose id stands for the route. */
  readonly scopeMinutes: Iterable<MinuteEvent>;
  readonly bad: Iterable<BadRequest>;
}

/**
 * Makes the report. Events in their order (see `canonical.ts`), each list from the first to the last instant of any section: they
 * are gone through once, so that a month need not lie in memory.
 */
export function makeReport(plan: ReportPlan, events: ReportEvents, hash: NewHash): Report {
  const routes = plan.routes.map((span) => ({ name: span.route, fold: new RouteFold(span, hash) }));
  const scopes = plan.scopes.map((span) => ({ name: span.scope, fold: new ScopeFold(span, hash) }));
  const contracts = plan.contracts.map((span) => new ContractFold(span, hash));
  const byRoute = byName(routes);
  const byScope = byName(scopes);
  for (const event of events.minutes) {
    for (const fold of byRoute.get(event.route) ?? []) fold.add(event);
    for (const fold of contracts) fold.add(event);
  }
  for (const event of events.scopeMinutes) for (const fold of byScope.get(event.route) ?? []) fold.add(event);
  for (const bad of events.bad) {
    for (const fold of byRoute.get(bad.route) ?? []) fold.addBad(bad);
    for (const { id } of bad.scoped ?? []) for (const fold of byScope.get(id) ?? []) fold.addBad(bad);
    for (const fold of contracts) fold.addBad(bad);
  }
  const sections = { routes: routes.map(({ fold }) => fold.finish()), scopes: scopes.map(({ fold }) => fold.finish()), contracts: contracts.map((fold) => fold.finish()) };
  const { format, month, complete } = plan;
  const report = { format, month, complete, digest: digestOf(plan, sections, hash), ...sections };
  return format === FIRST_FORMAT ? asFirst(report) : report;
}

function byName<T>(folds: readonly { readonly name: string; readonly fold: T }[]): ReadonlyMap<string, readonly T[]> {
  const found = new Map<string, T[]>();
  for (const { name, fold } of folds) found.set(name, [...(found.get(name) ?? []), fold]);
  return found;
}

function digestOf({ format, month, complete }: ReportPlan, { routes, scopes, contracts }: Pick<Report, "routes" | "scopes" | "contracts">, hash: NewHash): string {
  const digests: Json = [...routes, ...scopes, ...contracts].map(({ digest }) => digest);
  return hashed(canonical({ format, month, complete, sections: digests }), hash);
}

/** Without what the first format did not tell. */
function asFirst(report: Report): Report {
  return {
    ...report,
    routes: report.routes.map(({ refused: _refused, ...told }) => told),
    contracts: report.contracts.map(({ objective: _objective, ...told }) => told),
  };
}

/** From the first to the last instant of any section. */
export function spanOf(plan: ReportPlan): { readonly fromMs: number; readonly untilMs: number } {
  const froms = [...[...plan.routes, ...plan.scopes].map(({ fromMs }) => fromMs), ...plan.contracts.map(({ month }) => month.fromMs)];
  const untils = [...plan.routes, ...plan.scopes, ...plan.contracts].map(({ untilMs }) => untilMs);
  return froms.length === 0 ? { fromMs: 0, untilMs: 0 } : { fromMs: Math.min(...froms), untilMs: Math.max(...untils) };
}
