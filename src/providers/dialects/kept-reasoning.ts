/**
 * Reasoning state that a provider wants to see again beside its tool calls, for clients that have no field for it or drop
 * it: what is taken from an answer, and how it goes back into the turn that it belongs to. Where it is kept is not known here.
 */
import type { AssistantMessage, ChatRequest, Message, ReasoningBlock, ToolCall } from "../../wire/chat.ts";
import type { StreamEvent } from "../../wire/events.ts";
import type { DialectId, ProviderFacts } from "../../wire/facts.ts";
import { asArray, asString, isObject, type Json, type JsonObject } from "../../wire/json.ts";
import { upstreamCallId as messagesCallId } from "./anthropic/names.ts";
import { utf8Bytes } from "./openai/measure.ts";
import { callIdOf as responsesCallId } from "./responses/client-ids.ts";

/** Where an answer comes from, and where a request goes. */
export interface ReasoningPlace {
  readonly account: string;
  readonly provider: Pick<ProviderFacts, "id" | "dialect" | "kind" | "quirks">;
  readonly upstreamModel: string;
}

/** The state of one turn. It is kept under the id of the turn's first call, as the client has it. */
export interface KeptReasoning {
  readonly dialect: DialectId;
  readonly provider: string;
  readonly account: string;
  readonly model: string;
  readonly blocks: readonly ReasoningBlock[];
  /** Thought signatures: [id of the call as the client has it, signature]. */
  readonly signatures: readonly (readonly [string, string])[];
}

/** Characters of one turn's state. */
const STATE_MAX = 1 << 20;
/** Turns of one request that are looked up, the latest ones. */
const TURNS_MAX = 1_000;

/**
 * May state of this provider be put back for this client? `passesTo`: the dialect to whose targets its bytes pass; there a
 * body changes only for a host that is known to want something back which clients drop.
 */
export function takesKept(passesTo: DialectId | null, provider: ReasoningPlace["provider"]): boolean {
  const dialect = provider.dialect ?? "openai-chat";
  if (dialect === "openai-chat") return provider.quirks.replaysReasoningContent === true || provider.quirks.signsToolCalls === true;
  return dialect !== passesTo && dialect !== "cohere-v2";
}

interface Choice {
  blocks: ReasoningBlock[];
  text: string;
  calls: string[];
  signatures: [string, string][];
}

/** Gathers the state of one answer from its events. */
export class ReasoningCollector {
  readonly #client: DialectId;
  readonly #place: ReasoningPlace;
  readonly #choices = new Map<number, Choice>();
  #size = 0;

  /** `client`: the dialect in which the answer leaves. */
  constructor(client: DialectId, place: ReasoningPlace) {
    this.#client = client;
    this.#place = place;
  }

  take(events: readonly StreamEvent[]): void {
    for (const event of events) {
      if (event.kind === "reasoning" || event.kind === "signature" || event.kind === "redacted" || event.kind === "tool-start") this.#take(event);
    }
  }

  /** The turns that have state, by the id that each is kept under. */
  turns(): readonly (readonly [string, KeptReasoning])[] {
    if (this.#size > STATE_MAX) return [];
    const { account, provider, upstreamModel } = this.#place;
    const wantsText = provider.quirks.replaysReasoningContent === true;
    return [...this.#choices.values()].flatMap(({ blocks, text, calls, signatures }) => {
      const [first] = calls;
      const open: ReasoningBlock[] = wantsText && text !== "" ? [{ kind: "thinking", text, signature: undefined }] : [];
      const all = [...blocks, ...open];
      if (first === undefined || all.length + signatures.length === 0) return [];
      return [[first, { dialect: dialectOf(this.#place), provider: provider.id, account, model: upstreamModel, blocks: all, signatures }] as const];
    });
  }

  #take(event: Extract<StreamEvent, { kind: "reasoning" | "signature" | "redacted" | "tool-start" }>): void {
    if (this.#size > STATE_MAX) return;
    const choice = this.#choice(event.choice);
    switch (event.kind) {
      case "reasoning":
        this.#size += event.text.length;
        choice.text += event.text;
        return;
      case "signature":
        this.#size += event.signature.length;
        // One that stands on no call is optional where it comes from, and has no place on the way back.
        if (event.inExtraContent !== true) choice.blocks.push({ kind: "thinking", text: choice.text, signature: event.signature });
        choice.text = "";
        return;
      case "redacted":
        this.#size += event.data.length;
        choice.blocks.push({ kind: "redacted", data: event.data });
        return;
      case "tool-start": {
        const id = clientCallId(this.#client, event.id);
        choice.calls.push(id);
        if (event.thoughtSignature === undefined) return;
        this.#size += event.thoughtSignature.length;
        choice.signatures.push([id, event.thoughtSignature]);
      }
    }
  }

  #choice(index: number): Choice {
    let choice = this.#choices.get(index);
    if (choice === undefined) this.#choices.set(index, (choice = { blocks: [], text: "", calls: [], signatures: [] }));
    return choice;
  }
}

/** The id under which a client of this dialect knows a call. */
function clientCallId(client: DialectId, id: string): string {
  if (client === "anthropic-messages") return messagesCallId(id);
  return client === "openai-responses" ? responsesCallId(id) : id;
}

function dialectOf({ provider }: ReasoningPlace): DialectId {
  return provider.dialect ?? "openai-chat";
}

/** The turns with tool calls that came back without anything opaque, by the ids that their state is kept under. */
export function turnsWithoutState(request: ChatRequest): readonly string[] {
  const found: string[] = [];
  for (const message of request.messages) {
    const first = message.role === "assistant" ? message.toolCalls[0] : undefined;
    if (message.role === "assistant" && first !== undefined && !holdsState(message)) found.push(first.id);
  }
  return found.length > TURNS_MAX ? found.slice(-TURNS_MAX) : found;
}

function holdsState(message: AssistantMessage): boolean {
  return (
    message.toolCalls.some((call) => call.thoughtSignature !== undefined) ||
    message.reasoning.some((block) => block.kind === "redacted" || (block.signature !== undefined && block.signature !== ""))
  );
}

/** What was kept of the turns of one request, by the ids of their first calls. */
export type KeptTurns = ReadonlyMap<string, KeptReasoning>;

/** UTF-8 bytes of all that may be put back; a model reads it like the rest of the prompt. */
export function keptBytes(kept: KeptTurns): number {
  let bytes = 0;
  for (const state of kept.values()) bytes += stateBytes(state);
  return bytes;
}

/** The same of one turn. */
export function stateBytes({ blocks, signatures }: KeptReasoning): number {
  let bytes = 0;
  for (const block of blocks) bytes += utf8Bytes(block.kind === "redacted" ? block.data : block.text + (block.signature ?? ""));
  for (const [, signature] of signatures) bytes += utf8Bytes(signature);
  return bytes;
}

/**
 * The request with the state that this place made; the same request where there is none. What the client sent stays. Ids may
 * come again in a conversation: what is kept under one is the latest turn's, so it goes there, and once.
 */
export function withKept(request: ChatRequest, kept: KeptTurns, passesTo: DialectId | null, place: ReasoningPlace): ChatRequest {
  if (kept.size === 0 || !takesKept(passesTo, place.provider)) return request;
  let changed = false;
  const latest = new Map<string, Message>();
  for (const message of request.messages) if (message.role === "assistant" && message.toolCalls[0] !== undefined) latest.set(message.toolCalls[0].id, message);
  const messages = request.messages.map((message): Message => {
    const first = message.role === "assistant" ? message.toolCalls[0] : undefined;
    const state = first === undefined || latest.get(first.id) !== message ? undefined : kept.get(first.id);
    if (message.role !== "assistant" || state === undefined || !isOf(state, place) || holdsState(message)) return message;
    const restored = restore(message, state, request.tools.length > 0);
    changed ||= restored !== message;
    return restored;
  });
  return changed ? { ...request, messages } : request;
}

/**
 * Signatures belong to the model that made them, and what some makers encrypt belongs to the account too. Under one id of
 * a host there may stand many makers, so there the account has to be the same as well.
 */
function isOf(state: KeptReasoning, place: ReasoningPlace): boolean {
  const { provider } = place;
  const dialect = dialectOf(place);
  const anyAccount = provider.kind === "maker" && dialect !== "openai-responses";
  return state.dialect === dialect && state.provider === provider.id && state.model === place.upstreamModel && (anyAccount || state.account === place.account);
}

function restore(message: AssistantMessage, state: KeptReasoning, hasTools: boolean): AssistantMessage {
  const onCalls = new Map(state.signatures);
  const calls = message.toolCalls.map((call): ToolCall => {
    const thoughtSignature = call.thoughtSignature ?? onCalls.get(call.id);
    return thoughtSignature === call.thoughtSignature ? call : { ...call, thoughtSignature };
  });
  const signed = calls.some((call, at) => call !== message.toolCalls[at]);
  // A host of this dialect reads the text of earlier reasoning beside tools only.
  const blocks = state.dialect === "openai-chat" ? (hasTools ? joined(state.blocks) : []) : state.blocks;
  const reasons = blocks.length > 0 && saysNothingElse(message.reasoning, blocks);
  if (!signed && !reasons) return message;
  return { ...message, restored: true, toolCalls: signed ? calls : message.toolCalls, reasoning: reasons ? blocks : message.reasoning };
}

/** The visible text of all blocks as one. */
function joined(blocks: readonly ReasoningBlock[]): readonly ReasoningBlock[] {
  const text = textOf(blocks);
  return text === "" ? [] : [{ kind: "thinking", text, signature: undefined }];
}

/** The client kept no reasoning, or the words of it without what proves them. */
function saysNothingElse(sent: readonly ReasoningBlock[], kept: readonly ReasoningBlock[]): boolean {
  const text = textOf(sent).trim();
  if (text === "") return true;
  return kept.some((block) => block.kind === "redacted" || block.signature !== undefined) && text === textOf(kept).trim();
}

function textOf(blocks: readonly ReasoningBlock[]): string {
  return blocks.map((block) => (block.kind === "thinking" ? block.text : "")).join("");
}

/** Read what was kept; undefined for what is nothing of ours. */
export function readKept(value: Json | undefined): KeptReasoning | undefined {
  if (!isObject(value)) return undefined;
  const [dialect, provider, account, model] = ["dialect", "provider", "account", "model"].map((key) => asString(value[key]));
  if (dialect === undefined || provider === undefined || account === undefined || model === undefined) return undefined;
  const blocks = asArray(value["blocks"]).flatMap((block) => (isObject(block) ? [readBlock(block)] : []));
  const signatures = asArray(value["signatures"]).flatMap((pair) => {
    const [id, signature] = asArray(pair).map(asString);
    return id === undefined || signature === undefined ? [] : [[id, signature] as const];
  });
  return { dialect: dialect as DialectId, provider, account, model, blocks, signatures };
}

function readBlock(block: JsonObject): ReasoningBlock {
  if (block["kind"] === "redacted") return { kind: "redacted", data: asString(block["data"]) ?? "" };
  return { kind: "thinking", text: asString(block["text"]) ?? "", signature: asString(block["signature"]) };
}
