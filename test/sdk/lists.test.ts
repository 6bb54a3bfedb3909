/** Lists of models as the clients of several makers read them. */
import assert from "node:assert/strict";
import { after, before, describe, it } from "node:test";
import Anthropic from "@anthropic-ai/sdk";
import { GoogleGenAI } from "@google/genai";
import { Mistral } from "@mistralai/mistralai";
import { modelList } from "../../src/compose/surfaces.ts";
import type { Snapshot } from "../../src/pipeline/deps.ts";
import { testGateway, type TestGateway } from "../support/gateway.ts";

let gateway: TestGateway;
before(async () => {
  gateway = await testGateway(`
version: 1
providers:
  openai: { api_key: x }
  local:
    type: openai-compatible
    base_url: "http://127.0.0.1:9/v1"
    api_key: none
    models: { something: { unmetered: true, context: 12345 } }
routes:
  both: { candidates: [openai/gpt-3.5-turbo, openai/gpt-4o] }
`);
});
after(() => gateway.close());

describe("Mistral's list of models", () => {
  const cards = async () => {
    const { data = [] } = await new Mistral({ serverURL: gateway.url, apiKey: "x" }).models.list();
    return (id: string) => {
      const card = data.find((one) => "id" in one && one.id === id);
      assert.ok(card !== undefined && "capabilities" in card, `${id}: ${data.map((one) => ("id" in one ? one.id : "?")).join(" ")}`);
      const { completionChat, functionCalling, vision, reasoning } = card.capabilities;
      return [completionChat, functionCalling, vision, reasoning, "maxContextLength" in card ? card.maxContextLength : 0];
    };
  };

  it("tells what each model can do, what is not known not denied, and how much it reads", async () => {
    const card = await cards();
    assert.deepEqual(card("openai/gpt-4o"), [true, true, true, false, 128_000]);
    assert.deepEqual(card("openai/gpt-3.5-turbo"), [true, false, false, false, 16_385]);
    assert.deepEqual(card("openai/text-embedding-3-small").slice(0, 4), [false, false, false, false]);
    assert.deepEqual(card("local/something"), [true, true, true, false, 12_345]);
  });

  it("tells of a route what any of its models can do, and the same of one alone", async () => {
    assert.deepEqual((await cards())("both"), [true, true, true, false, 128_000]);
    const one = await new Mistral({ serverURL: gateway.url, apiKey: "x" }).models.retrieve({ modelId: "both" });
    assert.ok("capabilities" in one && one.capabilities?.vision === true);
  });
});

describe("Cohere's list of models", () => {
  it("has the API's own form", () => {
    const route = { kind: "unresolved", code: "unknown_model", message: "", trace: [] } as const;
    const snapshot = { directory: { callable: () => [{ id: "x", ownedBy: "y", createdS: 0 }], resolve: () => route } } as unknown as Snapshot;
    assert.deepEqual(modelList(snapshot, "chat-v2"), { models: [{ name: "x", is_deprecated: false, finetuned: false, default_endpoints: [] }] });
  });
});

describe("a page of a list of models", () => {
  const ids = async (): Promise<string[]> => (await listed("/v1/models")).map(({ id }) => id);
  const get = async (path: string, headers: Record<string, string> = {}): Promise<{ status: number; body: Record<string, unknown> }> => {
    const response = await fetch(gateway.url + path, { headers });
    return { status: response.status, body: (await response.json()) as Record<string, unknown> };
  };
  const listed = async (path: string): Promise<{ id: string }[]> => (await get(path)).body["data"] as { id: string }[];

  it("is asked in OpenAI's words; a list comes whole where none is asked, in the form that it had", async () => {
    const all = await ids();
    assert.ok(all.length > 5);
    assert.deepEqual(Object.keys((await get("/v1/models?other=1")).body), ["object", "data"]);
    const { body } = await get(`/v1/models?limit=2&after=${encodeURIComponent(all[0] ?? "")}`);
    assert.deepEqual([(body["data"] as { id: string }[]).map(({ id }) => id), body["first_id"], body["last_id"], body["has_more"]], [all.slice(1, 3), all[1], all[2], true]);
    assert.deepEqual([(await listed(`/v1/models?after=${encodeURIComponent(all.at(-1) ?? "")}`)).length, (await get("/v1/models?limit=99999")).body["has_more"]], [0, false]);
  });

  it("leads Anthropic's client through all of them, forwards and backwards", async () => {
    const all = await ids();
    const client = new Anthropic({ baseURL: gateway.url, apiKey: "x" });
    const found: string[] = [];
    for await (const model of client.models.list({ limit: Math.ceil(all.length / 3) })) found.push(model.id);
    assert.deepEqual(found, all);
    const before = await client.models.list({ limit: 2, before_id: all[3] ?? "" });
    assert.deepEqual([before.data.map(({ id }) => id), before.has_more, before.first_id], [all.slice(1, 3), true, all[1]]);
    const first = await client.models.list({ limit: 2, before_id: all[2] ?? "" });
    assert.deepEqual([first.data.map(({ id }) => id), first.has_more], [all.slice(0, 2), false]);
  });

  it("leads Google's client through all of them", async () => {
    const all = await ids();
    const found: string[] = [];
    const client = new GoogleGenAI({ apiKey: "x", httpOptions: { baseUrl: gateway.url } });
    const pager = await client.models.list({ config: { pageSize: Math.ceil(all.length / 3) } });
    assert.ok(pager.hasNextPage());
    for await (const model of pager) found.push(model.name ?? "");
    assert.deepEqual(found, all.map((id) => `models/${id}`));
  });

  it("that makes no sense is refused in the protocol's own form", async () => {
    const refused = await get("/v1/models?limit=-1");
    assert.deepEqual([refused.status, (refused.body["error"] as { param: string }).param], [400, "limit"]);
    const messages = await get("/anthropic/v1/models?after_id=nobody");
    assert.deepEqual([messages.status, messages.body["type"]], [400, "error"]);
    assert.match(JSON.stringify(messages.body), /after_id must name a model of this list/);
    assert.match(JSON.stringify((await get("/anthropic/v1/models?after_id=a&before_id=b")).body), /Only one of after_id and before_id/);
    assert.equal(((await get("/v1beta/models?pageSize=x")).body["error"] as { status: string }).status, "INVALID_ARGUMENT");
  });

  it("and a single model, below a base URL that names the maker, is in that maker's form, whatever else is sent", async () => {
    for (const headers of [{}, { "x-goog-api-client": "x" }] as readonly Record<string, string>[]) {
      const { body } = await get("/anthropic/v1/models", headers);
      assert.deepEqual([body["has_more"], (body["data"] as { type: string }[])[0]?.type], [false, "model"]);
      assert.deepEqual([(await get("/anthropic/v1/models/both", headers)).body["type"], (await get("/anthropic/v1/models/both", headers)).body["display_name"]], ["model", "both"]);
    }
    assert.equal((await get("/anthropic/v1/models/nobody")).body["type"], "error");
  });
});
