import assert from "node:assert/strict";
import { describe, it } from "node:test";
import { VirtualClock } from "../pipeline/test-clock.ts";
import type { Delivery, Log, NoticeOutbox, NoticeTransport } from "../ports.ts";
import type { Json } from "../wire/json.ts";
import type { Channel, Notice } from "../wire/notice.ts";
import { mailOf, slackBody, webhookBody } from "./message.ts";
import { Notifier } from "./notifier.ts";
import { SIGNATURE_HEADER, signatureOf, verifySignature } from "./sign.ts";

const HOUR_MS = 3_600_000;
const DELIVERED: Delivery = { kind: "delivered" };
const BUSY: Delivery = { kind: "failed", retry: true, message: "answered 503", retryAfterMs: null };

function notice(more: Partial<Notice> = {}): Notice {
  return { kind: "budget_alert", severity: "warning", title: "80 % of app-day is spent", text: "Mind it.", fields: { budget: "app-day" }, dedupKey: "a", atMs: 0, tenant: "default", scopes: ["key/app"], ...more };
}
function hook(more: Partial<Channel> = {}): Channel {
  return { id: "ops", name: "ops", type: "webhook", host: "x.test", target: () => ({ type: "webhook", url: "https://x.test/", secret: "s" }), kinds: null, minSeverity: "info", scopes: null, tenant: null, perHour: 30, publicOnly: false, ...more };
}

/** A receiver that answers as it is told to. */
class World implements NoticeTransport, NoticeOutbox {
  readonly clock = new VirtualClock();
  readonly posts: { readonly url: string; readonly headers: Readonly<Record<string, string>>; readonly body: string; readonly atMs: number }[] = [];
  readonly warnings: string[] = [];
  answer: () => Delivery | Promise<Delivery> = () => DELIVERED;
  kept: Json | null = null;
  #ids = 0;

  notifier(): Notifier {
    const log: Log = { info: () => undefined, warn: (event) => void this.warnings.push(event), error: () => undefined };
    return new Notifier({ clock: this.clock, transport: this, outbox: this, log, random: () => 0.5, newId: () => `n${++this.#ids}` });
  }

  async post(url: string, headers: Readonly<Record<string, string>>, body: string): Promise<Delivery> {
    this.posts.push({ url, headers, body, atMs: this.clock.nowMs() });
    return await this.answer();
  }

  mail(): Promise<Delivery> {
    return Promise.resolve(DELIVERED);
  }

  load(): Json | null {
    return this.kept;
  }

  save(waiting: Json): void {
    this.kept = JSON.parse(JSON.stringify(waiting)) as Json;
  }

  /** Titles of what was sent, in order. */
  get titles(): readonly string[] {
    return this.posts.map(({ body }) => (JSON.parse(body) as { title: string }).title);
  }
}

function started(channels: readonly Channel[] = [hook()]): { world: World; notifier: Notifier } {
  const world = new World();
  const notifier = world.notifier();
  notifier.configure(channels);
  return { world, notifier };
}

describe("an alert", () => {
  it("goes once to every channel that takes it, signed", async () => {
    const { world, notifier } = started([hook(), hook({ id: "quiet", minSeverity: "critical" }), hook({ id: "forecasts", kinds: ["forecast"] }), hook({ id: "team", scopes: ["team/search", "key/app"] }), hook({ id: "acme", tenant: "acme" })]);
    assert.equal(notifier.notify(notice()), true);
    await world.clock.advance(0);
    assert.equal(world.posts.length, 2);
    const [first] = world.posts;
    assert.ok(verifySignature("s", first?.body ?? "", first?.headers[SIGNATURE_HEADER] ?? "", world.clock.wallMs()));
    assert.deepEqual(notifier.states().map(({ channel, delivered }) => [channel.id, delivered]), [["ops", 1], ["quiet", 0], ["forecasts", 0], ["team", 1], ["acme", 0]]);
  });

  it("is told once within its time, and again after it; those of another organisation are others", async () => {
    const { world, notifier } = started();
    assert.deepEqual([notifier.notify(notice()), notifier.notify(notice()), notifier.notify(notice({ tenant: "acme" }))], [true, false, true]);
    await world.clock.advance(HOUR_MS - 1);
    assert.equal(notifier.notify(notice()), false);
    await world.clock.advance(1);
    assert.equal(notifier.notify(notice({ dedupMs: 10 })), true);
    await world.clock.advance(10);
    assert.equal(notifier.notify(notice()), true);
    await world.clock.advance(0);
    assert.equal(world.posts.length, 4);
  });

  it("is tried five times over about ten minutes, under one id, and then given up and logged", async () => {
    const { world, notifier } = started();
    world.answer = () => BUSY;
    notifier.notify(notice());
    await world.clock.advance(2 * HOUR_MS);
    const start = world.posts[0]?.atMs ?? 0;
    assert.deepEqual(world.posts.map(({ atMs }) => (atMs - start) / 1_000), [0, 5, 35, 155, 575]);
    assert.equal(new Set(world.posts.map(({ body }) => (JSON.parse(body) as { id: string }).id)).size, 1);
    assert.equal(world.warnings.filter((event) => event === "alert_undelivered").length, 1);
    assert.deepEqual(notifier.states().map(({ waiting, failed, last }) => [waiting, failed, last?.delivery.kind]), [[0, 1, "failed"]]);
  });

  it("waits as long as the receiver asks, and is not tried again where that is no use", async () => {
    const { world, notifier } = started();
    world.answer = () => ({ ...BUSY, retryAfterMs: 90_000 });
    notifier.notify(notice());
    await world.clock.advance(89_000);
    assert.equal(world.posts.length, 1);
    world.answer = () => ({ ...BUSY, retry: false });
    await world.clock.advance(HOUR_MS);
    assert.equal(world.posts.length, 2);
  });

  it("that cannot be brought holds up neither the next one nor who told it", async () => {
    const { world, notifier } = started();
    let release: (delivery: Delivery) => void = () => undefined;
    world.answer = () => new Promise((resolve) => (release = resolve));
    notifier.notify(notice({ title: "slow" }));
    notifier.notify(notice({ title: "next", dedupKey: "b" }));
    await world.clock.advance(1);
    assert.deepEqual(world.titles, ["slow"]);
    world.answer = () => DELIVERED;
    release(BUSY);
    await world.clock.advance(1);
    assert.deepEqual(world.titles, ["slow", "next"]);
    await world.clock.advance(5_000);
    assert.deepEqual(world.titles, ["slow", "next", "slow"]);
  });
});

describe("a channel", () => {
  it("takes so many an hour; what is beyond is counted in one line when the hour is over", async () => {
    const { world, notifier } = started([hook({ perHour: 3 })]);
    for (let i = 0; i < 10; i++) notifier.notify(notice({ title: `t${i}`, dedupKey: `k${i}`, severity: i === 7 ? "critical" : "warning", kind: i < 5 ? "overrun" : "budget_alert" }));
    await world.clock.advance(HOUR_MS - 10);
    assert.deepEqual(world.titles, ["t0", "t1", "t2"]);
    await world.clock.advance(20);
    assert.equal(world.posts.length, 4);
    const digest = JSON.parse(world.posts[3]?.body ?? "") as { kind: string; severity: string; title: string; text: string; fields: unknown };
    assert.deepEqual([digest.kind, digest.severity, digest.title], ["digest", "critical", "7 more alerts were held back in the last hour"]);
    assert.match(digest.text, /2 overrun, 5 budget_alert.*t7/);
    notifier.notify(notice({ title: "anew", dedupKey: "anew" }));
    await world.clock.advance(1);
    assert.equal(world.titles.at(-1), "anew");
  });

  it("holds a bounded number, however many come while nobody takes them", async () => {
    const { world, notifier } = started([hook({ perHour: 10_000 })]);
    world.answer = () => BUSY;
    for (let i = 0; i < 1_000; i++) notifier.notify(notice({ dedupKey: `k${i}` }));
    assert.deepEqual(notifier.states().map(({ waiting, heldBack }) => [waiting, heldBack]), [[200, 800]]);
    await world.clock.advance(1);
    assert.ok(JSON.stringify(world.kept).length < 400_000);
  });

  it("is tested at once, beside filters, limits and repeats, by its name, its id, or with all others", async () => {
    const { world, notifier } = started([hook({ id: "config:ops", name: "ops", perHour: 1, minSeverity: "critical", kinds: ["overrun"] }), hook({ id: "b", name: "Second" })]);
    notifier.notify(notice({ kind: "overrun", severity: "critical" }));
    for (const wanted of ["ops", "config:ops", "Second", null]) assert.ok(((await notifier.test(wanted)) ?? []).every(({ delivery }) => delivery.kind === "delivered"));
    assert.equal(await notifier.test("nobody"), null);
    assert.equal(world.titles.filter((title) => title === "A test of this channel").length, 5);
    world.answer = () => ({ ...BUSY, retry: false, message: "answered 404" });
    assert.deepEqual((await notifier.test("b"))?.map(({ delivery }) => delivery), [{ kind: "failed", retry: false, message: "answered 404", retryAfterMs: null }]);
  });

  it("that goes takes along what waits for it; one that stays goes on under its new address", async () => {
    const { world, notifier } = started([hook(), hook({ id: "b" })]);
    world.answer = () => BUSY;
    notifier.notify(notice());
    await world.clock.advance(1);
    world.answer = () => DELIVERED;
    notifier.configure([hook({ type: "slack", target: () => ({ type: "slack", url: "https://new.test/" }) })]);
    await world.clock.advance(HOUR_MS);
    assert.deepEqual(world.posts.map(({ url }) => url), ["https://x.test/", "https://x.test/", "https://new.test/"]);
  });
});

describe("what waits", () => {
  it("outlives the process, with what was told already", async () => {
    const { world, notifier } = started();
    world.answer = () => BUSY;
    notifier.notify(notice({ title: "late" }));
    await world.clock.advance(1);
    notifier.close();
    assert.equal(notifier.notify(notice({ dedupKey: "after the end" })), false);
    world.answer = () => DELIVERED;
    const next = world.notifier();
    next.configure([hook()]);
    assert.equal(next.notify(notice({ title: "late" })), false);
    await world.clock.advance(1);
    assert.deepEqual(world.titles, ["late", "late"]);
    await world.clock.advance(HOUR_MS);
    assert.deepEqual((world.kept as { waiting?: unknown }).waiting, []);
  });

  it("is left out where the file was tampered with or cut off", () => {
    for (const kept of [null, 3, [], { waiting: 7, told: {} }, { waiting: [1, { channel: "ops", id: "x", tries: 1, notice: { kind: "x" } }, { channel: "ops", id: "x", tries: 0, notice: { ...notice(), severity: "loud" } }], told: [[1, 2], "a"] }]) {
      const world = new World();
      world.kept = kept as unknown as Json;
      world.notifier().configure([hook()]);
      assert.equal(world.posts.length, 0);
    }
  });
});

describe("a webhook's signature", () => {
  const body = webhookBody("n1", notice());
  const good = signatureOf("secret", body, 1_000_000);

  it("holds for the body, the secret and the time, and for nothing else", () => {
    assert.match(good, /^t=1000,v1=[0-9a-f]{64}$/);
    assert.ok(verifySignature("secret", body, good, 1_000_000));
    for (const [secret, text, header, nowMs] of [["other", body, good, 1_000_000], ["secret", `${body} `, good, 1_000_000], ["secret", body, good.replace("1000", "1001"), 1_000_000], ["secret", body, good, 1_400_000], ["secret", body, "", 1_000_000], ["", body, good, 1_000_000]] as const) {
      assert.equal(verifySignature(secret, text, header, nowMs), false);
    }
  });

  it("is refused with an empty secret", () => {
    assert.throws(() => signatureOf("", body, 0), /needs a secret/);
  });
});

describe("an alert's words", () => {
  it("cannot call a channel or make a link where Slack reads them, nor add a header to a mail", () => {
    const evil = notice({ title: "<!channel>\r\nBcc: all@x.test", text: "<https://evil.test|click> & more", fields: { "<k>": "<v>", gone: null } });
    const slack = slackBody(evil);
    assert.ok(!slack.includes("<") && slack.includes("&lt;!channel&gt;") && !slack.includes("gone"));
    assert.doesNotMatch(mailOf(evil).subject, /[\r\n]/);
  });

  it("stay within what the receivers take", () => {
    const long = notice({ title: "t".repeat(5_000), text: "x".repeat(50_000), fields: Object.fromEntries(Array.from({ length: 40 }, (_, i) => [`f${i}`, "v".repeat(5_000)])) });
    const { blocks } = JSON.parse(slackBody(long)) as { blocks: readonly { readonly text?: { readonly text: string }; readonly fields?: readonly { readonly text: string }[] }[] };
    assert.ok((blocks[0]?.text?.text.length ?? 0) <= 3_000);
    assert.equal(blocks[1]?.fields?.length, 10);
    assert.ok(blocks[1]?.fields?.every(({ text }) => text.length <= 2_000));
    assert.ok(mailOf(long).subject.length <= 200);
  });
});
