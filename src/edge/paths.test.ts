import assert from "node:assert/strict";
import { describe, it } from "node:test";
import { targetOf } from "./paths.ts";

describe("a path means", () => {
  const ROWS: readonly (readonly [path: string, endpoint: string | null, model?: string])[] = [
    ["/v1/chat/completions", "chat"],
    ["/chat/completions", "chat"],
    ["/v1/v1/chat/completions", "chat"],
    ["/v1/chat/completions/", "chat"],
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
    ["/v1/completions", null],
    ["/V1/chat/completions", null],
    ["//v1/chat/completions", null],
    ["/v1//chat/completions", null],
    ["/v1/./chat/completions", null],
    ["/v1/../v1/chat/completions", null],
    ["/v1/chat%2Fcompletions", null],
    ["/healthz/", null],
    ["/metrics", null],
    ["/constructor", null],
    ["/__proto__", null],
    ["/toString", null],
  ];
  for (const [path, endpoint, model = ""] of ROWS) {
    it(`${path || "(nothing)"} → ${endpoint ?? "nothing here"}`, () => assert.deepEqual(targetOf(path), { endpoint, model }));
  }
});
