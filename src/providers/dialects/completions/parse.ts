/**
 * Reads a body of the legacy `/v1/completions` into the hub's request: the prompt becomes the one message of a user. What
 * a chat cannot do for a prompt (continue tokens, fill a gap, repeat the prompt) is refused, whatever the target.
 */
import type { ChatRequest } from "../../../wire/chat.ts";
import { gatewayError } from "../../../wire/errors.ts";
import type { Json, JsonObject } from "../../../wire/json.ts";
import type { AskedOutside, ParsedByClient } from "../client.ts";
import { Reader, Refused } from "../openai/parse-reader.ts";

/** Fields that have a place here; everything else goes to `other`, as in a chat completion. */
const KNOWN = new Set([
  "model", "prompt", "suffix", "max_tokens", "temperature", "top_p", "n", "stream", "stream_options", "logprobs", "echo", "stop",
  "presence_penalty", "frequency_penalty", "best_of", "logit_bias", "user", "seed", "spillway",
  // Newer than this form, and carried all the same.
  "max_completion_tokens", "top_k", "reasoning_effort", "service_tier", "metadata", "safety_identifier",
]);
/** Fields of a chat that make no sense for a prompt. */
const OF_CHATS = [
  "messages", "tools", "tool_choice", "parallel_tool_calls", "functions", "function_call", "response_format", "thinking", "top_logprobs",
];

/** Parse a body that is already JSON; see `ClientDialect.parse`. */
export function parse(raw: JsonObject, outside: AskedOutside): ParsedByClient {
  const reader = new Reader();
  try {
    return { kind: "request", request: read(raw, outside, reader), warnings: reader.warnings, onlyHere: [] };
  } catch (refused) {
    if (refused instanceof Refused) return { kind: "error", error: refused.error };
    throw refused;
  }
}

function read(raw: JsonObject, outside: AskedOutside, reader: Reader): ChatRequest {
  const model = outside.model ?? reader.string(raw["model"], "model");
  if (model === undefined || model === "") throw reader.missing("model", "the name of a model");
  const prompt = readPrompt(raw["prompt"], reader);
  const choiceCount = reader.integerFrom(1, raw["n"], "n") ?? 1;
  refuseWhatNoChatDoes(raw, choiceCount, reader);
  const options = reader.object(raw["stream_options"], "stream_options");
  const otherOptions = Object.entries(options ?? {}).filter(([key]) => key !== "include_usage");
  const other = Object.entries(raw).filter(([key, value]) => !KNOWN.has(key) && value !== undefined);
  if (otherOptions.length > 0) other.push(["stream_options", Object.fromEntries(otherOptions)]);
  return {
    model,
    messages: [{ role: "user", parts: prompt === "" ? [] : [{ kind: "text", text: prompt, cacheControl: undefined }], name: undefined }],
    tools: [],
    toolChoice: undefined,
    parallelToolCalls: undefined,
    maxOutputTokens: reader.integerFrom(1, raw["max_tokens"], "max_tokens") ?? reader.integerFrom(1, raw["max_completion_tokens"], "max_completion_tokens"),
    temperature: reader.number(raw["temperature"], "temperature"),
    topP: reader.number(raw["top_p"], "top_p"),
    topK: reader.number(raw["top_k"], "top_k"),
    seed: reader.number(raw["seed"], "seed"),
    presencePenalty: reader.number(raw["presence_penalty"], "presence_penalty"),
    frequencyPenalty: reader.number(raw["frequency_penalty"], "frequency_penalty"),
    choiceCount,
    stop: readStops(raw["stop"], reader),
    responseFormat: undefined,
    reasoningEffort: reader.string(raw["reasoning_effort"], "reasoning_effort"),
    thinking: undefined,
    logprobs: undefined,
    topLogprobs: undefined,
    logitBias: reader.object(raw["logit_bias"], "logit_bias"),
    serviceTier: reader.string(raw["service_tier"], "service_tier"),
    user: reader.string(raw["user"], "user") ?? reader.string(raw["safety_identifier"], "safety_identifier"),
    metadata: reader.object(raw["metadata"], "metadata"),
    stream: outside.stream ?? reader.boolean(raw["stream"], "stream") ?? false,
    includeUsage: reader.boolean(options?.["include_usage"], "stream_options.include_usage") ?? false,
    other: Object.fromEntries(other),
  };
}

/** A text, or a list of one. */
function readPrompt(value: Json | undefined, reader: Reader): string {
  if (value === undefined || value === null) throw reader.missing("prompt", "a string");
  if (typeof value === "string") return value;
  if (!Array.isArray(value)) throw reader.wrong("prompt", "a string or a list of one string", value);
  const prompts = value as readonly Json[];
  const [only] = prompts;
  if (only === undefined) throw reader.missing("prompt[0]", "a string");
  if (prompts.some((prompt) => typeof prompt === "number" || Array.isArray(prompt))) {
    throw unsupported("prompt", "A prompt of token ids cannot be served: it is sent as the message of a chat, which is text. Send a string.");
  }
  if (typeof only !== "string") throw reader.wrong("prompt[0]", "a string", only);
  if (prompts.length > 1) throw unsupported("prompt", `${prompts.length} prompts in one request cannot be served. Send a request for each.`);
  return only;
}

function refuseWhatNoChatDoes(raw: JsonObject, choiceCount: number, reader: Reader): void {
  const suffix = reader.string(raw["suffix"], "suffix") ?? "";
  if (suffix !== "") throw unsupported("suffix", "suffix cannot be served: the prompt is sent as the message of a chat, which has no text to come after the answer.");
  if (reader.boolean(raw["echo"], "echo") === true) throw unsupported("echo", "echo cannot be served: put the prompt before the answer yourself.");
  const bestOf = reader.integerFrom(1, raw["best_of"], "best_of") ?? 1;
  if (bestOf > choiceCount) throw unsupported("best_of", "best_of above n cannot be served: no provider of chats chooses among its own answers.");
  const foreign = OF_CHATS.find((field) => raw[field] !== undefined && raw[field] !== null);
  if (foreign !== undefined) throw unsupported(foreign, `${foreign} is a field of /v1/chat/completions and has no meaning for a prompt.`);
  const logprobs = raw["logprobs"];
  // Zero asks as well: for those of the chosen tokens.
  if (logprobs !== undefined && logprobs !== null && logprobs !== false) {
    throw unsupported("logprobs", "logprobs cannot be served in this form. /v1/chat/completions has them.");
  }
}

function readStops(value: Json | undefined, reader: Reader): readonly string[] {
  if (typeof value === "string") return [value];
  if (value !== undefined && value !== null && !Array.isArray(value)) throw reader.wrong("stop", "a string or a list of strings", value);
  return reader.array(value, "stop").map((stop, i) => reader.required(reader.string(stop, `stop[${i}]`), `stop[${i}]`, "a string"));
}

function unsupported(param: string, message: string): Refused {
  return new Refused(gatewayError("unsupported_parameter", message, { param }));
}
