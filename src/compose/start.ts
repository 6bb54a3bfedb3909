/** What a gateway is started on: where it may listen, the client that it calls with, and how much it may hold. */
import { isIP } from "node:net";
import { getHeapStatistics } from "node:v8";
import type { Config } from "../config/types.ts";
import { UndiciUpstream, type OutboundUpstream } from "../edge/upstream.ts";
import { OwnUpstream } from "../edge/upstream-own.ts";

/** A configuration or a machine that cannot serve; the message says what to do. */
export class StartError extends Error {}

/** Are we reached from this machine only? A name that begins with 127. may be anybody's address. */
export function isLoopback(host: string): boolean {
  return host === "localhost" || host === "::1" || (isIP(host) === 4 && host.startsWith("127."));
}

/** Check what cannot be served before a socket is opened. `stored`: how many keys are managed; asked where it matters. */
export function checkStart(config: Config, host: string, stored: () => number = () => 0): void {
  const loopback = isLoopback(host);
  if (config.keys.length === 0 && !loopback && stored() === 0) {
    throw new StartError(`--host ${host} is reachable from other machines, but no caller key is configured. Set SPILLWAY_API_KEY, or add to the configuration:\n  keys:\n    - { name: app, key: "\${SPILLWAY_API_KEY}" }`);
  }
  if (config.simulated && !loopback) throw new StartError(`Simulated providers serve on the loopback only; --host ${host} needs real providers.`);
}

/** The HTTP client towards providers: our own, or undici for everything with SPILLWAY_UPSTREAM=undici. */
export function openUpstream(env: Readonly<Record<string, string | undefined>>): OutboundUpstream {
  const wanted = env["SPILLWAY_UPSTREAM"] ?? "own";
  if (wanted !== "own" && wanted !== "undici") throw new StartError(`SPILLWAY_UPSTREAM is ${wanted}; it may be own or undici.`);
  return wanted === "own" ? new OwnUpstream({ env }) : new UndiciUpstream({ env });
}

/** The parsed form of many small messages weighs up to nine times its bytes, and failing over needs it to the end. */
const HEAP_PER_BODY_BYTE = 12;
const BODY_BYTES_MIN = 64 << 20;

/** How many bytes of bodies may be in flight, by the size of the heap. */
export function defaultBodyBytes(): number {
  return Math.max(BODY_BYTES_MIN, Math.floor(getHeapStatistics().heap_size_limit / HEAP_PER_BODY_BYTE));
}
