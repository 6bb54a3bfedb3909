/**
 * The fleet's own price arithmetic. It shares nothing with the gateway's, so that the two bills check each other.
 * Prices come as USD per million tokens; sums are exact in pico-dollars, rounded once, half up, to nano-dollars.
 */
export interface ModelPrice extends TokenPrice {
  /** Other prices of tokens, by the service tier that served. */
  readonly tiers?: Readonly<Record<string, TokenPrice>> | undefined;
  /** USD for each of what is counted one by one: images, seconds, characters, searches, requests. */
  readonly units?: Readonly<Record<string, number>> | undefined;
}

export interface TokenPrice {
  /** USD per million input tokens. */
  readonly input: number;
  /** USD per million output tokens. */
  readonly output: number;
  /** USD per million input tokens read from the cache; the input price where absent. */
  readonly cache_read?: number | undefined;
  /** USD per million input tokens written to the cache; the input price where absent. */
  readonly cache_write?: number | undefined;
}

export interface BilledTokens {
  /** All input tokens, the cached ones among them. */
  readonly input: number;
  readonly cached: number;
  /** Written to the cache; absent: none. */
  readonly written?: number;
  /** Output tokens, reasoning among them. */
  readonly output: number;
}

/** One USD per million tokens is 1e6 pico-dollars a token. */
function picoPerToken(usdPerMillion: number): bigint {
  return BigInt(Math.round(usdPerMillion * 1e6));
}

/** Cost in nano-dollars (1e-9 USD). */
export function costNanoUsd(price: ModelPrice, tokens: BilledTokens, pieces: Readonly<Record<string, number>> = {}, tier?: string): number {
  return Number((costPicoUsd({ ...price, ...(tier === undefined ? {} : price.tiers?.[tier]) }, tokens, pieces) + 500n) / 1000n);
}

/** Cost of many answers at `factor` of their price (whole thousandths), rounded once. */
export function batchNanoUsd(lines: readonly { readonly price: ModelPrice; readonly tokens: BilledTokens }[], factor: number): number {
  const sum = lines.reduce((total, { price, tokens }) => total + costPicoUsd(price, tokens, {}), 0n);
  return Number((sum * BigInt(Math.round(factor * 1000)) + 500_000n) / 1_000_000n);
}

function costPicoUsd(price: ModelPrice, tokens: BilledTokens, pieces: Readonly<Record<string, number>>): bigint {
  const { written = 0 } = tokens;
  const fresh = BigInt(tokens.input - tokens.cached - written) * picoPerToken(price.input) + BigInt(written) * picoPerToken(price.cache_write ?? price.input);
  const cached = BigInt(tokens.cached) * picoPerToken(price.cache_read ?? price.input);
  const output = BigInt(tokens.output) * picoPerToken(price.output);
  let counted = 0n;
  // Whole pieces only: the fleet rounds seconds up.
  for (const [unit, count] of Object.entries(pieces)) counted += BigInt(count) * BigInt(Math.round((price.units?.[unit] ?? 0) * 1e12));
  return fresh + cached + output + counted;
}
