/**
 * What other gateways and balancers do by default, as numbers, each with the document that says so. Which product a policy is
 * modelled on stands in docs/simulator.md, with the versions read; what no document says is marked as an assumption of ours.
 */

/** The owner's own setting, the same for everybody: an attempt without content is given up after this. Assumption: defaults range from none to 6,000 s. */
export const ATTEMPT_TIMEOUT_MS = 30_000;

/** Retries with short cooldowns, over a group of deployments with an order of preference ("Retries, fallbacks and cooldowns", "Configuration and defaults", November 2026). */
export const COOLDOWN = {
  retries: 2,
  cooldownMs: 5_000,
  /** More failures than this share of the calls of the current clock minute, and at least so many calls, cool a deployment down. */
  failureShare: 0.5,
  minCallsInMinute: 5,
  /** These cool it down at once. A 408 and a timeout of the gateway's own count as failures only. */
  atOnce: [429, 401, 404] as readonly number[],
  /** Waits before a retry where no other deployment is left: 0.5 s doubled, to 8 s, plus up to 0.75 s. */
  retryFirstMs: 500,
  retryMaxMs: 8_000,
  retryJitterMs: 750,
} as const;

/** Targets in their order; any answer but 2xx goes on to the next. No memory, no retries unless asked for ("Fallbacks", "Automatic retries"; gateway 669825c). */
export const ORDERED = {
  /** The codes that go on to the next target where the owner names none: all that are errors. */
  retriesPerTarget: 0,
} as const;

/** Price-weighted balancing ("Provider routing", price-based load balancing, the default until 2026). */
export const INVERSE_SQUARE = {
  /** Outages within this span demote a provider behind the stable ones. */
  outageSpanMs: 30_000,
  /** Weight: 1 / price to this power. */
  power: 2,
  /** Assumption: what is a significant outage is not said. At least so many failures in the span, and this share of its calls. */
  outageFailures: 2,
  outageShare: 0.3,
} as const;

/** Peak EWMA at first data, power of two choices (linkerd2-proxy 29637b6, tower 8358ee7). */
export const PEAK_EWMA = {
  decayMs: 10_000,
  /** The estimate before the first sample. Assumption: tower's default of 1 s, as answers of language models are nearer to it than to 30 ms. */
  seedMs: 1_000,
  /** A failed call counts as one that took so long, or its Retry-After up to the maximum. */
  failureMs: 5_000,
  failureMaxMs: 300_000,
} as const;

/** Attempts of one request at most, where the document names no number. Assumption: as ours. */
export const ATTEMPTS_MAX = 3;
