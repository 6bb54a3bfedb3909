import assert from "node:assert/strict";
import { describe, it } from "node:test";
import type { UpstreamRequest } from "../ports.ts";
import { wireRequest, type KeptHeaders } from "./http1-request.ts";

const request = (headers: readonly string[]): UpstreamRequest => ({
  origin: "http://a.example", path: "/v1", method: "POST", headers, body: Buffer.from("{}"), connectTimeoutMs: 1_000, proxyUrl: null, caFile: null,
});
const written = (headers: readonly string[], kept: KeptHeaders): string => {
  const pieces = wireRequest(request(headers), "a.example", kept);
  return typeof pieces === "string" ? `refused: ${pieces}` : Buffer.concat(pieces).toString("latin1");
};

describe("a request behind another to the same destination", () => {
  it("has its own headers, whatever the one before had", () => {
    const kept: KeptHeaders = { headers: [], text: "" };
    for (const headers of [["authorization", "Bearer a"], ["authorization", "Bearer a"], ["authorization", "Bearer b"], [], ["authorization", "Bearer b", "accept", "*/*"], ["accept", "*/*", "authorization", "Bearer b"]]) {
      assert.equal(written(headers, kept), written(headers, { headers: [], text: "" }));
    }
  });

  it("is refused for what may not be sent, the first time and each other, and the next good one is whole", () => {
    const kept: KeptHeaders = { headers: [], text: "" };
    const good = written(["x-a", "1"], kept);
    for (const bad of [["x-a", "1\r\nx-b: 2"], ["x-a", "1", "content-length", "9"], ["x a", "1"]]) {
      for (let times = 0; times < 2; times++) assert.match(written(bad, kept), /^refused: header /);
      assert.equal(written(["x-a", "1"], kept), good);
    }
  });
});
