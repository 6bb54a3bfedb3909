/** Reading a Responses body: typed access to its fields, and what is found that only this dialect can carry. */
import type { JsonObject } from "../../../wire/json.ts";
import type { Unsupported } from "../dialect.ts";
import { Reader } from "../openai/parse-reader.ts";

/** Collects warnings once per kind of place (`input[].phase`): an agent's history would repeat them a hundred times. */
export class Intake extends Reader {
  readonly onlyHere: Unsupported[] = [];
  readonly #told = new Set<string>();

  override warn(message: string): void {
    const general = message.replace(/\[\d+\]/g, "[]");
    if (this.#told.has(general)) return;
    this.#told.add(general);
    super.warn(general);
  }

  /** This would change the answer if it were left out: a target of another dialect is refused. */
  only(param: string, why: string): void {
    this.onlyHere.push({ kind: "unsupported", param, message: `${param}: ${why}` });
  }

  /** A member that must be a string that is not empty. */
  text(object: JsonObject, key: string, path: string, what: string): string {
    const value = this.string(object[key], `${path}.${key}`);
    if (value === undefined || value === "") throw this.missing(`${path}.${key}`, what);
    return value;
  }
}
