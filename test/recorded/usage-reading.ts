/** The recorded usage objects, and each as the reader of the surface that produced it takes it. */
import assert from "node:assert/strict";
import { readUsage as readMessages } from "../../src/providers/dialects/anthropic/usage.ts";
import { readUsage as readConverse } from "../../src/providers/dialects/bedrock/usage.ts";
import { readUsage as readCohere } from "../../src/providers/dialects/cohere/usage.ts";
import { readUsage as readGemini } from "../../src/providers/dialects/gemini/usage.ts";
import { readUsage as readChat } from "../../src/providers/dialects/openai/usage.ts";
import { readUsage as readResponses } from "../../src/providers/dialects/responses/usage.ts";
import { PROVIDERS } from "../../src/providers/registry.ts";
import type { UsageFacts } from "../../src/wire/facts.ts";
import { asArray, asString, isObject, member, type Json, type JsonObject } from "../../src/wire/json.ts";
import type { Usage } from "../../src/wire/usage.ts";
import { jsonOf, recordingsAbsent } from "./folder.ts";
import { fileOf, type Producer } from "./usage-records.ts";

export interface UsageRecord {
  readonly name: string;
  readonly body: JsonObject;
  /** The model that answered, where the object names one. */
  readonly model: string | null;
  /** What every extractor that could read the object took from it. */
  readonly extracted: Json | undefined;
}

/** All of them, each with a name of its own. */
export function records(): readonly UsageRecord[] {
  if (recordingsAbsent !== false) return [];
  const rows = asArray(jsonOf("genai-prices/usages.json.gz")).filter(isObject);
  const bodies = rows.map((row) => (isObject(row["body"]) ? row["body"] : {}));
  const total = Map.groupBy(bodies, fileOf);
  const seen = new Map<string, number>();
  return rows.map((row, i): UsageRecord => {
    const body = bodies[i] ?? {};
    const file = fileOf(body);
    const number = (seen.get(file) ?? 0) + 1;
    seen.set(file, number);
    return { name: (total.get(file)?.length ?? 0) > 1 ? `${file} #${number}` : file, body, model: asString(row["model"]) ?? null, extracted: row["extracted"] };
  });
}

function factsOf(provider: string): UsageFacts {
  const facts = PROVIDERS.get(provider)?.usage;
  assert.ok(facts !== undefined, provider);
  return facts;
}

/** The usage as the surface's own reader takes it. */
export function read({ surface, provider }: Producer, body: JsonObject): Usage | undefined {
  const usage = isObject(body["usage"]) ? body["usage"] : {};
  switch (surface) {
    case "gemini":
      return readGemini(body["usageMetadata"], false);
    case "bedrock-converse":
      return readConverse(usage, undefined);
    case "anthropic-messages":
      return readMessages(usage, true);
    case "cohere-v2":
      return readCohere(usage);
    case "cohere-embed":
      return readCohere(body["meta"]);
    case "openai-responses":
      return readResponses(body, factsOf(provider));
    case "openai-chat":
    case "openai-embeddings":
      return readChat(body, factsOf(provider), undefined);
  }
}

/** What the extractor of the producing surface told: the counts, and the price where the library knows one. */
export function told(record: UsageRecord, { extractor }: Producer): { readonly usage: Json | undefined; readonly by: Json | undefined } {
  const fits = (by: Json): boolean => `${asString(member(by, "provider_id"))}:${asString(member(by, "api_flavor"))}` === extractor;
  const fitting = asArray(record.extracted).filter((one) => asArray(member(one, "extractors")).some(fits));
  assert.equal(fitting.length, 1, `${record.name}: ${extractor}`);
  return { usage: member(fitting[0], "usage"), by: asArray(member(fitting[0], "extractors")).find(fits) };
}
