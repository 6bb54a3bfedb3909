/** The asking side of the query thread: started when something is asked, ended when nothing was for a while. */
import { Worker } from "node:worker_threads";
import { QueryError, type Mover, type Queries, type QueryOrder, type QueryReply, type RequestPage, type RequestQuery, type UsageQuery, type UsageReport, type UsageRow } from "../control/reports.ts";
import type { JsonObject } from "../wire/json.ts";

export interface QuerySetup {
  readonly ledgerPath: string;
  readonly controlPath: string;
  /** How long one question may take. */
  readonly limitMs: number;
}

interface Waiting {
  readonly resolve: (value: unknown) => void;
  readonly reject: (error: QueryError) => void;
}

const LIMIT_MS = 30_000;
const WAITING_MAX = 16;
const IDLE_MS = 60_000;
const MEMORY_MB = 512;

export class QueryThread implements Queries {
  readonly #setup: QuerySetup;
  readonly #waiting = new Map<number, Waiting>();
  #worker: Worker | null = null;
  /** Ends a thread that does not come back to answer, or that nobody asks any more. */
  #timer: NodeJS.Timeout | null = null;
  #asked = 0;
  #closed = false;

  constructor(setup: Omit<QuerySetup, "limitMs"> & { readonly limitMs?: number }) {
    this.#setup = { limitMs: LIMIT_MS, ...setup };
  }

  usage(query: UsageQuery, limit: number): Promise<UsageReport> {
    return this.#ask("usage", { query, limit }) as Promise<UsageReport>;
  }

  async *usageRows(query: UsageQuery): AsyncGenerator<readonly UsageRow[]> {
    const listing = await this.#ask("open", query);
    try {
      for (;;) {
        const piece = (await this.#ask("more", listing)) as readonly UsageRow[] | null;
        if (piece === null) return;
        yield piece;
      }
    } finally {
      // Whoever left half-way leaves nothing open; a thread that is gone has nothing open.
      if (this.#worker !== null) await this.#ask("close", listing);
    }
  }

  movers(query: UsageQuery, limit: number): Promise<readonly Mover[]> {
    return this.#ask("movers", { query, limit }) as Promise<readonly Mover[]>;
  }

  requests(query: RequestQuery): Promise<RequestPage> {
    return this.#ask("requests", query) as Promise<RequestPage>;
  }

  request(tenant: string, id: string): Promise<JsonObject | null> {
    return this.#ask("request", { tenant, id }) as Promise<JsonObject | null>;
  }

  verifyAudit(): Promise<{ readonly sequence: number; readonly problem: string } | null> {
    return this.#ask("verifyAudit", null) as Promise<{ readonly sequence: number; readonly problem: string } | null>;
  }

  /** Ends the thread; what waits is refused. */
  async close(): Promise<void> {
    this.#closed = true;
    await this.#end(new QueryError("failed", "The gateway is stopping."));
  }

  #ask(verb: QueryOrder["verb"], argument: unknown): Promise<unknown> {
    if (this.#closed) return Promise.reject(new QueryError("failed", "The gateway is stopping."));
    if (this.#waiting.size >= WAITING_MAX) return Promise.reject(new QueryError("busy", "Too many reports are asked at once; ask again."));
    return new Promise((resolve, reject) => {
      const order: QueryOrder = { id: ++this.#asked, verb, argument };
      this.#waiting.set(order.id, { resolve, reject });
      this.#running().postMessage(order);
      this.#watch();
    });
  }

  #running(): Worker {
    if (this.#worker !== null) return this.#worker;
    const file = import.meta.url.endsWith(".ts") ? "./query-worker.ts" : "./query-worker.js";
    const worker = new Worker(new URL(file, import.meta.url), { workerData: this.#setup, resourceLimits: { maxOldGenerationSizeMb: MEMORY_MB } });
    worker.on("message", (reply: QueryReply) => this.#answered(reply));
    worker.on("error", (error) => this.#lost(worker, error.message));
    worker.on("exit", () => this.#lost(worker, "the thread ended"));
    worker.unref();
    this.#worker = worker;
    return worker;
  }

  #answered(reply: QueryReply): void {
    const waiting = this.#waiting.get(reply.id);
    this.#waiting.delete(reply.id);
    this.#watch();
    if ("code" in reply) waiting?.reject(new QueryError(reply.code, reply.message));
    else waiting?.resolve(reply.value);
  }

  /** One statement may take long: the thread cannot see the time meanwhile. */
  #watch(): void {
    if (this.#timer !== null) clearTimeout(this.#timer);
    const waits = this.#waiting.size > 0;
    const error = waits ? new QueryError("slow", `This takes longer than ${this.#setup.limitMs / 1_000} s: ask for a shorter time.`) : new QueryError("failed", "nobody asked");
    this.#timer = setTimeout(() => void this.#end(error), waits ? this.#setup.limitMs + 2_000 : IDLE_MS).unref();
  }

  #lost(worker: Worker, message: string): void {
    if (this.#worker !== worker) return;
    this.#worker = null;
    this.#refuseAll(new QueryError("failed", `The report could not be made: ${message}`));
  }

  async #end(error: QueryError): Promise<void> {
    if (this.#timer !== null) clearTimeout(this.#timer);
    this.#timer = null;
    const worker = this.#worker;
    this.#worker = null;
    this.#refuseAll(error);
    await worker?.terminate();
  }

  #refuseAll(error: QueryError): void {
    const all = [...this.#waiting.values()];
    this.#waiting.clear();
    for (const { reject } of all) reject(error);
  }
}
