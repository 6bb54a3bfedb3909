/** The bill as a table, as a provider would hand it out. */
import type { BillRow } from "./bill.ts";

const COLUMNS = [
  "call", "client_request_id", "at", "model", "service_tier", "outcome", "input_tokens", "cached_tokens", "written_tokens", "output_tokens", "cost_nano_usd",
] as const satisfies readonly (keyof BillRow)[];

/** What cost something, one line a call. */
export function billCsv(rows: readonly BillRow[]): string {
  const billed = rows.filter((row) => row.cost_nano_usd > 0);
  return [COLUMNS.join(","), ...billed.map((row) => COLUMNS.map((column) => field(row[column] ?? (column === "written_tokens" ? 0 : ""))).join(","))].map((line) => `${line}\r\n`).join("");
}

function field(value: string | number): string {
  const text = String(value);
  return /[",\r\n]/.test(text) ? `"${text.replaceAll('"', '""')}"` : text;
}
