import assert from "node:assert/strict";
import { describe, it } from "node:test";
import { OwnDirectory, type OwnAccount } from "../decide/own-accounts.ts";
import { loadCatalogue } from "../providers/catalog/index.ts";
import { PROVIDERS } from "../providers/registry.ts";
import { parseConfig } from "./load.ts";
import { buildSnapshot } from "./snapshot.ts";
import type { Config } from "./types.ts";

const HEAD = `version: 1
providers:
  openai: { api_key: "0123456789abcdef" }
  eu: { type: openai, api_key: "0123456789abcdef", region: eu }
routes:
  a:
    candidates: [eu/gpt-4o]
`;
const parse = (text: string): ReturnType<typeof parseConfig> => parseConfig(HEAD + text, { source: "spillway.yaml", env: {}, readFile: () => "", providers: PROVIDERS });

function good(text: string): Config {
  const parsed = parse(text);
  assert.ok(parsed.ok, parsed.ok ? "" : JSON.stringify(parsed.errors));
  return parsed.config;
}

function wrong(text: string): readonly string[] {
  const parsed = parse(text);
  return parsed.ok ? [] : parsed.errors.map(({ line, key, expected, found }) => `${line} ${key} | ${expected} | ${found}`);
}

describe("what a route tries", () => {
  it("is a canary and a mirror, with the usual terms or those that are written", () => {
    const [usual] = good("    canary: { use: openai/gpt-4o-mini, share: 5% }\n    mirror: { use: openai/gpt-4.1, share: 1% }\n").routes;
    assert.deepEqual([usual?.canary, usual?.mirror], [
      { use: "openai/gpt-4o-mini", share: 0.05, minRequests: 200, rollback: { burn: 2, quality: 0.05 } }, { use: "openai/gpt-4.1", share: 0.01, maxNanoUsdPerDay: 1_000_000_000 },
    ]);
    const [stated] = good("    canary: { use: openai/gpt-4o-mini, share: 0.5%, min_requests: 50, until: promote, rollback: { burn: 6, quality: 0.1 } }\n    mirror: { use: openai/gpt-4.1, share: 100%, max_usd_per_day: 0.25 }\n").routes;
    assert.deepEqual([stated?.canary, stated?.mirror?.maxNanoUsdPerDay], [{ use: "openai/gpt-4o-mini", share: 0.005, minRequests: 50, rollback: { burn: 6, quality: 0.1 } }, 250_000_000]);
    assert.equal(Object.hasOwn(good("").routes[0] ?? {}, "canary"), false);
  });

  it("is refused where it could never be: an unknown account, a candidate that serves already, a region that the route keeps out", () => {
    assert.deepEqual(wrong("    canary: { use: opnai/gpt-4o, share: 5% }\n    mirror: { use: openai, share: 5% }\n"), [
      '8 routes.a.canary.use | account/model with an account from providers | "opnai/gpt-4o"', '9 routes.a.mirror.use | account/model with an account from providers | "openai"',
    ]);
    assert.deepEqual(wrong("    canary: { use: eu/gpt-4o, share: 5% }\n"), ['8 routes.a.canary.use | a candidate that the route does not have yet | "eu/gpt-4o"']);
    assert.deepEqual(wrong("    regions: [eu]\n    canary: { use: openai/gpt-4o, share: 5% }\n    mirror: { use: openai/gpt-4o, share: 5% }\n"), [
      "9 routes.a.canary.use | a candidate in eu | openai/gpt-4o, whose account states no region", "10 routes.a.mirror.use | a candidate in eu | openai/gpt-4o, whose account states no region",
    ]);
  });

  it("is refused with numbers that mean nothing", () => {
    assert.deepEqual(wrong("    canary: { use: openai/gpt-4o, share: 60%, min_requests: 0.5, rollback: { burn: 0.5, quality: 2 } }\n    mirror: { use: openai/gpt-4o, share: 0%, max_usd_per_day: -1 }\n"), [
      '8 routes.a.canary.share | a percentage above 0% and at most 50% | "60%"', "8 routes.a.canary.min_requests | a whole number above 0 | 0.5",
      "8 routes.a.canary.rollback.burn | a number from 1 to 1000 | 0.5", "8 routes.a.canary.rollback.quality | a number above 0 and at most 1 | 2",
      '9 routes.a.mirror.share | a percentage above 0% and at most 100% | "0%"', "9 routes.a.mirror.max_usd_per_day | dollars, 0 or more, with at most nine decimal places | -1",
    ]);
    assert.deepEqual(wrong("    canary: { use: openai/gpt-4o, share: 5, until: tomorrow }\n"), ["8 routes.a.canary.share | a percentage with its sign, such as 5% | 5", '8 routes.a.canary.until | promote | "tomorrow"']);
  });

  it("reaches the route that requests are decided on, and is told where its model cannot be called", () => {
    const snapshot = (text: string): ReturnType<typeof buildSnapshot> => buildSnapshot(good(text), loadCatalogue(), PROVIDERS);
    const found = snapshot("    canary: { use: openai/gpt-4o-mini, share: 5% }\n").directory.resolve("a");
    assert.ok(found.kind === "route");
    assert.deepEqual([found.route.canary?.deployment.id, found.route.canary?.terms.share, found.route.candidates.length], ["openai/gpt-4o-mini", 0.05, 1]);
    assert.match(snapshot("    mirror: { use: openai/gpt-9, share: 5% }\n").problems[0] ?? "", /^spillway.yaml: routes.a.mirror.use: /);
  });

  it("is nothing for callers who have a credential of their own for its account", () => {
    const { directory } = buildSnapshot(good("    canary: { use: openai/gpt-4o-mini, share: 5% }\n    mirror: { use: eu/gpt-4o-mini, share: 5% }\n"), loadCatalogue(), PROVIDERS);
    const own: OwnAccount = { name: "openai~search", account: "openai", baseUrl: null };
    const theirs = new OwnDirectory(directory, new Map([["openai", [own]]])).resolve("a");
    assert.ok(theirs.kind === "route");
    assert.deepEqual([theirs.route.canary, theirs.route.mirror?.deployment.id], [undefined, "eu/gpt-4o-mini"]);
  });
});
