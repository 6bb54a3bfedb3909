/** Requests that we author, answered by a server that others wrote, over real sockets: as a stream and as JSON. */
import assert from "node:assert/strict";
import { after, before, describe, test } from "node:test";
import { LLMock } from "@copilotkit/aimock";
import type { StreamEvent } from "../../../wire/events.ts";
import type { Json, JsonObject } from "../../../wire/json.ts";
import { SseFramer, eventOf } from "../../../wire/sse.ts";
import { parseChatRequest } from "../openai/parse.ts";
import { openaiResponses } from "./index.ts";
import { context, summary, target } from "./test-upstream.ts";

const usage = { input_tokens: 21, output_tokens: 34 };
const tools: Json = [{ type: "function", function: { name: "look.around", parameters: { type: "object", properties: { city: { type: "string" } } } } }];

describe("through aimock", () => {
  const mock = new LLMock({ port: 0, chunkSize: 4 });
  let url = "";

  before(async () => {
    mock.on({ userMessage: "say" }, { content: "The water goes over the spillway.", usage });
    mock.on({ userMessage: "think" }, { content: "So.", reasoning: "Because of the water.", usage });
    mock.on({ userMessage: "call" }, (request) => (request.messages.at(-1)?.role === "tool"
      ? { content: `The tool says ${JSON.stringify(request.messages.at(-1)?.content)}`, usage }
      : { toolCalls: [{ id: "call_of_mock", name: request.tools?.[0]?.function.name ?? "", arguments: `{"city":"Kyiv"}` }], usage }));
    mock.on({ userMessage: "fail" }, { status: 429, error: { message: "Slow down.", type: "rate_limit_error", code: "rate_limit_exceeded" } });
    url = await mock.start();
  });
  after(async () => mock.stop());

  /** What the server answers to a chat request that we put into this protocol. */
  async function asked(raw: JsonObject): Promise<readonly StreamEvent[]> {
    const parsed = parseChatRequest({ model: "gpt-4o", ...raw });
    assert.ok(parsed.kind === "request");
    const request = openaiResponses.encodeChat(parsed.request, target("gpt-4o"));
    assert.ok(request.kind === "encoded", JSON.stringify(request));
    const answer = await fetch(`${url}/v1${request.path}`, { method: "POST", headers: { "content-type": "application/json", authorization: "Bearer k" }, body: JSON.stringify(request.body) });
    const withNames = { ...context, ...(request.renames === undefined ? {} : { renames: request.renames }) };
    if (answer.status !== 200) {
      const text = await answer.text();
      return [{ kind: "error", error: openaiResponses.readError(answer.status, (name) => answer.headers.get(name) ?? undefined, JSON.parse(text) as Json, text, 0) }];
    }
    if (!parsed.request.stream) return openaiResponses.decodeAnswer((await answer.json()) as Json, withNames);
    const decoder = openaiResponses.openStream(withNames);
    const events: StreamEvent[] = [];
    const framer = new SseFramer((frame) => events.push(...decoder.push(eventOf(frame))));
    assert.ok(answer.body !== null);
    for await (const chunk of answer.body) framer.push(chunk);
    framer.end();
    return [...events, ...decoder.end()];
  }

  for (const stream of [false, true]) {
    const way = stream ? "as a stream" : "as JSON";
    const user = (content: string): Json => ({ role: "user", content });

    test(`text and usage arrive ${way}`, async () => {
      const got = summary(await asked({ stream, messages: [{ role: "system", content: "be brief" }, user("say")] }));
      assert.deepEqual([got.text, got.finish, got.usage?.units, got.last], ["The water goes over the spillway.", ["stop", "completed"], { input: 21, output: 34 }, "end"]);
    });

    test(`reasoning arrives before its answer ${way}`, async () => {
      const events = await asked({ stream, messages: [user("think")] });
      assert.deepEqual([summary(events).reasoning, summary(events).text], ["Because of the water.", "So."]);
      assert.ok(events.findIndex(({ kind }) => kind === "reasoning") < events.findIndex(({ kind }) => kind === "text"));
    });

    test(`a tool makes its round under the client's name ${way}`, async () => {
      const [call] = summary(await asked({ stream, tools, messages: [user("call")] })).tools;
      assert.deepEqual(call, { id: call?.id, name: "look.around", arguments: `{"city":"Kyiv"}` });
      const calls: Json = [{ id: call?.id ?? "", type: "function", function: { name: call?.name ?? "", arguments: call?.arguments ?? "" } }];
      const got = summary(await asked({ stream, tools, messages: [user("call"), { role: "assistant", content: null, tool_calls: calls }, { role: "tool", tool_call_id: call?.id ?? "", content: "rain" }] }));
      assert.deepEqual([got.text, got.finish], [`The tool says "rain"`, ["stop", "completed"]]);
    });

    test(`an error keeps its class and words ${way}`, async () => {
      const got = summary(await asked({ stream, messages: [user("fail")] })).error;
      assert.deepEqual([got?.class, got?.status, got?.message, got?.code], ["rate", 429, "Slow down.", "rate_limit_exceeded"]);
    });
  }
});
