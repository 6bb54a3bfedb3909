/** Retries and short cooldowns by counts of the clock minute, over one group of deployments with an order of preference. */
import { Chance } from "../random.ts";
import type { PolicyKind, PolicyWorld, SimFailure, SimRequest } from "../types.ts";
import { Attempts, type Target, type Rules } from "./attempts.ts";
import { COOLDOWN } from "./parameters.ts";

const MINUTE_MS = 60_000;

interface Minute {
  minute: number;
  ok: number;
  failed: number;
}

/** Exported for its tests; `COOLDOWN_RETRY` is what is simulated. */
export class CooldownRules implements Rules {
  readonly #minutes: readonly Minute[];
  readonly #coolUntilMs: number[];
  readonly #chance: Chance;

  constructor(world: Pick<PolicyWorld, "deployments" | "seed">) {
    this.#minutes = world.deployments.map(() => ({ minute: 0, ok: 0, failed: 0 }));
    this.#coolUntilMs = world.deployments.map(() => 0);
    this.#chance = new Chance(world.seed, "cooldown-retry");
  }

  isCooling(deployment: number, nowMs: number): boolean {
    return (this.#coolUntilMs[deployment] ?? 0) > nowMs;
  }

  next(_request: SimRequest, tried: readonly number[], nowMs: number): Target | null {
    if (tried.length > COOLDOWN.retries) return null;
    const healthy = this.#minutes.map((_, i) => i).filter((i) => !this.isCooling(i, nowMs));
    const fresh = healthy.find((i) => !tried.includes(i));
    if (fresh !== undefined) return { deployment: fresh, waitMs: 0 };
    const again = healthy[0];
    // "No deployments available": all are cooling down.
    if (again === undefined) return null;
    const waitMs = Math.min(COOLDOWN.retryMaxMs, COOLDOWN.retryFirstMs * 2 ** (tried.length - 1)) + this.#chance.next() * COOLDOWN.retryJitterMs;
    return { deployment: again, waitMs };
  }

  content(deployment: number, _tookMs: number, nowMs: number): void {
    this.#current(deployment, nowMs).ok += 1;
  }

  failed(deployment: number, failure: SimFailure | null, _tookMs: number, nowMs: number): void {
    const minute = this.#current(deployment, nowMs);
    minute.failed += 1;
    const calls = minute.ok + minute.failed;
    const tooMany = calls >= COOLDOWN.minCallsInMinute && minute.failed / calls > COOLDOWN.failureShare;
    if (tooMany || (failure !== null && COOLDOWN.atOnce.includes(failure.status))) this.#coolUntilMs[deployment] = nowMs + COOLDOWN.cooldownMs;
  }

  #current(deployment: number, nowMs: number): Minute {
    const counted = this.#minutes[deployment] as Minute;
    const minute = Math.floor(nowMs / MINUTE_MS);
    if (counted.minute !== minute) Object.assign(counted, { minute, ok: 0, failed: 0 });
    return counted;
  }
}

export const COOLDOWN_RETRY: PolicyKind = {
  name: "cooldown-retry",
  about: "retries and 5 s cooldowns by the failures of the clock minute (LiteLLM: \"Retries, fallbacks and cooldowns\", November 2026)",
  make(world) {
    const rules = new CooldownRules(world);
    return { request: (request, api) => new Attempts(rules, request, api).start() };
  },
};
