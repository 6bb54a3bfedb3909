import assert from "node:assert/strict";
import { describe, it } from "node:test";
import { readRateLimits, type RateLimit } from "./rate-limits.ts";
import { PROVIDERS, providerById } from "./registry.ts";

const NOW_MS = Date.UTC(2026, 10, 23, 8);

/** `of/per remaining/limit in ms` of each limit that these headers of this provider tell. */
function read(provider: string, headers: Readonly<Record<string, string>>): readonly string[] {
  const facts = providerById(provider) ?? assert.fail(provider);
  return readRateLimits(facts, (name) => headers[name], NOW_MS).map((one: RateLimit) => `${one.of}/${one.per} ${one.remaining}/${one.limit} in ${one.resetInMs}`);
}

describe("what is left of the limits is read from the headers", () => {
  const CASES: readonly (readonly [string, Readonly<Record<string, string>>, readonly string[]])[] = [
    ["openai", { "x-ratelimit-limit-requests": "10000", "x-ratelimit-remaining-requests": "9999", "x-ratelimit-reset-requests": "8.64s", "x-ratelimit-limit-tokens": "200000", "x-ratelimit-remaining-tokens": "199980", "x-ratelimit-reset-tokens": "6m0s" },
      ["requests/minute 9999/10000 in 8640", "tokens/minute 199980/200000 in 360000"]],
    ["groq", { "x-ratelimit-limit-requests": "14400", "x-ratelimit-remaining-requests": "14370", "x-ratelimit-reset-requests": "2m59.56s", "x-ratelimit-remaining-tokens": "17997", "x-ratelimit-reset-tokens": "20ms" },
      ["requests/day 14370/14400 in 179560", "tokens/minute 17997/null in 20"]],
    ["anthropic", { "anthropic-ratelimit-input-tokens-limit": "50000", "anthropic-ratelimit-input-tokens-remaining": "49000", "anthropic-ratelimit-input-tokens-reset": "2026-11-23T08:00:30Z" },
      ["input_tokens/minute 49000/50000 in 30000"]],
    ["mistral", { "x-ratelimit-limit-req-minute": "60", "x-ratelimit-remaining-req-minute": "59", "x-ratelimit-remaining-tokens-month": "3950246" },
      ["requests/minute 59/60 in null", "tokens/month 3950246/null in null"]],
    ["cerebras", { "x-ratelimit-remaining-requests-day": "0", "x-ratelimit-reset-requests-day": "33011.382867", "x-ratelimit-limit-tokens-minute": "60000" },
      ["requests/day 0/null in 33011383", "tokens/minute null/60000 in null"]],
    ["fireworks", { "x-ratelimit-limit-tokens-generated": "72000", "x-ratelimit-remaining-tokens-generated": "69338" }, ["output_tokens/minute 69338/72000 in null"]],
    ["openrouter", { "x-ratelimit-limit": "20", "x-ratelimit-remaining": "0", "x-ratelimit-reset": String(NOW_MS + 5_000) }, ["requests/null 0/20 in 5000"]],
    ["together", { "x-ratelimit-remaining": "3", "x-tokenlimit-remaining": "1000", "x-ratelimit-reset": "1" }, ["requests/second 3/null in 1000", "tokens/second 1000/null in null"]],
  ];
  for (const [provider, headers, expected] of CASES) it(`of ${provider}`, () => assert.deepEqual(read(provider, headers), expected));

  it("and what is no number, no duration or past is not taken for one", () => {
    const names = ["x-ratelimit-limit-requests", "x-ratelimit-remaining-requests", "x-ratelimit-reset-requests"];
    for (const text of ["", "soon", "-1", "1e3", "NaN", "5x", "1s2"]) assert.deepEqual(read("openai", Object.fromEntries(names.map((name) => [name, text]))), [], text);
    assert.deepEqual(read("openrouter", { "x-ratelimit-reset": "1" }), ["requests/null null/null in 0"]);
  });

  it("and a provider that tells none has none", () => {
    for (const facts of PROVIDERS.values()) if (facts.rateLimitHeaders === undefined) assert.deepEqual(readRateLimits(facts, () => "1", NOW_MS), [], facts.id);
  });
});
