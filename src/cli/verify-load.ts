/** Many clients at once: some stream, some leave before the end, all go elsewhere when a gateway dies under them. */
import { Agent, request as httpRequest } from "node:http";
import { createServer } from "node:net";
import type { Random } from "../fleet/index.ts";

export interface LoadOptions {
  readonly urls: readonly string[];
  readonly key: string;
  readonly requests: number;
  readonly concurrency: number;
  readonly random: Random;
  readonly onFirstRefusal: () => void;
}

export interface LoadResult {
  readonly answered: number;
  /** By the budget. */
  readonly refused: number;
  /** Clients that left. */
  readonly left: number;
  /** The gateway died, or was not there. */
  readonly lost: number;
  /** Other answers, by status: the provider was out of reach, a gateway had no room. */
  readonly others: Readonly<Record<string, number>>;
}

type Seen = "answered" | "refused" | "left" | "lost" | `status ${number}`;

const SHARE_STREAMED = 0.3;
const SHARE_LEAVING = 0.08;
const LOST_PAUSE_MS = 50;
/** Requests that came to nothing are sent again, up to so many for each that was to be sent: a machine may be too slow for all at once. */
const SENT_AGAIN_MAX = 2;

/** Send them all; resolves when the last has its answer, or has left. */
export async function load(options: LoadOptions): Promise<LoadResult> {
  const agent = new Agent({ keepAlive: true, maxSockets: Number.POSITIVE_INFINITY });
  const seen = new Map<Seen, number>();
  let next = 0;
  let again = 0;
  let refusedOnce = false;
  const client = async (): Promise<void> => {
    while (next < options.requests) {
      next += 1;
      const what = await one(options, agent);
      seen.set(what, (seen.get(what) ?? 0) + 1);
      if (what === "refused" && !refusedOnce) {
        refusedOnce = true;
        options.onFirstRefusal();
      }
      if (what === "answered" || what === "refused" || what === "left") continue;
      // It is asked again, of another.
      if (what === "lost" || again++ < options.requests * SENT_AGAIN_MAX) next -= 1;
      await new Promise((resolve) => setTimeout(resolve, LOST_PAUSE_MS));
    }
  };
  await Promise.all(Array.from({ length: options.concurrency }, client));
  agent.destroy();
  const count = (what: Seen): number => seen.get(what) ?? 0;
  const others = Object.fromEntries([...seen].filter(([what]) => what.startsWith("status")));
  return { answered: count("answered"), refused: count("refused"), left: count("left"), lost: count("lost"), others };
}

function one({ urls, key, random }: LoadOptions, agent: Agent): Promise<Seen> {
  const url = new URL("/v1/chat/completions", urls[Math.floor(random.next() * urls.length)]);
  const streamed = random.next() < SHARE_STREAMED;
  const leavesAfterMs = random.next() < SHARE_LEAVING ? random.next() * 80 : null;
  const body = JSON.stringify({ model: "simulated/m", max_tokens: 14, messages: [{ role: "user", content: "Say a few words." }], ...(streamed ? { stream: true, stream_options: { include_usage: true } } : {}) });
  return new Promise((resolve) => {
    let left = false;
    const request = httpRequest(url, { agent, method: "POST", headers: { authorization: `Bearer ${key}`, "content-type": "application/json", "content-length": Buffer.byteLength(body) } }, (response) => {
      const { statusCode = 0 } = response;
      response.on("data", () => undefined);
      response.on("end", () => resolve(left ? "left" : statusCode === 200 ? "answered" : statusCode === 402 ? "refused" : `status ${statusCode}`));
      response.on("error", () => resolve(left ? "left" : "lost"));
      response.on("aborted", () => resolve(left ? "left" : "lost"));
    });
    request.on("error", () => resolve(left ? "left" : "lost"));
    request.end(body);
    if (leavesAfterMs !== null) {
      setTimeout(() => {
        left = true;
        request.destroy();
      }, leavesAfterMs).unref();
    }
  });
}

/** Ports that nobody listens on now. */
export async function freePorts(count: number): Promise<readonly number[]> {
  const servers = await Promise.all(
    Array.from({ length: count }, () =>
      new Promise<ReturnType<typeof createServer>>((resolve, reject) => {
        const server = createServer();
        server.once("error", reject);
        server.listen(0, "127.0.0.1", () => resolve(server));
      }),
    ),
  );
  const ports = servers.map((server) => {
    const address = server.address();
    return typeof address === "object" && address !== null ? address.port : 0;
  });
  await Promise.all(servers.map((server) => new Promise((resolve) => server.close(resolve))));
  return ports;
}
