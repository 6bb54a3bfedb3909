/** What a call is expected to cost: for ordering candidates only, never for money that is held or charged. */
import type { Pricing } from "../deployment.ts";
import { orphanRates } from "../price.ts";
import { sheetAt } from "../price-at.ts";

/** Prices change by dates and by hours of the day, so what is kept of them is looked up again each minute. */
const MINUTE_MS = 60_000;
/** Prompts of about the same size, within one step by context length, have one price per token. */
const SIZES_KEPT = 64;

interface Kept {
  minute: number;
  /** Prompts longer than each of these cost more a token, ascending. */
  steps: readonly number[];
  /** By step, and by powers of two of the prompt's size. */
  readonly bySize: Rates[];
}
interface Rates {
  /** Nano-dollars of a request and of each token of its prompt, pico-dollars of one that is answered. */
  readonly requestNanoUsd: number;
  readonly inputNanoUsd: number;
  readonly outputPicoUsd: number;
}
const NO_PRICE: Rates = { requestNanoUsd: 0, inputNanoUsd: 0, outputPicoUsd: 0 };
const NO_STEPS: readonly number[] = [];
const kept = new WeakMap<Pricing, Kept>();

/**
 * Expected price of a call in nano-dollars, by list or contract price of the moment; 0 where it costs nothing, null where no
 * price is known.
 */
export function expectedNanoUsd(pricing: Pricing, inputTokens: number, outputTokens: number, wallMs: number): number | null {
  if (pricing.kind === "unmetered") return 0;
  if (pricing.kind === "unknown") return null;
  const minute = Math.floor(wallMs / MINUTE_MS);
  let found = kept.get(pricing);
  if (found === undefined) kept.set(pricing, (found = { minute, steps: stepsAt(pricing, wallMs), bySize: [] }));
  if (found.minute !== minute) {
    found.minute = minute;
    found.steps = stepsAt(pricing, wallMs);
    found.bySize.length = 0;
  }
  const { steps } = found;
  let step = 0;
  while (step < steps.length && inputTokens > (steps[step] as number)) step += 1;
  const size = Math.min(SIZES_KEPT - 1, Math.ceil(Math.log2(Math.max(1, inputTokens))));
  const rates = (found.bySize[step * SIZES_KEPT + size] ??= ratesAt(pricing, Math.max(1, Math.min(2 ** size, steps[step] ?? Number.POSITIVE_INFINITY)), wallMs) ?? NO_PRICE);
  return rates === NO_PRICE ? null : rates.requestNanoUsd + inputTokens * rates.inputNanoUsd + (outputTokens * rates.outputPicoUsd) / 1_000;
}

function stepsAt(pricing: Pricing, wallMs: number): readonly number[] {
  const steps = sheetAt(pricing, wallMs)?.contextSteps ?? [];
  return steps.length === 0 ? NO_STEPS : steps.map((one) => one.aboveInputTokens);
}

function ratesAt(pricing: Pricing, tokens: number, wallMs: number): Rates | null {
  const { inputEstimateNanoUsd, outputPricePicoUsd } = orphanRates(pricing, tokens, { wallMs });
  if (inputEstimateNanoUsd === null) return null;
  const requestNanoUsd = orphanRates(pricing, 0, { wallMs }).inputEstimateNanoUsd ?? 0;
  return { requestNanoUsd, inputNanoUsd: Math.max(0, inputEstimateNanoUsd - requestNanoUsd) / tokens, outputPicoUsd: outputPricePicoUsd ?? 0 };
}
