/** Lists of models as the clients of several makers read them. */
import assert from "node:assert/strict";
import { after, before, describe, it } from "node:test";
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
