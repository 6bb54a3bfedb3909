/**
 * Carrying on an answer that broke off: which answers may be, what the next deployment is shown of it, and how what it goes on
 * with is joined to what the client has seen. Pure; docs/rescue.md says the same in words.
 */
import type { ChatRequest } from "../wire/chat.ts";
import type { StreamEvent } from "../wire/events.ts";
import type { Outcome } from "../wire/outcome.ts";
import { boundNanoUsd, TOKENS_PER_MESSAGE } from "./bound.ts";
import type { Candidate } from "./choose.ts";
import type { RequestShape } from "./deployment.ts";
import { unpriced, withExtras } from "./extras.ts";
import { piecesBoundNanoUsd } from "./pieces.ts";

/** So often is one answer carried on. */
export const MAX_RESCUES = 2;

/** Failures of an answer that another deployment may not share. One beyond all bounds would be so again. */
export function isBreak(outcome: Outcome): outcome is Extract<Outcome, { kind: "failed" }> {
  return outcome.kind === "failed" && outcome.phase === "after-content" && outcome.fault === "provider" && outcome.error.class !== "too_large";
}

/** May the answer to this request be carried on, as far as it is text? What has a form of its own, or comes in several, may not. */
export function mayCarryOn(request: ChatRequest): boolean {
  if (!request.stream || request.choiceCount > 1 || request.logprobs === true) return false;
  if (request.responseFormat !== undefined && request.responseFormat.kind !== "text") return false;
  if (request.toolChoice !== undefined && request.toolChoice.kind !== "none" && request.toolChoice.kind !== "auto") return false;
  // What the client itself began is not told apart from what was answered.
  return request.messages.at(-1)?.role !== "assistant";
}

/** Members of a choice that belong to single tokens, or to sound: they cannot be gone on with. */
const OF_TOKENS = /(?:^|\.)(?:logprobs|audio)$/;

/** What a client has seen of an answer. Shown every event that is written for it. */
export class Seen {
  #pieces: string[] = [];
  /** Something else than finished reasoning and text. */
  #other = false;
  #reasoning = false;

  note(event: StreamEvent): void {
    if (event.kind === "text") {
      if (event.text === "") return;
      this.#pieces.push(event.text);
      this.#reasoning = false;
      if (event.choice !== 0) this.#other = true;
    } else if (event.kind === "reasoning") this.#reasoning ||= event.text !== "";
    else if (event.kind === "choice-extra") this.#other ||= OF_TOKENS.test(event.key);
    else if (event.kind === "tool-start" || event.kind === "tool-arguments" || event.kind === "refusal" || event.kind === "finish") this.#other = true;
  }

  /** The text so far; null: it cannot be carried on. */
  get text(): string | null {
    if (this.#other || this.#reasoning) return null;
    const text = this.#pieces.join("");
    this.#pieces = [text];
    return shownOf(text) === "" ? null : text;
  }
}

/**
 * What the next deployment is shown of a text: all but what ends it without being seen, since providers refuse a last turn that
 * ends in white space, and half of a character is none.
 */
export function shownOf(text: string): string {
  let shown = text;
  for (;;) {
    const trimmed = shown.trimEnd();
    const last = trimmed.charCodeAt(trimmed.length - 1);
    shown = last >= 0xd800 && last < 0xdc00 ? trimmed.slice(0, -1) : trimmed;
    if (shown.length === trimmed.length) return shown;
  }
}

/** A token is rarely shorter in what is limited: prose, code. */
const BYTES_PER_TOKEN = 4;
/** Less than this no provider takes. */
const LEAST_TOKENS = 16;

/** What is left of an output limit once so much text has come. */
export function restOfLimit(limitTokens: number, textBytes: number): number {
  return Math.min(limitTokens, Math.max(LEAST_TOKENS, limitTokens - Math.floor(textBytes / BYTES_PER_TOKEN)));
}

/** A candidate that is to carry on an answer of so many bytes: it reads them as well, and they count against its limit no more than once. */
export function carrying(candidate: Candidate, shape: RequestShape, textBytes: number, wallMs: number): Candidate {
  const { deployment, inputBoundTokens, outputLimit } = candidate;
  const inputTokens = inputBoundTokens === null ? null : inputBoundTokens + textBytes + TOKENS_PER_MESSAGE;
  const size = { inputTokens, outputTokens: outputLimit?.tokens ?? shape.maxOutputTokens ?? deployment.maxOutput, choiceCount: shape.choiceCount };
  const { extras, pieces } = shape;
  let bound: number | null = null;
  if (shape.unbounded === true) bound = null;
  else if (pieces !== undefined) bound = piecesBoundNanoUsd(deployment.pricing, pieces, size, wallMs);
  else if (extras === undefined) bound = boundNanoUsd(deployment.pricing, size, wallMs);
  else if (unpriced(deployment, extras, wallMs) === null) bound = boundNanoUsd(deployment.pricing, withExtras(size, extras), wallMs);
  return { ...candidate, inputBoundTokens: inputTokens, boundNanoUsd: bound };
}

/** From so many characters on, a beginning that repeats the end of what was there is an echo and no coincidence. */
export const ECHO_CHARS = 24;
/** So far back is looked for the beginning of an echo. */
const ECHO_REACH_CHARS = 4_096;

/**
 * Joins what goes on to what was seen. An exact echo of the end of what was there is left out, and of the white space (or half
 * character) that was seen and not sent what comes again. What may still become an echo is held until it is decided.
 */
export class Joint {
  /** Sent, as far back as an echo may begin. */
  readonly #shown: string;
  /** Seen and not sent. */
  #tail: string;
  /** The provider begins with all that it was sent. */
  readonly #repeats: boolean;
  #held = "";
  #state: "echo" | "tail" | "open" = "echo";

  /** `repeats`: the provider's answer begins with what it was shown. */
  constructor(seen: string, repeats: boolean) {
    const shown = shownOf(seen);
    this.#shown = repeats ? shown : shown.slice(-ECHO_REACH_CHARS);
    this.#tail = seen.slice(shown.length);
    this.#repeats = repeats;
  }

  /** What of it is to be told now. */
  push(text: string): string {
    if (this.#state === "open") return text;
    this.#held += text;
    if (this.#state === "echo") {
      const echo = this.#repeats ? this.#whole() : this.#partial(false);
      if (echo === null) return "";
      this.#passEcho(echo);
    }
    return this.#joinTail(false);
  }

  /** The text has ended: what is held is decided by what is there. */
  end(): string {
    if (this.#state === "open") return "";
    if (this.#state === "echo") this.#passEcho(this.#repeats ? (this.#whole() ?? this.#held.length) : (this.#partial(true) ?? 0));
    return this.#joinTail(true);
  }

  #passEcho(chars: number): void {
    this.#held = this.#held.slice(chars);
    this.#state = "tail";
  }

  /** How long the echo of all that was sent is; 0: there is none; null: not decided. */
  #whole(): number | null {
    const { length } = this.#shown;
    if (this.#held.length < length) return this.#shown.startsWith(this.#held) ? null : 0;
    return this.#held.startsWith(this.#shown) ? length : 0;
  }

  /** How long the echo of the end is; 0: there is none; null: not decided. `over`: no more comes. */
  #partial(over: boolean): number | null {
    const shown = this.#shown;
    const held = this.#held;
    const last = shown.length - ECHO_CHARS;
    let longest = 0;
    for (let at = shown.indexOf(held.slice(0, ECHO_CHARS)); at >= 0 && at <= last; at = shown.indexOf(held.slice(0, ECHO_CHARS), at + 1)) {
      const length = shown.length - at;
      if (held.length < length) {
        if (!over && shown.startsWith(held, at)) return null;
      } else if (longest === 0 && held.startsWith(shown.slice(at))) longest = length;
    }
    return longest > 0 && !repeatsItself(shown, longest) ? longest : 0;
  }

  #joinTail(over: boolean): string {
    const tail = this.#tail;
    let same = 0;
    while (same < tail.length && same < this.#held.length && tail[same] === this.#held[same]) same++;
    if (!over && same === this.#held.length && same < tail.length) return "";
    const told = this.#held.slice(same);
    this.#held = this.#tail = "";
    this.#state = "open";
    return told;
  }
}

/** Does the end of a text repeat itself, so that once more may well be what was meant? */
function repeatsItself(text: string, chars: number): boolean {
  const end = text.slice(-chars);
  if (text.indexOf(end) < text.length - chars) return true;
  // The shortest period of the end, by the lengths of its borders.
  const borders = new Int32Array(end.length);
  for (let at = 1, border = 0; at < end.length; at++) {
    while (border > 0 && end[at] !== end[border]) border = borders[border - 1] as number;
    if (end[at] === end[border]) border++;
    borders[at] = border;
  }
  return end.length - (borders[end.length - 1] as number) <= end.length / 2;
}
