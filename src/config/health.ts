/** `health`: how long failing deployments are left alone, and whether we ask them something of our own accord. */
import { z } from "zod";
import type { ProbeTerms } from "../decide/health/due.ts";
import { parseUsd } from "../wire/money.ts";
import type { Finding } from "./document.ts";
import type { ValueSchemas } from "./objective-schema.ts";
import { asMap, asText, type Raw } from "./raw.ts";
import type { Config } from "./types.ts";
import { parseDurationMs } from "./values.ts";

const PROBE_EVERY_MS = 60_000;
const PROBE_EVERY_LEAST_MS = 1_000;
const PROBE_NANO_USD_PER_DAY = 100_000_000;

/** Its keys. */
export function healthSchema(duration: (description: string) => z.ZodType, { number }: ValueSchemas): z.ZodType {
  const probes = z.strictObject(
    {
      every: duration("How long nobody called a deployment before it is probed, and the shortest time between two probes (60s)").optional(),
      max_usd_per_day: number("dollars, 0 or more", "What probes may cost in a day of UTC, all together (0.1)").optional(),
    },
    { error: "a map such as { every: 60s, max_usd_per_day: 0.1 }" },
  );
  return z.strictObject(
    {
      rest: duration("First rest of a failing deployment (5s)").optional(),
      rest_max: duration("Longest rest (300s)").optional(),
      probes: probes.describe("Tiny requests of our own to candidates of routes that rested, or that nobody called; absent: none").optional(),
    },
    { error: "a map with rest, rest_max or probes" },
  );
}

/** What is told of it; what is wrong goes to `found`. */
export function readHealth(map: Raw, found: Finding[]): Config["health"] {
  const restMs = parseDurationMs(asText(map["rest"]) ?? "5s") ?? 5_000;
  const restMaxMs = parseDurationMs(asText(map["rest_max"]) ?? "300s") ?? 300_000;
  const text = asText(map["rest"]) ?? "5s";
  if (restMs === 0) found.push({ path: ["health", "rest"], expected: "a duration above 0", found: JSON.stringify(text), hint: "" });
  if (restMaxMs < restMs) {
    found.push({ path: ["health", "rest_max"], expected: `at least health.rest, ${text}`, found: JSON.stringify(asText(map["rest_max"]) ?? "300s"), hint: "" });
  }
  return { restMs, restMaxMs, ...(map["probes"] === undefined ? {} : { probes: readProbes(asMap(map["probes"]), found) }) };
}

function readProbes(map: Raw, found: Finding[]): ProbeTerms {
  const path = ["health", "probes"];
  const every = asText(map["every"]);
  const everyMs = every === null ? PROBE_EVERY_MS : (parseDurationMs(every) ?? PROBE_EVERY_MS);
  if (everyMs < PROBE_EVERY_LEAST_MS) found.push({ path: [...path, "every"], expected: "at least 1s", found: JSON.stringify(every), hint: "" });
  const told = map["max_usd_per_day"];
  const read = told === undefined ? PROBE_NANO_USD_PER_DAY : parseUsd(told);
  if ((read === null || read < 0) && Number.isFinite(Number(told))) found.push({ path: [...path, "max_usd_per_day"], expected: "dollars, 0 or more, with at most nine decimal places", found: String(told), hint: "" });
  return { everyMs, maxNanoUsdPerDay: Math.max(0, read ?? 0) };
}
