/** The only place that constructs real adapters: a running gateway from its options. */
import { randomBytes } from "node:crypto";
import { readFileSync, rmSync } from "node:fs";
import { setTimeout as sleep } from "node:timers/promises";
import { ControlServer } from "./admin/control.ts";
import { AdminServer } from "./admin/server.ts";
import { loadConfig } from "./config/source.ts";
import { buildSnapshot, type Snapshot as ConfigSnapshot, type SnapshotPrices } from "./config/snapshot.ts";
import { problemErrors } from "./config/problems.ts";
import { showError } from "./config/report.ts";
import type { Config } from "./config/types.ts";
import { watchConfig, type ConfigWatch } from "./config/watch.ts";
import { Allowance } from "./decide/allowance.ts";
import { HealthBook } from "./decide/health/book.ts";
import { RateLimits } from "./decide/limits/limits.ts";
import { TagBook } from "./decide/tags.ts";
import { callerBy, type AuthSettings } from "./edge/auth.ts";
import { WheelClock } from "./edge/clock.ts";
import { BootIds } from "./edge/ids.ts";
import { RequestLog } from "./edge/log.ts";
import { Metrics } from "./edge/metrics.ts";
import { GatewayServer } from "./edge/server.ts";
import type { OutboundUpstream } from "./edge/upstream.ts";
import { ImageFetcher } from "./edge/upstream-images.ts";
import { NoticeSender } from "./edge/upstream-notify.ts";
import { BackgroundRuns } from "./pipeline/background.ts";
import { Batches } from "./pipeline/batches.ts";
import { LIMITS, type Deps, type Snapshot } from "./pipeline/deps.ts";
import type { Exchange } from "./pipeline/exchange.ts";
import { openAdmin, type OpenAdmin } from "./compose/admin.ts";
import { budgetGauges } from "./compose/budget-metrics.ts";
import { Canaries, isCopy } from "./compose/canary.ts";
import { Membership } from "./compose/authority.ts";
import { authSettings, managedBy, openControl, storedKeys, type Control } from "./compose/control.ts";
import { runCommand, type CommandParts } from "./compose/commands.ts";
import { serveCall } from "./compose/endpoints.ts";
import { weighing } from "./compose/explain.ts";
import { gauges } from "./compose/gauges.ts";
import { openFeedback, type OpenFeedback } from "./compose/feedback.ts";
import { limitsInForce, onLimitsChanged } from "./compose/limits.ts";
import { agreedBy, ContractCounts, onContractsChanged } from "./compose/contracts.ts";
import { Alerts } from "./compose/notify.ts";
import { objectiveGauges, Objectives } from "./compose/objectives.ts";
import { onPricesChanged, pricesOf } from "./compose/prices.ts";
import type { Gateway, GatewayOptions } from "./compose/options.ts";
import { InFlight } from "./compose/in-flight.ts";
import { openKeptState, type KeptState } from "./compose/kept-state.ts";
import { openRepeats, type OpenRepeats } from "./compose/repeats.ts";
import { Refusals } from "./compose/refusals.ts";
import { onCredentialsChanged, viewsOf, type Views } from "./compose/own-credentials.ts";
import { accountOrigins, pipelineSnapshot, type TransportPorts } from "./compose/pipeline-snapshot.ts";
import type { InboundCall, Log, RequestRecord } from "./ports.ts";
import { loadCatalogue } from "./providers/catalog/index.ts";
import { healthSettingsOf, RouteMemoryFile } from "./compose/route-memory.ts";
import { checkStart, defaultBodyBytes, isLoopback, openUpstream, StartError } from "./compose/start.ts";
import { encodeError, errorHeadersOf, modelEntry, modelList } from "./compose/surfaces.ts";
import { PROVIDERS } from "./providers/registry.ts";
import { openDataDir, openReadOnly, type DataDir } from "./storage/data-dir.ts";
import { SqliteStorage } from "./storage/sqlite.ts";
import { VERSION } from "./version.ts";

export { checkStart, StartError };
export type { Gateway, GatewayOptions };

const PROGRESS_MS = 1_000;
const ORPHAN_SWEEP_MS = 30_000;

/** Start a gateway. Throws StartError or StorageError. */
export async function startGateway(options: GatewayOptions): Promise<Gateway> {
  // Who joins another has its keys only once it has asked for them.
  checkStart(options.loaded.config, options.host, () => (options.authority == null ? storedKeys(options.dataDir) : 1));
  const dataDir = openDataDir(options.dataDir);
  try {
    return await new Running(options, dataDir).open();
  } catch (error) {
    dataDir.close();
    throw error;
  }
}

const NOBODY_WAITS = { high: 0, normal: 0, low: 0 } as const;

class Running {
  readonly #options: GatewayOptions;
  readonly #dataDir: DataDir;
  readonly #log: Log;
  readonly #clock: WheelClock;
  readonly #storage: SqliteStorage;
  readonly #batches: Batches;
  readonly #kept: KeptState;
  readonly #repeats: OpenRepeats;
  readonly #feedback: OpenFeedback;
  readonly #dryRun = weighing(() => this.#deps, (caller) => this.#views.of(caller));
  readonly #managed: Control;
  readonly #counts: ContractCounts;
  readonly #membership: Membership;
  readonly #upstream: OutboundUpstream;
  readonly #health: HealthBook;
  readonly #alerts: Alerts;
  readonly #objectives: Objectives;
  readonly #canaries: Canaries;
  readonly #routes: RouteMemoryFile;
  readonly #metrics = new Metrics();
  readonly #rates = new RateLimits();
  readonly #requestLog: RequestLog | null;
  readonly #refusals: Refusals;
  readonly #active = new InFlight<Exchange>();
  readonly #ids: BootIds;
  readonly #instance = `spillway-${randomBytes(6).toString("hex")}`;
  readonly #deps: Deps;
  readonly #server: GatewayServer;
  readonly #timers: NodeJS.Timeout[] = [];
  #admin: AdminServer | null = null;
  #closeAdmin: () => Promise<void> = () => Promise.resolve();
  #control: ControlServer | null = null;
  #watch: ConfigWatch | null = null;
  #config: ConfigSnapshot;
  #snapshot: Snapshot;
  #views: Views;
  #auth: AuthSettings;
  #state: "open" | "unready" | "draining" | "closed" = "open";

  constructor(options: GatewayOptions, dataDir: DataDir) {
    this.#options = options;
    this.#dataDir = dataDir;
    this.#log = options.log;
    const { config } = options.loaded;
    this.#membership = new Membership(options.authority ?? null, options.env, dataDir.path, this.#log);
    this.#managed = this.#membership.wrap(openControl(dataDir.path));
    this.#config = buildSnapshot(config, loadCatalogue(), PROVIDERS, pricesOf(this.#managed.store, Date.now()), agreedBy(this.#managed.store));
    const problems = problemErrors(this.#config.findings, options.loaded);
    if (problems.length > 0) {
      this.#managed.close();
      throw new StartError(problems.map(showError).join("\n"));
    }
    this.#auth = this.#authOf(config);
    this.#clock = new WheelClock((error) => this.#log.error("timer_failed", { error: error instanceof Error ? (error.stack ?? error.message) : String(error) }));
    this.#storage = new SqliteStorage(dataDir.ledgerPath, { sync: config.ledger.sync, log: this.#log, ...this.#membership.storage, ...(options.leaseMs === undefined ? {} : { leaseMs: options.leaseMs }) });
    this.#counts = new ContractCounts(() => openReadOnly(options.dataDir), this.#log);
    this.#counts.restore(this.#config, this.#clock.wallMs());
    this.#kept = openKeptState(config, dataDir, this.#log);
    this.#repeats = openRepeats(dataDir.path, config.ledger.sync, { answers: this.#kept.answers, clock: this.#clock, log: this.#log, attemptsOf: (id) => this.#storage.reader.attemptsOf(id), told: (status) => this.#metrics.refused(status) });
    this.#feedback = openFeedback(dataDir.path, config.ledger.sync, (id) => this.#storage.reader.attemptsOf(id));
    this.#refusals = new Refusals({ clock: this.#clock, metrics: this.#metrics, records: this.#storage.records, objectives: () => this.#objectives });
    this.#upstream = openUpstream(options.env);
    this.#snapshot = pipelineSnapshot(this.#config, this.#transportPorts(), this.#managed.book);
    this.#views = this.#viewsNow();
    this.#allowOrigins();
    onPricesChanged(this.#managed.store, () => this.#pricesChanged());
    onContractsChanged(this.#managed.store, () => this.#pricesChanged());
    onCredentialsChanged(this.#managed.store, () => this.#credentialsChanged());
    this.#health = new HealthBook(healthSettingsOf(config));
    this.#requestLog = options.requestLog === null ? null : new RequestLog(options.requestLog);
    this.#ids = new BootIds(() => this.#clock.wallMs());
    this.#routes = new RouteMemoryFile(this.#clock, dataDir.path, this.#log);
    this.#batches = new Batches({
      clock: this.#clock, upstream: this.#upstream, ledger: this.#storage.ledger, kept: this.#storage.kept, log: this.#log,
      snapshot: () => this.#views.all, limits: { ...LIMITS, ...options.limits },
    });
    this.#canaries = new Canaries({
      clock: this.#clock, log: this.#log, folder: dataDir.path, config: () => this.#config.config, directory: () => this.#config.directory, effectsOf: (route) => this.#objectives.effectsOf(route), notify: (notice) => this.#alerts.tell(notice),
    });
    this.#deps = {
      clock: this.#clock,
      random: { next: Math.random },
      upstream: this.#upstream,
      images: options.images ?? new ImageFetcher({ env: options.env }),
      ledger: this.#storage.ledger,
      budgets: this.#storage.budgets,
      rates: this.#rates,
      onBudgetRefused: (caller, why) => this.#alerts.refused(caller, why),
      records: { append: (record) => this.#recorded(record) },
      ...this.#canaries.parts(this.#feedback.taken),
      state: this.#kept.responses,
      background: new BackgroundRuns(),
      reasoning: this.#kept.reasoning,
      log: this.#log,
      health: this.#health,
      allowance: new Allowance(),
      routes: this.#routes.book,
      load: (route) => ({ inFlight: this.#active.size, room: options.maxInFlight, waiting: NOBODY_WAITS, refuseLow: this.#objectives.effectsOf(route).refuseLow }),
      effects: (route) => this.#objectives.effectsOf(route),
      ids: this.#ids,
      tags: new TagBook(),
      snapshot: () => this.#views.all,
      limits: { ...LIMITS, ...options.limits },
      secure: options.tls !== null,
      instance: this.#instance,
      batches: this.#batches,
    };
    this.#limit();
    onLimitsChanged(this.#managed.store, () => this.#limit());
    this.#alerts = new Alerts({
      clock: this.#clock, log: this.#log, transport: new NoticeSender({ env: options.env }), folder: dataDir.path, store: this.#managed.store, vault: this.#managed.vault, budgets: this.#storage.budgets,
      health: this.#health, config: () => this.#config.config, deployments: () => this.#config.deployments.values(), accounts: () => this.#accounts(), joined: (options.authority ?? null) !== null,
    });
    this.#objectives = new Objectives({
      clock: this.#clock, log: this.#log, folder: dataDir.path, store: this.#managed.store, outcomes: this.#storage.outcomes, endings: this.#storage.endings, config: () => this.#config.config, contracts: () => this.#config.contracts, notify: (notice) => this.#alerts.tell(notice),
    });
    this.#server = this.#makeServer();
  }

  async open(): Promise<Gateway> {
    const options = this.#options;
    try {
      await this.#membership.start(this.#managed, () => this.#limit());
      checkStart(options.loaded.config, options.host, () => this.#managed.book.size);
      const port = await this.#server.listen(options.host, options.port);
      const adminHost = options.adminHost ?? "127.0.0.1";
      const admin = this.#openAdmin();
      this.#closeAdmin = admin.close;
      this.#admin = new AdminServer({ metrics: (withBudgets) => this.#metricsText(withBudgets), mindsMoney: admin.mindsMoney, version: VERSION, ready: () => this.#notReady(), host: adminHost, api: this.#membership.api(admin.fetch, this.#storage, this.#managed, () => this.#config.config.budgets) });
      const adminPort = await this.#admin.listen(adminHost, options.adminPort);
      this.#control = await ControlServer.open(this.#dataDir.controlSocketPath, (command, argument) => runCommand(this.#commandParts(), command, argument));
      this.#startTimers();
      const { path, text } = options.loaded;
      if (options.watch && path !== null) {
        this.#watch = watchConfig(path, () => void this.reload(), { ...(text === null ? {} : { loadedText: text }), onError: (error) => this.#log.warn("config_watch_failed", { error: error.message }) });
      }
      const shownHost = options.host.includes(":") ? `[${options.host}]` : options.host;
      return {
        url: `${options.tls === null ? "http" : "https"}://${shownHost}:${port}`,
        port,
        adminUrl: `http://${adminHost.includes(":") ? `[${adminHost}]` : adminHost}:${adminPort}`,
        adminToken: admin.firstToken,
        snapshot: () => this.#config,
        managed: managedBy(this.#managed, () => this.#config.config),
        reload: () => this.reload(),
        stop: (graceMs) => this.stop(graceMs),
        kill: () => this.kill(),
      };
    } catch (error) {
      // What listens already would keep the process alive.
      this.#server.closeAllConnections();
      await this.#server.close();
      await this.#closeAll();
      throw error instanceof Error && !(error instanceof StartError) ? new StartError(error.message) : error;
    }
  }

  async reload(): Promise<readonly string[]> {
    await Promise.resolve();
    const { path } = this.#options.loaded;
    if (path === null) return ["The configuration did not come from a file; restart to change it."];
    const loaded = loadConfig({ configFile: path, env: this.#options.env, cwd: process.cwd(), providers: PROVIDERS });
    if (!loaded.ok) return this.#keepOld(loaded.errors.map(showError));
    const next = buildSnapshot(loaded.config, loadCatalogue(), PROVIDERS, this.#prices(), agreedBy(this.#managed.store, this.#config.capacity));
    if (next.findings.length > 0) return this.#keepOld(problemErrors(next.findings, loaded).map(showError));
    try {
      checkStart(loaded.config, this.#options.host, () => this.#managed.book.size);
    } catch (error) {
      return this.#keepOld([(error as Error).message]);
    }
    if (loaded.config.ledger.sync !== this.#config.config.ledger.sync) this.#log.warn("config_needs_restart", { key: "ledger.sync" });
    if (loaded.config.responses.store !== this.#kept.responses.mode) this.#log.warn("config_needs_restart", { key: "responses.store" });
    if (loaded.config.reasoningState.store !== this.#kept.reasoning.mode) this.#log.warn("config_needs_restart", { key: "reasoning_state.store" });
    this.#config = next;
    this.#counts.restore(next, this.#clock.wallMs());
    this.#snapshot = pipelineSnapshot(next, this.#transportPorts(), this.#managed.book);
    this.#views = this.#viewsNow();
    this.#auth = this.#authOf(loaded.config);
    this.#allowOrigins();
    this.#limit();
    this.#alerts.reloaded();
    this.#objectives.reloaded();
    this.#canaries.reloaded();
    this.#health.configure(healthSettingsOf(loaded.config));
    this.#health.reload(this.#accounts());
    this.#log.info("config_reloaded", { routes: loaded.config.routes.length, accounts: loaded.config.accounts.length });
    return [];
  }

  async stop(graceMs = 5_000): Promise<void> {
    if (this.#state !== "open") return;
    this.#state = "unready";
    this.#log.info("stopping", { in_flight: this.#active.size });
    // Balancers see readyz fail before connections are refused.
    await sleep(graceMs);
    this.#state = "draining";
    const closed = this.#server.close();
    const end = this.#clock.nowMs() + this.#options.drainMs;
    while (this.#active.size > 0 && this.#clock.nowMs() < end) await sleep(25);
    for (const exchange of this.#active.all()) exchange.stopNow();
    this.#canaries.mirrors.stop();
    const last = this.#clock.nowMs() + 6_000;
    while (this.#active.size + this.#canaries.mirrors.underWay > 0 && this.#clock.nowMs() < last) await sleep(10);
    this.#server.closeAllConnections();
    await closed;
    await this.#closeAll();
    this.#log.info("stopped");
  }

  kill(): void {
    this.#state = "closed";
    this.#server.closeAllConnections();
    this.#requestLog?.flush();
    this.#storage.records.close();
    rmSync(this.#dataDir.controlSocketPath, { force: true });
  }

  #authOf(config: Config): AuthSettings {
    for (const key of this.#managed.book.reserve(new Set(config.keys.map((one) => one.name)))) this.#log.warn("stored_key_shadowed", { key, by: config.source });
    return authSettings(config, this.#managed.book, isLoopback(this.#options.host));
  }

  #limit(): void {
    const { budgets, rules } = limitsInForce(this.#config.config, this.#managed.store, this.#membership.budgets, this.#log);
    this.#storage.limit(budgets);
    this.#rates.configure(rules, this.#clock.nowMs());
  }

  #prices(): SnapshotPrices {
    return pricesOf(this.#managed.store, this.#clock.wallMs());
  }

  /** The same configuration at other prices or contracts, from the next request on. */
  #pricesChanged(): void {
    this.#config = buildSnapshot(this.#config.config, loadCatalogue(), PROVIDERS, this.#prices(), agreedBy(this.#managed.store, this.#config.capacity));
    this.#counts.restore(this.#config, this.#clock.wallMs());
    this.#snapshot = pipelineSnapshot(this.#config, this.#transportPorts(), this.#managed.book);
    this.#views = this.#viewsNow();
    this.#alerts.pricesChanged();
    this.#objectives.reloaded();
    this.#log.info("prices_changed", { deployments: this.#config.deployments.size });
  }

  #viewsNow(): Views {
    return viewsOf(this.#snapshot, { config: this.#config, store: this.#managed.store, vault: this.#managed.vault, ports: this.#transportPorts(), log: this.#log });
  }

  /** Effective with the next request; one under way ends as it began. */
  #credentialsChanged(): void {
    this.#views = this.#viewsNow();
    this.#allowOrigins();
    this.#health.reload(this.#accounts());
  }

  /** All accounts by name, those of single teams too. */
  #accounts(): readonly string[] {
    return [...this.#config.accounts.keys(), ...this.#views.accounts];
  }

  #allowOrigins(): void {
    this.#upstream.allow([...this.#config.config.accounts.flatMap(accountOrigins), ...this.#views.origins]);
  }

  #transportPorts(): TransportPorts {
    return { upstream: this.#upstream, clock: this.#clock, readFile: (path) => readFileSync(path, "utf8") };
  }

  #keepOld(errors: readonly string[]): readonly string[] {
    for (const error of errors) this.#log.error("config_not_reloaded", { error });
    return errors;
  }

  #makeServer(): GatewayServer {
    const make = (call: InboundCall): void => {
      let exchange: Exchange | null = null;
      const done = (): void => {
        if (exchange !== null) this.#active.delete(exchange);
        call.done();
      };
      const inbound = { ...call, done, snapshot: this.#views.of(call.caller), refused: this.#refusals.early };
      const started = (running: Exchange | null): void => {
        exchange = running;
        if (exchange === null) this.#metrics.refused(call.reply.status);
        else this.#active.add(exchange);
      };
      serveCall(this.#deps, inbound, started);
    };
    const serve = (call: InboundCall): void => {
      const key = call.header("idempotency-key");
      if (key === undefined) make(call);
      else this.#repeats.serve(key, { ...call, snapshot: this.#views.of(call.caller), refused: this.#refusals.early }, make);
    };
    return new GatewayServer({
      auth: () => this.#auth,
      requestId: () => this.#ids.requestId(),
      instance: this.#instance,
      maxInFlight: this.#options.maxInFlight,
      maxBodyBytes: this.#options.maxBodyBytes ?? defaultBodyBytes(),
      draining: () => this.#state === "draining" || this.#state === "closed",
      version: VERSION,
      encodeError,
      errorHeaders: errorHeadersOf,
      onRefused: this.#refusals.atTheDoor,
      onCrash: (request, problem) => this.#log.error("request_crashed", { request, error: problem instanceof Error ? (problem.stack ?? problem.message) : String(problem) }),
      log: this.#log,
      tls: this.#options.tls,
      endpoints: {
        call: serve,
        models: (form, caller, query) => modelList(this.#views.of(caller), form, caller, query),
        model: (id, form, caller) => modelEntry(this.#views.of(caller), id, form, caller),
        ready: () => this.#notReady(),
      },
    });
  }

  #recorded(record: RequestRecord): void {
    this.#storage.records.append(record);
    this.#storage.budgets.endRequest(record.requestId);
    this.#repeats.recorded(record);
    this.#alerts.recorded(record);
    this.#requestLog?.append(record);
    this.#canaries.recorded(record);
    if (isCopy(record)) return;
    this.#objectives.recorded(record);
    this.#metrics.observe(record);
  }

  #notReady(): string | null {
    if (this.#state !== "open") return "draining";
    return this.#storage.ledger.writable() ? null : "the ledger cannot be written";
  }

  #startTimers(): void {
    const every = (ms: number, run: () => void): void => {
      this.#timers.push(setInterval(run, ms).unref());
    };
    every(PROGRESS_MS, () => this.#markProgress());
    const sweepMs = Math.min(ORPHAN_SWEEP_MS, Math.max(100, (this.#options.leaseMs ?? 600_000) / 2));
    every(sweepMs, () => this.#storage.settleOrphans(this.#clock.wallMs()));
    this.#batches.start();
    this.#alerts.start();
    this.#objectives.start();
    this.#canaries.start();
    this.#routes.start(this.#deps, () => this.#config.config);
  }

  #markProgress(): void {
    const marks = this.#active.marks();
    if (marks.length > 0) this.#storage.ledger.progress(marks).catch((error: unknown) => this.#log.warn("progress_not_written", { error: String(error) }));
  }

  #commandParts(): CommandParts {
    return {
      reload: () => this.reload(),
      alerts: this.#alerts,
      objectives: this.#objectives,
      canaries: this.#canaries,
      health: this.#health,
      nowMs: () => this.#clock.nowMs(),
      wallMs: () => this.#clock.wallMs(),
      accounts: () => this.#accounts(),
      managed: () => managedBy(this.#managed, () => this.#config.config),
      folder: this.#dataDir.path,
      storage: this.#storage,
      dryRun: this.#dryRun,
    };
  }

  #openAdmin(): OpenAdmin {
    return openAdmin({
      managed: managedBy(this.#managed, () => this.#config.config),
      config: () => this.#config.config,
      contractsLeftOut: () => this.#config.contractsLeftOut,
      callerOf: (sha256) => callerBy(sha256, this.#auth),
      log: this.#log,
      book: this.#storage.budgets.book,
      objectives: { watched: () => this.#objectives.watched(), effectsOf: (route) => this.#objectives.effectsOf(route) },
      trials: () => this.#canaries.listing(),
      ledgerPath: this.#dataDir.ledgerPath,
      wallMs: () => this.#clock.wallMs(),
      feedback: this.#feedback.list,
      dryRun: this.#dryRun,
    });
  }

  #metricsText(withBudgets: boolean): string {
    const promised = withBudgets ? budgetGauges(this.#storage.budgets.book, this.#clock.wallMs()) + objectiveGauges(this.#objectives.watched()) : "";
    return promised + this.#metrics.text(gauges(this.#health.snapshot(this.#clock.nowMs()), { inFlight: this.#active.size, batches: this.#batches.size, alerts: this.#alerts.counts.waiting, ready: this.#notReady() === null }));
  }

  async #closeAll(): Promise<void> {
    this.#state = "closed";
    for (const timer of this.#timers) clearInterval(timer);
    this.#batches.stop();
    this.#objectives.close();
    this.#canaries.close();
    this.#alerts.close();
    this.#routes.stop();
    this.#watch?.close();
    this.#membership.close();
    await this.#control?.close();
    await this.#admin?.close();
    await this.#closeAdmin();
    this.#requestLog?.flush();
    await this.#upstream.close();
    this.#clock.close();
    await this.#storage.close();
    this.#repeats.close();
    this.#feedback.close();
    this.#kept.close();
    this.#managed.close();
    this.#dataDir.close();
  }
}
