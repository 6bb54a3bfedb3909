/** Who may call: keys wherever SDKs put them, never two, never passed on; without keys the loopback alone, and no web page. */
import assert from "node:assert/strict";
import { createHash } from "node:crypto";
import { readFileSync, statSync } from "node:fs";
import { join } from "node:path";
import { after, before, describe, test } from "node:test";
import fc from "fast-check";
import { checkStart, StartError } from "../../src/compose.ts";
import { parseConfig } from "../../src/config/load.ts";
import { PROVIDERS } from "../../src/providers/registry.ts";
import { testGateway, type TestGateway } from "../support/gateway.ts";
import { post, rawExchange, rawPost, type RawAnswer } from "../support/raw-client.ts";
import { chat, recordingUpstream, type RecordingUpstream } from "../support/recording-upstream.ts";

const [APP, SECOND] = ["app-key-0123456789abcdef", "second-key-0123456789abc"];
const BODY = `{"model":"near/m","messages":[{"role":"user","content":"hi"}]}`;
const codeOf = (answer: RawAnswer): string | undefined => (JSON.parse(answer.body.toString()) as { error?: { code: string } }).error?.code;

let upstream: RecordingUpstream;
before(async () => {
  upstream = await recordingUpstream(chat);
});
after(() => upstream.close());
const accounts = (): string => `providers:\n  near: { type: openai-compatible, base_url: "${upstream.origin}/v1", api_key: upstream-0123456789 }\n`;

describe("with keys", () => {
  let gateway: TestGateway;
  before(async () => {
    gateway = await testGateway(`version: 1\nkeys:\n  - { name: app, key: ${APP} }\n  - { name: second, sha256: ${createHash("sha256").update(SECOND).digest("hex")} }\n${accounts()}`);
  });
  after(() => gateway.close());
  const call = (headers: readonly string[], query = ""): Promise<RawAnswer> => rawPost(gateway.port, `/v1/chat/completions${query}`, BODY, headers);

  for (const [what, headers, query] of [
    ["Authorization: Bearer", [`authorization: Bearer ${APP}`], ""],
    ["Authorization: bearer, with spaces", [`authorization:  bearer   ${APP}  `], ""],
    ["x-api-key", [`x-api-key: ${APP}`], ""],
    ["api-key", [`api-key: ${APP}`], ""],
    ["x-goog-api-key", [`x-goog-api-key: ${APP}`], ""],
    ["?key=", [], `?key=${APP}`],
    ["a key of which only the digest is configured", [`authorization: Bearer ${SECOND}`], ""],
    ["the same key in several places", [`authorization: Bearer ${APP}`, `x-api-key: ${APP}`, `x-goog-api-key: ${APP}`], `?key=${APP}`],
  ] as const) {
    test(`a key is taken from ${what}, and goes no further`, async () => {
      const before = upstream.calls.length;
      const answer = await call(headers, query);
      assert.equal(answer.status, 200, answer.body.toString());
      const received = upstream.calls.at(-1);
      assert.equal(upstream.calls.length, before + 1);
      const all = JSON.stringify([received?.target, received?.headers, received?.body.toString()]);
      assert.ok(!all.includes(APP) && !all.includes(SECOND), all);
      assert.equal(received?.header("authorization"), "Bearer upstream-0123456789");
      for (const name of ["x-api-key", "api-key", "x-goog-api-key", "cookie", "proxy-authorization"]) assert.equal(received?.header(name), undefined);
    });
  }

  for (const [what, headers, query] of [
    ["in two headers", [`authorization: Bearer ${APP}`, `x-api-key: ${SECOND}`], ""],
    ["in header and query", [`authorization: Bearer ${APP}`], `?key=${SECOND}`],
    ["in two Authorization headers", [`authorization: Bearer ${APP}`, `authorization: Bearer ${SECOND}`], ""],
    ["one of them wrong", [`x-goog-api-key: ${APP}`, "api-key: nonsense"], ""],
  ] as const) {
    test(`two different keys are refused: ${what}`, async () => {
      const before = upstream.calls.length;
      const answer = await call(headers, query);
      assert.deepEqual([answer.status, codeOf(answer)], [400, "conflicting_keys"]);
      assert.equal(upstream.calls.length, before, "nothing was sent upstream");
    });
  }

  test("no key, and keys that are not known, are refused in the same way whatever they begin with", async () => {
    const wrong = [APP.slice(0, -1), `${APP}x`, APP.toUpperCase(), APP.slice(0, 20), createHash("sha256").update(SECOND).digest("hex"), createHash("sha256").update(SECOND).digest("base64url"), "' OR 1=1 --", "*", "null", "undefined", "__proto__", "constructor", "app"];
    const answers = await Promise.all(wrong.map((key) => call([`authorization: Bearer ${key}`])));
    assert.deepEqual([...new Set(answers.map((answer) => answer.status))], [401]);
    assert.equal(new Set(answers.filter((answer) => codeOf(answer) === "invalid_key").map((answer) => answer.body.toString())).size, 1, "one body for all");
    assert.equal(codeOf(await call([])), "missing_key");
    assert.equal(codeOf(await call(["authorization: Bearer "])), "missing_key");
    assert.equal(codeOf(await call(["cookie: key=abc"])), "missing_key");
  });

  test("no generated key opens the door", async () => {
    await fc.assert(
      fc.asyncProperty(fc.stringMatching(/^[!-~]{1,40}$/), fc.constantFrom("authorization: Bearer ", "x-api-key: ", "authorization: "), async (key, header) => {
        const answer = await call([`${header}${key}`]);
        assert.equal(answer.status, 401, `${header}${key}`);
      }),
      { numRuns: 100 },
    );
  });

  test("every path but the probes wants the key, however it is written", async () => {
    for (const path of ["/v1/models", "/models", "//v1/models", "/v1/./models", "/v1/../v1/models", "/v1/models/x", "/v1/%6dodels", "/v1/chat/completions", "/healthz/../v1/models", "/healthz/x", "/healthz%2f..%2fv1%2fmodels", "/metrics", "/admin", "/nowhere", "/v1/models?healthz", "/healthz;/v1/models"]) {
      const { answers } = await rawExchange(gateway.port, `GET ${path} HTTP/1.1\r\nhost: x\r\nconnection: close\r\n\r\n`, { answers: 1 });
      assert.equal(answers[0]?.status, 401, path);
    }
    for (const path of ["/healthz", "/readyz", "/"]) {
      const { answers } = await rawExchange(gateway.port, `GET ${path} HTTP/1.1\r\nhost: x\r\nconnection: close\r\n\r\n`, { answers: 1 });
      assert.equal(answers[0]?.status, 200, path);
      assert.match(answers[0]?.body.toString() ?? "", /"version"/);
    }
  });

  test("browsers get no leave to read: no CORS header without configured origins", async () => {
    const { answers } = await rawExchange(gateway.port, `OPTIONS /v1/chat/completions HTTP/1.1\r\nhost: x\r\norigin: https://evil.example\r\naccess-control-request-method: POST\r\nconnection: close\r\n\r\n`, { answers: 1 });
    assert.ok((answers[0]?.status ?? 0) >= 400);
    const answer = await call([`authorization: Bearer ${APP}`, "origin: https://evil.example"]);
    for (const headers of [answers[0]?.headers ?? {}, answer.headers]) assert.deepEqual(Object.keys(headers).filter((name) => name.startsWith("access-control")), []);
  });
});

describe("without keys", () => {
  let gateway: TestGateway;
  before(async () => {
    gateway = await testGateway(`version: 1\n${accounts()}`);
  });
  after(() => gateway.close());
  const call = (headers: readonly string[]): Promise<RawAnswer> => rawPost(gateway.port, "/v1/chat/completions", BODY, headers);

  test("a loopback Host is demanded, so that no name of a stranger's leads here", async () => {
    for (const host of ["127.0.0.1", "127.0.0.1:8484", "localhost", "localhost:8484", "LOCALHOST", "[::1]", "[::1]:8484", "127.9.9.9"]) assert.equal((await call([`host: ${host}`])).status, 200, host);
    const before = upstream.calls.length;
    for (const host of ["evil.example", "evil.example:8484", "127.0.0.1.evil.example", "localhost.evil.example", "127.0.0.1@evil.example", "evil.example#127.0.0.1", "10.0.0.1", "0.0.0.0", "128.0.0.1", "[::2]", "localhost:8484:1", "", "127.0.0.1 evil.example"]) {
      const answer = await call([`host: ${host}`]);
      assert.ok(answer.status === 403 || answer.status === 400, `${host}: ${answer.status}`);
    }
    assert.equal(upstream.calls.length, before);
    const { answers } = await rawExchange(gateway.port, `POST /v1/chat/completions HTTP/1.0\r\ncontent-type: application/json\r\ncontent-length: ${BODY.length}\r\n\r\n${BODY}`, { answers: 1 });
    assert.equal(answers[0]?.status, 403, "no Host at all");
  });

  test("a foreign Origin is refused, and so are the body types that a page may send unasked", async () => {
    const before = upstream.calls.length;
    for (const origin of ["https://evil.example", "http://localhost:3000", "null", "file://"]) {
      const answer = await call([`origin: ${origin}`]);
      assert.deepEqual([answer.status, codeOf(answer)], [403, "forbidden_origin"], origin);
    }
    for (const type of ["text/plain", "application/x-www-form-urlencoded", "multipart/form-data; boundary=x", "text/plain; application/json", "application/jsonx", ""]) {
      const answer = await call([`content-type: ${type}`]);
      assert.deepEqual([answer.status, codeOf(answer)], [415, "unsupported_media_type"], type);
    }
    assert.equal((await rawExchange(gateway.port, `POST /v1/chat/completions HTTP/1.1\r\nhost: localhost\r\ncontent-length: ${BODY.length}\r\nconnection: close\r\n\r\n${BODY}`, { answers: 1 })).answers[0]?.status, 415, "no type at all");
    assert.equal(upstream.calls.length, before);
    for (const type of ["application/json", "application/json; charset=utf-8", "APPLICATION/JSON", "application/vnd.api+json"]) assert.equal((await call([`content-type: ${type}`])).status, 200, type);
  });

  test("an address that others can reach is a start-up error that says what to set", () => {
    const parsed = parseConfig(`version: 1\n${accounts()}`, { source: "x", env: {}, providers: PROVIDERS, readFile: () => "" });
    assert.ok(parsed.ok);
    for (const host of ["0.0.0.0", "::", "192.168.1.5", "gateway.example", "10.0.0.1", "0"]) {
      assert.throws(() => checkStart(parsed.config, host), (error) => error instanceof StartError && /SPILLWAY_API_KEY/.test(error.message) && /keys:/.test(error.message) && error.message.includes(host), host);
    }
    for (const host of ["127.0.0.1", "localhost", "::1", "127.0.0.53"]) checkStart(parsed.config, host);
  });

  test("names that only look like the loopback are addresses that others can reach", () => {
    const parsed = parseConfig(`version: 1\n${accounts()}`, { source: "x", env: {}, providers: PROVIDERS, readFile: () => "" });
    assert.ok(parsed.ok);
    for (const host of ["127.0.0.1.evil.example", "127.evil.example", "localhost.evil.example"]) assert.throws(() => checkStart(parsed.config, host), StartError, host);
  });
});

test("the admin port answers the loopback by its name, never a web page, and only to read", async () => {
  const gateway = await testGateway(`version: 1\nkeys: [{ name: app, key: ${APP} }]\n${accounts()}`);
  try {
    const admin = Number(new URL(gateway.adminUrl).port);
    const ask = async (method: string, headers: readonly string[]): Promise<number | undefined> => (await rawExchange(admin, `${method} /metrics HTTP/1.1\r\n${headers.join("\r\n")}\r\nconnection: close\r\n\r\n`, { answers: 1 })).answers[0]?.status;
    assert.equal(await ask("GET", ["host: 127.0.0.1"]), 200);
    for (const headers of [["host: evil.example"], ["host: localhost.evil.example"], ["host: localhost", "origin: https://evil.example"], ["host: localhost", "origin: null"]]) assert.equal(await ask("GET", headers), 403, headers.join());
    for (const method of ["POST", "PUT", "DELETE", "OPTIONS"]) assert.equal(await ask(method, ["host: localhost", "content-length: 0"]), 405);
    assert.equal(statSync(join(gateway.dataDir, "control.sock")).mode & 0o777, 0o600, "and the control socket is the owner's");
  } finally {
    await gateway.close();
  }
});

test("what budgets stand at is on the metrics page of the loopback; beyond it for an owner's token alone", async () => {
  const yaml = `version: 1\nkeys: [{ name: app, key: ${APP} }]\nbudgets: { all: { scope: tenant/default, period: month, limit_usd: 5 } }\n${accounts()}`;
  const alone = await testGateway(yaml);
  const open = await testGateway(yaml, { adminHost: "0.0.0.0" });
  try {
    const metrics = async (gateway: typeof open, token?: string): Promise<string> => (await fetch(`http://127.0.0.1:${new URL(gateway.adminUrl).port}/metrics`, token === undefined ? {} : { headers: { authorization: `Bearer ${token}` } })).text();
    const shown = /^spillway_budget_limit_nano_usd\{budget="config:all"\} 5000000000$/m;
    assert.match(await metrics(alone), shown);
    assert.match(await metrics(open, open.adminToken ?? ""), shown);
    for (const token of [undefined, APP, "spa_nobody", alone.adminToken ?? ""]) {
      const text = await metrics(open, token);
      assert.match(text, /^spillway_ready 1$/m);
      assert.doesNotMatch(text, /budget/, token);
    }
  } finally {
    await Promise.all([alone.close(), open.close()]);
  }
});

test("with an origin configured its pages may call, and no others are named", async () => {
  const gateway = await testGateway(`version: 1\nkeys: [{ name: app, key: ${APP} }]\ncors: { origins: ["https://app.example"] }\n${accounts()}`);
  try {
    const preflight = (origin: string): Promise<readonly RawAnswer[]> => rawExchange(gateway.port, `OPTIONS /v1/chat/completions HTTP/1.1\r\nhost: x\r\norigin: ${origin}\r\naccess-control-request-method: POST\r\naccess-control-request-headers: authorization\r\nconnection: close\r\n\r\n`, { answers: 1 }).then((all) => all.answers);
    const [granted] = await preflight("https://app.example");
    assert.deepEqual([granted?.status, granted?.headers["access-control-allow-origin"], granted?.headers["vary"]], [204, "https://app.example", "origin"]);
    for (const origin of ["https://app.example.evil.example", "http://app.example", "https://APP.example.", "null"]) assert.equal((await preflight(origin))[0]?.headers["access-control-allow-origin"], undefined, origin);
    const { answers } = await rawExchange(gateway.port, post("/v1/chat/completions", BODY, ["origin: https://app.example", `authorization: Bearer ${APP}`, "connection: close"]), { answers: 1 });
    assert.deepEqual([answers[0]?.status, answers[0]?.headers["access-control-allow-origin"]], [200, "https://app.example"]);
  } finally {
    await gateway.close();
  }
});

test("keys are looked up by their full digest, and never compared as text", () => {
  const source = readFileSync(new URL("../../src/edge/auth.ts", import.meta.url), "utf8");
  assert.match(source, /callerBy\(hash\("sha256", found\.key/);
  assert.match(source, /settings\.keys\.get\(sha256\)[^]*settings\.book\?\.get\(sha256\)/);
  const uses = new Set([...source.matchAll(/settings\.keys\b(\.\w+)?/g)].map((use) => use[1] ?? ""));
  assert.deepEqual([...uses].toSorted(), [".get", ".size"]);
});
