/** The shape of a price list, the same in the configuration and as a managed object. */
import { z } from "zod";
import { isPerPiece, PRICED_UNITS } from "../decide/price-text.ts";
import { SURCHARGED_FEATURES, WEEKDAYS } from "../decide/price-terms.ts";

/** How numbers and texts may be written: in a file also as references, for instance. */
export interface Writing {
  readonly number: (expected: string, description: string) => z.ZodType;
  readonly text: (expected: string, description: string) => z.ZodType;
}

const DECIMAL = /^\d+(\.\d+)?([eE][+-]?\d+)?$/;
/** As they stand in a request's body. */
export const PLAIN_WRITING: Writing = {
  number: (expected, description) => z.union([z.number({ error: expected }), z.string({ error: expected }).regex(DECIMAL, { error: expected })], { error: expected }).describe(description),
  text: (expected, description) => z.string({ error: expected }).min(1, { error: expected }).describe(description),
};

/** The schema of a price list: prices of units, and under which conditions others hold. `dated`: with the day from which it does. */
export function priceSchema({ number, text }: Writing, dated = true): z.ZodType {
  const units = Object.fromEntries(
    PRICED_UNITS.map((unit) => [unit, number("a price in USD", isPerPiece(unit) ? `USD for each of ${unit}` : `USD per million tokens of ${unit}`).optional()]),
  );
  const multiply = number("a multiplier", "All prices of tokens times this, in place of prices of their own").optional();
  const multiplier = number("a multiplier", "Prices of tokens are multiplied by this");
  const tiers = z.record(z.string(), z.strictObject({ ...units, multiply }, { error: "prices, or multiply" }), { error: "a map from service tier to its prices" });
  return z.strictObject(
    {
      ...units,
      steps: z
        .array(z.strictObject({ above: number("a number of tokens", "More prompt tokens than this, and all tokens of the request cost these"), ...units, tiers: tiers.describe("Prices of service tiers within the step").optional() }, { error: "a map with above and prices" }), { error: "a list of { above: 200000, input, output, … }" })
        .describe("Steps by length of the prompt")
        .optional(),
      tiers: tiers.describe("Prices of service tiers: batch, flex, priority …").optional(),
      windows: z
        .array(
          z.strictObject(
            { from: text("a time of day", "Start in UTC, 16:30"), to: text("a time of day", "End in UTC; before the start: on the next day"), days: z.array(z.enum(WEEKDAYS, { error: `one of ${WEEKDAYS.join(", ")}` }), { error: "a list of weekdays" }).describe("Days on which it opens; every day where absent").optional(), ...units, multiply },
            { error: "a map with from, to and prices or multiply" },
          ),
          { error: "a list of { from: '16:30', to: '00:30', multiply: 0.5 }" },
        )
        .describe("Hours of the day, on some days of the week, with prices of their own")
        .optional(),
      changes: z
        .array(z.strictObject({ from: text("a day", "First day in UTC, 2027-01-01"), ...units }, { error: "a map with from and prices" }), { error: "a list of { from: 2027-01-01, input, … }" })
        .describe("Announced changes: from that day on these prices replace those above")
        .optional(),
      regions: z.record(z.string(), multiplier, { error: "a map from region to multiplier" }).describe("Multipliers for calls that are served in one region").optional(),
      surcharges: z.strictObject(Object.fromEntries(SURCHARGED_FEATURES.map((feature) => [feature, multiplier.optional()])), { error: `a map with ${SURCHARGED_FEATURES.join(" or ")}` }).describe("Multipliers for what a request asks for (1)").optional(),
      ...(dated ? { valid_from: text("a day", "From when it holds; before that the price that it replaces").optional() } : {}),
    },
    { error: "prices: { input, output, … } in USD per million tokens, or { images, seconds, … } in USD each" },
  );
}
