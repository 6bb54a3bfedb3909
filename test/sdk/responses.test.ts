/** The `openai` package, unmodified, by responses on every upstream. */
import assert from "node:assert/strict";
import OpenAI from "openai";
import { zodTextFormat } from "openai/helpers/zod";
import type { FunctionTool, Response, ResponseInput, ResponseUsage } from "openai/resources/responses/responses";
import { checkPerson, checkPicture, checkThoughts, Person } from "./checks.ts";
import { matrix, type Cell, type Seen } from "./matrix.ts";
import { checkProofOrWarning } from "./proof.ts";
import { CITY_SCHEMA, JSON_QUESTION, model, PNG, QUESTION, SYSTEM, Toolbox, TOOLS, WORDS, type ToolName } from "./world.ts";

const client = ({ world }: Cell): OpenAI => new OpenAI({ baseURL: world.gateway.baseUrl, apiKey: world.apiKey, maxRetries: 0 });
const question = { instructions: SYSTEM, input: QUESTION } as const;
const NAMES = ["get_weather", "get_time"] as const;

function usageOf(...told: readonly (ResponseUsage | null | undefined)[]): Seen["usage"] {
  const sum = (key: "input_tokens" | "output_tokens"): number => told.reduce((total, usage) => total + (usage?.[key] ?? NaN), 0);
  return { input: sum("input_tokens"), output: sum("output_tokens") };
}

const toolsOf = (names: readonly ToolName[]): FunctionTool[] =>
  names.map((name) => ({ type: "function", name, description: TOOLS[name].description, parameters: CITY_SCHEMA, strict: true }));

/** The whole output as input again, and what the tools say. */
function goOn(first: Response, box: Toolbox): ResponseInput {
  const results = first.output.filter((item) => item.type === "function_call").map((item) => ({
    type: "function_call_output" as const,
    call_id: item.call_id,
    output: box.run(item.name as ToolName, JSON.parse(item.arguments) as { city: string }),
  }));
  return [{ role: "user", content: QUESTION }, ...(first.output as ResponseInput), ...results];
}

async function runTools(cell: Cell, ask: (input: string | ResponseInput) => Promise<Response>): Promise<Seen> {
  const box = new Toolbox();
  const first = await ask(QUESTION);
  const second = await ask(goOn(first, box));
  box.check(NAMES, second.output_text, cell.calls());
  const ids = first.output.flatMap((item) => (item.type === "function_call" ? [item.call_id] : []));
  assert.equal(new Set(ids).size, 2, "two calls, two ids");
  return { calls: 2, usage: usageOf(first.usage, second.usage) };
}

matrix("openai SDK by responses", {
  async "gets an answer"(cell) {
    const answer = await client(cell).responses.create({ model: model(cell.dialect), ...question });
    assert.deepEqual([answer.object, answer.status, answer.error ?? null], ["response", "completed", null]);
    cell.world.checkText(answer.output_text);
    assert.ok(cell.calls()[0]?.body.includes(SYSTEM), "the instructions did not arrive");
    return { usage: usageOf(answer.usage) };
  },

  async "streams, with usage"(cell) {
    const { data: stream, response } = await client(cell).responses.create({ model: model(cell.dialect), ...question, stream: true }).withResponse();
    assert.equal(response.headers.get("x-spillway-attempts"), "1");
    let text = "";
    let pieces = 0;
    let numbers = -1;
    let last: Response | undefined;
    for await (const event of stream) {
      // The mock of others does not number its events, which pass as they came where client and upstream speak the same.
      if (cell.world.kind === "fleet") assert.equal(event.sequence_number, ++numbers);
      if (event.type === "response.output_text.delta") {
        text += event.delta;
        pieces += 1;
      }
      if (event.type === "response.completed") last = event.response;
    }
    cell.world.checkText(text);
    assert.ok(pieces >= 10, `in ${pieces} pieces only`);
    return { usage: usageOf(last?.usage) };
  },

  async "accumulates a stream with its own helper"(cell) {
    const answer = await client(cell).responses.stream({ model: model(cell.dialect), ...question }).finalResponse();
    assert.equal(answer.status, "completed");
    cell.world.checkText(answer.output_text);
    return { usage: usageOf(answer.usage) };
  },

  "runs two tools called at once": (cell) =>
    runTools(cell, (input) => client(cell).responses.create({ model: model(cell.dialect), instructions: SYSTEM, input, tools: toolsOf(NAMES) })),

  "runs two tools called at once over streams": (cell) =>
    runTools(cell, (input) => client(cell).responses.stream({ model: model(cell.dialect), instructions: SYSTEM, input, tools: toolsOf(NAMES) }).finalResponse()),

  async "parses structured output"(cell) {
    const answer = await client(cell).responses.parse({ model: model(cell.dialect), input: JSON_QUESTION, text: { format: zodTextFormat(Person, "person") } });
    checkPerson(cell, answer.output_parsed);
    return { usage: usageOf(answer.usage) };
  },

  async "parses structured output of a stream"(cell) {
    const stream = client(cell).responses.stream({ model: model(cell.dialect), input: JSON_QUESTION, text: { format: zodTextFormat(Person, "person") } });
    checkPerson(cell, (await stream.finalResponse()).output_parsed);
    return {};
  },

  async "reads what a model thought, and brings its signatures back"(cell) {
    const asked = { model: model(cell.dialect, "thinker"), instructions: SYSTEM, tools: toolsOf(["get_weather"]), store: false, include: ["reasoning.encrypted_content" as const] };
    const box = new Toolbox();
    const first = await client(cell).responses.stream({ ...asked, input: QUESTION }).finalResponse();
    const [thought] = first.output;
    assert.ok(thought?.type === "reasoning", "the thoughts do not come first");
    checkThoughts(thought.summary.map(({ text }) => text).join(""));
    const { data: second, response } = await client(cell).responses.create({ ...asked, input: goOn(first, box) }).withResponse();
    box.check(["get_weather"], second.output_text, cell.calls());
    checkProofOrWarning(cell, response.headers);
    return { calls: 2, usage: usageOf(first.usage, second.usage) };
  },

  async "sends a picture"(cell) {
    const answer = await client(cell).responses.create({
      model: model(cell.dialect),
      input: [{ role: "user", content: [{ type: "input_text", text: QUESTION }, { type: "input_image", image_url: `data:image/png;base64,${PNG}`, detail: "auto" }] }],
    });
    cell.world.checkText(answer.output_text);
    if (cell.world.kind === "fleet") checkPicture(cell);
    return { usage: usageOf(answer.usage) };
  },

  async "raises BadRequestError in the provider's words"(cell) {
    for (const stream of [false, true]) {
      await assert.rejects(client(cell).responses.create({ model: model(cell.dialect, "faulty"), ...question, stream }), (error) => {
        assert.ok(error instanceof OpenAI.BadRequestError, String(error));
        assert.ok(error.message.includes(WORDS), error.message);
        assert.match(error.requestID ?? "", /./);
        return true;
      });
    }
    return { calls: 2 };
  },

  async "leaves a stream by its AbortController"(cell) {
    const stream = await client(cell).responses.create({ model: model(cell.dialect, "slow"), ...question, stream: true });
    let pieces = 0;
    for await (const event of stream) {
      if (event.type === "response.output_text.delta") pieces += 1;
      if (pieces === 3) stream.controller.abort();
    }
    await cell.noticed("client_gone");
    return {};
  },
});
