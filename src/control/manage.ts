/**
 * How objects are made, changed and deleted: fields checked by their kind, references within the organisation, secrets
 * sealed, then one step of the store. The admin API and the commands both come through here.
 */
import { OWN_CALL_NAMES } from "../decide/own-calls.ts";
import type { JsonObject } from "../wire/json.ts";
import { readBody, schemaProblems, withoutNulls, type Reads } from "./kinds/fields.ts";
import { newId } from "./seal.ts";
import type { Actor, ApplyResult, ControlStore, FieldProblem, Kind, Sealed, StoredObject } from "./types.ts";

export interface Managed {
  readonly store: ControlStore;
  readonly kinds: ReadonlyMap<string, Kind>;
  readonly nowMs: () => number;
  /** What the configuration names: `key/app`, `route/support`, `provider/openai`. Absent: not known here, and not checked. */
  readonly configured?: (scope: string) => boolean;
}

export type Refusal = Extract<ApplyResult, { kind: "refused" }>;
/** `once`: to be shown now and never again. */
export type ManageResult = { readonly kind: "done"; readonly object: StoredObject; readonly once: JsonObject | null } | Refusal;

export interface Asked {
  readonly kind: string;
  readonly tenant: string;
  readonly actor: Actor;
}

const OWN_ID = /^[a-z0-9][a-z0-9_-]{0,62}$/;

/** Make one. Without an id it gets one; ids of other organisations than `default` begin with the organisation's. */
export function createObject(managed: Managed, asked: Asked, id: string | null, sent: JsonObject): ManageResult {
  const kind = managed.kinds.get(asked.kind);
  if (kind === undefined) return refused("not_found", `There is no kind ${asked.kind}.`);
  if (asked.kind === "organisation" && asked.tenant !== "default") return refused("conflict", "Organisations are made by the one that runs the place.");
  const own = ownPart(asked, id ?? newId());
  const wrongId = OWN_ID.test(own) ? [] : [{ field: "id", message: "expected 1 to 63 lower-case letters, digits, _ or -, beginning with a letter or digit" }];
  const full = fullId(asked, own);
  if (asked.kind === "key" && OWN_CALL_NAMES.has(full)) return refused("conflict", `Calls that the gateway makes for itself are recorded as ${full}; name the key otherwise.`);
  if (asked.kind === "key" && managed.configured?.(`key/${full}`) === true) return refused("conflict", `The configuration has a key ${full} already.`);
  // An organisation is its own.
  const tenant = asked.kind === "organisation" ? full : asked.tenant;
  return put(managed, kind, { ...asked, tenant }, full, withoutNulls(sent), undefined, 0, wrongId);
}

/** Change one: fields that are absent stay, fields that are null go. */
export function updateObject(managed: Managed, asked: Asked, id: string, patch: JsonObject, ifVersion?: number): ManageResult {
  const kind = managed.kinds.get(asked.kind);
  const before = findObject(managed, asked, id);
  if (kind === undefined || before === undefined) return notThere(asked, id);
  const sent = withoutNulls({ ...editable(kind, before), ...patch });
  return put(managed, kind, { ...asked, tenant: before.tenant }, id, sent, before, ifVersion ?? before.version);
}

/** Delete one that no other object needs. */
export function deleteObject(managed: Managed, asked: Asked, id: string, ifVersion?: number): ManageResult {
  const before = findObject(managed, asked, id);
  if (before === undefined) return notThere(asked, id);
  if (asked.kind === "organisation" && id === "default") return refused("conflict", "The organisation default is there always.");
  const user = neededBy(managed, before);
  if (user !== null) return refused("conflict", `${asked.kind} ${id} is in use: ${user}. Change or delete that first.`);
  const result = managed.store.apply([{ op: "delete", kind: asked.kind, id, ...(ifVersion === undefined ? {} : { ifVersion }) }], asked.actor, "delete");
  return result.kind === "refused" ? result : { kind: "done", object: before, once: null };
}

/** Do one of a kind's other actions. */
export function actOnObject(managed: Managed, asked: Asked, id: string, action: string, sent: JsonObject): ManageResult {
  const run = managed.kinds.get(asked.kind)?.actions?.[action];
  const before = findObject(managed, asked, id);
  if (run === undefined) return refused("not_found", `A ${asked.kind} has no action ${action}.`);
  if (before === undefined) return notThere(asked, id);
  const parsed = run.schema.safeParse(sent);
  if (!parsed.success) return invalid(schemaProblems(parsed.error));
  return written(managed, { ...asked, tenant: before.tenant }, id, run.run(before, withoutNulls(parsed.data), managed.nowMs()), before.version, action);
}

/** The object, if it is the asking organisation's. Organisations themselves are minded by `default`, which runs the place. */
export function findObject(managed: Pick<Managed, "store">, asked: Pick<Asked, "kind" | "tenant">, id: string): StoredObject | undefined {
  const found = managed.store.get(asked.kind, id);
  if (found === undefined) return undefined;
  return found.tenant === asked.tenant || (asked.kind === "organisation" && asked.tenant === "default") ? found : undefined;
}

/** What a check sees: objects of one organisation, and what the configuration names. */
export function tenantView(managed: Pick<Managed, "store" | "configured">, tenant: string): Reads {
  const { store, configured } = managed;
  return {
    get: (kind, id) => {
      // Keys of the configuration are those of the organisation default: no other is told which there are.
      if (kind === "configured") return configured !== undefined && (id === "*" || ((tenant === "default" || !id.startsWith("key/")) && configured(id))) ? CONFIGURED : undefined;
      const found = store.get(kind, id);
      return found?.tenant === tenant ? found : undefined;
    },
    all: function* (kind) {
      for (const object of store.all(kind)) if (object.tenant === tenant) yield object;
    },
  };
}
const CONFIGURED: StoredObject = { kind: "configured", id: "", tenant: "", version: 1, createdMs: 0, updatedMs: 0, body: {} };

function put(managed: Managed, kind: Kind, asked: Asked, id: string, sent: JsonObject, before: StoredObject | undefined, ifVersion: number, wrongId: readonly FieldProblem[] = []): ManageResult {
  const { body, problems } = readBody(kind, sent, id, tenantView(managed, asked.tenant));
  if (body === null || problems.length + wrongId.length > 0) return invalid([...wrongId, ...problems]);
  const sealed = kind.seal?.(body, before, { id, tenant: asked.tenant, nowMs: managed.nowMs() }) ?? { body };
  return written(managed, asked, id, sealed, ifVersion, before === undefined ? "create" : "update");
}

function written(managed: Managed, asked: Asked, id: string, sealed: Sealed, ifVersion: number, action: string): ManageResult {
  const result = managed.store.apply([{ op: "put", kind: asked.kind, id, tenant: asked.tenant, body: sealed.body, ifVersion }], asked.actor, action);
  if (result.kind === "refused") return result;
  const [object] = result.objects;
  return object === undefined ? refused("conflict", `${asked.kind} ${id} was changed meanwhile.`) : { kind: "done", object, once: sealed.once ?? null };
}

/** The fields of a stored one that a client may send. */
function editable(kind: Kind, before: StoredObject): JsonObject {
  return Object.fromEntries(Object.entries(before.body).filter(([field]) => kind.made?.includes(field) !== true));
}

/** The first object that cannot be without this one, by kind and id. */
function neededBy(managed: Managed, object: StoredObject): string | null {
  for (const kind of managed.kinds.values()) {
    for (const other of managed.store.all(kind.name)) {
      const needs = object.kind === "organisation" ? other.tenant === object.id && other !== object : kind.needs?.(other.body).some((one) => one.kind === object.kind && one.id === object.id) === true;
      if (needs) return `${kind.name} ${other.id}`;
    }
  }
  return null;
}

/** Ids are unique over all organisations; those of others begin with the organisation's name, so none can take another's. */
function fullId(asked: Asked, own: string): string {
  return asked.tenant === "default" || asked.kind === "organisation" ? own : `${asked.tenant}.${own}`;
}

function ownPart(asked: Asked, id: string): string {
  const prefix = `${asked.tenant}.`;
  return asked.tenant !== "default" && asked.kind !== "organisation" && id.startsWith(prefix) ? id.slice(prefix.length) : id;
}

function notThere(asked: Asked, id: string): Refusal {
  return refused("not_found", `There is no ${asked.kind} ${id}.`);
}

function invalid(problems: readonly FieldProblem[]): Refusal {
  return { kind: "refused", code: "invalid", message: problems.map(({ field, message }) => (field === "" ? message : `${field}: ${message}`)).join("; "), problems };
}

function refused(code: Refusal["code"], message: string): Refusal {
  return { kind: "refused", code, message, problems: [] };
}
