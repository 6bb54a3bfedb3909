/** The section `responses`: what is kept of answers that clients may continue from. */
import type { Finding } from "./document.ts";
import { asText, type Raw } from "./raw.ts";
import { Secret } from "./secret.ts";
import type { Config } from "./types.ts";
import { parseDurationMs } from "./values.ts";

export const RESPONSES_DEFAULT: Config["responses"] = { store: "memory", ttlMs: 3_600_000, key: null };

const KEY_CHARACTERS_MIN = 32;

/** Read it; what is wrong goes to `found`, what works but hardly as meant to `warnings`. */
export function readResponses(map: Raw, reasoningState: Config["reasoningState"], found: Finding[], warnings: Finding[]): Config["responses"] {
  const text = asText(map["store"]);
  const store = text === "off" || text === "encrypted" ? text : RESPONSES_DEFAULT.store;
  const ttlMs = parseDurationMs(asText(map["ttl"]) ?? "1h") ?? RESPONSES_DEFAULT.ttlMs;
  if (ttlMs === 0) {
    found.push({ path: ["responses", "ttl"], expected: "a duration above 0", found: JSON.stringify(asText(map["ttl"])), hint: "store: off keeps nothing" });
  }
  const key = asText(map["key"]);
  if (key !== null && key.trim().length < KEY_CHARACTERS_MIN) {
    const hint = "openssl rand -base64 32 makes a good one; without key the data folder gets one";
    found.push({ path: ["responses", "key"], expected: `at least ${KEY_CHARACTERS_MIN} characters`, found: "a key that is easy to guess", hint });
  }
  if (key !== null && store !== "encrypted" && reasoningState.store !== "encrypted") {
    warnings.push({ path: ["responses", "key"], expected: "a key only beside store: encrypted", found: `a key beside store: ${store}`, hint: "", at: "key" });
  }
  return { store, ttlMs, key: key === null ? null : new Secret(key) };
}
