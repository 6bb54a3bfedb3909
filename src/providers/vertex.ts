/** Needs OAuth tokens and a project in the path. Cloud credentials are never discovered. */
import type { ProviderFacts } from "../wire/facts.ts";
import { notSpoken } from "./compatible.ts";

export const vertex: ProviderFacts = notSpoken({
  id: "vertex",
  name: "Google Vertex AI (Gemini Enterprise Agent Platform)",
  baseUrl: null,
  env: [],
  kind: "maker",
  domain: { cloud: "google" },
});
