import assert from "node:assert/strict";
import { describe, it } from "node:test";
import { ownedId, readOwnedId, tagIds, untagIds } from "./owned-ids.ts";

const bytes = (text: string): Uint8Array => new TextEncoder().encode(text);
const text = (data: Uint8Array): string => new TextDecoder().decode(data);

describe("ids of what a provider keeps", () => {
  it("carry the account, and give it back", () => {
    assert.deepEqual(readOwnedId(ownedId("file-a@b", "openai-eu")), { id: "file-a@b", account: "openai-eu" });
    for (const bare of ["file-a", "@x", "file-a@"]) assert.deepEqual(readOwnedId(bare), { id: bare, account: null });
  });

  it("are named in a batch, and in everything of a list; no other byte changes", () => {
    const batch = `{ "id" : "batch_1", "input_file_id":"file-\\u0031", "output_file_id": null, "metadata":{"id":"mine"}, "n": 1.0e2 }`;
    assert.equal(text(tagIds(bytes(batch), "a")), `{ "id" : "batch_1@a", "input_file_id":"file-1@a", "output_file_id": null, "metadata":{"id":"mine"}, "n": 1.0e2 }`);
    assert.equal(text(tagIds(bytes(`{"object":"list","data":[{"id":"x"}, {"id":"y"}],"first_id":"x","last_id":"y"}`), "a")), `{"object":"list","data":[{"id":"x@a"}, {"id":"y@a"}],"first_id":"x@a","last_id":"y@a"}`);
  });

  it("stand in addresses of results, which lead to us or nowhere, never to the provider", () => {
    const link = (id: string): string => `http://here/${id}`;
    assert.equal(text(tagIds(bytes(`{"results_url": "https://far/b1/results","id":"b1"}`), "a", link)), `{"results_url": "http://here/b1@a","id":"b1@a"}`);
    assert.equal(text(tagIds(bytes(`{"data":[{"id":"b1","results_url":null},{"id":"b2","results_url":"https://far/b2"}],"last_id":"b2"}`), "a", link)), `{"data":[{"id":"b1@a","results_url":null},{"id":"b2@a","results_url":"http://here/b2@a"}],"last_id":"b2@a"}`);
    assert.equal(text(tagIds(bytes(`{"results_url":"https://far/b1","id":7}`), "a", link)), `{"results_url":null,"id":7}`);
  });

  it("are as they were again in a request", () => {
    assert.equal(text(untagIds(bytes(`{"input_file_id":"file-1@a","endpoint":"/v1/x","data":[{"id":"1@b"}]}`))), `{"input_file_id":"file-1","endpoint":"/v1/x","data":[{"id":"1@b"}]}`);
  });
});
