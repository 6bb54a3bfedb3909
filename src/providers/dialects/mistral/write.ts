/**
 * Writes the hub's answers in Mistral's form, which its own clients read strictly: thoughts stand among the chunks of a
 * content, a tool call comes whole, usage comes with the last finish reason and unasked, and few members may be null.
 */
import type { GatewayError } from "../../../wire/errors.ts";
import { ERRORS } from "../../../wire/errors.ts";
import type { StreamEvent } from "../../../wire/events.ts";
import type { Json, JsonObject } from "../../../wire/json.ts";
import type { Usage } from "../../../wire/usage.ts";
import { sseFrame, type AnswerEncoder, type ClientHead } from "../client.ts";
import { DELTA_EXTRA } from "../openai/decode.ts";
import { encodeUsage } from "../openai/encode.ts";

const DONE = "data: [DONE]\n\n";
const SIMULATED = "spillway-simulated";
/** Words for an answer that the model's context did not hold. */
const MODEL_LENGTH = new Set(["model_length", "model_context_window_exceeded"]);

type Finish = Extract<StreamEvent, { kind: "finish" }>;
type Signature = Extract<StreamEvent, { kind: "signature" }>;

function wireReason({ reason, native }: Finish): string {
  if (reason === "length" && MODEL_LENGTH.has(native)) return "model_length";
  return reason;
}

function topOf(head: ClientHead, object: string): JsonObject {
  const top = { id: `cmpl-${head.requestId}`, object, created: head.createdS, model: head.model };
  return head.simulated ? { ...top, system_fingerprint: SIMULATED } : top;
}

/** A chunk of thoughts; an empty one carries what proves those before it. */
function thoughts(text: string, proof: JsonObject = {}): JsonObject {
  return { type: "thinking", thinking: text === "" ? [] : [{ type: "text", text }], ...proof };
}

/** What proves thoughts; of a maker whose proofs no other takes it must not look like theirs. */
function proofOf({ signature, inExtraContent }: Signature): JsonObject {
  return { ...(inExtraContent === true ? inBand(signature) : { signature }), closed: true };
}

function inBand(thoughtSignature: string | undefined): JsonObject {
  return thoughtSignature === undefined ? {} : { extra_content: { google: { thought_signature: thoughtSignature } } };
}

/** Clients take no chunk of this type among the others. */
function redacted(blocks: readonly string[]): JsonObject {
  return blocks.length === 0 ? {} : { thinking_blocks: blocks.map((data) => ({ type: "redacted_thinking", data })) };
}

/** What one choice has gathered: tool calls, and members that its provider added. */
class Gathered {
  readonly #calls: { readonly id: string; readonly name: string; readonly thoughtSignature: string | undefined; json: string }[] = [];
  /** Calls below this index are out. */
  #told = 0;
  readonly #extras = new Map<string, Json>();
  readonly #inMessage = new Map<string, Json>();

  start({ index, id, name, thoughtSignature }: Extract<StreamEvent, { kind: "tool-start" }>): void {
    this.#calls[index] = { id, name, thoughtSignature, json: "" };
  }

  arguments({ index, json }: Extract<StreamEvent, { kind: "tool-arguments" }>): void {
    const call = this.#calls[index];
    if (call !== undefined) call.json += json;
  }

  hold({ key, value }: Extract<StreamEvent, { kind: "choice-extra" }>): void {
    const inMessage = key.startsWith(DELTA_EXTRA);
    const held = inMessage ? this.#inMessage : this.#extras;
    const name = inMessage ? key.slice(DELTA_EXTRA.length) : key;
    const before = held.get(name);
    held.set(name, Array.isArray(before) && Array.isArray(value) ? [...(before as readonly Json[]), ...(value as readonly Json[])] : value);
  }

  untold(): readonly JsonObject[] {
    const calls = this.calls.slice(this.#told);
    this.#told += calls.length;
    return calls;
  }

  get calls(): readonly JsonObject[] {
    return this.#calls.flatMap((call, index) => {
      const { id, name, json, thoughtSignature } = call;
      return [{ id, type: "function", function: { name, arguments: json === "" ? "{}" : json }, index, ...inBand(thoughtSignature) }];
    });
  }

  get extras(): JsonObject {
    return Object.fromEntries(this.#extras);
  }

  get inMessage(): JsonObject {
    return Object.fromEntries(this.#inMessage);
  }
}

interface OpenChoice {
  readonly gathered: Gathered;
  /** A chunk with text, and one with thoughts, up to the string. */
  readonly text: string;
  readonly thoughts: string;
}

/** Turns events into chunks. */
export class StreamWriter implements AnswerEncoder {
  readonly #top: JsonObject;
  readonly #choices = new Map<number, OpenChoice>();
  /** The latest finish: the last of them goes with the usage. */
  #finish: Finish | undefined;

  constructor(head: ClientHead) {
    this.#top = topOf(head, "chat.completion.chunk");
  }

  encode(event: StreamEvent): string {
    if (!("choice" in event)) return "";
    const known = this.#choices.get(event.choice);
    const choice = known ?? this.#open(event.choice);
    const written = this.#written(event, choice);
    return known === undefined ? this.#chunk(event.choice, { role: "assistant", content: "" }) + written : written;
  }

  closing(usage: Usage, spillway: JsonObject): string {
    const finish = this.#finish ?? { kind: "finish", choice: 0, reason: "stop", native: "" };
    // Calls that came after the finish are still here.
    const late = [...this.#choices].map(([index, { gathered }]) => this.#calls(index, gathered)).join("");
    return late + this.#finishing(finish, { usage: encodeUsage(usage), spillway }) + DONE;
  }

  failed(error: GatewayError): string {
    return failedFrame(error);
  }

  #written(event: Extract<StreamEvent, { choice: number }>, choice: OpenChoice): string {
    switch (event.kind) {
      case "text":
      case "refusal":
        return `${choice.text}${JSON.stringify(event.text)}},"finish_reason":null}]}\n\n`;
      case "reasoning":
        return event.text === "" ? "" : `${choice.thoughts}${JSON.stringify(event.text)}}]}]},"finish_reason":null}]}\n\n`;
      case "signature":
        return this.#chunk(event.choice, { content: [thoughts("", proofOf(event))] });
      case "redacted":
        return this.#chunk(event.choice, redacted([event.data]));
      case "tool-start":
        choice.gathered.start(event);
        return "";
      case "tool-arguments":
        choice.gathered.arguments(event);
        return "";
      case "choice-extra":
        choice.gathered.hold(event);
        return "";
      case "finish": {
        const earlier = this.#finish === undefined ? "" : this.#finishing(this.#finish, {});
        this.#finish = event;
        return earlier + this.#calls(event.choice, choice.gathered);
      }
    }
  }

  #open(index: number): OpenChoice {
    const top = JSON.stringify(this.#top).slice(0, -1);
    const begun = `data: ${top},"choices":[{"index":${index},"delta":{"content":`;
    const choice = { gathered: new Gathered(), text: begun, thoughts: `${begun}[{"type":"thinking","thinking":[{"type":"text","text":` };
    this.#choices.set(index, choice);
    return choice;
  }

  #chunk(index: number, delta: JsonObject): string {
    return sseFrame(null, { ...this.#top, choices: [{ index, delta, finish_reason: null }] });
  }

  /** The calls that were not told yet: each is told whole. */
  #calls(index: number, gathered: Gathered): string {
    const calls = gathered.untold();
    return calls.length === 0 ? "" : this.#chunk(index, { content: "", tool_calls: calls });
  }

  #finishing(finish: Finish, more: JsonObject): string {
    const gathered = this.#choices.get(finish.choice)?.gathered;
    const delta = { ...gathered?.inMessage, content: "" };
    return sseFrame(null, { ...this.#top, choices: [{ ...gathered?.extras, index: finish.choice, delta, finish_reason: wireReason(finish) }], ...more });
  }
}

interface WholeChoice {
  readonly gathered: Gathered;
  readonly content: { readonly kind: "text" | "thinking"; text: string; proof: JsonObject }[];
  readonly redacted: string[];
  finish: Finish | undefined;
}

/** The whole answer; see `ClientDialect.encodeAnswer`. */
export function encodeAnswer(events: readonly StreamEvent[], head: ClientHead): JsonObject {
  const choices = new Map<number, WholeChoice>();
  let usage: Usage | undefined;
  for (const event of events) {
    if (event.kind === "usage") usage = event.usage;
    else if ("choice" in event) {
      const choice = choices.get(event.choice) ?? { gathered: new Gathered(), content: [], redacted: [], finish: undefined };
      choices.set(event.choice, choice);
      collect(choice, event);
    }
  }
  const ordered = [...choices].sort(([a], [b]) => a - b);
  // The member is required; what nobody told is not told by us either.
  return { ...topOf(head, "chat.completion"), choices: ordered.map(([index, choice]) => wholeChoice(index, choice)), usage: usage === undefined ? {} : encodeUsage(usage) };
}

function collect(choice: WholeChoice, event: Extract<StreamEvent, { choice: number }>): void {
  const { gathered, content } = choice;
  switch (event.kind) {
    case "text":
    case "refusal":
    case "reasoning": {
      const kind = event.kind === "reasoning" ? "thinking" : "text";
      const last = content.at(-1);
      // A proof closes its thoughts: others after it are others.
      if (last?.kind === kind && Object.keys(last.proof).length === 0) last.text += event.text;
      else if (event.text !== "") content.push({ kind, text: event.text, proof: {} });
      return;
    }
    case "signature": {
      const last = content.at(-1);
      if (last?.kind === "thinking") last.proof = proofOf(event);
      else content.push({ kind: "thinking", text: "", proof: proofOf(event) });
      return;
    }
    case "redacted":
      choice.redacted.push(event.data);
      return;
    case "tool-start":
      return gathered.start(event);
    case "tool-arguments":
      return gathered.arguments(event);
    case "choice-extra":
      return gathered.hold(event);
    case "finish":
      choice.finish = event;
  }
}

function wholeChoice(index: number, { gathered, content, redacted: sealed, finish }: WholeChoice): JsonObject {
  const chunks = content.map(({ kind, text, proof }) => (kind === "thinking" ? thoughts(text, { ...proof, closed: true }) : { type: "text", text }));
  const plain = content.every(({ kind }) => kind === "text");
  const { calls } = gathered;
  const message = {
    ...gathered.inMessage,
    role: "assistant",
    content: plain ? content.map(({ text }) => text).join("") : chunks,
    ...redacted(sealed),
    ...(calls.length === 0 ? {} : { tool_calls: calls }),
  };
  return { ...gathered.extras, index, message, finish_reason: finish === undefined ? "error" : wireReason(finish) };
}

/** An error in this form: flat, with the members that its clients require. */
export function encodeError(error: GatewayError): JsonObject {
  return { object: "error", message: error.message, type: error.type ?? ERRORS[error.code].type, param: error.param, code: error.upstreamCode ?? error.code };
}

/** The error in the middle of a stream: no chunk, so that clients which read chunks only fail at it. */
export function failedFrame(error: GatewayError): string {
  return sseFrame(null, encodeError(error));
}
