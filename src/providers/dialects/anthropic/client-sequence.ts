/**
 * Puts the hub's events in the order that content blocks have: one block at a time, each opened, filled and closed. The
 * stream writes the steps down one by one, the whole answer puts them together.
 *
 * There is no field here for signatures of other makers (`thoughtSignature` of a call, `inExtraContent`) nor for what a
 * choice carries beside its content (log probabilities): they stay out. A server-side map keeps such signatures for the
 * next turn; a signature of one maker in the field of another would have the whole conversation refused.
 */
import type { StreamEvent } from "../../../wire/events.ts";
import type { JsonObject } from "../../../wire/json.ts";
import { upstreamCallId } from "./names.ts";

export type Step =
  | { readonly kind: "open"; readonly block: JsonObject }
  | { readonly kind: "delta"; readonly delta: JsonObject }
  | { readonly kind: "close" };

type OpenBlock = { readonly kind: "text" | "thinking" } | { readonly kind: "tool"; readonly index: number; json: string };

const CLOSE: Step = { kind: "close" };

export class BlockSequence {
  readonly #hidesThinking: boolean;
  #open: OpenBlock | undefined;
  /** Events that came while the arguments of a call were still half told: parallel calls may come woven together. */
  #waiting: StreamEvent[] = [];
  #refused = false;

  /** `hidesThinking`: the client wants no text of the reasoning. */
  constructor(hidesThinking: boolean) {
    this.#hidesThinking = hidesThinking;
  }

  /** The kind of the block that content goes into now, as long as nothing waits. */
  get open(): OpenBlock["kind"] | undefined {
    return this.#waiting.length > 0 ? undefined : this.#open?.kind;
  }

  /** The model refused in words. */
  get refused(): boolean {
    return this.#refused;
  }

  /** The steps of one event; events of other choices than the first have none, since only one can be asked. */
  push(event: StreamEvent): readonly Step[] {
    const steps: Step[] = [];
    if (!("choice" in event) || event.choice !== 0) return steps;
    if (event.kind === "finish") this.#finish(steps);
    else this.#take(event, steps);
    return steps;
  }

  /** Everything that is still open. */
  finish(): readonly Step[] {
    const steps: Step[] = [];
    this.#finish(steps);
    return steps;
  }

  #finish(steps: Step[]): void {
    this.#close(steps);
    while (this.#waiting.length > 0) {
      this.#release(steps);
      this.#close(steps);
    }
  }

  #take(event: StreamEvent, steps: Step[]): void {
    const open = this.#open;
    if (open?.kind === "tool") {
      if (event.kind === "tool-arguments" && event.index === open.index) {
        open.json += event.json;
        if (event.json !== "") steps.push({ kind: "delta", delta: { type: "input_json_delta", partial_json: event.json } });
        if (this.#waiting.length > 0 && isComplete(open.json)) this.#release(steps);
        return;
      }
      if (this.#waiting.length > 0 || !isComplete(open.json)) {
        this.#waiting.push(event);
        return;
      }
    }
    this.#write(event, steps);
  }

  #release(steps: Step[]): void {
    const waiting = this.#waiting;
    this.#waiting = [];
    for (const event of waiting) this.#take(event, steps);
  }

  #write(event: StreamEvent, steps: Step[]): void {
    switch (event.kind) {
      case "refusal":
        this.#refused = true;
        this.#text(event.text, steps);
        return;
      case "text":
        this.#text(event.text, steps);
        return;
      case "reasoning":
        if (event.text === "") return;
        this.#thinking(steps);
        if (!this.#hidesThinking) steps.push({ kind: "delta", delta: { type: "thinking_delta", thinking: event.text } });
        return;
      case "signature":
        if (event.inExtraContent === true) return;
        this.#thinking(steps);
        steps.push({ kind: "delta", delta: { type: "signature_delta", signature: event.signature } });
        this.#close(steps);
        return;
      case "redacted":
        this.#begin(undefined, { type: "redacted_thinking", data: event.data }, steps);
        steps.push(CLOSE);
        return;
      case "tool-start":
        this.#begin(
          { kind: "tool", index: event.index, json: "" },
          { type: "tool_use", id: upstreamCallId(event.id), name: event.name, input: {} },
          steps,
        );
        return;
      default:
        return;
    }
  }

  #text(text: string, steps: Step[]): void {
    if (text === "") return;
    if (this.#open?.kind !== "text") this.#begin({ kind: "text" }, { type: "text", text: "" }, steps);
    steps.push({ kind: "delta", delta: { type: "text_delta", text } });
  }

  #thinking(steps: Step[]): void {
    if (this.#open?.kind !== "thinking") this.#begin({ kind: "thinking" }, { type: "thinking", thinking: "", signature: "" }, steps);
  }

  #begin(open: OpenBlock | undefined, block: JsonObject, steps: Step[]): void {
    this.#close(steps);
    this.#open = open;
    steps.push({ kind: "open", block });
  }

  #close(steps: Step[]): void {
    const open = this.#open;
    if (open === undefined) return;
    if (open.kind === "tool" && open.json === "") steps.push({ kind: "delta", delta: { type: "input_json_delta", partial_json: "{}" } });
    this.#open = undefined;
    steps.push(CLOSE);
  }
}

/** Have all arguments of a call been told? A look at the end spares most of the readings, each of which is of the whole. */
function isComplete(json: string): boolean {
  if (!/[}\]]\s*$/.test(json.slice(-32))) return false;
  try {
    JSON.parse(json);
    return true;
  } catch {
    // Half of an object is the ordinary case here.
    return false;
  }
}
