/** The part of a report that tells of one route: folded from its events in the order of time, minutes first, then rows. */
import { usdOf } from "../contract/exact.ts";
import type { Objective } from "../objective/types.ts";
import { attainment, percentOf, ThroughputMinutes, type Attainment } from "./attainment.ts";
import { badLine, canonical, compare, hashed, minuteLine, type Hash, type NewHash } from "./canonical.ts";
import { distributionOf, type Distribution } from "./distribution.ts";
import { incidentsOf, named, type Incident, type Named } from "./incidents.ts";
import { latenessOf, type Lateness } from "./lateness.ts";
import { isFailure } from "./tally.ts";
import { MINUTE_MS, type BadRequest, type Counts, type MinuteEvent } from "./types.ts";
import { isWhole } from "../objective/judge.ts";
import type { Json } from "../../wire/json.ts";

/** Of what a section tells. */
export interface RouteSpan {
  readonly route: string;
  /** Whose month it is. */
  readonly zone: string;
  readonly fromMs: number;
  /** The month's end, or where events end so far. */
  readonly untilMs: number;
  /** By version. */
  readonly objectives: ReadonlyMap<string, readonly Objective[]>;
}

export interface RouteSection {
  readonly route: string;
  readonly zone: string;
  readonly from: string;
  readonly until: string;
  /** Over the events, the span and the versions of the objectives. */
  readonly digest: string;
  /** With the digest: what it was made over, to make it again. */
  readonly promised: readonly { readonly version: string; readonly objectives: readonly Objective[] }[];
  readonly events: { readonly minutes: number; readonly badRequests: number };
  readonly requests: RequestSums;
  /** Requests that are not valid, by why. */
  readonly exclusions: readonly Named[];
  /** Of all requests: those that were refused before a route was known. Absent: a report of the first format. */
  readonly refused?: readonly Refused[];
  readonly objectives: readonly Attainment[];
  readonly incidents: readonly Incident[];
  readonly firstContent: Distribution;
  readonly total: Distribution;
  readonly cost: CostOfReliability;
  readonly deployments: readonly DeploymentSums[];
  /** Where counts and rows contradict each other; empty: nowhere. */
  readonly contradictions: readonly string[];
}
/** Requests that were refused at the door. */
export interface Refused {
  /** `client`: not valid. `failed`: ours, so bad. */
  readonly class: string;
  readonly why: string;
  readonly count: number;
}
export interface RequestSums {
  readonly all: number;
  readonly valid: number;
  readonly lost: number;
  /** Answered although a call failed. */
  readonly saved: number;
  /** Sent elsewhere at once, since the first choice was resting. */
  readonly diverted: number;
  readonly late: number;
  readonly tokens: number;
  /** Of valid requests, answered to their end; null: there were none. */
  readonly answeredPercent: string | null;
  readonly classes: readonly Named[];
}
/** In dollars. */
export interface CostOfReliability {
  readonly allUsd: string;
  /** Calls that failed and were paid all the same. */
  readonly failedUsd: string;
  /** Calls that another was faster than: hedges and races. */
  readonly beatenUsd: string;
  /** Answers of a dearer candidate than the cheapest. */
  readonly dearerUsd: string;
  /** Calls whose cost is not known. */
  readonly unpriced: number;
}
export interface DeploymentSums {
  readonly deployment: string;
  readonly answered: number;
  readonly calls: number;
  readonly failed: number;
  readonly usd: string;
}

/** Sums of money pass the safe integers at nine million dollars. */
const MONEY = ["cost", "failed_cost", "beaten_cost", "dearer_cost"] as const;
const NONE: ReadonlyMap<string, number> = new Map();

interface Minute {
  readonly minuteMs: number;
  all: number;
  trouble: number;
  lost: number;
  saved: number;
  late: number;
  diverted: number;
  asked: number;
  whole: number;
  tokens: number;
  version: string;
  causes: ReadonlyMap<string, number>;
  deployments: ReadonlyMap<string, number>;
  lateness: readonly Lateness[];
}

export class RouteFold {
  readonly #span: RouteSpan;
  readonly #newHash: NewHash;
  readonly #minutesHash: Hash;
  readonly #badHash: Hash;
  readonly #counts = new Map<string, number>();
  readonly #byDeployment = new Map<string, Map<string, number>>();
  readonly #byVersion = new Map<string, Map<string, number>>();
  readonly #throughput = new Map<string, readonly ThroughputMinutes[]>();
  readonly #minutes: Minute[] = [];
  readonly #minuteAtMs = new Map<number, Minute>();
  readonly #nanoUsd = new Map<string, bigint>(MONEY.map((name) => [name, 0n]));
  /** Counts less rows. */
  readonly #differences = new Map<string, number>();
  #events = 0;
  #rows = 0;

  constructor(span: RouteSpan, newHash: NewHash) {
    this.#span = span;
    this.#newHash = newHash;
    this.#minutesHash = newHash();
    this.#badHash = newHash();
    for (const [version, objectives] of span.objectives) {
      this.#throughput.set(version, objectives.filter(({ kind }) => kind === "throughput").map((one) => new ThroughputMinutes(one)));
    }
  }

  /** The next event of the route; those outside the span are passed over. */
  add(event: MinuteEvent): void {
    const { minuteMs, deployment, version } = event;
    if (minuteMs < this.#span.fromMs || minuteMs >= this.#span.untilMs) return;
    this.#minutesHash.update(minuteLine(event));
    this.#events++;
    const counts = withRefused(event.counts);
    addCounts(this.#counts, counts);
    addCounts(of(this.#byDeployment, deployment), counts);
    addCounts(of(this.#byVersion, version), counts);
    for (const name of MONEY) {
      const nanoUsd = counts[name];
      if (nanoUsd !== undefined) this.#nanoUsd.set(name, (this.#nanoUsd.get(name) ?? 0n) + BigInt(nanoUsd));
    }
    const minute = this.#minuteAt(minuteMs, version);
    const ends = endsOf(counts);
    const lost = counts["lost"] ?? 0;
    const saved = counts["saved"] ?? 0;
    // Where it is told which objectives they were against, those that are allowed are no trouble.
    const lateness = this.#latenessIn(counts, version);
    const late = lateness === null ? (counts["late"] ?? 0) : 0;
    if (lateness !== null) minute.lateness = latenessOf([minute, { lateness }]);
    minute.all += ends.valid;
    minute.asked += ends.valid;
    minute.whole += ends.whole;
    minute.tokens += counts["tokens"] ?? 0;
    minute.lost += lost;
    minute.saved += saved;
    minute.late += late;
    minute.diverted += counts["diverted"] ?? 0;
    minute.trouble += lost + saved + late;
    this.#noteCauses(minute, deployment, counts, late);
    for (const name of BAD_CLASSES) this.#differ(minuteMs, name, event.counts[`class:${name}`] ?? 0);
    for (const name in event.counts) {
      if (!name.startsWith("valid:")) continue;
      const missed = (event.counts[name] ?? 0) - (event.counts[`good:${name.slice(6)}`] ?? 0) - (event.counts[`counted:${name.slice(6)}`] ?? 0);
      if (missed !== 0) this.#differ(minuteMs, `missed ${name.slice(6)}`, missed);
    }
  }

  /** The next row of the route. */
  addBad(bad: BadRequest): void {
    if (bad.atMs < this.#span.fromMs || bad.atMs >= this.#span.untilMs) return;
    this.#badHash.update(badLine(bad));
    this.#rows++;
    const minuteMs = Math.floor(bad.atMs / MINUTE_MS) * MINUTE_MS;
    if (bad.class !== "ok" && bad.class !== "client") this.#differ(minuteMs, bad.class, -1);
    for (const name of bad.missed) this.#differ(minuteMs, `missed ${name}`, -1);
    if (isWhole(bad.class) || bad.calls.some(({ outcome }) => isFailure(outcome))) return;
    const minute = this.#minuteAtMs.get(minuteMs);
    if (minute !== undefined && bad.class !== "client") minute.causes = increased(minute.causes, bad.why, 1);
  }

  /** The section over all that was added. */
  finish(): RouteSection {
    const { route, zone, fromMs, untilMs, objectives } = this.#span;
    this.#closeMinutes();
    const counts: Counts = Object.fromEntries(this.#counts);
    const ends = endsOf(counts);
    const sum = (name: string): number => counts[name] ?? 0;
    const usd = (name: string): string => usdOf(this.#nanoUsd.get(name) ?? 0n);
    const promised = [...objectives].map(([version, promises]) => ({ version, objectives: promises })).toSorted((a, b) => compare(a.version, b.version));
    const from = new Date(fromMs).toISOString();
    const until = new Date(untilMs).toISOString();
    return {
      route, zone, from, until,
      digest: hashed(canonical({ route, zone, from, until, promised: promised as unknown as Json, minutes: this.#minutesHash.digest(), bad: this.#badHash.digest() }), this.#newHash),
      promised,
      events: { minutes: this.#events, badRequests: this.#rows },
      requests: {
        all: ends.all, valid: ends.valid, lost: sum("lost"), saved: sum("saved"), diverted: sum("diverted"), late: sum("late"), tokens: sum("tokens"),
        answeredPercent: ends.valid === 0 ? null : percentOf(ends.whole, ends.valid),
        classes: underPrefix(counts, "class:"),
      },
      exclusions: underPrefix(counts, "why:"),
      refused: underPrefix(counts, "refused:").flatMap(({ name, count }) => refusedOf(name, count)),
      objectives: this.#attained(promised),
      incidents: incidentsOf(this.#minutes),
      firstContent: distributionOf(counts, "first"),
      total: distributionOf(counts, "total"),
      cost: { allUsd: usd("cost"), failedUsd: usd("failed_cost"), beatenUsd: usd("beaten_cost"), dearerUsd: usd("dearer_cost"), unpriced: sum("unpriced") },
      deployments: [...this.#byDeployment].filter(([name]) => name !== "").map(([name, own]) => deploymentSums(name, own)).toSorted((a, b) => compare(a.deployment, b.deployment)),
      contradictions: [...this.#differences].filter(([, left]) => left !== 0).map(([what, left]) => `${what}: ${left > 0 ? `${left} counted without a row` : `${-left} rows that were not counted`}`),
    };
  }

  #minuteAt(minuteMs: number, version: string): Minute {
    const last = this.#minutes.at(-1);
    if (last?.minuteMs === minuteMs) return last;
    const minute = { minuteMs, all: 0, trouble: 0, lost: 0, saved: 0, late: 0, diverted: 0, asked: 0, whole: 0, tokens: 0, version, causes: NONE, deployments: NONE, lateness: [] };
    this.#minutes.push(minute);
    this.#minuteAtMs.set(minuteMs, minute);
    return minute;
  }

  /** By the objectives that the section tells; null: it is not told which ones requests were against. */
  #latenessIn(counts: Counts, version: string): readonly Lateness[] | null {
    if (counts["late"] !== undefined && !Object.keys(counts).some((name) => name.startsWith("late:"))) return null;
    return (this.#span.objectives.get(version) ?? []).flatMap(({ name, target }): Lateness[] => {
      const valid = counts[`valid:${name}`] ?? 0;
      return valid === 0 ? [] : [{ by: `${version} ${name}`, allowed: 1 - target, valid, late: counts[`late:${name}`] ?? 0 }];
    });
  }

  #noteCauses(minute: Minute, deployment: string, counts: Counts, late: number): void {
    if (late > 0) minute.causes = increased(minute.causes, "slow", late);
    for (const name in counts) {
      if (name.startsWith(REFUSED_FAILED)) minute.causes = increased(minute.causes, name.slice(REFUSED_FAILED.length), counts[name] ?? 0);
      if (!name.startsWith("call:") || !isFailure(name.slice(5))) continue;
      minute.causes = increased(minute.causes, name.slice(5), counts[name] ?? 0);
      minute.deployments = increased(minute.deployments, deployment, counts[name] ?? 0);
    }
  }

  #differ(minuteMs: number, what: string, by: number): void {
    if (by === 0) return;
    const name = `${new Date(minuteMs).toISOString().slice(0, 16)} ${what}`;
    const left = (this.#differences.get(name) ?? 0) + by;
    if (left === 0) this.#differences.delete(name);
    else this.#differences.set(name, left);
  }

  #closeMinutes(): void {
    for (const minute of this.#minutes) for (const one of this.#throughput.get(minute.version) ?? []) one.add(minute);
  }

  #attained(promised: RouteSection["promised"]): readonly Attainment[] {
    return promised.flatMap(({ version, objectives }) => objectives.map((objective) => {
      const minutes = this.#throughput.get(version)?.find((one) => one.objective === objective);
      if (minutes !== undefined) return attainment(objective, version, minutes.valid, minutes.good);
      const counts = this.#byVersion.get(version) ?? NONE;
      return attainment(objective, version, counts.get(`valid:${objective.name}`) ?? 0, counts.get(`good:${objective.name}`) ?? 0);
    }));
  }
}

const REFUSED_CLIENT = "refused:client:";
const REFUSED_FAILED = "refused:failed:";
const REFUSED_BAD = "refused:bad:";

/** Counts with those of refusals at the door where they belong: they are requests, valid or not, like others, but leave no row. */
function withRefused(counts: Counts): Counts {
  let sums: Map<string, number> | null = null;
  for (const name in counts) {
    if (!name.startsWith("refused:")) continue;
    sums ??= new Map(Object.entries(counts));
    const count = counts[name] ?? 0;
    if (name.startsWith(REFUSED_CLIENT)) addCounts(sums, { "class:client": count, [`why:${name.slice(REFUSED_CLIENT.length)}`]: count });
    else if (name.startsWith(REFUSED_FAILED)) addCounts(sums, { "class:failed": count, lost: count });
    else if (name.startsWith(REFUSED_BAD)) addCounts(sums, { [`valid:${name.slice(REFUSED_BAD.length)}`]: count });
  }
  return sums === null ? counts : Object.fromEntries(sums);
}

function refusedOf(name: string, count: number): readonly Refused[] {
  const colon = name.indexOf(":");
  const kind = name.slice(0, colon);
  return kind === "bad" ? [] : [{ class: kind, why: name.slice(colon + 1), count }];
}

const BAD_CLASSES = ["degraded", "interrupted", "truncated", "failed"] as const;

function endsOf(counts: Counts): { readonly all: number; readonly valid: number; readonly whole: number } {
  const whole = (counts["class:ok"] ?? 0) + (counts["class:degraded"] ?? 0) + (counts["class:interrupted"] ?? 0);
  const valid = whole + (counts["class:truncated"] ?? 0) + (counts["class:failed"] ?? 0);
  return { whole, valid, all: valid + (counts["class:client"] ?? 0) };
}

function deploymentSums(deployment: string, counts: ReadonlyMap<string, number>): DeploymentSums {
  let calls = 0;
  let failed = 0;
  for (const [name, count] of counts) {
    if (!name.startsWith("call:")) continue;
    calls += count;
    if (isFailure(name.slice(5))) failed += count;
  }
  return { deployment, answered: endsOf(Object.fromEntries(counts)).whole, calls, failed, usd: usdOf(BigInt(counts.get("cost") ?? 0)) };
}

/** What stands under a prefix, most first. */
export function underPrefix(counts: Counts, prefix: string): readonly Named[] {
  const found = new Map<string, number>();
  for (const name in counts) if (name.startsWith(prefix)) found.set(name.slice(prefix.length), counts[name] ?? 0);
  return named([found]);
}

/** Adds counts by name. */
export function addCounts(into: Map<string, number>, counts: Counts): void {
  for (const name in counts) into.set(name, (into.get(name) ?? 0) + (counts[name] ?? 0));
}

/** A copy with one name increased. */
export function increased(counts: ReadonlyMap<string, number>, name: string, by: number): ReadonlyMap<string, number> {
  return new Map(counts).set(name, (counts.get(name) ?? 0) + by);
}

function of(maps: Map<string, Map<string, number>>, name: string): Map<string, number> {
  let found = maps.get(name);
  if (found === undefined) maps.set(name, (found = new Map<string, number>()));
  return found;
}
