/**
 * OpenAI's protocol on the `v1` path of a resource; the model field is the deployment's name. Cloud credentials are never
 * discovered: the variables count only for an account that the configuration names.
 */
import type { ProviderFacts } from "../wire/facts.ts";
import { compatible } from "./compatible.ts";
import { OPENAI_RATE_LIMITS } from "./rate-limits.ts";

export const azure: ProviderFacts = compatible({
  id: "azure",
  name: "Azure OpenAI / Microsoft Foundry",
  baseUrl: null,
  address: {
    template: "https://{resource}.openai.azure.com/openai/v1",
    exceptions: {},
    settings: { resource: { expected: "the name of a resource", example: "my-resource", variables: ["AZURE_RESOURCE_NAME"] } },
  },
  env: [],
  keyVariables: ["AZURE_API_KEY", "AZURE_OPENAI_API_KEY"],
  auth: {
    kind: "entra",
    keyHeader: "api-key",
    authority: "https://login.microsoftonline.com",
    scope: "https://cognitiveservices.azure.com/.default",
    variables: { tenant: ["AZURE_TENANT_ID"], client_id: ["AZURE_CLIENT_ID"], client_secret: ["AZURE_CLIENT_SECRET"] },
  },
  namesDeployments: true,
  kind: "host",
  domain: { cloud: "azure" },
  usage: { reasoningInOutput: true },
  quirks: {},
  rateLimitHeaders: OPENAI_RATE_LIMITS,
  keepsFiles: true,
  // Every meter for batches is half of its plain one (price list of 2026-08).
  batchPriceFactor: 0.5,
});
