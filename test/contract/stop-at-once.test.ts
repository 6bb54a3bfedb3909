/** A stop sequence that is the first word: an answer of nothing, properly ended, is a whole answer to who asked for it. */
import assert from "node:assert/strict";
import { after, before, test } from "node:test";
import OpenAI from "openai";
import { gatewayConfig, startFleet, type Fleet, type FleetConfig } from "../../src/fleet/index.ts";
import { testGateway, type TestGateway } from "../support/gateway.ts";

const PROVIDERS = [["a", "openai-chat"], ["b", "anthropic-messages"], ["c", "gemini"]] as const;
const config: FleetConfig = {
  seed: 5,
  providers: PROVIDERS.map(([name, dialect]) => ({ name, dialect, models: { m: { input: 1, output: 2 } }, first_token: { constant: 1 } })),
};
let fleet: Fleet;
let gateway: TestGateway;
let client: OpenAI;

before(async () => {
  fleet = await startFleet(config);
  gateway = await testGateway(gatewayConfig(config, fleet));
  client = new OpenAI({ baseURL: gateway.baseUrl, apiKey: "any", maxRetries: 0 });
});
after(async () => {
  await gateway.close();
  await fleet.close();
});

// Any letter ends the answer, so its first word does.
const ASK = { messages: [{ role: "user" as const, content: "Hello" }], stop: "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ".split("") };

for (const [name, dialect] of PROVIDERS) {
  test(`${dialect}: an answer that a stop sequence ends at once is complete, in one attempt`, async () => {
    const answer = await client.chat.completions.create({ model: `${name}/m`, ...ASK }).withResponse();
    assert.equal(answer.data.choices[0]?.finish_reason, "stop");
    assert.equal(answer.data.choices[0]?.message.content ?? "", "");
    assert.equal(answer.response.headers.get("x-spillway-attempts"), "1");
    const stream = client.chat.completions.stream({ model: `${name}/m`, ...ASK });
    assert.equal((await stream.finalChatCompletion()).choices[0]?.finish_reason, "stop");
  });
}
