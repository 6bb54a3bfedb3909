/**
 * What of a route a caller may use: names it may ask for, models that may answer, regions in which that may happen.
 * The same route narrowed for the same caller is the same object, so that what is kept by it is found again.
 */
import { ordinary, type Deployment, type NotForCaller, type Route, type RouteCandidate, type Withheld } from "./deployment.ts";
import { area } from "./equivalence.ts";
import { matcher } from "./patterns.ts";

/** What is narrowed; null: nothing of that sort. Patterns are names in which `*` matches any run of characters. */
export interface Permits {
  /** Names in `model`. */
  readonly routes: readonly string[] | null;
  /** Models by canonical or upstream name, or by `account/model`. */
  readonly models: readonly string[] | null;
  readonly residency: readonly string[] | null;
}

export type Narrowed = { readonly kind: "route"; readonly route: Route } | { readonly kind: "refused"; readonly code: NotForCaller };

interface Compiled {
  readonly routes: ((name: string) => boolean) | null;
  readonly models: ((name: string) => boolean) | null;
  readonly narrowed: WeakMap<Route, Narrowed>;
}
const compiled = new WeakMap<Permits, Compiled>();

/** May this name be asked for, which means this route? */
export function mayAsk(permits: Permits, asked: string, route: string): boolean {
  const { routes } = compiledOf(permits);
  const name = asked.startsWith("models/") ? asked.slice("models/".length) : asked;
  return routes === null || routes(name) || routes(route);
}

/** The route without what these permits withhold. */
export function narrowRoute(route: Route, permits: Permits): Narrowed {
  const { narrowed } = compiledOf(permits);
  let found = narrowed.get(route);
  if (found === undefined) narrowed.set(route, (found = withoutWithheld(route, (deployment) => withheldFor(deployment, permits))));
  return found;
}

/** The route within these regions. */
export function withinRegions(route: Route, regions: readonly string[]): Narrowed {
  return withoutWithheld(route, (deployment) => outside(deployment, regions));
}

/** Why this deployment is not for these callers, or null. */
export function withheldFor(deployment: Deployment, permits: Permits): Withheld | null {
  const { models } = compiledOf(permits);
  if (models !== null && !namesOf(deployment).some(models)) return { deployment: deployment.id, reason: "model_not_allowed", detail: "this key may not use it" };
  return permits.residency === null ? null : outside(deployment, permits.residency);
}

/** A deployment in none of the regions: a stated region, or the area that it lies in. One that states none is nowhere. */
function outside(deployment: Deployment, regions: readonly string[]): Withheld | null {
  const region = deployment.region?.toLowerCase() ?? null;
  if (isWithin(region, regions)) return null;
  return { deployment: deployment.id, reason: "residency", detail: `it runs in ${region === null ? "no stated region" : region}, not in ${regions.join(" or ")}` };
}

/** Is it one of these regions, or in the area that one of them names? Nowhere stated is in none. */
export function isWithin(stated: string | null, regions: readonly string[]): boolean {
  const region = stated?.toLowerCase() ?? null;
  return region !== null && regions.some((one) => one === region || one === area(region));
}

/** All that a model goes by; a team's own account by the name of the one that it stands for, too. */
function namesOf({ id, account, model, upstreamModel }: Deployment): readonly string[] {
  const own = account.indexOf("~");
  return [id, upstreamModel, ...(model === null ? [] : [model.canonical, model.id]), ...(own < 0 ? [] : [account.slice(0, own) + id.slice(account.length)])].filter((name) => name !== null && name !== "");
}

function withoutWithheld(route: Route, why: (deployment: Deployment) => Withheld | null): Narrowed {
  const withheld: Withheld[] = [];
  const may = (candidate: RouteCandidate): boolean => {
    const found = why(candidate.deployment);
    if (found !== null) withheld.push(found);
    return found === null;
  };
  const candidates = route.candidates.filter(may);
  const cheaper = route.cheaper?.filter(may);
  if (ordinary(candidates).length === 0) return { kind: "refused", code: withheld.some((one) => one.reason === "residency") ? "residency" : "model_not_allowed" };
  if (withheld.length === 0) return { kind: "route", route };
  return { kind: "route", route: { ...route, candidates, ...(cheaper === undefined ? {} : { cheaper }), withheld: [...(route.withheld ?? []), ...withheld] } };
}

function compiledOf(permits: Permits): Compiled {
  let found = compiled.get(permits);
  if (found === undefined) compiled.set(permits, (found = { routes: anyOf(permits.routes), models: anyOf(permits.models), narrowed: new WeakMap() }));
  return found;
}

function anyOf(patterns: readonly string[] | null): ((name: string) => boolean) | null {
  if (patterns === null) return null;
  const exact = new Set(patterns.filter((pattern) => !pattern.includes("*")));
  const others = patterns.filter((pattern) => pattern.includes("*")).map(matcher);
  return (name) => exact.has(name) || others.some((matches) => matches(name));
}
