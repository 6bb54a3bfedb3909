/**
 * What a model takes beyond what all take. Converse is one form for many makers' models; what differs goes by the maker,
 * which stands in the model's id (`us.anthropic.claude-…`), or, where that is an opaque ARN, in the catalogue's name.
 */
import type { JsonObject } from "../../../wire/json.ts";
import type { Draft } from "../anthropic/draft.ts";
import type { Target } from "../dialect.ts";

export interface Traits {
  readonly maker: "claude" | "nova" | "mistral" | "gpt-oss" | "gpt" | "cohere" | "other";
  /** Where cache points may stand. */
  readonly cachePoints: "anywhere" | "not-in-tools" | "nowhere";
  /** Cache entries may live an hour. */
  readonly hourCache: boolean;
  /** An answer can be held to a JSON schema, and a call to its tool's. */
  readonly schema: boolean;
  /** Ids of tool calls are nine letters and digits. */
  readonly nineLetterIds: boolean;
}

/** Claude models that the host's structured output covers, by its documentation; newer ones were seen to refuse it. */
const CLAUDE_WITH_SCHEMA = /claude-(sonnet|haiku|opus)-4-5|claude-opus-4-6/;
/** Open-weights makers that it covers; which of their models, the catalogue says. */
const OPEN_WITH_SCHEMA = /(^|[./ ])(qwen|deepseek\.v|mistral|google\.gemma|nvidia|minimax|moonshot|openai\.gpt-oss|zai)/;

/** Traits of the model that `target` calls. */
export function traitsOf(target: Target): Traits {
  const name = `${target.upstreamModel} ${target.model?.canonical ?? ""}`;
  const maker = makerOf(name);
  return {
    maker,
    cachePoints: maker === "claude" || isOpaque(target) ? "anywhere" : maker === "nova" ? "not-in-tools" : "nowhere",
    hourCache: maker !== "nova",
    schema: takesSchema(name, maker, target.model?.jsonSchema ?? null),
    nineLetterIds: maker === "mistral",
  };
}

function makerOf(name: string): Traits["maker"] {
  if (/anthropic\.|claude/.test(name)) return "claude";
  if (/amazon\.nova|\bnova-/.test(name)) return "nova";
  if (/gpt-oss/.test(name)) return "gpt-oss";
  if (/openai\./.test(name)) return "gpt";
  if (/cohere\./.test(name)) return "cohere";
  return /mistral|ministral|mixtral|magistral|pixtral|voxtral|devstral/.test(name) ? "mistral" : "other";
}

/** An address of the owner's own (an application's profile, provisioned capacity) of which nothing else is known. */
function isOpaque(target: Target): boolean {
  return target.model === null && target.upstreamModel.startsWith("arn:");
}

function takesSchema(name: string, maker: Traits["maker"], listed: boolean | null): boolean {
  if (maker === "claude") return listed !== false && CLAUDE_WITH_SCHEMA.test(name);
  return listed === true && OPEN_WITH_SCHEMA.test(name);
}

/** The API takes this many, all places together. */
const CACHE_POINTS_MAX = 4;

/** Makes the cache points of one request: elements of their own, behind what they close. */
export class CachePoints {
  readonly #traits: Traits;
  readonly #draft: Draft;
  #count = 0;

  constructor(traits: Traits, draft: Draft) {
    this.#traits = traits;
    this.#draft = draft;
  }

  /** The point for this marker as a list: empty where there is no marker, or the model takes none there. */
  after(marker: JsonObject | undefined, place: "tools" | "content"): readonly JsonObject[] {
    if (marker === undefined) return [];
    const { cachePoints, hourCache } = this.#traits;
    if (cachePoints === "nowhere" || (cachePoints === "not-in-tools" && place === "tools")) {
      this.#draft.warn(`cache_control was left out: the model takes none${cachePoints === "nowhere" ? "" : " on tools"}`);
      return [];
    }
    if (this.#count >= CACHE_POINTS_MAX) {
      this.#draft.warn(`cache_control beyond the first ${CACHE_POINTS_MAX} was left out`);
      return [];
    }
    this.#count++;
    const hour = marker.ttl === "1h";
    if (hour && !hourCache) this.#draft.warn("cache_control.ttl was left out: the model knows only the default");
    return [{ cachePoint: { type: "default", ...(hour && hourCache && { ttl: "1h" }) } }];
  }
}
