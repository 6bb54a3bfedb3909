/** The legacy completions as clients write them: one prompt, no turns and no tools. */
import { ASKED, TEXT } from "../marks.ts";
import type { SurfaceSpec } from "./spec.ts";

export const completionsSpec: SurfaceSpec = {
  surface: "completions",
  base: { model: "m", prompt: TEXT.hello },
  listening: { stream_options: { include_usage: true } },
  asks: {
    "max-output": { max_tokens: ASKED.maxOutput },
    stop: { stop: [ASKED.stop] },
    temperature: { temperature: ASKED.temperature },
    "temperature-refused": { temperature: ASKED.temperature },
    "top-p": { top_p: ASKED.topP },
    "top-k": { top_k: ASKED.topK },
    seed: { seed: ASKED.seed },
    n: { n: ASKED.choices },
    penalties: { presence_penalty: ASKED.presence, frequency_penalty: ASKED.frequency },
    "logit-bias": { logit_bias: { [ASKED.biasToken]: ASKED.bias } },
    logprobs: { logprobs: ASKED.topLogprobs },
    effort: { reasoning_effort: ASKED.effort },
    "thinking-off": { reasoning_effort: "none" },
    "service-tier": { service_tier: "flex" },
    "service-tier-ordinary": { service_tier: "default" },
    "user-id": { user: ASKED.user },
    metadata: { metadata: { [ASKED.label]: ASKED.labelValue } },
    "unknown-field": { [ASKED.unknown]: true },
  },
};
