import assert from "node:assert/strict";
import { describe, it } from "node:test";
import type { UpstreamRequest } from "../ports.ts";
import { noHead, wireRequest, type KeptHead } from "./http1-request.ts";

const request = (headers: readonly string[], path = "/v1", method: UpstreamRequest["method"] = "POST"): UpstreamRequest => ({
  origin: "http://a.example", path, method, headers, body: Buffer.from("{}"), connectTimeoutMs: 1_000, proxyUrl: null, caFile: null,
});
const written = (headers: readonly string[], kept: KeptHead): string => {
  const pieces = wireRequest(request(headers), "a.example", kept);
  return typeof pieces === "string" ? `refused: ${pieces}` : Buffer.concat(pieces).toString("latin1");
};

describe("a request behind another to the same destination", () => {
  it("has its own headers, whatever the one before had", () => {
    const kept = noHead();
    const lists = [
      ["authorization", "Bearer a"], ["authorization", "Bearer a"], ["authorization", "Bearer b"], [], ["authorization", "Bearer b", "accept", "*/*"], ["accept", "*/*", "authorization", "Bearer b"],
      ["accept", "*/*", "authorization", "Bearer c"], ["accept", "*/*", "x-call", "1"], ["accept", "*/*", "x-call", "2"], ["accept", "text/plain", "x-call", "2"], ["accept", "*/*", "x-a", "1", "x-call", "2"],
    ];
    for (const headers of lists) {
      for (let i = 0; i < headers.length; i += 2) assert.ok(written(headers, kept).includes(`\r\n${headers[i]}: ${headers[i + 1]}\r\n`));
      assert.equal(written(headers, kept), written(headers, noHead()));
    }
  });

  it("has its own path and method", () => {
    const kept = noHead();
    for (const [path, method] of [["/v1", "POST"], ["/v2", "POST"], ["/v2", "DELETE"], ["/v1", "POST"]] as const) {
      const pieces = wireRequest(request(["x-a", "1"], path, method), "a.example", kept);
      assert.ok(typeof pieces !== "string");
      assert.ok(Buffer.concat(pieces).toString("latin1").startsWith(`${method} ${path} HTTP/1.1\r\nhost: a.example\r\n`));
    }
    assert.equal(wireRequest(request(["x-a", "1"], "/v1 HTTP/1.1\r\nx:"), "a.example", kept), "the path has characters that may not be sent");
  });

  it("is refused for what may not be sent, the first time and each other, and the next good one is whole", () => {
    const kept = noHead();
    const good = written(["x-a", "1"], kept);
    for (const bad of [["x-a", "1\r\nx-b: 2"], ["x-a", "1", "content-length", "9"], ["x a", "1"], ["x-b", "\u0000", "x-a", "1"]]) {
      for (let times = 0; times < 2; times++) assert.match(written(bad, kept), /^refused: header /);
      assert.equal(written(["x-a", "1"], kept), good);
    }
  });
});
