/** Finish reasons of OpenAI-compatible hosts, which borrow each other's words freely. */
import type { FinishReason } from "../../../wire/events.ts";

const REASONS: ReadonlyMap<string, FinishReason> = new Map([
  ["stop", "stop"],
  ["end_turn", "stop"],
  ["stop_sequence", "stop"],
  ["pause_turn", "stop"],
  ["eos", "stop"],
  ["eos_token", "stop"],
  ["complete", "stop"],
  ["completed", "stop"],
  ["length", "length"],
  ["max_tokens", "length"],
  ["max_output_tokens", "length"],
  ["model_length", "length"],
  ["model_context_window_exceeded", "length"],
  ["tool_calls", "tool_calls"],
  ["tool_call", "tool_calls"],
  ["tool_use", "tool_calls"],
  ["function_call", "tool_calls"],
  ["content_filter", "content_filter"],
  ["content_filtered", "content_filter"],
  ["guardrail_intervened", "content_filter"],
  ["refusal", "content_filter"],
  ["safety", "content_filter"],
  ["recitation", "content_filter"],
  ["blocklist", "content_filter"],
  ["prohibited_content", "content_filter"],
  ["spii", "content_filter"],
  ["sensitive", "content_filter"],
  ["error", "error"],
  ["abort", "error"],
  ["cancelled", "error"],
  ["failed", "error"],
  ["network_error", "error"],
  ["insufficient_system_resource", "error"],
  ["malformed_function_call", "error"],
  ["malformed_response", "error"],
]);

/**
 * The nearest of OpenAI's finish reasons. A choice that carries tool calls ends with `tool_calls` whatever plain stop
 * word the host used; an unknown word counts as `stop`. The caller keeps the host's own word beside it.
 */
export function finishReason(native: string, sawToolCall: boolean): FinishReason {
  const reason = REASONS.get(native.toLowerCase()) ?? "stop";
  return reason === "stop" && sawToolCall ? "tool_calls" : reason;
}
