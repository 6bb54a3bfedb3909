/**
 * Allowances for calls beyond those that were asked for: every request fills the bucket by a share of a call, and each extra call takes one
 * out. Whatever happens, extra calls are at most what the bucket started with plus that share of the requests.
 */

export interface BucketTerms {
  /** What a request earns: 0.05 is one call for twenty requests. 0: none is ever granted. */
  readonly share: number;
  /** The most that may be saved up, in calls. */
  readonly capacity: number;
  /** Full: the first requests may use what later ones earn. */
  readonly starts: "full" | "empty";
}

/** Sums of shares may miss a whole call by rounding alone: parts of a call below this do not count. */
const PARTS = 1e9;

export class TokenBucket {
  readonly #share: number;
  readonly #capacity: number;
  #tokens: number;

  constructor({ share, capacity, starts }: BucketTerms) {
    this.#share = Math.max(0, share);
    this.#capacity = share > 0 ? capacity : 0;
    this.#tokens = starts === "full" ? this.#capacity : 0;
  }

  /** A request has arrived. */
  earn(): void {
    this.#tokens = Math.min(this.#capacity, this.#tokens + this.#share);
  }

  /** Pay for one call. False: there is not enough, and it must not be made. */
  tryTake(): boolean {
    if (this.#tokens < 1 - 1 / PARTS) return false;
    this.#tokens = Math.max(0, this.#tokens - 1);
    return true;
  }

  /** What is saved up, in calls. */
  tokens(): number {
    return Math.round(this.#tokens * PARTS) / PARTS;
  }
}

/** Hedges: a slow start is no time to be without. */
export function hedgeTokens(share = 0.05): TokenBucket {
  return new TokenBucket({ share, capacity: 10, starts: "full" });
}

/** Probes of deployments that were not chosen: nothing is owed to them before there were requests. */
export function exploreTokens(share = 0.03): TokenBucket {
  return new TokenBucket({ share, capacity: 3, starts: "empty" });
}
