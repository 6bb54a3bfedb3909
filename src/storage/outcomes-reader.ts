/** Reads the events of a span, in the order that their digest has. The gateway may run meanwhile. */
import { existsSync } from "node:fs";
import { join, resolve } from "node:path";
import { DatabaseSync } from "node:sqlite";
import type { Objective } from "../decide/objective/types.ts";
import { badInOrder, inOrder } from "../decide/report/canonical.ts";
import { MINUTE_MS, type BadRequest, type MinuteEvent, type ScopedPromise } from "../decide/report/types.ts";
import { StorageError } from "./errors.ts";
import { CountNames } from "./outcome-names.ts";
import { badOf, OUTCOMES_FILE, OUTCOMES_VERSION } from "./outcomes.ts";
import { messageOf, schemaVersion } from "./schema.ts";
import { int, text } from "./statements.ts";

/** So long a piece is read at once: a reader must not keep the log from being moved. */
const PIECE_MINUTES = 240;

export interface Promised {
  readonly route: string;
  readonly version: string;
  readonly objectives: readonly Objective[];
}

/** A promise to whoever asked. */
export interface PromisedToScope extends ScopedPromise {
  readonly scope: string;
  readonly version: string;
}

/** Counts by routes alone, as the first version of the file has them. */
const WITHOUT_SCOPES = 1;

export class OutcomeReader {
  readonly #db: DatabaseSync;
  readonly #hasScopes: boolean;

  /** `folder`: the data folder. Throws StorageError. */
  constructor(folder: string) {
    const path = join(resolve(folder), OUTCOMES_FILE);
    if (!existsSync(path)) throw new StorageError("not_found", `${resolve(folder)} holds no events. Start the gateway there first, or name its folder with --data-dir.`);
    try {
      this.#db = new DatabaseSync(path, { readOnly: true, timeout: 2_000 });
    } catch (error) {
      throw new StorageError("unwritable", `${path} cannot be opened: ${messageOf(error)}`);
    }
    const found = schemaVersion(this.#db);
    this.#hasScopes = found > WITHOUT_SCOPES;
    if (found === OUTCOMES_VERSION || found === WITHOUT_SCOPES) return;
    this.#db.close();
    throw new StorageError(found > OUTCOMES_VERSION ? "newer_schema" : "older_schema", `${path} has schema ${found}, this version reads ${OUTCOMES_VERSION}.`);
  }

  /** Routes that have events in a span, with the objectives that they were judged by. */
  promised(fromMs: number, untilMs: number): readonly Promised[] {
    const rows = this.#db.prepare(`
      SELECT DISTINCT p.route, p.version, o.body FROM pairs p LEFT JOIN objectives o ON o.version = p.version
      WHERE ${this.#ofRoutes} p.id IN (SELECT DISTINCT pair FROM minutes WHERE minute >= ? AND minute < ?) ORDER BY p.route, p.version`);
    return rows.all(minuteOf(fromMs), minuteOf(untilMs)).map((row) => {
      const body = row["body"];
      return { route: text(row["route"]), version: text(row["version"]), objectives: typeof body === "string" ? (JSON.parse(body) as readonly Objective[]) : [] };
    });
  }

  /** Promises to whoever asked that requests in a span are counted by. */
  promisedToScopes(fromMs: number, untilMs: number): readonly PromisedToScope[] {
    if (!this.#hasScopes) return [];
    const rows = this.#db.prepare(`
      SELECT DISTINCT p.scope, p.version, o.body FROM pairs p JOIN objectives o ON o.version = p.version
      WHERE p.scope <> '' AND p.id IN (SELECT DISTINCT pair FROM minutes WHERE minute >= ? AND minute < ?) ORDER BY p.scope, p.version`);
    return rows.all(minuteOf(fromMs), minuteOf(untilMs)).map((row) => ({ scope: text(row["scope"]), version: text(row["version"]), ...(JSON.parse(text(row["body"])) as ScopedPromise) }));
  }

  /** The first and the last minute that there are events of; null: there are none. */
  extent(): { readonly fromMs: number; readonly untilMs: number } | null {
    const row = this.#db.prepare("SELECT min(minute) AS first, max(minute) AS last FROM minutes").get();
    const first = row?.["first"];
    return typeof first === "number" ? { fromMs: first * MINUTE_MS, untilMs: (int(row?.["last"]) + 1) * MINUTE_MS } : null;
  }

  /** Counts of routes. */
  minutes(fromMs: number, untilMs: number): Generator<MinuteEvent> {
    return this.#minutes(fromMs, untilMs, `p.route FROM minutes m JOIN pairs p ON p.id = m.pair WHERE ${this.#ofRoutes}`);
  }

  /** Counts of promises to whoever asked; `route` is the promise's id. */
  scopeMinutes(fromMs: number, untilMs: number): Iterable<MinuteEvent> {
    return this.#hasScopes ? this.#minutes(fromMs, untilMs, "p.scope AS route FROM minutes m JOIN pairs p ON p.id = m.pair WHERE p.scope <> '' AND") : [];
  }

  get #ofRoutes(): string {
    return this.#hasScopes ? "p.scope = '' AND" : "";
  }

  *#minutes(fromMs: number, untilMs: number, which: string): Generator<MinuteEvent> {
    const piece = this.#db.prepare(`SELECT m.minute, m.counts, p.deployment, p.version, ${which} m.minute >= ? AND m.minute < ?`);
    const names = new CountNames(this.#db);
    const extent = this.extent();
    const until = Math.min(minuteOf(untilMs), minuteOf(extent?.untilMs ?? 0));
    for (let from = Math.max(minuteOf(fromMs), minuteOf(extent?.fromMs ?? 0)); from < until; from += PIECE_MINUTES) {
      const rows = piece.all(from, Math.min(from + PIECE_MINUTES, until));
      const events = rows.map((row): MinuteEvent => ({
        minuteMs: int(row["minute"]) * MINUTE_MS, route: text(row["route"]), deployment: text(row["deployment"]), version: text(row["version"]),
        counts: names.read(text(row["counts"])),
      }));
      yield* events.toSorted(inOrder);
    }
  }

  *bad(fromMs: number, untilMs: number): Generator<BadRequest> {
    const piece = this.#db.prepare("SELECT body FROM bad WHERE at_ms >= ? AND at_ms < ?");
    const extent = this.extent();
    const until = Math.min(untilMs, extent?.untilMs ?? 0);
    for (let from = Math.max(fromMs, extent?.fromMs ?? 0); from < until; from += PIECE_MINUTES * MINUTE_MS) {
      yield* piece.all(from, Math.min(from + PIECE_MINUTES * MINUTE_MS, until)).map(badOf).toSorted(badInOrder);
    }
  }

  close(): void {
    if (this.#db.isOpen) this.#db.close();
  }
}

function minuteOf(ms: number): number {
  return Math.floor(ms / MINUTE_MS);
}
