/** Some hosts name a finish reason in every chunk: a call that comes after one is told on every surface, before its end. */
import assert from "node:assert/strict";
import { test } from "node:test";
import type { StreamEvent } from "../../wire/events.ts";
import { clientOf } from "./clients.ts";
import { parseChatRequest } from "./chat-surface.ts";
import type { ClientHead, Frames } from "./client.ts";

const ASKED = parseChatRequest({ model: "m", messages: [{ role: "user", content: "hi" }] });
if (ASKED.kind === "error") throw new Error(ASKED.error.message);
const HEAD: ClientHead = { requestId: "1", model: "m", createdS: 1, request: ASKED.request, raw: {}, simulated: false };
const EVENTS: readonly StreamEvent[] = [
  { kind: "start", id: "a", model: "m", createdS: 1 },
  { kind: "text", choice: 0, text: "I look." },
  { kind: "finish", choice: 0, reason: "stop", native: "STOP" },
  { kind: "tool-start", choice: 0, index: 0, id: "call_1", name: "late_tool", thoughtSignature: undefined },
  { kind: "tool-arguments", choice: 0, index: 0, json: `{"a":1}` },
];
/** The word that only the end of an answer has; chat completions tell the finish where it came. */
const ENDS = { responses: "response.completed", messages: "message_delta", "generate-content": "finishReason", converse: "messageStop", "chat-v2": "message-end", "chat-mistral": `"finish_reason":"`, chat: "[DONE]" } as const;

const textOf = (frames: Frames): string => (typeof frames === "string" ? frames : Buffer.from(frames).toString("latin1"));

for (const [surface, end] of Object.entries(ENDS) as [keyof typeof ENDS, string][]) {
  test(`${surface}: a call after the finish is told, and nothing of it behind the end`, () => {
    const encoder = clientOf(surface).openEncoder(HEAD);
    const text = [...EVENTS.map((event) => encoder.encode(event)), encoder.closing({ units: { input: 1, output: 1 }, raw: null }, {})].map(textOf).join("");
    assert.ok(text.includes("late_tool"), text);
    assert.ok(text.replaceAll("\\", "").includes(`"a":1`), text);
    assert.ok(text.indexOf("late_tool") < text.indexOf(end), text);
  });
}
