/** The shape of objectives and of what a route states beside them, for editors and for the first look at a file. */
import { z } from "zod";
import { BUDGET_ACTS } from "../decide/objective/policy.ts";
import { IMPORTANCES } from "../decide/objective/shedding.ts";
import { DURATION_PATTERN } from "./values.ts";

/** How texts, numbers and words are written: in a file any of them may be a reference. */
export interface ValueSchemas {
  readonly open: <T extends z.ZodType>(schema: T, description: string) => z.ZodType;
  readonly number: (expected: string, description: string) => z.ZodType;
  readonly oneOf: (values: readonly [string, ...string[]], description: string) => z.ZodType;
}

export const A_SHARE = "a percentage with its sign, such as 99.9%";
export const SHARE_PATTERN = /^(\d{1,3}(?:\.\d{1,6})?)\s*%$/;
export const A_WINDOW = "a span of hours or days such as 12h or 30d, or month";
export const WINDOW_PATTERN = /^(?:month|(\d{1,5}(?:\.\d+)?)(h|d))$/;
const A_DURATION = "a duration such as 250ms, 4s or 1m";
/** Percentiles by which thresholds may be named, and the share that each stands for. */
export const PERCENTILES: Readonly<Record<string, number>> = { p50: 0.5, p75: 0.75, p90: 0.9, p95: 0.95, p99: 0.99, p99_9: 0.999 };

/** The kinds of objectives, as the fields of a map. */
export function objectiveKinds({ open, number, oneOf }: ValueSchemas): Readonly<Record<string, z.ZodType>> {
  const share = (description: string): z.ZodType => open(z.string({ error: A_SHARE }).regex(SHARE_PATTERN, { error: A_SHARE }), description);
  const duration = (description: string): z.ZodType => open(z.string({ error: A_DURATION }).regex(DURATION_PATTERN, { error: A_DURATION }), description);
  const span = {
    window: open(z.string({ error: A_WINDOW }).regex(WINDOW_PATTERN, { error: A_WINDOW }), "Over which it is kept: the last 1h to 400d, or the calendar month").optional(),
    zone: open(z.string({ error: "the name of a time zone" }).min(1, { error: "the name of a time zone" }), "Time zone of the calendar month (UTC)").optional(),
  };
  const sized = z.strictObject(
    { up_to: number("a number of tokens", "Prompts of at most so many tokens; the last may leave it out").optional(), within: duration("In time for them") },
    { error: "a map with up_to and within" },
  );
  const times = (what: string): z.ZodType =>
    z
      .strictObject(
        {
          ...Object.fromEntries(Object.keys(PERCENTILES).map((name) => [name, duration(`${name.slice(1).replace("_", ".")} % of requests within this`).optional()])),
          target: share("Share of requests that are in time").optional(),
          within: duration("In time").optional(),
          by_input: z.array(sized, { error: "a list of { up_to: 4000, within: 4s }" }).min(1, { error: "at least one { up_to: 4000, within: 4s }" }).describe("In time, by the size of the prompt").optional(),
          ...span,
        },
        { error: "a map such as { p99: 4s, window: 30d }" },
      )
      .describe(what);
  return {
    availability: z.strictObject({ target: share("Share of valid requests that are answered whole").optional(), ...span }, { error: "a map such as { target: 99.9%, window: 30d }" }).describe("Requests that are answered whole").optional(),
    error_rate: z.strictObject({ at_most: share("Share of valid requests that may fail").optional(), ...span }, { error: "a map such as { at_most: 0.1%, window: 30d }" }).describe("The same from the other side: requests that fail").optional(),
    first_token: times("Time to the first content of a stream").optional(),
    latency: times("Time to the end of an answer").optional(),
    output_rate: z
      .strictObject({ target: share("Share of answers that are as fast").optional(), at_least: number("tokens a second, above 0", "Tokens a second of one answer").optional(), ...span }, { error: "a map such as { target: 95%, at_least: 30, window: 30d }" })
      .describe("Tokens a second of an answer, from its first on")
      .optional(),
    throughput: z
      .strictObject(
        { target: share("Share of minutes in which it is served").optional(), at_least: number("a number above 0", "So much a minute").optional(), unit: oneOf(["tokens", "requests"], "What is counted (requests)").optional(), ...span },
        { error: "a map such as { at_least: 600, unit: requests, target: 99.9%, window: 30d }" },
      )
      .describe("What is served in a minute if so much is asked")
      .optional(),
  };
}

/** The fields of a route that objectives and the choice by them bring. */
export function routeTerms(values: ValueSchemas): Readonly<Record<string, z.ZodType>> {
  const { open, number, oneOf } = values;
  const dollars = (description: string): z.ZodType => number("dollars, 0 or more, with at most nine decimal places", description);
  const anExtra = { error: "off, or a percentage such as 5%" };
  const offOrShare = (description: string): z.ZodType => open(z.union([z.literal(["off", false]), z.string().regex(SHARE_PATTERN, anExtra)], anExtra), description);
  const step = z.strictObject(
    {
      left: open(z.string({ error: A_SHARE }).regex(SHARE_PATTERN, { error: A_SHARE }), "From so much of the error budget left on"),
      do: z.array(oneOf(BUDGET_ACTS, "What is done"), { error: `a list of ${BUDGET_ACTS.join(", ")}` }).describe("What is done then, until a little more is left again"),
    },
    { error: "a map with left and do" },
  );
  return {
    objectives: z.strictObject(objectiveKinds(values), { error: "a map such as { availability: { target: 99.9%, window: 30d } }" }).describe("What is promised of this route").optional(),
    cost_of_failure_usd: dollars("What a request that fails costs you; the choice weighs it against prices (0)").optional(),
    cost_of_delay_usd_per_s: dollars("What a second of waiting costs you (a fifth of the dearest candidate's price)").optional(),
    hedge: offOrShare("Requests of which a second candidate may be called when the first is late, at most (5%)").optional(),
    explore: offOrShare("Requests that may go to another candidate as well, to learn of it, at most (3%)").optional(),
    error_budget: z
      .union([z.literal(["off", false]), z.array(step)], { error: "off, or a list of { left: 10%, do: [reliability_first] }" })
      .describe("What is done as the error budget runs out (50%: canaries and cascades are frozen; 10%: reliability before price; 0%: what is of low importance is refused)")
      .optional(),
    importance: oneOf(IMPORTANCES, "Who waits or is refused first when room is short (normal)").optional(),
    regions: z
      .array(open(z.string({ error: "a region such as eu" }).min(1, { error: "a region such as eu" }), "A region"), { error: "a list of regions" })
      .min(1, { error: "at least one region" })
      .describe("Every candidate has to run in one of these")
      .optional(),
  };
}
