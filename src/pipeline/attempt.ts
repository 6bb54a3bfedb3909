/**
 * One upstream call, from its hold to its outcome. It owns the socket and its clocks; the exchange above it owns the
 * reply, and decides what happens next. Ends exactly once, with an outcome, after which nothing more is told.
 */
import type { Candidate } from "../decide/choose.ts";
import type { Timer, UpstreamCall, UpstreamFailure, UpstreamHandler, UpstreamRequest } from "../ports.ts";
import { faultOf, type Outcome, type Phase, type UpstreamError } from "../wire/outcome.ts";
import type { UnitCounts, Usage } from "../wire/usage.ts";
import type { Authorize, Deps } from "./deps.ts";
import { isStreamOf, type Framing } from "./framing.ts";
import { failure, type LaneSink, type StreamLane, type TailFrame } from "./lane.ts";

/** What the exchange is told. All calls are synchronous. */
export interface AttemptOwner {
  /** The answer's head has come. */
  answering(attempt: Attempt, header: (name: string) => string | undefined): void;
  /** First content is here: may it be shown? False: another attempt has won. */
  claim(attempt: Attempt): boolean;
  /** Frames for the client, only after a granted claim. Returns false when the client reads too slowly. */
  deliver(attempt: Attempt, bytes: Uint8Array): boolean;
  /** It came to this. For a stream that was answered, `tail` holds the frames still to be sent. */
  ended(attempt: Attempt, outcome: Outcome): void;
}

/** How an answer is read. Made for each attempt by the surface. */
export interface Reading {
  /** An answer with nothing in it can be a whole one: stop sequences were asked. */
  readonly mayBeEmpty: boolean;
  readonly framing: Framing;
  /** The answer is held back and checked before anything of it is shown. */
  readonly held?: boolean;
  /** Is an answer of this content type one? Its type is then told on, or the one that it is brought into. Absent: a stream of this framing, or JSON. */
  accepts?(type: string): boolean | string;
  /** Streams: a lane that reads the body. */
  openLane(sink: LaneSink, type: string): StreamLane;
  /** A lane for a whole answer where a stream was asked; absent: such an answer is none. */
  openWhole?(sink: LaneSink): StreamLane;
  /** JSON answers: read the whole body. */
  readAnswer(body: Uint8Array): AnswerReading;
  /** An answer with an error status. */
  readError(status: number, header: (name: string) => string | undefined, text: string): UpstreamError;
}
export type AnswerReading =
  | { readonly kind: "answer"; readonly body: Uint8Array; readonly usage: Usage | null; readonly contentEvents: number; readonly textBytes: number; readonly warnings: readonly string[] }
  | { readonly kind: "error"; readonly error: UpstreamError; readonly usage: Usage | null };

export interface AttemptSettings {
  readonly id: string;
  readonly number: number;
  /** Why it was called: see `Launch`. */
  readonly why?: string;
  readonly candidate: Candidate;
  readonly stream: boolean;
  readonly idleMs: number;
  readonly lifetimeMs: number;
  readonly request: UpstreamRequest;
  /** The transport's, where the credential is no fixed header. */
  readonly authorize?: Authorize | undefined;
  readonly reading: Reading;
  readonly warnings: readonly string[];
  readonly expectedUnits?: UnitCounts | undefined;
  /** About how many tokens of a begun answer it is shown beside the request; absent: none. */
  readonly shownTokens?: number | undefined;
}

const ERROR_BODY_BYTES = 64 << 10;
const LINGER_MS = 1_000;

export class Attempt implements UpstreamHandler, LaneSink {
  readonly settings: AttemptSettings;
  /** When it was called; until then, when it was decided on. */
  startedMs: number;
  /** When its money was held: the time that it is priced at. Wall clock. */
  heldMs: number | null = null;
  /** The bound that its hold reserves; null: none is known. */
  heldNanoUsd: number | null = null;
  /** Its soft timeout had passed before it ended; set for the record. */
  late = false;
  /** It failed as providers fail, and by our doing or the client's. */
  notTheirs = false;
  /** Drained for its usage after the client left: nothing is delivered any more. */
  draining = false;
  sent = false;
  status: number | null = null;
  /** The answer's content type, where it is told on. */
  type: string | null = null;
  usage: Usage | null = null;
  firstContentMs: number | null = null;
  endedMs: number | null = null;
  contentEvents = 0;
  textBytes = 0;
  readonly tailFrames: TailFrame[] = [];
  /** The whole JSON answer, ready for the client. */
  body: Uint8Array | null = null;
  readonly warnings: string[];
  /** The upstream told its terminal signal itself. */
  sawEnd = false;
  readonly #deps: Deps;
  readonly #owner: AttemptOwner;
  #call: UpstreamCall | null = null;
  #lane: StreamLane | null = null;
  #chunks: Uint8Array[] = [];
  #bytes = 0;
  #held: Uint8Array[] = [];
  /** Of what is held back, before content and after the finish. */
  #heldBytes = 0;
  #finished = false;
  #finishReason = "";
  /** Content came after the finish: only the terminal signal makes this answer a whole one. */
  #reopened = false;
  #ended = false;
  #paused = false;
  #activeMs: number;
  #idle: Timer | null = null;
  #lifetime: Timer | null = null;
  #usageWait: Timer | null = null;
  #linger: Timer | null = null;
  /** Waiting for a credential that has to be fetched. */
  #credential: Timer | null = null;

  constructor(deps: Deps, owner: AttemptOwner, settings: AttemptSettings) {
    this.#deps = deps;
    this.#owner = owner;
    this.settings = settings;
    this.startedMs = this.#activeMs = deps.clock.nowMs();
    this.warnings = [...settings.warnings];
  }

  /** Send it. The hold must be durable by now. */
  start(): void {
    if (this.#ended) return;
    this.startedMs = this.#activeMs = this.#deps.clock.nowMs();
    // While the client does not read, the provider cannot end.
    this.#lifetime = this.#deps.clock.after(this.settings.lifetimeMs, () => this.fail(failure("timeout", "the stream outlived its lifetime"), this.#paused ? "client" : "provider"));
    if (this.settings.authorize === undefined) this.#call = this.#deps.upstream.send(this.settings.request, this);
    else this.#authorize(this.settings.authorize);
  }

  /** Get the credential's headers, at once or within the time of a connection, then send. */
  #authorize(authorize: Authorize): void {
    const { request } = this.settings;
    let headers;
    try {
      headers = authorize(request);
    } catch (error) {
      this.fail(unauthorized(error));
      return;
    }
    if (!(headers instanceof Promise)) {
      this.#sendWith(headers);
      return;
    }
    this.#credential = this.#deps.clock.after(request.connectTimeoutMs, () => this.fail(failure("network", `no credential within ${request.connectTimeoutMs} ms`)));
    headers.then(
      (late) => this.#sendWith(late),
      (error: unknown) => this.fail(unauthorized(error)),
    );
  }

  #sendWith(headers: readonly string[]): void {
    this.#credential?.cancel();
    if (this.#ended) return;
    const { request } = this.settings;
    this.#call = this.#deps.upstream.send({ ...request, headers: [...request.headers, ...headers] }, this);
  }

  /** The finish was seen (or the whole JSON answer), so that usage is final. */
  get complete(): boolean {
    return this.#whole || this.body !== null;
  }

  get over(): boolean {
    return this.#ended;
  }

  get phase(): Phase {
    if (this.firstContentMs !== null) return "after-content";
    return this.sent ? "before-content" : "unsent";
  }

  /** Close the socket; another attempt won, or the client left. */
  stop(kind: "superseded" | "client-gone"): void {
    if (this.#ended) return;
    this.#finish({ kind, phase: this.phase });
  }

  /** End it as failed, by a clock or by the process stopping. */
  fail(error: UpstreamError, fault = faultOf(error.class)): void {
    if (this.#ended) return;
    this.#finish({ kind: "failed", error, phase: this.phase, fault });
  }

  /** The client reads again. */
  resume(): void {
    if (!this.#paused) return;
    this.#paused = false;
    this.#activeMs = this.#deps.clock.nowMs();
    this.#call?.resume();
  }

  // UpstreamHandler

  onSent(): void {
    this.sent = true;
  }

  onHeaders(status: number, header: (name: string) => string | undefined): void {
    if (this.#ended) return;
    this.status = status;
    this.#header = header;
    this.#owner.answering(this, header);
    const type = header("content-type") ?? "";
    if (status < 200 || status >= 300) return;
    const { reading } = this.settings;
    if (reading.accepts !== undefined) {
      const accepted = reading.accepts(type);
      this.type = typeof accepted === "string" ? accepted : type;
      if (accepted === false) this.fail(failure("malformed", `an answer of type ${type.slice(0, 60) || "unknown"}`, status));
      else if (this.settings.stream) this.#lane = reading.openLane(this, type);
    } else if (this.settings.stream && isStreamOf(reading.framing, type)) this.#lane = reading.openLane(this, type);
    else if (this.settings.stream && !/json/i.test(type)) this.fail(failure("malformed", `an answer of type ${type.slice(0, 60) || "unknown"} instead of an event stream`, status));
    else if (!this.settings.stream && !/json/i.test(type)) this.fail(failure("malformed", `an answer of type ${type.slice(0, 60) || "unknown"} instead of JSON`, status));
    else if (this.settings.stream) this.#lane = reading.openWhole?.(this) ?? null;
  }
  #header: (name: string) => string | undefined = () => undefined;

  onData(chunk: Uint8Array): void {
    if (this.#ended) return;
    if (this.#lane !== null) {
      this.#lane.push(chunk);
      return;
    }
    this.activity();
    this.#bytes += chunk.length;
    const isError = (this.status ?? 0) >= 300;
    if (isError && this.#bytes > ERROR_BODY_BYTES) {
      this.#readError();
      return;
    }
    if (this.#bytes > this.#deps.limits.answerBytes) {
      this.fail(failure("too_large", "the answer is beyond the bound"));
      return;
    }
    this.#chunks.push(chunk);
  }

  onEnd(): void {
    this.#linger?.cancel();
    if (this.#ended) return;
    if (this.#lane !== null) {
      this.#lane.end();
      if (this.#ended) return;
      if (this.#whole) this.#complete();
      else this.fail(failure("truncated", "the stream ended without its terminal signal"));
      return;
    }
    const status = this.status ?? 0;
    if (status < 200 || status >= 300) this.#readError();
    else this.#readAnswer();
  }

  onFailure(told: UpstreamFailure): void {
    this.#linger?.cancel();
    if (this.#ended) return;
    this.sent ||= told.sent;
    // The answer was complete, only its usage is missing: nothing is lost to the client.
    if (this.#whole) this.#complete();
    else if ((this.status ?? 200) >= 300) this.#readError();
    else this.fail({ ...failure(told.class, told.message), code: told.reason });
  }

  // LaneSink

  activity(): void {
    this.#activeMs = this.#deps.clock.nowMs();
  }

  lifecycle(bytes: Uint8Array): void {
    if (this.firstContentMs !== null) this.#deliver(bytes);
    else {
      this.#held.push(bytes);
      this.#heldBytes += bytes.length;
      if (this.#heldBytes > this.#deps.limits.answerBytes) this.fail(failure("too_large", "the stream opens for ever"));
    }
  }

  content(bytes: Uint8Array, events: number, textBytes: number): void {
    if (this.#ended) return;
    if (this.firstContentMs === null && !this.#begin()) return;
    if (this.#finished && events > 0) {
      // Some hosts say `stop` in every chunk. What follows is held with the tail; the clock of an idle stream bounds the wait.
      this.#reopened = true;
      this.#usageWait?.cancel();
    }
    this.contentEvents += events;
    this.textBytes += textBytes;
    if (bytes.length > 0) this.#deliver(bytes);
  }

  held(events: number, textBytes: number): void {
    this.contentEvents += events;
    this.textBytes += textBytes;
  }

  finished(reason: string): void {
    if (this.#ended || this.#finished) return;
    this.#finished = true;
    this.#finishReason = reason;
    this.#usageWait = this.#deps.clock.after(this.#deps.limits.usageWaitMs, () => this.#complete());
    // What is left is little and bounded, and its wait is short: the usage must not stand behind a slow client.
    this.resume();
  }

  tail(frame: TailFrame): void {
    if (this.#ended) return;
    this.tailFrames.push(frame);
    this.#heldBytes += frame.bytes.length;
    if (this.#heldBytes <= this.#deps.limits.answerBytes) return;
    if (this.#whole) this.#complete();
    else this.fail(failure("too_large", "the answer goes on beyond its finish and the bound"));
  }

  usageSeen(usage: Usage): void {
    this.usage = usage;
  }

  warning(message: string): void {
    if (!this.warnings.includes(message)) this.warnings.push(message);
  }

  failed(error: UpstreamError): void {
    if (this.#ended) return;
    // Damage after the finish reason takes nothing from the answer.
    if (this.#whole) this.#complete();
    else this.fail(error);
  }

  done(): void {
    if (this.#ended) return;
    this.sawEnd = true;
    if (this.#finished) this.#complete();
    else this.fail(failure("truncated", "the stream said that it was done without a finish reason"));
  }

  // Inside

  /** Every choice has finished, and nothing came after that. */
  get #whole(): boolean {
    return this.#finished && !this.#reopened;
  }

  /** The first content: ask for the reply, then let out what was held back. */
  #begin(): boolean {
    this.firstContentMs = this.#deps.clock.nowMs();
    if (!this.#owner.claim(this)) {
      this.firstContentMs = null;
      this.stop("superseded");
      return false;
    }
    if (this.#ended) return false;
    this.#watchIdle(this.settings.idleMs);
    const held = this.#held;
    this.#held = [];
    for (const bytes of held) this.#deliver(bytes);
    return !this.#ended;
  }

  #deliver(bytes: Uint8Array): void {
    if (this.draining) return;
    if (!this.#owner.deliver(this, bytes) && !this.#paused) {
      this.#paused = true;
      this.#call?.pause();
    }
  }

  #watchIdle(delayMs: number): void {
    this.#idle = this.#deps.clock.after(delayMs, () => {
      const quietMs = this.#paused ? 0 : this.#deps.clock.nowMs() - this.#activeMs;
      if (quietMs >= this.settings.idleMs) this.fail(failure("timeout", `no event for ${this.settings.idleMs / 1000} s`));
      else this.#watchIdle(Math.max(20, this.settings.idleMs - quietMs));
    });
  }

  /** The answer is whole: finish reason seen, and usage seen or given up. */
  #complete(): void {
    if (this.#ended) return;
    if (this.firstContentMs === null) {
      // Nothing visible came. A limit or a filter explains that; a plain stop does not.
      if (!this.settings.reading.mayBeEmpty && (this.#finishReason === "stop" || this.#finishReason === "tool_calls")) {
        this.fail(failure("empty", "the answer ended without any content"));
        return;
      }
      if (!this.#begin()) return;
    }
    this.#finish({ kind: "answered" });
  }

  #readError(): void {
    const text = new TextDecoder().decode(concat(this.#chunks, this.#bytes)).slice(0, 16 << 10);
    this.fail(this.settings.reading.readError(this.status ?? 0, this.#header, text));
  }

  #readAnswer(): void {
    const body = concat(this.#chunks, this.#bytes);
    this.#chunks = [];
    if (body.length === 0) {
      this.fail(failure("empty", "an answer without a body"));
      return;
    }
    const read = this.settings.reading.readAnswer(body);
    if (read.usage !== null) this.usage = read.usage;
    if (read.kind === "error") {
      this.fail(read.error);
      return;
    }
    if (this.settings.stream) {
      this.fail(failure("malformed", "a JSON answer instead of an event stream", this.status ?? 0));
      return;
    }
    for (const message of read.warnings) this.warning(message);
    this.contentEvents = read.contentEvents;
    this.textBytes = read.textBytes;
    this.body = read.body;
    this.firstContentMs = this.#deps.clock.nowMs();
    if (!this.#owner.claim(this)) {
      this.#finish({ kind: "superseded", phase: "after-content" });
      return;
    }
    this.#finish({ kind: "answered" });
  }

  #finish(outcome: Outcome): void {
    if (this.#ended) return;
    this.#ended = true;
    this.endedMs = this.#deps.clock.nowMs();
    this.notTheirs = outcome.kind === "failed" && outcome.fault !== "provider" && faultOf(outcome.error.class) === "provider";
    this.#idle?.cancel();
    this.#lifetime?.cancel();
    this.#usageWait?.cancel();
    this.#credential?.cancel();
    // After the terminal signal the body's own end is due: waiting for it keeps the socket for the next call.
    if (this.sawEnd) this.#linger = this.#deps.clock.after(LINGER_MS, () => this.#call?.abort());
    else this.#call?.abort();
    this.#lane = null;
    this.#chunks = [];
    this.#held = [];
    this.#owner.ended(this, outcome);
  }
}

/** No credential, no call: whose fault it is, the thrower says. */
function unauthorized(error: unknown): UpstreamError {
  const { failureClass } = error as { readonly failureClass?: unknown };
  const message = error instanceof Error ? error.message : "no credential could be made";
  return failure(failureClass === "auth" ? "auth" : "network", message);
}

function concat(chunks: readonly Uint8Array[], length: number): Uint8Array {
  if (chunks.length === 1) return chunks[0] as Uint8Array;
  const out = new Uint8Array(length);
  let at = 0;
  for (const chunk of chunks) {
    out.set(chunk.subarray(0, length - at), at);
    at += chunk.length;
  }
  return out;
}
