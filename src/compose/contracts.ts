/** Goes on counting where the process before this one stopped: quotas of the day, spend of commitments. */
import type { Snapshot } from "../config/snapshot.ts";
import { countsFromMs, restoreMeter } from "../decide/contract/spent.ts";
import type { SqliteReader } from "../storage/reader.ts";

/** Count what the ledger holds of contracts that run now. Opens the ledger only where there is one. */
export function restoreContracts({ contracts, capacity }: Pick<Snapshot, "contracts" | "capacity">, open: () => SqliteReader, nowMs: number): void {
  const wanted = contracts.flatMap((contract) => {
    const fromMs = countsFromMs(contract, nowMs);
    return fromMs === null ? [] : [{ contract, fromMs }];
  });
  if (wanted.length === 0) return;
  const reader = open();
  try {
    for (const { contract, fromMs } of wanted) restoreMeter(capacity.meter(contract), reader.settledOf(contract.account, fromMs), nowMs);
  } finally {
    reader.close();
  }
}
