import assert from "node:assert/strict";
import { test } from "node:test";
import { aHold, aRecord, LEASE_MS, ledgerConformance, START_MS } from "./conformance.ts";
import type { LedgerProcess } from "./conformance.ts";
import { MemoryLedger, MemoryStore } from "./memory.ts";

function processOn(store: MemoryStore): LedgerProcess {
  const ledger = new MemoryLedger({ leaseMs: LEASE_MS, wallMs: () => START_MS }, store);
  const next = (): Promise<LedgerProcess> => Promise.resolve(processOn(store));
  return {
    ledger, records: ledger, kept: ledger, reader: ledger,
    settleOrphans: (nowMs) => ledger.settleOrphans(nowMs),
    settled: () => undefined,
    crash: next, restart: next, end: () => Promise.resolve(),
  };
}

ledgerConformance("memory", () => Promise.resolve(processOn(new MemoryStore())));

test("a broken store answers unavailable, rejects charges and is not writable", async () => {
  const store = new MemoryStore();
  const ledger = new MemoryLedger({}, store);
  store.broken = true;
  assert.equal((await ledger.reserve([aHold(1)]))[0]?.kind, "unavailable");
  await assert.rejects(ledger.settle([]));
  assert.equal(ledger.writable(), false);
});

test("records are bounded", () => {
  const ledger = new MemoryLedger({ recordsKeepMax: 2 });
  for (const number of [1, 2, 3]) ledger.append(aRecord(number));
  assert.deepEqual([...ledger.requests({})].map((view) => view.requestId), [aHold(2).requestId, aHold(3).requestId]);
});
