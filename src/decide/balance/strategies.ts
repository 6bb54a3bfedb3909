/**
 * The orders of candidates that people know by name. Each is a pure function of what is known and of chance. Health is not their matter:
 * the next step goes to the first in order that can be called. Only `least-busy` looks at it, since a choice between two
 * of which one is down is none.
 */
import { nameHash } from "../../wire/name-hash.ts";
import type { Deployment, RouteCandidate, Strategy } from "../deployment.ts";
import type { Estimate } from "../observed/types.ts";

/** What strategies ask. Each asks only for what it orders by. */
export interface StrategyFacts {
  /** Uniform in [0, 1). */
  readonly random: () => number;
  /** Expected price of this request there; null: no price is known. */
  readonly priceNanoUsd: (deployment: Deployment) => number | null;
  readonly estimate: (deployment: Deployment) => Estimate;
  /** How busy it is, in ms: see `PeakEwma`. */
  readonly loadMs: (deployment: Deployment) => number;
  /** Can it be called now? */
  readonly usable: (deployment: Deployment) => boolean;
  /** What the request belongs to: see `sessionOf`. null: nothing. */
  readonly session: string | null;
  /** `fastest`: by when this share of calls has first content; absent: half. */
  readonly share?: number;
  /** `fastest`: what is compared in place of times to first content, in ms; null: too little is known of it. Absent: nothing is. */
  readonly paceMs?: (deployment: Deployment) => number | null;
  /** `fastest`: this share of the requests may try one again that was not called for so long; absent: none. */
  readonly explore?: { readonly share: number; readonly idleMs: (deployment: Deployment) => number };
}

/** `fastest`: one that was called since is known well enough. Where requests are many, they try it this often and not by their share. */
export const EXPLORE_AFTER_MS = 10_000;

/** A candidate with those that follow it, wherever it goes. */
type Group = readonly RouteCandidate[];

/** The candidates in the order of a strategy; `balanced` is as written, for its plan needs more than an order. */
export function inOrder(strategy: Strategy, candidates: readonly RouteCandidate[], facts: StrategyFacts): readonly RouteCandidate[] {
  if (strategy === "priority" || strategy === "balanced" || candidates.length < 2) return candidates;
  const groups = grouped(candidates);
  switch (strategy) {
    case "weighted":
      return drawn(groups, facts.random).flat();
    case "cheapest":
      return byKey(groups, ({ deployment }) => facts.priceNanoUsd(deployment) ?? Number.POSITIVE_INFINITY).flat();
    case "fastest":
      return exploring(byKey(groups, ({ deployment }) => waitOf(deployment, facts)), facts).flat();
    case "least-busy":
      return leastBusy(groups, facts).flat();
    case "sticky": {
      const { session } = facts;
      return (session === null ? drawn(groups, facts.random) : rendezvous(groups, session)).flat();
    }
  }
}

/**
 * What a request belongs to, so that `sticky` sends all of it to one place: the end user or the prompt cache that it names, apart for
 * each caller. null: it names nothing.
 */
export function sessionOf(caller: string, named: { readonly promptCacheKey?: string | null; readonly user?: string | null; readonly metadataUserId?: string | null }): string | null {
  // What was made for the cache comes first: an end user may have several conversations.
  const name = [named.promptCacheKey, named.user, named.metadataUserId].find((one) => one != null && one !== "");
  return name == null ? null : `${caller.length}:${caller}:${name}`;
}

function grouped(candidates: readonly RouteCandidate[]): Group[] {
  const groups: RouteCandidate[][] = [];
  for (const candidate of candidates) {
    const last = groups.at(-1);
    if (candidate.follows === true && last !== undefined) last.push(candidate);
    else groups.push([candidate]);
  }
  return groups;
}

/** Least first; equals stay as they were written. */
function byKey(groups: readonly Group[], key: (leader: RouteCandidate) => number): readonly Group[] {
  const keyed = groups.map((group) => ({ group, key: key(leaderOf(group)) }));
  // Infinity less Infinity is no number.
  return keyed.toSorted((a, b) => (a.key === b.key ? 0 : a.key < b.key ? -1 : 1)).map(({ group }) => group);
}

function leaderOf(group: Group): RouteCandidate {
  return group[0] as RouteCandidate;
}

/** Drawn by weight without replacement: the smallest -ln(u)/w is first with probability w/Σw, and so on for the rest. */
function drawn(groups: readonly Group[], random: () => number): readonly Group[] {
  return byKey(groups, ({ weight }) => -Math.log(1 - random()) / weight);
}

/**
 * What a call waits for first content, for each that has any: what fails fast is not quick. One of whose times too little is known comes
 * first, so that it becomes known.
 */
function waitOf(deployment: Deployment, { estimate, paceMs, share = 0.5 }: StrategyFacts): number {
  const believed = estimate(deployment);
  const waitMs = paceMs === undefined ? believed.quantile(share) : paceMs(deployment);
  return waitMs === null ? 0 : waitMs / Math.max(1e-9, 1 - believed.failsBefore);
}

/** Who was slower may have become quicker, which nobody would notice: of a few requests it is the first. */
function exploring(groups: readonly Group[], { explore, usable, random }: StrategyFacts): readonly Group[] {
  if (explore === undefined || explore.share <= 0) return groups;
  let due: Group | null = null;
  let longestMs = EXPLORE_AFTER_MS;
  for (let i = 1; i < groups.length; i++) {
    const group = groups[i] as Group;
    const { deployment } = leaderOf(group);
    const idleMs = explore.idleMs(deployment);
    if (idleMs < longestMs || !usable(deployment)) continue;
    longestMs = idleMs;
    due = group;
  }
  // Chance is asked only where it decides.
  return due === null || random() >= explore.share ? groups : [due, ...groups.filter((one) => one !== due)];
}

/**
 * Power of two choices: of two drawn at random the less busy one is called, so that many who choose at a time do not all run to
 * the same. The rest, for failover, by how busy they are.
 */
function leastBusy(groups: readonly Group[], { loadMs, usable, random }: StrategyFacts): readonly Group[] {
  const known = groups.map((group) => ({ group, loadMs: loadMs(leaderOf(group).deployment), usable: usable(leaderOf(group).deployment) }));
  const rest = known.toSorted((a, b) => Number(b.usable) - Number(a.usable) || a.loadMs - b.loadMs);
  const can = known.filter((one) => one.usable);
  if (can.length < 2) return rest.map(({ group }) => group);
  const first = Math.floor(random() * can.length);
  const other = Math.floor(random() * (can.length - 1));
  const [a, b] = [can[first], can[other >= first ? other + 1 : other]] as [(typeof can)[number], (typeof can)[number]];
  const taken = b.loadMs < a.loadMs ? b : a;
  return [taken.group, ...rest.filter((one) => one !== taken).map(({ group }) => group)];
}

const HASHES = 2 ** 53;

/**
 * Every session has its own order of deployments, by weight, that depends on nothing else: if one goes, only its sessions move, each to
 * its own next; and when it comes back, they do.
 */
function rendezvous(groups: readonly Group[], session: string): readonly Group[] {
  return byKey(groups, ({ deployment, weight }) => {
    const hash = Number.parseInt(nameHash(`${session}\n${deployment.id}`), 36);
    return -Math.log((hash + 0.5) / HASHES) / weight;
  });
}
