/**
 * Compatible, but the base URL holds an account id: `https://api.cloudflare.com/client/v4/accounts/<id>/ai/v1`.
 * Cloud credentials are used only when configured.
 */
import type { ProviderFacts } from "../wire/facts.ts";
import { compatible } from "./compatible.ts";

export const cloudflare: ProviderFacts = compatible({
  id: "cloudflare",
  name: "Cloudflare Workers AI",
  baseUrl: null,
  env: [],
  domain: { edge: "cloudflare", cloud: "cloudflare" },
});
