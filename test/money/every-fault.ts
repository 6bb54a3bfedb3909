/** A fleet with every fault that it knows on, a gateway in front of it, and its bills in the forms that providers give them. */
import { checkFleetConfig, type BillRow, type FaultInput, type FaultKind, type FleetConfig } from "../../src/fleet/index.ts";

/** One rule for each kind: the compiler knows if one is missing. */
const FAULTS: Readonly<Record<FaultKind, FaultInput>> = {
  none: "none",
  status: { kind: "status", status: 503 },
  refuse: "refuse",
  reset: "reset",
  stall_before_headers: { kind: "stall_before_headers" },
  stall_before_content: { kind: "stall_before_content" },
  stall_mid_stream: { kind: "stall_mid_stream", after: 2 },
  cut_reset: { kind: "cut_reset", after: 2 },
  cut_clean: { kind: "cut_clean", after: 3 },
  cut_fin: { kind: "cut_fin", after: 1 },
  malformed_event: { kind: "malformed_event", at: 1 },
  error_event: { kind: "error_event", at: 2 },
  empty_choices: "empty_choices",
  missing_usage: "missing_usage",
  usage_missing: "usage_missing",
  duplicate_usage: "duplicate_usage",
  slow_drip: { kind: "slow_drip", pieces: 3, delay_ms: 1 },
  malformed_json: "malformed_json",
  truncated_json: "truncated_json",
  wrong_content_type: "wrong_content_type",
  empty_body: "empty_body",
  slow: { kind: "slow", first_token_ms: 20, rate_factor: 1 },
};
export const FAULT_KINDS = Object.keys(FAULTS) as readonly FaultKind[];

export const FAULTY_MODELS = {
  one: { input: 2.5, output: 10, cache_read: 1.25, tiers: { flex: { input: 1.25, output: 5, cache_read: 0.625 } } },
  two: { input: 3, output: 15, cache_read: 0.3, cache_write: 3.75 },
  spare: { input: 0.3, output: 2.5 },
} as const;

/** Each provider has all faults, each on one call of so many; the spare has none. */
export function faultyFleet(seed: number): FleetConfig {
  const script = FAULT_KINDS.filter((kind) => kind !== "none").map((kind) => ({ fault: FAULTS[kind], p: 0.02, times: 6, ...(kind === "refuse" ? { match: {} } : {}) }));
  const pace = { first_token: 0, token_rate: 0, tokens_out: 10_000, script };
  return checkFleetConfig({
    seed,
    providers: [
      { name: "one", dialect: "openai-chat", models: { m: FAULTY_MODELS.one }, cached_share: 0.3, tier_served: 0.8, ...pace },
      { name: "two", dialect: "anthropic-messages", models: { m: FAULTY_MODELS.two }, cached_share: 0.4, written_share: 0.2, ...pace },
      { name: "spare", dialect: "gemini", models: { m: FAULTY_MODELS.spare }, ...pace, script: [] },
    ],
  });
}

/** Each alone: beside another it would be left for as long as it fails so often, and most of its faults would never be played. */
export const FAULTY_ROUTES = {
  first: { candidates: ["one/m"], first_token: "250ms", idle: "250ms", attempt: "400ms", deadline: "2s" },
  second: { candidates: ["two/m"], first_token: "250ms", idle: "250ms", attempt: "400ms", deadline: "2s" },
};

interface Totals {
  requests: number;
  input: number;
  cached: number;
  written: number;
  output: number;
  nanoUsd: number;
}

/** Sums by UTC day and tier. */
function sums(rows: readonly BillRow[]): readonly (Totals & { readonly dayMs: number; readonly tier: string | null })[] {
  const groups = new Map<string, Totals & { dayMs: number; tier: string | null }>();
  for (const row of rows.filter(({ cost_nano_usd }) => cost_nano_usd > 0)) {
    const dayMs = Math.floor(row.at / 86_400_000) * 86_400_000;
    const key = `${dayMs} ${row.service_tier ?? ""}`;
    const sum = groups.get(key) ?? { dayMs, tier: row.service_tier ?? null, requests: 0, input: 0, cached: 0, written: 0, output: 0, nanoUsd: 0 };
    groups.set(key, sum);
    sum.requests += 1;
    sum.input += row.input_tokens;
    sum.cached += row.cached_tokens;
    sum.written += row.written_tokens ?? 0;
    sum.output += row.output_tokens;
    sum.nanoUsd += row.cost_nano_usd;
  }
  return [...groups.values()];
}

const page = (data: readonly object[]): string => JSON.stringify({ object: "page", data, has_more: false, next_page: null });
const DAY_S = 86_400;

/** As the usage and costs APIs of the one maker tell it. */
export function usageAndCosts(rows: readonly BillRow[], model: string): { readonly usage: string; readonly costs: string } {
  const bucket = (dayMs: number, result: object) => ({ object: "bucket", start_time: dayMs / 1000, end_time: dayMs / 1000 + DAY_S, results: [result] });
  return {
    usage: page(sums(rows).map(({ dayMs, tier, requests, input, cached, output }) => bucket(dayMs, {
      object: "organization.usage.completions.result", input_tokens: input, input_cached_tokens: cached, output_tokens: output, num_model_requests: requests,
      model: `${model}-2026-08-07`, service_tier: tier ?? "default", project_id: null, batch: null,
    }))),
    costs: page(sums(rows).map(({ dayMs, nanoUsd }) => bucket(dayMs, { object: "organization.costs.result", amount: { value: nanoUsd / 1e9, currency: "usd" }, line_item: `${model}-2026-08-07, input`, project_id: null }))),
  };
}

/** As the usage and cost reports of the other tell it. */
export function usageAndCostReports(rows: readonly BillRow[], model: string): { readonly usage: string; readonly cost: string } {
  const bucket = (dayMs: number, result: object) => ({ starting_at: new Date(dayMs).toISOString(), ending_at: new Date(dayMs + DAY_S * 1000).toISOString(), results: [result] });
  return {
    usage: page(sums(rows).map(({ dayMs, input, cached, written, output }) => bucket(dayMs, {
      api_key_id: null, workspace_id: null, model: `${model}-20260807`, service_tier: "standard", context_window: "0-200k", uncached_input_tokens: input - cached - written,
      cache_read_input_tokens: cached, cache_creation: { ephemeral_5m_input_tokens: written, ephemeral_1h_input_tokens: 0 }, output_tokens: output, server_tool_use: { web_search_requests: 0 },
    }))),
    cost: page(sums(rows).map(({ dayMs, nanoUsd }) => bucket(dayMs, { amount: (nanoUsd / 1e7).toFixed(7), currency: "USD", cost_type: "tokens", model: `${model}-20260807`, description: "usage", token_type: null, service_tier: "standard" }))),
  };
}
