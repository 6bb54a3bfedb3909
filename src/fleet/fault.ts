/** The faults that a scripted provider can have, and the rules that say when. */
import { z } from "zod";
import { checked } from "./findings.ts";

const after = z.int().nonnegative().default(1);
const waitMs = z.number().nonnegative();

/** `after` and `at` count content events; a stream that has fewer is hit before its closing frames. */
const faultObject = z.discriminatedUnion("kind", [
  /** Nothing wrong: lets a rule with `p` or `times` mean "these calls are fine". */
  z.strictObject({ kind: z.literal("none") }),
  z.strictObject({
    kind: z.literal("status"),
    status: z.int().min(400).max(599),
    body: z.union([z.string(), z.record(z.string(), z.unknown())], { error: "a text or a map" }).optional(),
    headers: z.record(z.string(), z.string()).optional(),
    content_type: z.string().optional(),
    delay_ms: waitMs.optional(),
  }),
  z.strictObject({ kind: z.literal("refuse") }),
  z.strictObject({ kind: z.literal("reset"), delay_ms: waitMs.optional() }),
  /** Stalls last until the client leaves, or `for_ms`, after which all goes on as usual. */
  z.strictObject({ kind: z.literal("stall_before_headers"), for_ms: waitMs.optional() }),
  z.strictObject({ kind: z.literal("stall_before_content"), for_ms: waitMs.optional() }),
  z.strictObject({ kind: z.literal("stall_mid_stream"), after, for_ms: waitMs.optional() }),
  z.strictObject({ kind: z.literal("cut_reset"), after }),
  z.strictObject({ kind: z.literal("cut_clean"), after }),
  /** The connection ends (FIN) inside the body: no closing chunk, or fewer bytes than announced. */
  z.strictObject({ kind: z.literal("cut_fin"), after }),
  z.strictObject({ kind: z.literal("malformed_event"), at: z.int().nonnegative().default(0) }),
  z.strictObject({
    kind: z.literal("error_event"),
    at: z.int().nonnegative().default(0),
    type: z.string().optional(),
    message: z.string().optional(),
  }),
  z.strictObject({ kind: z.literal("empty_choices") }),
  z.strictObject({ kind: z.literal("missing_usage") }),
  z.strictObject({ kind: z.literal("usage_missing") }),
  z.strictObject({ kind: z.literal("duplicate_usage") }),
  z.strictObject({
    kind: z.literal("slow_drip"),
    pieces: z.int().min(2).max(100).default(4),
    delay_ms: waitMs.default(5),
  }),
  z.strictObject({ kind: z.literal("malformed_json") }),
  /** `clean`: a proper end after too few bytes; else the announced length is never reached. */
  z.strictObject({ kind: z.literal("truncated_json"), clean: z.boolean().default(false) }),
  z.strictObject({ kind: z.literal("wrong_content_type") }),
  z.strictObject({ kind: z.literal("empty_body") }),
  /** Answers well, later (added to the first token) and slower (the rate multiplied). */
  z.strictObject({ kind: z.literal("slow"), first_token_ms: waitMs.default(0), rate_factor: z.number().positive().default(1) }),
], { error: "a fault of docs/fleet.md, by its name or as { kind, … }" });

/** A fault by its name alone, or with its parameters. */
export const faultSchema = z.preprocess(
  (value) => (typeof value === "string" ? { kind: value } : value),
  faultObject,
);

export type Fault = z.infer<typeof faultObject>;
export type FaultKind = Fault["kind"];

/** What may be written where a fault is expected: defaults may be left out. */
export type FaultInput = FaultKind | z.input<typeof faultObject>;

export const ruleSchema = z.strictObject({
  match: z
    .strictObject({ model: z.string().optional(), stream: z.boolean().optional(), path: z.string().optional() })
    .optional(),
  fault: faultSchema,
  /** Probability for each matching call. */
  p: z.number().min(0).max(1).default(1),
  /** The rule is spent after this many faults. */
  times: z.int().positive().optional(),
  /** So many matching calls pass first. */
  after: z.int().nonnegative().default(0),
});

export type Rule = z.infer<typeof ruleSchema>;

export interface RuleInput {
  readonly match?: { readonly model?: string; readonly stream?: boolean; readonly path?: string };
  readonly fault: FaultInput;
  readonly p?: number;
  readonly times?: number;
  readonly after?: number;
}

/** What a rule can look at. */
export interface CallFacts {
  readonly model: string;
  readonly stream: boolean;
  readonly path: string;
}

interface RuleState {
  readonly rule: Rule;
  seen: number;
  fired: number;
}

/** The rules of one provider with their counters. The first rule that fires decides. */
export class Script {
  readonly #rules: RuleState[];

  constructor(rules: readonly RuleInput[]) {
    this.#rules = rules.map((rule) => ({ rule: checked(ruleSchema, rule, "The rule"), seen: 0, fired: 0 }));
  }

  /** True where the listener itself must be shut: an unconditional `refuse`. */
  get shut(): boolean {
    return this.#rules.some(
      ({ rule }) => rule.fault.kind === "refuse" && !rule.match && rule.p === 1 && !rule.times && rule.after === 0,
    );
  }

  /** True where some rule destroys connections. */
  get refuses(): boolean {
    return this.#rules.some(({ rule }) => rule.fault.kind === "refuse" && !rule.match);
  }

  /** The fault of a call; `chance` is drawn once per rule that has a probability. */
  pick(call: CallFacts, chance: () => number): Fault | undefined {
    for (const state of this.#rules) {
      if (state.rule.fault.kind === "refuse" && !state.rule.match) continue;
      if (this.#fires(state, call, chance)) return state.rule.fault;
    }
    return undefined;
  }

  /** True where a connection must be destroyed as it is accepted: `refuse` rules that match no call in particular. */
  refusesConnection(chance: () => number): boolean {
    for (const state of this.#rules) {
      if (state.rule.fault.kind !== "refuse" || state.rule.match) continue;
      if (this.#fires(state, undefined, chance)) return true;
    }
    return false;
  }

  #fires(state: RuleState, call: CallFacts | undefined, chance: () => number): boolean {
    const { rule } = state;
    if (call && !matches(rule, call)) return false;
    if (rule.times !== undefined && state.fired >= rule.times) return false;
    state.seen += 1;
    if (state.seen <= rule.after) return false;
    if (rule.p < 1 && chance() >= rule.p) return false;
    state.fired += 1;
    return true;
  }
}

/** `/chat/completions` and `/v1/chat/completions` are one path to a rule. */
export function normalPath(path: string): string {
  return /^\/v\d/.test(path) ? path : `/v1${path}`;
}

function matches(rule: Rule, call: CallFacts): boolean {
  const match = rule.match;
  if (!match) return true;
  if (match.model !== undefined && match.model !== call.model) return false;
  if (match.stream !== undefined && match.stream !== call.stream) return false;
  return match.path === undefined || normalPath(call.path).startsWith(normalPath(match.path));
}
