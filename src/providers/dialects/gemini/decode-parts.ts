/** One content part → hub events. Text, thoughts, signatures and function calls, whole or in pieces. */
import type { StreamEvent } from "../../../wire/events.ts";
import { asArray, asString, isObject, type Json, type JsonObject } from "../../../wire/json.ts";
import { mintCallId } from "./names.ts";
import { partialArguments, type PartialArguments } from "./partial-arguments.ts";

export interface Choice {
  readonly index: number;
  /** Calls begun so far; the next call's index. */
  toolCount: number;
  /** Anything that a user could see, or that the answer held and we could not carry. */
  hasContent: boolean;
  /** The finish reason as the provider wrote it, once it came. */
  reason: string | undefined;
  /** The prompt was refused: `reason` is the word for that, and there is no candidate. */
  readonly blocked: boolean;
  /** The `finish` event was given. */
  told: boolean;
  /** A call whose arguments still arrive in pieces. */
  open: { readonly index: number; readonly pieces: PartialArguments } | undefined;
}

/** What a part needs to know of the response it stands in. */
export interface Scope {
  readonly responseKey: string;
  readonly renames: Readonly<Record<string, string>> | undefined;
  /** Kinds of parts that a warning was given for. */
  readonly warned: Set<string>;
}

/** A choice of which nothing has been read. */
export function newChoice(index: number): Choice {
  return { index, toolCount: 0, hasContent: false, reason: undefined, blocked: false, told: false, open: undefined };
}

/** Read one part. False: it is a function call that cannot be read. Parts of unknown kinds are named in a warning. */
export function readPart(choice: Choice, part: Json, scope: Scope, events: StreamEvent[]): boolean {
  if (!isObject(part)) return true;
  const call = part["functionCall"];
  if (isObject(call)) return readCall(choice, call, asString(part["thoughtSignature"]), scope, events);
  const text = asString(part["text"]);
  if (text !== undefined) readText(choice, text, part["thought"] === true, events);
  else warnOfUnknown(choice, part, scope, events);
  addSignature(choice, asString(part["thoughtSignature"]), events);
  return true;
}

/**
 * Give the arguments of the open call and close it. `cut`: the answer ended before the call did, so the last brace is
 * left off, as other providers leave arguments that hit the output limit: nobody shall take them for complete.
 */
export function closeCall(choice: Choice, cut: boolean, events: StreamEvent[]): void {
  const { open } = choice;
  if (open === undefined) return;
  choice.open = undefined;
  const json = open.pieces.toJson();
  events.push({ kind: "tool-arguments", choice: choice.index, index: open.index, json: cut ? json.slice(0, -1) : json });
}

function readText(choice: Choice, text: string, thought: boolean, events: StreamEvent[]): void {
  // Empty text is how a chunk carries a signature or a finish reason; it is no content.
  if (text === "") return;
  closeCall(choice, false, events);
  choice.hasContent = true;
  events.push({ kind: thought ? "reasoning" : "text", choice: choice.index, text });
}

function addSignature(choice: Choice, signature: string | undefined, events: StreamEvent[]): void {
  if (signature !== undefined && signature !== "") events.push({ kind: "signature", choice: choice.index, signature, inExtraContent: true });
}

function warnOfUnknown(choice: Choice, part: JsonObject, scope: Scope, events: StreamEvent[]): void {
  const kinds = Object.keys(part).filter((key) => !["thought", "thoughtSignature", "videoMetadata", "partMetadata", "mediaResolution"].includes(key));
  for (const kind of kinds) {
    choice.hasContent = true;
    // The name comes off the wire: bounded, so that a warning stays a sentence.
    if (scope.warned.size >= 16 || scope.warned.has(kind)) continue;
    scope.warned.add(kind);
    events.push({ kind: "warning", message: `the answer held content of type ${kind.slice(0, 60)} that cannot be carried` });
  }
}

/**
 * A function call: whole (`name`, `args`), or streamed: a named piece with `willContinue` opens it, pieces without a
 * name continue it, one without `willContinue` (often an empty object) closes it. Another name closes it as well.
 */
function readCall(choice: Choice, call: JsonObject, signature: string | undefined, scope: Scope, events: StreamEvent[]): boolean {
  const name = asString(call["name"]);
  const goesOn = call["willContinue"] === true;
  if (name !== undefined && name !== "") {
    closeCall(choice, false, events);
    const index = choice.toolCount++;
    choice.hasContent = true;
    const id = asString(call["id"]);
    events.push({
      kind: "tool-start", choice: choice.index, index,
      id: id === undefined || id === "" ? mintCallId(scope.responseKey, choice.index, index) : id,
      name: clientName(name, scope),
      thoughtSignature: signature === "" ? undefined : signature,
    });
    choice.open = { index, pieces: partialArguments() };
  } else {
    // A signature that comes after its call began cannot go on the call any more.
    addSignature(choice, signature, events);
    if (choice.open === undefined) return call["args"] === undefined && call["partialArgs"] === undefined;
  }
  const { pieces } = choice.open as { pieces: PartialArguments };
  const args = call["args"];
  if (isObject(args)) pieces.merge(args);
  else if (args !== undefined && args !== null) return false;
  for (const piece of asArray(call["partialArgs"])) if (!pieces.apply(piece)) return false;
  if (!goesOn) closeCall(choice, false, events);
  return true;
}

function clientName(name: string, scope: Scope): string {
  return scope.renames !== undefined && Object.hasOwn(scope.renames, name) ? (scope.renames[name] ?? name) : name;
}
