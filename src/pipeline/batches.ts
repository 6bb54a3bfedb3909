/**
 * Batches that were made here and have not ended: each is looked at now and then at the account that owns it, and settled
 * from what its results tell when its provider says that it ended. What a client is told of it on the way is heard too. A
 * look that fails settles nothing. Nothing runs while nothing is kept.
 */
import type { Deployment } from "../decide/deployment.ts";
import type { Charge, KeptCall, KeptCallKind, KeptCalls, Ledger, Timer } from "../ports.ts";
import { batchDialect, type BatchTold } from "../providers/dialects/batches.ts";
import type { Json } from "../wire/json.ts";
import type { OwnedKind } from "../wire/surfaces.ts";
import { getFromAccount, type Got } from "./account-get.ts";
import { BatchBill, chargeOfLost } from "./batch-bill.ts";
import type { Deps } from "./deps.ts";
import { LineReader } from "./json-lines.ts";

export interface BatchesDeps extends Pick<Deps, "clock" | "upstream" | "log" | "snapshot" | "limits"> {
  readonly ledger: Pick<Ledger, "settle">;
  readonly kept: KeptCalls;
}

export type MadeBatch = Pick<KeptCall, "attemptId" | "account" | "kind" | "upstreamId" | "status" | "boundNanoUsd">;

/** What requests do with batches that are held. */
export interface HeldBatches {
  /** A batch was made by this attempt. Durable before the promise resolves; rejects where it could not be noted, and is followed all the same. */
  made(batch: MadeBatch): Promise<void>;
  /** What its provider told a client of some batch. */
  seen(account: string, kind: KeptCallKind, json: Json): void;
  /** Resolves when this batch was looked at, whatever came of it; null: it is not held. For those who are about to delete it. */
  look(account: string, kind: KeptCallKind, id: string): Promise<void> | null;
}

interface Held {
  call: KeptCall;
  /** A look that runs. */
  looking: Promise<void> | null;
  /** Its end, where a client heard of it while a look ran. */
  heard: BatchTold | null;
}
/** What a look came to. */
type Look =
  | { readonly kind: "running"; readonly status: string }
  | { readonly kind: "ended"; readonly charge: Charge }
  /** It is not there, or its account is not: perhaps for good. */
  | { readonly kind: "lost"; readonly why: string }
  | { readonly kind: "failed"; readonly why: string };

const FIRST_LOOK_MS = 30_000;
const LOOK_MAX_MS = 600_000;
/** What may be gone for good. */
const SELDOM_MS = 6 * 3_600_000;
const LOST_AFTER_MS = 35 * 86_400_000;
const LOOKS_AT_ONCE = 4;
const RESULT_BYTES_MAX = 4 * 2 ** 30;
const LOST_WORDS: ReadonlySet<string> = new Set(["batch_gone", "results_gone", "account_not_configured"]);
const KEEPERS: Readonly<Record<KeptCallKind, OwnedKind>> = { "files-batch": "files", "message-batch": "message-batches" };

export class Batches implements HeldBatches {
  readonly #deps: BatchesDeps;
  readonly #held = new Map<string, Held>();
  readonly #stopped = new AbortController();
  #timer: Timer | null = null;
  #looks = 0;

  constructor(deps: BatchesDeps) {
    this.#deps = deps;
  }

  /** Take up what was kept before, and look at it at once: nobody did while no process ran. */
  start(): void {
    const nowMs = this.#deps.clock.wallMs();
    for (const call of this.#deps.kept.kept()) this.#held.set(keyOf(call), { call: { ...call, nextLookMs: Math.min(call.nextLookMs, nowMs) }, looking: null, heard: null });
    this.#arm();
  }

  /** Nothing is looked at or written any more. */
  stop(): void {
    this.#stopped.abort();
    this.#timer?.cancel();
  }

  /** How many are held. */
  get size(): number {
    return this.#held.size;
  }

  made(batch: MadeBatch): Promise<void> {
    const createdMs = this.#deps.clock.wallMs();
    const call: KeptCall = { ...batch, createdMs, nextLookMs: createdMs + FIRST_LOOK_MS, looks: 0 };
    this.#held.set(keyOf(call), { call, looking: null, heard: null });
    this.#arm();
    return this.#deps.kept.keep(call);
  }

  seen(account: string, kind: KeptCallKind, json: Json): void {
    if (this.#held.size === 0) return;
    const owner = this.#owner(account, kind);
    const told = owner === null ? null : batchDialect(kind).read(json, owner.provider.usage);
    const held = told === null ? undefined : this.#held.get(keyOf({ account, kind, upstreamId: told.id }));
    if (held === undefined || told === null) return;
    if (told.ended && held.looking !== null) held.heard = told;
    else if (told.ended) void this.#look(held, told);
    else held.call = { ...held.call, status: told.status };
  }

  look(account: string, kind: KeptCallKind, id: string): Promise<void> | null {
    const held = this.#held.get(keyOf({ account, kind, upstreamId: id }));
    return held === undefined ? null : this.#look(held, null);
  }

  /** One timer for all: set for the one that is due first. */
  #arm(): void {
    this.#timer?.cancel();
    this.#timer = null;
    if (this.#stopped.signal.aborted || this.#looks >= LOOKS_AT_ONCE) return;
    let firstMs = Number.POSITIVE_INFINITY;
    for (const { call, looking } of this.#held.values()) if (looking === null) firstMs = Math.min(firstMs, call.nextLookMs);
    if (firstMs === Number.POSITIVE_INFINITY) return;
    // The wall clock may be set meanwhile.
    const delayMs = Math.min(LOOK_MAX_MS, Math.max(0, firstMs - this.#deps.clock.wallMs()));
    this.#timer = this.#deps.clock.after(delayMs, () => this.#due());
  }

  #due(): void {
    const nowMs = this.#deps.clock.wallMs();
    for (const held of this.#held.values()) {
      if (this.#looks >= LOOKS_AT_ONCE) break;
      if (held.looking === null && held.call.nextLookMs <= nowMs) void this.#look(held, null);
    }
    this.#arm();
  }

  /** Look at one and do what follows; never rejects. `told`: what is known of it already. */
  #look(held: Held, told: BatchTold | null): Promise<void> {
    if (held.looking !== null) return held.looking;
    this.#looks++;
    held.looking = this.#lookAt(held.call, told)
      .then((look) => this.#follow(held, look))
      .catch((error: unknown) => this.#postpone(held, { kind: "failed", why: error instanceof Error ? error.message : String(error) }))
      .finally(() => {
        held.looking = null;
        this.#looks--;
        const { heard } = held;
        held.heard = null;
        if (heard !== null && this.#held.get(keyOf(held.call)) === held) void this.#look(held, heard);
        else this.#arm();
      });
    return held.looking;
  }

  async #follow(held: Held, look: Look): Promise<void> {
    if (this.#stopped.signal.aborted) return;
    const { call } = held;
    const nowMs = this.#deps.clock.wallMs();
    if (look.kind === "ended") return this.#settle(held, look.charge);
    if (look.kind === "lost" && LOST_WORDS.has(call.status) && nowMs - call.createdMs >= LOST_AFTER_MS) return this.#settle(held, chargeOfLost(call, look.why, nowMs));
    return this.#postpone(held, look);
  }

  async #settle(held: Held, charge: Charge): Promise<void> {
    await this.#deps.ledger.settle([charge]);
    this.#held.delete(keyOf(held.call));
    this.#deps.log.info("batch_settled", { attempt: charge.attemptId, account: held.call.account, state: charge.state, cost_nano_usd: charge.costNanoUsd, flags: charge.flags });
  }

  /** Look again later, and note that. */
  async #postpone(held: Held, look: Exclude<Look, { kind: "ended" }>): Promise<void> {
    if (this.#stopped.signal.aborted) return;
    const { call } = held;
    const looks = call.looks + 1;
    const delayMs = look.kind === "lost" ? SELDOM_MS : Math.min(LOOK_MAX_MS, FIRST_LOOK_MS * 2 ** Math.min(looks, 10));
    if (look.kind !== "running") this.#deps.log.warn("batch_look_failed", { attempt: call.attemptId, account: call.account, why: look.why });
    const status = look.kind === "running" ? look.status : look.kind === "lost" ? look.why : call.status;
    held.call = { ...call, looks, status, nextLookMs: this.#deps.clock.wallMs() + delayMs };
    try {
      await this.#deps.kept.keep(held.call);
    } catch (error) {
      this.#deps.log.warn("batch_not_noted", { attempt: call.attemptId, error: String(error) });
    }
  }

  async #lookAt(call: KeptCall, known: BatchTold | null): Promise<Look> {
    const owner = this.#owner(call.account, call.kind);
    if (owner === null) return { kind: "lost", why: "account_not_configured" };
    const told = known ?? (await this.#ask(call, owner));
    if ("kind" in told) return told;
    return told.ended ? this.#bill(call, told, owner) : { kind: "running", status: told.status };
  }

  async #ask(call: KeptCall, owner: Deployment): Promise<BatchTold | Look> {
    const dialect = batchDialect(call.kind);
    const pieces: Uint8Array[] = [];
    const got = await this.#get(owner, dialect.path(call.upstreamId), "application/json", this.#deps.limits.answerBytes, (chunk) => pieces.push(chunk.slice()));
    if (got.kind !== "ok") return lookOf(got, "batch_gone");
    const told = dialect.read(parsed(pieces), owner.provider.usage);
    return told?.id === call.upstreamId ? told : { kind: "failed", why: "malformed" };
  }

  async #bill(call: KeptCall, told: BatchTold, owner: Deployment): Promise<Look> {
    const newBill = (): BatchBill => new BatchBill({ call, told, owner, at: (model) => this.#deps.snapshot().directory.at?.(call.account, model) ?? null });
    const bill = newBill();
    const ended = (): Look => ({ kind: "ended", charge: bill.charge(this.#deps.clock.wallMs()) });
    const { whole } = told;
    if (told.done === 0 && told.resultsPath === null) return ended();
    if (whole !== null && bill.pricesWhole(whole.model)) {
      bill.answer(whole);
      return ended();
    }
    if (told.resultsPath === null) {
      bill.lost("results_gone");
      return ended();
    }
    const lines = new LineReader(this.#deps.limits.answerBytes, (line) => bill.line(line));
    const got = await this.#get(owner, told.resultsPath, "*/*", RESULT_BYTES_MAX, (chunk) => lines.push(chunk));
    if (got.kind === "ok") lines.end();
    else if (got.kind === "failed" && got.why === "too_large") bill.lost("results_too_large");
    else return lookOf(got, "results_gone");
    return ended();
  }

  #get(owner: Deployment, path: string, accept: string, maxBytes: number, onData: (chunk: Uint8Array) => void): Promise<Got> {
    const transport = this.#deps.snapshot().transport(owner);
    return getFromAccount(this.#deps, transport, { path, headers: ["accept", accept], maxBytes, onData }, this.#stopped.signal);
  }

  /** The account, if it is configured and keeps such things. */
  #owner(account: string, kind: KeptCallKind): Deployment | null {
    return this.#deps.snapshot().directory.keepers?.(KEEPERS[kind]).find((one) => one.account === account) ?? null;
  }
}

function keyOf({ account, kind, upstreamId }: Pick<KeptCall, "account" | "kind" | "upstreamId">): string {
  return `${kind}\n${account}\n${upstreamId}`;
}

function lookOf(got: Exclude<Got, { kind: "ok" }>, gone: string): Look {
  return got.kind === "gone" ? { kind: "lost", why: gone } : got;
}

function parsed(pieces: readonly Uint8Array[]): Json {
  const decoder = new TextDecoder();
  try {
    return JSON.parse(pieces.map((piece) => decoder.decode(piece, { stream: true })).join("") + decoder.decode()) as Json;
  } catch {
    return null;
  }
}
