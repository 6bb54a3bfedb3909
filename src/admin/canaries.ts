/** The route of candidates on trial: how canaries stand beside what their routes have, and what mirrors did. */
import type { Json, JsonObject } from "../wire/json.ts";
import { SEES_TERMS } from "./access.ts";
import { refuseUnknown } from "./paging.ts";
import { ok, type AdminAnswer, type AdminCall, type AdminRoute } from "./types.ts";

/** As `spillway canary --json` tells them. */
export interface Trials {
  readonly canaries: readonly JsonObject[];
  readonly mirrors: readonly JsonObject[];
}
export interface CanarySettings {
  readonly trials: () => Trials;
}

const NUMBER = { type: "number" } as const;
const TEXT = { type: "string" } as const;
const MONEY_OR_NULL = { type: ["string", "null"], description: "Dollars; null where there is nothing to tell, or for who is not told what contracts cost" } as const;
const ARM: JsonObject = {
  type: "object",
  properties: { requests: NUMBER, cost_per_request_usd: MONEY_OR_NULL, scores: { ...NUMBER, description: "Answers that somebody gave a score" }, mean_score: { type: ["number", "null"] } },
};
const CANARY: JsonObject = {
  type: "object",
  required: ["route", "use", "share", "min_requests", "rollback", "state", "since", "canary", "rest", "cost_ratio", "objectives", "rolled_back"],
  properties: {
    route: TEXT, use: { ...TEXT, description: "The candidate, as account/model" }, share: { ...NUMBER, description: "Of the route's requests" }, min_requests: NUMBER,
    rollback: { type: "object", description: "When it is taken out of the traffic" }, state: { enum: ["collecting", "ready", "frozen", "rolled_back"] }, since: { type: "string", format: "date-time" },
    canary: ARM, rest: ARM, cost_ratio: { type: ["number", "null"], description: "What its requests cost, by what the others do" },
    objectives: { type: "array", items: { type: "object" }, description: "By objective and span: valid and bad calls and the burn of both" },
    rolled_back: { type: ["object", "null"], description: "When and why" },
  },
};
const MIRROR: JsonObject = {
  type: "object",
  required: ["route", "use", "share", "calls", "failed", "spent_today_usd", "max_usd_per_day"],
  properties: { route: TEXT, use: TEXT, share: NUMBER, calls: NUMBER, failed: NUMBER, spent_today_usd: MONEY_OR_NULL, max_usd_per_day: TEXT },
};

/** The route of canaries and mirrors. */
export function canaryRoute(settings: CanarySettings): AdminRoute {
  return {
    method: "GET", path: "/admin/v1/canaries", name: "listCanaries", tag: "objectives", summary: "What routes try: canaries beside their other candidates, and mirrors",
    answers: {
      status: 200, description: "Those of the installation's routes",
      schema: { type: "object", required: ["canaries", "mirrors"], properties: { canaries: { type: "array", items: CANARY }, mirrors: { type: "array", items: MIRROR } } },
    },
    run: (call) => list(settings, call),
  };
}

function list({ trials }: CanarySettings, { tenant, actor, query }: AdminCall): AdminAnswer {
  refuseUnknown(query, () => false);
  // Routes are the installation's.
  if (tenant !== "default") return ok({ canaries: [], mirrors: [] });
  const { canaries, mirrors } = trials();
  if (SEES_TERMS.some((role) => role === actor.role)) return ok({ canaries, mirrors });
  return ok({
    canaries: canaries.map((one) => ({ ...one, canary: withoutCost(one["canary"]), rest: withoutCost(one["rest"]), cost_ratio: null })),
    mirrors: mirrors.map((one) => ({ ...one, spent_today_usd: null })),
  });
}

function withoutCost(arm: Json | undefined): JsonObject {
  return { ...(arm as JsonObject), cost_per_request_usd: null };
}
