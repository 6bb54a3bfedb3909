/** Routes that promise something, through the whole pipeline: the order of the plan, hedges, races, and what is learnt. */
import assert from "node:assert/strict";
import { describe, it } from "node:test";
import { sheet } from "../decide/test-directory.ts";
import type { Objective } from "../decide/objective/types.ts";
import type { WatchedReply } from "./test-reply.ts";
import { assertBooksAgree, World, type RouteSpec } from "./test-world.ts";
import { OPENAI_RATE_LIMITS } from "../providers/rate-limits.ts";
import { DONE, finish, GOOD_ANSWER, GOOD_STREAM, ROLE, text, usage, type ScriptedCall } from "./test-upstream.ts";

const DAY_MS = 86_400_000;
const AVAILABLE: Objective = { name: "availability", kind: "availability", target: 0.999, window: { kind: "rolling", lengthMs: 30 * DAY_MS }, within: [], atLeast: null, unit: null };
const IN_TIME: Objective = { name: "first_token", kind: "first_token", target: 0.98, window: { kind: "rolling", lengthMs: 30 * DAY_MS }, within: [{ upToInputTokens: null, withinMs: 4_000 }], atLeast: null, unit: null };
const DEAR = { name: "dear", pricing: { kind: "sheet", sheet: sheet(3, 6) } } as const;
const CHEAP = { name: "cheap", pricing: { kind: "sheet", sheet: sheet(1, 2) } } as const;

function promised(more: Partial<RouteSpec> = {}): World {
  return new World({ candidates: [DEAR, CHEAP], strategy: "balanced", objectives: [AVAILABLE, IN_TIME], ...more });
}

/** So many requests, each answered after `afterMs` by whoever is called. */
async function served(world: World, count: number, afterMs: (name: string) => number): Promise<void> {
  for (let i = 0; i < count; i++) {
    const before = world.upstream.calls.length;
    await world.ask({ stream: true });
    const told = new Set<ScriptedCall>();
    for (let waitedMs = 100; waitedMs < 60_000; waitedMs += 100) {
      await world.pass(100);
      const open = world.upstream.calls.slice(before).filter((call) => !call.aborted && !told.has(call));
      if (open.length === 0) break;
      for (const call of open.filter(({ to }) => waitedMs >= afterMs(to))) told.add(call.stream(...GOOD_STREAM));
      await world.pass();
    }
    await world.pass(1_000);
  }
}

describe("a route that promises something", () => {
  it("is served by the least expected total cost, and the record says what each candidate would have cost and why", async () => {
    const world = promised();
    await served(world, 5, () => 300);
    assert.deepEqual(new Set(world.records.map(({ deployment }) => deployment)), new Set(["cheap/m"]));
    const plan = world.records.at(-1)?.decision["plan"] as { scores: { deployment: string; score_nano_usd: number; price_nano_usd: number }[]; pressure: object };
    const [first, second] = plan.scores;
    assert.deepEqual([first?.deployment, second?.deployment], ["cheap/m", "dear/m"]);
    assert.ok((second?.price_nano_usd ?? 0) > (first?.price_nano_usd ?? 0) && (second?.score_nano_usd ?? 0) > (first?.score_nano_usd ?? 0));
    assertBooksAgree(world);
  });

  it("leaves a candidate that is slow against its promise, though it never fails and is the cheapest", async () => {
    const world = promised();
    await served(world, 30, (name) => (name === "cheap" ? 9_000 : 300));
    const lately = world.records.slice(-10).map(({ deployment }) => deployment);
    assert.equal(lately.filter((name) => name === "cheap/m").length, 0, lately.join(" "));
    assert.ok(world.records.every(({ outcome }) => outcome === "ok"));
    assertBooksAgree(world);
  });

  it("is steered by whole answers of streams where those are promised: who begins late and ends in time goes before who does the contrary", async () => {
    const within = [{ upToInputTokens: null, withinMs: 10_000 }];
    const whole: Objective = { ...IN_TIME, name: "latency", kind: "latency", within };
    const times = { cheap: { first: 300, end: 20_000 }, dear: { first: 3_000, end: 5_000 } } as const;
    const world = promised({ objectives: [AVAILABLE, whole], terms: { costOfFailureNanoUsd: 0, costOfDelayNanoUsdPerS: 0, hedgeShare: 0.05, exploreShare: 0.03 } });
    for (let i = 0; i < 30; i++) {
      const before = world.upstream.calls.length;
      await world.ask({ stream: true });
      for (let ms = 100; ms <= 20_000; ms += 100) {
        await world.pass(100);
        for (const call of world.upstream.calls.slice(before)) {
          const { first, end } = times[call.to as keyof typeof times];
          if (call.aborted) continue;
          if (ms === first) call.stream(ROLE, text("Hello"));
          if (ms === end) call.say(text(" there."), finish(), usage(), DONE).end();
        }
      }
      await world.pass(1_000);
    }
    const lately = world.records.slice(-10);
    assert.deepEqual(lately.map(({ deployment }) => deployment), Array.from({ length: 10 }, () => "dear/m"));
    assert.ok(lately.every(({ outcome, totalMs }) => outcome === "ok" && totalMs <= 10_000));
    const plan = lately.at(-1)?.decision["plan"] as { scores: { deployment: string; slow: number }[] };
    const slow = Object.fromEntries(plan.scores.map((one) => [one.deployment, one.slow]));
    assert.ok((slow["cheap/m"] ?? 0) > 0.04 && (slow["dear/m"] ?? 1) < 0.01, JSON.stringify(slow));
    assertBooksAgree(world);
  });

  it("starts another beside a call that takes longer than its like, shows the first that comes, and books both", async () => {
    const world = promised({ terms: { costOfFailureNanoUsd: 0, costOfDelayNanoUsdPerS: 50_000_000, hedgeShare: 0.05, exploreShare: 0 } });
    await served(world, 30, () => 300);
    const before = world.upstream.calls.length;
    const { reply } = await world.ask({ stream: true });
    for (let ms = 0; ms < 3_900 && world.upstream.calls.length === before + 1; ms += 100) await world.pass(100);
    const [slow, hedge] = world.upstream.calls.slice(before);
    assert.ok(hedge !== undefined, "nothing was started beside it");
    assert.notEqual(hedge.to, slow?.to);
    hedge.stream(...GOOD_STREAM);
    await world.pass();
    assert.equal(reply.shown, "Hello there.");
    const record = world.records.at(-1);
    assert.deepEqual(record?.attempts.map(({ outcome }) => outcome).toSorted(), ["answered", "superseded"]);
    assert.equal(record?.deployment, `${hedge.to}/m`);
    assert.deepEqual([record.decision["taken_as"], record.flags.includes("hedged"), world.records.filter(({ flags }) => flags.includes("hedged")).length], [["first", "hedge"], true, 1]);
    assert.equal(world.records[0]?.decision["taken_as"], undefined);
    assertBooksAgree(world);
  });

  it("reads what was started to learn of it up to its first content, though another has won, and then lets it go", async () => {
    const world = promised({ terms: { costOfFailureNanoUsd: 0, costOfDelayNanoUsdPerS: null, hedgeShare: 0, exploreShare: 0.5 } });
    let raced = 0;
    for (let i = 0; i < 60 && raced === 0; i++) {
      const before = world.upstream.calls.length;
      const { reply } = await world.ask({ stream: true });
      const [first, second] = world.upstream.calls.slice(before);
      await world.pass(300);
      first?.stream(...GOOD_STREAM);
      await world.pass();
      assert.equal(reply.shown, "Hello there.");
      if (second !== undefined) {
        raced += 1;
        assert.equal(second.aborted, false, "it was cut off before it told anything");
        assert.equal(reply.ended, true, "the client waited for it");
        second.stream(ROLE, text("Late"), finish(), usage(), DONE);
        await world.pass();
        assert.deepEqual(world.records.at(-1)?.attempts.map(({ outcome }) => outcome), ["answered", "superseded"]);
      }
      await world.pass(60_000);
    }
    assert.equal(raced, 1, "nothing was explored");
    assertBooksAgree(world);
  });

  /** Asks until one is raced, and has the first answer it after 300 ms. */
  async function raced(world: World, stream: boolean): Promise<{ readonly reply: WatchedReply; readonly beside: ScriptedCall }> {
    for (let i = 0; i < 60; i++) {
      const before = world.upstream.calls.length;
      const { reply } = await world.ask({ stream });
      const [first, beside] = world.upstream.calls.slice(before);
      await world.pass(300);
      if (stream) first?.stream(...GOOD_STREAM);
      else first?.json(GOOD_ANSWER);
      await world.pass();
      if (beside !== undefined) return { reply, beside };
      await world.pass(60_000);
    }
    throw new Error("nothing was explored");
  }

  for (const stream of [true, false]) {
    it(`lets go of what was started to learn of it once it is late, though the answer has ended long since (${stream ? "stream" : "JSON"})`, async () => {
      const world = promised({ terms: { costOfFailureNanoUsd: 0, costOfDelayNanoUsdPerS: null, hedgeShare: 0, exploreShare: 0.5 }, ...(stream ? {} : { clocks: { attemptMs: 30_000 } }) });
      const { reply, beside } = await raced(world, stream);
      const before = world.records.length;
      assert.deepEqual([reply.ended, beside.aborted], [true, false]);
      await world.pass(31_000);
      assert.equal(beside.aborted, true, "it hangs for as long as it likes");
      assert.equal(world.records.length, before + 1);
      assert.equal(world.clock.waiting, 0);
      assertBooksAgree(world);
    });
  }

  it("takes a request's time by its own answer, not by what went on beside it, and says of its cost that more may come", async () => {
    const world = promised({ terms: { costOfFailureNanoUsd: 0, costOfDelayNanoUsdPerS: null, hedgeShare: 0, exploreShare: 0.5 } });
    const { reply, beside } = await raced(world, false);
    assert.match(reply.header("x-spillway-cost-usd") ?? "", /; estimated$/);
    await world.pass(9_000);
    beside.json(GOOD_ANSWER);
    await world.pass();
    assert.deepEqual([world.records.at(-1)?.totalMs, world.records.at(-1)?.attempts.map(({ totalMs }) => totalMs)], [300, [300, 9_300]]);
    assertBooksAgree(world);
  });

  it("goes on where the one it prefers fails, and comes back to it when it is well", async () => {
    const world = promised();
    await served(world, 5, () => 300);
    for (let i = 0; i < 12; i++) {
      const before = world.upstream.calls.length;
      const { reply } = await world.ask({ stream: true });
      for (let turn = 0; turn < 3; turn++) {
        const call = world.upstream.calls.slice(before)[turn];
        if (call?.to === "cheap") call.refuse(503);
        else call?.stream(...GOOD_STREAM);
        await world.pass();
      }
      assert.equal(reply.shown, "Hello there.");
      await world.pass(100);
    }
    const failed = world.upstream.calls.filter(({ to }) => to === "cheap").length - 5;
    assert.ok(failed >= 1 && failed <= 5, `${failed} calls went to what fails`);
    let back = 0;
    for (; back < 40 && world.records.at(-1)?.deployment !== "cheap/m"; back++) await served(world, 20, () => 300);
    assert.ok(back < 40, "it was never tried again");
    const last = world.records.length;
    await served(world, 20, () => 300);
    assert.ok(world.records.slice(last).some(({ deployment }) => deployment === "cheap/m"));
    assertBooksAgree(world);
  });
});

describe("a route that promises nothing", () => {
  it("is served in its owner's order, weighs nothing and remembers nothing", async () => {
    const world = new World({ candidates: [DEAR, CHEAP] });
    await served(world, 2, () => 300);
    assert.deepEqual(world.records.map(({ deployment }) => deployment), ["dear/m", "dear/m"]);
    assert.equal(world.records[0]?.decision["plan"], undefined);
    assert.equal(world.deps.routes?.all().size, 0);
  });
});

describe("a strategy by name", () => {
  it("cheapest: goes by the price of the moment, whatever the owner's order", async () => {
    const world = new World({ candidates: [DEAR, CHEAP], strategy: "cheapest" });
    await served(world, 3, () => 300);
    assert.deepEqual(world.records.map(({ deployment }) => deployment), ["cheap/m", "cheap/m", "cheap/m"]);
  });

  it("fastest: goes by what each one's calls took, once that is known of all", async () => {
    const world = new World({ candidates: ["slow", "quick"], strategy: "fastest" });
    await served(world, 30, (name) => (name === "slow" ? 3_000 : 300));
    assert.deepEqual(world.records.slice(-5).map(({ deployment }) => deployment), ["quick/m", "quick/m", "quick/m", "quick/m", "quick/m"]);
  });

  /** So many JSON requests, 2 s apart at least; `answer` gives how long the whole answer takes and how many tokens it has. */
  async function whole(world: World, count: number, answer: (name: string) => { readonly ms: number; readonly tokens: number }): Promise<readonly string[]> {
    const first: string[] = [];
    for (let i = 0; i < count; i++) {
      await world.ask();
      const call = world.upstream.calls.at(-1) as ScriptedCall;
      const { ms, tokens } = answer(call.to);
      await world.pass(ms);
      call.json({ ...GOOD_ANSWER, usage: { prompt_tokens: 9, completion_tokens: tokens, total_tokens: 9 + tokens } });
      await world.pass(2_000);
      first.push(call.to);
    }
    return first;
  }

  it("fastest: whole answers go by the time for a token, since who writes more is no slower, and the record says so", async () => {
    const world = new World({ candidates: ["slow", "quick"], strategy: "fastest" });
    const first = await whole(world, 20, (name) => (name === "slow" ? { ms: 1_000, tokens: 20 } : { ms: 3_000, tokens: 300 }));
    assert.deepEqual([first.slice(0, 10).filter((name) => name === "slow").length, new Set(first.slice(10))], [5, new Set(["quick"])]);
    const estimates = world.records.at(-1)?.decision["estimates"] as { deployment: string; token_ms: number; calls: number }[];
    assert.deepEqual(estimates.map((one) => [one.deployment, one.token_ms]), [["quick/m", 10], ["slow/m", 50]]);
  });

  it("fastest: streams go by their first content, whatever whole answers took there", async () => {
    const world = new World({ candidates: ["a", "b"], strategy: "fastest" });
    // a is slow to begin and quick to write; b the contrary.
    await whole(world, 12, (name) => (name === "a" ? { ms: 3_000, tokens: 300 } : { ms: 6_000, tokens: 300 }));
    await served(world, 20, (name) => (name === "a" ? 2_000 : 300));
    assert.deepEqual(new Set(world.records.slice(-5).map(({ deployment }) => deployment)), new Set(["b/m"]));
    assert.deepEqual(new Set(await whole(world, 3, (name) => (name === "a" ? { ms: 3_000, tokens: 300 } : { ms: 6_000, tokens: 300 }))), new Set(["a"]));
  });

  it("fastest: tries a slower one again within what may be explored, and goes back to it once it is quicker", async () => {
    const world = new World({ candidates: ["a", "b"], strategy: "fastest" });
    await whole(world, 30, (name) => ({ ms: name === "a" ? 4_000 : 1_000, tokens: 50 }));
    world.random = 0.01;
    const tried = await whole(world, 30, (name) => ({ ms: name === "a" ? 4_000 : 1_000, tokens: 50 }));
    const count = tried.filter((name) => name === "a").length;
    assert.ok(count >= 3 && count <= 12, `${count} of 30 where chance always falls on it: every ten seconds`);
    world.random = 0.03;
    assert.equal((await whole(world, 30, (name) => ({ ms: name === "a" ? 4_000 : 1_000, tokens: 50 }))).includes("a"), false);
    world.random = 0.01;
    await whole(world, 150, (name) => ({ ms: name === "a" ? 200 : 1_000, tokens: 50 }));
    world.random = 0.5;
    assert.deepEqual(new Set(await whole(world, 5, (name) => ({ ms: name === "a" ? 200 : 1_000, tokens: 50 }))), new Set(["a"]));
    const off = new World({ candidates: ["a", "b"], strategy: "fastest", terms: { costOfFailureNanoUsd: 0, costOfDelayNanoUsdPerS: null, hedgeShare: 0.05, exploreShare: 0 } });
    off.random = 0;
    assert.equal((await whole(off, 40, (name) => ({ ms: name === "a" ? 4_000 : 1_000, tokens: 50 }))).slice(10).includes("a"), false);
  });

  it("least-busy: leaves the one that has calls waiting", async () => {
    const world = new World({ candidates: ["a", "b"], strategy: "least-busy" });
    await served(world, 4, () => 300);
    const busy = (await world.ask({ stream: true }), world.upstream.calls.at(-1)?.to);
    await world.ask({ stream: true });
    assert.notEqual(world.upstream.calls.at(-1)?.to, busy);
  });

  it("sticky: sends all of a user's requests to one place, and different users to different ones", async () => {
    const world = new World({ candidates: ["a", "b", "c"], strategy: "sticky" });
    const places = new Map<string, Set<string | undefined>>();
    for (let i = 0; i < 60; i++) {
      const user = `user-${i % 20}`;
      await world.ask({ stream: true, body: { user } });
      const call = world.upstream.calls.at(-1);
      call?.stream(...GOOD_STREAM);
      await world.pass(100);
      places.set(user, (places.get(user) ?? new Set()).add(call?.to));
    }
    for (const [user, at] of places) assert.equal(at.size, 1, `${user} went to ${[...at].join(" and ")}`);
    assert.equal(new Set([...places.values()].flatMap((at) => [...at])).size, 3);
  });
});

describe("a provider that tells what is left of its limits", () => {
  it("is left alone once nothing is, before it has refused anything, and called again when the limit is whole", async () => {
    const limits = { rateLimitHeaders: OPENAI_RATE_LIMITS };
    const world = new World({ candidates: [{ name: "a", provider: limits }, "b"] });
    const answer = async (left: number): Promise<string | undefined> => {
      await world.ask();
      const call = world.upstream.calls.at(-1);
      call?.json(GOOD_ANSWER, 200, call.to === "a" ? { "x-ratelimit-limit-requests": "3", "x-ratelimit-remaining-requests": String(left), "x-ratelimit-reset-requests": "20s" } : {});
      await world.pass();
      return call?.to;
    };
    assert.deepEqual([await answer(2), await answer(1), await answer(0), await answer(0)], ["a", "a", "a", "b"]);
    await world.pass(21_000);
    assert.equal(await answer(2), "a");
    assert.ok(world.records.every(({ attempts }) => attempts.length === 1));
  });
});
