/** One simulated provider: a listener on loopback, its script and its scenario. */
import { createServer, type IncomingMessage, type Server, type ServerResponse } from "node:http";
import type { AddressInfo, Socket } from "node:net";
import type { Body } from "./ask.ts";
import type { BatchLine } from "./batch.ts";
import type { Bill, OpenRow } from "./bill.ts";
import { type ModelConfig, type ProviderConfig, resolvePrice } from "./config.ts";
import { dialectOf } from "./dialects/index.ts";
import type { Endpoint, FleetDialect } from "./dialects/dialect.ts";
import { Exchange } from "./exchange.ts";
import { KeptMessages } from "./kept-messages.ts";
import { Kept, type KeptEndpoint } from "./kept.ts";
import { readForm, type FormFile } from "./made.ts";
import { type CallFacts, type Fault, type RuleInput, Script } from "./fault.ts";
import type { ModelPrice } from "./price.ts";
import { hashText, type Random, randomOfCall, seededRandom } from "./random.ts";
import { type PlayOptions, type Scenario, ScenarioPlayer } from "./scenario.ts";
import { refuse, runBatched, serveChat, serveCount, serveEmbeddings, serveKept, serveMade, type Call, type Pace } from "./serve.ts";

/** A call as it came, for those who ask what was sent. */
export interface ReceivedCall {
  readonly call: string;
  readonly provider: string;
  readonly at: number;
  readonly method: string;
  /** With its query. */
  readonly url: string;
  readonly headers: Readonly<Record<string, string | string[] | undefined>>;
  /** The parsed body, or its text where it is not JSON (of a form: a character for each byte). */
  readonly body: unknown;
}

/** What the providers of a fleet share. */
export interface FleetShared {
  readonly seed: number;
  readonly timeScale: number;
  readonly bill: Bill;
  keep(call: ReceivedCall): void;
  nextCall(): number;
  /** Wall time, ms since 1970. */
  wallMs(): number;
  /** Monotonic ms; scenarios run by it. */
  nowMs(): number;
}

type Served = Exclude<Endpoint, { kind: "models" }>;
/** A body as it is served: JSON, or the fields and files of a form. */
interface Sent {
  readonly body: Body | undefined;
  readonly files: readonly FormFile[];
}

/** Who is asked for moderation without a name. */
const DEFAULT_MODERATOR = "omni-moderation-latest";
const MAX_BODY_BYTES = 64 * 1024 * 1024;
/** Connections that wait to be taken: a thousand clients may come at once. */
const BACKLOG = 4_096;
/** Of names that are not served: their calls are refused and cost nothing. */
const UNPRICED: ModelPrice = { input: 0, output: 0 };

export class SimulatedProvider {
  readonly config: ProviderConfig;
  readonly #shared: FleetShared;
  readonly #dialect: FleetDialect;
  readonly #server: Server;
  readonly #random: Random;
  readonly #running = new Set<Exchange>();
  readonly #firstScript: readonly RuleInput[];
  readonly #prices = new Map<string, ModelPrice>();
  readonly #kept: Kept;
  readonly #keptMessages: KeptMessages;
  #script: Script;
  #player: ScenarioPlayer | undefined;
  #edgeTimer: NodeJS.Timeout | undefined;
  #listening: Promise<void> = Promise.resolve();
  #port = 0;
  #closed = false;
  /** Connections destroyed as they came in. */
  refusedConnections = 0;

  constructor(config: ProviderConfig, shared: FleetShared) {
    this.config = config;
    this.#shared = shared;
    this.#dialect = dialectOf(config.dialect);
    this.#random = seededRandom(hashText(config.name) ^ shared.seed);
    const { end, tell_usage: tellsUsage } = config.batches;
    this.#kept = new Kept({ end: end ?? "control", tellsUsage });
    this.#keptMessages = new KeptMessages({ end: end ?? "look", tellsUsage });
    this.#firstScript = config.script;
    this.#script = new Script(config.script);
    this.#server = createServer({ keepAliveTimeout: 120_000, requestTimeout: 0, headersTimeout: 0, noDelay: true });
    this.#server.on("request", (req: IncomingMessage, res: ServerResponse) => void this.#receive(req, res));
    this.#server.on("connection", (socket: Socket) => this.#accept(socket));
    this.#server.on("clientError", (_error, socket) => socket.destroy());
  }

  get port(): number {
    return this.#port;
  }

  /** The base an SDK is pointed at, without a path. */
  get origin(): string {
    const host = this.config.host.includes(":") ? `[${this.config.host}]` : this.config.host;
    return `http://${host}:${this.#port}`;
  }

  async listen(): Promise<void> {
    await new Promise<void>((resolve, reject) => {
      this.#server.once("error", reject);
      this.#server.listen({ port: this.#port === 0 ? this.config.port : this.#port, host: this.config.host, backlog: BACKLOG }, () => {
        this.#server.off("error", reject);
        this.#port = (this.#server.address() as AddressInfo).port;
        resolve();
      });
    });
    await this.#syncListener();
  }

  /** Replaces the rules. Resolves when the listener stands as they want it. */
  async script(rules: readonly RuleInput[]): Promise<void> {
    this.#script = new Script(rules);
    // A client's idle connection would carry its next call past a refusal.
    if (this.#script.refuses) await this.#dropIdle();
    await this.#syncListener();
  }

  async play(scenario: Scenario, options: PlayOptions): Promise<void> {
    this.#player = new ScenarioPlayer(scenario, options, this.#shared.nowMs(), () => this.#random.next());
    await this.#syncListener();
  }

  /** Ends every batch that runs. */
  endBatches(): void {
    this.#kept.endAll(this.#shared.wallMs());
    this.#keptMessages.endAll(this.#shared.wallMs());
  }

  /** Back to the rules of the configuration, no scenario. */
  async reset(): Promise<void> {
    this.#player = undefined;
    this.#script = new Script(this.#firstScript);
    await this.#syncListener();
  }

  async close(): Promise<void> {
    this.#closed = true;
    clearTimeout(this.#edgeTimer);
    await this.#listening;
    for (const exchange of this.#running) exchange.stop();
    this.#server.closeAllConnections();
    if (this.#server.listening) await new Promise<void>((resolve) => { this.#server.close(() => resolve()); });
  }

  /** Shuts or opens the listener as script and scenario want it now, and again at the next edge of the scenario. */
  async #syncListener(): Promise<void> {
    clearTimeout(this.#edgeTimer);
    const now = this.#shared.nowMs();
    const edge = this.#player?.nextEdgeMs(now);
    if (edge !== undefined && !this.#closed) {
      // Timers hold at most 2^31 ms; a far edge is looked at again on the way.
      this.#edgeTimer = setTimeout(() => void this.#syncListener(), Math.min(edge - now + 1, 2 ** 30)).unref();
    }
    this.#listening = this.#listening.then(() => this.#openOrShut());
    await this.#listening;
  }

  async #openOrShut(): Promise<void> {
    const shut = this.#script.shut || this.#player?.shutAt(this.#shared.nowMs()) === true;
    if (this.#closed || shut === !this.#server.listening) return;
    if (shut) {
      this.#server.close();
      await this.#dropIdle();
      return;
    }
    await new Promise<void>((resolve, reject) => {
      this.#server.once("error", reject);
      this.#server.listen({ port: this.#port, host: this.config.host, backlog: BACKLOG }, () => {
        this.#server.off("error", reject);
        resolve();
      });
    });
  }

  /** Closes idle connections, and gives the clients a moment to see it. */
  async #dropIdle(): Promise<void> {
    this.#server.closeIdleConnections();
    await new Promise<void>((resolve) => { setTimeout(resolve, 5); });
  }

  #accept(socket: Socket): void {
    socket.on("error", () => socket.destroy());
    if (!this.#script.refusesConnection(() => this.#random.next())) return;
    this.refusedConnections += 1;
    socket.resetAndDestroy();
  }

  async #receive(req: IncomingMessage, res: ServerResponse): Promise<void> {
    const started = this.#shared.nowMs();
    const exchange = new Exchange(req, res, this.config.on_disconnect === "finish");
    this.#running.add(exchange);
    const number = this.#shared.nextCall();
    const url = new URL(req.url ?? "/", "http://fleet");
    const endpoint = this.#dialect.endpoint(req.method ?? "GET", url.pathname, url.searchParams);
    let row: OpenRow | undefined;
    try {
      const bytes = await readBody(req);
      const type = req.headers["content-type"] ?? "";
      const isForm = /^multipart\/form-data\b/i.test(type);
      const text = bytes.toString(isForm ? "latin1" : "utf8");
      const sent: Sent = isForm ? ((await readForm(bytes, type)) ?? { body: undefined, files: [] }) : { body: parseBody(text), files: [] };
      const at = this.#shared.wallMs();
      const id = `call_${String(number).padStart(7, "0")}`;
      this.#shared.keep({
        call: id, provider: this.config.name, at, method: req.method ?? "", url: req.url ?? "", headers: req.headers,
        body: isForm ? text : (sent.body ?? text),
      });
      if (endpoint?.kind === "models" || !endpoint) this.#serveList(req, url, exchange, endpoint);
      else {
        const facts = factsOf(url.pathname, endpoint, sent.body);
        row = this.#openRow(id, at, req, facts);
        await this.#serve(exchange, url, endpoint, sent, facts, row, number);
      }
    } catch (error) {
      // A request that broke off before its end, or a fault of the fleet itself: the client sees a dead connection.
      if (row?.outcome === "open") row.outcome = exchange.gone ? "client_gone" : "reset";
      res.destroy(error instanceof Error ? error : undefined);
    } finally {
      if (row) row.duration_ms = Math.round((this.#shared.nowMs() - started) * 1000) / 1000;
      this.#running.delete(exchange);
    }
  }

  #openRow(call: string, at: number, req: IncomingMessage, facts: CallFacts): OpenRow {
    const clientId = req.headers["x-client-request-id"];
    return this.#shared.bill.open({
      call, provider: this.config.name, model: facts.model,
      client_request_id: typeof clientId === "string" ? clientId : null,
      at, stream: facts.stream, path: facts.path, outcome: "open", status: 0, fault: null, input_tokens: 0, cached_tokens: 0,
      output_tokens: 0, cost_nano_usd: 0, usage_sent: false, duration_ms: 0,
    }, this.#priceOf(facts.model));
  }

  async #serve(
    exchange: Exchange, url: URL, endpoint: Served, { body, files }: Sent, facts: CallFacts, row: OpenRow, number: number,
  ): Promise<void> {
    const fault = this.#pickFault(facts);
    if (fault.kind !== "none") row.fault = fault.kind;
    const fail = (cls: "auth" | "bad-request" | "not-found", status: number, message: string): void =>
      refuse({ exchange, row }, status, this.#dialect.error(cls, status, message, `req_${row.call}`));
    // A fault of the edge comes before the provider has looked at anything.
    const bare = fault.kind === "none" ? this.#refusal(exchange.req, url, facts, endpoint.kind !== "kept") : undefined;
    if (bare) return fail(bare.cls, bare.status, bare.message);
    const bodiless = endpoint.kind === "kept" && (exchange.req.method !== "POST" || endpoint.part !== undefined);
    if (!body && !bodiless) return fail("bad-request", 400, "We could not parse the JSON body of your request.");
    const model = this.#modelOf(facts.model) ?? {};
    const call: Call = {
      exchange, provider: this.config, dialect: this.#dialect, model, row, fault, pace: this.#pace(model, facts),
      random: randomOfCall(this.#shared.seed, this.config.name, number),
    };
    if (endpoint.kind === "kept") return this.#serveKept(call, url, endpoint, body ?? {}, files);
    if (!body) return undefined;
    if (endpoint.kind === "embeddings") return serveEmbeddings(call, body, endpoint);
    if (endpoint.kind === "made") {
      const prices = (unit: string): boolean => this.#priceOf(facts.model).units?.[unit] !== undefined;
      return serveMade(call, (envelope) => this.#dialect.made?.(endpoint.name, { body, files, prices }, envelope) ?? "not served here");
    }
    if (endpoint.kind === "count") return serveCount(call, body, endpoint);
    const ask = this.#dialect.read(body, endpoint);
    if (typeof ask === "string") return fail("bad-request", 400, ask);
    return serveChat(call, ask, endpoint);
  }

  #serveKept(call: Call, url: URL, endpoint: KeptEndpoint, body: Body, files: readonly FormFile[]): Promise<void> {
    const method = call.exchange.req.method ?? "GET";
    const { searchParams: query } = url;
    const bill = (lines: readonly BatchLine[]): void => this.#shared.bill.batch(call.row, lines, (name) => this.#priceOf(name), this.config.batches.price_factor);
    const run = (kind: "chat" | "embeddings", params: Body) => {
      const model = this.#modelOf(typeof params["model"] === "string" ? params["model"] : "");
      return runBatched({ ...call, model: model ?? {} }, params, model !== undefined, kind);
    };
    return serveKept(call, (id) => {
      const asked = { method, endpoint, body, query, id, atMs: call.row.at, bill };
      if (endpoint.collection === "messages/batches") return this.#keptMessages.answer({ ...asked, origin: this.origin, run: (params) => run("chat", params) });
      return this.#kept.answer({ ...asked, files, run: (path, params) => run(path.endsWith("/embeddings") ? "embeddings" : "chat", params) });
    });
  }

  #refusal(req: IncomingMessage, url: URL, facts: CallFacts, needsModel = true): { cls: "auth" | "not-found"; status: number; message: string } | undefined {
    const key = this.#dialect.credential(req.headers, url.searchParams);
    if (key === undefined) return { cls: "auth", status: 401, message: "You didn't provide an API key." };
    if (key.startsWith("bad")) return { cls: "auth", status: 401, message: "Incorrect API key provided." };
    if (!needsModel || this.#modelOf(facts.model)) return undefined;
    return { cls: "not-found", status: 404, message: `The model '${facts.model}' does not exist.` };
  }

  #serveList(req: IncomingMessage, url: URL, exchange: Exchange, endpoint: (Endpoint & { kind: "models" }) | undefined): void {
    const names = Object.keys(this.config.models).filter((name) => name !== "*");
    const fault = this.#pickFault({ model: "", stream: false, path: url.pathname });
    const bare = this.#refusal(req, url, { model: endpoint?.id ?? names[0] ?? "", stream: false, path: url.pathname });
    const lost = !endpoint || (endpoint.id !== undefined && !names.includes(endpoint.id));
    const status = fault.kind === "status" ? fault.status : bare?.cls === "auth" ? 401 : lost ? 404 : 200;
    const body = status === 200
      ? this.#dialect.models(names, endpoint?.id)
      : this.#dialect.error(status === 401 ? "auth" : status === 404 ? "not-found" : "server", status, bare?.message ?? `no ${url.pathname} here`, "req_list");
    exchange.res.writeHead(status, { "content-type": "application/json" }).end(JSON.stringify(body));
  }

  #pickFault(facts: CallFacts): Fault {
    const chance = (): number => this.#random.next();
    return this.#script.pick(facts, chance) ?? this.#player?.pick(facts, this.#shared.nowMs()) ?? { kind: "none" };
  }

  #modelOf(name: string): ModelConfig | undefined {
    return this.config.models[name] ?? this.config.models["*"];
  }

  #priceOf(name: string): ModelPrice {
    const known = this.#prices.get(name);
    if (known) return known;
    const model = this.#modelOf(name);
    const price = (model && resolvePrice(name, model)) ?? UNPRICED;
    // Only names of the configuration are remembered: the others come from outside and have no bound.
    if (name in this.config.models) this.#prices.set(name, price);
    return price;
  }

  #pace(model: ModelConfig, facts: CallFacts): Pace {
    const imposed = this.#player?.paceAt(facts, this.#shared.nowMs());
    const own = this.#shared.timeScale;
    return {
      firstToken: imposed?.first_token ?? model.first_token ?? this.config.first_token,
      tokenRate: imposed?.token_rate ?? model.token_rate ?? this.config.token_rate,
      timeScale: imposed?.first_token !== undefined || imposed?.token_rate !== undefined ? imposed.timeScale : own,
    };
  }
}

function factsOf(path: string, endpoint: Served, body: Body | undefined): CallFacts {
  if (endpoint.kind === "kept") return { model: "files", stream: false, path };
  const moderator = endpoint.kind === "made" && endpoint.name === "moderations" ? DEFAULT_MODERATOR : undefined;
  const asked = endpoint.model ?? body?.["model"] ?? moderator;
  const told = body?.["stream"] === true || body?.["stream"] === "true" || body?.["stream_format"] === "sse";
  const stream = endpoint.kind === "chat" ? (endpoint.stream ?? body?.["stream"] === true) : endpoint.kind === "made" && told;
  return { model: typeof asked === "string" ? asked : "", stream, path };
}

async function readBody(req: IncomingMessage): Promise<Buffer> {
  const chunks: Buffer[] = [];
  let size = 0;
  for await (const chunk of req as AsyncIterable<Buffer>) {
    size += chunk.length;
    if (size > MAX_BODY_BYTES) throw new Error("body too large");
    chunks.push(chunk);
  }
  return chunks.length === 1 ? (chunks[0] as Buffer) : Buffer.concat(chunks);
}

function parseBody(text: string): Body | undefined {
  if (text === "") return undefined;
  try {
    const value: unknown = JSON.parse(text);
    return typeof value === "object" && value !== null && !Array.isArray(value) ? (value as Body) : undefined;
  } catch {
    return undefined;
  }
}
