/**
 * What a route has learned that the choice needs besides its deployments' health: the pressure of its objectives, the allowances for
 * hedges and probes, and what its requests cost. The gateway and the simulator drive the same one: `plan` as often as they like, for
 * it changes nothing; `began` once for each request that runs, `ended` when it has come to something.
 */
import type { Objective } from "../objective/types.ts";
import { Exploration, probeIntervalMs } from "./explore.ts";
import { HedgeAllowance, type Tokens } from "./hedge.ts";
import { MEMORY_S, ObjectivePressure, type PressureState, type PressureView } from "./pressure.ts";
import { plan as score } from "./score.ts";
import { exploreTokens } from "./tokens.ts";
import type { Plan, Pressure, RouteTerms, Scored, Weighed } from "./types.ts";

/** Of the dearest candidate's price: a second's delay where the owner states none. */
const DELAY_PART_PER_S = 0.2;
/** The reference price is a mean over about so many requests. */
const REFERENCE_REQUESTS = 500;
/** Where all is free, risks still weigh against each other. */
const LEAST_REFERENCE = 1;
/** The rate of a route is not told from less. */
const RATE_MIN_S = 5;

/** What the requests of a route fill, each a little. */
export interface EarningTokens extends Tokens {
  /** A request has arrived. */
  earn(): void;
}

export interface RouteFacts {
  readonly objectives: readonly Objective[];
  readonly terms: RouteTerms;
  /** Wall-clock time is this much ahead of the clock that all times are told by: windows and what is saved are wall-clock. */
  readonly wallAheadMs: number;
  readonly hedgeTokens: EarningTokens;
  readonly exploreTokens: EarningTokens;
}

/** What of a request the plan needs besides its candidates. */
export interface PlanRequest {
  /** What the latency objective asks of a prompt of its size; 0: nothing. */
  readonly thresholdMs: number;
  /** The deployment's id, by which it is known from request to request; absent: nothing is explored. */
  readonly idOf?: (candidate: number) => string;
  /** It must not run twice at a time: no hedge, no race. */
  readonly alone?: boolean;
  /** Whether the request's hold covers this one beside the first; absent: it covers any. */
  readonly covers?: (weighed: Weighed) => boolean;
  /** Little is left of the route's error budget: prices do not count, and risks do, whatever the pressure. */
  readonly reliabilityFirst?: boolean;
}

export interface RouteEnd {
  readonly failed: boolean;
  readonly late: boolean;
  /** False: by its caller's doing, so that no promise is judged by it. */
  readonly valid: boolean;
}

export interface SavedRoute {
  readonly wallMs: number;
  readonly recent: number;
  readonly referenceNanoUsd: number;
  readonly pressures: readonly (PressureState & { readonly name: string })[];
}

interface Steered {
  readonly name: string;
  /** The share of requests that may be bad. */
  readonly budget: number;
  readonly pressure: ObjectivePressure;
}

/** The objective by which a route's calls count as late: of those on the time to an answer, the strictest. null: it has none. */
export function latencyObjectiveOf(objectives: readonly Objective[]): Objective | null {
  const timed = objectives.filter(({ kind }) => kind === "first_token" || kind === "latency");
  return timed.reduce<Objective | null>((one, other) => (one === null || other.target > one.target ? other : one), null);
}

export class RouteState {
  readonly #terms: RouteTerms;
  readonly #wallAheadMs: number;
  readonly #availability: readonly Steered[];
  readonly #latency: readonly Steered[];
  readonly #hedgeTokens: EarningTokens;
  readonly #exploreTokens: EarningTokens;
  /** The same as for exploring, unless that is off. */
  readonly #probeTokens: EarningTokens;
  readonly #hedges: HedgeAllowance;
  readonly #exploration = new Exploration();
  /** Requests of about the last twenty minutes. */
  #recent = 0;
  #lastMs: number | null = null;
  #firstMs = 0;
  /** Mean price of the dearest candidate; 0: nothing has been begun. */
  #referenceNanoUsd = 0;
  #begun = 0;

  constructor(facts: RouteFacts) {
    this.#terms = facts.terms;
    this.#wallAheadMs = facts.wallAheadMs;
    const steer = ({ name, target, window }: Objective): Steered => ({ name, budget: 1 - target, pressure: new ObjectivePressure(target, window) });
    this.#availability = facts.objectives.filter(({ kind }) => kind === "availability" || kind === "error_rate").map(steer);
    const timed = latencyObjectiveOf(facts.objectives);
    this.#latency = timed === null ? [] : [steer(timed)];
    this.#hedgeTokens = facts.hedgeTokens;
    this.#exploreTokens = facts.exploreTokens;
    this.#probeTokens = facts.terms.exploreShare > 0 ? facts.exploreTokens : exploreTokens();
    this.#hedges = new HedgeAllowance(facts.hedgeTokens, facts.terms.hedgeShare);
  }

  /** How this request is to run, as things stand. `random` in [0, 1). */
  plan(weighed: readonly Weighed[], nowMs: number, random: number, request: PlanRequest): Plan {
    const referenceNanoUsd = this.#referenceNanoUsd > 0 ? this.#referenceNanoUsd : Math.max(LEAST_REFERENCE, dearestOf(weighed));
    const alone = request.alone === true;
    const pressure = this.#pressure(referenceNanoUsd, nowMs + this.#wallAheadMs);
    const first = request.reliabilityFirst === true;
    const scored = score({
      weighed: first ? weighed.map((one) => ({ ...one, priceNanoUsd: 0 })) : weighed,
      pressure: first ? this.#atLeastBudgets(pressure, referenceNanoUsd) : pressure,
      costOfFailureNanoUsd: this.#terms.costOfFailureNanoUsd,
      delayNanoUsdPerS: this.#terms.costOfDelayNanoUsdPerS ?? DELAY_PART_PER_S * referenceNanoUsd,
      thresholdMs: request.thresholdMs,
      hedgeShare: alone || this.#hedgeTokens.tokens() < 1 ? 0 : this.#terms.hedgeShare,
      mayHedge: (one) => {
        const priced = first ? (weighed.find(({ candidate }) => candidate === one.candidate) as Weighed) : one;
        return this.#hedges.has(priced.priceNanoUsd) && (request.covers?.(priced) ?? true);
      },
      random,
    });
    const plan = first ? { ...scored, scores: scored.scores.map((one) => ({ ...one, priceNanoUsd: (weighed.find(({ candidate }) => candidate === one.candidate) as Weighed).priceNanoUsd })) } : scored;
    return alone ? plan : this.#withRace(plan, weighed, nowMs, request);
  }

  /** A request runs by this plan. */
  began(plan: Plan, nowMs: number, idOf?: (candidate: number) => string): void {
    this.#count(nowMs);
    this.#begun += 1;
    this.#hedgeTokens.earn();
    this.#exploreTokens.earn();
    if (this.#probeTokens !== this.#exploreTokens) this.#probeTokens.earn();
    const chosen = plan.scores[0];
    if (chosen === undefined) return;
    const first = plan.ahead ?? chosen;
    const dearestNanoUsd = dearestOf(plan.scores);
    this.#referenceNanoUsd = Math.max(LEAST_REFERENCE, this.#referenceNanoUsd + (dearestNanoUsd - this.#referenceNanoUsd) / Math.min(this.#begun, REFERENCE_REQUESTS));
    this.#hedges.earn(first.priceNanoUsd, this.#referenceNanoUsd);
    const wallMs = nowMs + this.#wallAheadMs;
    for (const { pressure } of this.#availability) pressure.chosen(plan.riskFails, this.#recent, wallMs);
    for (const { pressure } of this.#latency) pressure.chosen(plan.riskLate, this.#recent, wallMs);
    if (idOf === undefined) return;
    this.#exploration.called(idOf(first.candidate), nowMs);
    if (first === chosen) this.#exploration.chosen(idOf(first.candidate));
    if (plan.race?.why === "explore") this.#exploration.called(idOf(plan.race.candidate), nowMs);
  }

  /** What it came to. */
  ended(end: RouteEnd, nowMs: number): void {
    if (!end.valid) return;
    const wallMs = nowMs + this.#wallAheadMs;
    for (const { pressure } of this.#availability) pressure.ended(end.failed, wallMs);
    for (const { pressure } of this.#latency) pressure.ended(end.late, wallMs);
  }

  /** Pay for the plan's hedge, when it is due. False: it must not be sent. */
  takeHedge(plan: Plan): boolean {
    const hedge = plan.hedge;
    const scored = hedge === null ? undefined : plan.scores.find(({ candidate }) => candidate === hedge.candidate);
    return scored !== undefined && this.#hedges.tryTake(scored.priceNanoUsd);
  }

  /**
   * Pay for the plan's race, when it starts. False: it must not be sent. What health asks for is paid alike: unmetered, it was three times
   * as many extra calls for nothing in first tokens. Where exploring is off, what was slow still has to be able to return.
   */
  takeRace(plan: Plan): boolean {
    if (plan.race === null) return false;
    return plan.race.why === "probe" ? this.#probeTokens.tryTake() : this.#exploreTokens.tryTake();
  }

  /** Would a race that health asks for be paid for now? */
  get paysForProbe(): boolean {
    return this.#probeTokens.tokens() >= 1;
  }

  /** A deployment was called for another reason: as a fallback, as a hedge. */
  called(id: string, nowMs: number): void {
    this.#exploration.called(id, nowMs);
  }

  /** What exploring a deployment has shown: content in time, or not. */
  probed(id: string, good: boolean): void {
    this.#exploration.probed(id, good);
  }

  /** How each objective stands, by name. */
  view(nowMs: number): readonly (PressureView & { readonly name: string })[] {
    return [...this.#availability, ...this.#latency].map(({ name, pressure }) => ({ name, ...pressure.view(nowMs + this.#wallAheadMs) }));
  }

  /** Plain values, for `restore` after a restart. Allowances start anew. */
  save(nowMs: number): SavedRoute {
    const pressures = [...this.#availability, ...this.#latency].map(({ name, pressure }) => ({ name, ...pressure.save() }));
    return { wallMs: nowMs + this.#wallAheadMs, recent: this.#recentAt(nowMs), referenceNanoUsd: this.#referenceNanoUsd, pressures };
  }

  /** Before the first request. What was saved of an objective that has changed since is left out, and what is not whole. */
  restore(saved: SavedRoute, nowMs: number): void {
    const wallMs = nowMs + this.#wallAheadMs;
    if (saved.referenceNanoUsd > 0 && Number.isFinite(saved.recent) && Number.isFinite(saved.wallMs)) {
      this.#firstMs = nowMs - MEMORY_S * 1_000;
      this.#lastMs = nowMs;
      this.#recent = saved.recent * fade(wallMs - saved.wallMs);
      this.#referenceNanoUsd = saved.referenceNanoUsd;
      this.#begun = REFERENCE_REQUESTS;
    }
    const pressures: SavedRoute["pressures"] = Array.isArray(saved.pressures) ? saved.pressures : [];
    for (const { name, pressure } of [...this.#availability, ...this.#latency]) {
      const of = pressures.find((one) => one?.name === name);
      if (of !== undefined) pressure.restore(of, wallMs);
    }
  }

  #pressure(referenceNanoUsd: number, wallMs: number): Pressure {
    let availability = 0;
    for (const { pressure } of this.#availability) availability = Math.max(availability, pressure.multiple(wallMs));
    let latency = 0;
    for (const { pressure } of this.#latency) latency = Math.max(latency, pressure.multiple(wallMs));
    return { availabilityNanoUsd: availability * referenceNanoUsd, latencyNanoUsd: latency * referenceNanoUsd };
  }

  /** A request that uses up an objective's share of bad ones costs the reference price at least. */
  #atLeastBudgets(pressure: Pressure, referenceNanoUsd: number): Pressure {
    const least = (steered: readonly Steered[]): number => steered.reduce((most, { budget }) => Math.max(most, referenceNanoUsd / budget), 0);
    const latencyNanoUsd = Math.max(pressure.latencyNanoUsd, least(this.#latency));
    // What fails is late as well.
    return { latencyNanoUsd, availabilityNanoUsd: Math.max(pressure.availabilityNanoUsd, least(this.#availability), latencyNanoUsd) };
  }

  /** Of those not chosen, the one whose probe is due longest runs beside the first. */
  #withRace(scored: Plan, weighed: readonly Weighed[], nowMs: number, request: PlanRequest): Plan {
    const { idOf, covers } = request;
    const { exploreShare } = this.#terms;
    const chosen = scored.scores[0];
    if (idOf === undefined || chosen === undefined || scored.scores.length < 2 || exploreShare <= 0 || this.#exploreTokens.tokens() < 1) return scored;
    const requestsPerS = this.#requestsPerS(nowMs);
    let due: Scored | null = null;
    let overdue = 1;
    for (const one of scored.scores) {
      if (one === chosen) continue;
      const id = idOf(one.candidate);
      const probe = { probeNanoUsd: one.priceNanoUsd, savingNanoUsd: chosen.priceNanoUsd - one.priceNanoUsd, requestsPerS, badChance: one.failsBefore + one.failsAfter + one.slow, streak: this.#exploration.streak(id) };
      const ratio = this.#exploration.idleMs(id, nowMs) / Math.max(1, probeIntervalMs(probe));
      if (ratio < overdue) continue;
      const weighedOne = weighed.find(({ candidate }) => candidate === one.candidate);
      if (weighedOne === undefined || covers?.(weighedOne) === false) continue;
      overdue = ratio;
      due = one;
    }
    if (due === null) return scored;
    // Late only if both are; by its end only the first to have content counts.
    const riskLate = request.thresholdMs > 0 ? scored.riskLate * Math.min(1, due.slow + due.failsBefore) : scored.riskLate;
    return { ...scored, riskLate, hedge: null, race: { candidate: due.candidate, why: "explore" } };
  }

  #count(nowMs: number): void {
    if (this.#lastMs === null) this.#firstMs = nowMs;
    this.#recent = this.#recentAt(nowMs) + 1;
    this.#lastMs = Math.max(nowMs, this.#lastMs ?? nowMs);
  }

  #recentAt(nowMs: number): number {
    return this.#lastMs === null ? 0 : this.#recent * fade(nowMs - this.#lastMs);
  }

  #requestsPerS(nowMs: number): number {
    const watchedMs = Math.max(RATE_MIN_S * 1_000, nowMs - this.#firstMs);
    return this.#recentAt(nowMs) / (MEMORY_S * (1 - fade(watchedMs)));
  }
}

function fade(passedMs: number): number {
  return Math.exp(-Math.max(0, passedMs) / (MEMORY_S * 1_000));
}

function dearestOf(priced: readonly { readonly priceNanoUsd: number }[]): number {
  let dearest = 0;
  for (const { priceNanoUsd } of priced) if (priceNanoUsd > dearest) dearest = priceNanoUsd;
  return dearest;
}
