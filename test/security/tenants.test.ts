/**
 * Two organisations in one gateway, both with everything that an organisation may have. Whatever the one does changes no byte
 * of what the other is answered, and whatever the other asks for by the first one's names is as if it had never been.
 */
import assert from "node:assert/strict";
import { after, before, describe, it } from "node:test";
import { ROLES } from "../../src/control/kinds/member.ts";
import { DIMENSIONS } from "../../src/control/reports.ts";
import type { Json, JsonObject } from "../../src/wire/json.ts";
import { adminWorld, CONFIGURED_KEY, type AdminReply, type AdminWorld } from "../admin/world.ts";

const MARK = "canary";
/** As reports are asked for: a month around now, so that no clock decides what is in an answer. */
const FROM = new Date(Date.now() - 15 * 86_400_000).toISOString().slice(0, 10);
const TO = new Date(Date.now() + 15 * 86_400_000).toISOString().slice(0, 10);

interface Organisation {
  readonly id: string;
  /** Of each role, and of two keys: one that is told all, one that is told nothing. */
  readonly tokens: ReadonlyMap<string, string>;
  /** One of each kind that it may have, by the plural. */
  readonly ids: ReadonlyMap<string, string>;
}

let world: AdminWorld;
let acme: Organisation;
let bravo: Organisation;
/** Every GET route, as the API describes itself. */
let routes: readonly { readonly path: string; readonly parameters: readonly string[] }[];
let first: ReadonlyMap<string, string>;

/** An organisation with one of everything, in whose texts the mark stands, and requests of all sorts behind it. */
async function settle(id: string, mark: string, limitUsd: string): Promise<Organisation> {
  await world.make("organisations", { id, name: `Organisation ${mark}`, note: `note ${mark}` });
  const own = (name: string): string => `${id}.${name}-${mark}`;
  const ids = new Map<string, string>();
  const make = async (plural: string, letter: string, body: JsonObject): Promise<string> => {
    ids.set(plural, own(letter));
    return await world.make(plural, { id: `${letter}-${mark}`, ...body }, id);
  };
  await make("teams", "t", { name: `Team ${mark}` });
  await make("projects", "p", { name: `Project ${mark}`, team: own("t") });
  const tokens = new Map<string, string>();
  for (const role of ROLES) tokens.set(role, await world.member(`${role}-${mark}`, { role, teams: [own("t")], note: mark }, id));
  ids.set("members", own("owner"));
  tokens.set("key", await make("keys", "k", { name: `Key ${mark}`, project: own("p"), member: own("owner"), tag_fields: ["user"] }));
  tokens.set("blind key", await world.make("keys", { id: `blind-${mark}`, team: own("t"), expose: "none" }, id));
  await make("budgets", "b", { name: `Budget ${mark}`, scope: `team/${own("t")}`, period: "month", limit_usd: limitUsd });
  await make("limits", "l", { name: `Limit ${mark}`, scope: `team/${own("t")}`, requests_per_minute: 77_777 });
  await make("credentials", "c", { name: `Credential ${mark}`, account: "two", team: own("t"), use: "last", api_key: `sk-of-${mark}-0123456789` });
  await make("channels", "h", { name: `Channel ${mark}`, type: "webhook", url: `https://${mark}.example/hook`, secret: `secret-of-${mark}-0123456789`, disabled: true });
  const [key = "", blind = ""] = [tokens.get("key"), tokens.get("blind key")];
  const called = [
    await world.call(key, { user: `user-${mark}` }, { "x-spillway-tag-feature": `feature-${mark}` }),
    await world.call(key, { model: "two/talk" }),
    await world.call(key, { model: `nothing-${mark}` }),
    await world.call(blind, { model: "one/large" }, { "x-spillway-tag-feature": `feature-${mark}` }),
  ];
  assert.deepEqual(called.map(({ status }) => status), [200, 200, 404, 200]);
  return { id, tokens, ids };
}

/** Every answer to somebody who asks by the routes' own words; `whole`: also page by page and by every dimension. What hangs on the clock is left out. */
async function answers(token: string, ids: ReadonlyMap<string, string>, whole: boolean): Promise<ReadonlyMap<string, string>> {
  const found = new Map<string, string>();
  const ask = async (path: string): Promise<AdminReply> => {
    const reply = await world.askAs(token, "GET", path);
    found.set(path, `${reply.status} ${reply.text.replace(/"forecast":\{[^}]*\}/g, '"forecast":null')}`);
    return reply;
  };
  for (const { path, parameters } of routes) {
    if (path.includes("{id}")) {
      const [, plural = ""] = path.split("/");
      if (plural !== "requests") await ask(path.replace("{id}", ids.get(plural) ?? "nothing"));
      continue;
    }
    const time = parameters.includes("from") ? `from=${FROM}&to=${TO}` : "";
    if (!parameters.includes("by")) await ask(`${path}?${time}`);
    if (whole && parameters.includes("after")) {
      for (let next: Json | undefined = ""; typeof next === "string"; ) next = (await ask(`${path}?${time}&limit=3&after=${next}`)).json["next"];
    }
    for (const by of !parameters.includes("by") ? [] : !whole ? ["team,key"] : [...DIMENSIONS.filter((one) => one !== "tags"), "tag:feature", "tag:user", "key,model,day"]) await ask(`${path}?${time}&by=${by}`);
    for (const format of parameters.includes("format") ? ["csv", "focus"] : []) await ask(`${path}?${time}&format=${format}`);
  }
  const listed = await world.askAs(token, "GET", "/requests");
  for (const row of (listed.json["data"] ?? []) as readonly JsonObject[]) await ask(`/requests/${row["request_id"] as string}`);
  return found;
}

/** All texts in an answer that are long enough to be somebody's. */
function textsOf(value: Json, into: Set<string>): void {
  if (typeof value === "string" && value.length > 5) into.add(value);
  else if (Array.isArray(value)) for (const one of value as readonly Json[]) textsOf(one, into);
  else if (typeof value === "object" && value !== null) for (const one of Object.values(value)) textsOf(one as Json, into);
}

before(async () => {
  world = await adminWorld();
  const { paths } = (await world.ask("GET", "/openapi.json")).json as unknown as { readonly paths: Readonly<Record<string, { readonly get?: { readonly parameters?: readonly { readonly in: string; readonly name: string }[] } }>> };
  routes = Object.entries(paths).flatMap(([path, { get }]) => (get === undefined ? [] : [{ path: path.replace("/admin/v1", ""), parameters: (get.parameters ?? []).filter((one) => one.in === "query").map(({ name }) => name) }]));
  acme = await settle("acme", "ours", "50");
  await world.gateway.requests();
  first = await everything();
  bravo = await settle("bravo", MARK, "7654321.987");
  // Limits of theirs that name what everybody uses, and everything of the organisation that runs the place.
  for (const [i, scope] of ["provider/one", "route/one/chat", "model/chat", "tenant/bravo"].entries()) {
    await world.make("budgets", { id: `shared${i}-${MARK}`, scope, period: "total", limit_usd: 0 }, "bravo");
    await world.make("limits", { id: `shared${i}-${MARK}`, scope, requests_per_minute: 0 }, "bravo");
  }
  await world.make("teams", { id: `place-${MARK}`, name: `Place ${MARK}` });
  await world.make("keys", { id: `place-${MARK}`, team: `place-${MARK}` });
  await world.make("budgets", { id: `place-${MARK}`, scope: `team/place-${MARK}`, period: "day", limit_usd: "1234567.89" });
  await world.make("prices", { id: `place-${MARK}`, account: "one", model: `model-${MARK}`, price: { input: 1, output: 2 } });
  await world.make("contracts", { id: `place-${MARK}`, account: "two", kind: "pay_as_you_go", start: "2019-01-01", end: "2019-12-31", discounts: [{ percent: 33.2 }] });
  await world.call(CONFIGURED_KEY, { model: "one/large" }, { "x-spillway-tag-feature": `place-${MARK}` });
  await world.gateway.requests();
});
after(() => world.close());

async function everything(): Promise<ReadonlyMap<string, string>> {
  const all = new Map<string, string>();
  for (const [who, token] of acme.tokens) for (const [path, text] of await answers(token, acme.ids, who === "owner" || who === "key")) all.set(`${who} ${path}`, text);
  return all;
}

describe("two organisations", () => {
  it("have answers to compare: every route was asked by every role, and tells its own", () => {
    assert.ok(routes.length > 30 && first.size > 300, `${routes.length} routes, ${first.size} answers`);
    const told = [...first].filter(([, text]) => text.startsWith("200"));
    for (const [plural, id] of acme.ids) assert.ok(told.some(([path, text]) => path.startsWith(`owner /${plural}`) && text.includes(id)), plural);
    for (const path of ["owner /usage", "owner /usage/movers", "owner /requests", "owner /audit", "key /usage", "key /requests", "owner /requests/req_"]) assert.ok(told.some(([asked, text]) => asked.startsWith(path) && text.includes("acme.")), path);
  });

  it("change no byte of each other's answers, whatever they own, spend and are refused", async () => {
    const now = await everything();
    assert.deepEqual([...now.keys()], [...first.keys()]);
    for (const [path, text] of now) assert.equal(text, first.get(path), path);
  });

  it("tell nothing of each other to who asks by the other's ids, names, cursors and filters: what is another's is what is not there", async () => {
    const theirs = new Set<string>();
    const owner = bravo.tokens.get("owner") ?? "";
    for (const text of (await answers(owner, bravo.ids, true)).values()) if (text.startsWith("200 {")) textsOf(JSON.parse(text.slice(4)) as Json, theirs);
    for (const known of first.values()) for (const one of theirs) if (known.includes(one)) theirs.delete(one);
    assert.ok(theirs.size > 60 && [...theirs].some((one) => one.includes("7654321.98")) && [...theirs].filter((one) => /^(?:[\w-]{43}|[0-9a-f]{64})$/.test(one)).length > 10, "ids, amounts and hashes of theirs are known here");
    const requestIds = [...theirs].filter((one) => one.startsWith("req_"));
    assert.equal(requestIds.length, 3);
    const [request = ""] = requestIds;
    const idOf = (plural: string): string => bravo.ids.get(plural) ?? "";
    /** What is theirs, by the parameter that may name it; any other is given their team. */
    const values: Readonly<Record<string, readonly string[]>> = {
      after: [idOf("keys"), "999999"], key: [idOf("keys"), `place-${MARK}`], project: [idOf("projects")], member: [idOf("members")], model: [`nothing-${MARK}`], route: [`nothing-${MARK}`],
      scope: [`team/${idOf("teams")}`, "tenant/bravo", `tag/feature=feature-${MARK}`], "tag:feature": [`feature-${MARK}`],
    };
    let asked = 0;
    for (const who of ["owner", "viewer", "key", "blind key"]) {
      const token = acme.tokens.get(who) ?? "";
      const same = async (path: (value: string) => string, value: string): Promise<void> => {
        const nobodys = value.replace(MARK, "nobody").replace(/^req_.{9}/, "req_000000000");
        const [told, other] = [await world.askAs(token, "GET", path(encodeURIComponent(value))), await world.askAs(token, "GET", path(encodeURIComponent(nobodys)))];
        const text = told.text.replaceAll(value, "…");
        assert.equal(text, other.text.replaceAll(nobodys, "…"), `${who} ${path(value)}`);
        assert.equal(told.status, other.status, `${who} ${path(value)}`);
        for (const one of theirs) if (text.includes(one)) assert.fail(`${who} ${path(value)} tells ${one}`);
        asked += 1;
      };
      for (const { path, parameters } of routes) {
        const plural = path.split("/")[1] ?? "";
        if (path.includes("{id}")) await same((id) => path.replace("{id}", id), plural === "requests" ? request : idOf(plural));
        const time = parameters.includes("from") ? `from=${FROM}&to=${TO}` : "";
        for (const name of parameters.map((one) => one.replace("<name>", "feature")).filter((one) => !["limit", "status", "from", "to"].includes(one))) {
          for (const value of values[name] ?? [idOf("teams")]) await same((one) => `${path}?${time}&${name}=${one}`, value);
        }
      }
    }
    assert.ok(asked > 250, String(asked));
  });

  it("refuse to name, take or touch what is the other's in the words for what is not there", async () => {
    const token = acme.tokens.get("owner") ?? "";
    const [team = "", key = "", member = "", project = "", budget = ""] = ["teams", "keys", "members", "projects", "budgets"].map((plural) => bravo.ids.get(plural) ?? "");
    const tries: readonly (readonly [method: string, path: string, body: (value: string) => JsonObject, value: string])[] = [
      ...[team, `place-${MARK}`].flatMap((one) => [["POST", "/keys", (value: string) => ({ team: value }), one], ["POST", "/members", (value: string) => ({ name: "x", teams: [value] }), one]] as const),
      ["POST", "/keys", (value) => ({ project: value }), project],
      ["POST", "/keys", (value) => ({ member: value }), member],
      ["POST", "/credentials", (value) => ({ account: "one", team: value, api_key: "sk-x" }), team],
      ...["team", "key", "member", "project", "tenant"].flatMap((word) => [team, key, "bravo", "configured"].map((one) => ["POST", "/budgets", (value: string) => ({ scope: `${word}/${value}`, period: "day", limit_usd: 1 }), one] as const)),
      ["POST", "/limits", (value) => ({ scope: `key/${value}`, concurrency: 1 }), "configured"],
      ["PATCH", `/budgets/${budget}`, () => ({ limit_usd: 1 }), budget],
      ["DELETE", `/keys/${key}`, () => ({}), key],
      ["POST", `/keys/${key}/rotate`, () => ({}), key],
      ["POST", `/members/${member}/token`, () => ({}), member],
    ];
    for (const [method, path, body, value] of tries) {
      const nobodys = value === "bravo" ? "nobody" : value === "configured" ? "not-there" : value.replace(MARK, "nobody");
      const told = await world.askAs(token, method, path, method === "DELETE" ? undefined : body(value));
      const other = await world.askAs(token, method, path.replace(value, nobodys), method === "DELETE" ? undefined : body(nobodys));
      assert.ok([400, 404].includes(told.status), `${method} ${path} ${value}: ${told.text}`);
      assert.deepEqual([told.status, told.text.replaceAll(value, "…")], [other.status, other.text.replaceAll(nobodys, "…")], `${method} ${path}`);
    }
  });

  it("limit nobody but themselves, though their limits name what all use", async () => {
    const [ours = "", theirs = ""] = [acme, bravo].map(({ tokens }) => tokens.get("key") ?? "");
    assert.equal((await world.call(theirs)).status, 429);
    const told = await world.call(ours);
    assert.equal(told.status, 200, told.text);
    assert.equal((await world.call(CONFIGURED_KEY)).status, 200);
  });

  it("are told nothing of each other by the gateway's own port either", async () => {
    const [ours = "", theirs = ""] = [acme, bravo].map(({ tokens }) => tokens.get("key") ?? "");
    const models = async (key: string): Promise<string> => (await fetch(`${world.gateway.baseUrl}/models`, { headers: { authorization: `Bearer ${key}` } })).text();
    assert.equal(await models(ours), await models(theirs));
    const refused = await world.call(theirs);
    assert.ok(!refused.text.includes("acme") && !refused.text.includes("place"));
  });
});
