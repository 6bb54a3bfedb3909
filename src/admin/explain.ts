/**
 * The routes of explanations: why a request went where it went, by its record, and where one would go now, which sends nothing. A key
 * sees its own requests, and of what is not for it nothing.
 */
import { z } from "zod";
import type { Queries } from "../control/reports.ts";
import type { Role } from "../control/types.ts";
import type { Caller } from "../ports.ts";
import { isObject, type Json, type JsonObject } from "../wire/json.ts";
import { SEES_TERMS } from "./access.ts";
import { refuseUnknown } from "./paging.ts";
import { within, withoutPriceFields } from "./reports.ts";
import { AdminProblem, ok, type AdminActor, type AdminAnswer, type AdminCall, type AdminRoute } from "./types.ts";

/** Chat surfaces whose bodies are asked about here. */
export const DRY_SURFACES = ["chat", "completions", "responses", "messages"] as const;

export interface ExplainSettings {
  readonly queries: Queries;
  /** Weighs a request for a caller. Absent: none is weighed here. */
  readonly dryRun?: (caller: Caller, request: JsonObject, surface: (typeof DRY_SURFACES)[number] | null) => Promise<JsonObject>;
}

const ASKED = z.strictObject({
  request: z.record(z.string(), z.unknown()).describe("The body that would be sent"),
  surface: z.enum(DRY_SURFACES).describe("The endpoint that it would be sent to; by its fields where absent").optional(),
});
const SCHEMA: JsonObject = {
  type: "object",
  properties: {
    route: { type: ["string", "null"] }, decision: { type: ["object", "null"], description: "Candidates in order, what was left out and why, the plan" },
    estimates: { type: "array", items: { type: "object" }, description: "What is believed of each candidate now, and how many calls stand behind it" }, error: { type: "object" },
  },
};
/** Why a deployment is left out that a caller is not told of. */
const UNTOLD: ReadonlySet<string> = new Set(["model_not_allowed", "residency"]);
/** What of a record explains it. */
const SHOWN = ["request_id", "at", "model", "route", "deployment", "attempts", "ttft_ms", "total_ms", "outcome", "error_code", "flags", "warnings"];

/** The routes of explanations. */
export function explainRoutes(settings: ExplainSettings): readonly AdminRoute[] {
  const shared = { tag: "requests", answers: { status: 200, description: "The explanation", schema: SCHEMA } } as const;
  return [
    { ...shared, method: "GET", path: "/admin/v1/requests/:id/explanation", name: "explainRequest", summary: "Why a request went where it went", run: (call) => explain(settings, call) },
    { ...shared, method: "POST", path: "/admin/v1/explain", name: "explainDryRun", summary: "Where a request would go now; nothing is sent", body: ASKED, run: (call) => dryRun(settings, call) },
  ];
}

async function explain({ queries }: ExplainSettings, { params, tenant, actor, query }: AdminCall): Promise<AdminAnswer> {
  refuseUnknown(query, () => false);
  const id = params["id"] ?? "";
  const found = await within(queries.request(tenant, id));
  if (found === null || (actor.caller !== null && found["key"] !== actor.caller.key)) throw new AdminProblem(404, "not_found", `There is no request ${id}.`);
  return ok(visible({ ...Object.fromEntries(SHOWN.map((name) => [name, found[name] ?? null])), decision: found["decision"] ?? null }, actor));
}

async function dryRun({ dryRun: weigh }: ExplainSettings, { actor, tenant, body, query }: AdminCall): Promise<AdminAnswer> {
  refuseUnknown(query, () => false);
  const asked = ASKED.safeParse(body);
  if (!asked.success) throw new AdminProblem(400, "invalid", "Send { request: {…} }, and surface where it cannot be told.", asked.error.issues.map(({ path, message }) => ({ field: path.join("."), message })));
  if (weigh === undefined) throw new AdminProblem(503, "unavailable", "Nothing is served here.");
  const caller = actor.caller ?? { tenant, key: "dry-run", scopes: [`tenant/${tenant}`, "key/dry-run"] };
  return ok(visible(await weigh(caller, asked.data.request as JsonObject, asked.data.surface ?? null), actor));
}

function visible(told: JsonObject, { caller, role }: AdminActor): JsonObject {
  if (caller === null) return SEES_TERMS.includes(role as Role) ? told : (withoutPriceFields(told) as JsonObject);
  if (caller.policy?.expose === "none") throw new AdminProblem(403, "forbidden", "This key is not told where its requests went.");
  return withoutPriceFields({ ...told, decision: withoutUntold(told["decision"] ?? null) }) as JsonObject;
}

function withoutUntold(decision: Json): Json {
  if (!isObject(decision) || !Array.isArray(decision["filtered"])) return decision;
  const filtered = decision["filtered"] as readonly Json[];
  return { ...decision, filtered: filtered.filter((one) => !isObject(one) || typeof one["reason"] !== "string" || !UNTOLD.has(one["reason"])) };
}
