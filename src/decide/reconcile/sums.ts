/** Sums of a model and a time beside the calls of the ledger: what is left over in each is put down to what can cause it. */
import type { InvoiceLine } from "../../wire/invoice.ts";
import type { Unit } from "../../wire/usage.ts";
import { ALL_MODELS, bucketsOf, placer, Valuing, type Bucket } from "./buckets.ts";
import { addInto, missingCause } from "./counts.ts";
import { size, type Findings } from "./findings.ts";
import type { Cause, LedgerCall, ValueOf, Window } from "./types.ts";

export interface SumsFacts {
  readonly account: string;
  readonly window: Window;
  readonly valueOf: ValueOf;
  readonly dayOf: (ms: number) => Window;
}
export interface MatchedSums {
  readonly theirsNanoUsd: bigint;
  readonly oursNanoUsd: bigint;
  /** Their lines bear no money. */
  readonly valued: boolean;
}

/** Calls by the bucket that they fall into, and those within the window that fall into none. */
interface Placed {
  readonly inBuckets: ReadonlyMap<Bucket, readonly LedgerCall[]>;
  readonly missing: readonly LedgerCall[];
}
type Moment = (call: LedgerCall) => number;

const HOUR_MS = 3_600_000;
const DAY_HOURS = 24;
/** An estimate may be short of what was billed by so many times, where the call had no bound. */
const UNBOUNDED_TIMES = 10n;

/** `calls` may reach a day beyond the window on both sides. */
export function matchSums(calls: readonly LedgerCall[], lines: readonly InvoiceLine[], facts: SumsFacts, findings: Findings): MatchedSums {
  const buckets = bucketsOf(lines, calls, facts.window, facts.dayOf);
  const valued = buckets.every(({ costNanoUsd }) => costNanoUsd === null);
  const valuing = new Valuing(facts.valueOf, facts.account, buckets.some(({ units }) => [...units.keys()].some((tier) => tier !== null)));
  const measure = measurer(valued, valuing);
  const theirs = new Map(buckets.map((bucket) => [bucket, valued ? valueOfBucket(bucket, valuing) : (bucket.costNanoUsd ?? 0n)]));
  const place = placer(buckets);
  const placedBy = (moment: Moment): Placed => placed(calls, place, moment, facts.window);
  const restOf = ({ inBuckets, missing }: Placed): bigint => buckets.reduce((sum, bucket) => sum + size((theirs.get(bucket) ?? 0n) - total(inBuckets.get(bucket) ?? [], measure)), 0n) + size(total(missing, measure));
  const netOf = ({ inBuckets, missing }: Placed): bigint => buckets.reduce((sum, bucket) => sum + (theirs.get(bucket) ?? 0n) - total(inBuckets.get(bucket) ?? [], measure), 0n) - total(missing, measure);

  const byStart = placedBy(({ atMs }) => atMs);
  const best = bestMoment(buckets, restOf(byStart), (moment) => restOf(placedBy(moment)));
  const taken = best === null ? byStart : placedBy(best.moment);
  if (best !== null) {
    findings.add("boundary", ALL_MODELS, netOf(byStart) - netOf(taken), "the first and the last day");
    findings.notes.push(best.note);
  }
  for (const bucket of buckets) explainBucket(bucket, theirs.get(bucket) ?? 0n, taken.inBuckets.get(bucket) ?? [], { valued, valuing, measure }, findings);
  for (const call of taken.missing) findings.add(missingCause(call, facts.window), call.model, -measure(call), call.attemptId);
  if (valued && buckets.some(({ model, units }) => model === ALL_MODELS && units.size > 0)) findings.notes.push("counts without a model have no price: group the export by model");
  const sum = [...theirs.values()].reduce((all, one) => all + one, 0n);
  return { theirsNanoUsd: sum, oursNanoUsd: sum - netOf(byStart), valued };
}

/** Money where they tell money, else counts at our prices. */
function measurer(valued: boolean, valuing: Valuing): (call: LedgerCall) => bigint {
  const known = new Map<LedgerCall, bigint>();
  return (call) => {
    if (!valued) return BigInt(call.costNanoUsd ?? 0);
    let value = known.get(call);
    if (value === undefined) known.set(call, (value = valuing.ofCall(call) ?? 0n));
    return value;
  };
}

function total(calls: readonly LedgerCall[], measure: (call: LedgerCall) => bigint): bigint {
  return calls.reduce((sum, call) => sum + measure(call), 0n);
}

function valueOfBucket({ model, units, fromMs }: Bucket, valuing: Valuing): bigint {
  let sum = 0n;
  for (const [tier, counts] of units) sum += valuing.ofUnits(model, counts, fromMs, tier) ?? 0n;
  return sum;
}

function placed(calls: readonly LedgerCall[], place: ReturnType<typeof placer>, moment: Moment, { fromMs, toMs }: Window): Placed {
  const inBuckets = new Map<Bucket, LedgerCall[]>();
  const missing: LedgerCall[] = [];
  for (const call of calls) {
    const atMs = moment(call);
    const bucket = place(call, atMs);
    if (bucket === null) {
      if (atMs >= fromMs && atMs < toMs) missing.push(call);
      continue;
    }
    const known = inBuckets.get(bucket);
    if (known === undefined) inBuckets.set(bucket, [call]);
    else known.push(call);
  }
  return { inBuckets, missing };
}

/** Another instant at which calls are counted, or days of another zone, where that leaves less than half of the rest; else null. */
function bestMoment(buckets: readonly Bucket[], rest: bigint, restBy: (moment: Moment) => bigint): { readonly moment: Moment; readonly note: string } | null {
  if (rest === 0n) return null;
  const ends: Moment = ({ endMs }) => endMs;
  let best: { readonly moment: Moment; readonly note: string; readonly rest: bigint } = { moment: ends, note: "they count calls by when they end", rest: restBy(ends) };
  if (buckets.every(({ fromMs, toMs }) => (toMs - fromMs) % (DAY_HOURS * HOUR_MS) === 0)) {
    for (let hours = 1 - DAY_HOURS / 2; hours <= DAY_HOURS / 2 + 2; hours++) {
      if (hours === 0) continue;
      const moment: Moment = ({ atMs }) => atMs + hours * HOUR_MS;
      const left = restBy(moment);
      if (left < best.rest) best = { moment, note: `their days are those of UTC${hours > 0 ? "+" : ""}${hours}`, rest: left };
    }
  }
  return best.rest * 2n <= rest ? best : null;
}

interface Explaining {
  readonly valued: boolean;
  readonly valuing: Valuing;
  readonly measure: (call: LedgerCall) => bigint;
}

/** Takes parts off what is left of one bucket, the surest first. */
function explainBucket(bucket: Bucket, theirs: bigint, calls: readonly LedgerCall[], by: Explaining, findings: Findings): void {
  const { model, requests } = bucket;
  const at = `${bucket.at} (${new Date(bucket.fromMs).toISOString()})`;
  let left = theirs - total(calls, by.measure);
  const take = (cause: Cause, nanoUsd: bigint, count = 1): void => {
    findings.add(cause, model, nanoUsd, at, count);
    left -= nanoUsd;
  };
  const exact = BigInt(Math.ceil(bucket.roundedNanoUsd) + calls.length + 1);
  if (size(left) <= exact) return take("rounding", left);
  if (calls.length === 0) return take("not_in_ledger", left, requests ?? 1);
  const prices = priceParts(bucket, theirs, calls, by);
  if (prices !== null) {
    take("tier", prices.tier);
    take(size(prices.price) <= exact ? "rounding" : "price", prices.price);
  }
  for (const cause of ["estimated", "orphan"] as const) {
    const guessed = calls.filter((call) => call.state === "estimated" && call.flags.includes("orphan") === (cause === "orphan"));
    take(cause, clamp(left, ...rangeOf(guessed, by.measure)), guessed.length);
  }
  const unpriced = calls.filter(({ costNanoUsd, state }) => costNanoUsd === null && state !== "unmetered");
  if (unpriced.length > 0 && left > 0n && !by.valued) take("unpriced", left, unpriced.length);
  if (size(left) <= exact) return take("rounding", left);
  const billed = calls.filter(({ state }) => state === "charged" || state === "estimated").length;
  const charged = calls.filter(({ state }) => state === "charged").length;
  if (requests !== null && requests > billed && left > 0n) take("not_in_ledger", left, requests - billed);
  if (requests !== null && requests < charged && left < 0n) take("not_on_invoice", left, charged - requests);
  take("unexplained", left);
}

/** What of a difference is not one in counts: another tier, another price. null where no counts are told, or no price is known. */
function priceParts(bucket: Bucket, theirs: bigint, calls: readonly LedgerCall[], { valued, valuing, measure }: Explaining): { readonly price: bigint; readonly tier: bigint } | null {
  if (bucket.units.size === 0 || bucket.model === ALL_MODELS) return null;
  const all: { [U in Unit]?: number } = {};
  for (const counts of bucket.units.values()) addInto(all, counts);
  const theirsInTiers = valueOfBucket(bucket, valuing);
  const theirsPlain = valuing.ofUnits(bucket.model, all, bucket.fromMs, null);
  let [oursInTiers, oursPlain] = [0n, 0n];
  for (const call of calls) {
    const [inTier, plain] = [valuing.ofCall(call), valuing.ofCall(call, null)];
    if (inTier === null || plain === null) return null;
    oursInTiers += inTier;
    oursPlain += plain;
  }
  if (theirsPlain === null) return null;
  return { tier: theirsInTiers - theirsPlain - (oursInTiers - oursPlain), price: valued ? 0n : theirs - theirsInTiers - (total(calls, measure) - oursInTiers) };
}

/** By how much what was billed may differ from what was guessed: down to nothing, up to the bounds. */
function rangeOf(guessed: readonly LedgerCall[], measure: (call: LedgerCall) => bigint): readonly [bigint, bigint] {
  let [low, high] = [0n, 0n];
  for (const call of guessed) {
    const guess = measure(call);
    const bound = call.boundNanoUsd === null ? guess * UNBOUNDED_TIMES : BigInt(call.boundNanoUsd);
    low -= guess;
    if (bound > guess) high += bound - guess;
  }
  return [low, high];
}

function clamp(value: bigint, low: bigint, high: bigint): bigint {
  return value < low ? low : value > high ? high : value;
}
