/**
 * What we believe of every deployment: the breaker, the pace and the exclusions of each, joined. Classification (outcomes)
 * comes in, permission goes out; the choice decides what to do with it. Time and chance are arguments.
 */
import type { Outcome, UpstreamError } from "../wire/outcome.ts";
import * as breaking from "./breaker.ts";
import type { Breaker, RestSettings } from "./breaker.ts";
import * as excluding from "./exclusion.ts";
import type { Exclusion, ExclusionReason } from "./exclusion.ts";
import * as pacing from "./pace.ts";
import type { Pace } from "./pace.ts";

/** What health is kept for. */
export interface HealthId {
  readonly deployment: string;
  readonly account: string;
  readonly endpoint: string;
}

export interface HealthView {
  /** `probe-ready`: one call may go, sent with `probe: true`. `probing`: that call is under way. */
  readonly state: breaking.BreakerPhase;
  /** Not before this time (0: at once), for a 429 or a Retry-After. */
  readonly pausedUntilMs: number;
  /** Never to be called, not even as a last resort. null where it may be. */
  readonly excluded: ExclusionView | null;
  /** When the rest ends; 0 where it does not rest. */
  readonly restsUntilMs: number;
  /** Its calls became dearer than they were, and how; absent: they did not. */
  readonly dear?: string;
}
export interface ExclusionView {
  readonly reason: ExclusionReason;
  readonly untilMs: number;
  readonly scope: "account" | "deployment";
  /** Our configuration is wrong: somebody should look. */
  readonly alarm: boolean;
}

/** One call under way. Observe its end exactly once; a soft timeout may come before. */
export interface Ticket {
  readonly seq: number;
  /** Did it get the probe slot, or become the trial of an exclusion? */
  readonly probe: boolean;
  readonly entry: Entry;
  readonly accountExclusion: Exclusion;
  /** A soft timeout has been counted: what comes later is no second failure, and no success. */
  counted: boolean;
}
export interface Entry {
  readonly id: HealthId;
  readonly breaker: Breaker;
  readonly pace: Pace;
  /** The model that the provider does not know. */
  readonly exclusion: Exclusion;
}

export type Observation = Outcome | { readonly kind: "soft-timeout" };

export interface HealthRow extends HealthView, HealthId {
  /** Hard failures in the run. */
  readonly run: number;
  /** k of the next rest. */
  readonly level: number;
}

/** Names may come from clients (`account/anything`), so the book is bounded. */
const ENTRIES_MAX = 4_096;
const NOTHING_DEAR: ReadonlyMap<string, string> = new Map();
const HEALTHY: HealthView = Object.freeze({ state: "admitting", pausedUntilMs: 0, excluded: null, restsUntilMs: 0 });

export class HealthBook {
  #settings: RestSettings;
  readonly #entries = new Map<string, Entry>();
  readonly #accounts = new Map<string, Exclusion>();
  #dear: ReadonlyMap<string, string> = NOTHING_DEAR;
  #lastSeq = 0;

  constructor(settings: RestSettings) {
    this.#settings = settings;
  }

  /** New rests follow these; a rest under way keeps its length. */
  configure(settings: RestSettings): void {
    this.#settings = settings;
  }

  /** What may be sent to a deployment's endpoint now. Changes nothing. */
  view(deployment: string, account: string, endpoint: string, nowMs: number): HealthView {
    const entry = this.#entries.get(keyOf(deployment, endpoint));
    const credential = this.#accounts.get(account);
    const dear = this.#dear.size === 0 ? undefined : this.#dear.get(deployment);
    if (dear !== undefined) return { ...viewOf(entry, credential, nowMs), dear };
    if (entry === undefined && (credential === undefined || credential.reason === null)) return HEALTHY;
    return viewOf(entry, credential, nowMs);
  }

  /** From now on these deployments are dear, for the reasons given. The map is read, and may change. */
  markDear(deployments: ReadonlyMap<string, string>): void {
    this.#dear = deployments;
  }

  /** Accounts that are taken out, and why; also those of which a trial is due. */
  excludedAccounts(): ReadonlyMap<string, ExclusionReason> {
    const found = new Map<string, ExclusionReason>();
    for (const [account, { reason }] of this.#accounts) if (reason !== null) found.set(account, reason);
    return found;
  }

  /**
   * A call is being sent. With `probe` it takes the probe slot (and the trial of an exclusion that is due), if there is
   * one to take; the ticket says whether it did.
   */
  sent(id: HealthId, nowMs: number, probe: boolean): Ticket {
    const entry = this.#entryFor(id, nowMs);
    const accountExclusion = this.#exclusionFor(id.account);
    this.#lastSeq += 1;
    const seq = this.#lastSeq;
    let took = false;
    if (probe) {
      took = breaking.takeProbe(entry.breaker, seq, nowMs);
      took = excluding.takeTrial(accountExclusion, seq, nowMs) || took;
      took = excluding.takeTrial(entry.exclusion, seq, nowMs) || took;
    }
    return { seq, probe: took, entry, accountExclusion, counted: false };
  }

  /** What became of a call. `random` is uniform in [0, 1). */
  observe(ticket: Ticket, observation: Observation, nowMs: number, random: number): void {
    switch (observation.kind) {
      case "soft-timeout":
        if (ticket.counted) return;
        ticket.counted = true;
        return this.#hardFailure(ticket, nowMs, random);
      case "answered":
        return this.#answered(ticket, nowMs);
      case "failed":
        return this.#failed(ticket, observation.error, observation.fault, nowMs, random);
      case "superseded":
      case "client-gone":
        return this.#released(ticket, null);
    }
  }

  /** An operator asks for a trial of an excluded credential and its excluded models. True where anything was excluded. */
  retryAccount(account: string): boolean {
    let found = false;
    const due = (exclusion: Exclusion): void => {
      found ||= exclusion.reason !== null;
      excluding.makeDue(exclusion, this.#lastSeq);
    };
    const credential = this.#accounts.get(account);
    if (credential !== undefined) due(credential);
    for (const entry of this.#entries.values()) if (entry.id.account === account) due(entry.exclusion);
    return found;
  }

  /** A new configuration serves: everything excluded is tried again, and accounts that are gone are forgotten. */
  reload(accounts: readonly string[]): void {
    const kept = new Set(accounts);
    for (const account of kept) {
      // Also where nothing is excluded: a call under way may hold the old credential, and its refusal is no news.
      excluding.makeDue(this.#exclusionFor(account), this.#lastSeq);
      this.retryAccount(account);
    }
    for (const account of this.#accounts.keys()) if (!kept.has(account)) this.#accounts.delete(account);
    for (const [key, entry] of this.#entries) if (!kept.has(entry.id.account)) this.#entries.delete(key);
  }

  /** Every deployment that was called, for metrics and listings. */
  snapshot(nowMs: number): readonly HealthRow[] {
    return [...this.#entries.values()].map((entry) => ({
      ...entry.id,
      ...viewOf(entry, this.#accounts.get(entry.id.account), nowMs),
      run: entry.breaker.run.length,
      level: breaking.levelAt(entry.breaker, this.#settings, nowMs),
    }));
  }

  #answered(ticket: Ticket, nowMs: number): void {
    const { entry, seq } = ticket;
    excluding.lift(ticket.accountExclusion, seq);
    excluding.lift(entry.exclusion, seq);
    pacing.recordAcceptance(entry.pace, seq);
    if (!ticket.counted) breaking.recordSuccess(entry.breaker, seq, nowMs);
  }

  #failed(ticket: Ticket, error: UpstreamError, fault: string, nowMs: number, random: number): void {
    const { entry, seq } = ticket;
    switch (error.class) {
      case "auth":
      case "payment":
      case "residency":
        excluding.exclude(ticket.accountExclusion, error.class, seq, this.#lastSeq, nowMs);
        return this.#released(ticket, null);
      case "not_found":
        // The credential was accepted; only this model is unknown there.
        excluding.lift(ticket.accountExclusion, seq);
        excluding.exclude(entry.exclusion, error.class, seq, this.#lastSeq, nowMs);
        return this.#released(ticket, null);
      case "rate":
        excluding.lift(ticket.accountExclusion, seq);
        pacing.recordRefusal(entry.pace, seq, this.#lastSeq, error.retryAfterMs, nowMs);
        breaking.refuseProbe(entry.breaker, this.#settings, seq, this.#lastSeq, nowMs, random);
        return this.#released(ticket, null);
      case "schema_mismatch":
        // It came whole and in time: what the model wrote says nothing of the deployment's health.
        return this.#answered(ticket, nowMs);
      case "bad_request":
      case "content_policy":
      case "context":
        // Read and judged, so the credential and the model were accepted; of the deployment's health it says nothing.
        excluding.lift(ticket.accountExclusion, seq);
        excluding.lift(entry.exclusion, seq);
        return this.#released(ticket, null);
      default:
        if (fault !== "provider") return this.#released(ticket, null);
        if (error.retryAfterMs !== null) pacing.pauseFor(entry.pace, error.retryAfterMs, this.#lastSeq, nowMs);
        if (!ticket.counted) this.#hardFailure(ticket, nowMs, random);
        return this.#released(ticket, nowMs + excluding.EXCLUSION_RETRY_MS);
    }
  }

  #hardFailure(ticket: Ticket, nowMs: number, random: number): void {
    breaking.recordFailure(ticket.entry.breaker, this.#settings, ticket.seq, this.#lastSeq, nowMs, random);
  }

  /** Slots that the call still holds are free; `retryAtMs` says when an undecided trial may be repeated (null: at once). */
  #released(ticket: Ticket, retryAtMs: number | null): void {
    breaking.releaseProbe(ticket.entry.breaker, ticket.seq);
    excluding.releaseTrial(ticket.accountExclusion, ticket.seq, retryAtMs);
    excluding.releaseTrial(ticket.entry.exclusion, ticket.seq, retryAtMs);
  }

  #exclusionFor(account: string): Exclusion {
    let exclusion = this.#accounts.get(account);
    if (exclusion === undefined) this.#accounts.set(account, (exclusion = excluding.newExclusion()));
    return exclusion;
  }

  #entryFor(id: HealthId, nowMs: number): Entry {
    const key = keyOf(id.deployment, id.endpoint);
    let entry = this.#entries.get(key);
    if (entry === undefined) {
      if (this.#entries.size >= ENTRIES_MAX) this.#makeRoom(nowMs);
      entry = { id: { deployment: id.deployment, account: id.account, endpoint: id.endpoint }, breaker: breaking.newBreaker(), pace: pacing.newPace(), exclusion: excluding.newExclusion() };
      this.#entries.set(key, entry);
    }
    return entry;
  }

  /** First whatever has nothing to remember; where all have, the oldest tenth, excluded names first of all. */
  #makeRoom(nowMs: number): void {
    for (const [key, entry] of this.#entries) if (isForgettable(entry, this.#settings, nowMs)) this.#entries.delete(key);
    let excess = this.#entries.size - ENTRIES_MAX * 0.9;
    for (const [key, entry] of this.#entries) if (excess > 0 && entry.exclusion.reason !== null && this.#entries.delete(key)) excess -= 1;
    for (const key of this.#entries.keys()) if (excess > 0 && this.#entries.delete(key)) excess -= 1;
  }
}

function keyOf(deployment: string, endpoint: string): string {
  return `${endpoint} ${deployment}`;
}

function isForgettable(entry: Entry, settings: RestSettings, nowMs: number): boolean {
  return breaking.isPristine(entry.breaker, settings, nowMs) && entry.pace.pausedUntilMs <= nowMs && entry.exclusion.reason === null;
}

function viewOf(entry: Entry | undefined, credential: Exclusion | undefined, nowMs: number): HealthView {
  const phase = entry === undefined ? "admitting" : breaking.phaseOf(entry.breaker, nowMs);
  const excluded = exclusionViewOf(credential, "account", nowMs) ?? exclusionViewOf(entry?.exclusion, "deployment", nowMs);
  const trialDue = isDue(credential, nowMs) || isDue(entry?.exclusion, nowMs);
  return {
    state: phase === "admitting" && trialDue ? "probe-ready" : phase,
    pausedUntilMs: entry !== undefined && entry.pace.pausedUntilMs > nowMs ? entry.pace.pausedUntilMs : 0,
    excluded,
    restsUntilMs: entry !== undefined && entry.breaker.resting ? entry.breaker.restsUntilMs : 0,
  };
}

function isDue(exclusion: Exclusion | undefined, nowMs: number): boolean {
  return exclusion !== undefined && excluding.exclusionPhase(exclusion, nowMs) === "due";
}

function exclusionViewOf(exclusion: Exclusion | undefined, scope: ExclusionView["scope"], nowMs: number): ExclusionView | null {
  if (exclusion === undefined || exclusion.reason === null || excluding.exclusionPhase(exclusion, nowMs) !== "shut") return null;
  return { reason: exclusion.reason, untilMs: exclusion.untilMs, scope, alarm: exclusion.reason !== "payment" };
}
