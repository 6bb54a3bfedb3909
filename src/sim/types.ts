/** What a simulation is made of: requests, calls, and the policies that decide between them. Times are virtual ms, money is nano-dollars. */
import type { Objective } from "../decide/objective/types.ts";
import type { FailureClass } from "../wire/outcome.ts";
import type { Tariff } from "./tariff.ts";

export interface SimRequest {
  /** From 0, in the order of arrival. */
  readonly id: number;
  readonly atMs: number;
  readonly inputTokens: number;
  /** What the answer will have; no policy looks at it before the call has ended. */
  readonly outputTokens: number;
  /** The conversation that it belongs to; absent: none is named. */
  readonly session?: number;
}

/** A failure as the caller sees it. */
export interface SimFailure {
  readonly class: FailureClass;
  /** HTTP status; 0 where there is none. */
  readonly status: number;
  readonly retryAfterMs: number | null;
  /** Nothing was sent: the connection was refused. */
  readonly unsent: boolean;
}

/** One call to a deployment, as its policy sees it. */
export interface SimCall {
  /** Index into the world's deployments. */
  readonly deployment: number;
  readonly sentMs: number;
  readonly hasContent: boolean;
  readonly isOver: boolean;
  /** Of its prompt; more than the request's where it goes on with what another began. */
  readonly inputTokens: number;
  /** Of its answer, so far. */
  readonly writtenTokens: number;
  /** Stop it. Nothing more is told of it; what it costs is booked. */
  abort(): void;
}

/** Whoever made a call is told what becomes of it, until it ends or is aborted. */
export interface CallListener {
  onContent(call: SimCall): void;
  /** The whole answer has come. */
  onEnd(call: SimCall): void;
  /** Before content or after; `call.hasContent` tells. */
  onFail(call: SimCall, failure: SimFailure): void;
}

export interface SimTimer {
  cancel(): void;
}

/** What a policy may do for one request. */
export interface RequestApi {
  readonly nowMs: number;
  call(deployment: number, listener: CallListener): SimCall;
  after(ms: number, act: () => void): SimTimer;
  /** The client reads this call's answer from now on: once, when it has content. Its end is the request's. */
  serve(call: SimCall): void;
  /** The answer that the client reads has just broken off, and it goes on: the calls from now on are for the rest of it, and one may be served again. */
  carryOn(): void;
  /** The client gets an error, or what it reads ends in one where its answer was to be carried on. */
  fail(why: string): void;
}

/** One policy in one simulation; what it remembers is its own. */
export interface Policy {
  request(request: SimRequest, api: RequestApi): void;
}

/** A deployment as its owner knows it. */
export interface DeploymentView {
  readonly id: string;
  /** Expected, for a request of this size. */
  price(inputTokens: number, outputTokens: number): number;
}

/** Chances of a call that is sent now. */
export interface Truth {
  readonly failsBefore: number;
  readonly failsAfter: number;
  /** Its content comes later than the threshold, where it comes. */
  readonly slow: number;
  readonly meanMs: number;
}

/** What policies know of the world, and what only the clairvoyant may ask. */
export interface PolicyWorld {
  readonly deployments: readonly DeploymentView[];
  readonly objectives: readonly Objective[];
  /** Mean output tokens of the traffic, by which prices are estimated beforehand. */
  readonly meanOutputTokens: number;
  readonly deadlineMs: number;
  readonly seed: number;
  /** Wall-clock time at virtual time 0. */
  readonly wallAheadMs: number;
  /** What calls to each deployment cost, and by which agreement. */
  readonly tariffs: readonly Tariff[];
  truth(deployment: number, thresholdMs: number, nowMs: number): Truth;
}

export interface PolicyKind {
  readonly name: string;
  /** In one line, with the document and the version that it follows. */
  readonly about: string;
  make(world: PolicyWorld): Policy;
}

/** A span of trouble, for the table of incidents. */
export interface Incident {
  readonly label: string;
  /** Index into the deployments. */
  readonly deployment: number;
  readonly fromMs: number;
  readonly toMs: number;
}
