/** Finished requests by what they were, the newest first: records are read backwards, a batch at a time. */
import type { DatabaseSync, StatementSync } from "node:sqlite";
import type { RequestPage, RequestQuery } from "../control/reports.ts";
import type { JsonObject } from "../wire/json.ts";
import { recordOf, type Entry } from "./record-codec.ts";
import type { SqliteReader } from "./reader.ts";
import { requestJson } from "./request-json.ts";
import type { RequestView } from "./rows.ts";
import { int, text } from "./statements.ts";

/** A request is recorded when it ends, which may be so long after it began. */
const LONGEST_MS = 86_400_000;
/** `req_`, then the time in 32 letters. */
const ID = /^req_([0-9a-hjkmnp-tv-z]{9})[0-9a-z]{10,}$/;
const ALPHABET = "0123456789abcdefghjkmnpqrstvwxyz";
const CLOCKS_APART_MS = 60_000;

export class RequestSearch {
  readonly #reader: SqliteReader;
  readonly #before: StatementSync;
  readonly #from: StatementSync;
  readonly #holding: StatementSync;
  readonly #last: StatementSync;

  /** `db`: a connection to the same ledger as the reader's. */
  constructor(db: DatabaseSync, reader: SqliteReader) {
    this.#reader = reader;
    // A batch holds at most 64: one that ends above a place may begin below it.
    this.#before = db.prepare("SELECT last_id, count, body FROM record_batches WHERE last_id < ?1 + 64 AND last_id - count + 1 < ?1 ORDER BY last_id DESC LIMIT 1");
    this.#from = db.prepare("SELECT last_id, body ->> '$[0][1]' AS at_ms FROM record_batches WHERE last_id >= ? ORDER BY last_id LIMIT 1");
    this.#holding = db.prepare("SELECT last_id, count, body FROM record_batches WHERE last_id >= ? AND instr(body, ?) > 0 LIMIT 1");
    this.#last = db.prepare("SELECT coalesce(max(last_id), 0) AS last FROM record_batches");
  }

  /** A page. `timeIsUp` ends it early, with a place to go on from. */
  page(query: RequestQuery, timeIsUp: () => boolean): RequestPage {
    const found: JsonObject[] = [];
    let before = query.before ?? int(this.#last.get()?.["last"]) + 1;
    // Everything that ended long after the end of the time asked is passed over at once.
    if (query.toMs !== null) before = Math.min(before, this.#firstFrom(query.toMs + LONGEST_MS) + 1_000);
    for (;;) {
      const row = this.#before.get(before);
      if (row === undefined) return { requests: found, next: null };
      const firstId = int(row["last_id"]) - int(row["count"]) + 1;
      const entries = JSON.parse(text(row["body"])) as readonly Entry[];
      for (let i = Math.min(entries.length, before - firstId) - 1; i >= 0; i--) {
        const entry = entries[i] as Entry;
        if (query.fromMs !== null && entry[1] < query.fromMs - LONGEST_MS) return { requests: found, next: null };
        const view = this.#fitting(query, firstId + i, entry);
        if (view === null) continue;
        found.push({ position: firstId + i, ...requestJson(view) });
        if (found.length === query.limit) return { requests: found, next: firstId + i };
      }
      before = firstId;
      if (timeIsUp()) return { requests: found, next: before };
    }
  }

  /** One request of an organisation (null: of any), finished or in flight. */
  one(tenant: string | null, id: string): JsonObject | null {
    const attempts = this.#reader.attemptsOf(id);
    const entry = this.#entryOf(id);
    const record = entry === null ? null : recordOf(entry);
    const whose = record?.tenant ?? attempts[0]?.tenant;
    if (whose === undefined || (tenant !== null && whose !== tenant)) return null;
    const view: RequestView = { position: null, requestId: id, atMs: record?.atMs ?? attempts[0]?.atMs ?? 0, record, attempts };
    // Without an entry nothing has ended yet, or its process has just died.
    return entry === null ? { ...requestJson(view), outcome: "in_flight", flags: [] } : requestJson(view);
  }

  #fitting(query: RequestQuery, position: number, entry: Entry): RequestView | null {
    const [, atMs] = entry;
    if ((query.fromMs !== null && atMs < query.fromMs) || (query.toMs !== null && atMs >= query.toMs)) return null;
    const record = recordOf(entry);
    if (record !== null && !fits(query, record)) return null;
    const view = this.#reader.view(position, entry);
    const { attempts } = view;
    if (record === null && (attempts[0]?.tenant !== query.tenant || asksOfRecord(query))) return null;
    if (record === null && query.key !== undefined && attempts[0]?.scopes.includes(`key/${query.key}`) !== true) return null;
    if (!query.scopes.every((scope) => attempts.some((attempt) => attempt.scopes.includes(scope)))) return null;
    return view;
  }

  #entryOf(id: string): Entry | null {
    const row = this.#holding.get(this.#firstFrom(timeOf(id) - CLOCKS_APART_MS), JSON.stringify(id));
    if (row === undefined) return null;
    return (JSON.parse(text(row["body"])) as readonly Entry[]).find(([requestId]) => requestId === id) ?? null;
  }

  /** The last id of the first batch whose first request began at this time or later. */
  #firstFrom(atMs: number): number {
    let low = 0;
    let high = int(this.#last.get()?.["last"]) + 1;
    while (low < high) {
      const middle = Math.floor((low + high) / 2);
      const row = this.#from.get(middle);
      if (row === undefined || Number(row["at_ms"]) >= atMs) high = middle;
      else low = int(row["last_id"]) + 1;
    }
    return low;
  }
}

function fits(query: RequestQuery, record: NonNullable<RequestView["record"]>): boolean {
  return (
    record.tenant === query.tenant && is(query.key, record.key) && is(query.model, record.model) && is(query.route, record.route) &&
    is(query.deployment, record.deployment) && is(query.outcome, record.outcome) && is(query.status, record.status) && is(query.errorCode, record.errorCode) &&
    (query.flag === undefined || record.flags.includes(query.flag))
  );
}

/** Of a request whose process died nothing of this is known. */
function asksOfRecord({ model, route, deployment, outcome, status, errorCode, flag }: RequestQuery): boolean {
  return [model, route, deployment, outcome, status, errorCode, flag].some((one) => one !== undefined);
}

function is<T>(asked: T | undefined, found: T | null): boolean {
  return asked === undefined || asked === found;
}

/** When a request began, by its id; 0 for an id that does not say. */
function timeOf(id: string): number {
  const letters = ID.exec(id)?.[1];
  if (letters === undefined) return 0;
  return Array.from(letters).reduce((value, letter) => value * 32 + ALPHABET.indexOf(letter), 0);
}
