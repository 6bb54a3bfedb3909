/** OpenAI's organization usage and costs, as `/v1/organization/usage/…` and `/v1/organization/costs` give them. */
import { isObject, type JsonObject } from "../../wire/json.ts";
import type { InvoiceLine, ReadInvoice } from "../../wire/invoice.ts";
import type { Unit, UnitCounts } from "../../wire/usage.ts";
import { amountOf, countOf, shownText } from "./amount.ts";
import { dropZeros, may, nameOf, need, type Place } from "./fields.ts";
import { BadLine, readPages } from "./pages.ts";

/** Counts by model, tier and time. */
export function readOpenaiUsage(text: string): ReadInvoice {
  return readPages(text, { bounds, line: usageLine });
}

/** Money by line item and time. */
export function readOpenaiCosts(text: string): ReadInvoice {
  return readPages(text, { bounds, line: costLine });
}

function bounds(bucket: JsonObject): { readonly fromMs: number | null; readonly toMs: number | null } {
  const [from, to] = [countOf(bucket["start_time"]), countOf(bucket["end_time"])];
  return { fromMs: from === null ? null : from * 1000, toMs: to === null ? null : to * 1000 };
}

function usageLine(result: JsonObject, place: Place): InvoiceLine {
  const object = result["object"];
  const kind = typeof object === "string" ? object.replace(/^organization\.usage\.|\.result$/g, "") : "completions";
  return {
    ...place,
    model: nameOf(result["model"]),
    ids: [],
    units: unitsOf(kind, result),
    requests: countOf(result["num_model_requests"]),
    costNanoUsd: null,
    roundedNanoUsd: 0,
    tier: result["batch"] === true ? "batch" : typeof result["service_tier"] === "string" ? result["service_tier"] : null,
  };
}

function unitsOf(kind: string, result: JsonObject): UnitCounts {
  switch (kind) {
    case "completions":
      return tokensOf(result);
    case "embeddings":
    case "moderations":
      return { input: need(result, "input_tokens") };
    case "images":
      return { images: need(result, "images") };
    case "audio_speeches":
      return { characters: need(result, "characters") };
    case "audio_transcriptions":
      return { seconds: need(result, "seconds") };
    default:
      throw new BadLine(`${shownText(kind)} is no usage of calls`);
  }
}

/** What was read from the cache and written to it is within the input. */
function tokensOf(result: JsonObject): UnitCounts {
  const [input, output] = [need(result, "input_tokens"), need(result, "output_tokens")];
  const written12h = may(result, "input_cache_write_12h_tokens");
  const written30m = Math.max(may(result, "input_cache_write_30m_tokens"), may(result, "input_cache_write_tokens") - written12h);
  const inside: { [U in Unit]?: number } = {
    cache_read: may(result, "input_cached_tokens"), cache_write_30m: written30m, cache_write_12h: written12h,
    audio_input: may(result, "input_audio_tokens"), image_input: may(result, "input_image_tokens"),
  };
  const outside: { [U in Unit]?: number } = { audio_output: may(result, "output_audio_tokens"), image_output: may(result, "output_image_tokens") };
  const sum = (units: UnitCounts): number => Object.values(units).reduce((total, count) => total + count, 0);
  if (sum(inside) > input || sum(outside) > output) throw new BadLine("the parts of input_tokens or output_tokens come to more than the whole");
  return dropZeros({ ...inside, input: input - sum(inside), ...outside, output: output - sum(outside) });
}

function costLine(result: JsonObject, place: Place): InvoiceLine {
  const amount = result["amount"];
  const value = isObject(amount) ? amountOf(amount["value"]) : null;
  if (!isObject(amount) || value === null) throw new BadLine("amount.value is no amount");
  const { currency } = amount;
  if (typeof currency === "string" && currency.toLowerCase() !== "usd") throw new BadLine(`the currency is ${shownText(currency)}, not usd`);
  // `gpt-4o-mini-2024-07-18, input`: what follows the model is its part of the bill.
  const item = nameOf(result["line_item"]);
  return { ...place, model: item === null ? null : (item.split(", ")[0] ?? item), ids: [], units: null, requests: null, costNanoUsd: value.nanoUsd, roundedNanoUsd: value.roundedNanoUsd, tier: null };
}
