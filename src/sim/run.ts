/** Runs one policy in one world: makes requests arrive, plays out every call, keeps the books. */
import type { Objective } from "../decide/objective/types.ts";
import { Alarm, Engine, SimEvent } from "./engine.ts";
import { Tally } from "./tally.ts";
import type { Arrival, Traffic } from "./traffic.ts";
import type { CallListener, Policy, PolicyKind, PolicyWorld, RequestApi, SimCall, SimRequest, SimTimer } from "./types.ts";
import { World, type DeploymentSpec, type Fate } from "./world.ts";

export interface Simulation {
  readonly deployments: readonly DeploymentSpec[];
  readonly traffic: Traffic;
  readonly objectives: readonly Objective[];
  readonly seed: number;
  /** Of a request, from its arrival. */
  readonly deadlineMs?: number;
  /** Width of a row of the time series; an hour where nothing is given. */
  readonly spanMs?: number;
  /** Told of every request when it has ended; absent: only counted. */
  readonly onRecord?: (record: RequestRecord) => void;
}

export interface RequestRecord {
  readonly request: SimRequest;
  readonly ending: "answered" | "broken" | "failed";
  readonly why: string | null;
  readonly deployment: number;
  readonly firstTokenMs: number | null;
  readonly calls: number;
}

export interface Played {
  readonly tally: Tally;
  readonly world: World;
  /** Virtual time at which the last call had ended. */
  readonly endedMs: number;
  readonly events: number;
}

export const DEADLINE_MS = 600_000;
const HOUR_MS = 3_600_000;

/** Run a policy to the end of its traffic. The same simulation and policy give the same result, bit for bit. */
export function play(simulation: Simulation, kind: PolicyKind): Played {
  const run = new Run(simulation, kind);
  run.engine.run();
  return { tally: run.tally, world: run.world, endedMs: run.engine.nowMs, events: run.engine.fired };
}

class Run {
  readonly engine = new Engine();
  readonly world: World;
  readonly tally: Tally;
  readonly policy: Policy;
  readonly onRecord: Simulation["onRecord"];

  constructor(simulation: Simulation, kind: PolicyKind) {
    const { deployments, traffic, objectives, seed, deadlineMs = DEADLINE_MS, spanMs = HOUR_MS } = simulation;
    this.world = new World(deployments, seed);
    this.tally = new Tally(objectives, deployments.length, this.world.incidents, spanMs);
    this.onRecord = simulation.onRecord;
    const known: PolicyWorld = {
      deployments: deployments.map((spec) => ({ id: spec.id, price: (inputTokens, outputTokens) => priceOf(spec, inputTokens, outputTokens) })),
      objectives,
      meanOutputTokens: traffic.meanOutputTokens,
      deadlineMs,
      seed,
      truth: (deployment, thresholdMs, nowMs) => this.world.truth(deployment, thresholdMs, nowMs),
    };
    this.policy = kind.make(known);
    new Arrivals(this, traffic.arrivals(seed)).setNext();
  }
}

/** The next arrival; one event for all of them. */
class Arrivals extends SimEvent {
  readonly #run: Run;
  readonly #arrivals: Iterator<Arrival>;
  #next: Arrival | null = null;
  #id = 0;

  constructor(run: Run, arrivals: Iterator<Arrival>) {
    super();
    this.#run = run;
    this.#arrivals = arrivals;
  }

  setNext(): void {
    const { done, value } = this.#arrivals.next();
    this.#next = done === true ? null : value;
    if (this.#next !== null) this.#run.engine.set(this, this.#next.atMs);
  }

  fire(): void {
    const { inputTokens, outputTokens } = this.#next as Arrival;
    const request: SimRequest = { id: this.#id, atMs: this.#run.engine.nowMs, inputTokens, outputTokens };
    this.#id += 1;
    this.setNext();
    this.#run.policy.request(request, new OpenRequest(this.#run, request));
  }
}

class OpenRequest implements RequestApi {
  readonly run: Run;
  readonly request: SimRequest;
  readonly calls: PlayedCall[] = [];
  served: PlayedCall | null = null;
  #servedMs = 0;
  #closed = false;

  constructor(run: Run, request: SimRequest) {
    this.run = run;
    this.request = request;
  }

  get nowMs(): number {
    return this.run.engine.nowMs;
  }

  call(deployment: number, listener: CallListener): SimCall {
    const { world, tally, engine } = this.run;
    let nth = 0;
    let beside = false;
    for (const other of this.calls) {
      if (other.deployment === deployment) nth += 1;
      if (!other.isOver) beside = true;
    }
    const { id, inputTokens, outputTokens } = this.request;
    tally.called(deployment, this.calls.length > 0, beside, engine.nowMs);
    const fate = world.fate(deployment, id, nth, inputTokens, outputTokens, engine.nowMs);
    world.started(deployment);
    const call = new PlayedCall(this, deployment, listener, fate, engine.nowMs);
    this.calls.push(call);
    call.setNext();
    return call;
  }

  after(ms: number, act: () => void): SimTimer {
    const { engine } = this.run;
    const alarm = new Alarm(act);
    engine.set(alarm, engine.nowMs + ms);
    return { cancel: () => engine.cancel(alarm) };
  }

  serve(call: SimCall): void {
    if (this.#closed || this.served !== null) throw new Error("a request is served once");
    const served = this.calls.find((one) => one === call);
    if (served === undefined || !served.hasContent || served.isOver) throw new Error("only a call under way that has content can be served");
    this.served = served;
    this.#servedMs = this.nowMs;
  }

  fail(why: string): void {
    if (this.served !== null) throw new Error("its answer has begun");
    this.#close("failed", why);
  }

  /** The call that the client reads has ended. */
  servedEnded(isWhole: boolean): void {
    this.#close(isWhole ? "answered" : "broken", isWhole ? null : "truncated");
  }

  #close(ending: RequestRecord["ending"], why: string | null): void {
    if (this.#closed) throw new Error("a request ends once");
    this.#closed = true;
    const { request, served } = this;
    const firstTokenMs = served === null ? null : this.#servedMs - request.atMs;
    const deployment = served?.deployment ?? -1;
    this.run.tally.requestEnded(request, ending, deployment, firstTokenMs, this.nowMs - request.atMs);
    this.run.onRecord?.({ request, ending, why, deployment, firstTokenMs, calls: this.calls.length });
  }
}

class PlayedCall extends SimEvent implements SimCall {
  readonly deployment: number;
  readonly sentMs: number;
  hasContent = false;
  isOver = false;
  readonly #open: OpenRequest;
  readonly #listener: CallListener;
  readonly #fate: Fate;

  constructor(open: OpenRequest, deployment: number, listener: CallListener, fate: Fate, nowMs: number) {
    super();
    this.#open = open;
    this.deployment = deployment;
    this.#listener = listener;
    this.#fate = fate;
    this.sentMs = nowMs;
  }

  /** Its content, or else its end. A stall is neither. */
  setNext(): void {
    const { contentMs, endMs } = this.#fate;
    const nextMs = this.hasContent ? endMs : Math.min(contentMs, endMs);
    if (nextMs !== Number.POSITIVE_INFINITY) this.#open.run.engine.set(this, this.sentMs + nextMs);
  }

  fire(): void {
    const { contentMs, failure } = this.#fate;
    if (!this.hasContent && contentMs !== Number.POSITIVE_INFINITY) {
      this.hasContent = true;
      this.setNext();
      this.#listener.onContent(this);
      return;
    }
    const { run } = this.#open;
    if (failure !== null) run.tally.callFailed(this.deployment, this.hasContent, failure.status, run.engine.nowMs);
    this.#over(failure === null ? 1 : this.#share());
    const isServed = this.#open.served === this;
    if (failure === null) this.#listener.onEnd(this);
    else this.#listener.onFail(this, failure);
    if (isServed) this.#open.servedEnded(failure === null);
  }

  abort(): void {
    if (this.isOver) return;
    const { run } = this.#open;
    run.engine.cancel(this);
    const counted = run.tally.deployments[this.deployment];
    if (counted !== undefined) counted.aborted += 1;
    this.#over(this.#share());
    if (this.#open.served === this) this.#open.servedEnded(false);
  }

  /** The share of its answer that it has written. */
  #share(): number {
    if (!this.hasContent) return 0;
    const { contentMs } = this.#fate;
    const spec = this.#open.run.world.specs[this.deployment] as DeploymentSpec;
    const wholeMs = (this.#open.request.outputTokens / spec.tokensPerS) * 1_000;
    return wholeMs <= 0 ? 1 : Math.min(1, Math.max(0, (this.#open.run.engine.nowMs - this.sentMs - contentMs) / wholeMs));
  }

  /** A prompt is billed unless the call failed before content; an answer as far as it was written. */
  #over(share: number): void {
    this.isOver = true;
    const { run, request } = this.#open;
    run.world.ended(this.deployment);
    if (this.#fate.failure !== null && !this.hasContent) return;
    const spec = run.world.specs[this.deployment] as DeploymentSpec;
    run.tally.paid(this.deployment, priceOf(spec, request.inputTokens, request.outputTokens * share), this.sentMs);
  }
}

function priceOf({ price }: DeploymentSpec, inputTokens: number, outputTokens: number): number {
  return price.requestNanoUsd + inputTokens * price.inputNanoUsdPerToken + outputTokens * price.outputNanoUsdPerToken;
}
