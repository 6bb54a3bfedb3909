/** Changes of managed objects that a command asks through the control socket: whoever may open it may make them. */
import { objectJson } from "../admin/objects.ts";
import { actOnObject, createObject, deleteObject, updateObject, type Asked, type Managed, type ManageResult } from "../control/manage.ts";
import { asString, isObject, type Json, type JsonObject } from "../wire/json.ts";
import { LOCAL_ACTOR } from "./control.ts";

/** What a command asks, as one line of JSON. */
export interface ManageOrder {
  /** `create`, `update`, `delete`, or an action of the kind. */
  readonly verb: string;
  readonly kind: string;
  readonly organisation: string;
  /** null: one is made. */
  readonly id: string | null;
  readonly body: JsonObject;
}

/** Does it. The answer is JSON: `object` and `once`, or `refused`. */
export function runManage(managed: Managed, text: string): JsonObject {
  const order = JSON.parse(text) as Json;
  if (!isObject(order)) return { refused: { code: "invalid", message: "an order is expected", problems: [] } };
  const asked: Asked = { kind: asString(order["kind"]) ?? "", tenant: asString(order["organisation"]) ?? "default", actor: LOCAL_ACTOR };
  if (managed.store.get("organisation", asked.tenant) === undefined) return { refused: { code: "not_found", message: `There is no organisation ${asked.tenant}.`, problems: [] } };
  const result = run(managed, asked, asString(order["verb"]) ?? "", asString(order["id"]) ?? null, isObject(order["body"]) ? order["body"] : {});
  if (result.kind === "refused") return { refused: { code: result.code, message: result.message, problems: result.problems.map(({ field, message }) => ({ field, message })) } };
  const kind = managed.kinds.get(asked.kind);
  return { object: kind === undefined ? {} : objectJson(kind, result.object, { actor: LOCAL_ACTOR }), once: result.once };
}

function run(managed: Managed, asked: Asked, verb: string, id: string | null, body: JsonObject): ManageResult {
  if (verb === "create") return createObject(managed, asked, id, body);
  if (id === null) return { kind: "refused", code: "invalid", message: "Which one? Give its id.", problems: [] };
  if (verb === "update") return updateObject(managed, asked, id, body);
  if (verb === "delete") return deleteObject(managed, asked, id);
  return actOnObject(managed, asked, id, verb, body);
}
