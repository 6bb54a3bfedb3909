/**
 * Which deployments may stand in for another, and in which order several that serve one model are preferred. Pure:
 * facts in, order out. What depends on a request (is its prompt too long?) is left to the choice.
 */
import type { ModelFacts, ProviderFacts } from "../wire/facts.ts";
import type { Deployment } from "./deployment.ts";

/** A fallback's output price may be at most this many thousandths of the first's. */
const PRICE_LIMIT_PERMILLE = 1_500;
const KIND_RANK: Readonly<Record<ProviderFacts["kind"], number>> = { maker: 0, host: 1, aggregator: 2 };

/**
 * Why `fallback` may not stand in for `first` without being asked for; null where it may.
 * `firstRegionStated`: the owner named the first's region, so that exactly that region is meant.
 */
export function unfitReason(first: Deployment, fallback: Deployment, firstRegionStated: boolean): string | null {
  if (first.model === null || fallback.model === null) return "its facts are not known";
  if (fallback.provider.id === first.provider.id) return "same provider";
  if (fallback.model.canonical !== first.model.canonical) return "another model";
  if (fallback.model.variant !== first.model.variant) return `variant ${fallback.model.variant ?? "plain"}, not ${first.model.variant ?? "plain"}`;
  if (fallback.model.type !== first.model.type) return "another kind of model";
  if (fallback.model.status === "retired") return "retired";
  if (fallback.contextWindow === null) return "its context window is not known";
  if (fallback.model.type === "chat" && fallback.maxOutput === null) return "its maximum output is not known";
  if (!sameResidency(first.region, fallback.region, firstRegionStated)) {
    return `region ${fallback.region ?? "not stated"}, not ${first.region ?? "not stated"}`;
  }
  return priceReason(first, fallback);
}

function priceReason(first: Deployment, fallback: Deployment): string | null {
  if (first.pricing.kind === "unmetered" && fallback.pricing.kind === "unmetered") return null;
  const limit = answerPricePico(first);
  const price = answerPricePico(fallback);
  if (limit === null) return "the first's price is not known, so none can be compared with it";
  if (price === null) return "its price is not known";
  return price * 1_000 > limit * PRICE_LIMIT_PERMILLE ? "costs more than 1.5 times the first" : null;
}

/** The price that a fallback is judged by: output for chat, input for embeddings. Pico-dollars per token. */
export function answerPricePico(deployment: Deployment): number | null {
  if (deployment.pricing.kind !== "sheet") return null;
  const { base } = deployment.pricing.sheet;
  return (deployment.model?.type === "embedding" ? base.input : base.output) ?? null;
}

/**
 * Residency classes: where nothing is promised, `us`, `global` and unknown are one class; every other area is one of
 * its own. Where the owner states a region, only that very area will do.
 */
function sameResidency(first: string | null, fallback: string | null, stated: boolean): boolean {
  if (stated) return area(first) === area(fallback);
  return openArea(area(first)) === openArea(area(fallback));
}

/** `eu-central-1`, `europe-west4`, `EU` → `eu`; `us-east-1`, `us` → `us`; what spans several stays as it is. */
export function area(region: string | null): string {
  if (region === null) return "unknown";
  const lower = region.toLowerCase();
  if (/^(eu|europe)([^a-z/]|$)/.test(lower)) return "eu";
  if (/^us([^a-z/]|$)/.test(lower)) return "us";
  return lower;
}

function openArea(name: string): string {
  return name === "us" || name === "unknown" || name === "us/global" || name.includes("global") ? "open" : name;
}

/** The variant that a canonical name means: its maker's, else the plain one. */
export function plainVariant(models: readonly ModelFacts[], providers: ReadonlyMap<string, ProviderFacts>): string | null {
  const made = models.filter((model) => providers.get(model.provider)?.kind === "maker");
  if (made.length === 0 || made.some((model) => model.variant === null)) return null;
  return made[0]?.variant ?? null;
}

/**
 * Order among deployments of one canonical model: the variant meant, then maker, cheapest direct host, aggregators
 * last; within a provider the name closest to what was asked. Stable, so accounts stay in file order.
 */
export function byPreference(variant: string | null, asked: string): (a: Deployment, b: Deployment) => number {
  const rank = (deployment: Deployment): readonly number[] => [
    deployment.model?.variant === variant ? 0 : 1,
    KIND_RANK[deployment.provider.kind],
    sumPricePico(deployment),
  ];
  return (a, b) => compareRanks(rank(a), rank(b)) || (a.provider.id === b.provider.id ? closest(asked)(a, b) : 0);
}

/** Input weighs three times: prompts are longer than answers. No price sorts last, no charge first. */
function sumPricePico(deployment: Deployment): number {
  if (deployment.pricing.kind === "unmetered") return 0;
  if (deployment.pricing.kind === "unknown") return Number.MAX_SAFE_INTEGER;
  const { base } = deployment.pricing.sheet;
  return 3 * (base.input ?? 0) + (base.output ?? 0);
}

/** Among a provider's several names of one model: the one asked for, then active ones, undated ones, newer ones. */
export function closest(asked: string): (a: Deployment, b: Deployment) => number {
  const wanted = tail(asked);
  const rank = (deployment: Deployment): readonly number[] => [
    tail(deployment.upstreamModel) === wanted ? 0 : 1,
    deployment.model?.aliases.includes(wanted) === true ? 0 : 1,
    deployment.model?.status === "active" ? 0 : 1,
    deployment.upstreamModel.length,
  ];
  return (a, b) => compareRanks(rank(a), rank(b)) || compareText(b.upstreamModel, a.upstreamModel);
}

function tail(name: string): string {
  return name.slice(name.lastIndexOf("/") + 1).toLowerCase();
}

function compareRanks(a: readonly number[], b: readonly number[]): number {
  for (let index = 0; index < a.length; index += 1) {
    const difference = (a[index] ?? 0) - (b[index] ?? 0);
    if (difference !== 0) return difference;
  }
  return 0;
}

function compareText(a: string, b: string): number {
  return a < b ? -1 : a > b ? 1 : 0;
}
