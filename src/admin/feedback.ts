/** The route of feedback: what callers thought of their answers. A key sees what it gave itself. */
import type { FeedbackGiven } from "../ports.ts";
import type { JsonObject } from "../wire/json.ts";
import { invalidQuery, pageOf, PAGE_PARAMETERS, refuseUnknown } from "./paging.ts";
import { ok, type AdminAnswer, type AdminCall, type AdminRoute } from "./types.ts";

export interface FeedbackSettings {
  /** The newest first; `before`: older than this place. Absent: there is none. */
  readonly feedback?: (query: { readonly tenant: string; readonly key?: string | undefined; readonly requestId?: string | undefined; readonly before?: number | undefined; readonly limit: number }) => readonly (FeedbackGiven & { readonly position: number })[];
}

const TEXT = { type: ["string", "null"] } as const;
const ENTRY: JsonObject = {
  type: "object",
  required: ["request_id", "at", "key", "score", "comment", "route", "deployment"],
  properties: { request_id: { type: "string" }, at: { type: "string", format: "date-time" }, key: { type: "string" }, score: { type: "number", description: "0 to 1, or -1" }, comment: TEXT, route: TEXT, deployment: TEXT },
};

/** The route of feedback. */
export function feedbackRoute(settings: FeedbackSettings): AdminRoute {
  return {
    method: "GET", path: "/admin/v1/feedback", name: "listFeedback", tag: "requests", summary: "What callers said of their answers, the newest first",
    query: [...PAGE_PARAMETERS, { name: "request", description: "Only of this request" }, { name: "key", description: "Only by this key" }],
    answers: { status: 200, description: "A page", schema: { type: "object", required: ["data", "next"], properties: { data: { type: "array", items: ENTRY }, next: TEXT } } },
    run: (call) => list(settings, call),
  };
}

function list({ feedback }: FeedbackSettings, { query, tenant, actor }: AdminCall): AdminAnswer {
  refuseUnknown(query, (name) => ["after", "limit", "request", "key"].includes(name));
  const { after, limit } = pageOf(query);
  if (after !== null && !/^\d{1,15}$/.test(after)) throw invalidQuery("after", "expected `next` of the page before");
  const own = actor.caller;
  const key = query.get("key") ?? undefined;
  if (own !== null && key !== undefined && key !== own.key) return ok({ data: [], next: null });
  const rows = feedback?.({ tenant, key: own?.key ?? key, requestId: query.get("request") ?? undefined, before: after === null ? undefined : Number(after), limit }) ?? [];
  const isTold = own === null || (own.policy?.expose ?? "id+cost") !== "none";
  const data = rows.map((row): JsonObject => ({
    request_id: row.requestId, at: new Date(row.atMs).toISOString(), key: row.key, score: row.score, comment: row.comment, route: row.route, deployment: isTold ? row.deployment : null,
  }));
  const last = rows.at(-1);
  return ok({ data, next: rows.length === limit && last !== undefined ? String(last.position) : null });
}
