/** `@langchain/openai`, unmodified, on every upstream. */
import assert from "node:assert/strict";
import { AIMessage, AIMessageChunk, HumanMessage, SystemMessage, ToolMessage, type BaseMessage } from "@langchain/core/messages";
import { tool } from "@langchain/core/tools";
import { ChatOpenAI, OpenAIEmbeddings } from "@langchain/openai";
import { z } from "zod";
import { checkPerson, checkPicture, checkThoughts, checkVectors, Person } from "./checks.ts";
import { matrix, type Cell, type Seen } from "./matrix.ts";
import { EMBEDDING_MODEL, JSON_QUESTION, model, PNG, QUESTION, SYSTEM, Toolbox, TOOLS, WORDS, type Behaviour, type ToolName } from "./world.ts";

const chat = ({ world, dialect }: Cell, behaviour?: Behaviour): ChatOpenAI =>
  new ChatOpenAI({ model: model(dialect, behaviour), apiKey: world.apiKey, configuration: { baseURL: world.gateway.baseUrl }, maxRetries: 0 });
const conversation = (): BaseMessage[] => [new SystemMessage(SYSTEM), new HumanMessage(QUESTION)];

function usageOf(...messages: readonly AIMessage[]): Seen["usage"] {
  const sum = (key: "input_tokens" | "output_tokens"): number => messages.reduce((total, message) => total + (message.usage_metadata?.[key] ?? NaN), 0);
  return { input: sum("input_tokens"), output: sum("output_tokens") };
}

function toolsOf(box: Toolbox, names: readonly ToolName[]) {
  return names.map((name) => tool((args) => box.run(name, args), { name, description: TOOLS[name].description, schema: z.object({ city: z.string() }) }));
}

/** Runs what the model called, and gives it back with the call's own id. */
async function resultsOf(called: AIMessage, box: Toolbox, names: readonly ToolName[]): Promise<ToolMessage[]> {
  const tools = new Map(toolsOf(box, names).map((one) => [one.name, one]));
  const results: ToolMessage[] = [];
  for (const call of called.tool_calls ?? []) {
    const found = tools.get(call.name as ToolName);
    assert.ok(found !== undefined, `no tool ${call.name}`);
    results.push(new ToolMessage({ content: await found.invoke(call.args as { city: string }), tool_call_id: call.id ?? "" }));
  }
  return results;
}

matrix("LangChain's ChatOpenAI", {
  async "invokes"(cell) {
    const answer = await chat(cell).invoke(conversation());
    cell.world.checkText(answer.text);
    assert.equal(answer.response_metadata["finish_reason"], "stop");
    assert.ok(cell.calls()[0]?.body.includes(SYSTEM), "the system message did not arrive");
    return { usage: usageOf(answer) };
  },

  async "streams, with usage"(cell) {
    let whole: AIMessageChunk | undefined;
    let pieces = 0;
    for await (const chunk of await chat(cell).stream(conversation())) {
      whole = whole === undefined ? chunk : whole.concat(chunk);
      if (chunk.text !== "") pieces += 1;
    }
    assert.ok(whole !== undefined);
    cell.world.checkText(whole.text);
    assert.ok(pieces >= 10, `in ${pieces} pieces only`);
    assert.equal(whole.response_metadata["finish_reason"], "stop");
    return { usage: usageOf(whole) };
  },

  async "binds tools, and goes on with what both said"(cell) {
    const box = new Toolbox();
    const names = ["get_weather", "get_time"] as const;
    const bound = chat(cell).bindTools(toolsOf(box, names));
    const called = await bound.invoke(conversation());
    assert.equal(called.response_metadata["finish_reason"], "tool_calls");
    const answer = await bound.invoke([...conversation(), called, ...(await resultsOf(called, box, names))]);
    box.check(names, answer.text, cell.calls());
    return { calls: 2, usage: usageOf(called, answer) };
  },

  async "gathers a tool call from a stream"(cell) {
    const box = new Toolbox();
    const names = ["get_weather"] as const;
    const bound = chat(cell).bindTools(toolsOf(box, names));
    let called: AIMessageChunk | undefined;
    for await (const chunk of await bound.stream(conversation())) called = called === undefined ? chunk : called.concat(chunk);
    assert.ok(called !== undefined);
    assert.equal(called.response_metadata["finish_reason"], "tool_calls");
    const answer = await bound.invoke([...conversation(), called, ...(await resultsOf(called, box, names))]);
    box.check(names, answer.text, cell.calls());
    return { calls: 2, usage: usageOf(called, answer) };
  },

  async "gets structured output by JSON schema"(cell) {
    checkPerson(cell, await chat(cell).withStructuredOutput(Person, { method: "jsonSchema", name: "person" }).invoke(JSON_QUESTION));
    return {};
  },

  async "gets structured output by function calling"(cell) {
    checkPerson(cell, await chat(cell).withStructuredOutput(Person, { method: "functionCalling", name: "person" }).invoke(JSON_QUESTION));
    return {};
  },

  async "reads what a model thought"(cell) {
    const answer = await chat(cell, "thinker").invoke(conversation());
    cell.world.checkText(answer.text);
    checkThoughts(answer.additional_kwargs["reasoning_content"]);
    return { usage: usageOf(answer) };
  },

  async "sends a picture"(cell) {
    const picture = { type: "image_url", image_url: { url: `data:image/png;base64,${PNG}` } };
    const answer = await chat(cell).invoke([new HumanMessage({ content: [{ type: "text", text: QUESTION }, picture] })]);
    cell.world.checkText(answer.text);
    if (cell.world.kind === "fleet") checkPicture(cell);
    return { usage: usageOf(answer) };
  },

  async "gets vectors"(cell) {
    const { gateway, apiKey } = cell.world;
    const embeddings = new OpenAIEmbeddings({ model: EMBEDDING_MODEL, apiKey, configuration: { baseURL: gateway.baseUrl }, maxRetries: 0 });
    checkVectors(cell, await embeddings.embedDocuments(["over", "under"]));
    return {};
  },

  async "raises an error with status 400 in the provider's words"(cell) {
    await assert.rejects(chat(cell, "faulty").invoke(conversation()), (error) => {
      assert.ok(error instanceof Error && error.message.includes(WORDS), String(error));
      assert.equal((error as { status?: number }).status, 400);
      return true;
    });
    return {};
  },

  async "leaves a stream by its signal"(cell) {
    const leave = new AbortController();
    let pieces = 0;
    await assert.rejects(async () => {
      for await (const chunk of await chat(cell, "slow").stream(conversation(), { signal: leave.signal })) {
        if (chunk.text !== "") pieces += 1;
        if (pieces === 3) leave.abort();
      }
    }, /abort/i);
    await cell.noticed("client_gone");
    return {};
  },
});
