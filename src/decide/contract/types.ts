/**
 * Contracts as values: what an owner agreed with a provider, over its price list. One contract covers models of one account
 * for a term; for one model there is one contract at a time. Amounts are bigint nano-dollars, percentages thousandths.
 */
import type { UnitPrices } from "../../wire/facts.ts";
import type { Unit } from "../../wire/usage.ts";
import type { CivilDate } from "./calendar.ts";

export interface Contract {
  readonly id: string;
  /** Changes with its content; stands in the price version of what was priced by it. */
  readonly version: string;
  readonly account: string;
  /** Patterns of upstream names; `*` matches any run of characters. */
  readonly models: readonly string[];
  /** Patterns of those that are left out. */
  readonly except: readonly string[];
  /** IANA name: the days of the term, months and schedules are days of this zone. */
  readonly timeZone: string;
  readonly start: CivilDate;
  /** The first day that no longer counts; null: until it is ended. */
  readonly after: CivilDate | null;
  readonly startMs: number;
  readonly endMs: number | null;
  readonly terms: Terms;
  readonly discounts: readonly Discount[];
  /** What batches cost of the standard price; null: what the price list says. */
  readonly batchPermille: number | null;
  /** Steps of a month's egress, ascending from 0; null: none is billed. */
  readonly egress: readonly EgressStep[] | null;
  readonly sla: Sla | null;
  /** Where the provider rounds to cents: once at an invoice's total, or each line. */
  readonly rounding: "total" | "line";
}

export type Terms =
  | { readonly kind: "pay_as_you_go" }
  | Commitment
  | Provisioned
  | FreeQuota
  | FineTuned
  | SelfHosted;
export type ContractKind = Terms["kind"];

/** The first discount that names a model and a unit counts; they do not add up. */
export interface Discount {
  /** Patterns; empty: all models of the contract. */
  readonly models: readonly string[];
  /** Empty: all units. */
  readonly units: readonly Unit[];
  /** Thousandths off, 0 to 1000. */
  readonly permille: number;
}

export interface Commitment {
  readonly kind: "committed";
  readonly amountNanoUsd: bigint;
  /** What the amount is for; volume steps begin again with each. */
  readonly per: "month" | "year" | "term";
  /** `monthly`: each month bills at least its share, and the period's end gives back what was paid for nothing. */
  readonly instalments: "none" | "monthly";
  /** By the period's spend at the contract's prices before these steps. Ascending. */
  readonly steps: readonly { readonly fromNanoUsd: bigint; readonly permille: number }[];
  /** `above`: a step is for what lies above it; `all`: reaching it lowers the whole period's spend. */
  readonly stepsApply: "above" | "all";
}

export interface Provisioned {
  readonly kind: "provisioned";
  /** One for all tokens, or one for each of prompt and answer. A call fits where all have room for it. */
  readonly pools: readonly Pool[];
  /** `pay_as_you_go`: a call beyond is served and billed as such; `refused`: the provider answers 429. */
  readonly beyond: "pay_as_you_go" | "refused";
}
export interface Pool {
  readonly name: "tokens" | "input" | "output";
  readonly units: number;
  readonly tokensPerMinutePerUnit: number;
  /** Thousandths that one token of a class takes; absent classes take none. */
  readonly weightsPermille: { readonly [U in Unit]?: number };
  readonly price: CapacityPrice;
}
export type CapacityPrice =
  | { readonly kind: "hourly"; readonly nanoUsdPerUnit: bigint }
  | {
      readonly kind: "reserved";
      readonly per: "day" | "week" | "month" | "year";
      readonly nanoUsdPerUnit: bigint;
      /** Of a year only: at its start, or in twelve parts. */
      readonly paid: "upfront" | "monthly";
    };

/** A call is free where all of these have room for the whole of it. Null: no such limit. */
export interface FreeQuota {
  readonly kind: "free_quota";
  readonly requestsPerMinute: number | null;
  readonly tokensPerMinute: number | null;
  readonly requestsPerDay: number | null;
  readonly tokensPerDay: number | null;
  /** Its midnight begins a day. */
  readonly resetZone: string;
  readonly beyond: "pay_as_you_go" | "refused";
}

export interface FineTuned {
  readonly kind: "fine_tuned";
  readonly hostingNanoUsdPerHour: bigint;
  readonly replicas: number;
  /** In place of the price list's; null: the same as the base model's. */
  readonly prices: UnitPrices | null;
}

export interface SelfHosted {
  readonly kind: "self_hosted";
  readonly gpus: number;
  readonly nanoUsdPerGpuHour: bigint;
  /** When they run, in the contract's zone; null: always. */
  readonly schedule: Schedule | null;
}
export interface Schedule {
  /** 0 = Sunday; the days on which it begins. */
  readonly days: readonly number[];
  readonly fromMinute: number;
  /** Not after `fromMinute`: of the next day. */
  readonly untilMinute: number;
}

export interface EgressStep {
  readonly fromBytes: bigint;
  /** A GB is 10^9 bytes. */
  readonly nanoUsdPerGb: bigint;
}

/** Percentages in thousandths of a percent: 99.95 % is 99950. */
export interface Sla {
  readonly uptimeMilliPercent: number;
  /** Descending `below`, ascending credit. */
  readonly credits: readonly { readonly belowMilliPercent: number; readonly creditPermille: number }[];
  /** Days after the month's end in which it has to be claimed; null: no limit. */
  readonly claimDays: number | null;
  /** Of the month's bill. */
  readonly capPermille: number;
  /** Credits of less are not given. */
  readonly minimumNanoUsd: bigint;
}

/** One call, or any number of calls of one price, as far as a contract bills them. */
export interface ContractUsage {
  readonly atMs: number;
  /** `account/upstream`. */
  readonly deployment: string;
  readonly units: { readonly [U in Unit]?: number };
  /** The service tier that served; `batch` for batches. */
  readonly tier?: string;
  readonly geo?: string;
  readonly egressBytes?: number;
}

/** A problem of one field, `committed.steps[1].from_usd`. */
export interface ContractProblem {
  readonly field: string;
  readonly message: string;
}
