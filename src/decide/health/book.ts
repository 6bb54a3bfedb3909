/**
 * What we believe of every deployment: breakers, pace, concurrency, exclusions and what was observed of each, joined.
 * Classification (outcomes) comes in, permission and estimates go out; the choice decides what to do with them. Time and
 * chance are arguments.
 */
import type { UpstreamError } from "../../wire/outcome.ts";
import * as excluding from "../exclusion.ts";
import type { Exclusion, ExclusionReason } from "../exclusion.ts";
import { Observed } from "../observed/observed.ts";
import type { Estimate, SizeClass } from "../observed/types.ts";
import * as breaking from "./breaker.ts";
import type { Hit, RestSettings } from "./breaker.ts";
import * as limiting from "./concurrency.ts";
import { HEALTHY, isForgettable, joinedPhase, newEntry, noteSent, observedOf, rowOf, slowBreakerFor, viewOf, type Entry, type SlowBreaker } from "./entry.ts";
import * as pacing from "./pace.ts";
import type { LimitHint } from "./pace.ts";
import type { CallFacts, HealthId, HealthRow, HealthView, Observation } from "./types.ts";

export type { BreakerPhase, RestSettings } from "./breaker.ts";
export { hintOf, type LimitHint } from "./pace.ts";
export type { CallFacts, ExclusionView, HealthId, HealthRow, HealthView, Observation, SlowRow } from "./types.ts";

/** One call under way. Observe its end exactly once; a soft timeout may come before. */
export interface Ticket {
  readonly seq: number;
  /** Did it get a probe's slot, or become the trial of an exclusion? */
  readonly probe: boolean;
  readonly entry: Entry;
  readonly accountExclusion: Exclusion;
  readonly call: CallFacts;
  readonly sentMs: number;
  /** Among the deployment's calls. */
  readonly nth: number;
  /** With this one. */
  readonly inFlight: number;
  /** What judges it as slow; null: nobody asks for a time. */
  readonly judge: SlowBreaker | null;
  /** What it took out of the buckets. */
  readonly drained: number;
  readonly drainedSlow: number;
  /** A soft timeout has been counted: what comes later is no second failure, and no success. */
  counted: boolean;
  /** It was told to be slow. */
  slow: boolean;
  content: boolean;
  over: boolean;
}

/** Names may come from clients (`account/anything`), so the book is bounded. */
const ENTRIES_MAX = 4_096;
const ENTRIES_KEPT = Math.floor(ENTRIES_MAX * 0.9);
const NOTHING_DEAR: ReadonlyMap<string, string> = new Map();
const NO_TIME: CallFacts = Object.freeze({ thresholdMs: 0, sizeClass: 0 });
/** After so many hard failures in a run a 429 that names no pause is one more: the provider is down, not busy. */
const HARD_RUN = 3;

export interface HealthSettings extends RestSettings {
  /** The strictest availability that any route promises: how rare the failures are that must be seen. Absent: 0.999. */
  readonly target?: number;
}

export class HealthBook {
  #settings: HealthSettings;
  readonly #entries = new Map<string, Entry>();
  /** The same by endpoint and deployment: a key made of both costs more than all else that a look takes. */
  readonly #byEndpoint = new Map<string, Map<string, Entry>>();
  readonly #accounts = new Map<string, Exclusion>();
  readonly #unknown = new Observed();
  #dear: ReadonlyMap<string, string> = NOTHING_DEAR;
  #lastSeq = 0;

  constructor(settings: HealthSettings) {
    this.#settings = settings;
  }

  /** New rests and deployments follow these; a rest under way keeps its length. */
  configure(settings: HealthSettings): void {
    this.#settings = settings;
  }

  /** What may be sent to a deployment's endpoint now, by a call whose content is slow after `thresholdMs` (0: never). Changes nothing. */
  view(deployment: string, account: string, endpoint: string, nowMs: number, thresholdMs = 0): HealthView {
    const entry = this.#find(deployment, endpoint);
    const credential = this.#accounts.get(account);
    const dear = this.#dear.size === 0 ? undefined : this.#dear.get(deployment);
    if (dear !== undefined) return { ...viewOf(entry, credential, thresholdMs, this.#lastSeq, nowMs), dear };
    if (entry === undefined && (credential === undefined || credential.reason === null)) return HEALTHY;
    return viewOf(entry, credential, thresholdMs, this.#lastSeq, nowMs);
  }

  /** What its next call is like. */
  estimate(deployment: string, endpoint: string, thresholdMs: number, sizeClass: SizeClass, nowMs: number, wholeMs = 0): Estimate {
    return (this.#find(deployment, endpoint)?.observed ?? this.#unknown).estimate(thresholdMs, sizeClass, nowMs, wholeMs);
  }

  /** How long one more call would wait there, were it to stand behind those in flight: see `PeakEwma`. */
  loadMs(deployment: string, endpoint: string, nowMs: number): number {
    return this.#find(deployment, endpoint)?.load.loadMs(nowMs) ?? 0;
  }

  /** When it was called last; null: never, as far as is known. */
  calledMs(deployment: string, endpoint: string): number | null {
    return this.#find(deployment, endpoint)?.lastSentMs ?? null;
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
   * A call is being sent. With `probe` it takes a probe's slot (and the trial of an exclusion that is due), if there is one
   * to take; the ticket says whether it did.
   */
  sent(id: HealthId, nowMs: number, probe: boolean, call: CallFacts = NO_TIME): Ticket {
    const entry = this.#entryFor(id, nowMs);
    const accountExclusion = this.#exclusionFor(id.account);
    this.#lastSeq += 1;
    const seq = this.#lastSeq;
    const judge = slowBreakerFor(entry, call.thresholdMs, seq);
    const took = probe && this.#takeSlots(entry, accountExclusion, judge, seq, nowMs);
    noteSent(entry, seq, nowMs);
    entry.concurrency.inFlight += 1;
    entry.load.sent();
    return {
      seq, probe: took, entry, accountExclusion, call, sentMs: nowMs, judge,
      nth: pacing.recordSent(entry.pace, nowMs),
      inFlight: entry.concurrency.inFlight,
      drained: breaking.drain(entry.breaker),
      drainedSlow: judge === null ? 0 : breaking.drain(judge.breaker),
      counted: false, slow: false, content: false, over: false,
    };
  }

  /** First content has come. */
  firstContent(ticket: Ticket, nowMs: number): void {
    if (ticket.content || ticket.over) return;
    ticket.content = true;
    const { entry, seq, call, judge } = ticket;
    entry.load.waited(nowMs - ticket.sentMs, nowMs);
    observedOf(entry, ticket.sentMs).content(call.sizeClass, nowMs - ticket.sentMs, call.thresholdMs, ticket.slow, nowMs);
    limiting.recordContent(entry.concurrency);
    pacing.recordAcceptance(entry.pace, seq);
    if (!ticket.counted) breaking.recordContent(entry.breaker, seq);
    if (judge !== null && !ticket.slow) breaking.recordSuccess(judge.breaker, seq, this.#lastSeq, nowMs, entry);
  }

  /** Its threshold has passed without content. `random` is uniform in [0, 1). */
  slow(ticket: Ticket, nowMs: number, random = spreadOf(ticket.seq)): void {
    const { entry, call, judge } = ticket;
    if (judge === null || ticket.slow || ticket.content || ticket.over) return;
    ticket.slow = true;
    const observed = observedOf(entry, ticket.sentMs);
    observed.slow(call.sizeClass, call.thresholdMs, 1, nowMs);
    breaking.recordFailure(judge.breaker, this.#settings, this.#hit(ticket, nowMs, random), breaking.SLOW_WEIGHT, false);
    limiting.recordSlow(entry.concurrency, {
      inFlightAtSend: ticket.inFlight, thresholdMs: call.thresholdMs, provenShare: observed.provenSlow(call.thresholdMs, nowMs), budget: call.slowBudget ?? 0,
    }, nowMs);
  }

  /** The answer's headers tell what is left of the caller's limits there. */
  told(ticket: Ticket, hint: LimitHint, nowMs: number): void {
    pacing.recordHint(ticket.entry.pace, ticket.nth, hint, nowMs);
  }

  /** What became of a call. `random` is uniform in [0, 1). */
  observe(ticket: Ticket, observation: Observation, nowMs: number, random: number): void {
    if (ticket.over) return;
    if (observation.kind === "soft-timeout") return this.#softTimeout(ticket, nowMs, random);
    if (observation.kind === "answered") this.#answered(ticket, nowMs);
    else if (observation.kind === "failed") this.#failed(ticket, observation.error, observation.phase === "after-content", observation.fault, nowMs, random);
    else if (observation.phase === "after-content") this.#leftAmid(ticket, observation.kind === "superseded", nowMs);
    else this.#leftBefore(ticket, observation.kind === "superseded", nowMs, random);
    if (ticket.call.wholeMs !== undefined) this.#tookAll(ticket, ticket.call.wholeMs, observation.kind === "answered", nowMs);
    ticket.over = true;
    ticket.entry.concurrency.inFlight -= 1;
    const { load } = ticket.entry;
    load.ended();
    if (ticket.content) return;
    if (observation.kind === "failed") load.failed(nowMs - ticket.sentMs, observation.error.retryAfterMs ?? 0, nowMs);
    else load.waited(nowMs - ticket.sentMs, nowMs);
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
    for (const [key, entry] of this.#entries) if (!kept.has(entry.id.account)) this.#forget(key, entry);
  }

  /** Every deployment that was called, for metrics and listings. */
  snapshot(nowMs: number): readonly HealthRow[] {
    return [...this.#entries.values()].map((entry) => rowOf(entry, this.#accounts.get(entry.id.account), this.#lastSeq, nowMs));
  }

  #takeSlots(entry: Entry, accountExclusion: Exclusion, judge: SlowBreaker | null, seq: number, nowMs: number): boolean {
    let took = false;
    if (joinedPhase(entry, judge?.thresholdMs ?? 0, seq - 1, nowMs) === "probe-ready") {
      took = breaking.takeProbe(entry.breaker, seq, nowMs, entry);
      if (judge !== null) took = breaking.takeProbe(judge.breaker, seq, nowMs, entry) || took;
    }
    took = excluding.takeTrial(accountExclusion, seq, nowMs) || took;
    return excluding.takeTrial(entry.exclusion, seq, nowMs) || took;
  }

  /** A stream that broke off in time says nothing of how long its like take. */
  #tookAll(ticket: Ticket, wholeMs: number, whole: boolean, nowMs: number): void {
    const tookMs = nowMs - ticket.sentMs;
    if (ticket.content && (whole || tookMs > wholeMs)) observedOf(ticket.entry, ticket.sentMs).whole(ticket.call.sizeClass, tookMs, wholeMs, nowMs);
  }

  /** No content for long: for health that is a failure, though the call may live on. */
  #softTimeout(ticket: Ticket, nowMs: number, random: number): void {
    if (ticket.counted || ticket.content) return;
    ticket.counted = true;
    observedOf(ticket.entry, ticket.sentMs).failedBefore(ticket.call.sizeClass, nowMs);
    this.#hardFailure(ticket, breaking.HARD_WEIGHT, nowMs, random);
  }

  #answered(ticket: Ticket, nowMs: number): void {
    const { entry, seq } = ticket;
    this.firstContent(ticket, nowMs);
    observedOf(entry, ticket.sentMs).ended(ticket.call.sizeClass, nowMs);
    excluding.lift(ticket.accountExclusion, seq);
    excluding.lift(entry.exclusion, seq);
    if (!ticket.counted) breaking.recordSuccess(entry.breaker, seq, this.#lastSeq, nowMs, entry);
    this.#released(ticket, null);
  }

  #failed(ticket: Ticket, error: UpstreamError, afterContent: boolean, fault: string, nowMs: number, random: number): void {
    const { entry, seq } = ticket;
    switch (error.class) {
      case "auth":
      case "payment":
      case "residency":
        excluding.exclude(ticket.accountExclusion, error.class, seq, this.#lastSeq, nowMs);
        return this.#untold(ticket);
      case "not_found":
        // The credential was accepted; only this model is unknown there.
        excluding.lift(ticket.accountExclusion, seq);
        excluding.exclude(entry.exclusion, error.class, seq, this.#lastSeq, nowMs);
        return this.#untold(ticket);
      case "rate":
        excluding.lift(ticket.accountExclusion, seq);
        return this.#refused(ticket, error.retryAfterMs, nowMs, random);
      case "schema_mismatch":
        // It came whole and in time: what the model wrote says nothing of the deployment's health.
        return this.#answered(ticket, nowMs);
      case "bad_request":
      case "content_policy":
      case "context":
        // Read and judged, so the credential and the model were accepted; of the deployment's health it says nothing.
        excluding.lift(ticket.accountExclusion, seq);
        excluding.lift(entry.exclusion, seq);
        return this.#untold(ticket);
      default:
        if (fault !== "provider") return this.#untold(ticket);
        if (error.retryAfterMs !== null) pacing.pauseFor(entry.pace, error.retryAfterMs, nowMs);
        this.#broke(ticket, afterContent, nowMs, random);
        return this.#released(ticket, nowMs + excluding.EXCLUSION_RETRY_MS);
    }
  }

  #broke(ticket: Ticket, afterContent: boolean, nowMs: number, random: number): void {
    const { entry, call, judge } = ticket;
    if (ticket.counted) return;
    const observed = observedOf(entry, ticket.sentMs);
    if (afterContent) observed.brokeAfter(call.sizeClass, nowMs);
    else observed.failedBefore(call.sizeClass, nowMs);
    this.#hardFailure(ticket, afterContent ? breaking.AFTER_CONTENT_WEIGHT : breaking.HARD_WEIGHT, nowMs, random);
    // What was to show that it is in time again brought nothing at all.
    if (judge !== null && breaking.isProbe(judge.breaker, ticket.seq)) {
      breaking.recordFailure(judge.breaker, this.#settings, this.#hit(ticket, nowMs, random), breaking.SLOW_WEIGHT, false);
    }
  }

  /** 429: a matter of pace. Not so after a run of hard failures where no pause is named, nor where nothing at all is accepted. */
  #refused(ticket: Ticket, retryAfterMs: number | null, nowMs: number, random: number): void {
    const { entry, seq, judge } = ticket;
    const { breaker, pace } = entry;
    const hit = this.#hit(ticket, nowMs, random);
    const inOutage = breaker.resting || breaker.run.length >= HARD_RUN;
    const isNews = seq > pace.refusedSeq;
    const senseless = pacing.recordRefusal(pace, { seq, nth: ticket.nth, sentMs: ticket.sentMs, lastSentSeq: this.#lastSeq, retryAfterMs, teaches: !inOutage, nowMs });
    breaking.giveBack(breaker, seq, ticket.drained);
    if (breaker.resting) breaking.refuseProbe(breaker, this.#settings, hit);
    else if (senseless) breaking.trip(breaker, this.#settings, hit);
    else if (inOutage && isNews && retryAfterMs === null) breaking.recordFailure(breaker, this.#settings, hit, breaking.HARD_WEIGHT, true);
    if (judge !== null) {
      breaking.giveBack(judge.breaker, seq, ticket.drainedSlow);
      breaking.refuseProbe(judge.breaker, this.#settings, hit);
    }
    this.#released(ticket, null);
  }

  /** It ended before content, by no doing of the provider's: buckets are as if it had not been sent. */
  #untold(ticket: Ticket): void {
    breaking.giveBack(ticket.entry.breaker, ticket.seq, ticket.drained);
    if (ticket.judge !== null && !ticket.slow) breaking.giveBack(ticket.judge.breaker, ticket.seq, ticket.drainedSlow);
    this.#released(ticket, null);
  }

  /**
   * Aborted without content. Where another call was faster its time is censored, not absent: else a deployment would look the
   * faster the more often others help it out. A client that leaves tells nothing.
   */
  #leftBefore(ticket: Ticket, superseded: boolean, nowMs: number, random: number): void {
    const { entry, call, judge } = ticket;
    if (!superseded || ticket.counted) return this.#untold(ticket);
    const chance = observedOf(entry, ticket.sentMs).censored(call.sizeClass, nowMs - ticket.sentMs, call.thresholdMs, nowMs, ticket.slow);
    breaking.giveBack(entry.breaker, ticket.seq, ticket.drained);
    this.#released(ticket, null);
    if (judge !== null && chance > 0) breaking.recordFailure(judge.breaker, this.#settings, this.#hit(ticket, nowMs, random), breaking.SLOW_WEIGHT * chance, false);
  }

  /** Aborted after content came: what was asked of a probe beside another call. */
  #leftAmid(ticket: Ticket, superseded: boolean, nowMs: number): void {
    this.firstContent(ticket, nowMs);
    if (superseded && !ticket.counted) breaking.recordSuccess(ticket.entry.breaker, ticket.seq, this.#lastSeq, nowMs, ticket.entry);
    this.#released(ticket, null);
  }

  #hardFailure(ticket: Ticket, weight: number, nowMs: number, random: number): void {
    breaking.recordFailure(ticket.entry.breaker, this.#settings, this.#hit(ticket, nowMs, random), weight, true);
  }

  #hit(ticket: Ticket, nowMs: number, random: number): Hit {
    return { seq: ticket.seq, lastSentSeq: this.#lastSeq, nowMs, gapMs: ticket.entry.gapMs, random };
  }

  /** Slots that the call still holds are free; `retryAtMs` says when an undecided trial may be repeated (null: at once). */
  #released(ticket: Ticket, retryAtMs: number | null): void {
    breaking.releaseProbe(ticket.entry.breaker, ticket.seq);
    if (ticket.judge !== null) breaking.releaseProbe(ticket.judge.breaker, ticket.seq);
    excluding.releaseTrial(ticket.accountExclusion, ticket.seq, retryAtMs);
    excluding.releaseTrial(ticket.entry.exclusion, ticket.seq, retryAtMs);
  }

  #exclusionFor(account: string): Exclusion {
    let exclusion = this.#accounts.get(account);
    if (exclusion === undefined) this.#accounts.set(account, (exclusion = excluding.newExclusion()));
    return exclusion;
  }

  #entryFor(id: HealthId, nowMs: number): Entry {
    const known = this.#find(id.deployment, id.endpoint);
    if (known !== undefined) return known;
    if (this.#entries.size >= ENTRIES_MAX) this.#makeRoom(nowMs);
    const entry = newEntry(id, this.#settings.target);
    this.#entries.set(keyOf(id.deployment, id.endpoint), entry);
    let ofEndpoint = this.#byEndpoint.get(id.endpoint);
    if (ofEndpoint === undefined) this.#byEndpoint.set(id.endpoint, (ofEndpoint = new Map()));
    ofEndpoint.set(id.deployment, entry);
    return entry;
  }

  #find(deployment: string, endpoint: string): Entry | undefined {
    return this.#byEndpoint.get(endpoint)?.get(deployment);
  }

  #forget(key: string, { id }: Entry): void {
    this.#entries.delete(key);
    this.#byEndpoint.get(id.endpoint)?.delete(id.deployment);
  }

  /** What rests, is paused or excluded stays where it can; of the others those go that were longest not called. */
  #makeRoom(nowMs: number): void {
    const rank = (entry: Entry): number => (isForgettable(entry, nowMs) ? 0 : entry.exclusion.reason !== null ? 1 : 2);
    const ranked = [...this.#entries].map(([key, entry]) => ({ key, entry, rank: rank(entry), lastSentMs: entry.lastSentMs }));
    ranked.sort((a, b) => a.rank - b.rank || a.lastSentMs - b.lastSentMs);
    for (const { key, entry } of ranked.slice(0, this.#entries.size - ENTRIES_KEPT)) this.#forget(key, entry);
  }
}

function keyOf(deployment: string, endpoint: string): string {
  return `${endpoint} ${deployment}`;
}

/** Evenly spread over [0, 1) from call to call. */
function spreadOf(seq: number): number {
  return (seq * 0.618_033_988_749_895) % 1;
}
