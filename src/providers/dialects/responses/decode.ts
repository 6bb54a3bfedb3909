/**
 * Answers of the Responses API as hub events. One reader serves streams and whole answers, so that both give the same
 * events. It never throws: what cannot be read becomes an `error` event.
 */
import type { FinishReason, StreamEvent } from "../../../wire/events.ts";
import { asArray, asNumber, asString, isObject, member, type Json, type JsonObject } from "../../../wire/json.ts";
import type { FailureClass } from "../../../wire/outcome.ts";
import type { SseEvent } from "../../../wire/sse-event.ts";
import type { DecodeContext, StreamDecoder } from "../dialect.ts";
import { isErrorBody } from "../openai/errors.ts";
import { OutputItems, type PartKind } from "./decode-items.ts";
import { readInlineError, seenError } from "./errors.ts";
import { readUsage } from "./usage.ts";

/** Decode a whole JSON answer of status 200; see `Dialect.decodeAnswer`. */
export function decodeAnswer(body: Json, context: DecodeContext): readonly StreamEvent[] {
  return new AnswerReader(context).whole(body);
}

/** A reader for one stream; see `Dialect.openStream`. */
export function openStream(context: DecodeContext): StreamDecoder {
  return new AnswerReader(context);
}

class AnswerReader implements StreamDecoder {
  readonly #context: DecodeContext;
  readonly #items: OutputItems;
  #out: StreamEvent[] = [];
  #started = false;
  #done = false;
  /** Where the last event with a position belonged, for those that have none. */
  #at = 0;

  constructor(context: DecodeContext) {
    this.#context = context;
    this.#items = new OutputItems(context);
  }

  push(event: SseEvent): readonly StreamEvent[] {
    if (this.#done) return [];
    this.#out = [];
    this.#read(event);
    // Progress of tools, echoes, parts that begin: the provider lives, nothing has come.
    if (this.#out.length === 0) this.#out.push({ kind: "ping" });
    return this.#out;
  }

  /** A stream without its terminal event was cut: there is nothing left to give that would be true. */
  end(): readonly StreamEvent[] {
    return [];
  }

  whole(body: Json): readonly StreamEvent[] {
    if (!isObject(body)) this.#fail("malformed", "the answer is not a JSON object");
    else if (Array.isArray(body["output"]) || body["object"] === "response") {
      this.#start(body);
      this.#terminal(body, asString(body["status"]) ?? "completed");
    } else {
      this.#tellUsage(body);
      if (isErrorBody(body)) this.#tellError(body);
      else this.#fail("malformed", "the answer is not a response");
    }
    return this.#out;
  }

  #read(event: SseEvent): void {
    const data = event.data.trim();
    if (data === "" || data === "[DONE]") return;
    let value: Json;
    try {
      value = JSON.parse(data) as Json;
    } catch {
      if (event.event === "error") this.#tellError(data);
      else this.#fail("malformed", "an event of the stream is not JSON");
      return;
    }
    if (!isObject(value)) return this.#fail("malformed", "an event of the stream is not an object");
    const type = asString(value["type"]) ?? event.event;
    if (type === "error" || type === "response.error" || event.event === "error") this.#tellError(value);
    else if (isObject(value["response"])) this.#lifecycle(type, value["response"]);
    else if (!type.startsWith("response.") && isErrorBody(value)) this.#tellError(value);
    else this.#content(type, value);
  }

  #lifecycle(type: string, response: JsonObject): void {
    this.#start(response);
    switch (type) {
      case "response.completed":
      case "response.done":
        return this.#terminal(response, asString(response["status"]) ?? "completed");
      case "response.incomplete":
      case "response.failed":
      case "response.cancelled":
        return this.#terminal(response, type.slice("response.".length));
    }
  }

  #start(response: JsonObject): void {
    if (this.#started) return;
    this.#started = true;
    this.#items.answerId = asString(response["id"]) ?? "";
    const tier = asString(response["service_tier"]);
    this.#out.push({
      kind: "start",
      id: asString(response["id"]) || undefined,
      model: asString(response["model"]) || undefined,
      createdS: asNumber(response["created_at"]) || undefined,
      // `auto` is what was asked; the tier that serves is told at the end.
      serviceTier: tier === "auto" ? undefined : tier,
    });
  }

  #content(type: string, value: JsonObject): void {
    const at = this.#position(value);
    switch (type) {
      case "response.output_item.added":
        if (isObject(value["item"])) this.#items.added(at, value["item"], this.#out);
        return;
      case "response.output_item.done":
        if (isObject(value["item"])) this.#itemDone(at, value["item"]);
        return;
      case "response.output_text.delta":
        return this.#piece(at, "text", value, "delta");
      case "response.output_text.done":
        return this.#piece(at, "text", value, "text");
      case "response.refusal.delta":
        return this.#piece(at, "refusal", value, "delta");
      case "response.refusal.done":
        return this.#piece(at, "refusal", value, "refusal");
      case "response.reasoning_summary_text.delta":
      case "response.reasoning_text.delta":
        return this.#piece(at, "reasoning", value, "delta");
      case "response.reasoning_summary_text.done":
      case "response.reasoning_text.done":
        return this.#piece(at, "reasoning", value, "text");
      case "response.function_call_arguments.delta":
        return this.#items.argumentsDelta(at, asString(value["delta"]) ?? "", this.#out);
      case "response.function_call_arguments.done":
        return this.#items.argumentsWhole(at, asString(value["arguments"]) ?? "", this.#out);
      case "response.output_text.annotation.added":
        return this.#items.annotated(this.#out);
    }
  }

  #position(value: JsonObject): number {
    const at = value["output_index"];
    if (typeof at === "number" && Number.isSafeInteger(at) && at >= 0) this.#at = at;
    return this.#at;
  }

  #piece(at: number, kind: PartKind, value: JsonObject, field: "delta" | "text" | "refusal"): void {
    const text = asString(value[field]) ?? "";
    const summary = asNumber(value["summary_index"]);
    const index = asNumber(value["content_index"]) ?? 0;
    const part = kind !== "reasoning" ? `${index}` : summary === undefined ? `content:${index}` : `summary:${summary}`;
    if (field === "delta") this.#items.delta(at, kind, part, text, this.#out, value["logprobs"]);
    else this.#items.whole(at, kind, part, text, this.#out, value["logprobs"]);
  }

  #itemDone(at: number, item: JsonObject): void {
    this.#items.done(at, item, this.#out);
    if (this.#items.nameless) this.#fail("malformed", "a tool call has no name");
  }

  /** The last event, with the whole response. Whatever of it was not told yet is told before the finish. */
  #terminal(response: JsonObject, status: string): void {
    const output = asArray(response["output"]);
    if (status === "failed" || status === "cancelled") return this.#failed(response, status);
    if (status === "in_progress" || status === "queued") {
      this.#tellUsage(response);
      return this.#fail("truncated", `the answer is not there: its status is ${status}`);
    }
    this.#items.close(output, this.#out);
    this.#tellUsage(response);
    if (this.#items.nameless) return this.#fail("malformed", "a tool call has no name");
    const incomplete = status === "incomplete";
    if (!this.#items.hasContent && !incomplete) return this.#fail("empty", "the answer ended without any content");
    this.#out.push({ kind: "finish", choice: 0, ...this.#finish(response, incomplete) }, { kind: "end" });
    this.#done = true;
  }

  #finish(response: JsonObject, incomplete: boolean): { reason: FinishReason; native: string } {
    if (!incomplete) return { reason: this.#items.hasCalls ? "tool_calls" : "stop", native: "completed" };
    const native = asString(member(response["incomplete_details"], "reason")) || "incomplete";
    return { reason: native === "content_filter" ? "content_filter" : "length", native };
  }

  /** Usage first: a failed response may have been billed. */
  #failed(response: JsonObject, status: string): void {
    this.#tellUsage(response);
    if (!isObject(response["error"])) return this.#fail("server", `the provider ended the answer as ${status}`);
    this.#tellError({ error: response["error"] });
  }

  #tellUsage(response: JsonObject): void {
    const usage = readUsage(response, this.#context.usage);
    if (usage !== undefined) this.#out.push({ kind: "usage", usage });
  }

  #tellError(body: Json): void {
    this.#out.push({ kind: "error", error: readInlineError(body) });
    this.#done = true;
  }

  #fail(failure: FailureClass, message: string): void {
    if (this.#done) return;
    this.#out.push({ kind: "error", error: seenError(failure, message) });
    this.#done = true;
  }
}
