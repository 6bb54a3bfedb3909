/** A body that asks for the background becomes an ordinary one; its answer is told again as the response that the client knows. */
import assert from "node:assert/strict";
import { describe, it } from "node:test";
import { gatewayError } from "../../../wire/errors.ts";
import { scanBody, splice } from "../../../wire/scan.ts";
import { cancelledResponse, endingEvent, errorIn, failedResponse, foregroundEdits, isAnswered, openingResponse, responsesClient, retoldEvent } from "./client.ts";

const encoder = new TextEncoder();
const OPENED = openingResponse({ requestId: "req_1", model: "m", createdS: 7, raw: { background: true, metadata: { a: "b" } }, simulated: false }, "in_progress");

function foreground(text: string): string {
  const bytes = encoder.encode(text);
  const scan = scanBody(bytes);
  assert.equal(scan.kind, "object");
  return new TextDecoder().decode(splice(bytes, scan.kind === "object" ? foregroundEdits(scan) : []));
}
const dataOf = (frame: string): string => /^data: (.*)$/m.exec(frame)?.[1] ?? "";

describe("a body that asks for the background", () => {
  it("asks for a stream instead, everything else byte for byte", () => {
    assert.deepEqual(
      [`{"background":true,"x":1.50}`, `{"x":1.50, "background" : true}`, `{"stream":false,"background":true}`, `{"background":true , "stream":true}`, `{"background":true}`].map(foreground),
      [`{"stream":true,"x":1.50}`, `{"x":1.50, "stream":true}`, `{"stream":true}`, `{"stream":true}`, `{"stream":true}`],
    );
  });
});

describe("an answer in the background", () => {
  it("begins as the client was told, so that its own beginning is left out", () => {
    for (const type of ["response.created", "response.queued", "response.in_progress"]) assert.deepEqual(retoldEvent(JSON.stringify({ type, sequence_number: 0, response: { id: "x" } }), OPENED), { kind: "nothing" });
    for (const data of ["[DONE]", "{", "7", `{"no":"type"}`]) assert.deepEqual(retoldEvent(data, OPENED), { kind: "nothing" });
  });

  it("goes on as it came, and ends as the response that the client knows", () => {
    const delta = { type: "response.output_text.delta", item_id: "msg_1", delta: "x", future: 1 };
    assert.deepEqual(retoldEvent(JSON.stringify(delta), OPENED), { kind: "event", event: delta });
    const told = { id: "resp_theirs", created_at: 99, status: "completed", background: false, store: false, previous_response_id: null, model: "their-model", output: [], spillway: { cost_usd: 1 } };
    assert.deepEqual(retoldEvent(JSON.stringify({ type: "response.completed", response: told }), OPENED), {
      kind: "end", spillway: { cost_usd: 1 },
      response: { id: "resp_1", created_at: 7, status: "completed", background: true, store: true, previous_response_id: null, model: "their-model", output: [] },
    });
  });

  it("that breaks where bytes passed has failed as the response that the client knows", () => {
    const frame = responsesClient.brokenFrame(gatewayError("upstream_truncated", "it broke"), "req_1") as string;
    const told = retoldEvent(dataOf(frame), OPENED);
    assert.ok(told.kind === "end");
    assert.deepEqual([told.response["id"], told.response["model"], told.response["metadata"], told.response["status"], told.response["error"]], ["resp_1", "m", { a: "b" }, "failed", { code: "server_error", message: "it broke" }]);
  });

  it("ends its events by what became of it; a cancelled one has no event of its own", () => {
    const ends = (["completed", "incomplete", "failed", "cancelled"] as const).map((status) => endingEvent({ ...OPENED, status }, null)["type"]);
    assert.deepEqual(ends, ["response.completed", "response.incomplete", "response.failed", "response.failed"]);
    assert.deepEqual([failedResponse(OPENED, { code: "server_error", message: "x" }), cancelledResponse(OPENED), OPENED, { ...OPENED, status: "incomplete" }].map(isAnswered), [false, false, false, true]);
  });

  it("tells an error by one of the few codes that the protocol has there", () => {
    const body = (code: string): string => JSON.stringify({ error: { message: "words", code } });
    assert.deepEqual([errorIn(429, body("x")), errorIn(400, body("context_length_exceeded")), errorIn(400, body("x")), errorIn(503, body("x")), errorIn(502, "<html>")].map(({ code }) => code), ["rate_limit_exceeded", "context_length_exceeded", "invalid_prompt", "server_error", "server_error"]);
    assert.equal(errorIn(400, body("x")).message, "words");
  });
});
