/**
 * The conversation: messages → `systemInstruction` and `contents`. Turns alternate between user and model; results of
 * parallel calls stand in one user turn, in the order of the calls, before whatever the user said next.
 */
import type { AssistantMessage, ChatRequest, Part, ToolCall, ToolMessage } from "../../../wire/chat.ts";
import { isObject, type Json, type JsonObject } from "../../../wire/json.ts";
import type { Target } from "../dialect.ts";
import { isMarked } from "../opaque.ts";
import { audioPart, filePart, imagePart } from "./media.ts";
import { isMintedCallId, type ToolNames } from "./names.ts";
import { refuse, warn, type Notes } from "./notes.ts";
import { generationOf } from "./thinking.ts";

/** What the API documents for calls whose signature is lost: validation of that call is skipped. */
export const SKIP_SIGNATURE = "skip_thought_signature_validator";

interface Turn {
  readonly role: "user" | "model";
  readonly parts: JsonObject[];
}
interface Conversation {
  readonly systemInstruction: JsonObject | undefined;
  readonly contents: readonly JsonObject[];
}
interface Building {
  readonly turns: Turn[];
  readonly system: JsonObject[];
  readonly names: ToolNames;
  readonly notes: Notes;
  readonly generation: number;
  /** Calls of the last assistant message that made any. */
  calls: readonly ToolCall[];
  /** Every call so far by id, the latest wins: ids without a response behind them may repeat in a history. */
  readonly callById: Map<string, ToolCall>;
}

/** Build the conversation; what cannot be carried is noted, and `notes.refusal` says if that makes it impossible. */
export function buildConversation(request: ChatRequest, target: Target, names: ToolNames, notes: Notes): Conversation {
  const building: Building = {
    turns: [], system: [], names, notes, generation: generationOf(target), calls: [], callById: new Map(),
  };
  for (let i = 0; i < request.messages.length; i++) {
    if (request.messages[i]?.role === "tool") i = addToolResults(building, request, i);
    else addMessage(building, request, i);
  }
  // The API wants at least one turn; a conversation of instructions only is what the user says, then.
  if (building.turns.length === 0 && building.system.length > 0) {
    warn(notes, "system messages without any other message were sent as a user message");
    building.turns.push({ role: "user", parts: building.system.splice(0) });
  }
  if (building.turns.length === 0) refuse(notes, "messages", "no message has any content");
  return {
    systemInstruction: building.system.length > 0 ? { parts: building.system } : undefined,
    contents: building.turns.map((turn) => ({ role: turn.role, parts: turn.parts })),
  };
}

function addMessage(building: Building, request: ChatRequest, index: number): void {
  const message = request.messages[index];
  if (message === undefined || message.role === "tool") return;
  const { notes } = building;
  const param = `messages[${index}]`;
  if (message.name !== undefined) warn(notes, "the name of a message is not carried");
  if (message.role === "assistant") return addAssistant(building, message, param);
  const parts = convertParts(message.parts, param, notes);
  if (message.role === "user") return addParts(building, "user", parts);
  if (building.turns.length > 0) warn(notes, "a system message in the middle of the conversation was moved to its beginning");
  if (parts.some((part) => part["text"] === undefined)) refuse(notes, `${param}.content`, "system messages can only hold text");
  building.system.push(...parts);
}

function addAssistant(building: Building, message: AssistantMessage, param: string): void {
  const { notes, names } = building;
  if (message.reasoning.length > 0) {
    warn(notes, "earlier reasoning was left out: its signatures are valid only where it was made");
  }
  for (const [key, value] of Object.entries(message.other)) {
    if (value !== null && value !== undefined) warn(notes, `${key} of an assistant message is not carried`);
  }
  const parts = convertParts(message.parts, param, notes);
  message.toolCalls.forEach((call, i) => {
    building.callById.set(call.id, call);
    const functionCall: { [key: string]: Json } = { name: names.toUpstream(call.name), args: parseArguments(call, `${param}.tool_calls[${i}]`, notes) };
    if (!isMintedCallId(call.id)) functionCall["id"] = call.id;
    // Generation 3 refuses a step whose first call has no signature; further parallel calls have none by nature.
    const own = call.thoughtSignature !== undefined && isMarked(call.thoughtSignature) ? undefined : call.thoughtSignature;
    const signature = own ?? (i === 0 && building.generation >= 3 ? SKIP_SIGNATURE : undefined);
    parts.push(signature === undefined ? { functionCall } : { functionCall, thoughtSignature: signature });
  });
  if (message.toolCalls.length > 0) building.calls = message.toolCalls;
  addParts(building, "model", parts);
}

/** Take the run of tool messages that begins at `from`; returns the index of its last one. */
function addToolResults(building: Building, request: ChatRequest, from: number): number {
  const results: { message: ToolMessage; call: ToolCall; order: number; param: string }[] = [];
  let last = from;
  for (let i = from; i < request.messages.length; i++) {
    const message = request.messages[i];
    if (message?.role !== "tool") break;
    last = i;
    const param = `messages[${i}]`;
    const call = building.callById.get(message.toolCallId);
    if (call === undefined) {
      refuse(building.notes, `${param}.tool_call_id`, `no tool call with the id "${message.toolCallId}" comes before this result`);
      continue;
    }
    const order = building.calls.findIndex((candidate) => candidate.id === message.toolCallId);
    results.push({ message, call, order: order < 0 ? building.calls.length : order, param });
  }
  results.sort((a, b) => a.order - b.order);
  const media: JsonObject[] = [];
  const parts = results.map(({ message, call, param }) => functionResponse(building, message, call, param, media));
  addParts(building, "user", [...parts, ...media]);
  return last;
}

/** One result. Media goes inside where the generation allows it, else into `media`, to follow all results. */
function functionResponse(building: Building, message: ToolMessage, call: ToolCall, param: string, media: JsonObject[]): JsonObject {
  const converted = convertParts(message.parts, param, building.notes);
  const text = converted.flatMap((part) => (typeof part["text"] === "string" ? [part["text"]] : [])).join("");
  const others = converted.filter((part) => part["text"] === undefined);
  const body: { [key: string]: Json } = { name: building.names.toUpstream(call.name), response: message.isError === true ? errorObject(text) : resultObject(text) };
  if (!isMintedCallId(call.id)) body["id"] = call.id;
  if (others.length > 0 && building.generation >= 3) body["parts"] = others;
  else media.push(...others);
  return { functionResponse: body };
}

/** A JSON object stands for itself; anything else is text under `output`, the key that the API documents. */
function resultObject(text: string): JsonObject {
  const parsed = parseJson(text);
  return isObject(parsed) && !holdsUnsafeInteger(parsed) ? parsed : { output: text };
}

/** What went wrong stands under `error`, the key that the API documents; a result that already has it says so itself. */
function errorObject(text: string): JsonObject {
  const result = resultObject(text);
  if (result["error"] !== undefined && result["output"] === undefined) return result;
  return { error: result["output"] === text ? text || "failed" : result };
}

function parseArguments(call: ToolCall, param: string, notes: Notes): JsonObject {
  const text = call.argumentsJson.trim();
  if (text === "" || text === "null") return {};
  const parsed = parseJson(text);
  if (!isObject(parsed)) {
    refuse(notes, `${param}.function.arguments`, "arguments of a tool call must be a JSON object");
    return {};
  }
  if (holdsUnsafeInteger(parsed)) warn(notes, "integers above 2^53 in tool call arguments lost precision");
  return parsed;
}

function parseJson(text: string): unknown {
  try {
    return JSON.parse(text) as unknown;
  } catch {
    // Not JSON is an ordinary case here: most tool results are plain text.
    return undefined;
  }
}

function holdsUnsafeInteger(value: unknown): boolean {
  if (typeof value === "number") return Number.isInteger(value) && !Number.isSafeInteger(value);
  if (Array.isArray(value)) return value.some(holdsUnsafeInteger);
  return isObject(value) && Object.values(value).some(holdsUnsafeInteger);
}

function convertParts(parts: readonly Part[], param: string, notes: Notes): JsonObject[] {
  const converted: JsonObject[] = [];
  parts.forEach((part, i) => {
    if ("cacheControl" in part && part.cacheControl !== undefined) {
      warn(notes, "cache_control is not carried: this provider caches prefixes by itself");
    }
    const result = convertPart(part, `${param}.content[${i}]`, notes);
    if (result !== undefined) converted.push(result);
  });
  return converted;
}

function convertPart(part: Part, param: string, notes: Notes): JsonObject | undefined {
  switch (part.kind) {
    case "text":
    case "refusal":
      // Empty text parts are refused by some backends and mean nothing.
      return part.text === "" ? undefined : { text: part.text };
    case "image":
      return imagePart(part, param, notes);
    case "file":
      return filePart(part, param, notes);
    case "audio":
      return audioPart(part);
    case "other":
      refuse(notes, `${param}.type`, `content of type "${part.type}" cannot be sent to this provider`);
      return undefined;
  }
}

function addParts(building: Building, role: Turn["role"], parts: readonly JsonObject[]): void {
  if (parts.length === 0) return;
  const last = building.turns.at(-1);
  if (last?.role === role) last.parts.push(...parts);
  else building.turns.push({ role, parts: [...parts] });
}
