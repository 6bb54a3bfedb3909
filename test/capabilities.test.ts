/**
 * What a model lacks is known before the call, through the whole gateway over real sockets: a candidate is left out with the
 * reason, made up for where that is honest, or served without a wish where its route is lenient.
 */
import assert from "node:assert/strict";
import { once } from "node:events";
import { createServer, type Server } from "node:http";
import type { AddressInfo } from "node:net";
import { after, afterEach, before, describe, it } from "node:test";
import Anthropic from "@anthropic-ai/sdk";
import OpenAI from "openai";
import { ImageFetcher } from "../src/edge/upstream-images.ts";
import { gatewayConfig, startFleet, type FleetConfig } from "../src/fleet/index.ts";
import { testGateway, type TestGateway } from "./support/gateway.ts";
import { json, recordingUpstream, sse, type Answering, type RecordedCall, type RecordingUpstream } from "./support/recording-upstream.ts";

const PNG = Buffer.from("iVBORw0KGgoAAAANSUhEUgAAAAEAAAABCAYAAAAfFcSJAAAADUlEQVR42mNk+M9QDwADhgGAWjR9awAAAABJRU5ErkJggg==", "base64");
const SCHEMA = { type: "object", properties: { age: { type: "integer", minimum: 0 } }, required: ["age"], additionalProperties: false };
const response_format = { type: "json_schema", json_schema: { name: "person", schema: SCHEMA, strict: true } } as const;
const FITS = '{"age":4}';

let upstream: RecordingUpstream;
let pictures: Server;
let picturePort = 0;
let pictureCalls = 0;
let gateway: TestGateway;
/** What the model says, call by call; the last one again and again. */
let says: string[] = [];

before(async () => {
  upstream = await recordingUpstream();
  pictures = createServer((request, response) => {
    pictureCalls++;
    if (request.url === "/page") response.writeHead(200, { "content-type": "text/html" }).end("<html>");
    else if (request.url === "/away") response.writeHead(302, { location: "http://169.254.169.254/latest/meta-data/" }).end();
    else if (request.url !== "/silent") response.writeHead(200, { "content-type": "image/png" }).end(PNG);
  });
  await new Promise<void>((resolve) => pictures.listen(0, "127.0.0.1", resolve));
  picturePort = (pictures.address() as AddressInfo).port;
  const account = (name: string, type: string, path: string, more = ""): string => `  ${name}: { type: ${type}, base_url: "${upstream.origin}/${name}${path}", api_key: key-of-${name}, unmetered: false${more} }\n`;
  const routes = {
    steered: "[oai/gpt-5, oai/gpt-4o]", thinker: "[oai/gpt-5]", wishes: "[ant/claude-haiku-4-5]", resold: "[router/openai/gpt-5]", toolless: "[pplx/sonar]", nova: "[bed/minimax.minimax-m2]", mode: "[oai/gpt-3.5-turbo]",
    claude: "[ant/claude-haiku-4-5]", gemini: "[gem/gemini-2.5-flash]", seeing: "[gem/gemini-2.5-flash, oai/gpt-4o]", twice: "[gem/gemini-2.5-flash, bed/amazon.nova-lite-v1:0]",
    told: "[own/small, own/able]", small: "[own/small]",
  };
  const lines = Object.entries(routes).flatMap(([name, candidates]) => [`  ${name}: { candidates: ${candidates} }`, `  ${name}-lenient: { candidates: ${candidates}, lenient: true }`]);
  const denied = "vision: false, tools: false, tool_choice_none: false, json_schema: false, seed: false, sampling: false, top_k: false, streaming: false";
  const own = `, models: { small: { unmetered: true, capabilities: { ${denied} } }, able: { unmetered: true, capabilities: { vision: true } } }`;
  const yaml = `version: 1\nfallbacks: off\nproviders:\n${account("oai", "openai", "/v1")}${account("ant", "anthropic", "/v1")}${account("gem", "google", "/v1beta")}${account("pplx", "perplexity", "")}${account("router", "openrouter", "/v1")}${account("bed", "bedrock", "", ", region: us-east-1")}${account("own", "openai-compatible", "/v1", own)}routes:\n${lines.join("\n")}\n`;
  const images = new ImageFetcher({
    env: {},
    resolve: (name) => Promise.resolve(name === "img.example" ? ["93.184.215.14"] : name === "inside.example" ? ["127.0.0.1"] : []),
    reach: () => ({ address: "127.0.0.1", port: picturePort }),
  });
  gateway = await testGateway(yaml, { images });
});
after(async () => {
  await gateway.close();
  await upstream.close();
  pictures.closeAllConnections();
  pictures.close();
});
afterEach(() => {
  upstream.calls.length = 0;
  pictureCalls = 0;
});

/** Each dialect's answer of one text, streamed or not as its client asked. */
const speaking: Answering = (call, socket) => {
  const text = (says.length > 1 ? says.shift() : says[0]) ?? "";
  const body = JSON.parse(call.body.toString()) as { stream?: boolean; model?: string };
  if (call.target.startsWith("/ant")) json({ id: "msg_1", type: "message", role: "assistant", model: "m", content: [{ type: "text", text }], stop_reason: "end_turn", usage: { input_tokens: 9, output_tokens: 3 } })(call, socket);
  else if (call.target.startsWith("/gem")) json({ candidates: [{ index: 0, finishReason: "STOP", content: { role: "model", parts: [{ text }] } }], usageMetadata: { promptTokenCount: 9, candidatesTokenCount: 3, totalTokenCount: 12 } })(call, socket);
  else if (call.target.startsWith("/bed")) json({ output: { message: { role: "assistant", content: [{ text }] } }, stopReason: "end_turn", usage: { inputTokens: 9, outputTokens: 3, totalTokens: 12 }, metrics: { latencyMs: 1 } })(call, socket);
  else if (body.stream === true) {
    const chunk = (choices: object[], usage: object | null): string => `data: ${JSON.stringify({ id: "c", object: "chat.completion.chunk", created: 1, model: "m", choices, usage })}\n\n`;
    const pieces = [text.slice(0, 3), text.slice(3)].map((content) => chunk([{ index: 0, delta: { content }, finish_reason: null }], null));
    sse([...pieces, chunk([{ index: 0, delta: {}, finish_reason: "stop" }], null), chunk([], { prompt_tokens: 9, completion_tokens: 3, total_tokens: 12 }), "data: [DONE]\n\n"].join(""))(call, socket);
  } else json({ id: "c", object: "chat.completion", created: 1, model: "m", choices: [{ index: 0, message: { role: "assistant", content: text, refusal: null }, finish_reason: "stop", logprobs: null }], usage: { prompt_tokens: 9, completion_tokens: 3, total_tokens: 12 } })(call, socket);
};

interface Answer {
  readonly status: number;
  readonly warning: string;
  readonly deployment: string | null;
  readonly text: string;
  readonly error: { readonly code: string; readonly message: string; readonly param: string | null } | undefined;
}
async function ask(body: object, path = "/v1/chat/completions"): Promise<Answer> {
  upstream.answer(speaking);
  const response = await fetch(gateway.url + path, { method: "POST", headers: { "content-type": "application/json" }, body: JSON.stringify({ messages: [{ role: "user", content: "Who?" }], ...body }) });
  const text = await response.text();
  const error = response.ok ? undefined : (JSON.parse(text) as { error: Answer["error"] }).error;
  return { status: response.status, warning: response.headers.get("x-spillway-warning") ?? "", deployment: response.headers.get("x-spillway-deployment"), text, error };
}
const bodyOf = (call: RecordedCall | undefined): Record<string, unknown> => JSON.parse(call?.body.toString() ?? "{}") as Record<string, unknown>;
const decisionOf = async (): Promise<string> => JSON.stringify((await gateway.requests()).at(-1));

describe("a field that a candidate's model refuses", () => {
  it("case 31: leaves the candidate out, with the reason, where the client's bytes would reach it", async () => {
    says = ["hi"];
    const { status, deployment } = await ask({ model: "steered", temperature: 0.2 });
    assert.deepEqual([status, deployment, upstream.calls.length], [200, "oai/gpt-4o", 1]);
    assert.equal((await ask({ model: "steered", temperature: 1 })).deployment, "oai/gpt-5");
  });

  it("case 31: is told where no candidate is left, and nobody is called", async () => {
    const { status, error } = await ask({ model: "thinker", temperature: 0.2 });
    assert.deepEqual([status, error?.code, error?.param], [400, "unsupported_parameter", "temperature"]);
    assert.match(error?.message ?? "", /oai\/gpt-5: the model refuses temperature and top_p/);
    assert.equal(upstream.calls.length, 0);
  });

  it("case 31: passes where it is not known to be refused, and the provider decides", async () => {
    says = ["hi"];
    const { status, warning } = await ask({ model: "resold", temperature: 0.2, top_p: 0.5 });
    assert.deepEqual([status, warning], [200, ""]);
    assert.deepEqual([bodyOf(upstream.calls[0])["temperature"], bodyOf(upstream.calls[0])["top_p"]], [0.2, 0.5]);
  });

  it("is left out of the bytes on a lenient route, with a warning; every other byte passes", async () => {
    says = ["hi"];
    upstream.answer(speaking);
    const sent = '{"model":"thinker-lenient" , "temperature":0.2,"x":[1, 2.0],"top_p":0.5,"messages":[{"role":"user","content":"Who?"}],"logit_bias":{"5":1}}';
    const response = await fetch(`${gateway.url}/v1/chat/completions`, { method: "POST", headers: { "content-type": "application/json" }, body: sent });
    assert.equal(response.status, 200);
    assert.equal(upstream.calls[0]?.body.toString(), '{"model":"gpt-5" , "x":[1, 2.0],"messages":[{"role":"user","content":"Who?"}]}');
    for (const field of ["temperature", "top_p", "logit_bias"]) assert.match(response.headers.get("x-spillway-warning") ?? "", new RegExp(`${field} was left out`));
  });

  it("is refused across dialects, or left out one by one on a lenient route", async () => {
    says = ["hi"];
    const wishes = { presence_penalty: 0.5, logit_bias: { 5: 1 }, logprobs: true, top_logprobs: 2, seed: 3, top_k: 4 };
    const strict = await ask({ model: "wishes", ...wishes });
    assert.deepEqual([strict.status, strict.error?.code, upstream.calls.length], [400, "unsupported_parameter", 0]);
    const lenient = await ask({ model: "wishes-lenient", ...wishes });
    assert.equal(lenient.status, 200, lenient.text);
    for (const field of ["presence_penalty", "logit_bias", "logprobs", "top_logprobs", "seed"]) assert.match(lenient.warning, new RegExp(`\\b${field} was left out`));
    assert.equal(bodyOf(upstream.calls[0])["top_k"], 4);
  });

  it("is never let go where the answer would be another: tools, several choices, stop", async () => {
    const tools = [{ type: "function", function: { name: "f", parameters: { type: "object" } } }];
    for (const [model, body, param] of [["toolless-lenient", { tools }, "tools"], ["wishes-lenient", { n: 2 }, "n"], ["thinker-lenient", { stop: ["x"] }, "stop"]] as const) {
      const { status, error } = await ask({ model, ...body });
      assert.deepEqual([status, error?.code, error?.param], [400, "unsupported_parameter", param]);
    }
    assert.equal(upstream.calls.length, 0);
  });

  it("stands in the record with what kept the candidate out", async () => {
    await ask({ model: "thinker", temperature: 0.2 });
    assert.match(await decisionOf(), /no_sampling/);
  });
});

describe("what the owner of a model says that it cannot do", () => {
  const image = { role: "user", content: [{ type: "text", text: "Who?" }, { type: "image_url", image_url: { url: `data:image/png;base64,${PNG.toString("base64")}` } }] };
  const tools = [{ type: "function", function: { name: "f", parameters: { type: "object" } } }];
  const ROWS: readonly (readonly [what: string, asks: Record<string, unknown>, param: string, reason: string])[] = [
    ["images", { messages: [image] }, "messages", "no_vision"],
    ["tools", { tools }, "tools", "no_tools"],
    ["a seed", { seed: 7 }, "seed", "no_seed"],
    ["a temperature", { temperature: 0.1 }, "temperature", "no_sampling"],
    ["a stream", { stream: true }, "stream", "no_streaming"],
  ];
  for (const [what, asks, param, reason] of ROWS) {
    it(`leaves it out for ${what}, with the reason, and is the answer where no other is left`, async () => {
      says = ["hi"];
      assert.equal((await ask({ model: "told" })).deployment, "own/small", "it is the first for all else");
      const { status, deployment } = await ask({ model: "told", ...asks });
      assert.deepEqual([status, deployment], [200, "own/able"]);
      assert.match(await decisionOf(), new RegExp(`${reason}`));
      const { error } = await ask({ model: "small", ...asks });
      assert.deepEqual([error?.code, error?.param], ["unsupported_parameter", param]);
      assert.equal(upstream.calls.length, 2);
    });
  }

  it("counts for clients of other protocols alike", async () => {
    says = ["hi"];
    const body = { contents: [{ role: "user", parts: [{ text: "Who?" }] }], generationConfig: { temperature: 0.1, seed: 7, topK: 3 } };
    const call = (model: string) => fetch(`${gateway.url}/v1beta/models/${model}:generateContent`, { method: "POST", headers: { "content-type": "application/json" }, body: JSON.stringify(body) });
    upstream.answer(speaking);
    assert.equal((await call("told")).headers.get("x-spillway-deployment"), "own/able");
    assert.equal((await call("small")).status, 400);
  });

  it("is made up for where that is honest: a schema, and tools that may not be called", async () => {
    says = [FITS];
    const schema = await ask({ model: "small", response_format });
    assert.deepEqual([schema.status, bodyOf(upstream.calls[0])["response_format"]], [200, undefined]);
    const shown = await ask({ model: "small", tools, tool_choice: "none" });
    assert.deepEqual([shown.status, bodyOf(upstream.calls[1])["tools"], bodyOf(upstream.calls[1])["tool_choice"]], [200, undefined, undefined]);
    assert.match(shown.warning, /tools were left out/);
  });

  it("is left out of the body on a lenient route", async () => {
    says = ["hi"];
    const { status, deployment, warning } = await ask({ model: "told-lenient", seed: 7, temperature: 0.1 });
    assert.deepEqual([status, deployment, bodyOf(upstream.calls[0])["seed"], bodyOf(upstream.calls[0])["temperature"]], [200, "own/small", undefined, undefined]);
    assert.match(warning, /seed was left out/);
  });
});

describe("tools that may not be called", () => {
  it("are not shown to a model that takes none, and everything else passes", async () => {
    says = ["hi"];
    const tools = [{ type: "function", function: { name: "f", parameters: { type: "object" } } }];
    const { status, warning } = await ask({ model: "toolless", tools, tool_choice: "none", temperature: 0.3 });
    assert.equal(status, 200);
    assert.deepEqual(bodyOf(upstream.calls[0]), { messages: [{ role: "user", content: "Who?" }], model: "sonar", temperature: 0.3 });
    assert.match(warning, /tools were left out/);
  });
});

describe("a schema for a model that takes none", () => {
  it("is kept to on another protocol: asked in words, checked, shown", async () => {
    says = [`Here you are:\n${FITS}`];
    const answer = await new OpenAI({ baseURL: gateway.baseUrl, apiKey: "k" }).chat.completions.create({ model: "nova", messages: [{ role: "user", content: "Who?" }], response_format });
    upstream.answer(speaking);
    assert.equal(answer.choices[0]?.message.content, FITS);
    assert.match(JSON.stringify(bodyOf(upstream.calls[0])["system"]), /valid against the JSON Schema/);
  });

  it("is kept to by a JSON mode where there is one, in a stream that is held", async () => {
    says = [FITS];
    upstream.answer(speaking);
    const stream = await new OpenAI({ baseURL: gateway.baseUrl, apiKey: "k" }).chat.completions.create({ model: "mode", messages: [{ role: "user", content: "Who?" }], response_format, stream: true, stream_options: { include_usage: true } });
    let text = "";
    let usage = 0;
    for await (const chunk of stream) {
      text += chunk.choices[0]?.delta.content ?? "";
      usage = chunk.usage?.total_tokens ?? usage;
    }
    assert.deepEqual([text, usage], [FITS, 12]);
    assert.deepEqual(bodyOf(upstream.calls[0])["response_format"], { type: "json_object" });
  });

  it("is mended once, and both calls are on record", async () => {
    says = ['{"age":"four"}', FITS];
    const { status, warning } = await ask({ model: "mode", response_format });
    assert.equal(status, 200);
    assert.match(warning, /mended by a second call/);
    assert.match(JSON.stringify(bodyOf(upstream.calls[1])["messages"]), /\$\.age: must be an integer, not a string/);
    const record = (await gateway.requests()).at(-1);
    assert.deepEqual(record?.attempts.map((one) => [one.deployment, one.outcome, one.state]), [["oai/gpt-3.5-turbo", "schema_mismatch", "charged"], ["oai/gpt-3.5-turbo", "answered", "charged"]]);
  });

  it("serves clients of every protocol alike", async () => {
    says = [FITS];
    upstream.answer(speaking);
    const responses = await new OpenAI({ baseURL: gateway.baseUrl, apiKey: "k" }).responses.create({ model: "nova", input: "Who?", store: false, text: { format: { type: "json_schema", name: "p", schema: SCHEMA, strict: true } } });
    assert.equal(responses.output_text, FITS);
    const messages = await new Anthropic({ baseURL: gateway.url, apiKey: "k" }).messages.create({ model: "nova", max_tokens: 100, messages: [{ role: "user", content: "Who?" }], output_config: { format: { type: "json_schema", schema: SCHEMA } } });
    assert.equal(messages.content[0]?.type === "text" ? messages.content[0].text : "", FITS);
    const gemini = await ask({ contents: [{ role: "user", parts: [{ text: "Who?" }] }], generationConfig: { responseMimeType: "application/json", responseJsonSchema: SCHEMA }, messages: undefined }, "/v1beta/models/nova:generateContent");
    assert.match(gemini.text, /"text":"\{\\"age\\":4\}"/);
    assert.ok(upstream.calls.every((call) => call.target.startsWith("/bed") && /valid against the JSON Schema/.test(call.body.toString())), "each was asked in words");
  });

  it("is asked of a protocol without JSON mode as any JSON, too", async () => {
    says = ["[]", "{}"];
    const { status, text } = await ask({ model: "claude", response_format: { type: "json_object" } });
    assert.equal(status, 200);
    assert.match(text, /"content":"\{\}"/);
    assert.equal(upstream.calls.length, 2);
  });
});

describe("an image by its address", () => {
  const picture = (url: string): object => ({ messages: [{ role: "user", content: [{ type: "text", text: "What?" }, { type: "image_url", image_url: { url } }] }] });

  it("case 38: is fetched for a provider that takes only bytes", async () => {
    says = ["a dot"];
    const { status, text } = await ask({ model: "gemini", ...picture("https://img.example/a.png".replace("https", "http")) });
    assert.equal(status, 200, text);
    assert.match(upstream.calls[0]?.body.toString() ?? "", new RegExp(`"inlineData":\\{"mimeType":"image/png","data":"${PNG.toString("base64").replaceAll("+", "\\+")}"`));
    assert.equal(pictureCalls, 1);
  });

  it("case 38: is fetched once, however many candidates need it", async () => {
    says = ["a dot"];
    upstream.answer((call, socket) => (call.target.startsWith("/gem") ? json({ error: { code: 503, message: "busy", status: "UNAVAILABLE" } }, 503) : speaking)(call, socket));
    const response = await fetch(`${gateway.url}/v1/chat/completions`, { method: "POST", headers: { "content-type": "application/json" }, body: JSON.stringify({ model: "twice", ...picture("http://img.example/a.png") }) });
    assert.equal(response.headers.get("x-spillway-deployment"), "bed/amazon.nova-lite-v1:0");
    assert.deepEqual([upstream.calls.length, pictureCalls], [2, 1]);
    assert.match(upstream.calls[1]?.body.toString() ?? "", /"image":\{"format":"png","source":\{"bytes":/);
  });

  for (const [what, url] of [["an address inside", "http://169.254.169.254/latest/meta-data/"], ["a name that leads inside", "http://inside.example/a.png"], ["a redirect that leads inside", "http://img.example/away"], ["a number that is an address inside", "http://2130706433/a.png"], ["a page", "http://img.example/page"]] as const) {
    it(`case 38: is not had from ${what}: the request is refused with the reason, or goes to who fetches for itself`, async () => {
      says = ["a dot"];
      const refused = await ask({ model: "gemini", ...picture(url) });
      assert.deepEqual([refused.status, refused.error?.code, refused.error?.param], [400, "unsupported_parameter", "messages"]);
      assert.match(refused.error?.message ?? "", /could not be fetched: (its host is not public|it is no image)/);
      assert.equal(upstream.calls.length, 0);
      assert.equal((await ask({ model: "seeing", ...picture(url) })).deployment, "oai/gpt-4o");
      assert.match(upstream.calls[0]?.body.toString() ?? "", new RegExp(url.replaceAll("/", "\\/")));
    });
  }

  it("passes to who takes addresses as it was sent: nothing is fetched", async () => {
    says = ["a dot"];
    assert.equal((await ask({ model: "claude", ...picture("http://img.example/a.png") })).status, 200);
    assert.match(upstream.calls[0]?.body.toString() ?? "", /"url":"http:\/\/img\.example\/a\.png"/);
    assert.equal(pictureCalls, 0);
  });

  it("is waited for within the deadline, and not after the client has left", async () => {
    const late = await fetch(`${gateway.url}/v1/chat/completions`, { method: "POST", headers: { "content-type": "application/json", "x-spillway-deadline-ms": "300" }, body: JSON.stringify({ model: "gemini", ...picture("http://img.example/silent") }) });
    assert.equal(late.status, 504);
    const gone = new AbortController();
    const wanted = once(pictures, "request");
    const asked = fetch(`${gateway.url}/v1/chat/completions`, { method: "POST", signal: gone.signal, headers: { "content-type": "application/json" }, body: JSON.stringify({ model: "gemini", ...picture("http://img.example/silent") }) });
    await wanted;
    gone.abort();
    await assert.rejects(asked);
    assert.equal((await gateway.requests()).at(-1)?.record?.outcome, "client_gone");
    assert.equal(upstream.calls.length, 0);
  });

  it("is refused where the configuration says off, before anything is called", async () => {
    const off = await testGateway(`version: 1\nfallbacks: off\nremote_images: off\nproviders:\n  gem: { type: google, base_url: "${upstream.origin}/gem/v1beta", api_key: k }\n`);
    const response = await fetch(`${off.baseUrl}/chat/completions`, { method: "POST", headers: { "content-type": "application/json" }, body: JSON.stringify({ model: "gem/gemini-2.5-flash", ...picture("http://img.example/a.png") }) });
    assert.equal(response.status, 400);
    assert.match(await response.text(), /takes images as bytes only, and remote ones are not fetched/);
    assert.deepEqual([upstream.calls.length, pictureCalls], [0, 0]);
    await off.close();
  });
});

describe("a repair at the fleet", () => {
  it("is billed as the fleet bills it, and fails over when it does not help", async () => {
    const price = { input: 1, output: 2 };
    const config: FleetConfig = { seed: 5, providers: [{ name: "words", dialect: "anthropic-messages", models: { m: price }, tokens_out: 12 }, { name: "able", dialect: "openai-chat", models: { m: price }, tokens_out: 12 }] };
    const fleet = await startFleet(config);
    const other = await testGateway(gatewayConfig(config, fleet, { more: { routes: { r: { candidates: ["words/m", "able/m"] } }, fallbacks: "off" } }));
    const answer = await new OpenAI({ baseURL: other.baseUrl, apiKey: "k" }).chat.completions.create({ model: "r", messages: [{ role: "user", content: "Who?" }], response_format: { type: "json_object" } });
    assert.ok(answer.choices[0]?.message.content);
    const record = (await other.requests()).at(-1);
    assert.deepEqual(record?.attempts.map((one) => [one.deployment, one.outcome]), [["words/m", "schema_mismatch"], ["words/m", "schema_mismatch"], ["able/m", "answered"]]);
    const billed = fleet.bill().reduce((sum, row) => sum + row.cost_nano_usd, 0);
    assert.equal(record?.attempts.reduce((sum, one) => sum + (one.costNanoUsd ?? 0), 0), billed);
    await other.close();
    await fleet.close();
  });
});
