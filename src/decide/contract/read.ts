/**
 * A contract as it was written → a contract, or everything that speaks against it, each with its field. What is of one value
 * alone (a type, an unknown key) is the schema's to tell; here is what needs several, or a calendar. Pure.
 */
import type { JsonObject } from "../../wire/json.ts";
import { UNITS } from "../../wire/usage.ts";
import type { Unit } from "../../wire/usage.ts";
import { addDays, addMonths, compareDates, instantOf, showDate, type CivilDate } from "./calendar.ts";
import { Fields } from "./reading.ts";
import { readTerms, TERMS, type Term } from "./read-terms.ts";
import type { Contract, ContractKind, ContractProblem, Discount, EgressStep, Sla } from "./types.ts";

export type ReadContract =
  | { readonly ok: true; readonly contract: Contract }
  | { readonly ok: false; readonly problems: readonly ContractProblem[] };

const GB = 1_000_000_000n;

/** Read a contract. `version` has to change whenever the body does. */
export function readContract(body: JsonObject, id: string, version: string): ReadContract {
  const problems: ContractProblem[] = [];
  const fields = new Fields(body, "", problems);
  const account = fields.text("account");
  if (account === null || account === "") fields.tell("account", "the account that it was made for");
  const kind = readKind(fields);
  const timeZone = fields.zone("time_zone", "UTC");
  const start = fields.date("start");
  if (start === null && !problems.some(({ field }) => field === "start")) fields.tell("start", "the day on which it begins, such as 2027-01-01");
  const last = fields.date("end");
  const after = last === null ? null : addDays(last, 1);
  if (start !== null && last !== null && compareDates(last, start) < 0) fields.tell("end", `a day on or after the start, ${showDate(start)}`);
  const models = patterns(fields, "models");
  const discounts = readDiscounts(fields);
  const batchPermille = fields.permille("batch_factor");
  if (batchPermille !== null && batchPermille > 1000) fields.tell("batch_factor", "a number from 0 to 1");
  const egress = readEgress(fields);
  const sla = readSla(fields);
  const rounding = fields.oneOf("rounding", ["total", "line"], "total");
  const terms = kind === null ? null : readTerms(fields, kind, termOf(start, after, timeZone, problems));
  if (problems.length > 0 || start === null || terms === null || account === null) return { ok: false, problems };
  const contract: Contract = {
    id, version, account, models, except: patterns(fields, "except", []), timeZone, start, after,
    startMs: instantOf(timeZone, start),
    endMs: after === null ? null : instantOf(timeZone, after),
    terms, discounts, batchPermille, egress, sla, rounding,
  };
  return { ok: true, contract };
}

/** The term that the rest is read by. One that is not sound is told of already: whole years in its place are in nothing's way. */
function termOf(start: CivilDate | null, after: CivilDate | null, timeZone: string, problems: readonly ContractProblem[]): Term {
  if (start !== null && !problems.some(({ field }) => field === "end")) return { start, after, timeZone };
  const from = start ?? { year: 2028, month: 1, day: 1 };
  return { start: from, after: addMonths(from, 12), timeZone };
}

/** The kind, and no section but its own. */
function readKind(fields: Fields): ContractKind | null {
  const kind = TERMS.find((one) => one === fields.text("kind")) ?? null;
  if (kind === null) fields.tell("kind", `one of ${TERMS.join(", ")}`);
  for (const section of TERMS) {
    if (section === "pay_as_you_go" || !fields.has(section)) continue;
    if (kind !== null && kind !== section) fields.tell(section, `no section ${section}: this contract is of kind ${kind}`);
  }
  if (kind !== null && kind !== "pay_as_you_go" && !fields.has(kind)) fields.tell(kind, `a section ${kind}, which says what was agreed`);
  return kind;
}

function patterns(fields: Fields, name: string, otherwise: readonly string[] = ["*"]): readonly string[] {
  const found = fields.texts(name);
  if (fields.has(name) && found.length === 0) fields.tell(name, "at least one model; leave it out for all of the account's");
  return found.length === 0 ? otherwise : found;
}

function readDiscounts(fields: Fields): readonly Discount[] {
  return fields.list("discounts").map((one) => {
    const permille = one.percent("percent");
    if (!one.has("percent")) one.tell("percent", "how much is taken off");
    const units = one.texts("units");
    for (const unit of units) if (!isUnit(unit)) one.tell("units", `units of a price list (${UNITS.join(", ")}), not ${unit}`);
    return { models: one.texts("models"), units: units.filter(isUnit), permille: permille ?? 0 };
  });
}

function isUnit(name: string): name is Unit {
  return (UNITS as readonly string[]).includes(name);
}

function readEgress(fields: Fields): readonly EgressStep[] | null {
  if (!fields.has("egress")) return null;
  const steps: EgressStep[] = [];
  for (const one of fields.list("egress")) {
    const from = one.has("from_gb") ? one.whole("from_gb") : 0n;
    const price = one.usd("usd_per_gb");
    if (!one.has("usd_per_gb")) one.tell("usd_per_gb", "what a GB costs");
    const before = steps.at(-1);
    if (from !== null && before === undefined && from !== 0n) one.tell("from_gb", "0, where the first step begins");
    if (from !== null && before !== undefined && from * GB <= before.fromBytes) one.tell("from_gb", "more than the step before: steps ascend");
    steps.push({ fromBytes: (from ?? 0n) * GB, nanoUsdPerGb: price ?? 0n });
  }
  if (steps.length === 0) fields.tell("egress", "at least one step; leave it out where none is billed");
  return steps;
}

function readSla(fields: Fields): Sla | null {
  if (!fields.has("sla")) return null;
  const sla = fields.inner("sla");
  const uptime = sla.milliPercent("uptime_percent");
  if (!sla.has("uptime_percent")) sla.tell("uptime_percent", "what is promised");
  const credits: { belowMilliPercent: number; creditPermille: number }[] = [];
  for (const one of sla.list("credits")) {
    const below = one.milliPercent("below_percent");
    const credit = one.percent("credit_percent");
    for (const name of ["below_percent", "credit_percent"]) if (!one.has(name)) one.tell(name, "a percentage");
    if (below === null || credit === null) continue;
    const before = credits.at(-1);
    if (before === undefined && uptime !== null && below > uptime) one.tell("below_percent", "at most the uptime that is promised: there is no credit for a promise that is kept");
    if (before !== undefined && below >= before.belowMilliPercent) one.tell("below_percent", "less than the step before: steps descend from the promised uptime");
    if (before !== undefined && credit <= before.creditPermille) one.tell("credit_percent", "more than for the step before");
    credits.push({ belowMilliPercent: below, creditPermille: credit });
  }
  return {
    uptimeMilliPercent: uptime ?? 0,
    credits,
    claimDays: sla.has("claim_days") ? sla.count("claim_days") : null,
    capPermille: sla.has("cap_percent") ? (sla.percent("cap_percent") ?? 1000) : 1000,
    minimumNanoUsd: sla.has("minimum_usd") ? (sla.usd("minimum_usd") ?? 0n) : 0n,
  };
}
