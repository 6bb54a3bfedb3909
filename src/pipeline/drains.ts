/** Reading on after clients left, without delivering, for providers that bill the whole answer anyway: their usage is the truth. */
import type { Timer } from "../ports.ts";
import type { Attempt } from "./attempt.ts";
import type { Deps } from "./deps.ts";

/** Attempts that are read on, over all requests: bounded by `drainsAtOnce`. */
const DRAINING = new Set<Attempt>();

/** Those of one request. */
export class Drains {
  readonly #deps: Deps;
  /** Per attempt: the bound of its time. */
  #timers: Map<Attempt, Timer> | null = null;

  constructor(deps: Deps) {
    this.#deps = deps;
  }

  /** Read on, or stop where too many are. */
  start(attempt: Attempt): void {
    const { clock, limits } = this.#deps;
    if (DRAINING.size >= limits.drainsAtOnce) return attempt.stop("client-gone");
    attempt.draining = true;
    attempt.resume();
    DRAINING.add(attempt);
    (this.#timers ??= new Map()).set(attempt, clock.after(limits.drainMs, () => attempt.stop("client-gone")));
  }

  ended(attempt: Attempt): void {
    if (!attempt.draining) return;
    DRAINING.delete(attempt);
    this.#timers?.get(attempt)?.cancel();
  }
}
