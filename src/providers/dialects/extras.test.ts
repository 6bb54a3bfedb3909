/** What each protocol's price-bearing fields come to at most, and that nothing counts as bounded which is not. */
import assert from "node:assert/strict";
import { describe, it } from "node:test";
import type { Extras } from "../../wire/extras.ts";
import type { JsonObject } from "../../wire/json.ts";
import type { SurfaceName } from "../../wire/surfaces.ts";
import { clientOf } from "./clients.ts";

/** What is bounded, and what is left over. */
function looked(surface: SurfaceName, raw: JsonObject): { readonly extras: Extras | undefined; readonly rest: readonly string[] } {
  const client = clientOf(surface);
  const extras = client.extrasOf?.(raw);
  return { extras, rest: client.unboundedFields(raw).filter((field) => extras?.fields.includes(field) !== true) };
}

const SEARCH = { type: "web_search" };

describe("of a response", () => {
  it("each kind of search may take all of max_tool_calls, and the model reads its window once more than that", () => {
    const { extras, rest } = looked("responses", { max_tool_calls: 4, tools: [SEARCH, { type: "web_search_preview_2025_03_11" }, { type: "file_search", vector_store_ids: ["v"] }, { type: "function", name: "f" }] });
    assert.deepEqual(extras, { fields: ["tools[].type=web_search", "tools[].type=web_search_preview_2025_03_11", "tools[].type=file_search"], windows: 5, units: { web_searches: 4, file_searches: 4 } });
    assert.deepEqual(rest, []);
  });

  it("what has no limit, or another rule in its place, is not bounded", () => {
    assert.deepEqual(looked("responses", { tools: [SEARCH] }).rest, ["tools[].type=web_search"]);
    for (const max of [-1, 1.5, "4", null, 1e300]) assert.deepEqual(looked("responses", { max_tool_calls: max, tools: [SEARCH] }).rest, ["tools[].type=web_search"], String(max));
    assert.deepEqual(looked("responses", { max_tool_calls: 4, stop_server_tools_when: [{}], tools: [SEARCH] }).rest, ["tools[].type=web_search"]);
  });

  it("tools whose price is no price of a call are not bounded, whatever the limit", () => {
    const tools = ["code_interpreter", "image_generation", "mcp", "web_searcher", "file_search_2"].map((type) => ({ type }));
    assert.deepEqual(looked("responses", { max_tool_calls: 4, tools }).rest, tools.map(({ type }) => `tools[].type=${type}`));
  });

  it("earlier turns that the provider keeps are no longer than the window", () => {
    for (const raw of [{ previous_response_id: "resp_1" }, { conversation: { id: "conv_1" } }, { input: [{ type: "item_reference", id: "msg_1" }] }]) {
      const { extras, rest } = looked("responses", raw);
      assert.deepEqual([extras?.windows, extras?.units, rest], [1, undefined, []], JSON.stringify(raw));
    }
    assert.equal(looked("responses", { previous_response_id: "resp_1", max_tool_calls: 2, tools: [SEARCH] }).extras?.windows, 3);
    // A stored prompt may bring tools of its own.
    assert.deepEqual(looked("responses", { prompt: { id: "pmpt_1" }, background: true }).rest, ["background", "prompt"]);
  });
});

describe("of a message", () => {
  const search = { type: "web_search_20250305", name: "web_search" };
  it("uses add up, searches are counted and fetches are tokens alone", () => {
    const { extras, rest } = looked("messages", { tools: [{ ...search, max_uses: 3 }, { type: "web_fetch_20250910", name: "web_fetch", max_uses: 2 }, { name: "mine", input_schema: {} }] });
    assert.deepEqual(extras, { fields: ["tools[].type=web_search_20250305", "tools[].type=web_fetch_20250910"], windows: 6, units: { web_searches: 3 } });
    assert.deepEqual(rest, []);
  });

  it("a tool without a limit leaves its type unbounded, and so do callers other than the model", () => {
    assert.deepEqual(looked("messages", { tools: [{ ...search, max_uses: 3 }, search] }).rest, ["tools[].type=web_search_20250305"]);
    const later = { ...search, type: "web_search_20260209", max_uses: 3 };
    assert.deepEqual(looked("messages", { tools: [later] }).rest, ["tools[].type=web_search_20260209"]);
    assert.deepEqual(looked("messages", { tools: [{ ...later, allowed_callers: ["direct", "code_execution_20260120"] }] }).rest, ["tools[].type=web_search_20260209"]);
    assert.deepEqual(looked("messages", { tools: [{ ...later, allowed_callers: [] }] }).rest, ["tools[].type=web_search_20260209"]);
    assert.deepEqual(looked("messages", { tools: [{ ...later, allowed_callers: ["direct"] }] }).rest, []);
  });

  it("its tier and place are told, and speed is not bounded", () => {
    const { extras, rest } = looked("messages", { service_tier: "auto", inference_geo: "us", speed: "fast", container: "c" });
    assert.deepEqual([extras?.serviceTier, extras?.geo, rest], ["auto", "us", ["speed", "container"]]);
    assert.deepEqual(looked("messages", { service_tier: "standard_only", speed: "standard" }).rest, []);
  });
});

describe("of the other protocols", () => {
  it("a tier is read as each of them writes it", () => {
    for (const surface of ["chat", "completions", "responses"] as const) assert.equal(looked(surface, { service_tier: "flex" }).extras?.serviceTier, "flex");
    for (const word of ["SERVICE_TIER_PRIORITY", "priority"]) assert.equal(looked("generate-content", { serviceTier: word }).extras?.serviceTier, "priority");
    for (const word of ["SERVICE_TIER_UNSPECIFIED", ""]) assert.equal(looked("generate-content", { service_tier: word }).extras?.serviceTier, "default");
    assert.equal(looked("converse", { serviceTier: { type: "priority" } }).extras?.serviceTier, "priority");
  });

  it("a file of unknown size is no longer than the window, and the provider's tools have no limit", () => {
    const file = { contents: [{ parts: [{ fileData: { fileUri: "files/1" } }] }], tools: [{ googleSearch: {} }, { codeExecution: {} }] };
    const { extras, rest } = looked("generate-content", file);
    assert.deepEqual([extras?.windows, rest], [1, ["tools[].googleSearch", "tools[].codeExecution"]]);
  });

  it("best_of multiplies, and what is no count does not pass for one", () => {
    assert.deepEqual(looked("chat", { best_of: 4 }), { extras: { fields: ["best_of"], choiceCount: 4 }, rest: [] });
    for (const best of [-1, "4", 2.5]) assert.deepEqual(looked("chat", { best_of: best }).rest, ["best_of"]);
  });

  it("most requests have nothing of it, and are not asked", () => {
    for (const surface of ["chat", "responses", "messages", "generate-content", "converse", "chat-v2", "completions"] as const) {
      assert.deepEqual(looked(surface, { model: "m", max_tokens: 5, tools: [] }), { extras: undefined, rest: [] });
    }
  });
});
