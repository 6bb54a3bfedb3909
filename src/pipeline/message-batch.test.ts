import assert from "node:assert/strict";
import { describe, it } from "node:test";
import { readMessageBatch } from "./message-batch.ts";
import type { Inbound } from "./inbound.ts";
import { Asked, deploymentOf, World } from "./test-world.ts";

const bytesOf = (text: string): Uint8Array => new TextEncoder().encode(text);
const textOf = (bytes: Uint8Array): string => new TextDecoder().decode(bytes);

/** Read by a gateway with one route, `r`, which means `m` of the account `a`. */
function read(body: string, account: string | null = null) {
  const world = new World({ candidates: [{ name: "a", provider: { batchPriceFactor: 0.5 } }] });
  const asked = new Asked("request", () => undefined);
  const inbound: Inbound = {
    requestId: "request",
    caller: { tenant: "default", key: "app", scopes: [] },
    body: bytesOf(body),
    asked: { surface: "message-batches", model: undefined, stream: undefined, query: "" },
    header: () => undefined,
    reply: asked.reply,
    done: () => undefined,
    snapshot: world.snapshot,
  };
  return readMessageBatch(inbound, account, [deploymentOf({ name: "a", pricing: { kind: "unmetered" } }), deploymentOf({ name: "b", pricing: { kind: "unmetered" } })], world.clock.wallMs());
}

describe("a batch of messages", () => {
  it("changes in the names of its models only, wherever else such a name stands", () => {
    const rest = `"x":{"model":"r"},"messages":[{"role":"user","content":"\\"model\\":\\"r\\" \\u00e9 é"}], "max_tokens" : 1.0e2`;
    const body = (model: string, other: string): string => ` { "model":"r", "requests" : [ {"custom_id":"r","params":{ ${rest},"model" : ${model} }} ,{"params":{"model":${other}},"custom_id":"2"}],"new":[1] } `;
    const batch = read(body(`"r"`, `"\\u0072"`));
    assert.equal(batch.kind, "batch");
    if (batch.kind === "batch") assert.deepEqual([textOf(batch.body), batch.owner.account], [body(`"m"`, `"m"`), "a"]);
  });

  for (const [what, body, code, param] of [
    ["no requests", `{}`, "missing_field", "requests"],
    ["requests that are no list", `{"requests":{"params":{"model":"r"}}}`, "invalid_type", "requests"],
    ["an empty list", `{"requests":[]}`, "missing_field", "requests"],
    ["two lists", `{"requests":[{"params":{"model":"r"}}],"request\\u0073":[]}`, "duplicate_field", "requests"],
    ["a request that is no object", `{"requests":[{"params":{"model":"r"}},7]}`, "invalid_type", "requests[1]"],
    ["a request without params", `{"requests":[{"custom_id":"a"}]}`, "missing_field", "requests[0].params"],
    ["params twice", `{"requests":[{"params":{"model":"r"},"p\\u0061rams":{"model":"x"}}]}`, "duplicate_field", "requests[0].params"],
    ["params that are no object", `{"requests":[{"params":[{"model":"r"}]}]}`, "invalid_type", "requests[0].params"],
    ["no model", `{"requests":[{"params":{"max_tokens":1}}]}`, "missing_field", "requests[0].params.model"],
    ["a model twice", `{"requests":[{"params":{"model":"r","mod\\u0065l":"x"}}]}`, "duplicate_field", "model"],
    ["a model that is no text", `{"requests":[{"params":{"model":["r"]}}]}`, "invalid_type", "requests[0].params.model"],
    ["a model that nobody knows", `{"requests":[{"params":{"model":"r"}},{"params":{"model":"nobody"}}]}`, "unknown_model", "requests[1].params.model"],
    ["no JSON", `{"requests":[`, "invalid_json", null],
  ] as const) {
    it(`is refused with ${what}, and told where`, () => {
      const batch = read(body);
      assert.deepEqual(batch.kind === "error" && [batch.error.code, batch.error.param], [code, param]);
    });
  }

  it("is bounded by the sum of its requests, at the discount; not at all where one of them is not", () => {
    const params = (more = "") => `{"params":{"model":"r","max_tokens":100,"messages":[{"role":"user","content":"hi"}]${more}}}`;
    const bound = (...requests: string[]) => {
      const batch = read(`{"requests":[${requests.join(",")}]}`);
      assert.equal(batch.kind, "batch");
      return batch.kind === "batch" ? batch.boundNanoUsd : undefined;
    };
    // 2 bytes, 1 message and the fixed overhead in; 100 out; USD 1 and 2 a million, halved.
    const one = ((2 + 32 + 1_024) * 1_000 + 100 * 2_000) / 2;
    assert.deepEqual([bound(params()), bound(params(), params(), params())], [one, 3 * one]);
    assert.equal(bound(params(), `{"params":{"model":"r","max_tokens":"many","messages":[]}}`), null);
    assert.equal(bound(params(), params(`,"tools":[{"type":"web_search_20250305","name":"web_search"}]`)), null);
    assert.equal(bound(params(`,"service_tier":"auto"`)), one);
    assert.equal(bound(params(`,"tools":[{"type":"web_fetch_20250910","name":"web_fetch","max_uses":1}]`)), (2 * 128_000 * 1_000 + 100 * 2_000) / 2);
    assert.equal(bound(params(`,"tools":[{"type":"web_search_20250305","name":"web_search","max_uses":1}]`)), null, "it has no price");
  });

  it("is refused where its model is not at the account that is asked for", () => {
    const batch = read(`{"requests":[{"params":{"model":"r"}}]}`, "b");
    assert.deepEqual(batch.kind === "error" && [batch.error.code, batch.error.param], ["unsupported_parameter", "requests[0].params.model"]);
  });
});
