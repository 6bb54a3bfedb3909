/**
 * Upper bounds: how many tokens a prompt can be at most, and what a call can cost at most. A hold is made of these, so
 * they may be too high and never too low. null is "unknown" (or "costs nothing we could bound": unmetered).
 */
import type { ModelFacts, PriceSheet, SurchargedFeature } from "../wire/facts.ts";
import { INPUT_UNITS, OUTPUT_UNITS } from "../wire/usage.ts";
import type { Unit, UnitCounts } from "../wire/usage.ts";
import type { Pricing } from "./deployment.ts";
import { geoPermille, isTokenUnit, pricesIn, sheetAt, tierOf, unitPrice } from "./price-at.ts";
import type { Situation } from "./price-at.ts";
import { batchPermille, nanoUsdAtMost, type BatchTerms } from "./price.ts";

/** Role markers, separators, a tool's wrapping: no chat template spends more on one message or tool. */
export const TOKENS_PER_MESSAGE = 32;
/** The model's own preamble: reply priming, and the hidden instructions that come with tools (up to about 800 seen). */
export const FIXED_OVERHEAD_TOKENS = 1_024;
/** One image at its dearest detail, where the catalogue knows no better. */
export const DEFAULT_TOKENS_PER_IMAGE = 6_240;
/** A call can outlast its hold's instant by its deadline and its stream's lifetime; price changes in between count. */
const PRICE_HORIZON_MS = 2 * 3_600_000;

export interface PromptMeasure {
  /** UTF-8 bytes of all text that the model sees. No tokenizer makes more than one token of a byte. */
  readonly textBytes: number;
  readonly messageAndToolCount: number;
  readonly imageCount: number;
  /** Something of unknown size is in it: a URL, a file id, a previous response, a server tool. */
  readonly unsized: boolean;
  /** Things that the model reads each by itself, so that each may fill its window; absent: one. */
  readonly windows?: number;
}

/** Most tokens the prompt can be: the whole context window where its size cannot be known, null where that is unknown. */
export function inputBoundTokens(
  measure: PromptMeasure,
  model: ModelFacts | null,
  contextWindow: number | null,
): number | null {
  if (measure.unsized) return contextWindow === null ? null : contextWindow * (measure.windows ?? 1);
  const perImage = model?.maxTokensPerImage ?? DEFAULT_TOKENS_PER_IMAGE;
  return (
    measure.textBytes +
    TOKENS_PER_MESSAGE * measure.messageAndToolCount +
    FIXED_OVERHEAD_TOKENS +
    perImage * measure.imageCount
  );
}

export interface CallSize {
  /** Bound of the prompt in tokens; null: unknown. */
  readonly inputTokens: number | null;
  /** Output limit of one choice; null: none. */
  readonly outputTokens: number | null;
  readonly choiceCount: number;
  /** Most of what is counted one by one (searches, images, seconds …); the fee per request is added by itself. */
  readonly units?: UnitCounts;
  /** Tier that the request asks for; it may be served in the standard tier instead, so both count. */
  readonly serviceTier?: string;
  readonly geo?: string;
  /** What it asks for that some price lists charge extra; absent: anything. */
  readonly features?: readonly SurchargedFeature[];
  /** Input classes that this request can reach; absent: all. A prompt without audio need not bear audio's price. */
  readonly inputClasses?: readonly (typeof INPUT_UNITS)[number][];
}

/**
 * The most that a call can cost in nano-dollars, started at `wallMs` and over within two hours: every token at the
 * dearest class it can reach over context steps, daily windows, announced changes and the tiers it may be served in.
 */
export function boundNanoUsd(pricing: Pricing, size: CallSize, wallMs: number): number | null {
  if (pricing.kind !== "sheet") return null;
  const { inputTokens, outputTokens } = size;
  if (inputTokens === null || outputTokens === null) return null;
  const served = { geo: size.geo ?? pricing.geo, told: pricing.geoTold === true };
  if (pricing.later === undefined) return sheetBound(pricing.sheet, size, inputTokens, outputTokens, served, wallMs);
  let highest = 0;
  for (const sheet of sheetsWithin(pricing, wallMs)) {
    const bound = sheet === null ? null : sheetBound(sheet, size, inputTokens, outputTokens, served, wallMs);
    if (bound === null) return null;
    highest = Math.max(highest, bound);
  }
  return highest;
}

/** The sheets by which a call that starts at `wallMs` may be priced; null: none is known for a part of its time. */
export function sheetsWithin(pricing: Extract<Pricing, { kind: "sheet" }>, wallMs: number): readonly (PriceSheet | null)[] {
  const later = pricing.later ?? [];
  const started = later.filter((next) => next.fromMs <= wallMs).length;
  const coming = later.slice(started).filter((next) => next.fromMs <= wallMs + PRICE_HORIZON_MS);
  return [started === 0 ? pricing.sheet : (later[started - 1]?.sheet ?? null), ...coming.map((next) => next.sheet)];
}

function sheetBound(sheet: PriceSheet, size: CallSize, inputTokens: number, outputTokens: number, served: Served, wallMs: number): number | null {
  const oneGeo = served.geo === undefined && (!served.told || Object.keys(sheet.geoPermille).length === 0);
  const plain = oneGeo ? plainBound(sheet, size, inputTokens, outputTokens) : undefined;
  if (plain !== undefined) return plain;
  const permille = tokenPermille(sheet, served, size.features);
  let highest = 0n;
  for (const situation of situations(sheet, inputTokens, size.serviceTier, wallMs)) {
    const cost = costIn(sheet, situation, inputTokens, outputTokens * size.choiceCount, size, permille);
    if (cost === null) return null;
    if (cost > highest) highest = cost;
  }
  return nanoUsdAtMost(highest);
}

/** Where a call is served; `told`: by what its answer says, whatever we believe. */
interface Served {
  readonly geo: string | undefined;
  readonly told: boolean;
}

/** The most by which the prices of tokens can be multiplied, in millionths: geography × surcharges. */
function tokenPermille(sheet: PriceSheet, served: Served, features: readonly SurchargedFeature[] | undefined): bigint {
  // Where the answer tells the place, what it tells is billed.
  const ofGeo = served.told ? Math.max(1000, ...Object.values(sheet.geoPermille)) : geoPermille(sheet, served.geo).permille;
  const asked = features ?? SURCHARGED;
  const ofFeatures = asked.reduce((most, feature) => Math.ceil((most * Math.max(1000, sheet.surcharges?.[feature] ?? 1000)) / 1000), 1000);
  return BigInt(ofGeo) * BigInt(ofFeatures);
}

const SURCHARGED: readonly SurchargedFeature[] = ["structured_output", "tools"];

/** The most that one request of a batch can cost; null: unknown, or unmetered. */
export function batchBoundNanoUsd(pricing: Pricing, size: CallSize, terms: BatchTerms): number | null {
  const sheet = sheetAt(pricing, terms.wallMs);
  const permille = sheet === null ? null : batchPermille(sheet, terms.factor);
  if (sheet === null || permille === null) return null;
  if (permille === "tier") return boundNanoUsd(pricing, { ...size, serviceTier: "batch" }, terms.wallMs);
  const full = boundNanoUsd(pricing, size, terms.wallMs);
  // The discount is one on tokens.
  const discounted = full !== null && size.units === undefined && sheet.base.requests === undefined;
  return discounted ? Math.ceil((full * permille) / 1000) : full;
}

const plainRates = new WeakMap<PriceSheet, { readonly input: number; readonly output: number } | null>();

/**
 * The same bound for a sheet with one situation only (no steps, windows, changes or fees), whose dearest prices are looked
 * up once; undefined where it does not apply or the product might not be exact.
 */
function plainBound(sheet: PriceSheet, size: CallSize, inputTokens: number, outputTokens: number): number | undefined {
  if (size.units !== undefined || size.serviceTier !== undefined || size.geo !== undefined || size.inputClasses !== undefined) return undefined;
  let rates = plainRates.get(sheet);
  if (rates === undefined) {
    rates = ratesOf(sheet);
    plainRates.set(sheet, rates);
  }
  if (rates === null) return undefined;
  const pico = Math.ceil(inputTokens) * rates.input + Math.ceil(outputTokens * size.choiceCount) * rates.output;
  return Number.isSafeInteger(pico) ? Math.ceil(pico / 1000) : undefined;
}

function ratesOf(sheet: PriceSheet): { readonly input: number; readonly output: number } | null {
  const one = sheet.scheduled.length === 0 && sheet.windows.length === 0 && sheet.contextSteps.length === 0 && sheet.base.requests === undefined;
  if (!one || sheet.surcharges !== undefined) return null;
  const { prices } = pricesIn(sheet, { scheduled: null, window: null, step: null, tier: null });
  const dearest = (units: readonly Unit[]): number | null => {
    let most = 0;
    for (const unit of units) {
      const { picoUsd } = unitPrice(unit, prices, sheet.free === true);
      if (picoUsd === null) return null;
      most = Math.max(most, picoUsd);
    }
    return most;
  };
  const input = dearest(INPUT_UNITS);
  const output = dearest(OUTPUT_UNITS);
  return input === null || output === null ? null : { input, output };
}

/** In pico-dollars × millionths. */
function costIn(
  sheet: PriceSheet,
  situation: Situation,
  inputTokens: number,
  outputTokens: number,
  size: CallSize,
  ofTokens: bigint,
): bigint | null {
  const { prices } = pricesIn(sheet, situation);
  const free = sheet.free === true;
  const dearest = (units: readonly Unit[]): bigint | null => {
    let most = 0;
    for (const unit of units) {
      const { picoUsd } = unitPrice(unit, prices, free);
      if (picoUsd === null) return null;
      most = Math.max(most, picoUsd);
    }
    return BigInt(most);
  };
  const input = inputTokens > 0 ? dearest(size.inputClasses ?? INPUT_UNITS) : 0n;
  const output = outputTokens > 0 ? dearest(OUTPUT_UNITS) : 0n;
  if (input === null || output === null) return null;
  let total = (BigInt(Math.ceil(inputTokens)) * input + BigInt(Math.ceil(outputTokens)) * output) * ofTokens;
  const counted: UnitCounts = sheet.base.requests === undefined ? { ...size.units } : { requests: 1, ...size.units };
  for (const unit of Object.keys(counted) as Unit[]) {
    const count = counted[unit] ?? 0;
    if (count <= 0) continue;
    const { picoUsd } = unitPrice(unit, prices, free);
    if (picoUsd === null) return null;
    total += BigInt(Math.ceil(count)) * BigInt(picoUsd) * (isTokenUnit(unit) ? ofTokens : 1_000_000n);
  }
  return total;
}

/** Every situation in which the call could end up. */
function situations(
  sheet: PriceSheet,
  inputTokens: number,
  serviceTier: string | undefined,
  wallMs: number,
): readonly Situation[] {
  const changes: Situation["scheduled"][] = [];
  let sofar = null as Situation["scheduled"];
  for (const change of sheet.scheduled) {
    if (change.fromMs > wallMs) changes.push(sofar);
    if (change.fromMs > wallMs + PRICE_HORIZON_MS) break;
    sofar = { ...sofar, ...change.prices };
  }
  changes.push(sofar);
  const windows = [null, ...sheet.windows.map((window) => window.prices)];
  const steps = [null, ...sheet.contextSteps.filter((step) => inputTokens > step.aboveInputTokens)];
  const asked = tierOf(sheet, serviceTier);
  const tiers =
    asked.kind === "standard"
      ? [null]
      : asked.kind === "tier"
        ? [null, asked.tier]
        : [null, ...new Set([...Object.keys(sheet.tiers), ...steps.flatMap((step) => Object.keys(step?.tiers ?? {}))])];
  const all: Situation[] = [];
  for (const scheduled of changes)
    for (const window of windows)
      for (const step of steps) for (const tier of tiers) all.push({ scheduled, window, step, tier });
  return all;
}
