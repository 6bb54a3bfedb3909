/** Opaque reasoning beside tool calls comes back to its maker, though the client in between has no field for it or drops it. */
import assert from "node:assert/strict";
import { mkdtempSync, readdirSync, readFileSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { after, before, describe, test } from "node:test";
import Anthropic from "@anthropic-ai/sdk";
import OpenAI from "openai";
import { stringify } from "yaml";
import { startFleet, type Fleet, type FleetConfig } from "../src/fleet/index.ts";
import { childGateway, testGateway, type TestGateway } from "./support/gateway.ts";
import { json, recordingUpstream, sse, type RecordingUpstream } from "./support/recording-upstream.ts";

type Body = Record<string, unknown>;
type Part = Record<string, unknown>;
interface Called {
  readonly content: string | null;
  readonly tool_calls: readonly { readonly id: string; readonly type: "function"; readonly function: { readonly name: string; readonly arguments: string } }[];
}

const QUESTION = "What is the weather in Oslo?";
const SCHEMA = { type: "object", properties: { city: { type: "string" } }, required: ["city"] };
const TOOL = { type: "function" as const, function: { name: "get_weather", parameters: SCHEMA } };
const GEMINI_3 = "gemini-3-pro";
const KEYS = [{ name: "app", key: "key-of-the-app-0123456789" }, { name: "other", key: "key-of-another-0123456789" }];
const KEY = KEYS[0]?.key ?? "";
const OTHER_KEY = KEYS[1]?.key ?? "";
const SKIP = "skip_thought_signature_validator";

const FLEET: FleetConfig = {
  seed: 3,
  providers: [
    { name: "claude", dialect: "anthropic-messages", models: { thinker: { input: 1, output: 2, thoughts: 5 } } },
    { name: "gemini", dialect: "gemini", models: { [GEMINI_3]: { input: 1, output: 2, thoughts: 5 } }, parallel_tools: 2 },
    { name: "deepseek", dialect: "openai-chat", models: { thinker: { input: 1, output: 2, thoughts: 5 } } },
  ],
};

/** A gateway's file over the fleet, and over upstreams that the tests write themselves. */
function yaml(fleet: Fleet, upstream: RecordingUpstream, more: Body = {}): string {
  const priced = (name: string): Body => ({ models: { [name]: { price: { input: 1, output: 2 }, context: 131_072, max_output: 8_192 } } });
  const at = (name: string): Body => ({ base_url: fleet.provider(name).baseUrl, api_key: "upstream-key" });
  const own = { base_url: `${upstream.origin}/v1`, api_key: "upstream-key", ...priced("own") };
  return stringify({
    version: 1,
    keys: KEYS,
    providers: {
      claude: { type: "anthropic", ...at("claude"), ...priced("thinker") },
      gemini: { type: "google", ...at("gemini"), ...priced(GEMINI_3) },
      deepseek: { type: "deepseek", ...at("deepseek"), ...priced("thinker") },
      "own-claude": { type: "anthropic", ...own },
      "own-responses": { type: "openai", api: "responses", ...own },
      "own-chat": { type: "openai-compatible", ...own },
    },
    routes: {
      claude: { candidates: ["claude/thinker"] },
      gemini: { candidates: [`gemini/${GEMINI_3}`] },
      deepseek: { candidates: ["deepseek/thinker"] },
      both: { candidates: ["claude/thinker", `gemini/${GEMINI_3}`] },
    },
    fallbacks: "off",
    ...more,
  });
}

let fleet: Fleet;
let upstream: RecordingUpstream;
let gateway: TestGateway;
before(async () => {
  fleet = await startFleet(FLEET);
  upstream = await recordingUpstream();
  gateway = await testGateway(yaml(fleet, upstream));
});
after(async () => {
  await gateway.close();
  await upstream.close();
  await fleet.close();
});

const client = (baseURL = gateway.baseUrl, apiKey = KEY): OpenAI => new OpenAI({ baseURL, apiKey, maxRetries: 0 });
const asked = (model: string, more: Body = {}) => ({ model, messages: [{ role: "user" as const, content: QUESTION }], tools: [TOOL], max_tokens: 500, ...more });
const lastBody = (): Body => fleet.calls().at(-1)?.body as Body;
const lastText = (): string => JSON.stringify(lastBody());

/** What an application that knows OpenAI's fields alone keeps of an answer. */
function known(message: Called): Called {
  const tool_calls = message.tool_calls.map((call) => ({ id: call.id, type: call.type, function: { name: call.function.name, arguments: call.function.arguments } }));
  return { content: message.content, tool_calls };
}

/** One question with a tool, streamed or not; gives the whole message with every member that came. */
async function call(model: string, stream: boolean, more: Body = {}, from = client()): Promise<Called & Body> {
  if (!stream) return (await from.chat.completions.create(asked(model, more))).choices[0]?.message as unknown as Called & Body;
  const calls: { id: string; type: "function"; function: { name: string; arguments: string } }[] = [];
  for await (const chunk of await from.chat.completions.create({ ...asked(model, more), stream: true })) {
    for (const { index, id, function: piece } of chunk.choices[0]?.delta.tool_calls ?? []) {
      const open = (calls[index] ??= { id: id ?? "", type: "function", function: { name: piece?.name ?? "", arguments: "" } });
      open.function.arguments += piece?.arguments ?? "";
    }
  }
  return { content: null, tool_calls: calls };
}

/** The next request: the answer as the client kept it, and the results of its calls. */
async function goOn(model: string, message: Called, more: Body = {}, from = client()): Promise<string> {
  assert.ok(message.tool_calls.length > 0, "nothing was called");
  const results = message.tool_calls.map((one) => ({ role: "tool" as const, tool_call_id: one.id, content: "rain" }));
  const messages = [{ role: "user" as const, content: QUESTION }, { role: "assistant" as const, ...message } as OpenAI.ChatCompletionMessageParam, ...results];
  const { data, response } = await from.chat.completions.create({ ...asked(model, more), messages }).withResponse();
  assert.match(data.choices[0]?.message.content ?? "", /rain/);
  return response.headers.get("x-spillway-warning") ?? "";
}

const signedIn = (message: Body): Part | undefined => (message["thinking_blocks"] as readonly Part[] | undefined)?.find((block) => typeof block["signature"] === "string");
const assistantAt = (body: Body): readonly Part[] => (body["messages"] as readonly { role: string; content: readonly Part[] }[]).find((one) => one.role === "assistant")?.content ?? [];
const partsAt = (body: Body): readonly Part[] => (body["contents"] as readonly { role: string; parts: readonly Part[] }[]).find((one) => one.role === "model")?.parts ?? [];

describe("a client that knows OpenAI's own fields alone", () => {
  test("case 22: gives signed thinking back to its maker, words and signature as they were", async () => {
    const first = await call("claude", false);
    const warning = await goOn("claude", known(first));
    assert.deepEqual(assistantAt(lastBody())[0], signedIn(first));
    assert.equal(assistantAt(lastBody())[1]?.["type"], "tool_use");
    assert.doesNotMatch(warning, /reasoning/);
  });

  test("case 22: the same after a stream, and where the words were hidden", async () => {
    await goOn("claude", await call("claude", true));
    const [words] = assistantAt(lastBody());
    assert.match(String(words?.["thinking"]), /^(?:[a-z]+ ){5}$/);
    assert.match(String(words?.["signature"]), /^[A-Za-z0-9+/=]{40,}$/);

    const thinking = { thinking: { type: "adaptive", display: "omitted" } };
    await goOn("claude", known(await call("claude", true, thinking)), thinking);
    const [hidden] = assistantAt(lastBody());
    assert.deepEqual([hidden?.["type"], hidden?.["thinking"]], ["thinking", ""]);
    assert.match(String(hidden?.["signature"]), /^[A-Za-z0-9+/=]{40,}$/);
    assert.deepEqual(lastBody()["thinking"], { type: "adaptive", display: "omitted" }, "the model thinks on");
  });

  test("case 23: gives redacted thinking back, in its place", async () => {
    const content = [
      { type: "thinking", thinking: "a thought", signature: "c2lnbmVk" },
      { type: "redacted_thinking", data: "cmVkYWN0ZWQ=" },
      { type: "tool_use", id: "toolu_redacted", name: "get_weather", input: { city: "Oslo" } },
    ];
    const answer = { id: "m", type: "message", role: "assistant", model: "own", stop_reason: "tool_use", content, usage: { input_tokens: 5, output_tokens: 5 } };
    upstream.answer(json(answer));
    const first = known(await call("own-claude/own", false));
    upstream.answer(json({ ...answer, stop_reason: "end_turn", content: [{ type: "text", text: "rain" }] }));
    await goOn("own-claude/own", first);
    assert.deepEqual(assistantAt(JSON.parse(String(upstream.calls.at(-1)?.body)) as Body), content);
  });

  test("case 24: a client that keeps all that it got is believed: what was kept here does not stand in for it", async () => {
    const first = await call("claude", false);
    assert.equal(typeof first["reasoning_content"], "string");
    const own = { type: "thinking", thinking: "mine", signature: "bWluZQ==" };
    await goOn("claude", { ...known(first), thinking_blocks: [own] } as Called);
    assert.deepEqual(assistantAt(lastBody())[0], own);
    assert.ok(!lastText().includes(String(signedIn(first)?.["signature"])));
  });

  test("case 25: nobody else gets it: another key with the same call goes without, as before", async () => {
    const first = await call("claude", false);
    await goOn("claude", known(first), {}, client(gateway.baseUrl, OTHER_KEY));
    assert.equal(assistantAt(lastBody())[0]?.["type"], "tool_use");
    await goOn("claude", known(first));
    assert.equal(assistantAt(lastBody())[0]?.["type"], "thinking");
  });

  test("case 25: what has expired, and what is not kept at all, is gone", async () => {
    for (const reasoning_state of [{ ttl: "1ms" }, { store: "off" }]) {
      const short = await testGateway(yaml(fleet, upstream, { reasoning_state }));
      try {
        const first = await call("claude", false, {}, client(short.baseUrl));
        const answeredMs = Date.now();
        while (Date.now() < answeredMs + 3) await new Promise((resolve) => setImmediate(resolve));
        await goOn("claude", known(first), {}, client(short.baseUrl));
        assert.equal(assistantAt(lastBody())[0]?.["type"], "tool_use", JSON.stringify(reasoning_state));
      } finally {
        await short.close();
      }
    }
  });

  test("case 25: the encrypted store outlives kill -9, and nothing of it is on disk in clear", async () => {
    const dataDir = mkdtempSync(join(tmpdir(), "spillway-reasoning-"));
    try {
      const text = yaml(fleet, upstream, { reasoning_state: { store: "encrypted" } });
      const killed = await childGateway(text, { dataDir });
      const first = await call("claude", false, {}, client(killed.baseUrl));
      await killed.kill9();
      const { thinking, signature } = signedIn(first) as { thinking: string; signature: string };
      assert.ok(readdirSync(dataDir).includes("state.db"), "nothing was kept on disk");
      for (const name of readdirSync(dataDir).filter((one) => !one.endsWith(".sock"))) {
        const bytes = readFileSync(join(dataDir, name));
        for (const secret of [thinking, signature, first.tool_calls[0]?.id ?? ""]) assert.ok(!bytes.includes(secret), `${name} holds it in clear`);
      }
      const again = await childGateway(text, { dataDir });
      await goOn("claude", known(first), {}, client(again.baseUrl));
      assert.deepEqual(assistantAt(lastBody())[0], { type: "thinking", thinking, signature });
      await again.kill9();
    } finally {
      rmSync(dataDir, { recursive: true, force: true });
    }
  });

  for (const stream of [false, true]) {
    test(`case 26: gives thought signatures back on the calls that they stood on, ${stream ? "streamed" : "whole"}`, async () => {
      await goOn("gemini", known(await call("gemini", stream, { tools: [TOOL, { ...TOOL, function: { ...TOOL.function, name: "get_time" } }] })));
      const [one, two] = partsAt(lastBody());
      assert.match(String(one?.["thoughtSignature"]), /^[A-Za-z0-9+/=]{40,}$/);
      assert.notEqual(one?.["thoughtSignature"], SKIP);
      assert.ok(two?.["functionCall"] !== undefined && two["thoughtSignature"] === undefined, "the second of parallel calls has none");
    });
  }

  test("case 26: without what is kept the documented value stands in for a signature", async () => {
    await goOn("gemini", known(await call("gemini", false)), {}, client(gateway.baseUrl, OTHER_KEY));
    assert.equal(partsAt(lastBody())[0]?.["thoughtSignature"], SKIP);
  });

  for (const stream of [false, true]) {
    test(`case 26: a chat host that signs its calls gets the signature where it put it, and nothing else changes, ${stream ? "streamed" : "whole"}`, async () => {
      const called = { id: `call_signed_${stream}`, type: "function", function: { name: "get_weather", arguments: `{"city":"Oslo"}` }, extra_content: { google: { thought_signature: "c2lnbmVk" } } };
      const chunk = (delta: Body, finish: string | null = null): string => `data: ${JSON.stringify({ id: "c", object: "chat.completion.chunk", created: 1, model: "own", choices: [{ index: 0, delta, finish_reason: finish }] })}\n\n`;
      const usage = { prompt_tokens: 5, completion_tokens: 5, total_tokens: 10 };
      const whole = (message: Body, finish: string): Body => ({ id: "c", object: "chat.completion", created: 1, model: "own", choices: [{ index: 0, message: { role: "assistant", ...message }, finish_reason: finish }], usage });
      if (stream) upstream.answer(sse(`${chunk({ role: "assistant", content: "Let me see." })}${chunk({ tool_calls: [{ index: 0, ...called }] })}${chunk({}, "tool_calls")}data: ${JSON.stringify({ id: "c", object: "chat.completion.chunk", created: 1, model: "own", choices: [], usage })}\n\ndata: [DONE]\n\n`));
      else upstream.answer(json(whole({ content: null, tool_calls: [called] }, "tool_calls")));
      const first = known(await call("own-chat/own", stream));

      upstream.answer(json(whole({ content: "rain" }, "stop")));
      const history = JSON.stringify([{ role: "user", content: QUESTION }, { role: "assistant", ...first }, { role: "tool", tool_call_id: called.id, content: "rain" }]);
      const sent = `{"model":"own-chat/own", "unknown": 1.10, "max_tokens":50,"messages":${history}}`;
      const answer = await fetch(`${gateway.baseUrl}/chat/completions`, { method: "POST", headers: { authorization: `Bearer ${KEY}`, "content-type": "application/json" }, body: sent });
      assert.equal(answer.status, 200, await answer.text());
      const wanted = history.replace(/("arguments":"[^\]]*?"\})\}/, `$1,"extra_content":{"google":{"thought_signature":"c2lnbmVk"}}}`);
      assert.notEqual(wanted, history);
      assert.equal(String(upstream.calls.at(-1)?.body), sent.replace(`"own-chat/own"`, `"own"`).replace(history, wanted));
    });
  }

  for (const stream of [false, true]) {
    test(`case 27: gives earlier reasoning back to the host that refuses tools without it, ${stream ? "streamed" : "whole"}`, async () => {
      const first = await call("deepseek", stream);
      await goOn("deepseek", known(first));
      const [, assistant] = lastBody()["messages"] as readonly Body[];
      assert.match(String(assistant?.["reasoning_content"]), /^(?:[a-z]+ ){5}$/);
      if (!stream) assert.equal(assistant?.["reasoning_content"], first["reasoning_content"]);
    });
  }

  test("case 27: without tools in the request, or with reasoning of its own, the body stays as it is", async () => {
    const first = await call("deepseek", false);
    await goOn("deepseek", known(first), { tools: undefined });
    assert.doesNotMatch(lastText(), /reasoning_content/);
    await goOn("deepseek", { ...known(first), reasoning_content: "mine" } as Called);
    assert.match(lastText(), /"reasoning_content":"mine"/);
  });

  test("case 28: gives encrypted reasoning back as the item that it was when it was done", async () => {
    const item = (encrypted_content: string): Body => ({ id: "rs_1", type: "reasoning", summary: [], encrypted_content });
    const called = { id: "fc_1", type: "function_call", call_id: "call_encrypted", name: "get_weather", arguments: `{"city":"Oslo"}`, status: "completed" };
    const response = (status: string, output: readonly Body[]): Body => ({ id: "resp_1", object: "response", created_at: 1, model: "own", status, output, usage: { input_tokens: 5, output_tokens: 5, total_tokens: 10 } });
    const events: readonly Body[] = [
      { type: "response.created", response: response("in_progress", []) },
      { type: "response.output_item.added", output_index: 0, item: item("cGFydA==") },
      { type: "response.output_item.done", output_index: 0, item: item("d2hvbGU=") },
      { type: "response.output_item.added", output_index: 1, item: { ...called, arguments: "" } },
      { type: "response.output_item.done", output_index: 1, item: called },
      { type: "response.completed", response: response("completed", [item("d2hvbGU="), called]) },
    ];
    upstream.answer(sse(events.map((event, sequence_number) => `event: ${String(event["type"])}\ndata: ${JSON.stringify({ ...event, sequence_number })}\n\n`).join("")));
    const first = await call("own-responses/own", true, { reasoning_effort: "low" });
    upstream.answer(json(response("completed", [{ id: "msg_1", type: "message", role: "assistant", status: "completed", content: [{ type: "output_text", text: "rain", annotations: [] }] }])));
    await goOn("own-responses/own", first, { reasoning_effort: "low" });
    const { input } = JSON.parse(String(upstream.calls.at(-1)?.body)) as { input: readonly Body[] };
    assert.deepEqual(input.find((one) => one["type"] === "reasoning"), { type: "reasoning", id: "rs_1", summary: [], encrypted_content: "d2hvbGU=" });
    assert.ok(input.findIndex((one) => one["type"] === "reasoning") < input.findIndex((one) => one["type"] === "function_call"));
  });

  test("case 29: a failover in mid conversation takes no state to another maker; back at its own it is there again", async () => {
    const first = await call("both", false);
    const { signature } = signedIn(first) as { signature: string };
    await fleet.script("claude", [{ fault: { kind: "status", status: 503 }, times: 1 }]);
    await goOn("both", known(first));
    assert.equal(partsAt(lastBody())[0]?.["thoughtSignature"], SKIP, "another maker answered");
    assert.ok(!lastText().includes(signature));
    await goOn("both", known(first));
    assert.equal(assistantAt(lastBody())[0]?.["signature"], signature);
  });

  test("case 30: the words of reasoning stand in reasoning_content; who sends only them back has the proof put to them", async () => {
    const first = await call("claude", false);
    const words = String(first["reasoning_content"]);
    assert.deepEqual([words, first["reasoning"]], [String(signedIn(first)?.["thinking"]), undefined]);
    await goOn("claude", { ...known(first), reasoning_content: words } as Called);
    assert.deepEqual(assistantAt(lastBody())[0], signedIn(first));
    await goOn("claude", { ...known(first), reasoning_content: "other words" } as Called);
    assert.equal(assistantAt(lastBody())[0]?.["type"], "tool_use", "what was never signed is not passed off as signed");
  });
});

describe("clients whose protocol has no field for another maker's signatures", () => {
  test("case 26: Messages", async () => {
    const anthropic = new Anthropic({ baseURL: gateway.url, apiKey: KEY, maxRetries: 0 });
    const tools: Anthropic.Tool[] = [{ name: "get_weather", input_schema: SCHEMA as Anthropic.Tool.InputSchema }];
    const user: Anthropic.MessageParam = { role: "user", content: QUESTION };
    const first = await anthropic.messages.stream({ model: "gemini", max_tokens: 500, messages: [user], tools }).finalMessage();
    const used = first.content.find((block) => block.type === "tool_use");
    assert.ok(used !== undefined && !JSON.stringify(first).includes("thoughtSignature"));
    const result: Anthropic.MessageParam = { role: "user", content: [{ type: "tool_result", tool_use_id: used.id, content: "rain" }] };
    await anthropic.messages.create({ model: "gemini", max_tokens: 500, messages: [user, { role: "assistant", content: first.content }, result], tools });
    assertSigned();
  });

  test("case 26: Converse", async () => {
    const toolConfig = { tools: [{ toolSpec: { name: "get_weather", inputSchema: { json: SCHEMA } } }] };
    const user = { role: "user", content: [{ text: QUESTION }] };
    const first = await post<{ output: { message: { content: readonly { toolUse?: { toolUseId: string } }[] } } }>("/model/gemini/converse", { messages: [user], toolConfig });
    const { message } = first.output;
    const toolUseId = message.content.find((block) => block.toolUse !== undefined)?.toolUse?.toolUseId;
    const result = { role: "user", content: [{ toolResult: { toolUseId, content: [{ text: "rain" }] } }] };
    await post("/model/gemini/converse", { messages: [user, message, result], toolConfig });
    assertSigned();
  });

  test("case 26: Cohere", async () => {
    const user = { role: "user", content: QUESTION };
    const first = await post<{ message: { tool_calls: readonly { id: string }[] } }>("/v2/chat", { model: "gemini", messages: [user], tools: [TOOL] });
    const { tool_calls } = first.message;
    await post("/v2/chat", { model: "gemini", messages: [user, { role: "assistant", tool_calls }, { role: "tool", tool_call_id: tool_calls[0]?.id, content: "rain" }], tools: [TOOL] });
    assertSigned();
  });

  function assertSigned(): void {
    const signature = partsAt(lastBody()).find((part) => part["functionCall"] !== undefined)?.["thoughtSignature"];
    assert.match(String(signature), /^[A-Za-z0-9+/=]{40,}$/);
    assert.notEqual(signature, SKIP);
  }

  async function post<T>(path: string, body: Body): Promise<T> {
    const answer = await fetch(gateway.url + path, { method: "POST", headers: { authorization: `Bearer ${KEY}`, "content-type": "application/json" }, body: JSON.stringify(body) });
    const text = await answer.text();
    assert.equal(answer.status, 200, text);
    return JSON.parse(text) as T;
  }
});
