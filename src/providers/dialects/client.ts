/**
 * The other half of a dialect: a chat protocol as clients speak it. Every function is pure. The pipeline owns sockets,
 * money and failover; a client dialect says how a request is read and how an answer is written.
 */
import type { CapabilityTable } from "../../wire/capability.ts";
import type { ChatRequest } from "../../wire/chat.ts";
import type { GatewayError } from "../../wire/errors.ts";
import type { StreamEvent } from "../../wire/events.ts";
import type { Extras } from "../../wire/extras.ts";
import type { DialectId } from "../../wire/facts.ts";
import type { Json, JsonObject } from "../../wire/json.ts";
import type { RateStandings } from "../../wire/rates.ts";
import type { BodyScan, Edit } from "../../wire/scan.ts";
import type { Usage } from "../../wire/usage.ts";
import type { Target, Unsupported } from "./dialect.ts";

/** What stands outside the body. */
export interface AskedOutside {
  /** Model named by the path, percent-decoded once; undefined where the body names it. */
  readonly model: string | undefined;
  /** Stream asked by the path; undefined where the body says it. */
  readonly stream: boolean | undefined;
  /** The query without "?", for protocols that ask there (`alt=sse`). */
  readonly query: string;
  /** Request header by lower-case name. */
  readonly header: (name: string) => string | undefined;
}

export type ParsedByClient =
  | {
      readonly kind: "request";
      readonly request: ChatRequest;
      /** What only this dialect can carry and is no loss of meaning elsewhere, one sentence each: named in the warning of a foreign target. */
      readonly warnings: readonly string[];
      /** What only this dialect can carry and would change the answer: a target of another dialect is refused with the first of them. */
      readonly onlyHere: readonly Unsupported[];
    }
  | { readonly kind: "error"; readonly error: GatewayError };

/** What the client sees of an answer that we author: ours, not the upstream's. */
export interface ClientHead {
  /** Bare id, without a dialect's prefix; unique per request. */
  readonly requestId: string;
  readonly model: string;
  /** Seconds since 1970. */
  readonly createdS: number;
  /** Tells when an answer is completed; absent: when it was made. */
  readonly clock?: { wallMs(): number };
  readonly request: ChatRequest;
  /** The body as the client sent it, for protocols that echo parts of it. */
  readonly raw: JsonObject;
  /** The answer is of no real provider and must say so where the dialect has a field for it. */
  readonly simulated: boolean;
}

/** Text of server-sent events, framed (`event:` and `data:` lines, blank line), or bytes of a binary framing. "" says nothing. */
export type Frames = string | Uint8Array;

/** Writes one answer as a stream. Holds the state between events; one per attempt. Never throws. */
export interface AnswerEncoder {
  /**
   * Frames for one event. Gets every event but `usage`, `error`, `ping`, `warning` and `end`. `finish` comes once per choice
   * and may give frames that need no usage; what needs it is written by `closing`.
   */
  encode(event: StreamEvent): Frames;
  /** The last frames, with the terminal signal. `spillway` goes where the dialect's tolerant clients do not stumble on it. */
  closing(usage: Usage, spillway: JsonObject): Frames;
  /** The dialect's typed error in the middle of a stream (also before any content), properly ending it. */
  failed(error: GatewayError, usage: Usage | null): Frames;
}

/** A model in a listing. */
export interface ListedModel {
  readonly id: string;
  readonly name: string;
  /** Seconds since 1970; 0 where it is not known. */
  readonly createdS: number;
  readonly ownedBy: string;
  /** null: unknown. */
  readonly contextWindow: number | null;
  readonly maxOutput: number | null;
  /** What is known of it beyond its name, for lists that tell it; null: nothing. Looked up when it is asked. */
  about?(): ListedFacts | null;
}
/** Members of the query by which a page of a list is asked for. Pages begin and end at ids; a list comes whole where none is asked. */
export interface PagingWords {
  readonly size: string;
  readonly after: string;
  readonly before?: string;
}
/** Of a route with several candidates: what any of them can do, since those that cannot are passed over. */
export interface ListedFacts {
  readonly kind: "chat" | "embedding" | "other";
  readonly contextWindow: number | null;
  readonly reasons: boolean;
  readonly can: CapabilityTable;
}

export interface ClientDialect {
  readonly id: DialectId;
  /** May bytes pass to a target of the same dialect? Absent: yes. False: this form is only written like it, so it always goes through the hub. */
  readonly passes?: boolean;
  /** `content-type` of a stream. */
  readonly streamType: string;
  /** A sign of life that clients ignore. */
  readonly keepAlive: Frames;
  /** Something of ours in the middle of a stream, which clients pass over; absent: a comment of server-sent events. */
  marker?(spillway: JsonObject): Frames;
  /** Ends a stream whose own terminal signal is no event of it; absent: the last event is the signal. */
  readonly terminal?: Frames;
  /** The terminal event, for a stream that passed byte for byte, finished, and broke before it; absent: what finishes a stream ends it. */
  readonly lastEvent?: Frames;
  /** Request headers that go on as the client sent them where bytes pass, in place of what the provider's facts pin. Lower case. */
  readonly passedHeaders?: readonly string[];
  /** Headers of an error answer beyond those of every surface: name, value, … */
  errorHeaders?(error: GatewayError): readonly string[];
  /** How the caller's own limits stand: name, value, … Absent: as most hosts tell it (`rate-headers.ts`). `wallMs`: now. */
  rateHeaders?(standings: RateStandings, wallMs: number): readonly string[];
  /** Did the client ask to be told the usage of a stream? Absent: it is always told. */
  usageAsked?(request: ChatRequest): boolean;
  /** Requests may pass as they are; answers are written anew all the same. */
  readonly answersAnew?: true;
  /** Where no bytes pass: is this a host whose own form the client speaks, so that a body written anew loses nothing? Absent: none is. */
  ownForm?(target: Target): boolean;
  /** Does a quirk of this target forbid passing the bytes on? Absent: never. */
  mustRewrite?(body: PassedBody, target: Target): boolean;
  /** Bytes that the model sees where the body passes, and that the hub's request does not hold. Absent: none. */
  unseenBytes?(raw: JsonObject): number;
  /** Read a body that is already JSON. Tolerant of what it does not know, strict on the types of what it knows. Never throws. */
  parse(raw: JsonObject, outside: AskedOutside): ParsedByClient;
  /**
   * The request for a target of this same dialect: path, and the few edits of the body's bytes (the model's name, our own
   * `spillway` field out, usage asked for).
   */
  pass(body: PassedBody, target: Target): Passed;
  openEncoder(head: ClientHead): AnswerEncoder;
  /** The whole JSON answer from a decoded one. `events` holds `usage` too where it was told. */
  encodeAnswer(events: readonly StreamEvent[], head: ClientHead): JsonObject;
  /** The body of an error answer. */
  encodeError(error: GatewayError, requestId: string): JsonObject;
  /** The same error as a frame for a stream of this dialect that passed byte for byte and broke (no encoder knows its state). */
  brokenFrame(error: GatewayError, requestId: string): Frames;
  /** Lists of models in this dialect's form; absent: it has none of its own. */
  readonly models?: {
    /** `more`: of a page that was asked for, whether there are more behind it, or before it where it was asked for so; undefined: these are all. */
    list(models: readonly ListedModel[], more?: boolean): JsonObject;
    one(model: ListedModel): JsonObject;
    /** How pages are asked for; absent: they are not. */
    readonly paging?: PagingWords;
  };
  /** Price-bearing request fields that a bound of tokens at the standard rate does not cover (see `Dialect.unboundedFields`). */
  unboundedFields(raw: JsonObject): readonly string[];
  /** What of those fields can be bounded all the same; asked only where there are any. Absent or undefined: nothing. */
  extrasOf?(raw: JsonObject): Extras | undefined;
  /** Embeddings, where the clients of this form ask for them or read them in another way than the usual; absent: they do not. */
  readonly embeddings?: {
    /** The body as this target takes it; the same object where nothing changes. */
    body(raw: JsonObject, target: Target): { readonly kind: "body"; readonly body: JsonObject } | Unsupported;
    /** The `id` of an answer that has none. */
    id(requestId: string): string;
  };
}

export interface Passed {
  readonly path: string;
  readonly edits: readonly Edit[];
  /** What had to be left out of a body that passes otherwise, one sentence each; absent where nothing had. */
  readonly warnings?: readonly string[];
}

export interface PassedBody {
  readonly bytes: Uint8Array;
  readonly scan: Extract<BodyScan, { kind: "object" }>;
  readonly raw: JsonObject;
  readonly request: ChatRequest;
  readonly outside: AskedOutside;
}

/** One server-sent event as text. */
export function sseFrame(event: string | null, data: Json): string {
  return event === null ? `data: ${JSON.stringify(data)}\n\n` : `event: ${event}\ndata: ${JSON.stringify(data)}\n\n`;
}
