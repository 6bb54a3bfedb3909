/**
 * Puts one choice's streamed tool calls together. Hosts number them from 0, from 1 or not at all, repeat or omit ids,
 * and send no arguments as `""`, `"null"` or nothing; out of here they come numbered from 0, with ids, and with
 * arguments that are never empty.
 */
import type { StreamEvent } from "../../../wire/events.ts";
import { asString, isObject, member } from "../../../wire/json.ts";
import type { Json } from "../../../wire/json.ts";

interface OpenCall {
  readonly index: number;
  /** The host's own number; undefined where it sent none. */
  readonly native: number | undefined;
  id: string;
  name: string;
  thoughtSignature: string | undefined;
  started: boolean;
  /** Arguments held back: before the start, and while they could still be the word `null` or nothing. */
  held: string;
  /** Argument text has gone out; from then on fragments pass straight through. */
  flowing: boolean;
}

export class ToolCalls {
  readonly #choice: number;
  readonly #calls: OpenCall[] = [];
  readonly #renames: Readonly<Record<string, string>>;
  #last: OpenCall | undefined;

  /** `renames`: names that the encoder had to change, upstream → client. */
  constructor(choice: number, renames: Readonly<Record<string, string>> = {}) {
    this.#choice = choice;
    this.#renames = renames;
  }

  get seen(): boolean {
    return this.#calls.length > 0;
  }

  /** Take one entry of `tool_calls`. `answerId` seeds the id of a call that has none. */
  push(entry: Json, answerId: string, events: StreamEvent[]): void {
    if (!isObject(entry)) return;
    const fn = isObject(entry["function"]) ? entry["function"] : entry["custom"];
    const name = asString(member(fn, "name")) ?? "";
    const id = asString(entry["id"]) ?? "";
    const native = typeof entry["index"] === "number" ? entry["index"] : undefined;
    const call = this.#find(native, id, name) ?? this.#open(native);
    this.#last = call;
    if (call.started) {
      this.#arguments(call, argumentText(member(fn, "arguments") ?? member(fn, "input")), events);
      return;
    }
    if (call.id === "") call.id = id;
    if (call.name === "") call.name = name;
    call.thoughtSignature ??= thoughtSignature(entry) ?? thoughtSignature(fn);
    if (call.name !== "") this.#start(call, answerId, events);
    this.#arguments(call, argumentText(member(fn, "arguments") ?? member(fn, "input")), events);
  }

  /** The old single `function_call`: one call without an id. */
  pushLegacy(functionCall: Json, answerId: string, events: StreamEvent[]): void {
    this.push({ index: 0, function: functionCall }, answerId, events);
  }

  /** The choice is complete: give what was held back. A call that never got a name is told as `malformed`. */
  close(events: StreamEvent[]): void {
    for (const call of this.#calls) {
      if (!call.started) {
        events.push(nameless());
        continue;
      }
      if (call.flowing) continue;
      const word = call.held.trim();
      call.flowing = true;
      this.#emit(call, word === "" || word === "null" ? "{}" : call.held, events);
    }
  }

  #find(native: number | undefined, id: string, name: string): OpenCall | undefined {
    if (native === undefined) {
      if (id !== "") return this.#calls.find((call) => call.id === id) ?? (name === "" ? this.#last : undefined);
      // Neither number nor id: a name begins a call, anything else goes on with the last one.
      return name === "" ? this.#last : undefined;
    }
    const call = this.#calls.findLast((open) => open.native === native);
    // One host numbers parallel calls all 0: a further id together with a name is a further call.
    if (call !== undefined && id !== "" && name !== "" && call.id !== "" && call.id !== id) {
      return this.#calls.find((open) => open.id === id);
    }
    return call;
  }

  #open(native: number | undefined): OpenCall {
    const call: OpenCall = {
      index: this.#calls.length, native, id: "", name: "", thoughtSignature: undefined, started: false, held: "", flowing: false,
    };
    this.#calls.push(call);
    return call;
  }

  #start(call: OpenCall, answerId: string, events: StreamEvent[]): void {
    if (call.id === "") call.id = mintedId(answerId, this.#choice, call.index);
    call.started = true;
    const { index, id } = call;
    const name = Object.hasOwn(this.#renames, call.name) ? (this.#renames[call.name] ?? call.name) : call.name;
    events.push({ kind: "tool-start", choice: this.#choice, index, id, name, thoughtSignature: call.thoughtSignature });
  }

  #arguments(call: OpenCall, fragment: string, events: StreamEvent[]): void {
    if (fragment === "") return;
    if (call.flowing) {
      this.#emit(call, fragment, events);
      return;
    }
    call.held += fragment;
    if (!call.started || "null".startsWith(call.held.trim())) return;
    call.flowing = true;
    this.#emit(call, call.held, events);
  }

  #emit(call: OpenCall, json: string, events: StreamEvent[]): void {
    events.push({ kind: "tool-arguments", choice: this.#choice, index: call.index, json });
  }
}

/** `extra_content.google.thought_signature`, or Vertex's spelling of it. */
export function thoughtSignature(value: Json | undefined): string | undefined {
  const extra = member(value, "extra_content");
  return (
    asString(member(member(extra, "google"), "thought_signature")) ?? asString(member(member(extra, "vertex"), "thought_signature"))
  );
}

/** Arguments as text; some hosts send the object itself. */
function argumentText(value: Json | undefined): string {
  if (typeof value === "string") return value;
  return isObject(value) ? JSON.stringify(value) : "";
}

/** Stable within the answer and unlikely to repeat in the next one. */
function mintedId(answerId: string, choice: number, index: number): string {
  const tail = answerId.replace(/[^A-Za-z0-9]/g, "").slice(-16);
  return `call_${tail === "" ? "0" : tail}_${choice}_${index}`;
}

function nameless(): StreamEvent {
  return {
    kind: "error",
    error: {
      class: "malformed", status: 0, message: "The provider sent a tool call without a name.", type: null, code: null, param: null,
      retryAfterMs: null,
    },
  };
}
