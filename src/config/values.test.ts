import assert from "node:assert/strict";
import { describe, it } from "node:test";
import { isPrivateUrl, keyDigest, ownPriceSheet, parseDurationMs, parsePricePico, readBaseUrl } from "./values.ts";

describe("durations", () => {
  it("are whole ms, from a number and a unit", () => {
    for (const [text, expected] of [["250ms", 250], ["600s", 600_000], ["5m", 300_000], ["1h", 3_600_000], ["1.5s", 1_500], ["0s", 0]] as const) {
      assert.equal(parseDurationMs(text), expected, text);
    }
  });
  it("are nothing else", () => {
    for (const text of ["", "5", "5 minutes", "-1s", "1d", "s", "1e3s", "∞", "999999999999999999h"]) assert.equal(parseDurationMs(text), null, text);
  });
});

describe("prices", () => {
  it("are exact pico-dollars per token, however they are written", () => {
    const cases: readonly (readonly [string | number, number])[] = [
      [0.15, 150_000], ["0.15", 150_000], [3, 3_000_000], [0.1, 100_000], [0.000001, 1], [1e-6, 1], ["1.5e-3", 1_500], ["12.345678", 12_345_678], [0, 0], ["2.50000000", 2_500_000],
    ];
    for (const [price, pico] of cases) assert.equal(parsePricePico(price, "input"), pico, String(price));
  });
  it("are USD for each where a unit is no token", () => {
    assert.equal(parsePricePico(0.01, "web_searches"), 10_000_000_000);
    assert.equal(parsePricePico("0.000000000001", "characters"), 1);
  });
  it("are refused rather than rounded, and below zero", () => {
    for (const price of ["0.0000001", -1, "", "free", "1,5", "1e99", Number.NaN, Number.POSITIVE_INFINITY]) assert.equal(parsePricePico(price, "output"), null, String(price));
  });
  it("have a version that changes exactly when a number does", () => {
    assert.equal(ownPriceSheet({ input: 1, output: 2 }).version, ownPriceSheet({ output: 2, input: 1 }).version);
    assert.notEqual(ownPriceSheet({ input: 1, output: 2 }).version, ownPriceSheet({ input: 1, output: 3 }).version);
  });
  it("count a zero that the owner wrote as meant", () => {
    assert.equal(ownPriceSheet({ input: 0, output: 0 }).free, true);
    assert.equal(ownPriceSheet({ input: 1, output: 2 }).free, undefined);
  });
});

describe("addresses", () => {
  it("of one's own machine and network are private", () => {
    const own = ["http://127.0.0.1:8000/v1", "http://localhost:1", "http://[::1]:1", "http://10.1.2.3", "http://172.31.0.1", "http://192.168.1.1", "http://169.254.169.254", "http://[fd00::1]", "http://ollama:11434", "http://llm.internal", "http://a.svc.cluster.local", "http://127.1"];
    for (const url of own) assert.equal(isPrivateUrl(url), true, url);
    for (const url of ["https://api.example.com", "http://172.32.0.1", "http://8.8.8.8", "http://[2001:db8::1]", "https://localhost.example.com"]) assert.equal(isPrivateUrl(url), false, url);
  });
  it("lose their trailing slash and hold no credentials, query or fragment", () => {
    assert.deepEqual(readBaseUrl("https://API.example.com/v1//"), { url: "https://api.example.com/v1" });
    assert.deepEqual(readBaseUrl("https://api.example.com"), { url: "https://api.example.com" });
    for (const text of ["", "api.example.com/v1", "ftp://x", "https://u:p@x/v1", "https://x/v1?a=1", "https://x/#a"]) assert.ok("wrong" in readBaseUrl(text), text);
  });
});

describe("caller keys", () => {
  it("are kept as the SHA-256 of their text", () => {
    assert.equal(Buffer.from(keyDigest("abc"), "base64url").toString("hex"), "ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad");
  });
});
