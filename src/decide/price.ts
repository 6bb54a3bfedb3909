/**
 * What a call costs. Counts × prices in bigint, summed exactly, rounded once, half up, to nano-dollars. This is the one
 * file that rounds money. Unknown is never zero: no price gives null and a flag.
 */
import type { PriceSheet, SurchargedFeature } from "../wire/facts.ts";
import { inputTokens } from "../wire/usage.ts";
import type { Unit, UnitCounts, Usage } from "../wire/usage.ts";
import type { Pricing } from "./deployment.ts";
import { geoPermille, isTokenUnit, pricesIn, sheetAt, situationAt, surchargePermille, tierOf, unitPrice } from "./price-at.ts";

/** When and how the call was served. */
export interface PricedAt {
  /** The attempt's time, ms since 1970. */
  readonly wallMs: number;
  /** Service tier that was asked; the answer's own (`usage.serviceTier`) wins, since that is what is billed. */
  readonly serviceTier?: string;
  /**
   * Geography the request was pinned to; absent: what the answer tells (`geo_<name>` among the usage's flags), then where
   * the deployment is served.
   */
  readonly geo?: string;
  /** What the request asked for that some price lists charge extra. */
  readonly features?: readonly SurchargedFeature[] | undefined;
}
export interface Priced {
  /** Integer nano-dollars; null: unmetered, or unknown (then flagged). */
  readonly costNanoUsd: number | null;
  readonly priceVersion: string | null;
  /**
   * `provider_cost`, `price_unknown`, `unpriced:<unit>`, `price_guess:<unit>`, `tier_unknown`, `tier_price_scaled`,
   * `geo_unknown`, `entry_model_unpriced`, `bad_count:<unit>`, `overflow`, and the sheet's own doubts (`price_disputed`,
   * `price_from_memory`).
   */
  readonly flags: readonly string[];
}

/** Sums are kept in pico-dollars × thousandths of a unit × thousandths of each: a geography, a discount, surcharges. */
const MILLI = 1000n;
const PICO_PER_NANO = 1000n;
const UNSCALED = 1_000_000_000;
const PER_NANO = PICO_PER_NANO * MILLI * BigInt(UNSCALED);
const PLAIN_PER_NANO = 1_000_000;
const FULL_PERMILLE = 1000;
const NO_FLAGS: readonly string[] = [];

/**
 * Price one call's usage. The provider's own stated charge is taken where there is one (flag `provider_cost`), unless
 * it says 0 for a call that has a price. `sheetOfModel` gives the sheet of another model of the same provider, for answers
 * that bill several; without it, or where it gives null, such an entry is priced as the called model, flagged.
 */
export function priceUsage(
  pricing: Pricing,
  usage: Usage,
  at: PricedAt,
  sheetOfModel?: (upstreamModel: string) => PriceSheet | null,
): Priced {
  if (pricing.kind === "unmetered") return { costNanoUsd: null, priceVersion: null, flags: [] };
  const stated = statedCost(usage);
  const sheet = sheetAt(pricing, at.wallMs);
  if (sheet === null) {
    if (stated === null || stated === 0) return { costNanoUsd: null, priceVersion: null, flags: ["price_unknown"] };
    return { costNanoUsd: stated, priceVersion: null, flags: ["provider_cost"] };
  }
  const sum = new Sum();
  const tier = usage.serviceTier ?? at.serviceTier;
  const where: PricedAt = at.geo === undefined ? { wallMs: at.wallMs, features: at.features, geo: geoTold(usage) ?? geoServed(pricing) } : at;
  const entries = usage.entries ?? [];
  if (entries.length === 0) sum.add(sheet, usage.units, where, tier);
  for (const entry of entries) {
    const other = entry.model === null ? sheet : (sheetOfModel?.(entry.model) ?? null);
    if (other === null) sum.flag("entry_model_unpriced");
    sum.add(other ?? sheet, entry.units, where, tier);
  }
  sum.addRequest(
    sheet,
    entries.length === 0
      ? usage.units
      : { requests: entries.some((entry) => entry.units.requests !== undefined) ? 1 : undefined },
    at,
    tier,
  );
  const own = sum.nanoUsd(sheet.free === true);
  if (stated !== null && (stated > 0 || own === 0)) return { costNanoUsd: stated, priceVersion: sheet.version, flags: ["provider_cost"] };
  return { costNanoUsd: own, priceVersion: sheet.version, flags: sheet.doubts === undefined ? sum.flags : [...sum.flags, ...sheet.doubts] };
}

function geoServed(pricing: Pricing): string | undefined {
  return pricing.kind === "sheet" ? pricing.geo : undefined;
}

/** The geography that the provider says it served from. */
function geoTold(usage: Usage): string | undefined {
  return usage.flags?.find((flag) => flag.startsWith("geo_"))?.slice("geo_".length);
}

function statedCost(usage: Usage): number | null {
  const cost = usage.providerCostNanoUsd;
  return cost !== undefined && Number.isSafeInteger(cost) && cost >= 0 ? cost : null;
}

/** The running sum of one row: exact until it is read, and then rounded once. */
class Sum {
  /** null: none yet, as of nearly every row. */
  #flags: Set<string> | null = null;
  /** Pico-dollars × thousandths of a unit, unscaled: as long as these are safe integers they cost a tenth of bigints. The rest is in `#total`. */
  #plain = 0;
  #total = 0n;
  #unknown = false;
  #unpricedExtra = false;

  /** Without repeats. */
  get flags(): readonly string[] {
    return this.#flags === null ? NO_FLAGS : [...this.#flags];
  }

  flag(flag: string): void {
    (this.#flags ??= new Set()).add(flag);
  }

  /** Add units at the prices of `sheet`. The context step goes by all prompt tokens of these units. `permille`: of the price of each token. */
  add(sheet: PriceSheet, units: UnitCounts, at: PricedAt, tierWord: string | undefined, permille = FULL_PERMILLE): void {
    const asked = tierOf(sheet, tierWord);
    if (asked.kind === "unknown" && Object.keys(sheet.tiers).length > 0) this.flag("tier_unknown");
    const tier = asked.kind === "tier" ? asked.tier : null;
    const { prices, scaled } = pricesIn(sheet, situationAt(sheet, at.wallMs, inputTokens(units), tier));
    if (scaled) this.flag("tier_price_scaled");
    const geo = geoPermille(sheet, at.geo);
    if (geo.guess) this.flag("geo_unknown");
    const ofTokens = geo.permille * permille * surchargePermille(sheet, at.features);
    for (const unit of Object.keys(units) as Unit[]) {
      const count = this.#milliCount(unit, units[unit]);
      if (count === 0) continue;
      const { picoUsd, guess } = unitPrice(unit, prices, sheet.free === true);
      if (picoUsd === null) this.#unpriced(unit);
      else this.#addProduct(count, picoUsd, isTokenUnit(unit) ? ofTokens : UNSCALED);
      if (guess) this.flag(`price_guess:${unit}`);
    }
  }

  /** A fee per request falls due once for a call, counted by the usage or not. */
  addRequest(sheet: PriceSheet, units: UnitCounts, at: PricedAt, tierWord: string | undefined): void {
    if (units.requests !== undefined || sheet.base.requests === undefined) return;
    this.add(sheet, { requests: 1 }, at, tierWord);
  }

  /** Add what somebody else has priced. */
  addNanoUsd(nanoUsd: number): void {
    this.#total += BigInt(nanoUsd) * PER_NANO;
  }

  /** Rounded half up; null where a class of tokens has no price, or nothing that was counted has one. */
  nanoUsd(free: boolean): number | null {
    if (this.#unknown || (this.#unpricedExtra && this.#total === 0n && this.#plain === 0 && !free)) return null;
    const half = PLAIN_PER_NANO / 2;
    if (this.#total === 0n && this.#plain <= Number.MAX_SAFE_INTEGER - half) {
      // The remainder is exact, and so is the division of what is left without it.
      const sum = this.#plain + half;
      return (sum - (sum % PLAIN_PER_NANO)) / PLAIN_PER_NANO;
    }
    const nano = roundHalfUp(this.#total + BigInt(this.#plain) * BigInt(UNSCALED), PER_NANO);
    if (nano !== null) return nano;
    this.flag("overflow");
    return null;
  }

  #unpriced(unit: Unit): void {
    this.flag(`unpriced:${unit}`);
    if (isTokenUnit(unit)) this.#unknown = true;
    else this.#unpricedExtra = true;
  }

  #addProduct(milliCount: number | bigint, picoUsd: number, scale: number): void {
    if (scale === UNSCALED && typeof milliCount === "number") {
      // A product beyond the safe integers is rounded to one that is beyond them too.
      const sum = this.#plain + milliCount * picoUsd;
      if (Number.isSafeInteger(sum)) {
        this.#plain = sum;
        return;
      }
    }
    this.#total += BigInt(milliCount) * BigInt(picoUsd) * BigInt(scale);
  }

  /** Thousandths of a unit (seconds of audio come in fractions). What is no count adds nothing, flagged. */
  #milliCount(unit: Unit, count: number | undefined): number | bigint {
    if (count === undefined) return 0;
    if (!Number.isFinite(count) || count < 0) {
      this.flag(`bad_count:${unit}`);
      return 0;
    }
    const milli = Math.round(count * 1000);
    return Number.isSafeInteger(milli) || !Number.isInteger(count) ? milli : BigInt(count) * MILLI;
  }
}

/** How a provider bills what it runs in batches. */
export interface BatchTerms {
  /** The provider's discount on tokens, where a sheet states no price for batches itself; absent: not known. */
  readonly factor?: number;
  /** When the batch was made. */
  readonly wallMs: number;
}

/**
 * What a batch costs: one row of many answers, each at its own model's price, all rounded once. A sheet's own prices for
 * batches go before the provider's discount; the tier that an answer tells is that of the batch, and not looked at.
 */
export class BatchPrice {
  readonly #terms: BatchTerms;
  readonly #sum = new Sum();
  readonly #flags = new Set<string>();
  #unknown = false;
  #free = true;
  #metered = false;

  constructor(terms: BatchTerms) {
    this.#terms = terms;
  }

  add(pricing: Pricing, usage: Usage, sheetOfModel?: (upstreamModel: string) => PriceSheet | null): void {
    const stated = statedCost(usage);
    if (pricing.kind === "unmetered") {
      this.#unknown = true;
    } else if (stated !== null && stated > 0) {
      this.#metered = true;
      this.#free = false;
      this.#flags.add("provider_cost");
      this.#sum.addNanoUsd(stated);
    } else {
      const sheet = sheetAt(pricing, this.#terms.wallMs);
      if (sheet !== null) return this.#addBySheet(sheet, usage, geoTold(usage) ?? geoServed(pricing), sheetOfModel);
      this.#metered = true;
      this.lack("price_unknown");
    }
  }

  /** Something has no price: then the whole has none. */
  lack(flag: string): void {
    this.#unknown = true;
    this.#flags.add(flag);
  }

  /** Has anything that was added a price at all, known or not? */
  get metered(): boolean {
    return this.#metered;
  }

  /** Is the whole unknown? */
  get lacks(): boolean {
    return this.#unknown;
  }

  /** null: unknown, or unmetered. */
  priced(): Pick<Priced, "costNanoUsd" | "flags"> {
    const costNanoUsd = this.#unknown ? null : this.#sum.nanoUsd(this.#free);
    return { costNanoUsd, flags: [...new Set([...this.#flags, ...this.#sum.flags])] };
  }

  #addBySheet(sheet: PriceSheet, usage: Usage, geo: string | undefined, sheetOfModel?: (upstreamModel: string) => PriceSheet | null): void {
    const at: PricedAt = { wallMs: this.#terms.wallMs, ...(geo === undefined ? {} : { geo }) };
    for (const doubt of sheet.doubts ?? []) this.#flags.add(doubt);
    this.#addUnits(sheet, usage.entries === undefined || usage.entries.length === 0 ? usage.units : {}, at);
    for (const entry of usage.entries ?? []) {
      const other = entry.model === null ? sheet : (sheetOfModel?.(entry.model) ?? null);
      if (other === null) this.#flags.add("entry_model_unpriced");
      this.#addUnits(other ?? sheet, entry.units, at);
    }
    this.#sum.addRequest(sheet, usage.units, at, undefined);
  }

  #addUnits(sheet: PriceSheet, units: UnitCounts, at: PricedAt): void {
    if (sheet.free !== true) this.#free = false;
    const permille = batchPermille(sheet, this.#terms.factor);
    if (permille === null) {
      this.lack("unmetered_batch");
      return;
    }
    this.#metered = true;
    this.#sum.add(sheet, units, at, permille === "tier" ? BATCH_TIER : undefined, permille === "tier" ? FULL_PERMILLE : permille);
  }
}

const BATCH_TIER = "batch";

/** What a batch costs of a sheet's prices: those that it states for batches, or so many thousandths; null: not known. */
export function batchPermille(sheet: PriceSheet, factor: number | undefined): number | "tier" | null {
  if (tierOf(sheet, BATCH_TIER).kind === "tier") return "tier";
  if (costsNothing(sheet)) return FULL_PERMILLE;
  return factor === undefined ? null : Math.round(factor * FULL_PERMILLE);
}

/** Given away whole: what such a call counted need not be known. */
export function costsNothing(sheet: PriceSheet): boolean {
  return sheet.free === true && Object.values(sheet.base).every((price) => price === 0);
}

/** Integer division of a non-negative sum, half up; null beyond the safe integers. */
function roundHalfUp(sum: bigint, by: bigint): number | null {
  const result = (sum + by / 2n) / by;
  return result <= BigInt(Number.MAX_SAFE_INTEGER) ? Number(result) : null;
}

/** An upper bound in nano-dollars of a sum of pico-dollars × millionths; never rounds down. */
export function nanoUsdAtMost(picoMillionths: bigint): number | null {
  const by = PICO_PER_NANO * 1_000_000n;
  const result = (picoMillionths + by - 1n) / by;
  return result <= BigInt(Number.MAX_SAFE_INTEGER) ? Number(result) : null;
}

/** The version to be stored with a row that is priced at `wallMs`; null where there is no sheet. */
export function priceVersionOf(pricing: Pricing, wallMs: number): string | null {
  return sheetAt(pricing, wallMs)?.version ?? null;
}

/**
 * What a durable hold keeps so that an orphan can be settled without the catalogue: the price of the prompt's estimate
 * in nano-dollars (or of `expectedUnits`, where a call is not billed by tokens alone) and of one relayed answer token in
 * pico-dollars. Null where there is no price.
 */
export function orphanRates(
  pricing: Pricing,
  inputEstimateTokens: number,
  at: PricedAt,
  expectedUnits?: UnitCounts,
): { readonly inputEstimateNanoUsd: number | null; readonly outputPricePicoUsd: number | null } {
  const sheet = sheetAt(pricing, at.wallMs);
  if (sheet === null) return { inputEstimateNanoUsd: null, outputPricePicoUsd: null };
  const asked = tierOf(sheet, at.serviceTier);
  const { prices } = pricesIn(
    sheet,
    situationAt(sheet, at.wallMs, inputEstimateTokens, asked.kind === "tier" ? asked.tier : null),
  );
  const output = unitPrice("output", prices, sheet.free === true).picoUsd;
  const permille = geoPermille(sheet, at.geo ?? geoServed(pricing)).permille * surchargePermille(sheet, at.features);
  return {
    inputEstimateNanoUsd: priceUsage(pricing, { units: expectedUnits ?? { input: inputEstimateTokens }, raw: null }, at).costNanoUsd,
    outputPricePicoUsd: output === null ? null : Math.ceil((output * permille) / 1_000_000),
  };
}
