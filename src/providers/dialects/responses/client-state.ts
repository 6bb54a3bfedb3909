/**
 * Reasoning state of other makers, carried by clients of this dialect. A client that replays reasoning items gives back
 * `encrypted_content` as it was; in the items that we author it holds the signature or the redacted block that the maker
 * wants to see again, under a mark of ours. What bears no mark was made by a real Responses API and only it can read it.
 */
import { asNumber, asString, isObject } from "../../../wire/json.ts";
import type { Json, JsonObject } from "../../../wire/json.ts";

const MARK = "spillway.1:";

export interface ReasoningState {
  /** Closes the thinking whose text is the item's summary. */
  readonly signature?: string;
  /** Length of that text in UTF-16 units: a client that changed the text must not claim that it was signed. */
  readonly textLength?: number;
  readonly redacted?: string;
  /** Thought signatures of the calls that follow the item, by `call_id`. */
  readonly calls?: Readonly<Record<string, string>>;
}

/** The state as `encrypted_content`; undefined where there is none. */
export function sealState(state: ReasoningState): string | undefined {
  const { signature, textLength, redacted, calls } = state;
  if (signature === undefined && redacted === undefined && calls === undefined) return undefined;
  return MARK + JSON.stringify({ s: signature, n: signature === undefined ? undefined : textLength, r: redacted, c: calls });
}

/** Was this `encrypted_content` written by us? */
export function isOurs(content: Json | undefined): content is string {
  return typeof content === "string" && content.startsWith(MARK);
}

/** The state that we once sealed; null for what is not ours or no longer readable. */
export function openState(content: Json | undefined): ReasoningState | null {
  if (!isOurs(content)) return null;
  const value = parsed(content.slice(MARK.length));
  if (value === null) return null;
  const signature = asString(value["s"]);
  const redacted = asString(value["r"]);
  const calls = isObject(value["c"]) ? stringsOf(value["c"]) : undefined;
  return {
    ...(signature === undefined ? {} : { signature, textLength: asNumber(value["n"]) ?? 0 }),
    ...(redacted === undefined ? {} : { redacted }),
    ...(calls === undefined ? {} : { calls }),
  };
}

function parsed(text: string): JsonObject | null {
  try {
    const value: unknown = JSON.parse(text);
    return isObject(value) ? value : null;
  } catch {
    // Cut or changed on its way: then it proves nothing, and the item's visible text is all there is.
    return null;
  }
}

function stringsOf(object: JsonObject): Readonly<Record<string, string>> {
  return Object.fromEntries(Object.entries(object).filter((entry): entry is [string, string] => typeof entry[1] === "string"));
}
