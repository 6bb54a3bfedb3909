/** A gateway that is pointed at itself, directly or by way of another, says so after one call. */
import assert from "node:assert/strict";
import { createServer, type AddressInfo } from "node:net";
import { test } from "node:test";
import { testGateway } from "../support/gateway.ts";
import { rawPost, type RawAnswer } from "../support/raw-client.ts";

function freePort(): Promise<number> {
  return new Promise((resolve) => {
    const server = createServer();
    server.listen(0, "127.0.0.1", () => {
      const { port } = server.address() as AddressInfo;
      server.close(() => resolve(port));
    });
  });
}

const pointedAt = (port: number): string => `version: 1\nproviders:\n  next: { type: openai-compatible, base_url: "http://127.0.0.1:${port}/v1", api_key: none }\naliases: { m: next/m, e: next/e }\n`;
const told = (answer: RawAnswer): { code: string; message: string } => (JSON.parse(answer.body.toString()) as { error: { code: string; message: string } }).error;

for (const [endpoint, body] of [
  ["/v1/chat/completions", `{"model":"next/m","messages":[{"role":"user","content":"hi"}]}`],
  ["/v1/chat/completions", `{"model":"next/m","stream":true,"messages":[{"role":"user","content":"hi"}]}`],
  ["/v1/embeddings", `{"model":"next/e","input":"hi"}`],
] as const) {
  test(`pointed at itself it stops at one call and tells 508: ${endpoint}${body.includes("stream") ? ", streamed" : ""}`, async () => {
    const port = await freePort();
    const gateway = await testGateway(pointedAt(port), { port });
    try {
      const startMs = performance.now();
      const answer = await rawPost(port, endpoint, body);
      assert.deepEqual([answer.status, told(answer).code], [508, "request_loop"], answer.body.toString());
      assert.match(told(answer).message, /base_url/);
      assert.equal(answer.headers["x-should-retry"], "false");
      assert.ok(performance.now() - startMs < 2_000);
      const [record] = await gateway.requests();
      assert.equal(record?.attempts.length, 1, "one call, not three");
    } finally {
      await gateway.close();
    }
  });
}

test("two gateways pointed at each other stop when the first sees its own name again", async () => {
  const [one, two] = [await freePort(), await freePort()];
  const gateways = await Promise.all([testGateway(pointedAt(two), { port: one }), testGateway(pointedAt(one), { port: two })]);
  try {
    const startMs = performance.now();
    const answer = await rawPost(one, "/v1/chat/completions", `{"model":"next/next/m","messages":[{"role":"user","content":"hi"}]}`);
    assert.deepEqual([answer.status, told(answer).code], [508, "request_loop"], answer.body.toString());
    assert.ok(performance.now() - startMs < 2_000);
    for (const gateway of gateways) assert.ok((await gateway.requests()).length <= 1, "no request came round twice");
  } finally {
    await Promise.all(gateways.map((gateway) => gateway.close()));
  }
});

test("a chain of gateways is no loop", async () => {
  const { chat, recordingUpstream } = await import("../support/recording-upstream.ts");
  const upstream = await recordingUpstream(chat);
  const inner = await testGateway(pointedAt(upstream.port));
  const outer = await testGateway(pointedAt(inner.port));
  try {
    const answer = await rawPost(outer.port, "/v1/chat/completions", `{"model":"next/next/m","messages":[{"role":"user","content":"hi"}]}`, ["via: 1.1 some-proxy, 1.1 another"]);
    assert.equal(answer.status, 200, answer.body.toString());
    const via = upstream.calls.at(-1)?.header("via") ?? "";
    assert.match(via, /^1\.1 spillway-\w+, 1\.1 spillway-\w+$/, "both are named, and nobody else");
  } finally {
    await outer.close();
    await inner.close();
    await upstream.close();
  }
});
