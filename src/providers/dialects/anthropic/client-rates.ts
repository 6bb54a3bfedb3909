/** A caller's own limits in the headers of the Messages API. */
import type { RateStandings } from "../../../wire/rates.ts";

/** `anthropic-ratelimit-{requests,tokens}-{limit,remaining,reset}`: flat, name, value, … The reset is an instant of RFC 3339. */
export function rateHeaders(standings: RateStandings, wallMs: number): string[] {
  const headers: string[] = [];
  for (const what of ["requests", "tokens"] as const) {
    const standing = standings[what];
    if (standing === null) continue;
    const name = `anthropic-ratelimit-${what}`;
    headers.push(`${name}-limit`, String(standing.limit), `${name}-remaining`, String(standing.remaining), `${name}-reset`, instant(wallMs + standing.resetMs));
  }
  return headers;
}

/** To the second, and never too early. */
function instant(wallMs: number): string {
  return new Date(Math.ceil(wallMs / 1_000) * 1_000).toISOString().replace(".000Z", "Z");
}
