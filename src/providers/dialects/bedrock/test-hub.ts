/** For tests: targets at rest, answers replayed as streams, and binary frames read back. */
import { EventStreamFramer, eventOfMessage } from "../../../wire/event-stream.ts";
import type { ChatRequest } from "../../../wire/chat.ts";
import type { StreamEvent } from "../../../wire/events.ts";
import type { ModelFacts } from "../../../wire/facts.ts";
import type { Json, JsonObject } from "../../../wire/json.ts";
import type { SseEvent } from "../../../wire/sse-event.ts";
import type { Usage } from "../../../wire/usage.ts";
import { CONTEXT, request, target as plainTarget } from "../anthropic/test-hub.ts";
import type { AskedOutside, ClientHead, Frames, ParsedByClient } from "../client.ts";
import type { EncodedRequest, Target } from "../dialect.ts";
import { bedrockClient, bedrockConverse } from "./index.ts";

export const CLAUDE = "us.anthropic.claude-sonnet-4-5-20250929-v1:0";

/** A target with these facts; without any, a model that the catalogue does not know. */
export function target(upstreamModel: string, facts?: Partial<ModelFacts>): Target {
  const plain = plainTarget(upstreamModel, facts);
  return { ...plain, provider: { ...plain.provider, id: "bedrock", dialect: "bedrock-converse" } };
}

/** Encode, or fail with the refusal's own words. */
export function encoded(fields: Partial<ChatRequest>, to: Target = target(CLAUDE, {})): EncodedRequest {
  const made = bedrockConverse.encodeChat(request(fields), to);
  if (made.kind !== "encoded") throw new Error(`refused: ${made.param}: ${made.message}`);
  return made;
}
/** The param that is refused; fails where the request is encoded. */
export function refused(fields: Partial<ChatRequest>, to: Target = target(CLAUDE, {})): string {
  const made = bedrockConverse.encodeChat(request(fields), to);
  if (made.kind !== "unsupported") throw new Error(`not refused: ${JSON.stringify(made.body)}`);
  return made.param;
}

/** Push each event, written as `{type: payload}`, and end. */
export function streamed(events: readonly JsonObject[], renames?: Readonly<Record<string, string>>): readonly StreamEvent[] {
  return decodedAll(events.map((event): SseEvent => {
    const [type = "", payload] = Object.entries(event)[0] ?? [];
    return { event: type, data: JSON.stringify(payload) };
  }), renames);
}
export function decodedAll(events: readonly SseEvent[], renames?: Readonly<Record<string, string>>): readonly StreamEvent[] {
  const decoder = bedrockConverse.openStream(renames === undefined ? CONTEXT : { ...CONTEXT, renames });
  return [...events.flatMap((event) => [...decoder.push(event)]), ...decoder.end()];
}

/** The messages that these frames hold; fails where they hold anything else. */
export function framesOf(frames: readonly Frames[]): readonly SseEvent[] {
  const events: SseEvent[] = [];
  const framer = new EventStreamFramer((frame) => events.push(eventOfMessage(frame)));
  for (const frame of frames) if (typeof frame !== "string") framer.push(frame);
  const problem = framer.end();
  if (problem !== null) throw new Error(problem);
  return events;
}
/** The same, as `{type: payload}`. */
export function payloads(frames: readonly Frames[]): readonly JsonObject[] {
  return framesOf(frames).map(({ event, data }) => ({ [event]: JSON.parse(data) as Json }));
}

export function outside(model: string | undefined, stream = false): AskedOutside {
  return { model, stream, query: "", header: () => undefined };
}
/** Parse a body that has at least a question. */
export function parsed(body: JsonObject, stream = false): Extract<ParsedByClient, { kind: "request" }> {
  const result = bedrockClient.parse({ messages: [{ role: "user", content: [{ text: "Hi" }] }], ...body }, outside("m", stream));
  if (result.kind !== "request") throw new Error(`refused: ${result.error.message}`);
  return result;
}

export const USAGE: Usage = { units: { input: 10, output: 5 }, raw: null };
export function head(simulated = false): ClientHead {
  return { requestId: "r1", model: "m", createdS: 1_700_000_000, request: request(), raw: {}, simulated };
}
/** The frames of a whole stream, as the pipeline asks for them. */
export function written(events: readonly StreamEvent[], usage: Usage = USAGE, spillway: JsonObject = {}): readonly Frames[] {
  const encoder = bedrockClient.openEncoder(head());
  const told = events.filter(({ kind }) => !["usage", "error", "ping", "warning", "end"].includes(kind));
  return [...told.map((event) => encoder.encode(event)), encoder.closing(usage, spillway)];
}
