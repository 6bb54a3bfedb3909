/**
 * A route with `rescue: continue` before the SDKs: two providers of different protocols, the first of which breaks every answer off.
 * What an SDK reads is the whole text, once, and no error. The providers are strict about how they are asked to go on.
 */
import assert from "node:assert/strict";
import { createServer, type IncomingMessage, type Server, type ServerResponse } from "node:http";
import type { AddressInfo } from "node:net";
import { after, before, describe, it } from "node:test";
import { createAmazonBedrock } from "@ai-sdk/amazon-bedrock";
import Anthropic from "@anthropic-ai/sdk";
import { GoogleGenAI } from "@google/genai";
import { Mistral } from "@mistralai/mistralai";
import { streamText } from "ai";
import { CohereClientV2 } from "cohere-ai";
import OpenAI from "openai";
import { testGateway, type TestGateway } from "../support/gateway.ts";

const WHOLE = "The water – all of it – goes\n\n  down the drain, “café” and \u{1f98a}\u{1f98a} after it.";
/** UTF-16 units of a piece: halves of a character come in events of their own. */
const PIECE = 3;
const PRICE = { input: 1, output: 2 };

interface Turn {
  readonly role: string;
  readonly content: string | readonly { readonly text: string }[];
}
type Body = Readonly<Record<string, unknown>> & { readonly messages: readonly Turn[] };

/** What the request begins the answer with; null: nothing. */
function begun({ messages }: Body): string | null {
  const last = messages.at(-1);
  if (last?.role !== "assistant") return null;
  return typeof last.content === "string" ? last.content : last.content.map((part) => part.text).join("");
}

/** The pieces of an answer, and whether it breaks off after them. */
function answerTo(body: Body): { readonly pieces: readonly string[]; readonly breaks: boolean } {
  const from = begun(body);
  const rest = WHOLE.slice(from?.length ?? 0);
  const pieces = Array.from({ length: Math.ceil(rest.length / PIECE) }, (_, i) => rest.slice(i * PIECE, (i + 1) * PIECE));
  return from === null ? { pieces: pieces.slice(0, cutAfter), breaks: true } : { pieces, breaks: false };
}
let cutAfter = 1;

type Write = (body: Body) => { readonly frames: readonly string[]; readonly end: readonly string[] } | string;

const vllm: Write = (body) => {
  const from = begun(body);
  if (from !== null && (body["continue_final_message"] !== true || body["add_generation_prompt"] !== false)) return "the last message is an answer of its own";
  const chunk = (rest: object): string => `data: ${JSON.stringify({ id: "c", object: "chat.completion.chunk", created: 1, model: "m", ...rest })}\n\n`;
  const delta = (content: string): string => chunk({ choices: [{ index: 0, delta: { content }, finish_reason: null }] });
  return {
    frames: answerTo(body).pieces.map(delta),
    end: [chunk({ choices: [{ index: 0, delta: {}, finish_reason: "stop" }] }), chunk({ choices: [], usage: { prompt_tokens: 11, completion_tokens: 7, total_tokens: 18 } }), "data: [DONE]\n\n"],
  };
};

const claude: Write = (body) => {
  if (/\s$/.test(begun(body) ?? "")) return "messages: final assistant content cannot end with trailing whitespace";
  const event = (type: string, rest: object): string => `event: ${type}\ndata: ${JSON.stringify({ type, ...rest })}\n\n`;
  return {
    frames: [
      event("message_start", { message: { id: "msg", type: "message", role: "assistant", model: "claude", content: [], stop_reason: null, stop_sequence: null, usage: { input_tokens: 11, output_tokens: 1 } } }),
      event("content_block_start", { index: 0, content_block: { type: "text", text: "" } }),
      ...answerTo(body).pieces.map((text) => event("content_block_delta", { index: 0, delta: { type: "text_delta", text } })),
    ],
    end: [event("content_block_stop", { index: 0 }), event("message_delta", { delta: { stop_reason: "end_turn", stop_sequence: null }, usage: { output_tokens: 7 } }), event("message_stop", {})],
  };
};

async function read(request: IncomingMessage): Promise<Body> {
  const pieces: Buffer[] = [];
  for await (const piece of request) pieces.push(piece as Buffer);
  return JSON.parse(Buffer.concat(pieces).toString()) as Body;
}

async function serve(write: Write, request: IncomingMessage, response: ServerResponse): Promise<void> {
  const body = await read(request);
  const made = write(body);
  if (typeof made === "string") {
    response.writeHead(400, { "content-type": "application/json" }).end(JSON.stringify({ error: { message: made, type: "invalid_request_error" } }));
    return;
  }
  response.writeHead(200, { "content-type": "text/event-stream" });
  response.write(made.frames.join(""));
  if (answerTo(body).breaks) setImmediate(() => request.socket.destroySoon());
  else response.end(made.end.join(""));
}

const servers: Server[] = [];
async function open(write: Write): Promise<string> {
  const server = createServer((request, response) => void serve(write, request, response));
  servers.push(server);
  await new Promise<void>((listening) => server.listen(0, "127.0.0.1", listening));
  return `http://127.0.0.1:${(server.address() as AddressInfo).port}/v1`;
}

const ROUTES = ["own-first", "claude-first"] as const;
const CUTS = [1, 4, 10, 20, Math.ceil(WHOLE.length / PIECE)] as const;
let gateway: TestGateway;
before(async () => {
  const model = { price: PRICE, context: 131_072, max_output: 16_384 };
  const [own, anthropic] = [{ type: "vllm", base_url: await open(vllm), models: { m: model } }, { type: "anthropic", base_url: await open(claude), api_key: "k", models: { "claude-3-5-haiku-latest": model } }];
  const providers: Record<string, unknown> = { own, claude: anthropic };
  const routes: Record<string, unknown> = { plain: { candidates: ["own/m", "claude/claude-3-5-haiku-latest"] } };
  // Accounts of their own for each: what breaks off each time comes to rest.
  for (const reader of Object.keys(READERS)) {
    for (const [route, cut] of ROUTES.flatMap((one) => CUTS.map((cut) => [one, cut] as const))) {
      const name = slug(reader, route, cut);
      Object.assign(providers, { [`own-${name}`]: own, [`claude-${name}`]: anthropic });
      const candidates = [`own-${name}/m`, `claude-${name}/claude-3-5-haiku-latest`];
      routes[name] = { candidates: route === "own-first" ? candidates : candidates.reverse(), rescue: "continue" };
    }
  }
  gateway = await testGateway(JSON.stringify({ version: 1, providers, routes }));
});
const slug = (reader: string, route: string, cut: number): string => `${reader} ${route} ${cut}`.replaceAll(" ", "-");
after(async () => {
  await gateway.close();
  for (const server of servers) {
    server.closeAllConnections();
    server.close();
  }
});

const openai = (): OpenAI => new OpenAI({ baseURL: gateway.baseUrl, apiKey: "k", maxRetries: 0 });
const messages = [{ role: "user" as const, content: "Where does the water go?" }];
/** Text, and output tokens where the protocol tells them. */
type Seen = readonly [text: string, outputTokens: number | null];

const READERS: Readonly<Record<string, (model: string) => Promise<Seen>>> = {
  "openai chat": async (model) => {
    const stream = openai().chat.completions.stream({ model, messages, stream_options: { include_usage: true } });
    const whole = await stream.finalChatCompletion();
    return [whole.choices[0]?.message.content ?? "", whole.usage?.completion_tokens ?? null];
  },
  "openai completions": async (model) => {
    let text = "";
    for await (const chunk of await openai().completions.create({ model, prompt: "Where?", stream: true })) text += chunk.choices[0]?.text ?? "";
    return [text, null];
  },
  "openai responses": async (model) => {
    const numbers: number[] = [];
    const stream = openai().responses.stream({ model, input: "Where?" });
    stream.on("event", (event) => void numbers.push(event.sequence_number));
    const whole = await stream.finalResponse();
    assert.deepEqual(numbers, numbers.map((_, i) => i));
    assert.equal(whole.output.length, 1);
    return [whole.output_text, whole.usage?.output_tokens ?? null];
  },
  anthropic: async (model) => {
    const stream = new Anthropic({ baseURL: gateway.url, apiKey: "k", maxRetries: 0 }).messages.stream({ model, messages, max_tokens: 100 });
    const whole = await stream.finalMessage();
    assert.equal(whole.content.length, 1);
    return [whole.content[0]?.type === "text" ? whole.content[0].text : "", whole.usage.output_tokens];
  },
  "google genai": async (model) => {
    const client = new GoogleGenAI({ apiKey: "k", httpOptions: { baseUrl: gateway.url } });
    let text = "";
    let tokens: number | null = null;
    for await (const chunk of await client.models.generateContentStream({ model, contents: "Where?" })) {
      text += chunk.text ?? "";
      tokens = chunk.usageMetadata?.candidatesTokenCount ?? tokens;
    }
    return [text, tokens];
  },
  "bedrock of the ai sdk": async (model) => {
    const result = streamText({ model: createAmazonBedrock({ region: "us-east-1", apiKey: "k", baseURL: gateway.url })(model), prompt: "Where?", maxRetries: 0 });
    let text = "";
    for await (const piece of result.textStream) text += piece;
    return [text, (await result.usage).outputTokens ?? null];
  },
  mistral: async (model) => {
    const client = new Mistral({ serverURL: gateway.url, apiKey: "k", retryConfig: { strategy: "none" } });
    let text = "";
    let tokens: number | null = null;
    for await (const { data } of await client.chat.stream({ model, messages })) {
      const content = data.choices[0]?.delta.content;
      text += typeof content === "string" ? content : "";
      tokens = data.usage?.completionTokens ?? tokens;
    }
    return [text, tokens];
  },
  cohere: async (model) => {
    const client = new CohereClientV2({ environment: gateway.url, token: "k", maxRetries: 0 });
    let text = "";
    for await (const event of await client.chatStream({ model, messages })) {
      if (event.type === "content-delta") text += event.delta?.message?.content?.text ?? "";
    }
    return [text, null];
  },
};

describe("a broken stream of a route that carries it on", () => {
  for (const [name, reader] of Object.entries(READERS)) {
    for (const route of ROUTES) {
      it(`is whole for ${name}, ${route}, wherever it was cut`, async () => {
        for (cutAfter of CUTS) {
          const [text, tokens] = await reader(slug(name, route, cutAfter));
          assert.equal(text, WHOLE, `cut after ${cutAfter} pieces`);
          // Seven of the second call, and what came of the first.
          if (tokens !== null) assert.ok(tokens > 7, `${tokens} tokens`);
        }
      });
    }
  }

  it("is recorded as carried on, with both calls charged", async () => {
    const requests = (await gateway.requests()).filter((one) => one.record?.route !== "plain");
    assert.equal(requests.length, Object.keys(READERS).length * ROUTES.length * CUTS.length);
    for (const { record } of requests) {
      assert.deepEqual([record?.outcome, record?.flags.includes("rescued"), record?.attempts.length], ["ok", true, 2]);
    }
  });

  it("breaks off with an error where the route does not", async () => {
    cutAfter = 4;
    await assert.rejects(READERS["openai chat"]?.("plain") ?? Promise.resolve(), /broke off/);
  });
});
