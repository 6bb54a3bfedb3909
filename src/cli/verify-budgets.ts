/**
 * The proof that a budget holds, on this installation: several gateways share one, their provider is simulated and keeps a
 * bill of its own, a thousand requests at a time come in, some clients leave, and processes are killed amid. What is looked
 * at: the budget at every sample, what was spent when the first request was refused for good, what the provider billed, and
 * that nothing is held in the end.
 */
import { spawn, type ChildProcess } from "node:child_process";
import { mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { setTimeout as sleep } from "node:timers/promises";
import { checkFleetConfig, gatewayConfig, seededRandom, startFleet, type Fleet, type FleetConfig, type Random } from "../fleet/index.ts";
import { freePorts, load, type LoadResult } from "./verify-load.ts";

export interface VerifyOptions {
  /** Dollars. */
  readonly limitUsd: number;
  readonly requests: number;
  readonly concurrency: number;
  readonly processes: number;
  readonly kills: number;
  readonly seed: number;
  /** The program that starts a gateway: `spillway start …`. */
  readonly main: string;
  readonly told: (line: string) => void;
}

export interface Sample {
  readonly settledNanoUsd: number;
  readonly heldNanoUsd: number;
  readonly overrunNanoUsd: number;
}

export interface VerifyOutcome {
  readonly limitNanoUsd: number;
  readonly samples: number;
  /** Samples at which settled + held − overruns was above the limit. */
  readonly violations: readonly Sample[];
  /** How the budget stood when the first request was refused for good; null: none was. */
  readonly atFirstRefusal: Sample | null;
  readonly end: Sample;
  /** By the provider's own bill. */
  readonly billedNanoUsd: number;
  readonly kills: number;
  readonly load: LoadResult;
  readonly seconds: number;
}

const KEY = "verify-budgets-key-of-this-run-only";
const BUDGET = "verify";
const LEASE_MS = 3_000;
const SAMPLE_EVERY_MS = 50;
/** Between a kill and the restart. */
const DOWN_MS = 400;
const END_MS = 90_000;

/** Run it. Leaves nothing behind. */
export async function verifyBudgets(options: VerifyOptions): Promise<VerifyOutcome> {
  const started = performance.now();
  const folder = mkdtempSync(join(tmpdir(), "spillway-verify-"));
  const random = seededRandom(options.seed);
  const config = fleetOf(options);
  const fleet = await startFleet(config);
  const ports = await freePorts(options.processes * 2);
  const gateways = Array.from({ length: options.processes }, (_, i) => new Gateway(folder, i, ports, options));
  writeFileSync(join(folder, "spillway.yaml"), yamlOf(config, fleet, options), { mode: 0o600 });
  const watch = new Watch(gateways[0] as Gateway);
  try {
    for (const gateway of gateways) await gateway.start();
    options.told(`${options.processes} gateways share a budget of $${options.limitUsd}; ${options.requests} requests, ${options.concurrency} at a time`);
    watch.start();
    const killing = new AbortController();
    const killed = killNowAndThen(gateways, options, random, killing.signal);
    const result = await load({ urls: gateways.map((gateway) => gateway.url), key: KEY, requests: options.requests, concurrency: options.concurrency, random, onFirstRefusal: () => watch.mark() });
    killing.abort();
    const kills = await killed;
    const end = await watch.untilNothingIsHeld(END_MS);
    watch.stop();
    const billedNanoUsd = fleet.bill().reduce((sum, row) => sum + (row.cost_nano_usd ?? 0), 0);
    return { limitNanoUsd: Math.round(options.limitUsd * 1e9), samples: watch.count, violations: watch.violations, atFirstRefusal: watch.marked, end, billedNanoUsd, kills, load: result, seconds: (performance.now() - started) / 1_000 };
  } finally {
    watch.stop();
    await Promise.all(gateways.map((gateway) => gateway.kill()));
    await fleet.close();
    rmSync(folder, { recursive: true, force: true });
  }
}

/** About seven in ten of the requests use the budget up; one call is at most a thousandth of it. */
function fleetOf({ limitUsd, requests, seed }: VerifyOptions): FleetConfig {
  const perCallUsd = limitUsd / (requests * 0.7);
  // Of ten tokens out; the prompt's bound is about a thousand tokens, at a tenth of their price.
  const output = (perCallUsd / 12) * 1e6;
  return checkFleetConfig({
    seed,
    providers: [{ name: "simulated", dialect: "openai-chat", models: { m: { input: sixPlaces(output / 200), output: sixPlaces(output) } }, tokens_out: { uniform: { min: 6, max: 14 } }, first_token: { uniform: { min: 5, max: 60 } }, token_rate: 400 }],
  });
}

function yamlOf(config: FleetConfig, fleet: Fleet, { limitUsd }: VerifyOptions): string {
  return gatewayConfig(config, fleet, {
    more: { keys: [{ name: "verify", key: KEY }], fallbacks: "off", budgets: { [BUDGET]: { scope: "key/verify", period: "total", limit_usd: String(limitUsd) } } },
  });
}

/** One process: the first keeps the budgets, the others join it. */
class Gateway {
  readonly url: string;
  readonly adminUrl: string;
  readonly #args: readonly string[];
  #child: ChildProcess | null = null;

  constructor(folder: string, index: number, ports: readonly number[], { main, concurrency }: VerifyOptions) {
    const [port = 0, adminPort = 0] = ports.slice(index * 2);
    this.url = `http://127.0.0.1:${port}`;
    this.adminUrl = `http://127.0.0.1:${adminPort}`;
    const joins = index === 0 ? [] : ["--authority", `http://127.0.0.1:${ports[1] ?? 0}`];
    this.#args = [
      main, "start", "--config", join(folder, "spillway.yaml"), "--port", String(port), "--admin-port", String(adminPort), "--data-dir", join(folder, `data-${index}`),
      "--lease", `${LEASE_MS}ms`, "--max-in-flight", String(Math.max(2_000, concurrency)), "--log", "off", "--request-log", "off", ...joins,
    ];
  }

  async start(): Promise<void> {
    const child = spawn(process.execPath, this.#args, { env: { PATH: process.env["PATH"] ?? "", NODE_NO_WARNINGS: "1", SPILLWAY_AUTHORITY_TOKEN: `${KEY}-of-all-its-processes` }, stdio: ["ignore", "pipe", "pipe"] });
    this.#child = child;
    let text = "";
    await new Promise<void>((resolve, reject) => {
      const look = (chunk: Buffer): void => {
        text += chunk.toString();
        if (/^Listening on/m.test(text)) resolve();
      };
      child.stdout.on("data", look);
      child.stderr.on("data", look);
      child.once("exit", (code) => reject(new Error(`a gateway ended with ${code}:\n${text}`)));
    });
  }

  /** SIGKILL, as a machine that loses its power would. */
  async kill(): Promise<void> {
    const child = this.#child;
    if (child === null || child.exitCode !== null || child.signalCode !== null) return;
    const gone = new Promise((resolve) => child.once("exit", resolve));
    child.kill("SIGKILL");
    await gone;
  }
}

async function killNowAndThen(gateways: readonly Gateway[], { kills, told }: VerifyOptions, random: Random, signal: AbortSignal): Promise<number> {
  let done = 0;
  while (done < kills && !signal.aborted) {
    // Woken early where the load has ended.
    await Promise.race([sleep(400 + random.next() * 1_200), ended(signal)]);
    if (signal.aborted) break;
    // The authority now and then, the others more often.
    const index = done % 3 === 2 ? 0 : 1 + Math.floor(random.next() * (gateways.length - 1));
    const gateway = gateways[Math.min(index, gateways.length - 1)] as Gateway;
    await gateway.kill();
    told(`killed ${index === 0 ? "the authority" : `process ${index + 1}`}`);
    await sleep(DOWN_MS);
    await gateway.start();
    done += 1;
  }
  return done;
}

function ended(signal: AbortSignal): Promise<void> {
  return new Promise((resolve) => signal.addEventListener("abort", () => resolve(), { once: true }));
}

/** Looks at the authority, which holds what all processes hold, again and again. */
class Watch {
  readonly violations: Sample[] = [];
  marked: Sample | null = null;
  count = 0;
  readonly #authority: Gateway;
  #last: Sample | null = null;
  #limitNanoUsd = 0;
  #timer: NodeJS.Timeout | null = null;
  #looking = false;
  #marking = false;

  constructor(authority: Gateway) {
    this.#authority = authority;
  }

  start(): void {
    this.#timer = setInterval(() => void this.#look(), SAMPLE_EVERY_MS);
  }

  stop(): void {
    if (this.#timer !== null) clearInterval(this.#timer);
  }

  /** The next sample is how it stands now. */
  mark(): void {
    this.#marking = true;
  }

  async untilNothingIsHeld(withinMs: number): Promise<Sample> {
    const endMs = performance.now() + withinMs;
    for (;;) {
      await this.#look();
      const last = this.#last;
      if (last !== null && (last.heldNanoUsd === 0 || performance.now() > endMs)) return last;
      if (performance.now() > endMs) throw new Error("the authority did not answer");
      await sleep(100);
    }
  }

  async #look(): Promise<void> {
    if (this.#looking) return;
    this.#looking = true;
    try {
      const text = await (await fetch(`${this.#authority.adminUrl}/metrics`)).text();
      const value = (name: string): number => Number(new RegExp(`^spillway_budget_${name}_nano_usd\\{budget="config:${BUDGET}"\\} (\\d+)$`, "m").exec(text)?.[1] ?? Number.NaN);
      const sample: Sample = { settledNanoUsd: value("settled"), heldNanoUsd: value("held"), overrunNanoUsd: value("overrun") };
      this.#limitNanoUsd = value("limit");
      if (Number.isNaN(sample.settledNanoUsd)) return;
      this.#take(sample);
    } catch {
      // It is down for the moment.
      this.#last = null;
    } finally {
      this.#looking = false;
    }
  }

  #take(sample: Sample): void {
    this.count += 1;
    this.#last = sample;
    if (sample.settledNanoUsd + sample.heldNanoUsd - sample.overrunNanoUsd > this.#limitNanoUsd) this.violations.push(sample);
    if (this.#marking && this.marked === null) this.marked = sample;
  }
}

function sixPlaces(usdPerMillion: number): number {
  return Number(usdPerMillion.toFixed(6));
}
