/** Gemini generateContent, streamed and whole, and its embeddings. */
import type { Answer } from "../answer.ts";
import { asArray, asCount, asObject, asText, countInput, type AskedTool, type Body, type Json } from "../ask.ts";
import { embed } from "../embedding.ts";
import type { Envelope, ErrorClass, FleetDialect } from "./dialect.ts";

const FINISH = { stop: "STOP", "stop-sequence": "STOP", length: "MAX_TOKENS", tool: "STOP" } as const;

export const gemini: FleetDialect = {
  credential(headers, query) {
    return asText(headers["x-goog-api-key"] as Json) ?? query.get("key") ??
      /^Bearer\s+(.+)$/i.exec(headers.authorization ?? "")?.[1];
  },

  endpoint(method, path, query) {
    const match = /^\/v1(?:beta)?\/models(?:\/([^/:]+))?(?::(\w+))?$/.exec(path);
    if (!match) return undefined;
    const model = match[1] === undefined ? undefined : decodeURIComponent(match[1]);
    if (method === "GET" && match[2] === undefined) return { kind: "models", id: model };
    if (method !== "POST" || model === undefined) return undefined;
    if (match[2] === "generateContent") return { kind: "chat", model, stream: false };
    if (match[2] === "streamGenerateContent") return { kind: "chat", model, stream: true, sse: query.get("alt") === "sse" };
    if (match[2] === "countTokens") return { kind: "count", model };
    if (match[2] === "embedContent") return { kind: "embeddings", model };
    return match[2] === "batchEmbedContents" ? { kind: "embeddings", model, batch: true } : undefined;
  },

  read(body, endpoint) {
    const contents = asArray(body["contents"]);
    if (contents.length === 0) return "* GenerateContentRequest.contents: contents is not specified";
    const config = asObject(body["generationConfig"]);
    const thinking = asObject(config["thinkingConfig"]);
    const thinks = thinking["thinkingLevel"] !== undefined || Number(thinking["thinkingBudget"] ?? 0) !== 0;
    const results = asArray(asObject(contents.at(-1))["parts"]).map((part) => asObject(part)["functionResponse"]).filter(Boolean);
    const toolResult = results.length === 0 ? undefined : results.map(resultText).join(" ");
    return {
      model: endpoint.model ?? "",
      stream: endpoint.stream === true,
      wantsUsage: true,
      choices: asCount(config["candidateCount"]) ?? 1,
      maxTokens: asCount(config["maxOutputTokens"]),
      stops: asArray(config["stopSequences"]).filter((item) => typeof item === "string"),
      tools: toolResult === undefined ? callable(body) : [],
      toolResult,
      schema: config["responseJsonSchema"] ?? config["responseSchema"] ??
        (config["responseMimeType"] === "application/json" ? {} : undefined),
      thinking: thinking["includeThoughts"] === true ? "shown" : thinks ? "hidden" : "none",
      inputTokens: countInput(
        [body["systemInstruction"] ?? body["system_instruction"], contents, config["responseJsonSchema"] ?? config["responseSchema"]],
        body["tools"],
      ),
    };
  },

  json(ask, answers, envelope) {
    const candidates = answers.map((answer, index) => ({
      content: { parts: wholeParts(answer, ask.thinking === "hidden"), role: "model" }, finishReason: FINISH[answer.finish], index,
    }));
    return {
      ...(envelope.empty ? {} : { candidates }),
      ...(envelope.usage === "missing" ? {} : { usageMetadata: usage(envelope.empty ? [] : answers, envelope) }),
      modelVersion: envelope.model, responseId: envelope.id,
    };
  },

  *frames(ask, answers, envelope) {
    const wrap = framing(envelope.sse);
    const rest = { modelVersion: envelope.model, responseId: envelope.id };
    let sent = 0;
    let thought = 0;
    const told = envelope.usage !== "missing";
    const soFar = (): object => (told ? { usageMetadata: usageSoFar(envelope, sent, thought) } : {});
    if (envelope.empty) {
      yield { text: wrap({ ...(told ? { usageMetadata: usage([], envelope) } : {}), ...rest }), tokens: 0, kind: "tail", usage: told };
    }
    for (const [index, answer] of envelope.empty ? [] : answers.entries()) {
      for (const { part, tokens, thoughts } of streamedParts(answer, ask.thinking === "hidden")) {
        sent += tokens;
        thought += thoughts;
        const candidates = [{ content: { parts: [part], role: "model" }, index }];
        yield { text: wrap({ candidates, ...soFar(), ...rest }), tokens, kind: "content" };
      }
    }
    for (const [index, answer] of envelope.empty ? [] : answers.entries()) {
      const last = index === answers.length - 1;
      const closing = wrap({
        candidates: [{ content: { parts: [{ text: "" }], role: "model" }, finishReason: FINISH[answer.finish], index }],
        ...(told && last ? { usageMetadata: usage(answers, envelope) } : {}), ...rest,
      });
      yield { text: closing, tokens: 0, kind: "tail", usage: told && last };
      if (last && envelope.usage === "duplicate") {
        yield { text: wrap({ usageMetadata: usage(answers, envelope), ...rest }), tokens: 0, kind: "tail", usage: true };
      }
    }
    if (!envelope.sse) yield { text: "]", tokens: 0, kind: "tail" };
  },

  error(cls, status, message) {
    return { error: { code: status, message, status: ERROR_TYPES[cls] } };
  },

  errorFrame(type, message) {
    const error = { code: 503, message: message ?? "The model is overloaded. Please try again later.", status: type ?? "UNAVAILABLE" };
    return `data: ${JSON.stringify({ error })}\r\n\r\n`;
  },

  models(names, id) {
    const entry = (name: string): object => ({
      name: `models/${name}`, version: "001", displayName: name, inputTokenLimit: 1048576, outputTokenLimit: 65536,
      supportedGenerationMethods: ["generateContent", "countTokens"],
    });
    return id === undefined ? { models: names.map(entry) } : entry(id);
  },

  embeddings(body, endpoint, envelope) {
    const requests = endpoint.batch === true ? asArray(body["requests"]).map(asObject) : [body];
    if (requests.length === 0) return "* BatchEmbedContentsRequest.requests: requests is not specified";
    const texts = requests.map((request) => asArray(asObject(request["content"])["parts"]).map((part) => asText(asObject(part)["text"]) ?? "").join(""));
    const values = texts.map((text, at) => ({ values: [...embed(text, asCount(requests[at]?.["outputDimensionality"]) ?? 256)] }));
    const inputTokens = countInput(texts, undefined);
    const told = envelope.usage === "missing" ? {} : { usageMetadata: { promptTokenCount: inputTokens } };
    return { body: { ...(endpoint.batch === true ? { embeddings: envelope.empty ? [] : values } : { embedding: envelope.empty ? { values: [] } : values[0] }), ...told }, inputTokens };
  },

  count(body, endpoint) {
    const asked = body["generateContentRequest"] === undefined ? body : (asObject(body["generateContentRequest"]) as Body);
    const ask = gemini.read(asked, { kind: "chat", ...(endpoint.model === undefined ? {} : { model: endpoint.model }) });
    if (typeof ask === "string") return ask;
    return { totalTokens: ask.inputTokens, promptTokensDetails: [{ modality: "TEXT", tokenCount: ask.inputTokens }] };
  },

  headers: () => ({ server: "scaffolding on HTTPServer2", "x-gemini-service-tier": "standard" }),
};

const ERROR_TYPES: Readonly<Record<ErrorClass, string>> = {
  auth: "UNAUTHENTICATED", "bad-request": "INVALID_ARGUMENT", "not-found": "NOT_FOUND", "rate-limit": "RESOURCE_EXHAUSTED",
  overloaded: "UNAVAILABLE", server: "INTERNAL",
};

/** Server-sent events, or the items of one JSON array. */
function framing(sse: boolean): (value: object) => string {
  if (sse) return (value) => `data: ${JSON.stringify(value)}\r\n\r\n`;
  let open = "[";
  return (value) => {
    const text = `${open}${JSON.stringify(value)}`;
    open = ",\r\n";
    return text;
  };
}

/** Thoughts are not among the candidates' tokens here, but are in the total. */
function usage(answers: readonly Answer[], envelope: Envelope): object {
  const thoughts = answers.reduce((sum, answer) => sum + answer.thoughts.length, 0);
  const output = answers.reduce((sum, answer) => sum + answer.outputTokens, 0);
  return {
    promptTokenCount: envelope.inputTokens,
    candidatesTokenCount: output - thoughts,
    totalTokenCount: envelope.inputTokens + output,
    ...(envelope.cachedTokens > 0 ? { cachedContentTokenCount: envelope.cachedTokens } : {}),
    promptTokensDetails: [{ modality: "TEXT", tokenCount: envelope.inputTokens }],
    ...(thoughts > 0 ? { thoughtsTokenCount: thoughts } : {}),
  };
}

/** What each chunk before the last tells. */
function usageSoFar(envelope: Envelope, sent: number, thoughts: number): object {
  return {
    promptTokenCount: envelope.inputTokens, candidatesTokenCount: sent - thoughts, totalTokenCount: envelope.inputTokens + sent,
    ...(envelope.cachedTokens > 0 ? { cachedContentTokenCount: envelope.cachedTokens } : {}),
    ...(thoughts > 0 ? { thoughtsTokenCount: thoughts } : {}),
  };
}

interface StreamedPart {
  readonly part: object;
  readonly tokens: number;
  /** Those of the tokens that are thoughts. */
  readonly thoughts: number;
}

/** Thoughts that are not shown are counted with the first part that is. */
function* streamedParts(answer: Answer, hidden: boolean): Generator<StreamedPart> {
  let owed = hidden ? answer.thoughts.length : 0;
  const count = (said: number): { tokens: number; thoughts: number } => {
    const thoughts = owed;
    owed = 0;
    return { tokens: said + thoughts, thoughts };
  };
  for (const text of hidden ? [] : answer.thoughts) yield { part: { text, thought: true }, tokens: 1, thoughts: 1 };
  for (const [at, text] of answer.pieces.entries()) {
    yield { part: at === answer.pieces.length - 1 ? signed({ text }, answer) : { text }, ...count(1) };
  }
  for (const [at, call] of answer.calls.entries()) {
    yield { part: at === 0 ? signed(callPart(call), answer) : callPart(call), ...count(call.pieces.length + 1) };
  }
}

function wholeParts(answer: Answer, hidden: boolean): object[] {
  const parts: object[] = [];
  if (answer.thoughts.length > 0 && !hidden) parts.push({ text: answer.thoughts.join(""), thought: true });
  if (answer.pieces.length > 0) parts.push(signed({ text: answer.pieces.join("") }, answer));
  for (const [at, call] of answer.calls.entries()) parts.push(at === 0 ? signed(callPart(call), answer) : callPart(call));
  return parts;
}

function callPart(call: { id: string; name: string; pieces: readonly string[] }): object {
  return { functionCall: { id: call.id, name: call.name, args: parseArgs(call.pieces.join("")) } };
}

function signed(part: object, answer: Answer): object {
  return answer.signature === "" ? part : { ...part, thoughtSignature: answer.signature };
}

function parseArgs(text: string): unknown {
  try {
    return JSON.parse(text);
  } catch {
    // A token limit cut the arguments short: they are no JSON any more.
    return {};
  }
}

function resultText(value: Json | undefined): string {
  const response = asObject(asObject(value)["response"]);
  const only = response["result"] ?? response["output"] ?? response["content"];
  return typeof only === "string" ? only : JSON.stringify(only ?? response);
}

function callable(body: Body): AskedTool[] {
  const config = asObject(asObject(body["toolConfig"] ?? body["tool_config"])["functionCallingConfig"]);
  if (config["mode"] === "NONE") return [];
  const allowed = asArray(config["allowedFunctionNames"]);
  return asArray(body["tools"])
    .flatMap((tool) => asArray(asObject(tool)["functionDeclarations"] ?? asObject(tool)["function_declarations"]))
    .map(asObject)
    .map((tool) => ({ name: asText(tool["name"]) ?? "", schema: tool["parametersJsonSchema"] ?? tool["parameters"] ?? { type: "object" } }))
    .filter((tool) => tool.name !== "" && (allowed.length === 0 || allowed.includes(tool.name)));
}
