/**
 * Looks at what a feed wants to change before anything is changed: each number beside the old one, with what is odd about
 * it. What is odd is changed only where the owner accepts it by name; what cannot be a price is never changed.
 */
import type { PriceSheet, UnitPrices } from "../wire/facts.ts";
import { isTokenUnit, OUTPUT_UNITS, type Unit } from "../wire/usage.ts";
import { entriesOf } from "./price-listing.ts";
import { mergedSheet } from "./price-merge.ts";
import { readPriceTerms, type PriceTerms } from "./price-terms.ts";

/** What a feed says of one model. */
export interface Proposal {
  readonly provider: string;
  readonly model: string;
  readonly terms: PriceTerms;
  readonly notes: readonly string[];
  /** Where it is not the dollar. */
  readonly currency?: string;
}
/** What is charged now; null: no price is known. */
export interface Current {
  readonly sheet: PriceSheet;
  /** The owner's own word goes before any feed. */
  readonly byOwner: boolean;
}

export interface EntryChange {
  readonly path: string;
  readonly unit: Unit | null;
  /** Pico-dollars, or thousandths of a multiplier; null: there was, or will be, none. */
  readonly old: number | null;
  readonly next: number | null;
  /** Why it is not changed unless it is accepted; null: nothing is odd about it. */
  readonly odd: string | null;
}
/**
 * `same`: nothing changes; `fine`: within bounds; `new`: no price was known; `odd`: only if it is accepted; `kept`: the
 * owner's own price stays; `refused`: what the feed says is no price list.
 */
export type Verdict = "same" | "fine" | "new" | "odd" | "kept" | "refused";
export interface Review {
  /** `provider/model`: what is accepted by. */
  readonly id: string;
  readonly verdict: Verdict;
  readonly changes: readonly EntryChange[];
  /** Why it is odd or refused, beyond single changes. */
  readonly reasons: readonly string[];
  readonly notes: readonly string[];
  /** What would hold; null where nothing would change, or nothing can. */
  readonly sheet: Omit<PriceSheet, "version"> | null;
}

/** A price that moves by more is looked at by a person. */
const MOST_TIMES = 3;
/** 1,000 USD and a ten-thousandth of a cent per million tokens. */
const MOST_TOKEN_PICO = 1_000_000_000;
const LEAST_TOKEN_PICO = 1_000;
/** 100 USD each: a search, an image, a page; and a nano-dollar. */
const MOST_PIECE_PICO = 100_000_000_000_000;
const LEAST_PIECE_PICO = 1_000;
/** Cached tokens cost down to a fiftieth of plain ones, sound up to some ten times as much. */
const MOST_OVER_LEAD = 30;
const MOST_UNDER_LEAD = 60;
const OUTPUTS: ReadonlySet<string> = new Set(OUTPUT_UNITS);
const SLIPS: readonly (readonly [times: number, what: string])[] = [
  [1_000_000, "as if per million were per token"], [1_000, "as if per million were per thousand"], [100, "as if dollars were cents"],
];

/** Judge one proposal against the price in force. */
export function reviewProposal(proposal: Proposal, current: Current | null): Review {
  const { provider, model, notes } = proposal;
  const made = { id: `${provider}/${model}`, notes, changes: [] as readonly EntryChange[], sheet: null };
  const { sheet: told, problems } = readPriceTerms(proposal.terms);
  if (told === null || problems.length > 0) return { ...made, verdict: "refused", reasons: problems.length === 0 ? ["no price in it"] : problems.map(({ path, expected, found }) => `${path.join(".") || "price"}: expected ${expected}, found ${found}`) };
  if (current?.byOwner === true) return { ...made, verdict: "kept", reasons: ["the price is your own"] };
  const sheet = mergedSheet(current?.sheet ?? null, told);
  const changes = changesOf(current?.sheet ?? null, sheet);
  const reasons = proposal.currency === undefined ? [] : [`its currency is ${proposal.currency}, and nothing is converted`];
  if (changes.length === 0 && reasons.length === 0) return { ...made, verdict: "same", reasons };
  const isOdd = reasons.length > 0 || changes.some(({ odd }) => odd !== null);
  return { ...made, verdict: isOdd ? "odd" : current === null ? "new" : "fine", changes, reasons, sheet };
}

function changesOf(old: PriceSheet | null, next: Omit<PriceSheet, "version">): readonly EntryChange[] {
  const before = new Map(old === null ? [] : entriesOf(old).map((entry) => [entry.path, entry]));
  const changes: EntryChange[] = [];
  for (const { path, unit, value } of entriesOf({ version: "", ...next })) {
    const was = before.get(path)?.value ?? null;
    before.delete(path);
    if (was !== value) changes.push({ path, unit, old: was, next: value, odd: was === null ? newOddness(path, unit, value, next.base) : oddness(was, value) });
  }
  // A condition that goes makes calls cheaper, or dearer, without a number that shows it.
  for (const { path, unit, value } of before.values()) changes.push({ path, unit, old: value, next: null, odd: "it would go" });
  return changes;
}

/** What is odd about a number beside the one before it. */
function oddness(old: number, next: number): string | null {
  if (next === 0) return "to zero";
  return old === 0 ? "it was free" : move(old, next);
}

/** What is odd about a number where there was none, beside the plain price that it stands for. */
function newOddness(path: string, unit: Unit | null, next: number, base: UnitPrices): string | null {
  if (unit === null) return next < 500 || next > 3_000 ? "a multiplier far from 1" : null;
  if (next === 0) return "to zero";
  if (!isTokenUnit(unit)) return next > MOST_PIECE_PICO ? "more than 100 USD each" : next < LEAST_PIECE_PICO ? "less than a nano-dollar each" : null;
  if (next > MOST_TOKEN_PICO) return "more than 1,000 USD per million tokens";
  if (next < LEAST_TOKEN_PICO) return "less than 0.001 USD per million tokens";
  const plain = path === unit ? undefined : base[unit];
  if (plain !== undefined) return plain > 0 && move(plain, next) !== null ? `${move(plain, next) ?? ""} beside the plain price` : null;
  const lead = (OUTPUTS.has(unit) ? base.output : undefined) ?? base.input;
  if (lead === undefined || lead === 0 || unit === "input" || unit === "output") return null;
  return next > lead * MOST_OVER_LEAD || next * MOST_UNDER_LEAD < lead ? `far from the price of ${OUTPUTS.has(unit) ? "output" : "input"}` : null;
}

function move(old: number, next: number): string | null {
  const times = next > old ? next / old : old / next;
  if (times <= MOST_TIMES) return null;
  const sign = next > old ? "×" : "÷";
  const slip = SLIPS.find(([factor]) => times > factor * 0.9 && times < factor * 1.1);
  return `${sign} ${timesText(times)}${slip === undefined ? "" : `, ${slip[1]}`}`;
}

function timesText(times: number): string {
  return times >= 100 ? String(Math.round(times)) : times.toFixed(1);
}

/** So many models must move alike before it looks like another currency. */
const ALIKE_MODELS = 8;
const ALIKE_SHARE = 0.8;
const ALIKE_WITHIN = 0.02;

/** Judge a whole feed: what each model alone does not show is told of all. */
export function reviewFeed(proposals: readonly Proposal[], currentOf: (proposal: Proposal) => Current | null): readonly Review[] {
  const seen = new Set<string>();
  const reviews = proposals.map((proposal): Review => {
    const review = reviewProposal(proposal, currentOf(proposal));
    if (!seen.has(review.id)) {
      seen.add(review.id);
      return review;
    }
    return { ...review, verdict: "refused", reasons: ["the feed has it twice"], changes: [], sheet: null };
  });
  const factor = commonFactor(reviews);
  if (factor === null) return reviews;
  const reason = `nearly all prices of the feed move by the same factor, ${factor.toFixed(2)}: another currency?`;
  return reviews.map((review) => (review.verdict === "fine" ? { ...review, verdict: "odd", reasons: [...review.reasons, reason] } : review));
}

/** The factor by which nearly all that move do so; null: there is none. */
function commonFactor(reviews: readonly Review[]): number | null {
  const factors = reviews.flatMap(({ changes }) => {
    const input = changes.find(({ path }) => path === "input");
    return input === undefined || input.old === null || input.next === null || input.old === 0 || input.next === 0 ? [] : [input.next / input.old];
  });
  if (factors.length < ALIKE_MODELS) return null;
  const middle = factors.toSorted((a, b) => a - b)[Math.floor(factors.length / 2)] ?? 1;
  const alike = factors.filter((one) => Math.abs(one / middle - 1) <= ALIKE_WITHIN).length;
  return alike >= factors.length * ALIKE_SHARE ? middle : null;
}
