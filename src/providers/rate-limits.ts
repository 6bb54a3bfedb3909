/** Headers in which providers tell what is left of the caller's limits: the usual sets as data, and how all are read. */
import type { ProviderFacts, RateLimitHeader } from "../wire/facts.ts";

type Window = Exclude<RateLimitHeader["per"], undefined>;

/** `x-ratelimit-{limit,remaining,reset}-{requests,tokens}`; the reset is a duration such as `6m0s` or `20ms`. */
export const OPENAI_RATE_LIMITS: readonly RateLimitHeader[] = windowed({ requests: "minute", tokens: "minute" });

/** The same names over other windows. */
export function windowed(per: { readonly requests: Window; readonly tokens: Window }): readonly RateLimitHeader[] {
  return (["requests", "tokens"] as const).flatMap((of): RateLimitHeader[] => [
    { name: `x-ratelimit-limit-${of}`, of, tells: "limit", per: per[of] },
    { name: `x-ratelimit-remaining-${of}`, of, tells: "remaining", per: per[of] },
    { name: `x-ratelimit-reset-${of}`, of, tells: "reset", per: per[of], form: "duration" },
  ]);
}

/** What is left of one limit. null: not told. */
export interface RateLimit {
  readonly of: RateLimitHeader["of"];
  readonly per: Window | null;
  readonly limit: number | null;
  readonly remaining: number | null;
  readonly resetInMs: number | null;
}

/** The limits that an answer's headers tell, in the order of the facts. `header` gives values by lower-case name. */
export function readRateLimits(facts: Pick<ProviderFacts, "rateLimitHeaders">, header: (name: string) => string | undefined, nowWallMs: number): readonly RateLimit[] {
  const limits = new Map<string, { -readonly [K in keyof RateLimit]: RateLimit[K] }>();
  for (const { name, of, tells, per, form } of facts.rateLimitHeaders ?? []) {
    const text = header(name)?.trim() ?? "";
    const value = tells === "reset" ? resetInMs(text, form ?? "duration", nowWallMs) : countOf(text);
    if (value === null) continue;
    const id = `${of}/${per ?? ""}`;
    const limit = limits.get(id) ?? { of, per: per ?? null, limit: null, remaining: null, resetInMs: null };
    if (tells === "reset") limit.resetInMs = value;
    else limit[tells] = value;
    limits.set(id, limit);
  }
  return [...limits.values()];
}

function countOf(text: string): number | null {
  return /^\d{1,15}(\.0+)?$/.test(text) ? Number(text) : null;
}

function resetInMs(text: string, form: Exclude<RateLimitHeader["form"], undefined>, nowWallMs: number): number | null {
  if (form === "duration") return durationMs(text);
  const atMs = form === "instant" ? Date.parse(text) : Number(text === "" ? Number.NaN : text) * (form === "epoch-s" ? 1_000 : 1);
  return Number.isFinite(atMs) ? Math.max(0, Math.round(atMs - nowWallMs)) : null;
}

const UNIT_MS: Readonly<Record<string, number>> = { ms: 1, s: 1_000, m: 60_000, h: 3_600_000, d: 86_400_000 };

/** `1s`, `6m0s`, `2m59.56s`, `20ms`, `1d2h`; a bare number is seconds. Null for anything else. */
function durationMs(text: string): number | null {
  if (/^\d+(\.\d+)?$/.test(text)) return Math.ceil(Number(text) * 1_000);
  if (!/^(\d+(\.\d+)?(ms|s|m|h|d))+$/.test(text)) return null;
  let sumMs = 0;
  for (const [, value = "0", , unit = "ms"] of text.matchAll(/(\d+(\.\d+)?)(ms|s|m|h|d)/g)) sumMs += Number(value) * (UNIT_MS[unit] ?? 0);
  return Math.ceil(sumMs);
}
