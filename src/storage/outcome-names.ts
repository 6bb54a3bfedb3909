/**
 * How counts by name lie on disk: `3 12,5 1`, the number of a name and its count. Names are few and come again every minute: written
 * out they would be most of the file.
 */
import type { DatabaseSync } from "node:sqlite";
import { StorageError } from "./errors.ts";
import { int, text } from "./statements.ts";

export class CountNames {
  readonly #db: DatabaseSync;
  readonly #ids = new Map<string, number>();
  readonly #names = new Map<number, string>();

  /** `db` has the table `names`. */
  constructor(db: DatabaseSync) {
    this.#db = db;
    this.#load();
  }

  /** The text of counts; new names are written, within the caller's transaction. */
  write(counts: Readonly<Record<string, number>>): string {
    let body = "";
    for (const name in counts) body += `${body === "" ? "" : ","}${this.#ids.get(name) ?? this.#add(name)} ${counts[name] ?? 0}`;
    return body;
  }

  /** Counts of a text. Throws StorageError where it is none. */
  read(body: string): Record<string, number> {
    const counts: Record<string, number> = {};
    for (const piece of body.split(",")) {
      const space = piece.indexOf(" ");
      const id = Number(piece.slice(0, space));
      const count = Number(piece.slice(space + 1));
      const name = this.#names.get(id) ?? this.#loaded(id);
      if (name === undefined || space < 1 || !Number.isSafeInteger(count)) throw new StorageError("corrupt", `the file of events holds counts that are none: ${JSON.stringify(body.slice(0, 80))}`);
      counts[name] = count;
    }
    return counts;
  }

  /** What was added may not have been written. */
  forget(): void {
    this.#ids.clear();
    this.#names.clear();
    this.#load();
  }

  #add(name: string): number {
    const id = Number(this.#db.prepare("INSERT INTO names (name) VALUES (?)").run(name).lastInsertRowid);
    this.#keep(id, name);
    return id;
  }

  /** A gateway that runs meanwhile adds names. */
  #loaded(id: number): string | undefined {
    this.#load();
    return this.#names.get(id);
  }

  #load(): void {
    for (const row of this.#db.prepare("SELECT id, name FROM names").all()) this.#keep(int(row["id"]), text(row["name"]));
  }

  #keep(id: number, name: string): void {
    this.#ids.set(name, id);
    this.#names.set(id, name);
  }
}
