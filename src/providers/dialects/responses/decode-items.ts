/**
 * Output items as hub events. An item may come in pieces, whole at its end, or only inside the last event; each piece of
 * it is told once, whichever way it came first.
 */
import type { StreamEvent } from "../../../wire/events.ts";
import { asArray, asString, isObject, member, type Json, type JsonObject } from "../../../wire/json.ts";
import { shown } from "../anthropic/draft.ts";
import type { DecodeContext } from "../dialect.ts";
import { sealReasoning } from "./encode-reasoning.ts";
import { logprobsOf } from "./decode-logprobs.ts";

export type PartKind = "text" | "refusal" | "reasoning";

interface OpenItem {
  readonly id: string;
  type: string;
  /** Text told of each part, by kind and index. */
  readonly told: Map<string, string>;
  call: OpenCall | undefined;
  closed: boolean;
}
interface OpenCall {
  readonly index: number;
  /** Arguments told, and those held back because they may still turn out to be nothing or the word null. */
  told: string;
  held: string;
}

/** Calls that the client answers, beside functions. They come only where such a tool was asked for. */
const CLIENT_CALLS = new Set([
  "custom_tool_call", "local_shell_call", "shell_call", "apply_patch_call", "computer_call", "mcp_approval_request",
]);
const WARNINGS_MAX = 16;

/** The items of one answer. `out` takes the events. */
export class OutputItems {
  readonly #context: DecodeContext;
  readonly #items = new Map<number, OpenItem>();
  readonly #warned = new Set<string>();
  #calls = 0;
  #functions = 0;
  /** A call of another kind came, and no message after it: one that the provider ran itself is followed by one. */
  #owed = false;
  /** Reasoning was told: a further part of it begins a new paragraph. */
  #reasoned = false;
  /** Something came that a user gets, or that a server-side tool did. */
  hasContent = false;
  /** Seeds the ids of calls that have none: stable within the answer, unlikely to come again in the next. */
  answerId = "";
  /** A function was called without its name being told: nobody can answer that call. */
  nameless = false;

  constructor(context: DecodeContext) {
    this.#context = context;
  }

  /** Does the client owe an answer to a call? */
  get hasCalls(): boolean {
    return this.#functions > 0 || this.#owed;
  }

  /** `response.output_item.added`: a call is told at once, everything else waits for its content. */
  added(at: number, item: JsonObject, out: StreamEvent[]): void {
    const open = this.#open(at, item);
    if (open.call === undefined && !open.closed) this.#begin(open, item, out);
  }

  /** A fragment of a part. An item that was never announced is announced by it. */
  delta(at: number, kind: PartKind, part: string, text: string, out: StreamEvent[], logprobs?: Json): void {
    const open = this.#open(at, {});
    if (open.closed || text === "") return;
    this.#tell(open, kind, part, text, logprobs, out);
  }

  /** The whole text of a part: what of it was not told yet is told now. */
  whole(at: number, kind: PartKind, part: string, text: string, out: StreamEvent[], logprobs?: Json): void {
    const open = this.#open(at, {});
    if (open.closed) return;
    const told = open.told.get(`${kind}:${part}`) ?? "";
    if (text.length > told.length && text.startsWith(told)) this.#tell(open, kind, part, text.slice(told.length), logprobs, out);
  }

  /** A fragment of a function's arguments; undefined call: it was never named, so its end will tell it. */
  argumentsDelta(at: number, json: string, out: StreamEvent[]): void {
    const call = this.#open(at, {}).call;
    if (call === undefined) return;
    call.held += json;
    if ("null".startsWith(call.held.trim())) return;
    this.#flush(call, out);
  }

  /** The whole arguments, from whichever event has them. */
  argumentsWhole(at: number, json: string, out: StreamEvent[]): void {
    const call = this.#open(at, {}).call;
    if (call === undefined) return;
    const known = call.told + call.held;
    if (json.length > known.length && json.startsWith(known)) this.argumentsDelta(at, json.slice(known.length), out);
  }

  /** `response.output_item.done`, or an item of a whole answer. Told once. */
  done(at: number, item: JsonObject, out: StreamEvent[]): void {
    const open = this.#open(at, item);
    if (open.closed) return;
    if (open.type === "") open.type = asString(item["type"]) ?? "";
    if (open.call === undefined) this.#begin(open, item, out);
    switch (open.type) {
      case "message":
        this.#message(at, item, out);
        break;
      case "reasoning":
        this.#reasoning(at, item, out);
        break;
      case "function_call":
        if (open.call === undefined) this.nameless = true;
        else this.#endCall(at, open.call, item, out);
        break;
      default:
        if (open.call !== undefined) this.#endCall(at, open.call, item, out);
    }
    open.closed = true;
  }

  /**
   * The answer is over, and `output` is its whole list. Items whose end never came are closed by it; one that the stream
   * never brought, neither under its id nor at its place, is told from it.
   */
  close(output: readonly Json[], out: StreamEvent[]): void {
    const seen = new Set([...this.#items.values()].map((open) => open.id));
    for (const [at, open] of this.#items) {
      if (open.closed) continue;
      const same = open.id === "" ? undefined : output.find((item) => asString(member(item, "id")) === open.id);
      const there = asString(member(output[at], "type")) ?? "";
      const last = same ?? (open.type === "" || open.type === there ? output[at] : undefined);
      this.done(at, isObject(last) ? last : { type: open.type }, out);
    }
    output.forEach((item, at) => {
      const id = asString(member(item, "id")) ?? "";
      if (isObject(item) && !this.#items.has(at) && (id === "" || !seen.has(id))) this.done(at, item, out);
    });
  }

  warn(message: string, out: StreamEvent[]): void {
    if (this.#warned.has(message) || this.#warned.size >= WARNINGS_MAX) return;
    this.#warned.add(message);
    out.push({ kind: "warning", message });
  }

  #open(at: number, item: JsonObject): OpenItem {
    let open = this.#items.get(at);
    if (open === undefined) {
      open = { id: asString(item["id"]) ?? "", type: asString(item["type"]) ?? "", told: new Map(), call: undefined, closed: false };
      this.#items.set(at, open);
    }
    return open;
  }

  #begin(open: OpenItem, item: JsonObject, out: StreamEvent[]): void {
    if (open.type === "message") this.#owed = false;
    if (open.type === "function_call") this.#beginCall(open, asString(item["name"]) ?? "", item, out);
    else if (CLIENT_CALLS.has(open.type)) this.#beginCall(open, asString(item["name"]) ?? open.type, item, out);
    else if (open.type !== "message" && open.type !== "reasoning" && open.type !== "") {
      this.hasContent = true;
      this.warn(`output of type ${shown(open.type)} has no counterpart and was left out`, out);
    }
  }

  /** A call without a name yet waits; its end has it or it is malformed. */
  #beginCall(open: OpenItem, name: string, item: JsonObject, out: StreamEvent[]): void {
    if (name === "") return;
    const index = this.#calls++;
    if (open.type === "function_call") this.#functions++;
    else this.#owed = true;
    open.call = { index, told: "", held: "" };
    this.hasContent = true;
    const { renames } = this.#context;
    const clientName = renames !== undefined && Object.hasOwn(renames, name) ? (renames[name] ?? name) : name;
    const told = asString(item["call_id"]) || asString(item["id"]) || "";
    const id = told === "" ? `call_${this.answerId.replace(/[^A-Za-z0-9]/g, "").slice(-16)}_${index}` : told;
    out.push({ kind: "tool-start", choice: 0, index, id, name: clientName, thoughtSignature: undefined });
  }

  #tell(open: OpenItem, kind: PartKind, part: string, text: string, logprobs: Json | undefined, out: StreamEvent[]): void {
    const key = `${kind}:${part}`;
    const told = open.told.get(key);
    open.told.set(key, (told ?? "") + text);
    this.hasContent = true;
    if (kind === "reasoning") {
      // Parts of a summary are paragraphs, told apart only by their numbers.
      out.push({ kind, choice: 0, text: told === undefined && this.#reasoned ? `\n\n${text}` : text });
      this.#reasoned = true;
      return;
    }
    const extra = logprobsOf(logprobs);
    if (extra !== undefined) out.push({ kind: "choice-extra", choice: 0, key: "logprobs", value: extra });
    out.push({ kind, choice: 0, text });
  }

  #message(at: number, item: JsonObject, out: StreamEvent[]): void {
    asArray(item["content"]).forEach((part, index) => {
      const type = asString(member(part, "type"));
      const logprobs = member(part, "logprobs");
      if (type === "output_text" || type === "text") this.whole(at, "text", `${index}`, asString(member(part, "text")) ?? "", out, logprobs);
      else if (type === "refusal") this.whole(at, "refusal", `${index}`, asString(member(part, "refusal")) ?? "", out);
      else if (type !== undefined) this.warn(`content of type ${shown(type)} has no counterpart and was left out`, out);
      if (asArray(member(part, "annotations")).length > 0) this.annotated(out);
    });
  }

  annotated(out: StreamEvent[]): void {
    this.warn("citations have no counterpart and were left out", out);
  }

  /** Encrypted content counts only here: what an item has of it when it is announced may be a part. */
  #reasoning(at: number, item: JsonObject, out: StreamEvent[]): void {
    asArray(item["summary"]).forEach((part, index) => {
      this.whole(at, "reasoning", `summary:${index}`, asString(member(part, "text")) ?? "", out);
    });
    asArray(item["content"]).forEach((part, index) => {
      this.whole(at, "reasoning", `content:${index}`, asString(member(part, "text")) ?? "", out);
    });
    const encryptedContent = asString(item["encrypted_content"]) ?? "";
    if (encryptedContent === "") return;
    const data = sealReasoning({ id: asString(item["id"]) ?? "", model: this.#context.upstreamModel, provider: this.#context.provider, account: this.#context.account, encryptedContent });
    out.push({ kind: "redacted", choice: 0, data });
  }

  #endCall(at: number, call: OpenCall, item: JsonObject, out: StreamEvent[]): void {
    this.argumentsWhole(at, wholeArguments(item), out);
    if (call.told === "") call.held = call.held.trim() === "" || call.held.trim() === "null" ? "{}" : call.held;
    this.#flush(call, out);
  }

  #flush(call: OpenCall, out: StreamEvent[]): void {
    if (call.held === "") return;
    out.push({ kind: "tool-arguments", choice: 0, index: call.index, json: call.held });
    call.told += call.held;
    call.held = "";
  }
}

/** Arguments as text. Other kinds of calls say what they want in a member of their own. */
function wholeArguments(item: JsonObject): string {
  const told = item["arguments"];
  if (typeof told === "string") return told;
  if (isObject(told)) return JSON.stringify(told);
  if (item["input"] !== undefined) return JSON.stringify({ input: item["input"] });
  const wanted = item["action"] ?? item["operation"];
  return isObject(wanted) ? JSON.stringify(wanted) : "";
}
