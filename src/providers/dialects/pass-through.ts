/**
 * Same-dialect requests pass byte for byte; this says which few bytes change, among them a role that the host rejects and a
 * limit that it knows by another name. Where a host needs more than that (fields that it refuses), the body is written anew
 * from the hub instead.
 */
import type { ProviderFacts } from "../../wire/facts.ts";
import { asArray, member as memberOf } from "../../wire/json.ts";
import { elementsOf } from "../../wire/scan-list.ts";
import { removalOf, scanBody, type Edit, type TopLevelMember } from "../../wire/scan.ts";
import type { PassedBody } from "./client.ts";
import { hasRuledField } from "./openai/field-rules.ts";

const QUOTE = 34;
const BACKSLASH = 92;

export type PassThrough = Omit<PassedBody, "outside">;

/** Does a quirk of the host forbid passing this body on? */
export function needsRewrite(body: PassThrough, provider: ProviderFacts): boolean {
  const { quirks } = provider;
  const { raw, request } = body;
  // One of the two has to go.
  if (quirks.maxTokensField !== undefined && raw["max_completion_tokens"] !== undefined && raw["max_tokens"] !== undefined) return true;
  if (quirks.fields !== undefined && hasRuledField(raw, quirks.fields)) return true;
  return quirks.chunks === true && request.seed !== undefined;
}

/** The other name of a host's output limit. */
const OTHER_LIMIT = { max_tokens: "max_completion_tokens", max_completion_tokens: "max_tokens" } as const;

/** The edits for a body that passes: the model's name, usage asked for on streams, our own fields out, names that the host knows. */
export function passThroughEdits(body: PassThrough, provider: ProviderFacts, upstreamModel: string): readonly Edit[] {
  const { scan, request } = body;
  const { developerAsSystem, maxTokensField } = provider.quirks;
  const edits: Edit[] = [];
  let hasStreamOptions = false;
  let hasModel = false;
  for (let i = 0; i < scan.members.length; i++) {
    const member = scan.members[i] as (typeof scan.members)[number];
    if (member.key === "model") {
      hasModel = true;
      edits.push({ start: member.valueStart, end: member.valueEnd, text: JSON.stringify(upstreamModel) });
    } else if (member.key === "spillway") edits.push(removalOf(scan, i));
    else if (member.key === "messages") {
      if (developerAsSystem === true) edits.push(...developerEdits(body, member));
    } else if (maxTokensField !== undefined && member.key === OTHER_LIMIT[maxTokensField]) edits.push(renaming(body.bytes, member, maxTokensField));
    else if (member.key === "stream_options") {
      hasStreamOptions = true;
      if (request.stream && !request.includeUsage && provider.usage.includeUsageOption) edits.push(askForUsage(body.bytes, member));
    }
  }
  // The path named it.
  if (!hasModel) edits.push({ start: scan.close, end: scan.close, text: `,"model":${JSON.stringify(upstreamModel)}` });
  if (request.stream && !hasStreamOptions && provider.usage.includeUsageOption) {
    edits.push({ start: scan.close, end: scan.close, text: `,"stream_options":{"include_usage":true}` });
  }
  return edits;
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
