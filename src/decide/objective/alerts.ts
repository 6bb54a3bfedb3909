/**
 * When people are told that an error budget burns: three rules, each over a long span and a short one. The long span says that it
 * matters, the short one that it still goes on, so an alert ends within its short span. To be asked every ten seconds. Pure but for
 * its own state: time comes in.
 */
import type { Json, JsonObject } from "../../wire/json.ts";
import type { BurnSpan, ObjectiveWindows } from "./windows.ts";

/** How often the rules are looked at. */
export const EVALUATE_EVERY_MS = 10_000;
/** Below so many valid requests in the long span a few failures say little: nobody is called for them. */
export const LOW_TRAFFIC = 100;

export interface BurnRule {
  readonly id: "page_fast" | "page_slow" | "ticket";
  readonly severity: "page" | "ticket";
  readonly factor: number;
  readonly long: BurnSpan;
  readonly short: BurnSpan;
}

/** 2 % of a month's budget in an hour, 5 % in six, 10 % in three days. */
export const BURN_RULES: readonly BurnRule[] = [
  { id: "page_fast", severity: "page", factor: 14.4, long: "1h", short: "5m" },
  { id: "page_slow", severity: "page", factor: 6, long: "6h", short: "30m" },
  { id: "ticket", severity: "ticket", factor: 1, long: "3d", short: "6h" },
];

/** `low_traffic`: it would page, but too little was asked to tell. */
export type AlertState = "quiet" | "firing" | "low_traffic";

export interface BurnAlert {
  readonly rule: BurnRule;
  readonly state: AlertState;
  /** Since when it is so. */
  readonly sinceMs: number;
  readonly burnLong: number;
  readonly burnShort: number;
  readonly validLong: number;
}
/** A rule that changed: `firing` and `low_traffic` began, `quiet` is over. `was`: what it was before. */
export interface BurnEvent extends BurnAlert {
  readonly was: AlertState;
}

/** Room for what sums of shares lose. */
const ROUNDING = 1e-9;

/** The rules on one objective. */
export class BurnAlerts {
  readonly #states = new Map<BurnRule["id"], { state: AlertState; sinceMs: number }>();

  /** Look at all rules now; what changed since the last look. */
  evaluate(windows: Burning, wallMs: number): readonly BurnEvent[] {
    let events: BurnEvent[] | null = null;
    for (const rule of BURN_RULES) {
      const state = stateOf(rule, windows, wallMs);
      const was = this.#states.get(rule.id)?.state ?? "quiet";
      if (state === was) continue;
      this.#states.set(rule.id, { state, sinceMs: wallMs });
      (events ??= []).push({ ...this.#alert(rule, windows, wallMs), was });
    }
    return events ?? NONE;
  }

  /** What is not watched any longer: all that had begun is over. */
  end(windows: Burning, wallMs: number): readonly BurnEvent[] {
    const begun = BURN_RULES.filter(({ id }) => (this.#states.get(id)?.state ?? "quiet") !== "quiet");
    return begun.map((rule) => {
      const was = this.#states.get(rule.id)?.state ?? "quiet";
      this.#states.set(rule.id, { state: "quiet", sinceMs: wallMs });
      return { ...this.#alert(rule, windows, wallMs), was };
    });
  }

  /** How the rules stand by the last look, with the burn of now. */
  states(windows: Burning, wallMs: number): readonly BurnAlert[] {
    return BURN_RULES.map((rule) => this.#alert(rule, windows, wallMs));
  }

  #alert(rule: BurnRule, windows: Burning, wallMs: number): BurnAlert {
    const { state, sinceMs } = this.#states.get(rule.id) ?? { state: "quiet", sinceMs: wallMs };
    const long = windows.counts(rule.long, wallMs);
    return { rule, state, sinceMs, burnLong: windows.burnOf(long), burnShort: windows.burn(rule.short, wallMs), validLong: long.valid };
  }

  get paging(): boolean {
    return BURN_RULES.some((rule) => rule.severity === "page" && this.#states.get(rule.id)?.state === "firing");
  }

  save(): JsonObject {
    return Object.fromEntries([...this.#states].filter(([, { state }]) => state !== "quiet").map(([id, { state, sinceMs }]) => [id, { state, since: sinceMs }]));
  }

  /** What was firing goes on, and is not told again. */
  restore(saved: Json): void {
    if (typeof saved !== "object" || saved === null || Array.isArray(saved)) return;
    for (const { id } of BURN_RULES) {
      const one = (saved as JsonObject)[id];
      if (typeof one !== "object" || one === null || Array.isArray(one)) continue;
      const { state, since } = one as JsonObject;
      if ((state === "firing" || state === "low_traffic") && typeof since === "number") this.#states.set(id, { state, sinceMs: since });
    }
  }
}

/** What of the windows is looked at. */
type Burning = Pick<ObjectiveWindows, "burn" | "counts" | "burnOf">;

function stateOf(rule: BurnRule, windows: Burning, wallMs: number): AlertState {
  const least = rule.factor * (1 - ROUNDING);
  // The short span first: it is quiet nearly always, and then the long one need not be summed.
  if (windows.burn(rule.short, wallMs) < least) return "quiet";
  const long = windows.counts(rule.long, wallMs);
  if (windows.burnOf(long) < least) return "quiet";
  return rule.severity === "page" && long.valid < LOW_TRAFFIC ? "low_traffic" : "firing";
}

const NONE: readonly BurnEvent[] = Object.freeze([]);
