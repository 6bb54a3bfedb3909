/**
 * A chat request in any protocol, top to bottom: parse, resolve, weigh, then the attempt loop of `exchange.ts`. This file
 * also says how a chat is prepared for each kind of deployment and how its answer is closed.
 */
import type { Spending } from "../decide/cap.ts";
import { choose, type Candidate, type Choice } from "../decide/choose.ts";
import type { RequestShape, Route } from "../decide/deployment.ts";
import { inputEstimateTokens } from "../decide/estimate.ts";
import type { CallFacts } from "../decide/health/book.ts";
import { needsOf, surchargedBy, type Need } from "../decide/needs.ts";
import type { Charge } from "../ports.ts";
import { measureText, restoredEdits, surfaceDialect } from "../providers/dialects/chat-surface.ts";
import type { AnswerEncoder, AskedOutside, ClientDialect, ParsedByClient, PassedBody } from "../providers/dialects/client.ts";
import { clientOf } from "../providers/dialects/clients.ts";
import type { DecodeContext, Dialect, Target, Unsupported } from "../providers/dialects/dialect.ts";
import { forwardedHeaders } from "../providers/dialects/forwarded.ts";
import { dialectById } from "../providers/dialects/index.ts";
import { outputLimitEdits } from "../providers/dialects/output-limit.ts";
import { keptBytes, withKept, type KeptTurns } from "../providers/dialects/kept-reasoning.ts";
import type { ChatRequest } from "../wire/chat.ts";
import { gatewayError, type GatewayError } from "../wire/errors.ts";
import type { DialectId } from "../wire/facts.ts";
import type { JsonObject } from "../wire/json.ts";
import { splice } from "../wire/scan.ts";
import type { SurfaceName } from "../wire/surfaces.ts";
import { usd } from "./answer-headers.ts";
import type { Attempt, Reading } from "./attempt.ts";
import { believedOf } from "./believed.ts";
import { beyondMeasure, beyondShape, unboundedProblem, unpricedWarning, type Beyond } from "./beyond.ts";
import { ChatReading } from "./chat-reading.ts";
import type { Deps } from "./deps.ts";
import { Exchange } from "./exchange.ts";
import { encodeFor, Fitting, passedWithout, tableOf } from "./fitting.ts";
import { hiddenBytes } from "./hidden-bytes.ts";
import { bytesOf } from "./hub-lane.ts";
import { turnedAway } from "./importance.ts";
import { untried, withCanary } from "./canary.ts";
import { deadlineMsOf, readBody, refusalOf, refuse, resolveRoute, viaOf, type Inbound, type ReadBody } from "./inbound.ts";
import { Rescue } from "./rescue.ts";
import { lookUpReasoning, NOTHING_KEPT, openKeeper } from "./reasoning-state.ts";
import { RemoteImages } from "./remote-images.ts";
import { cheaperRoute, CHEAPER_WARNING, limitWarning, spendingOf } from "./spending.ts";
import type { StructuredOutput } from "./structured.ts";
import type { Prepared, RequestCost, Surface } from "./surface.ts";
import { sessionIn } from "./session.ts";
import { orderOf, steeringOf } from "./steering.ts";
import { taggedCall } from "./tags.ts";
import { wishOf, withoutWishes, withPreferences } from "./wishes.ts";

const encoder = new TextEncoder();

/** What a surface that keeps something for its callers adds to a request. */
export interface ChatMore {
  /** The body, read already. */
  readonly body?: ReadBody;
  /** Of a body that is not as it was sent. */
  readonly warnings?: readonly string[];
  /** The body as it was sent, for an account that itself knows what it refers to. */
  readonly asSent?: { readonly account: string; readonly bytes: Uint8Array; readonly body: ReadBody };
  /** What an answer repeats of the request. */
  readonly shown?: JsonObject;
  /** Nobody waits for the answer: the deadline is that of the longest stream. */
  readonly patient?: boolean;
  /** The choice is all that is wanted: it is told here, and nothing is sent. */
  readonly weighed?: (weighed: WeighedChat) => void;
  /** Keeps an answer by its last bytes; `madeBy`: the account whose provider wrote them, null where we did. Never rejects. */
  readonly keep?: (last: Uint8Array, madeBy: string | null) => Promise<void>;
}
const NOTHING_MORE: ChatMore = {};

/** A choice that nothing is sent by. */
export interface WeighedChat {
  readonly route: Route;
  readonly choice: Choice;
  readonly shape: RequestShape;
  /** What its calls would be slow against; absent: nothing. */
  readonly pace: CallFacts | undefined;
  readonly warnings: readonly string[];
}

/** Serve one chat request. `started` is told once, at once or after a look-up: the running exchange, or null if the request was refused. */
export function serveChat(deps: Deps, call: Inbound, started: (exchange: Exchange | null) => void, given = NOTHING_MORE): void {
  const client = clientOf(call.asked.surface as SurfaceName, call.snapshot.showsReasoningTwice);
  // What is known of it by then, for whoever counts refusals.
  let known = call;
  let asked: Route | undefined;
  const refused = (error: GatewayError, why?: string): void => {
    refuse(known, error, (told) => client.encodeError(told, call.requestId), client.errorHeaders?.(error), refusalOf(asked, why));
    started(null);
  };
  const read = given.body ?? readBody(call.body);
  if (read.kind === "error") return refused(read.error);
  const tagged = taggedCall(deps, call, read.raw);
  if ("code" in tagged) return refused(tagged);
  const wish = wishOf(tagged, read, deps.clock.wallMs());
  if (wish !== null && "code" in wish) return refused(wish);
  const { inbound, body, more } = wish === null ? { inbound: tagged, body: read, more: given } : { ...wish, more: withoutWishes(given) };
  known = inbound;
  const { model, stream, query } = inbound.asked;
  const outside: AskedOutside = { model, stream, query, header: inbound.header };
  const parsed = withPreferences(client.parse(body.raw, outside), wish);
  if (parsed.kind === "error") return refused(parsed.error);
  const resolved = wish ?? resolveRoute(inbound, parsed.request.model);
  if (resolved.kind === "error") return refused(resolved.error);
  asked = resolved.route;
  const away = turnedAway(deps, inbound, resolved.route);
  if (away !== null) return refused(away.error, away.why);
  const named = cheaperRoute(deps, inbound, resolved.route);
  const tries = named.canary !== undefined && named === resolved.route && wish === null && more.weighed === undefined;
  const route = tries ? withCanary(deps, inbound, named, sessionIn(inbound, named, body.raw, parsed.request)) : more.weighed === undefined ? named : untried(named, wish !== null, named !== resolved.route);
  const deadlineMs = deadlineMsOf(route, inbound.header, more.patient);
  if (typeof deadlineMs !== "number") return refused(deadlineMs);
  const spending = spendingOf(deps, inbound, route);
  if (spending !== undefined && "code" in spending) return refused(spending);
  const unbounded = unboundedProblem(client, wish?.priced ?? body.raw, spending);
  if (unbounded.error !== null) return refused(unbounded.error);
  const cheaper = named === resolved.route ? unbounded.warnings : [...unbounded.warnings, CHEAPER_WARNING];
  const warnings = wish === null ? cheaper : [...cheaper, ...wish.warnings];

  const passesTo = client.passes === false ? null : client.id;
  const copies = route.mirror !== undefined && wish === null && more.weighed === undefined;
  const begun = (kept: KeptTurns): void => started((copies ? beginCopied : begin)(deps, inbound, { client, outside, body, parsed, route, deadlineMs, spending, unbounded, warnings, passesTo, kept, more }));
  const found = lookUpReasoning(deps, inbound, parsed.request, passesTo, route);
  if (found === undefined) return begun(NOTHING_KEPT);
  found.then(begun).catch((problem: unknown) => {
    deps.log.error("request_crashed", { request: inbound.requestId, error: problem instanceof Error ? (problem.stack ?? problem.message) : String(problem) });
    refused(gatewayError("internal_error", "The gateway failed at this request; its log says how."));
  });
}

interface Ready {
  readonly client: ClientDialect;
  readonly outside: AskedOutside;
  readonly body: ReadBody;
  readonly parsed: Extract<ParsedByClient, { kind: "request" }>;
  readonly route: Route;
  readonly deadlineMs: number;
  /** What binds its money; undefined: nothing does. */
  readonly spending: Spending | undefined;
  /** What it asks for beyond tokens at the standard rate. */
  readonly unbounded: Beyond;
  readonly warnings: readonly string[];
  /** Where the client's bytes pass. */
  readonly passesTo: DialectId | null;
  /** Reasoning state that turns of the request came back without. */
  readonly kept: KeptTurns;
  readonly more: ChatMore;
  /** Nothing of it is sent twice. */
  readonly once?: true;
}

/** Begin it, and a copy of it once it was served, where its route has a mirror and it is one of the share. */
function beginCopied(deps: Deps, inbound: Inbound, ready: Ready): Exchange | null {
  const { mirrors } = deps;
  const { route, parsed, body, unbounded } = ready;
  if (mirrors?.takes(inbound, route, { parsed, body: body.raw, beyond: unbounded.extras !== undefined || unbounded.unbounded === true }) !== true) return begin(deps, inbound, ready);
  const start = (own: Deps, copy: Inbound, mirror: Route): Exchange | null => {
    const spending = spendingOf(own, copy, mirror);
    return spending !== undefined && "code" in spending ? null : begin(own, copy, { ...ready, route: mirror, spending, warnings: NO_WARNINGS, more: NOTHING_MORE, once: true });
  };
  return begin(mirrors.watching(deps, inbound, route, start), inbound, ready);
}

/** Weigh the candidates and begin. */
function begin(deps: Deps, inbound: Inbound, ready: Ready): Exchange | null {
  const { client, outside, body, parsed, route, spending, unbounded, passesTo, kept, more } = ready;
  const { request } = parsed;
  const measure = measureText(request);
  const unseenBytes = Math.max(client.unseenBytes?.(body.raw) ?? 0, hiddenBytes(inbound.body.length, measure, request)) + keptBytes(kept);
  const estimateTokens = inputEstimateTokens(measure.textBytes);
  const fetchesImages = deps.images !== undefined && inbound.snapshot.fetchesImages === true;
  const needs = needsOf(request, { passesTo, lenient: route.lenient === true, fetchesImages, imageCount: measure.imageCount, unsized: measure.unsized });
  const shape = beyondShape(shapeOf(request, estimateTokens, measure.imageCount, needs), unbounded);
  const steering = steeringOf(deps, route, shape, "chat");
  const choice = choose({
    route,
    shape,
    measure: beyondMeasure(unseenBytes === 0 ? measure : { ...measure, textBytes: measure.textBytes + unseenBytes }, unbounded),
    view: (deployment) => deps.health.view(deployment.id, deployment.account, "chat", deps.clock.nowMs(), steering?.pace.thresholdMs),
    capabilities: tableOf,
    passesTo,
    spending,
    balance: steering?.balance,
    order: orderOf(deps, route, shape, "chat", sessionIn(inbound, route, body.raw, request)),
    wallMs: deps.clock.wallMs(),
    random: () => deps.random.next(),
  });
  if (more.weighed !== undefined) {
    more.weighed({ route, choice, shape, pace: steering?.pace, warnings: ready.warnings });
    inbound.done();
    return null;
  }
  const images = fetchesImages && needs.some((need) => need.capability === "image_url") ? new RemoteImages(deps.images, deps.clock) : null;
  const fitting = needs.length === 0 ? null : new Fitting(request, needs, images);
  const name = inbound.asked.surface as SurfaceName;
  const surface = new ChatSurface(deps, inbound, { name, client, outside, request, body, route, fitting, passesTo, kept, foreignWarnings: parsed.warnings, onlyHere: parsed.onlyHere, more }, route.rescue === undefined ? undefined : Rescue.for(request, client, shape, inbound.caller.policy?.expose !== "none"));
  const exchange = new Exchange(deps, surface, inbound.reply, {
    requestId: inbound.requestId,
    caller: inbound.caller,
    route,
    modelAsked: request.model,
    choice,
    inputEstimateTokens: estimateTokens,
    maxOutputTokens: shape.maxOutputTokens,
    choiceCount: shape.choiceCount,
    deadlineMs: ready.deadlineMs,
    warnings: unbounded.extras === undefined ? ready.warnings : [...ready.warnings, ...unpricedWarning(choice, unbounded, spending, deps.clock.wallMs())],
    serviceTier: unbounded.extras?.serviceTier,
    binding: spending === undefined ? undefined : { spending, shape },
    features: surchargedBy(needs),
    steering, believed: believedOf(deps, { route, shape, pace: steering?.pace }, choice),
    once: ready.once === true,
    snapshot: inbound.snapshot,
  });
  exchange.onRecorded = images === null ? inbound.done : releasing(images, inbound.done);
  exchange.start();
  return exchange;
}

/** A function of its own: a closure in the one above would share its scope, and once optimized outlives the request and keeps all of it. */
function releasing(images: RemoteImages, done: () => void): () => void {
  return () => {
    images.release();
    done();
  };
}

function shapeOf(request: ChatRequest, estimateTokens: number, imageCount: number, needs: readonly Need[]): RequestShape {
  return {
    endpoint: "chat",
    stream: request.stream,
    inputBoundTokens: null,
    inputEstimateTokens: estimateTokens,
    imageCount,
    maxOutputTokens: request.maxOutputTokens ?? null,
    choiceCount: request.choiceCount,
    needs,
    ...(request.thinking === undefined ? {} : { thinkingBudgetTokens: thinkingBudgetTokens(request.thinking) }),
  };
}

function thinkingBudgetTokens(thinking: JsonObject): number {
  const tokens = thinking["budget_tokens"];
  return typeof tokens === "number" && tokens > 0 ? tokens : 0;
}

interface ChatAsked {
  readonly name: SurfaceName;
  readonly client: ClientDialect;
  readonly outside: AskedOutside;
  readonly request: ChatRequest;
  readonly body: ReadBody;
  readonly route: Route;
  /** null: the request needs nothing of a model beyond plain chat. */
  readonly fitting: Fitting | null;
  readonly passesTo: DialectId | null;
  readonly kept: KeptTurns;
  /** What another dialect cannot carry, and what no answer of another dialect could be the same without. */
  readonly foreignWarnings: readonly string[];
  readonly onlyHere: readonly Unsupported[];
  readonly more: ChatMore;
}

class ChatSurface implements Surface {
  readonly endpoint = "chat";
  readonly name: SurfaceName;
  readonly stream: boolean;
  readonly streamType: string;
  readonly #deps: Deps;
  readonly #inbound: Inbound;
  readonly #client: ClientDialect;
  readonly #asked: ChatAsked;
  readonly rescue: Rescue | undefined;

  constructor(deps: Deps, inbound: Inbound, asked: ChatAsked, rescue: Rescue | undefined) {
    this.rescue = rescue;
    this.#deps = deps;
    this.#inbound = inbound;
    this.#asked = asked;
    this.#client = asked.client;
    this.name = asked.name;
    this.stream = asked.request.stream;
    this.streamType = asked.client.streamType;
  }

  get keepAlive(): Uint8Array {
    return signOf(this.#client);
  }

  prepare(candidate: Candidate): Prepared {
    const { deployment } = candidate;
    const { outside, more, onlyHere, route, kept, passesTo } = this.#asked;
    const rest = this.rescue?.begun === true ? this.rescue : undefined;
    const lack = rest?.lack(candidate) ?? null;
    if (lack !== null) return lack;
    const dialect = dialectById(deployment.provider.dialect ?? surfaceDialect.id);
    const target: Target = { provider: deployment.provider, account: deployment.account, model: deployment.model, upstreamModel: deployment.upstreamModel, maxOutput: deployment.maxOutput };
    const headers = this.#headers(dialect);
    const same = this.#sameAs(dialect);
    const fitted = this.#asked.fitting?.fit(deployment, same) ?? null;
    if (fitted !== null && fitted.kind !== "fitted") return fitted;
    const limit = candidate.outputLimit;
    const wanted = fitted?.request ?? this.#asked.request;
    const sent = limit === undefined ? wanted : { ...wanted, maxOutputTokens: limit.tokens };
    const request = withKept(sent, kept, passesTo, deployment);
    const asSent = same && more.asSent?.account === deployment.account ? more.asSent : undefined;
    const { body } = asSent ?? this.#asked;
    const told = asSent === undefined ? (more.warnings ?? NO_WARNINGS) : NO_WARNINGS;
    const fits = fitted === null || fitted.warnings.length === 0 ? told : [...told, ...fitted.warnings];
    const warnings = limit === undefined ? fits : [...fits, limitWarning(limit)];
    const whole: PassedBody = { bytes: asSent?.bytes ?? this.#inbound.body, scan: body.scan, raw: body.raw, request, outside };
    const plain: DecodeContext = { usage: deployment.provider.usage, upstreamModel: deployment.upstreamModel, provider: deployment.provider.id, account: deployment.account };
    const passing = rest !== undefined ? null : fitted === null || !same ? whole : fitted.rewritten ? null : passedWithout(whole, fitted.without);
    if (same && passing !== null && this.#client.mustRewrite?.(passing, target) !== true) {
      const { path, edits: own, warnings: left = NO_WARNINGS } = this.#client.pass(passing, target);
      const replaces = this.#passHeaders(headers);
      const edits = limit === undefined ? own : [...own, ...outputLimitEdits(dialect.id, passing.bytes, passing.scan, limit.tokens, deployment.provider.quirks)];
      return { kind: "prepared", path, headers, replaces, body: splice(passing.bytes, request === sent ? edits : [...edits, ...restoredEdits(passing, request)]), warnings: left.length === 0 ? warnings : [...warnings, ...left], reading: this.#reading(candidate, dialect, plain) };
    }
    // A body that is written anew for a client of another form than ours loses what only its own bytes can carry.
    const loses = (!same && this.#client.ownForm?.(target) !== true) || (same && passing === null && dialect.id !== surfaceDialect.id);
    const [foreign] = onlyHere;
    if (loses && foreign !== undefined) return foreign;
    const encoded = encodeFor(dialect, rest?.request(request) ?? request, target, route.lenient === true);
    if (encoded.kind === "unsupported") return encoded;
    for (const [name, value] of encoded.headers) headers.push(name, value);
    const context = encoded.renames === undefined ? plain : { ...plain, renames: encoded.renames };
    if (rest !== undefined) return rest.prepared(deployment, encoded, { headers, warnings, reading: this.#reading(candidate, dialect, context), open: () => dialect.openStream(context) });
    return {
      kind: "prepared",
      path: encoded.path,
      headers,
      body: encoder.encode(JSON.stringify(encoded.body)),
      // The same where a host of the client's own protocol needs the body written anew.
      warnings: loses || same ? [...warnings, ...this.#asked.foreignWarnings, ...encoded.warnings] : [...warnings, ...encoded.warnings],
      reading: this.#reading(candidate, dialect, context, fitted?.structured ?? null),
    };
  }

  closing(attempt: Attempt, charge: Charge, cost: RequestCost): Uint8Array {
    const { request } = this.#asked;
    const tellsCost = (this.#inbound.caller.policy?.expose ?? "id+cost") === "id+cost";
    const costText = cost.nanoUsd === null ? "null" : usd(cost.nanoUsd);
    const carried = this.rescue?.usage(attempt, charge.units);
    const member = `"spillway":{"cost_usd":${costText}${cost.estimated ? `,"estimated":true` : ""}}`;
    const asked = this.#client.usageAsked?.(request) ?? true;
    const pieces: Uint8Array[] = [];
    for (const frame of attempt.tailFrames) {
      const tellsUsage = frame.kind === "usage" || frame.carriesUsage === true;
      if (tellsUsage && asked) pieces.push(tellsCost && attempt.settings.reading.framing === "sse" ? withMember(frame.bytes, member) : frame.bytes);
      else if (frame.kind !== "usage") pieces.push(frame.bytes);
    }
    const encode = this.#encoderOf(attempt.settings.reading);
    if (encode !== undefined) pieces.push(bytesOf([encode.closing(carried ?? attempt.usage ?? { units: charge.units, raw: null }, { ...(tellsCost && { cost_usd: cost.nanoUsd === null ? null : Number(costText), ...(cost.estimated ? { estimated: true } : {}) }), ...this.rescue?.told })]));
    else if (this.#client.terminal !== undefined) pieces.push(bytesOf([this.#client.terminal]));
    else if (this.#client.lastEvent !== undefined && !attempt.sawEnd) pieces.push(bytesOf([this.#client.lastEvent]));
    return bytesOf(pieces);
  }

  keep(attempt: Attempt, last: Uint8Array): Promise<void> | undefined {
    const { keep } = this.#asked.more;
    const { reading } = attempt.settings;
    const state = reading instanceof ChatReading ? reading.keeper?.keep() : undefined;
    if (keep === undefined) return state;
    const { deployment } = attempt.settings.candidate;
    // Told as events, it was written here.
    const passed = attempt.settings.reading.held !== true && this.#encoderOf(attempt.settings.reading) === undefined && this.#sameAs(dialectById(deployment.provider.dialect ?? surfaceDialect.id));
    const kept = keep(last, passed ? deployment.account : null);
    return state === undefined ? kept : Promise.all([state, kept]).then(() => undefined);
  }

  errorFrame(error: GatewayError, attempt: Attempt | null): Uint8Array {
    const encode = attempt === null ? undefined : this.#encoderOf(attempt.settings.reading);
    return bytesOf([encode === undefined ? this.#client.brokenFrame(error, this.#inbound.requestId) : encode.failed(error, this.rescue?.usage(attempt, attempt?.usage?.units) ?? attempt?.usage ?? null)]);
  }

  #encoderOf(reading: Reading): AnswerEncoder | undefined {
    return (reading instanceof ChatReading ? reading.encoder : undefined) ?? this.rescue?.encoderOf(reading);
  }

  errorBody(error: GatewayError): Uint8Array {
    return encoder.encode(JSON.stringify(this.#client.encodeError(error, this.#inbound.requestId)));
  }

  errorHeaders(error: GatewayError): readonly string[] {
    return this.#client.errorHeaders?.(error) ?? [];
  }

  #sameAs(dialect: Dialect): boolean {
    return dialect.id === this.#client.id && this.#client.passes !== false;
  }

  #headers(dialect: Dialect): string[] {
    const accept = this.stream ? (dialect.streamType ?? "text/event-stream") : "application/json";
    const headers = ["content-type", "application/json", "accept", accept, "via", viaOf(this.#inbound.header("via"), this.#deps.instance)];
    for (const name of forwardedHeaders(dialect.id)) this.#forward(headers, name);
    for (const name of this.#asked.route.forwardHeaders) this.#forward(headers, name);
    return headers;
  }

  #forward(headers: string[], name: string): void {
    const value = this.#inbound.header(name);
    if (value !== undefined && value.length > 0) headers.push(name, value);
  }

  /** Adds what this dialect's clients say in headers; gives the names of those that were there. */
  #passHeaders(headers: string[]): readonly string[] {
    const names = this.#client.passedHeaders;
    if (names === undefined) return NO_WARNINGS;
    const told = names.filter((name) => this.#inbound.header(name) !== undefined);
    for (const name of told) this.#forward(headers, name);
    return told;
  }

  #reading(candidate: Candidate, dialect: Dialect, context: DecodeContext, structured: StructuredOutput | null = null): Reading {
    const { deployment } = candidate;
    // What is checked first is written anew.
    const same = structured === null && this.rescue === undefined && this.#client.answersAnew !== true && this.#sameAs(dialect);
    const keeper = openKeeper(this.#deps, this.#inbound, this.#asked.request, this.#client.id, this.#asked.passesTo, deployment);
    return new ChatReading(this.#deps, this.#inbound, this.#asked, this.rescue, { deployment, dialect, context, structured, same, keeper });
  }
}

const NO_WARNINGS: readonly string[] = [];

/** The same for every stream of a protocol, so it is encoded once. */
const SIGNS = new WeakMap<ClientDialect, Uint8Array>();

function signOf(client: ClientDialect): Uint8Array {
  let sign = SIGNS.get(client);
  if (sign === undefined) SIGNS.set(client, (sign = bytesOf([client.keepAlive])));
  return sign;
}

/** Put one more member into the JSON object of a one-line SSE frame, before its closing brace. */
function withMember(frame: Uint8Array, member: string): Uint8Array {
  const at = frame.lastIndexOf(125);
  return at < 0 ? frame : splice(frame, [{ start: at, end: at, text: `,${member}` }]);
}
