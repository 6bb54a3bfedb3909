/**
 * The SQLite ledger. All holds, charges and due progress marks of one turn of the event loop are one transaction, made by
 * `setImmediate` right after the sockets were read; what waits for them waits for that, so durability gets cheaper as
 * load grows. A hold appends the row of an upstream call, its charge one row beside it.
 */
import type { DatabaseSync } from "node:sqlite";
import type { Charge, Hold, Ledger, Log, Mark, ReserveResult } from "../ports.ts";
import type { LedgerBudgets, Refusal } from "./budgets.ts";
import { LedgerUnwritable } from "./errors.ts";
import { ALL_HELD, HELD, NONE_REFUSED, PROBE, type Call, type ChargeCall, type OpenHold } from "./ledger-calls.ts";
import { LateCharges } from "./late.ts";
import type { AttemptRow } from "./rows.ts";
import { assertChargeStorable, assertInteger, assertStorable, correctionOf, foldAttempt, holdForLostCharge, NO_HOLD, sameCharge } from "./rows.ts";
import { isTheDisk, messageOf } from "./schema.ts";
import { SharedTerms } from "./terms.ts";
import { OpenSpan } from "./spans.ts";
import { attemptRow, chargeRow, insertCharge, insertCorrection, insertHold } from "./statements.ts";
import type { Statements } from "./statements.ts";

export interface LedgerOptions {
  readonly wallMs: () => number;
  readonly log: Log;
  /** How long `settle` keeps trying before it rejects. */
  readonly settleRetryMs: number;
  /** Charges kept in memory while the disk cannot take them. */
  readonly lateMax: number;
  readonly budgets: LedgerBudgets;
}

const RETRY_MS = 50;
const RETRY_LATE_MS = 500;
/** Flag of a charge that was written only after its caller was told that it could not be. */
const UNDURABLE = "undurable";
const MARK_EVERY_MS = 1_000;
const PROBE_EVERY_MS = 1_000;
/** At least so many settled attempts are remembered, so that a repeated hold does not make a second row. */
const REMEMBERED = 1_024;

export class SqliteLedger implements Ledger {
  readonly #db: DatabaseSync;
  readonly #sql: Statements;
  readonly #options: LedgerOptions;
  readonly #budgets: LedgerBudgets;
  /** Open holds, all in `#known`, and settled ones in two generations: forgetting the elder whole is cheaper than one by one. */
  #known = new Map<string, OpenHold>();
  #knownBefore: ReadonlyMap<string, OpenHold> = new Map();
  #openHolds = 0;
  #highestSeen = "";
  /** Open holds that the group being written charges. */
  #charged: OpenHold[] = [];
  readonly #marks = new Map<string, number>();
  readonly #late: LateCharges;
  readonly #shared: SharedTerms;
  readonly #span: OpenSpan;
  /** The calls of one group are being tried one by one. */
  #splitting = false;
  /** The place of the last record that was written; kept here by the records. */
  recordPosition = 0;
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
    this.#budgets = options.budgets;
    this.#late = new LateCharges(options.lateMax);
    this.#shared = new SharedTerms(db);
    this.#span = new OpenSpan(db);
  }

  reserve(holds: readonly Hold[]): Promise<readonly ReserveResult[]> {
    return new Promise((resolve) => {
      for (const hold of holds) assertStorable(hold);
      const fresh: OpenHold[] = [];
      const refused = this.#budgets.any ? new Map<Hold, Refusal>() : NONE_REFUSED;
      for (const hold of holds) {
        // A repeat of a known attempt is held already: answered like the first, no second row.
        if (this.#isRepeat(hold.attemptId)) continue;
        const refusal = this.#budgets.admit(hold);
        if (refusal === null) fresh.push(this.#remember(hold));
        else refused.set(hold, refusal);
      }
      const alone = holds.length === 1;
      const [only] = holds;
      if (alone && only !== undefined && refused.size === 1) this.#waitFor(only, refused.get(only) as Refusal, resolve);
      else this.#enqueue({ kind: "holds", holds: fresh, resolve: (result) => resolve(alone && result === HELD ? ALL_HELD : holds.map((hold) => refused.get(hold) ?? result)) });
    });
  }

  /** A hold that a budget has no room for yet. */
  #waitFor(hold: Hold, refused: Refusal, resolve: (results: readonly ReserveResult[]) => void): void {
    this.#budgets.waitFor(hold, refused, (refusal, granted) => {
      if (refusal === null) this.#enqueue({ kind: "holds", holds: [this.#remember(granted)], resolve: (result) => resolve(result === HELD ? ALL_HELD : [result]) });
      else resolve([refusal]);
    });
  }

  settle(charges: readonly Charge[]): Promise<void> {
    return new Promise((resolve, reject) => {
      for (const charge of charges) assertChargeStorable(charge);
      // What is said now replaces what still waits from before.
      if (this.#late.size > 0) for (const charge of charges) this.#late.delete(charge.attemptId);
      this.#enqueue({ kind: "charges", charges, late: false, giveUpAtMs: 0, resolve, reject });
    });
  }

  progress(marks: readonly Mark[]): Promise<void> {
    return new Promise((resolve) => {
      for (const mark of marks) {
        assertInteger("relayedTokens", mark.relayedTokens);
        if (this.#openHold(mark.attemptId) !== undefined) this.#marks.set(mark.attemptId, mark.relayedTokens);
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
    return { openHolds: this.#openHolds, lateCharges: this.#late.size, lateDropped: this.#late.dropped };
  }

  /** Rows with an id below `id` are settled, as far as this process is concerned; records of the others lie behind `record`. */
  floor(): { readonly id: number; readonly record: number } {
    let id = this.#nextId;
    let record = this.recordPosition;
    for (const entry of this.#known.values()) {
      if (entry.settled) continue;
      id = Math.min(id, entry.id);
      record = Math.min(record, entry.recordFloor);
    }
    return { id, record };
  }

  /** The row of an attempt of this process that is open or was settled a moment ago; null for any other. */
  rowIdOf(attemptId: string): number | null {
    return (this.#known.get(attemptId) ?? this.#knownBefore.get(attemptId))?.id ?? null;
  }

  /** Runs a write between groups, as one transaction. Throws what the database throws, with nothing written. */
  transaction(work: () => void): void {
    this.#sql.begin.run();
    try {
      work();
      this.#budgets.write();
      this.#sql.commit.run();
      this.#shared.committed();
    } catch (error) {
      this.#undo();
      throw error;
    }
    this.#budgets.committed();
  }

  /** Writes what waits, now. */
  flush(): void {
    if (!this.#paused) this.#flush();
  }

  /** Charges the held row of a dead process, inside a `transaction`. */
  chargeOrphan(row: AttemptRow, charge: Charge): void {
    this.#budgets.charging(row.attemptId, charge.costNanoUsd);
    chargeRow(this.#sql, this.#shared, row, charge);
  }

  /** A hold that was written down as kept is no longer among the open ones: it outlives this process. */
  release(attemptId: string): void {
    const entry = this.#openHold(attemptId);
    if (entry === undefined) return;
    entry.settled = true;
    this.#openHolds--;
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
    this.#budgets.close();
    this.#flush();
    this.#closed = true;
    for (const call of this.#retrying.splice(0)) call.reject(new LedgerUnwritable("the ledger was closed while it could not be written"));
    if (this.#retryTimer !== null) clearTimeout(this.#retryTimer);
    if (this.#markTimer !== null) clearTimeout(this.#markTimer);
  }

  /** Ids grow: one above all that were ever seen is known without a look. */
  #isRepeat(attemptId: string): boolean {
    if (attemptId <= this.#highestSeen) return this.rowIdOf(attemptId) !== null;
    this.#highestSeen = attemptId;
    return false;
  }

  #openHold(attemptId: string): OpenHold | undefined {
    const entry = this.#known.get(attemptId);
    return entry === undefined || entry.settled ? undefined : entry;
  }

  #remember(hold: Hold): OpenHold {
    if (this.#known.size - this.#openHolds >= REMEMBERED) {
      const open = new Map<string, OpenHold>();
      for (const [attemptId, entry] of this.#known) if (!entry.settled) open.set(attemptId, entry);
      this.#knownBefore = this.#known;
      this.#known = open;
    }
    const { attemptId } = hold;
    const entry = { id: this.#nextId++, attemptId, hold, settled: false, recordFloor: this.recordPosition, markedAtMs: Number.NEGATIVE_INFINITY };
    this.#known.set(attemptId, entry);
    this.#openHolds++;
    return entry;
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
    // A span is closed only by a group that takes all that waits: no lower id may be written after it.
    const closesSpan = this.#span.full && !this.#splitting;
    const grouped = statements > 1 || closesSpan || this.#budgets.any;
    try {
      if (grouped) this.#sql.begin.run();
      for (const call of calls) this.#write(call);
      this.#budgets.write();
      for (const [entry, tokens] of marks) this.#sql.mark.run(tokens, entry.id);
      if (closesSpan) this.#span.write(this.#sql.span);
      if (grouped) this.#sql.commit.run();
      this.#shared.committed();
    } catch (error) {
      this.#undo();
      throw error;
    }
    this.#settleCharged();
    this.#budgets.committed();
    if (closesSpan) this.#span.next();
    if (marks.length > 0) this.#marked(marks);
  }

  #write(call: Call): void {
    if (call.kind === "holds") {
      for (const { hold, id } of call.holds) if (hold !== null) this.#hold(hold, id);
    } else if (call.kind === "charges") {
      for (const charge of call.charges) this.#charge(charge);
    }
  }

  #hold(hold: Hold, id: number): void {
    insertHold(this.#sql, this.#shared, hold, id);
    this.#span.add(id, hold);
  }

  #charge(charge: Charge): void {
    const entry = this.#openHold(charge.attemptId);
    if (entry !== undefined) {
      this.#charged.push(entry);
      // Twice in one group it is one charge, and moves the balances once.
      if (insertCharge(this.#sql, this.#shared, charge, charge.flags, entry.id)) return this.#budgets.charging(charge.attemptId, charge.costNanoUsd);
    }
    this.#chargeSlowly(charge);
  }

  /** The row is not open here: settled before, kept, an orphan of a dead process, or never held. */
  #chargeSlowly(charge: Charge): void {
    const rows = this.#sql.rowsOfAttempt.all(charge.attemptId).map(attemptRow);
    const first = rows.find((row) => row.adjusts === null);
    const view = foldAttempt(rows);
    if (first === undefined || view === null) {
      const id = this.#nextId++;
      this.#hold(holdForLostCharge(charge), id);
      insertCharge(this.#sql, this.#shared, charge, [...charge.flags, NO_HOLD], id);
      this.#options.log.error("ledger_charge_without_hold", { attemptId: charge.attemptId });
    } else if (view.state === "held") {
      this.#budgets.charging(charge.attemptId, charge.costNanoUsd);
      chargeRow(this.#sql, this.#shared, first, charge);
    } else if (!sameCharge(view, charge)) {
      const correction = correctionOf(view, charge, this.#nextId++, first.owner);
      this.#budgets.correcting(first, correction.costNanoUsd);
      insertCorrection(this.#sql, this.#shared, correction);
    }
  }

  #succeed(call: Call): void {
    if (call.kind === "holds") {
      for (const entry of call.holds) entry.hold = null;
      call.resolve(HELD);
    } else {
      call.resolve();
    }
  }

  /** What the group charged is durable. */
  #settleCharged(): void {
    for (const entry of this.#charged) {
      if (entry.settled) continue;
      entry.settled = true;
      this.#openHolds--;
      if (this.#marks.size > 0) this.#marks.delete(entry.attemptId);
    }
    this.#charged = [];
  }

  #afterFailure(calls: readonly Call[], error: unknown): void {
    const disk = isTheDisk(error);
    // What is wrong with one call must not fail its neighbours: find it by trying each alone.
    if (calls.length > 1 && !disk) {
      this.#splitting = true;
      for (const call of calls) this.#attempt([call]);
      this.#splitting = false;
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
      for (const { attemptId } of call.holds) {
        this.#budgets.release(attemptId);
        if (this.#known.delete(attemptId)) this.#openHolds--;
      }
      call.resolve({ kind: "unavailable", message: error.message });
    } else if (!mayPass || this.#closed) {
      call.reject(error);
    } else if (call.late) {
      for (const charge of call.charges) this.#late.add(charge);
    } else {
      if (call.giveUpAtMs === 0) call.giveUpAtMs = performance.now() + this.#options.settleRetryMs;
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
      const entry = this.#openHold(attemptId);
      if (entry === undefined) this.#marks.delete(attemptId);
      else if (now - entry.markedAtMs >= MARK_EVERY_MS) due.push([entry, tokens]);
    }
    return due;
  }

  #marked(marks: readonly (readonly [OpenHold, number])[]): void {
    const now = performance.now();
    for (const [entry] of marks) {
      entry.markedAtMs = now;
      this.#marks.delete(entry.attemptId);
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
      insertHold(this.#sql, this.#shared, holdForLostCharge(PROBE), this.#nextId);
      this.#undo();
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
    this.#shared.rolledBack();
    this.#budgets.rolledBack();
    this.#charged = [];
  }
}
