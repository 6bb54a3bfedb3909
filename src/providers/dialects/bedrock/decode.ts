/**
 * Answers of Converse as hub events. One reader serves streams and whole answers, so that both give the same events. It
 * never throws: what cannot be read becomes an `error` event.
 *
 * The stop reason comes before the usage (or after it, from some hosts): the answer has ended when both are there, or when
 * the body ends after the stop reason. A failure that the stop reason tells waits as long, so that what it cost is known.
 */
import type { FinishReason, StreamEvent } from "../../../wire/events.ts";
import { asArray, asNumber, asString, isObject, type Json, type JsonObject, member } from "../../../wire/json.ts";
import type { FailureClass, UpstreamError } from "../../../wire/outcome.ts";
import type { SseEvent } from "../../../wire/sse-event.ts";
import { shown } from "../anthropic/draft.ts";
import type { DecodeContext, StreamDecoder } from "../dialect.ts";
import { exceptionIn, inBandError, isException, seenError } from "./errors.ts";
import { readUsage, servedTier } from "./usage.ts";

/** A content block between its first sign and its stop. */
type Block =
  | { readonly kind: "text" }
  | { readonly kind: "reasoning"; signature: string; redacted: string }
  /** `held` are arguments not told yet: they may still turn out to be the word null. */
  | { readonly kind: "tool"; readonly index: number; held: string; told: boolean }
  | { readonly kind: "skipped" };

const FINISHES: Readonly<Record<string, FinishReason>> = {
  end_turn: "stop",
  stop_sequence: "stop",
  max_tokens: "length",
  model_context_window_exceeded: "length",
  tool_use: "tool_calls",
  content_filtered: "content_filter",
  guardrail_intervened: "content_filter",
  malformed_model_output: "error",
  malformed_tool_use: "error",
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
  #started = false;
  #done = false;
  #toolCount = 0;
  /** Something came that a user gets, or that a server-side tool did. */
  #hasContent = false;
  #stopped = false;
  #metadataSeen = false;
  /** What the stop reason told and what has to wait for the usage. */
  #last: StreamEvent | undefined;

  constructor(context: DecodeContext) {
    this.#renames = context.renames ?? {};
  }

  push(event: SseEvent): readonly StreamEvent[] {
    this.#out = [];
    if (!this.#done) this.#read(event);
    return this.#out;
  }

  end(): readonly StreamEvent[] {
    this.#out = [];
    if (!this.#done && this.#stopped) this.#conclude();
    return this.#out;
  }

  whole(body: Json): readonly StreamEvent[] {
    const message = member(member(body, "output"), "message");
    if (exceptionIn(body) !== undefined) this.#tell(inBandError(undefined, body));
    else if (!isObject(body) || !isObject(message) || !Array.isArray(message.content)) this.#fail("malformed", "the answer is not a message");
    else {
      this.#start();
      asArray(message.content).forEach((block, index) => this.#wholeBlock(index, block));
      if (!this.#done) this.#whole(body);
      else this.#usageBeforeError(body);
    }
    return this.#out;
  }

  /** Not an answer, but what it cost stays known. */
  #usageBeforeError(body: JsonObject): void {
    const usage = usageIn(body);
    if (usage !== undefined) this.#out.splice(-1, 0, usage);
  }

  #whole(body: JsonObject): void {
    if (asString(body.stopReason) !== undefined) this.#messageStop(body);
    this.#metadata(body);
    if (!this.#done) this.#fail("truncated", "the answer ended without a stop reason");
  }

  #read(event: SseEvent): void {
    const data = event.data.trim();
    if (data === "") return;
    let value: Json;
    try {
      value = JSON.parse(data) as Json;
    } catch {
      return this.#fail("malformed", "an event of the stream is not JSON");
    }
    if (!isObject(value)) this.#fail("malformed", "an event of the stream is not an object");
    else this.#dispatch(event.event, value);
  }

  #dispatch(type: string, value: JsonObject): void {
    switch (type) {
      case "messageStart":
        return this.#start();
      case "contentBlockStart":
        return this.#blockStart(value);
      case "contentBlockDelta":
        return this.#blockDelta(value);
      case "contentBlockStop":
        return this.#close(asNumber(value.contentBlockIndex) ?? -1);
      case "messageStop":
        return this.#messageStop(value);
      case "metadata":
        return this.#metadata(value);
      case "ping":
        this.#out.push({ kind: "ping" });
        return;
      default:
        if (isException(type, value)) this.#tell(inBandError(type, value));
        else this.#warn(`events of type ${shown(type)} have no counterpart and were left out`);
    }
  }

  #start(): void {
    if (this.#started) return;
    this.#started = true;
    this.#out.push({ kind: "start", id: undefined, model: undefined, createdS: undefined });
  }

  #blockStart(value: JsonObject): void {
    const index = asNumber(value.contentBlockIndex);
    if (index === undefined) return this.#fail("malformed", "a content block begins without its index");
    this.#start();
    this.#close(index);
    const start = isObject(value.start) ? value.start : {};
    if (isObject(start.toolUse)) this.#openTool(index, start.toolUse);
    else if (start.toolResult !== undefined || start.image !== undefined) this.#openForeign(index, Object.keys(start)[0] ?? "");
    // Else text or reasoning: the first piece tells which.
  }

  #openTool(index: number, tool: JsonObject): void {
    if (asString(tool.type) === "server_tool_use") return this.#openForeign(index, "server_tool_use");
    const name = asString(tool.name);
    const id = asString(tool.toolUseId);
    if (name === undefined || id === undefined) return this.#fail("malformed", "a tool call has no name or no id");
    const call = this.#toolCount++;
    this.#hasContent = true;
    this.#blocks.set(index, { kind: "tool", index: call, held: "", told: false });
    const clientName = Object.hasOwn(this.#renames, name) ? (this.#renames[name] ?? name) : name;
    this.#out.push({ kind: "tool-start", choice: 0, index: call, id, name: clientName, thoughtSignature: undefined });
  }

  /** Server-side tools, their results, pictures, and whatever comes next: named, never taken for nothing. */
  #openForeign(index: number, type: string): void {
    this.#blocks.set(index, { kind: "skipped" });
    this.#hasContent = true;
    this.#warn(`content of type ${shown(type)} has no counterpart and was left out`);
  }

  #blockDelta(value: JsonObject): void {
    const index = asNumber(value.contentBlockIndex) ?? 0;
    const delta = value.delta;
    if (!isObject(delta)) return this.#fail("malformed", "a piece of content comes without its body");
    this.#start();
    if (typeof delta.text === "string") this.#text(index, delta.text);
    else if (isObject(delta.toolUse)) this.#arguments(index, asString(delta.toolUse.input) ?? "");
    else if (isObject(delta.reasoningContent)) this.#reasoning(index, delta.reasoningContent);
    else if (delta.citation !== undefined) this.#warnOfCitations();
    else if (this.#blocks.get(index)?.kind !== "skipped") this.#openForeign(index, Object.keys(delta)[0] ?? "");
  }

  #text(index: number, text: string): void {
    if (!this.#blocks.has(index)) this.#blocks.set(index, { kind: "text" });
    if (text === "") return;
    this.#hasContent = true;
    this.#out.push({ kind: "text", choice: 0, text });
  }

  #reasoning(index: number, piece: JsonObject): void {
    let block = this.#blocks.get(index);
    if (block?.kind !== "reasoning") {
      block = { kind: "reasoning", signature: "", redacted: "" };
      this.#blocks.set(index, block);
    }
    block.signature += asString(piece.signature) ?? "";
    block.redacted += asString(piece.redactedContent) ?? asString(piece.data) ?? "";
    const text = asString(piece.text) ?? "";
    if (text === "") return;
    this.#hasContent = true;
    this.#out.push({ kind: "reasoning", choice: 0, text });
  }

  #arguments(index: number, json: string): void {
    const block = this.#blocks.get(index);
    if (block?.kind === "skipped") return;
    if (block?.kind !== "tool") return this.#fail("malformed", "arguments came for a tool call that was never begun");
    block.held += json;
    const held = block.held.trim();
    if (held === "" || "null".startsWith(held)) return;
    this.#out.push({ kind: "tool-arguments", choice: 0, index: block.index, json: block.held });
    block.held = "";
    block.told = true;
  }

  /** End of a block: what only its end can tell. Unknown indexes have nothing to tell. */
  #close(index: number): void {
    const block = this.#blocks.get(index);
    if (block === undefined) return;
    this.#blocks.delete(index);
    if (block.kind === "reasoning") {
      if (block.redacted !== "") this.#out.push({ kind: "redacted", choice: 0, data: block.redacted });
      if (block.signature !== "") this.#out.push({ kind: "signature", choice: 0, signature: block.signature });
    }
    if (block.kind === "tool" && !block.told) this.#out.push({ kind: "tool-arguments", choice: 0, index: block.index, json: "{}" });
  }

  #wholeBlock(index: number, block: Json): void {
    if (this.#done) return;
    if (!isObject(block)) return this.#fail("malformed", "a content block is not an object");
    if (typeof block.text === "string") this.#text(index, block.text);
    else if (isObject(block.toolUse)) this.#wholeCall(index, block.toolUse);
    else if (isObject(block.reasoningContent)) this.#wholeReasoning(index, block.reasoningContent);
    else if (isObject(block.citationsContent)) {
      for (const part of asArray(block.citationsContent.content)) this.#text(index, asString(member(part, "text")) ?? "");
      this.#warnOfCitations();
    } else this.#openForeign(index, Object.keys(block)[0] ?? "");
    this.#close(index);
  }

  #wholeCall(index: number, tool: JsonObject): void {
    this.#openTool(index, tool);
    const { input } = tool;
    if (this.#done || input === undefined || input === null) return;
    this.#arguments(index, typeof input === "string" ? input : JSON.stringify(input));
  }

  #wholeReasoning(index: number, reasoning: JsonObject): void {
    if (isObject(reasoning.reasoningText)) this.#reasoning(index, reasoning.reasoningText);
    else if (isObject(reasoning.redactedReasoning)) this.#reasoning(index, reasoning.redactedReasoning);
    else this.#reasoning(index, reasoning);
  }

  #messageStop(value: JsonObject): void {
    if (this.#stopped) return;
    const native = asString(value.stopReason);
    if (native === undefined) return this.#fail("malformed", "the message stops without a reason");
    this.#start();
    for (const index of this.#blocks.keys()) this.#close(index);
    this.#stopped = true;
    const reason = this.#finishOf(native);
    const finish: StreamEvent = { kind: "finish", choice: 0, reason, native };
    if (!this.#hasContent && NEEDS_CONTENT.has(native)) {
      this.#last = { kind: "error", error: seenError("empty", "the answer ended without any content") };
    } else if (reason === "error") this.#last = finish;
    else this.#out.push(finish);
    if (this.#metadataSeen) this.#conclude();
  }

  #finishOf(native: string): FinishReason {
    const known = Object.hasOwn(FINISHES, native) ? FINISHES[native] : undefined;
    // Some makers' models call a tool and say that their turn ended.
    if (known === "stop" && this.#toolCount > 0) return "tool_calls";
    if (known !== undefined) return known;
    this.#warn(`the stop reason ${shown(native)} is not known`);
    return this.#toolCount > 0 ? "tool_calls" : "stop";
  }

  /** `metadata` of a stream, or the answer itself, which has the same members. */
  #metadata(value: JsonObject): void {
    const usage = usageIn(value);
    if (usage !== undefined) this.#out.push(usage);
    this.#metadataSeen = true;
    if (this.#stopped) this.#conclude();
  }

  #conclude(): void {
    // Content that came after the stop reason ends here too.
    for (const index of this.#blocks.keys()) this.#close(index);
    if (this.#last !== undefined) this.#out.push(this.#last);
    if (this.#last?.kind !== "error") this.#out.push({ kind: "end" });
    this.#done = true;
  }

  #tell(error: UpstreamError): void {
    this.#out.push({ kind: "error", error });
    this.#done = true;
  }

  #fail(failure: FailureClass, message: string): void {
    if (!this.#done) this.#tell(seenError(failure, message));
  }

  #warn(message: string): void {
    if (this.#warned.has(message) || this.#warned.size >= WARNINGS_MAX) return;
    this.#warned.add(message);
    this.#out.push({ kind: "warning", message });
  }

  #warnOfCitations(): void {
    this.#warn("citations have no counterpart and were left out");
  }
}

function usageIn(value: JsonObject): StreamEvent | undefined {
  const usage = isObject(value.usage) ? readUsage(value.usage, servedTier(value)) : undefined;
  return usage === undefined ? undefined : { kind: "usage", usage };
}
