/** Cohere's reranking and embeddings, in both versions. Its chat is not played. */
import { asArray, asCount, asObject, asText, countInput } from "../ask.ts";
import { embed } from "../embedding.ts";
import { json, type Made, type MadeRequest } from "../made.ts";
import type { Envelope, FleetDialect } from "./dialect.ts";
import { rank } from "./openai-made.ts";

const META = { api_version: { version: "2" } };

export const cohereV2: FleetDialect = {
  credential: (headers) => /^Bearer\s+(.+)$/i.exec(headers.authorization ?? "")?.[1],

  endpoint(method, path) {
    if (method === "POST" && /^\/v[12]\/rerank$/.test(path)) return { kind: "made", name: "rerank" };
    if (method === "POST" && path === "/v2/embed") return { kind: "made", name: "embed" };
    return method === "GET" && path === "/v1/models" ? { kind: "models" } : undefined;
  },

  read: () => "chat is not played in this protocol",
  json: () => ({}),
  frames: () => [],
  count: () => "prompts are not counted in this protocol",
  embeddings: () => "embeddings are at /v2/embed",
  errorFrame: (_type, message) => `data: ${JSON.stringify({ message: message ?? "internal server error" })}\n\n`,
  error: (_cls, _status, message, requestId) => ({ id: requestId, message }),
  models: (names) => ({ models: names.map((name) => ({ name, endpoints: ["rerank", "embed"] })) }),
  headers: (envelope) => ({ "x-debug-trace-id": envelope.requestId }),
  made: (name, request, envelope) => (name === "rerank" ? rerank(request, envelope) : embedTexts(request, envelope)),
};

function rerank({ body }: MadeRequest, envelope: Envelope): Made | string {
  const ranked = rank(body);
  if (typeof ranked === "string") return ranked;
  const searches = Math.max(1, Math.ceil(asArray(body["documents"]).length / 100));
  const told = envelope.usage === "missing" ? {} : { billed_units: { search_units: searches } };
  return { ...json({ id: envelope.id, results: envelope.empty ? [] : ranked, meta: { ...META, ...told } }), pieces: { searches }, inputTokens: 0, outputTokens: 0 };
}

function embedTexts({ body }: MadeRequest, envelope: Envelope): Made | string {
  const inputs = asArray(body["inputs"]).map((input) => asArray(asObject(input)["content"]).map((part) => asText(asObject(part)["text"]) ?? "").join(""));
  const texts = [...asArray(body["texts"]), ...inputs].map((text) => asText(text) ?? "");
  if (texts.length === 0) return "invalid request: at least one of texts, images or inputs must be given";
  const size = asCount(body["output_dimension"]) ?? 256;
  const asked = asArray(body["embedding_types"]).filter((type) => typeof type === "string");
  const types = asked.length > 0 ? asked : ["float"];
  const vectors = texts.map((text) => [...embed(text, size)]);
  const as = (type: string): number[][] => (type === "float" ? vectors : vectors.map((vector) => vector.map((value) => Math.round(value * 127))));
  const embeddings = Object.fromEntries(types.map((type) => [type, envelope.empty ? [] : as(type)]));
  const inputTokens = countInput(texts, undefined);
  const told = envelope.usage === "missing" ? {} : { billed_units: { input_tokens: inputTokens } };
  return { ...json({ id: envelope.id, response_type: "embeddings_by_type", embeddings, texts, meta: { ...META, ...told } }), pieces: {}, inputTokens, outputTokens: 0 };
}
