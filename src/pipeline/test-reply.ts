/** A client that a test can look over the shoulder of. */
import type { ClientReply } from "../ports.ts";

const decoder = new TextDecoder();

export class WatchedReply implements ClientReply {
  status = 0;
  headers: readonly string[] = [];
  ended = false;
  destroyed = false;
  /** Reads nothing: writes are refused until it drains. */
  slow = false;
  /** What arrived with each write, and with the end. */
  readonly writes: string[] = [];
  heads = 0;
  #gone = false;
  readonly #told: (event: string) => void;
  #onGone: (() => void) | null = null;
  #onDrain: (() => void) | null = null;

  constructor(told: (event: string) => void) {
    this.#told = told;
  }

  head(status: number, headers: readonly string[]): void {
    this.heads++;
    this.status = status;
    this.headers = headers;
    this.#told(`head ${status}`);
  }

  write(bytes: Uint8Array): boolean {
    this.#take(bytes);
    return !this.slow;
  }

  end(bytes: Uint8Array | null): void {
    if (this.ended) throw new Error("the answer was ended twice");
    if (bytes !== null) this.#take(bytes);
    this.ended = true;
    this.#told("end");
  }

  destroy(): void {
    this.destroyed = true;
  }

  onGone(callback: () => void): void {
    this.#onGone = callback;
  }

  onDrain(callback: () => void): void {
    this.#onDrain = callback;
  }

  // The client's side

  leave(): void {
    this.#gone = true;
    this.#onGone?.();
  }

  drain(): void {
    this.slow = false;
    this.#onDrain?.();
  }

  header(name: string): string | undefined {
    const at = this.headers.findIndex((one, i) => i % 2 === 0 && one === name);
    return at < 0 ? undefined : this.headers[at + 1];
  }

  get text(): string {
    return this.writes.join("");
  }

  get json(): { readonly error: { readonly code: string; readonly message: string; readonly type: string; readonly param: string | null } } {
    return JSON.parse(this.text);
  }

  /** The stream's events that carry data, parsed; comments left out. */
  get frames(): readonly Frame[] {
    return this.text.split("\n\n").filter((one) => one.startsWith("data: ")).map((one) => (one === "data: [DONE]" ? { done: true } : (JSON.parse(one.slice(6)) as Frame)));
  }

  /** All text that the client was shown. */
  get shown(): string {
    return this.frames.map((frame) => frame.choices?.map((choice) => choice.delta?.content ?? "").join("") ?? "").join("");
  }

  get comments(): number {
    return this.text.split("\n\n").filter((one) => one.startsWith(":")).length;
  }

  #take(bytes: Uint8Array): void {
    if (this.ended) throw new Error("written after the end");
    if (this.#gone) return;
    if (this.heads !== 1) throw new Error(`written after ${this.heads} heads`);
    this.writes.push(decoder.decode(bytes));
  }
}

export interface Frame {
  readonly done?: boolean;
  readonly error?: { readonly code: string; readonly message: string; readonly type: string };
  readonly choices?: readonly { readonly index: number; readonly delta?: { readonly role?: string; readonly content?: string; readonly reasoning_content?: string }; readonly finish_reason?: string | null }[];
  readonly usage?: { readonly prompt_tokens: number };
  readonly spillway?: { readonly cost_usd: number | null; readonly estimated?: boolean };
}
