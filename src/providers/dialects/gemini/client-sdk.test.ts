/**
 * The libraries that speak this dialect, unmodified, over real sockets: what they send is read, what is written they read,
 * and what they send back in the next turn carries everything that the first answer gave them.
 */
import assert from "node:assert/strict";
import { createServer, type Server } from "node:http";
import type { AddressInfo } from "node:net";
import { after, before, describe, test } from "node:test";
import { createGoogleGenerativeAI } from "@ai-sdk/google";
import { GoogleGenAI } from "@google/genai";
import { ChatGoogleGenerativeAI } from "@langchain/google-genai";
import { generateText, stepCountIs, streamText, tool } from "ai";
import { z } from "zod";
import type { AssistantMessage, ChatRequest } from "../../../wire/chat.ts";
import { gatewayError, statusOf, type GatewayError } from "../../../wire/errors.ts";
import type { StreamEvent } from "../../../wire/events.ts";
import type { JsonObject } from "../../../wire/json.ts";
import { encodeModelsList, geminiClient } from "./client.ts";
import { calls, finish, head, said, thought, usage } from "./test-client.ts";
import { assistant, call, result, tool as declared, user } from "./test-support.ts";

/** How the next call is answered; `cut` ends the stream with this error after its events. */
interface Script {
  readonly events: readonly StreamEvent[];
  readonly cut?: GatewayError;
  readonly refused?: GatewayError;
}
const SCHEMA = { type: "object", properties: { city: { type: "string" } }, required: ["city"] } as const;
const UNITS = { input: 3, cache_read: 2, output: 4, reasoning: 5 };
const GREETING: readonly StreamEvent[] = [thought("hm"), { kind: "signature", choice: 0, signature: "sig" }, said("Grüß "), said("Gott"), finish("stop")];
const LOOKING: readonly StreamEvent[] = [thought("where"), { kind: "signature", choice: 0, signature: "sig" }, ...calls(0, "c0", "look", `{"city":`, `"Ulm"}`), ...calls(1, "c1", "look", `{"city":"Bonn"}`), finish("tool_calls")];
const BROKEN: Script = { events: [said("half")], cut: gatewayError("upstream_truncated", "It broke off.") };

const scripts: Script[] = [];
const paths: string[] = [];
const seen: { readonly request: ChatRequest; readonly warnings: readonly string[] }[] = [];
let server: Server;
let base = "";

before(async () => {
  server = createServer((incoming, reply) => {
    const pieces: Buffer[] = [];
    incoming.on("data", (piece: Buffer) => pieces.push(piece));
    incoming.on("end", () => {
      const url = new URL(incoming.url ?? "", "http://x");
      paths.push(url.pathname);
      const json = (status: number, body: JsonObject): void => void reply.writeHead(status, { "content-type": "application/json" }).end(JSON.stringify(body));
      if (incoming.method === "GET") return json(200, encodeModelsList([{ id: "some/model", name: "Some", contextWindow: 10, maxOutput: 5 }]));
      const [, model, method] = /\/models\/(.+):(\w+)$/.exec(url.pathname) ?? [];
      const raw = JSON.parse(Buffer.concat(pieces).toString()) as JsonObject;
      const stream = method === "streamGenerateContent";
      const parsed = geminiClient.parse(raw, { model: decodeURIComponent(model ?? ""), stream, query: url.search.slice(1), header: () => undefined });
      const script = scripts.shift();
      const refused = parsed.kind === "error" ? parsed.error : (script?.refused ?? (script === undefined ? gatewayError("internal_error", "nothing more to say") : undefined));
      if (parsed.kind === "error" || script === undefined || refused !== undefined) {
        const error = refused ?? gatewayError("internal_error", "?");
        return json(statusOf(error), geminiClient.encodeError(error, "r-1"));
      }
      seen.push(parsed);
      const asHead = head(raw, { request: parsed.request, model: parsed.request.model });
      if (!stream) return json(200, geminiClient.encodeAnswer([...script.events, { kind: "usage", usage: usage(UNITS) }], asHead));
      const encoder = geminiClient.openEncoder(asHead);
      reply.writeHead(200, { "content-type": geminiClient.streamType });
      for (const event of script.events) {
        reply.write(geminiClient.keepAlive);
        const frame = encoder.encode(event);
        if (frame.length > 0) reply.write(frame);
      }
      reply.end(script.cut === undefined ? encoder.closing(usage(UNITS), { cost_usd: 0.1 }) : encoder.failed(script.cut, null));
    });
  });
  await new Promise<void>((ready) => server.listen(0, "127.0.0.1", ready));
  base = `http://127.0.0.1:${(server.address() as AddressInfo).port}`;
});
after(() => {
  server.closeAllConnections();
  server.close();
});

/** The requests that came while these answers were given, in order. */
async function during(answers: readonly (Script | readonly StreamEvent[])[], run: () => Promise<void>): Promise<readonly ChatRequest[]> {
  seen.length = 0;
  scripts.splice(0, Infinity, ...answers.map((one) => ("events" in one ? one : { events: one })));
  await run();
  assert.equal(scripts.length, 0, "not every answer was asked for");
  return seen.map(({ request }) => request);
}
const reasoningOf = (request: ChatRequest | undefined): unknown => request?.messages.flatMap((message) => (message.role === "assistant" ? (message as AssistantMessage).reasoning : []));
const SIGNED = [{ kind: "thinking", text: "where", signature: "sig" }];

for (const apiVersion of ["v1", "v1beta"]) {
  describe(`@google/genai on /${apiVersion}`, () => {
    const genai = (): GoogleGenAI => new GoogleGenAI({ apiKey: "k", httpOptions: { baseUrl: base, ...(apiVersion === "v1" ? {} : { apiVersion }) } });
    const asked = { model: "some-model", contents: "hi", config: { systemInstruction: "be brief", thinkingConfig: { includeThoughts: true } } };

    test("generates, with thoughts apart and usage in its classes", async () => {
      const [request] = await during([GREETING], async () => {
        const answer = await genai().models.generateContent(asked);
        assert.equal(answer.text, "Grüß Gott");
        assert.deepEqual(answer.candidates?.[0]?.content?.parts?.filter(({ thought: is }) => is).map((part) => part.text), ["hm", ""]);
        const { promptTokenCount, cachedContentTokenCount, candidatesTokenCount, thoughtsTokenCount, totalTokenCount } = answer.usageMetadata ?? {};
        assert.deepEqual([promptTokenCount, cachedContentTokenCount, candidatesTokenCount, thoughtsTokenCount, totalTokenCount], [5, 2, 4, 5, 14]);
        assert.deepEqual([answer.candidates?.[0]?.finishReason, answer.modelVersion, answer.responseId], ["STOP", "some-model", "r-1"]);
      });
      assert.equal(paths.at(-1), `/${apiVersion}/models/some-model:generateContent`);
      assert.deepEqual(request?.messages.map(({ role }) => role), ["system", "user"]);
    });
    test("streams, past signs of life", async () => {
      await during([GREETING], async () => {
        let text = "";
        let last: { finishReason?: unknown; total?: unknown } = {};
        for await (const chunk of await genai().models.generateContentStream(asked)) {
          text += chunk.text ?? "";
          last = { finishReason: chunk.candidates?.[0]?.finishReason, total: chunk.usageMetadata?.totalTokenCount };
        }
        assert.equal(text, "Grüß Gott");
        assert.deepEqual(last, { finishReason: "STOP", total: 14 });
      });
    });
    test("case 22: a chat over streams sends back calls, results and what another maker signed", async () => {
      const requests = await during([LOOKING, GREETING], async () => {
        const chat = genai().chats.create({ model: "some-model", config: { thinkingConfig: { includeThoughts: apiVersion === "v1" }, tools: [{ functionDeclarations: [{ name: "look", parametersJsonSchema: SCHEMA }] }] } });
        const found: { id?: string | undefined; name?: string | undefined; args?: Record<string, unknown> | undefined }[] = [];
        for await (const chunk of await chat.sendMessageStream({ message: "weather?" })) found.push(...(chunk.functionCalls ?? []));
        assert.deepEqual(found.map(({ id, args }) => [id, args]), [["c0", { city: "Ulm" }], ["c1", { city: "Bonn" }]]);
        // Results by name and order only, as code written for other models has it.
        await chat.sendMessage({ message: found.map(({ name, args }) => ({ functionResponse: { name: name ?? "", response: { output: `sun over ${String(args?.["city"])}` } } })) });
      });
      assert.deepEqual(requests[0]?.tools, [declared("look", { parameters: SCHEMA as never })]);
      assert.deepEqual(reasoningOf(requests[1]), SIGNED);
      assert.deepEqual(requests[1]?.messages, [
        user("weather?"), { ...assistant("", [call("c0", "look", `{"city":"Ulm"}`), call("c1", "look", `{"city":"Bonn"}`)]), reasoning: SIGNED },
        result("c0", "sun over Ulm"), result("c1", "sun over Bonn"),
      ]);
    });
    test("throws on an error, before a stream and in the middle of one", async () => {
      await during([{ events: [], refused: gatewayError("budget_exceeded", "No money.") }], async () => {
        await assert.rejects(genai().models.generateContent(asked), { name: "ApiError", status: 402, message: /No money/ });
      });
      await during([BROKEN], async () => {
        await assert.rejects(async () => {
          for await (const chunk of await genai().models.generateContentStream(asked)) assert.ok(chunk.candidates);
        }, { name: "ApiError", status: 502, message: /It broke off/ });
      });
    });
    test("lists models", async () => {
      const pager = await genai().models.list();
      assert.deepEqual(pager.page.map(({ name, displayName, inputTokenLimit, outputTokenLimit }) => [name, displayName, inputTokenLimit, outputTokenLimit]), [["models/some/model", "Some", 10, 5]]);
    });
  });
}

describe("@ai-sdk/google", () => {
  const model = (): ReturnType<ReturnType<typeof createGoogleGenerativeAI>> => createGoogleGenerativeAI({ apiKey: "k", baseURL: `${base}/v1beta` })("some-model");
  const look = tool({ description: "weather", inputSchema: z.object({ city: z.string() }), execute: ({ city }) => `sun over ${city}` });
  const shown = { google: { thinkingConfig: { includeThoughts: true } } };

  for (const [name, providerOptions] of [["shown", shown], ["hidden", undefined]] as const) {
    test(`case 22: runs tools over a stream and sends back everything, thoughts ${name}`, async () => {
      const requests = await during([LOOKING, GREETING], async () => {
        const answer = streamText({ model: model(), prompt: "weather?", tools: { look }, stopWhen: stepCountIs(3), maxRetries: 0, ...(providerOptions === undefined ? {} : { providerOptions }) });
        await answer.consumeStream();
        assert.equal(await answer.text, "Grüß Gott");
        assert.equal((await answer.finalStep).reasoningText ?? "", name === "shown" ? "hm" : "");
        assert.deepEqual((await answer.steps).map((step) => step.finishReason), ["tool-calls", "stop"]);
        const { inputTokens, outputTokens, inputTokenDetails, outputTokenDetails } = (await answer.finalStep).usage;
        assert.deepEqual([inputTokens, outputTokens, inputTokenDetails.cacheReadTokens, outputTokenDetails.reasoningTokens], [5, 9, 2, 5]);
      });
      assert.deepEqual(reasoningOf(requests[1]), SIGNED);
      assert.deepEqual(requests[1]?.messages.filter(({ role }) => role === "tool"), [result("c0", "sun over Ulm"), result("c1", "sun over Bonn")]);
    });
  }
  test("generates, and throws on an error, before a stream and in the middle of one", async () => {
    await during([GREETING], async () => {
      const answer = await generateText({ model: model(), prompt: "hi", maxRetries: 0, providerOptions: shown });
      assert.deepEqual([answer.text, answer.finalStep.reasoningText, answer.finishReason], ["Grüß Gott", "hm", "stop"]);
    });
    await during([{ events: [], refused: gatewayError("unknown_model", "No such model.") }], async () => {
      await assert.rejects(generateText({ model: model(), prompt: "hi", maxRetries: 0 }), { name: "AI_APICallError", statusCode: 404, message: "No such model." });
    });
    await during([BROKEN], async () => {
      const errors: unknown[] = [];
      const answer = streamText({ model: model(), prompt: "hi", maxRetries: 0, onError: ({ error }) => void errors.push(error) });
      await answer.consumeStream();
      assert.match(String(errors[0]), /It broke off/);
    });
  });
});

describe("@langchain/google-genai, on the library before", () => {
  const model = (): ChatGoogleGenerativeAI => new ChatGoogleGenerativeAI({ apiKey: "k", baseUrl: base, model: "some-model", maxRetries: 0 });

  test("streams, past signs of life, and does not take half an answer for a whole one", async () => {
    await during([GREETING], async () => {
      let text = "";
      for await (const chunk of await model().stream("hi")) text += chunk.text;
      assert.equal(text, "Grüß Gott");
    });
    await during([BROKEN], async () => {
      const reasons: unknown[] = [];
      for await (const chunk of await model().stream("hi")) reasons.push(chunk.response_metadata["finishReason"]);
      // The library has no place for an error here; it must not see a good end.
      assert.deepEqual(reasons.filter((reason) => reason !== undefined), ["OTHER"]);
    });
  });
  test("case 15: its calls and results, which come without ids, find each other", async () => {
    const requests = await during([LOOKING, GREETING], async () => {
      const bound = model().bindTools([{ name: "look", description: "d", schema: z.object({ city: z.string() }) }]);
      const answer = await bound.invoke("weather?");
      assert.deepEqual(answer.tool_calls?.map(({ args }) => args), [{ city: "Ulm" }, { city: "Bonn" }]);
      await bound.invoke([["human", "weather?"], answer, ...(answer.tool_calls ?? []).map(({ id, args }) => ({ role: "tool", tool_call_id: id ?? "", content: `sun over ${String(args["city"])}` }))]);
    });
    const made = requests[1]?.messages.find((message) => message.role === "assistant") as AssistantMessage;
    const results = requests[1]?.messages.filter((message) => message.role === "tool") ?? [];
    assert.deepEqual(results.map((message) => made.toolCalls.find(({ id }) => id === message.toolCallId)?.argumentsJson), [`{"city":"Ulm"}`, `{"city":"Bonn"}`]);
  });
});
