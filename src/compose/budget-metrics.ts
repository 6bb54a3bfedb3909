/** What budgets stand at, as gauges: exact nano-dollars, so that sums can be checked to the last one. */
import { viewsOf } from "../decide/budget/view.ts";
import type { BudgetBook } from "../decide/budget/book.ts";

/** More budgets than this are for the admin API, not for every scrape. */
const BUDGETS_MAX = 1_000;

/** Lines for the metrics page; none where there are no budgets. */
export function budgetGauges(book: BudgetBook, wallMs: number): string {
  const views = viewsOf(book, wallMs).slice(0, BUDGETS_MAX);
  if (views.length === 0) return "";
  const gauge = (name: string, help: string, value: (view: (typeof views)[number]) => number): string =>
    `# HELP ${name} ${help}\n# TYPE ${name} gauge\n${views.map((view) => `${name}{budget="${escaped(view.budget.id)}"} ${value(view)}\n`).join("")}`;
  return (
    gauge("spillway_budget_limit_nano_usd", "Limits of budgets.", (view) => view.budget.limitNanoUsd) +
    gauge("spillway_budget_settled_nano_usd", "Spent in the present period.", (view) => view.settledNanoUsd) +
    gauge("spillway_budget_held_nano_usd", "Held for calls under way, and granted to joined processes.", (view) => view.heldNanoUsd) +
    gauge("spillway_budget_overrun_nano_usd", "Billed by providers beyond what was held.", (view) => view.overrunNanoUsd)
  );
}

function escaped(text: string): string {
  return text.replaceAll("\\", "\\\\").replaceAll('"', '\\"').replaceAll("\n", "\\n");
}
