/**
 * Client and provider speak the same dialect: what arrives upstream is what was sent, and what comes back is what the
 * provider wrote, byte for byte but for the listed changes.
 */
import assert from "node:assert/strict";
import { after, before, test } from "node:test";
import OpenAI from "openai";
import { CHAT_ANSWER, CHAT_STREAM, chat, json, recordingUpstream, sse, type RecordedCall, type RecordingUpstream } from "../support/recording-upstream.ts";
import { testGateway, type TestGateway } from "../support/gateway.ts";
import { rawPost } from "../support/raw-client.ts";

let upstream: RecordingUpstream;
let gateway: TestGateway;

before(async () => {
  upstream = await recordingUpstream(chat);
  gateway = await testGateway(`
version: 1
keys: [{ name: app, key: caller-key-0123456789 }]
providers:
  near:
    type: openai-compatible
    base_url: ${upstream.origin}/v1
    api_key: upstream-key-0123456789
    models: { m-upstream: { price: { input: 1, output: 2 }, context: 100000, max_output: 10000 } }
  renaming: { type: together, base_url: "${upstream.origin}/v1", api_key: upstream-key-0123456789, unmetered: true }
  strict: { type: mistral, base_url: "${upstream.origin}/v1", api_key: upstream-key-0123456789, unmetered: true }
  ruling: { type: xai, base_url: "${upstream.origin}/v1", api_key: upstream-key-0123456789, unmetered: true }
routes:
  r: { candidates: [near/m-upstream], forward_headers: [x-tenant-note] }
`);
});
after(async () => {
  await gateway.close();
  await upstream.close();
});

const KEY = "authorization: Bearer caller-key-0123456789";
const last = (): RecordedCall => upstream.calls.at(-1) as RecordedCall;

async function forwarded(body: string | Uint8Array, headers: readonly string[] = []): Promise<Buffer> {
  upstream.answer(chat);
  const answer = await rawPost(gateway.port, "/v1/chat/completions", body, [KEY, ...headers]);
  assert.equal(answer.status, 200, answer.body.toString());
  return last().body;
}

const ASK = `"messages":[{"role":"user","content":"hi"}]`;

/** Sent → received. One string: nothing but the model's name, written as \`r\`, may differ. */
const BODIES: readonly (readonly [what: string, sent: string, received?: string])[] = [
  ["plain", `{"model":"r",${ASK}}`],
  ["keys in an odd order", `{"z":1,${ASK},"a":{"z":1,"a":2},"model":"r","temperature":0}`],
  ["odd whitespace", `\n\t {\r\n  "model"\t:\n"r" ,\r\n   ${ASK}  ,  "top_p" :  0.50\n}\n\n `],
  ["unknown fields at every depth", `{"model":"r","x_new":{"deep":[{"er":null}]},"messages":[{"role":"user","content":[{"type":"text","text":"hi","x_hint":7}],"x_meta":{}}]}`],
  ["unicode escapes, raw unicode and lone surrogates", `{"model":"r","messages":[{"role":"user","content":"\\u00e9é \\ud83d\\ude00😀 \\ud800 \\/ \\u2028\u2028"}]}`],
  ["numbers that no double holds", `{"model":"r",${ASK},"seed":12345678901234567890,"temperature":1.0000000000000000000001,"x":1e400,"y":-0.0,"w":1E+2}`],
  ["numbers in text stay text", `{"model":"r","messages":[{"role":"user","content":"1e400"}],"x":"1e400"}`],
  ["a key written with escapes", `{"m\\u006fdel":"r",${ASK}}`],
  ["tools with schemas", `{"model":"r",${ASK},"tools":[{"type":"function","function":{"name":"f","parameters":{"type":"object","properties":{"model":{"type":"string"},"stream":{"const":true}},"$schema":"x"},"strict":false}}]}`],
  ["empty and null members", `{"model":"r",${ASK},"stop":null,"tools":[],"metadata":{},"stream":false}`],
  ["keys of our own taken out: last", `{"model":"r",${ASK},"spillway":{"a":1}}`, `{"model":"m-upstream",${ASK}}`],
  ["keys of our own taken out: middle", `{"model":"r","spillway":{"a":[1,{"b":"}"}]}, ${ASK}}`, `{"model":"m-upstream",${ASK}}`],
  ["keys of our own taken out: first", `{"spillway":true,"model":"r",${ASK}}`, `{"model":"m-upstream",${ASK}}`],
  ["usage asked for on a stream", `{"model":"r",${ASK},"stream":true}`, `{"model":"m-upstream",${ASK},"stream":true,"stream_options":{"include_usage":true}}`],
  ["usage asked for, whitespace kept", `{ "stream" : true , "model" : "r" , ${ASK} }`, `{ "stream" : true , "model" : "m-upstream" , ${ASK} ,"stream_options":{"include_usage":true}}`],
  ["usage asked already", `{"model":"r",${ASK},"stream":true,"stream_options":{ "include_usage" : true }}`],
  ["usage refused by the client is asked all the same, other options keep their bytes", `{"model":"r",${ASK},"stream":true,"stream_options":{ "x":1e400, "include_usage" : false }}`, `{"model":"m-upstream",${ASK},"stream":true,"stream_options":{ "x":1e400, "include_usage" : true }}`],
  ["usage asked for beside other options", `{"model":"r",${ASK},"stream":true,"stream_options":{"x":1.0}}`, `{"model":"m-upstream",${ASK},"stream":true,"stream_options":{"x":1.0,"include_usage":true}}`],
  ["usage asked for in empty options", `{"model":"r",${ASK},"stream":true,"stream_options":{}}`, `{"model":"m-upstream",${ASK},"stream":true,"stream_options":{"include_usage":true}}`],
  ["usage asked for in place of null", `{"model":"r",${ASK},"stream":true,"stream_options":null}`, `{"model":"m-upstream",${ASK},"stream":true,"stream_options":{"include_usage":true}}`],
  ["stream_options without a stream stay", `{"model":"r",${ASK},"stream":false,"stream_options":{"include_usage":false}}`],
];

for (const [what, sent, received] of BODIES) {
  test(`a request passes byte for byte: ${what}`, async () => {
    const expected = received ?? sent.replace(/"r"/, '"m-upstream"');
    assert.equal((await forwarded(sent)).toString(), expected);
  });
}

test("a limit goes by the name that the host knows, and every other byte passes", async () => {
  for (const key of ["max_completion_tokens", "max_completion_to\\u006bens"]) {
    const sent = `{"model":"renaming/m", "${key}" : 50 ,${ASK},"x_new":{"deep":[1.0]}}`;
    assert.equal((await forwarded(sent)).toString(), `{"model":"m", "max_tokens" : 50 ,${ASK},"x_new":{"deep":[1.0]}}`);
  }
  assert.equal((await forwarded(`{"model":"renaming/m","max_tokens":5,${ASK}}`)).toString(), `{"model":"m","max_tokens":5,${ASK}}`);
});

test("case 7: a developer's words are told as the system's, in their place, where the host wants it, and every other byte passes", async () => {
  const body = (model: string, role: string): string =>
    `{"model":"${model}","messages":[ {"content":"a, \\"role\\":\\"developer\\"","role" : "${role}" ,"x":1.0},{"role":"system","content":"b"} , {"role":"user","content":"developer"}]}`;
  assert.equal((await forwarded(body("renaming/m", "developer"))).toString(), body("m", "system"));
  assert.equal((await forwarded(body("r", "developer"))).toString(), body("m-upstream", "developer"));
});

/** What hosts with rules for single fields get: [what, host, sent, received, what the warning names]. */
const RULED: readonly (readonly [what: string, host: string, sent: string, received: string, named: readonly string[]])[] = [
  ["one field", "ruling", `"logit_bias" : {"5":1} ,${ASK},"x_new":{"deep":[1.0]}`, `${ASK},"x_new":{"deep":[1.0]}`, ["logit_bias"]],
  ["unknown fields inside of messages stay", "ruling", `"messages":[{"role":"user","content":"hi","x_meta":1e400}],"logit_bias":{"5":1}`, `"messages":[{"role":"user","content":"hi","x_meta":1e400}]`, ["logit_bias"]],
  ["neighbours up to the end, one of them our own", "strict", `${ASK},"x":1.0 , "user":"u","spillway":{}, "store" : true, "verbosity":"low"`, `${ASK},"x":1.0`, ["user", "store", "verbosity"]],
  ["neighbours in the middle", "strict", `"store":false,"us\u0065r":"u" , "x":-0.0,"service_tier":"auto",${ASK}`, `"x":-0.0,${ASK}`, ["store", "user", "service_tier"]],
  ["a field inside of options", "strict", `${ASK},"stream":false,"stream_options":{ "a":1.0, "include_usage" : true }`, `${ASK},"stream":false,"stream_options":{ "a":1.0 }`, ["stream_options.include_usage"]],
  ["options that became empty go as well", "strict", `${ASK},"stream_options":{"include_usage":true},"x":1.0`, `${ASK},"x":1.0`, ["stream_options.include_usage"]],
  ["a field by the host's own name", "strict", `${ASK}, "seed" : 12345678901234567890,"max_completion_tokens":5`, `${ASK}, "random_seed" : 12345678901234567890,"max_tokens":5`, []],
  ["null is no field", "strict", `${ASK},"user":null`, `${ASK},"user":null`, []],
];
for (const [what, host, sent, received, named] of RULED) {
  test(`a field that the host does not know is left out and named, and every other byte passes: ${what}`, async () => {
    upstream.answer(chat);
    const answer = await rawPost(gateway.port, "/v1/chat/completions", `{"model":"${host}/m",${sent}}`, [KEY]);
    assert.equal(answer.status, 200, answer.body.toString());
    assert.equal(last().body.toString(), `{"model":"m",${received}}`);
    const warning = String(answer.headers["x-spillway-warning"] ?? "");
    for (const field of named) assert.match(warning, new RegExp(`${field} is not supported by`));
    if (named.length === 0) assert.equal(warning, "");
  });
}

test("a field that the host refuses is refused, and nothing is sent", async () => {
  const before = upstream.calls.length;
  const answer = await rawPost(gateway.port, "/v1/chat/completions", `{"model":"strict/m",${ASK},"logprobs":true,"user":"u"}`, [KEY]);
  assert.deepEqual([answer.status, upstream.calls.length], [400, before]);
  assert.match(answer.body.toString(), /logprobs/);
});

test("where turns of another host have the body written anew, what is lost by that is named", async () => {
  upstream.answer(chat);
  const call = (id: string): string =>
    `{"model":"strict/m","messages":[{"role":"user","content":"hi","x_meta":1},{"role":"assistant","tool_calls":[{"id":"${id}","type":"function","function":{"name":"f","arguments":"{}"}}]},{"role":"tool","tool_call_id":"${id}","content":"1"}],"store":true}`;
  const answer = await rawPost(gateway.port, "/v1/chat/completions", call("call_of_another_host"), [KEY]);
  assert.equal(answer.status, 200, answer.body.toString());
  assert.doesNotMatch(last().body.toString(), /x_meta|store|call_of/);
  for (const field of [/x_meta/, /store/]) assert.match(String(answer.headers["x-spillway-warning"]), field);
  assert.equal((await forwarded(call("abcDEF123"))).toString(), call("abcDEF123").replace("strict/m", "m").replace(',"store":true', ""));
});

test("a name with quotation marks and unicode in it is taken as the name that JSON says", async () => {
  assert.equal((await forwarded(`{"model":"\\u0072",${ASK}}`)).toString(), `{"model":"m-upstream",${ASK}}`);
});

test("a compressed request arrives as what it held", async () => {
  const { gzipSync } = await import("node:zlib");
  const text = `{"model":"r",${ASK},"x":1e400}`;
  assert.equal((await forwarded(gzipSync(text), ["content-encoding: gzip"])).toString(), text.replace('"r"', '"m-upstream"'));
  assert.equal(last().header("content-encoding"), undefined);
});

test("headers upstream are the provider's credential, the dialect's own and what the route lists; nothing else of the caller's", async () => {
  await forwarded(`{"model":"r",${ASK}}`, [
    "OpenAI-Organization: org-1", "OpenAI-Project: proj-1", "OpenAI-Beta: x=v2", "traceparent: 00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01",
    "X-Tenant-Note: seven", "Cookie: session=abc", "X-Forwarded-For: 10.0.0.1", "X-Forwarded-Host: evil.example", "Forwarded: for=1.2.3.4", "X-Real-IP: 1.2.3.4",
    "X-Spillway-Deadline-Ms: 20000", "X-Spillway-Anything: 1", "x-custom: 1", "Proxy-Authorization: Basic YTpi", "TE: trailers", "Accept-Language: de",
    "X-Stainless-Lang: js", "User-Agent: sdk/1", "Referer: https://a.example", "Expect-CT: x",
  ]);
  const names = last().headers.map(([name]) => name.toLowerCase()).toSorted();
  assert.deepEqual(names, ["accept", "authorization", "connection", "content-length", "content-type", "host", "openai-beta", "openai-organization", "openai-project", "traceparent", "via", "x-client-request-id", "x-tenant-note"]);
  assert.equal(last().header("authorization"), "Bearer upstream-key-0123456789");
  assert.equal(last().header("host"), `127.0.0.1:${upstream.port}`);
});

// Answers

const CHUNK = (rest: string): string => `data: {"id":"c","object":"chat.completion.chunk","created":1,"model":"m-upstream",${rest}}`;
const DELTA = (delta: string, finish = "null"): string => CHUNK(`"choices":[{"index":0,"delta":${delta},"finish_reason":${finish}}]`);
const USAGE = CHUNK(`"choices":[],"usage":{"prompt_tokens":5,"completion_tokens":7,"total_tokens":12}`);

async function answered(stream: string, asked: boolean): Promise<string> {
  upstream.answer(sse(stream));
  const options = asked ? `,"stream_options":{"include_usage":true}` : "";
  const { status, body } = await rawPost(gateway.port, "/v1/chat/completions", `{"model":"r",${ASK},"stream":true${options}}`, [KEY]);
  assert.equal(status, 200);
  return body.toString();
}

/** Everything that a provider may write between its events and in them. */
const ODD_STREAMS: readonly (readonly [what: string, frames: readonly string[]])[] = [
  ["unknown members, escapes, big numbers, odd spaces", [DELTA(`{"role":"assistant"}`), `data:  { "choices" : [ {"index":0,"delta":{"content":"\\u00e9é\\ud83d"},"x":1e400,"finish_reason":null} ] , "obfuscation":"abc"}`, DELTA(`{"content":"b"}`), DELTA("{}", `"stop"`)]],
  ["event, id and retry lines beside the data", [`event: message\nid: 7\nretry: 10\n${DELTA(`{"content":"a"}`)}`, DELTA(`{"content":"b"}`), DELTA("{}", `"stop"`)]],
  ["tool calls", [DELTA(`{"role":"assistant","content":null,"tool_calls":[{"index":0,"id":"call_1","type":"function","function":{"name":"f","arguments":""}}]}`), DELTA(`{"tool_calls":[{"index":0,"function":{"arguments":"{\\"a\\":"}}]}`), DELTA(`{"tool_calls":[{"index":0,"function":{"arguments":"1}"}}]}`), DELTA("{}", `"tool_calls"`)]],
  ["text that looks like a chunk", [DELTA(`{"content":"{\\"finish_reason\\":\\"stop\\",\\"usage\\":{}}"}`), DELTA(`{"content":"data: [DONE]\\n\\n"}`), DELTA("{}", `"length"`)]],
  ["content and the finish reason in one chunk", [DELTA(`{"content":"all"}`, `"stop"`)]],
];

for (const [what, frames] of ODD_STREAMS) {
  const body = frames.map((frame) => `${frame}\n\n`).join("");
  test(`a stream passes byte for byte: ${what}`, async () => {
    assert.equal(await answered(`${body}${USAGE}\n\ndata: [DONE]\n\n`, false), `${body}data: [DONE]\n\n`, "unasked: all but the usage chunk");
    const cost = "0.000019000";
    assert.equal(await answered(`${body}${USAGE}\n\ndata: [DONE]\n\n`, true), `${body}${USAGE.slice(0, -1)},"spillway":{"cost_usd":${cost}}}\n\ndata: [DONE]\n\n`, "asked: all, with the cost");
  });
}

test("line ends of CRLF pass as they came", async () => {
  const body = [DELTA(`{"content":"a"}`), DELTA(`{"content":"b"}`), DELTA("{}", `"stop"`)].map((frame) => `${frame}\r\n\r\n`).join("");
  assert.equal(await answered(`${body}${USAGE}\r\n\r\ndata: [DONE]\r\n\r\n`, false), `${body}data: [DONE]\n\n`);
});

test("usage on the finish chunk stays where the provider put it", async () => {
  const finish = CHUNK(`"choices":[{"index":0,"delta":{},"finish_reason":"stop"}],"usage":{"prompt_tokens":5,"completion_tokens":7,"total_tokens":12}`);
  const body = `${DELTA(`{"content":"a"}`)}\n\n${finish}\n\n`;
  assert.equal(await answered(`${body}data: [DONE]\n\n`, false), `${body}data: [DONE]\n\n`);
});

test("a JSON answer passes byte for byte, whatever its spelling", async () => {
  const text = `\n{ "choices" : [ {"finish_reason":"stop", "index":0,"x":1e400,"message":{"role":"assistant","content":"\\u00e9é","annotations":[],"x_new":{"b":1,"a":2}}} ],"id":"z","usage":{"prompt_tokens":5,"completion_tokens":7,"total_tokens":12,"x":0.10} }\n\n`;
  upstream.answer(json(text));
  const answer = await rawPost(gateway.port, "/v1/chat/completions", `{"model":"r",${ASK}}`, [KEY]);
  assert.equal(answer.body.toString(), text);
  assert.equal(answer.headers["x-spillway-cost-usd"], "0.000019000");
});

test("embeddings pass byte for byte both ways", async () => {
  const text = `{"data":[{"index":0,"embedding":[0.1,-0.0,1e-7],"object":"embedding"}],"object":"list","model":"m-upstream","usage":{"prompt_tokens":2,"total_tokens":2}}`;
  upstream.answer(json(text));
  const answer = await rawPost(gateway.port, "/v1/embeddings", `{ "input":"\\u00e9","x":1e400, "model":"r" }`, [KEY]);
  assert.equal(answer.status, 200, answer.body.toString());
  assert.equal(answer.body.toString(), text);
  assert.equal(last().body.toString(), `{ "input":"\\u00e9","x":1e400, "model":"m-upstream" }`);
});

test("the SDK accumulates from the gateway what it accumulates from the provider, but for `spillway`", async () => {
  const clients = [`${upstream.origin}/v1`, gateway.baseUrl].map((baseURL) => new OpenAI({ baseURL, apiKey: "caller-key-0123456789", maxRetries: 0 }));
  const rich = [
    DELTA(`{"role":"assistant","content":"","refusal":null}`), DELTA(`{"reasoning_content":"why"}`), DELTA(`{"content":"a"}`), DELTA(`{"content":"\\u00e9😀"}`),
    DELTA(`{"tool_calls":[{"index":0,"id":"call_1","type":"function","function":{"name":"f","arguments":""}}]}`), DELTA(`{"tool_calls":[{"index":0,"function":{"arguments":"{\\"a\\":1}"}}]}`),
    DELTA(`{"tool_calls":[{"index":1,"id":"call_2","type":"function","function":{"name":"g","arguments":"{}"}}]}`), DELTA("{}", `"tool_calls"`),
  ].map((frame) => `${frame}\n\n`).join("");
  for (const stream of [CHAT_STREAM, `${rich}${USAGE}\n\ndata: [DONE]\n\n`]) {
    upstream.answer(sse(stream));
    const results = [];
    for (const client of clients) {
      const runner = client.chat.completions.stream({ model: "r", messages: [{ role: "user", content: "hi" }], stream_options: { include_usage: true } });
      const snapshots: unknown[] = [];
      runner.on("chunk", (_chunk, snapshot) => snapshots.push(JSON.parse(JSON.stringify(snapshot))));
      results.push({ completion: JSON.parse(JSON.stringify(await runner.finalChatCompletion())) as Record<string, unknown>, snapshots });
    }
    const [direct, through] = results as [(typeof results)[0], (typeof results)[0]];
    assert.notEqual(through.completion["spillway"], undefined, "the cost is told");
    delete through.completion["spillway"];
    assert.deepEqual(through.completion, direct.completion);
    assert.deepEqual(through.snapshots.slice(0, -1), direct.snapshots.slice(0, -1));
  }
  upstream.answer(json(CHAT_ANSWER));
  const [direct, through] = await Promise.all(clients.map((client) => client.chat.completions.create({ model: "r", messages: [{ role: "user", content: "hi" }] })));
  assert.deepEqual(through, direct);
});
