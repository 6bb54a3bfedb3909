/** Virtual time: a heap of events, fired in the order of their times and, at one instant, in the order in which they were set. No wall clock. */

/** Something that happens at a time. What it is decides its class; the heap keeps its place. */
export abstract class SimEvent {
  atMs = 0;
  /** Breaks ties: set first, fired first. */
  seq = 0;
  /** Its place in the heap; -1: it is not set. */
  place = -1;

  abstract fire(): void;
}

/** A function that is called at a time. */
export class Alarm extends SimEvent {
  readonly #act: () => void;

  constructor(act: () => void) {
    super();
    this.#act = act;
  }

  fire(): void {
    this.#act();
  }
}

export class Engine {
  nowMs = 0;
  /** Events that have fired. */
  fired = 0;
  #lastSeq = 0;
  readonly #heap: SimEvent[] = [];

  /** Let an event fire at a time, which is moved to now where it has passed. One that is set already is set anew. */
  set(event: SimEvent, atMs: number): void {
    if (event.place >= 0) this.cancel(event);
    this.#lastSeq += 1;
    event.atMs = atMs > this.nowMs ? atMs : this.nowMs;
    event.seq = this.#lastSeq;
    this.#heap.push(event);
    this.#rise(event, this.#heap.length - 1);
  }

  /** It does not fire. Nothing where it is not set. */
  cancel(event: SimEvent): void {
    const { place } = event;
    if (place < 0) return;
    event.place = -1;
    const last = this.#heap.pop() as SimEvent;
    if (last === event) return;
    this.#rise(last, place);
    if (last.place === place) this.#sink(last, place);
  }

  /** Fire what is due until nothing is left, or the next is after `untilMs`. */
  run(untilMs = Number.POSITIVE_INFINITY): void {
    for (;;) {
      const first = this.#heap[0];
      if (first === undefined || first.atMs > untilMs) return;
      this.cancel(first);
      this.nowMs = first.atMs;
      this.fired += 1;
      first.fire();
    }
  }

  #rise(event: SimEvent, from: number): void {
    const heap = this.#heap;
    let place = from;
    while (place > 0) {
      const above = (place - 1) >> 1;
      const other = heap[above] as SimEvent;
      if (isBefore(other, event)) break;
      heap[place] = other;
      other.place = place;
      place = above;
    }
    heap[place] = event;
    event.place = place;
  }

  #sink(event: SimEvent, from: number): void {
    const heap = this.#heap;
    const size = heap.length;
    let place = from;
    for (;;) {
      let below = 2 * place + 1;
      if (below >= size) break;
      if (below + 1 < size && isBefore(heap[below + 1] as SimEvent, heap[below] as SimEvent)) below += 1;
      const other = heap[below] as SimEvent;
      if (isBefore(event, other)) break;
      heap[place] = other;
      other.place = place;
      place = below;
    }
    heap[place] = event;
    event.place = place;
  }
}

function isBefore(a: SimEvent, b: SimEvent): boolean {
  return a.atMs < b.atMs || (a.atMs === b.atMs && a.seq < b.seq);
}
