/** What batches of both kinds have in common: one request of them run, what it is billed, and when they end. */

/** One request of a batch, run: answered with this, and billed for that; null: nothing. */
export interface BatchRun {
  readonly status: number;
  readonly body: object;
  readonly billed: BatchLine | null;
}
export interface BatchLine {
  readonly model: string;
  readonly input: number;
  /** Of the input. */
  readonly cached: number;
  readonly output: number;
}

export interface BatchRules {
  /** `look`: as soon as somebody looks again; a number: so many milliseconds after the making; `control`: when it is told to. */
  readonly end: "look" | "control" | number;
  /** A batch of files tells its usage, if all of it is one model's. */
  readonly tellsUsage: boolean;
}

/** Does a batch that was made at `madeMs` end with this look? */
export function endsNow({ end }: BatchRules, madeMs: number, nowMs: number): boolean {
  return end === "look" || (typeof end === "number" && nowMs - madeMs >= end);
}

/** So many requests of a batch are done when it is cancelled: half of them. */
export function doneAtCancel(total: number): number {
  return Math.floor(total / 2);
}
