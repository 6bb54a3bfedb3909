/** A gateway that joins another: its keys and budgets come from there, and without them it does not serve. */
import assert from "node:assert/strict";
import { mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { after, describe, it } from "node:test";
import { loadConfig } from "../../src/config/source.ts";
import { createObject, deleteObject } from "../../src/control/manage.ts";
import type { Actor } from "../../src/control/types.ts";
import { startFleet, gatewayConfig, type FleetConfig } from "../../src/fleet/index.ts";
import { PROVIDERS } from "../../src/providers/registry.ts";
import { asString, type JsonObject } from "../../src/wire/json.ts";
import { testGateway, type TestGateway } from "../support/gateway.ts";
import { notingUpstream } from "../support/upstreams.ts";

const TOKEN = "a-token-of-at-least-thirty-two-characters";
const ENV = { SPILLWAY_AUTHORITY_TOKEN: TOKEN };
const LOCAL: Actor = { id: "local", tenant: "default", role: "owner" };
const FLEET: FleetConfig = { seed: 1, providers: [{ name: "sim", dialect: "openai-chat", models: { m: { input: 1, output: 2 } } }] };

const closing: (() => Promise<unknown>)[] = [];
after(async () => {
  for (const close of closing.toReversed()) await close();
});

async function yamlOfFleet(): Promise<string> {
  const fleet = await startFleet(FLEET);
  closing.push(() => fleet.close());
  return gatewayConfig(FLEET, fleet, { more: { fallbacks: "off" } });
}

function folder(): string {
  const path = mkdtempSync(join(tmpdir(), "spillway-joined-"));
  closing.unshift(() => Promise.resolve(rmSync(path, { recursive: true, force: true })));
  return path;
}

async function start(yaml: string, more: Parameters<typeof testGateway>[1] = {}): Promise<TestGateway> {
  const gateway = await testGateway(yaml, { env: ENV, ...more });
  closing.push(() => gateway.close());
  return gateway;
}

function makeKey(gateway: TestGateway, name: string): string {
  const made = createObject(gateway.managed, { kind: "key", tenant: "default", actor: LOCAL }, name, { name });
  assert.ok(made.kind === "done", JSON.stringify(made));
  return asString(made.once?.["key"]) ?? assert.fail("no key was shown");
}

const send = (gateway: TestGateway, key: string | null): Promise<Response> =>
  fetch(`${gateway.baseUrl}/chat/completions`, {
    method: "POST",
    headers: { "content-type": "application/json", ...(key === null ? {} : { authorization: `Bearer ${key}` }) },
    body: JSON.stringify({ model: "sim/m", max_tokens: 5, messages: [{ role: "user", content: "hi" }] }),
  });
const ask = (gateway: TestGateway, key: string | null): Promise<number> => send(gateway, key).then((answer) => answer.status);
/** The message of a refusal with this status. */
async function refusal(gateway: TestGateway, status: number): Promise<string> {
  const answer = await send(gateway, null);
  const text = await answer.text();
  assert.equal(answer.status, status, text);
  return (JSON.parse(text) as { readonly error: { readonly message: string } }).error.message;
}

async function until(what: () => Promise<boolean>): Promise<void> {
  for (let i = 0; i < 60; i++) {
    if (await what()) return;
    await new Promise((resolve) => setTimeout(resolve, 100));
  }
  assert.fail("it did not come about");
}

describe("a gateway that joins another", () => {
  it("knows its keys from the first request on, follows them, and keeps them while it is gone", async () => {
    const yaml = await yamlOfFleet();
    const authority = await start(yaml);
    const key = makeKey(authority, "first");
    const dataDir = folder();
    const joined = await start(yaml, { authority: authority.adminUrl, dataDir });
    assert.equal(await ask(joined, key), 200);
    assert.equal(await ask(joined, null), 401);
    const second = makeKey(authority, "second");
    await until(async () => (await ask(joined, second)) === 200);
    const refused = createObject(joined.managed, { kind: "key", tenant: "default", actor: LOCAL }, "third", { name: "third" });
    assert.match(JSON.stringify(refused), /has joined .*change it there/);
    await joined.stop(0);
    await authority.stop(0);
    const again = await start(yaml, { authority: authority.adminUrl, dataDir });
    assert.equal(await ask(again, key), 200);
    assert.equal(await ask(again, null), 401);
  });

  it("sends nothing of whoever has a credential of its own by another's, and goes by one that it was given itself", async () => {
    const upstream = await notingUpstream();
    closing.push(() => upstream.close());
    const yaml = `version: 1\nproviders:\n  sim: { type: openai-compatible, base_url: "${upstream.url}", api_key: sk-of-default, models: { m: { price: { input: 1, output: 2 } } } }\n`;
    const authority = await start(yaml);
    const make = (gateway: TestGateway, kind: string, tenant: string, id: string, body: JsonObject): JsonObject | null => {
      const made = createObject(gateway.managed, { kind, tenant, actor: { ...LOCAL, tenant } }, id, body);
      assert.ok(made.kind === "done", JSON.stringify(made));
      return made.once;
    };
    const keyOf = (tenant: string, id: string, body: JsonObject): string => asString(make(authority, "key", tenant, id, body)?.["key"]) ?? assert.fail("no key");
    make(authority, "organisation", "default", "acme", { name: "Acme" });
    for (const team of ["only", "first"]) make(authority, "team", "default", team, { name: team });
    for (const use of ["only", "first"]) make(authority, "credential", "default", use, { account: "sim", team: use, use, api_key: `sk-own-${use}` });
    make(authority, "credential", "acme", "all", { account: "sim", api_key: "sk-own-acme" });
    const keys = { only: keyOf("default", "only", { team: "only" }), first: keyOf("default", "first", { team: "first" }), acme: keyOf("acme", "app", {}), none: keyOf("default", "none", {}) };
    const joined = await start(yaml, { authority: authority.adminUrl, dataDir: folder() });
    const sent = async (gateway: TestGateway, key: string): Promise<readonly [number, readonly string[]]> => {
      upstream.seen.length = 0;
      return [await ask(gateway, key), upstream.seen.map(({ secret }) => secret)];
    };
    assert.deepEqual(await sent(authority, keys.only), [200, ["sk-own-only"]]);
    assert.deepEqual(await sent(authority, keys.acme), [200, ["sk-own-acme"]]);
    const [[only, byOnly], [acme, byAcme]] = [await sent(joined, keys.only), await sent(joined, keys.acme)];
    assert.ok(only >= 400 && acme >= 400, `${only} ${acme}`);
    assert.deepEqual([byOnly, byAcme], [[], []]);
    assert.deepEqual(await sent(joined, keys.first), [200, ["sk-of-default"]]);
    assert.deepEqual(await sent(joined, keys.none), [200, ["sk-of-default"]]);
    // Given to the joined one as well, it is that one's own.
    make(joined, "credential", "default", "here", { account: "sim", team: "only", api_key: "sk-own-here" });
    assert.deepEqual(await sent(joined, keys.only), [200, ["sk-own-here"]]);
    // What is taken away over there binds here within a second or two.
    assert.equal(deleteObject(authority.managed, { kind: "credential", tenant: "acme", actor: { ...LOCAL, tenant: "acme" } }, "acme.all").kind, "done");
    await until(async () => (await ask(joined, keys.acme)) === 200);
  });

  it("may listen for other machines with the authority's keys alone, and not without any", async () => {
    const yaml = await yamlOfFleet();
    const authority = await start(yaml);
    await assert.rejects(start(yaml, { authority: authority.adminUrl, dataDir: folder(), host: "0.0.0.0" }), /no caller key is configured/);
    makeKey(authority, "app");
    const joined = await start(yaml, { authority: authority.adminUrl, dataDir: folder(), host: "0.0.0.0" });
    assert.equal((await fetch(`http://127.0.0.1:${joined.port}/readyz`)).status, 200);
  });

  it("does not start where it has never reached it, nor with a token that it refuses", async () => {
    const yaml = await yamlOfFleet();
    await assert.rejects(start(yaml, { authority: "http://127.0.0.1:9", dataDir: folder() }), /cannot be reached .*no copy of its keys and budgets yet\. Start that gateway first/);
    const authority = await start(yaml);
    const env = { SPILLWAY_AUTHORITY_TOKEN: "another-token-of-thirty-two-characters" };
    await assert.rejects(start(yaml, { authority: authority.adminUrl, dataDir: folder(), env }), /refuses the token in SPILLWAY_AUTHORITY_TOKEN/);
    await assert.rejects(start(yaml, { authority: authority.adminUrl, dataDir: folder(), env: {} }), /--authority needs SPILLWAY_AUTHORITY_TOKEN/);
  });

  it("is bound by the budgets of its authority's file, though its own has none: together they spend no more than one may", async () => {
    const yaml = await yamlOfFleet();
    // The bound of a call is 0.001078 dollars at most; it costs a hundredth of that.
    const budgets = `budgets: { all: { scope: tenant/default, period: day, limit_usd: 0.0011 } }\n`;
    const authority = await start(`${yaml}${budgets}`);
    const joined = await start(yaml, { authority: authority.adminUrl, dataDir: folder() });
    const answers = { 200: 0, 402: 0 };
    for (const gateway of [joined, joined, authority, joined, authority]) answers[(await ask(gateway, null)) as 200 | 402] += 1;
    assert.ok(answers[200] > 0 && answers[402] > 0 && answers[200] + answers[402] === 5, JSON.stringify(answers));
    await until(async () => /^spillway_budget_settled_nano_usd\{budget="config:all"\} [1-9]/m.test(await (await fetch(`${authority.adminUrl}/metrics`)).text()));
  });

  it("follows those budgets, and keeps them while the authority is gone", async () => {
    const yaml = await yamlOfFleet();
    const none = `budgets: { all: { scope: tenant/default, period: day, limit_usd: 0 } }\n`;
    const file = join(folder(), "spillway.yaml");
    writeFileSync(file, `${yaml}${none}`);
    const loaded = loadConfig({ configFile: file, env: {}, cwd: tmpdir(), providers: PROVIDERS });
    assert.ok(loaded.ok);
    const authority = await start(yaml, { loaded });
    const dataDir = folder();
    const joined = await start(yaml, { authority: authority.adminUrl, dataDir });
    assert.match(await refusal(joined, 402), /The budget config:all allows tenant\/default \$0\.00 a day/);
    writeFileSync(file, yaml);
    assert.deepEqual(await authority.reload(), []);
    await until(async () => (await ask(joined, null)) === 200);
    writeFileSync(file, `${yaml}${none}`);
    assert.deepEqual(await authority.reload(), []);
    await until(async () => (await ask(joined, null)) === 402);
    await joined.stop(0);
    await authority.stop(0);
    const again = await start(yaml, { authority: authority.adminUrl, dataDir });
    assert.match(await refusal(again, 402), /config:all/);
  });
});
