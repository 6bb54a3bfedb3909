/** Answers that another gateway translates for its clients, and what our codecs make of the same answer for the same clients. */
import assert from "node:assert/strict";
import { clientOf } from "../../src/providers/dialects/clients.ts";
import type { ClientDialect, ClientHead, Frames } from "../../src/providers/dialects/client.ts";
import { dialectById } from "../../src/providers/dialects/index.ts";
import { PROVIDERS } from "../../src/providers/registry.ts";
import { EventStreamFramer, eventOfMessage } from "../../src/wire/event-stream.ts";
import type { StreamEvent } from "../../src/wire/events.ts";
import { isObject, type Json, type JsonObject } from "../../src/wire/json.ts";
import { SseFramer, eventOf } from "../../src/wire/sse.ts";
import type { SseEvent } from "../../src/wire/sse-event.ts";
import type { SurfaceName } from "../../src/wire/surfaces.ts";
import type { Usage } from "../../src/wire/usage.ts";
import { bytesOf, filesUnder, textOf } from "./folder.ts";
import { assembled } from "./golden-streams.ts";
import type { Compared } from "./json-difference.ts";

const FOLDER = "agentgateway/response";

/** Their folders of answers → the provider that answers so. */
const UPSTREAMS: Readonly<Record<string, string>> = { anthropic: "anthropic", bedrock: "bedrock", completions: "openai", responses: "openai", "vertex-gemini": "google" };

/** Their word for a client → our surface, and the least that such a client asks. */
const CLIENTS: Readonly<Record<string, readonly [SurfaceName, JsonObject]>> = {
  completions: ["chat", { model: "m", messages: [{ role: "user", content: "hi" }], stream_options: { include_usage: true } }],
  messages: ["messages", { model: "m", max_tokens: 9, messages: [{ role: "user", content: "hi" }] }],
  responses: ["responses", { model: "m", input: "hi" }],
};

/** `folder/input.upstream-client[-streaming].snap`, taken apart. */
export interface Golden {
  readonly folder: string;
  readonly input: string;
  /** Their word for the client's protocol; `detect`: they only look for usage. */
  readonly client: string;
  readonly streaming: boolean;
}

/** What a snapshot's name says. */
export function goldenOf(snapshot: string): Golden {
  const match = /^([^/]+)\/([^.]+)\.(?:vertex-gemini|[a-z]+)-([a-z]+)(-streaming)?\.snap$/.exec(snapshot);
  assert.ok(match !== null, snapshot);
  return { folder: match[1] ?? "", input: match[2] ?? "", client: match[3] ?? "", streaming: match[4] !== undefined };
}

/** What stands after a snapshot's head: the translation, and what they read in it for their own records. */
function contentOf(snapshot: string, streaming: boolean): { readonly translation: string | JsonObject; readonly parsed: JsonObject } {
  const whole = textOf(`${FOLDER}/${snapshot}`);
  const text = whole.slice(whole.indexOf("\n---\n") + 5);
  if (streaming) {
    // The records, where there are any, follow the stream as a JSON object of their own.
    const at = text.lastIndexOf("\n{\n");
    return { translation: at < 0 ? text : text.slice(0, at), parsed: at < 0 ? {} : object(JSON.parse(text.slice(at))) };
  }
  const content = object(JSON.parse(text));
  return { translation: isObject(content["response"]) ? content["response"] : String(content["response"] as string), parsed: object(content["parsed"] ?? {}) };
}

/** What they counted and read in the answer. */
export function theirRecord(snapshot: string): JsonObject {
  return contentOf(snapshot, goldenOf(snapshot).streaming).parsed;
}

/** Both translations of one answer, streams put together so that where they were cut makes no difference. */
export function translations(snapshot: string): Compared {
  const golden = goldenOf(snapshot);
  const { translation } = contentOf(snapshot, golden.streaming);
  const [surface, raw] = CLIENTS[golden.client] ?? [];
  assert.ok(surface !== undefined && raw !== undefined, snapshot);
  const client = clientOf(surface);
  const events = decoded(golden);
  const head = headOf(client, { ...raw, stream: golden.streaming }, events);
  if (!golden.streaming) {
    assert.ok(typeof translation !== "string", snapshot);
    return { theirs: translation, ours: object(JSON.parse(JSON.stringify(client.encodeAnswer(events, head)))) };
  }
  assert.ok(typeof translation === "string", snapshot);
  return { theirs: assembled(surface, framesOf(translation)), ours: assembled(surface, framesOf(written(client, head, events))) };
}

/** The hub's events of the recorded answer. */
export function decoded({ folder, input, streaming }: Golden): readonly StreamEvent[] {
  const provider = PROVIDERS.get(UPSTREAMS[folder] ?? "");
  assert.ok(provider !== undefined, folder);
  const dialect = dialectById(folder === "responses" ? "openai-responses" : (provider.dialect ?? "openai-chat"));
  const context = { provider: provider.id, usage: provider.usage, upstreamModel: "m" };
  const path = filesUnder(`${FOLDER}/${folder}`).includes(`${input}.bin`) && streaming ? `${FOLDER}/${folder}/${input}.bin` : `${FOLDER}/${folder}/${input}.json`;
  if (!streaming) return dialect.decodeAnswer(JSON.parse(textOf(path)) as Json, context);
  const decoder = dialect.openStream(context);
  const events = path.endsWith(".bin") ? binaryEvents(bytesOf(path)) : sseEvents(textOf(path));
  return [...events.flatMap((event) => [...decoder.push(event)]), ...decoder.end()];
}

/** The last usage of a list of events. */
export function usageOf(events: readonly StreamEvent[]): Usage {
  return events.findLast((event) => event.kind === "usage")?.usage ?? { units: {}, raw: null };
}

function headOf(client: ClientDialect, raw: JsonObject, events: readonly StreamEvent[]): ClientHead {
  const parsed = client.parse(raw, { model: undefined, stream: undefined, query: "", header: () => undefined });
  assert.ok(parsed.kind === "request");
  const start = events.find((event) => event.kind === "start");
  return { requestId: "id", model: start?.model ?? "m", createdS: 123, request: parsed.request, raw, simulated: false };
}

function written(client: ClientDialect, head: ClientHead, events: readonly StreamEvent[]): string {
  const encoder = client.openEncoder(head);
  const apart = ["usage", "error", "ping", "warning", "end"];
  const frames: Frames[] = events.filter(({ kind }) => !apart.includes(kind)).map((event) => encoder.encode(event));
  frames.push(encoder.closing(usageOf(events), {}));
  return frames.map((frame) => (typeof frame === "string" ? frame : new TextDecoder().decode(frame))).join("");
}

function framesOf(stream: string): readonly JsonObject[] {
  return sseEvents(stream).filter(({ data }) => data.startsWith("{")).map(({ data }) => object(JSON.parse(data)));
}

function sseEvents(text: string): readonly SseEvent[] {
  const events: SseEvent[] = [];
  const framer = new SseFramer((frame) => events.push({ ...eventOf(frame) }));
  framer.push(new TextEncoder().encode(text));
  framer.end();
  return events;
}

function binaryEvents(bytes: Uint8Array): readonly SseEvent[] {
  const events: SseEvent[] = [];
  const framer = new EventStreamFramer((frame) => events.push({ ...eventOfMessage(frame) }));
  framer.push(bytes);
  framer.end();
  return events;
}

function object(value: unknown): JsonObject {
  assert.ok(isObject(value));
  return value;
}
