/** What a route tries: `canary`, a candidate that takes a share of it, and `mirror`, one that gets copies which nobody sees. */
import { z } from "zod";
import type { CanaryTerms, MirrorTerms } from "../decide/canary.ts";
import { parseUsd } from "../wire/money.ts";
import type { Finding, Path } from "./document.ts";
import { SHARE_PATTERN, type ValueSchemas } from "./objective-schema.ts";
import { parseShare } from "./objectives.ts";
import { asMap, asNumeric, asText, type Raw } from "./raw.ts";
import type { RouteConfig } from "./types.ts";

const MIN_REQUESTS = 200;
const ROLLBACK = { burn: 2, quality: 0.05 };
const MIRROR_NANO_USD_PER_DAY = 1_000_000_000;
/** With more there are too few others to judge it by. */
const CANARY_SHARE_MAX = 0.5;

/** The fields of a route. */
export function trialKeys({ open, number, oneOf }: ValueSchemas): Readonly<Record<string, z.ZodType>> {
  const use = open(z.string({ error: "account/model" }).min(1, { error: "account/model" }), "account/model");
  const share = open(z.string({ error: A_SHARE }).regex(SHARE_PATTERN, { error: A_SHARE }), "Of the route's requests");
  const rollback = z.strictObject(
    {
      burn: number("a number", "So many times too fast its error budget may go while that of the others does not (2)").optional(),
      quality: number("a number", "So much lower the mean feedback on its answers may be, of scores from 0 to 1 (0.05)").optional(),
    },
    { error: "a map such as { burn: 2, quality: 0.05 }" },
  );
  return {
    canary: z
      .strictObject(
        {
          use, share,
          min_requests: number("a number of requests", "Before so many it is too early to promote it (200)").optional(),
          until: oneOf(["promote"], "promote: the trial goes on until you promote it by hand, as it always does").optional(),
          rollback: rollback.describe("When it is taken out of the traffic again").optional(),
        },
        { error: "a map such as { use: account/model, share: 5% }" },
      )
      .describe("A candidate on trial: a share of the requests tries it first, with the ordinary candidates as fallbacks")
      .optional(),
    mirror: z
      .strictObject({ use, share, max_usd_per_day: number("dollars, 0 or more", "What copies may cost in a day of UTC (1)").optional() }, { error: "a map such as { use: account/model, share: 1% }" })
      .describe("A copy of a share of the requests goes there too, once they are served; nobody sees its answers")
      .optional(),
  };
}

const A_SHARE = "a percentage with its sign, such as 5%";

/** What a route tries. `check`: that a name leads to an account. */
export function readTrials(map: Raw, path: Path, candidates: RouteConfig["candidates"], found: Finding[], check: (use: string, path: Path) => void): Pick<RouteConfig, "canary" | "mirror"> {
  const canary = Object.hasOwn(map, "canary") ? readCanary(asMap(map["canary"]), [...path, "canary"], found) : null;
  const mirror = Object.hasOwn(map, "mirror") ? readMirror(asMap(map["mirror"]), [...path, "mirror"], found) : null;
  for (const [key, one] of [["canary", canary], ["mirror", mirror]] as const) if (one !== null) check(one.use, [...path, key, "use"]);
  if (canary !== null && candidates.some(({ use }) => use === canary.use)) {
    found.push({ path: [...path, "canary", "use"], expected: "a candidate that the route does not have yet", found: JSON.stringify(canary.use), hint: "it is among candidates; what is served already is no trial" });
  }
  return { ...(canary !== null && { canary }), ...(mirror !== null && { mirror }) };
}

function readCanary(map: Raw, path: Path, found: Finding[]): CanaryTerms | null {
  const use = asText(map["use"]);
  const share = readShare(map, path, CANARY_SHARE_MAX, found);
  const rollback = asMap(map["rollback"]);
  const at = [...path, "rollback"];
  const terms = {
    minRequests: readNumber(map, "min_requests", MIN_REQUESTS, path, (value) => Number.isSafeInteger(value) && value > 0, "a whole number above 0", found),
    rollback: {
      burn: readNumber(rollback, "burn", ROLLBACK.burn, at, (value) => value >= 1 && value <= 1_000, "a number from 1 to 1000", found),
      quality: readNumber(rollback, "quality", ROLLBACK.quality, at, (value) => value > 0 && value <= 1, "a number above 0 and at most 1", found),
    },
  };
  return use === null || use === "" || share === null ? null : { use, share, ...terms };
}

function readMirror(map: Raw, path: Path, found: Finding[]): MirrorTerms | null {
  const use = asText(map["use"]);
  const share = readShare(map, path, 1, found);
  const told = map["max_usd_per_day"];
  const read = told === undefined ? MIRROR_NANO_USD_PER_DAY : parseUsd(told);
  if ((read === null || read < 0) && Number.isFinite(Number(told))) found.push({ path: [...path, "max_usd_per_day"], expected: "dollars, 0 or more, with at most nine decimal places", found: String(told), hint: "" });
  return use === null || use === "" || share === null || read === null ? null : { use, share, maxNanoUsdPerDay: Math.max(0, read) };
}

/** null: there is none, or one that is told as wrong. */
function readShare(map: Raw, path: Path, most: number, found: Finding[]): number | null {
  const text = asText(map["share"]);
  const share = parseShare(text);
  if (share !== null && share > 0 && share <= most) return share;
  if (text !== null && text.trim().endsWith("%")) found.push({ path: [...path, "share"], expected: `a percentage above 0% and at most ${most * 100}%`, found: JSON.stringify(text), hint: "" });
  return null;
}

function readNumber(map: Raw, key: string, usual: number, path: Path, holds: (value: number) => boolean, expected: string, found: Finding[]): number {
  const value = asNumeric(map[key]);
  if (value === null || holds(value)) return value ?? usual;
  found.push({ path: [...path, key], expected, found: String(value), hint: "" });
  return usual;
}
