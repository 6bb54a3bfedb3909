/** Anthropic's usage and cost reports, as `/v1/organizations/usage_report/messages` and `/v1/organizations/cost_report` give them. */
import { isObject, type Json, type JsonObject } from "../../wire/json.ts";
import type { InvoiceLine, ReadInvoice } from "../../wire/invoice.ts";
import { amountOf, shownText } from "./amount.ts";
import { dropZeros, may, nameOf, need, type Place } from "./fields.ts";
import { BadLine, readPages } from "./pages.ts";

/** Counts by model, tier and time. */
export function readAnthropicUsage(text: string): ReadInvoice {
  return readPages(text, { bounds, line: usageLine });
}

/** Money by day, and by model where it was asked so. */
export function readAnthropicCost(text: string): ReadInvoice {
  return readPages(text, { bounds, line: costLine });
}

function bounds(bucket: JsonObject): { readonly fromMs: number | null; readonly toMs: number | null } {
  return { fromMs: instant(bucket["starting_at"]), toMs: instant(bucket["ending_at"]) };
}

function instant(value: Json | undefined): number | null {
  const ms = typeof value === "string" && /^\d{4}-\d{2}-\d{2}T/.test(value) ? Date.parse(value) : Number.NaN;
  return Number.isNaN(ms) ? null : ms;
}

function usageLine(result: JsonObject, place: Place): InvoiceLine {
  const written = result["cache_creation"];
  const tools = result["server_tool_use"];
  const units = dropZeros({
    input: need(result, "uncached_input_tokens"),
    cache_read: may(result, "cache_read_input_tokens"),
    cache_write_5m: isObject(written) ? may(written, "ephemeral_5m_input_tokens") : 0,
    cache_write_1h: isObject(written) ? may(written, "ephemeral_1h_input_tokens") : 0,
    output: need(result, "output_tokens"),
    web_searches: isObject(tools) ? may(tools, "web_search_requests") : 0,
  });
  return { ...place, model: nameOf(result["model"]), ids: [], units, requests: null, costNanoUsd: null, roundedNanoUsd: 0, tier: tierOf(result["service_tier"]) };
}

function costLine(result: JsonObject, place: Place): InvoiceLine {
  // Cents, as text.
  const amount = amountOf(result["amount"], 2);
  if (amount === null) throw new BadLine("amount is no amount");
  const { currency } = result;
  if (typeof currency === "string" && currency.toUpperCase() !== "USD") throw new BadLine(`the currency is ${shownText(currency)}, not USD`);
  // What is no use of a model stands under its description.
  const model = nameOf(result["model"]) ?? (result["cost_type"] === "tokens" || typeof result["cost_type"] !== "string" ? null : nameOf(result["cost_type"]));
  return { ...place, model, ids: [], units: null, requests: null, costNanoUsd: amount.nanoUsd, roundedNanoUsd: amount.roundedNanoUsd, tier: tierOf(result["service_tier"]) };
}

function tierOf(value: Json | undefined): string | null {
  if (typeof value !== "string") return null;
  // Two words each for how the same tier is paid.
  return value.replace(/_(?:on_demand|discount)$/, "");
}
