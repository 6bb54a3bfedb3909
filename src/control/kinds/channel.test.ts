import assert from "node:assert/strict";
import { describe, it } from "node:test";
import { createObject, updateObject, type Managed, type ManageResult } from "../manage.ts";
import type { Vault } from "../seal.ts";
import { MemoryControlStore } from "../../storage/control-memory.ts";
import type { JsonObject } from "../../wire/json.ts";
import { channelOf } from "./channel.ts";
import { kindsWith, shownOf } from "./index.ts";

/** Seals to a text that opens only for its place. */
const VAULT: Vault = {
  seal: ({ tenant, kind, id }, text) => Buffer.from(JSON.stringify([tenant, kind, id, text])).toString("base64"),
  open: ({ tenant, kind, id }, sealed) => {
    const [a, b, c, text] = JSON.parse(Buffer.from(sealed, "base64").toString()) as string[];
    return a === tenant && b === kind && c === id ? text : undefined;
  },
};

class World {
  readonly store = new MemoryControlStore({ shown: shownOf, wallMs: () => 0 });
  readonly managed: Managed = { store: this.store, kinds: kindsWith(VAULT), nowMs: () => 0 };
  readonly asked = { kind: "channel", tenant: "default", actor: { id: "t", tenant: "default", role: "owner" } } as const;

  create(body: JsonObject, tenant = "default"): ManageResult {
    if (this.store.get("organisation", tenant) === undefined) createObject(this.managed, { ...this.asked, kind: "organisation" }, tenant, { name: tenant });
    return createObject(this.managed, { ...this.asked, tenant }, "c", body);
  }
  update(patch: JsonObject): ManageResult {
    return updateObject(this.managed, this.asked, "c", patch);
  }
  open(id = "c") {
    const object = this.store.get("channel", id);
    return object === undefined ? null : (channelOf(object, VAULT)?.target() ?? null);
  }
}

const SMTP = { type: "smtp", host: "mail.test", user: "u", password: "p4ss", from: "a@x.test", to: ["b@x.test"] };
const problems = (result: ManageResult): readonly string[] => (result.kind === "refused" ? result.problems.map(({ field, message }) => `${field}: ${message}`) : ["done"]);

describe("a channel", () => {
  it("keeps its address and secret through changes of other things, and clears all with its type", () => {
    const world = new World();
    assert.deepEqual(problems(world.create({ type: "webhook", url: "https://x.test/in/t0ken", secret: "s3cret" })), ["done"]);
    assert.deepEqual(problems(world.update({ per_hour: 5 })), ["done"]);
    assert.deepEqual(world.open(), { type: "webhook", url: "https://x.test/in/t0ken", secret: "s3cret" });
    assert.deepEqual(problems(world.update({ type: "slack" })), ["url: a slack channel needs url"]);
    assert.deepEqual(problems(world.update({ type: "slack", url: "https://y.test/" })), ["done"]);
    assert.deepEqual(world.open(), { type: "slack", url: "https://y.test/" });
    assert.deepEqual(problems(world.update({ type: "webhook" })), ["url: a webhook channel needs url", "secret: a webhook channel needs secret"]);
  });

  it("shows no address, secret or password, to nobody and not in the audit log", () => {
    const world = new World();
    world.create({ type: "webhook", url: "https://x.test/in/t0ken", secret: "s3cret" });
    const object = world.store.get("channel", "c");
    assert.ok(object !== undefined);
    assert.deepEqual(shownOf(object), { type: "webhook", url_host: "x.test", has_secret: true });
    assert.doesNotMatch(JSON.stringify([...world.store.audit({ after: 0, limit: 100 })]), /t0ken|s3cret/);
  });

  it("forgets a mail server's password where it would go elsewhere", () => {
    for (const change of [{ host: "evil.test" }, { port: 26 }, { tls: "tls" }, { user: "v" }] as const) {
      const world = new World();
      assert.deepEqual(problems(world.create(SMTP)), ["done"]);
      assert.deepEqual(problems(world.update({ per_hour: 9 })), ["done"]);
      const kept = world.open();
      assert.equal(kept?.type === "smtp" && kept.password, "p4ss");
      assert.deepEqual(problems(world.update(change)), ["done"]);
      const target = world.open();
      assert.equal(target?.type === "smtp" && target.password, null, JSON.stringify(change));
    }
  });

  it("opens only where it was sealed", () => {
    const world = new World();
    world.create({ type: "slack", url: "https://x.test/" });
    const object = world.store.get("channel", "c");
    assert.ok(object !== undefined);
    assert.equal(channelOf({ ...object, id: "d" }, VAULT), null);
    assert.equal(channelOf({ ...object, tenant: "acme" }, VAULT), null);
  });

  it("of a guest reaches public addresses only and takes what is its own", () => {
    const world = new World();
    assert.deepEqual(problems(world.create({ type: "slack", url: "https://x.test/" }, "acme")), ["done"]);
    const object = world.store.get("channel", "acme.c");
    assert.ok(object !== undefined);
    const channel = channelOf(object, VAULT);
    assert.deepEqual([channel?.tenant, channel?.publicOnly], ["acme", true]);
  });

  it("that contradicts itself is refused by its fields", () => {
    const told = (body: JsonObject): readonly string[] => problems(new World().create(body));
    assert.deepEqual(told({ type: "slack" }), ["url: a slack channel needs url"]);
    assert.deepEqual(told({ type: "webhook", url: "https://x.test/", secret: " " }), ["secret: expected text of 1 to 1024 characters"]);
    assert.deepEqual(told({ type: "slack", url: "https://u:p@x.test/", to: ["a@x.test"] }), ["url: expected an http or https URL without user, password or fragment"]);
    assert.deepEqual(told({ type: "slack", url: "https://x.test/", to: ["a@x.test"], secret: "s" }), ["secret: a slack channel has no secret", "to: a slack channel has no to"]);
    assert.deepEqual(told({ ...SMTP, tls: "none" }), ["tls: a password goes over an encrypted connection only"]);
    assert.deepEqual(told({ ...SMTP, from: "a@x.test\r\nBcc: c@x.test" }), ["from: expected a line of text without control characters"]);
    assert.deepEqual(told({ type: "slack", url: "https://x.test/", kinds: [], min_severity: "loud" }), ["min_severity: expected info, warning, critical"]);
    assert.deepEqual(told({ type: "slack", url: "https://x.test/", kinds: [] }), ["kinds: an empty list takes nothing; leave it out for all"]);
  });
});
