/** Puts the hub's answer into the form of the Messages API: the events of a stream, a whole message. */
import type { GatewayError } from "../../../wire/errors.ts";
import type { StreamEvent } from "../../../wire/events.ts";
import { asString, isObject, type Json, type JsonObject } from "../../../wire/json.ts";
import type { Usage } from "../../../wire/usage.ts";
import { type AnswerEncoder, type ClientHead, sseFrame } from "../client.ts";
import { encodeError } from "./client-errors.ts";
import { hidesThinking } from "./client-parse.ts";
import { BlockSequence, type Step } from "./client-sequence.ts";
import { encodeCounts, encodeUsage, openingUsage, stopReason } from "./client-usage.ts";

type StartEvent = Extract<StreamEvent, { kind: "start" }>;
type FinishEvent = Extract<StreamEvent, { kind: "finish" }>;

const NO_USAGE: Usage = { units: {}, raw: null };

/** An encoder for one stream. */
export function openEncoder(head: ClientHead): AnswerEncoder {
  return new EventEncoder(head);
}

class EventEncoder implements AnswerEncoder {
  readonly #head: ClientHead;
  readonly #blocks: BlockSequence;
  readonly #hidesThinking: boolean;
  #started = false;
  #index = -1;
  #finish: FinishEvent | undefined;
  /** A piece of text or thinking up to its value, for the block that is open. */
  #textPrefix = "";
  #thinkingPrefix = "";

  constructor(head: ClientHead) {
    this.#head = head;
    this.#hidesThinking = hidesThinking(head.raw);
    this.#blocks = new BlockSequence(this.#hidesThinking);
  }

  encode(event: StreamEvent): string {
    // Nearly all of a stream are pieces for a block that is open already.
    if (event.kind === "text" && event.choice === 0 && event.text !== "" && this.#blocks.open === "text") {
      return `${this.#textPrefix}${JSON.stringify(event.text)}}}\n\n`;
    }
    if (event.kind === "reasoning" && event.choice === 0 && event.text !== "" && !this.#hidesThinking && this.#blocks.open === "thinking") {
      return `${this.#thinkingPrefix}${JSON.stringify(event.text)}}}\n\n`;
    }
    if (event.kind === "start") return this.#start(event);
    if (event.kind === "finish" && event.choice === 0) this.#finish ??= event;
    return this.#frames(this.#blocks.push(event));
  }

  closing(usage: Usage, spillway: JsonObject): string {
    const frames = this.#frames(this.#blocks.finish()) + this.#start(undefined);
    const end = {
      type: "message_delta",
      delta: ending(this.#finish, this.#blocks.refused),
      usage: encodeCounts(usage),
      ...(Object.keys(spillway).length > 0 && { spillway }),
    };
    return `${frames}${sseFrame("message_delta", end)}${sseFrame("message_stop", { type: "message_stop" })}`;
  }

  /** There is no place for usage here; what is open stays open, as it does when the API itself breaks off. */
  failed(error: GatewayError): string {
    return sseFrame("error", encodeError(error, this.#head.requestId));
  }

  /** The opening of the message, once. */
  #start(event: StartEvent | undefined): string {
    if (this.#started) return "";
    this.#started = true;
    const opening = { ...messageHead(this.#head), content: [], ...NOT_ENDED, usage: openingUsage(event?.serviceTier) };
    return sseFrame("message_start", { type: "message_start", message: opening });
  }

  #frames(steps: readonly Step[]): string {
    if (steps.length === 0) return "";
    let out = this.#start(undefined);
    for (const step of steps) out += this.#frame(step);
    return out;
  }

  #frame(step: Step): string {
    switch (step.kind) {
      case "open": {
        const index = ++this.#index;
        const delta = `event: content_block_delta\ndata: {"type":"content_block_delta","index":${index},"delta":`;
        this.#textPrefix = `${delta}{"type":"text_delta","text":`;
        this.#thinkingPrefix = `${delta}{"type":"thinking_delta","thinking":`;
        return sseFrame("content_block_start", { type: "content_block_start", index, content_block: step.block });
      }
      case "delta":
        return sseFrame("content_block_delta", { type: "content_block_delta", index: this.#index, delta: step.delta });
      case "close":
        return sseFrame("content_block_stop", { type: "content_block_stop", index: this.#index });
    }
  }
}

/** The whole message of a decoded answer. */
export function encodeAnswer(events: readonly StreamEvent[], head: ClientHead): JsonObject {
  const blocks = new BlockSequence(hidesThinking(head.raw));
  const content: OpenContent[] = [];
  let start: StartEvent | undefined;
  let finish: FinishEvent | undefined;
  let usage = NO_USAGE;
  for (const event of events) {
    if (event.kind === "start") start ??= event;
    else if (event.kind === "usage") usage = event.usage;
    else {
      if (event.kind === "finish" && event.choice === 0) finish ??= event;
      addSteps(content, blocks.push(event));
    }
  }
  addSteps(content, blocks.finish());
  return {
    ...messageHead(head),
    content: content.map(wholeBlock),
    ...ending(finish, blocks.refused),
    diagnostics: null,
    usage: encodeUsage(usage, start?.serviceTier),
  };
}

function messageHead(head: ClientHead): JsonObject {
  return { id: `msg_${head.requestId}`, type: "message", role: "assistant", model: head.model };
}

const NOT_ENDED = { stop_reason: null, stop_sequence: null, stop_details: null, container: null, diagnostics: null } as const;

/** How it ended. A refusal's words are content, where every client shows them. */
function ending(finish: FinishEvent | undefined, refused: boolean): JsonObject {
  const reason = stopReason(finish?.reason, finish?.native ?? "", refused);
  const details = reason === "refusal" ? { type: "refusal", category: null, explanation: null } : null;
  return { stop_reason: reason, stop_sequence: null, stop_details: details, container: null };
}

/** A block and its pieces, by the kind of piece. */
interface OpenContent {
  readonly block: JsonObject;
  text: string;
  signature: string;
}

function addSteps(content: OpenContent[], steps: readonly Step[]): void {
  for (const step of steps) {
    if (step.kind === "open") content.push({ block: step.block, text: "", signature: "" });
    if (step.kind !== "delta") continue;
    const open = content.at(-1);
    const { text, thinking, partial_json: json, signature } = step.delta;
    if (open === undefined) continue;
    open.text += asString(text) ?? asString(thinking) ?? asString(json) ?? "";
    open.signature += asString(signature) ?? "";
  }
}

function wholeBlock({ block, text, signature }: OpenContent): JsonObject {
  switch (block.type) {
    case "text":
      return { ...block, text };
    case "thinking":
      return { ...block, thinking: text, signature };
    case "tool_use":
      return { ...block, input: inputOf(text) };
    default:
      return block;
  }
}

/** Arguments that are no JSON object travel in the wrapping that the API's documentation proposes for them. */
function inputOf(json: string): JsonObject {
  let value: Json;
  try {
    value = JSON.parse(json) as Json;
  } catch {
    // A model cut off by its output limit leaves half an object.
    return { INVALID_JSON: json };
  }
  return isObject(value) ? value : { INVALID_JSON: json };
}
