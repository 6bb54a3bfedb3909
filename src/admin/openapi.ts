/** The description of the API, made of the same routes, rules and schemas that serve it. */
import { z } from "zod";
import type { Kind } from "../control/types.ts";
import type { Json, JsonObject } from "../wire/json.ts";
import type { Who } from "./access.ts";
import { ORGANISATION } from "./app.ts";
import { COMMON_FIELDS, LEFT_OUT_FIELD } from "./objects.ts";
import type { AdminRoute, QueryParameter } from "./types.ts";

export interface DescribedApi {
  readonly routes: readonly AdminRoute[];
  readonly access: ReadonlyMap<string, readonly Who[]>;
  readonly kinds: ReadonlyMap<string, Kind>;
  readonly version: string;
}

const REFUSALS: Readonly<Record<string, string>> = {
  "400": "A field or parameter that is wrong; `problems` names each",
  "401": "No token, or none that is known",
  "403": "Not for this role",
  "404": "There is none, or none that this token may see",
};
const CHANGE_REFUSALS: Readonly<Record<string, string>> = {
  "409": "In the way of something else: it exists already, is in use, or is the configuration's",
  "412": "It is at another version than If-Match says",
  "415": "The body is no JSON",
};

/** The document, by OpenAPI 3.1. */
export function openApiDocument({ routes, access, kinds, version }: DescribedApi): JsonObject {
  const paths: Record<string, Record<string, Json>> = {};
  for (const route of routes) {
    const path = route.path.replace(/:(\w+)/g, "{$1}");
    (paths[path] ??= {})[route.method.toLowerCase()] = operationOf(route, access.get(`${route.method} ${route.path}`) ?? [], kinds);
  }
  return {
    openapi: "3.1.0",
    info: {
      title: "Spillway admin API",
      version,
      description: "Organisations, people, keys, budgets and limits of a Spillway gateway; what was asked and spent. Money is in US dollars, as text with up to nine places wherever it is exact. Listings come in pages: `{ data, next }`, and `?after=<next>` for the one after.",
      license: { name: "Apache-2.0", identifier: "Apache-2.0" },
    },
    servers: [{ url: "/", description: "The admin port of a gateway, 8485 on the loopback" }],
    security: [{ token: [] }],
    tags: [...new Set(routes.map(({ tag }) => tag))].map((name) => ({ name })),
    paths,
    components: { securitySchemes: { token: { type: "http", scheme: "bearer", description: "The administrator's token, a member's, or (where it says so) a caller's key" } }, schemas: schemasOf(kinds) },
  };
}

function operationOf(route: AdminRoute, who: readonly Who[], kinds: ReadonlyMap<string, Kind>): JsonObject {
  const { answers } = route;
  const open = who.includes("anyone");
  const changes = route.method !== "GET";
  const refusals = { ...REFUSALS, ...(changes ? CHANGE_REFUSALS : {}) };
  const types: Record<string, Json> = answers.schema === undefined ? {} : { "application/json": { schema: answers.schema } };
  for (const type of answers.also ?? []) types[type] = { schema: { type: "string" } };
  return {
    operationId: route.name,
    tags: [route.tag],
    summary: route.summary,
    description: open ? "For anyone, without a token." : `For ${who.join(", ")}.`,
    "x-roles": who,
    ...(open ? { security: [] } : {}),
    parameters: parametersOf(route, open),
    ...(route.body === undefined ? {} : { requestBody: { required: route.method === "PATCH" || route.name.startsWith("create"), content: { "application/json": { schema: bodyOf(route, kinds) } } } }),
    responses: {
      [String(answers.status)]: { description: answers.description, ...(Object.keys(types).length === 0 ? {} : { content: types }) },
      ...(open ? {} : Object.fromEntries(Object.entries(refusals).map(([status, description]) => [status, { description, content: { "application/json": { schema: { $ref: "#/components/schemas/Error" } } } }]))),
    },
  };
}

function parametersOf(route: AdminRoute, open: boolean): readonly Json[] {
  const inPath = [...route.path.matchAll(/:(\w+)/g)].map(([, name = ""]): Json => ({ name, in: "path", required: true, schema: { type: "string" } }));
  const inQuery = [...(route.query ?? []), ...(open ? [] : [ORGANISATION])].map(({ name, description, schema }: QueryParameter): Json => ({ name, in: "query", description, schema: schema ?? { type: "string" } }));
  const version: readonly Json[] = route.method === "PATCH" || route.method === "DELETE" ? [{ name: "If-Match", in: "header", description: "Only if it is at this version: its ETag", schema: { type: "string" } }] : [];
  return [...inPath, ...inQuery, ...version];
}

/** What is sent: to create one with an id of one's own, to change one without what stays. */
function bodyOf(route: AdminRoute, kinds: ReadonlyMap<string, Kind>): JsonObject {
  const kind = [...kinds.values()].find(({ plural, schema }) => plural === route.tag && schema === route.body);
  if (kind === undefined) return plainSchema(route.body ?? z.object({}));
  return { $ref: `#/components/schemas/${capital(kind.name)}${route.method === "PATCH" ? "Change" : "New"}` };
}

function schemasOf(kinds: ReadonlyMap<string, Kind>): JsonObject {
  const schemas: Record<string, Json> = { Error: ERROR, List: listOf({ type: "object" }), UsageReport: USAGE_REPORT, UsageSums: USAGE_SUMS };
  for (const kind of kinds.values()) {
    const name = capital(kind.name);
    const sent = plainSchema(kind.schema);
    const properties = (sent["properties"] ?? {}) as Readonly<Record<string, Json>>;
    const id: Json = { type: "string", pattern: "^[a-z0-9][a-z0-9_-]{0,62}$", description: "An id of one's own; one is made where it is absent" };
    schemas[`${name}New`] = { ...sent, description: kind.description, properties: { id, ...properties } };
    schemas[`${name}Change`] = { ...withoutRequired(sent), description: `Fields of a ${kind.name} that change` };
    schemas[name] = {
      type: "object",
      description: `${kind.description} Fields beside the common ones are those that were sent; secrets are never shown.${hiddenText(kind)}`,
      required: Object.keys(COMMON_FIELDS),
      properties: { ...shownProperties(kind, properties), ...COMMON_FIELDS, left_out: LEFT_OUT_FIELD, once: { type: "object", description: "What is shown now and never again" } },
    };
    schemas[`${name}List`] = listOf({ $ref: `#/components/schemas/${name}` });
  }
  return schemas;
}

/** Fields that are shown: what was sent, but for what only goes in. */
function shownProperties(kind: Kind, properties: Readonly<Record<string, Json>>): JsonObject {
  if (kind.show === undefined) return properties;
  const shown = kind.show({ kind: kind.name, id: "x", tenant: "default", version: 1, createdMs: 0, updatedMs: 0, body: Object.fromEntries(Object.keys(properties).map((field) => [field, "shown"])) });
  return Object.fromEntries(Object.entries(properties).filter(([field]) => field in shown));
}

function hiddenText(kind: Kind): string {
  const hidden = Object.entries(kind.fields ?? {}).filter(([, { read }]) => read !== undefined);
  if (hidden.length === 0) return "";
  const roles = [...new Set(hidden.flatMap(([, { read }]) => read ?? []))];
  return ` Only ${roles.join(", ")} see ${hidden.map(([field]) => field).join(", ")}.`;
}

/** A schema of zod as JSON Schema 2020-12, which OpenAPI 3.1 takes as it is. */
export function plainSchema(schema: z.ZodType): JsonObject {
  const { $schema: _dialect, ...plain } = z.toJSONSchema(schema, { io: "input", unrepresentable: "any", reused: "inline" }) as unknown as JsonObject;
  return plain;
}

function withoutRequired(schema: JsonObject): JsonObject {
  return Object.fromEntries(Object.entries(schema).filter(([name]) => name !== "required"));
}

function listOf(items: JsonObject): JsonObject {
  return { type: "object", required: ["data", "next"], properties: { data: { type: "array", items }, next: { type: ["string", "null"], description: "`after` of the next page; null: this is the last" } } };
}

function capital(text: string): string {
  return text.slice(0, 1).toUpperCase() + text.slice(1);
}

const ERROR: JsonObject = {
  type: "object",
  required: ["error"],
  properties: {
    error: {
      type: "object",
      required: ["code", "message"],
      properties: {
        code: { type: "string" },
        message: { type: "string" },
        problems: { type: "array", items: { type: "object", required: ["field", "message"], properties: { field: { type: "string" }, message: { type: "string" } } } },
      },
    },
  },
};
const COUNT: JsonObject = { type: "integer" };
const USD: JsonObject = { type: "string", pattern: "^-?\\d+\\.\\d{9}$" };
const USAGE_SUMS: JsonObject = {
  type: "object",
  required: ["requests", "calls", "input_tokens", "output_tokens", "units"],
  properties: {
    requests: { ...COUNT, description: "Requests whose first call is among these" },
    calls: { ...COUNT, description: "Upstream calls" },
    held_calls: { ...COUNT, description: "Not settled yet; their bounds are `held_usd`" },
    unpriced_calls: { ...COUNT, description: "Settled at a cost that is not known, and in no sum" },
    estimated_calls: { ...COUNT, description: "Charged by a bound or an estimate" },
    unmetered_calls: { ...COUNT, description: "Free of charge by nature" },
    input_tokens: COUNT,
    output_tokens: COUNT,
    units: { type: "object", additionalProperties: { type: "number" }, description: "By class: input, cache_read, output, reasoning, images, …" },
    cost_usd: { ...USD, description: "What calls were charged" },
    corrections_usd: { ...USD, description: "What was corrected later, booked to the time of the call" },
    total_usd: USD,
    held_usd: USD,
    usd_per_request: { type: ["string", "null"] },
    usd_per_million_tokens: { type: ["string", "null"] },
  },
};
const USAGE_REPORT: JsonObject = {
  type: "object",
  required: ["from", "to", "time_zone", "by", "data", "total", "groups", "more"],
  properties: {
    from: { type: "string", format: "date-time" },
    to: { type: "string", format: "date-time", description: "Not included" },
    time_zone: { type: "string" },
    by: { type: "array", items: { type: "string" } },
    data: { type: "array", items: { $ref: "#/components/schemas/UsageSums" }, description: "A group each, with a field for each dimension of `by`" },
    total: { $ref: "#/components/schemas/UsageSums" },
    groups: { ...COUNT, description: "How many there are" },
    more: { type: "boolean", description: "There are more than the answer holds" },
  },
};
