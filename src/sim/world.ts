/**
 * The providers of a simulation: what each call comes to, by the deployment's latency, its passing failures, and what is going
 * on at that time (outages, degradations, caps). The engine owns this truth; policies see its consequences alone.
 */
import type { FailureClass } from "../wire/outcome.ts";
import type { Latency } from "./latency.ts";
import { Chance, hashText } from "./random.ts";
import type { Incident, SimFailure, Truth } from "./types.ts";

/** What may happen to a call, in place of an answer. */
export type Fault =
  /** An error soon after it was sent; `connect`: nothing left us. */
  | { readonly kind: "refuse"; readonly p: number; readonly status: number; readonly retryAfterMs?: number; readonly connect?: boolean; readonly afterMs?: number; readonly class?: FailureClass }
  /** Nothing, until somebody gives up. */
  | { readonly kind: "stall"; readonly p: number }
  /** The answer begins and breaks off. */
  | { readonly kind: "break"; readonly p: number }
  /** An error in the stream where content was due. */
  | { readonly kind: "fail-first"; readonly p: number; readonly status: number }
  /** An answer, but so much later. */
  | { readonly kind: "delay"; readonly p: number; readonly ms: number };

/** What is so from one time to another. Where phases overlap, the one with the most faults counts. */
export interface Phase {
  readonly fromMs: number;
  readonly toMs: number;
  readonly faults?: readonly Fault[];
  readonly latency?: Latency;
  readonly failsBefore?: number;
  readonly failsAfter?: number;
  readonly capPerMin?: number;
  /** Names it in the table of incidents. */
  readonly incident?: string;
}

export interface DeploymentSpec {
  readonly id: string;
  readonly price: { readonly inputNanoUsdPerToken: number; readonly outputNanoUsdPerToken: number; readonly requestNanoUsd: number };
  readonly latency: Latency;
  /** Added to the first content, for every thousand input tokens. */
  readonly msPerThousandInput?: number;
  /** Pace of the answer after its first content. */
  readonly tokensPerS: number;
  /** Tokens a second, drawn for each call, in place of that. */
  readonly rates?: Latency;
  /** Passing failures: independent from call to call. */
  readonly failsBefore: number;
  readonly failsAfter: number;
  /** What happens to calls at any time, by kind. In a phase with faults of its own to those that it spares. */
  readonly faults?: readonly Fault[];
  /** Calls in flight at which the first content takes twice as long; grows with the fourth power. */
  readonly capacity?: number;
  readonly capPerMin?: number;
  readonly phases?: readonly Phase[];
}

/** What becomes of one call. */
export interface Fate {
  /** ms from sending to the first content; infinite: none comes. */
  contentMs: number;
  /** ms from sending to the end, or to the failure; infinite: it stalls. */
  endMs: number;
  /** ms that the whole answer takes from its first content on. */
  wholeMs: number;
  failure: SimFailure | null;
}

const REFUSE_MS = 120;
/** Of an answer that breaks off, how much of its time has passed: uniform between these. */
const BREAK_FROM = 0.05;
/** Tokens a second: no answer lasts for ever. */
const LEAST_RATE = 0.1;
const MINUTE_MS = 60_000;
const NO_FAULTS: readonly Fault[] = [];

export class World {
  readonly specs: readonly DeploymentSpec[];
  readonly incidents: readonly Incident[];
  readonly #seed: number;
  readonly #states: readonly DeploymentState[];
  readonly #chance = new Chance(0, "");

  constructor(specs: readonly DeploymentSpec[], seed: number) {
    this.specs = specs;
    this.#seed = seed;
    this.#states = specs.map((spec) => new DeploymentState(spec));
    this.incidents = specs.flatMap((spec, deployment) =>
      (spec.phases ?? []).flatMap(({ incident, fromMs, toMs }) => (incident === undefined ? [] : [{ label: incident, deployment, fromMs, toMs }])),
    );
  }

  /** What a call comes to that is sent now, the `nth` of this request there (from 0). */
  fate(deployment: number, request: number, nth: number, inputTokens: number, outputTokens: number, nowMs: number): Fate {
    const state = this.#states[deployment] as DeploymentState;
    const { spec } = state;
    const now = state.at(nowMs);
    const chance = this.#chance;
    // Whatever happens, the same draws are made in the same order, so that a call differs between worlds only by what changed.
    chance.restart(this.#seed, state.stream, request, nth);
    const faultDraw = chance.next();
    const passingDraw = chance.next();
    const breakDraw = chance.next();
    if (!state.admits(now.capPerMin, nowMs)) return failing(REFUSE_MS, refusal(429, null, false));
    const fault = now.faults.length === 0 ? null : drawn(now.faults, faultDraw);
    if (fault?.kind === "refuse") return failing(fault.afterMs ?? REFUSE_MS, refusal(fault.status, fault.retryAfterMs ?? null, fault.connect === true, fault.class));
    if (fault?.kind === "stall") return { contentMs: Number.POSITIVE_INFINITY, endMs: Number.POSITIVE_INFINITY, wholeMs: 0, failure: null };
    let contentMs = now.latency.draw(chance, nowMs) + ((spec.msPerThousandInput ?? 0) * inputTokens) / 1_000;
    if (spec.capacity !== undefined) contentMs *= 1 + (state.inFlight / spec.capacity) ** 4;
    if (fault?.kind === "delay") contentMs += fault.ms;
    if (fault?.kind === "fail-first") return failing(contentMs, refusal(fault.status, null, false));
    const restMs = (outputTokens / (spec.rates === undefined ? spec.tokensPerS : Math.max(LEAST_RATE, spec.rates.draw(chance, nowMs)))) * 1_000;
    if (fault === null && passingDraw < now.failsBefore) return failing(REFUSE_MS, refusal(500, null, false));
    const breaks = fault?.kind === "break" || (fault === null && passingDraw < now.failsBefore + now.failsAfter);
    if (!breaks) return { contentMs, endMs: contentMs + restMs, wholeMs: restMs, failure: null };
    return { contentMs, endMs: contentMs + restMs * (BREAK_FROM + (1 - BREAK_FROM) * breakDraw), wholeMs: restMs, failure: TRUNCATED };
  }

  /** What a call comes to that the provider refuses since no more was agreed. */
  refused(): Fate {
    return failing(REFUSE_MS, refusal(429, null, false));
  }

  started(deployment: number): void {
    (this.#states[deployment] as DeploymentState).inFlight += 1;
  }

  ended(deployment: number): void {
    (this.#states[deployment] as DeploymentState).inFlight -= 1;
  }

  /** The chances of a call that is sent now. */
  truth(deployment: number, thresholdMs: number, nowMs: number): Truth {
    const now = (this.#states[deployment] as DeploymentState).at(nowMs);
    let before = 0;
    let after = 0;
    let stalls = 0;
    let faulty = 0;
    for (const fault of now.faults) {
      faulty += fault.p;
      if (fault.kind === "refuse" || fault.kind === "fail-first") before += fault.p;
      else if (fault.kind === "stall") stalls += fault.p;
      else if (fault.kind === "break") after += fault.p;
      else if (fault.ms > thresholdMs) stalls += fault.p;
    }
    const well = Math.max(0, 1 - faulty);
    const failsBefore = before + well * now.failsBefore;
    const slow = thresholdMs > 0 ? stalls + (1 - failsBefore - stalls) * now.latency.later(thresholdMs, nowMs) : 0;
    return { failsBefore, failsAfter: after + well * now.failsAfter, slow, meanMs: now.latency.mean(nowMs) };
  }
}

/** What holds at a time. */
interface Now {
  readonly faults: readonly Fault[];
  readonly latency: Latency;
  readonly failsBefore: number;
  readonly failsAfter: number;
  readonly capPerMin: number;
}

class DeploymentState {
  readonly spec: DeploymentSpec;
  readonly stream: number;
  inFlight = 0;
  /** From each time on, ascending. Virtual time never steps back, so a cursor is enough. */
  readonly #fromMs: number[] = [Number.NEGATIVE_INFINITY];
  readonly #nows: Now[] = [];
  #cursor = 0;
  /** Times of what the cap let pass within a minute. */
  readonly #passed: number[] = [];
  #oldest = 0;

  constructor(spec: DeploymentSpec) {
    this.spec = spec;
    this.stream = hashText(spec.id);
    const usual: Now = { faults: spec.faults ?? NO_FAULTS, latency: spec.latency, failsBefore: spec.failsBefore, failsAfter: spec.failsAfter, capPerMin: spec.capPerMin ?? Number.POSITIVE_INFINITY };
    this.#nows.push(usual);
    const phases = spec.phases ?? [];
    const edges = [...new Set(phases.flatMap(({ fromMs, toMs }) => [fromMs, toMs]))].toSorted((a, b) => a - b);
    const starts = phases.toSorted((a, b) => a.fromMs - b.fromMs);
    let open: Phase[] = [];
    let next = 0;
    for (const edge of edges) {
      for (; next < starts.length && (starts[next] as Phase).fromMs <= edge; next += 1) open.push(starts[next] as Phase);
      open = open.filter(({ toMs }) => toMs > edge);
      this.#fromMs.push(edge);
      this.#nows.push(open.length === 0 ? usual : merged(usual, open));
    }
  }

  at(nowMs: number): Now {
    while (this.#cursor + 1 < this.#fromMs.length && (this.#fromMs[this.#cursor + 1] as number) <= nowMs) this.#cursor += 1;
    return this.#nows[this.#cursor] as Now;
  }

  admits(capPerMin: number, nowMs: number): boolean {
    if (capPerMin === Number.POSITIVE_INFINITY) return true;
    while (this.#oldest < this.#passed.length && (this.#passed[this.#oldest] as number) <= nowMs - MINUTE_MS) this.#oldest += 1;
    if (this.#passed.length - this.#oldest >= capPerMin) return false;
    if (this.#oldest > 1_000) {
      this.#passed.splice(0, this.#oldest);
      this.#oldest = 0;
    }
    this.#passed.push(nowMs);
    return true;
  }
}

function merged(usual: Now, open: readonly Phase[]): Now {
  const weight = (phase: Phase): number => (phase.faults ?? NO_FAULTS).reduce((sum, { p }) => sum + p, 0);
  const worst = open.reduce((a, b) => (weight(b) > weight(a) ? b : a));
  const spared = Math.max(0, 1 - weight(worst));
  return {
    faults: [...(worst.faults ?? NO_FAULTS), ...usual.faults.map((fault) => ({ ...fault, p: fault.p * spared }))],
    latency: worst.latency ?? open.find(({ latency }) => latency !== undefined)?.latency ?? usual.latency,
    failsBefore: worst.failsBefore ?? usual.failsBefore,
    failsAfter: worst.failsAfter ?? usual.failsAfter,
    capPerMin: worst.capPerMin ?? usual.capPerMin,
  };
}

function drawn(faults: readonly Fault[], draw: number): Fault | null {
  let left = draw;
  for (const fault of faults) {
    left -= fault.p;
    if (left < 0) return fault;
  }
  return null;
}

function failing(afterMs: number, failure: SimFailure): Fate {
  return { contentMs: Number.POSITIVE_INFINITY, endMs: afterMs, wholeMs: 0, failure };
}

const TRUNCATED: SimFailure = { class: "truncated", status: 0, retryAfterMs: null, unsent: false };
/** Few shapes are in use, and a failure is read only. */
const refusals = new Map<string, SimFailure>();

function refusal(status: number, retryAfterMs: number | null, unsent: boolean, told?: FailureClass): SimFailure {
  const key = `${status} ${retryAfterMs} ${unsent} ${told ?? ""}`;
  let found = refusals.get(key);
  if (found === undefined) refusals.set(key, (found = { class: told ?? classOf(status, unsent), status, retryAfterMs, unsent }));
  return found;
}

function classOf(status: number, unsent: boolean): FailureClass {
  if (unsent || status === 0) return "network";
  if (status === 429) return "rate";
  if (status === 401 || status === 403) return "auth";
  if (status === 404) return "not_found";
  if (status === 408) return "timeout";
  return status === 503 || status === 529 ? "overload" : "server";
}
