/**
 * generateContent answers → hub events, for streams and whole bodies alike.
 *
 * A stream of this dialect has no terminal event: it is over when the body ends after every candidate seen gave a
 * finish reason. Some versions repeat the reason on every chunk and some bring content after it, so `finish` is told
 * at the end of the body, when nothing can follow. Failures of the model (MALFORMED_FUNCTION_CALL, …) are told at once
 * as an `error` of class `malformed`: the provider's fault, worth another attempt.
 */
import type { StreamEvent } from "../../../wire/events.ts";
import { asArray, asNumber, asString, isObject, member, type Json, type JsonObject } from "../../../wire/json.ts";
import type { FailureClass, UpstreamError } from "../../../wire/outcome.ts";
import type { SseEvent } from "../../../wire/sse-event.ts";
import type { DecodeContext, StreamDecoder } from "../dialect.ts";
import { closeCall, newChoice, readPart, type Choice } from "./decode-parts.ts";
import { findError, readInnerError } from "./errors.ts";
import { endingOf, readReason } from "./finish.ts";
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
  blockReason: string | undefined;
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
  return { context, choices: new Map(), warned: new Set(), started: false, responseKey: "", blockReason: undefined, over: false };
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
  if (error !== undefined) return fail(state, events, readInnerError(error));
  if (!isObject(chunk) || !TOP_LEVEL.some((key) => chunk[key] !== undefined)) {
    return fail(state, events, failure("malformed", "a chunk of the answer has none of the members of one"));
  }
  if (!state.started) start(state, chunk, events);
  const feedback = asString(member(chunk["promptFeedback"], "blockReason"));
  if (feedback !== undefined && feedback !== "" && !feedback.endsWith("UNSPECIFIED")) state.blockReason = feedback;
  const content: StreamEvent[] = [];
  let failed: UpstreamError | undefined;
  asArray(chunk["candidates"]).forEach((candidate, position) => {
    failed ??= readCandidate(state, candidate, position, content);
  });
  // What stands in a chunk that failed is held back: an answer of one bad chunk can then be asked for elsewhere.
  if (failed === undefined) events.push(...content);
  const usage = readUsage(chunk["usageMetadata"], state.blockReason === undefined && !allFinished(state));
  if (usage !== undefined) events.push({ kind: "usage", usage });
  if (failed !== undefined) fail(state, events, failed);
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

/** The body ended: finishes and `end` where everything seen is finished, an `empty` error where nothing was in it. */
function finish(state: State): readonly StreamEvent[] {
  if (state.over) return [];
  if (state.choices.size === 0 && state.blockReason !== undefined) {
    // A refused prompt has no candidate at all; clients index the first choice.
    state.over = true;
    return [{ kind: "finish", choice: 0, reason: "content_filter", native: state.blockReason }, { kind: "end" }];
  }
  if (!allFinished(state)) return [];
  state.over = true;
  const choices = [...state.choices.values()];
  const empty = choices.every((choice) => !choice.hasContent && endingOf(choice.reason ?? "", choice.toolCount > 0) === "stop");
  if (empty) {
    return [{ kind: "error", error: failure("empty", "the answer ended properly with nothing in it") }];
  }
  const events: StreamEvent[] = choices.map((choice) => {
    const native = choice.reason ?? "";
    const ending = endingOf(native, choice.toolCount > 0);
    return { kind: "finish", choice: choice.index, reason: ending === "failed" ? "error" : ending, native };
  });
  events.push({ kind: "end" });
  return events;
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
