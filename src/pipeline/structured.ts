/**
 * Structured output for models that have none: the schema goes into the prompt, the answer is held until it is whole,
 * checked, and only then shown. An answer that does not fit fails its attempt; the next one at the same deployment is
 * shown it with what is wrong and asked to mend it, once.
 */
import type { Dialect, StreamDecoder } from "../providers/dialects/dialect.ts";
import type { ChatRequest, Message, Part, ResponseFormat } from "../wire/chat.ts";
import { commits, type StreamEvent } from "../wire/events.ts";
import { isObject, type Json } from "../wire/json.ts";
import { checkSchema } from "../wire/json-schema.ts";
import type { SseEvent } from "../wire/sse-event.ts";
import { failure, textBytesOf, type LaneSink } from "./lane.ts";

export type JsonFormat = Exclude<ResponseFormat, { kind: "text" }>;

/** Of an answer that a repair shows again; the rest of a longer one is left away. */
const MOST_SHOWN_CHARS = 32 << 10;
/** As much as a JSON answer may have. */
const MOST_HELD_BYTES = 32 << 20;

interface Failed {
  readonly text: string;
  readonly problems: readonly string[];
}

/** The made-up structured output of one request at one deployment; lives through its repair. */
export class StructuredOutput {
  readonly #format: JsonFormat;
  readonly #offersTools: boolean;
  #failed: Failed | null = null;

  constructor(request: ChatRequest, format: JsonFormat) {
    this.#format = format;
    this.#offersTools = request.tools.length > 0 && request.toolChoice?.kind !== "none";
  }

  /** The request that says in words what its format says. `jsonMode`: the model can be held to some JSON object at least. */
  ask(request: ChatRequest, jsonMode: boolean): ChatRequest {
    const messages = withInstruction(request.messages, instructionOf(this.#format, this.#offersTools));
    const responseFormat = jsonMode && isOfObjects(this.#format) ? ({ kind: "json_object" } as const) : undefined;
    return { ...request, responseFormat, messages: this.#failed === null ? messages : [...messages, ...repairOf(this.#failed)] };
  }

  warnings(stream: boolean): readonly string[] {
    const held = stream ? "; the stream was held until then" : "";
    const told = this.#format.kind === "json_schema" ? "the schema was put into the prompt, and the answer checked against it" : "JSON was asked for in the prompt, and the answer checked";
    return [`response_format was emulated: ${told}${held}`, ...(this.#failed === null ? [] : ["the first answer did not fit and was mended by a second call"])];
  }

  /** The dialect with JSON answers checked. */
  dialect(dialect: Dialect): Dialect {
    return { ...dialect, decodeAnswer: (body, context) => this.checked(dialect.decodeAnswer(body, context)) };
  }

  /** A decoder that holds its events back until the answer has finished and was checked. */
  openStream(decoder: StreamDecoder, sink: LaneSink): StreamDecoder {
    return new HoldingDecoder(decoder, this, sink);
  }

  /** The events of a whole answer as they may be shown; or its usage, and the error that says why not. */
  checked(events: readonly StreamEvent[]): readonly StreamEvent[] {
    // What broke is told as it is; calls of tools, refusals and what was cut short are answers of another kind.
    const finish = events.find((event) => event.kind === "finish");
    if (finish?.reason !== "stop" || events.some((event) => event.kind === "error" || event.kind === "tool-start" || event.kind === "refusal")) {
      return finish?.reason === "length" ? [{ kind: "warning", message: "the answer was cut by the output limit and not checked against its format" }, ...events] : events;
    }
    const text = events.map((event) => (event.kind === "text" ? event.text : "")).join("");
    if (text === "") return events;
    const found = jsonIn(text);
    const verdict = found === null ? { problems: ["$: is not JSON"], unchecked: [] } : checkFormat(this.#format, found.value);
    if (found === null || verdict.problems.length > 0) return this.#mismatch(text, verdict.problems, events);
    const warnings: StreamEvent[] = verdict.unchecked.length === 0 ? [] : [{ kind: "warning", message: `not checked of the schema: ${verdict.unchecked.join(", ")}` }];
    if (found.json === text.trim()) return [...warnings, ...events];
    return [...warnings, { kind: "warning", message: "what stood around the JSON was left out" }, ...withText(events, found.json)];
  }

  #mismatch(text: string, problems: readonly string[], events: readonly StreamEvent[]): readonly StreamEvent[] {
    this.#failed = { text, problems };
    const error = failure("schema_mismatch", `the answer does not fit the format that was asked: ${problems.join("; ").slice(0, 500)}`);
    return [...events.filter((event) => event.kind === "usage"), { kind: "error", error }];
  }
}

function checkFormat(format: JsonFormat, value: Json): ReturnType<typeof checkSchema> {
  if (format.kind === "json_object") return { problems: isObject(value) ? [] : ["$: must be an object"], unchecked: [] };
  return checkSchema(format.schema ?? true, value);
}

/** Does the format ask for an object? A model's JSON mode knows no other value. */
function isOfObjects(format: JsonFormat): boolean {
  return format.kind === "json_object" || format.schema === undefined || format.schema["type"] === "object";
}

function instructionOf(format: JsonFormat, offersTools: boolean): string {
  const when = offersTools ? "Unless you call a tool, answer" : "Answer";
  const only = "and with nothing else: no words before or after it, no code fence.";
  if (format.kind === "json_object" || format.schema === undefined) return `${when} with one JSON object ${only}`;
  const described = format.description === undefined ? "" : ` It describes: ${format.description}`;
  return `${when} with one JSON value that is valid against the JSON Schema below, ${only}${described}\n\n${JSON.stringify(format.schema)}`;
}

/** The instruction joins the system message in front, since some models take only one. */
function withInstruction(messages: readonly Message[], instruction: string): readonly Message[] {
  const part: Part = { kind: "text", text: instruction, cacheControl: undefined };
  const after = messages.findIndex((message) => message.role !== "system" && message.role !== "developer");
  const count = after === -1 ? messages.length : after;
  const last = messages[count - 1];
  if (last === undefined || (last.role !== "system" && last.role !== "developer")) return [{ role: "system", parts: [part], name: undefined }, ...messages];
  const end = last.parts.at(-1);
  // A part that marks the end of a cached prefix keeps its bytes.
  const parts = end?.kind === "text" && end.cacheControl === undefined ? [...last.parts.slice(0, -1), { ...end, text: `${end.text}\n\n${instruction}` }] : [...last.parts, part];
  return [...messages.slice(0, count - 1), { ...last, parts }, ...messages.slice(count)];
}

function repairOf({ text, problems }: Failed): readonly Message[] {
  const said = (words: string): readonly Part[] => [{ kind: "text", text: words, cacheControl: undefined }];
  return [
    { role: "assistant", parts: said(text.slice(0, MOST_SHOWN_CHARS)), toolCalls: [], reasoning: [], name: undefined, other: {} },
    { role: "user", parts: said(`Your answer does not fit:\n${problems.map((problem) => `- ${problem}`).join("\n")}\n\nAnswer again with the corrected JSON and with nothing else.`), name: undefined },
  ];
}

/** The JSON in an answer: all of it, what stands in a code fence, or what stands between the outermost brackets. */
function jsonIn(text: string): { readonly json: string; readonly value: Json } | null {
  const whole = text.trim();
  const fence = whole.indexOf("```");
  const fenced = fence < 0 ? "" : whole.slice(whole.indexOf("\n", fence) + 1, Math.max(0, whole.lastIndexOf("```")));
  const opens = whole.search(/[{[]/);
  const between = opens < 0 ? "" : whole.slice(opens, Math.max(whole.lastIndexOf("}"), whole.lastIndexOf("]")) + 1);
  for (const json of [whole, fenced.trim(), between]) {
    if (json === "") continue;
    try {
      return { json, value: JSON.parse(json) as Json };
    } catch {
      // Not this one.
      continue;
    }
  }
  return null;
}

/** The events with another text in place of theirs. What was told of the old text's tokens goes with it. */
function withText(events: readonly StreamEvent[], text: string): readonly StreamEvent[] {
  let told = false;
  return events.flatMap((event): readonly StreamEvent[] => {
    if (event.kind === "choice-extra" && event.key === "logprobs") return [];
    if (event.kind !== "text") return [event];
    if (told) return [];
    told = true;
    return [{ ...event, text }];
  });
}

class HoldingDecoder implements StreamDecoder {
  readonly #decoder: StreamDecoder;
  readonly #structured: StructuredOutput;
  readonly #sink: LaneSink;
  #events: StreamEvent[] = [];
  #heldEvents = 0;
  #heldBytes = 0;
  /** The answer has finished and was let go. */
  #released = false;
  /** It did not fit; told once its usage has come. */
  #mismatch: StreamEvent | null = null;

  constructor(decoder: StreamDecoder, structured: StructuredOutput, sink: LaneSink) {
    this.#decoder = decoder;
    this.#structured = structured;
    this.#sink = sink;
  }

  push(sse: SseEvent): readonly StreamEvent[] {
    return this.#decoder.push(sse).flatMap((event) => this.#take(event));
  }

  end(): readonly StreamEvent[] {
    const events = this.#decoder.end().flatMap((event) => this.#take(event));
    return this.#mismatch === null ? events : [...events, this.#mismatch];
  }

  #take(event: StreamEvent): readonly StreamEvent[] {
    if (this.#mismatch !== null) return event.kind === "usage" ? [event] : event.kind === "end" || event.kind === "error" ? [this.#mismatch] : [];
    if (this.#released || event.kind === "usage" || event.kind === "error" || event.kind === "ping") return [event];
    this.#events.push(event);
    if (event.kind !== "finish") return this.#hold(event);
    const checked = this.#structured.checked(this.#events);
    this.#events = [];
    this.#mismatch = checked.find((one) => one.kind === "error") ?? null;
    if (this.#mismatch !== null) return [];
    this.#released = true;
    this.#sink.held?.(-this.#heldEvents, -this.#heldBytes);
    return checked;
  }

  #hold(event: StreamEvent): readonly StreamEvent[] {
    if (!commits(event) && event.kind !== "tool-arguments") return [];
    const bytes = textBytesOf(event);
    this.#heldEvents++;
    this.#heldBytes += bytes;
    this.#sink.held?.(1, bytes);
    return this.#heldBytes > MOST_HELD_BYTES ? [{ kind: "error", error: failure("too_large", "the answer is beyond the bound") }] : [];
  }
}
