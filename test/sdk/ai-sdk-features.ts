/** What the AI SDK (`ai`) shows, by whichever provider's package. */
import assert from "node:assert/strict";
import { APICallError, embedMany, generateObject, generateText, Output, stepCountIs, streamText, tool, type EmbeddingModel, type LanguageModel } from "ai";
import { z } from "zod";
import { checkPerson, checkPicture, checkVectors, Person } from "./checks.ts";
import type { Cell, Features, Seen } from "./matrix.ts";
import { JSON_QUESTION, PNG, QUESTION, SYSTEM, Toolbox, TOOLS, WORDS, type Behaviour, type ToolName } from "./world.ts";

/** The model of a provider's package that a case speaks to. */
type ModelOf = (cell: Cell, behaviour?: Behaviour) => LanguageModel;

export const usageOf = (usage: { inputTokens?: number | undefined; outputTokens?: number | undefined }): Seen["usage"] => ({ input: usage.inputTokens, output: usage.outputTokens });
export const asked = { instructions: SYSTEM, prompt: QUESTION, maxRetries: 0 } as const;

export function toolsOf(box: Toolbox, names: readonly ToolName[]) {
  return Object.fromEntries(names.map((name) => [name, tool({
    description: TOOLS[name].description,
    inputSchema: z.object({ city: z.string() }),
    execute: (args) => box.run(name, args),
  })]));
}

/** The rows that all its providers have. */
export function aiSdkFeatures(chat: ModelOf): Omit<Features<"AI SDK by @ai-sdk/openai">, "gets vectors"> {
  return {
    async "generates text"(cell) {
      const answer = await generateText({ model: chat(cell), ...asked });
      cell.world.checkText(answer.text);
      assert.equal(answer.finishReason, "stop");
      assert.ok(cell.calls()[0]?.body.includes(SYSTEM), "the instructions did not arrive");
      return { usage: usageOf(answer.totalUsage) };
    },

    async "streams text, with usage"(cell) {
      const answer = streamText({ model: chat(cell), ...asked });
      const pieces: string[] = [];
      for await (const piece of answer.textStream) pieces.push(piece);
      cell.world.checkText(pieces.join(""));
      assert.ok(pieces.length >= 10, `in ${pieces.length} pieces only`);
      assert.equal(await answer.finishReason, "stop");
      return { usage: usageOf(await answer.totalUsage) };
    },

    async "runs two tools at once and goes on with what they said"(cell) {
      const box = new Toolbox();
      const answer = await generateText({ model: chat(cell), ...asked, tools: toolsOf(box, ["get_weather", "get_time"]), stopWhen: stepCountIs(3) });
      box.check(["get_weather", "get_time"], answer.text, cell.calls());
      assert.deepEqual(answer.steps.map((step) => step.finishReason), ["tool-calls", "stop"]);
      return { calls: 2, usage: usageOf(answer.totalUsage) };
    },

    async "runs a tool over streams"(cell) {
      const box = new Toolbox();
      const answer = streamText({ model: chat(cell), ...asked, tools: toolsOf(box, ["get_weather"]), stopWhen: stepCountIs(3) });
      await answer.consumeStream();
      box.check(["get_weather"], await answer.text, cell.calls());
      assert.deepEqual((await answer.steps).map((step) => step.finishReason), ["tool-calls", "stop"]);
      return { calls: 2, usage: usageOf(await answer.totalUsage) };
    },

    async "gets an object of a schema"(cell) {
      const answer = await generateText({ model: chat(cell), prompt: JSON_QUESTION, maxRetries: 0, output: Output.object({ schema: Person }) });
      checkPerson(cell, answer.output);
      return { usage: usageOf(answer.totalUsage) };
    },

    async "gets an object of a schema by generateObject"(cell) {
      const answer = await generateObject({ model: chat(cell), prompt: JSON_QUESTION, maxRetries: 0, schema: Person });
      checkPerson(cell, answer.object);
      return { usage: usageOf(answer.usage) };
    },

    async "streams an object of a schema"(cell) {
      const answer = streamText({ model: chat(cell), prompt: JSON_QUESTION, maxRetries: 0, output: Output.object({ schema: Person }) });
      await answer.consumeStream();
      checkPerson(cell, await answer.output);
      return { usage: usageOf(await answer.totalUsage) };
    },

    async "sends a picture"(cell) {
      const answer = await generateText({
        model: chat(cell), maxRetries: 0,
        messages: [{ role: "user", content: [{ type: "text", text: QUESTION }, { type: "file", data: PNG, mediaType: "image/png" }] }],
      });
      cell.world.checkText(answer.text);
      if (cell.world.kind === "fleet") checkPicture(cell);
      return { usage: usageOf(answer.totalUsage) };
    },

    async "raises APICallError in the provider's words, and would not repeat the call"(cell) {
      await assert.rejects(generateText({ model: chat(cell, "faulty"), ...asked }), (error) => {
        assert.ok(APICallError.isInstance(error), String(error));
        assert.deepEqual([error.statusCode, error.isRetryable], [400, false]);
        assert.equal(error.message, WORDS);
        return true;
      });
      return {};
    },

    async "leaves a stream by its AbortSignal"(cell) {
      const leave = new AbortController();
      let aborted = false;
      const answer = streamText({ model: chat(cell, "slow"), ...asked, abortSignal: leave.signal, onAbort: () => { aborted = true; } });
      let pieces = 0;
      for await (const _ of answer.textStream) {
        pieces += 1;
        if (pieces === 3) leave.abort();
      }
      assert.ok(aborted, "the SDK did not notice");
      await cell.noticed("client_gone");
      return {};
    },
  };
}

/** The row of those that give vectors. */
export async function getVectors(cell: Cell, embedding: EmbeddingModel): Promise<Seen> {
  const answer = await embedMany({ model: embedding, values: ["over", "under"], maxRetries: 0 });
  checkVectors(cell, answer.embeddings);
  return {};
}
