/** The routes of every kind: list, create, get, update, delete, and what else can be done with one. */
import { z } from "zod";
import { actOnObject, createObject, deleteObject, findObject, updateObject, type Asked, type Managed, type ManageResult } from "../control/manage.ts";
import { withoutNulls } from "../control/kinds/fields.ts";
import type { Kind, StoredObject } from "../control/types.ts";
import type { Json, JsonObject } from "../wire/json.ts";
import { pageOf, PAGE_PARAMETERS, refuseUnknown } from "./paging.ts";
import { refuseBeyond, refuseFields, visibleFields } from "./rights.ts";
import { AdminProblem, ok, type AdminActor, type AdminAnswer, type AdminCall, type AdminRoute } from "./types.ts";

/** An object that the configuration made: shown beside the others, changed only there. */
export interface ConfiguredObject {
  readonly id: string;
  readonly fields: JsonObject;
}

export interface ObjectSettings {
  readonly managed: Managed;
  /** Those of the configuration, which are the organisation default's, in no order. */
  readonly configured: (kind: string) => readonly ConfiguredObject[];
  /** Why a stored object is of no effect as the configuration is now; absent or undefined: it has its effect. */
  readonly leftOut?: (kind: string, id: string) => string | undefined;
  /** Of a key that is neither made nor changed here. */
  readonly configSource: () => string;
}

/** Routes of all kinds. */
export function objectRoutes(settings: ObjectSettings): readonly AdminRoute[] {
  return [...settings.managed.kinds.values()].flatMap((kind) => routesOf(kind, settings));
}

function routesOf(kind: Kind, settings: ObjectSettings): readonly AdminRoute[] {
  const all = `/admin/v1/${kind.plural}`;
  const title = capital(kind.name);
  const one = { $ref: `#/components/schemas/${title}` };
  const shared = { tag: kind.plural };
  return [
    { ...shared, method: "GET", path: all, name: `list${capital(kind.plural)}`, summary: `List ${kind.plural}, in the order of their ids`, query: PAGE_PARAMETERS, answers: { status: 200, description: "A page", schema: { $ref: `#/components/schemas/${title}List` } }, run: (call) => list(kind, settings, call) },
    { ...shared, method: "POST", path: all, name: `create${title}`, summary: `Make a ${kind.name}`, body: kind.schema, answers: { status: 201, description: "As it was made; `once` holds what is shown now and never again", schema: one }, run: (call) => create(kind, settings, call) },
    { ...shared, method: "GET", path: `${all}/:id`, name: `get${title}`, summary: `One ${kind.name}`, answers: { status: 200, description: "As it stands; its version is the ETag", schema: one }, run: (call) => get(kind, settings, call) },
    { ...shared, method: "PATCH", path: `${all}/:id`, name: `update${title}`, summary: `Change a ${kind.name}: fields that are absent stay, fields that are null go`, body: kind.schema, answers: { status: 200, description: "As it stands now", schema: one }, run: (call) => update(kind, settings, call) },
    { ...shared, method: "DELETE", path: `${all}/:id`, name: `delete${title}`, summary: `Delete a ${kind.name} that nothing else needs`, answers: { status: 204, description: "It is gone" }, run: (call) => remove(kind, settings, call) },
    ...Object.entries(kind.actions ?? {}).map(([action, { description, schema }]): AdminRoute => ({
      ...shared, method: "POST", path: `${all}/:id/${action}`, name: `${camel(action)}${title}`, summary: description, body: schema, answers: { status: 200, description: "As it stands now; `once` holds what is shown now and never again", schema: one }, run: (call) => act(kind, action, settings, call),
    })),
  ];
}

function list(kind: Kind, settings: ObjectSettings, call: AdminCall): AdminAnswer {
  refuseUnknown(call.query, (name) => name === "after" || name === "limit");
  const { after, limit } = pageOf(call.query);
  const { store } = settings.managed;
  // One more than asked tells whether there is more.
  const wanted = limit + 1;
  const stored = kind.name === "organisation" ? organisations(settings, call, after, wanted) : store.list(kind.name, { tenant: call.tenant, limit: wanted, ...(after === null ? {} : { after }) });
  const configured = configuredOf(kind, settings, call).filter(({ id }) => after === null || id > after);
  const shadowed = new Set(configured.map(({ id }) => id));
  const rows = [...configured.map((one) => ({ id: one.id, json: configuredJson(kind, one, call) })), ...stored.filter(({ id }) => !shadowed.has(id)).map((object) => ({ id: object.id, json: storedJson(kind, object, settings, call) }))]
    .toSorted((a, b) => (a.id < b.id ? -1 : a.id > b.id ? 1 : 0));
  const page = rows.slice(0, limit);
  return ok({ data: page.map(({ json }) => json), next: rows.length > limit ? (page.at(-1)?.id ?? null) : null });
}

/** All of them for whoever runs the place; his own for anybody else. */
function organisations(settings: ObjectSettings, call: AdminCall, after: string | null, limit: number): readonly StoredObject[] {
  const { store } = settings.managed;
  if (runsThePlace(call)) return store.list("organisation", { limit, ...(after === null ? {} : { after }) });
  const own = store.get("organisation", call.tenant);
  return own === undefined || (after !== null && own.id <= after) ? [] : [own];
}

function create(kind: Kind, settings: ObjectSettings, call: AdminCall): AdminAnswer {
  const { id, ...sent } = call.body;
  if (id !== undefined && id !== null && typeof id !== "string") throw new AdminProblem(400, "invalid", "id: expected text", [{ field: "id", message: "expected text" }]);
  refuseFields(kind, call.actor.role, sent, undefined);
  refuseBeyond(call.actor, kind, withoutNulls(sent), getOf(settings, call));
  if (typeof id === "string" && configuredOf(kind, settings, call).some((one) => one.id === id)) throw isConfigured(kind, id, settings);
  const made = done(createObject(settings.managed, asked(kind, call), typeof id === "string" ? id : null, sent));
  return answer(kind, made, settings, call, 201);
}

function get(kind: Kind, settings: ObjectSettings, call: AdminCall): AdminAnswer {
  const id = idOf(call);
  const configured = configuredOf(kind, settings, call).find((one) => one.id === id);
  if (configured !== undefined) return ok(configuredJson(kind, configured, call));
  return answer(kind, { object: found(kind, settings, call), once: null }, settings, call, 200);
}

function update(kind: Kind, settings: ObjectSettings, call: AdminCall): AdminAnswer {
  const before = changeable(kind, settings, call);
  refuseFields(kind, call.actor.role, call.body, before);
  refuseBeyond(call.actor, kind, withoutNulls({ ...before.body, ...call.body }), getOf(settings, call));
  const ifVersion = versionOf(call, before);
  return answer(kind, done(updateObject(settings.managed, asked(kind, call), before.id, call.body, ifVersion)), settings, call, 200);
}

function remove(kind: Kind, settings: ObjectSettings, call: AdminCall): AdminAnswer {
  const before = changeable(kind, settings, call);
  done(deleteObject(settings.managed, asked(kind, call), before.id, versionOf(call, before)));
  return { kind: "text", status: 204, type: "", parts: [] };
}

function act(kind: Kind, action: string, settings: ObjectSettings, call: AdminCall): AdminAnswer {
  const before = changeable(kind, settings, call);
  versionOf(call, before);
  return answer(kind, done(actOnObject(settings.managed, asked(kind, call), before.id, action, call.body)), settings, call, 200);
}

/** An object that is there, is the store's, and that the actor may change as it stands. */
function changeable(kind: Kind, settings: ObjectSettings, call: AdminCall): StoredObject {
  const id = idOf(call);
  if (configuredOf(kind, settings, call).some((one) => one.id === id)) throw isConfigured(kind, id, settings);
  const object = found(kind, settings, call);
  refuseBeyond(call.actor, kind, object.body, getOf(settings, call));
  return object;
}

function found(kind: Kind, settings: ObjectSettings, call: AdminCall): StoredObject {
  const id = idOf(call);
  const object = findObject(settings.managed, asked(kind, call), id);
  const hidden = kind.name === "organisation" && id !== call.tenant && !runsThePlace(call);
  if (object === undefined || hidden) throw new AdminProblem(404, "not_found", `There is no ${kind.name} ${id}.`);
  return object;
}

/** The organisation `default` runs the place, by its owners. */
function runsThePlace({ actor, tenant }: AdminCall): boolean {
  return tenant === "default" && actor.tenant === "default" && actor.role === "owner";
}

function asked(kind: Kind, { actor, tenant }: AdminCall): Asked {
  return { kind: kind.name, tenant, actor };
}

function idOf(call: AdminCall): string {
  return call.params["id"] ?? "";
}

function getOf({ managed }: ObjectSettings, { tenant }: AdminCall): (kind: string, id: string) => StoredObject | undefined {
  return (kind, id) => {
    const object = managed.store.get(kind, id);
    return object?.tenant === tenant ? object : undefined;
  };
}

function configuredOf(kind: Kind, settings: ObjectSettings, call: AdminCall): readonly ConfiguredObject[] {
  return call.tenant === "default" ? settings.configured(kind.name) : [];
}

function isConfigured(kind: Kind, id: string, settings: ObjectSettings): AdminProblem {
  return new AdminProblem(409, "configured", `The configuration (${settings.configSource()}) makes the ${kind.name} ${id}: change it there and reload; this API changes only what it made.`);
}

/** The version that a change is for: of `If-Match`, else whichever there is. */
function versionOf({ ifMatch }: AdminCall, before: StoredObject): number | undefined {
  if (ifMatch === undefined || ifMatch.trim() === "*") return undefined;
  const version = /^(?:W\/)?"(\d{1,15})"$/.exec(ifMatch.trim())?.[1];
  if (version === undefined || Number(version) !== before.version) {
    throw new AdminProblem(412, "version_mismatch", `${before.kind} ${before.id} is at version ${before.version}, not ${ifMatch}: it was changed meanwhile. Read it again.`);
  }
  return before.version;
}

const STATUS = { not_found: 404, conflict: 409, invalid: 400, unwritable: 503 } as const;

function done(result: ManageResult): { readonly object: StoredObject; readonly once: JsonObject | null } {
  if (result.kind === "refused") throw new AdminProblem(STATUS[result.code], result.code, result.message, result.problems);
  return result;
}

function answer(kind: Kind, { object, once }: { readonly object: StoredObject; readonly once: JsonObject | null }, settings: ObjectSettings, call: AdminCall, status: number): AdminAnswer {
  const headers = { etag: `"${object.version}"`, ...(status === 201 ? { location: `/admin/v1/${kind.plural}/${object.id}` } : {}) };
  return { kind: "json", status, headers, body: { ...storedJson(kind, object, settings, call), ...(once === null ? {} : { once }) } };
}

/** An object as this actor sees it. */
export function objectJson(kind: Kind, object: StoredObject, { actor }: { readonly actor: Pick<AdminActor, "role"> }): JsonObject {
  return {
    id: object.id,
    object: kind.name,
    organisation: object.tenant,
    source: "api",
    version: object.version,
    created_at: new Date(object.createdMs).toISOString(),
    updated_at: new Date(object.updatedMs).toISOString(),
    ...visibleFields(kind, kind.show?.(object) ?? object.body, actor.role),
  };
}

function storedJson(kind: Kind, object: StoredObject, { leftOut }: ObjectSettings, call: AdminCall): JsonObject {
  const because = leftOut?.(kind.name, object.id);
  return { ...objectJson(kind, object, call), ...(because === undefined ? {} : { left_out: because }) };
}

function configuredJson(kind: Kind, { id, fields }: ConfiguredObject, { actor, tenant }: AdminCall): JsonObject {
  return { id, object: kind.name, organisation: tenant, source: "config", version: null, created_at: null, updated_at: null, ...visibleFields(kind, fields, actor.role) };
}

function capital(text: string): string {
  return text.slice(0, 1).toUpperCase() + text.slice(1);
}

function camel(text: string): string {
  return text.replace(/-(\w)/g, (_, letter: string) => letter.toUpperCase());
}

/** The field of an object that is stored and of no effect. */
export const LEFT_OUT_FIELD: JsonObject = { type: "string", description: "Only there while it is of no effect: why" };

/** The fields that every object has beside those of its kind. */
export const COMMON_FIELDS: Readonly<Record<string, Json>> = z.toJSONSchema(
  z.object({
    id: z.string(),
    object: z.string().describe("Its kind"),
    organisation: z.string().describe("Whose it is"),
    source: z.enum(["api", "config"]).describe("config: made by the configuration, and changed only there"),
    version: z.int().nullable().describe("1, 2, 3 …, one more with every change; null for those of the configuration"),
    created_at: z.iso.datetime().nullable(),
    updated_at: z.iso.datetime().nullable(),
  }),
).properties as unknown as Readonly<Record<string, Json>>;
