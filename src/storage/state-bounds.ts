/** How much state is kept, and the one name of an entry. */
import type { StateScope } from "../ports.ts";

export interface StateBounds {
  /** Of all values together. */
  readonly bytes: number;
  readonly entries: number;
  /** Of one value. */
  readonly valueBytes: number;
}

const MIB = 1 << 20;

export const STATE_BOUNDS: Readonly<Record<"memory" | "encrypted", StateBounds>> = {
  memory: { bytes: 128 * MIB, entries: 100_000, valueBytes: 32 * MIB },
  encrypted: { bytes: 1_024 * MIB, entries: 500_000, valueBytes: 32 * MIB },
};

/** Scope and id as one text, in which no part can run into the next. */
export function entryName(scope: StateScope, id: string): string {
  return JSON.stringify([scope.tenant, scope.key, scope.kind, id]);
}
