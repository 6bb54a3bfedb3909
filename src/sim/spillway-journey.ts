/** One request's way through our own decisions: what the gateway's exchange does, without its sockets and books. */
import type { Plan } from "../decide/balance/types.ts";
import type { Candidate } from "../decide/choose.ts";
import { Course } from "../decide/course.ts";
import type { CallFacts, Ticket } from "../decide/health/book.ts";
import type { Launch } from "../decide/next-step.ts";
import { faultOf, type Outcome, type Phase } from "../wire/outcome.ts";
import { ENDPOINT, type SpillwayPolicy } from "./spillway-policy.ts";
import type { CallListener, RequestApi, SimCall, SimFailure, SimTimer } from "./types.ts";

/** Who is tried, in which order. */
export interface Itinerary {
  /** Deployments of the world. */
  readonly order: readonly number[];
  /** null: by no score. */
  readonly plan: Plan | null;
  readonly race: Plan["race"];
  readonly call: CallFacts;
}

interface Attempt {
  readonly number: number;
  readonly deployment: number;
  readonly call: SimCall;
  readonly ticket: Ticket;
  /** Called to learn of it: it is read up to its first content. */
  readonly learns: "explore" | "probe" | null;
  slow: SimTimer | null;
}

export class Journey implements CallListener {
  readonly #policy: SpillwayPolicy;
  readonly #api: RequestApi;
  readonly #itinerary: Itinerary;
  readonly #startMs: number;
  readonly #health: HeldTo;
  readonly #course: Course;
  readonly #attempts: Attempt[] = [];
  #wake: SimTimer | null = null;
  #hedge: SimTimer | null = null;
  readonly #deadline: SimTimer;
  #served: Attempt | null = null;
  #late = false;
  #over = false;

  constructor(policy: SpillwayPolicy, api: RequestApi, itinerary: Itinerary) {
    this.#policy = policy;
    this.#api = api;
    this.#itinerary = itinerary;
    this.#startMs = api.nowMs;
    this.#health = new HeldTo(policy, itinerary.call);
    const candidates = itinerary.order.map((i) => policy.candidates[i] as Candidate);
    const { deadlineMs, allowance, random } = policy;
    // The course asks of its health no more than what is held to the call's threshold here.
    const health = this.#health as never;
    this.#course = new Course({ candidates, endpoint: ENDPOINT, startMs: api.nowMs, deadlineMs, once: false, health, allowance, random });
    this.#deadline = api.after(deadlineMs, () => this.#deadlinePassed());
  }

  start(): void {
    const { plan, race } = this.#itinerary;
    if (plan !== null) this.#policy.route.began(plan, this.#api.nowMs, this.#policy.idOf);
    this.#drive();
    if (this.#attempts.length === 0 || this.#over) return;
    if (race !== null && (race.why === "probe" || (plan !== null && this.#policy.route.takeRace(plan)))) this.#beside(race.candidate, race.why);
    else if (plan !== null && plan.hedge !== null) this.#hedge = this.#api.after(plan.hedge.afterMs, () => this.#hedgeDue(plan));
  }

  onContent(call: SimCall): void {
    const attempt = this.#of(call);
    const { nowMs } = this.#api;
    attempt.slow?.cancel();
    this.#policy.health.firstContent(attempt.ticket, nowMs);
    if (attempt.learns === "explore") this.#learned(attempt, nowMs);
    if (this.#served !== null || this.#over) return this.#supersede(attempt);
    this.#served = attempt;
    this.#late = this.#isLate(nowMs - this.#startMs);
    this.#course.close();
    this.#stopTimers();
    for (const other of this.#attempts) if (other !== attempt && !other.call.isOver && other.learns === null) this.#supersede(other);
    this.#api.serve(call);
  }

  onEnd(call: SimCall): void {
    this.#course.ended(this.#of(call).number, ANSWERED, this.#api.nowMs);
    this.#requestEnded(false);
  }

  onFail(call: SimCall, failure: SimFailure): void {
    const attempt = this.#of(call);
    attempt.slow?.cancel();
    const phase: Phase = call.hasContent ? "after-content" : failure.unsent ? "unsent" : "before-content";
    this.#course.ended(attempt.number, failed(failure, phase), this.#api.nowMs);
    if (attempt.learns === "explore") this.#policy.route.probed(this.#policy.idOf(attempt.deployment), false);
    if (attempt === this.#served) this.#requestEnded(true);
    else if (this.#served === null) this.#drive();
  }

  #drive(): void {
    while (!this.#over && this.#served === null) {
      const command = this.#course.next(this.#api.nowMs);
      if (command.kind === "idle") return this.#sleep();
      if (command.kind === "launch") this.#launch(command, null);
      else if (command.kind === "drop") {
        this.#supersede(this.#attempts[command.attempt] as Attempt);
        this.#course.dropped();
      } else this.#fail(command.why);
    }
  }

  #launch(step: Launch, learns: Attempt["learns"]): void {
    const { nowMs } = this.#api;
    const number = this.#course.launched(step, nowMs);
    const deployment = this.#itinerary.order[step.candidate] as number;
    const { thresholdMs } = this.#itinerary.call;
    const ticket = this.#health.last as Ticket;
    const attempt: Attempt = { number, deployment, call: this.#api.call(deployment, this), ticket, learns, slow: null };
    this.#attempts[number] = attempt;
    if (number > 0) this.#policy.route.called(this.#policy.idOf(deployment), nowMs);
    if (thresholdMs > 0) {
      attempt.slow = this.#api.after(thresholdMs, () => {
        this.#policy.health.slow(ticket, this.#api.nowMs, this.#policy.random());
        if (learns === "explore") this.#policy.route.probed(this.#policy.idOf(deployment), false);
      });
    }
    const softMs = this.#policy.softTimeoutMs(thresholdMs);
    // Whoever learns only is not waited for, and nobody else gives it up.
    if (learns !== null) {
      this.#api.after(softMs, () => {
        if (!attempt.call.isOver && this.#served !== null) this.#supersede(attempt);
      });
    }
    this.#course.called(number, softMs, nowMs);
  }

  /** Beside the one under way, as its hedge or to learn of it. */
  #beside(deployment: number, why: "explore" | "probe" | "hedge"): void {
    const candidate = this.#itinerary.order.indexOf(deployment);
    this.#launch({ kind: "launch", candidate, why, metered: false, probe: why === "probe", waitMs: 0 }, why === "hedge" ? null : why);
    this.#sleep();
  }

  #hedgeDue(plan: Plan): void {
    if (this.#over || this.#served !== null || plan.hedge === null || this.#attempts.length !== 1 || this.#attempts[0]?.call.isOver === true) return;
    const view = this.#policy.viewOf(plan.hedge.candidate, this.#api.nowMs, this.#itinerary.call.thresholdMs);
    if (view.state === "admitting" && view.excluded === null && view.pausedUntilMs <= this.#api.nowMs && this.#policy.route.takeHedge(plan)) this.#beside(plan.hedge.candidate, "hedge");
  }

  #supersede(attempt: Attempt): void {
    attempt.slow?.cancel();
    attempt.call.abort();
    this.#course.ended(attempt.number, attempt.call.hasContent ? SUPERSEDED_AFTER : SUPERSEDED_BEFORE, this.#api.nowMs);
  }

  /** Content in time, or not. */
  #learned(attempt: Attempt, nowMs: number): void {
    const tookMs = nowMs - attempt.call.sentMs;
    if (!this.#isLate(tookMs)) this.#policy.route.probed(this.#policy.idOf(attempt.deployment), true);
  }

  #isLate(tookMs: number): boolean {
    const { thresholdMs } = this.#itinerary.call;
    return thresholdMs > 0 && tookMs > thresholdMs;
  }

  #sleep(): void {
    this.#wake?.cancel();
    const { wakeMs } = this.#course;
    this.#wake = Number.isFinite(wakeMs) ? this.#api.after(wakeMs - this.#api.nowMs, () => this.#drive()) : null;
  }

  #deadlinePassed(): void {
    this.#over = true;
    for (const { call, number, slow } of this.#attempts) {
      if (call.isOver) continue;
      slow?.cancel();
      call.abort();
      const fault = this.#course.isLate(number) ? "provider" : "ours";
      this.#course.ended(number, { kind: "failed", error: errorOf("timeout", 0, null), phase: "before-content", fault }, this.#api.nowMs);
    }
    this.#fail("deadline");
  }

  #fail(why: string): void {
    this.#over = true;
    this.#course.close();
    this.#stopTimers();
    this.#late = this.#isLate(this.#api.nowMs - this.#startMs);
    this.#requestEnded(true);
    this.#api.fail(why);
  }

  #requestEnded(isFailed: boolean): void {
    if (this.#itinerary.plan !== null) this.#policy.route.ended({ failed: isFailed, late: this.#late, valid: true }, this.#api.nowMs);
  }

  #stopTimers(): void {
    this.#wake?.cancel();
    this.#hedge?.cancel();
    this.#deadline.cancel();
  }

  #of(call: SimCall): Attempt {
    return this.#attempts.find((one) => one.call === call) as Attempt;
  }
}

/** Health as one request's calls see it: all are held to its threshold. */
class HeldTo {
  readonly #policy: SpillwayPolicy;
  readonly #call: CallFacts;
  last: Ticket | null = null;

  constructor(policy: SpillwayPolicy, call: CallFacts) {
    this.#policy = policy;
    this.#call = call;
  }

  sent(id: Parameters<SpillwayPolicy["health"]["sent"]>[0], nowMs: number, probe: boolean): Ticket {
    this.last = this.#policy.health.sent(id, nowMs, probe, this.#call);
    return this.last;
  }

  observe(...told: Parameters<SpillwayPolicy["health"]["observe"]>): void {
    this.#policy.health.observe(...told);
  }

  view(deployment: string, account: string, endpoint: string, nowMs: number): ReturnType<SpillwayPolicy["health"]["view"]> {
    return this.#policy.health.view(deployment, account, endpoint, nowMs, this.#call.thresholdMs);
  }
}

const ANSWERED: Outcome = Object.freeze({ kind: "answered" });
const SUPERSEDED_BEFORE: Outcome = Object.freeze({ kind: "superseded", phase: "before-content" });
const SUPERSEDED_AFTER: Outcome = Object.freeze({ kind: "superseded", phase: "after-content" });

function failed(failure: SimFailure, phase: Phase): Outcome {
  return { kind: "failed", error: errorOf(failure.class, failure.status, failure.retryAfterMs), phase, fault: faultOf(failure.class) };
}

function errorOf(failure: SimFailure["class"], status: number, retryAfterMs: number | null): Extract<Outcome, { kind: "failed" }>["error"] {
  return { class: failure, status, message: "", type: null, code: null, param: null, retryAfterMs };
}
