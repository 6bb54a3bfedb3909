/**
 * Events that reports are made of, in a file of their own: counts by minute, route and deployment, and a row for each bad request
 * (see decide/report/types.ts). Requests are counted in memory and written every second or two, with the place of the last record
 * that they contain: what a killed process had counted and not written is counted again from the records.
 */
import { createHash } from "node:crypto";
import { closeSync, existsSync, openSync } from "node:fs";
import { dirname, join } from "node:path";
import { DatabaseSync, type StatementSync } from "node:sqlite";
import { MIRROR_FLAG } from "../decide/canary.ts";
import { PROBE_FLAG } from "../decide/health/due.ts";
import { concerns } from "../decide/objective/concerns.ts";
import { classOf } from "../decide/objective/judge.ts";
import type { Objective, ScopedObjectives } from "../decide/objective/types.ts";
import { canonical, scopedVersionOf, versionOf, type NewHash } from "../decide/report/canonical.ts";
import { judgedBy } from "../decide/report/judged.ts";
import { scopedRow, tally, tallyRefused, type Cell, type EndedRequest } from "../decide/report/tally.ts";
import { MINUTE_MS, type BadRequest } from "../decide/report/types.ts";
import type { Log, RequestRecord } from "../ports.ts";
import type { Json } from "../wire/json.ts";
import { StorageError } from "./errors.ts";
import { CountNames } from "./outcome-names.ts";
import { copyBefore, messageOf, schemaVersion } from "./schema.ts";
import { int, text, type SqlRow } from "./statements.ts";

export const OUTCOMES_FILE = "outcomes.db";
/** Version of the file's tables. */
export const OUTCOMES_VERSION = 2;

const TABLES = `
CREATE TABLE pairs (id INTEGER PRIMARY KEY, route TEXT NOT NULL, deployment TEXT NOT NULL, version TEXT NOT NULL, UNIQUE (route, deployment, version)) STRICT;
CREATE TABLE minutes (minute INTEGER NOT NULL, pair INTEGER NOT NULL, counts TEXT NOT NULL, PRIMARY KEY (minute, pair)) STRICT, WITHOUT ROWID;
CREATE TABLE names (id INTEGER PRIMARY KEY, name TEXT NOT NULL UNIQUE) STRICT;
CREATE TABLE bad (id INTEGER PRIMARY KEY, at_ms INTEGER NOT NULL, body TEXT NOT NULL) STRICT;
CREATE INDEX bad_at ON bad (at_ms);
CREATE TABLE objectives (version TEXT PRIMARY KEY, body TEXT NOT NULL) STRICT, WITHOUT ROWID;
CREATE TABLE meta (key TEXT PRIMARY KEY, value INTEGER NOT NULL) STRICT, WITHOUT ROWID;
`;

/** Counts by promises to whoever asked. Their version belongs to one promise alone, and `route` is empty: the three that are unique stay so. */
const VERSION_2 = "ALTER TABLE pairs ADD COLUMN scope TEXT NOT NULL DEFAULT '';";

const FLUSH_EVERY_MS = 2_000;
const PRUNE_EVERY_MS = 3_600_000;
const DAY_MS = 86_400_000;
/** So many wait at most where the disk takes nothing; then the oldest go, and that is told. */
const BAD_WAITING_MAX = 20_000;
const CELLS_WAITING_MAX = 200_000;

/** SHA-256, in hexadecimal. */
export const sha256: NewHash = () => {
  const hash = createHash("sha256");
  return { update: (piece) => hash.update(piece), digest: () => hash.digest("hex") };
};

export interface OutcomesOptions {
  readonly log: Log;
  /** Wall clock, ms since 1970. */
  readonly wallMs: () => number;
  /** 400. */
  readonly keepDays?: number;
  /** The place of the last record at this start, and the next so many requests behind a place: what a killed process did not come to count. */
  readonly lastPosition: number;
  readonly missed: (after: number, count: number) => Iterable<CountedRequest>;
}

/** Whose a request was: as its record tells it, or by all scopes that it was in. */
export interface Asker extends Partial<Pick<RequestRecord, "tenant" | "key" | "tags">> {
  readonly scopes?: readonly string[];
}
/** A finished request. */
export interface CountedRequest extends EndedRequest, Asker {}

/** Promises to keys, teams and others, and which scopes a request is in. */
export interface ScopedPromises {
  readonly promises: readonly ScopedObjectives[];
  readonly scopesOf: (asker: Asker) => readonly string[];
}
const NOBODY: ScopedPromises = { promises: [], scopesOf: () => [] };

interface Promised {
  readonly version: string;
  readonly objectives: readonly Objective[];
}
interface PromisedToScope extends Promised {
  readonly id: string;
  readonly scopes: readonly string[];
}
const NOTHING: Promised = { version: "", objectives: [] };

/** What waits to be written of one route, or of one promise to whoever asked, in one minute. */
interface Waiting {
  readonly minute: number;
  readonly route: string;
  readonly scope: string;
  readonly version: string;
  readonly byDeployment: Map<string, Cell>;
}

export class OutcomeBook {
  readonly #db: DatabaseSync;
  readonly #options: OutcomesOptions;
  readonly #pairOf: StatementSync;
  readonly #addPair: StatementSync;
  readonly #counts: StatementSync;
  readonly #write: StatementSync;
  readonly #writeBad: StatementSync;
  readonly #writeMark: StatementSync;
  readonly #pairs = new Map<string, number>();
  readonly #names: CountNames;
  #promises: ReadonlyMap<string, Promised> = new Map();
  #scoped: readonly PromisedToScope[] = [];
  #scopesOf = NOBODY.scopesOf;
  #waiting = new Map<string, Waiting>();
  #cells = 0;
  #bad: BadRequest[] = [];
  /** The same minute and route come one after the other. */
  #last: Waiting | null = null;
  #flushedMs = 0;
  #prunedMs = 0;
  /** By the clock, when something was written last; before anything was: the newest minute of the file. null: there is none. */
  #writtenMs: number | null;
  #dropped = 0;
  #recovered = false;

  /** Opens or makes the file. Throws StorageError. */
  constructor(path: string, options: OutcomesOptions) {
    this.#options = options;
    this.#db = open(path);
    this.#names = new CountNames(this.#db);
    const newest = this.#db.prepare("SELECT max(minute) AS newest FROM minutes").get()?.["newest"];
    this.#writtenMs = typeof newest === "number" ? newest * MINUTE_MS : null;
    this.#pairOf = this.#db.prepare("SELECT id FROM pairs WHERE route = ? AND deployment = ? AND version = ?");
    this.#addPair = this.#db.prepare("INSERT INTO pairs (route, deployment, version, scope) VALUES (?, ?, ?, ?)");
    this.#counts = this.#db.prepare("SELECT counts FROM minutes WHERE minute = ? AND pair = ?");
    this.#write = this.#db.prepare("INSERT OR REPLACE INTO minutes (minute, pair, counts) VALUES (?, ?, ?)");
    this.#writeBad = this.#db.prepare("INSERT INTO bad (at_ms, body) VALUES (?, ?)");
    this.#writeMark = this.#db.prepare("INSERT OR REPLACE INTO meta (key, value) VALUES ('record_position', ?)");
    // What was there before this file was is not counted.
    if (this.position === null) this.#writeMark.run(options.lastPosition);
  }

  /** By which objectives requests of each route, and of whoever asks, are judged from now on. */
  promise(routes: Iterable<readonly [route: string, objectives: readonly Objective[]]>, scoped: ScopedPromises = NOBODY): void {
    const promises = new Map<string, Promised>();
    for (const [route, objectives] of routes) {
      if (objectives.length > 0) promises.set(route, { version: versionOf(objectives, sha256), objectives });
    }
    const ofScopes = scoped.promises.map(({ id, scopes, objectives }) => ({ id, scopes, objectives, version: scopedVersionOf(id, { scopes, objectives }, sha256) }));
    const write = this.#db.prepare("INSERT OR IGNORE INTO objectives (version, body) VALUES (?, ?)");
    try {
      for (const { version, objectives } of promises.values()) write.run(version, canonical(objectives as unknown as Json));
      for (const { version, scopes, objectives } of ofScopes) write.run(version, canonical({ scopes, objectives } as unknown as Json));
    } catch (error) {
      this.#options.log.warn("objectives_not_written", { message: messageOf(error) });
    }
    this.#promises = promises;
    this.#scoped = ofScopes;
    this.#scopesOf = scoped.scopesOf;
    this.#recover();
  }

  /** Counts a finished request. */
  add(request: CountedRequest): void {
    // A copy that nobody saw is no request of anybody's, and no more is a probe of our own.
    if (request.flags.includes(MIRROR_FLAG) || request.flags.includes(PROBE_FLAG)) return;
    const { version, objectives } = this.#promises.get(request.route) ?? NOTHING;
    const waiting = this.#waitingOf(request, request.route, version);
    const own = tally(request, judgedBy(version, objectives, request), (deployment) => this.#cellOf(waiting, deployment));
    const bad = this.#scoped.length === 0 ? own : scopedRow(own, version, this.#tallyScoped(request));
    if (bad !== null) this.#addBad(bad);
  }

  /** Counts a request that was refused before anything was called, and has no record. Without a route it leaves counts only. */
  addRefused(request: CountedRequest): void {
    if (request.route !== "") return this.add(request);
    const kind = classOf(request);
    tallyRefused(request, kind, this.#cellOf(this.#waitingOf(request, "", ""), ""), []);
    for (const { id, version, objectives } of this.#promisedTo(request)) {
      const { objectives: verdicts } = judgedBy(version, objectives, request);
      tallyRefused(request, kind, this.#cellOf(this.#waitingOf(request, "", version, id), ""), verdicts.flatMap(({ name, valid, good }) => (valid && !good ? [name] : [])));
    }
  }

  #tallyScoped(request: CountedRequest): readonly { readonly id: string; readonly row: BadRequest }[] {
    return this.#promisedTo(request).flatMap(({ id, version, objectives }) => {
      const waiting = this.#waitingOf(request, "", version, id);
      const row = tally(request, judgedBy(version, objectives, request), (deployment) => this.#cellOf(waiting, deployment));
      return row === null ? [] : [{ id, row }];
    });
  }

  #promisedTo(request: CountedRequest): readonly PromisedToScope[] {
    if (this.#scoped.length === 0) return this.#scoped;
    const has = request.scopes ?? this.#scopesOf(request);
    return this.#scoped.filter(({ scopes }) => concerns(scopes, has, request.route));
  }

  /** Counts and rows that memory could not keep while the disk took nothing. */
  get dropped(): number {
    return this.#dropped;
  }

  /** The last record that what is written contains; null: none is known. */
  get position(): number | null {
    const row = this.#db.prepare("SELECT value FROM meta WHERE key = 'record_position'").get();
    return row === undefined ? null : int(row["value"]);
  }

  /**
   * Writes what waits, once that is due or `now`. `position`: the last record that was written; all that were counted are written
   * by then. Never throws: what cannot be written goes on waiting.
   */
  flush(position: number, now = false): void {
    const wallMs = this.#options.wallMs();
    if (!now && wallMs >= this.#flushedMs && wallMs - this.#flushedMs < FLUSH_EVERY_MS) return;
    this.#flushedMs = wallMs;
    this.#recover();
    if (this.#waiting.size === 0) return;
    try {
      this.#db.exec("BEGIN IMMEDIATE");
      for (const waiting of this.#waiting.values()) this.#writeMinute(waiting);
      for (const bad of this.#bad) this.#writeBad.run(Math.floor(bad.atMs), JSON.stringify(bad));
      this.#writeMark.run(position);
      this.#prune(wallMs);
      this.#db.exec("COMMIT");
    } catch (error) {
      if (this.#db.isTransaction) this.#db.exec("ROLLBACK");
      this.#pairs.clear();
      this.#names.forget();
      this.#options.log.warn("outcomes_not_written", { message: messageOf(error), minutes: this.#waiting.size, bad: this.#bad.length });
      return;
    }
    this.#waiting = new Map();
    this.#cells = 0;
    this.#bad = [];
    this.#last = null;
  }

  /** Closes the file; what waits was flushed before. */
  close(): void {
    if (this.#db.isOpen) this.#db.close();
  }

  /** Once, before anything is written. */
  #recover(): void {
    if (this.#recovered) return;
    this.#recovered = true;
    const last = this.#options.lastPosition;
    const from = Math.min(this.position ?? last, last);
    if (from === last) return;
    try {
      for (const request of this.#options.missed(from, last - from)) this.add(request);
      this.#options.log.info("outcomes_recovered", { requests: last - from });
    } catch (error) {
      this.#options.log.error("outcomes_not_recovered", { message: messageOf(error), requests: last - from });
    }
  }

  #waitingOf({ atMs }: EndedRequest, route: string, version: string, scope = ""): Waiting {
    const minute = Math.floor(atMs / MINUTE_MS);
    const last = this.#last;
    if (last !== null && last.minute === minute && last.route === route && last.version === version) return last;
    const name = `${minute} ${version} ${route}`;
    let found = this.#waiting.get(name);
    if (found === undefined) this.#waiting.set(name, (found = { minute, route, scope, version, byDeployment: new Map() }));
    return (this.#last = found);
  }

  #cellOf({ byDeployment }: Waiting, deployment: string): Cell {
    let cell = byDeployment.get(deployment);
    if (cell === undefined) {
      byDeployment.set(deployment, (cell = new Map()));
      if (++this.#cells > CELLS_WAITING_MAX) this.#dropOldest();
    }
    return cell;
  }

  #dropOldest(): void {
    for (const [name, { byDeployment }] of this.#waiting) {
      this.#waiting.delete(name);
      this.#cells -= byDeployment.size;
      this.#dropped += byDeployment.size;
      this.#last = null;
      return;
    }
  }

  #addBad(bad: BadRequest): void {
    this.#bad.push(bad);
    if (this.#bad.length <= BAD_WAITING_MAX) return;
    this.#bad.shift();
    this.#dropped++;
  }

  #writeMinute({ minute, route, scope, version, byDeployment }: Waiting): void {
    for (const [deployment, cell] of byDeployment) {
      if (cell.size === 0) continue;
      const pair = this.#pairId(route, deployment, version, scope);
      const before = this.#counts.get(minute, pair)?.["counts"];
      const counts = typeof before === "string" ? this.#names.read(before) : {};
      for (const [name, count] of cell) counts[name] = (counts[name] ?? 0) + count;
      this.#write.run(minute, pair, this.#names.write(counts));
    }
  }

  #pairId(route: string, deployment: string, version: string, scope: string): number {
    const name = JSON.stringify([route, deployment, version]);
    let id = this.#pairs.get(name);
    if (id === undefined) {
      const known = this.#pairOf.get(route, deployment, version);
      id = known === undefined ? Number(this.#addPair.run(route, deployment, version, scope).lastInsertRowid) : int(known["id"]);
      this.#pairs.set(name, id);
    }
    return id;
  }

  /** What is too old goes. A clock that leapt over a day may be wrong: it has to be kept to for an hour before anything goes by it. */
  #prune(wallMs: number): void {
    if (this.#writtenMs !== null && wallMs - this.#writtenMs > DAY_MS) this.#prunedMs = wallMs;
    this.#writtenMs = wallMs;
    if (wallMs >= this.#prunedMs && wallMs - this.#prunedMs < PRUNE_EVERY_MS) return;
    this.#prunedMs = wallMs;
    const beforeMs = wallMs - (this.#options.keepDays ?? 400) * DAY_MS;
    this.#db.prepare("DELETE FROM minutes WHERE minute < ?").run(Math.floor(beforeMs / MINUTE_MS));
    this.#db.prepare("DELETE FROM bad WHERE at_ms < ?").run(Math.floor(beforeMs / MINUTE_MS) * MINUTE_MS);
  }
}

/** Where events stand, beside the ledger at `path`. */
export function outcomesPathOf(ledgerPath: string): string {
  return join(dirname(ledgerPath), OUTCOMES_FILE);
}

function open(path: string): DatabaseSync {
  let db: DatabaseSync | null = null;
  try {
    // Made private before anything is in it; one in use must not be opened and closed, which would drop its locks.
    if (!existsSync(path)) closeSync(openSync(path, "a", 0o600));
    db = new DatabaseSync(path, { timeout: 50 });
    db.exec("PRAGMA journal_mode = WAL");
    db.exec("PRAGMA synchronous = NORMAL");
    // A thread moves the log (see checkpoint-worker.ts): this is for where there is none.
    db.exec("PRAGMA wal_autocheckpoint = 8192");
    const found = schemaVersion(db);
    if (found > OUTCOMES_VERSION) throw new StorageError("newer_schema", `${path} was written by a newer Spillway (schema ${found}, this one knows ${OUTCOMES_VERSION}). Start the newer version, or use another --data-dir; the file was not touched.`);
    if (found > 0 && found < OUTCOMES_VERSION) copyBefore(db, path, found);
    if (found < OUTCOMES_VERSION) db.exec(`BEGIN IMMEDIATE; ${found === 0 ? TABLES : ""} ${VERSION_2} PRAGMA user_version = ${OUTCOMES_VERSION}; COMMIT`);
    return db;
  } catch (error) {
    db?.close();
    throw error instanceof StorageError ? error : new StorageError("unwritable", `${path} cannot be opened: ${messageOf(error)}`);
  }
}

/** Reads one row of bad requests. Throws StorageError where it is none. */
export function badOf(row: SqlRow): BadRequest {
  const body = text(row["body"]);
  try {
    return JSON.parse(body) as BadRequest;
  } catch (error) {
    throw new StorageError("corrupt", `the file of events holds a row that is none (${messageOf(error)}): ${JSON.stringify(body.slice(0, 80))}`);
  }
}
