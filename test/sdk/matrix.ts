/** Runs the cells of the client matrix, and holds the money of each against what its upstream has in its books. */
import assert from "node:assert/strict";
import { after, before, describe, it } from "node:test";
import { setTimeout as sleep } from "node:timers/promises";
import { aimockWorld } from "./aimock-world.ts";
import { fleetWorld } from "./fleet-world.ts";
import type { Row } from "./row.ts";
import { TABLE, type Sdk } from "./table.ts";
import { KINDS, type DialectName, type UpstreamCall, type UpstreamName, type World } from "./world.ts";

/** Where a case runs. */
export interface Cell {
  readonly world: World;
  /** Cases look at what differs by it on the fleet only, which has no others. */
  readonly dialect: DialectName;
  /** What the upstream has received since the case began. */
  calls(): readonly UpstreamCall[];
  /** Resolves when the upstream has this outcome in its books for the case's last call. */
  noticed(outcome: string): Promise<void>;
}

/** What a case saw, to be compared with what the upstream has in its books. */
export interface Seen {
  /** How many upstream calls the case must have cost; 1 where absent. */
  readonly calls?: number;
  /** Tokens as the SDK tells them, summed over its calls; absent where the case did not ask. */
  readonly usage?: { readonly input: number | undefined; readonly output: number | undefined };
}

/** A row of `nowhere`. */
type NoCells = { readonly cells: { readonly fleet: readonly []; readonly aimock: readonly [] } };
/** The code of every row of one SDK that has cells. */
export type Features<S extends Sdk> = {
  readonly [P in keyof (typeof TABLE)[S] as (typeof TABLE)[S][P] extends NoCells ? never : P]: (cell: Cell) => Promise<Seen>;
};

/** An upstream sees within this that its client has left. */
const NOTICE_MS = 2_000;

const ARTICLE: Readonly<Record<UpstreamName, string>> = {
  openai: "an OpenAI", anthropic: "an Anthropic", gemini: "a Gemini", responses: "a Responses", converse: "a Bedrock Converse", cohere: "a Cohere",
};

/** Declares the cases of one SDK, and one more case that the money of all of them is right. */
export function matrix<S extends Sdk>(sdk: S, features: Features<S>): void {
  const rows = Object.entries<Row>(TABLE[sdk]);
  for (const kind of KINDS) {
    describe(`${sdk}, upstreams by ${kind}`, () => {
      let world: World;
      before(async () => {
        world = await (kind === "fleet" ? fleetWorld() : aimockWorld());
      });
      after(async () => {
        await world.close();
      });
      for (const [promise, row] of rows) {
        const run = (features as Readonly<Record<string, (cell: Cell) => Promise<Seen>>>)[promise] ?? noCode;
        for (const dialect of row.cells[kind]) {
          it(`${promise} with ${ARTICLE[dialect]} upstream`, () => runCell(world, dialect, run));
        }
      }
      it("has each upstream call in the ledger once, with the tokens and the price of the upstream's own books", () => checkLedger(world));
    });
  }
}

const noCode = (): Promise<never> => Promise.reject(new Error("the row has cells and no code"));

async function runCell(world: World, dialect: UpstreamName, run: (cell: Cell) => Promise<Seen>): Promise<void> {
  const mark = world.calls().length;
  const calls = (): readonly UpstreamCall[] => world.calls().slice(mark);
  const noticed = async (outcome: string): Promise<void> => {
    const endMs = performance.now() + NOTICE_MS;
    while (calls().at(-1)?.outcome !== outcome) {
      assert.ok(performance.now() < endMs, `the upstream has ${calls().at(-1)?.outcome} in its books and not ${outcome}`);
      await sleep(5);
    }
  };
  const seen = await run({ world, dialect: dialect as DialectName, calls, noticed });
  const made = calls();
  assert.equal(made.length, seen.calls ?? 1, "upstream calls");
  assert.deepEqual([...new Set(made.map((call) => call.dialect))], made.length === 0 ? [] : [dialect], "the upstreams that were called");
  if (seen.usage === undefined) return;
  const told = made.reduce((sum, call) => ({ input: sum.input + (call.usage?.input ?? 0), output: sum.output + (call.usage?.output ?? 0) }), { input: 0, output: 0 });
  assert.deepEqual(seen.usage, told, "the usage that the SDK tells");
}

/** Cases run one after another, so that the ledger and the upstream's books are in the same order. */
async function checkLedger(world: World): Promise<void> {
  const attempts = (await world.gateway.requests()).flatMap((request) => request.attempts);
  const calls = world.calls();
  assert.equal(attempts.length, calls.length, "rows in the ledger");
  assert.ok(calls.length > 0);
  for (const [at, call] of calls.entries()) {
    const row = attempts[at];
    assert.ok(row !== undefined && row.settledMs !== null && row.state !== "held", `call ${at} is not settled`);
    if (call.outcome === "refused") assert.equal(row.state, "unbilled");
    if (call.outcome === "client_gone") {
      assert.equal(row.state, "estimated");
      assert.ok((row.costNanoUsd ?? 0) > 0, `call ${at} was given away`);
    }
    if (call.outcome !== "answered" || call.usage === null) continue;
    assert.equal(row.state, "charged");
    const { input = 0, cache_read = 0, output = 0, reasoning = 0 } = row.units;
    assert.deepEqual({ input: input + cache_read, output: output + reasoning }, call.usage, `tokens of call ${at}`);
    if (call.costNanoUsd !== null) assert.equal(row.costNanoUsd, call.costNanoUsd, `price of call ${at}`);
  }
}
