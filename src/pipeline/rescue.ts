/**
 * An answer that is carried on by another deployment after it broke off. It holds what the client has seen of it, prepares the
 * requests that go on from there, joins what comes to what was there, and sums the bill. One per request whose route asks for it.
 */
import type { Candidate } from "../decide/choose.ts";
import type { RequestShape } from "../decide/deployment.ts";
import { inputEstimateTokens } from "../decide/estimate.ts";
import { carrying, Joint, mayCarryOn, restOfLimit, Seen, shownOf } from "../decide/rescue.ts";
import type { AnswerEncoder, ClientDialect, Frames } from "../providers/dialects/client.ts";
import type { EncodedRequest, StreamDecoder, Unsupported } from "../providers/dialects/dialect.ts";
import { goingOn, marked, prefillOf, type Prefill } from "../providers/prefill.ts";
import type { ChatRequest } from "../wire/chat.ts";
import { commits, type StreamEvent } from "../wire/events.ts";
import type { JsonObject } from "../wire/json.ts";
import type { SseEvent } from "../wire/sse-event.ts";
import type { Unit, UnitCounts, Usage } from "../wire/usage.ts";
import { EMPTY_FINISH, utf8Length, type LaneSink, type StreamLane } from "./lane.ts";
import type { Attempt, Reading } from "./attempt.ts";
import { tableOf } from "./fitting.ts";
import { bytesOf, HubLane } from "./hub-lane.ts";
import type { Prepared } from "./surface.ts";

/** What an answer has come to, by who writes it. */
interface Answer {
  readonly encode: AnswerEncoder;
  readonly seen: Seen;
}
/** What is to be gone on with. */
interface Begun extends Answer {
  readonly text: string;
  readonly bytes: number;
}

export class Rescue {
  readonly #client: ClientDialect;
  readonly #shape: RequestShape;
  readonly #names: boolean;
  readonly #answers = new Map<Reading, Answer>();
  #begun: Begun | null = null;
  /** What the calls that broke off are charged for, and how many they were. */
  #units: UnitCounts = {};
  readonly #broken = new Set<Attempt>();

  /** `names`: the caller may be told which deployments serve it. */
  constructor(client: ClientDialect, shape: RequestShape, names: boolean) {
    this.#client = client;
    this.#shape = shape;
    this.#names = names;
  }

  /** For a request whose answer can be carried on, where it comes to that; undefined: for none. */
  static for(request: ChatRequest, client: ClientDialect, shape: RequestShape, names: boolean): Rescue | undefined {
    return mayCarryOn(request) ? new Rescue(client, shape, names) : undefined;
  }

  /** The encoder of an answer, watched for what the client sees by it. */
  watch(reading: Reading, encode: AnswerEncoder): AnswerEncoder {
    const seen = new Seen();
    const watched = new WatchedEncoder(encode, seen);
    this.#answers.set(reading, { encode: watched, seen });
    return watched;
  }

  /** The answer of this attempt broke off. True: what is prepared from now on goes on with it. `units`: what it is charged for. */
  begin(attempt: Attempt, units: UnitCounts): boolean {
    const answer = this.#answers.get(attempt.settings.reading);
    const text = answer?.seen.text ?? null;
    if (answer === undefined || text === null) return false;
    this.#begun = { ...answer, text, bytes: utf8Length(text) };
    this.#units = sumOf(this.#units, units);
    this.#broken.add(attempt);
    return true;
  }

  /** An answer is being carried on. */
  get begun(): boolean {
    return this.#begun !== null;
  }

  /** Which candidates cannot carry the answer on, by their places, and why. */
  lacks(candidates: readonly Candidate[]): readonly (readonly [index: number, why: Unsupported])[] {
    return candidates.flatMap((candidate, i) => {
      const why = this.lack(candidate);
      return why === null ? [] : [[i, why] as const];
    });
  }

  /** Why a candidate cannot carry the answer on; null: it can. */
  lack({ deployment }: Candidate): Unsupported | null {
    return this.#by(deployment) === null ? { kind: "unsupported", param: "rescue", message: `${deployment.id} is not known to go on with an answer that another began` } : null;
  }

  #by(deployment: Candidate["deployment"]): Prefill | null {
    return prefillOf(deployment, deployment.baseUrl, tableOf(deployment));
  }

  /** A candidate, bounded with what it is shown of the answer. */
  bounded(candidate: Candidate, wallMs: number): Candidate {
    return this.#begun === null ? candidate : carrying(candidate, this.#shape, this.#begun.bytes, wallMs);
  }

  /** The request whose answer is the rest. */
  request(request: ChatRequest): ChatRequest {
    const { text, bytes } = this.#begun as Begun;
    const { maxOutputTokens: limit } = request;
    return goingOn(limit === undefined ? request : { ...request, maxOutputTokens: restOfLimit(limit, bytes) }, shownOf(text));
  }

  /** The call for the rest of the answer. */
  prepared(deployment: Candidate["deployment"], encoded: EncodedRequest, more: { readonly headers: readonly string[]; readonly warnings: readonly string[]; readonly reading: Reading; readonly open: () => StreamDecoder }): Prepared {
    const by = this.#by(deployment) as Prefill;
    const body = marked(encoded, by);
    if (body === null) return { kind: "unsupported", param: "rescue", message: `${deployment.id} takes no answer that was begun with this request` };
    return {
      kind: "prepared",
      path: by.path ?? encoded.path,
      ...(by.path !== null && { rooted: true }),
      headers: more.headers,
      body: encoder.encode(JSON.stringify(body)),
      warnings: [...more.warnings, ...encoded.warnings],
      reading: this.#reading(more.reading, more.open, by),
      shownTokens: inputEstimateTokens(this.#begun?.bytes ?? 0),
    };
  }

  /** How the rest is read: it goes on in the client's stream where the answer broke off. */
  #reading(plain: Reading, open: () => StreamDecoder, { repeats, endsEmpty }: Prefill): Reading {
    const { encode, seen, text } = this.#begun as Begun;
    const reading: Reading = {
      // The answer may have been whole but for its end.
      mayBeEmpty: true,
      framing: plain.framing,
      openLane: (sink: LaneSink): StreamLane => new HubLane(sink, new RestDecoder(open(), new Joint(text, repeats), endsEmpty), encode, 1, true, plain.framing),
      readAnswer: (body) => plain.readAnswer(body),
      readError: (status, header, body) => plain.readError(status, header, body),
    };
    this.#answers.set(reading, { encode, seen });
    return reading;
  }

  /** Who writes the answer of a reading. */
  encoderOf(reading: Reading): AnswerEncoder | undefined {
    return this.#answers.get(reading)?.encode;
  }

  /** Says in the stream that it is carried on: nothing that clients of the protocol would show. */
  marker(from: Attempt, to: Attempt): Uint8Array {
    const rescued = this.#names ? { from: from.settings.candidate.deployment.id, to: to.settings.candidate.deployment.id } : true;
    return bytesOf([(this.#client.marker ?? comment)({ rescued })]);
  }

  /** Usage of the whole answer, all calls that wrote at it together; undefined: it is that of one call. `units`: those of the last one. */
  usage(last: Attempt | null, units: UnitCounts = {}): Usage | undefined {
    if (this.#broken.size === 0) return undefined;
    return { units: last === null || this.#broken.has(last) ? this.#units : sumOf(this.#units, units), raw: null };
  }

  /** What the `spillway` object says of it. */
  get told(): JsonObject {
    return this.#broken.size === 0 ? NOTHING : { rescued: { calls: this.#broken.size + 1 } };
  }
}

const encoder = new TextEncoder();
const NOTHING: JsonObject = Object.freeze({});

function comment(spillway: JsonObject): Frames {
  return `: spillway ${JSON.stringify(spillway)}\n\n`;
}

function sumOf(a: UnitCounts, b: UnitCounts): UnitCounts {
  const sum: { [U in Unit]?: number } = { ...a };
  for (const unit of Object.keys(b) as Unit[]) sum[unit] = (sum[unit] ?? 0) + (b[unit] ?? 0);
  return sum;
}

class WatchedEncoder implements AnswerEncoder {
  readonly #inner: AnswerEncoder;
  readonly #seen: Seen;

  constructor(inner: AnswerEncoder, seen: Seen) {
    this.#inner = inner;
    this.#seen = seen;
  }

  encode(event: StreamEvent): Frames {
    this.#seen.note(event);
    return this.#inner.encode(event);
  }

  closing(...told: Parameters<AnswerEncoder["closing"]>): Frames {
    return this.#inner.closing(...told);
  }

  failed(...told: Parameters<AnswerEncoder["failed"]>): Frames {
    return this.#inner.failed(...told);
  }
}

/**
 * The events of the rest: its text joined to what was there. That an answer opens was told before, and what is thought now stands
 * behind words that were said already. Nothing is told before something of it can be seen, since another may still be faster.
 */
class RestDecoder implements StreamDecoder {
  readonly #inner: StreamDecoder;
  readonly #joint: Joint;
  readonly #endsEmpty: boolean;
  #held: StreamEvent[] | null = [];

  /** `endsEmpty`: that nothing follows is told as a failure. */
  constructor(inner: StreamDecoder, joint: Joint, endsEmpty: boolean) {
    this.#endsEmpty = endsEmpty;
    this.#inner = inner;
    this.#joint = joint;
  }

  push(event: SseEvent): readonly StreamEvent[] {
    return this.#joined(this.#inner.push(event));
  }

  end(): readonly StreamEvent[] {
    return this.#joined(this.#inner.end());
  }

  #joined(events: readonly StreamEvent[]): readonly StreamEvent[] {
    const out: StreamEvent[] = [];
    for (const event of events) {
      if (event.kind === "start" || event.kind === "reasoning" || event.kind === "signature" || event.kind === "redacted") continue;
      if (event.kind === "text") {
        const text = this.#joint.push(event.text);
        if (text !== "") this.#tell({ ...event, text }, out);
      } else if (event.kind === "choice-extra" && this.#held !== null) this.#held.push(event);
      else if (commits(event) || event.kind === "finish") {
        const text = this.#joint.end();
        if (text !== "") this.#tell({ kind: "text", choice: 0, text }, out);
        this.#tell(event, out);
      } else if (event.kind === "error" && event.error.class === "empty" && this.#endsEmpty) out.push(EMPTY_FINISH, { kind: "end" });
      else out.push(event);
    }
    return out;
  }

  #tell(event: StreamEvent, out: StreamEvent[]): void {
    if (this.#held !== null) out.push(...this.#held);
    this.#held = null;
    out.push(event);
  }
}
