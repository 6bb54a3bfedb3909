/** The limits on money and pace that are in force: those of the configuration and those of the control store. */
import type { Config } from "../config/types.ts";
import { budgetsOf } from "../control/kinds/budget.ts";
import { limitsOf, type LimitRule } from "../control/kinds/limit.ts";
import type { ControlStore } from "../control/types.ts";
import type { Budget } from "../decide/budget/types.ts";
import type { Log } from "../ports.ts";
import { withTheirs } from "./joined-copy.ts";

/** Kinds of objects whose change changes them. */
const KINDS: ReadonlySet<string> = new Set(["budget", "limit"]);

export interface LimitsInForce {
  readonly budgets: readonly Budget[];
  readonly rules: readonly LimitRule[];
}

/** Everything that binds now. `theirs`: budgets of the configuration of the authority that was joined, null: none was. */
export function limitsInForce(config: Config, store: Pick<ControlStore, "all">, theirs: readonly Budget[] | null = null, log?: Log): LimitsInForce {
  const { budgets, ungranted } = withTheirs(config.budgets, theirs);
  if (ungranted.length > 0) log?.warn("budgets_not_at_authority", { budgets: ungranted.join(", "), hint: "nothing is granted of them, so calls that they bind are refused; the authority's configuration has to have them too" });
  return {
    budgets: [...budgets, ...[...store.all("budget")].flatMap(budgetsOf)],
    rules: [...config.limits, ...[...store.all("limit")].flatMap(limitsOf)],
  };
}

/** Tells when something of it has changed in the store. */
export function onLimitsChanged(store: Pick<ControlStore, "onChange">, changed: () => void): void {
  store.onChange((changes) => {
    if (changes.some(({ kind }) => KINDS.has(kind))) changed();
  });
}
