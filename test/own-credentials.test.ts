/** Credentials of a team's own: whom they serve, in which order, and that nobody else is ever served by them. */
import assert from "node:assert/strict";
import { readFileSync, statSync } from "node:fs";
import { join } from "node:path";
import { after, before, beforeEach, describe, it } from "node:test";
import fc from "fast-check";
import { createObject, deleteObject, updateObject, type ManageResult } from "../src/control/manage.ts";
import type { JsonObject } from "../src/wire/json.ts";
import { testGateway, type TestGateway } from "./support/gateway.ts";
import { notingUpstream, type NotingUpstream, type UpstreamSeen } from "./support/upstreams.ts";

const ACTOR = { id: "ada", tenant: "default", role: "owner" } as const;
const TEAMS = ["search", "ads", "maps"] as const;
type Team = (typeof TEAMS)[number];
type Use = "only" | "first" | "last";

let one: NotingUpstream;
let two: NotingUpstream;
let elsewhere: NotingUpstream;
let gateway: TestGateway;
const keys = new Map<string, string>();

const asked = (kind: string): { kind: string; tenant: string; actor: typeof ACTOR } => ({ kind, tenant: "default", actor: ACTOR });
const make = (kind: string, id: string, body: JsonObject): ManageResult => {
  const made = createObject(gateway.managed, asked(kind), id, body);
  assert.equal(made.kind, "done", JSON.stringify(made));
  return made;
};
const give = (team: Team | null, account: string, use: Use | null, more: JsonObject = {}): void => {
  make("credential", `${account}-${team ?? "all"}`, { account, ...(team === null ? {} : { team }), ...(use === null ? {} : { use }), api_key: secretOf(team, account), ...more });
};
const secretOf = (team: string | null, account: string): string => `sk-${team ?? "organisation"}-own-${account}`;

before(async () => {
  [one, two, elsewhere] = await Promise.all([notingUpstream(), notingUpstream(), notingUpstream()]);
  gateway = await testGateway(`
version: 1
keys: [{ name: old, key: old-key }]
providers:
  a: { type: openai-compatible, base_url: "${one.url}", api_key: sk-org-a, models: { m: { price: { input: 1, output: 2 } } } }
  b: { type: openai-compatible, base_url: "${two.url}", api_key: sk-org-b, models: { m: { price: { input: 1, output: 2 } } } }
routes:
  r: { candidates: [a/m, b/m] }
  w: { candidates: [{ use: a/m, weight: 1 }, { use: b/m, weight: 1 }], strategy: weighted }
health: { rest: 1ms, rest_max: 1ms }
`);
  for (const team of TEAMS) {
    make("team", team, { name: team });
    const made = make("key", `of-${team}`, { team });
    keys.set(team, made.kind === "done" && typeof made.once?.["key"] === "string" ? made.once["key"] : "");
  }
  keys.set("old", "old-key");
});
beforeEach(() => {
  for (const object of Array.from(gateway.managed.store.all("credential"))) deleteObject(gateway.managed, asked("credential"), object.id);
  for (const upstream of [one, two, elsewhere]) {
    upstream.seen.length = 0;
    upstream.fault = null;
  }
});
after(async () => {
  await gateway.close();
  for (const upstream of [one, two, elsewhere]) await upstream.close();
});

interface Told {
  readonly status: number;
  readonly deployment: string | null;
  readonly id: string;
  readonly text: string;
}

/** A call of this team; what it asks names the team, so that an upstream sees whose it is. */
async function call(team: string, model = "r", stream = false): Promise<Told> {
  const response = await fetch(`${gateway.baseUrl}/chat/completions`, {
    method: "POST",
    headers: { "content-type": "application/json", authorization: `Bearer ${keys.get(team) ?? ""}` },
    body: JSON.stringify({ model, stream, messages: [{ role: "user", content: `of:${team}` }] }),
  });
  return { status: response.status, deployment: response.headers.get("x-spillway-deployment"), id: response.headers.get("x-request-id") ?? "", text: await response.text() };
}

function teamOf({ body }: UpstreamSeen): string {
  return /of:([a-z]+)/.exec(JSON.stringify(body))?.[1] ?? "";
}

const secrets = (): readonly string[] => [...one.seen, ...two.seen].map(({ secret }) => secret);

describe("a credential of a team's own", () => {
  it("serves that team alone: nobody else's call changes, none is told of it, and none can ask for it by name", async () => {
    give("search", "a", "only");
    assert.equal((await call("search")).deployment, "a~search/m");
    for (const other of ["ads", "old"]) {
      assert.equal((await call(other)).deployment, "a/m");
      const named = await call(other, "a~search/m");
      assert.ok(named.status >= 400 && named.status < 500, String(named.status));
    }
    assert.deepEqual(secrets(), [secretOf("search", "a"), "sk-org-a", "sk-org-a"]);
    assert.equal((await call("search", "a~search/m")).deployment, "a~search/m");
  });

  it("stands alone, before or after the organisation's, as the team says", async () => {
    one.fault = two.fault = () => 503;
    for (const [use, expected] of [
      ["only", [secretOf("search", "a"), "sk-org-b"]],
      ["first", [secretOf("search", "a"), "sk-org-a", "sk-org-b"]],
      ["last", ["sk-org-a", secretOf("search", "a"), "sk-org-b"]],
    ] as const) {
      one.seen.length = two.seen.length = 0;
      give("search", "a", use);
      const route = await call("search");
      assert.ok(route.status >= 500);
      assert.deepEqual(new Set(secrets()), new Set(expected), use);
      deleteObject(gateway.managed, asked("credential"), "a-search");
    }
  });

  it("is at hand with the next request, and gone with the next after it is disabled or deleted", async () => {
    give("search", "a", "first");
    assert.equal((await call("search")).deployment, "a~search/m");
    updateObject(gateway.managed, asked("credential"), "a-search", { disabled: true });
    assert.equal((await call("search")).deployment, "a/m");
    updateObject(gateway.managed, asked("credential"), "a-search", { disabled: null, api_key: "sk-search-newer" });
    assert.equal((await call("search")).deployment, "a~search/m");
    assert.equal(secrets().at(-1), "sk-search-newer");
    deleteObject(gateway.managed, asked("credential"), "a-search");
    assert.equal((await call("search")).deployment, "a/m");
  });

  it("that is to be the only one and cannot be used leaves nothing of that account, and the organisation's is not used", async () => {
    give("search", "a", "only");
    updateObject(gateway.managed, asked("credential"), "a-search", { disabled: true });
    assert.equal((await call("search")).deployment, "b/m");
    const alone = await call("search", "a/m");
    assert.deepEqual([alone.status, /provider_not_configured/.test(alone.text)], [400, true]);
    assert.ok(!secrets().includes("sk-org-a"));
  });

  it("is charged to the team: with the scope paid_by/team, and its account by its own name", async () => {
    give("search", "a", "first");
    const told = await call("search");
    const other = await call("ads");
    const views = await gateway.requests();
    const scopesOf = (id: string): readonly string[] => views.find((view) => view.requestId === id)?.attempts[0]?.scopes ?? [];
    assert.deepEqual(scopesOf(told.id), ["tenant/default", "team/search", "key/of-search", "route/r", "model/m", "provider/a~search", "paid_by/team"]);
    assert.deepEqual(scopesOf(other.id), ["tenant/default", "team/ads", "key/of-ads", "route/r", "model/m", "provider/a"]);
  });

  it("that is refused by its provider rests alone; the organisation's account goes on", async () => {
    give("search", "a", "only");
    one.fault = ({ secret }) => (secret.includes("own") ? 401 : null);
    assert.equal((await call("search")).deployment, "b/m");
    assert.equal((await call("ads")).deployment, "a/m");
    // Excluded, until there is a new one.
    one.seen.length = 0;
    assert.equal((await call("search")).deployment, "b/m");
    assert.ok(!secrets().includes(secretOf("search", "a")));
    one.fault = null;
    updateObject(gateway.managed, asked("credential"), "a-search", { api_key: "sk-search-own-newer" });
    assert.equal((await call("search")).deployment, "a~search/m");
  });

  it("goes to no other address than it was given for", async () => {
    give("search", "a", "only");
    const kind = gateway.managed.kinds.get("credential");
    const before = gateway.managed.store.get("credential", "a-search");
    const place = { id: "a-search", tenant: "default", nowMs: 0 };
    // What an update does, for an address that only a test may have.
    const moved = kind?.seal?.({ account: "a", team: "search", use: "only", base_url: elsewhere.url }, before, place).body ?? {};
    gateway.managed.store.apply([{ op: "put", kind: "credential", id: "a-search", tenant: "default", body: moved }], ACTOR, "update");
    assert.equal((await call("search")).deployment, "b/m");
    assert.equal(elsewhere.seen.length, 0);
    const renewed = kind?.seal?.({ account: "a", team: "search", use: "only", base_url: elsewhere.url, api_key: "sk-search-own-there" }, before, place).body ?? {};
    gateway.managed.store.apply([{ op: "put", kind: "credential", id: "a-search", tenant: "default", body: renewed }], ACTOR, "update");
    assert.equal((await call("search")).deployment, "a~search/m");
    assert.deepEqual(elsewhere.seen.map(({ secret }) => secret), ["sk-search-own-there"]);
    assert.ok(!one.seen.some(({ secret }) => secret === "sk-search-own-there"));
  });

  it("is sealed on disk, with a key that is its owner's alone", () => {
    give("search", "a", "only");
    give(null, "b", null);
    for (const file of ["control.db", "control.db-wal", "ledger.db", "ledger.db-wal"]) assert.ok(!readFileSync(join(gateway.dataDir, file)).includes("-own-"), file);
    assert.equal(statSync(join(gateway.dataDir, "control.key")).mode & 0o777, 0o600);
    assert.ok(!JSON.stringify(gateway.managed.store.audit({ after: 0, limit: 1_000 })).includes("-own-"));
  });

  it("stands before the organisation's managed one in place of the configuration's", async () => {
    give(null, "a", null);
    assert.equal((await call("ads")).deployment, "a~@default/m");
    give("search", "a", "first");
    one.fault = ({ secret }) => (secret === secretOf("search", "a") ? 503 : null);
    two.fault = () => 503;
    await call("search");
    assert.ok(secrets().includes(secretOf("search", "a")) && secrets().includes(secretOf(null, "a")));
    assert.ok(!secrets().includes("sk-org-a"));
  });

  it("never carries another's request, whatever fails and whatever is tried next", async () => {
    const uses = fc.option(fc.constantFrom<Use>("only", "first", "last"), { nil: null });
    const given = fc.record({ a: uses, b: uses });
    const world = fc.record({
      given: fc.record({ search: given, ads: given, maps: given }),
      failing: fc.array(fc.boolean(), { minLength: 8, maxLength: 8 }),
      calls: fc.array(fc.record({ team: fc.constantFrom(...TEAMS, "old"), model: fc.constantFrom("r", "w", "a/m", "b/m", "m"), stream: fc.boolean() }), { minLength: 4, maxLength: 10 }),
      change: fc.boolean(),
    });
    let withSecret = 0;
    await fc.assert(
      fc.asyncProperty(world, async ({ given: wanted, failing, calls, change }) => {
        for (const object of Array.from(gateway.managed.store.all("credential"))) deleteObject(gateway.managed, asked("credential"), object.id);
        for (const team of TEAMS) for (const account of ["a", "b"] as const) if (wanted[team][account] !== null) give(team, account, wanted[team][account]);
        let turn = 0;
        one.seen.length = two.seen.length = 0;
        one.fault = two.fault = () => (failing[turn++ % failing.length] === true ? 503 : null);
        const running = calls.map(({ team, model, stream }) => call(team, model, stream));
        // A credential that changes amid the calls of others changes nothing for them.
        if (change && wanted.search.a !== null) updateObject(gateway.managed, asked("credential"), "a-search", { name: "renamed" });
        await Promise.all(running);
        for (const [account, seen] of [["a", one.seen], ["b", two.seen]] as const) {
          for (const sent of seen) {
            const team = teamOf(sent);
            const use = (TEAMS as readonly string[]).includes(team) ? wanted[team as Team][account] : null;
            const allowed = [...(use === "only" ? [] : [`sk-org-${account}`]), ...(use === null ? [] : [secretOf(team, account)])];
            if (sent.secret.includes("own")) withSecret++;
            assert.ok(allowed.includes(sent.secret), `a call of ${team} carried ${sent.secret} to ${account}, where it may carry ${allowed.join(" or ")}`);
          }
        }
      }),
      { numRuns: 30, seed: 5, interruptAfterTimeLimit: 6_000 },
    );
    assert.ok(withSecret > 20, `only ${withSecret} calls carried a team's own secret`);
  });
});
