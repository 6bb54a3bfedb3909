/** Writes the hub's answers as `text_completion` objects: chunks of a stream, and the whole. */
import type { GatewayError } from "../../../wire/errors.ts";
import type { FinishReason, StreamEvent } from "../../../wire/events.ts";
import type { Json, JsonObject } from "../../../wire/json.ts";
import type { Usage } from "../../../wire/usage.ts";
import { sseFrame, type AnswerEncoder, type ClientHead } from "../client.ts";
import { DELTA_EXTRA } from "../openai/decode.ts";
import { encodeError, encodeUsage } from "../openai/encode.ts";

const DONE = "data: [DONE]\n\n";
const SIMULATED = "spillway-simulated";

/** The words of this form. Without tools there are no calls; a provider that gave up is told as an error before it gets here. */
function wireReason(reason: FinishReason): string {
  return reason === "content_filter" || reason === "length" ? reason : "stop";
}

/** Reasoning is no part of the text, and members that a provider adds to a choice have no event: both stand beside it, as on a chat completion. */
function choiceOf(index: number, text: string, reasoning: string, extras: JsonObject, finish: string | null): JsonObject {
  return { text, index, logprobs: null, finish_reason: finish, ...(reasoning === "" ? {} : { reasoning_content: reasoning }), ...extras };
}

function topOf(head: ClientHead, systemFingerprint: string | undefined): JsonObject {
  const fingerprint = head.simulated ? SIMULATED : systemFingerprint;
  return {
    id: `cmpl-${head.requestId}`,
    object: "text_completion",
    created: head.createdS,
    model: head.model,
    ...(fingerprint === undefined ? {} : { system_fingerprint: fingerprint }),
  };
}

/** Members that the provider added to a choice; log probabilities were not asked and have another form here. */
class Extras {
  readonly #byChoice = new Map<number, Map<string, Json>>();

  hold(event: Extract<StreamEvent, { kind: "choice-extra" }>): void {
    const key = event.key.startsWith(DELTA_EXTRA) ? event.key.slice(DELTA_EXTRA.length) : event.key;
    if (key === "logprobs") return;
    const held = this.#byChoice.get(event.choice) ?? new Map<string, Json>();
    this.#byChoice.set(event.choice, held);
    const before = held.get(key);
    const lists = Array.isArray(before) && Array.isArray(event.value);
    held.set(key, lists ? [...(before as readonly Json[]), ...(event.value as readonly Json[])] : event.value);
  }

  of(choice: number): JsonObject {
    return Object.fromEntries(this.#byChoice.get(choice) ?? []);
  }
}

/** Turns events into chunks. */
export class StreamWriter implements AnswerEncoder {
  readonly #head: ClientHead;
  readonly #extras = new Extras();
  #top: JsonObject;

  constructor(head: ClientHead) {
    this.#head = head;
    this.#top = topOf(head, undefined);
  }

  encode(event: StreamEvent): string {
    switch (event.kind) {
      case "start":
        this.#top = topOf(this.#head, event.systemFingerprint);
        return "";
      case "text":
      case "refusal":
        return event.text === "" ? "" : this.#chunk(choiceOf(event.choice, event.text, "", {}, null));
      case "reasoning":
        return event.text === "" ? "" : this.#chunk(choiceOf(event.choice, "", event.text, {}, null));
      case "choice-extra":
        this.#extras.hold(event);
        return "";
      case "finish":
        return this.#chunk(choiceOf(event.choice, "", "", this.#extras.of(event.choice), wireReason(event.reason)));
      default:
        return "";
    }
  }

  closing(usage: Usage, spillway: JsonObject): string {
    if (!this.#head.request.includeUsage) return DONE;
    const ours = Object.keys(spillway).length === 0 ? {} : { spillway };
    return sseFrame(null, { ...this.#top, choices: [], usage: encodeUsage(usage), ...ours }) + DONE;
  }

  failed(error: GatewayError): string {
    return failedFrames(error);
  }

  #chunk(choice: JsonObject): string {
    return sseFrame(null, { ...this.#top, choices: [choice], ...(this.#head.request.includeUsage ? { usage: null } : {}) });
  }
}

/** The typed error, which the official client throws, and the terminal signal after it. */
export function failedFrames(error: GatewayError): string {
  return sseFrame(null, encodeError(error)) + DONE;
}

interface Choice {
  text: string;
  reasoning: string;
  finish: string;
}

/** The whole answer; see `ClientDialect.encodeAnswer`. */
export function encodeAnswer(events: readonly StreamEvent[], head: ClientHead): JsonObject {
  const choices = new Map<number, Choice>();
  const extras = new Extras();
  let systemFingerprint: string | undefined;
  let usage: Usage | undefined;
  for (const event of events) {
    if (event.kind === "start") systemFingerprint = event.systemFingerprint;
    else if (event.kind === "usage") usage = event.usage;
    else if (event.kind === "choice-extra") extras.hold(event);
    else if ("choice" in event) collect(choices, event);
  }
  const ordered = [...choices].sort(([a], [b]) => a - b);
  return {
    ...topOf(head, systemFingerprint),
    choices: ordered.map(([index, { text, reasoning, finish }]) => choiceOf(index, text, reasoning, extras.of(index), finish)),
    ...(usage === undefined ? {} : { usage: encodeUsage(usage) }),
  };
}

function collect(choices: Map<number, Choice>, event: Extract<StreamEvent, { choice: number }>): void {
  const choice = choices.get(event.choice) ?? { text: "", reasoning: "", finish: "length" };
  choices.set(event.choice, choice);
  if (event.kind === "text" || event.kind === "refusal") choice.text += event.text;
  else if (event.kind === "reasoning") choice.reasoning += event.text;
  else if (event.kind === "finish") choice.finish = wireReason(event.reason);
}
