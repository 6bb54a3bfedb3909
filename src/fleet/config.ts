/** A fleet's configuration: which providers it plays, how fast they are, what they charge, what goes wrong. */
import { z } from "zod";
import { distributionSchema } from "./distribution.ts";
import { ruleSchema } from "./fault.ts";
import { checked, type Finding, findingsError, readYaml, type ReadYaml } from "./findings.ts";
import type { ModelPrice } from "./price.ts";
import { priceOf } from "./price-file.ts";
import { scenarioSchema } from "./scenario.ts";

const usd = z.number().nonnegative();

const modelSchema = z.strictObject({
  /** USD per million tokens; where both are absent the price file is asked. */
  input: usd.optional(),
  output: usd.optional(),
  cache_read: usd.optional(),
  cache_write: usd.optional(),
  /** Prices of other service tiers, for calls that ask for one. */
  tiers: z.record(z.string(), z.strictObject({ input: usd, output: usd, cache_read: usd.optional(), cache_write: usd.optional() })).optional(),
  /** USD each, of models that are billed by the piece. */
  units: z.partialRecord(z.enum(["images", "seconds", "characters", "searches", "web_searches", "requests"]), z.number().nonnegative()).optional(),
  first_token: distributionSchema.optional(),
  token_rate: distributionSchema.optional(),
  tokens_out: distributionSchema.optional(),
  /** Reasoning words before each answer, whether asked for or not. */
  thoughts: z.int().nonnegative().optional(),
});

const providerSchema = z.strictObject({
  name: z.string().min(1),
  dialect: z.enum(["openai-chat", "anthropic-messages", "gemini", "cohere-v2"]),
  host: z.string().default("127.0.0.1"),
  /** 0: any free port. */
  port: z.int().min(0).max(65535).default(0),
  /** `"*"` stands for every name that is not listed. */
  models: z.record(z.string(), modelSchema),
  /** Milliseconds to the first token. */
  first_token: distributionSchema.default(0),
  /** Tokens per second of one stream; 0: as fast as it goes. */
  token_rate: distributionSchema.default(0),
  /** Tokens of an answer, before the caller's limit. */
  tokens_out: distributionSchema.default({ lognormal: { median: 115, p99: 599 } }),
  /** When the headers of a stream leave: at once, or with the first token. */
  headers_with: z.enum(["accept", "first_token"]).default("accept"),
  /** Share of each prompt that is reported and billed as read from the cache. */
  cached_share: z.number().min(0).max(1).default(0),
  /** Share of each prompt that is reported and billed as written to the cache, where the dialect tells such. */
  written_share: z.number().min(0).max(1).default(0),
  /** Share of the calls asking for another service tier that are served in it; the others are in the standard one. */
  tier_served: z.number().min(0).max(1).default(1),
  /** Writes as much as it wants, whatever limit a call sets. */
  ignores_limits: z.boolean().default(false),
  /** Searches that the provider itself makes for an answer where they are offered, as many as the call allows. */
  web_searches: z.int().nonnegative().default(0),
  /** Input tokens that each of them brings. */
  search_tokens: z.int().nonnegative().default(1000),
  /** How many of the offered tools one answer calls. */
  parallel_tools: z.int().positive().default(1),
  /** Tools that are called when they are offered, each with these arguments; nothing else is called then. Absent: the first that are offered. */
  tool_calls: z.array(z.strictObject({ name: z.string().min(1), arguments: z.record(z.string(), z.unknown()) })).optional(),
  /** A prompt whose client left before any content is billed all the same. */
  bills_on_abort: z.boolean().default(true),
  /** `finish`: generates (and bills) to the end though the client has left. */
  on_disconnect: z.enum(["stop", "finish"]).default("stop"),
  simulated: z.boolean().default(false),
  batches: z
    .strictObject({
      /** When they end. Absent: those of messages as soon as somebody looks again, those of files when they are told to. */
      end: z.union([z.enum(["look", "control"]), z.number().nonnegative()]).optional(),
      /** Of the price of what they run. */
      price_factor: z.number().min(0).max(1).default(0.5),
      /** Batches of files tell the usage of all of it. */
      tell_usage: z.boolean().default(false),
    })
    .default({ price_factor: 0.5, tell_usage: false }),
  script: z.array(ruleSchema).default([]),
  scenario: z
    .strictObject({
      /** A file, relative to the configuration, or the scenario itself. */
      play: z.union([z.string(), scenarioSchema], { error: "a scenario's file, or the scenario itself" }),
      time_scale: z.number().positive().default(1),
      start_at_ms: z.number().nonnegative().default(0),
    })
    .optional(),
});

export const fleetSchema = z.strictObject({
  version: z.literal(1).default(1),
  seed: z.int().nonnegative().default(1),
  /** Simulated seconds per real second: 10 makes every delay a tenth. */
  time_scale: z.number().positive().default(1),
  providers: z.array(providerSchema).min(1),
  /** How many of the last calls are kept with headers and body. */
  keep_calls: z.int().nonnegative().default(2000),
  /** How many rows the bill holds before the oldest are dropped (and counted). */
  keep_rows: z.int().positive().default(1_000_000),
});

export type FleetConfig = z.input<typeof fleetSchema>;
export type FullFleetConfig = z.output<typeof fleetSchema>;
export type ProviderConfig = FullFleetConfig["providers"][number];
export type ModelConfig = z.output<typeof modelSchema>;

/** A model's price: its own, else the price file's. Undefined: none; `"*"` may stand without one and is then asked by name. */
export function resolvePrice(name: string, model: ModelConfig): ModelPrice | undefined {
  if (model.input !== undefined || model.output !== undefined || model.units !== undefined) {
    const units = model.units as ModelPrice["units"];
    return { input: model.input ?? 0, output: model.output ?? 0, cache_read: model.cache_read, cache_write: model.cache_write, tiers: model.tiers, ...(units === undefined ? {} : { units }) };
  }
  return priceOf(name) ?? (name === "*" ? { input: 0, output: 0 } : undefined);
}

const TITLE = "The fleet's configuration";

/** Reads the YAML of a fleet. Throws one Error that names every wrong field with its place in `file`. */
export function parseFleetConfig(text: string, file = "fleet.yaml"): FullFleetConfig {
  const { value, place } = readYaml(text, file);
  return checkFleetConfig(value, place);
}

/** Checks and completes a configuration. Throws one Error that names every wrong field. */
export function checkFleetConfig(value: unknown, place?: ReadYaml["place"]): FullFleetConfig {
  const config = checked(fleetSchema, value, TITLE, place);
  const findings: Finding[] = [];
  const names = config.providers.map((provider) => provider.name);
  for (const [at, provider] of config.providers.entries()) {
    if (names.indexOf(provider.name) < at) findings.push({ path: ["providers", at, "name"], expected: "a name of its own", found: `two providers named ${provider.name}` });
    for (const [name, model] of Object.entries(provider.models)) {
      if (resolvePrice(name, model)) continue;
      const hint = "write input and output in USD per million tokens, or units";
      findings.push({ path: ["providers", at, "models", name], expected: "a price", found: `no price for ${name}, here or in the fleet's price file`, hint });
    }
  }
  if (findings.length > 0) throw findingsError(findings, TITLE, place);
  return config;
}
