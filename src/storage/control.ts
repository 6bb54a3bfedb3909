/**
 * The store of managed objects in a file of its own. Everything is mirrored in memory, so that reads cost a look-up; a
 * change is one transaction with its lines of the audit log, durable before anybody sees it.
 */
import type { DatabaseSync, SQLOutputValue, StatementSync } from "node:sqlite";
import type { Actor, ApplyResult, AuditLine, Change, ControlStore, StoredObject } from "../control/types.ts";
import type { Json, JsonObject } from "../wire/json.ts";
import { ControlMirror } from "./control-mirror.ts";
import { planChanges, verifyChain, type AuditHead, type Changed, type ChangePlan, type Shown } from "./control-plan.ts";
import { openControlFile, openControlForWriting } from "./control-schema.ts";
import { StorageError } from "./errors.ts";
import { isTheDisk, messageOf } from "./schema.ts";
import { int, text } from "./statements.ts";

export type ControlListener = (changed: readonly Changed[]) => void;

export interface ControlOptions {
  readonly wallMs?: () => number;
  /** What of an object may stand in the audit log. Absent: names of fields only. */
  readonly shown?: Shown;
  readonly migrations?: readonly string[];
}

/** A store that can be closed. */
export type OpenControlStore = ControlStore & { close(): void };

const NAMES_ONLY: Shown = () => ({});
const OBJECTS = "SELECT kind, id, tenant, version, created_ms, updated_ms, body FROM objects";

/** A store whose reads are answered from memory; where its changes are written is for those that extend it to say. */
export abstract class MirroredStore implements OpenControlStore {
  protected readonly mirror: ControlMirror;
  protected readonly listeners: ControlListener[] = [];
  readonly #wallMs: () => number;
  readonly #shown: Shown;

  constructor(mirror: ControlMirror, options: Pick<ControlOptions, "wallMs" | "shown">) {
    this.mirror = mirror;
    this.#wallMs = options.wallMs ?? Date.now;
    this.#shown = options.shown ?? NAMES_ONLY;
  }

  /** The last line of the log. */
  protected abstract head(): AuditHead;
  /** Writes all of a plan; else says why nothing of it was written. */
  protected abstract write(plan: ChangePlan): string | null;
  abstract audit(options: { readonly after: number; readonly limit: number; readonly tenant?: string }): readonly AuditLine[];
  abstract verifyAudit(): { readonly sequence: number; readonly problem: string } | null;
  abstract close(): void;

  get(kind: string, id: string): StoredObject | undefined {
    return this.mirror.get(kind, id);
  }

  list(kind: string, options: { readonly tenant?: string; readonly after?: string; readonly limit: number }): readonly StoredObject[] {
    return this.mirror.list(kind, options);
  }

  all(kind: string): Iterable<StoredObject> {
    return this.mirror.all(kind);
  }

  apply(changes: readonly Change[], actor: Actor, action: string): ApplyResult {
    const plan = planChanges(changes, { reads: this.mirror, actor, action, nowMs: this.#wallMs(), head: this.head(), shown: this.#shown });
    if (plan.kind === "refused") return plan;
    const unwritten = this.write(plan);
    return unwritten === null ? this.#publish(plan) : { kind: "refused", code: "unwritable", message: `The change could not be written: ${unwritten}. Nothing was changed.`, problems: [] };
  }

  onChange(listener: ControlListener): void {
    this.listeners.push(listener);
  }

  /** Shows a plan that was written: to readers first, then to listeners. */
  #publish(plan: ChangePlan): Extract<ApplyResult, { kind: "done" }> {
    for (const { kind, id, object } of plan.changed) {
      if (object === null) this.mirror.delete(kind, id);
      else this.mirror.put(object);
    }
    if (plan.changed.length > 0) for (const listener of this.listeners) listener(plan.changed);
    return { kind: "done", objects: plan.changed.flatMap(({ object }) => (object === null ? [] : [object])) };
  }
}

export class SqliteControlStore extends MirroredStore {
  readonly #db: DatabaseSync;
  readonly #log: AuditReader;
  readonly #put: StatementSync;
  readonly #delete: StatementSync;
  readonly #retire: StatementSync;
  readonly #line: StatementSync;
  readonly #moveHead: StatementSync;
  #head: AuditHead;

  /** Opens or makes the file at `path`; the caller owns the folder (`openDataDir`). Throws StorageError. */
  constructor(path: string, options: ControlOptions = {}) {
    const db = openControlForWriting(path, options.migrations);
    const unsound = (error: unknown): StorageError => {
      db.close();
      return new StorageError("corrupt", `${path} is no sound file of managed objects (${messageOf(error)}). It was not changed; move it away or restore a copy.`);
    };
    let mirror: ControlMirror;
    try {
      mirror = loadMirror(db);
    } catch (error) {
      throw unsound(error);
    }
    super(mirror, options);
    this.#db = db;
    try {
      this.#log = new AuditReader(db);
      this.#head = this.#log.head();
      this.#put = db.prepare(
        "INSERT INTO objects (kind, id, tenant, version, created_ms, updated_ms, body) VALUES (?,?,?,?,?,?,?) ON CONFLICT DO UPDATE SET version = excluded.version, updated_ms = excluded.updated_ms, body = excluded.body",
      );
      this.#retire = db.prepare("INSERT OR REPLACE INTO retired (kind, id, version) SELECT kind, id, version FROM objects WHERE kind = ? AND id = ?");
      this.#delete = db.prepare("DELETE FROM objects WHERE kind = ? AND id = ?");
      this.#line = db.prepare("INSERT INTO audit (sequence, at_ms, actor, action, kind, id, tenant, detail, hash) VALUES (?,?,?,?,?,?,?,?,?)");
      this.#moveHead = db.prepare("UPDATE audit_head SET sequence = ?, hash = ?");
    } catch (error) {
      throw unsound(error);
    }
  }

  audit(options: { readonly after: number; readonly limit: number; readonly tenant?: string }): readonly AuditLine[] {
    return this.#log.lines(options);
  }

  verifyAudit(): { readonly sequence: number; readonly problem: string } | null {
    return this.#log.verify();
  }

  close(): void {
    if (this.#db.isOpen) this.#db.close();
  }

  protected head(): AuditHead {
    return this.#head;
  }

  protected write(plan: ChangePlan): string | null {
    try {
      this.#writeAll(plan);
    } catch (error) {
      if (!isTheDisk(error)) throw error;
      return messageOf(error);
    }
    this.#head = plan.lines.at(-1) ?? this.#head;
    return null;
  }

  #writeAll(plan: ChangePlan): void {
    this.#db.exec("BEGIN IMMEDIATE");
    try {
      for (const { kind, id, object } of plan.changed) {
        if (object === null) {
          this.#retire.run(kind, id);
          this.#delete.run(kind, id);
        } else this.#put.run(kind, id, object.tenant, object.version, object.createdMs, object.updatedMs, JSON.stringify(object.body));
      }
      for (const line of plan.lines) this.#line.run(line.sequence, line.atMs, line.actor, line.action, line.kind, line.id, line.tenant, JSON.stringify(line.detail), line.hash);
      const head = plan.lines.at(-1);
      if (head !== undefined) this.#moveHead.run(head.sequence, head.hash);
      this.#db.exec("COMMIT");
    } catch (error) {
      if (this.#db.isTransaction) this.#db.exec("ROLLBACK");
      throw error;
    }
  }
}

/** What commands read while no gateway runs, or beside one: as it stood when it was opened. */
export interface ControlReader extends Pick<ControlStore, "get" | "list" | "all" | "audit" | "verifyAudit"> {
  close(): void;
}

/** Opens the file at `path` for queries. Throws StorageError. */
export function openControlForReading(path: string): ControlReader {
  const db = openControlFile(path);
  const mirror = loadMirror(db);
  const log = new AuditReader(db);
  return {
    get: (kind, id) => mirror.get(kind, id),
    list: (kind, options) => mirror.list(kind, options),
    all: (kind) => mirror.all(kind),
    audit: (options) => log.lines(options),
    verifyAudit: () => log.verify(),
    close: () => db.close(),
  };
}

/** Follows the audit log of the file at `path`, which somebody may be writing. Throws StorageError. */
export function verifyAuditFile(path: string): ReturnType<ControlStore["verifyAudit"]> {
  const db = openControlFile(path);
  try {
    // Lines and head as of one moment.
    db.exec("BEGIN");
    return new AuditReader(db).verify();
  } finally {
    db.close();
  }
}

function loadMirror(db: DatabaseSync): ControlMirror {
  const mirror = new ControlMirror();
  for (const row of db.prepare(OBJECTS).iterate()) {
    mirror.put({
      kind: text(row["kind"]),
      id: text(row["id"]),
      tenant: text(row["tenant"]),
      version: int(row["version"]),
      createdMs: int(row["created_ms"]),
      updatedMs: int(row["updated_ms"]),
      body: JSON.parse(text(row["body"])) as JsonObject,
    });
  }
  for (const row of db.prepare("SELECT kind, id, version FROM retired").iterate()) mirror.retire(text(row["kind"]), text(row["id"]), int(row["version"]));
  return mirror;
}

class AuditReader {
  readonly #db: DatabaseSync;

  constructor(db: DatabaseSync) {
    this.#db = db;
  }

  head(): AuditHead {
    const row = this.#db.prepare("SELECT sequence, hash FROM audit_head").get();
    return { sequence: int(row?.["sequence"]), hash: text(row?.["hash"]) };
  }

  lines(options: { readonly after: number; readonly limit: number; readonly tenant?: string }): readonly AuditLine[] {
    const { after, limit, tenant } = options;
    if (tenant === undefined) return this.#db.prepare("SELECT * FROM audit WHERE sequence > ? ORDER BY sequence LIMIT ?").all(after, limit).map(lineOf);
    return this.#db.prepare("SELECT * FROM audit WHERE sequence > ? AND tenant = ? ORDER BY sequence LIMIT ?").all(after, tenant, limit).map(lineOf);
  }

  verify(): { readonly sequence: number; readonly problem: string } | null {
    return verifyChain(this.#all(), this.head());
  }

  *#all(): Generator<AuditLine> {
    for (const row of this.#db.prepare("SELECT * FROM audit ORDER BY sequence").iterate()) yield lineOf(row);
  }
}

function lineOf(row: Record<string, SQLOutputValue>): AuditLine {
  return {
    sequence: int(row["sequence"]),
    atMs: int(row["at_ms"]),
    actor: text(row["actor"]),
    action: text(row["action"]),
    kind: text(row["kind"]),
    id: text(row["id"]),
    tenant: text(row["tenant"]),
    detail: JSON.parse(text(row["detail"])) as Json,
    hash: text(row["hash"]),
  };
}
