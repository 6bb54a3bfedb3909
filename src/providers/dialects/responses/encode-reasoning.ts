/**
 * Reasoning: what is asked of the model, and how its own earlier reasoning travels through clients that know nothing of
 * it. An item of encrypted reasoning leaves as a `redacted` block whose data is an envelope with our mark; on the way
 * back only what bears the mark, and was made by the model that is asked again, becomes an item.
 */
import type { ChatRequest, ReasoningBlock } from "../../../wire/chat.ts";
import { asNumber, asString, isObject, member, type Json, type JsonObject } from "../../../wire/json.ts";
import type { Draft } from "../anthropic/draft.ts";
import type { Target } from "../dialect.ts";

const MARK = "responses-reasoning-1:";

export interface EncryptedReasoning {
  /** The item's id as its maker gave it; empty where it gave none. */
  readonly id: string;
  /** Upstream name of the model that was called. Another model, or another maker, refuses the content. */
  readonly model: string;
  readonly encryptedContent: string;
}

/** The data of a `redacted` event for an item of encrypted reasoning. */
export function sealReasoning(item: EncryptedReasoning): string {
  return MARK + JSON.stringify([item.id, item.model, item.encryptedContent]);
}

/** The item inside an envelope, or undefined for data of another making. */
export function openReasoning(data: string): EncryptedReasoning | undefined {
  if (!data.startsWith(MARK)) return undefined;
  let value: Json;
  try {
    value = JSON.parse(data.slice(MARK.length)) as Json;
  } catch {
    return undefined;
  }
  if (!Array.isArray(value)) return undefined;
  const [id, model, encryptedContent] = (value as readonly Json[]).map(asString);
  if (id === undefined || model === undefined || encryptedContent === undefined) return undefined;
  return { id, model, encryptedContent };
}

/** Items for the reasoning that a client replays. Foreign opaque state stays behind: another maker's proof is an error here. */
export function reasoningItems(blocks: readonly ReasoningBlock[], upstreamModel: string, draft: Draft): readonly JsonObject[] {
  const items: JsonObject[] = [];
  let foreign = false;
  for (const block of blocks) {
    const own = block.kind === "redacted" ? openReasoning(block.data) : undefined;
    if (own?.model === upstreamModel) {
      items.push({ type: "reasoning", ...(own.id !== "" && { id: own.id }), summary: [], encrypted_content: own.encryptedContent });
    } else if (block.kind === "redacted" || (block.signature !== undefined && block.signature !== "")) foreign = true;
  }
  if (foreign) draft.warn("earlier reasoning of another model was left out: only its maker can read it");
  // Beside an item of ours the plain text is that item's summary, which the encrypted content holds already.
  else if (items.length === 0 && blocks.length > 0) draft.warn("earlier reasoning was left out: there is no place for it here");
  return items;
}

const EFFORTS = ["none", "minimal", "low", "medium", "high", "xhigh", "max"];

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
  const asked = request.reasoningEffort ?? effortOfThinking(request.thinking, draft);
  const shows = summaryWanted(request);
  if (reasons === false) {
    if (asked !== undefined && asked !== "none") draft.warn("reasoning_effort was left out: the model does not reason");
    return { reasoning: undefined, encrypted: false, effort: undefined };
  }
  const effort = asked === undefined ? undefined : nearest(asked, target.model?.reasoningEfforts ?? null, draft);
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

/** In-band thinking of another dialect as an effort. `adaptive` leaves it to the model, which is the default here. */
function effortOfThinking(thinking: JsonObject | undefined, draft: Draft): string | undefined {
  const type = asString(thinking?.["type"]);
  if (type === "disabled") return "none";
  if (type !== "enabled") return undefined;
  const budgetTokens = asNumber(thinking?.["budget_tokens"]);
  if (budgetTokens === undefined) return undefined;
  const effort = budgetTokens <= 2_048 ? "low" : budgetTokens <= 12_288 ? "medium" : "high";
  draft.warn(`a thinking budget of ${budgetTokens} tokens was sent as reasoning effort ${effort}`);
  return effort;
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

/** The effort itself; else the next weaker one that the model is known to take, else its weakest. */
function nearest(asked: string, known: readonly string[] | null, draft: Draft): string | undefined {
  if (known === null || known.length === 0 || known.includes(asked) || !EFFORTS.includes(asked)) return asked;
  const offered = EFFORTS.filter((effort) => known.includes(effort));
  const rank = EFFORTS.indexOf(asked);
  const found = offered.findLast((effort) => EFFORTS.indexOf(effort) < rank) ?? offered[0];
  draft.warn(found === undefined ? "reasoning_effort was left out" : `reasoning effort ${asked} was sent as ${found}`);
  return found;
}
