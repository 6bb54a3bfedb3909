/** What the `openai` package shows by chat completions: chat, streams, helpers, tools, structured output, pictures, embeddings. */
import assert from "node:assert/strict";
import OpenAI from "openai";
import { zodResponseFormat } from "openai/helpers/zod";
import type { ChatCompletionMessageParam } from "openai/resources/chat/completions";
import { checkPerson, checkPicture, checkThoughts, checkVectors, Person } from "./checks.ts";
import type { Cell, Features, Seen } from "./matrix.ts";
import { CITY_SCHEMA, EMBEDDING_MODEL, JSON_QUESTION, model, PNG, QUESTION, SYSTEM, Toolbox, TOOLS, WORDS, type ToolName } from "./world.ts";

const messages: ChatCompletionMessageParam[] = [{ role: "system", content: SYSTEM }, { role: "user", content: QUESTION }];
const usageOf = (usage: OpenAI.CompletionUsage | null | undefined): Seen["usage"] => ({ input: usage?.prompt_tokens, output: usage?.completion_tokens });

function runnable(box: Toolbox, names: readonly ToolName[]) {
  return names.map((name) => ({
    type: "function" as const,
    function: {
      name,
      description: TOOLS[name].description,
      parameters: CITY_SCHEMA,
      parse: (text: string) => JSON.parse(text) as { city: string },
      function: (args: { city: string }) => box.run(name, args),
    },
  }));
}

/** Upstreams whose errors have a code. The mock words Cohere's as OpenAI's. */
const CODED: ReadonlySet<string> = new Set(["openai", "responses", "cohere"]);

/** The rows of a client that is this package's, however it is made. */
export function openaiFeatures(client: (cell: Cell) => OpenAI): Features<"openai SDK"> {
  return {
    async "gets an answer"(cell) {
      const answer = await client(cell).chat.completions.create({ model: model(cell.dialect), messages });
      assert.equal(answer.object, "chat.completion");
      assert.equal(answer.choices[0]?.finish_reason, "stop");
      cell.world.checkText(answer.choices[0]?.message.content);
      assert.ok(cell.calls()[0]?.body.includes(SYSTEM), "the system message did not arrive");
      return { usage: usageOf(answer.usage) };
    },

    async streams(cell) {
      const stream = await client(cell).chat.completions.create({ model: model(cell.dialect), messages, stream: true });
      let text = "";
      let pieces = 0;
      let finish: string | null = null;
      for await (const chunk of stream) {
        assert.equal(chunk.usage ?? null, null, "usage that was not asked");
        const piece = chunk.choices[0]?.delta.content ?? "";
        text += piece;
        if (piece !== "") pieces += 1;
        finish = chunk.choices[0]?.finish_reason ?? finish;
      }
      cell.world.checkText(text);
      assert.ok(pieces >= 10, `in ${pieces} pieces only`);
      assert.equal(finish, "stop");
      return {};
    },

    async "reads usage and cost at the end of a stream"(cell) {
      const { data: stream, response } = await client(cell).chat.completions
        .create({ model: model(cell.dialect), messages, stream: true, stream_options: { include_usage: true } })
        .withResponse();
      assert.equal(response.headers.get("x-spillway-attempts"), "1");
      const chunks: OpenAI.ChatCompletionChunk[] = [];
      for await (const chunk of stream) chunks.push(chunk);
      const told = chunks.filter((chunk) => (chunk.usage ?? null) !== null);
      assert.equal(told.length, 1);
      assert.equal(told[0], chunks.at(-1), "usage is not the last chunk");
      const { spillway } = told[0] as unknown as { spillway: { cost_usd: number } };
      assert.equal(Math.round(spillway.cost_usd * 1e9), cell.calls()[0]?.costNanoUsd);
      return { usage: usageOf(told[0]?.usage) };
    },

    async "accumulates a stream with its own helper"(cell) {
      const stream = client(cell).chat.completions.stream({ model: model(cell.dialect), messages, stream_options: { include_usage: true } });
      const answer = await stream.finalChatCompletion();
      cell.world.checkText(answer.choices[0]?.message.content);
      assert.equal(answer.choices[0]?.finish_reason, "stop");
      return { usage: usageOf(await stream.totalUsage()) };
    },

    async "runs a tool with runTools"(cell) {
      const box = new Toolbox();
      const runner = client(cell).chat.completions.runTools({ model: model(cell.dialect), messages, tools: runnable(box, ["get_weather"]) });
      box.check(["get_weather"], await runner.finalContent(), cell.calls());
      const [first] = runner.allChatCompletions();
      assert.equal(first?.choices[0]?.finish_reason, "tool_calls");
      assert.match(first?.choices[0]?.message.tool_calls?.[0]?.id ?? "", /./);
      return { calls: 2, usage: usageOf(await runner.totalUsage()) };
    },

    async "runs a tool with runTools over streams"(cell) {
      const box = new Toolbox();
      const runner = client(cell).chat.completions.runTools({
        model: model(cell.dialect), messages, tools: runnable(box, ["get_weather"]), stream: true, stream_options: { include_usage: true },
      });
      box.check(["get_weather"], await runner.finalContent(), cell.calls());
      assert.equal(runner.allChatCompletions()[0]?.choices[0]?.finish_reason, "tool_calls");
      return { calls: 2, usage: usageOf(await runner.totalUsage()) };
    },

    async "runs two tools called at once"(cell) {
      const box = new Toolbox();
      const runner = client(cell).chat.completions.runTools({
        model: model(cell.dialect), messages, tools: runnable(box, ["get_weather", "get_time"]), stream: true,
      });
      box.check(["get_weather", "get_time"], await runner.finalContent(), cell.calls());
      const ids = runner.allChatCompletions()[0]?.choices[0]?.message.tool_calls?.map((call) => call.id) ?? [];
      assert.equal(new Set(ids).size, 2, "two calls, two ids");
      return { calls: 2 };
    },

    async "parses structured output"(cell) {
      const answer = await client(cell).chat.completions.parse({
        model: model(cell.dialect), messages: [{ role: "user", content: JSON_QUESTION }], response_format: zodResponseFormat(Person, "person"),
      });
      checkPerson(cell, answer.choices[0]?.message.parsed);
      return { usage: usageOf(answer.usage) };
    },

    async "parses structured output of a stream"(cell) {
      const stream = client(cell).chat.completions.stream({
        model: model(cell.dialect), messages: [{ role: "user", content: JSON_QUESTION }], response_format: zodResponseFormat(Person, "person"),
      });
      checkPerson(cell, (await stream.finalChatCompletion()).choices[0]?.message.parsed);
      return {};
    },

    async "reads what a model thought, and brings its signatures back"(cell) {
      const asked = { model: model(cell.dialect, "thinker"), messages, tools: [{ type: "function" as const, function: { name: "get_weather", parameters: CITY_SCHEMA } }] };
      let thoughts = "";
      for await (const chunk of await client(cell).chat.completions.create({ ...asked, stream: true })) {
        thoughts += (chunk.choices[0]?.delta as { reasoning_content?: string } | undefined)?.reasoning_content ?? "";
      }
      checkThoughts(thoughts);
      const { message } = (await client(cell).chat.completions.create(asked)).choices[0] ?? assert.fail("no choice");
      checkThoughts((message as { reasoning_content?: string }).reasoning_content);
      // Not by runTools: it keeps of a message only what it knows, and drops all reasoning.
      const [call] = message.tool_calls ?? [];
      await client(cell).chat.completions.create({ ...asked, messages: [...messages, message, { role: "tool", tool_call_id: call?.id ?? "", content: "Rain." }] });
      checkSignature(cell, message);
      return { calls: 3 };
    },

    async "sends a picture"(cell) {
      const answer = await client(cell).chat.completions.create({
        model: model(cell.dialect),
        messages: [{ role: "user", content: [{ type: "text", text: QUESTION }, { type: "image_url", image_url: { url: `data:image/png;base64,${PNG}` } }] }],
      });
      cell.world.checkText(answer.choices[0]?.message.content);
      if (cell.world.kind === "fleet") checkPicture(cell);
      return {};
    },

    async "gets vectors, in base64 as it asks by itself"(cell) {
      const answer = await client(cell).embeddings.create({ model: EMBEDDING_MODEL, input: ["over", "under"] });
      if (cell.world.kind === "fleet") assert.match(cell.calls()[0]?.body ?? "", /"encoding_format":"base64"/);
      checkVectors(cell, answer.data.map((one) => one.embedding));
      return { usage: { input: answer.usage.prompt_tokens, output: 0 } };
    },

    async "gets vectors as numbers"(cell) {
      const answer = await client(cell).embeddings.create({ model: EMBEDDING_MODEL, input: ["over", "under"], encoding_format: "float" });
      checkVectors(cell, answer.data.map((one) => one.embedding));
      return {};
    },

    async "lists and retrieves models"(cell) {
      const listed: OpenAI.Model[] = [];
      for await (const one of client(cell).models.list()) listed.push(one);
      const ids = listed.map((one) => one.id);
      for (const wanted of [model(cell.dialect), EMBEDDING_MODEL]) assert.ok(ids.includes(wanted), `${wanted} is not among ${ids.join(", ")}`);
      assert.equal(new Set(ids).size, ids.length);
      assert.deepEqual(await client(cell).models.retrieve(model(cell.dialect)), listed[ids.indexOf(model(cell.dialect))]);
      await assert.rejects(client(cell).models.retrieve("no-such-model"), OpenAI.NotFoundError);
      return { calls: 0 };
    },

    async "leaves a stream by its AbortController"(cell) {
      const stream = await client(cell).chat.completions.create({ model: model(cell.dialect, "slow"), messages, stream: true });
      let pieces = 0;
      for await (const chunk of stream) {
        if ((chunk.choices[0]?.delta.content ?? "") !== "") pieces += 1;
        if (pieces === 3) stream.controller.abort();
      }
      await cell.noticed("client_gone");
      return {};
    },

    async "raises BadRequestError in the provider's words"(cell) {
      for (const stream of [false, true]) {
        await assert.rejects(client(cell).chat.completions.create({ model: model(cell.dialect, "faulty"), messages, stream }), (error) => {
          assert.ok(error instanceof OpenAI.BadRequestError, String(error));
          assert.ok(error.message.includes(WORDS), error.message);
          // Codes and parameters are told on where the upstream's errors have any; elsewhere the code is ours.
          assert.equal(error.code, CODED.has(cell.dialect) ? "invalid_value" : "upstream_bad_request");
          assert.equal(error.param ?? null, CODED.has(cell.dialect) ? "top_k" : null);
          assert.match(error.requestID ?? "", /./);
          return true;
        });
      }
      return { calls: 2 };
    },
  };
}

/** What a provider gave as proof of its thoughts came back to it, in the place where it wants it. */
function checkSignature(cell: Cell, message: object): void {
  const { reasoning_content, thinking_blocks, tool_calls } = message as {
    reasoning_content: string;
    thinking_blocks?: { signature: string }[];
    tool_calls: { extra_content?: { google: { thought_signature: string } } }[];
  };
  const wanted = {
    openai: () => `"reasoning_content":${JSON.stringify(reasoning_content)}`,
    anthropic: () => JSON.stringify({ type: "thinking", thinking: reasoning_content, signature: thinking_blocks?.[0]?.signature ?? assert.fail("no signature") }),
    gemini: () => `"thoughtSignature":${JSON.stringify(tool_calls[0]?.extra_content?.google.thought_signature ?? assert.fail("no signature"))}`,
  }[cell.dialect]();
  const body = cell.calls().at(-1)?.body ?? "";
  assert.ok(body.includes(wanted), `${wanted} is not in ${body}`);
}
