/**
 * A table of calls, or of sums by day and model, whatever its columns are called. Every cell is text: what looks like a formula
 * is text in a column of text, and no number in a column of numbers.
 */
import type { InvoiceLine, ReadInvoice } from "../../wire/invoice.ts";
import { UNITS, type Unit, type UnitCounts } from "../../wire/usage.ts";
import { rowsOf } from "../feeds/csv.ts";
import { amountOf, shownText } from "./amount.ts";
import { dropZeros } from "./fields.ts";
import { BadLine, Lines } from "./pages.ts";

/**
 * What a column may hold, and the names that are taken for it by themselves. `prompt` counts all of a prompt, what was cached
 * among it; `answer` all of an answer, reasoning among it.
 */
const FIELDS = {
  id: ["attempt_id", "client_request_id", "x-client-request-id", "x_client_request_id"],
  request_id: ["request_id", "x-request-id", "x_request_id"],
  time: ["time", "timestamp", "at", "created_at", "start_time", "starting_at"],
  end: ["end", "end_time", "ending_at"],
  day: ["day", "date", "usage_date"],
  model: ["model", "model_id", "model_name"],
  requests: ["requests", "num_model_requests", "num_requests", "calls"],
  tier: ["tier", "service_tier"],
  cost_usd: ["cost_usd", "amount_usd", "cost", "amount"],
  cost_cents: ["cost_cents", "amount_cents"],
  cost_nano_usd: ["cost_nano_usd"],
  currency: ["currency"],
  prompt: ["prompt_tokens", "input_tokens", "total_input_tokens"],
  answer: ["completion_tokens", "output_tokens", "total_output_tokens"],
  input: ["uncached_input_tokens"],
  cache_read: ["cached_tokens", "input_cached_tokens", "cache_read_input_tokens", "cache_read_tokens"],
  cache_write_5m: ["cache_write_tokens", "cache_creation_input_tokens", "written_tokens"],
} as const satisfies Readonly<Record<string, readonly string[]>>;
export type CsvField = keyof typeof FIELDS | Unit;
const OWN_UNITS: readonly Unit[] = UNITS.filter((unit) => unit !== "requests");
export const CSV_FIELDS: readonly CsvField[] = [...new Set<CsvField>([...(Object.keys(FIELDS) as (keyof typeof FIELDS)[]), ...OWN_UNITS])];

export interface CsvOptions {
  /** Field → the column's name, over what names say by themselves. */
  readonly columns: ReadonlyMap<CsvField, string>;
  /** The bounds of a day such as `2027-01-31`; null: there is no such day. */
  readonly dayOf: (day: string) => { readonly fromMs: number; readonly toMs: number } | null;
}
type Cells = (field: CsvField) => string | undefined;

/** Read the table. */
export function readInvoiceCsv(text: string, options: CsvOptions): ReadInvoice {
  const rows = rowsOf(text);
  if (rows === null) return wrong("a quoted field does not end");
  const [head = [], ...rest] = rows;
  const places = placesOf(head.map((name) => name.trim()), options.columns);
  if (typeof places === "string") return wrong(places);
  const lines = new Lines();
  for (const [index, row] of rest.entries()) {
    if (row.length === 1 && row[0]?.trim() === "") continue;
    const at = `line ${index + 2}`;
    lines.read(at, () => {
      if (row.length !== head.length) throw new BadLine(`${row.length} fields, not ${head.length}`);
      return lineOf(at, (field) => cell(row, places.get(field)), options);
    });
  }
  return lines.done();
}

function wrong(message: string): ReadInvoice {
  return { ok: false, problems: [{ at: "line 1", message }] };
}

function cell(row: readonly string[], place: number | undefined): string | undefined {
  const text = place === undefined ? "" : (row[place] ?? "").trim();
  return text === "" ? undefined : text;
}

/** Where each field is; a sentence where the table cannot be understood. */
function placesOf(head: readonly string[], columns: CsvOptions["columns"]): ReadonlyMap<CsvField, number> | string {
  const places = new Map<CsvField, number>();
  const lower = head.map((name) => name.toLowerCase());
  for (const field of CSV_FIELDS) {
    const names: readonly string[] = field in FIELDS ? FIELDS[field as keyof typeof FIELDS] : [];
    const found = [field, ...names].map((name) => lower.indexOf(name)).find((place) => place >= 0);
    if (found !== undefined) places.set(field, found);
  }
  for (const [field, name] of columns) {
    const place = lower.indexOf(name.toLowerCase());
    if (place < 0) return `there is no column "${shownText(name)}"; there are ${head.map(shownText).join(", ")}`;
    places.set(field, place);
  }
  const has = (...fields: readonly CsvField[]): boolean => fields.some((field) => places.has(field));
  if (!has("id", "request_id", "time", "day")) return "no column says which call or which day a line is of; name one: --columns day=<column>";
  if (!has("cost_usd", "cost_cents", "cost_nano_usd", "prompt", "answer", ...OWN_UNITS)) return "no column says what was counted or what it costs; name one: --columns cost_usd=<column>";
  return places;
}

function lineOf(at: string, of: Cells, { dayOf }: CsvOptions): InvoiceLine {
  const currency = of("currency");
  if (currency !== undefined && currency.toLowerCase() !== "usd") throw new BadLine(`the currency is ${shownText(currency)}, not USD`);
  const ids = [of("id"), of("request_id")].filter((id) => id !== undefined);
  const { costNanoUsd, roundedNanoUsd } = costOf(of);
  const [model, tier, requests] = [of("model"), of("tier"), of("requests")];
  return {
    at, ...timeOf(of, dayOf), ids, units: unitsOf(of), costNanoUsd, roundedNanoUsd,
    model: model === undefined ? null : shownText(model),
    tier: tier === undefined ? null : shownText(tier),
    requests: requests === undefined ? null : whole(requests, "requests"),
  };
}

function costOf(of: Cells): Pick<InvoiceLine, "costNanoUsd" | "roundedNanoUsd"> {
  for (const [field, places] of [["cost_nano_usd", 9], ["cost_cents", 2], ["cost_usd", 0]] as const) {
    const text = of(field);
    if (text === undefined) continue;
    const amount = amountOf(text, places);
    if (amount === null) throw new BadLine(`${field} is no amount: ${shownText(text).slice(0, 40)}`);
    return { costNanoUsd: amount.nanoUsd, roundedNanoUsd: amount.roundedNanoUsd };
  }
  return { costNanoUsd: null, roundedNanoUsd: 0 };
}

function unitsOf(of: Cells): UnitCounts | null {
  const units: { [U in Unit]?: number } = {};
  for (const unit of OWN_UNITS) {
    const text = of(unit);
    if (text !== undefined) units[unit] = whole(text, unit);
  }
  const [prompt, answer] = [of("prompt"), of("answer")];
  if (prompt !== undefined && units.input === undefined) units.input = less(whole(prompt, "prompt"), [units.cache_read, units.cache_write_5m, units.cache_write_30m, units.cache_write_1h, units.cache_write_12h, units.audio_input, units.image_input], "a prompt");
  // Reasoning costs what an answer costs, and is told by few.
  if (answer !== undefined) units.output = less(whole(answer, "answer"), [units.audio_output, units.image_output], "an answer");
  else if (units.reasoning !== undefined) units.output = (units.output ?? 0) + units.reasoning;
  delete units.reasoning;
  return Object.keys(units).length === 0 ? null : dropZeros(units);
}

function less(total: number, parts: readonly (number | undefined)[], what: string): number {
  const rest = parts.reduce<number>((left, part) => left - (part ?? 0), total);
  if (rest < 0) throw new BadLine(`the parts of ${what} come to more than the whole`);
  return rest;
}

function whole(text: string, field: string): number {
  const count = /^\d{1,15}$/.test(text) ? Number(text) : null;
  if (count === null) throw new BadLine(`${field} is no count: ${shownText(text).slice(0, 40)}`);
  return count;
}

function timeOf(of: Cells, dayOf: CsvOptions["dayOf"]): { readonly fromMs: number | null; readonly toMs: number | null } {
  const [time, end, day] = [of("time"), of("end"), of("day")];
  const started = time ?? day;
  if (started === undefined) return { fromMs: null, toMs: null };
  const whole = /^\d{4}-\d{2}-\d{2}$/.test(started) ? dayOf(started) : null;
  if (whole !== null && (end === undefined || time === undefined)) return whole;
  const fromMs = whole?.fromMs ?? instant(started);
  const toMs = end === undefined ? fromMs : /^\d{4}-\d{2}-\d{2}$/.test(end) ? (dayOf(end)?.fromMs ?? null) : instant(end);
  if (fromMs === null || toMs === null || toMs < fromMs) throw new BadLine(`no time can be read from ${shownText(`${started}${end === undefined ? "" : ` to ${end}`}`)}`);
  return { fromMs, toMs };
}

/** Seconds or milliseconds since 1970, or a text with its zone; without one, UTC. */
function instant(text: string): number | null {
  if (/^\d{9,10}$/.test(text)) return Number(text) * 1000;
  if (/^\d{12,13}$/.test(text)) return Number(text);
  if (!/^\d{4}-\d{2}-\d{2}[T ]\d{2}:\d{2}/.test(text)) return null;
  const zoned = /(?:Z|[+-]\d{2}:?\d{2})$/i.test(text) ? text : `${text}Z`;
  const ms = Date.parse(zoned.replace(" ", "T"));
  return Number.isNaN(ms) ? null : ms;
}
