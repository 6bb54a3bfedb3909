/**
 * Reasoning: what is asked of the model, and how its own earlier reasoning travels through clients that know nothing of
 * it. An item of encrypted reasoning leaves as a `redacted` block whose data is an envelope with our mark; on the way
 * back only what bears the mark, and was made by the model that is asked again, becomes an item.
 */
import type { ChatRequest, ReasoningBlock } from "../../../wire/chat.ts";
import { fromBase64, toBase64 } from "../../../wire/base64.ts";
import { asString, isObject, member, type Json, type JsonObject } from "../../../wire/json.ts";
import type { Draft } from "../anthropic/draft.ts";
import type { Target } from "../dialect.ts";
import { askedEffort, EFFORTS, nearestEffort } from "../efforts.ts";

/** 21 bytes, so that every envelope begins with the same 28 characters. */
const MARK = "spillway-responses-1:";
const SEALED = "c3BpbGx3YXktcmVzcG9uc2VzLTE6";

export interface EncryptedReasoning {
  /** The item's id as its maker gave it; empty where it gave none. */
  readonly id: string;
  /** Upstream name of the model that was called. Another model, or another maker, refuses the content. */
  readonly model: string;
  /** Id of the provider that was called, where it was told: its neighbours refuse the content though the model is the same. */
  readonly provider?: string | undefined;
  /** The account that was called, where it was told: the content is bound to its organisation, and nobody tells which accounts share one. */
  readonly account?: string | undefined;
  readonly encryptedContent: string;
}

/** Does this bear our mark for an item of encrypted reasoning, whole or not? */
export function isSealedReasoning(data: string): boolean {
  return data.startsWith(SEALED);
}

/**
 * The data of a `redacted` event for an item of encrypted reasoning. It is base64, since some clients hold such data as bytes
 * and decode it before they give it back.
 */
export function sealReasoning(item: EncryptedReasoning): string {
  const owner = item.account === undefined ? [item.provider] : [item.provider ?? null, item.account];
  const content = [item.id, item.model, item.encryptedContent, ...owner.filter((one) => one !== undefined)];
  return toBase64(new TextEncoder().encode(MARK + JSON.stringify(content)));
}

/** The item inside an envelope, or undefined for data of another making. */
export function openReasoning(data: string): EncryptedReasoning | undefined {
  const bytes = isSealedReasoning(data) ? fromBase64(data) : undefined;
  if (bytes === undefined) return undefined;
  let value: Json;
  try {
    value = JSON.parse(new TextDecoder().decode(bytes).slice(MARK.length)) as Json;
  } catch {
    return undefined;
  }
  if (!Array.isArray(value)) return undefined;
  const [id, model, encryptedContent, provider, account] = (value as readonly Json[]).map(asString);
  if (id === undefined || model === undefined || encryptedContent === undefined) return undefined;
  return { id, model, encryptedContent, ...(provider !== undefined && { provider }), ...(account !== undefined && { account }) };
}

/** May this target read it? What an envelope does not tell, as those of earlier versions, is not held against it. */
function canRead({ provider, account, upstreamModel }: Target, own: EncryptedReasoning): boolean {
  return own.model === upstreamModel && (own.provider ?? provider.id) === provider.id && (own.account === undefined || account === undefined || own.account === account);
}

/** Items for the reasoning that a client replays. Foreign opaque state stays behind: another maker's proof is an error here. */
export function reasoningItems(blocks: readonly ReasoningBlock[], target: Target, draft: Draft): readonly JsonObject[] {
  const items: JsonObject[] = [];
  let foreign = false;
  for (const block of blocks) {
    const own = block.kind === "redacted" ? openReasoning(block.data) : undefined;
    if (own !== undefined && canRead(target, own)) {
      items.push({ type: "reasoning", ...(own.id !== "" && { id: own.id }), summary: [], encrypted_content: own.encryptedContent });
    } else if (block.kind === "redacted" || (block.signature !== undefined && block.signature !== "")) foreign = true;
  }
  if (foreign) draft.warn("earlier reasoning of another model was left out: only its maker can read it");
  // Beside an item of ours the plain text is that item's summary, which the encrypted content holds already.
  else if (items.length === 0 && blocks.length > 0) draft.warn("earlier reasoning was left out: there is no place for it here");
  return items;
}

export interface EncodedReasoning {
  /** For `reasoning`; undefined where nothing is asked. */
  readonly reasoning: JsonObject | undefined;
  /** For `include`. */
  readonly encrypted: boolean;
  /** What is sent of the effort that was asked. */
  readonly effort: string | undefined;
}

/** Decide `reasoning` and whether its encrypted form is asked for. */
export function encodeReasoning(request: ChatRequest, target: Target, draft: Draft): EncodedReasoning {
  const reasons = target.model?.reasoning ?? (reasoningByName(target.upstreamModel) ? true : null);
  const asked = askedEffort(request);
  const shows = summaryWanted(request);
  if (reasons === false) {
    if (asked !== undefined && asked.effort !== "none") draft.warn("reasoning_effort was left out: the model does not reason");
    return { reasoning: undefined, encrypted: false, effort: undefined };
  }
  const effort = asked === undefined ? undefined : nearest(asked.effort, target.model?.reasoningEfforts ?? null, draft);
  if (asked?.lost !== undefined) draft.warn(asked.lost);
  if (asked?.guessed === true) draft.warn(`${asked.said} was sent as reasoning effort ${effort ?? "of the model's own"}`);
  const reasoning: JsonObject = { ...(effort !== undefined && { effort }), ...(shows && { summary: "auto" }) };
  return {
    reasoning: Object.keys(reasoning).length === 0 ? undefined : reasoning,
    // Models that do not reason refuse to be asked for it, so an unknown one is asked only beside an effort.
    encrypted: reasons === true || (effort !== undefined && effort !== "none"),
    effort,
  };
}

/** Does the name tell a model that reasons? Dated and newest names often have no facts of their own. */
export function reasoningByName(upstreamModel: string): boolean {
  return /(?:^|\/)(?:o[1-9]|gpt-[5-9]|codex)/.test(upstreamModel) && !/-chat/.test(upstreamModel);
}

/**
 * Summaries are asked for where the client's dialect shows reasoning of itself and reasoning was asked in it. A client of
 * the plain chat protocol has no such field, and some accounts may not ask for summaries at all.
 */
function summaryWanted(request: ChatRequest): boolean {
  const { thinking, surface, reasoningEffort } = request;
  if (isObject(thinking)) {
    const on = thinking["type"] === "enabled" || thinking["type"] === "adaptive";
    return on && member(thinking, "display") !== "omitted";
  }
  const plain = surface === undefined || surface === "openai-chat" || surface === "openai-responses";
  return !plain && reasoningEffort !== undefined && reasoningEffort !== "none";
}

/** The nearest effort that the model is known to take; where nothing is known of it, the effort itself. */
function nearest(asked: string, known: readonly string[] | null, draft: Draft): string | undefined {
  if (known === null || known.length === 0 || !EFFORTS.includes(asked)) return asked;
  const found = nearestEffort(asked, known);
  if (found === undefined) draft.warn("reasoning_effort was left out");
  else if (found !== asked) draft.warn(`reasoning effort ${asked} was sent as ${found}`);
  return found;
}
