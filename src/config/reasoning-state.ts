/** The section `reasoning_state`: what is kept of reasoning that clients do not send back. */
import type { Finding } from "./document.ts";
import { asText, type Raw } from "./raw.ts";
import type { Config } from "./types.ts";
import { parseDurationMs } from "./values.ts";

export const REASONING_STATE_DEFAULT: Config["reasoningState"] = { store: "memory", ttlMs: 3_600_000 };

/** Read it; what is wrong goes to `found`. */
export function readReasoningState(map: Raw, found: Finding[]): Config["reasoningState"] {
  const text = asText(map["store"]);
  const store = text === "off" || text === "encrypted" ? text : REASONING_STATE_DEFAULT.store;
  const ttlMs = parseDurationMs(asText(map["ttl"]) ?? "1h") ?? REASONING_STATE_DEFAULT.ttlMs;
  if (ttlMs === 0) {
    found.push({ path: ["reasoning_state", "ttl"], expected: "a duration above 0", found: JSON.stringify(asText(map["ttl"])), hint: "store: off keeps nothing" });
  }
  return { store, ttlMs };
}
