/** What a call is expected to cost: for ordering candidates only, never for money that is held or charged. */
import type { Pricing } from "../deployment.ts";
import { orphanRates } from "../price.ts";

/** Prices change by dates and by hours of the day, so what is kept of them is looked up again each minute. */
const MINUTE_MS = 60_000;
/** Prompts of about the same size have one price per token: steps by context length lie far apart. */
const SIZES_KEPT = 64;

interface Kept {
  minute: number;
  /** By powers of two of the prompt's size: nano-dollars per input token, pico-dollars per output token. */
  readonly bySize: Rates[];
}
interface Rates {
  readonly inputNanoUsd: number;
  readonly outputPicoUsd: number;
}
const NO_PRICE: Rates = { inputNanoUsd: 0, outputPicoUsd: 0 };
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
  if (found === undefined) kept.set(pricing, (found = { minute, bySize: [] }));
  if (found.minute !== minute) {
    found.minute = minute;
    found.bySize.length = 0;
  }
  const size = Math.min(SIZES_KEPT - 1, Math.ceil(Math.log2(Math.max(1, inputTokens))));
  const rates = (found.bySize[size] ??= ratesAt(pricing, 2 ** size, wallMs) ?? NO_PRICE);
  return rates === NO_PRICE ? null : inputTokens * rates.inputNanoUsd + (outputTokens * rates.outputPicoUsd) / 1_000;
}

function ratesAt(pricing: Pricing, tokens: number, wallMs: number): Rates | null {
  const { inputEstimateNanoUsd, outputPricePicoUsd } = orphanRates(pricing, tokens, { wallMs });
  return inputEstimateNanoUsd === null ? null : { inputNanoUsd: inputEstimateNanoUsd / tokens, outputPicoUsd: outputPricePicoUsd ?? 0 };
}
