/**
 * What the configured accounts can serve: turns an account and an upstream name into a deployment, or into the reason
 * why it cannot be called. Pure; the first half of what a directory of names rests on.
 */
import type { ToldCapabilities } from "../wire/capability.ts";
import type { ModelFacts, PriceSheet, ProviderFacts } from "../wire/facts.ts";
import type { OwnedKind } from "../wire/surfaces.ts";
import type { CapacityBook } from "./contract/meter.ts";
import { pricingUnder } from "./contract/pricing.ts";
import type { Contract } from "./contract/types.ts";
import type { DataUse, Deployment, Pricing } from "./deployment.ts";
import type { Resolution } from "./names.ts";
import { didYouMean, nearestNames } from "./nearest.ts";
import { plainSheet } from "./price-at.ts";
import type { PriceBook } from "./price-book.ts";

/** Of an account, what decisions need; the credential is not among it. */
export interface SupplyAccount {
  readonly name: string;
  readonly provider: ProviderFacts;
  readonly baseUrl: string;
  /** As the owner states it; null: the provider's, if the address is the provider's own. */
  readonly region: string | null;
  readonly domain: { readonly edge?: string; readonly cloud?: string };
  /** What its owner says that becomes of prompts there; absent: nothing. */
  readonly data?: DataUse;
  readonly unmetered: boolean;
  readonly models: ReadonlyMap<string, SupplyOverride>;
  /** The owner's own names of models → the catalogue's. Where there are any, the account has no others. */
  readonly deployments?: ReadonlyMap<string, string>;
}
export interface SupplyOverride {
  readonly price: PriceSheet | null;
  /** From when that price holds; absent: always. */
  readonly priceFromMs?: number;
  readonly unmetered: boolean;
  readonly contextWindow: number | null;
  readonly maxOutput: number | null;
  /** What the model can and cannot do, as the owner states it; absent: nothing is stated. */
  readonly capabilities?: ToldCapabilities;
}

/** The lookups of a catalogue. */
export interface CatalogueLookups {
  readonly models: readonly ModelFacts[];
  readonly byId: ReadonlyMap<string, ModelFacts>;
  readonly byCanonical: ReadonlyMap<string, readonly ModelFacts[]>;
  /** By a provider's own name of the model, or an alias of it. */
  readonly byUpstream: ReadonlyMap<string, readonly ModelFacts[]>;
}

export type Refusal = Pick<Extract<Resolution, { kind: "unresolved" }>, "code" | "message">;
export type Supplied = { readonly ok: true; readonly deployment: Deployment } | ({ readonly ok: false } & Refusal);

export interface SupplyInput {
  readonly accounts: readonly SupplyAccount[];
  readonly providers: ReadonlyMap<string, ProviderFacts>;
  readonly catalogue: CatalogueLookups;
  readonly unpriced: "refuse" | "serve";
  /** Managed prices, over the catalogue's and below those of the accounts' own models. */
  readonly prices?: PriceBook | undefined;
  /** When this holds; absent: the prices that are in force first. */
  readonly wallMs?: number | undefined;
  /** What the owner agreed with providers over their lists, and what was used of it. */
  readonly contracts?: { readonly list: readonly Contract[]; readonly book: CapacityBook } | undefined;
}

export class Supply {
  readonly #input: SupplyInput;
  readonly #byName: ReadonlyMap<string, SupplyAccount>;
  readonly #byProvider: ReadonlyMap<string, readonly SupplyAccount[]>;
  readonly #dialects: ReadonlySet<string>;
  readonly #aliases = new Map<string, ModelFacts>();
  readonly #deployments = new Map<string, Deployment>();

  constructor(input: SupplyInput) {
    this.#input = input;
    this.#byName = new Map(input.accounts.map((account) => [account.name, account]));
    this.#byProvider = groupBy(input.accounts, (account) => account.provider.id);
    this.#dialects = new Set([...input.providers.values()].flatMap((provider) => provider.dialect ?? []));
    for (const model of input.catalogue.models) {
      for (const alias of model.aliases) {
        const id = `${model.provider}/${alias}`;
        if (!input.catalogue.byId.has(id) && !this.#aliases.has(id)) this.#aliases.set(id, model);
      }
    }
    for (const account of input.accounts) this.#addKnown(account);
  }

  /** All deployments known beforehand, by id: catalogue models and configured models of each account. */
  get deployments(): ReadonlyMap<string, Deployment> {
    return this.#deployments;
  }

  account(name: string): SupplyAccount | undefined {
    return this.#byName.get(name);
  }

  /** The provider's accounts in file order. */
  accountsOf(providerId: string): readonly SupplyAccount[] {
    return this.#byProvider.get(providerId) ?? [];
  }

  /** Accounts at providers that keep such things, surely or perhaps, in file order: each as no model, and not metered. */
  keepers(kind: OwnedKind): readonly Deployment[] {
    const told = ({ keepsFiles, keepsMessageBatches }: ProviderFacts) => (kind === "files" ? keepsFiles : keepsMessageBatches);
    const keeping = (sure: true | "perhaps") => this.#input.accounts.filter(({ provider }) => told(provider) === sure && provider.dialect !== null);
    return [...keeping(true), ...keeping("perhaps")].map((account) => deploymentOf(account, null, kind, { kind: "unmetered" }, undefined));
  }

  /** Facts of `provider/upstream`, also by another name that the provider gives the model. */
  facts(providerId: string, upstream: string): ModelFacts | null {
    const id = `${providerId}/${upstream}`;
    return this.#input.catalogue.byId.get(id) ?? this.#aliases.get(id) ?? null;
  }

  /** Can this version call the model at all, whatever is configured? */
  spoken(model: ModelFacts): boolean {
    const provider = this.#input.providers.get(model.provider);
    if (provider === undefined || provider.dialect === null || model.type === "other") return false;
    return model.dialectOverride === null || this.#dialects.has(model.dialectOverride);
  }

  /** The deployment `account/upstream`, or why there is none. */
  supply(account: SupplyAccount, upstream: string): Supplied {
    const name = this.#ownName(account, upstream);
    const known = this.#deployments.get(`${account.name}/${name}`);
    if (known !== undefined) return { ok: true, deployment: known };
    return this.#build(account, name);
  }

  #addKnown(account: SupplyAccount): void {
    const upstreams = [...account.models.keys(), ...(account.deployments?.keys() ?? []), ...(account.deployments === undefined ? (account.provider.freeModels ?? []) : [])];
    const listed = account.deployments === undefined ? this.#input.catalogue.models : [];
    for (const model of listed) if (model.provider === account.provider.id) upstreams.push(model.upstream);
    for (const upstream of upstreams) {
      const supplied = this.#build(account, upstream);
      if (supplied.ok) this.#deployments.set(supplied.deployment.id, supplied.deployment);
    }
  }

  #build(account: SupplyAccount, upstream: string): Supplied {
    const behind = account.deployments?.get(upstream);
    if (account.deployments !== undefined && behind === undefined && !account.models.has(upstream)) return { ok: false, code: "unknown_model", message: noDeployment(account, upstream) };
    const model = this.facts(account.provider.id, behind ?? upstream);
    const unspoken = this.#unspoken(account.provider, model);
    if (unspoken !== null) return { ok: false, code: "provider_not_supported_yet", message: unspoken };
    const upstreamModel = behind === undefined ? (model?.upstream ?? upstream) : upstream;
    const override = account.models.get(upstream) ?? account.models.get(upstreamModel);
    const pricing = this.#contracted(located(this.#pricing(account, override, model, upstreamModel, upstream), account, upstreamModel), `${account.name}/${upstreamModel}`);
    if (pricing.kind === "unknown" && this.#input.unpriced === "refuse") {
      return { ok: false, code: "price_unknown", message: this.#priceUnknown(account, upstream, model) };
    }
    return { ok: true, deployment: deploymentOf(account, model, upstreamModel, pricing, override) };
  }

  /** What the owner says of the model, what is managed, what the owner says of the account, then what the catalogue says. */
  #pricing(account: SupplyAccount, override: SupplyOverride | undefined, model: ModelFacts | null, upstreamModel: string, upstream: string): Pricing {
    if (override?.unmetered === true) return UNMETERED;
    const { wallMs = 0 } = this.#input;
    const own = override?.price ?? null;
    const fromMs = override?.priceFromMs ?? 0;
    if (own !== null && fromMs <= wallMs) return { kind: "sheet", sheet: own };
    const free = account.provider.freeModels?.includes(upstream) === true;
    const listed = free ? FREE : (model?.price ?? null);
    const pricing = this.#managed(account, [upstreamModel, model?.upstream ?? upstreamModel], listed, free) ?? (account.unmetered ? UNMETERED : listed === null ? UNKNOWN : { kind: "sheet", sheet: listed });
    return own === null || pricing.kind !== "sheet" ? pricing : untilThen(pricing, own, fromMs);
  }

  #contracted(pricing: Pricing, deployment: string): Pricing {
    const { contracts, wallMs = 0 } = this.#input;
    return contracts === undefined ? pricing : pricingUnder(pricing, deployment, contracts.list, contracts.book, wallMs);
  }

  /** What managed prices say of a model by one of its names. What costs nothing by itself costs something only where the account is named. */
  #managed(account: SupplyAccount, names: readonly string[], listed: PriceSheet | null, free: boolean): Pricing | null {
    const { prices, wallMs = 0 } = this.#input;
    if (prices === undefined) return null;
    for (const model of new Set(names)) {
      const asked = { account: account.name, provider: account.provider.id, model, atMs: wallMs };
      const pricing = account.unmetered || free ? prices.accountPricingAt(asked, listed) : prices.pricingAt(asked, listed);
      if (pricing !== null) return pricing;
    }
    return null;
  }

  /** The account's own name for a model that goes by the catalogue's: the first deployment of it. */
  #ownName(account: SupplyAccount, upstream: string): string {
    if (account.deployments === undefined || account.deployments.has(upstream)) return upstream;
    const asked = this.facts(account.provider.id, upstream)?.id;
    for (const [name, model] of account.deployments) {
      if (model === upstream || (asked !== undefined && this.facts(account.provider.id, model)?.id === asked)) return name;
    }
    return upstream;
  }

  #unspoken(provider: ProviderFacts, model: ModelFacts | null): string | null {
    if (provider.dialect === null) return `${provider.name} speaks a protocol that this version does not speak yet`;
    if (model === null) return null;
    if (model.type === "other") return `${model.id} is neither a chat nor an embedding model; this version serves no others`;
    if (model.dialectOverride === null || this.#dialects.has(model.dialectOverride)) return null;
    return `${model.id} is only served over ${model.dialectOverride}, which this version does not speak yet`;
  }

  #priceUnknown(account: SupplyAccount, upstream: string, model: ModelFacts | null): string {
    const configured = [...account.models.keys()];
    const listed = this.#input.catalogue.models.filter((known) => known.provider === account.provider.id).map((known) => known.upstream);
    const near = model === null ? didYouMean(nearestNames(upstream, [...configured, ...listed]).map((name) => `${account.name}/${name}`)) : "";
    return `the price of ${account.name}/${upstream} is unknown${near}\n${priceLines(account.name, upstream)}`;
  }
}

function noDeployment(account: SupplyAccount, upstream: string): string {
  const near = didYouMean(nearestNames(upstream, [...(account.deployments?.keys() ?? [])]).map((name) => `${account.name}/${name}`));
  return `${account.name} has no deployment of ${upstream}${near}; name it under deployments`;
}

/** The YAML to paste so that a name without a known price can be called. Its blanks are refused until they are filled in. */
function priceLines(account: string, upstream: string): string {
  return [
    "To call it, state its price in USD per million tokens (USD each for images, seconds, characters, searches; or `unmetered: true`) in the configuration:",
    "providers:",
    `  ${account}:`,
    "    models:",
    `      ${JSON.stringify(upstream)}: { price: { input: <USD>, output: <USD> } }`,
  ].join("\n");
}

const UNMETERED: Pricing = { kind: "unmetered" };
const UNKNOWN: Pricing = { kind: "unknown" };
/** Given away by the provider's own terms. */
const FREE = plainSheet("free-by-contract", { input: 0, output: 0, requests: 0 });

function deploymentOf(account: SupplyAccount, model: ModelFacts | null, upstreamModel: string, pricing: Pricing, override: SupplyOverride | undefined): Deployment {
  return {
    id: `${account.name}/${upstreamModel}`,
    account: account.name,
    provider: providerFor(account.provider, model),
    model,
    upstreamModel,
    pricing,
    contextWindow: override?.contextWindow ?? model?.contextWindow ?? null,
    maxOutput: override?.maxOutput ?? model?.maxOutput ?? null,
    baseUrl: account.baseUrl,
    region: account.region ?? (account.baseUrl === account.provider.baseUrl ? account.provider.region : null),
    domain: { ...account.provider.domain, ...account.domain },
    reasons: model?.reasoning === true,
    ...(account.data === undefined ? {} : { data: account.data }),
    ...(override?.capabilities === undefined ? {} : { told: override.capabilities }),
  };
}

/** The pricing until the owner's own sheet takes over. */
function untilThen(pricing: Extract<Pricing, { kind: "sheet" }>, own: PriceSheet, fromMs: number): Pricing {
  return { ...pricing, later: [...(pricing.later ?? []).filter((next) => next.fromMs < fromMs), { fromMs, sheet: own }] };
}

/** A geography in front of the model's name, as hosts name profiles of several regions. */
const GEO_PREFIX = /^(global|us-gov|[a-z]{2,4})\./;

/** The pricing of calls that are served in a place which the model's name or the account's address tells. */
function located(pricing: Pricing, account: SupplyAccount, upstreamModel: string): Pricing {
  if (pricing.kind !== "sheet") return pricing;
  const sheets = [pricing.sheet, ...(pricing.later ?? []).flatMap((next) => next.sheet ?? [])];
  if (sheets.every((sheet) => Object.keys(sheet.geoPermille).length === 0)) return pricing;
  const prefix = GEO_PREFIX.exec(upstreamModel)?.[1];
  const byAddress = Object.entries(account.provider.endpoints ?? {}).find(([, url]) => url === account.baseUrl)?.[0];
  const geo = [prefix, byAddress].find((name) => name !== undefined && sheets.some((sheet) => Object.hasOwn(sheet.geoPermille, name)));
  return { ...pricing, ...(geo === undefined ? {} : { geo }), ...(account.provider.tellsGeo === true ? { geoTold: true } : {}) };
}

/** A model may need another dialect than its provider's usual one. */
function providerFor(provider: ProviderFacts, model: ModelFacts | null): ProviderFacts {
  const override = model?.dialectOverride ?? null;
  return override === null || override === provider.dialect ? provider : { ...provider, dialect: override as ProviderFacts["dialect"] };
}

/** Group by a key, both in order of appearance. */
export function groupBy<T>(items: readonly T[], keyOf: (item: T) => string): Map<string, T[]> {
  const groups = new Map<string, T[]>();
  for (const item of items) {
    const key = keyOf(item);
    const group = groups.get(key);
    if (group === undefined) groups.set(key, [item]);
    else group.push(item);
  }
  return groups;
}
