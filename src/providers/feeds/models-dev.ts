/** models.dev: `api.json`, providers with their models, prices in USD per million tokens. */
import { isObject, type JsonObject } from "../../wire/json.ts";
import type { Unit } from "../../wire/usage.ts";
import { BadEntry, Gathering, parseJson, usdOf, type FeedContext, type FeedPrice, type ReadFeed } from "./feed.ts";

/** Its names of providers where ours differ. */
const PROVIDERS: Readonly<Record<string, string>> = {
  "google-vertex": "vertex", "google-vertex-anthropic": "vertex", "amazon-bedrock": "bedrock", "azure-cognitive-services": "azure", togetherai: "together",
  "fireworks-ai": "fireworks", moonshotai: "moonshot", "novita-ai": "novita", "cloudflare-workers-ai": "cloudflare", "z-ai": "zai",
};
const UNITS: Readonly<Record<string, Unit>> = {
  input: "input", output: "output", reasoning: "reasoning", cache_read: "cache_read", cache_write: "cache_write_5m", input_audio: "audio_input", output_audio: "audio_output",
};
/** Older files say it by a name, newer ones by a list. */
const STEP = /^context_over_(\d{1,7})k$/;

/** The prices of such a file. */
export function readModelsDev(text: string, context: FeedContext): ReadFeed {
  const root = parseJson(text);
  if (!isObject(root)) return { ok: false, message: "not an object of providers" };
  const gathering = new Gathering();
  let seen = 0;
  for (const [id, provider] of Object.entries(root)) {
    const models = isObject(provider) ? provider["models"] : undefined;
    if (!isObject(models)) continue;
    seen++;
    const ours = PROVIDERS[id] ?? id;
    if (!context.providers.has(ours)) continue;
    for (const [model, facts] of Object.entries(models)) gathering.entry(`${id}/${model}`, () => readModel(ours, model, facts));
  }
  return seen === 0 ? { ok: false, message: "no provider in it has models" } : gathering.done();
}

function readModel(provider: string, model: string, facts: unknown): FeedPrice | null {
  if (!isObject(facts)) throw new BadEntry("not an object");
  const cost = facts["cost"];
  if (cost === undefined) return null;
  if (!isObject(cost)) throw new BadEntry("cost is no object");
  const notes: string[] = [];
  const steps: JsonObject[] = [];
  for (const [key, value] of Object.entries(cost)) {
    const named = STEP.exec(key);
    if (named !== null) {
      if (!isObject(value)) throw new BadEntry(`${key} is no object`);
      steps.push({ above: Number(named[1]) * 1000, ...units(value, `${key}.`) });
    } else if (key === "tiers") steps.push(...readTiers(value));
    else if (!(key in UNITS)) notes.push(`${key.slice(0, 40)} is not read`);
  }
  return { provider, model, terms: { ...units(cost, ""), ...(steps.length === 0 ? {} : { steps: ascending(steps) }) }, notes };
}

function readTiers(value: unknown): JsonObject[] {
  if (!Array.isArray(value)) throw new BadEntry("tiers is no list");
  return value.map((tier): JsonObject => {
    if (!isObject(tier)) throw new BadEntry("a tier is no object");
    const { tier: condition } = tier;
    const size = isObject(condition) && condition["type"] === "context" ? condition["size"] : undefined;
    if (typeof size !== "number" || !Number.isSafeInteger(size) || size <= 0) throw new BadEntry("a tier is not one by context");
    return { above: size, ...units(tier, "tiers.") };
  });
}

/** The same step may stand there by name and in the list. */
function ascending(steps: readonly JsonObject[]): JsonObject[] {
  const byStart = new Map(steps.map((step) => [step["above"] as number, step]));
  return [...byStart.values()].toSorted((a, b) => (a["above"] as number) - (b["above"] as number));
}

function units(cost: JsonObject, where: string): JsonObject {
  const terms: JsonObject = {};
  for (const [key, unit] of Object.entries(UNITS)) {
    const usd = usdOf(cost[key], unit, 0, where + key);
    if (usd !== undefined) Object.assign(terms, { [unit]: usd });
  }
  return terms;
}
