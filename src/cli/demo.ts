/**
 * `spillway demo`: a fleet, the gateway and a client in one terminal. After a third of the time the primary dies as a
 * large API did on 2023-11-08, in the last third it is back; the client must not notice.
 */
import { mkdtemp, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { parseArgs } from "node:util";
import { arrivals, CHAT_2023, DEAD_PRIMARY_2023_11_08, demoFleet, type Fleet, gatewayConfig, seededRandom, startFleet } from "../fleet/index.ts";
import { ask, type Seen } from "./demo-client.ts";
import { Tally, type DemoView } from "./demo-tally.ts";
import { painter, picture, plainLine, summary } from "./demo-view.ts";

/** Where the demo draws. A terminal gets a picture, anything else lines. */
export interface DemoOutput {
  write(text: string): unknown;
  readonly isTTY?: boolean;
}

export interface DemoGateway {
  /** `http://host:port`, no path. */
  readonly url: string;
  close(): Promise<void>;
  metrics?(): unknown;
}

/** Starts a gateway of a configuration text with its state in `dataDir`, on a free port. */
export type StartGateway = (yamlText: string, dataDir: string) => Promise<DemoGateway>;

const HELP = `spillway demo [--seconds N] [--rate R] [--plain]

A fleet of simulated providers, the gateway and a client in one terminal; the primary dies and comes back.
  --seconds   how long (60)
  --rate      requests a second (8)
  --plain     lines instead of a live picture
`;

const ROUTE = "demo";
const CLIENT_TIMEOUT_MS = 30_000;
const MAX_IN_FLIGHT = 500;
/** Nobody asks in the last moments, so that the show ends about when it says. */
const SENDING_SHARE = 0.95;

/** Runs the demo to its end, or to `stop`. Resolves to the exit code: 1 where a client saw an error. */
export async function runDemo(args: readonly string[], out: DemoOutput, startGateway: StartGateway, stop?: AbortSignal): Promise<number> {
  const options = readArgs(args);
  if (typeof options === "string") {
    out.write(options);
    return options === HELP ? 0 : 2;
  }
  const dataDir = await mkdtemp(join(tmpdir(), "spillway-demo-"));
  // A shorter show has quicker providers, so that it is the same show.
  const config = { ...demoFleet(), time_scale: Math.max(1, 60_000 / options.totalMs) };
  const fleet = await startFleet(config);
  try {
    const gateway = await startGateway(gatewayConfig(config, fleet, { more: routes(fleet, options.totalMs) }), dataDir);
    try {
      return await play(options, out, fleet, gateway, stop);
    } finally {
      await gateway.close();
    }
  } finally {
    await fleet.close();
    await rm(dataDir, { recursive: true, force: true });
  }
}

interface DemoOptions {
  readonly totalMs: number;
  readonly ratePerS: number;
  readonly plain: boolean;
}

function readArgs(args: readonly string[]): DemoOptions | string {
  let values;
  try {
    values = parseArgs({
      args: [...args],
      options: {
        seconds: { type: "string", default: "60" }, rate: { type: "string", default: "8" }, plain: { type: "boolean", default: false },
        help: { type: "boolean", short: "h", default: false },
      },
    }).values;
  } catch (error) {
    return `${error instanceof Error ? error.message : String(error)}\n\n${HELP}`;
  }
  if (values.help) return HELP;
  const [seconds, rate] = [Number(values.seconds), Number(values.rate)];
  if (!(seconds >= 1 && seconds <= 3600)) return `--seconds wants a number from 1 to 3600, found ${values.seconds}\n`;
  if (!(rate > 0 && rate <= 1000)) return `--rate wants a number above 0 and at most 1000, found ${values.rate}\n`;
  return { totalMs: seconds * 1000, ratePerS: rate, plain: values.plain };
}

/** The route that the client calls, and rests short enough for the show: 1 to 5 s in a minute. */
function routes(fleet: Fleet, totalMs: number): Record<string, unknown> {
  return {
    routes: { [ROUTE]: { candidates: fleet.providers.map((provider) => `${provider.name}/demo-chat`), strategy: "priority" } },
    health: { rest: `${Math.max(50, Math.round(totalMs / 60))}ms`, rest_max: `${Math.max(250, Math.round(totalMs / 12))}ms` },
  };
}

async function play(options: DemoOptions, out: DemoOutput, fleet: Fleet, gateway: DemoGateway, stop?: AbortSignal): Promise<number> {
  const { totalMs } = options;
  const thirdMs = totalMs / 3;
  const primary = fleet.providers[0]?.name ?? "";
  const tally = new Tally(fleet.providers.map((provider) => provider.name), totalMs / 60);
  const started = performance.now();
  const nowMs = (): number => performance.now() - started;
  await fleet.play(primary, DEAD_PRIMARY_2023_11_08, { startAtMs: thirdMs, timeScale: 6900 / (thirdMs / 1000) });
  const act = (atMs: number): string => (atMs < thirdMs ? "healthy" : atMs < 2 * thirdMs ? "outage" : "recovery");
  const view = (whole: boolean): DemoView => {
    const failed = failures(fleet);
    const atMs = Math.min(nowMs(), totalMs);
    return tally.view(atMs, totalMs, act(atMs), (name) => failed.get(name) ?? 0, whole);
  };
  const screen = makeScreen(out, options, () => view(false));
  try {
    await sendAll(options, gateway.url, tally, nowMs, stop);
  } finally {
    screen.end();
  }
  // Taken before the calls that are cut off now: they are nobody's errors.
  const last = view(true);
  const stopped = stop?.aborted === true;
  const billUsd = fleet.bill().reduce((sum, row) => sum + row.cost_nano_usd, 0) / 1e9;
  const lines = summary(stopped ? last : { ...last, elapsedMs: totalMs }, billUsd, stopped ? null : tally.shareSince(primary, totalMs * 0.9), painter(out.isTTY === true && !options.plain));
  out.write(`${lines.join("\n")}\n`);
  return tally.errors > 0 ? 1 : 0;
}

/** Calls that failed at each provider, by the fleet's own bill. */
function failures(fleet: Fleet): Map<string, number> {
  const failed = new Map<string, number>();
  for (const row of fleet.bill()) {
    if (row.outcome !== "answered" && row.outcome !== "open" && row.outcome !== "client_gone") {
      failed.set(row.provider, (failed.get(row.provider) ?? 0) + 1);
    }
  }
  return failed;
}

/** Sends requests as a chat service receives them until the time is up, then waits for the last answers. */
async function sendAll(options: DemoOptions, url: string, tally: Tally, nowMs: () => number, stop?: AbortSignal): Promise<void> {
  const running = new Set<Promise<void>>();
  const finish = (seen: Seen): void => tally.done(seen, Math.min(nowMs(), options.totalMs - 1));
  for (const arrival of arrivals(CHAT_2023, seededRandom(20231108), options.ratePerS)) {
    if (arrival.atMs >= options.totalMs * SENDING_SHARE || !(await sleep(arrival.atMs - nowMs(), stop))) break;
    if (running.size >= MAX_IN_FLIGHT) continue;
    tally.sent();
    const question = { model: ROUTE, promptTokens: arrival.inputTokens, maxTokens: arrival.outputTokens };
    const call = ask(url, question, CLIENT_TIMEOUT_MS).then(finish).finally(() => running.delete(call));
    running.add(call);
  }
  await settled(running, stop);
}

/** Waits for the last answers; who stops the show waits for none. */
async function settled(running: ReadonlySet<Promise<void>>, stop?: AbortSignal): Promise<void> {
  const stopped = new Promise<void>((resolve) => {
    if (stop?.aborted) resolve();
    stop?.addEventListener("abort", () => resolve(), { once: true });
  });
  await Promise.race([Promise.all(running), stopped]);
}

/** Waits; false: stopped. */
function sleep(ms: number, stop?: AbortSignal): Promise<boolean> {
  if (stop?.aborted) return Promise.resolve(false);
  return new Promise((resolve) => {
    const end = (): void => {
      clearTimeout(timer);
      resolve(false);
    };
    const timer = setTimeout(() => {
      stop?.removeEventListener("abort", end);
      resolve(true);
    }, Math.max(0, ms));
    stop?.addEventListener("abort", end, { once: true });
  });
}

/** Redraws four times a second on a terminal; elsewhere writes about thirty lines in all. */
function makeScreen(out: DemoOutput, options: DemoOptions, view: () => DemoView): { end(): void } {
  if (out.isTTY !== true || options.plain) {
    const line = (): unknown => out.write(`${plainLine(view())}\n`);
    const timer = setInterval(line, Math.max(250, options.totalMs / 30));
    return { end: () => clearInterval(timer) };
  }
  const paint = painter(true);
  let drawn = 0;
  const draw = (): void => {
    const lines = picture(view(), paint);
    // Up to the first line of the last picture, then each line over the old one: no flicker.
    const up = drawn > 0 ? `\u001b[${drawn}A` : "";
    out.write(`\u001b[?25l${up}${lines.map((text) => `${text}\u001b[K\n`).join("")}`);
    drawn = lines.length;
  };
  draw();
  const timer = setInterval(draw, 250);
  return {
    end() {
      clearInterval(timer);
      draw();
      out.write("\u001b[?25h");
    },
  };
}
