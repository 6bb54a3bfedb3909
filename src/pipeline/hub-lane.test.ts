/** An answer in another dialect is whole when the choice that the client reads is. */
import assert from "node:assert/strict";
import { test } from "node:test";
import { parseChatRequest } from "../providers/dialects/chat-surface.ts";
import type { ClientHead } from "../providers/dialects/client.ts";
import { clientOf } from "../providers/dialects/clients.ts";
import type { DecodeContext } from "../providers/dialects/dialect.ts";
import { dialectById } from "../providers/dialects/index.ts";
import { PROVIDERS } from "../providers/registry.ts";
import type { UsageFacts } from "../wire/facts.ts";
import { readChatAnswer } from "./answer.ts";
import { HubLane } from "./hub-lane.ts";

const CONTEXT: DecodeContext = { usage: PROVIDERS.get("openai")?.usage as UsageFacts, upstreamModel: "m" };
const ASKED = parseChatRequest({ model: "m", messages: [{ role: "user", content: "hi" }] });
if (ASKED.kind === "error") throw new Error(ASKED.error.message);
const HEAD: ClientHead = { requestId: "1", model: "m", createdS: 1, request: ASKED.request, raw: {}, simulated: false };
const upstream = dialectById("openai-chat");
const messages = clientOf("messages");

/** What a lane for one choice is told of a stream. */
function told(chunks: readonly object[]): { readonly calls: readonly string[]; readonly shown: string } {
  const calls: string[] = [];
  let shown = "";
  const note = (name: string) => () => void calls.push(name);
  const show = (bytes: Uint8Array): void => void (shown += Buffer.from(bytes).toString());
  const content = (bytes: Uint8Array): void => {
    calls.push("content");
    show(bytes);
  };
  const sink = { activity: () => undefined, lifecycle: show, content, finished: note("finished"), tail: () => undefined, usageSeen: () => undefined, warning: () => undefined, failed: note("failed"), done: note("done") };
  const lane = new HubLane(sink, upstream.openStream(CONTEXT), messages.openEncoder(HEAD), 1);
  lane.push(Buffer.from(chunks.map((chunk) => `data: ${JSON.stringify(chunk)}\n\n`).join("")));
  lane.push(Buffer.from("data: [DONE]\n\n"));
  return { calls: [...new Set(calls)], shown };
}
const chunk = (index: unknown, content: string): object => ({ id: "a", choices: [{ index, delta: { content }, finish_reason: null }] });
const stop = (index: unknown): object => ({ id: "a", choices: [{ index, delta: {}, finish_reason: "stop" }] });

test("a stream of another choice than the first is no answer: nothing of it was shown, and nothing commits", () => {
  assert.deepEqual(told([chunk(1, "lost"), stop(1)]).calls, ["done"]);
  const first = told([chunk(0, "kept"), chunk(1, "lost"), stop(1), chunk(0, " whole"), stop(0)]);
  assert.deepEqual(first.calls, ["content", "finished", "done"]);
  assert.match(first.shown, /kept.* whole/s);
});

test("a number that no choice has is passed over for the place in the list", () => {
  for (const index of [-1, 0.5, 1e308, "0", null]) {
    const { calls, shown } = told([chunk(index, "kept"), stop(index)]);
    assert.deepEqual(calls, ["content", "finished", "done"], String(index));
    assert.match(shown, /kept/);
  }
});

test("a whole answer without its first choice is no answer", () => {
  const read = (index: number) => {
    const body = { id: "a", choices: [{ index, message: { role: "assistant", content: "kept" }, finish_reason: "stop" }], usage: { prompt_tokens: 9, completion_tokens: 5 } };
    return readChatAnswer(Buffer.from(JSON.stringify(body)), upstream, CONTEXT, (events) => messages.encodeAnswer(events, HEAD));
  };
  assert.equal(read(0).kind, "answer");
  const lacking = read(1);
  assert.equal(lacking.kind, "error");
  assert.equal(lacking.usage?.units.output, 5, "what it cost stays known");
});
