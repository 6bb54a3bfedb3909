/**
 * The ledger in memory: for tests, and for a gateway that serves simulated providers and need not remember. Answers like
 * the SQLite one (one suite runs on both); `MemoryStore` plays the disk, so that a process can be said to have died.
 */
import type { Charge, Hold, KeptCall, KeptCalls, Ledger, Mark, Records, RequestRecord, ReserveResult } from "../ports.ts";
import { ORPHAN, orphanCharge } from "./orphans.ts";
import { assertChargeStorable, assertInteger, assertStorable, correctionOf, foldAttempt, foldAttempts, holdForLostCharge, NO_HOLD, sameCharge } from "./rows.ts";
import type { AttemptRow, AttemptView, DeploymentTotals, LedgerReader, RequestView } from "./rows.ts";
import type { Unit } from "../wire/usage.ts";

interface StoredOwner {
  readonly id: number;
  leaseUntilMs: number;
  readonly leaseMs: number;
}
interface StoredRecord {
  readonly position: number;
  readonly requestId: string;
  readonly atMs: number;
  readonly record: RequestRecord | null;
}

/** What survives a process. */
export class MemoryStore {
  readonly attempts: AttemptRow[] = [];
  readonly byAttempt = new Map<string, number[]>();
  readonly byRequest = new Map<string, number[]>();
  readonly records: StoredRecord[] = [];
  readonly owners: StoredOwner[] = [];
  readonly kept = new Map<string, KeptCall>();
  /** Set to make every write fail, as a full disk does. */
  broken = false;
}

export interface MemoryOptions {
  readonly leaseMs?: number;
  readonly wallMs?: () => number;
  readonly recordsKeepMax?: number;
}

export class MemoryLedger implements Ledger, KeptCalls, Records, LedgerReader {
  readonly #store: MemoryStore;
  readonly #owner: StoredOwner;
  readonly #keepMax: number;

  constructor(options: MemoryOptions = {}, store: MemoryStore = new MemoryStore()) {
    this.#store = store;
    this.#keepMax = options.recordsKeepMax ?? 10_000;
    const leaseMs = options.leaseMs ?? 600_000;
    const nowMs = (options.wallMs ?? Date.now)();
    this.#owner = { id: store.owners.length + 1, leaseMs, leaseUntilMs: nowMs + leaseMs };
    this.#takeOver();
    store.owners.push(this.#owner);
  }

  reserve(holds: readonly Hold[]): Promise<readonly ReserveResult[]> {
    return attempt(() => {
      for (const hold of holds) assertStorable(hold);
      if (this.#store.broken) return holds.map(() => ({ kind: "unavailable", message: "the store is broken" }) as const);
      for (const hold of holds) if (!this.#store.byAttempt.has(hold.attemptId)) this.#insert(rowOf(hold, this.#nextId(), this.#owner.id));
      return holds.map(() => ({ kind: "held" }) as const);
    });
  }

  settle(charges: readonly Charge[]): Promise<void> {
    return attempt(() => {
      for (const charge of charges) assertChargeStorable(charge);
      if (this.#store.broken) throw new Error("the store is broken");
      for (const charge of charges) this.#charge(charge);
    });
  }

  progress(marks: readonly Mark[]): Promise<void> {
    return attempt(() => {
      for (const mark of marks) {
        assertInteger("relayedTokens", mark.relayedTokens);
        const row = this.#rowsOf(mark.attemptId)[0];
        if (row?.state === "held" && !this.#store.broken) this.#replace({ ...row, progressTokens: mark.relayedTokens });
      }
    });
  }

  keep(call: KeptCall): Promise<void> {
    return attempt(() => {
      if (this.#store.broken) throw new Error("the store is broken");
      const row = this.#rowsOf(call.attemptId)[0];
      if (row?.state === "held") this.#store.kept.set(call.attemptId, { ...this.#store.kept.get(call.attemptId), ...call, boundNanoUsd: row.boundNanoUsd });
    });
  }

  kept(): readonly KeptCall[] {
    return [...this.#store.kept.values()];
  }

  writable(): boolean {
    return !this.#store.broken;
  }

  append(record: RequestRecord): void {
    this.#list(record.requestId, record.atMs, record);
    if (this.#store.records.length > this.#keepMax) this.#store.records.shift();
  }

  /** Settles orphans whose lease has passed at `nowMs` (wall). Returns how many. */
  settleOrphans(nowMs: number): number {
    const due = this.#store.attempts.filter((row) => row.state === "held" && row.flags.includes(ORPHAN) && this.#leaseEnds(row) <= nowMs);
    for (const row of due) this.#charge(orphanCharge(row, nowMs));
    return due.length;
  }

  *requests(query: { readonly limit?: number; readonly after?: number }): Generator<RequestView> {
    const behind = this.#store.records.filter((record) => record.position > (query.after ?? 0));
    const limit = query.limit ?? behind.length;
    const chosen = query.after === undefined ? behind.slice(Math.max(0, behind.length - limit)) : behind.slice(0, limit);
    for (const stored of chosen) yield { ...stored, attempts: this.attemptsOf(stored.requestId) };
  }

  unrecorded(): readonly RequestView[] {
    return [];
  }

  attemptsOf(requestId: string): readonly AttemptView[] {
    return foldAttempts((this.#store.byRequest.get(requestId) ?? []).map((id) => this.#row(id)));
  }

  attemptsByIds(attemptIds: readonly string[]): readonly AttemptView[] {
    return attemptIds.flatMap((attemptId) => foldAttempts(this.#rowsOf(attemptId)));
  }

  totals(): readonly DeploymentTotals[] {
    const totals = new Map<string, DeploymentTotals>();
    for (const row of this.#store.attempts) {
      const before = totals.get(row.deployment) ?? { deployment: row.deployment, attempts: 0, held: 0, costNanoUsd: 0n, unpriced: 0, units: {} };
      totals.set(row.deployment, addRow(before, row));
    }
    return [...totals.values()].toSorted((a, b) => (a.deployment < b.deployment ? -1 : 1));
  }

  /** What is open belongs to dead processes: this one has only begun. */
  #takeOver(): void {
    const listed = new Set(this.#store.records.map((record) => record.requestId));
    for (const row of this.#store.attempts) {
      if (row.state === "held" && !this.#store.kept.has(row.attemptId)) this.#replace({ ...row, flags: [ORPHAN] });
      if (listed.has(row.requestId)) continue;
      listed.add(row.requestId);
      this.#list(row.requestId, row.atMs, null);
    }
  }

  #charge(charge: Charge): void {
    this.#store.kept.delete(charge.attemptId);
    const rows = this.#rowsOf(charge.attemptId);
    const first = rows[0];
    const view = foldAttempt(rows);
    if (first === undefined || view === null) {
      const row = rowOf(holdForLostCharge(charge), this.#nextId(), this.#owner.id);
      this.#insert(charged(row, { ...charge, flags: [...charge.flags, NO_HOLD] }));
    } else if (view.state === "held") {
      this.#replace(charged(first, { ...charge, flags: [...new Set([...first.flags, ...charge.flags])] }));
    } else if (!sameCharge(view, charge)) {
      this.#insert(correctionOf(view, charge, this.#nextId(), first.owner));
    }
  }

  #leaseEnds(row: AttemptRow): number {
    const owner = this.#store.owners[row.owner - 1];
    return owner === undefined ? 0 : Math.max(owner.leaseUntilMs, row.atMs + owner.leaseMs);
  }

  #list(requestId: string, atMs: number, record: RequestRecord | null): void {
    const last = this.#store.records.at(-1);
    this.#store.records.push({ position: (last?.position ?? 0) + 1, requestId, atMs, record });
  }

  #nextId(): number {
    return this.#store.attempts.length + 1;
  }

  #row(id: number): AttemptRow {
    const row = this.#store.attempts[id - 1];
    if (row === undefined) throw new RangeError(`no row ${id}`);
    return row;
  }

  #rowsOf(attemptId: string): readonly AttemptRow[] {
    return (this.#store.byAttempt.get(attemptId) ?? []).map((id) => this.#row(id));
  }

  #insert(row: AttemptRow): void {
    this.#store.attempts.push(row);
    push(this.#store.byAttempt, row.adjusts ?? row.attemptId, row.id);
    push(this.#store.byRequest, row.requestId, row.id);
  }

  #replace(row: AttemptRow): void {
    this.#store.attempts[row.id - 1] = row;
  }
}

/** Runs `work` at once; what it throws becomes a rejection. */
function attempt<T>(work: () => T): Promise<T> {
  return new Promise((resolve) => resolve(work()));
}

function rowOf(hold: Hold, id: number, owner: number): AttemptRow {
  return {
    ...hold, id, owner, state: "held", progressTokens: 0, outcome: null, units: {}, rawUsage: null, costNanoUsd: null,
    flags: [], adjusts: null, settledMs: null,
  };
}

function charged(row: AttemptRow, charge: Charge): AttemptRow {
  const { state, outcome, units, rawUsage, costNanoUsd, flags } = charge;
  return { ...row, state, outcome, units, rawUsage, costNanoUsd, flags, settledMs: charge.atMs };
}

function addRow(total: DeploymentTotals, row: AttemptRow): DeploymentTotals {
  const units: { [U in Unit]?: number } = { ...total.units };
  for (const [unit, count] of Object.entries(row.units) as [Unit, number][]) units[unit] = (units[unit] ?? 0) + count;
  const own = row.adjusts === null;
  return {
    deployment: total.deployment,
    attempts: total.attempts + (own ? 1 : 0),
    held: total.held + (row.state === "held" ? 1 : 0),
    costNanoUsd: total.costNanoUsd + BigInt(row.costNanoUsd ?? 0),
    unpriced: total.unpriced + (own && row.state !== "held" && row.costNanoUsd === null ? 1 : 0),
    units,
  };
}

function push(map: Map<string, number[]>, key: string, id: number): void {
  const ids = map.get(key);
  if (ids === undefined) map.set(key, [id]);
  else ids.push(id);
}
