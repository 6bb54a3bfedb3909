/**
 * What a name in `model` stands for. Order, first hit wins: route; alias or pattern; catalogue id `provider/upstream` and
 * `account/anything`; canonical name; upstream name if only one configured provider has it. Pure and immutable; results
 * are remembered in bounded maps, so that a known name costs one lookup.
 */
import type { ModelFacts, ProviderFacts } from "../wire/facts.ts";
import type { OwnedKind } from "../wire/surfaces.ts";
import type { CanaryTerms, MirrorTerms } from "./canary.ts";
import { DEFAULT_CLOCKS, type Deployment, type ReliefClass, type Route, type RouteCandidate, type RouteClocks, type Strategy } from "./deployment.ts";
import { byPreference, closest, plainVariant, unfitReason } from "./equivalence.ts";
import type { CallableModel, Directory, Resolution } from "./names.ts";
import { didYouMean, nearestNames } from "./nearest.ts";
import { matcher } from "./patterns.ts";
import { groupBy, Supply, type Refusal, type SupplyAccount, type SupplyInput } from "./supply.ts";

export interface DirectoryInput extends SupplyInput {
  readonly routes: readonly DirectoryRoute[];
  readonly aliases: readonly { readonly pattern: string; readonly target: string }[];
  readonly fallbacks: "off" | "auto";
}
export interface DirectoryRoute {
  readonly name: string;
  readonly candidates: readonly { readonly use: string; readonly weight: number }[];
  readonly strategy: Strategy;
  readonly clocks: RouteClocks;
  readonly keepalive: boolean;
  readonly forwardHeaders: readonly string[];
  readonly defaultMaxOutput: number;
  readonly lenient?: boolean;
  readonly rescue?: Route["rescue"];
  readonly onCostSpike?: "alert" | "move";
  readonly cheaper?: readonly { readonly use: string; readonly weight: number }[];
  readonly onContextWindow?: DirectoryRoute["candidates"];
  readonly onContentPolicy?: DirectoryRoute["candidates"];
  readonly canary?: CanaryTerms;
  readonly mirror?: MirrorTerms;
  readonly objectives?: Route["objectives"];
  /** null: nothing is stated. */
  readonly terms?: Route["terms"] | null;
  readonly errorBudget?: Route["errorBudget"];
  readonly importance?: Route["importance"];
}

/** Something configured that cannot work, by its place in the configuration. */
export interface DirectoryProblem {
  readonly path: readonly (string | number)[];
  readonly code: Refusal["code"];
  /** The name that cannot be used. */
  readonly name: string;
  readonly message: string;
}
export interface BuiltDirectory {
  readonly directory: Directory;
  /** Every deployment known beforehand, by id. `account/anything` may add others at a request. */
  readonly deployments: ReadonlyMap<string, Deployment>;
  readonly problems: readonly DirectoryProblem[];
}

/** Output limit where a hard limit applies and neither client nor route asks one. */
export const DEFAULT_MAX_OUTPUT = 8_192;
const LONGEST_NAME = 512;
const REMEMBERED = 8_192;
const REMEMBERED_MISSES = 1_024;

/** Build the directory of one configuration. Costs a few ms; made once per load. */
export function buildDirectory(input: DirectoryInput): BuiltDirectory {
  const supply = new Supply(input);
  const resolver = new Resolver(input, supply);
  return { directory: resolver, deployments: supply.deployments, problems: resolver.problems() };
}

/** What a step found: deployments named by the request itself, before any automatic fallback. */
interface Hit {
  readonly deployments: readonly Deployment[];
}
type StepResult = { readonly kind: "hit"; readonly hit: Hit } | { readonly kind: "stop"; readonly refusal: Refusal } | { readonly kind: "none" };
const NONE: StepResult = { kind: "none" };

/** What a route promises, where it promises anything: the others stay as small as they were. */
function promised({ objectives, terms, errorBudget, importance }: DirectoryRoute): Pick<Route, "objectives" | "terms" | "errorBudget" | "importance"> {
  return {
    ...(objectives !== undefined && objectives.length > 0 && { objectives }),
    ...(terms !== undefined && terms !== null && { terms }),
    ...(errorBudget !== undefined && errorBudget.steps.length > 0 && { errorBudget }),
    ...(importance !== undefined && importance !== "normal" && { importance }),
  };
}

interface Search {
  readonly name: string;
  readonly trace: string[];
  /** Why something that knew the name could not serve it; told if nothing else serves it either. */
  refusal: Refusal | null;
}

class Resolver implements Directory {
  readonly #input: DirectoryInput;
  readonly #supply: Supply;
  readonly #routes = new Map<string, Route | Refusal>();
  readonly #exactAliases: ReadonlyMap<string, string>;
  readonly #patterns: readonly { readonly pattern: string; readonly matches: (name: string) => boolean; readonly target: string }[];
  readonly #found = new Map<string, Resolution>();
  readonly #missed = new Map<string, Resolution>();
  readonly #problems: DirectoryProblem[] = [];
  #callable: readonly CallableModel[] | null = null;

  constructor(input: DirectoryInput, supply: Supply) {
    this.#input = input;
    this.#supply = supply;
    this.#exactAliases = new Map(input.aliases.filter((alias) => !alias.pattern.includes("*")).map((alias) => [alias.pattern, alias.target]));
    this.#patterns = input.aliases.filter((alias) => alias.pattern.includes("*")).map((alias) => ({ ...alias, matches: matcher(alias.pattern) }));
    for (const route of input.routes) this.#routes.set(route.name, this.#buildRoute(route));
    this.#checkAliases();
  }

  problems(): readonly DirectoryProblem[] {
    return this.#problems;
  }

  resolve(name: string): Resolution {
    const known = this.#found.get(name) ?? this.#missed.get(name);
    if (known !== undefined) return known;
    if (name.length > LONGEST_NAME) return { kind: "unresolved", code: "unknown_model", message: `a model name of ${name.length} characters is not known`, trace: [] };
    const resolution = this.#search(name);
    // Apart, so that a flood of made-up names cannot push out those in use.
    if (resolution.kind === "route") remember(this.#found, name, resolution, REMEMBERED);
    else remember(this.#missed, name, resolution, REMEMBERED_MISSES);
    return resolution;
  }

  callable(): readonly CallableModel[] {
    this.#callable ??= this.#list();
    return this.#callable;
  }

  keepers(kind: OwnedKind): readonly Deployment[] {
    return this.#supply.keepers(kind);
  }

  at(account: string, upstream: string): Deployment | null {
    const own = this.#supply.account(account);
    const supplied = own === undefined ? null : this.#supply.supply(own, upstream);
    return supplied?.ok === true ? supplied.deployment : null;
  }

  mayServe(account: string, model: string): boolean {
    for (const deployment of this.#supply.deployments.values()) if (deployment.account === account && (deployment.model?.canonical ?? deployment.upstreamModel) === model) return true;
    const { models } = this.#input.catalogue;
    const provider = this.#supply.account(account)?.provider.id;
    // What nobody lists may be a tuned model of this account; of a host without a list, any.
    return !models.some((one) => one.canonical === model) || !models.some((one) => one.provider === provider);
  }

  meters(account: string): boolean {
    const own = this.#supply.account(account);
    return own === undefined || !own.unmetered || [...own.models.values()].some((model) => model.price !== null);
  }

  #search(asked: string): Resolution {
    const search: Search = { name: asked.startsWith("models/") ? asked.slice("models/".length) : asked, trace: [], refusal: null };
    if (search.name !== asked) search.trace.push(`leading "models/" dropped: ${search.name}`);
    const routed = this.#asRoute(search);
    if (routed !== null) return routed;
    const aliasTarget = this.#aliasTarget(search);
    if (aliasTarget === null) return this.#asModel(search);
    // A target is never looked up among the aliases again, so that no chain can run in a circle.
    const target: Search = { name: aliasTarget, trace: search.trace, refusal: null };
    return this.#asRoute(target) ?? this.#asModel(target);
  }

  #asRoute(search: Search): Resolution | null {
    const route = this.#routes.get(search.name);
    if (route === undefined) {
      search.trace.push(`route: none is named ${quoted(search.name)}`);
      return null;
    }
    search.trace.push(`route: ${search.name}`);
    if ("code" in route) return { kind: "unresolved", ...route, trace: search.trace };
    for (const [index, { deployment }] of route.candidates.entries()) search.trace.push(`candidate ${index + 1}: ${deployment.id}`);
    return { kind: "route", route, trace: search.trace };
  }

  #aliasTarget(search: Search): string | null {
    const exact = this.#exactAliases.get(search.name);
    const pattern = exact === undefined ? this.#patterns.find((entry) => entry.matches(search.name)) : undefined;
    const target = exact ?? pattern?.target ?? null;
    if (target === null) search.trace.push("alias: none matches");
    else search.trace.push(pattern === undefined ? `alias: means ${target}` : `alias: matches ${quoted(pattern.pattern)}, means ${target}`);
    return target;
  }

  #asModel(search: Search): Resolution {
    for (const step of [this.#byId, this.#byAccount, this.#byCanonical, this.#byUpstream]) {
      const result = step.call(this, search);
      if (result.kind === "stop") return { kind: "unresolved", ...result.refusal, trace: search.trace };
      if (result.kind === "hit") return { kind: "route", route: this.#automaticRoute(search, result.hit), trace: search.trace };
    }
    const refusal = search.refusal ?? this.#unknown(search.name);
    return { kind: "unresolved", ...refusal, trace: search.trace };
  }

  /** Catalogue id: that provider's accounts in file order. */
  #byId(search: Search): StepResult {
    const [prefix, upstream] = splitName(search.name);
    const facts = upstream === null ? null : this.#supply.facts(prefix, upstream);
    if (facts === null) {
      search.trace.push("catalogue id: no such id");
      return NONE;
    }
    const accounts = this.#supply.accountsOf(facts.provider);
    if (accounts.length > 0) return this.#supplyAll(search, "catalogue id", accounts.map((account) => [account, facts.upstream]));
    search.trace.push(`catalogue id: known, but no account of ${facts.provider} is configured`);
    search.refusal ??= this.#notConfigured([facts]);
    return NONE;
  }

  /** `account/anything` of a configured account. */
  #byAccount(search: Search): StepResult {
    const [prefix, upstream] = splitName(search.name);
    const account = upstream === null ? undefined : this.#supply.account(prefix);
    if (account === undefined || upstream === null) {
      const provider = upstream === null ? undefined : this.#input.providers.get(prefix);
      const accounts = this.#supply.accountsOf(prefix).map((known) => known.name);
      search.trace.push(`account/model: ${provider === undefined ? "no such account" : `${prefix} is a provider, but no account has that name`}`);
      if (provider !== undefined) search.refusal ??= this.#noAccount(search.name, provider, accounts);
      return NONE;
    }
    return this.#supplyAll(search, "account/model", [[account, upstream]]);
  }

  /** Canonical name: the maker if configured, else the cheapest direct host, aggregators last. */
  #byCanonical(search: Search): StepResult {
    const models = this.#input.catalogue.byCanonical.get(search.name) ?? [];
    if (models.length === 0) {
      search.trace.push("canonical name: no such name");
      return NONE;
    }
    const { deployments, refusal } = this.#serving(models);
    const usable = deployments.filter((deployment) => deployment.model?.status !== "retired");
    const preferred = usable.toSorted(byPreference(plainVariant(models, this.#input.providers), search.name))[0];
    // Prices choose the provider, never the name there: a model that its owner priced would lose to a snapshot of itself.
    const [best] = usable.filter((one) => one.provider.id === preferred?.provider.id && one.model?.variant === preferred.model?.variant).toSorted(closest(search.name));
    if (best === undefined) {
      search.trace.push("canonical name: known, but no configured account serves it");
      search.refusal ??= refusal ?? this.#notConfigured(models);
      return NONE;
    }
    const same = onePerAccount(deployments.filter((deployment) => deployment.upstreamModel === best.upstreamModel && deployment.provider.id === best.provider.id));
    search.trace.push(`canonical name: ${best.provider.id} (${best.provider.kind}) is preferred among ${serverNames(deployments)}`);
    return { kind: "hit", hit: { deployments: same } };
  }

  /** Upstream name, if only one configured provider has it. */
  #byUpstream(search: Search): StepResult {
    const models = this.#input.catalogue.byUpstream.get(search.name) ?? [];
    const { deployments, refusal } = this.#serving(models);
    for (const account of this.#input.accounts) {
      const own = account.models.has(search.name) || account.provider.freeModels?.includes(search.name) === true ? this.#supply.supply(account, search.name) : null;
      if (own?.ok === true) deployments.push(own.deployment);
    }
    // Servers of one's own share a type without being the same provider.
    const groups = groupBy(onePerAccount(deployments), (deployment) => (deployment.provider.baseUrl === null && deployment.provider.address === undefined ? deployment.account : deployment.provider.id));
    const [only] = groups.values();
    if (only === undefined) {
      search.trace.push(models.length === 0 ? "upstream name: no such name" : "upstream name: known, but no configured account serves it");
      if (models.length > 0) search.refusal ??= refusal ?? this.#notConfigured(models);
      return NONE;
    }
    if (groups.size > 1) {
      const ids = [...groups.values()].map((group) => group[0]?.id ?? "").filter((id) => id !== "");
      search.trace.push(`upstream name: several providers have it: ${ids.join(", ")}`);
      return { kind: "stop", refusal: { code: "ambiguous_model", message: `several configured providers have a model named ${quoted(search.name)}; ask for one of ${ids.join(", ")}` } };
    }
    search.trace.push(`upstream name: only ${only[0]?.provider.id} has it`);
    return { kind: "hit", hit: { deployments: only } };
  }

  /** The deployments of these pairs; the first reason where there is none. */
  #supplyAll(search: Search, step: string, pairs: readonly (readonly [SupplyAccount, string])[]): StepResult {
    const deployments: Deployment[] = [];
    let refusal: Refusal | null = null;
    for (const [account, upstream] of pairs) {
      const supplied = this.#supply.supply(account, upstream);
      if (supplied.ok) deployments.push(supplied.deployment);
      else refusal ??= { code: supplied.code, message: supplied.message };
    }
    if (deployments.length > 0 || refusal === null) {
      search.trace.push(`${step}: ${deployments.map((deployment) => deployment.id).join(", ")}`);
      return deployments.length > 0 ? { kind: "hit", hit: { deployments } } : NONE;
    }
    search.trace.push(`${step}: ${refusal.code}`);
    return { kind: "stop", refusal };
  }

  /** Every configured deployment of these models, in file order within a model. */
  #serving(models: readonly ModelFacts[]): { deployments: Deployment[]; refusal: Refusal | null } {
    const deployments: Deployment[] = [];
    let refusal: Refusal | null = null;
    for (const model of models) {
      for (const account of this.#supply.accountsOf(model.provider)) {
        const supplied = this.#supply.supply(account, model.upstream);
        if (supplied.ok) deployments.push(supplied.deployment);
        else refusal ??= { code: supplied.code, message: supplied.message };
      }
    }
    return { deployments, refusal };
  }

  #automaticRoute(search: Search, hit: Hit): Route {
    const named = hit.deployments.map((deployment): RouteCandidate => ({ deployment, weight: 1, automatic: false }));
    const fallbacks = this.#fallbacks(search, hit).map((deployment): RouteCandidate => ({ deployment, weight: 1, automatic: true }));
    for (const [index, candidate] of [...named, ...fallbacks].entries()) {
      search.trace.push(`candidate ${index + 1}: ${candidate.deployment.id}${candidate.automatic ? " (automatic fallback)" : ""}`);
    }
    return {
      name: search.name,
      candidates: [...named, ...fallbacks],
      strategy: "priority",
      clocks: DEFAULT_CLOCKS,
      keepalive: true,
      forwardHeaders: [],
      defaultMaxOutput: DEFAULT_MAX_OUTPUT,
      automatic: true,
    };
  }

  #fallbacks(search: Search, hit: Hit): readonly Deployment[] {
    const [first] = hit.deployments;
    if (this.#input.fallbacks === "off" || first === undefined || first.model === null) return [];
    const stated = (this.#supply.account(first.account)?.region ?? null) !== null;
    const taken = new Set(hit.deployments.map((deployment) => deployment.id));
    const { deployments } = this.#serving(this.#input.catalogue.byCanonical.get(first.model.canonical) ?? []);
    const fit: Deployment[] = [];
    for (const deployment of deployments) {
      if (taken.has(deployment.id) || deployment.provider.id === first.provider.id) continue;
      const reason = unfitReason(first, deployment, stated);
      if (reason === null) fit.push(deployment);
      else search.trace.push(`not a fallback: ${deployment.id}: ${reason}`);
    }
    return onePerAccount(fit.toSorted(closest(first.upstreamModel))).toSorted(byPreference(first.model.variant, first.upstreamModel));
  }

  /** A provider's name before the slash, a model after it that the catalogue does not know, and no account of that name. */
  #noAccount(name: string, provider: ProviderFacts, accounts: readonly string[]): Refusal {
    if (provider.dialect === null) return { code: "provider_not_supported_yet", message: `${provider.name} speaks a protocol that this version does not speak yet` };
    const listed = this.#input.catalogue.models.filter((model) => model.provider === provider.id).map((model) => model.id);
    const near = didYouMean(nearestNames(name, listed));
    if (accounts.length > 0) return { code: "unknown_model", message: `there is no model ${quoted(name)}${near}; accounts of ${provider.id} are ${accounts.join(", ")}` };
    const way = provider.env[0] === undefined ? `add an account of type ${provider.id} to providers` : `set ${provider.env[0]}`;
    return { code: "provider_not_configured", message: `no account of ${provider.name} is configured for ${quoted(name)}: ${way}${near}` };
  }

  #notConfigured(models: readonly ModelFacts[]): Refusal {
    const spoken = models.filter((model) => this.#supply.spoken(model));
    const [first] = models;
    if (spoken.length === 0) {
      return { code: "provider_not_supported_yet", message: `${quoted(first?.id ?? "")} is known, but this version cannot call it yet` };
    }
    const ids = [...new Set(spoken.map((model) => model.provider))];
    const ways = ids.flatMap((id) => {
      const provider = this.#input.providers.get(id);
      if (provider === undefined) return [];
      return provider.env[0] === undefined ? `configure ${id}` : `set ${provider.env[0]} (${provider.name})`;
    });
    const [model] = spoken;
    const served = model === undefined ? [] : this.#serving(this.#input.catalogue.byCanonical.get(model.canonical) ?? []).deployments;
    const instead = served.length === 0 ? "" : `; ${serverNames(served)} can serve it as ${quoted(model?.canonical ?? "")}`;
    return { code: "provider_not_configured", message: `no configured account serves ${quoted(model?.id ?? "")}: ${ways.join(" or ")}${instead}` };
  }

  #unknown(name: string): Refusal {
    const near = nearestNames(name, this.#names());
    return { code: "unknown_model", message: `there is no model ${quoted(name)}${didYouMean(near)}${this.#statedByAccount(name)}` };
  }

  /** The catalogue does not know every model; what it does not know is called by its account. */
  #statedByAccount(name: string): string {
    const [account] = this.#input.accounts;
    return account === undefined || name.includes("/") || name.length > 100 ? "" : `; a model that the catalogue does not list is called as account/model, here ${quoted(`${account.name}/${name}`)}`;
  }

  /** What would resolve, for suggestions. */
  *#names(): Generator<string> {
    yield* this.#routes.keys();
    yield* this.#exactAliases.keys();
    for (const { id, model } of this.#supply.deployments.values()) {
      yield model?.id ?? id;
      if (model !== null) yield model.canonical;
    }
  }

  #buildRoute(config: DirectoryRoute): Route | Refusal {
    const candidates: RouteCandidate[] = [];
    let refusal: Refusal | null = null;
    for (const [index, { use, weight }] of config.candidates.entries()) {
      const supplied = this.#candidate(use);
      if (supplied.ok) {
        candidates.push({ deployment: supplied.deployment, weight, automatic: false });
        continue;
      }
      refusal ??= { code: supplied.code, message: supplied.message };
      this.#problems.push({ path: ["routes", config.name, "candidates", index], code: supplied.code, name: use, message: supplied.message });
    }
    const cheaper = this.#further(config, "cheaper", config.cheaper);
    const heldBack = [...this.#further(config, "on_context_window", config.onContextWindow, "context"), ...this.#further(config, "on_content_policy", config.onContentPolicy, "content_policy")];
    if (candidates.length === 0) return refusal ?? { code: "unknown_model", message: `route ${config.name} has no candidates` };
    candidates.push(...heldBack);
    const { name, strategy, clocks, keepalive, forwardHeaders, defaultMaxOutput, lenient, onCostSpike } = config;
    return { name, candidates, strategy, clocks, keepalive, forwardHeaders, defaultMaxOutput, automatic: false, ...(lenient === true && { lenient }), ...(config.rescue !== undefined && { rescue: config.rescue }), ...(onCostSpike === "move" && { onCostSpike }), ...(cheaper.length > 0 && { cheaper }), ...promised(config), ...this.#tried(config) };
  }

  /** Candidates of a list beside the route's own. What of it leads nowhere is a problem. */
  #further({ name }: DirectoryRoute, key: string, list: DirectoryRoute["candidates"] = [], after?: ReliefClass): readonly RouteCandidate[] {
    return list.flatMap(({ use, weight }, index): RouteCandidate[] => {
      const supplied = this.#candidate(use);
      if (supplied.ok) return [{ deployment: supplied.deployment, weight, automatic: false, ...(after === undefined ? {} : { after }) }];
      this.#problems.push({ path: ["routes", name, key, index], code: supplied.code, name: use, message: supplied.message });
      return [];
    });
  }

  #tried({ name, canary, mirror }: DirectoryRoute): Pick<Route, "canary" | "mirror"> {
    const of = <T extends CanaryTerms | MirrorTerms>(key: string, terms: T | undefined): { deployment: Deployment; terms: T } | undefined => {
      const supplied = terms === undefined ? undefined : this.#candidate(terms.use);
      if (terms === undefined || supplied === undefined) return undefined;
      if (supplied.ok) return { deployment: supplied.deployment, terms };
      this.#problems.push({ path: ["routes", name, key, "use"], code: supplied.code, name: terms.use, message: supplied.message });
      return undefined;
    };
    const [tries, copies] = [of("canary", canary), of("mirror", mirror)];
    return { ...(tries !== undefined && { canary: tries }), ...(copies !== undefined && { mirror: copies }) };
  }

  #candidate(use: string): ReturnType<Supply["supply"]> {
    const [prefix, upstream] = splitName(use);
    const account = upstream === null ? undefined : this.#supply.account(prefix);
    if (account !== undefined && upstream !== null) return this.#supply.supply(account, upstream);
    const near = nearestNames(prefix, this.#input.accounts.map((known) => known.name));
    return { ok: false, code: "unknown_model", message: `${quoted(use)} names no configured account${didYouMean(near)}` };
  }

  #checkAliases(): void {
    for (const { pattern, target } of this.#input.aliases) {
      const search: Search = { name: target, trace: [], refusal: null };
      const resolution = this.#asRoute(search) ?? this.#asModel(search);
      if (resolution.kind === "unresolved") this.#problems.push({ path: ["aliases", pattern], code: resolution.code, name: target, message: resolution.message });
    }
  }

  #list(): readonly CallableModel[] {
    const listed = new Map<string, CallableModel>();
    const add = (id: string, ownedBy: string): void => {
      if (!listed.has(id)) listed.set(id, { id, ownedBy, createdS: 0 });
    };
    for (const [name, route] of this.#routes) if (!("code" in route)) add(name, "spillway");
    for (const alias of this.#exactAliases.keys()) if (this.resolve(alias).kind === "route") add(alias, "spillway");
    for (const deployment of this.#supply.deployments.values()) {
      if (deployment.model?.status === "retired") continue;
      add(deployment.model?.id ?? deployment.id, deployment.provider.id);
    }
    return [...listed.values()];
  }
}

function splitName(name: string): readonly [string, string | null] {
  const slash = name.indexOf("/");
  return slash <= 0 || slash === name.length - 1 ? [name, null] : [name.slice(0, slash), name.slice(slash + 1)];
}

function onePerAccount(deployments: readonly Deployment[]): readonly Deployment[] {
  const seen = new Map<string, Deployment>();
  for (const deployment of deployments) if (!seen.has(deployment.account)) seen.set(deployment.account, deployment);
  return [...seen.values()];
}

function serverNames(deployments: readonly Deployment[]): string {
  return [...new Set(deployments.map((deployment) => deployment.account))].join(", ");
}

function remember(memory: Map<string, Resolution>, name: string, resolution: Resolution, limit: number): void {
  const oldest = memory.size >= limit ? memory.keys().next().value : undefined;
  if (oldest !== undefined) memory.delete(oldest);
  memory.set(name, resolution);
}

function quoted(name: string): string {
  return JSON.stringify(name.length > 200 ? `${name.slice(0, 200)}…` : name);
}
