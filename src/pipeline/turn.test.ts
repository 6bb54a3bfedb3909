/** Limits on pace: taken once per request before anything is held or called, told in every answer, given back whatever happens. */
import assert from "node:assert/strict";
import { describe, it } from "node:test";
import { RateLimits } from "../decide/limits/limits.ts";
import type { Caller, RateGate } from "../ports.ts";
import type { RateLimit } from "../wire/rates.ts";
import { MemoryState } from "../storage/state-memory.ts";
import { serveCount } from "./counting.ts";
import { serveResponses } from "./responses.ts";
import { flush } from "./test-clock.ts";
import { KeyedWorld } from "./test-repeats.ts";
import { WatchedReply } from "./test-reply.ts";
import { GOOD_ANSWER, GOOD_STREAM, ROLE, text } from "./test-upstream.ts";
import { assertBooksAgree, World, type RouteSpec } from "./test-world.ts";

const KEY = ["tenant/default", "key/app", "route/r", "model/m", "provider/a"];
/** The prompt's estimate, and what `GOOD_ANSWER` was counted at. */
const PROMPT = 2;
const ANSWERED = 12;
const CALLER: Caller = { tenant: "default", key: "app", scopes: ["tenant/default", "key/app"] };

function limit(more: Partial<RateLimit>): RateLimit {
  return { id: "l", scopes: ["key/app"], requestsPerMinute: null, tokensPerMinute: null, concurrency: null, ...more };
}

interface Limited {
  readonly world: World;
  readonly rates: RateLimits;
}

function limited(limits: readonly Partial<RateLimit>[], spec: RouteSpec = { candidates: ["a"] }, world = new World(spec)): Limited {
  const rates = new RateLimits();
  rates.configure(limits.map((one, i) => limit({ id: `l${i}`, ...one })), world.clock.nowMs());
  Object.assign(world.deps, { rates });
  return { world, rates };
}

const tokensLeft = ({ world, rates }: Limited): number | undefined => rates.standing(KEY, world.clock.nowMs()).tokens?.remaining;
const rateHeadersOf = (reply: WatchedReply): readonly string[] => reply.headers.filter((_, i) => (reply.headers[i - (i % 2)] ?? "").includes("ratelimit"));

/** Places whose models are told apart. */
const TWO: RouteSpec = { candidates: [{ name: "a", model: { canonical: "one" } }, { name: "b", model: { canonical: "two" } }] };

/** Whether a place is free where one request at a time may run. */
async function isFree({ world }: Limited): Promise<boolean> {
  const before = world.upstream.calls.length;
  const { reply } = await world.ask();
  if (world.upstream.calls.length > before) return true;
  assert.deepEqual([reply.status, reply.json.error.code], [429, "rate_limited"]);
  return false;
}

describe("a request beyond a limit of requests", () => {
  it("is refused before anything is held or called, with what is left and when to come back, and has its record", async () => {
    const { world } = limited([{ requestsPerMinute: 2 }]);
    await world.ask();
    await world.ask();
    const held = world.ledger.holds.length;
    const { reply, done } = await world.ask();
    assert.deepEqual([reply.status, reply.json.error.code, reply.json.error.type], [429, "rate_limited", "rate_limit_error"]);
    assert.equal(reply.json.error.message, "The limit l0 allows key/app 2 requests a minute: 0 are left. Please try again in 30s.");
    assert.deepEqual(["retry-after", "retry-after-ms", "x-should-retry", "x-spillway-attempts"].map((name) => reply.header(name)), ["30", "30000", "true", "0"]);
    assert.deepEqual([world.ledger.holds.length, world.upstream.calls.length, done], [held, 2, true]);
    assert.deepEqual([world.record.errorCode, world.record.status, world.record.flags, world.record.attempts], ["rate_limited", 429, ["rate_limited:requests"], []]);
  });

  it("is served when it comes back at the time it was told", async () => {
    const { world } = limited([{ requestsPerMinute: 2 }]);
    await world.ask();
    await world.ask();
    await world.pass(29_990);
    assert.equal((await world.ask()).reply.status, 429);
    await world.pass(10);
    await world.ask();
    assert.equal(world.upstream.calls.length, 3);
  });

  it("whose limit is zero is told that waiting is of no use, and SDKs that they need not", async () => {
    const { world } = limited([{ requestsPerMinute: 0 }]);
    const { reply } = await world.ask();
    assert.deepEqual([reply.header("x-should-retry"), reply.header("retry-after")], ["false", "60"]);
    assert.match(reply.json.error.message, /0 requests a minute: 0 are left\. Waiting is of no use\./);
  });

  it("earns no retries for others, and counts once however many attempts it takes", async () => {
    const { world } = limited([{ requestsPerMinute: 2 }], { candidates: ["a", "b"] });
    world.upstream.plays("a", (call) => void call.refuse(500));
    world.upstream.plays("b", (call) => void call.json(GOOD_ANSWER));
    const { reply } = await world.ask();
    await world.pass(1_000);
    assert.deepEqual([world.called, reply.status, reply.header("x-ratelimit-remaining-requests")], ["a b", 200, "1"]);
    await world.ask();
    const allowance = world.allowance.tokens(world.clock.nowMs());
    assert.equal((await world.ask()).reply.status, 429);
    assert.equal(world.allowance.tokens(world.clock.nowMs()), allowance);
  });
});

describe("a limit of tokens", () => {
  it("takes the prompt's estimate and the output that was asked, and is put right by what was billed", async () => {
    const all = limited([{ tokensPerMinute: 1_000 }]);
    await all.world.ask({ body: { max_tokens: 100, n: 2 } });
    assert.equal(tokensLeft(all), 1_000 - PROMPT - 200);
    all.world.call("a").json(GOOD_ANSWER);
    await all.world.pass();
    assert.equal(tokensLeft(all), 1_000 - ANSWERED);
  });

  it("takes the route's default where no output limit was asked, at most the model's, at most the whole limit", async () => {
    const wide = limited([{ tokensPerMinute: 100_000 }]);
    await wide.world.ask();
    assert.equal(tokensLeft(wide), 100_000 - PROMPT - 8_192);
    const model = limited([{ tokensPerMinute: 100_000 }], { candidates: [{ name: "a", maxOutput: 500 }] });
    await model.world.ask();
    assert.equal(tokensLeft(model), 100_000 - PROMPT - 500);
    const narrow = limited([{ tokensPerMinute: 1_000 }]);
    await narrow.world.ask();
    assert.deepEqual([narrow.world.called, tokensLeft(narrow)], ["a", 0]);
    narrow.world.call("a").json(GOOD_ANSWER);
    await narrow.world.pass();
    assert.equal(tokensLeft(narrow), 1_000 - ANSWERED);
  });

  it("says what the request counts for, and refuses for good only a prompt that alone is more", async () => {
    const { world } = limited([{ tokensPerMinute: 1_000 }]);
    await world.ask({ body: { max_tokens: 900 } });
    const { reply } = await world.ask({ body: { max_tokens: 900 } });
    assert.equal(reply.json.error.message, `The limit l0 allows key/app 1000 tokens a minute: 98 are left, and this request counts for 902 (prompt about ${PROMPT}, answer up to 900). Please try again in 48.24s.`);
    assert.deepEqual(world.records[0]?.flags, ["rate_limited:tokens"]);
    const long = await world.ask({ body: { messages: [{ role: "user", content: "word ".repeat(1_000) }] } });
    assert.match(long.reply.json.error.message, /Waiting is of no use/);
    assert.equal(long.reply.header("x-should-retry"), "false");
  });

  it("is given back where nothing was billed, and counts what a client that left is charged for", async () => {
    const all = limited([{ tokensPerMinute: 1_000 }]);
    await all.world.ask({ body: { max_tokens: 100 } });
    all.world.call("a").refuse(400);
    await all.world.pass();
    assert.equal(tokensLeft(all), 1_000);
    const asked = await all.world.ask({ stream: true, body: { max_tokens: 100 } });
    all.world.call("a").stream(ROLE, text("nine byte"));
    asked.reply.leave();
    await all.world.pass();
    assert.equal(tokensLeft(all), 1_000 - PROMPT - 3);
  });
});

describe("a limit of concurrency", () => {
  const ends: Readonly<Record<string, (all: Limited) => Promise<void>>> = {
    "when a whole answer has left": async ({ world }) => {
      await world.ask();
      world.call("a").json(GOOD_ANSWER);
    },
    "when a stream has ended": async ({ world }) => {
      await world.ask({ stream: true });
      world.call("a").stream(...GOOD_STREAM);
    },
    "when the provider fails": async ({ world }) => {
      await world.ask();
      world.call("a").refuse(400);
    },
    "when a stream breaks in its middle": async ({ world }) => {
      await world.ask({ stream: true });
      world.call("a").stream(ROLE, text("half")).fail();
    },
    "when the client leaves": async ({ world }) => {
      const { reply } = await world.ask({ stream: true });
      world.call("a").stream(ROLE, text("half"));
      reply.leave();
    },
    "when the client leaves before there is a call": async ({ world }) => {
      const open = world.ledger.holdBackHolds();
      world.askNow().reply.leave();
      open();
    },
    "when the deadline passes": async ({ world }) => {
      await world.ask({ headers: { "x-spillway-deadline-ms": "1000" } });
      await world.pass(1_000);
    },
    "when the gateway stops it": async ({ world }) => {
      (await world.ask()).exchange?.stopNow();
    },
    "when its hold is refused": async ({ world }) => {
      world.ledger.reserve = (holds) => {
        Reflect.deleteProperty(world.ledger, "reserve");
        return Promise.resolve(holds.map(() => ({ kind: "refused", code: "budget_exceeded", scope: "key/app", message: "spent", resetsAtMs: null })));
      };
      await world.ask();
    },
    "when a defect of ours breaks it off at its start": async ({ world }) => {
      const { ids } = world.deps;
      Object.assign(world.deps, {
        ids: {
          ...ids,
          attemptId: () => {
            Object.assign(world.deps, { ids });
            throw new Error("a defect");
          },
        },
      });
      assert.throws(() => world.askNow(), /a defect/);
    },
    "when a defect of ours breaks it off at its end": async ({ world }) => {
      const { reply } = await world.ask();
      reply.end = () => {
        throw new Error("a defect");
      };
      world.call("a").json(GOOD_ANSWER);
    },
  };
  for (const [when, end] of Object.entries(ends)) {
    it(`has its place free again ${when}`, async () => {
      const all = limited([{ concurrency: 1 }]);
      await end(all);
      await all.world.pass();
      assert.ok(await isFree(all), "the place is not free");
      assert.equal(await isFree(all), false, "there is one place only");
    });
  }

  it("keeps the place to the last byte, and tells when to ask again", async () => {
    const { world } = limited([{ concurrency: 1 }]);
    await world.ask({ stream: true });
    world.call("a").stream(...GOOD_STREAM.slice(0, -1));
    const { reply } = await world.ask();
    assert.equal(reply.json.error.message, "The limit l0 allows key/app 1 requests at once, and as many are under way. Please try again in 1s.");
    assert.deepEqual([world.records[0]?.flags, rateHeadersOf(reply)], [["rate_limited:concurrency"], []]);
  });

  it("keeps the place while the answer of a client that left is read on", async () => {
    const all = limited([{ concurrency: 1 }], { candidates: [{ name: "a", provider: { onClientGone: "drain" } }] });
    const { reply } = await all.world.ask({ stream: true });
    const call = all.world.call("a").stream(ROLE, text("half"));
    reply.leave();
    await all.world.pass();
    assert.equal(await isFree(all), false);
    call.say(...GOOD_STREAM.slice(2));
    await all.world.pass();
    assert.ok(await isFree(all));
  });
});

describe("what a limit counts by", () => {
  it("is the first candidate of the choice: a limit on another model of the route is not asked", async () => {
    const { world } = limited([{ scopes: ["model/two"], requestsPerMinute: 0 }], TWO);
    world.upstream.plays("a", (call) => void call.refuse(500));
    world.upstream.plays("b", (call) => void call.json(GOOD_ANSWER));
    const { reply } = await world.ask();
    await world.pass(1_000);
    assert.deepEqual([world.called, reply.status, rateHeadersOf(reply)], ["a b", 200, []]);
  });

  it("is the route and the first model, and a limit on either stands in the way of all of it", async () => {
    for (const scope of ["model/one", "provider/a", "route/r", "tenant/default"]) {
      const { world } = limited([{ scopes: [scope], requestsPerMinute: 0 }], TWO);
      assert.equal((await world.ask()).reply.status, 429, scope);
      assert.equal(world.called, "");
    }
  });

  it("is not told to a key that hears of no deployments", async () => {
    const { world } = limited([{ id: "l#model/one", scopes: ["key/app", "model/one", "route/r"], requestsPerMinute: 0 }], TWO);
    const reply = new WatchedReply(() => {});
    const expose = { routes: null, models: null, residency: null, expose: "none", maxRequestNanoUsd: null, defaultMaxOutput: null, tagFields: [] } as const;
    serveCount(world.deps, { requestId: "req_1", caller: { ...CALLER, policy: expose }, body: new TextEncoder().encode(`{"model":"r","input":"hi"}`), asked: { surface: "responses-input-tokens", model: undefined, stream: undefined, query: "" }, header: () => undefined, reply, done: () => {}, snapshot: world.snapshot }, "responses-input-tokens", () => {});
    await flush();
    assert.match(reply.text, /The limit l allows key\/app \+ route\/r 0 requests/);
  });
});

describe("rate-limit headers", () => {
  it("tell of the tightest limits how much is left and when all of it is there again", async () => {
    const { world } = limited([{ requestsPerMinute: 100, tokensPerMinute: 9_000 }, { scopes: ["tenant/default"], requestsPerMinute: 10 }]);
    const { reply } = await world.ask({ body: { max_tokens: 898 } });
    world.call("a").json(GOOD_ANSWER, 200, { "x-ratelimit-remaining-requests": "777", "x-ratelimit-limit-requests": "888", "x-ratelimit-reset-requests": "9s" });
    await world.pass();
    assert.deepEqual(rateHeadersOf(reply), ["x-ratelimit-limit-requests", "10", "x-ratelimit-remaining-requests", "9", "x-ratelimit-reset-requests", "6s", "x-ratelimit-limit-tokens", "9000", "x-ratelimit-remaining-tokens", "8100", "x-ratelimit-reset-tokens", "6s"]);
  });

  it("stand on streams, on errors of providers and on refusals, in the surface's form", async () => {
    const told = async (surface: "messages" | "chat-v2"): Promise<readonly string[]> => {
      const { world } = limited([{ requestsPerMinute: 1 }]);
      await world.ask();
      const { reply } = await world.ask({ surface, body: { max_tokens: 5 } });
      assert.equal(reply.status, 429);
      return rateHeadersOf(reply);
    };
    assert.deepEqual(await told("messages"), ["anthropic-ratelimit-requests-limit", "1", "anthropic-ratelimit-requests-remaining", "0", "anthropic-ratelimit-requests-reset", "2026-11-23T08:01:10Z"]);
    assert.deepEqual(await told("chat-v2"), ["x-ratelimit-limit-requests", "1", "x-ratelimit-remaining-requests", "0", "x-ratelimit-reset-requests", "1m0s"]);
    const { world } = limited([{ requestsPerMinute: 60 }]);
    const streamed = await world.ask({ stream: true });
    world.call("a").stream(...GOOD_STREAM);
    const failed = await world.ask();
    world.call("a").refuse(400);
    await world.pass();
    assert.deepEqual([streamed.reply, failed.reply].map((reply) => [reply.status, reply.header("x-ratelimit-remaining-requests")]), [[200, "59"], [400, "58"]]);
  });

  it("are not repeated with an answer that is told again", async () => {
    const world = new KeyedWorld();
    limited([{ requestsPerMinute: 1 }], undefined, world.world);
    const first = await world.ask({ key: "k" });
    world.world.call("a").json(GOOD_ANSWER);
    await world.settle();
    const again = await world.ask({ key: "k" });
    assert.deepEqual([first.header("x-ratelimit-remaining-requests"), again.status, again.header("x-spillway-replayed"), rateHeadersOf(again)], ["0", 200, "true", []]);
    const refused = await world.ask({ key: "other" });
    assert.equal(refused.status, 429);
    await world.world.pass(60_000);
    await world.ask({ key: "other" });
    assert.equal(world.world.called, "a a", "a refusal keeps its key");
  });
});

describe("a response in the background", () => {
  function ask(all: Limited): WatchedReply {
    const { world } = all;
    const reply = new WatchedReply(() => {});
    const body = new TextEncoder().encode(JSON.stringify({ model: "r", input: "hi", background: true }));
    serveResponses(world.deps, { requestId: world.deps.ids.requestId(), caller: CALLER, body, asked: { surface: "responses", model: undefined, stream: undefined, query: "" }, header: () => undefined, reply, done: () => {}, snapshot: world.snapshot }, () => {});
    return reply;
  }

  it("is refused at once beyond a limit, tells how the limits stand, and has its place until it is made", async () => {
    const all = limited([{ concurrency: 1, requestsPerMinute: 60 }]);
    const { world } = all;
    Object.assign(world.deps, { state: new MemoryState({}, () => world.clock.wallMs()) });
    const accepted = ask(all);
    await world.pass(20);
    assert.deepEqual([accepted.status, accepted.ended, accepted.header("x-ratelimit-remaining-requests")], [200, true, "59"]);
    const refused = ask(all);
    await world.pass(20);
    assert.deepEqual([refused.status, refused.json.error.code], [429, "rate_limited"]);
    assert.equal(world.deps.background.count, 1);
    world.call("a").stream(...GOOD_STREAM);
    await world.pass(1_000);
    assert.deepEqual([world.deps.background.count, await isFree(all)], [0, true]);
  });
});

describe("without limits", () => {
  it("nobody is asked", async () => {
    const world = new World({ candidates: ["a"] });
    const never = (): never => assert.fail("asked");
    const rates: RateGate = { any: false, admit: never, done: never, standing: never, closedModels: never };
    Object.assign(world.deps, { rates });
    const { reply } = await world.ask();
    world.call("a").json(GOOD_ANSWER);
    await world.pass();
    assert.deepEqual([reply.status, rateHeadersOf(reply)], [200, []]);
    assertBooksAgree(world);
  });

  it("that apply to a request nothing is told or counted", async () => {
    const all = limited([{ scopes: ["key/other"], requestsPerMinute: 0, concurrency: 0 }]);
    const { reply } = await all.world.ask();
    all.world.call("a").json(GOOD_ANSWER, 200, { "x-ratelimit-limit-requests": "888" });
    await all.world.pass();
    assert.deepEqual([reply.status, rateHeadersOf(reply)], [200, []]);
  });
});
