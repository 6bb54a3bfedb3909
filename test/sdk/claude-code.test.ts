/** Requests as Claude Code sends them: its headers and body reach a provider of its own dialect untouched, and no other learns of them. */
import assert from "node:assert/strict";
import { after, before, describe, it } from "node:test";
import Anthropic from "@anthropic-ai/sdk";
import AnthropicOld from "anthropic-sdk-0-122";
import { stringify } from "yaml";
import { testGateway, type TestGateway } from "../support/gateway.ts";
import { chat, json, recordingUpstream, sse, type RecordingUpstream } from "../support/recording-upstream.ts";

const KEY = "callers-own-key";
const ACCOUNT_KEY = "key-of-the-account";
/** As it sends them by default, and one that nobody knows, with blanks as no list would be written. */
const BETAS = "claude-code-20250219,interleaved-thinking-2025-05-14,context-management-2025-06-27,effort-2025-11-24,  of-tomorrow-2031-01-01";
const VERSION = "2026-10-21";
const HEADERS = {
  "anthropic-beta": BETAS, "anthropic-version": VERSION, "content-type": "application/json", "user-agent": "claude-cli/2.1.330 (external, cli)",
  "x-app": "cli", "x-claude-code-session-id": "8f1c", "x-stainless-timeout": "600", "anthropic-dangerous-direct-browser-access": "true",
};
/** Numbers and blanks that no serializer would write again. */
const BODY = `{"model":"claude", "max_tokens":128000,"stream":true,"temperature":1.0,
 "system":[{"type":"text","text":"x-anthropic-billing-header: cc_version=2.1.330; cch=00000;"},{"type":"text","text":"You are Claude Code.","cache_control":{"type":"ephemeral"}},{"type":"text","text":"Be brief.","cache_control":{"type":"ephemeral"}}],
 "messages":[{"role":"user","content":[{"type":"text","text":"Gr\\u00fc\\u00dfe","cache_control":{"type":"ephemeral"}}]},{"role":"system","content":"On.","output_config":{"effort":"high"}}],
 "thinking":{"type":"adaptive","display":"omitted"},"output_config":{"effort":"medium"},
 "context_management":{"edits":[{"type":"clear_thinking_20251015","keep":"all"}]},
 "metadata":{"user_id":"{\\"device_id\\":\\"d\\",\\"session_id\\":\\"s\\"}"},
 "tools":[{"name":"Bash","description":"Runs","input_schema":{"$schema":"https://json-schema.org/draft/2020-12/schema","type":"object","properties":{"command":{"type":"string"}}},"eager_input_streaming":true}]}`;
const frame = (type: string, rest: string): string => `event: ${type}\ndata: {"type":"${type}"${rest}}\n\n`;
const STREAM =
  frame("message_start", `,"message":{"id":"msg_01","type":"message","role":"assistant","model":"claude-upstream","content":[],"stop_reason":null,"stop_sequence":null,"usage":{"input_tokens":9,"output_tokens":1}}`) +
  frame("content_block_start", `,"index":0,"content_block":{"type":"text","text":""}`) +
  frame("content_block_delta", `,"index":0,"delta":{"type":"text_delta","text":"Hello there."}`) +
  frame("content_block_stop", `,"index":0`) +
  frame("message_delta", `,"delta":{"stop_reason":"end_turn","stop_sequence":null},"usage":{"output_tokens":3}`) +
  frame("message_stop", "");

describe("a request as Claude Code sends it", () => {
  let anthropic: RecordingUpstream;
  let openai: RecordingUpstream;
  let gateway: TestGateway;
  before(async () => {
    anthropic = await recordingUpstream(sse(STREAM));
    openai = await recordingUpstream(chat);
    const models = (name: string) => ({ [name]: { price: { input: 1, output: 2 }, context: 1_000_000, max_output: 128_000 } });
    gateway = await testGateway(stringify({
      version: 1,
      keys: [{ name: "coder", key: KEY }],
      providers: {
        maker: { type: "anthropic", base_url: `${anthropic.origin}/v1`, api_key: ACCOUNT_KEY, models: models("claude-upstream") },
        other: { type: "openai-compatible", base_url: `${openai.origin}/v1`, api_key: ACCOUNT_KEY, models: models("gpt-upstream") },
      },
      routes: { claude: { candidates: ["maker/claude-upstream"] }, elsewhere: { candidates: ["other/gpt-upstream"] } },
      fallbacks: "off",
    }));
  });
  after(async () => {
    await gateway.close();
    await Promise.all([anthropic.close(), openai.close()]);
  });

  const post = (headers: Readonly<Record<string, string>>, body = BODY): Promise<Response> =>
    fetch(`${gateway.url}/v1/messages?beta=true`, { method: "POST", headers: { ...HEADERS, ...headers }, body });

  /** As the upstream sent it: what it cost is all that is added. */
  const streamOf = async (reply: Response): Promise<string> => (await reply.text()).replace(/,"spillway":\{"cost_usd":0\.\d{9}\}/, "");
  const CREDENTIALS: Readonly<Record<string, Readonly<Record<string, string>>>> = { "Authorization: Bearer": { authorization: `Bearer ${KEY}` }, "x-api-key": { "x-api-key": KEY } };
  for (const [where, credential] of Object.entries(CREDENTIALS)) {
    it(`case 5: with its key in ${where}, reaches the maker with the account's key, its body byte for byte`, async () => {
      assert.equal(await streamOf(await post(credential)), STREAM);
      const call = anthropic.calls.at(-1) ?? assert.fail("no call");
      assert.deepEqual([call.header("x-api-key"), call.header("authorization")], [ACCOUNT_KEY, undefined]);
      assert.equal(call.body.toString(), BODY.replace(`"claude"`, `"claude-upstream"`));
      for (const name of ["x-claude-code-session-id", "x-app", "cookie", "anthropic-dangerous-direct-browser-access"]) assert.equal(call.header(name), undefined, name);
    });
  }

  it("case 3: brings its beta flags and its version to the maker as they are, flags that nobody knows too", async () => {
    await (await post({ "x-api-key": KEY })).text();
    const told = (header: string) => anthropic.calls.at(-1)?.headers.filter(([name]) => name.toLowerCase() === header).map(([, value]) => value);
    assert.deepEqual([told("anthropic-beta"), told("anthropic-version")], [[BETAS], [VERSION]]);
  });

  it("is taken with the same key in both headers, and refused with two different ones", async () => {
    assert.equal(await streamOf(await post({ authorization: `Bearer ${KEY}`, "x-api-key": KEY })), STREAM);
    const before = anthropic.calls.length;
    const refused = await post({ authorization: `Bearer ${KEY}`, "x-api-key": "another" });
    const told = (await refused.json()) as { type: string; error: { type: string; details: { error_code: string } } };
    assert.deepEqual([refused.status, told.type, told.error.type, told.error.details.error_code], [400, "error", "invalid_request_error", "conflicting_keys"]);
    assert.equal(anthropic.calls.length, before);
  });

  it("case 4: without a version goes on with the one that is pinned, and no flag is added", async () => {
    const { "anthropic-version": _, "anthropic-beta": __, ...rest } = HEADERS;
    await (await fetch(`${gateway.url}/v1/messages`, { method: "POST", headers: { ...rest, "x-api-key": KEY }, body: BODY })).text();
    const call = anthropic.calls.at(-1);
    assert.deepEqual([call?.header("anthropic-version"), call?.header("anthropic-beta")], ["2023-06-01", undefined]);
  });

  it("is served by a provider of another dialect, which learns nothing of it that is not its own", async () => {
    const reply = await post({ authorization: `Bearer ${KEY}` }, BODY.replace(`"claude"`, `"elsewhere"`));
    const text = await reply.text();
    assert.equal(reply.status, 200, text);
    assert.match(text, /"text_delta","text":"Hello"/);
    assert.match(text, /event: message_stop\n/);
    const call = openai.calls.at(-1) ?? assert.fail("no call");
    assert.deepEqual(call.headers.filter(([name]) => /^(?:anthropic-|x-claude|x-app)/i.test(name)), []);
    const sent = call.body.toString();
    for (const inner of ["x-anthropic-billing-header", "cache_control", "context_management", "eager_input_streaming"]) assert.ok(!sent.includes(inner), inner);
    for (const inner of ["You are Claude Code.", "Be brief.", "Grüße", `"name":"Bash"`]) assert.ok(sent.includes(inner), inner);
    const warned = reply.headers.get("x-spillway-warning") ?? "";
    for (const named of ["billing line", "context_management", "cache_control"]) assert.ok(warned.includes(named), `${named} is not in: ${warned}`);
  });

  it("finds its greeting and its models", async () => {
    const headers = { authorization: `Bearer ${KEY}`, "anthropic-version": VERSION };
    assert.equal((await fetch(`${gateway.url}/api/hello`, { method: "HEAD" })).status, 200);
    const listed = (await (await fetch(`${gateway.url}/v1/models?limit=1000`, { headers })).json()) as { data: { id: string; type: string }[]; has_more: boolean };
    assert.equal(listed.has_more, false);
    assert.deepEqual(listed.data.filter((one) => one.id === "claude").map((one) => one.type), ["model"]);
  });

  const SDKS = {
    "1.12 by its key": () => new Anthropic({ baseURL: gateway.url, apiKey: KEY, maxRetries: 0 }),
    "1.12 by its token": () => new Anthropic({ baseURL: gateway.url, apiKey: null, authToken: KEY, maxRetries: 0 }),
    "0.122 by its key": () => new AnthropicOld({ baseURL: gateway.url, apiKey: KEY, maxRetries: 0 }) as unknown as Anthropic,
    "0.122 by its token": () => new AnthropicOld({ baseURL: gateway.url, apiKey: null, authToken: KEY, maxRetries: 0 }) as unknown as Anthropic,
  };
  for (const [name, connect] of Object.entries(SDKS)) {
    it(`comes from the SDK ${name} with the version of that line and the flags that the caller chose`, async () => {
      const stream = connect().beta.messages.stream({ model: "claude", max_tokens: 100, messages: [{ role: "user", content: "Hi" }], betas: ["effort-2025-11-24", "of-tomorrow-2031-01-01"] });
      assert.equal(await stream.finalText(), "Hello there.");
      const call = anthropic.calls.at(-1);
      assert.equal(call?.header("anthropic-version"), name.startsWith("1.12") ? VERSION : "2023-06-01");
      assert.match(call?.header("anthropic-beta") ?? "", /effort-2025-11-24,\s*of-tomorrow-2031-01-01/);
      assert.deepEqual([call?.header("x-api-key"), call?.header("authorization")], [ACCOUNT_KEY, undefined]);
    });
  }

  it("costs one request where the SDK would repeat a failure that the gateway has already repeated", async () => {
    anthropic.answer(json({ type: "error", error: { type: "overloaded_error", message: "Overloaded" } }, 529));
    const before = (await gateway.requests()).length;
    for (const Client of [Anthropic, AnthropicOld as unknown as typeof Anthropic]) {
      // No maxRetries: the SDK's own default is two.
      await assert.rejects(new Client({ baseURL: gateway.url, apiKey: KEY }).messages.create({ model: "claude", max_tokens: 9, messages: [{ role: "user", content: "Hi" }] }), Client.InternalServerError);
    }
    assert.equal((await gateway.requests()).length, before + 2);
  });
});
