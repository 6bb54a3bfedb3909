import assert from "node:assert/strict";
import { describe, test } from "node:test";
import type { AssistantMessage, ChatRequest, ReasoningBlock, Tool } from "../../wire/chat.ts";
import type { StreamEvent } from "../../wire/events.ts";
import type { DialectId, ProviderFacts } from "../../wire/facts.ts";
import type { Json } from "../../wire/json.ts";
import { parseChatRequest } from "./chat-surface.ts";
import { keptBytes, readKept, ReasoningCollector, takesKept, turnsWithoutState, withKept, type KeptReasoning, type ReasoningPlace } from "./kept-reasoning.ts";

const TOOLS: readonly Tool[] = [{ kind: "function", name: "f", description: undefined, parameters: undefined, strict: undefined, cacheControl: undefined }];

function place(dialect: DialectId, more: { account?: string; kind?: ProviderFacts["kind"]; quirks?: ProviderFacts["quirks"]; upstreamModel?: string; id?: string } = {}): ReasoningPlace {
  const { account = "a", kind = "maker", quirks = {}, upstreamModel = "m", id = "p" } = more;
  return { account, upstreamModel, provider: { id, dialect, kind, quirks } };
}

const reasoning = (text: string, choice = 0): StreamEvent => ({ kind: "reasoning", choice, text });
const signature = (text: string, choice = 0): StreamEvent => ({ kind: "signature", choice, signature: text });
const called = (id: string, choice = 0, index = 0, thoughtSignature?: string): StreamEvent => ({ kind: "tool-start", choice, index, id, name: "f", thoughtSignature });

function collect(client: DialectId, from: ReasoningPlace, ...events: readonly StreamEvent[]): readonly (readonly [string, KeptReasoning])[] {
  const collector = new ReasoningCollector(client, from);
  for (const event of events) collector.take([event]);
  return collector.turns();
}

/** A request whose last turn called a tool; `message`: more of that turn. */
function asked(message: Partial<AssistantMessage> = {}, id = "call_1"): ChatRequest {
  const turn = { role: "assistant", content: null, tool_calls: [{ id, type: "function", function: { name: "f", arguments: "{}" } }] };
  const parsed = parseChatRequest({ model: "r", messages: [{ role: "user", content: "hi" }, turn, { role: "tool", tool_call_id: id, content: "1" }] });
  assert.equal(parsed.kind, "request");
  const { request } = parsed as { request: ChatRequest };
  return { ...request, tools: TOOLS, messages: request.messages.map((one) => (one.role === "assistant" ? { ...one, ...message } : one)) };
}

const turnOf = (request: ChatRequest): AssistantMessage => request.messages.find((one) => one.role === "assistant") as AssistantMessage;
const SIGNED: ReasoningBlock = { kind: "thinking", text: "so", signature: "S" };
const kept = (dialect: DialectId, more: Partial<KeptReasoning> = {}): ReadonlyMap<string, KeptReasoning> =>
  new Map([["call_1", { dialect, provider: "p", account: "a", model: "m", blocks: [SIGNED], signatures: [], ...more }]]);

describe("what is taken from an answer", () => {
  test("case 22, case 23: blocks in their order, each with the words that its signature closes; words without one are not state", () => {
    const events = [reasoning("s"), reasoning("o"), signature("S"), { kind: "redacted", choice: 0, data: "R" } as const, signature("T"), reasoning("unsigned"), called("call_1")];
    const [[id, state] = []] = collect("openai-chat", place("anthropic-messages"), ...events);
    assert.equal(id, "call_1");
    assert.deepEqual(state?.blocks, [SIGNED, { kind: "redacted", data: "R" }, { kind: "thinking", text: "", signature: "T" }]);
  });

  test("nothing without a call, nothing without state, and no more than its bound", () => {
    const from = place("anthropic-messages");
    assert.deepEqual(collect("openai-chat", from, reasoning("so"), signature("S")), []);
    assert.deepEqual(collect("openai-chat", from, reasoning("so"), called("call_1")), []);
    assert.deepEqual(collect("openai-chat", from, reasoning("x".repeat(1 << 20)), signature("S"), called("call_1")), []);
    assert.deepEqual(collect("openai-chat", from, called("call_1"), { kind: "text", choice: 0, text: "hi" }), []);
  });

  test("case 26: signatures by their calls, under the id of each choice's first call", () => {
    const found = collect("openai-chat", place("gemini"), called("a", 0, 0, "S"), called("b", 0, 1), called("c", 1, 0, "T"));
    assert.deepEqual(found.map(([id, state]) => [id, state.signatures]), [["a", [["a", "S"]]], ["c", [["c", "T"]]]]);
  });

  test("under the id that the client gets to see, where its dialect bounds ids", () => {
    const [[id] = []] = collect("anthropic-messages", place("gemini"), called("functions.f:0", 0, 0, "S"));
    assert.match(id ?? "", /^functions_f_0_[a-z0-9]+$/);
    const [[long] = []] = collect("openai-responses", place("gemini"), called("x".repeat(80), 0, 0, "S"));
    assert.equal(long?.length, 64);
  });

  test("case 27: plain words, where the host wants them back", () => {
    const from = place("openai-chat", { quirks: { replaysReasoningContent: true } });
    const [[, state] = []] = collect("openai-chat", from, reasoning("so"), called("call_1"));
    assert.deepEqual(state?.blocks, [{ kind: "thinking", text: "so", signature: undefined }]);
  });

  test("what is kept is read as it was, and what is no state of ours is none", () => {
    const [[, state] = []] = collect("openai-chat", place("gemini"), reasoning("so"), signature("S"), called("a", 0, 0, "T"));
    assert.deepEqual(readKept(JSON.parse(JSON.stringify(state)) as Json), state);
    for (const value of [undefined, null, 1, "x", [], {}, { dialect: "gemini", provider: "p", account: "a" }] as (Json | undefined)[]) assert.equal(readKept(value), undefined);
  });
});

describe("what goes back", () => {
  test("case 25: the turns that lack it are looked for by their first call; those that hold anything opaque are not", () => {
    assert.deepEqual(turnsWithoutState(asked()), ["call_1"]);
    assert.deepEqual(turnsWithoutState(asked({ reasoning: [{ kind: "thinking", text: "so", signature: undefined }] })), ["call_1"]);
    assert.deepEqual(turnsWithoutState(asked({ reasoning: [SIGNED] })), []);
    assert.deepEqual(turnsWithoutState(asked({ reasoning: [{ kind: "redacted", data: "R" }] })), []);
    assert.deepEqual(turnsWithoutState(asked({ toolCalls: [{ id: "call_1", name: "f", argumentsJson: "{}", thoughtSignature: "S" }] })), []);
    assert.deepEqual(turnsWithoutState(asked({ toolCalls: [] })), []);
  });

  test("to the dialect, provider and model that made it", () => {
    const made = kept("anthropic-messages");
    assert.deepEqual(turnOf(withKept(asked(), made, "openai-chat", place("anthropic-messages"))).reasoning, [SIGNED]);
    const request = asked();
    for (const other of [place("gemini"), place("anthropic-messages", { id: "q" }), place("anthropic-messages", { upstreamModel: "n" }), place("bedrock-converse")]) {
      assert.equal(withKept(request, made, "openai-chat", other), request, "case 29: the request is as it was");
    }
  });

  test("to another account of a maker, but not of a host, nor where the account is part of what was encrypted", () => {
    const to = (dialect: DialectId, kind: ProviderFacts["kind"]): number => turnOf(withKept(asked(), kept(dialect, { account: "b" }), null, place(dialect, { kind }))).reasoning.length;
    assert.deepEqual([to("anthropic-messages", "maker"), to("bedrock-converse", "host"), to("openai-responses", "maker")], [1, 0, 0]);
  });

  test("beside what the client sent, never in place of it", () => {
    const said = (text: string): readonly ReasoningBlock[] => turnOf(withKept(asked({ reasoning: [{ kind: "thinking", text, signature: undefined }] }), kept("anthropic-messages"), null, place("anthropic-messages"))).reasoning;
    assert.deepEqual(said("so "), [SIGNED], "the same words, give or take white space, are given their proof");
    assert.deepEqual(said("no"), [{ kind: "thinking", text: "no", signature: undefined }]);
  });

  test("never where the client's bytes pass, but to chat hosts that are known to want something back", () => {
    assert.equal(takesKept("anthropic-messages", place("anthropic-messages").provider), false);
    assert.equal(takesKept("openai-chat", place("anthropic-messages").provider), true);
    assert.equal(takesKept("openai-chat", place("openai-chat").provider), false);
    assert.equal(takesKept("openai-chat", place("openai-chat", { quirks: { signsToolCalls: true } }).provider), true);
    assert.equal(takesKept("openai-chat", place("openai-chat", { quirks: { replaysReasoningContent: true } }).provider), true);
  });

  test("case 27: words to a chat host only beside tools", () => {
    const host = place("openai-chat", { quirks: { replaysReasoningContent: true } });
    const words = kept("openai-chat", { blocks: [{ kind: "thinking", text: "so", signature: undefined }] });
    assert.equal(turnOf(withKept(asked(), words, "openai-chat", host)).reasoning.length, 1);
    const bare: ChatRequest = { ...asked(), tools: [] };
    assert.equal(withKept(bare, words, "openai-chat", host), bare);
  });

  test("once, to the latest turn of its id: hosts that count their calls anew, and clients that repeat a turn, get no more than was kept", () => {
    const one = asked();
    const again: ChatRequest = { ...one, messages: [...one.messages, ...one.messages.map((message) => ({ ...message })), { role: "user", parts: [], name: undefined }] };
    const restored = withKept(again, kept("anthropic-messages"), "openai-chat", place("anthropic-messages"));
    assert.deepEqual(restored.messages.flatMap((message) => (message.role === "assistant" ? [message.reasoning.length] : [])), [0, 1]);
  });

  test("all of it counts in what the prompt may cost", () => {
    assert.equal(keptBytes(kept("gemini", { blocks: [SIGNED, { kind: "redacted", data: "é" }], signatures: [["call_1", "TT"]] })), 2 + 1 + 2 + 2);
  });
});
