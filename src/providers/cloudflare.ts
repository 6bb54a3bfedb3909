/** Compatible, with the account's id in the address. Cloud credentials count only for an account that the configuration names. */
import type { ProviderFacts } from "../wire/facts.ts";
import { compatible } from "./compatible.ts";

export const cloudflare: ProviderFacts = compatible({
  id: "cloudflare",
  name: "Cloudflare Workers AI",
  baseUrl: null,
  address: {
    template: "https://api.cloudflare.com/client/v4/accounts/{account_id}/ai/v1",
    exceptions: {},
    settings: { account_id: { expected: "an account's id", example: '"${CLOUDFLARE_ACCOUNT_ID}"', variables: ["CLOUDFLARE_ACCOUNT_ID"] } },
  },
  env: [],
  keyVariables: ["CLOUDFLARE_API_KEY", "CLOUDFLARE_API_TOKEN"],
  domain: { edge: "cloudflare", cloud: "cloudflare" },
});
