/** What a row of the client matrix is, and the kinds of row that most SDKs have. */
import { DIALECTS, UPSTREAMS, type DialectName, type UpstreamName } from "./world.ts";

/** What each SDK must show, by however many rows. */
export const AREAS = ["chat", "stream", "usage", "tools", "structured output", "reasoning", "picture", "vectors", "error", "leaving"] as const;
/** `models`: not every package can ask for them. */
export type Area = (typeof AREAS)[number] | "models";

export interface Row {
  readonly areas: readonly Area[];
  readonly cells: { readonly fleet: readonly DialectName[]; readonly aimock: readonly UpstreamName[] };
  /** Why cells are missing; null where none is. */
  readonly why: string | null;
}

export const everywhere = (...areas: readonly Area[]): Row => ({ areas, cells: { fleet: DIALECTS, aimock: DIALECTS }, why: null });

/** Also with the protocols that only the mock plays. */
export const inEveryProtocol = (...areas: readonly Area[]): Row => ({ areas, cells: { fleet: DIALECTS, aimock: UPSTREAMS }, why: null });

/** For cells that the mock would answer wrongly. */
export const onFleet = (areas: readonly Area[], why: string): Row => ({ areas, cells: { fleet: DIALECTS, aimock: [] }, why });

export const leaving: Row = onFleet(["leaving"], "aimock does not tell a client that left from one that stayed");

export const reasoning = (fleet: readonly DialectName[], why = "aimock's signatures are one constant, and it does not look whether they come back"): Row =>
  ({ areas: ["reasoning"], cells: { fleet, aimock: [] }, why });

/** A row without cells: what the package cannot do, and why. The SDK's file has no code for it. */
export const nowhere = (area: Area, why: string) => ({ areas: [area], cells: { fleet: [], aimock: [] }, why }) as const satisfies Row;
