/**
 * Same-dialect requests pass byte for byte; this says which few bytes change. Where a host needs more than that (a role it
 * rejects, a field by another name), the body is written anew from the hub instead.
 */
import type { ProviderFacts } from "../../wire/facts.ts";
import { removalOf, scanBody, type Edit, type TopLevelMember } from "../../wire/scan.ts";
import type { PassedBody } from "./client.ts";
import { hasRuledField } from "./openai/field-rules.ts";

export type PassThrough = Omit<PassedBody, "outside">;

/** Does a quirk of the host forbid passing this body on? */
export function needsRewrite(body: PassThrough, provider: ProviderFacts): boolean {
  const { quirks } = provider;
  const { raw, request } = body;
  if (quirks.maxTokensField === "max_tokens" && raw["max_completion_tokens"] !== undefined) return true;
  if (quirks.maxTokensField === "max_completion_tokens" && raw["max_tokens"] !== undefined) return true;
  if (quirks.fields !== undefined && hasRuledField(raw, quirks.fields)) return true;
  if (quirks.chunks === true && request.seed !== undefined) return true;
  return quirks.developerAsSystem === true && request.messages.some((message) => message.role === "developer");
}

/** The edits for a body that passes: the model's name, usage asked for on streams, our own fields out. */
export function passThroughEdits(body: PassThrough, provider: ProviderFacts, upstreamModel: string): readonly Edit[] {
  const { scan, request } = body;
  const edits: Edit[] = [];
  let hasStreamOptions = false;
  let hasModel = false;
  for (let i = 0; i < scan.members.length; i++) {
    const member = scan.members[i] as (typeof scan.members)[number];
    if (member.key === "model") {
      hasModel = true;
      edits.push({ start: member.valueStart, end: member.valueEnd, text: JSON.stringify(upstreamModel) });
    } else if (member.key === "spillway") edits.push(removalOf(scan, i));
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
