/**
 * Requests with an `Idempotency-Key`. The first one is noted, durably, before anything else happens; a repeat never makes a
 * second call to a provider: it gets the answer again, what is known of it, or word that it still runs. What was refused or
 * failed without costing anything gives its key free. The rest of the pipeline knows nothing of this: it sees another reply.
 */
import type { Asked, Clock, KeyedRequests, Log, RequestRecord, StateScope, StateStore } from "../ports.ts";
import { clientOf } from "../providers/dialects/clients.ts";
import { gatewayError, type GatewayError } from "../wire/errors.ts";
import { asString, isObject, type Json, type JsonObject } from "../wire/json.ts";
import { isKeptName } from "../wire/surfaces.ts";
import { digestOf, nameOf } from "./idempotency-digest.ts";
import { recordJson } from "./idempotency-record.ts";
import { KeyedReply, type WholeAnswer } from "./idempotency-reply.ts";
import { formOf, INVALID_KEY, MISMATCH, running, tellAgain, tellRecord, UNAVAILABLE, unfinished, type KnownAttempt } from "./idempotency-told.ts";
import { refuse, type Inbound } from "./inbound.ts";

/** From the end of a request on. */
export const KEY_TTL_MS = 24 * 3_600_000;
/** Larger answers are not kept: a repeat gets the record. */
const ANSWER_BYTES_MAX = 4 << 20;
const KEY = /^[\x20-\x7e]{1,255}$/;

export interface RepeatPorts {
  readonly store: KeyedRequests;
  /** Where answers are kept. */
  readonly answers: StateStore;
  readonly clock: Clock;
  readonly log: Log;
  /** What the ledger says of a request's calls. */
  readonly attemptsOf: (requestId: string) => readonly KnownAttempt[];
  /** A request was answered without being made. */
  readonly told: (status: number) => void;
}

/** Does a request of this kind heed the header? What calls a provider by POST does. */
export function heedsKey({ surface, method = "POST" }: Asked): boolean {
  return method === "POST" && !isKeptName(surface) && surface !== "feedback";
}

export class Repeats {
  readonly #ports: RepeatPorts;
  /** By name: what runs, and what has ended and is being noted. */
  readonly #runs = new Map<string, Run>();
  readonly #byRequest = new Map<string, Run>();

  constructor(ports: RepeatPorts) {
    this.#ports = ports;
  }

  /** Serve a request that came with this key: `make` makes it, if it is the first. */
  serve(key: string, call: Inbound, make: (call: Inbound) => void): void {
    if (!KEY.test(key)) return this.#refuse(call, INVALID_KEY);
    const name = nameOf(call.caller.tenant, key);
    const digest = digestOf(call);
    const known = this.#runs.get(name);
    if (known !== undefined) return this.#repeat(known, digest, call);
    const found = this.#find(name);
    if (found === null) return this.#refuse(call, UNAVAILABLE);
    if (found === undefined) return this.#first(name, digest, call, make);
    if (found.digest !== digest) return this.#refuse(call, MISMATCH);
    const { requestId, record } = found;
    if (record !== null) return this.#tellKept(call, requestId, record);
    const attempts = this.#attemptsOf(requestId);
    // Rows are written before calls: without one, nothing was called.
    if (attempts?.length === 0) return this.#first(name, digest, call, make);
    this.#refuse(call, unfinished(call, requestId, attempts));
  }

  /** A request has its record. */
  recorded(record: RequestRecord): void {
    if (this.#byRequest.size === 0) return;
    const run = this.#byRequest.get(record.requestId);
    if (run !== undefined) run.record = record;
  }

  #first(name: string, digest: string, call: Inbound, make: (call: Inbound) => void): void {
    const { requestId } = call;
    const reply = new KeyedReply(call.reply, () => !this.#keepsOf(call) || asksStream(call));
    const run: Run = { name, digest, call, reply, record: null, told: false, over: false };
    this.#runs.set(name, run);
    this.#byRequest.set(requestId, run);
    this.#ports.store.begin({ name, digest, requestId, atMs: this.#ports.clock.wallMs() }).then(
      () => this.#make(run, make),
      (error: unknown) => {
        this.#ports.log.warn("keyed_request_not_noted", { request: requestId, error: String(error) });
        this.#forget(run);
        this.#refuse(call, UNAVAILABLE);
      },
    );
  }

  #make(run: Run, make: (call: Inbound) => void): void {
    const done = (): void => this.#done(run);
    // Whoever asked is gone, and nothing was sent.
    if (run.reply.gone) return done();
    try {
      make({ ...run.call, reply: run.reply, done });
    } catch (problem) {
      this.#ports.log.error("request_crashed", { request: run.call.requestId, error: problem instanceof Error ? (problem.stack ?? problem.message) : String(problem) });
      if (run.reply.status !== 0) run.reply.destroy();
      else refuseBy(run.call, run.reply, gatewayError("internal_error", "The gateway failed at this request; its log says how."));
      done();
    }
  }

  /** The request has its record or was refused. What was made in the background may be so before it is told as begun. */
  #done(run: Run): void {
    if (run.told) return;
    run.told = true;
    const answerComes = !run.reply.ended && run.record !== null && run.record.outcome !== "client_gone";
    if (answerComes) run.reply.onEnded = () => this.#over(run);
    else this.#over(run);
    run.call.done();
  }

  /** Keep what repeats of it are told, or give its key free. */
  #over(run: Run): void {
    run.over = true;
    this.#byRequest.delete(run.call.requestId);
    const { store, clock, log } = this.#ports;
    const failed = (error: unknown): void => log.warn("keyed_request_not_ended", { request: run.call.requestId, error: String(error) });
    if (isFree(run)) {
      this.#forget(run);
      store.release(run.name).catch(failed);
      return;
    }
    const record = run.record === null ? null : recordJson(run.record);
    Promise.all([this.#keep(run), store.end(run.name, record, clock.wallMs() + KEY_TTL_MS)])
      .catch(failed)
      .finally(() => this.#forget(run));
  }

  #forget(run: Run): void {
    if (this.#runs.get(run.name) === run) this.#runs.delete(run.name);
    this.#byRequest.delete(run.call.requestId);
  }

  /** A repeat of what this process began. */
  #repeat(run: Run, digest: string, call: Inbound): void {
    if (run.digest !== digest) return this.#refuse(call, MISMATCH);
    const { reply, record, over } = run;
    // Something that goes on in the background has been answered before it is over.
    if (reply.answer !== null && (over || reply.status < 400)) return this.#tellAgain(call, run.call.requestId, reply.answer);
    if (!over) return this.#refuse(call, running(run.call.requestId));
    if (record !== null) return this.#tellRecord(call, recordJson(record));
    this.#refuse(call, unfinished(call, run.call.requestId, this.#attemptsOf(run.call.requestId)));
  }

  #tellKept(call: Inbound, requestId: string, record: JsonObject): void {
    this.#ports.answers
      .get(scopeOf(call), requestId)
      .then((value) => {
        const answer = answerIn(value);
        if (answer === null) this.#tellRecord(call, record);
        else this.#tellAgain(call, requestId, answer);
      })
      .catch((problem: unknown) => {
        this.#ports.log.error("request_crashed", { request: call.requestId, error: problem instanceof Error ? (problem.stack ?? problem.message) : String(problem) });
        call.reply.destroy();
        call.done();
      });
  }

  #tellAgain(call: Inbound, requestId: string, answer: WholeAnswer): void {
    this.#ports.log.info("request_replayed", { request: call.requestId, first: requestId });
    tellAgain(call, answer);
    this.#answered(call);
  }

  #tellRecord(call: Inbound, record: JsonObject): void {
    this.#ports.log.info("request_replayed", { request: call.requestId, first: record["request_id"] });
    tellRecord(call, record);
    this.#answered(call);
  }

  #refuse(call: Inbound, error: GatewayError): void {
    refuseBy({ ...call, done: () => {} }, call.reply, error);
    this.#answered(call);
  }

  #answered(call: Inbound): void {
    if (call.reply.status >= 400) this.#ports.told(call.reply.status);
    call.done();
  }

  /** Keeps a whole answer for repeats. Never rejects. */
  async #keep(run: Run): Promise<void> {
    const { answer } = run.reply;
    if (answer === null || answer.body.length > ANSWER_BYTES_MAX || !this.#keepsOf(run.call)) return;
    const { status, headers, body } = answer;
    await this.#ports.answers.put(scopeOf(run.call), run.call.requestId, { status, headers: [...headers], body: Buffer.from(body.buffer, body.byteOffset, body.byteLength).toString("base64") }, KEY_TTL_MS);
  }

  /** May an answer be kept? `store: false` of a response holds here too. */
  #keepsOf(call: Inbound): boolean {
    return this.#ports.answers.mode !== "off" && !(call.asked.surface === "responses" && membersOf(call)?.["store"] === false);
  }

  /** null: it cannot be read. */
  #find(name: string): ReturnType<KeyedRequests["find"]> | null {
    try {
      return this.#ports.store.find(name, this.#ports.clock.wallMs());
    } catch (error) {
      this.#ports.log.warn("keyed_request_not_read", { error: String(error) });
      return null;
    }
  }

  #attemptsOf(requestId: string): readonly KnownAttempt[] | null {
    try {
      return this.#ports.attemptsOf(requestId);
    } catch (error) {
      this.#ports.log.warn("keyed_request_not_read", { request: requestId, error: String(error) });
      return null;
    }
  }
}

interface Run {
  readonly name: string;
  readonly digest: string;
  readonly call: Inbound;
  readonly reply: KeyedReply;
  record: RequestRecord | null;
  /** Whoever made it is done with it. */
  told: boolean;
  /** What repeats of it get does not change any more. */
  over: boolean;
}

/** Has nothing come of it that a new try would pay for or do twice? */
function isFree({ reply, record }: Run): boolean {
  // Refused before anything was tried, or nobody was there any more; a crash of ours may have left a call behind.
  if (record === null) return reply.status === 0 ? !reply.ended : reply.status >= 400 && reply.status !== 500;
  // Told as begun, and goes on from there.
  if (record.outcome === "ok" || (reply.answer !== null && reply.status < 400)) return false;
  return record.attempts.every((attempt) => attempt.state === "unbilled" || attempt.state === "unmetered");
}

function scopeOf({ caller }: Pick<Inbound, "caller">): StateScope {
  return { tenant: caller.tenant, key: caller.key, kind: "repeats" };
}

function answerIn(value: Json | undefined): WholeAnswer | null {
  if (!isObject(value)) return null;
  const { status, headers } = value;
  const body = asString(value["body"]);
  if (typeof status !== "number" || !Array.isArray(headers) || body === undefined) return null;
  return { status, headers: headers.map(String), body: Buffer.from(body, "base64") };
}

/** The body's own members; undefined: it is no JSON object. */
function membersOf(call: Inbound): JsonObject | undefined {
  try {
    const parsed: unknown = JSON.parse(new TextDecoder().decode(call.body));
    return isObject(parsed) ? parsed : undefined;
  } catch {
    // A form, or something that is refused.
    return undefined;
  }
}

function asksStream(call: Inbound): boolean {
  return call.asked.stream ?? membersOf(call)?.["stream"] === true;
}

function refuseBy(call: Inbound, reply: Inbound["reply"], error: GatewayError): void {
  const client = clientOf(formOf(call));
  refuse({ ...call, reply, done: () => {} }, error, (told) => client.encodeError(told, call.requestId), client.errorHeaders?.(error));
}
