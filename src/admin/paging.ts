/** Pages of a listing: `?after=<id>&limit=<n>`, answered by `{ data, next }`. */
import { AdminProblem, type QueryParameter } from "./types.ts";

const LIMIT = 50;
const LIMIT_MAX = 500;

export const PAGE_PARAMETERS: readonly QueryParameter[] = [
  { name: "after", description: "`next` of the page before" },
  { name: "limit", description: `At most so many (${LIMIT})`, schema: { type: "integer", minimum: 1, maximum: LIMIT_MAX, default: LIMIT } },
];

/** Which page is asked. Throws AdminProblem. */
export function pageOf(query: URLSearchParams): { readonly after: string | null; readonly limit: number } {
  const after = query.get("after");
  return { after: after === "" ? null : after, limit: wholeOf(query, "limit", LIMIT, LIMIT_MAX) };
}

/** A whole number from 1 of the query. Throws AdminProblem. */
export function wholeOf(query: URLSearchParams, name: string, absent: number, most: number): number {
  const text = query.get(name);
  if (text === null) return absent;
  const value = /^\d{1,9}$/.test(text) ? Number(text) : 0;
  if (value < 1 || value > most) throw invalidQuery(name, `expected a whole number from 1 to ${most}`);
  return value;
}

/** A parameter that cannot be read. */
export function invalidQuery(name: string, message: string): AdminProblem {
  return new AdminProblem(400, "invalid", `${name}: ${message}`, [{ field: name, message }]);
}

/** Throws where the query names something that is no parameter: a filter that is misspelt filters nothing. */
export function refuseUnknown(query: URLSearchParams, known: (name: string) => boolean): void {
  for (const name of query.keys()) if (!known(name)) throw invalidQuery(name, "there is no such parameter");
}
