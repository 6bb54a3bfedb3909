/**
 * The events of a response that is made in the background, numbered and kept in memory for those who follow it: from any
 * number on that is still kept, then live. A slow follower delays nobody; who falls behind what is kept is told so.
 */
import type { ClientReply } from "../ports.ts";
import { sseFrame } from "../providers/dialects/client.ts";
import { asString, type JsonObject } from "../wire/json.ts";
import { bytesOf } from "./hub-lane.ts";

/** What all runs together keep, and what one of them keeps at most. */
export interface EventBounds {
  readonly bytes: number;
  readonly bytesOfOne: number;
}
export const EVENT_BOUNDS: EventBounds = { bytes: 128 << 20, bytesOfOne: 8 << 20 };

/** Counts the bytes of all runs. `makeRoom` lets go of what was kept of those that have ended. */
export class EventRoom {
  readonly bounds: EventBounds;
  used = 0;
  makeRoom: () => void = () => {};

  constructor(bounds: EventBounds) {
    this.bounds = bounds;
  }
}

interface Follower {
  readonly reply: ClientReply;
  next: number;
  waits: boolean;
  readonly over: () => void;
}

/** The array of kept frames is cut when so many at its front are gone. */
const CUT = 1_024;

export class RunEvents {
  readonly #room: EventRoom;
  readonly #followers = new Set<Follower>();
  /** Frames from number `#first` on; those before `#head` are gone. */
  #frames: (Uint8Array | undefined)[] = [];
  #head = 0;
  #first = 0;
  #bytes = 0;
  #ended = false;

  constructor(room: EventRoom) {
    this.#room = room;
  }

  /** The number that the next event gets. */
  get next(): number {
    return this.#first + this.#frames.length - this.#head;
  }

  /** Number an event, keep it and tell it. */
  tell(event: JsonObject): void {
    const { type, sequence_number: _, ...members } = event;
    const frame = bytesOf([sseFrame(asString(type) ?? null, { type: type ?? null, sequence_number: this.next, ...members })]);
    this.#frames.push(frame);
    this.#bytes += frame.length;
    this.#room.used += frame.length;
    for (const follower of this.#followers) this.#pump(follower);
    if (this.#room.used > this.#room.bounds.bytes) this.#room.makeRoom();
    while (this.#bytes > 0 && (this.#bytes > this.#room.bounds.bytesOfOne || this.#room.used > this.#room.bounds.bytes)) this.#dropFirst();
  }

  /** A sign of life, for those who have everything that there is. */
  comment(bytes: Uint8Array): void {
    for (const follower of this.#followers) if (!follower.waits && follower.next >= this.next) follower.waits = !follower.reply.write(bytes);
  }

  /** No more events come. */
  end(): void {
    this.#ended = true;
    for (const follower of this.#followers) this.#pump(follower);
  }

  /** Forget everything that was kept. */
  drop(): void {
    while (this.#head < this.#frames.length) this.#dropFirst();
  }

  /** Is there no event of this number, and will there never be one? */
  endsBefore(from: number): boolean {
    return this.#ended && from >= this.next;
  }

  /** Are all events from this number on still there? */
  keeps(from: number): boolean {
    return from >= this.#first;
  }

  /** Tell all events from this number on to whoever replies, whose head has left. `over` is called once, at their end or when they leave. */
  follow(reply: ClientReply, from: number, over: () => void): void {
    const follower: Follower = { reply, next: from, waits: false, over };
    this.#followers.add(follower);
    reply.onGone(() => this.#leave(follower));
    reply.onDrain(() => {
      follower.waits = false;
      this.#pump(follower);
    });
    this.#pump(follower);
  }

  #pump(follower: Follower): void {
    while (!follower.waits && follower.next < this.next && follower.next >= this.#first) {
      const frame = this.#frames[this.#head + follower.next - this.#first] as Uint8Array;
      follower.next++;
      follower.waits = !follower.reply.write(frame);
    }
    if (follower.waits || !this.#followers.has(follower)) return;
    const lost = follower.next < this.#first;
    if (!lost && !this.#ended) return;
    follower.reply.end(lost ? bytesOf([fellBehind(follower.next)]) : null);
    this.#leave(follower);
  }

  #leave(follower: Follower): void {
    if (this.#followers.delete(follower)) follower.over();
  }

  #dropFirst(): void {
    const frame = this.#frames[this.#head];
    this.#frames[this.#head++] = undefined;
    this.#first++;
    this.#bytes -= frame?.length ?? 0;
    this.#room.used -= frame?.length ?? 0;
    if (this.#head < CUT || this.#head * 2 < this.#frames.length) return;
    this.#frames = this.#frames.slice(this.#head);
    this.#head = 0;
  }
}

function fellBehind(number: number): string {
  return sseFrame("error", { type: "error", sequence_number: number, code: "server_error", message: "You read more slowly than events are kept. The response goes on being made: read it whole by its id.", param: null });
}
