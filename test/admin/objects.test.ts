/** Managed objects over the admin port of a running gateway. */
import assert from "node:assert/strict";
import { after, before, describe, it } from "node:test";
import { adminWorld, type AdminWorld } from "./world.ts";

describe("managed objects", () => {
  let world: AdminWorld;
  before(async () => {
    world = await adminWorld();
  });
  after(() => world.close());

  it("are made, listed by pages, read, changed by version and deleted", async () => {
    const made = await world.ask("POST", "/teams", { id: "search", name: "Search" });
    assert.equal(made.status, 201);
    assert.equal(made.headers.get("etag"), '"1"');
    assert.equal(made.headers.get("location"), "/admin/v1/teams/search");
    for (const id of ["a", "b", "c"]) assert.equal((await world.ask("POST", "/projects", { id, name: id.toUpperCase(), team: "search" })).status, 201);
    const first = await world.ask("GET", "/projects?limit=2");
    assert.deepEqual([first.ids, first.json["next"]], [["a", "b"], "b"]);
    const second = await world.ask("GET", "/projects?limit=2&after=b");
    assert.deepEqual([second.ids, second.json["next"]], [["c"], null]);
    const stale = await world.ask("PATCH", "/projects/a", { name: "New" }, { "if-match": '"7"' });
    assert.deepEqual([stale.status, stale.code], [412, "version_mismatch"]);
    const changed = await world.ask("PATCH", "/projects/a", { name: "New" }, { "if-match": '"1"' });
    assert.deepEqual([changed.status, changed.json["name"], changed.json["version"], changed.json["team"]], [200, "New", 2, "search"]);
    const inUse = await world.ask("DELETE", "/teams/search");
    assert.deepEqual([inUse.status, inUse.code], [409, "conflict"]);
    for (const id of ["a", "b", "c"]) assert.equal((await world.ask("DELETE", `/projects/${id}`)).status, 204);
    assert.equal((await world.ask("DELETE", "/teams/search")).status, 204);
    assert.equal((await world.ask("GET", "/teams/search")).status, 404);
  });

  it("tell of a refused change every field and why, and change nothing", async () => {
    const refused = await world.ask("POST", "/budgets", { id: "b", scope: "team/nobody", period: "fortnight", limit_usd: -1, extra: 1 });
    assert.deepEqual([refused.status, refused.code], [400, "invalid"]);
    const fields = refused.problems.map(({ field }) => field).toSorted();
    assert.deepEqual(fields, ["extra", "limit_usd", "period"]);
    const dangling = await world.ask("POST", "/budgets", { id: "b", scope: "team/nobody", period: "month", limit_usd: 1 });
    assert.deepEqual(dangling.problems, [{ field: "scope", message: "there is no team nobody" }]);
    assert.equal((await world.ask("GET", "/budgets/b")).status, 404);
  });

  it("show a key's secret once, when it is made or rotated, and never again", async () => {
    const made = await world.ask("POST", "/keys", { id: "app" });
    const key = (made.json["once"] as { key: string }).key;
    assert.match(key, /^spw_default_[\w-]{43}$/);
    const rotated = await world.ask("POST", "/keys/app/rotate", { grace_seconds: 60 });
    const next = (rotated.json["once"] as { key: string }).key;
    assert.notEqual(next, key);
    for (const path of ["/keys", "/keys/app"]) {
      const { text } = await world.ask("GET", path);
      assert.ok(!text.includes(key.slice(17)) && !text.includes(next.slice(17)) && !text.includes("hash"), text);
    }
    for (const secret of [key, next]) assert.equal((await world.call(secret)).status, 200);
    assert.equal((await world.ask("PATCH", "/keys/app", { disabled: true })).status, 200);
    for (const secret of [key, next]) assert.equal((await world.call(secret)).status, 401);
    assert.equal((await world.raw("POST", "/keys/app/enable", "", "application/json")).status, 200);
    assert.equal((await world.call(next)).status, 200);
    assert.equal((await world.ask("POST", "/keys/app/disable")).status, 200);
    assert.equal((await world.call(next)).status, 401);
  });

  it("lose a credential's secret with the address, account or team that it was given for", async () => {
    for (const id of ["a", "b"]) await world.make("teams", { id: `team-${id}`, name: id });
    for (const [change, keeps] of [[{ note: "x" }, true], [{ base_url: "https://elsewhere.example.com/v1" }, false], [{ team: "team-b" }, false]] as const) {
      const made = await world.ask("POST", "/credentials", { id: "theirs", account: "one", team: "team-a", api_key: "sk-given-for-one-place" });
      assert.deepEqual([made.status, made.json["has_secret"]], [201, true], made.text);
      const changed = await world.ask("PATCH", "/credentials/theirs", change);
      assert.deepEqual([changed.status, changed.json["has_secret"]], [200, keeps], JSON.stringify(change));
      assert.equal((await world.ask("DELETE", "/credentials/theirs")).status, 204);
    }
  });

  it("of the configuration are listed beside the others and refuse every change", async () => {
    for (const [path, id] of [["/budgets", "config:month"], ["/limits", "config:pace"], ["/keys", "configured"], ["/prices", "config:later"], ["/contracts", "agreed"], ["/channels", "config:ops"]] as const) {
      assert.ok((await world.ask("GET", path)).ids.includes(id), path);
      const one = await world.ask("GET", `${path}/${id}`);
      assert.deepEqual([one.status, one.json["source"], one.json["version"]], [200, "config", null]);
      for (const [method, at, body] of [["PATCH", `${path}/${id}`, { name: "x" }], ["DELETE", `${path}/${id}`, undefined]] as const) {
        const refused = await world.ask(method, at, body);
        assert.deepEqual([refused.status, refused.code], [409, "configured"], `${method} ${at}`);
      }
    }
    const budget = await world.ask("GET", "/budgets/config:month");
    assert.deepEqual([budget.json["limit_usd"], budget.json["scopes"], budget.json["models"]], ["100.00", ["team/search"], ["gpt-4o", "gpt-4o-mini"]]);
    assert.equal((await world.ask("POST", "/keys", { id: "configured" })).status, 409);
  });

  it("take JSON objects of a bounded size, and say what else was sent", async () => {
    assert.equal((await world.raw("POST", "/teams", "{", "application/json")).status, 400);
    assert.equal((await world.raw("POST", "/teams", "[]", "application/json")).status, 400);
    assert.equal((await world.raw("POST", "/teams", '{"name":"x"}', "text/plain")).status, 415);
    assert.equal((await world.raw("POST", "/teams", JSON.stringify({ name: "x".repeat(2 << 20) }), "application/json")).status, 413);
    assert.equal((await world.raw("PUT", "/teams", "", "application/json")).status, 405);
    assert.equal((await world.ask("GET", "/keyz")).status, 404);
    assert.equal((await world.ask("GET", "/keys?limit=0")).status, 400);
    assert.equal((await world.ask("GET", "/keys?team=search")).status, 400, "what filters nothing is said, not passed over");
  });
});
