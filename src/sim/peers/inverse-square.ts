/** Balancing by price: those without a recent outage first, drawn by the inverse square of the price; the others as fallbacks. */
import { Chance } from "../random.ts";
import type { PolicyKind, PolicyWorld, SimFailure, SimRequest } from "../types.ts";
import { Attempts, type Rules, type Target } from "./attempts.ts";
import { ATTEMPTS_MAX, INVERSE_SQUARE } from "./parameters.ts";

interface Recent {
  readonly atMs: number;
  readonly failed: boolean;
}

/** Exported for its tests; `INVERSE_SQUARE_PRICE` is what is simulated. */
export class InverseSquareRules implements Rules {
  readonly #world: Pick<PolicyWorld, "deployments" | "seed" | "meanOutputTokens">;
  readonly #recent: readonly Recent[][];
  readonly #chance: Chance;

  constructor(world: Pick<PolicyWorld, "deployments" | "seed" | "meanOutputTokens">) {
    this.#world = world;
    this.#recent = world.deployments.map(() => []);
    this.#chance = new Chance(world.seed, "inverse-square");
  }

  next(request: SimRequest, tried: readonly number[], nowMs: number): Target | null {
    if (tried.length >= ATTEMPTS_MAX) return null;
    const untried = this.#world.deployments.map((_, i) => i).filter((i) => !tried.includes(i));
    const stable = untried.filter((i) => !this.hadOutage(i, nowMs));
    if (stable.length > 0) return { deployment: this.#drawn(stable, request), waitMs: 0 };
    const cheapest = untried.toSorted((a, b) => this.#price(a, request) - this.#price(b, request))[0];
    return cheapest === undefined ? null : { deployment: cheapest, waitMs: 0 };
  }

  hadOutage(deployment: number, nowMs: number): boolean {
    const recent = this.#recent[deployment] as Recent[];
    let old = 0;
    while (old < recent.length && (recent[old] as Recent).atMs < nowMs - INVERSE_SQUARE.outageSpanMs) old += 1;
    if (old > 0) recent.splice(0, old);
    let failed = 0;
    for (const one of recent) if (one.failed) failed += 1;
    return failed >= INVERSE_SQUARE.outageFailures && failed >= INVERSE_SQUARE.outageShare * recent.length;
  }

  content(deployment: number, _tookMs: number, nowMs: number): void {
    this.#recent[deployment]?.push({ atMs: nowMs, failed: false });
  }

  failed(deployment: number, _failure: SimFailure | null, _tookMs: number, nowMs: number): void {
    this.#recent[deployment]?.push({ atMs: nowMs, failed: true });
  }

  #price(deployment: number, request: SimRequest): number {
    return this.#world.deployments[deployment]?.price(request.inputTokens, this.#world.meanOutputTokens) ?? 0;
  }

  #drawn(among: readonly number[], request: SimRequest): number {
    const weights = among.map((i) => 1 / this.#price(i, request) ** INVERSE_SQUARE.power);
    let left = this.#chance.next() * weights.reduce((sum, weight) => sum + weight, 0);
    return among.find((_, i) => (left -= weights[i] as number) < 0) ?? (among.at(-1) as number);
  }
}

export const INVERSE_SQUARE_PRICE: PolicyKind = {
  name: "inverse-square",
  about: "no outage in 30 s first, drawn by 1/price² (price-based load balancing of a router of providers, its default until 2026)",
  make(world) {
    const rules = new InverseSquareRules(world);
    return { request: (request, api) => new Attempts(rules, request, api).start() };
  },
};
