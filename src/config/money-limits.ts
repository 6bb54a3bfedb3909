/** The sections `budgets` and `limits`: the same objects as those of the admin API, made here and changed only here. */
import { z } from "zod";
import { budget, budgetsOfBody } from "../control/kinds/budget.ts";
import { limit, limitsOfBody, type LimitRule } from "../control/kinds/limit.ts";
import { readBody, scopesOf } from "../control/kinds/fields.ts";
import type { FieldProblem, Kind } from "../control/types.ts";
import type { Budget } from "../decide/budget/types.ts";
import type { JsonObject } from "../wire/json.ts";
import type { Finding } from "./document.ts";
import type { Raw } from "./raw.ts";

/** Ids of the configuration's own objects, apart from those of the store. */
const OWN = "config:";
const ID = /^[A-Za-z0-9][A-Za-z0-9._-]{0,62}$/;
const NOTHING_KNOWN = { get: () => undefined, all: () => [] };

/** Budgets by their ids. */
export function readBudgets(section: Raw, found: Finding[]): readonly Budget[] {
  return bodiesOf("budgets", budget, section, found).flatMap(({ id, body }) => budgetsOfBody(OWN + id, scopesOf(body), body));
}

/** Limits by their ids. */
export function readLimits(section: Raw, found: Finding[]): readonly LimitRule[] {
  return bodiesOf("limits", limit, section, found).flatMap(({ id, body }) => limitsOfBody(OWN + id, scopesOf(body), body));
}

/** The objects of a section that are sound, by their ids; what is wrong with the others is told. */
export function bodiesOf(name: string, kind: Kind, section: Raw, found: Finding[]): readonly { readonly id: string; readonly body: JsonObject }[] {
  return Object.entries(section).flatMap(([id, entry]) => {
    const path = [name, id];
    if (!ID.test(id)) found.push({ path, expected: "letters, digits, . _ - (at most 63)", found: JSON.stringify(id), hint: "", at: "key" });
    const read = readBody(kind, entry, id, NOTHING_KNOWN);
    const problems = named(read.problems);
    for (const { field, message } of problems) found.push({ path: [...path, ...pathOf(field)], ...expectedOf(kind, field, message) ?? { expected: message.replace(/^expected /, ""), found: shown(entry, field) }, hint: "" });
    return read.body !== null && problems.length === 0 ? [{ id, body: read.body }] : [];
  });
}

/** What was expected, where the words of the admin API do not say it; null: they do. */
function expectedOf(kind: Kind, field: string, message: string): Pick<Finding, "expected" | "found"> | null {
  if (message === "there is no such field") {
    const top = Object.keys(z.toJSONSchema(kind.schema, { io: "input", unrepresentable: "any" }).properties ?? {});
    return { expected: pathOf(field).length > 1 ? `a field that a ${kind.name} has` : `one of ${top.join(", ")}`, found: `unknown key ${pathOf(field).at(-1) ?? ""}` };
  }
  const [, channel, needed] = /^(a \w+ channel) needs (\w+)$/.exec(message) ?? [];
  if (channel !== undefined && needed !== undefined) return { expected: `${needed}, which ${channel} needs`, found: "nothing" };
  const [, what, name] = /^there is no (\w+) (.+)$/s.exec(message) ?? [];
  return what === undefined ? null : { expected: `a known ${what}`, found: JSON.stringify(name) };
}

/** Whether a team or a key is there is the store's to say, not this file's. */
function named(problems: readonly FieldProblem[]): readonly FieldProblem[] {
  return problems.filter(({ message }) => !/^there is no (?:organisation|team|project|member|key) /.test(message));
}

/** `scopes[0]` → scopes, 0. */
function pathOf(field: string): readonly (string | number)[] {
  return field.split(/[.[\]]+/).filter((part) => part !== "").map((part) => (/^\d+$/.test(part) ? Number(part) : part));
}

function shown(entry: unknown, field: string): string {
  let value: unknown = entry;
  for (const part of pathOf(field)) value = typeof value === "object" && value !== null ? (value as Record<string | number, unknown>)[part] : undefined;
  return value === undefined ? "nothing" : (JSON.stringify(value) ?? "nothing").slice(0, 80);
}
