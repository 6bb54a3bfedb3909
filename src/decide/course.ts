/**
 * The course of one request: which attempt starts when, when one counts as late, when the elder makes room, and when to stop. Pure:
 * whoever drives it owns sockets, holds and clocks, tells what happened, and asks what to do next. The gateway and the simulator
 * drive the same one.
 *
 * Ask `next` until it says `idle`; then again at `wakeMs`, and after everything that is told.
 */
import type { Outcome } from "../wire/outcome.ts";
import type { UnitCounts } from "../wire/usage.ts";
import type { Allowance } from "./allowance.ts";
import type { ReservedCall, Reserving } from "./balance/reserved.ts";
import type { RouteState } from "./balance/route-state.ts";
import type { Plan } from "./balance/types.ts";
import type { Candidate } from "./choose.ts";
import { latestStartMs } from "./clocks.ts";
import type { ReliefClass } from "./deployment.ts";
import type { CallFacts, HealthBook, HealthView, LimitHint, Ticket } from "./health/book.ts";
import { MAX_ATTEMPTS, MAX_IN_FLIGHT, nextStep, reliefOf, UNFIT, type Launch, type Step } from "./next-step.ts";

export interface CourseFacts {
  readonly candidates: readonly Candidate[];
  /** Which of a deployment's endpoints is called. */
  readonly endpoint: string;
  readonly startMs: number;
  /** From the start. */
  readonly deadlineMs: number;
  /** What the owner allows, where the client allows less: its hurry is nobody's fault. Absent: the same. */
  readonly allowedMs?: number | undefined;
  /** An answer that comes piece by piece, so that its first content tells whether it comes at all. */
  readonly streams?: boolean | undefined;
  /** See `StepFacts.once`. */
  readonly once: boolean;
  readonly health: HealthBook;
  readonly allowance: Allowance;
  readonly random: () => number;
  /** What was planned for this request beyond its order, and the route that pays for it; absent: nothing. */
  readonly steering?: { readonly plan: Plan; readonly state: RouteState } | undefined;
  /** By when first content is promised, and how large the prompt is: what a call is slow against. Absent: nothing is promised. */
  readonly pace?: CallFacts | undefined;
  /** Is told of calls to reserved capacity; absent: there is none. */
  readonly reserved?: Reserving | undefined;
}

export type StopReason = Extract<Step, { kind: "stop" }>["why"] | "allowance" | "unheld";

export type Command =
  | { readonly kind: "idle" }
  /** Prepare it and call `launched`, or `unfit`, or `deferred`. */
  | Launch
  /** Abort this attempt, and call `dropped` when it is booked. */
  | { readonly kind: "drop"; readonly attempt: number }
  /** Nothing is in flight and nothing more is started. `unheld`: because a hold was refused. */
  | { readonly kind: "stop"; readonly why: StopReason; readonly retryAfterMs: number | null };

interface Run {
  readonly candidate: number;
  readonly ticket: Ticket;
  /** null while in flight. */
  outcome: Outcome | null;
  /** When it counts as late; infinite until it is called. */
  lateAtMs: number;
  late: boolean;
  /** When being late is its deployment's fault: later than `lateAtMs` where the client is in a hurry. */
  blamedAtMs: number;
  blamed: boolean;
  /** When it counts as slow against the promise; infinite where nothing is promised, and once it is told. */
  slowAtMs: number;
  /** It was started with another to learn of it, so it may go on to its first content after the other has won. */
  raced: boolean;
  content: boolean;
  /** It got no hold for a reason of its candidate's alone: no attempt at all. */
  void: boolean;
  /** null: it runs on no reserved capacity. */
  reserved: ReservedCall | null;
}

const IDLE: Command = Object.freeze({ kind: "idle" });
const NEVER = Number.POSITIVE_INFINITY;
/** No content for so long, and for so many times what nearly all of its calls take, is no client's doing; whole answers differ more in length. */
const STALLED_MS = 5_000;
const STALLED_WHOLE_MS = 20_000;
const STALLED_TIMES = 4;
/** What nearly all calls take where nobody has seen one: the clock of a first content, taken as that many times. */
const UNSEEN_MS = 30_000 / STALLED_TIMES;

export class Course {
  readonly #facts: CourseFacts;
  readonly #runs: Run[] = [];
  #unfit: Set<number> | null = null;
  /** Something happened that may call for a step. */
  #due = true;
  /** Two are in flight, and one of them turned late. */
  #roomDue = false;
  /** A step that waits for its time. */
  #pending: { readonly atMs: number; readonly step: Launch } | null = null;
  #roomAtMs = NEVER;
  /** The driver is at work: it prepares a call, or books one that was dropped. */
  #deferred: Launch | null = null;
  #dropping = false;
  /** A hold was refused: nothing more is started. */
  #halted = false;
  #closed = false;
  /** Content of this attempt goes to the client. */
  #winner: number | null = null;
  #hedgeAtMs = NEVER;
  #raceDue: boolean;
  /** A metered step was paid for that has not come to a call yet: what takes its place is paid as well. */
  #paid = false;
  #lacksAllowance = false;
  /** So often did the answer break off and was to be carried on. */
  #breaks = 0;
  /** Why the request was refused for its own sake, where another model may not. */
  #refusal: ReliefClass | null = null;

  constructor(facts: CourseFacts) {
    this.#facts = facts;
    this.#raceDue = facts.steering !== undefined && facts.steering.plan.race !== null;
  }

  /** A step was wanted that the retry allowance does not pay for. */
  get lacksAllowance(): boolean {
    return this.#lacksAllowance;
  }

  /** When to ask again if nothing happens before; infinite: not at all. */
  get wakeMs(): number {
    if (this.#closed) return NEVER;
    // What a driver is at work on is decided when it tells of it, however long that takes.
    const hedgeAtMs = this.#deferred === null && this.#pending === null ? this.#hedgeAtMs : NEVER;
    let wakeMs = Math.min(this.#pending?.atMs ?? NEVER, this.#roomAtMs, hedgeAtMs);
    for (const run of this.#runs) {
      if (run.outcome !== null || run.content) continue;
      if (!run.late && run.lateAtMs < wakeMs) wakeMs = run.lateAtMs;
      if (run.late && !run.blamed && run.blamedAtMs < wakeMs) wakeMs = run.blamedAtMs;
      if (run.slowAtMs < wakeMs) wakeMs = run.slowAtMs;
    }
    return wakeMs;
  }

  /** What to do now. */
  next(nowMs: number): Command {
    if (this.#closed) return IDLE;
    this.#markLate(nowMs);
    if (this.#winner !== null) return this.#dropLosers();
    if (this.#dropping || this.#deferred !== null) return IDLE;
    const inFlight = this.#inFlight();
    if (this.#pending !== null) return this.#pending.atMs > nowMs ? IDLE : this.#afterWait(this.#pending.step, nowMs);
    if (inFlight >= MAX_IN_FLIGHT) return this.#makeRoom(nowMs);
    if (!this.#due) return this.#beside(nowMs, inFlight);
    this.#due = false;
    const command = this.#step(nowMs, inFlight);
    return command.kind === "idle" ? this.#beside(nowMs, inFlight) : command;
  }

  /** The step is being made: from now on it counts. Returns the attempt's number, from 0. */
  launched(step: Launch, nowMs: number): number {
    const { deployment } = this.#facts.candidates[step.candidate] as Candidate;
    const ticket = this.#facts.health.sent({ deployment: deployment.id, account: deployment.account, endpoint: this.#facts.endpoint }, nowMs, step.probe, this.#facts.pace);
    // A hedge stands beside a first attempt that is alone: its time may be over before it would have come.
    if (this.#runs.length > 0) this.#hedgeAtMs = NEVER;
    if (step.metered) this.#paid = false;
    if (step.why !== "first" && step.why !== "race") this.#facts.steering?.state.called(deployment.id, nowMs);
    return this.#runs.push({ candidate: step.candidate, ticket, outcome: null, lateAtMs: NEVER, late: false, blamedAtMs: NEVER, blamed: false, slowAtMs: NEVER, raced: step.why === "race", content: false, void: false, reserved: null }) - 1;
  }

  /** The call goes out, and counts as late after `softTimeoutMs`, or when the next step has to start: waiting for room in a budget is no lateness. */
  called(attempt: number, softTimeoutMs: number, nowMs: number): void {
    const run = this.#runs[attempt] as Run;
    if (this.#facts.reserved !== undefined) run.reserved = this.#facts.reserved.entered((this.#facts.candidates[run.candidate] as Candidate).deployment, nowMs);
    const { startMs, deadlineMs, allowedMs = deadlineMs } = this.#facts;
    const steps = Math.min(MAX_ATTEMPTS, this.#startable());
    const next = this.#runs.filter((one) => !one.void).length + 1;
    const nextInMs = next <= steps ? startMs + latestStartMs(deadlineMs, next, steps) - nowMs : NEVER;
    // The next step was due before this one began, which is not this deployment's fault.
    if (nextInMs <= 0) this.#due = true;
    run.lateAtMs = nowMs + (nextInMs > 0 ? Math.min(softTimeoutMs, nextInMs) : softTimeoutMs);
    run.blamedAtMs = run.lateAtMs;
    if (allowedMs > deadlineMs) {
      const allowedInMs = next <= steps ? startMs + latestStartMs(allowedMs, next, steps) - nowMs : NEVER;
      run.blamedAtMs = Math.max(run.lateAtMs, nowMs + (allowedInMs > 0 ? Math.min(softTimeoutMs, allowedInMs) : softTimeoutMs));
    }
    if (this.#facts.pace !== undefined && this.#facts.pace.thresholdMs > 0) run.slowAtMs = nowMs + this.#facts.pace.thresholdMs;
    const hedge = this.#facts.steering?.plan.hedge ?? null;
    if (attempt === 0 && hedge !== null) this.#hedgeAtMs = nowMs + hedge.afterMs;
  }

  /**
   * Its first content is here. Does it go to the client? False: another's does. The others are aborted by their driver, but for those
   * that `goesOn`.
   */
  content(attempt: number, nowMs: number): boolean {
    const run = this.#runs[attempt] as Run;
    run.content = true;
    this.#facts.health.firstContent(run.ticket, nowMs);
    run.reserved?.firstContent(nowMs);
    this.#learnt(run, run.slowAtMs !== NEVER || this.#facts.pace === undefined);
    if (this.#winner !== null) return false;
    this.#winner = attempt;
    this.#hedgeAtMs = this.#roomAtMs = NEVER;
    this.#pending = null;
    return true;
  }

  /** The head of its answer told how its caller's limits stand there. */
  told(attempt: number, hint: LimitHint, nowMs: number): void {
    this.#facts.health.told((this.#runs[attempt] as Run).ticket, hint, nowMs);
  }

  /** After another has won: it was called to learn of it, and has had no content yet. What still waits for its hold is not worth a call any more. */
  goesOn(attempt: number): boolean {
    const run = this.#runs[attempt] as Run;
    return run.raced && run.lateAtMs !== NEVER && !run.content && !run.late && run.outcome === null;
  }

  /** It came to this. What was waited for beside it is decided anew, unless it was aborted on our own account. */
  ended(attempt: number, outcome: Outcome, nowMs: number): void {
    const run = this.#runs[attempt] as Run;
    run.outcome = outcome;
    if (outcome.kind === "failed") this.#refusal = reliefOf(outcome.error.class) ?? this.#refusal;
    if (attempt === 0) this.#hedgeAtMs = NEVER;
    if (!run.content && (outcome.kind === "failed" || run.late)) this.#learnt(run, false);
    this.#facts.health.observe(run.ticket, outcome, nowMs, this.#facts.random());
    if (outcome.kind === "superseded") return;
    this.#pending = null;
    this.#deferred = null;
    this.#roomAtMs = NEVER;
    this.#due = true;
  }

  /**
   * The winner has ended, and its answer may be carried on: content may win again. Only by a candidate that has not failed yet. That is metered
   * as any other step is, so that all streams of a deployment that goes down may move; from the second break on it always is.
   */
  brokeOff(): void {
    this.#winner = null;
    this.#breaks += 1;
    this.#due = true;
  }

  /** What it took, once it has ended and that is known. */
  took(attempt: number, units: UnitCounts): void {
    this.#runs[attempt]?.reserved?.left(units);
  }

  /** This candidate cannot carry the request: another is looked for. */
  unfit(candidate: number): void {
    (this.#unfit ??= new Set()).add(candidate);
    this.#due = true;
  }

  /** Something has to be fetched before the call can be made; `resumed` when it is there. */
  deferred(step: Launch): void {
    this.#deferred = step;
  }

  resumed(nowMs: number): void {
    if (this.#deferred === null) return;
    this.#pending = { atMs: nowMs, step: this.#deferred };
    this.#deferred = null;
  }

  /** Its hold was refused. `own`: by what binds this candidate alone, so that others may still be tried; else nothing more is started. */
  unheld(attempt: number, own: boolean): void {
    const run = this.#runs[attempt] as Run;
    if (!own) {
      this.#halted = true;
      return;
    }
    run.void = true;
    (this.#unfit ??= new Set()).add(run.candidate);
  }

  /** What had to make room is booked. */
  dropped(): void {
    this.#dropping = false;
    this.#due = true;
  }

  /** Its time has passed, by its deployment's fault. */
  isLate(attempt: number): boolean {
    return this.#runs[attempt]?.blamed === true;
  }

  /** Nothing more is to be decided: the client has left, or the answer is an error. */
  close(): void {
    this.#closed = true;
  }

  view(candidate: number, nowMs: number): HealthView {
    if (this.#unfit?.has(candidate) === true) return UNFIT;
    const { deployment } = this.#facts.candidates[candidate] as Candidate;
    return this.#facts.health.view(deployment.id, deployment.account, this.#facts.endpoint, nowMs, this.#facts.pace?.thresholdMs);
  }

  /** How many candidates there are to go to: those that are held back count only once what they are for has happened. */
  #startable(): number {
    let count = 0;
    for (const { after } of this.#facts.candidates) if (after === undefined || after === this.#refusal) count += 1;
    return count;
  }

  #inFlight(): number {
    let count = 0;
    for (const run of this.#runs) if (run.outcome === null) count += 1;
    return count;
  }

  #markLate(nowMs: number): void {
    for (const run of this.#runs) {
      if (run.outcome !== null || run.content) continue;
      if (run.slowAtMs <= nowMs) {
        run.slowAtMs = NEVER;
        this.#facts.health.slow(run.ticket, nowMs);
      }
      if (!run.late && run.lateAtMs <= nowMs) {
        run.late = this.#due = this.#roomDue = true;
        if (run.blamedAtMs > nowMs && this.#isStalled(run, nowMs)) run.blamedAtMs = nowMs;
      }
      if (run.blamed || run.blamedAtMs > nowMs) continue;
      run.blamed = true;
      this.#facts.health.observe(run.ticket, { kind: "soft-timeout" }, nowMs, this.#facts.random());
    }
  }

  /** So long without content that nothing of what was seen of its calls explains it, though a client in a hurry waits no longer. */
  #isStalled({ candidate, ticket: { sentMs, call } }: Run, nowMs: number): boolean {
    const { candidates, health, endpoint, streams } = this.#facts;
    const { deployment } = candidates[candidate] as Candidate;
    const waitedMs = nowMs - sentMs;
    if (deployment.reasons || waitedMs < (streams === true ? STALLED_MS : STALLED_WHOLE_MS)) return false;
    const usualMs = health.estimate(deployment.id, endpoint, 0, call.sizeClass, nowMs).quantile(0.99) ?? UNSEEN_MS;
    return waitedMs > STALLED_TIMES * usualMs;
  }

  /** What was planned to start beside the first attempt: with it, to learn of another; or after it, where it is slow. */
  #beside(nowMs: number, inFlight: number): Command {
    const { steering } = this.#facts;
    if (steering === undefined || inFlight !== 1 || this.#runs.length !== 1 || this.#halted) return IDLE;
    const { plan, state } = steering;
    if (this.#raceDue && plan.race !== null) {
      this.#raceDue = false;
      const probe = plan.race.why === "probe";
      if (this.#mayStart(plan.race.candidate, nowMs, probe) && state.takeRace(plan)) return beside(plan.race.candidate, "race", probe);
    }
    if (plan.hedge === null || this.#hedgeAtMs > nowMs) return IDLE;
    this.#hedgeAtMs = NEVER;
    return this.#mayStart(plan.hedge.candidate, nowMs, false) && state.takeHedge(plan) ? beside(plan.hedge.candidate, "hedge", false) : IDLE;
  }

  /** What a race has told of the one that was started to learn of it. */
  #learnt(run: Run, good: boolean): void {
    const { steering, candidates } = this.#facts;
    if (run.raced) steering?.state.probed((candidates[run.candidate] as Candidate).deployment.id, good);
  }

  #mayStart(candidate: number, nowMs: number, probe: boolean): boolean {
    const view = this.view(candidate, nowMs);
    return candidate !== this.#runs[0]?.candidate && view.excluded === null && view.pausedUntilMs <= nowMs && view.state === (probe ? "probe-ready" : "admitting");
  }

  /** What went on beside the winner to be learnt of has taken too long. */
  #dropLosers(): Command {
    const attempt = this.#runs.findIndex((run, i) => i !== this.#winner && run.outcome === null && run.late);
    return attempt < 0 ? IDLE : { kind: "drop", attempt };
  }

  #step(nowMs: number, inFlight: number): Command {
    if (this.#halted) return inFlight === 0 ? stop("unheld") : IDLE;
    const next = this.#nextStep(null, nowMs);
    const step = this.#breaks > 0 ? this.#rescuing(next) : next;
    if (step.kind === "stop") return inFlight === 0 ? step : IDLE;
    if (step.metered && !this.#paid && !this.#facts.allowance.tryTake(nowMs)) {
      this.#lacksAllowance = true;
      return inFlight === 0 ? stop("allowance") : IDLE;
    }
    this.#paid ||= step.metered;
    if (step.waitMs <= 0) return step;
    this.#pending = { atMs: nowMs + step.waitMs, step };
    return IDLE;
  }

  /** The step as one that carries an answer on. */
  #rescuing(step: Step): Step {
    if (step.kind === "stop") return step;
    if (this.#runs.filter((run) => !run.void).length >= MAX_ATTEMPTS) return { kind: "stop", why: "attempts", retryAfterMs: null };
    return { ...step, why: "rescue", metered: step.metered || this.#breaks > 1 };
  }

  /** Health may have changed its mind while we waited; then the step is decided anew. */
  #afterWait(step: Launch, nowMs: number): Command {
    this.#pending = null;
    const view = this.view(step.candidate, nowMs);
    // Who rests by now is asked as one that rests: after others, and paid for.
    const rests = view.state === "resting" && !step.metered && this.#runs.length > 0;
    if (view.excluded === null && view.pausedUntilMs <= nowMs && !rests) return { ...step, probe: view.state === "probe-ready" };
    this.#due = false;
    const inFlight = this.#inFlight();
    return inFlight >= MAX_IN_FLIGHT ? IDLE : this.#step(nowMs, inFlight);
  }

  /** Where both are late and a third can start, the elder is aborted and booked before it does. */
  #makeRoom(nowMs: number): Command {
    if (!this.#roomDue && this.#roomAtMs > nowMs) return IDLE;
    this.#roomDue = false;
    this.#roomAtMs = NEVER;
    const elder = this.#runs.findIndex((run) => run.outcome === null);
    if (this.#halted || !this.#runs.every((run) => run.outcome !== null || run.late)) return IDLE;
    const step = this.#nextStep(elder, nowMs);
    if (step.kind === "stop") return IDLE;
    if (step.waitMs > 0) {
      this.#roomAtMs = nowMs + step.waitMs;
      return IDLE;
    }
    if (step.metered && !this.#paid && this.#facts.allowance.tokens(nowMs) < 1) return IDLE;
    this.#dropping = true;
    return { kind: "drop", attempt: elder };
  }

  /** `ended`: as if this attempt had come to its end already. */
  #nextStep(ended: number | null, nowMs: number): Step {
    const tries: { candidate: number; outcome: Outcome | null }[] = [];
    for (const [i, run] of this.#runs.entries()) {
      // Who was put aside for the one that broke off was not tried at what is to be done now.
      if (!run.void && !(this.#breaks > 0 && run.outcome?.kind === "superseded")) tries.push({ candidate: run.candidate, outcome: i === ended || (this.#breaks > 0 && isRefused(run.outcome)) ? SUPERSEDED : run.outcome });
    }
    const { candidates, startMs, deadlineMs, once, random } = this.#facts;
    return nextStep({ nowMs, startMs, deadlineMs: startMs + deadlineMs, candidates, once, untried: this.#breaks > 0, tries, view: (candidate) => this.view(candidates.indexOf(candidate), nowMs), random });
  }
}

const SUPERSEDED: Outcome = Object.freeze({ kind: "superseded", phase: "before-content" });

/** What is wrong with a request that was answered in part already can only be how it is asked to be gone on with. */
function isRefused(outcome: Outcome | null): boolean {
  return outcome?.kind === "failed" && outcome.error.class === "bad_request";
}

function beside(candidate: number, why: "race" | "hedge", probe: boolean): Launch {
  return { kind: "launch", candidate, why, metered: false, probe, waitMs: 0 };
}

function stop(why: StopReason): Command {
  return { kind: "stop", why, retryAfterMs: null };
}
