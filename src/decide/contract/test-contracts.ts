/** Contracts and a year's invoices for tests. */
import assert from "node:assert/strict";
import type { PriceSheet } from "../../wire/facts.ts";
import type { JsonObject } from "../../wire/json.ts";
import { plainSheet } from "../price-at.ts";
import { usdOf } from "./exact.ts";
import { invoice, type InvoiceOptions } from "./invoice.ts";
import { monthsUntil } from "./months.ts";
import { readContract } from "./read.ts";
import type { Contract, ContractUsage } from "./types.ts";

/** USD 2.50, 1.25 (cached) and 10.00 per million tokens, in pico-dollars per token. */
export const LARGE: PriceSheet = plainSheet("list-1", { input: 2_500_000, cache_read: 1_250_000, output: 10_000_000 });
/** USD 0.15 and 0.60 per million tokens. */
export const SMALL: PriceSheet = plainSheet("list-1", { input: 150_000, output: 600_000 });

export const sheetOf: InvoiceOptions["sheetOf"] = (deployment) => (deployment.endsWith("/small") ? SMALL : deployment.endsWith("/large") ? LARGE : null);

/** A contract of the account `acme` for the leap year 2028, unless the body says otherwise. */
export function contractOf(body: JsonObject): Contract {
  const read = readContract({ account: "acme", kind: "pay_as_you_go", start: "2028-01-01", end: "2028-12-31", ...body }, "c", "1");
  assert.ok(read.ok, read.ok ? "" : JSON.stringify(read.problems));
  return read.contract;
}

/** The totals of all months of the term, `2028-01: 659.25`. */
export function totals(contract: Contract, usage: readonly ContractUsage[], options: InvoiceOptions = { sheetOf }): string[] {
  return monthsUntil(contract, contract.endMs ?? 0).map((month) => {
    const made = invoice(contract, usage, month, options);
    assert.deepEqual(made.unpriced, []);
    return `${made.month}: ${usdOf(made.totalNanoUsd)}`;
  });
}

/** One value for each day of 2028 (UTC), with the day's number in its month from 1. */
export function everyDay(of: (midnightMs: number, dayOfMonth: number) => readonly ContractUsage[]): ContractUsage[] {
  const usage: ContractUsage[] = [];
  for (let at = Date.UTC(2028, 0, 1); at < Date.UTC(2029, 0, 1); at += 86_400_000) usage.push(...of(at, new Date(at).getUTCDate()));
  return usage;
}
