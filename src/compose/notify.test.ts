import assert from "node:assert/strict";
import { mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { after, describe, it } from "node:test";
import type { Config } from "../config/types.ts";
import { NO_VAULT } from "../control/seal.ts";
import { BudgetBook, type BudgetAlert } from "../decide/budget/book.ts";
import type { Budget } from "../decide/budget/types.ts";
import type { Deployment } from "../decide/deployment.ts";
import { HealthBook } from "../decide/health/book.ts";
import { provider, sheet } from "../decide/test-directory.ts";
import { VirtualClock } from "../pipeline/test-clock.ts";
import type { Delivery, NoticeTransport, RequestRecord } from "../ports.ts";
import type { PriceSheet } from "../wire/facts.ts";
import type { Channel } from "../wire/notice.ts";
import { Alerts } from "./notify.ts";

const HOUR_MS = 3_600_000;
const DOLLAR = 1_000_000_000;
const folder = mkdtempSync(join(tmpdir(), "spillway-notify-"));
after(() => rmSync(folder, { recursive: true, force: true }));
let worlds = 0;

interface Told {
  readonly kind: string;
  readonly severity: string;
  readonly title: string;
  readonly text: string;
  readonly tenant: string;
}

/** Everything that alerts look at, moved by hand. */
class World implements NoticeTransport {
  readonly clock = new VirtualClock();
  readonly health = new HealthBook({ restMs: 1_000, restMaxMs: 1_000 });
  readonly told: Told[] = [];
  readonly book = new BudgetBook();
  readonly budgets = { any: true, book: this.book, alertsDue: (): readonly BudgetAlert[] => this.book.alertsDue() };
  deployments: readonly Deployment[] = [this.deployment("a/m", sheet(1, 2))];
  readonly alerts: Alerts;
  #attempts = 0;

  constructor(joined = false, at = `w${++worlds}`) {
    const channel: Channel = { id: "c", name: "c", type: "webhook", host: "", target: () => ({ type: "webhook", url: "https://x.test/", secret: "s" }), kinds: null, minSeverity: "info", scopes: null, tenant: null, perHour: 1_000, publicOnly: false };
    const log = { info: () => undefined, warn: () => undefined, error: (event: string, fields?: unknown) => assert.fail(`${event} ${JSON.stringify(fields)}`) };
    this.alerts = new Alerts({
      clock: this.clock, log, transport: this, folder: mkdtempSync(join(folder, at)), store: { all: () => [], onChange: () => undefined }, vault: NO_VAULT, budgets: this.budgets, health: this.health,
      config: () => ({ channels: [channel] }) as unknown as Config, deployments: () => this.deployments, accounts: () => ["a", "b"], joined,
    });
  }

  deployment(id: string, price: PriceSheet, later: readonly { readonly fromMs: number; readonly sheet: PriceSheet }[] = []): Deployment {
    const account = id.split("/")[0] ?? "";
    return { id, account, provider: provider(account), model: null, upstreamModel: "m", pricing: { kind: "sheet", sheet: price, ...(later.length > 0 ? { later } : {}) }, contextWindow: 1_000, maxOutput: 100, baseUrl: "", region: null, domain: {}, reasons: false };
  }

  budget(more: Partial<Budget> = {}, settledUsd = 0): void {
    const one: Budget = { id: "b", scopes: ["tenant/acme", "team/x"], period: "month", timeZone: "UTC", limitNanoUsd: 100 * DOLLAR, kind: "hard", alertsAtPermille: [500, 800, 1000], cheaperFromPermille: null, ...more };
    this.book.configure([one], () => ({ settledNanoUsd: settledUsd * DOLLAR, overrunNanoUsd: 0, toldPermille: 0 }), this.clock.wallMs());
  }

  /** A call of so many dollars, held at `heldUsd`. */
  spend(usd: number, heldUsd = usd): void {
    const attemptId = `at${++this.#attempts}`;
    const wallMs = this.clock.wallMs();
    this.book.admit({ attemptId, requestId: attemptId, scopes: ["tenant/acme", "team/x"], boundNanoUsd: heldUsd * DOLLAR, wallMs });
    this.book.settle(attemptId, usd * DOLLAR, wallMs);
  }

  /** Time passes with a look around at each step. */
  async pass(ms: number, stepMs = Math.min(ms, 60_000)): Promise<void> {
    for (let passed = 0; passed < ms; passed += stepMs) {
      this.alerts.tick();
      await this.clock.advance(stepMs);
    }
    this.alerts.tick();
    await this.clock.advance(0);
  }

  /** A finished request of one call. */
  async call(costNanoUsd: number, tokens = 1_000): Promise<void> {
    const attempt = { attemptId: "x", deployment: "a/m", state: "charged", outcome: "answered", status: 200, units: { input: tokens - 10, output: 10 }, costNanoUsd, flags: [], ttftMs: 1, totalMs: 1 } as const;
    this.alerts.recorded({ atMs: this.clock.wallMs(), attempts: [attempt] } as unknown as RequestRecord);
    await this.clock.advance(2_000);
  }

  of(kind: string): readonly string[] {
    return this.told.filter((one) => one.kind === kind).map(({ title }) => title);
  }

  post(_url: string, _headers: Readonly<Record<string, string>>, body: string): Promise<Delivery> {
    this.told.push(JSON.parse(body) as Told);
    return Promise.resolve({ kind: "delivered" });
  }

  mail(): Promise<Delivery> {
    return Promise.resolve({ kind: "delivered" });
  }
}

describe("alerts of budgets", () => {
  it("go to the budget's organisation, each threshold once, the highest of those that one charge crossed", async () => {
    const world = new World();
    world.budget();
    world.spend(30);
    await world.pass(1_000);
    world.spend(55);
    await world.pass(1_000);
    world.spend(15);
    await world.pass(60_000);
    assert.deepEqual(world.of("budget_alert"), ["80 % of the budget b is spent", "100 % of the budget b is spent"]);
    assert.deepEqual(world.told.filter(({ kind }) => kind === "budget_alert").map(({ severity, tenant }) => [severity, tenant]), [["warning", "acme"], ["critical", "acme"]]);
  });

  it("tell an overrun that comes while we look, each one, and none of before", async () => {
    const world = new World();
    world.budget();
    world.spend(3, 1);
    await world.pass(4_000, 1_000);
    assert.deepEqual(world.of("overrun"), []);
    world.spend(6, 1);
    await world.pass(4_000, 1_000);
    world.spend(2, 1);
    await world.pass(HOUR_MS);
    assert.deepEqual(world.of("overrun"), ["Billed $5.00 beyond what was held under the budget b", "Billed $1.00 beyond what was held under the budget b"]);
  });

  it("forecast a limit that will be reached within the period: when it looks so, and once a day after", async () => {
    const world = new World();
    // Monday 23 November, 8 o'clock: 22 days and 8 hours of the month have passed.
    world.budget({}, 60);
    await world.pass(HOUR_MS);
    assert.deepEqual(world.of("forecast"), []);
    world.spend(17);
    await world.pass(HOUR_MS);
    const [first] = world.told.filter(({ kind }) => kind === "forecast");
    assert.match(first?.title ?? "", /^The budget b will be used up in 7 days$/);
    assert.match(first?.text ?? "", /\$77\.00 of \$100\.00 for 2026-11 is spent by tenant\/acme \+ team\/x; the limit is reached about 2026-11-\d\dT/);
    await world.pass(23 * HOUR_MS, 600_000);
    assert.equal(world.of("forecast").length, 1);
    world.spend(4);
    await world.pass(24 * HOUR_MS, 600_000);
    assert.equal(world.of("forecast").length, 2);
  });

  it("leave thresholds and forecasts to the authority where there is one, but not their own overruns", async () => {
    const world = new World(true);
    world.budget();
    await world.pass(1_000);
    world.spend(90, 80);
    await world.pass(HOUR_MS);
    assert.deepEqual(world.told.map(({ kind }) => kind), ["overrun"]);
  });
});

describe("alerts of prices and costs", () => {
  it("tell another price list, an announced change that came and a price that is no longer known; not another version of the same", async () => {
    const world = new World();
    const told = (): readonly (readonly [string, string])[] => world.told.splice(0).map(({ severity, text }) => [severity, text] as const);
    world.deployments = [world.deployment("a/m", { ...sheet(1, 2), version: "other" })];
    world.alerts.pricesChanged();
    await world.clock.advance(0);
    assert.deepEqual(told(), []);
    world.deployments = [world.deployment("a/m", { ...sheet(1, 3), version: "v3", scheduled: [{ fromMs: world.clock.wallMs() + HOUR_MS, prices: { input: 500_000 } }] })];
    world.alerts.pricesChanged();
    await world.clock.advance(0);
    assert.deepEqual(told(), [["warning", "output from 2 to 3 USD per million. Routes with on_cost_spike: move put it last for a day."]]);
    await world.pass(HOUR_MS + 60_000);
    assert.deepEqual(told(), [["info", "input from 1 to 0.5 USD per million."]]);
    world.deployments = [{ ...world.deployment("a/m", sheet(1, 2)), pricing: { kind: "unknown" } }];
    world.alerts.pricesChanged();
    await world.clock.advance(0);
    assert.match(told().join(), /no price is known from now on/);
  });

  it("tell many changes of an account in one", async () => {
    const world = new World();
    const all = (output: number): void => void (world.deployments = Array.from({ length: 30 }, (_, i) => world.deployment(`a/m${i}`, { ...sheet(1, output), version: `v${output}` })));
    all(2);
    world.alerts.pricesChanged();
    all(1);
    world.alerts.pricesChanged();
    await world.clock.advance(0);
    assert.deepEqual(world.of("price_changed"), ["The prices of 30 models at a changed, 0 of them upwards"]);
  });

  it("tell calls that became dearer, mark the deployment for routes that move, and tell when it is over", async () => {
    const world = new World();
    const dear = (): string | undefined => world.health.view("a/m", "a", "chat", 0).dear;
    for (let i = 0; i < 320; i++) await world.call(1_000_000 + (i % 7) * 10_000);
    await world.pass(1_000);
    assert.equal(dear(), undefined);
    for (let i = 0; i < 64; i++) await world.call(4_000_000);
    await world.pass(1_000);
    assert.match(dear() ?? "", /^a million tokens cost \$4\.0000, 3\.9 times the usual \$1\.0/);
    for (let i = 0; i < 64; i++) await world.call(1_000_000);
    await world.pass(1_000);
    assert.equal(dear(), undefined);
    assert.deepEqual(world.of("cost_spike"), ["Calls of a/m became dearer", "The cost spike of a/m is over"]);
  });

  it("put a deployment last for a day whose price list became dearer", async () => {
    const world = new World();
    world.deployments = [world.deployment("a/m", { ...sheet(1, 3), version: "v3" })];
    world.alerts.pricesChanged();
    await world.pass(1_000);
    assert.match(world.health.view("a/m", "a", "chat", 0).dear ?? "", /output from 2 to 3/);
    await world.pass(24 * HOUR_MS);
    assert.equal(world.health.view("a/m", "a", "chat", 0).dear, undefined);
    assert.deepEqual(world.of("cost_spike"), []);
  });
});

describe("alerts of accounts", () => {
  const refuse = (world: World, reason: "auth" | "payment"): void => {
    const ticket = world.health.sent({ deployment: "a/m", account: "a", endpoint: "chat" }, 0, true);
    world.health.observe(ticket, { kind: "failed", fault: "provider", error: { class: reason, retryAfterMs: null } } as never, 0, 0.5);
  };

  it("tell a credential that is taken out, and that it serves again", async () => {
    const world = new World();
    refuse(world, "payment");
    await world.pass(3_000, 1_000);
    refuse(world, "payment");
    await world.pass(3_000, 1_000);
    world.health.retryAccount("a");
    const ticket = world.health.sent({ deployment: "a/m", account: "a", endpoint: "chat" }, 1, true);
    world.health.observe(ticket, { kind: "answered" } as never, 1, 0.5);
    await world.pass(3_000, 1_000);
    assert.deepEqual(world.told.map(({ kind, severity }) => [kind, severity]), [["provider_excluded", "critical"], ["provider_restored", "info"]]);
  });
});
