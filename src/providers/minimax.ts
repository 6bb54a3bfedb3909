/** International endpoint. */
import type { ProviderFacts } from "../wire/facts.ts";
import { compatible } from "./compatible.ts";

export const minimax: ProviderFacts = compatible({
  id: "minimax",
  name: "MiniMax",
  baseUrl: "https://api.minimax.io/v1",
  env: ["MINIMAX_API_KEY"],
  kind: "maker",
  region: "cn",
  endpoints: { cn: "https://api.minimaxi.com/v1" },
  quirks: {
    developerAsSystem: true,
    fields: {
      n: "refuse",
      logit_bias: "drop-and-warn",
      presence_penalty: "drop-and-warn",
      frequency_penalty: "drop-and-warn",
    },
  },
});
