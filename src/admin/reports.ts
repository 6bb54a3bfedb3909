/** The routes of reports: spend, what moved most, finished requests, and how budgets stand. */
import type { Queries, RequestQuery, UsageQuery } from "../control/reports.ts";
import { QueryError } from "../control/reports.ts";
import { instantOf, isReportWord, usageQueryOf } from "../control/report-terms.ts";
import type { Role } from "../control/types.ts";
import { isObject, type Json, type JsonObject } from "../wire/json.ts";
import { SEES_TERMS } from "./access.ts";
import { FOCUS_BY, focusCsv, type FocusFacts } from "./focus.ts";
import { invalidQuery, pageOf, PAGE_PARAMETERS, refuseUnknown, wholeOf } from "./paging.ts";
import { AdminProblem, ok, type AdminActor, type AdminAnswer, type AdminCall, type AdminRoute, type QueryParameter } from "./types.ts";
import { moverJson, reportCsv, reportJson } from "./usage-view.ts";

export interface ReportSettings {
  readonly queries: Queries;
  readonly nowMs: () => number;
  readonly providerOf: FocusFacts["providerOf"];
  readonly teamName: (tenant: string, id: string) => string | null;
}

const ROWS = 1_000;
const ROWS_MAX = 10_000;
const MOVERS = 20;
const MOVERS_MAX = 200;
const text = (name: string, description: string): QueryParameter => ({ name, description });
const TERMS: readonly QueryParameter[] = [
  text("by", "What to group by, several with commas: key, member, team, project, route, model, provider, deployment, paid_by, tag:<name>, day, week, month"),
  text("from", "From this day or time on; the month's first where absent"),
  text("to", "Up to this day or time, not included; now where absent"),
  text("time_zone", "Whose days, weeks and months (UTC)"),
  ...["key", "member", "team", "project", "route", "model", "provider", "deployment"].map((name) => text(name, `Only of this ${name}`)),
  text("paid_by", "team: only what teams paid by credentials of their own"),
  text("tag:<name>", "Only with this value of the tag"),
];
const LIST = { $ref: "#/components/schemas/List" };

/** Routes of spend. */
export function usageRoutes(settings: ReportSettings): readonly AdminRoute[] {
  const shared = { method: "GET", tag: "usage" } as const;
  return [
    { ...shared, path: "/admin/v1/usage", name: "getUsage", summary: "Spend by key, member, team, project, route, model, provider, tag or time", query: [...TERMS, { name: "limit", description: `Groups in the answer (${ROWS}); the total is of all`, schema: { type: "integer", minimum: 1, maximum: ROWS_MAX, default: ROWS } }, { name: "format", description: "json; csv: all groups, streamed; focus: CSV with the column names of FOCUS 1.2, by day", schema: { enum: ["json", "csv", "focus"], default: "json" } }], answers: { status: 200, description: "The report", schema: { $ref: "#/components/schemas/UsageReport" }, also: ["text/csv"] }, run: (call) => usage(settings, call) },
    { ...shared, path: "/admin/v1/usage/movers", name: "getMovers", summary: "Whose spend changed most against as much time before", query: [...TERMS, { name: "limit", description: `Groups in the answer (${MOVERS})`, schema: { type: "integer", minimum: 1, maximum: MOVERS_MAX, default: MOVERS } }], answers: { status: 200, description: "The groups, the largest change first", schema: LIST }, run: (call) => movers(settings, call) },
  ];
}

/** Routes of finished requests. */
export function requestRoutes(settings: ReportSettings): readonly AdminRoute[] {
  const shared = { method: "GET", tag: "requests" } as const;
  const filters = ["key", "model", "route", "deployment", "outcome", "status", "error_code", "flag"].map((name) => text(name, `Only with this ${name}`));
  return [
    { ...shared, path: "/admin/v1/requests", name: "listRequests", summary: "Finished requests, the newest first; a page may be short while `next` says that there is more", query: [...PAGE_PARAMETERS, text("from", "Begun at this day or time or later"), text("to", "Begun before this day or time"), ...filters, text("scope", "Only with calls that carry this scope: team/search, tag/feature=chat, …; several times: all of them")], answers: { status: 200, description: "A page", schema: LIST }, run: (call) => requests(settings, call) },
    { ...shared, path: "/admin/v1/requests/:id", name: "getRequest", summary: "One request: what was asked, decided, tried, answered and paid", answers: { status: 200, description: "The request", schema: { type: "object" } }, run: (call) => request(settings, call) },
  ];
}

async function usage(settings: ReportSettings, call: AdminCall): Promise<AdminAnswer> {
  const format = call.query.get("format") ?? "json";
  if (!["json", "csv", "focus"].includes(format)) throw invalidQuery("format", "expected json, csv or focus");
  const limit = wholeOf(call.query, "limit", ROWS, ROWS_MAX);
  const query = queryOf(settings, call, ["format", "limit"]);
  const withCost = seesCost(call.actor);
  if (format === "focus" && query.by.length > 0) throw invalidQuery("by", "focus has rows of its own, by day: leave it out");
  if (format === "json") return ok({ ...timesJson(query), ...reportJson(await within(settings.queries.usage(query, limit)), query.by, withCost) });
  if (!withCost) throw new AdminProblem(403, "forbidden", "This key is not told what its requests cost.");
  if (format === "csv") return csv(`usage-${dayOf(query.fromMs)}`, await started(reportCsv(settings.queries.usageRows(query), query.by)));
  if (call.actor.role === "key") throw new AdminProblem(403, "forbidden", "Not for callers' keys: it names deployments.");
  const facts: FocusFacts = { organisation: call.tenant, providerOf: settings.providerOf, teamName: (id) => settings.teamName(call.tenant, id), nowMs: settings.nowMs() };
  return csv(`focus-${dayOf(query.fromMs)}`, await started(focusCsv(settings.queries.usageRows({ ...query, by: FOCUS_BY, timeZone: "UTC" }), facts)));
}

async function movers(settings: ReportSettings, call: AdminCall): Promise<AdminAnswer> {
  const limit = wholeOf(call.query, "limit", MOVERS, MOVERS_MAX);
  const query = queryOf(settings, call, ["limit"]);
  if (query.by.length === 0) throw invalidQuery("by", "say by what: team, key, model, …");
  const found = await within(settings.queries.movers(query, limit));
  return ok({ ...timesJson(query), before_from: new Date(2 * query.fromMs - query.toMs).toISOString(), data: found.map((mover) => moverJson(query.by, mover)), next: null });
}

/** The query of an address, within what the actor may see. */
function queryOf(settings: ReportSettings, { query, tenant, actor }: AdminCall, also: readonly string[]): UsageQuery {
  refuseUnknown(query, (name) => isReportWord(name) || also.includes(name));
  const found = usageQueryOf(new Map([...query].filter(([name]) => !also.includes(name))), tenant, settings.nowMs());
  if ("by" in found) {
    if (actor.caller === null) return found;
    if (actor.caller.policy?.expose === "none" && found.by.some((one) => ["model", "provider", "deployment"].includes(one))) throw new AdminProblem(403, "forbidden", "This key is not told where its requests went.");
    return { ...found, scopes: [...found.scopes, `key/${actor.caller.key}`] };
  }
  throw new AdminProblem(400, "invalid", found.map(({ field, message }) => `${field}: ${message}`).join("; "), found);
}

async function requests(settings: ReportSettings, call: AdminCall): Promise<AdminAnswer> {
  const { query, tenant, actor } = call;
  const names = ["after", "limit", "from", "to", "key", "model", "route", "deployment", "outcome", "status", "error_code", "flag", "scope"];
  refuseUnknown(query, (name) => names.includes(name));
  const { after, limit } = pageOf(query);
  if (after !== null && !/^\d{1,15}$/.test(after)) throw invalidQuery("after", "expected `next` of the page before");
  const timeOf = (name: string): number | null => {
    const asked = query.get(name);
    const found = asked === null ? null : instantOf(asked, "UTC");
    if (asked !== null && found === null) throw invalidQuery(name, "expected a day such as 2026-11-01, or a time such as 2026-11-01T08:00:00Z");
    return found;
  };
  const own = actor.caller;
  const hidden = own === null ? [] : own.policy?.expose === "none" ? ["deployment", "scope", "flag"] : ["scope"];
  for (const name of hidden) if (query.has(name)) throw new AdminProblem(403, "forbidden", `${name}: not for this key.`);
  const only = (name: string): string | undefined => query.get(name) ?? undefined;
  const asked: Partial<Record<keyof RequestQuery, string | undefined>> = { key: own?.key ?? only("key"), model: only("model"), route: only("route"), deployment: only("deployment"), outcome: only("outcome"), errorCode: only("error_code"), flag: only("flag") };
  if (own !== null && query.has("key") && query.get("key") !== own.key) return ok({ data: [], next: null });
  const given = Object.fromEntries(Object.entries(asked).filter(([, value]) => value !== undefined)) as Partial<RequestQuery>;
  const status = query.has("status") ? { status: wholeOf(query, "status", 0, 999) } : {};
  const page = await within(settings.queries.requests({ tenant, limit, before: after === null ? null : Number(after), fromMs: timeOf("from"), toMs: timeOf("to"), scopes: query.getAll("scope"), ...given, ...status }));
  return ok({ data: page.requests.map((one) => visibleRequest(one, actor)), next: page.next === null ? null : String(page.next) });
}

async function request(settings: ReportSettings, { params, tenant, actor }: AdminCall): Promise<AdminAnswer> {
  const id = params["id"] ?? "";
  const found = await within(settings.queries.request(tenant, id));
  if (found === null) throw new AdminProblem(404, "not_found", `There is no request ${id}.`);
  return ok(visibleRequest(found, actor));
}

/** What this actor sees of a request: callers what their key is told anyway, and contract prices only who minds the bill. */
export function visibleRequest(found: JsonObject, actor: AdminActor): JsonObject {
  const { position: _position, ...told } = found;
  if (actor.caller === null) return SEES_TERMS.includes(actor.role as Role) ? told : withoutPrices(told);
  const expose = actor.caller.policy?.expose ?? "id+cost";
  const { decision: _decision, attempts, cost_usd: cost, deployment, ...rest } = told;
  return {
    ...rest,
    ...(expose === "id+cost" ? { cost_usd: cost ?? null } : {}),
    ...(expose === "none" ? { flags: [] } : { deployment: deployment ?? null, attempts: (attempts as readonly JsonObject[]).map((one) => (expose === "id+cost" ? one : without(one, "cost_nano_usd"))) }),
  };
}

/** The decision without estimates of what its candidates would have cost: they tell the prices of contracts. */
function withoutPrices(found: JsonObject): JsonObject {
  return { ...found, decision: withoutPriceFields(found["decision"] ?? null) };
}

/** Without the fields that tell prices, at any depth. */
export function withoutPriceFields(value: Json): Json {
  if (Array.isArray(value)) return (value as readonly Json[]).map(withoutPriceFields);
  if (!isObject(value)) return value;
  const shown = Object.entries(value).filter(([name]) => !/_usd(?:_|$)|price/.test(name));
  return Object.fromEntries(shown.map(([name, inner]) => [name, saysPrices(name, value) ? "not for everybody: it tells prices" : withoutPriceFields(inner as Json)]));
}

/** Words of a decision in which prices stand: that a deployment became dearer, or may cost too much. */
function saysPrices(name: string, { reason }: JsonObject): boolean {
  return name === "cost_spike" || (name === "detail" && reason === "over_cap");
}

function without(value: JsonObject, field: string): JsonObject {
  return Object.fromEntries(Object.entries(value).filter(([name]) => name !== field));
}

function seesCost({ caller }: AdminActor): boolean {
  return caller === null || (caller.policy?.expose ?? "id+cost") === "id+cost";
}

function timesJson({ fromMs, toMs, timeZone, by }: UsageQuery): JsonObject {
  return { from: new Date(fromMs).toISOString(), to: new Date(toMs).toISOString(), time_zone: timeZone, by };
}

function csv(name: string, parts: AsyncIterable<string>): AdminAnswer {
  return { kind: "text", status: 200, type: "text/csv; charset=utf-8", parts, headers: { "content-disposition": `attachment; filename="${name}.csv"` } };
}

function dayOf(ms: number): string {
  return new Date(ms).toISOString().slice(0, 10);
}

/** The first parts are made before the status leaves, so that what cannot be answered is no answer cut short. */
async function started(parts: AsyncGenerator<string>): Promise<AsyncIterable<string>> {
  const first = await within(parts.next());
  const second = first.done === true ? first : await within(parts.next());
  return (async function* (): AsyncGenerator<string> {
    try {
      for (const one of [first, second]) if (one.done !== true) yield one.value;
      yield* parts;
    } finally {
      await parts.return(undefined);
    }
  })();
}

const STATUS = { busy: 429, slow: 504, large: 400, failed: 503 } as const;

/** What a query came to, or the problem that it met. */
export async function within<T>(answer: Promise<T>): Promise<T> {
  try {
    return await answer;
  } catch (error) {
    if (error instanceof QueryError) throw new AdminProblem(STATUS[error.code], `query_${error.code}`, error.message);
    throw error;
  }
}
