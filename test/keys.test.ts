/** Managed keys in front of a running gateway: who may call, what each may use and is told, from the next request on. */
import assert from "node:assert/strict";
import { mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { after, before, describe, it } from "node:test";
import { actOnObject, createObject, deleteObject, updateObject, type Managed, type ManageResult } from "../src/control/manage.ts";
import type { JsonObject } from "../src/wire/json.ts";
import { testGateway, type TestGateway } from "./support/gateway.ts";
import { notingUpstream, type NotingUpstream } from "./support/upstreams.ts";

const ACTOR = { id: "ada", tenant: "default", role: "owner" } as const;
const asked = (kind: string): { kind: string; tenant: string; actor: typeof ACTOR } => ({ kind, tenant: "default", actor: ACTOR });

let upstream: NotingUpstream;
let other: NotingUpstream;
let gateway: TestGateway;
const yaml = (keys: string): string => `
version: 1
${keys}
providers:
  near: { type: openai-compatible, base_url: "${upstream.url}", api_key: near-key, region: eu-central-1, models: { small: { price: { input: 1, output: 2 } }, large: { price: { input: 10, output: 20 } } } }
  far: { type: openai-compatible, base_url: "${other.url}", api_key: far-key, region: us, models: { small: { price: { input: 1, output: 2 } } } }
  lost: { type: openai-compatible, base_url: "${other.url}", api_key: lost-key, models: { odd: { price: { input: 1, output: 2 } } } }
routes:
  support: { candidates: [far/small, near/small] }
  big: { candidates: [near/large] }
aliases: { cheap: support }
`;

before(async () => {
  upstream = await notingUpstream();
  other = await notingUpstream();
  gateway = await testGateway(yaml("keys: [{ name: old, key: old-key }]"));
});
after(async () => {
  await gateway.close();
  await upstream.close();
  await other.close();
});

function make(managed: Managed, kind: string, id: string, body: JsonObject): string {
  const made = createObject(managed, asked(kind), id, body);
  assert.equal(made.kind, "done", JSON.stringify(made));
  return keyOf(made);
}
function keyOf(made: ManageResult): string {
  return made.kind === "done" && typeof made.once?.["key"] === "string" ? made.once["key"] : "";
}
let names = 0;
/** A key that narrows like this. */
const aKey = (body: JsonObject): string => make(gateway.managed, "key", `k${++names}`, body);

interface Told {
  readonly status: number;
  readonly code: string | null;
  readonly header: (name: string) => string | null;
  readonly text: string;
}

async function call(key: string, body: JsonObject = {}, headers: Readonly<Record<string, string>> = {}, path = "/chat/completions", at: TestGateway = gateway): Promise<Told> {
  const response = await fetch(`${at.baseUrl}${path}`, {
    method: "POST",
    headers: { "content-type": "application/json", authorization: `Bearer ${key}`, ...headers },
    body: JSON.stringify({ model: "support", messages: [{ role: "user", content: "hi" }], ...body }),
  });
  const text = await response.text();
  const code = /"code":\s*"([a-z_]+)"/.exec(text)?.[1] ?? null;
  return { status: response.status, code, header: (name) => response.headers.get(name), text };
}

async function models(key: string): Promise<readonly string[]> {
  const listed = (await (await fetch(`${gateway.baseUrl}/models`, { headers: { authorization: `Bearer ${key}` } })).json()) as { data: readonly { id: string }[] };
  return listed.data.map((one) => one.id).toSorted();
}

describe("a managed key", () => {
  it("calls from the moment it is made to the moment it is disabled, is deleted or expires, beside keys of the configuration", async () => {
    const key = aKey({});
    const id = `k${names}`;
    assert.equal((await call(key)).status, 200);
    assert.equal((await call("old-key")).status, 200);
    updateObject(gateway.managed, asked("key"), id, { disabled: true });
    const disabled = await call(key);
    const unknown = await call("spw_default_nobody");
    assert.deepEqual([disabled.status, disabled.code], [401, "invalid_key"]);
    assert.equal(disabled.text, unknown.text);
    updateObject(gateway.managed, asked("key"), id, { disabled: false });
    assert.equal((await call(key)).status, 200);
    const next = keyOf(actOnObject(gateway.managed, asked("key"), id, "rotate", {}));
    assert.deepEqual([(await call(key)).status, (await call(next)).status], [200, 200]);
    const last = keyOf(actOnObject(gateway.managed, asked("key"), id, "rotate", { grace_seconds: 0 }));
    assert.deepEqual([(await call(key)).status, (await call(next)).status, (await call(last)).status], [401, 401, 200]);
    updateObject(gateway.managed, asked("key"), id, { expires_at: new Date(Date.now() - 1_000).toISOString() });
    assert.equal((await call(last)).text, unknown.text);
    updateObject(gateway.managed, asked("key"), id, { expires_at: new Date(Date.now() + 3_600_000).toISOString() });
    assert.equal((await call(last)).status, 200);
    deleteObject(gateway.managed, asked("key"), id);
    assert.equal((await call(last)).text, unknown.text);
  });

  it("asks only for names that it is for; an alias of one is as good, and each surface says so in its own form", async () => {
    const key = aKey({ routes: ["support", "big*"] });
    assert.equal((await call(key)).status, 200);
    assert.equal((await call(key, { model: "cheap" })).status, 200);
    assert.equal((await call(key, { model: "big" })).status, 200);
    const refused = await call(key, { model: "near/small" });
    assert.deepEqual([refused.status, refused.code], [403, "model_not_allowed"]);
    assert.match((await call(key, { model: "near/small", max_tokens: 5 }, {}, "/messages")).text, /"type":"error","error":\{"type":"permission_error"/);
    assert.equal((await call(key, { model: "near/small", input: "hi" }, {}, "/embeddings")).code, "model_not_allowed");
    assert.deepEqual((await models(key)).filter((id) => id.includes("small") || id === "support" || id === "cheap"), ["cheap", "support"]);
    const one = await fetch(`${gateway.baseUrl}/models/near%2Fsmall`, { headers: { authorization: `Bearer ${key}` } });
    assert.equal(one.status, 403);
  });

  it("is answered only by models that it is for, and hears nothing of the others", async () => {
    const key = aKey({ models: ["near/*"] });
    const sent = other.seen.length;
    const answered = await call(key);
    assert.equal(answered.header("x-spillway-deployment"), "near/small");
    assert.equal(other.seen.length, sent);
    const refused = await call(key, { model: "far/small" });
    assert.deepEqual([refused.status, refused.code], [403, "model_not_allowed"]);
    assert.deepEqual(await models(key), ["big", "cheap", "near/large", "near/small", "support"]);
    const record = (await gateway.requests()).findLast((one) => one.requestId === answered.header("x-request-id"))?.record;
    const filtered = record?.decision["filtered"];
    assert.deepEqual(filtered, [{ deployment: "far/small", reason: "model_not_allowed", detail: "this key may not use it" }]);
  });

  it("is served where it lives: in its regions, and in fewer where the request says so", async () => {
    const key = aKey({ residency: ["eu"] });
    assert.equal((await call(key)).header("x-spillway-deployment"), "near/small");
    const refused = await call(key, { model: "far/small" });
    assert.deepEqual([refused.status, refused.code], [403, "residency"]);
    // A place that is not stated is no place in the EU.
    assert.equal((await call(key, { model: "lost/odd" })).code, "residency");
    assert.equal((await call(key, {}, { "x-spillway-residency": "us" })).code, "residency");
    assert.match(refused.text, /in a region where this key's requests may be processed/);
    const free = aKey({});
    assert.match((await call(free, { model: "far/small" }, { "x-spillway-residency": "eu" })).text, /in the regions that this request asks for \(x-spillway-residency: eu\)/);
    assert.equal((await call(free)).header("x-spillway-deployment"), "far/small");
    assert.equal((await call(free, {}, { "x-spillway-residency": "EU" })).header("x-spillway-deployment"), "near/small");
    assert.equal((await call("old-key", {}, { "x-spillway-residency": "eu-central-1, us" })).header("x-spillway-deployment"), "far/small");
    assert.equal((await call(free, {}, { "x-spillway-residency": "somewhere nice!" })).code, "invalid_header");
  });

  it("stays in its regions through every failover", async () => {
    const key = aKey({ residency: ["eu"] });
    const sent = other.seen.length;
    upstream.fault = () => 503;
    try {
      assert.notEqual((await call(key)).status, 200);
    } finally {
      upstream.fault = null;
    }
    assert.equal(other.seen.length, sent);
  });

  it("is told as much as it exposes", async () => {
    const told = async (expose: string | null, body: JsonObject): Promise<string> => {
      const answer = await call(aKey(expose === null ? {} : { expose }), body);
      const cost = /"spillway":\{"cost_usd"/.test(answer.text) ? "cost in stream" : (answer.header("x-spillway-cost-usd") !== null ? "cost" : "-");
      return `${answer.header("x-spillway-deployment") ?? "-"} ${cost}`;
    };
    const stream = { stream: true, stream_options: { include_usage: true } };
    for (const [expose, whole, streamed] of [[null, "near/large cost", "near/large cost in stream"], ["id", "near/large -", "near/large -"], ["none", "- -", "- -"]] as const) {
      assert.equal(await told(expose, { model: "big" }), whole);
      assert.equal(await told(expose, { model: "big", ...stream }), streamed);
    }
    upstream.fault = () => 500;
    try {
      const quiet = await call(aKey({ expose: "none", residency: ["eu"] }), { model: "big" });
      assert.ok(quiet.status >= 500);
      assert.ok(!quiet.text.includes("near"), quiet.text);
      assert.ok(!quiet.text.includes("near-key"));
    } finally {
      upstream.fault = null;
    }
  });

  it("has files and batches no part where it is for certain models", async () => {
    const alone = await testGateway(`${yaml("keys: [{ name: old, key: old-key }]")}files: shared\n`);
    try {
      const key = make(alone.managed, "key", "app", { models: ["near/*"] });
      const response = await fetch(`${alone.baseUrl}/files`, { headers: { authorization: `Bearer ${key}` } });
      assert.equal(response.status, 403);
      assert.match(await response.text(), /model_not_allowed/);
    } finally {
      await alone.close();
    }
  });

  it("tags its requests: by headers and by the fields that it lists, within bounds, on the money and on record", async () => {
    const key = aKey({ tag_fields: ["user", "metadata.feature"] });
    const answer = await call(key, { user: "u-1", metadata: { feature: "search", other: "x" } }, { "x-spillway-tag-env": "prod", "x-spillway-tag-feature": "chat" });
    assert.equal(answer.status, 200);
    const view = (await gateway.requests()).find((one) => one.requestId === answer.header("x-request-id"));
    assert.deepEqual(view?.record?.tags, { user: "u-1", feature: "chat", env: "prod" });
    const scopes = view?.attempts[0]?.scopes ?? [];
    assert.deepEqual(scopes.filter((scope) => scope.startsWith("tag/")).toSorted(), ["tag/env=prod", "tag/feature=chat", "tag/user=u-1"]);
    // The tags are ours; they do not travel.
    assert.ok(![...upstream.seen, ...other.seen].some(({ headers }) => Object.keys(headers).some((name) => name.startsWith("x-spillway"))));
    const long = await call(key, { user: "u".repeat(65) });
    assert.deepEqual((await gateway.requests()).find((one) => one.requestId === long.header("x-request-id"))?.record?.tags, { user: "other" });
    assert.equal((await call(key, {}, { "x-spillway-tag-env": "e".repeat(65) })).code, "invalid_header");
    assert.equal((await call(key, {}, { "x-spillway-tag-": "e" })).code, "invalid_header");
    assert.equal((await call(key, {}, Object.fromEntries(Array.from({ length: 11 }, (_, i) => [`x-spillway-tag-t${i}`, "v"])))).code, "invalid_header");
  });
});

describe("the first managed key", () => {
  it("ends the time in which nobody needs one, and the last one's end brings it back on the loopback", async () => {
    const open = await testGateway(yaml(""));
    try {
      assert.equal((await call("anything", {}, {}, undefined, open)).status, 200);
      const key = make(open.managed, "key", "app", {});
      assert.equal((await call("anything", {}, {}, undefined, open)).code, "invalid_key");
      assert.equal((await call(key, {}, {}, undefined, open)).status, 200);
      updateObject(open.managed, asked("key"), "app", { disabled: true });
      assert.equal((await call("anything", {}, {}, undefined, open)).code, "invalid_key");
      deleteObject(open.managed, asked("key"), "app");
      assert.equal((await call("anything", {}, {}, undefined, open)).status, 200);
    } finally {
      await open.close();
    }
  });

  it("lets a gateway be reached from other machines, and while it is, nobody calls without one", async () => {
    const dataDir = mkdtempSync(join(tmpdir(), "spillway-keys-"));
    try {
      await assert.rejects(testGateway(yaml(""), { dataDir, host: "0.0.0.0" }), /no caller key is configured/);
      const local = await testGateway(yaml(""), { dataDir });
      const key = make(local.managed, "key", "app", {});
      await local.close();
      const open = await testGateway(yaml(""), { dataDir, host: "0.0.0.0" });
      try {
        const at = { ...open, baseUrl: open.baseUrl.replace("0.0.0.0", "127.0.0.1") };
        assert.equal((await call(key, {}, {}, undefined, at)).status, 200);
        deleteObject(open.managed, asked("key"), "app");
        assert.deepEqual([(await call("anything", {}, {}, undefined, at)).status, (await call(key, {}, {}, undefined, at)).status], [401, 401]);
      } finally {
        await open.close();
      }
    } finally {
      rmSync(dataDir, { recursive: true, force: true });
    }
  });
});
