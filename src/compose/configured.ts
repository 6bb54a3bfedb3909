/** Objects that the configuration made, as they are listed beside managed ones. */
import type { ConfiguredObject } from "../admin/objects.ts";
import type { Config } from "../config/types.ts";
import type { LimitRule } from "../control/kinds/limit.ts";
import type { Budget } from "../decide/budget/types.ts";
import { addDays, showDate } from "../decide/contract/calendar.ts";
import type { Contract } from "../decide/contract/types.ts";
import type { PriceRecord } from "../decide/price-book.ts";
import { termsOf } from "../decide/price-listing.ts";
import type { JsonObject } from "../wire/json.ts";
import { usdShort } from "../wire/money.ts";

/** Those of a kind, in no order. */
export function configuredObjects(kind: string, config: Config): readonly ConfiguredObject[] {
  switch (kind) {
    case "key":
      return config.keys.map(({ name, importance }) => ({ id: name, fields: importance === undefined ? {} : { importance } }));
    case "budget":
      return grouped(config.budgets, budgetFields);
    case "limit":
      return grouped(config.limits, limitFields);
    case "contract":
      return config.contracts.map((contract) => ({ id: contract.id, fields: contractFields(contract) }));
    case "channel":
      return config.channels.map(({ id, name, type, host, kinds, minSeverity, scopes, perHour }) => ({ id, fields: { name, type, url_host: host, kinds, min_severity: minSeverity, scopes, per_hour: perHour } }));
    case "price":
      return config.prices.map((price) => ({ id: price.id, fields: priceFields(price) }));
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

function priceFields({ of, model, validFromMs, validToMs, sheet, confidence }: PriceRecord): JsonObject {
  const at = (ms: number | null): string | null => (ms === null || !Number.isFinite(ms) ? null : new Date(ms).toISOString());
  return { ...of, model, price: termsOf(sheet) as unknown as JsonObject, valid_from: at(validFromMs), valid_to: at(validToMs), confidence };
}
