/** The kinds of fields that objects are made of. Each says what was expected. */
import { z } from "zod";
import { IMPORTANCES, type Importance } from "../../decide/objective/shedding.ts";
import { isTimeZone } from "../../decide/zone.ts";
import { isObject, type Json, type JsonObject } from "../../wire/json.ts";
import { parseUsd } from "../../wire/money.ts";
import { isPlainText } from "../../wire/plain-text.ts";
import type { ControlStore, FieldProblem, Kind } from "../types.ts";

/** Reads what a check may look at. */
export type Reads = Pick<ControlStore, "get" | "all">;

/** The most that requests of somebody's matter. */
export function importance(whose: string): z.ZodType<Importance> {
  return z.enum(IMPORTANCES, { error: IMPORTANCES.join(", ") }).describe(`The most that ${whose} requests matter, whatever a route or x-spillway-importance says: low is refused first; nothing is said of it where absent`);
}

/** Absent, or null, which means the same. */
export function maybe<T extends z.ZodType>(schema: T): z.ZodOptional<z.ZodNullable<T>> {
  const absent = schema.nullable().optional();
  return schema.description === undefined ? absent : absent.describe(schema.description);
}

/** A line of text for people. */
export function line(description: string, most = 200): z.ZodType<string> {
  const error = `text of 1 to ${most} characters`;
  return z.string({ error }).trim().min(1, { error }).max(most, { error }).refine(isPlainText, { error: "a line of text without control characters", abort: true }).describe(description);
}

/** The id of another object. */
export function reference(description: string): z.ZodType<string> {
  return line(description, 128);
}

/** Dollars as a number or a decimal text, not less than nothing. */
export function dollars(description: string): z.ZodType<string | number> {
  const error = "dollars from 0 to 9007199, with at most nine places, such as 100 or \"0.05\"";
  return z.union([z.number(), z.string()], { error }).refine((value) => (parseUsd(value) ?? -1) >= 0, { error }).describe(description);
}

/** A whole number within bounds. */
export function whole(description: string, least: number, most = Number.MAX_SAFE_INTEGER): z.ZodType<number> {
  const error = most === Number.MAX_SAFE_INTEGER ? `a whole number of at least ${least}` : `a whole number from ${least} to ${most}`;
  return z.number({ error }).int({ error }).min(least, { error }).max(most, { error }).describe(description);
}

/** The name of a time zone. */
export function timeZone(description: string): z.ZodType<string> {
  const error = "the name of a time zone, such as UTC or Europe/Berlin";
  return z.string({ error }).refine(isTimeZone, { error }).describe(description);
}

/** A time as ISO 8601 with a zone. */
export function instant(description: string): z.ZodType<string> {
  const error = "a time such as 2026-12-31T23:59:59Z";
  return z.string({ error }).refine((value) => /^\d{4}-\d\d-\d\dT\d\d:\d\d(?::\d\d(?:\.\d{1,9})?)?(?:Z|[+-]\d\d:\d\d)$/.test(value) && Number.isFinite(Date.parse(value)), { error }).describe(description);
}

/** A short list of texts, none twice. */
export function texts(one: z.ZodType<string>, description: string, most = 100): z.ZodType<string[]> {
  const error = `a list of at most ${most}, none of them twice`;
  return z.array(one, { error }).max(most, { error }).refine((list) => new Set(list).size === list.length, { error }).describe(description);
}

/** A name in which `*` stands for any run of characters. */
export const PATTERN = line("A name; * stands for any run of characters", 256);

const WORD = /^(tenant|team|project|key|member|route|model|provider|tag|paid_by)\/(.{1,300})$/s;

/** A scope as holds carry it. */
export const SCOPE = z
  .string({ error: "a scope such as team/search" })
  .regex(WORD, { error: "a scope: tenant/…, team/…, project/…, key/…, member/…, route/…, model/…, provider/…, tag/name=value or paid_by/team" })
  .describe("team/search, key/app, member/ada, route/support, tag/feature=chat, …");

/** `scopes`, or `scope` alone, as a list. */
export function scopesOf(body: JsonObject): readonly string[] {
  const { scopes, scope } = body;
  return Array.isArray(scopes) ? (scopes as readonly string[]) : typeof scope === "string" ? [scope] : [];
}

/** What kinds of objects scopes name. The others are words of requests. */
const NAMED_BY_SCOPES: Readonly<Record<string, string>> = { tenant: "organisation", team: "team", project: "project", member: "member", key: "key" };

/** Problems of a list of scopes: none at all, or some that name nothing. */
export function scopeProblems(body: JsonObject, store: Reads): readonly FieldProblem[] {
  const listed = body["scopes"];
  if (typeof body["scope"] === "string" && Array.isArray(listed)) return [{ field: "scope", message: "give scope or scopes, not both" }];
  const scopes = scopesOf(body);
  if (scopes.length === 0) return [{ field: "scopes", message: "at least one scope, such as team/search" }];
  return scopes.flatMap((scope, i) => {
    const message = unknownScope(scope, store);
    return message === null ? [] : [{ field: Array.isArray(listed) ? `scopes[${i}]` : "scope", message }];
  });
}

function unknownScope(scope: string, store: Reads): string | null {
  const slash = scope.indexOf("/");
  const [word, id] = [scope.slice(0, slash), scope.slice(slash + 1)];
  if (word === "tag" && !/^[^=]+=/.test(id)) return "a tag with its value, such as tag/feature=chat";
  if (word === "paid_by" && id !== "team") return "only paid_by/team exists";
  const kind = NAMED_BY_SCOPES[word];
  if (kind === undefined) return configured(word, id, store) === false ? `there is no ${word} ${id}` : null;
  if (store.get(kind, id) !== undefined || (word === "key" && configured("key", id, store) !== false)) return null;
  return `there is no ${kind} ${id}`;
}

/**
 * What the configuration names: keys, routes, models and accounts, shown beside stored objects as the kind `configured`.
 * Undefined where the configuration is not at hand.
 */
function configured(word: string, id: string, store: Reads): boolean | undefined {
  if (word === "tag" || word === "paid_by" || store.get("configured", "*") === undefined) return undefined;
  return store.get("configured", `${word}/${id}`) !== undefined;
}

/** Routes and models that a body lists and that do not exist. */
export function unknownNames(body: JsonObject, store: Reads): readonly FieldProblem[] {
  return (["models", "routes"] as const).flatMap((field) => {
    const word = field.slice(0, -1);
    return (listOf(body[field]) ?? []).flatMap((name, i) => (!name.includes("*") && configured(word, name, store) === false ? [{ field: `${field}[${i}]`, message: `there is no ${word} ${name}` }] : []));
  });
}

/** A problem where the object that a field names is not there. */
export function missing(body: JsonObject, field: string, kind: string, store: Reads): readonly FieldProblem[] {
  const id = body[field];
  return typeof id === "string" && store.get(kind, id) === undefined ? [{ field, message: `there is no ${kind} ${id}` }] : [];
}

/** The texts of a field; null where it is absent. */
export function listOf(value: Json | undefined): readonly string[] | null {
  return Array.isArray(value) ? (value as readonly string[]) : null;
}

/** A schema's values are objects of JSON; zod cannot say so by itself. */
export function objectSchema(schema: z.ZodType): z.ZodType<JsonObject> {
  return schema as z.ZodType<JsonObject>;
}

/** The problems of a value that a schema refuses, by field. */
export function schemaProblems(error: z.ZodError): readonly FieldProblem[] {
  return error.issues.flatMap((issue) => {
    if (issue.code === "unrecognized_keys") return issue.keys.map((key) => ({ field: fieldText([...issue.path, key]), message: "there is no such field" }));
    const expected = issue.message === "" ? "another value" : issue.message;
    return [{ field: fieldText(issue.path), message: `expected ${expected}` }];
  });
}

/** What was sent for an object of this kind: its body, or all that speaks against it. */
export function readBody(kind: Kind, sent: unknown, id: string, store: Reads): { readonly body: JsonObject | null; readonly problems: readonly FieldProblem[] } {
  const parsed = kind.schema.safeParse(sent);
  if (parsed.success) {
    const body = withoutNulls(parsed.data);
    return { body, problems: kind.check(body, id, store) };
  }
  const problems = schemaProblems(parsed.error);
  if (kind.checksAny !== true || !isObject(sent as Json)) return { body: null, problems };
  // A field that has no sound value is told of once, not for what follows from it as well.
  const apart = (a: string, b: string): boolean => a !== "" && b !== "" && a !== b && !a.startsWith(`${b}.`) && !b.startsWith(`${a}.`) && !a.startsWith(`${b}[`) && !b.startsWith(`${a}[`);
  const more = kind.check(withoutNulls(sent as JsonObject), id, store).filter(({ field }) => problems.every((problem) => apart(problem.field, field)));
  return { body: null, problems: [...problems, ...more] };
}

/** `scopes[0].name`. */
function fieldText(path: readonly PropertyKey[]): string {
  return path.reduce<string>((text, part) => (typeof part === "number" ? `${text}[${part}]` : text === "" ? String(part) : `${text}.${String(part)}`), "");
}

/** A body without the fields that are null: those are absent. */
export function withoutNulls(body: JsonObject): JsonObject {
  return Object.fromEntries(Object.entries(body).filter(([, value]) => value !== null && value !== undefined));
}

