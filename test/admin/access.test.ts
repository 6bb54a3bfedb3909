/** Who may do what: the table, and every role against every route and every field that is not for all. */
import assert from "node:assert/strict";
import { describe, it } from "node:test";
import { accessTable, type Who as Ruled } from "../../src/admin/access.ts";
import { adminApp } from "../../src/admin/app.ts";
import { ok, type AdminRoute } from "../../src/admin/types.ts";
import { kindsWith } from "../../src/control/kinds/index.ts";
import { ROLES } from "../../src/control/kinds/member.ts";
import { createObject } from "../../src/control/manage.ts";
import { NO_VAULT } from "../../src/control/seal.ts";
import type { JsonObject } from "../../src/wire/json.ts";
import { ALL, memoryApi, OWNER, samples, type MemoryApi } from "./memory-api.ts";

/** By hand: what nobody may loosen without saying so here. Everything that is not named is closed. */
const EXPECTED: Readonly<Record<string, readonly Ruled[]>> = {
  "organisations create": ["owner"],
  "organisations read": ["owner", "admin", "billing", "developer", "viewer"],
  "organisations change": ["owner"],
  "teams create": ["owner", "admin"],
  "teams read": ["owner", "admin", "billing", "developer", "viewer"],
  "teams change": ["owner", "admin"],
  "projects create": ["owner", "admin"],
  "projects read": ["owner", "admin", "billing", "developer", "viewer"],
  "projects change": ["owner", "admin"],
  "members create": ["owner", "admin"],
  "members read": ["owner", "admin", "billing", "developer", "viewer"],
  "members change": ["owner", "admin"],
  "keys create": ["owner", "admin", "developer"],
  "keys read": ["owner", "admin", "billing", "developer", "viewer"],
  "keys change": ["owner", "admin", "developer"],
  "budgets create": ["owner", "admin", "billing"],
  "budgets read": ["owner", "admin", "billing", "developer", "viewer"],
  "budgets change": ["owner", "admin", "billing"],
  "limits create": ["owner", "admin"],
  "limits read": ["owner", "admin", "billing", "developer", "viewer"],
  "limits change": ["owner", "admin"],
  "prices create": ["owner", "admin", "billing"],
  "prices read": ["owner", "admin", "billing"],
  "prices change": ["owner", "admin", "billing"],
  "contracts create": ["owner", "admin", "billing"],
  "contracts read": ["owner", "admin", "billing", "developer", "viewer"],
  "contracts change": ["owner", "admin", "billing"],
  "credentials create": ["owner", "admin"],
  "credentials read": ["owner", "admin"],
  "credentials change": ["owner", "admin"],
  "channels create": ["owner", "admin"],
  "channels read": ["owner", "admin"],
  "channels change": ["owner", "admin"],
  "GET /admin/v1/openapi.json": ["anyone"],
  "GET /admin/v1/docs": ["anyone"],
  "GET /admin/v1/me": ["owner", "admin", "billing", "developer", "viewer", "key"],
  "GET /admin/v1/requests": ["owner", "admin", "billing", "developer", "viewer", "key"],
  "GET /admin/v1/requests/:id": ["owner", "admin", "billing", "developer", "viewer"],
  "GET /admin/v1/requests/:id/explanation": ["owner", "admin", "billing", "developer", "viewer", "key"],
  "POST /admin/v1/explain": ["owner", "admin", "billing", "developer", "viewer", "key"],
  "GET /admin/v1/feedback": ["owner", "admin", "billing", "developer", "viewer", "key"],
  "GET /admin/v1/usage": ["owner", "admin", "billing", "developer", "viewer", "key"],
  "GET /admin/v1/usage/movers": ["owner", "admin", "billing", "developer", "viewer"],
  "GET /admin/v1/budgets/:id/balance": ["owner", "admin", "billing", "developer", "viewer"],
  "GET /admin/v1/objectives": ["owner", "admin", "billing", "developer", "viewer"],
  "GET /admin/v1/canaries": ["owner", "admin", "billing", "developer", "viewer"],
  "GET /admin/v1/audit": ["owner", "admin"],
  "GET /admin/v1/audit/verify": ["owner", "admin"],
};

function expectedOf(name: string): readonly Ruled[] {
  const [method, plural, sub] = /^(\w+) \/admin\/v1\/([^/]+)(.*)$/.exec(name)?.slice(1) ?? [];
  const word = method === "GET" ? "read" : method === "POST" && sub === "" ? "create" : "change";
  return EXPECTED[name] ?? EXPECTED[`${plural} ${word}`] ?? [];
}

describe("the table of access", () => {
  const world = memoryApi();

  it("has a rule for every route that is served, and no rule without a route", () => {
    const served = world.api.served.toSorted();
    const ruled = [...accessTable(world.managed.kinds).keys()].toSorted();
    assert.ok(served.length > 60);
    assert.deepEqual(served, ruled);
  });

  it("fails the building of an API that has a route without a rule", () => {
    const kinds = kindsWith(NO_VAULT);
    const route: AdminRoute = { method: "GET", path: "/admin/v1/new", name: "new", tag: "new", summary: "", answers: { status: 200, description: "" }, run: () => ok({}) };
    const settings = { access: accessTable(kinds), identify: () => null, organisationExists: () => false, onCrash: () => undefined };
    assert.throws(() => adminApp({ ...settings, routes: [...world.api.routes, route] }), /GET \/admin\/v1\/new has no rule/);
    assert.throws(() => adminApp({ ...settings, routes: world.api.routes.slice(1) }), /has a rule and is no route/);
  });

  it("is what stands here, for every route", () => {
    for (const [name, who] of accessTable(world.managed.kinds)) assert.deepEqual([...who].toSorted(), [...expectedOf(name)].toSorted(), name);
  });

  it("holds for every role on every route", async () => {
    for (const sample of samples("s", "default")) ensure(world, sample);
    for (const name of world.api.served) {
      const [method = "", path = ""] = name.replace("/admin/v1", "").split(" ");
      const who = expectedOf(name);
      for (const role of ALL) {
        const sent = method === "POST" || method === "PATCH" ? { unknown_field: 1 } : undefined;
        const { status, json } = await world.ask(world.tokens[role], method, path.replace(":id", "nothing-here"), sent);
        const open = who.includes("anyone") || (role !== "nobody" && who.includes(role));
        const closed = role === "nobody" ? 401 : 403;
        // What is refused for its object or a field of it is none of the route's: that is proved below.
        const byRoute = status === 401 || (status === 403 && (json["error"] as { readonly message: string }).message.startsWith("This is for "));
        assert.equal(byRoute, !open, `${role} ${name}: ${status}`);
        if (!open) assert.equal(status, closed, `${role} ${name}`);
      }
    }
  });
});

function ensure(world: MemoryApi, { kind, id, body }: ReturnType<typeof samples>[number]): void {
  const made = createObject(world.managed, { kind, tenant: "default", actor: OWNER }, id, body);
  assert.ok(made.kind === "done", made.kind === "refused" ? `${kind}: ${made.message}` : "");
}

describe("fields", () => {
  const world = memoryApi();
  const made = samples("f", "default");
  for (const sample of made) ensure(world, sample);

  it("have a sample of every kind here, or this proves nothing", () => {
    assert.deepEqual([...made.map(({ kind }) => kind), "organisation"].toSorted(), [...world.managed.kinds.keys()].toSorted());
  });

  it("that are not for all are seen and set by their roles alone", async () => {
    let seen = 0;
    for (const { kind: name, id, body } of made) {
      const kind = world.managed.kinds.get(name);
      assert.ok(kind !== undefined);
      for (const [field, { read, write }] of Object.entries(kind.fields ?? {})) {
        for (const role of ROLES) {
          if (kind.access.read.includes(role) && body[field] !== undefined) {
            const { json } = await world.ask(world.tokens[role], "GET", `/${kind.plural}/${id}`);
            assert.equal(field in json, read === undefined || read.includes(role), `${role} reads ${name}.${field}`);
            seen++;
          }
          if (kind.access.update.includes(role) && write !== undefined) {
            const { status, json } = await world.ask(world.tokens[role], "PATCH", `/${kind.plural}/${id}`, { [field]: "something else" });
            // Of a key that is not his own a developer is told that first.
            const told = name === "key" && role === "developer" ? "forbidden" : "forbidden_field";
            const refused = status === 403 && (json["error"] as JsonObject)["code"] === told;
            assert.equal(refused, !write.includes(role), `${role} sets ${name}.${field}: ${status}`);
            seen++;
          }
        }
      }
    }
    assert.ok(seen > 20);
  });

  it("that say what a contract costs are seen by owner, admin and billing, in the audit log too", async () => {
    for (const role of ROLES) {
      const { text } = await world.ask(world.tokens[role], "GET", "/contracts");
      assert.equal(text.includes("12.5"), ["owner", "admin", "billing"].includes(role), role);
    }
    assert.match((await world.ask(world.tokens.owner, "GET", "/audit?limit=500")).text, /12\.5/);
  });
});

describe("nobody exceeds himself", () => {
  const world = memoryApi();
  const at = (token: string | null, method: string, path: string, body?: JsonObject): Promise<number> => world.ask(token, method, path, body).then(({ status }) => status);
  const { owner, admin, developer } = world.tokens;

  it("a developer makes keys of his own teams, for himself, and touches no others", async () => {
    assert.equal(await at(admin, "POST", "/teams", { id: "other", name: "Other" }), 201);
    assert.equal(await at(admin, "POST", "/projects", { id: "theirs", name: "Theirs", team: "other" }), 201);
    assert.equal(await at(admin, "POST", "/projects", { id: "ours", name: "Ours", team: "own" }), 201);
    assert.equal(await at(admin, "POST", "/keys", { id: "their-key", team: "other" }), 201);
    assert.equal(await at(developer, "POST", "/keys", { id: "mine", team: "own" }), 201);
    assert.equal(await at(developer, "POST", "/keys", { id: "mine-too", project: "ours", member: "developer" }), 201);
    const refused: readonly JsonObject[] = [{}, { team: "other" }, { project: "theirs" }, { team: "own", member: "owner" }, { team: "own", project: "theirs" }, { project: "nothing" }];
    for (const body of refused) assert.equal(await at(developer, "POST", "/keys", { id: "beyond", ...body }), 403, JSON.stringify(body));
    assert.equal(await at(developer, "PATCH", "/keys/mine", { team: "other" }), 403);
    assert.equal(await at(developer, "PATCH", "/keys/mine", { team: null }), 403);
    assert.equal(await at(developer, "PATCH", "/keys/mine", { project: "theirs", team: null }), 403);
    for (const [method, path] of [["PATCH", "/keys/their-key"], ["DELETE", "/keys/their-key"], ["POST", "/keys/their-key/rotate"]] as const) assert.equal(await at(developer, method, path, method === "DELETE" ? undefined : {}), 403, path);
    assert.equal(await at(developer, "POST", "/keys/mine/rotate", {}), 200);
  });

  it("an admin makes nobody an owner, not himself either, and no token of one", async () => {
    assert.equal(await at(admin, "PATCH", "/members/admin", { role: "owner" }), 403);
    assert.equal(await at(admin, "POST", "/members", { id: "friend", name: "Friend", role: "owner" }), 403);
    assert.equal(await at(admin, "POST", "/members", { id: "friend", name: "Friend", role: "viewer" }), 403, "roles are the owner's to give");
    assert.equal(await at(admin, "POST", "/members", { id: "friend", name: "Friend" }), 201);
    for (const [method, path, body] of [["POST", "/members/owner/token", {}], ["POST", "/members/owner/revoke-tokens", {}], ["PATCH", "/members/owner", { name: "x" }], ["DELETE", "/members/owner", undefined]] as const) assert.equal(await at(admin, method, path, body), 403, `${method} ${path}`);
    assert.equal(await at(admin, "PATCH", "/members/friend", { name: "Friend of mine", role: "viewer" }), 200, "what is left as it is is not set");
    assert.equal(await at(owner, "PATCH", "/members/friend", { role: "admin" }), 200);
    assert.equal(await at(admin, "POST", "/members/friend/token", {}), 200);
  });

  it("a token has the rights that its member has now, and none once it is ended", async () => {
    const { json } = await world.ask(owner, "POST", "/members/friend/token", {});
    const token = (json["once"] as JsonObject)["token"] as string;
    assert.equal(await at(token, "GET", "/audit"), 200);
    await world.ask(owner, "PATCH", "/members/friend", { role: "viewer" });
    assert.equal(await at(token, "GET", "/audit"), 403);
    assert.equal(await at(token, "GET", "/teams"), 200);
    await world.ask(owner, "POST", "/members/friend/revoke-tokens", {});
    assert.equal(await at(token, "GET", "/teams"), 401);
    const again = ((await world.ask(owner, "POST", "/members/friend/token", {})).json["once"] as JsonObject)["token"] as string;
    assert.equal(await at(again, "GET", "/teams"), 200);
    assert.equal(await at(owner, "DELETE", "/members/friend"), 204);
    assert.equal(await at(again, "GET", "/teams"), 401);
  });
});

describe("two organisations", () => {
  const world = memoryApi("acme");
  createObject(world.managed, { kind: "organisation", tenant: "default", actor: OWNER }, "bravo", { name: "lark-bravo", note: "lark" });
  const theirs = samples("lark", "bravo").map((sample) => {
    const made = createObject(world.managed, { kind: sample.kind, tenant: "bravo", actor: OWNER }, sample.id, sample.body);
    assert.ok(made.kind === "done", made.kind === "refused" ? `${sample.kind}: ${made.message}` : "");
    return { ...sample, id: made.object.id };
  });

  it("nothing of one is ever in an answer to the other", async () => {
    let asked = 0;
    for (const role of [...ROLES, "key"] as const) {
      for (const name of world.api.served) {
        const [method = "", path = ""] = name.replace("/admin/v1", "").split(" ");
        const kind = [...world.managed.kinds.values()].find(({ plural }) => path.split("/")[1] === plural);
        const id = kind === undefined ? "" : (theirs.find((one) => one.kind === kind.name)?.id ?? "bravo");
        const sent = method === "POST" || method === "PATCH" ? {} : undefined;
        const { text, status } = await world.ask(world.tokens[role], method, path.replace(":id", id), sent);
        assert.ok(!text.replaceAll(id, "").includes("lark"), `${role} ${name}: ${text}`);
        if (path.includes(":id") && kind !== undefined) {
          assert.ok([403, 404].includes(status), `${role} ${name}: ${status}`);
          const other = await world.ask(world.tokens[role], method, path.replace(":id", "bravo.nothing"), sent);
          assert.equal(text.replaceAll(id, "ID"), other.text.replaceAll("bravo.nothing", "ID"), `${role} ${name}: what is another's is as what is not there`);
        }
        asked++;
      }
    }
    assert.ok(asked > 400);
    assert.equal(theirs.every(({ kind, id }) => world.managed.store.get(kind, id)?.version === 1), true, "and nothing of it was changed");
  });

  it("none acts within the other, and none names what is the other's", async () => {
    for (const role of [...ROLES, "key"] as const) {
      for (const organisation of ["bravo", "default", "nowhere"]) assert.equal((await world.ask(world.tokens[role], "GET", `/me?organisation=${organisation}`)).status, 403, `${role} ${organisation}`);
    }
    const { owner } = world.tokens;
    for (const [path, body, field] of [
      ["/keys", { team: "bravo.t-lark" }, "team"],
      ["/projects", { name: "x", team: "bravo.t-lark" }, "team"],
      ["/members", { name: "x", teams: ["bravo.t-lark"] }, "teams[0]"],
      ["/budgets", { scope: "team/bravo.t-lark", period: "day", limit_usd: 1 }, "scope"],
      ["/budgets", { scope: "tenant/bravo", period: "day", limit_usd: 0 }, "scope"],
      ["/limits", { scope: "key/bravo.k-lark", concurrency: 0 }, "scope"],
    ] as const) {
      const { status, json } = await world.ask(owner, "POST", path, body);
      assert.deepEqual([status, ((json["error"] as JsonObject)["problems"] as readonly JsonObject[])[0]?.["field"]], [400, field], path);
    }
    const taken = await world.ask(owner, "POST", "/teams", { id: "bravo.t-lark", name: "x" });
    assert.equal(taken.status, 400);
  });

  it("an owner of default acts within either; others of default do not", async () => {
    const place = memoryApi();
    createObject(place.managed, { kind: "organisation", tenant: "default", actor: OWNER }, "acme", { name: "Acme" });
    assert.equal((await place.ask(place.tokens.owner, "POST", "/teams?organisation=acme", { id: "t", name: "T" })).json["id"], "acme.t");
    assert.deepEqual(((await place.ask(place.tokens.owner, "GET", "/teams")).json["data"] as readonly JsonObject[]).map((one) => one["id"]), ["own"]);
    assert.deepEqual(((await place.ask(place.tokens.owner, "GET", "/teams?organisation=acme")).json["data"] as readonly JsonObject[]).map((one) => one["id"]), ["acme.t"]);
    assert.equal((await place.ask(place.tokens.owner, "GET", "/teams?organisation=none")).status, 404);
    for (const role of ["admin", "billing", "developer", "viewer"] as const) {
      assert.equal((await place.ask(place.tokens[role], "GET", "/teams?organisation=acme")).status, 403, role);
      assert.ok(!(await place.ask(place.tokens[role], "GET", "/organisations")).text.includes("acme"), role);
      assert.equal((await place.ask(place.tokens[role], "GET", "/organisations/acme")).status, 404, role);
    }
    assert.match((await place.ask(place.tokens.owner, "GET", "/organisations")).text, /acme/);
  });
});
