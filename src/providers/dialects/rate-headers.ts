/** How a caller's own limits are told in headers: as most hosts of chat completions do. */
import type { RateStandings } from "../../wire/rates.ts";

/** `x-ratelimit-{limit,remaining,reset}-{requests,tokens}`: flat, name, value, … The reset is a time from now, such as `6m0s`. */
export function rateHeaders(standings: RateStandings): string[] {
  const headers: string[] = [];
  for (const what of ["requests", "tokens"] as const) {
    const standing = standings[what];
    if (standing === null) continue;
    headers.push(`x-ratelimit-limit-${what}`, String(standing.limit), `x-ratelimit-remaining-${what}`, String(standing.remaining), `x-ratelimit-reset-${what}`, duration(standing.resetMs));
  }
  return headers;
}

/** `120ms`, `1.5s`, `6m0s`. */
function duration(ms: number): string {
  if (ms > 0 && ms < 1_000) return `${Math.ceil(ms)}ms`;
  const minutes = Math.floor(ms / 60_000);
  const seconds = Math.ceil(ms - minutes * 60_000) / 1_000;
  return minutes === 0 ? `${seconds}s` : `${minutes}m${seconds}s`;
}
