/** What LangChain's chat models show, by whichever provider's package. */
import assert from "node:assert/strict";
import type { BaseChatModel, BaseChatModelCallOptions, BindToolsInput } from "@langchain/core/language_models/chat_models";
import { AIMessageChunk, HumanMessage, SystemMessage, ToolMessage, type AIMessage, type BaseMessage } from "@langchain/core/messages";
import { tool } from "@langchain/core/tools";
import { z } from "zod";
import { checkPerson, checkPicture, Person } from "./checks.ts";
import type { Cell, Features, Seen } from "./matrix.ts";
import { JSON_QUESTION, PNG, QUESTION, SYSTEM, Toolbox, TOOLS, WORDS, type Behaviour, type ToolName } from "./world.ts";

type Chat = BaseChatModel<BaseChatModelCallOptions, AIMessageChunk> & { bindTools(tools: BindToolsInput[]): Bound };
type Bound = { invoke(messages: BaseMessage[]): Promise<AIMessageChunk>; stream(messages: BaseMessage[]): Promise<AsyncIterable<AIMessageChunk>> };

/** What differs between the packages. */
export interface Kind {
  /** Why the model ended, as the package tells it. */
  reasonOf(message: AIMessage): unknown;
  readonly reasons: { readonly text: string; readonly tools: string };
  /** Does it add up the usage that a stream tells? */
  readonly countsStreams: boolean;
  /** A content block of a PNG. */
  picture(base64: string): { type: string; [key: string]: unknown };
}

export const BOTH = ["get_weather", "get_time"] as const;
export const conversation = (): BaseMessage[] => [new SystemMessage(SYSTEM), new HumanMessage(QUESTION)];

export function usageOf(...messages: readonly AIMessage[]): Seen["usage"] {
  const sum = (key: "input_tokens" | "output_tokens"): number => messages.reduce((total, message) => total + (message.usage_metadata?.[key] ?? NaN), 0);
  return { input: sum("input_tokens"), output: sum("output_tokens") };
}

export function toolsOf(box: Toolbox, names: readonly ToolName[]) {
  return names.map((name) => tool((args) => box.run(name, args), { name, description: TOOLS[name].description, schema: z.object({ city: z.string() }) }));
}

/** Runs what the model called, and gives it back with the call's own id. */
export async function resultsOf(called: AIMessage, box: Toolbox, names: readonly ToolName[]): Promise<ToolMessage[]> {
  const tools = new Map(toolsOf(box, names).map((one) => [one.name, one]));
  const results: ToolMessage[] = [];
  for (const call of called.tool_calls ?? []) {
    const found = tools.get(call.name as ToolName);
    assert.ok(found !== undefined, `no tool ${call.name}`);
    results.push(new ToolMessage({ content: await found.invoke(call.args as { city: string }), tool_call_id: call.id ?? "", name: call.name }));
  }
  return results;
}

/** A stream put together to one message. */
export async function gather(stream: Promise<AsyncIterable<AIMessageChunk>>, onText: () => void = () => undefined): Promise<AIMessageChunk> {
  let whole: AIMessageChunk | undefined;
  for await (const chunk of await stream) {
    whole = whole === undefined ? chunk : whole.concat(chunk);
    if (chunk.text !== "") onText();
  }
  return whole ?? assert.fail("an empty stream");
}

/** The rows that all its models have. */
export function langchainFeatures(chat: (cell: Cell, behaviour?: Behaviour) => Chat, kind: Kind): Omit<Features<"LangChain's ChatAnthropic">, "reads what a model thought, and brings its signatures back"> {
  return {
    async "invokes"(cell) {
      const answer = await chat(cell).invoke(conversation());
      cell.world.checkText(answer.text);
      assert.equal(kind.reasonOf(answer), kind.reasons.text);
      assert.ok(cell.calls()[0]?.body.includes(SYSTEM), "the system message did not arrive");
      return { usage: usageOf(answer) };
    },

    async "streams"(cell) {
      let pieces = 0;
      const answer = await gather(chat(cell).stream(conversation()), () => (pieces += 1));
      cell.world.checkText(answer.text);
      assert.ok(pieces >= 10, `in ${pieces} pieces only`);
      assert.equal(kind.reasonOf(answer), kind.reasons.text);
      return kind.countsStreams ? { usage: usageOf(answer) } : {};
    },

    async "binds tools, and goes on with what both said"(cell) {
      const box = new Toolbox();
      const bound = chat(cell).bindTools(toolsOf(box, BOTH));
      const called = await bound.invoke(conversation());
      assert.equal(kind.reasonOf(called), kind.reasons.tools);
      const answer = await bound.invoke([...conversation(), called, ...(await resultsOf(called, box, BOTH))]);
      box.check(BOTH, answer.text, cell.calls());
      return { calls: 2, usage: usageOf(called, answer) };
    },

    async "gathers tool calls from a stream"(cell) {
      const box = new Toolbox();
      const bound = chat(cell).bindTools(toolsOf(box, BOTH));
      const called = await gather(bound.stream(conversation()));
      assert.equal(kind.reasonOf(called), kind.reasons.tools);
      const answer = await bound.invoke([...conversation(), called, ...(await resultsOf(called, box, BOTH))]);
      box.check(BOTH, answer.text, cell.calls());
      return kind.countsStreams ? { calls: 2, usage: usageOf(called, answer) } : { calls: 2 };
    },

    async "gets structured output by JSON schema"(cell) {
      checkPerson(cell, await chat(cell).withStructuredOutput(Person, { method: "jsonSchema", name: "person" }).invoke(JSON_QUESTION));
      return {};
    },

    async "gets structured output by function calling"(cell) {
      checkPerson(cell, await chat(cell).withStructuredOutput(Person, { method: "functionCalling", name: "person" }).invoke(JSON_QUESTION));
      return {};
    },

    async "sends a picture"(cell) {
      const answer = await chat(cell).invoke([new HumanMessage({ content: [{ type: "text", text: QUESTION }, kind.picture(PNG)] })]);
      cell.world.checkText(answer.text);
      if (cell.world.kind === "fleet") checkPicture(cell);
      return { usage: usageOf(answer) };
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
  };
}
