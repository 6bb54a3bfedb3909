/**
 * Names and ids that the Responses API takes. What already fits passes untouched; the rest becomes a cleaned prefix and
 * a hash, so that the same name gives the same result in every turn, on both sides of a call and its result.
 */
import { hash } from "../gemini/names.ts";

const CALL_ID_MAX = 64;
const TOOL_NAME = /^[a-zA-Z0-9_-]{1,64}$/;
/** Two hashes of 8 digits and the underscore before them. */
const TAIL_LENGTH = 17;

/** Id of a call: 1 to 64 characters of any kind. */
export function upstreamCallId(id: string): string {
  return id.length > 0 && id.length <= CALL_ID_MAX ? id : shortened(id, CALL_ID_MAX);
}

/** Id of a call for the maker's other protocol, which takes 40 characters at most. */
export function chatCallId(id: string): string {
  return id.length > 0 && id.length <= 40 ? id : shortened(id, 40);
}

/** Name of a function, `^[a-zA-Z0-9_-]{1,64}$`. */
export function upstreamToolName(name: string): string {
  return TOOL_NAME.test(name) ? name : shortened(name, 64);
}

/** Who asks, as `safety_identifier` takes it: at most 64 characters, and longer ones still told apart. */
export function upstreamUser(user: string): string {
  return user.length <= 64 ? user : shortened(user, 64);
}

/** Tool names that had to change: upstream → client. A null prototype, since clients choose the names. */
export function renamesOf(names: Iterable<string>): Readonly<Record<string, string>> {
  const renames = Object.create(null) as Record<string, string>;
  for (const name of names) {
    const upstream = upstreamToolName(name);
    if (upstream !== name) renames[upstream] = name;
  }
  return renames;
}

function shortened(text: string, max: number): string {
  const cleaned = text.replace(/[^a-zA-Z0-9_-]/g, "_");
  return `${cleaned.slice(0, max - TAIL_LENGTH)}_${hash(text)}${hash(`#${text}`)}`;
}
