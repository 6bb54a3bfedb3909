/** What a request's own wishes read as, and which fields are refused by name. */
import assert from "node:assert/strict";
import { describe, it } from "node:test";
import type { Json } from "../wire/json.ts";
import { readModels, readPreferences } from "./preferences.ts";

/** `param: message`, or "read". */
function told(value: Json): string {
  const read = readPreferences(value);
  return "kind" in read ? `${read.param} | ${read.message}` : "read";
}

describe("wishes in a body", () => {
  it("read as they are commonly written", () => {
    assert.deepEqual(
      readPreferences({
        order: ["anthropic", " openai "], only: ["a"], ignore: [], allow_fallbacks: false, sort: { by: "price" }, max_price: { prompt: "1.5", completion: 2, request: 0 },
        require_parameters: true, data_collection: "deny", zdr: true, preferred_max_latency: { p90: 3 }, quantizations: ["fp8"], only_regions: null,
      }),
      {
        order: ["anthropic", "openai"], only: ["a"], ignore: [], fallbacks: false, sort: "price", maxPrice: { prompt: 1.5, completion: 2, request: 0 },
        requireParameters: true, noTraining: true, noRetention: true, beyond: ["quantizations"], soft: ["preferred_max_latency"],
      },
    );
    assert.deepEqual(readPreferences({ sort: "latency", data_collection: "allow", order: null, zdr: null, max_price: null }), {
      order: [], only: null, ignore: [], fallbacks: true, sort: "latency", maxPrice: null, requireParameters: false, noTraining: false, noRetention: false, beyond: [], soft: [],
    });
  });

  it("are refused by the field that cannot be read", () => {
    for (const [value, expected] of [
      ["anthropic", 'provider | provider: expected an object such as {"order": ["a-provider"]}, not "anthropic".'],
      [{ order: "anthropic" }, 'provider.order | provider.order: expected a list of at most 64 names of providers, not "anthropic".'],
      [{ only: ["a", ""] }, 'provider.only | provider.only: expected a list of at most 64 names of providers, not ["a",""].'],
      [{ ignore: [1] }, "provider.ignore | provider.ignore: expected a list of at most 64 names of providers, not [1]."],
      [{ allow_fallbacks: "no" }, 'provider.allow_fallbacks | provider.allow_fallbacks: expected true or false, not "no".'],
      [{ sort: "speed" }, 'provider.sort | provider.sort: expected price, throughput, latency, not "speed".'],
      [{ max_price: 3 }, "provider.max_price | provider.max_price: expected an object with prompt, completion, request or image in USD, not 3."],
      [{ max_price: { prompt: -1 } }, "provider.max_price.prompt | provider.max_price.prompt: expected a price in USD, 0 or more, not -1."],
      [{ max_price: { input: 1 } }, "provider.max_price.input | provider.max_price.input: expected no such field, but prompt, completion, request, image, not 1."],
      [{ data_collection: "never" }, 'provider.data_collection | provider.data_collection: expected allow or deny, not "never".'],
      [{ zdr: 1 }, "provider.zdr | provider.zdr: expected true or false, not 1."],
      [{ require_parameters: {} }, "provider.require_parameters | provider.require_parameters: expected true or false, not {}."],
    ] as const) assert.equal(told(value as Json), expected);
  });

  it("name further models in a list that is bounded", () => {
    assert.deepEqual(readModels(["a", "b"]), ["a", "b"]);
    for (const wrong of ["a", [1], [""], Array.from({ length: 17 }, (_, i) => `m${i}`)]) {
      const read = readModels(wrong);
      assert.equal("kind" in read && read.param, "models");
    }
  });
});
