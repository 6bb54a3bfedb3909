/**
 * /v2/chat answers → hub events. A stream names each event; the whole answer holds the same pieces in one body, and both
 * go through the same steps. The plan that the model makes before calling tools is told as reasoning.
 */
import type { StreamEvent } from "../../../wire/events.ts";
import { asArray, asNumber, asString, isObject, member, type Json, type JsonObject } from "../../../wire/json.ts";
import { ENDED_WITHOUT_CONTENT, type UpstreamError } from "../../../wire/outcome.ts";
import type { SseEvent } from "../../../wire/sse-event.ts";
import type { DecodeContext, StreamDecoder } from "../dialect.ts";
import { ToolCalls } from "../openai/tool-calls.ts";
import { isErrorBody, readInnerError, seenError } from "./errors.ts";
import { endedAtStop, endingOf } from "./finish.ts";
import { readLogprobs } from "./logprobs.ts";
import { readUsage } from "./usage.ts";

/** Decode a whole answer; see `Dialect.decodeAnswer`. */
export function decodeAnswer(body: Json, context?: DecodeContext): readonly StreamEvent[] {
  if (!isObject(body)) return [told(seenError("malformed", "the answer is not a JSON object"))];
  const answer = new Answer(context);
  const events: StreamEvent[] = [];
  const message = body["message"];
  if (!isObject(message)) {
    answer.usage(body["usage"], events);
    answer.fail(events, isErrorBody(body) ? readInnerError(body) : seenError("malformed", "the answer has no message"));
    return events;
  }
  answer.start(body["id"], events);
  answer.plan(message["tool_plan"], events);
  answer.logprobs(body["logprobs"], events);
  const content = message["content"];
  for (const item of typeof content === "string" ? [content] : asArray(content)) answer.content(item, events);
  asArray(message["tool_calls"]).forEach((call, index) => {
    answer.call(call, index, events);
    answer.closeCalls(events);
  });
  answer.citations(message["citations"], events);
  answer.finish(body, events);
  // Not an answer: no part of it may pass for one, but what it cost stays known.
  if (events.at(-1)?.kind === "end") return events;
  return [...events.filter((event) => event.kind === "usage"), ...events.filter((event) => event.kind === "error")];
}

/** Decode a stream; see `Dialect.openStream`. */
export function openStream(context?: DecodeContext): StreamDecoder {
  const answer = new Answer(context);
  return {
    push(event: SseEvent) {
      if (answer.over) return [];
      const data = event.data.trim();
      if (data === "") return PING;
      const events: StreamEvent[] = [];
      if (data === "[DONE]") answer.fail(events, seenError("truncated", "the stream ended without its message-end"));
      else push(answer, event, data, events);
      return events.length === 0 ? PING : events;
    },
    // The terminal event says all; without it the body was cut.
    end: () => [],
  };
}

const PING: readonly StreamEvent[] = [{ kind: "ping" }];

function push(answer: Answer, event: SseEvent, data: string, events: StreamEvent[]): void {
  let body: Json;
  try {
    body = JSON.parse(data) as Json;
  } catch {
    answer.fail(events, seenError("malformed", "an event of the stream is not JSON"));
    return;
  }
  if (!isObject(body)) {
    answer.fail(events, seenError("malformed", "an event of the stream is not a JSON object"));
    return;
  }
  const type = asString(body["type"]) ?? event.event;
  const delta = body["delta"];
  const message = member(delta, "message");
  switch (type) {
    case "message-start":
      answer.start(body["id"], events);
      return;
    case "content-start":
    case "content-delta":
      answer.logprobs(body["logprobs"], events);
      answer.content(member(message, "content"), events);
      return;
    case "tool-plan-delta":
      answer.plan(member(message, "tool_plan"), events);
      return;
    case "tool-call-start":
    case "tool-call-delta": {
      const calls = member(message, "tool_calls");
      answer.call(Array.isArray(calls) ? (calls[0] as Json) : calls, asNumber(body["index"]), events);
      return;
    }
    case "tool-call-end":
      answer.closeCalls(events);
      return;
    case "citation-start":
      answer.citations(member(message, "citations"), events);
      return;
    case "message-end":
      answer.finish(isObject(delta) ? delta : {}, events);
      return;
    default:
      if (!isErrorBody(body)) return;
      answer.usage(body["usage"], events);
      answer.fail(events, readInnerError(body));
  }
}

/** State of one answer; nothing follows an error or the end. */
class Answer {
  over = false;
  readonly #calls: ToolCalls;
  #started = false;
  #id = "";
  #hasContent = false;
  /** Kinds of content already warned of. */
  readonly #warned = new Set<string>();

  constructor(context: DecodeContext | undefined) {
    this.#calls = new ToolCalls(0, context?.renames);
  }

  start(id: Json | undefined, events: StreamEvent[]): void {
    if (this.#started) return;
    this.#started = true;
    this.#id = asString(id) ?? "";
    events.push({ kind: "start", id: this.#id === "" ? undefined : this.#id, model: undefined, createdS: undefined });
  }

  plan(value: Json | undefined, events: StreamEvent[]): void {
    this.#reasoning(asString(value) ?? "", events);
  }

  /** An item of content, or the piece of one. */
  content(item: Json | undefined, events: StreamEvent[]): void {
    const text = typeof item === "string" ? item : (asString(member(item, "text")) ?? "");
    const thinking = asString(member(item, "thinking")) ?? "";
    this.#reasoning(thinking, events);
    if (text !== "") {
      this.#hasContent = true;
      events.push({ kind: "text", choice: 0, text });
    }
    const type = asString(member(item, "type"));
    if (type !== undefined && type !== "text" && type !== "thinking" && !this.#warned.has(type)) {
      this.#warned.add(type);
      events.push({ kind: "warning", message: `an answer part of type "${type.slice(0, 64)}" could not be carried` });
    }
  }

  #reasoning(text: string, events: StreamEvent[]): void {
    if (text === "") return;
    this.#hasContent = true;
    events.push({ kind: "reasoning", choice: 0, text });
  }

  call(call: Json | undefined, index: number | undefined, events: StreamEvent[]): void {
    if (this.over || !isObject(call)) return;
    this.#calls.push(index === undefined ? call : { ...call, index }, this.#id, events);
    this.#stopAtError(events);
  }

  /** A call's end: arguments that never came, or came as the word `null`, are an empty object. */
  closeCalls(events: StreamEvent[]): void {
    if (this.over) return;
    this.#calls.close(events);
    this.#stopAtError(events);
  }

  citations(value: Json | undefined, events: StreamEvent[]): void {
    const citations = isObject(value) ? [value] : asArray(value);
    if (citations.length > 0) events.push({ kind: "choice-extra", choice: 0, key: "citations", value: citations });
  }

  logprobs(value: Json | undefined, events: StreamEvent[]): void {
    const logprobs = readLogprobs(value);
    if (logprobs !== undefined) events.push({ kind: "choice-extra", choice: 0, key: "logprobs", value: logprobs });
  }

  /** `said` holds finish_reason, usage and error: the delta of message-end, or the whole answer. */
  finish(said: JsonObject, events: StreamEvent[]): void {
    this.usage(said["usage"], events);
    this.closeCalls(events);
    if (this.over) return;
    const native = asString(said["finish_reason"]) ?? "";
    const error = asString(said["error"]);
    if (native === "" && error === undefined) return this.fail(events, seenError("truncated", "the answer has no finish reason"));
    const ending = native === "" ? "failed" : endingOf(native, this.#calls.seen);
    if (ending === "failed" || ending === "timeout") {
      const why = error === undefined || error === "" ? `the model ended with ${native.slice(0, 80)}` : error.slice(0, 2_000);
      return this.fail(events, { ...seenError(ending === "timeout" ? "timeout" : "server", why), code: native === "" ? null : native.slice(0, 80) });
    }
    const empty = !this.#hasContent && !this.#calls.seen && (ending === "stop" || ending === "tool_calls");
    if (empty && !endedAtStop(native)) {
      return this.fail(events, { ...seenError("empty", "the answer ended properly with nothing in it"), code: ENDED_WITHOUT_CONTENT });
    }
    this.over = true;
    events.push({ kind: "finish", choice: 0, reason: ending, native }, { kind: "end" });
  }

  usage(said: Json | undefined, events: StreamEvent[]): void {
    const usage = readUsage(said);
    if (usage !== undefined) events.push({ kind: "usage", usage });
  }

  fail(events: StreamEvent[], error: UpstreamError): void {
    this.over = true;
    events.push(told(error));
  }

  #stopAtError(events: StreamEvent[]): void {
    // A call that never got a name. Of several the first is told.
    const first = events.findIndex((event) => event.kind === "error");
    if (first < 0) return;
    events.length = first + 1;
    this.over = true;
  }
}

function told(error: UpstreamError): StreamEvent {
  return { kind: "error", error };
}
