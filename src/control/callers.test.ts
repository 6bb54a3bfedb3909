/** Who keys stand for, followed from change to change. */
import assert from "node:assert/strict";
import { describe, it } from "node:test";
import { MemoryControlStore } from "../storage/control-memory.ts";
import type { JsonObject } from "../wire/json.ts";
import { CallerBook, type KnownCaller } from "./callers.ts";
import { kindsWith } from "./kinds/index.ts";
import { actOnObject, createObject, deleteObject, updateObject, type Managed } from "./manage.ts";
import { hashOfKey, NO_VAULT } from "./seal.ts";
import type { Actor } from "./types.ts";

const ADA: Actor = { id: "ada", tenant: "default", role: "owner" };
const asked = (kind: string): { kind: string; tenant: string; actor: Actor } => ({ kind, tenant: "default", actor: ADA });

class World {
  nowMs = Date.UTC(2026, 10, 23, 12);
  readonly store = new MemoryControlStore({ wallMs: () => this.nowMs });
  readonly managed: Managed = { store: this.store, kinds: kindsWith(NO_VAULT), nowMs: () => this.nowMs };
  readonly book = new CallerBook(this.store);

  make(kind: string, id: string, body: JsonObject): string {
    const made = createObject(this.managed, asked(kind), id, body);
    assert.equal(made.kind, "done", JSON.stringify(made));
    return made.kind === "done" && typeof made.once?.["key"] === "string" ? made.once["key"] : "";
  }

  change(kind: string, id: string, body: JsonObject): void {
    assert.equal(updateObject(this.managed, asked(kind), id, body).kind, "done");
  }

  find(key: string): KnownCaller | undefined {
    return this.book.get(hashOfKey(key));
  }
}

describe("a managed key", () => {
  it("stands for organisation, team, project and itself, outermost first, with its member beside", () => {
    const world = new World();
    world.make("team", "search", { name: "Search" });
    world.make("project", "bot", { name: "Bot", team: "search" });
    world.make("member", "ada", { name: "Ada" });
    const plain = world.make("key", "plain", {});
    const ofTeam = world.make("key", "team-key", { team: "search" });
    const full = world.make("key", "app", { project: "bot", member: "ada" });
    assert.deepEqual(world.find(plain), { caller: { tenant: "default", key: "plain", scopes: ["tenant/default", "key/plain"] }, untilMs: Number.POSITIVE_INFINITY });
    assert.deepEqual(world.find(ofTeam)?.caller.scopes, ["tenant/default", "team/search", "key/team-key"]);
    assert.deepEqual(world.find(full)?.caller.scopes, ["tenant/default", "team/search", "project/bot", "key/app", "member/ada"]);
    // The same objects for every request: nothing is made per request, and nobody can change what the next one sees.
    assert.equal(world.find(full)?.caller.scopes, world.find(full)?.caller.scopes);
    assert.ok(Object.isFrozen(world.find(full)?.caller) && Object.isFrozen(world.find(full)?.caller.scopes));
    assert.equal(world.find("spw_default_nothing"), undefined);
  });

  it("follows every change at once: of itself, of its project, disabled, enabled, rotated, deleted", () => {
    const world = new World();
    world.make("team", "search", { name: "Search" });
    world.make("team", "ads", { name: "Ads" });
    world.make("project", "bot", { name: "Bot", team: "search" });
    const key = world.make("key", "app", { project: "bot" });
    world.change("project", "bot", { team: "ads" });
    assert.deepEqual(world.find(key)?.caller.scopes, ["tenant/default", "team/ads", "project/bot", "key/app"]);
    world.change("project", "bot", { team: null });
    assert.deepEqual(world.find(key)?.caller.scopes, ["tenant/default", "project/bot", "key/app"]);
    world.change("key", "app", { project: null, team: "ads" });
    world.change("project", "bot", { team: "search" });
    assert.deepEqual(world.find(key)?.caller.scopes, ["tenant/default", "team/ads", "key/app"]);
    world.change("key", "app", { disabled: true });
    assert.equal(world.find(key), undefined);
    assert.equal(world.book.size, 1);
    world.change("key", "app", { disabled: false });
    assert.notEqual(world.find(key), undefined);
    const rotated = actOnObject(world.managed, asked("key"), "app", "rotate", { grace_seconds: 60 });
    assert.equal(world.find(key)?.untilMs, world.nowMs + 60_000);
    assert.equal(rotated.kind === "done" && typeof rotated.once?.["key"] === "string" ? world.find(rotated.once["key"])?.untilMs : 0, Number.POSITIVE_INFINITY);
    assert.equal(deleteObject(world.managed, asked("key"), "app").kind, "done");
    assert.equal(world.find(key), undefined);
    assert.equal(world.book.size, 0);
  });

  it("ends when it expires, rotated or not", () => {
    const world = new World();
    const key = world.make("key", "app", { expires_at: "2026-11-23T13:00:00+01:00" });
    assert.equal(world.find(key)?.untilMs, Date.UTC(2026, 10, 23, 12));
    actOnObject(world.managed, asked("key"), "app", "rotate", {});
    assert.equal(world.find(key)?.untilMs, Date.UTC(2026, 10, 23, 12));
  });

  it("has a policy where it narrows something, and none where it does not", () => {
    const world = new World();
    assert.equal(world.find(world.make("key", "plain", { expose: "id+cost", note: "n" }))?.caller.policy, undefined);
    assert.deepEqual(world.find(world.make("key", "app", { models: ["gpt-*"], expose: "none", max_request_usd: "0.05", default_max_output: 100, tag_fields: ["user"], residency: ["eu"] }))?.caller.policy, {
      routes: null, models: ["gpt-*"], residency: ["eu"], expose: "none", maxRequestNanoUsd: 50_000_000, defaultMaxOutput: 100, tagFields: ["user"],
    });
  });

  it("matters at most as much as it, and its team, are said to, and follows both", () => {
    const world = new World();
    world.make("team", "batch", { name: "Batch" });
    world.make("project", "bot", { name: "Bot", team: "batch" });
    const [plain, ofTeam, ofProject] = [world.make("key", "plain", {}), world.make("key", "app", { team: "batch", importance: "high" }), world.make("key", "bot", { project: "bot" })];
    const told = (): unknown => [plain, ofTeam, ofProject].map((key) => world.find(key)?.caller.importance);
    assert.deepEqual(told(), [undefined, "high", undefined]);
    world.change("team", "batch", { importance: "low" });
    assert.deepEqual(told(), [undefined, "low", "low"]);
    world.change("team", "batch", { importance: "normal" });
    world.change("key", "plain", { importance: "low" });
    assert.deepEqual(told(), ["low", "normal", "normal"]);
    world.change("project", "bot", { team: null });
    assert.deepEqual(told(), ["low", "normal", undefined]);
  });

  it("is none while the configuration has one of its name", () => {
    const world = new World();
    const key = world.make("key", "app", {});
    assert.deepEqual(world.book.reserve(new Set(["app", "other"])), ["app"]);
    assert.equal(world.find(key), undefined);
    assert.equal(world.book.size, 1);
    assert.deepEqual(world.book.reserve(new Set(["other"])), []);
    assert.notEqual(world.find(key), undefined);
  });

  it("is found after a restart as before", () => {
    const world = new World();
    world.make("team", "search", { name: "Search" });
    world.make("project", "bot", { name: "Bot", team: "search" });
    const key = world.make("key", "app", { project: "bot" });
    const again = new CallerBook(world.store);
    assert.deepEqual(again.get(hashOfKey(key)), world.find(key));
    world.change("key", "app", { disabled: true });
    assert.equal(again.get(hashOfKey(key)), undefined);
  });
});
