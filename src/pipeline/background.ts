/**
 * Responses that are made in the background (`background: true`): by an ordinary exchange whose client is a run of ours. The
 * run collects the answer, keeps the response under the id that the client was told, and tells its events to who follows it.
 */
import type { Caller, ClientReply } from "../ports.ts";
import { cancelledResponse, endingEvent, errorIn, failedResponse, retoldEvent, type KeptResponse, type Retold } from "../providers/dialects/responses/client.ts";
import { gatewayError, type GatewayError } from "../wire/errors.ts";
import { asNumber, asString, type JsonObject } from "../wire/json.ts";
import { dataOf, SseFramer, type SseFrame } from "../wire/sse.ts";
import { answerHeaders, streamHead, usd, without } from "./answer-headers.ts";
import type { Deps } from "./deps.ts";
import type { Inbound } from "./inbound.ts";
import { keepResponse } from "./response-store.ts";
import { EVENT_BOUNDS, EventRoom, RunEvents, type EventBounds } from "./run-events.ts";

/** Runs at once. They are among the requests in flight, of which others must have some too. */
const RUNS_MAX = 200;
/** How long events are kept after the end, where there is room. */
const EVENTS_KEPT_MS = 600_000;
/** An event may hold all that an answer may. */
const FRAME_LIMITS = { lineBytes: 32 << 20, eventBytes: 33 << 20 };
const STREAM_TYPE = "text/event-stream; charset=utf-8";
const encoder = new TextEncoder();
const decoder = new TextDecoder();

/** The runs of a process, and the events of those that have ended lately. */
export class BackgroundRuns {
  readonly room: EventRoom;
  readonly #max: number;
  readonly #running = new Map<string, BackgroundRun>();
  readonly #events = new Map<string, RunEvents>();
  #count = 0;

  constructor(bounds: EventBounds = EVENT_BOUNDS, max = RUNS_MAX) {
    this.#max = max;
    this.room = new EventRoom(bounds);
    this.room.makeRoom = () => this.#forgetEvents();
  }

  get count(): number {
    return this.#count;
  }

  /** A place for one more run, given back by `leave`; or the error that says that there is none. */
  enter(): GatewayError | null {
    if (this.#count >= this.#max) return gatewayError("too_many_requests_in_flight", `${this.#max} responses are being made in the background; wait until one is finished.`, { retryAfterMs: 5_000 });
    this.#count++;
    return null;
  }

  leave(): void {
    this.#count--;
  }

  /** One that is being made. */
  find(caller: Caller, id: string): BackgroundRun | undefined {
    return this.#running.get(nameOf(caller, id));
  }

  /** The events of one that is being made or has ended lately. */
  eventsOf(caller: Caller, id: string): RunEvents | undefined {
    return this.find(caller, id)?.events ?? this.#events.get(nameOf(caller, id));
  }

  add(caller: Caller, run: BackgroundRun): void {
    this.#running.set(nameOf(caller, run.id), run);
  }

  /** It has ended. */
  remove(caller: Caller, run: BackgroundRun): void {
    const name = nameOf(caller, run.id);
    this.#running.delete(name);
    if (run.events !== null) this.#events.set(name, run.events);
  }

  /** Nobody can follow it any more. */
  forget(caller: Caller, id: string): void {
    const name = nameOf(caller, id);
    this.#events.get(name)?.drop();
    this.#events.delete(name);
  }

  #forgetEvents(): void {
    for (const [name, events] of this.#events) {
      if (this.room.used <= this.room.bounds.bytes) return;
      events.drop();
      this.#events.delete(name);
    }
  }
}

function nameOf(caller: Caller, id: string): string {
  return JSON.stringify([caller.tenant, caller.key, id]);
}

export interface RunSettings {
  /** The call with its own reply, which gets no more than word of the run. */
  readonly inbound: Inbound;
  /** What is kept of the response before there is an answer. */
  readonly kept: KeptResponse;
  /** The client asked for the events too. */
  readonly streams: boolean;
  /** Answers the client with an error. */
  readonly refuse: (error: GatewayError) => void;
}

/** One run: what the exchange takes for its client. */
export class BackgroundRun implements ClientReply {
  status = 0;
  readonly id: string;
  /** null: nobody asked for them. */
  readonly events: RunEvents | null;
  readonly #deps: Deps;
  readonly #settings: RunSettings;
  readonly #framer: SseFramer;
  #response: JsonObject;
  /** What the answer's head told of how it was made. */
  #told: readonly string[] = [];
  #end: Extract<Retold, { kind: "end" }> | null = null;
  /** The client has its answer: that the response is being made. */
  #accepted = false;
  #over = false;
  /** It could not even be kept that it is being made. */
  #unkept = false;
  #gone: (() => void) | null = null;
  /** Whatever is kept of it, in order. */
  #kept: Promise<unknown> = Promise.resolve();
  #finished: () => void = () => {};
  /** The response is kept as it ended, or nothing will be kept. */
  readonly finished = new Promise<void>((resolve) => {
    this.#finished = resolve;
  });

  constructor(deps: Deps, settings: RunSettings) {
    this.#deps = deps;
    this.#settings = settings;
    this.#response = settings.kept.response;
    this.id = asString(settings.kept.response["id"]) ?? "";
    this.events = settings.streams ? new RunEvents(deps.background.room) : null;
    this.#framer = new SseFramer((frame) => this.#frame(frame), FRAME_LIMITS);
    for (const type of ["response.created", "response.in_progress"]) this.events?.tell({ type, response: this.#response });
  }

  /** The response as it is now. */
  get kept(): KeptResponse {
    return { ...this.#settings.kept, response: this.#response, told: this.#told };
  }

  /** The exchange runs: say so to the client, unless it has been refused meanwhile. `rates`: how the caller's limits stand, as headers. */
  accept(route: string, rates?: readonly string[]): void {
    if (this.#accepted) return;
    this.#accepted = true;
    const { inbound } = this.#settings;
    this.#deps.background.add(inbound.caller, this);
    if (this.#over) this.#deps.background.remove(inbound.caller, this);
    else this.#keep();
    this.#kept.then(
      () => this.#tellAccepted(route, rates),
      (problem: unknown) => this.#crashed(problem),
    );
  }

  /** Abort what is being made. Resolves when the response is kept as cancelled, or as it had ended already. */
  async cancel(): Promise<KeptResponse> {
    this.#abort(true);
    await this.finished;
    return this.kept;
  }

  /** The same, for a response that is being forgotten: nothing more is kept of it. */
  async abandon(): Promise<void> {
    this.#abort(false);
    await this.finished;
    this.#deps.background.forget(this.#settings.inbound.caller, this.id);
  }

  // ClientReply

  head(status: number, headers: readonly string[]): void {
    this.status = status;
    this.#told = headers.filter((_, i) => TOLD.has((headers[i - (i % 2)] as string).toLowerCase()));
    this.#head = headers;
  }
  #head: readonly string[] = [];

  write(bytes: Uint8Array): boolean {
    if (this.#over) return true;
    if (this.#framer.push(bytes) !== null) {
      this.#breakOff("An event of the answer is beyond the bound.");
      // Not in the middle of what writes here.
      queueMicrotask(() => this.#gone?.());
    }
    return true;
  }

  end(bytes: Uint8Array | null): void {
    if (this.#over) return;
    if (this.status >= 400) return this.#failed(bytes ?? new Uint8Array(0));
    if (bytes !== null && this.#framer.push(bytes) !== null) return this.#breakOff("The answer is beyond the bound.");
    this.#framer.end();
    if (this.#end === null) return this.#breakOff("The answer ended without its last event.");
    const { response, spillway } = this.#end;
    const costUsd = asNumber(spillway?.["cost_usd"]);
    const { policy } = this.#settings.inbound.caller;
    if (costUsd !== undefined && (policy === undefined || policy.expose === "id+cost")) this.#told = [...without(this.#told, ["x-spillway-cost-usd"]), "x-spillway-cost-usd", `${usd(Math.round(costUsd * 1e9))}${spillway?.["estimated"] === true ? "; estimated" : ""}`];
    this.#finish(response, true);
  }

  destroy(): void {
    if (!this.#over) this.#breakOff("The gateway failed at this request; its log says how.");
  }

  onGone(callback: () => void): void {
    this.#gone = callback;
    if (this.#over) queueMicrotask(callback);
  }

  onDrain(): void {
    // Never slow: what is told here is taken at once.
  }

  // Inside

  #frame(frame: SseFrame): void {
    if (frame.dataLines === 0) {
      this.events?.comment(frame.bytes.slice(frame.start, frame.end));
      return;
    }
    const told = retoldEvent(dataOf(frame), this.#settings.kept.response);
    if (told.kind === "event") this.events?.tell(told.event);
    else if (told.kind === "end") this.#end = told;
  }

  /** An error instead of an answer: the client's own, if it waits and nothing was called; else the response failed. */
  #failed(body: Uint8Array): void {
    const at = this.#head.indexOf("x-spillway-attempts");
    if (!this.#accepted && this.#head[at + 1] === "0") {
      this.#accepted = this.#over = true;
      const { reply } = this.#settings.inbound;
      reply.head(this.status, this.#head);
      reply.end(body);
      this.events?.drop();
      this.#finished();
      return;
    }
    this.#finish(failedResponse(this.#response, errorIn(this.status, decoder.decode(body))), true);
  }

  #breakOff(message: string): void {
    this.#finish(failedResponse(this.#response, { code: "server_error", message }), true);
  }

  #abort(keep: boolean): void {
    if (this.#over) return;
    this.#finish(cancelledResponse(this.#response), keep);
    this.#gone?.();
  }

  /** The response has come to its end. Its last event leaves when it is kept. */
  #finish(response: JsonObject, keep: boolean): void {
    this.#over = true;
    this.#response = response;
    if (keep) this.#keep();
    const close = (): void => {
      this.events?.tell(endingEvent(this.#response, this.#end?.spillway ?? null));
      this.events?.end();
      this.#deps.background.remove(this.#settings.inbound.caller, this);
      if (this.events !== null) this.#deps.clock.after(EVENTS_KEPT_MS, () => this.#deps.background.forget(this.#settings.inbound.caller, this.id));
      this.#finished();
    };
    this.#kept.then(close, (problem: unknown) => {
      this.#crashed(problem);
      close();
    });
  }

  #keep(): void {
    this.#kept = this.#kept.then(() => this.#put());
  }

  async #put(): Promise<void> {
    const { inbound } = this.#settings;
    if (await keepResponse(this.#deps, inbound, this.kept)) return;
    this.#deps.log.warn("response_not_kept", { request: inbound.requestId, response: this.id });
    if (!this.#over) {
      // Nobody could ever read it.
      this.#finish(cancelledResponse(this.#response), false);
      this.#gone?.();
      this.#unkept = true;
      return;
    }
    this.#response = failedResponse(this.#settings.kept.response, { code: "server_error", message: "The response could not be kept: it is too large, or the disk is full." });
    await keepResponse(this.#deps, inbound, this.kept);
  }

  #tellAccepted(route: string, rates: readonly string[] | undefined): void {
    const { inbound, kept, refuse } = this.#settings;
    if (this.#unkept) return refuse(gatewayError("internal_error", "The response could not be kept, so nobody could read it: the body is too large, or the disk is full.", { status: 503 }));
    const { reply } = inbound;
    const facts = { requestId: inbound.requestId, route, deployment: null, attempts: 0, costNanoUsd: undefined, estimated: false, warnings: [], simulated: inbound.snapshot.simulated, rates };
    if (this.events !== null) {
      reply.head(200, without(answerHeaders(facts, streamHead(STREAM_TYPE)), ["x-spillway-attempts"]));
      this.events.follow(reply, 0, () => {});
      return;
    }
    // Whatever has come of it meanwhile: it is read by its id.
    const body = encoder.encode(JSON.stringify({ ...kept.response, status: "queued" }));
    reply.head(200, without(answerHeaders(facts, ["content-type", "application/json", "content-length", String(body.length)]), ["x-spillway-attempts"]));
    reply.end(body);
  }

  #crashed(problem: unknown): void {
    this.#deps.log.error("request_crashed", { request: this.#settings.inbound.requestId, error: problem instanceof Error ? (problem.stack ?? problem.message) : String(problem) });
  }
}

/** What the head of an answer says of how it was made; it stands in the heads of those who read the response. */
const TOLD = new Set(["x-spillway-route", "x-spillway-deployment", "x-spillway-attempts", "x-spillway-warning", "x-spillway-cost-usd", "x-spillway-simulated"]);
