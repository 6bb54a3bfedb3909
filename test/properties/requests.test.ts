/** Whatever a request has become on its way: an answer or a clear refusal, never a failure of our making, never a hang. */
import assert from "node:assert/strict";
import { after, before, test } from "node:test";
import fc from "fast-check";
import { post } from "../support/raw-client.ts";
import { ACCOUNTS, CALLER, egressWorld, type EgressWorld } from "../security/egress-world.ts";
import { damages } from "./damage.ts";

const RUNS = 500;
let world: EgressWorld;
before(async () => {
  world = await egressWorld();
});
after(() => world.close());

const call = { id: "call_1", type: "function", function: { name: "f", arguments: `{"a":1}` } };
const tools = [{ type: "function", function: { name: "f", description: "d", parameters: { type: "object", properties: { a: { type: "integer" } }, required: ["a"] }, strict: true } }];
const CHATS: readonly object[] = [
  { messages: [{ role: "system", content: "s" }, { role: "user", content: [{ type: "text", text: "a" }, { type: "image_url", image_url: { url: "data:image/png;base64,AAAA", detail: "low" } }] }], max_tokens: 50, temperature: 0.5, stop: ["x"] },
  { messages: [{ role: "user", content: "a" }, { role: "assistant", content: null, tool_calls: [call], reasoning_content: "why", thinking_blocks: [{ type: "thinking", thinking: "why", signature: "s" }] }, { role: "tool", tool_call_id: "call_1", content: "r" }], tools, tool_choice: { type: "function", function: { name: "f" } }, parallel_tool_calls: false },
  { messages: [{ role: "user", content: [{ type: "input_audio", input_audio: { data: "AAAA", format: "wav" } }, { type: "file", file: { filename: "a.pdf", file_data: "data:application/pdf;base64,AAAA" } }] }], response_format: { type: "json_schema", json_schema: { name: "n", schema: { type: "object" }, strict: true } }, reasoning_effort: "low", logprobs: true, top_logprobs: 2, n: 1, seed: 7, logit_bias: { 1: 2 }, metadata: { a: "b" }, user: "u", service_tier: "flex" },
  { messages: [{ role: "developer", content: "d", name: "n" }, { role: "user", content: "a" }, { role: "assistant", content: [{ type: "refusal", refusal: "no" }], function_call: { name: "f", arguments: "" } }, { role: "function", name: "f", content: "r" }], functions: [{ name: "f" }], function_call: "auto", stream: true, stream_options: { include_usage: true }, spillway: { a: 1 } },
];

test("no damage to a request makes the gateway fail, hang or call anybody else", async () => {
  const statuses = new Map<number, number>();
  await fc.assert(
    fc.asyncProperty(fc.constantFrom(...CHATS), fc.constantFrom(...ACCOUNTS), fc.boolean(), damages, async (chat, account, stream, damage) => {
      const body = damage(JSON.stringify({ model: `${account}/m`, stream, ...chat }));
      const startMs = performance.now();
      const [answer] = await world.send(post("/v1/chat/completions", body, [`authorization: Bearer ${CALLER}`, "connection: close"]));
      assert.ok(answer !== undefined, `no answer after ${Math.round(performance.now() - startMs)} ms: ${body}`);
      statuses.set(answer.status, (statuses.get(answer.status) ?? 0) + 1);
      assert.ok(answer.status < 500, `${answer.status} for ${body}: ${answer.body.toString()}`);
      if (answer.status !== 200) {
        const { error } = JSON.parse(answer.body.toString()) as { error: { message: string; code: string } };
        assert.ok(error.message.length > 8 && error.code !== "internal_error", answer.body.toString());
      }
    }),
    { numRuns: RUNS },
  );
  world.check();
  assert.ok((statuses.get(200) ?? 0) > RUNS / 20 && (statuses.get(400) ?? 0) > RUNS / 20, JSON.stringify([...statuses]));
});
