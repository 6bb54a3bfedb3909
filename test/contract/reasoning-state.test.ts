/** A conversation that moves from one maker to another takes no proof of reasoning along that the other would refuse. */
import assert from "node:assert/strict";
import { test } from "node:test";
import type { Json, JsonObject } from "../../src/wire/json.ts";
import { model, provider } from "../../src/decide/test-directory.ts";
import { encodeAnswer, parseChatRequest } from "../../src/providers/dialects/chat-surface.ts";
import { dialectById } from "../../src/providers/dialects/index.ts";

const USER = { role: "user", content: "hi" };

/** What `to` is sent after the answer `given` of `from`, which the client gave back as it was. */
function moved(from: "gemini" | "anthropic-messages", given: Json, to: "gemini" | "anthropic-messages"): string {
  const facts = provider("p", { dialect: from });
  const events = dialectById(from).decodeAnswer(given, { usage: facts.usage, upstreamModel: "m" });
  const answer = encodeAnswer(events, { id: "c", model: "m", createdS: 1 });
  const [choice] = answer["choices"] as unknown as readonly { readonly message: JsonObject }[];
  const parsed = parseChatRequest({ model: "m", messages: [USER, choice?.message ?? {}, USER] });
  assert.equal(parsed.kind, "request");
  const encoded = parsed.kind === "request" ? dialectById(to).encodeChat(parsed.request, { provider: provider("q", { dialect: to }), model: model("q/m", "m"), upstreamModel: "m" }) : null;
  assert.equal(encoded?.kind, "encoded");
  return encoded?.kind === "encoded" ? JSON.stringify(encoded.body) : "";
}

const GEMINI: Json = {
  candidates: [{ index: 0, finishReason: "STOP", content: { role: "model", parts: [{ text: "a thought", thought: true }, { text: "Hello.", thoughtSignature: "R0VNSU5J" }] } }],
  usageMetadata: { promptTokenCount: 1, candidatesTokenCount: 2, totalTokenCount: 3 },
};
const ANTHROPIC: Json = {
  id: "m", type: "message", role: "assistant", model: "m", stop_reason: "end_turn", usage: { input_tokens: 1, output_tokens: 2 },
  content: [{ type: "thinking", thinking: "a thought", signature: "QU5USFJP" }, { type: "text", text: "Hello." }],
};

test("a signature of Gemini is not shown to Anthropic, which would refuse the conversation", () => {
  const sent = moved("gemini", GEMINI, "anthropic-messages");
  assert.ok(sent.includes("Hello."));
  assert.ok(!sent.includes("R0VNSU5J"), sent);
});

test("a signature of Anthropic is not shown to Gemini", () => {
  const sent = moved("anthropic-messages", ANTHROPIC, "gemini");
  assert.ok(sent.includes("Hello."));
  assert.ok(!sent.includes("QU5USFJP"), sent);
});

test("a signature of Anthropic comes back to Anthropic", () => {
  assert.ok(moved("anthropic-messages", ANTHROPIC, "anthropic-messages").includes(`{"type":"thinking","thinking":"a thought","signature":"QU5USFJP"}`));
});

test("the client is given Gemini's signature all the same, beside the thought", () => {
  const events = dialectById("gemini").decodeAnswer(GEMINI, { usage: provider("p", { dialect: "gemini" }).usage, upstreamModel: "m" });
  const text = JSON.stringify(encodeAnswer(events, { id: "c", model: "m", createdS: 1 }));
  assert.ok(text.includes(`{"type":"thinking","thinking":"a thought","extra_content":{"google":{"thought_signature":"R0VNSU5J"}}}`), text);
});
