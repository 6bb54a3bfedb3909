/**
 * What a role may not do though its route is open to it: touch fields that others mind, make a key that reaches further
 * than its maker does, or raise itself through somebody greater.
 */
import { canonicalJson } from "../control/canonical.ts";
import type { Kind, Role, StoredObject } from "../control/types.ts";
import { asString, type JsonObject } from "../wire/json.ts";
import { AdminProblem, type AdminActor } from "./types.ts";

/** Fields of an object that this role sees. */
export function visibleFields(kind: Kind, fields: JsonObject, role: AdminActor["role"]): JsonObject {
  if (kind.fields === undefined) return fields;
  return Object.fromEntries(Object.entries(fields).filter(([field]) => maySee(kind, field, role)));
}

/** Does this role see this field? */
export function maySee(kind: Kind, field: string, role: AdminActor["role"]): boolean {
  const readers = kind.fields?.[field]?.read;
  return readers === undefined || readers.includes(role as Role);
}

/** Throws where a role sets a field that is not its own to set; what it leaves as it is it does not set. */
export function refuseFields(kind: Kind, role: AdminActor["role"], sent: JsonObject, before: StoredObject | undefined): void {
  const problems = Object.keys(sent).flatMap((field) => {
    const writers = kind.fields?.[field]?.write;
    if (writers === undefined || writers.includes(role as Role)) return [];
    if (before !== undefined && maySee(kind, field, role) && canonicalJson(before.body[field]) === canonicalJson(sent[field])) return [];
    return [{ field, message: `only ${writers.join(", ")} may set this` }];
  });
  if (problems.length > 0) throw new AdminProblem(403, "forbidden_field", problems.map(({ field, message }) => `${field}: ${message}`).join("; "), problems);
}

type Get = (kind: string, id: string) => StoredObject | undefined;

/** Throws where this object is beyond the actor's rights, as it stands or as it would stand. */
export function refuseBeyond(actor: AdminActor, kind: Kind, body: JsonObject, get: Get): void {
  if (kind.name === "member" && body["role"] === "owner" && actor.role !== "owner") {
    throw new AdminProblem(403, "forbidden", "Only an owner may change an owner, or hold a token of one.");
  }
  if (kind.name !== "key" || actor.role !== "developer") return;
  const project = asString(body["project"]);
  const team = project === undefined ? asString(body["team"]) : asString(get("project", project)?.body["team"]);
  if (team === undefined || !actor.teams.includes(team)) {
    const field = project === undefined ? "team" : "project";
    throw new AdminProblem(403, "forbidden", "A developer makes and changes keys of his own teams only.", [{ field, message: team === undefined ? "name one of your own teams, or a project of one" : `you are not in team ${team}` }]);
  }
  const member = asString(body["member"]);
  if (member !== undefined && member !== actor.member) {
    throw new AdminProblem(403, "forbidden", "A developer makes and changes keys of his own only.", [{ field: "member", message: "this is somebody else" }]);
  }
}
