/** Who calls, as a real server reads it from a real socket. */
import assert from "node:assert/strict";
import { hash } from "node:crypto";
import { createServer, type Server } from "node:http";
import type { AddressInfo } from "node:net";
import { after, before, describe, it } from "node:test";
import { rawExchange } from "../../test/support/raw-client.ts";
import { authenticate, type AuthSettings } from "./auth.ts";

let server: Server;
let port = 0;
let settings: AuthSettings = { keys: new Map(), corsOrigins: [] };

before(async () => {
  server = createServer((request, response) => {
    const url = request.url ?? "";
    const question = url.indexOf("?");
    const found = authenticate(request, question < 0 ? "" : url.slice(question + 1), settings);
    response.end(found.kind === "caller" ? `caller ${found.caller.key} ${found.caller.tenant} ${found.caller.scopes.join(",")}${found.caller.importance === undefined ? "" : ` ${found.caller.importance}`}` : `refused ${found.error.code}`);
  });
  await new Promise<void>((resolve) => server.listen(0, "127.0.0.1", resolve));
  port = (server.address() as AddressInfo).port;
});
after(() => server.close());

const KEYS = new Map([["app-key", "app"], ["other-key", "other"]].map(([key, name]) => [hash("sha256", key ?? "", "base64url"), name ?? ""] as const));

async function asked(headers: readonly string[], query = "", given: Partial<AuthSettings> = {}): Promise<string> {
  settings = { keys: KEYS, corsOrigins: [], ...given };
  const host = headers.some((line) => /^host:/i.test(line)) ? [] : ["host: 127.0.0.1"];
  const text = [`GET /x${query} HTTP/1.1`, ...host, ...headers, "connection: close", "", ""].join("\r\n");
  const { answers } = await rawExchange(port, text, { answers: 1 });
  return answers[0]?.body.toString() ?? "nothing";
}

const APP = "caller app default tenant/default,key/app";

describe("with keys, the caller", () => {
  const ROWS: readonly (readonly [what: string, headers: readonly string[], query: string, expected: string])[] = [
    ["is told by a bearer", ["authorization: Bearer app-key"], "", APP],
    ["is told by a bearer in any case and with any space", ["AUTHORIZATION: bearer    app-key   "], "", APP],
    ["is told by a key without a scheme", ["authorization: app-key"], "", APP],
    ["is told by x-api-key", ["x-api-key: app-key"], "", APP],
    ["is told by api-key", ["api-key: app-key"], "", APP],
    ["is told by x-goog-api-key", ["x-goog-api-key: app-key"], "", APP],
    ["is told by ?key=", [], "?alt=sse&key=app-key", APP],
    ["is told by the same key in several places", ["authorization: Bearer app-key", "x-api-key: app-key"], "?key=app-key", APP],
    ["is missed where nothing is sent", [], "", "refused missing_key"],
    ["is missed where only an empty key is sent", ["authorization: Bearer ", "x-api-key:"], "?key=", "refused missing_key"],
    ["is unknown by a wrong key", ["authorization: Bearer app-key2"], "", "refused invalid_key"],
    ["is unknown by the hash of a key", [`authorization: Bearer ${[...KEYS.keys()][0]}`], "", "refused invalid_key"],
    ["is unknown by another scheme", ["authorization: Basic YXBwLWtleQ=="], "", "refused invalid_key"],
    ["is unknown by another parameter that ends in key", [], "?monkey=app-key", "refused missing_key"],
    ["is in doubt by two keys in two headers", ["authorization: Bearer app-key", "x-api-key: other-key"], "", "refused conflicting_keys"],
    ["is in doubt by two bearers", ["authorization: Bearer app-key", "authorization: Bearer other-key"], "", "refused conflicting_keys"],
    ["is in doubt by a header and a parameter", ["x-api-key: app-key"], "?key=other-key", "refused conflicting_keys"],
    ["is in doubt by two parameters", [], "?key=app-key&key=other-key", "refused conflicting_keys"],
    ["may call from any host", ["host: gateway.example", "authorization: Bearer app-key"], "", APP],
  ];
  for (const [what, headers, query, expected] of ROWS) {
    it(what, async () => assert.equal(await asked(headers, query), expected));
  }

  it("matters at most as much as its key is said to now, and after a reload", async () => {
    const of = (importances: NonNullable<AuthSettings["importances"]>): Promise<string> => asked(["x-api-key: app-key"], "", { importances });
    assert.deepEqual([await of(new Map([["app", "low"]])), await of(new Map([["app", "normal"]])), await of(new Map([["other", "low"]]))], [`${APP} low`, `${APP} normal`, APP]);
  });

  it("of two x-api-key headers with different keys is nobody", async () => {
    assert.match(await asked(["x-api-key: app-key", "x-api-key: other-key"]), /^refused/);
  });
});

describe("without keys, the caller", () => {
  const LOCAL = "caller local default tenant/default,key/local";
  const open = { keys: new Map<string, string>() };

  it("is local on a loopback host, whatever key its SDK sends", async () => {
    for (const host of ["127.0.0.1:8484", "localhost", "[::1]:8484"]) assert.equal(await asked([`host: ${host}`, "authorization: Bearer anything"], "", open), LOCAL);
  });

  it("is refused by another host name, so that a name that resolves to us is no way in", async () => {
    for (const host of ["evil.example", "127.0.0.1.evil.example", "localhost.evil.example", "0.0.0.0", "[::2]"]) assert.equal(await asked([`host: ${host}`], "", open), "refused forbidden_host");
  });

  it("is refused by a foreign origin, and not by one that is configured", async () => {
    assert.equal(await asked(["origin: https://evil.example"], "", open), "refused forbidden_origin");
    assert.equal(await asked(["origin: null"], "", open), "refused forbidden_origin");
    assert.equal(await asked(["origin: https://ours.example"], "", { ...open, corsOrigins: ["https://ours.example"] }), LOCAL);
  });
});
