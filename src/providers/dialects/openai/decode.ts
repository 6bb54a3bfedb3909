/**
 * Decodes the answers of any OpenAI-compatible host: a stream's chunks and a whole JSON answer go through the same
 * steps, so both give the same events. Tolerant of what hosts are known to do differently; never throws.
 */
import type { StreamEvent } from "../../../wire/events.ts";
import { asNumber, asString, isObject, member } from "../../../wire/json.ts";
import type { Json, JsonObject } from "../../../wire/json.ts";
import type { FailureClass } from "../../../wire/outcome.ts";
import type { SseEvent } from "../../../wire/sse-event.ts";
import type { DecodeContext, StreamDecoder } from "../dialect.ts";
import { isErrorBody, readInlineError } from "./errors.ts";
import { finishReason } from "./finish.ts";
import { thoughtSignature, ToolCalls } from "./tool-calls.ts";
import { readUsage } from "./usage.ts";

/**
 * A member of the message or delta that the hub has no event for travels as `choice-extra` under this prefix and is
 * put back on the message or delta; without the prefix it belongs on the choice itself.
 */
export const DELTA_EXTRA = "delta.";

const KNOWN_IN_CHOICE = new Set(["index", "delta", "message", "finish_reason", "native_finish_reason", "usage", "error"]);
const KNOWN_IN_DELTA = new Set([
  "role", "content", "refusal", "reasoning_content", "reasoning", "thinking_blocks", "tool_calls", "function_call", "extra_content",
]);

/** Top-level members that are carried, or that say nothing a client could miss. */
const KNOWN_AT_TOP = new Set([
  "id", "object", "created", "model", "choices", "usage", "service_tier", "system_fingerprint", "obfuscation", "x_groq",
  "usage_breakdown", "prompt_filter_results",
]);

/** Decode a whole JSON answer of status 200; see `Dialect.decodeAnswer`. */
export function decodeAnswer(body: Json, context: DecodeContext): readonly StreamEvent[] {
  const whole: Json | undefined = Array.isArray(body) ? (body as readonly Json[])[0] : body;
  if (!isObject(whole)) return [failure("malformed", "The provider's answer is not a JSON object.")];
  const answer = new AnswerDecoder(context);
  const events: StreamEvent[] = [];
  if (isErrorBody(whole)) {
    answer.usage(whole, events);
    events.push({ kind: "error", error: readInlineError(whole) });
    return events;
  }
  if (!Array.isArray(whole["choices"])) {
    answer.usage(whole, events);
    events.push(failure("malformed", "The provider's answer has no list of choices."));
    return events;
  }
  answer.chunk(whole, events);
  if (failed(events)) return endAtError(events);
  answer.close(events);
  return events;
}

/** No model gives as many; a list that is longer is there to keep us busy. */
const MOST_CHOICES = 1_024;

function failed(events: readonly StreamEvent[]): boolean {
  return events.some((event) => event.kind === "error");
}

/** Nothing follows an error; usage that came with it is told before it, since it may have been billed. */
function endAtError(events: readonly StreamEvent[]): readonly StreamEvent[] {
  const at = events.findIndex((event) => event.kind === "error");
  return [...events.slice(0, at), ...events.slice(at).filter((event) => event.kind === "usage"), ...events.slice(at, at + 1)];
}

/** Decode a stream; see `Dialect.openStream`. */
export function openStream(context: DecodeContext): StreamDecoder {
  return new ChatStream(context);
}

class ChatStream implements StreamDecoder {
  readonly #answer: AnswerDecoder;
  #over = false;

  constructor(context: DecodeContext) {
    this.#answer = new AnswerDecoder(context);
  }

  push(event: SseEvent): readonly StreamEvent[] {
    if (this.#over) return [];
    if (event.data === "") return [{ kind: "ping" }];
    if (event.data === "[DONE]" || event.data.trim() === "[DONE]") return this.#end();
    let chunk: Json;
    try {
      chunk = JSON.parse(event.data) as Json;
    } catch (error) {
      if (event.event === "error") return this.#fail({ kind: "error", error: readInlineError(event.data) });
      return this.#fail(failure("malformed", `The provider sent an event that is not JSON: ${(error as Error).message}`));
    }
    const told = event.event === "error";
    if (!isObject(chunk)) return this.#fail(told ? { kind: "error", error: readInlineError(chunk) } : failure("malformed", "The provider sent an event that is not a JSON object."));
    const events: StreamEvent[] = [];
    if (told || isErrorBody(chunk)) {
      this.#over = true;
      this.#answer.usage(chunk, events);
      events.push({ kind: "error", error: readInlineError(chunk) });
      return events;
    }
    this.#answer.chunk(chunk, events);
    if (failed(events)) {
      this.#over = true;
      return endAtError(events);
    }
    // A first chunk of filter results, a heartbeat: the provider lives, nothing has come.
    if (events.length === 0) events.push({ kind: "ping" });
    return events;
  }

  /** Some hosts end without `[DONE]`: a clean end after the finish of every choice is an end all the same. */
  end(): readonly StreamEvent[] {
    return !this.#over && this.#answer.finished ? this.#end() : [];
  }

  #end(): readonly StreamEvent[] {
    this.#over = true;
    const events: StreamEvent[] = [];
    this.#answer.close(events);
    return events;
  }

  #fail(event: StreamEvent): readonly StreamEvent[] {
    this.#over = true;
    return [event];
  }
}

interface Choice {
  readonly index: number;
  readonly tools: ToolCalls;
  /** Visible reasoning since the last signature, to tell a repeat of it inside `thinking_blocks`. */
  reasoning: string;
  content: boolean;
  finished: boolean;
}

/** State of one answer; `chunk` takes a stream's chunk or the whole answer. */
class AnswerDecoder {
  readonly #context: DecodeContext;
  /** Nearly all answers have one choice: it needs no table. */
  #first: Choice | null = null;
  #more: Map<number, Choice> | null = null;
  #started = false;
  #answerId = "";
  #serviceTier: string | undefined;
  #leftOut: Set<string> | null = null;

  constructor(context: DecodeContext) {
    this.#context = context;
  }

  /** At least one choice was seen and each has ended. */
  get finished(): boolean {
    if (this.#first?.finished !== true) return false;
    if (this.#more !== null) for (const choice of this.#more.values()) if (!choice.finished) return false;
    return true;
  }

  chunk(chunk: JsonObject, events: StreamEvent[]): void {
    this.#serviceTier = asString(chunk["service_tier"]) ?? this.#serviceTier;
    const choices = chunk["choices"];
    if (!this.#started) this.#start(chunk, Array.isArray(choices) && choices.length > 0, events);
    this.#nameUnknown(chunk, events);
    if (Array.isArray(choices) && choices.length > MOST_CHOICES) {
      events.push(failure("malformed", `The provider sent ${choices.length} choices.`));
    } else if (Array.isArray(choices)) {
      for (let position = 0; position < choices.length; position++) this.#choice(choices[position], position, events);
    } else if (choices !== undefined && choices !== null) {
      events.push(failure("malformed", "The provider sent choices that are not a list."));
    }
    this.usage(chunk, events);
  }

  /** Lists and objects beside the choices (citations, search results) have no event: each is named once. */
  #nameUnknown(chunk: JsonObject, events: StreamEvent[]): void {
    for (const key in chunk) {
      const value = chunk[key];
      if (KNOWN_AT_TOP.has(key) || typeof value !== "object" || value === null || this.#leftOut?.has(key) === true) continue;
      (this.#leftOut ??= new Set()).add(key);
      events.push({ kind: "warning", message: `The provider's "${key}" could not be carried.` });
    }
  }

  usage(chunk: JsonObject, events: StreamEvent[]): void {
    const usage = readUsage(chunk, this.#context.usage, this.#serviceTier);
    if (usage !== undefined) events.push({ kind: "usage", usage });
  }

  /** The terminal signal came: the end, or why this is none. */
  close(events: StreamEvent[]): void {
    // A call that came after the finish of its choice is told to its end too.
    if (this.#first?.finished === true) this.#first.tools.close(events);
    if (this.#more !== null) for (const choice of this.#more.values()) if (choice.finished) choice.tools.close(events);
    if (failed(events)) return;
    if (this.finished) events.push({ kind: "end" });
    else if (this.#first === null) events.push(failure("empty", "The provider's answer has no choices."));
    else events.push(failure("truncated", "The provider's answer has a choice without a finish reason."));
  }

  /** Azure's first chunk has neither id nor choices: the answer starts with the first that has either. */
  #start(chunk: JsonObject, hasChoices: boolean, events: StreamEvent[]): void {
    const id = asString(chunk["id"]);
    if (!hasChoices && (id === undefined || id === "")) return;
    this.#started = true;
    this.#answerId = id ?? "";
    events.push({
      kind: "start",
      id: id === "" ? undefined : id,
      model: asString(chunk["model"]) || undefined,
      createdS: asNumber(chunk["created"]) || undefined,
      serviceTier: this.#serviceTier,
      systemFingerprint: asString(chunk["system_fingerprint"]),
    });
  }

  #choice(raw: Json | undefined, position: number, events: StreamEvent[]): void {
    if (!isObject(raw)) {
      events.push(failure("malformed", "The provider sent a choice that is not an object."));
      return;
    }
    const told = asNumber(raw["index"]) ?? position;
    const choice = this.#open(Number.isInteger(told) && told >= 0 && told < MOST_CHOICES ? told : position);
    for (const key in raw) {
      const value = raw[key];
      if (!KNOWN_IN_CHOICE.has(key) && value !== null && value !== undefined) {
        events.push({ kind: "choice-extra", choice: choice.index, key, value });
      }
    }
    if (isObject(raw["error"])) events.push({ kind: "error", error: readInlineError(raw) });
    // A host that sends the whole message again at the end of a stream must not double it.
    const delta = isObject(raw["delta"]) ? raw["delta"] : choice.content ? undefined : raw["message"];
    if (isObject(delta)) this.#delta(choice, delta, events);
    const native = asString(raw["finish_reason"]);
    if (native === undefined || native === "" || choice.finished) return;
    choice.tools.close(events);
    choice.finished = true;
    events.push({
      kind: "finish",
      choice: choice.index,
      reason: finishReason(native, choice.tools.seen),
      native: asString(raw["native_finish_reason"]) || native,
    });
  }

  #open(index: number): Choice {
    if (this.#first?.index === index) return this.#first;
    const known = this.#more?.get(index);
    if (known !== undefined) return known;
    const choice: Choice = { index, tools: new ToolCalls(index, this.#context.renames), reasoning: "", content: false, finished: false };
    if (this.#first === null) this.#first = choice;
    else (this.#more ??= new Map()).set(index, choice);
    return choice;
  }

  #delta(choice: Choice, delta: JsonObject, events: StreamEvent[]): void {
    const before = events.length;
    for (const key in delta) {
      const value = delta[key];
      if (!KNOWN_IN_DELTA.has(key) && value !== null && value !== undefined) {
        events.push({ kind: "choice-extra", choice: choice.index, key: DELTA_EXTRA + key, value });
      }
    }
    this.#reasoning(choice, delta, events);
    content(choice.index, delta["content"], events);
    const refusal = asString(delta["refusal"]);
    if (refusal !== undefined && refusal !== "") events.push({ kind: "refusal", choice: choice.index, text: refusal });
    const toolCalls = delta["tool_calls"];
    if (Array.isArray(toolCalls)) for (const call of toolCalls as readonly Json[]) choice.tools.push(call, this.#answerId, events);
    if (isObject(delta["function_call"])) choice.tools.pushLegacy(delta["function_call"], this.#answerId, events);
    const signature = thoughtSignature(delta);
    if (signature !== undefined) events.push({ kind: "signature", choice: choice.index, signature });
    if (events.length > before) choice.content = true;
  }

  /** Blocks carry the same text as the plain string beside or before them: it is given once. */
  #reasoning(choice: Choice, delta: JsonObject, events: StreamEvent[]): void {
    const text = asString(delta["reasoning_content"]) || asString(delta["reasoning"]) || "";
    const blocks = Array.isArray(delta["thinking_blocks"]) ? (delta["thinking_blocks"] as readonly Json[]) : [];
    const blockText = blocks.map((block) => asString(member(block, "thinking")) ?? "").join("");
    if (text !== "" && blockText === "") this.#think(choice, text, events);
    for (const block of blocks) {
      const thinking = asString(member(block, "thinking")) ?? "";
      if (thinking !== "" && thinking !== choice.reasoning) this.#think(choice, thinking, events);
      const signature = asString(member(block, "signature"));
      if (signature !== undefined && signature !== "") {
        events.push({ kind: "signature", choice: choice.index, signature });
        choice.reasoning = "";
      }
      const data = asString(member(block, "data"));
      if (data !== undefined && data !== "") events.push({ kind: "redacted", choice: choice.index, data });
    }
    const structured = delta["reasoning"];
    if (isObject(structured) || Array.isArray(structured)) {
      events.push({ kind: "choice-extra", choice: choice.index, key: `${DELTA_EXTRA}reasoning`, value: structured as Json });
    }
  }

  #think(choice: Choice, text: string, events: StreamEvent[]): void {
    choice.reasoning += text;
    events.push({ kind: "reasoning", choice: choice.index, text });
  }
}

/** `content` as a string, or as a list of parts among which thinking may stand. */
function content(choice: number, value: Json | undefined, events: StreamEvent[]): void {
  if (typeof value === "string") {
    if (value !== "") events.push({ kind: "text", choice, text: value });
    return;
  }
  if (!Array.isArray(value)) return;
  for (const part of value as readonly Json[]) {
    if (typeof part === "string") {
      content(choice, part, events);
      continue;
    }
    const type = asString(member(part, "type"));
    if (type === "thinking") {
      const thought = thinkingText(member(part, "thinking"));
      if (thought !== "") events.push({ kind: "reasoning", choice, text: thought });
      const signature = asString(member(part, "signature"));
      if (signature !== undefined && signature !== "") events.push({ kind: "signature", choice, signature });
    } else if (type === "text" || type === "output_text") {
      content(choice, member(part, "text"), events);
    } else if (type === "refusal") {
      const refusal = asString(member(part, "refusal")) ?? "";
      if (refusal !== "") events.push({ kind: "refusal", choice, text: refusal });
    } else {
      events.push({ kind: "warning", message: `An answer part of type "${type ?? "unknown"}" could not be carried.` });
    }
  }
}

function thinkingText(value: Json | undefined): string {
  if (typeof value === "string") return value;
  if (!Array.isArray(value)) return "";
  return (value as readonly Json[]).map((part) => asString(part) ?? asString(member(part, "text")) ?? "").join("");
}

/** An error of our own making about the provider's answer. */
function failure(failureClass: FailureClass, message: string): StreamEvent {
  return {
    kind: "error",
    error: { class: failureClass, status: 0, message, type: null, code: null, param: null, retryAfterMs: null },
  };
}
