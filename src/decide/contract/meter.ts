/**
 * What a contract has left at an instant: tokens of the minute in provisioned units, requests and tokens of a free quota.
 * A call is covered whole or not at all. Pure but for what it counts: time comes in.
 */
import { INPUT_UNITS, OUTPUT_UNITS } from "../../wire/usage.ts";
import type { Unit, UnitCounts } from "../../wire/usage.ts";
import { addDays, dateAt, instantOf } from "./calendar.ts";
import { callDiscount, periodAt, ratedOf } from "./commitment.ts";
import { coversDeployment, runsAt } from "./covers.ts";
import type { Contract, FreeQuota, Pool, Provisioned } from "./types.ts";

const MS_A_MINUTE = 60_000;

/** What is left. Null: without that limit. */
export interface Room {
  /** Weighted tokens, in the pool that has the least. */
  readonly tokens: number | null;
  readonly requests: number | null;
  /** When more comes. */
  readonly resetsAtMs: number | null;
}
const NO_PERIOD = { fromMs: 0, untilMs: 0, ratedNanoUsd: 0n };
const ENDLESS: Room = { tokens: null, requests: null, resetsAtMs: null };

/** What a call takes of a pool, in thousandths of a token. */
export function weightedMilli(pool: Pick<Pool, "weightsPermille">, units: UnitCounts): number {
  let total = 0;
  for (const unit of Object.keys(pool.weightsPermille) as Unit[]) total += (units[unit] ?? 0) * (pool.weightsPermille[unit] ?? 0);
  return Math.ceil(total);
}

/** What a pool takes in a minute, in thousandths of a token. */
export function milliPerMinute(pool: Pool): number {
  return pool.units * pool.tokensPerMinutePerUnit * 1000;
}

/** Counts what was used of one contract. */
export class ContractMeter {
  readonly contract: Contract;
  readonly #windows: Windows | null;
  /** Of a commitment: the period that is on and the one before it, with their spend at the contract's prices before volume steps. */
  #period = NO_PERIOD;
  #before = NO_PERIOD;

  constructor(contract: Contract) {
    this.contract = contract;
    const { terms } = contract;
    this.#windows = terms.kind === "provisioned" ? new CapacityWindows(terms) : terms.kind === "free_quota" ? new QuotaWindows(terms) : null;
  }

  /** Would this call cost nothing more? */
  covers(units: UnitCounts, atMs: number): boolean {
    if (!runsAt(this.contract, atMs)) return false;
    if (this.contract.terms.kind === "self_hosted") return true;
    return this.#windows !== null && (this.#windows.fits(units, atMs) || this.#refusesBeyond());
  }

  /** Count a call that was made; true where it is covered. */
  take(units: UnitCounts, atMs: number): boolean {
    const covered = this.covers(units, atMs);
    // What is served beyond is not of the contract's capacity, and takes none of it.
    if (covered) this.#windows?.add(units, atMs);
    return covered;
  }

  /** Count the spend of a commitment's call; what of it is billed after the volume steps. */
  spend(ratedNanoUsd: bigint, atMs: number): bigint {
    const { terms } = this.contract;
    if (terms.kind !== "committed" || !runsAt(this.contract, atMs)) return ratedNanoUsd;
    const before = this.ratedSoFar(atMs);
    const after = before + ratedNanoUsd;
    if (atMs >= this.#period.fromMs) this.#period = { ...this.#period, ratedNanoUsd: after };
    else this.#before = { ...this.#before, ratedNanoUsd: after };
    return ratedNanoUsd - callDiscount(terms, before, ratedNanoUsd);
  }

  /** The spend of the commitment's period at an instant; a call that began in the period before may end in this one. */
  ratedSoFar(atMs: number): bigint {
    if (atMs >= this.#period.untilMs) {
      this.#before = this.#period;
      this.#period = { ...periodAt(this.contract, atMs), ratedNanoUsd: 0n };
    }
    if (atMs >= this.#period.fromMs) return this.#period.ratedNanoUsd;
    if (atMs >= this.#before.untilMs) this.#before = { ...periodAt(this.contract, atMs), ratedNanoUsd: 0n };
    return this.#before.ratedNanoUsd;
  }

  /** Take on what was billed in the period before this process began. */
  restore(billedNanoUsd: bigint, atMs: number): void {
    const { terms } = this.contract;
    if (terms.kind === "committed" && runsAt(this.contract, atMs)) this.#period = { ...periodAt(this.contract, atMs), ratedNanoUsd: ratedOf(terms, billedNanoUsd) };
  }

  /** What is left for calls at this instant; null where the contract covers none. */
  room(atMs: number): Room | null {
    if (!runsAt(this.contract, atMs)) return null;
    return this.contract.terms.kind === "self_hosted" ? ENDLESS : (this.#windows?.room(atMs) ?? null);
  }

  /** Where the provider refuses what is beyond, whatever it served was within, also where its clock ran a little apart. */
  #refusesBeyond(): boolean {
    const { terms } = this.contract;
    return (terms.kind === "provisioned" || terms.kind === "free_quota") && terms.beyond === "refused";
  }
}

interface Windows {
  fits(units: UnitCounts, atMs: number): boolean;
  add(units: UnitCounts, atMs: number): void;
  room(atMs: number): Room;
}

class CapacityWindows implements Windows {
  readonly #pools: readonly { readonly pool: Pool; readonly used: Window }[];

  constructor(terms: Provisioned) {
    this.#pools = terms.pools.map((pool) => ({ pool, used: new Window() }));
  }

  fits(units: UnitCounts, atMs: number): boolean {
    return this.#pools.every(({ pool, used }) => used.at(minuteOf(atMs)) + weightedMilli(pool, units) <= milliPerMinute(pool));
  }

  add(units: UnitCounts, atMs: number): void {
    for (const { pool, used } of this.#pools) used.add(minuteOf(atMs), weightedMilli(pool, units));
  }

  room(atMs: number): Room {
    const left = this.#pools.map(({ pool, used }) => milliPerMinute(pool) - used.at(minuteOf(atMs)));
    return { tokens: Math.max(0, Math.floor(Math.min(...left) / 1000)), requests: null, resetsAtMs: (minuteOf(atMs) + 1) * MS_A_MINUTE };
  }
}

class QuotaWindows implements Windows {
  readonly #terms: FreeQuota;
  readonly #minute = { requests: new Window(), tokens: new Window() };
  readonly #day = { requests: new Window(), tokens: new Window() };
  #dayFromMs = 0;
  #dayUntilMs = 0;

  constructor(terms: FreeQuota) {
    this.#terms = terms;
  }

  fits(units: UnitCounts, atMs: number): boolean {
    const left = this.#left(atMs);
    return [left.minuteRequests, left.dayRequests].every((one) => requestsOf(units) <= one) && [left.minuteTokens, left.dayTokens].every((one) => tokensOf(units) <= one);
  }

  add(units: UnitCounts, atMs: number): void {
    for (const [window, at] of [[this.#minute, minuteOf(atMs)], [this.#day, this.#dayOf(atMs)]] as const) {
      window.requests.add(at, requestsOf(units));
      window.tokens.add(at, tokensOf(units));
    }
  }

  room(atMs: number): Room {
    const left = this.#left(atMs);
    const least = (a: number, b: number): number | null => (Math.min(a, b) === Infinity ? null : Math.max(0, Math.min(a, b)));
    const day = this.#dayOf(atMs);
    const dayIsSpent = left.dayRequests <= 0 || left.dayTokens <= 0;
    const byMinute = this.#terms.requestsPerMinute !== null || this.#terms.tokensPerMinute !== null;
    return {
      tokens: least(left.minuteTokens, left.dayTokens),
      requests: least(left.minuteRequests, left.dayRequests),
      resetsAtMs: dayIsSpent || !byMinute ? Math.max(this.#dayUntilMs, day) : (minuteOf(atMs) + 1) * MS_A_MINUTE,
    };
  }

  #left(atMs: number): { minuteRequests: number; minuteTokens: number; dayRequests: number; dayTokens: number } {
    const { requestsPerMinute, tokensPerMinute, requestsPerDay, tokensPerDay } = this.#terms;
    const minute = minuteOf(atMs);
    const day = this.#dayOf(atMs);
    return {
      minuteRequests: (requestsPerMinute ?? Infinity) - this.#minute.requests.at(minute),
      minuteTokens: (tokensPerMinute ?? Infinity) - this.#minute.tokens.at(minute),
      dayRequests: (requestsPerDay ?? Infinity) - this.#day.requests.at(day),
      dayTokens: (tokensPerDay ?? Infinity) - this.#day.tokens.at(day),
    };
  }

  /** The midnight before. */
  #dayOf(atMs: number): number {
    if (atMs >= this.#dayFromMs && atMs < this.#dayUntilMs) return this.#dayFromMs;
    const date = dateAt(this.#terms.resetZone, atMs);
    this.#dayFromMs = instantOf(this.#terms.resetZone, date);
    this.#dayUntilMs = instantOf(this.#terms.resetZone, addDays(date, 1));
    return this.#dayFromMs;
  }
}

/** A sum that begins anew with each window. What comes late for an earlier one counts in the one that is on. */
class Window {
  #at = 0;
  #sum = 0;

  at(window: number): number {
    return window > this.#at ? 0 : this.#sum;
  }

  add(window: number, amount: number): void {
    if (window > this.#at) {
      this.#at = window;
      this.#sum = 0;
    }
    this.#sum += amount;
  }
}

function minuteOf(atMs: number): number {
  return Math.floor(atMs / MS_A_MINUTE);
}

function requestsOf(units: UnitCounts): number {
  return units.requests ?? 1;
}

/** Tokens of all classes. */
export function tokensOf(units: UnitCounts): number {
  let total = 0;
  for (const unit of [...INPUT_UNITS, ...OUTPUT_UNITS]) total += units[unit] ?? 0;
  return total;
}

/** What all contracts have left, over reloads of the configuration: a contract that did not change goes on counting. */
export class CapacityBook {
  readonly #meters = new Map<string, ContractMeter>();

  /** The meter of a contract; that of an earlier version where it counted by the same terms. */
  meter(contract: Contract): ContractMeter {
    const known = this.#meters.get(contract.id);
    if (known !== undefined && sameTerms(known.contract, contract)) return known;
    const made = new ContractMeter(contract);
    this.#meters.set(contract.id, made);
    return made;
  }

  /** What is left for a deployment without paying more; null where no contract covers calls to it. */
  room(deployment: string, nowMs: number): Room | null {
    for (const meter of this.#meters.values()) {
      if (runsAt(meter.contract, nowMs) && coversDeployment(meter.contract, deployment)) return meter.room(nowMs);
    }
    return null;
  }

  /** Forget contracts that are no longer there. */
  keepOnly(contracts: readonly Contract[]): void {
    const ids = new Set(contracts.map(({ id }) => id));
    for (const id of this.#meters.keys()) if (!ids.has(id)) this.#meters.delete(id);
  }
}

function sameTerms(a: Contract, b: Contract): boolean {
  const written = (contract: Contract) => JSON.stringify(contract, (_key, value: unknown) => (typeof value === "bigint" ? String(value) : value));
  return written({ ...a, version: "" }) === written({ ...b, version: "" });
}
