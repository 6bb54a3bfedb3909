/** The admin API of a running gateway, over its store and its configuration. */
import { dirname } from "node:path";
import { adminApi, type AdminApi } from "../admin/api.ts";
import { firstAdminToken, Identities } from "../admin/identity.ts";
import type { ConfiguredObject } from "../admin/objects.ts";
import type { Config } from "../config/types.ts";
import type { Managed } from "../control/manage.ts";
import type { LeftOut } from "../control/kinds/contract.ts";
import type { LimitRule } from "../control/kinds/limit.ts";
import type { BudgetBook } from "../decide/budget/book.ts";
import type { Budget } from "../decide/budget/types.ts";
import { viewOf } from "../decide/budget/view.ts";
import { addDays, showDate } from "../decide/contract/calendar.ts";
import type { Contract } from "../decide/contract/types.ts";
import type { Caller, Log } from "../ports.ts";
import { controlPathOf } from "../storage/control-files.ts";
import { QueryThread } from "../storage/queries.ts";
import { asString, type JsonObject } from "../wire/json.ts";
import { usdShort } from "../wire/money.ts";
import { VERSION } from "../version.ts";
import { LOCAL_ACTOR } from "./control.ts";

export interface AdminParts {
  readonly managed: Managed;
  readonly config: () => Config;
  /** Managed contracts that do not count beside the configuration's. */
  readonly contractsLeftOut: () => readonly LeftOut[];
  /** Whose key has this hash. */
  readonly callerOf: (sha256: string) => Caller | undefined;
  readonly log: Log;
  readonly book: BudgetBook;
  /** The data folder's. */
  readonly ledgerPath: string;
  readonly wallMs: () => number;
}

export interface OpenAdmin extends AdminApi {
  /** The administrator's token, if this is the first start on its folder: shown once. */
  readonly firstToken: string | null;
  close(): Promise<void>;
}

/** Opens the API; makes the administrator's token where there was none. */
export function openAdmin(parts: AdminParts): OpenAdmin {
  const { managed, config, log } = parts;
  const firstToken = firstAdminToken(managed.store, LOCAL_ACTOR);
  const identities = new Identities(managed.store, parts.callerOf);
  const queries = new QueryThread({ ledgerPath: parts.ledgerPath, controlPath: controlPathOf(dirname(parts.ledgerPath)) });
  const api = adminApi({
    managed,
    queries,
    nowMs: parts.wallMs,
    providerOf: (account) => config().accounts.find(({ name }) => name === account)?.provider.name ?? null,
    teamName: (tenant, id) => teamName(managed, tenant, id),
    standing: (budgetId) => [...parts.book.accounts.values()].filter(({ budget }) => baseOf(budget.id) === budgetId && budget.period !== "request").map((account) => viewOf(account, parts.wallMs())),
    configured: (kind) => configuredObjects(kind, config()),
    leftOut: (kind, id) => (kind === "contract" ? parts.contractsLeftOut().find((one) => one.id === id)?.message : undefined),
    configSource: () => config().source,
    identify: (authorization) => identities.find(authorization),
    onCrash: (path, error) => log.error("admin_request_crashed", { path, error: error instanceof Error ? (error.stack ?? error.message) : String(error) }),
    version: VERSION,
  });
  return { ...api, firstToken, close: () => queries.close() };
}

function teamName({ store }: Managed, tenant: string, id: string): string | null {
  const team = store.get("team", id);
  return team?.tenant === tenant ? (asString(team.body["name"]) ?? null) : null;
}

/** Objects that the configuration made, as they are listed beside managed ones. */
export function configuredObjects(kind: string, config: Config): readonly ConfiguredObject[] {
  switch (kind) {
    case "key":
      return config.keys.map(({ name }) => ({ id: name, fields: {} }));
    case "budget":
      return grouped(config.budgets, budgetFields);
    case "limit":
      return grouped(config.limits, limitFields);
    case "contract":
      return config.contracts.map((contract) => ({ id: contract.id, fields: contractFields(contract) }));
    case "channel":
      return config.channels.map(({ id, name, type, host, kinds, minSeverity, scopes, perHour }) => ({ id, fields: { name, type, url_host: host, kinds, min_severity: minSeverity, scopes, per_hour: perHour } }));
    default:
      return [];
  }
}

/** One object may have come to several, one for each model and route that it names; their ids say which. */
function grouped<T extends { readonly id: string; readonly scopes: readonly string[] }>(all: readonly T[], fields: (one: T) => JsonObject): readonly ConfiguredObject[] {
  const byId = new Map<string, T[]>();
  for (const one of all) {
    const id = baseOf(one.id);
    const known = byId.get(id);
    if (known === undefined) byId.set(id, [one]);
    else known.push(one);
  }
  return [...byId].flatMap(([id, parts]) => {
    const [first] = parts;
    if (first === undefined) return [];
    const more = new Set(parts.flatMap((part) => moreOf(part.id)));
    const named = (word: string): readonly string[] => [...more].filter((scope) => scope.startsWith(word)).map((scope) => scope.slice(word.length));
    const [models, routes] = [named("model/"), named("route/")];
    return [{ id, fields: { ...fields(first), scopes: first.scopes.filter((scope) => !more.has(scope)), ...(models.length > 0 ? { models } : {}), ...(routes.length > 0 ? { routes } : {}) } }];
  });
}

/** `month#model/a,route/b` is `month`, for this model and route. */
export function baseOf(id: string): string {
  const end = id.indexOf("#");
  return end < 0 ? id : id.slice(0, end);
}

function moreOf(id: string): readonly string[] {
  const end = id.indexOf("#");
  return end < 0 ? [] : id.slice(end + 1).split(",");
}

function budgetFields(budget: Budget): JsonObject {
  const { period, timeZone, limitNanoUsd, kind, alertsAtPermille, cheaperFromPermille } = budget;
  return {
    period, time_zone: timeZone, limit_usd: usdShort(limitNanoUsd), kind, alerts: alertsAtPermille.map((permille) => permille / 10),
    ...(cheaperFromPermille === null ? {} : { cheaper_at: cheaperFromPermille / 10 }),
  };
}

/** What it covers; what it costs is told by `spillway contracts show`. */
function contractFields({ account, models, except, terms, start, after, timeZone }: Contract): JsonObject {
  return {
    account, models: [...models], ...(except.length > 0 ? { except: [...except] } : {}), kind: terms.kind, start: showDate(start),
    ...(after === null ? {} : { end: showDate(addDays(after, -1)) }), time_zone: timeZone,
  };
}

function limitFields(rule: LimitRule): JsonObject {
  const { requestsPerMinute, tokensPerMinute, concurrency } = rule;
  return {
    ...(requestsPerMinute === null ? {} : { requests_per_minute: requestsPerMinute }),
    ...(tokensPerMinute === null ? {} : { tokens_per_minute: tokensPerMinute }),
    ...(concurrency === null ? {} : { concurrency }),
  };
}
