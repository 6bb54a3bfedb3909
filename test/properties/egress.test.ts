/** For any body, header, query and target: the hosts that are dialled are those of the configuration. */
import { after, before, test } from "node:test";
import fc from "fast-check";
import { ACCOUNTS, CALLER, egressWorld, type EgressWorld } from "../security/egress-world.ts";

const RUNS = 250;
let world: EgressWorld;
before(async () => {
  world = await egressWorld();
});
after(() => world.close());

const CANARY = "CANARY";
const host = fc.constantFrom(CANARY, "localhost:PORT", "169.254.169.254", "evil.example", "[::1]:PORT", "0x7f000001:PORT");
const url = fc.tuple(fc.constantFrom("http://", "https://", "//", "", "http:\\\\"), host, fc.constantFrom("", "/", "/v1", "/../", "/%2e%2e", "?x=1", "#y")).map((parts) => parts.join(""));
const fieldName = fc.oneof(fc.constantFrom("api_base", "base_url", "baseURL", "url", "host", "endpoint", "proxy", "provider", "extra_body", "headers", "spillway", "metadata", "models", "route", "image_url", "file_data", "__proto__", "constructor", "model"), fc.string({ maxLength: 8 }));
const { node } = fc.letrec<{ node: unknown }>((tie) => ({
  node: fc.oneof({ depthSize: "small" }, url, fc.jsonValue({ maxDepth: 1 }), fc.array(tie("node"), { maxLength: 3 }), fc.dictionary(fieldName, tie("node"), { maxKeys: 4 })),
}));
const part = fc.oneof(
  url.map((text) => ({ type: "text", text })),
  url.map((address) => ({ type: "image_url", image_url: { url: address } })),
  url.map((data) => ({ type: "file", file: { file_data: data } })),
  fc.tuple(fieldName, url).map(([type, address]) => ({ type, [type]: { url: address } })),
);
const model = fc.oneof({ weight: 5, arbitrary: fc.constantFrom(...ACCOUNTS).map((account) => `${account}/m`) }, url, fc.tuple(fc.constantFrom(...ACCOUNTS), url).map(([account, address]) => `${account}/${address}`));
const body = fc
  .record({ extra: fc.dictionary(fieldName, node, { maxKeys: 5 }), model, content: fc.oneof(url, fc.array(part, { minLength: 1, maxLength: 3 })), stream: fc.boolean(), around: fc.dictionary(fieldName, node, { maxKeys: 2 }) })
  .map(({ extra, model: name, content, stream, around }) => JSON.stringify({ ...extra, model: name, stream, messages: [{ ...around, role: "user", content }] }));
const headerName = fc.oneof(fc.constantFrom("host", "forwarded", "x-forwarded-host", "x-forwarded-for", "x-portkey-custom-host", "helicone-target-url", "x-base-url", "x-upstream", "x-original-url", "referer", "origin", "via", "destination", "expect", "x-spillway-host", "x-spillway-deadline-ms", "traceparent", "openai-organization", "openai-beta"), fc.stringMatching(/^[a-z][a-z0-9-]{0,15}$/).map((name) => `x-${name}`));
const target = fc.oneof(
  { weight: 4, arbitrary: fc.constantFrom("/v1/chat/completions", "/chat/completions", "/v1/v1/chat/completions/") },
  fc.tuple(url, fc.constantFrom("/v1/chat/completions", "")).map((parts) => parts.join("")),
  fc.tuple(fc.constantFrom("/v1/chat/completions?base_url=", "/v1/proxy/", "/v1/../", "/%2f", "/v1/models/", "/v1/chat/completions/"), url).map((parts) => parts.join("")),
);

test("no body, header, query or target makes the gateway dial a host outside its configuration", async () => {
  await fc.assert(
    fc.asyncProperty(body, fc.array(fc.tuple(headerName, url), { maxLength: 4 }), target, fc.constantFrom("POST", "POST", "POST", "GET", "CONNECT"), async (text, headers, where, method) => {
      const aimed = (spelled: string): string => spelled.replaceAll(CANARY, `127.0.0.1:${world.canary.port}`).replaceAll("PORT", String(world.canary.port));
      const bytes = Buffer.from(aimed(text));
      const lines = [`${method} ${aimed(where).replaceAll(/\s/g, "%20")} HTTP/1.1`, "connection: close", `authorization: Bearer ${CALLER}`, "content-type: application/json", `content-length: ${bytes.length}`];
      if (!headers.some(([name]) => name === "host")) lines.push("host: 127.0.0.1");
      await world.send(Buffer.concat([Buffer.from([...lines, ...headers.map(([name, value]) => `${name}: ${aimed(value)}`)].join("\r\n").concat("\r\n\r\n"), "latin1"), bytes]));
      world.check();
    }),
    { numRuns: RUNS },
  );
  // The requests were no idle talk: upstreams have been called by many of them.
  const called = world.upstreams.reduce((sum, upstream) => sum + upstream.calls.length, 0);
  if (called < RUNS / 20) throw new Error(`only ${called} of ${RUNS} requests led to a call`);
});
