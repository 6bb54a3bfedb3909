/**
 * What a finished request leaves behind must be collected young. A closure or a table that grows old while it still points at
 * a request keeps all of it until the next full collection: every young collection then copies what nobody needs, which once
 * cost a third of a request's CPU and could be seen nowhere else.
 */
import assert from "node:assert/strict";
import { Agent, createServer, request } from "node:http";
import type { AddressInfo } from "node:net";
import { constants, PerformanceObserver } from "node:perf_hooks";
import { test } from "node:test";
import { getHeapSpaceStatistics } from "node:v8";
import { testGateway } from "./support/gateway.ts";

const WARM_UP = 5_000;
const MEASURED = 4_000;
const AT_ONCE = 16;
/** A request that is kept weighs more than twenty KB; what is left of one that is not (its rows on their way to the disk) some hundred bytes. */
const KEPT_MAX_BYTES = 6_000;

const BODY = JSON.stringify({ model: "local/m", messages: [{ role: "user", content: "wave ".repeat(60) }], max_tokens: 100 });
const ANSWER = JSON.stringify({
  id: "chatcmpl-1", object: "chat.completion", created: 1, model: "m", choices: [{ index: 0, message: { role: "assistant", content: "hello ".repeat(40) }, finish_reason: "stop" }],
  usage: { prompt_tokens: 75, completion_tokens: 40, total_tokens: 115 },
});

test("finished chat requests do not outlive young collections", async () => {
  const upstream = createServer((asked, answer) => {
    asked.resume();
    asked.on("end", () => answer.writeHead(200, { "content-type": "application/json" }).end(ANSWER));
  });
  await new Promise<void>((resolve) => void upstream.listen(0, "127.0.0.1", resolve));
  const gateway = await testGateway(`
version: 1
providers:
  local: { type: openai-compatible, base_url: "http://127.0.0.1:${(upstream.address() as AddressInfo).port}/v1", api_key: k, models: { m: { price: { input: 0.1, output: 0.2 }, context: 131072, max_output: 8192 } } }
`);
  const agent = new Agent({ keepAlive: true, maxSockets: AT_ONCE });
  try {
    await ask(gateway.baseUrl, agent, WARM_UP);
    const kept = await keptBytes(() => ask(gateway.baseUrl, agent, MEASURED));
    assert.ok(kept / MEASURED < KEPT_MAX_BYTES, `${Math.round(kept / MEASURED)} bytes of each request grew old`);
  } finally {
    agent.destroy();
    await gateway.close();
    upstream.closeAllConnections();
    upstream.close();
  }
});

async function ask(baseUrl: string, agent: Agent, count: number): Promise<void> {
  let left = count;
  await Promise.all(Array.from({ length: AT_ONCE }, async () => {
    while (left-- > 0) assert.equal(await post(`${baseUrl}/chat/completions`, agent), 200);
  }));
}

function post(url: string, agent: Agent): Promise<number> {
  return new Promise((resolve, reject) => {
    const sent = request(url, { method: "POST", agent, headers: { "content-type": "application/json" } }, (answer) => {
      answer.resume();
      answer.on("end", () => resolve(answer.statusCode ?? 0));
    });
    sent.on("error", reject);
    sent.end(BODY);
  });
}

/** By how much the old space grew in all, whatever full collections took away between. */
async function keptBytes(run: () => Promise<void>): Promise<number> {
  let before = oldBytes();
  let grown = 0;
  const look = (): void => {
    const now = oldBytes();
    grown += Math.max(0, now - before);
    before = now;
  };
  const observer = new PerformanceObserver((list) => {
    if (list.getEntries().some((entry) => (entry as { readonly detail?: { readonly kind?: number } }).detail?.kind === constants.NODE_PERFORMANCE_GC_MINOR)) look();
    else before = oldBytes();
  });
  observer.observe({ entryTypes: ["gc"] });
  await run();
  look();
  observer.disconnect();
  return grown;
}

function oldBytes(): number {
  return getHeapSpaceStatistics().find((space) => space.space_name === "old_space")?.space_used_size ?? 0;
}
