/**
 * One pass over the bytes of a JSON body: where each top-level member stands (for splicing), how deep it nests, and
 * whether a key that Spillway reads occurs twice at its level. Two parsers may disagree on which of two equal keys
 * counts; a body that holds them could be priced as one thing and served as another.
 * Syntax is left to JSON.parse, which runs as well: this pass only has to agree with it on strings and nesting.
 */

export interface TopLevelMember {
  readonly key: string;
  /** From the opening quote of the key to the end of the value. */
  readonly keyStart: number;
  readonly valueStart: number;
  /** One past the last byte of the value. */
  readonly valueEnd: number;
}

export type BodyScan =
  | { readonly kind: "object"; readonly members: readonly TopLevelMember[]; readonly open: number; readonly close: number }
  | { readonly kind: "not_an_object" }
  | { readonly kind: "too_deep"; readonly limit: number }
  | { readonly kind: "too_many"; readonly limit: number }
  | { readonly kind: "duplicate"; readonly key: string }
  | { readonly kind: "unterminated" };

/**
 * Keys that the gateway reads at some level of a request, in any of the protocols it serves; twice at one level is refused.
 * One list for all: what a body of one protocol holds may be read as another's by whoever gets it next.
 */
const READ_KEYS = [
  "model", "messages", "stream", "stream_options", "include_usage", "max_tokens", "max_completion_tokens", "n", "tools",
  "tool_choice", "functions", "function", "function_call", "tool_calls", "tool_call_id", "role", "content", "type", "text",
  "image_url", "url", "input_audio", "data", "format", "file", "file_data", "file_id", "name", "arguments", "parameters",
  "response_format", "json_schema", "schema", "service_tier", "reasoning_effort", "thinking", "budget_tokens",
  "reasoning_content", "thinking_blocks", "signature", "extra_content", "thought_signature", "web_search_options",
  "modalities", "prediction", "models", "provider", "plugins", "input", "dimensions", "encoding_format", "stop", "user",
  "metadata", "spillway", "cache_control", "ttl", "best_of", "parallel_tool_calls", "background", "search_parameters",
  "enable_search", "audio", "route", "temperature", "top_p", "top_k", "seed", "logprobs", "top_logprobs", "refusal", "strict",
  "suffix", "echo", "prompt", "file_url", "filename", "detail", "safety_identifier", "store", "id",
  // Chat completions of one maker's own
  "random_seed", "safe_prompt", "prefix", "document_url", "document_name", "output_dimension",
  // Messages
  "system", "tool_use_id", "source", "media_type", "output_config", "output_format", "effort", "stop_sequences", "mcp_servers",
  "container", "is_error", "input_schema", "speed", "inference_geo", "disable_parallel_tool_use", "citations", "defer_loading",
  "betas", "anthropic_version",
  // generateContent, in both spellings
  "contents", "parts", "systemInstruction", "system_instruction", "generationConfig", "generation_config", "maxOutputTokens",
  "max_output_tokens", "candidateCount", "candidate_count", "stopSequences", "topP", "topK", "presencePenalty", "presence_penalty",
  "frequencyPenalty", "frequency_penalty", "responseMimeType", "response_mime_type", "responseSchema", "response_schema",
  "responseJsonSchema", "response_json_schema", "responseLogprobs", "response_logprobs", "responseModalities",
  "response_modalities", "thinkingConfig", "thinking_config", "thinkingBudget", "thinking_budget", "thinkingLevel",
  "thinking_level", "includeThoughts", "include_thoughts", "functionCall", "functionResponse", "function_response", "args",
  "response", "inlineData", "inline_data", "fileData", "fileUri", "file_uri", "mimeType", "mime_type", "thought",
  "thoughtSignature", "functionDeclarations", "function_declarations", "parametersJsonSchema", "parameters_json_schema",
  "toolConfig", "tool_config", "functionCallingConfig", "function_calling_config", "allowedFunctionNames",
  "allowed_function_names", "mode", "cachedContent", "cached_content", "serviceTier", "generateContentRequest",
  "generate_content_request",
  // Responses
  "instructions", "reasoning", "summary", "previous_response_id", "conversation", "call_id", "output", "encrypted_content",
  "truncation", "include", "namespace",
  // Cohere
  "documents", "document", "p", "k", "strict_tools", "token_budget", "tool_plan",
  // Converse
  "modelId", "inferenceConfig", "maxTokens", "toolSpec", "toolUse", "toolUseId", "toolResult", "toolChoice", "inputSchema",
  "json", "status", "image", "video", "bytes", "cachePoint", "reasoningContent", "reasoningText", "redactedContent", "guardContent",
  "outputConfig", "additionalModelRequestFields", "requestMetadata", "guardrailConfig", "promptVariables", "performanceConfig",
] as const;
const KEY_COUNT = READ_KEYS.length;

/** The keys by hash, open addressing: a power of two of slots, at most a quarter of them full. */
const SLOT_COUNT = 1024;
const SLOT_MASK = SLOT_COUNT - 1;
if (KEY_COUNT * 4 > SLOT_COUNT) throw new Error("the scan's table of keys is too full: double it");
/** Per slot: one more than the key's index, 0 where it is empty; and the key's whole hash. */
const slotKeys = new Uint16Array(SLOT_COUNT);
const slotHashes = new Int32Array(SLOT_COUNT);
READ_KEYS.forEach((key, index) => {
  const hash = hashText(key);
  let slot = hash & SLOT_MASK;
  while (slotKeys[slot] !== 0) slot = (slot + 1) & SLOT_MASK;
  slotKeys[slot] = index + 1;
  slotHashes[slot] = hash;
});

const QUOTE = 34;
const BACKSLASH = 92;
const COLON = 58;
const utf8 = new TextDecoder();

/**
 * What is known of each level of nesting. `seen` has a row per level and a column per key, with the number of the container
 * that the key was last seen in: a new container has a new number, so that nothing needs to be wiped. The scan is never
 * entered twice at once, so the arrays serve every call.
 */
let levels = levelsFor(128);
/** Number of the last container, over all scans. */
let lastContainer = 0;
const CONTAINER_NUMBER_MAX = 2 ** 31 - 1;

function levelsFor(maxDepth: number) {
  const count = maxDepth + 1;
  return { count, seen: new Int32Array(count * KEY_COUNT), containerAt: new Int32Array(count), isObjectAt: new Uint8Array(count) };
}

/**
 * Objects and arrays in one body. A conversation has thousands at most; a body of a million tiny messages would hold the
 * event loop, and with it everybody's streams, for seconds.
 */
export const CONTAINERS_MAX = 100_000;

/** Scan a request body. `maxDepth` counts objects and arrays. */
export function scanBody(bytes: Uint8Array, maxDepth = 128): BodyScan {
  const length = bytes.length;
  let at = skipSpace(bytes, 0);
  if (bytes[at] !== 123) return { kind: "not_an_object" };
  const open = at;
  const members: TopLevelMember[] = [];
  if (levels.count <= maxDepth || lastContainer > CONTAINER_NUMBER_MAX - CONTAINERS_MAX - 1) {
    levels = levelsFor(maxDepth);
    lastContainer = 0;
  }
  const { seen, containerAt, isObjectAt } = levels;
  let depth = 0;
  let containers = 0;
  let keyAt = -1;
  let key = "";
  let valueAt = -1;
  let expectKey = false;
  while (at < length) {
    const byte = bytes[at] as number;
    switch (byte) {
      case 123: // {
      case 91: // [
        if (depth === 1 && valueAt < 0) valueAt = at;
        if (++depth > maxDepth) return { kind: "too_deep", limit: maxDepth };
        if (++containers > CONTAINERS_MAX) return { kind: "too_many", limit: CONTAINERS_MAX };
        containerAt[depth] = ++lastContainer;
        isObjectAt[depth] = byte === 123 ? 1 : 0;
        expectKey = byte === 123;
        at++;
        break;
      case 125: // }
      case 93: // ]
        if (depth === 1 && keyAt >= 0) {
          members.push({ key, keyStart: keyAt, valueStart: valueAt, valueEnd: trimEnd(bytes, at) });
          keyAt = -1;
        }
        depth--;
        expectKey = false;
        if (depth === 0) return { kind: "object", members, open, close: at };
        at++;
        break;
      case 44: // ,
        if (depth === 1 && keyAt >= 0) {
          members.push({ key, keyStart: keyAt, valueStart: valueAt, valueEnd: trimEnd(bytes, at) });
          keyAt = -1;
        }
        expectKey = isObjectAt[depth] === 1;
        at++;
        break;
      case QUOTE: {
        const end = stringEnd(bytes, at);
        if (end < 0) return { kind: "unterminated" };
        if (expectKey) {
          const found = readKey(bytes, at, end);
          if (found >= 0) {
            const cell = depth * KEY_COUNT + found;
            const container = containerAt[depth] as number;
            if (seen[cell] === container) return { kind: "duplicate", key: READ_KEYS[found] as string };
            seen[cell] = container;
          }
          if (depth === 1) {
            key = found >= 0 ? (READ_KEYS[found] as string) : keyText(bytes, at, end);
            keyAt = at;
            valueAt = -1;
          }
          expectKey = false;
          at = skipSpace(bytes, end);
          if (bytes[at] === COLON) at++;
        } else {
          if (depth === 1 && valueAt < 0) valueAt = at;
          at = end;
        }
        break;
      }
      case 32:
      case 9:
      case 10:
      case 13:
        at++;
        break;
      default:
        if (depth === 1 && valueAt < 0) valueAt = at;
        at++;
    }
  }
  return { kind: "unterminated" };
}

/** One past the closing quote of the string that opens at `at`, or -1. */
function stringEnd(bytes: Uint8Array, at: number): number {
  const length = bytes.length;
  for (let i = at + 1; i < length; i++) {
    const byte = bytes[i];
    if (byte === BACKSLASH) i++;
    else if (byte === QUOTE) return i + 1;
  }
  return -1;
}

function skipSpace(bytes: Uint8Array, from: number): number {
  let at = from;
  for (;;) {
    const byte = bytes[at];
    if (byte !== 32 && byte !== 10 && byte !== 13 && byte !== 9) return at;
    at++;
  }
}

function trimEnd(bytes: Uint8Array, end: number): number {
  let at = end;
  for (;;) {
    const byte = bytes[at - 1];
    if (byte !== 32 && byte !== 10 && byte !== 13 && byte !== 9) return at;
    at--;
  }
}

/** Index of the read key that the string [at, end) spells, after unescaping; -1 if none. */
function readKey(bytes: Uint8Array, at: number, end: number): number {
  let hash = 7;
  for (let i = at + 1; i < end - 1; i++) {
    const byte = bytes[i] as number;
    if (byte === BACKSLASH) return readKeyText(keyText(bytes, at, end));
    hash = (Math.imul(hash, 31) + byte) | 0;
  }
  for (let slot = hash & SLOT_MASK; ; slot = (slot + 1) & SLOT_MASK) {
    const index = (slotKeys[slot] as number) - 1;
    if (index < 0) return -1;
    if (slotHashes[slot] === hash && equals(bytes, at + 1, end - 1, READ_KEYS[index] as string)) return index;
  }
}

function readKeyText(key: string): number {
  return (READ_KEYS as readonly string[]).indexOf(key);
}

function equals(bytes: Uint8Array, start: number, end: number, key: string): boolean {
  if (end - start !== key.length) return false;
  for (let i = 0; i < key.length; i++) if (bytes[start + i] !== key.charCodeAt(i)) return false;
  return true;
}

function keyText(bytes: Uint8Array, at: number, end: number): string {
  const text = utf8.decode(bytes.subarray(at, end));
  if (!text.includes("\\")) return text.slice(1, -1);
  try {
    return JSON.parse(text) as string;
  } catch {
    // A bad escape: JSON.parse of the whole body reports it with its place; here it is merely no key of ours.
    return text;
  }
}

function hashText(key: string): number {
  let hash = 7;
  for (let i = 0; i < key.length; i++) hash = (Math.imul(hash, 31) + key.charCodeAt(i)) | 0;
  return hash;
}

/** Replace, insert or delete ranges of a body. Ranges must not overlap; `text` takes the place of [start, end). */
export interface Edit {
  readonly start: number;
  readonly end: number;
  readonly text: string;
}

const encoder = new TextEncoder();

/** A copy of `bytes` with the edits made, everything else byte for byte. */
export function splice(bytes: Uint8Array, edits: readonly Edit[]): Uint8Array {
  const [only] = edits;
  return only !== undefined && edits.length === 1 && PLAIN.test(only.text) ? spliceOne(bytes, only) : spliceAll(bytes, edits);
}

/** A byte a character. */
const PLAIN = /^[ -~]*$/;

/** What is done to nearly every request: a name in place of another. Without a view of each part, and without encoding. */
function spliceOne(bytes: Uint8Array, { start, end, text }: Edit): Uint8Array {
  const longer = text.length - (end - start);
  if (longer < 0) return spliceAll(bytes, [{ start, end, text }]);
  const out = new Uint8Array(bytes.length + longer);
  out.set(bytes);
  if (longer > 0) out.copyWithin(end + longer, end, bytes.length);
  for (let i = 0; i < text.length; i++) out[start + i] = text.charCodeAt(i);
  return out;
}

function spliceAll(bytes: Uint8Array, edits: readonly Edit[]): Uint8Array {
  const ordered = edits.length > 1 ? [...edits].sort((a, b) => a.start - b.start) : edits;
  const texts = ordered.map((edit) => encoder.encode(edit.text));
  let length = bytes.length;
  for (let i = 0; i < ordered.length; i++) {
    const edit = ordered[i] as Edit;
    length += (texts[i] as Uint8Array).length - (edit.end - edit.start);
  }
  const out = new Uint8Array(length);
  let from = 0;
  let to = 0;
  for (let i = 0; i < ordered.length; i++) {
    const edit = ordered[i] as Edit;
    out.set(bytes.subarray(from, edit.start), to);
    to += edit.start - from;
    out.set(texts[i] as Uint8Array, to);
    to += (texts[i] as Uint8Array).length;
    from = edit.end;
  }
  out.set(bytes.subarray(from), to);
  return out;
}

/** The edit that takes member `index` out of an object, with the comma that belongs to it. */
export function removalOf(scan: Extract<BodyScan, { kind: "object" }>, index: number): Edit {
  return removalOfRun(scan, index, index);
}

/** The edits that take these members out of an object; `indexes` ascend. Neighbours go as one, so that no edits overlap. */
export function removalsOf(scan: Extract<BodyScan, { kind: "object" }>, indexes: readonly number[]): readonly Edit[] {
  const edits: Edit[] = [];
  for (let i = 0; i < indexes.length; i++) {
    const first = indexes[i] as number;
    while (indexes[i + 1] === (indexes[i] as number) + 1) i++;
    edits.push(removalOfRun(scan, first, indexes[i] as number));
  }
  return edits;
}

function removalOfRun({ members }: Extract<BodyScan, { kind: "object" }>, first: number, last: number): Edit {
  const member = members[first] as TopLevelMember;
  const next = members[last + 1];
  if (next !== undefined) return { start: member.keyStart, end: next.keyStart, text: "" };
  const previous = members[first - 1];
  return { start: previous === undefined ? member.keyStart : previous.valueEnd, end: (members[last] as TopLevelMember).valueEnd, text: "" };
}
