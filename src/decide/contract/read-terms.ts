/** The section of a contract that its kind is named after. */
import { INPUT_UNITS, OUTPUT_UNITS } from "../../wire/usage.ts";
import type { Unit } from "../../wire/usage.ts";
import { addMonths, compareDates, instantOf, showDate, type CivilDate } from "./calendar.ts";
import { scaled } from "./exact.ts";
import type { Fields } from "./reading.ts";
import type { CapacityPrice, Commitment, ContractKind, FineTuned, FreeQuota, Pool, Provisioned, Schedule, SelfHosted, Terms } from "./types.ts";

export const TERMS = ["pay_as_you_go", "committed", "provisioned", "free_quota", "fine_tuned", "self_hosted"] as const satisfies readonly ContractKind[];

/** When the contract runs, for what is agreed by months and years. */
export interface Term {
  readonly start: CivilDate;
  /** The first day that no longer counts. */
  readonly after: CivilDate | null;
  readonly timeZone: string;
}

/** Read the section of a kind; its problems are told to `fields`. */
export function readTerms(fields: Fields, kind: ContractKind, term: Term): Terms {
  switch (kind) {
    case "pay_as_you_go":
      return { kind };
    case "committed":
      return readCommitment(fields.inner(kind), term);
    case "provisioned":
      return readProvisioned(fields.inner(kind), term);
    case "free_quota":
      return readFreeQuota(fields.inner(kind), term);
    case "fine_tuned":
      return readFineTuned(fields.inner(kind));
    case "self_hosted":
      return readSelfHosted(fields.inner(kind));
  }
}

function readCommitment(fields: Fields, term: Term): Commitment {
  const amount = required(fields, "amount_usd", "what is committed", () => fields.usd("amount_usd"));
  const per = fields.oneOf("per", ["month", "year", "term"], "term");
  const instalments = fields.oneOf("instalments", ["none", "monthly"], "none");
  if (per === "month" && instalments === "monthly") fields.tell("instalments", "none: a commitment per month is paid by the month as it is");
  if (per === "term" && term.after === null) fields.tell("per", "month or year where the contract has no end: a commitment for the term needs one");
  if (per === "year") wholeMonths(fields, "per", term, 12, "a commitment per year");
  else if (per === "month") wholeMonths(fields, "per", term, 1, "a commitment per month");
  else if (instalments === "monthly") wholeMonths(fields, "instalments", term, 1, "monthly instalments");
  const steps: { fromNanoUsd: bigint; permille: number }[] = [];
  for (const one of fields.list("steps")) {
    const from = required(one, "from_usd", "where the step begins", () => one.usd("from_usd"));
    const permille = required(one, "percent", "how much is taken off", () => one.percent("percent"));
    const before = steps.at(-1);
    if (before !== undefined && from !== null && from <= before.fromNanoUsd) one.tell("from_usd", "more than the step before: steps ascend");
    if (before !== undefined && permille !== null && permille <= before.permille) one.tell("percent", "more than the step before takes off");
    steps.push({ fromNanoUsd: from ?? 0n, permille: permille ?? 0 });
  }
  if (amount === 0n && steps.length === 0) fields.tell("amount_usd", "an amount above 0, or volume steps");
  return { kind: "committed", amountNanoUsd: amount ?? 0n, per, instalments, steps, stepsApply: fields.oneOf("steps_apply", ["above", "all"], "above") };
}

function readProvisioned(fields: Fields, term: Term): Provisioned {
  const weights = readWeights(fields);
  const beyond = fields.oneOf("beyond", ["pay_as_you_go", "refused"], "pay_as_you_go");
  const first = readPool(fields, term);
  if (!fields.has("output")) return { kind: "provisioned", pools: [{ name: "tokens", weightsPermille: weights, ...first }], beyond };
  const second = readPool(fields.inner("output"), term);
  const only = (units: readonly Unit[]) => Object.fromEntries(Object.entries(weights).filter(([unit]) => units.includes(unit as Unit)));
  return {
    kind: "provisioned",
    pools: [{ name: "input", weightsPermille: only(INPUT_UNITS), ...first }, { name: "output", weightsPermille: only(OUTPUT_UNITS), ...second }],
    beyond,
  };
}

function readPool(fields: Fields, term: Term): Omit<Pool, "name" | "weightsPermille"> {
  const units = required(fields, "units", "how many units there are", () => fields.count("units"));
  const tokens = required(fields, "tokens_per_minute", "what one unit takes a minute", () => fields.count("tokens_per_minute"));
  return { units: units ?? 1, tokensPerMinutePerUnit: tokens ?? 1, price: readCapacityPrice(fields, term) };
}

function readCapacityPrice(fields: Fields, term: Term): CapacityPrice {
  const isHourly = fields.has("hourly_usd");
  if (isHourly === fields.has("reserved")) fields.tell(isHourly ? "reserved" : "hourly_usd", isHourly ? "no price of a reservation beside hourly_usd: units are paid by the hour or reserved, not both" : "hourly_usd or reserved");
  if (isHourly) return { kind: "hourly", nanoUsdPerUnit: fields.usd("hourly_usd") ?? 0n };
  const reserved = fields.inner("reserved");
  const per = reserved.oneOf("per", ["day", "week", "month", "year"], "month");
  const price = fields.has("reserved") ? required(reserved, "usd", "what a unit costs", () => reserved.usd("usd")) : null;
  const paid = reserved.oneOf("paid", ["upfront", "monthly"], "upfront");
  if (paid === "monthly" && per !== "year") reserved.tell("paid", "upfront: only a year is paid in monthly parts");
  if (per === "month") wholeMonths(reserved, "per", term, 1, "a reservation by the month");
  if (per === "year") wholeMonths(reserved, "per", term, 12, "a reservation by the year");
  if (per === "week" && term.after !== null && daysBetween(term.start, term.after) % 7 !== 0) reserved.tell("per", "a term of whole weeks for a reservation by the week");
  return { kind: "reserved", per, nanoUsdPerUnit: price ?? 0n, paid };
}

/** What a token of each class takes of a unit's tokens. Cached and written tokens take what plain ones do, reasoning what answers do. */
function readWeights(fields: Fields): Pool["weightsPermille"] {
  const given = fields.inner("weights");
  const all: { [U in Unit]?: number } = {};
  for (const name of given.names()) if (!isTokenClass(name)) given.tell(name, `a class of tokens: ${[...INPUT_UNITS, ...OUTPUT_UNITS].join(", ")}`);
  const input = given.has("input") ? (given.permille("input") ?? 0) : 1000;
  const output = given.has("output") ? (given.permille("output") ?? 0) : 1000;
  for (const unit of INPUT_UNITS) all[unit] = given.has(unit) ? (given.permille(unit) ?? 0) : input;
  for (const unit of OUTPUT_UNITS) all[unit] = given.has(unit) ? (given.permille(unit) ?? 0) : output;
  return all;
}

function isTokenClass(name: string): boolean {
  return ([...INPUT_UNITS, ...OUTPUT_UNITS] as readonly string[]).includes(name);
}

function readFreeQuota(fields: Fields, term: Term): FreeQuota {
  const limit = (name: string): number | null => (fields.has(name) ? fields.count(name) : null);
  const limits = {
    requestsPerMinute: limit("requests_per_minute"),
    tokensPerMinute: limit("tokens_per_minute"),
    requestsPerDay: limit("requests_per_day"),
    tokensPerDay: limit("tokens_per_day"),
  };
  const none = ["requests_per_minute", "tokens_per_minute", "requests_per_day", "tokens_per_day"].every((name) => !fields.has(name));
  if (none && fields.problems.length === 0) fields.tell("requests_per_day", "at least one limit: without any every call would be free");
  return { kind: "free_quota", ...limits, resetZone: fields.zone("reset_zone", term.timeZone), beyond: fields.oneOf("beyond", ["pay_as_you_go", "refused"], "pay_as_you_go") };
}

function readFineTuned(fields: Fields): FineTuned {
  const hosting = required(fields, "hosting_usd_per_hour", "what hosting costs; 0 where it is free", () => fields.usd("hosting_usd_per_hour"));
  return { kind: "fine_tuned", hostingNanoUsdPerHour: hosting ?? 0n, replicas: fields.has("replicas") ? (fields.count("replicas") ?? 1) : 1, prices: readPrices(fields) };
}

/** USD per million tokens, in pico-dollars per token. */
function readPrices(fields: Fields): FineTuned["prices"] {
  if (!fields.has("price")) return null;
  const given = fields.inner("price");
  const prices: { [U in Unit]?: number } = {};
  for (const name of given.names()) {
    const pico = scaled(given.raw(name), 6);
    if (!isTokenClass(name)) given.tell(name, "a class of tokens");
    else if (pico === null) given.tell(name, "USD per million tokens, 0 or more, with at most six decimal places");
    else prices[name as Unit] = Number(pico);
  }
  if (prices.input === undefined || prices.output === undefined) fields.tell("price", "input and output at least");
  return prices;
}

const DAYS = ["sun", "mon", "tue", "wed", "thu", "fri", "sat"] as const;

function readSelfHosted(fields: Fields): SelfHosted {
  const gpus = required(fields, "gpus", "how many there are", () => fields.count("gpus"));
  const price = required(fields, "usd_per_gpu_hour", "what a GPU costs an hour", () => fields.usd("usd_per_gpu_hour"));
  return { kind: "self_hosted", gpus: gpus ?? 1, nanoUsdPerGpuHour: price ?? 0n, schedule: readSchedule(fields) };
}

function readSchedule(fields: Fields): Schedule | null {
  if (!fields.has("schedule")) return null;
  const given = fields.inner("schedule");
  const days = given.texts("days");
  for (const day of days) if (!(DAYS as readonly string[]).includes(day)) given.tell("days", `days such as ${DAYS.join(", ")}, not ${day}`);
  const minute = (name: string): number => {
    const match = /^([01]\d|2[0-3]):([0-5]\d)$|^24:00$/.exec(given.text(name) ?? "");
    if (match === null) given.tell(name, "a time of day such as 08:00");
    return match === null ? 0 : match[1] === undefined ? 1440 : Number(match[1]) * 60 + Number(match[2]);
  };
  const fromMinute = minute("from");
  const untilMinute = minute("until");
  if (fromMinute === 1440) given.tell("from", "at most 23:59");
  return { days: days.length === 0 ? [0, 1, 2, 3, 4, 5, 6] : DAYS.flatMap((day, index) => (days.includes(day) ? [index] : [])), fromMinute, untilMinute };
}

function required<T>(fields: Fields, name: string, message: string, read: () => T | null): T | null {
  if (!fields.has(name)) {
    fields.tell(name, message);
    return null;
  }
  return read();
}

/** What is agreed by months has to end with one. */
function wholeMonths(fields: Fields, name: string, term: Term, months: number, what: string): void {
  if (term.after === null) return;
  for (let count = months; ; count += months) {
    const end = addMonths(term.start, count);
    const past = compareDates(end, term.after);
    if (past === 0) return;
    if (past < 0) continue;
    fields.tell(name, `a term of whole ${months === 12 ? "years" : "months"} from ${showDate(term.start)}, which ${what} needs`);
    return;
  }
}

function daysBetween(from: CivilDate, until: CivilDate): number {
  return Math.round((instantOf("UTC", until) - instantOf("UTC", from)) / 86_400_000);
}
