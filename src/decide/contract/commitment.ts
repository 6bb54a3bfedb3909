/**
 * Committed spend: what volume steps take off, what is short of the commitment and when it is billed, and how a period
 * stands and will end if it goes on as it does. Pure.
 *
 * *Rated* is spend at the contract's prices before volume steps; steps are reached by it. *Billed* is what is left of it
 * after them; the commitment is used up by it.
 */
import { atLeastZero, halfUp, larger, partOf } from "./exact.ts";
import { monthAt, monthOf, type BillingMonth } from "./months.ts";
import type { Commitment, Contract } from "./types.ts";

const MS_A_DAY = 86_400_000;

/** What the steps take off a period's rated spend. */
export function stepDiscount(terms: Commitment, ratedNanoUsd: bigint): bigint {
  const reached = terms.steps.filter(({ fromNanoUsd }) => ratedNanoUsd >= fromNanoUsd);
  if (terms.stepsApply === "all") return halfUp(ratedNanoUsd * BigInt(reached.at(-1)?.permille ?? 0), 1000n);
  let off = 0n;
  for (const [index, step] of reached.entries()) {
    const until = reached[index + 1]?.fromNanoUsd ?? ratedNanoUsd;
    off += (until - step.fromNanoUsd) * BigInt(step.permille);
  }
  return halfUp(off, 1000n);
}

/**
 * What they take off one call. Steps for all of a period change what was charged before: that stands on the invoice, and not
 * in the charge of the call that happens to reach them.
 */
export function callDiscount(terms: Commitment, beforeNanoUsd: bigint, ratedNanoUsd: bigint): bigint {
  return terms.stepsApply === "all" ? 0n : stepDiscount(terms, beforeNanoUsd + ratedNanoUsd) - stepDiscount(terms, beforeNanoUsd);
}

/** The spend at the contract's prices of which charges come to this. */
export function ratedOf(terms: Commitment, chargedNanoUsd: bigint): bigint {
  if (terms.stepsApply === "all") return chargedNanoUsd;
  let rated = chargedNanoUsd;
  for (const { fromNanoUsd, permille } of terms.steps) {
    const chargedAtStep = fromNanoUsd - stepDiscount(terms, fromNanoUsd);
    if (chargedNanoUsd > chargedAtStep && permille < 1000) rated = fromNanoUsd + ((chargedNanoUsd - chargedAtStep) * 1000n) / BigInt(1000 - permille);
  }
  return rated;
}

/** The bounds of the commitment's period that an instant lies in. */
export function periodAt(contract: Contract, atMs: number): { readonly fromMs: number; readonly untilMs: number } {
  const { terms } = contract;
  const month = monthOf(contract, atMs);
  const period = terms.kind !== "committed" || month === null ? null : periodOf(contract, terms, month);
  return { fromMs: (period && monthAt(contract, period.first)?.fromMs) ?? contract.startMs, untilMs: (period && monthAt(contract, period.last)?.untilMs) ?? contract.endMs ?? Infinity };
}

/** The months that a commitment's period spans: indices of the first and of the last. */
export interface CommitmentPeriod {
  readonly first: number;
  readonly last: number;
}

/** The period that a month belongs to. */
export function periodOf(contract: Contract, terms: Commitment, month: BillingMonth): CommitmentPeriod {
  if (terms.per === "month") return { first: month.index, last: month.index };
  const first = terms.per === "year" ? month.index - (month.index % 12) : 0;
  if (terms.per === "year") return { first, last: first + 11 };
  let last = month.index;
  while (monthAt(contract, last + 1) !== null) last++;
  return { first, last };
}

/** One month of a commitment as it is billed. */
export interface CommittedMonth {
  readonly ratedNanoUsd: bigint;
  readonly stepDiscountNanoUsd: bigint;
  readonly billedNanoUsd: bigint;
  /** Billed though nothing was had for it. */
  readonly shortfallNanoUsd: bigint;
  /** Given back at the period's end of what instalments took too much. */
  readonly trueUpNanoUsd: bigint;
}

/** The months of a period, from its first, by what each was rated at. A later month may be left out. */
export function committedMonths(terms: Commitment, period: CommitmentPeriod, rated: readonly bigint[]): readonly CommittedMonth[] {
  const count = period.last - period.first + 1;
  let ratedSoFar = 0n;
  let billedSoFar = 0n;
  let paidSoFar = 0n;
  return rated.map((ratedNanoUsd, index) => {
    const stepDiscountNanoUsd = stepDiscount(terms, ratedSoFar + ratedNanoUsd) - stepDiscount(terms, ratedSoFar);
    const billedNanoUsd = ratedNanoUsd - stepDiscountNanoUsd;
    ratedSoFar += ratedNanoUsd;
    billedSoFar += billedNanoUsd;
    const isLast = index === count - 1;
    const least = terms.instalments === "monthly" ? partOf(terms.amountNanoUsd, index, count) - billedNanoUsd : isLast ? terms.amountNanoUsd - billedSoFar : 0n;
    const shortfallNanoUsd = atLeastZero(least);
    paidSoFar += billedNanoUsd + shortfallNanoUsd;
    const trueUpNanoUsd = isLast ? paidSoFar - larger(terms.amountNanoUsd, billedSoFar) : 0n;
    return { ratedNanoUsd, stepDiscountNanoUsd, billedNanoUsd, shortfallNanoUsd, trueUpNanoUsd: atLeastZero(trueUpNanoUsd) };
  });
}

/** How the period that is on stands. */
export interface CommitmentLedger {
  readonly periodFromMs: number;
  readonly periodUntilMs: number;
  readonly committedNanoUsd: bigint;
  readonly ratedNanoUsd: bigint;
  /** Billed so far. */
  readonly usedNanoUsd: bigint;
  readonly leftNanoUsd: bigint;
  /** Billed beyond the commitment. */
  readonly beyondNanoUsd: bigint;
  /** At the period's end, if it goes on as it did since its beginning. */
  readonly projectedUsedNanoUsd: bigint;
  readonly projectedShortfallNanoUsd: bigint;
  /** When the commitment is used up at that rate; null: not within the period, or it is already. */
  readonly usedUpAtMs: number | null;
  /** The volume step that is reached. */
  readonly step: Commitment["steps"][number] | null;
  readonly nextStep: (Commitment["steps"][number] & { readonly leftNanoUsd: bigint; readonly expectedAtMs: number | null }) | null;
  /** Billed and given back by instalments until now. */
  readonly months: readonly (CommittedMonth & { readonly label: string })[];
  /** At the period's end: > 0 is still to be paid for nothing, < 0 comes back; by the projection. */
  readonly projectedTrueUpNanoUsd: bigint;
}

/** How a commitment stands at `nowMs`, by spend at the contract's prices; null before its start, after its end, or for another kind. */
export function commitmentLedger(contract: Contract, spend: readonly { readonly atMs: number; readonly ratedNanoUsd: bigint }[], nowMs: number): CommitmentLedger | null {
  const { terms } = contract;
  const month = monthOf(contract, nowMs);
  if (terms.kind !== "committed" || month === null) return null;
  const period = periodOf(contract, terms, month);
  const [first, last] = [monthAt(contract, period.first), monthAt(contract, period.last)];
  if (first === null || last === null) return null;
  const months = range(period.first, month.index).flatMap((index) => monthAt(contract, index) ?? []);
  const rated = months.map(() => 0n);
  for (const { atMs, ratedNanoUsd } of spend) {
    const at = months.findIndex(({ fromMs, untilMs }) => atMs >= fromMs && atMs < untilMs);
    if (at >= 0 && atMs <= nowMs) rated[at] = (rated[at] ?? 0n) + ratedNanoUsd;
  }
  const ratedNanoUsd = rated.reduce((sum, one) => sum + one, 0n);
  const usedNanoUsd = ratedNanoUsd - stepDiscount(terms, ratedNanoUsd);
  // The first hours of a period say little of the rest of it.
  const elapsedMs = BigInt(Math.max(nowMs - first.fromMs, Math.min(MS_A_DAY, last.untilMs - first.fromMs)));
  const projectedRated = larger(ratedNanoUsd, (ratedNanoUsd * BigInt(last.untilMs - first.fromMs)) / elapsedMs);
  const projectedUsedNanoUsd = projectedRated - stepDiscount(terms, projectedRated);
  const reachAt = (isReached: (rated: bigint) => boolean): number | null => whenReached({ untilMs: last.untilMs, nowMs, projectedRated, ratedNanoUsd, isReached });
  const nextStep = terms.steps.find(({ fromNanoUsd }) => fromNanoUsd > ratedNanoUsd);
  const isUsedUp = (of: bigint): boolean => of - stepDiscount(terms, of) >= terms.amountNanoUsd;
  const billed = committedMonths(terms, period, rated);
  return {
    periodFromMs: first.fromMs,
    periodUntilMs: last.untilMs,
    committedNanoUsd: terms.amountNanoUsd,
    ratedNanoUsd,
    usedNanoUsd,
    leftNanoUsd: atLeastZero(terms.amountNanoUsd - usedNanoUsd),
    beyondNanoUsd: atLeastZero(usedNanoUsd - terms.amountNanoUsd),
    projectedUsedNanoUsd,
    projectedShortfallNanoUsd: atLeastZero(terms.amountNanoUsd - projectedUsedNanoUsd),
    usedUpAtMs: isUsedUp(ratedNanoUsd) ? null : reachAt(isUsedUp),
    step: terms.steps.findLast(({ fromNanoUsd }) => fromNanoUsd <= ratedNanoUsd) ?? null,
    nextStep: nextStep === undefined ? null : { ...nextStep, leftNanoUsd: nextStep.fromNanoUsd - ratedNanoUsd, expectedAtMs: reachAt((of) => of >= nextStep.fromNanoUsd) },
    // What a month that is still on comes to is not known yet.
    months: billed.slice(0, -1).map((one, index) => ({ ...one, label: months[index]?.label ?? "" })),
    projectedTrueUpNanoUsd: projectedTrueUp(terms, period, { rated, projectedRated, elapsed: months.length }),
  };
}

/** The rest of the period at an even rate; then what its end would bill or give back. */
function projectedTrueUp(terms: Commitment, period: CommitmentPeriod, known: { readonly rated: readonly bigint[]; readonly projectedRated: bigint; readonly elapsed: number }): bigint {
  const count = period.last - period.first + 1;
  const rest = known.projectedRated - known.rated.reduce((sum, one) => sum + one, 0n);
  const ahead = count - known.elapsed + 1;
  const whole = range(0, count - 1).map((index) => (known.rated[index] ?? 0n) + (index >= known.elapsed - 1 ? partOf(rest, index - known.elapsed + 1, ahead) : 0n));
  const last = committedMonths(terms, period, whole).at(-1);
  return last === undefined ? 0n : terms.instalments === "monthly" ? -last.trueUpNanoUsd : last.shortfallNanoUsd;
}

interface Course {
  readonly untilMs: number;
  readonly nowMs: number;
  readonly ratedNanoUsd: bigint;
  readonly projectedRated: bigint;
  readonly isReached: (ratedNanoUsd: bigint) => boolean;
}

/** The instant, to the minute, at which spend that goes on evenly reaches something; null: not before the period's end. */
function whenReached({ nowMs, untilMs, ratedNanoUsd, projectedRated, isReached }: Course): number | null {
  if (!isReached(projectedRated)) return null;
  const at = (atMs: number): bigint => ratedNanoUsd + ((projectedRated - ratedNanoUsd) * BigInt(atMs - nowMs)) / BigInt(Math.max(1, untilMs - nowMs));
  let [low, high] = [nowMs, untilMs];
  while (high - low > 60_000) {
    const middle = Math.floor((low + high) / 2);
    if (isReached(at(middle))) high = middle;
    else low = middle;
  }
  return high;
}

function range(from: number, until: number): number[] {
  return Array.from({ length: Math.max(0, until - from + 1) }, (_unused, index) => from + index);
}
