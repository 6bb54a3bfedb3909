/**
 * What we know of providers and models, as data. A provider is one data file; code stands beside it only where a shape
 * differs. Only the shapes stand here; names of providers appear in `providers/` and nowhere else.
 */
import type { FailureClass } from "./outcome.ts";
import type { Unit } from "./usage.ts";

export type DialectId = "openai-chat" | "openai-responses" | "anthropic-messages" | "gemini" | "bedrock-converse" | "cohere-v2";

export interface ProviderFacts {
  /** The `type` in a configuration, and the first part of a catalogue id. */
  readonly id: string;
  readonly name: string;
  /** null: a dialect that this version does not speak; its models answer `provider_not_supported_yet`. */
  readonly dialect: DialectId | null;
  /** Other names that requests know it by. */
  readonly alsoNamed?: readonly string[];
  /** Absolute, without a trailing slash, including the version segment where the provider has one. Null: must be configured. */
  readonly baseUrl: string | null;
  readonly auth: AuthFacts;
  /** Environment variables that hold the key, the first set one wins. Empty: never discovered. */
  readonly env: readonly string[];
  /** Sent with every call: [name, value]. */
  readonly headers: readonly (readonly [string, string])[];
  /** `maker` serves its own models, `host` serves others' weights, `aggregator` resells: last in automatic choice. */
  readonly kind: "maker" | "host" | "aggregator";
  /** What an abort before usage costs: the prompt, or nothing. */
  readonly billsOnAbort: "input" | "nothing";
  /** When the client leaves: close the upstream, or read on (bounded) for the true usage. */
  readonly onClientGone: "abort" | "drain";
  readonly usage: UsageFacts;
  readonly quirks: Quirks;
  /** HTTP status → class, where this provider means something else than its dialect's table. */
  readonly statusClasses: Readonly<Record<number, FailureClass>>;
  /** Failure domain, so that the next attempt prefers another. */
  readonly domain: { readonly edge?: string; readonly cloud?: string };
  readonly region: string | null;
  /** `unmetered` by default and told so at start (a model server of one's own). */
  readonly unmetered: boolean;
  /** Header in which our attempt id goes upstream, for support tickets and reconciliation; null: none. */
  readonly requestIdHeader: string | null;
  /** Header by which the provider de-duplicates repeats; null: none. */
  readonly idempotencyHeader: string | null;
  /** Where `baseUrl` is null: how the address is made of the account's settings. */
  readonly address?: AddressFacts;
  /** Models are called by names that the account's owner gave them. */
  readonly namesDeployments?: boolean;
  /** Variables with a key that are looked at only once the configuration names the provider. */
  readonly keyVariables?: readonly string[];
  /** Addresses that keep processing within a region, where the provider has them. */
  readonly endpoints?: Readonly<Record<string, string>>;
  readonly rateLimitHeaders?: readonly RateLimitHeader[];
  /** The protocol in which it counts a prompt's tokens without running it, free by contract; absent: it does not, or for money. */
  readonly freeCounting?: DialectId;
  /** Answers tell the geography that served: a call that is pinned to none may cost as much as in the dearest. */
  readonly tellsGeo?: boolean;
  /** Models that cost nothing by the provider's own terms. */
  readonly freeModels?: readonly string[];
  /** Serves `/files` and `/batches`; `perhaps`: it depends on the server behind the address. */
  readonly keepsFiles?: boolean | "perhaps";
  /** How a last turn of the assistant is marked as one to be gone on with, in the form of chat completions; absent: not known. */
  readonly prefill?: PrefillFacts;
  /** Serves `/messages/batches`. */
  readonly keepsMessageBatches?: boolean;
  /** What a token costs in a batch, as a share of its price; for models whose sheet states no such price itself. Absent: not known. */
  readonly batchPriceFactor?: number;
}

export type AuthFacts =
  | { readonly kind: "bearer" }
  /** The raw key in this header. */
  | { readonly kind: "header"; readonly name: string }
  | { readonly kind: "none" }
  /** An access token made from a credential file, at the file's own token address, else this one. Variables hold its path. */
  | { readonly kind: "service-account"; readonly scope: string; readonly tokenUrl: string; readonly fileVariables: readonly string[] }
  /** A key in a header, or an access token of the directory that the account belongs to. */
  | { readonly kind: "entra"; readonly keyHeader: string; readonly authority: string; readonly scope: string; readonly variables: Readonly<Record<"tenant" | "client_id" | "client_secret", readonly string[]>> }
  /** Each request is signed (Signature Version 4), or carries a bearer key. */
  | { readonly kind: "sigv4"; readonly service: string };

/** How a provider is asked to go on with a turn that was begun for it. */
export interface PrefillFacts {
  /** `prefix`: by a member of that turn; `continue`: by members of the body. */
  readonly by: "prefix" | "continue";
  /** The answer begins with all of that turn. */
  readonly repeats?: boolean;
  /** Upstream names of the models that can; absent: all. */
  readonly models?: RegExp;
  /** From the origin on, where another path than the usual one takes it: at the provider's own address alone. */
  readonly path?: string;
}

/** An address with parts that the configuration fills in. */
export interface AddressFacts {
  /** Absolute, with `{setting}` in places. */
  readonly template: string;
  /** `setting=value` → the template where that is so. */
  readonly exceptions: Readonly<Record<string, string>>;
  /** In the order in which they are asked for; each is a key of the account. */
  readonly settings: Readonly<Record<string, SettingFacts>>;
}
export interface SettingFacts {
  /** What it is, for messages. */
  readonly expected: string;
  readonly example: string;
  /** Variables that may fill it once the configuration names the provider. */
  readonly variables: readonly string[];
  /** Members of the credential file that may fill it. */
  readonly fileMembers?: readonly string[];
  /** It also says where requests are processed. */
  readonly isRegion?: boolean;
  /** What every value of it looks like. */
  readonly pattern?: RegExp;
  /** Values known so far; another one of the right pattern may be new, and is only asked about. */
  readonly known?: readonly string[];
}

/** One header in which a provider tells the caller's limits. */
export interface RateLimitHeader {
  readonly name: string;
  readonly of: "requests" | "tokens" | "input_tokens" | "output_tokens";
  readonly tells: "limit" | "remaining" | "reset";
  /** The window, where the header's name or the documentation says it. */
  readonly per?: "second" | "minute" | "hour" | "day" | "month";
  /**
   * How a `reset` is written. `duration`: `6m0s`, `20ms`, a bare number being seconds; `instant`: RFC 3339;
   * `epoch-s`, `epoch-ms`: numbers since 1970.
   */
  readonly form?: "duration" | "instant" | "epoch-s" | "epoch-ms";
}

/** How an OpenAI-compatible host counts. */
export interface UsageFacts {
  /** Is reasoning inside `completion_tokens`? `guess`: decided by the sums, flagged when they do not tell. */
  readonly reasoningInOutput: boolean | "guess";
  /** JSON pointers, tried in order, to the number of cached prompt tokens. */
  readonly cacheReadPaths: readonly string[];
  /** JSON pointers to the number of cache-write tokens (inside the prompt count). */
  readonly cacheWritePaths: readonly string[];
  readonly cacheInsideInput: boolean;
  /** Pointer and unit of the provider's own charge. */
  readonly cost: { readonly path: string; readonly perUsd: number } | null;
  /** Streams bring usage only if `stream_options.include_usage` is sent. False: never send that option. */
  readonly includeUsageOption: boolean;
}

/** Deviations of an OpenAI-compatible host, applied in the slow lane; an empty object keeps the byte lane. */
export interface Quirks {
  /** Host rejects the `developer` role: sent as `system`. */
  readonly developerAsSystem?: boolean;
  /** Host knows only `max_tokens`, or only `max_completion_tokens`. */
  readonly maxTokensField?: "max_tokens" | "max_completion_tokens";
  /** Fields that the host rejects or ignores: refuse with 400, or leave out and warn. */
  readonly fields?: Readonly<Record<string, "refuse" | "drop-and-warn">>;
  /** Earlier `reasoning_content` must be sent back when tools are in the request. Otherwise it is left as sent. */
  readonly replaysReasoningContent?: boolean;
  /** Host may put thought signatures on tool calls, and then wants them back. */
  readonly signsToolCalls?: boolean;
  /** Host takes `cache_control` on parts of messages and prices by it. */
  readonly cacheControl?: boolean;
  /** Host takes the wishes of a request about who is to serve it (`provider`), and goes by them itself. */
  readonly takesPreferences?: boolean;
  /** Host takes ids of tool calls of exactly nine letters and digits. */
  readonly nineLetterCallIds?: boolean;
  /** Host has thinking, documents and sound among the chunks of a message, `random_seed` for `seed`, and fields of its own. */
  readonly chunks?: boolean;
}

/**
 * Prices in pico-dollars (1e-12 USD) per unit, integers. A missing unit has no price of its own: the pricing code falls back
 * by documented rules (`reasoning` → `output`, `cache_read` → `input`, …) and never to zero.
 */
export interface PriceSheet {
  /** Changes whenever a number changes; stored with each row. */
  readonly version: string;
  readonly base: UnitPrices;
  /** From more than `aboveInputTokens` prompt tokens on, ALL tokens of the request cost these. Ascending. */
  readonly contextSteps: readonly {
    readonly aboveInputTokens: number;
    readonly prices: UnitPrices;
    /** Prices of other service tiers within this step, where the provider states them. */
    readonly tiers?: Readonly<Record<string, UnitPrices>>;
  }[];
  /** Daily UTC windows in minutes from midnight with other prices; may wrap. */
  readonly windows: readonly {
    readonly fromMinute: number;
    readonly toMinute: number;
    readonly prices: UnitPrices;
    /** UTC weekdays on which the window opens, 0 = Sunday; absent: every day. */
    readonly days?: readonly number[];
  }[];
  /** Announced changes: from this instant on the `prices` replace those of `base`. Ascending. */
  readonly scheduled: readonly { readonly fromMs: number; readonly prices: UnitPrices }[];
  /** Other service tiers (flex, priority, batch): prices that replace those of `base`. */
  readonly tiers: Readonly<Record<string, UnitPrices>>;
  /** Geography → multiplier in thousandths (1100 = 1.1×), where a request can be pinned. */
  readonly geoPermille: Readonly<Record<string, number>>;
  /** What a request asks for → multiplier in thousandths of the prices of its tokens. Absent: none. */
  readonly surcharges?: { readonly [F in SurchargedFeature]?: number };
  /** Told on every row that is priced by this sheet: `price_disputed`, `price_from_memory`. */
  readonly doubts?: readonly string[];
  /** Given away on purpose. Without it a price of 0 counts as unknown, so that a broken price never makes a call free. */
  readonly free?: boolean;
}
export type UnitPrices = { readonly [U in Unit]?: number };
/** What some price lists charge extra for. */
export type SurchargedFeature = "structured_output" | "tools";

export interface ModelFacts {
  /** `provider/upstream`. */
  readonly id: string;
  readonly provider: string;
  readonly upstream: string;
  readonly name: string;
  /** Identity across providers; two models are the same for a fallback only if canonical and variant agree. */
  readonly canonical: string;
  readonly variant: string | null;
  readonly family: string | null;
  readonly type: "chat" | "embedding" | "other";
  readonly status: "active" | "preview" | "deprecated" | "retired";
  /** null: unknown. */
  readonly contextWindow: number | null;
  readonly maxOutput: number | null;
  readonly input: readonly string[];
  readonly output: readonly string[];
  /** null: unknown, which is not false. */
  readonly tools: boolean | null;
  readonly jsonSchema: boolean | null;
  readonly vision: boolean | null;
  readonly reasoning: boolean | null;
  /** Efforts the model knows; null: unknown. */
  readonly reasoningEfforts: readonly string[] | null;
  readonly openWeights: boolean;
  readonly aliases: readonly string[];
  readonly embeddingDimensions: number | null;
  /** null: no price known → `price_unknown` under `unpriced: refuse`. */
  readonly price: PriceSheet | null;
  /** Where the price comes from and how sure it is. */
  readonly priceSources: { readonly from: readonly string[]; readonly agree: number; readonly of: number; readonly asOf: string; readonly confidence?: string; readonly derived?: readonly string[] };
  /** Not callable through its provider's usual dialect: the dialect it needs instead. */
  readonly dialectOverride: string | null;
  readonly retiresOn: string | null;
  /** The most tokens that one image can cost, for bounds; absent: the default of the bound. */
  readonly maxTokensPerImage?: number;
}
