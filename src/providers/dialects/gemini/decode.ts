/**
 * generateContent answers → hub events, for streams and whole bodies alike.
 *
 * A stream of this dialect has no terminal event: it is over when the body ends after every candidate seen gave a
 * finish reason. A `finish` is told after the usage of its chunk; only a plain STOP of a choice in which nothing came yet
 * waits for the end of the body, where it is an `empty` answer. Failures of the model (MALFORMED_FUNCTION_CALL, …) are
 * an `error` of class `malformed`: the provider's fault, worth another attempt.
 */
import { ENDED_WITHOUT_CONTENT } from "../../../wire/outcome.ts";
import type { StreamEvent } from "../../../wire/events.ts";
import { asArray, asNumber, asString, isObject, member, type Json, type JsonObject } from "../../../wire/json.ts";
import type { FailureClass, UpstreamError } from "../../../wire/outcome.ts";
import type { SseEvent } from "../../../wire/sse-event.ts";
import type { DecodeContext, StreamDecoder } from "../dialect.ts";
import { closeCall, newChoice, readPart, type Choice } from "./decode-parts.ts";
import { findError, readInnerError } from "./errors.ts";
import { endingOf, readReason, type Ending } from "./finish.ts";
import { openAiLogprobs } from "./logprobs.ts";
import { hash } from "./names.ts";
import { readServiceTier, readUsage } from "./usage.ts";

/** More candidates than any model gives; an index above it is the wire's mistake. */
const MAX_CHOICES = 128;
/** Members of a candidate that a client may want, passed on under OpenAI-style keys. */
const EXTRAS = [
  ["groundingMetadata", "grounding_metadata"], ["citationMetadata", "citation_metadata"], ["urlContextMetadata", "url_context_metadata"],
] as const;
const TOP_LEVEL = ["candidates", "usageMetadata", "promptFeedback", "modelVersion", "responseId", "createTime"];

interface State {
  readonly context: DecodeContext;
  readonly choices: Map<number, Choice>;
  /** Kinds of parts already warned of. */
  readonly warned: Set<string>;
  started: boolean;
  /** What call ids are made from: the response's id, else a hash of its first chunk. */
  responseKey: string;
  /** An error or the end was told: nothing after it counts. */
  over: boolean;
}

/** Decoder of one SSE stream (`streamGenerateContent?alt=sse`). */
export function openStream(context: DecodeContext): StreamDecoder {
  const state = newState(context);
  return {
    push(event: SseEvent) {
      if (state.over) return [];
      const data = event.data.trim();
      if (data === "") return [{ kind: "ping" }];
      if (data === "[DONE]") return [];
      const body = parse(data);
      const events: StreamEvent[] = [];
      if (body === undefined) fail(state, events, failure("malformed", "an event of the stream is not JSON"));
      else readBody(state, body, events);
      return events;
    },
    end: () => finish(state),
  };
}

/** Decode a whole body; a body that is an array holds the chunks of a stream that was not asked as SSE. */
export function decodeAnswer(body: Json, context: DecodeContext): readonly StreamEvent[] {
  const state = newState(context);
  const events: StreamEvent[] = [];
  readBody(state, body, events);
  events.push(...finish(state));
  if (events.at(-1)?.kind === "end") return events;
  if (!state.over) {
    const nothing = state.choices.size === 0;
    events.push({
      kind: "error",
      error: nothing ? failure("empty", "the answer has no candidates") : failure("truncated", "the answer has no finish reason"),
    });
  }
  // Not an answer: no part of it may pass for one, but what it cost stays known.
  return events.filter((event) => event.kind === "usage" || event.kind === "error");
}

function newState(context: DecodeContext): State {
  return { context, choices: new Map(), warned: new Set(), started: false, responseKey: "", over: false };
}

function readBody(state: State, body: Json, events: StreamEvent[]): void {
  if (!Array.isArray(body)) return readChunk(state, body, events);
  for (const chunk of body as readonly Json[]) {
    if (state.over) return;
    readChunk(state, chunk, events);
  }
}

function readChunk(state: State, chunk: Json, events: StreamEvent[]): void {
  const error = findError(chunk);
  if (error !== undefined) {
    // What came with the error may have been billed.
    const usage = readUsage(member(chunk, "usageMetadata"), true);
    if (usage !== undefined) events.push({ kind: "usage", usage });
    return fail(state, events, readInnerError(error));
  }
  if (!isObject(chunk) || !TOP_LEVEL.some((key) => chunk[key] !== undefined)) {
    return fail(state, events, failure("malformed", "a chunk of the answer has none of the members of one"));
  }
  if (!state.started) start(state, chunk, events);
  const content: StreamEvent[] = [];
  let failed: UpstreamError | undefined;
  asArray(chunk["candidates"]).forEach((candidate, position) => {
    failed ??= readCandidate(state, candidate, position, content);
  });
  // What stands in a chunk that failed is held back: an answer of one bad chunk can then be asked for elsewhere.
  if (failed === undefined) events.push(...content);
  if (state.choices.size === 0) readBlock(state, chunk["promptFeedback"]);
  const usage = readUsage(chunk["usageMetadata"], !allFinished(state));
  if (usage !== undefined) events.push({ kind: "usage", usage });
  if (failed !== undefined) return fail(state, events, failed);
  for (const choice of state.choices.values()) {
    if (choice.hasContent || meaning(choice) !== "stop") tellFinish(choice, events);
  }
}

/** A refused prompt has no candidate at all; clients index the first choice, so it becomes one that was filtered. */
function readBlock(state: State, feedback: Json | undefined): void {
  const reason = asString(member(feedback, "blockReason"));
  if (reason === undefined || reason === "" || reason.endsWith("UNSPECIFIED")) return;
  state.choices.set(0, { ...newChoice(0), reason, blocked: true });
}

function start(state: State, chunk: JsonObject, events: StreamEvent[]): void {
  state.started = true;
  const id = asString(chunk["responseId"]);
  state.responseKey = id ?? hash(JSON.stringify(chunk));
  const createdMs = Date.parse(asString(chunk["createTime"]) ?? "");
  events.push({
    kind: "start",
    id,
    model: asString(chunk["modelVersion"]),
    createdS: Number.isNaN(createdMs) ? undefined : Math.floor(createdMs / 1000),
    serviceTier: readServiceTier(chunk["usageMetadata"]),
  });
}

function readCandidate(state: State, candidate: Json, position: number, events: StreamEvent[]): UpstreamError | undefined {
  if (!isObject(candidate)) return failure("malformed", "a candidate of the answer is not an object");
  const given = asNumber(candidate["index"]) ?? position;
  const index = Number.isInteger(given) && given >= 0 && given < MAX_CHOICES ? given : position;
  let choice = state.choices.get(index);
  if (choice === undefined) state.choices.set(index, (choice = newChoice(index)));
  const scope = { responseKey: state.responseKey, renames: state.context.renames, warned: state.warned };
  for (const part of asArray(member(candidate["content"], "parts"))) {
    if (!readPart(choice, part, scope, events)) return failure("malformed", "a function call of the answer cannot be read");
  }
  const logprobs = openAiLogprobs(candidate["logprobsResult"]);
  if (logprobs !== undefined) events.push({ kind: "choice-extra", choice: index, key: "logprobs", value: logprobs });
  for (const [key, as] of EXTRAS) {
    const value = candidate[key];
    if (isObject(value) && Object.keys(value).length > 0) events.push({ kind: "choice-extra", choice: index, key: as, value });
  }
  const reason = readReason(candidate["finishReason"]);
  if (reason === undefined) return undefined;
  const ending = endingOf(reason, choice.toolCount > 0);
  if (ending === "failed") {
    const said = asString(candidate["finishMessage"]);
    return { ...failure("malformed", `the model ended with ${reason}${said === undefined ? "" : `: ${said.slice(0, 500)}`}`), code: reason };
  }
  // A call that is open at a proper end was only missing its closing piece; at any other end it is cut.
  closeCall(choice, ending === "length" || ending === "content_filter", events);
  choice.reason = reason;
  const ratings = candidate["safetyRatings"];
  if (ending === "content_filter" && ratings !== undefined) events.push({ kind: "choice-extra", choice: index, key: "safety_ratings", value: ratings });
  return undefined;
}

/** The body ended: what was not told yet and `end` where everything seen is finished, an `empty` error where nothing was in it. */
function finish(state: State): readonly StreamEvent[] {
  if (state.over || !allFinished(state)) return [];
  state.over = true;
  const choices = [...state.choices.values()];
  if (choices.every((choice) => !choice.hasContent && meaning(choice) === "stop")) {
    // STOP also stands for a stop sequence: the code lets who asked for one tell this from an answer without candidates.
    return [{ kind: "error", error: { ...failure("empty", "the answer ended properly with nothing in it"), code: ENDED_WITHOUT_CONTENT } }];
  }
  const events: StreamEvent[] = [];
  for (const choice of choices) tellFinish(choice, events);
  events.push({ kind: "end" });
  return events;
}

/** What the reason of a choice means; undefined while it has none. */
function meaning(choice: Choice): Ending | undefined {
  if (choice.reason === undefined) return undefined;
  return choice.blocked ? "content_filter" : endingOf(choice.reason, choice.toolCount > 0);
}

function tellFinish(choice: Choice, events: StreamEvent[]): void {
  const ending = meaning(choice);
  if (choice.told || choice.reason === undefined || ending === undefined || ending === "failed") return;
  choice.told = true;
  events.push({ kind: "finish", choice: choice.index, reason: ending, native: choice.reason });
}

function allFinished(state: State): boolean {
  if (state.choices.size === 0) return false;
  for (const choice of state.choices.values()) {
    // A call that was opened again after the reason is content that is still to come.
    if (choice.reason === undefined || choice.open !== undefined) return false;
  }
  return true;
}

function fail(state: State, events: StreamEvent[], error: UpstreamError): void {
  state.over = true;
  events.push({ kind: "error", error });
}

function failure(kind: FailureClass, message: string): UpstreamError {
  return { class: kind, status: 0, message, type: null, code: null, param: null, retryAfterMs: null };
}

function parse(data: string): Json | undefined {
  try {
    return JSON.parse(data) as Json;
  } catch {
    // The caller turns this into an error of class malformed.
    return undefined;
  }
}
