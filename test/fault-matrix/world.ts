/** The world of the matrix: one fleet with a provider per fault and dialect, one gateway with two accounts per cell. */
import { connect } from "node:net";
import { askGateway } from "../../src/cli/control-client.ts";
import type { HealthRow } from "../../src/decide/health/book.ts";
import { startFleet, type BillRow, type Fleet, type FleetConfig } from "../../src/fleet/index.ts";
import { controlSocketPathOf } from "../../src/storage/data-dir.ts";
import type { RequestView } from "../../src/storage/rows.ts";
import { testGateway, type TestGateway } from "../support/gateway.ts";
import type { Cell } from "./cells.ts";
import { ask, type Seen } from "./client.ts";
import { askSurface } from "./surface-client.ts";
import { ANSWER_WORDS, DIALECTS, FAULTS, KEEPALIVE_MS, ruleOf, type Dialect } from "./faults.ts";

const KEY = "matrix-key";
/** USD per million tokens, at every provider. */
export const PRICE = { input: 1, output: 2 };
const ACCOUNT_TYPES: Readonly<Record<Dialect, string>> = { "openai-chat": "openai-compatible", "anthropic-messages": "anthropic", gemini: "google" };
const SETTINGS = { deadline: "10s", first_token: "9s", attempt: "9s", idle: "9s", keepalive: "off" };
/** Cells under way at once: few enough that a healthy answer is never late on two busy cores. */
const AT_ONCE = 12;

export const faultyProvider = (key: string, dialect: Dialect): string => `${key}.${dialect}`;
export const healthyProvider = (dialect: Dialect): string => `healthy.${dialect}`;
export const faultyDeployment = (cell: Cell): string => `${cell.id}/${cell.id}`;
export const fallbackDeployment = (cell: Cell): string => `${cell.id}.next/${cell.id}`;

/** All that can be known of a run, from each side. */
export interface Evidence {
  readonly seen: ReadonlyMap<string, Seen>;
  readonly requests: readonly RequestView[];
  readonly bill: readonly BillRow[];
  readonly health: ReadonlyMap<string, HealthRow>;
  /** Connections destroyed on arrival, by provider. */
  readonly refusedConnections: Readonly<Record<string, number>>;
  /** Providers that let nobody connect. */
  readonly shut: ReadonlySet<string>;
}

/** Run every cell once and gather what each side says of it. */
export async function runCells(cells: readonly Cell[]): Promise<Evidence> {
  const fleet = await startFleet(fleetConfig());
  let gateway: TestGateway | null = null;
  try {
    gateway = await testGateway(gatewayYaml(cells, fleet), { limits: { keepaliveMs: KEEPALIVE_MS } });
    const shut = await shutProviders(fleet);
    const seen = await askAll(gateway.baseUrl, cells);
    const requests = await gateway.requests();
    const health = await healthOf(gateway);
    // A call that the gateway gave up is a row of the bill whose end the provider may learn a moment later.
    const patienceMs = performance.now() + 2_000;
    while (fleet.bill().some((row) => row.outcome === "open") && performance.now() < patienceMs) await new Promise((resolve) => setTimeout(resolve, 20));
    return { seen, requests, bill: fleet.bill(), health, refusedConnections: fleet.refusedConnections(), shut };
  } finally {
    await gateway?.close();
    await fleet.close();
  }
}

function fleetConfig(): FleetConfig {
  const common = { models: { "*": PRICE }, tokens_out: ANSWER_WORDS };
  const healthy = DIALECTS.map((dialect) => ({ ...common, name: healthyProvider(dialect), dialect }));
  const faulty = FAULTS.flatMap((row) => DIALECTS.map((dialect) => ({ ...common, name: faultyProvider(row.key, dialect), dialect, script: [ruleOf(row, dialect)] })));
  return { seed: 2, providers: [...healthy, ...faulty] };
}

function gatewayYaml(cells: readonly Cell[], fleet: Fleet): string {
  const account = (cell: Cell, provider: string, dialect: Dialect) => ({
    type: ACCOUNT_TYPES[dialect],
    base_url: fleet.provider(provider).baseUrl,
    api_key: "fleet-key",
    models: { [cell.id]: { price: PRICE, context: 131_072, max_output: 16_384 } },
  });
  const providers = cells.flatMap((cell) => [
    [cell.id, account(cell, faultyProvider(cell.row.key, cell.dialect), cell.dialect)] as const,
    [`${cell.id}.next`, account(cell, healthyProvider(cell.fallbackDialect), cell.fallbackDialect)] as const,
  ]);
  const routes = cells.map((cell) => [cell.id, { candidates: [faultyDeployment(cell), fallbackDeployment(cell)], ...SETTINGS, ...cell.row.route }] as const);
  // JSON is YAML.
  return JSON.stringify({ version: 1, keys: [{ name: "matrix", key: KEY }], providers: Object.fromEntries(providers), routes: Object.fromEntries(routes) });
}

async function askAll(baseUrl: string, cells: readonly Cell[]): Promise<ReadonlyMap<string, Seen>> {
  const seen = new Map<string, Seen>();
  let next = 0;
  const worker = async (): Promise<void> => {
    for (let cell = cells[next++]; cell !== undefined; cell = cells[next++]) {
      const origin = new URL(baseUrl).origin;
      seen.set(cell.id, cell.surface === undefined ? await ask(baseUrl, KEY, cell.id, cell.form) : await askSurface(origin, KEY, cell.surface, cell.id));
    }
  };
  await Promise.all(Array.from({ length: AT_ONCE }, worker));
  return seen;
}

async function healthOf(gateway: TestGateway): Promise<ReadonlyMap<string, HealthRow>> {
  const told = (await askGateway(controlSocketPathOf(gateway.dataDir), "providers")) as { readonly providers: readonly HealthRow[] };
  return new Map(told.providers.map((row) => [row.deployment, row]));
}

async function shutProviders(fleet: Fleet): Promise<ReadonlySet<string>> {
  const shut = new Set<string>();
  for (const dialect of DIALECTS) {
    const { name, host, port } = fleet.provider(faultyProvider("connection-refused", dialect));
    const refused = await new Promise<boolean>((resolve) => {
      const socket = connect(port, host);
      socket.on("connect", () => resolve(false)).on("error", (error: NodeJS.ErrnoException) => resolve(error.code === "ECONNREFUSED"));
      socket.on("close", () => socket.destroy());
    });
    if (refused) shut.add(name);
  }
  return shut;
}
