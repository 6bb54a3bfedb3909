/** A handler of the Upstream port that writes down what it is told, for tests of adapters. */
import type { Upstream, UpstreamCall, UpstreamFailure, UpstreamRequest } from "../../src/ports.ts";

export type Event = "sent" | "headers" | "data" | "end" | "failure";

export class Told {
  readonly events: Event[] = [];
  readonly pieces: Uint8Array[] = [];
  status = 0;
  failure: UpstreamFailure | null = null;
  header: (name: string) => string | undefined = () => undefined;
  /** Called at each event, before it counts as told. */
  onEvent: (event: Event) => void = () => undefined;
  call!: UpstreamCall;
  readonly over: Promise<void>;
  #end: () => void = () => undefined;
  #waiting: { readonly event: Event; readonly resolve: () => void }[] = [];

  constructor() {
    this.over = new Promise((resolve) => (this.#end = resolve));
  }

  get body(): string {
    return Buffer.concat(this.pieces).toString("latin1");
  }

  /** `ok 200 body` or `class/reason sent`: how it ended. */
  get ending(): string {
    if (this.failure === null) return `${this.events.at(-1)} ${this.status}`;
    return `${this.failure.class}/${this.failure.reason}${this.failure.sent ? "" : " unsent"}`;
  }

  /** Resolves when the event has come. */
  until(event: Event): Promise<void> {
    if (this.events.includes(event)) return Promise.resolve();
    return new Promise((resolve) => this.#waiting.push({ event, resolve }));
  }

  tell(event: Event): void {
    this.onEvent(event);
    this.events.push(event);
    for (const waiting of this.#waiting) if (waiting.event === event) waiting.resolve();
    if (event === "end" || event === "failure") this.#end();
  }
}

/** Send, and write down. */
export function sendTold(upstream: Upstream, origin: string, more: Partial<UpstreamRequest> = {}, onEvent: (event: Event, told: Told) => void = () => undefined): Told {
  const told = new Told();
  told.onEvent = (event) => onEvent(event, told);
  const request: UpstreamRequest = { origin, path: "/v1/x", method: "POST", headers: ["content-type", "application/json"], body: Buffer.from("{}"), connectTimeoutMs: 2_000, proxyUrl: null, caFile: null, ...more };
  told.call = upstream.send(request, {
    onSent: () => told.tell("sent"),
    onHeaders: (status, header) => {
      told.status = status;
      told.header = header;
      told.tell("headers");
    },
    onData: (chunk) => {
      told.pieces.push(Uint8Array.from(chunk));
      told.tell("data");
    },
    onEnd: () => told.tell("end"),
    onFailure: (failure) => {
      told.failure = failure;
      told.tell("failure");
    },
  });
  return told;
}
