/** Outages from tables: intervals with an impact, or minutes per day, as phases that a simulated provider goes through. */
import { csvRows, numberIn } from "./csv.ts";
import { Chance, hashText } from "./random.ts";
import type { Fault, Phase } from "./world.ts";

export interface OutageInterval {
  readonly service: string;
  /** ms since 1970. */
  readonly fromMs: number;
  readonly toMs: number;
  /** 1 minor, 2 major, 3 critical. */
  readonly impact: number;
  readonly label: string;
}

/** Rows of `service,start,end,…,impact,…,incident_id`. */
export function readIntervals(text: string): readonly OutageInterval[] {
  return csvRows(text).map((row) => {
    const fromMs = Date.parse(row["start"] ?? "");
    const toMs = Date.parse(row["end"] ?? "");
    if (!(fromMs < toMs)) throw new Error(`an interval needs a start before its end, found "${row["start"] ?? ""}" and "${row["end"] ?? ""}"`);
    return { service: row["service"] ?? "", fromMs, toMs, impact: numberIn(row, "impact"), label: row["incident_id"] ?? "" };
  });
}

export interface HitShares {
  /** Share of calls that an incident hits, by its impact. */
  readonly byImpact: Readonly<Record<number, number>>;
  /** Of the calls that are hit: so many never answer, so many break off after content; the rest are refused at once. */
  readonly stalls: number;
  readonly breaks: number;
}

/** Everything is hit. */
export const FULL_OUTAGES: HitShares = { byImpact: { 1: 1, 2: 1, 3: 1 }, stalls: 0.2, breaks: 0.02 };
/** By what the status pages call minor, major, critical. */
export const OUTAGES_BY_IMPACT: HitShares = { byImpact: { 1: 0.1, 2: 0.4, 3: 0.95 }, stalls: 0.2, breaks: 0.02 };

/** Phases of one service between two instants, in ms from the first. */
export function outagePhases(intervals: readonly OutageInterval[], service: string, fromMs: number, toMs: number, hit: HitShares): readonly Phase[] {
  return intervals
    .filter((one) => one.service === service && one.toMs > fromMs && one.fromMs < toMs)
    .map((one) => ({ fromMs: Math.max(0, one.fromMs - fromMs), toMs: Math.min(toMs, one.toMs) - fromMs, incident: `${service} ${one.label}`, faults: faultsOf(hit.byImpact[one.impact] ?? 1, hit) }));
}

/** How a share of calls that are hit is spread over what may happen to them. */
export function faultsOf(share: number, { stalls, breaks }: Pick<HitShares, "stalls" | "breaks">): readonly Fault[] {
  return [
    { kind: "refuse", p: share * (1 - stalls - breaks), status: 503 },
    { kind: "stall", p: share * stalls },
    { kind: "break", p: share * breaks },
  ];
}

/** Rows of `date,service,…,partial_outage_min,major_outage_min,…`: the minutes of a day run on from an hour that the seed draws; partial ones hit 30 %. */
export function minutePhases(text: string, service: string, fromMs: number, toMs: number, seed: number): readonly Phase[] {
  const DAY_MS = 86_400_000;
  const chance = new Chance(seed, `minutes ${service}`);
  return csvRows(text).flatMap((row) => {
    if (row["service"] !== service) return [];
    const dayMs = Date.parse(`${row["date"] ?? ""}T00:00:00Z`);
    if (!(dayMs >= fromMs && dayMs < toMs)) return [];
    const majorMs = numberIn(row, "major_outage_min") * 60_000;
    const partialMs = numberIn(row, "partial_outage_min") * 60_000;
    if (majorMs + partialMs === 0) return [];
    chance.restart(seed, hashText(service), dayMs / DAY_MS, 0);
    const startMs = dayMs - fromMs + Math.floor(chance.next() * Math.max(0, DAY_MS - majorMs - partialMs));
    const phase = (atMs: number, lengthMs: number, share: number): Phase[] =>
      lengthMs === 0 ? [] : [{ fromMs: atMs, toMs: atMs + lengthMs, incident: `${service} ${row["date"] ?? ""}`, faults: faultsOf(share, { stalls: 0.2, breaks: 0 }) }];
    return [...phase(startMs, majorMs, 1), ...phase(startMs + majorMs, partialMs, 0.3)];
  });
}

/** The share of time in which not all of these are in an outage at once: what a perfect failover could reach. */
export function perfectFailover(phases: readonly (readonly Phase[])[], lengthMs: number): number {
  const edges = phases.flatMap((of, i) => of.flatMap(({ fromMs, toMs }) => [[fromMs, i, 1], [toMs, i, -1]] as const)).toSorted((a, b) => a[0] - b[0]);
  const depth = phases.map(() => 0);
  let downMs = 0;
  let lastMs = 0;
  for (const [atMs, i, step] of edges) {
    if (depth.every((open) => open > 0)) downMs += atMs - lastMs;
    depth[i] = (depth[i] as number) + step;
    lastMs = atMs;
  }
  return 1 - downMs / lengthMs;
}
