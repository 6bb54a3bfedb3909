/** A provider's lines beside the ledger of a data folder, at the prices that are known. Reads, and changes nothing. */
import { spanAt } from "../decide/budget/periods.ts";
import { priceUsage } from "../decide/price.ts";
import { reconcile, windowOf } from "../decide/reconcile/reconcile.ts";
import type { Evidence, LedgerCall, Reconciled, ValueOf, Window } from "../decide/reconcile/types.ts";
import type { Adjustment } from "../storage/adjust.ts";
import type { AttemptReader } from "../storage/attempts.ts";
import type { AttemptView } from "../storage/rows.ts";
import type { InvoiceLine } from "../wire/invoice.ts";
import { deploymentsFrom, type RerateWorld } from "./rerate.ts";

export interface ReconcileOrder {
  readonly account: string;
  readonly lines: readonly InvoiceLine[];
  /** null: what the lines are about. */
  readonly fromMs: number | null;
  readonly toMs: number | null;
  /** Whose days the lines' days are. */
  readonly timeZone: string;
}
export type ReconcileReply = { readonly kind: "done"; readonly window: Window; readonly result: Reconciled; readonly paidByTeams: number } | { readonly kind: "refused"; readonly message: string };

/** Calls of the day before and after may be counted into the window by others. */
const SLACK_MS = 86_400_000;
/** Flag of a call of which its provider's invoice said what it was. */
export const RECONCILED = "reconciled";

/** The bounds of the day that an instant is in. */
export function dayIn(timeZone: string): (ms: number) => Window {
  return (ms) => {
    const { startMs, endMs } = spanAt("day", timeZone, ms);
    return { fromMs: startMs, toMs: endMs };
  };
}

/** Put lines and calls side by side. */
export function reconcileLines(world: RerateWorld, attempts: Pick<AttemptReader, "between">, { account, lines, fromMs, toMs, timeZone }: ReconcileOrder): ReconcileReply {
  if (!world.config.accounts.some(({ name }) => name === account)) return { kind: "refused", message: `the configuration ${world.config.source} has no account ${account}; it has ${world.config.accounts.map(({ name }) => name).join(", ") || "none"}` };
  const dayOf = dayIn(timeZone);
  const told = windowOf(lines, dayOf);
  const window = { fromMs: fromMs ?? told?.fromMs, toMs: toMs ?? told?.toMs };
  if (window.fromMs === undefined || window.toMs === undefined) return { kind: "refused", message: "no line says when it was; give --from and --to" };
  const bounds: Window = { fromMs: window.fromMs, toMs: window.toMs };
  if (bounds.toMs <= bounds.fromMs) return { kind: "refused", message: "--to is not later than --from" };
  const calls: LedgerCall[] = [];
  let paidByTeams = 0;
  for (const view of attempts.between({ fromMs: bounds.fromMs - SLACK_MS, toMs: bounds.toMs + SLACK_MS, account })) {
    // A team's own credential has an invoice of its own.
    if (view.scopes.includes("paid_by/team")) paidByTeams++;
    else calls.push(callOf(view));
  }
  const inside = lines.filter((line) => line.fromMs === null || line.toMs === null || (line.fromMs < bounds.toMs && (line.toMs > bounds.fromMs || line.fromMs >= bounds.fromMs)));
  return { kind: "done", window: bounds, paidByTeams, result: reconcile({ account, calls, lines: inside, window: bounds, valueOf: valuing(world, bounds.fromMs - SLACK_MS), dayOf }) };
}

function callOf({ attemptId, requestId, deployment, atMs, settledMs, state, units, costNanoUsd, boundNanoUsd, flags, priceVersion }: AttemptView): LedgerCall {
  const model = deployment.slice(deployment.indexOf("/") + 1);
  return { attemptId, requestId, deployment, model, atMs, endMs: settledMs ?? atMs, state, units, costNanoUsd, boundNanoUsd, flags, priceVersion };
}

function valuing(world: RerateWorld, fromMs: number): ValueOf {
  const deploymentOf = deploymentsFrom(world, fromMs);
  return (id, units, atMs, tier) => {
    const pricing = deploymentOf(id)?.pricing;
    return pricing === undefined ? null : priceUsage(pricing, { units, raw: null, ...(tier === null ? {} : { serviceTier: tier }) }, { wallMs: atMs }).costNanoUsd;
  };
}

/** What calls that we estimated are to say by the evidence. */
export function adjustmentsOf(evidence: readonly Evidence[]): readonly Adjustment[] {
  return evidence.flatMap(({ call, units, costNanoUsd }) => {
    if (costNanoUsd === call.costNanoUsd) return [];
    const flags = [...call.flags.filter((flag) => flag !== "estimated" && flag !== "usage_partial"), RECONCILED];
    return [{ attemptId: call.attemptId, wasNanoUsd: call.costNanoUsd, costNanoUsd, state: "charged" as const, units, flags, priceVersion: call.priceVersion }];
  });
}
