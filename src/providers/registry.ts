/** Every provider by its id, and which of them can be found by an environment variable. */
import type { ProviderFacts } from "../wire/facts.ts";
import { ai21 } from "./ai21.ts";
import { alibaba } from "./alibaba.ts";
import { anthropic } from "./anthropic.ts";
import { azure } from "./azure.ts";
import { baseten } from "./baseten.ts";
import { bedrock } from "./bedrock.ts";
import { cerebras } from "./cerebras.ts";
import { cloudflare } from "./cloudflare.ts";
import { cohere } from "./cohere.ts";
import { deepinfra } from "./deepinfra.ts";
import { deepseek } from "./deepseek.ts";
import { fireworks } from "./fireworks.ts";
import { google } from "./google.ts";
import { groq } from "./groq.ts";
import { huggingface } from "./huggingface.ts";
import { jina } from "./jina.ts";
import { minimax } from "./minimax.ts";
import { mistral } from "./mistral.ts";
import { moonshot } from "./moonshot.ts";
import { nebius } from "./nebius.ts";
import { novita } from "./novita.ts";
import { ollama } from "./ollama.ts";
import { openai } from "./openai.ts";
import { openaiCompatible } from "./openai-compatible.ts";
import { openrouter } from "./openrouter.ts";
import { ovhcloud } from "./ovhcloud.ts";
import { perplexity } from "./perplexity.ts";
import { sambanova } from "./sambanova.ts";
import { scaleway } from "./scaleway.ts";
import { siliconflow } from "./siliconflow.ts";
import { stackit } from "./stackit.ts";
import { together } from "./together.ts";
import { vertex } from "./vertex.ts";
import { vllm } from "./vllm.ts";
import { voyage } from "./voyage.ts";
import { xai } from "./xai.ts";
import { zai } from "./zai.ts";

/** By id, in the order in which providers are listed. */
export const PROVIDERS: ReadonlyMap<string, ProviderFacts> = new Map(
  [
    openai,
    anthropic,
    google,
    vertex,
    azure,
    bedrock,
    mistral,
    deepseek,
    alibaba,
    xai,
    groq,
    together,
    fireworks,
    cohere,
    cerebras,
    perplexity,
    moonshot,
    zai,
    minimax,
    deepinfra,
    nebius,
    sambanova,
    openrouter,
    huggingface,
    novita,
    baseten,
    siliconflow,
    ovhcloud,
    scaleway,
    stackit,
    cloudflare,
    ai21,
    voyage,
    jina,
    ollama,
    vllm,
    openaiCompatible,
  ].map((provider) => [provider.id, provider]),
);

/** The facts of a provider, or undefined for a name that is none. */
export function providerById(id: string): ProviderFacts | undefined {
  return PROVIDERS.get(id);
}

const DISCOVERABLE: readonly ProviderFacts[] = [...PROVIDERS.values()].filter(
  (provider) => provider.env.length > 0 && provider.dialect !== null && provider.baseUrl !== null,
);

/** Providers that a key in the environment is enough for: a variable, a dialect that we speak, and an address. */
export function discoverable(): readonly ProviderFacts[] {
  return DISCOVERABLE;
}
