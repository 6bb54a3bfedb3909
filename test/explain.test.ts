/** Why a request went where it went, and where one would go now: by the command and by the admin API, to each what it may see. */
import assert from "node:assert/strict";
import { readdirSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { after, before, describe, it } from "node:test";
import { runExplain } from "../src/cli/explain.ts";
import { withoutPriceFields } from "../src/admin/reports.ts";
import { createObject } from "../src/control/manage.ts";
import { loadCatalogue } from "../src/providers/catalog/index.ts";
import { PROVIDERS } from "../src/providers/registry.ts";
import type { JsonObject } from "../src/wire/json.ts";
import { testGateway, type TestGateway } from "./support/gateway.ts";
import { notingUpstream, type NotingUpstream } from "./support/upstreams.ts";

interface Explained {
  readonly decision?: { readonly strategy: string; readonly candidates: readonly { readonly deployment: string; readonly health: string; readonly bound_nano_usd?: number }[]; readonly filtered: readonly { readonly deployment: string; readonly reason: string }[]; readonly taken?: readonly string[]; readonly plan?: JsonObject };
  readonly estimates?: readonly { readonly deployment: string; readonly calls: number; readonly price_nano_usd?: number }[];
  readonly error?: { readonly code: string; readonly param: string };
  readonly [field: string]: unknown;
}

describe("an explanation", () => {
  let upstream: NotingUpstream;
  let gateway: TestGateway;
  const keys = { plain: "", narrow: "", blind: "" };

  before(async () => {
    upstream = await notingUpstream();
    const models = "models: { m: { price: { input: 1, output: 2 } }, short: { price: { input: 1, output: 2 }, context: 10 } }";
    gateway = await testGateway(`
version: 1
keys: [{ name: app, key: key-of-the-app }]
providers:
  a: { type: openai-compatible, base_url: "${upstream.url}", api_key: a, ${models} }
  b: { type: openai-compatible, base_url: "${upstream.url}", api_key: b, ${models} }
  c: { type: openai-compatible, base_url: "${upstream.url}", api_key: c, ${models} }
routes:
  r: { candidates: [a/short, b/m, c/m] }
  tried: { candidates: [b/m], canary: { use: c/m, share: 20% }, mirror: { use: a/m, share: 5%, max_usd_per_day: 1 } }
  promised:
    candidates: [b/m, c/m]
    strategy: balanced
    objectives: { availability: { target: 99.9%, window: 30d } }
    cost_of_failure_usd: 0.01
`);
    for (const [name, body] of [["plain", {}], ["narrow", { models: ["b/*"] }], ["blind", { expose: "none" }]] as const) {
      const made = createObject(gateway.managed, { kind: "key", tenant: "default", actor: { id: "ada", tenant: "default", role: "owner" } }, name, body);
      const key = made.kind === "done" ? made.once?.["key"] : undefined;
      keys[name] = typeof key === "string" ? key : "";
    }
  });
  after(async () => {
    await gateway.close();
    await upstream.close();
  });

  const long = [{ role: "user", content: "word ".repeat(100) }];
  async function ask(body: JsonObject, key = "key-of-the-app"): Promise<string> {
    const response = await fetch(`${gateway.baseUrl}/chat/completions`, { method: "POST", headers: { authorization: `Bearer ${key}`, "content-type": "application/json" }, body: JSON.stringify(body) });
    await response.text();
    // Records are written in batches.
    await gateway.requests();
    return response.headers.get("x-request-id") ?? "";
  }
  const command = (...args: readonly string[]): Promise<{ readonly code: number; readonly text: string }> => commandAt(gateway.dataDir, ...args);
  async function commandAt(dataDir: string, ...args: readonly string[]): Promise<{ readonly code: number; readonly text: string }> {
    const lines: string[] = [];
    const out = { write: (text: string) => void lines.push(text) };
    const code = await runExplain([...args, "--data-dir", dataDir], { out, errors: out, env: {}, cwd: ".", providers: PROVIDERS, catalogue: loadCatalogue() });
    return { code, text: lines.join("") };
  }
  async function admin(token: string | null, path: string, body?: JsonObject): Promise<{ readonly status: number; readonly told: Explained }> {
    const more = body === undefined ? {} : { method: "POST", body: JSON.stringify(body) };
    const response = await fetch(`${gateway.adminUrl}/admin/v1/${path}`, { ...more, headers: { authorization: `Bearer ${token}`, "content-type": "application/json" } });
    return { status: response.status, told: (await response.json()) as Explained };
  }
  function file(body: unknown): string {
    const path = join(gateway.dataDir, "asked.json");
    writeFileSync(path, JSON.stringify(body));
    return path;
  }
  const left = ({ decision }: Explained): string => (decision?.filtered ?? []).map((one) => `${one.deployment} ${one.reason}`).join(", ");

  it("of a record tells the candidates, what was left out and why, and who was called", async () => {
    upstream.fault = (call) => (call.secret === "b" ? 503 : null);
    const id = await ask({ model: "r", messages: long, max_tokens: 10 });
    upstream.fault = null;
    const json = await command(id, "--json");
    assert.equal(json.code, 0);
    const told = JSON.parse(json.text) as Explained;
    assert.deepEqual(told.decision?.candidates.map((one) => one.deployment), ["b/m", "c/m"]);
    assert.equal(left(told), "a/short context_too_small");
    assert.deepEqual(told.decision?.taken, ["b/m", "c/m"]);
    const { text } = await command(id);
    assert.match(text, /model r, route r: ok, first content after \d+ ms/);
    assert.match(text, /strategy priority, at most \$0\.\d+ held/);
    assert.match(text, /left out\n {2}a\/short +context_too_small +takes 10 tokens/);
    assert.match(text, /called\n {2}1 +b\/m +overload.*\n {2}2 +c\/m +answered /);
  });

  it("of a weighed route tells what was believed, the pressure and the risk", async () => {
    const { text, code } = await command(await ask({ model: "promised", messages: long }));
    assert.equal(code, 0);
    assert.match(text, /strategy balanced/);
    assert.match(text, /pressure: \$[\d.]+ for a failure, \$[\d.]+ for being late\nrisk: [\d.e-]+ % that it fails/);
  });

  it("of what nobody asked says so", async () => {
    assert.deepEqual(await command("req_nothing"), { code: 1, text: `spillway: there is no request "req_nothing" in ${gateway.dataDir}; spillway requests lists them\n` });
    assert.equal((await command()).code, 2);
    assert.equal((await command("a", "b")).code, 2);
    assert.equal((await command("--dry-run", join(gateway.dataDir, "not-there.json"))).code, 1);
    const nowhere = await commandAt(join(gateway.dataDir, "nowhere"), "--dry-run", file({ model: "r", messages: long }));
    assert.equal(nowhere.code, 1);
    assert.match(nowhere.text, /^spillway: no gateway answers for \S+nowhere .*Is it running with this data folder\?\n$/);
  });

  it("of a request that is not sent tells where it would go, and sends and records nothing", async () => {
    const before = { calls: upstream.seen.length, requests: (await gateway.requests()).length };
    const { code, text } = await command("--dry-run", file({ model: "r", messages: long, provider: { ignore: ["c"] } }), "--json");
    const told = JSON.parse(text) as Explained;
    assert.deepEqual([code, told["dry_run"], told["route"], told.decision?.candidates.map((one) => `${one.deployment} ${one.health}`)], [0, true, "r", ["b/m admitting"]]);
    assert.equal(left(told), "a/short context_too_small, c/m ignored");
    const [estimate] = told.estimates ?? [];
    assert.equal(estimate?.deployment, "b/m");
    assert.ok((estimate?.calls ?? 0) > 0, "what earlier calls taught is in it");
    const refused = await command("--dry-run", file({ model: "nothing", messages: long }));
    assert.equal(refused.code, 1);
    assert.match(refused.text, /nothing was sent\nIt would be refused: unknown_model: /);
    assert.match((await command("--dry-run", file({ model: "promised", input: "hi" }))).text, /route promised; nothing was sent\nstrategy balanced/);
    assert.deepEqual({ calls: upstream.seen.length, requests: (await gateway.requests()).length }, before);
    assert.deepEqual(readdirSync(gateway.dataDir).filter((name) => name.startsWith("explain-")), []);
  });

  it("of any route's record tells what was believed of each candidate, and on how many calls that stands", async () => {
    const id = await ask({ model: "r", messages: long });
    const told = JSON.parse((await command(id, "--json")).text) as { decision: { estimates: { deployment: string; calls: number; price_nano_usd: number }[] } };
    assert.deepEqual(told.decision.estimates.map((one) => [one.deployment, one.calls > 0, one.price_nano_usd > 0]), [["b/m", true, true], ["c/m", true, true]]);
    assert.match((await command(id)).text, /deployment +health +fails +breaks +by calls +price\n +1 +b\/m +admitting +[\d.]+ % +[\d.]+ % +[\d.]+ +\$0\.\d+/);
    const own = (await admin("key-of-the-app", `requests/${id}/explanation`)).told.decision as { estimates?: readonly JsonObject[] } | undefined;
    assert.deepEqual([own?.estimates?.length, own?.estimates?.some((one) => "price_nano_usd" in one)], [2, false]);
  });

  it("of a request that is not sent tells what its route tries, to whom that is open, where such a request may go there", async () => {
    const { text } = await command("--dry-run", file({ model: "tried", messages: long }));
    assert.match(text, /\ncanary: c\/m is tried first by 20 % of the requests\nmirror: a\/m gets copies of 5 % of the requests that were served\n/);
    const request = { model: "tried", messages: long };
    const { told } = await admin(gateway.adminToken, "explain", { request });
    assert.deepEqual([told["canary"], told["mirror"]], [{ deployment: "c/m", share: 0.2, takes_requests: true }, { deployment: "a/m", share: 0.05 }]);
    for (const [who, asked] of [[keys.narrow, request], [gateway.adminToken, { ...request, provider: { order: ["b"] } }]] as const) {
      const shown = (await admin(who, "explain", { request: asked })).told;
      assert.deepEqual([shown["route"], shown["canary"], shown["mirror"]], ["tried", undefined, undefined]);
    }
    assert.doesNotMatch((await command("--dry-run", file({ model: "r", messages: long }))).text, /canary|mirror/);
  });

  it("by the admin API tells a key of its own requests alone, and of what is not for it nothing", async () => {
    const id = await ask({ model: "r", messages: long, max_tokens: 10 }, keys.narrow);
    const path = `requests/${id}/explanation`;
    const owner = await admin(gateway.adminToken, path);
    assert.deepEqual([owner.status, left(owner.told)], [200, "a/short model_not_allowed, c/m model_not_allowed"]);
    assert.equal(typeof owner.told.decision?.candidates[0]?.bound_nano_usd, "number");
    const own = await admin(keys.narrow, path);
    assert.deepEqual([own.status, left(own.told), own.told.decision?.candidates.map((one) => one.deployment)], [200, "", ["b/m"]]);
    assert.equal("bound_nano_usd" in (own.told.decision?.candidates[0] ?? {}), false);
    assert.equal((await admin(keys.plain, path)).status, 404);
    assert.equal((await admin("key-of-the-app", path)).status, 404);
    assert.equal((await admin(keys.blind, `requests/${await ask({ model: "r", messages: long }, keys.blind)}/explanation`)).status, 403);
  });

  it("by the admin API weighs a request for whoever asks", async () => {
    const request = { model: "r", messages: long };
    const owner = await admin(gateway.adminToken, "explain", { request });
    assert.deepEqual([owner.status, owner.told.decision?.candidates.map((one) => one.deployment)], [200, ["b/m", "c/m"]]);
    assert.ok((owner.told.estimates?.[0]?.price_nano_usd ?? 0) > 256 * 2_000, "an answer of the usual length is in the price where none was asked for");
    const narrow = await admin(keys.narrow, "explain", { request });
    assert.deepEqual([narrow.told.decision?.candidates.map((one) => one.deployment), left(narrow.told)], [["b/m"], ""]);
    assert.equal("price_nano_usd" in (narrow.told.estimates?.[0] ?? {}), false);
    const beyond = await admin(keys.narrow, "explain", { request: { ...request, provider: { only: ["c"] } } });
    assert.deepEqual([beyond.status, beyond.told.error?.code, beyond.told.error?.param], [200, "no_matching_provider", "provider.only"], "wishes never widen what a key may use");
    assert.equal((await admin(keys.narrow, "explain", { request: { ...request, models: ["c/m"] } })).told.error?.code, "model_not_allowed");
    assert.equal((await admin(keys.blind, "explain", { request })).status, 403);
    assert.equal((await admin(gateway.adminToken, "explain", { requst: request })).status, 400);
    assert.equal((await admin(gateway.adminToken, "explain", { request: { model: "r", messages: long, max_tokens: 5 }, surface: "messages" })).status, 200);
  });

  it("tells whoever is not to know prices none in its words either", () => {
    const decision = {
      candidates: [{ deployment: "b/m", bound_nano_usd: 5, cost_spike: "its price list changed: output from 1 to 2 USD per million" }],
      filtered: [{ deployment: "c/m", reason: "over_cap", detail: "may cost up to $0.20, the cap is $0.10" }, { deployment: "d/m", reason: "excluded", detail: "auth" }],
    };
    const shown = JSON.stringify(withoutPriceFields(decision));
    assert.doesNotMatch(shown, /USD|\$|nano/);
    assert.match(shown, /"cost_spike":".*"reason":"over_cap".*"detail":"auth"/);
  });
});
