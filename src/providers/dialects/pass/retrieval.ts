/** Moderation, reranking, and embeddings beside those of `/v1/embeddings`. */
import type { DialectId } from "../../../wire/facts.ts";
import { asArray, asNumber, isObject, member, type Json } from "../../../wire/json.ts";
import { inVersion, NO_MEASURE, wrongObject, openaiPath, problem, tokensOf, units, utf8Bytes, type PassAnswer, type PassEndpoint, type PassRead } from "./endpoint.ts";

const WHOLE = { accept: "application/json", answers: /json/i, writesTokens: false } as const;

export const moderations: PassEndpoint = {
  ...WHOLE,
  models: "other",
  defaultModel: "omni-moderation-latest",
  path: openaiPath("/moderations"),
  measure(fields) {
    const textBytes = utf8Bytes(fields.value("input"));
    return { ...NO_MEASURE, textBytes, pieces: { requests: 1 }, piecesGuess: { requests: 1 }, tokensGuess: { input: tokensOf(textBytes) } };
  },
  read({ json }) {
    const wrong = wrongObject(json);
    if (wrong !== null) return wrong;
    if (asArray(member(json, "results")).length === 0) return problem("empty", "the answer holds no results");
    const usage = member(json, "usage");
    return { kind: "answer", pieces: { requests: 1 }, tokens: units({ input: asNumber(member(usage, "prompt_tokens")) ?? asNumber(member(usage, "total_tokens")) }), raw: usage ?? null };
  },
};

/** One search is a query with up to a hundred documents. */
const DOCUMENTS_PER_SEARCH = 100;

function rerankIn(version: "v1" | "v2"): PassEndpoint {
  return {
    ...WHOLE,
    models: "other",
    path: (dialect, base) => (dialect === "cohere-v2" || dialect === "openai-chat" ? `${inVersion(base, version)}/rerank` : undefined),
    measure(fields) {
      const documents = asArray(fields.value("documents"));
      const query = utf8Bytes(fields.value("query"));
      const textBytes = documents.length * query + utf8Bytes(documents);
      const searches = Math.max(1, Math.ceil(documents.length / DOCUMENTS_PER_SEARCH));
      return { ...NO_MEASURE, textBytes, count: documents.length, pieces: null, piecesGuess: { searches }, tokensGuess: { input: tokensOf(textBytes) } };
    },
    read({ json, measure }) {
      const wrong = wrongObject(json);
      if (wrong !== null) return wrong;
      const results = member(json, "results") ?? member(json, "data");
      if (!Array.isArray(results)) return problem("malformed", "the answer holds no list of results");
      if (results.length === 0 && measure.count > 0) return problem("empty", "the answer holds no results");
      const billed = member(member(json, "meta"), "billed_units");
      const usage = member(json, "usage");
      return {
        kind: "answer",
        pieces: units({ searches: asNumber(member(billed, "search_units")) }),
        tokens: units({ input: asNumber(member(billed, "input_tokens")) ?? asNumber(member(usage, "total_tokens")) ?? asNumber(member(usage, "prompt_tokens")) }),
        raw: billed ?? usage ?? null,
      };
    },
  };
}

export const rerank = rerankIn("v1");
export const rerankV2 = rerankIn("v2");

export const embedV2: PassEndpoint = {
  ...WHOLE,
  models: "embeddings",
  path: (dialect, base) => (dialect === "cohere-v2" ? `${base}/embed` : undefined),
  measure(fields) {
    const inputs = asArray(fields.value("inputs"));
    const texts = asArray(fields.value("texts"));
    const images = asArray(fields.value("images")).length + imagesIn(inputs);
    const textBytes = utf8Bytes(texts) + textBytesIn(inputs);
    return {
      ...NO_MEASURE,
      textBytes,
      count: texts.length + asArray(fields.value("images")).length + inputs.length,
      pieces: images > 0 ? null : {},
      piecesGuess: images > 0 ? { images } : {},
      tokensGuess: { input: tokensOf(textBytes) },
    };
  },
  read({ json, measure }) {
    const wrong = wrongObject(json);
    if (wrong !== null) return wrong;
    const vectors = member(json, "embeddings");
    const lists = Array.isArray(vectors) ? [vectors as readonly Json[]] : isObject(vectors) ? Object.values(vectors).filter(Array.isArray) as (readonly Json[])[] : [];
    const counted = countProblem(lists.map((list) => list.length), measure.count);
    if (counted !== null) return counted;
    const billed = member(member(json, "meta"), "billed_units");
    const images = asNumber(member(billed, "images"));
    return {
      kind: "answer",
      pieces: images === undefined && measure.pieces === null ? null : (units({ images }) ?? {}),
      tokens: units({ input: asNumber(member(billed, "input_tokens")), image_input: asNumber(member(billed, "image_tokens")) }),
      raw: billed ?? null,
    };
  },
};

function imagesIn(inputs: readonly Json[]): number {
  return inputs.reduce<number>((sum, input) => sum + asArray(member(input, "content")).filter((part) => member(part, "image_url") !== undefined).length, 0);
}

function textBytesIn(inputs: readonly Json[]): number {
  return inputs.reduce<number>((sum, input) => sum + asArray(member(input, "content")).reduce<number>((bytes, part) => bytes + utf8Bytes(member(part, "text")), 0), 0);
}

const gemini = (verb: string): PassEndpoint["path"] => (dialect: DialectId, base: string, upstream: string) => (dialect === "gemini" ? `${base}/models/${encodeURIComponent(upstream)}:${verb}` : undefined);
const textOf = (content: Json | undefined): number => asArray(member(content, "parts")).reduce<number>((bytes, part) => bytes + utf8Bytes(member(part, "text")), 0);

function readVectors(lists: readonly number[], { json, measure }: PassRead): PassAnswer {
  const counted = countProblem(lists, measure.count);
  if (counted !== null) return counted;
  const usage = member(json, "usageMetadata");
  return { kind: "answer", pieces: {}, tokens: units({ input: asNumber(member(usage, "promptTokenCount")) }), raw: usage ?? null };
}

/** The body may name the model once more, as a resource. */
const RESOURCE = (upstream: string): string => `models/${upstream}`;

export const embedContent: PassEndpoint = {
  ...WHOLE,
  models: "embeddings",
  modelText: RESOURCE,
  path: gemini("embedContent"),
  measure(fields) {
    const textBytes = textOf(fields.value("content"));
    return { ...NO_MEASURE, textBytes, tokensGuess: { input: tokensOf(textBytes) } };
  },
  read(answer) {
    const wrong = wrongObject(answer.json);
    if (wrong !== null) return wrong;
    return readVectors([asArray(member(member(answer.json, "embedding"), "values")).length > 0 ? 1 : 0], answer);
  },
};

export const batchEmbedContents: PassEndpoint = {
  ...WHOLE,
  models: "embeddings",
  modelText: RESOURCE,
  modelsIn: "requests",
  path: gemini("batchEmbedContents"),
  measure(fields) {
    const requests = asArray(fields.value("requests"));
    const textBytes = requests.reduce<number>((bytes, request) => bytes + textOf(member(request, "content")), 0);
    return { ...NO_MEASURE, textBytes, count: requests.length, tokensGuess: { input: tokensOf(textBytes) } };
  },
  read(answer) {
    const wrong = wrongObject(answer.json);
    if (wrong !== null) return wrong;
    return readVectors([asArray(member(answer.json, "embeddings")).length], answer);
  },
};

/** As many vectors as inputs, in every list of them, or it is no answer. */
function countProblem(lengths: readonly number[], wanted: number): PassAnswer | null {
  const most = Math.max(0, ...lengths);
  if (most === 0 && wanted > 0) return problem("empty", "the answer holds no vectors");
  const wrong = lengths.find((length) => length !== wanted);
  return wrong === undefined ? null : problem("truncated", `${wrong} vectors for ${wanted} inputs`);
}
