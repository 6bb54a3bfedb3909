/**
 * Its own protocol and binary event stream; requests are signed, or carry a bearer key. Cloud credentials are never
 * discovered: the variables count only for an account that the configuration names.
 */
import type { ProviderFacts } from "../wire/facts.ts";
import { compatible } from "./compatible.ts";

export const bedrock: ProviderFacts = compatible({
  id: "bedrock",
  name: "AWS Bedrock",
  dialect: "bedrock-converse",
  baseUrl: null,
  address: {
    template: "https://bedrock-runtime.{region}.amazonaws.com",
    exceptions: {
      "region=cn-north-1": "https://bedrock-runtime.{region}.amazonaws.com.cn",
      "region=cn-northwest-1": "https://bedrock-runtime.{region}.amazonaws.com.cn",
    },
    settings: { region: { expected: "a region", example: "us-east-1", variables: ["AWS_REGION", "AWS_DEFAULT_REGION"], isRegion: true } },
  },
  env: [],
  keyVariables: ["AWS_BEARER_TOKEN_BEDROCK"],
  auth: { kind: "sigv4", service: "bedrock" },
  // Inference profiles of a geography or of the account's own: `eu.…`, or an ARN.
  namesDeployments: true,
  kind: "host",
  domain: { cloud: "aws" },
  // Bills the whole generation after a disconnect: reading on tells the true figure.
  onClientGone: "drain",
  // Read by its own decoder: input, cache reads and cache writes are disjoint, reasoning is inside the output.
  usage: { reasoningInOutput: true, cacheInsideInput: false, cacheReadPaths: [], cacheWritePaths: [] },
  quirks: {},
  requestIdHeader: null,
});
