/** A price list of the owner's own, with all its conditions, through a running gateway: each answer tells what it cost. */
import assert from "node:assert/strict";
import { after, before, describe, it } from "node:test";
import { testGateway, type TestGateway } from "../support/gateway.ts";
import { json, recordingUpstream, type RecordingUpstream } from "../support/recording-upstream.ts";

const YAML = (origin: string): string => `version: 1
providers:
  local:
    type: openai-compatible
    base_url: "${origin}/v1"
    api_key: none
    models:
      m:
        context: 400000
        max_output: 1000
        price:
          input: 1
          output: "2.5"
          cache_read: 0.1
          requests: 0.001
          steps: [{ above: 200000, input: 2, output: 5 }]
          tiers: { flex: { multiply: 0.5 } }
          surcharges: { tools: 2, structured_output: 1.5 }
      later: { price: { input: 1, output: 1, changes: [{ from: "2026-01-01", input: 3 }, { from: "2099-01-01", input: 9 }] } }
      never: { price: { input: 7, output: 7, windows: [{ from: "00:00", to: "24:00", days: [sun, mon, tue, wed, thu, fri, sat], input: 4 }] } }
`;
const TOOL = { type: "function", function: { name: "f", parameters: { type: "object" } } };

describe("the owner's own price list", () => {
  let upstream: RecordingUpstream;
  let gateway: TestGateway;
  before(async () => {
    upstream = await recordingUpstream();
    gateway = await testGateway(YAML(upstream.origin));
  });
  after(async () => {
    await gateway.close();
    await upstream.close();
  });

  async function cost(asked: object, usage: object, told: object = {}): Promise<string | null> {
    upstream.answer(json({ id: "c", object: "chat.completion", created: 1, model: "m", choices: [{ index: 0, message: { role: "assistant", content: "{}" }, finish_reason: "stop" }], usage, ...told }));
    const answer = await fetch(`${gateway.baseUrl}/chat/completions`, { method: "POST", headers: { "content-type": "application/json" }, body: JSON.stringify({ model: "local/m", messages: [{ role: "user", content: "hi" }], ...asked }) });
    assert.equal(answer.status, 200, await answer.clone().text());
    return answer.headers.get("x-spillway-cost-usd");
  }
  const usage = { prompt_tokens: 1000, completion_tokens: 100, total_tokens: 1100, prompt_tokens_details: { cached_tokens: 400 } };

  it("charges plain and cached tokens and the fee of a request", async () => {
    // 600 × 1 + 400 × 0.1 + 100 × 2.5 = 890 micro-dollars, and 0.001.
    assert.equal(await cost({}, usage), "0.001890000");
  });
  it("charges tokens twice where tools are asked, the fee once", async () => {
    assert.equal(await cost({ tools: [TOOL] }, usage), "0.002780000");
    assert.equal(await cost({ tools: [TOOL], response_format: { type: "json_object" } }, usage), "0.003670000");
  });
  it("charges every token by the step that the prompt passes", async () => {
    assert.equal(await cost({}, { prompt_tokens: 200_001, completion_tokens: 0, total_tokens: 200_001 }), "0.401002000");
  });
  it("charges the tier that served", async () => {
    assert.equal(await cost({}, usage, { service_tier: "flex" }), "0.001445000");
  });
  it("charges by what was announced once it has come, and by the hour of the week", async () => {
    assert.equal(await cost({ model: "local/later" }, { prompt_tokens: 1000, completion_tokens: 0, total_tokens: 1000 }), "0.003000000");
    assert.equal(await cost({ model: "local/never" }, { prompt_tokens: 1000, completion_tokens: 0, total_tokens: 1000 }), "0.004000000");
  });
});
