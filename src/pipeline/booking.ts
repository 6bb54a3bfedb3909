/** Holds and charges of attempts: what is reserved before a call, and what is booked after it. */
import type { Candidate } from "../decide/choose.ts";
import { underContract } from "../decide/contract/charge.ts";
import { relayedTokens, chargeOf, type AttemptFacts } from "../decide/estimate.ts";
import { orphanRates, priceVersionOf, type PricedAt } from "../decide/price.ts";
import type { Caller, Charge, Hold } from "../ports.ts";
import type { SurchargedFeature } from "../wire/facts.ts";
import type { Outcome } from "../wire/outcome.ts";
import type { UnitCounts } from "../wire/usage.ts";
import type { Attempt } from "./attempt.ts";
import { scopesOf } from "./scopes.ts";

export interface HoldFacts {
  /** The route's name. */
  readonly route: string;
  readonly attemptId: string;
  readonly requestId: string;
  readonly number: number;
  readonly candidate: Candidate;
  readonly caller: Caller;
  /** The first attempt reserves for the dearest step, later ones for themselves. */
  readonly boundNanoUsd: number | null;
  readonly inputEstimateTokens: number;
  /** Of a call that is not billed by tokens alone. */
  readonly expectedUnits?: UnitCounts | undefined;
  /** What the request asks for that price lists may charge extra. */
  readonly features?: readonly SurchargedFeature[] | undefined;
  /** The tier that it asks for: what served is known only when it has answered. */
  readonly serviceTier?: string | undefined;
  readonly wallMs: number;
}

/** The hold of one attempt, durable before its first byte. */
export function holdOf(facts: HoldFacts): Hold {
  const { deployment } = facts.candidate;
  const { inputEstimateNanoUsd, outputPricePicoUsd } = ratesOf(facts);
  const hold: { -readonly [K in keyof Hold]: Hold[K] } = {
    attemptId: facts.attemptId,
    requestId: facts.requestId,
    number: facts.number,
    deployment: deployment.id,
    tenant: facts.caller.tenant,
    scopes: scopesOf(facts.caller.scopes, facts.route, deployment),
    priceVersion: priceVersionOf(deployment.pricing, facts.wallMs),
    period: periodOf(facts.wallMs),
    boundNanoUsd: facts.boundNanoUsd,
    inputEstimateTokens: facts.inputEstimateTokens,
    inputEstimateNanoUsd,
    outputPricePicoUsd,
    billsOnAbort: deployment.provider.billsOnAbort,
    atMs: facts.wallMs,
  };
  if (deployment.pricing.kind === "unmetered") hold.unmetered = true;
  return hold;
}

type OrphanRates = ReturnType<typeof orphanRates>;

/** By what an orphan is settled. Which tier served it nobody will know: the dearer of the standard one and the one that was asked. */
function ratesOf({ candidate, inputEstimateTokens, wallMs, features, serviceTier, expectedUnits }: HoldFacts): OrphanRates {
  const at: PricedAt = features === undefined ? { wallMs } : { wallMs, features };
  const standard = orphanRates(candidate.deployment.pricing, inputEstimateTokens, at, expectedUnits);
  if (serviceTier === undefined) return standard;
  const asked = orphanRates(candidate.deployment.pricing, inputEstimateTokens, { ...at, serviceTier }, expectedUnits);
  return { inputEstimateNanoUsd: dearer(standard.inputEstimateNanoUsd, asked.inputEstimateNanoUsd), outputPricePicoUsd: dearer(standard.outputPricePicoUsd, asked.outputPricePicoUsd) };
}

function dearer(a: number | null, b: number | null): number | null {
  return a === null || b === null ? (a ?? b) : Math.max(a, b);
}

let periodText = "";
let periodStartMs = 0;
let periodEndMs = 0;

/** `2026-11` for an instant, in UTC. Kept between calls, since it changes once a month. */
export function periodOf(wallMs: number): string {
  if (wallMs < periodStartMs || wallMs >= periodEndMs) {
    const date = new Date(wallMs);
    periodStartMs = Date.UTC(date.getUTCFullYear(), date.getUTCMonth(), 1);
    periodEndMs = Date.UTC(date.getUTCFullYear(), date.getUTCMonth() + 1, 1);
    periodText = `${date.getUTCFullYear()}-${String(date.getUTCMonth() + 1).padStart(2, "0")}`;
  }
  return periodText;
}

/** What a provider billed beyond the bound that was held. */
const OVERRUN = "overrun";

/** The charge of an attempt that has ended at `wallMs`, by the prices of the moment at which it was held. */
export function chargeFor(attempt: Attempt, outcome: Outcome, asked: Pick<HoldFacts, "inputEstimateTokens" | "features" | "serviceTier">, wallMs: number): Charge {
  const { deployment } = attempt.settings.candidate;
  const { outputLimitTokens } = attempt.settings.candidate;
  const { features, serviceTier } = asked;
  const facts: AttemptFacts = {
    pricing: deployment.pricing,
    outcome,
    sent: attempt.sent,
    // An answer that was read to its end and did not fit is billed like any other.
    finished: attempt.complete || (outcome.kind === "failed" && outcome.error.class === "schema_mismatch"),
    usage: attempt.usage,
    relayedTextBytes: attempt.textBytes,
    contentEvents: attempt.contentEvents,
    outputLimitTokens,
    inputEstimateTokens: asked.inputEstimateTokens + (attempt.settings.shownTokens ?? 0),
    billsOnAbort: deployment.provider.billsOnAbort,
    wallMs: attempt.heldMs ?? wallMs,
    features,
    expectedUnits: attempt.settings.expectedUnits,
  };
  let booked = chargeOf(facts);
  // An answer without a word of its tier was served in the standard one. Of one that broke off before it told anything that is not known.
  if (serviceTier !== undefined && attempt.usage === null && booked.state === "estimated") {
    const inTier = chargeOf({ ...facts, serviceTier });
    if ((inTier.costNanoUsd ?? 0) > (booked.costNanoUsd ?? 0)) booked = inTier;
  }
  const { state, outcome: word, units, rawUsage, costNanoUsd, flags } = underContract(booked, deployment.pricing, attempt.heldMs ?? wallMs);
  const { heldNanoUsd } = attempt;
  const isOverrun = heldNanoUsd !== null && (costNanoUsd ?? 0) > heldNanoUsd;
  return { attemptId: attempt.settings.id, state, outcome: word, units, rawUsage, costNanoUsd, flags: isOverrun ? [...flags, OVERRUN] : flags, atMs: wallMs };
}

/** How far an attempt has come, in tokens that the provider will bill. */
export function relayedBy(attempt: Attempt): number {
  return relayedTokens(attempt.textBytes, attempt.contentEvents, attempt.settings.candidate.outputLimitTokens);
}
