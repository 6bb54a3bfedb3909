/** A table of one's own: `provider,model,input,output,…`, units of our own, USD per million tokens or USD each. */
import { plainDecimal } from "../../wire/decimal.ts";
import type { Json } from "../../wire/json.ts";
import { UNITS } from "../../wire/usage.ts";
import { BadEntry, Gathering, type FeedContext, type FeedPrice, type ReadFeed } from "./feed.ts";

const KNOWN: ReadonlySet<string> = new Set([...UNITS, "provider", "model", "currency"]);

/** The prices of a table; a line that holds anything that is no price is left out. */
export function readCsv(text: string, context: FeedContext): ReadFeed {
  const rows = rowsOf(text);
  if (rows === null) return { ok: false, message: "a quoted field does not end" };
  const [head = [], ...rest] = rows;
  const columns = head.map((name) => name.trim().toLowerCase());
  const unknown = columns.find((name) => !KNOWN.has(name));
  if (!columns.includes("provider") || !columns.includes("model")) return { ok: false, message: "the first line names no columns provider and model" };
  if (unknown !== undefined || new Set(columns).size !== columns.length) return { ok: false, message: `the first line has ${unknown === undefined ? "a column twice" : `a column "${unknown.slice(0, 40)}" that is no unit`}` };
  const gathering = new Gathering();
  for (const [index, row] of rest.entries()) {
    if (row.length === 1 && row[0]?.trim() === "") continue;
    gathering.entry(`line ${index + 2}`, () => readRow(columns, row, context));
  }
  return gathering.done();
}

function readRow(columns: readonly string[], row: readonly string[], context: FeedContext): FeedPrice {
  if (row.length !== columns.length) throw new BadEntry(`${row.length} fields, not ${columns.length}`);
  const values = new Map(columns.map((name, index) => [name, (row[index] ?? "").trim()]));
  const [provider = "", model = "", currency = ""] = ["provider", "model", "currency"].map((name) => values.get(name));
  if (!context.providers.has(provider)) throw new BadEntry(`no provider "${provider.slice(0, 60)}" is known`);
  if (model === "") throw new BadEntry("no model");
  const terms: Record<string, Json> = {};
  for (const unit of UNITS) {
    const value = values.get(unit) ?? "";
    if (value === "") continue;
    if (plainDecimal(value) === null) throw new BadEntry(`${unit} is no price: ${value.slice(0, 40)}`);
    terms[unit] = value;
  }
  if (Object.keys(terms).length === 0) throw new BadEntry("no price");
  return { provider, model, terms, notes: [], ...(currency === "" || /^usd$/i.test(currency) ? {} : { currency: currency.slice(0, 10) }) };
}

/** RFC 4180; null where a quote stays open. */
export function rowsOf(text: string): readonly (readonly string[])[] | null {
  const rows: string[][] = [];
  let row: string[] = [];
  let field = "";
  let quoted = false;
  const body = text.replace(/^\uFEFF/, "").replace(/\r?\n$/, "");
  for (let at = 0; at < body.length; at++) {
    const char = body[at] ?? "";
    if (quoted) {
      if (char !== '"') field += char;
      else if (body[at + 1] === '"') field += body[++at];
      else quoted = false;
    } else if (char === '"' && field === "") quoted = true;
    else if (char === ",") {
      row.push(field);
      field = "";
    } else if (char === "\n") {
      rows.push([...row, field.replace(/\r$/, "")]);
      row = [];
      field = "";
    } else field += char;
  }
  return quoted ? null : [...rows, [...row, field]];
}
