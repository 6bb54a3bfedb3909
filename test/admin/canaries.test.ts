/** What a running gateway tries, as the admin API tells it: counted from real requests, and costs only to who minds the money. */
import assert from "node:assert/strict";
import { after, before, describe, it } from "node:test";
import type { JsonObject } from "../../src/wire/json.ts";
import { adminWorld, CONFIGURED_KEY, type AdminWorld } from "./world.ts";

const TRIED = {
  routes: {
    support: { candidates: ["one/chat"], canary: { use: "one/large", share: "50%", min_requests: 3 } },
    drafts: { candidates: ["one/chat"], mirror: { use: "one/large", share: "100%", max_usd_per_day: 5 } },
  },
};

describe("canaries and mirrors", () => {
  let world: AdminWorld;
  before(async () => {
    world = await adminWorld(TRIED);
  });
  after(() => world.close());

  const first = (list: unknown): JsonObject => (list as readonly JsonObject[])[0] ?? {};

  it("are listed with how they stand, as the command line tells them", async () => {
    for (let i = 0; i < 12; i++) assert.equal((await world.call(CONFIGURED_KEY, { model: "support" })).status, 200);
    assert.equal((await world.call(CONFIGURED_KEY, { model: "drafts" })).status, 200);
    const listed = async (): Promise<JsonObject> => (await world.ask("GET", "/canaries")).json;
    for (let i = 0; i < 50 && first((await listed())["mirrors"])["calls"] !== 1; i++) await world.gateway.requests();
    const { canaries, mirrors } = await listed();
    const canary = first(canaries);
    const [tried, rest] = [canary["canary"], canary["rest"]] as readonly JsonObject[];
    assert.deepEqual([canary["route"], canary["use"], canary["share"], canary["min_requests"], canary["rolled_back"]], ["support", "one/large", 0.5, 3, null]);
    assert.equal(Number(tried?.["requests"]) + Number(rest?.["requests"]), 12);
    assert.equal(typeof rest?.["cost_per_request_usd"], "string");
    const mirror = first(mirrors);
    assert.deepEqual([mirror["route"], mirror["use"], mirror["calls"], mirror["failed"]], ["drafts", "one/large", 1, 0]);
    assert.ok(Number(mirror["spent_today_usd"]) > 0 && Number(mirror["max_usd_per_day"]) === 5);
  });

  it("tell no costs to who is not told what contracts cost, and nothing at all to other organisations", async () => {
    const viewer = await world.member("vera", { role: "viewer" });
    const { canaries, mirrors } = (await world.askAs(viewer, "GET", "/canaries")).json;
    const canary = first(canaries);
    assert.deepEqual([canary["use"], canary["cost_ratio"], (canary["rest"] as JsonObject)["cost_per_request_usd"], first(mirrors)["spent_today_usd"]], ["one/large", null, null, null]);
    await world.make("organisations", { id: "acme", name: "Acme" });
    const owner = await world.member("olga", { role: "owner" }, "acme");
    assert.deepEqual((await world.askAs(owner, "GET", "/canaries")).json, { canaries: [], mirrors: [] });
    assert.equal((await world.askAs(CONFIGURED_KEY, "GET", "/canaries")).status, 403);
    assert.equal((await world.ask("GET", "/canaries?route=x")).status, 400);
  });
});
