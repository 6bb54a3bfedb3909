/**
 * The Open Responses protocol through the whole gateway, in front of providers that do not speak it: the cases of its
 * compliance suite, and the shapes that these leave out; answers and every event held to its description and to OpenAI's.
 */
import assert from "node:assert/strict";
import { after, before, describe, test } from "node:test";
import { descriptionAbsent, problems } from "../src/providers/dialects/openai/test-schemas.ts";
import { openResponsesAbsent } from "../src/providers/dialects/responses/test-client.ts";
import { asString, type Json, type JsonObject } from "../src/wire/json.ts";
import { BEYOND, COMPLIANCE, type Case } from "./open-responses/cases.ts";
import { checkResponse, checkStream, outputOf, textOf } from "./open-responses/checks.ts";
import { openWorld, PROVIDERS, type ProviderName, type World } from "./open-responses/world.ts";

describe("Open Responses", { skip: descriptionAbsent || openResponsesAbsent }, () => {
  let world: World;
  before(async () => {
    world = await openWorld();
  });
  after(() => world.close());

  async function whole(provider: ProviderName, asked: Case): Promise<JsonObject> {
    const answer = await world.ask({ model: `${provider}/${asked.model}`, ...asked.body });
    assert.equal(answer.status, 200, answer.text);
    return checkResponse(JSON.parse(answer.text) as Json);
  }
  async function streamed(provider: ProviderName, asked: Case): Promise<JsonObject> {
    const answer = await world.ask({ model: `${provider}/${asked.model}`, ...asked.body, stream: true });
    assert.deepEqual([answer.status, answer.type.split(";")[0]], [200, "text/event-stream"], answer.text);
    return checkStream(answer.text);
  }

  /** Without what is drawn anew for each answer: ids, the time, the words. */
  function shape(response: JsonObject): Json {
    const items = outputOf(response).map((item) => [item["type"], item["status"] ?? null, item["role"] ?? null, item["name"] ?? null]);
    return [response["status"], response["incomplete_details"], response["error"], response["model"], items as Json] as Json;
  }

  for (const [group, cases] of [["compliance suite", COMPLIANCE], ["beyond the suite", BEYOND]] as const) {
    for (const asked of cases) {
      for (const provider of PROVIDERS) {
        test(`${group}: ${asked.name}, answered by a provider of ${provider}, whole and as a stream`, async () => {
          const answers = [await whole(provider, asked), await streamed(provider, asked)] as const;
          for (const response of answers) {
            assert.equal(response["status"], asked.status);
            for (const type of asked.output) assert.ok(outputOf(response).some((item) => item["type"] === type), `no ${type} in the output`);
            if (asked.output.includes("message")) assert.ok(textOf(response).length > 0, "a message has text");
          }
          assert.deepEqual(shape(answers[0]), shape(answers[1]), "a stream makes what the whole answer is");
          const sent = world.lastSent();
          for (const words of asked.reaches) assert.ok(sent.includes(words), `the provider was not sent: ${words}`);
        });
      }
    }
  }

  test("the settings of the request come back in the response", async () => {
    const asked = BEYOND.find(({ name }) => name === "metadata and settings");
    assert.ok(asked !== undefined);
    for (const provider of PROVIDERS) {
      for (const response of [await whole(provider, asked), await streamed(provider, asked)]) {
        for (const key of ["metadata", "temperature", "top_p", "store", "truncation"]) assert.deepEqual(response[key], asked.body[key], key);
      }
    }
  });

  test("a message's phase, which no other protocol can carry, is named in the warning", async () => {
    const asked = COMPLIANCE.find(({ name }) => name === "phase");
    assert.ok(asked !== undefined);
    for (const provider of PROVIDERS) assert.match((await world.ask({ model: `${provider}/chat`, ...asked.body })).warning, /phase/);
  });

  test("a response that is kept comes back as it was answered, and a conversation goes on from it at another provider", async () => {
    const [one, other] = [PROVIDERS[0], PROVIDERS[1]];
    for (const stream of [false, true]) {
      const first = await world.ask({ model: `${one}/chat`, input: "Remember the word cobalt.", store: true, stream });
      const response = stream ? checkStream(first.text) : checkResponse(JSON.parse(first.text) as Json);
      const kept = checkResponse(JSON.parse((await world.kept(asString(response["id"]) ?? "")).text) as Json);
      const { spillway: _, ...answered } = response;
      assert.deepEqual(kept, answered);
      const next = await world.ask({ model: `${other}/chat`, input: "Which word?", previous_response_id: response["id"], stream });
      const continued = stream ? checkStream(next.text) : checkResponse(JSON.parse(next.text) as Json);
      assert.equal(continued["previous_response_id"], response["id"]);
      for (const words of ["Remember the word cobalt.", textOf(response).trim(), "Which word?"]) assert.ok(world.lastSent().includes(words), words);
    }
  });

  for (const provider of PROVIDERS) {
    test(`case 40: a stream of ${provider} that breaks ends with a failed response, as valid as the others`, async () => {
      const answer = await world.ask({ model: `${provider}/broken`, input: "Hi.", stream: true });
      const response = checkStream(answer.text);
      assert.equal(response["status"], "failed");
      assert.ok(textOf(response).length > 0, "what came is kept");
    });

    test(`an answer that ${provider} refuses is an error of the protocol's own form, whole and as a stream`, async () => {
      for (const stream of [false, true]) {
        const answer = await world.ask({ model: `${provider}/busy`, input: "Hi.", stream });
        assert.ok(answer.status >= 500, answer.text);
        assert.deepEqual(problems("ErrorResponse", JSON.parse(answer.text)), []);
      }
    });
  }

  test("a request that is no request is refused in the same form", async () => {
    for (const body of [{ input: 7 }, { input: [{ type: "message", role: "nobody", content: "x" }] }, { input: "x", tools: {} }]) {
      const answer = await world.ask({ model: "openai-chat/chat", ...body });
      assert.equal(answer.status, 400, answer.text);
      assert.deepEqual(problems("ErrorResponse", JSON.parse(answer.text)), []);
    }
  });
});
