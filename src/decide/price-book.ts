/**
 * Prices with the time for which they hold and since when they are known. A record says what one model costs at a provider,
 * or on one account; the book answers which of them was in force at an instant, as it was known at another. Pure.
 */
import type { PriceSheet } from "../wire/facts.ts";
import type { Pricing } from "./deployment.ts";

export type PriceConfidence = "owner" | "verified" | "secondary" | "memory";
export interface PriceProvenance {
  /** Who says so: `owner`, or the feed's name. Periods of one source do not overlap. */
  readonly source: string;
  readonly url?: string;
  /** The day of the source, `2026-11-23`. */
  readonly date?: string;
}
export interface PriceRecord {
  readonly id: string;
  /** A record of an account goes before one of its provider. */
  readonly of: { readonly provider: string } | { readonly account: string };
  /** The upstream name. */
  readonly model: string;
  readonly validFromMs: number;
  /** null: until further notice. */
  readonly validToMs: number | null;
  readonly knownSinceMs: number;
  readonly sheet: PriceSheet;
  readonly provenance: PriceProvenance;
  readonly confidence: PriceConfidence;
  /** The record that this one sets right: it may overlap that one, and goes before it from when it is known. */
  readonly corrects?: string;
  /** It stands in the configuration, and goes before what is managed. */
  readonly fixed?: boolean;
}

/** Something that keeps a record out of the book. */
export interface RecordProblem {
  readonly id: string;
  /** `valid_to`, `corrects`, `price.input`, … */
  readonly field: string;
  readonly message: string;
}

/** What is asked: a model on an account, at an instant, as it was known at another (absent: as it is known now). */
export interface PriceAsked {
  readonly account: string;
  readonly provider: string;
  readonly model: string;
  readonly atMs: number;
  readonly knownAtMs?: number;
}

const CONFIDENCE_ORDER: readonly PriceConfidence[] = ["owner", "verified", "secondary", "memory"];

export class PriceBook {
  readonly #records = new Map<string, PriceRecord[]>();

  /** `records` must be sound: see `recordProblems`. */
  constructor(records: Iterable<PriceRecord>) {
    for (const record of records) {
      const key = keyOf(record);
      const list = this.#records.get(key);
      if (list === undefined) this.#records.set(key, [record]);
      else list.push(record);
    }
  }

  /** This book and more records. */
  with(records: readonly PriceRecord[]): PriceBook {
    return records.length === 0 ? this : new PriceBook([...[...this.#records.values()].flat(), ...records]);
  }

  /** The record in force: one of the account before one of the provider; what a correction corrects does not count. */
  recordAt(asked: PriceAsked): PriceRecord | null {
    return this.#accountRecordAt(asked) ?? this.#best(`provider ${asked.provider} ${asked.model}`, asked);
  }

  /** The sheet in force; null: the book knows none. */
  sheetAt(asked: PriceAsked): PriceSheet | null {
    return this.recordAt(asked)?.sheet ?? null;
  }

  /** All records of a model on an account and at its provider, in no order. */
  recordsOf(asked: Omit<PriceAsked, "atMs">): readonly PriceRecord[] {
    return [...(this.#records.get(`account ${asked.account} ${asked.model}`) ?? []), ...(this.#records.get(`provider ${asked.provider} ${asked.model}`) ?? [])];
  }

  /**
   * The pricing of a deployment as of `atMs`: the sheet in force and those that will take its place. `otherwise` holds
   * where no record does. null: no record has anything to say.
   */
  pricingAt(asked: PriceAsked, otherwise: PriceSheet | null): Pricing | null {
    return pricingOver(this.recordsOf(asked), (atMs) => this.sheetAt({ ...asked, atMs }) ?? otherwise, asked.atMs);
  }

  /** The same by records of the account alone. */
  accountPricingAt(asked: PriceAsked, otherwise: PriceSheet | null): Pricing | null {
    const records = this.#records.get(`account ${asked.account} ${asked.model}`) ?? [];
    return pricingOver(records, (atMs) => this.#accountRecordAt({ ...asked, atMs })?.sheet ?? otherwise, asked.atMs);
  }

  #accountRecordAt(asked: PriceAsked): PriceRecord | null {
    return this.#best(`account ${asked.account} ${asked.model}`, asked);
  }

  #best(key: string, { atMs, knownAtMs }: PriceAsked): PriceRecord | null {
    const known = (this.#records.get(key) ?? []).filter((record) => holdsAt(record, atMs) && (knownAtMs === undefined || record.knownSinceMs <= knownAtMs));
    const corrected = new Set(known.flatMap((record) => record.corrects ?? []));
    let best: PriceRecord | null = null;
    for (const record of known) if (!corrected.has(record.id) && (best === null || goesBefore(record, best))) best = record;
    return best;
  }
}

function pricingOver(records: readonly PriceRecord[], sheetOf: (atMs: number) => PriceSheet | null, nowMs: number): Pricing | null {
  if (records.length === 0) return null;
  const instants = records.flatMap((record) => [record.validFromMs, ...(record.validToMs === null ? [] : [record.validToMs])]);
  const later: { fromMs: number; sheet: PriceSheet | null }[] = [];
  const now = sheetOf(nowMs);
  if (now === null) return { kind: "unknown" };
  let last: PriceSheet | null = now;
  for (const fromMs of [...new Set(instants)].filter((ms) => ms > nowMs).toSorted((a, b) => a - b)) {
    const sheet = sheetOf(fromMs);
    if (sheet !== last) later.push({ fromMs, sheet });
    last = sheet;
  }
  return { kind: "sheet", sheet: now, ...(later.length === 0 ? {} : { later }) };
}

/** The configuration before what is managed, owner before feeds, surer before less sure, later known before earlier, and the name at last, so that one always wins. */
function goesBefore(one: PriceRecord, other: PriceRecord): boolean {
  if (one.fixed !== other.fixed) return one.fixed === true;
  const order = CONFIDENCE_ORDER.indexOf(one.confidence) - CONFIDENCE_ORDER.indexOf(other.confidence);
  if (order !== 0) return order < 0;
  if (one.knownSinceMs !== other.knownSinceMs) return one.knownSinceMs > other.knownSinceMs;
  return one.id > other.id;
}

function holdsAt(record: PriceRecord, atMs: number): boolean {
  return record.validFromMs <= atMs && (record.validToMs === null || atMs < record.validToMs);
}

function keyOf({ of, model }: Pick<PriceRecord, "of" | "model">): string {
  return "account" in of ? `account ${of.account} ${model}` : `provider ${of.provider} ${model}`;
}

/** What is wrong with a record beside the others: a period that ends before it begins, an overlap, a correction of nothing. */
export function recordProblems(record: PriceRecord, others: Iterable<PriceRecord>): readonly RecordProblem[] {
  const problems: RecordProblem[] = [];
  const tell = (field: string, message: string): void => void problems.push({ id: record.id, field, message });
  if (record.validToMs !== null && record.validToMs <= record.validFromMs) tell("valid_to", "must be later than valid_from");
  let corrected = record.corrects === undefined;
  for (const other of others) {
    if (other.id === record.id || keyOf(other) !== keyOf(record)) continue;
    if (other.id === record.corrects) {
      corrected = true;
      if (other.corrects === record.id) tell("corrects", `${other.id} corrects this one already`);
      continue;
    }
    if (other.corrects === record.id || other.provenance.source !== record.provenance.source || !overlap(record, other)) continue;
    // Two corrections of one record, or a correction beside the record before the corrected one, overlap like any others.
    tell("valid_from", `the period overlaps that of ${other.id} (${periodText(other)}), which has the same source; end that one first, or say that this one corrects it`);
  }
  if (!corrected) tell("corrects", `there is no price ${record.corrects ?? ""} of this model there`);
  return problems;
}

/** The same for a whole book. */
export function bookProblems(records: readonly PriceRecord[]): readonly RecordProblem[] {
  const byKey = new Map<string, PriceRecord[]>();
  for (const record of records) byKey.set(keyOf(record), [...(byKey.get(keyOf(record)) ?? []), record]);
  return records.flatMap((record) => recordProblems(record, byKey.get(keyOf(record)) ?? []));
}

function overlap(a: PriceRecord, b: PriceRecord): boolean {
  return (a.validToMs === null || b.validFromMs < a.validToMs) && (b.validToMs === null || a.validFromMs < b.validToMs);
}

function periodText({ validFromMs, validToMs }: PriceRecord): string {
  const day = (ms: number): string => new Date(ms).toISOString().slice(0, 16).replace("T00:00", "");
  return `${validFromMs <= 0 ? "always" : `from ${day(validFromMs)}`}${validToMs === null ? "" : ` to ${day(validToMs)}`}`;
}
