/**
 * How a stream ends, as the SDKs that read it see it: whatever became of the provider's stream after its first content, the
 * caller is told. An SDK reading a bare clean end takes a part for the whole; behind the gateway none gets to see one.
 */
import assert from "node:assert/strict";
import { after, before, describe, it } from "node:test";
import Anthropic from "@anthropic-ai/sdk";
import { GoogleGenAI } from "@google/genai";
import OpenAI from "openai";
import { startFleet, type FaultInput, type Fleet, type FleetConfig } from "../../src/fleet/index.ts";
import { testGateway, type TestGateway } from "../support/gateway.ts";

const DIALECTS = ["openai-chat", "anthropic-messages", "gemini"] as const;
const TYPES = { "openai-chat": "openai-compatible", "anthropic-messages": "anthropic", gemini: "google" } as const;
const WORDS = 8;
const PRICE = { input: 1, output: 2 };
/** How the provider's stream ends after three words. */
const ENDS: Readonly<Record<string, FaultInput>> = {
  "the body ends cleanly": { kind: "cut_clean", after: 3 },
  "the connection is closed": { kind: "cut_fin", after: 3 },
  "the connection is reset": { kind: "cut_reset", after: 3 },
  "an error event comes": { kind: "error_event", at: 3 },
  "an event is broken": { kind: "malformed_event", at: 3 },
  "nothing more comes": { kind: "stall_mid_stream", after: 3 },
};
const slug = (end: string): string => end.replaceAll(" ", "-");

let fleet: Fleet;
let gateway: TestGateway;
before(async () => {
  const faulty = Object.entries(ENDS).flatMap(([end, fault]) => DIALECTS.map((dialect) => ({ name: `${slug(end)}.${dialect}`, dialect, models: { "*": PRICE }, tokens_out: WORDS, script: [{ fault }] })));
  const whole = DIALECTS.map((dialect) => ({ name: `whole.${dialect}`, dialect, models: { "*": PRICE }, tokens_out: WORDS }));
  const config: FleetConfig = { seed: 3, providers: [...faulty, ...whole] };
  fleet = await startFleet(config);
  const names = config.providers.map((one) => one.name);
  const providers = Object.fromEntries(names.map((name) => [name, { type: TYPES[name.split(".")[1] as keyof typeof TYPES], base_url: fleet.provider(name).baseUrl, api_key: "k", models: { m: { price: PRICE, context: 131_072, max_output: 16_384 } } }]));
  const routes = Object.fromEntries(names.map((name) => [name, { candidates: [`${name}/m`], idle: "400ms" }]));
  gateway = await testGateway(JSON.stringify({ version: 1, providers, routes }));
});
after(async () => {
  await gateway.close();
  await fleet.close();
});

/** What an SDK made of a stream: its text, and what it threw or told as a failure. */
interface Made {
  readonly text: string;
  readonly failure: string | null;
}
type Reader = (model: string) => Promise<Made>;

async function reading(read: (seen: (text: string) => void) => Promise<string | null>): Promise<Made> {
  let text = "";
  try {
    const failure = await read((more) => void (text += more));
    return { text, failure };
  } catch (error) {
    return { text, failure: `${(error as Error).constructor.name}: ${(error as Error).message}` };
  }
}

const openai = (): OpenAI => new OpenAI({ baseURL: gateway.baseUrl, apiKey: "k", maxRetries: 0 });
const anthropic = (): Anthropic => new Anthropic({ baseURL: gateway.url, apiKey: "k", maxRetries: 0 });
const messages = [{ role: "user" as const, content: "Where does the water go?" }];

const READERS: Readonly<Record<string, Reader>> = {
  "openai chat, raw": (model) =>
    reading(async (seen) => {
      for await (const chunk of await openai().chat.completions.create({ model, messages, stream: true })) seen(chunk.choices[0]?.delta.content ?? "");
      return null;
    }),
  "openai chat, helper": (model) =>
    reading(async (seen) => {
      const stream = openai().chat.completions.stream({ model, messages });
      stream.on("content", (delta) => seen(delta));
      await stream.finalChatCompletion();
      return null;
    }),
  "openai responses, raw": (model) =>
    reading(async (seen) => {
      let failure: string | null = "no terminal event";
      for await (const event of await openai().responses.create({ model, input: "Where?", stream: true })) {
        if (event.type === "response.output_text.delta") seen(event.delta);
        if (event.type === "response.completed") failure = null;
        if (event.type === "response.failed") failure = `response.failed: ${event.response.error?.code}`;
      }
      return failure;
    }),
  "openai responses, helper": (model) =>
    reading(async (seen) => {
      const stream = openai().responses.stream({ model, input: "Where?" });
      stream.on("response.output_text.delta", (event) => seen(event.delta));
      const whole = await stream.finalResponse();
      return whole.status === "completed" ? null : `${whole.status}: ${whole.error?.code}`;
    }),
  "anthropic, raw": (model) =>
    reading(async (seen) => {
      for await (const event of await anthropic().messages.create({ model, messages, max_tokens: 100, stream: true })) {
        if (event.type === "content_block_delta" && event.delta.type === "text_delta") seen(event.delta.text);
      }
      return null;
    }),
  "anthropic, helper": (model) =>
    reading(async (seen) => {
      const stream = anthropic().messages.stream({ model, messages, max_tokens: 100 });
      stream.on("text", (delta) => seen(delta));
      await stream.finalMessage();
      return null;
    }),
  "google genai": (model) =>
    reading(async (seen) => {
      const client = new GoogleGenAI({ apiKey: "k", httpOptions: { baseUrl: gateway.url } });
      for await (const chunk of await client.models.generateContentStream({ model, contents: "Where?" })) seen(chunk.text ?? "");
      return null;
    }),
};

const wordsIn = (text: string): number => text.split(/\s+/).filter((word) => word !== "").length;

for (const [name, read] of Object.entries(READERS)) {
  describe(`${name}: a stream`, () => {
    for (const dialect of DIALECTS) {
      it(`that is whole at a provider of ${dialect} is whole here`, async () => {
        const made = await read(`whole.${dialect}`);
        assert.deepEqual([made.failure, wordsIn(made.text)], [null, WORDS]);
      });
      for (const end of Object.keys(ENDS)) {
        it(`of ${dialect} in which ${end} half-way is told as a failure`, async () => {
          const made = await read(`${slug(end)}.${dialect}`);
          assert.ok(wordsIn(made.text) > 0 && wordsIn(made.text) < WORDS, `${wordsIn(made.text)} words came: ${made.failure}`);
          // Our own words, or the code of the protocol's own event: a lost connection would have neither.
          assert.match(made.failure ?? "silence", /broke off|^(response\.)?failed: \w+/);
        });
      }
    }
  });
}
