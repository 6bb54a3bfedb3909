/** A gateway that joins another: its keys and budgets come from there, and without them it does not serve. */
import assert from "node:assert/strict";
import { mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { after, describe, it } from "node:test";
import { createObject } from "../../src/control/manage.ts";
import type { Actor } from "../../src/control/types.ts";
import { startFleet, gatewayConfig, type FleetConfig } from "../../src/fleet/index.ts";
import { asString } from "../../src/wire/json.ts";
import { testGateway, type TestGateway } from "../support/gateway.ts";

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

const ask = (gateway: TestGateway, key: string | null): Promise<number> =>
  fetch(`${gateway.baseUrl}/chat/completions`, {
    method: "POST",
    headers: { "content-type": "application/json", ...(key === null ? {} : { authorization: `Bearer ${key}` }) },
    body: JSON.stringify({ model: "sim/m", max_tokens: 5, messages: [{ role: "user", content: "hi" }] }),
  }).then((answer) => answer.status);

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
});
