import assert from "node:assert/strict";
import { createServer } from "node:http";
import type { AddressInfo } from "node:net";
import { describe, test } from "node:test";
import { createAmazonBedrock } from "@ai-sdk/amazon-bedrock";
import { generateText } from "ai";
import { canonicalRequest, signV4, type CallToSign, type SigningCredentials } from "./sigv4.ts";

/** The published suite's credentials, clock and scope. */
const KEYS: SigningCredentials = { accessKeyId: "AKIDEXAMPLE", secretAccessKey: "wJalrXUtnFEMI/K7MDENG+bPxRfiCYEXAMPLEKEY" };
const NOW_MS = Date.UTC(2015, 7, 30, 12, 36, 0);
const TOKEN =
  "AQoDYXdzEPT//////////wEXAMPLEtc764bNrC9SAPBSM22wDOk4x4HIZ8j4FZTwdQWLWsKWHGBuFqwAeMicRXmxfpSPfIeoIYRqTflfKD8YUuwthAx7mSEI/qkPpKPi/kMcGdQrmGdeehM4IC1NtBmUpp2wUE8phUZampKsburEDy0KPkyQDYwT7WZ0wq5VSXDvp75YU9HFvlRd8Tx6q6fE8YQcHNVXAkiY9q6d+xo0rKwT38xVqr7ZD0u0iPPkUL64lIZbqBAz+scqKmlzm8FDrypNC9Yjc8fPOLn9FX9KSYvKTr4rvx3iSIlTJabIQwj2ICCR/oLxBA==";
const UNRESERVED = "-._~0123456789ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz";

interface Vector {
  readonly name: string;
  readonly method: "GET" | "POST";
  readonly path: string;
  readonly headers?: CallToSign["headers"];
  readonly body?: string;
  readonly token?: string;
  readonly signed: string;
  readonly signature: string;
}
const VECTORS: readonly Vector[] = [
  { name: "get-vanilla", method: "GET", path: "/", signed: "host;x-amz-date", signature: "5fa00fa31553b73ebf1942676e86291e8372ff2a2260956d9b8aae1d763fbf31" },
  {
    name: "get-vanilla-query-order-key-case", method: "GET", path: "/?Param2=value2&Param1=value1", signed: "host;x-amz-date",
    signature: "b97d918cfa904a5beff61c982a1b6f458b799221646efd99d3219ec94cdf2500",
  },
  {
    name: "get-vanilla-query-unreserved", method: "GET", path: `/?${UNRESERVED}=${UNRESERVED}`, signed: "host;x-amz-date",
    signature: "9c3e54bfcdf0b19771a7f523ee5669cdf59bc7cc0884027167c21bb143a40197",
  },
  {
    name: "get-slash-dot-slash", method: "GET", path: "/./", signed: "host;x-amz-date",
    signature: "5fa00fa31553b73ebf1942676e86291e8372ff2a2260956d9b8aae1d763fbf31",
  },
  {
    name: "get-slashes", method: "GET", path: "//example//", signed: "host;x-amz-date",
    signature: "9a624bd73a37c9a373b5312afbebe7a714a789de108f0bdfe846570885f57e84",
  },
  {
    name: "get-header-key-duplicate", method: "GET", path: "/", headers: [["My-Header1", "value2"], ["My-Header1", "value2"], ["My-Header1", "value1"]],
    signed: "host;my-header1;x-amz-date", signature: "c9d5ea9f3f72853aea855b47ea873832890dbdd183b4468f858259531a5138ea",
  },
  {
    name: "get-header-value-trim", method: "GET", path: "/", headers: [["My-Header1", " value1"], ["My-Header2", ' "a   b   c"']],
    signed: "host;my-header1;my-header2;x-amz-date", signature: "acc3ed3afb60bb290fc8d2dd0098b9911fcaa05412b367055dee359757a9c736",
  },
  { name: "post-vanilla", method: "POST", path: "/", signed: "host;x-amz-date", signature: "5da7c1a2acd57cee7505fc6676e4e544621c30862966e37dddb68e92efbe5d6b" },
  {
    name: "post-vanilla-query", method: "POST", path: "/?Param1=value1", signed: "host;x-amz-date",
    signature: "28038455d6de14eafc1f9222cf5aa6f1a96197d7deb8263271d420d138af7f11",
  },
  {
    name: "post-header-key-sort", method: "POST", path: "/", headers: [["My-Header1", "value1"]], signed: "host;my-header1;x-amz-date",
    signature: "c5410059b04c1ee005303aed430f6e6645f61f4dc9e1461ec8f8916fdf18852c",
  },
  {
    name: "post-header-value-case", method: "POST", path: "/", headers: [["My-Header1", "VALUE1"]], signed: "host;my-header1;x-amz-date",
    signature: "cdbc9802e29d2942e5e10b5bccfdd67c5f22c7c4e8ae67b53629efa58b974b7d",
  },
  {
    name: "post-x-www-form-urlencoded", method: "POST", path: "/", headers: [["Content-Type", "application/x-www-form-urlencoded"]], body: "Param1=value1",
    signed: "content-type;host;x-amz-date", signature: "ff11897932ad3f4e8b18135d722051e5ac45fc38421b1da7b9d196a0fe09473a",
  },
  {
    name: "post-sts-header-before", method: "POST", path: "/", token: TOKEN, signed: "host;x-amz-date;x-amz-security-token",
    signature: "85d96828115b5dc0cfc3bd16ad9e210dd772bbebba041836c64533a82be05ead",
  },
];

function callOf(vector: Pick<Vector, "method" | "path" | "headers" | "body">): CallToSign {
  return { method: vector.method, host: "example.amazonaws.com", path: vector.path, headers: vector.headers ?? [], body: new TextEncoder().encode(vector.body ?? "") };
}

describe("the published vectors", () => {
  for (const vector of VECTORS) {
    test(`${vector.name} has the published signature`, () => {
      const added = signV4(callOf(vector), vector.token === undefined ? KEYS : { ...KEYS, sessionToken: vector.token }, "us-east-1", "service", NOW_MS);
      const authorization = `AWS4-HMAC-SHA256 Credential=AKIDEXAMPLE/20150830/us-east-1/service/aws4_request, SignedHeaders=${vector.signed}, Signature=${vector.signature}`;
      const token = vector.token === undefined ? [] : [["x-amz-security-token", vector.token]];
      assert.deepEqual(added, [["x-amz-date", "20150830T123600Z"], ...token, ["authorization", authorization]]);
    });
  }
});

test("a model id in the path is encoded a second time for the signature", () => {
  const call = { ...callOf({ method: "POST", path: "/model/anthropic.claude-3-5-sonnet-20241022-v2%3A0/converse" }) };
  assert.equal(canonicalRequest(call, []).canonical.split("\n")[1], "/model/anthropic.claude-3-5-sonnet-20241022-v2%253A0/converse");
});

test("headers that sockets and proxies write are not signed", () => {
  const headers = [["Content-Length", "13"], ["Connection", "keep-alive"], ["Traceparent", "00-1-1-01"], ["User-Agent", "x"], ["Content-Type", "application/json"]] as const;
  assert.equal(canonicalRequest(callOf({ method: "POST", path: "/", headers }), []).signedNames, "content-type;host");
});

test("a request that a real SDK signed has the same signature here", async () => {
  interface Seen { readonly path: string; readonly headers: Readonly<Record<string, string | string[] | undefined>>; readonly body: Buffer }
  const seen: Seen[] = [];
  const server = createServer((request, response) => {
    const pieces: Buffer[] = [];
    request.on("data", (piece: Buffer) => pieces.push(piece));
    request.on("end", () => {
      seen.push({ path: request.url ?? "", headers: request.headers, body: Buffer.concat(pieces) });
      response.setHeader("content-type", "application/json");
      response.end(JSON.stringify({
        output: { message: { role: "assistant", content: [{ text: "Hi" }] } }, stopReason: "end_turn", usage: { inputTokens: 1, outputTokens: 1, totalTokens: 2 },
      }));
    });
  });
  await new Promise<void>((listening) => server.listen(0, "127.0.0.1", listening));
  const origin = `http://127.0.0.1:${(server.address() as AddressInfo).port}`;
  try {
    const keys: SigningCredentials = { ...KEYS, sessionToken: TOKEN };
    const sdk = createAmazonBedrock({ baseURL: origin, region: "eu-west-1", ...keys });
    await generateText({ model: sdk("us.anthropic.claude-haiku-4-5-20251001-v1:0"), prompt: "Grüße" });
    const [request] = seen;
    assert.ok(request !== undefined);
    const theirs = String(request.headers["authorization"]);
    // It signs fewer of its headers than we would: the same ones are given here.
    const names = /SignedHeaders=([^,]+)/.exec(theirs)?.[1]?.split(";") ?? [];
    const headers = names.filter((name) => !["host", "x-amz-date", "x-amz-security-token"].includes(name)).map((name) => [name, String(request.headers[name])] as const);
    const stamp = String(request.headers["x-amz-date"]).replace(/(....)(..)(..T..)(..)(..Z)/, "$1-$2-$3:$4:$5");
    const call: CallToSign = { method: "POST", host: new URL(origin).host, path: request.path, headers, body: request.body };
    const ours = signV4(call, keys, "eu-west-1", "bedrock", Date.parse(stamp));
    assert.match(request.path, /v1%3A0\/converse$/);
    assert.deepEqual(ours.at(-1), ["authorization", theirs]);
  } finally {
    server.close();
  }
});
