import assert from "node:assert/strict";
import { describe, it } from "node:test";
import type { DialectId } from "../../wire/facts.ts";
import { scanBody, splice } from "../../wire/scan.ts";
import { outputLimitEdits } from "./output-limit.ts";

function limited(dialect: DialectId, body: string, quirks = {}): string {
  const bytes = new TextEncoder().encode(body);
  const scan = scanBody(bytes);
  assert.equal(scan.kind, "object");
  if (scan.kind !== "object") return "";
  return new TextDecoder().decode(splice(bytes, outputLimitEdits(dialect, bytes, scan, 77, quirks)));
}

describe("an output limit in a body that passes", () => {
  const cases: readonly (readonly [DialectId, string, string])[] = [
    ["openai-chat", `{"model":"m", "messages": []}`, `{"model":"m", "messages": [],"max_completion_tokens":77}`],
    ["openai-chat", `{"max_tokens" : 500 ,"model":"m"}`, `{"max_tokens" : 77 ,"model":"m"}`],
    ["openai-chat", `{"max_tokens":500,"max_completion_tokens":null}`, `{"max_tokens":77,"max_completion_tokens":77}`],
    ["openai-responses", `{"input":"a"}`, `{"input":"a","max_output_tokens":77}`],
    ["anthropic-messages", `{"max_tokens":1e6,"messages":[{"max_tokens":1}]}`, `{"max_tokens":77,"messages":[{"max_tokens":1}]}`],
    ["gemini", `{"contents":[]}`, `{"contents":[],"generationConfig":{"maxOutputTokens":77}}`],
    ["gemini", `{"generation_config":{ },"contents":[]}`, `{"generation_config":{ "maxOutputTokens":77},"contents":[]}`],
    ["gemini", `{"generationConfig":{"topK":1, "max_output_tokens": 9}}`, `{"generationConfig":{"topK":1, "max_output_tokens": 77}}`],
    ["gemini", `{"generationConfig":null,"contents":[]}`, `{"generationConfig":{"maxOutputTokens":77},"contents":[]}`],
    ["bedrock-converse", `{"inferenceConfig":{"topP":1},"messages":[]}`, `{"inferenceConfig":{"topP":1,"maxTokens":77},"messages":[]}`],
    ["cohere-v2", `{"messages":[]}`, `{"messages":[],"max_tokens":77}`],
  ];
  for (const [dialect, body, expected] of cases) {
    it(`changes that field and no other byte: ${dialect} ${body}`, () => assert.equal(limited(dialect, body), expected));
  }

  it("goes where a host of one spelling looks for it", () => {
    assert.equal(limited("openai-chat", `{"model":"m"}`, { maxTokensField: "max_tokens" }), `{"model":"m","max_tokens":77}`);
  });
});
