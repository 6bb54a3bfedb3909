/** What the pipeline needs to serve: the ports, what is believed, and the running configuration. */
import type { Deployment } from "../decide/deployment.ts";
import type { HealthBook } from "../decide/health/book.ts";
import type { Allowance } from "../decide/allowance.ts";
import type { Directory } from "../decide/names.ts";
import type { BudgetEffects } from "../decide/objective/policy.ts";
import type { Load } from "../decide/objective/shedding.ts";
import type { TagBook } from "../decide/tags.ts";
import type { RouteBook } from "../decide/balance/route-book.ts";
import type { HeldBatches } from "./batches.ts";
import type { Trials } from "./canary.ts";
import type { Mirrors } from "./mirror.ts";
import type { BudgetGate, Caller, Clock, Feedback, ImageFetch, Ledger, Log, Random, RateGate, Records, RequestOrigin, ReserveResult, StateStore, Upstream, UpstreamRequest } from "../ports.ts";
import type { BackgroundRuns } from "./background.ts";

export interface Deps {
  readonly clock: Clock;
  readonly random: Random;
  readonly upstream: Upstream;
  /** Absent: images by address are not fetched. */
  readonly images?: ImageFetch;
  readonly ledger: Ledger;
  /** Absent: there are no budgets. */
  readonly budgets?: BudgetGate;
  /** Told when a limit on money refuses a call its hold. Absent: nobody is. */
  readonly onBudgetRefused?: (caller: Caller, why: Extract<ReserveResult, { kind: "refused" }>) => void;
  /** Absent: there are no limits on pace. */
  readonly rates?: RateGate;
  readonly records: Records;
  /** Absent: none is taken. */
  readonly feedback?: Feedback & { readonly requestOf: (requestId: string) => RequestOrigin | null };
  /** What is kept for callers between their requests. */
  readonly state: StateStore;
  /** Responses that are being made in the background. */
  readonly background: BackgroundRuns;
  /** The same for opaque reasoning. */
  readonly reasoning: StateStore;
  readonly log: Log;
  readonly health: HealthBook;
  readonly allowance: Allowance;
  /** What routes that promise something have learnt; absent: none is steered. */
  readonly routes?: RouteBook;
  /** How full it is, and whether the route's error budget refuses what is of low importance. Absent: nothing is refused for that. */
  readonly load?: (route: string) => Load;
  /** What a route's error budget has it do. Absent: nothing. */
  readonly effects?: (route: string) => BudgetEffects;
  /** Canaries of routes; absent: none is tried. */
  readonly trials?: Trials;
  /** Where copies of requests are made; absent: none is. */
  readonly mirrors?: Mirrors;
  readonly ids: Ids;
  /** Values of tags that have been seen. Absent: they are not bounded. */
  readonly tags?: TagBook;
  /** The configuration that new requests start with; a running request keeps the one it took. */
  readonly snapshot: () => Snapshot;
  readonly limits: Limits;
  /** Batches that are held until they end; absent: none is. */
  readonly batches?: HeldBatches;
  /** Clients reach us over TLS. Absent: no. */
  readonly secure?: boolean;
  /** Named in `via`, so that a gateway pointed at itself notices. */
  readonly instance: string;
}

export interface Ids {
  /** Time-ordered and unique for ever. */
  requestId(): string;
  attemptId(): string;
}

export interface Limits {
  readonly answerBytes: number;
  /** How long to wait for usage after the finish reason. */
  readonly usageWaitMs: number;
  readonly keepaliveMs: number;
  /** Reading on after the client left, for providers whose rule is to drain. */
  readonly drainMs: number;
  readonly drainsAtOnce: number;
}
export const LIMITS: Limits = { answerBytes: 32 << 20, usageWaitMs: 500, keepaliveMs: 15_000, drainMs: 60_000, drainsAtOnce: 64 };

export interface Snapshot {
  readonly directory: Directory;
  readonly simulated: boolean;
  /** May callers share what a provider keeps for its account (files, batches, conversations)? */
  readonly sharesKept: boolean;
  /** Images by address may be fetched for providers that take only bytes. Absent: no. */
  readonly fetchesImages?: boolean;
  /** Chat completions show reasoning in both of the fields that clients read. Absent: in one. */
  readonly showsReasoningTwice?: boolean;
  /** How long an answer that a client may continue from is kept. */
  readonly responsesTtlMs: number;
  /** How long reasoning state is kept after its last use. */
  readonly reasoningTtlMs: number;
  /** Where and how a deployment's account is called. */
  transport(deployment: Deployment): Transport;
}

export interface Transport {
  readonly origin: string;
  /** Path of the base URL, without a trailing slash; may be empty. */
  readonly basePath: string;
  /** Flat: credential and the provider's fixed headers. */
  readonly headers: readonly string[];
  readonly proxyUrl: string | null;
  readonly caFile: string | null;
  /** The credential itself, so that it can be cut out of a provider's words; null where there is none. */
  readonly secret: string | null;
  /**
   * Where the credential depends on the call or has to be fetched: flat headers to add. Called right before sending; a
   * promise is waited for as long as a connection is. What is thrown may say `failureClass: "auth"`, else it is `network`.
   */
  readonly authorize?: Authorize;
}
export type Authorize = (call: Pick<UpstreamRequest, "method" | "origin" | "path" | "headers" | "body">) => readonly string[] | Promise<readonly string[]>;
