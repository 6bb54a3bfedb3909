/**
 * The capability table of a model at a provider. Later words outweigh earlier ones: what the dialect has no place for,
 * then the catalogue's facts, then what the provider refuses by its own data file, then rules for single models, then the
 * word of the model's owner. What nobody says stays null. A test holds the table to the encoders: what it denies they refuse
 * or leave out with a word.
 */
import { CAPABILITIES, type Capability, type CapabilityTable, type ToldCapabilities } from "../wire/capability.ts";
import type { DialectId, Quirks } from "../wire/facts.ts";
import { generationOf as claudeOf } from "./dialects/anthropic/generation.ts";
import { traitsOf } from "./dialects/bedrock/traits.ts";
import type { Target } from "./dialects/dialect.ts";
import { generationOf as geminiOf } from "./dialects/gemini/thinking.ts";
import { refusesSampling } from "./dialects/openai/sampling.ts";

type Words = { [C in Capability]?: boolean | null };

/** What every model behind a dialect has a place for (true) or none (false). */
const BY_DIALECT: Readonly<Record<DialectId, Words>> = {
  "openai-chat": { tool_choice_none: true, streaming: true },
  "openai-responses": {
    image_url: true, audio_in: false, tool_choice_none: true, tool_choice_required: true, tool_choice_named: true, parallel_off: true,
    json_object: true, json_beside_tools: true, n: false, stop: false, seed: false, logprobs: true, logit_bias: false, penalties: false, top_k: false, streaming: true,
  },
  "anthropic-messages": {
    image_url: true, audio_in: false, tool_choice_none: true, tool_choice_required: true, tool_choice_named: true, parallel_off: true,
    json_object: false, json_beside_tools: true, n: false, stop: true, seed: false, logprobs: false, logit_bias: false, penalties: false, streaming: true,
  },
  gemini: {
    image_url: false, tool_choice_none: true, tool_choice_required: true, tool_choice_named: true, parallel_off: false,
    json_object: true, n: true, stop: true, seed: true, logit_bias: false, streaming: true,
  },
  "bedrock-converse": {
    image_url: false, tool_choice_none: false, json_object: false, n: false, seed: false, logprobs: false, logit_bias: false, penalties: false, streaming: true,
  },
  "cohere-v2": {
    audio_in: false, file_in: false, tool_choice_none: true, tool_choice_required: true, tool_choice_named: true, parallel_off: false,
    json_object: true, json_beside_tools: false, n: false, stop: true, seed: true, logit_bias: false, penalties: true, top_k: true, streaming: true,
  },
};

/** A host's rule for a field → what it takes away. */
const BY_FIELD: Readonly<Record<string, readonly Capability[]>> = {
  n: ["n"], stop: ["stop"], seed: ["seed"], top_k: ["top_k"], logit_bias: ["logit_bias"], reasoning_effort: ["reasoning_effort"],
  logprobs: ["logprobs"], presence_penalty: ["penalties"], frequency_penalty: ["penalties"],
  tools: ["tools", "tool_choice_none"], tool_choice: ["tool_choice_required", "tool_choice_named"], parallel_tool_calls: ["parallel_off"],
  response_format: ["json_object", "json_schema"], temperature: ["sampling"], top_p: ["sampling"], stream: ["streaming"],
};

interface Rule {
  readonly dialect?: DialectId;
  readonly provider?: RegExp;
  /** Tried on the upstream name and on the catalogue's canonical one. */
  readonly model?: RegExp;
  readonly can: Words;
}

/** Where neither dialect, catalogue nor provider file can say it. */
const RULES: readonly Rule[] = [
  { dialect: "openai-chat", provider: /^(openai|azure)$/, can: { image_url: true, json_object: true, json_beside_tools: true, tool_choice_required: true, tool_choice_named: true, parallel_off: true, seed: true, top_k: false } },
  // Reasoning models answer 400 to what steers sampling token by token.
  { dialect: "openai-chat", provider: /^(openai|azure)$/, model: /(?:^|\/)(?:o[1-9]|gpt-5(?!\.|-chat))/, can: { penalties: false, logprobs: false, logit_bias: false } },
  { dialect: "openai-chat", provider: /^(openai|azure)$/, model: /(?:^|\/)(?:o3|o4-mini|gpt-5(?!\.|-chat))/, can: { stop: false } },
  // A JSON mode by their own documentation.
  { dialect: "openai-chat", provider: /^(deepseek|mistral|groq|together|fireworks|moonshot)$/, can: { json_object: true } },
  // Takes images as bytes only.
  { provider: /^ollama$/, can: { image_url: false } },
];

/** Addresses that a provider reads itself although it takes no others. */
const OWN_ADDRESSES: readonly (readonly [DialectId, RegExp])[] = [["gemini", /^https:\/\/generativelanguage\.googleapis\.com\//]];

/** Is this the address of something that the target already holds? */
export function keepsAddress(target: Pick<Target, "provider">, address: string): boolean {
  return OWN_ADDRESSES.some(([dialect, pattern]) => dialect === target.provider.dialect && pattern.test(address));
}

/** What the model that `target` calls can do. Made once for a deployment and kept by the caller. */
export function capabilitiesOf(target: Target): CapabilityTable {
  const dialect = target.provider.dialect ?? "openai-chat";
  const table: { [C in Capability]: boolean | null } = Object.fromEntries(CAPABILITIES.map((name) => [name, null])) as never;
  Object.assign(table, BY_DIALECT[dialect]);
  Object.assign(table, ofCatalogue(target, table), ofFields(target.provider.quirks.fields), ofCodec(target, dialect));
  const names = [target.upstreamModel, target.model?.canonical ?? ""];
  for (const rule of RULES) {
    const applies = (rule.dialect ?? dialect) === dialect && rule.provider?.test(target.provider.id) !== false;
    if (applies && (rule.model === undefined || names.some((name) => rule.model?.test(name)))) Object.assign(table, rule.can);
  }
  return target.told === undefined ? table : Object.assign(table, ofOwner(target.told, BY_DIALECT[dialect]));
}

/** The catalogue's facts. A modality that is not listed is unknown; what the dialect has no place for stays denied. */
function ofCatalogue({ model }: Target, table: CapabilityTable): Words {
  if (model === null) return {};
  const listed = (kind: string, name: Capability): boolean | null => (table[name] === false ? false : model.input.includes(kind) ? true : table[name]);
  return {
    image_in: model.vision,
    audio_in: listed("audio", "audio_in"),
    file_in: listed("pdf", "file_in"),
    tools: model.tools,
    json_schema: model.jsonSchema,
    ...(model.reasoning === false && { reasoning_effort: false }),
  };
}

/** What the owner says goes last; only a place that the dialect does not have is nobody's to give. */
function ofOwner(told: ToldCapabilities, places: Words): Words {
  return Object.fromEntries(CAPABILITIES.filter((name) => told[name] === false || (told[name] === true && places[name] !== false)).map((name) => [name, told[name]]));
}

/** What a host refuses. What its rules leave out with a word is no reason to pass it over. */
function ofFields(fields: Quirks["fields"]): Words {
  const lost: Words = {};
  for (const [field, rule] of Object.entries(fields ?? {})) if (rule === "refuse") for (const name of BY_FIELD[field] ?? []) lost[name] = false;
  return lost;
}

/** Where models refuse to be told how to sample as their maker has it. */
const ANSWERS_400: ReadonlySet<string> = new Set(["openai", "azure"]);

/** What the codecs know of generations and makers. */
function ofCodec(target: Target, dialect: DialectId): Words {
  switch (dialect) {
    case "anthropic-messages": {
      const claude = claudeOf(target);
      return { prefill: claude.prefills, ...(claude.refusesSampling ? { sampling: false, top_k: false } : { sampling: true, top_k: true }) };
    }
    case "gemini": {
      const generation = geminiOf(target);
      return { sampling: true, top_k: true, ...(generation > 0 && { json_beside_tools: generation >= 3 }) };
    }
    case "bedrock-converse":
      return ofBedrock(target);
    default:
      // Hosts that resell these models may take the fields and leave them out themselves: there it is not known.
      return {
        ...(refusesSampling(target, undefined) && ANSWERS_400.has(target.provider.id) && { sampling: false }),
        ...(dialect === "openai-chat" && target.provider.prefill !== undefined && target.provider.prefill.models?.test(target.upstreamModel) !== false && { prefill: true }),
      };
  }
}

function ofBedrock(target: Target): Words {
  const { maker, schema } = traitsOf(target);
  const refusing = maker === "gpt" || (maker === "claude" && claudeOf(target).refusesSampling);
  return {
    json_schema: schema,
    prefill: maker === "claude" ? claudeOf(target).prefills : null,
    parallel_off: maker === "claude",
    sampling: !refusing,
    top_k: (maker === "claude" && !refusing) || maker === "nova" || maker === "cohere" || maker === "mistral",
    ...((maker === "gpt" || maker === "gpt-oss") && { stop: false }),
  };
}
