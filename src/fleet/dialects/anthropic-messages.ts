/** Anthropic Messages: whole answers and the full set of stream events. */
import type { Answer } from "../answer.ts";
import { asArray, asCount, asObject, asText, countInput, type AskedTool, type Body, type Json } from "../ask.ts";
import type { Endpoint, Envelope, ErrorClass, FleetDialect, Frame } from "./dialect.ts";
import { contentText } from "./openai-chat.ts";

const FINISH = { stop: "end_turn", "stop-sequence": "stop_sequence", length: "max_tokens", tool: "tool_use" } as const;

export const anthropicMessages: FleetDialect = {
  credential(headers) {
    return asText(headers["x-api-key"] as Json) ?? /^Bearer\s+(.+)$/i.exec(headers.authorization ?? "")?.[1];
  },

  endpoint(method, path) {
    if (method === "POST" && path === "/v1/messages") return { kind: "chat" };
    if (method === "POST" && path === "/v1/messages/count_tokens") return { kind: "count" };
    if (path.startsWith("/v1/messages/batches")) return batchAt(method, path.slice(20));
    if (method === "GET" && path === "/v1/models") return { kind: "models" };
    if (method === "GET" && path.startsWith("/v1/models/")) return { kind: "models", id: decodeURIComponent(path.slice(11)) };
    return undefined;
  },

  read(body) {
    const model = asText(body["model"]);
    if (!model) return "model: Field required";
    const maxTokens = asCount(body["max_tokens"]);
    if (maxTokens === undefined || maxTokens === 0) return "max_tokens: Field required";
    const messages = asArray(body["messages"]);
    if (messages.length === 0) return "messages: at least one message is required";
    const last = asObject(messages.at(-1));
    const results = asArray(last["content"]).map(asObject).filter((part) => part["type"] === "tool_result");
    const toolResult = results.length === 0 ? undefined : results.map((part) => contentText(part["content"])).join(" ");
    const format = asObject(asObject(body["output_config"])["format"] ?? body["output_format"]);
    const thinking = asObject(body["thinking"]);
    const thinks = thinking["type"] === "enabled" || thinking["type"] === "adaptive";
    return {
      model,
      stream: body["stream"] === true,
      wantsUsage: true,
      choices: 1,
      maxTokens,
      stops: asArray(body["stop_sequences"]).filter((item) => typeof item === "string"),
      tools: toolResult === undefined ? callable(body) : [],
      toolResult,
      schema: format["type"] === "json_schema" ? (format["schema"] ?? {}) : undefined,
      thinking: !thinks ? "none" : thinking["display"] === "omitted" ? "hidden" : "shown",
      inputTokens: countInput([body["system"], messages, format], body["tools"]),
      searches: searchesOf(body),
      begun: last["role"] === "assistant" ? contentText(last["content"]) : undefined,
    };
  },

  json(ask, answers, envelope) {
    const answer = answers[0] as Answer;
    return {
      id: `msg_01${envelope.id}`, type: "message", role: "assistant", model: envelope.model,
      content: envelope.empty ? [] : blocks(answer, ask.thinking === "hidden"),
      stop_reason: FINISH[answer.finish], stop_sequence: answer.stopSequence ?? null,
      ...(envelope.usage === "missing" ? {} : { usage: usage(envelope, envelope.empty ? 0 : answer.outputTokens) }),
    };
  },

  *frames(ask, answers, envelope) {
    const answer = answers[0] as Answer;
    const told = envelope.usage !== "missing";
    yield frame("lifecycle", 0, "message_start", { message: {
      id: `msg_01${envelope.id}`, type: "message", role: "assistant", model: envelope.model, content: [],
      stop_reason: null, stop_sequence: null, ...(told ? { usage: usage(envelope, 1) } : {}),
    } });
    let index = 0;
    if (!envelope.empty) {
      for (const block of streamedBlocks(answer, ask.thinking === "hidden")) {
        // The start of a tool call is something to act on; the start of a text is not.
        const startKind = block.startTokens > 0 ? "content" : index === 0 ? "lifecycle" : "filler";
        yield frame(startKind, block.startTokens, "content_block_start", { index, content_block: block.start });
        if (index === 0) yield frame(startKind === "content" ? "filler" : "lifecycle", 0, "ping", {});
        for (const delta of block.deltas) {
          yield frame(delta.tokens > 0 ? "content" : "filler", delta.tokens, "content_block_delta", { index, delta: delta.value });
        }
        yield frame("filler", 0, "content_block_stop", { index });
        index += 1;
      }
    }
    const delta = { stop_reason: FINISH[answer.finish], stop_sequence: answer.stopSequence ?? null };
    const final = told ? { usage: usage(envelope, envelope.empty ? 0 : answer.outputTokens) } : {};
    yield { ...frame("tail", 0, "message_delta", { delta, ...final }), usage: told };
    if (envelope.usage === "duplicate") yield { ...frame("tail", 0, "message_delta", { delta, ...final }), usage: told };
    yield frame("tail", 0, "message_stop", {});
  },

  error(cls, status, message, requestId) {
    const type = status === 413 ? "request_too_large" : ERROR_TYPES[cls];
    return { type: "error", error: { type, message }, request_id: requestId };
  },

  errorFrame(type, message) {
    const error = { type: type ?? "overloaded_error", message: message ?? "Overloaded" };
    return `event: error\ndata: ${JSON.stringify({ type: "error", error })}\n\n`;
  },

  models(names, id) {
    const entry = (name: string): object => ({ type: "model", id: name, display_name: name, created_at: "2025-01-01T00:00:00Z" });
    if (id !== undefined) return entry(id);
    return { data: names.map(entry), has_more: false, first_id: names[0] ?? null, last_id: names.at(-1) ?? null };
  },

  embeddings: () => "There are no embeddings here.",

  count(body) {
    const ask = anthropicMessages.read({ ...body, max_tokens: 1 }, { kind: "chat" });
    return typeof ask === "string" ? ask : { input_tokens: ask.inputTokens };
  },

  headers(envelope) {
    return { "request-id": envelope.requestId, "anthropic-organization-id": "00000000-0000-4000-8000-000000000000" };
  },
};

/** What stands below `/messages/batches`: `/{id}`, `/{id}/cancel`, `/{id}/results`, or nothing. */
function batchAt(method: string, rest: string): Endpoint | undefined {
  const [before, id, part, ...more] = rest.split("/");
  if (before !== "" || more.length > 0) return undefined;
  const collection = "messages/batches";
  if (id === undefined) return method === "GET" || method === "POST" ? { kind: "kept", collection } : undefined;
  const one = { kind: "kept", collection, id: decodeURIComponent(id) } as const;
  if (part === undefined) return method === "GET" || method === "DELETE" ? one : undefined;
  if (part === "cancel" && method === "POST") return { ...one, part };
  return part === "results" && method === "GET" ? { ...one, part } : undefined;
}

const ERROR_TYPES: Readonly<Record<ErrorClass, string>> = {
  auth: "authentication_error", "bad-request": "invalid_request_error", "not-found": "not_found_error",
  "rate-limit": "rate_limit_error", overloaded: "overloaded_error", server: "api_error",
};

function frame(kind: Frame["kind"], tokens: number, type: string, rest: object): Frame {
  return { kind, tokens, text: `event: ${type}\ndata: ${JSON.stringify({ type, ...rest })}\n\n` };
}

/** The input classes are disjoint here. */
function usage(envelope: Envelope, outputTokens: number): object {
  return {
    input_tokens: envelope.inputTokens - envelope.cachedTokens - envelope.writtenTokens,
    cache_creation_input_tokens: envelope.writtenTokens,
    cache_read_input_tokens: envelope.cachedTokens,
    cache_creation: { ephemeral_5m_input_tokens: envelope.writtenTokens, ephemeral_1h_input_tokens: 0 },
    output_tokens: outputTokens,
    service_tier: "standard",
    ...(envelope.searches > 0 ? { server_tool_use: { web_search_requests: envelope.searches, web_fetch_requests: 0 } } : {}),
  };
}

const SEARCH = /^web_search_\d+$/;

function searchesOf(body: Body): number | undefined {
  const offered = asArray(body["tools"]).map(asObject).filter((tool) => SEARCH.test(asText(tool["type"]) ?? ""));
  return offered.length === 0 ? undefined : offered.reduce((sum, tool) => sum + (asCount(tool["max_uses"]) ?? Infinity), 0);
}

function blocks(answer: Answer, hidden: boolean): object[] {
  const all: object[] = [];
  const thinking = hidden ? "" : answer.thoughts.join("");
  if (answer.thoughts.length > 0) all.push({ type: "thinking", thinking, signature: answer.signature });
  if (answer.pieces.length > 0) all.push({ type: "text", text: answer.pieces.join("") });
  for (const call of answer.calls) {
    all.push({ type: "tool_use", id: `toolu_01${call.id}`, name: call.name, input: parseInput(call.pieces.join("")) });
  }
  return all;
}

interface StreamedBlock {
  readonly start: object;
  readonly startTokens: number;
  readonly deltas: readonly { readonly value: object; readonly tokens: number }[];
}

/** Thoughts that are not shown are counted with the first thing that is. */
function* streamedBlocks(answer: Answer, hidden: boolean): Generator<StreamedBlock> {
  let owed = hidden ? answer.thoughts.length : 0;
  const count = (): number => {
    const tokens = 1 + owed;
    owed = 0;
    return tokens;
  };
  if (answer.thoughts.length > 0) {
    const words = (hidden ? [] : answer.thoughts).map((thinking) => ({ value: { type: "thinking_delta", thinking }, tokens: 1 }));
    const signature = { value: { type: "signature_delta", signature: answer.signature }, tokens: 0 };
    yield { start: { type: "thinking", thinking: "", signature: "" }, startTokens: 0, deltas: [...words, signature] };
  }
  if (answer.pieces.length > 0) {
    const deltas = answer.pieces.map((text) => ({ value: { type: "text_delta", text }, tokens: count() }));
    yield { start: { type: "text", text: "" }, startTokens: 0, deltas };
  }
  for (const call of answer.calls) {
    const first = { value: { type: "input_json_delta", partial_json: "" }, tokens: 0 };
    const rest = call.pieces.map((partial_json) => ({ value: { type: "input_json_delta", partial_json }, tokens: 1 }));
    yield { start: { type: "tool_use", id: `toolu_01${call.id}`, name: call.name, input: {} }, startTokens: count(), deltas: [first, ...rest] };
  }
}

/** Arguments that a token limit cut short are no JSON: the block then carries none. */
function parseInput(text: string): unknown {
  try {
    return JSON.parse(text);
  } catch {
    return {};
  }
}

function callable(body: Body): AskedTool[] {
  const choice = asObject(body["tool_choice"]);
  if (choice["type"] === "none") return [];
  const wanted = choice["type"] === "tool" ? asText(choice["name"]) : undefined;
  const tools = asArray(body["tools"]).map(asObject)
    .filter((tool) => !SEARCH.test(asText(tool["type"]) ?? ""))
    .map((tool) => ({ name: asText(tool["name"]) ?? "", schema: tool["input_schema"] ?? { type: "object" } }))
    .filter((tool) => tool.name !== "" && (wanted === undefined || tool.name === wanted));
  return choice["disable_parallel_tool_use"] === true ? tools.slice(0, 1) : tools;
}
