/** Output items while they are written: each knows what it holds, and how it looks when it is announced and when it is done. */
import { asArray, asString, isObject, member } from "../../../wire/json.ts";
import type { Json, JsonObject } from "../../../wire/json.ts";
import { sealState } from "./client-state.ts";
import type { KnownTool } from "./client-names.ts";
import { CUSTOM_INPUT } from "./client-tools.ts";

export type ItemStatus = "in_progress" | "completed" | "incomplete";

interface ItemBase {
  readonly id: string;
  readonly outputIndex: number;
  status: ItemStatus;
}
export interface MessageItem extends ItemBase {
  readonly kind: "message";
  readonly parts: MessagePart[];
}
export interface MessagePart {
  readonly kind: "text" | "refusal";
  readonly contentIndex: number;
  text: string;
  readonly logprobs: JsonObject[];
  readonly annotations: JsonObject[];
  open: boolean;
  /** The middle of a delta's JSON, the same for all deltas of the part. */
  readonly place: string;
}
export interface ReasoningItem extends ItemBase {
  readonly kind: "reasoning";
  text: string;
  signature: string | undefined;
  redacted: string | undefined;
  calls: Record<string, string> | undefined;
  readonly place: string;
}
export interface CallItem extends ItemBase {
  readonly kind: "call";
  readonly callId: string;
  readonly name: string;
  /** The client's own name for it; undefined for a tool that the client never listed. */
  readonly known: KnownTool | undefined;
  json: string;
  readonly place: string;
}
export type Item = MessageItem | ReasoningItem | CallItem;

/** A content part as it stands in events and in the item. */
export function partObject(part: MessagePart): JsonObject {
  if (part.kind === "refusal") return { type: "refusal", refusal: part.text };
  return { type: "output_text", text: part.text, annotations: [...part.annotations], logprobs: [...part.logprobs] };
}

/** The item as it is now. */
export function itemObject(item: Item): JsonObject {
  switch (item.kind) {
    case "message":
      return { type: "message", id: item.id, status: item.status, role: "assistant", content: item.parts.map(partObject) };
    case "reasoning":
      return reasoningObject(item);
    case "call":
      return callObject(item);
  }
}

/** Encrypted content is whole only when the item is. */
function reasoningObject(item: ReasoningItem): JsonObject {
  const { id, text, signature, redacted, calls, status } = item;
  const summary = text === "" ? [] : [{ type: "summary_text", text }];
  const sealed =
    status === "in_progress"
      ? undefined
      : sealState({
          ...(signature === undefined ? {} : { signature, textLength: text.length }),
          ...(redacted === undefined ? {} : { redacted }),
          ...(calls === undefined ? {} : { calls }),
        });
  return { type: "reasoning", id, summary, ...(sealed === undefined ? {} : { encrypted_content: sealed }), status };
}

function callObject({ id, callId, name, known, json, status }: CallItem): JsonObject {
  const called = { call_id: callId, name: known?.name ?? name, ...(known?.namespace === undefined ? {} : { namespace: known.namespace }) };
  if (known?.custom === true) return { type: "custom_tool_call", id, ...called, input: customInput(json), status };
  return { type: "function_call", id, ...called, arguments: json, status };
}

/** The text that a custom tool was called with. What the model wrote otherwise than asked is handed on as it is. */
export function customInput(json: string): string {
  if (json === "") return "";
  try {
    const value: unknown = JSON.parse(json);
    const input = asString(member(value, CUSTOM_INPUT));
    return input ?? json;
  } catch {
    return json;
  }
}

/** Are these arguments one whole JSON value, so that nothing can follow? */
export function isWhole(json: string): boolean {
  if (!json.trimEnd().endsWith("}")) return false;
  try {
    JSON.parse(json);
    return true;
  } catch {
    return false;
  }
}

/** Log probabilities of the chat form, with the bytes that this one demands. */
export function logprobsOf(value: Json): readonly JsonObject[] {
  return asArray(member(value, "content")).filter(isObject).map((entry) => ({
    ...withBytes(entry),
    top_logprobs: asArray(entry["top_logprobs"]).filter(isObject).map(withBytes),
  }));
}

const utf8 = new TextEncoder();

function withBytes(entry: JsonObject): JsonObject {
  const token = asString(entry["token"]) ?? "";
  return { token, logprob: entry["logprob"] ?? 0, bytes: entry["bytes"] ?? [...utf8.encode(token)] };
}

/** Sources of the chat form (`{type, url_citation: {…}}`) as this one has them; other kinds have no place here. */
export function annotationsOf(value: Json): readonly JsonObject[] {
  const found: JsonObject[] = [];
  for (const entry of asArray(value)) {
    const source = isObject(entry) && entry["type"] === "url_citation" ? (isObject(entry["url_citation"]) ? entry["url_citation"] : entry) : undefined;
    const url = asString(source?.["url"]);
    if (source === undefined || url === undefined) continue;
    const { start_index: start, end_index: end, title } = source;
    found.push({ type: "url_citation", url, title: asString(title) ?? url, start_index: index(start), end_index: index(end) });
  }
  return found;
}

function index(value: Json | undefined): number {
  return typeof value === "number" && Number.isSafeInteger(value) ? value : 0;
}
