/**
 * Provisioned contracts as pools: whether a call would be served by what is paid for already, in time, and what calls show of how fast
 * that works. Work is counted in seconds of the stated capacity, of the contract's pool that a call takes most of.
 */
import type { UnitCounts } from "../../wire/usage.ts";
import { runsAt } from "../contract/covers.ts";
import { milliPerMinute, weightedMilli, type ContractMeter } from "../contract/meter.ts";
import type { Contract, Provisioned } from "../contract/types.ts";
import type { Deployment, Pricing } from "../deployment.ts";
import { ReservedPool, type PoolCall, type SavedPool } from "./pool.ts";

/** By when first content is wanted where nobody promises a time. */
const DEFAULT_WITHIN_MS = 10_000;
/** Time to first content of an empty pool, until it is known. */
const BASE_MS = 500;
const SECONDS_A_MINUTE = 60;

/** `free`: paid for already. `spills`: served beyond, at the contract's price for that. `refused`: not served. null: no capacity is reserved there. */
export type Standing = "free" | "spills" | "refused" | null;

export interface SavedPools {
  readonly [contract: string]: { readonly means: string; readonly pool: SavedPool };
}

/** A call that runs on reserved capacity. */
export class ReservedCall {
  readonly #pool: ReservedPool;
  readonly #call: PoolCall;
  readonly #terms: Provisioned;

  constructor(pool: ReservedPool, terms: Provisioned, work: number, nowMs: number) {
    this.#pool = pool;
    this.#terms = terms;
    this.#call = pool.entered(work, nowMs);
  }

  firstContent(nowMs: number): void {
    this.#pool.firstContent(this.#call, nowMs);
  }

  /** It is over. Without any units it is not known what it took. */
  left(units: UnitCounts): void {
    const work = workOf(this.#terms, units);
    this.#pool.left(this.#call, work > 0 ? work : null);
  }
}

/** What the course of a request tells of its calls. */
export interface Reserving {
  /** A call goes out; null: not to reserved capacity. */
  entered(deployment: Deployment, nowMs: number): ReservedCall | null;
}

interface Kept {
  contract: Contract;
  readonly means: string;
  readonly pool: ReservedPool;
}

export class ReservedPools {
  readonly #pools = new Map<string, Kept>();
  #saved: SavedPools = {};

  /** What a call of about these units is there now, which is to have content within `thresholdMs` (0: nobody asks for a time). */
  standing(pricing: Pricing, units: UnitCounts, thresholdMs: number, nowMs: number, wallMs: number): Standing {
    const meter = provisionedOf(pricing, wallMs);
    if (meter === null) return null;
    const terms = meter.contract.terms as Provisioned;
    const withinMs = thresholdMs > 0 ? thresholdMs : DEFAULT_WITHIN_MS;
    if (hasRoom(meter, terms, units, wallMs) && this.#poolOf(meter.contract).admits(workOf(terms, units), withinMs, nowMs)) return "free";
    return terms.beyond === "refused" ? "refused" : "spills";
  }

  /** A call goes out; null where no reserved capacity serves it. */
  entered(pricing: Pricing, units: UnitCounts, nowMs: number, wallMs: number): ReservedCall | null {
    const meter = provisionedOf(pricing, wallMs);
    if (meter === null) return null;
    const terms = meter.contract.terms as Provisioned;
    return hasRoom(meter, terms, units, wallMs) ? new ReservedCall(this.#poolOf(meter.contract), terms, workOf(terms, units), nowMs) : null;
  }

  /** Plain values, for `restore` after a restart. */
  save(): SavedPools {
    return { ...this.#saved, ...Object.fromEntries(Array.from(this.#pools, ([id, { means, pool }]) => [id, { means, pool: pool.save() }])) };
  }

  /** Before the first request. */
  restore(saved: SavedPools): void {
    this.#saved = saved;
  }

  /** The pool of a contract; that of an earlier version where the same capacity is stated. */
  #poolOf(contract: Contract): ReservedPool {
    const known = this.#pools.get(contract.id);
    if (known?.contract === contract) return known.pool;
    const means = meaningOf(contract.terms as Provisioned);
    if (known?.means === means) {
      known.contract = contract;
      return known.pool;
    }
    const pool = new ReservedPool({ workPerS: 1, baseMs: BASE_MS, learnsBase: true });
    const saved = this.#saved[contract.id];
    if (known === undefined && saved?.means === means) pool.restore(saved.pool);
    this.#pools.set(contract.id, { contract, means, pool });
    return pool;
  }
}

/** The contract whose capacity serves a deployment at an instant; null: none. */
export function provisionedOf(pricing: Pricing, wallMs: number): ContractMeter | null {
  if (pricing.kind !== "sheet" || pricing.meters === undefined) return null;
  return pricing.meters.find(({ contract }) => contract.terms.kind === "provisioned" && runsAt(contract, wallMs)) ?? null;
}

/** Do the tokens of this minute cover it? */
function hasRoom(meter: ContractMeter, terms: Provisioned, units: UnitCounts, wallMs: number): boolean {
  if (terms.beyond === "pay_as_you_go") return meter.covers(units, wallMs);
  const left = meter.room(wallMs)?.tokens ?? 0;
  return terms.pools.every((pool) => weightedMilli(pool, units) <= left * 1_000);
}

/** Seconds of the stated capacity. */
function workOf({ pools }: Provisioned, units: UnitCounts): number {
  let most = 0;
  for (const pool of pools) most = Math.max(most, (SECONDS_A_MINUTE * weightedMilli(pool, units)) / milliPerMinute(pool));
  return most;
}

function meaningOf({ pools }: Provisioned): string {
  return JSON.stringify(pools.map((pool) => [pool.name, milliPerMinute(pool), pool.weightsPermille]));
}
