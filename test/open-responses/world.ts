/** A gateway in front of three providers, none of which speaks Responses: every answer of that protocol is ours. */
import assert from "node:assert/strict";
import { gatewayConfig, startFleet, type FleetConfig } from "../../src/fleet/index.ts";
import type { JsonObject } from "../../src/wire/json.ts";
import { testGateway } from "../support/gateway.ts";

/** By the protocol that they speak. */
export const PROVIDERS = ["openai-chat", "anthropic-messages", "gemini"] as const;
export type ProviderName = (typeof PROVIDERS)[number];

export interface Told {
  readonly status: number;
  readonly type: string;
  readonly warning: string;
  readonly text: string;
}

export interface World {
  /** POST /v1/responses. */
  ask(body: JsonObject): Promise<Told>;
  /** GET /v1/responses/{id}. */
  kept(id: string): Promise<Told>;
  /** What the provider was sent last, as text. */
  lastSent(): string;
  close(): Promise<void>;
}

async function told(asked: Promise<Response>): Promise<Told> {
  const answer = await asked;
  const { headers, status } = answer;
  return { status, text: await answer.text(), type: headers.get("content-type") ?? "", warning: headers.get("x-spillway-warning") ?? "" };
}

/** Words of an answer. */
export const WORDS = 9;

/** Start it. `broken` loses the connection in the middle, `busy` refuses. */
export async function openWorld(): Promise<World> {
  const price = { input: 1, output: 2 };
  const config: FleetConfig = {
    seed: 11,
    providers: PROVIDERS.map((dialect) => ({
      name: dialect,
      dialect,
      models: { chat: price, thinker: { ...price, thoughts: 5 }, broken: price, busy: price },
      tokens_out: WORDS,
      parallel_tools: 2,
      cached_share: 0.25,
      script: [
        { match: { model: "broken" }, fault: { kind: "cut_reset" as const, after: 4 } },
        { match: { model: "busy" }, fault: { kind: "status" as const, status: 503 } },
      ],
    })),
  };
  const fleet = await startFleet(config);
  const gateway = await testGateway(gatewayConfig(config, fleet, { more: { fallbacks: "off" } }));
  return {
    ask: (body) => told(fetch(`${gateway.baseUrl}/responses`, { method: "POST", headers: { "content-type": "application/json" }, body: JSON.stringify(body) })),
    kept: (id) => told(fetch(`${gateway.baseUrl}/responses/${id}`)),
    lastSent() {
      const call = fleet.calls().at(-1);
      assert.ok(call !== undefined, "nothing was sent");
      return JSON.stringify(call.body);
    },
    async close() {
      await gateway.close();
      await fleet.close();
    },
  };
}
