/** Puts a request's tags on its caller: from `x-spillway-tag-*` headers, and from fields of its body that the key lists. */
import { isTagName, isTagValue, OTHER, TAG_BYTES_MAX, TAGS_MAX } from "../decide/tags.ts";
import type { Caller } from "../ports.ts";
import { gatewayError, type GatewayError } from "../wire/errors.ts";
import { member, type Json } from "../wire/json.ts";
import type { Deps } from "./deps.ts";
import type { Inbound } from "./inbound.ts";

/** The call with its tags among its caller's scopes; the same where it has none. `body`: null where it is not read here. */
export function taggedCall(deps: Deps, inbound: Inbound, body: Json | null): Inbound | GatewayError {
  const fields = inbound.caller.policy?.tagFields;
  if (inbound.tags === undefined && (fields === undefined || fields.length === 0 || body === null)) return inbound;
  const tags = new Map<string, string>();
  if (body !== null) for (const field of fields ?? []) addField(tags, field, body);
  for (const [name, value] of Object.entries(inbound.tags ?? {})) {
    const problem = headerProblem(name, value);
    if (problem !== null) return gatewayError("invalid_header", problem);
    tags.set(name, value.trim());
  }
  if (tags.size > TAGS_MAX) return gatewayError("invalid_header", `A request has at most ${TAGS_MAX} tags, not ${tags.size}.`);
  return tags.size === 0 ? inbound : { ...inbound, caller: withTags(deps, inbound.caller, tags) };
}

function headerProblem(name: string, value: string): string | null {
  if (!isTagName(name)) return `x-spillway-tag-${name.slice(0, 80)} names no tag: lower-case letters, digits, _, . and -, at most ${TAG_BYTES_MAX}.`;
  return isTagValue(value.trim()) ? null : `x-spillway-tag-${name} must have 1 to ${TAG_BYTES_MAX} bytes.`;
}

/** `user` is the tag user, `metadata.feature` the tag feature. A client need not know that they are tags: what is too long is other. */
function addField(tags: Map<string, string>, field: string, body: Json): void {
  let value: Json | undefined = body;
  for (const part of field.split(".")) value = member(value, part);
  if (typeof value !== "string" && typeof value !== "number" && typeof value !== "boolean") return;
  const text = String(value).trim();
  if (text === "") return;
  const name = field.slice(field.lastIndexOf(".") + 1).toLowerCase();
  if (isTagName(name)) tags.set(name, isTagValue(text) ? text : OTHER);
}

function withTags(deps: Deps, caller: Caller, tags: ReadonlyMap<string, string>): Caller {
  const wallMs = deps.clock.wallMs();
  const kept: Record<string, string> = {};
  for (const [name, value] of tags) {
    const one = deps.tags?.keep(caller.tenant, name, value, wallMs) ?? { name, value };
    kept[one.name] = one.value;
  }
  return { ...caller, tags: kept, scopes: [...caller.scopes, ...Object.entries(kept).map(([name, value]) => `tag/${name}=${value}`)] };
}
