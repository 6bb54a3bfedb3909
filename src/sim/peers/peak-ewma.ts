/** Least loaded by peak EWMA of the time to first data, the better of two drawn at random; failures count as long times. */
import { Chance } from "../random.ts";
import type { PolicyKind, PolicyWorld, SimFailure, SimRequest } from "../types.ts";
import { Attempts, type Rules, type Target } from "./attempts.ts";
import { ATTEMPTS_MAX, PEAK_EWMA } from "./parameters.ts";

interface Load {
  estimateMs: number;
  atMs: number;
  pending: number;
}

/** Exported for its tests; `LEAST_PEAK_EWMA` is what is simulated. */
export class PeakEwmaRules implements Rules {
  readonly #loads: readonly Load[];
  readonly #chance: Chance;

  constructor(world: Pick<PolicyWorld, "deployments" | "seed">) {
    this.#loads = world.deployments.map(() => ({ estimateMs: PEAK_EWMA.seedMs, atMs: 0, pending: 0 }));
    this.#chance = new Chance(world.seed, "peak-ewma");
  }

  next(_request: SimRequest, tried: readonly number[], nowMs: number): Target | null {
    if (tried.length >= ATTEMPTS_MAX) return null;
    const untried = this.#loads.map((_, i) => i).filter((i) => !tried.includes(i));
    if (untried.length === 0) return null;
    const first = this.#takeOne(untried);
    const second = untried.length === 0 ? first : this.#takeOne(untried);
    return { deployment: this.cost(second, nowMs) < this.cost(first, nowMs) ? second : first, waitMs: 0 };
  }

  cost(deployment: number, nowMs: number): number {
    const load = this.#loads[deployment] as Load;
    return this.#decayed(load, 0, nowMs) * (load.pending + 1);
  }

  sent(deployment: number): void {
    (this.#loads[deployment] as Load).pending += 1;
  }

  content(deployment: number, tookMs: number, nowMs: number): void {
    this.#sample(this.#loads[deployment] as Load, tookMs, nowMs);
  }

  failed(deployment: number, failure: SimFailure | null, tookMs: number, nowMs: number): void {
    const penaltyMs = Math.max(PEAK_EWMA.failureMs, Math.min(PEAK_EWMA.failureMaxMs, failure?.retryAfterMs ?? 0));
    this.#sample(this.#loads[deployment] as Load, Math.max(penaltyMs, tookMs), nowMs);
  }

  over(deployment: number): void {
    (this.#loads[deployment] as Load).pending -= 1;
  }

  /** A time above the estimate replaces it at once; below, it is approached. */
  #sample(load: Load, tookMs: number, nowMs: number): void {
    load.estimateMs = tookMs > load.estimateMs ? tookMs : this.#decayed(load, tookMs, nowMs);
    load.atMs = nowMs;
  }

  #decayed(load: Load, towardsMs: number, nowMs: number): number {
    const kept = Math.exp(-(nowMs - load.atMs) / PEAK_EWMA.decayMs);
    return load.estimateMs * kept + towardsMs * (1 - kept);
  }

  #takeOne(among: number[]): number {
    return among.splice(Math.floor(this.#chance.next() * among.length), 1)[0] as number;
  }
}

export const LEAST_PEAK_EWMA: PolicyKind = {
  name: "peak-ewma",
  about: "the better of two by peak EWMA of first data × calls in flight (linkerd2-proxy 29637b6, tower 8358ee7)",
  make(world) {
    const rules = new PeakEwmaRules(world);
    return { request: (request, api) => new Attempts(rules, request, api).start() };
  },
};
