/**
 * Reasoning state on its way through clients that drop it: kept, for the caller alone, when an answer has it beside tool
 * calls, and looked up when a turn comes back without it. Requests and answers without tools never come here.
 */
import type { Route } from "../decide/deployment.ts";
import type { StateScope } from "../ports.ts";
import { ReasoningCollector, readKept, stateBytes, takesKept, turnsWithoutState, type KeptReasoning, type KeptTurns, type ReasoningPlace } from "../providers/dialects/kept-reasoning.ts";
import type { Dialect, StreamDecoder } from "../providers/dialects/dialect.ts";
import type { ChatRequest } from "../wire/chat.ts";
import type { DialectId } from "../wire/facts.ts";
import { eventOf, type SseFrame } from "../wire/sse.ts";
import type { Deps } from "./deps.ts";
import type { Inbound } from "./inbound.ts";

export const NOTHING_KEPT: KeptTurns = new Map();

/** Stands in each frame of a chat stream in which a call is signed. */
const SIGNATURE = "thought_signature";

function scopeOf({ caller }: Pick<Inbound, "caller">): StateScope {
  return { tenant: caller.tenant, key: caller.key, kind: "reasoning" };
}

/** Look up what the request's turns lack and a candidate may want. undefined: there is nothing to look up. */
export function lookUpReasoning(deps: Deps, inbound: Inbound, request: ChatRequest, passesTo: DialectId | null, route: Route): Promise<KeptTurns> | undefined {
  if (deps.reasoning.mode === "off") return undefined;
  const ids = turnsWithoutState(request);
  if (ids.length === 0 || !route.candidates.some(({ deployment }) => takesKept(passesTo, deployment.provider))) return undefined;
  return lookUp(deps, scopeOf(inbound), ids, inbound.snapshot.reasoningTtlMs);
}

/** What one request may be given back, as much as a body may have; the latest turns come first. */
const RESTORED_BYTES_MAX = 32 << 20;

/** A conversation that goes on keeps its state alive. */
async function lookUp(deps: Deps, scope: StateScope, ids: readonly string[], ttlMs: number): Promise<KeptTurns> {
  const found = new Map<string, KeptReasoning>();
  let bytes = 0;
  for (const id of new Set(ids.toReversed())) {
    const kept = readKept(await deps.reasoning.get(scope, id, ttlMs));
    if (kept === undefined) continue;
    bytes += stateBytes(kept);
    if (bytes > RESTORED_BYTES_MAX) break;
    found.set(id, kept);
  }
  return found;
}

/** Keeps the state of one attempt's answer; undefined where there can be none, or none that would ever go back. */
export function openKeeper(deps: Deps, inbound: Inbound, request: ChatRequest, client: DialectId, passesTo: DialectId | null, place: ReasoningPlace): ReasoningKeeper | undefined {
  if (request.tools.length === 0 || deps.reasoning.mode === "off" || !takesKept(passesTo, place.provider)) return undefined;
  return new ReasoningKeeper(deps, inbound, new ReasoningCollector(client, place), place.provider.quirks.replaysReasoningContent === true);
}

export class ReasoningKeeper {
  readonly #deps: Deps;
  readonly #inbound: Inbound;
  readonly #collector: ReasoningCollector;
  readonly #wantsText: boolean;

  constructor(deps: Deps, inbound: Inbound, collector: ReasoningCollector, wantsText: boolean) {
    this.#deps = deps;
    this.#inbound = inbound;
    this.#collector = collector;
    this.#wantsText = wantsText;
  }

  /** The same decoder, watched. */
  watchStream(decoder: StreamDecoder): StreamDecoder {
    const collector = this.#collector;
    const watched = (events: ReturnType<StreamDecoder["end"]>): typeof events => {
      collector.take(events);
      return events;
    };
    return { push: (event) => watched(decoder.push(event)), end: () => watched(decoder.end()) };
  }

  /** The same dialect, whose whole answers are watched. */
  watchAnswer(dialect: Dialect): Dialect {
    const decodeAnswer: Dialect["decodeAnswer"] = (body, context) => {
      const events = dialect.decodeAnswer(body, context);
      this.#collector.take(events);
      return events;
    };
    return { ...dialect, decodeAnswer };
  }

  /** For frames of a stream that passes undecoded: `decoder` gets those in which something may stand. */
  frameWatcher(decoder: StreamDecoder): (frame: SseFrame) => void {
    return (frame) => {
      if (this.#wantsText || isSigned(frame)) this.#collector.take(decoder.push(eventOf(frame)));
    };
  }

  /** Keep it; undefined: there is nothing to keep. Never rejects. */
  keep(): Promise<void> | undefined {
    const turns = this.#collector.turns();
    return turns.length === 0 ? undefined : this.#keepAll(turns);
  }

  async #keepAll(turns: ReturnType<ReasoningCollector["turns"]>): Promise<void> {
    const scope = scopeOf(this.#inbound);
    for (const [id, kept] of turns) {
      const done = await this.#deps.reasoning.put(scope, id, { ...kept, blocks: kept.blocks.map((block) => ({ ...block })) }, this.#inbound.snapshot.reasoningTtlMs);
      if (!done) this.#deps.log.warn("reasoning_not_kept", { request: this.#inbound.requestId });
    }
  }
}

function isSigned({ bytes, start, end }: SseFrame): boolean {
  return Buffer.from(bytes.buffer, bytes.byteOffset + start, end - start).includes(SIGNATURE, 0, "latin1");
}
