/** `@mistralai/mistralai`, unmodified, on every upstream. */
import assert from "node:assert/strict";
import { Mistral } from "@mistralai/mistralai";
import type { AssistantMessage, ChatCompletionRequest, ChatCompletionRequestMessage, ToolCall, UsageInfo } from "@mistralai/mistralai/models/components/index.js";
import { MistralError } from "@mistralai/mistralai/models/errors/index.js";
import { checkPerson, checkPicture, checkThoughts, checkVectors, Person } from "./checks.ts";
import { matrix, type Cell, type Seen } from "./matrix.ts";
import { checkProof } from "./proof.ts";
import { CITY_SCHEMA, EMBEDDING_MODEL, JSON_QUESTION, model, PNG, QUESTION, SYSTEM, Toolbox, TOOLS, WORDS, type ToolName } from "./world.ts";

const client = ({ world }: Cell): Mistral => new Mistral({ serverURL: world.gateway.url, apiKey: world.apiKey, retryConfig: { strategy: "none" } });
const messages: ChatCompletionRequestMessage[] = [{ role: "system", content: SYSTEM }, { role: "user", content: QUESTION }];
const NAMES = ["get_weather", "get_time"] as const;
const tools = NAMES.map((name) => ({ type: "function" as const, function: { name, description: TOOLS[name].description, parameters: CITY_SCHEMA } }));

function usageOf(...told: readonly { readonly promptTokens?: number | undefined; readonly completionTokens?: number | undefined }[]): Seen["usage"] {
  const sum = (key: "promptTokens" | "completionTokens"): number => told.reduce((total, usage) => total + (usage[key] ?? NaN), 0);
  return { input: sum("promptTokens"), output: sum("completionTokens") };
}

/** The first answer, and what the tools that it calls say. */
function goOn(called: AssistantMessage, box: Toolbox): ChatCompletionRequestMessage[] {
  const results = (called.toolCalls ?? []).map((call) => ({ role: "tool" as const, name: call.function.name, toolCallId: call.id ?? null, content: box.run(call.function.name as ToolName, argumentsOf(call)) }));
  return [...messages, { ...called, role: "assistant" }, ...results];
}

/** A stream, put together: calls come whole, so that each chunk's are calls of their own. */
async function gathered(cell: Cell, asked: ChatCompletionRequest) {
  const calls: ToolCall[] = [];
  let [text, thoughts, pieces] = ["", "", 0];
  let finish: string | null = null;
  let usage: UsageInfo | undefined;
  for await (const { data } of await client(cell).chat.stream(asked)) {
    const [choice] = data.choices;
    const said = spoken(choice?.delta.content);
    text += said;
    thoughts += thoughtsIn(choice?.delta.content);
    if (said !== "") pieces += 1;
    calls.push(...(choice?.delta.toolCalls ?? []));
    finish = choice?.finishReason ?? finish;
    usage = data.usage ?? usage;
  }
  return { text, thoughts, pieces, calls, finish, usage };
}

type Content = AssistantMessage["content"];

function spoken(content: Content): string {
  if (typeof content === "string") return content;
  return (content ?? []).map((chunk) => (chunk.type === "text" ? chunk.text : "")).join("");
}

function thoughtsIn(content: Content): string {
  if (!Array.isArray(content)) return "";
  return content.flatMap((chunk) => (chunk.type === "thinking" ? chunk.thinking : [])).map((part) => ("text" in part ? part.text : "")).join("");
}

function argumentsOf({ function: { arguments: given } }: ToolCall): { city: string } {
  return (typeof given === "string" ? JSON.parse(given) : given) as { city: string };
}

matrix("Mistral SDK", {
  async completes(cell) {
    const answer = await client(cell).chat.complete({ model: model(cell.dialect), messages });
    cell.world.checkText(answer.choices[0]?.message?.content as string);
    assert.equal(answer.choices[0]?.finishReason, "stop");
    assert.ok(cell.calls()[0]?.body.includes(SYSTEM), "the system message did not arrive");
    return { usage: usageOf(answer.usage) };
  },

  async "streams, with usage"(cell) {
    const { text, pieces, finish, usage } = await gathered(cell, { model: model(cell.dialect), messages });
    cell.world.checkText(text);
    assert.ok(pieces >= 10, `in ${pieces} pieces only`);
    assert.equal(finish, "stop");
    return { usage: usageOf(usage ?? {}) };
  },

  async "runs two tools called at once"(cell) {
    const box = new Toolbox();
    const ask = (asked: ChatCompletionRequestMessage[]) => client(cell).chat.complete({ model: model(cell.dialect), messages: asked, tools });
    const first = await ask(messages);
    assert.equal(first.choices[0]?.finishReason, "tool_calls");
    const second = await ask(goOn(first.choices[0]?.message ?? assert.fail("no message"), box));
    box.check(NAMES, second.choices[0]?.message?.content as string, cell.calls());
    return { calls: 2, usage: usageOf(first.usage, second.usage) };
  },

  async "runs two tools called at once over streams"(cell) {
    const box = new Toolbox();
    const first = await gathered(cell, { model: model(cell.dialect), messages, tools });
    assert.equal(first.finish, "tool_calls");
    const second = await gathered(cell, { model: model(cell.dialect), messages: goOn({ content: first.text, toolCalls: first.calls }, box), tools });
    box.check(NAMES, second.text, cell.calls());
    return { calls: 2, usage: usageOf(first.usage ?? {}, second.usage ?? {}) };
  },

  async "reads what a model thought, and brings its signatures back"(cell) {
    const box = new Toolbox();
    const ask = (asked: ChatCompletionRequestMessage[]) => client(cell).chat.complete({ model: model(cell.dialect, "thinker"), messages: asked, tools: tools.slice(0, 1) });
    const first = await ask(messages);
    const message = first.choices[0]?.message ?? assert.fail("no message");
    checkThoughts(thoughtsIn(message.content));
    const second = await ask(goOn(message, box));
    checkProof(cell);
    box.check(["get_weather"], spoken(second.choices[0]?.message?.content), cell.calls());
    const streamed = await gathered(cell, { model: model(cell.dialect, "thinker"), messages });
    checkThoughts(streamed.thoughts);
    cell.world.checkText(streamed.text);
    return { calls: 3, usage: usageOf(first.usage, second.usage, streamed.usage ?? {}) };
  },

  async "gets vectors"(cell) {
    const answer = await client(cell).embeddings.create({ model: EMBEDDING_MODEL, inputs: ["over", "under"] });
    assert.match(answer.id, /^embd-./);
    checkVectors(cell, answer.data.map((one) => one.embedding ?? []));
    return {};
  },

  async "lists and retrieves models"(cell) {
    const wanted = model(cell.dialect);
    const { data = [] } = await client(cell).models.list();
    assert.ok(data.some((one) => "id" in one && one.id === wanted), JSON.stringify(data));
    assert.equal((await client(cell).models.retrieve({ modelId: wanted }) as { id: string }).id, wanted);
    return { calls: 0 };
  },

  async "parses structured output"(cell) {
    const answer = await client(cell).chat.parse({ model: model(cell.dialect), messages: [{ role: "user", content: JSON_QUESTION }], responseFormat: Person });
    checkPerson(cell, answer.choices?.[0]?.message?.parsed as { name: string; age: number } | undefined);
    return { usage: usageOf(answer.usage) };
  },

  async "sends a picture"(cell) {
    const answer = await client(cell).chat.complete({
      model: model(cell.dialect),
      messages: [{ role: "user", content: [{ type: "text", text: QUESTION }, { type: "image_url", imageUrl: `data:image/png;base64,${PNG}` }] }],
    });
    cell.world.checkText(answer.choices[0]?.message?.content as string);
    if (cell.world.kind === "fleet") checkPicture(cell);
    return { usage: usageOf(answer.usage) };
  },

  async "raises an error with status 400 in the provider's words"(cell) {
    const asked = { model: model(cell.dialect, "faulty"), messages };
    for (const call of [() => client(cell).chat.complete(asked), () => client(cell).chat.stream(asked)]) {
      await assert.rejects(call(), (error) => {
        assert.ok(error instanceof MistralError, String(error));
        assert.equal(error.statusCode, 400);
        assert.ok(error.body.includes(WORDS), error.body);
        return true;
      });
    }
    return { calls: 2 };
  },

  async "leaves a stream by its signal"(cell) {
    const leave = new AbortController();
    let pieces = 0;
    await assert.rejects(async () => {
      for await (const { data } of await client(cell).chat.stream({ model: model(cell.dialect, "slow"), messages }, { fetchOptions: { signal: leave.signal } })) {
        if ((data.choices[0]?.delta.content ?? "") !== "") pieces += 1;
        if (pieces === 3) leave.abort();
      }
    }, /abort/i);
    await cell.noticed("client_gone");
    return {};
  },
});
