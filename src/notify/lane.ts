/**
 * One channel at work: what waits for it, one at a time on the wire, tried again with growing pauses, at most so many an
 * hour. What is beyond is held back, and counted in one line once the hour is over.
 */
import type { Clock, Delivery, Log, NoticeTransport, Timer } from "../ports.ts";
import { SEVERITIES, type Channel, type Notice, type NoticeKind } from "../wire/notice.ts";
import { mailOf, slackBody, webhookBody } from "./message.ts";
import { SIGNATURE_HEADER, signatureOf } from "./sign.ts";

const HOUR_MS = 3_600_000;
const QUEUE_MAX = 200;
/** Pauses before the second to the last try: about ten minutes in all. */
const PAUSES_MS = [5_000, 30_000, 120_000, 420_000] as const;
const PAUSE_MAX_MS = 600_000;
const JITTER = 0.2;

export interface Waiting {
  /** The same at every try. */
  readonly id: string;
  readonly notice: Notice;
  tries: number;
  /** By the monotonic clock. */
  dueMs: number;
}
export interface LaneDeps {
  readonly clock: Clock;
  readonly transport: NoticeTransport;
  readonly log: Log;
  readonly random: () => number;
  readonly newId: () => string;
  /** What waits has changed. */
  readonly changed: () => void;
}
/** How a channel stands, for listings. */
export interface LaneState {
  readonly channel: Channel;
  readonly waiting: number;
  readonly delivered: number;
  /** Given up for good. */
  readonly failed: number;
  /** Held back by the limit in this hour. */
  readonly heldBack: number;
  readonly last: { readonly atMs: number; readonly delivery: Delivery } | null;
}

export class Lane {
  channel: Channel;
  readonly queue: Waiting[] = [];
  readonly #deps: LaneDeps;
  readonly #held = new Map<NoticeKind, number>();
  #worst: Notice | null = null;
  #hourStartMs = Number.NEGATIVE_INFINITY;
  #inHour = 0;
  #sending: Waiting | null = null;
  #timer: Timer | null = null;
  #hourTimer: Timer | null = null;
  #delivered = 0;
  #failed = 0;
  #last: LaneState["last"] = null;
  #closed = false;

  constructor(channel: Channel, deps: LaneDeps) {
    this.channel = channel;
    this.#deps = deps;
  }

  get state(): LaneState {
    return { channel: this.channel, waiting: this.queue.length, delivered: this.#delivered, failed: this.#failed, heldBack: this.#heldBack, last: this.#last };
  }

  /** Takes it to be sent, or holds it back. */
  offer(notice: Notice): void {
    this.#turnHour();
    if (this.#inHour >= this.channel.perHour || this.queue.length >= QUEUE_MAX) return this.#holdBack(notice);
    this.#inHour += 1;
    this.#enqueue(notice);
  }

  /** One that waited in another process. */
  resume(id: string, notice: Notice, tries: number): void {
    if (this.queue.length >= QUEUE_MAX) return;
    this.queue.push({ id, notice, tries: Math.min(tries, PAUSES_MS.length), dueMs: this.#deps.clock.nowMs() });
    this.#pump();
  }

  /** Once, now, beside all limits. */
  async tryNow(notice: Notice): Promise<Delivery> {
    const delivery = await this.#deliver(this.#deps.newId(), notice);
    this.#last = { atMs: this.#deps.clock.wallMs(), delivery };
    return delivery;
  }

  /** Nothing is sent from now on; what waits stays in the queue. */
  close(): void {
    this.#closed = true;
    this.#timer?.cancel();
    this.#hourTimer?.cancel();
  }

  get #heldBack(): number {
    let sum = 0;
    for (const count of this.#held.values()) sum += count;
    return sum;
  }

  #enqueue(notice: Notice): void {
    this.queue.push({ id: this.#deps.newId(), notice, tries: 0, dueMs: this.#deps.clock.nowMs() });
    this.#deps.changed();
    this.#pump();
  }

  #holdBack(notice: Notice): void {
    this.#held.set(notice.kind, (this.#held.get(notice.kind) ?? 0) + 1);
    if (this.#worst === null || SEVERITIES.indexOf(notice.severity) > SEVERITIES.indexOf(this.#worst.severity)) this.#worst = notice;
    this.#hourTimer ??= this.#deps.clock.after(Math.max(0, this.#hourStartMs + HOUR_MS - this.#deps.clock.nowMs()), () => {
      this.#hourTimer = null;
      this.#turnHour();
    });
  }

  /** A new hour begins with the first notice after the old one, or with the line that says what the old one held back. */
  #turnHour(): void {
    const nowMs = this.#deps.clock.nowMs();
    if (nowMs < this.#hourStartMs + HOUR_MS) return;
    this.#hourStartMs = nowMs;
    this.#inHour = 0;
    const count = this.#heldBack;
    const worst = this.#worst;
    if (count === 0 || worst === null) return;
    const kinds = [...this.#held].map(([kind, many]) => `${many} ${kind}`).join(", ");
    this.#held.clear();
    this.#worst = null;
    this.#inHour = 1;
    this.#enqueue({
      kind: "digest",
      severity: worst.severity,
      title: `${count} more ${count === 1 ? "alert was" : "alerts were"} held back in the last hour`,
      text: `This channel takes ${this.channel.perHour} an hour. Held back: ${kinds}. The gravest: ${worst.title}`,
      fields: { held_back: count },
      dedupKey: "digest",
      atMs: this.#deps.clock.wallMs(),
      tenant: worst.tenant,
      scopes: [],
    });
  }

  #pump(): void {
    if (this.#closed || this.#sending !== null) return;
    const { clock } = this.#deps;
    let next: Waiting | null = null;
    for (const waiting of this.queue) if (next === null || waiting.dueMs < next.dueMs) next = waiting;
    if (next === null) return;
    this.#timer?.cancel();
    this.#timer = null;
    if (next.dueMs > clock.nowMs()) {
      this.#timer = clock.after(next.dueMs - clock.nowMs(), () => this.#pump());
      return;
    }
    this.#sending = next;
    const sent = next;
    this.#deliver(sent.id, sent.notice)
      .then((delivery) => this.#ended(sent, delivery))
      .catch((error: unknown) => this.#ended(sent, { kind: "failed", retry: false, message: String(error), retryAfterMs: null }));
  }

  #ended(sent: Waiting, delivery: Delivery): void {
    this.#sending = null;
    // The gateway stops: whether it came through is known only by trying again, which the id tells the receiver.
    if (this.#closed && delivery.kind === "failed") return;
    const { clock, log, random } = this.#deps;
    this.#last = { atMs: clock.wallMs(), delivery };
    sent.tries += 1;
    const pauseMs = PAUSES_MS[sent.tries - 1];
    if (delivery.kind === "failed" && delivery.retry && pauseMs !== undefined) {
      const jittered = pauseMs * (1 + JITTER * (2 * random() - 1));
      sent.dueMs = clock.nowMs() + Math.min(PAUSE_MAX_MS, Math.max(jittered, delivery.retryAfterMs ?? 0));
    } else {
      const at = this.queue.indexOf(sent);
      if (at >= 0) this.queue.splice(at, 1);
      if (delivery.kind === "delivered") this.#delivered += 1;
      else {
        this.#failed += 1;
        log.warn("alert_undelivered", { channel: this.channel.id, alert: sent.notice.title, tries: sent.tries, error: delivery.message });
      }
    }
    this.#deps.changed();
    this.#pump();
  }

  async #deliver(id: string, notice: Notice): Promise<Delivery> {
    const { publicOnly } = this.channel;
    const target = this.channel.target();
    const { transport, clock } = this.#deps;
    const json = { "content-type": "application/json" };
    switch (target.type) {
      case "webhook": {
        const body = webhookBody(id, notice);
        return await transport.post(target.url, { ...json, [SIGNATURE_HEADER]: signatureOf(target.secret, body, clock.wallMs()) }, body, { publicOnly });
      }
      case "slack":
        return await transport.post(target.url, json, slackBody(notice), { publicOnly });
      case "smtp":
        return await transport.mail(target, { id, ...mailOf(notice) }, { publicOnly });
    }
  }
}
