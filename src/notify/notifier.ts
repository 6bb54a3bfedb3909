/**
 * The one way by which anything of the gateway tells people something: what was told within its time is not told again, each
 * channel takes what its filters let through, and nothing here is ever waited for by a request.
 */
import type { Clock, Delivery, Log, NoticeOutbox, NoticeTransport, Timer } from "../ports.ts";
import { asArray, asString, isObject, member, type Json, type JsonObject } from "../wire/json.ts";
import { NOTICE_KINDS, SEVERITIES, takes, type Channel, type Notice } from "../wire/notice.ts";
import { Lane, type LaneDeps, type LaneState } from "./lane.ts";

const DEDUP_MS = 3_600_000;
/** Keys that are remembered; the eldest make room. */
const SEEN_MAX = 5_000;
/** Changes within this time are written once. */
const SAVE_MS = 100;

export interface NotifierDeps {
  readonly clock: Clock;
  readonly transport: NoticeTransport;
  readonly outbox: NoticeOutbox;
  readonly log: Log;
  readonly random: () => number;
  readonly newId: () => string;
}
export interface Tested {
  readonly channel: Channel;
  readonly delivery: Delivery;
}

export class Notifier {
  readonly #deps: NotifierDeps;
  readonly #lanes = new Map<string, Lane>();
  /** Key → wall ms until which it is not told again. */
  readonly #seen = new Map<string, number>();
  #saving: Timer | null = null;
  #restored = false;
  #closed = false;

  constructor(deps: NotifierDeps) {
    this.#deps = deps;
  }

  /** From now on these channels. One that stays (by its id) goes on with what waits for it. The first time, what another process left is taken up. */
  configure(channels: readonly Channel[]): void {
    const ids = new Set(channels.map(({ id }) => id));
    for (const [id, lane] of this.#lanes) {
      if (ids.has(id)) continue;
      lane.close();
      this.#lanes.delete(id);
    }
    for (const channel of channels) {
      const lane = this.#lanes.get(channel.id);
      if (lane === undefined) this.#lanes.set(channel.id, new Lane(channel, this.#laneDeps()));
      else lane.channel = channel;
    }
    if (!this.#restored) this.#restore();
    this.#restored = true;
  }

  /** Tell it. False where it was told already. Returns at once. */
  notify(notice: Notice): boolean {
    if (this.#closed) return false;
    const { clock, log } = this.#deps;
    const wallMs = clock.wallMs();
    const key = `${notice.tenant} ${notice.dedupKey}`;
    if ((this.#seen.get(key) ?? 0) > wallMs) return false;
    this.#remember(key, wallMs + (notice.dedupMs ?? DEDUP_MS), wallMs);
    const write = notice.severity === "info" ? log.info : log.warn;
    write.call(log, "alert", { kind: notice.kind, severity: notice.severity, title: notice.title, tenant: notice.tenant, ...notice.fields });
    for (const lane of this.#lanes.values()) if (takes(lane.channel, notice)) lane.offer(notice);
    this.#changed();
    return true;
  }

  /** Sends a test to one channel (by id or name) or to all, once, whatever their filters and limits. null: there is no such channel. */
  async test(wanted: string | null): Promise<readonly Tested[] | null> {
    const lanes = [...this.#lanes.values()].filter(({ channel }) => wanted === null || isCalled(channel, wanted));
    if (lanes.length === 0 && wanted !== null) return null;
    const atMs = this.#deps.clock.wallMs();
    return await Promise.all(lanes.map(async (lane) => ({ channel: lane.channel, delivery: await lane.tryNow(testNotice(lane.channel, atMs)) })));
  }

  /** How the channels stand, in their order. */
  states(): readonly LaneState[] {
    return [...this.#lanes.values()].map((lane) => lane.state);
  }

  /** What waits is written, and nothing is sent any more. */
  close(): void {
    if (this.#closed) return;
    this.#closed = true;
    for (const lane of this.#lanes.values()) lane.close();
    if (this.#saving !== null) this.#save();
  }

  #laneDeps(): LaneDeps {
    return { ...this.#deps, changed: () => this.#changed() };
  }

  #remember(key: string, untilMs: number, wallMs: number): void {
    // The latest stand last, so the eldest make room.
    this.#seen.delete(key);
    if (this.#seen.size >= SEEN_MAX) {
      for (const [old, until] of this.#seen) if (until <= wallMs) this.#seen.delete(old);
      for (const old of this.#seen.keys()) {
        if (this.#seen.size < SEEN_MAX) break;
        this.#seen.delete(old);
      }
    }
    this.#seen.set(key, untilMs);
  }

  #changed(): void {
    if (this.#closed) return;
    this.#saving ??= this.#deps.clock.after(SAVE_MS, () => this.#save());
  }

  #save(): void {
    this.#saving?.cancel();
    this.#saving = null;
    const wallMs = this.#deps.clock.wallMs();
    const waiting = [...this.#lanes.values()].flatMap((lane) => lane.queue.map(({ id, notice, tries }) => ({ channel: lane.channel.id, id, tries, notice: { ...notice } })));
    this.#deps.outbox.save({ version: 1, told: [...this.#seen].filter(([, untilMs]) => untilMs > wallMs), waiting } as unknown as Json);
  }

  #restore(): void {
    const kept = this.#deps.outbox.load();
    for (const entry of asArray(member(kept, "told"))) {
      const [key, untilMs] = asArray(entry);
      if (typeof key === "string" && typeof untilMs === "number" && this.#seen.size < SEEN_MAX) this.#seen.set(key, untilMs);
    }
    for (const entry of asArray(member(kept, "waiting"))) {
      const { channel, id, tries, notice } = isObject(entry) ? entry : NOTHING;
      const lane = this.#lanes.get(asString(channel) ?? "");
      if (isNotice(notice) && typeof id === "string" && typeof tries === "number") lane?.resume(id, notice, tries);
    }
  }
}

const NOTHING: JsonObject = {};

/** Is this a notice as it was written? */
function isNotice(value: unknown): value is Notice & JsonObject {
  if (!isObject(value)) return false;
  const { title, text, dedupKey, tenant, atMs, fields, scopes, kind, severity } = value;
  if (![title, text, dedupKey, tenant].every((one) => typeof one === "string") || typeof atMs !== "number") return false;
  return isObject(fields) && Array.isArray(scopes) && (NOTICE_KINDS as readonly unknown[]).includes(kind) && (SEVERITIES as readonly unknown[]).includes(severity);
}

function isCalled(channel: Channel, wanted: string): boolean {
  return channel.id === wanted || channel.name === wanted || channel.id === `config:${wanted}`;
}

function testNotice(channel: Channel, atMs: number): Notice {
  return {
    kind: "test",
    severity: "info",
    title: "A test of this channel",
    text: `Spillway reaches the channel ${channel.name}. Nothing has happened.`,
    fields: { channel: channel.name },
    dedupKey: "test",
    atMs,
    tenant: channel.tenant ?? "default",
    scopes: [],
  };
}
