/** Requests of low importance are refused first: when little room is left, and when their route's error budget is used up and says so. */
import type { Route } from "../decide/deployment.ts";
import { DEFAULT_SHEDDING, IMPORTANCES, lowered, shed, type SheddingTerms } from "../decide/objective/shedding.ts";
import { gatewayError, type GatewayError } from "../wire/errors.ts";
import type { Deps } from "./deps.ts";
import type { Inbound } from "./inbound.ts";

const HEADER = "x-spillway-importance";
/** All room is for everything but what is stated to matter less; nothing is kept waiting with its body in memory. */
const TERMS: SheddingTerms = { share: { high: 1, normal: 1, low: DEFAULT_SHEDDING.share.low }, waitMs: { high: 0, normal: 0, low: 0 }, waitingMost: 0 };

/** Why this request is not taken now, for its client and for reports; null: it is. Of what its route, its key and its header say, the least counts. */
export function turnedAway(deps: Pick<Deps, "load">, inbound: Pick<Inbound, "header" | "caller">, route: Route): { readonly error: GatewayError; readonly why?: string } | null {
  if (deps.load === undefined) return null;
  const told = inbound.header(HEADER);
  const asked = told === undefined ? null : (IMPORTANCES.find((one) => one === told) ?? null);
  if (told !== undefined && asked === null) return { error: gatewayError("invalid_header", `${HEADER} must be ${IMPORTANCES.join(", ")}, not ${JSON.stringify(told.slice(0, 80))}.`) };
  if (lowered(lowered(route.importance ?? "normal", inbound.caller.importance ?? null), asked) !== "low") return null;
  const what = shed("low", deps.load(route.name), TERMS);
  if (what.kind !== "refuse") return null;
  // Room comes back within seconds. An error budget does not: an SDK that was told to try again would hang for minutes, and be refused.
  const why = what.why === "error_budget" ? `the error budget of ${JSON.stringify(route.name)} is used up` : "little room is left";
  return { error: gatewayError("low_importance", `This request is of low importance, and ${why}.`, { retryAfterMs: what.retryAfterMs, retry: what.why === "overloaded" }), why: `low_importance (${what.why})` };
}
