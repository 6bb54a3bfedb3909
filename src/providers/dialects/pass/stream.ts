/** Streams of media: events whose `type` says what they are, the last of them with the usage. */
import { asString, isObject, member, type Json } from "../../../wire/json.ts";
import type { StreamEvent } from "../../../wire/events.ts";
import type { SseEvent } from "../../../wire/sse-event.ts";
import type { Usage } from "../../../wire/usage.ts";
import type { StreamDecoder } from "../dialect.ts";
import { mediaTokens, type PassAnswer, type PassEndpoint, type PassMeasure } from "./endpoint.ts";

/** One per attempt. `usageOf` prices what the last event tells. */
export class MediaDecoder implements StreamDecoder {
  readonly #endpoint: PassEndpoint;
  readonly #measure: PassMeasure;
  readonly #usageOf: (answer: Extract<PassAnswer, { kind: "answer" }>) => Usage;
  /** Several images finish one after the other. */
  #finished = 0;

  constructor(endpoint: PassEndpoint, measure: PassMeasure, usageOf: (answer: Extract<PassAnswer, { kind: "answer" }>) => Usage) {
    this.#endpoint = endpoint;
    this.#measure = measure;
    this.#usageOf = usageOf;
  }

  push(event: SseEvent): readonly StreamEvent[] {
    if (event.data.trim() === "[DONE]") return [{ kind: "end" }];
    let json: Json;
    try {
      json = JSON.parse(event.data) as Json;
    } catch (error) {
      return [failed("malformed", `an event is not JSON: ${(error as Error).message.slice(0, 120)}`)];
    }
    const told = member(json, "error");
    const type = asString(member(json, "type")) ?? event.event;
    if (type === "error" || (told !== undefined && told !== null)) return [failed("server", `an error in the stream: ${JSON.stringify(isObject(told) ? (told["message"] ?? told) : json).slice(0, 200)}`)];
    const { choices } = isObject(json) ? json : {};
    if (Array.isArray(choices)) return this.#chunk(json, choices as readonly Json[]);
    if (this.#endpoint.lastEvents?.has(type) !== true) return [{ kind: "text", choice: 0, text: type === "" ? "…" : type }];
    const answer = this.#endpoint.read({ json, text: event.data, measure: this.#measure });
    if (answer.kind === "problem") return [failed(answer.class, answer.message)];
    const choice = this.#finished++;
    // An image that came without parts shows itself with its end.
    return [{ kind: "text", choice, text: type }, { kind: "usage", usage: this.#usageOf(answer) }, { kind: "finish", choice, reason: "stop", native: type }];
  }

  /** Hosts of open models stream what they hear in chunks like those of a chat. */
  #chunk(json: Json, choices: readonly Json[]): readonly StreamEvent[] {
    const events: StreamEvent[] = [];
    for (const choice of choices) {
      const text = asString(member(member(choice, "delta"), "content")) ?? "";
      const reason = asString(member(choice, "finish_reason"));
      if (text !== "") events.push({ kind: "text", choice: 0, text });
      if (reason !== undefined) events.push({ kind: "finish", choice: 0, reason: reason === "length" ? "length" : "stop", native: reason });
    }
    const usage = member(json, "usage");
    const tokens = mediaTokens(usage, "output");
    if (tokens !== null) events.push({ kind: "usage", usage: this.#usageOf({ kind: "answer", pieces: this.#measure.pieces, tokens, raw: usage ?? null }) });
    return events;
  }

  end(): readonly StreamEvent[] {
    return [];
  }
}

function failed(kind: "malformed" | "empty" | "truncated" | "server", message: string): StreamEvent {
  return { kind: "error", error: { class: kind, status: 0, message, type: null, code: null, param: null, retryAfterMs: null } };
}
