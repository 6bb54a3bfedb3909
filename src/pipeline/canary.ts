/** Which requests of a route try its canary first. What a caller or a request forbids of other candidates, it forbids of this one. */
import { isChosen } from "../decide/canary.ts";
import type { Deployment, Route } from "../decide/deployment.ts";
import { withheldFor } from "../decide/permit.ts";
import type { JsonObject } from "../wire/json.ts";
import type { Deps } from "./deps.ts";
import type { Inbound } from "./inbound.ts";

/** What the pipeline asks of trials. */
export interface Trials {
  /** May requests of this route go to its canary now? Not while its error budget freezes canaries, nor after a rollback. */
  takes(route: string): boolean;
}

/** The route as this request goes by it: the canary in front of it, for its share. `session`: what the request belongs to, null: nothing. */
export function withCanary(deps: Pick<Deps, "trials">, inbound: Pick<Inbound, "requestId" | "caller" | "header">, route: Route, session: string | null): Route {
  const { canary } = route;
  if (canary === undefined || deps.trials === undefined) return route;
  const { deployment, terms } = canary;
  if (!isChosen(session ?? inbound.requestId, `canary ${route.name} ${terms.use}`, terms.share) || !deps.trials.takes(route.name) || !isOpenTo(deployment, inbound)) return route;
  return { ...route, candidates: [{ deployment, weight: 1, automatic: false, trial: true }, ...route.candidates] };
}

/** The route without what such a request is not tried by: one that says itself who is to serve it, or for which cheaper candidates stand in. */
export function untried(route: Route, wished: boolean, cheaper: boolean): Route {
  if ((!wished && !cheaper) || (route.canary === undefined && route.mirror === undefined)) return route;
  const { canary: _, mirror, ...rest } = route;
  return { ...rest, ...(wished || mirror === undefined ? {} : { mirror }) };
}

/** What a route tries, of which this caller may know; nothing where it tries nothing. `canary` says whether requests go there now. */
export function trialsJson(deps: Pick<Deps, "trials" | "mirrors">, { name, canary, mirror }: Route, inbound: Pick<Inbound, "caller" | "header">): JsonObject {
  return {
    ...(canary === undefined || deps.trials === undefined || !isOpenTo(canary.deployment, inbound) ? {} : { canary: { deployment: canary.deployment.id, share: canary.terms.share, takes_requests: deps.trials.takes(name) } }),
    ...(mirror === undefined || deps.mirrors === undefined || !isOpenTo(mirror.deployment, inbound) ? {} : { mirror: { deployment: mirror.deployment.id, share: mirror.terms.share } }),
  };
}

/** May this caller's request be processed there? */
export function isOpenTo(deployment: Deployment, { caller: { policy }, header }: Pick<Inbound, "caller" | "header">): boolean {
  if (policy !== undefined && withheldFor(deployment, policy) !== null) return false;
  const residency = header("x-spillway-residency");
  return residency === undefined || withheldFor(deployment, { routes: null, models: null, residency: residency.replaceAll(" ", "").toLowerCase().split(",") }) === null;
}
