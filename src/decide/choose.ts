/**
 * The choice: which deployments may serve a request, in which order, what each would cost at most, and why the others
 * may not. A pure function of (route, request, what health believes, now, random); kept whole in the record.
 */
import type { Capability, CapabilityTable } from "../wire/capability.ts";
import type { DialectId } from "../wire/facts.ts";
import type { Json, JsonObject } from "../wire/json.ts";
import { arrange, type Balance } from "./balance/arrange.ts";
import { inOrder, type StrategyFacts } from "./balance/strategies.ts";
import type { Plan } from "./balance/types.ts";
import { boundNanoUsd, inputBoundTokens, type CallSize, type PromptMeasure } from "./bound.ts";
import { boundUnder, type OutputLimit, type Spending } from "./cap.ts";
import { ordinary, type Deployment, type ReliefClass, type RequestShape, type Route, type RouteCandidate, type Withheld } from "./deployment.ts";
import { unpriced, withExtras } from "./extras.ts";
import type { HealthView } from "./health/book.ts";
import { LACKS, lacked, uncertain, type Need } from "./needs.ts";
import { piecesBoundNanoUsd } from "./pieces.ts";

export interface Candidate {
  readonly deployment: Deployment;
  /** Found by equivalence, not named by the owner. */
  readonly automatic: boolean;
  /** Upper bound of one attempt in nano-dollars; null: unmetered, or unknown. */
  readonly boundNanoUsd: number | null;
  readonly inputBoundTokens: number | null;
  /** By our estimate the prompt is too long for it. The provider knows better, so it is tried, after those that surely fit. */
  readonly mayNotFit?: boolean;
  /** What it lacks of the request, and the gateway makes up for. */
  readonly emulates?: readonly Capability[];
  /** It became dearer than it was, so it stands last: why. */
  readonly dear?: string;
  /** The route of a further model that the request names, behind all others; absent: it is the route's own. */
  readonly of?: string;
  /** Held back until others refuse the request for this reason; absent: it is not. */
  readonly after?: ReliefClass;
  /** On trial with this request, before all others; absent: it is not. */
  readonly trial?: true;
  /** The output limit that is sent, all choices together; absent: none is. */
  readonly outputLimitTokens?: number;
  /** Set by money, to be sent upstream in place of what the client asked. */
  readonly outputLimit?: OutputLimit;
}

/** An estimate takes four bytes for a token; runs of white space, code and lists come to several times that. */
const SURELY_TOO_LONG = 4;

export interface Filtered {
  readonly deployment: string;
  /** One of: excluded, context_too_small, output_too_small, wrong_endpoint, over_cap, unbounded, or a missing capability (`no_tools`, …). */
  readonly reason: string;
  readonly detail: string;
  /** The field that it cannot carry. */
  readonly param?: string;
}

export interface Choice {
  readonly strategy: Route["strategy"];
  /** In the order of preference. Health changes from attempt to attempt, so it is asked again at each step. */
  readonly candidates: readonly Candidate[];
  readonly filtered: readonly Filtered[];
  /** What of the route is not for this caller: for the record, not for the caller. Absent: nothing. */
  readonly withheld?: readonly Withheld[];
  /** How it is to run, where candidates were weighed. Absent: in the order of the candidates alone. */
  readonly plan?: Plan;
  /** The request's hold starts here: the dearest step's bound; null where any step's is unknown, or none is metered. */
  readonly holdNanoUsd: number | null;
}

export interface ChoiceFacts {
  readonly route: Route;
  readonly shape: RequestShape;
  readonly measure: PromptMeasure;
  readonly view: (deployment: Deployment) => HealthView;
  /** Asked only where the request needs something. */
  readonly capabilities?: (deployment: Deployment) => CapabilityTable;
  /** The client's bytes reach targets of this dialect as they are. */
  readonly passesTo?: DialectId | null;
  /** What binds the money of this request; absent: nothing does. */
  readonly spending?: Spending | undefined;
  /** What candidates are weighed by; absent: they are not. */
  readonly balance?: Balance | undefined;
  /** What strategies by name order by; absent: chance alone is known. */
  readonly order?: Omit<StrategyFacts, "random"> | undefined;
  readonly wallMs: number;
  readonly random: () => number;
}

/** Weigh the candidates of a route for one request. */
export function choose(facts: ChoiceFacts): Choice {
  const { route, shape } = facts;
  const candidates: Candidate[] = [];
  const filtered: Filtered[] = [];
  for (const entry of ordered(route, facts)) {
    const lacks = shape.needs.length === 0 || facts.capabilities === undefined ? NOTHING : lacked(shape.needs, facts.capabilities(entry.deployment), entry.deployment.provider.dialect === facts.passesTo, entry.deployment.told);
    const view = facts.view(entry.deployment);
    const reason = unfit(entry, shape, view) ?? missing(lacks) ?? (route.certain === undefined ? null : unsure(entry.deployment, route.certain, facts));
    if (reason !== null) filtered.push({ deployment: entry.deployment.id, ...reason });
    else {
      const weighed = within(weigh(entry, facts, lacks), facts, facts.spending);
      const dear = route.onCostSpike === "move" ? view.dear : undefined;
      if ("reason" in weighed) filtered.push(weighed);
      // What would come last is not tried first.
      else if (weighed.trial === true && (dear !== undefined || weighed.mayNotFit === true)) filtered.push({ deployment: entry.deployment.id, ...(dear === undefined ? TRIAL_TOO_SMALL : TRIAL_DEAR) });
      else candidates.push(dear === undefined ? weighed : { ...weighed, dear });
    }
  }
  nativeFirst(candidates);
  if (route.onCostSpike === "move") putLast(candidates, (one) => one.dear !== undefined);
  if (candidates.some((one) => one.of !== undefined)) putLast(candidates, (one) => one.of !== undefined);
  putLast(candidates, (one) => one.mayNotFit === true);
  if (candidates.some((one) => one.after !== undefined)) settleHeldBack(candidates, filtered);
  const { balance } = facts;
  // What is on trial is called whatever it would be weighed at; a plan is for requests without it.
  const tried = candidates[0]?.trial === true ? candidates.splice(0, 1) : NO_TRIAL;
  const weighed = balance === undefined || candidates.length === 0 ? null : arrange(candidates, candidates.map((one) => facts.view(one.deployment)), balance, facts.random());
  const plan = tried.length === 0 ? weighed : null;
  candidates.unshift(...tried);
  if (route.single === true && candidates.length > 1) return single(facts, candidates, filtered, plan);
  const choice = { strategy: route.strategy, candidates, filtered, holdNanoUsd: dearestNanoUsd(candidates), ...(plan === null ? {} : { plan }) };
  return route.withheld === undefined ? choice : { ...choice, withheld: route.withheld };
}

const NO_TRIAL: readonly Candidate[] = [];
const TRIAL_TOO_SMALL = { reason: "context_too_small", detail: "it is on trial, and the prompt may be too long for it" };
const TRIAL_DEAR = { reason: "dear", detail: "it is on trial, and became dearer than it was" };

/**
 * What is held back goes behind all others. Where no other is left since the prompt is surely too long for each that could have taken
 * it, whoever is listed for that is asked at once; else, without any other, nothing is: nobody refused anything.
 */
function settleHeldBack(candidates: Candidate[], filtered: readonly Filtered[]): void {
  putLast(candidates, (one) => one.after !== undefined);
  if (candidates[0]?.after === undefined) return;
  const tooLong = filtered.some((one) => one.reason === "context_too_small");
  const listed = tooLong ? candidates.filter((one) => one.after === "context").map(atOnce) : [];
  candidates.splice(0, candidates.length, ...listed, ...(listed.length === 0 ? [] : candidates.filter((one) => one.after === "content_policy")));
}

function atOnce(candidate: Candidate): Candidate {
  const { after, ...rest } = candidate;
  return after === undefined ? candidate : rest;
}

/** The choice of a request that is served by its first choice, or by another model that it names, or not at all. */
function single({ route }: ChoiceFacts, all: readonly Candidate[], left: readonly Filtered[], plan: Plan | null): Choice {
  const stays = (one: Candidate, i: number): boolean => i === 0 || (one.of !== undefined && one.after === undefined);
  const others = all.filter((one, i) => !stays(one, i)).map(({ deployment }): Filtered => ({ deployment: deployment.id, reason: "no_fallbacks", detail: "provider.allow_fallbacks is false" }));
  const candidates = all.filter(stays);
  return {
    strategy: route.strategy, candidates, filtered: [...left, ...others], holdNanoUsd: dearestNanoUsd(candidates),
    ...(plan === null ? {} : { plan: { ...plan, order: [0], scores: plan.scores.filter((one) => one.candidate === 0), hedge: null, race: null } }),
    ...(route.withheld === undefined ? {} : { withheld: route.withheld }),
  };
}

/** The dearest step's bound; null where a step's is unknown, and where nothing is metered. What is held back holds its own when it is called. */
function dearestNanoUsd(candidates: readonly Candidate[]): number | null {
  let dearest: number | null = null;
  for (const { after, deployment, boundNanoUsd: bound } of candidates) {
    if (after !== undefined || deployment.pricing.kind === "unmetered") continue;
    if (bound === null) return null;
    if (dearest === null || bound > dearest) dearest = bound;
  }
  return dearest;
}

/** The route's candidates in its strategy's order. Where what a strategy orders by is not known, they stand as written. */
function ordered(route: Route, { random, order }: ChoiceFacts): readonly RouteCandidate[] {
  const { strategy, candidates } = route;
  if (order === undefined && strategy !== "weighted") return candidates;
  const named = ordinary(candidates);
  const found = inOrder(strategy, named, order === undefined ? { ...UNORDERED, random } : { ...order, random });
  return named === candidates ? found : [...candidates.filter((one) => one.trial === true), ...found, ...candidates.filter((one) => one.after !== undefined)];
}
const UNORDERED: Omit<StrategyFacts, "random" | "estimate"> & { readonly estimate: () => never } = {
  priceNanoUsd: () => null, loadMs: () => 0, usable: () => true, session: null,
  estimate: () => {
    throw new Error("drawing by weight asks for no estimate");
  },
};

/** Among candidates that nobody named, those that can do all that is asked come before those that need making up for. */
function nativeFirst(candidates: Candidate[]): void {
  if (candidates.length < 2) return;
  const automatic = candidates.filter((one) => one.automatic);
  if (!automatic.some((one) => one.emulates !== undefined)) return;
  const sorted = [...automatic.filter((one) => one.emulates === undefined), ...automatic.filter((one) => one.emulates !== undefined)];
  for (let i = 0; i < candidates.length; i++) if (candidates[i]?.automatic === true) candidates[i] = sorted.shift() as Candidate;
}

/** Those of which it holds come after all others, in their order. */
function putLast(candidates: Candidate[], holds: (one: Candidate) => boolean): void {
  if (candidates.length < 2) return;
  const last = candidates.filter(holds);
  if (last.length > 0 && last.length < candidates.length) candidates.splice(0, candidates.length, ...candidates.filter((one) => !holds(one)), ...last);
}

const NOTHING: readonly Need[] = [];

/** Why what a deployment lacks keeps it out, or null. */
function missing(lacks: readonly Need[]): { reason: string; detail: string; param: string } | null {
  const need = lacks.find((one) => one.missing === "skip");
  if (need === undefined) return null;
  const [reason, detail] = LACKS[need.capability];
  return { reason, detail, param: need.param };
}

/** Why it is not known that a deployment can do all that is asked, of a request that wants nobody else; or null. */
function unsure(deployment: Deployment, { except }: NonNullable<Route["certain"]>, { shape, capabilities }: ChoiceFacts): { reason: string; detail: string; param: string } | null {
  if (capabilities === undefined || except.includes(deployment.account)) return null;
  const need = uncertain(shape.needs, capabilities(deployment), deployment.told);
  return need === null ? null : { reason: "not_known_to_support", detail: `it is not known to support ${need.param}, and provider.require_parameters is true`, param: need.param };
}

/** An instruction, and the words of a repair, beside the answer that it repairs. */
const EMULATION_TOKENS = 4_096;

function weigh(entry: RouteCandidate, facts: ChoiceFacts, lacks: readonly Need[]): Candidate {
  const { deployment } = entry;
  const emulates = lacks.length === 0 ? NOTHING : lacks.filter((one) => one.missing === "emulate");
  const bare = inputBoundTokens(facts.measure, deployment.model, deployment.contextWindow);
  const { shape } = facts;
  const output = shape.endpoint === "embeddings" || shape.writesTokens === false ? 0 : (shape.maxOutputTokens ?? deployment.maxOutput);
  // A repair shows the model its answer again; another tokenizer's tokens of the same text may be a few more.
  const input = bare === null || emulates.length === 0 ? bare : bare + EMULATION_TOKENS + 2 * (output ?? 0);
  const mayNotFit = deployment.contextWindow !== null && facts.shape.inputEstimateTokens > deployment.contextWindow;
  const boundNanoUsd = shape.unbounded === true ? null : boundOf(deployment, shape, { inputTokens: input, outputTokens: output, choiceCount: shape.choiceCount }, facts.wallMs);
  // Spreads of what nearly no candidate has would cost as much as all the rest.
  const candidate: { -readonly [K in keyof Candidate]: Candidate[K] } = { deployment, automatic: entry.automatic, inputBoundTokens: input, boundNanoUsd };
  if (mayNotFit) candidate.mayNotFit = true;
  if (entry.of !== undefined) candidate.of = entry.of;
  if (entry.after !== undefined) candidate.after = entry.after;
  if (entry.trial !== undefined) candidate.trial = true;
  if (emulates.length > 0) candidate.emulates = emulates.map((one) => one.capability);
  if (shape.endpoint === "chat" && shape.maxOutputTokens !== null) candidate.outputLimitTokens = shape.maxOutputTokens * shape.choiceCount;
  return candidate;
}

function boundOf(deployment: Deployment, { pieces, extras }: RequestShape, size: CallSize, wallMs: number): number | null {
  if (pieces !== undefined) return piecesBoundNanoUsd(deployment.pricing, pieces, size, wallMs);
  if (extras === undefined) return boundNanoUsd(deployment.pricing, size, wallMs);
  return unpriced(deployment, extras, wallMs) === null ? boundNanoUsd(deployment.pricing, withExtras(size, extras), wallMs) : null;
}

/** A candidate as money allows it, or why it does not. An emulation's repair stays bounded by the output that was asked. */
export function within(candidate: Candidate, facts: Pick<ChoiceFacts, "shape" | "wallMs">, spending: Spending | undefined): Candidate | Filtered {
  if (spending === undefined) return candidate;
  const bounded = boundUnder(spending, candidate.deployment, facts.shape, candidate.inputBoundTokens, facts.wallMs);
  if (bounded.kind === "over") return { deployment: candidate.deployment.id, reason: bounded.reason, detail: bounded.detail };
  return { ...candidate, boundNanoUsd: bounded.boundNanoUsd, ...(bounded.limit === null ? {} : { outputLimit: bounded.limit, outputLimitTokens: bounded.limit.tokens * facts.shape.choiceCount }) };
}

/** Why a deployment cannot serve this request, whatever it is capable of, or null. */
function unfit(entry: RouteCandidate, shape: RequestShape, view: HealthView): { reason: string; detail: string; param?: string } | null {
  const { deployment } = entry;
  const model = deployment.model;
  if (view.excluded !== null) return { reason: "excluded", detail: view.excluded.reason };
  if (model !== null) {
    const wrong = shape.endpoint === "chat" ? "embedding" : shape.endpoint === "embeddings" ? "chat" : null;
    if (model.type === wrong) return { reason: "wrong_endpoint", detail: `a model for ${model.type}` };
  }
  // No need of its own: nearly every request streams, and nearly every model does.
  if (shape.stream && deployment.told?.streaming === false && shape.endpoint === "chat") return { reason: LACKS.streaming[0], detail: LACKS.streaming[1], param: "stream" };
  const asked = shape.maxOutputTokens;
  if (entry.automatic && asked !== null && deployment.maxOutput !== null && asked > deployment.maxOutput) {
    return { reason: "output_too_small", detail: `gives at most ${deployment.maxOutput} output tokens, ${asked} asked` };
  }
  if (deployment.contextWindow !== null && shape.inputEstimateTokens > deployment.contextWindow * (entry.automatic ? 1 : SURELY_TOO_LONG)) {
    return { reason: "context_too_small", detail: `takes ${deployment.contextWindow} tokens, about ${shape.inputEstimateTokens} asked` };
  }
  return null;
}

/** The choice as it stands in the record. */
export function describeChoice(choice: Choice, startStates: readonly string[]): Record<string, Json> {
  const described: Record<string, Json> = {
    strategy: choice.strategy,
    hold_nano_usd: choice.holdNanoUsd,
    candidates: choice.candidates.map((candidate, i) => describeCandidate(candidate, startStates[i] ?? "unknown")),
    filtered: [...choice.filtered, ...(choice.withheld ?? [])].map((one) => ({ ...one })),
  };
  if (choice.plan !== undefined) described["plan"] = describePlan(choice.plan, choice.candidates);
  return described;
}

function describeCandidate(candidate: Candidate, health: string): JsonObject {
  const described: Record<string, Json> = { deployment: candidate.deployment.id, automatic: candidate.automatic, bound_nano_usd: candidate.boundNanoUsd, input_bound_tokens: candidate.inputBoundTokens, health };
  if (candidate.after !== undefined) described["after"] = candidate.after;
  if (candidate.trial !== undefined) described["canary"] = true;
  if (candidate.of !== undefined) described["of"] = candidate.of;
  if (candidate.mayNotFit === true) described["may_not_fit"] = true;
  if (candidate.dear !== undefined) described["cost_spike"] = candidate.dear;
  if (candidate.emulates !== undefined) described["emulates"] = candidate.emulates;
  return described;
}

function describePlan(plan: Plan, candidates: readonly Candidate[]): JsonObject {
  const name = (i: number): string => candidates[i]?.deployment.id ?? "";
  return {
    pressure: { availability_nano_usd: Math.round(plan.pressure.availabilityNanoUsd), latency_nano_usd: Math.round(plan.pressure.latencyNanoUsd) },
    risk: { fails: plan.riskFails, late: plan.riskLate },
    scores: plan.scores.map((one) => ({
      deployment: name(one.candidate), score_nano_usd: Math.round(one.scoreNanoUsd), price_nano_usd: Math.round(one.priceNanoUsd),
      fails_before: one.failsBefore, fails_after: one.failsAfter, slow: one.slow, calls: one.calls,
    })),
    ...(plan.hedge === null ? {} : { hedge: { deployment: name(plan.hedge.candidate), after_ms: plan.hedge.afterMs } }),
    ...(plan.race === null ? {} : { race: { deployment: name(plan.race.candidate), why: plan.race.why } }),
  };
}
