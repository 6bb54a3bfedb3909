/**
 * Hosts whose chat completions have a form of their own (the quirk `chunks`): thinking, documents and sound stand among
 * the chunks of a message, and some fields exist nowhere else. The request is put into that form for them, and told to be
 * without it elsewhere.
 */
import type { AssistantMessage, ChatRequest, Message, Part } from "../../../wire/chat.ts";
import { isObject, type Json } from "../../../wire/json.ts";
import type { Unsupported } from "../dialect.ts";

/** What `safe_prompt` puts before a conversation, by its maker's documentation: elsewhere the same is said in words. */
export const SAFETY_PROMPT =
  "Always assist with care, respect, and truth. Respond with utmost utility yet securely. Avoid harmful, unethical, prejudiced, or negative content. Ensure replies promote fairness and positivity.";

const UNPROVEN = "signed and redacted parts of earlier reasoning were left out: only their maker can read them.";

/** Fields that no other host has and that are no loss of meaning where they are left out. */
const OWN_WISHES = ["prompt_mode", "document_image_limit", "document_page_limit"];

/** Sound by its address, in the hub: no other host takes it so. */
export const AUDIO_URL = "input_audio_url";

/** What would change the answer if another host left it out. */
export function ownOnly({ other: fields, messages }: ChatRequest): readonly Unsupported[] {
  const found: Unsupported[] = [];
  if (fields["guardrails"] !== undefined) found.push({ kind: "unsupported", param: "guardrails", message: "guardrails are kept only by the host that has them" });
  messages.forEach(({ parts }, at) => parts.forEach((part, i) => {
    if (part.kind !== "other" || part.type !== AUDIO_URL) return;
    found.push({ kind: "unsupported", param: `messages[${at}].content[${i}]`, message: "this provider takes no sound by address; send the sound itself" });
  }));
  return found;
}

/** The request in the host's own form. What has no place there is told. */
export function inOwnForm(request: ChatRequest, warnings: string[]): ChatRequest {
  const [first] = request.messages;
  const safe = first?.role === "system" && first.parts.length === 1 && first.parts[0]?.kind === "text" && first.parts[0].text === SAFETY_PROMPT;
  return {
    ...request,
    messages: (safe ? request.messages.slice(1) : request.messages).map((message) => ownMessage(message, warnings)),
    seed: undefined,
    other: {
      ...request.other,
      ...(safe ? { safe_prompt: true } : {}),
      ...(request.seed === undefined ? {} : { random_seed: request.seed }),
    },
  };
}

/** The request without the wishes that only such a host has. */
export function withoutOwnForm(request: ChatRequest, provider: string, warnings: string[]): ChatRequest {
  const left = OWN_WISHES.filter((field) => request.other[field] !== undefined);
  if (left.length === 0) return request;
  warnings.push(`${left.join(", ")} ${left.length === 1 ? "is" : "are"} not supported by ${provider} and left out.`);
  return { ...request, other: Object.fromEntries(Object.entries(request.other).filter(([key]) => !left.includes(key))) };
}

function ownMessage(message: Message, warnings: string[]): Message {
  const parts = message.parts.map(ownPart);
  if (message.role !== "assistant" || message.reasoning.length === 0) return { ...message, parts };
  return { ...message, parts: [...thoughtsOf(message, warnings), ...parts], reasoning: [] };
}

/** Thoughts stand before what was said. Proofs are left out: of whose making they are nothing tells, and the host asks for none. */
function thoughtsOf({ reasoning }: AssistantMessage, warnings: string[]): readonly Part[] {
  if (!warnings.includes(UNPROVEN) && reasoning.some((block) => block.kind === "redacted" || block.signature !== undefined)) warnings.push(UNPROVEN);
  return reasoning.flatMap((block): readonly Part[] => {
    if (block.kind === "redacted" || block.text === "") return [];
    return [other("thinking", { thinking: [{ type: "text", text: block.text }], closed: true })];
  });
}

function ownPart(part: Part): Part {
  if (part.kind === "other" && part.type === AUDIO_URL && isObject(part.raw)) return other("input_audio", { input_audio: part.raw["input_audio"] ?? "" });
  if (part.kind === "audio") return other("input_audio", { input_audio: part.base64 });
  if (part.kind !== "file") return part;
  const { source, filename } = part;
  if (source.kind === "id") return other("file", { file_id: source.id });
  const url = source.kind === "url" ? source.url : `data:${source.mediaType};base64,${source.base64}`;
  return other("document_url", { document_url: url, ...(filename === undefined ? {} : { document_name: filename }) });
}

function other(type: string, members: { readonly [key: string]: Json }): Part {
  return { kind: "other", type, raw: { type, ...members } };
}
