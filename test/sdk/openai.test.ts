/** The `openai` package, unmodified, by chat completions on every upstream, as its own client and as the one for Azure's paths. */
import OpenAI, { AzureOpenAI } from "openai";
import { matrix } from "./matrix.ts";
import { openaiFeatures } from "./openai-features.ts";

matrix("openai SDK", openaiFeatures(({ world }) => new OpenAI({ baseURL: world.gateway.baseUrl, apiKey: world.apiKey, maxRetries: 0 })));

matrix("AzureOpenAI", openaiFeatures(({ world }) =>
  new AzureOpenAI({ endpoint: world.gateway.url, apiKey: world.apiKey, apiVersion: "2025-04-01-preview", maxRetries: 0 })));
