/** Clients that leave: the upstream call is closed, what it cost is settled, and the provider is not blamed. */
import assert from "node:assert/strict";
import { describe, it } from "node:test";
import { setTimeout as sleep } from "node:timers/promises";
import OpenAI from "openai";
import { fleetWorld } from "./fleet-world.ts";
import { DIALECTS, model, QUESTION, type DialectName, type World } from "./world.ts";

/** One more than the failures in a run that rest a deployment. */
const CLIENTS = 6;
const NOTICE_MS = 2_000;
const messages = [{ role: "user" as const, content: QUESTION }];

const clientOf = (world: World): OpenAI => new OpenAI({ baseURL: world.gateway.baseUrl, apiKey: world.apiKey, maxRetries: 0 });

async function withWorld(run: (world: World) => Promise<void>): Promise<void> {
  const world = await fleetWorld();
  try {
    await run(world);
  } finally {
    await world.close();
  }
}

async function until(what: string, holds: () => boolean): Promise<void> {
  const endMs = performance.now() + NOTICE_MS;
  while (!holds()) {
    assert.ok(performance.now() < endMs, `${what}: not within ${NOTICE_MS} ms`);
    await sleep(5);
  }
}

/** Reads some pieces of a stream of 20 s and leaves. Returns how many tokens the client has seen. */
async function leaveMidStream(world: World, dialect: DialectName): Promise<number> {
  const stream = await clientOf(world).chat.completions.create({ model: model(dialect, "slow"), messages, stream: true });
  let pieces = 0;
  for await (const chunk of stream) {
    if ((chunk.choices[0]?.delta.content ?? "") !== "") pieces += 1;
    if (pieces === 5) stream.controller.abort();
  }
  return pieces;
}

async function notBlamed(world: World, dialect: DialectName): Promise<void> {
  const metrics = await (await fetch(`${world.gateway.adminUrl}/metrics`)).text();
  assert.match(metrics, /^spillway_resting_deployments 0$/m);
  // Still the first and only choice for the next one.
  const leave = new AbortController();
  const { response } = await clientOf(world).chat.completions.create({ model: model(dialect, "slow"), messages, stream: true }, { signal: leave.signal }).withResponse();
  assert.deepEqual([response.status, response.headers.get("x-spillway-attempts")], [200, "1"]);
  leave.abort();
}

describe("a client of the openai SDK that leaves", () => {
  for (const dialect of DIALECTS) {
    it(`in the middle of a stream from ${dialect}: the upstream call is closed, what was relayed is charged, nobody is blamed`, () =>
      withWorld(async (world) => {
        const seen = await Promise.all(Array.from({ length: CLIENTS }, () => leaveMidStream(world, dialect)));
        await until("the upstream sees that its clients left", () => world.calls().every((call) => call.outcome === "client_gone"));
        const requests = await world.gateway.requests();
        assert.deepEqual([requests.length, world.calls().length], [CLIENTS, CLIENTS]);
        for (const request of requests) {
          assert.deepEqual([request.record?.outcome, request.record?.status, request.attempts.length], ["client_gone", 200, 1]);
          const [attempt] = request.attempts;
          assert.equal(attempt?.state, "estimated");
          assert.ok((attempt?.units.output ?? 0) >= Math.min(...seen), "less is charged than was relayed");
          // Output costs 2 USD per million tokens.
          assert.ok((attempt?.costNanoUsd ?? 0) >= Math.min(...seen) * 2_000);
        }
        await notBlamed(world, dialect);
      }));

    it(`before a whole answer of ${dialect} has come: the upstream call is closed, its prompt is charged, nobody is blamed`, () =>
      withWorld(async (world) => {
        const leave = new AbortController();
        const asking = Array.from({ length: CLIENTS }, () =>
          assert.rejects(clientOf(world).chat.completions.create({ model: model(dialect, "slow"), messages }, { signal: leave.signal }), OpenAI.APIUserAbortError));
        await until("all calls have reached the upstream", () => world.calls().length === CLIENTS);
        leave.abort();
        await Promise.all(asking);
        await until("the upstream sees that its clients left", () => world.calls().every((call) => call.outcome === "client_gone"));
        for (const request of await world.gateway.requests()) {
          assert.deepEqual([request.record?.outcome, request.record?.status, request.attempts.length], ["client_gone", 499, 1]);
          const [attempt] = request.attempts;
          assert.equal(attempt?.state, "estimated");
          assert.ok((attempt?.costNanoUsd ?? 0) > 0, "the prompt was given away");
        }
        await notBlamed(world, dialect);
      }));
  }
});
