/** What the demo has seen so far, kept so that any moment of it can be drawn. Time is an argument. */
import type { Seen } from "./demo-client.ts";

const WINDOW_MS = 3000;
const RECENT_MS = 10_000;

export interface ProviderView {
  readonly name: string;
  readonly answered: number;
  /** Calls that failed at it and that no client saw. */
  readonly failed: number;
  /** Answers a second, over the last three. */
  readonly ratePerS: number;
  /** Share of the answers of each elapsed slice of time, from 0 to 1. */
  readonly history: readonly number[];
}

export interface DemoView {
  readonly elapsedMs: number;
  readonly totalMs: number;
  /** healthy, outage, recovery: what the world does, not what the gateway believes. */
  readonly act: string;
  readonly providers: readonly ProviderView[];
  readonly requests: number;
  readonly inFlight: number;
  readonly errors: number;
  readonly errorKinds: readonly string[];
  readonly firstTokenP50Ms: number | null;
  readonly firstTokenP99Ms: number | null;
  readonly costUsd: number;
}

export class Tally {
  readonly #names: readonly string[];
  readonly #sliceMs: number;
  readonly #answers: { readonly atMs: number; readonly account: string; readonly firstTokenMs: number }[] = [];
  readonly #errorKinds = new Map<string, number>();
  readonly #slices: Map<string, number>[] = [];
  requests = 0;
  finished = 0;
  errors = 0;
  costUsd = 0;

  constructor(names: readonly string[], sliceMs: number) {
    this.#names = names;
    this.#sliceMs = sliceMs;
  }

  sent(): void {
    this.requests += 1;
  }

  done(seen: Seen, atMs: number): void {
    this.finished += 1;
    this.costUsd += seen.costUsd ?? 0;
    if (seen.error !== null) {
      this.errors += 1;
      this.#errorKinds.set(seen.error, (this.#errorKinds.get(seen.error) ?? 0) + 1);
      return;
    }
    const account = seen.account ?? "";
    this.#answers.push({ atMs, account, firstTokenMs: seen.firstTokenMs ?? 0 });
    const slice = (this.#slices[Math.floor(atMs / this.#sliceMs)] ??= new Map());
    slice.set(account, (slice.get(account) ?? 0) + 1);
  }

  /** The share of the answers since `fromMs` that came from an account. */
  shareSince(account: string, fromMs: number): number {
    const all = this.#answers.filter((answer) => answer.atMs >= fromMs);
    return all.length === 0 ? 0 : all.filter((answer) => answer.account === account).length / all.length;
  }

  view(nowMs: number, totalMs: number, act: string, failedAt: (name: string) => number, whole = false): DemoView {
    const fromMs = whole ? 0 : nowMs - RECENT_MS;
    const firstTokens = this.#answers.filter((answer) => answer.atMs >= fromMs).map((answer) => answer.firstTokenMs).toSorted((a, b) => a - b);
    const sliceCount = Math.min(Math.floor(nowMs / this.#sliceMs) + 1, Math.ceil(totalMs / this.#sliceMs));
    const providers = this.#names.map((name) => {
      const own = this.#answers.filter((answer) => answer.account === name);
      const recent = own.filter((answer) => answer.atMs > nowMs - WINDOW_MS).length;
      return {
        name, answered: own.length, failed: failedAt(name), ratePerS: recent / (Math.min(WINDOW_MS, Math.max(nowMs, 1)) / 1000),
        history: Array.from({ length: sliceCount }, (_, at) => share(this.#slices[at], name)),
      };
    });
    return {
      elapsedMs: nowMs, totalMs, act, providers, requests: this.requests, inFlight: this.requests - this.finished,
      errors: this.errors, errorKinds: [...this.#errorKinds].map(([kind, count]) => `${count} × ${kind}`),
      firstTokenP50Ms: quantile(firstTokens, 0.5), firstTokenP99Ms: quantile(firstTokens, 0.99), costUsd: this.costUsd,
    };
  }
}

function share(slice: Map<string, number> | undefined, name: string): number {
  if (!slice) return 0;
  let all = 0;
  for (const count of slice.values()) all += count;
  return (slice.get(name) ?? 0) / all;
}

/** Nearest rank of sorted values. */
export function quantile(sorted: readonly number[], q: number): number | null {
  return sorted[Math.max(0, Math.ceil(q * sorted.length) - 1)] ?? null;
}
