/** Providers that say what a test has them say, when it has them say it. */
import type { Upstream, UpstreamCall, UpstreamFailure, UpstreamHandler, UpstreamRequest } from "../ports.ts";

const encoder = new TextEncoder();

/** One call as the provider sees it; the test speaks for the provider. */
export class ScriptedCall implements UpstreamCall {
  readonly request: UpstreamRequest;
  /** `a` of `https://a.example`. */
  readonly to: string;
  readonly atMs: number;
  paused = false;
  aborted = false;
  readonly #handler: UpstreamHandler;
  readonly #told: (event: string) => void;

  constructor(request: UpstreamRequest, handler: UpstreamHandler, atMs: number, told: (event: string) => void) {
    this.request = request;
    this.to = new URL(request.origin).hostname.split(".")[0] as string;
    this.atMs = atMs;
    this.#handler = handler;
    this.#told = told;
  }

  // UpstreamCall

  pause(): void {
    this.paused = true;
  }

  resume(): void {
    this.paused = false;
  }

  abort(): void {
    if (this.aborted) return;
    this.aborted = true;
    this.#told(`abort ${this.to}`);
  }

  // What happens to the call

  connected(): void {
    if (!this.aborted) this.#handler.onSent();
  }

  head(status: number, headers: Readonly<Record<string, string>> = {}): this {
    if (!this.aborted) this.#handler.onHeaders(status, (name) => headers[name]);
    return this;
  }

  bytes(text: string | Uint8Array): this {
    if (!this.aborted) this.#handler.onData(typeof text === "string" ? encoder.encode(text) : text);
    return this;
  }

  end(): this {
    if (!this.aborted) this.#handler.onEnd();
    return this;
  }

  fail(reason = "reset", sent = true): this {
    const failure: UpstreamFailure = { class: "network", reason, sent, message: `the connection was ${reason}` };
    if (!this.aborted) this.#handler.onFailure(failure);
    return this;
  }

  // What the provider says

  /** The head of an event stream, with these events behind it. */
  stream(...frames: readonly string[]): this {
    return this.head(200, { "content-type": "text/event-stream" }).bytes(frames.join(""));
  }

  /** Further events of the stream. */
  say(...frames: readonly string[]): this {
    return this.bytes(frames.join(""));
  }

  /** A whole JSON answer. */
  json(body: unknown, status = 200, headers: Readonly<Record<string, string>> = {}): this {
    return this.head(status, { "content-type": "application/json", ...headers }).bytes(JSON.stringify(body)).end();
  }

  /** A refusal in the usual shape. */
  refuse(status: number, message = "no", headers: Readonly<Record<string, string>> = {}, code: string | null = null): this {
    return this.json({ error: { message, type: "x", code } }, status, headers);
  }
}

export class ScriptedUpstream implements Upstream {
  readonly calls: ScriptedCall[] = [];
  /** Connections are made in a later turn, unless a test makes them itself. */
  connects = true;
  readonly #nowMs: () => number;
  readonly #told: (event: string) => void;
  readonly #plays = new Map<string, (call: ScriptedCall) => void>();

  constructor(nowMs: () => number, told: (event: string) => void) {
    this.#nowMs = nowMs;
    this.#told = told;
  }

  /** Have every later call to this provider answered so. */
  plays(to: string, play: (call: ScriptedCall) => void): void {
    this.#plays.set(to, play);
  }

  send(request: UpstreamRequest, handler: UpstreamHandler): UpstreamCall {
    const call = new ScriptedCall(request, handler, this.#nowMs(), this.#told);
    this.calls.push(call);
    this.#told(`send ${call.to}`);
    if (this.connects) {
      queueMicrotask(() => {
        call.connected();
        this.#plays.get(call.to)?.(call);
      });
    }
    return call;
  }

  /** The latest call to a provider. */
  to(name: string): ScriptedCall {
    const call = this.calls.findLast((one) => one.to === name);
    if (call === undefined) throw new Error(`${name} was not called; called: ${this.order.join(" ")}`);
    return call;
  }

  get order(): readonly string[] {
    return this.calls.map((call) => call.to);
  }
}

// Events of a stream

const chunk = (rest: string): string => `data: {"id":"c1","object":"chat.completion.chunk","created":1,"model":"m",${rest}}\n\n`;

/** One delta, as JSON text. */
export function delta(json: string, finish: string | null = null, choice = 0): string {
  return chunk(`"choices":[{"index":${choice},"delta":${json},"finish_reason":${finish === null ? "null" : `"${finish}"`}}]`);
}

export const ROLE = delta(`{"role":"assistant","content":""}`);
export const DONE = "data: [DONE]\n\n";

/** Visible text. */
export function text(words: string, choice = 0): string {
  return delta(JSON.stringify({ content: words }), null, choice);
}

/** The end of a choice. */
export function finish(reason = "stop", choice = 0): string {
  return delta("{}", reason, choice);
}

/** The usage chunk. */
export function usage(prompt = 9, completion = 3): string {
  return chunk(`"choices":[],"usage":{"prompt_tokens":${prompt},"completion_tokens":${completion},"total_tokens":${prompt + completion}}`);
}

/** A good small stream, from its role to its end. */
export const GOOD_STREAM = [ROLE, text("Hello"), text(" there."), finish(), usage(), DONE];

/** A good small JSON answer. */
export const GOOD_ANSWER = {
  id: "c1", object: "chat.completion", created: 1, model: "m",
  choices: [{ index: 0, message: { role: "assistant", content: "Hello there." }, finish_reason: "stop" }],
  usage: { prompt_tokens: 9, completion_tokens: 3, total_tokens: 12 },
};
