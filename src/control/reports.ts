/** Reports over the ledger, as questions and answers: what was spent by whom on what, and which requests there were. */
import type { JsonObject } from "../wire/json.ts";
import type { UnitCounts } from "../wire/usage.ts";

/** What spend is grouped by. `tag:<name>` beside these. */
export const DIMENSIONS = ["key", "member", "team", "project", "route", "model", "provider", "deployment", "paid_by", "tags", "day", "week", "month"] as const;
export type Dimension = (typeof DIMENSIONS)[number] | `tag:${string}`;
/** Those that are times. */
export const TIMES: readonly Dimension[] = ["day", "week", "month"];

/** Is this one of them? */
export function isDimension(text: string): text is Dimension {
  return (DIMENSIONS as readonly string[]).includes(text) || /^tag:[^\s,]{1,64}$/.test(text);
}

export interface UsageQuery {
  readonly tenant: string;
  /** Rows carry all of these: `team/search`, `tag/feature=chat`. */
  readonly scopes: readonly string[];
  /** Only of this deployment; null: of all. */
  readonly deployment: string | null;
  /** From the one up to, not including, the other: when calls were made. */
  readonly fromMs: number;
  readonly toMs: number;
  readonly by: readonly Dimension[];
  /** Whose days, weeks and months. */
  readonly timeZone: string;
}

/** What calls came to. Nano-dollars. */
export interface UsageSums {
  /** Requests whose first call is among these. */
  readonly requests: number;
  /** Upstream calls. */
  readonly calls: number;
  /** Of these: not settled yet; settled at a cost that is not known; settled by a bound or an estimate; free of charge by nature. */
  readonly held: number;
  readonly unpriced: number;
  readonly estimated: number;
  readonly unmetered: number;
  readonly units: UnitCounts;
  readonly costNanoUsd: bigint;
  /** What corrections added or took, booked to the time of the call that they correct. */
  readonly correctionsNanoUsd: bigint;
  /** Bounds of the calls that are held. */
  readonly heldNanoUsd: bigint;
}
/** One group: a label for each dimension asked, null where its rows have none. */
export interface UsageRow extends UsageSums {
  readonly labels: readonly (string | null)[];
}

export interface UsageReport {
  /** The dearest first; by time where that was asked, and then so. */
  readonly rows: readonly UsageRow[];
  /** Of all groups, those left out too. */
  readonly total: UsageSums;
  readonly groups: number;
}

/** A group in two periods. */
export interface Mover {
  readonly labels: readonly (string | null)[];
  readonly nowNanoUsd: bigint;
  readonly beforeNanoUsd: bigint;
}

/** Of finished requests, the newest first. Absent: any. */
export interface RequestQuery {
  readonly tenant: string;
  readonly limit: number;
  /** Those before this position; null: from the newest. */
  readonly before: number | null;
  readonly fromMs: number | null;
  readonly toMs: number | null;
  readonly key?: string;
  readonly model?: string;
  readonly route?: string;
  readonly deployment?: string;
  readonly outcome?: string;
  readonly status?: number;
  readonly errorCode?: string;
  readonly flag?: string;
  /** Its calls carry all of these. */
  readonly scopes: readonly string[];
}
export interface RequestPage {
  readonly requests: readonly JsonObject[];
  /** Where to go on; null: there is no more. A page may be short of its limit while there is. */
  readonly next: number | null;
}

/** Questions that take a while: answered beside the event loop, within a time, a few at once. They reject with a QueryError. */
export interface Queries {
  usage(query: UsageQuery, limit: number): Promise<UsageReport>;
  /** All rows, in pieces. */
  usageRows(query: UsageQuery): AsyncIterable<readonly UsageRow[]>;
  movers(query: UsageQuery, limit: number): Promise<readonly Mover[]>;
  requests(query: RequestQuery): Promise<RequestPage>;
  request(tenant: string, id: string): Promise<JsonObject | null>;
  verifyAudit(): Promise<{ readonly sequence: number; readonly problem: string } | null>;
}

/** `busy`: too many wait; `slow`: it took too long; `large`: too many groups; `failed`: the file could not be read. */
export class QueryError extends Error {
  readonly code: "busy" | "slow" | "large" | "failed";

  constructor(code: QueryError["code"], message: string) {
    super(message);
    this.code = code;
  }
}

/** What a query thread is sent and sends back. */
export interface QueryOrder {
  readonly id: number;
  readonly verb: "usage" | "open" | "more" | "close" | "movers" | "requests" | "request" | "verifyAudit";
  readonly argument: unknown;
}
export type QueryReply = { readonly id: number; readonly value: unknown } | { readonly id: number; readonly code: QueryError["code"]; readonly message: string };
