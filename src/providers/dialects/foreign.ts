/** What every encoder does alike for requests that a client of another dialect wrote. */
import type { ChatRequest, Part, ToolMessage } from "../../wire/chat.ts";
import type { DialectId } from "../../wire/facts.ts";
import type { Target } from "./dialect.ts";

/** Was the request written in another dialect than the target's? What a client wrote in the target's own is its own affair. */
export function isForeign(request: ChatRequest, dialect: DialectId): boolean {
  return (request.surface ?? "openai-chat") !== dialect;
}

/**
 * The request with its output limit within the model's, where that is known: clients ask for the most that their usual
 * models give, and a provider refuses the whole request for a limit that no answer of its model could reach.
 */
export function withinOutputLimit(request: ChatRequest, target: Target, dialect: DialectId, warn: (message: string) => void): ChatRequest {
  const asked = request.maxOutputTokens;
  const most = target.maxOutput ?? target.model?.maxOutput ?? null;
  if (asked === undefined || most === null || asked <= most || !isForeign(request, dialect)) return request;
  warn(`the output limit of ${asked} tokens was sent as ${most}, the most that this model gives`);
  return { ...request, maxOutputTokens: most };
}

/** Stands before the result of a tool that failed, where the dialect has no field that says so. */
const FAILED = "[error]";

/** The parts of a result, told in words to have failed where it did. */
export function resultParts(message: ToolMessage): readonly Part[] {
  if (message.isError !== true) return message.parts;
  const [first, ...rest] = message.parts;
  if (first?.kind === "text") return [{ ...first, text: `${FAILED} ${first.text}` }, ...rest];
  return [{ kind: "text", text: FAILED, cacheControl: undefined }, ...message.parts];
}
