/** Paths that are not served: 404, never 405, in the form of the protocol that they belong to. */
import assert from "node:assert/strict";
import { after, before, describe, it } from "node:test";
import Anthropic, { NotFoundError } from "@anthropic-ai/sdk";
import { CohereClientV2, CohereError } from "cohere-ai";
import { ApiError, GoogleGenAI } from "@google/genai";
import OpenAI from "openai";
import { testGateway, type TestGateway } from "./support/gateway.ts";

const KEY = "caller-key-of-the-app";
let gateway: TestGateway;
before(async () => {
  gateway = await testGateway(`version: 1\nkeys: [{ name: app, key: ${KEY} }]\nproviders: { o: { type: openai-compatible, base_url: "http://127.0.0.1:9/v1", api_key: none, models: { m: { unmetered: true } } } }\n`);
});
after(() => gateway.close());

type Body = Record<string, unknown>;
const openai = (body: Body): unknown[] => {
  const { message, type, param, code } = body["error"] as Body;
  return [typeof message, type, param, code];
};
const OPENAI = ["string", "invalid_request_error", null, "unknown_path"];
const FORMS: Readonly<Record<string, (body: Body) => void>> = {
  openai: (body) => assert.deepEqual(openai(body), OPENAI),
  anthropic: (body) => assert.deepEqual([body["type"], (body["error"] as Body)["type"], typeof body["request_id"]], ["error", "not_found_error", "string"]),
  gemini: (body) => assert.deepEqual([(body["error"] as Body)["code"], (body["error"] as Body)["status"]], [404, "NOT_FOUND"]),
  cohere: (body) => assert.deepEqual([typeof body["message"], body["error"]], ["string", undefined]),
  bedrock: (body) => assert.deepEqual([typeof body["message"], body["error"]], ["string", undefined]),
};

const ROWS: readonly (readonly [method: string, path: string, form: keyof typeof FORMS])[] = [
  ["POST", "/v1/chat/completions/more", "openai"],
  ["POST", "/v1/responses/search", "openai"],
  ["POST", "/v1/responses/resp_1/more", "openai"],
  ["PUT", "/v1/responses/resp_1/cancel/now", "openai"],
  ["POST", "/v1/files/upload", "openai"],
  ["POST", "/v1/audio/nothing", "openai"],
  ["GET", "/openai/deployments/m/nothing", "openai"],
  ["POST", "/v1/messages/nothing", "anthropic"],
  ["GET", "/v1/messages/batches/b/nothing", "anthropic"],
  ["POST", "/v1/messages/batches/nothing", "anthropic"],
  ["GET", "/anthropic/v1/organizations/me", "anthropic"],
  ["POST", "/v1beta/models/m:tune", "gemini"],
  ["POST", "/v1/models/m:tune", "gemini"],
  ["POST", "/v1beta/cachedContents", "gemini"],
  ["GET", "/v1alpha/operations/o", "gemini"],
  ["POST", "/v1beta/files", "gemini"],
  ["POST", "/v2/tokenize", "cohere"],
  ["GET", "/v2/connectors", "cohere"],
  ["POST", "/model/m/invoke", "bedrock"],
  ["GET", "/model/m/nothing", "bedrock"],
];

describe("a path that is not served", () => {
  for (const [method, path, form] of ROWS) {
    it(`${method} ${path} is not found, as ${String(form)} would say it`, async () => {
      const answer = await fetch(`${gateway.url}${path}`, { method, headers: { authorization: `Bearer ${KEY}`, "content-type": "application/json" }, ...(method === "GET" ? {} : { body: "{}" }) });
      assert.equal(answer.status, 404);
      assert.equal(answer.headers.get("allow"), null);
      FORMS[form]?.((await answer.json()) as Body);
    });
  }

  it("is an error of their own class to the SDKs", async () => {
    const anthropic = new Anthropic({ baseURL: gateway.url, apiKey: KEY, maxRetries: 0 });
    await assert.rejects(anthropic.post("/v1/messages/nothing", { body: {} }), NotFoundError);
    const gemini = new GoogleGenAI({ apiKey: KEY, httpOptions: { baseUrl: gateway.url } });
    await assert.rejects(gemini.caches.create({ model: "m", config: {} }), (error: unknown) => error instanceof ApiError && error.status === 404);
    const cohere = new CohereClientV2({ environment: gateway.url, token: KEY });
    await assert.rejects(cohere.embedJobs.list({ maxRetries: 0 }), (error: unknown) => error instanceof CohereError && error.statusCode === 404);
    const client = new OpenAI({ baseURL: `${gateway.url}/v1`, apiKey: KEY, maxRetries: 0 });
    await assert.rejects(client.post("/responses/search", { body: {} }), OpenAI.NotFoundError);
  });

  it("is told from one that takes another method", async () => {
    const headers = { authorization: `Bearer ${KEY}`, "content-type": "application/json" };
    for (const [method, path, allow] of [["GET", "/v1/responses/compact", "POST"], ["POST", "/v1/responses/resp_1", "GET, DELETE"], ["GET", "/v1beta/models/m:generateContent", "POST"], ["POST", "/v1/models", "GET"]] as const) {
      const answer = await fetch(`${gateway.url}${path}`, { method, headers, ...(method === "GET" ? {} : { body: "{}" }) });
      assert.deepEqual([path, answer.status, answer.headers.get("allow")], [path, 405, allow]);
    }
  });
});
