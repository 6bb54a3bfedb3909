/**
 * The route of a request as its own wishes narrow it, and the routes of further models that it names, put behind it. Nothing is
 * added that the caller might not ask for by itself: each route was resolved and permitted before.
 */
import { ordinary, type Deployment, type PassedOver, type Route, type RouteCandidate, type Withheld } from "./deployment.ts";
import { geoPermille, pricesIn, sheetAt, situationAt, unitPrice } from "./price-at.ts";
import { namesOf, PREFERENCES, type MaxPrice, type Preferences } from "./preferences.ts";

export interface PreferredFacts {
  readonly wallMs: number;
  /** Likely prompt tokens: prices may depend on them. */
  readonly inputTokens: number;
}
export type Preferred =
  | {
      readonly kind: "route";
      readonly route: Route;
      /** Aggregators among the candidates are told the wishes and see to them, since they name nobody here. */
      readonly passesOn: boolean;
    }
  | { readonly kind: "nothing"; readonly param: string; readonly message: string };

type Because = readonly [reason: PassedOver, detail: string];
type Why = (deployment: Deployment) => Because | null;

/** `routes`: of `model`, then of each of `models`; at least one. */
export function preferredRoute(routes: readonly Route[], wishes: Preferences | null, facts: PreferredFacts): Preferred {
  if (wishes === null) return { kind: "route", route: joined(routes, []), passesOn: false };
  const all = routes.flatMap(({ candidates, cheaper = [] }) => [...candidates, ...cheaper]).map(({ deployment }) => deployment);
  const passesOn = all.some(asksItself) && !namesOf(wishes).some((name) => all.some((deployment) => isNamed(name, deployment)));
  const apart = (deployment: Deployment): boolean => passesOn && asksItself(deployment);
  const [field] = wishes.beyond;
  if (field !== undefined && !all.some(apart)) return nothing(`provider.${field}`, `provider.${field} is not known here. Known: ${PREFERENCES.join(", ")}`);
  const why: Why = (deployment) => unwanted(deployment, wishes, facts, apart(deployment));
  const withheld: Withheld[] = [];
  const left = routes.map((route) => narrowed(route, why, withheld)).filter(hasCandidates);
  if (left.length === 0) return nobody(withheld, all.length);
  const ranked = left.map((route) => inOrder(route, wishes, apart, withheld)).filter(hasCandidates);
  if (ranked.length === 0) return nobody(withheld, all.length);
  const route = joined(ranked, withheld);
  const certain = wishes.requireParameters ? { certain: { except: [...new Set(all.filter(apart).map(({ account }) => account))] } } : {};
  const single = wishes.fallbacks || wishes.order.length > 0 ? {} : { single: true as const };
  return { kind: "route", route: { ...route, ...certain, ...single }, passesOn };
}

/** Is this deployment, its account or its provider what the name means? */
export function isNamed(name: string, { id, account, provider }: Deployment): boolean {
  if (name === id || name === account) return true;
  const own = account.indexOf("~");
  const wanted = plain(name);
  return [own < 0 ? account : account.slice(0, own), provider.id, provider.name, ...(provider.alsoNamed ?? [])].some((one) => plain(one) === wanted);
}

/** Without what spellings differ in. */
function plain(name: string): string {
  return name.toLowerCase().replace(/[^a-z0-9/]/g, "");
}

/** Does its provider know such wishes itself? */
function asksItself({ provider }: Deployment): boolean {
  return provider.quirks.takesPreferences === true;
}

/** Why a request does not want this deployment, or null. `apart`: its provider is told the wishes, and keeps them. */
function unwanted(deployment: Deployment, wishes: Preferences, { wallMs, inputTokens }: PreferredFacts, apart: boolean): Because | null {
  const { only, ignore, maxPrice, noTraining, noRetention, beyond } = wishes;
  const { data } = deployment;
  if (only !== null && !apart && !only.some((name) => isNamed(name, deployment))) return ["not_in_only", "provider.only does not name it"];
  if (ignore.some((name) => isNamed(name, deployment))) return ["ignored", "provider.ignore names it"];
  if (noTraining && data?.trains !== false && !(apart && data?.trains !== true)) return ["data_collection", data?.trains === true ? "its account says that prompts are used for training" : "its account does not say that prompts are kept out of training (data: { trains: false })"];
  if (noRetention && data?.retains !== false && !(apart && data?.retains !== true)) return ["zdr", data?.retains === true ? "its account says that prompts are kept" : "its account does not say that nothing is kept (data: { retains: false })"];
  if (beyond[0] !== undefined && !apart) return ["not_known_here", `nothing is known of it that provider.${beyond[0]} asks for`];
  const dear = maxPrice === null ? null : overPrice(deployment, maxPrice, wallMs, inputTokens);
  return dear === null ? null : ["over_max_price", dear];
}

const PICO_PER_USD = 1e12;
/** Per million tokens, per request, per image. */
const UNITS = [["prompt", "input", 1e6], ["completion", "output", 1e6], ["request", "requests", 1], ["image", "images", 1]] as const;

/** What of its price is above what is wished, or null. A price that nobody knows may be any. */
function overPrice({ pricing, model }: Deployment, most: MaxPrice, wallMs: number, inputTokens: number): string | null {
  if (pricing.kind === "unmetered") return null;
  const sheet = sheetAt(pricing, wallMs);
  if (pricing.kind !== "sheet" || sheet === null) return "its price is not known";
  const { prices } = pricesIn(sheet, situationAt(sheet, wallMs, inputTokens, null));
  const { permille } = geoPermille(sheet, pricing.geo);
  for (const [name, unit, per] of UNITS) {
    const wished = most[name];
    if (wished === undefined) continue;
    // A sheet without a price per request or per image has none; an embedding model writes nothing.
    if (prices[unit] === undefined && (per === 1 || (unit === "output" && model?.type === "embedding"))) continue;
    const { picoUsd } = unitPrice(unit, prices, sheet.free === true);
    if (picoUsd === null) return `its price per ${name} is not known`;
    const usd = (picoUsd * per * (unit === "requests" || unit === "images" ? 1000 : permille)) / 1000 / PICO_PER_USD;
    // What was agreed with a provider is not for all who read the record.
    if (usd > wished * (1 + 1e-12)) return `its price is above provider.max_price.${name} of ${wished} USD`;
  }
  return null;
}

/** The route without what `why` says something of; noted in `withheld`. */
function narrowed(route: Route, why: Why, withheld: Withheld[]): Route {
  const may = ({ deployment }: RouteCandidate): boolean => {
    const because = why(deployment);
    if (because !== null) note(withheld, deployment, because);
    return because === null;
  };
  const cheaper = route.cheaper?.filter(may);
  return { ...route, candidates: route.candidates.filter(may), ...(cheaper === undefined ? {} : { cheaper }) };
}

/** What is held back for what others refuse is for no request by itself. */
function hasCandidates({ candidates }: Route): boolean {
  return ordinary(candidates).length > 0;
}

function note(withheld: Withheld[], { id }: Deployment, [reason, detail]: Because): void {
  if (!withheld.some((one) => one.deployment === id)) withheld.push({ deployment: id, reason, detail });
}

/** The route's candidates in the order that is wished, or by the strategy. */
function inOrder(route: Route, { order, fallbacks, sort }: Preferences, apart: (deployment: Deployment) => boolean, withheld: Withheld[]): Route {
  if (order.length > 0) {
    const place = ({ deployment }: RouteCandidate): number => {
      const found = order.findIndex((name) => isNamed(name, deployment));
      // Behind an aggregator may stand whoever is named.
      return found < 0 && apart(deployment) ? 0 : found;
    };
    const arranged = (all: readonly RouteCandidate[]): readonly RouteCandidate[] => {
      const named = all.filter((one) => place(one) >= 0).toSorted((a, b) => place(a) - place(b));
      const rest = all.filter((one) => place(one) < 0);
      if (!fallbacks) for (const { deployment } of rest) note(withheld, deployment, ["not_in_order", "provider.order does not name it, and provider.allow_fallbacks is false"]);
      return fallbacks ? [...named, ...rest] : named;
    };
    // The cheaper ones may take the candidates' place, so they are no way around the order either.
    const cheaper = route.cheaper === undefined ? {} : { cheaper: arranged(route.cheaper) };
    return { ...route, strategy: "priority", candidates: arranged(route.candidates), ...cheaper };
  }
  return sort === null ? route : { ...route, strategy: sort === "price" ? "cheapest" : "fastest" };
}

/** The first route with the candidates of the others behind its own, each once. */
function joined(routes: readonly Route[], withheld: readonly Withheld[]): Route {
  const [first, ...further] = routes as readonly [Route, ...Route[]];
  const seen = new Set(ordinary(first.candidates).map(({ deployment }) => deployment.id));
  const behind = further.flatMap(({ name, candidates }) =>
    ordinary(candidates).flatMap((candidate): readonly RouteCandidate[] => {
      if (seen.has(candidate.deployment.id)) return [];
      seen.add(candidate.deployment.id);
      return [{ ...candidate, of: name }];
    }),
  );
  const all = [...routes.flatMap((route) => route.withheld ?? []), ...withheld].filter((one) => !seen.has(one.deployment));
  const heldBack = first.candidates.filter((one) => one.after !== undefined);
  return { ...first, candidates: [...ordinary(first.candidates), ...behind, ...heldBack], ...(all.length === 0 ? {} : { withheld: all }) };
}

/** The field that most were passed over for, and what it came to. */
const FIELDS: Readonly<Record<PassedOver, string>> = {
  not_in_only: "only", ignored: "ignore", not_in_order: "order", over_max_price: "max_price", data_collection: "data_collection", zdr: "zdr", not_known_here: "only",
};

function nobody(withheld: readonly Withheld[], count: number): Preferred {
  const reasons = Object.keys(FIELDS).filter((reason) => withheld.some((one) => one.reason === reason)) as readonly PassedOver[];
  const [first = "not_in_only"] = reasons;
  const fields = reasons.map((reason) => `provider.${FIELDS[reason]}`);
  return nothing(`provider.${FIELDS[first]}`, `${fields.join(" and ")} ${fields.length === 1 ? "leaves" : "leave"} none of ${count === 1 ? "the one deployment" : `${count} deployments`} that could serve it`);
}

function nothing(param: string, message: string): Preferred {
  return { kind: "nothing", param, message };
}
