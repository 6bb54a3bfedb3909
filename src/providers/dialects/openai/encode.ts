/** Puts the hub's answer into Chat Completions form: chunks of a stream, a whole completion, usage, errors. */
import { ERRORS } from "../../../wire/errors.ts";
import type { GatewayError } from "../../../wire/errors.ts";
import type { FinishReason, StreamEvent } from "../../../wire/events.ts";
import { isObject } from "../../../wire/json.ts";
import type { Json, JsonObject } from "../../../wire/json.ts";
import { cacheWriteTokens, inputTokens, outputTokens } from "../../../wire/usage.ts";
import type { Usage } from "../../../wire/usage.ts";
import { DELTA_EXTRA } from "./decode.ts";

/** What the client sees of the answer: ours, not the upstream's. */
export interface AnswerHead {
  readonly id: string;
  readonly model: string;
  /** Seconds since 1970. */
  readonly createdS: number;
}

const SERVICE_TIERS = new Set(["auto", "default", "flex", "scale", "priority", "fast"]);

/**
 * OpenAI's word. It has none for a provider that gave up: `length` is the one that says the answer is not whole;
 * `native_finish_reason` beside it has the truth. (The pipeline fails such attempts before they get here.)
 */
function wireReason(reason: FinishReason): string {
  return reason === "error" ? "length" : reason;
}

type SignatureEvent = Extract<StreamEvent, { kind: "signature" }>;

/** A reasoning block with its proof: another maker would refuse a whole conversation for a `signature` that is not its own. */
function signedBlock(thinking: string, { signature, inExtraContent }: SignatureEvent): JsonObject {
  return { type: "thinking", thinking, ...(inExtraContent === true ? signatureContent(signature) : { signature }) };
}

/** Members of `extra_content` that carry a Gemini thought signature in band. */
function signatureContent(thoughtSignature: string | undefined): JsonObject {
  return thoughtSignature === undefined ? {} : { extra_content: { google: { thought_signature: thoughtSignature } } };
}

interface OpenChoice {
  /** Reasoning since the last signature: the block that the signature closes. */
  reasoning: string;
  /** Members waiting for the next chunk of this choice. */
  extras: Map<string, Json>;
  deltaExtras: Map<string, Json>;
  /** Text of a chunk up to its value, and after it, by delta member. */
  prefixes: Map<string, string>;
}

/** Turns events into `chat.completion.chunk` objects. One per answer; the caller frames them and sends `[DONE]`. */
export class ChunkEncoder {
  readonly #head: AnswerHead;
  readonly #includeUsage: boolean;
  readonly #bothFields: boolean;
  readonly #choices = new Map<number, OpenChoice>();
  #about: JsonObject = {};
  #usage: Usage | undefined;
  #suffix: string;

  /** `bothFields`: reasoning stands in `reasoning` too. */
  constructor(options: AnswerHead & { readonly includeUsage: boolean; readonly bothFields?: boolean }) {
    this.#head = options;
    this.#bothFields = options.bothFields === true;
    this.#includeUsage = options.includeUsage;
    this.#suffix = `},"logprobs":null,"finish_reason":null}]${options.includeUsage ? `,"usage":null` : ""}}`;
  }

  /** The chunks of one event: none, one, or the role chunk of a choice and its first content. */
  encode(event: StreamEvent): JsonObject[] {
    switch (event.kind) {
      case "start":
        this.#about = about(event);
        return [];
      case "text":
        return this.#delta(event.choice, { content: event.text });
      case "reasoning":
        this.#choice(event.choice).reasoning += event.text;
        return this.#delta(event.choice, shownReasoning(event.text, this.#bothFields));
      case "signature":
        return this.#delta(event.choice, { thinking_blocks: [this.#signed(event)] });
      case "redacted":
        return this.#delta(event.choice, { thinking_blocks: [{ type: "redacted_thinking", data: event.data }] });
      case "refusal":
        return this.#delta(event.choice, { refusal: event.text });
      case "tool-start": {
        const call = { index: event.index, id: event.id, type: "function", function: { name: event.name, arguments: "" } };
        return this.#delta(event.choice, { tool_calls: [{ ...call, ...signatureContent(event.thoughtSignature) }] });
      }
      case "tool-arguments":
        return this.#delta(event.choice, { tool_calls: [{ index: event.index, function: { arguments: event.json } }] });
      case "choice-extra":
        this.#hold(event.choice, event.key, event.value);
        return [];
      case "finish":
        return this.#delta(event.choice, {}, event);
      case "usage":
        this.#usage = event.usage;
        return [];
      case "end":
        return this.#includeUsage && this.#usage !== undefined ? [this.usageChunk(this.#usage)] : [];
      default:
        return [];
    }
  }

  /** The same chunks as JSON text; the common ones are cut from a prepared prefix and suffix. */
  encodeJson(event: StreamEvent): string[] {
    if (event.kind === "text" || (event.kind === "reasoning" && !this.#bothFields)) {
      const choice = this.#choices.get(event.choice);
      if (choice !== undefined && !this.#roles.has(event.choice) && choice.extras.size === 0 && choice.deltaExtras.size === 0) {
        const key = event.kind === "text" ? "content" : "reasoning_content";
        if (event.kind === "reasoning") choice.reasoning += event.text;
        return [this.#prefix(choice, event.choice, key) + JSON.stringify(event.text) + this.#suffix];
      }
    }
    return this.encode(event).map((chunk) => JSON.stringify(chunk));
  }

  /** The closing chunk that carries usage; `extra` members stand beside it at the top level. */
  usageChunk(usage: Usage, extra: JsonObject = {}): JsonObject {
    return { ...this.#top(), choices: [], usage: encodeUsage(usage), ...extra };
  }

  #prefix(choice: OpenChoice, index: number, key: string): string {
    let prefix = choice.prefixes.get(key);
    if (prefix === undefined) {
      const top = JSON.stringify(this.#top());
      prefix = `${top.slice(0, -1)},"choices":[{"index":${index},"delta":{${JSON.stringify(key)}:`;
      choice.prefixes.set(key, prefix);
    }
    return prefix;
  }

  #top(): JsonObject {
    const { id, createdS, model } = this.#head;
    return { id, object: "chat.completion.chunk", created: createdS, model, ...this.#about };
  }

  #choice(index: number): OpenChoice {
    let choice = this.#choices.get(index);
    if (choice === undefined) {
      choice = { reasoning: "", extras: new Map(), deltaExtras: new Map(), prefixes: new Map() };
      this.#choices.set(index, choice);
      this.#roles.add(index);
    }
    return choice;
  }

  /** Choices whose role chunk is still to come. */
  readonly #roles = new Set<number>();

  #delta(index: number, delta: JsonObject, finish?: Extract<StreamEvent, { kind: "finish" }>): JsonObject[] {
    const choice = this.#choice(index);
    const chunks: JsonObject[] = [];
    if (this.#roles.delete(index)) {
      const content = delta["tool_calls"] === undefined ? "" : null;
      chunks.push(this.#chunk(index, { role: "assistant", content, refusal: null }, {}, null));
    }
    const extras = Object.fromEntries(choice.extras);
    const whole = { ...Object.fromEntries(choice.deltaExtras), ...delta };
    choice.extras.clear();
    choice.deltaExtras.clear();
    const native = finish === undefined ? {} : { native_finish_reason: finish.native };
    chunks.push(this.#chunk(index, whole, { ...extras, ...native }, finish === undefined ? null : wireReason(finish.reason)));
    return chunks;
  }

  #chunk(index: number, delta: JsonObject, extras: JsonObject, finish: string | null): JsonObject {
    const choice = { index, delta, ...extras, logprobs: wireLogprobs(extras["logprobs"]), finish_reason: finish };
    return { ...this.#top(), choices: [choice], ...(this.#includeUsage ? { usage: null } : {}) };
  }

  #signed(event: SignatureEvent): JsonObject {
    const choice = this.#choice(event.choice);
    const thinking = choice.reasoning;
    choice.reasoning = "";
    return signedBlock(thinking, event);
  }

  #hold(index: number, key: string, value: Json): void {
    const choice = this.#choice(index);
    const [held, name] = key.startsWith(DELTA_EXTRA) ? [choice.deltaExtras, key.slice(DELTA_EXTRA.length)] : [choice.extras, key];
    held.set(name, merge(held.get(name), value));
  }
}

interface WholeChoice {
  text: string;
  refusal: string;
  reasoning: string;
  /** Reasoning since the last signature. */
  open: string;
  blocks: JsonObject[];
  calls: { head: JsonObject; name: string; arguments: string }[];
  finish: Extract<StreamEvent, { kind: "finish" }> | undefined;
  extras: Map<string, Json>;
  deltaExtras: Map<string, Json>;
}

/** Visible reasoning in the fields that clients read: some know the second one only. */
function shownReasoning(text: string, bothFields: boolean): JsonObject {
  return bothFields ? { reasoning_content: text, reasoning: text } : { reasoning_content: text };
}

/** The whole `chat.completion` of a decoded answer. `extra` members stand at the top level. `bothFields`: reasoning stands in `reasoning` too. */
export function encodeAnswer(events: readonly StreamEvent[], head: AnswerHead, extra: JsonObject = {}, bothFields = false): JsonObject {
  const choices = new Map<number, WholeChoice>();
  let usage: Usage | undefined;
  let start: JsonObject = {};
  for (const event of events) {
    if (event.kind === "start") start = about(event);
    else if (event.kind === "usage") usage = event.usage;
    else if ("choice" in event) collect(wholeChoice(choices, event.choice), event);
  }
  const ordered = [...choices].sort(([a], [b]) => a - b);
  return {
    id: head.id,
    object: "chat.completion",
    created: head.createdS,
    model: head.model,
    ...start,
    choices: ordered.map(([index, choice]) => encodeChoice(index, choice, bothFields)),
    ...(usage === undefined ? {} : { usage: encodeUsage(usage) }),
    ...extra,
  };
}

function wholeChoice(choices: Map<number, WholeChoice>, index: number): WholeChoice {
  let choice = choices.get(index);
  if (choice === undefined) {
    choice = {
      text: "", refusal: "", reasoning: "", open: "", blocks: [], calls: [], finish: undefined, extras: new Map(), deltaExtras: new Map(),
    };
    choices.set(index, choice);
  }
  return choice;
}

function collect(choice: WholeChoice, event: Extract<StreamEvent, { choice: number }>): void {
  switch (event.kind) {
    case "text":
      choice.text += event.text;
      return;
    case "reasoning":
      choice.reasoning += event.text;
      choice.open += event.text;
      return;
    case "signature":
      choice.blocks.push(signedBlock(choice.open, event));
      choice.open = "";
      return;
    case "redacted":
      choice.blocks.push({ type: "redacted_thinking", data: event.data });
      return;
    case "refusal":
      choice.refusal += event.text;
      return;
    case "tool-start":
      choice.calls[event.index] = {
        head: { id: event.id, type: "function", ...signatureContent(event.thoughtSignature) },
        name: event.name,
        arguments: "",
      };
      return;
    case "tool-arguments": {
      const call = choice.calls[event.index];
      if (call !== undefined) call.arguments += event.json;
      return;
    }
    case "finish":
      choice.finish = event;
      return;
    case "choice-extra": {
      const inMessage = event.key.startsWith(DELTA_EXTRA);
      const held = inMessage ? choice.deltaExtras : choice.extras;
      const key = inMessage ? event.key.slice(DELTA_EXTRA.length) : event.key;
      held.set(key, merge(held.get(key), event.value));
    }
  }
}

function encodeChoice(index: number, choice: WholeChoice, bothFields: boolean): JsonObject {
  const calls = choice.calls
    .filter((call) => call !== undefined)
    .map((call) => ({ ...call.head, function: { name: call.name, arguments: call.arguments === "" ? "{}" : call.arguments } }));
  const absent = choice.text === "" && (calls.length > 0 || choice.refusal !== "");
  const message: JsonObject = {
    ...Object.fromEntries(choice.deltaExtras),
    role: "assistant",
    content: absent ? null : choice.text,
    refusal: choice.refusal === "" ? null : choice.refusal,
    ...(choice.reasoning === "" ? {} : shownReasoning(choice.reasoning, bothFields)),
    ...(choice.blocks.length === 0 ? {} : { thinking_blocks: choice.blocks }),
    ...(calls.length === 0 ? {} : { tool_calls: calls }),
  };
  return {
    index,
    message,
    ...Object.fromEntries(choice.extras),
    logprobs: wireLogprobs(choice.extras.get("logprobs")),
    finish_reason: wireReason(choice.finish?.reason ?? "error"),
    ...(choice.finish === undefined ? {} : { native_finish_reason: choice.finish.native }),
  };
}

/** OpenAI's usage object: prompt and completion are sums of all classes, details tell them apart again. */
export function encodeUsage(usage: Usage): JsonObject {
  const { units } = usage;
  const prompt = inputTokens(units);
  const completion = outputTokens(units);
  return {
    prompt_tokens: prompt,
    completion_tokens: completion,
    total_tokens: prompt + completion,
    prompt_tokens_details: {
      cached_tokens: units.cache_read ?? 0,
      cache_write_tokens: cacheWriteTokens(units),
      audio_tokens: units.audio_input ?? 0,
      ...(units.image_input === undefined ? {} : { image_tokens: units.image_input }),
    },
    completion_tokens_details: {
      reasoning_tokens: units.reasoning ?? 0,
      audio_tokens: units.audio_output ?? 0,
      ...(units.image_output === undefined ? {} : { image_tokens: units.image_output }),
    },
  };
}

/** An error in OpenAI's shape, with all four members that its clients require. */
export function encodeError(error: GatewayError): JsonObject {
  return {
    error: {
      message: error.message,
      type: error.type ?? ERRORS[error.code].type,
      param: error.param,
      code: error.upstreamCode ?? error.code,
    },
  };
}

/** Top-level members that describe the answer; a tier that OpenAI's clients do not know stays out. */
function about(event: Extract<StreamEvent, { kind: "start" }>): JsonObject {
  const { serviceTier, systemFingerprint } = event;
  return {
    ...(serviceTier !== undefined && SERVICE_TIERS.has(serviceTier) ? { service_tier: serviceTier } : {}),
    ...(systemFingerprint === undefined ? {} : { system_fingerprint: systemFingerprint }),
  };
}

/** Both lists are required where there are log probabilities at all. */
function wireLogprobs(value: Json | undefined): Json {
  return isObject(value) ? { content: null, refusal: null, ...value } : null;
}

/** Parts of one member that came in several chunks: lists grow, objects merge, anything else is replaced. */
function merge(held: Json | undefined, value: Json): Json {
  if (Array.isArray(held) && Array.isArray(value)) return [...(held as readonly Json[]), ...(value as readonly Json[])];
  if (!isObject(held) || !isObject(value)) return value;
  const merged = new Map<string, Json | undefined>(Object.entries(held));
  for (const [key, one] of Object.entries(value)) {
    const before = merged.get(key);
    merged.set(key, before === undefined || one === undefined ? one : merge(before, one));
  }
  return Object.fromEntries(merged);
}
