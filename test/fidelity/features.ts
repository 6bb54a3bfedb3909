/** The features of the matrix: what they are called, which model they are asked of, and by which words a warning names them. */

/** Which of a dialect's models is asked. */
export type Profile =
  /** Takes sampling parameters, images and files, and does not reason unless told. */
  | "plain"
  /** Reasons by levels of effort. */
  | "effort"
  /** Reasons by a budget of tokens. */
  | "budget"
  /** Refuses to be told how to sample; null where the dialect has no such model. */
  | "unsampled"
  /** Takes sound and moving pictures. */
  | "media"
  /** Wants earlier reasoning back as text, where the dialect has such models. */
  | "replays";

export interface Feature {
  readonly title: string;
  readonly group: string;
  readonly profile?: Profile;
  /** A warning or refusal that matches names the feature. */
  readonly named: RegExp;
}

/** What a client can ask. */
export const REQUEST_FEATURES = {
  "system-text": { title: "System text", group: "Conversation", named: /system/i },
  "system-middle": { title: "System text in the middle", group: "Conversation", named: /system message/i },
  "multi-turn": { title: "Earlier turns", group: "Conversation", named: /message/i },
  "author-name": { title: "Name of an author", group: "Conversation", named: /\bname\b/i },
  "image-base64": { title: "Image as bytes", group: "Conversation", named: /image/i },
  "image-url": { title: "Image by address", group: "Conversation", named: /image/i },
  "image-detail": { title: "Resolution hint of an image", group: "Conversation", named: /detail/i },
  pdf: { title: "PDF", group: "Conversation", named: /no files|not file|pdf/i },
  "file-name": { title: "Name of a file", group: "Conversation", named: /filename|no files|not file/i },
  "file-by-id": { title: "File by the provider's id", group: "Conversation", named: /file|s3Location|source/i },
  "audio-in": { title: "Sound", group: "Conversation", profile: "media", named: /audio/i },
  "video-in": { title: "Moving pictures", group: "Conversation", profile: "media", named: /video|file/i },
  "unknown-part": { title: "Content part of an unknown kind", group: "Conversation", named: /zq_part|content|parts/i },

  "tool-definition": { title: "Tool with description and schema", group: "Tools", named: /tool/i },
  "tool-strict": { title: "Tool held to its schema (strict)", group: "Tools", named: /strict/i },
  "tool-choice-auto": { title: "Tool choice: auto", group: "Tools", named: /tool_?choice/i },
  "tool-choice-none": { title: "Tool choice: none", group: "Tools", named: /tool_?choice/i },
  "tool-choice-required": { title: "Tool choice: required", group: "Tools", named: /tool_?choice/i },
  "tool-choice-named": { title: "Tool choice: one by name", group: "Tools", named: /tool_?choice/i },
  "tool-choice-allowed": { title: "Tool choice: some by name", group: "Tools", named: /tool_?choice|allowed/i },
  "parallel-off": { title: "Parallel calls off", group: "Tools", named: /parallel/i },
  "tool-call": { title: "Tool call in the history", group: "Tools", named: /tool/i },
  "tool-result": { title: "Tool result", group: "Tools", named: /tool/i },
  "tool-result-error": { title: "Tool result that is an error", group: "Tools", named: /error/i },
  "parallel-results": { title: "Parallel tool results", group: "Tools", named: /tool/i },
  "tool-result-image": { title: "Image in a tool result", group: "Tools", profile: "effort", named: /image/i },
  "custom-tool": { title: "Free-form tool", group: "Tools", named: /custom/i },
  "hosted-tool": { title: "Tool that the provider runs", group: "Tools", named: /search|nova_grounding|systemTool|tool/i },
  "hosted-tool-beside-own": { title: "The same, beside tools of one's own", group: "Tools", named: /search/i },
  documents: { title: "Documents to answer from", group: "Tools", named: /documents/i },

  "max-output": { title: "Output limit", group: "Answer and sampling", named: /max/i },
  stop: { title: "Stop sequences", group: "Answer and sampling", named: /stop/i },
  temperature: { title: "Temperature", group: "Answer and sampling", named: /temperature/i },
  "temperature-refused": { title: "Temperature, for a model that refuses it", group: "Answer and sampling", profile: "unsampled", named: /temperature/i },
  "top-p": { title: "top_p", group: "Answer and sampling", named: /top_?p/i },
  "top-k": { title: "top_k", group: "Answer and sampling", named: /top_?k/i },
  seed: { title: "Seed", group: "Answer and sampling", named: /seed/i },
  n: { title: "Several choices", group: "Answer and sampling", named: /\bn\b|candidateCount/i },
  penalties: { title: "Presence and frequency penalty", group: "Answer and sampling", named: /penalty/i },
  "logit-bias": { title: "Logit bias", group: "Answer and sampling", named: /logit_bias/i },
  logprobs: { title: "Log probabilities", group: "Answer and sampling", named: /logprobs/i },
  "top-logprobs": { title: "Log probabilities of other tokens", group: "Answer and sampling", named: /logprobs/i },
  "json-object": { title: "JSON mode", group: "Answer and sampling", named: /response_?format/i },
  "json-schema": { title: "JSON by a schema", group: "Answer and sampling", named: /response_?format|schema/i },
  verbosity: { title: "Verbosity", group: "Answer and sampling", named: /verbosity/i },
  "audio-out": { title: "Spoken answer", group: "Answer and sampling", named: /audio|modalities/i },

  effort: { title: "Reasoning effort", group: "Reasoning", profile: "effort", named: /effort/i },
  "thinking-budget": { title: "Thinking budget", group: "Reasoning", profile: "budget", named: /thinking/i },
  "thinking-off": { title: "No reasoning", group: "Reasoning", profile: "budget", named: /thinking|effort/i },
  "reasoning-asked": { title: "Asking to see reasoning", group: "Reasoning", profile: "effort", named: /summary|display|thoughts|thinking|shown/i },
  "signed-replay": { title: "Signed reasoning comes back to its maker", group: "Reasoning", profile: "effort", named: /reasoning|signature|thinking/i },
  "redacted-replay": { title: "Redacted reasoning comes back to its maker", group: "Reasoning", profile: "effort", named: /reasoning|signature|thinking|redacted/i },
  "foreign-state": { title: "Reasoning state of another maker", group: "Reasoning", profile: "effort", named: /reasoning|signature|thinking/i },
  "reasoning-text-replay": { title: "Earlier reasoning as plain text", group: "Reasoning", profile: "replays", named: /reasoning|thinking/i },

  "cache-marker": { title: "Cache marker on text", group: "Caching, tiers, identity", named: /cache/i },
  "cache-marker-system": { title: "Cache marker on system text", group: "Caching, tiers, identity", named: /cache/i },
  "cache-marker-tool": { title: "Cache marker on a tool", group: "Caching, tiers, identity", named: /cache/i },
  "cache-marker-result": { title: "Cache marker on a tool result", group: "Caching, tiers, identity", named: /cache/i },
  "cache-key": { title: "Cache key", group: "Caching, tiers, identity", named: /prompt_cache_key/i },
  "state-at-provider": { title: "State kept at the provider", group: "Caching, tiers, identity", named: /previous_response_id|container|cachedContent/i },
  store: { title: "Keep the answer at the provider", group: "Caching, tiers, identity", named: /store/i },
  "service-tier": { title: "Service tier: flex", group: "Caching, tiers, identity", named: /service_?tier/i },
  "service-tier-ordinary": { title: "Service tier: the ordinary one", group: "Caching, tiers, identity", named: /service_?tier/i },
  "user-id": { title: "The end user's id", group: "Caching, tiers, identity", named: /\buser\b|user_id/i },
  metadata: { title: "Labels (metadata)", group: "Caching, tiers, identity", named: /metadata/i },
  "safety-settings": { title: "Safety settings", group: "Caching, tiers, identity", named: /safety|guardrail/i },
  citations: { title: "Asking for citations", group: "Caching, tiers, identity", named: /citation|no files/i },
  "unknown-field": { title: "Field that nobody knows", group: "Caching, tiers, identity", named: /zq_unknown_field/ },
} as const satisfies Readonly<Record<string, Feature>>;

/** What an answer can hold. */
export const ANSWER_FEATURES = {
  "text-out": { title: "Text", group: "The answer", named: /text/i },
  "reasoning-out": { title: "Reasoning", group: "The answer", named: /reasoning|thinking/i },
  "signature-out": { title: "Signed reasoning", group: "The answer", named: /signature/i },
  "redacted-out": { title: "Redacted reasoning", group: "The answer", named: /redacted/i },
  "tool-call-out": { title: "Tool call", group: "The answer", named: /tool/i },
  "parallel-calls-out": { title: "Parallel tool calls", group: "The answer", named: /tool/i },
  "zero-argument-call": { title: "Tool call without arguments", group: "The answer", named: /tool/i },
  "refusal-out": { title: "Refusal in words", group: "The answer", named: /refusal/i },
  "length-finish": { title: "Cut at the output limit", group: "The answer", named: /length/i },
  "filter-finish": { title: "Stopped by a filter", group: "The answer", named: /filter/i },
  "blocked-prompt": { title: "Prompt refused before any answer", group: "The answer", named: /filter/i },
  "usage-classes": { title: "Usage with its classes", group: "The answer", named: /usage/i },
  "several-choices": { title: "Several choices", group: "The answer", named: /choice/i },
  "logprobs-out": { title: "Log probabilities", group: "The answer", named: /logprobs/i },
} as const satisfies Readonly<Record<string, Feature>>;

export type RequestFeature = keyof typeof REQUEST_FEATURES;
export type AnswerFeature = keyof typeof ANSWER_FEATURES;

/** A feature by its key, in whichever table it stands. */
export function featureOf(key: RequestFeature | AnswerFeature): Feature {
  return key in REQUEST_FEATURES ? REQUEST_FEATURES[key as RequestFeature] : ANSWER_FEATURES[key as AnswerFeature];
}
