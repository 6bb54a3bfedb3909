import assert from "node:assert/strict";
import { after, before, describe, test } from "node:test";
import { LLMock } from "@copilotkit/aimock";
import { EventStreamFramer, eventOfMessage } from "../../../wire/event-stream.ts";
import type { ChatRequest } from "../../../wire/chat.ts";
import type { StreamEvent } from "../../../wire/events.ts";
import type { Json } from "../../../wire/json.ts";
import { assistant, call, CONTEXT, fold, request, result, tool, user } from "../anthropic/test-hub.ts";
import { bedrockConverse } from "./index.ts";
import { CLAUDE, encoded, target } from "./test-hub.ts";

/** A mock of others' making, on a real socket, with real binary streams. */
const mock = new LLMock({ port: 0, logLevel: "silent" });
before(async () => {
  mock.on({ userMessage: "Weather", hasToolResult: false }, { content: "I look.", reasoning: "Which city?", toolCalls: [{ id: "call_1", name: "weather", arguments: '{"city":"Bonn"}' }], usage: { input_tokens: 11, output_tokens: 7 } });
  mock.on({ userMessage: "Weather", hasToolResult: true }, { content: "Rain in Bönn 👋", usage: { input_tokens: 20, output_tokens: 5 } });
  await mock.start();
});
after(() => mock.stop());

async function ask(fields: Partial<ChatRequest>): Promise<readonly StreamEvent[]> {
  const made = encoded(fields, target(CLAUDE, {}));
  const response = await fetch(`${mock.url}${made.path}`, { method: "POST", headers: { "content-type": "application/json", authorization: "Bearer key" }, body: JSON.stringify(made.body) });
  if (response.status !== 200) {
    const text = await response.text();
    const error = bedrockConverse.readError(response.status, (name) => response.headers.get(name) ?? undefined, JSON.parse(text) as Json, text, 0);
    return [{ kind: "error", error }];
  }
  if (request(fields).stream !== true) return bedrockConverse.decodeAnswer((await response.json()) as Json, CONTEXT);
  assert.equal(response.headers.get("content-type"), "application/vnd.amazon.eventstream");
  const decoder = bedrockConverse.openStream(CONTEXT);
  const events: StreamEvent[] = [];
  const framer = new EventStreamFramer((frame) => events.push(...decoder.push(eventOfMessage(frame))));
  for await (const chunk of response.body ?? []) assert.equal(framer.push(chunk as Uint8Array), null);
  assert.equal(framer.end(), null);
  return [...events, ...decoder.end()];
}

describe("an upstream of others' making", () => {
  for (const stream of [true, false]) {
    test(`answers a tool round, ${stream ? "streamed" : "whole"}`, async () => {
      const tools = [tool("weather")];
      const asked = fold(await ask({ messages: [user("Weather?")], tools, stream }));
      assert.deepEqual([asked.reasoning, asked.text, asked.tools, asked.finish], ["Which city?", "I look.", ['call_1 weather {"city":"Bonn"}'], ["tool_calls tool_use"]]);
      assert.deepEqual([asked.usage?.units, asked.ended], [{ input: 11, output: 7 }, true]);

      const messages = [user("Weather?"), assistant({ toolCalls: [call("call_1", "weather", '{"city":"Bonn"}')] }), result("call_1", "rain")];
      const answered = fold(await ask({ messages, tools, stream }));
      assert.deepEqual([answered.text, answered.finish, answered.usage?.units, answered.ended], ["Rain in Bönn 👋", ["stop end_turn"], { input: 20, output: 5 }, true]);
    });
  }

  test("an error answer is classified", async () => {
    mock.nextRequestError(429, { message: "slow down", type: "rate_limit_error" });
    const [error] = fold(await ask({ messages: [user("Weather?")] })).errors;
    assert.deepEqual([error?.class, error?.status, error?.message], ["rate", 429, "slow down"]);
  });
});
