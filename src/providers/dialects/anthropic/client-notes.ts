/** Reading a Messages body: typed access to its fields, and what it holds that only this dialect can carry. */
import { isObject, type Json, type JsonObject } from "../../../wire/json.ts";
import type { Unsupported } from "../dialect.ts";
import { Reader } from "../openai/parse-reader.ts";
import { shown } from "./draft.ts";

const WARNINGS_MAX = 32;
const ONLY_HERE_MAX = 16;

export class BodyReader extends Reader {
  readonly onlyHere: Unsupported[] = [];

  /** The same sentence is told once, so sentences name kinds of places and not each place. */
  override warn(message: string): void {
    if (this.warnings.length < WARNINGS_MAX && !this.warnings.includes(message)) this.warnings.push(message);
  }

  /** Name the members that no other dialect gets; `place` is where they stand, without indexes. */
  warnLeftOut(object: JsonObject, known: readonly string[], place: string): void {
    for (const [key, value] of Object.entries(object)) {
      if (!known.includes(key) && asksSomething(value)) this.warn(`${place}${shown(key)} is carried only to providers of the same dialect`);
    }
  }

  /** What would change the answer if another dialect left it out. */
  only(param: string, message: string): void {
    if (this.onlyHere.length < ONLY_HERE_MAX) this.onlyHere.push({ kind: "unsupported", param, message });
  }
}

/** Null, false and empty lists or objects ask for nothing. */
export function asksSomething(value: Json | undefined): value is Json {
  if (value === undefined || value === null || value === false) return false;
  if (Array.isArray(value)) return value.length > 0;
  return !isObject(value) || Object.keys(value).length > 0;
}
