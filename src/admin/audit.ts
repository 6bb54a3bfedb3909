/** The routes of the audit log: who changed what, and whether the log is as it was written. */
import type { ControlStore, Kind } from "../control/types.ts";
import type { Queries } from "../control/reports.ts";
import { isObject, type Json, type JsonObject } from "../wire/json.ts";
import { invalidQuery, pageOf, PAGE_PARAMETERS, refuseUnknown } from "./paging.ts";
import { within } from "./reports.ts";
import { maySee } from "./rights.ts";
import { ok, type AdminAnswer, type AdminCall, type AdminRoute } from "./types.ts";

export interface AuditSettings {
  readonly store: Pick<ControlStore, "audit">;
  readonly kinds: ReadonlyMap<string, Kind>;
  readonly queries: Pick<Queries, "verifyAudit">;
}

/** Routes of the log. */
export function auditRoutes(settings: AuditSettings): readonly AdminRoute[] {
  const shared = { method: "GET", tag: "audit" } as const;
  return [
    { ...shared, path: "/admin/v1/audit", name: "listAudit", summary: "Who changed what, the oldest first; secrets are left out", query: PAGE_PARAMETERS, answers: { status: 200, description: "A page", schema: { $ref: "#/components/schemas/List" } }, run: (call) => list(settings, call) },
    { ...shared, path: "/admin/v1/audit/verify", name: "verifyAudit", summary: "Is every line of the log as it was written, and none missing?", answers: { status: 200, description: "Whether it is; else the first line that is not", schema: { type: "object", required: ["valid"], properties: { valid: { type: "boolean" }, sequence: { type: "integer" }, problem: { type: "string" } } } }, run: () => verify(settings) },
  ];
}

function list({ store, kinds }: AuditSettings, { query, tenant, actor }: AdminCall): AdminAnswer {
  refuseUnknown(query, (name) => name === "after" || name === "limit");
  const { after, limit } = pageOf(query);
  if (after !== null && !/^\d{1,15}$/.test(after)) throw invalidQuery("after", "expected `next` of the page before");
  const lines = store.audit({ after: after === null ? 0 : Number(after), limit: limit + 1, tenant });
  const page = lines.slice(0, limit);
  const data = page.map(({ sequence, atMs, actor: by, action, kind, id, detail, hash }) => ({ sequence, at: new Date(atMs).toISOString(), actor: by, action, kind, id, detail: seen(kinds.get(kind), detail, actor.role), hash }));
  return ok({ data, next: lines.length > limit ? String(page.at(-1)?.sequence ?? 0) : null });
}

/** Fields that a role does not see are named without their values. */
function seen(kind: Kind | undefined, detail: Json, role: AdminCall["actor"]["role"]): Json {
  if (kind === undefined || !isObject(detail)) return detail;
  return Object.fromEntries(Object.entries(detail).map(([field, value]) => [field, maySee(kind, field, role) ? value : "changed"])) as JsonObject;
}

async function verify({ queries }: AuditSettings): Promise<AdminAnswer> {
  const problem = await within(queries.verifyAudit());
  return ok(problem === null ? { valid: true } : { valid: false, sequence: problem.sequence, problem: problem.problem });
}
