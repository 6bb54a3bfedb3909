import assert from "node:assert/strict";
import { describe, it } from "node:test";
import { formOf, meantBy, targetOf } from "./paths.ts";

describe("a path means", () => {
  const ROWS: readonly (readonly [path: string, endpoint: string | null, model?: string])[] = [
    ["/v1/chat/completions", "chat"],
    ["/chat/completions", "chat"],
    ["/v1/v1/chat/completions", "chat"],
    ["/v1/chat/completions/", "chat"],
    ["/v1//chat/completions", "chat"],
    ["//openai//v1///chat/completions", "chat"],
    ["/v1//models/openai/gpt-4o-mini", "model", "openai/gpt-4o-mini"],
    ["/v1//files//content", null],
    ["/v2//chat", "chat-v2"],
    ["/v1beta//models/gemini-2.5-pro:countTokens", "generate-content-count-tokens", "gemini-2.5-pro"],
    ["//nothing//here", null],
    ["/v1/embeddings", "embeddings"],
    ["/embeddings", "embeddings"],
    ["/v1/models", "models"],
    ["/v1/models/", "models"],
    ["/v1/models/gpt-4o-mini", "model", "gpt-4o-mini"],
    ["/v1/models/openai/gpt-4o-mini", "model", "openai/gpt-4o-mini"],
    ["/v1/models/openai%2Fgpt-4o-mini", "model", "openai/gpt-4o-mini"],
    ["/v1/models/a%252Fb", "model", "a%2Fb"],
    ["/v1/models/llama3:8b", "model", "llama3:8b"],
    ["/v1/models/%E0%A4%A", null],
    ["/healthz", "healthz"],
    ["/readyz", "readyz"],
    ["/", "root"],
    ["", null],
    ["/v1", null],
    ["/v1/", null],
    ["/v1/chat", null],
    ["/v1/completions", "completions"],
    ["/v1/responses", "responses"],
    ["/responses", "responses"],
    ["/v1/responses/input_tokens", "responses-input-tokens"],
    ["/v1/responses/compact", "responses-compact"],
    ["/v1/responses/resp_1", "response"],
    ["/openai/v1/responses/resp_1/input_items", "response-input-items"],
    ["/v1/responses/resp_1/cancel", "response-cancel"],
    ["/v1/responses/resp_1/output", null],
    ["/v1/responses/resp_1/cancel/now", null],
    ["/v1/messages/count_tokens", "messages-count-tokens"],
    ["/anthropic/v1/messages/count_tokens", "messages-count-tokens"],
    ["/v1/models/gemini-2.5-pro:countTokens", "generate-content-count-tokens", "gemini-2.5-pro"],
    ["/v1beta/models/gemini-2.5-pro:countTokens", "generate-content-count-tokens", "gemini-2.5-pro"],
    ["/v1/messages", "messages"],
    ["/messages", "messages"],
    ["/anthropic/v1/messages", "messages"],
    ["/v1/v1/messages", "messages"],
    ["/v1/models/gemini-2.5-pro:generateContent", "generate-content", "gemini-2.5-pro"],
    ["/v1beta/models/gemini-2.5-pro:generateContent", "generate-content", "gemini-2.5-pro"],
    ["/v1beta/models/google%2Fx:8b:generateContent", "generate-content", "google/x:8b"],
    ["/v1beta/models", "models"],
    ["/v1beta/models/gemini-2.5-pro", "model", "gemini-2.5-pro"],
    ["/openai/deployments/my-mini/chat/completions", "chat", "my-mini"],
    ["/openai/deployments/a%2Fb/embeddings", "embeddings", "a/b"],
    ["/openai/deployments/a/b/chat/completions", "chat", "a/b"],
    ["/openai/deployments/chat/chat/completions", "chat", "chat"],
    ["/openai/deployments/a/b/files", null],
    ["/openai/deployments//chat/completions", null],
    ["/openai/v1/chat/completions", "chat"],
    ["/mistral/v1/chat/completions", "chat-mistral"],
    ["/mistral/chat/completions", "chat-mistral"],
    ["/mistral/v1/embeddings", "embeddings"],
    ["/mistral/v1/models", "models"],
    ["/mistral/v1/models/small", "model", "small"],
    ["/mistral/v1/nothing", null],
    ["/openai/deployments/my-mini/models", null],
    ["/openai/deployments/my-mini", null],
    ["/v2/chat", "chat-v2"],
    ["/v2/rerank", "rerank-v2"],
    ["/v1/rerank", "rerank"],
    ["/rerank", "rerank"],
    ["/v2/embed", "embed-v2"],
    ["/v2/nothing", null],
    ["/v1/moderations", "moderations"],
    ["/v1/images/generations", "image-generations"],
    ["/v1/images/edits", "image-edits"],
    ["/v1/images", null],
    ["/audio/speech", "audio-speech"],
    ["/openai/deployments/my-whisper/audio/transcriptions", "audio-transcriptions", "my-whisper"],
    ["/openai/deployments/my-mini/files", null],
    ["/v1beta/models/e:embedContent", "embed-content", "e"],
    ["/v1beta/models/a%2Fe:batchEmbedContents", "batch-embed-contents", "a/e"],
    ["/v1/models/e:constructor", "model", "e:constructor"],
    ["/v1/files", "files"],
    ["/v1/files/file-1%40a", "file"],
    ["/v1/files/file-1/content", "file-content"],
    ["/v1/files/file-1/cancel", null],
    ["/v1/files/file-1/content/more", null],
    ["/v1/messages/batches", "message-batches"],
    ["/anthropic/v1/messages/batches/", "message-batches"],
    ["/v1/messages/batches/b%40a", "message-batch"],
    ["/v1/messages/batches/b/cancel", "message-batch-cancel"],
    ["/v1/messages/batches/b/results", "message-batch-results"],
    ["/v1/messages/batches/b/content", null],
    ["/v1/messages/batches/b/results/more", null],
    ["/v1/messages/b", null],
    ["/openai/deployments/m/messages/batches", null],
    ["/v1/files//content", null],
    ["/v1/files/%E0%A4%A", null],
    ["/v1/batches", "batches"],
    ["/v1/batches/batch_1", "batch"],
    ["/v1/batches/batch_1/cancel", "batch-cancel"],
    ["/model/anthropic.claude%3A0/converse", "converse", "anthropic.claude:0"],
    ["/model/a/b/converse", "converse", "a/b"],
    ["/model/a/invoke", null],
    ["/api/hello", "hello"],
    ["/V1/chat/completions", null],
    ["//v1/chat/completions", "chat"],
    ["/v1/chat//completions", null],
    ["//healthz", null],
    ["/v1/./chat/completions", null],
    ["/v1/../v1/chat/completions", null],
    ["/v1/chat%2Fcompletions", null],
    ["/healthz/", null],
    ["/metrics", null],
    ["/constructor", null],
    ["/__proto__", null],
    ["/toString", null],
  ];
  for (const [path, endpoint, model] of ROWS) {
    it(`${path || "(nothing)"} → ${endpoint ?? "nothing here"}`, () => {
      const found = targetOf(path);
      assert.deepEqual([found.endpoint, found.model], [endpoint, model]);
    });
  }

  it("whether a stream is asked, where the path says it", () => {
    assert.equal(targetOf("/v1/models/m:streamGenerateContent").stream, true);
    assert.equal(targetOf("/v1/models/m:generateContent").stream, false);
    assert.equal(targetOf("/model/m/converse-stream").stream, true);
    assert.deepEqual([targetOf("/model/m/converse-stream").endpoint, targetOf("/model/m/converse-stream").model], ["converse", "m"]);
    assert.equal(targetOf("/v1/chat/completions").stream, undefined);
  });

  it("another form of chat completions to the clients that read it so, and to no others", () => {
    const meant = (path: string, agent?: string) => {
      const headers = agent === undefined ? {} : { "user-agent": agent };
      const target = meantBy(targetOf(path), headers);
      return [target.endpoint, formOf(target, headers)];
    };
    for (const agent of ["mistral-client-typescript/2.7.0", "mistral-client-python/1.9.3"]) {
      assert.deepEqual(meant("/v1/chat/completions", agent), ["chat-mistral", "chat-mistral"]);
      assert.deepEqual(meant("/v1/embeddings", agent), ["embeddings", "chat-mistral"]);
      assert.deepEqual(meant("/v1/models", agent), ["models", "chat-mistral"]);
      assert.deepEqual(meant("/openai/deployments/mini/chat/completions", agent), ["chat-mistral", "chat-mistral"]);
      assert.deepEqual(meant("/v1/messages", agent), ["messages", "messages"]);
    }
    for (const agent of [undefined, "", "OpenAI/JS 7.57.0", "my mistral-client-typescript/2.7.0"]) {
      const target = targetOf("/v1/chat/completions");
      assert.equal(meantBy(target, agent === undefined ? {} : { "user-agent": agent }), target);
    }
  });

  it("nothing of a path that is longer than any that is served, however often a prefix stands in it", () => {
    const repeated = (times: number): string => `${"/openai".repeat(times)}/v1/chat/completions`;
    assert.equal(targetOf(repeated(100)).endpoint, "chat");
    assert.equal(targetOf(repeated(300)).endpoint, null);
    assert.equal(targetOf(`/v1/models/${"m".repeat(1_000)}:generateContent`).endpoint, "generate-content");
  });

  it("which file or batch, percent-decoded once", () => {
    assert.deepEqual(["/v1/files/file-1%40a", "/v1/batches/b%252F/cancel", "/v1/files"].map((path) => targetOf(path).id), ["file-1@a", "b%2F", undefined]);
  });

  it("in whose form an unknown path is told: that of the protocol that it begins with, or of who asks", () => {
    const forms: readonly (readonly [string, string])[] = [
      ["/v1/responses/resp_1/output", "responses"], ["/openai/v1/responses/a/b/c", "responses"], ["/v1/messages/b", "messages"], ["/v1/messages/batches/b/content", "messages"],
      ["/anthropic/v1/organizations", "messages"], ["/v1beta/cachedContents", "generate-content"], ["/v1beta", "generate-content"], ["/v1alpha/files/f", "generate-content"],
      ["/v1/projects/p/locations/l", "generate-content"], ["/v2/nothing", "chat-v2"], ["/v2", "chat-v2"], ["/v1/rerank/x", "chat-v2"], ["/model/a/invoke", "converse"],
      ["/v1/chat/completions/x", "chat"], ["/v1beta/openai/nothing", "chat"], ["/mistral/v1/ocr", "chat-mistral"], ["/v1/files/f/x", "chat"], ["/v1betas/models", "chat"],
    ];
    for (const [path, form] of forms) assert.deepEqual([path, targetOf(path).endpoint, formOf(targetOf(path), {})], [path, null, form]);
    assert.equal(formOf(targetOf("/v1/organizations/me"), { "anthropic-version": "2023-06-01" }), "messages");
    assert.equal(formOf(targetOf("/upload"), { "x-goog-api-key": "k" }), "generate-content");
    assert.equal(formOf(targetOf("/v2/nothing"), { "x-goog-api-key": "k" }), "chat-v2");
  });

  it("something that is not served, where an id bears no mark of its kind and the method is another's", () => {
    const otherwise = (path: string) => targetOf(path).otherwise;
    assert.deepEqual(["/v1/responses/search", "/v1/messages/batches/x", "/v1/files/upload", "/v1beta/models/g:tune", "/v1/models/llama3:8b"].map(otherwise), ["responses", "messages", "chat", "generate-content", "generate-content"]);
    assert.deepEqual(["/v1/responses/resp_1", "/v1/messages/batches/msgbatch_1", "/v1/files/file-1", "/v1/models/m", "/v1/responses/x/cancel", "/v1/responses/compact"].map(otherwise), Array.from({ length: 6 }, () => undefined));
  });

  it("in whose form errors are told", () => {
    assert.deepEqual(["/v1/messages", "/v1beta/models", "/v1/responses", "/v2/chat", "/model/m/nothing", "/mistral/nothing", "/nothing"].map((path) => targetOf(path).form), ["messages", "generate-content", "responses", "chat-v2", "converse", "chat-mistral", "chat"]);
  });
});
