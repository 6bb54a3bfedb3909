/**
 * A whole request in a small world: the real exchange, attempts, lanes, health and choice, over scripted providers, a
 * ledger in memory and a clock that the test moves.
 */
import assert from "node:assert/strict";
import { Allowance } from "../decide/allowance.ts";
import { RouteBook } from "../decide/balance/route-book.ts";
import type { Deployment, Pricing, ReliefClass, Route, RouteCandidate, RouteClocks } from "../decide/deployment.ts";
import { DEFAULT_CLOCKS } from "../decide/deployment.ts";
import { HealthBook, type HealthRow, type HealthView } from "../decide/health/book.ts";
import { model, provider, sheet } from "../decide/test-directory.ts";
import type { Caller, Log, RequestRecord, StateStore } from "../ports.ts";
import type { ModelFacts, ProviderFacts } from "../wire/facts.ts";
import type { SurfaceName } from "../wire/surfaces.ts";
import { BackgroundRuns } from "./background.ts";
import { serveChat } from "./chat.ts";
import { LIMITS, type Deps, type Limits, type Snapshot } from "./deps.ts";
import { serveEmbeddings } from "./embeddings.ts";
import type { Exchange } from "./exchange.ts";
import type { Inbound } from "./inbound.ts";
import { VirtualClock, flush } from "./test-clock.ts";
import { GatedLedger } from "./test-ledger.ts";
import { WatchedReply } from "./test-reply.ts";
import { ScriptedUpstream, type ScriptedCall } from "./test-upstream.ts";

/** One provider's deployment; what is left out is ordinary. */
export interface Place {
  readonly name: string;
  readonly provider?: Partial<ProviderFacts>;
  readonly model?: Partial<ModelFacts>;
  readonly pricing?: Pricing;
  readonly reasons?: boolean;
  /** The owner's word, where it is not the catalogue's. */
  readonly maxOutput?: number;
  readonly domain?: Deployment["domain"];
  /** What the owner says that it can. */
  readonly told?: NonNullable<Deployment["told"]>;
}
export interface RouteSpec {
  /** Names, or places where something is out of the ordinary. `a` → deployment `a/m` at https://a.example. */
  readonly candidates: readonly (string | Place)[];
  /** Held back until others refuse the request. */
  readonly onContextWindow?: readonly (string | Place)[];
  readonly onContentPolicy?: readonly (string | Place)[];
  readonly clocks?: Partial<RouteClocks>;
  readonly keepalive?: boolean;
  readonly rescue?: Route["rescue"];
  readonly strategy?: Route["strategy"];
  /** What it promises, and what failures and waiting cost; absent: nothing. */
  readonly objectives?: NonNullable<Route["objectives"]>;
  readonly terms?: NonNullable<Route["terms"]>;
  /** What else stands on it. */
  readonly more?: Partial<Route>;
}
export interface Ask {
  readonly stream?: boolean;
  readonly headers?: Readonly<Record<string, string>>;
  /** More members of the body. */
  readonly body?: Readonly<Record<string, unknown>>;
  readonly embeddings?: boolean;
  /** In which protocol; absent: chat completions. */
  readonly surface?: SurfaceName;
  /** What its key may do and is told. */
  readonly policy?: NonNullable<Caller["policy"]>;
}

/** USD 1 and 2 per million tokens: 1,000 and 2,000 nano-dollars a token. */
export const PRICE_INPUT_NANO_USD = 1_000;
export const PRICE_OUTPUT_NANO_USD = 2_000;

/** Keeps nothing. */
const OFF: StateStore = { mode: "off", put: () => Promise.resolve(false), get: () => Promise.resolve(undefined), delete: () => Promise.resolve(false) };

export class Asked {
  readonly reply: WatchedReply;
  exchange: Exchange | null = null;
  /** The request has its record, or was refused. */
  done = false;
  readonly requestId: string;

  constructor(requestId: string, told: (event: string) => void) {
    this.requestId = requestId;
    this.reply = new WatchedReply(told);
  }
}

export class World {
  readonly clock = new VirtualClock();
  /** Everything that touched the outside, in order: holds, sends, aborts, charges, the reply's head and end. */
  readonly events: string[] = [];
  readonly upstream: ScriptedUpstream;
  readonly ledger: GatedLedger;
  readonly records: RequestRecord[] = [];
  readonly logged: { readonly event: string; readonly fields: Readonly<Record<string, unknown>> }[] = [];
  readonly health = new HealthBook({ restMs: 5_000, restMaxMs: 300_000 });
  readonly allowance = new Allowance();
  readonly deps: Deps;
  /** What chance says, until a test says otherwise. */
  random = 0.5;
  readonly #route: Route;
  #count = 0;

  constructor(spec: RouteSpec, limits: Partial<Limits> = {}) {
    const told = (event: string): void => void this.events.push(event);
    this.upstream = new ScriptedUpstream(() => this.clock.nowMs(), told);
    this.ledger = new GatedLedger(() => this.clock.wallMs(), told);
    this.#route = routeOf(spec);
    const log = (event: string, fields: Readonly<Record<string, unknown>> = {}): void => void this.logged.push({ event, fields });
    const logs: Log = { info: log, warn: log, error: log };
    this.deps = {
      clock: this.clock,
      random: { next: () => this.random },
      upstream: this.upstream,
      ledger: this.ledger,
      records: { append: (record) => void this.records.push(record) },
      log: logs,
      health: this.health,
      allowance: this.allowance,
      routes: new RouteBook(this.clock.wallMs() - this.clock.nowMs()),
      ids: { requestId: () => `req_${++this.#count}`, attemptId: () => `att_${String(++this.#count).padStart(4, "0")}` },
      snapshot: () => this.snapshot,
      limits: { ...LIMITS, ...limits },
      instance: "spillway-test",
      state: OFF,
      background: new BackgroundRuns(),
      reasoning: OFF,
    };
  }

  readonly snapshot: Snapshot = {
    simulated: false, sharesKept: true,
    responsesTtlMs: 3_600_000,
    reasoningTtlMs: 3_600_000,
    directory: {
      resolve: (name) => (name === "r" ? { kind: "route", route: this.#route, trace: [] } : { kind: "unresolved", code: "unknown_model", message: `no ${name}`, trace: [] }),
      callable: () => [],
    },
    transport: (deployment) => ({
      origin: `https://${deployment.account}.example`, basePath: "/v1", headers: ["authorization", `Bearer secret-of-${deployment.account}`], proxyUrl: null, caFile: null, secret: `secret-of-${deployment.account}`,
    }),
  };

  /** A client asks. Resolves when everything that needs no time has happened. */
  async ask(ask: Ask = {}): Promise<Asked> {
    const asked = this.askNow(ask);
    await flush();
    return asked;
  }

  /** A client asks; nothing but what happens in the same turn has happened. */
  askNow(ask: Ask = {}): Asked {
    const asked = new Asked(this.deps.ids.requestId(), (event) => void this.events.push(event));
    const what = ask.embeddings === true ? { input: "hi" } : { messages: [{ role: "user", content: "hi there" }], ...(ask.stream === true ? { stream: true } : {}) };
    const body = new TextEncoder().encode(JSON.stringify({ model: "r", ...what, ...ask.body }));
    const inbound: Inbound = {
      requestId: asked.requestId,
      caller: { tenant: "default", key: "app", scopes: ["tenant/default", "key/app"], ...(ask.policy === undefined ? {} : { policy: ask.policy }) },
      body,
      asked: { surface: ask.embeddings === true ? "embeddings" : (ask.surface ?? "chat"), model: undefined, stream: undefined, query: "" },
      header: (name) => ask.headers?.[name],
      reply: asked.reply,
      done: () => {
        assert.equal(asked.done, false, "done was told twice");
        asked.done = true;
      },
      snapshot: this.snapshot,
    };
    if (ask.embeddings === true) asked.exchange = serveEmbeddings(this.deps, inbound);
    else serveChat(this.deps, inbound, (exchange) => void (asked.exchange = exchange));
    return asked;
  }

  /** The latest call to a provider. */
  call(name: string): ScriptedCall {
    return this.upstream.to(name);
  }

  /** Providers in the order in which they were called. */
  get called(): string {
    return this.upstream.order.join(" ");
  }

  /** Calls that are neither ended nor aborted. */
  get holdsOpen(): number {
    return this.ledger.memory.totals().reduce((sum, one) => sum + one.held, 0);
  }

  /** Milliseconds pass, or none: then only what is ready happens. */
  async pass(ms = 0): Promise<void> {
    await this.clock.advance(ms);
    await flush();
  }

  view(name: string): HealthView {
    return this.health.view(`${name}/m`, name, "chat", this.clock.nowMs());
  }

  /** Hard failures in the run of a deployment. */
  run(name: string): number {
    return this.row(name)?.run ?? 0;
  }

  row(name: string): HealthRow | undefined {
    return this.health.snapshot(this.clock.nowMs()).find((one) => one.account === name);
  }

  /** Fail calls of a deployment behind the back of the requests under test, until it rests. */
  rest(name: string): void {
    for (let i = 0; i < 5; i++) this.told(name, "server");
  }

  /** A failure of another request at this deployment, now. */
  told(name: string, failure: "server" | "auth" | "rate" | "payment" | "not_found", retryAfterMs: number | null = null): void {
    const ticket = this.health.sent({ deployment: `${name}/m`, account: name, endpoint: "chat" }, this.clock.nowMs(), false);
    const error = { class: failure, status: 500, message: "", type: null, code: null, param: null, retryAfterMs };
    this.health.observe(ticket, { kind: "failed", error, phase: "before-content", fault: failure === "server" ? "provider" : "account" }, this.clock.nowMs(), 0);
  }

  /** The request's only record; its charges agree with the ledger's rows. */
  get record(): RequestRecord {
    assert.equal(this.records.length, 1, "records");
    return this.records[0] as RequestRecord;
  }

  /** `a:charged b:estimated(aborted)`: the ledger's rows of all requests, one per call. */
  get booked(): string {
    const ids = [...new Set(this.ledger.holds.map((hold) => hold.attemptId))];
    const rows = this.ledger.memory.attemptsByIds(ids);
    for (const row of rows) assert.equal(row.corrections, 0, `${row.attemptId} was settled twice, differently`);
    return rows.map((row) => `${row.deployment.split("/")[0]}:${row.state}/${row.outcome ?? "-"}`).join(" ");
  }
}

/** Whether what the record says of money is what the ledger holds, and everything is settled. */
export function assertBooksAgree(world: World): void {
  assert.equal(world.holdsOpen, 0, "holds that are not settled");
  for (const record of world.records) {
    const rows = world.ledger.memory.attemptsOf(record.requestId);
    const told = record.attempts.filter((one) => rows.some((row) => row.attemptId === one.attemptId));
    assert.equal(rows.length, told.length, "rows without an attempt in the record");
    for (const row of rows) {
      const one = told.find((attempt) => attempt.attemptId === row.attemptId);
      assert.deepEqual([one?.state, one?.outcome, one?.costNanoUsd], [row.state, row.outcome, row.costNanoUsd]);
    }
  }
}

function candidatesOf(places: readonly (string | Place)[] = [], after?: ReliefClass): readonly RouteCandidate[] {
  return places.map((one) => ({ deployment: deploymentOf(typeof one === "string" ? { name: one } : one), weight: 1, automatic: false, ...(after === undefined ? {} : { after }) }));
}

function routeOf(spec: RouteSpec): Route {
  return {
    name: "r",
    candidates: [...candidatesOf(spec.candidates), ...candidatesOf(spec.onContextWindow, "context"), ...candidatesOf(spec.onContentPolicy, "content_policy")],
    strategy: spec.strategy ?? "priority",
    clocks: { ...DEFAULT_CLOCKS, ...spec.clocks },
    keepalive: spec.keepalive ?? true,
    forwardHeaders: [],
    defaultMaxOutput: 8_192,
    automatic: false,
    ...(spec.rescue === undefined ? {} : { rescue: spec.rescue }),
    ...(spec.objectives === undefined ? {} : { objectives: spec.objectives }),
    ...(spec.terms === undefined ? {} : { terms: spec.terms }),
    ...spec.more,
  };
}

/** A deployment of this small world. */
export function deploymentOf(place: Place): Deployment {
  const facts = model(`${place.name}/m`, "m", place.model);
  return {
    id: `${place.name}/m`,
    account: place.name,
    provider: provider(place.name, place.provider),
    model: facts,
    upstreamModel: "m",
    pricing: place.pricing ?? { kind: "sheet", sheet: sheet(1, 2) },
    contextWindow: facts.contextWindow,
    maxOutput: place.maxOutput ?? facts.maxOutput,
    baseUrl: `https://${place.name}.example/v1`,
    region: null,
    domain: place.domain ?? {},
    reasons: place.reasons ?? false,
    ...(place.told === undefined ? {} : { told: place.told }),
  };
}
