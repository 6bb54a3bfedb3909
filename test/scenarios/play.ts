/** One outage against one gateway: a primary that has it, a healthy fallback, a steady stream of requests, and what each side saw. */
import { setTimeout as sleep } from "node:timers/promises";
import { gatewayConfig, seededRandom, startFleet, type BillRow, type Fleet, type FleetConfig, type Scenario } from "../../src/fleet/index.ts";
import type { RequestView } from "../../src/storage/rows.ts";
import { testGateway, type TestGateway } from "../support/gateway.ts";
import { Client, type Ask, type Seen } from "./client.ts";
import { CLOCKS, squeezed, type Timetable } from "./timetable.ts";

export type Strategy = "priority" | "objectives";

export interface Plan {
  readonly scenario: Scenario;
  readonly strategy: Strategy;
  /** Words of each answer, and the pace at which they come; a stream lasts as long as both say. */
  readonly words: number;
  readonly wordsPerSecond: number;
  /** What the scenario takes; squeezed until it does. And how long all is well again afterwards. */
  readonly playedMs?: number;
  readonly tailMs?: number;
  /** The phases and clocks as they are, `playedMs` of them. */
  readonly unscaled?: boolean;
  /** The primary's dialect; the fallback speaks the other. */
  readonly dialect?: "openai-chat" | "anthropic-messages";
  /** Who has the outage: the primary, or both. */
  readonly down?: "primary" | "all";
  readonly perSecond?: number;
  /** First tokens of the fallback come after so long, each of them; as those of the primary where absent. */
  readonly fallbackFirstTokenMs?: number;
  /** With each request for chat one for a picture, of the same model. */
  readonly pictures?: boolean;
  readonly seed?: number;
  /** Streams that break off are carried on by the other one; both can. */
  readonly carriedOn?: boolean;
  /** Held to availability alone: a machine that stands still for a moment must not move the streams away that are to break. */
  readonly untimed?: boolean;
  /** More for the route. */
  readonly route?: Readonly<Record<string, unknown>>;
}

/** All that can be known of a run. Times are `performance.now()`. */
export interface Evidence {
  readonly plan: Plan;
  readonly seen: readonly Seen[];
  readonly requests: readonly RequestView[];
  /** With `at` on the same clock as all else. */
  readonly bill: readonly BillRow[];
  /** When each phase began and ended. */
  readonly phases: readonly { readonly fromMs: number; readonly toMs: number }[];
  readonly timetable: Timetable;
}

/** Healthy before and after. */
const LEAD_MS = 3_000;
const TAIL_MS = 4_000;
export const PER_SECOND = 10;
const PLAYED_MS = 22_000;
/** One answer in so many is no stream. */
const WHOLE_EVERY = 5;
/** The primary is the cheaper one, so that whoever weighs prices begins there too. */
const PRICES = { primary: { input: 1, output: 4 }, fallback: { input: 1.2, output: 5 } };
const PICTURE = { units: { images: 0.01 } };
/** As a chat model is, on the fast clocks. */
const FIRST_TOKEN = { lognormal: { median_ms: 350 / CLOCKS, p99_ms: 1_500 / CLOCKS } };

/** A fleet and a gateway that wait for their outage. */
export interface Stage {
  /** Ends when the last answer has. */
  run(): Promise<Evidence>;
  close(): Promise<void>;
}

/** Start both. Apart from the run, so that where several run at once none begins beside the start of another. */
export async function prepare(plan: Plan): Promise<Stage> {
  const timetable = plan.unscaled === true ? asItIs(plan) : squeezed(plan.scenario, plan.playedMs ?? PLAYED_MS);
  const config = fleetOf(plan);
  const fleet = await startFleet(config);
  const more = { health: timetable.health, routes: routesOf(plan) };
  const yaml = gatewayConfig(config, fleet, { more, ...(plan.carriedOn === true && { model: { capabilities: { prefill: true } } }) });
  const gateway = await testGateway(yaml).catch(async (error: unknown) => {
    await fleet.close();
    throw error;
  });
  const client = new Client();
  return {
    run: () => run(plan, timetable, fleet, gateway, client),
    async close() {
      client.close();
      await gateway.close();
      await fleet.close();
    },
  };
}

async function run(plan: Plan, timetable: Timetable, fleet: Fleet, gateway: TestGateway, client: Client): Promise<Evidence> {
  const playing = { timeScale: plan.unscaled === true ? 1 : CLOCKS, startAtMs: LEAD_MS };
  const startMs = performance.now();
  await fleet.play("primary", timetable.scenario, playing);
  if (plan.down === "all") await fleet.play("fallback", timetable.scenario, playing);
  const seen = await ask(plan, client, gateway.baseUrl, startMs, LEAD_MS + timetable.lengthMs + (plan.tailMs ?? TAIL_MS));
  const requests = await gateway.requests();
  const patienceMs = performance.now() + 5_000;
  while (fleet.bill().some((row) => row.outcome === "open") && performance.now() < patienceMs) await sleep(20);
  const bill = fleet.bill().map((row) => ({ ...row, at: row.at - performance.timeOrigin }));
  const phases = timetable.phases.map(({ fromMs, toMs }) => ({ fromMs: startMs + LEAD_MS + fromMs, toMs: startMs + LEAD_MS + toMs }));
  return { plan, seen, requests, bill, phases, timetable };
}

function asItIs({ scenario, playedMs = PLAYED_MS }: Plan): Timetable {
  const phases = scenario.phases.map((phase) => ({ fromMs: phase.from_s * 1_000, toMs: Math.min(playedMs, phase.to_s * 1_000) }));
  return { scenario, lengthMs: playedMs, phases, health: { rest: "5s", rest_max: "300s" } };
}

function fleetOf(plan: Plan): FleetConfig {
  const { dialect = "openai-chat", words, wordsPerSecond, fallbackFirstTokenMs } = plan;
  // Pictures have one dialect.
  const other = plan.pictures === true || dialect === "anthropic-messages" ? "openai-chat" : "anthropic-messages";
  const pace = { first_token: FIRST_TOKEN, token_rate: wordsPerSecond, tokens_out: words };
  const model = (price: { input: number; output: number }) => ({ ...price, ...(plan.pictures === true ? PICTURE : {}) });
  return {
    seed: plan.seed ?? 1,
    providers: [
      { name: "primary", dialect, models: { chat: model(PRICES.primary) }, ...pace },
      { name: "fallback", dialect: other, models: { chat: model(PRICES.fallback) }, ...pace, ...(fallbackFirstTokenMs !== undefined && { first_token: fallbackFirstTokenMs }) },
    ],
  };
}

function routesOf(plan: Plan): Readonly<Record<string, unknown>> {
  const clocks = plan.unscaled === true ? 1 : CLOCKS;
  const ms = (seconds: number): string => `${(seconds * 1_000) / clocks}ms`;
  const steering = plan.strategy === "priority"
    ? { strategy: "priority" }
    : { objectives: { availability: { target: "99.9%", window: "30d" }, ...(plan.untimed !== true && { first_token: { target: "98%", within: ms(4), window: "30d" } }) } };
  const route = { candidates: ["primary/chat", "fallback/chat"], first_token: ms(30), attempt: ms(120), idle: ms(60), deadline: ms(600), ...steering, ...(plan.carriedOn === true && { rescue: "continue" }), ...plan.route };
  return { chat: route, ...(plan.pictures === true ? { pictures: { ...route, strategy: "priority", objectives: undefined } } : {}) };
}

/** Evenly, but never quite: who comes in step with a clock sees only one side of it. */
async function ask(plan: Plan, client: Client, baseUrl: string, startMs: number, spanMs: number): Promise<readonly Seen[]> {
  const gapMs = 1_000 / (plan.perSecond ?? PER_SECOND);
  const random = seededRandom((plan.seed ?? 1) + 77);
  const done: Promise<Seen>[] = [];
  for (let i = 0; i * gapMs < spanMs; i += 1) {
    const waitMs = startMs + (i + random.next() * 0.4) * gapMs - performance.now();
    // Whatever is due goes at once: a turn of a busy event loop for each would stretch the load.
    if (waitMs > 0) await sleep(waitMs);
    const chat: Ask = { baseUrl, model: "chat", stream: i % WHOLE_EVERY !== WHOLE_EVERY - 1, words: plan.words };
    done.push(client.ask(chat));
    if (plan.pictures === true) done.push(client.ask({ ...chat, model: "pictures", stream: false, path: "images/generations" }));
  }
  return await Promise.all(done);
}
