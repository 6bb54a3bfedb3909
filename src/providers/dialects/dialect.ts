/**
 * What a provider's protocol must be able to do. Every function is pure: bytes and facts in, values out.
 */
import type { ToldCapabilities } from "../../wire/capability.ts";
import type { ChatRequest } from "../../wire/chat.ts";
import type { StreamEvent } from "../../wire/events.ts";
import type { Json, JsonObject } from "../../wire/json.ts";
import type { UpstreamError } from "../../wire/outcome.ts";
import type { SseEvent } from "../../wire/sse-event.ts";
import type { DialectId, ModelFacts, ProviderFacts, UsageFacts } from "../../wire/facts.ts";

/** What a dialect needs to know of the deployment that it builds for. */
export interface Target {
  readonly provider: ProviderFacts;
  /** The account that is called; absent where it does not matter. */
  readonly account?: string;
  /** null: a model the catalogue does not know (`account/anything`). */
  readonly model: ModelFacts | null;
  readonly upstreamModel: string;
  /** Output tokens of one answer at most, where the owner or the catalogue says; the owner's word goes first. */
  readonly maxOutput?: number | null;
  /** What the owner says that the model can and cannot do; absent: nothing. */
  readonly told?: ToldCapabilities;
}

export interface EncodedRequest {
  readonly kind: "encoded";
  /** Joined to the deployment's base URL, begins with "/". */
  readonly path: string;
  readonly body: JsonObject;
  /** Headers this dialect needs beyond authentication: [name, value]. */
  readonly headers: readonly (readonly [string, string])[];
  /** What could not be carried as asked, one sentence each, for `x-spillway-warning`. */
  readonly warnings: readonly string[];
  /** Tool names that had to change for this target, upstream → client; absent where none did. Goes into the `DecodeContext`. */
  readonly renames?: Readonly<Record<string, string>>;
}
/** The request asks for what this target cannot do; another candidate may. Answered 400 `unsupported_parameter` if none can. */
export interface Unsupported {
  readonly kind: "unsupported";
  /** The field, as a client would write it (`tools[2].type`, `n`). */
  readonly param: string;
  readonly message: string;
}

export interface DecodeContext {
  /** Id of the provider that answers; absent where it does not matter. */
  readonly provider?: string;
  /** The account that answers, in the same way. */
  readonly account?: string;
  readonly usage: UsageFacts;
  readonly upstreamModel: string;
  /** Names that the encoder had to change (`EncodedRequest.renames`): upstream → client. */
  readonly renames?: Readonly<Record<string, string>>;
}

/** Turns a stream's events into the hub's. One per attempt; holds the state between events. */
export interface StreamDecoder {
  /**
   * Decode one framed event. Never throws: what cannot be read becomes an `error` event of class `malformed`.
   */
  push(event: SseEvent): readonly StreamEvent[];
  /**
   * The body ended cleanly. Gives what was still open (a Gemini stream has no terminal event: `end` comes from here
   * when a finish reason was seen). Does not invent a finish.
   */
  end(): readonly StreamEvent[];
}

export interface Dialect {
  readonly id: DialectId;
  /** How a stream's events stand in the body; absent: server-sent events. Each reaches `push` as {event, data}, whichever it is. */
  readonly framing?: "sse" | "event-stream";
  /** What a stream is asked for by (`accept`); absent: text/event-stream. */
  readonly streamType?: string;
  encodeChat(request: ChatRequest, target: Target): EncodedRequest | Unsupported;
  /**
   * Decode a whole JSON answer of status 200. Gives the same events as the stream of that answer would, ending with
   * `end`. Never throws; what is not an answer becomes one `error` event (class `malformed`, or as the body tells).
   */
  decodeAnswer(body: Json, context: DecodeContext): readonly StreamEvent[];
  openStream(context: DecodeContext): StreamDecoder;
  /** Classify an error answer. `body` is the parsed JSON where it is JSON, else undefined; `text` is clipped to 16 KiB. */
  readError(status: number, header: (name: string) => string | undefined, body: Json | undefined, text: string, nowWallMs: number): UpstreamError;
  /**
   * Price-bearing request fields that a bound of tokens at the standard rate does not cover, as paths (`service_tier`,
   * `tools[].type=web_search`): given the raw body, the ones present. What the hold cannot bound in another way is refused
   * under a limit, else named in the warning.
   */
  unboundedFields(raw: JsonObject): readonly string[];
}
