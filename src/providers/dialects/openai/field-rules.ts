/**
 * The host's rules for single fields, by path: `seed`, `stream_options.include_usage`, `messages[].name`,
 * `tools[].function.strict`. A field is refused or left out with a warning, never lost in silence.
 */
import { isObject } from "../../../wire/json.ts";
import type { Json, JsonObject } from "../../../wire/json.ts";
import type { Quirks } from "../../../wire/facts.ts";
import type { Unsupported } from "../dialect.ts";

type Ruled = { readonly kind: "body"; readonly body: JsonObject } | Unsupported;

/**
 * Apply the rules to an authored body. Warnings are added for what is left out.
 * @param provider the provider's name, for messages
 */
export function applyFieldRules(
  body: JsonObject,
  rules: NonNullable<Quirks["fields"]>,
  provider: string,
  warnings: string[],
): Ruled {
  let ruled: Json = body;
  for (const [path, rule] of Object.entries(rules)) {
    const steps = path.split(".");
    const where = find(ruled, steps, "");
    if (where === undefined) continue;
    if (rule === "refuse") return { kind: "unsupported", param: where, message: `${provider} does not support ${where}.` };
    warnings.push(leftOut(where, provider));
    ruled = without(ruled, steps) ?? ruled;
  }
  return { kind: "body", body: isObject(ruled) ? ruled : body };
}

function leftOut(where: string, provider: string): string {
  return `${where} is not supported by ${provider} and was left out.`;
}

/** Does a body hold a field that cannot be cut out of its bytes: one that is refused, in a list's elements, or the second inside of one member? */
export function hasUncuttableField(body: JsonObject, rules: NonNullable<Quirks["fields"]>): boolean {
  const cutInto: string[] = [];
  for (const [path, rule] of Object.entries(rules)) {
    const steps = path.split(".");
    if (find(body, steps, "") === undefined) continue;
    const [key = ""] = steps;
    if (rule === "refuse" || path.includes("[]") || cutInto.includes(key)) return true;
    cutInto.push(key);
  }
  return false;
}

/** What of a body that passes is left out: by the member at its top. */
export interface CutField {
  /** The member's key. */
  readonly key: string;
  /** What goes inside of it; empty: the whole member. */
  readonly inside: readonly string[];
  readonly warning: string;
}

/** The fields of a body that are left out with a warning, in the order of the rules. */
export function cutFields(body: JsonObject, rules: NonNullable<Quirks["fields"]>, provider: string): readonly CutField[] {
  const cuts: CutField[] = [];
  for (const [path, rule] of Object.entries(rules)) {
    if (rule === "refuse" || path.includes("[]")) continue;
    const steps = path.split(".");
    const where = find(body, steps, "");
    if (where === undefined) continue;
    const [key = "", ...inside] = steps;
    // An options object that became empty goes as well.
    const left = without(body[key], inside);
    const empty = left === undefined || (isObject(left) && Object.keys(left).length === 0);
    cuts.push({ key, inside: empty ? [] : inside, warning: leftOut(where, provider) });
  }
  return cuts;
}

/** Where the path first hits, as a client would write it; undefined where it does not. */
function find(value: Json | undefined, steps: readonly string[], prefix: string): string | undefined {
  const [step, ...rest] = steps;
  if (step === undefined) return value === undefined || value === null ? undefined : prefix;
  const { key, each } = parts(step);
  if (!isObject(value)) return undefined;
  const inner = value[key];
  const path = prefix === "" ? key : `${prefix}.${key}`;
  if (!each) return find(inner, rest, path);
  if (!Array.isArray(inner)) return undefined;
  for (let i = 0; i < inner.length; i++) {
    const found = find((inner as readonly Json[])[i], rest, `${path}[${i}]`);
    if (found !== undefined) return found;
  }
  return undefined;
}

/** A copy in which nothing is left at the path; undefined means: take this member out. */
function without(value: Json | undefined, steps: readonly string[]): Json | undefined {
  const [step, ...rest] = steps;
  if (step === undefined) return undefined;
  if (!isObject(value)) return value;
  const { key, each } = parts(step);
  const inner = value[key];
  if (inner === undefined) return value;
  const next =
    each && Array.isArray(inner)
      ? (inner as readonly Json[]).map((entry) => without(entry, rest)).filter((entry) => entry !== undefined)
      : without(inner, rest);
  const others = Object.entries(value).filter(([name]) => name !== key);
  // An options object that became empty goes as well.
  const drop = next === undefined || (isObject(next) && Object.keys(next).length === 0 && rest.length > 0);
  return Object.fromEntries(drop ? others : [...others, [key, next]]);
}

function parts(step: string): { readonly key: string; readonly each: boolean } {
  return step.endsWith("[]") ? { key: step.slice(0, -2), each: true } : { key: step, each: false };
}
