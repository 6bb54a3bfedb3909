/** Limits on a model bind a batch that asks it: each of a batch of messages, which are read here, and any that a file may name. */
import assert from "node:assert/strict";
import { after, before, describe, it } from "node:test";
import Anthropic from "@anthropic-ai/sdk";
import OpenAI, { toFile } from "openai";
import { gatewayConfig, startFleet, type Fleet, type FleetConfig } from "../../src/fleet/index.ts";
import { testGateway, type TestGateway } from "../support/gateway.ts";

const KEY = "caller-key-of-batches-by-model";
const FLEET: FleetConfig = {
  seed: 5,
  providers: [
    { name: "files", dialect: "openai-chat", models: { small: { input: 0.15, output: 0.6 }, big: { input: 2.5, output: 10 } } },
    { name: "messages", dialect: "anthropic-messages", models: { talk: { input: 1, output: 5 }, think: { input: 3, output: 15 } }, batches: { end: "control" } },
  ],
};

interface World {
  readonly fleet: Fleet;
  readonly gateway: TestGateway;
  /** A batch of messages that asks these models. */
  messages(...models: readonly string[]): Promise<string>;
  /** A batch of a file at `files`. */
  file(): Promise<string>;
}

describe("limits on a model", () => {
  let fleet: Fleet;
  const gateways: TestGateway[] = [];
  before(async () => void (fleet = await startFleet(FLEET)));
  after(async () => {
    for (const gateway of gateways) await gateway.close();
    await fleet.close();
  });

  async function world(more: Readonly<Record<string, unknown>>): Promise<World> {
    const config = gatewayConfig(FLEET, fleet, { more: { keys: [{ name: "app", key: KEY }], fallbacks: "off", ...more } });
    const gateway = await testGateway(config.replace(/(\n {2}files:\n {4}type: )openai-compatible/, "$1openai"));
    gateways.push(gateway);
    const anthropic = new Anthropic({ baseURL: gateway.url, apiKey: KEY, maxRetries: 0 });
    const openai = new OpenAI({ baseURL: gateway.baseUrl, apiKey: KEY, maxRetries: 0 });
    const told = (made: Promise<{ readonly id: string }>): Promise<string> => made.then(() => "made", (problem: unknown) => (problem as Error).message);
    return {
      fleet,
      gateway,
      messages: (...models) => told(anthropic.messages.batches.create({ requests: models.map((model, i) => ({ custom_id: `c${i}`, params: { model, max_tokens: 64, messages: [{ role: "user", content: "hi" }] } })) })),
      file: async () => {
        const file = await openai.files.create({ file: await toFile(Buffer.from("{}"), "in.jsonl"), purpose: "batch" }, { headers: { "x-spillway-account": "files" } });
        return told(openai.batches.create({ input_file_id: file.id, endpoint: "/v1/chat/completions", completion_window: "24h" }));
      },
    };
  }

  it("forbid a batch of messages in which one request asks it, by whatever name", async () => {
    const { messages, gateway } = await world({ aliases: { nice: "messages/talk" }, budgets: { m: { scope: "model/talk", period: "day", limit_usd: 0 } } });
    const seen = fleet.calls().length;
    for (const models of [["talk"], ["think", "messages/talk"], ["think", "nice"]]) assert.match(await messages(...models), /402 .*The budget config:m allows model\/talk \$0\.00 a day/);
    assert.equal(fleet.calls().length, seen);
    assert.equal(await messages("think"), "made");
    const [row] = (await gateway.requests()).filter(({ record }) => record?.status === 200).flatMap(({ attempts }) => attempts);
    assert.deepEqual(row?.scopes, ["tenant/default", "key/app", "route/messages/message-batches", "model/message-batches", "provider/messages", "route/think", "model/think"]);
  });

  it("hold the whole bound against each of its models and routes", async () => {
    const budgets = Object.fromEntries(["model/talk", "model/think", "route/mind"].map((scope) => [scope.replace("/", "-"), { scope, period: "day", limit_usd: 1 }]));
    const { messages, gateway } = await world({ routes: { mind: { candidates: ["messages/think"] } }, budgets });
    assert.equal(await messages("talk", "mind", "mind"), "made");
    const metrics = await (await fetch(`${gateway.adminUrl}/metrics`)).text();
    const held = [...metrics.matchAll(/^spillway_budget_held_nano_usd\{budget="config:([a-z-]+)"\} (\d+)$/gm)].map(([, id, nano]) => `${id} ${nano}`);
    const [row] = (await gateway.requests()).flatMap(({ attempts }) => attempts);
    assert.ok((row?.boundNanoUsd ?? 0) > 0);
    assert.deepEqual(new Set(held), new Set(["model-talk", "model-think", "route-mind"].map((id) => `${id} ${row?.boundNanoUsd}`)));
  });

  it("on money refuse a batch of a file at an account that may serve it, and say why; not one at another's", async () => {
    const limited = await world({ budgets: { m: { scopes: ["key/app", "model/big"], period: "month", limit_usd: 5 } } });
    const seen = fleet.calls().filter(({ url }) => url.endsWith("/batches")).length;
    assert.match(await limited.file(), /402 .*the budget config:m limits what model\/big may cost, and which models its file asks for cannot be seen here/);
    assert.equal(fleet.calls().filter(({ url }) => url.endsWith("/batches")).length, seen);
    for (const more of [{ scope: "model/claude-haiku-4-5" }, { scopes: ["key/other", "model/big"] }, { scope: "model/big", kind: "soft" }]) {
      assert.equal(await (await world({ budgets: { m: { ...more, period: "month", limit_usd: 5 } } })).file(), "made", JSON.stringify(more));
    }
  });

  it("on pace count a batch of messages once for each model, and one that lets nothing pass closes files too", async () => {
    const paced = await world({ limits: { l: { scope: "model/talk", requests_per_minute: 1 }, none: { scope: "model/big", requests_per_minute: 0 } } });
    assert.equal(await paced.messages("think", "talk", "talk"), "made");
    assert.match(await paced.messages("talk"), /429 .*The limit config:l allows model\/talk 1 requests a minute/);
    assert.equal(await paced.messages("think"), "made");
    assert.match(await paced.file(), /429 .*the limit config:none allows no requests of model\/big/);
  });

  it("are not gone round by more models than a row tells", async () => {
    const { messages } = await world({ budgets: { m: { scope: "model/talk", period: "day", limit_usd: 0 } }, unpriced: "serve" });
    assert.match(await messages(...Array.from({ length: 100 }, (_, i) => `messages/m${i}`), "messages/talk"), /400 .*at most 100 models/);
  });
});
