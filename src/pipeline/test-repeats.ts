/** A small world whose requests may carry an Idempotency-Key: the file of keys on disk, answers in memory, everything else as in `test-world.ts`. */
import { mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { after } from "node:test";
import type { Caller, RequestRecord, StateStore } from "../ports.ts";
import { SqliteKeyedRequests } from "../storage/idempotency.ts";
import { MemoryState } from "../storage/state-memory.ts";
import { STATE_OFF } from "../storage/state-off.ts";
import type { ServedName } from "../wire/surfaces.ts";
import { serveChat } from "./chat.ts";
import { serveEmbeddings } from "./embeddings.ts";
import { KEY_TTL_MS, Repeats } from "./idempotency.ts";
import type { Inbound } from "./inbound.ts";
import { flush } from "./test-clock.ts";
import { WatchedReply } from "./test-reply.ts";
import { World, type RouteSpec } from "./test-world.ts";

const folder = mkdtempSync(join(tmpdir(), "spillway-repeats-"));
after(() => rmSync(folder, { recursive: true, force: true }));
let worlds = 0;

export interface KeyedAsk {
  readonly key: string;
  readonly body?: Readonly<Record<string, unknown>>;
  readonly surface?: ServedName;
  readonly caller?: Partial<Caller>;
  readonly headers?: Readonly<Record<string, string>>;
  /** As it comes, in place of a JSON body. */
  readonly bytes?: Uint8Array;
}

const CALLER: Caller = { tenant: "default", key: "app", scopes: ["tenant/default", "key/app"] };

export class KeyedWorld {
  readonly world: World;
  readonly path = join(folder, `${++worlds}.db`);
  answers: StateStore;
  store: SqliteKeyedRequests;
  repeats: Repeats;
  #count = 0;

  constructor(spec: RouteSpec = { candidates: ["a"] }, keeps = true) {
    this.world = new World(spec);
    this.answers = keeps ? new MemoryState({}, () => this.world.clock.wallMs()) : STATE_OFF;
    this.store = this.#open();
    this.repeats = this.#repeatsNow();
    const { records } = this.world;
    Object.assign(this.world.deps, {
      records: {
        append: (record: RequestRecord) => {
          records.push(record);
          this.repeats.recorded(record);
        },
      },
    });
  }

  /** Another process on the same folder: the file and the ledger are there, memory is not. */
  restart(): void {
    this.store.close();
    this.answers = new MemoryState({}, () => this.world.clock.wallMs());
    this.store = this.#open();
    this.repeats = this.#repeatsNow();
  }

  /** A client asks; resolves when all that needs no time has happened. */
  async ask(ask: KeyedAsk): Promise<WatchedReply> {
    const reply = this.askNow(ask);
    await this.settle();
    return reply;
  }

  askNow(ask: KeyedAsk): WatchedReply {
    const reply = new WatchedReply(() => undefined);
    const { surface = "chat" } = ask;
    const what = surface === "embeddings" ? { input: "hi" } : { messages: [{ role: "user", content: "hi there" }] };
    const inbound: Inbound = {
      requestId: `req_${++this.#count}`,
      caller: { ...CALLER, ...ask.caller },
      body: ask.bytes ?? new TextEncoder().encode(JSON.stringify({ model: "r", ...what, ...ask.body })),
      asked: { surface, model: undefined, stream: undefined, query: "" },
      header: (name) => ask.headers?.[name],
      reply,
      done: () => undefined,
      snapshot: this.world.snapshot,
    };
    this.repeats.serve(ask.key, inbound, (call) => {
      if (surface === "embeddings") serveEmbeddings(this.world.deps, call);
      else serveChat(this.world.deps, call, () => undefined);
    });
    return reply;
  }

  /** What is ready happens, over the turns that durable writes take. */
  async settle(ms = 0): Promise<void> {
    await this.world.pass(ms);
    for (let i = 0; i < 4; i++) await flush();
  }

  #open(): SqliteKeyedRequests {
    return new SqliteKeyedRequests(this.path, { sync: "process", log: this.world.deps.log, ttlMs: KEY_TTL_MS, wallMs: () => this.world.clock.wallMs() });
  }

  #repeatsNow(): Repeats {
    const { clock, log } = this.world.deps;
    return new Repeats({ store: this.store, answers: this.answers, clock, log, attemptsOf: (id) => this.world.ledger.memory.attemptsOf(id), told: () => undefined });
  }
}
