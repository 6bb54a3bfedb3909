/**
 * What binds the money of one request, before anything is held: caps of the request and its key, and whether a hard limit
 * applies, so that every call of it has to be bounded. The limits themselves are kept by the ledger.
 */
import { within, type Candidate, type ChoiceFacts, type Filtered } from "../decide/choose.ts";
import type { OutputLimit, Spending } from "../decide/cap.ts";
import { ordinary, type Route } from "../decide/deployment.ts";
import { gatewayError, type GatewayError } from "../wire/errors.ts";
import { parseUsd } from "../wire/money.ts";
import type { Deps } from "./deps.ts";
import type { Inbound } from "./inbound.ts";
import { scopesOf } from "./scopes.ts";

const CAP_HEADER = "x-spillway-max-cost-usd";

/** undefined: nothing binds it. */
export function spendingOf(deps: Deps, inbound: Inbound, route: Route): Spending | GatewayError | undefined {
  const { caller } = inbound;
  const told = inbound.header(CAP_HEADER);
  const budgets = deps.budgets?.any === true ? deps.budgets : undefined;
  if (told === undefined && budgets === undefined && (caller.policy?.maxRequestNanoUsd ?? null) === null) return undefined;
  let capNanoUsd = caller.policy?.maxRequestNanoUsd ?? null;
  if (told !== undefined) {
    const asked = parseUsd(told);
    if (asked === null || asked < 0) return gatewayError("invalid_header", `${CAP_HEADER} must be dollars, such as 0.05, not "${told.slice(0, 40)}".`);
    capNanoUsd = Math.min(asked, capNanoUsd ?? asked);
  }
  let hard = capNanoUsd !== null;
  if (budgets !== undefined) {
    for (const { deployment, of: name = route.name } of route.candidates) {
      const binding = budgets.binding(scopesOf(caller.scopes, name, deployment));
      hard ||= binding.hard;
      if (binding.capNanoUsd !== null) capNanoUsd = Math.min(binding.capNanoUsd, capNanoUsd ?? binding.capNanoUsd);
    }
  }
  return hard ? { capNanoUsd, defaultMaxOutput: caller.policy?.defaultMaxOutput ?? route.defaultMaxOutput } : undefined;
}

/** For calls that cost nothing and so hold nothing: who may spend nothing more may not make them either. */
export function exhaustedError(deps: Deps, inbound: Inbound, route: Route): GatewayError | null {
  const { budgets } = deps;
  if (budgets?.any !== true) return null;
  const wallMs = deps.clock.wallMs();
  for (const { deployment } of ordinary(route.candidates)) {
    const refused = budgets.exhausted(scopesOf(inbound.caller.scopes, route.name, deployment), wallMs);
    if (refused !== null) return gatewayError(refused.code, refused.message);
  }
  return null;
}

/** A route whose owner wants cheaper candidates once so much of a budget is spent, and whether that is so. */
export function cheaperRoute(deps: Deps, inbound: Inbound, route: Route): Route {
  const { cheaper = [] } = route;
  const budgets = deps.budgets;
  if (cheaper.length === 0 || budgets?.any !== true) return route;
  const wallMs = deps.clock.wallMs();
  const due = ordinary(route.candidates).some(({ deployment }) => budgets.cheaper(scopesOf(inbound.caller.scopes, route.name, deployment), wallMs));
  return due ? { ...route, candidates: [...cheaper, ...route.candidates.filter((one) => one.after !== undefined)] } : route;
}

export const CHEAPER_WARNING = "a budget is nearly spent, so the route's cheaper candidates answer";

/** Fields that a hold cannot bound: named where nothing limits the request, refused where something does. */
export function unboundedFieldsProblem(fields: readonly string[], spending: Spending | undefined): { readonly warnings: readonly string[]; readonly error: GatewayError | null } {
  if (fields.length === 0) return NO_PROBLEM;
  const names = fields.join(", ");
  if (spending === undefined) return { warnings: [uncovered(fields)], error: null };
  return { warnings: [], error: gatewayError("unsupported_parameter", `A limit on money applies to this request, and what ${names} may cost cannot be bounded. Leave it out, or lift the limit.`, { param: fields[0] ?? null }) };
}
const NO_PROBLEM = { warnings: [], error: null };

/** What a client is told where nothing limits the request. */
export function uncovered(fields: readonly string[]): string {
  return `the cost bound does not cover: ${fields.join(", ")}`;
}

/** One candidate within what is left of a request's cap, once attempts before it have cost or may still cost something. */
export function withinRest(candidate: Candidate, facts: Pick<ChoiceFacts, "shape" | "wallMs">, spending: Spending, committedNanoUsd: number): Candidate | Filtered {
  if (spending.capNanoUsd === null) return candidate;
  return within(candidate, facts, { ...spending, capNanoUsd: Math.max(0, spending.capNanoUsd - committedNanoUsd) });
}

/** What a client is told of an output limit that it did not ask for. */
export function limitWarning({ tokens, asked, why }: OutputLimit): string {
  if (why === "cap") return `the output limit is ${tokens} tokens${asked === null ? "" : ` in place of ${asked}`}, so that the request stays within its cap`;
  return `the output limit is ${tokens} tokens, since a limit on money applies and none was asked`;
}

/** Of a request that no candidate may serve for what it could cost. */
export function overCapError(filtered: readonly Filtered[]): GatewayError | null {
  if (filtered.length === 0 || !filtered.every((one) => one.reason === "over_cap" || one.reason === "unbounded")) return null;
  return gatewayError("budget_exceeded", `This request is not sent for what it could cost: ${filtered.map((one) => `${one.deployment} ${one.detail}`).join("; ")}.`);
}
