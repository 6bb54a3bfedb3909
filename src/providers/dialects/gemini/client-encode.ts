/**
 * Hub events → answers of this dialect. A stream is a row of chunks with one part each, ends with one that holds every
 * finish reason and the usage, and has no terminal event: it is over when the body ends.
 */
import type { GatewayError } from "../../../wire/errors.ts";
import type { StreamEvent } from "../../../wire/events.ts";
import type { Json, JsonObject } from "../../../wire/json.ts";
import type { Usage } from "../../../wire/usage.ts";
import type { AnswerEncoder, ClientHead } from "../client.ts";
import { Choice } from "./client-choices.ts";
import { encodeError } from "./client-errors.ts";
import { wantsThoughts } from "./client-parse.ts";
import { usageMetadata } from "./client-usage.ts";

/**
 * A chunk without news. Not a comment: one client library in wide use drops all that follows a line which is not data.
 * Not an empty object: another forgets the whole conversation for a chunk without content.
 */
export const KEEP_ALIVE = `data: {"candidates":[{"content":{"parts":[{"text":""}],"role":"model"},"index":0}]}\n\n`;
const TEXT_START = `data: {"candidates":[{"content":{"parts":[{"text":`;
const LINE_ENDS = /[\u0085\u2028\u2029]/;

/** One answer as a stream; see `AnswerEncoder`. */
export function openEncoder(head: ClientHead): AnswerEncoder {
  return new Encoder(head);
}

class Encoder implements AnswerEncoder {
  readonly #head: ClientHead;
  readonly #choices: Choices;
  readonly #tail: string;
  readonly #firstTextEnd: string;

  constructor(head: ClientHead) {
    this.#head = head;
    this.#choices = new Choices(head);
    this.#tail = escaped(`,"modelVersion":${JSON.stringify(head.model)},"responseId":${JSON.stringify(head.requestId)}}\n\n`);
    this.#firstTextEnd = `}],"role":"model"},"index":0}]${this.#tail}`;
  }

  encode(event: StreamEvent): string {
    if (!("choice" in event)) return "";
    const choice = this.#choices.at(event.choice);
    // The common chunk is put together from prepared text.
    if (event.kind === "text" && event.text !== "" && choice.isBare) return TEXT_START + escaped(JSON.stringify(event.text)) + this.#textEnd(choice.index);
    let frames = "";
    for (const part of choice.take(event)) frames += this.#chunk(choice, part);
    return frames;
  }

  closing(usage: Usage, spillway: JsonObject): string {
    const candidates = this.#choices.inOrder().map((choice) => {
      // Calls that came after the finish are still here.
      const calls = choice.lastCalls();
      const parts = calls.length > 0 ? calls : [{ text: "" }];
      return { content: { parts, role: "model" }, ...choice.finish(), index: choice.index, ...choice.takeExtras() };
    });
    return dataFrame({ candidates, usageMetadata: usageMetadata(usage), ...top(this.#head), spillway: mark(spillway, this.#head) });
  }

  failed(error: GatewayError, usage: Usage | null): string {
    return errorFrame(error, this.#head.requestId, usage);
  }

  #textEnd(index: number): string {
    return index === 0 ? this.#firstTextEnd : `}],"role":"model"},"index":${index}}]${this.#tail}`;
  }

  #chunk(choice: Choice, part: JsonObject): string {
    const extras = choice.hasExtras ? JSON.stringify(choice.takeExtras()).slice(1, -1) : "";
    const body = `{"content":{"parts":[${JSON.stringify(part)}],"role":"model"},"index":${choice.index}${extras === "" ? "" : `,${extras}`}}`;
    return `data: {"candidates":[${escaped(body)}]${this.#tail}`;
  }
}

/** The whole JSON answer. Neighbouring pieces of one text are one part. */
export function encodeAnswer(events: readonly StreamEvent[], head: ClientHead): JsonObject {
  const choices = new Choices(head);
  const parts = new Map<Choice, JsonObject[]>();
  let usage: Usage | undefined;
  for (const event of events) {
    if (event.kind === "usage") usage = event.usage;
    if (!("choice" in event)) continue;
    const choice = choices.at(event.choice);
    const held = parts.get(choice) ?? [];
    parts.set(choice, held);
    for (const part of choice.take(event)) addPart(held, part);
  }
  const candidates = choices.inOrder().map((choice) => {
    const held = [...(parts.get(choice) ?? []), ...choice.lastCalls()];
    const finish = choice.finish();
    // Blocked before its first word: no content at all. An empty answer is an empty text, or clients drop the turn.
    const content = held.length > 0 ? held : finish.finishReason === "STOP" ? [{ text: "" }] : undefined;
    const told = content === undefined ? {} : { content: { parts: content, role: "model" } };
    return { ...told, ...finish, index: choice.index, ...choice.takeExtras() };
  });
  return {
    candidates,
    ...(usage === undefined ? {} : { usageMetadata: usageMetadata(usage) }),
    ...top(head),
    ...(head.simulated ? { spillway: mark({}, head) } : {}),
  };
}

/**
 * An error as a frame of a stream, at any point of it. A client library that knows no errors in streams passes over the
 * `error`; what it finds then is a finish of no good reason, so that half an answer does not look like a whole one.
 */
export function errorFrame(error: GatewayError, requestId: string, usage: Usage | null): string {
  const candidates = [{ content: { parts: [{ text: "" }], role: "model" }, finishReason: "OTHER", finishMessage: error.message, index: 0 }];
  return dataFrame({ ...encodeError(error, requestId), candidates, ...(usage === null ? {} : { usageMetadata: usageMetadata(usage) }) });
}

class Choices {
  readonly #showsThoughts: boolean;
  readonly #byIndex = new Map<number, Choice>();

  constructor(head: ClientHead) {
    this.#showsThoughts = wantsThoughts(head.raw);
  }

  at(index: number): Choice {
    let choice = this.#byIndex.get(index);
    if (choice === undefined) this.#byIndex.set(index, (choice = new Choice(index, this.#showsThoughts)));
    return choice;
  }

  /** Clients look at the first one, so there always is one. */
  inOrder(): readonly Choice[] {
    if (this.#byIndex.size === 0) this.at(0);
    return [...this.#byIndex.values()].sort((a, b) => a.index - b.index);
  }
}

function addPart(held: JsonObject[], part: JsonObject): void {
  const last = held.at(-1);
  const joins = last !== undefined && isPlainText(last) && isPlainText(part) && last["thought"] === part["thought"];
  if (joins) held[held.length - 1] = { ...last, text: `${last["text"] as string}${part["text"] as string}` };
  else held.push(part);
}

function isPlainText(part: JsonObject): boolean {
  return typeof part["text"] === "string" && part["thoughtSignature"] === undefined;
}

function top(head: ClientHead): JsonObject {
  return { modelVersion: head.model, responseId: head.requestId };
}

function mark(spillway: JsonObject, head: ClientHead): JsonObject {
  return head.simulated ? { ...spillway, simulated: true } : spillway;
}

function dataFrame(data: Json): string {
  return `data: ${escaped(JSON.stringify(data))}\n\n`;
}

/** Characters that JSON leaves bare and that end a line for some clients' parsers, which then find no data. */
function escaped(json: string): string {
  return !LINE_ENDS.test(json) ? json : json.replace(/[\u0085\u2028\u2029]/g, (char) => `\\u${char.charCodeAt(0).toString(16).padStart(4, "0")}`);
}
