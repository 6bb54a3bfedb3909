/** Objectives as a configuration writes them: `{ p99: 4s, window: 30d }`, `{ target: 98%, within: 4s, window: month, zone: Europe/Berlin }`. */
import { z } from "zod";
import type { Objective, ObjectiveKind, ObjectiveWindow, SizeThreshold } from "../decide/objective/types.ts";
import { isTimeZone } from "../decide/zone.ts";
import type { Finding, Path } from "./document.ts";
import { A_SHARE, A_WINDOW, objectiveKinds, PERCENTILES, SHARE_PATTERN, WINDOW_PATTERN, type ValueSchemas } from "./objective-schema.ts";
import { contradictions } from "./objective-contradictions.ts";
import { asList, asMap, asNumeric, asText, type Raw } from "./raw.ts";
import { describe, schemaFindings } from "./report.ts";
import { parseDurationMs } from "./values.ts";

const HOUR_MS = 3_600_000;
const DAY_MS = 24 * HOUR_MS;
/** Shorter than an alert's long span an objective's window would say less than the alert; longer than records are kept, more than can be shown. */
const SHORTEST_MS = HOUR_MS;
const LONGEST_MS = 400 * DAY_MS;

/** An objective and where it stands, for what is wrong between two of them. */
export interface PlacedObjective {
  readonly objective: Objective;
  readonly path: Path;
}

/** The objectives of a map of kinds, in its order. What is wrong is told; an objective with a fault is left out. */
export function readObjectives(entry: unknown, path: Path, found: Finding[]): readonly Objective[] {
  if (entry === undefined) return [];
  const [section, odd] = withoutOddPercentiles(entry, path);
  const wrong = [...odd, ...schemaFindings(OBJECTIVES, section).map((finding) => ({ ...finding, path: [...path, ...finding.path] }))];
  const placed: PlacedObjective[] = [];
  for (const [kind, body] of Object.entries(asMap(section))) {
    // What else is missing there would only follow from it.
    if (odd.some((finding) => isBelow(finding.path, [...path, kind]))) continue;
    if (Object.hasOwn(KINDS, kind)) placed.push(...readKind(kind as ObjectiveKind, asMap(body), [...path, kind], wrong));
  }
  const sound = placed.filter((one) => !wrong.some((finding) => isBelow(finding.path, one.path)));
  wrong.push(...contradictions(sound));
  found.push(...wrong);
  return sound.map(({ objective }) => objective);
}

/** A share as it is written, `99.9%` → 0.999; null: none, or beyond 100 %. */
export function parseShare(text: string | null): number | null {
  const digits = SHARE_PATTERN.exec(text?.trim() ?? "")?.[1];
  // Moved by its exponent: a division by 100 would make 0.9990000000000001 of it.
  const share = digits === undefined ? null : Number(`${digits}e-2`);
  return share !== null && share <= 1 ? share : null;
}

const PLAIN: ValueSchemas = {
  open: (schema, description) => schema.describe(description),
  number: (expected, description) => z.union([z.number({ error: expected }), z.string({ error: expected }).regex(/^-?\d+(\.\d+)?$/, { error: expected })], { error: expected }).describe(description),
  oneOf: (values, description) => z.enum(values, { error: `one of ${values.join(", ")}` }).describe(description),
};
const KINDS = objectiveKinds(PLAIN);
const OBJECTIVES = z.strictObject(KINDS, { error: "a map such as { availability: { target: 99.9%, window: 30d } }" });

/** p100 and the like look like a percentile and are none: that is said in place of a list of keys. */
function withoutOddPercentiles(entry: unknown, path: Path): readonly [unknown, readonly Finding[]] {
  if (typeof entry !== "object" || entry === null || Array.isArray(entry)) return [entry, []];
  const wrong: Finding[] = [];
  const kinds = Object.entries(entry).map(([kind, body]) => {
    if (typeof body !== "object" || body === null || Array.isArray(body)) return [kind, body] as const;
    const kept = Object.entries(body).filter(([key]) => {
      const percent = /^p(\d+(?:[._]\d+)?)$/.exec(key)?.[1]?.replace("_", ".");
      if (percent === undefined || Object.hasOwn(PERCENTILES, key)) return true;
      const value = Number(percent);
      const hint = value >= 100 ? "every request within it cannot be promised: one late one would break it for the whole window" : "write target and within for any other share";
      wrong.push({ path: [...path, kind, key], expected: `a percentile below 100: ${Object.keys(PERCENTILES).join(", ")}`, found: key, hint, at: "key" });
      return false;
    });
    return [kind, Object.fromEntries(kept)] as const;
  });
  return [Object.fromEntries(kinds), wrong];
}

function readKind(kind: ObjectiveKind, body: Raw, path: Path, found: Finding[]): PlacedObjective[] {
  const window = readWindow(body, path, found);
  const make = (more: Partial<Objective> & { readonly target: number }, at: Path = path, name: string = kind): PlacedObjective[] =>
    window === null ? [] : [{ path: at, objective: { name, kind, window, within: [], atLeast: null, unit: null, ...more } }];
  switch (kind) {
    case "availability": {
      const target = readTarget(body, "target", path, found);
      return target === null ? [] : make({ target });
    }
    case "error_rate": {
      const share = readTarget(body, "at_most", path, found);
      return share === null ? [] : make({ target: complement(share) });
    }
    case "output_rate":
    case "throughput": {
      const target = readTarget(body, "target", path, found);
      const atLeast = readAbove(body["at_least"], [...path, "at_least"], kind === "throughput" ? "a number above 0" : "tokens a second, above 0", found);
      const unit = kind === "throughput" ? (body["unit"] === "tokens" ? "tokens" : "requests") : null;
      return target === null || atLeast === null ? [] : make({ target, atLeast, unit });
    }
    case "latency":
    case "first_token":
      return readTimes(kind, body, path, found, make);
  }
}

/** Percentiles, each an objective of its own, or a target with what is in time. */
function readTimes(kind: ObjectiveKind, body: Raw, path: Path, found: Finding[], make: (more: Partial<Objective> & { readonly target: number }, at?: Path, name?: string) => PlacedObjective[]): PlacedObjective[] {
  const named = Object.entries(PERCENTILES).filter(([name]) => Object.hasOwn(body, name));
  const byTarget = ["target", "within", "by_input"].find((key) => Object.hasOwn(body, key));
  if (named.length > 0 && byTarget !== undefined) {
    found.push({ path: [...path, byTarget], expected: "either percentiles or target", found: "both", hint: "p99: 4s is the same as target: 99%, within: 4s", at: "key" });
    return [];
  }
  if (named.length > 0) {
    return named.flatMap(([name, target]) => {
      const withinMs = readMs(body[name], [...path, name], found);
      return withinMs === null ? [] : make({ target, within: [{ upToInputTokens: null, withinMs }] }, [...path, name], named.length === 1 ? kind : `${kind}_${name}`);
    });
  }
  const target = readTarget(body, "target", path, found);
  const within = readWithin(body, path, found);
  return target === null || within === null ? [] : make({ target, within });
}

function readWithin(body: Raw, path: Path, found: Finding[]): readonly SizeThreshold[] | null {
  const [one, sized] = [Object.hasOwn(body, "within"), Object.hasOwn(body, "by_input")];
  const fallback = readIfThere(body, "within", path, found);
  if (!sized) {
    if (!one) found.push({ path: [...path, "within"], expected: "within or by_input", found: "nothing", hint: "what is in time: within: 4s, or p99: 4s in place of target", at: "key" });
    return fallback === null ? null : [{ upToInputTokens: null, withinMs: fallback }];
  }
  const list: SizeThreshold[] = [];
  let above = 0;
  const entries = asList(body["by_input"]);
  for (const [index, entry] of entries.entries()) {
    const where = [...path, "by_input", index];
    const withinMs = readMs(asMap(entry)["within"], [...where, "within"], found);
    const upTo = Object.hasOwn(asMap(entry), "up_to") ? asNumeric(asMap(entry)["up_to"]) : null;
    const open = !Object.hasOwn(asMap(entry), "up_to");
    if (open && index < entries.length - 1) found.push({ path: where, expected: "up_to in all but the last", found: "nothing", hint: "without it the entry takes all that is larger", at: "key" });
    else if (upTo !== null && !(Number.isSafeInteger(upTo) && upTo > above)) found.push({ path: [...where, "up_to"], expected: `a whole number of tokens above ${above}`, found: String(upTo), hint: "" });
    above = Math.max(above, upTo ?? 0);
    if (withinMs !== null) list.push({ upToInputTokens: upTo, withinMs });
  }
  const last = list.at(-1);
  if (one && last?.upToInputTokens === null) found.push({ path: [...path, "within"], expected: "either within or a last entry of by_input without up_to", found: "both", hint: "both are for what is larger than the others", at: "key" });
  if (one && fallback !== null && last?.upToInputTokens != null) list.push({ upToInputTokens: null, withinMs: fallback });
  return list.length === 0 ? null : list;
}

function readIfThere(body: Raw, key: string, path: Path, found: Finding[]): number | null {
  return Object.hasOwn(body, key) ? readMs(body[key], [...path, key], found) : null;
}

function readWindow(body: Raw, path: Path, found: Finding[]): ObjectiveWindow | null {
  const where = [...path, "window"];
  const text = asText(body["window"]);
  if (!Object.hasOwn(body, "window")) found.push({ path: where, expected: A_WINDOW, found: "nothing", hint: "a share is kept over a span: add window: 30d or window: month", at: "key" });
  if (text === null) return null;
  const zone = asText(body["zone"]);
  if (zone !== null && !isTimeZone(zone)) found.push({ path: [...path, "zone"], expected: "the name of a time zone, such as UTC or Europe/Berlin", found: JSON.stringify(zone), hint: "" });
  if (text === "month") return zone !== null && !isTimeZone(zone) ? null : { kind: "month", zone: zone ?? "UTC" };
  if (zone !== null) found.push({ path: [...path, "zone"], expected: "a zone only beside window: month", found: JSON.stringify(zone), hint: "a span that ends now begins at no midnight", at: "key" });
  const [, number, unit] = WINDOW_PATTERN.exec(text) ?? [];
  if (number === undefined) return null;
  const lengthMs = Math.round(Number(number) * (unit === "d" ? DAY_MS : HOUR_MS));
  if (lengthMs >= SHORTEST_MS && lengthMs <= LONGEST_MS) return { kind: "rolling", lengthMs };
  found.push({ path: where, expected: "a span from 1h to 400d, or month", found: JSON.stringify(text), hint: "" });
  return null;
}

/** Above 0 and below 100 %: all of them leaves no error budget, none of them promises nothing. */
function readTarget(body: Raw, key: "target" | "at_most", path: Path, found: Finding[]): number | null {
  const where = [...path, key];
  if (!Object.hasOwn(body, key)) {
    found.push({ path: where, expected: A_SHARE, found: "nothing", hint: `add ${key}`, at: "key" });
    return null;
  }
  const text = asText(body[key]);
  if (text === null || !SHARE_PATTERN.test(text)) return null;
  const share = parseShare(text);
  if (share !== null && share > 0 && share < 1) return share;
  const hint = share === 1 && key === "target" ? "100% leaves no error budget: the first failure would break it for the whole window" : share === 0 && key === "at_most" ? "no failure at all cannot be promised: the first would break it for the whole window" : "";
  found.push({ path: where, expected: "a percentage above 0% and below 100%", found: JSON.stringify(text), hint });
  return null;
}

function readMs(value: unknown, path: Path, found: Finding[]): number | null {
  const text = asText(value);
  const ms = text === null ? null : parseDurationMs(text);
  if (ms === null || (ms > 0 && ms <= DAY_MS)) return ms;
  found.push({ path, expected: "a duration above 0 and at most 24h", found: JSON.stringify(text), hint: "" });
  return null;
}

function readAbove(value: unknown, path: Path, expected: string, found: Finding[]): number | null {
  const number = asNumeric(value);
  if (number !== null && number > 0) return number;
  if (value === undefined) found.push({ path, expected, found: "nothing", hint: "add at_least", at: "key" });
  else if (number !== null) found.push({ path, expected, found: describe(number), hint: "" });
  return null;
}

function complement(share: number): number {
  return Number((1 - share).toFixed(10));
}

function isBelow(path: Path, above: Path): boolean {
  return above.every((part, index) => path[index] === part);
}
