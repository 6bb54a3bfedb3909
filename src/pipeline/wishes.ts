/**
 * What a request itself wishes of who serves it: `provider` and `models` of a body, for the surfaces of the protocol that made these
 * names common. They are the gateway's to read, so they are taken out of what is sent on. A request without them is done with here
 * after two look-ups.
 */
import { inputEstimateTokens } from "../decide/estimate.ts";
import { preferredRoute } from "../decide/preferred.ts";
import { readModels, readPreferences, type Preferences } from "../decide/preferences.ts";
import type { Route } from "../decide/deployment.ts";
import type { ParsedByClient } from "../providers/dialects/client.ts";
import { gatewayError, type GatewayError } from "../wire/errors.ts";
import type { Json, JsonObject } from "../wire/json.ts";
import { removalsOf, splice } from "../wire/scan.ts";
import type { ServedName } from "../wire/surfaces.ts";
import { readBody, resolveRoute, type Inbound, type ReadBody } from "./inbound.ts";

/** A request with wishes, as it goes on. */
export interface Wish {
  readonly kind: "route";
  /** The call and its body without the fields. */
  readonly inbound: Inbound;
  readonly body: ReadBody;
  /** The routes of all names, narrowed. */
  readonly route: Route;
  readonly warnings: readonly string[];
  /** The body as its price depends on it: an aggregator that is told whom to ask may ask whoever is dearer. */
  readonly priced: JsonObject;
  /** `provider`, for aggregators that go by it themselves; absent: nobody is told. */
  readonly preferences?: JsonObject;
}

const SURFACES: ReadonlySet<ServedName> = new Set<ServedName>(["chat", "completions", "responses"]);
const FIELDS: readonly string[] = ["provider", "models"];
const NO_WARNINGS: readonly string[] = [];

/** null: the request has no such field, or its protocol has none. */
export function wishOf(inbound: Inbound, body: ReadBody, wallMs: number): Wish | GatewayError | null {
  const { raw } = body;
  if (raw["provider"] === undefined && raw["models"] === undefined) return null;
  return SURFACES.has(inbound.asked.surface) ? read(inbound, body, wallMs) : null;
}

/** The request as its client's parser understood it, with what aggregators are told. */
export function withPreferences(parsed: ParsedByClient, wish: Wish | null): ParsedByClient {
  if (wish?.preferences === undefined || parsed.kind !== "request") return parsed;
  return { ...parsed, request: { ...parsed.request, preferences: wish.preferences } };
}

/** The same of a body as it was sent. */
export function withoutWishes<More extends { readonly asSent?: { readonly account: string; readonly bytes: Uint8Array; readonly body: ReadBody } }>(more: More): More {
  const { asSent } = more;
  if (asSent === undefined) return more;
  const bytes = stripped(asSent.bytes, asSent.body);
  const body = readBody(bytes);
  return body.kind === "error" ? more : { ...more, asSent: { account: asSent.account, bytes, body } };
}

/** A body without the fields, everything else byte for byte. */
function stripped(bytes: Uint8Array, { scan }: ReadBody): Uint8Array {
  return splice(bytes, removalsOf(scan, scan.members.flatMap(({ key }, index) => (FIELDS.includes(key) ? [index] : []))));
}

function read(inbound: Inbound, body: ReadBody, wallMs: number): Wish | GatewayError | null {
  const { raw } = body;
  const preferences = given(raw["provider"]) ? readPreferences(raw["provider"]) : null;
  if (preferences !== null && "kind" in preferences) return gatewayError("invalid_type", preferences.message, { param: preferences.param });
  const further = given(raw["models"]) ? readModels(raw["models"]) : [];
  if ("kind" in further) return gatewayError("invalid_type", further.message, { param: further.param });
  const named = inbound.asked.model ?? raw["model"];
  // A list alone names the model as well. Anything else that is no name is the parser's to refuse.
  const model = named === undefined || named === null ? further[0] : named;
  if (typeof model !== "string" || model === "") return null;
  const routes = routesOf(inbound, [model, ...further]);
  if ("code" in routes) return routes;
  const chosen = preferredRoute(routes, preferences, { wallMs, inputTokens: inputEstimateTokens(inbound.body.length) });
  if (chosen.kind === "nothing") return gatewayError("no_matching_provider", `${chosen.message}.`, { param: chosen.param });
  const bytes = stripped(inbound.body, body);
  const rest = readBody(bytes);
  if (rest.kind === "error") return rest.error;
  const asked = named === model ? inbound.asked : { ...inbound.asked, model };
  const told = chosen.passesOn && preferences !== null ? { preferences: raw["provider"] as JsonObject } : {};
  return {
    kind: "route", inbound: { ...inbound, asked, body: bytes }, body: rest, route: chosen.route, warnings: warningsOf(preferences),
    priced: chosen.passesOn ? { ...rest.raw, provider: raw["provider"] } : rest.raw, ...told,
  };
}

function given(value: Json | undefined): value is Json {
  return value !== undefined && value !== null;
}

/** Each name as this caller may use it: who may not use one of them is told so. */
function routesOf(inbound: Inbound, names: readonly string[]): readonly Route[] | GatewayError {
  const routes: Route[] = [];
  for (const [i, name] of names.entries()) {
    const resolved = resolveRoute(inbound, name);
    if (resolved.kind === "error") return i === 0 ? resolved.error : { ...resolved.error, param: `models[${i - 1}]` };
    if (!routes.includes(resolved.route)) routes.push(resolved.route);
  }
  return routes;
}

function warningsOf(preferences: Preferences | null): readonly string[] {
  if (preferences === null || preferences.soft.length === 0) return NO_WARNINGS;
  return preferences.soft.map((name) => `provider.${name} was left out: routes are weighed by their own objectives`);
}
