/**
 * Answers of the Messages API as hub events. One reader serves streams and whole answers, so that both give the same
 * events. It never throws: what cannot be read becomes an `error` event.
 */
import type { FinishReason, StreamEvent } from "../../../wire/events.ts";
import { asArray, asNumber, asString, isObject, type Json, type JsonObject, member } from "../../../wire/json.ts";
import type { FailureClass, UpstreamError } from "../../../wire/outcome.ts";
import type { SseEvent } from "../../../wire/sse-event.ts";
import type { DecodeContext, StreamDecoder } from "../dialect.ts";
import { shown } from "./draft.ts";
import { inBandError, seenError } from "./errors.ts";
import { mergeUsage, readUsage } from "./usage.ts";

/** A content block between its start and its stop. */
type Block =
  | { readonly kind: "text" }
  | { readonly kind: "thinking"; readonly given: string; signature: string }
  /** `held` are arguments not told yet: they may still turn out to be the word null. */
  | { readonly kind: "tool"; readonly index: number; readonly input: Json | undefined; held: string; told: boolean }
  | { readonly kind: "skipped" };

const FINISHES: Readonly<Record<string, FinishReason>> = {
  end_turn: "stop",
  stop_sequence: "stop",
  pause_turn: "stop",
  compaction: "stop",
  max_tokens: "length",
  model_context_window_exceeded: "length",
  tool_use: "tool_calls",
  refusal: "content_filter",
};
/** Reasons after which an answer without any content is a failure; the others explain the emptiness. */
const NEEDS_CONTENT = new Set(["end_turn", "tool_use"]);
const WARNINGS_MAX = 16;

/** Decode a whole answer of status 200. */
export function decodeAnswer(body: Json, context: DecodeContext): readonly StreamEvent[] {
  return new AnswerReader(context).whole(body);
}

/** A reader for one stream. */
export function openStream(context: DecodeContext): StreamDecoder {
  return new AnswerReader(context);
}

class AnswerReader implements StreamDecoder {
  readonly #renames: Readonly<Record<string, string>>;
  readonly #blocks = new Map<number, Block>();
  readonly #warned = new Set<string>();
  #out: StreamEvent[] = [];
  #id: string | undefined;
  #started = false;
  #done = false;
  /** Content that came inside `message_start`, until it is clear that no events bring it again. */
  #early: readonly Json[] = [];
  #toolCount = 0;
  /** Something came that a user gets, or that a server-side tool did. */
  #hasContent = false;
  #usage: JsonObject | undefined;
  /** Usage came that was not told yet: a stream's opening snapshot, or later numbers. */
  #untold: "opening" | "later" | undefined;
  /** Stop reason told in `message_start`, for a message that comes whole. */
  #earlyStop: JsonObject | undefined;
  #stopped = false;

  constructor(context: DecodeContext) {
    this.#renames = context.renames ?? {};
  }

  push(event: SseEvent): readonly StreamEvent[] {
    this.#out = [];
    if (!this.#done) this.#read(event);
    return this.#out;
  }

  /** A stream without `message_stop` was cut: there is nothing left to give that would be true. */
  end(): readonly StreamEvent[] {
    return [];
  }

  whole(body: Json): readonly StreamEvent[] {
    if (isError(body)) this.#tellError(body);
    else if (!isObject(body) || !Array.isArray(body.content)) this.#fail("malformed", "the answer is not a message");
    else {
      this.#start(body);
      this.#takeUsage(body.usage);
      asArray(body.content).forEach((block, index) => this.#wholeBlock(index, block));
      if (asString(body.stop_reason) !== undefined) this.#stop(body);
      this.#messageStop();
    }
    return this.#out;
  }

  #read(event: SseEvent): void {
    const data = event.data.trim();
    if (data === "" || data === "[DONE]") {
      if (event.event === "ping") this.#tell({ kind: "ping" });
      return;
    }
    let value: Json;
    try {
      value = JSON.parse(data) as Json;
    } catch {
      this.#fail("malformed", "an event of the stream is not JSON");
      return;
    }
    if (!isObject(value)) this.#fail("malformed", "an event of the stream is not an object");
    else if (isError(value) || event.event === "error") this.#tellError(value);
    else this.#dispatch(asString(value.type) ?? event.event, value);
  }

  #dispatch(type: string, value: JsonObject): void {
    switch (type) {
      case "message_start":
        return this.#messageStart(value);
      case "content_block_start":
        return this.#blockStart(value);
      case "content_block_delta":
        return this.#blockDelta(value);
      case "content_block_stop":
        return this.#close(asNumber(value.index));
      case "message_delta":
        return this.#messageDelta(value);
      case "message_stop":
        return this.#messageStop();
      case "ping":
        this.#tell({ kind: "ping" });
        return;
      default:
        this.#warn(`events of type ${shown(type)} have no counterpart and were left out`);
    }
  }

  #messageStart(value: JsonObject): void {
    const message = isObject(value.message) ? value.message : {};
    this.#takeUsage(message.usage, "opening");
    // Seen twice from proxies: the same id is a repeat, another one means that two answers were joined.
    if (this.#started && asString(message.id) === this.#id) return;
    if (this.#started) this.#warn("the provider joined two answers into one");
    this.#settleOpen();
    this.#start(message);
    this.#early = asArray(message.content);
    this.#tellUsage(false);
    if (asString(message.stop_reason) !== undefined) this.#earlyStop = message;
  }

  #start(message: JsonObject): void {
    if (this.#started) return;
    this.#started = true;
    this.#id = asString(message.id);
    this.#tell({
      kind: "start",
      id: this.#id,
      model: asString(message.model),
      createdS: undefined,
      serviceTier: asString(member(message.usage, "service_tier")),
    });
  }

  #blockStart(value: JsonObject): void {
    const index = asNumber(value.index);
    const block = value.content_block;
    if (index === undefined || !isObject(block)) return this.#fail("malformed", "a content block begins without its index or body");
    this.#tellEarly(index);
    this.#close(index);
    this.#open(index, block);
  }

  #open(index: number, block: JsonObject): void {
    const type = asString(block.type) ?? "";
    switch (type) {
      case "text":
        this.#blocks.set(index, { kind: "text" });
        this.#text(block.text);
        if (asArray(block.citations).length > 0) this.#warnOfCitations();
        return;
      case "thinking":
        this.#blocks.set(index, { kind: "thinking", given: asString(block.signature) ?? "", signature: "" });
        this.#reasoning(block.thinking);
        return;
      case "redacted_thinking":
        this.#blocks.set(index, { kind: "skipped" });
        this.#tell({ kind: "redacted", choice: 0, data: asString(block.data) ?? "" });
        return;
      case "tool_use":
        return this.#openTool(index, block);
      default:
        this.#openForeign(index, type, block);
    }
  }

  #openTool(index: number, block: JsonObject): void {
    const name = asString(block.name);
    const id = asString(block.id);
    if (name === undefined || id === undefined) return this.#fail("malformed", "a tool call has no name or no id");
    const call = this.#toolCount++;
    this.#hasContent = true;
    this.#blocks.set(index, { kind: "tool", index: call, input: block.input, held: "", told: false });
    const clientName = Object.hasOwn(this.#renames, name) ? (this.#renames[name] ?? name) : name;
    this.#tell({ kind: "tool-start", choice: 0, index: call, id, name: clientName, thoughtSignature: undefined });
  }

  /** Server-side tools, their results, and whatever comes next: named, and their text carried where it is the answer's. */
  #openForeign(index: number, type: string, block: JsonObject): void {
    this.#blocks.set(index, { kind: "skipped" });
    this.#hasContent = true;
    this.#warn(`content of type ${shown(type)} has no counterpart and was left out`);
    if (!type.endsWith("_tool_result")) this.#text(block.text);
  }

  #blockDelta(value: JsonObject): void {
    const index = asNumber(value.index);
    const delta = value.delta;
    if (index === undefined || !isObject(delta)) return this.#fail("malformed", "a piece of content comes without its index or body");
    this.#tellEarly(index + 1);
    const block = this.#blocks.get(index);
    const type = asString(delta.type) ?? "";
    switch (type) {
      case "text_delta":
        return this.#text(delta.text);
      case "thinking_delta":
        return this.#reasoning(delta.thinking);
      case "signature_delta":
        return this.#signature(block, asString(delta.signature) ?? "");
      case "input_json_delta":
        return this.#arguments(block, asString(delta.partial_json) ?? "");
      case "citations_delta":
        return this.#warnOfCitations();
      default:
        if (block?.kind !== "skipped") this.#warn(`content pieces of type ${shown(type)} have no counterpart and were left out`);
    }
  }

  #text(value: Json | undefined): void {
    const text = asString(value) ?? "";
    if (text === "") return;
    this.#hasContent = true;
    this.#tell({ kind: "text", choice: 0, text });
  }

  #reasoning(value: Json | undefined): void {
    const text = asString(value) ?? "";
    if (text === "") return;
    this.#hasContent = true;
    this.#tell({ kind: "reasoning", choice: 0, text });
  }

  #signature(block: Block | undefined, signature: string): void {
    if (block?.kind === "thinking") block.signature += signature;
    else if (signature !== "") this.#tell({ kind: "signature", choice: 0, signature });
  }

  #arguments(block: Block | undefined, json: string): void {
    if (block?.kind === "skipped") return;
    if (block?.kind !== "tool") return this.#fail("malformed", "arguments came for a tool call that was never begun");
    block.held += json;
    if (block.held.trim() === "" || "null".startsWith(block.held.trim())) return;
    this.#tell({ kind: "tool-arguments", choice: 0, index: block.index, json: block.held });
    block.held = "";
    block.told = true;
  }

  /** End of a block: what only its end can tell. Unknown indexes have nothing to tell. */
  #close(index: number | undefined): void {
    const block = index === undefined ? undefined : this.#blocks.get(index);
    if (index === undefined || block === undefined) return;
    this.#blocks.delete(index);
    if (block.kind === "thinking") {
      const signature = block.signature === "" ? block.given : block.signature;
      if (signature !== "") this.#tell({ kind: "signature", choice: 0, signature });
    }
    if (block.kind === "tool" && !block.told) {
      this.#tell({ kind: "tool-arguments", choice: 0, index: block.index, json: wholeArguments(block.input) });
    }
  }

  #wholeBlock(index: number, block: Json): void {
    if (this.#done) return;
    if (!isObject(block)) return this.#fail("malformed", "a content block is not an object");
    this.#open(index, block);
    this.#close(index);
  }

  /** Content of `message_start` below `index` is told now; from `index` on the events bring it themselves. */
  #tellEarly(index: number): void {
    const early = this.#early;
    this.#early = [];
    early.slice(0, index).forEach((block, at) => this.#wholeBlock(at, block));
  }

  #settleOpen(): void {
    this.#tellEarly(this.#early.length);
    for (const index of this.#blocks.keys()) this.#close(index);
  }

  #messageDelta(value: JsonObject): void {
    this.#takeUsage(value.usage);
    if (isObject(value.delta) && asString(value.delta.stop_reason) !== undefined) this.#stop(value.delta);
    else this.#tellUsage(this.#stopped);
  }

  #messageStop(): void {
    if (this.#done) return;
    if (!this.#stopped && this.#earlyStop !== undefined) this.#stop(this.#earlyStop);
    if (this.#done) return;
    if (!this.#stopped) {
      this.#settleOpen();
      this.#tellUsage(true);
      return this.#fail("truncated", "the answer ended without a stop reason");
    }
    // Content that came after the stop reason ends here too.
    this.#settleOpen();
    this.#tell({ kind: "end" });
    this.#done = true;
  }

  /** `stop_reason` and what belongs to it; `told` is a message or the delta that carries them. */
  #stop(told: JsonObject): void {
    const native = asString(told.stop_reason) ?? "";
    if (this.#done) return;
    if (this.#stopped) return this.#tellUsage(true);
    this.#settleOpen();
    if (this.#done) return;
    this.#stopped = true;
    if (native === "refusal") this.#refusal(told.stop_details);
    if (!this.#hasContent && NEEDS_CONTENT.has(native)) {
      this.#tellUsage(true);
      return this.#fail("empty", "the answer ended without any content");
    }
    this.#tell({ kind: "finish", choice: 0, reason: this.#finishOf(native), native });
    this.#tellUsage(true);
  }

  #refusal(details: Json | undefined): void {
    const text = asString(member(details, "explanation")) ?? "";
    if (text !== "") this.#tell({ kind: "refusal", choice: 0, text });
  }

  #finishOf(native: string): FinishReason {
    if (native === "pause_turn" || native === "compaction") {
      this.#warn(`the provider paused (${native}): its answer goes on only when called again with this content`);
    }
    const known = Object.hasOwn(FINISHES, native) ? FINISHES[native] : undefined;
    if (known !== undefined) return known;
    this.#warn(`the stop reason ${shown(native)} is not known`);
    return this.#toolCount > 0 ? "tool_calls" : "stop";
  }

  #takeUsage(usage: Json | undefined, as: "opening" | "later" = "later"): void {
    if (!isObject(usage)) return;
    this.#usage = mergeUsage(this.#usage, usage);
    this.#untold = as;
  }

  #tellUsage(final: boolean): void {
    this.#untold = undefined;
    const usage = this.#usage === undefined ? undefined : readUsage(this.#usage, final);
    if (usage !== undefined) this.#tell({ kind: "usage", usage });
  }

  /** Nothing follows an error or the end, however deep inside an event it was found. */
  #tell(event: StreamEvent): void {
    if (!this.#done) this.#out.push(event);
  }

  #tellError(body: Json): void {
    this.#takeUsage(member(body, "usage"));
    this.#endAt(inBandError(body));
  }

  #fail(failure: FailureClass, message: string): void {
    this.#endAt(seenError(failure, message));
  }

  /** Usage first: what came before the error, or with it, may have been billed. */
  #endAt(error: UpstreamError): void {
    if (this.#untold !== undefined) this.#tellUsage(this.#untold === "later");
    this.#tell({ kind: "error", error });
    this.#done = true;
  }

  #warn(message: string): void {
    if (this.#warned.has(message) || this.#warned.size >= WARNINGS_MAX) return;
    this.#warned.add(message);
    this.#tell({ kind: "warning", message });
  }

  #warnOfCitations(): void {
    this.#warn("citations have no counterpart and were left out");
  }
}

/** An `error` event or body; some proxies leave its outer `type` out. */
function isError(value: Json): boolean {
  return isObject(value) && (value.type === "error" || (value.type === undefined && value.error !== undefined && value.error !== null));
}

/** Arguments that came in the block's start: an object, JSON text, or nothing, which means none. */
function wholeArguments(input: Json | undefined): string {
  if (input === undefined || input === null) return "{}";
  if (typeof input !== "string") return JSON.stringify(input);
  const text = input.trim();
  if (text === "" || text === "null") return "{}";
  return text.startsWith("{") ? text : JSON.stringify(input);
}
