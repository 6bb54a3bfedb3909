/**
 * Same-dialect requests pass byte for byte; this says which few bytes change, among them a role that the host rejects, fields
 * that it knows by another name, and fields that it does not know. Where a host needs more than that (fields that are refused),
 * the body is written anew from the hub instead.
 */
import type { Message } from "../../wire/chat.ts";
import type { ProviderFacts } from "../../wire/facts.ts";
import { asArray, member as memberOf } from "../../wire/json.ts";
import { elementsOf } from "../../wire/scan-list.ts";
import { removalsOf, scanBody, type Edit, type TopLevelMember } from "../../wire/scan.ts";
import type { PassedBody } from "./client.ts";
import { cutFields, hasUncuttableField, type CutField } from "./openai/field-rules.ts";

const NINE_LETTERS = /^[a-zA-Z0-9]{9}$/;
const QUOTE = 34;
const BACKSLASH = 92;

export type PassThrough = Omit<PassedBody, "outside">;

/** Does a quirk of the host forbid passing this body on? */
export function needsRewrite(body: PassThrough, provider: ProviderFacts): boolean {
  const { quirks } = provider;
  const { raw } = body;
  // One of the two has to go.
  if (quirks.maxTokensField !== undefined && raw["max_completion_tokens"] !== undefined && raw["max_tokens"] !== undefined) return true;
  if (quirks.chunks === true && raw["seed"] !== undefined && raw["random_seed"] !== undefined) return true;
  if ((quirks.nineLetterCallIds === true || quirks.chunks === true) && body.request.messages.some((message) => foreignTurn(message, quirks))) return true;
  return quirks.fields !== undefined && hasUncuttableField(raw, quirks.fields);
}

/** A turn that another host wrote, in a way that this one refuses. */
function foreignTurn(message: Message, { nineLetterCallIds, chunks }: ProviderFacts["quirks"]): boolean {
  if (message.role === "assistant") {
    if (chunks === true && message.reasoning.length > 0) return true;
    return nineLetterCallIds === true && message.toolCalls.some(({ id }) => !NINE_LETTERS.test(id));
  }
  return message.role === "tool" && nineLetterCallIds === true && !NINE_LETTERS.test(message.toolCallId);
}

/** The other name of a host's output limit. */
const OTHER_LIMIT = { max_tokens: "max_completion_tokens", max_completion_tokens: "max_tokens" } as const;

const NO_CUTS: readonly CutField[] = [];

/** The edits of a body that passes, and what of it is left out by them. */
export interface PassEdits {
  readonly edits: readonly Edit[];
  readonly warnings?: readonly string[];
}

/**
 * The edits for a body that passes: the model's name, usage asked for on streams, our own fields out and those that the host does
 * not know, names that it knows.
 */
export function passThroughEdits(body: PassThrough, provider: ProviderFacts, upstreamModel: string): PassEdits {
  const { scan, request } = body;
  const { developerAsSystem, maxTokensField, fields, chunks } = provider.quirks;
  const cuts = fields === undefined ? NO_CUTS : cutFields(body.raw, fields, provider.name);
  const edits: Edit[] = [];
  const removed: number[] = [];
  let hasStreamOptions = false;
  let hasModel = false;
  for (let i = 0; i < scan.members.length; i++) {
    const member = scan.members[i] as (typeof scan.members)[number];
    const cut = cuts.length === 0 ? undefined : cuts.find(({ key }) => key === member.key);
    if (member.key === "stream_options") hasStreamOptions = true;
    if (member.key === "model") {
      hasModel = true;
      edits.push({ start: member.valueStart, end: member.valueEnd, text: JSON.stringify(upstreamModel) });
    } else if (member.key === "spillway" || cut?.inside.length === 0) removed.push(i);
    else if (cut !== undefined) edits.push(...cutsInside(body.bytes, member, cut.inside));
    else if (member.key === "messages") {
      if (developerAsSystem === true) edits.push(...developerEdits(body, member));
    } else if (maxTokensField !== undefined && member.key === OTHER_LIMIT[maxTokensField]) edits.push(renaming(body.bytes, member, maxTokensField));
    else if (chunks === true && member.key === "seed") edits.push(renaming(body.bytes, member, "random_seed"));
    else if (member.key === "stream_options" && request.stream && !request.includeUsage && provider.usage.includeUsageOption) edits.push(askForUsage(body.bytes, member));
  }
  if (removed.length > 0) edits.push(...removalsOf(scan, removed));
  // The path named it.
  if (!hasModel) edits.push({ start: scan.close, end: scan.close, text: `,"model":${JSON.stringify(upstreamModel)}` });
  if (request.stream && !hasStreamOptions && provider.usage.includeUsageOption) {
    edits.push({ start: scan.close, end: scan.close, text: `,"stream_options":{"include_usage":true}` });
  }
  if (request.preferences !== undefined && provider.quirks.takesPreferences === true) {
    edits.push({ start: scan.close, end: scan.close, text: `,"provider":${JSON.stringify(request.preferences)}` });
  }
  return cuts.length === 0 ? { edits } : { edits, warnings: cuts.map(({ warning }) => warning) };
}

/** Takes a field out of an object inside of a member. */
function cutsInside(bytes: Uint8Array, { valueStart, valueEnd }: Pick<TopLevelMember, "valueStart" | "valueEnd">, [key, ...inside]: readonly string[]): readonly Edit[] {
  const scan = scanBody(bytes.subarray(valueStart, valueEnd));
  if (scan.kind !== "object") return [];
  const places = scan.members.flatMap((member, index) => (member.key === key ? [index] : []));
  if (inside.length === 0) return removalsOf(scan, places).map((edit) => ({ ...edit, start: edit.start + valueStart, end: edit.end + valueStart }));
  return places.flatMap((index) => {
    const member = scan.members[index] as TopLevelMember;
    return cutsInside(bytes, { valueStart: valueStart + member.valueStart, valueEnd: valueStart + member.valueEnd }, inside);
  });
}

/** The role of a `developer`, for hosts that know it as `system`. */
function developerEdits({ bytes, raw, request }: PassThrough, { valueStart }: TopLevelMember): readonly Edit[] {
  if (!request.messages.some((message) => message.role === "developer")) return [];
  const places = elementsOf(bytes, valueStart);
  return asArray(raw["messages"]).flatMap((message, at): readonly Edit[] => {
    const place = places[at];
    if (place === undefined || memberOf(message, "role") !== "developer") return [];
    const inside = scanBody(bytes.subarray(place.start, place.end));
    // The last of its name is the one that was read.
    const role = inside.kind === "object" ? inside.members.findLast(({ key }) => key === "role") : undefined;
    return role === undefined ? [] : [{ start: place.start + role.valueStart, end: place.start + role.valueEnd, text: `"system"` }];
  });
}

/** Another name for a member; its value stays. */
function renaming(bytes: Uint8Array, { keyStart }: TopLevelMember, name: string): Edit {
  let end = keyStart + 1;
  while (bytes[end] !== QUOTE) end += bytes[end] === BACKSLASH ? 2 : 1;
  return { start: keyStart, end: end + 1, text: JSON.stringify(name) };
}

/** The least edit of `stream_options` that asks for usage: other options keep their bytes. */
function askForUsage(bytes: Uint8Array, { valueStart, valueEnd }: TopLevelMember): Edit {
  const inside = scanBody(bytes.subarray(valueStart, valueEnd));
  // null
  if (inside.kind !== "object") return { start: valueStart, end: valueEnd, text: `{"include_usage":true}` };
  const refused = inside.members.find((member) => member.key === "include_usage");
  if (refused !== undefined) return { start: valueStart + refused.valueStart, end: valueStart + refused.valueEnd, text: "true" };
  const at = valueStart + inside.close;
  return { start: at, end: at, text: `${inside.members.length === 0 ? "" : ","}"include_usage":true` };
}
