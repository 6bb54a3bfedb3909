/** Puts the hub's answer into the form of Converse: the events of a stream, a whole answer. */
import type { GatewayError } from "../../../wire/errors.ts";
import type { StreamEvent } from "../../../wire/events.ts";
import { asString, isObject, type Json, type JsonObject } from "../../../wire/json.ts";
import type { Usage } from "../../../wire/usage.ts";
// Blocks here are those of the Messages API under other names, one at a time and in the same order.
import { BlockSequence, type Step } from "../anthropic/client-sequence.ts";
import type { AnswerEncoder, ClientHead, Frames } from "../client.ts";
import { eventFrame, exceptionFrame, joinFrames } from "./client-frames.ts";
import { encodeTier, encodeUsage, stopReasonOf } from "./client-usage.ts";

type FinishEvent = Extract<StreamEvent, { kind: "finish" }>;
type Bytes = Uint8Array<ArrayBuffer>;

const NO_USAGE: Usage = { units: {}, raw: null };

/** An encoder for one stream. */
export function openEncoder(head: ClientHead): AnswerEncoder {
  return new EventEncoder(head);
}

class EventEncoder implements AnswerEncoder {
  readonly #head: ClientHead;
  readonly #blocks = new BlockSequence(false);
  #started = false;
  /** Told at the end, behind whatever still comes: no content may follow it. */
  #finish: FinishEvent | undefined;
  #index = -1;
  /** Payload of a piece of text up to its value, for the block that is open. */
  #textPrefix = "";

  constructor(head: ClientHead) {
    this.#head = head;
  }

  encode(event: StreamEvent): Frames {
    // Nearly all of a stream are pieces for a block that is open already.
    if (event.kind === "text" && event.choice === 0 && event.text !== "" && this.#blocks.open === "text") {
      return eventFrame("contentBlockDelta", `${this.#textPrefix}${JSON.stringify(event.text)}}}`);
    }
    const frames: Bytes[] = [];
    if (event.kind === "start") this.#start(frames);
    this.#write(this.#blocks.push(event), frames);
    if (event.kind === "finish" && event.choice === 0) this.#finish ??= event;
    return frames.length === 0 ? "" : joinFrames(frames);
  }

  closing(usage: Usage, spillway: JsonObject): Frames {
    const frames: Bytes[] = [];
    this.#write(this.#blocks.finish(), frames);
    this.#stop(frames);
    const metadata = { usage: encodeUsage(usage), ...encodeTier(usage.serviceTier), ...(Object.keys(spillway).length > 0 && { spillway }) };
    frames.push(eventFrame("metadata", JSON.stringify(metadata)));
    return joinFrames(frames);
  }

  /** What is open stays open, as it does when the host itself breaks off. */
  failed(error: GatewayError): Frames {
    return exceptionFrame(error);
  }

  #start(frames: Bytes[]): void {
    if (this.#started) return;
    this.#started = true;
    frames.push(eventFrame("messageStart", '{"role":"assistant"}'));
  }

  #stop(frames: Bytes[]): void {
    this.#start(frames);
    frames.push(eventFrame("messageStop", JSON.stringify(endingOf(this.#finish, this.#blocks.refused, this.#head))));
  }

  #write(steps: readonly Step[], frames: Bytes[]): void {
    if (steps.length > 0) this.#start(frames);
    for (const step of steps) this.#step(step, frames);
  }

  /** Only calls announce their block; text and reasoning begin with their first piece. */
  #step(step: Step, frames: Bytes[]): void {
    switch (step.kind) {
      case "open": {
        const contentBlockIndex = ++this.#index;
        this.#textPrefix = `{"contentBlockIndex":${contentBlockIndex},"delta":{"text":`;
        const { type, id, name, data } = step.block;
        if (type === "tool_use") {
          frames.push(eventFrame("contentBlockStart", JSON.stringify({ contentBlockIndex, start: { toolUse: { toolUseId: id, name } } })));
        } else if (type === "redacted_thinking") this.#delta({ reasoningContent: { redactedContent: data } }, frames);
        return;
      }
      case "delta": {
        const delta = deltaOf(step.delta);
        if (delta !== undefined) this.#delta(delta, frames);
        return;
      }
      case "close":
        frames.push(eventFrame("contentBlockStop", `{"contentBlockIndex":${this.#index}}`));
    }
  }

  #delta(delta: JsonObject, frames: Bytes[]): void {
    frames.push(eventFrame("contentBlockDelta", JSON.stringify({ contentBlockIndex: this.#index, delta })));
  }
}

function deltaOf(delta: JsonObject): JsonObject | undefined {
  switch (delta.type) {
    case "text_delta":
      return { text: delta.text };
    case "thinking_delta":
      return { reasoningContent: { text: delta.thinking } };
    case "signature_delta":
      return { reasoningContent: { signature: delta.signature } };
    case "input_json_delta":
      return { toolUse: { input: delta.partial_json } };
    default:
      return undefined;
  }
}

/** How it ended. Whose answer it is stands where models put fields of their own. */
function endingOf(finish: FinishEvent | undefined, refused: boolean, head: ClientHead): JsonObject {
  return {
    stopReason: stopReasonOf(finish?.reason, finish?.native ?? "", refused),
    ...(head.simulated && { additionalModelResponseFields: { system_fingerprint: "spillway-simulated" } }),
  };
}

/** The whole answer of a decoded one. */
export function encodeAnswer(events: readonly StreamEvent[], head: ClientHead): JsonObject {
  const blocks = new BlockSequence(false);
  const content: OpenContent[] = [];
  let finish: FinishEvent | undefined;
  let usage = NO_USAGE;
  for (const event of events) {
    if (event.kind === "usage") usage = event.usage;
    if (event.kind === "finish" && event.choice === 0) finish ??= event;
    addSteps(content, blocks.push(event));
  }
  addSteps(content, blocks.finish());
  return {
    output: { message: { role: "assistant", content: content.map(wholeBlock) } },
    ...endingOf(finish, blocks.refused, head),
    usage: encodeUsage(usage),
    ...encodeTier(usage.serviceTier),
  };
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
    const open = content.at(-1);
    if (step.kind !== "delta" || open === undefined) continue;
    const { text, thinking, partial_json: json, signature } = step.delta;
    open.text += asString(text) ?? asString(thinking) ?? asString(json) ?? "";
    open.signature += asString(signature) ?? "";
  }
}

function wholeBlock({ block, text, signature }: OpenContent): JsonObject {
  switch (block.type) {
    case "thinking":
      return { reasoningContent: { reasoningText: { text, ...(signature !== "" && { signature }) } } };
    case "redacted_thinking":
      return { reasoningContent: { redactedContent: block.data } };
    case "tool_use":
      return { toolUse: { toolUseId: block.id, name: block.name, input: inputOf(text) } };
    default:
      return { text };
  }
}

/** Arguments that are no JSON object: a model cut off by its output limit leaves half of one. */
function inputOf(json: string): JsonObject {
  let value: Json;
  try {
    value = JSON.parse(json) as Json;
  } catch {
    return { INVALID_JSON: json };
  }
  return isObject(value) ? value : { INVALID_JSON: json };
}
