/** The matrix's world of our own fleet: three dialects, an exact bill, and a caller key in front. */
import assert from "node:assert/strict";
import { gatewayConfig, startFleet, type FleetConfig } from "../../src/fleet/index.ts";
import { embed } from "../../src/fleet/embedding.ts";
import { testGateway } from "../support/gateway.ts";
import { routes, WORDS, type DialectName, type UpstreamCall, type World } from "./world.ts";

const CALLER_KEY = "caller-key-of-the-matrix";
const UPSTREAM_KEY = "upstream-key-of-the-matrix";
/** Words of an answer. */
const TOKENS_OUT = 12;
const THOUGHTS = 6;
/** As the fleet makes them where none are asked. */
const EMBEDDING_SIZE = 256;
const SPEAKS = { openai: "openai-chat", anthropic: "anthropic-messages", gemini: "gemini" } as const;

/** A refusal as each provider words it. */
const REFUSALS: Readonly<Record<DialectName, Record<string, unknown>>> = {
  openai: { error: { message: WORDS, type: "invalid_request_error", param: "top_k", code: "invalid_value" } },
  anthropic: { type: "error", error: { type: "invalid_request_error", message: WORDS }, request_id: "req_matrix" },
  gemini: { error: { code: 400, message: WORDS, status: "INVALID_ARGUMENT" } },
};

function config(): FleetConfig {
  const price = { input: 1, output: 2 };
  const provider = (dialect: DialectName) => ({
    name: `at-${dialect}`,
    dialect: SPEAKS[dialect],
    models: {
      chat: price,
      thinker: { ...price, thoughts: THOUGHTS },
      slow: { ...price, token_rate: 100, tokens_out: 2_000 },
      faulty: price,
      broken: price,
      ...(dialect === "openai" ? { embed: { input: 0.02, output: 0 } } : {}),
    },
    tokens_out: TOKENS_OUT,
    parallel_tools: 2,
    cached_share: 0.25,
    script: [
      { match: { model: "faulty" }, fault: { kind: "status" as const, status: 400, body: REFUSALS[dialect] } },
      { match: { model: "broken" }, fault: { kind: "status" as const, status: 503 } },
    ],
  });
  return { seed: 5, providers: [provider("openai"), provider("anthropic"), provider("gemini")] };
}

const NAMES: Readonly<Record<string, DialectName>> = { "at-openai": "openai", "at-anthropic": "anthropic", "at-gemini": "gemini" };

/** `configured`: sections of the gateway's configuration beside its keys, accounts and routes. */
export async function fleetWorld(configured: Readonly<Record<string, unknown>> = {}): Promise<World> {
  const fleetConfig = config();
  const fleet = await startFleet(fleetConfig);
  const more = {
    keys: [{ name: "matrix", key: CALLER_KEY }],
    routes: routes({ openai: "at-openai/", anthropic: "at-anthropic/", gemini: "at-gemini/" }, ["chat", "thinker", "slow", "faulty", "broken"]),
    fallbacks: "off",
    ...configured,
  };
  const gateway = await testGateway(gatewayConfig(fleetConfig, fleet, { apiKey: UPSTREAM_KEY, more }));
  const calls = (): UpstreamCall[] => {
    const received = new Map(fleet.calls().map((call) => [call.call, call]));
    return fleet.bill().map((row) => {
      const call = received.get(row.call);
      const seen = JSON.stringify(call);
      assert.ok(!seen.includes(CALLER_KEY), "the caller's key went upstream");
      assert.ok(seen.includes(UPSTREAM_KEY), "the account's key did not go upstream");
      return {
        dialect: NAMES[row.provider] as DialectName,
        body: JSON.stringify(call?.body),
        usage: row.usage_sent ? { input: row.input_tokens, output: row.output_tokens } : null,
        costNanoUsd: row.cost_nano_usd,
        outcome: row.outcome,
      };
    });
  };
  return {
    kind: "fleet",
    gateway,
    apiKey: CALLER_KEY,
    calls,
    checkText(text) {
      assert.match(text ?? "", /^(?:[a-z]+ ){12}$/, "not the twelve words of the fleet");
    },
    embedding: (text) => [...embed(text, EMBEDDING_SIZE)],
    async close() {
      await gateway.close();
      await fleet.close();
    },
  };
}
