/**
 * kill -9 under load, again and again, on one fleet that lives through all of it and one data folder. Each round starts a
 * gateway as a child, loads it from the SDK with a mixture of calls, kills it at a random moment, and looks only at the end
 * at what the ledger says. Everything random comes from one seed, but what two processes do at once is theirs.
 */
import { DatabaseSync } from "node:sqlite";
import { setTimeout as sleep } from "node:timers/promises";
import { checkFleetConfig, gatewayConfig, seededRandom, startFleet, type BillRow, type FleetConfig, type Random } from "../../src/fleet/index.ts";
import { openDataDir } from "../../src/storage/data-dir.ts";
import { SqliteStorage } from "../../src/storage/sqlite.ts";
import { attemptRow } from "../../src/storage/statements.ts";
import type { AttemptRow } from "../../src/storage/rows.ts";
import { childGateway } from "../support/gateway.ts";
import { begin, sdk, type Ask, type Seen } from "../support/load.ts";

export interface KillOptions {
  readonly rounds: number;
  readonly seed: number;
  /** Used by all rounds; empty at first. */
  readonly dataDir: string;
}

export interface Round {
  /** Every call that the client began, as it stood when the gateway was dead. */
  readonly seen: readonly Seen[];
  /** Calls that the client waited for at the moment of the kill. */
  readonly openAtKill: number;
}

export interface KillOutcome {
  readonly rounds: readonly Round[];
  readonly bill: readonly BillRow[];
  /** The table as the last kill left it and the next start flagged it; then again once all leases had passed. */
  readonly before: readonly AttemptRow[];
  readonly after: readonly AttemptRow[];
}

export const PRICES = { one: { input: 2.5, output: 10, cache_read: 1.25 }, two: { input: 3, output: 15, cache_read: 0.3 }, three: { input: 0.3, output: 2.5 } };
const CALLERS = 18;
/** Load runs at least this long, and up to `LOAD_MS` longer, before the kill. */
const LEAD_MS = 120;
const LOAD_MS = 1_050;
const ALL_LEASES_MS = 3_600_000;

/** Run the rounds, then restart on what they left. */
export async function runKillRounds(options: KillOptions): Promise<KillOutcome> {
  const random = seededRandom(options.seed);
  const config = fleetOf(options.seed);
  const fleet = await startFleet(config);
  const route = (...accounts: readonly string[]) => ({ candidates: accounts.map((account) => `${account}/m`) });
  const yaml = gatewayConfig(config, fleet, { more: { routes: { first: route("one", "two"), second: route("two", "three"), third: route("three", "one") } } });
  const rounds: Round[] = [];
  try {
    for (let i = 0; i < options.rounds; i++) rounds.push(await killOnce(yaml, options.dataDir, random));
    // The fleet notices the last dead sockets.
    await sleep(200);
    const bill = fleet.bill();
    return { rounds, bill, ...(await restart(options.dataDir)) };
  } finally {
    await fleet.close();
  }
}

/** One provider of each dialect; the first fails in many ways, the third refuses now and then. */
function fleetOf(seed: number): FleetConfig {
  const pace = { first_token: { uniform: { min: 2, max: 60 } }, token_rate: 150, tokens_out: 10_000 };
  return checkFleetConfig({
    seed,
    providers: [
      {
        name: "one", dialect: "openai-chat", models: { m: PRICES.one }, cached_share: 0.3, ...pace,
        script: [
          { fault: { kind: "status", status: 500 }, p: 0.05 },
          { fault: "reset", p: 0.03 },
          { fault: { kind: "cut_clean", after: 3 }, p: 0.03 },
          { fault: { kind: "cut_reset", after: 2 }, p: 0.03 },
          { fault: "missing_usage", p: 0.03 },
        ],
      },
      { name: "two", dialect: "anthropic-messages", models: { m: PRICES.two }, cached_share: 0.3, ...pace },
      { name: "three", dialect: "gemini", models: { m: PRICES.three }, ...pace, script: [{ fault: { kind: "status", status: 503 }, p: 0.04 }, { fault: { kind: "error_event", at: 2 }, p: 0.03 }] },
    ],
  });
}

async function killOnce(yaml: string, dataDir: string, random: Random): Promise<Round> {
  const gateway = await childGateway(yaml, { dataDir });
  const client = sdk(gateway.baseUrl);
  const calls: ReturnType<typeof begin>[] = [];
  let dead = false;
  const caller = async (): Promise<void> => {
    while (!dead) {
      const one = begin(client, askOf(random));
      calls.push(one);
      await one.done;
    }
  };
  const callers = Array.from({ length: CALLERS }, caller);
  await sleep(LEAD_MS + random.next() * LOAD_MS);
  // What is open is counted in the turn that sends the signal.
  const openAtKill = calls.filter(({ seen }) => seen.kind === "open").length;
  dead = true;
  await gateway.kill9();
  await Promise.all(callers);
  return { seen: calls.map(({ seen }) => seen), openAtKill };
}

/** Short and long, whole and in pieces; some clients hang up. */
function askOf(random: Random): Ask {
  const model = (["first", "second", "third"] as const)[Math.floor(random.next() * 3)] ?? "first";
  const stream = random.next() < 0.7;
  const inputTokens = 1 + Math.floor(random.next() * 400);
  const maxTokens = 1 + Math.floor(random.next() ** 3 * 300);
  const leaves = random.next();
  const base = { model, stream, inputTokens, maxTokens };
  if (stream && leaves < 0.1) return { ...base, leaveAfterEvents: 1 + Math.floor(random.next() * 10) };
  if (leaves < 0.15) return { ...base, leaveAfterMs: 30 + random.next() * 100 };
  return base;
}

/** What a start finds, and what it makes of it when the time of evidence is over. */
async function restart(dataDir: string): Promise<Pick<KillOutcome, "before" | "after">> {
  const dir = openDataDir(dataDir);
  const storage = new SqliteStorage(dir.ledgerPath, { checkpointEveryMs: 0 });
  try {
    const before = rowsOf(dir.ledgerPath);
    storage.settleOrphans(Date.now() + ALL_LEASES_MS);
    return { before, after: rowsOf(dir.ledgerPath) };
  } finally {
    await storage.close();
    dir.close();
  }
}

/** The table itself, since no reader of ours should stand between the rows and who counts them. */
function rowsOf(path: string): readonly AttemptRow[] {
  const db = new DatabaseSync(path, { readOnly: true });
  try {
    return db.prepare("SELECT * FROM attempts ORDER BY id").all().map(attemptRow);
  } finally {
    db.close();
  }
}
