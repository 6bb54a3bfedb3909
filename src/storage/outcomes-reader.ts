/** Reads the events of a span, in the order that their digest has. The gateway may run meanwhile. */
import { existsSync } from "node:fs";
import { join, resolve } from "node:path";
import { DatabaseSync } from "node:sqlite";
import type { Objective } from "../decide/objective/types.ts";
import { badInOrder, inOrder } from "../decide/report/canonical.ts";
import { MINUTE_MS, type BadRequest, type MinuteEvent } from "../decide/report/types.ts";
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

export class OutcomeReader {
  readonly #db: DatabaseSync;

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
    if (found === OUTCOMES_VERSION) return;
    this.#db.close();
    throw new StorageError(found > OUTCOMES_VERSION ? "newer_schema" : "older_schema", `${path} has schema ${found}, this version reads ${OUTCOMES_VERSION}.`);
  }

  /** Routes that have events in a span, with the objectives that they were judged by. */
  promised(fromMs: number, untilMs: number): readonly Promised[] {
    const rows = this.#db.prepare(`
      SELECT DISTINCT p.route, p.version, o.body FROM pairs p LEFT JOIN objectives o ON o.version = p.version
      WHERE p.id IN (SELECT DISTINCT pair FROM minutes WHERE minute >= ? AND minute < ?) ORDER BY p.route, p.version`);
    return rows.all(minuteOf(fromMs), minuteOf(untilMs)).map((row) => {
      const body = row["body"];
      return { route: text(row["route"]), version: text(row["version"]), objectives: typeof body === "string" ? (JSON.parse(body) as readonly Objective[]) : [] };
    });
  }

  /** The first and the last minute that there are events of; null: there are none. */
  extent(): { readonly fromMs: number; readonly untilMs: number } | null {
    const row = this.#db.prepare("SELECT min(minute) AS first, max(minute) AS last FROM minutes").get();
    const first = row?.["first"];
    return typeof first === "number" ? { fromMs: first * MINUTE_MS, untilMs: (int(row?.["last"]) + 1) * MINUTE_MS } : null;
  }

  *minutes(fromMs: number, untilMs: number): Generator<MinuteEvent> {
    const piece = this.#db.prepare("SELECT m.minute, m.counts, p.route, p.deployment, p.version FROM minutes m JOIN pairs p ON p.id = m.pair WHERE m.minute >= ? AND m.minute < ?");
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
