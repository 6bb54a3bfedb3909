/**
 * The clock of the running gateway: monotonic and wall time, and a timer wheel. A request sets several clocks and
 * nearly always cancels them; a wheel makes that a list operation where setTimeout would cost half a microsecond.
 */
import type { Clock, Timer } from "../ports.ts";

const TICK_MS = 20;
const SLOTS = 1024;

class Entry implements Timer {
  readonly dueTick: number;
  callback: (() => void) | null;
  previous: Entry | null = null;
  next: Entry | null;
  readonly #clock: WheelClock;

  constructor(clock: WheelClock, dueTick: number, callback: () => void, next: Entry | null) {
    this.#clock = clock;
    this.dueTick = dueTick;
    this.callback = callback;
    this.next = next;
  }

  cancel(): void {
    this.#clock.remove(this);
  }
}

const NEVER: Timer = { cancel: () => undefined };

export class WheelClock implements Clock {
  readonly #slots: (Entry | null)[] = Array.from({ length: SLOTS }, () => null);
  #tick = Math.floor(performance.now() / TICK_MS);
  #count = 0;
  #interval: NodeJS.Timeout | null = null;
  #closed = false;
  readonly #onError: (error: unknown) => void;

  /** `onError` gets what a timer's callback throws; the wheel goes on. */
  constructor(onError: (error: unknown) => void) {
    this.#onError = onError;
  }

  nowMs(): number {
    return performance.now();
  }

  wallMs(): number {
    return Date.now();
  }

  after(delayMs: number, callback: () => void): Timer {
    if (this.#closed) return NEVER;
    if (this.#interval === null) this.#start();
    // One tick more than the delay, so that a timer never fires early.
    const dueTick = Math.max(this.#tick + 1, Math.ceil((performance.now() + delayMs) / TICK_MS));
    const slot = dueTick % SLOTS;
    const head = this.#slots[slot] ?? null;
    const entry = new Entry(this, dueTick, callback, head);
    if (head !== null) head.previous = entry;
    this.#slots[slot] = entry;
    this.#count++;
    return entry;
  }

  /** Stop for good; nothing fires any more. */
  close(): void {
    this.#closed = true;
    if (this.#interval !== null) clearInterval(this.#interval);
    this.#interval = null;
    this.#slots.fill(null);
    this.#count = 0;
  }

  #start(): void {
    this.#tick = Math.floor(performance.now() / TICK_MS);
    this.#interval = setInterval(() => this.#advance(), TICK_MS);
    this.#interval.unref();
  }

  /** Of one of its own entries: what `cancel` does. */
  remove(entry: Entry): void {
    if (entry.callback === null || this.#closed) return;
    entry.callback = null;
    this.#count--;
    if (entry.next !== null) entry.next.previous = entry.previous;
    if (entry.previous !== null) entry.previous.next = entry.next;
    else this.#slots[entry.dueTick % SLOTS] = entry.next;
    // A removed entry that still pointed at its neighbours would keep them, and they theirs, from being collected.
    entry.next = entry.previous = null;
  }

  #advance(): void {
    const target = Math.floor(performance.now() / TICK_MS);
    // After a long stall one turn of the wheel sees every slot.
    const from = Math.max(this.#tick + 1, target - SLOTS + 1);
    this.#tick = target;
    for (let tick = from; tick <= target; tick++) this.#fire(tick % SLOTS, target);
    if (this.#count === 0 && this.#interval !== null) {
      clearInterval(this.#interval);
      this.#interval = null;
    }
  }

  #fire(slot: number, nowTick: number): void {
    // Callbacks set and cancel timers of this slot, so what is due is collected first.
    let due: Entry[] | null = null;
    for (let entry = this.#slots[slot] ?? null; entry !== null; entry = entry.next) if (entry.dueTick <= nowTick) (due ??= []).push(entry);
    if (due === null) return;
    for (const entry of due) {
      const { callback } = entry;
      if (callback === null) continue;
      this.remove(entry);
      try {
        callback();
      } catch (error) {
        this.#onError(error);
      }
    }
  }
}
