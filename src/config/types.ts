/** A validated configuration, all defaults filled in, secrets wrapped. Made by `load.ts`; immutable. */
import type { LimitRule } from "../control/kinds/limit.ts";
import type { Contract } from "../decide/contract/types.ts";
import type { Budget } from "../decide/budget/types.ts";
import type { Display } from "../decide/currency.ts";
import type { RouteTerms } from "../decide/balance/types.ts";
import type { CanaryTerms, MirrorTerms } from "../decide/canary.ts";
import type { DataUse, RouteClocks, Strategy } from "../decide/deployment.ts";
import type { ProbeTerms } from "../decide/health/due.ts";
import type { ErrorBudgetPolicy } from "../decide/objective/policy.ts";
import type { Importance } from "../decide/objective/shedding.ts";
import type { Objective, ScopedObjectives } from "../decide/objective/types.ts";
import type { PriceRecord } from "../decide/price-book.ts";
import type { ToldCapabilities } from "../wire/capability.ts";
import type { Credential } from "../wire/credential.ts";
import type { ProviderFacts, PriceSheet } from "../wire/facts.ts";
import type { Channel } from "../wire/notice.ts";
import type { Secret } from "./secret.ts";

export interface Config {
  /** Where it came from, for messages: a path, `SPILLWAY_CONFIG`, `environment`, `simulated`. */
  readonly source: string;
  readonly keys: readonly CallerKey[];
  /** In file order. */
  readonly accounts: readonly Account[];
  readonly routes: readonly RouteConfig[];
  /** In file order; a target is a route or any resolvable name. `*` matches any run of characters. */
  readonly aliases: readonly { readonly pattern: string; readonly target: string }[];
  /** Files and batches of a provider's account, which all callers would share. `auto`: served while there is at most one key. */
  readonly files: "auto" | "shared" | "off";
  readonly fallbacks: "off" | "auto";
  readonly unpriced: "refuse" | "serve";
  /** Images by address, for providers that take only bytes. */
  readonly remoteImages: "off" | "fetch";
  /** `probes` absent: deployments are asked nothing of our own accord. */
  readonly health: { readonly restMs: number; readonly restMaxMs: number; readonly probes?: ProbeTerms };
  readonly ledger: { readonly sync: "process" | "full" };
  readonly cors: { readonly origins: readonly string[] };
  /** What is kept of answers that clients may continue from; `key`: what the encrypted store is sealed with, null: one of the data folder's. */
  readonly responses: { readonly store: "off" | "memory" | "encrypted"; readonly ttlMs: number; readonly key: Secret | null };
  /** What is kept of reasoning that clients do not send back with their tool calls; sealed with the key of `responses`. */
  readonly reasoningState: { readonly store: "off" | "memory" | "encrypted"; readonly ttlMs: number };
  /** Those of the file; the control store has more. */
  readonly budgets: readonly Budget[];
  readonly limits: readonly LimitRule[];
  /** Where alerts go; the control store has more. */
  readonly channels: readonly Channel[];
  /** The currency of listings; null: dollars. */
  readonly display: Display | null;
  /** What models cost for a time, where not the catalogue's price; the control store has more. */
  readonly prices: readonly PriceRecord[];
  /** What was agreed with providers; the control store has more. */
  readonly contracts: readonly Contract[];
  /** What is promised to keys, teams and others beside what routes promise. */
  readonly objectives: readonly ScopedObjectives[];
  /** Where chat completions show reasoning; `both`: in `reasoning` too, as some clients read it. */
  readonly chat: { readonly reasoningField: "reasoning_content" | "both" };
  /** Nothing was configured: loopback providers of our own serve, and every answer says so. */
  readonly simulated: boolean;
}
export interface CallerKey {
  readonly name: string;
  /** SHA-256 of the key, base64url; the key itself is not kept. */
  readonly sha256: string;
  /** The most that its requests matter. Absent: nothing is said of it. */
  readonly importance?: Importance;
}
export interface Account {
  readonly name: string;
  readonly provider: ProviderFacts;
  /** Absolute, no trailing slash. */
  readonly baseUrl: string;
  readonly apiKey: Secret | null;
  /** In place of a key: what has to be fetched or signed. */
  readonly credential?: Credential;
  /** The variable that brought the key, for the start-up table; null where the file holds it. */
  readonly keyFrom: string | null;
  readonly region: string | null;
  readonly domain: { readonly edge?: string; readonly cloud?: string };
  /** What its owner says that becomes of prompts there; absent: nothing. */
  readonly data?: DataUse;
  readonly proxyUrl: string | null;
  readonly caFile: string | null;
  readonly unmetered: boolean;
  readonly models: ReadonlyMap<string, ModelOverride>;
  /** The owner's own names → the catalogue's; absent: models go by the catalogue's names. */
  readonly deployments?: ReadonlyMap<string, string>;
}
export interface ModelOverride {
  readonly price: PriceSheet | null;
  /** From when the price holds; absent: always. */
  readonly priceFromMs?: number;
  readonly unmetered: boolean;
  readonly contextWindow: number | null;
  readonly maxOutput: number | null;
  /** What the model can and cannot do, as the owner states it; absent: nothing is stated. */
  readonly capabilities?: ToldCapabilities;
}
export interface RouteConfig {
  readonly name: string;
  readonly candidates: readonly { readonly use: string; readonly weight: number }[];
  readonly strategy: Strategy;
  readonly clocks: RouteClocks;
  readonly keepalive: boolean;
  readonly forwardHeaders: readonly string[];
  readonly defaultMaxOutput: number;
  /** Candidates that take the others' place once a budget that says so is nearly spent; empty: none. */
  readonly cheaper: RouteConfig["candidates"];
  /** Candidates that are held back until the prompt does not fit the others, or their content policy refuses it; empty: none. */
  readonly onContextWindow: RouteConfig["candidates"];
  readonly onContentPolicy: RouteConfig["candidates"];
  /** When a deployment's calls become dearer than they were: tell only, or put it last while that lasts. */
  readonly onCostSpike: "alert" | "move";
  /** Wishes that a target refuses are left out with a warning, in place of leaving the target out. */
  readonly lenient: boolean;
  /** A stream that breaks off is carried on by another candidate; absent: it is not. */
  readonly rescue?: "continue";
  /** A candidate on trial; absent: none. */
  readonly canary?: CanaryTerms;
  /** Where copies of requests go; absent: nowhere. */
  readonly mirror?: MirrorTerms;
  /** What is promised of it; empty: nothing. */
  readonly objectives: readonly Objective[];
  /** What failures and waiting cost, and how many extra calls may be made; null: nothing is stated. */
  readonly terms: RouteTerms | null;
  readonly errorBudget: ErrorBudgetPolicy;
  readonly importance: Importance;
  /** Every candidate runs in one of these; empty: anywhere. */
  readonly regions: readonly string[];
}
