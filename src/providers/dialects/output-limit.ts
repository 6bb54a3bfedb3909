/**
 * An output limit that a budget or a cap sets, written into a body that passes byte for byte otherwise: the field where the
 * client put one, else where the dialect has it.
 */
import type { DialectId, ProviderFacts } from "../../wire/facts.ts";
import { scanBody, type BodyScan, type Edit } from "../../wire/scan.ts";

type ObjectScan = Extract<BodyScan, { kind: "object" }>;

/** Spellings of the way to the field, the one to add first. */
const FIELDS: Readonly<Record<DialectId, readonly (readonly string[])[]>> = {
  "openai-chat": [["max_completion_tokens"], ["max_tokens"]],
  "openai-responses": [["max_output_tokens"]],
  "anthropic-messages": [["max_tokens"]],
  gemini: [
    ["generationConfig", "maxOutputTokens"],
    ["generationConfig", "max_output_tokens"],
    ["generation_config", "maxOutputTokens"],
    ["generation_config", "max_output_tokens"],
  ],
  "bedrock-converse": [["inferenceConfig", "maxTokens"]],
  "cohere-v2": [["max_tokens"]],
};

/** The edits that make `tokens` the output limit of a body of dialect `dialect`, in every place where it states one. */
export function outputLimitEdits(dialect: DialectId, bytes: Uint8Array, scan: ObjectScan, tokens: number, quirks: ProviderFacts["quirks"] = {}): readonly Edit[] {
  const ways = FIELDS[dialect];
  const stated = ways.flatMap((way) => editOf(bytes, scan, 0, way, String(tokens)) ?? []);
  if (stated.length > 0) return stated;
  const own = ways.find((way) => way[0] === quirks.maxTokensField) ?? ways[0];
  return own === undefined ? [] : added(bytes, scan, ways, own, tokens);
}

/** Replaces the value at the end of the way; undefined where the body does not go there. */
function editOf(bytes: Uint8Array, scan: ObjectScan, offset: number, way: readonly string[], text: string): Edit | undefined {
  const [key, ...rest] = way;
  const member = scan.members.find((one) => one.key === key);
  if (member === undefined) return undefined;
  if (rest.length === 0) return { start: offset + member.valueStart, end: offset + member.valueEnd, text };
  const inside = scanBody(bytes.subarray(offset + member.valueStart, offset + member.valueEnd));
  return inside.kind === "object" ? editOf(bytes, inside, offset + member.valueStart, rest, text) : undefined;
}

/** Adds the field: inside the object that is there for it, by whichever spelling, else with that object. */
function added(bytes: Uint8Array, scan: ObjectScan, ways: readonly (readonly string[])[], own: readonly string[], tokens: number): readonly Edit[] {
  const [outer, inner] = own as readonly [string, string | undefined];
  if (inner === undefined) return [{ start: scan.close, end: scan.close, text: `,${JSON.stringify(outer)}:${tokens}` }];
  const home = scan.members.find((member) => ways.some(([first]) => first === member.key));
  if (home === undefined) return [{ start: scan.close, end: scan.close, text: `,${JSON.stringify(outer)}:{${JSON.stringify(inner)}:${tokens}}` }];
  const inside = scanBody(bytes.subarray(home.valueStart, home.valueEnd));
  // null, as some clients write what they leave out.
  if (inside.kind !== "object") return [{ start: home.valueStart, end: home.valueEnd, text: `{${JSON.stringify(inner)}:${tokens}}` }];
  const at = home.valueStart + inside.close;
  return [{ start: at, end: at, text: `${inside.members.length === 0 ? "" : ","}${JSON.stringify(inner)}:${tokens}` }];
}
