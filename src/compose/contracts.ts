/** Managed contracts as the gateway runs by them, and how they go on counting: quotas of the day, spend of commitments. */
import type { Snapshot, SnapshotContracts } from "../config/snapshot.ts";
import { contractsOf } from "../control/kinds/contract.ts";
import type { ControlStore } from "../control/types.ts";
import type { CapacityBook, ContractMeter } from "../decide/contract/meter.ts";
import { countsFromMs, restoreMeter } from "../decide/contract/spent.ts";
import type { Log } from "../ports.ts";
import type { SqliteReader } from "../storage/reader.ts";

/** Contracts of the store as they are now, with what was counted of them so far. */
export function agreedBy(store: Pick<ControlStore, "all">, book?: CapacityBook): SnapshotContracts {
  return { stored: contractsOf(store.all("contract")), ...(book === undefined ? {} : { book }) };
}

/** Runs `changed` after each change of managed contracts. */
export function onContractsChanged(store: Pick<ControlStore, "onChange">, changed: () => void): void {
  store.onChange((changes) => {
    if (changes.some(({ kind }) => kind === "contract")) changed();
  });
}

/** What contracts counted before this process, or before they were changed: each is told once, from the ledger. */
export class ContractCounts {
  readonly #open: () => SqliteReader;
  readonly #log: Pick<Log, "warn">;
  readonly #counted = new WeakSet<ContractMeter>();

  /** `open`: the ledger, to read. */
  constructor(open: () => SqliteReader, log: Pick<Log, "warn">) {
    this.#open = open;
    this.#log = log;
  }

  /** Count what the ledger holds of contracts that run now, before calls are rated by them. Opens the ledger only where there is one. */
  restore({ contracts, contractsLeftOut, capacity }: Pick<Snapshot, "contracts" | "contractsLeftOut" | "capacity">, nowMs: number): void {
    for (const { id, message } of contractsLeftOut) this.#log.warn("contract_left_out", { contract: id, because: message });
    const wanted = contracts.flatMap((contract) => {
      const meter = capacity.meter(contract);
      if (this.#counted.has(meter)) return [];
      this.#counted.add(meter);
      const fromMs = countsFromMs(contract, nowMs);
      return fromMs === null ? [] : [{ meter, account: contract.account, fromMs }];
    });
    if (wanted.length === 0) return;
    const reader = this.#open();
    try {
      for (const { meter, account, fromMs } of wanted) restoreMeter(meter, reader.settledOf(account, fromMs), nowMs);
    } finally {
      reader.close();
    }
  }
}
