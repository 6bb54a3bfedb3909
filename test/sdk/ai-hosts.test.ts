/** The AI SDK (`ai`), unmodified, by its packages for Mistral and for Bedrock, on every upstream. */
import assert from "node:assert/strict";
import { it } from "node:test";
import { createAmazonBedrock } from "@ai-sdk/amazon-bedrock";
import { createMistral } from "@ai-sdk/mistral";
import { APICallError, generateText, stepCountIs, streamText, type LanguageModel } from "ai";
import { aiSdkFeatures, asked, getVectors, toolsOf, usageOf } from "./ai-sdk-features.ts";
import { checkThoughts } from "./checks.ts";
import { fleetWorld } from "./fleet-world.ts";
import { matrix, type Cell } from "./matrix.ts";
import { checkProof } from "./proof.ts";
import { EMBEDDING_MODEL, model, Toolbox, type Behaviour } from "./world.ts";

/** By the base URL of its maker's own form: nothing else tells this package from the others of the AI SDK. */
const mistral = ({ world }: Cell) => createMistral({ baseURL: `${world.gateway.url}/mistral/v1`, apiKey: world.apiKey });

matrix("AI SDK by @ai-sdk/mistral", {
  ...aiSdkFeatures((cell, behaviour) => mistral(cell)(model(cell.dialect, behaviour))),

  async "reads what a model thought, and brings its signatures back"(cell) {
    const box = new Toolbox();
    const answer = streamText({ model: mistral(cell)(model(cell.dialect, "thinker")), ...asked, tools: toolsOf(box, ["get_weather"]), stopWhen: stepCountIs(3) });
    await answer.consumeStream();
    box.check(["get_weather"], await answer.text, cell.calls());
    const [first] = await answer.steps;
    checkThoughts(first?.reasoningText);
    checkProof(cell);
    return { calls: 2, usage: usageOf(await answer.totalUsage) };
  },

  "gets vectors": (cell) => getVectors(cell, mistral(cell).embeddingModel(EMBEDDING_MODEL)),
});

/** By a bearer key, which goes before the package's own signing. */
const bedrock = ({ world, dialect }: Cell, behaviour?: Behaviour): LanguageModel =>
  createAmazonBedrock({ baseURL: world.gateway.url, region: "us-east-1", apiKey: world.apiKey })(model(dialect, behaviour));

matrix("AI SDK by @ai-sdk/amazon-bedrock", {
  ...aiSdkFeatures(bedrock),

  async "reads what a model thought, and brings its signatures back"(cell) {
    const box = new Toolbox();
    const answer = streamText({ model: bedrock(cell, "thinker"), ...asked, tools: toolsOf(box, ["get_weather"]), stopWhen: stepCountIs(3) });
    await answer.consumeStream();
    box.check(["get_weather"], await answer.text, cell.calls());
    const [first] = await answer.steps;
    checkThoughts(first?.reasoningText);
    // Thoughts that nobody signed the package leaves out by itself; the protocol has no place for what is signed at a call.
    if (cell.dialect === "anthropic") checkProof(cell);
    return { calls: 2, usage: usageOf(await answer.totalUsage) };
  },
});

it("AI SDK by @ai-sdk/amazon-bedrock that signs by access keys is told to send a bearer key", async () => {
  const world = await fleetWorld();
  try {
    // Spaces are no key, which keeps a variable of the machine from standing in for it.
    const signing = createAmazonBedrock({ baseURL: world.gateway.url, region: "us-east-1", apiKey: " ", accessKeyId: "AKIDEXAMPLE", secretAccessKey: "secret" });
    await assert.rejects(generateText({ model: signing(model("openai")), ...asked }), (error) => {
      assert.ok(APICallError.isInstance(error), String(error));
      assert.equal(error.statusCode, 401);
      assert.match(error.message, /Signature Version 4 .* bearer key/);
      assert.ok(!error.responseBody?.includes("AKIDEXAMPLE"), "the access key is repeated");
      return true;
    });
    assert.equal(world.calls().length, 0);
  } finally {
    await world.close();
  }
});
