/** A gateway that is asked to stop: balancers see it first, running answers end well or with a typed error, no charge is lost. */
import assert from "node:assert/strict";
import { mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { after, before, describe, test } from "node:test";
import { setTimeout as sleep } from "node:timers/promises";
import { checkFleetConfig, costNanoUsd, gatewayConfig, startFleet, type Fleet } from "../src/fleet/index.ts";
import { openReadOnly } from "../src/storage/data-dir.ts";
import type { RequestView } from "../src/storage/rows.ts";
import { childGateway, type ChildGateway } from "./support/gateway.ts";
import { begin, call, sdk, type Ask } from "./support/load.ts";

const PRICE = { input: 2, output: 8 };
/** How long a gateway still takes requests after the signal. */
const GRACE_MS = 5_000;
const config = checkFleetConfig({
  providers: [
    // Twenty tokens a second: an answer lasts as many seconds as it has twenties.
    { name: "steady", dialect: "openai-chat", models: { m: PRICE }, first_token: 20, token_rate: 20, tokens_out: 10_000 },
    { name: "other", dialect: "anthropic-messages", models: { m: PRICE }, first_token: 20, token_rate: 20, tokens_out: 10_000 },
  ],
});
const base = mkdtempSync(join(tmpdir(), "spillway-drain-"));
let fleet: Fleet;

before(async () => {
  fleet = await startFleet(config);
});
after(async () => {
  await fleet.close();
  rmSync(base, { recursive: true, force: true });
});

const stream = (model: string, seconds: number): Ask => ({ model, stream: true, inputTokens: 50, maxTokens: seconds * 20 });

/** The status of `/readyz`; 0 where nobody answers. */
async function ready(gateway: ChildGateway): Promise<number> {
  try {
    return (await fetch(`${gateway.url}/readyz`, { headers: { connection: "close" } })).status;
  } catch {
    // Refused: the gateway listens no more.
    return 0;
  }
}

function listed(gateway: ChildGateway): readonly RequestView[] {
  const reader = openReadOnly(gateway.dataDir);
  try {
    return [...reader.requests({}), ...reader.unrecorded()];
  } finally {
    reader.close();
  }
}

async function until(what: string, withinMs: number, holds: () => boolean | Promise<boolean>): Promise<number> {
  const startMs = performance.now();
  while (!(await holds())) {
    assert.ok(performance.now() - startMs < withinMs, `not within ${withinMs} ms: ${what}`);
    await sleep(10);
  }
  return performance.now() - startMs;
}

describe("a gateway that is asked to stop", { concurrency: true }, () => {
  test("is unready at once, serves on for its grace, lets streams finish within --drain, ends the rest with a typed error and a charge, and exits with 0", async () => {
    const gateway = await childGateway(gatewayConfig(config, fleet), { dataDir: join(base, "drain"), args: ["--drain", "2s"] });
    const client = sdk(gateway.baseUrl);
    assert.equal(await ready(gateway), 200);
    const finishing = [begin(client, stream("steady/m", 6)), begin(client, stream("other/m", 6))];
    const lasting = [begin(client, stream("steady/m", 30)), begin(client, stream("other/m", 30))];
    const whole = begin(client, { ...stream("steady/m", 30), stream: false });
    await until("all streams have begun", 5_000, () => [...finishing, ...lasting].every(({ seen }) => seen.events > 0));

    const signalledMs = performance.now();
    const exit = gateway.stop();
    await until("readyz fails", 500, async () => (await ready(gateway)) === 503);
    assert.equal((await fetch(`${gateway.url}/healthz`)).status, 200, "the event loop still answers");
    const within = await call(client, { model: "steady/m", stream: false, inputTokens: 10, maxTokens: 2 });
    assert.deepEqual([within.kind, within.error], ["finished", null], "balancers need the grace to turn away");

    await sleep(signalledMs + GRACE_MS + 250 - performance.now());
    assert.equal(await ready(gateway), 0, "after the grace nobody listens");
    const late = await call(client, { model: "steady/m", stream: false, inputTokens: 10, maxTokens: 2 });
    assert.equal(late.kind, "error", "a new request was served after the grace");

    for (const { done } of finishing) {
      const seen = await done;
      assert.deepEqual([seen.kind, seen.events, seen.error], ["finished", 120, null], "a stream that fits into the drain was cut");
    }
    for (const { done } of lasting) {
      const seen = await done;
      assert.equal(seen.kind, "error");
      assert.match(seen.error ?? "", /^stopping: /, "a stream was cut without the typed error");
    }
    assert.match((await whole.done).error ?? "", /^503 stopping/);
    assert.equal(await exit, 0);
    const tookMs = performance.now() - signalledMs;
    assert.ok(tookMs >= GRACE_MS + 1_900 && tookMs < GRACE_MS + 2_000 + 3_000, `the exit came after ${Math.round(tookMs)} ms`);

    const views = listed(gateway);
    assert.equal(views.length, 6);
    for (const { attempts } of views) for (const attempt of attempts) assert.notEqual(attempt.state, "held", "a charge was lost");
    for (const { seen } of finishing) assert.deepEqual(charge(views, seen.requestId), ["charged", costNanoUsd(PRICE, { input: 50, cached: 0, output: 120 })]);
    for (const { seen } of lasting) {
      const [state, cost] = charge(views, seen.requestId);
      assert.equal(state, "estimated");
      assert.ok((cost ?? 0) >= costNanoUsd(PRICE, { input: 50, cached: 0, output: seen.events }));
    }
  });

  test("ends at once by a second signal; what was running is an orphan for the next start", async () => {
    const gateway = await childGateway(gatewayConfig(config, fleet), { dataDir: join(base, "twice") });
    const one = begin(sdk(gateway.baseUrl), stream("steady/m", 30));
    await until("the stream has begun", 5_000, () => one.seen.events > 0);
    gateway.child.kill("SIGINT");
    await until("readyz fails", 500, async () => (await ready(gateway)) === 503);
    const signalledMs = performance.now();
    const code = await gateway.stop();
    assert.ok(performance.now() - signalledMs < 1_000, "the second signal was waited on");
    assert.equal(code, 1, "an exit that cut answers is not a clean one");
    assert.equal((await one.done).kind, "error");
    const [view] = listed(gateway);
    assert.equal(view?.attempts[0]?.state, "held", "the hold is there for the next start to settle");
  });

  test("with nothing running exits when its grace is over, whatever --drain allows", async () => {
    const gateway = await childGateway(gatewayConfig(config, fleet), { dataDir: join(base, "idle"), args: ["--drain", "60s"] });
    // A keep-alive connection without a request must not hold it up.
    await call(sdk(gateway.baseUrl), { model: "steady/m", stream: false, inputTokens: 10, maxTokens: 1 });
    const signalledMs = performance.now();
    assert.equal(await gateway.stop(), 0);
    assert.ok(performance.now() - signalledMs < GRACE_MS + 1_500, "it waited for nobody");
  });
});

function charge(views: readonly RequestView[], requestId: string | null): readonly [string | undefined, number | null | undefined] {
  const attempt = views.find((view) => view.requestId === requestId)?.attempts[0];
  return [attempt?.state, attempt?.costNanoUsd];
}
