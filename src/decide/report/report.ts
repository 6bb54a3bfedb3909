/** The whole report of a month: a section for each route and each provider's contract, and one digest over theirs. */
import type { Json } from "../../wire/json.ts";
import { canonical, hashed, type NewHash } from "./canonical.ts";
import { ContractFold, type ContractSection, type ContractSpan } from "./contract-section.ts";
import { RouteFold, type RouteSection, type RouteSpan } from "./route-section.ts";
import type { BadRequest, MinuteEvent } from "./types.ts";

export const REPORT_FORMAT = "spillway-report-1";

export interface Report {
  readonly format: typeof REPORT_FORMAT;
  /** `2026-10` */
  readonly month: string;
  /** false: the month was not over; events still come. */
  readonly complete: boolean;
  /** Over the digests of all sections. */
  readonly digest: string;
  readonly routes: readonly RouteSection[];
  readonly contracts: readonly ContractSection[];
}

export interface ReportPlan {
  readonly month: string;
  readonly complete: boolean;
  readonly routes: readonly RouteSpan[];
  readonly contracts: readonly ContractSpan[];
}

/**
 * Makes the report. Events in their order (see `canonical.ts`), each list from the first to the last instant of any section: they
 * are gone through once, so that a month need not lie in memory.
 */
export function makeReport(plan: ReportPlan, events: { readonly minutes: Iterable<MinuteEvent>; readonly bad: Iterable<BadRequest> }, hash: NewHash): Report {
  const routes = plan.routes.map((span) => ({ span, fold: new RouteFold(span, hash) }));
  const contracts = plan.contracts.map((span) => new ContractFold(span, hash));
  const byRoute = new Map<string, typeof routes>();
  for (const one of routes) byRoute.set(one.span.route, [...(byRoute.get(one.span.route) ?? []), one]);
  for (const event of events.minutes) {
    for (const { fold } of byRoute.get(event.route) ?? []) fold.add(event);
    for (const fold of contracts) fold.add(event);
  }
  for (const bad of events.bad) {
    for (const { fold } of byRoute.get(bad.route) ?? []) fold.addBad(bad);
    for (const fold of contracts) fold.addBad(bad);
  }
  const sections = { routes: routes.map(({ fold }) => fold.finish()), contracts: contracts.map((fold) => fold.finish()) };
  return { format: REPORT_FORMAT, month: plan.month, complete: plan.complete, digest: digestOf(plan.month, plan.complete, sections, hash), ...sections };
}

function digestOf(month: string, complete: boolean, { routes, contracts }: Pick<Report, "routes" | "contracts">, hash: NewHash): string {
  const digests: Json = [...routes, ...contracts].map(({ digest }) => digest);
  return hashed(canonical({ format: REPORT_FORMAT, month, complete, sections: digests }), hash);
}

/** From the first to the last instant of any section. */
export function spanOf(plan: ReportPlan): { readonly fromMs: number; readonly untilMs: number } {
  const froms = [...plan.routes.map(({ fromMs }) => fromMs), ...plan.contracts.map(({ month }) => month.fromMs)];
  const untils = [...plan.routes, ...plan.contracts].map(({ untilMs }) => untilMs);
  return froms.length === 0 ? { fromMs: 0, untilMs: 0 } : { fromMs: Math.min(...froms), untilMs: Math.max(...untils) };
}
