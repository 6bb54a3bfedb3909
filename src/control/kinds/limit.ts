/** Limits: how many requests and tokens a minute, and how many at once. */
import { z } from "zod";
import type { JsonObject } from "../../wire/json.ts";
import type { Kind, StoredObject } from "../types.ts";
import { STRUCTURE } from "./access.ts";
import { combinations } from "./budget.ts";
import { line, listOf, maybe, objectSchema, SCOPE, scopeProblems, scopesOf, texts, unknownNames, whole } from "./fields.ts";

/** One limit as it is counted: calls that carry all of `scopes`. null: no limit of that sort. */
export interface LimitRule {
  readonly id: string;
  readonly scopes: readonly string[];
  readonly requestsPerMinute: number | null;
  readonly tokensPerMinute: number | null;
  readonly concurrency: number | null;
}

export const limit: Kind = {
  name: "limit",
  plural: "limits",
  description: "How many requests and tokens a minute a scope may send, and how many requests at once.",
  schema: objectSchema(
    z.strictObject({
      name: maybe(line("What people call it")),
      scope: maybe(SCOPE),
      scopes: maybe(texts(SCOPE, "It counts calls that carry all of them", 8)),
      requests_per_minute: maybe(whole("Requests a minute", 0)),
      tokens_per_minute: maybe(whole("Tokens a minute, in and out", 0)),
      concurrency: maybe(whole("Requests in flight together, to their last byte", 0)),
      models: maybe(texts(line("A model's name", 256), "One limit for each of these models", 50)),
      routes: maybe(texts(line("A route's name", 256), "One limit for each of these routes", 50)),
    }),
  ),
  check: (body, _id, store) => {
    const problems = [...scopeProblems(body, store), ...unknownNames(body, store)];
    if (!["requests_per_minute", "tokens_per_minute", "concurrency"].some((field) => typeof body[field] === "number")) {
      problems.push({ field: "requests_per_minute", message: "at least one of requests_per_minute, tokens_per_minute and concurrency" });
    }
    for (const field of ["models", "routes"]) {
      listOf(body[field])?.forEach((name, i) => {
        if (name.includes("*")) problems.push({ field: `${field}[${i}]`, message: "a whole name: a limit counts by name, * stands for nothing here" });
      });
      if (listOf(body[field])?.length === 0) problems.push({ field, message: "an empty list names nothing; leave it out for all" });
    }
    return problems;
  },
  access: STRUCTURE,
};

/** The limits of one object: one for each model and route that it names. They bind its own organisation. */
export function limitsOf(object: Pick<StoredObject, "id" | "tenant" | "body">): readonly LimitRule[] {
  const tenant = `tenant/${object.tenant}`;
  const scopes = scopesOf(object.body);
  return limitsOfBody(object.id, scopes.includes(tenant) ? scopes : [tenant, ...scopes], object.body);
}

/** The same for a limit of the configuration, which binds whoever its scopes name. */
export function limitsOfBody(id: string, scopes: readonly string[], body: JsonObject): readonly LimitRule[] {
  const number = (field: string): number | null => (typeof body[field] === "number" ? body[field] : null);
  return combinations(body).map((more) => ({
    id: more.length === 0 ? id : `${id}#${more.join(",")}`,
    scopes: [...scopes, ...more],
    requestsPerMinute: number("requests_per_minute"),
    tokensPerMinute: number("tokens_per_minute"),
    concurrency: number("concurrency"),
  }));
}
