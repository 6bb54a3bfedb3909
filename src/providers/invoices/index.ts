/** Reads a provider's export or invoice, by its form. */
import type { ReadInvoice } from "../../wire/invoice.ts";
import { readAnthropicCost, readAnthropicUsage } from "./anthropic.ts";
import { readInvoiceCsv, type CsvOptions } from "./csv.ts";
import { readOpenaiCosts, readOpenaiUsage } from "./openai.ts";

export { CSV_FIELDS, type CsvField, type CsvOptions } from "./csv.ts";
export { shownText } from "./amount.ts";

export const INVOICE_FORMATS = ["openai-usage", "openai-costs", "anthropic-usage", "anthropic-cost", "csv"] as const;
export type InvoiceFormat = (typeof INVOICE_FORMATS)[number];

const READERS: Readonly<Record<InvoiceFormat, (text: string, options: CsvOptions) => ReadInvoice>> = {
  "openai-usage": readOpenaiUsage,
  "openai-costs": readOpenaiCosts,
  "anthropic-usage": readAnthropicUsage,
  "anthropic-cost": readAnthropicCost,
  csv: readInvoiceCsv,
};

/** What a file says. Never throws: one that is not of its form, in any place of it, says nothing. */
export function readInvoice(format: InvoiceFormat, text: string, options: CsvOptions): ReadInvoice {
  const read = READERS[format](text, options);
  return read.ok && read.lines.length === 0 ? { ok: false, problems: [{ at: "the file", message: "there is nothing in it" }] } : read;
}
