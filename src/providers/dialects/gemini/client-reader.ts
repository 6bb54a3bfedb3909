/**
 * Typed access to the fields of a generateContent body. The API takes every field in camelCase and in snake_case; a body
 * that holds both spellings of one field is refused, so that nothing is priced as one thing and served as another.
 */
import { gatewayError, type GatewayError } from "../../../wire/errors.ts";
import { isObject, type Json, type JsonObject } from "../../../wire/json.ts";
import type { Unsupported } from "../dialect.ts";

/** Thrown inside a parse and turned into its result where the parse began. */
export class Refused extends Error {
  readonly error: GatewayError;
  constructor(error: GatewayError) {
    super(error.message);
    this.error = error;
  }
}

const SNAKE = new Map<string, string>();

/** `maxOutputTokens` → `max_output_tokens`. */
export function snakeCase(camel: string): string {
  let snake = SNAKE.get(camel);
  if (snake === undefined) SNAKE.set(camel, (snake = camel.replace(/[A-Z]/g, (letter) => `_${letter.toLowerCase()}`)));
  return snake;
}

/** `max_output_tokens` → `maxOutputTokens`. */
export function camelCase(name: string): string {
  return name.includes("_") ? name.replace(/_([a-z0-9])/g, (_, letter: string) => letter.toUpperCase()) : name;
}

/** What was sent under a name, and the path it was sent under. */
export interface Field {
  readonly value: Json | undefined;
  readonly path: string;
}

/** `null` counts as absent everywhere. */
export class Reader {
  readonly warnings = new Set<string>();
  readonly onlyHere: Unsupported[] = [];

  warn(sentence: string): void {
    this.warnings.add(sentence);
  }

  /** Note what would be another request elsewhere. */
  only(param: string, message: string): void {
    this.onlyHere.push({ kind: "unsupported", param, message });
  }

  /** The member `camel` of `holder` in either spelling; `at` is the path of the holder, "" at the top. */
  field(holder: JsonObject, camel: string, at: string): Field {
    const snake = snakeCase(camel);
    const first = holder[camel] ?? undefined;
    const second = snake === camel ? undefined : (holder[snake] ?? undefined);
    const path = at === "" ? "" : `${at}.`;
    if (first !== undefined && second !== undefined) {
      throw new Refused(gatewayError("duplicate_field", `${path}${camel} is sent twice, as ${camel} and as ${snake}.`, { param: `${path}${camel}` }));
    }
    return { value: first ?? second, path: second === undefined ? path + camel : path + snake };
  }

  string(holder: JsonObject, camel: string, at: string): string | undefined {
    const { value, path } = this.field(holder, camel, at);
    if (value !== undefined && typeof value !== "string") throw this.wrong(path, "a string", value);
    return value;
  }

  boolean(holder: JsonObject, camel: string, at: string): boolean | undefined {
    const { value, path } = this.field(holder, camel, at);
    if (value !== undefined && typeof value !== "boolean") throw this.wrong(path, "true or false", value);
    return value;
  }

  number(holder: JsonObject, camel: string, at: string): number | undefined {
    const { value, path } = this.field(holder, camel, at);
    if (value !== undefined && (typeof value !== "number" || !Number.isFinite(value))) throw this.wrong(path, "a number", value);
    return value;
  }

  integerFrom(least: number, holder: JsonObject, camel: string, at: string): number | undefined {
    const found = this.number(holder, camel, at);
    if (found === undefined) return undefined;
    const { path } = this.field(holder, camel, at);
    if (!Number.isSafeInteger(found)) throw this.wrong(path, "an integer", found);
    if (found < least) throw this.invalid(path, `${path} must be at least ${least}, not ${found}.`);
    return found;
  }

  object(holder: JsonObject, camel: string, at: string): JsonObject | undefined {
    const { value, path } = this.field(holder, camel, at);
    if (value !== undefined && !isObject(value)) throw this.wrong(path, "an object", value);
    return value;
  }

  array(holder: JsonObject, camel: string, at: string): readonly Json[] {
    const { value, path } = this.field(holder, camel, at);
    if (value === undefined) return [];
    if (!Array.isArray(value)) throw this.wrong(path, "a list", value);
    return value as readonly Json[];
  }

  strings(holder: JsonObject, camel: string, at: string): readonly string[] {
    const { path } = this.field(holder, camel, at);
    return this.array(holder, camel, at).map((one, i) => {
      if (typeof one !== "string") throw this.wrong(`${path}[${i}]`, "a string", one);
      return one;
    });
  }

  /** Name the members of `holder` that no one here reads; `known` in camelCase. */
  warnUnknown(holder: JsonObject, known: ReadonlySet<string>, at: string): void {
    for (const [key, value] of Object.entries(holder)) {
      if (value === null || value === undefined || known.has(camelCase(key))) continue;
      // The name comes from the client: bounded, so that a warning stays a sentence.
      this.warn(`${at === "" ? "" : `${at}.`}${key.slice(0, 60)} is carried only to providers of the same dialect`);
    }
  }

  missing(path: string, what: string): Refused {
    return new Refused(gatewayError("missing_field", `${path} is missing: expected ${what}.`, { param: path }));
  }

  invalid(path: string, message: string): Refused {
    return new Refused(gatewayError("invalid_body", message, { param: path }));
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
