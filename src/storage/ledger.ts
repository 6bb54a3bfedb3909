/**
 * The SQLite ledger. All holds, charges and due progress marks of one turn of the event loop are one transaction, made by
 * `setImmediate` right after the sockets were read; what waits for them waits for that, so durability gets cheaper as
 * load grows. A hold inserts the row of an upstream call, its charge updates that row once.
 */
import type { DatabaseSync } from "node:sqlite";
import type { Charge, Hold, Ledger, Log, Mark, ReserveResult } from "../ports.ts";
import { LedgerUnwritable } from "./errors.ts";
import { LateCharges } from "./late.ts";
import { assertChargeStorable, assertInteger, assertStorable, correctionOf, foldAttempt, holdForLostCharge, NO_HOLD, sameCharge } from "./rows.ts";
import { messageOf, sqliteCode } from "./schema.ts";
import { attemptRow, chargeColumns, correctionColumns, holdColumns } from "./statements.ts";
import type { Statements } from "./statements.ts";

export interface LedgerOptions {
  readonly wallMs: () => number;
  readonly log: Log;
  /** How long `settle` keeps trying before it rejects. */
  readonly settleRetryMs: number;
  /** Charges kept in memory while the disk cannot take them. */
  readonly lateMax: number;
}

/** A hold of this process that is not settled. */
interface OpenHold {
  readonly id: number;
  readonly hold: Hold;
  markedAtMs: number;
}
interface HoldCall {
  readonly kind: "holds";
  readonly holds: readonly OpenHold[];
  /** One result for all: they are written together or not at all. */
  readonly resolve: (result: ReserveResult) => void;
}
interface ChargeCall {
  readonly kind: "charges";
  readonly charges: readonly Charge[];
  /** From memory, where it waits since its caller was told that it is not durable. */
  readonly late: boolean;
  readonly giveUpAtMs: number;
  readonly resolve: () => void;
  readonly reject: (error: Error) => void;
}
interface MarkCall {
  readonly kind: "marks";
  readonly resolve: () => void;
}
type Call = HoldCall | ChargeCall | MarkCall;

const HELD: ReserveResult = { kind: "held" };
const RETRY_MS = 50;
const RETRY_LATE_MS = 500;
/** Flag of a charge that was written only after its caller was told that it could not be. */
const UNDURABLE = "undurable";
const MARK_EVERY_MS = 1_000;
const PROBE_EVERY_MS = 1_000;
/** At least so many settled attempts are remembered, so that a repeated hold does not make a second row. */
const REMEMBERED = 4_096;

export class SqliteLedger implements Ledger {
  readonly #db: DatabaseSync;
  readonly #sql: Statements;
  readonly #options: LedgerOptions;
  readonly #open = new Map<string, OpenHold>();
  /** Two generations: forgetting the elder whole is cheaper than forgetting one by one. */
  #settled = new Set<string>();
  #settledBefore: ReadonlySet<string> = new Set();
  readonly #marks = new Map<string, number>();
  readonly #late: LateCharges;
  #calls: Call[] = [];
  #retrying: ChargeCall[] = [];
  #scheduled = false;
  #paused = false;
  #closed = false;
  #retryTimer: NodeJS.Timeout | null = null;
  #markTimer: NodeJS.Timeout | null = null;
  #nextId: number;
  /** Result of the last real write or probe, and when (monotonic). */
  #healthy = true;
  #triedAtMs = Number.NEGATIVE_INFINITY;

  constructor(db: DatabaseSync, sql: Statements, nextId: number, options: LedgerOptions) {
    this.#db = db;
    this.#sql = sql;
    this.#nextId = nextId;
    this.#options = options;
    this.#late = new LateCharges(options.lateMax);
  }

  reserve(holds: readonly Hold[]): Promise<readonly ReserveResult[]> {
    return new Promise((resolve) => {
      for (const hold of holds) assertStorable(hold);
      const fresh: OpenHold[] = [];
      for (const hold of holds) {
        // A repeat of a known attempt is held already: answered like the first, no second row.
        if (this.#knows(hold.attemptId)) continue;
        const entry = { id: this.#nextId++, hold, markedAtMs: Number.NEGATIVE_INFINITY };
        this.#open.set(hold.attemptId, entry);
        fresh.push(entry);
      }
      this.#enqueue({ kind: "holds", holds: fresh, resolve: (result) => resolve(holds.map(() => result)) });
    });
  }

  settle(charges: readonly Charge[]): Promise<void> {
    return new Promise((resolve, reject) => {
      for (const charge of charges) assertChargeStorable(charge);
      // What is said now replaces what still waits from before.
      for (const charge of charges) this.#late.delete(charge.attemptId);
      const giveUpAtMs = performance.now() + this.#options.settleRetryMs;
      this.#enqueue({ kind: "charges", charges, late: false, giveUpAtMs, resolve, reject });
    });
  }

  progress(marks: readonly Mark[]): Promise<void> {
    return new Promise((resolve) => {
      for (const mark of marks) {
        assertInteger("relayedTokens", mark.relayedTokens);
        if (this.#open.has(mark.attemptId)) this.#marks.set(mark.attemptId, mark.relayedTokens);
      }
      if (this.#dueMarks().length > 0) this.#enqueue({ kind: "marks", resolve });
      else resolve();
      if (this.#marks.size > 0) this.#markTimer ??= setTimeout(() => this.#flushMarks(), MARK_EVERY_MS).unref();
    });
  }

  writable(): boolean {
    const now = performance.now();
    if (this.#closed) return false;
    if (now - this.#triedAtMs < PROBE_EVERY_MS) return this.#healthy;
    return this.#note(this.#probe());
  }

  /** Counts for metrics: holds in flight, charges waiting in memory, charges that memory could not keep. */
  stats(): { readonly openHolds: number; readonly lateCharges: number; readonly lateDropped: number } {
    return { openHolds: this.#open.size, lateCharges: this.#late.size, lateDropped: this.#late.dropped };
  }

  /** Rows with an id below this are settled, as far as this process is concerned. */
  floorId(): number {
    let floor = this.#nextId;
    for (const entry of this.#open.values()) floor = Math.min(floor, entry.id);
    return floor;
  }

  /** Rows with an id below this are in the file, or never will be. */
  uncommittedFloorId(): number {
    for (const call of this.#calls) if (call.kind === "holds" && call.holds[0] !== undefined) return call.holds[0].id;
    return this.#nextId;
  }

  /** Runs a write between groups, as one transaction. Throws what the database throws, with nothing written. */
  transaction(work: () => void): void {
    this.#sql.begin.run();
    try {
      work();
      this.#sql.commit.run();
    } catch (error) {
      this.#undo();
      throw error;
    }
  }

  /** Charges an attempt of a dead process inside a `transaction`; the same path as any other late charge. */
  chargeUnheld(charge: Charge): void {
    this.#chargeSlowly(charge);
  }

  /** Keeps groups waiting while a checkpoint needs the write lock: the event loop runs on, only holds wait. */
  pause(): void {
    this.#paused = true;
  }
  resume(): void {
    this.#paused = false;
    if (this.#calls.length > 0) this.#schedule();
  }

  /** Writes what waits; after it nothing is accepted. Charges that cannot be written stay as holds for the next start. */
  close(): void {
    this.#paused = false;
    this.#flush();
    this.#closed = true;
    for (const call of this.#retrying.splice(0)) call.reject(new LedgerUnwritable("the ledger was closed while it could not be written"));
    if (this.#retryTimer !== null) clearTimeout(this.#retryTimer);
    if (this.#markTimer !== null) clearTimeout(this.#markTimer);
  }

  #knows(attemptId: string): boolean {
    return this.#open.has(attemptId) || this.#settled.has(attemptId) || this.#settledBefore.has(attemptId);
  }

  #enqueue(call: Call): void {
    if (this.#closed) {
      this.#fail(call, new LedgerUnwritable("the ledger is closed"), false);
      return;
    }
    this.#calls.push(call);
    if (!this.#paused) this.#schedule();
  }

  #schedule(): void {
    if (this.#scheduled) return;
    this.#scheduled = true;
    setImmediate(() => {
      this.#scheduled = false;
      if (!this.#paused) this.#flush();
    });
  }

  #flush(): void {
    const calls = this.#calls;
    this.#calls = [];
    if (this.#retrying.length === 0 && this.#late.size === 0) {
      if (calls.length > 0) this.#attempt(calls);
      return;
    }
    // The disk failed a moment ago: holds and charges apart, so that what needs less room may pass; elder charges first.
    const charges: Call[] = [...this.#takeLate(), ...this.#retrying.splice(0)];
    const others: Call[] = [];
    for (const call of calls) (call.kind === "charges" ? charges : others).push(call);
    if (others.length > 0) this.#attempt(others);
    this.#attempt(charges);
    this.#giveUp();
  }

  #attempt(calls: readonly Call[]): void {
    try {
      this.#commit(calls);
    } catch (error) {
      this.#afterFailure(calls, error);
      return;
    }
    this.#note(true);
    for (const call of calls) this.#succeed(call);
  }

  /** One transaction for all calls; a single statement is a transaction of its own and needs no `begin`. */
  #commit(calls: readonly Call[]): void {
    const marks = this.#marks.size === 0 ? [] : this.#dueMarks();
    let statements = marks.length;
    for (const call of calls) statements += call.kind === "holds" ? call.holds.length : call.kind === "charges" ? call.charges.length : 0;
    if (statements === 0) return;
    const grouped = statements > 1;
    try {
      if (grouped) this.#sql.begin.run();
      for (const call of calls) this.#write(call);
      for (const [entry, tokens] of marks) this.#sql.mark.run(tokens, entry.id);
      if (grouped) this.#sql.commit.run();
    } catch (error) {
      this.#undo();
      throw error;
    }
    this.#marked(marks);
  }

  #write(call: Call): void {
    if (call.kind === "holds") for (const entry of call.holds) this.#sql.hold.run(...holdColumns(entry.hold, entry.id));
    else if (call.kind === "charges") for (const charge of call.charges) this.#charge(charge);
  }

  #charge(charge: Charge): void {
    const entry = this.#open.get(charge.attemptId);
    if (entry !== undefined && this.#sql.charge.run(...chargeColumns(charge), entry.id).changes === 1) return;
    this.#chargeSlowly(charge);
  }

  /** The row is not open here: settled before, an orphan of a dead process, or never held. */
  #chargeSlowly(charge: Charge): void {
    const rows = this.#sql.rowsOfAttempt.all(charge.attemptId).map(attemptRow);
    const first = rows.find((row) => row.adjusts === null);
    const view = foldAttempt(rows);
    if (first === undefined || view === null) {
      const id = this.#nextId++;
      this.#sql.hold.run(...holdColumns(holdForLostCharge(charge), id));
      this.#sql.charge.run(...chargeColumns({ ...charge, flags: [...charge.flags, NO_HOLD] }), id);
      this.#options.log.error("ledger_charge_without_hold", { attemptId: charge.attemptId });
    } else if (view.state === "held") {
      // An orphan that evidence reaches before its lease has passed stays marked as one.
      this.#sql.charge.run(...chargeColumns({ ...charge, flags: [...new Set([...view.flags, ...charge.flags])] }), first.id);
    } else if (!sameCharge(view, charge)) {
      this.#sql.correction.run(...correctionColumns(correctionOf(view, charge, this.#nextId++, first.owner)));
    }
  }

  #succeed(call: Call): void {
    if (call.kind === "holds") call.resolve(HELD);
    else if (call.kind === "marks") call.resolve();
    else {
      for (const charge of call.charges) this.#forget(charge.attemptId);
      call.resolve();
    }
  }

  #forget(attemptId: string): void {
    const entry = this.#open.get(attemptId);
    if (entry === undefined) return;
    this.#open.delete(attemptId);
    this.#marks.delete(attemptId);
    this.#settled.add(attemptId);
    if (this.#settled.size < REMEMBERED) return;
    this.#settledBefore = this.#settled;
    this.#settled = new Set();
  }

  #afterFailure(calls: readonly Call[], error: unknown): void {
    const disk = isTheDisk(error);
    // What is wrong with one call must not fail its neighbours: find it by trying each alone.
    if (calls.length > 1 && !disk) {
      for (const call of calls) this.#attempt([call]);
      return;
    }
    const message = messageOf(error);
    if (this.#healthy || !disk) this.#options.log.error("ledger_write_failed", { message, calls: calls.length });
    if (disk) this.#note(false);
    for (const call of calls) this.#fail(call, new LedgerUnwritable(`the ledger cannot be written: ${message}`), disk);
    this.#armRetry();
  }

  #fail(call: Call, error: LedgerUnwritable, mayPass: boolean): void {
    if (call.kind === "marks") {
      call.resolve();
    } else if (call.kind === "holds") {
      for (const entry of call.holds) this.#open.delete(entry.hold.attemptId);
      call.resolve({ kind: "unavailable", message: error.message });
    } else if (!mayPass || this.#closed) {
      call.reject(error);
    } else if (call.late) {
      for (const charge of call.charges) this.#late.add(charge);
    } else {
      this.#retrying.push(call);
    }
  }

  #armRetry(): void {
    const waiting = this.#retrying.length > 0;
    if (this.#retryTimer !== null || this.#closed || (!waiting && this.#late.size === 0)) return;
    this.#retryTimer = setTimeout(
      () => {
        this.#retryTimer = null;
        if (!this.#paused) this.#flush();
        this.#armRetry();
      },
      waiting ? RETRY_MS : RETRY_LATE_MS,
    );
    // Late charges alone must not keep a process alive: their holds settle as orphans.
    if (!waiting) this.#retryTimer.unref();
  }

  /** Tells those whose time is up; their charges go on waiting in memory. */
  #giveUp(): void {
    const now = performance.now();
    const expired = this.#retrying.filter((call) => now >= call.giveUpAtMs);
    if (expired.length === 0) return;
    this.#retrying = this.#retrying.filter((call) => now < call.giveUpAtMs);
    for (const call of expired) {
      for (const charge of call.charges) this.#late.add({ ...charge, flags: [...charge.flags, UNDURABLE] });
      call.reject(new LedgerUnwritable("the charge is not durable yet: the ledger could not be written in time"));
    }
  }

  /** The charges that wait in memory, as one call; none if none waits. */
  #takeLate(): readonly ChargeCall[] {
    const charges = this.#late.take();
    if (charges.length === 0) return [];
    const resolve = (): void => this.#options.log.info("ledger_late_charges_written", { charges: charges.length });
    const reject = (error: Error): void => this.#options.log.error("ledger_late_charges_lost", { message: error.message });
    return [{ kind: "charges", charges, late: true, giveUpAtMs: Number.POSITIVE_INFINITY, resolve, reject }];
  }

  #dueMarks(): (readonly [OpenHold, number])[] {
    const now = performance.now();
    const due: (readonly [OpenHold, number])[] = [];
    for (const [attemptId, tokens] of this.#marks) {
      const entry = this.#open.get(attemptId);
      if (entry === undefined) this.#marks.delete(attemptId);
      else if (now - entry.markedAtMs >= MARK_EVERY_MS) due.push([entry, tokens]);
    }
    return due;
  }

  #marked(marks: readonly (readonly [OpenHold, number])[]): void {
    const now = performance.now();
    for (const [entry] of marks) {
      entry.markedAtMs = now;
      this.#marks.delete(entry.hold.attemptId);
    }
  }

  #flushMarks(): void {
    this.#markTimer = null;
    if (this.#marks.size === 0 || this.#closed) return;
    this.#enqueue({ kind: "marks", resolve: () => undefined });
    this.#markTimer = setTimeout(() => this.#flushMarks(), MARK_EVERY_MS).unref();
  }

  /** Would a hold's row fit, and does the disk take a write? */
  #probe(): boolean {
    try {
      this.#sql.begin.run();
      this.#sql.hold.run(...holdColumns(holdForLostCharge(PROBE), this.#nextId));
      this.#sql.rollback.run();
      this.#sql.probe.run(this.#options.wallMs());
      return true;
    } catch (error) {
      this.#undo();
      this.#options.log.warn("ledger_probe_failed", { message: messageOf(error) });
      return false;
    }
  }

  #note(healthy: boolean): boolean {
    this.#healthy = healthy;
    this.#triedAtMs = performance.now();
    return healthy;
  }

  #undo(): void {
    if (this.#db.isTransaction) this.#sql.rollback.run();
  }
}

const PROBE: Charge = { attemptId: "probe", state: "unbilled", outcome: "probe", units: {}, rawUsage: null, costNanoUsd: 0, flags: [], atMs: 0 };

/** BUSY, LOCKED, NOMEM, READONLY, INTERRUPT, IOERR, CORRUPT, FULL, CANTOPEN, PROTOCOL, AUTH, NOTADB: not one caller's fault. */
const DISK_CODES: ReadonlySet<number> = new Set([5, 6, 7, 8, 9, 10, 11, 13, 14, 15, 23, 26]);

function isTheDisk(error: unknown): boolean {
  return DISK_CODES.has(sqliteCode(error));
}
