/** Contracts: what an owner agreed with a provider over its price list, for models of one account and a term. */
import { z } from "zod";
import { overlaps } from "../../decide/contract/covers.ts";
import { readContract } from "../../decide/contract/read.ts";
import { TERMS } from "../../decide/contract/read-terms.ts";
import type { Contract } from "../../decide/contract/types.ts";
import { asString } from "../../wire/json.ts";
import { INPUT_UNITS, OUTPUT_UNITS, UNITS } from "../../wire/usage.ts";
import { PLAIN_WRITING, type Writing } from "../price-schema.ts";
import type { FieldProblem, Kind, StoredObject } from "../types.ts";
import { MONEY, SPENDING } from "./access.ts";
import { objectSchema, type Reads } from "./fields.ts";

const TOKEN_CLASSES = [...INPUT_UNITS, ...OUTPUT_UNITS];
const BEYOND = ["pay_as_you_go", "refused"] as const;

/** The shape of a contract; in a file values may be written in other ways as well. */
export function contractSchema({ number, text }: Writing): z.ZodType {
  const oneOf = (values: readonly [string, ...string[]], description: string): z.ZodType => z.enum(values, { error: values.join(", ") }).describe(description);
  const usd = (description: string): z.ZodType => number("dollars, 0 or more, with at most nine decimal places", description);
  const percent = (description: string): z.ZodType => number("a percentage from 0 to 100", description);
  const whole = (description: string): z.ZodType => number("a whole number from 1", description);
  const patterns = (description: string): z.ZodType => z.array(text("a name; * stands for any run of characters", "A model's name at the provider; * stands for any run of characters"), { error: "a list of names or patterns" }).describe(description);
  const beyond = oneOf(BEYOND, "What the provider does with calls that do not fit: serves them at the list's price (default), or refuses them").optional();
  const reserved = z
    .strictObject(
      {
        per: oneOf(["day", "week", "month", "year"], "What the price is for (month)").optional(),
        usd: usd("For one unit"),
        paid: oneOf(["upfront", "monthly"], "A year: at its start (default), or in twelve parts").optional(),
      },
      { error: "a map with per and usd" },
    )
    .describe("Units paid for a day, week, month or year, used or not")
    .optional();
  const hourly = usd("For one unit an hour, used or not").optional();
  const discounts = z
    .array(
      z.strictObject(
        {
          models: patterns("Of these models; all where absent").optional(),
          units: z.array(oneOf(UNITS, "A unit of the price list"), { error: "a list of units" }).describe("On these units; all where absent").optional(),
          percent: percent("Off the list's price"),
        },
        { error: "a map with percent, and models or units" },
      ),
      { error: "a list of { percent: 10 }" },
    )
    .describe("The first that names model and unit counts; they do not add up")
    .optional();
  const committed = z
    .strictObject(
      {
        amount_usd: usd("What is committed"),
        per: oneOf(["month", "year", "term"], "For which time (term); volume steps begin anew with each").optional(),
        instalments: oneOf(["none", "monthly"], "monthly: each month bills at least its share; the period's end gives back what was too much (none)").optional(),
        steps: z
          .array(z.strictObject({ from_usd: usd("Spend of the period from which it is for"), percent: percent("Off") }, { error: "a map with from_usd and percent" }), { error: "a list of { from_usd: 50000, percent: 5 }" })
          .describe("Volume steps, ascending")
          .optional(),
        steps_apply: oneOf(["above", "all"], "above: to what lies above the step (default); all: to all of the period's spend once it is reached").optional(),
      },
      { error: "a map with amount_usd" },
    )
    .describe("Of kind committed: spend that is due whether it is used or not")
    .optional();
  const provisioned = z
    .strictObject(
      {
        units: whole("How many"),
        tokens_per_minute: whole("What one unit takes"),
        weights: z
          .strictObject(Object.fromEntries(TOKEN_CLASSES.map((unit) => [unit, number("a number", `What one token of ${unit} takes`).optional()])), { error: "a map from class of tokens to its weight" })
          .describe("Classes of which a token takes more or less than one; a cached one as one of input, a reasoned one as one of output, where they have none")
          .optional(),
        hourly_usd: hourly,
        reserved,
        output: z
          .strictObject({ units: whole("How many"), tokens_per_minute: whole("What one unit takes"), hourly_usd: hourly, reserved }, { error: "a map with units and tokens_per_minute" })
          .describe("Units for answers alone; those above are then for prompts")
          .optional(),
        beyond,
      },
      { error: "a map with units and tokens_per_minute" },
    )
    .describe("Of kind provisioned: capacity within which a call costs nothing more")
    .optional();
  const freeQuota = z
    .strictObject(
      {
        requests_per_minute: whole("Requests a minute").optional(),
        tokens_per_minute: whole("Tokens of all classes a minute").optional(),
        requests_per_day: whole("Requests a day").optional(),
        tokens_per_day: whole("Tokens of all classes a day").optional(),
        reset_zone: text("a time zone", "Whose midnight begins a day; the contract's where absent").optional(),
        beyond,
      },
      { error: "a map with requests_per_day, …" },
    )
    .describe("Of kind free_quota: calls that cost nothing while all limits have room")
    .optional();
  const fineTuned = z
    .strictObject(
      {
        hosting_usd_per_hour: usd("Hosting of one replica"),
        replicas: whole("How many run (1)").optional(),
        price: z
          .strictObject(Object.fromEntries(TOKEN_CLASSES.map((unit) => [unit, number("a price in USD", `USD per million tokens of ${unit}`).optional()])), { error: "a map with input and output" })
          .describe("In place of the price list's")
          .optional(),
      },
      { error: "a map with hosting_usd_per_hour" },
    )
    .describe("Of kind fine_tuned: an endpoint of one's own model")
    .optional();
  const selfHosted = z
    .strictObject(
      {
        gpus: whole("How many"),
        usd_per_gpu_hour: usd("For one GPU an hour"),
        schedule: z
          .strictObject(
            {
              days: z.array(oneOf(["sun", "mon", "tue", "wed", "thu", "fri", "sat"], "A day"), { error: "a list of days" }).describe("On which it begins; every day where absent").optional(),
              from: text("a time of day", "Start, 08:00"),
              until: text("a time of day", "End; of the next day where it is not after the start"),
            },
            { error: "a map with from and until" },
          )
          .describe("When they run, in the contract's time zone; always where absent")
          .optional(),
      },
      { error: "a map with gpus and usd_per_gpu_hour" },
    )
    .describe("Of kind self_hosted: GPUs by the hour, tokens at nothing")
    .optional();
  return z.strictObject(
    {
      account: text("the name of an account", "Account at the provider that it was made for"),
      models: patterns("Names of models at the provider, or patterns; all of the account's where absent").optional(),
      except: patterns("Those of them that it does not cover").optional(),
      kind: oneOf(TERMS, "What was agreed; the section of the same name says the rest"),
      start: text("a day", "First day, 2027-01-01"),
      end: text("a day", "Last day; where absent it runs on").optional(),
      time_zone: text("a time zone", "Whose days and months count (UTC)").optional(),
      discounts,
      batch_factor: number("a number from 0 to 1", "What batches cost of the standard price, in place of what the list says").optional(),
      committed,
      provisioned,
      free_quota: freeQuota,
      fine_tuned: fineTuned,
      self_hosted: selfHosted,
      egress: z
        .array(z.strictObject({ from_gb: number("a whole number of GB", "A month's GB from which it is for (0)").optional(), usd_per_gb: usd("For one GB of 10^9 bytes") }, { error: "a map with usd_per_gb" }), { error: "a list of { from_gb: 100, usd_per_gb: 0.09 }" })
        .describe("Steps of a month's egress, the first from 0")
        .optional(),
      sla: z
        .strictObject(
          {
            uptime_percent: percent("Promised for a month"),
            credits: z
              .array(z.strictObject({ below_percent: percent("Uptime below which it is given"), credit_percent: percent("Of the month's bill") }, { error: "a map with below_percent and credit_percent" }), { error: "a list of { below_percent: 99.9, credit_percent: 10 }" })
              .describe("Steps, descending")
              .optional(),
            claim_days: whole("Days after the month's end in which it has to be claimed").optional(),
            cap_percent: percent("Most of a month's bill that is given back (100)").optional(),
            minimum_usd: usd("Credits of less are not given").optional(),
          },
          { error: "a map with uptime_percent" },
        )
        .describe("The uptime that is promised, and what comes back where it is not kept")
        .optional(),
      rounding: oneOf(["total", "line"], "Where the provider rounds to cents: the invoice's total (default), or each line").optional(),
    },
    { error: "a map with account, kind and start" },
  );
}

/** What says what it costs, and is for those who mind the bill. */
const PRICES = ["discounts", "batch_factor", "committed", "provisioned", "free_quota", "fine_tuned", "self_hosted", "egress", "sla", "rounding"];

export const contract: Kind = {
  name: "contract",
  plural: "contracts",
  description: "What was agreed with a provider over its price list: discounts, commitments, capacity, quota, hosting, and the uptime promised.",
  schema: objectSchema(contractSchema(PLAIN_WRITING)),
  check,
  checksAny: true,
  access: SPENDING,
  fields: Object.fromEntries(PRICES.map((field) => [field, { read: MONEY, write: MONEY }])),
};

function check(body: Parameters<Kind["check"]>[0], id: string, store: Reads): readonly FieldProblem[] {
  // What was agreed with a provider holds whoever calls it.
  if (id.includes(".")) return [{ field: "", message: "contracts are kept by the organisation default, which runs the place" }];
  const read = readContract(body, id, "0");
  const account = asString(body["account"]) ?? "";
  const isUnknown = account !== "" && store.get("configured", "*") !== undefined && store.get("configured", `provider/${account}`) === undefined;
  const problems: FieldProblem[] = isUnknown ? [{ field: "account", message: `no account ${account} is configured` }] : [];
  return [...problems, ...(read.ok ? overlaps(read.contract, contractsOf(store.all("contract"))) : read.problems)];
}

/** A stored contract that does not count beside the configuration's. */
export interface LeftOut extends FieldProblem {
  readonly id: string;
}

/** Stored contracts as they are rated; one that can no longer be read is left out. */
export function contractsOf(objects: Iterable<Pick<StoredObject, "id" | "version" | "body">>): readonly Contract[] {
  return [...objects].flatMap(({ id, version, body }) => {
    const read = readContract(body, id, String(version));
    return read.ok ? [read.contract] : [];
  });
}

/** The configuration's contracts and the stored ones beside them: where both cover a model at a time, the configuration's counts. */
export function mergeContracts(configured: readonly Contract[], stored: readonly Contract[]): { readonly contracts: readonly Contract[]; readonly leftOut: readonly LeftOut[] } {
  const contracts = [...configured];
  const leftOut: LeftOut[] = [];
  for (const one of stored) {
    const problems = configured.some(({ id }) => id === one.id) ? [{ field: "id", message: `the configuration has a contract ${one.id}` }] : overlaps(one, contracts);
    if (problems.length === 0) contracts.push(one);
    else leftOut.push(...problems.map((problem) => ({ id: one.id, ...problem })));
  }
  return { contracts, leftOut };
}
