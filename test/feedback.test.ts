/** What callers think of their answers: once for each request, from the key that asked, and listed. */
import assert from "node:assert/strict";
import { mkdtempSync, rmSync } from "node:fs";
import { createServer } from "node:http";
import type { AddressInfo } from "node:net";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { after, before, describe, it } from "node:test";
import { runFeedback } from "../src/cli/feedback.ts";
import { createObject } from "../src/control/manage.ts";
import { loadCatalogue } from "../src/providers/catalog/index.ts";
import { PROVIDERS } from "../src/providers/registry.ts";
import { readFeedback, SqliteFeedback } from "../src/storage/feedback.ts";
import { testGateway, type TestGateway } from "./support/gateway.ts";
import { notingUpstream, type NotingUpstream } from "./support/upstreams.ts";

interface Answer {
  readonly status: number;
  readonly id: string;
  readonly body: { readonly error?: { readonly code: string; readonly param: string | null; readonly type: string } } & Readonly<Record<string, unknown>>;
}

describe("feedback", () => {
  let upstream: NotingUpstream;
  let gateway: TestGateway;
  let managed = "";
  const logged: string[] = [];

  before(async () => {
    upstream = await notingUpstream();
    const note = (event: string, fields = {}): void => void logged.push(`${event} ${JSON.stringify(fields)}`);
    gateway = await testGateway(`
version: 1
keys: [{ name: app, key: key-of-the-app }, { name: other, key: key-of-another }]
providers:
  a: { type: openai-compatible, base_url: "${upstream.url}", api_key: x, models: { m: { price: { input: 1, output: 2 } } } }
routes: { r: { candidates: [a/m] } }
`, { log: { info: note, warn: note, error: note }, requestLog: (line) => void logged.push(line) });
    const made = createObject(gateway.managed, { kind: "key", tenant: "default", actor: { id: "ada", tenant: "default", role: "owner" } }, "managed", {});
    const key = made.kind === "done" ? made.once?.["key"] : undefined;
    managed = typeof key === "string" ? key : "";
  });
  after(async () => {
    await gateway.close();
    await upstream.close();
  });

  async function post(path: string, body: unknown, key = "key-of-the-app"): Promise<Answer> {
    const response = await fetch(`${gateway.baseUrl}/${path}`, { method: "POST", headers: { authorization: `Bearer ${key}`, "content-type": "application/json" }, body: JSON.stringify(body) });
    return { status: response.status, id: response.headers.get("x-request-id") ?? "", body: (await response.json()) as Answer["body"] };
  }
  const ask = async (key?: string): Promise<string> => (await post("chat/completions", { model: "r", messages: [{ role: "user", content: "hi" }] }, key)).id;
  const told = ({ status, body: { error } }: Answer): readonly unknown[] => [status, error?.code, error?.param];

  it("is taken once for a request, from the key that asked, as soon as its answer is there", async () => {
    const request_id = await ask();
    assert.deepEqual(told(await post("feedback", { request_id, score: 1 }, "key-of-another")), [404, "unknown_id", "request_id"]);
    const taken = await post("feedback", { request_id, score: 0.25, comment: "not what was asked" });
    assert.deepEqual([taken.status, taken.body], [201, { object: "feedback", request_id, score: 0.25 }]);
    assert.deepEqual(told(await post("feedback", { request_id, score: 1 })), [409, "feedback_given", "request_id"]);
    assert.deepEqual(told(await post("feedback", { request_id, score: 1 }, "key-of-another")), [404, "unknown_id", "request_id"], "nor does the second word tell that there was a first");
    const own = await ask(managed);
    assert.equal((await post("feedback", { request_id: own, score: -1 }, managed)).status, 201);
  });

  it("is refused where it cannot be meant, by the field", async () => {
    const request_id = await ask();
    for (const [body, expected] of [
      [{ request_id: "req_nothing", score: 1 }, [404, "unknown_id", "request_id"]],
      [{ score: 1 }, [400, "missing_field", "request_id"]],
      [{ request_id, score: 2 }, [400, "invalid_type", "score"]],
      [{ request_id, score: -0.5 }, [400, "invalid_type", "score"]],
      [{ request_id, score: "1" }, [400, "invalid_type", "score"]],
      [{ request_id }, [400, "invalid_type", "score"]],
      [{ request_id, score: 1, comment: 5 }, [400, "invalid_type", "comment"]],
      [{ request_id, score: 1, comment: "ä".repeat(1_001) }, [400, "invalid_type", "comment"]],
      [{ request_id, score: 1, coment: "x" }, [400, "unsupported_parameter", "coment"]],
      [[], [400, "invalid_body", null]],
    ] as const) assert.deepEqual(told(await post("feedback", body)), expected, JSON.stringify(body));
    assert.equal((await post("feedback", { request_id, score: 1, comment: "ä".repeat(1_000) })).status, 201, "what was refused was not given");
    assert.equal((await fetch(`${gateway.baseUrl}/feedback`, { headers: { authorization: "Bearer key-of-the-app" } })).status, 405);
  });

  it("is listed by the command and by the admin API, a key's own to the key, and never logged", async () => {
    const request_id = await ask();
    await post("feedback", { request_id, score: 0, comment: "a secret word\u001b[2J" });
    const lines: string[] = [];
    const context = { out: { write: (text: string) => void lines.push(text) }, errors: { write: (text: string) => void lines.push(text) }, env: {}, cwd: ".", providers: PROVIDERS, catalogue: loadCatalogue() };
    assert.equal(runFeedback(["--json", "--limit", "1", "--data-dir", gateway.dataDir], context), 0);
    const { at, ...row } = JSON.parse(lines.join("")) as Record<string, unknown>;
    assert.ok(Math.abs(Date.parse(String(at)) - Date.now()) < 60_000);
    assert.deepEqual(row, { request_id, tenant: "default", key: "app", score: 0, comment: "a secret word\u001b[2J", route: "r", deployment: "a/m" });
    lines.length = 0;
    assert.equal(runFeedback(["--data-dir", gateway.dataDir], context), 0);
    assert.match(lines.join(""), /a secret word \[2J/);
    assert.equal(lines.join("").includes("\u001b"), false);
    for (const [token, count] of [[gateway.adminToken, 4], [managed, 1], ["key-of-another", 0]] as const) {
      const response = await fetch(`${gateway.adminUrl}/admin/v1/feedback`, { headers: { authorization: `Bearer ${token}` } });
      const page = (await response.json()) as { data: readonly { key: string }[] };
      assert.deepEqual([response.status, page.data.length], [200, count]);
      if (token === managed) assert.equal(page.data[0]?.key, "managed");
    }
    assert.doesNotMatch(logged.join("\n"), /secret word|not what was asked/);
  });

  it("is of whoever answered, though another was called after it", async () => {
    // `slow` answers once `other` was called beside it, which never does.
    const held: (() => void)[] = [];
    const server = createServer((request, response) => {
      let text = "";
      request.on("data", (chunk: Buffer) => (text += chunk.toString()));
      request.on("end", () => {
        if (text.includes("slow")) held.push(() => response.setHeader("content-type", "application/json").end(JSON.stringify({ id: "c", object: "chat.completion", created: 1, model: "slow", choices: [{ index: 0, message: { role: "assistant", content: "hello" }, finish_reason: "stop" }], usage: { prompt_tokens: 1, completion_tokens: 1, total_tokens: 2 } })));
        else for (const answer of held) answer();
      });
    });
    await new Promise<void>((resolve) => server.listen(0, "127.0.0.1", resolve));
    const own = await testGateway(`
version: 1
providers:
  a: { type: openai-compatible, base_url: "http://127.0.0.1:${(server.address() as AddressInfo).port}/v1", api_key: x, models: { slow: { price: { input: 1, output: 2 } }, other: { price: { input: 1, output: 2 } } } }
routes: { r: { candidates: [a/slow, a/other], attempt: 50ms } }
`);
    try {
      const response = await fetch(`${own.baseUrl}/chat/completions`, { method: "POST", headers: { "content-type": "application/json" }, body: JSON.stringify({ model: "r", messages: [{ role: "user", content: "hi" }] }) });
      assert.deepEqual([response.status, response.headers.get("x-spillway-attempts"), response.headers.get("x-spillway-deployment")], [200, "2", "a/slow"]);
      const given = await fetch(`${own.baseUrl}/feedback`, { method: "POST", headers: { "content-type": "application/json" }, body: JSON.stringify({ request_id: response.headers.get("x-request-id"), score: 1 }) });
      assert.equal(given.status, 201);
      assert.deepEqual(readFeedback(own.dataDir, { limit: 2 }).map(({ deployment }) => deployment), ["a/slow"]);
    } finally {
      await own.close();
      server.close();
      server.closeAllConnections();
    }
  });

  it("goes, the oldest first, where there is too much of it", () => {
    const folder = mkdtempSync(join(tmpdir(), "spillway-feedback-"));
    const store = new SqliteFeedback(folder, "process", 3);
    for (let i = 0; i < 9; i++) assert.equal(store.add({ requestId: `r${i}`, tenant: "default", key: "k", atMs: i, score: 1, comment: null, route: null, deployment: null }), true);
    assert.deepEqual(store.list({ limit: 10 }).map((one) => one.requestId), ["r8", "r7", "r6"]);
    store.close();
    assert.deepEqual(readFeedback(folder, { limit: 1 }).map((one) => one.requestId), ["r8"]);
    rmSync(folder, { recursive: true });
  });
});
