/** Typed access to the fields of a request body; a wrong type ends the parse with an error that names the path. */
import { gatewayError } from "../../../wire/errors.ts";
import type { GatewayError } from "../../../wire/errors.ts";
import { isObject } from "../../../wire/json.ts";
import type { Json, JsonObject } from "../../../wire/json.ts";

/** Thrown inside a parse and turned into its result where the parse began; never leaves this folder. */
export class Refused extends Error {
  readonly error: GatewayError;
  constructor(error: GatewayError) {
    super(error.message);
    this.error = error;
  }
}

/** `null` counts as absent everywhere, as SDKs send it for what is not set. */
export class Reader {
  readonly warnings: string[] = [];
  #told: Set<string> | null = null;

  /** What is the same at another place of a list is told once, at the first: a long history would repeat it a hundred times. */
  warn(message: string): void {
    const general = message.replace(/\[\d+\]/g, "[]");
    if (this.#told?.has(general) === true) return;
    (this.#told ??= new Set()).add(general);
    this.warnings.push(message);
  }

  /** Name the members that are not carried to another dialect. */
  warnUnknown(object: JsonObject, known: readonly string[], path: string): void {
    for (const key in object) {
      const value = object[key];
      if (!known.includes(key) && value !== null && value !== undefined) this.warn(`${path}.${key.slice(0, 64)} is carried only to providers of the same dialect.`);
    }
  }

  /** `member`: what is put behind the path in an error; a path that is put together beforehand costs more than the look. */
  string(value: Json | undefined, path: string, member = ""): string | undefined {
    if (value === undefined || value === null) return undefined;
    if (typeof value !== "string") throw this.wrong(path + member, "a string", value);
    return value;
  }

  boolean(value: Json | undefined, path: string): boolean | undefined {
    if (value === undefined || value === null) return undefined;
    if (typeof value !== "boolean") throw this.wrong(path, "true or false", value);
    return value;
  }

  number(value: Json | undefined, path: string): number | undefined {
    if (value === undefined || value === null) return undefined;
    if (typeof value !== "number" || !Number.isFinite(value)) throw this.wrong(path, "a number", value);
    return value;
  }

  integerFrom(least: number, value: Json | undefined, path: string): number | undefined {
    const found = this.number(value, path);
    if (found === undefined) return undefined;
    if (!Number.isSafeInteger(found)) throw this.wrong(path, "an integer", found);
    if (found < least) {
      throw new Refused(gatewayError("invalid_body", `${path} must be at least ${least}, not ${found}.`, { param: path }));
    }
    return found;
  }

  object(value: Json | undefined, path: string, member = ""): JsonObject | undefined {
    if (value === undefined || value === null) return undefined;
    if (!isObject(value)) throw this.wrong(path + member, "an object", value);
    return value;
  }

  array(value: Json | undefined, path: string): readonly Json[] {
    if (value === undefined || value === null) return [];
    if (!Array.isArray(value)) throw this.wrong(path, "a list", value);
    return value as readonly Json[];
  }

  required<T>(value: T | undefined, path: string, what: string): T {
    if (value === undefined) throw this.missing(path, what);
    return value;
  }

  missing(path: string, what: string): Refused {
    return new Refused(gatewayError("missing_field", `${path} is missing: expected ${what}.`, { param: path }));
  }

  wrong(path: string, expected: string, found: Json): Refused {
    return new Refused(gatewayError("invalid_type", `${path} must be ${expected}, not ${kindOf(found)}.`, { param: path }));
  }
}

function kindOf(value: Json): string {
  if (value === null) return "null";
  if (Array.isArray(value)) return "a list";
  if (typeof value === "object") return "an object";
  if (typeof value === "string") return "a string";
  return typeof value === "number" ? `the number ${value}` : `${value}`;
}
