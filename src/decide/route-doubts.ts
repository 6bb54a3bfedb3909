/**
 * What of a route will hardly work as it is meant, though every word of it can be read: fallbacks that fail together with what they
 * stand in for, promises that its candidates cannot keep, lists that nobody will be asked from. Pure.
 */
import type { RateLimit } from "../wire/rates.ts";
import { ordinary, softTimeoutMs, type Deployment, type Route } from "./deployment.ts";
import { sharedDomain, type DomainKind } from "./failure-domain.ts";
import type { Objective } from "./objective/types.ts";

export interface RouteDoubt {
  /** Below the route. */
  readonly path: readonly string[];
  readonly expected: string;
  readonly found: string;
  readonly hint: string;
}

/** All doubts about a route. `limits`: what the owner lets through of all calls. */
export function routeDoubts(route: Route, limits: readonly RateLimit[]): readonly RouteDoubt[] {
  const candidates = ordinary(route.candidates).map((one) => one.deployment);
  const [first, ...others] = candidates.filter((one, i) => candidates.findIndex((other) => other.id === one.id) === i);
  if (first === undefined) return [];
  const promised = route.objectives ?? [];
  return [
    ...together(first, others),
    ...promised.flatMap((objective) => {
      switch (objective.kind) {
        case "availability":
        case "error_rate":
          return others.length > 0 ? [] : [alone(objective, first)];
        case "first_token":
          return [...unstreamed(objective, candidates), ...late(objective, route, candidates)];
        case "latency":
          return late(objective, route, candidates);
        case "throughput":
          return heldBelow(objective, route, candidates, limits);
        case "output_rate":
          return [];
      }
    }),
    ...tooSmall(route, candidates),
  ];
}

/** The domain in words. */
function nameOf(kind: DomainKind, { account, domain, region }: Deployment): string {
  switch (kind) {
    case "account":
      return `the account ${account}`;
    case "edge":
      return `the edge ${domain.edge ?? ""}`;
    case "region":
      return `the region ${region ?? ""} of ${domain.cloud ?? ""}`;
    case "cloud":
      return `the cloud ${domain.cloud ?? ""}`;
  }
}

function together(first: Deployment, others: readonly Deployment[]): readonly RouteDoubt[] {
  const shared = others.map((other) => ({ other, kind: sharedDomain(first, other) }));
  if (shared.length === 0 || shared.some(({ kind }) => kind === null)) return [];
  const names = [...new Set(shared.map(({ kind }) => nameOf(kind as DomainKind, first)))];
  const domains = names.join(" or ");
  const all = others.length === 1 ? "its only fallback shares" : `all ${others.length} fallbacks share`;
  return [{
    path: ["candidates"],
    expected: "a fallback in another failure domain than the first candidate",
    found: `${all} ${domains} with ${first.id}`,
    hint: `what takes out ${domains} takes out all of them: add a candidate elsewhere, or state the domain of its account where this is not so`,
  }];
}

const MINUTE_MS = 60_000;
const MONTH_MS = 30 * 24 * 60 * MINUTE_MS;

function alone({ name, kind, target, window }: Objective, { id }: Deployment): RouteDoubt {
  const spanMs = window.kind === "rolling" ? window.lengthMs : MONTH_MS;
  const minutes = ((1 - target) * spanMs) / MINUTE_MS;
  const shown = minutes >= 10 ? minutes.toFixed(0) : minutes.toFixed(1);
  return {
    path: ["objectives"],
    expected: "at least two candidates where availability is promised",
    found: `${name} of ${kind === "error_rate" ? `at most ${percent(1 - target)}` : percent(target)}, by ${id} alone`,
    hint: `it needs one that is never out for more than ${shown} minutes in ${window.kind === "month" ? "a month" : days(spanMs)}: nothing can stand in for it; add a candidate in another failure domain`,
  };
}

/** Of streams alone is anything known before they end. */
function unstreamed({ name }: Objective, candidates: readonly Deployment[]): readonly RouteDoubt[] {
  if (candidates.some(({ told }) => told?.streaming !== false)) return [];
  return [{ path: ["objectives"], expected: "a candidate that streams, where first tokens are promised", found: `${name}, and none of them does`, hint: "promise latency, which is of whole answers, or add a candidate that streams" }];
}

/** What starts beside a call that hangs comes when the promise is broken already. */
function late({ name, kind, within }: Objective, route: Route, candidates: readonly Deployment[]): readonly RouteDoubt[] {
  const withinMs = within.reduce((most, one) => Math.max(most, one.withinMs), 0);
  const leftMs = Math.min(...candidates.map((one) => softTimeoutMs(one, route.clocks, kind === "first_token")));
  const hedges = route.strategy === "balanced" && (route.terms?.hedgeShare ?? 0) > 0 && candidates.length > 1;
  if (hedges || candidates.length === 1 || withinMs > leftMs) return [];
  const clock = kind === "first_token" ? "first_token" : "attempt";
  return [{
    path: ["objectives"],
    expected: "a call that hangs to be left before its promise is broken",
    found: `${name} within ${withinMs} ms, where the next candidate starts after ${leftMs} ms`,
    hint: `it needs ${clock}: below ${withinMs} ms, or strategy: balanced with hedges, which start beside it`,
  }];
}

/** Limits that all of the route's calls carry, and those of its candidates' accounts together. */
function heldBelow({ name, atLeast, unit }: Objective, route: Route, candidates: readonly Deployment[], limits: readonly RateLimit[]): readonly RouteDoubt[] {
  const perMinute = (scope: string): number =>
    limits.filter(({ scopes }) => scopes.length === 1 && scopes[0] === scope).reduce((least, one) => Math.min(least, (unit === "tokens" ? one.tokensPerMinute : one.requestsPerMinute) ?? Number.POSITIVE_INFINITY), Number.POSITIVE_INFINITY);
  const accounts = [...new Set(candidates.map((one) => one.account))];
  const ofAccounts = accounts.reduce((sum, account) => sum + perMinute(`provider/${account}`), 0);
  const most = Math.min(perMinute("tenant/default"), perMinute(`route/${route.name}`), ofAccounts);
  if (atLeast === null || most >= atLeast) return [];
  return [{ path: ["objectives"], expected: `limits that let ${atLeast} ${unit ?? "requests"} a minute through`, found: `${name}, where limits let ${most} through`, hint: "raise the limits of this route, or of its candidates' accounts, or promise less" }];
}

/** What is listed for prompts that do not fit has to take longer ones. */
function tooSmall({ candidates }: Route, own: readonly Deployment[]): readonly RouteDoubt[] {
  const largest = own.reduce((most, { contextWindow }) => Math.max(most, contextWindow ?? Number.POSITIVE_INFINITY), 0);
  return candidates.flatMap(({ after, deployment: { id, contextWindow } }): readonly RouteDoubt[] => {
    if (after !== "context" || contextWindow === null || !Number.isFinite(largest) || contextWindow > largest) return [];
    return [{ path: ["on_context_window"], expected: `a context window above the candidates' ${largest} tokens`, found: `${id} with ${contextWindow}`, hint: "what does not fit them does not fit it either" }];
  });
}

function percent(share: number): string {
  return `${Number((share * 100).toFixed(6))}%`;
}

function days(spanMs: number): string {
  const hours = spanMs / (60 * MINUTE_MS);
  const [count, unit] = hours % 24 === 0 ? [hours / 24, "day"] : [Number(hours.toFixed(2)), "hour"];
  return `${count} ${unit}${count === 1 ? "" : "s"}`;
}
