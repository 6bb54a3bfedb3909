/**
 * Our own policy: the code that decides in the gateway, on virtual time. Only what the gateway's edge does is replaced: sockets
 * by the world's calls, timers by the engine's.
 */
import { Allowance } from "../decide/allowance.ts";
import { latencyObjectiveOf, RouteState } from "../decide/balance/route-state.ts";
import type { Plan, RouteTerms, Weighed } from "../decide/balance/types.ts";
import type { Candidate } from "../decide/choose.ts";
import type { Deployment } from "../decide/deployment.ts";
import { HealthBook, type HealthView } from "../decide/health/book.ts";
import type { Objective } from "../decide/objective/types.ts";
import { sizeClassOf } from "../decide/observed/types.ts";
import type { ProviderFacts } from "../wire/facts.ts";
import { Chance } from "./random.ts";
import { ShareTokens } from "./share-tokens.ts";
import { Journey, type Itinerary } from "./spillway-journey.ts";
import { thresholdOf } from "./tally.ts";
import type { Policy, PolicyKind, PolicyWorld, RequestApi, SimRequest } from "./types.ts";

export const ENDPOINT = "chat";
const REST = { restMs: 5_000, restMaxMs: 300_000 };
const TERMS: RouteTerms = { costOfFailureNanoUsd: 0, costOfDelayNanoUsdPerS: null, hedgeShare: 0.05, exploreShare: 0.03 };
const HEDGES_MAX = 10;
const PROBES_MAX = 3;
/** Without content for three times what the objective asks, and at least for this, a call counts as failed. */
const SOFT_TIMEOUT_MS = 30_000;
const SOFT_TIMEOUT_TIMES = 3;
/** A probe that fails needs a repeat, and another request may need one as well. */
const TOKENS_FOR_PROBE = 2;

export interface SpillwayOptions {
  readonly name?: string;
  readonly strategy: "priority" | "balanced";
  readonly terms?: Partial<RouteTerms>;
}

/** The gateway's own decisions. */
export function spillway({ name, strategy, terms }: SpillwayOptions): PolicyKind {
  return {
    name: name ?? (strategy === "balanced" ? "spillway" : "spillway-priority"),
    about: `this gateway, strategy ${strategy}`,
    make: (world) => new SpillwayPolicy(world, strategy, { ...TERMS, ...terms }),
  };
}

export class SpillwayPolicy implements Policy {
  readonly health = new HealthBook(REST);
  readonly allowance = new Allowance();
  readonly route: RouteState;
  readonly candidates: readonly Candidate[];
  readonly deadlineMs: number;
  readonly random: () => number;
  /** The share of calls that may be slow; 0: there is no objective on it. */
  readonly slowBudget: number;
  readonly #world: PolicyWorld;
  readonly #balanced: boolean;
  readonly #latency: Objective | null;

  constructor(world: PolicyWorld, strategy: SpillwayOptions["strategy"], terms: RouteTerms) {
    const chance = new Chance(world.seed, "spillway");
    this.random = () => chance.next();
    this.deadlineMs = world.deadlineMs;
    this.candidates = world.deployments.map(({ id }) => ({ deployment: deploymentOf(id), automatic: false, boundNanoUsd: null, inputBoundTokens: null }));
    this.route = new RouteState({
      objectives: world.objectives, terms, wallAheadMs: 0,
      hedgeTokens: new ShareTokens(terms.hedgeShare, HEDGES_MAX), exploreTokens: new ShareTokens(terms.exploreShare, PROBES_MAX),
    });
    this.#world = world;
    this.#balanced = strategy === "balanced";
    this.#latency = latencyObjectiveOf(world.objectives);
    this.slowBudget = this.#latency === null ? 0 : 1 - this.#latency.target;
  }

  request(request: SimRequest, api: RequestApi): void {
    this.allowance.earn(api.nowMs);
    new Journey(this, api, this.#itinerary(request, api.nowMs)).start();
  }

  softTimeoutMs(thresholdMs: number): number {
    return Math.max(SOFT_TIMEOUT_TIMES * thresholdMs, SOFT_TIMEOUT_MS);
  }

  idOf = (candidate: number): string => this.candidates[candidate]?.deployment.id ?? "";

  /** Who is tried in which order: those that admit by their scores, a probe before them or beside, the others last. */
  #itinerary(request: SimRequest, nowMs: number): Itinerary {
    const thresholdMs = this.#latency === null ? 0 : thresholdOf(this.#latency, request.inputTokens);
    const sizeClass = sizeClassOf(request.inputTokens);
    const weighed: Weighed[] = [];
    const probes: number[] = [];
    const raced: number[] = [];
    const rest: number[] = [];
    for (let i = 0; i < this.candidates.length; i += 1) {
      const view = this.viewOf(i, nowMs, thresholdMs);
      if (isOpen(view, nowMs)) {
        const priceNanoUsd = this.#world.deployments[i]?.price(request.inputTokens, this.#world.meanOutputTokens) ?? 0;
        weighed.push({ candidate: i, priceNanoUsd, estimate: this.health.estimate(this.idOf(i), ENDPOINT, thresholdMs, sizeClass, nowMs) });
      } else if (view.state === "probe-ready" && view.excluded === null && view.pausedUntilMs <= nowMs) (view.raced === true ? raced : probes).push(i);
      else rest.push(i);
    }
    const open = weighed.map(({ candidate }) => candidate);
    const call = { thresholdMs, sizeClass, slowBudget: this.slowBudget };
    if (weighed.length === 0) return { order: [...probes, ...raced, ...this.#shuffled(rest)], plan: null, race: null, call };
    const mayProbe = this.allowance.tokens(nowMs) >= TOKENS_FOR_PROBE;
    const before = mayProbe ? probes : [];
    const plan = this.#balanced ? this.route.plan(weighed, nowMs, this.random(), { thresholdMs, idOf: this.idOf }) : null;
    const order = [...before, ...(plan?.order ?? open), ...(mayProbe ? [] : probes), ...raced, ...rest];
    const race = raced[0] !== undefined && before.length === 0 ? { candidate: raced[0], why: "probe" as const } : (plan?.race ?? null);
    return { order, plan: plan === null ? null : withoutHedge(plan, race !== null || before.length > 0), race: before.length > 0 ? null : race, call };
  }

  viewOf(candidate: number, nowMs: number, thresholdMs: number): HealthView {
    const { id, account } = (this.candidates[candidate] as Candidate).deployment;
    return this.health.view(id, account, ENDPOINT, nowMs, thresholdMs);
  }

  #shuffled(among: readonly number[]): readonly number[] {
    return among.map((i) => ({ i, key: this.random() })).toSorted((a, b) => a.key - b.key).map(({ i }) => i);
  }
}

function isOpen(view: HealthView, nowMs: number): boolean {
  return view.state === "admitting" && view.excluded === null && view.pausedUntilMs <= nowMs && view.full !== true;
}

function withoutHedge(plan: Plan, busy: boolean): Plan {
  return busy && plan.hedge !== null ? { ...plan, hedge: null } : plan;
}

/** A deployment of a simulated world: of its facts, decisions about health and order read only names and domain. */
function deploymentOf(id: string): Deployment {
  return {
    id, account: id, provider: SIMULATED, model: null, upstreamModel: id, pricing: { kind: "unmetered" }, contextWindow: null, maxOutput: null,
    baseUrl: "http://simulated.invalid", region: null, domain: {}, reasons: false,
  };
}

const SIMULATED: ProviderFacts = {
  id: "simulated", name: "Simulated", dialect: "openai-chat", baseUrl: null, auth: { kind: "none" }, env: [], headers: [], kind: "host",
  billsOnAbort: "input", onClientGone: "abort",
  usage: { reasoningInOutput: true, cacheReadPaths: [], cacheWritePaths: [], cacheInsideInput: true, cost: null, includeUsageOption: true },
  quirks: {}, statusClasses: {}, domain: {}, region: null, unmetered: true, requestIdHeader: null, idempotencyHeader: null,
};
