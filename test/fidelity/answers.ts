/** Brings an upstream's answer to a client, whole and as a stream. */
import { EventStreamFramer, eventOfMessage } from "../../src/wire/event-stream.ts";
import type { Target } from "../../src/providers/dialects/dialect.ts";
import { isObject, type JsonObject } from "../../src/wire/json.ts";
import type { SseEvent } from "../../src/wire/sse-event.ts";
import type { SurfaceName } from "../../src/wire/surfaces.ts";
import type { Gateway, Outcome, Upstream } from "./gateway.ts";
import { READERS } from "./readers/index.ts";

/** What the client has in the end: the whole answer, or what its stream comes to. */
export interface Arrived {
  readonly answer: JsonObject;
  readonly warnings: readonly string[];
}

/** Ask, and read the answer as a client of the surface does. */
export async function deliver(gateway: Gateway, surface: SurfaceName, raw: JsonObject, target: Target, upstream: Upstream, stream: boolean): Promise<Arrived> {
  const outcome = await gateway.ask(surface, raw, target, upstream, stream);
  if (outcome.status !== 200) throw new Error(`${surface}: ${outcome.status} ${new TextDecoder().decode(outcome.reply).slice(0, 300)}`);
  return { answer: stream ? READERS[surface].assemble(eventsIn(surface, outcome)) : whole(outcome), warnings: outcome.warnings };
}

function whole({ reply }: Outcome): JsonObject {
  const value: unknown = JSON.parse(new TextDecoder().decode(reply));
  if (!isObject(value)) throw new Error("the answer is no object");
  return value;
}

/** A stream as a client takes it apart. */
function eventsIn(surface: SurfaceName, { reply }: Outcome): readonly SseEvent[] {
  const events: SseEvent[] = [];
  if (surface === "converse") {
    const framer = new EventStreamFramer((frame) => events.push(eventOfMessage(frame)));
    framer.push(reply);
    return events;
  }
  for (const block of new TextDecoder().decode(reply).split("\n\n")) {
    const lines = block.split("\n").filter((line) => line !== "" && !line.startsWith(":"));
    const field = (name: string): string => lines.filter((line) => line.startsWith(`${name}: `)).map((line) => line.slice(name.length + 2)).join("\n");
    if (lines.length > 0) events.push({ event: field("event"), data: field("data") });
  }
  return events;
}
