/** The `openai` package on providers that fail over from one protocol to another: Responses, Converse (binary streams) and Cohere. */
import assert from "node:assert/strict";
import { describe, it } from "node:test";
import OpenAI from "openai";
import type { ChatCompletionMessageParam } from "openai/resources/chat/completions";
import { aimockWorld, MOCK_ONLY, RESPONSES_VECTORS, spillTo } from "./aimock-world.ts";
import { CITY_SCHEMA, QUESTION, SYSTEM, Toolbox, TOOLS, type World } from "./world.ts";

const clientOf = (world: World): OpenAI => new OpenAI({ baseURL: world.gateway.baseUrl, apiKey: world.apiKey, maxRetries: 0 });
const messages: ChatCompletionMessageParam[] = [{ role: "system", content: SYSTEM }, { role: "user", content: QUESTION }];

async function withWorld(run: (world: World) => Promise<void>): Promise<void> {
  const world = await aimockWorld();
  try {
    await run(world);
  } finally {
    await world.close();
  }
}

describe("openai SDK, two protocols broken and the third one answers", () => {
  for (const last of MOCK_ONLY) {
    it(`gets text, a stream and a tool round from ${last}, and the ledger has every attempt once`, () =>
      withWorld(async (world) => {
        const client = clientOf(world);
        const model = spillTo(last);
        const answer = await client.chat.completions.create({ model, messages });
        world.checkText(answer.choices[0]?.message.content);

        const { data: stream, response } = await client.chat.completions.create({ model, messages, stream: true }).withResponse();
        assert.equal(response.headers.get("x-spillway-attempts"), "3");
        assert.match(response.headers.get("x-spillway-deployment") ?? "", new RegExp(`^mock-${last}/`));
        let text = "";
        for await (const chunk of stream) text += chunk.choices[0]?.delta.content ?? "";
        world.checkText(text);

        const box = new Toolbox();
        const runner = client.chat.completions.runTools({ model, messages, stream: true, tools: [{
          type: "function",
          function: {
            name: "get_weather", description: TOOLS.get_weather.description, parameters: CITY_SCHEMA,
            parse: (json: string) => JSON.parse(json) as { city: string }, function: (args: { city: string }) => box.run("get_weather", args),
          },
        }] });
        box.check(["get_weather"], await runner.finalContent(), world.calls());

        const requests = await world.gateway.requests();
        assert.equal(requests.length, 4);
        assert.equal(world.calls().length, 12, "each upstream call has a row of its own");
        for (const { attempts, record } of requests) {
          assert.deepEqual(attempts.map(({ state }) => state), ["unbilled", "unbilled", "charged"]);
          assert.deepEqual(new Set(attempts.map(({ deployment }) => deployment.split("/")[0])), new Set(MOCK_ONLY.map((one) => `mock-${one}`)));
          const served = attempts[2];
          assert.match(served?.deployment ?? "", new RegExp(`^mock-${last}/`));
          assert.deepEqual(served?.units, { input: 21, output: 34 });
          assert.deepEqual([record?.outcome, record?.costNanoUsd, served?.costNanoUsd], ["ok", 89_000, 89_000]);
        }
      }));
  }
});

it("openai SDK gets vectors from an account whose chat models are called by responses", () =>
  withWorld(async (world) => {
    const { data } = await clientOf(world).embeddings.create({ model: RESPONSES_VECTORS, input: ["over", "under"], encoding_format: "float" });
    assert.deepEqual(data.map((one) => one.embedding), [world.embedding("over"), world.embedding("under")]);
  }));
