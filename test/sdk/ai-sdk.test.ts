/** The AI SDK (`ai`), unmodified, by its packages for OpenAI's protocols, on every upstream. */
import assert from "node:assert/strict";
import { createOpenAI } from "@ai-sdk/openai";
import { createOpenAICompatible } from "@ai-sdk/openai-compatible";
import { stepCountIs, streamText } from "ai";
import { aiSdkFeatures, asked, getVectors, toolsOf, usageOf } from "./ai-sdk-features.ts";
import { checkThoughts } from "./checks.ts";
import { matrix, type Cell, type Seen } from "./matrix.ts";
import { checkProof } from "./proof.ts";
import { EMBEDDING_MODEL, model, Toolbox } from "./world.ts";

matrix("AI SDK by @ai-sdk/openai-compatible", {
  ...aiSdkFeatures((cell, behaviour) => compatible(cell).chatModel(model(cell.dialect, behaviour))),
  "gets vectors": (cell) => getVectors(cell, compatible(cell).embeddingModel(EMBEDDING_MODEL)),

  async "reads what a model thought, and brings its signatures back"(cell) {
    const box = new Toolbox();
    const answer = streamText({ model: compatible(cell).chatModel(model(cell.dialect, "thinker")), ...asked, tools: toolsOf(box, ["get_weather"]), stopWhen: stepCountIs(3) });
    await answer.consumeStream();
    box.check(["get_weather"], await answer.text, cell.calls());
    for (const step of await answer.steps) checkThoughts(step.reasoningText);
    // The package keeps Gemini's signatures and the text of others' thoughts; Anthropic's signed blocks it drops.
    const body = cell.calls().at(-1)?.body ?? "";
    if (cell.dialect === "openai") assert.match(body, /"reasoning_content":"[a-z ]+"/);
    if (cell.dialect === "gemini") assert.match(body, /"thoughtSignature":"[A-Za-z0-9+/=]{20,}"/);
    return { calls: 2, usage: usageOf(await answer.totalUsage) };
  },
});

matrix("AI SDK by @ai-sdk/openai", {
  ...aiSdkFeatures((cell, behaviour) => openai(cell).chat(model(cell.dialect, behaviour))),
  "gets vectors": (cell) => getVectors(cell, openai(cell).embeddingModel(EMBEDDING_MODEL)),
});

matrix("AI SDK by @ai-sdk/openai's responses", {
  // The package's own choice, where neither is named.
  ...aiSdkFeatures((cell, behaviour) => openai(cell)(model(cell.dialect, behaviour))),

  // The answer's own items come back, with what is sealed in them.
  "reads what a model thought, and brings its signatures back": (cell) => thinkAndGoOn(cell, false),
  // As the package does by itself.
  "goes on from thoughts that it names by their ids alone": (cell) => thinkAndGoOn(cell, true),
});

async function thinkAndGoOn(cell: Cell, store: boolean): Promise<Seen> {
  const box = new Toolbox();
  const options = { store, forceReasoning: true, reasoningSummary: "auto", ...(store ? {} : { include: ["reasoning.encrypted_content" as const] }) };
  const answer = streamText({
    model: openai(cell)(model(cell.dialect, "thinker")), ...asked, tools: toolsOf(box, ["get_weather"]), stopWhen: stepCountIs(3), providerOptions: { openai: options },
  });
  await answer.consumeStream();
  box.check(["get_weather"], await answer.text, cell.calls());
  const [first] = await answer.steps;
  checkThoughts(first?.reasoningText);
  // Thoughts that nobody signed the package leaves out by itself.
  if (cell.dialect !== "openai") checkProof(cell);
  return { calls: 2, usage: usageOf(await answer.totalUsage) };
}

function openai({ world }: Cell) {
  return createOpenAI({ baseURL: world.gateway.baseUrl, apiKey: world.apiKey });
}

function compatible({ world }: Cell) {
  return createOpenAICompatible({
    name: "spillway", baseURL: world.gateway.baseUrl, apiKey: world.apiKey, includeUsage: true, supportsStructuredOutputs: true,
  });
}
