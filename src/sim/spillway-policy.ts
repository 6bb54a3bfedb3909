/**
 * Our own policy: the code that decides in the gateway, on virtual time. Only what the gateway's edge does is replaced: sockets
 * by the world's calls, timers by the engine's.
 */
import { Allowance } from "../decide/allowance.ts";
import { arrange } from "../decide/balance/arrange.ts";
import { latencyObjectiveOf, RouteState } from "../decide/balance/route-state.ts";
import { exploreTokens, hedgeTokens } from "../decide/balance/tokens.ts";
import type { RouteTerms } from "../decide/balance/types.ts";
import type { Candidate } from "../decide/choose.ts";
import type { Deployment } from "../decide/deployment.ts";
import { HealthBook } from "../decide/health/book.ts";
import type { Objective } from "../decide/objective/types.ts";
import { sizeClassOf } from "../decide/observed/types.ts";
import type { ProviderFacts } from "../wire/facts.ts";
import { Chance } from "./random.ts";
import { ENDPOINT, Journey, type Itinerary } from "./spillway-journey.ts";
import { thresholdOf } from "./tally.ts";
import type { Policy, PolicyKind, PolicyWorld, RequestApi, SimRequest } from "./types.ts";

const REST = { restMs: 5_000, restMaxMs: 300_000 };
/** What is weighed where an owner states nothing. */
const TERMS: RouteTerms = { costOfFailureNanoUsd: 0, costOfDelayNanoUsdPerS: null, hedgeShare: 0.05, exploreShare: 0.03 };
/** Without content for three times what the objective asks, and at least for this, a call counts as failed. */
const SOFT_TIMEOUT_MS = 30_000;
const SOFT_TIMEOUT_TIMES = 3;

export interface SpillwayOptions {
  readonly name?: string;
  readonly strategy: "priority" | "balanced";
  readonly terms?: Partial<RouteTerms>;
  /** So many gateways share the traffic at random and know nothing of one another. */
  readonly replicas?: number;
  /** Told of the route's state in each of them, when they are made. */
  readonly onMade?: (routes: readonly RouteState[]) => void;
}

/** The gateway's own decisions. */
export function spillway({ name, strategy, terms, replicas = 1, onMade }: SpillwayOptions): PolicyKind {
  return {
    name: name ?? (strategy === "balanced" ? "spillway" : "spillway-priority"),
    about: `this gateway, strategy ${strategy}`,
    make(world) {
      const all = Array.from({ length: replicas }, (_, i) => new SpillwayPolicy(world, strategy, { ...TERMS, ...terms }, i));
      onMade?.(all.map(({ route }) => route));
      const chance = new Chance(world.seed, "replicas");
      const [only] = all;
      return replicas === 1 && only !== undefined ? only : { request: (request, api) => (all[Math.floor(chance.next() * replicas)] as SpillwayPolicy).request(request, api) };
    },
  };
}

export class SpillwayPolicy implements Policy {
  readonly health = new HealthBook(REST);
  readonly allowance = new Allowance();
  readonly route: RouteState;
  readonly candidates: readonly Candidate[];
  readonly deadlineMs: number;
  readonly random: () => number;
  readonly #world: PolicyWorld;
  readonly #balanced: boolean;
  readonly #latency: Objective | null;
  readonly #slowBudget: number;

  constructor(world: PolicyWorld, strategy: SpillwayOptions["strategy"], terms: RouteTerms, replica: number) {
    const chance = new Chance(world.seed, `spillway ${replica}`);
    this.random = () => chance.next();
    this.deadlineMs = world.deadlineMs;
    this.candidates = world.deployments.map(({ id }) => ({ deployment: deploymentOf(id), automatic: false, boundNanoUsd: null, inputBoundTokens: null }));
    this.route = new RouteState({
      objectives: world.objectives, terms, wallAheadMs: 0,
      hedgeTokens: hedgeTokens(terms.hedgeShare), exploreTokens: exploreTokens(terms.exploreShare),
    });
    this.#world = world;
    this.#balanced = strategy === "balanced";
    this.#latency = latencyObjectiveOf(world.objectives);
    this.#slowBudget = this.#latency === null ? 0 : 1 - this.#latency.target;
  }

  request(request: SimRequest, api: RequestApi): void {
    this.allowance.earn(api.nowMs);
    new Journey(this, api, this.#itinerary(request, api.nowMs)).start();
  }

  softTimeoutMs(thresholdMs: number): number {
    return Math.max(SOFT_TIMEOUT_TIMES * thresholdMs, SOFT_TIMEOUT_MS);
  }

  /** Who is tried in which order, and what runs beside it. */
  #itinerary(request: SimRequest, nowMs: number): Itinerary {
    const { inputTokens } = request;
    const thresholdMs = this.#latency === null ? 0 : thresholdOf(this.#latency, inputTokens);
    const sizeClass = sizeClassOf(inputTokens);
    const pace = { thresholdMs, sizeClass, slowBudget: this.#slowBudget };
    const candidates = [...this.candidates];
    if (!this.#balanced) return { candidates, plan: null, pace };
    const views = candidates.map(({ deployment }) => this.health.view(deployment.id, deployment.account, ENDPOINT, nowMs, thresholdMs));
    const balance = {
      state: this.route,
      estimate: ({ deployment }: Candidate) => this.health.estimate(deployment.id, ENDPOINT, thresholdMs, sizeClass, nowMs),
      expectedNanoUsd: (candidate: Candidate) => this.#world.deployments[this.indexOf(candidate)]?.price(inputTokens, this.#world.meanOutputTokens) ?? null,
      thresholdMs, alone: false, nowMs, repeats: Math.floor(this.allowance.tokens(nowMs)),
    };
    return { candidates, plan: arrange(candidates, views, balance, this.random()), pace };
  }

  /** Of a candidate among the world's deployments. */
  indexOf(candidate: Candidate): number {
    return this.candidates.indexOf(candidate);
  }
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
