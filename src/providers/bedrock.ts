/** Own event stream and request signing. Cloud credentials are never discovered. */
import type { ProviderFacts } from "../wire/facts.ts";
import { notSpoken } from "./compatible.ts";

export const bedrock: ProviderFacts = notSpoken({
  id: "bedrock",
  name: "AWS Bedrock",
  baseUrl: null,
  env: [],
  kind: "host",
  domain: { cloud: "aws" },
  // Bills the whole generation after a disconnect: reading on tells the true figure.
  onClientGone: "drain",
  usage: { cacheInsideInput: false },
});
