/** What is empty or too short is no secret: refused at the start, at a reload and where it is made, and never equal to anything. */
import assert from "node:assert/strict";
import { createHash, createHmac, hash } from "node:crypto";
import { mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { after, before, describe, it } from "node:test";
import { Identities } from "../../src/admin/identity.ts";
import { checkStart, StartError } from "../../src/compose.ts";
import { configFromEnvironment } from "../../src/config/discover.ts";
import { parseConfig } from "../../src/config/load.ts";
import { CallerBook } from "../../src/control/callers.ts";
import { callerBy } from "../../src/edge/auth.ts";
import { signatureOf, verifySignature } from "../../src/notify/sign.ts";
import { PROVIDERS } from "../../src/providers/registry.ts";
import { MemoryControlStore } from "../../src/storage/control-memory.ts";
import { controlCipher } from "../../src/storage/control-files.ts";
import { StorageError } from "../../src/storage/errors.ts";
import { stateKeyFile } from "../../src/storage/state-key.ts";
import type { JsonObject } from "../../src/wire/json.ts";
import { adminWorld, type AdminWorld } from "../admin/world.ts";
import { testGateway } from "../support/gateway.ts";

const GOOD = "long-enough-for-anything-0123456789";
const aws = "type: bedrock, region: eu-west-1";
const entra = (secret: string): string => `type: azure, resource: r, entra: { tenant: t, client_id: c, client_secret: ${secret} }`;
/** Every slot of the configuration that holds a secret, with its value left open. */
const SLOTS: Readonly<Record<string, (value: string) => string>> = {
  "keys[].key": (value) => `keys: [{ name: app, key: ${value} }]`,
  "keys[].sha256": (value) => `keys: [{ name: app, sha256: ${value} }]`,
  "responses.key": (value) => `responses: { store: encrypted, key: ${value} }`,
  "notify[].secret": (value) => `notify: [{ name: n, type: webhook, url: "https://x.example/", secret: ${value} }]`,
  "notify[].url": (value) => `notify: [{ name: n, type: slack, url: ${value} }]`,
  "notify[].password": (value) => `notify: [{ name: n, type: smtp, host: mail.example, user: u, password: ${value}, from: a@x.example, to: [b@x.example] }]`,
  api_key: (value) => `providers: { openai: { api_key: ${value} } }`,
  "entra.client_secret": (value) => `providers: { a: { ${entra(value)} } }`,
  access_key_id: (value) => `providers: { a: { ${aws}, access_key_id: ${value}, secret_access_key: ${GOOD} } }`,
  secret_access_key: (value) => `providers: { a: { ${aws}, access_key_id: AKIA, secret_access_key: ${value} } }`,
  session_token: (value) => `providers: { a: { ${aws}, access_key_id: AKIA, secret_access_key: ${GOOD}, session_token: ${value} } }`,
  external_id: (value) => `providers: { a: { ${aws}, access_key_id: AKIA, secret_access_key: ${GOOD}, role_arn: "arn:aws:iam::123456789012:role/r", external_id: ${value} } }`,
  credentials: (value) => `providers: { vertex: { project: p, location: eu, credentials: ${value} } }`,
  proxy: (value) => `providers: { openai: { api_key: ${GOOD}, proxy: ${value} } }`,
};
const GOOD_FOR: Readonly<Record<string, string>> = {
  "keys[].sha256": createHash("sha256").update(GOOD).digest("hex"), "notify[].url": '"https://hooks.example/x"', proxy: '"http://u:p@127.0.0.1:1"',
  credentials: `'${JSON.stringify({ type: "authorized_user", client_id: "c", client_secret: GOOD, refresh_token: GOOD })}'`,
};
const isTaken = (text: string, env: Readonly<Record<string, string>> = {}): boolean => parseConfig(`version: 1\n${text}\n`, { source: "x", env, providers: PROVIDERS, readFile: () => "" }).ok;

describe("a configuration", () => {
  for (const [slot, text] of Object.entries(SLOTS)) {
    it(`is refused with nothing at ${slot}, however nothing is written`, () => {
      assert.ok(isTaken(text(GOOD_FOR[slot] ?? GOOD)), "with a secret it is taken");
      const empty = ['""', "''", '" "', '"\\t"', '"\\n"', "[]", "{}", '"${GONE}"', '"${EMPTY}"', '"${EMPTY:-}"', '"${BLANK}"', '"${file:/nothing}"'];
      for (const value of empty) assert.equal(isTaken(text(value), { EMPTY: "", BLANK: "  " }), false, value);
    });
  }

  it("is refused with a sealing key of less than 32 characters, and files of credentials whose secrets are empty", () => {
    for (const length of [1, 8, 31]) assert.equal(isTaken(SLOTS["responses.key"]?.("k".repeat(length)) ?? ""), false);
    assert.equal(isTaken(SLOTS["responses.key"]?.(`"${" ".repeat(20)}${"k".repeat(20)}"`) ?? ""), false, "spaces are nothing");
    for (const [client, refresh] of [["", GOOD], [GOOD, ""], ["", ""]]) {
      assert.equal(isTaken(SLOTS["credentials"]?.(`'${JSON.stringify({ type: "authorized_user", client_id: "c", client_secret: client, refresh_token: refresh })}'`) ?? ""), false, `${client},${refresh}`);
    }
    assert.equal(isTaken(SLOTS["credentials"]?.(`'${JSON.stringify({ type: "service_account", client_email: "a@b", private_key: "" })}'`) ?? ""), false);
  });

  it("of the environment takes an empty variable for none, and then serves the loopback alone", () => {
    for (const value of ["", " ", "\n"]) {
      const config = configFromEnvironment({ SPILLWAY_API_KEY: value, OPENAI_API_KEY: value }, PROVIDERS);
      assert.deepEqual([config.keys, config.accounts], [[], []]);
      assert.throws(() => checkStart(config, "0.0.0.0"), StartError);
    }
  });
});

describe("the token of joined processes", () => {
  const YAML = `version: 1\nkeys: [{ name: app, key: ${GOOD} }]\nproviders: { openai: { api_key: ${GOOD} } }\n`;
  it("has 32 visible characters or more, on both sides, or nothing starts", async () => {
    for (const token of ["x", "x".repeat(31), " ".repeat(40), `${"x".repeat(40)} `, `${"x".repeat(40)}\n`, "é".repeat(40)]) {
      for (const more of [{}, { authority: "http://127.0.0.1:9" }]) await assert.rejects(testGateway(YAML, { env: { SPILLWAY_AUTHORITY_TOKEN: token }, ...more }), (error) => error instanceof StartError && /at least 32/.test(error.message) && !error.message.includes(token), JSON.stringify(token));
    }
    await assert.rejects(testGateway(YAML, { env: { SPILLWAY_AUTHORITY_TOKEN: "" }, authority: "http://127.0.0.1:9" }), /SPILLWAY_AUTHORITY_TOKEN/);
  });

  it("that is not set opens nothing", async () => {
    const gateway = await testGateway(YAML, { env: { SPILLWAY_AUTHORITY_TOKEN: "" } });
    try {
      for (const shown of [{}, { authorization: "Bearer " }, { authorization: "Bearer" }, { authorization: "Bearer undefined" }]) {
        for (const path of ["state", "reports"]) assert.equal((await fetch(`${gateway.adminUrl}/admin/v1/authority/${path}`, { headers: shown })).status, 404);
      }
    } finally {
      await gateway.close();
    }
  });
});

describe("managed objects", () => {
  let world: AdminWorld;
  before(async () => {
    world = await adminWorld();
    await world.make("teams", { id: "team", name: "Team" });
  });
  after(() => world.close());

  it("with an empty secret are not made, and none is taken away", async () => {
    const smtp = { type: "smtp", host: "mail.example", user: "u", from: "a@x.example", to: ["b@x.example"] };
    const hook = { type: "webhook", url: "https://hooks.example/x" };
    for (const empty of ["", " ", "\t\n", null, [], {}, 0, false]) {
      for (const [path, body, field] of [["/credentials", { account: "one" }, "api_key"], ["/channels", hook, "secret"], ["/channels", smtp, "password"], ["/channels", { type: "slack" }, "url"]] as const) {
        // Absent and null are the same: a credential or mail without one, which calls nobody, or nobody who asks for one.
        if (empty === null && (field === "api_key" || field === "password")) continue;
        const { status, problems } = await world.ask("POST", path, { ...body, [field]: empty });
        assert.deepEqual([status, problems[0]?.field], [400, field], `${path} ${field} ${JSON.stringify(empty)}`);
      }
    }
    await world.make("channels", { id: "hook", ...hook, secret: GOOD });
    for (const empty of ["", " "]) assert.equal((await world.ask("PATCH", "/channels/hook", { secret: empty })).status, 400);
    assert.deepEqual([(await world.ask("GET", "/channels/hook")).json["has_secret"], (await world.ask("POST", "/channels", hook)).status], [true, 400]);
  });

  it("that are a team's only credential and hold no key serve nobody, not even by the organisation's", async () => {
    const key = await world.make("keys", { id: "app", team: "team" });
    assert.equal((await world.call(key)).status, 200);
    await world.make("credentials", { id: "none", account: "one", team: "team", use: "only" });
    const told = await world.call(key);
    assert.deepEqual([told.status, told.text.includes("has no secret")], [400, true], told.text);
    assert.equal((await world.ask("GET", "/credentials/none")).json["has_secret"], false);
  });
});

describe("an empty secret", () => {
  it("signs nothing, and verifies nothing that was signed by it", () => {
    assert.throws(() => signatureOf("", "body", 1_000), /needs a secret/);
    const forged = `t=1,v1=${createHmac("sha256", "").update("1.body").digest("hex")}`;
    assert.equal(verifySignature("", "body", forged, 1_000), false);
    assert.equal(verifySignature(GOOD, "body", signatureOf(GOOD, "body", 1_000), 1_000), true);
    for (const header of ["", "t=1,v1=", `t=1,v1=${"0".repeat(64)}`, forged]) assert.equal(verifySignature(GOOD, "body", header, 1_000), false);
  });

  it("seals nothing: a key's file that is empty or cut short is refused", () => {
    const folder = mkdtempSync(join(tmpdir(), "spillway-empty-"));
    try {
      for (const content of ["", "\n", "AAAA", "A".repeat(42)]) {
        const path = join(folder, "control.key");
        writeFileSync(path, content, { mode: 0o600 });
        for (const open of [() => stateKeyFile(path), () => controlCipher(folder)]) assert.throws(open, (error) => error instanceof StorageError && /holds no key/.test(error.message), JSON.stringify(content));
      }
    } finally {
      rmSync(folder, { recursive: true, force: true });
    }
  });

  it("is nobody's token or key, though a hash in the store were empty or the empty text's", () => {
    for (const kept of ["", hash("sha256", "", "base64url")]) {
      const store = new MemoryControlStore({ shown: () => ({}) });
      const body: JsonObject = { role: "owner", name: "x", hash: kept, tokens: [{ hash: kept, prefix: "", made_ms: 0 }], secrets: [{ hash: kept, prefix: "", until_ms: null }] };
      store.apply([{ op: "put", kind: "token", id: "admin", tenant: "default", body }, { op: "put", kind: "member", id: "m", tenant: "default", body }, { op: "put", kind: "key", id: "k", tenant: "default", body }], { id: "x", tenant: "default", role: "owner" }, "create");
      const book = new CallerBook(store);
      const identities = new Identities(store, (sha256) => book.get(sha256)?.caller);
      for (const shown of [undefined, "", "Bearer", "Bearer ", "Bearer  ", "bearer\t", "Bearer spa_", "Bearer x", "Basic Og=="]) assert.equal(identities.find(shown), null, String(shown));
      assert.equal(callerBy(hash("sha256", "x", "base64url"), { keys: new Map(), book, corsOrigins: [] }), undefined);
    }
  });
});
