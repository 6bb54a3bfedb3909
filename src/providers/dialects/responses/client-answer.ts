/**
 * Writes an answer in Responses form: every item and part is announced before its deltas, has one index and one id for
 * its whole life, is closed, and stands whole in the last event. Strict clients hold us to each of these.
 */
import type { GatewayError } from "../../../wire/errors.ts";
import type { FinishReason, StreamEvent } from "../../../wire/events.ts";
import type { Json, JsonObject } from "../../../wire/json.ts";
import type { Usage } from "../../../wire/usage.ts";
import type { AnswerEncoder, ClientHead } from "../client.ts";
import { callIdOf, itemId } from "./client-ids.ts";
import { annotationsOf, customInput, isWhole, itemObject, logprobsOf, partObject } from "./client-items.ts";
import type { CallItem, Item, MessageItem, MessagePart, ReasoningItem } from "./client-items.ts";
import { ToolNames, listedTools } from "./client-names.ts";
import { NO_USAGE, changingMembers, echoedMembers, encodeUsage, endingOf, responseError } from "./client-response.ts";

type Event<K extends StreamEvent["kind"]> = Extract<StreamEvent, { kind: K }>;

/** One per answer; holds the items. */
export class ResponseEncoder implements AnswerEncoder {
  readonly #head: ClientHead;
  readonly #names: ToolNames;
  readonly #items: Item[] = [];
  readonly #calls = new Map<number, CallItem>();
  /** The item that text or reasoning goes to. Calls stay open beside it: their arguments may come interleaved. */
  #current: MessageItem | ReasoningItem | null = null;
  #heldLogprobs: JsonObject[] = [];
  #heldAnnotations: readonly JsonObject[] = [];
  #finish: FinishReason | undefined;
  #serviceTier: string | undefined;
  #sequence = 0;
  #opened = false;
  #echo: string | undefined;
  #frames = "";

  constructor(head: ClientHead) {
    this.#head = head;
    this.#names = new ToolNames(listedTools(head.raw));
  }

  encode(event: StreamEvent): string {
    // One response is one choice.
    if ("choice" in event && event.choice !== 0) return "";
    this.#take(event);
    return this.#flush();
  }

  closing(usage: Usage, spillway: JsonObject): string {
    this.#open();
    this.#closeAll("completed");
    const { status } = endingOf(this.#finish);
    this.#emitResponse(`response.${status}`, { ...this.#ended(encodeUsage(usage)), spillway });
    return this.#flush();
  }

  failed(error: GatewayError, usage: Usage | null): string {
    this.#open();
    for (const item of this.#items) if (item.status === "in_progress") item.status = "incomplete";
    const members = changingMembers(this.#head, {
      status: "failed", error: responseError(error), incompleteDetails: null, output: this.#output(),
      usage: usage === null ? null : encodeUsage(usage), serviceTier: this.#serviceTier,
    });
    this.#emitResponse("response.failed", members);
    return this.#flush();
  }

  /** The whole Response of an answer whose events have all been encoded. */
  whole(usage: Usage | undefined): JsonObject {
    this.#closeAll("completed");
    return { ...this.#ended(usage === undefined ? null : encodeUsage(usage)), ...echoedMembers(this.#head) };
  }

  #take(event: StreamEvent): void {
    switch (event.kind) {
      case "start":
        this.#serviceTier = event.serviceTier;
        return this.#open();
      case "text":
      case "refusal":
        if (event.text !== "") this.#text(event);
        return;
      case "reasoning":
        if (event.text !== "") this.#think(event.text);
        return;
      case "signature":
        return this.#sign(event);
      case "redacted":
        this.#reasoning().redacted = event.data;
        return this.#closeCurrent("completed");
      case "tool-start":
        return this.#startCall(event);
      case "tool-arguments":
        return this.#arguments(event);
      case "choice-extra":
        return this.#extra(event);
      case "finish": {
        this.#open();
        this.#finish = event.reason;
        return this.#closeAll(endingOf(event.reason).status);
      }
      default:
    }
  }

  #open(): void {
    if (this.#opened) return;
    this.#opened = true;
    const members = changingMembers(this.#head, {
      status: "in_progress", error: null, incompleteDetails: null, output: [], usage: NO_USAGE, serviceTier: this.#serviceTier,
    });
    this.#emitResponse("response.created", members);
    this.#emitResponse("response.in_progress", members);
  }

  #ended(usage: JsonObject | null): JsonObject {
    const { status, details } = endingOf(this.#finish);
    return changingMembers(this.#head, { status, error: null, incompleteDetails: details, output: this.#output(), usage, serviceTier: this.#serviceTier });
  }

  #output(): readonly JsonObject[] {
    return this.#items.map(itemObject);
  }

  // Text and refusals.

  #text({ kind, text }: Event<"text" | "refusal">): void {
    const message = this.#message();
    const last = message.parts.at(-1);
    const part = last?.open === true && last.kind === kind ? last : this.#openPart(message, kind);
    part.text += text;
    if (kind === "refusal") {
      this.#delta("response.refusal.delta", part.place, text, "");
      return;
    }
    const logprobs = this.#heldLogprobs;
    this.#heldLogprobs = [];
    part.logprobs.push(...logprobs);
    this.#delta("response.output_text.delta", part.place, text, logprobs.length === 0 ? `,"logprobs":[]` : `,"logprobs":${JSON.stringify(logprobs)}`);
    if (this.#heldAnnotations.length > 0) this.#annotate(message, part);
  }

  #message(): MessageItem {
    if (this.#current?.kind === "message") return this.#current;
    this.#closeCurrent("completed");
    this.#closeWholeCalls();
    const message: MessageItem = { kind: "message", ...this.#next("msg"), parts: [] };
    this.#add(message);
    this.#current = message;
    return message;
  }

  #openPart(message: MessageItem, kind: MessagePart["kind"]): MessagePart {
    this.#closePart(message);
    const contentIndex = message.parts.length;
    const place = placeOf(message, "content_index", contentIndex);
    const part: MessagePart = { kind, contentIndex, text: "", logprobs: [], annotations: [], open: true, place };
    message.parts.push(part);
    this.#emit("response.content_part.added", { ...partPlace(message, part), part: partObject(part) });
    return part;
  }

  #closePart(message: MessageItem): void {
    const part = message.parts.at(-1);
    if (part?.open !== true) return;
    part.open = false;
    // Told behind the text that they are of.
    if (part.kind === "text") part.logprobs.push(...this.#heldLogprobs.splice(0));
    if (part.kind === "refusal") this.#emit("response.refusal.done", { ...partPlace(message, part), refusal: part.text });
    else this.#emit("response.output_text.done", { ...partPlace(message, part), text: part.text, logprobs: part.logprobs });
    this.#emit("response.content_part.done", { ...partPlace(message, part), part: partObject(part) });
  }

  #annotate(message: MessageItem, part: MessagePart): void {
    for (const annotation of this.#heldAnnotations) {
      const at = part.annotations.push(annotation) - 1;
      this.#emit("response.output_text.annotation.added", { ...partPlace(message, part), annotation_index: at, annotation });
    }
    this.#heldAnnotations = [];
  }

  /** Probabilities belong to the text that follows them, sources to the text at hand. */
  #extra({ key, value }: Event<"choice-extra">): void {
    if (key === "logprobs") this.#heldLogprobs = [...this.#heldLogprobs, ...logprobsOf(value)];
    if (key !== "annotations" && key !== "delta.annotations") return;
    this.#heldAnnotations = [...this.#heldAnnotations, ...annotationsOf(value)];
    const message = this.#current?.kind === "message" ? this.#current : null;
    const part = message?.parts.at(-1);
    if (message !== null && part?.open === true && part.kind === "text") this.#annotate(message, part);
  }

  // Reasoning.

  #think(text: string): void {
    const item = this.#reasoning();
    if (item.text === "") {
      this.#emit("response.reasoning_summary_part.added", { ...summaryPlace(item), part: { type: "summary_text", text: "" } });
    }
    item.text += text;
    this.#delta("response.reasoning_summary_text.delta", item.place, text, "");
  }

  /** A signature closes the block before it, which may be empty: the proof must come back all the same. */
  #sign({ signature, inExtraContent }: Event<"signature">): void {
    if (inExtraContent === true) {
      // Of a maker that wants it back on calls only; elsewhere it is optional, and a block of its own would have no text.
      if (this.#current?.kind === "reasoning") this.#closeCurrent("completed");
      return;
    }
    this.#reasoning().signature = signature;
    this.#closeCurrent("completed");
  }

  #reasoning(): ReasoningItem {
    if (this.#current?.kind === "reasoning") return this.#current;
    this.#closeCurrent("completed");
    this.#closeWholeCalls();
    const next = this.#next("rs");
    const item: ReasoningItem = {
      kind: "reasoning", ...next, text: "", signature: undefined, redacted: undefined, calls: undefined, place: placeOf(next, "summary_index", 0),
    };
    this.#add(item);
    this.#current = item;
    return item;
  }

  // Calls.

  #startCall({ index, id, name, thoughtSignature }: Event<"tool-start">): void {
    const callId = callIdOf(id);
    if (thoughtSignature !== undefined) this.#reasoning().calls = { [callId]: thoughtSignature };
    this.#closeCurrent("completed");
    this.#closeWholeCalls();
    const known = this.#names.known(name);
    const next = this.#next(known?.custom === true ? "ctc" : "fc");
    const call: CallItem = { kind: "call", ...next, callId, name, known, json: "", place: placeOf(next) };
    this.#add(call);
    this.#calls.set(index, call);
  }

  #arguments({ index, json }: Event<"tool-arguments">): void {
    const call = this.#calls.get(index);
    if (call === undefined || call.status !== "in_progress" || json === "") return;
    call.json += json;
    // The text of a custom tool is inside the JSON and is told when that is whole.
    if (call.known?.custom !== true) this.#delta("response.function_call_arguments.delta", call.place, json, "");
  }

  /** Calls whose arguments are complete are done as soon as something else begins: agents start to run them then. */
  #closeWholeCalls(): void {
    for (const call of this.#calls.values()) if (call.status === "in_progress" && isWhole(call.json)) this.#closeCall(call, "completed");
  }

  #closeCall(call: CallItem, status: "completed" | "incomplete"): void {
    if (call.known?.custom === true) {
      const input = customInput(call.json);
      this.#delta("response.custom_tool_call_input.delta", call.place, input, "");
      this.#emit("response.custom_tool_call_input.done", { item_id: call.id, output_index: call.outputIndex, input });
    } else {
      if (call.json === "") {
        call.json = "{}";
        this.#delta("response.function_call_arguments.delta", call.place, call.json, "");
      }
      const name = call.known?.name ?? call.name;
      this.#emit("response.function_call_arguments.done", { item_id: call.id, output_index: call.outputIndex, name, arguments: call.json });
    }
    this.#done(call, status);
  }

  // Items.

  #next(prefix: string): { readonly id: string; readonly outputIndex: number; status: "in_progress" } {
    const outputIndex = this.#items.length;
    return { id: itemId(prefix, this.#head.requestId, outputIndex), outputIndex, status: "in_progress" };
  }

  #add(item: Item): void {
    this.#open();
    this.#items.push(item);
    this.#emit("response.output_item.added", { output_index: item.outputIndex, item: itemObject(item) });
  }

  #done(item: Item, status: "completed" | "incomplete"): void {
    item.status = status;
    this.#emit("response.output_item.done", { output_index: item.outputIndex, item: itemObject(item) });
  }

  #closeCurrent(status: "completed" | "incomplete"): void {
    const item = this.#current;
    this.#current = null;
    if (item?.kind === "message") this.#closePart(item);
    if (item?.kind === "reasoning" && item.text !== "") {
      this.#emit("response.reasoning_summary_text.done", { ...summaryPlace(item), text: item.text });
      this.#emit("response.reasoning_summary_part.done", { ...summaryPlace(item), part: { type: "summary_text", text: item.text } });
    }
    if (item !== null) this.#done(item, status);
  }

  #closeAll(status: "completed" | "incomplete"): void {
    // Whatever is cut off was being written when the answer ended; a call with whole arguments was not.
    this.#closeCurrent(status);
    for (const call of this.#calls.values()) {
      if (call.status === "in_progress") this.#closeCall(call, isWhole(call.json) ? "completed" : status);
    }
  }

  // Frames.

  #emit(type: string, members: { readonly [key: string]: Json | readonly JsonObject[] }): void {
    this.#frames += `event: ${type}\ndata: ${JSON.stringify({ type, sequence_number: this.#sequence++, ...members })}\n\n`;
  }

  /** The frames that a stream is made of, cut from prepared text. */
  #delta(type: string, place: string, text: string, rest: string): void {
    this.#frames += `event: ${type}\ndata: {"type":"${type}","sequence_number":${this.#sequence++},${place},"delta":${JSON.stringify(text)}${rest}}\n\n`;
  }

  /** The echo of a request is long and always the same: it is written out once. */
  #emitResponse(type: string, members: JsonObject): void {
    this.#echo ??= JSON.stringify(echoedMembers(this.#head)).slice(1);
    const response = `${JSON.stringify(members).slice(0, -1)},${this.#echo}`;
    this.#frames += `event: ${type}\ndata: {"type":"${type}","sequence_number":${this.#sequence++},"response":${response}}\n\n`;
  }

  #flush(): string {
    const frames = this.#frames;
    this.#frames = "";
    return frames;
  }
}

function placeOf({ id, outputIndex }: { readonly id: string; readonly outputIndex: number }, key?: string, at?: number): string {
  const place = `"item_id":${JSON.stringify(id)},"output_index":${outputIndex}`;
  return key === undefined ? place : `${place},"${key}":${at}`;
}

function partPlace(message: MessageItem, part: MessagePart): JsonObject {
  return { item_id: message.id, output_index: message.outputIndex, content_index: part.contentIndex };
}

function summaryPlace(item: ReasoningItem): JsonObject {
  return { item_id: item.id, output_index: item.outputIndex, summary_index: 0 };
}
