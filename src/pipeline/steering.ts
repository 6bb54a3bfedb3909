/**
 * How a route that promises something is steered: what the choice weighs its candidates by, what a call is slow against, and what the
 * route learns of a request's end. Nothing of this is made for routes that promise nothing and are in their owner's order.
 */
import { isUsable, type Balance } from "../decide/balance/arrange.ts";
import { expectedNanoUsd } from "../decide/balance/expected.ts";
import { provisionedOf, type Reserving } from "../decide/balance/reserved.ts";
import { OUTPUT_TOKENS_PRIOR, type RouteBook, type RouteMemory } from "../decide/balance/route-book.ts";
import { latencyObjectiveOf } from "../decide/balance/route-state.ts";
import { Speeds } from "../decide/balance/speeds.ts";
import type { Plan } from "../decide/balance/types.ts";
import type { Choice, ChoiceFacts } from "../decide/choose.ts";
import type { Pricing, RequestShape, Route } from "../decide/deployment.ts";
import type { CallFacts } from "../decide/health/book.ts";
import { classOf, isWhole, judge, OWN_ADDRESS_FLAG, withinMsOf } from "../decide/objective/judge.ts";
import { sizeClassOf } from "../decide/observed/types.ts";
import type { RequestRecord } from "../ports.ts";
import { outputTokens } from "../wire/usage.ts";
import type { Deps } from "./deps.ts";

/** Of one request. */
export interface Steering {
  readonly memory: RouteMemory;
  readonly pace: CallFacts;
  /** Absent: the route is in another order than the balanced one. */
  readonly balance?: Balance;
}

/** undefined: the route promises nothing, and is not weighed, nor ordered by how quick its own calls were. */
export function steeringOf(deps: Deps, route: Route, shape: RequestShape, endpoint: string, once = false): Steering | undefined {
  const balanced = route.strategy === "balanced";
  const quick = route.strategy === "fastest";
  if (deps.routes === undefined || (!balanced && !quick && route.objectives === undefined)) return undefined;
  const nowMs = deps.clock.nowMs();
  const memory = deps.routes.of(route, nowMs);
  if (quick) memory.speeds ??= new Speeds();
  const pace = paceOf(memory, shape);
  if (!balanced) return { memory, pace };
  const wallMs = deps.clock.wallMs();
  const output = Math.min(memory.outputTokens, shape.maxOutputTokens ?? Number.POSITIVE_INFINITY) * shape.choiceCount;
  const balance: Balance = {
    state: memory.state,
    estimate: ({ deployment }) => deps.health.estimate(deployment.id, endpoint, pace.thresholdMs, pace.sizeClass, nowMs, pace.wholeMs),
    expectedNanoUsd: ({ deployment }) => priceOf(deps.routes, deployment.pricing, { input: shape.inputEstimateTokens, output: shape.writesTokens === false ? 0 : output }, pace.thresholdMs, nowMs, wallMs),
    thresholdMs: pace.thresholdMs,
    alone: once,
    nowMs,
    repeats: deps.allowance.tokens(nowMs),
    reliabilityFirst: deps.effects?.(route.name).reliabilityFirst === true,
  };
  return { memory, pace, balance };
}

/**
 * What this call is expected to cost more than is paid already; null: no price is known, or nothing is served there. Reserved capacity
 * costs nothing while it is predicted to give first content in time, and after that what its contract says.
 */
function priceOf(routes: RouteBook | undefined, pricing: Pricing, units: { readonly input: number; readonly output: number }, thresholdMs: number, nowMs: number, wallMs: number): number | null {
  if (pricing.kind === "sheet" && pricing.meters !== undefined && routes !== undefined) {
    const standing = routes.reserved.standing(pricing, units, thresholdMs, nowMs, wallMs);
    if (standing === "free") return 0;
    if (standing === "refused") return null;
  }
  return expectedNanoUsd(pricing, units.input, units.output, wallMs);
}

function anyReserved(candidates: Choice["candidates"], wallMs: number): boolean {
  for (const { deployment } of candidates) if (provisionedOf(deployment.pricing, wallMs) !== null) return true;
  return false;
}

/** Tells reserved capacity of a request's calls; undefined where none of its candidates has any. */
export function reservingOf({ routes, clock }: Deps, { candidates }: Choice, asked: { readonly route: Route; readonly inputEstimateTokens: number; readonly maxOutputTokens?: number | null | undefined; readonly choiceCount?: number | undefined }): Reserving | undefined {
  if (routes === undefined || !anyReserved(candidates, clock.wallMs())) return undefined;
  const output = Math.min(routes.all().get(asked.route.name)?.outputTokens ?? OUTPUT_TOKENS_PRIOR, asked.maxOutputTokens ?? Number.POSITIVE_INFINITY) * (asked.choiceCount ?? 1);
  return { entered: ({ pricing }, nowMs) => routes.reserved.entered(pricing, { input: asked.inputEstimateTokens, output }, nowMs, clock.wallMs()) };
}

/** What a strategy by name orders by; undefined: the route is in its owner's order, drawn by weight, or weighed. */
export function orderOf(deps: Deps, route: Route, shape: RequestShape, endpoint: string, session: string | null): ChoiceFacts["order"] {
  const { strategy } = route;
  if (strategy === "priority" || strategy === "weighted" || strategy === "balanced") return undefined;
  const { clock, health } = deps;
  const [nowMs, wallMs] = [clock.nowMs(), clock.wallMs()];
  const output = Math.min(deps.routes?.all().get(route.name)?.outputTokens ?? OUTPUT_TOKENS_PRIOR, shape.maxOutputTokens ?? Number.POSITIVE_INFINITY) * shape.choiceCount;
  return {
    priceNanoUsd: ({ pricing }) => priceOf(deps.routes, pricing, { input: shape.inputEstimateTokens, output }, 0, nowMs, wallMs),
    estimate: ({ id }) => health.estimate(id, endpoint, 0, sizeClassOf(shape.inputEstimateTokens), nowMs),
    loadMs: ({ id }) => health.loadMs(id, endpoint, nowMs),
    usable: ({ id, account }) => isUsable(health.view(id, account, endpoint, nowMs), nowMs),
    session,
    ...(strategy === "fastest" ? quickness(deps, route, shape, endpoint, nowMs) : {}),
  };
}

/** Of a stream its first content, of a whole answer the time for a token; and how rarely those are tried that were slower. */
function quickness({ health, routes }: Deps, { name }: Route, { stream }: RequestShape, endpoint: string, nowMs: number): Pick<NonNullable<ChoiceFacts["order"]>, "paceMs" | "explore"> {
  const memory = routes?.all().get(name);
  if (memory?.speeds === undefined) return {};
  const { speeds, terms } = memory;
  return {
    ...(!stream ? { paceMs: ({ id }) => speeds.tokenMs(id) } : speeds.mixed ? { paceMs: ({ id }) => speeds.firstMs(id) } : {}),
    explore: { share: terms.exploreShare, idleMs: ({ id }) => nowMs - (health.calledMs(id, endpoint) ?? Number.NEGATIVE_INFINITY) },
  };
}

/** What a call of this request is slow against: first content of a stream, the whole of a JSON answer; of a stream's whole it is told apart. */
function paceOf({ objectives }: RouteMemory, { stream, inputEstimateTokens }: RequestShape): CallFacts {
  const objective = latencyObjectiveOf(objectives);
  const sizeClass = sizeClassOf(inputEstimateTokens);
  const withinMs = objective === null ? Number.POSITIVE_INFINITY : withinMsOf(objective.within, inputEstimateTokens);
  if (objective === null || !Number.isFinite(withinMs) || (objective.kind === "first_token" && !stream)) return { thresholdMs: 0, sizeClass, slowBudget: 0 };
  if (objective.kind === "latency" && stream) return { thresholdMs: 0, sizeClass, slowBudget: 0, wholeMs: withinMs };
  return { thresholdMs: withinMs, sizeClass, slowBudget: 1 - objective.target };
}

/** The request runs by its choice's plan. */
export function beganBy(deps: Deps, steering: Steering, choice: Choice): Plan | undefined {
  const { plan } = choice;
  if (plan === undefined) return undefined;
  steering.memory.state.began(plan, deps.clock.nowMs(), (i) => choice.candidates[i]?.deployment.id ?? "");
  return plan;
}

/** What the route learns of a request's end. */
export function learnFrom(deps: Deps, { memory }: Steering, record: RequestRecord): void {
  // Others ask the same route, and nobody else is to learn from there.
  if (record.flags.includes(OWN_ADDRESS_FLAG)) return;
  const kind = classOf(record);
  const whole = isWhole(kind);
  const timed = latencyObjectiveOf(memory.objectives);
  memory.state.ended({ valid: kind !== "client", failed: !whole, late: timed !== null && judge(timed, record, kind) === "bad" }, deps.clock.nowMs());
  if (whole) deps.routes?.answered(memory, outputTokens(record.units));
  if (memory.speeds !== undefined) learnSpeeds(memory.speeds, record, deps.clock.nowMs());
}

/** Calls that were given up since they took too long tell of times as well as those that were answered. */
function learnSpeeds(speeds: Speeds, { stream, attempts }: RequestRecord, nowMs: number): void {
  for (const { deployment, outcome, flags, ttftMs, totalMs, units } of attempts) {
    const answered = outcome === "answered";
    if (answered || flags.includes("late")) speeds.ended(deployment, { answered, stream, ttftMs, totalMs, outputTokens: outputTokens(units) }, nowMs);
  }
}
