/** What the openai package makes of a gateway's refusals, and that its own retries do not multiply ours. */
import assert from "node:assert/strict";
import { after, before, describe, it } from "node:test";
import OpenAI from "openai";
import { fleetWorld } from "./fleet-world.ts";
import { DIALECTS, EMBEDDING_MODEL, model, QUESTION, type World } from "./world.ts";

const messages = [{ role: "user" as const, content: QUESTION }];

/** The error that a promise ends with, if it is of this class. */
async function raised<E extends Error>(promise: Promise<unknown>, kind: new (...args: never[]) => E): Promise<E> {
  const error = await promise.then(() => assert.fail("it was answered"), (reason: unknown) => reason);
  assert.ok(error instanceof kind, `${kind.name} was expected, not ${String(error)}`);
  return error;
}

describe("openai SDK with its own default retries, on a provider that always answers 503", () => {
  for (const dialect of DIALECTS) {
    for (const stream of [false, true]) {
      it(`costs the gateway's own attempts at ${dialect} and no more, ${stream ? "streamed" : "whole"}`, async () => {
        const world = await fleetWorld();
        try {
          // No maxRetries: the SDK would repeat a 503 twice if it were not told that this is of no use.
          const client = new OpenAI({ baseURL: world.gateway.baseUrl, apiKey: world.apiKey });
          const error = await raised(client.chat.completions.create({ model: model(dialect, "broken"), messages, stream }), OpenAI.InternalServerError);
          assert.equal(error.status, 503);
          assert.equal(error.headers.get("x-should-retry"), "false");
          const requests = await world.gateway.requests();
          assert.equal(requests.length, 1, "requests that the SDK made");
          const calls = world.calls().length;
          assert.ok(calls >= 1 && calls <= 3, `${calls} upstream calls`);
          assert.equal(error.headers.get("x-spillway-attempts"), String(calls));
          assert.deepEqual(requests[0]?.attempts.map((attempt) => attempt.state), Array.from({ length: calls }, () => "unbilled"));
          assert.deepEqual([requests[0]?.record?.outcome, requests[0]?.record?.costNanoUsd], ["error", 0]);
        } finally {
          await world.close();
        }
      });
    }
  }
});

describe("openai SDK, refused before any provider is called", () => {
  let world: World;
  const client = (apiKey = world.apiKey): OpenAI => new OpenAI({ baseURL: world.gateway.baseUrl, apiKey, maxRetries: 0 });
  before(async () => {
    world = await fleetWorld();
  });
  after(async () => {
    assert.equal(world.calls().length, 0, "a provider was called");
    await world.close();
  });

  it("raises NotFoundError with the nearest names for a model that nobody has", async () => {
    for (const stream of [false, true]) {
      const error = await raised(client().chat.completions.create({ model: "chat-antropic", messages, stream }), OpenAI.NotFoundError);
      assert.deepEqual([error.status, error.code, error.param], [404, "unknown_model", "model"]);
      assert.match(error.message, /chat-anthropic/);
    }
    const error = await raised(client().embeddings.create({ model: "vectorz", input: "x" }), OpenAI.NotFoundError);
    assert.ok(error.message.includes(EMBEDDING_MODEL), error.message);
  });

  it("raises AuthenticationError for a key that is not the gateway's, on every path", async () => {
    const stranger = client("sk-somebody-elses");
    const calls: readonly (() => Promise<unknown>)[] = [
      () => stranger.chat.completions.create({ model: model("openai"), messages }),
      () => stranger.chat.completions.create({ model: model("openai"), messages, stream: true }),
      () => stranger.embeddings.create({ model: EMBEDDING_MODEL, input: "x" }),
      () => stranger.models.list(),
      () => stranger.models.retrieve(model("openai")),
    ];
    for (const call of calls) {
      const error = await raised(call(), OpenAI.AuthenticationError);
      assert.equal(error.code, "invalid_key");
      assert.ok(!error.message.includes("sk-somebody-elses"), "the key is repeated");
    }
  });

  it("raises BadRequestError that names the field for a request that no model can answer", async () => {
    const wrong = { model: model("openai"), messages: "hello" } as unknown as OpenAI.ChatCompletionCreateParamsNonStreaming;
    const error = await raised(client().chat.completions.create(wrong), OpenAI.BadRequestError);
    assert.deepEqual([error.code, error.param], ["invalid_type", "messages"]);
  });

  it("raises BadRequestError for vectors from a dialect that is not its own", async () => {
    const error = await raised(client().embeddings.create({ model: model("anthropic"), input: "x" }), OpenAI.BadRequestError);
    assert.equal(error.code, "unsupported_parameter");
  });
});
