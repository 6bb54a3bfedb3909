/**
 * One request from its choice to its record: it drives the request's course. Two attempts may be in flight; the first that
 * brings content wins the reply, the other is aborted and booked. It owns the hold, the reply and the deadline of the request;
 * attempts own their sockets. Everything before the commit point may fail over, nothing after it is run again.
 */
import type { Candidate } from "../decide/choose.ts";
import { Course, type StopReason } from "../decide/course.ts";
import { softTimeoutMs } from "../decide/deployment.ts";
import { hintOf } from "../decide/health/pace.ts";
import type { Launch } from "../decide/next-step.ts";
import { INTERRUPTED_FLAG } from "../decide/objective/judge.ts";
import { isBreak, MAX_RESCUES } from "../decide/rescue.ts";
import type { Charge, ClientReply, Timer } from "../ports.ts";
import { readRateLimits } from "../providers/rate-limits.ts";
import { gatewayError, type GatewayError } from "../wire/errors.ts";
import type { Outcome, UpstreamError } from "../wire/outcome.ts";
import { answerHeaders, streamHead } from "./answer-headers.ts";
import { Attempt, type AttemptOwner } from "./attempt.ts";
import { chargeFor, holdOf, relayedBy } from "./booking.ts";
import { Books, type Unheld } from "./books.ts";
import { brokenStream, conclude, refusedHold, type Tried } from "./conclude.ts";
import { Delivery } from "./delivery.ts";
import type { Deps } from "./deps.ts";
import { Drains } from "./drains.ts";
import { answerError } from "./error-answer.ts";
import { failure } from "./lane.ts";
import { outgoing } from "./outgoing.ts";
import { toldTo } from "./permitted.ts";
import { failureFields, recordOf, warningsOf } from "./record.ts";
import { withoutSecret } from "./redact.ts";
import type { Rescue } from "./rescue.ts";
import { bindsDeployment } from "./scopes.ts";
import { withinRest } from "./spending.ts";
import { beganBy, learnFrom, reservingOf } from "./steering.ts";
import { withStandIn } from "./stand-in.ts";
import type { ExchangeSettings, Later, Surface } from "./surface.ts";
import { takeTurn, type Turn } from "./turn.ts";

const LEDGER_UNAVAILABLE = "The ledger cannot be written, so nothing that costs money is started. Free disk space or check the data folder's permissions.";
const NONE: readonly Attempt[] = Object.freeze([]);

export class Exchange implements AttemptOwner {
  /** Where it stands among what is in flight. */
  slot = -1;
  readonly settings: ExchangeSettings;
  readonly #deps: Deps;
  readonly #surface: Surface;
  readonly #delivery: Delivery;
  readonly #startMs: number;
  readonly #startWallMs: number;
  readonly #course: Course;
  /** By their numbers in the course. */
  readonly #attempts: Attempt[] = [];
  readonly #outcomes: (Outcome | null)[] = [];
  readonly #books: Books;
  #unfit: Map<number, { readonly param: string; readonly message: string }> | null = null;
  readonly #startStates: string[];
  readonly #drains: Drains;
  readonly #flags = new Set<string>();
  /** Among its caller's limits on pace; null: none applies. */
  #turn: Turn | null = null;
  /** The first hold that was refused. */
  #unheldError: GatewayError | null = null;
  #winner: Attempt | null = null;
  /** Those before it whose answers broke off and were, or are to be, carried on; and how the last one did. */
  #lost: readonly Attempt[] = NONE;
  #lostBy: GatewayError | null = null;
  #deadline: Timer | null = null;
  /** When the course is to be asked again. */
  #wake: Timer | null = null;
  /** What a call waits for before it can be made. */
  #fetching: Timer | null = null;
  /** The answer has been decided on: nothing more is tried. */
  #over = false;
  #gone = false;
  /** Cut off because the process stops: no provider is at fault. */
  #stopping = false;
  #recorded = false;
  #error: GatewayError | null = null;

  constructor(deps: Deps, surface: Surface, reply: ClientReply, settings: ExchangeSettings) {
    this.#deps = deps;
    this.#surface = surface;
    this.#delivery = new Delivery(reply, deps.clock);
    this.#books = new Books(deps.ledger, deps.log, deps.budgets);
    this.#drains = new Drains(deps);
    this.settings = settings;
    this.#startMs = deps.clock.nowMs();
    this.#startWallMs = deps.clock.wallMs();
    const { choice, deadlineMs, once = false, steering } = settings;
    this.#course = new Course({
      candidates: choice.candidates, endpoint: surface.endpoint, startMs: this.#startMs, deadlineMs, allowedMs: settings.route.clocks.deadlineMs, streams: surface.stream, once,
      health: deps.health, allowance: deps.allowance, random: () => deps.random.next(),
      pace: steering?.pace, steering: steering === undefined || choice.plan === undefined ? undefined : { plan: choice.plan, state: steering.memory.state },
      reserved: reservingOf(deps, choice, settings),
    });
    reply.onGone(() => this.#clientGone());
    reply.onDrain(() => this.#winner?.resume());
    this.#startStates = choice.candidates.map((_, i) => this.#course.view(i, this.#startMs).state);
  }

  /** Run it. Returns at once; the reply is written when there is something to say. */
  start(): void {
    this.#turn = takeTurn(this.#deps, this.settings, this.#surface.name);
    const refused = this.#turn?.refused ?? null;
    if (refused !== null) {
      this.#flags.add(refused.flag);
      return this.#fail(refused.error);
    }
    if (this.#turn === null) this.#begin();
    else this.#turn.guard(() => this.#begin());
  }

  #begin(): void {
    this.#deps.allowance.earn(this.#startMs);
    const { steering, choice } = this.settings;
    if (steering !== undefined) beganBy(this.#deps, steering, choice);
    this.#startDeadline();
    if (this.#surface.stream && this.settings.route.keepalive && this.#surface.keepAlive.length > 0) {
      this.#delivery.keepAlive(this.#surface.keepAlive, this.#deps.limits.keepaliveMs, () => answerHeaders(this.#facts(null, "open"), streamHead(this.#surface.streamType)));
    }
    this.#drive();
  }

  #startDeadline(): void {
    this.#deadline = this.#deps.clock.after(this.#startMs + this.settings.deadlineMs - this.#deps.clock.nowMs(), () => this.#deadlinePassed());
  }

  /** The process stops: end with the typed error, charges settled. */
  stopNow(): void {
    if (this.#recorded) return;
    if (this.#winner !== null) {
      // What is read on to learn of it keeps the record waiting.
      for (const attempt of this.#attempts) if (attempt !== this.#winner) attempt.stop("superseded");
      // One that has ended is being charged; its end follows.
      if (this.#winner.over) return;
      this.#stopping = true;
      this.#winner.fail(failure("timeout", "the gateway is stopping"), "ours");
      return;
    }
    for (const attempt of this.#attempts) attempt.stop("superseded");
    this.#fail(gatewayError("stopping", "The gateway is stopping; try again."));
  }

  /** How the caller's limits on pace stand, as headers; undefined: none applies. */
  get rates(): readonly string[] | undefined {
    return this.#turn?.headers();
  }

  /** Attempts with content on the way, for progress marks. */
  progress(tell: (attemptId: string, relayedTokens: number) => void): void {
    for (const attempt of this.#attempts) if (!attempt.over && attempt.contentEvents > 0) tell(attempt.settings.id, relayedBy(attempt));
  }

  // AttemptOwner

  /** What the provider tells of its limits paces calls before the first refusal does. */
  answering(attempt: Attempt, header: (name: string) => string | undefined): void {
    const { provider } = attempt.settings.candidate.deployment;
    if (provider.rateLimitHeaders === undefined || provider.rateLimitHeaders.length === 0) return;
    const hint = hintOf(readRateLimits(provider, header, this.#deps.clock.wallMs()));
    if (hint !== null) this.#course.told(this.#attempts.indexOf(attempt), hint, this.#deps.clock.nowMs());
  }

  claim(attempt: Attempt): boolean {
    if (this.#gone) return attempt.draining;
    if (this.#over || this.#winner === attempt) return this.#winner === attempt;
    if (!this.#course.content(this.#attempts.indexOf(attempt), this.#deps.clock.nowMs())) return false;
    this.#winner = attempt;
    this.#deadline?.cancel();
    this.#stopWaiting();
    for (const [i, other] of this.#attempts.entries()) if (other !== attempt && !this.#course.goesOn(i)) other.stop("superseded");
    this.#sleep();
    if (this.#surface.stream && !this.#delivery.replied) this.#delivery.head(200, answerHeaders(this.#facts(attempt, "open"), streamHead(attempt.type ?? this.#surface.streamType)));
    const from = this.#lost.at(-1);
    if (from !== undefined) this.#delivery.write((this.#surface.rescue as Rescue).marker(from, attempt));
    return true;
  }

  deliver(_attempt: Attempt, bytes: Uint8Array): boolean {
    return this.#delivery.write(bytes);
  }

  ended(attempt: Attempt, told: Outcome): void {
    const outcome = withoutSecret(told, this.settings.snapshot.transport(attempt.settings.candidate.deployment).secret);
    const index = this.#attempts.indexOf(attempt);
    this.#outcomes[index] = outcome;
    this.#drains.ended(attempt);
    this.#course.ended(index, outcome, this.#deps.clock.nowMs());
    // What was refused its hold was no call, so no provider failed.
    if (outcome.kind === "failed" && outcome.fault !== "client" && this.#books.granted([attempt]).length > 0) this.#deps.log.warn("attempt_failed", failureFields(this.settings.requestId, attempt, outcome));
    const charge = chargeFor(attempt, outcome, this.settings, this.#deps.clock.wallMs());
    this.#course.took(index, charge.units);
    this.#books.settle(attempt, charge, outcome.kind === "answered" ? this.#surface.held?.(attempt) : undefined);
    if (attempt === this.#winner) {
      if (isBreak(outcome) && this.#carriesOn(attempt, outcome.error)) this.#drive();
      else this.#whenBooked(() => this.#close(attempt, outcome));
    }
    else if (this.#over || this.#gone) this.#whenBooked(() => this.#record());
    else if (outcome.kind !== "superseded") {
      // Whatever was waited for beside it: what may be done has changed.
      this.#stopWaiting();
      this.#drive();
    }
  }

  /** The winner's answer broke off: another deployment goes on with it, where that is asked and can be. Its own failure is told if that fails. */
  #carriesOn(attempt: Attempt, error: UpstreamError): boolean {
    const { rescue } = this.#surface;
    if (rescue === undefined || this.#over || this.#gone || this.#stopping || this.#lost.length >= MAX_RESCUES) return false;
    if (!rescue.begin(attempt, this.#books.chargeOf(attempt)?.units ?? {})) return false;
    for (const other of this.#inFlight()) other.stop("superseded");
    this.#lost = [...this.#lost, attempt];
    this.#lostBy = brokenStream(error, attempt.settings.candidate.deployment.id);
    for (const [i, lack] of rescue.lacks(this.settings.choice.candidates)) this.#setUnfit(i, lack);
    this.#winner = null;
    this.#course.brokeOff();
    this.#startDeadline();
    return true;
  }

  // The loop

  #drive(): void {
    while (!this.#gone && (!this.#over || this.#winner !== null)) {
      const command = this.#course.next(this.#deps.clock.nowMs());
      if (command.kind === "idle") return this.#sleep();
      if (command.kind === "launch") this.#launch(command);
      else if (command.kind === "drop") this.#drop(this.#attempts[command.attempt] as Attempt);
      else this.#stopped(command.why, command.retryAfterMs);
    }
  }

  /** Until the course has something to do again. */
  #sleep(): void {
    this.#wake?.cancel();
    const { wakeMs } = this.#course;
    this.#wake = Number.isFinite(wakeMs) ? this.#deps.clock.after(wakeMs - this.#deps.clock.nowMs(), () => this.#drive()) : null;
  }

  #drop(elder: Attempt): void {
    elder.stop("superseded");
    this.#whenBooked(() => {
      this.#course.dropped();
      this.#drive();
    });
  }

  #stopped(why: StopReason, retryAfterMs: number | null): void {
    if (this.#lostBy !== null) return this.#fail(this.#lostBy);
    // A budget of one candidate's own is the reason only where nothing else could be called.
    const unheld = why === "unheld" || this.#granted().length === 0 ? this.#unheldError : null;
    if (unheld !== null || why === "unheld") this.#fail(unheld ?? gatewayError("ledger_unavailable", LEDGER_UNAVAILABLE));
    else this.#conclude(why, retryAfterMs);
  }

  #granted(): readonly Attempt[] {
    return this.#books.granted(this.#attempts);
  }

  #stopWaiting(): void {
    this.#wake?.cancel();
    this.#fetching?.cancel();
    this.#wake = this.#fetching = null;
  }

  #launch(step: Launch): void {
    const candidate = this.#affordable(step.candidate);
    if (candidate === null) return;
    const { deployment } = candidate;
    const prepared = this.#surface.prepare(candidate);
    if (prepared.kind === "later") return this.#fetch(prepared.wait, step);
    if (prepared.kind === "unsupported") return this.#setUnfit(step.candidate, prepared);
    const { clocks } = this.settings.route;
    const transport = this.settings.snapshot.transport(deployment);
    const id = this.#deps.ids.attemptId();
    const attempt = new Attempt(this.#deps, this, {
      id, why: step.why,
      number: this.#granted().length + 1,
      candidate,
      stream: this.#surface.stream,
      idleMs: clocks.idleMs,
      lifetimeMs: clocks.lifetimeMs,
      request: outgoing(prepared, deployment, transport, clocks, id),
      reading: prepared.reading,
      warnings: withStandIn(this.settings, candidate, prepared.warnings),
      expectedUnits: prepared.expectedUnits,
      shownTokens: prepared.shownTokens,
      authorize: transport.authorize,
    });
    this.#course.launched(step, this.#deps.clock.nowMs());
    this.#attempts.push(attempt);
    this.#outcomes.push(null);
    this.#hold(attempt, step.candidate);
  }

  #fetch(wait: Later["wait"], step: Launch): void {
    this.#course.deferred(step);
    this.#fetching = wait(() => {
      this.#fetching = null;
      this.#course.resumed(this.#deps.clock.nowMs());
      this.#drive();
    });
  }

  #setUnfit(candidate: number, why: { readonly param: string; readonly message: string }): void {
    (this.#unfit ??= new Map()).set(candidate, why);
    this.#course.unfit(candidate);
  }

  /** The candidate within what is left of the request's cap; null, and noted as unfit, where nothing useful is. */
  #affordable(index: number): Candidate | null {
    const chosen = this.settings.choice.candidates[index] as Candidate;
    const candidate = this.#surface.rescue?.bounded(chosen, this.#deps.clock.wallMs()) ?? chosen;
    const { binding } = this.settings;
    if (binding === undefined || this.#attempts.length === 0) return candidate;
    const rest = withinRest(candidate, { shape: binding.shape, wallMs: this.#deps.clock.wallMs() }, binding.spending, this.#books.committedNanoUsd(this.#attempts));
    if ("reason" in rest) this.#setUnfit(index, { param: "model", message: rest.detail });
    return "reason" in rest ? null : rest;
  }

  #hold(attempt: Attempt, index: number): void {
    const { candidate, number, id, expectedUnits, shownTokens = 0 } = attempt.settings;
    const { requestId, route, caller, choice, features, serviceTier } = this.settings;
    const inputEstimateTokens = this.settings.inputEstimateTokens + shownTokens;
    const wallMs = this.#deps.clock.wallMs();
    attempt.heldMs = wallMs;
    const boundNanoUsd = (attempt.heldNanoUsd = number === 1 ? choice.holdNanoUsd : candidate.boundNanoUsd);
    const hold = holdOf({ attemptId: id, requestId, route: candidate.of ?? route.name, number, candidate, caller, boundNanoUsd, inputEstimateTokens, expectedUnits, features, serviceTier, wallMs });
    this.#books.hold(attempt, hold, () => this.#call(attempt), (why) => this.#unheld(attempt, why, index));
  }

  /**
   * No hold, no call. Where the budget binds the candidate alone, others are tried; else nothing more is started, though an attempt
   * that has its hold may still answer.
   */
  #unheld(attempt: Attempt, why: Unheld, index: number): void {
    if (attempt.over) return;
    const own = why.kind === "refused" && bindsDeployment(why.scope);
    if (why.kind === "refused") this.#deps.onBudgetRefused?.(this.settings.caller, why);
    if (own) (this.#unfit ??= new Map()).set(index, { param: "model", message: why.message });
    this.#course.unheld(this.#attempts.indexOf(attempt), own);
    const error = why.kind === "refused" ? gatewayError(why.code, refusedHold(why, attempt, this.settings.choice)) : gatewayError("ledger_unavailable", why.told ?? LEDGER_UNAVAILABLE);
    if (!own || this.#unheldError === null) this.#unheldError = error;
    attempt.fail(failure("timeout", "no hold"), "ours");
  }

  #call(attempt: Attempt): void {
    if (attempt.over) return;
    const softMs = softTimeoutMs(attempt.settings.candidate.deployment, this.settings.route.clocks, this.#surface.stream && attempt.settings.reading.held !== true);
    this.#course.called(this.#attempts.indexOf(attempt), softMs, this.#deps.clock.nowMs());
    attempt.start();
    this.#drive();
  }

  #inFlight(): readonly Attempt[] {
    return this.#attempts.filter((attempt) => !attempt.over);
  }

  /** Go on when all that has ended is booked. */
  #whenBooked(then: () => void): void {
    this.#books.booked().then(then).catch((error: unknown) => this.#crashed(error));
  }

  // The reply

  #facts(attempt: Attempt | null, cost: "known" | "open") {
    return {
      requestId: this.settings.requestId, route: this.settings.route.name, expose: this.settings.caller.policy?.expose,
      deployment: attempt?.settings.candidate.deployment.id ?? null,
      attempts: this.#granted().length,
      costNanoUsd: cost === "known" ? this.#books.totalNanoUsd() : undefined, estimated: this.#books.isEstimated(this.#attempts),
      warnings: warningsOf(this.settings, attempt),
      simulated: this.settings.snapshot.simulated, rates: this.rates,
    };
  }

  #close(attempt: Attempt, outcome: Outcome): void {
    this.#over = true;
    this.#stopTimers();
    // What goes on to be learnt of still has its time.
    this.#sleep();
    if (this.#gone) return this.#record();
    if (outcome.kind === "answered") {
      const cost = { nanoUsd: this.#books.totalNanoUsd() ?? null, estimated: this.#books.isEstimated(this.#attempts) };
      const last = this.#surface.stream ? this.#surface.closing(attempt, this.#books.chargeOf(attempt) as Charge, cost) : attempt.body;
      const kept = last === null ? undefined : this.#surface.keep?.(attempt, last);
      if (kept === undefined) this.#answer(attempt, last);
      else kept.then(() => this.#answer(attempt, last)).catch((error: unknown) => this.#crashed(error));
      return;
    }
    const told = outcome.kind === "failed" ? outcome.error : failure("network", "the attempt was stopped");
    this.#error = this.#stopping
      ? gatewayError("stopping", "The gateway is stopping, so the answer breaks off here; try again.")
      : toldTo(this.settings, brokenStream(told, attempt.settings.candidate.deployment.id));
    this.#delivery.endWith(this.#surface.errorFrame(this.#error, attempt));
    this.#record();
  }

  /** The last bytes of an answer, all of them where it is no stream. */
  #answer(attempt: Attempt, last: Uint8Array | null): void {
    if (!this.#surface.stream) this.#delivery.head(200, answerHeaders(this.#facts(attempt, "known"), ["content-type", attempt.type ?? "application/json", "content-length", String(last?.length ?? 0)]));
    this.#delivery.end(last);
    this.#record();
  }

  #conclude(why: Exclude<StopReason, "unheld">, retryAfterMs: number | null): void {
    const { choice } = this.settings;
    const tried = this.#granted().map((attempt): Tried => ({ deployment: attempt.settings.candidate.deployment.id, outcome: this.#outcomes[this.#attempts.indexOf(attempt)] as Outcome }));
    const unfit = [...(this.#unfit ?? [])].map(([i, one]) => ({ deployment: (choice.candidates[i] as Candidate).deployment.id, reason: `unsupported:${one.param}`, detail: one.message }));
    this.#fail(conclude(why, retryAfterMs, tried.filter((one) => one.outcome !== null), { ...choice, filtered: [...choice.filtered, ...unfit] }));
  }

  /** Answer with an error, once everything that was called is booked. */
  #fail(problem: GatewayError): void {
    if (this.#over) return;
    this.#over = true;
    const error = (this.#error = toldTo(this.settings, problem));
    this.#stopTimers();
    this.#whenBooked(() => {
      if (!this.#gone) this.#tellError(error);
      this.#record();
    });
  }

  #tellError(error: GatewayError): void {
    if (this.#delivery.replied) return this.#delivery.endWith(this.#surface.errorFrame(error, this.#lost.at(-1) ?? null));
    const instead = answerError(this.#delivery, this.#surface, error, this.#facts(this.#granted().at(-1) ?? null, "known"));
    if (instead === null) return;
    this.#error = null;
    this.#flags.add(instead);
  }

  #deadlinePassed(): void {
    if (this.#over || this.#gone || this.#winner !== null) return;
    this.#stopWaiting();
    // A deadline shorter than the attempt's own clock is no proof against the provider.
    this.#over = true;
    for (const [i, attempt] of this.#attempts.entries()) if (!attempt.over) attempt.fail(failure("timeout", "the request's deadline passed"), this.#course.isLate(i) ? "provider" : "ours");
    this.#over = false;
    if (this.#lostBy !== null) this.#fail(this.#lostBy);
    else this.#conclude("deadline", null);
  }

  #clientGone(): void {
    if (this.#gone || this.#recorded || (this.#over && this.#winner === null)) return;
    this.#gone = true;
    this.#delivery.left();
    this.#stopTimers();
    const inFlight = this.#inFlight();
    for (const attempt of inFlight) {
      if (attempt.sent && (this.#surface.readsOn === true || attempt.settings.candidate.deployment.provider.onClientGone === "drain")) this.#drains.start(attempt);
      else attempt.stop("client-gone");
    }
    if (inFlight.length === 0) this.#whenBooked(() => this.#record());
  }

  #stopTimers(): void {
    this.#deadline?.cancel();
    this.#delivery.stopKeepalive();
    this.#stopWaiting();
  }

  // Afterwards

  #record(): void {
    if (this.#recorded || (!this.#delivery.ended && !this.#gone) || this.#attempts.some((attempt) => !attempt.over)) return;
    this.#recorded = true;
    this.#wake?.cancel();
    const { settings } = this;
    if (this.#lost.length > 0) this.#flags.add(this.#winner !== null && this.#error === null ? INTERRUPTED_FLAG : "rescue_failed");
    if (this.#course.lacksAllowance) this.#flags.add("retry_allowance_spent");
    for (const [i, attempt] of this.#attempts.entries()) attempt.late = this.#course.isLate(i);
    const record = recordOf({
      settings, surface: this.#surface.name, stream: this.#surface.stream, attempts: this.#attempts, winner: this.#winner ?? this.#lost.at(-1) ?? null, lost: this.#lost,
      chargeOf: (attempt) => this.#books.chargeOf(attempt),
      startMs: this.#startMs, startWallMs: this.#startWallMs, endMs: this.#delivery.overMs ?? this.#deps.clock.nowMs(),
      status: this.#delivery.status, gone: this.#gone, error: this.#error,
      flags: this.#flags, undurable: this.#books.undurable,
      startStates: this.#startStates, unfit: this.#unfit,
    });
    if (settings.steering !== undefined) learnFrom(this.#deps, settings.steering, record);
    this.#turn?.end(record.attempts);
    this.#deps.records.append(record);
    this.onRecorded?.();
    this.onRecorded = null;
  }

  /** Set by whoever counts what is in flight. */
  onRecorded: (() => void) | null = null;

  #crashed(error: unknown): void {
    this.#deps.log.error("exchange_failed", { request: this.settings.requestId, error: error instanceof Error ? (error.stack ?? error.message) : String(error) });
    this.#delivery.destroy();
    this.#turn?.end(null);
    this.#recorded = true;
    // Also where the recording failed: it would be in flight for ever.
    this.onRecorded?.();
  }
}
