/** Between which ids the rows of the ledger lie, for each few hundred of them: what finds a row by its text id. */
import type { DatabaseSync, StatementSync } from "node:sqlite";
import type { Hold } from "../ports.ts";
import { int, text } from "./statements.ts";

/** A span is closed when it has at least so many rows. */
const SPAN_ROWS = 256;

/** The span that is being filled. Its bounds may be wider than its rows (a write that failed), never narrower. */
export class OpenSpan {
  #firstId: number;
  #lastId: number;
  #rows = 0;
  #attemptMin = "";
  #attemptMax = "";
  #requestMin = "";
  #requestMax = "";

  /** Takes up the rows that no span covers yet. */
  constructor(db: DatabaseSync) {
    this.#lastId = int(db.prepare("SELECT coalesce(max(last_id), 0) AS id FROM spans").get()?.["id"]);
    this.#firstId = this.#lastId + 1;
    for (const row of db.prepare("SELECT id, attempt_id, request_id FROM holds WHERE id > ? ORDER BY id").all(this.#lastId)) {
      this.add(int(row["id"]), { attemptId: text(row["attempt_id"]), requestId: text(row["request_id"]) });
    }
  }

  add(id: number, { attemptId, requestId }: Pick<Hold, "attemptId" | "requestId">): void {
    if (id > this.#lastId) this.#lastId = id;
    if (this.#rows++ === 0) {
      this.#attemptMin = this.#attemptMax = attemptId;
      this.#requestMin = this.#requestMax = requestId;
      return;
    }
    if (attemptId > this.#attemptMax) this.#attemptMax = attemptId;
    else if (attemptId < this.#attemptMin) this.#attemptMin = attemptId;
    if (requestId > this.#requestMax) this.#requestMax = requestId;
    else if (requestId < this.#requestMin) this.#requestMin = requestId;
  }

  get full(): boolean {
    return this.#rows >= SPAN_ROWS;
  }

  write(insert: StatementSync): void {
    insert.run(this.#lastId, this.#firstId, this.#attemptMin, this.#attemptMax, this.#requestMin, this.#requestMax);
  }

  /** After the commit of what `write` wrote. */
  next(): void {
    this.#firstId = this.#lastId + 1;
    this.#rows = 0;
  }
}
