/**
 * What requests with a budget of their own have spent so far. A request is over when the pipeline says so; one that it never
 * says it of is forgotten when many others have come to rest after it.
 */
import type { Account, Tally } from "./account.ts";

/** Requests without an open hold that are remembered: they may be between two attempts. */
const RESTING_MAX = 16_384;

interface Spent {
  readonly tallies: Map<Account, Tally>;
  holds: number;
  ended: boolean;
}

export class RequestTallies {
  readonly #requests = new Map<string, Spent>();
  /** Those without an open hold, the one that rests longest first. */
  readonly #resting = new Set<string>();
  readonly #restingMax: number;

  constructor(restingMax = RESTING_MAX) {
    this.#restingMax = restingMax;
  }

  /** The tally of a request under one budget; a new one is kept only by `open`. */
  tallyOf(requestId: string, account: Account): Tally {
    return this.#requests.get(requestId)?.tallies.get(account) ?? account.newTally("request");
  }

  /** A hold of this request counts in `tally`. */
  open(requestId: string, tally: Tally): void {
    let spent = this.#requests.get(requestId);
    if (spent === undefined) {
      spent = { tallies: new Map(), holds: 0, ended: false };
      this.#requests.set(requestId, spent);
    }
    spent.tallies.set(tally.account, tally);
    spent.holds += 1;
    this.#resting.delete(requestId);
  }

  /** That hold is settled or released. */
  close(requestId: string): void {
    const spent = this.#requests.get(requestId);
    if (spent === undefined) return;
    spent.holds -= 1;
    if (spent.holds > 0) return;
    if (spent.ended) {
      this.#requests.delete(requestId);
      return;
    }
    this.#resting.add(requestId);
    if (this.#resting.size <= this.#restingMax) return;
    for (const oldest of this.#resting) return this.#forget(oldest);
  }

  /** No further hold of this request will come. */
  end(requestId: string): void {
    const spent = this.#requests.get(requestId);
    if (spent === undefined) return;
    if (spent.holds > 0) spent.ended = true;
    else this.#forget(requestId);
  }

  /** The budget has a new limit, or is gone (`capNanoUsd` null). */
  reform(account: Account, capNanoUsd: number | null): void {
    for (const { tallies } of this.#requests.values()) {
      const tally = tallies.get(account);
      if (tally === undefined) continue;
      if (capNanoUsd === null) tallies.delete(account);
      else tally.capNanoUsd = capNanoUsd;
    }
  }

  get size(): number {
    return this.#requests.size;
  }

  #forget(requestId: string): void {
    this.#resting.delete(requestId);
    this.#requests.delete(requestId);
  }
}
