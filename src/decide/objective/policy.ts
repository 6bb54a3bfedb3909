/**
 * What a route does as its error budget runs out. An owner says which act begins at how much of it left; it ends when a little more
 * than that is left again, so that a budget at the edge does not switch it with each request. Pure.
 */

export const BUDGET_ACTS = ["freeze_canaries", "freeze_cascades", "reliability_first", "refuse_low"] as const;
/**
 * `freeze_canaries`: no traffic to candidates on trial. `freeze_cascades`: no cheap first try. `reliability_first`: the price no
 * longer counts. `refuse_low`: new requests of low importance are refused.
 */
export type BudgetAct = (typeof BUDGET_ACTS)[number];

export interface BudgetStep {
  /** Share of the error budget: at or below it the acts are in force. */
  readonly left: number;
  readonly acts: readonly BudgetAct[];
}
export interface ErrorBudgetPolicy {
  /** From the most left to the least. What an earlier step began goes on in the later ones. */
  readonly steps: readonly BudgetStep[];
}

/** What is in force now. */
export interface BudgetEffects {
  /** Steps of the policy that were reached, for telling and for the next look. */
  readonly reached: number;
  readonly freezeCanaries: boolean;
  readonly freezeCascades: boolean;
  readonly reliabilityFirst: boolean;
  readonly refuseLow: boolean;
}

/** Where a route has objectives and says nothing else. */
export const DEFAULT_BUDGET_POLICY: ErrorBudgetPolicy = {
  steps: [
    { left: 0.5, acts: ["freeze_canaries", "freeze_cascades"] },
    { left: 0.1, acts: ["reliability_first"] },
    { left: 0, acts: ["refuse_low"] },
  ],
};
export const NO_BUDGET_POLICY: ErrorBudgetPolicy = { steps: [] };

/** Nothing is in force. */
export const NO_EFFECTS: BudgetEffects = Object.freeze({ reached: 0, freezeCanaries: false, freezeCascades: false, reliabilityFirst: false, refuseLow: false });

/** So much more has to be left before a step is over. */
const OVER_AFTER = 0.02;

/** What is in force with so much left of the scarcest of a route's error budgets, after `before`. The same object where nothing changed. */
export function budgetEffects({ steps }: ErrorBudgetPolicy, left: number, before: BudgetEffects = NO_EFFECTS): BudgetEffects {
  let reached = 0;
  for (const [index, step] of steps.entries()) {
    const held = index < before.reached;
    if (left <= step.left + (held ? OVER_AFTER : 0)) reached = index + 1;
  }
  const acts = new Set(steps.slice(0, reached).flatMap((step) => step.acts));
  const now: BudgetEffects = {
    reached,
    freezeCanaries: acts.has("freeze_canaries"),
    freezeCascades: acts.has("freeze_cascades"),
    reliabilityFirst: acts.has("reliability_first"),
    refuseLow: acts.has("refuse_low"),
  };
  // By its acts too: the owner may have changed what a step that is reached does.
  return isSame(now, before) ? before : now;
}

function isSame(one: BudgetEffects, other: BudgetEffects): boolean {
  return one.reached === other.reached && one.freezeCanaries === other.freezeCanaries && one.freezeCascades === other.freezeCascades && one.reliabilityFirst === other.reliabilityFirst && one.refuseLow === other.refuseLow;
}
