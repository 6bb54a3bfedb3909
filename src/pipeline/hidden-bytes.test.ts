import assert from "node:assert/strict";
import { describe, it } from "node:test";
import { inputBoundTokens } from "../decide/bound.ts";
import { measureText } from "../providers/dialects/chat-surface.ts";
import { clientOf } from "../providers/dialects/clients.ts";
import type { JsonObject } from "../wire/json.ts";
import type { SurfaceName } from "../wire/surfaces.ts";
import { hiddenBytes } from "./hidden-bytes.ts";

const TEXT = "word ".repeat(4_000);
const PIXELS = "QUJD".repeat(50_000);

/** The most tokens that the prompt of this body is held for. */
function boundOf(surface: SurfaceName, raw: JsonObject): number {
  const parsed = clientOf(surface).parse(raw, { model: "m", stream: false, query: "", header: () => undefined });
  assert.equal(parsed.kind, "request");
  if (parsed.kind !== "request") return 0;
  const seen = measureText(parsed.request);
  const hidden = hiddenBytes(Buffer.byteLength(JSON.stringify(raw)), seen, parsed.request);
  return inputBoundTokens({ ...seen, textBytes: seen.textBytes + hidden }, null, null) ?? Number.POSITIVE_INFINITY;
}

const user = { role: "user", content: "hi" };
const turns = (model: JsonObject): JsonObject => ({ contents: [{ role: "user", parts: [{ text: "hi" }] }, { role: "model", parts: [model] }, { role: "user", parts: [{ text: "on" }] }] });
const said = (content: JsonObject[]): JsonObject => ({ max_tokens: 5, messages: [user, { role: "assistant", content }, user] });

const HIDDEN: readonly (readonly [SurfaceName, string, JsonObject])[] = [
  ["chat", "a field of a message that nobody knows", { messages: [{ ...user, context: TEXT }] }],
  ["chat", "a field of a tool that nobody knows", { messages: [user], tools: [{ type: "function", function: { name: "f", parameters: {}, notes: TEXT } }] }],
  ["chat", "a signature on a call", { messages: [user, { role: "assistant", content: null, tool_calls: [{ id: "a", type: "function", function: { name: "f", arguments: "{}" }, extra_content: { google: { thought_signature: TEXT } } }] }, { role: "tool", tool_call_id: "a", content: "x" }] }],
  ["responses", "a summary of reasoning", { input: [{ type: "reasoning", id: "rs_1", summary: [{ type: "summary_text", text: TEXT }] }, { role: "user", content: "hi" }] }],
  ["responses", "a part of a kind that nobody knows", { input: [{ role: "user", content: [{ type: "input_new", text: TEXT }] }] }],
  ["messages", "a signature", said([{ type: "thinking", thinking: "t", signature: TEXT }, { type: "text", text: "a" }])],
  ["messages", "what a citation quotes", said([{ type: "text", text: "a", citations: [{ type: "char_location", cited_text: TEXT }] }])],
  ["generate-content", "code that ran", turns({ executableCode: { language: "PYTHON", code: TEXT } })],
  ["generate-content", "a signature", turns({ text: "a", thoughtSignature: TEXT })],
  ["generate-content", "what a function answers, by its schema", { contents: [{ role: "user", parts: [{ text: "hi" }] }], tools: [{ functionDeclarations: [{ name: "f", description: "d", response: { type: "OBJECT", description: TEXT } }] }] }],
  ["converse", "a model's own field", { messages: [{ role: "user", content: [{ text: "hi" }] }], additionalModelRequestFields: { documents: [TEXT] } }],
  ["chat-v2", "what a citation quotes", { messages: [user, { role: "assistant", content: "a", citations: [{ text: TEXT }] }, user] }],
];

describe("the bound of a body that passes", () => {
  for (const [surface, what, body] of HIDDEN) {
    it(`covers ${what} (${surface})`, () => assert.ok(boundOf(surface, { model: "m", ...body }) >= TEXT.length));
  }

  it("is that of its text where the text is all there is", () => {
    const messages = Array.from({ length: 40 }, (_, i) => ({ role: i % 2 === 0 ? "user" : "assistant", content: TEXT.slice(0, 100) }));
    assert.equal(boundOf("chat", { model: "m", messages }), 40 * 100 + 40 * 32 + 1_024);
  });

  it("does not take an image's bytes for text", () => {
    const image = { type: "image_url", image_url: { url: `data:image/png;base64,${PIXELS}` } };
    assert.ok(boundOf("chat", { model: "m", messages: [{ role: "user", content: [image] }] }) < 10_000);
    const source = { type: "base64", media_type: "image/png", data: PIXELS };
    assert.ok(boundOf("messages", { model: "m", max_tokens: 5, messages: [{ role: "user", content: [{ type: "image", source }] }] }) < 10_000);
  });
});
