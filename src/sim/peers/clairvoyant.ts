/** Knows the true chances at every moment, has a constant price for risk, and never hedges: what learning is measured against. */
import type { PolicyKind, PolicyWorld, SimRequest } from "../types.ts";
import { thresholdOf } from "../tally.ts";
import { Attempts, type Rules, type Target } from "./attempts.ts";
import { ATTEMPTS_MAX } from "./parameters.ts";

class ClairvoyantRules implements Rules {
  readonly #world: PolicyWorld;
  readonly #lambdaNanoUsd: number;

  constructor(world: PolicyWorld, lambdaNanoUsd: number) {
    this.#world = world;
    this.#lambdaNanoUsd = lambdaNanoUsd;
  }

  next(request: SimRequest, tried: readonly number[], nowMs: number): Target | null {
    if (tried.length >= ATTEMPTS_MAX) return null;
    const { deployments, objectives } = this.#world;
    const firstToken = objectives.find(({ kind }) => kind === "first_token");
    const thresholdMs = firstToken === undefined ? 0 : thresholdOf(firstToken, request.inputTokens);
    // An error weighs by how much less of it may be: 1 in 1,000 against 1 in 50.
    const budget = 1 - (objectives.find(({ kind }) => kind === "availability")?.target ?? 0.999);
    const slowBudget = 1 - (firstToken?.target ?? 0.99);
    let best: { readonly deployment: number; readonly score: number } | null = null;
    for (const [deployment, known] of deployments.entries()) {
      if (tried.includes(deployment)) continue;
      const { failsBefore, failsAfter, slow } = this.#world.truth(deployment, thresholdMs, nowMs);
      const risk = failsAfter / budget + (slow + failsBefore * REPEAT_SLOW) / slowBudget;
      // What fails before content costs another call elsewhere, and the request where nothing is left.
      const score = known.price(request.inputTokens, this.#world.meanOutputTokens) * (1 + failsBefore) + this.#lambdaNanoUsd * (risk + (failsBefore * failsBefore) / budget);
      if (best === null || score < best.score) best = { deployment, score };
    }
    return best === null ? null : { deployment: best.deployment, waitMs: 0 };
  }
}

/** How likely the next call is late as well, about. */
const REPEAT_SLOW = 0.02;

/** `lambda`: what a request's whole share of the error budget is worth, in prices of a mean request at the dearest deployment. */
export function clairvoyant(lambda: number): PolicyKind {
  return {
    name: `clairvoyant-${lambda}`,
    about: `knows the true chances, constant pressure ${lambda}, no hedge`,
    make(world) {
      const dearest = Math.max(...world.deployments.map((one) => one.price(MEAN_INPUT, world.meanOutputTokens)));
      const rules = new ClairvoyantRules(world, lambda * dearest);
      return { request: (request, api) => new Attempts(rules, request, api).start() };
    },
  };
}

const MEAN_INPUT = 1_000;
