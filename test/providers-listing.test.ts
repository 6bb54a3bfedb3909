/** `spillway providers`: when who is left alone is called again, by the clock on the wall. */
import assert from "node:assert/strict";
import { after, before, describe, it } from "node:test";
import { runProviders } from "../src/cli/providers.ts";
import { loadCatalogue } from "../src/providers/catalog/index.ts";
import { PROVIDERS } from "../src/providers/registry.ts";
import { testGateway, type TestGateway } from "./support/gateway.ts";
import { notingUpstream, type NotingUpstream } from "./support/upstreams.ts";

interface Row {
  readonly deployment: string;
  readonly state: string;
  readonly restsUntil: string | null;
  readonly restsUntilMs: number;
  readonly pausedUntil: string | null;
  readonly excluded: { readonly until: string | null } | null;
}

describe("the listing of providers", () => {
  let upstream: NotingUpstream;
  let gateway: TestGateway;
  before(async () => {
    upstream = await notingUpstream();
    const account = (name: string): string => `  ${name}: { type: openai-compatible, base_url: "${upstream.url}", api_key: key-${name}, models: { m: { price: { input: 1, output: 2 } } } }\n`;
    gateway = await testGateway(`version: 1\nproviders:\n${account("down")}${account("slow")}${account("shut")}${account("well")}health: { rest: 300s }\n`);
  });
  after(async () => {
    await gateway.close();
    await upstream.close();
  });

  async function listed(...flags: readonly string[]): Promise<string> {
    const lines: string[] = [];
    const out = { write: (text: string) => void lines.push(text) };
    assert.equal(await runProviders([...flags, "--data-dir", gateway.dataDir], { out, errors: out, env: {}, cwd: ".", providers: PROVIDERS, catalogue: loadCatalogue() }), 0, lines.join(""));
    return lines.join("");
  }

  it("tells until when one rests, is paused or excluded, in the table and as ISO times", async () => {
    upstream.fault = (call) => ({ "key-down": 503, "key-slow": 429, "key-shut": 401 })[call.secret] ?? null;
    const sinceMs = Date.now();
    for (const name of ["down", "down", "down", "down", "down", "slow", "shut", "well"]) {
      const response = await fetch(`${gateway.baseUrl}/chat/completions`, { method: "POST", headers: { "content-type": "application/json", "x-spillway-deadline-ms": "800" }, body: JSON.stringify({ model: `${name}/m`, max_tokens: 5, messages: [{ role: "user", content: "hi" }] }) });
      await response.arrayBuffer();
    }
    const rows = new Map((await listed("--json")).trim().split("\n").map((line) => JSON.parse(line) as Row).map((row) => [row.deployment, row]));
    const [down, slow, shut, well] = ["down/m", "slow/m", "shut/m", "well/m"].map((name) => rows.get(name));
    const inS = (iso: string | null | undefined): number => (Date.parse(iso ?? "") - sinceMs) / 1_000;
    assert.equal(down?.state, "resting");
    assert.ok(inS(down.restsUntil) > 200 && inS(down.restsUntil) < 400, `${down.restsUntil}`);
    assert.equal(down.restsUntilMs, Date.parse(down.restsUntil ?? ""), "the older field tells the same time");
    assert.ok(inS(slow?.pausedUntil) > 0 && inS(slow?.pausedUntil) < 70, `${slow?.pausedUntil}`);
    assert.ok(inS(shut?.excluded?.until) > 1, `${shut?.excluded?.until}`);
    assert.deepEqual([well?.restsUntil, well?.pausedUntil, well?.excluded, well?.restsUntilMs], [null, null, null, 0]);
    const text = await listed();
    assert.match(text, /^deployment +endpoint +state +until +failures in a row/);
    assert.match(text, /down\/m +chat +resting +20\d\d-\d\d-\d\dT[\d:.]+Z +0/);
    assert.match(text, /slow\/m +chat +paused +20\d\d-/);
    assert.match(text, /well\/m +chat +admitting +0/);
  });

  it("knows retry alone besides: no other word of it reaches the gateway", async () => {
    for (const [args, said] of [
      [["token"], /providers knows no token/],
      [["relaod"], /providers knows no relaod/],
      [["retry"], /retry takes the name of one account/],
      [["reload", "well"], /reload takes no name/],
    ] as const) {
      let text = "";
      const write = (more: string): void => void (text += more);
      const code = await runProviders([...args, "--data-dir", gateway.dataDir], { out: { write }, errors: { write }, env: {}, cwd: ".", providers: PROVIDERS, catalogue: loadCatalogue() });
      assert.equal(code, 2, text);
      assert.match(text, said);
    }
    assert.equal((await fetch(`${gateway.adminUrl}/admin/v1/me`, { headers: { authorization: `Bearer ${gateway.adminToken}` } })).status, 200, "the administrator's token is as it was");
  });
});
