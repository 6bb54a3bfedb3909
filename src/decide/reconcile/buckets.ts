/** Lines that are sums of a model and a time, put together by both; calls are looked up by the instant at which they are counted. */
import type { InvoiceLine } from "../../wire/invoice.ts";
import type { Unit, UnitCounts } from "../../wire/usage.ts";
import { tierName } from "../price-at.ts";
import { addInto, asInvoiced, sameModel, tierOfCall } from "./counts.ts";
import type { LedgerCall, ValueOf, Window } from "./types.ts";

/** Of all models together. */
export const ALL_MODELS = "*";

export interface Bucket extends Window {
  /** By our name where we have one. */
  readonly model: string;
  readonly at: string;
  costNanoUsd: bigint | null;
  /** By tier; null: the standard one, or not told. */
  readonly units: Map<string | null, UnitCounts>;
  requests: number | null;
  roundedNanoUsd: number;
  lines: number;
}

/** Lines without ids, joined. Bounds that are one instant become those of its day; a line without any has those of the window. */
export function bucketsOf(lines: readonly InvoiceLine[], calls: readonly LedgerCall[], window: Window, dayOf: (ms: number) => Window): readonly Bucket[] {
  const ourName = namer(calls);
  const buckets = new Map<string, Bucket>();
  for (const line of lines) {
    const { fromMs, toMs } = line.fromMs === null || line.toMs === null ? window : line.fromMs === line.toMs ? dayOf(line.fromMs) : { fromMs: line.fromMs, toMs: line.toMs };
    const model = line.model === null ? ALL_MODELS : ourName(line.model);
    const key = `${fromMs} ${toMs} ${model}`;
    let bucket = buckets.get(key);
    if (bucket === undefined) buckets.set(key, (bucket = { fromMs, toMs, model, at: line.at, costNanoUsd: null, units: new Map(), requests: null, roundedNanoUsd: 0, lines: 0 }));
    bucket.lines++;
    bucket.roundedNanoUsd += line.roundedNanoUsd;
    if (line.costNanoUsd !== null) bucket.costNanoUsd = (bucket.costNanoUsd ?? 0n) + BigInt(line.costNanoUsd);
    if (line.requests !== null) bucket.requests = (bucket.requests ?? 0) + line.requests;
    if (line.units !== null) {
      const tier = tierName(line.tier ?? undefined);
      const units = { ...bucket.units.get(tier) };
      addInto(units, line.units);
      bucket.units.set(tier, units);
    }
  }
  return [...buckets.values()].toSorted((a, b) => a.fromMs - b.fromMs);
}

function namer(calls: readonly LedgerCall[]): (theirs: string) => string {
  const ours = new Set(calls.map(({ model }) => model));
  const known = new Map<string, string>();
  return (theirs) => {
    let name = known.get(theirs);
    if (name === undefined) {
      name = ours.has(theirs) ? theirs : ([...ours].find((one) => sameModel(theirs, one)) ?? theirs);
      known.set(theirs, name);
    }
    return name;
  };
}

/** Finds the bucket that a call falls into when it is counted at an instant; null: there is none. */
export function placer(buckets: readonly Bucket[]): (call: LedgerCall, atMs: number) => Bucket | null {
  const byModel = new Map<string, Bucket[]>();
  for (const bucket of buckets) {
    const known = byModel.get(bucket.model);
    if (known === undefined) byModel.set(bucket.model, [bucket]);
    else known.push(bucket);
  }
  const within = (model: string, atMs: number): Bucket | null => {
    const ordered = byModel.get(model);
    if (ordered === undefined) return null;
    let low = 0;
    let high = ordered.length;
    // The last that begins at or before the instant.
    while (low < high) {
      const middle = (low + high) >> 1;
      if ((ordered[middle]?.fromMs ?? 0) <= atMs) low = middle + 1;
      else high = middle;
    }
    const bucket = ordered[low - 1];
    return bucket !== undefined && atMs < bucket.toMs ? bucket : null;
  };
  return (call, atMs) => within(call.model, atMs) ?? within(ALL_MODELS, atMs);
}

/** Counts at our prices: each class at the price of one, since steps of a prompt's length are not seen in a sum. */
export class Valuing {
  readonly #valueOf: ValueOf;
  readonly #account: string;
  readonly #known = new Map<string, number | null>();
  /** Lines tell tiers; where they do not, all is at the standard one. */
  readonly #tiered: boolean;

  constructor(valueOf: ValueOf, account: string, tiered: boolean) {
    this.#valueOf = valueOf;
    this.#account = account;
    this.#tiered = tiered;
  }

  /** What a call of ours counts for. */
  ofCall(call: LedgerCall, tier = this.#tiered ? tierOfCall(call) : null): bigint | null {
    if (call.state === "held" || call.state === "unbilled" || call.state === "unmetered") return 0n;
    return this.ofUnits(call.model, asInvoiced(call.units), call.atMs, tier);
  }

  ofUnits(model: string, units: UnitCounts, atMs: number, tier: string | null): bigint | null {
    let pico = 0n;
    for (const unit of Object.keys(units) as Unit[]) {
      const price = this.#picoUsd(model, unit, atMs, tier);
      if (price === null) return null;
      pico += BigInt(Math.round((units[unit] ?? 0) * 1000)) * BigInt(price);
    }
    return (pico + 500_000n) / 1_000_000n;
  }

  /** Nano-dollars of a thousand are pico-dollars of one. */
  #picoUsd(model: string, unit: Unit, atMs: number, tier: string | null): number | null {
    const hour = Math.floor(atMs / 3_600_000);
    const key = `${model}\n${unit}\n${hour}\n${tier ?? ""}`;
    let price = this.#known.get(key);
    if (price === undefined) {
      price = this.#valueOf(`${this.#account}/${model}`, { [unit]: 1000, requests: 0 }, atMs, tier);
      this.#known.set(key, price);
    }
    return price;
  }
}
