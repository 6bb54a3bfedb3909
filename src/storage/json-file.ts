/** A small state in one file of the data folder: written whole, to a new name first, so that a machine's death leaves the old one. */
import { readFileSync, renameSync, writeFileSync } from "node:fs";
import type { Log, NoticeOutbox } from "../ports.ts";
import type { Json } from "../wire/json.ts";

export class JsonFile implements NoticeOutbox {
  readonly #path: string;
  readonly #name: string;
  readonly #log: Log;

  /** `name`: what it holds, for the log: `alerts`. */
  constructor(path: string, name: string, log: Log) {
    this.#path = path;
    this.#name = name;
    this.#log = log;
  }

  load(): Json | null {
    try {
      return JSON.parse(readFileSync(this.#path, "utf8")) as Json;
    } catch (error) {
      // None yet, or one that a machine's death cut off: what stands here is not worth a refusal to start.
      if ((error as NodeJS.ErrnoException).code !== "ENOENT") this.#log.warn(`${this.#name}_not_read`, { error: String(error) });
      return null;
    }
  }

  save(state: Json): void {
    try {
      writeFileSync(`${this.#path}.new`, JSON.stringify(state), { mode: 0o600 });
      renameSync(`${this.#path}.new`, this.#path);
    } catch (error) {
      this.#log.warn(`${this.#name}_not_written`, { error: String(error) });
    }
  }
}
