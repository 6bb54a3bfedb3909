/** `cohere-ai`, unmodified, on every upstream. */
import assert from "node:assert/strict";
import { CohereClientV2, CohereError, type Cohere } from "cohere-ai";
import { checkPerson, checkPicture, checkThoughts } from "./checks.ts";
import { matrix, type Cell, type Seen } from "./matrix.ts";
import { CITY_SCHEMA, JSON_QUESTION, model, PNG, QUESTION, SYSTEM, Toolbox, TOOLS, WORDS, type ToolName } from "./world.ts";

const client = ({ world }: Cell): CohereClientV2 => new CohereClientV2({ environment: world.gateway.url, token: world.apiKey, maxRetries: 0 });
const messages: Cohere.ChatMessages = [{ role: "system", content: SYSTEM }, { role: "user", content: QUESTION }];
const NAMES = ["get_weather", "get_time"] as const;
const tools: Cohere.ToolV2[] = NAMES.map((name) => ({ type: "function", function: { name, description: TOOLS[name].description, parameters: CITY_SCHEMA } }));

function usageOf(...told: readonly (Cohere.Usage | undefined)[]): Seen["usage"] {
  const sum = (key: "inputTokens" | "outputTokens"): number => told.reduce((total, usage) => total + (usage?.tokens?.[key] ?? NaN), 0);
  return { input: sum("inputTokens"), output: sum("outputTokens") };
}

const textOf = (message: Cohere.AssistantMessageResponse): string => (message.content ?? []).map((part) => (part.type === "text" ? part.text : "")).join("");

/** The first answer, and what the tools that it calls say. */
function goOn(called: Pick<Cohere.AssistantMessageResponse, "toolCalls">, box: Toolbox): Cohere.ChatMessages {
  const { toolCalls = [] } = called;
  const results = toolCalls.map((call): Cohere.ChatMessageV2 => ({
    role: "tool", toolCallId: call.id, content: box.run(call.function?.name as ToolName, JSON.parse(call.function?.arguments ?? "") as { city: string }),
  }));
  return [...messages, { role: "assistant", toolCalls }, ...results];
}

interface Gathered {
  readonly text: string;
  readonly pieces: number;
  readonly thoughts: string;
  readonly toolCalls: Cohere.ToolCallV2[];
  readonly finishReason: string | undefined;
  readonly usage: Cohere.Usage | undefined;
}

/** A stream put together. */
async function gather(stream: AsyncIterable<Cohere.V2ChatStreamResponse>, onText: () => void = () => undefined): Promise<Gathered> {
  let [text, thoughts, pieces] = ["", "", 0];
  const calls: { id: string; type: "function"; function: { name: string; arguments: string } }[] = [];
  let end: Cohere.ChatMessageEndEventDelta | undefined;
  for await (const event of stream) {
    if (event.type === "content-delta") {
      const piece = event.delta?.message?.content?.text ?? "";
      text += piece;
      thoughts += event.delta?.message?.content?.thinking ?? "";
      if (piece !== "") pieces += 1;
      onText();
    } else if (event.type === "tool-call-start") {
      const begun = event.delta?.message?.toolCalls;
      calls[event.index ?? 0] = { id: begun?.id ?? "", type: "function", function: { name: begun?.function?.name ?? "", arguments: begun?.function?.arguments ?? "" } };
    } else if (event.type === "tool-call-delta") {
      const call = calls[event.index ?? 0];
      assert.ok(call !== undefined, "arguments of no call");
      call.function.arguments += event.delta?.message?.toolCalls?.function?.arguments ?? "";
    } else if (event.type === "message-end") end = event.delta;
  }
  return { text, pieces, thoughts, toolCalls: calls, finishReason: end?.finishReason, usage: end?.usage };
}

matrix("Cohere SDK", {
  async chats(cell) {
    const answer = await client(cell).chat({ model: model(cell.dialect), messages });
    cell.world.checkText(textOf(answer.message));
    assert.equal(answer.finishReason, "COMPLETE");
    assert.ok(cell.calls()[0]?.body.includes(SYSTEM), "the system message did not arrive");
    return { usage: usageOf(answer.usage) };
  },

  async "streams, with usage"(cell) {
    const { text, pieces, finishReason, usage } = await gather(await client(cell).chatStream({ model: model(cell.dialect), messages }));
    cell.world.checkText(text);
    assert.ok(pieces >= 10, `in ${pieces} pieces only`);
    assert.equal(finishReason, "COMPLETE");
    return { usage: usageOf(usage) };
  },

  async "runs two tools called at once"(cell) {
    const box = new Toolbox();
    const first = await client(cell).chat({ model: model(cell.dialect), messages, tools });
    assert.equal(first.finishReason, "TOOL_CALL");
    const second = await client(cell).chat({ model: model(cell.dialect), messages: goOn(first.message, box), tools });
    box.check(NAMES, textOf(second.message), cell.calls());
    return { calls: 2, usage: usageOf(first.usage, second.usage) };
  },

  async "runs two tools called at once over streams"(cell) {
    const box = new Toolbox();
    const first = await gather(await client(cell).chatStream({ model: model(cell.dialect), messages, tools }));
    assert.equal(first.finishReason, "TOOL_CALL");
    const second = await gather(await client(cell).chatStream({ model: model(cell.dialect), messages: goOn(first, box), tools }));
    box.check(NAMES, second.text, cell.calls());
    return { calls: 2, usage: usageOf(first.usage, second.usage) };
  },

  async "gets an object of a schema"(cell) {
    const schema = { type: "object", properties: { name: { type: "string" }, age: { type: "integer" } }, required: ["name", "age"], additionalProperties: false };
    const answer = await client(cell).chat({ model: model(cell.dialect), messages: [{ role: "user", content: JSON_QUESTION }], responseFormat: { type: "json_object", jsonSchema: schema } });
    checkPerson(cell, JSON.parse(textOf(answer.message)) as { name: string; age: number });
    return { usage: usageOf(answer.usage) };
  },

  async "reads what a model thought"(cell) {
    const answer = await client(cell).chat({ model: model(cell.dialect, "thinker"), messages });
    checkThoughts((answer.message.content ?? []).map((part) => (part.type === "thinking" ? part.thinking : "")).join(""));
    const streamed = await gather(await client(cell).chatStream({ model: model(cell.dialect, "thinker"), messages }));
    checkThoughts(streamed.thoughts);
    cell.world.checkText(streamed.text);
    return { calls: 2, usage: usageOf(answer.usage, streamed.usage) };
  },

  async "sends a picture"(cell) {
    const answer = await client(cell).chat({
      model: model(cell.dialect),
      messages: [{ role: "user", content: [{ type: "text", text: QUESTION }, { type: "image_url", imageUrl: { url: `data:image/png;base64,${PNG}` } }] }],
    });
    cell.world.checkText(textOf(answer.message));
    if (cell.world.kind === "fleet") checkPicture(cell);
    return { usage: usageOf(answer.usage) };
  },

  async "raises BadRequestError in the provider's words"(cell) {
    const asked = { model: model(cell.dialect, "faulty"), messages };
    for (const call of [() => client(cell).chat(asked), () => client(cell).chatStream(asked)]) {
      await assert.rejects(call(), (error) => {
        assert.ok(error instanceof CohereError, String(error));
        assert.equal(error.statusCode, 400);
        assert.ok(JSON.stringify(error.body).includes(JSON.stringify(WORDS).slice(1, -1)), JSON.stringify(error.body));
        return true;
      });
    }
    return { calls: 2 };
  },

  async "leaves a stream by its signal"(cell) {
    const leave = new AbortController();
    let pieces = 0;
    await assert.rejects(async () => {
      const stream = await client(cell).chatStream({ model: model(cell.dialect, "slow"), messages }, { abortSignal: leave.signal });
      await gather(stream, () => {
        pieces += 1;
        if (pieces === 3) leave.abort();
      });
    }, /abort/i);
    await cell.noticed("client_gone");
    return {};
  },
});
