/** What is told of each event, in words and facts. Amounts are dollars, as the ledger has them. */
import type { BudgetAlert } from "../decide/budget/book.ts";
import type { Balance, Budget, PeriodKey } from "../decide/budget/types.ts";
import type { BudgetView } from "../decide/budget/view.ts";
import { listed, takenWords } from "../decide/budget/words.ts";
import type { PriceChange } from "../decide/price-watch.ts";
import type { SpikeEvent } from "../decide/spike.ts";
import type { Caller, ReserveResult } from "../ports.ts";
import { usdShort } from "../wire/money.ts";
import type { Notice } from "../wire/notice.ts";

const HOUR_MS = 3_600_000;
const DAY_MS = 24 * HOUR_MS;
/** A threshold is told once a period by the budgets themselves; this keeps a repeat within it away, too. */
const PERIOD_MS = 31 * DAY_MS;
const FORECAST_MS = DAY_MS;

/** A threshold that was crossed. */
export function budgetAlertNotice({ budget, periodKey, permille, balance }: BudgetAlert, atMs: number): Notice {
  const percent = `${permille / 10} %`;
  const full = permille >= 1_000;
  const then = !full ? "" : budget.kind === "hard" ? " Nothing more is admitted under it." : " It is soft: calls go on.";
  return {
    kind: "budget_alert",
    severity: full && budget.kind === "hard" ? "critical" : "warning",
    title: `${percent} of the budget ${budget.id} is spent`,
    text: `$${usdShort(balance.settledNanoUsd)} of $${usdShort(budget.limitNanoUsd)} ${whenOf(budget, periodKey)} is spent by ${whoOf(budget)}${heldText(balance)}.${then}`,
    fields: { ...fieldsOf(budget, periodKey, balance), threshold_percent: permille / 10 },
    dedupKey: `budget_alert/${budget.id}/${periodKey}/${budget.limitNanoUsd}/${permille}`,
    dedupMs: PERIOD_MS,
    atMs,
    tenant: tenantOf(budget),
    scopes: budget.scopes,
  };
}

/** A provider billed beyond the bound that was held. `nanoUsd`: since the last look. */
export function overrunNotice(budget: Budget, periodKey: PeriodKey, nanoUsd: number, balance: Balance, atMs: number): Notice {
  return {
    kind: "overrun",
    severity: "critical",
    title: `Billed $${usdShort(nanoUsd)} beyond what was held under the budget ${budget.id}`,
    text: `A provider billed more than the bound of a call of ${whoOf(budget)}, ${whenOf(budget, periodKey)}: $${usdShort(balance.overrunNanoUsd)} in all. It is counted; until it is covered the budget admits nothing beyond its limit. The rows are flagged in spillway requests.`,
    fields: { ...fieldsOf(budget, periodKey, balance), overrun_usd: usdShort(balance.overrunNanoUsd) },
    dedupKey: `overrun/${budget.id}/${periodKey}/${balance.overrunNanoUsd}`,
    atMs,
    tenant: tenantOf(budget),
    scopes: budget.scopes,
  };
}

/** A request that a limit on money forbade. Told once an hour for each limit. */
export function refusedNotice(caller: Pick<Caller, "tenant" | "key">, why: Extract<ReserveResult, { kind: "refused" }>, atMs: number): Notice {
  return {
    kind: "budget_refused",
    severity: "warning",
    title: `Requests are refused: the budget of ${why.scope}`,
    text: `${why.message} The first that was refused came by the key ${caller.key}.`,
    fields: { ...(why.budget === undefined ? {} : { budget: why.budget }), scope: why.scope, key: caller.key, resets_at: why.resetsAtMs === null ? null : new Date(why.resetsAtMs).toISOString() },
    dedupKey: `budget_refused/${why.scope}`,
    atMs,
    tenant: caller.tenant,
    scopes: [...new Set([...why.scope.split(" + "), `key/${caller.key}`])],
  };
}

/** The limit will be reached before the period ends. `entry`: how often it came to look like that. */
export function forecastNotice(view: BudgetView, exhaustsAtMs: number, entry: number, atMs: number): Notice {
  const { budget, periodKey, forecast, resetsAtMs } = view;
  const hours = (exhaustsAtMs - atMs) / HOUR_MS;
  const soon = hours < 48 ? `in ${Math.max(1, Math.round(hours))} h` : `in ${Math.round(hours / 24)} days`;
  const atEnd = forecast.atEndNanoUsd === null ? "" : ` At this rate $${usdShort(roundedCents(forecast.atEndNanoUsd))} would be spent by its end.`;
  return {
    kind: "forecast",
    severity: "warning",
    title: `The budget ${budget.id} will be used up ${soon}`,
    text: `$${usdShort(view.settledNanoUsd)} of $${usdShort(budget.limitNanoUsd)} ${whenOf(budget, periodKey)} is spent by ${whoOf(budget)}; the limit is reached about ${new Date(exhaustsAtMs).toISOString().slice(0, 16)}Z${resetsAtMs === null ? "" : `, and it begins anew at ${new Date(resetsAtMs).toISOString()}`}.${atEnd}`,
    fields: { ...fieldsOf(budget, periodKey, view), exhausts_at: new Date(exhaustsAtMs).toISOString(), at_end_usd: forecast.atEndNanoUsd === null ? null : usdShort(forecast.atEndNanoUsd) },
    dedupKey: `forecast/${budget.id}/${periodKey}/${entry}`,
    dedupMs: FORECAST_MS,
    atMs,
    tenant: tenantOf(budget),
    scopes: budget.scopes,
  };
}

/** Changes of one account together, where there are many. */
const TOLD_ALONE = 5;

/** Other prices than before. */
export function priceNotices(changes: readonly PriceChange[], atMs: number): readonly Notice[] {
  const byAccount = new Map<string, PriceChange[]>();
  for (const change of changes) {
    const list = byAccount.get(change.account);
    if (list === undefined) byAccount.set(change.account, [change]);
    else list.push(change);
  }
  return [...byAccount].flatMap(([account, list]) => {
    const common = { kind: "price_changed", atMs, tenant: "default" } as const;
    const severity = list.some(({ dearer }) => dearer) ? "warning" : "info";
    if (list.length > TOLD_ALONE) {
      const dearer = list.filter((change) => change.dearer).length;
      const names = list.slice(0, 20).map(({ deployment }) => deployment).join(", ");
      return [{ ...common, severity, title: `The prices of ${list.length} models at ${account} changed, ${dearer} of them upwards`, text: `${names}${list.length > 20 ? ", …" : ""}. spillway prices show tells what is in force.`, fields: { account, changed: list.length, dearer }, dedupKey: `price_changed/${account}/${atMs}`, scopes: [`provider/${account}`] }];
    }
    return list.map(({ deployment, words, fromVersion, toVersion, dearer }): Notice => ({
      ...common,
      severity: dearer ? "warning" : "info",
      title: `The price of ${deployment} changed`,
      text: `${words.join("; ")}.${dearer ? " Routes with on_cost_spike: move put it last for a day." : ""}`,
      fields: { deployment, version_before: fromVersion, version_now: toVersion },
      dedupKey: `price_changed/${deployment}/${fromVersion}/${toVersion ?? ""}/${words.join()}`,
      scopes: [`provider/${account}`, `model/${deployment.slice(account.length + 1)}`],
    }));
  });
}

/** A deployment's calls became dearer than they were, or are no longer. */
export function spikeNotice({ kind, spike, why }: SpikeEvent, atMs: number): Notice {
  const { deployment, by } = spike;
  const account = deployment.slice(0, deployment.indexOf("/"));
  return {
    kind: "cost_spike",
    severity: kind === "began" ? "warning" : "info",
    title: kind === "began" ? `Calls of ${deployment} became dearer` : `The cost spike of ${deployment} is over`,
    text: kind === "began" ? `${sentence(why)}. Routes with on_cost_spike: move put it last while that lasts.` : `${sentence(why)}.`,
    fields: { deployment, by, usual_usd: spike.wasNanoUsd === null ? null : usdShort(spike.wasNanoUsd), now_usd: spike.isNanoUsd === null ? null : usdShort(spike.isNanoUsd), since: new Date(spike.sinceMs).toISOString() },
    dedupKey: `cost_spike/${deployment}/${kind}/${spike.sinceMs}`,
    atMs,
    tenant: "default",
    scopes: [`provider/${account}`, `model/${deployment.slice(account.length + 1)}`],
  };
}

const EXCLUDED: Readonly<Record<string, string>> = {
  payment: "its provider wants to be paid: the credit is used up, or a limit there is reached",
  auth: "its provider refuses the credential",
  residency: "its provider does not serve this place",
};

/** An account whose credential is taken out, or serves again. */
export function accountNotice(account: string, reason: string | null, atMs: number): Notice {
  const common = { fields: { account, reason }, atMs, tenant: "default", scopes: [`provider/${account}`] } as const;
  if (reason === null) return { ...common, kind: "provider_restored", severity: "info", title: `The account ${account} serves again`, text: `Its credential was accepted.`, dedupKey: `provider_restored/${account}/${atMs}` };
  return {
    ...common,
    kind: "provider_excluded",
    severity: "critical",
    title: `The account ${account} is taken out: ${reason}`,
    text: `${sentence(EXCLUDED[reason] ?? reason)}. Its deployments serve nothing; one request tries it every five minutes, at a reload, and by: spillway providers retry ${account}.`,
    dedupKey: `provider_excluded/${account}/${reason}`,
  };
}

function fieldsOf(budget: Budget, periodKey: PeriodKey, balance: Balance): Record<string, string | number> {
  return { budget: budget.id, scopes: budget.scopes.join(" + "), period: periodKey, limit_usd: usdShort(budget.limitNanoUsd), settled_usd: usdShort(balance.settledNanoUsd), held_usd: usdShort(balance.heldNanoUsd) };
}

function tenantOf(budget: Budget): string {
  return budget.scopes.find((scope) => scope.startsWith("tenant/"))?.slice("tenant/".length) ?? "default";
}

/** Whom it binds; the organisation is said where it says something. */
function whoOf({ scopes }: Budget): string {
  const others = scopes.filter((scope) => scope !== "tenant/default");
  return (others.length === 0 ? scopes : others).join(" + ");
}

function whenOf({ period }: Budget, periodKey: PeriodKey): string {
  return period === "total" ? "in all" : `for ${periodKey}`;
}

function heldText(balance: Balance): string {
  const taken = takenWords(balance);
  return taken.length === 0 ? "" : `, and ${listed(taken)}`;
}

function roundedCents(nanoUsd: number): number {
  return Math.round(nanoUsd / 10_000_000) * 10_000_000;
}

function sentence(text: string): string {
  return text.charAt(0).toUpperCase() + text.slice(1);
}
