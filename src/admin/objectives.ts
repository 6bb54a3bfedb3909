/** The route of objectives: what is promised, how it is kept, how fast error budgets go, and what routes do about it. */
import type { Watched } from "../decide/objective/book.ts";
import type { BudgetEffects } from "../decide/objective/policy.ts";
import type { JsonObject } from "../wire/json.ts";
import { SEES_TERMS } from "./access.ts";
import { refuseUnknown } from "./paging.ts";
import { ok, type AdminAnswer, type AdminCall, type AdminRoute } from "./types.ts";

export interface ObjectiveSettings {
  readonly objectives: {
    readonly watched: () => readonly Watched[];
    readonly effectsOf: (route: string) => BudgetEffects;
  };
}

const NUMBER = { type: "number" } as const;
const ENTRY: JsonObject = {
  type: "object",
  required: ["owner", "objective", "kind", "target", "valid", "bad", "attained", "budget_left", "burn", "alerts", "in_force"],
  properties: {
    owner: { type: "string", description: "route/<name>, scope/<id> or contract/<id>" }, scopes: { type: "array", items: { type: "string" } }, objective: { type: "string" },
    kind: { enum: ["availability", "error_rate", "latency", "first_token", "output_rate", "throughput"] }, target: { ...NUMBER, description: "Share of valid requests that has to be good" }, window: { type: "object" },
    within: { type: "array", items: { type: "object" } }, at_least: { type: ["number", "null"] }, unit: { type: ["string", "null"] }, valid: NUMBER, bad: NUMBER, attained: NUMBER,
    budget_left: { ...NUMBER, description: "Share of the error budget; below 0 it is overspent" }, since: { type: "string", format: "date-time" }, burn: { type: "object", description: "By span: how many times faster than evenly the error budget goes" },
    alerts: { type: "array", items: { type: "object" } }, in_force: { type: "array", items: { type: "string" }, description: "What the error budget has the route do" },
  },
};

/** The route of objectives. */
export function objectiveRoute(settings: ObjectiveSettings): AdminRoute {
  return {
    method: "GET", path: "/admin/v1/objectives", name: "listObjectives", tag: "objectives", summary: "What is promised, how it is kept, and what is left of each error budget",
    answers: { status: 200, description: "All objectives that concern the organisation", schema: { type: "object", required: ["data"], properties: { data: { type: "array", items: ENTRY } } } },
    run: (call) => list(settings, call),
  };
}

function list({ objectives }: ObjectiveSettings, { tenant, actor, query }: AdminCall): AdminAnswer {
  refuseUnknown(query, () => false);
  const seesTerms = SEES_TERMS.some((role) => role === actor.role);
  const visible = objectives.watched().filter(({ owner }) => {
    // Routes and contracts are the installation's; of scopes each organisation sees its own.
    if (tenant !== "default") return owner.kind === "scope" && owner.scopes.includes(`tenant/${tenant}`);
    return owner.kind !== "contract" || seesTerms;
  });
  return ok({ data: visible.map((one) => watchedJson(one, objectives.effectsOf)) });
}

/** How an objective stands, for listings. */
export function watchedJson({ owner, objective, standing, burn, alerts }: Watched, effectsOf: (route: string) => BudgetEffects): JsonObject {
  const { name, kind, target, window, within, atLeast, unit } = objective;
  return {
    owner: `${owner.kind}/${owner.id}`, scopes: owner.scopes, objective: name, kind, target,
    window: window.kind === "month" ? { month: true, zone: window.zone } : { hours: window.lengthMs / 3_600_000 },
    within: within.map(({ upToInputTokens, withinMs }) => ({ up_to_input_tokens: upToInputTokens, within_ms: withinMs })), at_least: atLeast, unit,
    valid: Math.round(standing.valid), bad: Math.round(standing.bad), attained: rounded(standing.attained), budget_left: rounded(standing.left), since: new Date(standing.sinceMs).toISOString(),
    burn: Object.fromEntries(Object.entries(burn).map(([span, value]) => [span, rounded(value)])),
    alerts: alerts.map(({ rule, state, sinceMs }) => ({ rule: rule.id, state, since: state === "quiet" ? null : new Date(sinceMs).toISOString() })),
    in_force: owner.kind === "route" ? actsOf(effectsOf(owner.id)) : [],
  };
}

function actsOf({ freezeCanaries, freezeCascades, reliabilityFirst, refuseLow }: BudgetEffects): readonly string[] {
  const acts = [["freeze_canaries", freezeCanaries], ["freeze_cascades", freezeCascades], ["reliability_first", reliabilityFirst], ["refuse_low", refuseLow]] as const;
  return acts.flatMap(([act, inForce]) => (inForce ? [act] : []));
}

function rounded(value: number): number {
  return Math.round(value * 1e6) / 1e6;
}
