/**
 * Our own policy: the code that decides in the gateway, on virtual time. Only what the gateway's edge does is replaced: sockets
 * by the world's calls, timers by the engine's.
 */
import { Allowance } from "../decide/allowance.ts";
import { arrange, isUsable } from "../decide/balance/arrange.ts";
import { ReservedPools, provisionedOf, type Reserving } from "../decide/balance/reserved.ts";
import { latencyObjectiveOf, RouteState } from "../decide/balance/route-state.ts";
import { inOrder } from "../decide/balance/strategies.ts";
import { exploreTokens, hedgeTokens } from "../decide/balance/tokens.ts";
import type { RouteTerms } from "../decide/balance/types.ts";
import type { Candidate } from "../decide/choose.ts";
import { softTimeoutMs, type Deployment, type RouteCandidate, type RouteClocks, type Strategy } from "../decide/deployment.ts";
import { HealthBook, type CallFacts, type HealthSettings } from "../decide/health/book.ts";
import type { Objective } from "../decide/objective/types.ts";
import { sizeClassOf } from "../decide/observed/types.ts";
import type { ProviderFacts } from "../wire/facts.ts";
import { Chance } from "./random.ts";
import { ENDPOINT, Journey, type Itinerary } from "./spillway-journey.ts";
import { thresholdOf } from "./tally.ts";
import type { Tariff } from "./tariff.ts";
import type { Policy, PolicyKind, PolicyWorld, RequestApi, SimRequest } from "./types.ts";

const REST = { restMs: 5_000, restMaxMs: 300_000 };
/** What is weighed where an owner states nothing. */
const TERMS: RouteTerms = { costOfFailureNanoUsd: 0, costOfDelayNanoUsdPerS: null, hedgeShare: 0.05, exploreShare: 0.03 };
/** Without content for three times what the objective asks, and at least for this, a call counts as failed: where no route says it. */
const SOFT_TIMEOUT_MS = 30_000;
const SOFT_TIMEOUT_TIMES = 3;

/** A configured route, as far as it is played. */
export interface PlayedRoute {
  /** As the route has them; the world's deployments in the same order. */
  readonly candidates: readonly RouteCandidate[];
  readonly clocks: RouteClocks;
  readonly health: HealthSettings;
  /** Deployments that can carry on an answer which broke off; absent: the route does not ask for it. */
  readonly rescuers?: ReadonlySet<string>;
}

export interface SpillwayOptions {
  readonly name?: string;
  readonly strategy: Strategy;
  readonly terms?: Partial<RouteTerms>;
  /** Absent: the world's deployments as they stand, with nothing known of them. */
  readonly route?: PlayedRoute;
  /** So many gateways share the traffic at random and know nothing of one another. */
  readonly replicas?: number;
  /** Told of the route's state in each of them, when they are made. */
  readonly onMade?: (routes: readonly RouteState[]) => void;
}

/** The gateway's own decisions. */
export function spillway(options: SpillwayOptions): PolicyKind {
  const { name, strategy, replicas = 1, onMade } = options;
  return {
    name: name ?? (strategy === "balanced" ? "spillway" : `spillway-${strategy}`),
    about: `this gateway, strategy ${strategy}`,
    make(world) {
      const all = Array.from({ length: replicas }, (_, i) => new SpillwayPolicy(world, options, i));
      onMade?.(all.map(({ route }) => route));
      const chance = new Chance(world.seed, "replicas");
      const [only] = all;
      return replicas === 1 && only !== undefined ? only : { request: (request, api) => (all[Math.floor(chance.next() * replicas)] as SpillwayPolicy).request(request, api) };
    },
  };
}

export class SpillwayPolicy implements Policy {
  readonly health: HealthBook;
  readonly allowance = new Allowance();
  readonly route: RouteState;
  readonly deadlineMs: number;
  readonly random: () => number;
  /** See `PlayedRoute`. */
  readonly rescuers: ReadonlySet<string> | undefined;
  readonly #world: PolicyWorld;
  readonly #strategy: Strategy;
  readonly #clocks: RouteClocks | null;
  readonly #listed: readonly RouteCandidate[];
  readonly #candidates: readonly Candidate[];
  /** In the world, by the candidates' deployments. */
  readonly #indexes: ReadonlyMap<Deployment, number>;
  readonly #pools = new ReservedPools();
  /** Some capacity is paid for already. */
  readonly #reserves: boolean;
  readonly #latency: Objective | null;
  readonly #slowBudget: number;
  readonly #exploreShare: number;

  constructor(world: PolicyWorld, { strategy, terms, route }: SpillwayOptions, replica: number) {
    const chance = new Chance(world.seed, `spillway ${replica}`);
    this.random = () => chance.next();
    this.deadlineMs = world.deadlineMs;
    this.health = new HealthBook(route?.health ?? REST);
    this.rescuers = route?.rescuers;
    this.#clocks = route?.clocks ?? null;
    this.#listed = route?.candidates ?? world.deployments.map(({ id }) => ({ deployment: deploymentOf(id), weight: 1, automatic: false }));
    this.#candidates = this.#listed.map(({ deployment, automatic }) => ({ deployment, automatic, boundNanoUsd: null, inputBoundTokens: null }));
    this.#indexes = new Map(this.#listed.map(({ deployment }, i) => [deployment, i]));
    const all = { ...TERMS, ...terms };
    this.route = new RouteState({
      objectives: world.objectives, terms: all, wallAheadMs: world.wallAheadMs,
      hedgeTokens: hedgeTokens(all.hedgeShare), exploreTokens: exploreTokens(all.exploreShare),
    });
    this.#exploreShare = all.exploreShare;
    this.#world = world;
    this.#strategy = strategy;
    this.#reserves = world.tariffs.some(({ pricing }) => pricing?.kind === "sheet" && (pricing.meters ?? []).some(({ contract }) => contract.terms.kind === "provisioned"));
    this.#latency = latencyObjectiveOf(world.objectives);
    this.#slowBudget = this.#latency === null ? 0 : 1 - this.#latency.target;
  }

  request(request: SimRequest, api: RequestApi): void {
    this.allowance.earn(api.nowMs);
    new Journey(this, api, this.#itinerary(request, api.nowMs)).start();
  }

  softTimeoutMs({ deployment }: Candidate, thresholdMs: number): number {
    return this.#clocks === null ? Math.max(SOFT_TIMEOUT_TIMES * thresholdMs, SOFT_TIMEOUT_MS) : softTimeoutMs(deployment, this.#clocks, true);
  }

  /** Of a candidate among the world's deployments. */
  indexOf({ deployment }: Candidate): number {
    return this.#indexes.get(deployment) as number;
  }

  /** Tells reserved capacity of a request's calls; undefined where there is none. */
  reserving(inputTokens: number): Reserving | undefined {
    if (!this.#reserves) return undefined;
    const units = { input: inputTokens, output: this.#world.meanOutputTokens };
    return {
      entered: (deployment, nowMs) => {
        const { pricing } = this.#tariff(deployment);
        const wallMs = nowMs + this.#world.wallAheadMs;
        return pricing === null || provisionedOf(pricing, wallMs) === null ? null : this.#pools.entered(pricing, units, nowMs, wallMs);
      },
    };
  }

  /** Who is tried in which order, and what runs beside it. */
  #itinerary(request: SimRequest, nowMs: number): Itinerary {
    const { inputTokens } = request;
    const withinMs = this.#latency === null ? 0 : thresholdOf(this.#latency, inputTokens);
    const sizeClass = sizeClassOf(inputTokens);
    // All of it streams, so what is promised of whole answers is no matter of the first content.
    const isWhole = this.#latency?.kind === "latency";
    const thresholdMs = isWhole ? 0 : withinMs;
    const pace: CallFacts = isWhole ? { thresholdMs, sizeClass, slowBudget: 0, wholeMs: withinMs } : { thresholdMs, sizeClass, slowBudget: this.#slowBudget };
    const about = { pace, inputTokens };
    if (this.#strategy !== "balanced") return { ...about, candidates: this.#ordered(request, nowMs), plan: null };
    const candidates = [...this.#candidates];
    const views = candidates.map(({ deployment }) => this.health.view(deployment.id, deployment.account, ENDPOINT, nowMs, thresholdMs));
    const balance = {
      state: this.route,
      estimate: ({ deployment }: Candidate) => this.health.estimate(deployment.id, ENDPOINT, thresholdMs, sizeClass, nowMs, pace.wholeMs),
      expectedNanoUsd: ({ deployment }: Candidate) => this.#priceOf(deployment, inputTokens, thresholdMs, nowMs),
      thresholdMs, alone: false, nowMs, repeats: Math.floor(this.allowance.tokens(nowMs)),
    };
    return { ...about, candidates, plan: arrange(candidates, views, balance, this.random()) };
  }

  /** The candidates in the order of a strategy by name. */
  #ordered({ inputTokens, session }: SimRequest, nowMs: number): readonly Candidate[] {
    const { health } = this;
    if (this.#strategy === "priority") return this.#candidates;
    const order = inOrder(this.#strategy, this.#listed, {
      random: this.random,
      priceNanoUsd: (deployment) => this.#priceOf(deployment, inputTokens, 0, nowMs),
      estimate: ({ id }) => health.estimate(id, ENDPOINT, 0, sizeClassOf(inputTokens), nowMs),
      loadMs: ({ id }) => health.loadMs(id, ENDPOINT, nowMs),
      usable: ({ id, account }) => isUsable(health.view(id, account, ENDPOINT, nowMs), nowMs),
      explore: { share: this.#exploreShare, idleMs: ({ id }) => nowMs - (health.calledMs(id, ENDPOINT) ?? Number.NEGATIVE_INFINITY) },
      session: session === undefined ? null : `session ${session}`,
    });
    return order.map(({ deployment }) => this.#candidates[this.#indexes.get(deployment) as number] as Candidate);
  }

  /** What a call is expected to cost more than is paid already; null: nothing is served there. */
  #priceOf(deployment: Deployment, inputTokens: number, thresholdMs: number, nowMs: number): number | null {
    const { meanOutputTokens, wallAheadMs } = this.#world;
    const tariff = this.#tariff(deployment);
    if (this.#reserves && tariff.pricing !== null) {
      const standing = this.#pools.standing(tariff.pricing, { input: inputTokens, output: meanOutputTokens }, thresholdMs, nowMs, nowMs + wallAheadMs);
      if (standing === "free") return 0;
      if (standing === "refused") return null;
    }
    return tariff.expected(inputTokens, meanOutputTokens, nowMs + wallAheadMs);
  }

  #tariff(deployment: Deployment): Tariff {
    return this.#world.tariffs[this.#indexes.get(deployment) as number] as Tariff;
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
