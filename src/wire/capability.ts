/**
 * What a model can do with what a request asks, as a table of three values: true, false, and null for unknown, which is
 * never taken for false. Names say what the client asks for, in any dialect's spelling.
 */
export const CAPABILITIES = [
  /** Images at all, and images by an address that the provider fetches itself. */
  "image_in", "image_url",
  "audio_in",
  /** Documents, PDF first. */
  "file_in",
  "tools",
  /** Tools are shown and may not be called. */
  "tool_choice_none",
  "tool_choice_required", "tool_choice_named",
  /** One tool call at a time. */
  "parallel_off",
  "json_object", "json_schema",
  /** Either of the two in a request that offers tools. */
  "json_beside_tools",
  /** Several choices. */
  "n",
  "stop", "seed", "logprobs", "logit_bias",
  /** Presence and frequency penalties. */
  "penalties",
  /** Temperature and top_p other than 1. */
  "sampling",
  "top_k", "reasoning_effort", "streaming",
  /** A last turn of the assistant's own that is gone on with, in place of an answer to it. */
  "prefill",
] as const;
export type Capability = (typeof CAPABILITIES)[number];

/** One model at one provider. */
export type CapabilityTable = Readonly<Record<Capability, boolean | null>>;

/** What an owner says of a model; what is not named stays as it is known. */
export type ToldCapabilities = { readonly [C in Capability]?: boolean };
