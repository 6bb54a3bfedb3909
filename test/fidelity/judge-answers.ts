/** The features of answers: what the upstream says for each, and what must reach the client. */
import { isDeepStrictEqual } from "node:util";
import type { Target } from "../../src/providers/dialects/dialect.ts";
import type { DialectId } from "../../src/wire/facts.ts";
import type { JsonObject } from "../../src/wire/json.ts";
import { deliver } from "./answers.ts";
import { passes } from "./expected.ts";
import type { AnswerFeature } from "./features.ts";
import type { Gateway, Upstream } from "./gateway.ts";
import { ANSWER, TOOL } from "./marks.ts";
import { READERS } from "./readers/index.ts";
import { NOTHING_SEEN, type Reader, type Seen, type SeenChoice } from "./readers/spec.ts";
import type { Found } from "./requests.ts";
import type { SurfaceSpec } from "./surfaces/spec.ts";
import { blockedPrompt } from "./writers/gemini.ts";
import { WRITERS } from "./writers/index.ts";
import { event, LOGPROBS, type AnswerSpec, type Piece, type Told } from "./writers/spec.ts";

const text: Piece = { kind: "text", text: ANSWER.text };
const reasoning: Piece = { kind: "reasoning", text: ANSWER.reasoning };
const signed: Piece = { ...reasoning, signature: ANSWER.signature };
const redacted: Piece = { kind: "redacted", data: ANSWER.redacted };
const call: Piece = { kind: "call", id: TOOL.callId, name: TOOL.name, args: TOOL.input };
const second: Piece = { kind: "call", id: TOOL.secondId, name: TOOL.name, args: TOOL.secondInput };
const BOTH_CALLS = [{ id: TOOL.callId, name: TOOL.name, input: TOOL.input }, { id: TOOL.secondId, name: TOOL.name, input: TOOL.secondInput }];
const one = (finish: AnswerSpec["finish"], ...pieces: readonly Piece[]): AnswerSpec => ({ choices: [pieces], finish });

/** An answer with opaque state of its maker, and one call. */
export const SIGNED_TURN = one("calls", signed, call);
export const REDACTED_TURN = one("calls", redacted, call);

const SPECS: Readonly<Record<Exclude<AnswerFeature, "blocked-prompt">, AnswerSpec>> = {
  "text-out": one("stop", text),
  "reasoning-out": one("stop", reasoning, text),
  "signature-out": SIGNED_TURN,
  "redacted-out": REDACTED_TURN,
  "tool-call-out": one("calls", call),
  "parallel-calls-out": one("calls", call, second),
  "zero-argument-call": one("calls", { ...call, args: null }),
  "refusal-out": one("stop", { kind: "refusal", text: ANSWER.refusal }),
  "length-finish": one("length", text),
  "filter-finish": one("filter", text),
  "usage-classes": one("stop", reasoning, text),
  "several-choices": { choices: [[text], [{ kind: "text", text: ANSWER.refusal }]], finish: "stop" },
  "logprobs-out": { ...one("stop", text), logprobs: true },
};

/** The answer of a dialect for a feature, in its own words. */
export function upstreamAnswer(feature: AnswerFeature, dialect: DialectId): Upstream {
  if (feature === "blocked-prompt") return { json: blockedPrompt(), events: [event("", blockedPrompt())] };
  return written(SPECS[feature], dialect);
}

/** Any answer in a dialect's own words. */
export function written(answer: AnswerSpec, dialect: DialectId): Upstream {
  return { json: WRITERS[dialect].json(answer), events: WRITERS[dialect].stream(answer) };
}

/** Judge one feature of an answer; the whole answer and the stream must agree. */
export async function judgeAnswer(gateway: Gateway, feature: AnswerFeature, spec: SurfaceSpec, dialect: DialectId, target: Target, upstream: Upstream): Promise<Found> {
  const raw = askingFor(feature, spec);
  const words: string[] = [];
  const said = new Set<string>();
  for (const stream of [false, true]) {
    const arrived = await deliver(gateway, spec.surface, raw, target, upstream, stream);
    const word = seen(feature, READERS[spec.surface], arrived.answer, WRITERS[dialect].told, passes(spec.surface, dialect));
    const aside = word === "lost" && feature === "signature-out" && (await gateway.keepsAside(TOOL.callId, ANSWER.signature));
    words.push(aside ? "emulated" : word);
    for (const warning of arrived.warnings) said.add(warning);
  }
  const [whole = "lost", streamed = "lost"] = words;
  return { word: whole === streamed ? whole : `${whole}, as a stream ${streamed}`, said: [...said] };
}

/** A request that asks to be told all of it. */
export function askingFor(feature: AnswerFeature | null, spec: SurfaceSpec): JsonObject {
  const own = feature === "logprobs-out" ? spec.asks.logprobs : feature === "several-choices" ? spec.asks.n : undefined;
  return { ...spec.base, ...spec.listening, ...spec.asks["tool-definition"], ...own };
}

/** `passed`: the bytes are the provider's own, so what it sends for nothing stays as it is. */
function seen(feature: AnswerFeature, reader: Reader, answer: JsonObject, told: Told, passed: boolean): string {
  const { choices, usage } = reader.read(answer);
  const [choice = NOTHING_SEEN] = choices;
  const carried = (holds: boolean): string => (holds ? "carried" : "lost");
  switch (feature) {
    case "text-out":
      return carried(choice.text === ANSWER.text && choice.finish === reader.finish.stop);
    case "reasoning-out":
      return choice.reasoning === ANSWER.reasoning && choice.text === ANSWER.text ? (reader.reasoningBeside === true ? "emulated" : "carried") : "lost";
    case "signature-out":
      return opaque(choice.signatures, ANSWER.signature, answer);
    case "redacted-out":
      return opaque(choice.redacted, ANSWER.redacted, answer);
    case "tool-call-out":
      return carried(called(choice, TOOL.input) && choice.finish === reader.finish.calls);
    case "parallel-calls-out":
      return carried(isDeepStrictEqual(choice.calls, BOTH_CALLS) && choice.finish === reader.finish.calls);
    case "zero-argument-call":
      return carried(called(choice, {}) || (passed && sentNoArguments(choice)));
    case "refusal-out":
      return choice.refusal === ANSWER.refusal ? "carried" : choice.text === ANSWER.refusal ? "emulated" : "lost";
    case "length-finish":
      return carried(choice.finish === reader.finish.length && choice.text === ANSWER.text);
    case "filter-finish":
    case "blocked-prompt":
      return choice.finish === reader.finish.filter || promptWasBlocked(answer) ? "carried" : choice.finish === reader.nearest?.filter ? "emulated" : "lost";
    case "usage-classes":
      return carried(usage !== null && countsAgree(usage, told));
    case "several-choices":
      return carried(choices.length === 2 && choices[0]?.text === ANSWER.text && choices[1]?.text === ANSWER.refusal);
    case "logprobs-out":
      return carried(isDeepStrictEqual(choice.logprobs, LOGPROBS) && choice.text === ANSWER.text);
  }
}

function called(choice: SeenChoice, input: JsonObject): boolean {
  return isDeepStrictEqual(choice.calls, [{ id: TOOL.callId, name: TOOL.name, input }]);
}

function sentNoArguments({ calls: [call] }: SeenChoice): boolean {
  return call?.name === TOOL.name && (call.input === null || call.input === "not JSON: ");
}

/** The protocol's own form of a blocked prompt: no candidate, and why. */
function promptWasBlocked(answer: JsonObject): boolean {
  return answer["promptFeedback"] !== undefined;
}

/** In its own field, or anywhere in the answer under a wrapping. */
function opaque(fields: readonly string[], state: string, answer: JsonObject): string {
  return fields.includes(state) ? "carried" : isInside(answer, state) ? "emulated" : "lost";
}

/** Does this text stand in any string of the answer, bare or in base64, however often wrapped? */
export function isInside(value: unknown, wanted: string, depth = 0): boolean {
  if (typeof value === "string") {
    if (value.includes(wanted)) return true;
    if (depth > 3) return false;
    return [...value.matchAll(/[A-Za-z0-9+/_-]{16,}=*/g)].some(([text]) => isInside(Buffer.from(text, "base64").toString("utf8"), wanted, depth + 1));
  }
  if (typeof value !== "object" || value === null) return false;
  return Object.values(value).some((one) => isInside(one, wanted, depth));
}

/** Each class that the surface has is as it was told; what it has no field for is inside the sum that it belongs to. */
function countsAgree(usage: NonNullable<Seen["usage"]>, told: Told): boolean {
  const classes = { cacheRead: told.cacheRead ?? 0, cacheWrite: told.cacheWrite ?? 0, reasoning: told.reasoning ?? 0 };
  const input = told.input + (usage.cacheRead === null ? classes.cacheRead : 0) + (usage.cacheWrite === null ? classes.cacheWrite : 0);
  const output = told.output + (usage.reasoning === null ? classes.reasoning : 0);
  const wanted = {
    input, output,
    cacheRead: usage.cacheRead === null ? null : classes.cacheRead, cacheWrite: usage.cacheWrite === null ? null : classes.cacheWrite, reasoning: usage.reasoning === null ? null : classes.reasoning,
  };
  return isDeepStrictEqual({ ...usage }, wanted);
}
