/** How managed objects are made, changed and deleted, over the store in memory. */
import assert from "node:assert/strict";
import { describe, it } from "node:test";
import { z } from "zod";
import { MemoryControlStore } from "../storage/control-memory.ts";
import type { JsonObject } from "../wire/json.ts";
import { budgetsOf } from "./kinds/budget.ts";
import { KINDS, kindsWith, shownOf } from "./kinds/index.ts";
import { secretsOf } from "./kinds/key.ts";
import { limitsOf } from "./kinds/limit.ts";
import { actOnObject, createObject, deleteObject, updateObject, type Managed, type ManageResult } from "./manage.ts";
import { hashOfKey, type Vault } from "./seal.ts";
import type { Actor, StoredObject } from "./types.ts";

const ADA: Actor = { id: "ada", tenant: "default", role: "owner" };
const HOUR_MS = 3_600_000;
/** Seals by writing in hexadecimal: what it opens is for one place only. */
const VAULT: Vault = {
  seal: (place, secret) => `${place.tenant}/${place.id}:${Buffer.from(secret).toString("hex")}`,
  open: (place, sealed) => (sealed.startsWith(`${place.tenant}/${place.id}:`) ? Buffer.from(sealed.slice(place.tenant.length + place.id.length + 2), "hex").toString() : undefined),
};

class World {
  nowMs = Date.UTC(2026, 10, 23, 12);
  readonly store = new MemoryControlStore({ wallMs: () => this.nowMs, shown: shownOf });
  readonly managed: Managed = {
    store: this.store,
    kinds: kindsWith(VAULT),
    nowMs: () => this.nowMs,
    configured: (scope) => ["key/old", "route/support", "route/r", "model/m1", "model/m2", "provider/openai", "keyed/openai", "provider/signed"].includes(scope),
  };

  constructor() {
    this.store.apply([{ op: "put", kind: "organisation", id: "default", tenant: "default", body: { name: "Default" } }], ADA, "create");
  }

  make(kind: string, id: string | null, body: JsonObject, tenant = "default"): ManageResult {
    return createObject(this.managed, { kind, tenant, actor: ADA }, id, body);
  }

  change(kind: string, id: string, body: JsonObject, tenant = "default"): ManageResult {
    return updateObject(this.managed, { kind, tenant, actor: ADA }, id, body);
  }

  remove(kind: string, id: string, tenant = "default"): ManageResult {
    return deleteObject(this.managed, { kind, tenant, actor: ADA }, id);
  }

  act(kind: string, id: string, action: string, body: JsonObject, tenant = "default"): ManageResult {
    return actOnObject(this.managed, { kind, tenant, actor: ADA }, id, action, body);
  }
}

function done(result: ManageResult): StoredObject {
  assert.equal(result.kind, "done", JSON.stringify(result));
  if (result.kind !== "done") throw new Error("refused");
  return result.object;
}

/** `field: message` of each problem, or the refusal's code. */
function problems(result: ManageResult): readonly string[] {
  if (result.kind === "done") return ["done"];
  return result.code === "invalid" ? result.problems.map(({ field, message }) => `${field}: ${message}`) : [result.code];
}

function text(value: unknown): string {
  assert.equal(typeof value, "string");
  return typeof value === "string" ? value : "";
}

function keyTextOf(result: ManageResult): string {
  return text(result.kind === "done" ? result.once?.["key"] : undefined);
}

describe("a refused change says which field and why", () => {
  const ROWS: readonly (readonly [what: string, kind: string, body: JsonObject, expected: readonly RegExp[]])[] = [
    ["an unknown field", "team", { name: "a", admin: true }, [/^admin: there is no such field$/]],
    ["an empty name", "team", { name: " " }, [/^name: expected text of 1 to 200 characters$/]],
    ["a missing name", "project", {}, [/^name: expected text/]],
    ["a project of a team that is not there", "project", { name: "a", team: "nowhere" }, [/^team: there is no team nowhere$/]],
    ["a role that does not exist", "member", { name: "a", role: "root" }, [/^role: expected owner, admin/]],
    ["a member's team that is not there", "member", { name: "a", teams: ["search", "nowhere"] }, [/^teams\[1\]: there is no team nowhere$/]],
    ["what a key is made of", "key", { secrets: [{ hash: "mine", prefix: "x", until_ms: null }] }, [/^secrets: there is no such field$/]],
    ["a key of a project of another team", "key", { team: "search", project: "loose" }, [/^team: the project loose belongs to no team$/]],
    ["a key's time that is none", "key", { expires_at: "tomorrow" }, [/^expires_at: expected a time such as/]],
    ["a time without a zone", "key", { expires_at: "2026-12-31T00:00:00" }, [/^expires_at: /]],
    ["a list that allows nothing", "key", { models: [] }, [/^models: an empty list allows nothing/]],
    ["a region that is a sentence", "key", { residency: ["the EU"] }, [/^residency\[0\]: expected a region such as eu/]],
    ["a tag field that would read anything", "key", { tag_fields: ["messages"] }, [/^tag_fields\[0\]: expected user/]],
    ["a cap below nothing", "key", { max_request_usd: -1 }, [/^max_request_usd: expected dollars/]],
    ["a budget without a scope", "budget", { period: "day", limit_usd: 1 }, [/^scopes: at least one scope/]],
    ["a budget of a scope that is no scope", "budget", { scope: "everything", period: "day", limit_usd: 1 }, [/^scope: expected a scope: tenant/]],
    ["a budget of nobody", "budget", { scopes: ["team/search", "team/nowhere"], period: "day", limit_usd: 1 }, [/^scopes\[1\]: there is no team nowhere$/]],
    ["a budget of a key that is in neither place", "budget", { scope: "key/nowhere", period: "day", limit_usd: 1 }, [/^scope: there is no key nowhere$/]],
    ["limits on models and routes that do not exist", "limit", { scope: "model/nowhere", concurrency: 1, models: ["gone"], routes: ["support", "away"] }, [/^scope: there is no model nowhere$/, /^models\[0\]: there is no model gone$/, /^routes\[1\]: there is no route away$/]],
    ["a budget of a route that is not configured", "budget", { scope: "route/nowhere", period: "day", limit_usd: 1 }, [/^scope: there is no route nowhere$/]],
    ["a budget of a tag without a value", "budget", { scope: "tag/feature", period: "day", limit_usd: 1 }, [/^scope: a tag with its value/]],
    ["scope and scopes", "budget", { scope: "team/search", scopes: ["team/search"], period: "day", limit_usd: 1 }, [/^scope: give scope or scopes/]],
    ["an unknown period", "budget", { scope: "team/search", period: "year", limit_usd: 1 }, [/^period: expected request, day/]],
    ["an unknown time zone", "budget", { scope: "team/search", period: "day", time_zone: "Mars/Base", limit_usd: 1 }, [/^time_zone: expected the name of a time zone/]],
    ["an offset for a time zone", "budget", { scope: "team/search", period: "day", time_zone: "+02:00", limit_usd: 1 }, [/^time_zone: /]],
    ["a limit below nothing", "budget", { scope: "team/search", period: "day", limit_usd: "-0.01" }, [/^limit_usd: expected dollars/]],
    ["a limit with ten places", "budget", { scope: "team/search", period: "day", limit_usd: "0.0000000001" }, [/^limit_usd: expected dollars/]],
    ["an alert at nothing", "budget", { scope: "team/search", period: "day", limit_usd: 1, alerts: [0] }, [/^alerts\[0\]: expected a percentage/]],
    ["a pattern for a model", "budget", { scope: "team/search", period: "day", limit_usd: 1, models: ["gpt-*"] }, [/^models\[0\]: a whole name/]],
    ["two wrong fields, both told", "budget", { scope: "team/search", period: "never", limit_usd: -1 }, [/^period: /, /^limit_usd: /]],
    ["a limit of nothing", "limit", { scope: "team/search" }, [/^requests_per_minute: at least one of/]],
    ["a limit below nothing", "limit", { scope: "team/search", concurrency: -1 }, [/^concurrency: expected a whole number of at least 0$/]],
    ["half a request", "limit", { scope: "team/search", requests_per_minute: 0.5 }, [/^requests_per_minute: expected a whole number/]],
    ["a credential for no account", "credential", { account: "nowhere", api_key: "k" }, [/^account: no account nowhere is configured$/]],
    ["a credential for an account that signs", "credential", { account: "signed", api_key: "k" }, [/^account: the account signed is not called by a key$/]],
    ["how a credential of all stands to itself", "credential", { account: "openai", api_key: "k", use: "first" }, [/^use: .*names no team$/]],
    ["a base URL without encryption", "credential", { account: "openai", base_url: "http://api.example.com" }, [/^base_url: expected an https address/]],
    ["a base URL within the network", "credential", { account: "openai", base_url: "https://169.254.169.254/latest" }, [/^base_url: /]],
    ["a base URL that is a number", "credential", { account: "openai", base_url: "https://2852039166/" }, [/^base_url: /]],
    ["a base URL of this machine", "credential", { account: "openai", base_url: "https://localhost/v1" }, [/^base_url: /]],
    ["a base URL with a password", "credential", { account: "openai", base_url: "https://a:b@api.example.com/v1" }, [/^base_url: /]],
  ];
  const world = new World();
  done(world.make("team", "search", { name: "Search" }));
  done(world.make("project", "loose", { name: "Loose" }));
  it("a wrong id beside wrong fields, all told", () => {
    assert.deepEqual(problems(world.make("key", "No Id", { team: "nowhere" })).map((one) => one.replace(/:.*/, "")), ["id", "team"]);
    assert.deepEqual(problems(world.make("key", "No Id", { residency: ["the EU"], max_request_usd: -1 })).map((one) => one.replace(/:.*/, "")), ["id", "residency[0]", "max_request_usd"]);
  });
  for (const [what, kind, body, expected] of ROWS) {
    it(what, () => {
      const found = problems(world.make(kind, null, body));
      assert.equal(found.length, expected.length, found.join(" | "));
      expected.forEach((pattern, i) => assert.match(found[i] ?? "", pattern));
      assert.deepEqual([...world.store.all(kind)].filter((one) => one.id !== "search" && one.id !== "loose"), []);
    });
  }

  it("an id that is none", () => {
    for (const id of ["", "A", "a b", "a/b", "acme.a", "-a", "a".repeat(64), "../a"]) assert.deepEqual(problems(world.make("team", id, { name: "a" })), ["id: expected 1 to 63 lower-case letters, digits, _ or -, beginning with a letter or digit"]);
  });
});

describe("objects", () => {
  it("are made with an id or get one, and are changed field by field; null takes a field away", () => {
    const world = new World();
    const made = done(world.make("team", null, { name: "Search", note: null }));
    assert.match(made.id, /^[0-9a-z]{13}$/);
    assert.deepEqual(made.body, { name: "Search" });
    assert.deepEqual(done(world.change("team", made.id, { note: "n" })).body, { name: "Search", note: "n" });
    assert.deepEqual(done(world.change("team", made.id, { note: null, name: "S" })).body, { name: "S" });
    assert.deepEqual(problems(world.change("team", "other", { name: "x" })), ["not_found"]);
    assert.deepEqual(problems(world.make("team", made.id, { name: "x" })), ["conflict"]);
  });

  it("are not deleted while others need them, and the organisation default never is", () => {
    const world = new World();
    done(world.make("team", "search", { name: "Search" }));
    done(world.make("project", "bot", { name: "Bot", team: "search" }));
    done(world.make("member", "ada", { name: "Ada", teams: ["search"] }));
    done(world.make("key", "app", { project: "bot", member: "ada" }));
    assert.deepEqual(problems(world.remove("team", "search")), ["conflict"]);
    assert.deepEqual(problems(world.remove("project", "bot")), ["conflict"]);
    assert.deepEqual(problems(world.remove("member", "ada")), ["conflict"]);
    for (const [kind, id] of [["key", "app"], ["project", "bot"], ["member", "ada"], ["team", "search"]] as const) done(world.remove(kind, id));
    assert.deepEqual(problems(world.remove("organisation", "default")), ["conflict"]);
  });

  it("of one organisation are nothing to another: not to read, change, name, delete, nor to take its ids", () => {
    const world = new World();
    done(world.make("organisation", "acme", { name: "Acme" }));
    assert.equal(world.store.get("organisation", "acme")?.tenant, "acme");
    done(world.make("team", "search", { name: "Search" }));
    const theirs = done(world.make("team", "search", { name: "Search of Acme" }, "acme"));
    assert.equal(theirs.id, "acme.search");
    for (const result of [world.change("team", "search", { name: "x" }, "acme"), world.remove("team", "search", "acme"), world.change("team", "acme.search", { name: "x" })]) assert.deepEqual(problems(result), ["not_found"]);
    assert.deepEqual(problems(world.make("key", "app", { team: "search" }, "acme")), ["team: there is no team search"]);
    assert.deepEqual(problems(world.make("budget", "b", { scope: "tenant/default", period: "day", limit_usd: 0 }, "acme")), ["scope: there is no organisation default"]);
    assert.deepEqual(problems(world.make("budget", "b", { scope: "team/search", period: "day", limit_usd: 0 }, "acme")), ["scope: there is no team search"]);
    const budget = done(world.make("budget", "b", { scope: "route/support", period: "day", limit_usd: 0 }, "acme"));
    assert.deepEqual(budgetsOf(budget)[0]?.scopes, ["tenant/acme", "route/support"]);
    assert.deepEqual(problems(world.remove("organisation", "acme")), ["conflict"]);
    assert.deepEqual(problems(world.make("organisation", "beta", { name: "Beta" }, "acme")), ["conflict"]);
    assert.deepEqual(problems(world.change("organisation", "default", { name: "x" }, "acme")), ["not_found"]);
    assert.equal(done(world.change("organisation", "acme", { name: "ACME" })).tenant, "acme");
  });

  it("have fields that JSON Schema can tell", () => {
    for (const kind of KINDS.values()) {
      const schema = z.toJSONSchema(kind.schema, { io: "input" });
      assert.equal(schema.additionalProperties, false, kind.name);
      for (const [field, told] of Object.entries(schema.properties ?? {})) assert.ok(typeof told === "object" && JSON.stringify(told).length > 2, `${kind.name}.${field}`);
    }
  });
});

describe("a key", () => {
  it("is shown once and kept as a hash", () => {
    const world = new World();
    const made = world.make("key", "app", {});
    const key = keyTextOf(made);
    assert.match(key, /^spw_default_[A-Za-z0-9_-]{43}$/);
    const object = done(made);
    assert.deepEqual(secretsOf(object.body), [{ hash: hashOfKey(key), prefix: key.slice(0, 16), untilMs: null }]);
    const everything = JSON.stringify([object, shownOf(object), world.store.audit({ after: 0, limit: 100 })]);
    assert.ok(!everything.includes(key.slice(-39)));
    assert.ok(!JSON.stringify([shownOf(object), world.store.audit({ after: 0, limit: 100 })]).includes(hashOfKey(key)));
    // A change leaves its secret as it is.
    assert.deepEqual(secretsOf(done(world.change("key", "app", { name: "App" })).body), secretsOf(object.body));
    assert.equal(world.make("key", "app2", {}).kind, "done");
  });

  it("is not named like one of the configuration", () => {
    assert.deepEqual(problems(new World().make("key", "old", {})), ["conflict"]);
  });

  it("is not named like what the gateway calls for itself, in whose records it could not be told apart", () => {
    const world = new World();
    for (const name of ["probe", "mirror"]) assert.deepEqual(problems(world.make("key", name, {})), ["conflict"]);
    assert.equal(world.make("key", "mirrors", {}).kind, "done");
  });

  it("has 256 random bits: of 20,000 no two share ten characters of their secret", () => {
    const world = new World();
    const seen = new Set<string>();
    done(world.make("key", "app", {}));
    for (let i = 0; i < 20_000; i++) {
      const secret = keyTextOf(world.act("key", "app", "rotate", { grace_seconds: 0 })).slice("spw_default_".length, "spw_default_".length + 10);
      assert.ok(!seen.has(secret));
      seen.add(secret);
    }
  });

  it("is rotated: the new secret at once, the old one for the grace, and no more than five", () => {
    const world = new World();
    const first = keyTextOf(world.make("key", "app", {}));
    const second = keyTextOf(world.act("key", "app", "rotate", {}));
    const secrets = (): readonly (readonly [string, number | null])[] => secretsOf(world.store.get("key", "app")?.body ?? {}).map(({ hash, untilMs }) => [hash, untilMs]);
    assert.deepEqual(secrets(), [[hashOfKey(second), null], [hashOfKey(first), world.nowMs + 24 * HOUR_MS]]);
    const third = keyTextOf(world.act("key", "app", "rotate", { grace_seconds: 3_600 }));
    // A shorter grace ends the older one's too; a longer one does not lengthen it.
    assert.deepEqual(secrets(), [[hashOfKey(third), null], [hashOfKey(second), world.nowMs + HOUR_MS], [hashOfKey(first), world.nowMs + HOUR_MS]]);
    world.nowMs += HOUR_MS;
    const fourth = keyTextOf(world.act("key", "app", "rotate", { grace_seconds: 0 }));
    assert.deepEqual(secrets(), [[hashOfKey(fourth), null]]);
    for (let i = 0; i < 8; i++) world.act("key", "app", "rotate", {});
    assert.equal(secrets().length, 5);
    assert.deepEqual(problems(world.act("key", "app", "rotate", { grace_seconds: -1 })), ["grace_seconds: expected a whole number from 0 to 2592000"]);
    assert.deepEqual(problems(world.act("key", "app", "explode", {})), ["not_found"]);
  });
});

describe("a credential", () => {
  it("is sealed, never shown, kept by changes of other things, and cleared when it would go elsewhere or serve somebody else", () => {
    const world = new World();
    done(world.make("team", "search", { name: "Search" }));
    done(world.make("team", "ads", { name: "Ads" }));
    const made = done(world.make("credential", "c", { account: "openai", team: "search", api_key: "sk-swordfish-1" }));
    assert.equal(VAULT.open({ tenant: "default", kind: "credential", id: "c" }, text(made.body["sealed"])), "sk-swordfish-1");
    assert.deepEqual(shownOf(made), { account: "openai", team: "search", has_secret: true });
    const has = (patch: JsonObject): unknown => shownOf(done(world.change("credential", "c", patch)))["has_secret"];
    assert.equal(has({ name: "ours", use: "first" }), true);
    assert.equal(has({ base_url: "https://other.example.com/v1" }), false);
    assert.equal(has({ api_key: "sk-swordfish-2" }), true);
    assert.equal(has({ base_url: "https://other.example.com/v2" }), false);
    assert.equal(has({ base_url: "https://other.example.com/v3", api_key: "sk-swordfish-3" }), true);
    assert.equal(has({ base_url: null }), false);
    assert.equal(has({ api_key: "sk-swordfish-4" }), true);
    assert.equal(has({ team: "ads" }), false);
    assert.ok(!JSON.stringify(world.store.audit({ after: 0, limit: 100 })).includes("swordfish"));
    assert.deepEqual(problems(world.make("credential", "d", { account: "openai", team: "ads", api_key: "k" })), ["account: the credential c is for this account and team already"]);
  });
});

describe("a budget and a limit", () => {
  it("come to what is counted, with defaults, exact to nine places", () => {
    const world = new World();
    done(world.make("team", "search", { name: "Search" }));
    const one = done(world.make("budget", "b", { scope: "team/search", period: "month", limit_usd: "100.000000001" }));
    assert.deepEqual(budgetsOf(one), [
      { id: "b", scopes: ["tenant/default", "team/search"], period: "month", timeZone: "UTC", limitNanoUsd: 100_000_000_001, kind: "hard", alertsAtPermille: [800, 1_000], cheaperFromPermille: null },
    ]);
    const many = done(world.make("budget", "c", { scopes: ["tenant/default"], period: "week", time_zone: "Europe/Berlin", limit_usd: 0.1, kind: "soft", alerts: [100, 12.3, 50], cheaper_at: 70, models: ["m1", "m2"], routes: ["r"] }));
    assert.deepEqual(budgetsOf(many).map(({ id, scopes }) => [id, scopes]), [
      ["c#model/m1,route/r", ["tenant/default", "model/m1", "route/r"]],
      ["c#model/m2,route/r", ["tenant/default", "model/m2", "route/r"]],
    ]);
    assert.deepEqual(budgetsOf(many)[0]?.alertsAtPermille, [123, 500, 1_000]);
    assert.equal(budgetsOf(many)[0]?.cheaperFromPermille, 700);
    assert.equal(budgetsOf(many)[0]?.limitNanoUsd, 100_000_000);
    const rate = done(world.make("limit", "l", { scope: "key/old", requests_per_minute: 60, models: ["m1"] }));
    assert.deepEqual(limitsOf(rate), [{ id: "l#model/m1", scopes: ["tenant/default", "key/old", "model/m1"], requestsPerMinute: 60, tokensPerMinute: null, concurrency: null }]);
  });
});
