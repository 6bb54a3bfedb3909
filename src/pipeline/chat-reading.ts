/**
 * How the answer of one call of a chat is read, and brought into its client's form where its own is another. A class rather than
 * an object of closures: there is one for each call.
 */
import { surfaceDialect } from "../providers/dialects/chat-surface.ts";
import type { AnswerEncoder, ClientDialect, ClientHead } from "../providers/dialects/client.ts";
import type { DecodeContext, Dialect } from "../providers/dialects/dialect.ts";
import type { ChatRequest } from "../wire/chat.ts";
import type { JsonObject } from "../wire/json.ts";
import type { UpstreamError } from "../wire/outcome.ts";
import { readChatAnswer } from "./answer.ts";
import type { AnswerReading, Reading } from "./attempt.ts";
import { ByteLane } from "./byte-lane.ts";
import type { Deps } from "./deps.ts";
import type { Framing } from "./framing.ts";
import { HubLane } from "./hub-lane.ts";
import type { Inbound } from "./inbound.ts";
import type { LaneSink, StreamLane } from "./lane.ts";
import { PassLane } from "./pass-lane.ts";
import type { ReasoningKeeper } from "./reasoning-state.ts";
import type { Rescue } from "./rescue.ts";
import type { StructuredOutput } from "./structured.ts";
import { tellChat, WholeLane } from "./whole-lane.ts";

/** What all calls of a request have in common. */
export interface ChatReadingOf {
  readonly client: ClientDialect;
  readonly request: ChatRequest;
  readonly body: { readonly raw: JsonObject };
  /** `shown`: what an answer repeats of the request; absent: of its body. */
  readonly more: { readonly shown?: JsonObject };
}

/** One call. */
export interface ChatCall {
  readonly deployment: { readonly upstreamModel: string; readonly provider: { readonly statusClasses: Readonly<Record<number, UpstreamError["class"]>> } };
  readonly dialect: Dialect;
  readonly context: DecodeContext;
  /** null: the model itself writes what was asked. */
  readonly structured: StructuredOutput | null;
  /** The answer leaves in the form in which it came. */
  readonly same: boolean;
  readonly keeper: ReasoningKeeper | undefined;
}

export class ChatReading implements Reading {
  readonly mayBeEmpty: boolean;
  readonly framing: Framing;
  readonly held: boolean;
  /** Of an answer that is written anew as it comes. */
  encoder: AnswerEncoder | undefined = undefined;
  readonly keeper: ReasoningKeeper | undefined;
  readonly #deps: Deps;
  readonly #inbound: Inbound;
  readonly #of: ChatReadingOf;
  readonly #rescue: Rescue | undefined;
  readonly #call: ChatCall;

  constructor(deps: Deps, inbound: Inbound, of: ChatReadingOf, rescue: Rescue | undefined, call: ChatCall) {
    this.#deps = deps;
    this.#inbound = inbound;
    this.#of = of;
    this.#rescue = rescue;
    this.#call = call;
    this.mayBeEmpty = of.request.stop.length > 0;
    this.framing = call.dialect.framing ?? "sse";
    this.held = call.structured !== null;
    this.keeper = call.keeper;
  }

  openLane(sink: LaneSink): StreamLane {
    const { dialect, context, structured, same } = this.#call;
    const { client, request } = this.#of;
    const opened = structured === null ? dialect.openStream(context) : structured.openStream(dialect.openStream(context), sink);
    if (same && dialect.id === surfaceDialect.id) return new ByteLane(sink, opened, request.choiceCount, this.keeper?.frameWatcher(dialect.openStream(context)));
    if (same) return new PassLane(sink, opened, request.choiceCount, this.framing);
    const decoder = this.keeper?.watchStream(opened) ?? opened;
    const plain = client.openEncoder(this.#head());
    this.encoder = this.#rescue?.watch(this, plain) ?? plain;
    return new HubLane(sink, decoder, this.encoder, request.choiceCount, this.mayBeEmpty, this.framing);
  }

  openWhole(sink: LaneSink): StreamLane {
    return new WholeLane(sink, this.#deps.limits.answerBytes, (bytes) => {
      const encoder = this.#of.client.openEncoder(this.#head());
      this.encoder = encoder;
      const { context } = this.#call;
      tellChat(sink, (write) => readChatAnswer(bytes, this.#wholeDialect(), context, write, this.mayBeEmpty), encoder, this.mayBeEmpty);
    });
  }

  readAnswer(bytes: Uint8Array): AnswerReading {
    const { context, same } = this.#call;
    return readChatAnswer(bytes, this.#wholeDialect(), context, same ? null : (events) => this.#of.client.encodeAnswer(events, this.#head()), this.mayBeEmpty);
  }

  readError(status: number, header: (name: string) => string | undefined, text: string): UpstreamError {
    const { dialect, deployment } = this.#call;
    let parsed;
    try {
      parsed = JSON.parse(text);
    } catch {
      // Not JSON: the classifier works from status and text.
      parsed = undefined;
    }
    const error = dialect.readError(status, header, parsed, text, this.#deps.clock.wallMs());
    const override = deployment.provider.statusClasses[status];
    return override === undefined ? error : { ...error, class: override };
  }

  /** What reads an answer in one piece. */
  #wholeDialect(): Dialect {
    const { dialect, structured } = this.#call;
    const whole = structured?.dialect(dialect) ?? dialect;
    return this.keeper?.watchAnswer(whole) ?? whole;
  }

  #head(): ClientHead {
    const { request, body, more } = this.#of;
    return {
      requestId: this.#inbound.requestId,
      model: this.#call.deployment.upstreamModel,
      createdS: Math.floor(this.#deps.clock.wallMs() / 1000),
      clock: this.#deps.clock,
      request,
      raw: more.shown ?? body.raw,
      simulated: this.#inbound.snapshot.simulated,
    };
  }
}
