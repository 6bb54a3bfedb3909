/**
 * Our own policy: the code that decides in the gateway, on virtual time. Only what the gateway's edge does is replaced: sockets
 * by the world's calls, timers by the engine's.
 */
import { Allowance } from "../decide/allowance.ts";
import type { Candidate } from "../decide/choose.ts";
import { Course } from "../decide/course.ts";
import { DEFAULT_CLOCKS, softTimeoutMs, type Deployment } from "../decide/deployment.ts";
import { HealthBook } from "../decide/health/book.ts";
import type { Launch } from "../decide/next-step.ts";
import type { ProviderFacts } from "../wire/facts.ts";
import { faultOf, type Outcome, type Phase } from "../wire/outcome.ts";
import { Chance } from "./random.ts";
import type { CallListener, Policy, PolicyKind, PolicyWorld, RequestApi, SimCall, SimFailure, SimRequest, SimTimer } from "./types.ts";

const ENDPOINT = "chat";
const REST = { restMs: 5_000, restMaxMs: 300_000 };

/** The gateway's own decisions, candidates in their order. */
export const SPILLWAY_PRIORITY: PolicyKind = {
  name: "spillway-priority",
  about: "this gateway, strategy priority",
  make: (world) => new SpillwayPolicy(world),
};

class SpillwayPolicy implements Policy {
  readonly health = new HealthBook(REST);
  readonly allowance = new Allowance();
  readonly candidates: readonly Candidate[];
  readonly deadlineMs: number;
  readonly random: () => number;

  constructor(world: PolicyWorld) {
    const chance = new Chance(world.seed, "spillway");
    this.random = () => chance.next();
    this.deadlineMs = world.deadlineMs;
    this.candidates = world.deployments.map(({ id }) => ({ deployment: deploymentOf(id), automatic: false, boundNanoUsd: null, inputBoundTokens: null }));
  }

  request(_request: SimRequest, api: RequestApi): void {
    this.allowance.earn(api.nowMs);
    new Journey(this, api).drive();
  }
}

/** One request's way: what the gateway's exchange does, without its sockets and books. */
class Journey implements CallListener {
  readonly #policy: SpillwayPolicy;
  readonly #api: RequestApi;
  readonly #course: Course;
  /** By their numbers in the course. */
  readonly #calls: SimCall[] = [];
  #wake: SimTimer | null = null;
  readonly #deadline: SimTimer;
  #served: SimCall | null = null;
  #over = false;

  constructor(policy: SpillwayPolicy, api: RequestApi) {
    this.#policy = policy;
    this.#api = api;
    const { candidates, deadlineMs, health, allowance, random } = policy;
    this.#course = new Course({ candidates, endpoint: ENDPOINT, startMs: api.nowMs, deadlineMs, once: false, health, allowance, random });
    this.#deadline = api.after(deadlineMs, () => this.#deadlinePassed());
  }

  drive(): void {
    while (!this.#over && this.#served === null) {
      const command = this.#course.next(this.#api.nowMs);
      if (command.kind === "idle") return this.#sleep();
      if (command.kind === "launch") this.#launch(command);
      else if (command.kind === "drop") this.#drop(command.attempt);
      else this.#fail(command.why);
    }
  }

  onContent(call: SimCall): void {
    if (this.#over || this.#served !== null) return;
    this.#served = call;
    this.#course.close();
    this.#stopTimers();
    for (const [attempt, other] of this.#calls.entries()) if (other !== call && !other.isOver) this.#supersede(attempt);
    this.#api.serve(call);
  }

  onEnd(call: SimCall): void {
    this.#course.ended(this.#calls.indexOf(call), ANSWERED, this.#api.nowMs);
  }

  onFail(call: SimCall, failure: SimFailure): void {
    const phase: Phase = call.hasContent ? "after-content" : failure.unsent ? "unsent" : "before-content";
    this.#course.ended(this.#calls.indexOf(call), failed(failure, phase), this.#api.nowMs);
    if (this.#served === null) this.drive();
  }

  #launch(step: Launch): void {
    const { nowMs } = this.#api;
    const attempt = this.#course.launched(step, nowMs);
    const { deployment } = this.#policy.candidates[step.candidate] as Candidate;
    this.#calls[attempt] = this.#api.call(step.candidate, this);
    this.#course.called(attempt, softTimeoutMs(deployment, DEFAULT_CLOCKS, true), nowMs);
  }

  #drop(attempt: number): void {
    this.#supersede(attempt);
    this.#course.dropped();
  }

  #supersede(attempt: number): void {
    const call = this.#calls[attempt] as SimCall;
    call.abort();
    this.#course.ended(attempt, call.hasContent ? SUPERSEDED_AFTER : SUPERSEDED_BEFORE, this.#api.nowMs);
  }

  #sleep(): void {
    this.#wake?.cancel();
    const { wakeMs } = this.#course;
    this.#wake = Number.isFinite(wakeMs) ? this.#api.after(wakeMs - this.#api.nowMs, () => this.drive()) : null;
  }

  #deadlinePassed(): void {
    this.#over = true;
    for (const [attempt, call] of this.#calls.entries()) {
      if (call.isOver) continue;
      call.abort();
      const fault = this.#course.isLate(attempt) ? "provider" : "ours";
      this.#course.ended(attempt, { kind: "failed", error: errorOf("timeout", 0, null), phase: "before-content", fault }, this.#api.nowMs);
    }
    this.#fail("deadline");
  }

  #fail(why: string): void {
    this.#over = true;
    this.#course.close();
    this.#stopTimers();
    this.#api.fail(why);
  }

  #stopTimers(): void {
    this.#wake?.cancel();
    this.#deadline.cancel();
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

/** A deployment of a simulated world: of its facts, decisions about health and order read only names and domain. */
function deploymentOf(id: string): Deployment {
  return {
    id, account: id, provider: SIMULATED, model: null, upstreamModel: id, pricing: { kind: "unmetered" }, contextWindow: null, maxOutput: null,
    baseUrl: "http://simulated.invalid", region: null, domain: {}, reasons: false,
  };
}

const SIMULATED: ProviderFacts = {
  id: "simulated", name: "Simulated", dialect: "openai-chat", baseUrl: null, auth: { kind: "none" }, env: [], headers: [], kind: "host",
  billsOnAbort: "input", onClientGone: "abort",
  usage: { reasoningInOutput: true, cacheReadPaths: [], cacheWritePaths: [], cacheInsideInput: true, cost: null, includeUsageOption: true },
  quirks: {}, statusClasses: {}, domain: {}, region: null, unmetered: true, requestIdHeader: null, idempotencyHeader: null,
};
