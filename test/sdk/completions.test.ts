/** The `openai` package, unmodified, by the old completions on every upstream. */
import assert from "node:assert/strict";
import OpenAI from "openai";
import { matrix, type Cell, type Seen } from "./matrix.ts";
import { model, QUESTION, WORDS } from "./world.ts";

const client = ({ world }: Cell): OpenAI => new OpenAI({ baseURL: world.gateway.baseUrl, apiKey: world.apiKey, maxRetries: 0 });
const usageOf = (usage: OpenAI.CompletionUsage | null | undefined): Seen["usage"] => ({ input: usage?.prompt_tokens, output: usage?.completion_tokens });

matrix("openai SDK by completions", {
  async "gets an answer"(cell) {
    const answer = await client(cell).completions.create({ model: model(cell.dialect), prompt: QUESTION });
    assert.equal(answer.object, "text_completion");
    assert.equal(answer.choices[0]?.finish_reason, "stop");
    cell.world.checkText(answer.choices[0]?.text);
    return { usage: usageOf(answer.usage) };
  },

  async "streams, with usage"(cell) {
    const stream = await client(cell).completions.create({ model: model(cell.dialect), prompt: QUESTION, stream: true, stream_options: { include_usage: true } });
    let text = "";
    let pieces = 0;
    let finish: string | null = null;
    let usage: OpenAI.CompletionUsage | null | undefined;
    for await (const chunk of stream) {
      const piece = chunk.choices[0]?.text ?? "";
      text += piece;
      if (piece !== "") pieces += 1;
      finish = chunk.choices[0]?.finish_reason ?? finish;
      usage = chunk.usage ?? usage;
    }
    cell.world.checkText(text);
    assert.ok(pieces >= 10, `in ${pieces} pieces only`);
    assert.equal(finish, "stop");
    return { usage: usageOf(usage) };
  },

  async "raises BadRequestError in the provider's words"(cell) {
    for (const stream of [false, true]) {
      await assert.rejects(client(cell).completions.create({ model: model(cell.dialect, "faulty"), prompt: QUESTION, stream }), (error) => {
        assert.ok(error instanceof OpenAI.BadRequestError, String(error));
        assert.ok(error.message.includes(WORDS), error.message);
        return true;
      });
    }
    return { calls: 2 };
  },

  async "leaves a stream by its AbortController"(cell) {
    const stream = await client(cell).completions.create({ model: model(cell.dialect, "slow"), prompt: QUESTION, stream: true });
    let pieces = 0;
    for await (const chunk of stream) {
      if ((chunk.choices[0]?.text ?? "") !== "") pieces += 1;
      if (pieces === 3) stream.controller.abort();
    }
    await cell.noticed("client_gone");
    return {};
  },
});
