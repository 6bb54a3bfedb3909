/** Batches of messages from the making to the results, by the official SDK: two accounts, and addresses that lead back to us. */
import assert from "node:assert/strict";
import { after, before, describe, it } from "node:test";
import Anthropic from "@anthropic-ai/sdk";
import { gatewayConfig, startFleet, type Fleet, type FleetConfig } from "../../src/fleet/index.ts";
import { testGateway, type TestGateway } from "../support/gateway.ts";

const CALLER_KEY = "caller-key-of-the-batches";
const CONFIG: FleetConfig = {
  seed: 7,
  providers: [
    { name: "first", dialect: "anthropic-messages", models: { talk: { input: 1, output: 5 } } },
    { name: "second", dialect: "anthropic-messages", models: { talk: { input: 1, output: 5 }, think: { input: 2, output: 9 } } },
    { name: "elsewhere", dialect: "openai-chat", models: { other: { input: 1, output: 1 } } },
  ],
};
const ROUTES = {
  // One that keeps no batches of messages is passed over.
  clever: { candidates: ["elsewhere/other", "second/think"] },
  both: { candidates: ["first/talk", "second/talk"] },
  plain: { candidates: ["elsewhere/other"] },
};
const USER = [{ role: "user" as const, content: "hello" }];
const asking = (model: string, max_tokens = 9) => ({ model, max_tokens, messages: USER });

let fleet: Fleet;
let gateway: TestGateway;
let client: Anthropic;
const last = () => fleet.calls().at(-1);

before(async () => {
  fleet = await startFleet(CONFIG);
  gateway = await testGateway(gatewayConfig(CONFIG, fleet, { apiKey: "upstream-key", more: { keys: [{ name: "app", key: CALLER_KEY }], routes: ROUTES, fallbacks: "off" } }));
  client = new Anthropic({ baseURL: gateway.url, apiKey: CALLER_KEY, maxRetries: 0 });
});
after(async () => {
  await gateway.close();
  await fleet.close();
});

describe("a batch of messages", () => {
  it("runs at the account that its models mean, under their names there, and its results come back through us", async () => {
    const requests = [{ custom_id: "one", params: asking("clever") }, { custom_id: "two", params: asking("second/talk") }, { custom_id: "three", params: asking("think", 0) }];
    const made = await client.messages.batches.create({ requests });
    const sent = last()?.body as { requests: typeof requests };
    assert.equal(last()?.provider, "second");
    assert.deepEqual(sent.requests, requests.map((one, i) => ({ ...one, params: { ...one.params, model: ["think", "talk", "think"][i] } })));
    assert.match(made.id, /^msgbatch_\w+@second$/);

    const ended = await client.messages.batches.retrieve(made.id);
    assert.deepEqual([ended.processing_status, ended.request_counts.succeeded, ended.request_counts.errored], ["ended", 2, 1]);
    assert.equal(ended.results_url, `${gateway.url}/v1/messages/batches/${encodeURIComponent(made.id)}/results`);

    const lines = [];
    for await (const line of await client.messages.batches.results(made.id)) lines.push(line);
    assert.deepEqual(lines.map(({ custom_id, result }) => [custom_id, result.type]), [["one", "succeeded"], ["two", "succeeded"], ["three", "errored"]]);
    const [{ result } = { result: null }] = lines;
    assert.equal(result?.type === "succeeded" && result.message.content[0]?.type, "text");
    assert.ok(last()?.url.startsWith("/v1/messages/batches/msgbatch_") === true && last()?.url.includes("second") === false, last()?.url);
    const { record } = (await gateway.requests()).at(-1) ?? {};
    assert.deepEqual([record?.surface, record?.status, record?.costNanoUsd, record?.flags], ["message-batch-results", 200, null, ["unmetered_batch"]]);
  });

  it("carries the caller's version and betas, and not its key", async () => {
    await client.beta.messages.batches.create({ requests: [{ custom_id: "a", params: asking("second/talk") }], betas: ["output-300k-2026-03-24"] }, { headers: { "anthropic-version": "2023-01-01" } });
    const { headers } = last() ?? {};
    assert.match(String(headers?.["anthropic-beta"]), /output-300k-2026-03-24/);
    assert.deepEqual([headers?.["anthropic-version"], headers?.["x-api-key"]], ["2023-01-01", "upstream-key"]);
  });

  it("goes where x-spillway-account says, if its models are there", async () => {
    const requests = [{ custom_id: "a", params: asking("both") }, { custom_id: "b", params: asking("talk") }];
    for (const account of ["first", "second"]) {
      const made = await client.messages.batches.create({ requests }, { headers: { "x-spillway-account": account } });
      assert.deepEqual([last()?.provider, made.id.endsWith(`@${account}`)], [account, true]);
    }
    assert.ok((await client.messages.batches.create({ requests: requests.slice(0, 1) })).id.endsWith("@first"));
    const seen = fleet.calls().length;
    await assert.rejects(client.messages.batches.create({ requests: [{ custom_id: "a", params: asking("think") }] }, { headers: { "x-spillway-account": "first" } }), (problem) => {
      assert.ok(problem instanceof Anthropic.BadRequestError);
      assert.match(problem.message, /the batch is for the account first, but \\"think\\" means second\/think/);
      return true;
    });
    assert.equal(fleet.calls().length, seen);
  });

  for (const [what, models, says] of [
    ["of two accounts", ["first/talk", "second/talk"], /All requests of a batch go to one account: the first request goes to the account first, but \\"second\/talk\\" means second\/talk\. Send it as a batch of its own/],
    ["of a model that no such account has", ["plain"], /is served by no account that keeps batches of messages; those that do: first, second/],
  ] as const) {
    it(`${what} is refused in the client's own form, and sent nowhere`, async () => {
      const seen = fleet.calls().length;
      await assert.rejects(client.messages.batches.create({ requests: models.map((model, i) => ({ custom_id: `r${i}`, params: asking(model) })) }), (problem) => {
        assert.ok(problem instanceof Anthropic.BadRequestError, String(problem));
        assert.deepEqual([problem.type, says.test(problem.message)], ["invalid_request_error", true], problem.message);
        return true;
      });
      assert.equal(fleet.calls().length, seen);
    });
  }

  it("that is not there is the provider's 404", async () => {
    await assert.rejects(client.messages.batches.retrieve("msgbatch_9@second"), (problem) => problem instanceof Anthropic.NotFoundError && problem.type === "not_found_error" && /msgbatch_9 not found/.test(problem.message));
  });

  it("is found page by page in the account's own order", async () => {
    const ids: string[] = [];
    for await (const batch of client.messages.batches.list({ limit: 1 }, { headers: { "x-spillway-account": "second" } })) ids.push(batch.id);
    assert.ok(ids.length >= 3 && ids.every((id) => id.endsWith("@second")), ids.join(" "));
    const before = await client.messages.batches.list({ before_id: ids[2] as string, limit: 5 });
    assert.deepEqual(before.data.map((batch) => batch.id), ids.slice(0, 2));
  });

  it("has its results where the client reaches us, behind a proxy too", async () => {
    const { id } = await client.messages.batches.create({ requests: [{ custom_id: "a", params: asking("first/talk") }] });
    const urlFor = async (headers: Record<string, string>) => (await client.messages.batches.retrieve(id, {}, { headers })).results_url;
    const path = `/v1/messages/batches/${encodeURIComponent(id)}/results`;
    assert.equal(await urlFor({ "x-forwarded-proto": "https", "x-forwarded-host": "llm.example.com:8443, inner" }), `https://llm.example.com:8443${path}`);
    assert.equal(await urlFor({ "x-forwarded-proto": "javascript", "x-forwarded-host": "a/b?c" }), path);
  });
});

it("no provider rests after all this, and no caller's key went upstream", async () => {
  assert.match(await (await fetch(`${gateway.adminUrl}/metrics`)).text(), /^spillway_resting_deployments 0$/m);
  assert.ok(!JSON.stringify(fleet.calls()).includes(CALLER_KEY));
});
