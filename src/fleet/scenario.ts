/** Outages as phases of a timetable: which share of calls meets which fault, at what time. */
import { z } from "zod";
import { distributionSchema } from "./distribution.ts";
import { type Fault, faultSchema, normalPath } from "./fault.ts";
import { checked, type ReadYaml } from "./findings.ts";

const mixSchema = z.strictObject({
  /** Share of the calls; the shares of a phase add up to 1. */
  p: z.number().min(0).max(1),
  ok: z.literal(true).optional(),
  status: z.int().min(400).max(599).optional(),
  body: z.string().optional(),
  content_type: z.string().optional(),
  headers: z.record(z.string(), z.string()).optional(),
  delay_before_headers_ms: z.number().nonnegative().optional(),
  sse_error_after_events: z.int().nonnegative().optional(),
  /** The error type of `sse_error_after_events`. */
  error: z.string().optional(),
  close_after_events: z.int().nonnegative().optional(),
  /** With `close_after_events`: the body ends properly; only the protocol's own end is missing. */
  clean: z.boolean().optional(),
  reset_after_events: z.int().nonnegative().optional(),
  stall_after_events: z.int().nonnegative().optional(),
  /** No answer: for ever (true) or for so many milliseconds. */
  timeout: z.union([z.boolean(), z.number().nonnegative()], { error: "true, or milliseconds" }).optional(),
  /** `refused`, `reset` or `timeout`; what cannot connect. */
  connect: z.union([z.boolean(), z.string()], { error: "refused, reset or timeout" }).optional(),
  /** Any fault of a script. */
  fault: faultSchema.optional(),
});

const phaseSchema = z.strictObject({
  from_s: z.number().nonnegative(),
  to_s: z.number().positive(),
  note: z.string().optional(),
  /** Only calls of these paths, or of these models, are touched. */
  paths: z.array(z.string()).optional(),
  models: z.array(z.string()).optional(),
  mix: z.array(mixSchema).optional(),
  /** Calls beyond this many in a minute get `over_cap`. */
  rate_cap_per_min: z.number().positive().optional(),
  over_cap: mixSchema.partial({ p: true }).optional(),
  /** Takes the place of the provider's own pace. */
  first_token: distributionSchema.optional(),
  token_rate: distributionSchema.optional(),
  /** A recorded trace to draw first tokens from; resolved by whoever loads the scenario (see `withReplays`). */
  replay: z.string().optional(),
  provider: z.string().optional(),
});

/** More may stand beside these: what a scenario says of itself does no harm. */
export const scenarioSchema = z.looseObject({
  id: z.string(),
  source: z.string().optional(),
  summary: z.string().optional(),
  lessons: z.array(z.string()).optional(),
  assumed: z.array(z.string()).optional(),
  phases: z.array(phaseSchema),
  /** Never touched. */
  healthy_paths: z.array(z.string()).optional(),
});

export type Scenario = z.output<typeof scenarioSchema>;
export type Phase = Scenario["phases"][number];
type Mix = z.output<typeof mixSchema>;

export interface PlayOptions {
  /** Seconds of the scenario per real second. */
  readonly timeScale?: number;
  /** Real milliseconds from now until the scenario's second 0. */
  readonly startAtMs?: number;
}

/** What a scenario can look at. */
export interface PlayedCall {
  readonly path: string;
  readonly model: string;
}

/** A scenario that is being played. Time is an argument: real milliseconds on one monotonic clock. */
export class ScenarioPlayer {
  readonly scenario: Scenario;
  readonly #timeScale: number;
  readonly #startMs: number;
  readonly #random: () => number;
  /** Admitted calls of the running minute of a capped phase. */
  #capWindow = -1;
  #capUsed = 0;

  constructor(scenario: Scenario, options: PlayOptions, nowMs: number, random: () => number) {
    this.scenario = scenario;
    this.#timeScale = options.timeScale ?? 1;
    this.#startMs = nowMs + (options.startAtMs ?? 0);
    this.#random = random;
  }

  /** The running phase, if any. */
  phaseAt(nowMs: number): Phase | undefined {
    const second = this.#second(nowMs);
    return this.scenario.phases.find((phase) => second >= phase.from_s && second < phase.to_s);
  }

  /** The next time (real ms, same clock) at which a phase begins or ends, or undefined when all is over. */
  nextEdgeMs(nowMs: number): number | undefined {
    const edges = this.scenario.phases
      .flatMap((phase) => [phase.from_s, phase.to_s])
      .map((second) => this.#startMs + (second * 1000) / this.#timeScale)
      .filter((edge) => edge > nowMs);
    return edges.length === 0 ? undefined : Math.min(...edges);
  }

  /** True while every connection is refused: the listener is to be shut. */
  shutAt(nowMs: number): boolean {
    const phase = this.phaseAt(nowMs);
    const only = phase?.mix?.length === 1 ? phase.mix[0] : undefined;
    return !phase?.paths && !phase?.models && !this.scenario.healthy_paths && only !== undefined && toFault(only, 1)?.kind === "refuse";
  }

  /** What happens to a call now; undefined: nothing. */
  pick(call: PlayedCall, nowMs: number): Fault | undefined {
    const phase = this.phaseAt(nowMs);
    if (!phase || !this.#touches(phase, call)) return undefined;
    if (phase.rate_cap_per_min !== undefined && this.#overCap(phase.rate_cap_per_min, nowMs)) {
      return toFault({ p: 1, status: 429, ...phase.over_cap }, this.#timeScale);
    }
    const chance = this.#random();
    let sum = 0;
    for (const mix of phase.mix ?? []) {
      sum += mix.p;
      if (chance < sum) return toFault(mix, this.#timeScale);
    }
    return undefined;
  }

  /** The pace that a phase imposes, in the scenario's own time: divide by `timeScale`. */
  paceAt(call: PlayedCall, nowMs: number): (Pick<Phase, "first_token" | "token_rate"> & { timeScale: number }) | undefined {
    const phase = this.phaseAt(nowMs);
    if (!phase || !this.#touches(phase, call)) return undefined;
    return { first_token: phase.first_token, token_rate: phase.token_rate, timeScale: this.#timeScale };
  }

  #second(nowMs: number): number {
    return ((nowMs - this.#startMs) / 1000) * this.#timeScale;
  }

  #touches(phase: Phase, call: PlayedCall): boolean {
    const starts = (prefix: string): boolean => normalPath(call.path).startsWith(normalPath(prefix));
    if (this.scenario.healthy_paths?.some(starts)) return false;
    if (phase.models !== undefined && !phase.models.includes(call.model)) return false;
    return phase.paths === undefined || phase.paths.some(starts);
  }

  #overCap(perMin: number, nowMs: number): boolean {
    const window = Math.floor(this.#second(nowMs) / 60);
    if (window !== this.#capWindow) {
      this.#capWindow = window;
      this.#capUsed = 0;
    }
    this.#capUsed += 1;
    return this.#capUsed > perMin;
  }
}

/** One entry of a mix as a fault of a script. Delays shrink with the time scale. */
function toFault(mix: Mix, timeScale: number): Fault | undefined {
  const delayMs = mix.delay_before_headers_ms === undefined ? undefined : mix.delay_before_headers_ms / timeScale;
  if (mix.fault) return mix.fault;
  if (mix.status !== undefined) {
    const { status, body, headers, content_type } = mix;
    return { kind: "status", status, body, headers, content_type, delay_ms: delayMs };
  }
  if (mix.connect !== undefined && mix.connect !== false) return connectFault(mix.connect);
  if (mix.timeout !== undefined && mix.timeout !== false) {
    return { kind: "stall_before_headers", for_ms: mix.timeout === true ? undefined : mix.timeout / timeScale };
  }
  if (mix.sse_error_after_events !== undefined) {
    return { kind: "error_event", at: mix.sse_error_after_events, type: mix.error };
  }
  if (mix.close_after_events !== undefined) {
    return { kind: mix.clean === false ? "cut_fin" : "cut_clean", after: mix.close_after_events };
  }
  if (mix.reset_after_events !== undefined) return { kind: "cut_reset", after: mix.reset_after_events };
  if (mix.stall_after_events !== undefined) return { kind: "stall_mid_stream", after: mix.stall_after_events };
  if (delayMs !== undefined) return { kind: "stall_before_headers", for_ms: delayMs };
  return undefined;
}

function connectFault(connect: string | true): Fault {
  if (connect === "timeout") return { kind: "stall_before_headers" };
  return connect === "reset" ? { kind: "reset" } : { kind: "refuse" };
}

/** Checks a scenario. Throws an Error that names what is wrong. */
export function checkScenario(value: unknown, place?: ReadYaml["place"]): Scenario {
  return checked(scenarioSchema, value, "The scenario", place);
}
