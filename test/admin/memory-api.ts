/** The admin API over a store in memory, asked without sockets: for matrices of many calls. */
import { adminApi, type AdminApi } from "../../src/admin/api.ts";
import { Identities } from "../../src/admin/identity.ts";
import { CallerBook } from "../../src/control/callers.ts";
import { kindsWith, shownOf } from "../../src/control/kinds/index.ts";
import { ROLES } from "../../src/control/kinds/member.ts";
import { actOnObject, createObject, type Managed } from "../../src/control/manage.ts";
import type { UsageSums } from "../../src/control/reports.ts";
import type { Vault } from "../../src/control/seal.ts";
import type { Actor, Role } from "../../src/control/types.ts";
import { NO_EFFECTS } from "../../src/decide/objective/policy.ts";
import { MemoryControlStore } from "../../src/storage/control-memory.ts";
import type { JsonObject } from "../../src/wire/json.ts";

export const OWNER: Actor = { id: "test", tenant: "default", role: "owner" };
export type Who = Role | "key" | "nobody";
export const ALL: readonly Who[] = [...ROLES, "key", "nobody"];
const NOTHING: UsageSums = { requests: 0, calls: 0, held: 0, unpriced: 0, estimated: 0, unmetered: 0, units: {}, costNanoUsd: 0n, correctionsNanoUsd: 0n, heldNanoUsd: 0n };
const VAULT: Vault = { seal: (place, text) => `sealed:${place.id}:${Buffer.from(text).toString("hex")}`, open: () => undefined };

/** One object of every kind that an organisation may have, in an order in which they can be made. `mark` is in every text. */
export function samples(mark: string, organisation: string): readonly { readonly kind: string; readonly id: string; readonly body: JsonObject }[] {
  const at = (id: string): string => (organisation === "default" ? id : `${organisation}.${id}`);
  const all = [
    { kind: "team", id: `t-${mark}`, body: { name: `Team ${mark}`, note: mark } },
    { kind: "project", id: `p-${mark}`, body: { name: `Project ${mark}`, team: at(`t-${mark}`) } },
    { kind: "member", id: `m-${mark}`, body: { name: `Member ${mark}`, teams: [at(`t-${mark}`)] } },
    { kind: "key", id: `k-${mark}`, body: { name: `Key ${mark}`, team: at(`t-${mark}`) } },
    { kind: "budget", id: `b-${mark}`, body: { name: `Budget ${mark}`, scope: `team/${at(`t-${mark}`)}`, period: "month", limit_usd: 10 } },
    { kind: "limit", id: `l-${mark}`, body: { name: `Limit ${mark}`, scope: `team/${at(`t-${mark}`)}`, requests_per_minute: 5 } },
    { kind: "credential", id: `c-${mark}`, body: { name: `Credential ${mark}`, account: "one", team: at(`t-${mark}`), api_key: `sk-secret-of-${mark}-0123456789` } },
    { kind: "channel", id: `h-${mark}`, body: { name: `Channel ${mark}`, type: "webhook", url: `https://hooks.example/${mark}`, secret: `secret-of-${mark}-0123456789` } },
  ];
  // Prices and contracts hold whoever calls: only the organisation that runs the place has them.
  const prices = [
    { kind: "price", id: `r-${mark}`, body: { account: "one", model: `model-${mark}`, price: { input: 1, output: 2 }, note: mark } },
    { kind: "contract", id: `a-${mark}`, body: { account: "one", kind: "pay_as_you_go", start: "2026-01-01", discounts: [{ percent: 12.5 }] } },
  ];
  return organisation === "default" ? [...all, ...prices] : all;
}

export interface MemoryApi {
  readonly api: AdminApi;
  readonly managed: Managed;
  /** A token of each role, in the organisation of that name. */
  readonly tokens: Readonly<Record<Who, string | null>>;
  ask(token: string | null, method: string, path: string, body?: JsonObject): Promise<{ readonly status: number; readonly text: string; readonly json: JsonObject }>;
}

/** An API with an organisation's members, one of each role, in the team `own`. */
export function memoryApi(organisation = "default"): MemoryApi {
  const store = new MemoryControlStore({ shown: shownOf });
  const managed: Managed = { store, kinds: kindsWith(VAULT), nowMs: Date.now, configured: (scope) => ["provider/one", "keyed/one"].includes(scope) };
  const book = new CallerBook(store);
  const identities = new Identities(store, (sha256) => book.get(sha256)?.caller);
  const make = (kind: string, id: string, body: JsonObject, tenant = organisation): JsonObject => {
    const made = createObject(managed, { kind, tenant, actor: OWNER }, id, body);
    if (made.kind === "refused") throw new Error(`${kind} ${id}: ${made.message}`);
    return made.once ?? {};
  };
  make("organisation", "default", { name: "Default" }, "default");
  if (organisation !== "default") make("organisation", organisation, { name: organisation }, "default");
  const at = (id: string): string => (organisation === "default" ? id : `${organisation}.${id}`);
  make("team", "own", { name: "Own" });
  const tokens: Record<string, string | null> = { nobody: null, key: make("key", "caller", { team: at("own") })["key"] as string };
  for (const role of ROLES) {
    make("member", role, { name: role, role, teams: [at("own")] });
    const made = actOnObject(managed, { kind: "member", tenant: organisation, actor: OWNER }, at(role), "token", {});
    if (made.kind === "refused") throw new Error(made.message);
    tokens[role] = made.once?.["token"] as string;
  }
  const api = adminApi({
    managed,
    configured: () => [],
    configSource: () => "test",
    identify: (authorization) => identities.find(authorization),
    onCrash: (path, error) => {
      throw new Error(`${path}: ${String(error)}`);
    },
    version: "0",
    nowMs: Date.now,
    providerOf: () => null,
    teamName: () => null,
    standing: () => [],
    objectives: { watched: () => [], effectsOf: () => NO_EFFECTS },
    trials: () => ({ canaries: [], mirrors: [] }),
    queries: {
      usage: () => Promise.resolve({ rows: [], total: NOTHING, groups: 0 }),
      usageRows: async function* () {
        await Promise.resolve();
        yield [];
      },
      movers: () => Promise.resolve([]),
      requests: () => Promise.resolve({ requests: [], next: null }),
      request: () => Promise.resolve({ request_id: "req_1", attempts: [], decision: {} }),
      verifyAudit: () => Promise.resolve(null),
    },
  });
  return {
    api,
    managed,
    tokens: tokens as Readonly<Record<Who, string | null>>,
    ask: async (token, method, path, body) => {
      const headers = { ...(token === null ? {} : { authorization: `Bearer ${token}` }), ...(body === undefined ? {} : { "content-type": "application/json" }) };
      const response = await api.fetch(new Request(`http://localhost/admin/v1${path}`, { method, headers, ...(body === undefined ? {} : { body: JSON.stringify(body) }) }));
      const text = await response.text();
      return { status: response.status, text, json: response.headers.get("content-type") === "application/json" ? (JSON.parse(text) as JsonObject) : {} };
    },
  };
}
