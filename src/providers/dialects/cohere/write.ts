/** Writes the hub's answers as /v2/chat: the events of a stream, and the whole answer. */
import type { GatewayError } from "../../../wire/errors.ts";
import type { FinishReason, StreamEvent } from "../../../wire/events.ts";
import { asArray, type Json, type JsonObject } from "../../../wire/json.ts";
import type { Usage } from "../../../wire/usage.ts";
import { sseFrame, type AnswerEncoder, type ClientHead } from "../client.ts";
import { wireReason } from "./finish.ts";
import { writeLogprobs } from "./logprobs.ts";
import { writeUsage } from "./usage.ts";

interface Call {
  readonly index: number;
  readonly id: string;
  readonly name: string;
  json: string;
  state: "waiting" | "live" | "ended";
}

type Finish = { readonly reason: FinishReason; readonly native: string };

/** What ends a stream after its message-end. */
const DONE = "data: [DONE]\n\n";

/**
 * One event as text. The official client takes the word of the terminator for the end wherever it stands, in the middle
 * of a text too, so there its first letter is written by its number.
 */
function frame(type: string, members: JsonObject): string {
  return unterminated(sseFrame(type, { type, ...members }));
}

function unterminated(text: string): string {
  return text.includes("[DONE]") ? text.replaceAll("[DONE]", "\\u005bDONE]") : text;
}

/** Last event of a stream that failed. */
export function failedFrames(error: GatewayError, usage: Usage | null): string {
  const told = usage === null ? {} : { usage: writeUsage(usage) };
  return frame("message-end", { delta: { finish_reason: "ERROR", error: error.message, ...told } }) + DONE;
}

/** Turns events into frames. Blocks follow each other: one is ended before the next begins. */
export class StreamWriter implements AnswerEncoder {
  readonly #head: ClientHead;
  #begun = false;
  #block: { readonly kind: "text" | "thinking"; readonly index: number } | null = null;
  #blocks = 0;
  #citations = 0;
  readonly #calls: Call[] = [];
  #live: Call | null = null;
  #logprobs: readonly JsonObject[] = [];
  #finish: Finish = { reason: "stop", native: "" };

  constructor(head: ClientHead) {
    this.#head = head;
  }

  encode(event: StreamEvent): string {
    switch (event.kind) {
      case "start":
        return this.#begin();
      case "text":
      case "refusal":
        return this.#content("text", event.text);
      case "reasoning":
        return this.#content("thinking", event.text);
      case "tool-start":
        return this.#begin() + this.#endBlock() + this.#toolStart(event);
      case "tool-arguments":
        return this.#toolArguments(event.index, event.json);
      case "choice-extra":
        return this.#extra(event.key, event.value);
      case "finish":
        this.#finish = event;
        return this.#begin() + this.#endBlock() + this.#endCalls();
      default:
        return "";
    }
  }

  closing(usage: Usage, spillway: JsonObject): string {
    const { reason, native } = this.#finish;
    const open = this.#begin() + this.#endBlock() + this.#endCalls();
    const ours = Object.keys(spillway).length === 0 ? {} : { spillway };
    return `${open}${frame("message-end", { delta: { finish_reason: wireReason(reason, native), usage: writeUsage(usage) }, ...ours })}${DONE}`;
  }

  failed(error: GatewayError, usage: Usage | null): string {
    return this.#begin() + failedFrames(error, usage);
  }

  #begin(): string {
    if (this.#begun) return "";
    this.#begun = true;
    const message = { role: "assistant", content: [], tool_plan: "", tool_calls: [], citations: [] };
    return sseFrame("message-start", { id: this.#head.requestId, type: "message-start", delta: { message } });
  }

  #content(kind: "text" | "thinking", text: string): string {
    if (text === "") return "";
    const block = this.#block;
    if (block?.kind === kind && this.#logprobs.length === 0) return delta(kind, block.index, text);
    const opened = block?.kind === kind ? "" : this.#open(kind);
    const index = this.#block?.index ?? 0;
    if (kind !== "text" || this.#logprobs.length === 0) return opened + delta(kind, index, text);
    return opened + this.#withLogprobs(index, text);
  }

  #open(kind: "text" | "thinking"): string {
    // A call whose pieces are still to come stays open beside the text.
    const ended = this.#begin() + this.#endBlock() + (this.#live !== null && isWhole(this.#live.json) ? this.#endLive() : "");
    this.#block = { kind, index: this.#blocks++ };
    return ended + frame("content-start", { index: this.#block.index, delta: { message: { content: { type: kind, [kind]: "" } } } });
  }

  /** An event has room for one item: tokens of one piece of text are one item. */
  #withLogprobs(index: number, text: string): string {
    const logprobs = this.#logprobs.flatMap((item) => asArray(item["logprobs"]));
    this.#logprobs = [];
    return frame("content-delta", { index, delta: { message: { content: { text } } }, logprobs: { text, token_ids: [], logprobs } });
  }

  #endBlock(): string {
    const block = this.#block;
    if (block === null) return "";
    const rest = block.kind === "text" && this.#logprobs.length > 0 ? this.#withLogprobs(block.index, "") : "";
    this.#block = null;
    return rest + frame("content-end", { index: block.index });
  }

  #toolStart(event: Extract<StreamEvent, { kind: "tool-start" }>): string {
    const call: Call = { index: this.#calls.length, id: event.id, name: event.name, json: "", state: "waiting" };
    this.#calls[event.index] = call;
    // Clients keep one call open. Where a provider mixes the pieces of several, the later ones wait for the first.
    if (this.#live !== null && !isWhole(this.#live.json)) return "";
    return this.#endLive() + this.#startCall(call);
  }

  #toolArguments(index: number, json: string): string {
    const call = this.#calls[index];
    if (call === undefined || json === "") return "";
    call.json += json;
    return call.state === "live" ? callDelta(call.index, json) : "";
  }

  #startCall(call: Call): string {
    call.state = "live";
    this.#live = call;
    const { id, name, index } = call;
    const start = frame("tool-call-start", { index, delta: { message: { tool_calls: { id, type: "function", function: { name, arguments: "" } } } } });
    return call.json === "" ? start : start + callDelta(index, call.json);
  }

  #endLive(): string {
    const call = this.#live;
    if (call === null) return "";
    this.#live = null;
    call.state = "ended";
    return (call.json === "" ? callDelta(call.index, "{}") : "") + frame("tool-call-end", { index: call.index });
  }

  /** The open call, and those that waited for it. */
  #endCalls(): string {
    let frames = this.#endLive();
    for (const call of this.#calls) if (call?.state === "waiting") frames += this.#startCall(call) + this.#endLive();
    return frames;
  }

  #extra(key: string, value: Json): string {
    if (key === "logprobs") this.#logprobs = [...this.#logprobs, ...writeLogprobs(value)];
    if (key !== "citations") return "";
    let frames = this.#begin();
    for (const citation of asArray(value)) {
      const index = this.#citations++;
      frames += frame("citation-start", { index, delta: { message: { citations: citation } } }) + frame("citation-end", { index });
    }
    return frames;
  }
}

/** Text of the commonest event, without building objects. */
function delta(kind: "text" | "thinking", index: number, text: string): string {
  return unterminated(
    `event: content-delta\ndata: {"type":"content-delta","index":${index},"delta":{"message":{"content":{"${kind}":${JSON.stringify(text)}}}}}\n\n`,
  );
}

function callDelta(index: number, json: string): string {
  return frame("tool-call-delta", { index, delta: { message: { tool_calls: { function: { arguments: json } } } } });
}

function isWhole(json: string): boolean {
  try {
    JSON.parse(json);
    return true;
  } catch {
    // Pieces are still to come.
    return false;
  }
}

/** The whole answer; see `ClientDialect.encodeAnswer`. */
export function encodeAnswer(events: readonly StreamEvent[], head: ClientHead): JsonObject {
  const content: { type: string; text?: string; thinking?: string }[] = [];
  const calls: { id: string; name: string; json: string }[] = [];
  const citations: Json[] = [];
  const logprobs: JsonObject[] = [];
  let finish: Finish = { reason: "error", native: "" };
  let usage: Usage | undefined;
  const append = (kind: "text" | "thinking", text: string): void => {
    const last = content.at(-1);
    if (text === "") return;
    if (last?.type === kind) last[kind] += text;
    else content.push({ type: kind, [kind]: text });
  };
  for (const event of events) {
    if (event.kind === "text" || event.kind === "refusal") append("text", event.text);
    else if (event.kind === "reasoning") append("thinking", event.text);
    else if (event.kind === "tool-start") calls[event.index] = { id: event.id, name: event.name, json: "" };
    else if (event.kind === "tool-arguments") appendArguments(calls[event.index], event.json);
    else if (event.kind === "choice-extra" && event.key === "citations") citations.push(...asArray(event.value));
    else if (event.kind === "choice-extra" && event.key === "logprobs") logprobs.push(...writeLogprobs(event.value));
    else if (event.kind === "finish") finish = event;
    else if (event.kind === "usage") usage = event.usage;
  }
  const made = calls.map(({ id, name, json }) => ({ id, type: "function", function: { name, arguments: json === "" ? "{}" : json } }));
  return {
    id: head.requestId,
    message: {
      role: "assistant",
      ...(content.length === 0 && made.length > 0 ? {} : { content }),
      ...(made.length === 0 ? {} : { tool_calls: made }),
      ...(citations.length === 0 ? {} : { citations }),
    },
    finish_reason: wireReason(finish.reason, finish.native),
    ...(usage === undefined ? {} : { usage: writeUsage(usage) }),
    ...(logprobs.length === 0 ? {} : { logprobs }),
  };
}

function appendArguments(call: { json: string } | undefined, json: string): void {
  if (call !== undefined) call.json += json;
}
