/** One suite for every store of managed objects: what reads, changes, refusals and the audit log promise. */
import assert from "node:assert/strict";
import { describe, it } from "node:test";
import type { Actor, ApplyResult, Change, StoredObject } from "../control/types.ts";
import type { Shown } from "./control-plan.ts";
import type { OpenControlStore } from "./control.ts";

export const ADA: Actor = { id: "ada", tenant: "default", role: "owner" };

/** Shows all but what is called `secret`. */
export const SHOWN: Shown = ({ body }) => Object.fromEntries(Object.entries(body).filter(([field]) => field !== "secret"));

/** A change that makes or changes one. */
export function aPut(id: string, over: Partial<Extract<Change, { op: "put" }>> = {}): Change {
  return { op: "put", kind: "team", id, tenant: "default", body: { name: id }, ...over };
}

/** Declares the suite. `open`: an empty store whose clock gives 1000, 2000, …, one a change. */
export function controlConformance(name: string, open: (shown: Shown, wallMs: () => number) => OpenControlStore): void {
  const fresh = (): OpenControlStore => {
    let nowMs = 0;
    return open(SHOWN, () => (nowMs += 1_000));
  };
  const done = (result: ApplyResult): readonly StoredObject[] => {
    assert.equal(result.kind, "done", JSON.stringify(result));
    return result.kind === "done" ? result.objects : [];
  };
  const refused = (result: ApplyResult): string => (result.kind === "refused" ? result.code : "done");

  void describe(`managed objects in ${name}`, () => {
    void it("are found by kind and id, with version and times", () => {
      const store = fresh();
      done(store.apply([aPut("search")], ADA, "create"));
      done(store.apply([aPut("search", { body: { name: "Search", n: 1 } })], ADA, "update"));
      assert.deepEqual(store.get("team", "search"), { kind: "team", id: "search", tenant: "default", version: 2, createdMs: 1_000, updatedMs: 2_000, body: { name: "Search", n: 1 } });
      assert.equal(store.get("project", "search"), undefined);
      assert.equal(store.get("team", "other"), undefined);
      done(store.apply([{ op: "delete", kind: "team", id: "search" }], ADA, "delete"));
      assert.equal(store.get("team", "search"), undefined);
      assert.deepEqual([...store.all("team")], []);
    });

    void it("go on counting versions where an id is used again, and have those of their original where they are copies", () => {
      const store = fresh();
      done(store.apply([aPut("search")], ADA, "create"));
      done(store.apply([aPut("search", { body: { n: 1 } })], ADA, "update"));
      done(store.apply([{ op: "delete", kind: "team", id: "search" }], ADA, "delete"));
      assert.equal(done(store.apply([aPut("search", { ifVersion: 0 })], ADA, "create"))[0]?.version, 3);
      assert.equal(done(store.apply([{ op: "delete", kind: "team", id: "search" }, aPut("search")], ADA, "replace")).at(-1)?.version, 4);
      assert.equal(done(store.apply([aPut("other", { version: 7 })], ADA, "follow"))[0]?.version, 7);
      assert.equal(done(store.apply([aPut("other", { body: { n: 2 } })], ADA, "update"))[0]?.version, 8);
    });

    void it("are listed in the order of ids, page by page, of one organisation or of all, with changes in between", () => {
      const store = fresh();
      done(store.apply(["m", "b", "z", "a"].map((id) => aPut(id, id === "b" ? { tenant: "other" } : {})), ADA, "create"));
      const ids = (options: { tenant?: string; after?: string; limit?: number }): string => store.list("team", { limit: 10, ...options }).map((one) => one.id).join("");
      assert.equal(ids({}), "abmz");
      assert.equal(ids({ limit: 2 }), "ab");
      assert.equal(ids({ after: "b", limit: 2 }), "mz");
      assert.equal(ids({ tenant: "default" }), "amz");
      assert.equal(ids({ tenant: "default", after: "a", limit: 1 }), "m");
      done(store.apply([aPut("c"), { op: "delete", kind: "team", id: "m" }, aPut("a")], ADA, "change"));
      assert.equal(ids({}), "abcz");
      assert.equal(ids({ after: "m" }), "z");
      assert.equal(store.list("nothing", { limit: 10 }).length, 0);
    });

    void it("change all together or not at all", () => {
      const store = fresh();
      done(store.apply([aPut("a")], ADA, "create"));
      const told: number[] = [];
      store.onChange((changed) => told.push(changed.length));
      assert.equal(refused(store.apply([aPut("b"), { op: "delete", kind: "team", id: "missing" }], ADA, "change")), "not_found");
      assert.equal(store.get("team", "b"), undefined);
      assert.equal(store.audit({ after: 0, limit: 10 }).length, 1);
      assert.deepEqual(told, []);
    });

    void it("are changed by the version that was seen, and by nobody who saw an older one", () => {
      const store = fresh();
      done(store.apply([aPut("a", { ifVersion: 0 })], ADA, "create"));
      assert.equal(refused(store.apply([aPut("a", { ifVersion: 0 })], ADA, "create")), "conflict");
      done(store.apply([aPut("a", { ifVersion: 1 })], ADA, "update"));
      assert.equal(refused(store.apply([aPut("a", { ifVersion: 1 })], ADA, "update")), "conflict");
      assert.equal(refused(store.apply([{ op: "delete", kind: "team", id: "a", ifVersion: 1 }], ADA, "delete")), "conflict");
      assert.equal(refused(store.apply([aPut("new", { ifVersion: 3 })], ADA, "update")), "conflict");
      done(store.apply([{ op: "delete", kind: "team", id: "a", ifVersion: 2 }], ADA, "delete"));
    });

    void it("see the changes before them in the same step", () => {
      const store = fresh();
      const objects = done(store.apply([aPut("a"), aPut("a", { ifVersion: 1 }), { op: "delete", kind: "team", id: "a" }, aPut("a")], ADA, "change"));
      assert.deepEqual(objects.map((one) => one.version), [1, 2, 3]);
      assert.equal(store.get("team", "a")?.version, 3);
    });

    void it("never move to another organisation", () => {
      const store = fresh();
      done(store.apply([aPut("a")], ADA, "create"));
      assert.equal(refused(store.apply([aPut("a", { tenant: "other" })], ADA, "update")), "conflict");
    });

    void it("are told to listeners when they can be read", () => {
      const store = fresh();
      const told: string[] = [];
      store.onChange((changed) => {
        for (const one of changed) told.push(`${one.kind}/${one.id} ${one.object?.version ?? "gone"} ${store.get(one.kind, one.id)?.version ?? "gone"}`);
      });
      done(store.apply([aPut("a"), aPut("b")], ADA, "create"));
      done(store.apply([{ op: "delete", kind: "team", id: "a" }], ADA, "delete"));
      assert.deepEqual(told, ["team/a 1 1", "team/b 1 1", "team/a gone gone"]);
    });

    void it("stay as they were written, whatever becomes of what was handed over", () => {
      const store = fresh();
      const body = { name: "a", list: [1] };
      done(store.apply([aPut("a", { body })], ADA, "create"));
      body.list.push(2);
      assert.deepEqual(store.get("team", "a")?.body, { name: "a", list: [1] });
    });

    void it("leave a line for each change that says who did what, with old and new values but never those of secrets", () => {
      const store = fresh();
      done(store.apply([aPut("a", { body: { name: "A", secret: "swordfish-1", n: 1 } }), aPut("b", { tenant: "other" })], ADA, "create"));
      done(store.apply([aPut("a", { body: { name: "A", secret: "swordfish-2", n: 2 } })], { ...ADA, id: "bob" }, "update"));
      done(store.apply([{ op: "delete", kind: "team", id: "a" }], ADA, "delete"));
      const lines = store.audit({ after: 0, limit: 10 });
      assert.deepEqual(
        lines.map(({ sequence, actor, action, id, tenant, detail }) => [sequence, actor, action, id, tenant, detail]),
        [
          [1, "ada", "create", "a", "default", { name: { from: null, to: "A" }, secret: "changed", n: { from: null, to: 1 } }],
          [2, "ada", "create", "b", "other", { name: { from: null, to: "b" } }],
          [3, "bob", "update", "a", "default", { secret: "changed", n: { from: 1, to: 2 } }],
          [4, "ada", "delete", "a", "default", { name: { from: "A", to: null }, secret: "changed", n: { from: 2, to: null } }],
        ],
      );
      assert.ok(!JSON.stringify(lines).includes("swordfish"));
      assert.deepEqual(store.audit({ after: 1, limit: 1 }).map((line) => line.sequence), [2]);
      assert.deepEqual(store.audit({ after: 0, limit: 2, tenant: "default" }).map((line) => line.sequence), [1, 3]);
      assert.equal(store.verifyAudit(), null);
    });
  });
}
