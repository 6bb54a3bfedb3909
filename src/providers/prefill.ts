/**
 * How a deployment is asked to go on with an answer that was begun for it: the answer stands as the last turn of the assistant,
 * marked as the provider wants it. Only where the capability table says that the model does so.
 */
import type { CapabilityTable } from "../wire/capability.ts";
import type { AssistantMessage, ChatRequest } from "../wire/chat.ts";
import { asArray, isObject, type Json, type JsonObject } from "../wire/json.ts";
import type { EncodedRequest, Target } from "./dialects/dialect.ts";

export interface Prefill {
  /** What marks the turn; `turn`: nothing does, a last turn of the assistant is always gone on with. */
  readonly by: "turn" | "prefix" | "continue";
  /** The answer begins with all of that turn. */
  readonly repeats: boolean;
  /** That nothing follows is told as an answer without content; else it is an end like any other. */
  readonly endsEmpty: boolean;
  /** From the origin on, in place of the usual path; null: the usual one. */
  readonly path: string | null;
}

const BY_TURN: Prefill = { by: "turn", repeats: false, endsEmpty: true, path: null };
/** What model servers of the chat-completions form have in common, where their owner says that they can at all. */
const BY_BODY: Prefill = { by: "continue", repeats: false, endsEmpty: false, path: null };

/** How a target goes on with an answer; null: it does not, or nobody knows. `baseUrl`: where it is called. */
export function prefillOf(target: Pick<Target, "provider" | "upstreamModel">, baseUrl: string, { prefill: can }: Pick<CapabilityTable, "prefill">): Prefill | null {
  const { dialect, prefill, baseUrl: ownUrl } = target.provider;
  if (can !== true) return null;
  if (dialect === "anthropic-messages" || dialect === "bedrock-converse") return BY_TURN;
  if (dialect !== "openai-chat") return null;
  if (prefill === undefined) return BY_BODY;
  // Another path than the usual one is known of the provider's own address alone.
  if (prefill.path !== undefined && (ownUrl === null || !isAt(baseUrl, ownUrl))) return null;
  return { by: prefill.by, repeats: prefill.repeats === true, endsEmpty: false, path: prefill.path ?? null };
}

function isAt(baseUrl: string, ownUrl: string): boolean {
  return baseUrl === ownUrl || baseUrl.startsWith(`${ownUrl}/`);
}

/**
 * The request whose answer goes on after `text`. Nothing is thought any more: what there was to think about was thought before
 * the first word, and models that think go on with no turn of another.
 */
export function goingOn(request: ChatRequest, text: string): ChatRequest {
  const turn: AssistantMessage = { role: "assistant", parts: [{ kind: "text", text, cacheControl: undefined }], toolCalls: [], reasoning: [], name: undefined, other: {} };
  const { reasoningEffort } = request;
  return { ...request, messages: [...request.messages, turn], thinking: undefined, reasoningEffort: reasoningEffort === "none" ? reasoningEffort : undefined };
}

/** The body with the marks that the provider wants; null: the last turn is not where it has to be. */
export function marked(encoded: EncodedRequest, prefill: Prefill): JsonObject | null {
  const { body } = encoded;
  const messages = asArray(body["messages"]);
  const last = messages.at(-1);
  if (!isObject(last) || last["role"] !== "assistant") return null;
  if (prefill.by === "turn") return body;
  if (prefill.by === "continue") return { ...body, continue_final_message: true, add_generation_prompt: false };
  const turn: Json = { ...last, prefix: true };
  return { ...body, messages: [...messages.slice(0, -1), turn] };
}
