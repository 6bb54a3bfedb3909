import assert from "node:assert/strict";
import { describe, it } from "node:test";
import type { Json } from "../../wire/json.ts";
import { openai } from "../openai.ts";
import { batchDialect } from "./batches.ts";

const FACTS = openai.usage;
const files = batchDialect("files-batch");
const messages = batchDialect("message-batch");
const FILES_BATCH = { id: "batch_1", object: "batch", status: "completed", output_file_id: "file-o/1", request_counts: { total: 3, completed: 2, failed: 1 } };
const MESSAGES_BATCH = { id: "msgbatch_1", type: "message_batch", processing_status: "ended", request_counts: { processing: 0, succeeded: 2, errored: 1, canceled: 0, expired: 0 }, archived_at: null, results_url: "https://evil.example/x" };

describe("a batch of files", () => {
  for (const [status, ended] of [["validating", false], ["in_progress", false], ["finalizing", false], ["cancelling", false], ["completed", true], ["failed", true], ["expired", true], ["cancelled", true]] as const) {
    it(`has ${ended ? "" : "not "}ended when it is ${status}`, () => assert.equal(files.read({ ...FILES_BATCH, status }, FACTS)?.ended, ended));
  }

  it("tells how much was done, and where", () => {
    const told = files.read(FILES_BATCH, FACTS);
    assert.deepEqual([told?.done, told?.resultsPath, told?.whole], [2, "/files/file-o%2F1/content", null]);
    assert.equal(files.read({ ...FILES_BATCH, output_file_id: "" }, FACTS)?.resultsPath, null);
    assert.deepEqual([files.read({ ...FILES_BATCH, request_counts: null }, FACTS)?.done, files.read({ ...FILES_BATCH, status: "failed", request_counts: null }, FACTS)?.done], [null, 0]);
  });

  it("tells its whole usage only with the model that it is of, and only where it counts anything", () => {
    const usage = { input_tokens: 100, input_tokens_details: { cached_tokens: 30 }, output_tokens: 50, output_tokens_details: { reasoning_tokens: 20 }, total_tokens: 150 };
    assert.deepEqual(files.read({ ...FILES_BATCH, model: "m", usage }, FACTS)?.whole, { model: "m", usage: { units: { input: 70, cache_read: 30, output: 30, reasoning: 20 }, raw: usage } });
    assert.equal(files.read({ ...FILES_BATCH, usage }, FACTS)?.whole, null);
    assert.equal(files.read({ ...FILES_BATCH, model: "m", usage: { ...usage, input_tokens: 0, input_tokens_details: null, output_tokens: 0, output_tokens_details: null } }, FACTS)?.whole, null);
  });

  it("is no file, list or error", () => {
    for (const other of [{ id: "file-1", object: "file", status: "processed" }, { object: "list", data: [] }, { error: {} }, [], null, "x"] as Json[]) assert.equal(files.read(other, FACTS), null);
  });

  for (const [what, line, expected] of [
    ["a chat", { response: { status_code: 200, body: { object: "chat.completion", model: "m", usage: { prompt_tokens: 9, completion_tokens: 3, total_tokens: 12, prompt_tokens_details: { cached_tokens: 4 } } } }, error: null }, { model: "m", units: { input: 5, cache_read: 4, output: 3 } }],
    ["a response", { response: { status_code: 200, body: { object: "response", model: "m", output: [], usage: { input_tokens: 9, output_tokens: 3, output_tokens_details: { reasoning_tokens: 2 }, total_tokens: 12 } } } }, { model: "m", units: { input: 9, output: 1, reasoning: 2 } }],
    ["an embedding", { response: { status_code: 200, body: { object: "list", model: "e", usage: { prompt_tokens: 7, total_tokens: 7 } } } }, { model: "e", units: { input: 7, output: 0 } }],
    ["an error status", { response: { status_code: 400, body: { error: {} } }, error: null }, "free"],
    ["an error", { response: null, error: { code: "batch_expired" } }, "free"],
    ["an answer without usage", { response: { status_code: 200, body: { model: "m" } } }, "unread"],
    ["an answer without a body", { response: { status_code: 200, body: null } }, "unread"],
  ] as const) {
    it(`has lines: ${what}`, () => {
      const read = files.line(line, FACTS);
      assert.deepEqual(read.kind === "billed" ? { model: read.model, units: read.usage.units } : read.kind, expected);
    });
  }
});

describe("a batch of messages", () => {
  it("has ended when it says so; results are asked of where the batch was, whatever address it tells", () => {
    assert.deepEqual(["in_progress", "canceling", "ended"].map((processing_status) => messages.read({ ...MESSAGES_BATCH, processing_status }, FACTS)?.ended), [false, false, true]);
    assert.equal(messages.read(MESSAGES_BATCH, FACTS)?.resultsPath, "/messages/batches/msgbatch_1/results");
  });

  it("has no results (any more) where nothing succeeded, and once it is archived", () => {
    const counts = { ...MESSAGES_BATCH.request_counts, succeeded: 0 };
    assert.deepEqual([messages.read({ ...MESSAGES_BATCH, request_counts: counts }, FACTS)?.resultsPath, messages.read({ ...MESSAGES_BATCH, archived_at: "2026-01-01T00:00:00Z" }, FACTS)?.resultsPath], [null, null]);
  });

  it("is no word that one was deleted", () => assert.equal(messages.read({ id: "msgbatch_1", type: "message_batch_deleted" }, FACTS), null));

  for (const [what, result, expected] of [
    ["an answer, in the tier of batches", { type: "succeeded", message: { model: "m", usage: { input_tokens: 9, cache_read_input_tokens: 4, output_tokens: 3, service_tier: "batch" } } }, { model: "m", units: { input: 9, cache_read: 4, output: 3 } }],
    ["an answer without usage", { type: "succeeded", message: { model: "m" } }, "unread"],
    ["an error", { type: "errored", error: {} }, "free"],
    ["one that was cancelled", { type: "canceled" }, "free"],
    ["one that came too late", { type: "expired" }, "free"],
    ["a result of a kind that is new", { type: "paused" }, "unread"],
  ] as const) {
    it(`has lines: ${what}`, () => {
      const read = messages.line({ custom_id: "a", result }, FACTS);
      assert.deepEqual(read.kind === "billed" ? { model: read.model, units: read.usage.units } : read.kind, expected);
    });
  }
});
