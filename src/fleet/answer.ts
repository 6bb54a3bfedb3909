/** What a simulated model says: words, a tool call, or JSON, cut into tokens. */
import type { Ask } from "./ask.ts";
import { randomId, type Random } from "./random.ts";
import { exampleOf } from "./schema.ts";

export interface ToolCall {
  readonly id: string;
  readonly name: string;
  /** The arguments' JSON in fragments, one token each; the call's own start is one token more. */
  readonly pieces: readonly string[];
}

export type Finish = "stop" | "length" | "tool" | "stop-sequence";

export interface Answer {
  readonly thoughts: readonly string[];
  /** Opaque proof of the thoughts, to be sent back by the client. */
  readonly signature: string;
  /** Text, one token a piece. */
  readonly pieces: readonly string[];
  readonly calls: readonly ToolCall[];
  readonly finish: Finish;
  readonly stopSequence?: string | undefined;
  /** Thoughts, pieces, call starts and fragments. */
  readonly outputTokens: number;
}

export interface AnswerOptions {
  /** Tokens that the model would write if no one limited it. */
  readonly wantedTokens: number;
  readonly thoughts: number;
  readonly parallelTools: number;
  /** Scripted calls, of tools that may be offered or not. */
  readonly toolCalls?: readonly { readonly name: string; readonly arguments: Readonly<Record<string, unknown>> }[] | undefined;
  readonly simulated: boolean;
  /** The limit that is asked is not kept. */
  readonly ignoresLimits: boolean;
}

/** All that a model says, from anywhere in it on, over and over. */
export const WORDS = (
  "the river rises behind the wall and the water finds its way over the spill where it does no harm while engineers " +
  "watch the level open one gate then another and count what flows each hour until the rain ends and the lake is still"
).split(" ");

const THOUGHTS = 12;

/** Draws one answer. */
export function composeAnswer(ask: Ask, options: AnswerOptions, random: Random): Answer {
  const limit = options.ignoresLimits ? Infinity : (ask.maxTokens ?? Infinity);
  const wantedThoughts = ask.thinking !== "none" ? Math.max(options.thoughts, THOUGHTS) : options.thoughts;
  const thoughts = words(wantedThoughts, random).slice(0, Math.max(0, limit - 1));
  const room = Math.max(1, limit - thoughts.length);
  const signature = thoughts.length > 0 ? Buffer.from(`spillway-fleet:${randomId(random, 24)}`).toString("base64") : "";
  if (offered(ask, options).length > 0) return callTools(ask, options, thoughts, signature, room, random);
  const whole = text(ask, options, random);
  const stopped = stopAt(whole, ask.stops);
  const pieces = stopped.pieces.slice(0, room);
  const finish: Finish = pieces.length < stopped.pieces.length ? "length" : stopped.hit === undefined ? "stop" : "stop-sequence";
  const stopSequence = finish === "stop-sequence" ? stopped.hit : undefined;
  return { thoughts, signature, pieces, calls: [], finish, stopSequence, outputTokens: thoughts.length + pieces.length };
}

/** Tools that this answer may call: those of the script where there is one. */
function offered(ask: Ask, { toolCalls }: AnswerOptions): Ask["tools"] {
  return toolCalls === undefined ? ask.tools : ask.tools.filter((tool) => toolCalls.some((one) => one.name === tool.name));
}

function callTools(
  ask: Ask, options: AnswerOptions, thoughts: readonly string[], signature: string, room: number, random: Random,
): Answer {
  let left = room;
  const calls: ToolCall[] = [];
  let finish: Finish = "tool";
  for (const tool of offered(ask, options).slice(0, options.parallelTools)) {
    if (left <= 0) break;
    const scripted = options.toolCalls?.find((one) => one.name === tool.name);
    const pieces = fragments(JSON.stringify(scripted?.arguments ?? exampleOf(tool.schema, random)));
    const kept = pieces.slice(0, left - 1);
    if (kept.length < pieces.length) finish = "length";
    calls.push({ id: randomId(random, 24), name: tool.name, pieces: kept });
    left -= kept.length + 1;
  }
  const called = calls.reduce((sum, call) => sum + 1 + call.pieces.length, 0);
  return { thoughts, signature, pieces: [], calls, finish, outputTokens: thoughts.length + called };
}

function text(ask: Ask, options: AnswerOptions, random: Random): readonly string[] {
  if (ask.schema !== undefined) {
    const value = exampleOf(ask.schema, random);
    const empty = typeof value === "string" || Object.keys(value ?? {}).length === 0;
    return fragments(JSON.stringify(empty && JSON.stringify(ask.schema) === "{}" ? { answer: "the water is still" } : value));
  }
  const begin = options.simulated ? ["[simulated] "] : [];
  if (ask.toolResult !== undefined) return [...begin, "The ", "tool ", "says: ", ...tokensOf(ask.toolResult)];
  if (ask.begun !== undefined) return goingOn(ask.begun, options.wantedTokens, random);
  return [...begin, ...words(Math.max(1, options.wantedTokens), random)];
}

/** What is left of an answer of so many words. A beginning that is not the fleet's is followed by all of an answer. */
function goingOn(begun: string, count: number, random: Random): string[] {
  const said = begun.split(/\s+/).filter((word) => word !== "");
  const from = WORDS.findIndex((_, at) => said.length > 0 && said.every((word, i) => word === WORDS[(at + i) % WORDS.length]));
  if (from < 0) return words(Math.max(1, count), random);
  const rest = Array.from({ length: Math.max(0, count - said.length) }, (_, at) => `${WORDS[(from + said.length + at) % WORDS.length]} `);
  // A model goes on where the text ends: with the blank that is not there yet.
  return rest.map((piece, at) => (at === 0 && !/\s$/.test(begun) ? ` ${piece}` : piece));
}

function words(count: number, random: Random): string[] {
  const from = Math.floor(random.next() * WORDS.length);
  return Array.from({ length: count }, (_, at) => `${WORDS[(from + at) % WORDS.length]} `);
}

/** Splits a text into words, each with the blank after it; joined they are the text again. */
export function tokensOf(given: string): string[] {
  return given.match(/\s*\S+\s?|\s+$/g) ?? [];
}

function fragments(json: string): string[] {
  return json.match(/[\s\S]{1,6}/gu) ?? [];
}

/** Ends the text before the first stop sequence in it. */
function stopAt(pieces: readonly string[], stops: readonly string[]): { pieces: readonly string[]; hit?: string } {
  if (stops.length === 0) return { pieces };
  const whole = pieces.join("");
  let end = -1;
  let hit: string | undefined;
  for (const stop of stops) {
    const at = stop === "" ? -1 : whole.indexOf(stop);
    if (at >= 0 && (end < 0 || at < end)) [end, hit] = [at, stop];
  }
  if (hit === undefined) return { pieces };
  const kept: string[] = [];
  let length = 0;
  for (const piece of pieces) {
    if (length >= end) break;
    kept.push(piece.slice(0, end - length));
    length += piece.length;
  }
  return { pieces: kept, hit };
}
