/**
 * Accounts that only some callers have: a credential of a team's own stands as an account beside the one that it is for,
 * under a name of its own (`openai~search`), so that health, pools and what is kept are apart by construction. Others
 * never see it: their directory does not know the name.
 */
import type { OwnedKind } from "../wire/surfaces.ts";
import { ordinary, type Deployment, type Route, type RouteCandidate } from "./deployment.ts";
import type { CallableModel, Directory, Resolution } from "./names.ts";

/** One credential as an account. */
export interface OwnAccount {
  /** `openai~search`. */
  readonly name: string;
  /** The configured account that it stands for. */
  readonly account: string;
  /** In place of that account's address; null: the same. */
  readonly baseUrl: string | null;
  /** Who is billed; absent: the organisation. */
  readonly paidBy?: "team";
}

/** Is this the id of a deployment that is called by a credential of its callers' own? */
export function isOwnCredential(deploymentId: string): boolean {
  const own = deploymentId.indexOf("~");
  return own >= 0 && own < deploymentId.indexOf("/");
}

/** Configured account → what is called in its place, in order; null: itself. An empty list: nothing may be. */
export type OwnUses = ReadonlyMap<string, readonly (OwnAccount | null)[]>;

const clones = new WeakMap<OwnAccount, WeakMap<Deployment, Deployment>>();

/** The deployment as it is called by that credential. The same one each time. */
export function ownDeployment(deployment: Deployment, own: OwnAccount): Deployment {
  let ofOwn = clones.get(own);
  if (ofOwn === undefined) clones.set(own, (ofOwn = new WeakMap()));
  let clone = ofOwn.get(deployment);
  if (clone === undefined) ofOwn.set(deployment, (clone = makeClone(deployment, own)));
  return clone;
}

function makeClone(deployment: Deployment, own: OwnAccount): Deployment {
  const { pricing } = deployment;
  const elsewhere = own.baseUrl !== null && own.baseUrl !== deployment.baseUrl;
  return {
    ...deployment,
    id: own.name + deployment.id.slice(deployment.account.length),
    account: own.name,
    // The organisation's contracts are not this account's.
    pricing: pricing.kind === "sheet" ? (pricing.list ?? pricing) : pricing,
    // What is known of a place is not known of another.
    ...(elsewhere ? { baseUrl: own.baseUrl, region: null, data: {}, ownAddress: true as const } : {}),
    ...(own.paidBy === undefined ? {} : { paidBy: own.paidBy }),
  };
}

/** A directory as callers with credentials of their own see it. */
export class OwnDirectory implements Directory {
  readonly #base: Directory;
  readonly #uses: OwnUses;
  readonly #byName: ReadonlyMap<string, OwnAccount>;
  readonly #routes = new WeakMap<Route, Resolution>();

  constructor(base: Directory, uses: OwnUses) {
    this.#base = base;
    this.#uses = uses;
    this.#byName = new Map([...uses.values()].flat().flatMap((own) => (own === null ? [] : [[own.name, own] as const])));
  }

  resolve(name: string): Resolution {
    const slash = name.indexOf("/");
    const own = slash < 0 ? undefined : this.#byName.get(name.slice(0, slash));
    if (own !== undefined) return this.#alone(own, name.slice(slash + 1));
    const found = this.#base.resolve(name);
    if (found.kind !== "route") return found;
    let mine = this.#routes.get(found.route);
    if (mine === undefined) this.#routes.set(found.route, (mine = this.#substituted(found)));
    return mine;
  }

  callable(): readonly CallableModel[] {
    return this.#base.callable();
  }

  keepers(kind: OwnedKind): readonly Deployment[] {
    return (this.#base.keepers?.(kind) ?? []).flatMap((deployment) => (this.#uses.get(deployment.account) ?? ITSELF).map((own) => (own === null ? deployment : ownDeployment(deployment, own))));
  }

  at(account: string, upstream: string): Deployment | null {
    const own = this.#byName.get(account);
    if (own !== undefined) return ownAt(this.#base, own, upstream);
    return (this.#uses.get(account) ?? ITSELF).includes(null) ? (this.#base.at?.(account, upstream) ?? null) : null;
  }

  meters(account: string): boolean {
    return this.#base.meters?.(this.#byName.get(account)?.account ?? account) ?? true;
  }

  /** `openai~search/gpt-4o`: that credential and nothing beside it. */
  #alone(own: OwnAccount, upstream: string): Resolution {
    const found = this.#base.resolve(`${own.account}/${upstream}`);
    if (found.kind !== "route") return found;
    const candidates = found.route.candidates.filter((one) => one.deployment.account === own.account && !one.automatic).map((one) => ({ ...one, deployment: ownDeployment(one.deployment, own) }));
    return candidates.length === 0 ? unusable(found, own.name) : { ...found, route: { ...found.route, candidates } };
  }

  #substituted(found: Extract<Resolution, { kind: "route" }>): Resolution {
    const route = this.#withoutTrials(found.route);
    if (![...route.candidates, ...(route.cheaper ?? [])].some(({ deployment }) => this.#uses.has(deployment.account))) return route === found.route ? found : { ...found, route };
    const candidates = route.candidates.flatMap((one) => this.#instead(one));
    if (ordinary(candidates).length === 0) return unusable(found, route.candidates.map(({ deployment }) => deployment.account).join(", "));
    const cheaper = route.cheaper?.flatMap((one) => this.#instead(one));
    return { ...found, route: { ...route, candidates, ...(cheaper === undefined ? {} : { cheaper }) } };
  }

  /** Whoever calls an account by a credential of its own has no part in what is tried there by another's. */
  #withoutTrials(route: Route): Route {
    const { canary, mirror, ...rest } = route;
    const own = (one: { readonly deployment: Deployment } | undefined): boolean => one !== undefined && this.#uses.has(one.deployment.account);
    if (!own(canary) && !own(mirror)) return route;
    return { ...rest, ...(canary !== undefined && !own(canary) && { canary }), ...(mirror !== undefined && !own(mirror) && { mirror }) };
  }

  #instead(candidate: RouteCandidate): readonly RouteCandidate[] {
    const uses = this.#uses.get(candidate.deployment.account);
    if (uses === undefined) return [candidate];
    return uses.map((own, i) => ({
      ...candidate,
      deployment: own === null ? candidate.deployment : ownDeployment(candidate.deployment, own),
      ...(i > 0 ? { follows: true as const } : {}),
    }));
  }
}

/** A directory as the gateway itself looks things up in: it knows every account of everybody, by its name. */
export class EveryDirectory implements Directory {
  readonly #base: Directory;
  readonly #byName: ReadonlyMap<string, OwnAccount>;

  constructor(base: Directory, all: Iterable<OwnAccount>) {
    this.#base = base;
    this.#byName = new Map([...all].map((own) => [own.name, own]));
  }

  resolve(name: string): Resolution {
    return this.#base.resolve(name);
  }

  callable(): readonly CallableModel[] {
    return this.#base.callable();
  }

  keepers(kind: OwnedKind): readonly Deployment[] {
    const known = this.#base.keepers?.(kind) ?? [];
    return [...known, ...[...this.#byName.values()].flatMap((own) => known.filter((one) => one.account === own.account).map((one) => ownDeployment(one, own)))];
  }

  at(account: string, upstream: string): Deployment | null {
    const own = this.#byName.get(account);
    return own === undefined ? (this.#base.at?.(account, upstream) ?? null) : ownAt(this.#base, own, upstream);
  }

  meters(account: string): boolean {
    return this.#base.meters?.(this.#byName.get(account)?.account ?? account) ?? true;
  }
}

const ITSELF: readonly (OwnAccount | null)[] = [null];

function ownAt(base: Directory, own: OwnAccount, upstream: string): Deployment | null {
  const found = base.at?.(own.account, upstream) ?? null;
  return found === null ? null : ownDeployment(found, own);
}

function unusable(found: Extract<Resolution, { kind: "route" }>, accounts: string): Resolution {
  return { kind: "unresolved", code: "provider_not_configured", message: `this key is to use a credential of its own for ${accounts}, which is disabled or has no secret`, trace: found.trace };
}
