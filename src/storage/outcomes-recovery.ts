/** What a killed process did not come to count, from the ledger's records: those that it wrote, and requests that died with it. */
import { MIRROR_FLAG } from "../decide/canary.ts";
import type { CountedRequest } from "./outcomes.ts";
import type { LedgerReader, RequestView } from "./rows.ts";

/** Why a request was lost whose gateway died: no provider is to blame, and no client. */
export const GATEWAY_DIED = "gateway_died";

/** For whoever counts requests and keeps the counts elsewhere: how far they got, and what a killed process did not come to keep. */
export interface Endings {
  /** The place of the last record; all that were appended are written by then. null: some still wait. */
  place(): number | null;
  /** Requests behind a place, up to this start. `most`: where there are more, none. */
  since(place: number, most: number): Iterable<CountedRequest>;
}

/** The next `limit` requests behind a place in the listing, in its order. */
export function* requestsMissed(reader: Pick<LedgerReader, "requests">, after: number, limit: number): Generator<CountedRequest> {
  for (const view of reader.requests({ after, limit })) yield view.record ?? died(view);
}

/** A request without a record, as far as its holds tell of it. */
function died({ requestId, atMs, attempts }: RequestView): CountedRequest {
  const scopes = attempts[0]?.scopes ?? [];
  return {
    requestId, atMs, scopes,
    route: scopes.find((scope) => scope.startsWith("route/"))?.slice("route/".length) ?? "",
    deployment: null, stream: false, outcome: "error", errorCode: GATEWAY_DIED, status: 0, ttftMs: null, totalMs: 0, units: {}, flags: isCopy(scopes) ? [MIRROR_FLAG] : [], decision: {},
    attempts: attempts.map((one) => ({ deployment: one.deployment, outcome: "unknown", status: null, costNanoUsd: one.costNanoUsd, state: one.state, flags: [], totalMs: 0 })),
  };
}

/** A copy for a mirror is the organisation's, and no key's; anybody may have a tag of that name. */
function isCopy(scopes: readonly string[]): boolean {
  return scopes.some((scope) => scope.startsWith(`tag/${MIRROR_FLAG}=`)) && !scopes.some((scope) => scope.startsWith("key/"));
}
