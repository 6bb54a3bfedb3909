/** `@anthropic-ai/sdk`, unmodified, in both lines that are in use, on every upstream. */
import assert from "node:assert/strict";
import Anthropic from "@anthropic-ai/sdk";
import { betaZodTool } from "@anthropic-ai/sdk/helpers/beta/zod";
import { zodOutputFormat } from "@anthropic-ai/sdk/helpers/zod";
import AnthropicOld from "anthropic-sdk-0-122";
import { betaZodTool as betaZodToolOld } from "anthropic-sdk-0-122/helpers/beta/zod";
import { zodOutputFormat as zodOutputFormatOld } from "anthropic-sdk-0-122/helpers/zod";
import { z } from "zod";
import { checkPerson, checkPicture, checkThoughtsBack, checkThoughts, Person } from "./checks.ts";
import { matrix, type Cell, type Features, type Seen } from "./matrix.ts";
import { CITY_SCHEMA, JSON_QUESTION, model, PNG, QUESTION, SYSTEM, Toolbox, TOOLS, WORDS, type ToolName } from "./world.ts";

/** What differs between the lines; the types of the newer one stand for both. */
interface Line {
  readonly Client: typeof Anthropic;
  readonly format: typeof zodOutputFormat;
  readonly tool: typeof betaZodTool;
}

const messages: Anthropic.MessageParam[] = [{ role: "user", content: QUESTION }];
const asked = { max_tokens: 200, system: SYSTEM, messages };
const BOTH: readonly ToolName[] = ["get_weather", "get_time"];
const TOOLS_ASKED: Anthropic.Tool[] = BOTH.map((name) => ({ name, description: TOOLS[name].description, input_schema: CITY_SCHEMA }));

const textOf = (message: Anthropic.Message): string => message.content.map((block) => (block.type === "text" ? block.text : "")).join("");
/** All input classes, as each is told apart here. */
const inputOf = (usage: { input_tokens: number; cache_read_input_tokens?: number | null; cache_creation_input_tokens?: number | null }): number =>
  usage.input_tokens + (usage.cache_read_input_tokens ?? 0) + (usage.cache_creation_input_tokens ?? 0);

function usageOf(...told: readonly Anthropic.Message[]): Seen["usage"] {
  return { input: told.reduce((sum, { usage }) => sum + inputOf(usage), 0), output: told.reduce((sum, { usage }) => sum + usage.output_tokens, 0) };
}

/** Runs what was called, and gives the conversation that goes on. */
function goOn(called: Anthropic.Message, box: Toolbox): Anthropic.MessageParam[] {
  assert.equal(called.stop_reason, "tool_use");
  const calls = called.content.filter((block) => block.type === "tool_use");
  assert.equal(new Set(calls.map((call) => call.id)).size, calls.length, "two calls, two ids");
  const results = calls.map((call) => ({
    type: "tool_result" as const, tool_use_id: call.id, content: box.run(call.name as ToolName, call.input as { city: string }),
  }));
  return [...messages, { role: "assistant", content: called.content }, { role: "user", content: results }];
}

function features({ Client, format, tool }: Line): Features<"Anthropic SDK 1.12"> {
  const client = ({ world }: Cell): Anthropic => new Client({ baseURL: world.gateway.url, apiKey: world.apiKey, maxRetries: 0 });
  return {
    async "gets an answer"(cell) {
      const { data: answer, response } = await client(cell).messages.create({ model: model(cell.dialect), ...asked }).withResponse();
      assert.deepEqual([answer.type, answer.role, answer.stop_reason], ["message", "assistant", "end_turn"]);
      cell.world.checkText(textOf(answer));
      assert.ok(cell.calls()[0]?.body.includes(SYSTEM), "the system text did not arrive");
      assert.match(response.headers.get("request-id") ?? "", /./);
      assert.equal((answer as { _request_id?: string | null })._request_id, response.headers.get("request-id"));
      return { usage: usageOf(answer) };
    },

    async "streams, with usage"(cell) {
      const stream = await client(cell).messages.create({ model: model(cell.dialect), ...asked, stream: true });
      const types: string[] = [];
      const pieces: string[] = [];
      let usage: Anthropic.MessageDeltaUsage | undefined;
      let input = 0;
      for await (const event of stream) {
        types.push(event.type);
        if (event.type === "message_start") input = inputOf(event.message.usage);
        if (event.type === "content_block_delta" && event.delta.type === "text_delta") pieces.push(event.delta.text);
        if (event.type === "message_delta") {
          assert.equal(event.delta.stop_reason, "end_turn");
          usage = event.usage;
        }
      }
      cell.world.checkText(pieces.join(""));
      assert.ok(pieces.length >= 10, `in ${pieces.length} pieces only`);
      assert.deepEqual([types[0], types[1], ...types.slice(-3)], ["message_start", "content_block_start", "content_block_stop", "message_delta", "message_stop"]);
      // The input may be known only at the end, where another protocol tells it there.
      const late = usage?.input_tokens == null ? input : inputOf({ ...usage, input_tokens: usage.input_tokens });
      return { usage: { input: late, output: usage?.output_tokens } };
    },

    async "accumulates a stream with its own helper"(cell) {
      const stream = client(cell).messages.stream({ model: model(cell.dialect), ...asked });
      const answer = await stream.finalMessage();
      cell.world.checkText(await stream.finalText());
      assert.equal(answer.stop_reason, "end_turn");
      return { usage: usageOf(answer) };
    },

    async "runs two tools called at once"(cell) {
      const box = new Toolbox();
      const ask = (conversation: Anthropic.MessageParam[]) => client(cell).messages.create({ model: model(cell.dialect), ...asked, messages: conversation, tools: TOOLS_ASKED });
      const called = await ask(messages);
      const answer = await ask(goOn(called, box));
      box.check(BOTH, textOf(answer), cell.calls());
      return { calls: 2, usage: usageOf(called, answer) };
    },

    async "runs two tools called at once over streams"(cell) {
      const box = new Toolbox();
      const ask = (conversation: Anthropic.MessageParam[]) => client(cell).messages.stream({ model: model(cell.dialect), ...asked, messages: conversation, tools: TOOLS_ASKED }).finalMessage();
      const called = await ask(messages);
      const answer = await ask(goOn(called, box));
      box.check(BOTH, textOf(answer), cell.calls());
      return { calls: 2, usage: usageOf(called, answer) };
    },

    async "runs tools with toolRunner"(cell) {
      const box = new Toolbox();
      const tools = BOTH.map((name) => tool({ name, description: TOOLS[name].description, inputSchema: z.object({ city: z.string() }), run: (args) => box.run(name, args) }));
      const answer = await client(cell).beta.messages.toolRunner({ model: model(cell.dialect), ...asked, tools });
      assert.equal(answer.stop_reason, "end_turn");
      box.check(BOTH, answer.content.map((block) => (block.type === "text" ? block.text : "")).join(""), cell.calls());
      return { calls: 2 };
    },

    async "parses structured output"(cell) {
      const answer = await client(cell).messages.parse({
        model: model(cell.dialect), max_tokens: 200, messages: [{ role: "user", content: JSON_QUESTION }], output_config: { format: format(Person) },
      });
      checkPerson(cell, answer.parsed_output);
      return { usage: usageOf(answer) };
    },

    async "parses structured output of a stream"(cell) {
      const stream = client(cell).messages.stream({
        model: model(cell.dialect), max_tokens: 200, messages: [{ role: "user", content: JSON_QUESTION }], output_config: { format: format(Person) },
      });
      const answer = await stream.finalMessage();
      checkPerson(cell, answer.parsed_output);
      return { usage: usageOf(answer) };
    },

    async "reads what a model thought, and brings its signatures back"(cell) {
      const box = new Toolbox();
      const ask = (conversation: Anthropic.MessageParam[]) => client(cell).messages.stream({
        model: model(cell.dialect, "thinker"), ...asked, max_tokens: 4_000, messages: conversation, tools: TOOLS_ASKED,
      });
      const called = await ask(messages).finalMessage();
      const [thinking] = called.content;
      assert.ok(thinking?.type === "thinking", `${thinking?.type} comes first`);
      checkThoughts(thinking.thinking);
      const second = ask(goOn(called, box));
      const answer = await second.finalMessage();
      box.check(BOTH, textOf(answer), cell.calls());
      checkThoughtsBack(cell, thinking, (await second.withResponse()).response.headers);
      return { calls: 2, usage: usageOf(called, answer) };
    },

    async "sends a picture"(cell) {
      const picture = { type: "image" as const, source: { type: "base64" as const, media_type: "image/png" as const, data: PNG } };
      const answer = await client(cell).messages.create({
        model: model(cell.dialect), max_tokens: 200, messages: [{ role: "user", content: [{ type: "text", text: QUESTION }, picture] }],
      });
      cell.world.checkText(textOf(answer));
      if (cell.world.kind === "fleet") checkPicture(cell);
      return { usage: usageOf(answer) };
    },

    async "lists and retrieves models"(cell) {
      const listed: Anthropic.ModelInfo[] = [];
      for await (const one of client(cell).models.list({ limit: 1000 })) listed.push(one);
      const found = listed.find((one) => one.id === model(cell.dialect));
      assert.equal(found?.type, "model");
      assert.deepEqual(await client(cell).models.retrieve(model(cell.dialect)), found);
      await assert.rejects(client(cell).models.retrieve("no-such-model"), Client.NotFoundError);
      return { calls: 0 };
    },

    async "raises BadRequestError in the provider's words"(cell) {
      for (const stream of [false, true]) {
        await assert.rejects(client(cell).messages.create({ model: model(cell.dialect, "faulty"), ...asked, stream }), (error) => {
          assert.ok(error instanceof Client.BadRequestError, String(error));
          assert.deepEqual([error.status, error.type], [400, "invalid_request_error"]);
          assert.ok(error.message.includes(WORDS), error.message);
          assert.match(error.requestID ?? "", /./);
          return true;
        });
      }
      return { calls: 2 };
    },

    async "leaves a stream by its AbortController"(cell) {
      const stream = await client(cell).messages.create({ model: model(cell.dialect, "slow"), ...asked, max_tokens: 4_000, stream: true });
      let pieces = 0;
      for await (const event of stream) {
        if (event.type === "content_block_delta") pieces += 1;
        if (pieces === 3) stream.controller.abort();
      }
      await cell.noticed("client_gone");
      return {};
    },
  };
}

matrix("Anthropic SDK 1.12", features({ Client: Anthropic, format: zodOutputFormat, tool: betaZodTool }));
matrix("Anthropic SDK 0.122", features({
  Client: AnthropicOld as unknown as typeof Anthropic,
  format: zodOutputFormatOld as unknown as typeof zodOutputFormat,
  tool: betaZodToolOld as unknown as typeof betaZodTool,
}));
