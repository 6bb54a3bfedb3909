import assert from "node:assert/strict";
import { createServer, type Server } from "node:http";
import type { AddressInfo } from "node:net";
import { after, before, describe, test } from "node:test";
import { createAmazonBedrock } from "@ai-sdk/amazon-bedrock";
import { generateText, jsonSchema, streamText, tool } from "ai";
import { gatewayError } from "../../../wire/errors.ts";
import type { StreamEvent } from "../../../wire/events.ts";
import type { JsonObject } from "../../../wire/json.ts";
import type { Usage } from "../../../wire/usage.ts";
import type { Frames } from "../client.ts";
import { bedrockClient, errorTypeOf } from "./index.ts";
import { head, outside, written } from "./test-hub.ts";

const USAGE: Usage = { units: { input: 10, cache_read: 3, cache_write_5m: 2, output: 4, reasoning: 1 }, raw: null };
const MODEL = "us.anthropic.claude-sonnet-4-5-20250929-v1:0";

interface Reply {
  readonly status?: number;
  readonly headers?: Readonly<Record<string, string>>;
  readonly body: string | readonly Frames[];
}
/** Called with the path and the body of each request. */
let answer: (path: string, body: JsonObject) => Reply = () => ({ body: "" });
let server: Server;
let sdk: ReturnType<typeof createAmazonBedrock>;

before(async () => {
  server = createServer((request, response) => {
    const pieces: Buffer[] = [];
    request.on("data", (piece: Buffer) => pieces.push(piece));
    request.on("end", () => {
      const { status = 200, headers, body } = answer(request.url ?? "", JSON.parse(Buffer.concat(pieces).toString()) as JsonObject);
      const type = typeof body === "string" ? "application/json" : bedrockClient.streamType;
      response.writeHead(status, { "content-type": type, ...headers });
      for (const frame of typeof body === "string" ? [body] : body) response.write(frame);
      response.end();
    });
  });
  await new Promise<void>((listening) => server.listen(0, "127.0.0.1", listening));
  sdk = createAmazonBedrock({ baseURL: `http://127.0.0.1:${(server.address() as AddressInfo).port}`, region: "us-east-1", apiKey: "key" });
});
after(() => server.close());

const START: StreamEvent = { kind: "start", id: "x", model: "x", createdS: 1 };
const THOUGHT: readonly StreamEvent[] = [{ kind: "reasoning", choice: 0, text: "Let me see." }, { kind: "signature", choice: 0, signature: "c2ln" }];
const SAID: readonly StreamEvent[] = [{ kind: "text", choice: 0, text: "Grüße" }, { kind: "text", choice: 0, text: " 👋" }];
const CALLED: readonly StreamEvent[] = [{ kind: "tool-start", choice: 0, index: 0, id: "call_1", name: "weather", thoughtSignature: undefined }, { kind: "tool-arguments", choice: 0, index: 0, json: '{"city":"Bonn"}' }];
const STOPPED: StreamEvent = { kind: "finish", choice: 0, reason: "stop", native: "stop" };
const TO_CALL: StreamEvent = { kind: "finish", choice: 0, reason: "tool_calls", native: "tool_calls" };
const weather = tool({ inputSchema: jsonSchema<{ city: string }>({ type: "object", properties: { city: { type: "string" } } }), execute: ({ city }) => `rain in ${city}` });

describe("a real SDK", () => {
  test("reads a stream: text, reasoning with its proof, usage; signs of life between do not disturb it", async () => {
    answer = () => {
      const frames = written([START, ...THOUGHT, ...SAID, STOPPED], USAGE, { cost_usd: "0.000001" });
      return { body: [bedrockClient.keepAlive, ...frames.flatMap((frame) => [frame, bedrockClient.keepAlive]).slice(0, -1)].filter((frame) => frame !== "") };
    };
    const result = streamText({ model: sdk(MODEL), prompt: "Hi" });
    let text = "";
    for await (const piece of result.textStream) text += piece;
    assert.equal(text, "Grüße 👋");
    assert.equal(await result.finishReason, "stop");
    const [reasoning] = await result.reasoning;
    assert.deepEqual(reasoning?.type === "reasoning" && [reasoning.text, reasoning.providerMetadata?.["amazonBedrock"]], ["Let me see.", { signature: "c2ln" }]);
    const usage = await result.usage;
    assert.deepEqual([usage.inputTokens, usage.outputTokens, usage.inputTokenDetails.cacheReadTokens, usage.inputTokenDetails.cacheWriteTokens], [15, 5, 3, 2]);
  });

  test("runs a tool round, streamed and whole; what it sends back parses, with its reasoning and results", async () => {
    for (const stream of [true, false]) {
      const bodies: JsonObject[] = [];
      answer = (path, body) => {
        bodies.push(body);
        const events = bodies.length === 1 ? [START, ...THOUGHT, ...CALLED, TO_CALL] : [START, ...SAID, STOPPED];
        assert.equal(path, `/model/${encodeURIComponent(MODEL)}/converse${stream ? "-stream" : ""}`);
        return { body: stream ? written(events, USAGE).filter((frame) => frame !== "") : JSON.stringify(bedrockClient.encodeAnswer([...events, { kind: "usage", usage: USAGE }], head())) };
      };
      const options = { model: sdk(MODEL), prompt: "Weather?", tools: { weather }, stopWhen: ({ steps }: { readonly steps: readonly unknown[] }) => steps.length === 2 };
      const text = stream ? await streamText(options).text : (await generateText(options)).text;
      assert.equal(text, "Grüße 👋");
      const parsed = bedrockClient.parse(bodies[1] ?? {}, outside(MODEL, stream));
      assert.equal(parsed.kind, "request");
      if (parsed.kind !== "request") return;
      assert.deepEqual(parsed.onlyHere, []);
      const [asked, called, result] = parsed.request.messages;
      assert.deepEqual([asked?.role, called?.role, result?.role], ["user", "assistant", "tool"]);
      assert.deepEqual(called?.role === "assistant" && [called.reasoning, called.toolCalls.map(({ id, name, argumentsJson }) => [id, name, argumentsJson])], [
        [{ kind: "thinking", text: "Let me see.", signature: "c2ln" }], [["call_1", "weather", '{"city":"Bonn"}']],
      ]);
      assert.deepEqual(result?.role === "tool" && [result.toolCallId, result.parts], ["call_1", [{ kind: "text", text: "rain in Bonn", cacheControl: undefined }]]);
    }
  });

  test("throws our error with its words, and an error in the middle of a stream as one", async () => {
    const refused = gatewayError("unknown_model", "no such model: nope");
    answer = () => ({ status: 404, headers: { "x-amzn-errortype": errorTypeOf(refused) }, body: JSON.stringify(bedrockClient.encodeError(refused, "r1")) });
    await assert.rejects(generateText({ model: sdk(MODEL), prompt: "Hi", maxRetries: 0 }), /no such model: nope/);

    const broken = gatewayError("upstream_truncated", "the provider broke off");
    answer = () => {
      const encoder = bedrockClient.openEncoder(head());
      return { body: [encoder.encode(START), ...SAID.map((event) => encoder.encode(event)), encoder.failed(broken, null)] };
    };
    const errors: unknown[] = [];
    const result = streamText({ model: sdk(MODEL), prompt: "Hi", maxRetries: 0, onError: ({ error }) => void errors.push(error) });
    let text = "";
    for await (const piece of result.textStream) text += piece;
    assert.equal(text, "Grüße 👋");
    assert.match(String(errors[0]), /the provider broke off/);
  });

  test("what it sends for a picture, a document, limits and thinking has its place in the hub", async () => {
    let body: JsonObject = {};
    answer = (_path, sent) => {
      body = sent;
      return { body: JSON.stringify(bedrockClient.encodeAnswer([START, ...SAID, STOPPED, { kind: "usage", usage: USAGE }], head())) };
    };
    await generateText({
      model: sdk(MODEL), system: "Be brief.", maxOutputTokens: 100, stopSequences: ["END"],
      messages: [{
        role: "user",
        content: [
          { type: "text", text: "Compare" }, { type: "file", data: Buffer.from("png"), mediaType: "image/png" }, { type: "file", data: Buffer.from("%PDF"), mediaType: "application/pdf", filename: "report.pdf" },
        ],
        providerOptions: { amazonBedrock: { cachePoint: { type: "default" } } },
      }],
      providerOptions: { amazonBedrock: { reasoningConfig: { type: "enabled", budgetTokens: 1_024 } } },
    });
    const parsed = bedrockClient.parse(body, outside(MODEL));
    assert.equal(parsed.kind, "request");
    if (parsed.kind !== "request") return;
    const { request, warnings, onlyHere } = parsed;
    assert.deepEqual([onlyHere, warnings], [[], ["carried only to providers of the same dialect: additionalModelResponseFieldPaths"]]);
    assert.deepEqual([request.maxOutputTokens, request.stop, request.thinking], [1_124, ["END"], { type: "enabled", budget_tokens: 1_024 }]);
    assert.deepEqual(request.messages.map(({ role, parts }) => [role, parts.map(({ kind }) => kind)]), [["system", ["text"]], ["user", ["text", "image", "file"]]]);
    const last = request.messages[1]?.parts[2];
    assert.deepEqual(last?.kind === "file" && [last.filename, last.cacheControl], ["report.pdf", { type: "ephemeral" }]);
  });
});
