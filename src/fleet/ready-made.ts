/** Fleets that need no configuration. */
import type { FleetConfig } from "./config.ts";

/** Four small, fast providers of all three dialects that say of themselves that they are simulated. */
export function simulatedFleet(): FleetConfig {
  const models = { "sim-small": { input: 0.1, output: 0.4 }, "sim-large": { input: 2, output: 8, token_rate: 60 } };
  const quick = {
    models,
    first_token: { lognormal: { median_ms: 180, p99_ms: 700 } },
    token_rate: { lognormal: { median: 90, p99: 160 } },
    tokens_out: { lognormal: { median: 40, p99: 160 } },
    simulated: true,
  };
  return {
    seed: 8,
    providers: [
      { ...quick, name: "sim-openai", dialect: "openai-chat" },
      { ...quick, name: "sim-openai-two", dialect: "openai-chat", first_token: { lognormal: { median_ms: 260, p99_ms: 900 } } },
      { ...quick, name: "sim-anthropic", dialect: "anthropic-messages" },
      { ...quick, name: "sim-gemini", dialect: "gemini" },
    ],
  };
}

/** The demo's fleet: one cheap primary and two dearer ones, a dialect each. Answers are as long as the caller allows. */
export function demoFleet(): FleetConfig {
  const long = { tokens_out: 4096 };
  return {
    seed: 11,
    providers: [
      {
        ...long, name: "primary", dialect: "openai-chat", models: { "demo-chat": { input: 0.15, output: 0.6 } },
        first_token: { lognormal: { median_ms: 260, p99_ms: 900 } }, token_rate: { lognormal: { median: 110, p99: 180 } },
      },
      {
        ...long, name: "second", dialect: "anthropic-messages", models: { "demo-chat": { input: 0.25, output: 1.25 } },
        first_token: { lognormal: { median_ms: 330, p99_ms: 1100 } }, token_rate: { lognormal: { median: 95, p99: 160 } },
      },
      {
        ...long, name: "third", dialect: "gemini", models: { "demo-chat": { input: 0.3, output: 2.5 } },
        first_token: { lognormal: { median_ms: 240, p99_ms: 800 } }, token_rate: { lognormal: { median: 140, p99: 220 } },
      },
    ],
  };
}

/** The outage of 2023-11-08 as in `scenarios/dead-primary-2023-11-08.yaml`, for code that has no file at hand. */
export const DEAD_PRIMARY_2023_11_08 = {
  id: "dead-primary-2023-11-08",
  healthy_paths: ["/v1/models"],
  phases: [
    {
      from_s: 0,
      to_s: 4620,
      mix: [
        { p: 0.74, status: 502, body: '{"error":{"message":"Bad gateway.","type":"bad_gateway","param":null,"code":502}}' },
        { p: 0.25, status: 503, body: '{"error":{"message":"Service Unavailable.","type":"unavailable","param":null,"code":503}}' },
        { p: 0.01, ok: true },
      ],
    },
    { from_s: 4620, to_s: 6900, mix: [{ p: 0.98, status: 429, body: '{"status":"come back later"}' }, { p: 0.02, ok: true }] },
  ],
} as const;
