/**
 * Who may touch which field of which kind, by hand: role × route × field. A field or a kind that does not stand here fails, so
 * that nobody adds one without saying whose it is. And keys: none reaches further than who made it.
 */
import assert from "node:assert/strict";
import { describe, it } from "node:test";
import { z } from "zod";
import { AUTHORITY_PATH } from "../../src/admin/authority.ts";
import { callerOf } from "../../src/control/callers.ts";
import { KINDS } from "../../src/control/kinds/index.ts";
import { ROLES } from "../../src/control/kinds/member.ts";
import { createObject } from "../../src/control/manage.ts";
import type { Role } from "../../src/control/types.ts";
import type { Json, JsonObject } from "../../src/wire/json.ts";
import { memoryApi, OWNER, samples } from "../admin/memory-api.ts";
import { sources } from "../tidy/source.ts";

const ALL: readonly Role[] = ["owner", "admin", "billing", "developer", "viewer"];
const ADMINS: readonly Role[] = ["owner", "admin"];
const MONEY: readonly Role[] = ["owner", "admin", "billing"];
const MAKERS: readonly Role[] = ["owner", "admin", "developer"];

interface Rule {
  /** Who sees the objects, and who makes and changes them. */
  readonly read: readonly Role[];
  readonly write: readonly Role[];
  /** What everybody of these sees and sets. */
  readonly open: string;
  /** What only some of them do. */
  readonly closed?: Readonly<Record<string, { readonly read?: readonly Role[]; readonly write: readonly Role[] }>>;
  /** What goes in and is never shown, to nobody. */
  readonly hidden?: string;
  /** What is shown beside: made here. */
  readonly shown?: string;
  readonly actions?: string;
}

const TERMS = { read: MONEY, write: MONEY };
const RULES: Readonly<Record<string, Rule>> = {
  organisation: { read: ALL, write: ["owner"], open: "name note" },
  team: { read: ALL, write: ADMINS, open: "importance name note" },
  project: { read: ALL, write: ADMINS, open: "name note team" },
  member: { read: ALL, write: ADMINS, open: "email name note teams", closed: { role: { write: ["owner"] } }, shown: "tokens", actions: "revoke-tokens token" },
  key: { read: ALL, write: MAKERS, open: "default_max_output disabled expires_at expose max_request_usd member models name note project residency routes tag_fields team", closed: { importance: { write: ADMINS } }, shown: "secrets", actions: "disable enable rotate" },
  budget: { read: ALL, write: MONEY, open: "alerts cheaper_at kind limit_usd models name period routes scope scopes time_zone" },
  limit: { read: ALL, write: ADMINS, open: "concurrency models name requests_per_minute routes scope scopes tokens_per_minute" },
  price: { read: MONEY, write: MONEY, open: "account confidence corrects model note price provider source source_date source_url valid_from valid_to", shown: "known_since_ms" },
  contract: {
    read: ALL, write: MONEY, open: "account end except kind models start time_zone",
    closed: { discounts: TERMS, batch_factor: TERMS, committed: TERMS, provisioned: TERMS, free_quota: TERMS, fine_tuned: TERMS, self_hosted: TERMS, egress: TERMS, sla: TERMS, rounding: TERMS },
  },
  credential: { read: ADMINS, write: ADMINS, open: "account disabled name note team use", closed: { base_url: { write: ["owner"] } }, hidden: "api_key", shown: "has_secret" },
  channel: { read: ADMINS, write: ADMINS, open: "disabled from host kinds min_severity name per_hour port scopes tls to type user", hidden: "password secret url", shown: "has_secret url_host" },
};
const words = (text: string | undefined): readonly string[] => (text ?? "").split(" ").filter((word) => word !== "");
const fieldsOf = (rule: Rule): readonly string[] => [...words(rule.open), ...Object.keys(rule.closed ?? {}), ...words(rule.hidden)].toSorted();

describe("role × route × field", () => {
  const world = memoryApi();
  const made = samples("x", "default");
  for (const { kind, id, body } of made) assert.equal(createObject(world.managed, { kind, tenant: "default", actor: OWNER }, id, body).kind, "done", kind);
  const idOf = (kind: string): string => made.find((one) => one.kind === kind)?.id ?? "default";

  it("has a rule for every kind, every field and every action", () => {
    assert.deepEqual([...KINDS.keys()].toSorted(), Object.keys(RULES).toSorted());
    for (const [name, kind] of KINDS) {
      const rule = RULES[name];
      assert.ok(rule !== undefined);
      const { properties } = z.toJSONSchema(kind.schema, { unrepresentable: "any" });
      assert.deepEqual(Object.keys(properties ?? {}).toSorted(), fieldsOf(rule), name);
      assert.deepEqual(Object.keys(kind.actions ?? {}).toSorted(), words(rule.actions), name);
      assert.deepEqual(Object.keys(kind.fields ?? {}).toSorted(), Object.keys(rule.closed ?? {}).toSorted(), name);
    }
  });

  it("is what every role meets who makes and changes objects: a field of others is refused by its name, and nothing of the change is done", async () => {
    let asked = 0;
    for (const [name, rule] of Object.entries(RULES)) {
      const plural = KINDS.get(name)?.plural ?? "";
      for (const role of ROLES) {
        for (const field of fieldsOf(rule)) {
          const writers = rule.closed?.[field]?.write ?? rule.write;
          // No value fits every field: one that is refused for itself was open to be set.
          for (const [method, path] of [["POST", `/${plural}`], ["PATCH", `/${plural}/${idOf(name)}`]] as const) {
            const { status, json } = await world.ask(world.tokens[role], method, path, { [field]: { no: "value" } });
            const error = json["error"] as { readonly code: string; readonly message: string; readonly problems?: readonly { readonly field: string }[] };
            const byRoute = !rule.write.includes(role);
            const told = byRoute ? [403, "forbidden"] : writers.includes(role) ? null : [403, "forbidden_field"];
            const where = `${role} ${method} ${name}.${field}`;
            // Of a key that is not his own a developer is told that first.
            if (name === "key" && role === "developer" && error.code === "forbidden") assert.equal(status, 403, where);
            else if (told !== null) assert.deepEqual([status, error.code], told, where);
            else assert.ok(status === 400 || (name === "key" && role === "developer" && status === 403 && error.code === "forbidden") || (name === "organisation" && status === 400), `${where}: ${status} ${error.message}`);
            if (error.code === "forbidden_field") assert.deepEqual(error.problems?.map((one) => one.field), [field], where);
            asked++;
          }
        }
      }
    }
    assert.ok(asked > 800, String(asked));
    for (const { kind, id } of made) assert.equal(world.managed.store.get(kind, id)?.version, 1, `${kind} was left as it was`);
  });

  it("is what every role is shown: no field beside those that stand here, in lists and one by one", async () => {
    const common = ["id", "object", "organisation", "source", "version", "created_at", "updated_at", "left_out"];
    for (const [name, rule] of Object.entries(RULES)) {
      const plural = KINDS.get(name)?.plural ?? "";
      for (const role of ROLES) {
        const may = new Set([...common, ...words(rule.open), ...words(rule.shown), ...Object.entries(rule.closed ?? {}).flatMap(([field, { read }]) => ((read ?? ALL).includes(role) ? [field] : []))]);
        const [one, list] = [await world.ask(world.tokens[role], "GET", `/${plural}/${idOf(name)}`), await world.ask(world.tokens[role], "GET", `/${plural}`)];
        assert.deepEqual([one.status, list.status], rule.read.includes(role) ? [200, 200] : [403, 403], `${role} ${name}`);
        if (!rule.read.includes(role)) continue;
        for (const object of [one.json, ...(list.json["data"] as readonly JsonObject[])]) assert.deepEqual(Object.keys(object).filter((field) => !may.has(field)), [], `${role} is shown ${name}`);
      }
    }
  });

  it("has fields that are made here, which nobody may send", async () => {
    for (const [name, kind] of KINDS) {
      for (const field of [...(kind.made ?? []), "version", "organisation", "created_at", "source", "once", "tenant", "secrets", "hash", "sealed"].filter((one) => !fieldsOf(RULES[name] as Rule).includes(one))) {
        const { status, text } = await world.ask(world.tokens.owner, "PATCH", `/${kind.plural}/${idOf(name)}`, { [field]: "mine" });
        assert.equal(status, 400, `${name}.${field}: ${text}`);
      }
    }
  });
});

describe("what is served beside the table", () => {
  it("is what joined processes ask, for their own token alone", () => {
    // The admin port has one way in: the API, before which stands only this.
    assert.equal(AUTHORITY_PATH, "/admin/v1/authority/");
    const uses = sources("src/**/*.ts").filter(({ isTest, file, bare }) => !isTest && file !== "src/admin/authority.ts" && /\bauthorityApi\s*\(/.test(bare)).map(({ file }) => file);
    assert.deepEqual(uses, ["src/compose/authority.ts"]);
    const servers = sources("src/**/*.ts").filter(({ isTest, bare, file }) => !isTest && !file.startsWith("src/fleet/") && /\bcreateServer\s*\(/.test(bare)).map(({ file }) => file);
    assert.deepEqual(servers, ["src/admin/control.ts", "src/admin/server.ts", "src/cli/verify-load.ts", "src/edge/server.ts"], "what listens, each with its own rules; the third plays a provider for `spillway verify`");
  });
});

describe("a key", () => {
  const world = memoryApi();
  const make = (kind: string, id: string, body: JsonObject): void => assert.equal(createObject(world.managed, { kind, tenant: "default", actor: OWNER }, id, body).kind, "done", id);
  make("team", "other", { name: "Other" });
  make("project", "ours", { name: "Ours", team: "own" });
  make("project", "theirs", { name: "Theirs", team: "other" });
  make("project", "nobodys", { name: "Nobody's" });

  it("that a developer makes or changes pays by his own team and stands for nobody else, whatever he sends", async () => {
    const teams: readonly (Json | undefined)[] = [undefined, null, "own", "other", "nothing", ["own"], { own: 1 }];
    const projects: readonly (Json | undefined)[] = [undefined, null, "ours", "theirs", "nobodys", "nothing"];
    const members: readonly (Json | undefined)[] = [undefined, null, "developer", "owner", "nothing"];
    const { developer } = world.tokens;
    let [taken, asked] = [0, 0];
    const reach = (id: string): void => {
      const key = world.managed.store.get("key", id);
      if (key === undefined) return;
      const project = key.body["project"];
      const { scopes, tenant } = callerOf(key, typeof project === "string" ? world.managed.store.get("project", project) : undefined);
      const of = (word: string): readonly string[] => scopes.filter((scope) => scope.startsWith(word));
      assert.deepEqual([tenant, of("team/")], ["default", ["team/own"]], JSON.stringify(key.body));
      assert.ok(of("member/").every((scope) => scope === "member/developer") && of("project/").every((scope) => scope === "project/ours"), JSON.stringify(key.body));
      taken++;
    };
    for (const team of teams) {
      for (const project of projects) {
        for (const member of members) {
          const body = Object.fromEntries(Object.entries({ team, project, member }).filter(([, value]) => value !== undefined)) as JsonObject;
          const id = `k${asked++}`;
          const { status } = await world.ask(developer, "POST", "/keys", { id, ...body });
          assert.ok([201, 400, 403].includes(status));
          reach(id);
          if (asked === 1) make("key", "mine", { team: "own" });
          await world.ask(developer, "PATCH", "/keys/mine", body);
          reach("mine");
        }
      }
    }
    assert.ok(asked > 200 && taken > 210, `${asked} asked, ${taken} looked at`);
  });

  it("that is held to little is not lifted by the developer whose it is, and keeps it over his other changes", async () => {
    const { developer } = world.tokens;
    make("key", "held", { team: "own", importance: "low" });
    const after = async (body: JsonObject): Promise<unknown> => {
      const { status, json } = await world.ask(developer, "PATCH", "/keys/held", body);
      return [status, (json["error"] as JsonObject | undefined)?.["code"], world.managed.store.get("key", "held")?.body["importance"]];
    };
    assert.deepEqual([await after({ importance: "high" }), await after({ importance: null }), await after({ note: "n" })], [[403, "forbidden_field", "low"], [403, "forbidden_field", "low"], [200, undefined, "low"]]);
    assert.equal((await world.ask(world.tokens.admin, "PATCH", "/keys/held", { importance: "normal" })).status, 200);
  });

  it("is never an administrator's: it takes no route that changes anything, and none that its maker may not take", async () => {
    const opened: string[] = [];
    const key = ((await world.ask(world.tokens.developer, "POST", "/keys", { id: "reader", team: "own" })).json["once"] as JsonObject)["key"] as string;
    for (const name of world.api.served) {
      const [method = "", path = ""] = name.replace("/admin/v1", "").split(" ");
      const sent = method === "POST" || method === "PATCH" ? {} : undefined;
      // The maker asks for what is not there: the key would be gone by his own hand.
      const [own, makers] = [await world.ask(key, method, path.replace(":id", "reader"), sent), await world.ask(world.tokens.developer, method, path.replace(":id", "nothing"), sent)];
      if (own.status === 403) continue;
      opened.push(name);
      // A dry run weighs a request for its key, and changes nothing.
      assert.ok(method === "GET" || name === "POST /admin/v1/explain", name);
      assert.notEqual(makers.status, 403, name);
    }
    // Its own spend, requests, why these went where they did, and what it said of them; who it is; the description.
    assert.deepEqual(opened.toSorted(), [
      "GET /admin/v1/docs", "GET /admin/v1/feedback", "GET /admin/v1/me", "GET /admin/v1/openapi.json", "GET /admin/v1/requests",
      "GET /admin/v1/requests/:id/explanation", "GET /admin/v1/usage", "POST /admin/v1/explain",
    ]);
  });
});
