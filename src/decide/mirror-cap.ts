/** What a mirror may spend in a day of UTC: what its calls cost, and the bounds of those that still run. Pure but for its own counts. */
import { isObject, type Json, type JsonObject } from "../wire/json.ts";

const DAY_MS = 86_400_000;

export class MirrorCap {
  #day = -1;
  #spent = 0;
  #held = 0;
  /** So much is on disk as spent: a process that dies with calls under way spends no dollar twice. */
  #noted = 0;

  /** Takes room for a call that costs at most `boundNanoUsd`; false: there is none, or nobody knows what it may cost. */
  reserve(boundNanoUsd: number | null, maxNanoUsd: number, wallMs: number): boolean {
    this.#turnTo(wallMs);
    if (boundNanoUsd === null || this.#spent + this.#held + boundNanoUsd > maxNanoUsd) return false;
    this.#held += boundNanoUsd;
    return true;
  }

  /** A call came to `costNanoUsd`. */
  settle(boundNanoUsd: number, costNanoUsd: number, wallMs: number): void {
    this.#turnTo(wallMs);
    this.#held = Math.max(0, this.#held - boundNanoUsd);
    this.#spent += costNanoUsd;
  }

  spentNanoUsd(wallMs: number): number {
    this.#turnTo(wallMs);
    return this.#spent;
  }

  /** More may be under way than is noted. Notes a tenth of the day's money in advance, so that this is seldom so. */
  toBeNoted(maxNanoUsd: number): boolean {
    if (this.#spent + this.#held <= this.#noted) return false;
    this.#noted = this.#spent + this.#held + Math.ceil(maxNanoUsd / 10);
    return true;
  }

  /** `running`: calls may still be under way when this is read. */
  save(running: boolean): JsonObject {
    return { day: this.#day, nano_usd: running ? Math.max(this.#noted, this.#spent + this.#held) : this.#spent };
  }

  restore(saved: Json | undefined): void {
    if (!isObject(saved)) return;
    const { day, nano_usd: spent } = saved;
    if (typeof day !== "number" || typeof spent !== "number" || !(spent >= 0)) return;
    this.#day = day;
    this.#spent = this.#noted = spent;
  }

  #turnTo(wallMs: number): void {
    const day = Math.floor(wallMs / DAY_MS);
    // A clock that was set back over midnight brings no day's money again.
    if (day === this.#day || day === this.#day - 1) return;
    this.#day = day;
    this.#spent = this.#noted = 0;
  }
}
