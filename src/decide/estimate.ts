/**
 * What an attempt costs when the provider does not say, and the charge that follows from how it ended. Estimates are
 * always flagged; nothing that may have been billed is settled at zero by default.
 */
import type { PriceSheet, SurchargedFeature } from "../wire/facts.ts";
import type { Json } from "../wire/json.ts";
import type { Outcome } from "../wire/outcome.ts";
import { OUTPUT_UNITS, outputTokens } from "../wire/usage.ts";
import type { Unit, UnitCounts, Usage } from "../wire/usage.ts";
import type { Pricing } from "./deployment.ts";
import { sheetAt, tierName } from "./price-at.ts";
import { priceUsage } from "./price.ts";
import type { PricedAt } from "./price.ts";

/** English prose and code run at about four bytes a token. Likely, not an upper bound. */
export function inputEstimateTokens(textBytes: number): number {
  return Math.ceil(Math.max(0, textBytes) / 4);
}

/**
 * Tokens that reached us as content and were not counted by anyone: at least one for each content event (providers send
 * one token or more per event), and one for every three bytes, which is above the average of prose, code and JSON; but no more
 * than the output limit that was sent (`limitTokens`), since that is what the provider may write.
 */
export function relayedTokens(textBytes: number, contentEvents: number, limitTokens = Number.POSITIVE_INFINITY): number {
  return Math.min(limitTokens, Math.max(contentEvents, Math.ceil(Math.max(0, textBytes) / 3)));
}

/** Counts for content without usage. Absent classes were not estimated. */
export function estimateUnits(inputTokens: number, relayed: number): UnitCounts {
  const units: { input?: number; output?: number } = {};
  if (inputTokens > 0) units.input = inputTokens;
  if (relayed > 0) units.output = relayed;
  return units;
}

/** All that decides what an attempt is charged; its time, tier and geography are those it is priced at. */
export interface AttemptFacts extends PricedAt {
  readonly pricing: Pricing;
  readonly outcome: Outcome;
  /** The last usage that was read; null: none. */
  readonly usage: Usage | null;
  /**
   * The answer's finish was seen, so its usage is final. Absent: only `answered` counts as finished. Usage before the
   * finish is a snapshot: an estimate, raised to what was relayed.
   */
  readonly finished?: boolean;
  /** Could any byte of the request have left? */
  readonly sent: boolean;
  /** UTF-8 bytes of content (text, reasoning, tool arguments) that came, and the events they came in. */
  readonly relayedTextBytes: number;
  readonly contentEvents: number;
  /** Output limit that was sent, all choices together; absent: none. */
  readonly outputLimitTokens?: number | undefined;
  readonly inputEstimateTokens: number;
  /** What the whole call is likely to be billed for, where that is not tokens alone: images, seconds, characters. */
  readonly expectedUnits?: UnitCounts | undefined;
  /** The provider's rule for a call that was sent and then lost or aborted before content. */
  readonly billsOnAbort: "input" | "nothing";
  /** Sheets of the provider's other models, for answers that bill several. */
  readonly sheetOfModel?: (upstreamModel: string) => PriceSheet | null;
}
/** A charge without what the caller adds: the attempt's id and the time. */
export interface ChargeMade {
  readonly state: "charged" | "estimated" | "unbilled" | "unmetered";
  /** `answered`, the failure class, `superseded` or `client_gone`. */
  readonly outcome: string;
  readonly units: UnitCounts;
  readonly rawUsage: Json;
  readonly costNanoUsd: number | null;
  readonly flags: readonly string[];
}

/**
 * The charge of an attempt, by the first rule that applies:
 * 1. not sent: nothing was billed (`unbilled`, 0);
 * 2. usage seen: the usage (`charged`); of an answer that did not finish it is a snapshot (`estimated`), raised to what
 *    was relayed;
 * 3. content without usage: input estimate + relayed (`estimated`);
 * 4. the provider refused with an HTTP error: `unbilled`, 0;
 * 5. sent, then lost, aborted or unreadable before content: by `billsOnAbort`, the input estimate (`estimated`) or 0.
 * An unmetered call is `unmetered` with a null cost in each of them, and a price that is unknown gives null, flagged.
 */
export function chargeOf(facts: AttemptFacts): ChargeMade {
  const { outcome, usage } = facts;
  const relayed = relayedTokens(facts.relayedTextBytes, facts.contentEvents, facts.outputLimitTokens);
  if (!facts.sent || (outcome.kind !== "answered" && outcome.phase === "unsent")) return unbilled(facts, []);
  if (usage !== null && isCounted(usage)) return byUsage(facts, usage, relayed);
  if (outcome.kind === "answered" || outcome.phase === "after-content" || relayed > 0) {
    return estimated(facts, facts.expectedUnits ?? estimateUnits(facts.inputEstimateTokens, relayed), ["usage_missing"]);
  }
  if (outcome.kind === "failed" && outcome.error.status >= 400) return unbilled(facts, []);
  if (facts.billsOnAbort === "nothing") return unbilled(facts, ["aborted"]);
  return estimated(facts, facts.expectedUnits ?? estimateUnits(facts.inputEstimateTokens, 0), ["aborted"]);
}

/** A usage object without a single count says nothing. */
function isCounted(usage: Usage): boolean {
  if (usage.providerCostNanoUsd !== undefined && usage.providerCostNanoUsd > 0) return true;
  return hasCount(usage.units) || usage.entries?.some((entry) => hasCount(entry.units)) === true;
}

function hasCount(units: UnitCounts): boolean {
  for (const unit in units) if ((units[unit as Unit] ?? 0) > 0) return true;
  return false;
}

function byUsage(facts: AttemptFacts, usage: Usage, relayed: number): ChargeMade {
  const finished = facts.finished ?? facts.outcome.kind === "answered";
  // What was counted by us and not told is flagged by whoever counted it.
  const state = usage.flags?.includes("estimated") === true ? "estimated" : "charged";
  if (finished) return priced(facts, state, withRequestFee(facts, usage), usage.flags ?? []);
  const partial = [...(usage.flags ?? []), "estimated", "usage_partial"];
  const missing = relayed - outputTokens(usage.units);
  // What the provider wrote after the snapshot and before it noticed the end is on its bill as well, and unknown here.
  if (missing <= 0) return priced(facts, "estimated", withRequestFee(facts, usage), partial);
  // The output that the snapshot lacks, on the class that it has most of.
  const raised = addOutput(usage.units, missing);
  const entries =
    usage.entries === undefined
      ? undefined
      : [...usage.entries, { model: null, kind: "relayed", units: { output: missing } }];
  const { providerCostNanoUsd: _snapshot, ...rest } = usage;
  return priced(
    facts,
    "estimated",
    withRequestFee(facts, { ...rest, units: raised, ...(entries === undefined ? {} : { entries }) }),
    partial,
  );
}

function addOutput(units: UnitCounts, tokens: number): UnitCounts {
  let most: (typeof OUTPUT_UNITS)[number] = "output";
  for (const unit of OUTPUT_UNITS) if ((units[unit] ?? 0) > (units[most] ?? 0)) most = unit;
  return { ...units, [most]: (units[most] ?? 0) + tokens };
}

function estimated(facts: AttemptFacts, units: UnitCounts, flags: readonly string[]): ChargeMade {
  return priced(facts, "estimated", withRequestFee(facts, { units, raw: facts.usage?.raw ?? null }), [
    "estimated",
    ...flags,
  ]);
}

/** A fee per request is part of the units that the row keeps, so that it can be priced again from them. */
function withRequestFee({ pricing, wallMs }: Pick<AttemptFacts, "pricing" | "wallMs">, usage: Usage): Usage {
  if (usage.units.requests !== undefined || sheetAt(pricing, wallMs)?.base.requests === undefined) return usage;
  return { ...usage, units: { ...usage.units, requests: 1 } };
}

function priced(
  facts: AttemptFacts,
  state: "charged" | "estimated",
  usage: Usage,
  flags: readonly string[],
): ChargeMade {
  const base = { outcome: wordFor(facts.outcome), units: usage.units, rawUsage: usage.raw };
  if (facts.pricing.kind === "unmetered") return { ...base, state: "unmetered", costNanoUsd: null, flags };
  const { costNanoUsd, flags: priceFlags } = priceUsage(facts.pricing, usage, facts, facts.sheetOfModel);
  return { ...base, state, costNanoUsd, flags: distinct(flags, pricedBy(facts, usage), priceFlags) };
}

function distinct(...lists: readonly (readonly string[])[]): readonly string[] {
  return lists.every((list) => list.length === 0) ? NO_FLAGS : [...new Set(lists.flat())];
}

/** Flags of what a row was priced by, beside its units: without them it could not be priced again. */
export const TIER_FLAG = "tier:";
export const SURCHARGE_FLAG = "surcharge:";
const NO_FLAGS: readonly string[] = [];
/** Words of an answer that become part of a flag. */
const PLAIN_WORD = /^[a-z][a-z0-9_-]{0,23}$/;

/** The tier that served, where it is not the standard one, and what was asked that the list charges extra. */
function pricedBy({ pricing, wallMs, serviceTier, features = NO_FEATURES }: AttemptFacts, usage: Usage): readonly string[] {
  const tier = tierName(usage.serviceTier ?? serviceTier);
  const surcharges = features.length === 0 ? undefined : sheetAt(pricing, wallMs)?.surcharges;
  if (tier === null && surcharges === undefined) return NO_FLAGS;
  const told = tier !== null && PLAIN_WORD.test(tier) ? [`${TIER_FLAG}${tier}`] : [];
  return [...told, ...features.filter((feature) => surcharges?.[feature] !== undefined).map((feature) => `${SURCHARGE_FLAG}${feature}`)];
}
const NO_FEATURES: readonly SurchargedFeature[] = [];

function unbilled(facts: AttemptFacts, flags: readonly string[]): ChargeMade {
  const unmetered = facts.pricing.kind === "unmetered";
  return {
    state: unmetered ? "unmetered" : "unbilled",
    outcome: wordFor(facts.outcome),
    units: {},
    rawUsage: facts.usage?.raw ?? null,
    costNanoUsd: unmetered ? null : 0,
    flags,
  };
}

function wordFor(outcome: Outcome): string {
  switch (outcome.kind) {
    case "failed":
      return outcome.error.class;
    case "client-gone":
      return "client_gone";
    default:
      return outcome.kind;
  }
}
