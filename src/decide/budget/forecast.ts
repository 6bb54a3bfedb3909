/** When a budget will be used up, by what was spent in its period so far and in the last hours. */

/** The last hours are counted in pieces of half an hour. */
const PIECE_MS = 1_800_000;
const PIECES = 8;

/** What was settled in the last four hours, forgotten piece by piece. */
export class RecentSpend {
  #pieces: Float64Array | null = null;
  #piece = 0;
  #sinceMs = 0;

  /** `nanoUsd` was settled at `wallMs`. Time that steps back counts to the latest piece. */
  add(wallMs: number, nanoUsd: number): void {
    const piece = Math.floor(wallMs / PIECE_MS);
    if (this.#pieces === null) {
      this.#pieces = new Float64Array(PIECES);
      this.#piece = piece;
      this.#sinceMs = wallMs;
    }
    this.#turnTo(this.#pieces, piece);
    const slot = this.#piece % PIECES;
    this.#pieces[slot] = (this.#pieces[slot] ?? 0) + nanoUsd;
  }

  /** Nano-dollars per hour over the last hours; null while less than one piece has been seen. */
  perHourNanoUsd(wallMs: number): number | null {
    if (this.#pieces === null || wallMs - this.#sinceMs < PIECE_MS) return null;
    this.#turnTo(this.#pieces, Math.floor(wallMs / PIECE_MS));
    const fromMs = Math.max(this.#sinceMs, (this.#piece - PIECES + 1) * PIECE_MS);
    const sum = this.#pieces.reduce((total, nanoUsd) => total + nanoUsd, 0);
    return wallMs <= fromMs ? null : (sum * 3_600_000) / (wallMs - fromMs);
  }

  #turnTo(pieces: Float64Array, piece: number): void {
    for (let passed = Math.max(this.#piece + 1, piece - PIECES + 1); passed <= piece; passed += 1) pieces[passed % PIECES] = 0;
    this.#piece = Math.max(this.#piece, piece);
  }
}

export interface ForecastFacts {
  readonly limitNanoUsd: number;
  readonly settledNanoUsd: number;
  /** Infinite for what never begins or ends. */
  readonly startMs: number;
  readonly endMs: number;
  readonly nowMs: number;
  /** null: not known yet. */
  readonly recentPerHourNanoUsd: number | null;
}

export interface Forecast {
  /** By the rate of the period so far and by that of the last hours; null: unknown. */
  readonly periodPerHourNanoUsd: number | null;
  readonly recentPerHourNanoUsd: number | null;
  /** What will be settled at the period's end by the higher rate; null: unknown, or it never ends. */
  readonly atEndNanoUsd: number | null;
  /** Wall ms at which the limit is reached by the higher rate; null: not within the period, or unknown. */
  readonly exhaustsAtMs: number | null;
}

/** A period's first minutes say little: less than this is not a rate. */
const ELAPSED_MIN_MS = 600_000;

/** The forecast of one period. Of two rates the higher counts: an early warning costs less than a late one. */
export function forecastOf(facts: ForecastFacts): Forecast {
  const elapsedMs = facts.nowMs - facts.startMs;
  const known = Number.isFinite(elapsedMs) && elapsedMs >= ELAPSED_MIN_MS;
  const periodPerHourNanoUsd = known ? (facts.settledNanoUsd * 3_600_000) / elapsedMs : null;
  const rates = [periodPerHourNanoUsd, facts.recentPerHourNanoUsd].filter((rate) => rate !== null);
  const perHour = rates.length === 0 ? null : Math.max(0, ...rates);
  const common = { periodPerHourNanoUsd: rounded(periodPerHourNanoUsd), recentPerHourNanoUsd: rounded(facts.recentPerHourNanoUsd) };
  const left = facts.limitNanoUsd - facts.settledNanoUsd;
  const atEnd = perHour === null || !Number.isFinite(facts.endMs) ? null : facts.settledNanoUsd + (perHour * (facts.endMs - facts.nowMs)) / 3_600_000;
  const exhaustsAtMs = left <= 0 ? facts.nowMs : perHour === null || perHour === 0 ? null : Math.ceil(facts.nowMs + (left / perHour) * 3_600_000);
  return { ...common, atEndNanoUsd: rounded(atEnd), exhaustsAtMs: exhaustsAtMs !== null && exhaustsAtMs < facts.endMs ? exhaustsAtMs : null };
}

function rounded(nanoUsd: number | null): number | null {
  return nanoUsd === null ? null : Math.round(nanoUsd);
}
