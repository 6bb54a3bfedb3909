/** A fleet of simulated providers on loopback sockets, with one bill. */
import { Bill, type BillRow } from "./bill.ts";
import { checkFleetConfig, type FleetConfig } from "./config.ts";
import type { RuleInput } from "./fault.ts";
import { type FleetShared, type ReceivedCall, SimulatedProvider } from "./provider.ts";
import { checkScenario, type PlayOptions } from "./scenario.ts";

export interface FleetProvider {
  readonly name: string;
  readonly dialect: "openai-chat" | "anthropic-messages" | "gemini" | "cohere-v2";
  readonly host: string;
  readonly port: number;
  /** `http://host:port`, no path. */
  readonly origin: string;
  /** With the version segment: `/v1`, for Gemini `/v1beta`. Anthropic's own SDK wants `origin`. */
  readonly baseUrl: string;
  readonly models: readonly string[];
}

export interface Fleet {
  readonly providers: readonly FleetProvider[];
  /** Throws for an unknown name, as all that take a name do. */
  provider(name: string): FleetProvider;
  /** Replaces a provider's rules; an empty list heals it. Resolves when its listener stands as the rules want it. */
  script(name: string, rules: readonly RuleInput[]): Promise<void>;
  /** Plays an outage from now on (or from `startAtMs` on), `timeScale` times as fast as it was. */
  play(name: string, scenario: unknown, options?: PlayOptions): Promise<void>;
  /** Ends every batch that runs at a provider, or at all. */
  endBatches(name?: string): void;
  /** Back to the configuration's rules and an empty bill, for one provider or all. The bill is the fleet's: it empties only for all. */
  reset(name?: string): Promise<void>;
  /** Rows in the order of arrival; `sinceMs` is wall time. */
  bill(sinceMs?: number): BillRow[];
  /** The last calls with headers (credentials in full) and body. */
  calls(sinceMs?: number): ReceivedCall[];
  /** Connections that were destroyed on arrival, by provider. */
  refusedConnections(): Record<string, number>;
  /** Ends at once: running answers are cut. */
  close(): Promise<void>;
}

export interface FleetClock {
  /** Monotonic milliseconds: scenarios run by it. */
  nowMs(): number;
}

/** Starts every provider. Throws if the configuration is wrong or a port is taken; then nothing is left listening. */
export async function startFleet(config: FleetConfig, clock: FleetClock = { nowMs: () => performance.now() }): Promise<Fleet> {
  const full = checkFleetConfig(config);
  const bill = new Bill(full.keep_rows);
  let calls: ReceivedCall[] = [];
  let count = 0;
  const shared: FleetShared = {
    seed: full.seed,
    timeScale: full.time_scale,
    bill,
    keep(call) {
      calls.push(call);
      if (calls.length > full.keep_calls * 2) calls = full.keep_calls === 0 ? [] : calls.slice(-full.keep_calls);
    },
    nextCall: () => (count += 1),
    wallMs: () => Date.now(),
    nowMs: () => clock.nowMs(),
  };
  const running = new Map(full.providers.map((provider) => [provider.name, new SimulatedProvider(provider, shared)]));
  const all = [...running.values()];
  const closeAll = async (): Promise<void> => { await Promise.all(all.map((provider) => provider.close())); };
  try {
    await Promise.all(all.map((provider) => provider.listen()));
    for (const provider of all) {
      const scene = provider.config.scenario;
      if (scene) await provider.play(checkScenario(scene.play), { timeScale: scene.time_scale, startAtMs: scene.start_at_ms });
    }
  } catch (error) {
    await closeAll();
    throw error;
  }
  const find = (name: string): SimulatedProvider => {
    const provider = running.get(name);
    if (!provider) throw new Error(`The fleet has no provider ${name}; it has ${[...running.keys()].join(", ")}`);
    return provider;
  };
  return {
    providers: all.map(describe),
    provider: (name) => describe(find(name)),
    script: (name, rules) => find(name).script(rules),
    play: (name, scenario, options = {}) => find(name).play(checkScenario(scenario), options),
    endBatches(name) {
      for (const provider of name === undefined ? all : [find(name)]) provider.endBatches();
    },
    async reset(name) {
      if (name !== undefined) return find(name).reset();
      await Promise.all(all.map((provider) => provider.reset()));
      bill.clear();
      calls = [];
    },
    bill: (sinceMs) => bill.rows(sinceMs),
    calls: (sinceMs = 0) => calls.slice(-full.keep_calls).filter((call) => call.at >= sinceMs),
    refusedConnections: () => Object.fromEntries(all.map((provider) => [provider.config.name, provider.refusedConnections])),
    close: closeAll,
  };
}

const BASE_PATHS = { "openai-chat": "/v1", "anthropic-messages": "/v1", gemini: "/v1beta", "cohere-v2": "/v2" } as const;

function describe(provider: SimulatedProvider): FleetProvider {
  const { name, dialect, host, models } = provider.config;
  return {
    name, dialect, host, port: provider.port, origin: provider.origin, baseUrl: provider.origin + BASE_PATHS[dialect],
    models: Object.keys(models),
  };
}
