/**
 * Usage of OpenAI-compatible answers, turned into disjoint classes. Hosts agree on `prompt_tokens` and
 * `completion_tokens` and differ in what these include; the facts of the provider and the sums decide.
 */
import { asNumber, asString, isObject, member } from "../../../wire/json.ts";
import type { Json, JsonObject } from "../../../wire/json.ts";
import type { UsageFacts } from "../../../wire/facts.ts";
import { cacheWriteTokens, type Unit, type UnitCounts, type Usage } from "../../../wire/usage.ts";

/** Where reasoning tokens are found when the answer reports them. */
const REASONING_PATHS = ["/completion_tokens_details/reasoning_tokens", "/output_tokens_details/reasoning_tokens", "/reasoning_tokens"];
const WEB_SEARCH_PATHS = ["/num_search_queries", "/server_tool_use/web_search_requests"];

/**
 * The usage of an answer or chunk, or undefined if it holds none. `body` is the whole body or chunk; pointers of the
 * facts are read from it, or from the usage object itself where they do not begin with `/usage`.
 * @param serviceTier the tier told by the body or by an earlier chunk
 */
export function readUsage(body: JsonObject, facts: UsageFacts, serviceTier: string | undefined): Usage | undefined {
  const raw = usageObject(body);
  if (raw === undefined) return undefined;
  let prompt = count(raw["prompt_tokens"]) ?? count(raw["input_tokens"]);
  let completion = count(raw["completion_tokens"]) ?? count(raw["output_tokens"]);
  if (prompt === undefined && completion === undefined) return undefined;
  const total = count(raw["total_tokens"]);
  const flags: string[] = [];
  if (prompt === undefined || completion === undefined) {
    // One side is missing: the total tells it, else it stays unreported and the row says so.
    if (total === undefined) flags.push("usage_incomplete");
    else if (prompt === undefined) prompt = Math.max(0, total - (completion ?? 0));
    else completion = Math.max(0, total - prompt);
  }
  const units: Partial<Record<Unit, number>> = {};
  const promptAll = prompt === undefined ? 0 : splitPrompt(prompt, body, raw, facts, units, flags);
  if (completion !== undefined) splitCompletion(completion, prompt ?? 0, promptAll, total, raw, facts, units, flags);
  put(units, "web_searches", first(raw, WEB_SEARCH_PATHS));
  return finishUsage(units, body, raw, facts, serviceTier, flags);
}

/** `usage`, else where two hosts put it. */
function usageObject(body: JsonObject): JsonObject | undefined {
  const plain = body["usage"];
  if (isObject(plain)) return plain;
  const beside = member(body["x_groq"], "usage");
  if (isObject(beside)) return beside;
  const choices = body["choices"];
  if (Array.isArray(choices)) {
    const inside = member(choices[0], "usage");
    if (isObject(inside)) return inside;
  }
  return undefined;
}

/** Fill the prompt classes; gives the sum of all of them. */
function splitPrompt(
  prompt: number,
  body: JsonObject,
  raw: JsonObject,
  facts: UsageFacts,
  units: Partial<Record<Unit, number>>,
  flags: string[],
): number {
  const cached = firstCount(body, raw, facts.cacheReadPaths) ?? 0;
  const written = facts.cacheWritePaths.length === 0 ? [] : cacheWrites(body, raw, facts.cacheWritePaths);
  let writtenSum = 0;
  for (const [unit, tokens] of written) {
    put(units, unit, tokens);
    writtenSum += tokens;
  }
  put(units, "cache_read", cached);
  let inside = facts.cacheInsideInput;
  if (inside && cached + writtenSum > prompt) {
    // More cached than there is prompt: this time the host counted them apart.
    inside = false;
    flags.push("cache_unclear");
  }
  let plain = inside ? prompt - cached - writtenSum : prompt;
  const audio = countAt(raw, "/prompt_tokens_details/audio_tokens") ?? countAt(raw, "/input_tokens_details/audio_tokens") ?? 0;
  const image = countAt(raw, "/prompt_tokens_details/image_tokens") ?? countAt(raw, "/input_tokens_details/image_tokens") ?? 0;
  // Cached tokens may themselves be audio or image; what is left bounds both, so no class goes negative.
  const audioPlain = Math.min(audio, plain);
  put(units, "audio_input", audioPlain);
  plain -= audioPlain;
  const imagePlain = Math.min(image, plain);
  put(units, "image_input", imagePlain);
  plain -= imagePlain;
  units.input = plain;
  return inside ? prompt : prompt + cached + writtenSum;
}

const NO_WRITES: readonly (readonly [Unit, number])[] = [];

/** Pointers that end in a TTL name their own class; the first plain one counts as the default TTL. */
function cacheWrites(body: JsonObject, raw: JsonObject, paths: readonly string[]): readonly (readonly [Unit, number])[] {
  let found: Map<Unit, number> | undefined;
  let plain: number | undefined;
  for (const path of paths) {
    const tokens = count(resolve(body, raw, path));
    if (tokens === undefined) continue;
    const { writes } = pointerOf(path);
    if (writes === null) plain ??= tokens;
    else (found ??= new Map()).set(writes, tokens);
  }
  if (found !== undefined) return [...found];
  return plain === undefined ? NO_WRITES : [["cache_write_5m", plain]];
}

function splitCompletion(
  completion: number,
  prompt: number,
  promptAll: number,
  total: number | undefined,
  raw: JsonObject,
  facts: UsageFacts,
  units: Partial<Record<Unit, number>>,
  flags: string[],
): void {
  const told = first(raw, REASONING_PATHS) ?? 0;
  const reasoning = told > 0 ? told : untoldReasoning(promptAll + completion, total, units);
  if (reasoning !== told) flags.push("reasoning_untold");
  const inside = reasoning === 0 || (reasoning === told && reasoningInside(completion, reasoning, [promptAll, prompt], total, facts, flags));
  put(units, "reasoning", reasoning);
  let plain = inside ? completion - reasoning : completion;
  const audio = countAt(raw, "/completion_tokens_details/audio_tokens") ?? countAt(raw, "/output_tokens_details/audio_tokens") ?? 0;
  const image = countAt(raw, "/completion_tokens_details/image_tokens") ?? countAt(raw, "/output_tokens_details/image_tokens") ?? 0;
  const audioPlain = Math.min(audio, plain);
  put(units, "audio_output", audioPlain);
  plain -= audioPlain;
  const imagePlain = Math.min(image, plain);
  put(units, "image_output", imagePlain);
  plain -= imagePlain;
  units.output = plain;
}

/**
 * What a total counts beyond prompt and completion. One maker's compatible endpoint tells its thoughts nowhere else, and
 * bills them. An excess as large as the cached tokens is those, counted once more.
 */
function untoldReasoning(counted: number, total: number | undefined, units: UnitCounts): number {
  const excess = total === undefined ? 0 : total - counted;
  return excess <= 0 || excess === (units.cache_read ?? 0) + cacheWriteTokens(units) ? 0 : excess;
}

/**
 * Is reasoning inside `completion_tokens`? The sums decide where they tell; else the provider's fact does, flagged if
 * a total contradicts both readings. Without either it counts as outside: the upper bound.
 */
function reasoningInside(
  completion: number,
  reasoning: number,
  prompts: readonly number[],
  total: number | undefined,
  facts: UsageFacts,
  flags: string[],
): boolean {
  if (reasoning > completion) return false;
  if (total !== undefined) {
    if (prompts.some((prompt) => prompt + completion === total)) return true;
    if (prompts.some((prompt) => prompt + completion + reasoning === total)) return false;
  }
  if (facts.reasoningInOutput === "guess" || total !== undefined) flags.push("reasoning_unclear");
  return facts.reasoningInOutput === true;
}

function finishUsage(
  units: UnitCounts,
  body: JsonObject,
  raw: JsonObject,
  facts: UsageFacts,
  serviceTier: string | undefined,
  flags: readonly string[],
): Usage {
  const tier = asString(body["service_tier"]) ?? asString(raw["service_tier"]) ?? serviceTier;
  const cost = facts.cost === null ? undefined : asNumber(resolve(body, raw, facts.cost.path));
  const providerCostNanoUsd =
    cost === undefined || cost < 0 || facts.cost === null ? undefined : Math.round((cost / facts.cost.perUsd) * 1e9);
  return {
    units,
    ...(providerCostNanoUsd !== undefined && Number.isSafeInteger(providerCostNanoUsd) ? { providerCostNanoUsd } : {}),
    ...(tier === undefined ? {} : { serviceTier: tier }),
    ...(flags.length === 0 ? {} : { flags }),
    raw,
  };
}

function put(units: Partial<Record<Unit, number>>, unit: Unit, tokens: number | undefined): void {
  if (tokens !== undefined && tokens > 0) units[unit] = tokens;
}

/** A token count, or undefined for what cannot be one. */
function count(value: Json | undefined): number | undefined {
  return typeof value === "number" && Number.isSafeInteger(value) && value >= 0 ? value : undefined;
}

function countAt(root: Json | undefined, path: string): number | undefined {
  return count(at(root, path));
}

function first(root: JsonObject, paths: readonly string[]): number | undefined {
  for (const path of paths) {
    const found = countAt(root, path);
    if (found !== undefined) return found;
  }
  return undefined;
}

function firstCount(body: JsonObject, raw: JsonObject, paths: readonly string[]): number | undefined {
  for (const path of paths) {
    const found = count(resolve(body, raw, path));
    if (found !== undefined) return found;
  }
  return undefined;
}

/** A fact's pointer starts at the body; `/usage/…` also finds the usage object where the host put it elsewhere. */
function resolve(body: JsonObject, raw: JsonObject, path: string): Json | undefined {
  const { keys, inUsage } = pointerOf(path);
  return follow(body, keys) ?? follow(raw, inUsage);
}

function at(root: Json | undefined, path: string): Json | undefined {
  return follow(root, pointerOf(path).keys);
}

function follow(root: Json | undefined, keys: readonly string[]): Json | undefined {
  let value: Json | undefined = root;
  for (const key of keys) {
    value = Array.isArray(value) ? (value as readonly Json[])[Number(key)] : member(value, key);
    if (value === undefined) return undefined;
  }
  return value;
}

/** A JSON pointer without escapes. */
interface Pointer {
  readonly keys: readonly string[];
  /** From the usage object on. */
  readonly inUsage: readonly string[];
  /** The class of cache writes that its last word names by a time; null: none. */
  readonly writes: Unit | null;
}

/** Pointers come from facts and from this file, so each is read once. */
function pointerOf(path: string): Pointer {
  let pointer = POINTERS.get(path);
  if (pointer === undefined) {
    const keys = path.split("/").slice(1);
    const ttl = /(5m|30m|1h|12h)[a-z_]*$/.exec(path)?.[1];
    pointer = { keys, inUsage: path.startsWith("/usage/") ? keys.slice(1) : keys, writes: ttl === undefined ? null : (`cache_write_${ttl}` as Unit) };
    POINTERS.set(path, pointer);
  }
  return pointer;
}

const POINTERS = new Map<string, Pointer>();
