/**
 * The fleet's price file: prices in USD per million tokens, for models whose price a configuration leaves out. They are
 * the order of magnitude of 2025's list prices, typed in by hand and not checked against any page: what counts is that the
 * gateway's catalogue is not read, so that the two price codes stay independent. A test that compares money states its prices.
 */
import type { ModelPrice } from "./price.ts";

const PRICES: Readonly<Record<string, ModelPrice>> = {
  "gpt-4o": { input: 2.5, output: 10, cache_read: 1.25 },
  "gpt-4o-mini": { input: 0.15, output: 0.6, cache_read: 0.075 },
  "gpt-4.1": { input: 2, output: 8, cache_read: 0.5 },
  "gpt-4.1-mini": { input: 0.4, output: 1.6, cache_read: 0.1 },
  "gpt-4.1-nano": { input: 0.1, output: 0.4, cache_read: 0.025 },
  "gpt-5": { input: 1.25, output: 10, cache_read: 0.125 },
  "gpt-5-mini": { input: 0.25, output: 2, cache_read: 0.025 },
  "text-embedding-3-small": { input: 0.02, output: 0 },
  "text-embedding-3-large": { input: 0.13, output: 0 },
  "claude-3-5-haiku-20241022": { input: 0.8, output: 4, cache_read: 0.08 },
  "claude-haiku-4-5": { input: 1, output: 5, cache_read: 0.1 },
  "claude-sonnet-4-5": { input: 3, output: 15, cache_read: 0.3 },
  "gemini-2.0-flash": { input: 0.1, output: 0.4, cache_read: 0.025 },
  "gemini-2.5-flash": { input: 0.3, output: 2.5, cache_read: 0.03 },
  "gemini-2.5-flash-lite": { input: 0.1, output: 0.4, cache_read: 0.01 },
  "llama-3.3-70b": { input: 0.59, output: 0.79 },
  "deepseek-chat": { input: 0.28, output: 0.42, cache_read: 0.028 },
};

/** The list price of a model, or undefined. */
export function priceOf(model: string): ModelPrice | undefined {
  return Object.hasOwn(PRICES, model) ? PRICES[model] : undefined;
}
