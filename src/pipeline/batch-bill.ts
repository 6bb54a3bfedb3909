/**
 * What a batch that ended is charged: its lines are read one by one, each is priced as its own model's, and the row is their
 * sum. What cannot be read or priced makes the cost unknown, and never nothing.
 */
import type { Deployment, Pricing } from "../decide/deployment.ts";
import { BatchPrice, costsNothing } from "../decide/price.ts";
import { sheetAt } from "../decide/price-at.ts";
import type { Charge, KeptCall } from "../ports.ts";
import { batchDialect, type BatchTold, type BilledAnswer } from "../providers/dialects/batches.ts";
import type { PriceSheet } from "../wire/facts.ts";
import type { Json, JsonObject } from "../wire/json.ts";
import type { Unit, UnitCounts } from "../wire/usage.ts";

type Counts = { [U in Unit]?: number };

/** Models that the row tells apart. */
const MODELS_MAX = 64;
const decoder = new TextDecoder();

export interface BatchBillFacts {
  readonly call: KeptCall;
  readonly told: BatchTold;
  /** The account as it stands. */
  readonly owner: Deployment;
  /** What the account calls by a model's name; null: nothing that has a price. */
  readonly at: (model: string) => Deployment | null;
}

export class BatchBill {
  readonly #facts: BatchBillFacts;
  readonly #price: BatchPrice;
  readonly #units: Counts = {};
  readonly #models = new Map<string, { lines: number; units: Counts }>();
  readonly #flags = new Set<string>();
  readonly #priceOf = new Map<string, Pricing>();
  #billed = 0;
  #unmetered = false;

  constructor(facts: BatchBillFacts) {
    this.#facts = facts;
    const factor = facts.owner.provider.batchPriceFactor;
    this.#price = new BatchPrice({ wallMs: facts.call.createdMs, ...(factor === undefined ? {} : { factor }) });
  }

  /** One line of the results; null: one that was too long to be read. */
  line(bytes: Uint8Array | null): void {
    let json: Json;
    try {
      json = bytes === null ? null : (JSON.parse(decoder.decode(bytes)) as Json);
    } catch {
      json = null;
    }
    const line = batchDialect(this.#facts.call.kind).line(json, this.#facts.owner.provider.usage);
    // A line that is no line may have been a dear one.
    if (json === null) this.#lack("unreadable_line");
    else if (line.kind === "billed") this.answer(line);
    else if (line.kind === "unread") this.#unread(line.model);
  }

  /** One answer, or the sum of all where the provider tells that. */
  answer({ model, usage }: BilledAnswer): void {
    this.#billed++;
    const pricing = this.#pricing(model);
    if (pricing.kind === "unmetered") this.#unmetered = true;
    this.#price.add(pricing, usage, (name) => this.#sheet(name));
    for (const flag of usage.flags ?? []) this.#flags.add(flag);
    addUnits(this.#units, usage.units);
    const group = this.#models.get(model) ?? { lines: 0, units: {} };
    if (this.#models.size < MODELS_MAX) this.#models.set(model, group);
    group.lines++;
    addUnits(group.units, usage.units);
  }

  /** Its results are there no more, and how much was done is not known but by count. */
  lost(flag: string): void {
    this.#lack(flag);
  }

  /** Does the price of a whole not depend on how it is cut into answers? */
  pricesWhole(model: string): boolean {
    return (this.#sheet(model)?.contextSteps.length ?? 0) === 0;
  }

  charge(atMs: number): Charge {
    const { call, told } = this.#facts;
    const common = { attemptId: call.attemptId, outcome: "answered", rawUsage: this.#raw(told), atMs };
    const flags = [...this.#flags];
    if (this.#billed === 0 && !this.#price.lacks) return { ...common, state: "unbilled", units: {}, costNanoUsd: 0, flags };
    const { costNanoUsd, flags: priceFlags } = this.#price.priced();
    const metered = this.#price.metered || !(this.#unmetered || priceFlags.includes("unmetered_batch"));
    const estimated = priceFlags.some((flag) => ESTIMATES.has(flag));
    // What is not known may be anything up to the bound.
    const cost = metered ? (costNanoUsd ?? (estimated ? call.boundNanoUsd : null)) : null;
    const overrun = cost !== null && call.boundNanoUsd !== null && cost > call.boundNanoUsd;
    return {
      ...common,
      state: metered ? (estimated ? "estimated" : "charged") : "unmetered",
      units: this.#units,
      costNanoUsd: cost,
      flags: [...new Set([...(metered && estimated ? ["estimated"] : []), ...flags, ...priceFlags, ...(overrun ? ["overrun"] : [])])],
    };
  }

  /** An answer that does not tell what is billed for it. What is given away needs not tell. */
  #unread(model: string | null): void {
    const sheet = model === null ? null : this.#sheet(model);
    if (sheet !== null && costsNothing(sheet)) this.#billed++;
    else this.#lack("usage_missing");
  }

  #lack(flag: string): void {
    this.#price.lack(flag);
  }

  #sheet(model: string): PriceSheet | null {
    return sheetAt(this.#pricing(model), this.#facts.call.createdMs);
  }

  #pricing(model: string): Pricing {
    const known = this.#priceOf.get(model);
    if (known !== undefined) return known;
    const pricing = this.#facts.at(model)?.pricing ?? UNKNOWN;
    if (this.#priceOf.size < MODELS_MAX) this.#priceOf.set(model, pricing);
    return pricing;
  }

  #raw({ id, status, counts }: BatchTold): JsonObject {
    return { batch: id, status, request_counts: counts, models: [...this.#models].map(([model, { lines, units }]) => ({ model, lines, units: { ...units } })) };
  }
}

const UNKNOWN: Pricing = { kind: "unknown" };
/** What makes a row less than what the provider told. */
const ESTIMATES: ReadonlySet<string> = new Set(["usage_missing", "unreadable_line", "results_gone", "results_too_large"]);

/** The charge of a batch of which nothing more will be learned: its bound, where there was one. */
export function chargeOfLost(call: KeptCall, why: string, atMs: number): Charge {
  return { attemptId: call.attemptId, state: "estimated", outcome: "lost", units: {}, rawUsage: { batch: call.upstreamId, status: call.status }, costNanoUsd: call.boundNanoUsd, flags: ["estimated", why], atMs };
}

function addUnits(sum: Counts, units: UnitCounts): void {
  for (const unit of Object.keys(units) as Unit[]) sum[unit] = (sum[unit] ?? 0) + (units[unit] ?? 0);
}
