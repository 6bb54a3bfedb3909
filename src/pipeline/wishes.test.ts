/** Wishes of a body as they reach providers: who is called, and what of them is sent on. */
import assert from "node:assert/strict";
import { after, before, describe, it } from "node:test";
import { testGateway, type TestGateway } from "../../test/support/gateway.ts";
import { notingUpstream, type NotingUpstream } from "../../test/support/upstreams.ts";

interface Answer {
  readonly status: number;
  readonly body: { readonly error?: { readonly message: string; readonly param: string | null; readonly code: string } };
  readonly deployment: string | null;
  readonly warning: string;
}

describe("wishes in a body", () => {
  let upstream: NotingUpstream;
  let gateway: TestGateway;

  before(async () => {
    upstream = await notingUpstream();
    const models = "models: { m: { price: { input: 1, output: 2 } }, n: { price: { input: 3, output: 4 } } }";
    gateway = await testGateway(`
version: 1
keys: [{ name: app, key: "a-key-of-the-app" }]
providers:
  first: { type: openai-compatible, base_url: "${upstream.url}", api_key: first, ${models} }
  second: { type: openai-compatible, base_url: "${upstream.url}", api_key: second, unmetered: false, data: { trains: false }, models: { m: { price: { input: 0.5, output: 1 } }, n: { price: { input: 3, output: 4 } } } }
  hub: { type: openrouter, base_url: "${upstream.url}", api_key: hub, ${models} }
routes:
  r: { candidates: [first/m, second/m] }
  wide: { candidates: [first/m, hub/m] }
  other: { candidates: [second/n] }
`);
  });
  after(async () => {
    await gateway.close();
    await upstream.close();
  });

  async function ask(body: Readonly<Record<string, unknown>>, path = "chat/completions"): Promise<Answer> {
    const response = await fetch(`${gateway.baseUrl}/${path}`, { method: "POST", headers: { authorization: "Bearer a-key-of-the-app", "content-type": "application/json" }, body: JSON.stringify(body) });
    return { status: response.status, body: (await response.json()) as Answer["body"], deployment: response.headers.get("x-spillway-deployment"), warning: response.headers.get("x-spillway-warning") ?? "" };
  }
  const messages = [{ role: "user", content: "hi" }];
  const last = (): Readonly<Record<string, unknown>> => upstream.seen.at(-1)?.body ?? {};

  it("choose who is called, and are not sent on", async () => {
    for (const [provider, expected] of [
      [{ order: ["second"] }, "second/m"],
      [{ only: ["second"] }, "second/m"],
      [{ ignore: ["first"] }, "second/m"],
      [{ sort: "price" }, "second/m"],
      [{ max_price: { prompt: 0.5 } }, "second/m"],
      [{ data_collection: "deny" }, "second/m"],
      [{ allow_fallbacks: false }, "first/m"],
      [{}, "first/m"],
      [null, "first/m"],
    ] as const) {
      const answer = await ask({ model: "r", provider, messages });
      assert.equal(answer.deployment, expected, JSON.stringify(provider));
      assert.deepEqual(Object.keys(last()), ["model", "messages"], JSON.stringify(provider));
    }
  });

  it("are taken out of every form that such clients send", async () => {
    await ask({ model: "r", provider: { order: ["second"] }, prompt: "hi" }, "completions");
    assert.equal(upstream.seen.at(-1)?.secret, "second");
    assert.equal("provider" in last(), false);
    await ask({ model: "r", provider: { order: ["second"] }, models: ["other"], input: "hi" }, "responses");
    assert.equal(upstream.seen.at(-1)?.secret, "second");
    assert.equal("provider" in last() || "models" in last(), false);
  });

  it("stand in the record with what they left out, and why", async () => {
    await ask({ model: "r", provider: { only: ["second"] }, messages });
    const decision = (await gateway.requests()).at(-1)?.record?.decision as { readonly filtered: readonly unknown[] };
    assert.deepEqual(decision.filtered, [{ deployment: "first/m", reason: "not_in_only", detail: "provider.only does not name it" }]);
  });

  it("are refused by name where they cannot be read, or leave nobody", async () => {
    const unread = await ask({ model: "r", provider: { order: "second" }, messages });
    assert.deepEqual([unread.status, unread.body.error?.param, unread.body.error?.code], [400, "provider.order", "invalid_type"]);
    const nobody = await ask({ model: "r", provider: { zdr: true }, messages });
    assert.deepEqual([nobody.status, nobody.body.error?.param, nobody.body.error?.code], [404, "provider.zdr", "no_matching_provider"]);
    const strange = await ask({ model: "r", provider: { oder: ["second"] }, messages });
    assert.deepEqual([strange.status, strange.body.error?.param], [404, "provider.oder"]);
    const names = await ask({ model: "r", models: "other", messages });
    assert.deepEqual([names.status, names.body.error?.param], [400, "models"]);
  });

  it("name models that are tried when the first one's providers fail, in their order", async () => {
    upstream.fault = (call) => (call.model === "m" ? 503 : null);
    const answer = await ask({ model: "r", models: ["other"], messages });
    upstream.fault = null;
    assert.deepEqual([answer.status, answer.deployment], [200, "second/n"]);
    assert.equal("models" in last(), false);
    const scopes = (await gateway.requests()).at(-1)?.attempts.map((one) => one.scopes.find((scope) => scope.startsWith("route/")));
    assert.deepEqual(scopes, ["route/r", "route/r", "route/other"], "each call is paid by the budgets of the name that it is of");
    const alone = await ask({ models: ["other", "r"], messages });
    assert.deepEqual([alone.status, alone.deployment], [200, "second/n"], "a list alone names the model");
    const unknown = await ask({ model: "r", models: ["other", "nothing-of-the-kind"], messages });
    assert.deepEqual([unknown.status, unknown.body.error?.param, unknown.body.error?.code], [404, "models[1]", "unknown_model"]);
  });

  it("reach an aggregator that goes by them as they are, where they name nobody here", async () => {
    const provider = { only: ["deepinfra"], quantizations: ["fp8"], max_price: { prompt: 2 } };
    const answer = await ask({ model: "wide", provider, messages });
    assert.deepEqual([answer.status, answer.deployment], [200, "hub/m"]);
    assert.deepEqual(last()["provider"], provider);
    assert.match(answer.warning, /the cost bound does not cover: provider/);
    assert.equal((await ask({ model: "wide", provider: { order: ["hub"] }, messages })).deployment, "hub/m");
    assert.equal("provider" in last(), false, "what is ours stays here");
    await ask({ model: "wide", provider, input: "hi" }, "responses");
    assert.deepEqual(last()["provider"], provider, "where the body is written anew as well");
    const soft = await ask({ model: "wide", provider: { ignore: ["first"], preferred_max_latency: 2 }, messages });
    assert.match(soft.warning, /provider\.preferred_max_latency was left out/);
  });
});
