/** State in memory: gone with the process. Values are held as bytes, so that their sum is known and bounded. */
import type { StateScope, StateStore } from "../ports.ts";
import type { Json } from "../wire/json.ts";
import { STATE_BOUNDS, entryName, type StateBounds } from "./state-bounds.ts";

interface Entry {
  readonly bytes: Buffer;
  expiresMs: number;
}

export class MemoryState implements StateStore {
  readonly mode = "memory";
  readonly #wallMs: () => number;
  readonly #bounds: StateBounds;
  /** By name, the one that was kept or renewed longest ago first. */
  readonly #entries = new Map<string, Entry>();
  #bytes = 0;

  constructor(bounds: Partial<StateBounds> = {}, wallMs: () => number = Date.now) {
    this.#bounds = { ...STATE_BOUNDS.memory, ...bounds };
    this.#wallMs = wallMs;
  }

  /** How many entries there are, expired ones among them until the next sweep. */
  get size(): number {
    return this.#entries.size;
  }

  get bytes(): number {
    return this.#bytes;
  }

  put(scope: StateScope, id: string, value: Json, ttlMs: number): Promise<boolean> {
    const name = entryName(scope, id);
    this.#remove(name);
    const bytes = Buffer.from(JSON.stringify(value));
    if (bytes.length > this.#bounds.valueBytes) return Promise.resolve(false);
    this.#entries.set(name, { bytes, expiresMs: this.#wallMs() + ttlMs });
    this.#bytes += bytes.length;
    for (const oldest of this.#entries.keys()) {
      if (this.#bytes <= this.#bounds.bytes && this.#entries.size <= this.#bounds.entries) break;
      this.#remove(oldest);
    }
    return Promise.resolve(this.#entries.has(name));
  }

  get(scope: StateScope, id: string, renewMs?: number): Promise<Json | undefined> {
    const name = entryName(scope, id);
    const entry = this.#entries.get(name);
    const nowMs = this.#wallMs();
    if (entry === undefined || entry.expiresMs <= nowMs) return Promise.resolve(undefined);
    if (renewMs !== undefined) {
      entry.expiresMs = Math.max(entry.expiresMs, nowMs + renewMs);
      this.#entries.delete(name);
      this.#entries.set(name, entry);
    }
    return Promise.resolve(JSON.parse(entry.bytes.toString()) as Json);
  }

  delete(scope: StateScope, id: string): Promise<boolean> {
    const name = entryName(scope, id);
    const entry = this.#entries.get(name);
    this.#remove(name);
    return Promise.resolve(entry !== undefined && entry.expiresMs > this.#wallMs());
  }

  /** Forgets what has expired; call it on a timer. */
  sweep(): void {
    const nowMs = this.#wallMs();
    for (const [name, entry] of this.#entries) if (entry.expiresMs <= nowMs) this.#remove(name);
  }

  close(): void {
    this.#entries.clear();
    this.#bytes = 0;
  }

  #remove(name: string): void {
    const entry = this.#entries.get(name);
    if (entry === undefined) return;
    this.#bytes -= entry.bytes.length;
    this.#entries.delete(name);
  }
}
