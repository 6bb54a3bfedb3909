/**
 * What is worth telling people, and by which channels: thresholds and overruns of budgets, refusals, forecasts, other prices,
 * costs that rose, credentials that are taken out. Looks at what others know, each thing at its own pace; of requests it only
 * takes the cost of finished ones.
 */
import { randomUUID } from "node:crypto";
import { join } from "node:path";
import type { Config } from "../config/types.ts";
import { channelOf } from "../control/kinds/channel.ts";
import type { Vault } from "../control/seal.ts";
import type { ControlStore } from "../control/types.ts";
import type { BudgetAlert, BudgetBook } from "../decide/budget/book.ts";
import { viewOf } from "../decide/budget/view.ts";
import type { Deployment } from "../decide/deployment.ts";
import type { HealthBook } from "../decide/health/book.ts";
import { PriceWatch } from "../decide/price-watch.ts";
import { SpikeBook } from "../decide/spike.ts";
import { Notifier, type Tested } from "../notify/notifier.ts";
import type { LaneState } from "../notify/lane.ts";
import type { Caller, Clock, Log, NoticeTransport, RequestRecord, ReserveResult } from "../ports.ts";
import { JsonFile } from "../storage/json-file.ts";
import type { JsonObject } from "../wire/json.ts";
import type { Channel, Notice } from "../wire/notice.ts";
import { isTokenUnit } from "../wire/usage.ts";
import { accountNotice, budgetAlertNotice, forecastNotice, overrunNotice, priceNotices, refusedNotice, spikeNotice } from "./alert-texts.ts";

const TICK_MS = 1_000;
const ACCOUNTS_EVERY_MS = 2_000;
const PRICES_EVERY_MS = 60_000;
const FORECAST_EVERY_MS = 600_000;
/** Budgets whose forecast is made in one turn: with thousands of them no request should wait for all. */
const FORECASTS_A_TICK = 200;
/** Less than this of a limit says nothing about when it will be reached. */
const FORECAST_FROM_PERMILLE = 50;
/** A forecast that left the period and is back after this is news. */
const FORECAST_AWAY_MS = 6 * 3_600_000;

export interface AlertParts {
  readonly clock: Clock;
  readonly log: Log;
  readonly transport: NoticeTransport;
  readonly folder: string;
  readonly store: Pick<ControlStore, "all" | "onChange">;
  readonly vault: Vault;
  readonly budgets: { readonly any: boolean; readonly book: BudgetBook; alertsDue(): readonly BudgetAlert[] };
  readonly health: Pick<HealthBook, "excludedAccounts" | "markDear">;
  readonly config: () => Config;
  /** Those of the configuration, as they are priced now. */
  readonly deployments: () => Iterable<Deployment>;
  /** All accounts by name. */
  readonly accounts: () => readonly string[];
  /** Another process is the authority: it tells what concerns whole budgets. */
  readonly joined: boolean;
}

export class Alerts {
  readonly spikes = new SpikeBook();
  readonly #parts: AlertParts;
  readonly #notifier: Notifier;
  readonly #prices = new PriceWatch();
  readonly #due = new Map<string, number>();
  #excluded: ReadonlyMap<string, string> = new Map();
  /** `budget period` → overrun that was told; null: not looked yet. */
  #overruns: ReadonlyMap<string, number> | null = null;
  /** Budgets whose forecast is still to be made in this round. */
  #forecasts: string[] = [];
  /** `budget period` → how often the forecast came into the period, and since when it is out of it (null: it is in). */
  #entries = new Map<string, { entry: number; outSinceMs: number | null }>();
  #timer: NodeJS.Timeout | null = null;

  constructor(parts: AlertParts) {
    const { clock, log, transport, folder, store } = parts;
    this.#parts = parts;
    this.#notifier = new Notifier({ clock, log, transport, outbox: new JsonFile(join(folder, "alerts.json"), "alerts", log), random: Math.random, newId: randomUUID });
    store.onChange((changes) => {
      if (changes.some(({ kind }) => kind === "channel")) this.configure();
    });
    this.configure();
    this.#lookAtPrices();
  }

  /** The channels of the configuration and of the store, as they are now. */
  configure(): void {
    this.#notifier.configure(channelsOf(this.#parts.config(), this.#parts.store, this.#parts.vault));
  }

  start(): void {
    // What there is now is nothing new; whatever comes from here on is.
    if (this.#overruns === null) this.#lookAtOverruns();
    this.#timer ??= setInterval(() => this.tick(), TICK_MS).unref();
  }

  close(): void {
    if (this.#timer !== null) clearInterval(this.#timer);
    this.#notifier.close();
  }

  /** One look around: what is due by the clock. */
  tick(): void {
    const { budgets, log } = this.#parts;
    try {
      if (budgets.any) this.#lookAtBudgets();
      this.#lookAtSpikes();
      if (this.#isDue("accounts", ACCOUNTS_EVERY_MS)) this.#lookAtAccounts();
      if (this.#isDue("prices", PRICES_EVERY_MS)) this.#lookAtPrices();
    } catch (error) {
      log.error("alerts_failed", { error: error instanceof Error ? (error.stack ?? error.message) : String(error) });
    }
  }

  /** Costs of what was answered: a few additions for each call. */
  recorded(record: RequestRecord): void {
    for (const { deployment, state, outcome, costNanoUsd, units } of record.attempts) {
      if (state !== "charged" || outcome !== "answered" || costNanoUsd === null) continue;
      let tokens = 0;
      for (const unit in units) if (isTokenUnit(unit)) tokens += units[unit as keyof typeof units] ?? 0;
      this.spikes.observe(deployment, costNanoUsd, tokens, record.atMs);
    }
  }

  /** A limit on money forbade a call. */
  refused(caller: Pick<Caller, "tenant" | "key">, why: Extract<ReserveResult, { kind: "refused" }>): void {
    this.#notifier.notify(refusedNotice(caller, why, this.#wallMs));
  }

  /** What others watch for, and is worth telling. */
  tell(notice: Notice): void {
    this.#notifier.notify(notice);
  }

  /** Another configuration serves: its channels, its prices. */
  reloaded(): void {
    this.configure();
    this.#lookAtPrices();
  }

  /** Deployments may be priced otherwise from now on. */
  pricesChanged(): void {
    this.#lookAtPrices();
  }

  /** `""`: how the channels stand; `test` or `test <channel>`: try them. */
  async command(argument: string): Promise<JsonObject> {
    if (argument === "") return { channels: this.states().map(stateJson) };
    const wanted = argument.slice("test".length).trim();
    const tested = await this.#notifier.test(wanted === "" ? null : wanted);
    return tested === null ? { error: `there is no channel ${wanted}` } : { tested: tested.map(testedJson) };
  }

  states(): readonly LaneState[] {
    return this.#notifier.states();
  }

  /** For metrics. */
  get counts(): { readonly waiting: number; readonly failed: number } {
    const states = this.states();
    return { waiting: states.reduce((sum, one) => sum + one.waiting, 0), failed: states.reduce((sum, one) => sum + one.failed, 0) };
  }

  get #wallMs(): number {
    return this.#parts.clock.wallMs();
  }

  #isDue(what: string, everyMs: number): boolean {
    const nowMs = this.#parts.clock.nowMs();
    if (nowMs < (this.#due.get(what) ?? 0)) return false;
    this.#due.set(what, nowMs + everyMs);
    return true;
  }

  #lookAtBudgets(): void {
    const alerts = this.#parts.budgets.alertsDue();
    if (this.#isDue("overruns", ACCOUNTS_EVERY_MS)) this.#lookAtOverruns();
    if (this.#parts.joined) return;
    // Of several thresholds that one charge crossed, the highest says it all.
    const highest = new Map(alerts.map((alert) => [`${alert.budget.id} ${alert.periodKey}`, alert]));
    for (const alert of highest.values()) this.#notifier.notify(budgetAlertNotice(alert, this.#wallMs));
    if (this.#forecasts.length === 0 && this.#isDue("forecasts", FORECAST_EVERY_MS)) this.#forecasts = [...this.#parts.budgets.book.accounts.keys()];
    for (const id of this.#forecasts.splice(0, FORECASTS_A_TICK)) this.#lookAhead(id);
  }

  #lookAtOverruns(): void {
    const now = new Map<string, number>();
    for (const account of this.#parts.budgets.book.accounts.values()) {
      for (const tally of account.tallies) {
        if (tally.overrunNanoUsd <= 0) continue;
        const key = `${account.budget.id} ${tally.key}`;
        const more = tally.overrunNanoUsd - (this.#overruns?.get(key) ?? 0);
        now.set(key, tally.overrunNanoUsd);
        // What was there before this process is nothing new.
        if (this.#overruns !== null && more > 0) this.#notifier.notify(overrunNotice(account.budget, tally.key, more, tally, this.#wallMs));
      }
    }
    this.#overruns = now;
  }

  #lookAhead(id: string): void {
    const account = this.#parts.budgets.book.accounts.get(id);
    if (account === undefined || account.budget.period === "request") return;
    const wallMs = this.#wallMs;
    const view = viewOf(account, wallMs);
    const { exhaustsAtMs } = view.forecast;
    const key = `${id} ${view.periodKey}`;
    const known = this.#entries.get(key);
    if (exhaustsAtMs === null || exhaustsAtMs <= wallMs || (view.settledPermille ?? 0) < FORECAST_FROM_PERMILLE) {
      if (known !== undefined) known.outSinceMs ??= wallMs;
      return;
    }
    const entry = known ?? { entry: 0, outSinceMs: null };
    if (entry.outSinceMs !== null && wallMs - entry.outSinceMs >= FORECAST_AWAY_MS) entry.entry += 1;
    entry.outSinceMs = null;
    // Periods that are over are forgotten with the budget's next one.
    if (known === undefined) for (const other of this.#entries.keys()) if (other.startsWith(`${id} `)) this.#entries.delete(other);
    this.#entries.set(key, entry);
    this.#notifier.notify(forecastNotice(view, exhaustsAtMs, entry.entry, wallMs));
  }

  #lookAtSpikes(): void {
    this.#parts.health.markDear(this.spikes.dearAt(this.#wallMs));
    // Another price list is told as what it is.
    for (const event of this.spikes.takeEvents()) if (event.spike.by !== "price") this.#notifier.notify(spikeNotice(event, this.#wallMs));
  }

  #lookAtAccounts(): void {
    const now = this.#parts.health.excludedAccounts();
    const before = this.#excluded;
    this.#excluded = now;
    for (const [account, reason] of now) if (before.get(account) !== reason) this.#notifier.notify(accountNotice(account, reason, this.#wallMs));
    const known = new Set(before.size === 0 ? [] : this.#parts.accounts());
    for (const account of before.keys()) if (!now.has(account) && known.has(account)) this.#notifier.notify(accountNotice(account, null, this.#wallMs));
  }

  #lookAtPrices(): void {
    const changes = this.#prices.look(this.#parts.deployments(), this.#wallMs);
    for (const { deployment, dearer, words } of changes) if (dearer) this.spikes.priceRose(deployment, `its price list changed: ${words.join("; ")}`, this.#wallMs);
    for (const notice of priceNotices(changes, this.#wallMs)) this.#notifier.notify(notice);
  }
}

/** All channels: the configuration's, then those of the store whose secrets can be opened. */
export function channelsOf(config: Config, store: Pick<ControlStore, "all">, vault: Vault): readonly Channel[] {
  return [...config.channels, ...[...store.all("channel")].flatMap((object) => channelOf(object, vault) ?? [])];
}

/** How a channel stands, for listings. */
export function stateJson({ channel, waiting, delivered, failed, heldBack, last }: LaneState): JsonObject {
  return {
    channel: channel.id, name: channel.name, type: channel.type, host: channel.host, tenant: channel.tenant, min_severity: channel.minSeverity,
    waiting, delivered, failed, held_back: heldBack,
    last: last === null ? null : { at: new Date(last.atMs).toISOString(), delivered: last.delivery.kind === "delivered", message: last.delivery.kind === "failed" ? last.delivery.message : null },
  };
}

/** What a test came to. */
export function testedJson({ channel, delivery }: Tested): JsonObject {
  return { channel: channel.id, name: channel.name, type: channel.type, host: channel.host, delivered: delivery.kind === "delivered", message: delivery.kind === "failed" ? delivery.message : null };
}
