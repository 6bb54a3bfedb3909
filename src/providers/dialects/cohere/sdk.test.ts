/** The official client against what we write, and our upstream half against a mock of others, both over real sockets. */
import assert from "node:assert/strict";
import { after, before, describe, test } from "node:test";
import { LLMock } from "@copilotkit/aimock";
import { CohereClientV2, CohereError } from "cohere-ai";
import { gatewayError } from "../../../wire/errors.ts";
import type { StreamEvent } from "../../../wire/events.ts";
import type { Json, JsonObject } from "../../../wire/json.ts";
import { cohereClient, cohereV2 } from "./index.ts";
import { CONTEXT, decodeSse, encoded, head, OUTSIDE, serve, summary, tool, user, written, type Replay } from "./test-hub.ts";

const CITATION = { start: 0, end: 3, text: "The", sources: [], type: "TEXT_CONTENT" };
const ANSWER: readonly StreamEvent[] = [
  { kind: "start", id: "up", model: "x", createdS: undefined },
  { kind: "reasoning", choice: 0, text: "Let me see." },
  { kind: "text", choice: 0, text: "The word is " },
  { kind: "text", choice: 0, text: "[DONE]." },
  { kind: "choice-extra", choice: 0, key: "citations", value: [CITATION] },
  { kind: "tool-start", choice: 0, index: 0, id: "c1", name: "weather", thoughtSignature: undefined },
  { kind: "tool-arguments", choice: 0, index: 0, json: `{"city":"Paris"}` },
  { kind: "usage", usage: { units: { input: 5, output: 7 }, raw: null } },
  { kind: "finish", choice: 0, reason: "tool_calls", native: "tool_calls" },
  { kind: "end" },
];

describe("the official client", () => {
  let server: Replay;
  let client: CohereClientV2;
  before(async () => {
    server = await serve((body) => {
      const read = cohereClient.parse(body, OUTSIDE);
      if (read.kind === "error") return { status: 400, body: JSON.stringify(cohereClient.encodeError(read.error, "r1")) };
      if (read.request.model === "broken") {
        const encoder = cohereClient.openEncoder(head());
        const begun = ANSWER.slice(0, 3).map((event) => encoder.encode(event) as string).join("");
        return { type: cohereClient.streamType, body: begun + (encoder.failed(gatewayError("upstream_truncated", "It was cut."), null) as string) };
      }
      if (read.request.stream) return { type: cohereClient.streamType, body: (cohereClient.keepAlive as string) + written(ANSWER) };
      return { body: JSON.stringify(cohereClient.encodeAnswer(ANSWER, head())) };
    });
    client = new CohereClientV2({ token: "key", environment: server.url, maxRetries: 0 });
  });
  after(() => server.close());

  test("reads our whole answer: thinking, text, call, citation, finish and usage", async () => {
    const answer = await client.chat({ model: "m", messages: [{ role: "user", content: "hi" }], tools: [{ type: "function", function: { name: "weather", parameters: {} } }] });
    assert.deepEqual(answer.message.content?.map((item) => (item.type === "text" ? item.text : item.thinking)), ["Let me see.", "The word is [DONE]."]);
    assert.deepEqual(answer.message.toolCalls, [{ id: "c1", type: "function", function: { name: "weather", arguments: `{"city":"Paris"}` } }]);
    assert.equal(answer.message.citations?.[0]?.text, "The");
    assert.equal(answer.finishReason, "TOOL_CALL");
    assert.deepEqual([answer.usage?.billedUnits?.inputTokens, answer.usage?.billedUnits?.outputTokens], [5, 7]);
    assert.equal(server.seen.at(-1)?.path, "/v2/chat");
  });

  test("reads our stream to its last event", async () => {
    let words = "", thoughts = "", json = "", citations = 0;
    const types: string[] = [];
    let last: unknown;
    for await (const event of await client.chatStream({ model: "m", messages: [{ role: "user", content: "hi" }] })) {
      types.push(event.type);
      if (event.type === "content-delta") {
        words += event.delta?.message?.content?.text ?? "";
        thoughts += event.delta?.message?.content?.thinking ?? "";
      } else if (event.type === "tool-call-delta") json += event.delta?.message?.toolCalls?.function?.arguments ?? "";
      else if (event.type === "citation-start") citations += event.delta?.message?.citations === undefined ? 0 : 1;
      else if (event.type === "message-end") last = [event.delta?.finishReason, event.delta?.usage?.billedUnits?.outputTokens];
    }
    assert.deepEqual([words, thoughts, json, citations, last], ["The word is [DONE].", "Let me see.", `{"city":"Paris"}`, 1, ["TOOL_CALL", 7]]);
    assert.deepEqual([types[0], types.at(-1)], ["message-start", "message-end"]);
  });

  test("throws our error with its status and message", async () => {
    await assert.rejects(
      client.chat({ model: "m", messages: [] }),
      (error) => error instanceof CohereError && error.statusCode === 400 && (error.body as JsonObject)["message"] === "messages must hold at least one message.",
    );
  });

  test("is told of a failure in the middle of a stream by its last event", async () => {
    let last: { readonly type: string } | undefined;
    for await (const event of await client.chatStream({ model: "broken", messages: [{ role: "user", content: "hi" }] })) last = event;
    assert.deepEqual(last, { type: "message-end", delta: { finishReason: "ERROR", error: "It was cut." } });
  });
});

describe("a mock of others as the provider", () => {
  const mock = new LLMock({ port: 0, chunkSize: 4 });
  const usage = { input_tokens: 11, output_tokens: 5 };
  let url = "";
  before(async () => {
    mock.on({ endpoint: "chat" }, (asked) => {
      if (asked.tools !== undefined && asked.tools.length > 0) return { toolCalls: [{ id: "c1", name: "weather", arguments: `{"city":"Paris"}` }], usage };
      return { content: "The heron stands still.", usage };
    });
    url = `${await mock.start()}/v2`;
  });
  after(() => mock.stop());

  async function ask(fields: Parameters<typeof encoded>[0]): Promise<readonly StreamEvent[]> {
    const made = encoded(fields);
    const answer = await fetch(url + made.path, { method: "POST", headers: { "content-type": "application/json", authorization: "Bearer k" }, body: JSON.stringify(made.body) });
    assert.equal(answer.status, 200);
    if (fields.stream === true) return decodeSse(new Uint8Array(await answer.arrayBuffer()));
    return cohereV2.decodeAnswer((await answer.json()) as Json, CONTEXT);
  }

  test("answers what we ask, in a stream and whole, with text and with a tool call", async () => {
    for (const stream of [false, true]) {
      const said = summary(await ask({ messages: [user("Tell me.")], stream }));
      assert.deepEqual([said.text, said.finish, said.tokens, said.ended], ["The heron stands still.", ["stop"], [11, 5], true]);
      const called = summary(await ask({ messages: [user("Weather?")], tools: [tool("weather")], stream }));
      assert.deepEqual([called.calls, called.finish, called.ended], [[{ id: "c1", name: "weather", arguments: `{"city":"Paris"}` }], ["tool_calls"], true]);
    }
  });
});
