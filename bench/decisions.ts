/**
 * `node bench/decisions.ts`: what deciding costs of a request on a route that promises something. One process, no sockets: the choice as the
 * gateway makes it, the course of one call, and what health and the route learn of it. Times are virtual, so that calls overlap as they
 * do at 100 requests a second; figures are microseconds, medians over rounds, and in
 * brackets of the quickest round.
 */
import { Allowance } from "../src/decide/allowance.ts";
import { RouteBook } from "../src/decide/balance/route-book.ts";
import { choose } from "../src/decide/choose.ts";
import { Course } from "../src/decide/course.ts";
import { DEFAULT_CLOCKS, type RequestShape, type Route } from "../src/decide/deployment.ts";
import { HealthBook } from "../src/decide/health/book.ts";
import { candidate } from "../src/decide/test-candidates.ts";
import type { Deps } from "../src/pipeline/deps.ts";
import { beganBy, steeringOf } from "../src/pipeline/steering.ts";
import type { Outcome } from "../src/wire/outcome.ts";
import { median } from "./statistics.ts";

const ROUNDS = 15;
const REQUESTS = 4_000;
const EVERY_MS = 10;
const WITHIN_MS = 4_000;
const DAY_MS = 86_400_000;
/** Events of calls under way come in ticks of virtual time, as a wheel of timers tells them. */
const TICKS = 8_192;
type Event = (atMs: number) => void;
const SERVER_ERROR: Outcome = {
  kind: "failed", error: { class: "server", status: 500, message: "", type: null, code: null, param: null, retryAfterMs: null }, phase: "before-content", fault: "provider",
};

interface World {
  readonly name: string;
  readonly candidates: number;
  /** Median time to first content, ms, and the spread of its logarithm. */
  readonly medianMs: number;
  readonly spread: number;
  readonly promises: boolean;
}

const WORLDS: readonly World[] = [
  { name: "10 candidates, in time", candidates: 10, medianMs: 600, spread: 0.4, promises: true },
  { name: "10 candidates, each late more often than may be", candidates: 10, medianMs: 1_700, spread: 0.55, promises: true },
  { name: "2 candidates, in time", candidates: 2, medianMs: 600, spread: 0.4, promises: true },
  { name: "10 candidates, nothing promised, in their owner's order", candidates: 10, medianMs: 600, spread: 0.4, promises: false },
];

process.stdout.write("| | choice, us | all of a request, us |\n|---|---|---|\n");
for (const world of WORLDS) {
  const choices: number[] = [];
  const totals: number[] = [];
  const run = running(world);
  for (let round = 0; round < ROUNDS; round++) {
    const { choiceUs, totalUs } = run();
    choices.push(choiceUs);
    totals.push(totalUs);
  }
  process.stdout.write(`| ${world.name} | ${told(choices)} | ${told(totals)} |\n`);
}

/** Of rounds in warm code. */
function told(us: readonly number[]): string {
  const warm = us.slice(3);
  return `${median(warm).toFixed(1)} (${Math.min(...warm).toFixed(1)})`;
}

function chance(seed: number): () => number {
  let state = seed >>> 0;
  return () => {
    state = (state + 0x6d2b79f5) >>> 0;
    let mixed = Math.imul(state ^ (state >>> 15), 1 | state);
    mixed = (mixed + Math.imul(mixed ^ (mixed >>> 7), 61 | mixed)) ^ mixed;
    return ((mixed ^ (mixed >>> 14)) >>> 0) / 4_294_967_296;
  };
}

function routeOf({ candidates, promises }: World): Route {
  const route: Route = {
    name: "r", strategy: promises ? "balanced" : "priority", clocks: DEFAULT_CLOCKS, keepalive: true, forwardHeaders: [], defaultMaxOutput: 4_096, automatic: false,
    candidates: Array.from({ length: candidates }, (_, i) => ({ deployment: candidate(`p${i}`).deployment, weight: 1, automatic: false })),
  };
  if (!promises) return route;
  const window = { kind: "rolling", lengthMs: DAY_MS } as const;
  return {
    ...route,
    objectives: [
      { name: "availability", kind: "availability", target: 0.999, window, within: [], atLeast: null, unit: null },
      { name: "first token", kind: "first_token", target: 0.98, window, within: [{ upToInputTokens: null, withinMs: WITHIN_MS }], atLeast: null, unit: null },
    ],
    terms: { costOfFailureNanoUsd: 0, costOfDelayNanoUsdPerS: null, hedgeShare: 0.05, exploreShare: 0.03 },
  };
}

/** Mean of what is not far out: on a machine that others use too, a few requests wait for the processor. */
function meanMs(times: Float64Array): number {
  const kept = times.toSorted().subarray(0, Math.floor(0.98 * times.length));
  return kept.reduce((sum, ms) => sum + ms, 0) / kept.length;
}

/** One round: what the choice and all of a request cost on average. */
function running(world: World): () => { readonly choiceUs: number; readonly totalUs: number } {
  const route = routeOf(world);
  const random = chance(7);
  const health = new HealthBook({ restMs: 5_000, restMaxMs: 300_000 });
  const allowance = new Allowance();
  let nowMs = 1_000_000;
  const clock = { nowMs: () => nowMs, wallMs: () => nowMs + 1.7e12, after: () => ({ cancel: () => undefined }) };
  const deps = { clock, health, allowance, routes: new RouteBook(1.7e12), random: { next: random } } as unknown as Deps;
  const wheel: Event[][] = Array.from({ length: TICKS }, () => []);
  const at = (atMs: number, happens: Event): void => {
    const tick = Math.min(TICKS - 1, Math.max(1, Math.ceil((atMs - nowMs) / EVERY_MS)));
    (wheel[(nowMs / EVERY_MS + tick) % TICKS] as Event[]).push(happens);
  };
  const request = (shape: RequestShape): number => {
    const from = performance.now();
    const steering = steeringOf(deps, route, shape, "chat");
    const choice = choose({
      route, shape, measure: { textBytes: 4 * shape.inputEstimateTokens, messageAndToolCount: 3, imageCount: 0, unsized: false },
      view: (deployment) => health.view(deployment.id, deployment.account, "chat", nowMs, steering?.pace.thresholdMs),
      balance: steering?.balance, wallMs: clock.wallMs(), random,
    });
    const choiceMs = performance.now() - from;
    allowance.earn(nowMs);
    if (steering !== undefined) beganBy(deps, steering, choice);
    const course = new Course({
      candidates: choice.candidates, endpoint: "chat", startMs: nowMs, deadlineMs: 600_000, once: false, health, allowance, random,
      pace: steering?.pace, steering: steering === undefined || choice.plan === undefined ? undefined : { plan: choice.plan, state: steering.memory.state },
    });
    const drive = (atMs: number): void => {
      for (let command = course.next(atMs); command.kind === "launch"; command = course.next(atMs)) {
        const attempt = course.launched(command, atMs);
        course.called(attempt, 30_000, atMs);
        const ttftMs = world.medianMs * Math.exp(world.spread * Math.sqrt(-2 * Math.log(1 - random())) * Math.cos(2 * Math.PI * random()));
        const fails = random() < 0.005;
        at(atMs + ttftMs, (thenMs) => {
          if (fails) course.ended(attempt, SERVER_ERROR, thenMs);
          else if (!course.content(attempt, thenMs)) course.ended(attempt, { kind: "superseded", phase: "after-content" }, thenMs);
          else {
            at(thenMs + 2_000, (endMs) => {
              course.ended(attempt, { kind: "answered" }, endMs);
              if (steering !== undefined) {
                steering.memory.state.ended({ valid: true, failed: false, late: thenMs - atMs > WITHIN_MS }, endMs);
                deps.routes?.answered(steering.memory, 200);
              }
            });
          }
          drive(thenMs);
        });
      }
      if (Number.isFinite(course.wakeMs)) at(course.wakeMs, drive);
    };
    drive(nowMs);
    return choiceMs;
  };
  return () => {
    const choices = new Float64Array(REQUESTS);
    const totals = new Float64Array(REQUESTS);
    for (let i = 0; i < REQUESTS; i++) {
      nowMs += EVERY_MS;
      const shape: RequestShape = {
        endpoint: "chat", stream: true, inputBoundTokens: null, inputEstimateTokens: 100 + Math.floor(8_000 * random()), imageCount: 0, maxOutputTokens: 512, choiceCount: 1, needs: [],
      };
      const from = performance.now();
      const slot = (nowMs / EVERY_MS) % TICKS;
      const due = wheel[slot] as Event[];
      wheel[slot] = [];
      for (const happens of due) happens(nowMs);
      choices[i] = request(shape);
      totals[i] = performance.now() - from;
    }
    return { choiceUs: 1_000 * meanMs(choices), totalUs: 1_000 * meanMs(totals) };
  };
}
