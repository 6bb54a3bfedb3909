/** Takes reviewed prices of a feed over into the managed ones: all of them in one step, or none. */
import { bookProblems, type PriceRecord } from "../decide/price-book.ts";
import { dayText } from "../decide/price-listing.ts";
import { asString, isObject, type Json, type JsonObject } from "../wire/json.ts";
import { nameHash } from "../wire/name-hash.ts";
import { schemaProblems } from "./kinds/fields.ts";
import { price, recordOf } from "./kinds/price.ts";
import type { Actor, ApplyResult, Change, ControlStore, FieldProblem, StoredObject } from "./types.ts";

/** Prices that somebody has looked at, as they shall hold. */
export interface PriceImport {
  /** The feed: periods of one feed follow each other. */
  readonly source: string;
  readonly sourceDate?: string;
  /** From when they hold. */
  readonly fromMs: number;
  readonly prices: readonly { readonly provider: string; readonly model: string; readonly terms: JsonObject }[];
}

export type ImportResult = { readonly kind: "done"; readonly count: number } | Extract<ApplyResult, { kind: "refused" }>;

/** End what the feed said before, and put what it says now in its place. */
export function importPrices(store: ControlStore, asked: PriceImport, actor: Actor, nowMs: number): ImportResult {
  const wanted = { ...asked, fromMs: Math.floor(asked.fromMs / 1000) * 1000 };
  const changes: Change[] = [];
  const problems: FieldProblem[] = [];
  const stored = [...store.all("price")].filter((object) => object.body["source"] === wanted.source && typeof object.body["provider"] === "string");
  const before = Map.groupBy(stored, (object) => `${asString(object.body["provider"]) ?? ""}/${asString(object.body["model"]) ?? ""}`);
  for (const one of wanted.prices) {
    const of = `${one.provider}/${one.model}`;
    const put = (id: string, body: JsonObject, ifVersion: number): void => {
      const parsed = price.schema.safeParse(body);
      if (!parsed.success) problems.push(...schemaProblems(parsed.error).map(({ field, message }) => ({ field: `${of}: ${field}`, message })));
      else changes.push({ op: "put", kind: "price", id, tenant: "default", body: { ...body, known_since_ms: nowMs }, ifVersion });
    };
    const body: JsonObject = { provider: one.provider, model: one.model, price: one.terms, valid_from: dayText(wanted.fromMs), source: wanted.source, ...(wanted.sourceDate === undefined ? {} : { source_date: wanted.sourceDate }), confidence: "secondary" };
    const id = idOf(of, wanted.fromMs);
    for (const object of before.get(of) ?? []) endBefore(object, wanted.fromMs, id, changes);
    put(id, body, store.get("price", id)?.version ?? 0);
  }
  if (problems.length === 0) problems.push(...problemsAfter(store, changes));
  if (problems.length > 0) return { kind: "refused", code: "invalid", message: problems.map(({ field, message }) => `${field}: ${message}`).join("; "), problems };
  const result = store.apply(changes, actor, "import");
  return result.kind === "refused" ? result : { kind: "done", count: wanted.prices.length };
}

/** An earlier word of the feed ends where the new one begins; one that begins there or later is not needed any more. */
function endBefore(object: StoredObject, fromMs: number, newId: string, changes: Change[]): void {
  const record = recordOf(object);
  if (object.id === newId || (record !== null && record.validToMs !== null && record.validToMs <= fromMs)) return;
  if (record !== null && record.validFromMs >= fromMs) changes.push({ op: "delete", kind: "price", id: object.id, ifVersion: object.version });
  else changes.push({ op: "put", kind: "price", id: object.id, tenant: object.tenant, body: { ...object.body, valid_to: dayText(fromMs) }, ifVersion: object.version });
}

/** What would be wrong with the book after these changes. */
function problemsAfter(store: ControlStore, changes: readonly Change[]): readonly FieldProblem[] {
  const records = new Map<string, PriceRecord>();
  for (const object of store.all("price")) keep(records, recordOf(object), object.id);
  const touched = new Set(changes.map(({ id }) => id));
  for (const change of changes) {
    if (change.op === "delete") records.delete(change.id);
    else keep(records, recordOf({ id: change.id, version: 1, updatedMs: 0, body: change.body }), change.id);
  }
  const missing = changes.filter((change) => change.op === "put" && !records.has(change.id)).map(({ id }) => ({ field: id, message: "there is no sound price in it" }));
  return [...missing, ...bookProblems([...records.values()]).filter(({ id }) => touched.has(id)).map(({ id, field, message }) => ({ field: `${id}.${field}`, message }))];
}

function keep(records: Map<string, PriceRecord>, record: PriceRecord | null, id: string): void {
  if (record === null) records.delete(id);
  else records.set(id, record);
}

/** `openai-gpt-4o-1x2y3z-20261123`: what it is of, made unmistakable, and from when. */
function idOf(of: string, fromMs: number): string {
  const slug = of.toLowerCase().replace(/[^a-z0-9]+/g, "-").replace(/^-|-$/g, "").slice(0, 34);
  const when = new Date(fromMs).toISOString().replace(/[-:]|\.\d+Z$/g, "").replace("T000000", "").replace("T", "-");
  return `${slug}-${nameHash(of).slice(0, 6)}-${when}`;
}

/** An import as it is handed to a running gateway; null where it is none. */
export function readImport(value: Json): PriceImport | null {
  if (!isObject(value)) return null;
  const { source, sourceDate, fromMs, prices } = value;
  if (typeof source !== "string" || typeof fromMs !== "number" || !Number.isSafeInteger(fromMs) || !Array.isArray(prices)) return null;
  const read = prices.flatMap((one) => {
    const [provider, model, terms] = isObject(one) ? [one["provider"], one["model"], one["terms"]] : [];
    return typeof provider === "string" && typeof model === "string" && isObject(terms) ? [{ provider, model, terms }] : [];
  });
  if (read.length !== prices.length) return null;
  return { source, fromMs, prices: read, ...(typeof sourceDate === "string" ? { sourceDate } : {}) };
}
