/**
 * Gemini models under a project and a location, with access tokens made from a credential file. What a maker other than
 * the host serves there is reached by other paths, which are not spoken. Cloud credentials are never discovered: the
 * variables count only for an account that the configuration names.
 */
import type { ProviderFacts } from "../wire/facts.ts";
import { compatible } from "./compatible.ts";

const PATH = "/v1/projects/{project}/locations/{location}/publishers/google";

export const vertex: ProviderFacts = compatible({
  id: "vertex",
  name: "Google Vertex AI (Gemini Enterprise Agent Platform)",
  alsoNamed: ["google-vertex"],
  dialect: "gemini",
  baseUrl: null,
  address: {
    template: `https://{location}-aiplatform.googleapis.com${PATH}`,
    exceptions: {
      "location=global": `https://aiplatform.googleapis.com${PATH}`,
      "location=eu": `https://aiplatform.eu.rep.googleapis.com${PATH}`,
      "location=us": `https://aiplatform.us.rep.googleapis.com${PATH}`,
    },
    settings: {
      project: { expected: "a project", example: "my-project", variables: ["GOOGLE_VERTEX_PROJECT", "GOOGLE_CLOUD_PROJECT"], fileMembers: ["project_id", "quota_project_id"] },
      location: { expected: "a location", example: "europe-west4", variables: ["GOOGLE_VERTEX_LOCATION", "GOOGLE_CLOUD_LOCATION"], isRegion: true, pattern: /^(global|us|eu|[a-z]+-[a-z]+\d{1,2})$/ },
    },
  },
  env: [],
  auth: {
    kind: "service-account",
    scope: "https://www.googleapis.com/auth/cloud-platform",
    tokenUrl: "https://oauth2.googleapis.com/token",
    fileVariables: ["GOOGLE_APPLICATION_CREDENTIALS"],
  },
  // No charge for CountTokens: its pages.
  freeCounting: "gemini",
  kind: "maker",
  domain: { cloud: "google" },
  // Read by its dialect's decoder: cached tokens are inside the prompt, thoughts outside the candidates' tokens.
  usage: { reasoningInOutput: false, cacheReadPaths: [], cacheWritePaths: [] },
  quirks: {},
  requestIdHeader: null,
});
