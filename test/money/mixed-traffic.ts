/** Much traffic of every kind through a real gateway to a fleet: caches, tiers, reasoning, clients that leave, answers cut off. */
import { Agent, request, type IncomingMessage } from "node:http";
import { checkFleetConfig, seededRandom, type FleetConfig, type Random } from "../../src/fleet/index.ts";
import { promptOf } from "../support/load.ts";

export const MODELS = {
  tiered: { input: 2.5, output: 10, cache_read: 1.25, tiers: { flex: { input: 1.25, output: 5, cache_read: 0.625 }, priority: { input: 4.25, output: 17, cache_read: 2.125 } } },
  deep: { input: 1.1, output: 4.4, cache_read: 0.275, thoughts: 9 },
  caching: { input: 3, output: 15, cache_read: 0.3, cache_write: 3.75 },
  thinker: { input: 0.3, output: 2.5, cache_read: 0.075, thoughts: 6 },
} as const;

/** Four providers of three dialects; the first two fail and forget in many ways. */
export function mixedFleet(seed: number): FleetConfig {
  const pace = { first_token: 0, token_rate: 0, tokens_out: 10_000 };
  return checkFleetConfig({
    seed,
    providers: [
      {
        name: "one", dialect: "openai-chat", models: { tiered: MODELS.tiered }, cached_share: 0.3, tier_served: 0.7, ...pace,
        script: [
          { fault: { kind: "status", status: 500 }, p: 0.01 },
          { fault: { kind: "status", status: 429 }, p: 0.001 },
          { fault: "missing_usage", p: 0.006 },
          { fault: { kind: "cut_reset", after: 2 }, p: 0.005 },
          { fault: { kind: "cut_clean", after: 3 }, p: 0.005 },
        ],
      },
      { name: "two", dialect: "openai-chat", models: { deep: MODELS.deep }, cached_share: 0.5, ...pace, script: [{ fault: "duplicate_usage", p: 0.02 }, { fault: { kind: "cut_fin", after: 5 }, p: 0.005 }] },
      { name: "three", dialect: "anthropic-messages", models: { caching: MODELS.caching }, cached_share: 0.4, written_share: 0.2, ...pace, script: [{ fault: "missing_usage", p: 0.004 }] },
      { name: "four", dialect: "gemini", models: { thinker: MODELS.thinker }, cached_share: 0.25, ...pace, script: [{ fault: { kind: "status", status: 503 }, p: 0.005 }] },
    ],
  });
}

export const MIXED_ROUTES = {
  first: { candidates: ["one/tiered", "three/caching"] },
  second: { candidates: ["two/deep", "one/tiered"] },
  third: { candidates: ["three/caching", "four/thinker"] },
  fourth: { candidates: ["four/thinker", "two/deep"] },
};

/** What a client saw of a request. */
export interface SeenRequest {
  readonly requestId: string;
  readonly status: number;
  /** Frames of content that came before it left or the stream ended; 0 of an answer in one piece. */
  readonly frames: number;
  readonly left: boolean;
}

const AT_ONCE = 24;

/** Send so many requests, some of them at a time; resolves when all have ended in one way or another. */
export async function sendMixed(url: string, count: number, seed: number, routes: readonly string[] = Object.keys(MIXED_ROUTES)): Promise<readonly SeenRequest[]> {
  const random = seededRandom(seed);
  const agent = new Agent({ keepAlive: true, maxSockets: AT_ONCE });
  const seen: SeenRequest[] = [];
  let next = 0;
  const worker = async (): Promise<void> => {
    while (next < count) {
      next += 1;
      seen.push(await sendOne(url, agent, askOf(random, routes)));
    }
  };
  await Promise.all(Array.from({ length: AT_ONCE }, worker));
  agent.destroy();
  return seen;
}

interface MixedAsk {
  readonly body: Readonly<Record<string, unknown>>;
  /** The client leaves when it has seen so many frames. */
  readonly leaveAfter: number;
}

function askOf(random: Random, routes: readonly string[]): MixedAsk {
  const route = routes[Math.floor(random.next() * routes.length)] ?? "first";
  const stream = random.next() < 0.4;
  const tier = random.next();
  const body = {
    model: route,
    messages: [{ role: "user", content: promptOf(20 + Math.floor(random.next() * 600)) }],
    max_tokens: 16 + Math.floor(random.next() ** 3 * 60),
    ...(stream ? { stream: true, ...(random.next() < 0.5 ? { stream_options: { include_usage: true } } : {}) } : {}),
    ...(route === "first" && tier < 0.5 ? { service_tier: tier < 0.25 ? "flex" : "priority" } : {}),
  };
  return { body, leaveAfter: stream && random.next() < 0.03 ? 2 + Math.floor(random.next() * 10) : Number.POSITIVE_INFINITY };
}

function sendOne(url: string, agent: Agent, { body, leaveAfter }: MixedAsk): Promise<SeenRequest> {
  return new Promise((resolve, reject) => {
    const sent = request(`${url}/v1/chat/completions`, { method: "POST", agent, headers: { "content-type": "application/json" } });
    sent.on("response", (response: IncomingMessage) => {
      const told = response.headers["x-request-id"];
      const seen = { requestId: typeof told === "string" ? told : "", status: response.statusCode ?? 0, frames: 0, left: false };
      response.setEncoding("utf8");
      response.on("data", (text: string) => {
        seen.frames += text.split(/"content":"[^"]|"reasoning_content":"[^"]/).length - 1;
        if (seen.frames < leaveAfter || seen.left) return;
        seen.left = true;
        sent.destroy();
      });
      response.on("close", () => resolve(seen));
      response.on("error", () => resolve(seen));
    });
    sent.on("error", (error: Error) => (sent.destroyed ? undefined : reject(error)));
    sent.end(JSON.stringify(body));
  });
}
