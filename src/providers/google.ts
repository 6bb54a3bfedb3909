/**
 * The Gemini API. GOOGLE_API_KEY is left alone: other products share it, and cloud credentials are never discovered.
 */
import type { ProviderFacts } from "../wire/facts.ts";
import { compatible } from "./compatible.ts";

export const google: ProviderFacts = compatible({
  id: "google",
  name: "Google Gemini API",
  alsoNamed: ["google-ai-studio"],
  dialect: "gemini",
  baseUrl: "https://generativelanguage.googleapis.com/v1beta",
  env: ["GEMINI_API_KEY", "GOOGLE_GENERATIVE_AI_API_KEY"],
  auth: { kind: "header", name: "x-goog-api-key" },
  // No charge for CountTokens: its pages.
  freeCounting: "gemini",
  kind: "maker",
  domain: { cloud: "google" },
  // Read by its own decoder: cached tokens are inside the prompt, thoughts outside the candidates' tokens.
  usage: { reasoningInOutput: false, cacheReadPaths: [], cacheWritePaths: [] },
  quirks: {},
});
