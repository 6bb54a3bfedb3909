/** The official client, in both lines that are in use, reads what we write over a real socket. */
import assert from "node:assert/strict";
import { createServer } from "node:http";
import type { AddressInfo } from "node:net";
import { after, before, describe, test } from "node:test";
import Anthropic from "@anthropic-ai/sdk";
import AnthropicOld from "anthropic-sdk-0-122";
import { gatewayError, statusOf, type GatewayError } from "../../../wire/errors.ts";
import type { StreamEvent } from "../../../wire/events.ts";
import { asString, isObject, type JsonObject } from "../../../wire/json.ts";
import type { Usage } from "../../../wire/usage.ts";
import { anthropicClient, encodeModelsList } from "./client.ts";
import { event, finish, frames, head, OUTSIDE, START, toolArguments, toolStart } from "./client-test-support.ts";

const USAGE: Usage = { units: { input: 3, cache_read: 100, cache_write_5m: 20, output: 7, reasoning: 8 }, raw: null };
const TOOL_TURN: readonly StreamEvent[] = [
  START, event("reasoning", "H"), event("reasoning", "m"), { kind: "signature", choice: 0, signature: "s1" }, { kind: "redacted", choice: 0, data: "xyz" },
  event("text", "Hel"), event("text", "lo ✓"), toolStart(0, "toolu_1", "look"), toolArguments(0, '{"a":'), toolArguments(0, "1}"), toolStart(1, "toolu_2", "list"),
  finish("tool_calls", "tool_calls"),
];
const CONTENT = [
  { type: "thinking", thinking: "Hm", signature: "s1" }, { type: "redacted_thinking", data: "xyz" }, { type: "text", text: "Hello ✓" },
  { type: "tool_use", id: "toolu_1", name: "look", input: { a: 1 } }, { type: "tool_use", id: "toolu_2", name: "list", input: {} },
];

/** By the model asked: which answer is given. */
const ANSWERS: Readonly<Record<string, { readonly events: readonly StreamEvent[]; readonly error?: GatewayError; readonly breaks?: boolean }>> = {
  "tool-turn": { events: TOOL_TURN },
  refusal: { events: [START, event("refusal", "I cannot"), finish("stop", "stop")] },
  "breaks-off": { events: [START, event("text", "Hel")], breaks: true },
  "no-money": { events: [], error: gatewayError("budget_exceeded", "the budget is spent") },
};
const BROKEN = gatewayError("upstream_truncated", "the provider broke off");

/** The least of a gateway: parse, answer, encode. */
function answer(raw: JsonObject): { readonly status: number; readonly type: string; readonly body: string } {
  const json = (status: number, body: JsonObject) => ({ status, type: "application/json", body: JSON.stringify(body) });
  const parsed = anthropicClient.parse(raw, OUTSIDE);
  if (parsed.kind === "error") return json(statusOf(parsed.error), anthropicClient.encodeError(parsed.error, "r1"));
  const { events, error, breaks } = ANSWERS[parsed.request.model] ?? { events: [] };
  if (error !== undefined) return json(statusOf(error), anthropicClient.encodeError(error, "r1"));
  if (!parsed.request.stream) return json(200, anthropicClient.encodeAnswer([...events, { kind: "usage", usage: USAGE }], head(raw)));
  if (breaks !== true) return { status: 200, type: anthropicClient.streamType, body: `${String(anthropicClient.keepAlive)}${frames(events, USAGE, raw)}` };
  const encoder = anthropicClient.openEncoder(head(raw));
  const body = [...events.map((one) => encoder.encode(one)), encoder.failed(BROKEN, null)].join("");
  return { status: 200, type: anthropicClient.streamType, body };
}

const server = createServer((incoming, reply) => {
  const chunks: Buffer[] = [];
  incoming.on("data", (chunk: Buffer) => chunks.push(chunk));
  incoming.on("end", () => {
    const raw: unknown = chunks.length === 0 ? {} : JSON.parse(Buffer.concat(chunks).toString());
    const told = incoming.method === "GET"
      ? { status: 200, type: "application/json", body: JSON.stringify(encodeModelsList([{ id: "claude-x", name: "X", createdS: 1_700_000_000 }])) }
      : answer(isObject(raw) ? raw : {});
    reply.writeHead(told.status, { "content-type": told.type, "request-id": "r1", "x-should-retry": "false" });
    reply.end(told.body);
  });
});
let baseURL = "";
before(async () => {
  await new Promise<void>((resolve) => server.listen(0, "127.0.0.1", resolve));
  baseURL = `http://127.0.0.1:${(server.address() as AddressInfo).port}`;
});
after(() => server.close());

const LINES = { "1.12": () => new Anthropic({ baseURL, apiKey: "k" }), "0.122": () => new AnthropicOld({ baseURL, apiKey: "k" }) as unknown as Anthropic };

for (const [line, connect] of Object.entries(LINES)) {
  describe(`the SDK ${line}`, () => {
    const ask = (model: string) => ({ model, max_tokens: 100, messages: [{ role: "user" as const, content: "Hi" }] });
    /** Blocks as plain values: the helper puts accessors on them. */
    const plain = (content: unknown) => JSON.parse(JSON.stringify(content)) as unknown;

    test("puts a stream together to the message that the events tell", async () => {
      const message = await connect().messages.stream(ask("tool-turn")).finalMessage();
      assert.deepEqual(plain(message.content), CONTENT);
      assert.deepEqual([message.id, message.model, message.stop_reason], ["msg_r1", "claude", "tool_use"]);
      const { input_tokens: input, cache_read_input_tokens: read, cache_creation_input_tokens: written, output_tokens: output, output_tokens_details: details } = message.usage;
      assert.deepEqual([input, read, written, output, details], [3, 100, 20, 15, { thinking_tokens: 8 }]);
    });

    test("gets each raw event, without pings", async () => {
      const types: string[] = [];
      for await (const one of await connect().messages.create({ ...ask("tool-turn"), stream: true })) types.push(one.type);
      assert.deepEqual([types[0], types.at(-2), types.at(-1), types.filter((type) => type === "content_block_start").length], ["message_start", "message_delta", "message_stop", 5]);
    });

    test("reads the whole answer", async () => {
      const message = await connect().messages.create(ask("tool-turn"));
      assert.deepEqual(plain(message.content), CONTENT);
      assert.deepEqual([message.stop_reason, message.usage.input_tokens, message.usage.cache_creation?.ephemeral_5m_input_tokens], ["tool_use", 3, 20]);
      assert.equal(message._request_id, "r1");
    });

    test("sees a refusal as its words and its stop reason", async () => {
      const stream = connect().messages.stream(ask("refusal"));
      assert.equal(await stream.finalText(), "I cannot");
      assert.equal((await stream.finalMessage()).stop_reason, "refusal");
    });

    test("case 40: throws our error where a stream breaks, by the helper and raw", async () => {
      const isOurs = (thrown: unknown) => thrown instanceof Error && thrown.message.includes("the provider broke off");
      await assert.rejects(connect().messages.stream(ask("breaks-off")).finalMessage(), isOurs);
      await assert.rejects(async () => {
        for await (const one of await connect().messages.create({ ...ask("breaks-off"), stream: true })) void one;
      }, isOurs);
    });

    test("throws the class that belongs to an error, with its type and id", async () => {
      await assert.rejects(connect().messages.create(ask("no-money")), (thrown: unknown) => {
        const { status, error, requestID } = thrown as { status: number; error: JsonObject; requestID: string };
        assert.deepEqual([status, requestID, isObject(error.error) && [asString(error.error.type), error.error.details]], [402, "r1", ["billing_error", { error_code: "budget_exceeded" }]]);
        return true;
      });
      const { max_tokens: _, ...without } = ask("tool-turn");
      await assert.rejects(connect().messages.create(without as ReturnType<typeof ask>), /max_tokens is missing/);
    });

    test("lists the models", async () => {
      const listed: unknown[] = [];
      for await (const model of connect().models.list({ limit: 1000 })) listed.push([model.id, model.display_name, model.created_at]);
      assert.deepEqual(listed, [["claude-x", "X", "2023-11-14T22:13:20Z"]]);
    });
  });
}
