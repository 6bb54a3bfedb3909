/**
 * `systemInstruction` and `contents` → messages. Clients that keep a streamed answer send back every fragment as a turn of
 * its own, so turns of the model that follow each other are one message. Calls need ids in every other dialect: those that
 * came without one get an id by their place in the conversation, and results find their call by id, else by name and order.
 */
import type { AssistantMessage, Message, Part, ReasoningBlock, ToolCall, ToolMessage } from "../../../wire/chat.ts";
import { isObject, type Json, type JsonObject } from "../../../wire/json.ts";
import { contentPart, readPart, responseText, type ReadPart } from "./client-parts.ts";
import { blockOf, isWrapped, unwrap } from "./client-opaque.ts";
import type { Reader } from "./client-reader.ts";
import { SKIP_SIGNATURE } from "./contents.ts";
import { mintCallId } from "./names.ts";

/** Stands where the id of a response stands in other minted ids. */
const HISTORY = "h";
const CONTENT = new Set(["role", "parts"]);
const CALL = new Set(["id", "name", "args"]);
const RESPONSE = new Set(["id", "name", "response", "parts"]);

interface KnownCall {
  readonly id: string;
  readonly name: string;
  /** The client sent the id. */
  readonly given: boolean;
  /** Number of the model's turn that made it. */
  readonly turn: number;
  answered: boolean;
}
interface Turn {
  readonly parts: Part[];
  readonly toolCalls: ToolCall[];
  readonly reasoning: ReasoningBlock[];
  /** Visible thought that no signature has closed yet. */
  thought: string;
}
interface Conversation {
  readonly reader: Reader;
  readonly messages: Message[];
  readonly calls: KnownCall[];
  minted: number;
  turns: number;
  open: Turn | undefined;
}

/** All messages of the body, the system instruction first. Throws `Refused` with the path of what is wrong. */
export function parseConversation(raw: JsonObject, reader: Reader): readonly Message[] {
  const conversation: Conversation = { reader, messages: [], calls: [], minted: 0, turns: 0, open: undefined };
  const system = reader.field(raw, "systemInstruction", "");
  if (system.value !== undefined) addSystem(conversation, system.value, system.path);
  const contents = reader.array(raw, "contents", "");
  if (raw["contents"] === undefined || raw["contents"] === null) throw reader.missing("contents", "a list of turns");
  if (contents.length === 0) throw reader.invalid("contents", "contents must hold at least one turn.");
  contents.forEach((content, i) => addContent(conversation, content, `contents[${i}]`));
  closeTurn(conversation);
  return conversation.messages;
}

function addSystem({ reader, messages }: Conversation, value: Json, path: string): void {
  const content = typeof value === "string" ? { parts: [{ text: value }] } : value;
  if (!isObject(content)) throw reader.wrong(path, "an object", content);
  reader.warnUnknown(content, CONTENT, path);
  const parts = partsOf(content, path, reader).flatMap((part) => listed(contentPart(part, reader)));
  if (parts.length > 0) messages.push({ role: "system", parts, name: undefined });
}

function addContent(conversation: Conversation, content: Json, path: string): void {
  const { reader } = conversation;
  if (!isObject(content)) throw reader.wrong(path, "an object", content);
  reader.warnUnknown(content, CONTENT, path);
  const role = reader.string(content, "role", path) ?? "user";
  switch (role) {
    case "model":
      for (const part of partsOf(content, path, reader)) addToTurn(conversation, part);
      return;
    case "system":
      closeTurn(conversation);
      return addSystem(conversation, content, path);
    case "":
    case "user":
    case "function":
    case "tool":
      closeTurn(conversation);
      return addUser(conversation, partsOf(content, path, reader));
    default:
      throw reader.invalid(`${path}.role`, `${path}.role must be user or model, not "${role.slice(0, 60)}".`);
  }
}

function partsOf(content: JsonObject, path: string, reader: Reader): readonly ReadPart[] {
  const parts = reader.field(content, "parts", path);
  // A single part may stand without its list.
  if (isObject(parts.value)) return [readPart(parts.value, parts.path, reader)];
  return reader.array(content, "parts", path).map((part, i) => readPart(part, `${parts.path}[${i}]`, reader));
}

/** Results come first: in every other dialect they directly follow the calls. */
function addUser(conversation: Conversation, parts: readonly ReadPart[]): void {
  const { reader, messages } = conversation;
  const said: Part[] = [];
  for (const part of parts) {
    if (part.kind === "functionResponse") messages.push(toolMessage(conversation, part));
    else if (part.kind === "functionCall") throw reader.invalid(part.path, `${part.path}: a functionCall belongs in a turn of the model.`);
    else said.push(...listed(contentPart(part, reader)));
  }
  if (said.length > 0) messages.push({ role: "user", parts: said, name: undefined });
}

function addToTurn(conversation: Conversation, part: ReadPart): void {
  const { reader } = conversation;
  const { raw, path } = part;
  const turn = (conversation.open ??= { parts: [], toolCalls: [], reasoning: [], thought: "" });
  if (part.kind === "functionResponse") throw reader.invalid(path, `${path}: a functionResponse belongs in a turn of the user.`);
  const signature = reader.string(raw, "thoughtSignature", path);
  if (part.kind === "functionCall") {
    turn.toolCalls.push(toolCall(conversation, part, signature));
    return;
  }
  if (part.kind === "text" && reader.boolean(raw, "thought", path) === true) turn.thought += reader.string(raw, "text", path) ?? "";
  else {
    const content = contentPart(part, reader);
    const last = turn.parts.at(-1);
    if (content?.kind === "text" && last?.kind === "text") turn.parts[turn.parts.length - 1] = { ...last, text: last.text + content.text };
    else if (content !== undefined) turn.parts.push(content);
  }
  if (signature !== undefined && signature !== "" && signature !== SKIP_SIGNATURE) sign(turn, signature, reader);
}

/** A signature closes the thought before it. One of this dialect's own models says nothing to any other. */
function sign(turn: Turn, signature: string, reader: Reader): void {
  const opaque = unwrap(signature);
  if (opaque?.kind === "redacted") {
    closeThought(turn);
    turn.reasoning.push(opaque);
  } else if (opaque !== undefined) {
    turn.reasoning.push(blockOf(opaque, turn.thought));
    turn.thought = "";
  } else {
    closeThought(turn);
    const damaged = isWrapped(signature);
    reader.warn(damaged ? "a thought signature came back damaged and was left out" : "thought signatures are left out: only their maker reads them");
  }
}

function closeThought(turn: Turn): void {
  if (turn.thought !== "") turn.reasoning.push({ kind: "thinking", text: turn.thought, signature: undefined });
  turn.thought = "";
}

function closeTurn(conversation: Conversation): void {
  const { open } = conversation;
  if (open === undefined) return;
  conversation.open = undefined;
  conversation.turns++;
  closeThought(open);
  const { parts, toolCalls, reasoning } = open;
  if (parts.length + toolCalls.length + reasoning.length === 0) return;
  const message: AssistantMessage = { role: "assistant", parts, toolCalls, reasoning, name: undefined, other: {} };
  conversation.messages.push(message);
}

function toolCall(conversation: Conversation, part: ReadPart, signature: string | undefined): ToolCall {
  const { reader, calls } = conversation;
  const call = reader.object(part.raw, "functionCall", part.path) ?? {};
  const path = reader.field(part.raw, "functionCall", part.path).path;
  const name = reader.string(call, "name", path);
  if (name === undefined || name === "") throw reader.missing(`${path}.name`, "the function's name");
  reader.warnUnknown(call, CALL, path);
  const sent = reader.string(call, "id", path);
  const given = sent !== undefined && sent !== "";
  const id = given ? sent : mintCallId(HISTORY, 0, conversation.minted++);
  calls.push({ id, name, given, turn: conversation.turns, answered: false });
  const own = signature === undefined || signature === "" || signature === SKIP_SIGNATURE || isWrapped(signature) ? undefined : signature;
  return { id, name, argumentsJson: JSON.stringify(reader.object(call, "args", path) ?? {}), thoughtSignature: own };
}

function toolMessage(conversation: Conversation, part: ReadPart): ToolMessage {
  const { reader } = conversation;
  const answer = reader.object(part.raw, "functionResponse", part.path) ?? {};
  const path = reader.field(part.raw, "functionResponse", part.path).path;
  reader.warnUnknown(answer, RESPONSE, path);
  const name = reader.string(answer, "name", path) ?? "";
  const toolCallId = idOfAnswered(conversation, reader.string(answer, "id", path) ?? "", name);
  const response = reader.object(answer, "response", path) ?? {};
  const text = responseText(response, name);
  const parts: Part[] = text === "" ? [] : [{ kind: "text", text, cacheControl: undefined }];
  for (const media of partsOf(answer, path, reader)) parts.push(...listed(contentPart(media, reader)));
  const isError = response["error"] !== undefined && response["error"] !== null && response["output"] === undefined;
  return { role: "tool", toolCallId, ...(isError ? { isError } : {}), parts };
}

/** The call that a result answers: the one with its id, else the first that waits for one under that name, the latest turn first. */
function idOfAnswered(conversation: Conversation, id: string, name: string): string {
  const { calls } = conversation;
  const waiting = calls.filter((call) => !call.answered && (name === "" || call.name === name) && (id === "" || !call.given));
  const latest = waiting.at(-1)?.turn;
  const found = (id === "" ? undefined : calls.findLast((call) => call.id === id)) ?? waiting.find((call) => call.turn === latest);
  // Its call is not in the history (any more): the target says what it makes of that.
  if (found === undefined) return id === "" ? mintCallId(HISTORY, 1, conversation.minted++) : id;
  found.answered = true;
  return found.id;
}

function listed(part: Part | undefined): readonly Part[] {
  return part === undefined ? [] : [part];
}
