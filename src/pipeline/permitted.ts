/** Routes as a caller may use them, and the refusals of what it may not. */
import type { Deployment, Route } from "../decide/deployment.ts";
import { mayAsk, narrowRoute, withheldFor, withinRegions, type Narrowed } from "../decide/permit.ts";
import type { Caller } from "../ports.ts";
import { gatewayError, type GatewayError } from "../wire/errors.ts";
import type { Inbound } from "./inbound.ts";
import type { ExchangeSettings } from "./surface.ts";

export type ResolvedRoute = { readonly kind: "route"; readonly route: Route } | { readonly kind: "error"; readonly error: GatewayError };

const REGIONS = /^[a-z0-9-]{1,64}(?:,[a-z0-9-]{1,64}){0,15}$/;

/** The route within what the key may use and, by its header, within the regions that the request asks for. */
export function permittedRoute(route: Route, asked: string, caller: Caller, residency: string | undefined): ResolvedRoute {
  let narrowed: Narrowed = { kind: "route", route };
  const { policy } = caller;
  if (policy !== undefined) {
    if (!mayAsk(policy, asked, route.name)) return { kind: "error", error: notAllowed(asked) };
    if (policy.models !== null || policy.residency !== null) narrowed = narrowRoute(route, policy);
  }
  if (residency !== undefined && narrowed.kind === "route") {
    const regions = residency.replaceAll(" ", "").toLowerCase();
    if (!REGIONS.test(regions)) return { kind: "error", error: gatewayError("invalid_header", `x-spillway-residency must be regions such as eu, not "${residency.slice(0, 80)}".`) };
    narrowed = withinRegions(narrowed.route, regions.split(","));
    if (narrowed.kind !== "route" && narrowed.code === "residency") return { kind: "error", error: elsewhere(asked, regions) };
  }
  if (narrowed.kind === "route") return narrowed;
  return { kind: "error", error: narrowed.code === "model_not_allowed" ? notAllowed(asked) : elsewhere(asked) };
}

/** What this caller may use of accounts that keep things; models inside of files are not seen, so a key for some models has no part in them. */
export function permittedKeepers(inbound: Inbound, keepers: readonly Deployment[]): readonly Deployment[] | GatewayError {
  const { policy } = inbound.caller;
  const residency = inbound.header("x-spillway-residency");
  if (policy === undefined && residency === undefined) return keepers;
  if (policy !== undefined && (policy.models !== null || policy.routes !== null)) return gatewayError("model_not_allowed", "This key is for certain models, and which ones files and batches ask for cannot be seen here.");
  const regions = residency?.replaceAll(" ", "").toLowerCase().split(",");
  const within = keepers.filter((one) => (policy === undefined || withheldFor(one, policy) === null) && (regions === undefined || withheldFor(one, { routes: null, models: null, residency: regions }) === null));
  return within.length > 0 || keepers.length === 0 ? within : elsewhere("files and batches", (policy?.residency ?? null) === null ? regions?.join(",") : undefined);
}

/** An error as this caller may be told it: one that is told no deployments hears of them by no name. */
export function toldTo({ caller, choice }: Pick<ExchangeSettings, "caller" | "choice">, error: GatewayError): GatewayError {
  if (caller.policy?.expose !== "none") return error;
  const names = [...choice.candidates.map((one) => one.deployment.id), ...choice.filtered.map((one) => one.deployment)];
  let { message } = error;
  for (const name of names.toSorted((a, b) => b.length - a.length)) message = message.replaceAll(name, "a deployment");
  return { ...error, message };
}

function notAllowed(asked: string): GatewayError {
  return gatewayError("model_not_allowed", `This key may not use ${JSON.stringify(asked.slice(0, 200))}. GET /v1/models lists what it may use.`, { param: "model" });
}

/** `regions`: those that the request itself asks for; undefined: the key's. */
function elsewhere(asked: string, regions?: string): GatewayError {
  const where = regions === undefined ? "a region where this key's requests may be processed" : `the regions that this request asks for (x-spillway-residency: ${regions})`;
  return gatewayError("residency", `Nothing that serves ${JSON.stringify(asked.slice(0, 200))} runs in ${where}.`, { param: "model" });
}
