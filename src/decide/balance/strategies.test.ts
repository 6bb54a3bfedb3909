import assert from "node:assert/strict";
import { describe, it } from "node:test";
import fc from "fast-check";
import type { Deployment, RouteCandidate } from "../deployment.ts";
import { Observed } from "../observed/observed.ts";
import type { Estimate } from "../observed/types.ts";
import { provider } from "../test-directory.ts";
import { inOrder, sessionOf, type StrategyFacts } from "./strategies.ts";

function deployment(id: string): Deployment {
  return {
    id, account: id, provider: provider(id), model: null, upstreamModel: "m", pricing: { kind: "unmetered" }, contextWindow: null, maxOutput: null,
    baseUrl: `https://${id}.example/v1`, region: null, domain: {}, reasons: false,
  };
}

const DEPLOYMENTS = new Map(["a", "b", "c", "d"].map((id) => [id, deployment(id)]));

/** "a", "b*3" (a weight), "+c" (follows the one before it). */
function candidates(...written: readonly string[]): RouteCandidate[] {
  return written.map((text) => {
    const [, follows, id, weight] = /^(\+?)(\w+)(?:\*([\d.]+))?$/.exec(text) ?? [];
    const base = { deployment: DEPLOYMENTS.get(id ?? "") as Deployment, weight: weight === undefined ? 1 : Number(weight), automatic: false };
    return follows === "+" ? { ...base, follows: true as const } : base;
  });
}

/** Chance that is the same each time (mulberry32, public domain, T. Ettinger). */
function seeded(seed: number): () => number {
  let state = seed;
  return () => {
    state = (state + 0x6d2b79f5) | 0;
    let t = Math.imul(state ^ (state >>> 15), state | 1);
    t ^= t + Math.imul(t ^ (t >>> 7), t | 61);
    return ((t ^ (t >>> 14)) >>> 0) / 4_294_967_296;
  };
}

const unasked = (): never => assert.fail("nobody asked for this");
const NOTHING: StrategyFacts = { random: unasked, priceNanoUsd: unasked, estimate: unasked, loadMs: unasked, usable: unasked, session: null };

const by = (table: Readonly<Record<string, number>>) => (one: Deployment): number => table[one.id] as number;
const ids = (order: readonly RouteCandidate[]): string => order.map((one) => one.deployment.id).join("");

/** A deployment whose calls have content after this long, a share of them failing before. */
function seen(ttftMs: number, calls: number, failing = 0): Estimate {
  const observed = new Observed();
  for (let i = 0; i < calls; i++) {
    observed.sent(i * 1_000);
    observed.content(0, ttftMs, 0, false, i * 1_000);
    for (let k = 0; k < failing; k++) observed.failedBefore(0, i * 1_000);
  }
  return observed.estimate(0, 0, calls * 1_000);
}

describe("priority", () => {
  it("and what a plan orders are as written, and ask nothing", () => {
    const written = candidates("b", "a", "+c");
    assert.equal(inOrder("priority", written, NOTHING), written);
    assert.equal(inOrder("balanced", written, NOTHING), written);
  });
});

describe("weighted", () => {
  it("puts each first as often as its weight says, and the rest by theirs", () => {
    const random = seeded(1);
    const [firsts, seconds] = [new Map<string, number>(), new Map<string, number>()];
    const rounds = 20_000;
    for (let i = 0; i < rounds; i++) {
      const [first, second] = ids(inOrder("weighted", candidates("a*1", "b*2", "c*5"), { ...NOTHING, random }));
      firsts.set(first as string, (firsts.get(first as string) ?? 0) + 1 / rounds);
      if (first === "c") seconds.set(second as string, (seconds.get(second as string) ?? 0) + 1 / rounds);
    }
    for (const [id, share] of [["a", 1 / 8], ["b", 2 / 8], ["c", 5 / 8]] as const) assert.ok(Math.abs((firsts.get(id) ?? 0) - share) < 0.015, `${id} ${firsts.get(id)}`);
    assert.ok(Math.abs((seconds.get("b") ?? 0) / (seconds.get("a") ?? 1) - 2) < 0.15);
  });
});

describe("cheapest", () => {
  it("is by expected price, equals as written, those without a price last", () => {
    const prices: Readonly<Record<string, number | null>> = { a: 30, b: 10, c: null, d: 10 };
    assert.equal(ids(inOrder("cheapest", candidates("c", "a", "d", "b"), { ...NOTHING, priceNanoUsd: (one) => prices[one.id] ?? null })), "dbac");
  });
});

describe("fastest", () => {
  it("is by the time to first content, and by another quantile where that is asked", () => {
    const mixed = new Observed();
    for (let i = 0; i < 200; i++) {
      mixed.sent(i * 1_000);
      mixed.content(0, i % 5 === 0 ? 20_000 : 300, 0, false, i * 1_000);
    }
    const estimates: Readonly<Record<string, Estimate>> = { a: seen(2_000, 100), b: seen(800, 100), c: mixed.estimate(0, 0, 200_000) };
    const facts = { ...NOTHING, estimate: (one: Deployment) => estimates[one.id] as Estimate };
    assert.equal(ids(inOrder("fastest", candidates("a", "b", "c"), facts)), "cba");
    assert.equal(ids(inOrder("fastest", candidates("a", "b", "c"), { ...facts, share: 0.95 })), "bac");
  });

  it("does not take failing fast for being quick, and lets what is unknown become known", () => {
    const estimates: Readonly<Record<string, Estimate>> = { a: seen(1_000, 100), b: seen(800, 100, 1), c: seen(5_000, 3) };
    assert.equal(ids(inOrder("fastest", candidates("a", "b", "c"), { ...NOTHING, estimate: (one) => estimates[one.id] as Estimate })), "cab");
  });
});

describe("fastest, of what can be compared", () => {
  const known = (): Estimate => seen(1_000, 100);

  it("is by what is given in place of times, who is not known first, failures counted", () => {
    const paces: Readonly<Record<string, number | null>> = { a: 20, b: 8, c: null, d: 9 };
    const facts = { ...NOTHING, estimate: (one: Deployment) => (one.id === "b" ? seen(1_000, 100, 1) : known()), paceMs: (one: Deployment) => paces[one.id] ?? null };
    assert.equal(ids(inOrder("fastest", candidates("a", "b", "c", "d"), facts)), "cdba");
  });

  it("tries a slower one again once it was long not called: the one longest, by the share that may, if it can be called", () => {
    const paces: Readonly<Record<string, number>> = { a: 1, b: 2, c: 3, d: 4 };
    const order = (idle: Readonly<Record<string, number>>, chance: number | null, share = 0.03, down = ""): string =>
      ids(inOrder("fastest", candidates("d", "c", "b", "a"), {
        ...NOTHING, estimate: known, paceMs: (one) => paces[one.id] ?? null, usable: (one) => one.id !== down, random: () => chance ?? assert.fail("chance was asked"),
        explore: { share, idleMs: (one) => idle[one.id] ?? 0 },
      }));
    const idle = { a: 99_000, b: 9_999, c: 20_000, d: 30_000 };
    assert.deepEqual([order(idle, 0.02), order(idle, 0.03), order(idle, 0.02, 0.03, "d")], ["dabc", "abcd", "cabd"]);
    assert.deepEqual([order({ a: 99_000, b: 5_000 }, null), order(idle, null, 0)], ["abcd", "abcd"], "nobody is due, or nobody may");
  });
});

describe("least-busy", () => {
  it("calls the less busy of two drawn at random, and never the busiest", () => {
    const random = seeded(2);
    const first = new Map<string, number>();
    const rounds = 12_000;
    for (let i = 0; i < rounds; i++) {
      const order = ids(inOrder("least-busy", candidates("a", "b", "c", "d"), { ...NOTHING, random, loadMs: by({ a: 400, b: 100, c: 300, d: 200 }), usable: () => true }));
      assert.equal(order.slice(1), "bdca".replace(order.slice(0, 1), ""), "the rest by how busy they are");
      first.set(order[0] as string, (first.get(order[0] as string) ?? 0) + 1 / rounds);
    }
    // Of four, the k-th least busy wins with (4 − k) of six pairs.
    for (const [id, share] of [["b", 3 / 6], ["d", 2 / 6], ["c", 1 / 6]] as const) assert.ok(Math.abs((first.get(id) ?? 0) - share) < 0.02, `${id} ${first.get(id)}`);
    assert.equal(first.get("a"), undefined);
  });

  it("chooses among those that can be called, the others last", () => {
    const facts = { ...NOTHING, loadMs: by({ a: 1, b: 100, c: 300, d: 2 }), usable: ({ id }: Deployment) => id === "b" || id === "c" };
    for (const at of [0, 0.3, 0.9]) assert.equal(ids(inOrder("least-busy", candidates("a", "b", "c", "d"), { ...facts, random: () => at })), "bcad");
    assert.equal(ids(inOrder("least-busy", candidates("c", "d"), { ...facts, random: unasked })), "cd");
  });
});

describe("sticky", () => {
  const sticky = (session: string, written: readonly RouteCandidate[]): string => ids(inOrder("sticky", written, { ...NOTHING, session }));

  it("has one order for each session, whoever asks and however candidates are written", () => {
    fc.assert(
      fc.property(fc.string(), (session) => {
        const order = sticky(session, candidates("a", "b", "c", "d"));
        assert.equal(sticky(session, candidates("d", "c", "b", "a")), order);
        assert.deepEqual(order.split("").toSorted(), ["a", "b", "c", "d"]);
      }),
    );
  });

  it("moves only the sessions of a deployment that goes, each to its own next", () => {
    fc.assert(
      fc.property(fc.string(), fc.constantFrom("a", "b", "c", "d"), (session, gone) => {
        const order = sticky(session, candidates("a", "b", "c", "d"));
        assert.equal(sticky(session, candidates(...["a", "b", "c", "d"].filter((id) => id !== gone))), order.replace(gone, ""));
      }),
    );
  });

  it("spreads sessions by weight", () => {
    const first = new Map<string, number>();
    const sessions = 20_000;
    for (let i = 0; i < sessions; i++) {
      const id = sticky(`3:app:user-${i}`, candidates("a*1", "b*1", "c*2"))[0] as string;
      first.set(id, (first.get(id) ?? 0) + 1 / sessions);
    }
    for (const [id, share] of [["a", 0.25], ["b", 0.25], ["c", 0.5]] as const) assert.ok(Math.abs((first.get(id) ?? 0) - share) < 0.015, `${id} ${first.get(id)}`);
  });

  it("draws by weight where the request belongs to nothing", () => {
    const random = seeded(3);
    const firsts = new Set(Array.from({ length: 50 }, () => ids(inOrder("sticky", candidates("a", "b"), { ...NOTHING, random }))));
    assert.deepEqual([...firsts].toSorted(), ["ab", "ba"]);
  });
});

describe("a session", () => {
  it("is the prompt cache's or the end user's, apart for each caller", () => {
    assert.equal(sessionOf("app", {}), null);
    assert.equal(sessionOf("app", { user: "", metadataUserId: null }), null);
    assert.equal(sessionOf("app", { user: "u", promptCacheKey: "cache" }), sessionOf("app", { promptCacheKey: "cache" }));
    assert.equal(sessionOf("app", { user: "u" }), sessionOf("app", { metadataUserId: "u" }), "one end user, whichever dialect speaks of them");
    assert.notEqual(sessionOf("app", { user: "u" }), sessionOf("other", { user: "u" }));
    assert.notEqual(sessionOf("a:b", { user: "c" }), sessionOf("a", { user: "b:c" }), "no caller can name another's session");
  });
});

describe("a candidate that follows another", () => {
  it("stands right behind it in every order", () => {
    const facts: StrategyFacts = {
      random: seeded(4), priceNanoUsd: by({ a: 3, b: 2, c: 9, d: 1 }), estimate: () => seen(1_000, 10), loadMs: by({ a: 3, b: 2, c: 9, d: 1 }), usable: () => true, session: "s",
    };
    assert.equal(ids(inOrder("cheapest", candidates("a", "+c", "b", "d"), facts)), "dbac");
    for (const strategy of ["weighted", "cheapest", "fastest", "least-busy", "sticky"] as const) {
      for (let i = 0; i < 30; i++) assert.match(ids(inOrder(strategy, candidates("a", "+c", "b", "d"), facts)), /ac/, strategy);
    }
  });
});
