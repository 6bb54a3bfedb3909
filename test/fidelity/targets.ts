/** The deployments that are asked: for each dialect a model that takes what the feature under test needs. */
import type { Target } from "../../src/providers/dialects/dialect.ts";
import { providerById } from "../../src/providers/registry.ts";
import type { DialectId, ModelFacts, ProviderFacts } from "../../src/wire/facts.ts";
import type { Profile } from "./features.ts";

/** Upstream dialects, in the order of the page. */
export const DIALECTS = ["openai-chat", "openai-responses", "anthropic-messages", "gemini", "bedrock-converse", "cohere-v2"] as const satisfies readonly DialectId[];

const SONNET = "us.anthropic.claude-sonnet-4-5-20250929-v1:0";
const OPUS = "us.anthropic.claude-opus-4-7-v1:0";

/** Provider and upstream names of models, by profile; null where the dialect has no model of that kind. */
const MODELS: Readonly<Record<DialectId, Readonly<Record<Profile, readonly [string, string] | null>>>> = {
  "openai-chat": {
    plain: ["openai", "gpt-4.1"], effort: ["openai", "gpt-5.1"], budget: ["openai", "gpt-5.1"], unsampled: ["openai", "gpt-5"],
    media: ["openai", "gpt-4o-audio-preview"], replays: ["deepseek", "deepseek-reasoner"],
  },
  "openai-responses": {
    plain: ["openai", "gpt-4.1"], effort: ["openai", "gpt-5.1"], budget: ["openai", "gpt-5.1"], unsampled: ["openai", "gpt-5"],
    media: ["openai", "gpt-4.1"], replays: ["openai", "gpt-5.1"],
  },
  "anthropic-messages": {
    plain: ["anthropic", "claude-sonnet-4-5"], effort: ["anthropic", "claude-opus-4-7"], budget: ["anthropic", "claude-sonnet-4-5"],
    unsampled: ["anthropic", "claude-opus-4-7"], media: ["anthropic", "claude-sonnet-4-5"], replays: ["anthropic", "claude-sonnet-4-5"],
  },
  gemini: {
    plain: ["google", "gemini-2.5-flash"], effort: ["google", "gemini-3.1-pro-preview"], budget: ["google", "gemini-2.5-flash"], unsampled: null,
    media: ["google", "gemini-2.5-flash"], replays: ["google", "gemini-3.1-pro-preview"],
  },
  "bedrock-converse": {
    plain: ["bedrock", SONNET], effort: ["bedrock", OPUS], budget: ["bedrock", SONNET], unsampled: ["bedrock", OPUS],
    media: ["bedrock", "us.amazon.nova-2-omni-v1:0"], replays: ["bedrock", SONNET],
  },
  "cohere-v2": {
    plain: ["cohere", "command-a-vision-07-2025"], effort: ["cohere", "command-a-reasoning-08-2025"], budget: ["cohere", "command-a-reasoning-08-2025"],
    unsampled: null, media: ["cohere", "command-a-vision-07-2025"], replays: ["cohere", "command-a-reasoning-08-2025"],
  },
};

const REASONS: ReadonlySet<Profile> = new Set(["effort", "budget", "unsampled", "replays"]);
const EFFORTS: Readonly<Partial<Record<DialectId, readonly string[]>>> = {
  "openai-chat": ["none", "low", "medium", "high"],
  "openai-responses": ["none", "low", "medium", "high"],
  gemini: ["low", "medium", "high"],
};

/** What is called for a profile; null where the dialect has no such model. */
export function targetFor(dialect: DialectId, profile: Profile): Target | null {
  const named = MODELS[dialect][profile];
  if (named === null) return null;
  const [providerId, upstream] = named;
  const facts = providerById(providerId);
  if (facts === undefined) throw new Error(`no provider ${providerId}`);
  const provider: ProviderFacts = facts.dialect === dialect ? facts : { ...facts, dialect };
  return { provider, model: factsOf(provider.id, upstream, REASONS.has(profile), EFFORTS[dialect] ?? null), upstreamModel: upstream, maxOutput: 64_000 };
}

/** The names of the models that stand for a dialect, for the page. */
export function modelsOf(dialect: DialectId): readonly string[] {
  return [...new Set(Object.values(MODELS[dialect]).flatMap((named) => (named === null ? [] : [named[1]])))];
}

/** Stated here and not read from the catalogue, so that the matrix speaks of the dialects and not of a day's list of models. */
function factsOf(provider: string, upstream: string, reasons: boolean, efforts: readonly string[] | null): ModelFacts {
  return {
    id: `${provider}/${upstream}`, provider, upstream, name: upstream, canonical: upstream, variant: null, family: null, type: "chat", status: "active",
    contextWindow: 400_000, maxOutput: 64_000, input: ["text", "image", "pdf", "audio", "video"], output: ["text"], tools: true, jsonSchema: true, vision: true,
    reasoning: reasons, reasoningEfforts: reasons ? efforts : null, openWeights: false, aliases: [], embeddingDimensions: null, price: null,
    priceSources: { from: [], agree: 0, of: 0, asOf: "2026-01-01" }, dialectOverride: null, retiresOn: null,
  };
}
