/**
 * Messages that a client of another dialect wrote, as chat hosts take them: text as one string wherever it stands alone,
 * results of tools in text with what else they hold behind them, ids within bounds, opaque state of other makers gone.
 */
import type { AssistantMessage, AudioPart, ChatRequest, FilePart, ImagePart, Message, Part, SystemMessage, TextPart, ToolMessage, UserMessage } from "../../../wire/chat.ts";
import { type Draft, shown } from "../anthropic/draft.ts";
import type { Target } from "../dialect.ts";
import { resultParts } from "../foreign.ts";
import { upstreamToolName } from "../responses/encode-names.ts";
import { callIds } from "./call-ids.ts";

/** Adapt all messages. What cannot be carried is told to `draft`. */
export function adaptMessages(request: ChatRequest, target: Target, draft: Draft): readonly Message[] {
  const adapter = new Adapter(request, target, draft);
  request.messages.forEach((message, at) => adapter.add(message, `messages[${at}]`));
  return adapter.end();
}

/** Cache markers mean nothing here, and are told once. */
export function warnOfCache(draft: Draft): void {
  draft.warn("cache_control is not carried: this provider caches prefixes by itself");
}

class Adapter {
  readonly #draft: Draft;
  readonly #callId: (id: string) => string;
  readonly #marksCache: boolean;
  readonly #replaysReasoning: boolean;
  /** Ids of files of the same maker's other protocol. */
  readonly #knowsFileIds: boolean;
  readonly #out: Message[] = [];
  /** What results of tools held beside text; it follows the last of them. */
  #held: readonly Part[] = [];

  constructor(request: ChatRequest, target: Target, draft: Draft) {
    const { quirks } = target.provider;
    this.#draft = draft;
    this.#callId = callIds(target, true);
    this.#marksCache = quirks.cacheControl === true;
    this.#replaysReasoning = quirks.replaysReasoningContent === true || quirks.chunks === true;
    this.#knowsFileIds = request.surface === "openai-responses";
  }

  add(message: Message, path: string): void {
    switch (message.role) {
      case "tool":
        return this.#result(message, path);
      case "user":
        return this.#user(message, path);
      case "assistant":
        this.#release();
        this.#out.push(this.#assistant(message, path));
        return;
      default:
        this.#release();
        this.#out.push({ ...message, parts: this.#text(message, path, "\n\n") });
    }
  }

  end(): readonly Message[] {
    this.#release();
    return this.#out;
  }

  #user(message: UserMessage, path: string): void {
    const parts = [...this.#held, ...this.#parts(message.parts, path)];
    this.#held = [];
    this.#out.push({ ...message, parts });
  }

  #release(): void {
    if (this.#held.length > 0) this.#out.push({ role: "user", parts: this.#held, name: undefined });
    this.#held = [];
  }

  /** Results are text only; anything else in them is shown by the user right behind them. */
  #result(message: ToolMessage, path: string): void {
    const parts = this.#parts(resultParts(message), path);
    const attached = parts.filter((part) => part.kind !== "text");
    const text = parts.filter((part) => part.kind === "text");
    const toolCallId = this.#callId(message.toolCallId);
    if (attached.length > 0) {
      text.push(textPart(`[${attached.length} attached: see the next user message]`));
      this.#held = [...this.#held, textPart(`[attached to the result of ${toolCallId}]`), ...attached];
    }
    this.#out.push({ role: "tool", toolCallId, parts: joined(text, "\n") });
  }

  #assistant(message: AssistantMessage, path: string): AssistantMessage {
    return {
      ...message,
      parts: this.#text(message, path, ""),
      reasoning: this.#reasoning(message),
      toolCalls: message.toolCalls.map((call) => {
        const thoughtSignature = message.restored === true ? call.thoughtSignature : undefined;
        if (call.thoughtSignature !== thoughtSignature) this.#draft.warn("thought signatures of another provider were left out");
        return { ...call, id: this.#callId(call.id), name: upstreamToolName(call.name), thoughtSignature };
      }),
    };
  }

  /** Visible text goes back where the host wants it back; what only its maker can read goes nowhere. */
  #reasoning(message: AssistantMessage): AssistantMessage["reasoning"] {
    if (message.reasoning.length === 0) return [];
    if (!this.#replaysReasoning) {
      this.#draft.warn("earlier reasoning was left out: this provider has no place for it");
      return [];
    }
    const kept = message.reasoning.flatMap((block) => (block.kind === "thinking" && block.text !== "" ? [{ ...block, signature: undefined }] : []));
    if (message.reasoning.some((block) => block.kind === "redacted" || block.signature !== undefined)) {
      this.#draft.warn("signed and redacted parts of earlier reasoning were left out: only their maker can read them");
    }
    return kept;
  }

  #text(message: SystemMessage | AssistantMessage, path: string, between: string): readonly Part[] {
    const texts = message.parts.flatMap((part, at): readonly Part[] => {
      if (part.kind === "refusal" && message.role === "assistant") return [part];
      if (part.kind === "text" || part.kind === "refusal") return this.#part(part, path);
      const type = part.kind === "other" ? part.type : part.kind;
      this.#draft.refuse(`${path}.content[${at}]`, `this provider takes only text in ${message.role} messages, not ${shown(type)}`);
      return [];
    });
    return joined(texts, between);
  }

  #parts(parts: readonly Part[], path: string): Part[] {
    return parts.flatMap((part, at) => this.#part(part, `${path}.content[${at}]`));
  }

  #part(part: Part, param: string): readonly Part[] {
    if ("cacheControl" in part && part.cacheControl !== undefined && !this.#marksCache) {
      warnOfCache(this.#draft);
      return this.#part({ ...part, cacheControl: undefined }, param);
    }
    switch (part.kind) {
      case "text":
        return [part];
      case "refusal":
        // Only the assistant refuses here.
        return [textPart(part.text)];
      case "image":
        return this.#image(part, param);
      case "file":
        return this.#file(part, param);
      case "audio":
        return this.#audio(part, param);
      case "other":
        this.#draft.refuse(`${param}.type`, `content of type ${shown(part.type)} is not carried to this model`);
        return [];
    }
  }

  #image(part: ImagePart, param: string): readonly Part[] {
    if (part.source.kind === "base64" || /^(?:https?|data):/i.test(part.source.url)) return [part];
    this.#draft.refuse(`${param}.image_url.url`, "only the provider that this address belongs to can read it; send the image itself");
    return [];
  }

  /** Data needs a name beside it, from which hosts take its type. */
  #file(part: FilePart, param: string): readonly Part[] {
    const { source } = part;
    switch (source.kind) {
      case "id":
        if (this.#knowsFileIds) return [part];
        this.#draft.refuse(`${param}.file.file_id`, "a file id of another provider means nothing to this model; send the file itself");
        return [];
      case "url":
        this.#draft.refuse(`${param}.file`, "this provider takes files as bytes only and remote ones are not fetched; send the file itself");
        return [];
      case "base64":
        if (source.mediaType.startsWith("video/")) {
          this.#draft.refuse(`${param}.file`, "this provider takes no video");
          return [];
        }
        if (source.mediaType.startsWith("image/")) return [{ kind: "image", source, detail: undefined, cacheControl: part.cacheControl }];
        return [{ ...part, filename: part.filename ?? (source.mediaType === "application/pdf" ? "file.pdf" : "file") }];
    }
  }

  #audio(part: AudioPart, param: string): readonly Part[] {
    const format = part.format.toLowerCase().replace(/^audio\//, "").replace(/^x-/, "").replace(/^(?:mpeg|mpga)$/, "mp3");
    if (format === "wav" || format === "mp3") return [{ ...part, format }];
    this.#draft.refuse(`${param}.input_audio.format`, `this provider takes audio as wav and mp3, not ${shown(part.format)}`);
    return [];
  }
}

function textPart(text: string): TextPart {
  return { kind: "text", text, cacheControl: undefined };
}

/** Text alone is one string, which every host takes; cache markers need their parts apart. */
function joined(parts: readonly Part[], between: string): readonly Part[] {
  const texts = parts.flatMap((part) => (part.kind === "text" && part.cacheControl === undefined ? [part.text] : []));
  return texts.length < parts.length || texts.length < 2 ? parts : [textPart(texts.join(between))];
}
