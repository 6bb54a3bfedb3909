/** The scopes of one call: who pays, then where it goes. The same array for the same call, so that what is kept by it is found at once. */
import type { Deployment } from "../decide/deployment.ts";

/** What is kept of one caller. */
interface OfCaller {
  readonly byDeployment: Map<string, Map<string, readonly string[]>>;
  /** The call before: most callers make the same one over and over. */
  deployment: string;
  route: string;
  scopes: readonly string[];
}

const kept = new WeakMap<readonly string[], OfCaller>();
/** Per caller: deployments beyond this are many names of `account/anything`. */
const DEPLOYMENTS_MAX = 4_096;

/** Scopes of a call of `deployment` by way of a route, for a caller with these scopes. */
export function scopesOf(callerScopes: readonly string[], route: string, deployment: Deployment): readonly string[] {
  let ofCaller = kept.get(callerScopes);
  if (ofCaller === undefined) kept.set(callerScopes, (ofCaller = { byDeployment: new Map(), deployment: "", route: "", scopes: [] }));
  if (ofCaller.deployment === deployment.id && ofCaller.route === route) return ofCaller.scopes;
  ofCaller.scopes = find(ofCaller.byDeployment, callerScopes, route, deployment);
  ofCaller.deployment = deployment.id;
  ofCaller.route = route;
  return ofCaller.scopes;
}

function find(byDeployment: OfCaller["byDeployment"], callerScopes: readonly string[], route: string, deployment: Deployment): readonly string[] {
  let ofDeployment = byDeployment.get(deployment.id);
  if (ofDeployment === undefined) {
    if (byDeployment.size >= DEPLOYMENTS_MAX) byDeployment.clear();
    byDeployment.set(deployment.id, (ofDeployment = new Map()));
  }
  let scopes = ofDeployment.get(route);
  if (scopes === undefined) {
    scopes = Object.freeze([...callerScopes, ...callSpecific(route, deployment)]);
    if (ofDeployment.size >= 64) ofDeployment.clear();
    ofDeployment.set(route, scopes);
  }
  return scopes;
}

/** Does a scope hold of the called deployment alone, so that another of the route is not bound by it? */
export function bindsDeployment(scope: string): boolean {
  return scope.startsWith("model/") || scope.startsWith("provider/") || scope.startsWith("paid_by/");
}

/** A deployment whose one call is of several models: limits on each of them bind the whole of it. */
export interface OfSeveral extends Deployment {
  readonly ofModels: readonly ModelAsked[];
}
export interface ModelAsked {
  /** By which it was asked. */
  readonly route: string;
  readonly deployment: Deployment;
}

function callSpecific(route: string, deployment: Deployment | OfSeveral): readonly string[] {
  const scopes = [`route/${route}`, modelScope(deployment), `provider/${deployment.account}`];
  if (deployment.paidBy !== undefined) scopes.push(`paid_by/${deployment.paidBy}`);
  if (!("ofModels" in deployment)) return scopes;
  // Behind its own: what it is listed under is the first of each word.
  return [...new Set([...scopes, ...deployment.ofModels.flatMap((one) => [`route/${one.route}`, modelScope(one.deployment)])])];
}

function modelScope({ model, upstreamModel }: Deployment): string {
  return `model/${model?.canonical ?? upstreamModel}`;
}
