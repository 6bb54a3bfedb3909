/** Spend by the admin API: it is what the ledger holds, by any dimension, as JSON, CSV and FOCUS. */
import assert from "node:assert/strict";
import { after, before, describe, it } from "node:test";
import { FOCUS_COLUMNS } from "../../src/admin/focus.ts";
import type { JsonObject } from "../../src/wire/json.ts";
import { parseUsd } from "../../src/wire/money.ts";
import { openReadOnly } from "../../src/storage/data-dir.ts";
import { adminWorld, type AdminWorld } from "./world.ts";

describe("usage", () => {
  let world: AdminWorld;
  let search = "";
  let ads = "";
  before(async () => {
    world = await adminWorld();
    for (const id of ["search", "ads"]) await world.make("teams", { id, name: id.toUpperCase() });
    await world.make("projects", { id: "bot", name: "Bot", team: "search" });
    search = await world.make("keys", { id: "searcher", project: "bot" });
    ads = await world.make("keys", { id: "seller", team: "ads", expose: "none" });
    for (let i = 0; i < 3; i++) assert.equal((await world.call(search, {}, { "x-spillway-tag-feature": i === 0 ? "=cmd" : "chat" })).status, 200);
    assert.equal((await world.call(ads, { model: "one/large" })).status, 200);
    assert.equal((await world.call(ads, { model: "two/talk" })).status, 200);
    await world.gateway.requests();
  });
  after(() => world.close());

  const rowsOf = (json: JsonObject): readonly JsonObject[] => json["data"] as readonly JsonObject[];
  const nanoOf = (value: unknown): number => parseUsd(value) ?? Number.NaN;

  it("is the ledger's, to the nano-dollar, by any dimension", async () => {
    const reader = openReadOnly(world.gateway.dataDir);
    const ledger = reader.totals().reduce((sum, one) => sum + one.costNanoUsd, 0n);
    reader.close();
    assert.ok(ledger > 0n);
    for (const by of ["", "key", "member", "team", "project", "route", "model", "provider", "deployment", "paid_by", "day", "week", "month", "tag:feature", "key,model,day"]) {
      const { status, json } = await world.ask("GET", `/usage?by=${by}`);
      assert.equal(status, 200, by);
      const rows = rowsOf(json);
      assert.equal(BigInt(rows.reduce((sum, row) => sum + nanoOf(row["total_usd"]), 0)), ledger, by);
      assert.equal(BigInt(nanoOf((json["total"] as JsonObject)["total_usd"])), ledger);
      assert.equal(rows.reduce((sum, row) => sum + Number(row["requests"]), 0), 5);
    }
    const teams = rowsOf((await world.ask("GET", "/usage?by=team")).json);
    assert.deepEqual(teams.map((row) => [row["team"], row["requests"]]), [["ads", 2], ["search", 3]]);
    const tags = rowsOf((await world.ask("GET", "/usage?by=tag:feature&team=search")).json);
    assert.deepEqual(tags.map((row) => [row["tag:feature"], row["requests"]]), [["chat", 2], ["=cmd", 1]]);
    const only = (await world.ask("GET", "/usage?tag:feature=chat&model=chat")).json;
    assert.equal((only["total"] as JsonObject)["requests"], 2);
  });

  it("gives what a request and a million tokens came to", async () => {
    const [row] = rowsOf((await world.ask("GET", "/usage?by=key&key=searcher")).json);
    assert.ok(row !== undefined);
    const total = nanoOf(row["total_usd"]);
    assert.equal(nanoOf(row["usd_per_request"]), Math.round(total / 3));
    assert.equal(nanoOf(row["usd_per_million_tokens"]), Math.round((total * 1e6) / (Number(row["input_tokens"]) + Number(row["output_tokens"]))));
  });

  it("tells movers against as much time before", async () => {
    const now = Date.now();
    const { status, json } = await world.ask("GET", `/usage/movers?by=team&from=${new Date(now - 3_600_000).toISOString()}&to=${new Date(now + 60_000).toISOString()}`);
    assert.equal(status, 200);
    assert.deepEqual(rowsOf(json).map((row) => [row["team"], row["before_usd"], row["change_percent"]]), [["ads", "0.000000000", null], ["search", "0.000000000", null]]);
  });

  it("streams CSV in which nobody's tag is a formula", async () => {
    const { status, headers, text } = await world.ask("GET", "/usage?by=tag:feature,key&format=csv");
    assert.equal(status, 200);
    assert.match(headers.get("content-type") ?? "", /^text\/csv/);
    const lines = text.trimEnd().split("\r\n");
    assert.equal(lines[0]?.startsWith("tag:feature,key,requests,calls,"), true);
    assert.equal(lines.length, 4);
    assert.ok(lines.some((line) => line.startsWith("'=cmd,searcher,1,")), text);
  });

  it("gives FOCUS rows with every column of version 1.2, whose costs are the total", async () => {
    const { text } = await world.ask("GET", "/usage?format=focus");
    const [head = "", ...lines] = text.trimEnd().split("\r\n");
    assert.deepEqual(head.split(","), FOCUS_COLUMNS);
    const billed = FOCUS_COLUMNS.indexOf("BilledCost");
    const total = nanoOf((((await world.ask("GET", "/usage")).json)["total"] as JsonObject)["total_usd"]);
    assert.equal(lines.length, 4);
    assert.equal(lines.reduce((sum, line) => sum + nanoOf(line.split(",")[billed]), 0), total);
  });

  it("says which parameter is wrong", async () => {
    for (const [query, field] of [["by=nobody", "by"], ["from=2026-13-01", "from"], ["from=2026-11-02&to=2026-11-01", "from"], ["time_zone=Mars", "time_zone"], ["tem=search", "tem"], ["limit=0", "limit"], ["format=xml", "format"], ["format=focus&by=team", "by"]] as const) {
      const { status, problems } = await world.ask("GET", `/usage?${query}`);
      assert.deepEqual([status, problems[0]?.field], [400, field], query);
    }
  });

  it("shows a caller's key its own and nothing else, and no more than it is told anyway", async () => {
    const own = (await world.askAs(search, "GET", "/usage?by=key")).json;
    assert.deepEqual(rowsOf(own).map((row) => row["key"]), ["searcher"]);
    assert.equal((await world.askAs(search, "GET", "/usage?key=seller")).json["groups"], 0);
    const blind = (await world.askAs(ads, "GET", "/usage?by=route")).json;
    assert.equal(JSON.stringify(blind).includes("usd"), false);
    for (const path of ["/usage?by=deployment", "/usage?by=model", "/usage?format=csv", "/requests?deployment=one/large"]) assert.equal((await world.askAs(ads, "GET", path)).status, 403, path);
    assert.equal((await world.askAs(search, "GET", "/usage?format=focus")).status, 403);
    const requests = await world.askAs(ads, "GET", "/requests");
    assert.equal(rowsOf(requests.json).length, 2);
    assert.ok(!/usd|decision|deployment|attempt/.test(requests.text), requests.text);
    const mine = await world.askAs(search, "GET", "/requests?limit=2");
    assert.deepEqual(rowsOf(mine.json).map((row) => row["key"]), ["searcher", "searcher"]);
    assert.ok(!mine.text.includes("decision") && mine.text.includes("cost_usd"));
    assert.equal((await world.askAs(search, "GET", `/requests?after=${mine.json["next"] as string}&limit=2`)).json["next"], null);
    assert.deepEqual((await world.askAs(search, "GET", "/requests?key=seller")).json, { data: [], next: null });
    assert.equal((await world.askAs(search, "GET", "/teams")).status, 403);
  });

  it("lists requests by pages and by what they were, and tells one in full", async () => {
    const seen: string[] = [];
    for (let next: string | null = ""; next !== null; ) {
      const { json } = await world.ask("GET", `/requests?limit=2&after=${next}`);
      seen.push(...rowsOf(json).map((row) => row["request_id"] as string));
      next = json["next"] as string | null;
    }
    assert.equal(new Set(seen).size, 5);
    assert.deepEqual(seen, seen.toSorted().toReversed());
    const listed = async (query: string): Promise<number> => rowsOf((await world.ask("GET", `/requests?${query}`)).json).length;
    assert.deepEqual(await Promise.all(["key=seller", "model=one/large", "scope=team/search", "scope=team/search&scope=tag/feature=chat", "status=200", "outcome=error", "to=2020-01-01", "from=2020-01-01", "deployment=two/talk"].map(listed)), [2, 1, 3, 2, 5, 0, 0, 5, 1]);
    const one = await world.ask("GET", `/requests/${seen[0] ?? ""}`);
    assert.deepEqual([one.status, one.json["request_id"]], [200, seen[0]]);
    assert.match(one.text, /bound_nano_usd/);
    const viewer = await world.member("watcher", { role: "viewer" });
    const plain = await world.askAs(viewer, "GET", `/requests/${seen[0] ?? ""}`);
    assert.equal(plain.status, 200);
    assert.ok(plain.text.includes("candidates") && !plain.text.includes("bound_nano_usd"), "a viewer sees the choice, without what its candidates would have cost");
    assert.equal((await world.ask("GET", "/requests/req_nothing")).status, 404);
  });
});

describe("a budget's balance", () => {
  it("tells limit, spend, what is left and when it begins anew", async () => {
    const world = await adminWorld();
    try {
      await world.make("teams", { id: "search", name: "Search" });
      const key = await world.make("keys", { id: "app", team: "search" });
      await world.make("budgets", { id: "day", scope: "team/search", period: "day", limit_usd: "0.5" });
      await world.call(key);
      const { status, json } = await world.ask("GET", "/budgets/day/balance");
      assert.equal(status, 200);
      const [part] = json["data"] as readonly JsonObject[];
      assert.ok(part !== undefined);
      const settled = parseUsd(part["settled_usd"]) ?? 0;
      assert.ok(settled > 0);
      assert.deepEqual([part["limit_usd"], part["held_usd"], part["overrun_usd"], parseUsd(part["left_usd"])], ["0.500000000", "0.000000000", "0.000000000", 500_000_000 - settled]);
      assert.match(String(part["resets_at"] as string), /T00:00:00\.000Z$/);
      assert.deepEqual(Object.keys(part["forecast"] as JsonObject), ["period_usd_per_hour", "recent_usd_per_hour", "at_end_usd", "exhausts_at"]);
      const configured = await world.ask("GET", "/budgets/config:month/balance");
      assert.deepEqual((configured.json["data"] as readonly JsonObject[]).map((one) => one["scopes"]), [["team/search", "model/gpt-4o"], ["team/search", "model/gpt-4o-mini"]]);
      assert.equal((await world.ask("GET", "/budgets/none/balance")).status, 404);
    } finally {
      await world.close();
    }
  });
});
