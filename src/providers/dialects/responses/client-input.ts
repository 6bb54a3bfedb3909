/**
 * The items of a Responses `input`, as the hub's messages. Items are finer than messages: reasoning, text and calls of one
 * turn stand side by side and become one assistant message; a result goes right behind the turn that made its call,
 * wherever in the list it stands, as most other protocols demand.
 */
import type { AssistantMessage, Message, Part, ReasoningBlock, ToolCall } from "../../../wire/chat.ts";
import { asArray, asString, isObject } from "../../../wire/json.ts";
import type { Json, JsonObject } from "../../../wire/json.ts";
import { parseContent } from "./client-content.ts";
import type { Intake } from "./client-intake.ts";
import type { ToolNames } from "./client-names.ts";
import { openState } from "./client-state.ts";
import { CUSTOM_INPUT } from "./client-tools.ts";

const FOREIGN_REASONING = "input[].encrypted_content: reasoning that only its maker can read was left out.";

/** Messages of `input`; a string is one message of the user. */
export function parseInput(value: Json | undefined, names: ToolNames, intake: Intake): readonly Message[] {
  if (value === undefined || value === null) return [];
  if (typeof value === "string") return [{ role: "user", parts: parseContent(value, "input", intake), name: undefined }];
  if (!Array.isArray(value)) throw intake.wrong("input", "a string or a list of items", value);
  const items = value as readonly Json[];
  const turns = new Turns(names, intake, signaturesOf(items));
  items.forEach((item, i) => {
    if (!isObject(item)) throw intake.wrong(`input[${i}]`, "an object", item);
    turns.add(item, `input[${i}]`);
  });
  return turns.end();
}

/** Thought signatures of calls, told by the reasoning items that we authored before them. */
function signaturesOf(items: readonly Json[]): ReadonlyMap<string, string> {
  const signatures = new Map<string, string>();
  for (const item of items) {
    if (!isObject(item) || item["type"] !== "reasoning") continue;
    for (const [callId, signature] of Object.entries(openState(item["encrypted_content"])?.calls ?? {})) signatures.set(callId, signature);
  }
  return signatures;
}

interface OpenTurn {
  readonly parts: Part[];
  readonly toolCalls: ToolCall[];
  readonly reasoning: ReasoningBlock[];
}

class Turns {
  readonly #names: ToolNames;
  readonly #intake: Intake;
  readonly #signatures: ReadonlyMap<string, string>;
  readonly #messages: Message[] = [];
  #turn: OpenTurn | null = null;

  constructor(names: ToolNames, intake: Intake, signatures: ReadonlyMap<string, string>) {
    this.#names = names;
    this.#intake = intake;
    this.#signatures = signatures;
  }

  add(item: JsonObject, path: string): void {
    const intake = this.#intake;
    const type = intake.string(item["type"], `${path}.type`) ?? "message";
    switch (type) {
      case "message":
        return this.#message(item, path);
      case "reasoning":
        return this.#reasoning(item, path);
      case "function_call":
      case "custom_tool_call":
        return this.#call(item, path, type === "custom_tool_call");
      case "function_call_output":
      case "custom_tool_call_output":
        return this.#result(item, path);
      case "additional_tools":
        // Its tools are listed with the others.
        return;
      case "web_search_call":
      case "tool_search_call":
      case "tool_search_output":
        // These say that something was looked up, not what the model read; what it made of that stands in its answer.
        intake.warn(`${path}: an item of type ${type} means something only to its provider and was left out.`);
        return;
      case "item_reference":
        intake.only(path, "an item that is only named by its id is known only to the provider that stores it.");
        return;
      default:
        intake.only(`${path}.type`, `items of type ${type.slice(0, 40)} are understood only by providers of the Responses API.`);
    }
  }

  end(): readonly Message[] {
    this.#close();
    return this.#messages;
  }

  #message(item: JsonObject, path: string): void {
    const intake = this.#intake;
    const role = intake.text(item, "role", path, "user, assistant, system or developer");
    intake.warnUnknown(item, ["type", "role", "content", "id", "status"], path);
    if (item["content"] === undefined || item["content"] === null) throw intake.missing(`${path}.content`, "text or a list of parts");
    const parts = parseContent(item["content"], `${path}.content`, intake);
    if (role === "assistant") {
      this.#open().parts.push(...parts);
      return;
    }
    this.#close();
    if (role === "user" || role === "system" || role === "developer") this.#messages.push({ role, parts, name: undefined });
    else intake.only(`${path}.role`, `the role "${role.slice(0, 40)}" is not known here.`);
  }

  #reasoning(item: JsonObject, path: string): void {
    const intake = this.#intake;
    const sealed = item["encrypted_content"];
    const state = openState(sealed);
    const summary = textsOf(item["summary"]);
    if (state === null) {
      if (typeof sealed === "string" && sealed !== "") intake.warn(FOREIGN_REASONING);
      this.#think([...textsOf(item["content"]), ...summary].join("\n\n"), undefined);
      return;
    }
    const text = summary.join("");
    if (state.redacted !== undefined) this.#open().reasoning.push({ kind: "redacted", data: state.redacted });
    if (state.signature === undefined) return this.#think(text, undefined);
    if (text.length === state.textLength) return this.#think(text, state.signature);
    intake.warn(`${path}.summary: reasoning that was changed lost its signature.`);
    this.#think(text, undefined);
  }

  #think(text: string, signature: string | undefined): void {
    if (text !== "" || signature !== undefined) this.#open().reasoning.push({ kind: "thinking", text, signature });
  }

  #call(item: JsonObject, path: string, custom: boolean): void {
    const intake = this.#intake;
    const id = intake.text(item, "call_id", path, "the id of the call");
    const name = intake.text(item, "name", path, "the tool's name");
    intake.warnUnknown(item, ["type", "call_id", "name", "namespace", "id", "status", custom ? "input" : "arguments"], path);
    const given = custom ? JSON.stringify({ [CUSTOM_INPUT]: intake.string(item["input"], `${path}.input`) ?? "" }) : this.#arguments(item, path);
    this.#open().toolCalls.push({
      id,
      name: this.#names.flat(intake.string(item["namespace"], `${path}.namespace`), name),
      argumentsJson: given,
      thoughtSignature: this.#signatures.get(id),
    });
  }

  /** No arguments at all is an empty object everywhere. */
  #arguments(item: JsonObject, path: string): string {
    const value = item["arguments"];
    if (isObject(value)) return JSON.stringify(value);
    const text = this.#intake.string(value, `${path}.arguments`) ?? "";
    return text.trim() === "" || text.trim() === "null" ? "{}" : text;
  }

  #result(item: JsonObject, path: string): void {
    const intake = this.#intake;
    const toolCallId = intake.text(item, "call_id", path, "the id of the call that it answers");
    if (item["output"] === undefined || item["output"] === null) throw intake.missing(`${path}.output`, "text or a list of parts");
    intake.warnUnknown(item, ["type", "call_id", "output", "id", "status"], path);
    const parts = parseContent(item["output"], `${path}.output`, intake);
    this.#close();
    const called = this.#messages.findLastIndex((message) => message.role === "assistant" && message.toolCalls.some((call) => call.id === toolCallId));
    let at = called < 0 ? this.#messages.length : called + 1;
    while (this.#messages[at]?.role === "tool") at++;
    this.#messages.splice(at, 0, { role: "tool", toolCallId, parts });
  }

  #open(): OpenTurn {
    this.#turn ??= { parts: [], toolCalls: [], reasoning: [] };
    return this.#turn;
  }

  #close(): void {
    const turn = this.#turn;
    this.#turn = null;
    if (turn === null) return;
    if (turn.parts.length === 0 && turn.toolCalls.length === 0) {
      // An answer that was cut while it was being thought out; no protocol takes a turn of thoughts alone.
      if (turn.reasoning.length > 0) this.#intake.warn("input: reasoning without an answer was left out.");
      return;
    }
    this.#messages.push({ role: "assistant", ...turn, name: undefined, other: {} } satisfies AssistantMessage);
  }
}

function textsOf(value: Json | undefined): readonly string[] {
  return asArray(value).map((part) => (isObject(part) ? (asString(part["text"]) ?? "") : "")).filter((text) => text !== "");
}
