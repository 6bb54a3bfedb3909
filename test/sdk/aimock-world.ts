/**
 * The matrix's world of a mock that others wrote, all dialects on one port, no caller key in front. Where it is not what
 * the providers are, and what the cases therefore do not ask of it:
 * - Gemini tool calls end with `FUNCTION_CALL`, a finish reason that the API does not have (it says `STOP`). The cases
 *   assert the finish reason that the client gets, which must be the same for both.
 * - Its journal holds what it understood of a request and not its bytes: schemas and pictures for Anthropic and Gemini are
 *   not in it, so only the fleet is asked whether they arrived.
 * - It does not tell a client that left from one that stayed: who leaves is looked at on the fleet only.
 * - It answers embeddings in numbers, whatever encoding was asked, and counts no tokens for them.
 * - It answers tools and schemas by the fixture and not by what they say, so it cannot show that a schema was understood.
 */
import assert from "node:assert/strict";
import { LLMock, type ChatCompletionRequest, type FixtureResponse, type JournalEntry } from "@copilotkit/aimock";
import { stringify } from "yaml";
import { testGateway } from "../support/gateway.ts";
import { JSON_QUESTION, PERSON, QUESTION, routes, WORDS, type UpstreamCall, type UpstreamName, type World } from "./world.ts";

const TEXT = "The water goes over the spillway, down to the plain, and nobody gets wet feet but the herons.";
const USAGE = { input: 21, output: 34 };
/** At the prices below: 21 × 1,000 + 34 × 2,000 nano-dollars. */
const COST_NANO_USD = 89_000;
const VECTOR = [0.125, -0.25, 0.5, 0.0625];
/** Converse is held to a schema only by the models that are known to follow one, which is told by their names. */
const CLAUDE = "claude-sonnet-4-5-";
const PREFIXES = {
  openai: "mock-openai/", anthropic: "mock-anthropic/", gemini: "mock-gemini/", responses: "mock-responses/", converse: `mock-converse/${CLAUDE}`, cohere: "mock-cohere/",
} as const;
/** Protocols that this mock plays and the fleet does not. */
export const MOCK_ONLY = ["responses", "converse", "cohere"] as const;
/** The route whose first two deployments are broken, so that it is this one that answers. */
export const spillTo = (last: (typeof MOCK_ONLY)[number]): string => `spill-to-${last}`;
const SPILLS = Object.fromEntries(MOCK_ONLY.map((last) => {
  const broken = MOCK_ONLY.filter((one) => one !== last).map((one) => `${PREFIXES[one]}broken`);
  return [spillTo(last), { candidates: [...broken, `${PREFIXES[last]}chat`] }];
}));
/** Vectors of an account that is called by responses. */
export const RESPONSES_VECTORS = "vectors-of-responses";
const PRICE = { price: { input: 1, output: 2 }, context: 131072, max_output: 16384 };

export async function aimockWorld(): Promise<World> {
  const mock = new LLMock({ port: 0, chunkSize: 8, journalMaxEntries: 0 });
  mock.on({ endpoint: "chat" }, respond);
  mock.onEmbedding(/./, { embedding: VECTOR });
  const url = await mock.start();
  const models = { chat: PRICE, faulty: PRICE, broken: PRICE };
  const account = (type: string, path: string, more: Record<string, unknown> = {}) => ({ type, base_url: url + path, api_key: "mock-key", models: { ...models, ...more } });
  const gateway = await testGateway(stringify({
    version: 1,
    providers: {
      "mock-openai": account("openai-compatible", "/v1", { embed: PRICE }),
      "mock-anthropic": account("anthropic", "/v1"),
      "mock-gemini": account("google", "/v1beta"),
      "mock-responses": { ...account("openai-compatible", "/v1", { embed: PRICE }), api: "responses" },
      "mock-converse": account("bedrock", "", { [`${CLAUDE}chat`]: PRICE, [`${CLAUDE}faulty`]: PRICE, [`${CLAUDE}broken`]: PRICE }),
      "mock-cohere": account("cohere", "/v2"),
    },
    routes: { ...routes(PREFIXES, ["chat", "faulty"]), ...SPILLS, [RESPONSES_VECTORS]: { candidates: [`${PREFIXES.responses}embed`] } },
    fallbacks: "off",
  }));
  return {
    kind: "aimock",
    gateway,
    apiKey: "no-key-is-asked",
    calls: () => mock.getRequests().map(callOf),
    checkText: (text) => assert.equal(text, TEXT),
    embedding: () => VECTOR,
    async close() {
      await gateway.close();
      await mock.stop();
    },
  };
}

/** One script for all dialects: the mock has brought the request into OpenAI's shape before it asks. */
function respond(request: ChatCompletionRequest): FixtureResponse {
  if (request.model.endsWith("faulty")) return { status: 400, error: { message: WORDS, type: "invalid_request_error", code: "invalid_value", param: "top_k" } };
  if (request.model.endsWith("broken")) return { status: 503, error: { message: "The dam is shut.", type: "server_error" } };
  const usage = { input_tokens: USAGE.input, output_tokens: USAGE.output };
  const last = request.messages.at(-1);
  if (last?.role === "tool") return { content: `The tool says: ${contentOf(last)}`, usage };
  if (request.tools !== undefined && request.tools.length > 0) {
    const toolCalls = request.tools.map(({ function: { name } }, at) => ({
      id: `call_of_mock_${at}`,
      name,
      arguments: JSON.stringify(name.startsWith("get_") ? { city: "Kyiv" } : PERSON),
    }));
    return { toolCalls, usage };
  }
  const asked = contentOf(request.messages.findLast((message) => message.role === "user"));
  if (asked.includes(JSON_QUESTION)) return { content: JSON.stringify(PERSON), usage };
  assert.ok(asked.includes(QUESTION), `the mock was asked ${asked}`);
  return { content: TEXT, usage };
}

function contentOf(message: { readonly content: unknown } | undefined): string {
  const content = message?.content;
  return typeof content === "string" ? content : JSON.stringify(content ?? "");
}

const PATHS: readonly (readonly [string, UpstreamName])[] = [
  ["/messages", "anthropic"], ["/v1beta/", "gemini"], ["/responses", "responses"], ["/converse", "converse"], ["/v2/chat", "cohere"],
];

function callOf(entry: JournalEntry): UpstreamCall {
  const dialect = PATHS.find(([path]) => entry.path.includes(path))?.[1] ?? "openai";
  const answered = entry.response.status === 200;
  // Its embeddings always tell of no tokens at all, which is as good as telling nothing: the ledger has an estimate.
  const told = answered && !entry.path.includes("embeddings");
  return { dialect, body: JSON.stringify(entry.body), usage: told ? USAGE : null, costNanoUsd: told ? COST_NANO_USD : null, outcome: answered ? "answered" : "refused" };
}
