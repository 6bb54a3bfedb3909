/** The admin port against those who should not pass: odd addresses, guessed tokens, secrets that leak. */
import assert from "node:assert/strict";
import { readdirSync, readFileSync, statSync } from "node:fs";
import { join } from "node:path";
import { after, before, describe, it } from "node:test";
import type { Log } from "../../src/ports.ts";
import type { JsonObject } from "../../src/wire/json.ts";
import { rawExchange } from "../support/raw-client.ts";
import { ROOT, sources } from "../tidy/source.ts";
import { adminWorld, CONFIGURED_KEY, type AdminWorld } from "./world.ts";

const PIECE = 8;
const logged: string[] = [];
const keep = (event: string, fields?: Readonly<Record<string, unknown>>): void => {
  logged.push(JSON.stringify([event, fields]));
};
const LOG: Log = { info: keep, warn: keep, error: keep };

describe("the admin port", () => {
  let world: AdminWorld;
  let port: number;
  before(async () => {
    world = await adminWorld({}, { log: LOG, requestLog: (text) => logged.push(text) });
    port = Number(new URL(world.gateway.adminUrl).port);
  });
  after(() => world.close());

  const raw = async (target: string, headers: readonly string[] = ["host: localhost"], method = "GET"): Promise<{ readonly status: number; readonly body: string }> => {
    const { answers } = await rawExchange(port, `${method} ${target} HTTP/1.1\r\n${headers.join("\r\n")}\r\nconnection: close\r\n\r\n`, { answers: 1 });
    return { status: answers[0]?.status ?? 0, body: answers[0]?.body.toString() ?? "" };
  };
  const bearer = (): string => `authorization: Bearer ${world.token}`;

  it("serves nothing to another Host, whatever the token", async () => {
    for (const host of ["evil.example", "localhost.evil.example", "127.0.0.1.evil.example", "evil.example:8485", "[::2]", "0.0.0.0", "localhost:99999999", "", "a, localhost", "127.0.0.1@evil.example"]) {
      const { status } = await raw("/admin/v1/teams", [`host: ${host}`, bearer()]);
      assert.ok([400, 404].includes(status), `${host}: ${status}`);
    }
    for (const host of ["localhost", "LOCALHOST:1", `127.0.0.1:${port}`, "127.5.5.5", "[::1]:8485"]) assert.equal((await raw("/admin/v1/teams", [`host: ${host}`, bearer()])).status, 200, host);
    for (const name of ["x-forwarded-host", "x-original-url", "x-rewrite-url", "x-http-method-override", "forwarded"]) {
      assert.equal((await raw("/admin/v1/teams", ["host: localhost", `${name}: /admin/v1/docs`])).status, 401, name);
    }
  });

  it("serves no web page of others", async () => {
    for (const origin of ["https://evil.example", "null", "http://localhost:8485"]) assert.equal((await raw("/admin/v1/docs", ["host: localhost", `origin: ${origin}`, bearer()])).status, 403, origin);
  });

  it("decides by the route and never by the text of a path: what is spelt oddly is not there", async () => {
    const odd = [
      "//admin/v1/teams", "/admin//v1/teams", "/admin/v1//teams", "/admin/v1/teams/", "/admin/v1/./teams", "/admin/v1/../v1/teams", "/admin/v1/docs/../teams", "/admin/v1/docs/..%2fteams", "/admin/v1/docs%2f..%2fteams",
      "/admin/v1%2fteams", "/admin%2fv1/teams", "/admin/v1/%74eams", "/admin/v1/teams%00", "/admin/v1/teams;/docs", "/admin/v1/docs;/../teams", "/ADMIN/v1/teams", "/admin/V1/teams", "/admin/v1/Teams", "/admin/v1\\teams", "/admin/v1/teams%5c", "/admin/v1/..",
      "/admin/v1/openapi.json/teams", "/admin/v1/docs/teams", "/healthz/../admin/v1/teams", "/metrics/../admin/v1/teams", "/admin", "/admin/", "/admin/v1", "/admin/v1/", "/admin/v2/teams", "/admin/v1/teams/%2e%2e/keys",
    ];
    for (const target of odd) {
      for (const headers of [["host: localhost"], ["host: localhost", bearer()]]) {
        const { status, body } = await raw(target, headers);
        assert.ok([400, 401, 404].includes(status), `${target}: ${status}`);
        assert.ok(!body.includes('"data"'), `${target}: ${body}`);
      }
    }
    assert.ok([400, 401, 404].includes((await raw("http://localhost/admin/v1/teams", ["host: localhost"])).status), "nor by an absolute target");
    assert.equal((await raw("/admin/v1/teams?/admin/v1/docs")).status, 401);
    assert.equal((await raw("/admin/v1/teams#/admin/v1/docs")).status, 404);
    assert.equal((await raw("/admin/v1/teams", ["host: localhost"], "HEAD")).status, 401);
  });

  it("answers every token that is none alike", async () => {
    await world.make("keys", { id: "expired", expires_at: "2020-01-01T00:00:00Z" });
    const corpus = [
      "x", "spa_", `spa_${"A".repeat(43)}`, world.token.slice(0, -1), `${world.token}A`, world.token.toUpperCase(), ` ${world.token} x`, "' OR '1'='1", "\" OR 1=1 --", "'; DROP TABLE objects; --", "') UNION SELECT body FROM objects --", "%", "*", "null", "undefined", "__proto__", "[object Object]", "A".repeat(4_000),
    ];
    const [bodies, without] = [new Set<string>(), new Set<string>()];
    for (const token of corpus) {
      const reply = await world.askAs(token, "GET", "/me");
      assert.equal(reply.status, 401, token);
      assert.equal(reply.headers.get("www-authenticate"), "Bearer");
      bodies.add(reply.text);
    }
    for (const headers of [["host: localhost"], ["host: localhost", "authorization: Basic YTpi"], ["host: localhost", "authorization: Bearer"], ["host: localhost", `authorization: ${world.token}`], ["host: localhost", `x-api-key: ${world.token}`], ["host: localhost", `cookie: token=${world.token}`]]) {
      const { status, body } = await raw("/admin/v1/me", headers);
      assert.equal(status, 401, headers.join());
      (headers.some((one) => one.startsWith("authorization")) ? bodies : without).add(body);
    }
    assert.equal((await raw(`/admin/v1/me?token=${world.token}&key=${world.token}`)).status, 401);
    assert.equal((await raw("/admin/v1/me", ["host: localhost", bearer(), "authorization: Bearer other"])).status, 404, "two tokens are none");
    assert.equal(bodies.size, 1, [...bodies].join());
    assert.match([...bodies].join(), /This token is not valid here/);
    assert.equal(without.size, 1, [...without].join());
    assert.match([...without].join(), /A token is needed/);
    assert.equal((await world.askAs(CONFIGURED_KEY, "GET", "/me")).json["role"], "key");
    assert.equal((await world.call(world.token)).status, 401, "nor is the administrator's token a caller's key");
  });

  it("shows no secret twice: not in answers, not in the audit log, not in logs, not on disk", async () => {
    const secrets = new Map<string, string>([["token", world.token]]);
    secrets.set("key", await world.make("keys", { id: "canary-key" }));
    secrets.set("rotated", ((await world.ask("POST", "/keys/canary-key/rotate", {})).json["once"] as JsonObject)["key"] as string);
    secrets.set("member", await world.member("canary-member", {}));
    secrets.set("credential", "sk-canary-Zq7fK2mXw9Lr4TbN");
    await world.make("credentials", { id: "canary-credential", account: "one", api_key: secrets.get("credential") ?? "" });
    secrets.set("webhook", "Vt3hRy8cJd5gPn6sQe1u");
    secrets.set("hook", "https://hooks.example.com/services/Hx4kBm7wZa2");
    await world.make("channels", { id: "canary-channel", type: "webhook", url: secrets.get("hook") ?? "", secret: secrets.get("webhook") ?? "" });
    await world.ask("PATCH", "/credentials/canary-credential", { note: "changed" });
    await world.ask("PATCH", "/channels/canary-channel", { per_hour: 3 });
    await world.ask("POST", "/credentials", { account: "nowhere", api_key: secrets.get("credential") ?? "", unknown: secrets.get("webhook") ?? "" });
    await world.call(secrets.get("rotated") ?? "");
    await world.gateway.requests();

    const seen: [where: string, text: string][] = logged.map((text) => ["log", text]);
    const { paths } = (await world.ask("GET", "/openapi.json")).json as { readonly paths: Readonly<Record<string, JsonObject>> };
    for (const [path, methods] of Object.entries(paths)) {
      if (!("get" in methods)) continue;
      const at = path.replace("/admin/v1", "").replace("{id}", `canary-${path.split("/")[3]?.replace(/s$/, "") ?? ""}`);
      for (const query of ["", "?limit=500"]) seen.push([at, (await world.ask("GET", at + query)).text]);
    }
    for (const name of readdirSync(world.gateway.dataDir)) {
      const file = join(world.gateway.dataDir, name);
      if (statSync(file).isFile()) seen.push([name, readFileSync(file).toString("latin1")]);
    }
    assert.ok(seen.some(([where]) => where === "control.db") && seen.some(([, text]) => text.includes("canary-channel")));
    for (const [name, secret] of secrets) {
      // What stands before a key's secret, and four letters of that, is shown; of an address its host.
      const hidden = name === "hook" ? secret.slice("https://hooks.example.com/".length) : secret.slice(secret.lastIndexOf("_") > 3 && name !== "credential" ? secret.indexOf("_", 4) + 5 : 4);
      for (let i = 0; i + PIECE <= hidden.length; i++) {
        const piece = hidden.slice(i, i + PIECE);
        if (piece === "services") continue;
        for (const [where, text] of seen) assert.ok(!text.includes(piece), `${name} in ${where}`);
      }
    }
  });
});

describe("the first start", () => {
  it("makes the administrator's token, and says so in the log without it", async () => {
    const world = await adminWorld();
    try {
      assert.match(world.token, /^spa_[\w-]{43}$/);
      const audit = (await world.ask("GET", "/audit")).json["data"] as readonly JsonObject[];
      const line = audit.find(({ kind }) => kind === "token");
      assert.deepEqual([line?.["action"], line?.["detail"]], ["rotate", { hash: "changed" }]);
      assert.equal((await world.ask("GET", "/audit/verify")).text, '{"valid":true}\n');
    } finally {
      await world.close();
    }
  });
});

describe("what is shipped", () => {
  it("runs no command and no code that somebody sends", () => {
    const allowed = ["src/cli/"];
    const found = sources("src/**/*.ts").filter(({ isTest, file, bare, code }) => !isTest && !allowed.some((folder) => file.startsWith(folder)) && (/\beval\s*\(|\bnew\s+Function\s*\(/.test(bare) || /["'](?:node:)?(?:child_process|vm)["']/.test(code)));
    assert.deepEqual(found.map(({ file }) => file), []);
    assert.ok(ROOT.length > 0);
  });
});
