/**
 * The client of a cell on a surface that is not chat completions: the raw answer, read to its very end, and judged by the
 * rules of that surface's protocol alone.
 */
import { EventStreamFramer, eventOfMessage } from "../../src/wire/event-stream.ts";
import { ANSWER_WORDS } from "./faults.ts";
import { QUESTION, type Seen } from "./client.ts";

export const SURFACES = ["responses", "messages", "generate-content", "converse", "chat-v2", "completions"] as const;
export type StreamSurface = (typeof SURFACES)[number];

type Json = Readonly<Record<string, unknown>>;
/** One event of a stream: its name where the framing has names, and its payload. */
interface Told {
  readonly name: string;
  readonly data: Json | "[DONE]";
}
interface Reading {
  readonly text: string;
  /** The protocol's own end of a whole answer is there, and nothing comes after it. */
  readonly ended: boolean;
  /** The typed error is the last thing that is told. */
  readonly failed: boolean;
  /** Anything that would let a client take a broken answer for a whole one, or a whole one for a broken. */
  readonly oddity: string | null;
}
interface Protocol {
  readonly path: (model: string) => string;
  readonly body: (model: string) => Json;
  readonly read: (events: readonly Told[]) => Reading;
  /** Is this the body of an error in the surface's form? */
  readonly isError: (body: Json) => boolean;
}

const PATIENCE_MS = 25_000;

/** Ask once, as a stream. Never rejects. */
export async function askSurface(origin: string, apiKey: string, surface: StreamSurface, model: string): Promise<Seen> {
  const protocol = PROTOCOLS[surface];
  const none = { text: "", finishReason: null, outputTokens: null, error: null };
  const patience = AbortSignal.timeout(PATIENCE_MS);
  const chunks: Uint8Array[] = [];
  let response: Response | null = null;
  let end: "clean" | "broken" | "hang" = "clean";
  try {
    response = await fetch(origin + protocol.path(model), {
      method: "POST",
      headers: { authorization: `Bearer ${apiKey}`, "content-type": "application/json" },
      body: JSON.stringify(protocol.body(model)),
      signal: patience,
    });
    for await (const bytes of response.body ?? []) chunks.push(bytes);
  } catch {
    // How it ended is what is judged.
    end = patience.aborted ? "hang" : "broken";
  }
  const bytes = Buffer.concat(chunks);
  const status = response?.status ?? 0;
  const wire = { status, header: (name: string) => response?.headers.get(name) ?? null, text: bytes.toString("latin1"), end };
  const judged = end !== "clean" ? { answer: end === "hang" ? "hang" : "connection lost", words: 0 } : status === 200 ? judgeStream(protocol, surface, bytes) : judgeError(protocol, status, bytes);
  // What the records count by: an error was told, or none was.
  const error = judged.answer === "complete" ? null : { api: true, status: status === 200 ? null : status, type: null, code: null, message: judged.answer };
  return { wire, told: { ...none, error }, judged };
}

function judgeStream(protocol: Protocol, surface: StreamSurface, bytes: Buffer): { readonly answer: string; readonly words: number } {
  const { text, ended, failed, oddity } = protocol.read(surface === "converse" ? binaryEvents(bytes) : textEvents(bytes.toString("utf8")));
  const words = text.split(/\s+/).filter((word) => word !== "").length;
  if (oddity !== null) return { answer: oddity, words };
  if (failed) return { answer: ended ? "an error and an end" : words > 0 ? "typed error" : "typed error without content", words };
  if (!ended) return { answer: "silence after a part", words };
  return { answer: words === ANSWER_WORDS ? "complete" : `${words} of ${ANSWER_WORDS} words passed off as whole`, words };
}

function judgeError(protocol: Protocol, status: number, bytes: Buffer): { readonly answer: string; readonly words: number } {
  const body = JSON.parse(bytes.toString("utf8")) as Json;
  if (!protocol.isError(body)) return { answer: "an untyped error", words: 0 };
  return { answer: status < 500 ? "client's error" : "gateway's error", words: 0 };
}

function textEvents(text: string): readonly Told[] {
  return text
    .split(/\r?\n\r?\n/)
    .slice(0, -1)
    .flatMap((frame) => {
      const lines = frame.split(/\r?\n/);
      const data = lines.filter((line) => line.startsWith("data:")).map((line) => line.slice(5).trim());
      if (data.length === 0) return [];
      const name = lines.find((line) => line.startsWith("event:"))?.slice(6).trim() ?? "";
      return [{ name, data: data.join("\n") === "[DONE]" ? ("[DONE]" as const) : (JSON.parse(data.join("\n")) as Json) }];
    });
}

function binaryEvents(bytes: Buffer): readonly Told[] {
  const told: Told[] = [];
  const framer = new EventStreamFramer((frame) => {
    const { event, data } = eventOfMessage(frame);
    told.push({ name: frame.messageType === "event" ? event : `exception ${event}`, data: JSON.parse(data) as Json });
  });
  const problem = framer.push(bytes) ?? framer.end();
  if (problem !== null) throw new Error(`the framing is broken: ${problem}`);
  return told.filter((one) => one.name !== "ping");
}

const at = (value: unknown, ...path: readonly (string | number)[]): unknown => path.reduce<unknown>((inner, key) => (inner as Readonly<Record<string | number, unknown>> | null | undefined)?.[key], value);
const words = (value: unknown): boolean => typeof value === "string" && value !== "";
const texts = (events: readonly Told[], textOf: (one: Told) => unknown): string => events.map((one) => { const text = textOf(one); return typeof text === "string" ? text : ""; }).join("");
/** Of the events so named, how many there are, and whether the last event is one of them. */
const named = (events: readonly Told[], ...names: readonly string[]): { readonly count: number; readonly last: boolean } => ({
  count: events.filter((one) => names.includes(one.name)).length,
  last: names.includes(events.at(-1)?.name ?? ""),
});

function readResponses(events: readonly Told[]): Reading {
  const end = named(events, "response.completed");
  const failure = named(events, "response.failed");
  const last = events.at(-1)?.data;
  const numbers = events.map((one) => at(one.data, "sequence_number") as number);
  const text = texts(events, (one) => (one.name === "response.output_text.delta" ? at(one.data, "delta") : ""));
  const whole = at(last, "response", "output", 0, "content", 0, "text");
  let oddity: string | null = null;
  if (numbers.some((number, i) => i > 0 && number <= (numbers[i - 1] as number))) oddity = "sequence numbers that do not grow";
  else if (events.some((one) => at(one.data, "type") !== one.name)) oddity = "an event that is not what it is named";
  else if (end.count + failure.count > 1) oddity = "two ends";
  else if (end.last && whole !== text) oddity = "a whole that is not the sum of its parts";
  else if (failure.last && !(words(at(last, "response", "error", "code")) && words(at(last, "response", "error", "message")))) oddity = "an untyped error";
  return { text, ended: end.last, failed: failure.last, oddity };
}

function readMessages(events: readonly Told[]): Reading {
  const end = named(events, "message_stop");
  const failure = named(events, "error");
  const last = events.at(-1)?.data;
  const reasons = events.filter((one) => one.name === "message_delta").map((one) => at(one.data, "delta", "stop_reason"));
  let oddity: string | null = null;
  if (named(events, "message_start").count > 1) oddity = "two starts";
  else if (failure.count > 0 && (end.count > 0 || reasons.length > 0)) oddity = "an error beside a stop reason";
  // Where bytes pass, a provider may have said the same thing twice.
  else if (end.last && (reasons.length === 0 || reasons.some((reason) => reason !== "end_turn"))) oddity = "another stop reason";
  else if (failure.last && !(words(at(last, "error", "type")) && words(at(last, "error", "message")))) oddity = "an untyped error";
  return { text: texts(events, (one) => at(one.data, "delta", "text")), ended: end.last, failed: failure.last, oddity };
}

function readGenerate(events: readonly Told[]): Reading {
  const last = events.at(-1)?.data;
  const reasons = events.map((one) => at(one.data, "candidates", 0, "finishReason")).filter((reason) => reason !== undefined);
  const failed = at(last, "error") !== undefined;
  let oddity: string | null = null;
  if (events.slice(0, -1).some((one) => at(one.data, "error") !== undefined)) oddity = "something after the error";
  else if (failed && reasons.includes("STOP")) oddity = "an error beside STOP";
  else if (failed && !(words(at(last, "error", "status")) && words(at(last, "error", "message")))) oddity = "an untyped error";
  const textOf = (one: Told): unknown => at(one.data, "candidates", 0, "content", "parts", 0, "text");
  const stop = events.findIndex((one) => at(one.data, "candidates", 0, "finishReason") === "STOP");
  // Usage alone may come behind it, as it came from the provider.
  const ended = !failed && stop >= 0 && reasons.length === 1 && texts(events.slice(stop + 1), textOf) === "";
  return { text: texts(events, textOf), ended, failed, oddity };
}

function readConverse(events: readonly Told[]): Reading {
  const failed = events.at(-1)?.name.startsWith("exception ") === true;
  const stops = events.filter((one) => one.name === "messageStop");
  let oddity: string | null = null;
  if (events.slice(0, -1).some((one) => one.name.startsWith("exception "))) oddity = "something after the exception";
  else if (failed && stops.length > 0) oddity = "an exception beside a stop reason";
  else if (failed && !words(at(events.at(-1)?.data, "message"))) oddity = "an untyped error";
  const ended = named(events, "metadata").last && stops.length === 1 && at(stops[0]?.data, "stopReason") === "end_turn";
  return { text: texts(events, (one) => at(one.data, "delta", "text")), ended, failed, oddity };
}

function readCohere(events: readonly Told[]): Reading {
  const ends = events.filter((one) => one.name === "message-end");
  const reason = at(ends[0]?.data, "delta", "finish_reason");
  const closed = events.at(-1)?.data === "[DONE]" && events.at(-2) === ends[0] && ends.length === 1;
  const failed = closed && reason === "ERROR";
  const oddity = failed && !words(at(ends[0]?.data, "delta", "error")) ? "an untyped error" : null;
  return { text: texts(events, (one) => at(one.data, "delta", "message", "content", "text")), ended: closed && reason === "COMPLETE", failed, oddity };
}

function readCompletions(events: readonly Told[]): Reading {
  const chunks = events.filter((one) => one.data !== "[DONE]");
  // `[DONE]` may follow an error, a finish reason may not.
  const failed = at(chunks.at(-1)?.data, "error") !== undefined;
  const reasons = chunks.map((one) => at(one.data, "choices", 0, "finish_reason")).filter((reason) => reason != null);
  let oddity: string | null = null;
  if (failed && reasons.length > 0) oddity = "an error beside a finish reason";
  else if (failed && !["message", "type", "code"].every((field) => words(at(chunks.at(-1)?.data, "error", field)))) oddity = "an untyped error";
  return { text: texts(chunks, (one) => at(one.data, "choices", 0, "text")), ended: !failed && events.at(-1)?.data === "[DONE]" && reasons.length === 1 && reasons[0] === "stop", failed, oddity };
}

const openaiError = (body: Json): boolean => ["message", "type", "code"].every((field) => words(at(body, "error", field)));

const PROTOCOLS: Readonly<Record<StreamSurface, Protocol>> = {
  responses: { path: () => "/v1/responses", body: (model) => ({ model, input: QUESTION, stream: true }), read: readResponses, isError: openaiError },
  messages: {
    path: () => "/v1/messages",
    body: (model) => ({ model, max_tokens: 1_000, messages: [{ role: "user", content: QUESTION }], stream: true }),
    read: readMessages,
    isError: (body) => body["type"] === "error" && words(at(body, "error", "type")) && words(at(body, "error", "message")) && words(body["request_id"]),
  },
  "generate-content": {
    path: (model) => `/v1beta/models/${model}:streamGenerateContent?alt=sse`,
    body: () => ({ contents: [{ role: "user", parts: [{ text: QUESTION }] }] }),
    read: readGenerate,
    isError: (body) => typeof at(body, "error", "code") === "number" && words(at(body, "error", "status")) && words(at(body, "error", "message")),
  },
  converse: {
    path: (model) => `/model/${model}/converse-stream`,
    body: () => ({ messages: [{ role: "user", content: [{ text: QUESTION }] }] }),
    read: readConverse,
    isError: (body) => words(body["message"]),
  },
  "chat-v2": {
    path: () => "/v2/chat",
    body: (model) => ({ model, messages: [{ role: "user", content: QUESTION }], stream: true }),
    read: readCohere,
    isError: (body) => words(body["message"]) && words(body["id"]),
  },
  completions: { path: () => "/v1/completions", body: (model) => ({ model, prompt: QUESTION, stream: true }), read: readCompletions, isError: openaiError },
};
