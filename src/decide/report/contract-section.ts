/**
 * The part of a report that tells of one provider's contract: which minutes its deployments were down by our own calls, what
 * uptime that makes, and what credit the contract's terms give for it.
 *
 * A minute is down where at least the agreed share of the calls that say something of the provider failed. Minutes without such a
 * call between two that were down, at most ten apart, are down as well: a gateway that goes elsewhere has nothing to measure.
 */
import type { Json } from "../../wire/json.ts";
import { usdOf } from "../contract/exact.ts";
import type { BillingMonth } from "../contract/months.ts";
import { slaCredit } from "../contract/sla.ts";
import type { Contract } from "../contract/types.ts";
import { coversModel } from "../contract/covers.ts";
import { objectiveOfContract } from "../objective/of-contract.ts";
import { isFailure } from "./tally.ts";
import { attainment, percentOf, type Attainment } from "./attainment.ts";
import { badLine, canonical, hashed, minuteLine, type Hash, type NewHash } from "./canonical.ts";
import { incidentsOf, named, type Incident, type Named, type TroubleMinute } from "./incidents.ts";
import { increased, underPrefix } from "./route-section.ts";
import { MINUTE_MS, type BadRequest, type MinuteEvent } from "./types.ts";

/** Of what a section tells. */
export interface ContractSpan {
  readonly contract: Pick<Contract, "id" | "version" | "account" | "models" | "except" | "timeZone" | "sla" | "startMs" | "endMs">;
  readonly month: BillingMonth;
  /** The month's end, or where events end so far. */
  readonly untilMs: number;
  /** The provider's bill for the month, credits apart. */
  readonly billNanoUsd: bigint;
  /** Thousandths of a minute's calls from which on it is down. */
  readonly downPermille: number;
}

export interface ContractSection {
  readonly contract: string;
  readonly terms: ClaimTerms;
  readonly from: string;
  readonly until: string;
  readonly digest: string;
  readonly events: { readonly minutes: number; readonly badRequests: number };
  readonly calls: { readonly all: number; readonly good: number; readonly bad: number; readonly goodPercent: string | null; readonly outcomes: readonly Named[] };
  readonly minutes: { readonly all: number; readonly measured: number; readonly down: number; readonly bridged: number };
  readonly incidents: readonly Incident[];
  /** The provider's promise as it is watched and alarmed: good calls of those that say something of the provider. null: nothing was promised. Absent: a report of the first format. */
  readonly objective?: Attainment | null;
  readonly claim: Claim;
}
/** All of the contract that the section was made by, to make it again. */
export interface ClaimTerms {
  readonly version: string;
  readonly account: string;
  readonly models: readonly string[];
  readonly except: readonly string[];
  readonly zone: string;
  readonly month: { readonly label: string; readonly from: string; readonly until: string };
  readonly sla: { readonly uptimePercent: string; readonly credits: readonly { readonly belowPercent: string; readonly creditPercent: string }[]; readonly claimDays: number | null; readonly capPercent: string; readonly minimumUsd: string } | null;
  readonly downFromPercent: string;
  readonly billUsd: string;
}
export interface Claim {
  /** `claim`: a credit is due and has to be claimed; else why there is none. */
  readonly result: "claim" | "kept" | "below_minimum" | "nothing_promised";
  readonly uptimePercent: string;
  readonly creditUsd: string;
  /** The first instant that is too late; null: no limit. */
  readonly claimUntil: string | null;
  readonly evidence: readonly DownPeriod[];
}
/** Minutes on end in which the provider was down. */
export interface DownPeriod {
  readonly from: string;
  readonly until: string;
  /** Of its minutes: measured by failing calls, and between such. */
  readonly measured: number;
  readonly bridged: number;
  readonly calls: number;
  readonly failed: number;
  readonly outcomes: readonly Named[];
  /** Requests that were lost by it, some of them. */
  readonly requests: readonly string[];
}

export const BRIDGED_MINUTES = 10;
const REQUESTS_TOLD = 20;
const NONE: ReadonlyMap<string, number> = new Map();

interface Minute extends TroubleMinute {
  all: number;
  trouble: number;
  lost: number;
  saved: number;
  diverted: number;
  causes: ReadonlyMap<string, number>;
  deployments: ReadonlyMap<string, number>;
  readonly requests: string[];
}

export class ContractFold {
  readonly #span: ContractSpan;
  readonly #newHash: NewHash;
  readonly #minutesHash: Hash;
  readonly #badHash: Hash;
  readonly #minutes: Minute[] = [];
  readonly #minuteAtMs = new Map<number, Minute>();
  readonly #outcomes = new Map<string, number>();
  #events = 0;
  #rows = 0;

  constructor(span: ContractSpan, newHash: NewHash) {
    this.#span = span;
    this.#newHash = newHash;
    this.#minutesHash = newHash();
    this.#badHash = newHash();
  }

  /** The next event; those of other deployments and times are passed over. */
  add(event: MinuteEvent): void {
    const { minuteMs, deployment, counts } = event;
    if (!this.#within(minuteMs) || !this.#covers(deployment)) return;
    this.#minutesHash.update(minuteLine(event));
    this.#events++;
    const good = counts["good_calls"] ?? 0;
    const bad = counts["bad_calls"] ?? 0;
    const minute = this.#minuteAt(minuteMs);
    minute.all += good + bad;
    minute.trouble += bad;
    minute.lost += counts["lost"] ?? 0;
    minute.saved += counts["saved"] ?? 0;
    minute.diverted += counts["diverted"] ?? 0;
    for (const { name, count } of underPrefix(counts, "call:")) {
      this.#outcomes.set(name, (this.#outcomes.get(name) ?? 0) + count);
      if (bad > 0 && isFailure(name)) minute.causes = increased(minute.causes, name, count);
    }
    if (bad > 0) minute.deployments = increased(minute.deployments, deployment, bad);
  }

  /** The next row; those without a call of the contract's are passed over. */
  addBad(bad: BadRequest): void {
    if (!this.#within(bad.atMs) || !bad.calls.some(({ deployment, outcome }) => isFailure(outcome) && this.#covers(deployment))) return;
    this.#badHash.update(badLine(bad));
    this.#rows++;
    const minute = this.#minuteAtMs.get(Math.floor(bad.atMs / MINUTE_MS) * MINUTE_MS);
    if ((bad.class === "failed" || bad.class === "truncated") && minute !== undefined && minute.requests.length < REQUESTS_TOLD) minute.requests.push(bad.requestId);
  }

  /** The section over all that was added. */
  finish(): ContractSection {
    const { contract, month, untilMs, billNanoUsd } = this.#span;
    const periods = this.#downPeriods();
    const sum = (of: (period: DownPeriod) => number): number => periods.reduce((total, period) => total + of(period), 0);
    const down = sum(({ measured }) => measured);
    const bridged = sum((period) => period.bridged);
    const verdict = slaCredit(contract, { month, billNanoUsd, downMs: (down + bridged) * MINUTE_MS, claimedAtMs: null });
    const all = this.#minutes.reduce((total, one) => total + one.all, 0);
    const bad = this.#minutes.reduce((total, one) => total + one.trouble, 0);
    const terms = termsOf(this.#span);
    const promised = objectiveOfContract(contract);
    const from = new Date(month.fromMs).toISOString();
    const until = new Date(untilMs).toISOString();
    return {
      contract: contract.id,
      terms, from, until,
      digest: hashed(canonical({ contract: contract.id, terms: terms as unknown as Json, from, until, minutes: this.#minutesHash.digest(), bad: this.#badHash.digest() }), this.#newHash),
      events: { minutes: this.#events, badRequests: this.#rows },
      calls: { all, good: all - bad, bad, goodPercent: all === 0 ? null : percentOf(all - bad, all), outcomes: named([this.#outcomes]) },
      minutes: { all: Math.round((month.untilMs - month.fromMs) / MINUTE_MS), measured: this.#minutes.filter((one) => one.all > 0).length, down, bridged },
      incidents: incidentsOf(this.#minutes),
      objective: promised === null ? null : attainment(promised, contract.version, all, all - bad),
      claim: {
        result: verdict.result === "unclaimed" ? "claim" : verdict.result === "kept" || verdict.result === "below_minimum" ? verdict.result : "nothing_promised",
        uptimePercent: verdict.uptimePercent,
        creditUsd: usdOf(verdict.creditNanoUsd),
        claimUntil: verdict.claimUntilMs === null ? null : new Date(verdict.claimUntilMs).toISOString(),
        evidence: periods,
      },
    };
  }

  #within(atMs: number): boolean {
    return atMs >= this.#span.month.fromMs && atMs < this.#span.untilMs;
  }

  #covers(deployment: string): boolean {
    const { contract } = this.#span;
    const slash = deployment.indexOf("/");
    return slash > 0 && deployment.slice(0, slash) === contract.account && coversModel(contract, deployment.slice(slash + 1));
  }

  #minuteAt(minuteMs: number): Minute {
    const last = this.#minutes.at(-1);
    if (last?.minuteMs === minuteMs) return last;
    const minute: Minute = { minuteMs, all: 0, trouble: 0, lost: 0, saved: 0, late: 0, diverted: 0, causes: NONE, deployments: NONE, requests: [] };
    this.#minutes.push(minute);
    this.#minuteAtMs.set(minuteMs, minute);
    return minute;
  }

  #downPeriods(): readonly DownPeriod[] {
    const periods: Minute[][] = [];
    let open: Minute[] | null = null;
    for (const minute of this.#minutes) {
      if (minute.all === 0) continue;
      const isDown = minute.trouble > 0 && minute.trouble * 1_000 >= minute.all * this.#span.downPermille;
      if (!isDown) open = null;
      else if (open !== null && minute.minuteMs - (open.at(-1)?.minuteMs ?? 0) <= (BRIDGED_MINUTES + 1) * MINUTE_MS) open.push(minute);
      else periods.push((open = [minute]));
    }
    return periods.map(periodOf);
  }
}

function periodOf(minutes: readonly Minute[]): DownPeriod {
  const fromMs = minutes[0]?.minuteMs ?? 0;
  const untilMs = (minutes.at(-1)?.minuteMs ?? 0) + MINUTE_MS;
  return {
    from: new Date(fromMs).toISOString(),
    until: new Date(untilMs).toISOString(),
    measured: minutes.length,
    bridged: (untilMs - fromMs) / MINUTE_MS - minutes.length,
    calls: minutes.reduce((sum, one) => sum + one.all, 0),
    failed: minutes.reduce((sum, one) => sum + one.trouble, 0),
    outcomes: named(minutes.map(({ causes }) => causes)),
    requests: minutes.flatMap(({ requests }) => requests).slice(0, REQUESTS_TOLD),
  };
}

function termsOf({ contract, month, billNanoUsd, downPermille }: ContractSpan): ClaimTerms {
  const { sla } = contract;
  const percent = (value: number, perPercent: number): string => String(value / perPercent);
  return {
    version: contract.version, account: contract.account, models: contract.models, except: contract.except, zone: contract.timeZone,
    month: { label: month.label, from: new Date(month.fromMs).toISOString(), until: new Date(month.untilMs).toISOString() },
    sla: sla === null ? null : {
      uptimePercent: percent(sla.uptimeMilliPercent, 1_000),
      credits: sla.credits.map(({ belowMilliPercent, creditPermille }) => ({ belowPercent: percent(belowMilliPercent, 1_000), creditPercent: percent(creditPermille, 10) })),
      claimDays: sla.claimDays, capPercent: percent(sla.capPermille, 10), minimumUsd: usdOf(sla.minimumNanoUsd),
    },
    downFromPercent: percent(downPermille, 10),
    billUsd: usdOf(billNanoUsd),
  };
}

