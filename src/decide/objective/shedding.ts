/**
 * Who goes first when there is less room than requests: classes of importance. Each class may fill the room up to its share, so that
 * some is left for those above it; beyond that it waits, not long and not many, and who matters least is refused first. Pure: whoever
 * owns the queue asks what to do with a newcomer, and whose turn it is when room comes.
 */

/** From the most to the least. */
export const IMPORTANCES = ["high", "normal", "low"] as const;
export type Importance = (typeof IMPORTANCES)[number];

export interface SheddingTerms {
  /** Share of the room that each class may fill. */
  readonly share: Readonly<Record<Importance, number>>;
  /** How long a request of each class waits at most. */
  readonly waitMs: Readonly<Record<Importance, number>>;
  /** Requests that wait at once, all classes together. */
  readonly waitingMost: number;
}

export const DEFAULT_SHEDDING: SheddingTerms = {
  share: { high: 1, normal: 0.9, low: 0.7 },
  waitMs: { high: 10_000, normal: 5_000, low: 2_000 },
  waitingMost: 200,
};

/** How full it is. */
export interface Load {
  readonly inFlight: number;
  /** Requests that can be in flight; infinite where nothing is short. */
  readonly room: number;
  readonly waiting: Readonly<Record<Importance, number>>;
  /** The error budget's policy refuses what is of low importance. */
  readonly refuseLow: boolean;
}

export type Shed =
  | { readonly kind: "admit" }
  /** Wait until there is a turn, at most so long, else it is refused. `displaces`: one that waits in this class is refused for it. */
  | { readonly kind: "wait"; readonly waitMs: number; readonly displaces: Importance | null }
  | { readonly kind: "refuse"; readonly why: "error_budget" | "overloaded"; readonly retryAfterMs: number };

const ADMIT: Shed = Object.freeze({ kind: "admit" });
const RETRY_AFTER_MS = 5_000;
/** An error budget does not come back within seconds. */
const BUDGET_RETRY_AFTER_MS = 60_000;

/** What to do with a request of this importance that comes now. */
export function shed(importance: Importance, load: Load, terms: SheddingTerms = DEFAULT_SHEDDING): Shed {
  if (importance === "low" && load.refuseLow) return { kind: "refuse", why: "error_budget", retryAfterMs: BUDGET_RETRY_AFTER_MS };
  // Nobody overtakes those that wait and matter as much or more.
  if (hasRoom(importance, load, terms) && !someWait(importance, load)) return ADMIT;
  const waitMs = terms.waitMs[importance];
  const total = load.waiting.high + load.waiting.normal + load.waiting.low;
  if (waitMs <= 0) return { kind: "refuse", why: "overloaded", retryAfterMs: RETRY_AFTER_MS };
  if (total < terms.waitingMost) return { kind: "wait", waitMs, displaces: null };
  const displaces = least(load, importance);
  return displaces === null ? { kind: "refuse", why: "overloaded", retryAfterMs: RETRY_AFTER_MS } : { kind: "wait", waitMs, displaces };
}

/** Whose turn it is: the class of which the one that has waited longest may go now; null: nobody's. */
export function turnOf(load: Load, terms: SheddingTerms = DEFAULT_SHEDDING): Importance | null {
  for (const importance of IMPORTANCES) if (load.waiting[importance] > 0) return hasRoom(importance, load, terms) ? importance : null;
  return null;
}

/** A request may ask for less than its key or route gives it, never for more. */
export function lowered(given: Importance, asked: Importance | null): Importance {
  return asked !== null && IMPORTANCES.indexOf(asked) > IMPORTANCES.indexOf(given) ? asked : given;
}

function hasRoom(importance: Importance, { inFlight, room }: Load, { share }: SheddingTerms): boolean {
  // A small room is not divided: one request always fits into an empty one.
  return inFlight < Math.max(1, Math.floor(room * share[importance]));
}

function someWait(importance: Importance, { waiting }: Load): boolean {
  return waiting.high > 0 || (importance !== "high" && waiting.normal > 0) || (importance === "low" && waiting.low > 0);
}

/** The least class below this one of which somebody waits. */
function least({ waiting }: Load, above: Importance): Importance | null {
  for (let i = IMPORTANCES.length - 1; i > IMPORTANCES.indexOf(above); i--) {
    const one = IMPORTANCES[i] as Importance;
    if (waiting[one] > 0) return one;
  }
  return null;
}
