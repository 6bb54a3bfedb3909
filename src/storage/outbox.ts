/** Alerts that wait to be delivered, in one small file of the data folder: written whole, to a new name first. */
import { readFileSync, renameSync, writeFileSync } from "node:fs";
import type { Log, NoticeOutbox } from "../ports.ts";
import type { Json } from "../wire/json.ts";

export class FileOutbox implements NoticeOutbox {
  readonly #path: string;
  readonly #log: Log;

  constructor(path: string, log: Log) {
    this.#path = path;
    this.#log = log;
  }

  load(): Json | null {
    try {
      return JSON.parse(readFileSync(this.#path, "utf8")) as Json;
    } catch (error) {
      // None yet, or one that a machine's death cut off: alerts are not worth a refusal to start.
      if ((error as NodeJS.ErrnoException).code !== "ENOENT") this.#log.warn("alerts_not_read", { error: String(error) });
      return null;
    }
  }

  save(waiting: Json): void {
    try {
      writeFileSync(`${this.#path}.new`, JSON.stringify(waiting), { mode: 0o600 });
      renameSync(`${this.#path}.new`, this.#path);
    } catch (error) {
      this.#log.warn("alerts_not_written", { error: String(error) });
    }
  }
}
