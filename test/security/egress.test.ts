/** The gateway dials the hosts of its configuration and no other, whatever a request says and wherever it says it. */
import assert from "node:assert/strict";
import { after, before, test } from "node:test";
import { post } from "../support/raw-client.ts";
import { json } from "../support/recording-upstream.ts";
import { ACCOUNTS, CALLER, egressWorld, type EgressWorld } from "./egress-world.ts";

let world: EgressWorld;
before(async () => {
  world = await egressWorld();
});
after(() => world.close());

const KEY = `authorization: Bearer ${CALLER}`;
const send = (body: object, headers: readonly string[] = [], path = "/v1/chat/completions") => world.send(post(path, JSON.stringify(body), [KEY, ...headers]));

/** Ways to write an address, most of them of one's own machine or network; PORT is the canary's. */
const HOSTS = [
  "127.0.0.1:PORT", "localhost:PORT", "LOCALHOST:PORT", "localhost.:PORT", "127.1:PORT", "127.0.1:PORT", "0:PORT", "0.0.0.0:PORT", "2130706433:PORT", "0x7f000001:PORT", "0x7f.1:PORT", "0177.0.0.1:PORT", "017700000001:PORT", "127.0.0.1.:PORT",
  "[::1]:PORT", "[::]:PORT", "[0:0:0:0:0:0:0:1]:PORT", "[::ffff:127.0.0.1]:PORT", "[::ffff:7f00:1]:PORT", "[::127.0.0.1]:PORT", "[64:ff9b::7f00:1]:PORT", "[fe80::1]:PORT", "[fd00::1]:PORT",
  "user@127.0.0.1:PORT", "user:pass@127.0.0.1:PORT", "api.openai.com@127.0.0.1:PORT", "127.0.0.1:PORT#@api.openai.com", "127.0.0.1:PORT\\@api.openai.com", "api.openai.com\\@127.0.0.1:PORT", "127.0.0.1:PORT%2f@api.openai.com",
  "①②⑦.⓪.⓪.①:PORT", "127。0。0。1:PORT", "１２７.0.0.1:PORT", "localhost%00.example:PORT", "loc%61lhost:PORT", "127.0.0.1%20:PORT", " 127.0.0.1:PORT", "127.0.0.1:PORT/../../", "127.0.0.1:0PORT",
  "169.254.169.254", "169.254.169.254.", "[::ffff:169.254.169.254]", "2852039166", "0xa9fea9fe", "metadata.google.internal", "metadata", "100.100.100.200", "[fd00:ec2::254]", "instance-data",
  "10.0.0.1", "192.168.0.1", "172.16.0.1", "100.64.0.1", "kubernetes.default.svc", "router.local", "evil.example", "evil.example:443", "127.0.0.1.nip.example", "localtest.example", "xn--127-0-0-1.example",
];
const SCHEMES = ["http://", "https://", "HTTP://", "//", "http:/", "http:\\\\", "ftp://", "file://", "gopher://", "unix:"];
const at = (spelled: string): string => spelled.replaceAll("PORT", String(world.canary.port));

test("the table is long enough to be worth it", () => assert.ok(HOSTS.length >= 60 && new Set(HOSTS).size === HOSTS.length));

for (const account of ACCOUNTS) {
  test(`addresses in the content are data: no spelling in an image, file, tool or schema is fetched on the way to ${account}`, async () => {
    for (const [i, host] of HOSTS.entries()) {
      const url = `${SCHEMES[i % SCHEMES.length]}${at(host)}/a.png`;
      const plain = `http://${at(host)}/a.png`;
      const content = [{ type: "text", text: plain }, { type: "image_url", image_url: { url } }, { type: "image_url", image_url: { url: plain, detail: "low" } }];
      await send({ model: `${account}/m`, messages: [{ role: "user", content }] });
      await send({ model: `${account}/m`, stream: i % 2 === 0, messages: [{ role: "user", content: [{ type: "file", file: { filename: plain, file_data: plain } }] }] });
      if (i % 4 === 0) {
        const tools = [{ type: "function", function: { name: "f", description: plain, parameters: { $schema: plain, $ref: `${plain}#/a`, type: "object", properties: { a: { $ref: plain } } } } }];
        await send({ model: `${account}/m`, tools, messages: [{ role: "user", content: plain }], response_format: { type: "json_schema", json_schema: { name: "s", schema: { $ref: plain } } } });
      }
    }
    world.check();
    assert.ok((world.upstreams[ACCOUNTS.indexOf(account)]?.calls.length ?? 0) > 10, "the configured upstream was called");
  });
}

test("fields that steer the transport elsewhere steer nothing here", async () => {
  const fields = ["api_base", "base_url", "baseURL", "baseUrl", "endpoint", "host", "url", "api_url", "custom_host", "proxy", "proxy_url", "provider_url", "openai_api_base", "azure_endpoint", "webhook", "callback_url", "redirect_uri", "target", "upstream", "server"];
  for (const account of ACCOUNTS) {
    for (const host of HOSTS.slice(0, 12)) {
      const everything = Object.fromEntries(fields.map((field) => [field, `http://${at(host)}/v1`]));
      await send({ ...everything, model: `${account}/m`, messages: [{ role: "user", content: "hi", ...everything }], extra_body: everything, litellm_params: everything, config: everything, provider: everything, metadata: everything, spillway: everything });
    }
  }
  world.check();
});

test("a model's name is a name: an address in it leads nowhere", async () => {
  for (const host of HOSTS) {
    for (const name of [`http://${at(host)}/m`, at(host), `oai@${at(host)}/m`, `oai/../${at(host)}`, `//${at(host)}/m`]) await send({ model: name, messages: [{ role: "user", content: "hi" }] });
  }
  world.check();
});

test("a model's name never leaves its place in a path, and brings no second request", async () => {
  const names = ["../../x", "..", "a/../../b", "%2e%2e/%2e%2e/b", "m?key=1", "m#x", "m:delete", "m\r\nhost: evil\r\n\r\nGET / HTTP/1.1", "m\u0000", "m n", "é", "\\..\\", "/", "m;x=1", "m&a=b"];
  const gem = world.upstreams[ACCOUNTS.indexOf("gem")];
  assert.ok(gem !== undefined);
  const before = gem.calls.length;
  for (const name of names) for (const stream of [false, true]) await send({ model: `gem/${name}`, stream, messages: [{ role: "user", content: "hi" }] });
  const targets = gem.calls.slice(before).map((call) => call.target);
  for (const target of targets) assert.match(target, /^\/v1beta\/models\/[^/?#\s\\]+:(?:generateContent|streamGenerateContent\?alt=sse)$/);
  assert.ok(targets.length > 0);
  world.check();
});

test("headers that steer the transport elsewhere steer nothing here", async () => {
  const canary = `127.0.0.1:${world.canary.port}`;
  const names = ["x-forwarded-host", "x-forwarded-server", "x-host", "x-original-host", "x-http-host-override", "x-original-url", "x-rewrite-url", "x-portkey-custom-host", "x-portkey-provider", "x-portkey-config", "helicone-target-url", "helicone-openai-api-base", "x-base-url", "x-api-base", "openai-base-url", "x-upstream", "x-target", "destination", "x-forwarded-proto", "x-proxy", "x-envoy-original-dst-host", "x-llm-base-url", "cf-aig-endpoint", "x-spillway-base-url", "x-spillway-host", "x-spillway-provider"];
  for (const value of [canary, `http://${canary}`, `http://${canary}/v1`]) {
    await send({ model: "oai/m", messages: [{ role: "user", content: "hi" }] }, [...names.map((name) => `${name}: ${value}`), `forwarded: host=${value};proto=http`]);
    for (const name of names) await send({ model: "oai/m", messages: [{ role: "user", content: "hi" }] }, [`${name}: ${value}`]);
    await world.send(post("/v1/chat/completions", `{"model":"oai/m","messages":[{"role":"user","content":"hi"}]}`, [KEY, `host: ${value}`]));
  }
  world.check();
});

test("request targets that name a host, climb or hide their slashes lead nowhere", async () => {
  const canary = `127.0.0.1:${world.canary.port}`;
  const body = `{"model":"oai/m","messages":[{"role":"user","content":"hi"}]}`;
  const targets = [
    `http://${canary}/v1/chat/completions`, `https://${canary}/v1/models`, `http://user@${canary}/`, `//${canary}/v1/chat/completions`, `/\\${canary}/v1`, `/v1/../..//${canary}/`, `/v1/%2e%2e/%2e%2e/${canary}`, `/v1/proxy/http://${canary}/`, `/v1/proxy/http:%2f%2f${canary}%2f`,
    `/v1/chat/completions/../../http://${canary}`, `/v1/chat%2fcompletions`, `/v1//chat/completions`, `/v1/chat/completions?base_url=http://${canary}&api_base=http://${canary}`, `/v1/chat/completions?key=${CALLER}&url=http://${canary}`, `/v1/chat/completions;http://${canary}`, `/v1/models/http://${canary}`, `/v1/models/..%2f..%2f${canary}`, `/${canary}/v1/chat/completions`, `/https://${canary}`, `*`, canary,
  ];
  for (const target of targets) {
    for (const method of ["POST", "GET", "PUT", "CONNECT", "OPTIONS", "TRACE", "PROPFIND"]) {
      await world.send(Buffer.concat([Buffer.from(`${method} ${target} HTTP/1.1\r\nhost: 127.0.0.1\r\n${KEY}\r\ncontent-type: application/json\r\nconnection: close\r\ncontent-length: ${body.length}\r\n\r\n`), Buffer.from(body)]));
    }
  }
  world.check();
});

test("a redirect of an upstream is an error, never followed", async () => {
  const [oai] = world.upstreams;
  assert.ok(oai !== undefined);
  for (const status of [301, 302, 303, 307, 308]) {
    oai.answer(json({}, status, { location: `http://127.0.0.1:${world.canary.port}/v1/chat/completions` }));
    const [answer] = await send({ model: "oai/m", messages: [{ role: "user", content: "hi" }] });
    assert.ok((answer?.status ?? 0) >= 500, `a ${status} is told as ${answer?.status}`);
  }
  oai.answer(json({ choices: [{ index: 0, finish_reason: "stop", message: { role: "assistant", content: "x", audio: { url: `http://127.0.0.1:${world.canary.port}` } } }] }, 200, { location: `http://127.0.0.1:${world.canary.port}`, link: `<http://127.0.0.1:${world.canary.port}>; rel=preload`, "alt-svc": `h2="127.0.0.1:${world.canary.port}"`, refresh: `0; url=http://127.0.0.1:${world.canary.port}` }));
  await send({ model: "oai/m", messages: [{ role: "user", content: "hi" }] });
  world.check();
});
