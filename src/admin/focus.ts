/**
 * Spend as rows with the column names of FOCUS 1.2 (FinOps Open Cost and Usage Specification): one row for a day of one
 * combination of who, what and where, and one more for what corrections changed of it. docs/focus.md says what each column
 * holds and why some are empty.
 */
import type { Dimension, UsageRow } from "../control/reports.ts";
import { spanAt } from "../decide/budget/periods.ts";
import { csvLine, csvText, tokensOf, usdOf } from "./usage-view.ts";

/** What the rows are grouped by. */
export const FOCUS_BY = ["day", "provider", "model", "deployment", "team", "project", "member", "key", "route", "paid_by", "tags"] as const satisfies readonly Dimension[];

/** All columns of the version, by the alphabet, then our own (`x_`). */
export const FOCUS_COLUMNS = [
  "AvailabilityZone", "BilledCost", "BillingAccountId", "BillingAccountName", "BillingAccountType", "BillingCurrency", "BillingPeriodEnd", "BillingPeriodStart",
  "CapacityReservationId", "CapacityReservationStatus", "ChargeCategory", "ChargeClass", "ChargeDescription", "ChargeFrequency", "ChargePeriodEnd", "ChargePeriodStart",
  "CommitmentDiscountCategory", "CommitmentDiscountId", "CommitmentDiscountName", "CommitmentDiscountQuantity", "CommitmentDiscountStatus", "CommitmentDiscountType", "CommitmentDiscountUnit",
  "ConsumedQuantity", "ConsumedUnit", "ContractedCost", "ContractedUnitPrice", "EffectiveCost", "InvoiceId", "InvoiceIssuerName", "ListCost", "ListUnitPrice",
  "PricingCategory", "PricingCurrency", "PricingCurrencyContractedUnitPrice", "PricingCurrencyEffectiveCost", "PricingCurrencyListUnitPrice", "PricingQuantity", "PricingUnit",
  "ProviderName", "PublisherName", "RegionId", "RegionName", "ResourceId", "ResourceName", "ResourceType", "ServiceCategory", "ServiceName", "ServiceSubcategory",
  "SkuId", "SkuMeter", "SkuPriceDetails", "SkuPriceId", "SubAccountId", "SubAccountName", "SubAccountType", "Tags",
  "x_Organisation", "x_Project", "x_Member", "x_Key", "x_Route", "x_PaidBy", "x_Requests", "x_Calls", "x_InputTokens", "x_OutputTokens", "x_HeldCalls", "x_UnpricedCalls", "x_EstimatedCalls",
] as const;
type Column = (typeof FOCUS_COLUMNS)[number];

export interface FocusFacts {
  readonly organisation: string;
  /** The provider of a configured account; null: not configured any more. */
  readonly providerOf: (account: string) => string | null;
  /** Names of teams. */
  readonly teamName: (id: string) => string | null;
  readonly nowMs: number;
}

/** The rows as CSV, line by line. Days are those of UTC. */
export async function* focusCsv(pieces: AsyncIterable<readonly UsageRow[]> | Iterable<readonly UsageRow[]>, facts: FocusFacts): AsyncGenerator<string> {
  yield csvLine(FOCUS_COLUMNS);
  for await (const rows of pieces) yield rows.flatMap((row) => linesOf(row, facts)).join("");
}

function linesOf(row: UsageRow, facts: FocusFacts): readonly string[] {
  const usage = lineOf(row, facts, false);
  return row.correctionsNanoUsd === 0n ? [usage] : [usage, lineOf(row, facts, true)];
}

function lineOf(row: UsageRow, facts: FocusFacts, isCorrection: boolean): string {
  const label = (dimension: (typeof FOCUS_BY)[number]): string => row.labels[FOCUS_BY.indexOf(dimension)] ?? "";
  const [account, model, deployment, team] = [label("provider"), label("model"), label("deployment"), label("team")];
  const day = spanAt("day", "UTC", Date.parse(`${label("day")}T00:00:00Z`));
  const month = spanAt("month", "UTC", day.startMs);
  const provider = facts.providerOf(account) ?? account;
  const tokens = tokensOf(row.units);
  const cost = usdOf(isCorrection ? row.correctionsNanoUsd : row.costNanoUsd);
  const counted = tokens.input + tokens.output > 0 ? { quantity: tokens.input + tokens.output, unit: "Tokens" } : { quantity: row.calls, unit: "Requests" };
  const count = (value: number): string => (isCorrection ? "0" : String(value));
  const cells: { readonly [C in Column]?: string } = {
    BilledCost: cost, EffectiveCost: cost, ContractedCost: cost, BillingCurrency: "USD",
    BillingAccountId: account, BillingAccountName: account, BillingAccountType: "Account",
    BillingPeriodStart: instant(month.startMs), BillingPeriodEnd: instant(month.endMs), ChargePeriodStart: instant(day.startMs), ChargePeriodEnd: instant(day.endMs),
    ChargeCategory: "Usage", ChargeClass: isCorrection && month.endMs <= facts.nowMs ? "Correction" : "", ChargeFrequency: "Usage-Based",
    ChargeDescription: `${isCorrection ? "Correction: " : ""}${model} at ${deployment}`,
    ConsumedQuantity: isCorrection ? "" : String(counted.quantity), ConsumedUnit: isCorrection ? "" : counted.unit,
    InvoiceIssuerName: provider, ProviderName: provider, PublisherName: provider,
    ResourceId: deployment, ResourceName: deployment, ResourceType: "Model deployment",
    ServiceCategory: "AI and Machine Learning", ServiceSubcategory: "Generative AI", ServiceName: "Model inference", SkuId: model, SkuMeter: counted.unit,
    SubAccountId: team, SubAccountName: team === "" ? "" : (facts.teamName(team) ?? team), SubAccountType: team === "" ? "" : "Team", Tags: label("tags"),
    x_Organisation: facts.organisation, x_Project: label("project"), x_Member: label("member"), x_Key: label("key"), x_Route: label("route"), x_PaidBy: label("paid_by"),
    x_Requests: count(row.requests), x_Calls: count(row.calls), x_InputTokens: count(tokens.input), x_OutputTokens: count(tokens.output),
    x_HeldCalls: count(row.held), x_UnpricedCalls: count(row.unpriced), x_EstimatedCalls: count(row.estimated),
  };
  return csvLine(FOCUS_COLUMNS.map((column) => (NUMBERS.has(column) ? (cells[column] ?? "") : csvText(cells[column] ?? ""))));
}

/** A correction may be less than nothing, and that is no formula. */
const NUMBERS: ReadonlySet<Column> = new Set<Column>(["BilledCost", "EffectiveCost", "ContractedCost"]);

function instant(ms: number): string {
  return new Date(ms).toISOString().replace(".000Z", "Z");
}
