/**
 * The pricing of a deployment under its contracts: the list's sheets as the contracts leave them, each for its time, and the
 * meters that tell what of a call is paid for already. Made once when a configuration is loaded. Pure.
 */
import type { PriceSheet } from "../../wire/facts.ts";
import type { Pricing } from "../deployment.ts";
import { plainSheet, sheetAt } from "../price-at.ts";
import { coversDeployment, runsAt } from "./covers.ts";
import type { CapacityBook } from "./meter.ts";
import { effectiveSheet, versionBy } from "./sheet.ts";
import type { Contract } from "./types.ts";

type Sheet = Extract<Pricing, { kind: "sheet" }>;

/** What `account/upstream` costs from `wallMs` on; the pricing itself where no contract covers it. */
export function pricingUnder(pricing: Pricing, deployment: string, contracts: readonly Contract[], meters: CapacityBook, wallMs: number): Pricing {
  const mine = contracts.filter((contract) => coversDeployment(contract, deployment) && (contract.endMs === null || contract.endMs > wallMs));
  if (mine.length === 0) return pricing;
  const list = pricing.kind === "sheet" ? pricing : withoutList(mine);
  if (list === null) return pricing;
  const upstream = deployment.slice(deployment.indexOf("/") + 1);
  const at = (atMs: number): PriceSheet | null => {
    const sheet = sheetAt(list, atMs);
    const contract = mine.find((one) => runsAt(one, atMs));
    if (contract?.terms.kind === "self_hosted") return ownMachines(contract);
    return sheet === null || contract === undefined ? sheet : effectiveSheet(sheet, contract, upstream, atMs);
  };
  const turns = [...(list.later ?? []).map(({ fromMs }) => fromMs), ...mine.flatMap(({ startMs, endMs }) => (endMs === null ? [startMs] : [startMs, endMs]))];
  const later = [...new Set(turns)].filter((fromMs) => fromMs > wallMs).toSorted((a, b) => a - b).map((fromMs) => ({ fromMs, sheet: at(fromMs) }));
  const metered = mine.filter(({ terms }) => terms.kind !== "pay_as_you_go" && terms.kind !== "fine_tuned");
  const { later: _list, ...rest } = list;
  return {
    ...rest,
    list: pricing,
    sheet: at(wallMs) ?? list.sheet,
    ...(later.length === 0 ? {} : { later }),
    ...(metered.length === 0 ? {} : { meters: metered.map((contract) => meters.meter(contract)) }),
  };
}

/** Where the list has no price: what the contract says itself, or nothing, where nothing more can be billed. */
function withoutList(contracts: readonly Contract[]): Sheet | null {
  for (const contract of contracts) {
    const { terms } = contract;
    if (terms.kind === "fine_tuned" && terms.prices !== null) return { kind: "sheet", sheet: plainSheet("no-list", terms.prices) };
    const paidOtherwise = terms.kind === "self_hosted" || ((terms.kind === "provisioned" || terms.kind === "free_quota") && terms.beyond === "refused");
    if (paidOtherwise) return { kind: "sheet", sheet: ownMachines(contract) };
  }
  return null;
}

/** A call costs nothing more: what it runs on is paid by the hour. */
function ownMachines(contract: Contract): PriceSheet {
  return plainSheet(versionBy("no-list", contract), { input: 0, output: 0, requests: 0 });
}
