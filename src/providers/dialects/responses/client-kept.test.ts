import assert from "node:assert/strict";
import { describe, test } from "node:test";
import type { JsonObject } from "../../../wire/json.ts";
import { scanBody, splice } from "../../../wire/scan.ts";
import { descriptionAbsent, problems } from "../openai/test-schemas.ts";
import { continueEdits, continuesOf, historyOf, inputItemsPage, itemIdsOf, itemIn, keptOf, readKept, responseIn, type KeptResponse } from "./client.ts";

const MESSAGE = { type: "message", id: "msg_1", status: "completed", role: "assistant", content: [{ type: "output_text", text: "hello", annotations: [] }] };
const SAID = { type: "message", role: "assistant", content: MESSAGE.content };
const ASKED = { type: "message", role: "user", content: [{ type: "input_text", text: "hi" }] };
const none = (): undefined => undefined;

function kept(raw: JsonObject, output: readonly JsonObject[] = [MESSAGE], more: JsonObject = {}, madeBy: string | null = null): KeptResponse {
  return keptOf({ model: "m", ...raw }, { id: "resp_1", object: "response", status: "completed", output, ...more }, none, madeBy);
}

/** The body after its edits, as text. */
function goneOn(source: string, turns: readonly KeptResponse[], itemOf: (id: string) => JsonObject | undefined = none): { readonly text: string; readonly reasoningLeftOut: boolean } {
  const bytes = new TextEncoder().encode(source);
  const scan = scanBody(bytes);
  assert.equal(scan.kind, "object");
  const { edits, reasoningLeftOut } = continueEdits(JSON.parse(source) as JsonObject, scan as Extract<typeof scan, { kind: "object" }>, historyOf(turns), itemOf);
  return { text: new TextDecoder().decode(splice(bytes, edits)), reasoningLeftOut };
}

describe("what a body continues", () => {
  test("an earlier response, items by reference with or without their type, or nothing", () => {
    assert.deepEqual(continuesOf({ previous_response_id: "resp_1", input: "x" }), { previous: "resp_1", items: [] });
    assert.deepEqual(continuesOf({ input: [{ type: "item_reference", id: "a" }, { id: "b" }, { role: "user", content: "x", id: "no" }] }), { previous: null, items: ["a", "b"] });
    for (const raw of [{ input: "x" }, { input: [ASKED], previous_response_id: null }, {}]) assert.equal(continuesOf(raw), undefined);
  });

  test("the conversation goes before its own input, the name of the earlier response out, and every other byte stays", () => {
    const turns = [kept({ input: "hi" })];
    const items = JSON.stringify([ASKED, SAID]).slice(1, -1);
    const own = JSON.stringify({ type: "message", role: "user", content: [{ type: "input_text", text: "and?" }] });
    const rows: readonly (readonly [string, string])[] = [
      ['{"model" : "m","previous_response_id":"resp_1", "input":"and?","f":1.50}', `{"model" : "m","input":[${items},${own}],"f":1.50}`],
      ['{"input":"and?","previous_response_id":"resp_1"}', `{"input":[${items},${own}]}`],
      ['{"previous_response_id":"resp_1","model":"m"}', `{"input":[${items}],"model":"m"}`],
      ['{"model":"m", "input":null ,"previous_response_id":"resp_1"}', `{"model":"m", "input":[${items}]}`],
    ];
    for (const [source, expected] of rows) assert.equal(goneOn(source, turns).text, expected);
  });

  test("references become the items they name, without ids that another target would look up", () => {
    const { text } = goneOn('{"input":[{"type":"item_reference","id":"msg_1"},{"role":"user","content":"x"}]}', [], (id) => (id === "msg_1" ? MESSAGE : undefined));
    assert.equal(text, `{"input":[${JSON.stringify(SAID)},{"role":"user","content":"x"}]}`);
  });

  test("reasoning that only its maker can read is left out and told so; what we sealed ourselves stays", () => {
    const foreign = { type: "reasoning", id: "rs_1", summary: [], encrypted_content: "gAAAA" };
    const { text, reasoningLeftOut } = goneOn('{"input":"x","previous_response_id":"resp_1"}', [kept({ input: "hi" }, [foreign, MESSAGE])]);
    assert.ok(reasoningLeftOut && !text.includes("reasoning"));
    assert.equal(goneOn('{"input":"x","previous_response_id":"resp_1"}', [kept({ input: "hi" })]).reasoningLeftOut, false);
    assert.equal(goneOn('{"input":[{"id":"rs_1"}]}', [], () => foreign).reasoningLeftOut, true);
  });
});

describe("what is kept of a response", () => {
  test("its own input with ids and parts, what it continues, and whether its maker keeps it too", () => {
    const one = kept({ input: [{ role: "user", content: "hi" }, { type: "function_call_output", call_id: "c", output: "x" }], previous_response_id: "resp_0" });
    assert.deepEqual(one.input, [{ ...ASKED, id: "msg_1_i0", status: "completed" }, { type: "function_call_output", call_id: "c", output: "x", id: "fco_1_i1", status: "completed" }]);
    assert.deepEqual([one.previous, one.keptBy], ["resp_0", null]);
    assert.equal(kept({}, [MESSAGE], { store: true }, "acme").keptBy, "acme");
    for (const told of [{ store: false }, {}]) assert.equal(kept({}, [MESSAGE], told, "acme").keptBy, null);
    assert.equal(kept({}, [MESSAGE], { spillway: { cost_usd: 1 } }).response["spillway"], undefined);
    assert.deepEqual(readKept(JSON.parse(JSON.stringify(one))), JSON.parse(JSON.stringify(one)));
    for (const value of [undefined, null, [], {}, { response: 1 }]) assert.equal(readKept(value), undefined);
  });

  test("its items are found by their ids", () => {
    const one = kept({});
    assert.deepEqual(itemIdsOf(one), ["msg_1"]);
    assert.equal(itemIn(one, "msg_1"), one.response["output"] instanceof Array ? one.response["output"][0] : undefined);
    assert.equal(itemIn(one, "msg_2"), undefined);
  });

  test("it is read from the last bytes of an answer: whole, or the terminal event among others; what failed is none", () => {
    const bytes = (text: string): Uint8Array => new TextEncoder().encode(text);
    const whole = { id: "resp_1", status: "completed", output: [] };
    const frame = (type: string, response: object): string => `event: ${type}\r\ndata: ${JSON.stringify({ type, response })}\r\n\r\n`;
    assert.deepEqual(responseIn(bytes(JSON.stringify(whole)), false), whole);
    assert.deepEqual(responseIn(bytes(frame("response.output_item.done", {}) + frame("response.completed", whole) + ": ping\n\n"), true), whole);
    assert.deepEqual(responseIn(bytes(frame("response.incomplete", { ...whole, status: "incomplete" })), true)?.["status"], "incomplete");
    for (const text of [frame("response.failed", { ...whole, status: "failed" }), frame("response.created", whole), "data: {\n\n", ""]) assert.equal(responseIn(bytes(text), true), undefined);
    for (const text of [JSON.stringify({ ...whole, status: "failed" }), "{}", "", "[]"]) assert.equal(responseIn(bytes(text), false), undefined);
  });

  test("its input is told in pages, newest first unless asked otherwise", () => {
    const turns = [kept({ input: "hi" }), keptOf({ input: "and?" }, { id: "resp_2", output: [] }, none, null)];
    const page = (asked: Partial<Record<"order" | "after" | "limit", string>>): readonly [unknown, unknown] => {
      const found = inputItemsPage(turns, { order: null, after: null, limit: null, ...asked });
      return [(found["data"] as readonly JsonObject[]).map((item) => item["id"]), found["has_more"]];
    };
    assert.deepEqual(page({}), [["msg_2_i0", "msg_1", "msg_1_i0"], false]);
    assert.deepEqual(page({ order: "asc", limit: "2" }), [["msg_1_i0", "msg_1"], true]);
    assert.deepEqual(page({ order: "asc", after: "msg_1" }), [["msg_2_i0"], false]);
    for (const limit of ["0", "-1"]) assert.deepEqual(page({ limit }), [["msg_2_i0"], true]);
    assert.deepEqual(page({ limit: "many" })[0], page({})[0]);
  });

  test("its input is a list by the maker's own description", { skip: descriptionAbsent }, () => {
    const input = [{ role: "user", content: "hi" }, { role: "developer", content: "brief" }, { role: "assistant", content: "yes" }, { type: "function_call", call_id: "c", name: "f", arguments: "{}" }, { type: "function_call_output", call_id: "c", output: "x" }];
    assert.deepEqual(problems("ResponseItemList", inputItemsPage([kept({ input })], { order: null, after: null, limit: null })), []);
  });
});
