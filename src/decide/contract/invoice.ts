/**
 * What the provider will bill for a month: usage by deployment, unit and price; what was covered, at nothing; capacity,
 * hosting and GPUs by the hour; egress; volume steps, shortfall and true-up of a commitment; credits. Each line is rounded
 * half up to nano-dollars (to cents where the contract says that lines are), the total to cents. Pure.
 */
import type { PriceSheet } from "../../wire/facts.ts";
import type { Unit } from "../../wire/usage.ts";
import { dateAt, instantOf } from "./calendar.ts";
import { committedMonths, periodOf } from "./commitment.ts";
import { coversDeployment } from "./covers.ts";
import { decimal, halfUp, partOf, toCents } from "./exact.ts";
import { ContractMeter, tokensOf, weightedMilli } from "./meter.ts";
import { beginningsIn, monthAt, scheduledMs, type BillingMonth } from "./months.ts";
import { nanoOf, ratesOf } from "./rate.ts";
import type { CapacityPrice, Contract, ContractUsage, EgressStep, Provisioned } from "./types.ts";

export interface InvoiceLine {
  readonly kind: "usage" | "covered" | "volume_discount" | "capacity" | "hosting" | "gpu" | "egress" | "shortfall" | "true_up" | "credit";
  /** The deployment, the pool, the month that a credit is for. */
  readonly subject: string;
  readonly unit: string;
  /** Decimal text; at most six places, of which hours may need more. */
  readonly quantity: string;
  /** Dollars for one; null: unknown, or the line is a sum. */
  readonly unitPriceUsd: string | null;
  readonly amountNanoUsd: bigint;
}
export interface Invoice {
  readonly contract: string;
  readonly contractVersion: string;
  /** `2027-03`. */
  readonly month: string;
  readonly fromMs: number;
  readonly untilMs: number;
  readonly lines: readonly InvoiceLine[];
  /** Before credits and before rounding. */
  readonly subtotalNanoUsd: bigint;
  /** Whole cents. */
  readonly totalNanoUsd: bigint;
  /** `deployment unit` of usage that has no price: the total lacks it. */
  readonly unpriced: readonly string[];
}

export interface InvoiceOptions {
  /** The list's sheet of a deployment at an instant. */
  readonly sheetOf: (deployment: string, atMs: number) => PriceSheet | null;
  /** Credits granted on this invoice, for which month. */
  readonly credits?: readonly { readonly subject: string; readonly creditNanoUsd: bigint }[];
}

const MS_AN_HOUR = 3_600_000n;
const BYTES_A_GB = 1_000_000_000n;

/**
 * The invoice of one month. `usage`: all of the contract's from its start, or at least of the month and of the commitment's
 * period; in any order, and of other deployments and times as well.
 */
export function invoice(contract: Contract, usage: readonly ContractUsage[], month: BillingMonth, options: InvoiceOptions): Invoice {
  const within = usageOf(contract, usage, month);
  const rated = ratedLines(contract, usage, month, options.sheetOf);
  const lines = [...rated.lines, ...fixedLines(contract, month), ...egressLines(contract, within), ...commitmentLines(contract, usage, month, { rated, options })];
  const subtotalNanoUsd = lines.reduce((sum, line) => sum + line.amountNanoUsd, 0n);
  for (const { subject, creditNanoUsd } of options.credits ?? []) {
    lines.push({ kind: "credit", subject, unit: "credit", quantity: "1", unitPriceUsd: null, amountNanoUsd: -rounded(contract, creditNanoUsd) });
  }
  const totalNanoUsd = toCents(lines.reduce((sum, line) => sum + line.amountNanoUsd, 0n));
  return {
    contract: contract.id, contractVersion: contract.version, month: month.label, fromMs: month.fromMs, untilMs: month.untilMs,
    lines, subtotalNanoUsd, totalNanoUsd, unpriced: rated.unpriced,
  };
}

/** The contract's usage of a month, in the order of time. */
function usageOf(contract: Contract, usage: readonly ContractUsage[], { fromMs, untilMs }: Pick<BillingMonth, "fromMs" | "untilMs">): readonly ContractUsage[] {
  return usage.filter(({ atMs, deployment }) => atMs >= fromMs && atMs < untilMs && coversDeployment(contract, deployment)).toSorted((a, b) => a.atMs - b.atMs);
}

/** A meter that has counted the day of a free quota that was on when the month began. */
function meterAt(contract: Contract, usage: readonly ContractUsage[], fromMs: number): ContractMeter {
  const meter = new ContractMeter(contract);
  if (contract.terms.kind !== "free_quota") return meter;
  const dayFromMs = instantOf(contract.terms.resetZone, dateAt(contract.terms.resetZone, fromMs));
  for (const { units, atMs } of usageOf(contract, usage, { fromMs: dayFromMs, untilMs: fromMs })) meter.take(units, atMs);
  return meter;
}

interface Rated {
  readonly lines: readonly InvoiceLine[];
  readonly unpriced: readonly string[];
}

interface Group {
  readonly deployment: string;
  readonly unit: Unit;
  readonly covered: boolean;
  readonly attoUsd: bigint | null;
  milli: bigint;
}

/** One line for each deployment, unit and price. */
function ratedLines(contract: Contract, usage: readonly ContractUsage[], month: BillingMonth, sheetOf: InvoiceOptions["sheetOf"]): Rated {
  const meter = meterAt(contract, usage, month.fromMs);
  const groups = new Map<string, Group>();
  const unpriced = new Set<string>();
  for (const call of usageOf(contract, usage, month)) {
    const covered = meter.take(call.units, call.atMs);
    const list = covered ? null : sheetOf(call.deployment, call.atMs);
    const priced = list === null ? bare(call, covered ? 0n : null) : ratesOf(contract, list, call);
    for (const { unit, milli, attoUsd } of priced) {
      if (attoUsd === null) unpriced.add(`${call.deployment} ${unit}`);
      const key = JSON.stringify([call.deployment, unit, covered, String(attoUsd)]);
      const group = groups.get(key);
      if (group === undefined) groups.set(key, { deployment: call.deployment, unit, covered, attoUsd, milli });
      else group.milli += milli;
    }
  }
  const lines = [...groups.values()].map(({ deployment, unit, covered, attoUsd, milli }): InvoiceLine => ({
    kind: covered ? "covered" : "usage",
    subject: deployment,
    unit,
    quantity: decimal(milli, 3),
    unitPriceUsd: attoUsd === null ? null : decimal(attoUsd, 18),
    amountNanoUsd: attoUsd === null ? 0n : rounded(contract, nanoOf(milli * attoUsd)),
  }));
  return { lines, unpriced: [...unpriced] };
}

function bare(call: ContractUsage, attoUsd: bigint | null): { unit: Unit; milli: bigint; attoUsd: bigint | null }[] {
  return (Object.entries(call.units) as [Unit, number][]).filter(([, count]) => count > 0).map(([unit, count]) => ({ unit, milli: BigInt(Math.round(count * 1000)), attoUsd }));
}

/** What is due whether anything is called or not. */
export function fixedLines(contract: Contract, month: BillingMonth): readonly InvoiceLine[] {
  const { terms } = contract;
  switch (terms.kind) {
    case "provisioned":
      return capacityLines(contract, terms, month);
    case "fine_tuned":
      return [byTheHour(contract, { kind: "hosting", subject: "endpoint", unit: "hour", count: terms.replicas, nanoUsdPerHour: terms.hostingNanoUsdPerHour, ms: month.untilMs - month.fromMs })];
    case "self_hosted": {
      const ms = scheduledMs(month, terms.schedule, contract.timeZone);
      return [byTheHour(contract, { kind: "gpu", subject: contract.account, unit: "gpu_hour", count: terms.gpus, nanoUsdPerHour: terms.nanoUsdPerGpuHour, ms })];
    }
    default:
      return [];
  }
}

function capacityLines(contract: Contract, terms: Provisioned, month: BillingMonth): readonly InvoiceLine[] {
  return terms.pools.flatMap(({ name, units, price }) => {
    if (price.kind === "hourly") return [byTheHour(contract, { kind: "capacity", subject: name, unit: "unit_hour", count: units, nanoUsdPerHour: price.nanoUsdPerUnit, ms: month.untilMs - month.fromMs })];
    const [quantity, amountNanoUsd] = reservedDue(contract, price, units, month);
    if (quantity === 0n) return [];
    return [{ kind: "capacity", subject: name, unit: `unit_${price.per}`, quantity: String(quantity), unitPriceUsd: price.paid === "monthly" ? null : decimal(price.nanoUsdPerUnit, 9, 2), amountNanoUsd: rounded(contract, amountNanoUsd) }];
  });
}

/** Units × terms that begin within the month, or its twelfth of a year; and what they cost. */
function reservedDue(contract: Contract, price: Extract<CapacityPrice, { kind: "reserved" }>, units: number, month: BillingMonth): readonly [bigint, bigint] {
  const all = BigInt(units);
  const whole = all * price.nanoUsdPerUnit;
  switch (price.per) {
    case "month":
      return [all, whole];
    case "year":
      if (price.paid === "monthly") return [all, partOf(whole, month.index % 12, 12)];
      return month.index % 12 === 0 ? [all, whole] : [0n, 0n];
    case "day":
    case "week": {
      const terms = BigInt(beginningsIn(contract, month, price.per === "day" ? 1 : 7));
      return [all * terms, whole * terms];
    }
  }
}

interface Hourly {
  readonly kind: InvoiceLine["kind"];
  readonly subject: string;
  readonly unit: string;
  readonly count: number;
  readonly nanoUsdPerHour: bigint;
  readonly ms: number;
}

function byTheHour(contract: Contract, { kind, subject, unit, count, nanoUsdPerHour, ms }: Hourly): InvoiceLine {
  const unitMs = BigInt(count) * BigInt(ms);
  return { kind, subject, unit, quantity: decimal(halfUp(unitMs * 1_000_000n, MS_AN_HOUR), 6), unitPriceUsd: decimal(nanoUsdPerHour, 9, 2), amountNanoUsd: rounded(contract, halfUp(unitMs * nanoUsdPerHour, MS_AN_HOUR)) };
}

function egressLines(contract: Contract, usage: readonly ContractUsage[]): readonly InvoiceLine[] {
  if (contract.egress === null) return [];
  const bytes = usage.reduce((sum, one) => sum + BigInt(Math.ceil(one.egressBytes ?? 0)), 0n);
  return contract.egress.flatMap((step, index): InvoiceLine[] => {
    const inStep = bytesIn(step, contract.egress?.[index + 1] ?? null, bytes);
    if (inStep === 0n) return [];
    return [{ kind: "egress", subject: contract.account, unit: "gb", quantity: decimal(inStep, 9), unitPriceUsd: decimal(step.nanoUsdPerGb, 9, 2), amountNanoUsd: rounded(contract, halfUp(inStep * step.nanoUsdPerGb, BYTES_A_GB)) }];
  });
}

function bytesIn(step: EgressStep, next: EgressStep | null, bytes: bigint): bigint {
  const until = next === null || bytes < next.fromBytes ? bytes : next.fromBytes;
  return until > step.fromBytes ? until - step.fromBytes : 0n;
}

/** What a commitment adds to its month: the volume steps, what is short, what comes back. */
function commitmentLines(contract: Contract, usage: readonly ContractUsage[], month: BillingMonth, { rated, options }: { readonly rated: Rated; readonly options: InvoiceOptions }): readonly InvoiceLine[] {
  const { terms } = contract;
  if (terms.kind !== "committed") return [];
  const period = periodOf(contract, terms, month);
  const months: bigint[] = [];
  for (let index = period.first; index < month.index; index++) {
    const before = monthAt(contract, index);
    months.push(before === null ? 0n : sumOf(ratedLines(contract, usage, before, options.sheetOf).lines));
  }
  const here = committedMonths(terms, period, [...months, sumOf(rated.lines)]).at(-1);
  if (here === undefined) return [];
  const line = (kind: InvoiceLine["kind"], amountNanoUsd: bigint): InvoiceLine[] =>
    amountNanoUsd === 0n ? [] : [{ kind, subject: contract.id, unit: "usd", quantity: "1", unitPriceUsd: null, amountNanoUsd: rounded(contract, amountNanoUsd) }];
  return [...line("volume_discount", -here.stepDiscountNanoUsd), ...line("shortfall", here.shortfallNanoUsd), ...line("true_up", -here.trueUpNanoUsd)];
}

function sumOf(lines: readonly InvoiceLine[]): bigint {
  return lines.reduce((sum, { amountNanoUsd }) => sum + amountNanoUsd, 0n);
}

function rounded(contract: Contract, amountNanoUsd: bigint): bigint {
  return contract.rounding === "line" ? toCents(amountNanoUsd) : amountNanoUsd;
}

/** How provisioned units were used in a month. */
export interface Utilisation {
  readonly pools: readonly { readonly name: string; /** Weighted tokens. */ readonly used: bigint; readonly capacity: bigint; readonly permille: number }[];
  readonly coveredTokens: bigint;
  readonly capacityNanoUsd: bigint;
  /** What a million covered tokens came to; null: there were none. */
  readonly nanoUsdPerMillion: bigint | null;
}

/** Use, capacity and the amortised price of a month's covered tokens; null for other kinds of contracts. */
export function utilisation(contract: Contract, usage: readonly ContractUsage[], month: BillingMonth): Utilisation | null {
  const { terms } = contract;
  if (terms.kind !== "provisioned") return null;
  const meter = new ContractMeter(contract);
  const covered = usageOf(contract, usage, month).filter((call) => meter.take(call.units, call.atMs));
  const minutes = BigInt(month.untilMs - month.fromMs) / 60_000n;
  const pools = terms.pools.map((pool) => {
    const milli = covered.reduce((sum, call) => sum + BigInt(weightedMilli(pool, call.units)), 0n);
    const capacity = BigInt(pool.units) * BigInt(pool.tokensPerMinutePerUnit) * minutes;
    return { name: pool.name, used: milli / 1000n, capacity, permille: Number(milli / capacity) };
  });
  const coveredTokens = covered.reduce((sum, { units }) => sum + BigInt(Math.ceil(tokensOf(units))), 0n);
  const capacityNanoUsd = sumOf(capacityLines(contract, terms, month));
  return { pools, coveredTokens, capacityNanoUsd, nanoUsdPerMillion: coveredTokens === 0n ? null : halfUp(capacityNanoUsd * 1_000_000n, coveredTokens) };
}
