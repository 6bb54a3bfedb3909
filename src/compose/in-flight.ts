/**
 * What is in flight, in an array: each member knows its slot, and the last one fills a hole. A Set under this churn is
 * rehashed again and again, and its dead tables keep finished requests alive until they are old: that cost a quarter of a
 * request's CPU, and most of its tail.
 */
import type { Mark } from "../ports.ts";

export interface Slotted {
  slot: number;
  /** Tells how far each of its calls has come. */
  progress?(tell: (attemptId: string, relayedTokens: number) => void): void;
}

export class InFlight<T extends Slotted> {
  readonly #members: T[] = [];

  get size(): number {
    return this.#members.length;
  }

  add(member: T): void {
    member.slot = this.#members.length;
    this.#members.push(member);
  }

  /** Does nothing for what is not in it. */
  delete(member: T): void {
    const { slot } = member;
    if (this.#members[slot] !== member) return;
    const last = this.#members.pop() as T;
    if (last !== member) {
      this.#members[slot] = last;
      last.slot = slot;
    }
    member.slot = -1;
  }

  /** How far all have come. */
  marks(): readonly Mark[] {
    const marks: Mark[] = [];
    for (const member of this.#members) member.progress?.((attemptId, relayedTokens) => marks.push({ attemptId, relayedTokens }));
    return marks;
  }

  /** A copy, since members may leave while they are visited. */
  all(): readonly T[] {
    return [...this.#members];
  }
}
