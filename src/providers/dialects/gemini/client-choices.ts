/**
 * Hub events → content parts, for streams and whole answers alike. A tool call is one part here, so it is held until its
 * arguments are complete; what another maker signed is wrapped (see `client-opaque.ts`).
 */
import type { StreamEvent } from "../../../wire/events.ts";
import { isObject, type Json, type JsonObject } from "../../../wire/json.ts";
import { wrap } from "./client-opaque.ts";
import { candidateMembers, mergeExtra } from "./client-extras.ts";
import { finishOf, type Finish } from "./client-finish.ts";

interface HeldCall {
  readonly id: string;
  readonly name: string;
  readonly thoughtSignature: string | undefined;
  json: string;
}

type ChoiceEvent = Extract<StreamEvent, { choice: number }>;

/** One candidate in the making. */
export class Choice {
  readonly index: number;
  readonly #showsThoughts: boolean;
  readonly #calls: (HeldCall | undefined)[] = [];
  /** Calls below this index are out. */
  #told = 0;
  /** Thought since the last signature. */
  #thought = "";
  #extras = new Map<string, Json>();
  #refused = false;
  #finish: Extract<StreamEvent, { kind: "finish" }> | undefined;
  /** Calls whose arguments cannot be read. */
  readonly #broken: string[] = [];

  constructor(index: number, showsThoughts: boolean) {
    this.index = index;
    this.#showsThoughts = showsThoughts;
  }

  /** The parts that this event completes, in order. */
  take(event: ChoiceEvent): readonly JsonObject[] {
    switch (event.kind) {
      case "text":
        return [...this.#completeCalls(), ...(event.text === "" ? [] : [{ text: event.text }])];
      case "refusal":
        this.#refused = true;
        return [...this.#completeCalls(), ...(event.text === "" ? [] : [{ text: event.text }])];
      case "reasoning":
        this.#thought += event.text;
        return event.text === "" || !this.#showsThoughts ? [] : [{ text: event.text, thought: true }];
      case "signature":
        return [this.#signature(event)];
      case "redacted":
        return [this.#opaque(wrap({ kind: "redacted", data: event.data }))];
      case "tool-start": {
        const complete = this.#completeCalls();
        this.#calls[event.index] = { id: event.id, name: event.name, thoughtSignature: event.thoughtSignature, json: "" };
        return complete;
      }
      case "tool-arguments": {
        const call = this.#calls[event.index];
        if (call !== undefined) call.json += event.json;
        return [];
      }
      case "choice-extra":
        this.#extras.set(event.key, mergeExtra(this.#extras.get(event.key), event.value));
        return [];
      case "finish": {
        this.#finish = event;
        return this.lastCalls();
      }
    }
  }

  /** Nothing waits: text is the part that it makes, and nothing else. */
  get isBare(): boolean {
    return this.#extras.size === 0 && this.#told === this.#calls.length;
  }

  get hasExtras(): boolean {
    return this.#extras.size > 0;
  }

  /** Members of the candidate that wait to be told; told once. */
  takeExtras(): JsonObject {
    const members = candidateMembers(this.#extras);
    this.#extras = new Map();
    return members;
  }

  /** `finishReason` and what belongs to it. A choice that never said how it ended is of no known end. */
  finish(): Finish {
    return this.#finish === undefined ? { finishReason: "OTHER" } : finishOf(this.#finish, this.#refused, this.#broken);
  }

  #signature(event: Extract<StreamEvent, { kind: "signature" }>): JsonObject {
    const text = this.#thought;
    this.#thought = "";
    // Of this dialect's own making: clients get it as its models give it, without a thought of its own.
    if (event.inExtraContent === true) return { text: "", thoughtSignature: event.signature };
    return this.#opaque(wrap({ kind: "thinking", text: this.#showsThoughts ? undefined : text, signature: event.signature }));
  }

  #opaque(thoughtSignature: string): JsonObject {
    return this.#showsThoughts ? { text: "", thought: true, thoughtSignature } : { text: "", thoughtSignature };
  }

  /** The calls, from the first that is not out, whose arguments have their last brace. */
  #completeCalls(): JsonObject[] {
    const parts: JsonObject[] = [];
    for (; this.#told < this.#calls.length; this.#told++) {
      const call = this.#calls[this.#told];
      if (call === undefined) continue;
      const args = call.json === "" ? undefined : argumentsOf(call.json);
      if (args === undefined) break;
      parts.push(callPart(call, args));
    }
    return parts;
  }

  /** Nothing more will come: calls without arguments have none, and what cannot be read is named. */
  lastCalls(): JsonObject[] {
    const parts: JsonObject[] = [];
    for (; this.#told < this.#calls.length; this.#told++) {
      const call = this.#calls[this.#told];
      if (call === undefined) continue;
      const args = argumentsOf(call.json);
      if (args === undefined) this.#broken.push(call.name);
      else parts.push(callPart(call, args));
    }
    return parts;
  }
}

function callPart(call: HeldCall, args: JsonObject): JsonObject {
  const functionCall = { id: call.id, name: call.name, args };
  return call.thoughtSignature === undefined ? { functionCall } : { functionCall, thoughtSignature: call.thoughtSignature };
}

/** The object that the text spells; undefined where it is none (yet). */
function argumentsOf(json: string): JsonObject | undefined {
  const text = json.trim();
  if (text === "" || text === "null") return {};
  if (!text.endsWith("}")) return undefined;
  try {
    const value = JSON.parse(text) as unknown;
    return isObject(value) ? value : undefined;
  } catch {
    // Cut at the limit, or the model's mistake: the finish reason says so.
    return undefined;
  }
}
