/** One request's way through our own decisions: what the gateway's exchange does, without its sockets and books. */
import type { Plan } from "../decide/balance/types.ts";
import type { Candidate } from "../decide/choose.ts";
import { Course } from "../decide/course.ts";
import type { CallFacts } from "../decide/health/book.ts";
import type { Launch } from "../decide/next-step.ts";
import { isBreak, MAX_RESCUES } from "../decide/rescue.ts";
import { faultOf, type Outcome, type Phase } from "../wire/outcome.ts";
import type { SpillwayPolicy } from "./spillway-policy.ts";
import type { CallListener, RequestApi, SimCall, SimFailure, SimTimer } from "./types.ts";

export const ENDPOINT = "chat";

/** Who is tried in which order, and how. */
export interface Itinerary {
  readonly candidates: readonly Candidate[];
  /** null: by no score. */
  readonly plan: Plan | null;
  readonly pace: CallFacts;
  readonly inputTokens: number;
}

export class Journey implements CallListener {
  readonly #policy: SpillwayPolicy;
  readonly #api: RequestApi;
  readonly #itinerary: Itinerary;
  readonly #startMs: number;
  readonly #course: Course;
  /** By their numbers in the course. */
  readonly #calls: SimCall[] = [];
  #wake: SimTimer | null = null;
  #deadline: SimTimer;
  /** So often did the answer break off and was carried on. */
  #rescues = 0;
  #served: SimCall | null = null;
  #late = false;
  #over = false;

  constructor(policy: SpillwayPolicy, api: RequestApi, itinerary: Itinerary) {
    this.#policy = policy;
    this.#api = api;
    this.#itinerary = itinerary;
    this.#startMs = api.nowMs;
    const { deadlineMs, allowance, health, random, route } = policy;
    const { candidates, plan, pace, inputTokens } = itinerary;
    this.#course = new Course({
      candidates, endpoint: ENDPOINT, startMs: api.nowMs, deadlineMs, once: false, health, allowance, random, pace,
      steering: plan === null ? undefined : { plan, state: route }, reserved: policy.reserving(inputTokens),
    });
    this.#deadline = api.after(deadlineMs, () => this.#deadlinePassed());
  }

  start(): void {
    const { plan, candidates } = this.#itinerary;
    if (plan !== null) this.#policy.route.began(plan, this.#api.nowMs, (i) => candidates[i]?.deployment.id ?? "");
    this.#drive();
  }

  onContent(call: SimCall): void {
    const attempt = this.#calls.indexOf(call);
    if (!this.#course.content(attempt, this.#api.nowMs)) return this.#supersede(attempt);
    this.#served = call;
    if (this.#rescues === 0) this.#late = this.#isLate();
    this.#deadline.cancel();
    for (const [number, other] of this.#calls.entries()) if (other !== call && !other.isOver && !this.#course.goesOn(number)) this.#supersede(number);
    this.#api.serve(call);
    this.#drive();
  }

  onEnd(call: SimCall): void {
    this.#ended(this.#calls.indexOf(call), ANSWERED);
    this.#requestEnded(false);
  }

  onFail(call: SimCall, failure: SimFailure): void {
    const phase: Phase = call.hasContent ? "after-content" : failure.unsent ? "unsent" : "before-content";
    const outcome = failed(failure, phase);
    this.#ended(this.#calls.indexOf(call), outcome);
    if (call === this.#served && !this.#carriesOn(outcome)) this.#requestEnded(true);
    else this.#drive();
  }

  /** What the client reads broke off: another goes on with it, where the route asks for that and there is one who can. */
  #carriesOn(outcome: Outcome): boolean {
    const { rescuers, deadlineMs } = this.#policy;
    if (rescuers === undefined || this.#rescues >= MAX_RESCUES || !isBreak(outcome)) return false;
    this.#rescues += 1;
    this.#served = null;
    for (const [number, other] of this.#calls.entries()) if (!other.isOver) this.#supersede(number);
    this.#api.carryOn();
    for (const [i, { deployment }] of this.#itinerary.candidates.entries()) if (!rescuers.has(deployment.id)) this.#course.unfit(i);
    this.#course.brokeOff();
    this.#deadline = this.#api.after(this.#startMs + deadlineMs - this.#api.nowMs, () => this.#deadlinePassed());
    return true;
  }

  #ended(attempt: number, outcome: Outcome): void {
    this.#course.ended(attempt, outcome, this.#api.nowMs);
    const { hasContent, inputTokens, writtenTokens } = this.#calls[attempt] as SimCall;
    this.#course.took(attempt, hasContent ? { input: inputTokens, output: writtenTokens } : NOTHING);
  }

  #drive(): void {
    while (!this.#over) {
      const command = this.#course.next(this.#api.nowMs);
      if (command.kind === "idle") return this.#sleep();
      if (command.kind === "launch") this.#launch(command);
      else if (command.kind === "drop") {
        this.#supersede(command.attempt);
        this.#course.dropped();
      } else this.#fail(command.why);
    }
  }

  #launch(step: Launch): void {
    const { nowMs } = this.#api;
    const attempt = this.#course.launched(step, nowMs);
    const candidate = this.#itinerary.candidates[step.candidate] as Candidate;
    this.#calls[attempt] = this.#api.call(this.#policy.indexOf(candidate), this);
    this.#course.called(attempt, this.#policy.softTimeoutMs(candidate, this.#itinerary.pace.thresholdMs), nowMs);
  }

  #supersede(attempt: number): void {
    const call = this.#calls[attempt] as SimCall;
    call.abort();
    this.#ended(attempt, call.hasContent ? SUPERSEDED_AFTER : SUPERSEDED_BEFORE);
  }

  #isLate(): boolean {
    const { thresholdMs } = this.#itinerary.pace;
    return thresholdMs > 0 && this.#api.nowMs - this.#startMs > thresholdMs;
  }

  #sleep(): void {
    this.#wake?.cancel();
    const { wakeMs } = this.#course;
    this.#wake = Number.isFinite(wakeMs) ? this.#api.after(wakeMs - this.#api.nowMs, () => this.#drive()) : null;
  }

  #deadlinePassed(): void {
    this.#over = true;
    for (const [attempt, call] of this.#calls.entries()) {
      if (call.isOver) continue;
      call.abort();
      const fault = this.#course.isLate(attempt) ? "provider" : "ours";
      this.#ended(attempt, { kind: "failed", error: errorOf("timeout", 0, null), phase: "before-content", fault });
    }
    this.#fail("deadline");
  }

  #fail(why: string): void {
    this.#over = true;
    this.#course.close();
    this.#wake?.cancel();
    this.#deadline.cancel();
    if (this.#rescues === 0) this.#late = this.#isLate();
    this.#requestEnded(true);
    this.#api.fail(why);
  }

  #requestEnded(isFailed: boolean): void {
    const { plan, pace } = this.#itinerary;
    if (plan === null) return;
    const late = pace.wholeMs === undefined ? this.#late : this.#api.nowMs - this.#startMs > pace.wholeMs;
    this.#policy.route.ended({ failed: isFailed, late, valid: true }, this.#api.nowMs);
  }
}

const NOTHING = Object.freeze({});
const ANSWERED: Outcome = Object.freeze({ kind: "answered" });
const SUPERSEDED_BEFORE: Outcome = Object.freeze({ kind: "superseded", phase: "before-content" });
const SUPERSEDED_AFTER: Outcome = Object.freeze({ kind: "superseded", phase: "after-content" });

function failed(failure: SimFailure, phase: Phase): Outcome {
  return { kind: "failed", error: errorOf(failure.class, failure.status, failure.retryAfterMs), phase, fault: faultOf(failure.class) };
}

function errorOf(failure: SimFailure["class"], status: number, retryAfterMs: number | null): Extract<Outcome, { kind: "failed" }>["error"] {
  return { class: failure, status, message: "", type: null, code: null, param: null, retryAfterMs };
}
