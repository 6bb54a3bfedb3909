/** What routing works on: deployments (one thing that we can call), routes (what a name stands for) and their clocks. */
import type { ToldCapabilities } from "../wire/capability.ts";
import type { ModelFacts, PriceSheet, ProviderFacts } from "../wire/facts.ts";
import type { RouteTerms } from "./balance/types.ts";
import type { CanaryTerms, MirrorTerms } from "./canary.ts";
import type { ContractMeter } from "./contract/meter.ts";
import type { Need } from "./needs.ts";
import type { ErrorBudgetPolicy } from "./objective/policy.ts";
import type { Importance } from "./objective/shedding.ts";
import type { Objective } from "./objective/types.ts";
import type { Extras } from "../wire/extras.ts";
import type { UnitCounts } from "../wire/usage.ts";

export interface Deployment {
  /** `account/upstream`. Unique within a snapshot; the key of health state together with the endpoint class. */
  readonly id: string;
  /** The configured account's name; its credential and transport settings are kept apart from decisions. */
  readonly account: string;
  readonly provider: ProviderFacts;
  /** Catalogue facts; null for a name that the catalogue does not know. */
  readonly model: ModelFacts | null;
  readonly upstreamModel: string;
  readonly pricing: Pricing;
  /** Configured override, else the model's, else null (unknown). */
  readonly contextWindow: number | null;
  readonly maxOutput: number | null;
  /** Absolute, no trailing slash. */
  readonly baseUrl: string;
  readonly region: string | null;
  readonly domain: { readonly edge?: string; readonly cloud?: string };
  /** Thinks before it answers: longer clocks. */
  readonly reasons: boolean;
  /** What the owner says that the model can and cannot do; absent: nothing. */
  readonly told?: ToldCapabilities;
  /** What the account's owner says that becomes of prompts there; absent, or a part of it: nothing is said. */
  readonly data?: DataUse;
  /** Called by a credential of the team's own, and billed to it; absent: by the organisation's. */
  readonly paidBy?: "team";
  /** Called at an address that its callers chose themselves; absent: at the account's. */
  readonly ownAddress?: true;
}
/** What becomes of prompts and answers at an account: whether models are trained on them, and whether they are kept. */
export interface DataUse {
  readonly trains?: boolean;
  readonly retains?: boolean;
}
export type Pricing =
  | {
      readonly kind: "sheet";
      readonly sheet: PriceSheet;
      /** Whole sheets that take its place from an instant on, ascending; null: from then on no price is known. */
      readonly later?: readonly { readonly fromMs: number; readonly sheet: PriceSheet | null }[];
      /** Where the call is served, if the address or the name of the model says so: a key of `geoPermille`. */
      readonly geo?: string;
      /** Answers tell where they were made: any place of the sheet may be billed. */
      readonly geoTold?: boolean;
      /** Contracts by which a call may cost less than the sheet says; absent: none. */
      readonly meters?: readonly ContractMeter[];
      /** What it was before the organisation's contracts, for calls that are not under them; absent: the same. */
      readonly list?: Pricing;
    }
  | { readonly kind: "unmetered" }
  | { readonly kind: "unknown" };

/** By what a route's candidates are ordered. */
export type Strategy = "priority" | "weighted" | "cheapest" | "fastest" | "least-busy" | "sticky" | "balanced";

export interface Route {
  readonly name: string;
  /** Those that are held back (`after`) behind the ordinary ones; of these there is at least one. */
  readonly candidates: readonly RouteCandidate[];
  /** In place of the candidates once a budget that says so is nearly spent; absent: none. */
  readonly cheaper?: readonly RouteCandidate[];
  readonly strategy: Strategy;
  readonly clocks: RouteClocks;
  /** SSE keep-alive comments while waiting. */
  readonly keepalive: boolean;
  /** Request headers to pass on besides the dialect's own, lower case. */
  readonly forwardHeaders: readonly string[];
  /** Output limit where a hard limit applies and the client asked none. */
  readonly defaultMaxOutput: number;
  /** True for a catalogue name that is no configured route: its further candidates are automatic fallbacks. */
  readonly automatic: boolean;
  /** Deployments whose calls became dearer than they were come last; absent: it is told only. */
  readonly onCostSpike?: "move";
  /** Wishes that a target refuses are left out with a warning, in place of leaving the target out. */
  readonly lenient?: boolean;
  /** A stream of text that breaks off is carried on by another candidate, where that can go on with a begun answer; absent: it is not. */
  readonly rescue?: "continue";
  /** A candidate on trial, which a share of the requests tries first; absent: none. */
  readonly canary?: Tried<CanaryTerms>;
  /** Where copies of a share of the requests go; absent: nowhere. */
  readonly mirror?: Tried<MirrorTerms>;
  /** What is promised of it; absent: nothing. */
  readonly objectives?: readonly Objective[];
  /** What failures and waiting cost, and how many extra calls may be made; absent: nothing is stated, and nothing is weighed. */
  readonly terms?: RouteTerms;
  /** What is done as the error budget runs out; absent: nothing. */
  readonly errorBudget?: ErrorBudgetPolicy;
  /** Absent: normal. */
  readonly importance?: Importance;
  /** The request takes only who is known to be able to do all that it asks, but for accounts that see to that themselves. Absent: whoever is not known to lack it. */
  readonly certain?: { readonly except: readonly string[] };
  /** The request is served by its first choice or not at all. */
  readonly single?: true;
  /** Candidates that this caller may not use, or that the request does not want, and why; absent: none. */
  readonly withheld?: readonly Withheld[];
}
/** A deployment on trial, and on what terms. */
export interface Tried<Terms> {
  readonly deployment: Deployment;
  readonly terms: Terms;
}
/** A deployment that is not for this caller, or that the request does not want. */
export interface Withheld {
  readonly deployment: string;
  readonly reason: NotForCaller | PassedOver;
  readonly detail: string;
}
export type NotForCaller = "model_not_allowed" | "residency";
/** What of a request's own wishes (see preferences.ts) leaves a deployment out. */
export type PassedOver = "not_in_only" | "ignored" | "not_in_order" | "over_max_price" | "data_collection" | "zdr" | "not_known_here";
export interface RouteCandidate {
  readonly deployment: Deployment;
  /** For `weighted`; 1 where not given. */
  readonly weight: number;
  /** Found by equivalence, not named by the owner. */
  readonly automatic: boolean;
  /** Stands right behind the one before it, wherever that is drawn to. */
  readonly follows?: true;
  /** Listed for what others refuse for this reason, and held back until then; absent: an ordinary candidate. Those that are stand behind all ordinary ones. */
  readonly after?: ReliefClass;
  /** The route of a further model that the request names, behind all of the first; absent: it is the route's own. */
  readonly of?: string;
  /** On trial with this request: it stands before all others. Absent: it is not. */
  readonly trial?: true;
}

/** Refusals for the request's own sake that another model may not share: the prompt is too long for it, its content is not wanted. */
export type ReliefClass = "context" | "content_policy";

/** The candidates that any request may go to. */
export function ordinary(candidates: readonly RouteCandidate[]): readonly RouteCandidate[] {
  return candidates.some((one) => one.after !== undefined || one.trial === true) ? candidates.filter((one) => one.after === undefined && one.trial !== true) : candidates;
}

/** All in ms. null: the default that depends on the model (30 s / 300 s, 120 s / 300 s for models that reason). */
export interface RouteClocks {
  readonly connectMs: number;
  readonly firstTokenMs: number | null;
  readonly attemptMs: number | null;
  readonly idleMs: number;
  readonly deadlineMs: number;
  readonly lifetimeMs: number;
}
export const DEFAULT_CLOCKS: RouteClocks = {
  connectMs: 2_000,
  firstTokenMs: null,
  attemptMs: null,
  idleMs: 60_000,
  deadlineMs: 600_000,
  lifetimeMs: 3_600_000,
};

/** The clock after which an attempt without content counts against its deployment and the next one starts beside it. */
export function softTimeoutMs(deployment: Deployment, clocks: RouteClocks, stream: boolean): number {
  if (stream) return clocks.firstTokenMs ?? (deployment.reasons ? 300_000 : 30_000);
  return clocks.attemptMs ?? (deployment.reasons ? 300_000 : 120_000);
}

/** What of a request matters for choosing and for its bound; made once, before candidates are weighed. */
export interface RequestShape {
  /** `other`: neither; whether a model can is its provider's to say. */
  readonly endpoint: "chat" | "embeddings" | "other";
  readonly stream: boolean;
  /** Upper bound of the prompt in tokens without what depends on the model (see the bound of a call); null: unknowable. */
  readonly inputBoundTokens: number | null;
  /** Likely prompt tokens (about four bytes a token), for estimates only. */
  readonly inputEstimateTokens: number;
  /** Images, audio and files whose cost depends on the model. */
  readonly imageCount: number;
  readonly maxOutputTokens: number | null;
  readonly choiceCount: number;
  /** What it needs beyond plain chat; empty for most. */
  readonly needs: readonly Need[];
  /** What is counted one by one and known beforehand (images, characters …); null: known only by the answer. Absent: nothing is. */
  readonly pieces?: UnitCounts | null;
  /** False: an answer holds no tokens that are billed. Absent: it may. */
  readonly writesTokens?: boolean;
  /** Tokens that the client sets aside for thinking; an output limit below it is no limit but a refusal. */
  readonly thinkingBudgetTokens?: number;
  /** What it asks for beyond tokens at the standard rate, and can be bounded. Absent: nothing. */
  readonly extras?: Extras;
  /** It asks for what no bound covers; none is known then. */
  readonly unbounded?: true;
}
