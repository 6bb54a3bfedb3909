/** How a budget stands: what is spent and held in its present period, what is left, and when it will be used up. */
import type { BudgetView } from "../decide/budget/view.ts";
import { findObject, type Managed } from "../control/manage.ts";
import type { JsonObject } from "../wire/json.ts";
import { usdText } from "../wire/money.ts";
import type { ConfiguredObject } from "./objects.ts";
import { AdminProblem, ok, type AdminAnswer, type AdminCall, type AdminRoute } from "./types.ts";

export interface BalanceSettings {
  readonly managed: Managed;
  readonly configured: (kind: string) => readonly ConfiguredObject[];
  /** The parts of a budget, one for each model and route that it names; none for one of single requests. */
  readonly standing: (budgetId: string) => readonly BudgetView[];
}

const MONEY = { type: "string", description: "Dollars, exact" } as const;
const TIME = { type: ["string", "null"], format: "date-time" } as const;

/** The route of balances. */
export function balanceRoute(settings: BalanceSettings): AdminRoute {
  const part: JsonObject = {
    type: "object",
    required: ["scopes", "period", "limit_usd", "settled_usd", "held_usd", "left_usd", "overrun_usd", "resets_at", "forecast"],
    properties: {
      scopes: { type: "array", items: { type: "string" } }, period: { type: "string", description: "2026-11-23, 2026-W48, 2026-11 or total" }, limit_usd: MONEY, settled_usd: MONEY, held_usd: MONEY, left_usd: MONEY,
      overrun_usd: { ...MONEY, description: "What providers billed beyond the bounds that were held" }, used_percent: { type: ["number", "null"] }, starts_at: TIME, resets_at: TIME, forecast: { type: "object" },
    },
  };
  return {
    method: "GET", path: "/admin/v1/budgets/:id/balance", name: "getBalance", tag: "budgets", summary: "How a budget stands in its present period",
    answers: { status: 200, description: "One entry for each model and route that the budget names", schema: { type: "object", required: ["id", "data"], properties: { id: { type: "string" }, data: { type: "array", items: part } } } },
    run: (call) => balance(settings, call),
  };
}

function balance({ managed, configured, standing }: BalanceSettings, call: AdminCall): AdminAnswer {
  const id = call.params["id"] ?? "";
  const own = call.tenant === "default" && configured("budget").some((one) => one.id === id);
  if (!own && findObject(managed, { kind: "budget", tenant: call.tenant }, id) === undefined) throw new AdminProblem(404, "not_found", `There is no budget ${id}.`);
  return ok({ id, data: standing(id).map(viewJson) });
}

/** One budget's standing. */
export function viewJson(view: BudgetView): JsonObject {
  const { budget, periodKey, startsAtMs, resetsAtMs, settledNanoUsd, heldNanoUsd, overrunNanoUsd, leftNanoUsd, usedPermille, forecast } = view;
  return {
    scopes: budget.scopes, kind: budget.kind, period: periodKey, limit_usd: usdText(budget.limitNanoUsd), settled_usd: usdText(settledNanoUsd), held_usd: usdText(heldNanoUsd), left_usd: usdText(leftNanoUsd), overrun_usd: usdText(overrunNanoUsd),
    used_percent: usedPermille === null ? null : usedPermille / 10, starts_at: instant(startsAtMs), resets_at: instant(resetsAtMs), forecast: forecastJson(forecast),
  };
}

function forecastJson({ periodPerHourNanoUsd, recentPerHourNanoUsd, atEndNanoUsd, exhaustsAtMs }: BudgetView["forecast"]): JsonObject {
  return { period_usd_per_hour: usdOrNull(periodPerHourNanoUsd), recent_usd_per_hour: usdOrNull(recentPerHourNanoUsd), at_end_usd: usdOrNull(atEndNanoUsd), exhausts_at: instant(exhaustsAtMs) };
}

/** Forecasts are rates: rounded to the nearest nano-dollar. */
function usdOrNull(nanoUsd: number | null): string | null {
  return nanoUsd === null ? null : usdText(Math.round(nanoUsd));
}

function instant(ms: number | null): string | null {
  return ms === null ? null : new Date(ms).toISOString();
}
