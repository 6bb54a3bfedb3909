/** Budgets: what may be spent by whom in which time, and what happens on the way there. */
import { z } from "zod";
import type { Budget, Period } from "../../decide/budget/types.ts";
import type { JsonObject } from "../../wire/json.ts";
import { parseUsd } from "../../wire/money.ts";
import type { FieldProblem, Kind, StoredObject } from "../types.ts";
import { SPENDING } from "./access.ts";
import { dollars, line, listOf, maybe, objectSchema, SCOPE, scopeProblems, scopesOf, texts, timeZone, unknownNames } from "./fields.ts";

const PERIODS = ["request", "day", "week", "month", "total"] as const satisfies readonly Period[];
const ALERTS_AT_PERCENT: readonly number[] = [80, 100];

const percent = (most: number): z.ZodType<number> => {
  const error = `a percentage from 0.1 to ${most}, in steps of 0.1`;
  return z.number({ error }).min(0.1, { error }).max(most, { error }).refine((value) => Number.isInteger(permille(value)), { error });
};

export const budget: Kind = {
  name: "budget",
  plural: "budgets",
  description: "What a scope may spend in a period. A hard one admits nothing beyond it; a soft one only alerts.",
  schema: objectSchema(
    z.strictObject({
      name: maybe(line("What people call it")),
      scope: maybe(SCOPE),
      scopes: maybe(texts(SCOPE, "It counts calls that carry all of them", 8)),
      period: z.enum(PERIODS, { error: PERIODS.join(", ") }).describe("request: one call with all its attempts; weeks begin on Monday; total never ends"),
      time_zone: maybe(timeZone("Whose midnights begin a period; UTC where absent")),
      limit_usd: dollars("The limit"),
      kind: maybe(z.enum(["hard", "soft"], { error: "hard or soft" }).describe("hard: nothing is admitted beyond it (default); soft: it only alerts")),
      alerts: maybe(z.array(percent(1_000)).max(10, { error: "at most ten" }).describe("Percent of the limit at which to alert, once a period; 80 and 100 where absent")),
      cheaper_at: maybe(percent(100).describe("Percent of the limit from which on a route's own cheaper candidates are taken; never where absent")),
      models: maybe(texts(line("A model's name", 256), "One budget for each of these models", 50)),
      routes: maybe(texts(line("A route's name", 256), "One budget for each of these routes", 50)),
    }),
  ),
  check: (body, _id, store) => [...scopeProblems(body, store), ...unknownNames(body, store), ...contradictions(body)],
  access: SPENDING,
};

function contradictions(body: JsonObject): readonly FieldProblem[] {
  const problems: FieldProblem[] = [];
  for (const [field, word] of [["models", "model/"], ["routes", "route/"]] as const) {
    const named = listOf(body[field]);
    if (named === null) continue;
    if (named.length === 0) problems.push({ field, message: "an empty list names nothing; leave it out for all" });
    if (scopesOf(body).some((scope) => scope.startsWith(word))) problems.push({ field, message: `the scopes name a ${word.slice(0, -1)} already` });
    named.forEach((name, i) => {
      if (name.includes("*")) problems.push({ field: `${field}[${i}]`, message: "a whole name: a budget counts by name, * stands for nothing here" });
    });
  }
  if ((listOf(body["models"])?.length ?? 1) * (listOf(body["routes"])?.length ?? 1) > 100) problems.push({ field: "models", message: "models times routes come to more than 100 budgets" });
  return problems;
}

/** The budgets of one object: one for each model and route that it names. They bind its own organisation. */
export function budgetsOf(object: Pick<StoredObject, "id" | "tenant" | "body">): readonly Budget[] {
  const tenant = `tenant/${object.tenant}`;
  const scopes = scopesOf(object.body);
  return budgetsOfBody(object.id, scopes.includes(tenant) ? scopes : [tenant, ...scopes], object.body);
}

/** The same for a budget of the configuration, which binds whoever its scopes name. */
export function budgetsOfBody(id: string, scopes: readonly string[], body: JsonObject): readonly Budget[] {
  const alerts = Array.isArray(body["alerts"]) ? (body["alerts"] as readonly number[]) : ALERTS_AT_PERCENT;
  const cheaperAt = body["cheaper_at"];
  return combinations(body).map((more) => ({
    id: more.length === 0 ? id : `${id}#${more.join(",")}`,
    scopes: [...scopes, ...more],
    period: body["period"] as Period,
    timeZone: typeof body["time_zone"] === "string" ? body["time_zone"] : "UTC",
    limitNanoUsd: parseUsd(body["limit_usd"]) ?? 0,
    kind: body["kind"] === "soft" ? "soft" : "hard",
    alertsAtPermille: [...new Set(alerts.map(permille))].toSorted((a, b) => a - b),
    cheaperFromPermille: typeof cheaperAt === "number" ? permille(cheaperAt) : null,
  }));
}

/** `model/x` and `route/y` scopes: each pair of those that are named; one empty list where none are. */
export function combinations(body: JsonObject): readonly (readonly string[])[] {
  const models = (listOf(body["models"]) ?? [null]).map((name) => (name === null ? [] : [`model/${name}`]));
  const routes = (listOf(body["routes"]) ?? [null]).map((name) => (name === null ? [] : [`route/${name}`]));
  return models.flatMap((model) => routes.map((route) => [...model, ...route]));
}

/** 12.3 % is 123 ‰, though 12.3 × 10 is not 123 in binary. */
function permille(percentValue: number): number {
  const value = percentValue * 10;
  return Math.abs(value - Math.round(value)) < 1e-6 ? Math.round(value) : value;
}
