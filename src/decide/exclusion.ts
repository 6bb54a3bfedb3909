/**
 * Taken out absolutely: a credential that the provider refuses, or a model that it does not know. Time alone does not
 * bring it back; every five minutes one request may try.
 */
import type { FailureClass } from "../wire/outcome.ts";
import { PROBE_SLOT_MS } from "./health/breaker.ts";

export const EXCLUSION_RETRY_MS = 300_000;

export type ExclusionReason = Extract<FailureClass, "auth" | "payment" | "residency" | "not_found">;

/** Plain state; only the functions below change it. */
export interface Exclusion {
  /** null: not excluded. */
  reason: ExclusionReason | null;
  /** When the next trial may be sent. */
  untilMs: number;
  /** Calls up to this one were sent before the exclusion, or with a credential that has changed since. */
  sinceSeq: number;
  /** The call that tries it; 0 where none does. */
  trialSeq: number;
  trialSentMs: number;
}

/** Nothing excluded. */
export function newExclusion(): Exclusion {
  return { reason: null, untilMs: 0, sinceSeq: 0, trialSeq: 0, trialSentMs: 0 };
}

/** `open`: nothing is excluded; `due`: one request may try; `shut`: none may. */
export function exclusionPhase(exclusion: Exclusion, nowMs: number): "open" | "due" | "shut" {
  if (exclusion.reason === null) return "open";
  if (exclusion.trialSeq !== 0 && nowMs - exclusion.trialSentMs < PROBE_SLOT_MS) return "shut";
  return nowMs >= exclusion.untilMs ? "due" : "shut";
}

/** Make this call the trial. False where none is due. */
export function takeTrial(exclusion: Exclusion, seq: number, nowMs: number): boolean {
  if (exclusionPhase(exclusion, nowMs) !== "due") return false;
  exclusion.trialSeq = seq;
  exclusion.trialSentMs = nowMs;
  return true;
}

/** The call `seq` was refused for `reason`. Calls sent before the exclusion say nothing new. */
export function exclude(exclusion: Exclusion, reason: ExclusionReason, seq: number, lastSentSeq: number, nowMs: number): void {
  if (seq <= exclusion.sinceSeq) return;
  exclusion.reason = reason;
  exclusion.untilMs = nowMs + EXCLUSION_RETRY_MS;
  exclusion.sinceSeq = lastSentSeq;
  exclusion.trialSeq = 0;
}

/** The call `seq` shows that the provider accepts us again. */
export function lift(exclusion: Exclusion, seq: number): void {
  if (exclusion.reason === null || seq <= exclusion.sinceSeq) return;
  exclusion.reason = null;
  exclusion.sinceSeq = seq;
  exclusion.trialSeq = 0;
}

/** The trial told nothing (`retryAtMs` null: the next request may try), or failed for another reason (try later). */
export function releaseTrial(exclusion: Exclusion, seq: number, retryAtMs: number | null): void {
  if (exclusion.trialSeq !== seq) return;
  exclusion.trialSeq = 0;
  if (retryAtMs !== null) exclusion.untilMs = retryAtMs;
}

/** An operator, or a new configuration, asks for a trial now. Calls sent before count no longer. */
export function makeDue(exclusion: Exclusion, lastSentSeq: number): void {
  exclusion.sinceSeq = lastSentSeq;
  exclusion.untilMs = 0;
  exclusion.trialSeq = 0;
}
