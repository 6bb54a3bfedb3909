/**
 * Messages of the hub to `system` and `messages` of Converse: system hoisted, neighbours of one role merged so that roles
 * alternate, all results of a turn in one user message and first in it.
 */
import type { AssistantMessage, Message, Part, ReasoningBlock, ToolCall, ToolMessage } from "../../../wire/chat.ts";
import { isObject, type Json, type JsonObject } from "../../../wire/json.ts";
import { type Draft, shown } from "../anthropic/draft.ts";
import { resultParts } from "../foreign.ts";
import { isForeignBlock } from "../opaque.ts";
import { cacheControlOf, ContentEncoder } from "./content.ts";
import { upstreamCallId, upstreamToolName } from "./names.ts";
import type { CachePoints, Traits } from "./traits.ts";

interface Turn {
  readonly role: "user" | "assistant";
  readonly content: JsonObject[];
  /** How many blocks at the front belong to tool results. */
  results: number;
}

export interface EncodedMessages {
  readonly system: readonly JsonObject[];
  readonly messages: readonly JsonObject[];
  /** Calls or results of tools stand in the conversation. */
  readonly toolsInHistory: boolean;
  /** The conversation stands inside a tool turn whose assistant message begins without reasoning. */
  readonly toolTurnWithoutThinking: boolean;
}

/** Build `system` and `messages`. What cannot be carried is told to `draft`. */
export function encodeMessages(messages: readonly Message[], traits: Traits, cache: CachePoints, draft: Draft): EncodedMessages {
  const encoder = new MessageEncoder(traits, cache, draft);
  messages.forEach((message, at) => encoder.add(message, `messages[${at}]`));
  const turns = joined(encoder.turns);
  if (turns.length === 0) draft.refuse("messages", "this model needs at least one message that is not empty and not a system message");
  return {
    system: encoder.system,
    messages: turns.map((turn) => ({ role: turn.role, content: turn.content })),
    toolsInHistory: turns.some((turn) => turn.content.some((block) => block.toolUse !== undefined || block.toolResult !== undefined)),
    toolTurnWithoutThinking: toolTurnWithoutThinking(turns),
  };
}

class MessageEncoder {
  readonly system: JsonObject[] = [];
  readonly turns: Turn[] = [];
  readonly #traits: Traits;
  readonly #cache: CachePoints;
  readonly #draft: Draft;
  readonly #content: ContentEncoder;

  constructor(traits: Traits, cache: CachePoints, draft: Draft) {
    this.#traits = traits;
    this.#cache = cache;
    this.#draft = draft;
    this.#content = new ContentEncoder(cache, draft);
  }

  add(message: Message, path: string): void {
    if (message.role !== "tool" && message.name !== undefined) this.#draft.warn("the name of a message's author has no counterpart and was left out");
    switch (message.role) {
      case "system":
      case "developer":
        if (this.turns.length > 0) this.#draft.warn("a system message in the middle of the conversation was moved to its beginning");
        this.system.push(...this.#content.textBlocks(message.parts, path));
        return;
      case "user":
        turnOf(this.turns, "user").content.push(...this.#content.blocks(message.parts, path));
        return;
      case "assistant":
        turnOf(this.turns, "assistant").content.push(...this.#assistant(message, path));
        return;
      case "tool": {
        const turn = turnOf(this.turns, "user");
        const blocks = this.#result(message, path);
        turn.content.splice(turn.results, 0, ...blocks);
        turn.results += blocks.length;
      }
    }
  }

  #assistant(message: AssistantMessage, path: string): readonly JsonObject[] {
    for (const [key, value] of Object.entries(message.other)) {
      if (value === null || value === undefined || (Array.isArray(value) && value.length === 0)) continue;
      if (key === "function_call") this.#draft.refuse(`${path}.function_call`, "function_call is not carried to this model; tool_calls is");
      else this.#draft.warn(`the assistant message's ${shown(key)} has no counterpart and was left out`);
    }
    return [
      ...message.reasoning.flatMap((block) => this.#reasoning(block)),
      ...this.#content.textBlocks(message.parts, path),
      ...message.toolCalls.map((call, at) => this.#call(call, `${path}.tool_calls[${at}]`)),
    ];
  }

  /** A signature is the maker's proof; without it the block would be refused, or pass for text, so the turn goes without it. */
  #reasoning(block: ReasoningBlock): readonly JsonObject[] {
    if (isForeignBlock(block)) {
      this.#draft.warn("earlier reasoning of another maker was left out: only it can read it");
      return [];
    }
    if (block.kind === "redacted") return [{ reasoningContent: { redactedContent: block.data } }];
    if (block.signature === undefined || block.signature === "") {
      this.#draft.warn("earlier reasoning without its signature was left out");
      return [];
    }
    return [{ reasoningContent: { reasoningText: { text: block.text, signature: block.signature } } }];
  }

  #call(call: ToolCall, path: string): JsonObject {
    if (call.thoughtSignature !== undefined) this.#draft.warn("thought signatures of another provider were left out");
    const input = argumentsObject(call.argumentsJson, `${path}.function.arguments`, this.#draft);
    return { toolUse: { toolUseId: upstreamCallId(call.id, this.#traits.nineLetterIds), name: upstreamToolName(call.name), input } };
  }

  /** A cache marker inside a result closes the result: a point cannot stand inside it. */
  #result(message: ToolMessage, path: string): readonly JsonObject[] {
    // Only some makers' models read the field; the others are told in words.
    const readsStatus = this.#traits.maker === "claude" || this.#traits.maker === "nova";
    const unmarked = (readsStatus ? message.parts : resultParts(message)).map((part): Part => ("cacheControl" in part ? { ...part, cacheControl: undefined } : part));
    const marker = message.parts.findLast((part) => cacheControlOf(part) !== undefined);
    const result: JsonObject = {
      toolUseId: upstreamCallId(message.toolCallId, this.#traits.nineLetterIds),
      content: this.#content.blocks(unmarked, path),
      ...(message.isError === true && readsStatus && { status: "error" }),
    };
    return [{ toolResult: result }, ...this.#cache.after(marker === undefined ? undefined : cacheControlOf(marker), "content")];
  }
}

function turnOf(turns: Turn[], role: Turn["role"]): Turn {
  const last = turns.at(-1);
  if (last?.role === role) return last;
  const turn: Turn = { role, content: [], results: 0 };
  turns.push(turn);
  return turn;
}

/** Turns without content are refused upstream; leaving one out can make its neighbours meet. */
function joined(turns: readonly Turn[]): readonly Turn[] {
  const out: Turn[] = [];
  for (const turn of turns) {
    if (turn.content.every((block) => block.cachePoint !== undefined)) continue;
    const into = turnOf(out, turn.role);
    into.content.splice(into.results, 0, ...turn.content.slice(0, turn.results));
    into.results += turn.results;
    into.content.push(...turn.content.slice(turn.results));
  }
  return out;
}

function toolTurnWithoutThinking(turns: readonly Turn[]): boolean {
  const [asked, answered] = turns.slice(-2);
  if (asked === undefined || answered === undefined || answered.results === 0) return false;
  return asked.content[0]?.reasoningContent === undefined;
}

function argumentsObject(json: string, param: string, draft: Draft): JsonObject {
  const text = json.trim();
  if (text === "" || text === "null") return {};
  let value: Json;
  try {
    value = JSON.parse(text) as Json;
  } catch {
    draft.refuse(param, "the arguments are not valid JSON, and this model takes them as an object");
    return {};
  }
  if (isObject(value)) return value;
  draft.refuse(param, "the arguments are not a JSON object, which is the only thing this model takes");
  return {};
}
