/** Answers one call: reads it, plays its fault, paces its tokens, and writes its row of the bill. */
import { composeAnswer, type Answer } from "./answer.ts";
import { asText, type Ask, type Body } from "./ask.ts";
import type { BatchRun } from "./batch.ts";
import type { OpenRow } from "./bill.ts";
import type { ModelConfig, ProviderConfig } from "./config.ts";
import type { Endpoint, Envelope, FleetDialect, Frame } from "./dialects/dialect.ts";
import { draw, type Distribution } from "./distribution.ts";
import type { Exchange } from "./exchange.ts";
import type { Fault } from "./fault.ts";
import type { KeptAnswer } from "./kept.ts";
import type { Made, Pieces } from "./made.ts";
import { randomId, type Random } from "./random.ts";

export interface Pace {
  readonly firstToken: Distribution;
  readonly tokenRate: Distribution;
  readonly timeScale: number;
}

/** Everything that one call needs. */
export interface Call {
  readonly exchange: Exchange;
  readonly provider: ProviderConfig;
  readonly dialect: FleetDialect;
  readonly model: ModelConfig;
  readonly row: OpenRow;
  readonly random: Random;
  readonly fault: Fault;
  readonly pace: Pace;
  /** What is counted one by one, of calls that are billed so. */
  readonly pieces?: Pieces;
}

/** What the model says. */
function answersTo(call: Pick<Call, "model" | "provider" | "random">, ask: Ask): readonly Answer[] {
  return Array.from({ length: Math.max(1, Math.min(ask.choices, 16)) }, () =>
    composeAnswer(ask, {
      wantedTokens: Math.round(draw(call.model.tokens_out ?? call.provider.tokens_out, call.random)),
      thoughts: call.model.thoughts ?? 0,
      parallelTools: call.provider.parallel_tools,
      toolCalls: call.provider.tool_calls,
      simulated: call.provider.simulated,
      ignoresLimits: call.provider.ignores_limits,
    }, call.random));
}

/** Runs one request of a batch, whose body is that of a call of its own. */
export function runBatched(call: Call, body: Body, served: boolean, kind: "chat" | "embeddings"): BatchRun {
  const model = asText(body["model"]) ?? "";
  const bare = envelopeOf(call, model, 0, true);
  const wrong = (cls: "bad-request" | "not-found", status: number, text: string): BatchRun => ({ status, body: call.dialect.error(cls, status, text, bare.requestId) as object, billed: null });
  if (!served) return wrong("not-found", 404, `model: ${model}`);
  if (kind === "embeddings") {
    const made = call.dialect.embeddings(body, { kind }, bare);
    return typeof made === "string" ? wrong("bad-request", 400, made) : { status: 200, body: made.body as object, billed: { model, input: made.inputTokens, cached: 0, output: 0 } };
  }
  const ask = call.dialect.read(body, { kind });
  if (typeof ask === "string") return wrong("bad-request", 400, ask);
  const envelope = envelopeOf(call, model, ask.inputTokens, true);
  const answers = answersTo(call, ask);
  const output = answers.reduce((sum, answer) => sum + answer.outputTokens, 0);
  return { status: 200, body: call.dialect.json(ask, answers, envelope) as object, billed: { model, input: envelope.inputTokens, cached: envelope.cachedTokens, output } };
}

/** Serves a chat call whose request has been read. The row's outcome is set when it returns. */
export async function serveChat(bare: Call, ask: Ask, endpoint: Endpoint & { kind: "chat" }): Promise<void> {
  const answers = answersTo(bare, ask);
  const tier = tierServed(bare, ask);
  const searches = Math.min(ask.searches ?? 0, bare.provider.web_searches);
  const call = searches === 0 ? bare : { ...bare, pieces: { web_searches: searches } };
  // The model reads its prompt anew after each search, with what all of them have brought so far.
  const inputTokens = (searches + 1) * ask.inputTokens + (call.provider.search_tokens * searches * (searches + 1)) / 2;
  const envelope = { ...envelopeOf(call, ask.model, inputTokens, endpoint.sse !== false), tier, searches };
  if (tier !== undefined) call.row.service_tier = tier;
  const rhythm = drawRhythm(call);
  if (await beforeHeaders(call, ask.stream, envelope)) return;
  if (ask.stream) return streamAnswer(call, ask, answers, envelope, rhythm);
  const outputTokens = envelope.empty ? 0 : answers.reduce((sum, answer) => sum + answer.outputTokens, 0);
  const waitMs = rhythm.firstTokenMs + outputTokens * rhythm.gapMs;
  return jsonAnswer(call, call.dialect.json(ask, answers, envelope), outputTokens, envelope, waitMs);
}

/** The tier that is asked for, if there is a price for it and room in it. */
function tierServed({ model, provider, random }: Call, { tier }: Ask): string | undefined {
  if (tier === undefined || model.tiers?.[tier] === undefined) return undefined;
  return random.next() < provider.tier_served ? tier : undefined;
}

/** Serves an embeddings call. */
export async function serveEmbeddings(call: Call, body: Body, endpoint: Endpoint & { kind: "embeddings" }): Promise<void> {
  const envelope = envelopeOf(call, call.row.model, 0, true);
  const made = call.dialect.embeddings(body, endpoint, envelope);
  if (typeof made === "string") return refuse(call, 400, call.dialect.error("bad-request", 400, made, envelope.requestId));
  const counted = { ...envelope, inputTokens: made.inputTokens };
  if (await beforeHeaders(call, false, counted)) return;
  return jsonAnswer(call, made.body, 0, counted, drawRhythm(call).firstTokenMs);
}

/** Serves what is no chat: made first, so that it is known what it costs. */
export async function serveMade(call: Call, make: (envelope: Envelope) => Made | string): Promise<void> {
  const bare = envelopeOf(call, call.row.model, 0, true);
  const made = make(bare);
  if (typeof made === "string") return refuse(call, 400, call.dialect.error("bad-request", 400, made, bare.requestId));
  const envelope = { ...bare, inputTokens: made.inputTokens };
  const counted = Object.keys(made.pieces).length === 0 ? call : { ...call, pieces: made.pieces };
  const rhythm = drawRhythm(counted);
  const { events } = made;
  if (await beforeHeaders(counted, events !== undefined, envelope)) return;
  if (events === undefined) return wholeAnswer(counted, made.type, made.data, made.outputTokens, envelope, rhythm.firstTokenMs);
  const frames = events.map((event, at): Frame => ({
    text: `data: ${JSON.stringify(event)}\n\n`, tokens: at === events.length - 1 ? made.outputTokens : 0,
    kind: at === events.length - 1 ? "tail" : "content", usage: at === events.length - 1,
  }));
  return streamFrames(counted, frames, envelope, rhythm);
}

/** Serves a question for the size of a prompt, which is free. */
export async function serveCount(call: Call, body: Body, endpoint: Endpoint & { kind: "count" }): Promise<void> {
  const envelope = envelopeOf(call, call.row.model, 0, true);
  const counted = call.dialect.count?.(body, endpoint) ?? "Nothing is counted here.";
  if (typeof counted === "string") return refuse(call, 400, call.dialect.error("bad-request", 400, counted, envelope.requestId));
  if (await beforeHeaders(call, false, envelope)) return;
  return jsonAnswer(call, counted, 0, envelope, drawRhythm(call).firstTokenMs);
}

/** Serves files and batches: what a batch is billed for it has when it ends. */
export async function serveKept(call: Call, look: (id: string) => KeptAnswer): Promise<void> {
  const envelope = envelopeOf(call, call.row.model, 0, true);
  if (await beforeHeaders(call, false, envelope)) return;
  const { status, message, body, type: told = "application/octet-stream" } = look(envelope.id);
  if (message !== undefined) return refuse(call, status, call.dialect.error(status === 404 ? "not-found" : "bad-request", status, message, envelope.requestId));
  const [type, data] = Buffer.isBuffer(body) ? [told, body] : ["application/json", JSON.stringify(body)];
  return wholeAnswer(call, type, data, 0, envelope, drawRhythm(call).firstTokenMs);
}

/** Answers with an error status; nothing is billed. */
export function refuse(call: Pick<Call, "exchange" | "row">, status: number, body: unknown, headers: Record<string, string> = {}): void {
  const text = typeof body === "string" ? body : JSON.stringify(body);
  call.row.status = status;
  call.row.outcome = call.exchange.gone ? "client_gone" : "refused";
  call.exchange.res.writeHead(status, { "content-type": "application/json", ...headers, "content-length": Buffer.byteLength(text) });
  call.exchange.res.end(text);
}

/** Dialects that tell what was written to a cache. */
const WRITES_TOLD: ReadonlySet<string> = new Set<ProviderConfig["dialect"]>(["anthropic-messages"]);

function envelopeOf(call: Call, model: string, inputTokens: number, sse: boolean): Envelope {
  const { kind } = call.fault;
  return {
    id: randomId(call.random, 24),
    requestId: `req_${randomId(call.random, 24)}`,
    model,
    created: Math.floor(call.row.at / 1000),
    inputTokens,
    cachedTokens: Math.floor(inputTokens * call.provider.cached_share),
    writtenTokens: WRITES_TOLD.has(call.provider.dialect) ? Math.floor(inputTokens * call.provider.written_share) : 0,
    tier: undefined,
    searches: 0,
    usage: kind === "missing_usage" || kind === "usage_missing" ? "missing" : kind === "duplicate_usage" ? "duplicate" : "normal",
    empty: kind === "empty_choices",
    simulated: call.provider.simulated,
    sse,
  };
}

interface Rhythm {
  readonly firstTokenMs: number;
  /** Between two tokens; 0: none. */
  readonly gapMs: number;
}

function drawRhythm({ fault, pace, random }: Call): Rhythm {
  const slow = fault.kind === "slow" ? fault : { first_token_ms: 0, rate_factor: 1 };
  const rate = draw(pace.tokenRate, random) * slow.rate_factor * pace.timeScale;
  return {
    firstTokenMs: (draw(pace.firstToken, random) + slow.first_token_ms) / pace.timeScale,
    gapMs: rate > 0 ? 1000 / rate : 0,
  };
}

/** Plays what happens before the headers. True: the call is over. */
async function beforeHeaders(call: Call, stream: boolean, envelope: Envelope): Promise<boolean> {
  const { exchange, row, fault, dialect } = call;
  switch (fault.kind) {
    case "status": {
      if (!(await exchange.sleep(fault.delay_ms ?? 0))) return left(call, 0);
      const type: Record<string, string> = fault.content_type === undefined ? {} : { "content-type": fault.content_type };
      refuse(call, fault.status, fault.body ?? dialect.error(errorClass(fault.status), fault.status, `simulated ${fault.status}`, envelope.requestId), {
        ...dialect.headers(envelope), ...type, ...fault.headers,
      });
      return true;
    }
    case "reset":
    case "refuse":
      if (!(await exchange.sleep(fault.kind === "reset" ? (fault.delay_ms ?? 0) : 0))) return left(call, 0);
      row.outcome = "reset";
      await exchange.reset();
      return true;
    case "stall_before_headers":
      return (await exchange.sleep(fault.for_ms ?? Infinity)) ? false : left(call, envelope.inputTokens);
    case "wrong_content_type":
      writePage(call, "text/html; charset=utf-8", "<html><head><title>Welcome</title></head><body>It works.</body></html>");
      return true;
    case "empty_body":
      writePage(call, stream ? "text/event-stream; charset=utf-8" : "application/json", "");
      return true;
    default:
      return false;
  }
}

/** A 200 that no model wrote: an edge in front of it did. Nothing is billed. */
function writePage({ exchange, row }: Call, type: string, text: string): void {
  row.status = 200;
  row.outcome = text === "" ? "empty" : "garbled";
  exchange.res.writeHead(200, { "content-type": type, "content-length": Buffer.byteLength(text) });
  exchange.res.end(text);
}

/** The client left (or the fleet stopped) before the headers. */
function left({ exchange, row, provider, pieces }: Call, inputTokens: number): true {
  row.outcome = exchange.stopped ? "stopped" : "client_gone";
  if (provider.bills_on_abort) row.input_tokens = inputTokens;
  if (provider.bills_on_abort && pieces !== undefined) row.units = pieces;
  return true;
}

function billPrompt({ row, pieces }: Call, envelope: Envelope): void {
  if (pieces !== undefined) row.units = pieces;
  row.status = 200;
  row.input_tokens = envelope.inputTokens;
  row.cached_tokens = envelope.cachedTokens;
  if (envelope.writtenTokens > 0) row.written_tokens = envelope.writtenTokens;
}

async function streamAnswer(
  call: Call, ask: Ask, answers: readonly Answer[], envelope: Envelope, rhythm: Rhythm,
): Promise<void> {
  return streamFrames(call, call.dialect.frames(ask, answers, envelope), envelope, rhythm);
}

async function streamFrames(call: Call, frames: Iterable<Frame>, envelope: Envelope, rhythm: Rhythm): Promise<void> {
  const { exchange, row, fault, provider, dialect } = call;
  if (provider.headers_with === "first_token" && !(await exchange.sleep(rhythm.firstTokenMs))) {
    left(call, envelope.inputTokens);
    return;
  }
  billPrompt(call, envelope);
  exchange.res.writeHead(200, {
    "content-type": envelope.sse ? "text/event-stream; charset=utf-8" : "application/json; charset=utf-8",
    "cache-control": "no-cache",
    ...dialect.headers(envelope),
  });
  exchange.res.flushHeaders();
  const firstTokenMs = provider.headers_with === "first_token" ? 0 : rhythm.firstTokenMs;
  const ended = await playFrames(call, frames, { ...rhythm, firstTokenMs });
  if (ended === "faulted") return;
  if (ended === "gone" || exchange.gone) {
    row.outcome = exchange.stopped ? "stopped" : "client_gone";
    if (row.output_tokens === 0 && !provider.bills_on_abort) [row.input_tokens, row.cached_tokens, row.written_tokens] = [0, 0, 0];
    return;
  }
  exchange.res.end();
  row.outcome = envelope.empty ? "empty" : fault.kind === "malformed_event" || fault.kind === "malformed_json" ? "garbled" : "answered";
}

/** Writes the frames one by one. faulted: the stream was ended on purpose and the outcome is set. */
async function playFrames(call: Call, frames: Iterable<Frame>, rhythm: Rhythm): Promise<"whole" | "faulted" | "gone"> {
  const { exchange, row, fault } = call;
  const hitAt = hitEvent(fault);
  let seen = 0;
  let struck = hitAt === undefined;
  let dueMs = 0;
  for (const frame of frames) {
    const now = performance.now();
    if (!struck && (frame.kind === "tail" || (frame.kind === "content" && seen === hitAt))) {
      struck = true;
      const next = await strike(call, frame);
      if (next !== "go-on") return next === "gone" ? "gone" : "faulted";
      if (fault.kind === "malformed_event" || fault.kind === "malformed_json") {
        seen += 1;
        continue;
      }
    }
    if (frame.kind === "content") {
      // A schedule and not a sum of sleeps: timers that fire late do not slow the stream down.
      const tokens = Math.max(1, frame.tokens);
      dueMs = seen === 0 ? now + rhythm.firstTokenMs + (tokens - 1) * rhythm.gapMs : dueMs + tokens * rhythm.gapMs;
      if (dueMs > now ? !(await exchange.sleep(dueMs - now)) : !(await exchange.turn())) return "gone";
      seen += 1;
    }
    if (!(await writeFrame(exchange, frame.text, fault))) return "gone";
    row.output_tokens += frame.tokens;
    if (frame.usage) row.usage_sent = !exchange.gone;
  }
  return "whole";
}

/** The content event before which a fault strikes. */
function hitEvent(fault: Fault): number | undefined {
  switch (fault.kind) {
    case "stall_mid_stream": case "cut_reset": case "cut_clean": case "cut_fin": return fault.after;
    case "malformed_event": case "error_event": return fault.at;
    case "stall_before_content": case "malformed_json": return 0;
    case "truncated_json": return 1;
    default: return undefined;
  }
}

async function strike(call: Call, frame: Frame): Promise<"go-on" | "gone" | "faulted"> {
  const { exchange, row, fault, dialect } = call;
  switch (fault.kind) {
    case "stall_before_content":
    case "stall_mid_stream":
      return (await exchange.sleep(fault.for_ms ?? Infinity)) ? "go-on" : "gone";
    case "cut_reset":
      row.outcome = "cut";
      await exchange.reset();
      return "faulted";
    case "cut_clean":
      row.outcome = "cut";
      exchange.res.end();
      return "faulted";
    case "cut_fin":
      row.outcome = "cut";
      exchange.fin();
      return "faulted";
    case "truncated_json":
      row.outcome = "cut";
      if (fault.clean) exchange.res.end();
      else exchange.fin();
      return "faulted";
    case "error_event":
      row.outcome = "errored";
      exchange.res.end(dialect.errorFrame(fault.type, fault.message));
      return "faulted";
    case "malformed_event":
    case "malformed_json":
      if (!(await exchange.write(breakFrame(frame.text)))) return "gone";
      row.output_tokens += frame.tokens;
      return "go-on";
    default:
      return "go-on";
  }
}

/** The same event with its JSON ended in the middle. */
function breakFrame(text: string): string {
  const body = text.trimEnd();
  const data = body.lastIndexOf("data: ") + 6;
  return `${body.slice(0, data + Math.max(1, Math.floor((body.length - data) * 0.6)))}\n\n`;
}

async function writeFrame(exchange: Exchange, data: string | Buffer, fault: Fault): Promise<boolean> {
  if (fault.kind !== "slow_drip") return exchange.write(data);
  const size = Math.max(1, Math.ceil(data.length / fault.pieces));
  for (let at = 0; at < data.length; at += size) {
    if (!(await exchange.write(part(data, at, at + size)))) return false;
    if (!(await exchange.sleep(fault.delay_ms))) return false;
  }
  return true;
}

function part<T extends string | Buffer>(data: T, from: number, to: number): T {
  return (typeof data === "string" ? data.slice(from, to) : data.subarray(from, to)) as T;
}

function jsonAnswer(call: Call, value: unknown, outputTokens: number, envelope: Envelope, waitMs: number): Promise<void> {
  return wholeAnswer(call, "application/json", JSON.stringify(value), outputTokens, envelope, waitMs);
}

/** Sends a whole answer, or what the fault leaves of it. */
async function wholeAnswer(call: Call, type: string, text: string | Buffer, outputTokens: number, envelope: Envelope, waitMs: number): Promise<void> {
  const { exchange, row, fault, dialect } = call;
  const headers = { "content-type": type, ...dialect.headers(envelope) };
  if (fault.kind === "stall_before_content") {
    billPrompt(call, envelope);
    exchange.res.writeHead(200, headers);
    exchange.res.flushHeaders();
    if (!(await exchange.sleep(fault.for_ms ?? Infinity))) return void left(call, envelope.inputTokens);
  }
  if (!(await exchange.sleep(waitMs))) return void left(call, envelope.inputTokens);
  billPrompt(call, envelope);
  if (await brokenJson(call, text, outputTokens, headers)) return;
  if (fault.kind === "slow_drip") {
    exchange.res.writeHead(200, { ...headers, "content-length": Buffer.byteLength(text) });
    if (!(await writeFrame(exchange, text, fault))) return void left(call, envelope.inputTokens);
    exchange.res.end();
  } else if (exchange.res.headersSent) exchange.res.end(text);
  else {
    exchange.res.writeHead(200, { ...headers, "content-length": Buffer.byteLength(text) });
    exchange.res.end(text);
  }
  row.output_tokens = outputTokens;
  row.usage_sent = envelope.usage !== "missing" && !exchange.gone;
  row.outcome = exchange.gone ? "client_gone" : envelope.empty ? "empty" : "answered";
}

/** Plays the faults that spoil a JSON body. True: the call is over. A part of the body bills its part of the tokens. */
async function brokenJson(call: Call, text: string | Buffer, outputTokens: number, headers: Record<string, string>): Promise<boolean> {
  const { exchange, row, fault, dialect } = call;
  const { res } = exchange;
  const middle = Math.floor(text.length / 2);
  const half = part(text, 0, middle);
  switch (fault.kind) {
    case "malformed_json":
    case "malformed_event": {
      const broken = text.toString("latin1").replace(/"(choices|content|candidates|data)":/, '"$1" ');
      row.output_tokens = outputTokens;
      row.outcome = "garbled";
      res.writeHead(200, { ...headers, "content-length": Buffer.byteLength(broken) });
      res.end(broken);
      return true;
    }
    case "error_event":
      row.outcome = "errored";
      res.writeHead(200, headers);
      res.end(JSON.stringify(dialect.error("server", 500, fault.message ?? "simulated error in a 200", "")));
      return true;
    case "cut_clean":
    case "cut_fin":
    case "cut_reset":
    case "truncated_json":
    case "stall_mid_stream": {
      const clean = fault.kind === "cut_clean" || (fault.kind === "truncated_json" && fault.clean);
      row.output_tokens = Math.floor(outputTokens / 2);
      res.writeHead(200, clean ? headers : { ...headers, "content-length": Buffer.byteLength(text) });
      const alive = await exchange.write(half);
      if (fault.kind === "stall_mid_stream") {
        if (!alive || !(await exchange.sleep(fault.for_ms ?? Infinity))) {
          row.outcome = exchange.stopped ? "stopped" : "client_gone";
          return true;
        }
        row.output_tokens = outputTokens;
        row.usage_sent = true;
        row.outcome = "answered";
        res.end(part(text, middle, text.length));
        return true;
      }
      row.outcome = "cut";
      if (fault.kind === "cut_reset") await exchange.reset();
      else if (clean) res.end();
      else exchange.fin();
      return true;
    }
    default:
      return false;
  }
}

function errorClass(status: number): "auth" | "bad-request" | "not-found" | "rate-limit" | "overloaded" | "server" {
  if (status === 401 || status === 403) return "auth";
  if (status === 404) return "not-found";
  if (status === 429) return "rate-limit";
  if (status === 503 || status === 529) return "overloaded";
  return status >= 500 ? "server" : "bad-request";
}
