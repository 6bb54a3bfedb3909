/** OpenAI chat completions, embeddings, the model list, and where to find what is no chat. */
import type { Answer } from "../answer.ts";
import { asArray, asCount, asObject, asText, countInput, type AskedTool, type Body, type Json } from "../ask.ts";
import { embed } from "../embedding.ts";
import type { MadeName } from "../made.ts";
import type { Endpoint, Envelope, ErrorClass, FleetDialect, Frame } from "./dialect.ts";
import { makeOpenai } from "./openai-made.ts";

const MADE: ReadonlySet<string> = new Set<MadeName>([
  "moderations", "images/generations", "images/edits", "images/variations", "audio/speech", "audio/transcriptions", "audio/translations", "rerank",
]);
const FINISH = { stop: "stop", "stop-sequence": "stop", length: "length", tool: "tool_calls" } as const;

export const openaiChat: FleetDialect = {
  credential(headers) {
    return /^Bearer\s+(.+)$/i.exec(headers.authorization ?? "")?.[1] ?? asText(headers["api-key"] as Json);
  },

  endpoint(method, path) {
    const at = path.replace(/^\/v[12](?=\/)/, "");
    if (method === "POST" && at === "/chat/completions") return { kind: "chat" };
    if (method === "POST" && at === "/embeddings") return { kind: "embeddings" };
    if (method === "POST" && at === "/responses/input_tokens") return { kind: "count" };
    if (method === "POST" && MADE.has(at.slice(1))) return { kind: "made", name: at.slice(1) as MadeName };
    if (method === "GET" && at === "/models") return { kind: "models" };
    if (method === "GET" && at.startsWith("/models/")) return { kind: "models", id: decodeURIComponent(at.slice(8)) };
    return keptAt(method, at);
  },

  read(body) {
    const model = asText(body["model"]);
    if (!model) return "you must provide a model parameter";
    const messages = asArray(body["messages"]);
    if (messages.length === 0) return "'messages' must be a non-empty array";
    const last = asObject(messages.at(-1));
    const format = asObject(body["response_format"]);
    const stop = body["stop"];
    const toolResult = last["role"] === "tool" ? contentText(last["content"]) : undefined;
    return {
      model,
      stream: body["stream"] === true,
      wantsUsage: asObject(body["stream_options"])["include_usage"] === true,
      choices: asCount(body["n"]) ?? 1,
      maxTokens: asCount(body["max_completion_tokens"]) ?? asCount(body["max_tokens"]),
      stops: typeof stop === "string" ? [stop] : asArray(stop).filter((item) => typeof item === "string"),
      tools: toolResult === undefined ? callable(body) : [],
      toolResult,
      schema: schemaOf(format),
      thinking: "none",
      inputTokens: countInput([messages, asObject(format["json_schema"])], body["tools"]),
      tier: asText(body["service_tier"]),
      begun: last["role"] === "assistant" && body["continue_final_message"] === true ? contentText(last["content"]) : undefined,
    };
  },

  json(_ask, answers, envelope) {
    return {
      ...head(envelope, "chat.completion"),
      choices: envelope.empty ? [] : answers.map((answer, index) => ({
        index,
        message: message(answer),
        logprobs: null,
        finish_reason: FINISH[answer.finish],
      })),
      ...(envelope.usage === "missing" ? {} : { usage: usage(answers, envelope) }),
      service_tier: envelope.tier ?? "default",
      system_fingerprint: fingerprint(envelope),
    };
  },

  *frames(ask, answers, envelope) {
    const base = JSON.stringify({
      ...head(envelope, "chat.completion.chunk"), service_tier: envelope.tier ?? "default", system_fingerprint: fingerprint(envelope),
    }).slice(0, -1);
    const tail = ask.wantsUsage ? ',"usage":null}\n\n' : "}\n\n";
    const chunk = (index: number, delta: string, finish: string | null): string =>
      `data: ${base},"choices":[{"index":${index},"delta":${delta},"logprobs":null,"finish_reason":${JSON.stringify(finish)}}]${tail}`;
    if (envelope.empty) yield lifecycle(`data: ${base},"choices":[]${tail}`);
    else {
      for (const index of answers.keys()) {
        yield lifecycle(chunk(index, '{"role":"assistant","content":"","refusal":null}', null));
      }
      yield* contentFrames(answers, chunk);
      for (const [index, answer] of answers.entries()) yield ending(chunk(index, "{}", FINISH[answer.finish]));
    }
    if (ask.wantsUsage && envelope.usage !== "missing") {
      const frame = `data: ${base},"choices":[],"usage":${JSON.stringify(usage(answers, envelope))}}\n\n`;
      yield { ...ending(frame), usage: true };
      if (envelope.usage === "duplicate") yield { ...ending(frame), usage: true };
    }
    yield ending("data: [DONE]\n\n");
  },

  error(cls, _status, text) {
    return { error: { message: text, type: ERROR_TYPES[cls], param: null, code: ERROR_CODES[cls] ?? null } };
  },

  errorFrame(type, text) {
    const error = {
      message: text ?? "The server had an error while processing your request.", type: type ?? "server_error",
      param: null, code: null,
    };
    return `data: ${JSON.stringify({ error })}\n\n`;
  },

  models(names, id) {
    const entry = (name: string): object => ({ id: name, object: "model", created: 1700000000, owned_by: "spillway-fleet" });
    return id === undefined ? { object: "list", data: names.map(entry) } : entry(id);
  },

  count(body) {
    if (asText(body["model"]) === undefined) return "you must provide a model parameter";
    if (body["input"] === undefined) return "you must provide an input";
    return { object: "response.input_tokens", input_tokens: countInput([body["instructions"], body["input"]], body["tools"]) };
  },

  embeddings(body, _endpoint, envelope) {
    const input = body["input"];
    const inputs = typeof input === "string" ? [input] : asArray(input);
    if (inputs.length === 0) return "'input' must not be empty";
    // A list of token numbers is one input.
    const texts = inputs.every((item) => typeof item === "number")
      ? [inputs.join(" ")]
      : inputs.map((item) => (typeof item === "string" ? item : JSON.stringify(item)));
    const size = asCount(body["dimensions"]) ?? 256;
    const inputTokens = countInput(texts, undefined);
    const data = texts.map((text, index) => {
      const vector = embed(text, size);
      const embedding = body["encoding_format"] === "base64" ? Buffer.from(vector.buffer).toString("base64") : [...vector];
      return { object: "embedding", index, embedding };
    });
    const told = envelope.usage === "missing" ? {} : { usage: { prompt_tokens: inputTokens, total_tokens: inputTokens } };
    return { body: { object: "list", data: envelope.empty ? [] : data, model: envelope.model, ...told }, inputTokens };
  },

  made: makeOpenai,

  headers(envelope) {
    return { "x-request-id": envelope.requestId, "openai-version": "2020-10-01", "openai-processing-ms": "12" };
  },
};

/** `/files`, `/files/{id}`, `/files/{id}/content`, and the same of batches. */
function keptAt(method: string, at: string): Endpoint | undefined {
  const [, collection, id, part, ...more] = at.split("/");
  if ((collection !== "files" && collection !== "batches") || more.length > 0) return undefined;
  if (id === undefined) return method === "GET" || method === "POST" ? { kind: "kept", collection } : undefined;
  const one = { kind: "kept", collection, id: decodeURIComponent(id) } as const;
  if (part === undefined) return method === "GET" || (method === "DELETE" && collection === "files") ? one : undefined;
  if (collection === "files" && part === "content" && method === "GET") return { ...one, part };
  return collection === "batches" && part === "cancel" && method === "POST" ? { ...one, part } : undefined;
}

const ERROR_TYPES: Readonly<Record<ErrorClass, string>> = {
  auth: "invalid_request_error", "bad-request": "invalid_request_error", "not-found": "invalid_request_error",
  "rate-limit": "requests", overloaded: "server_error", server: "server_error",
};
const ERROR_CODES: Partial<Record<ErrorClass, string>> = {
  auth: "invalid_api_key", "not-found": "model_not_found", "rate-limit": "rate_limit_exceeded",
};

function head(envelope: Envelope, object: string): object {
  return { id: `chatcmpl-${envelope.id}`, object, created: envelope.created, model: envelope.model };
}

function fingerprint(envelope: Envelope): string {
  return envelope.simulated ? "spillway-simulated" : "fp_5b1c7e90d2";
}

const lifecycle = (text: string): Frame => ({ text, tokens: 0, kind: "lifecycle" });
const content = (text: string): Frame => ({ text, tokens: 1, kind: "content" });
const ending = (text: string): Frame => ({ text, tokens: 0, kind: "tail" });

function* contentFrames(
  answers: readonly Answer[], chunk: (index: number, delta: string, finish: null) => string,
): Generator<Frame> {
  for (const [index, answer] of answers.entries()) {
    for (const thought of answer.thoughts) yield content(chunk(index, `{"reasoning_content":${JSON.stringify(thought)}}`, null));
    for (const [at, call] of answer.calls.entries()) {
      const start = { index: at, id: `call_${call.id}`, type: "function", function: { name: call.name, arguments: "" } };
      yield content(chunk(index, JSON.stringify({ tool_calls: [start] }), null));
      for (const piece of call.pieces) {
        yield content(chunk(index, `{"tool_calls":[{"index":${at},"function":{"arguments":${JSON.stringify(piece)}}}]}`, null));
      }
    }
  }
  // Several choices come interleaved, as they do when they are sampled side by side.
  const longest = Math.max(0, ...answers.map((answer) => answer.pieces.length));
  for (let at = 0; at < longest; at += 1) {
    for (const [index, answer] of answers.entries()) {
      const piece = answer.pieces[at];
      if (piece !== undefined) yield content(chunk(index, `{"content":${JSON.stringify(piece)}}`, null));
    }
  }
}

function message(answer: Answer): object {
  return {
    role: "assistant",
    content: answer.calls.length > 0 ? null : answer.pieces.join(""),
    refusal: null,
    ...(answer.thoughts.length > 0 ? { reasoning_content: answer.thoughts.join("") } : {}),
    ...(answer.calls.length > 0 ? { tool_calls: answer.calls.map((call) => ({
      id: `call_${call.id}`, type: "function", function: { name: call.name, arguments: call.pieces.join("") },
    })) } : {}),
  };
}

function usage(answers: readonly Answer[], envelope: Envelope): object {
  const output = answers.reduce((sum, answer) => sum + answer.outputTokens, 0);
  const reasoning = answers.reduce((sum, answer) => sum + answer.thoughts.length, 0);
  return {
    prompt_tokens: envelope.inputTokens,
    completion_tokens: output,
    total_tokens: envelope.inputTokens + output,
    prompt_tokens_details: { cached_tokens: envelope.cachedTokens, audio_tokens: 0 },
    completion_tokens_details: {
      reasoning_tokens: reasoning, audio_tokens: 0, accepted_prediction_tokens: 0, rejected_prediction_tokens: 0,
    },
  };
}

/** The tools that may be called; the one that is demanded comes alone. */
function callable(body: Body): AskedTool[] {
  const choice = body["tool_choice"];
  if (choice === "none") return [];
  const wanted = asText(asObject(asObject(choice)["function"])["name"]);
  const tools = asArray(body["tools"])
    .map((tool) => asObject(asObject(tool)["function"]))
    .map((tool) => ({ name: asText(tool["name"]) ?? "", schema: tool["parameters"] ?? { type: "object" } }))
    .filter((tool) => tool.name !== "" && (wanted === undefined || tool.name === wanted));
  return body["parallel_tool_calls"] === false ? tools.slice(0, 1) : tools;
}

function schemaOf(format: Body): Json | undefined {
  if (format["type"] === "json_schema") return asObject(format["json_schema"])["schema"] ?? {};
  return format["type"] === "json_object" ? {} : undefined;
}

/** Text of a content that is a string or a list of parts. */
export function contentText(value: Json | undefined): string {
  if (typeof value === "string") return value;
  return asArray(value).map((part) => asText(asObject(part)["text"]) ?? "").join("");
}

