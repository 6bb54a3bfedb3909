/** What is remembered of every route that is steered: its state, and how long its answers are. One per process; plain values outlive it. */
import type { Route } from "../deployment.ts";
import { ReservedPools, type SavedPools } from "./reserved.ts";
import { RouteState, type SavedRoute } from "./route-state.ts";
import type { Speeds } from "./speeds.ts";
import { exploreTokens, hedgeTokens } from "./tokens.ts";
import type { RouteTerms } from "./types.ts";

/** Routes may be names that clients make up (`account/anything`), so the book is bounded. */
const ROUTES_MAX = 4_096;
/** Before anything is known of a route's answers. */
export const OUTPUT_TOKENS_PRIOR = 256;
/** The mean of answers' lengths is over about so many. */
const OUTPUT_REQUESTS = 200;
/** What is weighed where an owner states nothing: failures cost only what the objective makes of them. */
export const DEFAULT_TERMS: RouteTerms = { costOfFailureNanoUsd: 0, costOfDelayNanoUsdPerS: null, hedgeShare: 0.05, exploreShare: 0.03 };
const UNANSWERED = { outputTokens: OUTPUT_TOKENS_PRIOR, answers: 0 };
const NO_OBJECTIVES: NonNullable<Route["objectives"]> = [];

/** One route's memory. */
export interface RouteMemory {
  readonly state: RouteState;
  /** Mean length of its answers, tokens. */
  outputTokens: number;
  answers: number;
  /** How quick its deployments were; absent: nothing is ordered by that. */
  speeds?: Speeds | undefined;
  readonly objectives: NonNullable<Route["objectives"]>;
  readonly terms: RouteTerms;
}

export interface SavedRoutes {
  readonly routes: readonly { readonly name: string; readonly outputTokens: number; readonly answers: number; readonly state: SavedRoute }[];
  /** What reserved capacity was seen to be. Absent: nothing. */
  readonly pools?: SavedPools;
}

export class RouteBook {
  /** Capacity that is paid for already, of all routes. */
  readonly reserved = new ReservedPools();
  readonly #wallAheadMs: number;
  readonly #routes = new Map<string, RouteMemory>();
  /** Saved by an earlier process, until the route is asked for. */
  readonly #saved = new Map<string, SavedRoutes["routes"][number]>();

  /** `wallAheadMs`: how much wall-clock time is ahead of the clock that all times are told by. */
  constructor(wallAheadMs: number) {
    this.#wallAheadMs = wallAheadMs;
  }

  /** The memory of a route; made anew, from what it knew, where what is promised has changed. */
  of(route: Route, nowMs: number): RouteMemory {
    const objectives = route.objectives ?? NO_OBJECTIVES;
    const terms = route.terms ?? DEFAULT_TERMS;
    const found = this.#routes.get(route.name);
    if (found !== undefined && found.objectives === objectives && found.terms === terms) return found;
    const state = new RouteState({ objectives, terms, wallAheadMs: this.#wallAheadMs, hedgeTokens: hedgeTokens(terms.hedgeShare), exploreTokens: exploreTokens(terms.exploreShare) });
    const earlier = found === undefined ? this.#saved.get(route.name) : { ...found, state: found.state.save(nowMs) };
    if (earlier !== undefined) state.restore(earlier.state, nowMs);
    this.#saved.delete(route.name);
    const { outputTokens, answers } = earlier !== undefined && Number.isFinite(earlier.outputTokens) && Number.isFinite(earlier.answers) ? earlier : UNANSWERED;
    const memory: RouteMemory = { state, objectives, terms, outputTokens, answers, speeds: found?.speeds };
    if (found === undefined && this.#routes.size >= ROUTES_MAX) this.#routes.delete(this.#routes.keys().next().value as string);
    this.#routes.set(route.name, memory);
    return memory;
  }

  /** An answer of so many tokens was whole. */
  answered(memory: RouteMemory, outputTokens: number): void {
    memory.answers = Math.min(OUTPUT_REQUESTS, memory.answers + 1);
    memory.outputTokens += (outputTokens - memory.outputTokens) / memory.answers;
  }

  /** Routes that are steered, by name. */
  all(): ReadonlyMap<string, RouteMemory> {
    return this.#routes;
  }

  save(nowMs: number): SavedRoutes {
    const routes = [...this.#routes].map(([name, { state, outputTokens, answers }]) => ({ name, outputTokens, answers, state: state.save(nowMs) }));
    const pools = this.reserved.save();
    return { routes: [...routes, ...this.#saved.values()], ...(Object.keys(pools).length === 0 ? {} : { pools }) };
  }

  /** Before the first request. */
  restore(saved: SavedRoutes): void {
    for (const one of saved.routes.slice(0, ROUTES_MAX)) this.#saved.set(one.name, one);
    if (saved.pools !== undefined) this.reserved.restore(saved.pools);
  }
}
