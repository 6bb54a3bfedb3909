/** Worlds and traffic as they are written in files: checked, read, and made into what a simulation takes. */
import { dirname, resolve } from "node:path";
import { parse } from "yaml";
import { z } from "zod";
import type { Objective } from "../decide/objective/types.ts";
import { csvRows, numberIn, readText } from "./csv.ts";
import { constant, empirical, histogram, lognormalByP99, sometimesSlower, type Latency } from "./latency.ts";
import { outagePhases, readIntervals } from "./outages.ts";
import { scenarioOf, scenarioPhases } from "./scenario.ts";
import { atRate, recorded, type Size, type Traffic } from "./traffic.ts";
import type { DeploymentSpec, Fault, Phase } from "./world.ts";

const share = z.number().min(0).max(1);
const times = z.union([
  z.number().nonnegative(),
  z.strictObject({ median_ms: z.number().positive(), p99_ms: z.number().positive() }),
  z.strictObject({ values_ms: z.array(z.number().nonnegative()).min(1) }),
  z.strictObject({ histogram_ms: z.array(z.tuple([z.number().positive(), z.number().nonnegative()])).min(1) }),
  z.strictObject({ file: z.string(), column: z.string(), unit: z.enum(["ms", "s"]).default("ms"), where: z.record(z.string(), z.string()).default({}) }),
], { error: "milliseconds, or one of { median_ms, p99_ms }, { values_ms }, { histogram_ms }, { file, column }" });
const rates = z.union([
  z.number().positive(),
  z.strictObject({ values: z.array(z.number().positive()).min(1) }),
  z.strictObject({ histogram: z.array(z.tuple([z.number().positive(), z.number().nonnegative()])).min(1) }),
], { error: "tokens a second, or one of { values }, { histogram }" });
/** Failures before content by what they are told as. */
const failure = z.strictObject({
  share, class: z.enum(["rate", "overload", "server", "network", "malformed", "empty", "too_large", "truncated"]).optional(), status: z.number().int().min(0).max(599).default(0),
  after_ms: z.number().nonnegative().optional(), retry_after_s: z.number().nonnegative().optional(),
});
const faults = {
  failures: z.array(failure).default([]),
  refuse: share.optional(),
  status: z.number().int().min(400).max(599).default(503),
  stall: share.optional(),
  break: share.optional(),
  fail_first: share.optional(),
};
const phaseSchema = z.strictObject({
  from_s: z.number().nonnegative(), to_s: z.number().positive(), incident: z.string().optional(), ...faults,
  first_token: times.optional(), fails_before: share.optional(), fails_after: share.optional(), cap_per_min: z.number().positive().optional(),
}).refine(({ from_s, to_s }) => from_s < to_s, { error: "a phase ends after it begins" })
  .refine((one) => (one.refuse ?? 0) + (one.stall ?? 0) + (one.break ?? 0) + (one.fail_first ?? 0) + sumOf(one.failures) <= 1 + 1e-9, { error: "refuse, stall, break, fail_first and failures are shares of the same calls: at most 1 together" });
const deploymentSchema = z.strictObject({
  price: z.strictObject({ input: z.number().nonnegative(), output: z.number().nonnegative(), request: z.number().nonnegative().default(0) }).optional(),
  first_token: times,
  tail: z.strictObject({ share, times: z.number().positive() }).optional(),
  ms_per_thousand_input: z.number().nonnegative().optional(),
  tokens_per_s: rates.default(60),
  fails_before: share.default(0),
  fails_after: share.default(0),
  failures: z.array(failure).default([]),
  stalls: share.default(0),
  capacity: z.number().positive().optional(),
  cap_per_min: z.number().positive().optional(),
  phases: z.array(phaseSchema).default([]),
  repeat_every_s: z.number().positive().optional(),
  scenario: z.strictObject({ file: z.string(), id: z.string(), at_s: z.number().nonnegative().default(0) }).optional(),
  outages: z.strictObject({ file: z.string(), service: z.string(), from: z.string(), to: z.string(), by_impact: z.record(z.string(), share).default({}), stalls: share.default(0.2), breaks: share.default(0) }).optional(),
}).refine((one) => one.fails_before + one.fails_after + one.stalls + sumOf(one.failures) <= 1 + 1e-9, { error: "fails_before, fails_after, stalls and failures are shares of the same calls: at most 1 together" });
const target = z.number().gt(0).lt(1);
const worldSchema = z.strictObject({
  deadline_s: z.number().positive().optional(),
  objectives: z.strictObject({ availability: target.optional(), first_token: z.strictObject({ target, within_ms: z.number().positive() }).optional() }).default({}),
  deployments: z.record(z.string(), deploymentSchema).refine((all) => Object.keys(all).length > 0, { error: "a world needs a deployment" }),
});
const fileSizes = z.strictObject({ file: z.string(), input: z.string(), output: z.string() });
const sizes = z.union([z.strictObject({ input: z.number().int().nonnegative(), output: z.number().int().nonnegative() }), fileSizes], { error: "{ input, output } in tokens, or { file, input, output } with columns" });
const trafficSchema = z.union([
  z.strictObject({ rate_per_s: z.number().positive(), duration_s: z.number().positive(), gaps: z.enum(["poisson", "constant"]).default("poisson"), sizes, sessions: z.number().int().positive().optional() }),
  z.strictObject({ trace: z.strictObject({ file: z.string(), at: z.string(), unit: z.enum(["ms", "s"]).default("ms"), input: z.string(), output: z.string() }) }),
], { error: "rate_per_s, duration_s and sizes, or a trace" });

/** Where its file lies, by which the files that it names are found. */
export interface Source {
  readonly text: string;
  readonly path: string;
}

export interface WorldSpec {
  readonly deployments: readonly DeploymentSpec[];
  /** Without a price of their own: a configuration has to give it. */
  readonly unpriced: readonly string[];
  readonly objectives: readonly Objective[];
  readonly deadlineMs: number | undefined;
}

export class SpecError extends Error {}

const DAY_MS = 86_400_000;

/** The worlds of several files as one: what a later one says of a deployment, or of objectives, stands in place of what earlier ones say. */
export function joinWorlds(worlds: readonly WorldSpec[]): WorldSpec {
  const deployments = new Map(worlds.flatMap((world) => world.deployments.map((one) => [one.id, { one, unpriced: world.unpriced.includes(one.id) }] as const)));
  return {
    deployments: [...deployments.values()].map(({ one }) => one),
    unpriced: [...deployments.values()].flatMap(({ one, unpriced }) => (unpriced ? [one.id] : [])),
    objectives: worlds.findLast(({ objectives }) => objectives.length > 0)?.objectives ?? [],
    deadlineMs: worlds.findLast(({ deadlineMs }) => deadlineMs !== undefined)?.deadlineMs,
  };
}

/** A world's file. Throws a `SpecError` that says where it is wrong. */
export function readWorld(source: Source, lengthMs: number): WorldSpec {
  const spec = checked(worldSchema, source);
  const { availability, first_token: firstToken } = spec.objectives;
  const window = { kind: "rolling", lengthMs: DAY_MS } as const;
  const objectives: Objective[] = [];
  if (availability !== undefined) objectives.push({ name: "availability", kind: "availability", target: availability, window, within: [], atLeast: null, unit: null });
  if (firstToken !== undefined) objectives.push({ name: "first_token", kind: "first_token", target: firstToken.target, window, within: [{ upToInputTokens: null, withinMs: firstToken.within_ms }], atLeast: null, unit: null });
  const deployments = Object.entries(spec.deployments).map(([id, one]) => deploymentOf(id, one, source, lengthMs));
  const unpriced = Object.entries(spec.deployments).flatMap(([id, { price }]) => (price === undefined ? [id] : []));
  return { deployments, unpriced, objectives, deadlineMs: spec.deadline_s === undefined ? undefined : spec.deadline_s * 1_000 };
}

/** Traffic's file. Throws a `SpecError` that says where it is wrong. */
export function readTraffic(source: Source): Traffic {
  const spec = checked(trafficSchema, source);
  if ("trace" in spec) {
    const { file, at, unit, input, output } = spec.trace;
    const rows = tableOf(source, file);
    const firstMs = timeIn(rows[0] ?? {}, at, unit);
    return recorded(rows.map((row) => ({ atMs: timeIn(row, at, unit) - firstMs, inputTokens: numberIn(row, input), outputTokens: numberIn(row, output) })).toSorted((a, b) => a.atMs - b.atMs));
  }
  return atRate({ perS: spec.rate_per_s, durationMs: spec.duration_s * 1_000, gaps: spec.gaps, sizes: sizesOf(spec.sizes, source), ...(spec.sessions === undefined ? {} : { sessions: spec.sessions }) });
}

function checked<T>(schema: z.ZodType<T>, { text, path }: Source): T {
  let value: unknown;
  try {
    value = parse(text);
  } catch (error) {
    throw new SpecError(`${path}: ${(error as Error).message}`, { cause: error });
  }
  const result = schema.safeParse(value);
  if (result.success) return result.data;
  throw new SpecError(result.error.issues.map((issue) => `${path}: ${issue.path.join(".") || "the file"}: ${issue.message}`).join("\n"));
}

function deploymentOf(id: string, spec: z.infer<typeof deploymentSchema>, source: Source, lengthMs: number): DeploymentSpec {
  const usual = timesOf(spec.first_token, source);
  const { price = { input: 0, output: 0, request: 0 }, capacity, cap_per_min: capPerMin, ms_per_thousand_input: msPerThousandInput } = spec;
  return {
    id,
    price: { inputNanoUsdPerToken: price.input * 1_000, outputNanoUsdPerToken: price.output * 1_000, requestNanoUsd: price.request * 1e9 },
    latency: spec.tail === undefined ? usual : sometimesSlower(usual, spec.tail.share, spec.tail.times),
    ...paceOf(spec.tokens_per_s), failsBefore: spec.fails_before, failsAfter: spec.fails_after,
    ...(spec.failures.length === 0 && spec.stalls === 0 ? {} : { faults: [...spec.failures.map(faultOf), { kind: "stall", p: spec.stalls } as const] }),
    ...(capacity === undefined ? {} : { capacity }), ...(capPerMin === undefined ? {} : { capPerMin }), ...(msPerThousandInput === undefined ? {} : { msPerThousandInput }),
    phases: [...repeated(spec.phases.map((one) => phaseOf(one, source)), spec.repeat_every_s, lengthMs), ...scenarioOfSpec(spec, source), ...outagesOfSpec(spec, source)],
  };
}

function phaseOf(one: z.infer<typeof phaseSchema>, source: Source): Phase {
  const drawn: Fault[] = one.failures.map(faultOf);
  if (one.refuse !== undefined) drawn.push({ kind: "refuse", p: one.refuse, status: one.status });
  if (one.stall !== undefined) drawn.push({ kind: "stall", p: one.stall });
  if (one.break !== undefined) drawn.push({ kind: "break", p: one.break });
  if (one.fail_first !== undefined) drawn.push({ kind: "fail-first", p: one.fail_first, status: one.status });
  return {
    fromMs: one.from_s * 1_000, toMs: one.to_s * 1_000, faults: drawn,
    ...(one.incident === undefined ? {} : { incident: one.incident }), ...(one.first_token === undefined ? {} : { latency: timesOf(one.first_token, source) }),
    ...(one.fails_before === undefined ? {} : { failsBefore: one.fails_before }), ...(one.fails_after === undefined ? {} : { failsAfter: one.fails_after }),
    ...(one.cap_per_min === undefined ? {} : { capPerMin: one.cap_per_min }),
  };
}

function faultOf({ share: p, status, class: kind, after_ms: afterMs, retry_after_s: retryAfterS }: z.infer<typeof failure>): Fault {
  return {
    kind: "refuse", p, status,
    ...(kind === undefined ? {} : { class: kind }), ...(afterMs === undefined ? {} : { afterMs }), ...(retryAfterS === undefined ? {} : { retryAfterMs: retryAfterS * 1_000 }),
  };
}

function sumOf(failures: readonly { readonly share: number }[]): number {
  return failures.reduce((sum, one) => sum + one.share, 0);
}

function paceOf(spec: z.infer<typeof rates>): Pick<DeploymentSpec, "tokensPerS" | "rates"> {
  if (typeof spec === "number") return { tokensPerS: spec };
  const drawn = "values" in spec ? empirical(spec.values) : histogram(spec.histogram);
  return { tokensPerS: drawn.mean(0), rates: drawn };
}

/** The same phases again and again, to the end of the traffic. */
function repeated(phases: readonly Phase[], everyS: number | undefined, lengthMs: number): readonly Phase[] {
  if (everyS === undefined) return phases;
  const all: Phase[] = [];
  for (let atMs = 0; atMs < lengthMs; atMs += everyS * 1_000) for (const phase of phases) all.push({ ...phase, fromMs: phase.fromMs + atMs, toMs: phase.toMs + atMs });
  return all;
}

function scenarioOfSpec({ scenario }: z.infer<typeof deploymentSchema>, source: Source): readonly Phase[] {
  if (scenario === undefined) return [];
  return wrapped(scenario.file, source, (text) => scenarioPhases(scenarioOf(JSON.parse(text), scenario.id), scenario.at_s * 1_000));
}

function outagesOfSpec({ outages }: z.infer<typeof deploymentSchema>, source: Source): readonly Phase[] {
  if (outages === undefined) return [];
  const fromMs = Date.parse(outages.from);
  const toMs = Date.parse(outages.to);
  if (!(fromMs < toMs)) throw new SpecError(`${source.path}: outages: "from" and "to" should be dates, the first before the second`);
  return wrapped(outages.file, source, (text) => outagePhases(readIntervals(text), outages.service, fromMs, toMs, { byImpact: outages.by_impact, stalls: outages.stalls, breaks: outages.breaks }));
}

function timesOf(spec: z.infer<typeof times>, source: Source): Latency {
  if (typeof spec === "number") return constant(spec);
  if ("median_ms" in spec) return lognormalByP99(spec.median_ms, spec.p99_ms);
  if ("values_ms" in spec) return empirical(spec.values_ms);
  if ("histogram_ms" in spec) return histogram(spec.histogram_ms);
  const rows = tableOf(source, spec.file).filter((row) => Object.entries(spec.where).every(([column, value]) => row[column] === value));
  if (rows.length === 0) throw new SpecError(`${source.path}: ${spec.file} has no row like that`);
  return empirical(rows.map((row) => timeIn(row, spec.column, spec.unit)));
}

function sizesOf(spec: z.infer<typeof sizes>, source: Source): readonly Size[] {
  if (!("file" in spec)) return [{ inputTokens: spec.input, outputTokens: spec.output }];
  return tableOf(source, spec.file).map((row) => ({ inputTokens: numberIn(row, spec.input), outputTokens: Math.max(1, numberIn(row, spec.output)) }));
}

function tableOf(source: Source, file: string): readonly Readonly<Record<string, string>>[] {
  return wrapped(file, source, csvRows);
}

/** What is wrong with a file that another names is told with both names. */
function wrapped<T>(file: string, { path }: Source, read: (text: string) => T): T {
  try {
    return read(readText(resolve(dirname(path), file)));
  } catch (error) {
    throw new SpecError(`${path}: ${file}: ${(error as Error).message}`, { cause: error });
  }
}

function timeIn(row: Readonly<Record<string, string>>, column: string, unit: "ms" | "s"): number {
  return numberIn(row, column) * (unit === "s" ? 1_000 : 1);
}
