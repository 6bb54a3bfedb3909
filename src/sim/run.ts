/** Runs one policy in one world: makes requests arrive, plays out every call, keeps the books. */
import type { Objective } from "../decide/objective/types.ts";
import { Alarm, Engine, SimEvent } from "./engine.ts";
import { listTariff, type Tariff } from "./tariff.ts";
import { Tally } from "./tally.ts";
import type { Arrival, Traffic } from "./traffic.ts";
import type { CallListener, Policy, PolicyKind, PolicyWorld, RequestApi, SimCall, SimRequest, SimTimer } from "./types.ts";
import { World, type DeploymentSpec, type Fate } from "./world.ts";

export interface Simulation {
  readonly deployments: readonly DeploymentSpec[];
  readonly traffic: Traffic;
  readonly objectives: readonly Objective[];
  readonly seed: number;
  /** What calls cost, by deployment, made anew for each policy since agreements count what was used of them; absent: the deployments' own prices. */
  readonly tariffs?: () => readonly Tariff[];
  /** Wall-clock time at virtual time 0; 0 where nothing is given. */
  readonly startWallMs?: number;
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
  /** That it read last; -1: none. */
  readonly deployment: number;
  readonly firstTokenMs: number | null;
  readonly calls: number;
  /** Its answer broke off, and was carried on to its end. */
  readonly rescued: boolean;
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
  readonly tariffs: readonly Tariff[];
  readonly onRecord: Simulation["onRecord"];

  constructor(simulation: Simulation, kind: PolicyKind) {
    const { deployments, traffic, objectives, seed, deadlineMs = DEADLINE_MS, spanMs = HOUR_MS, startWallMs = 0 } = simulation;
    this.world = new World(deployments, seed);
    this.tally = new Tally(objectives, deployments.length, this.world.incidents, spanMs);
    this.onRecord = simulation.onRecord;
    this.tariffs = simulation.tariffs?.() ?? deployments.map(({ price }) => listTariff(price));
    const known: PolicyWorld = {
      deployments: deployments.map(({ id }, i) => ({ id, price: (inputTokens, outputTokens) => this.#tariff(i).expected(inputTokens, outputTokens, startWallMs + this.engine.nowMs) })),
      objectives,
      meanOutputTokens: traffic.meanOutputTokens,
      deadlineMs,
      seed,
      wallAheadMs: startWallMs,
      tariffs: this.tariffs,
      truth: (deployment, thresholdMs, nowMs) => this.world.truth(deployment, thresholdMs, nowMs),
    };
    this.policy = kind.make(known);
    this.#startWallMs = startWallMs;
    new Arrivals(this, traffic.arrivals(seed)).setNext();
  }

  readonly #startWallMs: number;

  #tariff(deployment: number): Tariff {
    return this.tariffs[deployment] as Tariff;
  }

  /** What becomes of a call that is sent now. */
  fate(deployment: number, request: number, nth: number, inputTokens: number, outputTokens: number): Fate {
    const { nowMs } = this.engine;
    if (this.#tariff(deployment).refuses(inputTokens, outputTokens, this.#startWallMs + nowMs)) return this.world.refused();
    return this.world.fate(deployment, request, nth, inputTokens, outputTokens, nowMs);
  }

  /** A call is over that was sent then. */
  bill(deployment: number, inputTokens: number, writtenTokens: number, sentMs: number): void {
    this.tally.paid(deployment, this.#tariff(deployment).charged(inputTokens, writtenTokens, this.#startWallMs + sentMs), sentMs);
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
    const { inputTokens, outputTokens, session } = this.#next as Arrival;
    const request: SimRequest = { id: this.#id, atMs: this.#run.engine.nowMs, inputTokens, outputTokens, ...(session === undefined ? {} : { session }) };
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
  /** Of an answer that is to be carried on: who wrote at it last, and what has come. */
  #broken: PlayedCall | null = null;
  #writtenTokens = 0;
  #firstMs: number | null = null;
  #closed = false;

  constructor(run: Run, request: SimRequest) {
    this.run = run;
    this.request = request;
  }

  get nowMs(): number {
    return this.run.engine.nowMs;
  }

  call(deployment: number, listener: CallListener): SimCall {
    const { run, request } = this;
    let nth = 0;
    let beside = false;
    for (const other of this.calls) {
      if (other.deployment === deployment) nth += 1;
      if (!other.isOver) beside = true;
    }
    run.tally.called(deployment, this.calls.length > 0, beside, run.engine.nowMs);
    const inputTokens = request.inputTokens + this.#writtenTokens;
    const outputTokens = this.#broken === null ? request.outputTokens : Math.max(1, request.outputTokens - this.#writtenTokens);
    const fate = run.fate(deployment, request.id, nth, inputTokens, outputTokens);
    run.world.started(deployment);
    const call = new PlayedCall(this, deployment, listener, fate, inputTokens, outputTokens);
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
    if (this.#closed || this.served !== null) throw new Error("a request is served by one call at a time");
    const served = this.calls.find((one) => one === call);
    if (served === undefined || !served.hasContent || served.isOver) throw new Error("only a call under way that has content can be served");
    this.served = served;
    this.#firstMs ??= this.nowMs;
  }

  carryOn(): void {
    const { served } = this;
    if (this.#closed || served === null || !served.isOver) throw new Error("only an answer that broke off can be carried on");
    this.#broken = served;
    this.#writtenTokens += Math.floor(served.writtenTokens);
    this.served = null;
  }

  fail(why: string): void {
    if (this.served !== null) throw new Error("its answer has begun");
    this.#close(this.#broken === null ? "failed" : "broken", why);
  }

  /** The call that the client reads has ended. */
  servedEnded(isWhole: boolean): void {
    this.#close(isWhole ? "answered" : "broken", isWhole ? null : "truncated");
  }

  #close(ending: RequestRecord["ending"], why: string | null): void {
    if (this.#closed) throw new Error("a request ends once");
    this.#closed = true;
    const { request } = this;
    const firstTokenMs = this.#firstMs === null ? null : this.#firstMs - request.atMs;
    const deployment = (this.served ?? this.#broken)?.deployment ?? -1;
    const rescued = this.#broken !== null && ending === "answered";
    this.run.tally.requestEnded(request, ending, { servedBy: deployment, firstTokenMs, rescued }, this.nowMs);
    this.run.onRecord?.({ request, ending, why, deployment, firstTokenMs, calls: this.calls.length, rescued });
  }
}

class PlayedCall extends SimEvent implements SimCall {
  readonly deployment: number;
  readonly sentMs: number;
  readonly inputTokens: number;
  hasContent = false;
  isOver = false;
  readonly #open: OpenRequest;
  readonly #listener: CallListener;
  readonly #fate: Fate;
  readonly #outputTokens: number;
  /** Once it is over. */
  #wroteTokens = 0;

  constructor(open: OpenRequest, deployment: number, listener: CallListener, fate: Fate, inputTokens: number, outputTokens: number) {
    super();
    this.#open = open;
    this.deployment = deployment;
    this.#listener = listener;
    this.#fate = fate;
    this.inputTokens = inputTokens;
    this.#outputTokens = outputTokens;
    this.sentMs = open.run.engine.nowMs;
  }

  get writtenTokens(): number {
    return this.isOver ? this.#wroteTokens : this.#outputTokens * this.#share();
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
    if (failure === null) this.#listener.onEnd(this);
    else this.#listener.onFail(this, failure);
    // Unless it is carried on by another.
    if (this.#open.served === this) this.#open.servedEnded(failure === null);
  }

  abort(): void {
    if (this.isOver) return;
    const { run } = this.#open;
    run.engine.cancel(this);
    const { contentMs, failure } = this.#fate;
    run.tally.callAborted(this.deployment, failure === null && contentMs === Number.POSITIVE_INFINITY, this.sentMs);
    this.#over(this.#share());
    if (this.#open.served === this) this.#open.servedEnded(false);
  }

  /** The share of its answer that it has written. */
  #share(): number {
    if (!this.hasContent) return 0;
    const { contentMs, wholeMs } = this.#fate;
    return wholeMs <= 0 ? 1 : Math.min(1, Math.max(0, (this.#open.run.engine.nowMs - this.sentMs - contentMs) / wholeMs));
  }

  /** A prompt is billed unless the call failed before content; an answer as far as it was written. */
  #over(share: number): void {
    this.#wroteTokens = this.#outputTokens * share;
    this.isOver = true;
    const { run } = this.#open;
    run.world.ended(this.deployment);
    if (!this.hasContent && (this.#fate.failure !== null || run.tariffs[this.deployment]?.billsAborted === false)) return;
    run.bill(this.deployment, this.inputTokens, this.#wroteTokens, this.sentMs);
  }
}
